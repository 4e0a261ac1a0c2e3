//! What of Kubernetes is on: decided once at the start, with one log line for each part that is off.

use std::time::Duration;

use super::client::{Client, ClusterAccess, PodInfo};
use super::error::K8sError;
use super::lease::{KubeLeases, LeaseStore, Timing};
use process::runtime::backoff::Backoff;

/// What `leader-election` asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wanted {
    /// On in a cluster whose Role lets us.
    Auto,
    /// On, or the start fails.
    Yes,
    /// Off.
    No,
}

impl Wanted {
    /// From the setting's value.
    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "auto" => Some(Self::Auto),
            "true" => Some(Self::Yes),
            "false" => Some(Self::No),
            _ => None,
        }
    }
}

/// The client of the cluster we are in, if we are in one and can speak with it. `needed` names the setting that cannot do
/// without; then being outside is an error instead of a log line.
pub async fn discover(
    place: Option<ClusterAccess>,
    home: PodInfo,
    needed: Option<&str>,
) -> Result<Option<Client>, K8sError> {
    let found = match place {
        Some(place) => Client::connect(&place, home).await,
        None => Err(K8sError::NoCluster("this process runs outside a cluster".to_owned())),
    };
    match (found, needed) {
        (Ok(client), _) => Ok(Some(client)),
        (Err(K8sError::NoCluster(why)), Some(setting)) => {
            Err(K8sError::NoCluster(format!("{why}; {setting} needs a cluster")))
        }
        (Err(error), Some(_)) => Err(error),
        (Err(error), None) => {
            tracing::info!(reason = %error, "events are off");
            Ok(None)
        }
    }
}

/// The Lease to stand for, or `None` where there is no election: switched off, outside a cluster, or (with
/// [`Wanted::Auto`]) without the right to read the Lease. With `Auto` it asks the API server until that has answered;
/// the caller ends the wait by dropping the future.
pub async fn election(
    client: Option<&Client>,
    wanted: Wanted,
    name: &str,
    timing: &Timing,
) -> Result<Option<KubeLeases>, K8sError> {
    let off = |reason: &dyn std::fmt::Display| tracing::info!(reason = %reason, "leader election is off");
    let Some(client) = client else {
        if wanted == Wanted::Yes {
            return Err(K8sError::NoCluster(
                "this process runs outside a cluster; leader-election needs one".to_owned(),
            ));
        }
        off(&"outside a cluster");
        return Ok(None);
    };
    if wanted == Wanted::No {
        off(&"by configuration");
        return Ok(None);
    }
    let mut leases = KubeLeases::new(client, name);
    if wanted == Wanted::Yes {
        return Ok(Some(leases));
    }
    let mut waits = Backoff::new(Duration::from_secs(1), Duration::from_secs(15));
    loop {
        match leases.look(timing.request()).await {
            Ok(_) => return Ok(Some(leases)),
            Err(error @ (K8sError::Forbidden { .. } | K8sError::Unauthorized { .. })) => {
                off(&error);
                return Ok(None);
            }
            Err(error) => {
                tracing::warn!(error = %error, error_class = error.class().as_str(), "lease was not read");
                tokio::time::sleep(waits.next_delay(None)).await;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn timing() -> Timing {
        Timing::new(Duration::from_secs(15), Duration::from_secs(10), Duration::from_secs(2)).unwrap()
    }

    #[tokio::test]
    async fn outside_a_cluster_everything_is_off_unless_a_setting_needs_it() {
        assert!(discover(None, PodInfo::default(), None).await.unwrap().is_none());
        let error = discover(None, PodInfo::default(), Some("credentials-secret"))
            .await
            .unwrap_err();
        assert!(
            error
                .to_string()
                .contains("outside a cluster; credentials-secret needs"),
            "{error}"
        );
        for wanted in [Wanted::Auto, Wanted::No] {
            assert!(election(None, wanted, "leader", &timing()).await.unwrap().is_none());
        }
        assert!(election(None, Wanted::Yes, "leader", &timing()).await.is_err());
    }

    #[test]
    fn the_settings_three_values_are_known() {
        assert_eq!(
            ["auto", "true", "false", "x"].map(Wanted::parse),
            [Some(Wanted::Auto), Some(Wanted::Yes), Some(Wanted::No), None]
        );
    }
}
