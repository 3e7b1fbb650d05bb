"""Mistakes made on purpose in what we really deploy.

Invariant: a check that judges manifests is shown, in the same run, that it refuses each of these. A rule that no longer bites fails its check.
A mistake is (what it is, kind, path into the document, the wrong value, what the refusal says); REMOVED takes the key away.
"""

import base64
import copy
import functools

REMOVED = object()
POD = ("spec", "template", "spec")
CONTAINER = (*POD, "containers", 0)
WORLD = {"ipBlock": {"cidr": "0.0.0.0/0"}}


def made(documents, kind, path, value):
    """A copy of the first document of that kind that has such a place, with the mistake in it."""
    for document in documents:
        if document["kind"] == kind:
            wrong = copy.deepcopy(document)
            try:
                place = functools.reduce(lambda place, step: place[step], path[:-1], wrong)
            except (KeyError, IndexError):
                continue
            if value is REMOVED:
                del place[path[-1]]
            else:
                place[path[-1]] = value
            return wrong
    raise LookupError(f"no {kind} has a place for {path}")


# Against the policies (tests/infra/policies).
POLICY = [
    ("a tag", "StatefulSet", (*CONTAINER, "image"), "gavel:latest", "not named by its digest"),
    ("no request", "StatefulSet", (*CONTAINER, "resources", "requests", "cpu"), REMOVED, "does not request cpu"),
    ("memory beyond the request", "StatefulSet", (*CONTAINER, "resources", "limits", "memory"), "64Gi", "more memory than it requests"),
    ("a CPU limit", "StatefulSet", (*CONTAINER, "resources", "limits", "cpu"), "2", "throttles"),
    ("the host's network", "StatefulSet", (*POD, "hostNetwork"), True, "of the host is not ours"),
    ("a path of the host", "StatefulSet", (*POD, "volumes"), [{"name": "state", "hostPath": {"path": "/var"}}], "is a path of the host"),
    ("root", "StatefulSet", (*POD, "securityContext", "runAsUser"), 0, "may run as root"),
    ("no seccomp profile", "StatefulSet", (*POD, "securityContext", "seccompProfile"), REMOVED, "without a seccomp profile"),
    ("a writable root", "StatefulSet", (*CONTAINER, "securityContext", "readOnlyRootFilesystem"), False, "is not confined"),
    ("a capability", "StatefulSet", (*CONTAINER, "securityContext", "capabilities"), {"add": ["NET_ADMIN"]}, "is not confined"),
    ("a token for a job", "Job", (*POD, "automountServiceAccountToken"), True, "it does not need"),
    ("service links", "StatefulSet", (*POD, "enableServiceLinks"), REMOVED, "enableServiceLinks"),
    ("a password", "StatefulSet", (*CONTAINER, "env"), [{"name": "KAFKA_PASSWORD", "value": "hunter2"}], "a secret in the clear"),
    ("replicas", "StatefulSet", ("spec", "replicas"), 6, "belong to the autoscaler"),
    ("one after the other", "StatefulSet", ("spec", "podManagementPolicy"), "OrderedReady", "start in parallel"),
    ("longer than a spot node lives", "StatefulSet", (*POD, "terminationGracePeriodSeconds"), 180, "spot nodes end"),
    ("unbounded caches", "StatefulSet", (*CONTAINER, "env"), [{"name": "GAVEL_RUN_CONTEXT_BYTES", "value": "99999999999"}], "half of the memory"),
    ("one probe for two questions", "StatefulSet", (*CONTAINER, "livenessProbe", "httpGet", "path"), "/readyz", "what readiness asks"),
    ("any verb", "Role", ("rules", 0, "verbs"), ["*"], "a wildcard"),
    ("cluster-admin", "RoleBinding", ("roleRef", "name"), "cluster-admin", "binds cluster-admin"),
    ("open to everybody", "NetworkPolicy", ("spec", "ingress"), [{"ports": [{"port": 9464}]}], "open to everybody"),
    ("to the world", "NetworkPolicy", ("spec", "egress"), [{"to": [WORLD], "ports": [{"port": 22}]}], "the whole world"),
    ("down to zero", "ScaledObject", ("spec", "minReplicaCount"), 0, "switch judging off"),
    ("no fallback", "ScaledObject", ("spec", "fallback"), REMOVED, "switch judging off"),
    ("blind to restores", "ScaledObject", ("spec", "triggers", 0, "metadata", "excludePersistentLag"), "true", "being restored"),
    (
        "eager to shrink",
        "ScaledObject",
        ("spec", "advanced", "horizontalPodAutoscalerConfig", "behavior", "scaleDown", "stabilizationWindowSeconds"),
        30,
        "too eagerly",
    ),
    ("nodes that stay for ever", "NodePool", ("spec", "template", "spec", "expireAfter"), "Never", "within a known time"),
    ("nodes for everybody", "NodePool", ("spec", "template", "spec", "taints"), [], "tainted"),
    ("an image that moves", "EC2NodeClass", ("spec", "amiSelectorTerms"), [{"alias": "bottlerocket@latest"}], "moves by itself"),
    ("an open metadata service", "EC2NodeClass", ("spec", "metadataOptions", "httpTokens"), "optional", "the node's role"),
    ("plain text", "PeerAuthentication", ("spec", "mtls", "mode"), "PERMISSIVE", "plain text"),
    ("keys in a store", "ClusterSecretStore", ("spec", "provider", "aws", "auth"), {"secretRef": {}}, "keys of the cloud"),
    ("any version", "Application", ("spec", "sources", 0, "targetRevision"), "1.*", "is not pinned"),
    ("a secret", "Secret", ("data", "slack.tmpl"), base64.b64encode(b"https://hooks.slack.com/services/T0/B0/x").decode(), "never here"),
    ("a collector that moves", "Deployment", (*CONTAINER, "image"), "otel/opentelemetry-collector-contrib:latest", "not named by its digest"),
    ("more of the host than its logs", "DaemonSet", (*POD, "volumes", 1, "hostPath", "path"), "/", "is a path of the host"),
    ("logs that can be written", "DaemonSet", (*CONTAINER, "volumeMounts", 1, "readOnly"), False, "is a path of the host"),
    ("an alert without a runbook", "PrometheusRule", ("spec", "groups", -1, "rules", -1, "annotations", "runbook_url"), REMOVED, "has no runbook_url"),
    ("any repository", "AppProject", ("spec", "sourceRepos"), ["*"], "from anywhere"),
]

