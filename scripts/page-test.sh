#!/usr/bin/env bash
# page-test.sh [FOLDER] - the status page in headless Chromium, light and dark: it is drawn, the ground follows the reader's choice, the
# text stands out, nothing is loaded from elsewhere. The pictures are left in FOLDER (default: a temporary one).
#
#   PROGRAM=PATH   baton-ping-one, and beside it the sandbox (default: the debug build)
#   CHROMIUM=PATH  the browser (default: the one that scripts/tools.sh finds or installs)
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
cd "$root"
chromium=${CHROMIUM:-$(scripts/tools.sh chromium)}
if [ -n "${PROGRAM:-}" ]; then
	release=$(dirname "$PROGRAM")
else
	cargo build --locked --quiet --workspace --bins
	release=$target/debug
fi
work=$(mktemp -d)
out=${1:-$work}
mkdir -p "$out"
. scripts/sandbox.sh
daemon=
end() {
	[ -z "$daemon" ] || { kill "$daemon" 2>/dev/null; wait "$daemon" 2>/dev/null; } || true
	stop_sandbox
	rm -rf "$work"
}
trap end EXIT
start_sandbox
port=$((20000 + RANDOM % 20000))
"$release/baton-ping-one" --sync-interval 1h --file "$work/sync.c1z" --health-check-port "$port" 2>"$work/log" &
daemon=$!
ready() { "$release/baton-ping-one" status --health-check-port "$port" 2>/dev/null | grep --quiet success; }
for _ in $(seq 1 600); do
	! ready || break
	sleep 0.1
done
ready || { say "no sync was told of"; cat "$work/log" >&2; exit 1; }

browse() { # browse ARGUMENT...: the page in the browser, with no network but this machine
	timeout 120 "$chromium" --headless --no-sandbox --disable-gpu --disable-dev-shm-usage --user-data-dir="$work/profile" --window-size=1000,1400 \
		--hide-scrollbars "$@" "http://127.0.0.1:$port/" 2>>"$work/browser.log"
}
browse --dump-dom >"$work/dom.html"
grep --quiet '<h1>baton-ping-one is ready</h1>' "$work/dom.html"
# The values of Blink's setting: 0 is dark, 1 is light.
for scheme in light:1 dark:0; do
	browse --screenshot="$out/${scheme%:*}.png" --blink-settings=preferredColorScheme="${scheme#*:}" >/dev/null
	python3 scripts/page_picture.py "${scheme%:*}" "$out/${scheme%:*}.png"
done
say "the status page is drawn, light and dark"
