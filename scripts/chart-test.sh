#!/usr/bin/env bash
# chart-test.sh - everything about the chart that can be checked without a cluster.
#
#   scripts/chart-test.sh             all checks
#   scripts/chart-test.sh --update    first bring README.md, the schema, the snapshot and manifests/base up to date
#
# Each check is followed by one that plants a fault and must see it found, so a check
# that has stopped looking fails too. HELM3 may name a helm 3 to render with as well.
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/.."
scripts/tools.sh chart
PATH=$(scripts/tools.sh path):$PATH
python=$(dirname "$(scripts/tools.sh path)")/venv/bin/python
chart=charts/baton-ping-one
# The oldest and the newest Kubernetes that the chart is for.
kubernetes_versions=(1.29.0 1.34.0 1.37.0)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

passed=0 failed=0
report() { # report STATUS NAME
	if [[ $1 == 0 ]]; then
		passed=$((passed + 1))
		printf 'ok    %s\n' "$2"
	else
		failed=$((failed + 1))
		printf 'FAIL  %s\n' "$2"
		sed 's/^/      /' "$work/out" | tail -n 40
	fi
}
check() { # check NAME CMD...: must succeed
	local name=$1 status=0
	shift
	"$@" >"$work/out" 2>&1 || status=1
	report "$status" "$name"
}
finds() { # finds NAME TEXT CMD...: must fail and say TEXT
	local name="finds $1" text=$2 status=0
	shift 2
	if "$@" >"$work/out" 2>&1; then
		status=1
		echo "the fault was not found" >>"$work/out"
	elif ! grep -qE -- "$text" "$work/out"; then
		status=1
		echo "failed, but not with: $text" >>"$work/out"
	fi
	report "$status" "$name"
}
# mutant FILE SED: a copy of the chart with one change; prints its folder.
mutant() {
	local copy
	copy=$(mktemp -d "$work/mutant.XXXX")
	cp -a "$chart/." "$copy"
	sed -i -E "$2" "$copy/$1"
	! cmp -s "$chart/$1" "$copy/$1" || { echo "the planted fault changes nothing: $1 $2" >&2; exit 1; }
	echo "$copy"
}
render() { helm template baton-ping-one "${1:-$chart}" --namespace baton "${@:2}"; }
unittest() { helm-unittest --strict --file 'tests/*_test.yaml' "$1"; }

if [[ ${1:-} == --update ]]; then
	"$python" scripts/chart_schema.py "$chart"
	"$python" scripts/chart_readme.py "$chart"
	helm-unittest --strict --update-snapshot --file 'tests/*_test.yaml' "$chart" >/dev/null
	scripts/manifests.sh
fi

