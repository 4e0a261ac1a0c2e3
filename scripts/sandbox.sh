# Starts and stops the sandbox's PingOne and points the settings at it. Sourced; wants lib.sh before it, and $work.
sandbox_pid=
start_sandbox() {
  : >"$work/sandbox.out"
  "$release/sandbox" pingone --api-addr 127.0.0.1:0 --auth-addr 127.0.0.1:0 "$@" >"$work/sandbox.out" 2>"$work/sandbox.err" &
  sandbox_pid=$!
  local line=
  for _ in $(seq 1 600); do
    line=$(head -n 1 "$work/sandbox.out")
    [ -z "$line" ] || break
    kill -0 "$sandbox_pid" 2>/dev/null || { cat "$work/sandbox.err" >&2; return 1; }
    sleep 0.1
  done
  [ -n "$line" ] || { echo "the sandbox did not start" >&2; return 1; }
  export BATON_PINGONE_BASE_URL BATON_PINGONE_AUTH_URL BATON_PINGONE_ENVIRONMENT_ID BATON_PINGONE_CLIENT_ID BATON_PINGONE_CLIENT_SECRET
  BATON_PINGONE_BASE_URL=$(json_text api_url "$line")
  BATON_PINGONE_AUTH_URL=$(json_text auth_url "$line")
  BATON_PINGONE_ENVIRONMENT_ID=$(json_text environment_id "$line")
  BATON_PINGONE_CLIENT_ID=$(json_text client_id "$line")
  BATON_PINGONE_CLIENT_SECRET=$(json_text client_secret "$line")
}
stop_sandbox() {
  [ -z "$sandbox_pid" ] || { kill "$sandbox_pid" 2>/dev/null || true; wait "$sandbox_pid" 2>/dev/null || true; }
  sandbox_pid=
}
