//! What clusters and teams do to an installation: other users and groups, other namespaces, a second release, a pause.

use std::time::Duration;

use anyhow::{Context as _, ensure};
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::core::v1::{Pod, Service};
use kube::api::{ListParams, LogParams, Patch, PatchParams};
use serde_json::{Value, json};

use super::{Outcome, SYNC, clean, reported};
use crate::daemon::{Daemon, RELEASE};
use crate::sandboxes::Sandboxes;
use crate::wait;
use crate::world::World;

/// User and groups as the cluster gives them out, and none of them the chart's.
pub async fn foreign_user(world: &World) -> anyhow::Result<Outcome> {
    let values = json!({
        "openshift": true,
        "credentials": {"source": "mount"},
        "podSecurityContext": {"supplementalGroups": [1_000_690_000]},
        "podSpecExtra": {"securityContext": {"runAsUser": 1_000_660_000, "runAsGroup": 0, "fsGroup": 1_000_680_000}},
    });
    let daemon = Daemon::install(world, "foreign-user", &values).await?;
    for pod in daemon.pods().await? {
        let context = pod.spec.and_then(|spec| spec.security_context).unwrap_or_default();
        let have = (context.run_as_user, context.fs_group);
        ensure!(have == (Some(1_000_660_000), Some(1_000_680_000)), "{have:?}");
    }
    daemon.wait_leader().await?;
    daemon.sync(SYNC).await?;
    clean(world, &daemon, 0).await?;
    Ok(Outcome::Passed)
}

/// Pods and a Service with nothing but IPv6 addresses.
pub async fn ipv6(world: &World) -> anyhow::Result<Outcome> {
    let api_server = world.api::<Service>("default").get("kubernetes").await?;
    let families = api_server.spec.and_then(|spec| spec.ip_families).unwrap_or_default();
    if families != ["IPv6"] {
        return Ok(Outcome::Skipped("the cluster's own addresses are not IPv6 alone"));
    }
    let daemon = Daemon::install(world, "ipv6", &json!({})).await?;
    daemon.wait_leader().await?;
    daemon.sync(SYNC).await?;
    clean(world, &daemon, 0).await?;
    Ok(Outcome::Passed)
}

/// Settings in the watched Secret are not read, and the log names them.
pub async fn ignored_keys(world: &World) -> anyhow::Result<Outcome> {
    let daemon = Daemon::install(world, "ignored-keys", &json!({"replicaCount": 1})).await?;
    daemon.sync(SYNC).await?;
    daemon.set("BATON_PINGONE_REGION", "sg").await?;
    wait::until("the log to name the key", SYNC, || async {
        let pods = daemon.pods().await?;
        let name = pods
            .first()
            .and_then(|pod| pod.metadata.name.as_deref())
            .context("a pod")?;
        let log = world
            .api::<Pod>(&daemon.namespace)
            .logs(name, &LogParams::default())
            .await?;
        let told = |line: &str| line.contains("were ignored") && line.contains("BATON_PINGONE_REGION");
        Ok(wait::when(log.lines().any(told)))
    })
    .await?;
    // The stand-in is in another region than that.
    daemon.sync(SYNC).await?;
    clean(world, &daemon, 0).await?;
    Ok(Outcome::Passed)
}

