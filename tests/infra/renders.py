"""What the manifests become: the chart by environment, the platform and GitOps directories by kustomize, and the Applications that Argo CD makes.

Invariant: every check looks at the same bytes, those that a cluster would get. The renders of the environments are kept in
manifests/golden, so that a review shows what a change of the chart does; `python -m infra.renders` (scripts/render) makes them anew.
"""

import json
import sys
import tempfile
from pathlib import Path

import yaml

from infra.proof import ROOT, Bench, once

ENVIRONMENTS = ("dev", "staging", "prod-a", "prod-b")
CHART = ROOT / "manifests/chart/gavel"
GOLDEN = ROOT / "manifests/golden"
WATCHING = ("observability", "observability/logs", *(f"observability/collector/overlays/{sink}" for sink in ("jaeger", "datadog", "both")))
SCHEMAS = "1.36.0"  # of Kubernetes; the control plane that the other lane starts is of this line, too


class Loader(yaml.CSafeLoader):
    """Prometheus' definitions hold a bare `=`, which YAML 1.1 gives a meaning of its own."""


Loader.add_constructor("tag:yaml.org,2002:value", lambda _, node: node.value)


def documents(text):
    return [document for document in yaml.load_all(text, Loader=Loader) if document]


def values(environment):
    return ROOT / "manifests/envs" / environment / "values.yaml"


def portable():
    """Values for a Kubernetes and a Kafka of somebody else; they also reach the parts of the chart that no environment uses."""
    return sorted((CHART / "ci").glob("*-values.yaml"))


def chart(bench, *files, root=ROOT, sets=(), release="gavel", namespace="gavel"):
    command = [bench.tool("helm"), "template", release, root / "manifests/chart/gavel", "--namespace", namespace, "--kube-version", SCHEMAS]
    for file in files:
        command += ["--values", file]
    for one in sets:
        command += ["--set-json", one]
    return bench.run(*command).stdout


def charts(bench):
    """(name, text) of every committed set of values."""
    for environment in ENVIRONMENTS:
        yield environment, chart(bench, values(environment))
    for file in portable():
        yield file.stem, chart(bench, file)


def kustomized(bench, directory):
    return bench.run(bench.tool("kubectl"), "kustomize", ROOT / "manifests" / directory).stdout


def applications(bench, environment):
    """The Applications of an environment, with the patch of the ApplicationSet put in."""
    made = []
    for document in documents(kustomized(bench, f"gitops/argocd/{environment}")):
        if document["kind"] == "ApplicationSet":
            said = bench.run(bench.tool("evaluate", "applications"), text=json.dumps(document)).stdout
            for one in json.loads(said):
                spec = {**one["template"]["spec"], **yaml.load(one["patch"], Loader=Loader)["spec"]}
                metadata = {**one["template"]["metadata"], "namespace": document["metadata"]["namespace"]}
                made.append({"apiVersion": "argoproj.io/v1alpha1", "kind": "Application", "metadata": metadata, "spec": spec})
    return made


@once
def everything(bench):
    """[(name, documents)]: all that any cluster gets from this repository, charts of others aside."""
    every = [(f"chart-{name}", documents(text)) for name, text in charts(bench)]
    every += [(name.replace("/", "-"), documents(kustomized(bench, name))) for name in WATCHING]
    for environment in ENVIRONMENTS:
        every.append((f"platform-{environment}", documents(kustomized(bench, f"platform/{environment}"))))
        every.append((f"argocd-{environment}", documents(kustomized(bench, f"gitops/argocd/{environment}"))))
        every.append((f"applications-{environment}", applications(bench, environment)))
        every.append((f"flux-{environment}", documents(kustomized(bench, f"gitops/flux/{environment}"))))
    return every


def definitions(bench, kinds=None):
    """The CustomResourceDefinitions of the pinned projects; those of the kinds alone, if any are given: parsing all takes long."""
    for file in sorted(bench.home("crds").rglob("*.yaml")):
        text = file.read_text()
        if kinds is None or any(f"    kind: {kind}\n" in text for kind in kinds):
            for document in documents(text):
                if document.get("kind") == "CustomResourceDefinition" and (kinds is None or document["spec"]["names"]["kind"] in kinds):
                    yield document


def write_golden():
    with tempfile.TemporaryDirectory(prefix="gavel-renders.") as work:
        bench = Bench(work)
        for environment in ENVIRONMENTS:
            (GOLDEN / f"{environment}.yaml").write_text(chart(bench, values(environment)))
            print(Path("manifests/golden") / f"{environment}.yaml", file=sys.stderr)


if __name__ == "__main__":
    write_golden()
