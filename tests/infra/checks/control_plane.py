"""The manifests against a real Kubernetes (see infra/cluster.py): what its API server, its scheduler and its autoscaler make of them."""

import json
import time
from collections import Counter

from infra import mistakes, renders
from infra.cluster import cluster, eventually, ready
from infra.proof import Failed, check

NAMESPACES = ("gavel", "keda", "argocd", "flux-system", "observability", "istio-system", "cert-manager")


@check("server-side dry run", lane="control-plane")
def dry_run(bench):
    here = cluster(bench)
    count = here.define({document["kind"] for _, documents in renders.everything(bench) for document in documents})
    here.namespaces(*NAMESPACES)
    tried, every = set(), []
    for name, documents in renders.everything(bench):
        # Restricted pod security is a label of the namespace, and warns about what the pods of a workload would violate.
        if restricted := [document for document in documents if document["kind"] == "Namespace"]:
            here.apply(restricted)
        fresh = [document for document in documents if (text := json.dumps(document, sort_keys=True)) not in tried and not tried.add(text)]
        every += fresh
        if fresh:
            done = here.apply(fresh, "--dry-run=server")
            if "warning" in done.stderr.lower():
                raise Failed(f"{name}: {done.stderr}")
    installed = [bench.tool("helm"), "install", "gavel", renders.CHART, "--kubeconfig", here.config, "--namespace", "gavel", "--dry-run=server"]
    if "gavel policy activate" not in bench.run(*installed, "--values", renders.values("prod-a")).stdout:
        raise Failed("the notes do not say how judging begins")
    for what, kind, path, value, names in mistakes.SERVER:
        done = here.apply([mistakes.made(every, kind, path, value)], "--dry-run=server", ok=(0, 1))
        if names not in done.stderr or done.returncode == 0:
            raise Failed(f"{what} was not refused: {done.stderr or 'it was let through'}")
    unsafe = mistakes.made(every, "StatefulSet", (*mistakes.POD, "hostNetwork"), True)
    if "would violate PodSecurity" not in here.apply([unsafe], "--dry-run=server").stderr:
        raise Failed("pod security did not see the host's network: is the namespace still restricted?")
    return f"{len(every)} documents, {count} definitions, {len(mistakes.SERVER) + 1} mistakes refused"


@check("spread and rollout", lane="control-plane")
def spread(bench):
    """Production's processors on six pretended nodes in three zones, by the real scheduler and controllers."""
    here = nodes(bench)
    without = ("Job", "ScaledObject", "TriggerAuthentication")
    here.apply([d for d in renders.documents(renders.chart(bench, renders.values("prod-a"))) if d["kind"] not in without])
    here.kubectl("--namespace", "gavel", "scale", "statefulset/gavel", "--replicas=6")
    eventually("six processors are ready", lambda: len(standing(here)) == 6, 120)
    zones = Counter(zone_of(pod) for pod in standing(here))
    hosts = Counter(pod["spec"]["nodeName"] for pod in standing(here))
    if set(zones.values()) != {2} or set(hosts.values()) != {1}:
        raise Failed(f"six processors stand in {dict(zones)}, on {dict(hosts)}")
    here.kubectl("--namespace", "gavel", "scale", "statefulset/gavel", "--replicas=7")
    eventually("the seventh waits for a node of its own", lambda: waits(here, "gavel-6"), 60)
    here.kubectl("--namespace", "gavel", "scale", "statefulset/gavel", "--replicas=6")
    eventually("the seventh is gone", lambda: len(pods(here)) == 6, 60)

    # A drain: while one is away, no other goes.
    here.kubectl("cordon", *hosts)
    eventually("the budget counts six", lambda: budget(here)["currentHealthy"] == 6 and budget(here)["disruptionsAllowed"] == 1, 60)
    evict(here, "gavel-0", ok=True)
    eventually("the evicted one waits for a node", lambda: waits(here, "gavel-0"), 60)
    evict(here, "gavel-1", ok=False)
    here.kubectl("uncordon", *hosts)
    eventually("six are ready again", lambda: len(standing(here)) == 6, 120)

    # A rollout: one after the other, from the last to the first.
    release = "sha256:" + "7" * 64
    rolled = renders.chart(bench, renders.values("prod-a"), sets=[f'image.digest="{release}"'])
    before = {pod["metadata"]["name"]: pod["metadata"]["uid"] for pod in pods(here)}
    here.apply([d for d in renders.documents(rolled) if d["kind"] == "StatefulSet"])
    least, until = 6, time.monotonic() + 180
    while time.monotonic() < until:
        now = standing(here)
        least = min(least, len(now))
        if len(now) == 6 and all(release in pod["spec"]["containers"][0]["image"] for pod in now):
            break
        time.sleep(0.1)
    else:
        raise Failed("the rollout did not end within 180 s")
    if least < 5:
        raise Failed(f"only {least} of 6 were ready during the rollout")
    if here.read("/apis/apps/v1/namespaces/gavel/statefulsets/gavel")["spec"]["replicas"] != 6:
        raise Failed("the rollout set the replicas back")
    if any(pod["metadata"]["uid"] == before[pod["metadata"]["name"]] for pod in pods(here)):
        raise Failed("a pod was not replaced")
    here.kubectl("--namespace", "gavel", "delete", "statefulset/gavel", "--wait=true")
    return f"zones {sorted(zones.values())}, one per node, a seventh waits; a second eviction refused; rollout with {least} of 6 ready at least"


def nodes(bench):
    here = cluster(bench)
    if "kwok" not in here.running:
        keda = {"ScaledObject", "ScaledJob", "TriggerAuthentication", "ClusterTriggerAuthentication", "CloudEventSource", "ClusterCloudEventSource"}
        here.define({"ServiceMonitor", "AuthorizationPolicy", *keda})
        here.namespaces("gavel")
        taint = [{"key": "dedicated", "value": "gavel", "effect": "NoSchedule"}]
        made = [(f"{zone}{number}", f"eu-west-1{zone}", {"dedicated": "gavel"}, taint) for zone in "abc" for number in (1, 2)]
        here.pretend(made, except_label="app.kubernetes.io/instance=live")
    return here


def pods(here, instance="gavel"):
    selector = f"app.kubernetes.io/instance={instance},app.kubernetes.io/component=processor"
    return here.read(f"/api/v1/namespaces/gavel/pods?labelSelector={selector}")["items"]


def standing(here):
    return [pod for pod in pods(here) if ready(pod) and not pod["metadata"].get("deletionTimestamp")]


def waits(here, name):
    pod = next((pod for pod in pods(here) if pod["metadata"]["name"] == name), None)
    return pod and not pod["spec"].get("nodeName") and any(c.get("reason") == "Unschedulable" for c in pod["status"].get("conditions", []))


def zone_of(pod):
    return pod["spec"]["nodeName"][0]


def budget(here):
    return here.read("/apis/policy/v1/namespaces/gavel/poddisruptionbudgets/gavel")["status"]


def evict(here, name, ok):
    order = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": name, "namespace": "gavel"}}
    done = here.kubectl("create", "--raw", f"/api/v1/namespaces/gavel/pods/{name}/eviction", "-f", "-", text=json.dumps(order), ok=(0, 1))
    if (done.returncode == 0) != ok:
        raise Failed(f"the eviction of {name} was {'refused' if ok else 'let through'}: {done.stderr or done.stdout}")
    if not ok and "disruption budget" not in done.stderr:
        raise Failed(f"the eviction of {name} was refused for another reason: {done.stderr}")
