//! One installation of the chart and what can be seen of it.

use std::time::Duration;

use anyhow::{Context as _, ensure};
use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::core::v1::{Pod, Secret};
use k8s_openapi::api::events::v1::Event;
use kube::api::{DeleteParams, ListParams, Patch, PatchParams};
use serde_json::{Value, json};

use crate::sandboxes::{Sandboxes, Seen};
use crate::wait;
use crate::world::World;

/// Name of the release and of most of its objects.
pub const RELEASE: &str = "baton-ping-one";
/// Name of the Secret.
pub const SECRET: &str = "credentials";
/// Lease duration, retry period and the two seconds that are allowed beyond, with the chart's defaults.
pub const TAKEOVER: Duration = Duration::from_secs(15 + 2 + 2);

/// An installation.
pub struct Daemon<'a> {
    world: &'a World,
    /// Where it is.
    pub namespace: String,
}

impl<'a> Daemon<'a> {
    /// Installs the chart with the stand-ins' credentials and `values` over the usual ones, and waits until it is Ready.
    pub async fn install(world: &'a World, case: &str, values: &Value) -> anyhow::Result<Self> {
        let daemon = Self::prepare(world, case).await?;
        daemon.helm(&world.options.helm, "install", values).await?;
        Ok(daemon)
    }

