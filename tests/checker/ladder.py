"""The ladder: judges what a stopped group of processors has left on disk and on the broker.

    python -m checker.ladder --bootstrap HOST:PORT --schemas DIR --group GROUP --gavel PATH --data-dir DIR [--data-dir ...]
                             [--checkpoints DIR] [--damaged PATH ...] [--drained]
                             [--messages TOPIC] [--verdicts TOPIC] [--control TOPIC]

For each partition: L log start, K newest valid checkpoint, S offset stored with the state,
V newest offset up to which every record has its verdict, C committed (next), H end.

    L <= K+1      K <= S <= V      C <= V+1 <= H

S is asked of `gavel state inspect`; several data directories may hold a copy of one
partition, and each of them must keep S <= V. K is read from the manifests on disk, by this
module alone: every file that a manifest names must be there with its size and its SHA-256,
and what the processors have set aside as broken must be so.
V follows from the verdict topic: one verdict value for each record, copies equal byte for
byte, first occurrences in order, none without a record. C comes from the group, L and H
from the broker.

--drained: everything sent was judged and the processors ended cleanly, so V is the last
record, and some store of each partition is not behind its newest checkpoint.
--damaged names files of checkpoints, and directories of stores, that a test has spoilt: that
they cannot be read is no problem then.

Standard output: one JSON object. Exit 0: every promise held. Exit 1: problems.
"""

import argparse
import hashlib
import json
import subprocess
import sys
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from pathlib import Path

from checker.check import Problems
from checker.kafka import consumer, ends, visit_topic
from checker.wire import Schemas
from confluent_kafka import Consumer, KafkaException, TopicPartition


EMPTY = "nothing is stored yet"  # what `gavel state inspect` says of a store before its first epoch
FORMAT = 1  # of manifests
PROBE = "probe"  # beside the logs: what a processor tries a checkpoint store with


@dataclass(frozen=True)
class Store:
    """One copy of a partition's state, as `gavel state inspect` shows it."""

    where: str
    partition: int
    log_id: str
    boundary: int  # S; -1 before any record


@dataclass(frozen=True)
class Manifest:
    """One checkpoint whose manifest and files are all as they should be."""

    partition: int
    boundary: int  # K


@dataclass
class Log:
    """What the broker holds of one partition."""

    start: int  # L
    end: int  # H, exclusive
    committed: int | None = None  # C
    records: list = field(default_factory=list)  # the offsets that hold one, in order
    opened_at: int = 0  # where LogOpened says that the log begins


class Chain:
    """The verdicts of one partition in the order of their topic."""

    def __init__(self, partition, log_id, records, log_start, problems):
        self.partition = partition
        self.log_id = log_id
        self.log_start = log_start
        self.records = records
        self.known = set(records)
        self.problems = problems
        self.first = {}  # source offset -> digest of key, value and headers
        self.highest = -1
        self.copies = 0

    def add(self, name, verdict, record):
        offset = verdict.get("source_offset", -1)
        if name != "Verdict" or verdict["source_partition"] != self.partition or verdict["log_id"] != self.log_id:
            self.problems.add("verdict in the wrong place", self.partition, record.offset, f"{name} for {verdict}")
        elif offset in self.first:
            self.copies += 1
            if self.first[offset] != digest_of(record):
                self.problems.add("copies differ", self.partition, offset, f"the one at {record.offset}")
        elif offset >= self.log_start and offset not in self.known:
            self.problems.add("verdict for no record", self.partition, offset, f"verdict at {record.offset}")
        else:
            if offset < self.highest:
                self.problems.add("out of order", self.partition, offset, f"its first verdict, at {record.offset}, follows {self.highest}")
            self.highest = max(self.highest, offset)
            self.first[offset] = digest_of(record)

    def acknowledged(self):
        """V: every record up to it has its verdict. What follows is not judged yet; a gap in the middle is a problem."""
        v = self.log_start - 1
        for offset in self.records:
            if offset not in self.first:
                break
            v = offset
        for offset in (offset for offset in self.records if v < offset < self.highest and offset not in self.first):
            self.problems.add("no verdict", self.partition, offset, f"yet {self.highest} has one")
        return v


def digest_of(record):
    parts = [record.key, record.value, *(part for name, value in record.headers for part in (name.encode(), value))]
    found = hashlib.blake2b(digest_size=16)
    for part in parts:
        found.update(b"-" if part is None else b"%d:" % len(part) + part)
    return found.digest()


# ---------------------------------------------------------------- checkpoints on disk


