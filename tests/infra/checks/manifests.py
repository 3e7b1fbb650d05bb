"""The chart, the platform and their delivery, without a cluster: what they become is what is judged, and each judge is shown mistakes."""

import json
import re
from pathlib import Path

import yaml

from infra import mistakes, renders
from infra.proof import Failed, check

# (--set-json of one or more values on top of prod-a's, what the refusal names)
REFUSED_VALUES = [
    (['image.digest="latest"'], "image.digest"),
    (['image.repository="example.org/gavel:v1"'], "image.repository"),
    (["partitions=0"], "partitions"),
    (["replicas=6"], "replicas"),
    (["scaling.min=0"], "scaling.min"),
    (["scaling.min=7"], "must divide the 96 partitions"),
    (["scaling.max=96", "partitions=100"], "must divide the 100 partitions"),
    (['kafka.auth="plain"'], "kafka.auth"),
    (["kafka.bootstrapServers=[]"], "kafka.bootstrapServers"),
    (['settings.run={"lane": 2}'], "lane"),
    (['settings.run={"lanes": "two"}'], "settings.run.lanes"),
    (['settings.run={"context_bytes": 1}'], "context_bytes"),
    (["lifecycle.graceSeconds=300"], "lifecycle.graceSeconds"),
    (['state.volume="hostPath"'], "state.volume"),
    (['checkpoints.store=""'], "checkpoints.store"),
    (['load={"enabled": true, "slo": ["p99=30ms"]}'], "load.slo"),
    (['audit={"enabled": true, "reports": "s3://audits/gavel"}'], "audit.run"),
    (['kafka.auth="mtls"'], "kafka.mtls.issuer"),
]


@check("helm lint")
def lint(bench):
    files = [*map(renders.values, renders.ENVIRONMENTS), *renders.portable()]
    for file in files:
        bench.run(bench.tool("helm"), "lint", "--strict", renders.CHART, "--values", file)
    return f"{len(files)} sets of values"


@check("values schema")
def refused_values(bench):
    for sets, names in REFUSED_VALUES:
        command = [bench.tool("helm"), "template", "gavel", renders.CHART, "--values", renders.values("prod-a")]
        for one in sets:
            command += ["--set-json", one]
        done = bench.run(*command, ok=(0, 1))
        if done.returncode == 0:
            raise Failed(f"{sets} was rendered, but must be refused")
        if names not in done.stderr:
            raise Failed(f"{sets} was refused, but not because of `{names}`:\n{done.stderr}")
    return f"{len(REFUSED_VALUES)} mistakes refused"


@check("settings of the binary")
def settings(bench):
    """Every GAVEL_ variable that a pod gets is a setting; the binary ends at its start if one is not."""
    declared = (bench.root / "processor/runtime/src/config.rs").read_text()
    known = set(re.findall(r"^ {8}(\w+): [^=\n]+ = ", declared, re.MULTILINE))
    if len(known) < 30:
        raise Failed(f"only {len(known)} settings found in processor/runtime/src/config.rs: has its form changed?")
    seen = set()
    for name, text in renders.charts(bench):
        for document in renders.documents(text):
            for container in document.get("spec", {}).get("template", {}).get("spec", {}).get("containers", []):
                for variable in container["env"]:
                    found = re.fullmatch(r"GAVEL_([A-Z]+)_([A-Z_]+)", variable["name"])
                    if found and found[2].lower() not in known:
                        raise Failed(f"{name}: {variable['name']} is no setting of the binary")
                    seen.add(variable["name"])
    return f"{len(seen)} variables"


@check("golden renders")
def golden(bench):
    for environment in renders.ENVIRONMENTS:
        kept = renders.GOLDEN / f"{environment}.yaml"
        if not kept.exists() or kept.read_text() != renders.chart(bench, renders.values(environment)):
            name = kept.relative_to(bench.root)
            raise Failed(f"{name} is not what the chart renders: look at the difference after scripts/render, and commit it")
    isolated = {environment: (renders.GOLDEN / f"{environment}.yaml").read_text() for environment in ("prod-a", "prod-b")}
    for environment, text in isolated.items():
        for account in set(re.findall(r"\d{12}", renders.values("prod-b" if environment == "prod-a" else "prod-a").read_text())) - {"0" * 12}:
            if account in text:
                raise Failed(f"{environment} names account {account} of the other cluster")
    return f"{len(renders.ENVIRONMENTS)} environments"


