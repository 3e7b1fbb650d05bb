"""Rehearses the two migrations on real brokers: a new release beside the old one, and a move to another cluster.

    python -m migration.rehearse --old PATH --new PATH [--seconds N] [--rate N]

Side by side: the new release judges the same messages in a group of its own, into verdict topics of its own; both verdict topics are
compared byte for byte. Move: messages and orders are mirrored to a second cluster, offset for offset and with their times; the new release
judges there, and its verdicts are compared with those of the first cluster. On each side `gavel replay verify` folds everything again.

Controls: a mirror that gives the messages new times, as a topic with LogAppendTime does, must be told from the right one. Exit 0: all of it.
"""

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from checker.kafka import consumer, ends, read_topic
from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient, NewTopic
from harness import SCHEMAS, TOPICS, Failure, Gavel, say
from measure.world import Broker, end_on_signals
from migration.compare import compare, verdicts

TESTS = Path(__file__).resolve().parent.parent
POLICY = TESTS / "checker" / "policy_a.toml"
PARTITIONS = 6
HEAP = "384m"
DRAINED_WITHIN = 120.0


def side(binary, bootstrap, work, name, topics):
    """A deployment: a group, a data directory and topics."""
    gavel = Gavel(binary, bootstrap, work, name, GAVEL_CHECKPOINTS_STORE="none")
    gavel.topics |= topics
    gavel.env |= {f"GAVEL_TOPICS_{topic.upper()}": gavel.topics[topic] for topic in TOPICS}
    return gavel


def send(gavel, rate, seconds, seed):
    command = [sys.executable, "-m", "checker.load", "--bootstrap", gavel.bootstrap, "--schemas", SCHEMAS, "--seed", seed]
    command += ["--topic", gavel.topics["messages"], "--count", int(rate * seconds), "--seconds", seconds]
    with open(gavel.work / "load.log", "ab") as log:
        return subprocess.Popen(list(map(str, command)), cwd=TESTS, stdin=subprocess.DEVNULL, stdout=log, stderr=log)


def drained(reader, gavel):
    """Waits until it has judged every message there is: the newest verdict of each partition is on its newest message."""
    until = time.monotonic() + DRAINED_WITHIN
    while True:
        last = {number: end - 1 for number, (_, end) in ends(reader, gavel.topics["messages"]).items()}
        found = verdicts(reader, gavel.topics["verdicts"])
        if all(max(found.get(number, {}), default=-1) >= offset for number, offset in last.items()):
            return
        for processor in gavel.running:
            processor.check_alive()
        if time.monotonic() > until:
            raise Failure(f"{gavel.prefix}: not drained within {DRAINED_WITHIN:.0f} s\n{gavel.running[-1].tail()}")
        time.sleep(1.0)


def judged(what, result):
    say(f"rehearse: {what}: {result.compared:,} messages compared, {result.differing} differ, {result.missing} judged by one side alone")
    for line in result.shown:
        say(f"    {line}")
    return result


def verify(gavel):
    """The processor's own proof, with this deployment's topics."""
    gavel.call("replay", "verify", "--checkpoints", "none", within=600)


def side_by_side(options, broker, work):
    """The old release, and the new one beside it from the middle of the load on."""
    with side(options.old, broker.bootstrap, work, "old", {}) as old:
        shared = {name: old.topics[name] for name in ("messages", "control")}
        with side(options.new, broker.bootstrap, work, "new", shared) as new:
            old.call("topics", "create", "--partitions", PARTITIONS)
            old.call("policy", "activate", POLICY)
            old.run("old", "run")
            load = send(old, options.rate, options.seconds, seed=1)
            time.sleep(options.seconds / 2)
            # Topics that are there stay as they are: this makes those of the verdicts.
            new.call("topics", "create", "--partitions", PARTITIONS)
            new.run("new", "run")
            if load.wait(timeout=options.seconds * 6 + 60):
                raise Failure("the load failed")
            reader = consumer(broker.bootstrap)
            try:
                for gavel in (old, new):
                    drained(reader, gavel)
                result = judged("side by side", compare(verdicts(reader, old.topics["verdicts"]), verdicts(reader, new.topics["verdicts"])))
            finally:
                reader.close()
            for gavel in (old, new):
                verify(gavel)
                gavel.running.pop().terminate(30)
    return old, result


