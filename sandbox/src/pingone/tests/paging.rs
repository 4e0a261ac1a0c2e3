//! Points 13 to 23, 37, 45, 46, 60.

use super::*;
use serde_json::json;
use std::collections::BTreeSet;

async fn generated(users: u32, change: impl FnOnce(&mut Options)) -> Bench {
    let mut options = Options::default();
    options.directory.users = Some(users);
    change(&mut options);
    Bench::with(options).await
}

fn ids(rows: &[Value]) -> Vec<&str> {
    rows.iter().map(|row| row["id"].as_str().unwrap()).collect()
}

fn truth(bench: &Bench) -> BTreeSet<String> {
    bench
        .server
        .directory()
        .users()
        .iter()
        .map(ToString::to_string)
        .collect()
}

/// The chain has every user once.
fn complete(bench: &Bench, rows: &[Value]) -> bool {
    let seen: BTreeSet<String> = ids(rows).into_iter().map(str::to_owned).collect();
    seen.len() == rows.len() && seen == truth(bench)
}

#[tokio::test(start_paused = true)]
async fn point_13_a_page_has_at_most_200_users() {
    let bench = generated(450, |_| {}).await;
    for (query, first) in [("", 200), ("?limit=1000", 200), ("?limit=37", 37)] {
        let body = bench.get(&format!("/users{query}")).await.1;
        assert_eq!(body["_embedded"]["users"].as_array().unwrap().len(), first, "{query}");
        assert_eq!(
            (body["size"].as_u64(), body["count"].as_u64()),
            (Some(first as u64), Some(450))
        );
    }
    let (rows, pages) = bench.chain("/users?limit=200", "users").await;
    assert!(complete(&bench, &rows) && pages == 3);
    let small_pages = generated(450, |options| options.paging.max_page_users = 100).await;
    assert_eq!(small_pages.chain("/users?limit=200", "users").await.1, 5);
}

#[tokio::test(start_paused = true)]
async fn point_13_pages_may_be_smaller_than_asked() {
    let bench = generated(450, |options| options.paging.uneven_pages = true).await;
    let (rows, pages) = bench.chain("/users?limit=100", "users").await;
    assert!(complete(&bench, &rows) && pages > 5, "{pages}");
}

#[tokio::test(start_paused = true)]
async fn point_13_a_limit_of_zero_is_refused_or_clamped() {
    for (clamp, expected) in [(false, 400), (true, 200)] {
        let bench = generated(9, |options| options.paging.clamp_small_limits = clamp).await;
        assert_eq!(bench.get("/users?limit=0").await.0, expected);
        assert_eq!(error(&bench.get("/users?limit=many").await).2, "INVALID_PARAMETER");
    }
}

#[tokio::test(start_paused = true)]
async fn point_14_the_last_page_has_no_next_and_later_pages_have_prev() {
    for no_prev in [false, true] {
        let bench = generated(25, |options| options.paging.no_prev = no_prev).await;
        let first = bench.get("/users?limit=10").await.1;
        assert!(first["_links"].get("prev").is_none());
        let second = bench.url(first["_links"]["next"]["href"].as_str().unwrap()).await.1;
        assert_eq!(second["_links"].get("prev").is_some(), !no_prev);
        if let Some(prev) = second["_links"]["prev"]["href"].as_str() {
            assert_eq!(bench.url(prev).await.1["_embedded"], first["_embedded"]);
        }
        let third = bench.url(second["_links"]["next"]["href"].as_str().unwrap()).await.1;
        assert_eq!((third["size"].as_u64(), third["_links"].get("next")), (Some(5), None));
    }
}

#[tokio::test(start_paused = true)]
async fn point_14_empty_pages_with_next_and_a_trailing_empty_page() {
    let bench = generated(50, |options| options.paging.empty_page_every = 2).await;
    let (rows, pages) = bench.chain("/users?limit=10", "users").await;
    assert!(complete(&bench, &rows) && pages == 9, "{pages}");
    let bench = generated(50, |options| options.paging.trailing_empty_page = true).await;
    let (rows, pages) = bench.chain("/users?limit=10", "users").await;
    assert!(complete(&bench, &rows) && pages == 6, "{pages}");
}

