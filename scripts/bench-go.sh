#!/usr/bin/env bash
# Our sync beside a small connector on the Go SDK (tests/compat/stack), both engines, the Go one with 0 and with 8 workers:
# one table from one run. PRESETS names the directories, else "bench-2k bench-50k"; RELEASE_DIR names a folder of binaries that
# are already built.
. "$(dirname "$0")/lib.sh"
command -v go >/dev/null || { echo "make bench-go needs Go (1.26 or newer) on the PATH" >&2; exit 1; }
say "building the connector on the Go SDK (minutes on a new machine)"
(cd "$root/tests/compat" && go build -o "$tools/stack" ./stack)
if [ -n "${RELEASE_DIR:-}" ]; then release=$(realpath "$RELEASE_DIR"); else build_release; fi
work=$(mktemp -d)
sandbox_pid=
cleanup() { [ -z "$sandbox_pid" ] || kill "$sandbox_pid" 2>/dev/null || true; rm -rf "$work"; }
trap cleanup EXIT
# shellcheck source=scripts/sandbox.sh
. "$root/scripts/sandbox.sh"
for preset in ${PRESETS:-bench-2k bench-50k}; do
  start_sandbox --preset "$preset"
  python3 "$root/scripts/bench_go.py" "$preset" "$release/baton-ping-one" "$tools/stack" "$work"
  stop_sandbox
done
