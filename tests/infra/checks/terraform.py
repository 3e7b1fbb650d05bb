"""Terraform: its form, each module's promises, and what the environments would come to.

Invariant: every module and every environment that is in infra/ is checked; none is listed here by name, so none can be forgotten.
"""

import json
import re
import shutil
from concurrent.futures import ThreadPoolExecutor
from ipaddress import ip_network

from infra import rights
from infra.opentofu import Opentofu, backend_file, var_files
from infra.proof import Failed, Unavailable, check, once

ENVIRONMENTS = ("dev", "staging", "prod-a", "prod-b")
PASSED = re.compile(r"(\d+) passed, (\d+) failed")


@once
def opentofu(bench):
    return Opentofu(bench)


@once
def environments(bench):
    """All environments as they would stand. Two at a time: there are two cores."""
    tofu = opentofu(bench)
    tofu.keep_state_here()
    with ThreadPoolExecutor(2) as pool:
        return list(pool.map(lambda environment: tofu.apply(environment, *var_files(bench.root, environment)), ENVIRONMENTS))


def modules(tree):
    """Directories with a configuration of their own, the root and the bootstrap among them."""
    return sorted({file.parent.relative_to(tree) for file in tree.rglob("versions.tf")})


@check("terraform-format")
def form(bench):
    bench.run(bench.tool("tofu"), "fmt", "-check", "-recursive", "-diff", bench.root / "infra")
    return f"{len(list((bench.root / 'infra').rglob('*.tf')))} files"


@check("terraform-modules")
def promises(bench):
    """Each module alone: the provider's schema accepts it, and its own tests hold."""
    return prove_modules(opentofu(bench))


@check("terraform-itself", lane="control-plane")
def the_other_tool(bench):
    """The same with HashiCorp's Terraform, where somebody has installed one: it cannot be had from anywhere that this runs."""
    program = shutil.which("terraform")
    if program is None:
        raise Unavailable("no terraform is on the PATH (1.8 or newer)")
    terraform = Opentofu(bench, "terraform", program)
    version = json.loads(terraform.run(".", "version", "-json").stdout)["terraform_version"]
    return f"Terraform {version}: {prove_modules(terraform)}"


def prove_modules(tofu):
    def prove(module):
        tofu.init(module)
        # OpenTofu does not validate a module by itself that is handed its providers; its tests, and the root, do.
        if "configuration_aliases" not in (tofu.tree / module / "versions.tf").read_text():
            tofu.run(module, "validate", "-no-color")
        if not (tofu.tree / module / "tests").is_dir():
            if module.parts[:1] == ("modules",) and len(module.parts) == 2:
                raise Failed(f"infra/{module} has no tests")
            return 0
        said = tofu.run(module, "test", "-no-color").stdout
        passed, failed = map(int, PASSED.search(said).groups())
        if not passed or failed:
            raise Failed(f"infra/{module}: {said}")
        return passed

    found = modules(tofu.tree)
    with ThreadPoolExecutor(2) as pool:
        runs = list(pool.map(prove, found))
    asserts = sum(file.read_text().count("error_message") for file in tofu.tree.rglob("*.tftest.hcl"))
    return f"{len(found)} configurations, {sum(runs)} test runs, {asserts} assertions"


@check("terraform-environments")
def isolation(bench):
    """Each environment plans, applies and settles; they differ in variables alone and share nothing."""
    applied = environments(bench)
    for environment in applied:
        inside(environment)
    differ_in_variables_alone(bench)
    share_nothing(bench, applied)
    return f"{len(applied)} environments, {sum(len(environment.resources) for environment in applied)} resources"