# --- rendering ------------------------------------------------------------------
check "helm lint" helm lint --strict --quiet "$chart"
mkdir "$work/rendered"
for values in "$chart"/ci/*-values.yaml; do
	feature=$(basename "$values" -values.yaml)
	check "helm lint with $feature" helm lint --strict --quiet --values "$values" "$chart"
	render "$chart" --values "$values" >"$work/rendered/$feature.yaml" 2>"$work/out" || report 1 "render $feature"
done
same_twice() { cmp <(render "$chart" --values "$chart/ci/scheduling-values.yaml") <(render "$chart" --values "$chart/ci/scheduling-values.yaml"); }
check "two renderings are the same bytes" same_twice
finds "a template that does not parse" "unexpected EOF|parse error" helm lint --strict --quiet "$(mutant templates/service.yaml '$d')"
if [[ -n ${HELM3:-} ]]; then
	helm3_same() { diff <("$HELM3" template baton-ping-one "$chart" --namespace baton --kube-version 1.34.0) <(render "$chart" --kube-version 1.34.0); }
	check "helm 3 renders the same" helm3_same
fi

# --- helm-unittest --------------------------------------------------------------
check "helm-unittest" unittest "$chart"
tail -n 6 "$work/out" | sed -n 's/^\(Tests\|Snapshot\):/      \1:/p'
plant() { finds "$1" "Tests: .* [1-9][0-9]* failed" unittest "$(mutant "$2" "$3")"; }
plant "a root file system that can be written" values.yaml 's/readOnlyRootFilesystem: true/readOnlyRootFilesystem: false/'
plant "readiness on the wrong path" templates/_pod.tpl 's|path: /readyz|path: /livez|'
plant "a permission for every Secret" templates/rbac.yaml '/resourceNames: .*secretName/d'
plant "one more verb" templates/rbac.yaml 's/verbs: \[get, list, watch\]/verbs: [get, list, watch, delete]/'
plant "a budget for a single replica" templates/poddisruptionbudget.yaml 's/ \(gt \(int \.Values\.replicaCount\) 1\)//'
plant "rolling updates of a single pod without a Lease" templates/deployment.yaml 's/type: Recreate/type: RollingUpdate/'
plant "a refusal that was lost" templates/_validate.tpl 's/list "client-secret" "pingone-client-secret"/list "client-secret"/'
plant "labels that replace the selector's" templates/_helpers.tpl 's/ \(include "baton-ping-one.selectorLabels" \$root \| fromYaml\)//'
plant "a pod that names its user on OpenShift" templates/_helpers.tpl 's/omit \$context "runAsUser"/omit $context "runAsNobody"/'
plant "a plain secret in the environment" templates/_validate.tpl 's/hasKey \. "value"/hasKey . "valueFrom"/'
plant "a rolling update that only shows in its numbers" templates/_validate.tpl 's/\(not \$recreate\) \(not \$leading\)/(eq (get $v.strategy "type") "RollingUpdate") (not $leading)/'
plant "a number written as a fraction" templates/secret.yaml 's/include "baton-ping-one.text" \$value/\$value | toString/'
plant "a claim that two pods want at once" templates/deployment.yaml 's/ \(not \.Values\.persistence\.enabled\)//'
plant "a container that names its group on OpenShift" templates/_helpers.tpl 's/omit \$context "runAsUser" "runAsGroup" \}\}/omit $context "runAsUser" }}/'
plant "a test pod that cannot pull its image" templates/tests/ready.yaml 's/with \.Values\.imagePullSecrets/with ""/'
plant "a NetworkPolicy that shuts the test pod out" templates/networkpolicy.yaml 's/trunc 58 \}\}-test/trunc 58 }}-tst/'
plant "a PodMonitor that looks into every namespace" templates/podmonitor.yaml '/matchNames:/d; /- \{\{ include "baton-ping-one.namespace" \. \}\}/d'
plant "notes that lose the region" templates/NOTES.txt 's/regexMatch "PINGONE_REGION/regexMatch "PINGONE_RGION/'
plant "notes that want a health check of no pod" templates/NOTES.txt 's/if gt \(int \.Values\.replicaCount\) 0 \}\}/if true }}/'
plant "an open schema" values.schema.json '0,/"additionalProperties": false/s//"additionalProperties": true/'
plant "another default" values.yaml 's/^replicaCount: 2/replicaCount: 3/'
plant "a Secret that restarts the pods" templates/deployment.yaml 's|(checksum/)config(:.*)|\1config\2\n        checksum/secret: x|'
plant "an alert without an anchor" templates/prometheusrule.yaml 's/runbook_url: .*/runbook_url: ""/'
plant "a false in config that is ignored" templates/_helpers.tpl 's/(set \$made \$key) \$given/\1 (\$given | default (get $made $key))/'
plant "an upgrade that does not look at the old pods" templates/_helpers.tpl 's/ne \$said \(include "baton-ping-one.obeys" \.\)/false/'
plant "a NetworkPolicy without DNS" values.yaml 's/dnsPorts: \[53\]/dnsPorts: [54]/'
plant "a NetworkPolicy that shuts the collector out" templates/networkpolicy.yaml 's/with include "baton-ping-one.collectorPort" \./with ""/'
plant "a NetworkPolicy that shuts the proxy out" templates/networkpolicy.yaml 's/with .Values.proxy.httpsProxy/with ""/'

# --- in a parent chart ----------------------------------------------------------
parent() { # parent CHART true|false: what a chart renders that has this one as its dependency
	rm -rf "$work/parent"
	mkdir -p "$work/parent/charts"
	cp -r "$1" "$work/parent/charts/baton-ping-one"
	printf '%s\n' 'apiVersion: v2' 'name: parent' 'version: 0.1.0' 'dependencies:' \
		'  - {name: baton-ping-one, version: 0.1.0, condition: baton-ping-one.enabled}' >"$work/parent/Chart.yaml"
	helm template parent "$work/parent" --namespace baton --set "global.team=identity,baton-ping-one.enabled=$2"
}
switched_on() { [[ $(parent "$chart" true | grep -c '^  name: parent-baton-ping-one$') -gt 3 ]]; }
switched_off() { [[ -z $(parent "$chart" false) ]]; }
check "a parent chart switches it on" switched_on
check "a parent chart switches it off" switched_off
finds "a schema that no parent chart can use" "global" parent "$(mutant values.schema.json 's/"global": \{/"globl": {/')" true