def schemas(bench, kinds):
    """A directory of schemas for kubeconform: Kubernetes' own, and one for each version of each custom resource among the kinds."""
    place = bench.directory("schemas")
    where = bench.run(bench.tool("kubernetes-schemas", "python"), "-c", "import kubernetes_validate; print(kubernetes_validate.__path__[0])").stdout
    native = Path(where.strip()) / "kubernetes-json-schema" / f"v{renders.SCHEMAS}-local-strict"
    wanted = {kind.lower() for kind in kinds} | {"_definitions"}
    for file in native.glob("*.json"):
        if file.stem.split("-")[0] in wanted:
            # The published files point at each other by an address of their own.
            schema = json.loads(file.read_text().replace("/api/_definitions.json", "_definitions.json"))
            schema.pop("$id", None)
            (place / file.name).write_text(json.dumps(schema))
    count = 0
    for definition in renders.definitions(bench, kinds):
        for version in definition["spec"]["versions"]:
            schema = version["schema"]["openAPIV3Schema"]
            schema["properties"] |= {"apiVersion": {"type": "string"}, "kind": {"type": "string"}, "metadata": {"type": "object"}}
            name = f"{definition['spec']['names']['kind'].lower()}_{definition['spec']['group']}_{version['name']}.json"
            (place / name).write_text(json.dumps(strict(schema)))
            count += 1
    return place, count


def strict(schema):
    """A key that the definition does not know is an error here; the API server would only drop it. Alternatives (oneOf, …) only name
    what they are about."""
    properties = schema.get("properties", {})
    if properties and not schema.get("x-kubernetes-preserve-unknown-fields"):
        schema.setdefault("additionalProperties", False)
    for part in [*properties.values(), schema.get("items"), schema.get("additionalProperties")]:
        if isinstance(part, dict):
            strict(part)
    return schema


@check("kubeconform")
def conform(bench):
    work = bench.directory("conform")
    expected = {}
    every = []
    for name, documents in renders.everything(bench):
        every += documents
        (work / f"{name}.json").write_text(json.dumps({"apiVersion": "v1", "kind": "List", "items": documents}))
        expected[name] = len(documents)
    place, count = schemas(bench, {document["kind"] for document in every})
    command = [bench.tool("kubeconform"), "-strict", "-output", "json", "-summary", "-schema-location"]
    command += [f"{place}/{{{{ .ResourceKind }}}}{{{{ .KindSuffix }}}}.json", "-schema-location"]
    command += [f"{place}/{{{{ .ResourceKind }}}}_{{{{ .Group }}}}_{{{{ .ResourceAPIVersion }}}}.json"]
    done = json.loads(bench.run(*command, *sorted(work.glob("*.json"))).stdout)["summary"]
    if done["valid"] < sum(expected.values()) or done["skipped"]:
        raise Failed(f"{done} of {sum(expected.values())} documents")
    wrong = bench.directory("conform-wrong")
    for number, (_, kind, path, value, _) in enumerate(mistakes.SCHEMA):
        (wrong / f"{number}.json").write_text(json.dumps(mistakes.made(every, kind, path, value)))
    refused = json.loads(bench.run(*command, *sorted(wrong.glob("*.json")), ok=(1,)).stdout)["resources"]
    said = {Path(one["filename"]).stem: json.dumps(one) for one in refused if one["status"] == "statusInvalid"}
    for number, (what, _, _, _, names) in enumerate(mistakes.SCHEMA):
        if names not in said.get(str(number), ""):
            raise Failed(f"{what} was not refused: {said.get(str(number), 'it is valid')}")
    return f"{done['valid']} documents against {count} definitions and Kubernetes {renders.SCHEMAS}, {len(mistakes.SCHEMA)} mistakes refused"


@check("kube-score")
def score(bench):
    stricter = "container-memory-requests-equal-limits,container-ephemeral-storage-request-equals-limit"
    stricter += ",container-seccomp-profile,container-ports-check"
    command = [bench.tool("kube-score"), "score", "--kubernetes-version", "v1.33", "--ignore-container-cpu-limit", "--enable-optional-test"]
    command += [stricter, "--exit-one-on-warning", "--output-format", "ci", "-"]
    judged = 0
    texts = [text for _, text in renders.charts(bench)] + [renders.kustomized(bench, name) for name in renders.WATCHING]
    for text in texts:
        judged += bench.run(*command, text=text).stdout.count("[OK]")
    wrong = renders.documents(renders.chart(bench, renders.values("prod-a")))
    without = [document for document in wrong if document["kind"] != "PodDisruptionBudget"]
    if "PodDisruptionBudget" not in bench.run(*command, text=yaml.safe_dump_all(without), ok=(1,)).stdout:
        raise Failed("a StatefulSet without a PodDisruptionBudget was let through")
    return f"{judged} judgements"


