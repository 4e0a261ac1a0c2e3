#!/usr/bin/env bash
# e2e.sh - the chart and the image on a real cluster.
#
#   KUBECONFIG=FILE IMAGE=REF SANDBOX_IMAGE=REF scripts/e2e.sh [CASE...]
#       any cluster whose nodes have both images, or can pull them; cases that need the node are skipped
#   CLUSTER=PROGRAM scripts/e2e.sh [CASE...]
#       start the cluster that PROGRAM controls, build both images, load them, run, take the cluster down again
#
# Ends with 69 (unavailable) where a cluster of its own cannot be started.
#
#   KEEP=1   leave the cluster and the namespaces of failed cases
#   LIST=1   print the cases and end
# CASE: only cases whose name contains one of these.
set -euo pipefail
. "$(dirname "$0")/lib.sh"
cd "$root"
export PATH=$PATH:/usr/local/go/bin

only=()
for case in "$@"; do only+=(--only "$case"); done
cargo build --locked --workspace --bin e2e
e2e=$target/debug/e2e
if [ -n "${LIST:-}" ]; then exec "$e2e" --list; fi

# Says everything that is missing at once, not one thing per run.
missing=()
need() { missing+=("$1"); }
finish_missing() {
	[ ${#missing[@]} -gt 0 ] || return 0
	say "end-to-end tests cannot run; missing:"
	printf '     - %s\n' "${missing[@]}" >&2
	exit 1
}

[ -f charts/baton-ping-one/Chart.yaml ] || need "charts/baton-ping-one (the chart)"
[ -f manifests/quickstart/deployment.yaml ] || need "manifests/quickstart (the plain manifests)"
[ -x scripts/image.sh ] || need "scripts/image.sh (builds the image)"

scripts/tools.sh promtool || need "promtool (it lints the metrics)"
common=(--chart charts/baton-ping-one --manifests manifests --promtool "$(scripts/tools.sh path)/promtool" "${only[@]}")
[ -z "${KEEP:-}" ] || common+=(--keep)

if [ -n "${KUBECONFIG:-}" ]; then
	[ -n "${IMAGE:-}" ] || need "IMAGE=REF (the connector's image; the nodes must have it)"
	[ -n "${SANDBOX_IMAGE:-}" ] || need "SANDBOX_IMAGE=REF (the stand-ins' image; the nodes must have it)"
	for program in helm kubectl; do command -v $program >/dev/null || need "$program on the PATH"; done
	finish_missing
	if command -v helm3 >/dev/null; then common+=(--helm3 helm3); fi
	exec "$e2e" --kubeconfig "$KUBECONFIG" --image "$IMAGE" --sandbox-image "$SANDBOX_IMAGE" "${common[@]}"
fi

cluster=${CLUSTER:+$(realpath -m "$CLUSTER")}
[ -x "$cluster" ] || need "a cluster: KUBECONFIG=FILE with IMAGE and SANDBOX_IMAGE, or CLUSTER=PROGRAM"
[ "$(id -u)" = 0 ] || need "root, to start a cluster of our own"
command -v go >/dev/null || need "Go, to build a cluster of our own"

say "building the stand-ins"
build_release
sandbox=$release/sandbox
knows() { # knows SUBCOMMAND TEXT WHY
	{ "$sandbox" "$1" --help 2>/dev/null || true; } | grep -q -- "$2" || need "the stand-in \`sandbox $1\` with $2 ($3)"
}
knows c1 --tls-cert "its certificate comes from a Secret"
knows c1 --client-id "its name is the Service's"
knows pingone --public-base "its links name the Service"
finish_missing

work=$(mktemp -d)
up=
cleanup() {
	if [ -n "$up" ] && [ -z "${KEEP:-}" ]; then "$cluster" down || true; fi
	rm -rf "$work"
}
trap cleanup EXIT

image=${IMAGE:-baton-ping-one:e2e}
if [ ${#only[@]} = 0 ]; then
	say "what an image must be, with a small program in the daemon's place"
	scripts/image-test.sh
fi
say "building the image $image"
IMAGE=$image OUT=$work/image.tar scripts/image.sh
# Inside the cluster's network nothing can be installed.
scripts/tools.sh chart
say "starting the cluster"
up=1
if ! "$cluster" install || ! kubeconfig=$("$cluster" up | tail -n 1); then
	say "the cluster did not start"
	exit 69
fi
[ -f "$kubeconfig" ] || kubeconfig=$("$cluster" kubeconfig)
mkdir -p "$work/root/tmp"
chmod 1777 "$work/root/tmp"
cp "$sandbox" "$work/root/sandbox"
"$cluster" pack baton-ping-one-sandbox:e2e "$work/sandbox.tar" "$work/root" /sandbox
"$cluster" load "$work/image.tar"
"$cluster" load "$work/sandbox.tar"
if [ ${#only[@]} = 0 ]; then
	say "the chart and the manifests against the API server"
	"$cluster" exec -- env KUBECONFIG="$kubeconfig" HELM3=helm3 scripts/chart-server-test.sh
	say "a release: signed, pushed to a registry, pulled, verified and installed"
	"$cluster" exec -- env KUBECONFIG="$kubeconfig" IMAGE="$image" scripts/release-test.sh
fi
say "the cases"
"$cluster" exec -- "$e2e" --kubeconfig "$kubeconfig" --cluster "$cluster" --helm helm --helm3 helm3 \
	--image "$image" --sandbox-image baton-ping-one-sandbox:e2e "${common[@]}"
