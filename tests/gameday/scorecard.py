"""What a drill has shown: held or not and why, as a dictionary and as Markdown.

Invariant: "held" needs every part of it to have been observed: a steady state before and after, a signal in time, a recovery in time,
and checkers that read everything and found nothing lost, differing or out of place.
"""

# What the checker calls it, by the question that an operator asks. Whatever else it finds is a problem, too.
LOST = ("no verdict", "no dead letter")
DIFFERING = (" differs", "copies differ")


def count(problems, wanted):
    return sum(number for kind, number in problems.items() if any(kind == word or kind.endswith(word) for word in wanted))


def verdict_of(drill, found):
    """What is concluded: counts, times, `held`, and the verdict in a sentence."""
    shown = {"lost": None, "differing": None, "detected_after": None, "recovered_after": None, "held": False}
    if "skipped" in found:
        return shown | {"verdict": f"skipped: {found['skipped']}"}
    why = list(found["problems"])
    if checker := found.get("checker"):
        shown |= {"lost": count(checker["problems"], LOST), "differing": count(checker["problems"], DIFFERING)}
    elif not why:
        why.append("no checker has read the topics")
    signals = {name: after for name, after in found.get("detected", {}).items() if name in drill["signals"]}
    if signals:
        shown["detected_by"], shown["detected_after"] = min(signals.items(), key=lambda pair: pair[1])
        if shown["detected_after"] > drill["detected_within"]:
            why.append(f"seen after {shown['detected_after']} s, allowed are {drill['detected_within']}")
    elif not why:
        why.append(f"none of {', '.join(drill['signals'])} was seen")
    if times := [spread["max"] for spread in found.get("recovery", {}).values()]:
        shown["recovered_after"] = max(times)
        if shown["recovered_after"] > drill["recovered_within"]:
            why.append(f"recovered after {shown['recovered_after']} s, allowed are {drill['recovered_within']}")
    elif not why:
        why.append("nobody asked for a recovery")
    if not why and not (found.get("steady_before") and found.get("steady_after")):
        why.append("no steady state was observed")
    return shown | {"held": not why, "verdict": "held" if not why else "; ".join(line.splitlines()[0] for line in why)}


def cell(value, unit=""):
    return "-" if value is None else f"{value}{unit}"


def markdown(drills, results):
    lines = ["# Game day", "", "| drill | verdict | steady before / after | seen by, after | recovered after | lost / differing / copies |", "|---|---|---|---|---|---|"]
    for found in results:
        copies = found.get("copies")
        lines.append(
            f"| {found['drill']} | {'held' if found['held'] else 'skipped' if 'skipped' in found else 'NOT HELD'} "
            f"| {cell(found.get('steady_before'))} / {cell(found.get('steady_after'))} per s "
            f"| {found.get('detected_by', '-')}, {cell(found['detected_after'], ' s')} "
            f"| {cell(found['recovered_after'], ' s')} | {cell(found['lost'])} / {cell(found['differing'])} / {cell(copies)} |"
        )
    for found in results:
        drill = drills[found["drill"]]
        lines += [
            "",
            f"## {found['drill']}",
            "",
            f"- Hypothesis: {drill['hypothesis']}",
            f"- Blast radius: {drill['blast']}",
            f"- Abort: no verdict for {drill['abort']['silence']} s; halted for another reason than {drill['abort']['halts'] or 'none'}",
            f"- Verdict: {found['verdict']}",
            f"- Signals, seconds from the strike: {', '.join(f'{name} {after}' for name, after in found.get('detected', {}).items()) or 'none'}",
            f"- Recovery, seconds from the {drill['recovery_from']}: "
            + (", ".join(f"{kind} {spread['p50']} / {spread['max']}" for kind, spread in found.get("recovery", {}).items()) or "none")
            + " (p50 / max)",
            f"- In production: alert {drill['alert']}; " + (f"AWS FIS template {drill['fis']}" if drill.get("fis") else "no AWS FIS action"),
            *([f"- By hand: {drill['by_hand']}"] if drill.get("by_hand") else []),
            *([f"- Seen besides: {', '.join(f'{name} {number}' for name, number in found['notes'].items())}"] if found.get("notes") else []),
            f"- Run: seed {found['seed']}, {found['rate']} messages/s, {cell(found.get('judged'))} judged, {found['seconds']} s",
        ]
    return "\n".join(lines) + "\n"
