//! Points 54 to 58 and the sandbox's own paths.

use super::*;
use serde_json::json;

#[tokio::test(start_paused = true)]
async fn point_54_beyond_the_rate_a_call_is_refused_with_the_seconds_to_wait() {
    for (form, check) in [
        (
            RetryAfter::Seconds,
            (|text| text == Some("1")) as fn(Option<&str>) -> bool,
        ),
        (RetryAfter::Date, |text| text.is_some_and(|text| text.ends_with(" GMT"))),
        (RetryAfter::Absent, |text| text.is_none()),
    ] {
        let bench = Bench::new(small().build(), |options| {
            options.limits.rate = vec!["dir-bulk=2".to_owned()];
            options.limits.retry_after = form;
        })
        .await;
        for _ in 0..2 {
            assert_eq!(bench.get("/users").await.0, 200);
        }
        let answer = bench
            .http
            .get(bench.env("/users"))
            .bearer_auth(&bench.token)
            .send()
            .await
            .unwrap();
        assert!(
            check(answer.headers().get("retry-after").map(|value| value.to_str().unwrap())),
            "{form:?}"
        );
        let refused = said(answer).await;
        assert_eq!(error(&refused), (429, "REQUEST_LIMITED", "LIMIT_EXCEEDED", ""));
        assert_eq!(bench.get("/capabilities").await.0, 200, "another group");
        assert_eq!(bench.server.requests().refused, 1);
        pass(Duration::from_secs(1)).await;
        assert_eq!(bench.get("/users").await.0, 200);
    }
}

#[tokio::test(start_paused = true)]
async fn point_54_assignments_have_their_own_group_or_the_configuration_one() {
    for (in_config, expected) in [(false, 200), (true, 429)] {
        let bench = Bench::new(small().build(), |options| {
            options.limits.rate = vec!["config=1".to_owned()];
            options.limits.assignments_in_config = in_config;
        })
        .await;
        assert_eq!(bench.get("/populations").await.0, 200);
        assert_eq!(
            bench.get(&format!("/users/{}/roleAssignments", id("ivo"))).await.0,
            expected
        );
    }
}

#[tokio::test(start_paused = true)]
async fn point_54_capabilities_tell_the_rates_or_not() {
    for tell in [false, true] {
        let bench = Bench::new(small().build(), |options| {
            options.limits.rate_each = Some(70.0);
            options.limits.rates_in_capabilities = tell;
        })
        .await;
        let body = bench.get("/capabilities").await.1;
        assert_eq!(
            body["licenseQuantities"]["rlgDirAccessRps"]["limit"].as_u64(),
            tell.then_some(200)
        );
    }
}

#[tokio::test(start_paused = true)]
async fn point_55_statuses_and_bodies_come_as_planned() {
    let bench = Bench::new(small().build(), |_| {}).await;
    let status = |status, body| FaultAction::Status {
        status,
        retry_after: Some("7".to_owned()),
        body,
    };
    for (action, code, has_code) in [
        (FaultAction::status(500), 500, true),
        (status(503, FaultBody::Platform), 503, true),
        (status(502, FaultBody::Html), 502, false),
        (status(504, FaultBody::Empty), 504, false),
        (FaultAction::too_many(Some(3)), 429, true),
        (FaultAction::too_many(None), 429, true),
        (FaultAction::ExpiredToken, 401, true),
        (FaultAction::Gateway, 403, false),
        (FaultAction::CursorExpired, 400, true),
        (FaultAction::Html, 200, false),
    ] {
        bench
            .server
            .set_faults(vec![Fault::on("GET", "*/users", action.clone())]);
        let first = bench.get("/users").await;
        assert_eq!((first.0, first.1.get("code").is_some()), (code, has_code), "{action:?}");
        assert_eq!(bench.get("/users").await.0, 200, "once only");
    }
    bench
        .server
        .set_faults(vec![Fault::on("", "*/users", status(503, FaultBody::Platform))]);
    let answer = bench
        .http
        .get(bench.env("/users"))
        .bearer_auth(&bench.token)
        .send()
        .await
        .unwrap();
    assert_eq!(answer.headers()["retry-after"], "7");
}

