"""Does anything grow? See scripts/soak, which says what is done and what counts as growth."""

import argparse
import json
import math
import re
import subprocess
import sys
import time
from pathlib import Path

from harness import Failure, say
from measure.world import Member, MIB, files_below, table, measure

TESTS = Path(__file__).resolve().parents[1]
USERS = 5_000
# Small, so that what may fill does so within the warm-up and the rest of the time shows what leaks.
BOUNDS = {
    "GAVEL_RUN_CONTEXT_BYTES": "4 MiB",
    "GAVEL_STORE_BLOCK_CACHE_BYTES": "2 MiB",
    "GAVEL_STORE_WRITE_BUFFER_BYTES": "4 MiB",
}
DOWN = 10.0  # seconds that a killed processor stays down: longer than a session, so that the other one takes all over
WARM_UP = 300.0
# What is looked at: name, limit per hour, unit. No limit: shown, not judged.
JUDGED = {
    "rss of a": (60.0, "MiB"),
    "huge pages of a": (None, "MiB"),
    "descriptors of a": (1.0, ""),
    "threads of a": (1.0, ""),
    "files of a": (60.0, ""),
    "directories of a": (1.0, ""),
    "bytes of a": (None, "MiB"),
    "files of b": (60.0, ""),
    "directories of b": (1.0, ""),
    "bytes of b": (None, "MiB"),
    "checkpoints": (None, ""),
    "checkpoint files": (None, ""),
    "checkpoint bytes": (None, "MiB"),
}
A_DAY = 86_400.0
SWEEP = 600.0  # seconds between two looks of a processor for checkpoints that may go


def options():
    parser = argparse.ArgumentParser(prog="scripts/soak", description="Two processors, a load, a kill now and then: what grows?")
    parser.add_argument("--gavel", required=True, help="the binary")
    parser.add_argument("--minutes", type=float, default=30.0)
    parser.add_argument("--rate", type=int, default=1_000, help="messages a second (default 1000)")
    parser.add_argument("--partitions", type=int, default=8)
    parser.add_argument("--every", type=float, default=15.0, help="seconds between samples (default 15)")
    parser.add_argument("--kill-every", type=float, default=180.0, help="seconds between kills of the second processor (default 180)")
    parser.add_argument("--checkpoint-ms", type=int, default=5_000)
    parser.add_argument("--no-huge-pages", action="store_true", help="processors without transparent huge pages")
    parser.add_argument("--samples", type=Path, help="keep every sample in this file, as JSON lines")
    parser.add_argument("--work", type=Path, help="keep data and logs below this directory")
    return parser.parse_args()


