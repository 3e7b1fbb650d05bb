"""Processes of a check: started on free ports of this machine, ended with it, and their log at hand when something fails."""

import contextlib
import gzip
import os
import socket
import subprocess
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from infra.proof import Failed


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as held:
        return held.getsockname()[1]


@contextlib.contextmanager
def running(log, *command, env=None):
    with open(log, "w") as said:
        process = subprocess.Popen([str(word) for word in command], stdout=said, stderr=said, env={**os.environ, **(env or {})})
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def wait(until, otherwise, log=None, within=60):
    """What `until` gives as soon as it gives something."""
    ends = time.monotonic() + within
    while time.monotonic() < ends:
        found = until()
        if found:
            return found
        time.sleep(0.2)
    raise Failed(otherwise + (f":\n{log.read_text()[-2000:]}" if log else ""))


@contextlib.contextmanager
def sink(answer=lambda path, body: (b"{}", {})):
    """An HTTP server that keeps what it is sent: (address, list of (path, body)). `answer` gives the body and headers of its response."""
    taken = []

    class Taker(BaseHTTPRequestHandler):
        def take(self):
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            if self.headers.get("Content-Encoding") == "gzip":
                body = gzip.decompress(body)
            taken.append((self.path, body))
            said, headers = answer(self.path, body)
            self.send_response(200)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(said)))
            self.end_headers()
            self.wfile.write(said)

        do_POST = do_PUT = do_GET = take

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Taker)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", taken
    finally:
        server.shutdown()
        server.server_close()
