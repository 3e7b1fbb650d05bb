"""A bucket as S3 has them, as far as a checkpoint store needs: small, own, and it fails on demand.

Objects are files below a directory, so that a checker reads them without this server. It
knows PUT (with `If-None-Match: *`), GET (with a range that has a beginning), HEAD, DELETE
and ListObjectsV2 in small pages, and no signatures: whoever asks is let in.

`fault` makes it fail: each request that the fault can happen to does so with the given
chance, and is counted.

    busy         503 SlowDown
    broken       500 InternalError
    throttled    429 TooManyRequests
    unreadable   503 SlowDown for a GET, while listings come
    truncated    of what a GET or a listing asks for the second half is missing, and the connection ends
    ambiguous    a PUT or DELETE is done, and the connection ends without an answer
    conflicting  409 ConditionalRequestConflict for a PUT; nothing is done
    overtaken    412 PreconditionFailed for a PUT, because somebody has just put the same bytes there
    slow         what a GET or a listing asks for drips at a few kilobytes per second
    silent       a request is neither done nor answered for as long as the fault lasts
    down         a request is neither done nor answered; the connection ends
"""

import contextlib
import email.utils
import hashlib
import os
import random
import re
import sys
import tempfile
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, unquote, urlsplit
from xml.sax.saxutils import escape

HOST = "127.0.0.1"
BUCKET = "checkpoints"
REQUESTS = ("PUT", "GET", "HEAD", "DELETE", "LIST")
FAULTS = {
    "busy": REQUESTS,
    "broken": REQUESTS,
    "throttled": REQUESTS,
    "unreadable": ("GET",),
    "truncated": ("GET", "LIST"),
    "ambiguous": ("PUT", "DELETE"),
    "conflicting": ("PUT",),
    "overtaken": ("PUT",),
    "slow": ("GET", "LIST"),
    "silent": REQUESTS,
    "down": REQUESTS,
}
BUSY = (503, "SlowDown")
REFUSALS = {"busy": BUSY, "unreadable": BUSY, "broken": (500, "InternalError"), "throttled": (429, "TooManyRequests")}
CONFLICT = (409, "ConditionalRequestConflict")
OVERTAKEN = (412, "PreconditionFailed")
PAGE = 50  # objects; S3 has 1000, a short run would never need a second page
SLOW_BYTES = 4096
SLOW_PAUSE = 0.5


class Bucket:
    """The server, as a block. Its address for a client is `url`; `root` is where the objects are."""

    def __init__(self, root, seed):
        self.root = Path(root)
        self.random = random.Random(seed)
        self.lock = threading.Lock()
        self.mended = threading.Event()  # the end of the fault that is on
        self.fault = None
        self.chance = 0.0
        self.failed = 0
        bucket = self

        class Handler(Requests):
            def __init__(self, *arguments):
                self.bucket = bucket
                super().__init__(*arguments)

        self.server = Server((HOST, 0), Handler)
        self.url = f"http://{HOST}:{self.server.server_address[1]}"
        self.address = f"s3://{BUCKET}"
        self.thread = threading.Thread(target=self.server.serve_forever, name="bucket", daemon=True)

    def __enter__(self):
        self.root.mkdir(parents=True, exist_ok=True)
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.fail(None)
        self.server.shutdown()
        self.server.server_close()

    @property
    def environment(self):
        """What a client of it needs to be told."""
        return {
            "AWS_ENDPOINT_URL": self.url,
            "AWS_ALLOW_HTTP": "true",
            "AWS_REGION": "us-east-1",
            "AWS_ACCESS_KEY_ID": "nobody",
            "AWS_SECRET_ACCESS_KEY": "checks-this",
        }

    def fail(self, fault, chance=1.0):
        """From now on; None: no more. Returns how many requests had failed before."""
        with self.lock:
            failed, self.failed = self.failed, 0
            self.fault, self.chance = fault, chance
            self.mended.set()
            self.mended = threading.Event()
        return failed

    def strikes(self, request):
        """The fault that happens to a request of this kind, or None."""
        with self.lock:
            if self.fault is None or request not in FAULTS[self.fault] or self.random.random() >= self.chance:
                return None
            self.failed += 1
            return self.fault


class Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request, client_address):
        """Clients are killed, and lose their patience with a slow answer: nothing to be told."""
        if not isinstance(sys.exc_info()[1], ConnectionError):
            super().handle_error(request, client_address)


