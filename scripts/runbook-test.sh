#!/usr/bin/env bash
# runbook-test.sh [PAGE [LEAST]] - the commands of docs/runbook-kubernetes.md, or of another page that has at least LEAST
# blocks of them, run against answers as a cluster and a daemon give them.
#
# Templates are evaluated by the real kubectl on objects like those of a release; filters get logs, metrics and descriptions.
# What helm sets must be values of the chart, and what kubectl creates is made by the real one without a cluster.
# A block must end well and print something or leave a file: a filter that finds nothing where there is something is wrong.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
scripts/tools.sh chart
real=$(scripts/tools.sh path)/kubectl
page=${1:-docs/runbook-kubernetes.md} least=${2:-20}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir "$work/bin" "$work/answers" "$work/scripts"
cat >"$work/answers/lease.yaml" <<'END'
apiVersion: coordination.k8s.io/v1
kind: Lease
metadata: {name: baton-ping-one-leader, namespace: baton}
spec:
  holderIdentity: baton-ping-one-6d5f4c9b8d-x2k9z_0123456789abcdef0123456789abcdef
  leaseDurationSeconds: 15
  acquireTime: "2026-01-02T03:04:05.000000Z"
  renewTime: "2026-01-02T03:04:05.000000Z"
  leaseTransitions: 3
END
cat >"$work/answers/deployment.yaml" <<'END'
apiVersion: apps/v1
kind: Deployment
metadata: {name: baton-ping-one, namespace: baton}
spec:
  selector: {matchLabels: {a: b}}
  strategy: {type: RollingUpdate, rollingUpdate: {maxSurge: 1, maxUnavailable: 0}}
  template:
    metadata: {labels: {a: b}, annotations: {baton-ping-one/lease: baton-ping-one-leader}}
    spec: {containers: [{name: baton-ping-one, image: i}]}
END
cat >"$work/answers/pods.yaml" <<'END'
apiVersion: v1
kind: Pod
metadata: {name: baton-ping-one-6d5f4c9b8d-x2k9z, namespace: baton}
spec: {containers: [{name: baton-ping-one, image: i}]}
status: {containerStatuses: [{name: baton-ping-one, restartCount: 4, lastState: {terminated: {reason: Error, exitCode: 64}}}]}
END
cat >"$work/answers/events.yaml" <<'END'
apiVersion: v1
kind: Event
metadata: {name: e, namespace: baton, creationTimestamp: "2026-01-02T03:04:05Z"}
involvedObject: {kind: Pod, name: baton-ping-one-6d5f4c9b8d-x2k9z}
reason: R
message: text
END
printf '%s\n' 'apiVersion: v1' 'kind: Secret' 'metadata: {name: baton-ping-one-secrets, namespace: baton}' 'data: {BATON_CLIENT_ID: YWJj}' >"$work/answers/secret.yaml"
cat >"$work/answers/logs" <<'END'
[pod/x/baton-ping-one] {"level":"info","msg":"session opened: Hello","task_type":"sync_full"}
[pod/x/baton-ping-one] {"level":"warn","msg":"poll failed","error":"failed to get token: 401 Unauthorized"}
[pod/x/baton-ping-one] {"level":"error","msg":"the task failed","task_type":"KIND","task_id":"ID","error_class":"auth"}
[pod/x/baton-ping-one] {"level":"warn","msg":"the Lease could not be renewed"}
[pod/x/baton-ping-one] {"level":"warn","msg":"new credentials are not proved yet"}
[pod/x/baton-ping-one] {"level":"warn","msg":"what was kept differs from what was read, and no audit activity tells of a change"}
END
cat >"$work/answers/describe" <<'END'
Name:             baton-ping-one-6d5f4c9b8d-x2k9z
Containers:
  baton-ping-one:
    State:          Waiting
      Reason:       CrashLoopBackOff
    Last State:     Terminated
      Reason:       Error
      Message:      baton-ping-one: --pingone-region must be one of
      Exit Code:    64
Events:
  Type     Reason   Age  From     Message
END
: >"$work/answers/metrics"
for metric in $(sed -n 's/^| `\(baton_ping_one_[a-z0-9_]*\)`.*/\1/p' docs/metrics.md); do printf '%s 1\n' "$metric"; done >"$work/answers/metrics"
printf 'apiserver_request_duration_seconds_sum{resource="leases"} 1\n' >"$work/answers/raw"

