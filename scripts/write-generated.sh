#!/usr/bin/env bash
# Writes every generated file anew.
. "$(dirname "$0")/lib.sh"
cd "$root"
BATON_WRITE_MANIFESTS=1 cargo test --quiet --workspace --lib -- manifest config::docs >/dev/null
python3 scripts/chart_schema.py charts/baton-ping-one
cargo build --quiet --workspace --bin baton-ping-one
help=$(COLUMNS=120 "$target/debug/baton-ping-one" --help)
awk -v help="$help" '
  /^<!-- help -->$/ { print; print "```text"; print help; print "```"; skip = 1; next }
  /^<!-- end of help -->$/ { skip = 0 }
  !skip { print }
' README.md >README.md.new
mv README.md.new README.md
