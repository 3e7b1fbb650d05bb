"""What a process meets on Amazon, as far as it can be had without: credentials, the MSK API, and the door of an MSK broker.

The broker's door is the only part of Kafka here that is not real: it ends after the token, which it checks as Amazon would, with
nothing but the standard library (AWS Signature Version 4 over the URL in the token).
"""

import base64
import datetime
import hashlib
import hmac
import http.server
import json
import socket
import ssl
import struct
import threading
import urllib.parse

ACCESS, SECRET, SESSION = "AKIDSTUB", "a/secret+key", "a session/token=="
REGION = "eu-west-1"
ARN = f"arn:aws:kafka:{REGION}:123456789012:cluster/gavel-test/0a1b2c3d-2"
API_VERSIONS, SASL_HANDSHAKE, SASL_AUTHENTICATE = 18, 17, 36


class Api(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.server.asked.append(self.path)
        path = urllib.parse.unquote(self.path)
        if path == "/credentials":
            ends = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(hours=1)
            body = {"AccessKeyId": ACCESS, "SecretAccessKey": SECRET, "Token": SESSION, "Expiration": ends.strftime("%Y-%m-%dT%H:%M:%SZ")}
        elif path == f"/v1/clusters/{ARN}/bootstrap-brokers":
            signed = self.headers.get("Authorization", "")
            self.server.signed_for.append(signed.partition("Credential=")[2].partition(",")[0])
            body = self.server.doors
        else:
            self.send_error(404)
            return
        data = json.dumps(body).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_):
        pass


class Amazon:
    """The API on a port of its own, for as long as the block lasts. `doors`: what the cluster says its brokers are."""

    def __init__(self, doors):
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Api)
        self.server.doors, self.server.asked, self.server.signed_for = doors, [], []
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"

    def __enter__(self):
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.server.server_close()

    @property
    def asked(self):
        return self.server.asked

    @property
    def signed_for(self):
        return self.server.signed_for

    def environment(self):
        """For a process in a pod with a role (EKS Pod Identity)."""
        return {
            "AWS_ENDPOINT_URL": self.url,
            "AWS_CONTAINER_CREDENTIALS_FULL_URI": f"{self.url}/credentials",
            "AWS_EC2_METADATA_DISABLED": "true",
        }


def claims(token):
    """The signed URL in a token, taken apart. ValueError unless the signature is that of our secret."""
    url = base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)).decode()
    parts = urllib.parse.urlsplit(url)
    given = dict(urllib.parse.parse_qsl(parts.query, keep_blank_values=True, strict_parsing=True))
    signature = given.pop("X-Amz-Signature")
    unsigned = {key: value for key, value in given.items() if key != "User-Agent"}  # added after the signature, by AWS's signers too
    quote = lambda text: urllib.parse.quote(text, safe="-_.~")  # noqa: E731
    query = "&".join(f"{quote(key)}={quote(value)}" for key, value in sorted(unsigned.items()))
    canonical = "\n".join(["GET", parts.path, query, f"host:{parts.hostname}", "", "host", hashlib.sha256(b"").hexdigest()])
    _, day, region, service, end = given["X-Amz-Credential"].split("/")
    scope = f"{day}/{region}/{service}/{end}"
    to_sign = "\n".join(["AWS4-HMAC-SHA256", given["X-Amz-Date"], scope, hashlib.sha256(canonical.encode()).hexdigest()])
    key = f"AWS4{SECRET}".encode()
    for word in (day, region, service, end):
        key = hmac.digest(key, word.encode(), "sha256")
    if hmac.new(key, to_sign.encode(), "sha256").hexdigest() != signature:
        raise ValueError(f"the signature of {url} is wrong")
    return {"host": parts.hostname, "service": service, "region": region, **unsigned}


class Door:
    """Takes a client's TLS and SASL up to its token, and shuts. `tokens`: what came."""

    def __init__(self, certificate, key):
        self.tokens = []
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.address = f"127.0.0.1:{self.listener.getsockname()[1]}"
        self.context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        self.context.load_cert_chain(certificate, key)

    def __enter__(self):
        threading.Thread(target=self._serve, daemon=True).start()
        return self

    def __exit__(self, *_):
        self.listener.close()

    def _serve(self):
        while True:
            try:
                plain, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self._talk, args=(plain,), daemon=True).start()

    def _talk(self, plain):
        try:
            with self.context.wrap_socket(plain, server_side=True) as client:
                client.settimeout(10)
                while self._answer(client):
                    pass
        except (OSError, struct.error):
            pass

    def _answer(self, client):
        request = _exactly(client, struct.unpack(">i", _exactly(client, 4))[0])
        api, version, number, name = struct.unpack(">hhih", request[:10])
        body = request[10 + max(name, 0) :]
        if api == API_VERSIONS:
            apis = ((API_VERSIONS, 0, 3), (SASL_HANDSHAKE, 0, 1), (SASL_AUTHENTICATE, 0, 0), (3, 0, 4))
            if version >= 3:
                listed = b"".join(struct.pack(">hhhB", *each, 0) for each in apis)
                answer = struct.pack(">hB", 0, len(apis) + 1) + listed + struct.pack(">iB", 0, 0)
            else:
                answer = struct.pack(">hi", 0, len(apis)) + b"".join(struct.pack(">hhh", *each) for each in apis)
        elif api == SASL_HANDSHAKE:
            answer = struct.pack(">hi", 0, 1) + struct.pack(">h", 11) + b"OAUTHBEARER"
        elif api == SASL_AUTHENTICATE:
            said = body[4:].decode()
            self.tokens.append(said.partition("auth=Bearer ")[2].partition("\x01")[0])
            return False
        else:
            return False
        client.sendall(struct.pack(">ii", 4 + len(answer), number) + answer)
        return True


def _exactly(client, count):
    read = b""
    while len(read) < count:
        more = client.recv(count - len(read))
        if not more:
            raise OSError("the client left")
        read += more
    return read
