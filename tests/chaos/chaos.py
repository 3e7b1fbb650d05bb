"""Faults on a real Kafka and real processors, until the time is up; then everything is checked.

    python -m chaos.chaos --gavel PATH [--minutes N | --rounds N] [--seed S] [--scenario NAME ...] [--list]

Three brokers, each behind a proxy; processors with a data directory each; a paced load.
The scenarios come in rounds: in each one all of them, in an order that the seed chooses.
After each strike its victims are asked for progress, and at the end, when everything is
judged and has ended cleanly, for the truth: the independent checkers (checker/check.py,
checker/ladder.py), `gavel replay verify`, and the state on disk against one straight fold.

Standard output: one JSON object. Standard error: what goes on, and a table.
Exit 0: every promise held, and every fault was felt. Exit 1: not so; data and logs stay.
"""

import argparse
import concurrent.futures
import json
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from chaos.brokers import Brokers
from chaos.bucket import Bucket
from chaos.checkpoints import ALL
from chaos.proxy import Proxies
from chaos.watch import Watch
from chaos.world import ENDS_WITHIN, TESTS, Skipped, World, new_gavel
from confluent_kafka import KafkaException
from harness import SCHEMAS, Failure, say

NODES = 3
DRAINED_WITHIN = 120.0
CHECKED_WITHIN = 3600


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--gavel", required=True, help="the binary")
    parser.add_argument("--work", default=tempfile.gettempdir(), help="where data and logs go")
    parser.add_argument("--minutes", type=float, default=10.0, help="no scenario begins later than that (default 10)")
    parser.add_argument("--rounds", type=int, help="end after so many rounds, whatever the time")
    parser.add_argument("--seed", type=int, help="(default: a new one, printed)")
    parser.add_argument("--scenario", action="append", default=[], metavar="NAME", choices=list(ALL), help="only these; can be repeated")
    parser.add_argument("--list", action="store_true", help="say what there is")
    parser.add_argument("--processors", type=int, default=3)
    parser.add_argument("--lanes", type=int, default=1, help="of each processor (default 1)")
    parser.add_argument("--partitions", type=int, default=6)
    parser.add_argument("--rate", type=int, default=800, help="messages per second (default 800)")
    parser.add_argument("--checkpoints", choices=("s3", "directory"), default="s3", help="their store (default s3)")
    options = parser.parse_args()
    if options.list:
        for name, function in ALL.items():
            print(f"{name:<25} {function.__doc__.splitlines()[0]}")
        return 0
    if options.seed is None:
        options.seed = random.SystemRandom().randrange(10**6)
    say(f"chaos: seed {options.seed}")
    report = run(options)
    print(json.dumps(report))
    say(table(report))
    return 0 if report["ok"] else 1


def run(options):
    """The report; whatever went wrong is in it."""
    report = {"ok": False, "seed": options.seed, "problems": [], "skipped": {}}
    began = time.monotonic()
    work = Path(tempfile.mkdtemp(prefix="gavel-chaos.", dir=options.work))
    report["work"] = str(work)
    world = None
    try:
        with (
            Proxies(NODES) as proxies,
            Brokers(work / "kafka", proxies) as brokers,
            Bucket(work / "checkpoints", options.seed) as bucket,
        ):
            with new_gavel(options, brokers.bootstrap, work) as gavel, Watch(brokers.bootstrap, gavel.topics) as watch:
                with World(options, brokers, proxies, bucket, gavel, watch) as world:
                    strike(world, options, report)
                    finish(world)
                judge(world, report)
    except (Failure, KafkaException, TimeoutError, subprocess.TimeoutExpired) as failure:
        report["problems"].append(f"{type(failure).__name__}: {failure}")
    if world is not None:
        tell(world, report)
    report["seconds"] = round(time.monotonic() - began)
    report["ok"] = not report["problems"]
    if report["ok"]:
        shutil.rmtree(work)
    return report


def strike(world, options, report):
    """Rounds of all scenarios until the time is up."""
    names = options.scenario or list(ALL)
    until = time.monotonic() + options.minutes * 60
    rounds = 0
    while options.rounds is None or rounds < options.rounds:
        rounds += 1
        for name in world.random.sample(names, len(names)):
            if options.rounds is None and time.monotonic() > until:
                return
            if name in report["skipped"]:
                continue
            try:
                ALL[name](world)
            except Skipped as why:
                say(f"\nchaos: SKIPPED {name}: {why}\n")
                report["skipped"][name] = str(why)
            world.settle(name)
        if len(report["skipped"]) == len(names):
            return


def finish(world):
    """No more load; everything is judged and stored, and every processor ends cleanly."""
    world.stop_load()
    goal = world.log_ends()
    world.until(lambda: all(world.watch.newest[number] >= last for number, last in goal.items()), DRAINED_WITHIN, "all is judged")
    world.until(lambda: sum(member.stored() for member in world.members) >= sum(goal.values()), DRAINED_WITHIN, "all is stored")
    with concurrent.futures.ThreadPoolExecutor() as pool:
        took = list(pool.map(lambda member: member.end(ENDS_WITHIN), world.members))
    world.slowest_end = max(took)


