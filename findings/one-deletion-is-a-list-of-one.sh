#!/usr/bin/env bash
# About: obstore (object_store, Rust), `delete` of one path in a store that speaks S3.
# Guess: one path is a DELETE of that object, which any store knows, and which a policy allows by s3:DeleteObject; a list of paths
#   is a DeleteObjects request.
# Behaviour: one path, too, is a POST to the bucket with ?delete, and a document with one key in it. A proxy, a gateway or an emulator
#   that lets through or knows DELETE alone refuses it, and a log of DELETEs shows none.
# Versions: obstore 0.12.1. Source: observed; the request is written down by a server of our own.
source "$(dirname "$0")/sandbox.sh"
packages obstore==0.12.1
in_python <<'PYTHON'
import sys, threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import obstore
from obstore.store import S3Store

asked = []

class Store(BaseHTTPRequestHandler):
    def do_DELETE(self):
        asked.append(f"DELETE {self.path}")
        self.send_response(204)
        self.end_headers()

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        asked.append(f"POST {self.path} with {body.count(b'<Key>')} key")
        answer = b"<DeleteResult><Deleted><Key>a</Key></Deleted></DeleteResult>"
        self.send_response(200)
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *_):
        pass

server = HTTPServer(("127.0.0.1", 0), Store)
threading.Thread(target=server.serve_forever, daemon=True).start()
store = S3Store(
    "bucket", endpoint=f"http://127.0.0.1:{server.server_port}", access_key_id="a", secret_access_key="b",
    client_options={"allow_http": True},
)
obstore.delete(store, "a")
print("delete of one path:", asked)
sys.exit(asked != ["POST /bucket?delete with 1 key"])
PYTHON
