// Which files answer a request: what the proxy would compute from the same request, or nothing.
//
// Only requests that can be read in one way are answered: each parameter once, under its plain name, each
// value in plain ASCII with sound escapes. All others are declined, and the proxy reads them. So this may
// know less than the proxy does, but must never know it differently.
//
// Whatever stands outside of a function is run anew for every request: nothing is computed there, and regular
// expressions are written where they are used, for only as literals are they compiled once.

import crypto from 'crypto';
import settings from 'settings.js';

// What is asked for, in one string, for every call into JavaScript costs more than what it does:
// `<host>/<picture id>/<size>.<format>` (size and format may be empty), or for a stored path
// `<picture id>/<revision>/<name>`, or by name `names/<kind>/<ab>/<cd>/<id>/<role>/<size>.<format>`, or `declined`.
function stored(r) {
    const uri = r.variables.request_uri;
    if (r.headersIn.Accept !== r.variables.http_accept) {
        return 'declined';  // several lines, of which some versions of nginx show the first alone
    }
    return (uri.startsWith('/api/v1/') ? byName(uri)
            : uri.startsWith('/data/') ? byFile(uri)
            : uri.startsWith('/api/') ? bySourceUrl(uri)
            : uri.startsWith('/t/') ? byTmdbPath(uri)
            : byStoredPath(uri)) || 'declined';
}

function bySourceUrl(uri) {
    const asked = parameters(uri, '/api/images/proxy?');
    const host = asked && asked.url && isAllowed('/api/images/proxy', asked) && plainHost(asked.url);
    if (!host) {
        return null;
    }
    const original = asked.size === undefined || asked.size === 'original';
    const negotiated = asked.format === undefined;
    if (original ? !negotiated : !isSize(asked.size) || !(negotiated || isFormat(asked.format))) {
        return null;
    }
    return `${host}/${pictureId(asked.url)}/${original ? '' : asked.size}.${negotiated ? '' : asked.format}`;
}

function byTmdbPath(uri) {
    const found = /^(\/t\/p\/([wh]\d+|original)\/([A-Za-z0-9][\w-]{0,99}\.(?:jpe?g|png|webp|avif|gif|svg)))(\?.*)?$/.exec(uri);
    if (!found || !isAllowedPath(found[1], found[4])) {
        return null;
    }
    const url = `${settings.tmdb_image_url}/original/${found[3]}`;
    const host = plainHost(url);
    const size = found[2] === 'original' ? '' : found[2];
    return host && (!size || isSize(size)) ? `${host}/${pictureId(url)}/${size}.` : null;
}

function byStoredPath(uri) {
    const found = /^(\/p\/([0-9a-f]{32}\/[0-9a-f]{16}\/([a-z0-9]+)\.([a-z]+)))(\?.*)?$/.exec(uri);
    if (!found || !isAllowedPath(found[1], found[5])) {
        return null;
    }
    const known = found[3] === 'original'
        ? /^(?:jpg|webp|png|avif|gif|bmp|tiff|ico|heic)$/.test(found[4])
        : isSize(found[3]) && isFormat(found[4]);
    return known ? found[2] : null;
}

function byName(uri) {
    const found =
        /^(\/api\/v1\/images\/([a-z]+)\/((?:[\w.:-]|%3[Aa])+)\/([a-z]+)\/([a-z0-9]+)(\.[a-z]+)?)(\?.*)?$/.exec(uri);
    const id = found && plainId(found[3]);
    if (!id || /^\d+$/.test(id) || !isKind(found[2]) || !isRole(found[4])
        || !isAllowedPath(canonical(found[1]), found[7])) {
        return null;
    }
    const size = found[5];
    const format = (found[6] || '.').slice(1);
    if (size === 'original' ? found[6] : !isSize(size) || found[6] && !isFormat(format)) {
        return null;
    }
    return namePath(found[2], id, found[4], size, format);
}

// The files of the streamer library: the extension is the format of a rendition, and the size is a parameter.
function byFile(uri) {
    const found =
        /^(\/data\/images\/(profiles\/profile_avatar_|categories\/|artwork\/((?:[\w.:-]|%3[Aa])+)\/stream_)((?:[\w.:-]|%3[Aa])+)\.([a-z]+))(\?.*)?$/.exec(uri);
    const id = found && (found[3] === undefined || plainId(found[3])) && plainId(found[4]);
    const asked = found && (found[6] === undefined ? {} : parameters(found[6], '?'));
    if (!id || !asked || !isFormat(found[5]) || !isAllowed(canonical(found[1]), asked)) {
        return null;
    }
    const size = asked.size === undefined ? 'original' : asked.size;
    if (size !== 'original' && !isSize(size)) {
        return null;
    }
    return found[2].startsWith('p') ? namePath('streamer', id, 'profile', size, found[5])
        : found[2].startsWith('c') ? namePath('category', id, 'cover', size, found[5])
        : namePath('stream', id, 'artwork', size, found[5]);
}

function namePath(kind, id, role, size, format) {
    const digest = crypto.createHash('sha256').update(id).digest('hex');
    const file = size === 'original' ? '.' : `${size}.${format}`;
    return `names/${kind}/${digest.slice(0, 2)}/${digest.slice(2, 4)}/${id}/${role}/${file}`;
}

