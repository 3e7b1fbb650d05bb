"""The cluster of three brokers: single ones are killed, stopped and started again."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from checker.kafka import consumer
from harness import Failure

KAFKA = Path(__file__).resolve().parents[2] / "scripts" / "kafka"
NODES = 3
HEAP = "384m"
IN_SYNC_WITHIN = 90.0


class Brokers:
    """scripts/kafka with three nodes in a directory of its own, as a block.

    The nodes outlive a process that dies of a signal; the guard, which ends with its standard input, does not let them.
    """

    def __init__(self, directory, proxies):
        self.dir = Path(directory)
        self.proxies = proxies
        self.bootstrap = None  # past the proxies: for the load, the watch and the checkers
        self.reader = None
        self.guard = None

    def kafka(self, *words):
        command = [sys.executable, KAFKA, *map(str, words), "--dir", self.dir]
        done = subprocess.run(command, capture_output=True, text=True, timeout=180)
        if done.returncode:
            raise Failure(f"scripts/kafka {' '.join(map(str, words))}: {done.stderr.strip()}")
        return done.stdout.strip()

    def __enter__(self):
        stop = [sys.executable, str(KAFKA), "stop", "--dir", str(self.dir)]
        command = ["sh", "-c", 'cat && exec "$@"', "guard", *stop]
        # A session of its own: `timeout` signals the whole group.
        self.guard = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, start_new_session=True)
        try:
            self.bootstrap = self.start_all()
            proxied = json.loads((self.dir / "cluster.json").read_text())["proxied"]
            self.proxies.in_front_of([behind for behind, _ in proxied])
            self.reader = consumer(self.bootstrap, log_level=0)  # silent: brokers come and go
        except BaseException:  # interrupted, too: leave nothing behind
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        if self.reader:
            self.reader.close()
        self.guard.stdin.close()
        if self.guard.wait():
            raise Failure(f"the brokers in {self.dir} could not be stopped")

    def pid(self, node):
        return int((self.dir / f"node-{node}" / "pid").read_text())

    def kill(self, node):
        """kill -9, by the pid that scripts/kafka has written down."""
        pid = self.pid(node)
        os.kill(pid, signal.SIGKILL)
        while Path(f"/proc/{pid}/cmdline").exists() and Path(f"/proc/{pid}/cmdline").read_bytes():
            time.sleep(0.01)

    def pause(self, node):
        os.kill(self.pid(node), signal.SIGSTOP)

    def go_on(self, node):
        os.kill(self.pid(node), signal.SIGCONT)

    def start_all(self):
        ports = ",".join(map(str, self.proxies.ports))
        return self.kafka("start", "--nodes", NODES, "--heap", HEAP, "--advertise", ports)

    def stop(self, node):
        self.kafka("stop", "--node", node)

    def start(self, node):
        self.kafka("start", "--node", node, "--heap", HEAP)

    def led_by(self, node, topics):
        """The partitions of which this node leads one of these topics."""
        known = self.reader.list_topics(timeout=20).topics
        return {number for topic in topics for number, partition in known[topic].partitions.items() if partition.leader == node}

    def in_sync(self):
        known = self.reader.list_topics(timeout=20).topics.values()
        return all(len(partition.isrs) == len(partition.replicas) for topic in known for partition in topic.partitions.values())

    def await_in_sync(self):
        """Every replica of every partition has caught up."""
        until = time.monotonic() + IN_SYNC_WITHIN
        while not self.in_sync():
            if time.monotonic() > until:
                raise Failure(f"replicas were still behind {IN_SYNC_WITHIN:.0f} s after a broker came back")
            time.sleep(0.2)
