#!/usr/bin/env bash
# verify-release.sh FOLDER PUBLIC-KEY - the files of a release are the ones that the key's owner signed.
set -euo pipefail
folder=$1 key=$(realpath "$2")
cd "$folder"
signature=$(mktemp)
trap 'rm -f "$signature"' EXIT
base64 --decode SHA256SUMS.sig >"$signature"
openssl dgst -sha256 -verify "$key" -signature "$signature" SHA256SUMS || { echo "verify: SHA256SUMS is not signed by this key" >&2; exit 1; }
sha256sum --check --strict --quiet SHA256SUMS || { echo "verify: a file is not the one that was signed" >&2; exit 1; }
for file in *; do
	case $file in SHA256SUMS | SHA256SUMS.sig) continue ;; esac
	grep -q "  $file\$" SHA256SUMS || { echo "verify: $file is not among the signed files" >&2; exit 1; }
done
echo "all files are signed by this key"
