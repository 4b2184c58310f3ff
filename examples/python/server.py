"""A web service on Python's standard library alone."""

import json
import os
import random
import secrets
import signal
import sys
import time
import uuid
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


def hello():
    return {"message": "hello from python", "python": sys.version.split()[0]}


def current_time():
    return {"now": time.time(), "monotonic": time.monotonic()}


def identifiers():
    return {"uuid": str(uuid.uuid4()), "bytes": secrets.token_hex(16), "random": random.random()}


ROUTES = {"/": hello, "/time": current_time, "/uuid": identifiers}


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"  # keeps connections open

    def do_GET(self):
        route = ROUTES.get(self.path.partition("?")[0])
        status, value = (200, route()) if route else (404, {"error": "not found"})
        body = (json.dumps(value) + "\n").encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    do_HEAD = do_GET

    def log_message(self, format, *args):
        print(f"{self.command} {self.path} {args[1] if len(args) > 1 else ''}".rstrip(), flush=True)


def stop(*_):
    sys.exit(0)


class Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 1024


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, stop)
    server = Server(("0.0.0.0", int(os.environ.get("PORT", "8000"))), Handler)
    print(f"listening on port {server.server_port}", flush=True)
    server.serve_forever()