/// A second release, without C1, beside the first: objects of its own, its own file, and its end leaves the first alone.
pub async fn two_releases(world: &World) -> anyhow::Result<Outcome> {
    const SECOND: &str = "second";
    const SERVICE: &str = "second-baton-ping-one";
    let daemon = Daemon::install(world, "two-releases", &json!({})).await?;
    let leader = daemon.wait_leader().await?;
    // With C1's keys in its Secret it would serve C1 too.
    let pingone = world
        .sandboxes
        .credentials()
        .into_iter()
        .filter(|(key, _)| key.contains("PINGONE"));
    let secret = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": SECOND},
        "stringData": pingone.collect::<std::collections::BTreeMap<_, _>>()});
    daemon.apply(&secret).await?;
    let values = json!({"replicaCount": 1, "standalone": {"enabled": true, "syncInterval": "1h"},
        "credentials": {"existingSecret": SECOND}});
    let namespace = daemon.namespace.as_str();
    daemon.helm_release("install", SECOND, &values).await?;
    let metric = async |name: &str| {
        let metrics = world.through_service(namespace, SERVICE, 8081, "/metrics").await?;
        let value = metrics
            .lines()
            .filter(|line| line.starts_with(name))
            .find_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok());
        anyhow::Ok(value.unwrap_or(0.0))
    };
    wait::until("the second release's first sync", SYNC, || async {
        let at = metric("baton_ping_one_sync_last_success_timestamp_seconds").await?;
        Ok(wait::when(at > 0.0))
    })
    .await?;
    // Each Service leads to the pods of its own release.
    for (service, pods) in [(RELEASE, 2), (SERVICE, 1)] {
        let selector = world.api::<Service>(namespace).get(service).await?.spec;
        let selector = selector.and_then(|spec| spec.selector).unwrap_or_default();
        let labels: Vec<_> = selector.iter().map(|(key, value)| format!("{key}={value}")).collect();
        let selected = ListParams::default().labels(&labels.join(","));
        let found = world.api::<Pod>(namespace).list(&selected).await?.items.len();
        ensure!(found == pods, "{service} leads to {found} pods, expected {pods}");
    }
    ensure!(
        daemon.leader().await?.as_ref() == Some(&leader),
        "the first release has another leader"
    );
    let uninstall = [
        "uninstall",
        SECOND,
        "--namespace",
        namespace,
        "--wait",
        "--timeout",
        "1m",
    ];
    world.helm(&world.options.helm, &uninstall, "").await?;
    ensure!(
        daemon.leader().await?.as_ref() == Some(&leader),
        "the uninstall took the first release's leader"
    );
    daemon.sync(SYNC).await?;
    clean(world, &daemon, 0).await?;
    Ok(Outcome::Passed)
}

/// The overlay of two replicas, built for another namespace as manifests/README.md says, elects a leader and syncs.
pub async fn overlay(world: &World) -> anyhow::Result<Outcome> {
    let daemon = Daemon::prepare(world, "overlay").await?;
    let secret = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "baton-ping-one-secrets"},
        "stringData": world.sandboxes.credentials().into_iter().collect::<std::collections::BTreeMap<_, _>>()});
    daemon.apply(&secret).await?;
    let folder = tempfile::tempdir()?;
    let manifests = folder.path().join("manifests");
    let (from, to) = (
        world.options.manifests.display().to_string(),
        manifests.display().to_string(),
    );
    crate::run::output("cp", &["-r", &from, &to]).await?;
    let mine = manifests.join("mine");
    std::fs::create_dir(&mine)?;
    let kustomization = own_overlay(world, &daemon.namespace)?;
    std::fs::write(mine.join("kustomization.yaml"), kustomization.to_string())?;
    let mine = mine.display().to_string();
    world.kubectl(&["apply", "--kustomize", &mine]).await?;
    let namespace = daemon.namespace.as_str();
    let status = [
        "--namespace",
        namespace,
        "rollout",
        "status",
        "deployment",
        RELEASE,
        "--timeout=60s",
    ];
    world.kubectl(&status).await?;
    daemon.wait_leader().await?;
    daemon.sync(SYNC).await?;
    clean(world, &daemon, 0).await?;
    world.kubectl(&["delete", "--kustomize", &mine]).await?;
    Ok(Outcome::Passed)
}

