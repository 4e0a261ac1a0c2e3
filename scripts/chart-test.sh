#!/usr/bin/env bash
# chart-test.sh - everything about the chart that can be checked without a cluster.
#
#   scripts/chart-test.sh             all checks
#   scripts/chart-test.sh --update    first bring README.md, the snapshot and manifests/base up to date
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
plant "readiness on the wrong path" templates/deployment.yaml 's|path: /readyz|path: /livez|'
plant "a permission for every Secret" templates/rbac.yaml '/resourceNames: .*secretName/d'
plant "one more verb" templates/rbac.yaml 's/verbs: \[get, list, watch\]/verbs: [get, list, watch, delete]/'
plant "a budget for a single replica" templates/poddisruptionbudget.yaml 's/ \(gt \(int \.Values\.replicaCount\) 1\)//'
plant "rolling updates of a single pod without a Lease" templates/deployment.yaml 's/type: Recreate/type: RollingUpdate/'
plant "a refusal that was lost" templates/_validate.tpl 's/list "client-secret" "pingone-client-secret"/list "client-secret"/'
plant "an open schema" values.schema.json '0,/"additionalProperties": false/s//"additionalProperties": true/'
plant "another default" values.yaml 's/^replicaCount: 2/replicaCount: 3/'
plant "a Secret that restarts the pods" templates/deployment.yaml 's|(checksum/)config(:.*)|\1config\2\n        checksum/secret: x|'
plant "an alert without an anchor" templates/prometheusrule.yaml 's/runbook_url: .*/runbook_url: ""/'
plant "a false in config that is ignored" templates/_helpers.tpl 's/(set \$made \$key) \$given/\1 (\$given | default (get $made $key))/'
plant "an upgrade that does not look at the old pods" templates/_helpers.tpl 's/ne \$said \(include "baton-ping-one.obeys" \.\)/false/'
plant "a NetworkPolicy without DNS" templates/networkpolicy.yaml 's/port: 53/port: 54/'

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
check "README.md is what values.yaml says" "$python" scripts/chart_readme.py --check "$chart"
finds "a value that README.md lacks" "run scripts" "$python" scripts/chart_readme.py --check "$(mutant values.yaml 's/^  size: 5Gi/  size: 6Gi/')"
finds "a value without a description" "no line that starts" "$python" scripts/chart_readme.py --check "$(mutant values.yaml '/# -- Size of the claim/d')"
finds "a value that the schema lacks" "not in values.schema.json" "$python" scripts/chart_readme.py --check "$(mutant values.yaml 's/^  size: 5Gi/&\n  # -- x\n  extra: 1/')"

monitoring=$work/rendered/monitoring.yaml
names() { "$python" scripts/chart_metrics.py "$@"; }
check "alerts have their headings in the runbook, Events too" names runbook docs/runbook-kubernetes.md "$monitoring"
sed 's/^### BatonPingOneNoLeader/### Other/' docs/runbook-kubernetes.md >"$work/runbook.md"
finds "an alert without a heading" BatonPingOneNoLeader names runbook "$work/runbook.md" "$monitoring"
metrics=${METRICS_DOC:-docs/metrics.md}
if [[ -e $metrics ]]; then
	check "alerts and dashboard use metrics of $metrics alone" names metrics "$metrics" "$monitoring"
	sed 's/baton_ping_one_leader\b/baton_ping_one_chief/' "$monitoring" >"$work/chief.yaml"
	finds "a metric that does not exist" baton_ping_one_chief names metrics "$metrics" "$work/chief.yaml"
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
finds "an overlay left behind by the chart" "standalone does not build" drifted manifests/overlays/standalone/config.yaml 's/sync-interval: 1h/sync-interval: 2h/'
finds "a quickstart with another image" "names another image" drifted manifests/quickstart/deployment.yaml 's/(image: .*):.*/\1:latest/'
check "yamllint" yamllint --strict --config-file scripts/tools/yamllint.yaml "$chart"/{Chart,values}.yaml "$chart"/ci "$chart"/tests manifests
printf 'a: 1\na: 2\n' >"$work/twice.yaml"
finds "a key given twice" duplication yamllint --strict --config-file scripts/tools/yamllint.yaml "$work/twice.yaml"

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
