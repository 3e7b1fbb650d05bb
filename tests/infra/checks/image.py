"""What the image holds, without an engine: a root directory of its libraries alone, in which the binary runs as the image's user.

Invariant: the binary asks for no library, no version of a symbol and no file that gcr.io/distroless/cc-debian12 does not have. The root
is made from Debian 12's own packages, of which that image is made; on another Debian or Ubuntu the newest versions are compared as figures.
"""

import os
import re
import shutil
import socket
import ssl
import subprocess
from pathlib import Path

from infra.proof import Failed, Unavailable, check

LIBRARIES = {"libc.so.6", "libm.so.6", "libstdc++.so.6", "libgcc_s.so.1", "ld-linux-x86-64.so.2", "ld-linux-aarch64.so.1"}
# The newest that Debian 12 defines.
NEWEST = {"GLIBC": (2, 36), "GLIBCXX": (3, 4, 30), "CXXABI": (1, 3, 13), "GCC": (12, 0, 0)}
USER = "65532:65532"
LINE = '{"user":"ada","text":"well d4rn it"}\n'
POLICY = """[policy]
id = "mine"
topics = ["vulgar"]
[audience.default]
default = { flag = 2, mask = 3, block = 5 }
[[term]]
id = "vul-1"
match = ["darn"]
topic = "vulgar"
risk = 3
"""


def wanted(bench, binary):
    """(libraries, {(family, version)}) that the binary cannot start without."""
    libraries = set(re.findall(r"Shared library: \[(.+?)\]", bench.run("readelf", "--dynamic", binary).stdout))
    versions = re.findall(r"Name: (\w+?)_([0-9.]+)\s", bench.run("readelf", "--version-info", binary).stdout)
    return libraries, {(family, tuple(map(int, version.split(".")))) for family, version in versions}


def too_much(libraries, versions):
    """What of it the image does not have."""
    missing = sorted(libraries - LIBRARIES)
    missing += [f"{family}_{'.'.join(map(str, version))}" for family, version in sorted(versions) if version > NEWEST.get(family, ())]
    return missing


@check("image-libraries")
def image_libraries(bench):
    libraries, versions = wanted(bench, bench.binary())
    if not libraries or not versions:
        raise Failed("readelf shows no library: the binary is not what it is taken for")
    if missing := too_much(libraries, versions):
        raise Failed(f"distroless/cc-debian12 has no {', '.join(missing)}")
    # The judge must be able to say no.
    if too_much({"libssl.so.3"}, {("GLIBC", (2, 38))}) != ["libssl.so.3", "GLIBC_2.38"]:
        raise Failed("a library and a version that are not there went unnoticed")
    newest = ", ".join(f"{family}_{'.'.join(map(str, max(v for f, v in versions if f == family)))}" for family in sorted({f for f, _ in versions}))
    return f"{len(libraries)} libraries, {len(versions)} versions of symbols; the newest: {newest}"


class Rootfs:
    """The image's root directory."""

    def __init__(self, bench, binary):
        if os.geteuid() != 0:
            raise Unavailable("only root may change its root directory")
        if "VERSION_CODENAME=bookworm" not in Path("/etc/os-release").read_text():
            raise Unavailable("the packages of this machine are not those of Debian 12, of which the image is made")
        self.bench, self.root = bench, bench.directory("rootfs")
        (settings,) = re.findall(r"^ENV ((?:.*\\\n)*.*)", (bench.root / "Dockerfile").read_text(), re.MULTILINE)
        self.settings = settings.replace("\\\n", " ").split()
        packages = bench.tool("bookworm").parents[3]
        for place in ("lib", "lib64", "usr/lib"):
            shutil.copytree(packages / place, self.root / place, symlinks=True)
        self.authorities = self.root / "etc/ssl/certs/ca-certificates.crt"
        self.authorities.parent.mkdir(parents=True)
        mozilla = sorted((packages / "usr/share/ca-certificates/mozilla").glob("*.crt"))
        self.authorities.write_text("".join(file.read_text() for file in mozilla))
        self.number = len(mozilla)
        for place in ("usr/local/bin", "var/lib/gavel", "tmp", "dev"):
            (self.root / place).mkdir(parents=True)
        (self.root / "tmp").chmod(0o1777)
        os.chown(self.root / "var/lib/gavel", 65532, 65532)
        bench.run("strip", "--strip-all", "--output-file", self.root / "usr/local/bin/gavel", binary)
        (self.root / "usr/local/bin/gavel").chmod(0o555)

    def command(self, *words):
        """Of the environment it has what the Dockerfile sets, and nothing of this machine."""
        return ["env", "--ignore-environment", *self.settings, shutil.which("chroot"), f"--userspec={USER}", self.root, "/usr/local/bin/gavel", *words]

    def gavel(self, *words, text=None, ok=(0,)):
        return self.bench.run(*self.command(*words), text=text, ok=ok, within=60)


@check("image-contents")
def image_contents(bench):
    rootfs = Rootfs(bench, bench.binary())
    version = rootfs.gavel("--version").stdout.strip()
    (rootfs.root / "tmp/mine.toml").write_text(POLICY)
    judged = rootfs.gavel("judge", "--policy", "/tmp/mine.toml", "--output", "json", "-", text=LINE).stdout
    if '"vulgar"' not in judged:
        raise Failed(f"a verdict that does not name its topic: {judged}")
    rootfs.gavel("demo")
    tls = verifies_authorities(bench, rootfs)
    shells = [name for name in ("bin/sh", "usr/bin/sh", "bin/bash", "bin/busybox") if (rootfs.root / name).exists()]
    if shells:
        raise Failed(f"a shell is in the image: {shells}")
    # Nothing of this machine leaks in: without its C++ library it must not start.
    for library in rootfs.root.rglob("libstdc++.so*"):
        library.unlink()
    if rootfs.gavel("--version", ok=(0, 1, 127)).returncode == 0:
        raise Failed("the binary runs without libstdc++: this root directory is not closed, and the check has shown nothing")
    return f"{version} runs as {USER} in a root of 4 packages and {rootfs.number} authorities: judge, demo, {tls}"


def verifies_authorities(bench, rootfs):
    """Over TLS, a broker whose certificate is signed by an authority of the image is trusted, and no other."""
    place = bench.directory("tls")
    key, certificate = place / "key.pem", place / "certificate.pem"
    words = ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2", "-subj", "/CN=localhost"]
    bench.run("openssl", *words, "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", key, "-out", certificate)

    known = rootfs.authorities.read_text()
    if accepts(rootfs, certificate, key):
        raise Failed("a broker with a certificate of nobody was trusted")
    rootfs.authorities.write_text(known + certificate.read_text())
    trusted = accepts(rootfs, certificate, key)
    rootfs.authorities.write_text(known)
    if not trusted:
        raise Failed("a broker whose authority is in the image's bundle was refused")
    return "TLS by the image's bundle and by no other"


def accepts(rootfs, certificate, key):
    """Whether a client in there ends its handshake with a server of this certificate, and begins to talk."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(20)
        words = ["topics", "check", "--bootstrap-servers", f"127.0.0.1:{listener.getsockname()[1]}", "-X", "security.protocol=SSL"]
        client = subprocess.Popen([str(word) for word in rootfs.command(*words)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            connection, _ = listener.accept()
            connection.settimeout(10)
            with context.wrap_socket(connection, server_side=True) as talk:
                return bool(talk.recv(1))
        except ssl.SSLError:
            return False
        except TimeoutError as nobody:
            raise Failed("no client came to the broker") from nobody
        finally:
            client.kill()
            client.wait()
