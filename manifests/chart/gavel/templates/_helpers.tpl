{{- define "gavel.labels" -}}
{{ include "gavel.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
gavel/environment: {{ .Values.environment }}
{{- end }}

{{- define "gavel.selector" -}}
app.kubernetes.io/name: gavel
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "gavel.image" -}}
{{ .Values.image.repository }}@{{ .Values.image.digest }}
{{- end }}

{{- /* Restricted pod security, spelled out: the namespace's label would only say no. */ -}}
{{- define "gavel.podSecurity" -}}
runAsNonRoot: true
runAsUser: 65532
runAsGroup: 65532
fsGroup: 65532
fsGroupChangePolicy: OnRootMismatch
seccompProfile: { type: RuntimeDefault }
{{- end }}

{{- define "gavel.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities: { drop: [ALL] }
{{- end }}

{{- /* What every command needs to reach the brokers. */ -}}
{{- define "gavel.kafkaEnv" -}}
- name: GAVEL_KAFKA_BOOTSTRAP_SERVERS
  value: {{ if .Values.kafka.clusterArn }}msk:{{ .Values.kafka.clusterArn }}{{ else }}{{ join "," .Values.kafka.bootstrapServers }}{{ end }}
- name: GAVEL_KAFKA_GROUP
  value: {{ .Values.kafka.group }}
{{- if eq .Values.kafka.auth "msk-iam" }}
- name: GAVEL_KAFKA_AUTH
  value: msk-iam
{{- else if eq .Values.kafka.auth "scram" }}
- name: KAFKA_USERNAME
  valueFrom: { secretKeyRef: { name: {{ .Release.Name }}-kafka, key: username } }
- name: KAFKA_PASSWORD
  valueFrom: { secretKeyRef: { name: {{ .Release.Name }}-kafka, key: password } }
- name: GAVEL_KAFKA_PROPERTIES
  value: security.protocol=SASL_SSL;sasl.mechanism=SCRAM-SHA-512;sasl.username=$(KAFKA_USERNAME);sasl.password=$(KAFKA_PASSWORD)
{{- else if eq .Values.kafka.auth "mtls" }}
- name: GAVEL_KAFKA_PROPERTIES
  {{- $files := dict "ssl.ca.location" "ca.crt" "ssl.certificate.location" "tls.crt" "ssl.key.location" "tls.key" }}
  value: security.protocol=SSL{{ range $key, $file := $files }};{{ $key }}=/etc/gavel/tls/{{ $file }}{{ end }}
{{- end }}
- name: AWS_REGION
  value: {{ .Values.kafka.region }}
- name: GAVEL_LOG
  value: {{ .Values.log | quote }}
{{- with .Values.checkpoints.store }}
- name: GAVEL_CHECKPOINTS_STORE
  value: {{ . | quote }}
{{- end }}
{{- end }}

{{- define "gavel.kafkaMounts" -}}
{{- if eq .Values.kafka.auth "mtls" }}
- { name: kafka-tls, mountPath: /etc/gavel/tls, readOnly: true }
{{- end }}
{{- end }}

{{- define "gavel.kafkaVolumes" -}}
{{- if eq .Values.kafka.auth "mtls" }}
- { name: kafka-tls, secret: { secretName: {{ .Release.Name }}-kafka, defaultMode: 0440 } }
{{- end }}
{{- end }}

{{- /* One-shot commands: small, no disk but a scratch directory, never a mesh sidecar (it would keep the Job from ending). */ -}}
{{- define "gavel.jobPod" -}}
metadata:
  labels:
    {{- include "gavel.labels" .root | nindent 4 }}
    app.kubernetes.io/component: {{ .component }}
    sidecar.istio.io/inject: "false"
spec:
  serviceAccountName: {{ .account }}
  automountServiceAccountToken: false
  enableServiceLinks: false
  restartPolicy: Never
  securityContext:
    {{- include "gavel.podSecurity" .root | nindent 4 }}
  {{- with .root.Values.placement.nodeSelector }}
  nodeSelector: {{ toJson . }}
  {{- end }}
  {{- with .root.Values.placement.tolerations }}
  tolerations: {{ toJson . }}
  {{- end }}
  containers:
    - name: {{ .component }}
      image: {{ include "gavel.image" .root }}
      imagePullPolicy: IfNotPresent
      args: {{ toJson .args }}
      env:
        {{- include "gavel.kafkaEnv" .root | nindent 8 }}
      securityContext:
        {{- include "gavel.containerSecurity" .root | nindent 8 }}
      resources:
        requests: { cpu: {{ .cpu | quote }}, memory: {{ .memory }}, ephemeral-storage: {{ .scratch }} }
        limits: { memory: {{ .memory }}, ephemeral-storage: {{ .scratch }} }
      volumeMounts:
        - { name: scratch, mountPath: /tmp }
        {{- include "gavel.kafkaMounts" .root | nindent 8 }}
  volumes:
    - { name: scratch, emptyDir: { sizeLimit: {{ .scratch }} } }
    {{- include "gavel.kafkaVolumes" .root | nindent 4 }}
{{- end }}
