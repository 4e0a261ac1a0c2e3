#!/usr/bin/env bash
# The main job against the sandbox's PingOne and its C1: C1 hands out a sync, the daemon uploads, the upload is opened, a grant
# is refused because provisioning is off; then a daemon with provisioning carries out C1's tasks. At the end the same without C1.
# RELEASE_DIR names a folder of binaries that are already built.
. "$(dirname "$0")/lib.sh"
if [ -n "${RELEASE_DIR:-}" ]; then
  release=$RELEASE_DIR
else
  say "building the programs without optimization (minutes on a new machine)"
  build_demo
fi
work=$(mktemp -d)
: >"$work/log"
sandbox_pid= c1_pid= daemon_pid=
end() {
  local code=$?
  for pid in $daemon_pid $c1_pid; do
    kill "$pid" 2>/dev/null || true
    wait "$pid" 2>/dev/null || true
  done
  stop_sandbox
  if [ "$code" != 0 ]; then
    # What the last program said, without where it lives.
    [ ! -s "$work/log" ] || tail -n 20 "$work/log" | sed "s|$work|.|g" >&2
    say "the demo FAILED"
  fi
  rm -rf "$work"
}
trap end EXIT
fail() { printf 'demo: %s\n' "$*" >&2; exit 1; }
# shellcheck source=scripts/sandbox.sh
. "$root/scripts/sandbox.sh"
binary=$release/baton-ping-one

say "starting a PingOne of 240 made-up users, and a C1"
start_sandbox --preset demo
"$release/sandbox" c1 --ca-file "$work/ca.pem" --upload-dir "$work/uploads" --idle-poll-ms 200 >"$work/c1.out" 2>"$work/c1.err" &
c1_pid=$!
for _ in $(seq 1 100); do
  [ ! -s "$work/c1.out" ] || break
  sleep 0.1
done
line=$(head -n 1 "$work/c1.out")
[ -n "$line" ] || fail "the sandbox's C1 did not start: $(cat "$work/c1.err")"
admin=$(json_text admin "$line")

# Runs the daemon with the settings that C1 gives.
start_daemon() {
  say "baton-ping-one${1:+ $*}"
  SSL_CERT_FILE=$work/ca.pem BATON_CLIENT_ID=$(json_text BATON_CLIENT_ID "$line") \
    BATON_CLIENT_SECRET=$(json_text BATON_CLIENT_SECRET "$line") BATON_C1_API_HOST=$(json_text BATON_C1_API_HOST "$line") \
    BATON_HEALTH_CHECK_PORT=${PORT:-18082} BATON_C1Z_TEMP_DIR=$work BATON_ACCEPT_SHRINK=true \
    "$binary" "$@" >"$work/log" 2>&1 &
  daemon_pid=$!
  for _ in $(seq 1 100); do
    if grep -q 'session opened' "$work/log"; then
      echo "the daemon said Hello"
      return
    fi
    kill -0 "$daemon_pid" 2>/dev/null || fail "the daemon ended"
    sleep 0.1
  done
  fail "the daemon did not say Hello"
}
stop_daemon() {
  kill -TERM "$daemon_pid"
  wait "$daemon_pid" || fail "the daemon ended with code $?"
  daemon_pid=
  echo "SIGTERM: the daemon ended with code 0"
}
# Has C1 hand out a task and shows how it ended; keeps the answer in $said and the task's id in $task.
hand_out() {
  local wanted=$1 code=0
  say "C1 hands out: $2"
  said=$(python3 "$root/scripts/demo_c1.py" "$admin" task "$3" 2>"$work/task") || code=$?
  [ -n "$said" ] || { cat "$work/task" >&2; fail "the task came to no end"; }
  task=$(sed -n 's/^task //p' "$work/task")
  printf '%s\n' "$said"
  [ "$wanted" = "$code" ] || fail "that is not how the task should end"
}
uploaded() { python3 "$root/scripts/demo_c1.py" "$admin" upload "$task"; }
# The column of the first row of a view of $file that a pattern finds.
column() { "$binary" inspect -f "$file" -o csv "$1" | grep -m 1 -e "$2" | cut -d , -f "$3"; }

start_daemon
hand_out 0 "a sync" '{"syncFull": {}}'
file=$(uploaded)
say "baton-ping-one inspect -f UPLOAD stats"
"$binary" inspect -f "$file" stats
say "baton-ping-one inspect -f UPLOAD grants | head"
"$binary" inspect -f "$file" grants >"$work/view"
head -n 12 "$work/view" | cut -c 1-150
group=$(column resources '^group,.*""is_dynamic"":false.*""is_external"":false.*""scope"":""ENVIRONMENT""' 2)
entitlement=group:$group:member
somebody=$(column resources '^user,' 2)
# $1: the user's id.
grant_task() {
  printf '{"grant": {"entitlement": {"id": "%s", "slug": "member", "resource": {"id": {"resourceType": "group", "resource": "%s"}}}, "principal": {"id": {"resourceType": "user", "resource": "%s"}}}}' \
    "$entitlement" "$group" "$1"
}
hand_out 1 "a grant, though provisioning is off" "$(grant_task "$somebody")"
grep -q 'provisioning' <<<"$said" || fail "the refusal does not say why"
stop_daemon

