{{/*
Settings that contradict one another. Each refusal names the values and says what to do. What is only
misspelt or of the wrong type is refused before this by values.schema.json.
*/}}
{{- define "baton-ping-one.validate" -}}
{{- $v := .Values -}}
{{- $config := include "baton-ping-one.config" . | fromYaml -}}
{{- $source := include "baton-ping-one.credentialsSource" . -}}
{{- $leading := eq (include "baton-ping-one.leaderElection" .) "true" -}}
{{- $replicas := int $v.replicaCount -}}

{{- if not $v.enabled -}}
{{- fail "enabled false is for parent charts: name baton-ping-one.enabled in the dependency's condition. To pause the connector set replicaCount to 0, to remove it uninstall the release" -}}
{{- end -}}
{{- range $value := list "commonLabels" "podLabels" -}}
{{- range $key := list "app.kubernetes.io/name" "app.kubernetes.io/instance" -}}
{{- if hasKey (get $v $value) $key -}}
{{- fail (printf "%s: %s selects the pods and cannot be replaced; set nameOverride, or name the release otherwise" $value $key) -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{- /* a release may have a dot or a digit in front, a Service may not */ -}}
{{- $full := include "baton-ping-one.fullname" . -}}
{{- if not (regexMatch "^[a-z]([-a-z0-9]*[a-z0-9])?$" $full) -}}
{{- fail (printf "the object name %s, made of the release's name, has to begin with a letter and to hold letters, digits and dashes alone; set fullnameOverride" $full) -}}
{{- end -}}

{{- /* secrets in plain sight */ -}}
{{- range $key := list "client-secret" "pingone-client-secret" "pingone-private-key" -}}
{{- if hasKey $v.config $key -}}
{{- fail (printf "config.%s: a secret does not belong in a ConfigMap; put it into the Secret that credentials.existingSecret names, under the key BATON_%s" $key ($key | replace "-" "_" | upper)) -}}
{{- end -}}
{{- range $arg := $v.extraArgs -}}
{{- if regexMatch (printf "^--%s(=|$)" $key) $arg -}}
{{- fail (printf "extraArgs: a secret does not belong on a command line (--%s); put it into the Secret that credentials.existingSecret names" $key) -}}
{{- end -}}
{{- end -}}
{{- range $v.extraEnv -}}
{{- if and (eq .name (printf "BATON_%s" ($key | replace "-" "_" | upper))) (hasKey . "value") -}}
{{- fail (printf "extraEnv: a secret does not belong in a Deployment in plain text (%s); put it into the Secret that credentials.existingSecret names, or use valueFrom" .name) -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{- /* what the chart derives other fields from must not be set behind its back */ -}}
{{- range $key := list "health-check-port" "health-check-bind-address" "shutdown-grace" "credentials-secret" "leader-election" "leader-election-lease-name" "observations-configmap" -}}
{{- $env := printf "BATON_%s" ($key | replace "-" "_" | upper) -}}
{{- range $v.extraEnv -}}
{{- if eq .name $env -}}
{{- fail (printf "extraEnv: set config.%s instead of %s; probes, ports and permissions follow it" $key $env) -}}
{{- end -}}
{{- end -}}
{{- range $arg := $v.extraArgs -}}
{{- if regexMatch (printf "^--%s(=|$)" $key) $arg -}}
{{- fail (printf "extraArgs: set config.%s instead of --%s; probes, ports and permissions follow it" $key $key) -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{- /* credentials */ -}}
{{- if and $v.credentials.create $v.credentials.existingSecret -}}
{{- fail "credentials.create and credentials.existingSecret: set one of them" -}}
{{- end -}}
{{- if and $v.credentials.create (not $v.credentials.values) -}}
{{- fail "credentials.create: credentials.values is empty; give the keys and values of the Secret" -}}
{{- end -}}
{{- if or (eq $source "watch") (eq $source "mount") -}}
{{- range $key, $_ := $v.credentials.values -}}
{{- if not (has $key (list "BATON_CLIENT_ID" "BATON_CLIENT_SECRET" "BATON_PINGONE_CLIENT_ID" "BATON_PINGONE_CLIENT_SECRET" "BATON_PINGONE_PRIVATE_KEY" "BATON_PINGONE_PRIVATE_KEY_ID" "BATON_PINGONE_ENVIRONMENT_ID")) -}}
{{- fail (printf "credentials.values.%s: with credentials.source %s only credentials are read from the Secret; set config.%s instead" $key $source ($key | trimPrefix "BATON_" | lower | replace "_" "-")) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- if and $v.credentials.values (not $v.credentials.create) -}}
{{- fail "credentials.values: set credentials.create to true, or leave the values out and name a Secret in credentials.existingSecret" -}}
{{- end -}}
{{- $named := get $v.config "credentials-secret" -}}
{{- if $named -}}
{{- if and $v.credentials.existingSecret (ne $named $v.credentials.existingSecret) -}}
{{- fail (printf "config.credentials-secret (%s) and credentials.existingSecret (%s) name different Secrets; set one of them" $named $v.credentials.existingSecret) -}}
{{- end -}}
{{- if ne $source "watch" -}}
{{- fail (printf "config.credentials-secret and credentials.source %s: the flag watches a Secret; leave it out, or set credentials.source to watch" $source) -}}
{{- end -}}
{{- end -}}
{{- if and (eq $source "mount") (hasKey $v.config "credentials-dir") -}}
{{- fail "config.credentials-dir and credentials.source mount: the chart mounts the Secret and sets the directory; leave the flag out, or set credentials.source to none" -}}
{{- end -}}
{{- if and (hasKey $v.config "credentials-secret") (not $named) (or $v.credentials.existingSecret $v.credentials.create) -}}
{{- fail (printf "config.credentials-secret is empty and credentials.%s names a Secret; leave the flag out" (ternary "create" "existingSecret" $v.credentials.create)) -}}
{{- end -}}
{{- if and (eq $source "none") $v.credentials.existingSecret -}}
{{- fail "credentials.source none and credentials.existingSecret: nothing would read the Secret" -}}
{{- end -}}

{{- /* leadership */ -}}
{{- if hasKey $v.config "leader-election" -}}
{{- $asked := get $v.config "leader-election" | toString -}}
{{- if not (has $asked (list "true" "false" "auto")) -}}
{{- fail (printf "config.leader-election: %q is none of auto, true, false" $asked) -}}
{{- end -}}
{{- if and (ne (toString $v.leaderElection.enabled) "auto") (ne $asked "auto") (ne $asked (toString $v.leaderElection.enabled)) -}}
{{- fail (printf "config.leader-election (%s) and leaderElection.enabled (%v) contradict each other; set one of them" $asked $v.leaderElection.enabled) -}}
{{- end -}}
{{- end -}}
{{- if and (gt $replicas 1) (not $leading) (not $v.standalone.enabled) -}}
{{- fail (printf "replicaCount %d and leaderElection.enabled false: each pod would open a session at C1; set replicaCount to 1 or leaderElection.enabled to true" $replicas) -}}
{{- end -}}
{{- if $leading -}}
{{- $term := include "baton-ping-one.seconds" (list (get $config "leader-election-lease-duration") "leaderElection.leaseDuration") | int64 -}}
{{- $renew := include "baton-ping-one.seconds" (list (get $config "leader-election-renew-deadline") "leaderElection.renewDeadline") | int64 -}}
{{- $retry := include "baton-ping-one.seconds" (list (get $config "leader-election-retry-period") "leaderElection.retryPeriod") | int64 -}}
{{- if not (get $config "leader-election-lease-name") -}}
{{- fail "config.leader-election-lease-name is empty: leave it out, or name the Lease" -}}
{{- end -}}
{{- if ge $renew $term -}}
{{- fail (printf "leaderElection.renewDeadline (%d s) must be below leaderElection.leaseDuration (%d s)" $renew $term) -}}
{{- end -}}
{{- if or (ge (mul 2 $retry) $renew) (lt $retry 1) -}}
{{- fail (printf "leaderElection.retryPeriod (%d s) must be at least 1 s and less than half of leaderElection.renewDeadline (%d s)" $retry $renew) -}}
{{- end -}}
{{- end -}}
{{- if and (not $v.serviceAccount.mountToken) (or $leading (eq $source "watch")) -}}
{{- fail (printf "serviceAccount.mountToken false: the token is needed for %s" (ternary "leaderElection.enabled" "credentials.source watch; use mount or env" $leading)) -}}
{{- end -}}

{{- /* one writer per file */ -}}
{{- if and $v.standalone.enabled (gt $replicas 1) -}}
{{- fail (printf "standalone.enabled and replicaCount %d: without C1 one pod syncs; set replicaCount to 1" $replicas) -}}
{{- end -}}
{{- if and $v.persistence.enabled (gt $replicas 1) -}}
{{- fail (printf "persistence.enabled and replicaCount %d: two pods would share one claim; set replicaCount to 1" $replicas) -}}
{{- end -}}
{{- if and $v.persistence.existingClaim (not $v.persistence.enabled) -}}
{{- fail "persistence.existingClaim: set persistence.enabled to true to use the claim" -}}
{{- end -}}
{{- /* Kubernetes takes a strategy without a type for RollingUpdate */ -}}
{{- if $v.strategy -}}
{{- $recreate := eq (get $v.strategy "type") "Recreate" -}}
{{- if and (not $recreate) (not $leading) -}}
{{- fail "strategy RollingUpdate and leaderElection.enabled false: two pods would run at once during an update; set strategy.type to Recreate, or use leader election" -}}
{{- end -}}
{{- if and (not $recreate) $v.persistence.enabled -}}
{{- fail "strategy RollingUpdate and persistence.enabled: the new pod would wait for the old one's claim; set strategy.type to Recreate" -}}
{{- end -}}
{{- if and $recreate (get $v.strategy "rollingUpdate") -}}
{{- fail "strategy.type Recreate and strategy.rollingUpdate: set one of them" -}}
{{- end -}}
{{- end -}}

{{- /* availability, account, network, metrics */ -}}
{{- $pdb := $v.podDisruptionBudget -}}
{{- if and (not (kindIs "invalid" $pdb.minAvailable)) (not (kindIs "invalid" $pdb.maxUnavailable)) -}}
{{- fail "podDisruptionBudget.minAvailable and podDisruptionBudget.maxUnavailable: set one of them" -}}
{{- end -}}
{{- if and (not $v.serviceAccount.create) (not $v.serviceAccount.name) -}}
{{- fail "serviceAccount.create false: name the account to use in serviceAccount.name; the namespace's default account should not get these permissions" -}}
{{- end -}}
{{- if and $v.proxy.httpsProxy $v.proxy.existingSecret -}}
{{- fail "proxy.httpsProxy and proxy.existingSecret: set one of them" -}}
{{- end -}}
{{- if and $v.caBundle.existingConfigMap $v.caBundle.existingSecret -}}
{{- fail "caBundle.existingConfigMap and caBundle.existingSecret: set one of them" -}}
{{- end -}}
{{- $bind := get $config "health-check-bind-address" | toString -}}
{{- if or (hasPrefix "127." $bind) (has $bind (list "localhost" "::1" "[::1]")) -}}
{{- fail (printf "config.health-check-bind-address %s: probes and Prometheus come from outside the pod; use 0.0.0.0 or ::" $bind) -}}
{{- end -}}
{{- $port := get $config "health-check-port" | toString -}}
{{- if not (and (regexMatch "^[0-9]+$" $port) (ge (int $port) 1) (le (int $port) 65535)) -}}
{{- fail (printf "config.health-check-port %s: probes and the Service need a known port; use 1 to 65535" $port) -}}
{{- end -}}
{{- if and $v.metrics.serviceMonitor.enabled $v.metrics.podMonitor.enabled -}}
{{- fail "metrics.serviceMonitor.enabled and metrics.podMonitor.enabled: each pod would be scraped twice; set one of them" -}}
{{- end -}}
{{- if and $v.metrics.serviceMonitor.enabled (not $v.metrics.service.enabled) -}}
{{- fail "metrics.serviceMonitor.enabled and metrics.service.enabled false: a ServiceMonitor needs the Service; use metrics.podMonitor.enabled" -}}
{{- end -}}
{{- end -}}
