"""Alert rules and their tests: read, stripped of their texts, spoilt on purpose."""

import copy
import json
import re

from infra.observability.documents import documents
from infra.observability.exported import OTHERS, OWN, TARGET, exported
from infra.observability.promql import problems, result_labels
from infra.proof import Failed

RULES = "manifests/observability/rules"
TESTS = "tests/infra/alerts"
RENDERED = "manifests/observability/prometheusrules.yaml"
RUNBOOKS = "docs/runbooks.md"
SEVERITIES, TEAMS = {"page", "ticket", "info"}, {"platform", "moderation"}
TEXTS = ("summary", "description", "runbook_url")


def rule_files(bench):
    """Name -> what it says, of each file of rules."""
    return {file.name: documents(bench, file.read_text())[0] for file in sorted((bench.root / RULES).glob("*.yaml"))}


def each(files, kind):
    for name, said in files.items():
        for group in said["groups"]:
            for rule in group["rules"]:
                if kind in rule:
                    yield name, rule


def known_metrics(bench, files, others=False):
    """Metric -> labels: exported ones, Prometheus' own, recorded ones in the order in which they build on each other."""
    known = {**exported(bench.root).labels, **OWN, **(OTHERS if others else {})}
    for _ in range(3):
        for _, rule in each(files, "record"):
            known[rule["record"]] = result_labels(rule["expr"], lambda name: known.get(name, set()) | TARGET)
    return known


def unknown_names(bench, files):
    """Every rule that names what is not there."""
    seen, known = exported(bench.root), known_metrics(bench, files, others=True)
    for kind in ("record", "alert"):
        for name, rule in each(files, kind):
            for problem in problems(rule["expr"], known, seen, TARGET):
                yield f"{name}: {rule[kind]}: {problem}"


def sections(bench):
    """Anchor -> text of each section of the runbooks."""
    text = (bench.root / RUNBOOKS).read_text()
    return {head.strip().lower().replace(" ", "-"): body for head, body in re.findall(r"^## (.+?)\n(.*?)(?=^## |\Z)", text, re.M | re.S)}


def halt_reasons(bench):
    return re.findall(r'HaltReason::\w+[^=]*=> "([a-z-]+)"', (bench.root / "processor/runtime/src/lane/phase.rs").read_text())


def texts(bench, files):
    """What is wrong with labels and annotations: a page at night leads to a section that says what to do."""
    runbooks, reasons = sections(bench), halt_reasons(bench)
    if len(reasons) < 10:
        raise Failed(f"only {len(reasons)} halt reasons were found in phase.rs")
    for name, rule in each(files, "alert"):
        alert, labels, said = rule["alert"], rule.get("labels", {}), rule.get("annotations", {})
        if labels.get("severity") not in SEVERITIES or labels.get("team") not in TEAMS:
            yield f"{name}: {alert}: severity is one of {sorted(SEVERITIES)} and team one of {sorted(TEAMS)}"
        for missing in [text for text in TEXTS if not said.get(text, "").strip()]:
            yield f"{name}: {alert}: no {missing}"
        anchor = said.get("runbook_url", "").partition("#")[2]
        for wanted in reasons if "{{" in anchor else [anchor]:
            if wanted not in runbooks:
                yield f"{name}: {alert}: {RUNBOOKS} has no section `{wanted}`"
            elif "{{" not in anchor and f"`{alert}`" not in runbooks[wanted]:
                yield f"{name}: {alert}: the section `{wanted}` of {RUNBOOKS} does not name the alert"


def untold_labels(bench, files, tests):
    """Texts that show a label which the alert does not have: tests say which it has, and promtool that they are right."""
    fired = {}
    for said in tests.values():
        for test in said["tests"]:
            for case in test.get("alert_rule_test", []):
                for alert in case["exp_alerts"]:
                    fired.setdefault(case["alertname"], []).append(set(alert["exp_labels"]))
    for name, rule in each(files, "alert"):
        shown = set(re.findall(r"\$labels\.(\w+)", " ".join(rule["annotations"].values())))
        for labels in fired.get(rule["alert"], []):
            if shown - labels - set(rule["labels"]):
                yield f"{name}: {rule['alert']} shows {sorted(shown - labels)}, which it does not have"
                break


def test_files(bench):
    return {file.name: documents(bench, file.read_text())[0] for file in sorted((bench.root / TESTS).glob("*.yaml"))}


def run_tests(bench, place, files, tests):
    """What promtool says of these rules under these tests, by file: (passed, text). Texts of alerts are left out of both."""
    said = {}
    for name, rules in files.items():
        rules = copy.deepcopy(rules)
        for _, rule in each({name: rules}, "alert"):
            rule.pop("annotations", None)
        (place / f"rules-{name}").write_text(json.dumps(rules))
        (place / name).write_text(json.dumps({**tests[name], "rule_files": [f"rules-{name}"]}))
        done = bench.run(bench.tool("prometheus", "promtool"), "test", "rules", place / name, cwd=place, ok=(0, 1))
        said[name] = (done.returncode == 0, done.stdout + done.stderr)
    return said


def spoilt(files, nth, expression):
    """The rules with the n-th rule of each alert's name spoilt, and which alerts that were."""
    files, hit = copy.deepcopy(files), {}
    for name, said in files.items():
        seen = {}
        for _, rule in each({name: said}, "alert"):
            seen[rule["alert"]] = seen.get(rule["alert"], 0) + 1
            if seen[rule["alert"]] == nth + 1:
                rule["expr"] = expression
                rule.pop("for", None)
                hit.setdefault(name, []).append(rule["alert"])
    return {name: files[name] for name in hit}, hit


def failures(text):
    """(alert, was nothing expected) of each test that failed."""
    for alert, expected in re.findall(r"alertname: (\w+), time: [^\n]*\n\s*exp:\[(.*?)got:\[", text, re.S):
        yield alert, "Labels" not in expected