def judge(world, report, min_dependent=0.01):
    """The independent checkers, and the processor's own. A short run has few verdicts that depend on history: it says how few will do."""
    gavel, topics = world.gavel, world.gavel.topics
    named = ["--bootstrap", world.brokers.bootstrap, "--schemas", SCHEMAS]
    named += ["--messages", topics["messages"], "--verdicts", topics["verdicts"], "--control", topics["control"]]
    policies = [word for digest, path in world.digests.items() for word in ("--policy", f"{digest}={path}")]
    report["checker"] = checked(
        report, gavel.work, "checker.check", *named, *policies, "--dead-letters", topics["dead_letters"], "--min-dependent", min_dependent
    )
    stores = [word for member in world.members for word in ("--data-dir", member.data)]
    stores += ["--checkpoints", world.bucket.root]
    for path in sorted(world.damaged):
        stores += ["--damaged", path]
    report["ladder"] = checked(
        report, gavel.work, "checker.ladder", *named, *stores, "--group", gavel.prefix, "--gavel", gavel.binary, "--drained"
    )
    folded = gavel.json("replay", "verify", "--digest", within=CHECKED_WITHIN)
    folded = {state["partition"]: state["digest"] for state in folded}
    compare_states(world, folded, report)


def checked(report, work, module, *words):
    """One of the checkers, as a process; its report."""
    command = [sys.executable, "-m", module, *map(str, words)]
    done = subprocess.run(command, cwd=TESTS, stdout=subprocess.PIPE, text=True, timeout=CHECKED_WITHIN)
    (work / f"{module}.json").write_text(done.stdout)
    try:
        found = json.loads(done.stdout)
    except ValueError:
        report["problems"].append(f"{module} ended with {done.returncode} and without a report")
        return None
    report["problems"] += [f"{module}: {kind}: {count}" for kind, count in found["problems"].items()]
    return found


def compare_states(world, folded, report):
    """Of each partition a store at the log's end, and each of these is the state of one straight fold."""
    goals = world.log_ends()
    at_the_end = set()
    for member in world.members:
        for stored in member.stores("--digest"):
            number = stored["partition"]
            if stored["boundary"] == goals[number]:
                at_the_end.add(number)
                if stored["digest"] != folded.get(number):
                    report["problems"].append(f"{member.name}: the state of partition {number} is not that of one straight fold")
    if missing := set(goals) - at_the_end:
        report["problems"].append(f"after a clean end no store of partitions {sorted(missing)} stands at the log's end")
    world.notes["states equal to one straight fold"] = len(at_the_end)


def tell(world, report):
    """What the run saw, in figures."""
    if not sum(world.strikes.values()):
        report["problems"].append("not one fault was injected")
    for kind in world.strikes:
        if not any(name.startswith(kind) for name in world.recoveries):
            report["problems"].append(f"no progress was demanded after {kind}")
    for member in world.members:
        if member.processor and (panics := member.panics()):
            report["problems"].append(f"{panics} panics in {member.log}")
    report |= {
        "judged": world.watch.judged,
        "judged_under_fault": world.under_fault,
        "copies": world.watch.copies,
        "strikes": dict(sorted(world.strikes.items())),
        "recovery": {kind: spread(times) for kind, times in sorted(world.recoveries.items())},
        "notes": dict(sorted(world.notes.items())),
        "ended_by_themselves": {member.name: member.ended for member in world.members if member.ended},
        "slowest_end": world.slowest_end,
        "checkpoints": world.options.checkpoints,
    }


def spread(times):
    """p50, p99 and maximum, in seconds."""
    ordered = sorted(times)
    return {
        "partitions": len(ordered),
        "p50": round(ordered[len(ordered) // 2], 2),
        "p99": round(ordered[min(len(ordered) - 1, len(ordered) * 99 // 100)], 2),
        "max": round(ordered[-1], 2),
    }


def table(report):
    lines = [f"{'fault':<25}{'strikes':>8}{'victims':>9}{'p50 s':>8}{'p99 s':>8}{'max s':>8}"]
    strikes = report.get("strikes", {})
    recovery = report.get("recovery", {})
    for kind in sorted({*strikes, *recovery}):
        line = f"{kind:<25}{strikes.get(kind, ''):>8}"
        if found := recovery.get(kind):
            line += f"{found['partitions']:>9}{found['p50']:>8.2f}{found['p99']:>8.2f}{found['max']:>8.2f}"
        lines.append(line)
    for name in ("judged", "judged_under_fault", "copies"):
        if name in report:
            lines.append(f"{name.replace('_', ' '):<33}{report[name]:>10,}")
    lines += [f"{note:<48}{count:>6}" for note, count in report.get("notes", {}).items()]
    lines += [f"SKIPPED {name}: {why}" for name, why in report["skipped"].items()]
    lines += [f"PROBLEM {problem}" for problem in report["problems"]]
    lines.append("chaos: every promise held" if report["ok"] else f"chaos: FAILED (--seed {report['seed']}); see {report['work']}")
    return "\n".join(lines)


def end(number, _):
    """Everything that was started ends with the run. A second signal, as `timeout` sends it, must not interrupt that."""
    for each in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(each, signal.SIG_IGN)
    sys.exit(128 + number)


if __name__ == "__main__":
    for each in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(each, end)
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
