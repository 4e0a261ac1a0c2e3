//! Follows one Secret by name.
//!
//! A list with a field selector, then a watch from its version; both are what a Role with `resourceNames` allows. The server ends
//! each watch after a minute and another begins where it ended. A watch that has said nothing for longer than that is dead, whatever
//! the connection looks like, and everything begins anew with a list.

use std::sync::Arc;
use std::time::Duration;

use futures_util::{StreamExt, pin_mut};
use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;
use kube::Api;
use kube::api::{ListParams, WatchEvent, WatchParams};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::client::Client;
use super::error::{K8sError, Verb};
use crate::credentials::{Key, Offer, Origin, Values};
use process::runtime::backoff::Backoff;
use process::runtime::liveness::Pulse;

/// Least time from the start of one watch to the start of the next.
const PACE: Duration = Duration::from_secs(1);

/// The times of a watch.
#[derive(Debug, Clone, Copy)]
pub struct Timing {
    /// Deadline of the list, and of the start of a watch.
    pub request: Duration,
    /// How long the server keeps a watch open, whole seconds.
    pub watch: Duration,
    /// What a watch may take longer than that before it counts as dead.
    pub grace: Duration,
}

impl Default for Timing {
    fn default() -> Self {
        Self {
            request: Duration::from_secs(10),
            watch: Duration::from_mins(1),
            grace: Duration::from_secs(5),
        }
    }
}

/// Where failures go, once for each kind until it changes; `None` means that calls succeed again. Must not block.
pub type FailureFn = Arc<dyn Fn(Option<&K8sError>) + Send + Sync>;

/// Watches one Secret and offers its values.
pub struct SecretWatch {
    client: Client,
    name: String,
    object: String,
    timing: Timing,
    failure: FailureFn,
    pulse: Option<Pulse>,
}

/// Why following stopped.
enum Ended {
    /// Nobody listens.
    Done,
    /// To begin with a list again.
    Again(K8sError),
}

impl SecretWatch {
    /// The Secret of this name in the client's namespace.
    pub fn new(client: &Client, name: &str, timing: Timing, failure: FailureFn) -> Self {
        Self {
            client: client.clone(),
            name: name.to_owned(),
            object: format!("secrets/{name}"),
            timing,
            failure,
            pulse: None,
        }
    }

    /// The same, telling that it moves.
    #[must_use]
    pub fn with_pulse(self, pulse: Pulse) -> Self {
        Self {
            pulse: Some(pulse),
            ..self
        }
    }

    fn due_within(&self, wait: Duration) {
        if let Some(pulse) = &self.pulse {
            pulse.due_within(wait);
        }
    }

    /// Sends an [`Offer`] as soon as the Secret was listed once and whenever its content changes, until `stop` or until
    /// nobody listens.
    pub async fn run(self, offers: mpsc::Sender<Offer>, stop: CancellationToken) {
        tokio::select! {
            () = stop.cancelled() => {}
            () = self.follow(offers) => {}
        }
    }

    async fn follow(&self, offers: mpsc::Sender<Offer>) {
        let mut sender = Sender {
            offers,
            sent: Sent::Nothing,
        };
        let mut waits = fresh();
        let mut failing: Option<std::mem::Discriminant<K8sError>> = None;
        loop {
            let begun = tokio::time::Instant::now();
            self.due_within(self.timing.request);
            let error = match self.list_and_watch(&mut sender, &mut failing).await {
                Ended::Done => return,
                Ended::Again(error) => error,
            };
            // One that lasted was in order; its end is no reason to hesitate.
            if begun.elapsed() > self.timing.watch / 2 {
                waits = fresh();
            }
            let kind = std::mem::discriminant(&error);
            if !matches!(error, K8sError::Gone { .. }) && failing.replace(kind) != Some(kind) {
                (self.failure)(Some(&error));
            }
            let wait = waits.next_delay(None);
            self.due_within(wait);
            tokio::time::sleep(wait).await;
        }
    }

    /// Reads it once; `None` if it is not there.
    pub async fn read(&self) -> Result<Option<Values>, K8sError> {
        let api: Api<Secret> = Api::namespaced(self.client.kube(), self.client.namespace());
        let list = ListParams::default().fields(&format!("metadata.name={}", self.name));
        let request = api.list(&list);
        let listed = self
            .client
            .call(Verb::List, &self.object, self.timing.request, request)
            .await?;
        Ok(listed.items.first().map(values))
    }

