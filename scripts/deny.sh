#!/usr/bin/env bash
# Licences, bans and sources of every dependency.
. "$(dirname "$0")/lib.sh"
version=0.20.2
if ! "$tools/bin/cargo-deny" --version 2>/dev/null | grep -q "$version"; then
  say "installing cargo-deny $version into $tools (compiles for some minutes)"
  cargo install --locked --quiet --root "$tools" --target-dir "$cache/cargo-deny-target" "cargo-deny@$version"
  rm -rf "$cache/cargo-deny-target"
fi
cd "$root"
"$tools/bin/cargo-deny" --workspace --locked check bans licenses sources "$@"
