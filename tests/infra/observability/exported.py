"""What the binary exports, read from the one place that says it: processor/runtime/src/telemetry.rs.

Invariant: every constant there is found with its kind and its labels, or the reading fails; so a change of how metrics are declared breaks this
loudly instead of leaving queries unchecked.
"""

import re
from dataclasses import dataclass

from infra.proof import Failed

SOURCE = "processor/runtime/src/telemetry.rs"
# What a scrape adds, and what whoever scrapes Kubernetes adds.
TARGET = {"namespace", "pod", "instance", "job"}
# What Prometheus itself has, and what other exporters of a cluster give; only alerts may use the latter.
OWN = {"up": set(), "ALERTS": {"alertname", "alertstate", "severity"}}
OTHERS = {
    # KEDA 2.20, pkg/metricscollector/prommetrics.go
    "keda_scaler_metrics_value": {"scaledObject", "scaler", "metric", "triggerIndex", "type"},
    "keda_scaled_object_errors_total": {"scaledObject"},
    # kube-state-metrics 2, kubelet
    "kube_horizontalpodautoscaler_status_current_replicas": {"horizontalpodautoscaler"},
    "kube_horizontalpodautoscaler_spec_max_replicas": {"horizontalpodautoscaler"},
    "kube_job_failed": {"job_name", "condition"},
    "kubelet_volume_stats_available_bytes": {"persistentvolumeclaim"},
    "kubelet_volume_stats_capacity_bytes": {"persistentvolumeclaim"},
}


@dataclass(frozen=True)
class Exported:
    labels: dict  # metric, as it stands in /metrics -> set of its labels
    words: set  # every string that the code may give a label
    buckets: set  # of the delay, as Prometheus writes them


def exported(root):
    text = (root / SOURCE).read_text()
    named = dict(re.findall(r'^pub const (\w+): &str = "(gavel_\w+)";', text, re.M))
    labels = {}
    for kind, constant, rest in re.findall(r"\b(counter|gauge|single|histogram)\(\s*([A-Z_]+),(.*?)\)\?[,;]", text, re.S):
        listed = re.search(r"&\[(.*?)\]", rest, re.S)
        found = set(re.findall(r'"(\w+)"', listed.group(1))) if listed else set()
        if kind == "histogram":
            labels |= {f"{named[constant]}_bucket": found | {"le"}, f"{named[constant]}_sum": found, f"{named[constant]}_count": found}
        else:
            labels[named[constant]] = found
        named.pop(constant)
    if named:
        raise Failed(f"{SOURCE}: it is not seen how these are registered: {sorted(named.values())}")
    words = set()
    for crate in ("processor/runtime/src", "processor/judge/src", "schemas/src"):
        for file in (root / crate).rglob("*.rs"):
            words |= set(re.findall(r'"([\w-]+)"', file.read_text()))
    buckets = re.search(r"fn delay_buckets.*?vec!\[(.*?)\]", text, re.S)
    return Exported(labels, words, {f"{float(edge):g}" for edge in buckets.group(1).split(",") if edge.strip()})
