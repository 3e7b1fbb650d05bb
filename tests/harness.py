"""What the tests in Python share: the gavel binary, its processes, fresh topics.

Each test gets topics and a group of its own, named after a random prefix, so that
tests share one broker. Processes are ended by their own pid and never outlive the
test that started them.
"""

import json
import os
import re
import secrets
import signal
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

SCHEMAS = Path(__file__).resolve().parent.parent / "schemas" / "avsc"
TOPICS = ("messages", "verdicts", "dead_letters", "control", "shadow")


class Failure(Exception):
    """The test failed; the text says how, for a person."""


def say(text):
    print(text, file=sys.stderr, flush=True)


class Gavel:
    """The binary with one set of topics; commands, and processors that end with the block."""

    def __init__(self, binary, bootstrap, work, name, **settings):
        self.binary = str(binary)
        self.bootstrap = bootstrap
        self.prefix = f"{name}-{secrets.token_hex(4)}"
        self.work = Path(work) / self.prefix
        self.work.mkdir(parents=True)
        self.topics = {topic: f"{self.prefix}.{topic.replace('_', '-')}" for topic in TOPICS}
        self.data = self.work / "data"
        self.env = {
            **os.environ,
            "GAVEL_KAFKA_BOOTSTRAP_SERVERS": bootstrap,
            "GAVEL_KAFKA_GROUP": self.prefix,
            "GAVEL_RUN_DATA_DIR": str(self.data),
            "GAVEL_HTTP_LISTEN": "127.0.0.1:0",
        }
        self.env |= {f"GAVEL_TOPICS_{topic.upper()}": name for topic, name in self.topics.items()}
        self.env |= settings
        self.running = []

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for processor in self.running:
            processor.kill()

    def command(self, *words):
        return [self.binary, *map(str, words)]

    def call(self, *words, within=120):
        """Runs a command to its end; returns its standard output. Failure unless it exits with 0."""
        command = self.command(*words)
        try:
            done = subprocess.run(command, env=self.env, capture_output=True, text=True, timeout=within)
        except subprocess.TimeoutExpired as late:
            raise Failure(f"`gavel {' '.join(map(str, words))}` did not end within {within} s") from late
        if done.returncode:
            said = (done.stdout + done.stderr).strip()
            raise Failure(f"`gavel {' '.join(map(str, words))}` exited with {done.returncode}:\n{said}")
        return done.stdout

    def json(self, *words, **options):
        """The same with --output json: the values that it printed, one per line."""
        said = self.call("--output", "json", *words, **options)
        try:
            return [json.loads(line) for line in said.splitlines()]
        except json.JSONDecodeError as broken:
            raise Failure(f"`gavel {' '.join(map(str, words))}` printed no JSON: {said[:500]}") from broken

    def publish(self, policy):
        """Publishes a policy file; returns its digest."""
        (published,) = self.json("policy", "publish", policy)
        return published["digest"]

    def stored(self):
        """Sum of S over the partitions that the running processor holds, from its /metrics; 0 while it does not answer."""
        found = ((labels, value) for name, labels, value in metrics(self.data) if name == "gavel_partition_offset")
        return sum(int(value) for labels, value in found if labels["kind"] == "stored")

    def run(self, name, *words):
        """Starts a process of this binary that goes on; its output goes to a file of that name."""
        processor = Processor(self.command(*words), self.env, self.work / f"{name}.log")
        self.running.append(processor)
        return processor


def ask(data, path, within=5):
    """The body of an answer of the processor with this data directory; None while it gives none, or says no."""
    try:
        address = (data / "http.addr").read_text().strip()
        with urllib.request.urlopen(f"http://{address}/{path}", timeout=within) as answer:
            return answer.read().decode()
    except (OSError, ValueError):
        return None


def metrics(data, within=5):
    """(name, labels, value) of each line of its /metrics; nothing while it does not answer."""
    lines = re.findall(r"^(\w+)(?:\{([^}]*)\})? (\S+)$", ask(data, "metrics", within) or "", re.MULTILINE)
    return [(name, dict(re.findall(r'(\w+)="([^"]*)"', labels)), float(value)) for name, labels, value in lines]


class Processor:
    """One `gavel run`."""

    def __init__(self, command, env, log):
        self.log = log
        with open(log, "ab") as out:
            self.process = subprocess.Popen(command, env=env, stdin=subprocess.DEVNULL, stdout=out, stderr=out)

    def check_alive(self):
        if self.process.poll() is not None:
            raise Failure(f"the processor ended by itself with {self.process.returncode}; the end of {self.log}:\n{self.tail()}")

    def kill(self):
        """kill -9, of this process and no other."""
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()

    def terminate(self, within):
        """SIGTERM; returns the seconds it took. Failure unless it ends in time and with 0."""
        self.check_alive()
        began = time.monotonic()
        self.process.send_signal(signal.SIGTERM)
        try:
            status = self.process.wait(timeout=within)
        except subprocess.TimeoutExpired as late:
            raise Failure(f"still running {within} s after SIGTERM; the end of {self.log}:\n{self.tail()}") from late
        if status != 0:
            raise Failure(f"exited with {status} after SIGTERM; the end of {self.log}:\n{self.tail()}")
        return time.monotonic() - began

    def tail(self, lines=25):
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])


def await_progress(measure, goal, processor, silence=60.0):
    """Waits until measure() reaches the goal: as long as it takes while it rises, `silence` seconds while it does not."""
    best, since = measure(), time.monotonic()
    while best < goal:
        processor.check_alive()
        time.sleep(0.1)
        now = measure()
        if now > best:
            best, since = now, time.monotonic()
        elif time.monotonic() - since > silence:
            raise Failure(f"stuck at {best} of {goal} for {silence:.0f} s; the end of {processor.log}:\n{processor.tail()}")
