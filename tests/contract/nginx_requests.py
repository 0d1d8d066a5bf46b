"""Requests for pictures in every spelling: plain ones as pages write them, and plain ones bent in some way."""

import random
import string
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from urllib.parse import parse_qsl, quote, unquote

from shared.http.signatures import Signatures
from shared.pictures import Kind, Role
from shared.pictures.hosts import PICTURE_HOSTS
from shared.pictures.rendition import SIZES

TMDB_TOKENS = [size for size in SIZES if size[0] in "wh" and size[1:].isdigit()]
FORMATS = ("webp", "avif", "jpg", "png")
NAMED_FILES = (
    "/data/images/profiles/profile_avatar_",
    "/data/images/categories/",
    "/data/images/artwork/somebody/stream_",
    "/data/images/artwork/a%3Ab.c-1/stream_",
    "/api/image-no-auth/",
)
TITLES = [
    "tom_clancy%27s_rainbow_six_siege",
    "tom_clancy's_rainbow_six_siege",
    "grand_theft_auto_v,_fivem",
    "dungeons_&_dragons",
    "dungeons_%26_dragons",
    "pok%C3%A9mon_legends:_z-a",
    "pok%c3%a9mon",
    "yu-gi-oh!",
    "_x",
    "0+1",
    "beat_saber_(vr)",
    "%E3%83%A2%E3%83%B3%E3%82%B9%E3%82%BF%E3%83%BC",
    "%EB%B0%B0%ED%8B%80",
    "%D0%BC%D0%B8%D1%80",
    "rock%E2%80%99n%E2%80%99roll",
    "a=b;c@d$e~f",
]
"""As files of categories are called, and browsers ask for them."""

ODD_IDS = (
    ". .. ... .a -a _a :a a/b a%2Fb ..%2Fa a%5Cb a%00 a%20b a+b a%2Bb %61 a%3a a%3A %3Aa a%253A a;b a,b a~ a! %C3%A9 "
    "\u0142 a%C5%82 603 0 007 12345678901234567890 6%33 1e3 0x1 1.2 tmdb: tmdb:: tt0133093 Tmdb:603 a.jpg a..b a.webp "
    "private_a private_ Private_a private- %70rivate_a constructor __proto__ a' a\" a$uri a{b} a|b a? a# current a%CC%81 %E1%84%80%E1%85%A1 %E2%84%AB %EF%A4%80 %E0%A4%95 %F0%9F%8E%AC '%41 ,, .%27 ..%27 a%2E%27 %2E%27 a%0A \xe9"
)
BROWSERS = (
    "image/avif,image/webp,image/apng,image/svg+xml,image/*,*/*;q=0.8",
    "image/webp,image/png,image/svg+xml,image/*;q=0.8,video/*;q=0.8,*/*;q=0.5",
    "*/*",
)
_NAME = string.ascii_letters + string.digits

_TROUBLE = (
    "%00 %0A %0d%0a %09 %20 + %2B %25 %2525 % %2 %zz %u0041 %7F %80 %C3%A9 %c3%a9 %C3 %E2%82 %F0%9F%8E%AC "
    "%ED%A0%80 %C0%AF %FF%FE %EF%BC%8F & && = == ; # %23 ? %3F %26 %3D @ %40 user@ u:p@ : %3A :80 :443 :8080 :0 "
    ":00080 :65536 :99999999 :x :+1 %3A80 [::1] [ ] / // /./ /../ %2F %2f %2E%2E %5C \\ \x01 \x7f \x80 \xe9 \xff "
    "&url=http%3A%2F%2Fa.example &size=small &size= &size &format=webp &format= &x=1 &sig=0 &exp=1 &=1 &url "
    "&%75rl=http://a.example &ur%6C=x &URL=x &s%69ze=small &size=%73mall a.example A.example . .. - _ "
    "xn--bcher-kva.example b\xfccher 127.1 constructor \" ' < > ` { } | ^ ~ * ! ( ) , $ $uri \u0142 w342 svg"
)
_HOSTS = (
    "a.example localhost 127.0.0.1 127.0.0.1:8080 1.2.3.4.5 999.1.1.1 0x7f.1 2130706433 a.example:443 a.example:80 "
    "a.example:65535 a.example:65536 a.example:0 a.example: a.example:1a A.example image.TMDB.org image.tmdb.org. "
    "image.tmdb.org:8443 sub.image.tmdb.org a..example -a.example a-.example a_b.example xn--bcher-kva.example xn--a "
    "b\xfccher.example b\u0142.example [::1] [::1]:8080 [fe80::1%25eth0] [::ffff:127.0.0.1] user@a.example "
    "u:p@a.example @a.example constructor tostring hasownproperty . a\\b a%41"
)
_TYPES = "image/webp|image/avif|IMAGE/WEBP|image/webp2|image/*|*/*|image/avif ||x|\xf6"
_MARKS = "|||;q=0|; q=0.0|;q=0.5| ; Q = 0 . 0 0|;q=0.0000|;v=b3;q=0|;q=0;v=1|;|;q=00"
TROUBLE = _TROUBLE.split(" ")
HOSTS = [*_HOSTS.split(" "), "a" * 200, "a." * 120 + "b", "", "a b"]
TYPES, MARKS = _TYPES.split("|"), _MARKS.split("|")
SCHEMES = (
    "https://",
    "http://",
    "HTTPS://",
    "https:/",
    "https:",
    "//",
    "ftp://",
    "upload:",
    " https://",
    "https:///",
)
GOOD_EXPIRIES = ("99999999999", "999999999999999")
BAD_EXPIRIES = ("1", "0", "", "-1", "1e12", "99999999999 ")