class Soak:
    def __init__(self, chosen, gavel):
        self.chosen, self.gavel = chosen, gavel
        self.store = gavel.work / "checkpoints"
        settings = BOUNDS | {"GAVEL_CHECKPOINTS_STORE": str(self.store), "GAVEL_CHECKPOINTS_EVERY_MS": str(chosen.checkpoint_ms)}
        if chosen.no_huge_pages:
            settings["MIMALLOC_ALLOW_THP"] = "0"
        self.first, self.second = Member("a", gavel, **settings), Member("b", gavel, **settings)
        self.samples = []
        self.kills = 0

    def run(self):
        self.gavel.call("topics", "create", "--partitions", self.chosen.partitions)
        self.gavel.call("policy", "activate", TESTS / "checker" / "policy_a.toml")
        self.first.start()
        self.second.start()
        count = int(self.chosen.rate * self.chosen.minutes * 60)
        load = self.load(count)
        try:
            self.watch(load)
        finally:
            load.kill()
            load.wait()
        if load.returncode:
            raise Failure(f"the load ended with {load.returncode}; see {self.gavel.work}/load.log")
        self.drain()
        for member in (self.first, self.second):
            member.terminate()
        return self.verify()

    def load(self, count):
        words = [self.gavel.bootstrap, self.gavel.topics["messages"], count, self.chosen.minutes * 60, USERS]
        with open(self.gavel.work / "load.log", "ab") as log:
            return subprocess.Popen([sys.executable, "-m", "measure.soak_load", *map(str, words)], cwd=TESTS, stdout=log, stderr=log)

    def watch(self, load):
        """Samples and kills until the load has ended."""
        began = time.monotonic()
        sample_at, kill_at, start_at = began, began + self.chosen.kill_every, math.inf
        while load.poll() is None:
            now = time.monotonic()
            self.first.processor.check_alive()
            if now >= kill_at:
                self.second.kill()
                self.kills += 1
                kill_at, start_at = kill_at + self.chosen.kill_every, now + DOWN
            if now >= start_at:
                self.second.start()
                start_at = math.inf
            if start_at == math.inf:
                self.second.processor.check_alive()
            if now >= sample_at:
                sample_at += self.chosen.every
                self.sample(now - began)
            time.sleep(0.2)
        if start_at < math.inf:
            self.second.start()

    def sample(self, at):
        first = self.first
        found = {"at": at, "rss of a": first.rss(), "huge pages of a": first.huge_pages()}
        found |= {"descriptors of a": first.descriptors(), "threads of a": first.threads()}
        for member in (self.first, self.second):
            files, directories, size = files_below(member.data)
            found |= {f"files of {member.name}": files, f"directories of {member.name}": directories, f"bytes of {member.name}": size / MIB}
        files, _, size = files_below(self.store)
        manifests = sum(1 for _ in self.store.glob("*/*/manifests/*.json"))
        found |= {"checkpoints": manifests, "checkpoint files": files - manifests, "checkpoint bytes": size / MIB}
        # Shown beside: what the processor that is killed has now.
        found["rss of b"] = self.second.rss() if self.second.processor.process.poll() is None else 0
        found["partitions of a"] = len(self.first.offsets("stored"))
        self.samples.append(found)
        if self.chosen.samples:
            with open(self.chosen.samples, "a") as out:
                out.write(json.dumps(found) + "\n")

    def drain(self):
        """Waits until both are ready and nothing comes any more."""
        since, last = time.monotonic(), None
        until = since + 120
        while time.monotonic() - since < 5:
            now = {**self.first.offsets("acknowledged"), **self.second.offsets("acknowledged")}
            if now != last or len(now) != self.chosen.partitions:
                last, since = now, time.monotonic()
            if time.monotonic() > until:
                raise Failure(f"after the load's end the verdicts do not come to rest: {now}")
            time.sleep(0.5)

    def verify(self):
        command = self.gavel.command("replay", "verify")
        done = subprocess.run(command, env=self.gavel.env, capture_output=True, text=True, timeout=1200)
        say(done.stdout.strip())
        if done.returncode:
            say(f"`gavel replay verify` ended with {done.returncode}:\n{done.stderr.strip()}")
        return done.returncode == 0

    # ------------------------------------------------------------------ what it comes to

    def findings(self):
        """Growth, and what is in the checkpoint store without need; as lines for people. Empty: all is well."""
        found = []
        rows = []
        for name, (limit, unit) in JUDGED.items():
            points = [(sample["at"], sample[name]) for sample in self.samples if sample["at"] >= self.warm_up()]
            first, last = (points[0][1], points[-1][1]) if points else (0, 0)
            most = max((value for _, value in points), default=0)
            slope, error = growth(points, self.chosen.kill_every)
            grows = limit is not None and slope > limit and slope > 3 * error
            told = "grows" if grows else "shown only" if limit is None else "steady"
            rows.append([name, *(f"{value:,.1f}" for value in (first, last, most, slope, error)), "-" if limit is None else f"{limit:g}", unit, told])
            if grows:
                found.append(f"{name}: {slope:,.1f} {unit} more per hour, give or take {error:,.1f}; the limit is {limit:g}")
        for line in table(["", "first", "last", "most", "per hour", "+-", "limit", "unit", ""], rows):
            say(line)
        return found + self.leftovers()

    def warm_up(self):
        return min(WARM_UP, self.chosen.minutes * 60 / 3)

    def leftovers(self):
        """What should not be in the directories, now that nothing runs."""
        found = []
        for member in (self.first, self.second):
            odd = [path.name for path in sorted(member.data.iterdir()) if not re.fullmatch(r"partition-\d+|http\.addr|lock|LOCK|owner", path.name)]
            if odd:
                found.append(f"in the data directory of {member.name} there is also: {', '.join(odd[:10])}")
        named, objects = set(), []
        for manifest in self.store.glob("*/*/manifests/*.json"):
            root = manifest.parents[1]
            named |= {root / file["object"] for file in json.loads(manifest.read_text().splitlines()[0])["files"]}
        for path in self.store.rglob("*"):
            if path.is_file() and path.parent.name != "manifests":
                objects.append(path)
        unnamed = [path for path in objects if path not in named and path.parent.name == "files"]
        old = [path for path in unnamed if time.time() - path.stat().st_mtime > A_DAY + 2 * SWEEP]
        gone = [path for path in named if not path.exists()]
        foreign = [path for path in objects if path.parent.name not in ("files", "probe")]
        say(f"checkpoint store at the end: {len(objects)} files in {sum(p.stat().st_size for p in objects) / MIB:,.1f} MiB, {len(unnamed)} of them"
            f" named by no checkpoint any more ({sum(p.stat().st_size for p in unnamed) / MIB:,.1f} MiB); a day old: {len(old)}")
        if old:
            found.append(f"{len(old)} files of the checkpoint store are a day old and named by nobody, {old[0]} first")
        if gone:
            found.append(f"{len(gone)} files that checkpoints name are missing, {gone[0]} first")
        if foreign:
            found.append(f"unexpected in the checkpoint store: {', '.join(map(str, foreign[:5]))}")
        per_partition = {}
        for manifest in self.store.glob("*/*/manifests/*.json"):
            per_partition[manifest.parents[1].name] = per_partition.get(manifest.parents[1].name, 0) + 1
        # A partition that moves is swept by whoever has it, each in its own time: twice as much may stand.
        most = 2 * (SWEEP * 1000 / self.chosen.checkpoint_ms) + 10
        if per_partition and max(per_partition.values()) > most:
            found.append(f"a partition has {max(per_partition.values())} checkpoints, more than the {most:.0f} that may come between two sweeps")
        return found

    def complaints(self):
        """Warnings and errors of the processors' logs, counted by what they say."""
        counted = {}
        for member in (self.first, self.second):
            for line in re.sub(r"\x1b\[[0-9;]*m", "", member.log.read_text(errors="replace")).splitlines():
                match = re.search(r"\b(WARN|ERROR)\b\s+(.*)", line)
                if match or "panicked at" in line:
                    text = re.sub(r"\d+", "N", match.group(2) if match else line)[:150]
                    key = f"{member.name} {match.group(1) if match else 'PANIC'} {text}"
                    counted[key] = counted.get(key, 0) + 1
        for text, times in sorted(counted.items(), key=lambda item: -item[1])[:25]:
            say(f"  {times:5} x {text}")


