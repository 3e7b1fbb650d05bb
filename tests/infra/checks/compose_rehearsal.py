"""The compose file without containers: what its services say to gavel, on a real Kafka and an object store.

Invariant: commands, settings and the order between them are taken from the file and from nowhere else; only addresses and paths are those of
this machine.
"""

import json
import os
import subprocess
import time
import urllib.request

from chaos.bucket import Bucket
from harness import Failure
from infra.checks.delivery import OWN_IMAGE, compose_project
from infra.proof import Failed, check
from measure.world import Broker

READY_WITHIN = 60.0
BROKER_FAILED = 3  # an exit code of gavel
CHAT = '{"community":"arena","channel":"lobby","user":"ada","text":"you are an idiot"}\n'


class Stage:
    """Services of the file as processes of this machine."""

    def __init__(self, bench, project, addresses, paths):
        self.bench, self.project, self.binary = bench, project, bench.binary()
        self.addresses, self.paths = addresses, paths
        self.work = bench.directory("compose-rehearsal")

    def here(self, word):
        for there, ours in self.addresses.items():
            word = word.replace(there, ours)
        for there, ours in self.paths.items():
            word = f"{ours}{word.removeprefix(there)}" if word.startswith(there) else word
        return word

    def process(self, name):
        """(command, environment) of a service; of this machine's environment only what starts a program."""
        service = self.project["services"][name]
        if service["image"] != OWN_IMAGE:
            raise Failed(f"{name} does not run gavel")
        environment = {key: self.here(value) for key, value in service["environment"].items()}
        environment |= {"PATH": os.environ["PATH"], "GAVEL_HTTP_LISTEN": "127.0.0.1:0", "GAVEL_RUN_DATA_DIR": str(self.work / "state")}
        return [str(self.binary), *map(self.here, service["command"])], environment

    def once(self, name):
        command, environment = self.process(name)
        for _ in range(3):
            done = subprocess.run(command, env=environment, cwd=self.work, capture_output=True, text=True, timeout=120)
            if done.returncode != BROKER_FAILED:  # on a busy machine: it says itself that it wants to be run again
                break
        if done.returncode:
            raise Failed(f"service {name} ended with {done.returncode}:\n{done.stdout}{done.stderr}")

    def lasting(self, name):
        command, environment = self.process(name)
        with open(self.work / f"{name}.log", "wb") as log:
            return subprocess.Popen(command, env=environment, cwd=self.work, stdin=subprocess.DEVNULL, stdout=log, stderr=log)

    def ready(self, running, path):
        until = time.monotonic() + READY_WITHIN
        while time.monotonic() < until:
            if running.poll() is not None:
                break
            try:
                address = (self.work / "state/http.addr").read_text().strip()
                with urllib.request.urlopen(f"http://{address}{path}", timeout=5):
                    return
            except OSError:
                time.sleep(0.2)
        raise Failed(f"gavel was not ready within {READY_WITHIN:.0f} s:\n{(self.work / 'gavel.log').read_text()[-3000:]}")


def order(project, name):
    """The services of our image that must have run before this one, in order."""
    before = []
    for other in project["services"][name].get("depends_on") or {}:
        if project["services"][other]["image"] == OWN_IMAGE:
            before += [each for each in [*order(project, other), other] if each not in before]
    return before


def judged(bench, binary, environment):
    """The message's verdict. What is asked for ends at the topic's end, which the verdict may not have reached yet."""
    words = ("--output", "json", "verdicts", "--from", "beginning", "--user", f"arena/{json.loads(CHAT)['user']}", "--limit", "1")
    until = time.monotonic() + READY_WITHIN
    while time.monotonic() < until:
        if said := bench.run(binary, *words, env=environment, within=60).stdout:
            return json.loads(said)
        time.sleep(0.5)
    raise Failed(f"no verdict within {READY_WITHIN:.0f} s")


@check("compose-rehearsal", lane="control-plane")
def compose_rehearsal(bench):
    project = compose_project(bench, bench.root / "compose.yaml")
    before = order(project, "gavel")
    ready_path = "/" + project["services"]["ready"]["command"][-1].split("/", 3)[3]
    work = bench.directory("compose-brokers")
    try:
        with Broker(work / "kafka", "384m") as broker, Bucket(work / "checkpoints", 1) as bucket:
            addresses = {"kafka:19092": broker.bootstrap, "http://minio:9000": bucket.url}
            stage = Stage(bench, project, addresses, {"/policies": bench.root / "policies"})
            for name in before * 2:  # `up` again must change nothing
                stage.once(name)
            running = stage.lasting("gavel")
            try:
                stage.ready(running, ready_path)
                environment = {**os.environ, "GAVEL_KAFKA_BOOTSTRAP_SERVERS": broker.bootstrap}
                call = [str(stage.binary), "produce", "-"]
                subprocess.run(call, env=environment, input=CHAT, text=True, check=True, capture_output=True, timeout=60)
                verdict = judged(bench, stage.binary, environment)
            finally:
                running.terminate()
                running.wait(90)
            kept = [path for path in bucket.root.rglob("*") if path.is_file()]
    except Failure as failure:
        raise Failed(str(failure)) from failure
    if running.returncode:
        raise Failed(f"gavel ended with {running.returncode}")
    if not any(path.relative_to(bucket.root).parts[0] == "state" for path in kept):
        raise Failed(f"no checkpoint stands below the prefix `state`: {kept[:3]}")
    return f"{', '.join([*before, 'gavel'])}: twice up, ready, a message {verdict['action']}, {len(kept)} objects in the bucket"
