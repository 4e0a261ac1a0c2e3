# Shared by the scripts: where tools live, and how the release binaries are found. Sourced, not run.
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cache=${BATON_CACHE:-$HOME/.cache/baton-ping-one}
tools=$cache/tools
target=${CARGO_TARGET_DIR:-$root/target}
mkdir -p "$tools"
say() { printf '== %s\n' "$*" >&2; }
# Builds what the demo and the bench run, once.
build_release() {
  (cd "$root" && cargo build --locked --release --workspace --bins)
}
# The value of a text member in a JSON line.
json_text() { sed -n "s/.*\"$1\":\"\([^\"]*\)\".*/\1/p" <<<"$2"; }
