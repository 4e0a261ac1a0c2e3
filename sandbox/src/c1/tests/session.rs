//! Rules that join the calls of a session.

use super::*;

#[tokio::test(start_paused = true)]
async fn the_host_id_is_the_one_that_hello_gave() {
    let mut bench = Bench::greeted().await;
    assert_eq!(bench.call("GetTask", &get_task("pod-2")).await.code, 3);
    bench.broke("no Hello gave the host id pod-2");
    let id = bench.take(sync()).await;
    let other = pb::BatonServiceHeartbeatRequest {
        host_id: "pod-2".to_owned(),
        ..heartbeat(&id)
    };
    assert_eq!(bench.call("Heartbeat", &other).await.code, 3);
    bench.broke("no Hello gave the host id pod-2");
    assert_eq!(bench.call("Heartbeat", &heartbeat(&id)).await.code, 0);
    // Another Hello may give another one.
    let mut again = hello("");
    again.host_id = "pod-2".to_owned();
    assert_eq!(bench.call("Hello", &again).await.code, 0);
    assert_eq!(bench.call("Heartbeat", &other).await.code, 0);
    bench.clean();
    assert_eq!(bench.call("Heartbeat", &heartbeat(&id)).await.code, 3);
    bench.broke("changed from pod-2 to pod-1");
    let request = bench.request("UploadAsset", upload(&id));
    assert_eq!(bench.send(request).await.unwrap().code, 3);
    bench.broke("changed from pod-2 to pod-1");
    // A process beside it that said its Hello before goes on by its own name.
    bench.reconnect().await;
    assert_eq!(bench.call("GetTask", &get_task(HOST)).await.code, 0);
    bench.clean();
}

#[tokio::test(start_paused = true)]
async fn known_tasks_were_handed_out() {
    let mut bench = Bench::greeted().await;
    let id = bench.take(grant()).await;
    let mut request = pb::BatonServiceGetTasksRequest {
        host_id: HOST.to_owned(),
        page_size: 1,
        known_task_ids: vec![id],
        ..Default::default()
    };
    assert_eq!(bench.call("GetTasks", &request).await.code, 0);
    bench.clean();
    request.known_task_ids.push(ksuid());
    assert_eq!(bench.call("GetTasks", &request).await.code, 3);
    bench.broke("was not handed out");
}

#[tokio::test(start_paused = true)]
async fn only_a_sync_that_its_first_heartbeat_cancels_frees_its_slot_without_a_finish() {
    let mut bench = Bench::greeted().await;
    for (steps, open) in [
        (vec![Step::Cancelled], 0),
        (vec![Step::CancelledIds], 0),
        (vec![Step::Normal, Step::Cancelled], 1),
    ] {
        let id = bench.take(sync()).await;
        let beats = steps.len();
        bench.server.plan(Rpc::Heartbeat, steps);
        for _ in 0..beats {
            assert_eq!(bench.call("Heartbeat", &heartbeat(&id)).await.code, 0);
        }
        assert_eq!(bench.server.state().open_tasks(), open);
        bench.clean();
    }
}