    async fn list_and_watch(
        &self,
        sender: &mut Sender,
        failing: &mut Option<std::mem::Discriminant<K8sError>>,
    ) -> Ended {
        let api: Api<Secret> = Api::namespaced(self.client.kube(), self.client.namespace());
        let selector = format!("metadata.name={}", self.name);
        let list = ListParams::default().fields(&selector);
        let request = api.list(&list);
        let listed = match self
            .client
            .call(Verb::List, &self.object, self.timing.request, request)
            .await
        {
            Ok(listed) => listed,
            Err(error) => return Ended::Again(error),
        };
        let mut version = listed.metadata.resource_version.unwrap_or_default();
        if !sender.send(listed.items.first()).await {
            return Ended::Done;
        }
        let seconds = u32::try_from(self.timing.watch.as_secs()).unwrap_or(60);
        let watch = WatchParams::default().fields(&selector).timeout(seconds);
        loop {
            match self.watch_once(&api, &watch, &mut version, sender, failing).await {
                Ok(true) => {}
                Ok(false) => return Ended::Done,
                Err(error) => return Ended::Again(error),
            }
        }
    }

    /// One watch from start to end; `version` moves along. `Ok(false)` if nobody listens.
    async fn watch_once(
        &self,
        api: &Api<Secret>,
        params: &WatchParams,
        version: &mut String,
        sender: &mut Sender,
        failing: &mut Option<std::mem::Discriminant<K8sError>>,
    ) -> Result<bool, K8sError> {
        self.due_within(self.timing.request + self.timing.watch + self.timing.grace);
        let request = api.watch(params, version);
        let stream = self
            .client
            .call(Verb::Watch, &self.object, self.timing.request, request)
            .await?;
        if failing.take().is_some() {
            (self.failure)(None);
        }
        pin_mut!(stream);
        let begun = tokio::time::Instant::now();
        // The server ends it by itself before this; silence beyond means that nobody is there.
        let end = begun + self.timing.watch + self.timing.grace;
        loop {
            let Ok(next) = tokio::time::timeout_at(end, stream.next()).await else {
                return Err(self.silent());
            };
            let (secret, present) = match next {
                None => {
                    // Something between that ends watches at once must not make this a busy loop.
                    tokio::time::sleep_until(begun + PACE).await;
                    return Ok(true);
                }
                Some(Err(error)) => return Err(self.failed(&error)),
                Some(Ok(WatchEvent::Added(secret) | WatchEvent::Modified(secret))) => (secret, true),
                Some(Ok(WatchEvent::Deleted(secret))) => (secret, false),
                Some(Ok(WatchEvent::Bookmark(mark))) => {
                    version.clone_from(&mark.metadata.resource_version);
                    continue;
                }
                Some(Ok(WatchEvent::Error(status))) => {
                    let namespace = self.client.namespace();
                    return Err(K8sError::from_code(status.code, Verb::Watch, &self.object, namespace));
                }
            };
            if secret.metadata.name.as_deref() != Some(self.name.as_str()) {
                continue;
            }
            if let Some(next) = &secret.metadata.resource_version {
                version.clone_from(next);
            }
            if !sender.send(present.then_some(&secret)).await {
                return Ok(false);
            }
        }
    }

    fn silent(&self) -> K8sError {
        K8sError::Timeout {
            verb: Verb::Watch,
            object: self.object.clone(),
            after: self.timing.watch + self.timing.grace,
        }
    }

    fn failed(&self, error: &kube::Error) -> K8sError {
        K8sError::from_kube(error, Verb::Watch, &self.object, self.client.namespace())
    }
}

fn fresh() -> Backoff {
    Backoff::new(Duration::from_millis(500), Duration::from_secs(10))
}

/// What was sent last.
#[derive(PartialEq)]
enum Sent {
    Nothing,
    Gone,
    Values(Values),
}

/// Sends what changed.
struct Sender {
    offers: mpsc::Sender<Offer>,
    sent: Sent,
}

impl Sender {
    /// False if nobody listens. The same content again, from a list or an edited label, is not sent.
    async fn send(&mut self, secret: Option<&Secret>) -> bool {
        let values = secret.map(values);
        let next = values.clone().map_or(Sent::Gone, Sent::Values);
        if self.sent == next {
            return true;
        }
        self.sent = next;
        let offer = Offer {
            origin: Origin::Secret,
            values,
        };
        self.offers.send(offer).await.is_ok()
    }
}

fn values(secret: &Secret) -> Values {
    let data = secret.data.as_ref();
    let read = Values::read(Origin::Secret, |key: Key| {
        data?.get(key.name()).map(|ByteString(bytes)| bytes.as_slice())
    });
    read.beside(data.into_iter().flat_map(|data| data.keys().map(String::as_str)))
}
