//! Faults that must end well: each task is finished once or honestly failed, nothing of a partial sync is uploaded, no
//! file is left, and the session goes on.

use std::sync::Arc;
use std::time::Duration;

use baton::session::C1Credentials;
use process::runtime::supervisor::Ending;
use sandbox::c1::proto::baton as pb;
use sandbox::c1::{Identity, Rpc, Step, TokenStep, ksuid};
use tokio::time::{Instant, sleep, timeout};

use super::fake::{FakeSyncs, SyncPlan, WritePlan};
use super::rig::{CLIENT_ID, Rig, Setup, gaps};
use super::script::{grant, sync};

fn codes(rig: &Rig, id: &str) -> Vec<i32> {
    let finishes = rig.server.finishes(id).into_iter();
    finishes
        .map(|finish| finish.status.map_or(0, |status| status.code))
        .collect()
}

fn clean(rig: &Rig) {
    assert!(rig.server.violations().is_empty(), "{:?}", rig.server.violations());
    assert_eq!(rig.syncs.files(), 0);
}

#[tokio::test(start_paused = true)]
async fn c1_down_for_an_hour_in_the_middle_of_a_sync() {
    let rig = Rig::started(Setup::default()).await;
    rig.syncs.plan(SyncPlan::UntilCancelled);
    let lost = rig.server.queue(sync());
    rig.server.wait_for("Heartbeat", 1).await;
    rig.server.set_down(true);
    sleep(Duration::from_hours(1)).await;
    assert!(rig.metric("baton_ping_one_session_connected 0"));
    assert!(rig.server.finishes(&lost).is_empty());
    rig.syncs.plan(SyncPlan::File(Duration::from_secs(1), 1000));
    rig.server.set_down(false);
    rig.server.requeue_unfinished();
    let up = Instant::now();
    rig.server.finished(&lost).await;
    assert!(
        up.elapsed() < Duration::from_secs(75),
        "the next poll is at most a minute away"
    );
    assert_eq!(codes(&rig, &lost), [0]);
    assert_eq!(rig.server.count("Hello"), 1, "the session is the same");
    clean(&rig);
}

#[tokio::test(start_paused = true)]
async fn a_token_that_expires_during_sync_and_upload_is_renewed() {
    let rig = Rig::started(Setup {
        token_lifetime: 15,
        ..Setup::default()
    })
    .await;
    rig.syncs.plan(SyncPlan::File(Duration::from_mins(5), 3_000_000));
    rig.server.plan(Rpc::Heartbeat, vec![Step::NextHeartbeat(7); 60]);
    rig.server.plan(Rpc::UploadAsset, [Step::StallAfter(1)]);
    let id = rig.server.queue(sync());
    rig.server.finished(&id).await;
    assert_eq!(codes(&rig, &id), [0]);
    assert!(rig.metric("baton_ping_one_heartbeat_failures_total 0"));
    clean(&rig);
}

#[tokio::test(start_paused = true)]
async fn a_slow_token_endpoint_does_not_keep_a_finish_from_being_sent() {
    let rig = Rig::started(Setup {
        token_lifetime: 15,
        ..Setup::default()
    })
    .await;
    rig.writes.plan(WritePlan::Slow(Duration::from_mins(1)));
    let id = rig.server.queue(grant());
    rig.server.wait_for("GetTask", 2).await;
    // Longer than one attempt of FinishTask has, and every token takes it.
    rig.server
        .plan_tokens(vec![TokenStep::Delay(Duration::from_secs(20)); 20]);
    rig.server.finished(&id).await;
    assert_eq!(codes(&rig, &id), [0]);
    assert!(rig.metric("baton_ping_one_finish_failures_total 0"));
    clean(&rig);
}

/// Slower than a call waits for it: the request goes on, and the next call has its token.
#[tokio::test(start_paused = true)]
async fn a_token_endpoint_that_needs_longer_than_a_call_waits_is_not_asked_anew() {
    let mut rig = Rig::new(Setup::default()).await;
    rig.server.plan_tokens(vec![TokenStep::Delay(Duration::from_secs(50))]);
    rig.start();
    let id = rig.server.queue(grant());
    rig.server.finished(&id).await;
    assert_eq!((codes(&rig, &id), rig.server.count("Token")), (vec![0], 1));
}