# Every reason that the program gives its Events.
reasons=$(sed -n '/fn reason/,/^    }/s/.*=> "\([A-Z][A-Za-z0-9]*\)",$/\1/p' src/k8s/events.rs | tr '\n' ' ')
# Every sub-command of the program, and every annotation that it reads.
commands=$(sed -n '/^Commands:$/,/^$/s/^  \([a-z-]*\) .*/\1/p' README.md | tr '\n' ' ')
annotations=$(grep -rhoE '"baton-ping-one/[a-z-]+"' src | tr -d '"' | sort -u | tr '\n' ' ')
cat >"$work/bin/kubectl" <<END
#!/usr/bin/env bash
set -euo pipefail
answers=$work/answers real=$real page_reasons="$reasons" page_commands="$commands" page_annotations="$annotations"
END
cat >>"$work/bin/kubectl" <<'END'
# Also told in a file: what runs in the background fails unseen.
wrong() { echo "kubectl: $*" | tee "$answers/wrong" >&2; exit 1; }
all=" $* " output=
[[ $all != *" -l "* || $all == *" -l app.kubernetes.io/instance=baton-ping-one "* || $all == *" -l kubernetes.io/service-name=baton-ping-one "* ]] || wrong "selects more than one release: $*"
if [[ $all =~ reason=([A-Za-z0-9]+) ]] && [[ " $page_reasons " != *" ${BASH_REMATCH[1]} "* ]] && [[ ${BASH_REMATCH[1]} != REASON ]]; then wrong "no such reason: $*"; fi
[[ $1 != -n ]] || { [[ $2 == baton ]] || wrong "another namespace: $*"; shift 2; }
for ((i = 1; i <= $#; i++)); do
	if [[ ${!i} == -o ]]; then next=$((i + 1)) output=${!next}; fi
done
case $1 in
logs) cat "$answers/logs" ;;
describe) cat "$answers/describe" ;;
port-forward)
	[[ $2 == pod/baton-ping-one-6d5f4c9b8d-x2k9z || $2 == deployment/baton-ping-one ]] || wrong "no such pod: $2"
	[[ $3 == 8081 ]] || wrong "not the admin port: $*"
	;;
get)
	if [[ $2 == --raw ]]; then cat "$answers/raw"; exit; fi
	kind=${2%%[,/]*}
	case $output in
	jsonpath=* | go-template=*)
		[[ -e $answers/$kind.yaml ]] || wrong "no answer for $2"
		"$real" patch --local --filename "$answers/$kind.yaml" --type merge --patch '{}' --output "$output"
		;;
	custom-columns=*)
		IFS=, read -ra columns <<<"${output#*=}"
		for column in "${columns[@]}"; do
			value=$("$real" patch --local --filename "$answers/$kind.yaml" --type merge --patch '{}' --output "jsonpath={${column#*:}}")
			[[ -n $value ]] || wrong "a $kind has no ${column#*:}"
			echo "$value"
		done
		;;
	*) echo "$*" ;;
	esac
	;;
create) "$real" "$@" --dry-run=client ;;
exec)
	[[ "$*" == "exec deploy/baton-ping-one -- /usr/local/bin/baton-ping-one "* ]] || wrong "no such pod, or no such program in the image: $*"
	[[ " $page_commands " == *" $5 "* ]] || wrong "no such sub-command: $5"
	echo "$*"
	;;
patch)
	shift
	patched=$("$real" patch --local --filename "$answers/deployment.yaml" "${@:3}" --output 'jsonpath={.spec.strategy}')
	[[ "$1 $2" == "deployment baton-ping-one" && $patched == '{"type":"Recreate"}' ]] || wrong "no cluster takes this strategy: $patched"
	echo "$patched"
	;;
annotate)
	[[ "$2 $3" == "lease baton-ping-one-leader" ]] || wrong "not the Lease: $*"
	[[ " $page_annotations " == *" ${4%%=*} "* ]] || wrong "nothing reads this annotation: $4"
	echo "$*"
	;;
auth)
	[[ $all == *" can-i "*" leases"*" --as=system:serviceaccount:baton:baton-ping-one "* ]] || wrong "not the right of the daemon: $*"
	echo yes
	;;
scale | rollout)
	[[ $all == *" deployment/baton-ping-one "* ]] || wrong "not the Deployment: $*"
	echo "$*"
	;;
delete)
	[[ "$2 $3" == "secret baton-ping-one-secrets" || "$2 $3" == "lease baton-ping-one-leader" ]] || wrong "not an object of the release: $*"
	echo "$*"
	;;
