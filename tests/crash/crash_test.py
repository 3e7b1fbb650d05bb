"""The crash test: a processor killed again and again under load, and nothing to show for it.

    python -m crash.crash_test --bootstrap HOST:PORT --gavel PATH [--work DIR] [--count N] [--seconds S] [--seed N]

A paced load (checker/load.py) runs into fresh topics while `gavel run --lanes 2` is
killed with SIGKILL at random moments and started again: ten times, at least eight of
them while the verdict topic is ahead of what the stores remember; two restarts do
without the scan of the verdict topic's tail, so that verdicts must appear twice; one
begins with an empty data directory; in the middle another policy is activated. Then:
every record is judged, SIGTERM ends it cleanly, the independent checker
(checker/check.py) agrees with every verdict, `gavel replay verify` with every byte, and
the state on disk is the state of one straight fold.
"""

import argparse
import contextlib
import json
import random
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from checker.kafka import consumer, ends, read_topics
from checker.wire import Schemas
from confluent_kafka import KafkaException, TopicPartition
from harness import SCHEMAS, Failure, Gavel, await_progress, say

CHECKER = Path(__file__).resolve().parent.parent / "checker"
PARTITIONS = 8
KILLS = 10
KILLS_AHEAD = 8  # of them with verdicts that the stores do not know of
KILLS_AT_MOST = 25
WITHOUT_TAIL_SCAN = (3, 7)  # restarts after these kills, or the next that is ahead
WITHOUT_DATA = 5
ALIVE = (0.3, 3.5)  # seconds between the first verdict after a start and the next kill
SHUTDOWN = 5.0  # seconds; 2 are promised, the rest is for a loaded machine

SETTINGS = {
    # A dead member is noticed in two seconds instead of six, so that ten crashes fit into a minute.
    "GAVEL_KAFKA_SESSION_TIMEOUT_MS": "2000",
    "GAVEL_KAFKA_HEARTBEAT_MS": "300",
    "GAVEL_RUN_DRAIN_MS": "500",
    # Twice the usual number of epochs: more kills fall into the middle of a write.
    "GAVEL_RUN_EPOCH_MS": "500",
}


class Watch:
    """What the broker holds: ends of topics, and how far the verdicts go."""

    def __init__(self, gavel):
        self.topics = gavel.topics
        self.bootstrap = gavel.bootstrap
        self.reader = consumer(gavel.bootstrap)
        self.schemas = Schemas(SCHEMAS)

    def ends(self, topic):
        return {number: end for number, (_, end) in ends(self.reader, self.topics[topic]).items()}

    def newest(self):
        """partition -> source offset of the last verdict, -1 before the first."""
        found = dict.fromkeys(self.ends("verdicts"), -1)
        bounds = {number: end for number, end in self.ends("verdicts").items() if end > 0}
        self.reader.assign([TopicPartition(self.topics["verdicts"], number, end - 1) for number, end in bounds.items()])
        waiting, until = set(bounds), time.monotonic() + 30
        while waiting:
            if time.monotonic() > until:
                raise Failure(f"the last verdicts of partitions {sorted(waiting)} could not be read")
            message = self.reader.poll(1.0)
            if message is not None and not message.error():
                _, verdict = self.schemas.decode(message.value())
                found[message.partition()] = verdict["source_offset"]
                waiting.discard(message.partition())
        self.reader.unassign()
        return found

    def marker(self):
        """The value of the first control marker in the message topic."""
        (messages,) = read_topics(self.bootstrap, [self.topics["messages"]])
        mark = self.schemas.by_name["ControlMarker"]["fingerprint"]
        for record in messages[0]:
            if record.value and record.value[2:10] == mark:
                return record.value
        raise Failure("the activation left no marker in the message topic")


class Load:
    """The load generator as a process, so that it keeps its pace."""

    def __init__(self, gavel, options, stale_marker):
        self.command = [sys.executable, "-m", "checker.load", "--bootstrap", options.bootstrap]
        self.command += ["--topic", gavel.topics["messages"], "--schemas", str(SCHEMAS)]
        self.command += ["--stale-marker", stale_marker.hex()]
        self.seed, self.count, self.seconds = options.seed, options.count, options.seconds
        self.began = time.monotonic()
        self.process = self.send(self.count, self.seconds)

    def send(self, count, seconds):
        words = ["--count", str(count), "--seconds", str(seconds), "--seed", str(self.seed)]
        return subprocess.Popen(self.command + words, cwd=CHECKER.parent)

    def done(self):
        status = self.process.poll()
        if status:
            raise Failure(f"the load generator failed with {status}")
        return status == 0

    def go_on(self):
        """Ten seconds more at the same pace, if it is through: a kill without load proves nothing."""
        if self.done():
            self.seed += 1
            seconds = min(10.0, self.seconds)
            self.process = self.send(int(self.count * seconds / self.seconds), seconds)

    def half_sent(self):
        return time.monotonic() - self.began >= self.seconds / 2

    def stop(self):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()