// A path in the spelling that is signed, as shared/http/signatures.py has it.
function canonical(path) {
    return escaped(decodeURIComponent(path)).replace(/%2F/g, '/');
}

function plainId(text) {
    const id = decodeURIComponent(text);
    return /^[A-Za-z0-9][\w.:-]{0,127}$/.test(id) ? id : null;
}

function isKind(text) {
    return /^(?:series|movie|episode|season|person|streamer|category|stream|character|user|upload|book|collection)$/.test(text);
}

function isRole(text) {
    return /^(?:poster|banner|fanart|image|thumbnail|logo|still|profile|artwork|avatar|portrait|cover)$/.test(text);
}

function isSize(text) {
    return /^(?:large|medium|small|thumbnail|w45|w92|w154|w185|w300|w342|w500|w780|w1280|h632)$/.test(text);
}

function isFormat(text) {
    return /^(?:webp|avif|jpg|png)$/.test(text);
}

function pictureId(url) {
    return crypto.createHash('sha256').update(url).digest('hex').slice(0, 32);
}

// The host of a URL that has one meaning only, or null: a name, or four decimal numbers.
function plainHost(url) {
    if (url.length > 8192) {
        return null;
    }
    const found =
        /^https?:\/\/([a-z0-9][a-z0-9.-]{0,200})(?::([1-9][0-9]{0,4}))?(?:[\/?#](?:[ -~]*[!-~])?)?$/.exec(url);
    if (!found || found[2] && Number(found[2]) > 65535) {
        return null;
    }
    const plain = /^(?:[a-z0-9-]{1,63}\.)*[a-z](?:[a-z0-9-]{0,61}[a-z0-9])?$/.test(found[1])
        || /^(?:(?:25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])(?:\.(?=[0-9])|$)){4}$/.test(found[1]);
    return plain ? found[1] : null;
}

// What is asked, decoded, or null where it is not plain: a value holds what is unreserved or has no meaning
// inside a parameter, and escapes of printable ASCII.
function parameters(uri, path) {
    if (!uri.startsWith(path)) {
        return null;
    }
    const asked = {url: undefined, size: undefined, format: undefined, sig: undefined, exp: undefined};
    const pairs = uri.slice(path.length).split('&');
    for (let i = 0; i < pairs.length; i++) {
        const pair = pairs[i];
        const end = pair.indexOf('=');
        const name = pair.slice(0, end);
        const value = pair.slice(end + 1);
        if (end < 3 || !(name in asked) || asked[name] !== undefined
            || !/^[\w.~:\/?@!$'()*,;=-]*(?:%(?:[2-6][0-9A-Fa-f]|7[0-9A-Ea-e])[\w.~:\/?@!$'()*,;=-]*)*$/.test(value)) {
            return null;
        }
        asked[name] = decodeURIComponent(value);
    }
    return asked;
}

// A path says everything: its parameters are read only where it must be signed.
function isAllowedPath(path, query) {
    if (!settings.signing_keys.length) {
        return query === undefined || /^\?[!"$-~]*$/.test(query);
    }
    const asked = query === undefined ? null : parameters(query, '?');
    return asked !== null && isAllowed(path, asked);
}

// As shared/http/signatures.py: the sorted parameters, escaped by RFC 3986, under any of the keys.
function isAllowed(path, asked) {
    if (!settings.signing_keys.length) {
        return true;
    }
    if (!asked.sig || !/^[0-9a-f]{64}$/.test(asked.sig)) {
        return false;
    }
    if (asked.exp !== undefined && !(/^[0-9]{1,15}$/.test(asked.exp) && Date.now() / 1000 < Number(asked.exp))) {
        return false;
    }
    const pairs = [];
    ['exp', 'format', 'size', 'url'].forEach(name => {
        if (asked[name] !== undefined) {
            pairs.push(`${name}=${escaped(asked[name])}`);
        }
    });
    const text = `${path}?${pairs.join('&')}`;
    let valid = 0;
    settings.signing_keys.forEach(key => {
        valid |= equal(crypto.createHmac('sha256', key).update(text).digest('hex'), asked.sig);
    });
    return valid === 1;
}

function escaped(value) {
    return encodeURIComponent(value).replace(/[!'()*]/g, c => `%${c.charCodeAt(0).toString(16).toUpperCase()}`);
}

// Takes as long for a wrong signature as for a nearly right one. Both are 64 characters long.
function equal(a, b) {
    let different = 0;
    for (let i = 0; i < 64; i++) {
        different |= a.charCodeAt(i) ^ b.charCodeAt(i);
    }
    return different === 0 ? 1 : 0;
}

// Browsers send the tag and the date of the same file. As the tag begins with the date, the two can be compared
// without the file; where they agree, nginx, which wants both to hold, decides as if it had asked the tag alone.
function judgeTagAndDate(r) {
    const tag = /^(?:W\/)?"([0-9a-f]{8})-[0-9a-f]+"$/.exec(r.variables.http_if_none_match);
    const date = r.variables.http_if_modified_since;
    const agree = tag && /^[A-Z][a-z]{2}, \d\d [A-Z][a-z]{2} \d{4} \d\d:\d\d:\d\d GMT$/.test(date)
        && Date.parse(date) === parseInt(tag[1], 16) * 1000;
    return agree ? 'date' : 'elsewhere';
}

export default {stored, judgeTagAndDate};