def mirror(source, target, topic, partitions, stamped):
    """Every record of a topic with its offset, key, value, headers and, where the target lets it, time."""
    timestamps = "LogAppendTime" if stamped else "CreateTime"
    admin = AdminClient({"bootstrap.servers": target})
    settings = {"message.timestamp.type": timestamps, "retention.ms": "-1", "max.message.bytes": "2000000"}
    for made in admin.create_topics([NewTopic(topic, partitions, 1, config=settings)]).values():
        made.result(30)
    reader = consumer(source)
    try:
        records = read_topic(reader, topic)
    finally:
        reader.close()
    producer = Producer({"bootstrap.servers": target, "enable.idempotence": True, "linger.ms": 5, "message.max.bytes": 2_000_000})
    for partition, known in records.items():
        for offset, record in enumerate(known):
            if record.offset != offset:
                raise Failure(f"{topic}, partition {partition}: offset {record.offset} would become {offset}; only a log without gaps can be moved")
            while True:
                try:
                    producer.produce(topic, record.value, record.key, partition, timestamp=record.time, headers=list(record.headers))
                    break
                except BufferError:
                    producer.poll(0.05)
            producer.poll(0)
    if producer.flush(60):
        raise Failure(f"{topic}: not everything was mirrored")
    return sum(map(len, records.values()))


def moved(options, old, first, second, work, stamped):
    """The same messages on another cluster; what its verdicts are against those of the first."""
    name = "stamped" if stamped else "moved"
    topics = old.topics | {}
    mirrored = mirror(first.bootstrap, second.bootstrap, topics["messages"], PARTITIONS, stamped)
    mirror(first.bootstrap, second.bootstrap, topics["control"], 1, stamped=True)  # an order's place counts, its time does not
    with side(options.new, second.bootstrap, work, name, topics) as new:
        # What is missing is made; the orders are there, and the log keeps its identity.
        new.call("topics", "create", "--partitions", PARTITIONS, "--timestamp-type", "log-append" if stamped else "create", "--retention", "forever")
        new.run(name, "run")
        here, there = consumer(first.bootstrap), consumer(second.bootstrap)
        try:
            drained(there, new)
            result = judged(f"{name}, {mirrored:,} records mirrored", compare(verdicts(here, old.topics["verdicts"]), verdicts(there, topics["verdicts"])))
        finally:
            here.close()
            there.close()
        verify(new)
        new.running.pop().terminate(30)
    return result


def rehearse(options, work):
    """Problems."""
    problems = []
    with Broker(work / "first", HEAP) as first:
        old, result = side_by_side(options, first, work)
        if not result.same:
            problems.append("side by side: the verdicts are not the same")
        with Broker(work / "second", HEAP) as second:
            if not moved(options, old, first, second, work, stamped=False).same:
                problems.append("moved: the verdicts are not the same")
        with Broker(work / "third", HEAP) as third:
            if moved(options, old, first, third, work, stamped=True).same:
                problems.append("a mirror that changes the times was not noticed: the comparison is blind")
    return problems


def main():
    parser = argparse.ArgumentParser(prog="scripts/rehearse-migration", description=__doc__.splitlines()[0])
    parser.add_argument("--old", required=True, type=Path, help="the binary that runs now")
    parser.add_argument("--new", required=True, type=Path, help="the binary that shall run")
    parser.add_argument("--rate", type=int, default=400, help="messages a second (default 400)")
    parser.add_argument("--seconds", type=float, default=20.0, help="of load (default 20)")
    parser.add_argument("--work", default=tempfile.gettempdir(), help="where data and logs go")
    options = parser.parse_args()
    end_on_signals()
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="gavel-migration.", dir=options.work) as work:
        try:
            problems = rehearse(options, Path(work))
        except (Failure, subprocess.TimeoutExpired) as failure:
            problems = [str(failure)]
    for problem in problems:
        say(f"PROBLEM {problem}")
    say(f"rehearse: {'FAILED' if problems else 'the verdicts are the same bytes'}, {time.monotonic() - began:.0f} s")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
