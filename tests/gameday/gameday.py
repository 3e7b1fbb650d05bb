"""Game days: drills with a hypothesis on a real Kafka and real processors, and a scorecard.

    python -m gameday.gameday --gavel PATH (--drill NAME … | --all) [--scorecard FILE.md] [--seed S] [--rate N]
    python -m gameday.gameday --list

Each drill has a cluster of its own: three brokers behind proxies, three processors, an object store, a paced load. It begins in a steady
state, or not at all; it strikes; it must be seen, and recover, in time; it ends in a steady state; then the independent checkers of the
crash test read everything. Invariant: a drill passes only if all of that was observed. What was not seen counts as not so.

Exit 0: every hypothesis held. 1: not so; data and logs stay.
"""

import argparse
import json
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from argparse import Namespace
from pathlib import Path

from chaos import chaos
from chaos.brokers import Brokers
from chaos.bucket import Bucket
from chaos.proxy import Proxies
from chaos.watch import Watch
from chaos.world import Skipped, World, new_gavel
from confluent_kafka import KafkaException
from gameday.actions import ACTIONS
from gameday.observer import SIGNALS, Observer
from gameday.scorecard import markdown, verdict_of
from harness import Failure, say

try:
    import tomllib
except ImportError:
    import tomli as tomllib

DRILLS = Path(__file__).resolve().parent / "drills.toml"
KEYS = {"name", "action", "hypothesis", "blast", "signals", "alert", "detected_within", "recovered_within", "recovery_from", "abort"}
FIS = {"spot-interruption", "pod-delete", "az-network", "ebs-pause"}
RATE = 400
STEADY_SECONDS = 6.0
STEADY_AGAIN_WITHIN = 60.0
MIN_DEPENDENT = 0.002  # of two minutes among 20,000 users
STEADY_SHARE = 0.7  # of the rate that is sent: the window is short and the load uneven


def read_drills(text):
    """name -> drill, in order; ValueError for one that says too little."""
    drills = {}
    for drill in tomllib.loads(text)["drill"]:
        name = drill.get("name", "(without a name)")
        if missing := KEYS - set(drill):
            raise ValueError(f"{name} has no {', '.join(sorted(missing))}")
        if unknown := set(drill) - KEYS - {"fis", "by_hand", "rate"}:
            raise ValueError(f"{name} has unknown keys: {', '.join(sorted(unknown))}")
        if drill["action"] not in ACTIONS:
            raise ValueError(f"{name}: there is no action `{drill['action']}`")
        if wrong := set(drill["signals"]) - set(SIGNALS):
            raise ValueError(f"{name}: there is no signal {', '.join(sorted(wrong))}")
        if not drill["signals"]:
            raise ValueError(f"{name} is seen by nobody")
        if drill.get("fis") not in FIS | {None} or not (drill.get("fis") or drill.get("by_hand")):
            raise ValueError(f"{name} has neither a twin in AWS FIS nor a step by hand")
        if name in drills:
            raise ValueError(f"two drills are named {name}")
        drills[name] = drill
    return drills


class Ground(World):
    """The world of the fault tests, with somebody who watches it and may end the drill."""

    def __init__(self, drill, *arguments):
        super().__init__(*arguments)
        self.drill = drill
        self.observer = Observer({member.name: member.data for member in self.members}, self.watch.partitions)

    def strikes_now(self):
        super().strikes_now()
        self.observer.struck()

    def tend(self):
        super().tend()
        if why := self.observer.abort(**self.drill["abort"]):
            raise Failure(f"ABORTED: {why}")


def steady(world, within):
    """Waits until a whole window is as it should be; (verdicts a second, None or what is wrong)."""
    until = time.monotonic() + within
    while True:
        world.sleep(STEADY_SECONDS)
        rate, wrong = world.observer.steady()
        if not wrong and rate < STEADY_SHARE * world.options.rate:
            wrong = f"{rate:.0f} verdicts a second of {world.options.rate} messages"
        if not wrong or time.monotonic() > until:
            return round(rate), wrong