@check("policies")
def policies(bench):
    work, wrong = bench.directory("policies"), bench.directory("policies-wrong")
    every = []
    for name, documents in renders.everything(bench):
        every += documents
        (work / f"{name}.yaml").write_text(yaml.safe_dump_all(documents))
    for number, (_, kind, path, value, _) in enumerate(mistakes.POLICY):
        (wrong / f"{number:02}.yaml").write_text(yaml.safe_dump(mistakes.made(every, kind, path, value)))
    for rules in sorted((bench.root / "manifests/observability/rules").glob("*.yaml")):
        (work / f"rules-{rules.name}").write_text(rules.read_text())
    command = [bench.tool("conftest"), "test", "--policy", bench.root / "tests/infra/policies", "--no-color"]
    bench.run(*command, work)
    refused = json.loads(bench.run(*command, "--output", "json", wrong, ok=(1,)).stdout)
    said = {Path(one["filename"]).stem: " ".join(failure["msg"] for failure in one.get("failures", [])) for one in refused}
    for number, (what, _, _, _, names) in enumerate(mistakes.POLICY):
        if names not in said.get(f"{number:02}", ""):
            raise Failed(f"{what} was not refused: {said.get(f'{number:02}') or 'nothing was said'}")
    return f"{len(every)} documents, {len(mistakes.POLICY)} mistakes refused"


def evaluate(bench, formula, triggers):
    text = json.dumps({"formula": formula, "triggers": [{"lag": lag, "rate": rate} for lag, rate in triggers]})
    return json.loads(bench.run(bench.tool("evaluate", "formula"), text=text).stdout)


