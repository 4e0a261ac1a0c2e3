use sandbox::pingone::{Fault, FaultAction, FaultBody, Lost};

use super::*;
use crate::{Budget, NoConnection, Principal, Reason, WriteBody, WriteCall};
use process::error::ErrorClass;

const USERS: &str = "/environments/{id}/users";
const ENVIRONMENT: &str = "/environments/{id}";

fn new_user(pair: &Pair, name: &str) -> WriteCall {
    let body = json!({"username": name, "population": {"id": pair.id("staff")}});
    crate::write::users::create(pair.client.environment_id(), name, WriteBody::json(&body))
}

#[tokio::test]
async fn reads_are_repeated_where_the_class_says_so_and_not_otherwise() {
    let pair = pair(|_| {}).await;
    let foreign = |status| FaultAction::Status {
        status,
        retry_after: None,
        body: FaultBody::Html,
    };
    let repeated = [
        FaultAction::status(500),
        FaultAction::status(503),
        FaultAction::status(408),
        foreign(502),
        FaultAction::too_many(Some(0)),
        FaultAction::Reset,
        FaultAction::ResetMidBody(50),
    ];
    for action in repeated {
        pair.server
            .set_faults(vec![Fault::on("GET", ENVIRONMENT, action.clone())]);
        assert!(pair.client.environment().await.is_ok(), "{action:?}");
    }
    let final_ones = [
        (FaultAction::status(501), ErrorClass::Unsupported),
        (FaultAction::status(400), ErrorClass::Rejected),
        (FaultAction::Gateway, ErrorClass::Forbidden),
    ];
    for (action, class) in final_ones {
        pair.server.reset_requests();
        pair.server
            .set_faults(vec![Fault::on("GET", ENVIRONMENT, action.clone())]);
        let error = pair.client.environment().await.unwrap_err();
        assert_eq!(error.class(), class, "{action:?}: {error}");
        assert_eq!(pair.server.requests().of("GET", ENVIRONMENT), 1, "{action:?}");
        assert!(!error.to_string().contains("127.0.0.1"), "{error}");
    }
}

#[tokio::test]
async fn a_read_that_is_not_json_is_asked_again_three_times_and_then_named() {
    let pair = pair(|_| {}).await;
    let actions = [
        FaultAction::Html,
        FaultAction::Body(String::new()),
        FaultAction::Truncated(60),
        FaultAction::Body("[]".to_owned()),
    ];
    for action in actions {
        for (path, times, works) in [
            (USERS, 3, true),
            (USERS, 4, false),
            (ENVIRONMENT, 3, true),
            (ENVIRONMENT, 4, false),
        ] {
            pair.server.reset_requests();
            pair.server
                .set_faults(vec![Fault::on("GET", path, action.clone()).times(times)]);
            let outcome = if path == USERS {
                pair.client.user_ids(None).await.map(drop)
            } else {
                pair.client.environment().await.map(drop)
            };
            assert_eq!(outcome.is_ok(), works, "{action:?} {path} {times}: {outcome:?}");
            assert_eq!(pair.server.requests().of("GET", path), 4);
            let Err(error) = outcome else { continue };
            let text = error.to_string();
            assert!(text.contains(" bytes that is not JSON, 4 times in a row"), "{text}");
            assert_eq!(
                (error.page, error.class()),
                ((path == USERS).then_some(1), ErrorClass::Corrupt),
                "{text}"
            );
        }
    }
}

#[tokio::test]
async fn an_answer_that_is_not_json_is_named_with_what_was_asked_its_type_its_length_and_its_page() {
    let pair = pair(|options| options.paging.max_page_users = 2).await;
    let page = FaultAction::Answer {
        status: 200,
        content_type: "text/html; charset=utf-8".to_owned(),
        body: "<p>Back at noon</p>".to_owned(),
    };
    pair.server
        .set_faults(vec![Fault::on("GET", USERS, page).query("cursor").times(0)]);
    let error = pair.client.user_ids(None).await.unwrap_err().to_string();
    let environment = pair.client.environment_id();
    let said = format!(
        "list the users of environment {environment}, page 2: an answer of type text/html with 19 bytes that is not JSON"
    );
    assert!(error.contains(&said), "{error}");
}