@dataclass(frozen=True)
class Request:
    target: bytes
    accept: str | None
    plain: bool = False
    """nginx must not decline it."""


def generated(seed: int, count: int) -> Iterator[Request]:
    random_ = random.Random(seed)
    kinds: tuple[Callable[[random.Random], Request], ...] = (
        plain,
        plain,
        bent,
        bent,
        bent,
        odd_source,
        odd_path,
        odd_name,
    )
    for _ in range(count):
        yield random_.choice(kinds)(random_)


def plain(random_: random.Random) -> Request:
    """As the providers' pages and ours write it."""
    accept = random_.choice(BROWSERS)
    if random_.random() < 0.3:
        return Request(_name_path(random_, _id(random_)).encode(), accept, plain=True)
    if random_.random() < 0.1:
        query = random_.choice(["", *(f"?size={size}" for size in SIZES)])
        title = f"/data/images/categories/{random_.choice(TITLES)}.{random_.choice(FORMATS)}{query}"
        return Request(title.encode(), accept, plain=True)
    if random_.random() < 0.25:
        file = f"{_name(random_, 27)}.{random_.choice(('jpg', 'png', 'svg'))}"
        return Request(
            f"/t/p/{random_.choice([*TMDB_TOKENS, 'original'])}/{file}".encode(), accept, plain=True
        )
    parameters = ["url=" + random_.choice(ESCAPING)(provider_url(random_))]
    size = random_.choice([*SIZES, None, None])
    if size:
        parameters.append(f"size={size}")
        if random_.random() < 0.3:
            parameters.append(f"format={random_.choice(FORMATS)}")
    if random_.random() < 0.3:
        random_.shuffle(parameters)
    return Request(f"/api/images/proxy?{'&'.join(parameters)}".encode(), accept, plain=True)


def _name_path(random_: random.Random, id_: str) -> str:
    """By what is shown: in our form, or as a file of the streamer library or of uploads."""
    format_ = random_.choice(FORMATS)
    if random_.random() < 0.7:
        file = random_.choice([*SIZES, *(f"{size}.{format_}" for size in SIZES), "original"])
        return f"/api/v1/images/{random_.choice(list(Kind))}/{id_}/{random_.choice(list(Role))}/{file}"
    size = random_.choice(["", "", *(f"?size={size}" for size in SIZES)])
    return f"{random_.choice(NAMED_FILES)}{id_}.{format_}{size}"


def _id(random_: random.Random) -> str:
    number = random_.randrange(10**7)
    plain_ids = (
        f"tmdb:{number}",
        f"tvdb%3A{number}",
        f"imdb:tt{number:07d}",
        f"trakt:{_name(random_, 5)}-{number}",
    )
    return random_.choice((*plain_ids, "Just-Chatting", f"a.{_name(random_, 3)}_b", "x" * 128))


