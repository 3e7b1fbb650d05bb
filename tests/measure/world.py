"""What the measurements share: a broker of their own, processors that are looked at from outside, and tables."""

import math
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

from harness import Failure, Gavel, Processor, ask, metrics, say

KAFKA = Path(__file__).resolve().parents[2] / "scripts" / "kafka"
MIB = 1024 * 1024


def end_on_signals():
    """SIGTERM and SIGHUP end the program as an exception does, so that every block is left and nothing goes on."""

    def end(number, _):
        raise SystemExit(128 + number)

    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, end)


class Broker:
    """scripts/kafka with one node in a directory of its own, as a block."""

    def __init__(self, directory, heap):
        self.dir, self.heap = Path(directory), heap
        self.bootstrap = None

    def __enter__(self):
        try:
            self.bootstrap = self.kafka("start", "--heap", self.heap)
        except BaseException:
            self.kafka("stop")
            raise
        return self

    def __exit__(self, *_):
        self.kafka("stop")

    def kafka(self, *words):
        done = subprocess.run([sys.executable, KAFKA, *words, "--dir", self.dir], capture_output=True, text=True, timeout=180)
        if done.returncode:
            raise Failure(f"scripts/kafka {' '.join(words)}: {done.stderr.strip()}")
        return done.stdout.strip()


def measure(name, chosen, heap, work_on):
    """Runs `work_on(gavel)` on a broker in a directory of its own, which is kept after a failure; the exit code. It gives False to fail."""
    end_on_signals()
    if chosen.work:
        chosen.work.mkdir(parents=True, exist_ok=True)
    work = Path(tempfile.mkdtemp(prefix=f"gavel-{name}.", dir=chosen.work))
    good = False
    try:
        with Broker(work / "kafka", heap) as broker, Gavel(chosen.gavel, broker.bootstrap, work, name) as gavel:
            good = work_on(gavel)
    except Failure as failure:
        say(f"{name}: {failure}")
    finally:
        if good and not chosen.work:
            shutil.rmtree(work)
        else:
            say(f"{name}: data and logs are in {work}")
    return 0 if good else 1


class Member:
    """A `gavel run` with a data directory and settings of its own, and what can be seen of it from outside."""

    def __init__(self, name, gavel, **settings):
        self.name, self.gavel = name, gavel
        self.data = gavel.work / name
        self.log = gavel.work / f"{name}.log"
        self.env = gavel.env | {"GAVEL_RUN_DATA_DIR": str(self.data)} | settings
        self.processor = None

    def start(self):
        (self.data / "http.addr").unlink(missing_ok=True)
        self.processor = Processor(self.gavel.command("run"), self.env, self.log)
        self.gavel.running.append(self.processor)  # ends with the block of `gavel` at the latest

    def kill(self):
        self.processor.kill()
        self.gavel.running.remove(self.processor)

    def terminate(self, within=60):
        self.processor.terminate(within)
        self.gavel.running.remove(self.processor)

    @property
    def pid(self):
        return self.processor.process.pid

    def ready(self):
        return ask(self.data, "readyz") is not None

    def metrics(self):
        return metrics(self.data)

    def offsets(self, kind):
        """partition -> offset of that kind, for the partitions that it holds."""
        found = (line for line in self.metrics() if line[0] == "gavel_partition_offset" and line[1]["kind"] == kind)
        return {int(labels["partition"]): int(value) for _, labels, value in found}

    def status(self, key):
        """A line of /proc/PID/status in KiB; 0 when the process is gone."""
        try:
            text = Path(f"/proc/{self.pid}/status").read_text()
        except OSError:
            return 0
        found = re.search(rf"^{key}:\s+(\d+)", text, re.MULTILINE)
        return int(found.group(1)) if found else 0

    def rss(self):
        """MiB."""
        return self.status("VmRSS") / 1024

    def peak_rss(self):
        """MiB, since the process began."""
        return self.status("VmHWM") / 1024

    def huge_pages(self):
        """MiB of its memory that the kernel gave in pages of 2 MiB, used or not."""
        try:
            text = Path(f"/proc/{self.pid}/smaps_rollup").read_text()
        except OSError:
            return 0.0
        return int(re.search(r"^AnonHugePages:\s+(\d+)", text, re.MULTILINE).group(1)) / 1024

    def threads(self):
        return self.status("Threads")

    def descriptors(self):
        try:
            return len(os.listdir(f"/proc/{self.pid}/fd"))
        except OSError:
            return 0

    def cpu_seconds(self):
        try:
            words = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        except OSError:
            return 0.0
        return (int(words[11]) + int(words[12])) / os.sysconf("SC_CLK_TCK")


def files_below(directory):
    """(number of files, number of directories, bytes) below a directory; files that vanish meanwhile do not count."""
    files = directories = size = 0
    for at, names, found in os.walk(directory):
        directories += len(names)
        for name in found:
            try:
                size += os.stat(os.path.join(at, name)).st_size
            except OSError:
                continue
            files += 1
    return files, directories, size


def percentile(ordered, percent):
    """By rank, of a list in order; 0 of nothing."""
    return ordered[min(len(ordered) - 1, math.floor(len(ordered) * percent / 100))] if ordered else 0


def table(heads, rows):
    """Lines of a table: the first column to the left, the others to the right."""
    cells = [list(map(str, row)) for row in [heads, *rows]]
    widths = [max(len(row[column]) for row in cells) for column in range(len(heads))]
    for row in cells:
        yield "  ".join([row[0].ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(row[1:], widths[1:]))]).rstrip()
