//! Point 59: reading audit activities.

use super::*;
use serde_json::json;

const SINCE: &str = "recordedAt gt \"2020-01-01T00:00:00Z\"";

/// A sandbox with so many events, and the ids of all of them.
async fn with_events(count: usize, change: impl FnOnce(&mut Options)) -> (Bench, Vec<uuid::Uuid>) {
    let bench = Bench::new(small().build(), change).await;
    let event = json!({"action": {"type": "USER.UPDATED"}, "resources": []});
    let ids = (0..count)
        .map(|_| bench.server.add_activity(&event, Duration::ZERO))
        .collect();
    (bench, ids)
}

#[tokio::test(start_paused = true)]
async fn a_page_has_100_events_unless_asked_otherwise() {
    let (bench, _) = with_events(230, |_| {}).await;
    let size = async |tail: &str| {
        let mut url = reqwest::Url::parse(&bench.env(tail)).unwrap();
        url.query_pairs_mut().append_pair("filter", SINCE);
        bench.url(url.as_str()).await.1["size"].clone()
    };
    assert_eq!(size("/activities").await, 100);
    assert_eq!(size("/activities?limit=150").await, 150);
    let small = Bench::new(small().build(), |options| options.paging.max_page = 1).await;
    for _ in 0..2 {
        small.server.add_activity(&json!({}), Duration::ZERO);
    }
    assert_eq!(small.filtered("/activities", SINCE).await.1["size"], 1);
}

#[tokio::test(start_paused = true)]
async fn a_search_takes_filter_limit_and_offset_from_its_json_body() {
    let (bench, ids) = with_events(5, |_| {}).await;
    let mut found = Vec::new();
    let mut body = json!({"filter": SINCE, "limit": 2});
    loop {
        let (status, page) = bench.json("POST", "/activities", &body).await;
        assert_eq!((status, page["count"].as_u64()), (200, Some(5)), "{page}");
        let rows = page["_embedded"]["activities"].as_array().unwrap();
        assert!(rows.len() <= 2);
        found.extend(
            rows.iter()
                .map(|row| row["id"].as_str().unwrap().parse::<uuid::Uuid>().unwrap()),
        );
        let Some(next) = page["_links"]["next"]["href"].as_str() else {
            break;
        };
        assert!(
            !next.contains("filter"),
            "nothing of the filter is in an address: {next}"
        );
        let (_, offset) = next.split_once("cursor=").unwrap();
        body["offset"] = json!(offset);
    }
    assert_eq!(found, ids);
    for (wrong, expected) in [
        (json!({"filter": SINCE, "limit": 0}), "limit"),
        (json!({"filter": SINCE, "limit": "2"}), "limit"),
        (json!({"filter": SINCE, "offset": "x"}), "cursor"),
        (json!({"filter": SINCE, "offset": 1}), "offset"),
        (json!({"limit": 2}), "filter"),
    ] {
        let said = bench.json("POST", "/activities", &wrong).await;
        assert_eq!((said.0, error(&said).3), (400, expected), "{wrong}");
    }
    for media in ["", "text/plain", "application/x-www-form-urlencoded"] {
        let said = bench
            .send("POST", "/activities", media, &json!({"filter": SINCE}))
            .await;
        assert_eq!(said.0, 415, "{media}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_bound_beside_an_or_bounds_nothing() {
    let (bench, _) = with_events(1, |_| {}).await;
    let user = "actors.user.id eq \"x\"";
    for (filter, status) in [
        (SINCE.to_owned(), 200),
        (format!("{SINCE} and {user}"), 200),
        (format!("({user}) and ({SINCE})"), 200),
        (format!("{SINCE} or {user}"), 400),
        (format!("({SINCE} or {user})"), 400),
    ] {
        let said = bench.filtered("/activities", &filter).await;
        assert_eq!(said.0, status, "{filter} {}", said.1);
    }
}

#[tokio::test(start_paused = true)]
async fn one_event_can_be_read_when_a_listing_shows_it() {
    let (mut bench, ids) = with_events(1, |options| options.audit.activity_delay_ms = 5000).await;
    let tail = format!("/activities/{}", ids[0]);
    assert_eq!(bench.get(&tail).await.0, 404, "not arrived");
    pass(Duration::from_secs(6)).await;
    assert_eq!(bench.get(&tail).await.1["id"], json!(ids[0]));
    pass(Duration::from_hours(15 * 24)).await;
    bench.token = bench.fetch_token().await;
    assert_eq!(bench.get(&tail).await.0, 404, "kept for 14 days");
}
