#!/usr/bin/env bash
# About: nginx's proxy_cache before a picture host that sends both an old `Expires` and `Cache-Control: max-age`
#   (PHP's session headers beside a framework's).
# Guess: Cache-Control overrules Expires (RFC 9111, 5.3) whichever comes first: the picture is cached for a day.
# Behaviour: the order of the two lines decides. With Cache-Control first it is cached; with the past Expires first nothing
#   that follows makes it cacheable again, and every request goes to the host: MISS for ever.
#   `proxy_ignore_headers Expires;` is the way out.
# Version: nginx 1.22.1 (Debian 12). Source: nginx's mailing list, February 2012, message 32128 (called a bug there).
source "$(dirname "$0")/sandbox.sh"
chmod 755 "$work"  # nginx's workers are another user
read -r host cache < <(free_ports 2)
cat >"$work/nginx.conf" <<NGINX
daemon off; worker_processes 1; pid $work/nginx.pid; error_log $work/error.log;
events {}
http {
    access_log off; proxy_temp_path $work/1; client_body_temp_path $work/2;
    fastcgi_temp_path $work/3; uwsgi_temp_path $work/4; scgi_temp_path $work/5;
    proxy_cache_path $work/cache keys_zone=pictures:1m;
    server {
        listen 127.0.0.1:$cache;
        location / {
            proxy_pass http://127.0.0.1:$host; proxy_cache pictures; add_header X-Cache \$upstream_cache_status always;
        }
    }
}
NGINX
cat >"$work/host.py" <<'PYTHON'
import sys
from http.server import BaseHTTPRequestHandler, HTTPServer

EXPIRES, LIFETIME = ("Expires", "Thu, 19 Nov 1981 08:52:00 GMT"), ("Cache-Control", "public, max-age=86400")

class Host(BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response_only(200)
        for name, value in (EXPIRES, LIFETIME) if self.path == "/expires-first" else (LIFETIME, EXPIRES):
            self.send_header(name, value)
        self.send_header("Content-Length", "7")
        self.end_headers()
        self.wfile.write(b"picture")

HTTPServer(("127.0.0.1", int(sys.argv[1])), Host).serve_forever()
PYTHON
timeout 60 python3 "$work/host.py" "$host" & started+=($!)
timeout 60 nginx -e "$work/error.log" -c "$work/nginx.conf" & started+=($!)
timeout 20 bash -c "until (exec 3<>/dev/tcp/127.0.0.1/$cache && exec 3<>/dev/tcp/127.0.0.1/$host) 2>/dev/null; do sleep 0.2; done"
seen() { for _ in 1 2 3; do curl -sSm 10 -o "$work/body" -D - "http://127.0.0.1:$cache/$1" | sed -n 's/\r$//; s/^X-Cache: //p'; done | xargs; }
lifetime_first=$(seen lifetime-first) expires_first=$(seen expires-first)
cat "$work/error.log"
echo "Cache-Control first: $lifetime_first; Expires first: $expires_first"
[[ $lifetime_first == "MISS HIT HIT" && $expires_first == "MISS MISS MISS" ]]
