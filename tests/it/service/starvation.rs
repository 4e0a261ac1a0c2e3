//! Whatever is slow holds up only itself: an upload no call, a call no connection.

use std::time::Duration;

use sandbox::c1::{Rpc, Step};
use tokio::time::{Instant, sleep};

use super::fake::{SyncPlan, WritePlan};
use super::rig::{Rig, Setup, gaps};
use super::script::{grant, sync};

/// Polls, heartbeats and a grant go on as if nothing were uploaded, for `time`.
async fn calls_go_on(rig: &Rig, time: Duration, slack: f64) {
    let (polls, beats) = (rig.server.count("GetTask"), rig.server.count("Heartbeat"));
    let until = Instant::now() + time;
    while Instant::now() < until {
        let asked = Instant::now();
        let id = rig.server.queue(grant());
        rig.server.finished(&id).await;
        let took = asked.elapsed().as_secs_f64();
        assert!(took <= 1.0 + slack, "a grant took {took} s");
    }
    let polls = gaps(&rig.server.times("GetTask")[polls..]);
    assert!(polls.iter().all(|gap| *gap <= 1.0 + slack), "{polls:?}");
    let beats = gaps(&rig.server.times("Heartbeat")[beats..]);
    assert!(
        !beats.is_empty() && beats.iter().all(|gap| *gap <= 5.0 + slack),
        "{beats:?}"
    );
}

async fn uploading(step: Step, bytes_per_second: Option<u32>) -> (Rig, String) {
    let rig = Rig::started(Setup::default()).await;
    rig.server.limit_link(bytes_per_second);
    rig.syncs.plan(SyncPlan::File(Duration::ZERO, 20_000_000));
    rig.server.plan(Rpc::Heartbeat, vec![Step::NextHeartbeat(5); 200]);
    rig.server.plan(Rpc::UploadAsset, [step]);
    let id = rig.server.queue(sync());
    rig.server.wait_for("Heartbeat", 1).await;
    (rig, id)
}

#[tokio::test(start_paused = true)]
async fn a_stalled_upload_holds_up_no_call() {
    let (rig, id) = uploading(Step::StallAfter(1), None).await;
    calls_go_on(&rig, Duration::from_secs(50), 0.1).await;
    let finish = rig.server.finished(&id).await.unwrap();
    assert!(finish.status.is_none(), "{finish:?}");
    assert!(rig.server.violations().is_empty(), "{:?}", rig.server.violations());
}

#[tokio::test(start_paused = true)]
async fn an_upload_over_a_slow_link_holds_up_no_call_and_is_not_given_up() {
    let (rig, id) = uploading(Step::Normal, Some(150_000)).await;
    calls_go_on(&rig, Duration::from_secs(50), 1.0).await;
    // Slower than a chunk in a minute.
    rig.server.limit_link(Some(5_000));
    sleep(Duration::from_mins(20)).await;
    assert!(rig.server.uploads(&id).is_empty() && rig.server.finishes(&id).is_empty());
    rig.server.limit_link(None);
    let finish = rig.server.finished(&id).await.unwrap();
    assert!(finish.status.is_none(), "{finish:?}");
    assert_eq!(rig.server.uploads(&id).len(), 1, "the first attempt");
    assert!(rig.server.violations().is_empty(), "{:?}", rig.server.violations());
}

/// Connections that calls were made on.
fn connections(rig: &Rig) -> usize {
    rig.server.count("Connection") - rig.server.count("Token")
}

#[tokio::test(start_paused = true)]
async fn a_slow_heartbeat_does_not_cut_the_connection_under_a_long_poll() {
    let rig = Rig::started(Setup::default()).await;
    rig.syncs.plan(SyncPlan::UntilCancelled);
    rig.server
        .plan(Rpc::GetTask, [Step::Normal, Step::Delay(Duration::from_secs(200))]);
    rig.server.plan(
        Rpc::Heartbeat,
        [Step::NextHeartbeat(1), Step::Hang, Step::Hang, Step::Cancelled],
    );
    let id = rig.server.queue(sync());
    rig.server.finished(&id).await;
    assert_eq!(connections(&rig), 1);
    rig.server.wait_for("GetTask", 3).await;
    let polls = gaps(&rig.server.times("GetTask"));
    assert!(polls[1] >= 200.0, "the poll was waited for: {polls:?}");
    assert_eq!(connections(&rig), 1);
}

