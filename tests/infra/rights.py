"""What each role of Gavel may do, written down a second time and compared with its policies, action by action.

Invariant: a right that is not in this table is held by nobody. The table is by hand and shares nothing with infra/modules/iam, so neither
can be wrong alone.
"""

from infra.iam import allowed
from infra.proof import Failed

TOPICS = ("chat.messages", "chat.verdicts", "chat.dead-letters", "chat.control", "chat.shadow")
OTHER_TOPICS = ("chat.messages2", "chat", "__consumer_offsets", "payments")

# Every action that MSK's IAM access control knows, by the kind of resource that it is about.
ON_CLUSTER = ("Connect", "DescribeCluster", "AlterCluster", "DescribeClusterDynamicConfiguration", "AlterClusterDynamicConfiguration", "WriteDataIdempotently")
ON_TOPIC = (
    "CreateTopic", "DescribeTopic", "AlterTopic", "DeleteTopic", "DescribeTopicDynamicConfiguration", "AlterTopicDynamicConfiguration",
    "ReadData", "WriteData",
)  # fmt: skip
ON_GROUP = ("DescribeGroup", "AlterGroup", "DeleteGroup")
ON_TRANSACTION = ("DescribeTransactionalId", "AlterTransactionalId")

READ, WRITE = {"DescribeTopic", "ReadData"}, {"DescribeTopic", "WriteData"}
MADE = {"CreateTopic", "DescribeTopic", "DescribeTopicDynamicConfiguration"}

KAFKA = {
    "worker": {
        "cluster": {"Connect", "WriteDataIdempotently"},
        "group": {"DescribeGroup", "AlterGroup"},
        "chat.messages": READ,
        "chat.verdicts": READ | WRITE,
        "chat.dead-letters": WRITE,
        "chat.control": READ,
        "chat.shadow": WRITE,
    },
    "operator": {
        "cluster": {"Connect", "WriteDataIdempotently"},
        "group": set(),
        "chat.messages": MADE | READ | WRITE,
        "chat.verdicts": MADE | READ,
        "chat.dead-letters": MADE | READ,
        "chat.control": MADE | READ | WRITE,
        "chat.shadow": MADE | READ,
    },
    "auditor": {"cluster": {"Connect"}, "group": set(), **dict.fromkeys(TOPICS, READ)},
    "keda": {"cluster": {"Connect"}, "group": {"DescribeGroup"}, "chat.messages": {"DescribeTopic"}},
}

# role -> (actions on state/, actions on audits/)
OBJECTS = ("GetObject", "PutObject", "DeleteObject", "DeleteObjectVersion", "AbortMultipartUpload", "PutObjectAcl", "PutObjectRetention")
STORED = {
    "worker": ({"GetObject", "PutObject", "DeleteObject", "AbortMultipartUpload"}, set()),
    "operator": ({"GetObject"}, set()),
    "auditor": ({"GetObject"}, {"GetObject", "PutObject", "AbortMultipartUpload"}),
    "keda": (set(), set()),
}


class Roles:
    """The four roles of one environment as they were applied."""

    def __init__(self, applied):
        self.environment = applied.environment
        self.prefix = f"gavel-{applied.environment}"
        self.policies = {
            role: [policy["policy"] for policy in applied.of("aws_iam_role_policy") if policy["role"] == f"{self.prefix}-{role}"] for role in KAFKA
        }
        attached = {values["role"] for values in applied.of("aws_iam_role_policy_attachment")}
        if strange := attached & {f"{self.prefix}-{role}" for role in KAFKA}:
            raise Failed(f"{self.environment}: {sorted(strange)} have managed policies, which are not judged here")
        self.trust = {role["name"]: role["assume_role_policy"] for role in applied.of("aws_iam_role")}
        (self.kafka,) = [cluster["arn"] for cluster in applied.of("aws_msk_cluster")]
        (self.cluster,) = [cluster["arn"] for cluster in applied.of("aws_eks_cluster")]
        (self.issuer,) = [cluster["identity"][0]["oidc"][0]["issuer"].removeprefix("https://") for cluster in applied.of("aws_eks_cluster")]
        self.oidc = applied.at("module.eks.aws_iam_openid_connect_provider.this")["arn"]
        self.account = self.kafka.split(":")[4]
        (self.bucket,) = [bucket["arn"] for bucket in applied.of("aws_s3_bucket")]
        (self.bucket_policy,) = [policy["policy"] for policy in applied.of("aws_s3_bucket_policy")]
        self.vpc = applied.at("module.vpc.aws_vpc.this")["id"]
        self.bucket_key = applied.at("module.checkpoints.module.key.aws_kms_key.this")["arn"]

    def kafka_arn(self, kind, name):
        return self.kafka.replace(":cluster/", f":{kind}/") + f"/{name}"

    def may(self, role, action, resource, **context):
        return allowed(self.policies[role], action, resource, context)


def judged(roles):
    """Yields (what, is, should be) for everything that is asked about an environment's roles."""
    yield from on_kafka(roles)
    yield from on_checkpoints(roles)
    yield from who_they_are(roles)


