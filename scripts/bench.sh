#!/usr/bin/env bash
# One table from one run; see benches/table.rs. SMALL=1 leaves the million out.
. "$(dirname "$0")/lib.sh"
cd "$root"
cargo build --locked --release --workspace --bins
cargo bench --locked --quiet --bench table
