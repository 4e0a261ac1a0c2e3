//! Reading and writing the Lease object.

use std::future::Future;
use std::time::Duration;

use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{MicroTime, ObjectMeta};
use kube::Api;
use kube::api::PostParams;

use super::candidate::{Claim, Observed, Record};
use super::notes::Notes;
use crate::k8s::client::Client;
use crate::k8s::error::{K8sError, Verb};

/// Where the Lease is kept. Each call ends within the deadline given.
pub trait LeaseStore: Send {
    /// Reads the Lease.
    fn look(&mut self, deadline: Duration) -> impl Future<Output = Result<Observed, K8sError>> + Send;

    /// Makes it. [`K8sError::Conflict`] if it is there already.
    fn create(&mut self, claim: &Claim, deadline: Duration) -> impl Future<Output = Result<Record, K8sError>> + Send;

    /// Writes over `seen` and only over it. [`K8sError::Conflict`] if it is another one by now,
    /// [`K8sError::NotFound`] if it is gone.
    fn update(
        &mut self,
        seen: &Record,
        claim: &Claim,
        deadline: Duration,
    ) -> impl Future<Output = Result<Record, K8sError>> + Send;
}

/// The Lease in the API server.
pub struct KubeLeases {
    client: Client,
    api: Api<Lease>,
    name: String,
    object: String,
    /// As last read or written: labels and the like are kept when it is written again.
    last: Option<Lease>,
    notes: Notes,
}

impl KubeLeases {
    /// The Lease of this name in the client's namespace.
    pub fn new(client: &Client, name: &str) -> Self {
        Self {
            api: Api::namespaced(client.kube(), client.namespace()),
            client: client.clone(),
            name: name.to_owned(),
            object: format!("leases/{name}"),
            last: None,
            notes: Notes::default(),
        }
    }

    /// The same, with annotations that are read and written along.
    #[must_use]
    pub fn with_notes(mut self, notes: Notes) -> Self {
        notes.saw(self.last.as_ref().and_then(|lease| lease.metadata.annotations.as_ref()));
        self.notes = notes;
        self
    }

    fn keep(&mut self, lease: Lease) -> Result<Record, K8sError> {
        let record =
            record(&lease).ok_or_else(|| K8sError::Setup(format!("{} came without a version", self.object)))?;
        self.notes.saw(lease.metadata.annotations.as_ref());
        self.last = Some(lease);
        Ok(record)
    }
}

impl LeaseStore for KubeLeases {
    async fn look(&mut self, deadline: Duration) -> Result<Observed, K8sError> {
        let answer = self
            .client
            .call(Verb::Get, &self.object, deadline, self.api.get(&self.name))
            .await;
        match answer {
            Ok(lease) => self.keep(lease).map(Observed::Present),
            Err(K8sError::NotFound { .. }) => Ok(Observed::Absent),
            Err(error) => Err(error),
        }
    }

    async fn create(&mut self, claim: &Claim, deadline: Duration) -> Result<Record, K8sError> {
        let lease = Lease {
            metadata: ObjectMeta {
                name: Some(self.name.clone()),
                ..ObjectMeta::default()
            },
            spec: Some(spec(None, claim)),
        };
        let params = PostParams::default();
        let request = self.api.create(&params, &lease);
        // A create is authorised without a name.
        let made = self.client.call(Verb::Create, "leases", deadline, request).await?;
        self.keep(made)
    }

    async fn update(&mut self, seen: &Record, claim: &Claim, deadline: Duration) -> Result<Record, K8sError> {
        let last = self
            .last
            .as_ref()
            .filter(|lease| lease.metadata.uid.as_deref() == Some(&seen.uid));
        let mut lease = last.cloned().unwrap_or_default();
        lease.spec = Some(spec(lease.spec.take(), claim));
        if claim.begins {
            self.notes.begin();
        }
        self.notes.apply(&mut lease.metadata.annotations);
        lease.metadata.name = Some(self.name.clone());
        lease.metadata.uid = Some(seen.uid.clone());
        lease.metadata.resource_version = Some(seen.version.clone());
        let params = PostParams::default();
        let request = self.api.replace(&self.name, &params, &lease);
        let written = self.client.call(Verb::Update, &self.object, deadline, request).await?;
        self.keep(written)
    }
}

/// Times are for people to read; nobody of ours decides by them.
fn spec(before: Option<LeaseSpec>, claim: &Claim) -> LeaseSpec {
    let now = MicroTime(k8s_openapi::jiff::Timestamp::now());
    let mut spec = before.unwrap_or_default();
    if claim.begins {
        spec.acquire_time = Some(now.clone());
    }
    spec.renew_time = Some(now);
    spec.holder_identity = Some(claim.holder.clone().unwrap_or_default());
    spec.lease_duration_seconds = Some(claim.seconds);
    spec.lease_transitions = Some(claim.term);
    spec
}

/// `None` if the object lacks what every stored object has.
fn record(lease: &Lease) -> Option<Record> {
    let spec = lease.spec.as_ref();
    Some(Record {
        uid: lease.metadata.uid.clone()?,
        version: lease.metadata.resource_version.clone()?,
        holder: spec
            .and_then(|spec| spec.holder_identity.clone())
            .filter(|holder| !holder.is_empty()),
        seconds: spec.and_then(|spec| spec.lease_duration_seconds),
        term: spec.and_then(|spec| spec.lease_transitions).unwrap_or(0),
        was_held: spec.is_some_and(|spec| spec.acquire_time.is_some()),
    })
}