# --- schemas of Kubernetes ------------------------------------------------------
valid() { # valid VERSION FILE...: known kinds against the strict schemas; others are named
	local version=$1 known="$work/known.yaml"
	shift
	"$python" scripts/tools/split.py --known "$@" >"$known"
	kubernetes-validate --strict --quiet -k "$version" "$known"
}
for version in "${kubernetes_versions[@]}"; do
	check "objects are valid in Kubernetes $version" valid "$version" "$work"/rendered/*.yaml
done
render "$chart" | sed 's/terminationGracePeriodSeconds/terminationGrace/' >"$work/misspelt.yaml"
finds "a misspelt field" terminationGrace valid 1.34.0 "$work/misspelt.yaml"

# --- README, metrics, runbook ---------------------------------------------------
check "the schema knows the daemon's settings" "$python" scripts/chart_schema.py --check "$chart"
finds "a setting that the schema lacks" "run scripts/chart_schema.py" "$python" scripts/chart_schema.py --check "$(mutant values.schema.json 's/"pingone-region": \{/"pingone-regoin": {/')"
check "README.md is what values.yaml says" "$python" scripts/chart_readme.py --check "$chart"
finds "a value that README.md lacks" "run scripts" "$python" scripts/chart_readme.py --check "$(mutant values.yaml 's/^  size: 5Gi/  size: 6Gi/')"
finds "a value without a description" "no line that starts" "$python" scripts/chart_readme.py --check "$(mutant values.yaml '/# -- Size of the claim/d')"
check "each value is set by a test" "$python" scripts/chart_values.py "$chart"
finds "a value that no test sets" "no test sets metrics.service.port" "$python" scripts/chart_values.py "$(mutant ci/tuning-values.yaml '/port: 9100/d')"
finds "a value that the schema lacks" "not in values.schema.json" "$python" scripts/chart_readme.py --check "$(mutant values.yaml 's/^  size: 5Gi/&\n  # -- x\n  extra: 1/')"

examples() { # examples PAGE...: the values of the pages' examples are ones that the chart takes
	local folder page example
	folder=$(mktemp -d "$work/examples.XXXX")
	for page in "$@"; do "$python" scripts/tools/examples.py "$page" "$folder"; done
	for example in "$folder"/*.yaml; do
		render "$chart" --api-versions monitoring.coreos.com/v1/ServiceMonitor --values "$example" >/dev/null || { cat "$example"; return 1; }
	done
}
check "the pages' examples are values of the chart" examples docs/platforms.md docs/operations.md
wrong_example() { # wrong_example PAGE SED
	sed -E "$2" "$1" >"$work/$(basename "$1")"
	examples "$work/$(basename "$1")"
}
finds "an example with a value that there is not" "dnsPort" wrong_example docs/platforms.md 's/dnsPorts/dnsPort/'
finds "an Application with a misspelt setting" "pingone-regoin" wrong_example docs/operations.md 's/valuesObject: *$/&/; s/config: \{pingone-region/config: {pingone-regoin/'
finds "an ExternalSecret without a key" "ExternalSecret makes" wrong_example docs/operations.md '/secretKey: BATON_CLIENT_ID/d'

monitoring=$work/rendered/monitoring.yaml
names() { "$python" scripts/chart_metrics.py "$@"; }
check "alerts have their headings in the runbook, Events too" names runbook docs/runbook-kubernetes.md "$monitoring"
sed 's/^### BatonPingOneNoLeader/### Other/' docs/runbook-kubernetes.md >"$work/runbook.md"
finds "an alert without a heading" BatonPingOneNoLeader names runbook "$work/runbook.md" "$monitoring"
sed 's/^### CredentialsRestored/### Other/' docs/runbook-kubernetes.md >"$work/runbook.md"
finds "an Event without a heading" CredentialsRestored names runbook "$work/runbook.md" "$monitoring"
check "the runbook's commands run" scripts/runbook-test.sh
check "the commands of docs/operations.md run" scripts/runbook-test.sh docs/operations.md 12
other_operations() { # other_operations SED: that page with one change
	sed "$1" docs/operations.md >"$work/operations.md"
	scripts/runbook-test.sh "$work/operations.md" 12
}
finds "a command that sets no value of the chart" "not values of the chart" other_operations 's/--set config.otel-collector-endpoint=/--set config.otel-colector-endpoint=/'
finds "a program that the image does not have" "no such program" other_operations 's#-- /usr/local/bin/baton-ping-one status#-- /usr/bin/baton-ping-one status#'
finds "a Secret made with an unknown flag" "failed" other_operations 's/--from-literal=BATON_PINGONE_PRIVATE_KEY_ID/--from-text=BATON_PINGONE_PRIVATE_KEY_ID/'
finds "a flag that helm does not have" "helm upgrade has no" other_operations 's/--reset-then-reuse-values/--reset-than-reuse-values/'
finds "a sub-command that the program does not have" "no such sub-command" other_operations 's/baton-ping-one doctor$/baton-ping-one docter/'
finds "a target that make does not have" "no target" other_operations 's/make release-artifacts/make release-artefacts/'
finds "arguments in another order" "not FOLDER PUBLIC-KEY" other_operations 's/verify-release.sh dist release.pub/verify-release.sh release.pub dist/'
other_runbook() { # other_runbook SED: the runbook with one change
	sed "$1" docs/runbook-kubernetes.md >"$work/other.md"
	scripts/runbook-test.sh "$work/other.md"
}
finds "a selector of every release" "more than one release" other_runbook 's/instance=\$RELEASE -o wide/name=baton-ping-one -o wide/'
finds "a filter that finds nothing" "failed" other_runbook 's/\^Name:|State:/^Zustand:|^Stand:/; s/|Message:|^Events://'
finds "a filter half of which finds nothing" "nothing has" other_runbook "s/'finish_failures|unreported'/'finish_failures|unrepported'/"
finds "an annotation that nothing reads" "nothing reads this" other_runbook 's/accept-shrink=true/acept-shrink=true/'
finds "a right of another account" "not the right of the daemon" other_runbook 's/--as=system:serviceaccount:$NS:$APP/--as=system:serviceaccount:$NS:nobody/'
finds "another Deployment" "not the Deployment" other_runbook 's#scale deployment/$APP#scale deployment/$RELEASE-daemon#'
finds "a strategy that no cluster takes" "no cluster takes this" other_runbook 's/"rollingUpdate": null/"rollingUpdates": null/'
finds "a column that no pod has" "has no .status" other_runbook 's/lastState.terminated.exitCode/lastStates.terminated.exitCode/'
finds "another port than the admin's" "not the admin port" other_runbook 's/ 8081 &$/ 9090 \&/'
finds "a forward to another pod than the leader" "no such pod" other_runbook 's/HOLDER%_\*/HOLDER%-*/'
metrics=${METRICS_DOC:-docs/metrics.md}
if [[ -e $metrics ]]; then
	check "alerts and dashboard use metrics of $metrics alone" names metrics "$metrics" "$monitoring"
	sed 's/baton_ping_one_leader\b/baton_ping_one_chief/' "$monitoring" >"$work/chief.yaml"
	finds "a metric that does not exist" baton_ping_one_chief names metrics "$metrics" "$work/chief.yaml"
	check "each metric is in an alert or on the dashboard" names shown "$metrics" "$monitoring"
	sed 's/baton_ping_one_sync_activity_gaps_total/baton_ping_one_leader/' "$monitoring" >"$work/unseen.yaml"
	finds "a metric that nobody sees" sync_activity_gaps_total names shown "$metrics" "$work/unseen.yaml"
	sed 's/"x": 8,$/"x": 7,/' "$monitoring" >"$work/over.yaml"
	finds "a panel that lies over another" "lies over" names shown "$metrics" "$work/over.yaml"
