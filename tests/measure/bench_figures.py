"""What rounds come to: figures with their spread, what does not count, two results side by side, the table of the documentation.

Invariant: a figure is the median of ratios that were each taken within one round, and a round in which the machine changed does not count. A
lone rate, or one of this hour divided by one of another, says more about the other programs on the machine than about either system.
"""

import statistics
from dataclasses import dataclass

from measure.world import table

# Two runs of the bare loop within a round that differ by more: something else took the machine meanwhile.
VOID_ABOVE = 0.25
# Of a pinned core, where rates are compared and not CPU time.
OWN_CORE = 0.9
ATTEMPTS = 3  # of a round that turns out void


class Void(Exception):
    """A round does not count; the text says why."""


class Refused(Exception):
    """A row has no figures: what was measured did not do its work right."""


@dataclass(frozen=True)
class Kind:
    """A figure: what it is, its unit, and what is hoped for (the first goal; None: shown for those who read the others)."""

    what: str
    unit: str
    goal: str = ""


def catalogue():
    """Figure -> Kind, in the order of the table."""
    found = {}

    def add(row, **kinds):
        found.update({f"{row}.{name}": Kind(*words) for name, words in kinds.items()})

    add(
        "drain",
        cpu_ratio=("CPU per event, Gavel / bare loop", "x", "<= 2.8"),
        cpu=("CPU per event, Gavel", "us"),
        client=("of that, librdkafka's threads", "us"),
        floor_cpu=("CPU per event, bare loop", "us"),
        floor_client=("of that, librdkafka's threads", "us"),
        rate=("messages/s, Gavel", "/s"),
        floor_rate=("messages/s, bare loop", "/s"),
    )
    for partitions in (8, 24):
        add(
            f"open{partitions}",
            cpu_ratio=(f"open loop, {partitions} partitions: CPU per event, Gavel / bare loop", "x"),
            p50_ratio=("p50, Gavel / bare loop", "x"),
            p99_ratio=("p99, Gavel / bare loop", "x", "<= 1.5"),
            p99_9_ratio=("p99.9, Gavel / bare loop", "x", "<= 2"),
            cpu=("CPU per event, Gavel", "us"),
            client=("of that, librdkafka's threads", "us"),
            p50=("p50, Gavel", "ms"),
            p99=("p99, Gavel", "ms", "< 30"),
            p99_9=("p99.9, Gavel", "ms"),
            floor_cpu=("CPU per event, bare loop", "us"),
            floor_client=("of that, librdkafka's threads", "us"),
            floor_p50=("p50, bare loop", "ms"),
            floor_p99=("p99, bare loop", "ms"),
            floor_p99_9=("p99.9, bare loop", "ms"),
        )
    add(
        "lane",
        share=("one pinned core: rate / 1/(1/bare loop + 1/fold)", "x", ">= 0.7"),
        cpu_share=("one pinned core: CPU per event, (bare loop + fold) / Gavel", "x"),
        rate=("messages/s, Gavel", "/s"),
        floor_rate=("messages/s, bare loop", "/s"),
        fold_rate=("messages/s, fold alone", "/s"),
        fold_cpu=("CPU per event, fold alone", "us"),
    )
    add("highest", rate=("highest open-loop rate that holds the limit of p99", "/s", ">= 47000"))
    for peer, name, p99_goal in (("naive", "ordinary processor", ""), ("streams", "Kafka Streams", "<= 0.6")):
        add(
            peer,
            cpu_ratio=(f"CPU per event, {name} / Gavel", "x", ">= 4"),
            rate_ratio=(f"one pinned core: rate, Gavel / {name}", "x", ">= 3.5" if peer == "streams" else ""),
            p99_ratio=(f"p99 in an open loop, Gavel / {name}", "x", p99_goal),
            cpu=(f"CPU per event, {name}", "us"),
            rate=(f"one pinned core: messages/s, {name}", "/s"),
            p99=(f"p99 in an open loop, {name}", "ms"),
        )
    add("terms", growth=("CPU per event of the fold, 100,000 terms / 1,000", "x", "<= 1.5"))
    add("length", growth=("CPU per byte of the fold, 2,000 bytes / 200", "x", "<= 1.1"))
    add(
        "users",
        growth=("CPU per event of a drain, most users / 100,000", "x", "<= 1.3"),
        rss=("resident memory after it", "MiB"),
    )
    add(
        "partitions",
        growth=("CPU per event at one rate, 64 partitions / 1", "x", "<= 1.3"),
        rss=("resident memory for each further partition", "MiB", "<= 8"),
    )
    add("hot", growth=("p99 of the others when one user writes half of everything / without", "x", "<= 1.5"))
    add("checkpoint", growth=("p99 with a checkpoint every 2 s / without", "x", "<= 1.5"))
    add("overload", goodput=("verdicts/s at twice the highest rate / at it", "x", ">= 0.9"))
    return found


