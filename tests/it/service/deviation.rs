//! The deviations of c1-protocol.md §18. DEV-2 and DEV-6 are also unit tests of the session, DEV-10 is script 22,
//! DEV-15 belongs to the provisioner.

use std::collections::BTreeSet;
use std::time::Duration;

use process::runtime::supervisor::Ending;
use sandbox::c1::proto::baton::baton_service_finish_task_request::FinalState;
use sandbox::c1::proto::baton::task::{self as kinds, TaskType};
use sandbox::c1::{Received, Rpc, Step, TokenStep};
use tokio::time::{Instant, sleep};

use super::fake::{SyncPlan, WritePlan};
use super::rig::{GRACE, Rig, Setup, gaps};
use super::script::{grant, sync};

fn code(rig: &Rig, id: &str) -> Option<i32> {
    let finishes = rig.server.finishes(id);
    finishes
        .first()
        .map(|finish| finish.status.as_ref().map_or(0, |status| status.code))
}

async fn finished(rig: &Rig, id: &str) -> i32 {
    rig.server.finished(id).await.unwrap();
    code(rig, id).unwrap()
}

fn connections(rig: &Rig) -> BTreeSet<u64> {
    let log = rig.server.log().into_iter();
    log.filter(|entry| !matches!(entry.received.name(), "Connection" | "Token"))
        .map(|entry| entry.connection)
        .collect()
}

#[tokio::test(start_paused = true)]
async fn dev01_one_connection_serves_the_session_and_a_lost_one_is_replaced() {
    let rig = Rig::started(Setup::default()).await;
    finished(&rig, &rig.server.queue(sync())).await;
    finished(&rig, &rig.server.queue(grant())).await;
    rig.server.queue(TaskType::Hello(kinds::HelloTask::default()));
    rig.server.wait_for("Hello", 2).await;
    rig.server.wait_for("GetTask", 20).await;
    assert_eq!(connections(&rig).len(), 2, "one for calls, one for the upload");
    rig.server.end_connections();
    finished(&rig, &rig.server.queue(grant())).await;
    assert_eq!(connections(&rig).len(), 3);
    assert!(rig.server.violations().is_empty());
}

#[tokio::test(start_paused = true)]
async fn an_uploads_connection_is_open_for_the_upload_alone() {
    let rig = Rig::started(Setup::default()).await;
    rig.server.wait_for("GetTask", 2).await;
    let idle = rig.server.open_connections();
    let cases = [
        (Vec::new(), 0),
        (vec![Step::CutAfter(1, 14), Step::DisconnectAfter(1)], 0),
        (vec![Step::CutAfter(0, 14); 3], 14),
    ];
    for (uploads, wanted) in cases {
        rig.server.plan(Rpc::UploadAsset, uploads.clone());
        let id = rig.server.queue(sync());
        assert_eq!(finished(&rig, &id).await, wanted, "{uploads:?}");
        rig.server.wait_for("GetTask", rig.server.count("GetTask") + 2).await;
        assert_eq!(rig.server.open_connections(), idle, "{uploads:?}");
    }
    assert!(connections(&rig).len() > 6, "each attempt took a connection of its own");
}

#[tokio::test(start_paused = true)]
async fn dev03_a_start_without_c1_goes_on_until_c1_is_there() {
    let mut rig = Rig::new(Setup::default()).await;
    rig.server.set_down(true);
    rig.start();
    sleep(Duration::from_hours(1)).await;
    let unmet = rig.readiness.unmet();
    assert_eq!(unmet[0].0, "session");
    assert!(
        unmet[0].1.contains("Hello was not called") && unmet[0].1.contains("token endpoint"),
        "{unmet:?}"
    );
    assert!(rig.is_alive(), "waiting is not being wedged");
    rig.server.set_down(false);
    rig.server.wait_for("GetTask", 1).await;
    assert!(rig.readiness.is_ready());
}