class Requests(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def do_GET(self):
        self.serve()

    do_HEAD = do_PUT = do_DELETE = do_GET

    def serve(self):
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        url = urlsplit(self.path)
        bucket, _, key = unquote(url.path).lstrip("/").partition("/")
        self.mended = self.bucket.mended
        fault = self.bucket.strikes("LIST" if self.command == "GET" and not key else self.command)
        if fault in REFUSALS:
            self.refuse(*REFUSALS[fault])
        elif fault == "down":
            self.hang_up()
        elif fault == "silent":
            self.mended.wait()
            self.hang_up()
        elif bucket != BUCKET:
            self.refuse(404, "NoSuchBucket")
        elif self.command == "PUT":
            self.put(key, body, fault)
        elif self.command == "DELETE":
            self.path_of(key).unlink(missing_ok=True)
            self.hang_up() if fault == "ambiguous" else self.answer(204)
        elif key:
            self.get(key, fault)
        else:
            self.list(parse_qs(url.query), fault)

    # ------------------------------------------------------------------ requests

    def put(self, key, body, fault):
        if fault == "conflicting":
            self.refuse(*CONFLICT)
            return
        created = self.create(key, body)
        if not created or fault == "overtaken":
            self.refuse(*OVERTAKEN)
        elif fault == "ambiguous":
            self.hang_up()
        else:
            self.answer(200, b"", {"ETag": tag(body)})

    def create(self, key, body):
        """Whether the object is this one now; not so if it must be new and is there."""
        path = self.path_of(key)
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=self.bucket.root, prefix=".put-", delete=False) as new:
            new.write(body)
        try:
            if self.headers.get("If-None-Match") == "*":
                os.link(new.name, path)  # fails if it is there, whoever races
            else:
                os.replace(new.name, path)
        except FileExistsError:
            return False
        finally:
            Path(new.name).unlink(missing_ok=True)
        return True

    def get(self, key, fault):
        try:
            content = self.path_of(key).read_bytes()
            modified = self.path_of(key).stat().st_mtime
        except OSError:
            self.refuse(404, "NoSuchKey")
            return
        headers = {"ETag": tag(content), "Last-Modified": email.utils.formatdate(modified, usegmt=True)}
        status = 200
        if asked := re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", "")):
            first, last = int(asked[1]), min(int(asked[2] or len(content)), len(content) - 1)
            headers["Content-Range"] = f"bytes {first}-{last}/{len(content)}"
            content, status = content[first : last + 1], 206
        self.deliver(status, content, headers, fault)

    def list(self, query, fault):
        """The objects below a prefix that follow a key, as far as they fit on a page."""
        prefix = query.get("prefix", [""])[0]
        after = query.get("continuation-token", query.get("start-after", [""]))[0]
        below = self.bucket.root / prefix.rpartition("/")[0]
        paths = (path for path in below.rglob("*") if path.is_file() and not path.name.startswith(".put-"))
        found = sorted((path.relative_to(self.bucket.root).as_posix(), path) for path in paths)
        found = [(key, path) for key, path in found if key.startswith(prefix) and key > after]
        page = found[: min(PAGE, int(query.get("max-keys", [PAGE])[0]))]
        shown = []
        for key, path in page:
            with contextlib.suppress(FileNotFoundError):  # removed meanwhile
                seen = path.stat()
                modified = time.strftime("%Y-%m-%dT%H:%M:%S.000Z", time.gmtime(seen.st_mtime))
                shown.append(
                    f"<Contents><Key>{escape(key)}</Key><LastModified>{modified}</LastModified>"
                    f"<Size>{seen.st_size}</Size><StorageClass>STANDARD</StorageClass></Contents>"
                )
        more = len(page) < len(found)
        token = f"<NextContinuationToken>{escape(page[-1][0])}</NextContinuationToken>" if more else ""
        text = (
            '<?xml version="1.0" encoding="UTF-8"?><ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">'
            f"<Name>{BUCKET}</Name><Prefix>{escape(prefix)}</Prefix><KeyCount>{len(shown)}</KeyCount><MaxKeys>{PAGE}</MaxKeys>"
            f"<IsTruncated>{str(more).lower()}</IsTruncated>{token}{''.join(shown)}</ListBucketResult>"
        )
        self.deliver(200, text.encode(), {"Content-Type": "application/xml"}, fault)

    # ------------------------------------------------------------------ answers

    def path_of(self, key):
        path = (self.bucket.root / key).resolve()
        if not path.is_relative_to(self.bucket.root.resolve()):
            raise ValueError(f"{key} leads out of the bucket")
        return path

    def begin(self, status, length, headers=None):
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(length))
        self.end_headers()

    def answer(self, status, content=b"", headers=None):
        self.begin(status, len(content), headers)
        if self.command != "HEAD":
            self.wfile.write(content)

    def deliver(self, status, content, headers, fault):
        """What a GET asks for, as well as the fault allows."""
        if fault == "truncated":
            self.begin(status, len(content), headers)
            self.wfile.write(content[: len(content) // 2])
            self.hang_up()
        elif fault == "slow":
            self.begin(status, len(content), headers)
            for at in range(0, len(content), SLOW_BYTES):
                self.wfile.write(content[at : at + SLOW_BYTES])
                self.mended.wait(SLOW_PAUSE)
        else:
            self.answer(status, content, headers)

    def refuse(self, status, code):
        text = f'<?xml version="1.0" encoding="UTF-8"?><Error><Code>{code}</Code><Message>{code}</Message></Error>'
        self.answer(status, text.encode(), {"Content-Type": "application/xml"})

    def hang_up(self):
        self.close_connection = True


def tag(content):
    return f'"{hashlib.md5(content).hexdigest()}"'