#[tokio::test]
async fn a_body_that_does_not_unpack_is_asked_for_again_three_times_and_then_named() {
    use std::io::{Read as _, Write as _};

    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let own = format!("http://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            assert!(stream.read(&mut [0; 4096]).unwrap() > 0);
            let head = "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 11\r\nConnection: close\r\n\r\n";
            stream.write_all(format!("{head}not packed!").as_bytes()).unwrap();
        }
    });
    let pair = pair_with(|_| {}, |config| config.api_url = Some(own)).await;
    let error = pair.client.environment().await.unwrap_err();
    assert!(error.to_string().contains("cannot be unpacked"), "{error}");
    assert_eq!(error.class(), ErrorClass::Corrupt);
}

#[tokio::test]
async fn a_mark_before_the_body_means_nothing() {
    let pair = pair(|_| {}).await;
    let id = pair.client.environment_id().to_owned();
    let body = FaultAction::Body(format!("\u{feff}{}", json!({"id": id})));
    pair.server.set_faults(vec![Fault::on("GET", ENVIRONMENT, body)]);
    pair.client.environment().await.unwrap();
    let body = FaultAction::Body(format!("\u{feff}{}", json!({"_embedded": {"users": []}})));
    pair.server.set_faults(vec![Fault::on("GET", USERS, body)]);
    assert!(pair.client.user_ids(None).await.unwrap().is_empty());
}

#[tokio::test]
async fn rows_of_another_environment_or_holder_are_corrupt() {
    let pair = pair(|_| {}).await;
    let (own, ada, other) = (
        pair.client.environment_id().to_owned(),
        pair.id("ada"),
        Uuid::from_u128(7),
    );
    let list = |key: &str, row: &serde_json::Value| FaultAction::Body(json!({"_embedded": {key: [row]}}).to_string());
    let row = json!({"id": other, "environment": {"id": other}});
    pair.server
        .set_faults(vec![Fault::on("GET", USERS, list("users", &row))]);
    let error = pair.client.user_ids(None).await.unwrap_err();
    assert!(error.to_string().contains("another environment"), "{error}");
    for (principal, key, works) in [
        (Principal::User(ada), "gateway", false),
        (Principal::Application(ada), "application", false),
        (Principal::User(ada), "application", true),
    ] {
        let held = json!({"id": other, "role": {"id": other}, "scope": {"id": own, "type": "ENVIRONMENT"}, key: {"id": other}});
        pair.server.set_faults(vec![Fault::on(
            "GET",
            "*/roleAssignments",
            list("roleAssignments", &held),
        )]);
        let found = pair.client.role_assignments(principal).await;
        assert_eq!(found.is_ok(), works, "{key}: {found:?}");
    }
}

#[tokio::test]
async fn who_waits_for_the_first_answer_gives_up_sooner_than_who_had_one() {
    let pair = pair_with(|_| {}, |config| config.api_url = Some("http://127.0.0.1:1".to_owned())).await;
    let begun = tokio::time::Instant::now();
    let error = pair
        .client
        .with_first_answer_within(Duration::from_millis(100))
        .environment()
        .await
        .unwrap_err();
    assert!(begun.elapsed() < Duration::from_mins(1), "{error}");
    let pair = super::pair(|_| {}).await;
    pair.client.environment().await.unwrap();
    pair.server
        .set_faults(vec![Fault::on("GET", ENVIRONMENT, FaultAction::Reset).times(2)]);
    let client = pair.client.with_first_answer_within(Duration::ZERO);
    client.environment().await.unwrap();
}

#[tokio::test]
async fn an_answer_about_another_object_is_corrupt() {
    let pair = pair(|_| {}).await;
    let other = r#"{"id":"7c2e1d94-55a0-4a34-9a1b-c0ffee001001","type":"DIRECT"}"#;
    pair.server.set_faults(vec![
        Fault::on("GET", "/*", FaultAction::Body(other.to_owned())).times(0),
    ]);
    let (ada, outer) = (pair.id("ada"), pair.id("outer"));
    let found = [
        pair.client.user(ada).await.map(drop),
        pair.client.group(outer).await.map(drop),
        pair.client.membership(ada, outer).await.map(drop),
        pair.client.environment().await.map(drop),
    ];
    for outcome in found {
        assert_eq!(outcome.unwrap_err().class(), ErrorClass::Corrupt);
    }
}

