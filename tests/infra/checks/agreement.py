"""Names that one part of the tree gives and another one takes: Terraform, the manifests, the alerts.

Invariant: neither side is asked what the other one is called. Both are rendered, and what should be the same is compared; a spoilt copy of
either side must be seen.
"""

import base64
import copy
import functools
import re

import yaml

from infra import renders
from infra.checks.terraform import environments
from infra.observability import rules
from infra.opentofu import var_files
from infra.proof import Failed, check

OTHERS_ACCOUNTS = {"keda-operator"}  # the account that KEDA's chart makes; its values do not name it
DOCS = "blob/main/docs"  # where a forge shows a page of the repository


def the(documents, kind, name):
    for document in documents:
        if document["kind"] == kind and document["metadata"]["name"] == name:
            return document
    raise Failed(f"there is no {kind} {name}")


def unchanged(text):
    return text


def platform(bench, environment, change=unchanged):
    return renders.documents(change(renders.kustomized(bench, f"platform/{environment}")))


def addon(bench, environment, name, change=unchanged):
    """Values of an add-on's chart, the environment's over the common ones."""
    found = {}
    for file in (f"values/{name}.yaml", f"{environment}/values/{name}.yaml"):
        path = bench.root / "manifests/platform" / file
        found = merged(found, yaml.load(change(path.read_text()), renders.Loader)) if path.exists() else found
    return found


def merged(under, over):
    if not (isinstance(under, dict) and isinstance(over, dict)):
        return over
    return {key: merged(under[key], over[key]) if key in under and key in over else over.get(key, under.get(key)) for key in under | over}


def deployed(bench, environment, change=unchanged):
    """What an environment's cluster gets. `change` spoils what is read."""
    file = bench.directory("agreement") / "values.yaml"
    file.write_text(change(renders.values(environment).read_text()))
    chart, base = renders.documents(renders.chart(bench, file)), platform(bench, environment, change)
    values = yaml.load(file.read_text(), renders.Loader)
    processor = the(chart, "StatefulSet", "gavel")["spec"]["template"]["spec"]
    container = processor["containers"][0]
    variables = {variable["name"]: variable.get("value") for variable in container["env"]}
    nodes = the(base, "EC2NodeClass", "gavel")["spec"]
    karpenter, monitoring, secrets = (addon(bench, environment, name, change) for name in ("karpenter", "monitoring", "external-secrets"))
    prometheus = monitoring["prometheus"]
    remote = prometheus["prometheusSpec"].get("remoteWrite", [])
    accounts = {("gavel", one["metadata"]["name"]) for one in chart if one["kind"] == "ServiceAccount"}
    accounts |= {("keda", name) for name in OTHERS_ACCOUNTS} | {("karpenter", karpenter["serviceAccount"]["name"])}
    accounts |= {("external-secrets", secrets["serviceAccount"]["name"])}
    if remote:
        accounts.add(("observability", prometheus["serviceAccount"]["name"]))
    trigger = next(one for one in the(chart, "ScaledObject", "gavel")["spec"]["triggers"] if one["type"] == "kafka")["metadata"]
    drills = [one for one in base if one["metadata"]["name"] == "gavel-fis"]
    found_by = [term["tags"]["karpenter.sh/discovery"] for key in ("subnet", "securityGroup") for term in nodes[f"{key}SelectorTerms"]]
    for claim in the(chart, "StatefulSet", "gavel")["spec"].get("volumeClaimTemplates", []):
        the(base, "StorageClass", claim["spec"]["storageClassName"])
    known = [server.split(".")[:2] for server in trigger["bootstrapServers"].split(",")]
    return {
        "environment": values["environment"],
        "regions": {variables["AWS_REGION"], trigger["awsRegion"], the(base, "ClusterSecretStore", "aws")["spec"]["provider"]["aws"]["region"]}
        | {one["sigv4"]["region"] for one in remote},
        "registry and repository": container["image"].split("@")[0],
        "brokers (ARN)": variables["GAVEL_KAFKA_BOOTSTRAP_SERVERS"].removeprefix("msk:").rpartition("/")[0],
        "brokers that the scaler knows": sorted(map(".".join, known)),
        "network of the brokers": values["network"]["kafka"],
        "store of checkpoints": variables["GAVEL_CHECKPOINTS_STORE"],
        "erasure within (ms)": int(variables.get("GAVEL_CHECKPOINTS_ERASE_WITHIN_MS", 0)),
        "role of the nodes": nodes["role"],
        "where nodes are found": set(found_by),
        "cluster of Karpenter": karpenter["settings"]["clusterName"],
        "queue of Karpenter": karpenter["settings"]["interruptionQueue"],
        "nodes of the controllers": karpenter["nodeSelector"],
        "secrets": {data["remoteRef"]["key"] for one in base + chart if one["kind"] == "ExternalSecret" for data in one["spec"]["data"]},
        "service accounts with roles": accounts,
        "topics": {key: variables.get(f"GAVEL_TOPICS_{key.upper()}", name) for key, name in TOPICS.items()},
        "group": {variables["GAVEL_KAFKA_GROUP"], trigger["consumerGroup"]},
        "drills": {(one["kind"], one["metadata"].get("namespace")) for one in drills},
        "group of the drills": {subject["name"] for one in drills for subject in one.get("subjects", []) if subject["kind"] == "Group"},
        "cluster's labels on alerts": prometheus["prometheusSpec"]["externalLabels"],
        "collectors say": the(base, "ConfigMap", "gavel-environment")["data"],
    }


