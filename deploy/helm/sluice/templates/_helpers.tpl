{{- define "sluice.name" -}}
{{- if contains .Chart.Name .Release.Name -}}
{{- .Release.Name | trunc 50 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name .Chart.Name | trunc 50 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{- define "sluice.selector" -}}
app.kubernetes.io/name: {{ .Chart.Name }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "sluice.labels" -}}
{{ include "sluice.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
{{- end -}}

{{/* The settings of the gateway that follow from the values; `settings` wins. */}}
{{- define "sluice.settings" -}}
SLUICE_LISTEN: "0.0.0.0:50051"
SLUICE_HTTP_LISTEN: "0.0.0.0:8080"
SLUICE_REPLICA_DIR: /var/lib/sluice/replica
SLUICE_DRAIN_WAIT_MS: {{ int .Values.drainWaitMs | quote }}
SLUICE_SHUTDOWN_TIMEOUT_MS: {{ int .Values.shutdownTimeoutMs | quote }}
SLUICE_NATS_URL: {{ .Values.nats.url | quote }}
{{- with .Values.nats }}
{{- if .user }}
SLUICE_NATS_USER: {{ .user | quote }}
{{- end }}
{{- if .password }}
SLUICE_NATS_PASSWORD_FILE: /etc/sluice/nats/password
{{- end }}
{{- if .creds }}
SLUICE_NATS_CREDS: /etc/sluice/nats/nats.creds
{{- end }}
{{- if .tlsCa }}
SLUICE_NATS_TLS_CA: /etc/sluice/nats/ca.crt
{{- end }}
{{- if .tlsCert }}
SLUICE_NATS_TLS_CERT: /etc/sluice/nats/tls.crt
SLUICE_NATS_TLS_KEY: /etc/sluice/nats/tls.key
{{- end }}
{{- end }}
SLUICE_STORE_NAME: {{ .Values.store.name | quote }}
SLUICE_STORE_PREFIX: {{ .Values.store.prefix | quote }}
SLUICE_STORE_REPLICAS: {{ int .Values.store.replicas | quote }}
{{- if .Values.store.create }}
SLUICE_CREATE_STORE: "true"
{{- end }}
{{- if .Values.tls.secretName }}
SLUICE_TLS_CERT: /etc/sluice/tls/tls.crt
SLUICE_TLS_KEY: /etc/sluice/tls/tls.key
{{- if .Values.tls.clientCa }}
SLUICE_TLS_CLIENT_CA: /etc/sluice/tls/ca.crt
{{- end }}
{{- end }}
{{- if .Values.auth.secretName }}
SLUICE_AUTH_FILE: /etc/sluice/auth/auth.json
{{- end }}
{{- if .Values.insecure }}
SLUICE_INSECURE: "true"
{{- end }}
{{- end -}}
