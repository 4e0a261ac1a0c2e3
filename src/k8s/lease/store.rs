//! Reading and writing the Lease object.

use std::future::Future;
use std::time::Duration;

use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{MicroTime, ObjectMeta, Time};
use k8s_openapi::jiff::SignedDuration;
use kube::Api;
use kube::api::PostParams;

use super::candidate::{Claim, Observed, Record};
use super::notes::Notes;
use crate::k8s::client::{Client, Owner};
use crate::k8s::error::{K8sError, Verb};

/// Annotation of a Lease that nobody has held yet: the uid of the Deployment that it was made for.
const NEVER_HELD: &str = "baton-ping-one/never-held";
/// A Lease that is made within this time of its Deployment is its first.
const INSTALLATION: SignedDuration = SignedDuration::from_mins(1);

/// Where the Lease is kept. Each call ends within the deadline given.
pub trait LeaseStore: Send {
    /// Reads the Lease.
    fn look(&mut self, deadline: Duration) -> impl Future<Output = Result<Observed, K8sError>> + Send;

    /// Makes it without a holder. [`K8sError::Conflict`] if it is there already.
    fn create(&mut self, deadline: Duration) -> impl Future<Output = Result<Record, K8sError>> + Send;

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

    async fn keep(&mut self, lease: Lease, deadline: Duration) -> Result<Record, K8sError> {
        let owner = match mark(&lease) {
            Some(_) => self.client.deployment(deadline).await?,
            None => None,
        };
        let record = record(&lease, owner.as_ref())
            .ok_or_else(|| K8sError::Setup(format!("{} came without a version", self.object)))?;
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
            Ok(lease) => self.keep(lease, deadline).await.map(Observed::Present),
            Err(K8sError::NotFound { .. }) => Ok(Observed::Absent),
            Err(error) => Err(error),
        }
    }

    /// It goes with the Deployment that the pod belongs to, and is marked as one that nobody has held.
    async fn create(&mut self, deadline: Duration) -> Result<Record, K8sError> {
        let owner = self.client.deployment(deadline).await?;
        let lease = Lease {
            metadata: ObjectMeta {
                name: Some(self.name.clone()),
                annotations: owner
                    .as_ref()
                    .map(|owner| [(NEVER_HELD.to_owned(), owner.uid.clone())].into()),
                owner_references: owner.as_ref().map(|owner| vec![owner.reference()]),
                ..ObjectMeta::default()
            },
            spec: None,
        };
        let params = PostParams::default();
        let request = self.api.create(&params, &lease);
        // A create is authorised without a name.
        let made = self.client.call(Verb::Create, "leases", deadline, request).await?;
        self.keep(made, deadline).await
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
            self.take_on(&mut lease.metadata, deadline).await?;
        }
        self.notes.apply(&mut lease.metadata.annotations);
        lease.metadata.name = Some(self.name.clone());
        lease.metadata.uid = Some(seen.uid.clone());
        lease.metadata.resource_version = Some(seen.version.clone());
        let params = PostParams::default();
        let request = self.api.replace(&self.name, &params, &lease);
        let written = self.client.call(Verb::Update, &self.object, deadline, request).await?;
        self.keep(written, deadline).await
    }
}

impl KubeLeases {
    /// A term begins: somebody has held the Lease now, and one that was made without an owner gets it.
    async fn take_on(&self, metadata: &mut ObjectMeta, deadline: Duration) -> Result<(), K8sError> {
        if let Some(annotations) = &mut metadata.annotations {
            annotations.remove(NEVER_HELD);
        }
        if metadata.owner_references.as_ref().is_none_or(Vec::is_empty)
            && let Some(owner) = self.client.deployment(deadline).await?
        {
            metadata.owner_references = Some(vec![owner.reference()]);
        }
        Ok(())
    }
}

/// The uid of the Deployment that the Lease was made for, until somebody holds it.
fn mark(lease: &Lease) -> Option<&String> {
    lease.metadata.annotations.as_ref()?.get(NEVER_HELD)
}

/// Whether it was made with the installation and nobody has held it since. Both times are the API server's.
fn is_new(lease: &Lease, owner: Option<&Owner>) -> bool {
    let Some(owner) = owner.filter(|owner| mark(lease) == Some(&owner.uid)) else {
        return false;
    };
    let made = lease.metadata.creation_timestamp.as_ref().map(|Time(at)| *at);
    let age = made
        .zip(owner.created)
        .map(|(made, created)| made.duration_since(created));
    age.is_some_and(|age| !age.is_negative() && age <= INSTALLATION)
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
fn record(lease: &Lease, owner: Option<&Owner>) -> Option<Record> {
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
        is_new: spec.is_none_or(|spec| spec.acquire_time.is_none()) && is_new(lease, owner),
    })
}