#[tokio::test(start_paused = true)]
async fn point_14_short_page_with_next() {
    let bench = generated(50, |_| {}).await;
    bench
        .server
        .set_faults(vec![Fault::on("GET", "*/users", FaultAction::ShortPage(3)).nth(2)]);
    let (rows, pages) = bench.chain("/users?limit=10", "users").await;
    assert!(complete(&bench, &rows) && pages == 6, "{pages}");
}

#[tokio::test(start_paused = true)]
async fn point_15_count_and_size_are_optional() {
    let bench = generated(50, |options| {
        (options.paging.no_count, options.paging.no_size) = (true, true);
    })
    .await;
    let body = bench.get("/users?limit=10").await.1;
    assert!(body.get("count").is_none() && body.get("size").is_none());
    let bench = generated(50, |options| options.paging.count_up_to = 49).await;
    assert!(bench.get("/users").await.1.get("count").is_none());
    assert_eq!(bench.get("/populations").await.1["count"], 4);
}

#[tokio::test(start_paused = true)]
async fn point_16_a_cursor_is_sealed_bound_and_may_expire() {
    let bench = generated(50, |options| options.paging.cursor_seconds = 60).await;
    let first = bench.get("/users?limit=10").await.1;
    let next = first["_links"]["next"]["href"].as_str().unwrap().to_owned();
    let (front, cursor) = next.split_once("cursor=").unwrap();
    let changed: String = cursor.chars().rev().collect();
    let bad = (400, "INVALID_REQUEST", "INVALID_PARAMETER", "cursor");
    for url in [
        format!("{front}cursor={changed}"),
        format!("{front}cursor=abc"),
        format!("{next}&filter=enabled%20eq%20true"),
        next.replace("/users?", "/groups?"),
    ] {
        assert_eq!(error(&bench.url(&url).await), bad, "{url}");
    }
    assert_eq!(bench.url(&next).await.0, 200);
    pass(Duration::from_secs(61)).await;
    assert_eq!(error(&bench.url(&next).await), bad);
}

#[tokio::test(start_paused = true)]
async fn point_16_the_status_of_a_refused_cursor_is_a_knob() {
    for status in [400, 401, 403] {
        let bench = generated(50, |options| options.paging.cursor_status = status).await;
        let expected = (status, "INVALID_REQUEST", "INVALID_PARAMETER", "cursor");
        assert_eq!(error(&bench.get("/users?cursor=abc").await), expected);
        bench
            .server
            .set_faults(vec![Fault::on("GET", "*/users", FaultAction::CursorExpired)]);
        assert_eq!(error(&bench.get("/users?limit=10").await), expected);
    }
}

#[tokio::test(start_paused = true)]
async fn point_16_a_cursor_may_be_bound_to_its_token() {
    for (bound, expected) in [(false, 200), (true, 400)] {
        let mut bench = generated(50, |options| options.auth.cursor_bound_to_token = bound).await;
        let first = bench.get("/users?limit=10").await.1;
        bench.token = bench.fetch_token().await;
        assert_eq!(
            bench.url(first["_links"]["next"]["href"].as_str().unwrap()).await.0,
            expected
        );
    }
}

#[tokio::test(start_paused = true)]
async fn point_17_hrefs_begin_with_the_public_base() {
    let bench = generated(50, |options| {
        options.listen.public_base = Some("https://api.pingone.eu/v1/".to_owned());
    })
    .await;
    let body = bench.get("/users?limit=10").await.1;
    let root = format!(
        "https://api.pingone.eu/v1/environments/{}",
        bench.server.environment_id()
    );
    let user = &body["_embedded"]["users"][0];
    assert_eq!(user["_links"]["environment"]["href"], root);
    assert!(
        body["_links"]["next"]["href"]
            .as_str()
            .unwrap()
            .starts_with(&format!("{root}/users?limit=10&cursor="))
    );
}

#[tokio::test(start_paused = true)]
async fn point_18_rows_move_while_a_chain_is_read() {
    let bench = generated(50, |options| options.paging.drift = Drift::Duplicate).await;
    let rows = bench.chain("/users?limit=10", "users").await.0;
    assert_eq!(
        (rows.len(), ids(&rows).into_iter().collect::<BTreeSet<_>>().len()),
        (54, 50)
    );
    let bench = generated(50, |options| options.paging.drift = Drift::Skip).await;
    assert_eq!(bench.chain("/users?limit=10", "users").await.0.len(), 46);
}

