"""A real Kafka that trusts nobody: TLS, SCRAM and OAUTHBEARER listeners, and no right that was not given.

The plain listener that scripts/kafka itself needs stays, and whoever comes by it may do anything: it stands for the administrator.
"""

import base64
import json
import socket
import subprocess
import time
from pathlib import Path

from confluent_kafka.admin import AclBinding, AclOperation, AclPermissionType, AdminClient, ResourcePatternType, ResourceType

ROOT = Path(__file__).resolve().parent.parent.parent
UNSECURED = "org.apache.kafka.common.security.oauthbearer.internals.unsecured.OAuthBearerUnsecuredValidatorCallbackHandler"
OPERATIONS = {
    "Create": AclOperation.CREATE,
    "Describe": AclOperation.DESCRIBE,
    "DescribeConfigs": AclOperation.DESCRIBE_CONFIGS,
    "Read": AclOperation.READ,
    "Write": AclOperation.WRITE,
}


class Certificates:
    """An authority of our own, and what it signed."""

    def __init__(self, place):
        self.place = Path(place)
        self.place.mkdir(parents=True, exist_ok=True)
        self.ca = self.place / "ca.pem"
        self._openssl("req", "-x509", *self._new("ca"), "-out", self.ca, "-subj", "/CN=authority", "-days", "30")

    def _openssl(self, *words):
        subprocess.run(["openssl", *map(str, words)], check=True, capture_output=True, text=True)

    def _new(self, name):
        return "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", self.place / f"{name}.key"

    def sign(self, name):
        """(certificate, key) of a name; good for a server on this machine, too."""
        request, signed = self.place / f"{name}.csr", self.place / f"{name}.pem"
        self._openssl("req", *self._new(name), "-out", request, "-subj", f"/CN={name}")
        extra = self.place / f"{name}.ext"
        extra.write_text("subjectAltName=IP:127.0.0.1,DNS:localhost\n")
        authority = "-CA", self.ca, "-CAkey", self.place / "ca.key", "-CAcreateserial"
        self._openssl("x509", "-req", "-in", request, *authority, "-out", signed, "-days", "30", "-extfile", extra)
        return signed, self.place / f"{name}.key"


def free_ports(count):
    open_ = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [each.getsockname()[1] for each in open_]
    for each in open_:
        each.close()
    return ports


class Broker:
    """Runs as long as the block; `users` are known by SCRAM, by certificate and by token alike."""

    def __init__(self, work, users):
        self.dir = Path(work) / "secure"
        self.users = users
        self.certificates = Certificates(self.dir / "certificates")
        self.tls, self.scram, self.oauth = (f"127.0.0.1:{port}" for port in free_ports(3))

    def __enter__(self):
        certificate, key = self.certificates.sign("broker")
        store = self.dir / "broker.store.pem"
        store.write_text(key.read_text() + certificate.read_text())
        self.dir.joinpath("settings").write_text(self._settings(store))
        command = [ROOT / "scripts/kafka", "start", "--dir", self.dir / "kafka", "--heap", "512m", "--settings", self.dir / "settings"]
        done = subprocess.run(list(map(str, command)), capture_output=True, text=True)
        if done.returncode:
            raise RuntimeError(done.stderr)
        self.plain = done.stdout.split()[-1]
        self.admin = AdminClient({"bootstrap.servers": self.plain})
        return self

    def __exit__(self, *_):
        subprocess.run([str(ROOT / "scripts/kafka"), "stop", "--dir", str(self.dir / "kafka")], check=False, capture_output=True)

    def _settings(self, store):
        doors = {"TLS": self.tls, "SCRAM": self.scram, "OAUTH": self.oauth}
        listeners = ",".join(f"{name}://{address}" for name, address in doors.items())
        login = "org.apache.kafka.common.security"
        lines = {
            "listeners": listeners,
            "advertised.listeners": listeners,
            "listener.security.protocol.map": "TLS:SSL,SCRAM:SASL_SSL,OAUTH:SASL_SSL",
            "ssl.keystore.type": "PEM",
            "ssl.keystore.location": store,
            "ssl.truststore.type": "PEM",
            "ssl.truststore.location": self.certificates.ca,
            "listener.name.tls.ssl.client.auth": "required",
            "listener.name.tls.ssl.principal.mapping.rules": "RULE:^CN=([^,]+).*$/$1/",
            "listener.name.scram.sasl.enabled.mechanisms": "SCRAM-SHA-512",
            "listener.name.scram.scram-sha-512.sasl.jaas.config": f"{login}.scram.ScramLoginModule required;",
            "listener.name.oauth.sasl.enabled.mechanisms": "OAUTHBEARER",
            "listener.name.oauth.oauthbearer.sasl.jaas.config": f"{login}.oauthbearer.OAuthBearerLoginModule required;",
            "listener.name.oauth.oauthbearer.sasl.server.callback.handler.class": UNSECURED,
            # A connection whose token has ended is closed by the broker.
            "listener.name.oauth.oauthbearer.connections.max.reauth.ms": 3_600_000,
            "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
            "allow.everyone.if.no.acl.found": "false",
            "super.users": "User:ANONYMOUS",
        }
        users = [f"scram {user} {self.password(user)}" for user in self.users]
        return "\n".join([*(f"{key}={value}" for key, value in lines.items()), *users]) + "\n"

    def password(self, user):
        return f"the-secret-of-{user}"

    def grant(self, user, acls):
        """`acls`: (kind, name, operation), as scripts/acls has them."""
        kinds = {"topic": ResourceType.TOPIC, "group": ResourceType.GROUP}
        allow = AclPermissionType.ALLOW
        bindings = [
            AclBinding(kinds[kind], name, ResourcePatternType.LITERAL, f"User:{user}", "*", OPERATIONS[operation], allow)
            for kind, name, operation in acls
        ]
        for done in self.admin.create_acls(bindings).values():
            done.result(30)

    def by_scram(self, user):
        return {
            "bootstrap.servers": self.scram,
            "security.protocol": "SASL_SSL",
            "sasl.mechanism": "SCRAM-SHA-512",
            "sasl.username": user,
            "sasl.password": self.password(user),
            "ssl.ca.location": str(self.certificates.ca),
        }

    def by_tls(self, user):
        certificate, key = self.certificates.sign(user)
        return {
            "bootstrap.servers": self.tls,
            "security.protocol": "SSL",
            "ssl.ca.location": str(self.certificates.ca),
            "ssl.certificate.location": str(certificate),
            "ssl.key.location": str(key),
        }


def environment(properties):
    """The same for gavel."""
    raw = {key: value for key, value in properties.items() if key != "bootstrap.servers"}
    return {
        "GAVEL_KAFKA_BOOTSTRAP_SERVERS": properties["bootstrap.servers"],
        "GAVEL_KAFKA_PROPERTIES": ";".join(f"{key}={value}" for key, value in raw.items()),
    }


def token(user, lives):
    """A JSON Web Token as the broker's listener takes it, for so many seconds."""

    def part(value):
        return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")

    now = time.time()
    return f"{part({'alg': 'none'})}.{part({'sub': user, 'iat': now, 'exp': now + lives})}."