/// Without a lifetime no token can be kept; that costs one request for each call and not more.
#[tokio::test(start_paused = true)]
async fn a_token_that_cannot_be_kept_is_asked_for_once_for_each_call() {
    let rig = Rig::started(Setup {
        token_lifetime: 5,
        ..Setup::default()
    })
    .await;
    let id = rig.server.queue(grant());
    rig.server.finished(&id).await;
    let calls: usize = ["Hello", "GetTask", "FinishTask"]
        .map(|method| rig.server.count(method))
        .iter()
        .sum();
    let tokens = rig.server.count("Token");
    assert!(tokens <= calls + 1, "{tokens} tokens for {calls} calls");
}

/// What C1 handed over and no slot was free for goes back at a shutdown.
#[tokio::test(start_paused = true)]
async fn sigterm_hands_back_what_waits_for_a_slot() {
    let mut rig = Rig::started(Setup {
        batched: true,
        slots: 1,
        ..Setup::default()
    })
    .await;
    rig.server.wait_for("GetTasks", 1).await;
    rig.writes.plan(WritePlan::Slow(Duration::from_secs(10)));
    let ids = [rig.server.queue(grant()), rig.server.queue(grant())];
    rig.server.wait_for("GetTasks", 2).await;
    sleep(Duration::from_secs(2)).await;
    assert_eq!(rig.stop().await, Ending::Clean);
    let ends: Vec<_> = ids.iter().map(|id| codes(&rig, id)).collect();
    assert_eq!(ends, [vec![0], vec![1]]);
}

#[tokio::test(start_paused = true)]
async fn a_token_that_is_refused_in_an_upload_is_renewed_for_the_next_attempt() {
    let rig = Rig::started(Setup::default()).await;
    rig.server.plan(Rpc::UploadAsset, [Step::CutAfter(1, 16)]);
    let id = rig.server.queue(sync());
    rig.server.finished(&id).await;
    assert_eq!(codes(&rig, &id), [0]);
    assert_eq!(rig.server.count("Token"), 2);
    clean(&rig);
}

