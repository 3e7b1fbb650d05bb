"""What a check of the infrastructure is, and the bench it works on.

Invariant: an artefact counts as proven only by a check that could have rejected it and did run. A check that could not run
says why (`Unavailable`), and is never taken for one that passed.
"""

import functools
import os
import shutil
import subprocess
import threading
from dataclasses import dataclass
from pathlib import Path

from infra import tools

ROOT = Path(__file__).resolve().parent.parent.parent
LANES = ("fast", "control-plane")


class Failed(Exception):
    """The artefact is wrong; the text says where, and what would be right."""


class Unavailable(Exception):
    """The check cannot run on this machine; the text says what is missing."""


@dataclass(frozen=True)
class Check:
    name: str
    lane: str
    run: object  # takes a Bench, returns what it saw, in a few words


CHECKS = {}


def once(make):
    """What several checks look at is made once for each bench, though they run at the same time; a failure is made once, too."""
    made, lock = {}, threading.RLock()

    @functools.wraps(make)
    def of(bench):
        with lock:
            if bench not in made:
                try:
                    made[bench] = (make(bench), None)
                except (Failed, Unavailable) as failed:
                    made[bench] = (None, failed)
        found, failed = made[bench]
        if failed:
            raise failed
        return found

    return of


def check(name, lane="fast"):
    """Registers a check. It returns what it saw in a few words (`14 modules, 83 assertions`), or raises."""

    def register(run):
        if name in CHECKS:
            raise ValueError(f"two checks are named `{name}`")
        if lane not in LANES:
            raise ValueError(f"`{lane}` is no lane")
        CHECKS[name] = Check(name, lane, run)
        return run

    return register


class Bench:
    """Where checks work: the tree (read only), a directory for each of them, and the pinned tools."""

    def __init__(self, work):
        self.root = ROOT
        self.work = Path(work)

    def directory(self, name):
        """An empty directory of that name."""
        place = self.work / name
        shutil.rmtree(place, ignore_errors=True)
        place.mkdir(parents=True)
        return place

    def tool(self, name, program=None):
        """The path of a program of a pinned tool, which is built or fetched at its first use."""
        try:
            return tools.program(name, program)
        except tools.Missing as missing:
            raise Unavailable(str(missing)) from missing

    def home(self, name):
        """The directory of a pinned tool, for what it keeps besides programs."""
        try:
            return tools.home(name)
        except tools.Missing as missing:
            raise Unavailable(str(missing)) from missing

    def binary(self):
        """The `gavel` that GAVEL_BINARY names, or that was built last."""
        target = os.environ.get("CARGO_TARGET_DIR") or tools.cache().parent / "target"
        binary = Path(os.environ.get("GAVEL_BINARY") or Path(target) / "release" / "gavel")
        if not os.access(binary, os.X_OK):
            raise Unavailable(f"{binary} is not there: cargo build --release --package gavel, or say GAVEL_BINARY")
        return binary

    def run(self, *command, cwd=None, env=None, text=None, within=600, ok=(0,)):
        """Runs a command to its end and returns what it did; Failed with all it said unless its exit code is one of `ok`."""
        command = [str(word) for word in command]
        try:
            done = subprocess.run(
                command,
                cwd=cwd or self.root,
                env={**os.environ, **(env or {})},
                input=text,
                capture_output=True,
                text=True,
                timeout=within,
            )
        except subprocess.TimeoutExpired as late:
            raise Failed(f"`{' '.join(command)}` did not end within {within} s") from late
        if done.returncode not in ok:
            said = (done.stdout + done.stderr).strip()
            raise Failed(f"`{' '.join(command)}` exited with {done.returncode}:\n{said}")
        return done
