//! The life of a release, the quickstart, and starts with something missing.

use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use k8s_openapi::api::core::v1::Pod;
use k8s_openapi::api::networking::v1::{NetworkPolicy, NetworkPolicyEgressRule};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use kube::api::{ListParams, LogParams};
use serde_json::{Value, json};

use super::{Outcome, SYNC, clean};
use crate::daemon::{Daemon, RELEASE, SECRET};
use crate::sandboxes::{NAMESPACE, PORTS};
use crate::world::World;
use crate::{run, wait};

/// Time from the install to Ready.
const READY: Duration = Duration::from_secs(5);
/// Time from Ready to the first Hello at C1.
const HELLO: Duration = Duration::from_secs(5);

/// With helm 4.
pub async fn with_helm(world: &World) -> anyhow::Result<Outcome> {
    life(world, &world.options.helm, "helm4").await
}

/// With helm 3.
pub async fn with_helm3(world: &World) -> anyhow::Result<Outcome> {
    match &world.options.helm3 {
        Some(helm) => life(world, helm, "helm3").await,
        None => Ok(Outcome::Skipped("no helm 3 was given (--helm3)")),
    }
}

async fn life(world: &World, helm: &str, label: &str) -> anyhow::Result<Outcome> {
    let daemon = Daemon::prepare(world, label).await?;
    let before = world.sandboxes.seen(world).await?.len();
    let begun = Instant::now();
    daemon.helm(helm, "install", &walled()).await?;
    world.time(&format!("install to Ready ({label})"), begun.elapsed(), READY)?;
    let (took, _) = daemon.wait_hello(before, "").await?;
    world.time(&format!("Ready to Hello ({label})"), took, HELLO)?;
    has_policy(world, &daemon.namespace).await?;
    ensure!(daemon.pods().await?.len() == 2, "two replicas by default");
    daemon.wait_leader().await?;
    daemon.sync(SYNC).await?;
    has_events(&daemon).await?;
    scrape(world, &daemon).await?;
    let namespace = daemon.namespace.as_str();
    world
        .helm(
            helm,
            &["test", RELEASE, "--namespace", namespace, "--timeout", "1m"],
            "",
        )
        .await?;
    let mut three = walled();
    three["replicaCount"] = json!(3);
    daemon.helm(helm, "upgrade", &three).await?;
    ensure!(daemon.pods().await?.len() == 3, "an upgrade to three replicas");
    let rollback = [
        "rollback",
        RELEASE,
        "1",
        "--namespace",
        namespace,
        "--wait",
        "--timeout",
        "2m",
    ];
    world.helm(helm, &rollback, "").await?;
    daemon.wait_leader().await?;
    daemon.sync(SYNC).await?;
    clean(world, &daemon, 0).await?;
    let uninstall = [
        "uninstall",
        RELEASE,
        "--namespace",
        namespace,
        "--wait",
        "--timeout",
        "2m",
    ];
    world.helm(helm, &uninstall, "").await?;
    nothing_left(world, namespace).await?;
    Ok(Outcome::Passed)
}

/// Events are on the pod and on its Deployment.
async fn has_events(daemon: &Daemon<'_>) -> anyhow::Result<()> {
    for reason in ["LeaderElected", "SyncCompleted"] {
        daemon.wait_event(reason, 0, Duration::from_secs(10)).await?;
        let kinds: Vec<_> = daemon.events(reason).await?;
        let on = |kind: &str| {
            let kind = Some(kind);
            kinds
                .iter()
                .any(|event| event.regarding.as_ref().and_then(|about| about.kind.as_deref()) == kind)
        };
        ensure!(
            on("Pod") && on("Deployment"),
            "{reason} is not on both the pod and its Deployment"
        );
    }
    Ok(())
}