#[tokio::test(start_paused = true)]
async fn a_finish_that_is_answered_late_is_taken_and_a_second_one_is_sent_beside_it() {
    for (steps, most) in [
        // The first answers before the second.
        (vec![Step::Delay(Duration::from_secs(12)), Step::Hang], 12),
        // The second answers although the first never does.
        (vec![Step::Hang, Step::Normal], 10),
        // The first takes effect without an answer.
        (vec![Step::EffectThenHang, Step::Delay(Duration::from_secs(5))], 15),
    ] {
        let rig = Rig::started(Setup {
            slots: 1,
            ..Setup::default()
        })
        .await;
        rig.server.wait_for("GetTask", 1).await;
        rig.server.plan(Rpc::FinishTask, steps.clone());
        let id = rig.server.queue(grant());
        rig.server.wait_for("FinishTask", 1).await;
        let (sent, polls) = (Instant::now(), rig.server.count("GetTask"));
        // The only slot is free again.
        rig.server.wait_for("GetTask", polls + 1).await;
        let took = sent.elapsed().as_secs();
        assert!(took <= most + 1, "{steps:?}: {took}");
        assert_eq!(rig.server.finishes(&id).len(), 2, "{steps:?}");
        let between = gaps(&rig.server.times("FinishTask"));
        assert!((10.0..10.1).contains(&between[0]), "{steps:?}: {between:?}");
        assert_eq!(connections(&rig), 1, "{steps:?}");
        assert!(rig.metric("baton_ping_one_finish_failures_total 0"), "{steps:?}");
        assert!(rig.server.violations().is_empty(), "{:?}", rig.server.violations());
    }
}

/// Neither attempt is answered: there is no third, and both end with the one budget.
#[tokio::test(start_paused = true)]
async fn a_finish_that_is_never_answered_is_sent_twice_and_given_up_after_30_seconds() {
    let rig = Rig::started(Setup::default()).await;
    rig.server.plan(Rpc::FinishTask, vec![Step::Hang; 9]);
    let id = rig.server.queue(grant());
    rig.server.wait_for("FinishTask", 1).await;
    let sent = Instant::now();
    while rig.metric("baton_ping_one_finish_failures_total 0") {
        assert!(sent.elapsed() < Duration::from_secs(31), "it is still tried");
        sleep(Duration::from_millis(100)).await;
    }
    let took = sent.elapsed().as_secs_f64();
    assert!((29.9..30.2).contains(&took), "{took}");
    assert_eq!((rig.server.finishes(&id).len(), connections(&rig)), (2, 1));
    assert!(rig.metric("baton_ping_one_tasks_finished_total{kind=\"grant\",outcome=\"unreported\"} 1"));
}

/// A refusal of the second attempt says nothing of the first, which may have been taken.
#[tokio::test(start_paused = true)]
async fn a_refused_second_finish_waits_for_the_first() {
    let rig = Rig::started(Setup::default()).await;
    rig.server
        .plan(Rpc::FinishTask, [Step::Delay(Duration::from_secs(20)), Step::Status(5)]);
    let id = rig.server.queue(grant());
    rig.server.wait_for("FinishTask", 2).await;
    sleep(Duration::from_mins(1)).await;
    assert_eq!(rig.server.finishes(&id).len(), 2);
    assert!(rig.metric("baton_ping_one_finish_failures_total 0"));
}

/// A token that is slow to come is part of the 30 s.
#[tokio::test(start_paused = true)]
async fn the_budget_of_a_finish_holds_its_token() {
    use sandbox::c1::TokenStep;
    let rig = Rig::started(Setup::default()).await;
    rig.writes.plan(WritePlan::Slow(Duration::from_secs(20)));
    rig.server.queue(grant());
    rig.server.wait_until(|_| rig.writes.calls() == 1).await;
    sleep(Duration::from_secs(5)).await;
    rig.server.revoke_tokens();
    rig.server
        .plan_tokens(vec![TokenStep::Delay(Duration::from_mins(1)); 9]);
    let ended = Instant::now() + Duration::from_secs(15);
    while !rig.metric("baton_ping_one_finish_failures_total 1") {
        assert!(ended.elapsed() <= Duration::from_secs(31), "{:?}", ended.elapsed());
        sleep(Duration::from_secs(1)).await;
    }
}
