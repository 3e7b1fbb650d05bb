"""A Kubernetes of plain processes on 127.0.0.1: etcd, API server, controllers, scheduler, and on request nodes that pretend and KEDA.

Invariant: nothing of it outlives the run. Every process dies with the one that started it (PR_SET_PDEATHSIG), every file is in one directory,
and every port was free a moment ago.
"""

import atexit
import contextlib
import ctypes
import functools
import json
import os
import secrets
import signal
import socket
import ssl
import subprocess
import time
import urllib.request

import yaml

from infra import renders
from infra.proof import Failed

HOST = "127.0.0.1"
STOPPING = 30.0  # seconds: the API server drains


def free_ports(count):
    held = [socket.create_server((HOST, 0)) for _ in range(count)]
    ports = [one.getsockname()[1] for one in held]
    for one in held:
        one.close()
    return ports


def dies_with_its_parent():
    ctypes.CDLL(None).prctl(1, signal.SIGTERM)


def eventually(what, found, within, every=0.3):
    """Waits until `found()` gives something true, and returns that."""
    until, last = time.monotonic() + within, None
    while time.monotonic() < until:
        with contextlib.suppress(OSError, Failed):
            last = found()
            if last:
                return last
        time.sleep(every)
    raise Failed(f"{what}: not within {within} s")


