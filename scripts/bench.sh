#!/usr/bin/env bash
# One table from one run; see benches/table.rs. SMALL=1 leaves the million out.
. "$(dirname "$0")/lib.sh"
build_release
cd "$root" && cargo bench --locked --quiet --bench table
