#!/usr/bin/env bash
# About: tmdbsimple with its REQUESTS_SESSION set, as its README has it for those who ask much.
# Guess: requests.Session keeps connections, so that a library's thousand titles cost one TLS handshake.
# Behaviour: one connection for each request, as without a session: the library's own headers say `Connection: close`, and headers of a
#   request go before those of its session, so that session.headers cannot take it back. It is in each object: del
#   movie.headers["Connection"] before its first call keeps the connection.
# Versions: tmdbsimple 2.9.8, requests 2.34.2. Source: observed; RFC 9112, 9.6 (close ends the connection after the answer).
source "$(dirname "$0")/sandbox.sh"
packages tmdbsimple==2.9.8 requests==2.34.2
in_python <<'PYTHON'
import sys, threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
import requests, tmdbsimple

class Titles(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    connections = 0

    def setup(self):
        super().setup()
        Titles.connections += 1

    def do_GET(self):
        body = b'{"title": "Alien"}'
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass

server = ThreadingHTTPServer(("127.0.0.1", 0), Titles)
threading.Thread(target=server.serve_forever, daemon=True).start()
tmdbsimple.API_KEY = "key"

def asked(session, keep=False):
    Titles.connections = 0
    tmdbsimple.REQUESTS_SESSION = session
    for number in range(5):
        movie = tmdbsimple.Movies(number)
        movie.base_uri = f"http://127.0.0.1:{server.server_port}/3"
        if keep:
            del movie.headers["Connection"]
        assert movie.info()["title"] == "Alien"
    return Titles.connections

session = requests.Session()
session.headers["Connection"] = "keep-alive"
seen = {"without a session": asked(None), "with one": asked(requests.Session()), "that says keep-alive": asked(session),
        "the object's header taken away": asked(requests.Session(), keep=True)}
for how, connections in seen.items():
    print(f"5 requests {how}: {connections} connections")
server.shutdown()
sys.exit(list(seen.values()) != [5, 5, 5, 1])
PYTHON
