#!/usr/bin/env bash
# manifests.sh - manifests/base is what the chart renders, one file per object.
#
#   scripts/manifests.sh           write manifests/base
#   scripts/manifests.sh --check   fail when manifests/base has drifted, or when an
#                                  overlay builds something else than the chart does
#
# The overlays are small patches by hand; each must build what the chart renders with
# the values that stand beside it below.
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/.."
scripts/tools.sh chart
PATH=$(scripts/tools.sh path):$PATH
python=$(dirname "$(scripts/tools.sh path)")/venv/bin/python
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

base=(--set replicaCount=1,leaderElection.enabled=true)
ha=(--set replicaCount=2)
standalone=(--set replicaCount=1,standalone.enabled=true,persistence.enabled=true)

namespace=baton-ping-one # of the overlays as they are
render() { helm template baton-ping-one charts/baton-ping-one --namespace "$namespace" --skip-tests "$@"; }

render "${base[@]}" >"$work/base.yaml"
mkdir "$work/base"
"$python" scripts/tools/manifests.py write "$work/base.yaml" "$work/base"

if [[ ${1:-} != --check ]]; then
	rm -rf manifests/base
	cp -r "$work/base" manifests/base
	exit
fi

if ! diff -ru "$work/base" manifests/base; then
	echo "manifests: manifests/base has drifted from the chart; run scripts/manifests.sh" >&2
	exit 1
fi
same() { # same NAME FOLDER VALUES...: the folder builds what the chart renders in this namespace
	kubectl kustomize "$2" >"$work/built.yaml"
	render "${@:3}" >"$work/rendered.yaml"
	"$python" scripts/tools/manifests.py same "$work/built.yaml" "$work/rendered.yaml" || {
		echo "manifests: $1 does not build what the chart renders in namespace $namespace with ${*:3}" >&2
		return 1
	}
}
same ha manifests/overlays/ha "${ha[@]}"
same standalone manifests/overlays/standalone "${standalone[@]}"
# In a namespace of somebody's choice: every name of a namespace must follow, the account that gets the permissions, too.
cp -r manifests "$work/manifests"
elsewhere() { # elsewhere NAME FOLDER VALUES...: the same from an overlay over the folder
	mkdir "$work/manifests/$1-elsewhere"
	printf '%s\n' "resources: [../$2]" 'namespace: elsewhere' >"$work/manifests/$1-elsewhere/kustomization.yaml"
	namespace=elsewhere same "$1" "$work/manifests/$1-elsewhere" "${@:3}"
}
elsewhere base base "${base[@]}"
elsewhere ha overlays/ha "${ha[@]}"
elsewhere standalone overlays/standalone "${standalone[@]}"

# The overlay of README.md, as it is written there.
mkdir "$work/manifests/mine"
sed -n '/^```yaml$/,/^```$/p' manifests/README.md | sed '/^```/d' >"$work/manifests/mine/kustomization.yaml"
kubectl kustomize "$work/manifests/mine" >"$work/built.yaml"
namespace=identity render "${ha[@]}" --set image.repository=registry.example.com/identity/baton-ping-one,image.tag=0.1.0 \
	--set-string 'extraEnv[0].name=BATON_PINGONE_REGION,extraEnv[0].value=eu,extraEnv[1].name=BATON_PROVISIONING,extraEnv[1].value=true' \
	>"$work/rendered.yaml"
"$python" scripts/tools/manifests.py same "$work/built.yaml" "$work/rendered.yaml" || {
	echo "manifests: the overlay in manifests/README.md does not build what the chart renders for the same settings" >&2
	exit 1
}

image() { sed -n 's/^ *image: *//p' "$1"; }
if [[ $(image manifests/quickstart/deployment.yaml) != "$(image manifests/base/deployment.yaml)" ]]; then
	echo "manifests: manifests/quickstart/deployment.yaml names another image than the chart" >&2
	exit 1
fi