#[tokio::test(start_paused = true)]
async fn point_18_users_are_not_in_user_name_order() {
    let bench = generated(50, |_| {}).await;
    let rows = bench.chain("/users", "users").await.0;
    let names: Vec<&str> = rows.iter().map(|row| row["username"].as_str().unwrap()).collect();
    assert!(!names.is_sorted());
}

#[tokio::test(start_paused = true)]
async fn point_19_users_are_filtered() {
    let bench = Bench::new(small().build(), |_| {}).await;
    for (filter, expected) in [
        ("username eq \"MARA\"".to_owned(), vec!["mara"]),
        ("title eq \"Boss \\\"B\\\"\"".to_owned(), vec!["mara"]),
        (
            "department sw \"D-\" and (username eq \"ivo\" or username ew \"na\")".to_owned(),
            vec!["ivo", "lena"],
        ),
        ("email co \"@example\"".to_owned(), vec!["lena", "mara"]),
        (format!("population.id eq \"{}\"", id("guests")), vec!["lena"]),
        (format!("id eq \"{}\"", id("ivo")), vec!["ivo"]),
        (
            format!("memberOfGroups[id eq \"{}\"]", id("top")),
            vec!["ivo", "lena", "mara"],
        ),
        (
            format!("memberOfGroups[id eq \"{}\" and type eq \"DIRECT\"]", id("top")),
            vec!["mara"],
        ),
        (
            format!("memberOfGroups[id eq \"{}\"] and username eq \"ivo\"", id("top")),
            vec!["ivo"],
        ),
        (
            format!(
                "memberOfGroups[id eq \"{0}\"] and memberOfGroups[id eq \"{1}\"]",
                id("top"),
                id("low")
            ),
            vec!["lena", "mara"],
        ),
        (
            "memberOfGroups[id eq \"00000000-0000-4000-8000-000000000000\"]".to_owned(),
            vec![],
        ),
    ] {
        assert_eq!(bench.users(&filter).await, expected, "{filter}");
    }
}

#[tokio::test(start_paused = true)]
async fn point_19_the_type_may_be_refused_and_the_plain_form_may_mean_direct() {
    let bench = Bench::new(small().build(), |options| options.filters.refuse_direct = true).await;
    for form in [
        "memberOfGroups[id eq \"X\" and type eq \"DIRECT\"]",
        "enabled eq true and memberOfGroups[id eq \"X\" and type eq \"DIRECT\"]",
    ] {
        let filter = form.replace('X', &id("top"));
        assert_eq!(
            error(&bench.filtered("/users", &filter).await),
            (400, "INVALID_REQUEST", "INVALID_FILTER", "filter")
        );
    }
    let bench = Bench::new(small().build(), |options| options.filters.plain_means_direct = true).await;
    assert_eq!(
        bench.users(&format!("memberOfGroups[id eq \"{}\"]", id("top"))).await,
        ["mara"]
    );
}