#[tokio::test(start_paused = true)]
async fn point_55_bodies_are_cut_broken_slow_or_mislabelled() {
    let bench = Bench::new(small().build(), |_| {}).await;
    let fetch = async |action: FaultAction| {
        bench.server.set_faults(vec![Fault::on("GET", "*/users", action)]);
        let answer = bench
            .http
            .get(bench.env("/users"))
            .bearer_auth(&bench.token)
            .send()
            .await?;
        let kind = answer.headers()["content-type"].to_str().unwrap().to_owned();
        answer.bytes().await.map(|body| (kind, body))
    };
    let whole = fetch(FaultAction::Slow(1)).await.unwrap().1;
    let truncated = fetch(FaultAction::Truncated(50)).await.unwrap().1;
    assert!(truncated.len() < whole.len() && serde_json::from_slice::<Value>(&truncated).is_err());
    assert!(fetch(FaultAction::ResetMidBody(50)).await.is_err());
    assert!(fetch(FaultAction::Reset).await.is_err());
    assert_eq!(fetch(FaultAction::Trickle(1)).await.unwrap().1, whole);
    assert_eq!(
        fetch(FaultAction::ContentType("text/plain".into())).await.unwrap().0,
        "text/plain"
    );
    assert_eq!(
        fetch(FaultAction::Body("{\"_embedded\":7}".into())).await.unwrap().1,
        "{\"_embedded\":7}"
    );
    bench
        .server
        .set_faults(vec![Fault::on("GET", "*/users", FaultAction::Hang)]);
    let hanging = bench
        .http
        .get(bench.env("/users"))
        .bearer_auth(&bench.token)
        .timeout(Duration::from_millis(50))
        .send();
    assert!(hanging.await.unwrap_err().is_timeout());
}

#[tokio::test(start_paused = true)]
async fn point_55_pages_that_lead_astray() {
    let bench = Bench::new(small().build(), |_| {}).await;
    bench.server.set_faults(vec![
        Fault::on("GET", "*/users", FaultAction::EndlessPage).nth(2).times(0),
    ]);
    let first = bench.get("/users?limit=1").await.1;
    let next = first["_links"]["next"]["href"].as_str().unwrap();
    assert_eq!(bench.url(next).await.1["_links"]["next"]["href"], next);
    bench
        .server
        .set_faults(vec![Fault::on("GET", "*/users", FaultAction::DuplicateRow)]);
    let rows = bench.get("/users").await.1["_embedded"]["users"]
        .as_array()
        .unwrap()
        .len();
    assert_eq!(rows, 4);
    bench
        .server
        .set_faults(vec![Fault::on("GET", "*/users", FaultAction::EmptyPage)]);
    let (rows, pages) = bench.chain("/users", "users").await;
    assert_eq!((rows.len(), pages), (3, 2));
}

#[tokio::test(start_paused = true)]
async fn point_55_a_platform_error_of_any_code() {
    let bench = Bench::new(small().build(), |_| {}).await;
    let fault = r#"[{"path":"/environments/{id}/groups","times":0,"action":{"refuse":{"status":403,"code":"ACCESS_FAILED",
        "detail":"LICENSE_EXCEEDED","message":"no"}}}]"#;
    let url = format!("{}/sandbox/faults", bench.server.api_url());
    assert_eq!(bench.http.post(&url).body(fault).send().await.unwrap().status(), 204);
    assert_eq!(
        error(&bench.get("/groups").await),
        (403, "ACCESS_FAILED", "LICENSE_EXCEEDED", "")
    );
    assert_eq!(bench.http.post(&url).body("[{}]").send().await.unwrap().status(), 400);
}