# Against the schemas of Kubernetes and of the definitions.
SCHEMA = [
    ("a misspelt key", "StatefulSet", (*CONTAINER, "resorces"), {}, "resorces"),
    ("a misspelt key of a definition", "ScaledObject", ("spec", "minReplicas"), 6, "minReplicas"),
    ("a word for a number", "PodDisruptionBudget", ("spec", "unhealthyPodEvictionPolicy"), 1, "unhealthyPodEvictionPolicy"),
    ("a mode that there is not", "PeerAuthentication", ("spec", "mtls", "mode"), "STRIKT", "mode"),
    ("a misspelt key of an alert", "PrometheusRule", ("spec", "groups", 0, "rules", 0, "expresion"), "up", "expresion"),
    ("no issuer", "Certificate", ("spec", "issuerRef"), REMOVED, "issuerRef"),
    ("a source of a release that there is not", "HelmRelease", ("spec", "chart", "spec", "sourceRef", "kind"), "Git", "kind"),
]

# Against a real API server, which alone runs the rules in the definitions (CEL) and the validation of Kubernetes' own kinds.
SERVER = [
    (
        "a schedule without a duration",
        "NodePool",
        ("spec", "disruption", "budgets"),
        [{"nodes": "0", "schedule": "0 16 * * *"}],
        "'schedule' must be set with 'duration'",
    ),
    ("a requirement without values", "NodePool", ("spec", "template", "spec", "requirements", 0, "values"), [], "must have a value defined"),
    ("both of two", "PodDisruptionBudget", ("spec", "minAvailable"), 1, "cannot be both set"),
    ("an exit code that is a success", "Job", ("spec", "podFailurePolicy", "rules", 1, "onExitCodes", "values"), [0, 1], "must not be 0"),
    ("a selector that selects others", "StatefulSet", ("spec", "selector", "matchLabels"), {"app": "other"}, "does not match template"),
    ("a mount of no volume", "StatefulSet", (*CONTAINER, "volumeMounts", 0, "name"), "sate", "Not found"),
    ("an address that is none", "NetworkPolicy", ("spec", "egress", 1, "to", 0, "ipBlock", "cidr"), "10.300.0.0/16", "cidr"),
]