def growth(points, block):
    """(slope per hour, its standard error): least squares through all points; the error from the means of stretches of `block` seconds,
    because what happens with every kill is no noise of single samples."""
    slope, _ = line(points)
    stretches = {}
    for at, value in points:
        stretches.setdefault(int(at // block), []).append((at, value))
    means = [(sum(at for at, _ in some) / len(some), sum(value for _, value in some) / len(some)) for some in stretches.values()]
    _, error = line(means)
    return slope * 3600, error * 3600


def line(points):
    """(slope, its standard error) by least squares; an endless error with fewer than three points."""
    n = len(points)
    if n < 3:
        return 0.0, math.inf
    mean_x, mean_y = (sum(point[axis] for point in points) / n for axis in (0, 1))
    square = sum((x - mean_x) ** 2 for x, _ in points)
    slope = sum((x - mean_x) * (y - mean_y) for x, y in points) / square
    rest = sum((y - mean_y - slope * (x - mean_x)) ** 2 for x, y in points)
    return slope, math.sqrt(rest / (n - 2) / square)


def main():
    chosen = options()

    def work_on(gavel):
        soak = Soak(chosen, gavel)
        equal = soak.run()
        say(f"{chosen.minutes:g} minutes, {chosen.rate} messages a second, {soak.kills} kills, {len(soak.samples)} samples; the first"
            f" {soak.warm_up() / 60:g} minutes are warm-up")
        found = soak.findings()
        say("warnings and errors in the logs:")
        soak.complaints()
        if not equal:
            found.append("replay verify differs")
        for text in found:
            say(f"soak: {text}")
        say("soak: FAILED" if found else "soak: nothing grows, and every verdict is right")
        return not found

    return measure("soak", chosen, "384m", work_on)


if __name__ == "__main__":
    sys.exit(main())