#[tokio::test(start_paused = true)]
async fn an_upload_that_is_cut_after_any_chunk_starts_again() {
    for cut in 0..=3 {
        for step in [Step::CutAfter(cut, 14), Step::DisconnectAfter(cut)] {
            let rig = Rig::started(Setup::default()).await;
            rig.server.plan(Rpc::UploadAsset, [step.clone()]);
            let id = rig.server.queue(sync());
            rig.server.finished(&id).await;
            assert_eq!(codes(&rig, &id), [0], "{step:?}");
            let uploads = rig.server.uploads(&id);
            let files: Vec<_> = uploads.iter().filter_map(|upload| upload.file.as_ref()).collect();
            assert_eq!(files.len(), 1, "{step:?}");
            assert_eq!(std::fs::read(files[0]).unwrap(), FakeSyncs::bytes(1_200_000));
            clean(&rig);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn an_upload_that_took_effect_without_an_answer_is_sent_again() {
    let rig = Rig::started(Setup::default()).await;
    rig.server.plan(Rpc::UploadAsset, [Step::EffectThenStatus(14)]);
    let id = rig.server.queue(sync());
    rig.server.finished(&id).await;
    assert_eq!((codes(&rig, &id), rig.server.uploads(&id).len()), (vec![0], 2));
    clean(&rig);
}

/// Connections for calls; the token endpoint has its own.
fn connections(rig: &Rig) -> usize {
    rig.server.count("Connection") - rig.server.count("Token")
}

/// The task is finished before much time has passed.
async fn finished(rig: &Rig, id: &str) {
    let limit = Duration::from_mins(10);
    assert!(timeout(limit, rig.server.finished(id)).await.is_ok(), "never finished");
}

#[tokio::test(start_paused = true)]
async fn on_a_half_open_connection_the_next_task_is_taken_within_two_minutes() {
    for (batched, idle_poll) in [(false, 1), (true, 1), (false, 60)] {
        let rig = Rig::started(Setup {
            batched,
            idle_poll: Duration::from_secs(idle_poll),
            ..Setup::default()
        })
        .await;
        rig.server
            .wait_for(if batched { "GetTasks" } else { "GetTask" }, 2)
            .await;
        let frozen = Instant::now();
        rig.freeze();
        let id = rig.server.queue(grant());
        finished(&rig, &id).await;
        let took = frozen.elapsed();
        assert!(
            took < Duration::from_mins(2) + Duration::from_secs(idle_poll),
            "{took:?}"
        );
        assert_eq!((codes(&rig, &id), connections(&rig)), (vec![0], 2));
        assert_eq!(rig.server.count("Hello"), 1, "the session is the same");
        clean(&rig);
    }
}

#[tokio::test(start_paused = true)]
async fn a_finished_task_is_reported_in_time_when_the_connection_goes_silent() {
    let rig = Rig::started(Setup {
        slots: 1,
        ..Setup::default()
    })
    .await;
    rig.writes.plan(WritePlan::Slow(Duration::from_secs(20)));
    let id = rig.server.queue(grant());
    sleep(Duration::from_secs(5)).await;
    assert_eq!(rig.writes.calls(), 1);
    rig.freeze();
    let frozen = Instant::now();
    finished(&rig, &id).await;
    assert!(frozen.elapsed() < Duration::from_secs(15 + 30));
    assert_eq!((codes(&rig, &id), connections(&rig)), (vec![0], 2));
    assert!(rig.metric("baton_ping_one_finish_failures_total 0"));
    clean(&rig);
}

#[tokio::test(start_paused = true)]
async fn an_upload_on_a_connection_that_goes_silent_starts_again_on_another() {
    for slots in [1, 3] {
        let rig = Rig::started(Setup {
            slots,
            ..Setup::default()
        })
        .await;
        rig.syncs.plan(SyncPlan::File(Duration::ZERO, 20_000_000));
        rig.server.plan(Rpc::UploadAsset, [Step::StallAfter(1)]);
        let id = rig.server.queue(sync());
        rig.server.wait_for("Heartbeat", 1).await;
        sleep(Duration::from_secs(5)).await;
        rig.freeze();
        finished(&rig, &id).await;
        // Calls and the upload each took another connection.
        assert_eq!((codes(&rig, &id), connections(&rig)), (vec![0], 4));
        clean(&rig);
    }
}

#[tokio::test(start_paused = true)]
async fn a_long_poll_on_a_living_connection_is_waited_for() {
    let mut rig = Rig::new(Setup::default()).await;
    let long = Step::Delay(Duration::from_secs(350));
    rig.server.plan(Rpc::GetTask, [long.clone(), long]);
    rig.start();
    rig.server.wait_for("GetTask", 3).await;
    let polls = gaps(&rig.server.times("GetTask"));
    assert!(polls[..2].iter().all(|gap| *gap >= 350.0), "{polls:?}");
    assert_eq!(connections(&rig), 1);
    let id = rig.server.queue(grant());
    finished(&rig, &id).await;
    assert_eq!(codes(&rig, &id), [0]);
    clean(&rig);
}

#[tokio::test(start_paused = true)]
async fn the_same_task_twice_is_worked_on_once_and_does_not_spin() {
    for batched in [false, true] {
        let rig = Rig::started(Setup {
            batched,
            ..Setup::default()
        })
        .await;
        rig.writes.plan(WritePlan::Slow(Duration::from_secs(30)));
        let task = pb::Task {
            id: ksuid(),
            task_type: Some(grant()),
            ..Default::default()
        };
        for _ in 0..5 {
            rig.server.queue_task(task.clone());
        }
        rig.server.finished(&task.id).await;
        sleep(Duration::from_secs(5)).await;
        assert_eq!((rig.writes.calls(), codes(&rig, &task.id).len()), (1, 1));
        assert!(rig.server.count(if batched { "GetTasks" } else { "GetTask" }) < 60);
        clean(&rig);
    }
}

#[tokio::test(start_paused = true)]
async fn tasks_that_come_faster_than_the_work_wait_for_a_slot() {
    let rig = Rig::started(Setup::default()).await;
    rig.writes.plan(WritePlan::Slow(Duration::from_secs(10)));
    let ids: Vec<_> = (0..12).map(|_| rig.server.queue(grant())).collect();
    let started = Instant::now();
    for id in &ids {
        rig.server.finished(id).await;
        assert_eq!(codes(&rig, id), [0]);
    }
    let took = started.elapsed().as_secs();
    assert!((40..=45).contains(&took), "four rounds of three: {took}");
    // That a task was asked for without a free slot would be a violation.
    clean(&rig);
}

#[tokio::test(start_paused = true)]
async fn a_sync_does_not_delay_other_tasks() {
    let rig = Rig::started(Setup {
        idle_poll: Duration::ZERO,
        ..Setup::default()
    })
    .await;
    rig.syncs.plan(SyncPlan::UntilCancelled);
    rig.server.queue(sync());
    rig.server.wait_for("Heartbeat", 1).await;
    for _ in 0..10 {
        let started = Instant::now();
        let id = rig.server.queue(grant());
        rig.server.finished(&id).await;
        assert!(started.elapsed() <= Duration::from_millis(1100), "within one poll");
    }
}

#[tokio::test(start_paused = true)]
async fn sigterm_while_idle_and_while_starting_ends_at_once() {
    let mut rig = Rig::started(Setup::default()).await;
    rig.server.wait_for("GetTask", 3).await;
    let started = Instant::now();
    assert_eq!(rig.stop().await, Ending::Clean);
    assert!(started.elapsed() < Duration::from_millis(10));
    let mut rig = Rig::new(Setup::default()).await;
    rig.server.set_down(true);
    rig.start();
    sleep(Duration::from_secs(100)).await;
    assert_eq!(rig.stop().await, Ending::Clean);
}

#[tokio::test(start_paused = true)]
async fn sigterm_during_an_upload_reports_it_as_cancelled() {
    let mut rig = Rig::started(Setup::default()).await;
    rig.syncs.plan(SyncPlan::File(Duration::ZERO, 20_000_000));
    rig.server.plan(Rpc::UploadAsset, [Step::StallAfter(1)]);
    let id = rig.server.queue(sync());
    rig.server.wait_for("Heartbeat", 1).await;
    sleep(Duration::from_secs(5)).await;
    assert_eq!(rig.stop().await, Ending::Clean);
    assert_eq!(codes(&rig, &id), [1]);
    assert!(rig.server.uploads(&id).iter().all(|upload| upload.file.is_none()));
    clean(&rig);
}

#[tokio::test(start_paused = true)]
async fn sigterm_while_the_first_heartbeat_hangs_reports_the_sync_as_cancelled() {
    let mut rig = Rig::started(Setup::default()).await;
    rig.server.plan(Rpc::Heartbeat, [Step::Hang]);
    let id = rig.server.queue(sync());
    rig.server.wait_for("Heartbeat", 1).await;
    let started = Instant::now();
    assert_eq!(rig.stop().await, Ending::Clean);
    assert!(started.elapsed() < Duration::from_secs(1), "{:?}", started.elapsed());
    assert_eq!(codes(&rig, &id), [1]);
    assert!(rig.syncs.requests.lock().unwrap().is_empty(), "no work was done");
}

#[tokio::test(start_paused = true)]
async fn a_panic_in_a_task_fails_the_task_and_not_the_process() {
    let mut rig = Rig::started(Setup::default()).await;
    rig.syncs.plan(SyncPlan::Panic);
    let id = rig.server.queue(sync());
    rig.server.finished(&id).await;
    assert_eq!(codes(&rig, &id), [13]);
    let id = rig.server.queue(grant());
    rig.server.finished(&id).await;
    assert_eq!(codes(&rig, &id), [0]);
    assert_eq!(rig.stop().await, Ending::Clean);
}

#[tokio::test(start_paused = true)]
async fn a_session_that_is_wedged_fails_liveness() {
    let mut rig = Rig::new(Setup {
        metadata_hangs: true,
        ..Setup::default()
    })
    .await;
    rig.start();
    sleep(Duration::from_secs(55)).await;
    assert!(rig.is_alive());
    sleep(Duration::from_secs(20)).await;
    assert!(!rig.is_alive());
    assert_eq!(rig.liveness.states().len(), 1, "it is late and not gone");
}

#[tokio::test(start_paused = true)]
async fn a_busy_or_waiting_session_does_not_fail_liveness() {
    let mut rig = Rig::new(Setup {
        slots: 1,
        ..Setup::default()
    })
    .await;
    rig.writes.plan(WritePlan::Slow(Duration::from_secs(590)));
    rig.server.plan(
        Rpc::GetTask,
        [Step::NextPoll(300), Step::Delay(Duration::from_secs(350))],
    );
    rig.server.queue(grant());
    rig.start();
    for _ in 0..130 {
        sleep(Duration::from_secs(10)).await;
        assert!(rig.is_alive());
    }
    assert_eq!(rig.server.count("FinishTask"), 1);
}

#[tokio::test(start_paused = true)]
async fn a_rotation_holds_up_no_call_and_each_call_uses_the_credentials_in_force() {
    let rig = Rig::started(Setup::default()).await;
    rig.server.wait_for("GetTask", 1).await;
    let rotate = |identity: Identity| {
        let parsed = C1Credentials::parse(&identity.client_id, &identity.client_secret).unwrap();
        rig.credentials.send_replace(Arc::new(parsed));
    };
    let tokens = rig.server.count("Token");
    // Refused, of another tenant, hanging: the calls go on with the token that is still good.
    rig.server.plan_tokens([TokenStep::Status(401)]);
    rotate(Identity::from_seed(CLIENT_ID, [7; 32]).unwrap());
    rig.server.wait_for("Token", tokens + 1).await;
    rotate(Identity::from_seed("x@other.example/baton", [7; 32]).unwrap());
    let polls = rig.server.count("GetTask");
    rig.server.wait_for("GetTask", polls + 20).await;
    assert_eq!(
        rig.server.count("Token"),
        tokens + 1,
        "an assertion went to another tenant"
    );
    rig.server.plan_tokens([TokenStep::Hang]);
    rotate(Identity::from_seed(CLIENT_ID, [7; 32]).unwrap());
    rig.server.wait_for("Token", tokens + 3).await;
    let polls = rig.server.count("GetTask");
    rig.server.wait_for("GetTask", polls + 5).await;
    assert_eq!(rig.server.count("Token"), tokens + 3, "one token for one rotation");
    let gaps = gaps(&rig.server.times("GetTask"));
    assert!(
        gaps.iter().all(|gap| *gap < 1.2),
        "the session did not notice: {gaps:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_token_endpoint_that_fails_in_the_middle_is_asked_again() {
    let rig = Rig::started(Setup {
        token_lifetime: 12,
        ..Setup::default()
    })
    .await;
    rig.server.wait_for("GetTask", 1).await;
    rig.server
        .plan_tokens([TokenStep::Status(500), TokenStep::Status(500), TokenStep::Status(401)]);
    sleep(Duration::from_mins(2)).await;
    let id = rig.server.queue(grant());
    rig.server.finished(&id).await;
    assert_eq!(codes(&rig, &id), [0]);
    clean(&rig);
}

#[tokio::test(start_paused = true)]
async fn losing_the_lease_cancels_the_tasks_and_a_new_term_says_hello_again() {
    use process::runtime::shutdown::Shutdown;
    let rig = Rig::new(Setup::default()).await;
    rig.writes.plan(WritePlan::Slow(Duration::from_mins(10)));
    let shutdown = Shutdown::new();
    for round in 1..=2 {
        let term = shutdown.term();
        let id = rig.server.queue(grant());
        let session = Arc::clone(&rig.session);
        let lost = async {
            rig.server.wait_until(|_| rig.writes.calls() == round).await;
            term.end();
        };
        let (served, ()) = tokio::join!(session.run(&term), lost);
        served.unwrap();
        assert_eq!(codes(&rig, &id), [1]);
        assert_eq!(rig.server.count("Hello"), round);
    }
    clean(&rig);
}
