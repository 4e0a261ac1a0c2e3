#!/usr/bin/env bash
# image.sh - build the image with docker, podman or buildah, whichever works.
#
#   IMAGE=REF      name and tag (default: baton-ping-one:VERSION of Cargo.toml)
#   OUT=FILE.tar   also leave a docker archive there
#   PUSH=1         also push it to the registry in its name
#   MODE=host      (default) build the program with this machine's cargo and put it into
#                  the Dockerfile's last stage: no base image is pulled
#   MODE=container build it in the Dockerfile's own stages; PLATFORM=linux/arm64 and the
#                  like select the platform, BASE=IMAGE@DIGEST another last base
#   BINARY=PATH    host mode with a program that is there already
#   BUILDER=docker|podman|buildah  do not choose
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
cd "$root"
export PATH=$PATH:/usr/local/go/bin
die() {
	say "$*"
	exit 1
}

version=$(sed -n '/^\[workspace.package\]/,/^\[/s/^version = "\(.*\)"/\1/p' Cargo.toml)
image=${IMAGE:-baton-ping-one:$version}
out=${OUT:-}
mode=${MODE:-host}
max_bytes=25000000
[[ $mode == host || $mode == container ]] || die "MODE=$mode is none of host, container"
[[ $mode == host || -z ${BINARY:-} ]] || die "BINARY is for MODE=host"

builder=${BUILDER:-}
[[ -n $builder ]] || builder=$(scripts/tools.sh image)

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

arguments=(--file Dockerfile --tag "$image" --build-arg "VERSION=$version" --build-arg "REVISION=$revision" --build-arg "REVISION_DATE=$revision_date")
[[ -z ${BASE:-} ]] || arguments+=(--build-arg "BASE=$BASE")
[[ -z ${RUST_IMAGE:-} ]] || arguments+=(--build-arg "RUST_IMAGE=$RUST_IMAGE")
[[ -z ${PLATFORM:-} ]] || arguments+=(--platform "$PLATFORM")
if [[ $mode == host ]]; then
	binary=${BINARY:-}
	if [[ -z $binary ]]; then
		[[ -n $triple ]] || die "MODE=host makes Linux programs on Linux alone: MODE=container"
		say "building the program for $triple"
		build_release
		binary=$release/baton-ping-one
	fi
	[[ -x $binary ]] || die "$binary is no program"
	if readelf --program-headers "$binary" | grep -q INTERP; then
		die "$binary is not static: it asks for a loader that the image does not have"
	fi
	"$binary" --version >/dev/null || die "$binary does not start"
	mkdir "$work/binary"
	install -m 0755 "$binary" "$work/binary/baton-ping-one"
	cargo metadata --locked --format-version 1 --filter-platform "$triple" |
		python3 scripts/sbom.py baton-ping-one >"$work/binary/sbom.cdx.json"
	sh scripts/rootfs.sh "$work/rootfs/files"
	arguments+=(--build-context "binary=$work/binary" --build-context "rootfs=$work/rootfs")
fi

# buildah gets a store of its own: nothing is left behind but the archive.
archive=${out:-$work/image.tar}
push=${PUSH:+1}
store=(--storage-driver vfs --root "$work/store" --runroot "$work/run")
say "building $image with $builder, MODE=$mode"
rm -f "$archive"
case $builder in
docker)
	DOCKER_BUILDKIT=1 docker build "${arguments[@]}" .
	docker save --output "$archive" "$image"
	;;
podman)
	podman build "${arguments[@]}" .
	podman save --format docker-archive --output "$archive" "$image"
	;;
buildah)
	buildah "${store[@]}" bud --isolation chroot --format docker "${arguments[@]}" .
	buildah "${store[@]}" push "$image" "docker-archive:$archive:$image"
	;;
*) die "BUILDER=$builder is none of docker, podman, buildah" ;;
esac

bytes=$(stat --format %s "$archive")
[[ $bytes -le $max_bytes ]] || die "the image has $bytes bytes, more than $max_bytes"
if [[ -n $push ]]; then
	case $builder in
	buildah) buildah "${store[@]}" push "$image" "docker://$image" ;;
	*) "$builder" push "$image" ;;
	esac
fi
say "$image: $bytes bytes${out:+, in $out}${push:+, pushed}"
