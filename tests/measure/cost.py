"""What checkpoints cost the live path: the same load by turns with them and without."""

import statistics
import subprocess
import sys
import time
from pathlib import Path

from checker.kafka import consumer, ends
from confluent_kafka import TopicPartition
from harness import Failure
from measure.world import Member, MIB, percentile, table

TESTS = Path(__file__).resolve().parents[1]
SETTLE = 5.0  # seconds of load before a round counts
PATIENCE = 600.0
RANKS = (50, 99, 99.9)


class Cost:
    def __init__(self, chosen, gavel):
        self.chosen, self.gavel = chosen, gavel
        self.reader = consumer(gavel.bootstrap, log_level=0)
        self.rows = []
        # Both kinds of rounds store equally often: a checkpoint is of what is stored, so it cannot come more often than that.
        self.settings = {"GAVEL_RUN_EPOCH_MS": str(chosen.every_ms), "GAVEL_CHECKPOINTS_EVERY_MS": str(chosen.every_ms)}

    def run(self):
        chosen = self.chosen
        self.warm()
        for number in range(chosen.rounds):
            # The order changes, so that whatever drifts meets both.
            for on in (True, False) if number % 2 else (False, True):
                self.rows.append({"round": number, "on": on} | self.round(2 * number + on, on))
                self.show(self.rows[-1:])
        self.reader.close()
        self.report()

    def member(self, on):
        store = str(self.gavel.work / "checkpoints") if on else "none"
        return Member("data", self.gavel, GAVEL_CHECKPOINTS_STORE=store, **self.settings)

    def warm(self):
        """Everybody is known before the first round, and has a checkpoint."""
        member = self.member(True)
        member.start()
        wanted = {number: end - 1 for number, (_, end) in self.ends("messages").items()}
        self.wait(member, lambda: member.offsets("checkpoint") == wanted, "everything is judged and has a checkpoint")
        member.terminate()

    def round(self, seed, on):
        chosen, gavel = self.chosen, self.gavel
        member = self.member(on)
        member.start()
        self.wait(member, lambda: member.ready() and len(member.offsets("next")) == chosen.partitions, "it is ready")
        words = [gavel.bootstrap, gavel.topics["messages"], chosen.rate, int(SETTLE) + chosen.seconds, chosen.users, seed]
        load = subprocess.Popen([sys.executable, "-m", "measure.lines", "pace", *map(str, words)], cwd=TESTS)
        try:
            time.sleep(SETTLE)
            # In this order: no verdict about what comes after `first` is before `heard`.
            heard, first = self.ends("verdicts"), self.ends("messages")
            before = self.totals(member)
            time.sleep(chosen.seconds - 1)
            after = self.totals(member)
            last = self.ends("messages")
            load.wait(60)
        finally:
            load.kill()
            load.wait()
        if load.returncode:
            raise Failure(f"the load ended with {load.returncode}")
        goal = {number: end - 1 for number, (_, end) in self.ends("messages").items()}
        self.wait(member, lambda: member.offsets("acknowledged") == goal, "everything is judged")
        member.terminate()
        window = {number: (first[number][1], last[number][1]) for number in first}
        delays = self.delays(window, {number: end for number, (_, end) in heard.items()})
        total = [after[at] - before[at] for at in range(len(after))]
        return {"delays": delays, "cpu": total[0] * 1e6 / len(delays), "saved": total[1], "bytes": total[2]}

    def totals(self, member):
        """CPU seconds, checkpoints saved, their bytes."""
        found = member.metrics()
        saved = sum(value for name, labels, value in found if name == "gavel_checkpoints_total" and labels.get("outcome") == "saved")
        return member.cpu_seconds(), saved, sum(value for name, _, value in found if name == "gavel_checkpoint_uploaded_bytes_total")

    def wait(self, member, done, what):
        until = time.monotonic() + PATIENCE
        while not done():
            member.processor.check_alive()
            if time.monotonic() > until:
                raise Failure(f"not after {PATIENCE:.0f} s: {what}; see {member.log}")
            time.sleep(0.1)

    def ends(self, topic):
        return ends(self.reader, self.gavel.topics[topic])

    # ------------------------------------------------------------------ delays

    def delays(self, window, heard):
        """In order: milliseconds from the broker's time of each message in the window to that of its (first) verdict."""
        sent = {}
        wanted = {number: begin for number, (begin, _) in window.items()}
        for message in self.read("messages", wanted, lambda message: message.offset() + 1 >= window[message.partition()][1]):
            number, offset = message.partition(), message.offset()
            if offset < window[number][1]:
                sent[number, offset] = message.timestamp()[1]
        found = {}

        def over(message):
            number, offset = source(message.value())
            return offset + 1 >= window[number][1]

        for message in self.read("verdicts", heard, over):
            at = source(message.value())
            if at in sent and at not in found:
                found[at] = message.timestamp()[1] - sent[at]
        if len(found) != len(sent):
            raise Failure(f"{len(sent)} messages have {len(found)} verdicts")
        return sorted(found.values())

    def read(self, topic, begin, over):
        """The records of every partition from `begin` until `over` says that one is the last."""
        name = self.gavel.topics[topic]
        self.reader.assign([TopicPartition(name, number, offset) for number, offset in begin.items()])
        waiting, silent = set(begin), 0
        while waiting:
            batch = [message for message in self.reader.consume(num_messages=5_000, timeout=1.0) if not message.error()]
            silent = 0 if batch else silent + 1
            if silent > 30:
                raise Failure(f"{name}: nothing more came from partitions {sorted(waiting)}")
            for message in batch:
                yield message
                if message.partition() in waiting and over(message):
                    waiting.discard(message.partition())
        self.reader.unassign()

    # ------------------------------------------------------------------ what it comes to

    def show(self, rows, heads=None):
        shown = []
        for row in rows:
            ranks = [percentile(row["delays"], rank) for rank in RANKS]
            shown.append([f"round {row['round'] + 1}", "on" if row["on"] else "off", len(row["delays"]), *ranks, row["delays"][-1],
                          f"{row['cpu']:.0f}", f"{row['saved']:.0f}", f"{row['bytes'] / MIB:.1f}"])
        heads = ["", "checkpoints", "messages", *(f"p{rank} ms" for rank in RANKS), "max ms", "CPU us/msg", "saved", "MiB"]
        for line in table(heads, shown):
            print(line, flush=True)

    def report(self):
        print()
        self.show(self.rows)
        for rank in RANKS:
            ratios = []
            for number in range(self.chosen.rounds):
                of = {row["on"]: percentile(row["delays"], rank) for row in self.rows if row["round"] == number}
                ratios.append(of[True] / max(of[False], 1))
            pooled = {on: percentile(sorted(d for row in self.rows if row["on"] == on for d in row["delays"]), rank) for on in (True, False)}
            print(f"p{rank}: on / off by rounds {', '.join(f'{ratio:.2f}' for ratio in ratios)}, median {statistics.median(ratios):.2f};"
                  f" all rounds together {pooled[True]} and {pooled[False]} ms")
        cpu = {on: statistics.median(row["cpu"] for row in self.rows if row["on"] == on) for on in (True, False)}
        print(f"CPU: {cpu[True]:.0f} and {cpu[False]:.0f} us a message (medians), {cpu[True] / cpu[False]:.2f}")


def source(verdict):
    """(source_partition, source_offset): the second and third field of a verdict, after ten bytes of header and the log's id."""
    length, at = number(verdict, 10)
    partition, at = number(verdict, at + length)
    offset, _ = number(verdict, at)
    return partition, offset


def number(data, at):
    """(an Avro int or long, where the next field begins)."""
    value = shift = 0
    while True:
        byte = data[at]
        value |= (byte & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if byte < 0x80:
            return (value >> 1) ^ -(value & 1), at
