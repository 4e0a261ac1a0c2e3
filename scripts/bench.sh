#!/usr/bin/env bash
# One table from one run: syncs of three directories, writes of three files, translation. Every sync is compared with
# the sandbox's own state, row for row; a difference fails the run. SMALL=1 leaves the million out.
. "$(dirname "$0")/lib.sh"
build_release
work=$(mktemp -d)
sandbox_pid=
trap 'stop_sandbox; rm -rf "$work"' EXIT
# shellcheck source=scripts/sandbox.sh
. "$root/scripts/sandbox.sh"
binary=$target/release/baton-ping-one
printf '%-12s %8s %8s %9s %9s %9s %8s %10s\n' sync wall_s cpu_s peak_MB requests least x_least file_MB
presets=(bench-2k bench-50k)
[ -n "${SMALL:-}" ] || presets+=(bench-1m)
for preset in "${presets[@]}"; do
  start_sandbox --preset "$preset"
  /usr/bin/env -i PATH="$PATH" HOME="$HOME" "${TMPDIR:+TMPDIR=$TMPDIR}" \
    BATON_PINGONE_BASE_URL="$BATON_PINGONE_BASE_URL" BATON_PINGONE_AUTH_URL="$BATON_PINGONE_AUTH_URL" \
    BATON_PINGONE_ENVIRONMENT_ID="$BATON_PINGONE_ENVIRONMENT_ID" BATON_PINGONE_CLIENT_ID="$BATON_PINGONE_CLIENT_ID" \
    BATON_PINGONE_CLIENT_SECRET="$BATON_PINGONE_CLIENT_SECRET" \
    "$binary" --file "$work/$preset.c1z" --pingone-rate-limit 100000 --log-level warn -o json >"$work/$preset.json"
  stop_sandbox
done