/// Values with a `NetworkPolicy` that lets the pods out to the stand-ins. A policy is about the ports of pods, to which a
/// Service leads. Our own cluster takes the object and does not enforce it; a foreign one may.
fn walled() -> Value {
    let stand_ins = json!({"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": NAMESPACE}}});
    let ports = PORTS.map(|port| json!({"port": port, "protocol": "TCP"}));
    json!({"networkPolicy": {"enabled": true, "extraEgress": [{"to": [stand_ins], "ports": ports}]}})
}

/// The policy selects the daemon's pods and has the rule for the stand-ins beside the chart's own three.
async fn has_policy(world: &World, namespace: &str) -> anyhow::Result<()> {
    let policy = world.api::<NetworkPolicy>(namespace).get(RELEASE).await?;
    let spec = policy.spec.context("the policy's spec")?;
    let egress = spec.egress.unwrap_or_default();
    let is_extra = |rule: &NetworkPolicyEgressRule| {
        let ports = rule.ports.iter().flatten().filter_map(|port| port.port.clone());
        rule.to.is_some() && ports.eq(PORTS.map(|port| IntOrString::Int(i32::from(port))))
    };
    ensure!(egress.len() == 4, "egress rules: {egress:?}");
    ensure!(egress.iter().any(is_extra), "no rule for the stand-ins: {egress:?}");
    let labels = spec.pod_selector.and_then(|selector| selector.match_labels);
    let labels = labels.unwrap_or_default();
    let selector: Vec<_> = labels.iter().map(|(key, value)| format!("{key}={value}")).collect();
    let selected = ListParams::default().labels(&selector.join(","));
    let pods = world.api::<Pod>(namespace).list(&selected).await?.items.len();
    ensure!(pods == 2, "the policy selects {pods} pods by {labels:?}");
    Ok(())
}

/// The metrics come through the Service, and promtool has nothing to say.
async fn scrape(world: &World, daemon: &Daemon<'_>) -> anyhow::Result<()> {
    let metrics = world
        .through_service(&daemon.namespace, RELEASE, 8081, "/metrics")
        .await?;
    ensure!(
        metrics.contains("baton_ping_one_build_info{"),
        "no build_info among the metrics"
    );
    ensure!(
        daemon.metric(&["baton_ping_one_leader"]).await?.to_string() == "1",
        "one leader by the metrics"
    );
    run::with_input(&world.options.promtool, &["check", "metrics"], &metrics)
        .await
        .map(|_| ())
}

async fn nothing_left(world: &World, namespace: &str) -> anyhow::Result<()> {
    let kinds = "deployment,replicaset,pod,service,secret,serviceaccount,role,rolebinding,lease,pdb,networkpolicy,pvc,configmap";
    let (_, ()) = wait::until("an uninstall to leave nothing", Duration::from_mins(1), || async {
        let left = world
            .kubectl(&["--namespace", namespace, "get", kinds, "--output", "name"])
            .await?;
        let ours = [
            "configmap/kube-root-ca.crt",
            "configmap/sandbox-ca",
            "serviceaccount/default",
        ];
        let secret = format!("secret/{SECRET}");
        let rest: Vec<_> = left
            .lines()
            .filter(|name| !ours.contains(name) && *name != secret)
            .collect();
        ensure!(rest.is_empty(), "{}", rest.join(" "));
        Ok(Some(()))
    })
    .await?;
    Ok(())
}

