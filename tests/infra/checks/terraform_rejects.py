"""The checks of Terraform, tried on mistakes: each must be found, by the check that is there for it.

Invariant: none of the checks beside this one passes because it looked at nothing. Mistakes in the form of HCL stand in
tests/infra/rejected/terraform; those that a whole environment has are made here, in what was applied.
"""

import copy
import json

from infra import rights
from infra.checks.terraform import environments, inside, share_nothing
from infra.checks.terraform_lint import REJECTED, checkov, tflint
from infra.iam import Unknown, allowed
from infra.opentofu import Opentofu
from infra.proof import Failed, check


def expect(what, said, *words):
    if missing := [word for word in words if word not in said]:
        raise Failed(f"{what} was not rejected for {missing}:\n{said}")


@check("terraform-rejects")
def schema_and_policies(bench):
    tofu = Opentofu(bench, "rejected", source=REJECTED)
    tofu.init("misspelt")
    said = tofu.run("misspelt", "validate", "-no-color", ok=(1,)).stderr
    expect("a misspelt argument", said, 'The argument "client_subnets" is required', 'named "client_subnet" is not expected')
    tofu.init("asks_aws")
    expect("a plan that asks AWS", tofu.run("asks_aws", "plan", "-input=false", "-no-color", ok=(1,)).stderr, "asks AWS")
    found = [mistake() for mistake in (*mistaken_environments(bench), *mistaken_rights(bench), *mistaken_policies())]
    return f"{2 + len(found)} mistakes found"


@check("terraform-lint-rejects")
def lint(bench):
    tree = bench.directory("lint-rejected") / "rejected"
    Opentofu.copy(REJECTED / "unknown_value", tree)
    expect("a value that AWS does not know", tflint(bench, tree, ok=(2,)).stdout, "PER_PARTITION", "r9z.large")
    failed = {one["check_id"] for one in checkov(bench, REJECTED / "unwise")["results"]["failed_checks"]}
    expect("an open cluster", " ".join(failed), "CKV_AWS_81", "CKV_AWS_7")
    if not checkov(bench, REJECTED / "unread")["summary"]["parsing_errors"]:
        raise Failed("checkov does not say that it could not read a file")
    return "5 mistakes found"


def refused(judge, *words):
    try:
        judge()
    except Failed as failed:
        return expect("a mistaken environment", str(failed), *words)
    raise Failed(f"nobody noticed: {words}")


def mistaken_environments(bench):
    """One mistake each, in a copy of what was applied."""
    dev, *others = environments(bench)

    def changed(environment, kind, change):
        wrong = copy.deepcopy(environment)
        change(next(values for values in wrong.of(kind)))
        return wrong

    def alone(kind, change, *words):
        return lambda: refused(lambda: inside(changed(dev, kind, change)), *words)

    def together(kind, change, *words):
        return lambda: refused(lambda: share_nothing(bench, [changed(dev, kind, change), *others]), *words)

    staging = others[0]
    yield alone("aws_eks_cluster", lambda it: it["vpc_config"][0].update(endpoint_public_access=True), "API is public")
    yield alone("aws_subnet", lambda it: it.update(map_public_ip_on_launch=True), "public addresses")
    yield alone("aws_vpc_security_group_ingress_rule", lambda it: it.update(cidr_ipv4="0.0.0.0/0"), "open to the world")
    yield alone("aws_cloudwatch_log_group", lambda it: it.update(kms_key_id=None), "log group has no key")
    yield alone("aws_msk_cluster", lambda it: it.update(cluster_name="other"), "another Kafka cluster")
    yield together("aws_vpc", lambda it: it.update(cidr_block="10.32.0.0/17"), "the ranges of staging and dev overlap")
    yield together("aws_subnet", lambda it: it.update(id=staging.of("aws_subnet")[0]["id"]), "dev and staging share")
    yield together("aws_eks_access_entry", lambda it: it.update(principal_arn="arn:aws:iam::222233334444:role/x"), "names the accounts")

    def one_way():
        wrong = copy.deepcopy(staging)
        (vpc,) = wrong.of("aws_vpc")
        wrong.resources = [r for r in wrong.resources if r["type"] != "aws_route" or r["values"]["destination_cidr_block"] != vpc["cidr_block"]]
        refused(lambda: inside(wrong), "no way to each other")

    def unstopped():
        wrong = changed(staging, "aws_fis_experiment_template", lambda it: it.update(stop_condition=[{"source": "none", "value": None}]))
        refused(lambda: inside(wrong), "a drill is not stopped")

    def crossed():
        wrong = copy.deepcopy(staging)
        first, second, *_ = wrong.of("aws_nat_gateway")
        first["subnet_id"], second["subnet_id"] = second["subnet_id"], first["subnet_id"]
        refused(lambda: inside(wrong), "leads through another zone")

    yield crossed
    no_tables = {"vpc_endpoint_type": "Gateway", "route_table_ids": []}
    yield alone("aws_vpc_endpoint", lambda it: it.update(no_tables), "S3 is reached over the internet")
    yield one_way
    yield unstopped


def mistaken_rights(bench):
    """One right too many, or one too few: the table must differ at exactly that place."""
    dev = environments(bench)[0]

    def judged(role, change, wanted):
        def mistake():
            roles = rights.Roles(dev)
            policy = json.loads(roles.policies[role][0])
            change(policy["Statement"], roles)
            roles.policies[role] = [policy]
            wrong = {what for what, is_, should in rights.judged(roles) if is_ != should}
            if wrong != wanted:
                raise Failed(f"found {sorted(wrong)} instead of {sorted(wanted)}")

        return mistake

    def allow(action, arn):
        return lambda statements, roles: statements.append({"Effect": "Allow", "Action": action, "Resource": arn(roles)})

    yield judged("worker", allow("kafka-cluster:WriteData", lambda r: r.kafka_arn("topic", "chat.control")), {"worker: WriteData on chat.control"})
    yield judged("operator", allow("kafka-cluster:Delete*", lambda r: r.kafka_arn("topic", "chat.shadow")), {"operator: DeleteTopic on chat.shadow"})
    yield judged("keda", allow("kafka-cluster:ReadData", lambda r: r.kafka_arn("topic", "chat.m*")), {f"keda: ReadData on chat.messages{n}" for n in ("", "2")})
    yield judged("auditor", allow("s3:DeleteObject", lambda r: r.bucket + "/audits/*"), {"auditor: DeleteObject of a report"})
    yield judged("worker", lambda s, _: s.pop(next(i for i, one in enumerate(s) if one["Sid"] == "Group")), {f"worker: {a} on group" for a in ("DescribeGroup", "AlterGroup")})


def mistaken_policies():
    """Of the evaluator itself: what it does not know it must not judge."""
    everyone = {"Effect": "Allow", "Action": "s3:*", "Resource": "*"}

    def unknown(statement):
        def mistake():
            try:
                allowed([{"Statement": [{**everyone, **statement}]}], "s3:GetObject", "arn:aws:s3:::b/k")
            except Unknown:
                return
            raise Failed(f"judged without being understood: {statement}")

        return mistake

    yield unknown({"NotAction": "s3:Put*"})
    yield unknown({"Condition": {"IpAddress": {"aws:SourceIp": "10.0.0.0/8"}}})

    def denial_wins():
        if allowed([{"Statement": [everyone, {**everyone, "Effect": "Deny"}]}], "s3:GetObject", "arn:aws:s3:::b/k"):
            raise Failed("an allowance outweighed a denial")

    yield denial_wins