    /// The namespace with the Secret and the certificate authority, and nothing else.
    pub async fn prepare(world: &'a World, case: &str) -> anyhow::Result<Self> {
        let namespace = world.namespace(case).await?;
        let daemon = Self { world, namespace };
        daemon.store(&world.sandboxes.credentials()).await?;
        let ca = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "sandbox-ca"},
            "data": {"ca.crt": world.sandboxes.ca}});
        daemon.apply(&ca).await?;
        Ok(daemon)
    }

    /// `helm VERB` with the usual values and these over them; waits until the pods are Ready.
    pub async fn helm(&self, program: &str, verb: &str, values: &Value) -> anyhow::Result<()> {
        self.helm_with(program, verb, values, &["--wait", "--timeout", "2m"])
            .await
    }

    /// The same without waiting for the pods.
    pub async fn helm_at_once(&self, program: &str, verb: &str, values: &Value) -> anyhow::Result<()> {
        self.helm_with(program, verb, values, &[]).await
    }

    /// `helm VERB` for another release in the same namespace; waits until its pods are Ready.
    pub async fn helm_release(&self, verb: &str, release: &str, values: &Value) -> anyhow::Result<()> {
        let wait = ["--wait", "--timeout", "2m"];
        self.helm_named(&self.world.options.helm, verb, release, values, &wait)
            .await
    }

    async fn helm_with(&self, program: &str, verb: &str, values: &Value, wait: &[&str]) -> anyhow::Result<()> {
        self.helm_named(program, verb, RELEASE, values, wait).await
    }

    async fn helm_named(
        &self,
        program: &str,
        verb: &str,
        release: &str,
        values: &Value,
        wait: &[&str],
    ) -> anyhow::Result<()> {
        let mut all = usual(self.world);
        merge(&mut all, values);
        let chart = self.world.options.chart.display().to_string();
        let arguments = [verb, release, &chart, "--namespace", &self.namespace, "--values", "-"];
        let arguments = [&arguments[..], wait].concat();
        self.world.helm(program, &arguments, &all.to_string()).await.map(|_| ())
    }

    /// Applies a document in the namespace.
    pub async fn apply(&self, document: &Value) -> anyhow::Result<()> {
        let arguments = [
            "--namespace",
            &self.namespace,
            "apply",
            "--server-side",
            "--force-conflicts",
            "--filename",
            "-",
        ];
        self.world
            .kubectl_with(&arguments, &document.to_string())
            .await
            .map(|_| ())
    }

    /// Makes or replaces the Secret.
    pub async fn store<K: AsRef<str>, V: AsRef<str>>(&self, values: &[(K, V)]) -> anyhow::Result<()> {
        let data: serde_json::Map<_, _> = values
            .iter()
            .map(|(key, text)| (key.as_ref().to_owned(), json!(text.as_ref())))
            .collect();
        let secret = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": SECRET}, "stringData": data});
        self.apply(&secret).await
    }

    /// Makes or replaces the Secret: C1's values, and these of another PingOne.
    pub async fn store_beside_c1(&self, pingone: Vec<(&'static str, String)>) -> anyhow::Result<()> {
        let all = self.world.sandboxes.credentials().into_iter();
        let c1 = all.filter(|(key, _)| !key.contains("PINGONE"));
        self.store(&c1.chain(pingone).collect::<Vec<_>>()).await
    }

    /// Changes one value of the Secret.
    pub async fn set(&self, key: &str, text: &str) -> anyhow::Result<()> {
        let api = self.world.api::<Secret>(&self.namespace);
        let patch = json!({"stringData": {key: text}});
        api.patch(SECRET, &PatchParams::default(), &Patch::Merge(&patch))
            .await?;
        Ok(())
    }

    /// Deletes the Secret.
    pub async fn delete_secret(&self) -> anyhow::Result<()> {
        let api = self.world.api::<Secret>(&self.namespace);
        api.delete(SECRET, &DeleteParams::default()).await?;
        Ok(())
    }

    /// The daemon's pods that are not going away.
    pub async fn pods(&self) -> anyhow::Result<Vec<Pod>> {
        let selector = ListParams::default().labels("app.kubernetes.io/name=baton-ping-one");
        let pods = self.world.api::<Pod>(&self.namespace).list(&selector).await?;
        Ok(pods
            .items
            .into_iter()
            .filter(|pod| pod.metadata.deletion_timestamp.is_none())
            .collect())
    }

    /// The sum of restarts.
    pub async fn restarts(&self) -> anyhow::Result<i32> {
        let pods = self.pods().await?;
        let statuses = pods
            .iter()
            .filter_map(|pod| pod.status.as_ref()?.container_statuses.as_ref());
        Ok(statuses.flatten().map(|status| status.restart_count).sum())
    }

    /// The pod that holds the Lease; `None` without a holder.
    pub async fn leader(&self) -> anyhow::Result<Option<String>> {
        let lease = self
            .world
            .api::<Lease>(&self.namespace)
            .get_opt(&format!("{RELEASE}-leader"))
            .await?;
        let holder = lease
            .and_then(|lease| lease.spec?.holder_identity)
            .filter(|holder| !holder.is_empty());
        Ok(holder.map(|holder| holder.split('_').next().unwrap_or_default().to_owned()))
    }

    /// Waits for a leader.
    pub async fn wait_leader(&self) -> anyhow::Result<String> {
        let (_, leader) = wait::until("a leader", TAKEOVER + Duration::from_secs(20), || self.leader()).await?;
        Ok(leader)
    }

    /// Waits until C1 has a new Hello from a pod other than `not`; the time that took.
    pub async fn wait_hello(&self, since: usize, not: &str) -> anyhow::Result<(Duration, String)> {
        wait::until("a session at C1", Duration::from_mins(1), || async {
            let seen = self.world.sandboxes.seen(self.world).await?;
            let mut new = seen.into_iter().skip(since);
            Ok(new
                .find(|seen| seen.method == "Hello" && seen.host != not)
                .map(|seen| seen.host))
        })
        .await
    }

    /// The container's id of a pod, for node faults.
    pub async fn container(&self, pod: &str) -> anyhow::Result<String> {
        let pod = self.world.api::<Pod>(&self.namespace).get(pod).await?;
        let status = pod
            .status
            .and_then(|status| status.container_statuses?.into_iter().next());
        status
            .and_then(|status| status.container_id)
            .context("the container's id")
    }

    /// Events with this reason.
    pub async fn events(&self, reason: &str) -> anyhow::Result<Vec<Event>> {
        let events = self
            .world
            .api::<Event>(&self.namespace)
            .list(&ListParams::default())
            .await?;
        Ok(events
            .items
            .into_iter()
            .filter(|event| event.reason.as_deref() == Some(reason))
            .collect())
    }

    /// Waits until there are more Events with this reason than there were; the time that took.
    pub async fn wait_event(&self, reason: &str, before: usize, limit: Duration) -> anyhow::Result<Duration> {
        let (took, ()) = wait::until(&format!("an Event {reason}"), limit, || async {
            Ok(wait::when(self.events(reason).await?.len() > before))
        })
        .await?;
        Ok(took)
    }

    /// The metrics of one pod, by way of the API server.
    pub async fn metrics(&self, pod: &str) -> anyhow::Result<String> {
        let uri = format!(
            "/api/v1/namespaces/{}/pods/http:{pod}:8081/proxy/metrics",
            self.namespace
        );
        let request = http::Request::get(uri).body(Vec::new())?;
        Ok(self.world.kube.request_text(request).await?)
    }

    /// The sum over all pods and series of a metric whose line holds all of `parts`.
    pub async fn metric(&self, parts: &[&str]) -> anyhow::Result<f64> {
        let mut sum = 0.0;
        for pod in self.pods().await? {
            let text = self.metrics(pod.metadata.name.as_deref().unwrap_or_default()).await?;
            let lines = text
                .lines()
                .filter(|line| !line.starts_with('#') && parts.iter().all(|part| line.contains(part)));
            sum += lines
                .filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok())
                .sum::<f64>();
        }
        Ok(sum)
    }

    /// Waits for one more complete upload than `before`; the time that took.
    pub async fn wait_upload(&self, before: usize, limit: Duration) -> anyhow::Result<Duration> {
        let (took, ()) = wait::until("a sync to be uploaded", limit, || async {
            Ok(wait::when(self.world.sandboxes.uploads(self.world).await? > before))
        })
        .await?;
        Ok(took)
    }

    /// Queues a sync and waits for its upload.
    pub async fn sync(&self, limit: Duration) -> anyhow::Result<Duration> {
        let before = self.world.sandboxes.uploads(self.world).await?;
        self.world.sandboxes.task(self.world, &json!({"syncFull": {}})).await?;
        self.wait_upload(before, limit).await
    }
}

