//! Events on the pod and on its Deployment.
//!
//! Six reasons, each with a text built here from typed facts: no error text of a remote system, no name of a user and no value of a
//! credential can get in. An Event tells a change; the same state again is not told, and a bucket bounds the rest. Events are a
//! courtesy: what cannot be written is dropped, and without the right to write them they are off after one log line.

use std::collections::HashMap;
use std::time::Duration;

use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::ObjectReference;
use k8s_openapi::api::events::v1::Event as KubeEvent;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{MicroTime, ObjectMeta};
use kube::Api;
use kube::api::PostParams;
use tokio::sync::mpsc;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::client::Client;
use super::error::{K8sError, Verb};
use crate::credentials::source::{CredentialNotice, Problem, Side};
use crate::error::ErrorClass;

/// Events that may wait to be written.
const QUEUE: usize = 32;
/// Events that may follow each other at once.
const BURST: f64 = 12.0;
/// Time until one more may.
const REFILL: Duration = Duration::from_secs(20);
/// Deadline of one write.
const WRITE: Duration = Duration::from_secs(5);
/// Tries per Event.
const TRIES: u32 = 3;
/// Longest note that the API server takes, in bytes.
const NOTE: usize = 1024;
/// Who reports.
const CONTROLLER: &str = "baton-ping-one";

/// What happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// A sync was uploaded, or written where there is no C1.
    SyncCompleted {
        /// Resources in it.
        resources: u64,
        /// Grants in it.
        grants: u64,
        /// How long it took.
        took: Duration,
    },
    /// A sync failed.
    SyncFailed {
        /// What kind of failure.
        class: ErrorClass,
        /// C1's task, if there is one.
        task_id: Option<String>,
    },
    /// New credentials are in use.
    CredentialsReloaded {
        /// Whose.
        side: Side,
    },
    /// New credentials cannot be used.
    CredentialsRejected {
        /// Whose.
        side: Side,
        /// Why.
        problem: Problem,
        /// The old ones stay in use.
        kept: bool,
    },
    /// This pod leads.
    LeaderElected {
        /// The term.
        term: i32,
    },
    /// A task that changes PingOne failed.
    ProvisioningFailed {
        /// What was to be done, for example `grant`.
        action: &'static str,
        /// What kind of failure.
        class: ErrorClass,
        /// C1's task.
        task_id: String,
    },
}

impl Event {
    /// The reason, as `kubectl get events` shows it.
    pub const fn reason(&self) -> &'static str {
        match self {
            Self::SyncCompleted { .. } => "SyncCompleted",
            Self::SyncFailed { .. } => "SyncFailed",
            Self::CredentialsReloaded { .. } => "CredentialsReloaded",
            Self::CredentialsRejected { .. } => "CredentialsRejected",
            Self::LeaderElected { .. } => "LeaderElected",
            Self::ProvisioningFailed { .. } => "ProvisioningFailed",
        }
    }

    const fn action(&self) -> &'static str {
        match self {
            Self::SyncCompleted { .. } | Self::SyncFailed { .. } => "Sync",
            Self::CredentialsReloaded { .. } | Self::CredentialsRejected { .. } => "LoadCredentials",
            Self::LeaderElected { .. } => "Lead",
            Self::ProvisioningFailed { .. } => "Provision",
        }
    }

    const fn is_warning(&self) -> bool {
        matches!(
            self,
            Self::SyncFailed { .. } | Self::CredentialsRejected { .. } | Self::ProvisioningFailed { .. }
        )
    }

    /// What is shown.
    fn note(&self) -> String {
        let note = match self {
            Self::SyncCompleted {
                resources,
                grants,
                took,
            } => format!(
                "Sync completed: {resources} resources, {grants} grants, {} s.",
                took.as_secs()
            ),
            Self::SyncFailed { class, task_id } => {
                format!(
                    "Sync failed ({}){}. See the log.",
                    class.as_str(),
                    task(task_id.as_deref())
                )
            }
            Self::CredentialsReloaded { side } => format!("New credentials for {} are in use.", name(*side)),
            Self::CredentialsRejected { side, problem, kept } => format!(
                "New credentials for {} cannot be used: {}. {}",
                name(*side),
                plain(problem),
                if *kept {
                    "The old ones stay in use."
                } else {
                    "Waiting for others."
                }
            ),
            Self::LeaderElected { term } => format!("This pod leads (term {term})."),
            Self::ProvisioningFailed { action, class, task_id } => {
                format!(
                    "Task {action} failed ({}){}. See the log.",
                    class.as_str(),
                    task(Some(task_id))
                )
            }
        };
        shorten(note)
    }

    /// What it is the state of, and the state; `None` for what is never the same again.
    fn state(&self) -> Option<(&'static str, String)> {
        match self {
            Self::SyncCompleted { .. } => Some(("sync", "completed".to_owned())),
            Self::SyncFailed { class, .. } => Some(("sync", class.as_str().to_owned())),
            // Their keeper tells changes only, and knows when a problem is over.
            Self::CredentialsRejected { .. }
            | Self::CredentialsReloaded { .. }
            | Self::LeaderElected { .. }
            | Self::ProvisioningFailed { .. } => None,
        }
    }
}

