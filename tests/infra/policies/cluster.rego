# What may stand around the pods: rights, networks, scaling, nodes, delivery.
package main

import rego.v1

deny contains sprintf("%s: a wildcard is no right of ours", [named]) if {
	input.kind in {"Role", "ClusterRole"}
	some rule in input.rules
	some part in ["apiGroups", "resources", "verbs"]
	"*" in rule[part]
}

deny contains sprintf("%s: binds cluster-admin", [named]) if {
	input.kind in {"RoleBinding", "ClusterRoleBinding"}
	input.roleRef.name == "cluster-admin"
}

deny contains sprintf("%s: secrets are made in the cluster, never here", [named]) if {
	input.kind == "Secret"
	not only_routes
}

# The operator of Prometheus wants Alertmanager's configuration in a Secret. There is none in it: addresses and keys come as files.
only_routes if {
	input.metadata.name == "alertmanager-gavel"
	object.keys(input.data) == {"alertmanager.yaml", "slack.tmpl"}
	every encoded in input.data {
		not regex.match(`(?i)(hooks\.slack\.com|(api_url|api_key|password|token|routing_key|service_key)\s*:)`, base64.decode(encoded))
	}
}

deny contains sprintf("%s: a rule without peers is open to everybody", [named]) if {
	input.kind == "NetworkPolicy"
	some rule in array.concat(object.get(input.spec, "ingress", []), object.get(input.spec, "egress", []))
	count(object.get(rule, "from", [])) + count(object.get(rule, "to", [])) == 0
}

deny contains sprintf("%s: to the whole world by more than port 443", [named]) if {
	input.kind == "NetworkPolicy"
	some rule in input.spec.egress
	some peer in rule.to
	peer.ipBlock.cidr == "0.0.0.0/0"
	{port.port | some port in rule.ports} != {443}
}

deny contains sprintf("%s: an autoscaler that is blind must not switch judging off", [named]) if {
	input.kind == "ScaledObject"
	not scales_safely
}

scales_safely if {
	input.spec.minReplicaCount > 0
	input.spec.fallback.behavior == "currentReplicasIfHigher"
	input.spec.fallback.replicas >= input.spec.minReplicaCount
	not input.spec.idleReplicaCount
}

deny contains sprintf("%s: overlooks the partitions that are being restored", [named]) if {
	input.kind == "ScaledObject"
	some trigger in input.spec.triggers
	trigger.type == "kafka"
	object.get(trigger.metadata, "excludePersistentLag", "") != "false"
}

deny contains sprintf("%s: shrinks too eagerly: each change moves partitions", [named]) if {
	input.kind == "ScaledObject"
	input.spec.advanced.horizontalPodAutoscalerConfig.behavior.scaleDown.stabilizationWindowSeconds < 600
}

deny contains sprintf("%s: alert %s has no %s", [named, rule.alert, missing]) if {
	input.kind == "PrometheusRule"
	some group in input.spec.groups
	some rule in group.rules
	rule.alert
	some missing in ["summary", "description", "runbook_url"]
	not rule.annotations[missing]
}

deny contains sprintf("%s: nodes must be arm64, tainted, bounded, and go within a known time", [named]) if {
	input.kind == "NodePool"
	not orderly_nodes
}

orderly_nodes if {
	some requirement in input.spec.template.spec.requirements
	requirement.key == "kubernetes.io/arch"
	requirement.values == ["arm64"]
	count(input.spec.template.spec.taints) > 0
	input.spec.limits.cpu
	input.spec.template.spec.expireAfter != "Never"
	input.spec.template.spec.terminationGracePeriod
	count(input.spec.disruption.budgets) > 0
}

deny contains sprintf("%s: the image moves by itself", [named]) if {
	input.kind == "EC2NodeClass"
	some term in input.spec.amiSelectorTerms
	endswith(object.get(term, "alias", ""), "@latest")
}

deny contains sprintf("%s: pods reach the node's role", [named]) if {
	input.kind == "EC2NodeClass"
	not imds_closed
}

imds_closed if {
	input.spec.metadataOptions.httpTokens == "required"
	input.spec.metadataOptions.httpPutResponseHopLimit == 1
}

deny contains sprintf("%s: plain text is let through", [named]) if {
	input.kind == "PeerAuthentication"
	input.spec.mtls.mode != "STRICT"
}

deny contains sprintf("%s: keys of the cloud in a store", [named]) if {
	input.kind == "ClusterSecretStore"
	input.spec.provider.aws.auth.secretRef
}

deny contains sprintf("%s: chart %s is not pinned", [named, source.chart]) if {
	input.kind == "Application"
	some source in input.spec.sources
	source.chart
	not regex.match(`^v?[0-9]+\.[0-9]+\.[0-9]+$`, source.targetRevision)
}

deny contains sprintf("%s: may come from anywhere", [named]) if {
	input.kind == "AppProject"
	"*" in input.spec.sourceRepos
}
