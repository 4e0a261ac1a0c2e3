//! Merges the sources, has new credentials proved, and swaps them in.
//!
//! Each side has its own loop, so that a token endpoint that hangs holds up only its own side. A proof that a newer value
//! overtakes is dropped.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::values::{C1Values, Credentials, Key, PingOneValues, Problem, Side, Values};
use super::{CredentialState, Held, Offer, Origin};
use crate::runtime::backoff::Backoff;

/// Longest time that one proof may take.
const PROOF: Duration = Duration::from_secs(30);
/// Time until refused credentials are tried again: they may have been put right at the other end.
const AGAIN: Duration = Duration::from_mins(1);

/// Why credentials were not proved. The texts are shown; they must hold no value of a secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unproved {
    /// They cannot be ones (for example a client id without a host).
    Malformed(Key, &'static str),
    /// The token endpoint refused them.
    Refused(String),
    /// The token endpoint was not reached, or had a fault of its own.
    Unreachable(String),
}

impl From<Unproved> for Problem {
    fn from(unproved: Unproved) -> Self {
        match unproved {
            Unproved::Malformed(key, why) => Self::Malformed { key, why },
            Unproved::Refused(text) => Self::Refused(text),
            Unproved::Unreachable(text) => Self::Unreachable(text),
        }
    }
}

/// Makes the token request that proves credentials, with a deadline of its own.
pub trait Prover: Send + Sync + 'static {
    /// Proves PingOne's.
    fn pingone(&self, values: &PingOneValues) -> impl Future<Output = Result<(), Unproved>> + Send;

    /// Proves C1's.
    fn c1(&self, values: &C1Values) -> impl Future<Output = Result<(), Unproved>> + Send;
}

/// What a keeper tells of itself, for logs, metrics and Events.
#[derive(Debug)]
#[non_exhaustive]
pub enum CredentialNotice<'a> {
    /// The first credentials of this side are in use.
    Loaded(Side),
    /// New credentials took the place of old ones.
    Reloaded(Side),
    /// What the sources hold now cannot be used. Told when the reason changes, not for each try.
    Rejected {
        /// Which side.
        side: Side,
        /// Why.
        problem: &'a Problem,
        /// Old ones are in use; else the process waits.
        kept: bool,
    },
    /// A value ended in a line end, which was cut off.
    Trimmed {
        /// Which.
        key: Key,
        /// Where.
        origin: Origin,
    },
}

impl CredentialNotice<'_> {
    /// Writes the log line.
    pub fn log(&self) {
        match self {
            Self::Loaded(side) => tracing::info!(side = side.as_str(), "credentials were loaded"),
            Self::Reloaded(side) => tracing::info!(side = side.as_str(), "credentials were replaced"),
            Self::Rejected { side, problem, kept } => tracing::error!(
                side = side.as_str(),
                kept,
                error = %problem,
                error_class = problem.class().as_str(),
                "credentials were rejected"
            ),
            Self::Trimmed { key, origin } => tracing::warn!(
                key = key.name(),
                source = origin.as_str(),
                "line end was cut off a credential"
            ),
        }
    }
}

