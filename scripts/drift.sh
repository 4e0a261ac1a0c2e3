#!/usr/bin/env bash
# Files that are generated from the program or the chart must be what these make now.
. "$(dirname "$0")/lib.sh"
cd "$root"
cargo build --locked --quiet --workspace --bin baton-ping-one
binary=$target/debug/baton-ping-one
different=0
compare() {
  if ! diff -u "$2" "$1" >&2; then
    echo "$2 is not what the program makes" >&2
    different=1
  fi
}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"$binary" config >"$work/config"
"$binary" capabilities >"$work/capabilities"
compare "$work/config" config_schema.json
compare "$work/capabilities" baton_capabilities.json
# README holds the complete help in a block between two markers.
sed -n '/^<!-- help -->$/,/^<!-- end of help -->$/p' README.md | sed '1,2d' | head -n -2 >"$work/readme"
COLUMNS=120 "$binary" --help >"$work/help"
compare "$work/help" "$work/readme"
python3 scripts/chart_schema.py --check charts/baton-ping-one || different=1
# manifests/base is what the chart renders, and the overlays build what it would.
scripts/manifests.sh --check || different=1
# Each planted fault still fits the sources.
python3 scripts/mutants.py --check || different=1
# A reader that has seen enough is no failure, and the version tells revision and date.
for shown in 'completion bash' man; do
  # shellcheck disable=SC2086
  (sleep 0.3; "$binary" $shown) | true || { echo "$shown does not survive a closed pipe" >&2; different=1; }
done
"$binary" --version | grep -Eq '^baton-ping-one [0-9.]+ \(revision .+, .+\)$' || { echo "--version has another form" >&2; different=1; }
# A release's build hands both on to it.
rustc --edition 2024 -o "$work/build" build.rs
told=$(BATON_REVISION=0a1b2c3 BATON_REVISION_DATE=2026-01-31 "$work/build")
for told_of in REVISION=0a1b2c3 REVISION_DATE=2026-01-31; do
  grep -qx "cargo:rustc-env=BATON_$told_of" <<<"$told" || { echo "build.rs does not hand on BATON_$told_of" >&2; different=1; }
done
exit "$different"
