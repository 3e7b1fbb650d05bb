"""Alerts, dashboards and Alertmanager's routes, each checked by what would refuse them where they run, and by mistakes that must be seen."""

import copy
import json
import shutil

from infra.observability import alertmanager, collector, dashboards, live, rules
from infra.observability.documents import documents
from infra.proof import Failed, check

# Spoilt rules, each with what must be said of it.
MISTAKES = [
    ("gavel_verdict_delay_second_count > 0", "is not exported"),
    ('gavel_partition_offset{kind="aknowledged"} > 0', "is ever `aknowledged`"),
    ('gavel_verdicts_total{reason="x"} > 0', "has no label `reason`"),
    ("sum by (topic) (gavel_partition_phase) > 0", "groups by `topic`"),
    ('gavel_verdict_delay_seconds_bucket{le="0.033"} > 0', "no bucket at 0.033"),
]


def none_of(found, what):
    found = list(found)
    if found:
        raise Failed(f"{what}:\n" + "\n".join(found))


@check("alert rules")
def alert_rules(bench):
    """promtool reads them; what they name is exported; each has an owner, an answer and a runbook that names it."""
    files = rules.rule_files(bench)
    for name in files:
        bench.run(bench.tool("prometheus", "promtool"), "check", "rules", bench.root / rules.RULES / name)
    none_of(rules.unknown_names(bench, files), "rules that name what is not there")
    none_of(rules.texts(bench, files), "labels and annotations")
    none_of(rules.untold_labels(bench, files, rules.test_files(bench)), "texts that show what is not there")
    for expression, said in MISTAKES:
        wrong = copy.deepcopy(files)
        next(rules.each(wrong, "alert"))[1]["expr"] = expression
        if not any(said in problem for problem in rules.unknown_names(bench, wrong)):
            raise Failed(f"a rule that asks for `{expression}` was let through")
    alerts, records = (sum(1 for _ in rules.each(files, kind)) for kind in ("alert", "record"))
    return f"{alerts} alerts and {records} recorded series, {len(MISTAKES)} mistakes seen"


@check("alert tests")
def alert_tests(bench):
    """Each alert fires when it should and is silent when it should be: and its tests notice if it never fires, and if it always does."""
    files, tests, place = rules.rule_files(bench), rules.test_files(bench), bench.directory("alert-tests")
    none_of((f"{name}: no tests" for name in files if name not in tests), "rules without tests")
    none_of((text for passed, text in rules.run_tests(bench, place, files, tests).values() if not passed), "tests")
    trials = 0
    most = max(sum(1 for _, rule in rules.each(files, "alert") if rule["alert"] == name) for name in {rule["alert"] for _, rule in rules.each(files, "alert")})
    for expression, silence in (("vector(0) > 1", False), ("vector(1)", True)):
        for nth in range(most):
            wrong, hit = rules.spoilt(files, nth, expression)
            for name, (_, text) in rules.run_tests(bench, place, wrong, tests).items():
                seen = {alert for alert, nothing in rules.failures(text) if nothing == silence}
                none_of((f"{name}: {alert} as `{expression}`: no test minds" for alert in hit[name] if alert not in seen), "alerts that are not tested")
                trials += len(hit[name])
    cases = sum(len(test.get("alert_rule_test", [])) for said in tests.values() for test in said["tests"])
    return f"{cases} cases; {trials} spoilt alerts, each seen by a test of its own"


@check("alert objects")
def alert_objects(bench):
    """The objects for Prometheus' operator hold the same rules, and say the same as plain files do."""
    rendered = (bench.root / rules.RENDERED).read_text()
    place = bench.directory("alert-objects")
    for part in ("scripts/render-alerts", rules.RULES):
        source, copied = bench.root / part, place / part
        copied.parent.mkdir(parents=True, exist_ok=True)
        (shutil.copytree if source.is_dir() else shutil.copy)(source, copied)
    docs = rendered.split("\n", 1)[0].rpartition(" ")[2]
    bench.run(place / "scripts/render-alerts", "--docs", docs, cwd=place)
    if (place / rules.RENDERED).read_text() != rendered:
        raise Failed(f"{rules.RENDERED} is not of these rules: scripts/render-alerts --docs {docs}")
    objects = documents(bench, rendered)
    for made in objects:
        plain = f"{made['metadata']['name'].removeprefix('gavel-')}.yaml"
        if made["kind"] != "PrometheusRule" or [g["name"] for g in made["spec"]["groups"]] != [g["name"] for g in rules.rule_files(bench)[plain]["groups"]]:
            raise Failed(f"{rules.RENDERED}: {made['metadata']['name']} does not hold the groups of {plain}")
        (place / plain).write_text(json.dumps(made["spec"]))
        bench.run(bench.tool("prometheus", "promtool"), "check", "rules", place / plain)
    listed = documents(bench, bench.run(bench.tool("kubectl"), "kustomize", bench.root / "manifests/observability").stdout)
    kinds = [f"{made['kind']}/{made['metadata']['name']}" for made in listed]
    boards = next(made for made in listed if made["metadata"]["name"] == "gavel-dashboards")
    if set(boards["data"]) != set(dashboards.boards(bench)):
        raise Failed("manifests/observability/kustomization.yaml does not list all dashboards")
    return f"{len(objects)} PrometheusRules; kustomize renders {len(kinds)} objects"