else
	printf 'skip  metrics of alerts and dashboard: there is no %s\n' "$metrics"
fi

# --- Prometheus -----------------------------------------------------------------
rules() { # rules FOLDER RENDERED: the alerts, and the dashboard's queries as rules
	mkdir -p "$1"
	names rules "$1" "$2"
	cp "$chart/tests/promtool/alerts_test.yaml" "$1"
}
rules "$work/prom" "$monitoring"
check "promtool checks the alerts" promtool check rules "$work/prom/alerts.yaml"
check "promtool checks the dashboard's queries" promtool check rules "$work/prom/dashboard.yaml"
check "promtool tests the alerts" promtool test rules "$work/prom/alerts_test.yaml"
two_releases() { # two_releases CHART: the alerts of a second release in the namespace beside those of the first
	local dir
	dir=$(mktemp -d "$work/two.XXXX")
	for release in baton-ping-one-eu baton-ping-one; do
		helm template "$release" "$1" --namespace baton --values "$chart/ci/monitoring-values.yaml" >"$dir/rendered.yaml"
		[[ ! -e $dir/alerts.yaml ]] || mv "$dir/alerts.yaml" "$dir/other.yaml"
		names rules "$dir" "$dir/rendered.yaml"
	done
	cp "$chart/tests/promtool/two_releases_test.yaml" "$dir"
	promtool test rules "$dir/two_releases_test.yaml"
}
check "promtool tests two releases in one namespace" two_releases "$chart"
finds "alerts that do not say whose they are" FAILED two_releases "$(mutant templates/prometheusrule.yaml 's/ "release" \$\.Release\.Name//')"
finds "alerts that count the other release's pods" FAILED two_releases "$(mutant templates/_helpers.tpl 's/printf "%s-\[a-z0-9\]\+-\[a-z0-9\]\+" \$full/printf "%s-.+" $full/')"
uids() { # uids CHART: the dashboards of two releases are two, also where a sidecar puts both into one folder
	local release
	for release in baton-ping-one-eu baton-ping-one; do
		helm template "$release" "$1" --namespace baton --values "$chart/ci/monitoring-values.yaml" --show-only templates/dashboard.yaml
	done | grep -E '^      "uid": "baton|^      "title": "Baton|^  [^ ]*\.json: ' | sort | uniq --count | awk '$1 != 1 { print; bad = 1 } { n++ } END { exit bad || n != 6 }'
}
check "each release has its own dashboard" uids "$chart"
finds "a dashboard that replaces another release's" 'uid' uids "$(mutant templates/dashboard.yaml 's/set \$dashboard "uid"/set $dashboard "id"/')"
plant "rules that fire while paused" templates/prometheusrule.yaml 's/and \(gt \(int \.Values\.replicaCount\) 0\)/and true/'
# A pod's name is cut where Kubernetes cuts it: 58 characters, and five random ones after them.
long_names() { # long_names CHART: alerts see the pods of every length of a name, with a short and a long hash
	local dir name hash pod length
	for length in {40..63}; do
		name=$(printf 'a%.0s' $(seq "$length"))
		dir=$(mktemp -d "$work/long.XXXX")
		render "$1" --values "$chart/ci/monitoring-values.yaml" --set "fullnameOverride=$name" >"$dir/rendered.yaml"
		names rules "$dir" "$dir/rendered.yaml"
		for hash in 6d5f4c9 6d5f4c9b8d; do
			pod=$name-$hash-
			sed "s/POD/${pod:0:58}x2k9z/" "$chart/tests/promtool/long_names_test.yaml" >"$dir/test.yaml"
			promtool test rules "$dir/test.yaml" || { echo "a name of $length characters, hash $hash"; return 1; }
		done
	done
}
check "promtool tests the alerts with names of every length" long_names "$chart"
finds "alerts that miss the pods of long names" FAILED long_names "$(mutant templates/_helpers.tpl 's/if le \$length 46/if le $length 63/')"
alert_fault() { # alert_fault NAME SED: render with the change and run the unit tests
	local dir
	dir=$(mktemp -d "$work/prom.XXXX")
	render "$(mutant templates/prometheusrule.yaml "$2")" --values "$chart/ci/monitoring-values.yaml" --set metrics.prometheusRule.alertLabels=null >"$dir/rendered.yaml"
	rules "$dir" "$dir/rendered.yaml"
	finds "$1" FAILED promtool test rules "$dir/alerts_test.yaml"
}
alert_fault "an alert on two leaders that waits for three" 's/(_leader\{%s\}\)) > 1/\1 > 2/'
alert_fault "an alert that fires too late" 's/"critical" "10m"/"critical" "30m"/'
alert_fault "a failing alert that counts cancelled syncs" 's/success\|cancelled/success/'
finds "a query that does not parse" "could not parse" promtool check rules <(sed 's/max(/max((/' "$work/prom/dashboard.yaml")

