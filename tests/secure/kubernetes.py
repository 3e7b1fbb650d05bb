"""The one answer of an API server that a processor asks for: its StatefulSet."""

import http.server
import json
import ssl
import threading

TOKEN, NAMESPACE, SET = "the-pods-token", "gavel", "gavel"


class Api(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        asked = self.server
        if self.headers.get("Authorization") != f"Bearer {TOKEN}":
            status, body = 401, {}
        elif self.path != f"/apis/apps/v1/namespaces/{NAMESPACE}/statefulsets/{SET}" or asked.replicas is None:
            status, body = 404, {}
        else:
            status, body = asked.status, {"metadata": {"name": SET}, "spec": {"replicas": asked.replicas, "serviceName": SET}}
        data = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_):
        pass


class ApiServer:
    """Runs as long as the block. `replicas`: what the set asks for, None once it is deleted; `status`: of a refusal."""

    def __init__(self, certificates, place):
        certificate, key = certificates.sign("kubernetes")
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Api)
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(certificate, key)
        self.server.socket = context.wrap_socket(self.server.socket, server_side=True)
        self.server.replicas, self.server.status = 1, 200
        self.account = place / "service-account"
        self.account.mkdir()
        for name, text in (("token", TOKEN), ("namespace", NAMESPACE), ("ca.crt", certificates.ca.read_text())):
            (self.account / name).write_text(text)

    def __enter__(self):
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.server.server_close()

    def environment(self, pod):
        """For a processor in this pod."""
        host, port = self.server.server_address
        return {
            "KUBERNETES_SERVICE_HOST": host,
            "KUBERNETES_SERVICE_PORT": str(port),
            "GAVEL_RUN_INSTANCE_ID": pod,
            "GAVEL_RUN_STATEFUL_SET": SET,
            "GAVEL_RUN_SERVICE_ACCOUNT_DIR": str(self.account),
        }
