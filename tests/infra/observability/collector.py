"""The collectors as the overlays render them: what a pod would be given is given to a real collector, and something is sent through it."""

import contextlib
import hashlib
import json
import time
import urllib.request

from infra.observability.documents import documents
from infra.observability.process import free_port, running, sink, wait
from infra.proof import Failed

PLACE = "manifests/observability"
TRACES = ("jaeger", "datadog", "both")


def rendered(bench, part):
    """(files of the configuration, arguments of the collector) of an overlay."""
    made = documents(bench, bench.run(bench.tool("kubectl"), "kustomize", bench.root / PLACE / part).stdout)
    workload = next(one for one in made if one["kind"] in ("Deployment", "DaemonSet"))
    pod = workload["spec"]["template"]["spec"]
    mounted = next(volume["configMap"]["name"] for volume in pod["volumes"] if "configMap" in volume)
    files = next(one["data"] for one in made if one["kind"] == "ConfigMap" and one["metadata"]["name"] == mounted)
    named = [argument.removeprefix("--config=/conf/") for argument in pod["containers"][0]["args"]]
    if sorted(named) != sorted(files):
        raise Failed(f"{part}: the pod reads {named}, its ConfigMap holds {sorted(files)}")
    return files, named


def configured(place, files, named, *more):
    place.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (place / name).write_text(text)
    return [f"--config={place / name}" for name in named] + [f"--config=yaml:{one}" for one in more]


def validated(bench, collector):
    """How many mistakes were refused beside what was accepted."""
    place = bench.directory("collector")
    for overlay in TRACES:
        bench.run(collector, "validate", *configured(place / overlay, *rendered(bench, f"collector/overlays/{overlay}")))
    files, named = rendered(bench, "collector/overlays/both")
    base = (bench.root / PLACE / "collector/base/collector.yaml").read_text()
    mistakes = {
        "no exporter": ({"collector.yaml": base}, ["collector.yaml"]),
        "a misspelt policy": ({**files, "collector.yaml": base.replace("status_codes:", "statuses:")}, named),
        "a processor that is not there": ({**files, "collector.yaml": base.replace("tail_sampling, batch]", "tail_samplign, batch]")}, named),
        "a misspelt queue": ({**files, "jaeger.yaml": files["jaeger.yaml"].replace("queue_size", "queue_length")}, named),
    }
    for what, (wrong, names) in mistakes.items():
        if not bench.run(collector, "validate", *configured(place / "wrong", wrong, names), ok=(0, 1)).returncode:
            raise Failed(f"a collector with {what} was let through")
    return len(mistakes)


def sampled(bench, collector):
    """Spans through the rendered configuration to a sink: errors and slow ones arrive, and a tenth of the others."""
    place, otlp = bench.directory("collector-traces"), free_port()
    files, named = rendered(bench, "collector/overlays/datadog")
    local = (f"receivers::otlp::protocols::http::endpoint: 127.0.0.1:{otlp}", f"receivers::otlp::protocols::grpc::endpoint: 127.0.0.1:{free_port()}",
             f"extensions::health_check::endpoint: 127.0.0.1:{free_port()}", "processors::tail_sampling::decision_wait: 1s", "service::telemetry::metrics::level: none")
    with sink() as (address, taken), running(place / "log", collector, *configured(place, files, named, *local), env={"DATADOG_ENDPOINT": address}):
        spans = [span(0, "failed-verdict", 2, failed=True), span(1, "late-verdict", 45)] + [span(n, "quick-verdict", 3) for n in range(2, 402)]
        wait(lambda: posted(f"http://127.0.0.1:{otlp}/v1/traces", spans), "the collector took no spans", place / "log")
        count = lambda name: sum(body.count(name) for _, body in taken)  # noqa: E731
        wait(lambda: count(b"failed-verdict") and count(b"late-verdict") and count(b"quick-verdict"), "errors and slow spans did not arrive", place / "log")
        time.sleep(3)
        quick = count(b"quick-verdict")
        if not 5 <= quick <= 100 or count(b"failed-verdict") != 1 or count(b"late-verdict") != 1:
            raise Failed(f"of 400 quick spans {quick} arrived, of one error {count(b'failed-verdict')}, of one slow {count(b'late-verdict')}")
    return f"an error and a slow span arrived, and {quick} of 400 others"


