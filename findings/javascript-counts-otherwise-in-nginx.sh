#!/usr/bin/env bash
# About: njs in nginx and a page that share a function: a bucket or a signature made from a title and a factor.
# Guess: both are JavaScript: strings are UTF-16, and numbers become the same text everywhere.
# Behaviour: njs counts code points. The name 𠮷野家 has length 3 (4 in browsers, Node), its first charCodeAt is 134071 (55362), so
#   that lengths, slices and hashes by charCodeAt differ. And 1.1*3 becomes 3.3000000000000004 (browsers: …03; the same
#   double), so that JSON signed in one place does not verify in the other. Sign bytes, send numbers as text.
# Version: njs 0.7.9 in nginx 1.22.1 (Debian 12). Source: ECMA-262, 6.1.4 (strings) and 6.1.6.1.20 (numbers); observed.
source "$(dirname "$0")/sandbox.sh"
chmod 755 "$work"  # nginx's workers are another user
read -r port < <(free_ports 1)
cat >"$work/shared.js" <<'JAVASCRIPT'
function seen(r) {
    const title = '𠮷野家';
    r.return(200, `${title.length} ${title.charCodeAt(0)} ${title.slice(0, 2)} ${JSON.stringify(1.1 * 3)}\n`);
}
export default {seen};
JAVASCRIPT
cat >"$work/nginx.conf" <<NGINX
load_module /usr/lib/nginx/modules/ngx_http_js_module.so;
daemon off; worker_processes 1; pid $work/nginx.pid; error_log $work/error.log;
events {}
http {
    access_log off; proxy_temp_path $work/1; client_body_temp_path $work/2;
    fastcgi_temp_path $work/3; uwsgi_temp_path $work/4; scgi_temp_path $work/5;
    js_path "$work";
    js_import shared.js;
    server { listen 127.0.0.1:$port; location / { js_content shared.seen; } }
}
NGINX
timeout 60 nginx -e "$work/error.log" -c "$work/nginx.conf" & started+=($!)
timeout 20 bash -c "until (exec 3<>/dev/tcp/127.0.0.1/$port) 2>/dev/null; do sleep 0.2; done"
seen=$(curl -sSm 10 "http://127.0.0.1:$port/")
echo "length, first charCodeAt, slice(0, 2), 1.1*3: $seen (browsers: 4 55362 𠮷 3.3000000000000003)"
[[ $seen == "3 134071 𠮷野 3.3000000000000004" ]]
