//! Changes by others, and the activities that tell of them or do not (point 59).

use super::*;
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};

const SINCE: &str = "recordedAt gt \"2020-01-01T00:00:00Z\"";

async fn events(bench: &Bench) -> Vec<Value> {
    let mut url = reqwest::Url::parse(&bench.env("/activities")).unwrap();
    url.query_pairs_mut()
        .append_pair("filter", SINCE)
        .append_pair("limit", "200");
    let tail = url.as_str().strip_prefix(&bench.env("")).unwrap().to_owned();
    bench.chain(&tail, "activities").await.0
}

fn demo(change: impl FnOnce(&mut Options)) -> Options {
    let mut options = Options::default();
    change(&mut options);
    options
}

#[tokio::test(start_paused = true)]
async fn every_kind_of_change_is_made_and_told_by_an_event() {
    let bench = Bench::with(demo(|_| {})).await;
    for kind in ChangeKind::ALL {
        // Nothing is empty or ungranted at first: what a deletion needs is made before it.
        if kind == ChangeKind::DeletePopulation {
            bench.server.change(&Changes::of(ChangeKind::CreatePopulation, 2));
        }
        let (before, told) = (bench.server.snapshot(), events(&bench).await.len());
        let made = bench.server.change(&Changes::of(kind, 1));
        assert_eq!(made.len(), 1, "{kind:?}");
        assert!(bench.server.snapshot() != before, "{kind:?}");
        assert_eq!(events(&bench).await.len(), told + 1, "{kind:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn n_changes_are_asked_for_over_http_and_drawn_by_seed() {
    let draw = async |body: Value| {
        let bench = Bench::with(demo(|_| {})).await;
        let url = format!("{}/sandbox/changes", bench.server.api_url());
        let answer = bench.http.post(&url).body(body.to_string()).send().await.unwrap();
        let status = answer.status().as_u16();
        let text = answer.text().await.unwrap();
        (status, serde_json::from_str::<Value>(&text).unwrap_or_default())
    };
    let (status, first) = draw(json!({"count": 40, "seed": 5})).await;
    assert_eq!((status, first["changes"].as_array().unwrap().len()), (200, 40));
    assert_eq!(draw(json!({"count": 40, "seed": 5})).await.1, first);
    assert_ne!(draw(json!({"count": 40, "seed": 6})).await.1, first);
    let (_, moved) = draw(json!({"count": 3, "kinds": ["move-user"], "population": 1})).await;
    for change in moved["changes"].as_array().unwrap() {
        assert_eq!(change["kind"], "move-user");
        assert_eq!(change["with"], moved["changes"][0]["with"]);
    }
    assert_eq!(draw(json!({"kinds": ["explode"]})).await.0, 400);
}

#[tokio::test(start_paused = true)]
async fn changes_may_come_in_the_middle_of_a_listing() {
    let bench = Bench::with(demo(|_| {})).await;
    let changes = Changes::of(ChangeKind::CreatePopulation, 1);
    let fault = Fault::on("GET", "*/populations", FaultAction::Changes(changes)).nth(2);
    bench.server.set_faults(vec![fault]);
    let (rows, _) = bench.chain("/populations?limit=2", "populations").await;
    assert_eq!(rows.len(), 5);
}

#[tokio::test(start_paused = true)]
async fn the_console_is_the_actor_of_what_others_change() {
    let bench = Bench::with(demo(|_| {})).await;
    bench.server.change(&Changes::of(ChangeKind::AssignRole, 1));
    let told = events(&bench).await;
    assert_eq!(told[0]["actors"]["client"]["id"], "adminui");
    assert_eq!(told[0]["action"]["type"], "ROLE_ASSIGNMENT.CREATED");
}

#[tokio::test(start_paused = true)]
async fn silent_changes_have_no_event() {
    let bench = Bench::with(demo(|_| {})).await;
    let silent = Changes {
        silent: true,
        ..Changes::of(ChangeKind::UpdateUser, 5)
    };
    assert_eq!(bench.server.change(&silent).len(), 5);
    assert_eq!(events(&bench).await.len(), 0);
    let bench = Bench::with(demo(|options| options.audit.silent_changes = 0.5)).await;
    bench.server.change(&Changes::of(ChangeKind::UpdateUser, 60));
    let told = events(&bench).await.len();
    assert!((15..45).contains(&told), "{told}");
}

#[tokio::test(start_paused = true)]
async fn events_may_be_lost_doubled_and_overtake_each_other() {
    let updates = Changes::of(ChangeKind::UpdateUser, 60);
    let bench = Bench::with(demo(|options| options.audit.activity_gaps = 0.5)).await;
    bench.server.change(&updates);
    let told = events(&bench).await.len();
    assert!((15..45).contains(&told), "{told}");
    let bench = Bench::with(demo(|options| options.audit.activity_duplicates = 1.0)).await;
    bench.server.change(&updates);
    pass(Duration::from_secs(1)).await;
    let mut times = BTreeMap::new();
    for event in events(&bench).await {
        *times.entry(event["id"].to_string()).or_insert(0) += 1;
    }
    assert_eq!(times.values().collect::<BTreeSet<_>>(), BTreeSet::from([&2]));
    assert_eq!(times.len(), 60);
    let bench = Bench::with(demo(|options| options.audit.activity_jitter_ms = 60_000)).await;
    bench.server.change(&updates);
    assert!(events(&bench).await.len() < 60, "some are late");
    pass(Duration::from_secs(61)).await;
    let order = |events: &[Value]| -> Vec<String> { events.iter().map(|event| event["id"].to_string()).collect() };
    let late = order(&events(&bench).await);
    let bench = Bench::with(demo(|_| {})).await;
    bench.server.change(&updates);
    let prompt = order(&events(&bench).await);
    assert_eq!(late.iter().collect::<BTreeSet<_>>(), prompt.iter().collect());
    assert_ne!(late, prompt);
}

#[tokio::test(start_paused = true)]
async fn events_are_kept_for_so_many_days_and_listed_oldest_or_newest_first() {
    let mut bench = Bench::with(demo(|options| options.audit.activity_days = 2)).await;
    bench.server.change(&Changes::of(ChangeKind::UpdateUser, 2));
    assert_eq!(events(&bench).await.len(), 2);
    pass(Duration::from_hours(49)).await;
    bench.token = bench.fetch_token().await;
    assert_eq!(events(&bench).await.len(), 0);
    let ids = async |newest| {
        let bench = Bench::with(demo(|options| options.audit.newest_activity_first = newest)).await;
        bench.server.change(&Changes::of(ChangeKind::UpdateUser, 3));
        events(&bench)
            .await
            .iter()
            .map(|event| event["id"].to_string())
            .collect::<Vec<_>>()
    };
    let mut newest = ids(true).await;
    newest.reverse();
    assert_eq!(newest, ids(false).await);
}

#[tokio::test(start_paused = true)]
async fn a_replaced_group_says_when() {
    let bench = Bench::with(demo(|_| {})).await;
    let made = bench.server.change(&Changes::of(ChangeKind::RenameGroup, 1));
    let group = bench.get(&format!("/groups/{}", made[0].id)).await.1;
    let year = |key: &str| group[key].as_str().unwrap().split('-').next().unwrap().to_owned();
    assert!(year("updatedAt") > year("createdAt"), "{group}");
}
