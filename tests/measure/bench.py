"""Gavel against its floor and its peers. See scripts/bench, which says what is measured.

Invariant: every program that this starts ends with it, and a result says what it was measured on, with what, and how busy the machine was.
"""

import argparse
import contextlib
import json
import os
import platform
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

from harness import Failure, say
from measure.bench_figures import absent, compare, lines, markdown, names_of
from measure.bench_growth import Growth
from measure.bench_rows import Rows
from measure.bench_systems import PATIENCE, Ends, pin
from measure.world import KAFKA, measure, table

ROOT = KAFKA.parents[1]
TEXTS = 20_000
TEXT_BYTES = 80
POLICY = ROOT / "processor" / "judge" / "tests" / "corpus" / "measured.toml"
# Row -> what measures it; `growth` is all of the second kind.
AGAINST = {"drain": Rows.drain, "open": Rows.open, "lane": Rows.lane, "highest": Rows.highest_rate, "naive": Rows.naive, "streams": Rows.streams}
GROWTH = {name: getattr(Growth, name) for name in ("terms", "length", "users", "partitions", "hot", "checkpoint", "overload")}


def options():
    parser = argparse.ArgumentParser(prog="scripts/bench", description="Gavel against its floor and its peers.")
    parser.add_argument("--built", type=Path, help="the directory of the binaries")
    parser.add_argument("--rows", default="drain,open", help=f"{', '.join([*AGAINST, *GROWTH])}; growth: the last {len(GROWTH)}; all (default drain,open)")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--events", type=int, default=5_000_000, help="messages of a drain (default 5,000,000)")
    parser.add_argument("--users", type=int, default=1_000_000)
    parser.add_argument("--terms", type=int, default=10_000)
    parser.add_argument("--partitions", type=int, default=8, help="of a drain")
    parser.add_argument("--lanes", type=int, default=1)
    parser.add_argument("--rate", type=int, default=47_000, help="messages a second in an open loop (default 47,000)")
    parser.add_argument("--seconds", type=int, default=60, help="of an open loop that count")
    parser.add_argument("--warm-up", type=int, default=10, help="seconds of an open loop before those")
    parser.add_argument("--peer-warm-up", type=int, default=110, help="the same for Kafka Streams, at most")
    parser.add_argument("--zipf", type=float, default=0.5, help="how unevenly users write in an open loop; at 1, half of all messages are floods")
    parser.add_argument("--steps", default="47000,75000,100000,125000,150000", help="rates that `highest` tries")
    parser.add_argument("--limit-ms", type=float, default=30.0, help="the p99 that `highest` holds")
    parser.add_argument("--maximum", type=int, default=0, help="the rate that `overload` doubles; else what `highest` has found")
    parser.add_argument("--most-users", type=int, default=1_000_000, help="for `users` (default 1,000,000)")
    parser.add_argument("--bare", default="", metavar="WORDS", help="for the bare loop in an open loop, as ' --linger-ms 5 --fetch-min-bytes 32768': another floor")
    parser.add_argument("--texts", type=Path, help="texts of a drain, one per line, instead of made-up ones")
    parser.add_argument("--streams", type=Path, help="a directory with a run.sh that starts the Kafka Streams peer")
    parser.add_argument("--heap", default="1g", help="of the broker")
    parser.add_argument("--json", type=Path, help="write the result there")
    parser.add_argument("--work", type=Path, help="keep data and logs below this directory")
    parser.add_argument("--compare", nargs=2, type=Path, metavar=("A", "B"), help="show two results side by side, and measure nothing")
    parser.add_argument("--table", type=Path, metavar="FILE", help="print a result as the table of docs/performance.md, and measure nothing")
    chosen = parser.parse_args()
    groups = {"growth": list(GROWTH), "all": [*AGAINST, *GROWTH]}
    chosen.rows = list(dict.fromkeys(name for row in chosen.rows.split(",") for name in groups.get(row, [row])))
    unknown = [row for row in chosen.rows if row not in AGAINST | GROWTH]
    if unknown:
        parser.error(f"there is no row {', '.join(unknown)}")
    chosen.steps = [int(step) for step in chosen.steps.split(",")]
    return chosen