class CrashTest:
    def __init__(self, gavel, options):
        self.gavel = gavel
        self.options = options
        self.random = random.Random(options.seed)
        self.watch = Watch(gavel)
        self.starts = 0
        self.kills = []  # which partitions were ahead of their store, and by how many records
        self.restarts = []  # (with a tail scan?, ends of the verdict partitions before it)
        self.second = None  # the activation in the middle: a process

    def run(self):
        gavel = self.gavel
        gavel.call("topics", "create", "--partitions", PARTITIONS)
        digests = {gavel.publish(CHECKER / name): CHECKER / name for name in ("policy_a.toml", "policy_b.toml")}
        first, second = digests
        gavel.call("policy", "activate", first)
        load = Load(gavel, self.options, self.watch.marker())
        try:
            processor = self.crashes(load, second)
        finally:
            load.stop()
        self.finish(processor)
        copies = self.copies()
        report = self.check(digests)
        self.verify()
        return {
            "kills": len(self.kills),
            "kills_ahead_of_the_stores": self.kills_ahead(),
            "most_ahead": max(kill["records_ahead"] for kill in self.kills),
            "copies": copies,
            "checker": report["counts"] | {"dependent_share": report["dependent_share"]},
        }

    # ------------------------------------------------------------------ crashes

    def start(self, *words):
        self.starts += 1
        return self.gavel.run(f"processor-{self.starts:02}", "run", "--lanes", 2, *words)

    def crashes(self, load, second):
        """Kills and restarts until enough of them counted and the load is through; returns the last processor."""
        processor = self.start()
        while len(self.kills) < KILLS or self.kills_ahead() < KILLS_AHEAD:
            if len(self.kills) == KILLS_AT_MOST:
                raise Failure(f"of {KILLS_AT_MOST} kills too few hit while verdicts were ahead of the stores: {self.kills}")
            load.go_on()
            self.await_judging(processor)
            self.let_live(self.random.uniform(*ALIVE), processor, load, second)
            processor.kill()
            processor = self.restart(self.account())
        while not (load.done() and self.second):
            self.let_live(0.1, processor, load, second)
        return processor

    def await_judging(self, processor):
        """Until it sends verdicts; without a tail scan, until each partition that was ahead sends its copies."""
        before = self.watch.ends("verdicts")
        some, watched = 1, list(before)
        if self.restarts and not self.restarts[-1][0]:
            before, watched = self.restarts[-1][1], self.kills[-1]["ahead"]
            some = len(watched)

        def sending():
            ends = self.watch.ends("verdicts")
            return sum(ends[number] > before[number] for number in watched)

        await_progress(sending, some, processor)

    def let_live(self, seconds, processor, load, second):
        """Some time passes; the second policy comes when half of the load is sent."""
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            processor.check_alive()
            load.done()
            if not self.second and load.half_sent():
                say("crash: activating the second policy")
                self.second = self.gavel.run("activation", "policy", "activate", second)
            time.sleep(0.01)

    def account(self):
        """After a kill: how far the verdicts are ahead of what the stores hold."""
        stored = self.stored_after_a_kill()
        newest = self.watch.newest()
        ahead = {number: newest[number] - boundary for number, boundary in stored.items()}
        if any(lead < 0 for lead in ahead.values()):
            raise Failure(f"state is ahead of its verdicts: {stored} stored, {newest} judged")
        kill = {"ahead": [number for number, lead in ahead.items() if lead], "records_ahead": sum(ahead.values())}
        self.kills.append(kill)
        held = f"{len(stored)} of {PARTITIONS} partitions are stored"
        say(f"crash: kill {len(self.kills)}: {held}, their verdicts are {kill['records_ahead']} ahead of that")
        return kill

    def stored_after_a_kill(self):
        """partition -> S, of the stores that hold something: others are new, or were just being made."""
        stored = {}
        for number in range(PARTITIONS):
            with contextlib.suppress(Failure):
                stored |= stored_offsets(self.gavel.json("state", "inspect", "--partition", number))
        return stored

    def restart(self, kill):
        number = len(self.kills)
        words = []
        if number == WITHOUT_DATA:
            say("crash: restarting with an empty data directory")
            shutil.rmtree(self.gavel.data)
        elif kill["ahead"] and sum(number >= at for at in WITHOUT_TAIL_SCAN) > self.unscanned():
            # The verdicts ahead of the stores come again; there must be some.
            say("crash: restarting without the scan of the verdict topic's tail")
            words = ["--tail-scan", 0]
        self.restarts.append((not words, self.watch.ends("verdicts")))
        return self.start(*words)

    def kills_ahead(self):
        return sum(bool(kill["ahead"]) for kill in self.kills)

    def unscanned(self):
        return sum(not scanned for scanned, _ in self.restarts)

    # ------------------------------------------------------------------ the end

    def finish(self, processor):
        """Everything judged, then a clean end."""
        if self.second.process.wait(timeout=60) != 0:
            raise Failure(f"the activation in the middle failed:\n{self.second.tail()}")
        goal = {number: end - 1 for number, end in self.watch.ends("messages").items()}
        await_progress(lambda: sum(self.watch.newest().values()), sum(goal.values()), processor)
        # Stored too: on a slow disk an end within its time may leave the last epoch to the next start.
        await_progress(self.gavel.stored, sum(goal.values()), processor)
        took = processor.terminate(within=SHUTDOWN)
        say(f"crash: ended {took:.1f} s after SIGTERM")
        stored = stored_offsets(self.gavel.json("state", "inspect"))
        if stored != goal:
            raise Failure(f"after a clean end the stores stand at {stored}, the log ends at {goal}")

    def copies(self):
        """How many verdicts came again after each restart; some after each one without a tail scan."""
        (verdicts,) = read_topics(self.options.bootstrap, [self.gavel.topics["verdicts"]])
        found = [0] * len(self.restarts)
        for number, records in verdicts.items():
            seen, restart = set(), -1
            for record in records:
                while restart + 1 < len(self.restarts) and record.offset >= self.restarts[restart + 1][1][number]:
                    restart += 1
                _, verdict = self.watch.schemas.decode(record.value)
                if verdict["source_offset"] in seen:
                    found[restart] += 1
                seen.add(verdict["source_offset"])
        unscanned = [copies for copies, (scanned, _) in zip(found, self.restarts) if not scanned]
        if len(unscanned) < len(WITHOUT_TAIL_SCAN) or not all(unscanned):
            raise Failure(f"restarts without a tail scan must make copies; they made {unscanned}")
        return {"without a tail scan": unscanned, "with it": sum(found) - sum(unscanned)}

    def check(self, digests):
        topics = self.gavel.topics
        command = [sys.executable, "-m", "checker.check", "--bootstrap", self.options.bootstrap, "--schemas", str(SCHEMAS)]
        command += ["--messages", topics["messages"], "--verdicts", topics["verdicts"], "--need-duplicates"]
        command += ["--dead-letters", topics["dead_letters"], "--control", topics["control"]]
        for digest, path in digests.items():
            command += ["--policy", f"{digest}={path}"]
        done = subprocess.run(command, cwd=CHECKER.parent, stdout=subprocess.PIPE, text=True, timeout=900)
        (self.gavel.work / "checker.json").write_text(done.stdout)
        if done.returncode:
            raise Failure(f"the checker found problems; all of them are in {self.gavel.work / 'checker.json'}")
        return json.loads(done.stdout)

    def verify(self):
        folded = state_digests(self.gavel.json("replay", "verify", "--digest", within=900))
        stored = state_digests(self.gavel.json("state", "inspect", "--digest", within=300))
        if len(stored) != PARTITIONS or stored != folded:
            raise Failure(f"the state on disk is not that of one straight fold: {stored} against {folded}")
        say(f"crash: replay verify agrees, and {len(stored)} state digests equal those of one straight fold")


