#!/usr/bin/env bash
# About: nginx, static files with `add_header Cache-Control "public, max-age=31536000, immutable"`, asked for a range behind the end.
# Guess: without `always` the header is added to 200, 201, 204, 206, 301 … alone, as its documentation lists, and so it is not with
#   a 404 or a 412: a 416 is not to be kept, either.
# Behaviour: the 416 has it: headers are added before ranges are looked at. An error_page does not help: it brings the file's ETag
#   back, and what it says comes behind, so that there are two lines of Cache-Control, which say the opposite. A seek behind the end of a video
#   may so be refused for a year. (njs's js_header_filter can take the lines out again.)
# Version: nginx 1.22.1 (Debian 12). Source: nginx's documentation of ngx_http_headers_module ("if the response code equals 200, 201, …");
#   RFC 9111, section 3 (a final status that is understood may be stored); observed.
source "$(dirname "$0")/sandbox.sh"
chmod 755 "$work"  # nginx's workers are another user
read -r port < <(free_ports 1)
head -c 1000 /dev/zero >"$work/video.mp4"
chmod 644 "$work/video.mp4"
cat >"$work/nginx.conf" <<NGINX
daemon off; worker_processes 1; pid $work/nginx.pid; error_log $work/error.log;
events {}
http {
    access_log off; proxy_temp_path $work/1; client_body_temp_path $work/2;
    fastcgi_temp_path $work/3; uwsgi_temp_path $work/4; scgi_temp_path $work/5;
    server {
        listen 127.0.0.1:$port;
        location = /video.mp4 {
            alias "$work/video.mp4";
            add_header Cache-Control "public, max-age=31536000, immutable";
        }
        location = /with-a-page.mp4 {
            alias "$work/video.mp4";
            add_header Cache-Control "public, max-age=31536000, immutable";
            error_page 416 /refused;
        }
        location = /refused { internal; add_header Cache-Control no-store always; return 416 "no"; }
    }
}
NGINX
timeout 60 nginx -e "$work/error.log" -c "$work/nginx.conf" & started+=($!)
timeout 20 bash -c "until (exec 3<>/dev/tcp/127.0.0.1/$port) 2>/dev/null; do sleep 0.2; done"
kept() {
    curl -sSm 10 -o /dev/null -D - -H "$2" "http://127.0.0.1:$port/$1" | tr -d '\r' |
        grep -iE '^(HTTP|cache-control|etag)' | sed 's/^\(etag\).*/\1/I' | tr '\n' ';'
}
outside=$(kept video.mp4 'Range: bytes=5000-')
page=$(kept with-a-page.mp4 'Range: bytes=5000-')
other=$(kept video.mp4 'If-Match: "another"')
echo "a range behind the end: $outside"
echo "with an error_page:     $page"
echo "another If-Match:       $other"
year='Cache-Control: public, max-age=31536000, immutable;'
[[ $outside == *" 416 "*"$year" && $page == *" 416 "*"$year"*"Cache-Control: no-store;"* && $other == *" 412 Precondition Failed;" ]]
