//! Point 55: answers that are not PingOne's, or not those that were asked for, before and after the effect of a write.

use super::*;
use serde_json::json;

fn plan(bench: &Bench, method: &str, path: &str, action: FaultAction) {
    bench.server.set_faults(vec![Fault::on(method, path, action).times(0)]);
}

/// Puts `ivo` into `top` with a fault in the way: status, body, whether it happened.
async fn join(action: FaultAction) -> (Said, bool) {
    let bench = Bench::new(small().build(), |_| {}).await;
    plan(&bench, "POST", "*/memberOfGroups", action);
    let tail = format!("/users/{}/memberOfGroups", id("ivo"));
    let said = bench.json("POST", &tail, &json!({"id": id("top")})).await;
    let members = bench.server.directory().members(id("top").parse().unwrap());
    let happened = members
        .iter()
        .any(|(user, how)| user.to_string() == id("ivo") && how.direct);
    (said, happened)
}

#[tokio::test(start_paused = true)]
async fn a_foreign_answer_comes_before_or_after_the_effect_of_a_write() {
    let ok = || FaultAction::foreign(200, FaultBody::GatewayOk);
    let html = || FaultAction::foreign(200, FaultBody::Html);
    let empty = |status| FaultAction::foreign(status, FaultBody::Empty);
    let answer = || FaultAction::Answer {
        status: 200,
        content_type: "application/json".to_owned(),
        body: r#"{"up":true}"#.to_owned(),
    };
    for (action, status, body, happened) in [
        (html(), 200, Value::Null, false),
        (html().after_effect(), 200, Value::Null, true),
        (ok(), 200, json!({"status": "ok"}), false),
        (ok().after_effect(), 200, json!({"status": "ok"}), true),
        (answer(), 200, json!({"up": true}), false),
        (answer().after_effect(), 200, json!({"up": true}), true),
        (empty(202), 202, Value::Null, false),
        (empty(202).after_effect(), 202, Value::Null, true),
        (empty(204), 204, Value::Null, false),
        (empty(204).after_effect(), 204, Value::Null, true),
        (FaultAction::status(403).after_effect(), 403, Value::Null, true),
        (FaultAction::Html.before_effect(), 201, Value::Null, false),
        (FaultAction::Html, 201, Value::Null, true),
    ] {
        let (said, effect) = join(action.clone()).await;
        assert_eq!((said.0, effect), (status, happened), "{action:?}");
        if status != 403 {
            assert_eq!(said.1, body, "{action:?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_write_can_be_confirmed_and_never_made() {
    let (said, happened) = join(FaultAction::AsIs.before_effect()).await;
    assert_eq!(
        (said.0, said.1["id"].as_str(), happened),
        (201, Some(id("top").as_str()), false)
    );
    let (said, happened) = join(FaultAction::AsIs).await;
    assert_eq!((said.0, happened), (201, true));
    let (said, happened) = join(FaultAction::Bare.before_effect()).await;
    assert_eq!((said.1.get("_links"), happened), (None, false));
}

#[tokio::test(start_paused = true)]
async fn a_204_with_effect_may_be_cut_off() {
    let bench = Bench::new(small().build(), |_| {}).await;
    plan(&bench, "DELETE", "*", FaultAction::AnswerLost(Lost::Reset));
    let tail = format!("/users/{}/memberOfGroups/{}", id("mara"), id("top"));
    let request = bench.http.delete(bench.env(&tail)).bearer_auth(&bench.token);
    assert!(request.send().await.is_err());
    assert_eq!(
        bench.get(&tail).await.1["type"],
        "INDIRECT",
        "the direct membership is gone"
    );
}

#[tokio::test(start_paused = true)]
async fn a_page_may_lack_what_makes_it_one() {
    let bench = Bench::new(small().build(), |_| {}).await;
    plan(&bench, "GET", "*/users", FaultAction::Bare);
    let body = bench.get("/users").await.1;
    assert_eq!(
        (body.get("_links"), body.get("_embedded"), &body["count"]),
        (None, None, &json!(3))
    );
    plan(&bench, "GET", "*/users", FaultAction::NullList);
    assert_eq!(bench.get("/users").await.1["_embedded"], json!({"users": null}));
    plan(&bench, "GET", "*/users*", FaultAction::OtherObject);
    let environment = bench.server.environment_id().to_string();
    assert_eq!(bench.get("/users").await.1["id"], environment);
    let other = bench.get(&format!("/users/{}", id("mara"))).await.1;
    assert_ne!(other["id"], id("mara"));
    assert!(other["username"].is_string());
    plan(&bench, "GET", "*/groups*", FaultAction::OtherObject);
    assert_ne!(bench.get(&format!("/groups/{}", id("top"))).await.1["id"], id("top"));
    plan(&bench, "GET", "*", FaultAction::OtherObject);
    let enabled = format!("/users/{}/enabled", id("mara"));
    assert_eq!(bench.get(&enabled).await.1["id"], environment);
    let population = format!("/populations/{}", id("staff"));
    assert_ne!(bench.get(&population).await.1["id"], id("staff"));
}

#[tokio::test(start_paused = true)]
async fn an_answer_may_be_of_another_environment() {
    let bench = Bench::new(small().build(), |_| {}).await;
    plan(&bench, "GET", "*", FaultAction::OtherEnvironment);
    let body = bench.get(&format!("/users/{}", id("mara"))).await.1;
    let other = bench.server.other_environment_id().to_string();
    assert_eq!(body["environment"]["id"], other);
    assert!(body["_links"]["self"]["href"].as_str().unwrap().contains(&other));
    assert_eq!(body["id"], id("mara"));
}

#[tokio::test(start_paused = true)]
async fn counts_may_disagree_with_the_rows() {
    let bench = Bench::new(small().build(), |_| {}).await;
    let miscount = |key: &str, by| FaultAction::Miscount {
        key: key.to_owned(),
        by,
    };
    plan(&bench, "GET", "*", miscount("userCount", 2));
    let rows = bench.get("/populations").await.1;
    assert_eq!(rows["_embedded"]["populations"][0]["userCount"], 4);
    plan(&bench, "GET", "*", miscount("count", -9));
    let page = bench.get("/users").await.1;
    assert_eq!((&page["count"], &page["size"]), (&json!(0), &json!(3)));
    plan(&bench, "GET", "*", miscount("directMemberCounts.users", 5));
    let group = bench.get(&format!("/groups/{}", id("top"))).await.1;
    assert_eq!(group["directMemberCounts"], json!({"users": 6, "groups": 1}));
    plan(&bench, "GET", "*", miscount("totalMemberCounts.users", -1));
    let group = bench
        .get(&format!("/groups/{}?include=totalMemberCounts", id("top")))
        .await
        .1;
    assert_eq!(group["totalMemberCounts"], json!({"users": 2}));
}

#[tokio::test(start_paused = true)]
async fn rows_may_be_lost_or_come_again_at_the_border_of_a_page() {
    for (action, expected) in [
        (FaultAction::SkipRow, vec!["mara", "lena"]),
        (FaultAction::RepeatPage, vec!["mara", "mara", "lena"]),
    ] {
        let bench = Bench::new(small().build(), |_| {}).await;
        bench
            .server
            .set_faults(vec![Fault::on("GET", "*/users", action.clone()).nth(2)]);
        let (rows, _) = bench.chain("/users?limit=1", "users").await;
        let names: Vec<&str> = rows.iter().map(|row| row["username"].as_str().unwrap()).collect();
        assert_eq!(names, expected, "{action:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn with_offset_cursors_a_deletion_moves_rows_over_the_border() {
    for (offset, expected) in [(false, vec!["mara", "ivo", "lena"]), (true, vec!["mara", "lena"])] {
        let bench = Bench::new(small().build(), |options| options.paging.offset_cursors = offset).await;
        let gone = Changes {
            user: Some(0),
            ..Changes::of(ChangeKind::DeleteUser, 1)
        };
        bench
            .server
            .set_faults(vec![Fault::on("GET", "*/users", FaultAction::Changes(gone)).nth(2)]);
        let (rows, _) = bench.chain("/users?limit=1", "users").await;
        let names: Vec<&str> = rows.iter().map(|row| row["username"].as_str().unwrap()).collect();
        assert_eq!(names, expected, "{offset}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_filter_may_match_nobody_or_be_ignored() {
    let bench = Bench::new(small().build(), |_| {}).await;
    let direct = format!("memberOfGroups[id eq \"{}\" and type eq \"DIRECT\"]", id("top"));
    let plain = format!("memberOfGroups[id eq \"{}\"]", id("top"));
    let typed = |action| Fault::on("GET", "*/users", action).query("DIRECT").times(0);
    bench.server.set_faults(vec![typed(FaultAction::FilterMatchesNobody)]);
    let page = bench.filtered("/users", &direct).await;
    assert_eq!((page.0, &page.1["count"]), (200, &json!(0)));
    assert_eq!(bench.users(&plain).await.len(), 3);
    bench.server.set_faults(vec![typed(FaultAction::FilterIgnored)]);
    assert_eq!(bench.users(&direct).await, ["ivo", "lena", "mara"]);
    for tail in ["/groups", "/populations", "/roles"] {
        plan(&bench, "GET", &format!("*{tail}"), FaultAction::FilterIgnored);
        let all = bench.get(tail).await.1["count"].clone();
        assert_eq!(bench.filtered(tail, "id eq \"x\"").await.1["count"], all, "{tail}");
    }
}

#[tokio::test(start_paused = true)]
async fn rights_may_be_narrower_for_a_moment() {
    let bench = Bench::new(small().build(), |_| {}).await;
    bench
        .server
        .set_faults(vec![Fault::on("GET", "*/users", FaultAction::Narrowed(1))]);
    assert_eq!(bench.get("/users").await.1["count"], 2);
    assert_eq!(bench.get("/users").await.1["count"], 3);
    let scoped = Bench::new(small().build(), |options| {
        options.access.worker_role = vec!["Identity Data Admin@POPULATION:1".to_owned()];
    })
    .await;
    plan(&scoped, "GET", "*/users", FaultAction::Narrowed(1));
    assert_eq!(scoped.get("/users").await.1["count"], 0);
}

#[tokio::test(start_paused = true)]
async fn rows_may_be_hidden_together_with_their_count() {
    let bench = Bench::new(small().build(), |_| {}).await;
    bench
        .server
        .set_faults(vec![Fault::on("GET", "*/users", FaultAction::Hidden(3))]);
    let hidden = bench.get("/users").await.1;
    assert_eq!(hidden["count"], 2);
    assert_eq!(hidden["_embedded"]["users"].as_array().unwrap().len(), 2);
    assert_eq!(bench.get("/users").await.1["count"], 3);
}

#[tokio::test(start_paused = true)]
async fn groups_with_filters_may_stand_in_a_ring() {
    let mut options = Options::default();
    options.directory.dynamic_rings = Some(1);
    options.directory.filtered_groups = Some(0.2);
    let bench = Bench::with(options).await;
    let truth = bench.server.directory();
    let listed = bench.get("/groups").await.1;
    let filtered = listed["_embedded"]["groups"].as_array().unwrap().iter();
    let filtered: Vec<uuid::Uuid> = filtered
        .filter(|group| group["userFilter"].is_string())
        .map(|group| group["id"].as_str().unwrap().parse().unwrap())
        .collect();
    let in_ring = filtered.iter().filter(|group| {
        let mut at = **group;
        (0..3).all(|_| {
            truth.children(at).first().is_some_and(|child| {
                at = *child;
                filtered.contains(child)
            })
        }) && at == **group
    });
    assert_eq!(in_ring.count(), 3);
}
