//! Who works: this process alone, or whoever holds the Lease. What is done is in [`super::term`].

use std::future::Future;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use super::context::Context;
use crate::config::{KubernetesSettings, LeaderElection};
use crate::k8s::events::Event;
use crate::k8s::lease::{Election, ElectionNotice, Notes, NoticeFn, Timing};
use crate::k8s::{self, setup};
use process::runtime::leader_guard::LeaderGuard;
use process::runtime::readiness::Condition;
use process::runtime::shutdown::Term;
use process::runtime::supervisor::Failure;

/// Between looks whether the API server has answered.
const LOOK: Duration = Duration::from_millis(200);

/// Whether and how to stand for election.
pub(super) struct Candidacy {
    wanted: setup::Wanted,
    lease: String,
    timing: Timing,
    pod: String,
    notes: Notes,
}

impl Candidacy {
    /// From the settings. `alone` says that a process of this kind leads without being asked; `notes` go onto the Lease.
    pub(super) fn new(settings: &KubernetesSettings, host: &str, alone: bool, notes: Notes) -> anyhow::Result<Self> {
        let wanted = match settings.leader_election {
            LeaderElection::On => setup::Wanted::Yes,
            LeaderElection::Off => setup::Wanted::No,
            LeaderElection::Auto if alone => setup::Wanted::No,
            LeaderElection::Auto => setup::Wanted::Auto,
        };
        Ok(Self {
            wanted,
            lease: settings.lease_name.clone(),
            timing: Timing::new(settings.lease_duration, settings.renew_deadline, settings.retry_period)?,
            pod: settings.surroundings.pod.clone().unwrap_or_else(|| host.to_owned()),
            notes,
        })
    }

    /// Works in terms until the process drains. Work that fails ends it.
    pub(super) async fn run<W, F>(
        self,
        kube: Option<k8s::Client>,
        context: Context,
        work: Arc<W>,
    ) -> Result<(), Failure>
    where
        W: Fn(LeaderGuard, Term) -> F + Send + Sync + 'static,
        F: Future<Output = Result<(), Failure>> + Send + 'static,
    {
        let draining = context.shutdown.draining().clone();
        context.readiness.miss(
            Condition::Session,
            "the API server has not answered about the Lease yet",
        );
        let found = tokio::select! {
            () = draining.cancelled() => return Ok(()),
            found = setup::election(kube.as_ref(), self.wanted, &self.lease, &self.timing) => found?,
        };
        let (Some(leases), Some(kube)) = (found, kube) else {
            context.metrics.leader.set(1);
            context.play("works alone, without a Lease");
            return work(LeaderGuard::always(), context.shutdown.term()).await;
        };
        let leading = Arc::new(AtomicBool::new(false));
        context.play("stands by");
        context.metrics.standby.set(1);
        let pulse = context.liveness.register("lease", self.timing.request());
        let notice = notice(&context, &leading);
        let leases = leases.with_notes(self.notes.clone());
        let election = Election::new(leases, &self.pod, self.timing, notice).with_pulse(pulse);
        let failed: Arc<Mutex<Option<Failure>>> = Arc::default();
        let terms = election.run(draining, |leadership| {
            let (work, failed) = (Arc::clone(&work), Arc::clone(&failed));
            let term = context.shutdown.term();
            async move {
                let running = work(leadership.guard.clone(), term.clone());
                tokio::pin!(running);
                let ended = tokio::select! {
                    ended = &mut running => ended,
                    () = leadership.lost.cancelled() => {
                        term.end();
                        running.await
                    }
                };
                if let Err(error) = ended {
                    *failed.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
                }
            }
        });
        // A replica that stands by is ready as soon as the API server has answered it: leadership is no condition.
        let standing_by = async {
            while !kube.was_reached() {
                tokio::time::sleep(LOOK).await;
            }
            if !leading.load(Ordering::SeqCst) {
                context.readiness.meet(Condition::Session);
            }
            std::future::pending::<()>().await;
        };
        tokio::select! {
            () = terms => {}
            () = standing_by => {}
        }
        match failed.lock().unwrap_or_else(PoisonError::into_inner).take() {
            Some(error) => Err(error),
            None => Ok(()),
        }
    }
}

fn notice(context: &Context, leading: &Arc<AtomicBool>) -> NoticeFn {
    let (context, leading) = (context.clone(), Arc::clone(leading));
    Arc::new(move |notice: &ElectionNotice<'_>| {
        notice.log();
        let stand_by = |role: String| {
            leading.store(false, Ordering::SeqCst);
            context.metrics.leader.set(0);
            context.metrics.standby.set(1);
            context.play(role);
        };
        match notice {
            ElectionNotice::Elected { term, .. } => {
                leading.store(true, Ordering::SeqCst);
                context.metrics.leader.set(1);
                context.metrics.standby.set(0);
                context.metrics.lease_transitions.inc();
                context.play(format!("leads, term {term}"));
                context.events.tell(Event::LeaderElected { term: *term });
            }
            ElectionNotice::Lost { .. } => {
                context.metrics.lease_transitions.inc();
                stand_by("stands by after the Lease was lost".to_owned());
            }
            ElectionNotice::Released => stand_by("gave the Lease back".to_owned()),
            ElectionNotice::Following { holder } => {
                stand_by(format!("stands by; {holder} leads"));
                context.readiness.meet(Condition::Session);
            }
            _ => {}
        }
    })
}
