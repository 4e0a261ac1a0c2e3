use sandbox::pingone::{Fault, FaultAction, FaultBody, Lost};

use super::*;
use crate::error::ErrorClass;
use crate::pingone::{Budget, GrpcCode, Reason, WriteBody, WriteCall};

const USERS: &str = "/environments/{id}/users";
const ENVIRONMENT: &str = "/environments/{id}";

fn new_user(pair: &Pair, name: &str) -> WriteCall {
    let body = json!({"username": name, "population": {"id": pair.id("staff")}});
    crate::pingone::write::users::create(pair.client.environment_id(), WriteBody::json(&body))
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
        (FaultAction::status(501), GrpcCode::Unimplemented),
        (FaultAction::status(400), GrpcCode::InvalidArgument),
        (FaultAction::Gateway, GrpcCode::PermissionDenied),
        (FaultAction::Html, GrpcCode::Internal),
    ];
    for (action, code) in final_ones {
        pair.server.reset_requests();
        pair.server
            .set_faults(vec![Fault::on("GET", ENVIRONMENT, action.clone())]);
        let error = pair.client.environment().await.unwrap_err();
        assert_eq!(error.grpc_code(), code, "{action:?}: {error}");
        assert_eq!(pair.server.requests().of("GET", ENVIRONMENT), 1, "{action:?}");
        assert!(!error.to_string().contains("127.0.0.1"), "{error}");
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

#[tokio::test]
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
        assert_eq!(error.grpc_code(), GrpcCode::Unavailable, "{action:?}");
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
    let client = pair.client.with_budget(Budget(Duration::from_millis(50)));
    let error = client.write(&new_user(&pair, "x")).await.unwrap_err();
    assert_eq!(
        (error.grpc_code(), error.outcome_unknown()),
        (GrpcCode::Unavailable, false)
    );
    assert!(error.to_string().contains("nothing was changed"), "{error}");
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
    assert_eq!(error.reason, Reason::Certificate);
    assert!(!error.class().is_retryable() && pair.client.stats().retries() == 0);
    assert!(error.to_string().contains("SSL_CERT_FILE"), "{error}");
    let error = pair.client.write(&new_user(&pair, "x")).await.unwrap_err();
    assert_eq!(
        (error.reason.clone(), error.outcome_unknown()),
        (Reason::Certificate, false)
    );
}