def span(number, name, milliseconds, failed=False):
    began = 1_760_000_000_000_000_000
    return {"traceId": hashlib.sha256(str(number).encode()).hexdigest()[:32], "spanId": f"{number + 1:016x}", "name": name, "kind": 4,
            "startTimeUnixNano": str(began), "endTimeUnixNano": str(began + milliseconds * 1_000_000), "status": {"code": 2 if failed else 1}}


def posted(address, spans):
    body = {"resourceSpans": [{"resource": {"attributes": []}, "scopeSpans": [{"scope": {"name": "gavel"}, "spans": spans}]}]}
    request = urllib.request.Request(address, json.dumps(body).encode(), {"Content-Type": "application/json"}, method="POST")
    with contextlib.suppress(OSError), urllib.request.urlopen(request, timeout=5) as answer:
        return answer.status == 200
    return False


def bulk(path, body):
    """As Elasticsearch would answer."""
    headers = {"X-Elastic-Product": "Elasticsearch", "Content-Type": "application/json"}
    items = [{"create": {"status": 201}} for line in body.splitlines() if line.startswith(b'{"create"')]
    return json.dumps({"took": 1, "errors": False, "items": items}).encode(), headers


def shipped(bench, collector):
    """A line of Gavel's log in a container's file arrives as a document with its level, time and fields."""
    place = bench.directory("collector-logs")
    files, named = rendered(bench, "logs")
    pod = place / "pods/gavel_gavel-0_00000000-0000-0000-0000-000000000000/gavel"
    pod.mkdir(parents=True)
    (place / "positions").mkdir()
    line = {"timestamp": "2026-11-22T01:34:39.349431Z", "level": "WARN", "fields": {"message": "restore failed; it is tried again", "partition": 7}, "target": "gavel_runtime"}
    (pod / "0.log").write_text(f"2026-11-22T01:34:39.349500000Z stderr F {json.dumps(line)}\n2026-11-22T01:34:40.0Z stderr F not JSON at all\n")
    local = (f"extensions::health_check::endpoint: 127.0.0.1:{free_port()}", f"extensions::file_storage::directory: {place / 'positions'}",
             "receivers::file_log::start_at: beginning", "service::telemetry::metrics::level: none")
    with sink(bulk) as (address, taken):
        env = {"ELASTICSEARCH_ENDPOINT": address, "ELASTICSEARCH_API_KEY": "key", "LOGS_GLOB": f"{place}/pods/gavel_gavel-*/*/*.log"}
        with running(place / "log", collector, *configured(place, files, named, *local), env=env):
            wait(lambda: b"not JSON" in b"".join(body for _, body in taken), "no document arrived", place / "log")
    lines = [json.loads(one) for _, body in taken for one in body.splitlines()]
    document = next(one for one in lines if "restore failed" in json.dumps(one))
    wanted = {"body.text": "restore failed; it is tried again", "attributes.partition": 7, "severity_text": "WARN", "@timestamp": "1795311279349.431000",
              "resource.attributes.k8s.pod.name": "gavel-0", "resource.attributes.service.name": "gavel"}
    flat = dict(flattened(document))
    missing = {name: value for name, value in wanted.items() if flat.get(name) != value}
    if not any(one.get("create", {}).get("_index") == "logs-gavel.otel-default" for one in lines):
        missing["_index"] = "logs-gavel.otel-default"
    if missing:
        raise Failed(f"the document lacks {missing}: {json.dumps(document)}")
    return f"{len(flat)} fields of a line arrived in Elasticsearch's form"


def flattened(value, before=""):
    for name, inner in value.items():
        if isinstance(inner, dict):
            yield from flattened(inner, f"{before}{name}.")
        else:
            yield f"{before}{name}", inner