def provider_url(random_: random.Random) -> str:
    host = random_.choice(PICTURE_HOSTS)
    number = f"{random_.randrange(10**9):09d}"
    path = {
        "trakt": f"images/movies/{number[:3]}/{number[3:6]}/{number[6:]}/posters/thumb/{_name(random_, 10)}.jpg.webp",
        "tmdb": f"t/p/original/{_name(random_, 27)}.jpg",
        "tvdb": f"banners/v4/series/{number}/posters/{_name(random_, 13)}.jpg",
        "twitch": f"jtv_user_pictures/{_name(random_, 8)}-profile_image-300x300.png",
        "fanart": f"fanart/movies/{number}/movieposter/the-film (2026) [{_name(random_, 5)}].jpg",
        "hardcover": f"external_data/{number}/{_name(random_, 12)}.jpeg?v={number}&w=300",
    }[host.provider]
    return f"https://{host.host}/{path}"


def _escaped_by_pages(url: str) -> str:
    """JavaScript's encodeURIComponent."""
    return quote(url, safe="!'()*")


def _escaped_in_lower_case(url: str) -> str:
    return "".join(
        part if not part.startswith("%") else part.lower() for part in _pieces(quote(url, safe=""))
    )


def _escaped_where_necessary(url: str) -> str:
    return quote(url, safe=":/?=,@!$'()*;~")


ESCAPING: tuple[Callable[[str], str], ...] = (
    lambda url: quote(url, safe=""),
    _escaped_by_pages,
    _escaped_in_lower_case,
    _escaped_where_necessary,
)


def bent(random_: random.Random) -> Request:
    """A plain request with trouble somewhere."""
    whole = plain(random_)
    target = whole.target.decode()
    for _ in range(random_.choice((1, 1, 1, 2, 3))):
        target = random_.choice(BENDING)(random_, target)
    return Request(_sendable(target), _accept(random_))


def _put_in(random_: random.Random, target: str) -> str:
    at = random_.randrange(1, len(target) + 1)
    return target[:at] + random_.choice(TROUBLE) + target[at:]


def _put_at_the_end(random_: random.Random, target: str) -> str:
    return target + random_.choice(TROUBLE)


def _escape_one(random_: random.Random, target: str) -> str:
    at = random_.randrange(1, len(target))
    return f"{target[:at]}%{ord(target[at]) & 255:02{random_.choice('xX')}}{target[at + 1 :]}"


def _cut_out(random_: random.Random, target: str) -> str:
    at = random_.randrange(1, len(target))
    return target[:at] + target[at + random_.choice((1, 1, 2, 5)) :]


def _change_case(random_: random.Random, target: str) -> str:
    at = random_.randrange(1, len(target))
    return target[:at] + target[at:].swapcase()


def _repeat(random_: random.Random, target: str) -> str:
    return f"{target}&{random_.choice(target.partition('?')[2].split('&'))}"


BENDING: tuple[Callable[[random.Random, str], str], ...] = (
    *(_put_in, _put_in, _put_in, _put_at_the_end),
    *(_escape_one, _cut_out, _change_case, _repeat),
)


def signed(random_: random.Random, keys: Sequence[str]) -> Request:
    """Signed by one of the keys or by none of ours, in time or too late, and perhaps changed afterwards."""
    path, _, query = plain(random_).target.decode().partition("?")
    path = unquote(path)
    if path.startswith("/data/") and random_.random() < 0.3:
        query = "size=original"
    if random_.random() < 0.3:
        path, query = f"/p/{random_.getrandbits(128):032x}/{random_.getrandbits(64):016x}/small.webp", ""
    parameters = parse_qsl(query)
    expiry = random_.choice((*(None,) * 5, *GOOD_EXPIRIES, *GOOD_EXPIRIES, *BAD_EXPIRIES))
    if expiry is not None:
        parameters.append(("exp", expiry))
    key = random_.choice([*keys, *keys, "nobody's"])
    target = Signatures([key]).sign(path, parameters)
    if random_.random() < 0.5:
        sound = key in keys and expiry in (None, *GOOD_EXPIRIES)
        return Request(target.encode(), random_.choice(BROWSERS), plain=sound)
    for _ in range(random_.choice((1, 1, 2))):
        target = random_.choice((*BENDING, _shuffle, _sign_again, _forge))(random_, target)
    return Request(_sendable(target), _accept(random_))


def _shuffle(random_: random.Random, target: str) -> str:
    """The same in another order: still signed."""
    path, _, query = target.partition("?")
    parameters = query.split("&")
    random_.shuffle(parameters)
    return f"{path}?{'&'.join(parameters)}"


def _sign_again(random_: random.Random, target: str) -> str:
    return f"{target}&sig={target.rpartition('sig=')[2] if random_.random() < 0.5 else '0' * 64}"


