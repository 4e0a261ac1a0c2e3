{{/* Names and labels */}}

{{- define "baton-ping-one.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" -}}
{{- end -}}

{{- define "baton-ping-one.fullname" -}}
{{- $name := default .Chart.Name .Values.nameOverride -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 63 | trimSuffix "-" -}}
{{- else if contains $name .Release.Name -}}
{{- .Release.Name | trunc 63 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name $name | trunc 63 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{- define "baton-ping-one.namespace" -}}
{{- default .Release.Namespace .Values.namespaceOverride -}}
{{- end -}}

{{- define "baton-ping-one.selectorLabels" -}}
app.kubernetes.io/name: {{ include "baton-ping-one.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{/* Arguments: root, and labels of the object itself, which outrank commonLabels. No key is written twice. */}}
{{- define "baton-ping-one.labelsWith" -}}
{{- $root := index . 0 -}}
{{- $labels := dict
      "helm.sh/chart" (printf "%s-%s" $root.Chart.Name $root.Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-")
      "app.kubernetes.io/version" $root.Chart.AppVersion
      "app.kubernetes.io/managed-by" $root.Release.Service -}}
{{- mergeOverwrite $labels ($root.Values.commonLabels | default dict) (index . 1 | default dict) (include "baton-ping-one.selectorLabels" $root | fromYaml) | toYaml -}}
{{- end -}}

{{- define "baton-ping-one.labels" -}}
{{- include "baton-ping-one.labelsWith" (list . dict) -}}
{{- end -}}

{{/* A tag such as 20260102 may come as a number. */}}
{{- define "baton-ping-one.image" -}}
{{- $tag := .Values.image.tag -}}
{{- if not (kindIs "string" $tag) }}{{ $tag = int64 $tag | toString }}{{ end -}}
{{- if .Values.image.digest -}}
{{- printf "%s@%s" .Values.image.repository .Values.image.digest -}}
{{- else -}}
{{- printf "%s:%s" .Values.image.repository ($tag | default .Chart.AppVersion) -}}
{{- end -}}
{{- end -}}

{{- define "baton-ping-one.serviceAccountName" -}}
{{- .Values.serviceAccount.name | default (include "baton-ping-one.fullname" .) -}}
{{- end -}}

{{/* Not the Deployment's own name: kustomize would take a Role's resourceNames for the ConfigMap's and put a hash there. */}}
{{- define "baton-ping-one.configName" -}}
{{- printf "%s-config" (include "baton-ping-one.fullname" . | trunc 56 | trimSuffix "-") -}}
{{- end -}}

{{/* A text, a truth value or a number as one writes it: helm reads numbers of a file as fractions, and 15728640 as 1.572864e+07. */}}
{{- define "baton-ping-one.text" -}}
{{- if and (kindIs "float64" .) (eq . (floor .)) -}}
{{- int64 . -}}
{{- else -}}
{{- . -}}
{{- end -}}
{{- end -}}

{{/* Decisions that several templates share */}}

{{/* "true" on OpenShift, which chooses user and groups of a pod itself. */}}
{{- define "baton-ping-one.openshift" -}}
{{- if eq (toString .Values.openshift) "auto" -}}
{{- if .Capabilities.APIVersions.Has "security.openshift.io/v1" }}true{{ end -}}
{{- else if eq (toString .Values.openshift) "true" -}}
true
{{- end -}}
{{- end -}}

{{- define "baton-ping-one.podSecurityContext" -}}
{{- $context := .Values.podSecurityContext -}}
{{- if include "baton-ping-one.openshift" . }}{{ $context = omit $context "runAsUser" "runAsGroup" "fsGroup" }}{{ end -}}
{{- toYaml $context -}}
{{- end -}}

{{- define "baton-ping-one.securityContext" -}}
{{- $context := .Values.securityContext -}}
{{- if include "baton-ping-one.openshift" . }}{{ $context = omit $context "runAsUser" "runAsGroup" }}{{ end -}}
{{- toYaml $context -}}
{{- end -}}

{{/* The variables of the proxy and of the private certificate authorities, as a list. */}}
{{- define "baton-ping-one.network" -}}
{{- $p := .Values.proxy -}}
{{- if $p.existingSecret }}
- name: HTTPS_PROXY
  valueFrom:
    secretKeyRef:
      name: {{ $p.existingSecret }}
      key: HTTPS_PROXY
{{- else if $p.httpsProxy }}
- name: HTTPS_PROXY
  value: {{ $p.httpsProxy | quote }}
{{- end }}
{{- with $p.noProxy }}
- name: NO_PROXY
  value: {{ . | quote }}
{{- end }}
{{- if or .Values.caBundle.existingConfigMap .Values.caBundle.existingSecret }}
# Believed besides the authorities of the image.
- name: SSL_CERT_FILE
  value: /etc/baton-ping-one/ca/ca.crt
{{- end }}
{{- end -}}

{{/* The Secret's name: config outranks credentials, which outrank the default. */}}
{{- define "baton-ping-one.secretName" -}}
{{- if index .Values.config "credentials-secret" -}}
{{- index .Values.config "credentials-secret" -}}
{{- else if .Values.credentials.existingSecret -}}
{{- .Values.credentials.existingSecret -}}
{{- else if .Values.credentials.create -}}
{{- printf "%s-credentials" (include "baton-ping-one.fullname" . | trunc 51 | trimSuffix "-") -}}
{{- else -}}
baton-ping-one-secrets
{{- end -}}
{{- end -}}

{{/*
A directory named in config, and no Secret, means that somebody else brings the credentials. An empty
credentials-secret in config means that none is watched.
*/}}
{{- define "baton-ping-one.credentialsSource" -}}
{{- $c := .Values.credentials -}}
{{- $secret := index .Values.config "credentials-secret" -}}
{{- $named := or $c.existingSecret $c.create $secret -}}
{{- if and (eq $c.source "watch") (hasKey .Values.config "credentials-secret") (not $secret) -}}
none
{{- else if and (eq $c.source "watch") (index .Values.config "credentials-dir") (not $named) -}}
none
{{- else -}}
{{- $c.source -}}
{{- end -}}
{{- end -}}

{{/* "true" or "false". */}}
{{- define "baton-ping-one.leaderElection" -}}
{{- $asked := get .Values.config "leader-election" | toString -}}
{{- if or (eq $asked "true") (eq $asked "false") -}}
{{- $asked -}}
{{- else if eq (toString .Values.leaderElection.enabled) "auto" -}}
{{- and (not .Values.standalone.enabled) (or (gt (int .Values.replicaCount) 1) .Values.serviceAccount.mountToken) -}}
{{- else -}}
{{- .Values.leaderElection.enabled -}}
{{- end -}}
{{- end -}}

{{- define "baton-ping-one.leaseName" -}}
{{- $made := printf "%s-leader" (include "baton-ping-one.fullname" . | trunc 56 | trimSuffix "-") -}}
{{- get .Values.config "leader-election-lease-name" | default .Values.leaderElection.leaseName | default $made -}}
{{- end -}}

{{/* Which Lease the pods obey: its name or "none". An annotation of the pods says it. */}}
{{- define "baton-ping-one.obeys" -}}
{{- if eq (include "baton-ping-one.leaderElection" .) "true" -}}
{{- include "baton-ping-one.leaseName" . -}}
{{- else -}}
none
{{- end -}}
{{- end -}}

{{/*
"true" when the Deployment in the cluster has pods that obey another Lease than the new ones will, or do not say which: then
old and new pods must not run side by side. Also while a change of that kind is still under way. Without a cluster
(helm template) nothing is known and this is "".
*/}}
{{- define "baton-ping-one.leaseChanges" -}}
{{- $old := lookup "apps/v1" "Deployment" (include "baton-ping-one.namespace" .) (include "baton-ping-one.fullname" .) -}}
{{- if $old -}}
{{- $said := dig "spec" "template" "metadata" "annotations" "baton-ping-one/lease" "" $old -}}
{{- $recreates := eq (dig "spec" "strategy" "type" "" $old) "Recreate" -}}
{{- $unseen := lt (dig "status" "observedGeneration" 0 $old | int64) (dig "metadata" "generation" 0 $old | int64) -}}
{{- $fewer := lt (dig "status" "updatedReplicas" 0 $old | int64) (dig "spec" "replicas" 1 $old | int64) -}}
{{- if or (ne $said (include "baton-ping-one.obeys" .)) (and $recreates (or $unseen $fewer)) -}}
true
{{- end -}}
{{- end -}}
{{- end -}}

{{/* Whole seconds of a duration such as 1h2m3s; the second argument names the value in the refusal. */}}
{{- define "baton-ping-one.seconds" -}}
{{- $text := toString (index . 0) -}}
{{- if not (regexMatch "^([0-9]+h)?([0-9]+m)?([0-9]+s)?$" $text) -}}
{{- fail (printf "%s: %q is no duration in whole seconds; write it as 1h2m3s" (index . 1) $text) -}}
{{- else if eq $text "" -}}
{{- fail (printf "%s: a duration such as 30s is needed" (index . 1)) -}}
{{- end -}}
{{- $h := regexFind "[0-9]+h" $text | trimSuffix "h" | int64 -}}
{{- $m := regexFind "[0-9]+m" $text | trimSuffix "m" | int64 -}}
{{- $s := regexFind "[0-9]+s" $text | trimSuffix "s" | int64 -}}
{{- add (mul $h 3600) (mul $m 60) $s -}}
{{- end -}}

{{/* The daemon's configuration file: what the chart decides, then the user's own keys over it. */}}
{{- define "baton-ping-one.config" -}}
{{- $made := dict
      "health-check" true
      "health-check-bind-address" "::"
      "health-check-port" 8081
      "c1z-temp-dir" "/tmp"
      "state-dir" "/var/lib/baton-ping-one"
      "shutdown-grace" "30s"
      "leader-election" (include "baton-ping-one.leaderElection" .) -}}
{{- $source := include "baton-ping-one.credentialsSource" . -}}
{{- if eq $source "watch" -}}
{{- $_ := set $made "credentials-secret" (include "baton-ping-one.secretName" .) -}}
{{- else if eq $source "mount" -}}
{{- $_ := set $made "credentials-dir" "/etc/baton-ping-one/credentials" -}}
{{- end -}}
{{- if eq (include "baton-ping-one.leaderElection" .) "true" -}}
{{- $_ := set $made "leader-election-lease-name" (include "baton-ping-one.leaseName" .) -}}
{{- $_ := set $made "leader-election-lease-duration" .Values.leaderElection.leaseDuration -}}
{{- $_ := set $made "leader-election-renew-deadline" .Values.leaderElection.renewDeadline -}}
{{- $_ := set $made "leader-election-retry-period" .Values.leaderElection.retryPeriod -}}
{{- end -}}
{{- /* pods that may lead next do not share a volume */ -}}
{{- $keeps := has (toString (get .Values.config "incremental")) (list "true" "verify") -}}
{{- if and $keeps (eq (include "baton-ping-one.leaderElection" .) "true") (not .Values.persistence.enabled) -}}
{{- $_ := set $made "observations-configmap" (printf "%s-observations" (include "baton-ping-one.fullname" . | trunc 50 | trimSuffix "-")) -}}
{{- end -}}
{{- if .Values.standalone.enabled -}}
{{- $_ := set $made "sync-interval" .Values.standalone.syncInterval -}}
{{- $_ := set $made "file" "/var/lib/baton-ping-one/sync.c1z" -}}
{{- end -}}
{{- /* not merge: that takes false, 0 and "" for keys that were not given */ -}}
{{- range $key, $given := .Values.config -}}
{{- $_ := set $made $key $given -}}
{{- end -}}
{{- /* auto is decided here: a pod does not know how many replicas there are */ -}}
{{- $_ := set $made "leader-election" (include "baton-ping-one.leaderElection" .) -}}
{{- toYaml $made -}}
{{- end -}}

{{- define "baton-ping-one.adminPort" -}}
{{- get (include "baton-ping-one.config" . | fromYaml) "health-check-port" | int -}}
{{- end -}}

{{/* The port of the collector of traces; "" where none is named. */}}
{{- define "baton-ping-one.collectorPort" -}}
{{- if ne (get .Values.config "otel-tracing-disabled" | toString) "true" -}}
{{- get .Values.config "otel-collector-endpoint" | toString | regexFind ":[0-9]+$" | trimPrefix ":" -}}
{{- end -}}
{{- end -}}

{{- define "baton-ping-one.gracePeriod" -}}
{{- $config := include "baton-ping-one.config" . | fromYaml -}}
{{- $least := include "baton-ping-one.seconds" (list (get $config "shutdown-grace") "config.shutdown-grace") | int64 -}}
{{- if kindIs "invalid" .Values.terminationGracePeriodSeconds -}}
{{- add $least 10 -}}
{{- else if lt (int64 .Values.terminationGracePeriodSeconds) (add $least 10) -}}
{{- fail (printf "terminationGracePeriodSeconds: %d is less than config.shutdown-grace (%d s) plus 10: the pod would be killed while it finishes its work" (int64 .Values.terminationGracePeriodSeconds) $least) -}}
{{- else -}}
{{- int64 .Values.terminationGracePeriodSeconds -}}
{{- end -}}
{{- end -}}

{{/*
Matches the names of the Deployment's pods. A pod's name is the name of the Deployment, the hash of the pod template
(at most ten characters) and five random characters. Kubernetes cuts what comes before these five at 58 characters, so a
long name loses the end of the hash and the last dash, or its own end.
*/}}
{{- define "baton-ping-one.podPattern" -}}
{{- $full := include "baton-ping-one.fullname" . -}}
{{- $length := len $full -}}
{{- if le $length 46 -}}
{{- printf "%s-[a-z0-9]+-[a-z0-9]+" $full -}}
{{- else if le $length 57 -}}
{{- printf "%s-([a-z0-9]+-[a-z0-9]+|[a-z0-9]{%d})" $full (sub 62 $length) -}}
{{- else -}}
{{- printf "%s[a-z0-9]{5}" (trunc 58 $full) -}}
{{- end -}}
{{- end -}}

{{/* Whether to render an object of the Prometheus operator: "true" or "". Arguments: root, values, kind, path of the values. */}}
{{- define "baton-ping-one.monitoring" -}}
{{- $root := index . 0 -}}
{{- $values := index . 1 -}}
{{- $kind := index . 2 -}}
{{- if $values.enabled -}}
{{- if $root.Capabilities.APIVersions.Has (printf "monitoring.coreos.com/v1/%s" $kind) -}}
true
{{- else if eq $values.renderMode "alwaysRender" -}}
true
{{- else if eq $values.renderMode "failIfMissing" -}}
{{- fail (printf "%s.enabled: the cluster has no kind %s of monitoring.coreos.com/v1; install the Prometheus operator or set %s.renderMode to skipIfMissing" (index . 3) $kind (index . 3)) -}}
{{- end -}}
{{- end -}}
{{- end -}}