TOPICS = {"messages": "chat.messages", "verdicts": "chat.verdicts", "dead_letters": "chat.dead-letters", "control": "chat.control", "shadow": "chat.shadow"}


def made(bench, applied):
    """The same of what Terraform would make."""
    (kafka,), (vpc,), (bucket,), (queue,), (group,) = (
        applied.of(kind) for kind in ("aws_msk_cluster", "aws_vpc", "aws_s3_bucket", "aws_sqs_queue", "aws_eks_node_group")
    )  # fmt: skip
    outputs, name = applied.outputs, applied.environment
    _, _, _, region, account, _ = outputs["kafka"]["arn"].split(":", 5)
    said = "".join((bench.root / "infra" / file).read_text() for file in var_files(bench.root, name))
    variables = dict(re.findall(r'^(\w+)\s*=\s*"(.*)"', said, re.M))
    if variables["account_id"] != account or not outputs["checkpoints"]["store"].startswith(f"s3://{bucket['bucket']}/"):
        raise Failed(f"{name}: outputs do not say what there is")
    if group["taint"]:
        raise Failed(f"{name}: the controllers' nodes have taints, and the add-ons' values no tolerations")
    drills = bool(applied.of("aws_fis_experiment_template"))
    named = {
        (parameter["value"], template["target"][0]["parameters"]["namespace"])
        for template in applied.of("aws_fis_experiment_template")
        for parameter in template["action"][0]["parameter"]
        if parameter["key"] == "kubernetesServiceAccount"
    }
    if named != ({("gavel-fis", "gavel")} if drills else set()):
        raise Failed(f"{name}: drills act as {named}")
    kinds = ("ServiceAccount", "Role", "RoleBinding")
    declared = (bench.root / "infra/modules/iam/variables.tf").read_text()
    written = re.search(r'^variable "topics".*?default = (\{.*?\})', declared, re.M | re.S)[1]
    tagged = [subnet["tags"] for subnet in applied.of("aws_subnet")]
    return {
        "environment": name,
        "regions": {region},
        "registry and repository": f"{account}.dkr.ecr.{region}.amazonaws.com/{applied.of('aws_ecr_repository')[0]['name']}",
        "brokers (ARN)": f"arn:aws:kafka:{region}:{account}:cluster/{kafka['cluster_name']}",
        "brokers that the scaler knows": [f"b-{number + 1}.{kafka['cluster_name']}" for number in range(kafka["number_of_broker_nodes"])],
        "network of the brokers": [vpc["cidr_block"]],
        "store of checkpoints": outputs["checkpoints"]["store"],
        "erasure within (ms)": outputs["checkpoints"]["erase_within_ms"],
        "role of the nodes": outputs["karpenter"]["node_role"],
        "where nodes are found": {tags["karpenter.sh/discovery"] for tags in tagged if "karpenter.sh/discovery" in tags},
        "cluster of Karpenter": outputs["cluster"]["name"],
        "queue of Karpenter": queue["name"],
        "nodes of the controllers": group["labels"],
        "secrets": {secret["name"] for secret in applied.of("aws_secretsmanager_secret")},
        "service accounts with roles": {
            (one["namespace"], one["service_account"]) for one in applied.of("aws_eks_pod_identity_association") if one["namespace"] != "kube-system"
        },
        "topics": dict(re.findall(r'(\w+)\s*=\s*"(.*?)"', written)),
        "group": {re.search(r'^variable "group".*?default\s*=\s*"(.*?)"', declared, re.M | re.S)[1]},
        "drills": {(kind, "gavel") for kind in kinds} if drills else set(),
        "group of the drills": {
            group for one in applied.of("aws_eks_access_entry") if one["principal_arn"].endswith("-fis") for group in one["kubernetes_groups"]
        },
        "cluster's labels on alerts": {"cluster": outputs["cluster"]["name"], "environment": name},
        "collectors say": {"cluster": outputs["cluster"]["name"], "environment": name},
    }


