#!/usr/bin/env bash
# The main job against the sandbox's PingOne: sync, then two views of the file.
. "$(dirname "$0")/lib.sh"
say "building the release binaries (minutes on a new machine)"
build_release
work=$(mktemp -d)
sandbox_pid=
trap 'stop_sandbox; rm -rf "$work"' EXIT
# shellcheck source=scripts/sandbox.sh
. "$root/scripts/sandbox.sh"
say "starting a PingOne of 240 made-up users"
start_sandbox --preset demo
binary=$release/baton-ping-one
out=${OUT:-$root/sync.c1z}
say "baton-ping-one -f $(basename "$out")"
"$binary" -f "$out" --accept-shrink
say "baton-ping-one inspect -f $(basename "$out") stats"
"$binary" inspect -f "$out" stats
say "baton-ping-one inspect -f $(basename "$out") grants | head"
"$binary" inspect -f "$out" grants | head -n 12
say "the file is $out; the Go SDK's baton tool opens it, too (make compat shows that)"
