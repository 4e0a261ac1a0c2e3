//! Nodes and counts that are behind.

use super::*;
use serde_json::json;

async fn join(bench: &Bench) {
    let tail = format!("/users/{}/memberOfGroups", id("ivo"));
    assert_eq!(bench.json("POST", &tail, &json!({"id": id("top")})).await.0, 201);
}

/// How `ivo` belongs to `top`, as the API tells it.
async fn told(bench: &Bench) -> Value {
    let tail = format!("/users/{}/memberOfGroups/{}", id("ivo"), id("top"));
    bench.get(&tail).await.1["type"].clone()
}

#[tokio::test(start_paused = true)]
async fn reads_may_come_from_a_node_that_lags() {
    let bench = Bench::new(small().build(), |options| options.timing.read_lag_ms = 30_000).await;
    join(&bench).await;
    assert_eq!(told(&bench).await, "INDIRECT");
    pass(Duration::from_secs(29)).await;
    assert_eq!(told(&bench).await, "INDIRECT");
    pass(Duration::from_secs(2)).await;
    assert_eq!(told(&bench).await, "DIRECT");
}

#[tokio::test(start_paused = true)]
async fn only_a_share_of_the_reads_may_lag() {
    let bench = Bench::new(small().build(), |options| {
        options.timing.read_lag_ms = 30_000;
        options.timing.read_lag_share = 0.5;
    })
    .await;
    join(&bench).await;
    let mut seen = std::collections::BTreeSet::new();
    for _ in 0..40 {
        seen.insert(told(&bench).await.as_str().unwrap().to_owned());
    }
    assert_eq!(seen.len(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_fault_asks_an_old_node_once() {
    let bench = Bench::new(small().build(), |_| {}).await;
    let path = "*/memberOfGroups/*";
    bench
        .server
        .set_faults(vec![Fault::on("GET", path, FaultAction::Stale(10_000))]);
    join(&bench).await;
    assert_eq!(told(&bench).await, "INDIRECT");
    assert_eq!(told(&bench).await, "DIRECT");
}

#[tokio::test(start_paused = true)]
async fn counts_may_lag_behind_the_rows() {
    let bench = Bench::new(small().build(), |options| options.timing.count_lag_ms = 20_000).await;
    join(&bench).await;
    let body = json!({"username": "new", "population": {"id": id("staff")}});
    assert_eq!(bench.json("POST", "/users", &body).await.0, 201);
    let counts = async || {
        let group = bench
            .get(&format!("/groups/{}?include=totalMemberCounts", id("mid")))
            .await
            .1;
        let top = bench.get(&format!("/groups/{}", id("top"))).await.1;
        let staff = bench.get(&format!("/populations/{}", id("staff"))).await.1;
        [
            top["directMemberCounts"]["users"].clone(),
            group["totalMemberCounts"]["users"].clone(),
            staff["userCount"].clone(),
        ]
    };
    assert_eq!(counts().await, [json!(1), json!(3), json!(2)]);
    let direct = format!("memberOfGroups[id eq \"{}\" and type eq \"DIRECT\"]", id("top"));
    assert_eq!(bench.users(&direct).await.len(), 2, "rows do not lag");
    pass(Duration::from_secs(21)).await;
    assert_eq!(counts().await, [json!(2), json!(3), json!(3)]);
}
