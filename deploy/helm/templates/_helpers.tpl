{{- define "takedown.name" -}}{{ .Values.nameOverride | default .Release.Name | trunc 40 | trimSuffix "-" }}{{- end }}

{{- define "takedown.selector" -}}
app.kubernetes.io/name: takedown-monitor
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "takedown.labels" -}}
{{ include "takedown.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
{{- end }}

{{- define "takedown.image" -}}{{ .Values.image.repository }}:{{ .Values.image.tag | default .Chart.AppVersion }}{{- end }}

{{- define "takedown.databaseRoles" -}}ledger relay exporter retention prepare{{- end }}
{{- define "takedown.keyRoles" -}}ledger retention prober intake prepare{{- end }}

{{- define "takedown.podSecurity" -}}
runAsNonRoot: true
runAsUser: 10001
runAsGroup: 10001
fsGroup: 10001
seccompProfile: {type: RuntimeDefault}
{{- end }}

{{- define "takedown.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities: {drop: [ALL]}
{{- end }}

{{/* The environment of a role: (dict "root" $ "role" name). */}}
{{- define "takedown.environment" -}}
{{- $root := .root -}}{{- $role := .role -}}
{{- $all := dict "TAKEDOWN_KAFKA_BOOTSTRAP_SERVERS" $root.Values.kafka.bootstrapServers -}}
{{- if ne $role "attribution" }}{{- $_ := set $all "TAKEDOWN_METHODOLOGY" $root.Values.methodology }}{{- end }}
{{- if has $role (splitList " " (include "takedown.databaseRoles" $root)) }}{{- $_ := set $all "TAKEDOWN_DATABASE_URL_FILE" "/run/secrets/database/url" }}{{- end }}
{{- if has $role (splitList " " (include "takedown.keyRoles" $root)) }}{{- $_ := set $all "TAKEDOWN_KEYS_FILE" "/run/secrets/keys/keys.toml" }}{{- end }}
{{- if eq $role "intake" }}
{{- $_ := set $all "TAKEDOWN_INTAKE_TOKENS_FILE" "/run/secrets/intake/intake_tokens.toml" }}
{{- $_ := set $all "TAKEDOWN_INTAKE_HOST" "0.0.0.0" }}
{{- end }}
{{- if eq $role "retention" }}
{{- $_ := set $all "TAKEDOWN_RETENTION_URL_DAYS" $root.Values.retention.urlDays }}
{{- $_ := set $all "TAKEDOWN_RETENTION_ARCHIVES" "/var/lib/takedown/archives" }}
{{- end }}
{{- if eq $role "prober" }}
{{- $p := $root.Values.prober }}
{{- $_ := set $all "TAKEDOWN_PROBE_MODE" "public" }}
{{- $_ := set $all "TAKEDOWN_PROBE_OPERATOR" (required "prober.operator says who is responsible for the looks" $p.operator) }}
{{- $_ := set $all "TAKEDOWN_PROBE_CONTACT" (required "prober.contact is for operators of the hosts looked at" $p.contact) }}
{{- $_ := set $all "TAKEDOWN_PROBE_LEGAL_BASIS" (required "prober.legalBasis names the law or the agreement" $p.legalBasis) }}
{{- $_ := set $all "TAKEDOWN_CANARY_URL" (required "prober.canaryUrl is a page of your own that is always online" $p.canaryUrl) }}
{{- $_ := set $all "TAKEDOWN_VANTAGE" $p.vantage }}
{{- $_ := set $all "TAKEDOWN_PROBE_PROCESSES" $root.Values.roles.prober.replicas }}
{{- end }}
{{- $own := dict }}{{- if hasKey $root.Values.roles $role }}{{- $own = (get $root.Values.roles $role).environment | default dict }}{{- end }}
{{- range $name, $value := mergeOverwrite $all (deepCopy ($root.Values.environment | default dict)) (deepCopy $own) }}
- name: {{ $name }}
  value: {{ $value | toString | quote }}
{{- end }}
{{- end }}

{{/* Mounts and volumes of a role's secrets: each sees its own alone. */}}
{{- define "takedown.mounts" -}}
- {name: tmp, mountPath: /tmp}
{{- if has .role (splitList " " (include "takedown.databaseRoles" .root)) }}
- {name: database, mountPath: /run/secrets/database, readOnly: true}
{{- end }}
{{- if has .role (splitList " " (include "takedown.keyRoles" .root)) }}
- {name: keys, mountPath: /run/secrets/keys, readOnly: true}
{{- end }}
{{- if eq .role "intake" }}
- {name: intake, mountPath: /run/secrets/intake, readOnly: true}
{{- end }}
{{- if eq .role "retention" }}
- {name: archives, mountPath: /var/lib/takedown/archives}
{{- end }}
{{- end }}

{{- define "takedown.volumes" -}}
- name: tmp
  emptyDir: {sizeLimit: 2Gi}
{{- if has .role (splitList " " (include "takedown.databaseRoles" .root)) }}
- name: database
  secret:
    secretName: {{ .root.Values.secrets.database }}
    defaultMode: 0440
    items: [{key: {{ .role }}, path: url}]
{{- end }}
{{- if has .role (splitList " " (include "takedown.keyRoles" .root)) }}
- name: keys
  secret: {secretName: {{ .root.Values.secrets.keys }}, defaultMode: 0440}
{{- end }}
{{- if eq .role "intake" }}
- name: intake
  secret: {secretName: {{ .root.Values.secrets.intakeTokens }}, defaultMode: 0440}
{{- end }}
{{- if eq .role "retention" }}
- name: archives
  persistentVolumeClaim: {claimName: {{ include "takedown.name" .root }}-archives}
{{- end }}
{{- end }}