#[tokio::test(start_paused = true)]
async fn point_20_what_users_cannot_be_filtered_by_is_refused() {
    for (request_failed, code) in [(false, "INVALID_REQUEST"), (true, "REQUEST_FAILED")] {
        let bench = Bench::new(small().build(), |options| {
            options.filters.filter_request_failed = request_failed;
            options.filters.filter_hints = request_failed;
        })
        .await;
        for filter in [
            "updatedAt gt \"2026-01-01T00:00:00Z\"",
            "username ne \"x\"",
            "username pr",
            "identityProvider.type eq \"SAML\"",
        ] {
            let said = bench.filtered("/users", filter).await;
            assert_eq!(error(&said), (400, code, "INVALID_FILTER", "filter"), "{filter}");
            assert_eq!(said.1["details"][0].get("innerError").is_some(), request_failed);
        }
        assert_eq!(
            error(&bench.filtered("/users", "shoeSize eq \"9\"").await).1,
            "REQUEST_FAILED"
        );
        assert_eq!(
            error(&bench.filtered("/users", "username eq").await).2,
            "INVALID_FILTER"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn point_21_groups_and_populations_are_filtered() {
    let bench = Bench::new(small().build(), |_| {}).await;
    let groups = async |filter: String| names(&bench.filtered("/groups", &filter).await.1, "groups", "name");
    assert_eq!(groups("name eq \"top\"".to_owned()).await, ["top"]);
    assert_eq!(
        groups("name sw \"ring\"".to_owned()).await,
        ["ring-a", "ring-b", "ring-c"]
    );
    assert_eq!(
        groups(format!("id eq \"{}\" or name eq \"mid\"", id("low"))).await,
        ["low", "mid"]
    );
    assert_eq!(
        groups(format!("population.id eq \"{}\"", id("guests"))).await,
        ["guests-only"]
    );
    assert_eq!(
        groups(format!(
            "memberOfGroups[id eq \"{}\" and type eq \"DIRECT\"]",
            id("top")
        ))
        .await,
        ["mid"]
    );
    assert_eq!(
        groups(format!("memberOfGroups[id eq \"{}\"]", id("top"))).await,
        ["low", "mid"]
    );
    assert_eq!(
        error(&bench.filtered("/groups", "description eq \"x\"").await).2,
        "INVALID_FILTER"
    );
    let populations = bench.filtered("/populations", "name sw \"st\"").await.1;
    assert_eq!(names(&populations, "populations", "name"), ["staff"]);
    assert_eq!(error(&bench.filtered("/populations", "name eq \"staff\"").await).0, 400);
    let refusing = Bench::new(small().build(), |options| options.filters.refuse_nested_filter = true).await;
    let filter = format!("memberOfGroups[id eq \"{}\"]", id("top"));
    assert_eq!(refusing.filtered("/groups", &filter).await.0, 400);
}

#[tokio::test(start_paused = true)]
async fn point_22_group_ids_come_with_a_single_user_only() {
    let bench = Bench::new(small().build(), |_| {}).await;
    let user = bench
        .get(&format!("/users/{}?include=memberOfGroupIDs", id("lena")))
        .await
        .1;
    let mut found: Vec<&str> = user["memberOfGroupIDs"]
        .as_array()
        .unwrap()
        .iter()
        .map(|id| id.as_str().unwrap())
        .collect();
    found.sort_unstable();
    let mut expected = ["top", "mid", "low", "filtered"].map(id);
    expected.sort_unstable();
    assert_eq!(found, expected);
    let named = bench
        .get(&format!("/users/{}?include=memberOfGroupNames", id("lena")))
        .await
        .1;
    assert_eq!(named["memberOfGroupNames"].as_array().unwrap().len(), 4);
    let listed = bench.get("/users?include=memberOfGroupIDs").await.1;
    assert!(
        listed["_embedded"]["users"]
            .as_array()
            .unwrap()
            .iter()
            .all(|user| user.get("memberOfGroupIDs").is_none())
    );
}

#[tokio::test(start_paused = true)]
async fn point_23_expand_and_include_add_their_members() {
    let bench = Bench::new(small().build(), |_| {}).await;
    let memberships = bench
        .get(&format!("/users/{}/memberOfGroups?expand=group", id("mara")))
        .await
        .1;
    let rows = memberships["_embedded"]["groupMemberships"].as_array().unwrap();
    assert!(!rows.is_empty() && rows.iter().all(|row| row["_embedded"]["group"]["id"] == row["id"]));
    let group = bench
        .get(&format!("/groups/{}?include=totalMemberCounts", id("top")))
        .await
        .1;
    assert_eq!(
        (
            group["totalMemberCounts"]["users"].as_u64(),
            group["directMemberCounts"]["users"].as_u64()
        ),
        (Some(3), Some(1))
    );
    let assignments = bench
        .get(&format!("/users/{}/roleAssignments?expand=role", id("mara")))
        .await
        .1;
    assert_eq!(
        assignments["_embedded"]["roleAssignments"][0]["_embedded"]["role"]["name"],
        "Identity Data Read Only"
    );
    let users = bench.get("/users?expand=population").await.1;
    assert!(users["_embedded"]["users"][0]["_embedded"]["population"]["name"].is_string());
}

#[tokio::test(start_paused = true)]
async fn point_37_users_without_parts_and_things_nobody_knows_yet() {
    let strange = small().user(
        "odd",
        "staff",
        json!({"lifecycle": {"status": "MOLTING"}, "username": 7, "extra": {"a": [null]},
        "population": null, "createdAt": "yesterday"}),
    );
    let bench = Bench::new(strange.build(), |_| {}).await;
    let body = bench.get("/users").await.1;
    let user = |label: &str| {
        let id = if label == "odd" {
            small()
                .user("odd", "staff", json!({}))
                .build()
                .id("odd")
                .unwrap()
                .to_string()
        } else {
            id(label)
        };
        body["_embedded"]["users"]
            .as_array()
            .unwrap()
            .iter()
            .find(|user| user["id"] == id)
            .unwrap()
            .clone()
    };
    assert!(
        ["name", "email", "lastSignOn"]
            .iter()
            .all(|key| user("ivo").get(key).is_none())
    );
    assert_eq!(
        (user("odd")["username"].as_u64(), user("odd").get("population")),
        (Some(7), None)
    );
    assert_eq!(user("odd")["lifecycle"]["status"], "MOLTING");
}

#[tokio::test(start_paused = true)]
async fn point_31_unset_attributes_are_absent_or_null() {
    for nulls in [false, true] {
        let bench = Bench::new(small().build(), |options| options.users.nulls = nulls).await;
        let user = bench.get(&format!("/users/{}", id("ivo"))).await.1;
        assert_eq!(user.get("email"), nulls.then_some(&Value::Null));
    }
}

#[tokio::test(start_paused = true)]
async fn an_empty_listing_may_lack_embedded_and_self_may_be_reordered() {
    for bare in [false, true] {
        let bench = Bench::new(small().build(), |options| {
            options.paging.no_embedded_when_empty = bare;
            options.paging.self_as_asked = bare;
        })
        .await;
        let body = bench.get("/users?limit=5&filter=username%20eq%20%22nobody%22").await.1;
        assert_eq!(body.get("_embedded").is_none(), bare);
        let href = body["_links"]["self"]["href"].as_str().unwrap();
        assert_eq!(href.contains("?limit=5&filter="), bare, "{href}");
    }
}

#[tokio::test(start_paused = true)]
async fn point_60_a_generated_directory_is_the_same_each_time_and_adds_up() {
    let options = || {
        let mut options = Options::default();
        options.directory.preset = Preset::Bench2k;
        options
    };
    let (one, two) = (Bench::with(options()).await, Bench::with(options()).await);
    let sizes = one.server.directory().sizes();
    assert_eq!(sizes, two.server.directory().sizes());
    assert_eq!(
        (sizes.users, sizes.groups, sizes.populations, sizes.roles),
        (2000, 100, 40, 20)
    );
    assert!((46_000..50_000).contains(&sizes.memberships), "{sizes:?}");
    assert!((25..60).contains(&sizes.users_with_roles), "{sizes:?}");
    assert_eq!(
        (sizes.dynamic_groups, sizes.external_groups, sizes.nestings),
        (5, 2, 10)
    );
    let listed: usize = one
        .server
        .directory()
        .populations()
        .iter()
        .map(|(_, users)| users)
        .sum();
    assert_eq!(listed, 2000);
}

#[tokio::test(start_paused = true)]
async fn point_60_what_the_api_lists_is_the_true_state() {
    let bench = Bench::with(Options::default()).await;
    let truth = bench.server.directory();
    for group in bench.chain("/groups", "groups").await.0 {
        let id = group["id"].as_str().unwrap();
        let listed = async |filter: String| bench.chain(&format!("/users?filter={filter}"), "users").await.0;
        let all = listed(format!("memberOfGroups%5Bid%20eq%20%22{id}%22%5D")).await;
        let direct = listed(format!(
            "memberOfGroups%5Bid%20eq%20%22{id}%22%20and%20type%20eq%20%22DIRECT%22%5D"
        ))
        .await;
        let members = truth.members(id.parse().unwrap());
        assert_eq!(all.len(), members.len());
        assert_eq!(direct.len(), members.iter().filter(|(_, how)| how.direct).count());
        assert_eq!(group["directMemberCounts"]["users"].as_u64(), Some(direct.len() as u64));
        if let Some(filter) = group["userFilter"].as_str() {
            let by_filter = bench.filtered("/users", filter).await.1;
            assert_eq!(
                by_filter["count"].as_u64(),
                Some(all.len() as u64),
                "the filter means its members"
            );
        }
    }
}
