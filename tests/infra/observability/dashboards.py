"""Dashboards: the model, what a reader needs, and what the queries name."""

import json
import re

from infra.observability.exported import TARGET, exported
from infra.observability.promql import problems, selections

DASHBOARDS = "manifests/observability/dashboards"
UNITS = {"s", "ops", "short", "percentunit", "bytes", "Bps"}
VARIABLE = re.compile(r"\$\{?(\w+)\}?")
BUILT_IN = {"__rate_interval", "__range", "__interval"}


def boards(bench):
    return {file.name: json.loads(file.read_text()) for file in sorted((bench.root / DASHBOARDS).glob("*.json"))}


def panels(board):
    return [panel for panel in board["panels"] if panel["type"] != "row"]


def queries(board):
    """(panel's title, query) of each panel, and of the annotations."""
    for panel in panels(board):
        for target in panel["targets"]:
            yield panel["title"], target["expr"]
    for annotation in board["annotations"]["list"]:
        if "expr" in annotation:
            yield annotation["name"], annotation["expr"]


def filled(query):
    """The query with a value for every variable, as Grafana would send it."""
    for name, value in {"__rate_interval": "1m", "__range": "1h", "__interval": "30s"}.items():
        query = query.replace(f"${name}", value)
    return VARIABLE.sub(".*", query)


def faults(bench, board, known):
    """Everything that a reader of this dashboard would stumble over."""
    seen = exported(bench.root)
    variables = {variable["name"] for variable in board["templating"]["list"]} | BUILT_IN
    ids = [panel["id"] for panel in board["panels"]]
    if len(set(ids)) < len(ids):
        yield "two panels have the same id"
    taken = set()
    for panel in board["panels"]:
        at = panel["gridPos"]
        cells = {(x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])}
        if taken & cells or at["x"] + at["w"] > 24:
            yield f"{panel['title']}: lies over another panel, or beyond the right edge"
        taken |= cells
    for panel in panels(board):
        title = panel["title"]
        if not panel.get("description", "").strip().endswith("."):
            yield f"{title}: no description"
        if panel["fieldConfig"]["defaults"].get("unit") not in UNITS:
            yield f"{title}: its unit is none of {sorted(UNITS)}"
        if len({target["refId"] for target in panel["targets"]}) < len(panel["targets"]) or not panel["targets"]:
            yield f"{title}: queries without names of their own"
        for thing in [panel, *panel["targets"]]:
            if thing["datasource"].get("uid") != "${datasource}":
                yield f"{title}: it is tied to one data source"
        values = [step["value"] for step in panel["fieldConfig"]["defaults"].get("thresholds", {}).get("steps", [])]
        if values and (values[0] is not None or values[1:] != sorted(values[1:])):
            yield f"{title}: thresholds do not ascend from nothing"
    for title, query in queries(board):
        for name in VARIABLE.findall(query):
            if name not in variables:
                yield f"{title}: there is no variable `{name}`"
        for problem in problems(query, known, seen, TARGET):
            yield f"{title}: {problem}"
        for name, matchers in selections(query):
            if name.startswith("gavel") and not any(label == "namespace" for label, _, _ in matchers):
                yield f"{title}: `{name}` is shown for all namespaces, whichever is chosen"
