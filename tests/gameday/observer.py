"""What an operator would see during a drill: signals over the processors' own metrics, sampled all the time, and when each was first seen.

Invariant: a signal looks at /metrics alone, never at what the drill does; so a drill that nobody could have noticed is found out. Counters
that begin again after a restart count as Prometheus' increase() does.
"""

import threading
import time
from collections import defaultdict, deque
from dataclasses import dataclass, field

from harness import metrics

EVERY = 0.25  # seconds; Prometheus adds its scrape interval, and a rule its `for`
ANSWERS_WITHIN = 0.5
WINDOW = 8  # samples
COUNTERS = ("gavel_verdicts_total", "gavel_dead_letters_total", "gavel_rebalances_total", "gavel_producers_replaced_total")
SLOW = 1.0  # seconds; thirty milliseconds are for a machine of one's own
NEVER = {"down", "dark", "halted", "failed-epochs"}  # in a steady state
# What each signal asks, as a query over the same metrics.
SIGNALS = {
    "down": "up == 0",
    "dark": 'count(gavel_partition_phase{phase="live"} == 1) < partitions',
    "halted": "gavel_partition_halted == 1",
    "failed-epochs": 'increase(gavel_epochs_total{outcome="failed"}[1m]) > 0',
    "rebalance": "increase(gavel_rebalances_total[1m]) > 0",
    "producers": "increase(gavel_producers_replaced_total[1m]) > 0",
    "dead-letters": "rate(gavel_dead_letters_total[1m]) > 5 x the rate before",
    "stalled": "rate(gavel_verdicts_total[1m]) < half of the rate before",
    "burst": "rate(gavel_verdicts_total[1m]) > 3 x the rate before",
    "slow": f"over a tenth of gavel_verdict_delay_seconds above {SLOW:g} s",
}


@dataclass
class Sample:
    at: float
    silent: set = field(default_factory=set)  # processors that do not answer
    live: set = field(default_factory=set)
    halted: dict = field(default_factory=dict)  # partition -> reason
    totals: dict = field(default_factory=dict)  # counter -> increases since the observer began


class Totals:
    """Counters of several processes, each of which may begin again at zero."""

    def __init__(self):
        self.last = {}
        self.sums = defaultdict(float)

    def add(self, process, name, series, value):
        before = self.last.get((process, name, series), 0.0)
        self.sums[name] += value - before if value >= before else value
        self.last[process, name, series] = value


def read(sources, totals, at):
    """One look at every process: name -> directory of its data."""
    sample = Sample(at)
    for name, data in sources.items():
        lines = metrics(data, within=ANSWERS_WITHIN)
        if not lines:
            sample.silent.add(name)
        for metric, labels, value in lines:
            series = tuple(sorted(labels.items()))
            if metric == "gavel_partition_phase" and labels["phase"] == "live" and value:
                sample.live.add(int(labels["partition"]))
            elif metric == "gavel_partition_halted" and value:
                sample.halted[int(labels["partition"])] = labels["reason"]
            elif metric == "gavel_epochs_total" and labels["outcome"] == "failed":
                totals.add(name, "failed_epochs", series, value)
            elif metric == "gavel_verdict_delay_seconds_count":
                totals.add(name, "delays", series, value)
            elif metric == "gavel_verdict_delay_seconds_bucket" and labels["le"] in ("1", "1.0"):
                totals.add(name, "delays_in_time", series, value)
            elif metric in COUNTERS:
                totals.add(name, metric, series, value)
    sample.totals = dict(totals.sums)
    return sample


def rise(recent, name):
    return recent[-1].totals.get(name, 0) - recent[0].totals.get(name, 0)


def rate(recent, name):
    return rise(recent, name) / max(recent[-1].at - recent[0].at, EVERY)


def seen(recent, partitions, before):
    """The signals that are on, by the newest samples; `before` has the rates of the steady state."""
    now = recent[-1]
    on = {
        "down": bool(now.silent),
        "dark": bool(partitions - now.live),
        "halted": bool(now.halted),
        "failed-epochs": rise(recent, "failed_epochs") > 0,
        "rebalance": rise(recent, "gavel_rebalances_total") > 0,
        "producers": rise(recent, "gavel_producers_replaced_total") > 0,
    }
    if before and len(recent) == WINDOW:
        delays, in_time = rise(recent, "delays"), rise(recent, "delays_in_time")
        on |= {
            "dead-letters": rate(recent, "gavel_dead_letters_total") > 5 * max(before["dead_letters"], 1.0),
            "stalled": rate(recent, "gavel_verdicts_total") < before["verdicts"] / 2,
            "burst": rate(recent, "gavel_verdicts_total") > 3 * before["verdicts"],
            "slow": delays > 0 and (delays - in_time) / delays > 0.1,
        }
    return {name for name, is_on in on.items() if is_on}


class Observer:
    """Looks at the processors in a thread of its own, until the block ends."""

    def __init__(self, sources, partitions):
        self.sources, self.partitions = sources, set(partitions)
        self.totals = Totals()
        self.recent = deque(maxlen=WINDOW)
        self.before = None
        self.strike = None
        self.noise = set()  # signals that are on without any strike: they tell nothing
        self.first = {}  # signal -> when it was first seen after the strike
        self.halts = {}
        self.last_verdict = time.monotonic()
        self.over = threading.Event()
        self.lock = threading.Lock()
        self.broken = None
        self.thread = threading.Thread(target=self.follow, name="observer", daemon=True)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.over.set()
        self.thread.join(10)

    def follow(self):
        try:
            while not self.over.wait(EVERY):
                sample = read(self.sources, self.totals, time.monotonic())
                sample.at = time.monotonic()  # seen is what was looked at to the end: who hangs costs the look its whole patience
                self.note(sample)
        except Exception as broken:  # whatever it is, the drill must hear of it
            self.broken = broken
            raise

    def note(self, sample):
        with self.lock:
            if self.recent and sample.totals.get("gavel_verdicts_total", 0) > self.recent[-1].totals.get("gavel_verdicts_total", 0):
                self.last_verdict = sample.at
            self.recent.append(sample)
            if self.strike is not None:
                self.halts |= sample.halted
                for name in seen(self.recent, self.partitions, self.before) - self.noise:
                    self.first.setdefault(name, sample.at)

    def steady(self):
        """What is seen now is how it should be: (verdicts a second, what is wrong with it)."""
        with self.lock:
            if len(self.recent) < WINDOW:
                return 0.0, "the observer has not looked often enough"
            self.before = {
                "verdicts": rate(self.recent, "gavel_verdicts_total"),
                "dead_letters": rate(self.recent, "gavel_dead_letters_total"),
            }
            self.noise = seen(self.recent, self.partitions, self.before)
            wrong = self.noise & NEVER
            return self.before["verdicts"], f"without a strike: {sorted(wrong)}" if wrong else None

    def struck(self):
        """From now on signals are noted."""
        with self.lock:
            self.strike, self.first, self.halts = time.monotonic(), {}, {}

    def detected(self):
        """Signal -> seconds from the strike until it was first seen."""
        with self.lock:
            return {name: round(at - self.strike, 2) for name, at in sorted(self.first.items(), key=lambda pair: pair[1])}

    def abort(self, silence, halts):
        """Why the drill has to end now, or None."""
        if self.broken:
            return f"nobody observes: {self.broken}"
        if self.strike is None:
            return None
        if time.monotonic() - max(self.last_verdict, self.strike) > silence:
            return f"no verdict for {silence} s"
        if wrong := set(self.halts.values()) - set(halts):
            return f"halted: {sorted(wrong)}"
        return None
