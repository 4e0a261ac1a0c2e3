//! Settings about the cluster that the process runs in (connector-model.md §8.3): the sources of credentials that can
//! change, and the Lease.

use std::path::PathBuf;
use std::time::Duration;

use super::choices::LeaderElection;
use super::error::ConfigError;
use super::values::{Environment, Values};

/// Longest name of an object of the cluster, in bytes.
const LONGEST_NAME: usize = 253;
/// Longest Lease.
const LONGEST_LEASE: Duration = Duration::from_hours(1);

/// What a pod is told of itself, from the environment (downward API) and not from settings.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Surroundings {
    /// `KUBERNETES_SERVICE_HOST`: it marks a pod.
    pub service_host: Option<String>,
    /// `KUBECONFIG`, for a process outside that a setting asks to behave as if it were inside.
    pub kubeconfig: Option<String>,
    /// `POD_NAME`
    pub pod: Option<String>,
    /// `POD_NAMESPACE`
    pub namespace: Option<String>,
    pub pod_uid: Option<String>,
    /// `DEPLOYMENT_NAME`
    pub deployment: Option<String>,
}

impl Surroundings {
    fn read(env: &Environment) -> Self {
        let variable = |name: &str| env.get(name).filter(|text| !text.is_empty()).cloned();
        Self {
            service_host: variable("KUBERNETES_SERVICE_HOST"),
            kubeconfig: variable("KUBECONFIG"),
            pod: variable("POD_NAME"),
            namespace: variable("POD_NAMESPACE"),
            pod_uid: variable("POD_UID"),
            deployment: variable("DEPLOYMENT_NAME"),
        }
    }
}

/// What concerns the cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KubernetesSettings {
    /// Name of the Secret, in our own namespace, that is watched for credentials.
    pub secret: Option<String>,
    /// Directory of a mounted Secret that is watched for credentials.
    pub directory: Option<PathBuf>,
    /// Whether a Lease is held.
    pub leader_election: LeaderElection,
    pub lease_name: String,
    /// How long a Lease lasts; whole seconds, at most an hour.
    pub lease_duration: Duration,
    /// How long the leader tries to renew; less than `lease_duration`.
    pub renew_deadline: Duration,
    /// Time between tries; less than half of `renew_deadline`, so that a leader gets more than one.
    pub retry_period: Duration,
    /// Name of the `ConfigMaps` in which a leader leaves what it observed.
    pub observations: Option<String>,
    /// What the environment says of the pod.
    pub surroundings: Surroundings,
}

impl KubernetesSettings {
    /// Whether credentials can change, or come, while the process runs.
    pub const fn has_changing_source(&self) -> bool {
        self.secret.is_some() || self.directory.is_some()
    }

    pub(super) fn build(values: &Values, env: &Environment) -> Result<Self, ConfigError> {
        let lease_duration = values.duration("leader-election-lease-duration")?.unwrap_or_default();
        let renew_deadline = values.duration("leader-election-renew-deadline")?.unwrap_or_default();
        let retry_period = values.duration("leader-election-retry-period")?.unwrap_or_default();
        if lease_duration.is_zero() || lease_duration.subsec_nanos() != 0 || lease_duration > LONGEST_LEASE {
            let problem = "must be whole seconds, at most one hour";
            return Err(values.invalid("leader-election-lease-duration", problem));
        }
        if renew_deadline >= lease_duration {
            let problem = "must be less than leader-election-lease-duration";
            return Err(values.invalid("leader-election-renew-deadline", problem));
        }
        if retry_period.is_zero() {
            return Err(values.invalid("leader-election-retry-period", "must be longer than nothing"));
        }
        if retry_period.saturating_mul(2) >= renew_deadline {
            let problem = "must be less than half of leader-election-renew-deadline";
            return Err(values.invalid("leader-election-retry-period", problem));
        }
        Ok(Self {
            secret: object_name(values, "credentials-secret")?,
            directory: values.optional("credentials-dir").map(PathBuf::from),
            leader_election: values.choice("leader-election")?,
            lease_name: object_name(values, "leader-election-lease-name")?
                .ok_or_else(|| values.invalid("leader-election-lease-name", "must not be empty"))?,
            lease_duration,
            renew_deadline,
            retry_period,
            observations: object_name(values, "observations-configmap")?,
            surroundings: Surroundings::read(env),
        })
    }
}

/// The name of an object, checked as the API server would: parts between dots, of lower-case letters, digits and
/// inner dashes.
fn object_name(values: &Values, setting: &str) -> Result<Option<String>, ConfigError> {
    let Some(name) = values.optional(setting) else {
        return Ok(None);
    };
    let part = |part: &str| {
        let letters = part
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
        !part.is_empty() && letters && !part.starts_with('-') && !part.ends_with('-')
    };
    if name.len() <= LONGEST_NAME && name.split('.').all(part) {
        return Ok(Some(name));
    }
    let problem = "must be a name such as baton-ping-one-secrets: lower-case letters, digits, dashes and dots";
    Err(values.invalid(setting, problem))
}
