#!/usr/bin/env bash
# The main job against the sandbox's PingOne: sync, two views of the file, then changes of the directory, each by one run
# without C1: create, grant, show, revoke, an action, rotate, delete.
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

# Runs the program and shows how; keeps the output in $said.
once() {
  say "baton-ping-one $*"
  said=$("$binary" -f "$out" "$@" 2>"$work/log") || { cat "$work/log" >&2; return 1; }
  printf '%s\n' "$said"
}
# The column of the first row of a view that a pattern finds.
column() { "$binary" inspect -f "$out" -o csv "$1" | grep -m 1 -e "$2" | cut -d , -f "$3"; }
group=$(column resources '^group,.*""is_dynamic"":false.*""is_external"":false.*""scope"":""ENVIRONMENT""' 2)
entitlement=group:$group:member
profile='{"given_name": "Ada", "family_name": "Okafor", "title": "Auditor"}'
once --create-account-login demo.okafor --create-account-email demo.okafor@example.com \
  --create-account-profile "$profile" --password-file "$work/password"
user=$(sed -n 's/^  user  //p' <<<"$said")
say "the password is in a file of mode $(stat -c %a "$work/password"), $(tr -d '\n' <"$work/password" | wc -c) characters long"
"$binary" -f "$out" >/dev/null 2>"$work/log"
once --grant-entitlement "$entitlement" --grant-principal "$user" --dry-run
once --grant-entitlement "$entitlement" --grant-principal "$user"
grant=$(sed -n 's/^  grant  //p' <<<"$said")
once --grant-entitlement "$entitlement" --grant-principal "$user"
"$binary" -f "$out" >/dev/null 2>"$work/log"
say "baton-ping-one inspect -f $(basename "$out") grants | grep $user"
"$binary" inspect -f "$out" grants | grep "$user"
once --revoke-grant "$grant"
once --invoke-action disable_user --invoke-action-args "{\"user_id\": \"$user\"}"
once --rotate-credentials "$user" --rotate-credentials-type user
once --delete-resource "$user" --delete-resource-type user
once --delete-resource "$user" --delete-resource-type user
