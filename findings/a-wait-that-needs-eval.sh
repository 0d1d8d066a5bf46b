#!/usr/bin/env bash
# About: Playwright waiting for something on a page whose Content-Security-Policy has script-src 'self', as ours do.
# Guess: the policy holds for the page's scripts and not for the test's, so that wait_for_function takes what evaluate takes.
# Behaviour: evaluate("window.ready") works, and so does wait_for_function("() => window.ready"). The expression
#   wait_for_function("window.ready") works where it is true at the first look; where it has to wait, which it is for, it
#   raises EvalError, for the page's own eval is given it at each further look. So it passes where pages are quick.
#   Write an arrow function, rather than switching the policy off (bypass_csp).
# Version: playwright 1.65.2, Chromium 156. Source: Playwright's documentation of Page.wait_for_function ("expression: JavaScript
#   expression to be evaluated in the browser context"); the difference is observed.
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
        self.wfile.write(b"setTimeout(() => { window.ready = true }, 500)" if is_script else b"<!doctype html><script src=/ready.js></script>")

    def log_message(self, *_):
        pass


server = HTTPServer(("127.0.0.1", 0), Page)
threading.Thread(target=server.serve_forever, daemon=True).start()
asked = {
    "evaluate('window.ready')": lambda page: page.evaluate("window.ready"),
    "wait_for_function('() => window.ready')": lambda page: page.wait_for_function("() => window.ready"),
    "wait_for_function('window.ready')": lambda page: page.wait_for_function("window.ready"),
    "the same where it is true already": lambda page: (
        page.wait_for_function("() => window.ready"), page.wait_for_function("window.ready")
    ),
}
seen = {}
with sync_playwright() as playwright:
    browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox", "--disable-gpu"])
    page = browser.new_page()
    for words, ask in asked.items():
        page.goto(f"http://127.0.0.1:{server.server_port}/")
        try:
            ask(page)
            seen[words] = "works"
        except Error as error:
            seen[words] = error.message.partition("\n")[0][:90]
        print(f"{words}: {seen[words]}")
    browser.close()
server.shutdown()
told, function, expression, already = seen.values()
sys.exit(not (told == function == already == "works" and "EvalError" in expression))
PYTHON
