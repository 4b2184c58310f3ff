"""Tells this process's random values, after as many ms as it is asked to wait."""

import json
import random
import secrets
import time
import uuid
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

INSTANCE = str(uuid.uuid4())
START_SECRET = secrets.token_hex(16)


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        query = parse_qs(urlsplit(self.path).query)
        time.sleep(int(query.get("ms", ["0"])[0]) / 1000)
        value = {
            "instance": INSTANCE,
            "uuid": str(uuid.uuid4()),
            "random": random.random(),
            "bits": random.getrandbits(64),
            "startSecret": START_SECRET,
        }
        body = json.dumps(value).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


ThreadingHTTPServer(("0.0.0.0", 8000), Handler).serve_forever()
