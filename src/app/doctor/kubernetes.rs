//! The cluster: whether the API server answers, what the service account may do, the Secret and the Lease.

use std::time::Duration;

use jiff::Timestamp;
use uuid::Uuid;

use super::finding::Findings;
use crate::app::daemon;
use crate::app::history::History;
use crate::config::{Config, LeaderElection};
use crate::credentials::Values;
use crate::k8s::lease::{KubeLeases, LeaseStore as _, Notes, Observed};
use crate::k8s::{Client, K8sError, Parts, Right, SecretWatch, WatchTiming};

const KUBERNETES: &str = "kubernetes";
const LEASE: &str = "lease";
/// Longest time of one question.
const STEP: Duration = Duration::from_secs(10);
const ROLE: &str = "The chart's Role gives it: set rbac.create, or give it to the service account.";

/// The cluster that the settings need or that this process is in, if it can be spoken to.
pub(super) async fn look(config: &Config, found: &mut Findings) -> Option<Client> {
    let client = match daemon::cluster(config).await {
        Ok(Some(client)) => client,
        Ok(None) => {
            found.ok(KUBERNETES, "outside a cluster: no Lease, no Events");
            return None;
        }
        Err(error) => {
            let remedy = "Run it in the pod, or name a kubeconfig in KUBECONFIG.";
            found.fail(KUBERNETES, format!("{error:#}"), remedy);
            return None;
        }
    };
    let parts: Vec<String> = config
        .kubernetes
        .observations
        .as_deref()
        .map(Parts::names)
        .into_iter()
        .flatten()
        .collect();
    let needed = needed(config, &parts);
    let mut lacking = Vec::new();
    for right in &needed {
        match client.may(right, STEP).await {
            Ok(true) => {}
            Ok(false) => lacking.push(right.to_string()),
            Err(error) => {
                let remedy = "The NetworkPolicy must let this pod reach the API server, and the token must be mounted.";
                found.fail(KUBERNETES, format!("the API server was not asked: {error}"), remedy);
                return None;
            }
        }
    }
    let namespace = client.namespace();
    if lacking.is_empty() {
        let text = format!(
            "the service account may do all that is needed in {namespace} ({} rights)",
            needed.len()
        );
        found.ok(KUBERNETES, text);
    } else {
        let text = format!(
            "the service account may not do this in {namespace}: {}",
            lacking.join(", ")
        );
        found.fail(KUBERNETES, text, ROLE);
    }
    Some(client)
}

fn needed<'a>(config: &'a Config, parts: &'a [String]) -> Vec<Right<'a>> {
    let right = |verb, group, resource, name| Right {
        verb,
        group,
        resource,
        name,
    };
    let settings = &config.kubernetes;
    let mut rights = vec![right("create", "events.k8s.io", "events", None)];
    if let Some(secret) = settings.secret.as_deref() {
        rights.extend(["list", "watch"].map(|verb| right(verb, "", "secrets", Some(secret))));
    }
    if settings.leader_election != LeaderElection::Off {
        let leases = |verb, name| right(verb, "coordination.k8s.io", "leases", name);
        let name = Some(settings.lease_name.as_str());
        rights.extend([leases("get", name), leases("update", name), leases("create", None)]);
    }
    for part in parts {
        rights.extend(["get", "update"].map(|verb| right(verb, "", "configmaps", Some(part.as_str()))));
    }
    if !parts.is_empty() {
        rights.push(right("create", "", "configmaps", None));
    }
    if let Some(deployment) = settings.surroundings.deployment.as_deref() {
        rights.push(right("get", "apps", "deployments", Some(deployment)));
    }
    rights
}

/// What the Secret that is watched holds.
pub(super) async fn secret(config: &Config, client: &Client, found: &mut Findings) -> Option<Values> {
    let name = config.kubernetes.secret.as_deref()?;
    let watch = SecretWatch::new(client, name, WatchTiming::default(), std::sync::Arc::new(|_| {}));
    match watch.read().await {
        Ok(Some(values)) => Some(values),
        Ok(None) => {
            let text = format!("there is no Secret {name} in {}", client.namespace());
            found.fail(
                "secret",
                text,
                "Make it, or correct --credentials-secret (BATON_CREDENTIALS_SECRET).",
            );
            None
        }
        Err(error) => {
            found.fail("secret", format!("the Secret {name} was not read: {error}"), ROLE);
            None
        }
    }
}

/// Who leads, and what the next sync will be held against.
pub(super) async fn lease(config: &Config, client: &Client, environment: Option<Uuid>, found: &mut Findings) {
    if config.kubernetes.leader_election == LeaderElection::Off {
        return found.ok(LEASE, "off by configuration (leader-election)");
    }
    let notes = Notes::default();
    let name = &config.kubernetes.lease_name;
    let mut leases = KubeLeases::new(client, name).with_notes(notes.clone());
    match leases.look(STEP).await {
        Ok(Observed::Present(record)) => match record.holder {
            Some(holder) => found.ok(LEASE, format!("{holder} leads")),
            None => found.ok(LEASE, "nobody leads at the moment"),
        },
        Ok(Observed::Absent) => found.ok(LEASE, format!("{name} is not there yet; the first pod makes it")),
        Err(K8sError::Forbidden { .. } | K8sError::Unauthorized { .. }) => {
            return found.warn(
                LEASE,
                format!("{name} may not be read: replicas do not take turns"),
                ROLE,
            );
        }
        Err(error) => return found.fail(LEASE, format!("{name} was not read: {error}"), "Try again."),
    }
    let Some(environment) = environment else { return };
    match History::reading(config, environment, notes) {
        Ok(history) => baseline(&history, found),
        Err(error) => found.fail(LEASE, format!("{error:#}"), ""),
    }
}

/// What the next sync is held against, and how long ago the last one was.
pub(super) fn baseline(history: &History, found: &mut Findings) {
    let ago = history.last_success().and_then(|at| Timestamp::try_from(at).ok());
    let ago = ago.map(|at| Timestamp::now().as_second() - at.as_second());
    let ago = ago.map_or_else(String::new, |seconds| format!(", {} min ago", seconds / 60));
    match history.last() {
        Ok(Some(counts)) => found.ok(
            "baseline",
            format!(
                "the next sync is held against {} users, {} groups, {} memberships and {} role grants{ago}",
                counts.users, counts.groups, counts.memberships, counts.role_grants
            ),
        ),
        Ok(None) => found.ok(
            "baseline",
            format!("no sync so far is known: the next one has nothing to be compared with{ago}"),
        ),
        Err(error) => found.fail("baseline", error.to_string(), ""),
    }
}
