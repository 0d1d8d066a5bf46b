#!/usr/bin/env bash
# About: obstore (object_store, reqwest, rustls), a store of objects with a certificate of its own, named by SSL_CERT_FILE.
# Guess: who is handed the server's own certificate as trusted trusts that server, as OpenSSL does: curl, urllib, boto3.
# Behaviour: `openssl req -x509` makes a certificate that is also an authority (CA:TRUE), and rustls takes no authority's for a
#   server's: "HTTP error: error sending request", and CaUsedAsEndEntity in the text behind it alone. With `-addext
#   basicConstraints=critical,CA:FALSE` both trust it: rustls then takes the same file as authority and as server's.
# Versions: obstore 0.12.1, Python 3.11 with OpenSSL 3. Source: observed; webpki (briansmith), issue 114 (of plain rustls).
source "$(dirname "$0")/sandbox.sh"
packages obstore==0.12.1
cd "$work"
in_python <<'PYTHON'
import os, ssl, subprocess, sys, threading
from http.server import BaseHTTPRequestHandler, HTTPServer


class Store(BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        for name, value in (("ETag", '"1"'), ("Content-Length", "3"), ("Last-Modified", "Mon, 05 Jan 2026 10:00:00 GMT")):
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(b"one")

    def log_message(self, *_):
        pass


def served(name, *more):
    """The port of a server with a certificate of its own, in the file of that name."""
    command = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=localhost -addext"
    files = f"subjectAltName=DNS:localhost,IP:127.0.0.1 -keyout {name}.key -out {name}.pem"
    subprocess.run([*command.split(), *files.split(), *more], check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(f"{name}.pem", f"{name}.key")
    server = HTTPServer(("127.0.0.1", 0), Store)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server.server_address[1]


LOOK = """
import sys, urllib.request, obstore
from obstore.store import S3Store
url = f"https://127.0.0.1:{sys.argv[1]}"
print(urllib.request.urlopen(url + "/bucket/key").read().decode())
store = S3Store("bucket", endpoint=url, skip_signature=True, region="us-east-1", virtual_hosted_style_request=False,
                retry_config={"max_retries": 0})
try:
    print(bytes(obstore.get(store, "key").bytes()).decode())
except Exception as error:
    print("CaUsedAsEndEntity" if "CaUsedAsEndEntity" in str(error) else error)
"""


def seen(name, *more):
    """By urllib and by obstore, each of which reads SSL_CERT_FILE as it starts."""
    trusted = os.environ | {"SSL_CERT_FILE": f"{name}.pem"}
    asked = subprocess.run([sys.executable, "-c", LOOK, str(served(name, *more))], env=trusted, capture_output=True, text=True)
    return asked.stdout.splitlines() or asked.stderr


plain = seen("plain")
servers = seen("servers", "-addext", "basicConstraints=critical,CA:FALSE")
print("by urllib and by obstore, as openssl makes it:", plain, "- a server's own:", servers)
sys.exit(plain != ["one", "CaUsedAsEndEntity"] or servers != ["one", "one"])
PYTHON