def _forge(random_: random.Random, target: str) -> str:
    """Nearly right, in other spellings, or none at all."""
    start, _, given = target.rpartition("sig=")
    escaped = f"%{ord(given[0]):02x}{given[1:]}" if given else "%"
    return f"{start}sig={random_.choice((given.upper(), given[:-1], given + '0', given[:-1] + '0', '', '%', escaped))}"


def odd_source(random_: random.Random) -> Request:
    """Every kind of host and scheme; paths of every length around what is allowed, and odd sizes and formats."""
    url = random_.choice(SCHEMES if random_.random() < 0.2 else SCHEMES[:2]) + random_.choice(HOSTS)
    if random_.random() < 0.8:
        url += random_.choice("/////?#\\ ")
    if random_.random() < 0.3:
        url += "a" * random_.choice((2048 - len(url), 2049 - len(url), 2047 - len(url), 5000))
    else:
        url += "".join(random_.choice([*TROUBLE, "a", "b/c"]) for _ in range(random_.choice((0, 1, 2, 5))))
    value = random_.choice(ESCAPING)(url) if random_.random() < 0.8 else url
    parameters = [f"url={value}"]
    if random_.random() < 0.4:
        parameters.append(
            "size=" + random_.choice([*SIZES, "original", "w343", "W342", "", "medium.webp", "%6d"])
        )
    if random_.random() < 0.3:
        parameters.append("format=" + random_.choice([*FORMATS, "gif", "", "WEBP", "svg", "jpeg"]))
    random_.shuffle(parameters)
    return Request(_sendable(f"/api/images/proxy?{'&'.join(parameters)}"), _accept(random_))


def odd_path(random_: random.Random) -> Request:
    """Paths of stored pictures and TMDB's, most of them bent."""
    name = f"{random_.choice([*SIZES, 'original', 'manifest', 'state', 'spool', 'w343'])}." + random_.choice(
        [*FORMATS, "gif", "svg", "ico", "json", "bmp", "tiff", "jpeg"]
    )
    picture, revision = f"{random_.getrandbits(128):032x}", f"{random_.getrandbits(64):016x}"
    picture = random_.choice((picture, picture, picture[:20] + "0" * 12, picture[:21] + "0" * 11))
    target = random_.choice(
        [f"/p/{picture}/{revision}/{name}"] * 3
        + [
            f"/t/p/{random_.choice([*TMDB_TOKENS, 'large', 'original', 'w1', 'x'])}/{_name(random_, 5)}.jpg",
            "/p/" + name,
        ]
        + [
            f"/api/images/proxy/{name}",
            f"/stored/cache/{picture[:2]}/{name}",
            f"/_stored/date/{picture}/{name}",
        ]
    )
    if random_.random() < 0.6:
        target = random_.choice((_put_in, _put_in, _put_at_the_end, _escape_one, _cut_out, _change_case))(
            random_, target
        )
    return Request(_sendable(target), _accept(random_))


def odd_name(random_: random.Random) -> Request:
    """Every kind of id, and paths that are nearly right."""
    id_ = random_.choice([*ODD_IDS.split(" "), "x" * 129, "x" * 5000, "a." + "x" * 127, _id(random_)])
    target = _name_path(random_, id_)
    if random_.random() < 0.4:
        change = (_put_in, _put_in, _put_at_the_end, _escape_one, _cut_out, _change_case)
        target = random_.choice(change)(random_, target)
    return Request(_sendable(target), _accept(random_))


def _accept(random_: random.Random) -> str | None:
    if random_.random() < 0.5:
        return random_.choice([*BROWSERS, None])
    parts = [random_.choice(TYPES) + random_.choice(MARKS) for _ in range(random_.randrange(1, 6))]
    return random_.choice((",", ", ", " ,", ",,")).join(parts) + "," * random_.choice((0, 0, 0, 1, 1000))


def _sendable(target: str) -> bytes:
    """Without what would end the request line."""
    raw = b"".join(char.encode("latin-1" if ord(char) < 256 else "utf-8") for char in target)
    return raw.translate(None, b" \r\n\0")


def _pieces(text: str) -> Iterator[str]:
    at = 0
    while at < len(text):
        end = at + (3 if text[at] == "%" else 1)
        yield text[at:end]
        at = end


def _name(random_: random.Random, length: int) -> str:
    return "".join(random_.choices(_NAME, k=length))
