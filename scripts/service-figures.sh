#!/usr/bin/env bash
# What the daemon costs while it has nothing to do, before and after a first sync of 2,000 users, and how fast it says Hello.
# IDLE_S is how long it is watched, SETTLE_S how long it is left alone after the sync: freed pages go back after a while.
# RELEASE_DIR names a folder of binaries that are already built.
. "$(dirname "$0")/lib.sh"
idle_s=${IDLE_S:-60}
settle_s=${SETTLE_S:-30}
if [ -n "${RELEASE_DIR:-}" ]; then
  release=$RELEASE_DIR
else
  build_release
fi
work=$(mktemp -d)
sandbox_pid= c1_pid= daemon_pid=
stop_all() {
  for pid in $daemon_pid $c1_pid; do
    kill "$pid" 2>/dev/null || true
    wait "$pid" 2>/dev/null || true
  done
  stop_sandbox
  rm -rf "$work"
}
trap stop_all EXIT
# shellcheck source=scripts/sandbox.sh
. "$root/scripts/sandbox.sh"
start_sandbox --preset bench-2k
"$release/sandbox" c1 --ca-file "$work/ca.pem" --upload-dir "$work/uploads" >"$work/c1.out" 2>"$work/c1.err" &
c1_pid=$!
for _ in $(seq 1 100); do
  [ ! -s "$work/c1.out" ] || break
  sleep 0.1
done
line=$(head -n 1 "$work/c1.out")
mkdir "$work/tmp"
export SSL_CERT_FILE=$work/ca.pem TMPDIR=$work/tmp BATON_HEALTH_CHECK_PORT=${PORT:-18081}
BATON_CLIENT_ID=$(json_text BATON_CLIENT_ID "$line")
BATON_CLIENT_SECRET=$(json_text BATON_CLIENT_SECRET "$line")
BATON_C1_API_HOST=$(json_text BATON_C1_API_HOST "$line")
export BATON_CLIENT_ID BATON_CLIENT_SECRET BATON_C1_API_HOST
start_daemon() {
  "$release/baton-ping-one" >"$work/log" 2>&1 &
  daemon_pid=$!
  until grep -q 'session opened' "$work/log"; do
    kill -0 "$daemon_pid" 2>/dev/null || { cat "$work/log" >&2; exit 1; }
    sleep 0.005
  done
}
began=$(date +%s%N)
BATON_PINGONE_RATE_LIMIT=100000 start_daemon
hello_ms=$((($(date +%s%N) - began) / 1000000))
# Processor time in ticks of a hundredth of a second: fields 14 and 15, counted behind the name.
ticks() { sed 's/.*) //' "/proc/$daemon_pid/stat" | awk '{ print $12 + $13 }'; }
memory() { awk -v what="$1:" '$1 == what { print $2 }' "/proc/$daemon_pid/smaps_rollup"; }
sleep 5
before=$(ticks)
sleep "$idle_s"
after=$(ticks)
printf 'start to Hello: %s ms\n' "$hello_ms"
resident_before=$(memory Rss) own_before=$(memory Private_Dirty)
printf 'idle memory: %s KiB resident, %s KiB of its own (threads: %s)\n' "$resident_before" "$own_before" \
  "$(find "/proc/$daemon_pid/task" -mindepth 1 -maxdepth 1 | wc -l)"
awk -v ticks="$((after - before))" -v s="$idle_s" 'BEGIN { printf "idle processor time: %.3f %% of a core\n", ticks / s }'
# One for all calls, one for the token.
printf 'connections to C1: %s\n' "$(grep -ci "$(printf ':%04x 01' "${BATON_C1_API_HOST##*:}")" "/proc/$daemon_pid/net/tcp" || true)"
admin=$(json_text admin "$line")
python3 "$root/scripts/demo_c1.py" "$admin" task '{"syncFull": {}}' >"$work/sync" 2>&1 || { cat "$work/sync" >&2; exit 1; }
sleep "$settle_s"
resident_after=$(memory Rss) own_after=$(memory Private_Dirty)
printf 'idle memory %s s after a first sync of 2,000 users: %s KiB resident (%+d), %s KiB of its own (%+d)\n' "$settle_s" \
  "$resident_after" "$((resident_after - resident_before))" "$own_after" "$((own_after - own_before))"
kill "$daemon_pid"
wait "$daemon_pid" || true
stop_sandbox
start_sandbox --preset demo
BATON_PROVISIONING=true BATON_TASK_CONCURRENCY=1 BATON_PINGONE_RATE_LIMIT=100000 start_daemon
python3 "$root/scripts/task_figures.py" "$admin" "http://127.0.0.1:$BATON_HEALTH_CHECK_PORT/metrics"
