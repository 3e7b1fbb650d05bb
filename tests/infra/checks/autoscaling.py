"""Autoscaling from end to end: the chart's ScaledObject on a real KEDA, a real autoscaler and a real Kafka, with processors that really judge.

Only the sizes and the periods are smaller than in production, and the brokers ask for no credentials.
"""

import contextlib
import json
import subprocess
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from infra import renders
from infra.checks.control_plane import nodes
from infra.cluster import HOST, dies_with_its_parent, eventually
from infra.kubelet import Kubelet
from infra.proof import Failed, check

PARTITIONS, LOW, BLIND, HIGH = 8, 1, 2, 4
MESSAGES = 6000  # before anybody judges
HELD = 25.0  # seconds without brokers: the autoscaler could shrink after five


@check("autoscaling end to end", lane="control-plane")
def autoscaling(bench):
    binary = bench.binary()
    work = bench.directory("autoscaling")
    here = nodes(bench)
    kafka = Kafka(bench, work / "kafka")
    with contextlib.ExitStack() as stack:
        stack.callback(kafka.stop)
        brokers = kafka.start()
        gavel(binary, brokers, "topics", "create", "--partitions", PARTITIONS)
        policy = bench.root / "policies/starter/policy.toml"
        gavel(binary, brokers, "policy", "publish", policy)
        gavel(binary, brokers, "policy", "activate", policy)

        kubelet = Kubelet(here, binary, work, "live")
        stack.callback(kubelet.stop)
        prometheus = Prometheus(kubelet)
        stack.callback(prometheus.stop)
        here.start_keda()
        stack.callback(leave_nothing, here)
        here.apply(deployed(bench, brokers, prometheus.address, work / "checkpoints"))
        watch = Watch(here, kubelet)
        stack.callback(watch.stop)

        # Nobody judges yet: the lag alone asks for processors.
        gavel(binary, brokers, "produce", "-", text="".join(message(number) for number in range(MESSAGES)))
        watch.until("replicas grow with the lag", lambda: watch.replicas == HIGH, 120)
        kubelet.begin()
        watch.until("the lag is judged", lambda: kubelet.verdicts() >= MESSAGES, 180)
        watch.until("replicas shrink when there is nothing to do", lambda: watch.settled(LOW), 180)

        # A steady rate asks for processors before there is any lag.
        sender = load(binary, brokers, work, rate=600, seconds=600)
        stack.callback(sender.kill)
        watch.until("replicas grow with the rate", lambda: watch.settled(HIGH), 180)
        if kubelet.restarts:
            raise Failed(f"{kubelet.restarts} processors ended by themselves: see {work}")
        kafka.stop()
        began = time.monotonic()
        while time.monotonic() - began < HELD:
            if watch.replicas != HIGH:
                raise Failed(f"the brokers are away, and replicas went to {watch.replicas}")
            time.sleep(0.5)
        watch.until("the autoscaler says that it is blind", lambda: is_blind(here), 60)
        if watch.replicas != HIGH:
            raise Failed(f"the brokers are away, and replicas went to {watch.replicas}")
        sender.kill()
        sender.wait()
        kafka.start()
        watch.until("replicas shrink again", lambda: watch.settled(LOW), 240)

        # Half of what it looks at is away: rather too many than too few.
        prometheus.away = True
        watch.until("replicas fall back", lambda: falls_back(here) and watch.settled(BLIND), 120)
        prometheus.away = False
        watch.until("replicas shrink when the rate is seen again", lambda: watch.settled(LOW), 120)

        done = subprocess.run(
            [binary, "replay", "verify", "--bootstrap-servers", brokers, "--output", "json"], capture_output=True, text=True, check=False, cwd=work
        )
        if done.returncode:
            said = done.stdout[-2000:] + done.stderr[-2000:]
            raise Failed(f"what was judged across {kubelet.starts} starts and {kubelet.ends} ends is not the fold of the log:\n{said}")
        kubelet.check()
        if set(watch.steps) - {1, 2, 4, 8}:
            raise Failed(f"replicas went {watch.steps}: not all divide the partitions")
        if not kubelet.farewells:
            raise Failed("no processor left for good")
        steps, starts, ends = watch.steps, kubelet.starts, kubelet.ends
    passed = "-".join(map(str, steps))
    said = f"replicas {passed}; {starts} processes started, {ends} ended, {kubelet.farewells} of them for good by their own question; "
    said += f"held {HELD:.0f} s without brokers, fell back to {BLIND} without Prometheus; replay verified; "
    return said + "; ".join(watch.took)


def gavel(binary, brokers, *words, text=None):
    done = subprocess.run(
        [binary, *map(str, words), "--bootstrap-servers", brokers], input=text, capture_output=True, text=True, timeout=120, check=False
    )
    if done.returncode:
        raise Failed(f"gavel {words}: {done.stderr}{done.stdout}")


def message(number):
    return json.dumps({"community": "arena", "channel": "lobby", "user": f"user-{number % 400}", "text": f"line {number} well d4rn it"}) + "\n"


def load(binary, brokers, work, *, rate, seconds):
    with open(work / "load.log", "wb") as log:
        command = [binary, "load", "--bootstrap-servers", brokers, "--rate", str(rate), "--seconds", str(seconds)]
        return subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, preexec_fn=dies_with_its_parent)


