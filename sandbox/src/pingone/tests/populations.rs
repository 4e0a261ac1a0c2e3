//! Populations: who may delete them, and what is left.

use super::*;
use serde_json::json;

/// The small directory with an empty third population, seen by a worker of the population with this number, or by one of
/// the whole environment.
async fn scoped(number: Option<u32>) -> Bench {
    let directory = small().population("empty", json!({})).build();
    Bench::new(directory, |options| {
        if let Some(number) = number {
            options.access.worker_role = vec![format!("Identity Data Admin@POPULATION:{number}")];
        }
    })
    .await
}

#[tokio::test(start_paused = true)]
async fn a_population_is_deleted_by_who_has_rights_over_it() {
    let empty = small().population("empty", json!({})).build().id("empty").unwrap();
    let tail = format!("/populations/{empty}");
    for (number, status) in [(Some(0), 403), (Some(1), 403), (Some(2), 204), (None, 204)] {
        let bench = scoped(number).await;
        assert_eq!(
            bench.send("DELETE", &tail, "", &Value::Null).await.0,
            status,
            "{number:?}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_deleted_population_is_gone() {
    let bench = scoped(None).await;
    let empty = small().population("empty", json!({})).build().id("empty").unwrap();
    let tail = format!("/populations/{empty}");
    assert_eq!(bench.get(&tail).await.0, 200);
    assert_eq!(bench.send("DELETE", &tail, "", &Value::Null).await.0, 204);
    assert_eq!(bench.get(&tail).await.0, 404);
    assert_eq!(bench.send("DELETE", &tail, "", &Value::Null).await.0, 404);
    assert_eq!(bench.json("PUT", &tail, &json!({"name": "x"})).await.0, 404);
    let left = bench.get("/populations").await.1;
    assert_eq!(names(&left, "populations", "name").len(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_users_groups_leave_out_what_a_scoped_worker_does_not_see() {
    for (all_groups, ids) in [(false, 1), (true, 5)] {
        let directory = small().member("guests-only", "lena").build();
        let bench = Bench::new(directory, |options| {
            options.access.worker_role = vec!["Identity Data Admin@POPULATION:1".to_owned()];
            options.access.scoped_worker_sees_all_groups = all_groups;
        })
        .await;
        for member in ["memberOfGroupIDs", "memberOfGroupNames"] {
            let user = bench.get(&format!("/users/{}?include={member}", id("lena"))).await.1;
            assert_eq!(user[member].as_array().unwrap().len(), ids, "{user}");
        }
    }
}