def read_checkpoints(root, log_id, damaged, problems):
    """The valid manifests below a checkpoint store, and how many were met."""
    valid, counts = [], Counter()
    root = Path(root)
    for path in sorted(path for path in root.glob("*") if path.is_dir() and path.name not in (log_id, PROBE)):
        problems.add("checkpoints of another log", 0, 0, path.name)
    for home in sorted(path for path in (root / log_id).glob("*") if path.is_dir()):
        partition = int(home.name)
        digests = {}  # file -> (size, SHA-256), so that each is read once however many manifests name it
        for path in sorted((home / "manifests").glob("*.json")):
            counts["manifests"] += 1
            read, why = read_manifest(path, path.stem, home, log_id, digests)
            if isinstance(read, Manifest):
                valid.append(read)
            elif {str(path), *map(str, read)} & damaged:
                counts["damaged on purpose"] += 1
            else:
                problems.add("checkpoint not valid", partition, 0, f"{path.name}: {why}")
        for path in sorted((home / "quarantine").glob("*.json.*")):
            counts["quarantined"] += 1
            read, _ = read_manifest(path, path.name.partition(".")[0], home, log_id, digests)
            if isinstance(read, Manifest):
                # Its bytes are as they were taken; a table may have been damaged before, which only reading the store tells.
                counts["quarantined whole"] += 1
    return valid, counts


def read_manifest(path, name, home, log_id, digests):
    """(Manifest, None), or (the files at fault, the reason). `home` holds the checkpoints of its partition."""
    content = path.read_bytes()
    line, _, sum_line = content.partition(b"\n")
    if sum_line != hashlib.sha256(line).hexdigest().encode() + b"\n":
        return [path], "its second line is not the SHA-256 of the first"
    try:
        found = json.loads(line)
        said = (found["format"], found["log_id"], found["partition"])
        boundary, written_as = found["boundary"], f"{found['boundary']:020}-{found['clock']}"
        at_fault = [home / file["object"] for file in found["files"] if not is_whole(home / file["object"], file, digests)]
    except (ValueError, KeyError, TypeError) as broken:
        return [path], f"unreadable: {type(broken).__name__} {broken}"
    if said != (FORMAT, log_id, int(home.name)):
        return [path], f"it is of format {said[0]}, log {said[1]}, partition {said[2]}"
    if name != written_as:
        return [path], f"it was written as {written_as}"
    if not found["files"]:
        return [path], "it names no file"
    if at_fault:
        return at_fault, f"missing, or not what it should be: {', '.join(file.name for file in at_fault)}"
    return Manifest(int(home.name), boundary), None


def is_whole(path, file, digests):
    """Whether the file is there with its size and SHA-256."""
    if path not in digests:
        content = path.read_bytes() if path.is_file() else None
        digests[path] = content is not None and (len(content), hashlib.sha256(content).hexdigest())
    return digests[path] == (file["size"], file["sha256"])


# ---------------------------------------------------------------- the ladder


def check_ladder(logs, acknowledged, stores, manifests, log_id, checkpoints, drained, problems):
    """L <= K+1, K <= S <= V, C <= V+1 <= H of each partition. `checkpoints`: whether there is a store of them."""
    rungs = {}
    for partition, log in sorted(logs.items()):
        v = acknowledged[partition]
        kept = [manifest.boundary for manifest in manifests if manifest.partition == partition]
        copies = [store for store in stores if store.partition == partition]
        k = max(kept, default=None)
        s = max((store.boundary for store in copies), default=None)
        rungs[partition] = {"L": log.start, "K": k, "S": s, "V": v, "C": log.committed, "H": log.end}

        def breach(kind, text, partition=partition):
            problems.add(kind, partition, rungs[partition]["V"], f"{text}: {rungs[partition]}")

        for store in copies:
            if store.boundary > v:
                breach("S above V", f"{store.where} holds {store.boundary}")
            if store.boundary >= 0 and store.log_id != log_id:
                breach("state of another log", f"{store.where}: {store.log_id}")
        for boundary in kept:
            if boundary > v:
                breach("K above V", f"a checkpoint at {boundary}")
        if checkpoints and log.start > (log.opened_at - 1 if k is None else k) + 1:
            breach("L above K+1", "records are gone that no checkpoint covers")
        if log.committed is not None and log.committed > v + 1:
            breach("C above V+1", "committed before it was judged")
        if v + 1 > log.end:
            breach("V+1 above H", "the log ends before its verdicts")
        if drained:
            last = log.records[-1] if log.records else log.start - 1
            if v != last:
                breach("not everything judged", f"the last record is {last}")
            if k is not None and (s is None or s < k):
                breach("K above S", "after a clean end the newest store is behind a checkpoint")
    return rungs


# ---------------------------------------------------------------- reading


def stores_of(gavel, data_dirs, damaged, problems):
    """Every partition copy in these directories, through `gavel state inspect`; and how many were not shown."""
    found, counts = [], Counter()
    for data in data_dirs:
        for path in sorted(Path(data).glob("partition-*")):
            number = path.name.removeprefix("partition-")
            if not number.isdigit():
                continue  # set aside by the processor
            if not (path / "CURRENT").exists():
                counts["stores not finished"] += 1  # a kill while it was being made
                continue
            command = [gavel, "state", "inspect", "--output", "json", "--data-dir", data, "--partition", number]
            done = subprocess.run(command, capture_output=True, text=True, timeout=300)
            if done.returncode == 0:
                shown = json.loads(done.stdout)
                found.append(Store(str(path), shown["partition"], shown["log_id"], shown["boundary"]))
            elif EMPTY in done.stderr:
                counts["stores still empty"] += 1
            elif str(path) in damaged:
                counts["stores damaged on purpose"] += 1
            else:
                problems.add("store unreadable", int(number), 0, f"{path}: {done.stderr.strip()}")
    return found, counts


