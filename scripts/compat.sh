#!/usr/bin/env bash
# Our files in both engines against the Go SDK's own reader: an empty environment, a small one, rings and nesting, 1,000
# applications with gateways and credentials, 50,000 users; random directories call by call (DIRECTORIES, else 200) and merged by the SDK's compactor; and one damaged file
# per rule, each refused for its rule.
. "$(dirname "$0")/lib.sh"
command -v go >/dev/null || { echo "make compat needs Go (1.26 or newer) on the PATH" >&2; exit 1; }
say "building the checker and the SDK's own tool (minutes on a new machine)"
(cd "$root/tests/compat" && go build -o "$tools/compat" . && go build -o "$tools/baton" github.com/conductorone/baton-sdk/cmd/baton)
say "expanding the files that the SDK ships before and after"
sdk=$(cd "$root/tests/compat" && go list -m -f '{{.Dir}}' github.com/conductorone/baton-sdk)
(cd "$root" && BATON_COMPAT_FIXTURES=$sdk/pkg/sync/expand/testdata cargo test --locked --workspace --lib c1z::tests::fixtures)
build_release
work=$(mktemp -d)
mkdir "$work/both"
sandbox_pid=
cleanup() { [ -z "$sandbox_pid" ] || kill "$sandbox_pid" 2>/dev/null || true; rm -rf "$work"; }
trap cleanup EXIT
# shellcheck source=scripts/sandbox.sh
. "$root/scripts/sandbox.sh"
# $1: the name of the files; $2: the preset; what follows are settings of the sync.
sync_preset() {
  start_sandbox --preset "$2"
  for engine in sqlite pebble; do
    say "syncing the directory $1 ($engine)"
    "$release/baton-ping-one" --file "$work/$1.$engine.c1z" --storage-engine "$engine" --pingone-rate-limit 100000 \
      --log-level warn -o json "${@:3}" >"$work/$1.$engine.json"
  done
  stop_sandbox
}
say "the example of crates/baton"
(cd "$root" && cargo build --locked -q --workspace --example hello && "$target/debug/examples/hello" "$work/hello.c1z")
"$tools/baton" grants -f "$work/hello.c1z" -o json | grep -q '"id":"team:machines:member:user:ada"'
presets=(empty demo rings bench-50k)
for preset in "${presets[@]}"; do sync_preset "$preset" "$preset"; done
sync_preset apps-1k apps-1k --sync-applications all --sync-gateways --sync-secrets
sync_preset scope-binding demo --role-model scope-binding --sync-applications all
presets+=(apps-1k scope-binding)
export BATON_TOOL=$tools/baton
files=()
for preset in "${presets[@]}"; do files+=("$work/$preset.sqlite.c1z" "$work/$preset.pebble.c1z"); done
"$tools/compat" check "${files[@]}"
mkdir "$work/damaged"
"$tools/compat" refuse "$work/demo.sqlite.c1z" "$work/damaged"
say "writing random directories in both engines"
(cd "$root" && BATON_COMPAT_OUT=$work/both BATON_COMPAT_DIRECTORIES=${DIRECTORIES:-200} \
  cargo test --quiet --locked --workspace --lib c1z::engines::files_for_the_compat_check)
say "holding them against each other by every call of the SDK"
"$tools/compat" both "$work/both"
