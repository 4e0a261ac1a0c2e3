//! Rules of single calls.

use std::time::Duration;

use tokio::time::{Instant, timeout};

use super::*;

#[tokio::test(start_paused = true)]
async fn a_hello_names_no_task_or_a_hello_task_that_was_handed_out() {
    let mut bench = Bench::new().await;
    assert_eq!(bench.call("Hello", &hello(&ksuid())).await.code, 3);
    bench.broke("was not handed out");
    assert_eq!(bench.call("GetTask", &get_task(HOST)).await.code, 3);
    bench.broke("no Hello");
    bench.call("Hello", &hello("")).await;
    let granting = bench.take(grant()).await;
    assert_eq!(bench.call("Hello", &hello(&granting)).await.code, 3);
    bench.broke("is no hello task");
    assert_eq!(bench.server.state().open_tasks(), 1, "the grant is still out");
    let greeting = bench.take(TaskType::Hello(kinds::HelloTask::default())).await;
    for _ in 0..2 {
        assert_eq!(
            bench.call("Hello", &hello(&greeting)).await.code,
            0,
            "the answer may be lost"
        );
    }
    assert_eq!(bench.server.state().open_tasks(), 1);
    bench.clean();
}

/// How long a call that hangs is waited for, by the paused clock.
const LONG: Duration = Duration::from_mins(10);

#[tokio::test(start_paused = true)]
async fn an_upload_takes_every_step_that_other_calls_take() {
    let mut bench = Bench::greeted().await;
    let id = bench.take(sync()).await;
    bench.call("Heartbeat", &heartbeat(&id)).await;
    let whole = |bench: &Bench| {
        let uploads = bench.server.uploads(&id).into_iter();
        uploads
            .filter_map(|upload| upload.file)
            .filter(|file| file.exists())
            .count()
    };
    bench.server.plan(
        Rpc::UploadAsset,
        [
            Step::Hang,
            Step::Disconnect,
            Step::EffectThenHang,
            Step::EffectThenStatus(14),
            Step::Delay(Duration::from_secs(20)),
        ],
    );
    for wanted in [0, 0, 1] {
        let request = bench.request("UploadAsset", upload(&id));
        let ended = timeout(LONG, bench.send(request)).await;
        assert!(matches!(ended, Err(_) | Ok(Err(_))), "an answer came");
        assert_eq!(whole(&bench), wanted);
        bench.reconnect().await;
    }
    let request = bench.request("UploadAsset", upload(&id));
    assert_eq!((bench.send(request).await.unwrap().code, whole(&bench)), (14, 2));
    let began = Instant::now();
    let request = bench.request("UploadAsset", upload(&id));
    assert_eq!((bench.send(request).await.unwrap().code, whole(&bench)), (0, 3));
    assert_eq!(began.elapsed().as_secs(), 20);
    bench.clean();
}

#[tokio::test(start_paused = true)]
async fn a_heartbeat_whose_answer_is_lost_counts() {
    let mut bench = Bench::greeted().await;
    let id = bench.take(sync()).await;
    bench
        .server
        .plan(Rpc::Heartbeat, [Step::EffectThenStatus(14), Step::EffectThenHang]);
    assert_eq!(bench.call("Heartbeat", &heartbeat(&id)).await.code, 14);
    assert!(timeout(LONG, bench.call("Heartbeat", &heartbeat(&id))).await.is_err());
    assert_eq!(bench.server.state().lock().out[&id].heartbeats, 2);
    bench.clean();
}

#[tokio::test(start_paused = true)]
async fn a_step_that_a_method_cannot_take_is_not_planned_silently() {
    let bench = Bench::new().await;
    bench.server.plan(Rpc::Hello, [Step::NextPoll(1)]);
    bench.broke("Hello: NextPoll(1) was planned");
    bench.server.plan(Rpc::GetTasks, [Step::NextPoll(1), Step::Hang]);
    bench.clean();
}