def deployed(bench, brokers, prometheus, checkpoints):
    """Production's values, with the sizes and periods of a test. Without Jobs: the topics are made already."""
    values = {
        "environment": "local",
        "partitions": PARTITIONS,
        "kafka.auth": "none",
        "kafka.clusterArn": "",
        "kafka.bootstrapServers": [brokers],
        "monitor.enabled": False,
        "mesh.enabled": False,
        "traces.endpoint": "",
        "topics.enabled": False,
        "state.volume": "nvme",
        "placement.hosts": "preferred",
        "settings.run": {"lanes": 1, "restorers": 1},
        "resources.memoryMiB": 512,
        "scaling.min": LOW,
        "scaling.max": HIGH,
        "scaling.fallback": BLIND,
        "scaling.lagPerReplica": 1000,
        "scaling.ratePerReplica": 150,
        "scaling.prometheus": prometheus,
        "scaling.pollSeconds": 1,
        "scaling.shrinkAfterSeconds": 5,
        "scaling.stepSeconds": 3,
    }
    sets = [f"{key}={json.dumps(value)}" for key, value in values.items()]
    made = renders.documents(renders.chart(bench, renders.values("prod-a"), sets=sets, release="live"))
    for document in made:
        if document["kind"] == "StatefulSet":
            (container,) = document["spec"]["template"]["spec"]["containers"]
            store = next(variable for variable in container["env"] if variable["name"] == "GAVEL_CHECKPOINTS_STORE")
            store["value"] = str(checkpoints)  # there is no bucket here; a directory that all share is the same to a processor
    return made


def leave_nothing(here):
    here.kubectl("--namespace", "gavel", "delete", "scaledobject/live", "statefulset/live", "--ignore-not-found", "--wait=false")


def is_blind(here):
    """Without brokers KEDA cannot even make its client, so there is no fallback either: the autoscaler has no metric, and leaves things alone."""
    found = here.read("/apis/autoscaling/v2/namespaces/gavel/horizontalpodautoscalers/keda-hpa-live")
    return any(one["type"] == "ScalingActive" and one["status"] == "False" for one in found["status"]["conditions"])


def falls_back(here):
    found = here.read("/apis/keda.sh/v1alpha1/namespaces/gavel/scaledobjects/live")
    return any(one["type"] == "Fallback" and one["status"] == "True" for one in found["status"]["conditions"])


class Kafka:
    def __init__(self, bench, directory):
        self.script, self.dir, self.bench = bench.root / "scripts/kafka", directory, bench

    def start(self):
        return self.bench.run(self.script, "start", "--dir", self.dir, "--heap", "384m").stdout.strip()

    def stop(self):
        self.bench.run(self.script, "stop", "--dir", self.dir)


class Watch:
    """The StatefulSet's replicas as they change."""

    def __init__(self, here, kubelet):
        self.here, self.kubelet, self.steps, self.over = here, kubelet, [], threading.Event()
        self.took = []
        self.thread = threading.Thread(target=self.work, daemon=True)
        self.thread.start()

    @property
    def replicas(self):
        return self.steps[-1] if self.steps else None

    def work(self):
        while not self.over.wait(0.2):
            with contextlib.suppress(OSError):
                now = self.here.read("/apis/apps/v1/namespaces/gavel/statefulsets/live")["spec"]["replicas"]
                if now != self.replicas:
                    self.steps.append(now)

    def settled(self, wanted):
        """So many are wanted, so many run and are ready, and no others are left."""
        status = self.here.read("/apis/apps/v1/namespaces/gavel/statefulsets/live")["status"]
        counts = (self.replicas, status.get("replicas"), status.get("readyReplicas"), len(self.kubelet.processes))
        return set(counts) == {wanted}

    def until(self, what, found, within):
        try:
            began = time.monotonic()
            seen = eventually(what, lambda: self.kubelet.check() or self.here.alive() and found(), within)
            self.took.append(f"{what}: {time.monotonic() - began:.0f} s")
            return seen
        except Failed as failed:
            raise Failed(f"{failed}; replicas so far {self.steps}; processes {sorted(self.kubelet.processes)}") from failed

    def stop(self):
        self.over.set()
        self.thread.join()


class Prometheus:
    """Answers the one query of the ScaledObject with the rate of the real counters. A counter that starts again at nothing is no negative rate."""

    def __init__(self, kubelet):
        rate, self.away = Rate(kubelet), False
        door = self

        class Door(BaseHTTPRequestHandler):
            def do_GET(self):
                if door.away or "gavel_verdicts_total" not in self.path:
                    self.send_error(503 if door.away else 400)
                    return
                result = [{"metric": {}, "value": [time.time(), str(rate.now)]}]
                body = json.dumps({"status": "success", "data": {"resultType": "vector", "result": result}}).encode()
                self.send_response(200)
                self.send_header("Content-Type", "application/json")
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                pass

        self.rate = rate
        self.server = ThreadingHTTPServer((HOST, 0), Door)
        self.address = f"http://{HOST}:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def stop(self):
        self.rate.over.set()
        self.server.shutdown()
        self.server.server_close()


class Rate:
    def __init__(self, kubelet):
        self.now, self.over = 0.0, threading.Event()
        self.kubelet = kubelet
        threading.Thread(target=self.work, daemon=True).start()

    def work(self):
        # As Prometheus does it: each pod's increase by itself. One that misses a scrape is no step down and up again.
        last, total, seen = {}, 0.0, []
        while not self.over.wait(0.5):
            for name, count in self.kubelet.counters().items():
                before = last.get(name, 0.0)
                total += count - before if count >= before else count
                last[name] = count
            seen = [*seen[-9:], (time.monotonic(), total)]
            if seen[-1][0] > seen[0][0]:
                self.now = (seen[-1][1] - seen[0][1]) / (seen[-1][0] - seen[0][0])