class Cluster:
    def __init__(self, bench, directory):
        self.bench, self.dir, self.running = bench, directory, {}
        self.port, etcd, peers, self.scheduler_port = free_ports(4)
        self.config = directory / "kubeconfig"
        self.token = secrets.token_hex(16)
        try:
            self.boot(etcd, peers)
        except BaseException:
            self.stop()
            raise

    def launch(self, name, *command, env=None):
        with open(self.dir / f"{name}.log", "wb") as log:
            self.running[name] = subprocess.Popen(
                [str(word) for word in command],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=self.dir,
                env={**os.environ, "KUBECONFIG": str(self.config), **(env or {})},
                preexec_fn=dies_with_its_parent,
            )

    def boot(self, etcd, peers):
        pki = self.dir / "pki"
        pki.mkdir()
        self.bench.run("openssl", "genrsa", "-out", pki / "accounts.key", "2048")
        self.certificate(pki, "proxy", "/CN=front-proxy")
        (pki / "tokens.csv").write_text(f"{self.token},admin,admin,system:masters\n")
        client = f"http://{HOST}:{etcd}"
        peer = f"http://{HOST}:{peers}"
        self.launch(
            "etcd", self.bench.tool("etcd"), "--data-dir", self.dir / "etcd", "--unsafe-no-fsync", "--listen-client-urls", client,
            "--advertise-client-urls", client, "--listen-peer-urls", peer, "--initial-advertise-peer-urls", peer,
            "--initial-cluster", f"default={peer}",
        )  # fmt: skip
        self.launch(
            "apiserver", self.bench.tool("kubernetes", "kube-apiserver"), "--etcd-servers", client, "--secure-port", self.port,
            "--bind-address", HOST, "--advertise-address", HOST, "--endpoint-reconciler-type", "none",
            "--service-cluster-ip-range", "10.96.0.0/16", "--cert-dir", pki, "--token-auth-file", pki / "tokens.csv", "--authorization-mode", "RBAC",
            "--service-account-issuer", "https://kubernetes.default.svc",
            "--service-account-key-file", pki / "accounts.key", "--service-account-signing-key-file", pki / "accounts.key",
            # One certificate is the authority for clients and for the aggregator; its name keeps the two apart.
            "--client-ca-file", pki / "proxy.crt", "--proxy-client-cert-file", pki / "proxy.crt", "--proxy-client-key-file", pki / "proxy.key",
            "--requestheader-client-ca-file", pki / "proxy.crt", "--requestheader-allowed-names", "front-proxy",
            "--requestheader-username-headers", "X-Remote-User", "--requestheader-group-headers", "X-Remote-Group",
            "--requestheader-extra-headers-prefix", "X-Remote-Extra-",
        )  # fmt: skip
        self.config.write_text(
            yaml.safe_dump(
                {
                    "apiVersion": "v1",
                    "kind": "Config",
                    "current-context": "here",
                    "clusters": [{"name": "here", "cluster": {"server": f"https://{HOST}:{self.port}", "insecure-skip-tls-verify": True}}],
                    "users": [{"name": "admin", "user": {"token": self.token}}],
                    "contexts": [{"name": "here", "context": {"cluster": "here", "user": "admin"}}],
                }
            )
        )
        eventually("the API server is ready", lambda: self.alive() and self.get("/readyz") == "ok", 180)
        self.launch(
            "controllers", self.bench.tool("kubernetes", "kube-controller-manager"), "--kubeconfig", self.config, "--leader-elect=false",
            "--secure-port", "0", "--service-account-private-key-file", self.dir / "pki/accounts.key", "--controllers", "*",
            # On a busy machine a heartbeat may be late; no check is about lost nodes.
            "--node-monitor-grace-period", "300s",
            # The autoscaler looks every two seconds, not every fifteen: what it does is the same.
            "--horizontal-pod-autoscaler-sync-period", "2s",
        )  # fmt: skip
        self.launch(
            "scheduler", self.bench.tool("kubernetes", "kube-scheduler"), "--kubeconfig", self.config, "--leader-elect=false",
            "--secure-port", self.scheduler_port,
        )  # fmt: skip

    def certificate(self, place, name, subject, *more):
        command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", subject]
        self.bench.run(*command, *more, "-keyout", place / f"{name}.key", "-out", place / f"{name}.crt")

    def alive(self):
        for name, process in self.running.items():
            if process.poll() is not None:
                tail = (self.dir / f"{name}.log").read_text(errors="replace").splitlines()[-6:]
                raise SystemError(f"{name} ended with {process.returncode}:\n" + "\n".join(tail))
        return True

    def get(self, path):
        context = ssl._create_unverified_context()
        request = urllib.request.Request(f"https://{HOST}:{self.port}{path}", headers={"Authorization": f"Bearer {self.token}"})
        with urllib.request.urlopen(request, timeout=10, context=context) as answer:
            return answer.read().decode()

    def read(self, path):
        return json.loads(self.get(path))

    def kubectl(self, *words, text=None, ok=(0,)):
        return self.bench.run(self.bench.tool("kubectl"), "--kubeconfig", self.config, *words, text=text, ok=ok)

    def apply(self, documents, *options, ok=(0,)):
        listed = json.dumps({"apiVersion": "v1", "kind": "List", "items": documents})
        return self.kubectl("apply", "--server-side", "--force-conflicts", "--validate=strict", *options, "-f", "-", text=listed, ok=ok)

    def define(self, kinds=None):
        """The custom resources of the pinned projects."""
        found = list(renders.definitions(self.bench, kinds))
        self.apply(found)
        names = [f"crd/{definition['metadata']['name']}" for definition in found]
        self.kubectl("wait", "--for=condition=Established", "--timeout=120s", *names)
        return len(found)

    def namespaces(self, *names):
        self.apply([{"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}} for name in names])

    def pretend(self, nodes, *, except_label):
        """Nodes without machines, and pods on them that are ready at once, but for those with the label: somebody else runs them."""
        stages = self.bench.home("kwok") / "stages"
        (port,) = free_ports(1)
        files = ["node/fast/node-initialize.yaml", "node/heartbeat-with-lease/node-heartbeat-with-lease.yaml"]
        files += ["pod/fast/pod-ready.yaml", "pod/fast/pod-delete.yaml"]
        command = [self.bench.tool("kwok"), "--kubeconfig", self.config, "--manage-nodes-with-annotation-selector", "kwok.x-k8s.io/node=fake"]
        command += ["--disregard-status-with-label-selector", except_label, "--server-address", f"{HOST}:{port}"]
        for file in files:
            command += ["--config", stages / file]
        self.launch("kwok", *command)
        self.apply([pretended(name, zone, labels, taints) for name, zone, labels, taints in nodes])
        eventually("the nodes are ready", lambda: all(ready(node) for node in self.read("/api/v1/nodes")["items"]), 90)

    def start_keda(self):
        """Its operator and its metrics adapter. The adapter is reached by the name of this machine: Endpoints may not hold a loopback address."""
        certificates = self.dir / "keda"
        certificates.mkdir()
        self.certificate(certificates, "tls", "/CN=keda", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1")
        for name in ("ca.crt", "apiserver.crt"):
            (certificates / name).write_bytes((certificates / "tls.crt").read_bytes())
        (certificates / "apiserver.key").write_bytes((certificates / "tls.key").read_bytes())
        self.namespaces("keda")
        metrics, health, service, adapter, adapter_metrics = free_ports(5)
        env = {"KEDA_CLUSTER_OBJECT_NAMESPACE": "keda", "POD_NAMESPACE": "keda", "WATCH_NAMESPACE": ""}
        self.launch(
            "keda-operator", self.bench.tool("keda", "operator"), "--cert-dir", certificates, "--enable-cert-rotation=false",
            "--enable-webhook-patching=false", "--enable-apiservice-patching=false", "--metrics-bind-address", f"{HOST}:{metrics}", "--health-probe-bind-address", f"{HOST}:{health}",
            "--metrics-service-bind-address", f"{HOST}:{service}", env=env,
        )  # fmt: skip
        self.launch(
            "keda-adapter", self.bench.tool("keda", "adapter"), "--secure-port", adapter, "--bind-address", HOST, "--port", adapter_metrics,
            "--cert-dir", certificates, "--tls-cert-file", certificates / "tls.crt", "--tls-private-key-file", certificates / "tls.key",
            "--lister-kubeconfig", self.config, "--authentication-kubeconfig", self.config, "--authorization-kubeconfig", self.config,
            "--metrics-service-address", f"{HOST}:{service}", env=env,
        )  # fmt: skip
        metadata = {"name": "keda-metrics-apiserver", "namespace": "keda"}
        spec = {"type": "ExternalName", "externalName": "localhost", "ports": [{"port": adapter}]}
        service = {"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": spec}
        spec = {"group": "external.metrics.k8s.io", "version": "v1beta1", "groupPriorityMinimum": 100, "versionPriority": 100}
        spec |= {"insecureSkipTLSVerify": True, "service": {**metadata, "port": adapter}}
        named = {"name": "v1beta1.external.metrics.k8s.io"}
        served = {"apiVersion": "apiregistration.k8s.io/v1", "kind": "APIService", "metadata": named, "spec": spec}
        self.apply([service, served])
        self.kubectl("wait", "--for=condition=Available", "apiservice/v1beta1.external.metrics.k8s.io", "--timeout=180s")

    def stop(self):
        for process in reversed(self.running.values()):
            if process.poll() is None:
                process.terminate()
        for process in self.running.values():
            try:
                process.wait(STOPPING)
            except subprocess.TimeoutExpired:
                process.kill()
        self.running.clear()


def pretended(name, zone, labels, taints):
    room = {"cpu": "16", "memory": "128Gi", "pods": "50", "ephemeral-storage": "900Gi"}
    labels = {"topology.kubernetes.io/zone": zone, "kubernetes.io/hostname": name, "kubernetes.io/arch": "arm64", **labels}
    metadata = {"name": name, "labels": labels, "annotations": {"kwok.x-k8s.io/node": "fake"}}
    return {"apiVersion": "v1", "kind": "Node", "metadata": metadata, "spec": {"taints": taints}, "status": {"allocatable": room, "capacity": room}}


def ready(thing):
    return any(condition["type"] == "Ready" and condition["status"] == "True" for condition in thing.get("status", {}).get("conditions", []))


@functools.cache
def cluster(bench):
    """The one of this run: started at its first use, stopped when the run ends."""
    made = Cluster(bench, bench.directory("cluster"))
    atexit.register(made.stop)
    return made