def on_kafka(roles):
    for role, rights in KAFKA.items():
        asked = [("cluster", action, roles.kafka) for action in ON_CLUSTER]
        asked += [("group", action, roles.kafka_arn("group", "gavel")) for action in ON_GROUP]
        asked += [("another group", action, roles.kafka_arn("group", "other")) for action in ON_GROUP]
        asked += [("a transaction", action, roles.kafka_arn("transactional-id", "any")) for action in ON_TRANSACTION]
        asked += [(topic, action, roles.kafka_arn("topic", topic)) for topic in TOPICS + OTHER_TOPICS for action in ON_TOPIC]
        for what, action, arn in asked:
            yield f"{role}: {action} on {what}", roles.may(role, f"kafka-cluster:{action}", arn), action in rights.get(what, set())
        for action in ("kafka:DeleteCluster", "kafka:UpdateClusterConfiguration", "kafka:CreateTopic", "kafka:DeleteTopic", "iam:PassRole", "sts:AssumeRole"):
            yield f"{role}: {action}", roles.may(role, action, roles.kafka), False
        yield f"{role}: kafka:GetBootstrapBrokers", roles.may(role, "kafka:GetBootstrapBrokers", roles.kafka), role != "keda"


def on_checkpoints(roles):
    inside = {"aws:SecureTransport": "true", "aws:SourceVpc": roles.vpc}
    for role, (state, audits) in STORED.items():
        principal = {"aws:PrincipalArn": f"arn:aws:iam::{roles.account}:role/{roles.prefix}-{role}"}

        def may(action, key, role=role, principal=principal, **differs):
            context = {**inside, **principal, **differs}
            return allowed([*roles.policies[role], roles.bucket_policy], f"s3:{action}", f"{roles.bucket}/{key}".rstrip("/"), context)

        for action in OBJECTS:
            yield f"{role}: {action} of a checkpoint", may(action, "state/0/1.sst"), action in state
            yield f"{role}: {action} of a report", may(action, "audits/2026/part-0.json"), action in audits
            yield f"{role}: {action} of something else", may(action, "else"), False
            yield f"{role}: {action} of a checkpoint without TLS", may(action, "state/0/1.sst", **{"aws:SecureTransport": "false"}), False
        yield f"{role}: deletes the bucket", may("DeleteBucket", ""), False
        yield f"{role}: lists checkpoints", may("ListBucket", "", **{"s3:prefix": "state/0/"}), bool(state)
        yield f"{role}: is told that a checkpoint is not there", may("ListBucket", ""), bool(state)
        yield f"{role}: lists reports", may("ListBucket", "", **{"s3:prefix": "audits/"}), bool(audits)
        yield f"{role}: lists something else", may("ListBucket", "", **{"s3:prefix": "private/"}), False
        yield f"{role}: reads a checkpoint from elsewhere", may("GetObject", "state/0/1.sst", **{"aws:SourceVpc": "vpc-other"}), False
        for key, right in ((roles.bucket_key, True), ("arn:aws:kms:eu-west-1:000000000000:key/other", False)):
            named = {"s3:x-amz-server-side-encryption-aws-kms-key-id": key}
            yield f"{role}: writes a checkpoint under {key}", may("PutObject", "state/0/1.sst", **named), right and "PutObject" in state
        by_s3, by_hand = {"kms:ViaService": "s3.eu-west-1.amazonaws.com"}, {}
        yield f"{role}: opens checkpoints by S3", allowed(roles.policies[role], "kms:Decrypt", roles.bucket_key, by_s3), bool(state)
        yield f"{role}: opens checkpoints by hand", allowed(roles.policies[role], "kms:Decrypt", roles.bucket_key, by_hand), False


def who_they_are(roles):
    accounts = {"worker": ("gavel", "gavel"), "operator": ("gavel", "gavel-operator"), "auditor": ("gavel", "gavel-auditor"), "keda": ("keda", "keda-operator")}
    for role in accounts:
        trust = [roles.trust[f"{roles.prefix}-{role}"]]
        for other, (namespace, name) in accounts.items():
            pod = {"aws:SourceAccount": roles.account, "aws:SourceArn": roles.cluster}
            pod |= {"aws:RequestTag/kubernetes-namespace": namespace, "aws:RequestTag/kubernetes-service-account": name}
            token = {f"{roles.issuer}:sub": f"system:serviceaccount:{namespace}:{name}", f"{roles.issuer}:aud": "sts.amazonaws.com"}
            service, provider = {"Service": "pods.eks.amazonaws.com"}, {"Federated": roles.oidc}
            yield f"{other}'s pod becomes {role} by Pod Identity", allowed(trust, "sts:AssumeRole", "", pod, service), role == other
            yield f"{other}'s pod becomes {role} by IRSA", allowed(trust, "sts:AssumeRoleWithWebIdentity", "", token, provider), role == other
            elsewhere = {**pod, "aws:SourceArn": roles.cluster + "-other"}
            yield f"{other}'s pod of another cluster becomes {role}", allowed(trust, "sts:AssumeRole", "", elsewhere, service), False


def across(roles, others):
    """No role of one environment reaches into another."""
    for other in others:
        for role in KAFKA:
            for action in (*ON_TOPIC, *ON_GROUP, *ON_CLUSTER):
                for kind, name in (("topic", "chat.messages"), ("topic", "chat.control"), ("group", "gavel")):
                    yield f"{role}: {action} on {name} of {other.environment}", roles.may(role, f"kafka-cluster:{action}", other.kafka_arn(kind, name)), False
            yield f"{role}: reads checkpoints of {other.environment}", roles.may(role, "s3:GetObject", f"{other.bucket}/state/0/1.sst"), False