#[tokio::test]
async fn a_wait_that_outlasts_the_budget_fails_at_once_and_says_when_to_come_back() {
    let pair = pair(|_| {}).await;
    let client = pair.client.with_budget(Budget::PROBE);
    pair.server
        .set_faults(vec![Fault::on("GET", ENVIRONMENT, FaultAction::too_many(Some(40)))]);
    let error = client.environment().await.unwrap_err();
    assert!(
        matches!(error.class(), ErrorClass::Throttled { retry_after: Some(wait) } if wait.as_secs() == 40),
        "{error:?}"
    );
    assert!(error.to_string().contains("Try again in 40 s"), "{error}");
    let limit = error.rate_limit().unwrap();
    assert_eq!((limit.remaining, limit.reset_after.as_secs()), (0, 40));
    // The pause holds for the next caller too, who is not even sent.
    let before = pair.server.requests().total;
    assert!(matches!(
        client.environment().await.unwrap_err().reason,
        Reason::BudgetSpent { .. }
    ));
    assert_eq!(pair.server.requests().total, before);
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_never_comes_ends_with_the_budget() {
    let pair = pair(|_| {}).await;
    pair.client.prove().await.unwrap();
    let client = pair.client.with_budget(Budget(Duration::from_millis(100)));
    pair.server.set_faults(vec![
        Fault::on("GET", ENVIRONMENT, FaultAction::Hang),
        Fault::on("POST", USERS, FaultAction::Hang),
    ]);
    let error = client.environment().await.unwrap_err();
    assert_eq!((error.reason, error.operation.is_write()), (Reason::TimedOut, false));
    let error = client.write(&new_user(&pair, "late")).await.unwrap_err();
    assert_eq!(error.reason, Reason::LostAnswer);
    assert!(error.outcome_unknown() && error.to_string().contains("read back before anything is repeated"));
}

#[tokio::test]
async fn a_write_is_never_repeated_once_it_may_have_been_taken() {
    let pair = pair(|_| {}).await;
    let unknown = [
        FaultAction::AnswerLost(Lost::Reset),
        FaultAction::AnswerLost(Lost::Status(503)),
        FaultAction::AnswerLost(Lost::Status(500)),
        FaultAction::status(502),
    ];
    for (index, action) in unknown.into_iter().enumerate() {
        pair.server.reset_requests();
        pair.server.set_faults(vec![Fault::on("POST", USERS, action.clone())]);
        let error = pair
            .client
            .write(&new_user(&pair, &format!("new{index}")))
            .await
            .unwrap_err();
        assert!(error.outcome_unknown(), "{action:?}: {error:?}");
        assert!(matches!(error.class(), ErrorClass::Transient { .. }), "{action:?}");
        assert_eq!(pair.server.requests().of("POST", USERS), 1, "{action:?}");
    }
}

#[tokio::test]
async fn a_write_that_was_refused_before_it_was_taken_is_repeated() {
    let pair = pair(|_| {}).await;
    for (index, action) in [FaultAction::too_many(Some(0)), FaultAction::ExpiredToken]
        .into_iter()
        .enumerate()
    {
        pair.server.set_faults(vec![Fault::on("POST", USERS, action.clone())]);
        let found = pair.client.write(&new_user(&pair, &format!("new{index}"))).await;
        assert!(found.is_ok(), "{action:?}: {found:?}");
    }
    let refused = FaultAction::status(400);
    pair.server.set_faults(vec![Fault::on("POST", USERS, refused)]);
    let error = pair.client.write(&new_user(&pair, "bad")).await.unwrap_err();
    assert!(!error.outcome_unknown() && error.class() == ErrorClass::Rejected);
}

#[tokio::test]
async fn no_connection_is_unavailable_and_nothing_was_changed() {
    let pair = pair_with(|_| {}, |config| config.api_url = Some("http://127.0.0.1:1".to_owned())).await;
    pair.client.prove().await.unwrap();
    let client = pair.client.with_budget(Budget(Duration::from_secs(1)));
    let error = client.write(&new_user(&pair, "x")).await.unwrap_err();
    assert!(error.class().is_retryable() && !error.outcome_unknown());
    let text = error.to_string();
    assert!(
        text.contains("no connection to 127.0.0.1:1: connection refused") && text.contains("nothing was changed"),
        "{text}"
    );
}

#[tokio::test]
async fn counters_tell_what_happened() {
    let pair = pair(|_| {}).await;
    pair.server.set_faults(vec![
        Fault::on("GET", ENVIRONMENT, FaultAction::too_many(Some(0))),
        Fault::on("GET", ENVIRONMENT, FaultAction::status(500)).nth(2),
    ]);
    pair.client.environment().await.unwrap();
    let snapshot = pair.client.stats().snapshot();
    let of = |class| {
        snapshot
            .requests
            .get(&("read_environment", class))
            .copied()
            .unwrap_or(0)
    };
    assert_eq!((of("429"), of("5xx"), of("2xx")), (1, 1, 1));
    assert_eq!(
        snapshot.retries,
        [("throttled", 1), ("transient", 1)].into_iter().collect()
    );
    assert_eq!((snapshot.refused, pair.client.stats().requests()), (1, 4));
    assert!(snapshot.bytes > 100);
}

#[tokio::test]
async fn a_certificate_that_is_not_trusted_is_said_and_never_tried_again() {
    let dir = tempfile::tempdir().unwrap();
    let identity = sandbox::c1::Identity::from_seed("name@127.0.0.1/client", [7; 32]).unwrap();
    let mut options = sandbox::c1::Options::new(identity, dir.path().to_owned());
    options.listen = Some(std::net::SocketAddr::from(([127, 0, 0, 1], 0)));
    let other = sandbox::c1::start(options).await.unwrap();
    let port = other.address().unwrap().port();
    let pair = pair_with(
        |_| {},
        |config| config.api_url = Some(format!("https://127.0.0.1:{port}")),
    )
    .await;
    let error = pair.client.environment().await.unwrap_err();
    let untrusted = Reason::NoConnection {
        peer: format!("127.0.0.1:{port}"),
        cause: NoConnection::Certificate,
    };
    assert_eq!(error.reason, untrusted);
    assert!(!error.class().is_retryable() && pair.client.stats().retries() == 0);
    assert!(error.to_string().contains("SSL_CERT_FILE"), "{error}");
    let error = pair.client.write(&new_user(&pair, "x")).await.unwrap_err();
    assert_eq!((error.reason.clone(), error.outcome_unknown()), (untrusted, false));
}

/// A part of a name has 63 characters at most. Nobody is asked for a longer one, and no repetition makes it shorter.
#[tokio::test]
async fn a_host_name_that_cannot_be_one_is_said_and_never_tried_again() {
    let host = format!("{}.example.com", "a".repeat(64));
    let pair = pair_with(|_| {}, |config| config.api_url = Some(format!("https://{host}"))).await;
    let error = pair.client.environment().await.unwrap_err();
    let peer = format!("{host}:443");
    let cause = NoConnection::Name;
    assert_eq!(error.reason, Reason::NoConnection { peer, cause });
    assert!(!error.class().is_retryable() && pair.client.stats().retries() == 0);
    assert!(error.to_string().contains("the host name is not valid"), "{error}");
}

/// Proxies have moments: the repetitions are apart.
#[tokio::test(start_paused = true)]
async fn a_read_that_is_not_json_is_asked_again_after_pauses() {
    let pair = pair(|_| {}).await;
    pair.client.prove().await.unwrap();
    pair.server
        .set_faults(vec![Fault::on("GET", ENVIRONMENT, FaultAction::Html).times(3)]);
    let begun = tokio::time::Instant::now();
    pair.client.environment().await.unwrap();
    assert!(begun.elapsed() > Duration::from_millis(1), "{:?}", begun.elapsed());
}