def committed(bootstrap, group, topic, partitions):
    """partition -> C, or None."""
    asker = Consumer({"bootstrap.servers": bootstrap, "group.id": group, "enable.auto.commit": False})
    try:
        answers = asker.committed([TopicPartition(topic, number) for number in partitions], timeout=30)
    finally:
        asker.close()
    for answer in answers:
        if answer.error:
            raise KafkaException(answer.error)
    return {answer.partition: answer.offset if answer.offset >= 0 else None for answer in answers}


def opened_of(schemas, reader, topic):
    """The first LogOpened of the control topic."""
    found = []

    def look(record):
        name, datum = schemas.decode(record.value)
        if name == "LogOpened":
            found.append(datum)

    visit_topic(reader, topic, look)
    return found[0]


def read_all(arguments, problems):
    """Everything that is judged: (log id, logs, chains)."""
    schemas = Schemas(arguments.schemas)
    reader = consumer(arguments.bootstrap)
    try:
        opened = opened_of(schemas, reader, arguments.control)
        bounds = ends(reader, arguments.messages)
        commits = committed(arguments.bootstrap, arguments.group, arguments.messages, bounds)
        logs = {
            number: Log(start, end, commits[number], [], opened["starts"][number]) for number, (start, end) in bounds.items()
        }
        visit_topic(reader, arguments.messages, lambda record: logs[record.partition].records.append(record.offset))
        chains = {
            number: Chain(number, opened["log_id"], log.records, log.start, problems) for number, log in logs.items()
        }

        def judge(record):
            try:
                name, verdict = schemas.decode(record.value or b"")
            except ValueError as broken:
                problems.add("verdict unreadable", record.partition, record.offset, str(broken))
            else:
                chains[record.partition].add(name, verdict, record)

        visit_topic(reader, arguments.verdicts, judge)
    finally:
        reader.close()
    return opened["log_id"], logs, chains


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--bootstrap", required=True)
    parser.add_argument("--schemas", required=True, help="directory of the .avsc files")
    parser.add_argument("--group", required=True, help="the processors' consumer group")
    parser.add_argument("--gavel", required=True, help="the binary, for `state inspect`")
    parser.add_argument("--data-dir", action="append", default=[], required=True)
    parser.add_argument("--checkpoints", help="a checkpoint store in a directory")
    parser.add_argument("--damaged", action="append", default=[], metavar="PATH", help="spoilt on purpose")
    parser.add_argument("--drained", action="store_true", help="everything was judged, and the processors ended cleanly")
    parser.add_argument("--messages", default="chat.messages")
    parser.add_argument("--verdicts", default="chat.verdicts")
    parser.add_argument("--control", default="chat.control")
    arguments = parser.parse_args()
    problems = Problems()
    log_id, logs, chains = read_all(arguments, problems)
    damaged = set(arguments.damaged)
    stores, counts = stores_of(arguments.gavel, arguments.data_dir, damaged, problems)
    manifests = []
    if arguments.checkpoints:
        manifests, met = read_checkpoints(arguments.checkpoints, log_id, damaged, problems)
        counts += met
    acknowledged = {number: chain.acknowledged() for number, chain in chains.items()}
    rungs = check_ladder(
        logs, acknowledged, stores, manifests, log_id, bool(arguments.checkpoints), arguments.drained, problems
    )
    counts["records"] = sum(len(log.records) for log in logs.values())
    counts["copies"] = sum(chain.copies for chain in chains.values())
    counts["stores"] = len(stores)
    counts["valid manifests"] = len(manifests)
    report = {
        "ok": not problems.counts,
        "counts": dict(counts),
        "ladder": rungs,
        "problems": dict(problems.counts),
        "shown": problems.shown,
    }
    print(json.dumps(report))
    print(table(report), file=sys.stderr)
    return 0 if report["ok"] else 1


def table(report):
    by_rung = defaultdict(list)
    for partition, rungs in report["ladder"].items():
        for rung, offset in rungs.items():
            by_rung[rung].append(f"{'-' if offset is None else offset:>9}")
        by_rung["partition"].append(f"{partition:>9}")
    lines = [f"  {rung:<10}" + "".join(by_rung[rung]) for rung in ("partition", "L", "K", "S", "V", "C", "H")]
    lines += [f"  {name:<20} {count:>9,}" for name, count in report["counts"].items()]
    lines += [f"PROBLEM {shown['kind']}: partition {shown['partition']}: {shown['text']}" for shown in report["shown"]]
    lines.append("ladder: every promise held" if report["ok"] else "ladder: FAILED")
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