/// The two files with the Secret's values filled in, the image under the reference in them, and addresses of the stand-ins in the
/// Secret as well, since a foreign PingOne cannot be meant by the files.
pub async fn quickstart(world: &World) -> anyhow::Result<Outcome> {
    let namespace = world.namespace("quickstart").await?;
    let daemon = Daemon::prepare(world, "quickstart-ca").await?;
    let path = world.options.manifests.join("quickstart/deployment.yaml");
    let deployment = std::fs::read_to_string(&path).with_context(|| path.display().to_string())?;
    let line = deployment.lines().find(|line| line.trim_start().starts_with("image:"));
    let reference = line
        .and_then(|line| line.split_once("image:"))
        .map(|(_, image)| image.trim())
        .context("an image")?;
    let deployment = deployment.replace(reference, &world.options.image);
    let apply = ["--namespace", namespace.as_str(), "apply", "--filename", "-"];
    world.kubectl_with(&apply, &filled_in(world)?).await?;
    let ca = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "sandbox-ca"}, "data": {"ca.crt": world.sandboxes.ca}});
    world.kubectl_with(&apply, &ca.to_string()).await?;
    world.kubectl_with(&apply, &deployment).await?;
    trust_the_stand_ins(world, &namespace).await?;
    let status = [
        "--namespace",
        namespace.as_str(),
        "rollout",
        "status",
        "deployment",
        RELEASE,
        "--timeout=60s",
    ];
    world.kubectl(&status).await?;
    daemon.sync(SYNC).await?;
    let off = log(world, &namespace, "app=baton-ping-one").await?.to_lowercase();
    ensure!(
        off.matches("events are off").count() == 1,
        "one log line that Events are off"
    );
    ensure!(
        off.matches("leader election is off").count() == 1,
        "one log line that leader election is off"
    );
    Ok(Outcome::Passed)
}

/// The quickstart's Secret with its values, and the stand-ins' addresses below them.
fn filled_in(world: &World) -> anyhow::Result<String> {
    let path = world.options.manifests.join("quickstart/secret.yaml");
    let mut text = std::fs::read_to_string(&path).with_context(|| path.display().to_string())?;
    let quoted = |key: &str, value: &str| format!("  {key}: {}", Value::from(value));
    for (key, value) in world.sandboxes.credentials() {
        let start = format!("  {key}: ");
        let line = text.lines().find(|line| line.starts_with(&start));
        let line = line
            .with_context(|| format!("{} has no {key}", path.display()))?
            .to_owned();
        text = text.replace(&line, &quoted(key, &value));
    }
    ensure!(!text.contains("\"<"), "a value was left to fill in:\n{text}");
    let config = crate::sandboxes::Sandboxes::config();
    for (key, value) in config.as_object().into_iter().flatten() {
        let name = format!("BATON_{}", key.to_uppercase().replace('-', "_"));
        if !text.contains(&name) {
            let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            text = format!("{}\n{}\n", text.trim_end(), quoted(&name, &value));
        }
    }
    Ok(text)
}

/// The only thing beside the two files: whose certificates are trusted.
async fn trust_the_stand_ins(world: &World, namespace: &str) -> anyhow::Result<()> {
    let trust = json!({"spec": {"template": {"spec": {
        "containers": [{"name": RELEASE, "env": [{"name": "SSL_CERT_FILE", "value": "/ca/ca.crt"}],
            "volumeMounts": [{"name": "ca", "mountPath": "/ca", "readOnly": true}]}],
        "volumes": [{"name": "ca", "configMap": {"name": "sandbox-ca"}}]}}}});
    let trust = trust.to_string();
    let arguments = [
        "--namespace",
        namespace,
        "patch",
        "deployment",
        RELEASE,
        "--patch",
        trust.as_str(),
    ];
    world.kubectl(&arguments).await.map(|_| ())
}

async fn log(world: &World, namespace: &str, selector: &str) -> anyhow::Result<String> {
    let api = world.api::<Pod>(namespace);
    let mut all = String::new();
    for pod in api.list(&ListParams::default().labels(selector)).await? {
        all += &api
            .logs(pod.metadata.name.as_deref().unwrap_or_default(), &LogParams::default())
            .await?;
    }
    Ok(all)
}

