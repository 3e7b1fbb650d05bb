"""A real Prometheus that scrapes a real processor: every rule is evaluated and every query of every dashboard is answered.

What the fast lane reads out of the source is compared with /metrics here; so the reading cannot be wrong for long.
"""

import json
import re
import urllib.error
import urllib.parse
import urllib.request

from infra.observability import dashboards, rules
from infra.observability.exported import exported
from infra.observability.process import free_port, running, wait
from infra.proof import Failed

POLICY = """
[policy]
id = "watched"
topics = ["vulgar"]
[audience.default]
default = { flag = 2, mask = 3, block = 5 }
[[term]]
id = "vul-1"
match = ["darn"]
topic = "vulgar"
risk = 3
"""


def got(address):
    try:
        with urllib.request.urlopen(address, timeout=10) as answer:
            return answer.read().decode()
    except (urllib.error.HTTPError, OSError) as error:
        return error.read().decode() if isinstance(error, urllib.error.HTTPError) else ""


def evaluated(bench):
    gavel, place = bench.binary(), bench.directory("live-metrics")
    kafka = place / "kafka"
    try:
        servers = bench.run(bench.root / "scripts/kafka", "start", "--dir", kafka, "--heap", "384m").stdout.strip()
        return with_kafka(bench, gavel, place, servers)
    finally:
        bench.run(bench.root / "scripts/kafka", "stop", "--dir", kafka, ok=(0, 1, 3))


def with_kafka(bench, gavel, place, servers):
    http, port = free_port(), free_port()
    env = {"GAVEL_KAFKA_BOOTSTRAP_SERVERS": servers, "GAVEL_HTTP_LISTEN": f"127.0.0.1:{http}", "GAVEL_RUN_DATA_DIR": str(place / "data"),
           "GAVEL_RUN_EPOCH_MS": "500", "GAVEL_CHECKPOINTS_EVERY_MS": "1000"}
    (place / "policy.toml").write_text(POLICY)
    bench.run(gavel, "topics", "create", "--partitions", "4", env=env)
    for order in ("publish", "activate"):
        bench.run(gavel, "policy", order, place / "policy.toml", env=env)
    scrape = {"job_name": "gavel", "static_configs": [{"targets": [f"127.0.0.1:{http}"], "labels": {"namespace": "gavel", "pod": "gavel-0"}}]}
    setting = {"global": {"scrape_interval": "1s", "evaluation_interval": "1s"}, "rule_files": [f"{bench.root / rules.RULES}/*.yaml"], "scrape_configs": [scrape]}
    (place / "prometheus.yaml").write_text(json.dumps(setting))
    chat = "".join(json.dumps({"community": "arena", "channel": "lobby", "user": f"u{n}", "text": "well d4rn it"}) + "\n" for n in range(400))
    watch = (bench.tool("prometheus", "prometheus"), f"--config.file={place / 'prometheus.yaml'}", f"--storage.tsdb.path={place / 'tsdb'}", f"--web.listen-address=127.0.0.1:{port}")
    with running(place / "gavel.log", gavel, "run", env=env), running(place / "prometheus.log", *watch):
        wait(lambda: got(f"http://127.0.0.1:{http}/readyz").startswith("ready") or "gavel_partition_phase" in got(f"http://127.0.0.1:{http}/metrics"), "the processor is not ready", place / "gavel.log")
        api = f"http://127.0.0.1:{port}/api/v1"
        ask = lambda query: json.loads(got(f"{api}/query?query={urllib.parse.quote(query)}") or "{}")  # noqa: E731
        (place / "chat.jsonl").write_text(chat)
        value = lambda query: (ask(query).get("data", {}).get("result") or [{"value": [0, "0"]}])[0]["value"][1]  # noqa: E731

        def rising():
            # Again and again: a rate needs a rise between two scrapes.
            bench.run(gavel, "produce", place / "chat.jsonl", env=env)
            return value('count(gavel_partition_offset{kind="checkpoint"})') == "4" and float(value("gavel:verdicts:rate5m")) > 0

        wait(rising, "no rate and no checkpoint were recorded", place / "prometheus.log")
        compared = as_exported(bench, got(f"http://127.0.0.1:{http}/metrics"))
        said = wait(lambda: every_rule(api), "not every rule was evaluated", place / "prometheus.log")
        failed = [f"{rule['name']}: {rule['lastError']}" for rule in said if rule["health"] != "ok"]
        asked, filled = 0, 0
        for name, board in dashboards.boards(bench).items():
            for title, query in dashboards.queries(board):
                answer = ask(dashboards.filled(query))
                asked += 1
                if answer.get("status") != "success":
                    failed.append(f"{name}: {title}: {answer.get('error')}")
                filled += bool(answer.get("data", {}).get("result"))
        if ask("rate(gavel_verdicts_total)").get("status") != "error":
            failed.append("a query that cannot be is answered")
        if failed:
            raise Failed("\n".join(failed))
        if filled < asked * 0.6:
            raise Failed(f"only {filled} of {asked} queries have data")
    return f"{compared} metrics as the source says; {len(said)} rules evaluated; {asked} queries answered, {filled} with data"


def every_rule(api):
    said = json.loads(got(f"{api}/rules") or '{"data": {"groups": []}}')
    listed = [rule for group in said["data"]["groups"] for rule in group["rules"]]
    return listed if listed and all(rule["health"] != "unknown" for rule in listed) else None


def as_exported(bench, text):
    """How many metrics /metrics has; each with the labels that the source was read to give it."""
    known = exported(bench.root).labels
    seen = {}
    for name, inner in re.findall(r"^(gavel_\w+)(?:\{([^}]*)\})? ", text, re.M):
        seen.setdefault(name, set()).add(frozenset(re.findall(r'(\w+)="', inner)))
    for name, labels in seen.items():
        if name not in known or labels != {frozenset(known[name])}:
            raise Failed(f"/metrics has `{name}` with {[sorted(one) for one in labels]}, the source was read as {sorted(known.get(name, []))}")
    if len(seen) < 20:
        raise Failed(f"/metrics has only {sorted(seen)}")
    return len(seen)