# --- manifests and other YAML ---------------------------------------------------
check "manifests are what the chart renders" scripts/manifests.sh --check
drifted() { # drifted FILE SED: manifests.sh --check in a copy of the tree with one change
	rm -rf "$work/tree"
	mkdir "$work/tree"
	cp -r charts manifests scripts "$work/tree"
	sed -i -E "$2" "$work/tree/$1"
	"$work/tree/scripts/manifests.sh" --check
}
finds "a base changed by hand" "has drifted" drifted manifests/base/deployment.yaml 's/replicas: 1/replicas: 5/'
left_behind() { # an overlay in another namespace whose permissions go to the account of the first one
	cp -r manifests "$work/left"
	mkdir "$work/left/mine"
	printf '%s\n' 'resources: [../overlays/ha]' 'namespace: elsewhere' >"$work/left/mine/kustomization.yaml"
	printf '    namespace: baton-ping-one\n' >>"$work/left/base/rolebinding.yaml"
	kubectl kustomize "$work/left/mine" >"$work/left.yaml"
	helm template baton-ping-one "$chart" --namespace elsewhere --skip-tests >"$work/elsewhere.yaml"
	"$python" scripts/tools/manifests.py same "$work/left.yaml" "$work/elsewhere.yaml"
}
finds "permissions that stay behind in another namespace" '^\+  namespace: baton-ping-one' left_behind
finds "a ConfigMap whose changes restart no pod" "has no hash" drifted manifests/overlays/standalone/kustomization.yaml 's/^configMapGenerator:/generatorOptions: {disableNameSuffixHash: true}\n&/'
finds "an overlay in README.md that sets another region" "overlay in manifests/README.md" drifted manifests/README.md 's/value: eu/value: ca/'
finds "an overlay left behind by the chart" "standalone does not build" drifted manifests/overlays/standalone/config.yaml 's/sync-interval: 1h/sync-interval: 2h/'
finds "a quickstart with another image" "names another image" drifted manifests/quickstart/deployment.yaml 's/(image: .*):.*/\1:latest/'
check "yamllint" yamllint --strict --config-file scripts/tools/yamllint.yaml "$chart"/{Chart,values}.yaml "$chart"/ci "$chart"/tests manifests
printf 'a: 1\na: 2\n' >"$work/twice.yaml"
finds "a key given twice" duplication yamllint --strict --config-file scripts/tools/yamllint.yaml "$work/twice.yaml"

