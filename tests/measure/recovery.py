"""How long is a processor dark that starts again? And what do checkpoints cost those who need none? See scripts/recovery."""

import argparse
import json
import re
import shutil
import subprocess
import sys
import time
from datetime import datetime
from pathlib import Path

from checker.kafka import consumer, ends
from confluent_kafka import Producer, TopicPartition
from harness import Failure, say
from measure.cost import Cost
from measure.world import Member, MIB, files_below, table, measure

TESTS = Path(__file__).resolve().parents[1]
PATIENCE = 1800.0  # seconds without an end: something is broken
LOOK = 0.01
CASES = {
    "a": "data directory intact",
    "b": "wiped, from checkpoints",
    "c": "wiped, no checkpoints",
}


def options():
    parser = argparse.ArgumentParser(prog="scripts/recovery", description="From the start of a process to the first verdict.")
    parser.add_argument("--gavel", required=True, help="the binary")
    parser.add_argument("--users", type=int, help="default 1,000,000; with --checkpoint-cost 200,000")
    parser.add_argument("--each", type=int, default=1, help="messages of each user (default 1)")
    parser.add_argument("--partitions", type=int, default=8)
    parser.add_argument("--rounds", type=int, help="default 1; with --checkpoint-cost 3")
    parser.add_argument("--restorers", default="2", help="values of run.restorers for case b, separated by commas (default 2)")
    parser.add_argument("--cases", default="abc", help="which cases (default abc)")
    parser.add_argument("--checkpoint-cost", action="store_true", help="measure the live path with checkpoints and without, instead")
    parser.add_argument("--rate", type=int, default=3_000, help="messages a second, for --checkpoint-cost")
    parser.add_argument("--seconds", type=int, default=30, help="of a round, for --checkpoint-cost")
    parser.add_argument("--every-ms", type=int, default=2_000, help="between checkpoints, for --checkpoint-cost")
    parser.add_argument("--heap", default="1g", help="of the broker")
    parser.add_argument("--work", type=Path, help="keep data and logs below this directory")
    chosen = parser.parse_args()
    chosen.users = chosen.users or (200_000 if chosen.checkpoint_cost else 1_000_000)
    chosen.rounds = chosen.rounds or (3 if chosen.checkpoint_cost else 1)
    return chosen