def inside(environment):
    """What must hold in each of them, across modules."""

    def demand(holds, otherwise):
        if not holds:
            raise Failed(f"{environment.environment}: {otherwise}")

    (kafka,), (cluster,) = environment.of("aws_msk_cluster"), environment.of("aws_eks_cluster")
    subnets = {subnet["id"]: subnet for subnet in environment.of("aws_subnet")}
    with_a_way_out = {
        association["subnet_id"]
        for association in environment.of("aws_route_table_association")
        for route in environment.of("aws_route")
        if route["route_table_id"] == association["route_table_id"] and route["destination_cidr_block"] == "0.0.0.0/0"
    }
    brokers = kafka["broker_node_group_info"][0]["client_subnets"]
    demand(len({subnets[subnet]["availability_zone"] for subnet in brokers}) == 3, "the brokers are not in three zones")
    demand(not with_a_way_out & set(brokers), "the brokers' subnets have a way to the internet")
    tables = {association["subnet_id"]: association["route_table_id"] for association in environment.of("aws_route_table_association")}
    zone_of_gateway = {gateway["id"]: subnets[gateway["subnet_id"]]["availability_zone"] for gateway in environment.of("aws_nat_gateway")}
    gateways = {route["route_table_id"]: route["nat_gateway_id"] for route in environment.of("aws_route") if route["nat_gateway_id"]}
    nodes = [subnet for subnet in subnets.values() if "karpenter.sh/discovery" in subnet["tags"]]
    demand(len(nodes) == 3 and all(tables[node["id"]] in gateways for node in nodes), "a node has no way out")
    if len(zone_of_gateway) > 1:
        demand(all(zone_of_gateway[gateways[tables[node["id"]]]] == node["availability_zone"] for node in nodes), "a zone's way out leads through another zone")
    s3 = next(endpoint for endpoint in environment.of("aws_vpc_endpoint") if endpoint["vpc_endpoint_type"] == "Gateway")
    demand({tables[subnet] for subnet in [*brokers, *(node["id"] for node in nodes)]} <= set(s3["route_table_ids"]), "S3 is reached over the internet")
    demand(not cluster["vpc_config"][0]["endpoint_public_access"], "the Kubernetes API is public")
    demand(all(balancer["internal"] for balancer in environment.of("aws_lb")), "a load balancer is public")
    demand(not any(subnet["map_public_ip_on_launch"] for subnet in subnets.values()), "a subnet gives out public addresses")
    open_to_all = [rule for rule in environment.of("aws_vpc_security_group_ingress_rule") if rule["cidr_ipv4"] == "0.0.0.0/0"]
    demand(not open_to_all, f"open to the world: {open_to_all}")

    groups = {rule["referenced_security_group_id"] for rule in environment.of("aws_vpc_security_group_ingress_rule") if rule["from_port"] == 9098}
    demand(cluster["vpc_config"][0]["cluster_security_group_id"] in groups, "the nodes cannot reach the brokers")

    alarm = environment.at("module.observability.aws_cloudwatch_metric_alarm.slo")
    demand(alarm["dimensions"]["Cluster Name"] == kafka["cluster_name"], "the objective's alarm looks at another Kafka cluster")
    for template in environment.of("aws_fis_experiment_template"):
        demand(template["stop_condition"] == [{"source": "aws:cloudwatch:alarm", "value": alarm["arn"]}], f"a drill is not stopped: {template['description']}")
        demand(cluster["name"] in json.dumps(template["target"]) or set(template["target"][0]["resource_arns"] or []) <= {s["arn"] for s in subnets.values()}, "a drill hits others")
    keys = {key["arn"] for key in environment.of("aws_kms_key")}
    demand(all(group["kms_key_id"] in keys for group in environment.of("aws_cloudwatch_log_group")), "a log group has no key of this environment")

    # Peering: whoever can be sent to can answer. Both sides' routes, and the brokers' group, name the other's range.
    for peering in environment.of("aws_vpc_peering_connection"):
        (vpc,) = environment.of("aws_vpc")
        routes = [route for route in environment.of("aws_route") if route["vpc_peering_connection_id"]]
        there = {route["route_table_id"] for route in routes if route["destination_cidr_block"] == vpc["cidr_block"]}
        here = {(route["route_table_id"], route["destination_cidr_block"]) for route in routes} - {(table, vpc["cidr_block"]) for table in there}
        tables = {association["route_table_id"] for association in environment.of("aws_route_table_association") if association["subnet_id"] in brokers}
        demand(there and tables <= {table for table, _ in here}, f"{peering['peer_vpc_id']} and the brokers have no way to each other")
        ranges = {cidr for _, cidr in here}
        demand(len(ranges) == 1 and not any(ip_network(vpc["cidr_block"]).overlaps(ip_network(cidr)) for cidr in ranges), f"the ranges {ranges} overlap")


