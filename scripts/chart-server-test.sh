#!/usr/bin/env bash
# chart-server-test.sh - the chart and the manifests against a real API server; no node is needed.
#
# Uses the cluster that kubectl reaches (KUBECONFIG) and two namespaces that it makes and deletes. HELM3 may name a
# helm 3 to repeat the life of a release with. What needs running pods is in `make e2e`.
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/.."
scripts/tools.sh chart
PATH=$(scripts/tools.sh path):$PATH
python=$(dirname "$(scripts/tools.sh path)")/venv/bin/python
chart=charts/baton-ping-one
ns=baton-chart-test
work=$(mktemp -d)
cleanup() {
	rm -rf "$work"
	kubectl delete namespace "$ns" elsewhere identity --ignore-not-found --wait=false >/dev/null 2>&1 || true
	kubectl delete runtimeclass --selector made-by=chart-server-test >/dev/null 2>&1 || true
}
trap cleanup EXIT

passed=0 failed=0
check() { # check NAME CMD...
	local name=$1
	shift
	if "$@" >"$work/out" 2>&1; then
		passed=$((passed + 1))
		printf 'ok    %s\n' "$name"
	else
		failed=$((failed + 1))
		printf 'FAIL  %s\n' "$name"
		sed 's/^/      /' "$work/out" | tail -n 20
	fi
}
finds() { # finds NAME TEXT CMD...: must fail and say TEXT
	local name="finds $1" text=$2
	shift 2
	refused() { ! "$@" >"$work/said" 2>&1 && grep -qE -- "$text" "$work/said"; }
	check "$name" refused "$@"
}

for namespace in "$ns" elsewhere identity; do
	kubectl create namespace "$namespace" >/dev/null
	kubectl label namespace "$namespace" pod-security.kubernetes.io/{enforce,warn}=restricted >/dev/null
done
# A pod that names a class of runtime is refused where the cluster does not have it.
kubectl get runtimeclass gvisor >/dev/null 2>&1 || kubectl create --filename - >/dev/null <<-'CLASS'
	{apiVersion: node.k8s.io/v1, kind: RuntimeClass, handler: runsc, metadata: {name: gvisor, labels: {made-by: chart-server-test}}}
CLASS

