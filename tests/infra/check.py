"""Runs the checks of what Gavel is deployed with and prints one line per item: what proved it.

Invariant: an item without an artefact that is there, or without a check that ran and could have failed, fails the run. Items of another
lane are named with the lane that proves them; checks that cannot run on this machine are skipped loudly and counted.
"""

import argparse
import importlib
import pkgutil
import sys
import tempfile
import time
import traceback
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from infra import checks
from infra.proof import CHECKS, LANES, ROOT, Bench, Failed, Unavailable
from infra.tools import tomllib

ITEMS = Path(__file__).resolve().parent / "items"
PAGE = ROOT / "docs" / "operations" / "proofs.md"


@dataclass(frozen=True)
class Item:
    area: str
    name: str
    artefacts: tuple
    checks: tuple

    def problems(self):
        if not self.checks:
            yield "no check proves it"
        for name in self.checks:
            if name not in CHECKS:
                yield f"there is no check named `{name}`"
        if not self.artefacts:
            yield "it has no artefact"
        for artefact in self.artefacts:
            if not list(ROOT.glob(artefact)):
                yield f"`{artefact}` is not there"


def items():
    """In the order of the files and within them."""
    for file in sorted(ITEMS.glob("*.toml")):
        listed = tomllib.loads(file.read_text())
        for item in listed["item"]:
            unknown = set(item) - {"name", "artefacts", "checks"}
            if unknown:
                raise SystemExit(f"{file}: unknown keys {sorted(unknown)}")
            yield Item(listed["area"], item["name"], tuple(item["artefacts"]), tuple(item["checks"]))


def load_checks():
    for module in pkgutil.iter_modules(checks.__path__):
        if not module.name.startswith("test_"):
            importlib.import_module(f"infra.checks.{module.name}")


class Run:
    """Each check at most once, whatever number of items it proves.

    Those of the fast lane run two at a time, since most of them wait for one process of one core. Those of the other lane share a cluster
    and measure times: they run alone, and after the fast ones.
    """

    def __init__(self, bench, lanes, wanted):
        self.bench, self.lanes = bench, lanes
        wanted = [name for name in dict.fromkeys(wanted) if name in CHECKS and CHECKS[name].lane in lanes]
        together, alone = ThreadPoolExecutor(2), ThreadPoolExecutor(1)
        fast = {name: together.submit(self.result, name) for name in wanted if CHECKS[name].lane == "fast"}
        slow = {name: alone.submit(self.result, name, fast.values()) for name in wanted if CHECKS[name].lane != "fast"}
        self.results = fast | slow

    def result(self, name, after=()):
        for one in after:
            one.result()
        began = time.monotonic()
        try:
            found = ("ok", CHECKS[name].run(self.bench))
        except Failed as failed:
            found = ("FAILED", str(failed))
        except Unavailable as missing:
            found = ("skipped", str(missing))
        except Exception:  # the check itself is wrong: the others are still worth their answers
            found = ("FAILED", traceback.format_exc())
        print(f"      {name}: {found[0]}, {time.monotonic() - began:.1f} s", file=sys.stderr, flush=True)
        return found

    def of(self, name):
        """(`ok`, `FAILED`, `skipped` or `elsewhere`, what there is to say)."""
        if name not in self.results:
            return "elsewhere", f"scripts/check-infra {CHECKS[name].lane}"
        return self.results[name].result()


def judge(item, run):
    """The word for the item and the lines to print under it."""
    problems = list(item.problems())
    if problems:
        return "FAILED", problems
    words, lines = set(), []
    for name in item.checks:
        word, said = run.of(name)
        words.add(word)
        first, *rest = said.splitlines() or [""]
        lines.append(f"{name}: {word if word != 'ok' else ''}{' ' if word != 'ok' else ''}{first}")
        if word == "FAILED":
            lines.extend(f"    {line}" for line in rest)
    for word in ("FAILED", "skipped", "ok"):
        if word in words:
            return word, lines
    return "elsewhere", lines


def table():
    """The items as Markdown, for the page that lists them."""
    lines, area = [], None
    for item in items():
        if item.area != area:
            area = item.area
            lines += ["", f"## {area}", "", "| item | artefact | check |", "|---|---|---|"]
        artefacts = ", ".join(f"`{artefact}`" for artefact in item.artefacts)
        proofs = ", ".join(name + ("" if CHECKS[name].lane == "fast" else f" ({CHECKS[name].lane})") for name in item.checks)
        lines.append(f"| {item.name} | {artefacts} | {proofs} |")
    return "\n".join(lines) + "\n"


def page():
    """The page with its table made anew: what stands above the first heading of second order is kept."""
    head = PAGE.read_text().split("\n## ", 1)[0].rstrip("\n")
    return head + "\n" + table()


def main():
    parser = argparse.ArgumentParser(prog="scripts/check-infra", description=__doc__.split("\n\n", 1)[0])
    parser.add_argument("lane", nargs="?", default="fast", choices=[*LANES, "all"], help="default: fast")
    parser.add_argument("--item", default="", metavar="TEXT", help="only items whose name contains it")
    parser.add_argument("--work", help="keep what the checks write in this directory")
    parser.add_argument("--write-page", action="store_true", help=f"make the table of {PAGE.relative_to(ROOT)} anew, and end")
    args = parser.parse_args()
    load_checks()
    if args.write_page:
        PAGE.write_text(page())
        return 0
    lanes = LANES if args.lane == "all" else (args.lane,)
    counts = dict.fromkeys(("ok", "elsewhere", "skipped", "FAILED"), 0)
    with tempfile.TemporaryDirectory(prefix="gavel-infra.") as passing:
        chosen = [item for item in items() if args.item.lower() in item.name.lower()]
        run = Run(Bench(args.work or passing), lanes, [name for item in chosen for name in item.checks])
        for item in chosen:
            word, lines = judge(item, run)
            counts[word] += 1
            proof = "; ".join(lines) if word in ("ok", "elsewhere") else "\n      ".join(["", *lines])
            print(f"{word:9} {item.name}: {proof}", flush=True)
    if not args.item and args.lane != "control-plane" and PAGE.read_text() != page():
        print(f"FAILED    {PAGE.relative_to(ROOT)} is not of these items: scripts/check-infra --write-page")
        counts["FAILED"] += 1
    print(f"{counts['ok']} proven, {counts['elsewhere']} proven by another lane, {counts['skipped']} skipped, {counts['FAILED']} failed")
    if counts["skipped"]:
        print("SKIPPED: not everything could be checked on this machine; the reasons stand above", file=sys.stderr)
    return 1 if counts["FAILED"] else 0


if __name__ == "__main__":
    sys.exit(main())
