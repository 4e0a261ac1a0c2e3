//! At the end of a term no task is lost between C1 and the process.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use process::runtime::leader_guard::LeaderGuard;
use process::runtime::shutdown::Shutdown;
use process::runtime::supervisor::Ending;
use sandbox::c1::{Rpc, Step};
use tokio::time::Instant;

use super::rig::{Rig, Setup};
use super::script::{grant, sync};

fn codes(rig: &Rig, id: &str) -> Vec<i32> {
    let finishes = rig.server.finishes(id).into_iter();
    finishes
        .map(|finish| finish.status.map_or(0, |status| status.code))
        .collect()
}

/// C1 hands a task over a second after the signal.
#[tokio::test(start_paused = true)]
async fn sigterm_gives_back_what_the_open_poll_brings() {
    for batched in [false, true] {
        for task in [grant(), sync()] {
            let mut rig = Rig::new(Setup {
                batched,
                ..Setup::default()
            })
            .await;
            let (rpc, name) = if batched {
                (Rpc::GetTasks, "GetTasks")
            } else {
                (Rpc::GetTask, "GetTask")
            };
            rig.server.plan(rpc, [Step::Delay(Duration::from_secs(1))]);
            let id = rig.server.queue(task);
            rig.start();
            rig.server.wait_for(name, 1).await;
            let started = Instant::now();
            assert_eq!(rig.stop().await, Ending::Clean);
            assert!(started.elapsed() < Duration::from_secs(2));
            assert_eq!(codes(&rig, &id), [1], "{name}");
            assert!(
                !rig.server.finishes(&id)[0]
                    .final_state
                    .as_ref()
                    .is_some_and(final_for_c1)
            );
            assert_eq!(
                (rig.writes.calls(), rig.server.count("Heartbeat")),
                (0, 0),
                "nothing was begun"
            );
            assert_eq!(rig.server.count(name), 1, "nothing more was asked for");
        }
    }
}

/// A poll that is open at the end is awaited for two seconds, and never for more than a quarter of the shutdown's budget.
#[tokio::test(start_paused = true)]
async fn sigterm_waits_for_an_open_poll_for_two_seconds_or_a_quarter_of_the_grace() {
    for (grace, wanted) in [(2, 0.5), (4, 1.0), (8, 2.0), (25, 2.0), (60, 2.0)] {
        let mut rig = Rig::new(Setup {
            grace: Duration::from_secs(grace),
            ..Setup::default()
        })
        .await;
        rig.server.plan(Rpc::GetTask, [Step::Hang]);
        rig.start();
        rig.server.wait_for("GetTask", 1).await;
        let started = Instant::now();
        assert_eq!(rig.stop().await, Ending::Clean);
        let took = started.elapsed().as_secs_f64();
        assert!((wanted..wanted + 0.1).contains(&took), "{grace} s: {took}");
    }
}

fn final_for_c1(state: &sandbox::c1::proto::baton::baton_service_finish_task_request::FinalState) -> bool {
    use sandbox::c1::proto::baton::baton_service_finish_task_request::FinalState;
    match state {
        FinalState::Success(_) => true,
        FinalState::Error(error) => error.non_retryable,
    }
}

/// The Lease is lost while a poll is open. `reports`: whether nobody else can lead yet.
async fn lose_the_lease(reports: bool) -> (Rig, Vec<String>) {
    let leads = Arc::new(AtomicBool::new(true));
    let seen = Arc::clone(&leads);
    let guard = LeaderGuard::new(move || seen.load(Ordering::SeqCst)).with_reports(move || reports);
    let rig = Rig::new(Setup {
        guard,
        ..Setup::default()
    })
    .await;
    rig.server
        .plan(Rpc::GetTask, [Step::Normal, Step::Delay(Duration::from_secs(1))]);
    rig.writes.plan(super::fake::WritePlan::Slow(Duration::from_mins(5)));
    let ids = vec![rig.server.queue(grant()), rig.server.queue(grant())];
    let term = Shutdown::new().term();
    let lost = async {
        rig.server.wait_for("GetTask", 2).await;
        leads.store(false, Ordering::SeqCst);
        term.end();
    };
    let (served, ()) = tokio::join!(rig.session.run(&term), lost);
    served.unwrap();
    (rig, ids)
}

#[tokio::test(start_paused = true)]
async fn a_lost_lease_gives_running_and_coming_tasks_back_as_long_as_nobody_else_can_lead() {
    let (rig, ids) = lose_the_lease(true).await;
    for id in &ids {
        assert_eq!(codes(&rig, id), [1]);
    }
    assert_eq!(rig.writes.calls(), 1, "the second one was not begun");
    let (rig, ids) = lose_the_lease(false).await;
    for id in &ids {
        assert!(codes(&rig, id).is_empty(), "somebody else leads");
    }
}