def differences(one, other):
    return [f"{what}: {one.get(what)} in the manifests, {other.get(what)} in Terraform" for what in one | other if one.get(what) != other.get(what)]


# (what is wrong then, what prod-a says, what it must not say)
DISAGREEING = [
    ("brokers (ARN)", "arn:aws:kafka:eu-west-1:333344445555", "arn:aws:kafka:eu-west-1:444455556666"),
    ("registry and repository", "333344445555.dkr", "444455556666.dkr"),
    ("brokers that the scaler knows", "b-3.gavel-prod-a", "b-3.gavel-prod-b"),
    ("store of checkpoints", "s3://gavel-prod-a-checkpoints", "s3://gavel-prod-b-checkpoints"),
    ("erasure within (ms)", "1814400000", "2592000000"),
    ("network of the brokers", "10.48.0.0/16", "10.64.0.0/16"),
    ("role of the nodes", "role: gavel-prod-a-node", "role: gavel-prod-a-karpenter-node"),
    ("where nodes are found", "karpenter.sh/discovery: gavel-prod-a", "karpenter.sh/discovery: gavel-prod-b"),
    ("queue of Karpenter", "interruptionQueue: gavel-prod-a", "interruptionQueue: gavel-prod-a-interruptions"),
    ("nodes of the controllers", "gavel/nodes: controllers", "gavel.dev/nodes: controllers"),
    ("secrets", "key: gavel-prod-a/slack", "key: gavel-prod-a/alertmanager-slack"),
    ("service accounts with roles", "serviceAccount: { name: external-secrets }", "serviceAccount: { name: eso }"),
    ("group of the drills", "kind: Group\n  name: gavel-fis", "kind: Group\n  name: fis"),
    ("regions", "region: eu-west-1", "region: eu-west-2"),
    ("cluster's labels on alerts", "cluster: gavel-prod-a, environment: prod-a", "cluster: gavel-prod-b, environment: prod-b"),
]


@check("infra and manifests agree")
def infra_and_manifests(bench):
    compared = 0
    for applied in environments(bench):
        there, here = made(bench, applied), deployed(bench, applied.environment)
        if wrong := differences(here, there):
            raise Failed(f"{applied.environment}:\n" + "\n".join(wrong))
        compared += len(here)
    there = next(made(bench, applied) for applied in environments(bench) if applied.environment == "prod-a")
    try:
        deployed(bench, "dev", lambda text: text.replace("metadata:\n  name: gp3", "metadata:\n  name: gp2"))
    except Failed as seen:
        if "StorageClass gp3" not in str(seen):
            raise
    else:
        raise Failed("a class of volumes that is not there was not seen")
    for what, right, wrong in DISAGREEING:
        seen = differences(deployed(bench, "prod-a", lambda text: text.replace(right, wrong)), there)  # noqa: B023
        if not any(difference.startswith(f"{what}: ") for difference in seen):
            raise Failed(f"`{wrong}` instead of `{right}` was not seen")
    return f"{compared} facts about {len(environments(bench))} environments, {len(DISAGREEING) + 1} mistakes seen"


