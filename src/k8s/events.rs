//! Events on the pod and on its Deployment.
//!
//! Eleven reasons, each with a text built here from typed facts: no error text of a remote system, no name of a user and no value of
//! a credential can get in. An Event tells a change; the same state again is not told, and a bucket bounds the rest. Events are a
//! courtesy: what cannot be written is dropped, and without the right to write them they are off after one log line.

use std::collections::HashMap;
use std::time::Duration;

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
use crate::credentials::{CredentialNotice, Problem, Side};
use process::error::ErrorClass;

/// Events that may wait to be written.
const QUEUE: usize = 32;
/// Events that may follow each other at once; as many as client-go lets through for one object.
const BURST: f64 = 25.0;
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
        resources: u64,
        grants: u64,
        /// How long it took.
        took: Duration,
    },
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
        /// Older ones are in use.
        has_older: bool,
    },
    /// There is no verdict on new credentials yet.
    CredentialsUnproved {
        /// Whose.
        side: Side,
        /// Older ones are in use.
        has_older: bool,
    },
    /// The sources hold again what is in use.
    CredentialsRestored {
        /// Whose.
        side: Side,
    },
    /// This pod leads.
    LeaderElected { term: i32 },
    /// A task that changes PingOne failed.
    ProvisioningFailed {
        /// What was to be done, for example `grant`.
        action: &'static str,
        /// What kind of failure.
        class: ErrorClass,
        /// C1's task.
        task_id: String,
    },
    /// C1 cannot be reached.
    C1Unreached {
        /// Host, port and what happened, in the system's words.
        reason: String,
    },
    /// C1 answers again.
    C1Reached,
    /// C1 did not take the verdict of a task.
    TaskUnreported {
        /// What was to be done, for example `grant`.
        action: &'static str,
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
            Self::CredentialsUnproved { .. } => "CredentialsUnproved",
            Self::CredentialsRestored { .. } => "CredentialsRestored",
            Self::LeaderElected { .. } => "LeaderElected",
            Self::ProvisioningFailed { .. } => "ProvisioningFailed",
            Self::C1Unreached { .. } => "C1Unreached",
            Self::C1Reached => "C1Reached",
            Self::TaskUnreported { .. } => "TaskUnreported",
        }
    }

    const fn action(&self) -> &'static str {
        match self {
            Self::SyncCompleted { .. } | Self::SyncFailed { .. } => "Sync",
            Self::CredentialsReloaded { .. }
            | Self::CredentialsRejected { .. }
            | Self::CredentialsUnproved { .. }
            | Self::CredentialsRestored { .. } => "LoadCredentials",
            Self::LeaderElected { .. } => "Lead",
            Self::ProvisioningFailed { .. } => "Provision",
            Self::C1Unreached { .. } | Self::C1Reached => "Connect",
            Self::TaskUnreported { .. } => "Report",
        }
    }

    const fn is_warning(&self) -> bool {
        matches!(
            self,
            Self::SyncFailed { .. }
                | Self::CredentialsRejected { .. }
                | Self::CredentialsUnproved { .. }
                | Self::ProvisioningFailed { .. }
                | Self::C1Unreached { .. }
                | Self::TaskUnreported { .. }
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
            Self::CredentialsRejected {
                side,
                problem,
                has_older,
            } => {
                let (side, why) = (name(*side), plain(problem));
                if *has_older {
                    format!("New credentials for {side} cannot be used: {why}. The old ones stay in use.")
                } else {
                    format!("Credentials for {side} cannot be used: {why}. Waiting for others.")
                }
            }
            Self::CredentialsUnproved { side, has_older } => {
                let side = name(*side);
                if *has_older {
                    format!("New credentials for {side} are not proved yet; the old ones stay in use. Trying again.")
                } else {
                    format!("Credentials for {side} are not proved yet. Trying again.")
                }
            }
            Self::CredentialsRestored { side } => format!(
                "Credentials for {} are in order again: the sources hold what is in use.",
                name(*side)
            ),
            Self::LeaderElected { term } => format!("This pod leads (term {term})."),
            Self::ProvisioningFailed { action, class, task_id } => {
                format!(
                    "Task {action} failed ({}){}. See the log.",
                    class.as_str(),
                    task(Some(task_id))
                )
            }
            Self::C1Unreached { reason } => format!("C1 cannot be reached: {reason}."),
            Self::C1Reached => "C1 answers again.".to_owned(),
            Self::TaskUnreported { action, task_id } => format!(
                "C1 did not accept the result of {action}{}. The verdict is kept and given when C1 asks again.",
                task(Some(task_id))
            ),
        };
        shorten(note)
    }

    /// What it is the state of, and the state; `None` for what is never the same again.
    fn state(&self) -> Option<(&'static str, String)> {
        match self {
            Self::SyncCompleted { .. } => Some(("sync", "completed".to_owned())),
            Self::SyncFailed { class, .. } => Some(("sync", class.as_str().to_owned())),
            // The store tells changes only, and knows when a problem is over.
            Self::CredentialsRejected { .. }
            | Self::CredentialsUnproved { .. }
            | Self::CredentialsRestored { .. }
            | Self::CredentialsReloaded { .. }
            | Self::LeaderElected { .. }
            | Self::ProvisioningFailed { .. }
            | Self::C1Unreached { .. }
            | Self::C1Reached
            | Self::TaskUnreported { .. } => None,
        }
    }
}

/// The Event that a notice about credentials deserves.
impl Event {
    /// `None` for notices that are log lines only.
    pub fn from_credentials(notice: &CredentialNotice<'_>) -> Option<Self> {
        match notice {
            CredentialNotice::Reloaded { side, .. } => Some(Self::CredentialsReloaded { side: *side }),
            CredentialNotice::Restored(side) => Some(Self::CredentialsRestored { side: *side }),
            CredentialNotice::Refused {
                side,
                problem: Problem::Unproved(_),
                has_older,
            } => Some(Self::CredentialsUnproved {
                side: *side,
                has_older: *has_older,
            }),
            CredentialNotice::Refused {
                side,
                problem,
                has_older,
            } => Some(Self::CredentialsRejected {
                side: *side,
                problem: (*problem).clone(),
                has_older: *has_older,
            }),
            CredentialNotice::Loaded { .. } | CredentialNotice::Trimmed { .. } | CredentialNotice::Ignored { .. } => {
                None
            }
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
        Problem::Refused { .. } => "they were refused".to_owned(),
        Problem::Unproved(_) => "they are not proved yet".to_owned(),
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
struct EventFilter {
    states: HashMap<&'static str, String>,
    tokens: f64,
    filled: Instant,
}

impl EventFilter {
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
        let mut filter = EventFilter::new(Instant::now());
        let mut about: Option<Vec<ObjectReference>> = None;
        loop {
            let event = tokio::select! {
                biased;
                event = self.receiver.recv() => event,
                () = stop.cancelled() => None,
            };
            let Some(event) = event else { return };
            if !filter.admits(&event, Instant::now()) {
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
        let home = self.client.home();
        let mut about = vec![self.reference("v1", "Pod", home.pod.as_deref(), home.pod_uid.clone())];
        match self.client.deployment(WRITE).await {
            Ok(Some(owner)) => about.push(self.reference("apps/v1", "Deployment", Some(&owner.name), Some(owner.uid))),
            Ok(None) => {}
            Err(error) => {
                tracing::debug!(error = %error, "the Deployment was not read");
                return (about, false);
            }
        }
        (about, true)
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
        let mut waits = process::runtime::backoff::Backoff::default();
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
