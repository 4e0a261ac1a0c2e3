//! Merges the sources, has new credentials proved, and swaps them in.
//!
//! Each side has its own loop, so that an endpoint that hangs holds up only its own side. A proof that a newer value
//! overtakes is dropped.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use tokio::sync::{mpsc, watch};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::key::Key;
use super::notice::{CredentialNotice, NoticeFn};
use super::problem::{Problem, ProofError};
use super::sides::{C1Values, PingOneValues, Prover, SideCredentials};
use super::values::Values;
use super::{CredentialState, Held, Offer, Origin};
use process::runtime::backoff::Backoff;
use process::runtime::liveness::{Liveness, Pulse};

/// Longest time that one proof may take.
const PROOF: Duration = Duration::from_secs(30);
/// Time until refused credentials are tried again: they may have been put right at the other end.
const AGAIN: Duration = Duration::from_mins(1);
/// How often a loop that waits says that it is alive.
const TICK: Duration = Duration::from_secs(30);

/// Whether the process serves C1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum C1Need {
    /// It does.
    Always,
    /// Where a source holds one of C1's keys when all of them have said what they hold.
    IfOffered,
}

/// What the sources add up to; the same for both sides.
#[derive(Debug, Clone, Default)]
struct Merged {
    /// `None` until all sources have reported.
    values: Option<Values>,
    /// A source that was there and is gone: nothing new is taken until it is back.
    gone: Option<Origin>,
}

/// Keeps the credentials in use.
pub struct CredentialStore<P> {
    prover: Arc<P>,
    sources: Vec<Origin>,
    c1: C1Need,
    state: Arc<watch::Sender<CredentialState>>,
    notice: NoticeFn,
}

impl<P: Prover> CredentialStore<P> {
    /// `sources` names the sources in any order; each of them sends its first [`Offer`] as soon as it knows what it holds,
    /// and nothing is judged before all have.
    pub fn new(
        prover: Arc<P>,
        sources: Vec<Origin>,
        c1: C1Need,
        notice: NoticeFn,
    ) -> (Self, watch::Receiver<CredentialState>) {
        let (state, receiver) = watch::channel(CredentialState {
            wants_c1: (c1 == C1Need::Always).then_some(true),
            can_change: sources.iter().any(|origin| *origin != Origin::Settings),
            ..CredentialState::default()
        });
        let store = Self {
            prover,
            sources,
            c1,
            state: Arc::new(state),
            notice,
        };
        (store, receiver)
    }

    /// Runs until `stop`. Without sources that can change, the first problem that waiting cannot heal ends the run with an
    /// error; with them the run never ends by itself.
    pub async fn run(
        self,
        offers: mpsc::Receiver<Offer>,
        liveness: &Liveness,
        stop: CancellationToken,
    ) -> Result<(), Problem> {
        let (merged, seen) = watch::channel(Merged::default());
        let pingone = SideLoop::<PingOneValues> {
            state: Arc::clone(&self.state),
            notice: Arc::clone(&self.notice),
            merged: seen.clone(),
            field: |state| &mut state.pingone,
            told: None,
            pulse: liveness.register("credentials-pingone", PROOF),
        };
        let c1 = SideLoop::<C1Values> {
            state: Arc::clone(&self.state),
            notice: Arc::clone(&self.notice),
            merged: seen,
            field: |state| &mut state.c1,
            told: None,
            pulse: liveness.register("credentials-c1", PROOF),
        };
        let prover = self.prover.as_ref();
        let c1 = async {
            if self.wants_c1(&c1.pulse).await {
                return c1.run(prover).await;
            }
            drop(c1);
            Ok(())
        };
        let sides = async { tokio::try_join!(pingone.run(prover), c1) };
        tokio::select! {
            () = stop.cancelled() => Ok(()),
            () = self.merge(offers, &merged) => Ok(()),
            ended = sides => ended.map(drop),
        }
    }