#[tokio::test(start_paused = true)]
async fn dev03_a_token_endpoint_in_trouble_is_tried_again_and_a_refusal_is_final() {
    let mut rig = Rig::new(Setup::default()).await;
    let trouble = [500, 429, 503, 404].map(TokenStep::Status);
    rig.server.plan_tokens(trouble);
    rig.server.plan_tokens([
        TokenStep::Body("<html>".to_owned()),
        TokenStep::Body("{}".to_owned()),
        TokenStep::Hang,
    ]);
    rig.start();
    rig.server.wait_for("Hello", 1).await;
    assert_eq!(rig.server.count("Token"), 8);
    for status in [400, 401, 403] {
        let mut rig = Rig::new(Setup::default()).await;
        rig.server.plan_tokens([TokenStep::Status(status)]);
        rig.start();
        assert_eq!(rig.ending().await.exit_code(), 1, "{status}");
        assert_eq!(rig.server.count("Hello"), 0);
    }
}

#[tokio::test(start_paused = true)]
async fn dev03_codes_of_c1_are_final_or_not_at_the_start() {
    for (code, is_final) in [
        (3, true),
        (5, true),
        (7, true),
        (9, true),
        (12, true),
        (4, false),
        (8, false),
        (13, false),
    ] {
        let mut rig = Rig::new(Setup::default()).await;
        rig.server.plan(Rpc::Hello, [Step::Status(code)]);
        rig.start();
        if is_final {
            assert_eq!(rig.ending().await.exit_code(), 1, "{code}");
        } else {
            rig.server.wait_for("GetTask", 1).await;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn dev04_a_refused_token_is_dropped_and_the_call_repeated_once() {
    let rig = Rig::started(Setup::default()).await;
    rig.server.wait_for("GetTask", 3).await;
    rig.server.revoke_tokens();
    rig.server.wait_for("Token", 2).await;
    rig.server.wait_for("GetTask", 6).await;
    let gaps = gaps(&rig.server.times("GetTask"));
    assert_eq!(gaps.iter().filter(|gap| **gap < 0.5).count(), 1, "{gaps:?}");
    assert_eq!(rig.server.count("Token"), 2);
    // Refused again with the fresh token: no third call at once.
    rig.server.plan(Rpc::GetTask, vec![Step::Status(16); 2]);
    rig.server.wait_for("GetTask", 9).await;
    assert_eq!(rig.server.count("Token"), 3);
}

#[tokio::test(start_paused = true)]
async fn dev05_the_user_agent_names_the_product_and_takes_a_suffix() {
    for (suffix, wanted) in [
        (None, "blue-fox-12345 baton-ping-one/0.1.0 tonic/"),
        (
            Some("baton-sdk/v0.24.6"),
            "blue-fox-12345 baton-ping-one/0.1.0 baton-sdk/v0.24.6 tonic/",
        ),
    ] {
        let rig = Rig::started(Setup {
            user_agent_suffix: suffix.map(str::to_owned),
            ..Setup::default()
        })
        .await;
        rig.server.wait_for("Hello", 1).await;
        let log = rig.server.log();
        let agent = &log.last().unwrap().metadata["user-agent"];
        assert!(agent.starts_with(wanted), "{agent}");
    }
}

#[tokio::test(start_paused = true)]
async fn dev06_a_page_is_at_most_100() {
    let rig = Rig::started(Setup {
        slots: 80,
        batched: true,
        ..Setup::default()
    })
    .await;
    rig.server.wait_for("GetTasks", 1).await;
    let log = rig.server.log();
    let Received::GetTasks(request) = &log.last().unwrap().received else {
        panic!()
    };
    assert_eq!(request.page_size, 100);
}

#[tokio::test(start_paused = true)]
async fn dev07_the_own_id_among_cancelled_ids_cancels() {
    let rig = Rig::started(Setup::default()).await;
    rig.syncs.plan(SyncPlan::UntilCancelled);
    rig.server
        .plan(Rpc::Heartbeat, [Step::NextHeartbeat(1), Step::CancelledIds]);
    let id = rig.server.queue(sync());
    assert_eq!(finished(&rig, &id).await, 1);
    assert!(rig.server.violations().is_empty());
}

#[tokio::test(start_paused = true)]
async fn dev08_short_tasks_finish_at_a_signal_and_long_ones_are_cancelled_in_time() {
    for (time, wanted) in [(10, 0), (600, 1)] {
        let mut rig = Rig::started(Setup::default()).await;
        rig.writes.plan(WritePlan::Slow(Duration::from_secs(time)));
        let id = rig.server.queue(grant());
        rig.server.wait_until(|_| rig.writes.calls() == 1).await;
        let polls = rig.server.count("GetTask");
        let started = Instant::now();
        assert_eq!(rig.stop().await, Ending::Clean);
        assert!(started.elapsed() < GRACE);
        assert_eq!(code(&rig, &id), Some(wanted), "{time} s");
        assert!(rig.server.count("GetTask") <= polls + 1, "no more polling");
        assert!(matches!(
            rig.server.finishes(&id)[0].final_state,
            Some(
                FinalState::Success(_)
                    | FinalState::Error(sandbox::c1::proto::baton::baton_service_finish_task_request::Error {
                        non_retryable: false,
                        ..
                    })
            )
        ));
    }
}

#[tokio::test(start_paused = true)]
async fn dev08_work_that_ignores_its_token_is_reported_all_the_same() {
    let mut rig = Rig::started(Setup::default()).await;
    rig.syncs.plan(SyncPlan::Deaf);
    let id = rig.server.queue(sync());
    rig.server.wait_for("Heartbeat", 1).await;
    assert_eq!(rig.stop().await, Ending::Clean);
    assert_eq!(code(&rig, &id), Some(1));
    assert_eq!(rig.syncs.files(), 0);
}

#[tokio::test(start_paused = true)]
async fn dev09_finish_is_sent_again_with_the_same_content_until_it_is_answered() {
    let rig = Rig::started(Setup::default()).await;
    rig.server.plan(
        Rpc::FinishTask,
        [
            Step::Status(14),
            Step::EffectThenStatus(14),
            Step::EffectThenHang,
            Step::Disconnect,
        ],
    );
    let id = rig.server.queue(grant());
    rig.server.wait_for("FinishTask", 5).await;
    let finishes = rig.server.finishes(&id);
    assert!(finishes.iter().all(|finish| *finish == finishes[0]));
    sleep(Duration::from_mins(1)).await;
    assert_eq!(rig.server.count("FinishTask"), 5);
    assert!(rig.server.violations().is_empty(), "{:?}", rig.server.violations());
    assert!(rig.metric("baton_ping_one_finish_failures_total 0"));
}

#[tokio::test(start_paused = true)]
async fn dev09_finish_stops_at_any_other_code_and_after_30_seconds() {
    let rig = Rig::started(Setup::default()).await;
    rig.server.plan(Rpc::FinishTask, [Step::Status(13)]);
    let id = rig.server.queue(grant());
    rig.server.finished(&id).await;
    sleep(Duration::from_mins(1)).await;
    assert_eq!(rig.server.finishes(&id).len(), 1);
    rig.server.plan(Rpc::FinishTask, vec![Step::Status(14); 100]);
    let id = rig.server.queue(grant());
    rig.server.finished(&id).await;
    sleep(Duration::from_mins(2)).await;
    let log = rig.server.log().into_iter();
    let times: Vec<_> = log
        .filter(|entry| matches!(&entry.received, Received::Finish(finish) if finish.task_id == id))
        .map(|entry| entry.at)
        .collect();
    assert!(
        times.len() > 5 && (*times.last().unwrap()).checked_sub(times[0]).unwrap() <= Duration::from_secs(30),
        "{times:?}"
    );
    assert!(rig.metric("baton_ping_one_finish_failures_total 2"));
}

#[tokio::test(start_paused = true)]
async fn dev11_a_failed_first_heartbeat_is_reported_and_a_cancelled_one_is_not() {
    let rig = Rig::started(Setup::default()).await;
    rig.server.plan(Rpc::Heartbeat, [Step::Status(8)]);
    let id = rig.server.queue(sync());
    assert_eq!(finished(&rig, &id).await, 8);
    rig.server.plan(Rpc::Heartbeat, [Step::Cancelled]);
    let id = rig.server.queue(sync());
    rig.server.wait_for("Heartbeat", 2).await;
    sleep(Duration::from_mins(2)).await;
    assert!(rig.server.finishes(&id).is_empty());
    assert!(rig.syncs.requests.lock().unwrap().is_empty(), "no work was done");
}

#[tokio::test(start_paused = true)]
async fn dev12_not_ready_before_hello_and_ready_after_it() {
    let mut rig = Rig::new(Setup::default()).await;
    rig.server.plan(Rpc::Hello, vec![Step::Status(14); 5]);
    rig.start();
    rig.server.wait_for("Hello", 2).await;
    assert!(!rig.readiness.is_ready());
    rig.readiness.ready().await;
    assert_eq!(rig.server.count("Hello"), 6);
    rig.signal().await;
    rig.ending().await;
    assert!(!rig.readiness.is_ready());
}

#[tokio::test(start_paused = true)]
async fn dev13_every_call_has_its_deadline() {
    let mut rig = Rig::new(Setup::default()).await;
    rig.server.plan(Rpc::Hello, [Step::Hang]);
    rig.server.plan(Rpc::GetTask, [Step::Hang]);
    rig.start();
    rig.server.wait_for("GetTask", 2).await;
    let hello = gaps(&rig.server.times("Hello"));
    assert!((30.5..=31.5).contains(&hello[0]), "{hello:?}");
    let polls = gaps(&rig.server.times("GetTask"));
    assert!((360.5..=361.5).contains(&polls[0]), "{polls:?}");
    rig.syncs.plan(SyncPlan::UntilCancelled);
    rig.server
        .plan(Rpc::Heartbeat, [Step::NextHeartbeat(1), Step::Hang, Step::Cancelled]);
    let id = rig.server.queue(sync());
    rig.server.finished(&id).await;
    let beats = gaps(&rig.server.times("Heartbeat"));
    assert!((30.9..=32.5).contains(&beats[1]), "{beats:?}");
}

#[tokio::test(start_paused = true)]
async fn dev13_an_upload_without_progress_is_given_up_after_a_minute() {
    let rig = Rig::started(Setup::default()).await;
    rig.syncs.plan(SyncPlan::File(Duration::ZERO, 20_000_000));
    rig.server.plan(Rpc::UploadAsset, [Step::StallAfter(1)]);
    let id = rig.server.queue(sync());
    let started = Instant::now();
    assert_eq!(finished(&rig, &id).await, 0);
    let took = started.elapsed().as_secs();
    assert!((60..=75).contains(&took), "{took}");
    assert!(rig.server.uploads(&id).last().unwrap().file.is_some());
}

#[tokio::test(start_paused = true)]
async fn dev14_no_exit_path_leaves_a_file() {
    use baton::task::Code;
    let rig = Rig::started(Setup::default()).await;
    let file = SyncPlan::File(Duration::from_secs(1), 1000);
    let cut = |count| vec![Step::CutAfter(0, 14); count];
    let cases = [
        (SyncPlan::Fail(Code::Unavailable), vec![], vec![], 14),
        (SyncPlan::Panic, vec![], vec![], 13),
        (
            SyncPlan::UntilCancelled,
            vec![Step::NextHeartbeat(1), Step::Cancelled],
            vec![],
            1,
        ),
        (file, vec![Step::Status(14)], vec![], 14),
        (file, vec![], cut(3), 14),
        (file, vec![], cut(2), 0),
        (file, vec![], vec![], 0),
    ];
    for (plan, beats, uploads, wanted) in cases {
        rig.syncs.plan(plan);
        rig.server.plan(Rpc::Heartbeat, beats);
        rig.server.plan(Rpc::UploadAsset, uploads);
        let id = rig.server.queue(sync());
        assert_eq!(finished(&rig, &id).await, wanted, "{plan:?}");
        sleep(Duration::from_secs(1)).await;
        assert_eq!(rig.syncs.files(), 0, "{plan:?}");
    }
    assert!(rig.server.violations().is_empty());
}