/// The overlay that a team writes over `ha`: namespace, image, settings, and here whose certificates are trusted.
fn own_overlay(world: &World, namespace: &str) -> anyhow::Result<Value> {
    let (repository, tag) = world.options.image.rsplit_once(':').context("an image with a tag")?;
    let config = Sandboxes::config();
    let settings = config.as_object().into_iter().flatten().map(|(key, value)| {
        let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        json!({"name": format!("BATON_{}", key.to_uppercase().replace('-', "_")), "value": value})
    });
    let trust = json!({"name": "SSL_CERT_FILE", "value": "/ca/ca.crt"});
    let variables: Vec<_> = settings.chain([trust]).collect();
    let patch = json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": RELEASE},
        "spec": {"template": {"spec": {
            "containers": [{"name": RELEASE, "imagePullPolicy": "IfNotPresent", "env": variables,
                "volumeMounts": [{"name": "ca", "mountPath": "/ca", "readOnly": true}]}],
            "volumes": [{"name": "ca", "configMap": {"name": "sandbox-ca"}}]}}}});
    Ok(json!({
        "apiVersion": "kustomize.config.k8s.io/v1beta1", "kind": "Kustomization",
        "resources": ["../overlays/ha"], "namespace": namespace,
        "images": [{"name": "ghcr.io/conductorone/baton-ping-one", "newName": repository, "newTag": tag}],
        "patches": [{"patch": patch.to_string()}],
    }))
}

/// A release is paused, most users go, and it is resumed: the sync that follows is refused until somebody accepts it.
pub async fn paused_and_smaller(world: &World) -> anyhow::Result<Outcome> {
    const PINGONE: &str = "pingone-pause";
    let (values, config) = world.sandboxes.another(world, PINGONE, "demo").await?;
    let daemon = Daemon::prepare(world, "paused").await?;
    daemon.store_beside_c1(values).await?;
    let replicas = |count: u32| json!({"replicaCount": count, "config": config});
    daemon.helm(&world.options.helm, "install", &replicas(1)).await?;
    daemon.sync(SYNC).await?;
    let lease = format!("{RELEASE}-leader");
    let leases = world.api::<Lease>(&daemon.namespace);
    wait::until("the counts on the Lease", SYNC, || async {
        let notes = leases.get(&lease).await?.metadata.annotations.unwrap_or_default();
        Ok(wait::when(notes.contains_key("baton-ping-one/last-sync")))
    })
    .await?;
    daemon.helm(&world.options.helm, "upgrade", &replicas(0)).await?;
    wait::until("no pod", SYNC, || async {
        Ok(wait::when(daemon.pods().await?.is_empty()))
    })
    .await?;
    let deployment = world.api::<Deployment>(&daemon.namespace).get(RELEASE).await?;
    ensure!(deployment.spec.and_then(|spec| spec.replicas) == Some(0), "paused");
    world.sandboxes.lose_users(world, PINGONE, 70).await?;
    daemon.helm(&world.options.helm, "upgrade", &replicas(1)).await?;
    let before = world.sandboxes.uploads(world).await?;
    let task = world.sandboxes.task(world, &json!({"syncFull": {}})).await?;
    let refused = reported(world, &task, SYNC)
        .await
        .err()
        .context("the smaller sync was not refused")?;
    ensure!(
        format!("{refused:#}").contains("shrink"),
        "refused for something else: {refused:#}"
    );
    ensure!(
        world.sandboxes.uploads(world).await? == before,
        "the smaller sync was uploaded"
    );
    let accept = json!({"metadata": {"annotations": {"baton-ping-one/accept-shrink": "true"}}});
    leases
        .patch(&lease, &PatchParams::default(), &Patch::Merge(&accept))
        .await?;
    // The leader reads the annotation when it renews the Lease next, and a sync may begin before that.
    let accepted = async || {
        let task = world.sandboxes.task(world, &json!({"syncFull": {}})).await?;
        reported(world, &task, SYNC).await.map(Some)
    };
    wait::until("the smaller sync to be accepted", Duration::from_mins(2), accepted).await?;
    daemon.wait_upload(before, SYNC).await?;
    clean(world, &daemon, 0).await?;
    Ok(Outcome::Passed)
}