    /// Waits until it is known.
    async fn wants_c1(&self, pulse: &Pulse) -> bool {
        let mut states = self.state.subscribe();
        loop {
            pulse.due_within(TICK);
            if let Ok(Ok(state)) = tokio::time::timeout(TICK, states.wait_for(|state| state.wants_c1.is_some())).await {
                return state.wants_c1 == Some(true);
            }
        }
    }

    /// Never ends by itself.
    async fn merge(&self, mut offers: mpsc::Receiver<Offer>, merged: &watch::Sender<Merged>) {
        let mut held: Vec<Offer> = Vec::new();
        // A source that is gone goes on counting with what it held last.
        let mut gone: Vec<Origin> = Vec::new();
        loop {
            let reported = |origin: &Origin| held.iter().any(|offer| offer.origin == *origin);
            if self.sources.iter().all(reported) {
                let values = lay(&held);
                self.decide_c1(&values, &held);
                merged.send_replace(Merged {
                    values: Some(values),
                    gone: gone.first().copied(),
                });
            }
            let Some(offer) = offers.recv().await else {
                return std::future::pending().await;
            };
            self.warn_of(&offer, &held);
            gone.retain(|origin| *origin != offer.origin);
            let before = held.iter().position(|have| have.origin == offer.origin);
            match before.and_then(|index| held.get_mut(index)) {
                Some(have) if offer.values.is_none() && have.values.is_some() => gone.push(offer.origin),
                Some(have) => *have = offer,
                None => held.push(offer),
            }
        }
    }

    /// Where a clock of our own can stand in for C1: whether it is served. Undecided while a source that can change holds
    /// nothing yet.
    fn decide_c1(&self, values: &Values, held: &[Offer]) {
        if self.c1 == C1Need::Always {
            return;
        }
        let mut changing = held.iter().filter(|offer| offer.origin != Origin::Settings).peekable();
        let said = changing.peek().is_none() || changing.any(|offer| offer.values.is_some());
        let wanted = values.has_any(&Key::C1);
        if said || wanted {
            self.state
                .send_if_modified(|state| state.wants_c1.is_none() && state.wants_c1.replace(wanted).is_none());
        }
    }

    fn warn_of(&self, offer: &Offer, held: &[Offer]) {
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
        // Other values beside the same names are no news.
        let is_told = |have: &Offer| {
            let before = have.values.as_ref().filter(|_| have.origin == offer.origin);
            before.is_some_and(|before| before.ignored() == values.ignored())
        };
        if !values.ignored().is_empty() && !held.iter().any(is_told) {
            (self.notice)(&CredentialNotice::Ignored {
                keys: values.ignored(),
                origin: offer.origin,
            });
        }
    }
}

/// Secret over directory over settings.
fn lay(held: &[Offer]) -> Values {
    let mut all = Values::default();
    for origin in Origin::BY_RANK {
        let offers = held.iter().filter(|offer| offer.origin == origin);
        for values in offers.filter_map(|offer| offer.values.as_ref()) {
            all.fill(values);
        }
    }
    all
}