def differ_in_variables_alone(bench):
    envs = bench.root / "infra/envs"
    if code := [file for file in envs.rglob("*") if file.is_file() and not file.name.endswith((".tfvars", ".backend.hcl"))]:
        raise Failed(f"an environment is more than variables: {code}")
    declared = set(re.findall(r'^variable "(\w+)"', (bench.root / "infra/variables.tf").read_text(), re.M))
    files = {envs.parent / file for environment in ENVIRONMENTS for file in var_files(bench.root, environment)}
    if strange := set(envs.rglob("*.tfvars")) - files:
        raise Failed(f"of no environment: {strange}")
    for file in files:
        # A name that is not declared is only warned of, and a typo in it would leave the default in force.
        if unknown := set(re.findall(r"^(\w+)\s*=", file.read_text(), re.M)) - declared:
            raise Failed(f"{file}: no such variables: {sorted(unknown)}")


def share_nothing(bench, applied):
    """Names of AWS that are worldwide or point at one thing: in one environment each."""
    owner = {}

    def claim(what, environment):
        if owner.setdefault(what, environment) != environment:
            raise Failed(f"{owner[what]} and {environment} share {what}")

    ranges = {}
    for environment in applied:
        name = environment.environment
        (vpc,) = environment.of("aws_vpc")
        for other, range_ in ranges.items():
            if ip_network(vpc["cidr_block"]).overlaps(range_):
                raise Failed(f"the ranges of {name} and {other} overlap")
        ranges[name] = ip_network(vpc["cidr_block"])
        for resource in environment.resources:
            for field in ("arn", "id"):
                value = resource["values"].get(field)
                # An id that is only a name (of a repository, say) is unique in its account, which is claimed below.
                if isinstance(value, str) and value != resource["values"].get("name"):
                    claim((resource["type"], field, value), name)
        backend = dict(re.findall(r'^(\w+)\s*=\s*"(.*)"', (bench.root / "infra" / backend_file(name)).read_text(), re.M))
        if missing := {"bucket", "key", "region", "dynamodb_table", "kms_key_id"} - set(backend):
            raise Failed(f"{name}'s backend lacks {sorted(missing)}: a state without a lock is written by two at once")
        for what in ("bucket", "dynamodb_table", "kms_key_id"):
            claim((f"the backend's {what}", backend[what]), name)
        if name not in backend["bucket"]:
            raise Failed(f"{name} keeps its state in {backend['bucket']}")
        # Nothing but what was copied or peered on purpose names another account.
        account = environment.outputs["kafka"]["arn"].split(":")[4]
        claim(("the account", account), name)
        for resource in environment.resources:
            if resource["type"] in ("aws_vpc_peering_connection", "aws_ecr_replication_configuration", "aws_ecr_registry_policy"):
                continue
            if foreign := set(re.findall(r"arn:aws:[a-z0-9-]*:[a-z0-9-]*:(\d{12}):", json.dumps(resource["values"]))) - {account}:
                raise Failed(f"{name}: {resource['address']} names the accounts {sorted(foreign)}")


@check("terraform-roles")
def least_privilege(bench):
    """Every action that MSK and S3 know, for each role and every topic, against a table written by hand."""
    roles = [rights.Roles(environment) for environment in environments(bench)]
    asked = 0
    for one in roles:
        answers = [*rights.judged(one), *rights.across(one, [other for other in roles if other is not one])]
        if wrong := [f"{what}: {'may' if is_ else 'may not'}" for what, is_, should in answers if is_ != should]:
            raise Failed(f"{one.environment}: rights differ from the table:\n" + "\n".join(wrong))
        asked += len(answers)
    return f"{asked} questions about {len(roles) * len(rights.KAFKA)} roles"