/// The Event that a notice about credentials deserves.
impl Event {
    /// `None` for notices that are log lines only.
    pub fn from_credentials(notice: &CredentialNotice<'_>) -> Option<Self> {
        match notice {
            CredentialNotice::Reloaded(side) => Some(Self::CredentialsReloaded { side: *side }),
            CredentialNotice::Rejected { side, problem, kept } => Some(Self::CredentialsRejected {
                side: *side,
                problem: (*problem).clone(),
                kept: *kept,
            }),
            _ => None,
        }
    }
}

const fn name(side: Side) -> &'static str {
    match side {
        Side::PingOne => "PingOne",
        Side::C1 => "C1",
    }
}

fn task(id: Option<&str>) -> String {
    id.map(|id| format!(", task {id}")).unwrap_or_default()
}

/// Without the remote system's own words.
fn plain(problem: &Problem) -> String {
    match problem {
        Problem::Refused(_) => "the token request was refused".to_owned(),
        Problem::Unreachable(_) => "the token request could not be made, it is tried again".to_owned(),
        other => other.to_string(),
    }
}

fn shorten(mut note: String) -> String {
    note.retain(|c| !c.is_control());
    if note.len() > NOTE {
        let cut = (0..=NOTE).rev().find(|at| note.is_char_boundary(*at)).unwrap_or(0);
        note.truncate(cut);
    }
    note
}

/// Lets changes through, and not too many.
#[derive(Debug)]
struct Gate {
    states: HashMap<&'static str, String>,
    tokens: f64,
    filled: Instant,
}

impl Gate {
    fn new(now: Instant) -> Self {
        Self {
            states: HashMap::new(),
            tokens: BURST,
            filled: now,
        }
    }

    fn admits(&mut self, event: &Event, now: Instant) -> bool {
        let state = event.state();
        if let Some((subject, state)) = &state
            && self.states.get(subject) == Some(state)
        {
            return false;
        }
        let gained = now.saturating_duration_since(self.filled).as_secs_f64() / REFILL.as_secs_f64();
        self.tokens = (self.tokens + gained).min(BURST);
        self.filled = now;
        if self.tokens < 1.0 {
            return false;
        }
        self.tokens -= 1.0;
        if let Some((subject, state)) = state {
            self.states.insert(subject, state);
        }
        true
    }
}

/// Where parts of the program tell what happened.
#[derive(Debug, Clone)]
pub struct Events(Option<mpsc::Sender<Event>>);

impl Events {
    /// For processes outside a cluster: everything is dropped.
    pub const fn off() -> Self {
        Self(None)
    }

    /// A handle and the writer behind it; the writer must be run.
    pub fn new(client: &Client) -> (Self, EventWriter) {
        let (sender, receiver) = mpsc::channel(QUEUE);
        let writer = EventWriter {
            client: client.clone(),
            receiver,
        };
        (Self(Some(sender)), writer)
    }

    /// Tells it. Never waits; dropped if too many are waiting.
    pub fn tell(&self, event: Event) {
        if let Some(sender) = &self.0
            && sender.try_send(event).is_err()
        {
            tracing::debug!("event was dropped");
        }
    }
}

/// Writes Events.
pub struct EventWriter {
    client: Client,
    receiver: mpsc::Receiver<Event>,
}