# --- server-side validation and admission ---------------------------------------
cp -r manifests "$work/manifests"
mkdir "$work/manifests/mine"
overlay_in() { # overlay_in NAMESPACE OVERLAY: the overlay, built for this namespace as manifests/README.md says
	printf '%s\n' "resources: [../overlays/$2]" "namespace: $1" >"$work/manifests/mine/kustomization.yaml"
	kubectl kustomize "$work/manifests/mine" >"$work/overlay.yaml"
}
render() { helm template baton-ping-one "$chart" --namespace "$ns" "$@" >"$work/rendered.yaml"; }
accepted() { # accepted FILE [--namespace NAME]: the known kinds pass strict validation and admission without a warning
	"$python" scripts/tools/split.py --known "$1" >"$work/known.yaml" 2>/dev/null
	kubectl create --dry-run=server --validate=strict --filename "$work/known.yaml" "${@:2}" >"$work/answer" 2>&1 ||
		{ cat "$work/answer"; return 1; }
	! grep -i warning "$work/answer"
}
pod_accepted() { # the Deployment's pod itself, since enforcement is on pods
	"$python" scripts/tools/split.py --known "$1" | "$python" -c '
import sys, yaml
for doc in yaml.safe_load_all(sys.stdin):
    if doc and doc["kind"] == "Deployment":
        meta = {**doc["spec"]["template"]["metadata"], "name": "probe", "namespace": doc["metadata"]["namespace"]}
        spec = {**doc["spec"]["template"]["spec"], "serviceAccountName": "default"}
        spec.pop("priorityClassName", None)
        print(yaml.safe_dump({"apiVersion": "v1", "kind": "Pod", "metadata": meta, "spec": spec}))
' >"$work/pod.yaml"
	kubectl create --dry-run=server --validate=strict --filename "$work/pod.yaml"
}
for values in "$chart"/ci/*-values.yaml; do
	feature=$(basename "$values" -values.yaml)
	render --values "$values"
	check "the server takes $feature" accepted "$work/rendered.yaml"
	if [[ $feature != own-credentials-directory ]]; then # restricted allows no inline CSI of every driver
		check "a restricted namespace takes the pod of $feature" pod_accepted "$work/rendered.yaml"
	fi
done
render --set securityContext.allowPrivilegeEscalation=true
finds "a pod that may escalate" "PodSecurity" pod_accepted "$work/rendered.yaml"
finds "a warning of admission" "would violate" accepted "$work/rendered.yaml"
render
sed -i 's/terminationGracePeriodSeconds/terminationGrace/' "$work/rendered.yaml"
finds "a misspelt field" "unknown field" accepted "$work/rendered.yaml"
for overlay in ha standalone; do
	overlay_in "$ns" $overlay
	check "the server takes overlay $overlay" accepted "$work/overlay.yaml"
done
sed -n '/^```yaml$/,/^```$/p' manifests/README.md | sed '/^```/d' >"$work/manifests/mine/kustomization.yaml"
check "the overlay of manifests/README.md is applied as it is written there" kubectl apply --kustomize "$work/manifests/mine"
can() { # can NAMESPACE yes|no: whether the account baton-ping-one of a namespace may read the connector's Secret elsewhere
	local answer
	answer=$(kubectl auth can-i get secrets/baton-ping-one-secrets -n identity --as="system:serviceaccount:$1:baton-ping-one" 2>/dev/null || true)
	[[ $answer == "$2" ]] || { echo "can-i: $answer, want $2"; return 1; }
}
check "its own account may read the Secret there" can identity yes
check "an account of the overlay's own namespace may not" can baton-ping-one no
kubectl delete --kustomize "$work/manifests/mine" >/dev/null
cat manifests/quickstart/{secret,deployment}.yaml <(echo) >"$work/quickstart.yaml"
sed -i 's/^apiVersion: apps/---\n&/' "$work/quickstart.yaml"
check "the server takes the quickstart" accepted "$work/quickstart.yaml" --namespace "$ns"

# --- permissions, both ways -----------------------------------------------------
may() { # may yes|no VERB OBJECT [ARG...]: what the API server says to the service account
	local want=$1 answer
	shift
	answer=$(kubectl auth can-i "$@" --as="system:serviceaccount:$ns:baton-ping-one" 2>/dev/null || true)
	[[ $answer == "$want" ]] || { echo "can-i $*: $answer, want $want"; return 1; }
}
permissions() {
	local verb
	for verb in get list watch; do check "may $verb its Secret" may yes "$verb" secrets/baton-ping-one-secrets -n "$ns"; done
	for verb in create update patch delete; do check "may not $verb its Secret" may no "$verb" secrets/baton-ping-one-secrets -n "$ns"; done
	for verb in get list watch; do check "may not $verb other Secrets" may no "$verb" secrets -n "$ns"; done
	check "may not get its Secret elsewhere" may no get secrets/baton-ping-one-secrets -n identity
	for verb in get update; do check "may $verb its Lease" may yes "$verb" leases.coordination.k8s.io/baton-ping-one-leader -n "$ns"; done
	check "may create Leases" may yes create leases.coordination.k8s.io -n "$ns"
	for verb in list watch patch delete; do check "may not $verb its Lease" may no "$verb" leases.coordination.k8s.io/baton-ping-one-leader -n "$ns"; done
	for verb in get update; do check "may not $verb other Leases" may no "$verb" leases.coordination.k8s.io/other -n "$ns"; done
	check "may create Events" may yes create events.events.k8s.io -n "$ns"
	for verb in get list patch delete; do check "may not $verb Events" may no "$verb" events.events.k8s.io -n "$ns"; done
	check "may not create Events elsewhere" may no create events.events.k8s.io -n identity
	check "may get its Deployment" may yes get deployments.apps/baton-ping-one -n "$ns"
	for verb in update patch delete; do check "may not $verb its Deployment" may no "$verb" deployments.apps/baton-ping-one -n "$ns"; done
	for object in pods configmaps deployments.apps serviceaccounts roles.rbac.authorization.k8s.io; do
		check "may not get $object" may no get "$object" -n "$ns"
	done
	check "may not do all" may no '*' '*' -n "$ns"
	# A list that selects by name is what the watch sends; one without is refused.
	me=(--as="system:serviceaccount:$ns:baton-ping-one" --namespace "$ns")
	check "lists its Secret by name" kubectl "${me[@]}" get secrets --field-selector metadata.name=baton-ping-one-secrets
	finds "a list of all Secrets" "forbidden" kubectl "${me[@]}" get secrets
}

# --- the life of a release ------------------------------------------------------
holder() { kubectl --namespace "$ns" get lease baton-ping-one-leader -o jsonpath='{.spec.holderIdentity}'; }
make_lease() { # make_lease HOLDER: as the daemon does it, under its own account, owned by its Deployment
	local uid
	uid=$(kubectl --namespace "$ns" get deployment baton-ping-one -o jsonpath='{.metadata.uid}')
	printf '%s\n' 'apiVersion: coordination.k8s.io/v1' 'kind: Lease' 'metadata:' '  name: baton-ping-one-leader' '  ownerReferences:' \
		"    - {apiVersion: apps/v1, kind: Deployment, name: baton-ping-one, uid: $uid}" "spec: {holderIdentity: $1}" >"$work/lease.yaml"
	kubectl --as="system:serviceaccount:$ns:baton-ping-one" --namespace "$ns" create --filename "$work/lease.yaml"
}
nothing_left() {
	local left
	# The Lease goes with its owner, a moment later.
	kubectl --namespace "$ns" wait lease/baton-ping-one-leader --for=delete --timeout=60s || true
	left=$(kubectl --namespace "$ns" get deployment,replicaset,service,configmap,secret,serviceaccount,role,rolebinding,lease,pdb,networkpolicy,pvc -o name |
		grep -vE '^(configmap/kube-root-ca.crt|serviceaccount/default)$' || true)
	[[ -z $left ]] || { echo "$left"; return 1; }
}
holds() { [[ $(holder) == "$1" ]] || { echo "holder: $(holder)"; return 1; }; }
strategy() { # strategy TYPE: how the Deployment replaces its pods
	local have
	have=$(kubectl --namespace "$ns" get deployment baton-ping-one -o jsonpath='{.spec.strategy.type}')
	[[ $have == "$1" ]] || { echo "strategy: $have"; return 1; }
}
release() { # release HELM LABEL
	local helm=$1 label=$2
	check "$label installs" "$helm" install baton-ping-one "$chart" --namespace "$ns"
	if [[ $label == 'helm 4' ]]; then permissions; fi
	check "$label: a pod can make the Lease" make_lease pod-a
	check "$label upgrades" "$helm" upgrade baton-ping-one "$chart" --namespace "$ns" --set config.pingone-region=eu,replicaCount=3
	check "$label: an upgrade leaves the holder alone" holds pod-a
	check "$label: an upgrade that leaves the Lease alone replaces pods one by one" strategy RollingUpdate
	kubectl --namespace "$ns" delete lease baton-ping-one-leader >/dev/null
	check "$label: a pod can make the Lease again" make_lease pod-b
	check "$label rolls back" "$helm" rollback baton-ping-one 1 --namespace "$ns"
	check "$label: a rollback leaves the holder alone" holds pod-b
	check "$label upgrades to a single pod without a Lease" "$helm" upgrade baton-ping-one "$chart" --namespace "$ns" --set replicaCount=1,leaderElection.enabled=false
	check "$label: the old pods end first" strategy Recreate
	check "$label upgrades to two pods with a Lease" "$helm" upgrade baton-ping-one "$chart" --namespace "$ns" --set replicaCount=2
	check "$label: the old pod ends first" strategy Recreate
	check "$label uninstalls" "$helm" uninstall baton-ping-one --namespace "$ns" --wait
	check "$label: an uninstall leaves nothing" nothing_left
}
release helm 'helm 4'
if [[ -n ${HELM3:-} ]]; then release "$HELM3" 'helm 3'; fi

printf '%d passed, %d failed\n' "$passed" "$failed"
[[ $failed == 0 ]]
