#!/usr/bin/env bash
# readme-test.sh [README] - runs every shell block of README.md, one after the other, in a fresh copy of the tree.
#
# The connector runs against the sandbox's PingOne. What would take minutes or needs a machine of somebody else is checked
# instead: `make` must know its targets, images must be built before they are pushed or run, the namespace must be there
# before the Secret, and charts are rendered by the real helm. RELEASE_DIR names a folder of binaries that are already built.
. "$(dirname "$0")/lib.sh"
cd "$root"
readme=$(realpath "${1:-README.md}")
if [ -n "${RELEASE_DIR:-}" ]; then
  release=$(realpath "$RELEASE_DIR")
else
  cargo build --locked --quiet --workspace --bins
  release=$target/debug
fi
scripts/tools.sh chart
real=$(scripts/tools.sh path)
work=$(mktemp -d)
# shellcheck source=scripts/sandbox.sh
. "$root/scripts/sandbox.sh"
end() {
  stop_sandbox
  rm -rf "$work"
}
trap end EXIT

mkdir "$work/bin" "$work/clone" "$work/known"
git ls-files -z --cached --others --exclude-standard | tar --create --null --files-from=- | tar --extract --directory "$work/clone"
# A program of this name that does what is on standard input, with $known for what was made before.
program() {
  { printf '#!/usr/bin/env bash\nset -euo pipefail\nknown=%q real=%q release=%q bin=%q\n' "$work/known" "$real" "$release" "$work/bin" && cat; } >"$work/bin/$1"
  chmod +x "$work/bin/$1"
}
program cargo <<'END'
[ "$*" = "install --locked --path ." ] && [ -f Cargo.toml ] || { echo "cargo: not expected: $*" >&2; exit 1; }
ln -s "$release/baton-ping-one" "$bin/baton-ping-one"
END
program make <<'END'
PATH=${PATH#"$bin:"} command make --dry-run "$@" >/dev/null
[ "$*" != image ] || printf '%s\n' "${IMAGE:?}" >>"$known/images${PUSH:+-pushed}"
END
program docker <<'END'
image() { cat "$known"/images* | grep -qxF -- "$1" || { echo "docker: no such image: $1" >&2; exit 1; }; }
[ "$1 $2" = "run --rm" ]
shift 2
settings=(BATON_PINGONE_BASE_URL="$BATON_PINGONE_BASE_URL" BATON_PINGONE_AUTH_URL="$BATON_PINGONE_AUTH_URL") folder=
while [ "${1#--}" != "$1" ]; do
  case $1 in
  --env) settings+=("$2=${!2}") ;;
  --volume) folder=${2%:/data} ;;
  --user) [ "$2" = "$(id -u):$(id -g)" ] ;;
  *) echo "docker: not expected: $1" >&2; exit 1 ;;
  esac
  shift 2
done
image "$1"
shift
cd "$folder"
exec env --ignore-environment "${settings[@]}" "$release/baton-ping-one" "$@"
END
program kubectl <<'END'
if [ "$1 $2" = "create namespace" ]; then
  printf '%s\n' "$3" >>"$known/namespaces"
  exit
fi
[ "$1" = -n ] && grep -qxF -- "$2" "$known/namespaces" || { echo "kubectl: no such namespace: $2" >&2; exit 1; }
"$real/kubectl" "$@" --dry-run=client --output=yaml >"$known/secret"
for key in BATON_CLIENT_ID BATON_CLIENT_SECRET BATON_PINGONE_CLIENT_ID BATON_PINGONE_CLIENT_SECRET BATON_PINGONE_ENVIRONMENT_ID; do
  grep -q "^  $key: ." "$known/secret" || { echo "kubectl: the Secret has no $key" >&2; exit 1; }
done
END
program helm <<'END'
[ "$1" = -n ] && grep -qxF -- "$2" "$known/namespaces" || { echo "helm: no such namespace: $2" >&2; exit 1; }
namespace=$2 verb=$3 name=$4
shift 4
arguments=()
for argument in "$@"; do [ "$argument" = --wait ] || [ "$argument" = --reuse-values ] || arguments+=("$argument"); done
case $verb in
install | upgrade)
  [ "$verb" = install ] || [ -e "$known/release-$name" ] || { echo "helm: no such release: $name" >&2; exit 1; }
  "$real/helm" template "$name" "${arguments[@]}" --namespace "$namespace" >"$known/release-$name"
  grep -q "name: $(sed -n 's/^  name: //p' "$known/secret" | head -n 1)\|credentials-secret: $(sed -n 's/^  name: //p' "$known/secret" | head -n 1)" "$known/release-$name" ||
    { echo "helm: the release reads another Secret" >&2; exit 1; }
  if [ "$verb" = install ]; then
    image=$(sed -n 's/^ *image: "\(.*\)"$/\1/p' "$known/release-$name" | head -n 1)
    grep -qxF -- "$image" "$known/images-pushed" || { echo "helm: nobody pushed $image" >&2; exit 1; }
  fi
  ;;
test) [ -e "$known/release-$name" ] ;;
*) echo "helm: not expected: $verb" >&2; exit 1 ;;
esac
END

say "starting a PingOne of made-up users"
start_sandbox --preset demo
# The blocks as one script; every line names the block it is in when it fails.
awk '/^```sh$/ { on = 1; n++; printf "block=%d line=%d\n", n, NR + 1; next } /^```$/ { on = 0 } on' "$readme" >"$work/blocks"
count=$(grep -c '^block=' "$work/blocks")
[ "$count" -ge 9 ] || { say "README has only $count shell blocks"; exit 1; }
cat >"$work/run" <<'END'
set -euo pipefail
trap 'echo "README: the block at line $line failed: $BASH_COMMAND" >&2' ERR
first() { baton-ping-one inspect -o csv resources >.rows && grep -m 1 -e "$1" .rows | cut -d , -f 2; }
ids() {
  GROUP=$(first '^group,.*""is_dynamic"":false.*""is_external"":false.*""scope"":""ENVIRONMENT""')
  PERSON=$(first '^user,')
}
END
# What the reader puts in: the worker application is the sandbox's, and the two ids are those of its file.
sed -E 's/^export BATON_PINGONE_[A-Z_]+="<.*>"$/:/' "$work/blocks" |
  awk '/\$GROUP/ && !known { print "ids"; known = 1 } { print }' >>"$work/run"
cd "$work/clone"
PATH=$work/bin:$PATH bash "$work/run" >"$work/out" 2>"$work/err" || {
  tail -n 15 "$work/err" | cut -c 1-300 >&2
  exit 1
}
[ "$(stat -c %a new.txt)" = 600 ] || { say "the password's file has mode $(stat -c %a new.txt)"; exit 1; }
[ ! -e credentials.env ] || { say "credentials.env was left behind"; exit 1; }
say "README: $count shell blocks ran"
