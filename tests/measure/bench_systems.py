"""What is measured beside what: the processor, the bare loop, the ordinary processor, Kafka Streams; and how each is looked at from outside.

Invariant: all are looked at in the same way: CPU time by thread from the scheduler's books, work done by the ends of the topic that they
write to. What a system says about itself is in no figure, except the bare loop's drain and the fold, which end by themselves.
"""

import contextlib
import json
import os
import subprocess
import time
from pathlib import Path

from confluent_kafka import TopicPartition
from confluent_kafka.admin import AdminClient, OffsetSpec
from harness import Failure, Gavel, Processor
from measure.bench_figures import Refused
from measure.world import Member

PATIENCE = 900.0  # seconds without an end: something is broken
SILENCE = 60.0  # the same without anything new
READY_WITHIN = 90.0
LOOK = 0.1
CLIENT = "rdk:"  # how the names of librdkafka's threads begin


def pin(pid, cores):
    """All threads of a process, and those that they start from now on."""
    for task in Path(f"/proc/{pid}/task").iterdir():
        with contextlib.suppress(ProcessLookupError):
            os.sched_setaffinity(int(task.name), cores)


@contextlib.contextmanager
def starts_on(cores):
    """What this thread starts meanwhile runs on these cores only."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cores or before)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


class Cpu:
    """CPU time of a process since the first look, by thread; what a thread took until the last look before it ended stays in."""

    def __init__(self, pid):
        self.pid = pid
        self.first, self.last = {}, {}
        self.look()
        self.first = {task: ns for task, (_, ns) in self.last.items()}

    def look(self):
        for task in Path(f"/proc/{self.pid}/task").iterdir():
            with contextlib.suppress(OSError, IndexError):
                ns = int((task / "schedstat").read_text().split()[0])
                self.last[task.name] = ((task / "comm").read_text().strip(), ns)

    def microseconds(self):
        """(of all threads, of librdkafka's)."""
        spent = [(name, (ns - self.first.get(task, 0)) / 1000) for task, (name, ns) in self.last.items()]
        return sum(us for _, us in spent), sum(us for name, us in spent if name.startswith(CLIENT))


class Ends:
    """Where topics end."""

    def __init__(self, bootstrap):
        self.admin = AdminClient({"bootstrap.servers": bootstrap, "log_level": 0})

    def total(self, topic, partitions):
        """Records of all partitions, as long as none was removed."""
        asked = {TopicPartition(topic, number): OffsetSpec.latest() for number in range(partitions)}
        return sum(one.result().offset for one in self.admin.list_offsets(asked, request_timeout=20).values())

    def delete(self, topics):
        """So that the disk holds the topics of one round and not of all."""
        for one in self.admin.delete_topics(list(topics), operation_timeout=20).values():
            one.result()

    def delete_named_after(self, prefix):
        """Also what a peer has made for itself."""
        self.delete(name for name in self.admin.list_topics(timeout=20).topics if prefix in name)


class Log:
    """Messages in a topic of their own, the policy in force before the first; and for every run on it topics of its own to write to."""

    def __init__(self, bench, partitions, corpus):
        self.bench, self.partitions = bench, partitions
        self.made = 0
        self.gavel = Gavel(bench.binary, bench.bootstrap, bench.work, "bench")
        self.create(self.gavel)
        self.gavel.call("policy", "activate", corpus / "bench.toml")

    def create(self, gavel):
        gavel.call("topics", "create", "--partitions", self.partitions)

    def fill(self, events, users, texts):
        words = [self.bench.example("preload"), self.bench.bootstrap, self.gavel.topics["messages"], events, users, texts]
        subprocess.run([str(word) for word in words], check=True, stdout=subprocess.DEVNULL, timeout=PATIENCE)

    @contextlib.contextmanager
    def outputs(self):
        """A block with a `Gavel` that reads this log's messages and orders, and writes to new topics, which go with the block."""
        self.made += 1
        shared = {topic: self.gavel.topics[topic] for topic in ("messages", "control")}
        settings = {f"GAVEL_TOPICS_{topic.upper()}": name for topic, name in shared.items()}
        with Gavel(self.bench.binary, self.bench.bootstrap, self.gavel.work, f"run{self.made}", **settings) as gavel:
            gavel.topics |= shared
            self.create(gavel)
            try:
                yield gavel
            finally:
                for running in gavel.running:
                    running.kill()
                self.bench.ends.delete_named_after(gavel.prefix)

    def remove(self):
        self.bench.ends.delete(self.gavel.topics.values())


class Ours:
    """`gavel run`, durable, one lane unless said otherwise."""

    name = "Gavel"
    warm_share = 0.0  # of a drain that goes before the measured part

    def __init__(self, **settings):
        self.settings = settings

    def start(self, log, gavel, _corpus):
        self.member = Member("data", gavel, GAVEL_RUN_LANES=str(log.bench.chosen.lanes), **self.settings)
        self.member.start()
        return self.member.processor

    def ready(self, log):
        return self.member.ready() and len(self.member.offsets("next")) == log.partitions

    def outputs_of(self, events, log):
        return events + log.partitions  # a verdict for each marker

    def memory(self):
        return {"rss": self.member.rss(), "peak_rss": self.member.peak_rss()}

    def finish(self, log, gavel):
        """Everything is judged, the process ends by itself, and every verdict is what a straight fold gives."""
        wanted = self.log_ends(log)
        until = time.monotonic() + READY_WITHIN
        while log.bench.ends.total(gavel.topics["verdicts"], log.partitions) < wanted:
            self.member.processor.check_alive()
            if time.monotonic() > until:
                raise Refused(f"after {READY_WITHIN:.0f} s there are not yet {wanted:,} verdicts")
            time.sleep(LOOK)
        self.member.terminate()
        verify(gavel, wanted)

    @staticmethod
    def log_ends(log):
        return log.bench.ends.total(log.gavel.topics["messages"], log.partitions)


def verify(gavel, records):
    try:
        found = gavel.json("replay", "verify", within=PATIENCE)
    except Failure as difference:
        raise Refused(f"`gavel replay verify` is not content: {difference}") from difference
    equal = sum(one.get("equal", 0) for one in found)
    if equal != records:
        raise Refused(f"{records:,} records have {equal:,} verdicts that are right")


class Peer:
    """One that is started by a command line, and killed when it has done its work."""

    warm_share = 0.0
    ready_line = None

    def start(self, log, gavel, corpus):
        self.output = gavel.work / f"{type(self).__name__}.log"
        command = self.command(log, gavel, corpus)
        processor = Processor([str(word) for word in command], gavel.env | self.environment(), self.output)
        gavel.running.append(processor)
        return processor

    def environment(self):
        return {}

    def ready(self, _log):
        return self.ready_line is None or self.ready_line in self.output.read_text(errors="replace")

    def outputs_of(self, events, _log):
        return events  # markers of orders are no messages to them

    def memory(self):
        return {}

    def finish(self, _log, gavel):
        for running in gavel.running:
            running.kill()


class Bare(Peer):
    """examples/pass_through.rs, following its topic."""

    name = "bare loop"
    ready_line = "ready"

    def command(self, log, gavel, _corpus):
        words = [log.bench.example("pass_through"), gavel.bootstrap, gavel.topics["messages"], gavel.topics["verdicts"], "--follow"]
        return [*words, *log.bench.chosen.bare.split()]


class Naive(Peer):
    """examples/naive.rs."""

    name = "ordinary processor"

    def command(self, log, gavel, corpus):
        return [log.bench.example("naive"), gavel.bootstrap, gavel.topics["messages"], gavel.topics["verdicts"], corpus / "words.csv", gavel.work / "naive"]


class Streams(Peer):
    """A Kafka Streams application behind a `run.sh`; see docs/performance.md for the flags that it must know."""

    name = "Kafka Streams"
    ready_line = "-> RUNNING"
    warm_share = 0.5  # a JVM that has not compiled yet is another system

    def __init__(self, directory, caching):
        self.directory, self.caching = directory, caching

    def command(self, log, gavel, corpus):
        flags = {
            "bootstrap": gavel.bootstrap,
            "terms": corpus / "words.csv",
            "input": gavel.topics["messages"],
            "output": gavel.topics["verdicts"],
            "application-id": f"streams-{gavel.prefix}",
            "state-dir": gavel.work / "streams",
            "caching": self.caching,
        }
        return ["bash", self.directory / "run.sh", *(word for name, value in flags.items() for word in (f"--{name}", value))]


# ------------------------------------------------------------------ how they are measured


def wait_ready(system, processor, log):
    until = time.monotonic() + READY_WITHIN
    while not system.ready(log):
        processor.check_alive()
        if time.monotonic() > until:
            raise Failure(f"{system.name} is not ready after {READY_WITHIN:.0f} s; see {processor.log}")
        time.sleep(LOOK)


def drain(system, log, corpus, events, cores=None, warm_share=None):
    """What one system takes for so many messages that wait for it, from its first verdict (or the end of its warm-up) to the last."""
    with log.outputs() as gavel:
        with starts_on(cores):
            processor = system.start(log, gavel, corpus)
        wanted = system.outputs_of(events, log)
        warm = (system.warm_share if warm_share is None else warm_share) * wanted
        began, most, since = None, 0, time.monotonic()
        until = since + PATIENCE
        while True:
            processor.check_alive()
            done, now = log.bench.ends.total(gavel.topics["verdicts"], log.partitions), time.monotonic()
            if done > most:
                most, since = done, now
            if began is None and done > warm:
                began, before, cpu = now, done, Cpu(processor.process.pid)
            if began and done >= wanted:
                break
            if now > min(until, since + SILENCE):
                raise Failure(f"{system.name} has made {done:,} of {wanted:,} and nothing new for {now - since:.0f} s; see {processor.log}")
            if began:
                cpu.look()
            time.sleep(LOOK)
        cpu.look()
        if done == before:
            raise Failure(f"{system.name} was done with {wanted:,} within one look: give it more --events")
        found = per_event(cpu, done - before) | {"rate": (done - before) / (now - began)} | system.memory()
        system.finish(log, gavel)
        return found


def per_event(cpu, events):
    everything, client = cpu.microseconds()
    return {"cpu": everything / events, "client": client / events, "events": events}


def bare_drain(log, cores=None):
    """The same of the bare loop, which counts by itself and ends."""
    with log.outputs() as gavel, starts_on(cores):
        words = [log.bench.example("pass_through"), gavel.bootstrap, gavel.topics["messages"], gavel.topics["verdicts"]]
        said = output(words, within=PATIENCE)
    return {"cpu": said["cpu_us_per_event"], "client": said["librdkafka_us_per_event"], "rate": said["events_per_second"]}


def fold(bench, corpus, events, users, cores=None):
    """The same of the fold without Kafka."""
    with starts_on(cores):
        said = output([bench.example("fold"), corpus / "bench.toml", corpus / "texts.txt", events, users], within=PATIENCE)
    return {"cpu": said["cpu_us_per_event"], "rate": said["events_per_second"]}


def output(words, within):
    """The JSON that a program prints."""
    words = [str(word) for word in words]
    done = subprocess.run(words, capture_output=True, text=True, timeout=within)
    if done.returncode:
        raise Failure(f"`{' '.join(words)}` ended with {done.returncode}: {done.stderr.strip()[-2000:]}")
    return json.loads(done.stdout.splitlines()[-1])
