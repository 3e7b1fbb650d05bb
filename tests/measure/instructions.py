"""Counts the instructions of each workload in processor/runtime/benches/instructions and compares with the committed baseline.

    python -m measure.instructions [--accept] [--keep DIRECTORY] [NAME ...]

Invariant: two runs of one binary show the same counts. So each workload is a process of its own, with an empty environment, in a
directory and under a name that are equally long everywhere (what stands on the stack shifts addresses, from which hash tables take their
seed), with an allocator that never looks at the clock; callgrind counts from the entry of the function `counted` to its return. What is
left is the random order of maps while schemas are read, before the counting: where the memory then lies moves a count by a ten-millionth.
A gate that swings is a gate that people learn to walk around.

Why not gungraun, which does the same and more: its runner is a second binary that must be installed in just the version of the library,
and its baselines lie in the target directory: what compares with a committed file would have to be written all the same.
"""

import argparse
import json
import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from harness import Failure, say
from measure.world import table

ROOT = Path(__file__).resolve().parents[2]
BASELINE = ROOT / "processor" / "runtime" / "benches" / "instructions" / "baseline.json"
TOLERANCE = 0.05
ACCEPT = "scripts/instructions --accept"
# mimalloc gives memory back to the system after so many milliseconds: never, because how many pass is chance.
ENVIRONMENT = {"MIMALLOC_PURGE_DELAY": "-1"}
PATIENCE = 600  # seconds for one workload
SUMMARY = re.compile(r"^(?:summary|totals): (\d+)", re.MULTILINE)


@dataclass
class Comparison:
    """What there is to show and to say; it fails if there are faults."""

    rows: list
    faults: list
    hints: list


def compare(now, baseline, partial=False):
    """Instructions per event by name, against those of the baseline. `partial`: names that were not asked for are not missed."""
    rows, faults, hints = [], [], []
    for name in [*now, *(name for name in baseline if name not in now and not partial)]:
        ours, theirs = now.get(name), baseline.get(name)
        change = ours / theirs - 1 if ours and theirs else None
        rows.append([name, shown(ours), shown(theirs), "-" if change is None else f"{100 * change:+.2f} %"])
        if theirs is None:
            faults.append(f"{name} is not in the baseline")
        elif ours is None:
            faults.append(f"{name} is in the baseline and is counted no more")
        elif ours > theirs * (1 + TOLERANCE):
            faults.append(f"{name} takes {100 * change:.1f} % more instructions than the baseline")
        elif ours < theirs * (1 - TOLERANCE):
            hints.append(f"{name} takes {-100 * change:.1f} % fewer instructions than the baseline: hold on to that with {ACCEPT}")
    return Comparison(rows, faults, hints)


def differences(here, there):
    """In words, what is not as it was when the baseline was taken."""
    return [f"the baseline was taken with {there.get(key, 'an unknown ' + key)}, this is {here[key]}" for key in here if here[key] != there.get(key)]


def shown(count):
    return "-" if count is None else f"{count:,.1f}"


def output(*command, **more):
    return subprocess.run([str(word) for word in command], check=True, text=True, stdout=subprocess.PIPE, **more).stdout


def surroundings():
    """What moves a count although nothing in the sources has changed."""
    flags = Path("/proc/cpuinfo").read_text().split()
    return {
        "rustc": " ".join(output("rustc", "--version").split()[:2]),
        "machine": platform.machine() + (" with AVX2" if "avx2" in flags else ""),
        "libc": " ".join(platform.libc_ver()),
        "valgrind": output("valgrind", "--version").strip(),
    }


def build():
    """The path of the benchmark's binary."""
    # Of the whole workspace: with the features that the tests have, so that what is compiled here is not compiled again for them.
    command = ["cargo", "build", "--release", "--locked", "--workspace", "--bench", "instructions"]
    for line in output(*command, "--message-format", "json-render-diagnostics", cwd=ROOT).splitlines():
        message = json.loads(line)
        if message["reason"] == "compiler-artifact" and message["target"]["name"] == "instructions" and message["executable"]:
            return Path(message["executable"])
    raise Failure("cargo names no binary of the benchmark")


def count(binary, name, keep):
    """Instructions per event of one workload."""
    # Not where TMPDIR says: Debian's valgrind is a shell script and puts the directory's name into the environment.
    with tempfile.TemporaryDirectory(prefix="gavel-instructions.", dir="/tmp") as work:
        Path(work, "instructions").symlink_to(binary)
        profile = Path(keep or work, f"callgrind.out.{name}")
        callgrind = [shutil.which("valgrind"), "--tool=callgrind", "--quiet", "--toggle-collect=instructions::counted*", f"--callgrind-out-file={profile}"]
        run = subprocess.run(
            [*callgrind, "./instructions", name], cwd=work, env=ENVIRONMENT, text=True, capture_output=True, timeout=PATIENCE
        )
        if run.returncode:
            raise Failure(f"{name} ended with {run.returncode}:\n{run.stderr}")
        return per_event(profile.read_text(), run.stdout, name)


def per_event(profile, events, name):
    found = SUMMARY.search(profile)
    if not found or not int(found[1]):
        raise Failure(f"callgrind has counted nothing of {name}: has the function `counted` been inlined, or renamed?")
    return round(int(found[1]) / int(events), 1)


def main():
    parser = argparse.ArgumentParser(prog="scripts/instructions", description="Instructions per event, against the committed baseline.")
    parser.add_argument("names", nargs="*", metavar="NAME", help="only these workloads")
    parser.add_argument("--accept", action="store_true", help="make what is counted now the baseline")
    parser.add_argument("--keep", type=Path, metavar="DIRECTORY", help="keep the profiles there, for callgrind_annotate")
    chosen = parser.parse_args()
    if chosen.accept and chosen.names:
        parser.error("--accept takes all workloads")
    binary, here = build(), surroundings()
    if chosen.keep:
        chosen.keep.mkdir(parents=True, exist_ok=True)
        chosen.keep = chosen.keep.resolve()
    names = chosen.names or output(binary).split()
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        now = dict(zip(names, pool.map(lambda name: count(binary, name, chosen.keep), names)))
    there = json.loads(BASELINE.read_text()) if BASELINE.exists() else {"taken_with": {}, "instructions_per_event": {}}
    found = compare(now, there["instructions_per_event"], partial=bool(chosen.names))
    print("\n".join(table(["workload", "now", "baseline", "change"], found.rows)))
    if chosen.accept:
        BASELINE.write_text(json.dumps({"taken_with": here, "instructions_per_event": now}, indent=2) + "\n")
        say(f"accepted: {BASELINE.relative_to(ROOT)} is to be committed with what changed it")
        return 0
    for line in [*differences(here, there["taken_with"]), *found.hints]:
        say(f"note: {line}")
    for line in found.faults:
        say(f"FAILED: {line}")
    if found.faults:
        say(f"accept with {ACCEPT} if that is what the change is worth, and say so in its commit")
    return 1 if found.faults else 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except (Failure, subprocess.SubprocessError) as failure:
        sys.exit(f"instructions: {failure}")
