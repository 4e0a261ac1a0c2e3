# Shared by the scripts: where tools live, and how the release binaries are found. Sourced, not run.
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cache=${BATON_CACHE:-$HOME/.cache/baton-ping-one}
tools=$cache/tools
target=${CARGO_TARGET_DIR:-$root/target}
mkdir -p "$tools"
say() { printf '== %s\n' "$*" >&2; }
# The program as it goes into the image: static on Linux, so that one release build serves the demo, the checks, the image
# and the cluster. $release is the folder of the binaries.
if [ "$(uname -s)" = Linux ]; then
  triple=$(uname -m)-unknown-linux-gnu
  release=$target/$triple/release
else
  triple=
  release=$target/release
fi
# Packed relocations save a megabyte. Texts of panics name crates, not where this machine keeps them.
static_flags="-C target-feature=+crt-static -C link-arg=-Wl,-z,pack-relative-relocs"
static_flags+=" --remap-path-prefix=${CARGO_HOME:-$HOME/.cargo}/registry/src=registry"
revision=${REVISION:-$(git -C "$root" rev-parse --short=12 HEAD 2>/dev/null || echo unknown)}
revision_date=${REVISION_DATE:-$(git -C "$root" show -s --format=%cs HEAD 2>/dev/null || echo unknown)}
build_release() {
  # Both in one call: cargo settles features per call, and two sets of them would be two builds of everything.
  local arguments=(--package baton-ping-one --package sandbox --bins)
  [ -z "$triple" ] || arguments+=(--target "$triple")
  (
    cd "$root"
    [ -z "$triple" ] || export RUSTFLAGS=$static_flags
    BATON_REVISION=$revision BATON_REVISION_DATE=$revision_date cargo build --locked --release "${arguments[@]}"
  )
}
# The same as fast as it can be had, for `make demo`.
build_demo() {
  release=$target/demo
  (cd "$root" && BATON_REVISION=$revision cargo build --locked --profile demo --package baton-ping-one --package sandbox --bins)
}
# The value of a text member in a JSON line.
json_text() { sed -n "s/.*\"$1\":\"\([^\"]*\)\".*/\1/p" <<<"$2"; }