/// The loop of one side.
struct SideLoop<T> {
    state: Arc<watch::Sender<CredentialState>>,
    notice: NoticeFn,
    merged: watch::Receiver<Merged>,
    field: fn(&mut CredentialState) -> &mut Held<T>,
    /// The problem that was told last, and the fingerprint of what has it.
    told: Option<(Problem, Option<String>)>,
    pulse: Pulse,
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

impl<T: SideCredentials> SideLoop<T> {
    async fn run<P: Prover>(mut self, prover: &P) -> Result<(), Problem> {
        let mut waits = fresh();
        loop {
            self.pulse.due_within(PROOF);
            let merged = self.merged.borrow_and_update().clone();
            let again = match self.judge(&merged) {
                Judged::Settled => None,
                Judged::Faulty(problem) => {
                    self.refuse(problem, None)?;
                    None
                }
                Judged::New(values) => {
                    self.use_settings(&values);
                    let proof = tokio::time::timeout(PROOF, values.prove(prover));
                    let outcome = tokio::select! {
                        changed = self.merged.changed() => match changed {
                            Ok(()) => continue,
                            Err(_) => return Ok(()),
                        },
                        outcome = proof => outcome,
                    };
                    let late = || {
                        Err(ProofError::Unreachable(format!(
                            "no answer within {} s",
                            PROOF.as_secs()
                        )))
                    };
                    match outcome.unwrap_or_else(|_| late()) {
                        Ok(()) => {
                            self.swap(values);
                            waits = fresh();
                            None
                        }
                        Err(error) => {
                            let wait = match error {
                                ProofError::Refused { .. } => AGAIN,
                                ProofError::Unreachable(_) => waits.next_delay(None),
                            };
                            self.refuse(error.into(), Some(values.fingerprint()))?;
                            Some(wait)
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
        let held = self.held();
        let Some(current) = held.current.filter(|_| held.proved_at.is_some()) else {
            return Judged::New(next);
        };
        if current.same(&next) {
            if self.told.take().is_some() {
                self.set_problem(None);
                (self.notice)(&CredentialNotice::Restored(T::SIDE));
            }
            return Judged::Settled;
        }
        match current.refuses(&next) {
            Some(problem) => Judged::Faulty(problem),
            None => Judged::New(next),
        }
    }

    fn held(&self) -> Held<T> {
        (self.field)(&mut self.state.borrow().clone()).clone()
    }

    /// Where only settings exist they are used before they are proved: whoever serves C1 can say so while PingOne is down.
    fn use_settings(&self, values: &T) {
        let field = self.field;
        self.state.send_if_modified(|state| {
            if state.can_change || field(state).current.is_some() {
                return false;
            }
            field(state).current = Some(Arc::new(values.clone()));
            true
        });
    }

    fn swap(&mut self, values: T) {
        let field = self.field;
        let fingerprint = values.fingerprint();
        let mut first = false;
        self.state.send_modify(|state| {
            let is_in_use = !state.can_change;
            let held = field(state);
            first = held.proved_at.is_none();
            if !is_in_use || held.current.is_none() {
                held.current = Some(Arc::new(values));
            }
            held.proved_at = Some(SystemTime::now());
            held.fingerprint.clone_from(&fingerprint);
            held.generation = held.generation.saturating_add(1);
            held.problem = None;
        });
        self.told = None;
        let (side, fingerprint) = (T::SIDE, fingerprint.as_str());
        (self.notice)(&if first {
            CredentialNotice::Loaded { side, fingerprint }
        } else {
            CredentialNotice::Reloaded { side, fingerprint }
        });
    }

    /// Tells it once; an error where the process cannot wait for something better.
    fn refuse(&mut self, problem: Problem, fingerprint: Option<String>) -> Result<(), Problem> {
        if !self.state.borrow().can_change && problem.is_final() {
            return Err(problem);
        }
        self.set_problem(Some(problem.clone()));
        let again = self
            .told
            .as_ref()
            .is_some_and(|(told, of)| problem.is_again(told) && *of == fingerprint);
        if !again {
            (self.notice)(&CredentialNotice::Refused {
                side: T::SIDE,
                problem: &problem,
                has_older: self.held().proved_at.is_some(),
            });
            self.told = Some((problem, fingerprint));
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
        loop {
            let tick = Instant::now() + TICK;
            let wake = next.map_or(tick, |at| at.min(tick));
            self.pulse.due_within(TICK);
            tokio::select! {
                changed = self.merged.changed() => return changed.is_ok(),
                () = tokio::time::sleep_until(wake) => {}
            }
            if next.is_some_and(|at| Instant::now() >= at) {
                return true;
            }
        }
    }
}

fn fresh() -> Backoff {
    Backoff::new(Duration::from_secs(2), Duration::from_secs(30))
}

#[cfg(test)]
mod tests;
