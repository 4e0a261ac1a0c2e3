#!/usr/bin/env bash
# Our files against the Go SDK's own reader: an empty environment, a small one, rings and nesting, 50,000 users; and
# one damaged file per rule, each refused for its rule.
. "$(dirname "$0")/lib.sh"
command -v go >/dev/null || { echo "make compat needs Go (1.26 or newer) on the PATH" >&2; exit 1; }
say "building the checker and the SDK's own tool (minutes on a new machine)"
(cd "$root/tests/compat" && go build -o "$tools/compat" . && go build -o "$tools/baton" github.com/conductorone/baton-sdk/cmd/baton)
say "expanding the files that the SDK ships before and after"
sdk=$(cd "$root/tests/compat" && go list -m -f '{{.Dir}}' github.com/conductorone/baton-sdk)
(cd "$root" && BATON_COMPAT_FIXTURES=$sdk/pkg/sync/expand/testdata cargo test --locked --lib c1z::tests::fixtures)
build_release
work=$(mktemp -d)
sandbox_pid=
cleanup() { [ -z "$sandbox_pid" ] || kill "$sandbox_pid" 2>/dev/null || true; rm -rf "$work"; }
trap cleanup EXIT
# shellcheck source=scripts/sandbox.sh
. "$root/scripts/sandbox.sh"
sync_preset() {
  start_sandbox --preset "$1"
  say "syncing the directory $1"
  "$release/baton-ping-one" --file "$work/$1.c1z" --pingone-rate-limit 100000 --log-level warn -o json >"$work/$1.json"
  stop_sandbox
}
presets=(empty demo rings bench-50k)
for preset in "${presets[@]}"; do sync_preset "$preset"; done
export BATON_TOOL=$tools/baton
files=()
for preset in "${presets[@]}"; do files+=("$work/$preset.c1z"); done
"$tools/compat" check "${files[@]}"
mkdir "$work/damaged"
"$tools/compat" refuse "$work/demo.c1z" "$work/damaged"