def run(drill, options):
    """What came of it."""
    work = Path(tempfile.mkdtemp(prefix="gavel-gameday.", dir=options.work))
    found = {"drill": drill["name"], "seed": options.seed, "rate": options.rate, "problems": [], "work": str(work)}
    began = time.monotonic()
    try:
        with (
            Proxies(chaos.NODES) as proxies,
            Brokers(work / "kafka", proxies) as brokers,
            Bucket(work / "checkpoints", options.seed) as bucket,
            new_gavel(options, brokers.bootstrap, work) as gavel,
            Watch(brokers.bootstrap, gavel.topics) as watch,
            Ground(drill, options, brokers, proxies, bucket, gavel, watch) as world,
        ):
            with world.observer as observer:
                found["steady_before"], wrong = steady(world, STEADY_AGAIN_WITHIN)
                if wrong:
                    raise Failure(f"no drill without a steady state: {wrong}")
                ACTIONS[drill["action"]](world)
                found["detected"], found["noise"] = observer.detected(), sorted(observer.noise)
                world.settle(drill["name"])
                found["steady_after"], wrong = steady(world, STEADY_AGAIN_WITHIN)
                if wrong:
                    found["problems"].append(f"not steady again: {wrong}")
            chaos.finish(world)
            chaos.judge(world, found, MIN_DEPENDENT)
            found["judged"], found["copies"] = world.watch.judged, world.watch.copies
            found["notes"] = dict(world.notes)
            found["recovery"] = {kind: chaos.spread(times) for kind, times in sorted(world.recoveries.items())}
    except Skipped as why:
        found["skipped"] = str(why)
    except (Failure, KafkaException, TimeoutError, subprocess.TimeoutExpired) as failure:
        found["problems"].append(f"{type(failure).__name__}: {failure}")
    found["seconds"] = round(time.monotonic() - began)
    found |= verdict_of(drill, found)
    if found["held"]:
        shutil.rmtree(work)
    return found


def listed(drills):
    for name, drill in drills.items():
        twin = f"AWS FIS: {drill['fis']}" if drill.get("fis") else f"by hand: {drill['by_hand']}"
        yield f"{name}\n    {drill['hypothesis']}\n    {twin}"


def main():
    parser = argparse.ArgumentParser(prog="scripts/gameday", description=__doc__.splitlines()[0])
    parser.add_argument("--gavel", help="the binary")
    parser.add_argument("--drill", action="append", default=[], metavar="NAME", help="this one; can be repeated")
    parser.add_argument("--all", action="store_true", help="all of them, one after the other")
    parser.add_argument("--list", action="store_true", help="the drills with their hypotheses and their twins in AWS")
    parser.add_argument("--scorecard", type=Path, help="write it there as Markdown, and beside it as JSON; else to standard output")
    parser.add_argument("--seed", type=int, help="(default: a new one, in the scorecard)")
    parser.add_argument("--rate", type=int, help=f"messages a second (default: the drill's own, or {RATE})")
    parser.add_argument("--work", default=tempfile.gettempdir(), help="where data and logs go")
    chosen = parser.parse_args()
    drills = read_drills(DRILLS.read_text())
    if chosen.list:
        print("\n".join(listed(drills)))
        return 0
    names = list(drills) if chosen.all else chosen.drill
    if unknown := [name for name in names if name not in drills]:
        parser.error(f"there is no drill {', '.join(unknown)}: --list")
    if not names or not chosen.gavel:
        parser.error("say which drill: --drill NAME, or --all; and --gavel")
    seed = chosen.seed if chosen.seed is not None else random.SystemRandom().randrange(10**6)
    results = []
    for name in names:
        say(f"gameday: {name}: {drills[name]['hypothesis']}")
        options = Namespace(
            gavel=chosen.gavel, work=chosen.work, seed=seed, rate=chosen.rate or drills[name].get("rate", RATE), processors=3, lanes=1, partitions=6, checkpoints="s3"
        )
        results.append(run(drills[name], options))
        say(f"gameday: {name}: {results[-1]['verdict']}")
        write(chosen.scorecard, drills, results)  # after each one: an interruption loses none
    if not chosen.scorecard:
        print(markdown(drills, results))
    return 0 if all(found["held"] or "skipped" in found for found in results) else 1


def write(scorecard, drills, results):
    if scorecard:
        scorecard.write_text(markdown(drills, results))
        scorecard.with_suffix(".json").write_text(json.dumps(results, indent=1) + "\n")


if __name__ == "__main__":
    for each in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(each, chaos.end)
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