impl EventWriter {
    /// Runs until `stop`, then writes what is waiting.
    pub async fn run(mut self, stop: CancellationToken) {
        let mut gate = Gate::new(Instant::now());
        let mut about: Option<Vec<ObjectReference>> = None;
        loop {
            let event = tokio::select! {
                biased;
                event = self.receiver.recv() => event,
                () = stop.cancelled() => None,
            };
            let Some(event) = event else { return };
            if !gate.admits(&event, Instant::now()) {
                continue;
            }
            let objects = if let Some(about) = &about {
                about.clone()
            } else {
                let (objects, complete) = self.about().await;
                about = complete.then(|| objects.clone());
                objects
            };
            for object in &objects {
                if let Err(error) = self.write(&event, object).await {
                    if matches!(error.class(), ErrorClass::Forbidden | ErrorClass::Auth) {
                        tracing::warn!(error = %error, "events are off");
                        return self.drain(&stop).await;
                    }
                    tracing::debug!(error = %error, reason = event.reason(), "event was not written");
                }
            }
        }
    }

    /// Off: empties the queue so that nobody notices.
    async fn drain(&mut self, stop: &CancellationToken) {
        loop {
            tokio::select! {
                event = self.receiver.recv() => if event.is_none() { return },
                () = stop.cancelled() => return,
            }
        }
    }

    /// The pod, and its Deployment if it is named and may be read: an Event is shown only under the uid of its object.
    /// With whether that is all there will ever be to know.
    async fn about(&self) -> (Vec<ObjectReference>, bool) {
        let mut complete = true;
        let home = self.client.home();
        let mut about = vec![self.reference("v1", "Pod", home.pod.as_deref(), home.pod_uid.clone())];
        if let Some(name) = home.deployment.as_deref() {
            let api: Api<Deployment> = Api::namespaced(self.client.kube(), self.client.namespace());
            let object = format!("deployments.apps/{name}");
            match self
                .client
                .call(Verb::Get, &object, WRITE, api.get_metadata(name))
                .await
            {
                Ok(deployment) => {
                    about.push(self.reference("apps/v1", "Deployment", Some(name), deployment.metadata.uid));
                }
                Err(error) => {
                    tracing::info!(error = %error, "events are written on the pod only");
                    complete = !error.class().is_retryable();
                }
            }
        }
        (about, complete)
    }

    fn reference(&self, version: &str, kind: &str, name: Option<&str>, uid: Option<String>) -> ObjectReference {
        ObjectReference {
            api_version: Some(version.to_owned()),
            kind: Some(kind.to_owned()),
            name: Some(name.unwrap_or(CONTROLLER).to_owned()),
            namespace: Some(self.client.namespace().to_owned()),
            uid,
            ..ObjectReference::default()
        }
    }

    async fn write(&self, event: &Event, about: &ObjectReference) -> Result<(), K8sError> {
        let api: Api<KubeEvent> = Api::namespaced(self.client.kube(), self.client.namespace());
        let body = self.body(event, about);
        let params = PostParams::default();
        let mut waits = crate::runtime::backoff::Backoff::default();
        for _ in 1..TRIES {
            let request = api.create(&params, &body);
            match self
                .client
                .call(Verb::Create, "events.events.k8s.io", WRITE, request)
                .await
            {
                Err(error) if error.class().is_retryable() => tokio::time::sleep(waits.next_delay(None)).await,
                // Written by an attempt whose answer was lost.
                Ok(_) | Err(K8sError::Conflict { .. }) => return Ok(()),
                Err(error) => return Err(error),
            }
        }
        let request = api.create(&params, &body);
        let last = self
            .client
            .call(Verb::Create, "events.events.k8s.io", WRITE, request)
            .await;
        last.map(|_| ())
    }

    fn body(&self, event: &Event, about: &ObjectReference) -> KubeEvent {
        let instance = self.client.home().pod.clone().unwrap_or_else(|| CONTROLLER.to_owned());
        let object = about.name.as_deref().unwrap_or(CONTROLLER);
        KubeEvent {
            metadata: ObjectMeta {
                name: Some(format!("{object}.{}", uuid::Uuid::new_v4().simple())),
                namespace: Some(self.client.namespace().to_owned()),
                ..ObjectMeta::default()
            },
            event_time: Some(MicroTime(k8s_openapi::jiff::Timestamp::now())),
            type_: Some(if event.is_warning() { "Warning" } else { "Normal" }.to_owned()),
            reason: Some(event.reason().to_owned()),
            action: Some(event.action().to_owned()),
            note: Some(event.note()),
            regarding: Some(about.clone()),
            reporting_controller: Some(CONTROLLER.to_owned()),
            reporting_instance: Some(instance),
            ..KubeEvent::default()
        }
    }
}

#[cfg(test)]
mod tests;
