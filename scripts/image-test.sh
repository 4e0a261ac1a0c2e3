#!/usr/bin/env bash
# image-test.sh - the last stage of the image, with a small C program in the daemon's place: seconds, no Rust.
#
# Shows what the image carries and what scripts/image.sh refuses. The real image is made by `make image`.
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/.."
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
refuses() { # refuses NAME TEXT VAR=VALUE...: image.sh fails and says TEXT
	local name="refuses $1" text=$2
	shift 2
	says() { ! env "$@" scripts/image.sh >"$work/said" 2>&1 && grep -q -- "$text" "$work/said"; }
	check "$name" says "$@"
}
program() { # program FILE C-CODE [FLAG...]
	printf '%s\n' "$2" | cc -x c -O2 -o "$work/$1" "${@:3}" -
}

program good 'int main(void) { return 0; }' -static-pie
program dynamic 'int main(void) { return 0; }'
program broken 'int main(void) { return 3; }' -static-pie
{ cat "$work/good" && head -c 26000000 /dev/zero; } >"$work/large"
chmod +x "$work/large"

# What .dockerignore lets in, as a builder reads it: cargo must find the whole workspace there.
context() { # context IGNORE-FILE
	rm -rf "$work/context"
	tar --create --exclude-from <(sed -n 's/^\*\*/*/p' "$1") $(sed -n 's/^!//p' "$1") | (mkdir "$work/context" && tar -C "$work/context" -x)
	cargo metadata --offline --locked --no-deps --format-version 1 --manifest-path "$work/context/Cargo.toml"
}
check "the build's context holds the workspace" context .dockerignore
lacking() {
	grep -v crates .dockerignore >"$work/ignore"
	! context "$work/ignore"
}
check "finds a context without the crates" lacking

archive=$work/image.tar
build() { BINARY=$work/good IMAGE=localhost/baton-ping-one:test OUT=$archive scripts/image.sh; }
check "builds a docker archive under the name given" build

mkdir "$work/image" "$work/files"
tar -C "$work/image" -xf "$archive"
for layer in "$work"/image/*.tar; do tar -tvf "$layer"; done >"$work/list"
for layer in "$work"/image/*.tar; do tar -C "$work/files" -xf "$layer"; done
json() { python3 -c "
import json, sys
manifest = json.load(open('$work/image/manifest.json'))[0]
config = json.load(open('$work/image/' + manifest['Config']))['config']
assert $1, (manifest, config)"; }
check "carries the name" json "manifest['RepoTags'] == ['localhost/baton-ping-one:test']"
check "runs as 65532" json "config['User'] == '65532:65532'"
check "starts the program" json "config['Entrypoint'] == ['/usr/local/bin/baton-ping-one'] and not config.get('Cmd')"
check "has labels" json "all(config['Labels'].get('org.opencontainers.image.' + key) for key in ('title', 'source', 'licenses', 'version', 'revision'))"
check "/tmp is everybody's and sticky" grep -Eq '^drwxrwxrwt +0/0 .* \.?/?tmp/$' "$work/list"
check "works in a folder that any user may write" json "config['WorkingDir'] == '/data'"
check "that folder is everybody's and sticky" grep -Eq '^drwxrwxrwt +0/0 .* \.?/?data/$' "$work/list"
check "everything belongs to root" sh -c "! grep -v ' 0/0 ' '$work/list'"
check "has the user" grep -q '^nonroot:x:65532:65532:' "$work/files/etc/passwd"
check "looks up hosts in files, then DNS" grep -qx 'hosts: files dns' "$work/files/etc/nsswitch.conf"
check "has the certificate authorities" sh -c "[ \$(grep -c BEGIN.CERTIFICATE '$work/files/etc/ssl/certs/ca-certificates.crt') -ge 50 ]"
check "has the list of what went in" python3 -c "
import json
parts = json.load(open('$work/files/usr/share/baton-ping-one/sbom.cdx.json'))['components']
names = {part['name'] for part in parts}
assert {'tokio', 'rustls'} <= names and 'proptest' not in names, names"
check "has no shell and nothing else" sh -c "[ \$(find '$work/files' -type f | wc -l) = 6 ]"

python3 scripts/tools/registry.py "$work/port" &
registry=$!
for _ in {1..100}; do [[ -s $work/port ]] || sleep 0.1; done
where=127.0.0.1:$(cat "$work/port")
printf '[[registry]]\nlocation = "%s"\ninsecure = true\n' "$where" >"$work/registries.conf"
push() {
	CONTAINERS_REGISTRIES_CONF=$work/registries.conf BINARY=$work/good IMAGE=$where/identity/baton-ping-one:test PUSH=1 scripts/image.sh
	python3 - "http://$where/v2/identity/baton-ping-one" <<'END'
import json, sys, urllib.request
read = lambda path: urllib.request.urlopen(sys.argv[1] + path).read()
manifest = json.loads(read("/manifests/test"))
for part in [manifest["config"], *manifest["layers"]]:
    assert len(read("/blobs/" + part["digest"])) == part["size"], part
END
}
check "pushes it to the registry in its name, whole" push
refuses "to push to a registry that is not there" "refused" BINARY="$work/good" IMAGE=127.0.0.1:1/baton-ping-one:test PUSH=1

refuses "a program that needs a loader" "is not static" BINARY="$work/dynamic"
refuses "a program that does not start" "does not start" BINARY="$work/broken"
refuses "a program that is not there" "is no program" BINARY="$work/none"
refuses "an image above the limit" "more than 25000000" BINARY="$work/large"
refuses "an unknown mode" "none of host, container" MODE=other

printf '%d passed, %d failed\n' "$passed" "$failed"
[[ $failed == 0 ]]