KINDS = catalogue()


def check_floor(first, again):
    """Both are the bare loop's CPU per event, before and after."""
    low, high = sorted((first, again))
    if high > low * (1 + VOID_ABOVE):
        raise Void(f"the bare loop took {first:.2f} and {again:.2f} us an event in one round")


def check_core(fold):
    """The fold waits for nothing: what it did not get of its core, something else did."""
    share = fold["cpu"] * fold["rate"] / 1e6
    if share < OWN_CORE:
        raise Void(f"the fold got {100 * share:.0f} % of its core")


def rounds(count, attempt, say):
    """What `attempt(number)` gives for each round, void ones left out, and why any were: ([{name: value}], [reason])."""
    kept, reasons = [], []
    for number in range(count):
        for again in range(ATTEMPTS):
            try:
                kept.append(attempt(number))
                break
            except Void as void:
                reasons.append(f"round {number + 1}: {void}")
                say(f"  void, {reasons[-1]}" + ("" if again + 1 == ATTEMPTS else "; once more"))
    return kept, reasons


def figures(row, kept, reasons, command):
    """The figures of a row, each with the values of its rounds."""
    names = [name for name in KINDS if name.partition(".")[0] == row and any(name.partition(".")[2] in one for one in kept)]
    found = {}
    for name in names:
        values = [one[name.partition(".")[2]] for one in kept if name.partition(".")[2] in one]
        found[name] = {"median": statistics.median(values), "low": min(values), "high": max(values), "values": values, "command": command, "void": reasons}
    return found


def absent(names, why, command, reasons=()):
    """Figures that have no value: refused, void or not measured; and the reasons in full."""
    return {name: {"median": None, "values": [], "command": command, "absent": why, "void": list(reasons)} for name in names}


def names_of(row):
    """Its figures; `open` has them twice, for two numbers of partitions."""
    return [name for name in KINDS if row in (name.partition(".")[0], name.partition(".")[0].rstrip("0123456789"))]


# ------------------------------------------------------------------ for people


def shown(value, unit):
    if value is None:
        return "-"
    if unit == "/s":
        return f"{value:,.0f}"
    digits = 2 if abs(value) < 100 else 1
    return f"{value:,.{digits}f}"


def meets(value, goal):
    """Whether a value is what was hoped for; None without a goal."""
    if not goal or value is None:
        return None
    sign, number = goal.split()
    return {"<=": value <= float(number), ">=": value >= float(number), "<": value < float(number)}[sign]


def lines(found):
    """The figures as a table for a terminal."""
    rows = []
    for name, figure in in_order(found):
        kind = KINDS[name]
        met = {None: "", True: "met", False: "missed"}[meets(figure["median"], kind.goal)]
        spread = figure.get("absent") or f"{shown(figure['low'], kind.unit)} to {shown(figure['high'], kind.unit)}"
        void = f"{len(figure['void'])} void" if figure.get("void") else ""
        rows.append([f"{name}: {kind.what}", shown(figure["median"], kind.unit), kind.unit, spread, len(figure["values"]), kind.goal, met, void])
    return table(["", "median", "", "spread", "rounds", "goal", "", ""], rows)


def in_order(found):
    return [(name, found[name]) for name in KINDS if name in found]


def markdown(result):
    """The table of the documentation."""
    yield "| figure | median | spread | rounds | goal | command |"
    yield "|---|---:|---:|---:|---|---|"
    for name, figure in in_order(result["figures"]):
        kind = KINDS[name]
        unit = "" if kind.unit == "x" else kind.unit if kind.unit == "/s" else f" {kind.unit}"
        value = "" if figure["median"] is None else f"{shown(figure['median'], kind.unit)}{unit}"
        spread = figure.get("absent") or f"{shown(figure['low'], kind.unit)}-{shown(figure['high'], kind.unit)}"
        goal = kind.goal.replace("<=", "≤").replace(">=", "≥")
        yield f"| `{name}` {kind.what} | {value} | {spread} | {len(figure['values'])} | {goal} | `{figure['command']}` |"


def compare(before, after):
    """Rows of a table: each figure of either result, the change, and a mark where it is outside of both spreads."""
    for name in KINDS:
        first, then = before["figures"].get(name), after["figures"].get(name)
        if not first and not then:
            continue
        kind = KINDS[name]
        was, now = ((one or {}).get("median") for one in (first, then))
        change, mark = "-", ""
        if was is not None and now is not None:
            change = f"{100 * (now / was - 1):+.1f} %" if was else "-"
            mark = "*" if outside(now, first) and outside(was, then) else ""
        yield [f"{name}: {kind.what}", shown(was, kind.unit), shown(now, kind.unit), kind.unit, change, mark]


def outside(value, figure):
    return not figure["low"] <= value <= figure["high"]
