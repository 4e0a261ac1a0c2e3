//! The API client: where we are, how to reach the server, a deadline on each call.

use std::future::Future;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{OwnerReference, Time};
use k8s_openapi::jiff::Timestamp;
use kube::Api;
use kube::config::{KubeConfigOptions, Kubeconfig, KubeconfigError};

use super::error::{K8sError, Verb};
use process::error::io_words;

/// Longest time for a connection to come up.
const CONNECT: Duration = Duration::from_secs(5);

/// Where the cluster's address and our identity come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ClusterAccess {
    /// The service account of the pod.
    InCluster,
    /// A kubeconfig file, for a process outside that is asked to behave as if it were inside.
    Kubeconfig(PathBuf),
}

impl ClusterAccess {
    /// The place that a process with these variables is in: `KUBERNETES_SERVICE_HOST` marks a pod; a kubeconfig counts only
    /// if it is named. `None` outside a cluster.
    pub fn find(service_host: Option<&str>, kubeconfig: Option<&str>) -> Option<Self> {
        match (service_host, kubeconfig) {
            (Some(host), _) if !host.is_empty() => Some(Self::InCluster),
            (_, Some(path)) if !path.is_empty() => Some(Self::Kubeconfig(PathBuf::from(path))),
            _ => None,
        }
    }
}

/// What a pod knows of itself through the downward API.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PodInfo {
    /// `POD_NAMESPACE`; without it the service account's own namespace, or the kubeconfig's.
    pub namespace: Option<String>,
    /// `POD_NAME`, else the host's name.
    pub pod: Option<String>,
    /// `POD_UID`; without it Events are not shown by `kubectl describe pod`.
    pub pod_uid: Option<String>,
    /// `DEPLOYMENT_NAME`: the owner that gets the Events too.
    pub deployment: Option<String>,
}

/// The Deployment that the pod belongs to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Owner {
    pub(crate) name: String,
    pub(crate) uid: String,
    /// By the API server's clock.
    pub(crate) created: Option<Timestamp>,
}

impl Owner {
    /// For an object that goes when the Deployment goes.
    pub(crate) fn reference(&self) -> OwnerReference {
        OwnerReference {
            api_version: "apps/v1".to_owned(),
            kind: "Deployment".to_owned(),
            name: self.name.clone(),
            uid: self.uid.clone(),
            ..OwnerReference::default()
        }
    }
}

/// A client bound to one namespace.
#[derive(Clone)]
pub struct Client {
    kube: kube::Client,
    namespace: String,
    home: PodInfo,
    reached: Arc<AtomicBool>,
    owner: Arc<OnceLock<Option<Owner>>>,
}

impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Client")
            .field("namespace", &self.namespace)
            .field("home", &self.home)
            .finish_non_exhaustive()
    }
}

impl Client {
    /// Sets the client up; sends nothing. Errors: [`K8sError::NoCluster`] if the place holds no configuration,
    /// [`K8sError::Setup`] if it cannot be used.
    pub async fn connect(place: &ClusterAccess, home: PodInfo) -> Result<Self, K8sError> {
        let config = match place {
            // Address from the environment, certificate and token from the mounted files.
            ClusterAccess::InCluster => {
                let unread =
                    |error| K8sError::NoCluster(format!("the pod's service account could not be read: {error}"));
                kube::Config::incluster_env().map_err(unread)?
            }
            ClusterAccess::Kubeconfig(path) => {
                // Other words of the parser's may quote a token.
                let why = |error| match error {
                    KubeconfigError::ReadConfig(error, _) => io_words(&error),
                    _ => "it is no kubeconfig".to_owned(),
                };
                let unread = |error| {
                    let path = path.display();
                    K8sError::NoCluster(format!("the kubeconfig {path} could not be read ({})", why(error)))
                };
                let file = Kubeconfig::read_from(path).map_err(unread)?;
                kube::Config::from_custom_kubeconfig(file, &KubeConfigOptions::default())
                    .await
                    .map_err(|error| K8sError::Setup(error.to_string()))?
            }
        };
        Self::with_config(config, home)
    }

