"""One `gavel run` with a data directory and a wall clock of its own, and a supervisor that starts it again."""

import contextlib
import os
import shutil
import signal
import struct
import subprocess
import time
from pathlib import Path

from harness import Failure, Processor, metrics

HERE = Path(__file__).resolve().parent
SHIMS = ("disk", "clock")
RESTART_AFTER = 1.0  # seconds; what a supervisor waits before it starts again what ended by itself
NANOSECONDS = 10**9


def build_shims(into):
    """The preloaded libraries, compiled: name -> path. None without a compiler."""
    compiler = shutil.which("cc")
    if not compiler:
        return None
    for name in SHIMS:
        command = [compiler, "-std=gnu11", "-O2", "-shared", "-fPIC", "-o", into / f"{name}.so", HERE / f"{name}.c", "-ldl", "-pthread"]
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode:
            raise Failure(f"{name}.c does not compile:\n{done.stderr}")
    return [into / f"{name}.so" for name in SHIMS]


class Member:
    """A processor of the group. `down` while a scenario wants it so: then nobody starts it again."""

    def __init__(self, number, gavel, bootstrap, shims, lanes):
        self.number = number
        self.gavel = gavel
        self.name = f"processor-{number}"
        self.data = gavel.work / f"data-{number}"
        self.log = gavel.work / f"{self.name}.log"
        self.trigger = gavel.work / f"{self.name}.disk"
        self.clock = gavel.work / f"{self.name}.clock"
        self.env = gavel.env | {"GAVEL_KAFKA_BOOTSTRAP_SERVERS": bootstrap, "GAVEL_RUN_DATA_DIR": str(self.data)}
        if shims:
            self.env["LD_PRELOAD"] = " ".join(map(str, shims))
            self.env["CHAOS_DISK_DIR"] = f"{self.data}/"
            self.env["CHAOS_DISK_TRIGGER"] = str(self.trigger)
            self.env["CHAOS_CLOCK_FILE"] = str(self.clock)
        self.clock.write_bytes(bytes(16))
        self.words = ("run", "--lanes", str(lanes))
        self.processor = None
        self.down = True
        self.ended = []  # exit codes of those that ended by themselves
        self.again_at = None

    # ------------------------------------------------------------------ the process

    def start(self, *words):
        self.down = False
        self.again_at = None
        (self.data / "http.addr").unlink(missing_ok=True)
        self.processor = Processor(self.gavel.command(*self.words, *words), self.env, self.log)

    def kill(self):
        """kill -9; it stays down until it is started."""
        self.down = True
        self.processor.kill()

    def pause(self):
        os.kill(self.processor.process.pid, signal.SIGSTOP)

    def go_on(self):
        os.kill(self.processor.process.pid, signal.SIGCONT)

    def end(self, within):
        """SIGTERM, once it has begun to run; it stays down. Failure unless it ends in time and with 0."""
        self.down = True
        end = time.monotonic() + within
        while self.alive() and not (self.data / "http.addr").exists() and time.monotonic() < end:
            time.sleep(0.02)
        return self.processor.terminate(within)

    def tend(self):
        """What a supervisor does: starts again what ended by itself."""
        if self.down or self.alive():
            return
        if self.again_at is None:
            self.ended.append(self.processor.process.returncode)
            self.again_at = time.monotonic() + RESTART_AFTER
        elif time.monotonic() >= self.again_at:
            self.start()

    def alive(self):
        return self.processor.process.poll() is None

    # ------------------------------------------------------------------ what it says

    def metrics(self):
        return metrics(self.data, within=3)

    def live(self):
        """The partitions that it judges."""
        return self.partitions("gavel_partition_phase", phase="live")

    def halted(self):
        """partition -> reason."""
        found = (labels for name, labels, value in self.metrics() if name == "gavel_partition_halted" and value)
        return {int(labels["partition"]): labels["reason"] for labels in found}

    def partitions(self, metric, **wanted):
        found = (labels for name, labels, value in self.metrics() if name == metric and value and wanted.items() <= labels.items())
        return {int(labels["partition"]) for labels in found}

    def stored(self):
        """Sum of S over its partitions."""
        return sum(v for name, labels, v in self.metrics() if name == "gavel_partition_offset" and labels["kind"] == "stored")

    def of(self, number):
        """Whatever its metrics say of one partition."""
        found = [(name, labels, value) for name, labels, value in self.metrics() if labels.get("partition") == str(number) and value]
        return ", ".join(f"{labels.get('kind') or labels.get('phase') or name}={value:.0f}" for name, labels, value in found)

    def failed_epochs(self):
        return sum(v for name, labels, v in self.metrics() if name == "gavel_epochs_total" and labels["outcome"] == "failed")

    def corrupt(self, kind):
        """How often it has set aside stored state of this kind since it was started."""
        return sum(value for name, labels, value in self.metrics() if name == "gavel_corrupt_state_total" and labels["kind"] == kind)

    def directories(self):
        """partition -> directory of its store; not those that were set aside."""
        found = ((path.name.removeprefix("partition-"), path) for path in sorted(self.data.glob("partition-*")))
        return {int(number): path for number, path in found if number.isdigit()}

    def stores(self, *words):
        """What `gavel state inspect` says of each store in its data directory that can be read; it must be stopped."""
        shown = []
        for number in self.directories():
            with contextlib.suppress(Failure):  # a kill while it was being made, or a flipped byte
                shown += self.gavel.json("state", "inspect", "--partition", number, "--data-dir", self.data, *words)
        return shown

    def set_aside(self):
        """Stores that the processor itself has found corrupt."""
        return set(self.data.glob("partition-*.corrupt-*"))

    def panics(self):
        return self.log.read_text(errors="replace").count("panicked at")

    # ------------------------------------------------------------------ what is done to it

    def set_clock(self, seconds):
        """Its wall clock is off by that much from now on; returns how often it was read while it was off before."""
        with open(self.clock, "r+b", buffering=0) as page:
            _, seen = struct.unpack("<qq", page.read(16))
            page.seek(0)
            page.write(struct.pack("<q", int(seconds * NANOSECONDS)))
        return seen

    def break_disk(self, call, first, times):
        """From now on these calls on its data fail with EIO."""
        new = self.trigger.with_suffix(".new")
        # Another line each time, so that counting begins anew.
        new.write_text(f"{call} {first} {times} {time.monotonic_ns()}\n")
        new.rename(self.trigger)

    def mend_disk(self):
        """Returns how many calls have failed."""
        self.trigger.unlink(missing_ok=True)
        hits = self.hits()
        Path(f"{self.trigger}.hits").unlink(missing_ok=True)
        return hits

    def hits(self):
        """How many calls have failed since the disk was broken."""
        hits = Path(f"{self.trigger}.hits")
        return len(hits.read_text().splitlines()) if hits.exists() else 0