/// Fails if, since that many entries, a process said something to C1 after another one had said Hello.
pub fn one_session(seen: &[Seen], since: usize) -> anyhow::Result<()> {
    let mut current: Option<&str> = None;
    // An upload is in the log when it ended; what counts is when things began.
    let mut begun: Vec<_> = seen.iter().skip(since).filter(|entry| !entry.host.is_empty()).collect();
    begun.sort_by_key(|entry| entry.begun_ms);
    for entry in begun {
        if entry.method == "Hello" {
            current = Some(&entry.host);
        }
        ensure!(
            current.is_none_or(|host| host == entry.host),
            "{} began {} at {} ms while {} had the session",
            entry.host,
            entry.method,
            entry.begun_ms,
            current.unwrap_or_default()
        );
    }
    Ok(())
}

/// Values of every case.
fn usual(world: &World) -> Value {
    let (repository, tag) = world
        .options
        .image
        .rsplit_once(':')
        .unwrap_or((&world.options.image, "latest"));
    json!({
        "image": {"repository": repository, "tag": tag, "pullPolicy": "IfNotPresent"},
        "credentials": {"existingSecret": SECRET},
        "config": Sandboxes::config(),
        "caBundle": {"existingConfigMap": "sandbox-ca"},
    })
}

/// Lays `over` over `base`, maps member by member.
fn merge(base: &mut Value, over: &Value) {
    match (base, over) {
        (Value::Object(base), Value::Object(over)) => {
            for (key, value) in over {
                merge(base.entry(key.clone()).or_insert(Value::Null), value);
            }
        }
        (base, over) => *base = over.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(entries: &[(&str, &str)]) -> Vec<Seen> {
        let entry = |(method, host): &(&str, &str)| Seen {
            begun_ms: 0,
            method: (*method).to_owned(),
            host: (*host).to_owned(),
            request: Value::Null,
        };
        entries.iter().map(entry).collect()
    }

    #[test]
    fn two_sessions_are_noticed_and_a_takeover_is_not_one() {
        let fine = seen(&[
            ("Hello", "a"),
            ("GetTask", "a"),
            ("Token", ""),
            ("Hello", "b"),
            ("GetTask", "b"),
        ]);
        assert!(one_session(&fine, 0).is_ok());
        let two = seen(&[("Hello", "a"), ("Hello", "b"), ("GetTask", "b"), ("GetTask", "a")]);
        assert!(one_session(&two, 0).is_err());
        assert!(one_session(&two, 4).is_ok());
    }

    #[test]
    fn what_counts_is_when_things_began() {
        let mut entries = seen(&[("Hello", "b"), ("UploadAsset", "a"), ("GetTask", "b")]);
        for (entry, begun) in entries.iter_mut().zip([20, 10, 30]) {
            entry.begun_ms = begun;
        }
        assert!(one_session(&entries, 0).is_ok(), "the upload began before the takeover");
        entries[1].begun_ms = 25;
        assert!(one_session(&entries, 0).is_err());
    }

    #[test]
    fn values_are_laid_over_member_by_member() {
        let mut base = json!({"a": {"b": 1, "c": 2}, "d": [1]});
        merge(&mut base, &json!({"a": {"c": 3}, "d": [2], "e": {"f": 1}}));
        assert_eq!(base, json!({"a": {"b": 1, "c": 3}, "d": [2], "e": {"f": 1}}));
    }
}
