//! Rules of single calls.

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
    let greeting = bench.take(Some(TaskType::Hello(kinds::HelloTask::default()))).await;
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
