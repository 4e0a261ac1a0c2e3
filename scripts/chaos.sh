#!/usr/bin/env bash
# The real program between both stand-ins while everything goes wrong: SEED is the first schedule (1), RUNS how many (1,000), MINUTES
# the limit (60). MODE=kills kills each kind of work at random points instead, eight times a run (50 runs), and MODE=resume a first sync of USERS (5,000), once a
# run (100 runs). One line per run, and a
# summary; a seed that fails is shown with the rules that it broke, and its log is kept.
. "$(dirname "$0")/lib.sh"
case ${MODE:-schedules} in
  schedules) test=many_schedules runs=1000 ;;
  kills) test=kills::many_kills runs=50 ;;
  resume) test=resume::many_points runs=100 ;;
  *) echo "MODE is schedules, kills or resume" >&2; exit 2 ;;
esac
cd "$root"
export CHAOS_SEED=${SEED:-1} CHAOS_RUNS=${RUNS:-$runs} CHAOS_MINUTES=${MINUTES:-60} CHAOS_USERS=${USERS:-5000}
# SIGKILL for a run that never ends, well after its own limit.
timeout -k 10 $((CHAOS_MINUTES * 60 + 1800)) \
  cargo test --locked --workspace --test chaos -- --exact "$test" --include-ignored --nocapture