/// Where notices go; must not block.
pub type NoticeFn = Arc<dyn Fn(&CredentialNotice<'_>) + Send + Sync>;

/// What the sources add up to; the same for both sides.
#[derive(Debug, Clone, Default)]
struct Merged {
    /// `None` until all sources have reported.
    values: Option<Values>,
    /// A source that was there and is gone: nothing new is taken until it is back.
    gone: Option<Origin>,
}

/// Keeps the credentials in use.
pub struct Keeper<P> {
    prover: Arc<P>,
    fixed: Values,
    state: Arc<watch::Sender<CredentialState>>,
    notice: NoticeFn,
}

impl<P: Prover> Keeper<P> {
    /// `fixed` are the values of flags, environment and files; `wants_c1` is false for a process that does not serve C1.
    pub fn new(
        prover: Arc<P>,
        fixed: Values,
        wants_c1: bool,
        notice: NoticeFn,
    ) -> (Self, watch::Receiver<CredentialState>) {
        let (state, receiver) = watch::channel(CredentialState {
            wants_c1,
            ..CredentialState::default()
        });
        let keeper = Self {
            prover,
            fixed,
            state: Arc::new(state),
            notice,
        };
        (keeper, receiver)
    }

    /// Runs until `stop`. `awaited` names the sources that can change, in any order; each of them sends its first
    /// [`Offer`] as soon as it knows what it holds, and nothing is judged before all have.
    ///
    /// Without sources that can change, the first problem that waiting cannot heal ends the run with an error; with them the run
    /// never ends by itself.
    pub async fn run(
        self,
        offers: mpsc::Receiver<Offer>,
        awaited: &[Origin],
        stop: CancellationToken,
    ) -> Result<(), Problem> {
        let (merged, seen) = watch::channel(Merged::default());
        let exit = awaited.is_empty();
        let wants_c1 = self.state.borrow().wants_c1;
        let pingone = SideKeeper::<PingOneValues> {
            state: Arc::clone(&self.state),
            notice: Arc::clone(&self.notice),
            merged: seen.clone(),
            field: |state| &mut state.pingone,
            last: None,
            exit,
        };
        let c1 = SideKeeper::<C1Values> {
            state: Arc::clone(&self.state),
            notice: Arc::clone(&self.notice),
            merged: seen,
            field: |state| &mut state.c1,
            last: None,
            exit,
        };
        let prover = self.prover.as_ref();
        let sides = async {
            if wants_c1 {
                tokio::try_join!(pingone.run(prover), c1.run(prover)).map(|_| ())
            } else {
                pingone.run(prover).await
            }
        };
        tokio::select! {
            () = stop.cancelled() => Ok(()),
            () = self.merge(offers, awaited, &merged) => Ok(()),
            result = sides => match result {
                Ok(()) => {
                    stop.cancelled().await;
                    Ok(())
                }
                Err(problem) => Err(problem),
            },
        }
    }

    /// Never ends by itself.
    async fn merge(&self, mut offers: mpsc::Receiver<Offer>, awaited: &[Origin], merged: &watch::Sender<Merged>) {
        let mut held: Vec<Offer> = Vec::new();
        // A source that is gone goes on counting with what it held last.
        let mut gone: Vec<Origin> = Vec::new();
        loop {
            if awaited
                .iter()
                .all(|origin| held.iter().any(|offer| offer.origin == *origin))
            {
                let next = Merged {
                    values: Some(lay(&held, &self.fixed)),
                    gone: gone.first().copied(),
                };
                merged.send_replace(next);
            }
            let Some(offer) = offers.recv().await else {
                return std::future::pending().await;
            };
            self.warn_trimmed(&offer, &held);
            gone.retain(|origin| *origin != offer.origin);
            let before = held.iter().position(|have| have.origin == offer.origin);
            match before.and_then(|index| held.get_mut(index)) {
                Some(have) if offer.values.is_none() && have.values.is_some() => gone.push(offer.origin),
                Some(have) => *have = offer,
                None => held.push(offer),
            }
        }
    }

    fn warn_trimmed(&self, offer: &Offer, held: &[Offer]) {
        let Some(values) = &offer.values else { return };
        let known = held
            .iter()
            .any(|have| have.origin == offer.origin && have.values.as_ref() == Some(values));
        if known {
            return;
        }
        for key in values.trimmed() {
            (self.notice)(&CredentialNotice::Trimmed {
                key: *key,
                origin: offer.origin,
            });
        }
    }
}

/// Secret over directory over the rest.
fn lay(held: &[Offer], fixed: &Values) -> Values {
    let mut all = Values::default();
    for origin in [Origin::Secret, Origin::Directory] {
        let offers = held.iter().filter(|offer| offer.origin == origin);
        for values in offers.filter_map(|offer| offer.values.as_ref()) {
            all.fill(values);
        }
    }
    all.fill(fixed);
    all
}

/// The loop of one side.
struct SideKeeper<T> {
    state: Arc<watch::Sender<CredentialState>>,
    notice: NoticeFn,
    merged: watch::Receiver<Merged>,
    field: fn(&mut CredentialState) -> &mut Held<T>,
    /// The problem that was told last.
    last: Option<Problem>,
    exit: bool,
}

/// What is to be done about the sources' present content.
enum Judged<T> {
    /// Nothing: it is in use, or nothing is known yet.
    Settled,
    /// It cannot be used as it is.
    Faulty(Problem),
    /// To be proved.
    New(T),
}

impl<T: Credentials> SideKeeper<T> {
    async fn run<P: Prover>(mut self, prover: &P) -> Result<(), Problem> {
        let mut waits = Backoff::new(Duration::from_secs(2), Duration::from_secs(30));
        loop {
            let merged = self.merged.borrow_and_update().clone();
            let again = match self.judge(&merged) {
                Judged::Settled => None,
                Judged::Faulty(problem) => {
                    self.reject(problem)?;
                    None
                }
                Judged::New(values) => {
                    let proof = tokio::time::timeout(PROOF, values.prove(prover));
                    let outcome = tokio::select! {
                        changed = self.merged.changed() => match changed {
                            Ok(()) => continue,
                            Err(_) => return Ok(()),
                        },
                        outcome = proof => outcome,
                    };
                    match outcome.unwrap_or_else(|_| Err(Unproved::Unreachable("no answer in time".to_owned()))) {
                        Ok(()) => {
                            self.swap(values);
                            waits = Backoff::new(Duration::from_secs(2), Duration::from_secs(30));
                            None
                        }
                        Err(unproved) => {
                            let wait = match unproved {
                                Unproved::Malformed(..) => None,
                                Unproved::Refused(_) => Some(AGAIN),
                                Unproved::Unreachable(_) => Some(waits.next_delay(None)),
                            };
                            self.reject(unproved.into())?;
                            wait
                        }
                    }
                }
            };
            if !self.changed(again).await {
                return Ok(());
            }
        }
    }

    fn judge(&mut self, merged: &Merged) -> Judged<T> {
        let Some(values) = &merged.values else {
            return Judged::Settled;
        };
        if let Some(origin) = merged.gone {
            return Judged::Faulty(Problem::Gone(origin));
        }
        let next = match T::build(values) {
            Ok(next) => next,
            Err(problem) => return Judged::Faulty(problem),
        };
        let current = self.state.borrow().clone();
        let Some(current) = (self.field)(&mut { current }).current.take() else {
            return Judged::New(next);
        };
        if current.same(&next) {
            // Back to what is in use: whatever was wrong is over.
            self.last = None;
            self.set_problem(None);
            return Judged::Settled;
        }
        match current.refuses(&next) {
            Some(problem) => Judged::Faulty(problem),
            None => Judged::New(next),
        }
    }

    fn swap(&mut self, values: T) {
        let field = self.field;
        let values = Arc::new(values);
        let mut first = false;
        self.state.send_modify(|state| {
            let held = field(state);
            first = held.current.is_none();
            held.current = Some(Arc::clone(&values));
            held.generation = held.generation.saturating_add(1);
            held.problem = None;
        });
        self.last = None;
        (self.notice)(&if first {
            CredentialNotice::Loaded(T::SIDE)
        } else {
            CredentialNotice::Reloaded(T::SIDE)
        });
    }

    /// Tells it once; an error where the process cannot wait for something better.
    fn reject(&mut self, problem: Problem) -> Result<(), Problem> {
        if self.exit && !problem.class().is_retryable() {
            return Err(problem);
        }
        let field = self.field;
        let kept = field(&mut self.state.borrow().clone()).current.is_some();
        self.set_problem(Some(problem.clone()));
        if self.last.as_ref() != Some(&problem) {
            (self.notice)(&CredentialNotice::Rejected {
                side: T::SIDE,
                problem: &problem,
                kept,
            });
            self.last = Some(problem);
        }
        Ok(())
    }

    fn set_problem(&self, problem: Option<Problem>) {
        let field = self.field;
        self.state.send_if_modified(|state| {
            let held = field(state);
            let changed = held.problem != problem;
            held.problem = problem;
            changed
        });
    }

    /// Until the sources change, or the time for another try has come. False when there is nobody left to change them.
    async fn changed(&mut self, again: Option<Duration>) -> bool {
        let next = again.map(|wait| Instant::now() + wait);
        let retry = async {
            match next {
                Some(at) => tokio::time::sleep_until(at).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            changed = self.merged.changed() => changed.is_ok(),
            () = retry => true,
        }
    }
}

#[cfg(test)]
mod tests;
