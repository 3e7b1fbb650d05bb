"""A kubelet as small as the test needs: it runs what the pods of one StatefulSet say, as processes of this machine.

Invariant: a pod is Ready exactly while its process answers /readyz, and gone only when its process has ended after a SIGTERM: what the
autoscaler and the StatefulSet see is what the processes do. A process gets the token of its pod's service account and nothing else of the
cluster's: whether it is still wanted it asks the API server itself, with the rights that the chart gives it.
"""

import contextlib
import json
import os
import signal
import subprocess
import threading
import urllib.request

from infra.cluster import HOST, dies_with_its_parent, free_ports, ready
from infra.proof import Failed

LOOK_EVERY = 0.4  # seconds
GRACE = 60.0  # seconds from the polite signal to the other one
FAREWELL = "leaves the group for good"


class Kubelet:
    def __init__(self, here, binary, directory, instance):
        self.here, self.binary, self.dir, self.instance = here, binary, directory, instance
        self.processes, self.ports, self.shown = {}, {}, {}
        self.starts = self.restarts = self.ends = self.farewells = 0
        self.open, self.over = threading.Event(), threading.Event()
        self.impolite = []
        self.thread = threading.Thread(target=self.work, daemon=True)
        self.thread.start()

    def begin(self):
        """Until then pods stay pending, as while their nodes are being made."""
        self.open.set()

    def stop(self):
        self.over.set()
        self.thread.join()
        for process in self.processes.values():
            process.terminate()
        for process in self.processes.values():
            try:
                process.wait(GRACE)
            except subprocess.TimeoutExpired:
                process.kill()

    def check(self):
        if self.impolite:
            raise Failed(f"ended badly after a SIGTERM: {self.impolite}")

    def work(self):
        while not self.over.wait(LOOK_EVERY):
            # What changed under the hands is seen again at the next look.
            with contextlib.suppress(OSError, Failed):
                if self.open.is_set():
                    self.look()

    def look(self):
        selector = f"app.kubernetes.io/instance={self.instance},app.kubernetes.io/component=processor"
        for pod in self.here.read(f"/api/v1/namespaces/gavel/pods?labelSelector={selector}")["items"]:
            name = pod["metadata"]["name"]
            if pod["metadata"].get("deletionTimestamp"):
                self.end(name, pod)
            elif pod["spec"].get("nodeName"):
                if name not in self.processes:
                    self.start(name, pod)
                elif self.processes[name].poll() is not None:
                    self.restarts += 1
                    self.start(name, pod)
                self.show(name, pod)

    def account(self, name, spec):
        """The directory that a kubelet mounts into every container: namespace, token, and who signed the API server's certificate."""
        place = self.dir / f"{name}-account"
        place.mkdir(exist_ok=True)
        (place / "namespace").write_text("gavel")
        *_, authority = (self.here.dir / "pki/apiserver.crt").read_text().partition("-----END CERTIFICATE-----\n")
        (place / "ca.crt").write_text(authority)
        if spec.get("automountServiceAccountToken") is not False:
            bound = ("--bound-object-kind", "Pod", "--bound-object-name", name)
            token = self.here.kubectl("--namespace", "gavel", "create", "token", spec["serviceAccountName"], *bound).stdout
            (place / "token").write_text(token)
        return place

    def environment(self, name, spec, container):
        """What the pod's own environment says, but for addresses and paths of this machine."""
        given = {}
        for variable in container["env"]:
            path = variable.get("valueFrom", {}).get("fieldRef", {}).get("fieldPath")
            given[variable["name"]] = name if path == "metadata.name" else variable.get("value", "")
        given["GAVEL_RUN_DATA_DIR"] = str(self.dir / name)
        (self.ports[name],) = free_ports(1)
        given["GAVEL_HTTP_LISTEN"] = f"{HOST}:{self.ports[name]}"
        given["GAVEL_RUN_SERVICE_ACCOUNT_DIR"] = str(self.account(name, spec))
        given |= {"KUBERNETES_SERVICE_HOST": HOST, "KUBERNETES_SERVICE_PORT": str(self.here.port)}
        return given

    def start(self, name, pod):
        (container,) = pod["spec"]["containers"]
        environment = self.environment(name, pod["spec"], container)
        with open(self.dir / f"{name}.log", "ab") as log:
            self.processes[name] = subprocess.Popen(
                [str(self.binary), *container["args"]],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env={"PATH": os.environ["PATH"], **environment},
                preexec_fn=dies_with_its_parent,
            )
        self.starts += 1

    def is_ready(self, name):
        try:
            with urllib.request.urlopen(f"http://{HOST}:{self.ports[name]}/readyz", timeout=2) as answer:
                return answer.status == 200
        except OSError:
            return False

    def show(self, name, pod):
        state = self.is_ready(name)
        # What stands there, not what was written last: the controllers take a pod's readiness back when its node seems to be gone.
        if self.shown.get(name) == (pod["metadata"]["uid"], state) and ready(pod) == state:
            return
        word = "True" if state else "False"
        began = pod["metadata"]["creationTimestamp"]
        conditions = [{"type": kind, "status": word, "lastTransitionTime": began} for kind in ("Ready", "ContainersReady")]
        container = {"name": "gavel", "ready": state, "started": True, "restartCount": 0, "image": "", "imageID": ""}
        containers = [container | {"state": {"running": {"startedAt": began}}}]
        status = {"status": {"phase": "Running", "conditions": conditions, "containerStatuses": containers}}
        self.here.kubectl("--namespace", "gavel", "patch", "pod", name, "--subresource=status", "--type=strategic", "--patch", json.dumps(status))
        self.shown[name] = (pod["metadata"]["uid"], state)

    def end(self, name, pod):
        process = self.processes.pop(name, None)
        if process:
            wanted = self.here.read("/apis/apps/v1/namespaces/gavel/statefulsets/" + self.instance)["spec"]["replicas"]
            log = self.dir / f"{name}.log"
            before = log.stat().st_size
            process.send_signal(signal.SIGTERM)
            try:
                code = process.wait(GRACE)
            except subprocess.TimeoutExpired:
                process.kill()
                code = "nothing within its grace period"
            if code != 0:
                self.impolite.append((name, code))
            said = log.read_bytes()[before:].decode(errors="replace")
            if int(name.rsplit("-", 1)[1]) >= wanted:
                self.farewells += 1
                if FAREWELL not in said:
                    self.impolite.append((name, f"one of {wanted} that are wanted no more, it did not leave for good: {said[-600:]}"))
            self.ends += 1
        self.here.kubectl("--namespace", "gavel", "delete", "pod", name, "--grace-period=0", "--force", "--ignore-not-found")
        self.shown.pop(name, None)

    def counters(self):
        """Pod -> verdicts since its process began: what Prometheus would have scraped. Who does not answer in time is not in it."""
        found = {}
        for name, process in list(self.processes.items()):
            if process.poll() is None:
                try:
                    with urllib.request.urlopen(f"http://{HOST}:{self.ports[name]}/metrics", timeout=2) as answer:
                        lines = answer.read().decode().splitlines()
                    found[name] = sum(float(line.rsplit(" ", 1)[1]) for line in lines if line.startswith("gavel_verdicts_total"))
                except OSError:
                    continue
        return found

    def verdicts(self):
        return sum(self.counters().values())
