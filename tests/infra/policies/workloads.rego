# What a pod of ours may be. Each rule is tried with a mistake of its kind (tests/infra/checks/manifests.py).
package main

import rego.v1

pod := input.spec.template.spec if input.kind in {"StatefulSet", "Deployment", "DaemonSet", "Job"}

named := sprintf("%s %s", [input.kind, input.metadata.name])

deny contains sprintf("%s: image %s is not named by its digest", [named, container.image]) if {
	some container in pod.containers
	not regex.match(`@sha256:[0-9a-f]{64}$`, container.image)
	not others_release(container.image)
}

# What others publish, and we only configure, is named by an exact release, like their charts.
others_release(image) if regex.match(`^otel/opentelemetry-collector-contrib:[0-9]+\.[0-9]+\.[0-9]+$`, image)

# The one pod that must see files of the host as root: those of the logs, read only, and its own positions.
reads_the_host if {
	input.kind == "DaemonSet"
	input.metadata.name == "gavel-logs"
	{volume.hostPath.path | some volume in pod.volumes} == {"/var/log/pods", "/var/lib/gavel-logs"}
	every mount in pod.containers[0].volumeMounts {
		mount.readOnly == (mount.name != "positions")
	}
	pod.containers[0].securityContext.capabilities.add == ["DAC_READ_SEARCH"]
}

deny contains sprintf("%s: container %s does not request %s", [named, container.name, resource]) if {
	some container in pod.containers
	some resource in ["cpu", "memory", "ephemeral-storage"]
	not container.resources.requests[resource]
}

deny contains sprintf("%s: container %s may use more memory than it requests", [named, container.name]) if {
	some container in pod.containers
	object.get(container, ["resources", "limits", "memory"], "") != container.resources.requests.memory
}

deny contains sprintf("%s: a CPU limit throttles container %s", [named, container.name]) if {
	some container in pod.containers
	container.resources.limits.cpu
}

deny contains sprintf("%s: %s of the host is not ours", [named, shared]) if {
	some shared in ["hostNetwork", "hostPID", "hostIPC"]
	pod[shared]
}

deny contains sprintf("%s: volume %s is a path of the host", [named, volume.name]) if {
	some volume in pod.volumes
	volume.hostPath
	not reads_the_host
}

deny contains sprintf("%s: the pod may run as root, or without a seccomp profile", [named]) if {
	pod
	not restricted_pod
	not reads_the_host
}

restricted_pod if {
	pod.securityContext.runAsNonRoot
	pod.securityContext.runAsUser >= 10000
	pod.securityContext.seccompProfile.type == "RuntimeDefault"
}

deny contains sprintf("%s: container %s is not confined", [named, container.name]) if {
	some container in pod.containers
	not confined(container.securityContext)
}

confined(context) if {
	context.readOnlyRootFilesystem
	context.allowPrivilegeEscalation == false
	"ALL" in context.capabilities.drop
	not context.privileged
}

deny contains sprintf("%s: a token of the Kubernetes API that it does not need", [named]) if {
	pod.automountServiceAccountToken != false
	input.spec.template.metadata.labels["app.kubernetes.io/component"] != "processor"
}

# Kubernetes would put GAVEL_…_PORT beside the settings.
deny contains sprintf("%s: enableServiceLinks must be false", [named]) if {
	pod
	object.get(pod, "enableServiceLinks", true) != false
}

deny contains sprintf("%s: %s holds a secret in the clear", [named, variable.name]) if {
	some container in pod.containers
	some variable in container.env
	regex.match(`(?i)(password|secret|token)`, variable.name)
	variable.value
}

deny contains sprintf("%s: replicas belong to the autoscaler", [named]) if {
	input.kind == "StatefulSet"
	"replicas" in object.keys(input.spec)
}

deny contains sprintf("%s: pods must start in parallel", [named]) if {
	input.kind == "StatefulSet"
	object.get(input.spec, "podManagementPolicy", "OrderedReady") != "Parallel"
}

deny contains sprintf("%s: spot nodes end after two minutes, and the last checkpoint needs half a minute", [named]) if {
	input.kind == "StatefulSet"
	not grace_fits
}

grace_fits if {
	pod.terminationGracePeriodSeconds >= 30
	pod.terminationGracePeriodSeconds <= 110
}

deny contains sprintf("%s: caches take more than half of the memory", [named]) if {
	input.kind == "StatefulSet"
	some container in pod.containers
	caches := {"GAVEL_RUN_CONTEXT_BYTES", "GAVEL_STORE_BLOCK_CACHE_BYTES", "GAVEL_STORE_WRITE_BUFFER_BYTES"}
	used := sum([to_number(variable.value) | some variable in container.env; variable.name in caches])
	used * 2 > units.parse_bytes(container.resources.limits.memory)
}

deny contains sprintf("%s: liveness must not ask what readiness asks", [named]) if {
	some container in pod.containers
	container.livenessProbe.httpGet.path == container.readinessProbe.httpGet.path
}