    /// As [`Client::connect`] with a configuration that is there already.
    pub fn with_config(mut config: kube::Config, home: PodInfo) -> Result<Self, K8sError> {
        config.connect_timeout = Some(CONNECT);
        config.write_timeout = Some(CONNECT);
        // Our own loops repeat, with the waits that leases need.
        config.default_retry = false;
        let namespace = home
            .namespace
            .clone()
            .filter(|name| !name.is_empty())
            .unwrap_or_else(|| config.default_namespace.clone());
        let kube = kube::Client::try_from(config).map_err(|error| K8sError::Setup(error.to_string()))?;
        Ok(Self {
            kube,
            namespace,
            home,
            reached: Arc::default(),
            owner: Arc::default(),
        })
    }

    /// The namespace of all our objects.
    pub fn namespace(&self) -> &str {
        &self.namespace
    }

    /// What the pod knows of itself.
    pub const fn home(&self) -> &PodInfo {
        &self.home
    }

    /// Whether the API server has answered anything yet, be it with a refusal: a part of readiness.
    pub fn was_reached(&self) -> bool {
        self.reached.load(Ordering::Relaxed)
    }

    /// The library's client, for [`kube::Api`].
    pub(crate) fn kube(&self) -> kube::Client {
        self.kube.clone()
    }

    /// The Deployment that the pod belongs to, if it is named and may be read: what happens to it happens to its Lease, and
    /// its Events are shown with it. Asked for until that is known.
    pub(crate) async fn deployment(&self, deadline: Duration) -> Result<Option<Owner>, K8sError> {
        if let Some(known) = self.owner.get() {
            return Ok(known.clone());
        }
        let Some(name) = self.home.deployment.as_deref() else {
            return Ok(None);
        };
        let api: Api<Deployment> = Api::namespaced(self.kube(), &self.namespace);
        let object = format!("deployments.apps/{name}");
        let found = self.call(Verb::Get, &object, deadline, api.get_metadata(name)).await;
        let owner = match found {
            Ok(found) => found.metadata.uid.map(|uid| Owner {
                name: name.to_owned(),
                uid,
                created: found.metadata.creation_timestamp.map(|Time(at)| at),
            }),
            Err(error) if error.class().is_retryable() => return Err(error),
            Err(error) => {
                tracing::info!(error = %error, "the Deployment is not known: its Lease has no owner, and Events are written on the pod only");
                None
            }
        };
        self.owner.set(owner.clone()).ok();
        Ok(owner)
    }

    /// One call with its deadline; the error names verb and object.
    pub(crate) async fn call<T>(
        &self,
        verb: Verb,
        object: &str,
        deadline: Duration,
        request: impl Future<Output = Result<T, kube::Error>>,
    ) -> Result<T, K8sError> {
        match tokio::time::timeout(deadline, request).await {
            Ok(answer) => {
                if matches!(answer, Ok(_) | Err(kube::Error::Api(_))) {
                    self.reached.store(true, Ordering::Relaxed);
                }
                answer.map_err(|error| K8sError::from_kube(&error, verb, object, &self.namespace))
            }
            Err(_) => Err(K8sError::Timeout {
                verb,
                object: object.to_owned(),
                after: deadline,
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pod_is_known_by_the_service_hosts_variable_and_a_kubeconfig_only_by_name() {
        let pod = ClusterAccess::find(Some("10.0.0.1"), Some("/a"));
        assert_eq!(pod, Some(ClusterAccess::InCluster));
        let file = ClusterAccess::find(None, Some("/a"));
        assert_eq!(file, Some(ClusterAccess::Kubeconfig(PathBuf::from("/a"))));
        assert_eq!(ClusterAccess::find(None, None), None);
        assert_eq!(ClusterAccess::find(Some(""), Some("")), None);
    }
}