apply) cat >/dev/null; echo "$*" ;;
wait | drain | top) echo "$*" ;;
*) wrong "not expected: $*" ;;
esac
END
cat >"$work/bin/curl" <<END
#!/usr/bin/env bash
case \$* in *metrics) cat "$work/answers/metrics" ;; *) echo ok ;; esac
END
printf '#!/usr/bin/env bash\nreal=%q chart=%q answers=%q\n' "${real%/*}/helm" "$PWD/charts/baton-ping-one" "$work/answers" >"$work/bin/helm"
cat >>"$work/bin/helm" <<'END'
set -euo pipefail
wrong() { echo "helm: $*" | tee "$answers/wrong" >&2; exit 1; }
echo "$*"
[[ $1 != -n ]] || { [[ $2 == baton ]] || wrong "another namespace: $*"; shift 2; }
# The plugin helm-diff takes the flags of an upgrade.
[[ $1 != diff ]] || shift
verb=$1
flags=$("$real" "$verb" --help) && [[ $flags == *"helm $verb "* ]] || wrong "no such command: $verb"
values=()
while (($#)); do
	case $1 in
	--set | --set-string) values+=("$1" "$2") && shift ;;
	--*) grep -qE -- "^ +(-[a-z], )?$1[ =]" <<<"$flags" || wrong "helm $verb has no $1" ;;
	esac
	shift
done
"$real" template baton-ping-one "$chart" --namespace baton "${values[@]}" >/dev/null || wrong "not values of the chart: ${values[*]}"
END
# What is run elsewhere is named here, so that another name is not found.
printf '#!/usr/bin/env bash\necho "$*"\n' >"$work/bin/cosign"
cat >"$work/bin/make" <<END
#!/usr/bin/env bash
for target; do grep -q "^\${target%%=*}:" $PWD/Makefile || [[ \$target == *=* ]] || { echo "make: no target \$target" | tee "$work/answers/wrong" >&2; exit 1; }; done
echo "\$*"
END
cat >"$work/scripts/verify-release.sh" <<END
#!/usr/bin/env bash
[[ -x $PWD/scripts/verify-release.sh && \$1 == dist && \$2 == *.pub ]] || { echo "not FOLDER PUBLIC-KEY: \$*" | tee "$work/answers/wrong" >&2; exit 1; }
echo "\$*"
END
# Each alternative of a filter must find something, not only one of them.
cat >"$work/bin/grep" <<END
#!/usr/bin/env bash
input=\$(cat) options=() pattern=
for word; do
	case \$word in -*E*) options+=("\$word") pattern=+ ;; -* | [0-9]) options+=("\$word") ;; *) [[ -n \$pattern && \$pattern != + ]] || pattern=\$word ;; esac
done
if [[ " \$* " == *" -"*E* && \$pattern != *"("* && \$pattern != *"^"*"\$"* ]]; then
	IFS='|' read -ra alternatives <<<"\$pattern"
	for alternative in "\${alternatives[@]}"; do
		$(command -v grep) -qiE -- "\$alternative" <<<"\$input" || { echo "grep: nothing has \$alternative" | tee "$work/answers/wrong" >&2; exit 1; }
	done
fi
exec $(command -v grep) "\$@" <<<"\$input"
END
chmod +x "$work/scripts/verify-release.sh"
printf '#!/usr/bin/env bash\ncat\n' >"$work/bin/kubeseal"
printf '#!/usr/bin/env bash\n' >"$work/bin/sleep"
chmod +x "$work"/bin/*

awk -v folder="$work" '/^ *```sh$/ { on = 1; n++; file = sprintf("%s/block-%02d", folder, n); print NR + 1 >(file ".line"); next } /^ *```$/ { on = 0 } on { print >file }' "$page"
printf 'BATON_CLIENT_ID=x\n' >"$work/credentials.env"
left() { find "$work" -maxdepth 1 -type f -size +0 ! -name err | sort; }
names=$work/block-01
count=0
for block in "$work"/block-??; do
	line=$(<"$block.line") before=$(left)
	if ! (cd "$work" && PATH=$work/bin:$PATH bash -euo pipefail -c '. "$1"; set -x; . "$2"; wait' - "$names" "$block" >"$work/out" 2>"$work/err" && [[ ! -e answers/wrong ]]); then
		echo "runbook: the commands at $page:$line failed" >&2
		tail -n 5 "$work/err" >&2
		exit 1
	fi
	[[ $block == "$names" || -s $work/out || $(left) != "$before" ]] || { echo "runbook: the commands at $page:$line print nothing" >&2; exit 1; }
	count=$((count + 1))
done
[[ $count -ge $least ]] || { echo "runbook: only $count blocks in $page" >&2; exit 1; }
echo "$page: $count blocks ran"