@check("scaling formula")
def formula(bench):
    """Evaluated by the library that KEDA evaluates it with."""
    asked = 0
    for name, text in renders.charts(bench):
        all_of = renders.documents(text)
        spec = next(document for document in all_of if document["kind"] == "ScaledObject")["spec"]
        partitions = next(int(d["spec"]["template"]["spec"]["containers"][0]["args"][3]) for d in all_of if d["metadata"]["name"] == "gavel-topics")
        steps = sorted(set(evaluate(bench, spec["advanced"]["scalingModifiers"]["formula"], [(lag * 500, 0) for lag in range(2000)])))
        low, high = spec["minReplicaCount"], spec["maxReplicaCount"]
        if (steps[0], steps[-1]) != (low, high):
            raise Failed(f"{name}: the formula gives {steps}, but the bounds are {low} and {high}")
        if any(partitions % step for step in steps):
            raise Failed(f"{name}: {steps} do not all divide {partitions} partitions")
        policy = spec["advanced"]["horizontalPodAutoscalerConfig"]["behavior"]
        for at in steps:
            for wanted in steps:
                # What the autoscaler grants at once is a divisor, too, or the share of the partitions is uneven until the next step.
                up, down = policy["scaleUp"]["policies"][0]["value"], policy["scaleDown"]["policies"][0]["value"]
                granted = min(wanted, at + at * up // 100) if wanted > at else max(wanted, at - at * down // 100)
                if partitions % granted:
                    raise Failed(f"{name}: from {at} to {wanted} goes by way of {granted}, which does not divide {partitions}")
        asked += 2000
    spec = next(d for d in renders.documents(renders.chart(bench, renders.values("prod-a"))) if d["kind"] == "ScaledObject")["spec"]
    cases = [((0, 0), 6), ((0, 20_000), 6), ((0, 26_000), 8), ((0, 47_000), 12), ((0, 90_000), 24)]
    cases += [((100_000, 47_000), 16), ((300_000, 47_000), 48), ((9e9, 0), 48)]
    said = evaluate(bench, spec["advanced"]["scalingModifiers"]["formula"], [case for case, _ in cases])
    if said != [wanted for _, wanted in cases]:
        raise Failed(f"prod-a: {[case for case, _ in cases]} gives {said}")
    return f"{asked} lags, {len(cases)} cases: 47,000/s is {said[3]:.0f} replicas"


@check("gitops parity")
def parity(bench):
    """Argo CD and Flux deliver the same things, from paths that are there and render, at the versions whose definitions were checked."""
    for environment in renders.ENVIRONMENTS:
        argo, flux = from_argo(bench, environment), from_flux(bench, environment)
        if argo != flux:
            only = {name: (argo.get(name), flux.get(name)) for name in argo.keys() | flux.keys() if argo.get(name) != flux.get(name)}
            raise Failed(f"{environment}: Argo CD and Flux differ in {only}")
        for name, what in argo.items():
            for path in [*what.get("values", []), *([what["path"]] if "path" in what else [])]:
                there = bench.root / path
                if not there.exists():
                    raise Failed(f"{environment}: {name} names {path}, which is not there")
                if there.is_dir() and not any((there / file).exists() for file in ("kustomization.yaml", "Chart.yaml")):
                    raise Failed(f"{environment}: {name} names {path}, which nothing can render")
    pinned = (Path(__file__).parent.parent / "tools/crds/go.mod").read_text()
    modules = {"keda": "kedacore/keda/v2", "cert-manager": "cert-manager/cert-manager", "external-secrets": "external-secrets/external-secrets"}
    modules |= {"karpenter": "aws/karpenter-provider-aws", "istiod": "istio.io/api"}
    for name, module in modules.items():
        checked = re.search(rf"{re.escape(module)} v(\S+)", pinned)[1]
        if argo[name]["version"].lstrip("v") != checked:
            raise Failed(f"{name} is installed at {argo[name]['version']}, but its definitions were checked at {checked}")
    return f"{len(renders.ENVIRONMENTS)} environments, {len(argo)} applications each"


def from_argo(bench, environment):
    found = {}
    for application in renders.applications(bench, environment):
        source, *others = application["spec"]["sources"]
        name, what = application["metadata"]["name"], {"namespace": application["spec"]["destination"]["namespace"]}
        values = source.get("helm", {}).get("valueFiles", [])
        if "chart" in source:
            what |= {"repository": source["repoURL"], "chart": source["chart"], "version": source["targetRevision"]}
            if not any(other.get("ref") == "values" for other in others):
                raise Failed(f"{name}: its values have no source")
            values = [value.removeprefix("$values/") for value in values]
            values = [value for value in values if (bench.root / value).exists() or f"/{environment}/" not in value]
        else:
            what["path"] = source["path"]
            values = [str((bench.root / source["path"] / value).resolve().relative_to(bench.root)) for value in values]
        found[name] = what | ({"values": values} if values else {})
    return found


def from_flux(bench, environment):
    documents = renders.documents(renders.kustomized(bench, f"gitops/flux/{environment}"))
    repositories = {d["metadata"]["name"]: d["spec"]["url"].removeprefix("oci://") for d in documents if d["kind"] == "HelmRepository"}
    found = {}
    for document in documents:
        name, spec = document["metadata"]["name"], document["spec"] if "spec" in document else {}
        if document["kind"] == "HelmRelease":
            chart = spec["chart"]["spec"]
            what = {"namespace": spec["targetNamespace"]}
            if chart["sourceRef"]["kind"] == "HelmRepository":
                what |= {"repository": repositories[chart["sourceRef"]["name"]], "chart": chart["chart"], "version": chart["version"]}
                places = {"platform-values": "manifests/platform/values", "cluster-values": f"manifests/platform/{environment}/values"}
                what["values"] = [f"{places[one['name']]}/{one['valuesKey']}" for one in spec["valuesFrom"]]
            else:
                files = [file.removeprefix("./") for file in chart["valuesFiles"]]
                what |= {"path": chart["chart"].removeprefix("./"), "values": [file for file in files if not file.endswith("gavel/values.yaml")]}
            found[name] = what
        elif document["kind"] == "Kustomization":
            # Argo CD's own word for where things go that name no namespace.
            found[name] = {"namespace": spec.get("targetNamespace", "gavel"), "path": spec["path"].removeprefix("./")}
    return found


@check("rollback")
def rollback(bench):
    done = bench.run(bench.root / "scripts/rehearse-rollback", "--environment", "prod-a")
    return done.stdout.strip().splitlines()[-1]
