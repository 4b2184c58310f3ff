"""Works on after its replies: a job is a file in the folder that keeps an instance awake, from before the reply to its end."""

import json
import random
import signal
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

AWAKE = Path("/run/littlecloud/stay-awake")
HOOKS = Path("/tmp/hooks")
counts = {"begun": 0, "done": 0}


def work(job: Path, ms: int):
    time.sleep(ms / 1000)
    counts["done"] += 1
    job.unlink()


def begin(ms: int):
    counts["begun"] += 1
    job = AWAKE / f"job-{counts['begun']}"
    threading.Thread(target=work, args=(job, ms)).start()
    job.touch()  # the last thing before the reply


def reseed(*_):
    random.seed()
    Path("/tmp/reseeded").touch()


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        url = urlsplit(self.path)
        if url.path == "/job":
            begin(int(parse_qs(url.query)["ms"][0]))
        if url.path == "/wait":
            time.sleep(int(parse_qs(url.query)["ms"][0]) / 1000)
        if url.path == "/forget":
            (AWAKE / "forgotten").touch()
        if url.path == "/clean":
            (AWAKE / "forgotten").unlink()
        hooks = HOOKS.read_text().splitlines() if HOOKS.exists() else []
        body = json.dumps({**counts, "hooks": hooks, "random": random.random()}).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


signal.signal(signal.SIGUSR1, reseed)
ThreadingHTTPServer(("0.0.0.0", 8000), Handler).serve_forever()