@check("dashboards")
def the_dashboards(bench):
    """Grafana's own schema takes them, promtool reads every query, and each names metrics and labels that are exported."""
    model, place = bench.tool("grafana-model"), bench.directory("dashboards")
    files, boards = rules.rule_files(bench), dashboards.boards(bench)
    known = rules.known_metrics(bench, files)
    bench.run(model, *(bench.root / dashboards.DASHBOARDS / name for name in boards))
    asked = []
    for name, board in boards.items():
        none_of((f"{name}: {fault}" for fault in dashboards.faults(bench, board, known)), "dashboards")
        asked += [{"record": "checked:query", "expr": dashboards.filled(query)} for _, query in dashboards.queries(board)]
    (place / "queries.yaml").write_text(json.dumps({"groups": [{"name": "queries", "rules": asked}]}))
    # Only reading counts here: promtool also minds that queries repeat.
    bench.run(bench.tool("prometheus", "promtool"), "check", "rules", "--lint=none", place / "queries.yaml")
    shown = {metric for board in boards.values() for _, query in dashboards.queries(board) for metric, _ in dashboards.selections(query)}
    used = {metric for _, rule in rules.each(files, "record") for metric, _ in dashboards.selections(rule["expr"])}
    unseen = {metric for metric in known if metric.startswith("gavel_") and not metric.endswith(("_sum", "_count"))} - shown - used
    none_of((f"`{metric}` is exported, and no dashboard shows it" for metric in sorted(unseen)), "metrics")
    trials = list(spoilt_boards(boards["gavel-overview.json"]))
    for what, board in trials:
        (place / "spoilt.json").write_text(json.dumps(board))
        refused = bench.run(model, place / "spoilt.json", ok=(0, 1)).returncode or any(dashboards.faults(bench, board, known))
        if not refused:
            raise Failed(f"a dashboard with {what} was let through")
    return f"{len(boards)} dashboards, {len(asked)} queries, {len(trials)} mistakes seen"


def spoilt_boards(board):
    def with_change(change):
        wrong = copy.deepcopy(board)
        change(wrong, next(panel for panel in wrong["panels"] if panel["type"] == "timeseries"))
        return wrong

    yield "a field that Grafana does not know", with_change(lambda board, panel: panel["options"].update(legendd={}))
    yield "a stacking that Grafana does not know", with_change(lambda board, panel: panel["fieldConfig"]["defaults"]["custom"]["stacking"].update(mode=3))
    yield "a metric that is not there", with_change(lambda board, panel: panel["targets"][0].update(expr="sum(gavel_verdict_totals)"))
    yield "a label that is not there", with_change(lambda board, panel: panel["targets"][0].update(expr='gavel_outputs_in_flight{lane="1", namespace=~"$namespace"}'))
    yield "a variable that is not there", with_change(lambda board, panel: panel["targets"][0].update(expr='gavel_outputs_in_flight{namespace=~"$ns"}'))
    yield "a panel without a description", with_change(lambda board, panel: panel.pop("description"))
    yield "a panel over another", with_change(lambda board, panel: panel["gridPos"].update(y=0))


@check("alertmanager")
def routes(bench):
    """amtool reads it, and routes as routes.txt says."""
    return alertmanager.routed(bench)


@check("alertmanager in action")
def in_action(bench):
    """A real Alertmanager tells a Slack of ours, and keeps consequences to itself."""
    return alertmanager.in_action(bench)


@check("collector", lane="control-plane")
def collectors(bench):
    """A real collector validates every overlay as rendered, refuses mistakes, and passes spans and log lines on."""
    tool = bench.tool("otelcol")
    refused = collector.validated(bench, tool)
    return f"{len(collector.TRACES)} overlays, {refused} mistakes refused; {collector.sampled(bench, tool)}; {collector.shipped(bench, tool)}"


@check("live metrics", lane="control-plane")
def live_metrics(bench):
    """Prometheus scrapes a processor that judges: rules and dashboards ask it without an error."""
    return live.evaluated(bench)