def assumptions(bench, chart, audits, collector, monitoring):
    """(what, what alerts and the like take for granted, what the manifests say)."""
    text = "".join((bench.root / rules.RULES / name).read_text() for name in rules.rule_files(bench))
    said = lambda pattern: set(re.findall(pattern, text))  # noqa: E731
    monitor, service = the(chart, "ServiceMonitor", "gavel")["spec"], the(chart, "Service", "gavel")
    selected = all(service["metadata"]["labels"].get(key) == value for key, value in monitor["selector"]["matchLabels"].items())
    # Without jobLabel, Prometheus' operator calls a job as the Service is called.
    yield "the job that is scraped", said(r'job="(\w+)"'), {monitor.get("jobLabel") or (service["metadata"]["name"] if selected else "nothing")}
    scaled = the(chart, "ScaledObject", "gavel")
    name = scaled["spec"]["advanced"]["horizontalPodAutoscalerConfig"].get("name", f"keda-hpa-{scaled['metadata']['name']}")
    yield "the autoscaler", said(r'horizontalpodautoscaler="([\w-]+)"'), {name}
    yield "the scaled object", said(r'scaledObject="([\w-]+)"'), {scaled["metadata"]["name"]}
    (jobs,) = said(r'job_name=~"([^"]+)"')
    audit = [job["metadata"]["name"] for job in audits if job["kind"] == "Job" and job["metadata"]["name"] not in ("gavel-topics", "gavel-load")]
    yield "jobs of audits", {True}, {bool(re.fullmatch(jobs, job)) for job in audit} or {False}
    yield "jobs that are no audits", {False}, {bool(re.fullmatch(jobs, job)) for job in ("gavel-topics", "gavel-load")}
    (claims,) = said(r'persistentvolumeclaim=~"([^"]+)"')
    claim = [f"{template['metadata']['name']}-gavel-11" for template in the(audits, "StatefulSet", "gavel")["spec"].get("volumeClaimTemplates", [])]
    yield "claims", {True}, {bool(re.fullmatch(claims, one)) for one in claim} or {False}
    objects = renders.documents((bench.root / rules.RENDERED).read_text())
    alerts = [rule for one in objects for group in one["spec"]["groups"] for rule in group["rules"] if "alert" in rule]
    urls = {alert["annotations"]["runbook_url"].partition("#")[0] for alert in alerts}
    source = next(one for one in renders.applications(bench, "prod-a") if one["metadata"]["name"] == "alerts")["spec"]["sources"][0]["repoURL"]
    yield "where runbooks are read", urls, {f"{source.removesuffix('.git')}/{DOCS}/runbooks.md"}
    (container,) = the(chart, "StatefulSet", "gavel")["spec"]["template"]["spec"]["containers"]
    variables = {variable["name"]: variable.get("value") for variable in container["env"]}
    taker = the(collector, "Service", "otel-collector")
    port = next(port["port"] for port in taker["spec"]["ports"] if port["name"] == "otlp-http")
    address = f"http://{taker['metadata']['name']}.{taker['metadata']['namespace']}:{port}"
    yield "where traces go", {variables["GAVEL_TRACES_ENDPOINT"]}, {address}
    alertmanager = monitoring["alertmanager"]["alertmanagerSpec"]
    secret = the(renders.documents(renders.kustomized(bench, "observability")), "Secret", alertmanager["configSecret"])
    route = base64.b64decode(secret["data"]["alertmanager.yaml"]).decode()
    external = the(platform(bench, "prod-a"), "ExternalSecret", "alertmanager-slack")["spec"]
    mounted = {f"/etc/alertmanager/secrets/{external['target']['name']}/{data['secretKey']}" for data in external["data"]}
    yield "the address of Slack", set(re.findall(r"slack_api_url_file: (\S+)", route)), mounted
    yield "secrets that Alertmanager sees", set(alertmanager["secrets"]), {external["target"]["name"]}
    query = {one["metadata"]["serverAddress"] for one in scaled["spec"]["triggers"] if one["type"] == "prometheus"}
    yield "where the scaler asks", query, {"http://prometheus-operated.observability:9090"}


MISLED = [
    ("the job that is scraped", "ServiceMonitor", "gavel", ("spec", "selector", "matchLabels", "app.kubernetes.io/name"), "gravel"),
    ("the autoscaler", "ScaledObject", "gavel", ("spec", "advanced", "horizontalPodAutoscalerConfig", "name"), "gavel"),
    ("jobs of audits", "Job", "gavel-audit-verify-r1", ("metadata", "name"), "gavel-verify-today"),
    ("claims", "StatefulSet", "gavel", ("spec", "volumeClaimTemplates"), []),
    ("where traces go", "Service", "otel-collector", ("spec", "ports", 1, "port"), 4319),
]


@check("alerts and manifests agree")
def alerts_and_manifests(bench):
    chart = renders.documents(renders.chart(bench, renders.values("prod-a")))
    asked = ["audit.enabled=true", 'audit.run="r1"', 'audit.reports="s3://audits/gavel"', 'state.volume="pvc"', "load.enabled=true"]
    audits = renders.documents(renders.chart(bench, renders.values("prod-a"), sets=asked))
    collector = renders.documents(renders.kustomized(bench, "observability/collector/overlays/jaeger"))
    monitoring = addon(bench, "prod-a", "monitoring")

    def wrong(*parts):
        asked = [(what, taken, given) for what, taken, given in assumptions(bench, *parts) if taken != given]
        return {what: f"{what}: {sorted(map(str, taken))} is taken for granted, {sorted(map(str, given))} it is" for what, taken, given in asked}

    if found := wrong(chart, audits, collector, monitoring):
        raise Failed("\n".join(found.values()))
    for what, kind, name, path, value in MISLED:
        spoilt = copy.deepcopy([chart, audits, collector])
        for documents in spoilt:
            for document in documents:
                if document["kind"] == kind and document["metadata"]["name"] == name:
                    functools.reduce(lambda place, step: place[step], path[:-1], document)[path[-1]] = value
        if what not in wrong(*spoilt, monitoring):
            raise Failed(f"{what}: a {kind} with `{value}` was not seen")
    return f"{len(list(assumptions(bench, chart, audits, collector, monitoring)))} assumptions, {len(MISLED)} mistakes seen"
