#!/usr/bin/env bash
# release-test.sh - a release of the committed tree, with a small C program in the connector's place: made, signed with a
# throw-away key, verified, and its chart pushed to a registry, pulled and rendered from there. KUBECONFIG with IMAGE=REPOSITORY:TAG,
# which the nodes have, installs it, too.
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/.."
scripts/tools.sh chart
helm=$(scripts/tools.sh path)/helm kubectl=$(scripts/tools.sh path)/kubectl
work=$(mktemp -d)
registry=
end() {
	[[ -z $registry ]] || kill "$registry" 2>/dev/null || true
	rm -rf "$work"
}
trap end EXIT
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
refuses() { # refuses NAME TEXT CMD...
	local name="refuses $1" text=$2
	shift 2
	says() { ! "$@" >"$work/said" 2>&1 && grep -q -- "$text" "$work/said"; }
	check "$name" says "$@"
}

git clone --quiet . "$work/tree"
printf 'int main(void) { return 0; }\n' | cc -x c -O2 -static-pie -o "$work/program" -
for key in key other; do
	openssl genpkey -quiet -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out "$work/$key.pem"
	openssl pkey -in "$work/$key.pem" -pubout -out "$work/$key.pub"
done
make_release() { BINARY=$work/program KEY=$work/key.pem "$work/tree/scripts/release-artifacts.sh" "$work/$1"; }
verify() { scripts/verify-release.sh "$work/$1" "$work/$2.pub"; }

check "makes a release from a clean tree" make_release dist
check "the signature and every file are verified" verify dist key
refuses "another key" "not signed by this key" verify dist other
cp -r "$work/dist" "$work/changed"
printf x >>"$work/changed/$(cd "$work/dist" && ls *.tgz)"
refuses "a changed chart" "not the one that was signed" verify changed key
cp -r "$work/dist" "$work/more"
touch "$work/more/extra"
refuses "a file that nobody signed" "extra is not among the signed" verify more key
touch "$work/tree/new"
refuses "a tree that is not clean" "the tree is not clean" make_release second
rm "$work/tree/new"

json() { python3 -c "
import glob, json
def read(end): return json.load(open(glob.glob('$work/dist/*' + end)[0]))
assert $1, read('$2')"; }
check "the provenance names the commit" json "read('intoto.json')['predicate']['buildDefinition']['resolvedDependencies'][0]['digest']['gitCommit'] == '$(git rev-parse HEAD)'" intoto.json
check "the provenance names every other file" json "{s['name'] for s in read('intoto.json')['subject']} == {f.rpartition('/')[2] for f in glob.glob('$work/dist/*')} - {f.rpartition('/')[2] for f in glob.glob('$work/dist/*intoto.json') + glob.glob('$work/dist/SHA256SUMS*')}" intoto.json
check "SPDX names what is linked" json "{'tokio', 'rustls'} <= {p['name'] for p in read('spdx.json')['packages']} and len({p['SPDXID'] for p in read('spdx.json')['packages']}) == len(read('spdx.json')['packages'])" spdx.json
check "both lists name the same parts" json "{c['purl'] for c in read('cdx.json')['components']} < {p['externalRefs'][0]['referenceLocator'] for p in read('spdx.json')['packages']}" spdx.json

python3 scripts/tools/registry.py "$work/port" &
registry=$!
for _ in $(seq 1 50); do [[ -s $work/port ]] && break || sleep 0.1; done
where=oci://127.0.0.1:$(<"$work/port")/charts
check "the chart is pushed to a registry" "$helm" push "$work"/dist/*.tgz "$where" --plain-http
pulled() {
	"$helm" pull "$where/baton-ping-one" --version 0.1.0 --plain-http --destination "$work/pulled" && cp "$work"/pulled/*.tgz "$work/whole/" && verify whole key
}
mkdir "$work/pulled" && cp -r "$work/dist" "$work/whole" && rm "$work"/whole/*.tgz
check "the chart of the registry is the one that was signed" pulled
from_registry() { "$helm" template baton-ping-one "$where/baton-ping-one" --version 0.1.0 --plain-http --namespace baton >"$work/pulled.yaml"; }
check "the chart is rendered from the registry" from_registry
same() { "$helm" template baton-ping-one charts/baton-ping-one --namespace baton | diff - "$work/pulled.yaml"; }
check "it renders what the tree's chart does" same
if [[ -n ${KUBECONFIG:-} ]]; then
	install() {
		"$helm" install baton-ping-one "$where/baton-ping-one" --version 0.1.0 --plain-http --namespace release-test --create-namespace \
			--set-string image.repository="${IMAGE%:*}" --set-string image.tag="${IMAGE##*:}" --set replicaCount=1
		"$kubectl" -n release-test wait --for=jsonpath='{.status.containerStatuses[0].state.running}' --timeout=60s pod --selector app.kubernetes.io/instance=baton-ping-one
	}
	check "the chart is installed from the registry, and its pod runs" install
	"$helm" uninstall baton-ping-one --namespace release-test >/dev/null || true
	"$kubectl" delete namespace release-test --wait=false >/dev/null || true
fi

printf '%d passed, %d failed\n' "$passed" "$failed"
[[ $failed == 0 ]]
