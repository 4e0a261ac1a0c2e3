#!/usr/bin/env bash
# release-artifacts.sh [FOLDER] - everything of a release in one folder (default: dist), from a clean tree.
#
#   baton-ping-one-VERSION-linux-ARCH.tar.gz        the program and its licence
#   baton-ping-one-VERSION-linux-ARCH.image.tar     the image, a docker archive
#   baton-ping-one-VERSION.tgz                      the chart, as `helm push` takes it
#   baton-ping-one-VERSION.{cdx,spdx}.json          what the program is built from
#   baton-ping-one-VERSION.intoto.json              which commit and which builder made these files (SLSA provenance)
#   SHA256SUMS, and SHA256SUMS.sig with KEY
#
#   BINARY=PATH   a static program that is built already
#   KEY=FILE      a P-256 private key in PEM: sign the checksums; `cosign verify-blob` and scripts/verify-release.sh check that
#   BUILDER_ID=URI   who builds, for the provenance (default: the user and the host are not named)
#
# For another architecture run it there, or build the image alone: MODE=container PLATFORM=linux/arm64 scripts/image.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
cd "$root"
die() {
	say "$*"
	exit 1
}
[ -z "$(git status --porcelain)" ] || die "the tree is not clean: commit or stash first, a release is made of one commit"
[ -z "${KEY:-}" ] || openssl pkey -in "$KEY" -noout || die "KEY=$KEY is no private key"
out=$(realpath -m "${1:-dist}")
[ ! -e "$out" ] || [ -z "$(ls -A "$out")" ] || die "$out is not empty"
mkdir -p "$out"

name=baton-ping-one
version=$(sed -n '/^\[workspace.package\]/,/^\[/s/^version = "\(.*\)"/\1/p' Cargo.toml)
[ "$(sed -n 's/^version: //p' charts/$name/Chart.yaml)" = "$version" ] || die "Chart.yaml has another version than Cargo.toml"
grep -q "image: .*/$name:$version\$" charts/$name/Chart.yaml || die "Chart.yaml names the image of another version"
commit=$(git rev-parse HEAD)
SOURCE_DATE_EPOCH=$(git log -1 --format=%ct)
export SOURCE_DATE_EPOCH
machine=$(uname -m)
case $machine in x86_64) arch=amd64 ;; aarch64) arch=arm64 ;; *) arch=$machine ;; esac
if [ -z "${BINARY:-}" ]; then
	[ -n "$triple" ] || die "release programs are made on Linux"
	say "building the program"
	build_release
	BINARY=$release/$name
fi
export BINARY

scripts/tools.sh chart
helm=$(scripts/tools.sh path)/helm
same_bytes=(--sort=name --mtime="@$SOURCE_DATE_EPOCH" --owner=0 --group=0 --numeric-owner)
say "the program, the image and the chart"
tar --create "${same_bytes[@]}" --directory "$(dirname "$BINARY")" --transform "s|^$(basename "$BINARY")\$|$name|" "$(basename "$BINARY")" \
	--directory "$root" LICENSE | gzip --no-name >"$out/$name-$version-linux-$arch.tar.gz"
IMAGE=$name:$version OUT=$out/$name-$version-linux-$arch.image.tar scripts/image.sh
"$helm" package charts/$name --destination "$out" >/dev/null

say "lists of parts, provenance and checksums"
metadata() { cargo metadata --locked --format-version 1 --filter-platform "${triple:-x86_64-unknown-linux-gnu}"; }
metadata | python3 scripts/sbom.py $name >"$out/$name-$version.cdx.json"
metadata | python3 scripts/sbom.py $name spdx >"$out/$name-$version.spdx.json"
# Read before the file that receives the statement is created, or the list could name that one too.
subjects=$(cd "$out" && sha256sum -- *)
python3 scripts/provenance.py "$commit" "${BUILDER_ID:-https://github.com/conductorone/$name/scripts/release-artifacts.sh}" \
	<<<"$subjects" >"$out/$name-$version.intoto.json"
(cd "$out" && sha256sum -- * >../.sums.$$ && mv ../.sums.$$ SHA256SUMS)
if [ -n "${KEY:-}" ]; then
	openssl dgst -sha256 -sign "$KEY" "$out/SHA256SUMS" | base64 --wrap=0 >"$out/SHA256SUMS.sig"
fi
say "the release is in $out"