# --- systemd --------------------------------------------------------------------
if command -v systemd-analyze >/dev/null; then
	unit() { # unit SED: the unit with one change is one that systemd takes, and is as closed as it can be
		sed "$1" docs/systemd/baton-ping-one.service >"$work/baton-ping-one.service"
		systemd-analyze security --offline=true --threshold=15 --no-pager "$work/baton-ping-one.service" &&
			sed -i 's|^ExecStart=.*|ExecStart=/bin/true|' "$work/baton-ping-one.service" &&
			systemd-analyze verify --man=no "$work/baton-ping-one.service" 2>&1 | tee "$work/verified" &&
			[[ ! -s $work/verified ]] # it ends well even with keys that it does not know
	}
	check "the systemd unit is sound and closed" unit ''
	finds "a unit that may see other users' files" "Overall exposure level" unit '/^ProtectSystem/d; /^PrivateUsers/d; /^CapabilityBoundingSet/d'
	finds "a misspelt key of the unit" "RestartSecs" unit 's/^RestartSec=/RestartSecs=/'
else
	printf 'skip  the systemd unit: there is no systemd-analyze\n'
fi

# --- hadolint, checkov ----------------------------------------------------------
check "hadolint" hadolint --config scripts/tools/hadolint.yaml Dockerfile
{ cat Dockerfile && echo 'RUN cd /tmp && apt-get install curl'; } >"$work/Dockerfile"
finds "a bad line in the Dockerfile" DL3 hadolint --config scripts/tools/hadolint.yaml "$work/Dockerfile"

score() { # score FOLDER [VALUES...]: checkov's findings equal the list with reasons
	render "$1" --skip-tests "${@:2}" >"$work/score.yaml"
	(cd "$work" && checkov --file score.yaml --framework kubernetes --compact --quiet --skip-download --output json 2>/dev/null) >"$work/score.json" || true
	"$python" scripts/chart_metrics.py findings "$chart/checkov-findings.txt" "$work/score.json"
}
check "checkov finds what has a reason, and no more" score "$chart"
sed 's/^/      /' "$work/out"
finds "a container that may write its root" CKV_K8S_22 score "$chart" --set securityContext.readOnlyRootFilesystem=false

printf '%d passed, %d failed\n' "$passed" "$failed"
[[ $failed == 0 ]]
