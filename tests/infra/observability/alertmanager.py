"""Alertmanager: routes by amtool, then the whole of it in action, with a Slack that listens on this machine.

What a person gets at night is the text, so that is what is looked at; and inhibition is known to nobody but the running process.
"""

import contextlib
import json
import re
import shutil
import subprocess
import time
import urllib.request
from pathlib import Path

from infra.observability import rules
from infra.observability.documents import documents
from infra.observability.process import free_port, running, sink, wait
from infra.proof import Failed, Unavailable

PLACE = "manifests/observability/alertmanager"
# (cause, consequences that it silences, alerts that it does not)
CLUSTER = {"cluster": "gavel-prod-a", "environment": "prod", "namespace": "gavel"}
SILENCED = [
    ({"alertname": "GavelDown", "severity": "page"}, {"alertname": "GavelBehind", "severity": "page"}),
    ({"alertname": "GavelPartitionHalted", "severity": "page", "partition": "7"}, {"alertname": "GavelCheckpointOld", "severity": "ticket", "partition": "7"}),
    ({"alertname": "GavelVerdictsSlow", "severity": "page", "window": "1h"}, {"alertname": "GavelVerdictsSlow", "severity": "ticket", "window": "3d"}),
]
HEARD = [
    ({"alertname": "GavelDown", "severity": "page"}, {"alertname": "GavelBehind", "severity": "page", "cluster": "gavel-prod-b"}),
    ({"alertname": "GavelPartitionHalted", "severity": "page", "partition": "7"}, {"alertname": "GavelCheckpointOld", "severity": "ticket", "partition": "8"}),
]


def routed(bench):
    tool, place = bench.tool("prometheus", "amtool"), bench.root / PLACE
    bench.run(tool, "check-config", place / "alertmanager.yaml")
    cases = 0
    for line in (place / "routes.txt").read_text().splitlines():
        if not line or line.startswith("#"):
            continue
        receiver, *labels = line.split()
        done = bench.run(tool, "config", "routes", "test", "--config.file", place / "alertmanager.yaml", f"--verify.receivers={receiver}", *labels, ok=(0, 1))
        if done.returncode:
            raise Failed(f"{PLACE}/routes.txt: `{line}` is heard by {done.stdout.strip()}")
        cases += 1
    wrong = bench.run(tool, "config", "routes", "test", "--config.file", place / "alertmanager.yaml", "--verify.receivers=digest", "severity=page", ok=(0, 1))
    if not wrong.returncode:
        raise Failed("amtool lets a page go to the digest")
    configured = documents(bench, (place / "alertmanager.yaml").read_text())[0]
    alerts = {rule["alert"] for _, rule in rules.each(rules.rule_files(bench), "alert")}
    for rule in configured["inhibit_rules"]:
        for matcher in rule["source_matchers"] + rule["target_matchers"]:
            for name in re.findall(r"Gavel\w+", matcher):
                if name not in alerts:
                    raise Failed(f"inhibition speaks of `{name}`, which is no alert")
    return f"{cases} routes"


# Debian's build reads its own templates from a place that is fixed at compile time: given to it in a mount namespace of its own.
INSTALLED = "/usr/share"
UNPACKED = 'mount -t tmpfs none "$0" && mkdir "$0/prometheus" && ln -s "$1" "$0/prometheus/alertmanager" && shift && exec "$@"'


def started(bench, *arguments):
    program = Path(bench.tool("prometheus", "alertmanager"))
    if (Path(INSTALLED) / "prometheus/alertmanager/default.tmpl").exists():
        return [program, *arguments]
    apart = ["unshare", "--map-root-user", "--mount"]
    if shutil.which("unshare") is None or subprocess.run([*apart, "true"], capture_output=True, check=False).returncode:
        raise Unavailable("Alertmanager is not installed here, and no mount namespace can be had for the one in the cache")
    return [*apart, "sh", "-c", UNPACKED, INSTALLED, program.parent.parent / "share/prometheus/alertmanager", program, *arguments]


def in_action(bench):
    place, port = bench.directory("alertmanager"), free_port()
    with sink(lambda path, body: (b"ok", {})) as (address, taken):
        (place / "url").write_text(f"{address}/")
        text = (bench.root / PLACE / "alertmanager.yaml").read_text()
        text = text.replace("/etc/alertmanager/secrets/alertmanager-slack/webhook", str(place / "url")).replace("/etc/alertmanager/config/", f"{bench.root / PLACE}/")
        (place / "alertmanager.yaml").write_text(re.sub(r"group_(wait|interval): \w+", r"group_\1: 1s", text))
        arguments = [f"--config.file={place / 'alertmanager.yaml'}", f"--storage.path={place / 'data'}", f"--web.listen-address=127.0.0.1:{port}", "--cluster.listen-address="]
        with running(place / "log", *started(bench, *arguments)):
            api = f"http://127.0.0.1:{port}/api/v2/alerts"
            wait(lambda: asked(api) is not None, "Alertmanager did not start", place / "log")
            for pairs, silent in ((SILENCED, True), (HEARD, False)):
                for cause, consequence in pairs:
                    both = [{**CLUSTER, **cause}, {**CLUSTER, **consequence}]
                    told(api, both)
                    wait(lambda both=both, silent=silent: inhibited(api, both[1]) == silent, f"{both[1]} beside {cause}: inhibited is not {silent}")
                    told(api, both, ended=True)
                    wait(lambda: not asked(api), "an alert that ended stays")
            halted = {**CLUSTER, "alertname": "GavelPartitionHalted", "severity": "page", "team": "platform", "reason": "store"}
            told(api, [{**halted, "partition": str(number)} for number in range(8)])
            messages = lambda: [json.loads(body) for _, body in taken if b"FIRING 8] GavelPartitionHalted" in body]  # noqa: E731
            wait(messages, "Slack was not told", place / "log")
            said = messages()
    message = said[-1]
    body, title = message["attachments"][0]["text"], message["attachments"][0]["title"]
    wanted = {"the channel": message["channel"] == "#gavel-oncall", "the title": title == "[FIRING 8] GavelPartitionHalted on gavel-prod-a",
              "five partitions": body.count("`partition=") == 5, "the rest as a number": "and 3 more" in body, "the description": "what to do" in body}
    missing = [what for what, there in wanted.items() if not there]
    if missing:
        raise Failed(f"Slack was not told {missing}:\n{json.dumps(message, indent=1)}")
    return f"{len(SILENCED)} consequences silenced, {len(HEARD)} others not, the page as Slack got it"


def asked(api):
    with contextlib.suppress(OSError), urllib.request.urlopen(f"{api}?active=true", timeout=5) as answer:
        return json.load(answer)
    return None


def told(api, alerts, ended=False):
    now = time.time()
    stamp = lambda at: time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(at))  # noqa: E731
    texts = {"summary": "a summary", "description": "what to do", "runbook_url": "https://gavel.example/docs/runbooks.md#store"}
    sent = [{"labels": labels, "annotations": texts, "startsAt": stamp(now - 60), "endsAt": stamp(now - 1 if ended else now + 600)} for labels in alerts]
    request = urllib.request.Request(api, json.dumps(sent).encode(), {"Content-Type": "application/json"}, method="POST")
    urllib.request.urlopen(request, timeout=5).close()


def inhibited(api, wanted):
    for alert in asked(api) or []:
        if all(alert["labels"].get(label) == value for label, value in wanted.items()):
            return bool(alert["status"]["inhibitedBy"])
    return None
