"""What a scenario acts on: brokers, proxies, processors, the load and the watch; and what it must prove.

A scenario strikes, shows that the strike was felt, and then asks the victims for
progress: a verdict about a message that was sent after the strike. Whatever breaks a
promise raises Failure and ends the run.
"""

import contextlib
import random
import subprocess
import sys
import time
from collections import Counter, defaultdict
from pathlib import Path

from chaos.member import Member, build_shims
from checker.kafka import ends
from confluent_kafka import KafkaException, TopicPartition
from harness import SCHEMAS, Failure, Gavel, say

TESTS = Path(__file__).resolve().parent.parent
CHECKER = TESTS / "checker"
POLICIES = ("policy_a.toml", "policy_b.toml")
LOAD_SECONDS = 600.0  # of one load; the next one follows
RECOVERS_WITHIN = 100.0  # seconds; a limit, not a target: the figures are in the report
BITES_WITHIN = 45.0
SETTLED_WITHIN = 60.0
ENDS_WITHIN = 20.0  # from SIGTERM to the end of a processor

SETTINGS = {
    # A dead member is noticed in three seconds instead of six.
    "GAVEL_KAFKA_SESSION_TIMEOUT_MS": "3000",
    "GAVEL_KAFKA_HEARTBEAT_MS": "500",
    "GAVEL_RUN_DRAIN_MS": "900",
    # Many epochs: more strikes fall into the middle of a write.
    "GAVEL_RUN_EPOCH_MS": "500",
    # Flushes all the time, so that the stores have files of every kind and their disks are used.
    "GAVEL_STORE_WRITE_BUFFER_BYTES": "1MiB",
}
SESSION = 3.0
CHECKPOINT_SECONDS = 2.0
LAST_SECONDS = 5.0
CHECKPOINT_SETTINGS = {
    "GAVEL_CHECKPOINTS_EVERY_MS": str(int(CHECKPOINT_SECONDS * 1000)),
    # What a processor that is asked to end may still upload.
    "GAVEL_CHECKPOINTS_LAST_MS": str(int(LAST_SECONDS * 1000)),
    # Less than a second of the load: else the log would be folded again rather than a checkpoint fetched.
    "GAVEL_CHECKPOINTS_NEAR_RECORDS": "100",
}


class Skipped(Exception):
    """This machine cannot do that; said loudly, and listed in the report."""


