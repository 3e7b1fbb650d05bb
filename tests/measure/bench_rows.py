"""The rows of the benchmark against the floor and the peers: which systems run, in which order, and what is divided by what.

Invariant: within a round the bare loop runs first and last, and everything that a ratio is made of runs between; a row of ours has figures
only if every verdict of it was found right.
"""

import json
import subprocess
import time

from harness import Failure, say
from measure.bench_figures import Refused, Void, absent, check_core, check_floor, figures, names_of, rounds
from measure.bench_systems import PATIENCE, Bare, Cpu, Log, Naive, Ours, Streams, bare_drain, drain, fold, per_event, wait_ready

US_PER_MS = 1000
SENDERS = {True: 2, False: 1}  # above that rate one generating thread may be late by itself
SENDERS_ABOVE = 80_000
TRIAL = 400_000  # events by which a peer's setting is chosen
JVM_WARM_EVENTS = 5_000_000


def open_loop(system, log, corpus, rate, chosen, warm_up=None, **flags):
    """`gavel load` on one system: its report, and the system's CPU time per event."""
    warm_up = chosen.warm_up if warm_up is None else warm_up
    with log.outputs() as gavel:
        processor = system.start(log, gavel, corpus)
        wait_ready(system, processor, log)
        flags = {"rate": rate, "seconds": chosen.seconds, "warm-up": warm_up, "users": chosen.users, "zipf": chosen.zipf} | flags
        flags |= {"texts": corpus / "texts.txt", "senders": SENDERS[rate > SENDERS_ABOVE], "output": "json"}
        words = gavel.command("load", *(word for name, value in flags.items() for word in (f"--{name}", value)))
        words.append("--allow-late")  # whether its figures count is decided here
        load = subprocess.Popen(words, env=gavel.env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        try:
            time.sleep(warm_up + 1)
            cpu, before = Cpu(processor.process.pid), log.bench.ends.total(gavel.topics["verdicts"], log.partitions)
            time.sleep(max(chosen.seconds - 2, 1))
            cpu.look()
            after = log.bench.ends.total(gavel.topics["verdicts"], log.partitions)
            said, complaint = load.communicate(timeout=PATIENCE)
        finally:
            load.kill()
            load.wait()
        processor.check_alive()
        try:
            report = json.loads(said.splitlines()[-1])
        except (IndexError, json.JSONDecodeError) as broken:
            raise Failure(f"`gavel load` ended with {load.returncode}: {complaint.strip()[-2000:]}") from broken
        found = per_event(cpu, max(after - before, 1)) | {"report": report} | system.memory()
        found |= latencies(report, "all")
        system.finish(log, gavel)
        return found


def latencies(report, of):
    latency = ((report["latency"] or {}).get(of)) or {}
    return {name: latency[f"{name}_us"] / US_PER_MS for name in ("p50", "p99", "p99_9") if latency}


def must_count(system, found, may_miss=False):
    """A run of the load that says nothing about the system makes the round void."""
    report = found["report"]
    if report["void"] is not None:
        raise Void(f"{system.name}: `gavel load`: {report['void']}")
    if report["counts"]["missing"] and not may_miss:
        raise Void(f"{system.name}: {report['counts']['missing']:,} verdicts did not come in time")
    return found


class Rows:
    def __init__(self, bench):
        self.bench, self.chosen = bench, bench.chosen
        self.highest = self.chosen.maximum

    def take(self, row, names, attempt, extra=""):
        """The figures of some rounds, printed as they come. Refused ones have none."""
        command = f"scripts/bench --rows {row}{extra}"
        try:
            kept, reasons = rounds(self.chosen.rounds, attempt, say)
        except Refused as refused:
            say(f"  REFUSED: {refused}")
            self.bench.bad.append(row)
            return absent(names, "refused", command, [str(refused)])
        found = {}
        for row_name in dict.fromkeys(name.partition(".")[0] for name in names):
            found |= figures(row_name, kept, reasons, command)
        return found or absent(names, "void", command, reasons)

    # ------------------------------------------------------------------ against the floor

    def drain(self):
        chosen, corpus = self.chosen, self.bench.corpus(self.chosen.terms)
        log = self.filled(corpus)

        def attempt(_):
            bare, ours, again = bare_drain(log), drain(Ours(), log, corpus, chosen.events), bare_drain(log)
            told(bare=bare, gavel=ours, again=again)
            check_floor(bare["cpu"], again["cpu"])
            floor = mean(bare["cpu"], again["cpu"])
            return {"cpu_ratio": ours["cpu"] / floor, "cpu": ours["cpu"], "client": ours["client"], "floor_cpu": floor,
                    "floor_client": mean(bare["client"], again["client"]), "rate": ours["rate"], "floor_rate": mean(bare["rate"], again["rate"])}

        found = self.take("drain", names_of("drain"), attempt)
        log.remove()
        return found

    def open(self):
        found = {}
        for partitions in (8, 24):
            found |= self.open_with(partitions)
        return found

    def open_with(self, partitions):
        chosen, corpus = self.chosen, self.bench.corpus(self.chosen.terms)

        def attempt(_):
            bare, ours, again = (self.open_loop(system, partitions, chosen.rate, corpus) for system in (Bare(), Ours(), Bare()))
            told(bare=bare, gavel=ours, again=again)
            check_floor(bare["cpu"], again["cpu"])
            found = {"client": ours["client"], "floor_client": mean(bare["client"], again["client"])}
            for name in ("cpu", "p50", "p99", "p99_9"):
                found[f"floor_{name}"] = mean(bare[name], again[name])
                found[name] = ours[name]
                found[f"{name}_ratio"] = ours[name] / found[f"floor_{name}"]
            return found

        return self.take("open", names_of(f"open{partitions}"), attempt)

    def open_loop(self, system, partitions, rate, corpus, may_miss=False, **more):
        """On a log of its own, which goes with it."""
        log = Log(self.bench, partitions, corpus)
        try:
            return must_count(system, open_loop(system, log, corpus, rate, self.chosen, **more), may_miss)
        finally:
            log.remove()

    def lane(self):
        chosen, corpus = self.chosen, self.bench.corpus(self.chosen.terms)
        log = self.filled(corpus)

        def attempt(_):
            bare, ours = bare_drain(log, {1}), drain(Ours(), log, corpus, chosen.events, {1})
            alone, again = fold(self.bench, corpus, min(chosen.events, 2_000_000), chosen.users, {1}), bare_drain(log, {1})
            told(bare=bare, gavel=ours, fold=alone, again=again)
            check_floor(bare["cpu"], again["cpu"])
            check_core(alone)
            floor = mean(bare["rate"], again["rate"])
            cpu = mean(bare["cpu"], again["cpu"]) + alone["cpu"]
            return {"share": ours["rate"] * (1 / floor + 1 / alone["rate"]), "cpu_share": cpu / ours["cpu"], "rate": ours["rate"],
                    "floor_rate": floor, "fold_rate": alone["rate"], "fold_cpu": alone["cpu"]}

        with self.bench.rest_on_core_0():
            found = self.take("lane", names_of("lane"), attempt)
        log.remove()
        return found

    def highest_rate(self):
        """A round climbs until a step fails twice; a generator that is late fails a step, too, because nothing is known of it."""
        chosen, corpus = self.chosen, self.bench.corpus(self.chosen.terms)

        def attempt(_):
            held = 0
            for step in chosen.steps:
                if not any(self.holds(step, corpus) for _ in range(2)):
                    break
                held = step
            if not held:
                raise Void(f"not even {chosen.steps[0]:,} a second held the limit")
            return {"rate": held}

        found = self.take("highest", names_of("highest"), attempt)
        self.highest = int(found["highest.rate"]["median"] or 0) or self.highest
        return found

    def holds(self, rate, corpus):
        try:
            found = self.open_loop(Ours(), 8, rate, corpus)
        except Void as void:
            say(f"  {rate:,}/s: {void}")
            return False
        say(f"  {rate:,}/s: p99 {found['p99']:.1f} ms, load {self.bench.load_average()}")
        return found["p99"] < self.chosen.limit_ms

    # ------------------------------------------------------------------ against peers

    def naive(self):
        return self.peer("naive", Naive())

    def streams(self):
        if not self.chosen.streams:
            return absent(names_of("streams"), "not measured", "scripts/bench --rows streams --streams DIR")
        corpus = self.bench.corpus(self.chosen.terms)
        log = self.filled(corpus, TRIAL)
        took = {caching: drain(Streams(self.chosen.streams, caching), log, corpus, TRIAL)["cpu"] for caching in ("off", "on")}
        log.remove()
        better = min(took, key=took.get)
        say(f"  record cache off {took['off']:.1f}, on {took['on']:.1f} us an event: {better}")
        self.bench.about["streams_caching"] = better
        warm_up = max(self.chosen.warm_up, min(JVM_WARM_EVENTS / self.chosen.rate, self.chosen.peer_warm_up))
        return self.peer("streams", Streams(self.chosen.streams, better), warm_up, " --streams DIR")

    def peer(self, row, system, warm_up=None, extra=""):
        chosen, corpus = self.chosen, self.bench.corpus(self.chosen.terms)
        log = self.filled(corpus)

        def drains(cores):
            bare, ours = bare_drain(log, cores), drain(Ours(), log, corpus, chosen.events, cores)
            theirs, again = drain(system, log, corpus, chosen.events, cores), bare_drain(log, cores)
            told(bare=bare, gavel=ours, theirs=theirs, again=again)
            check_floor(bare["cpu"], again["cpu"])
            return ours, theirs

        def cost(_):
            ours, theirs = drains(None)
            return {"cpu_ratio": theirs["cpu"] / ours["cpu"], "cpu": theirs["cpu"]}

        def one_core(_):
            ours, theirs = drains({1})
            return {"rate_ratio": ours["rate"] / theirs["rate"], "rate": theirs["rate"]}

        def latency(_):
            ours = self.open_loop(Ours(), 8, chosen.rate, corpus)
            theirs = self.open_loop(system, 8, chosen.rate, corpus, may_miss=True, warm_up=warm_up)
            told(gavel=ours, theirs=theirs)
            return {"p99_ratio": ours["p99"] / theirs["p99"], "p99": theirs["p99"]}

        names = {attempt: [f"{row}.{name}", f"{row}.{name}_ratio"] for attempt, name in ((cost, "cpu"), (one_core, "rate"), (latency, "p99"))}
        found = self.take(row, names[cost], cost, extra)
        with self.bench.rest_on_core_0():
            found |= self.take(row, names[one_core], one_core, extra)
        log.remove()
        return found | self.take(row, names[latency], latency, extra)

    def filled(self, corpus, events=None, users=None, partitions=None):
        log = Log(self.bench, partitions or self.chosen.partitions, corpus)
        log.fill(events or self.chosen.events, users or self.chosen.users, self.chosen.texts or corpus / "texts.txt")
        return log


def mean(*values):
    return sum(values) / len(values)


def told(**measured):
    """One line on what a round saw."""
    parts = []
    for name, found in measured.items():
        words = [f"{found['cpu']:.2f} us"]
        words += [f"{found['rate']:,.0f}/s"] if "rate" in found else []
        words += [f"p50 {found['p50']:.1f} p99 {found['p99']:.1f} p99.9 {found['p99_9']:.1f} ms"] if "p99" in found else []
        parts.append(f"{name} {' '.join(words)}")
    say("  " + ", ".join(parts))