class Bench:
    """What all rows share."""

    def __init__(self, chosen, gavel):
        self.chosen, self.binary, self.bootstrap, self.work = chosen, gavel.binary, gavel.bootstrap, gavel.work
        self.ends = Ends(gavel.bootstrap)
        self.broker = int(next(self.work.parent.glob("kafka/**/pid")).read_text())
        self.bad = []  # rows that were refused, or failed
        self.about = surroundings(chosen, gavel)
        self.figures = {}

    def example(self, name):
        return self.chosen.built / "examples" / name

    def corpus(self, terms, whole=100, text_bytes=TEXT_BYTES):
        """A directory with a policy, its terms and texts."""
        directory = self.work / f"corpus-{terms}-{whole}-{text_bytes}"
        if not directory.exists():
            directory.mkdir()
            shutil.copy(POLICY, directory / "bench.toml")
            words = [self.example("corpus"), directory, terms, whole, TEXTS, text_bytes]
            subprocess.run([str(word) for word in words], check=True, timeout=PATIENCE)
        return directory

    @contextlib.contextmanager
    def rest_on_core_0(self):
        """The broker and this program leave the other cores to what is measured."""
        everywhere = os.sched_getaffinity(0)
        if len(everywhere) < 2:
            raise Failure("a row on one pinned core needs a second one for the broker")
        for pid in (self.broker, os.getpid()):
            pin(pid, {0})
        try:
            yield
        finally:
            for pid in (self.broker, os.getpid()):
                pin(pid, everywhere)

    @staticmethod
    def load_average():
        return " ".join(f"{value:.1f}" for value in os.getloadavg())

    def run(self):
        rows = Rows(self)
        growth = Growth(rows)
        for name in self.chosen.rows:
            say(f"{name} (load {self.load_average()})")
            before, began = os.getloadavg()[0], time.monotonic()
            try:
                found = AGAINST[name](rows) if name in AGAINST else GROWTH[name](growth)
            except (Failure, subprocess.SubprocessError) as failure:
                # One system that does not run is no reason to throw away what the others came to.
                say(f"  FAILED: {failure}")
                self.bad.append(name)
                found = absent(names_of(name), "failed", f"scripts/bench --rows {name}", [str(failure)])
            for figure in found.values():
                figure["load_average"] = [before, os.getloadavg()[0]]
            self.figures |= found
            say(f"  {time.monotonic() - began:.0f} s, load {self.load_average()}")
            self.keep()
        for name, value in self.about.items():
            print(f"{name}: {value}")
        print("\n".join(lines(self.figures)))
        for reason in dict.fromkeys(reason for figure in self.figures.values() for reason in figure["void"]):
            print(f"did not count: {reason}")
        return not self.bad

    def keep(self):
        """After each row: a result that was interrupted is one of fewer rows."""
        self.about["load_average_after"] = self.load_average()
        if self.chosen.json:
            self.chosen.json.write_text(json.dumps({"about": self.about, "figures": self.figures}, indent=1) + "\n")


def surroundings(chosen, gavel):
    """What the figures depend on and do not show."""
    model = re.search(r"^model name\s*: (.*)", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") >> 30
    changed = " with changes" if said("git", "-C", ROOT, "status", "--porcelain") else ""
    asked = {name: str(value) for name, value in vars(chosen).items() if value is not None and name not in ("built", "gavel", "json", "work", "compare", "table", "streams")}
    return {
        "at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "commit": said("git", "-C", ROOT, "rev-parse", "--short=12", "HEAD") + changed,
        "gavel": said(gavel.binary, "--version"),
        "machine": f"{model.group(1) if model else platform.machine()}, {os.cpu_count()} cores, {memory} GiB",
        "kernel": platform.release(),
        "kafka": re.search(r'^KAFKA = "(.*)"', KAFKA.read_text(), re.MULTILINE).group(1) + f", one node, heap {chosen.heap}",
        "librdkafka": librdkafka(),
        "rustc": said("rustc", "--version"),
        "options": asked,
        "load_average_before": Bench.load_average(),
    }


def librdkafka():
    """The version that the Rust clients are built with, from the lock file: 4.10.0+2.12.1."""
    found = re.search(r'name = "rdkafka-sys"\nversion = "[^"+]*\+([^"]+)"', (ROOT / "Cargo.lock").read_text())
    return found.group(1) if found else "unknown"


def said(*words):
    try:
        done = subprocess.run([str(word) for word in words], capture_output=True, text=True, timeout=30)
    except OSError:
        return "unknown"
    return done.stdout.strip()


def main():
    chosen = options()
    if chosen.compare:
        before, after = (json.loads(path.read_text()) for path in chosen.compare)
        for key in before["about"]:
            if before["about"][key] != after["about"].get(key):
                print(f"{key}: {before['about'][key]} | {after['about'].get(key)}")
        print("\n".join(table(["", "before", "after", "", "change", ""], compare(before, after))))
        print("*: each median is outside of the other's spread")
        return 0
    if chosen.table:
        print("\n".join(markdown(json.loads(chosen.table.read_text()))))
        return 0
    if not chosen.built:
        raise SystemExit("--built is missing: run scripts/bench")
    chosen.gavel = chosen.built / "gavel"
    return measure("bench", chosen, chosen.heap, lambda gavel: Bench(chosen, gavel).run())


if __name__ == "__main__":
    sys.exit(main())
