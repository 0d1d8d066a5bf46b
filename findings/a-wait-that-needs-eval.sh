#!/usr/bin/env bash
# About: Playwright waiting for something on a page whose Content-Security-Policy has script-src 'self', as ours do.
# Guess: the policy holds for the page's scripts and not for the test's, so that wait_for_function takes what evaluate takes.
# Behaviour: evaluate("window.ready") works, and so does wait_for_function("() => window.ready"); the expression
#   wait_for_function("window.ready"), as its own documentation writes it, raises EvalError, for it is given to the
#   page's eval at each look. Write an arrow function, rather than switching the policy off (bypass_csp).
# Version: playwright 1.65.2, Chromium 156. Source: "expression: JavaScript expression to be evaluated in the browser
#   context" (https://playwright.dev/python/docs/api/class-page#page-wait-for-function); the difference is observed.
source "$(dirname "$0")/sandbox.sh"
command -v chromium >/dev/null || { echo "chromium is missing: the Debian package chromium" >&2; exit 2; }
packages playwright==1.65.2
in_python <<'PYTHON'
import shutil
import sys
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

from playwright.sync_api import Error, sync_playwright


class Page(BaseHTTPRequestHandler):
    def do_GET(self):
        is_script = self.path == "/ready.js"
        self.send_response(200)
        self.send_header("Content-Type", "text/javascript" if is_script else "text/html")
        self.send_header("Content-Security-Policy", "default-src 'none'; script-src 'self'")
        self.end_headers()
        self.wfile.write(b"window.ready = true" if is_script else b"<!doctype html><script src=/ready.js></script>")

    def log_message(self, *_):
        pass


server = HTTPServer(("127.0.0.1", 0), Page)
threading.Thread(target=server.serve_forever, daemon=True).start()
asked = {
    "evaluate('window.ready')": lambda page: page.evaluate("window.ready"),
    "wait_for_function('() => window.ready')": lambda page: page.wait_for_function("() => window.ready"),
    "wait_for_function('window.ready')": lambda page: page.wait_for_function("window.ready"),
}
seen = {}
with sync_playwright() as playwright:
    browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox", "--disable-gpu"])
    page = browser.new_page()
    page.goto(f"http://127.0.0.1:{server.server_port}/")
    for words, ask in asked.items():
        try:
            ask(page)
            seen[words] = "works"
        except Error as error:
            seen[words] = error.message.partition(":")[2].strip()[:60]
        print(f"{words}: {seen[words]}")
    browser.close()
server.shutdown()
*others, last = seen.values()
sys.exit(not (others == ["works", "works"] and "EvalError" in last))
PYTHON
