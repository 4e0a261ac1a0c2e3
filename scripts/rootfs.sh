#!/bin/sh
# rootfs.sh FOLDER - the files that the program needs beside itself in an image without anything else:
# a user, name resolution, certificate authorities, a folder for temporary files and one to work in, which any user may write.
set -eu

root=$1
mkdir -p "$root/etc/ssl/certs" "$root/tmp" "$root/data"
chmod 0755 "$root" "$root/etc" "$root/etc/ssl" "$root/etc/ssl/certs"
chmod 1777 "$root/tmp" "$root/data"
printf '%s\n' 'root:x:0:0:root:/:/sbin/nologin' 'nonroot:x:65532:65532:nonroot:/tmp:/sbin/nologin' >"$root/etc/passwd"
printf '%s\n' 'root:x:0:' 'nonroot:x:65532:' >"$root/etc/group"
# glibc in a static program has these two sources built in.
printf '%s\n' 'passwd: files' 'group: files' 'hosts: files dns' >"$root/etc/nsswitch.conf"

# Mozilla's set as the distribution packs it; what an administrator added to this machine stays out.
bundle=$root/etc/ssl/certs/ca-certificates.crt
if [ -d /usr/share/ca-certificates/mozilla ]; then
	cat /usr/share/ca-certificates/mozilla/*.crt >"$bundle"
elif [ -f /etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem ]; then
	cat /etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem >"$bundle"
else
	echo "rootfs: no certificate authorities here; install ca-certificates" >&2
	exit 1
fi
[ "$(grep -c 'BEGIN CERTIFICATE' "$bundle")" -ge 50 ] || {
	echo "rootfs: the bundle of certificate authorities is too small" >&2
	exit 1
}
chmod 0644 "$root"/etc/passwd "$root"/etc/group "$root"/etc/nsswitch.conf "$bundle"