class World:
    def __init__(self, options, brokers, proxies, bucket, gavel, watch):
        self.options = options
        self.random = random.Random(options.seed)
        self.brokers = brokers
        self.proxies = proxies
        self.bucket = bucket
        self.gavel = gavel
        self.watch = watch
        self.shims = build_shims(gavel.work)
        store = bucket.address if options.checkpoints == "s3" else str(bucket.root)
        gavel.env |= bucket.environment | CHECKPOINT_SETTINGS | {"GAVEL_CHECKPOINTS_STORE": store}
        self.members = [
            Member(number, gavel, proxies.bootstrap, self.shims, options.lanes) for number in range(1, options.processors + 1)
        ]
        self.digests = {}
        self.active = 0  # activations after the first
        self.load = None
        self.loads = 0
        self.sending = True
        self.slowest_end = None  # seconds from SIGTERM
        self.undo = contextlib.ExitStack()  # mounts; they end with the run whatever happens
        # For the report.
        self.recoveries = defaultdict(list)  # kind -> seconds, one per partition
        self.strikes = Counter()
        self.notes = Counter()
        self.under_fault = 0
        self.damaged = set()  # paths that a scenario has spoilt
        self.struck_at = None  # when the newest fault began

    # ------------------------------------------------------------------ start and end

    def __enter__(self):
        try:
            self.start()
        except BaseException:  # interrupted, too: leave nothing behind
            self.stop()
            raise
        return self

    def __exit__(self, *_):
        self.stop()

    def start(self):
        gavel = self.gavel
        self.digests = {gavel.publish(CHECKER / name): CHECKER / name for name in POLICIES}
        gavel.call("policy", "activate", next(iter(self.digests)))
        for member in self.members:
            member.start()
        self.go_on_sending()
        self.settle("the start")

    def stop(self):
        self.stop_load()
        for member in self.members:
            if member.processor:
                member.kill()  # works on a stopped one, too
        self.undo.close()

    def go_on_sending(self):
        """The load has no gaps: a strike without load proves nothing."""
        if not self.sending or (self.load is not None and self.load.poll() is None):
            return
        if self.load is not None and self.load.returncode:
            raise Failure(f"the load generator failed with {self.load.returncode}")
        self.loads += 1
        command = [sys.executable, "-m", "checker.load", "--bootstrap", self.brokers.bootstrap, "--schemas", SCHEMAS]
        command += ["--topic", self.gavel.topics["messages"], "--seed", str(self.options.seed + self.loads)]
        command += ["--seconds", str(LOAD_SECONDS), "--count", str(int(self.options.rate * LOAD_SECONDS))]
        with open(self.gavel.work / "load.log", "ab") as log:
            self.load = subprocess.Popen(list(map(str, command)), cwd=TESTS, stdin=subprocess.DEVNULL, stdout=log, stderr=log)

    def activate_the_other(self):
        """The policy that is not in force, as a process."""
        self.active += 1
        return self.gavel.run(f"activation-{self.active}", "policy", "activate", list(self.digests)[self.active % len(self.digests)])

    def stop_load(self):
        self.sending = False
        if self.load is not None and self.load.poll() is None:
            self.load.kill()
        if self.load is not None:
            self.load.wait()

    def log_ends(self):
        """partition -> offset of its last message."""
        found = ends(self.brokers.reader, self.gavel.topics["messages"])
        return {number: end - 1 for number, (_, end) in found.items()}

    # ------------------------------------------------------------------ what goes on meanwhile

    def tend(self):
        """One look at everything that must be true at any time."""
        if self.watch.broken:
            raise Failure(f"the verdict topic cannot be followed: {self.watch.broken}")
        self.go_on_sending()
        for member in self.members:
            member.tend()

    def sleep(self, seconds):
        self.until(lambda: False, seconds)

    def until(self, true, within, what=None):
        """Waits for it while everything else is tended; Failure if `what` is given and it does not come."""
        end = time.monotonic() + within
        while not true():
            if time.monotonic() > end:
                if what:
                    raise Failure(f"{what}: not within {within:.0f} s\n{self.tails()}")
                return False
            self.tend()
            time.sleep(0.05)
        return True

    def where(self, number):
        """How far messages, verdicts and processors are in one partition."""
        known = [f"newest verdict seen is of {self.watch.newest[number]}"]
        known += [f"{member.name}: {found}" for member in self.members if (found := member.of(number))]
        for topic in ("messages", "verdicts"):
            try:
                place = TopicPartition(self.gavel.topics[topic], number)
                known.append(f"{topic} end at {self.brokers.reader.get_watermark_offsets(place, timeout=3)[1]}")
            except KafkaException as silent:
                known.append(f"{topic}: {silent}")
        return f"partition {number}: " + "; ".join(known)

    def tails(self):
        return "\n".join(f"the end of {member.log}:\n{member.processor.tail(12)}" for member in self.members if member.processor)

    def halted(self):
        """member -> partition -> reason, of those that run."""
        return {m.name: halted for m in self.members if not m.down and (halted := m.halted())}

    def settle(self, after):
        """Every partition is judged by exactly one processor, and none is halted."""

        def settled():
            if halted := self.halted():
                raise Failure(f"after {after}: halted partitions {halted}\n{self.tails()}")
            owned = Counter(number for member in self.members if not member.down for number in member.live())
            return sorted(owned) == self.watch.partitions and set(owned.values()) == {1}

        self.until(settled, SETTLED_WITHIN, f"after {after}: every partition with one owner")

    # ------------------------------------------------------------------ strikes

    def pick(self):
        """A running processor that judges something."""
        found = []

        def some():
            found[:] = [member for member in self.members if not member.down and member.live()]
            return found

        self.until(some, BITES_WITHIN, "a processor that judges something")
        return self.random.choice(found)

    @contextlib.contextmanager
    def fault(self, kind):
        """Counts one strike, and the verdicts that are given while it lasts or is being recovered from."""
        before = self.watch.judged
        began = time.monotonic()
        self.strikes_now()
        say(f"chaos: {kind}")
        yield
        self.strikes[kind] += 1
        self.under_fault += self.watch.judged - before
        say(f"chaos: {kind}: over after {time.monotonic() - began:.1f} s")

    def strikes_now(self):
        """The fault begins; once more where its preparation took a while."""
        self.struck_at = time.monotonic()

    def bites(self, felt, what):
        """The strike must be felt, or the scenario has shown nothing."""
        if not felt:
            raise Failure(f"a fault that did not bite: {what}")

    def demand(self, partitions):
        """To be called when the strike is done: its victims owe a verdict on what is sent from now on."""
        self.bites(partitions, "nobody was struck")
        return self.watch.demand(partitions)

    def recovered(self, kind, demand, within=RECOVERS_WITHIN):
        """Waits for what was demanded, and notes down how long each partition took."""
        if not self.until(lambda: not demand.waiting, within):
            stuck = "\n".join(self.where(number) for number in sorted(demand.waiting))
            raise Failure(f"{kind}: no progress within {within:.0f} s:\n{stuck}\n{self.tails()}")
        self.watch.forget(demand)
        self.recoveries[kind] += demand.met.values()
        worst = max(demand.met.values())
        say(f"chaos:   {len(demand.met)} partition(s) came back, the last after {worst:.2f} s")

    def inspect(self, member):
        """Between a kill and the next start: what its stores hold is never ahead of the verdicts (S <= V)."""
        stored = {store["partition"]: store["boundary"] for store in member.stores()}

        # The watch may lag behind; what it saw was acknowledged before.
        self.until(
            lambda: all(self.watch.newest[number] >= boundary for number, boundary in stored.items()),
            RECOVERS_WITHIN,
            f"{member.name}: stores at {stored}, verdicts at {self.watch.newest}: state ahead of its verdicts",
        )
        self.notes["stores inspected after a kill"] += len(stored)


def new_gavel(options, bootstrap, work):
    gavel = Gavel(options.gavel, bootstrap, work, "chaos", **SETTINGS)
    gavel.call("topics", "create", "--partitions", options.partitions)
    return gavel