class Recovery:
    def __init__(self, chosen, gavel):
        self.chosen, self.gavel = chosen, gavel
        self.data, self.store, self.empty = gavel.work / "data", gavel.work / "checkpoints", gavel.work / "no-checkpoints"
        self.reader = consumer(gavel.bootstrap, log_level=0)
        self.rows = []
        self.starts = 0

    def run(self):
        self.fill()
        for number in range(self.chosen.rounds):
            for case in self.chosen.cases:
                if case == "b":
                    for restorers in self.chosen.restorers.split(","):
                        self.row(number, case, int(restorers))
                else:
                    self.row(number, case, 2)
        self.reader.close()
        self.report()

    # ------------------------------------------------------------------ before

    def fill(self):
        """Sends the messages, has them judged and stored, and checkpoints of all of it."""
        chosen, gavel = self.chosen, self.gavel
        messages = chosen.users * chosen.each
        fill(gavel, messages, chosen.users, chosen.partitions)
        member = self.member(self.store, "fill", GAVEL_CHECKPOINTS_EVERY_MS="5000")
        began = time.monotonic()
        member.start()
        wanted = {number: end - 1 for number, (_, end) in ends(self.reader, gavel.topics["messages"]).items()}
        for kind in ("acknowledged", "stored", "checkpoint"):
            while (found := member.offsets(kind)) != wanted:
                member.processor.check_alive()
                if time.monotonic() - began > PATIENCE:
                    raise Failure(f"{kind} is {found} and not {wanted} after {PATIENCE:.0f} s")
                time.sleep(0.1)
            if kind == "acknowledged":
                took = time.monotonic() - began
                say(f"judged {messages:,} messages in {took:.1f} s ({messages / took:,.0f}/s), peak RSS {member.peak_rss():,.0f} MiB")
        say(f"stored and checkpointed after {time.monotonic() - began:.1f} s")
        member.terminate()
        stores = self.inspect()
        say(f"{sum(stores.values()):,} users in {len(stores)} stores of {files_below(self.data)[2] / MIB:,.0f} MiB;"
            f" newest checkpoints: {self.checkpoint_bytes() / MIB:,.0f} MiB")

    def inspect(self):
        shown = self.gavel.json("state", "inspect", "--data-dir", self.data, within=600)
        return {one["partition"]: one["contexts"] for one in shown}

    def checkpoint_bytes(self):
        """Bytes of the newest checkpoint of every partition."""
        total = 0
        for partition in self.store.glob("*/*/manifests"):
            newest = max(partition.glob("*.json"))
            total += sum(file["size"] for file in json.loads(newest.read_text().splitlines()[0])["files"])
        return total

    def member(self, store, name, **settings):
        # What is near is folded again although there is a checkpoint; here that shall not happen.
        near = min(100_000, self.chosen.users // self.chosen.partitions // 2)
        settings = {"GAVEL_CHECKPOINTS_STORE": str(store), "GAVEL_CHECKPOINTS_NEAR_RECORDS": str(near)} | settings
        member = Member("data", self.gavel, **settings)
        self.starts += 1
        member.log = self.gavel.work / f"{self.starts}-{name}.log"
        return member

    # ------------------------------------------------------------------ one start

    def row(self, number, case, restorers):
        if case != "a":
            shutil.rmtree(self.data)
        if case == "c":
            shutil.rmtree(self.empty, ignore_errors=True)
            self.empty.mkdir()
        size = self.checkpoint_bytes() if case == "b" else 0
        store = self.empty if case == "c" else self.store
        member = self.member(store, case, GAVEL_RUN_RESTORERS=str(restorers))
        waiting = self.probe()
        found = self.start(member, waiting)
        member.terminate()
        users = sum(self.inspect().values())
        if users != self.chosen.users + self.chosen.partitions:
            raise Failure(f"case {case}: {users} users are there, {self.chosen.users + self.chosen.partitions} were")
        found |= {"case": case, "round": number, "restorers": restorers, "bytes": size}
        self.rows.append(found)
        where = timeline(member.log)
        say(f"({case}) {CASES[case]}, {restorers} restorers: ready {found['ready']:.2f} s, first verdict {found['first']:.2f} s,"
            f" of every partition {found['all']:.2f} s, CPU {found['cpu']:.1f} s, peak RSS {found['rss']:,.0f} MiB")
        for line in where:
            say(f"      {line}")

    def probe(self):
        """A message for each partition, which nobody has judged; returns the verdict topic's ends before."""
        before = {number: end for number, (_, end) in ends(self.reader, self.gavel.topics["verdicts"]).items()}
        producer = Producer({"bootstrap.servers": self.gavel.bootstrap, "enable.idempotence": True})
        for number in before:
            user = f"probe-{number}"
            value = json.dumps({"community": "arena", "channel": "room", "user": user, "text": "hello there"})
            producer.produce(self.gavel.topics["messages"], value, f"arena/{user}", partition=number)
        if producer.flush(30):
            raise Failure("the messages that are waited for were not acknowledged")
        return before

    def start(self, member, before):
        """Seconds from the start of the process to each event."""
        reader = consumer(self.gavel.bootstrap, **{"fetch.wait.max.ms": 10, "log_level": 0})
        reader.assign([TopicPartition(self.gavel.topics["verdicts"], number, end) for number, end in before.items()])
        reader.consume(num_messages=len(before), timeout=2)  # until it stands at every end
        began = time.monotonic()
        member.start()
        ready, first, waiting = None, None, set(before)
        while waiting or ready is None:
            member.processor.check_alive()
            for message in reader.consume(num_messages=1000, timeout=LOOK):
                if not message.error():
                    first = first or time.monotonic() - began
                    waiting.discard(message.partition())
            if ready is None and member.ready() and len(member.offsets("next")) == len(before):
                ready = time.monotonic() - began
            if time.monotonic() - began > PATIENCE:
                raise Failure(f"not ready after {PATIENCE:.0f} s; see {member.log}")
        reader.close()
        return {"ready": ready, "first": first, "all": time.monotonic() - began, "cpu": member.cpu_seconds(), "rss": member.peak_rss()}

    # ------------------------------------------------------------------ what it comes to

    def report(self):
        rows = []
        for round_number in range(self.chosen.rounds):
            of_round = [row for row in self.rows if row["round"] == round_number]
            slowest = next((row["ready"] for row in of_round if row["case"] == "c"), None)
            for row in of_round:
                ratio = f"{slowest / row['ready']:.1f}" if slowest else "-"
                rows.append([f"({row['case']}) {CASES[row['case']]}", row["restorers"], f"{row['ready']:.2f}", f"{row['first']:.2f}", f"{row['all']:.2f}",
                             f"{row['bytes'] / MIB:,.1f}" if row["bytes"] else "-", f"{self.chosen.users / row['ready']:,.0f}", ratio,
                             f"{row['cpu']:.1f}", f"{row['rss']:,.0f}"])
        heads = [f"{self.chosen.users:,} users, {self.chosen.each} messages each, {self.chosen.partitions} partitions", "restorers", "ready s", "first s", "all s", "checkpoint MiB", "users/s", "c / this",
                 "CPU s", "peak RSS MiB"]
        for line in table(heads, rows):
            print(line)


def fill(gavel, messages, users, partitions):
    """Topics, a policy, and messages of all users by turns."""
    gavel.call("topics", "create", "--partitions", partitions)
    gavel.call("policy", "activate", TESTS / "measure" / "policy.toml")
    began = time.monotonic()
    lines = subprocess.Popen([sys.executable, "-m", "measure.lines", "fill", str(messages), str(users)], cwd=TESTS, stdout=subprocess.PIPE)
    try:
        done = subprocess.run(gavel.command("produce", "-"), env=gavel.env, stdin=lines.stdout, capture_output=True, text=True, timeout=PATIENCE)
    finally:
        lines.stdout.close()
        lines.kill()
        lines.wait()
    reader = consumer(gavel.bootstrap, log_level=0)
    there = sum(end - begin for begin, end in ends(reader, gavel.topics["messages"]).values())
    reader.close()
    if done.returncode or there < messages:
        raise Failure(f"`gavel produce` ended with {done.returncode} and sent {there} of {messages}: {done.stderr[-2000:]}")
    say(f"sent {messages:,} messages of {users:,} users in {time.monotonic() - began:.1f} s")


def timeline(log):
    """Where the time of a start went, by its log: seconds since the first line."""
    text = re.sub(r"\x1b\[[0-9;]*m", "", log.read_text(errors="replace"))
    began, events, downloads, folded = None, {}, [], 0
    for line in text.splitlines():
        match = re.match(r"(\d{4}-\d\d-\d\dT[\d:.]+)Z\s+\w+\s+(.*)", line)
        if not match:
            continue
        at = datetime.fromisoformat(match.group(1))
        began = began or at
        since, said = (at - began).total_seconds(), match.group(2)
        numbers = {name: int(value) for name, value in re.findall(r"\b(\w+)=(-?\d+)", said)}
        for what in ("restored from a checkpoint", "restored", "assigned", "started"):
            if re.search(rf": {what}(?: |$)", said):
                events.setdefault(what, []).append(since)
                if what == "restored from a checkpoint":
                    downloads.append((since, numbers))
                if what == "restored":
                    folded += numbers.get("folded", 0)
                break
    for what in ("started", "assigned"):
        if what in events:
            yield f"{events[what][0]:7.2f} s {what}"
    if downloads:
        size, took = (sum(numbers[name] for _, numbers in downloads) for name in ("bytes", "ms"))
        from_first, to_last = min(at - numbers["ms"] / 1000 for at, numbers in downloads), max(at for at, _ in downloads)
        wall = max(to_last - from_first, 0.001)
        yield (f"{to_last:7.2f} s last of {len(downloads)} checkpoints installed: {size / MIB:,.1f} MiB in {wall:.2f} s ({size / MIB / wall:,.0f} MiB/s), on the"
               f" average {took / 1000 / wall:.1f} at a time, {took / len(downloads):,.0f} ms each")
    if "restored" in events:
        yield f"{events['restored'][-1]:7.2f} s last partition restored; records folded: {folded:,}"


def main():
    chosen = options()

    def work_on(gavel):
        if chosen.checkpoint_cost:
            fill(gavel, chosen.users, chosen.users, chosen.partitions)
            Cost(chosen, gavel).run()
        else:
            Recovery(chosen, gavel).run()
        return True

    return measure("recovery", chosen, chosen.heap, work_on)


if __name__ == "__main__":
    sys.exit(main())
