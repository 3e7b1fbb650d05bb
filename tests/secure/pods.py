"""What a processor and an audit do in a cluster, besides coming in: traces, log lines that change, reports that pods share."""

import http.server
import json
import threading
import time

from confluent_kafka import Producer

from chaos.bucket import BUCKET, Bucket
from harness import Failure, await_progress

TRACE, PARENT = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
SILENT = "0af7651916cd43dd8448eb211c80319c"


class Collector(http.server.ThreadingHTTPServer):
    """Takes OTLP over HTTP, and keeps the spans."""

    def __init__(self):
        self.spans = []
        super().__init__(("127.0.0.1", 0), Requests)

    def __enter__(self):
        threading.Thread(target=self.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_):
        self.shutdown()
        self.server_close()

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_address[1]}"


class Requests(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if self.path == "/v1/traces" and self.headers["Content-Type"] == "application/json":
            for resource in body["resourceSpans"]:
                for scope in resource["scopeSpans"]:
                    self.server.spans += scope["spans"]
        self.send_response(200)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"{}")

    def log_message(self, *_):
        pass


def a_trace_goes_from_message_to_verdict(site):
    """The span is the sender's child, only what the sender samples is traced, and a collector that is gone holds nothing up."""
    with Collector() as collector:
        settings = site.gavel.work / "settings.toml"
        settings.write_text('[log]\nfilter = "info"\n')
        site.become(site.broker.by_scram("worker"), GAVEL_CONFIG=str(settings), GAVEL_TRACES_ENDPOINT=collector.url)
        processor = site.gavel.run("traced", "run")
        before = site.verdicts()
        producer = Producer({**site.broker.by_scram("producer"), "partitioner": "murmur2"})
        for flags, trace in (("01", TRACE), ("00", SILENT)):
            value = json.dumps({"community": "arena", "user": "ada", "text": "hello"}).encode()
            header = f"00-{trace}-{PARENT}-{flags}"
            producer.produce(site.topics["messages"], value, key="arena/ada", headers={"traceparent": header})
        producer.flush(20)
        await_progress(lambda: len(collector.spans), 1, processor)
        await_progress(site.verdicts, before + 2, processor)
        time.sleep(2)  # a span too many would come with the next batch
        (span, *more) = collector.spans
        attributes = {one["key"]: one["value"] for one in span["attributes"]}
        right = (span["traceId"], span["parentSpanId"]) == (TRACE, PARENT) and not more
        took = int(span["endTimeUnixNano"]) - int(span["startTimeUnixNano"])
        if not right or took <= 0 or attributes["gavel.action"] != {"stringValue": "allow"}:
            raise Failure(f"the spans are not those that the sender asked for: {collector.spans}")
    site.say_something(3)
    await_progress(site.verdicts, before + 5, processor)
    log_lines_change_without_a_restart(settings, processor)
    processor.terminate(within=30)


def log_lines_change_without_a_restart(settings, processor):
    text = processor.log.read_text
    settings.write_text('[log]\nfilter = "debug"\n')
    await_progress(lambda: "from now on other lines are logged" in text() and " DEBUG " in text(), 1, processor)
    settings.write_text('[log]\nfilter = "gavel=loud=5"\n')
    await_progress(lambda: "the one before stays" in text(), 1, processor)
    settings.write_text('[log]\nfilter = "info"\n[run]\nlanes = 3\n')
    await_progress(lambda: "in force after a restart" in text(), 1, processor)


def an_audit_is_split_over_pods(site):
    """Each pod writes its report into a bucket; one merges them."""
    with Bucket(site.gavel.work / "audits", seed=1) as bucket:
        site.become(site.broker.by_scram("auditor"), **bucket.environment)
        place = f"s3://{BUCKET}/audits/monday"
        for partition in range(4):
            for _attempt in (1, 2):  # a pod that is started again replaces its report
                site.gavel.call("replay", "verify", "--partitions", partition, "--report", f"{place}/part-{partition}.json")
        site.gavel.call("replay", "merge", f"{place}/", "--report", f"{place}.json")
        merged = json.loads((bucket.root / "audits/monday.json").read_text())
        partitions = [one["partition"] for one in merged["partitions"]]
        if partitions != [0, 1, 2, 3]:
            raise Failure(f"the merged report is about the partitions {partitions}")
        try:
            site.gavel.call("replay", "merge", f"{place}-nowhere/")
        except Failure as failure:
            if "there are no objects" not in str(failure):
                raise
        else:
            raise Failure("nothing was merged, and that was called an audit")