/// Live, not ready, no restart; Ready as soon as the Secret is complete.
pub async fn waits_for_credentials(world: &World) -> anyhow::Result<Outcome> {
    let daemon = Daemon::prepare(world, "waits").await?;
    daemon.delete_secret().await?;
    let values = json!({"replicaCount": 1});
    let installing = daemon.helm(&world.options.helm, "install", &values);
    let filling = async {
        let ready = || async { Ok(wait::when(is_ready(&daemon).await?)) };
        let log_says = |text: &'static str| {
            let daemon = &daemon;
            move || async move {
                let log = log(world, &daemon.namespace, "app.kubernetes.io/name=baton-ping-one").await?;
                Ok(wait::when(log.contains(text)))
            }
        };
        wait::until(
            "the log to say what is missing",
            READY * 2,
            log_says("BATON_PINGONE_CLIENT_ID"),
        )
        .await?;
        let all = world.sandboxes.credentials();
        let part: Vec<_> = all.iter().filter(|(key, _)| *key != "BATON_CLIENT_SECRET").collect();
        daemon
            .store(&part.iter().map(|(key, text)| (*key, text.as_str())).collect::<Vec<_>>())
            .await?;
        wait::until(
            "the log to name the missing key",
            READY,
            log_says("BATON_CLIENT_SECRET"),
        )
        .await?;
        ensure!(!is_ready(&daemon).await?, "Ready without credentials");
        daemon.store(&all).await?;
        let (took, ()) = wait::until("Ready", READY, ready).await?;
        world.time("missing credentials arrive, Ready", took, READY)
    };
    tokio::try_join!(installing, filling)?;
    clean(world, &daemon, 0).await?;
    Ok(Outcome::Passed)
}

async fn is_ready(daemon: &Daemon<'_>) -> anyhow::Result<bool> {
    let pods = daemon.pods().await?;
    let ready = |pod: &Pod| {
        let conditions = pod.status.as_ref().and_then(|status| status.conditions.as_ref());
        conditions.is_some_and(|all| all.iter().any(|one| one.type_ == "Ready" && one.status == "True"))
    };
    Ok(!pods.is_empty() && pods.iter().all(ready))
}

/// The Role is taken away: the message names what is missing, and giving it back heals everything without a restart.
pub async fn without_rbac(world: &World) -> anyhow::Result<Outcome> {
    let daemon = Daemon::install(
        world,
        "no-rbac",
        &json!({"replicaCount": 1, "leaderElection": {"enabled": true}}),
    )
    .await?;
    daemon.wait_leader().await?;
    let namespace = daemon.namespace.as_str();
    let role = world
        .kubectl(&["--namespace", namespace, "get", "role", RELEASE, "--output", "json"])
        .await?;
    let role: Value = serde_json::from_str(&role)?;
    let back = json!([{"op": "replace", "path": "/rules", "value": role["rules"]}]).to_string();
    let reduced = json!([{"op": "replace", "path": "/rules", "value": [
        {"apiGroups": [""], "resources": ["secrets"], "resourceNames": [SECRET], "verbs": ["get", "list", "watch"]},
        {"apiGroups": ["coordination.k8s.io"], "resources": ["leases"], "resourceNames": [format!("{RELEASE}-leader")], "verbs": ["get"]},
    ]}]);
    let reduced = reduced.to_string();
    let patch = [
        "--namespace",
        namespace,
        "patch",
        "role",
        RELEASE,
        "--type=json",
        "--patch",
        reduced.as_str(),
    ];
    world.kubectl(&patch).await?;
    wait::until("the log to name verb and object", Duration::from_secs(30), || async {
        let log = log(world, namespace, "app.kubernetes.io/name=baton-ping-one").await?;
        Ok(wait::when(
            log.contains(&format!("not allowed to update leases/{RELEASE}-leader")),
        ))
    })
    .await?;
    let patch = [
        "--namespace",
        namespace,
        "patch",
        "role",
        RELEASE,
        "--type=json",
        "--patch",
        back.as_str(),
    ];
    world.kubectl(&patch).await?;
    daemon.wait_leader().await?;
    daemon.sync(SYNC).await?;
    clean(world, &daemon, 0).await?;
    Ok(Outcome::Passed)
}