start_daemon --provisioning
# An example of RFC 8037: whoever is to read a password gives C1 a key like this one.
key=$(printf '{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}' | base64 | tr -d '\n')
sealed='"encryptionConfigs": [{"provider": "baton/jwk/v1", "jwkPublicKeyConfig": {"pubKey": "'$key'"}}]'
password='"credentialOptions": {"randomPassword": {"length": "20"}, "forceChangeAtNextLogin": true}'
hand_out 0 "an account to create, its password sealed to a key" '{"createAccount": {"resourceTypeId": "user", "accountInfo":
  {"login": "demo.lindqvist", "emails": [{"address": "demo.lindqvist@example.com", "isPrimary": true}],
  "profile": {"given_name": "Ines", "family_name": "Lindqvist", "title": "Auditor"}}, '"$password, $sealed"'}}'
user=$(sed -n 's/^ .*resource\.id\.resource  //p' <<<"$said")
grep -q 'encryptedBytes' <<<"$said" || fail "the password did not come back"
[ -n "$user" ] || fail "the account has no id"
hand_out 0 "a grant for that account" "$(grant_task "$user")"
hand_out 0 "the same grant again" "$(grant_task "$user")"
grep -q 'GrantAlreadyExists' <<<"$said" || fail "the second grant was not told from the first"
hand_out 0 "another sync" '{"syncFull": {}}'
file=$(uploaded)
say "baton-ping-one inspect -f UPLOAD grants | grep USER"
"$binary" inspect -f "$file" grants >"$work/view"
grep "$user" "$work/view"
hand_out 0 "the grant's revocation" '{"revoke": {"grant": {"id": "'"$entitlement:user:$user"'", "entitlement": {"id": "'"$entitlement"'",
  "slug": "member", "resource": {"id": {"resourceType": "group", "resource": "'"$group"'"}}},
  "principal": {"id": {"resourceType": "user", "resource": "'"$user"'"}}}}}'
hand_out 0 "a new password for the account" \
  '{"rotateCredentials": {"resourceId": {"resourceType": "user", "resource": "'"$user"'"}, '"$password, $sealed"'}}'
grep -q 'encryptedBytes' <<<"$said" || fail "the password did not come back"
hand_out 0 "the account to delete" '{"deleteResource": {"resourceId": {"resourceType": "user", "resource": "'"$user"'"}}}'
stop_daemon
python3 "$root/scripts/demo_c1.py" "$admin" violations

# Without C1: runs the program once and shows how; keeps the output in $said.
out=${OUT:-$root/sync.c1z}
once() {
  say "baton-ping-one -f $(basename "$out")${1:+ $(printf '%s ' "$@" | sed "s|$work/||g")}"
  said=$("$binary" -f "$out" "$@" 2>"$work/log") || fail "that should have succeeded"
  # Without where this machine keeps files.
  printf '%s\n' "$said" | sed "s|$work/||g; s|$(dirname "$out")/||g"
}
say "the same without C1: the file is $(basename "$out"); the Go SDK's baton tool opens it, too (make compat shows that)"
once --accept-shrink
file=$out
once --create-account-login demo.okafor --create-account-email demo.okafor@example.com \
  --create-account-profile '{"given_name": "Ada", "family_name": "Okafor"}' --password-file "$work/password"
user=$(sed -n 's/^  user  //p' <<<"$said")
say "the password is in a file of mode $(stat -c %a "$work/password"), $(tr -d '\n' <"$work/password" | wc -c) characters long"
once --invoke-action disable_user --invoke-action-args "{\"user_id\": \"$user\"}"
once --accept-shrink >/dev/null
once --grant-entitlement "$entitlement" --grant-principal "$user" --dry-run
once --delete-resource "$user" --delete-resource-type user
say "who may open which application, and which machines hold roles"
stop_sandbox
start_sandbox --preset demo --applications 40 --group-conditions 24 --workers 6 --gateways 7
once --accept-shrink --sync-applications all --sync-gateways --sync-secrets >/dev/null
application=$(column resources '^application,.*""access_mode"":""any_group""' 2)
say "baton-ping-one inspect -f $(basename "$out") holders --entitlement application:$application:access | head"
"$binary" inspect -f "$out" holders --entitlement "application:$application:access" >"$work/view"
head -n 8 "$work/view" | cut -c 1-150
grep -q '^user ' "$work/view" || fail "nobody may open the application"
gateway=$(column grants '^[^,]*,gateway,' 3)
say "baton-ping-one inspect -f $(basename "$out") access --principal gateway:$gateway"
"$binary" inspect -f "$out" access --principal "gateway:$gateway" | cut -c 1-150
say "the demo is done"