def stored_offsets(inspected):
    """partition -> S, from `gavel state inspect --output json`."""
    return {stored["partition"]: stored["boundary"] for stored in inspected}


def state_digests(printed):
    """partition -> digest of its state, from `state inspect --digest` or `replay verify --digest`."""
    return {state["partition"]: state["digest"] for state in printed}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--bootstrap", required=True)
    parser.add_argument("--gavel", required=True, help="the binary")
    parser.add_argument("--work", default=tempfile.gettempdir(), help="where data and logs go")
    parser.add_argument("--count", type=int, default=200_000, help="records (default 200000)")
    parser.add_argument("--seconds", type=float, default=60.0, help="for the load (default 60)")
    parser.add_argument("--seed", type=int, help="of the load and of the moments of the kills (default: a new one, printed)")
    options = parser.parse_args()
    options.seed = options.seed if options.seed is not None else random.SystemRandom().randrange(10**6)
    say(f"crash: seed {options.seed}")
    began = time.monotonic()
    try:
        with Gavel(options.gavel, options.bootstrap, options.work, "crash", **SETTINGS) as gavel:
            summary = CrashTest(gavel, options).run()
    except (Failure, KafkaException, TimeoutError) as failure:
        say(f"crash: FAILED (--seed {options.seed}): {failure}")
        return 1
    print(json.dumps(summary | {"seed": options.seed, "seconds": round(time.monotonic() - began)}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