#[tokio::test(start_paused = true)]
async fn point_56_a_poisoned_row_spoils_its_page_for_ever() {
    let bench = Bench::new(small().poisoned("ivo").build(), |_| {}).await;
    for _ in 0..3 {
        assert_eq!(error(&bench.get("/users").await), (500, "UNEXPECTED_ERROR", "", ""));
    }
    assert_eq!(bench.get(&format!("/users/{}", id("ivo"))).await.0, 500);
    assert_eq!(bench.get(&format!("/users/{}", id("mara"))).await.0, 200);
    assert_eq!(bench.users("username eq \"lena\"").await, ["lena"]);
    let mut options = Options::default();
    options.timing.poisoned_user = vec![3];
    let bench = Bench::with(options).await;
    assert_eq!(bench.get("/users?limit=3").await.0, 200);
    assert_eq!(bench.get("/users?limit=4").await.0, 500);
}

#[tokio::test(start_paused = true)]
async fn point_57_every_answer_has_a_correlation_id_and_no_etag() {
    let bench = Bench::new(small().build(), |_| {}).await;
    let mut seen = std::collections::BTreeSet::new();
    for tail in ["/users", "/widgets", "/users/x", "/groups"] {
        let answer = bench
            .http
            .get(bench.env(tail))
            .bearer_auth(&bench.token)
            .send()
            .await
            .unwrap();
        let headers = answer.headers().clone();
        assert!(seen.insert(headers["correlation-id"].to_str().unwrap().to_owned()));
        assert!(headers.get("etag").is_none() && headers.keys().all(|name| !name.as_str().starts_with("x-ratelimit")));
    }
    let first = bench.get("/users/x").await.1["id"].clone();
    assert_ne!(bench.get("/users/x").await.1["id"], first);
    assert!(first.is_string());
}

#[tokio::test(start_paused = true)]
async fn point_57_the_content_type_is_hal_or_plain() {
    for (plain, kind) in [
        (false, "application/hal+json;charset=UTF-8"),
        (true, "application/json"),
    ] {
        let bench = Bench::new(small().build(), |options| options.users.plain_content_type = plain).await;
        let answer = bench
            .http
            .get(bench.env("/users"))
            .bearer_auth(&bench.token)
            .send()
            .await
            .unwrap();
        assert_eq!(answer.headers()["content-type"], kind);
    }
}

#[tokio::test(start_paused = true)]
async fn point_58_headers_over_six_kilobytes_are_refused() {
    for status in [431, 400] {
        let bench = Bench::new(small().build(), |options| options.limits.header_limit_status = status).await;
        let get = |size: usize| {
            bench
                .http
                .get(bench.env("/users"))
                .bearer_auth(&bench.token)
                .header("x-long", "x".repeat(size))
                .send()
        };
        assert_eq!(get(4000).await.unwrap().status(), 200);
        assert_eq!(get(6000).await.unwrap().status(), status);
    }
}

#[tokio::test(start_paused = true)]
async fn both_http_versions_and_gzip_are_spoken() {
    for gzip in [false, true] {
        let bench = Bench::new(small().build(), |options| options.listen.gzip = gzip).await;
        let two = reqwest::Client::builder()
            .no_proxy()
            .http2_prior_knowledge()
            .build()
            .unwrap();
        let answer = two
            .get(bench.env("/users"))
            .bearer_auth(&bench.token)
            .send()
            .await
            .unwrap();
        assert_eq!(answer.version(), reqwest::Version::HTTP_2);
        assert_eq!(said(answer).await.1["size"], 3);
        let plain = reqwest::Client::builder().no_proxy().no_gzip().build().unwrap();
        let raw = plain
            .get(bench.env("/users"))
            .bearer_auth(&bench.token)
            .header("accept-encoding", "gzip");
        let answer = raw.send().await.unwrap();
        assert_eq!(answer.headers().get("content-encoding").is_some(), gzip);
    }
}

#[tokio::test(start_paused = true)]
async fn requests_are_counted_by_method_path_shape_and_status() {
    let bench = Bench::new(small().build(), |_| {}).await;
    bench.get("/users").await;
    bench.get("/users").await;
    bench.get("/widgets").await;
    bench.get(&format!("/users/{}/roleAssignments", id("mara"))).await;
    let requests = bench.server.requests();
    assert_eq!(requests.of("GET", "/environments/{id}/users"), 2);
    assert_eq!(requests.of("GET", "/environments/{id}/users/{id}/roleAssignments"), 1);
    assert_eq!(requests.of("POST", "/{id}/as/token"), 1);
    assert_eq!(
        (requests.with_status(403), requests.writes(), requests.total),
        (1, 0, 5)
    );
    assert!(requests.bytes > 1000 && requests.connections >= 1 && requests.most_in_flight == 1);
    let url = |tail: &str| format!("{}/sandbox/{tail}", bench.server.api_url());
    let told = bench.url(&url("requests")).await.1;
    assert_eq!(told["total"], 5);
    bench.http.post(url("requests/reset")).send().await.unwrap();
    assert_eq!(bench.server.requests().total, 0);
}

#[tokio::test(start_paused = true)]
async fn the_full_state_lists_every_row() {
    let bench = Bench::with(Options::default()).await;
    let url = format!("{}/sandbox/state", bench.server.api_url());
    let sizes = bench.url(&url).await.1;
    let text = bench
        .http
        .get(format!("{url}?full=true"))
        .send()
        .await
        .unwrap()
        .text()
        .await
        .unwrap();
    let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let of = |kind: &str| lines.iter().filter(|line| line["kind"] == kind).count() as u64;
    for (kind, key) in [
        ("user", "users"),
        ("group", "groups"),
        ("population", "populations"),
        ("role", "roles"),
    ] {
        assert_eq!(Some(of(kind)), sizes[key].as_u64(), "{kind}");
    }
    let users = lines
        .iter()
        .filter(|line| line["kind"] == "assignment" && line["holder_type"] == "user")
        .count();
    assert_eq!(Some(users as u64), sizes["user_assignments"].as_u64());
    assert_eq!(json!(bench.server.directory().sizes()), sizes);
}

#[tokio::test(start_paused = true)]
async fn latency_is_added_by_timers() {
    for (latency, least) in [(0, 0), (40, 40)] {
        let bench = Bench::new(small().build(), |options| options.timing.latency_ms = latency).await;
        let before = tokio::time::Instant::now();
        bench.get("/users").await;
        let waited = before.elapsed();
        assert!(waited >= Duration::from_millis(least), "{waited:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn point_55_a_fault_can_be_planned_from_the_start() {
    let bench = Bench::new(small().build(), |options| {
        options.timing.fault = vec![Fault::on("GET", "*/groups", FaultAction::status(500))];
        options.timing.latency_jitter_ms = 1;
        options.paging.max_page = 4;
    })
    .await;
    assert_eq!(bench.get("/groups").await.0, 500);
    assert_eq!(bench.get("/groups").await.1["size"], 4);
    assert_eq!(bench.get("/users").await.1["size"], 3);
}

#[test]
fn the_command_line_takes_every_knob_and_the_empty_one_is_the_default() {
    use clap::Parser as _;
    #[derive(clap::Parser)]
    struct Line {
        #[command(flatten)]
        options: Options,
    }
    let line = Line::try_parse_from([
        "x", "--preset", "bench-1m", "--users", "7", "--rate", "audit=3", "--drift", "skip",
    ])
    .unwrap();
    assert_eq!(Spec::of(&line.options.directory).groups, 10_000);
    assert_eq!(Spec::of(&line.options.directory).users, 7);
    assert_eq!(line.options.paging.drift, Drift::Skip);
    assert_eq!(
        format!("{:?}", Line::try_parse_from(["x"]).unwrap().options),
        format!("{:?}", Options::default())
    );
    assert!(Line::try_parse_from(["x", "--fault", "{}"]).is_err());
    for (flag, good, bad) in [
        ("--cursor-status", "403", "404"),
        ("--refused-member-status", "409", "500"),
    ] {
        assert!(Line::try_parse_from(["x", flag, good]).is_ok(), "{flag}");
        assert!(Line::try_parse_from(["x", flag, bad]).is_err(), "{flag}");
    }
    assert!(
        Line::try_parse_from(["x", "--existing-id"])
            .unwrap()
            .options
            .users
            .existing_id
    );
}
