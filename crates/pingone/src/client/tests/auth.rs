use futures_util::future::join_all;
use sandbox::pingone::{AuthMethod, Fault, FaultAction, FaultBody};

use super::*;
use crate::{AssertionKey, Reason};
use process::error::ErrorClass;

#[tokio::test]
async fn many_callers_share_one_token() {
    let pair = pair(|_| {}).await;
    let found = join_all((0..40).map(|_| pair.client.environment())).await;
    assert!(found.iter().all(Result::is_ok));
    assert_eq!(pair.token_requests(), 1);
    assert_eq!(pair.client.stats().by_operation().get("token"), Some(&1));
}

#[tokio::test]
async fn callers_that_waited_share_the_failure_of_a_refused_secret() {
    let pair = pair(|_| {}).await;
    pair.credentials
        .send_replace(credentials(&pair.server.client_id(), "wrong"));
    let found = join_all((0..40).map(|_| pair.client.environment())).await;
    for outcome in found {
        let error = outcome.unwrap_err();
        assert_eq!(error.class(), ErrorClass::Auth);
        let text = error.to_string();
        assert!(text.starts_with("get a token for the worker application: the token was refused (401 invalid_client"));
        assert!(
            text.ends_with("must be enabled and allow the client credentials grant."),
            "{text}"
        );
        assert!(!text.contains("wrong"));
    }
    assert_eq!(pair.token_requests(), 1);
}

#[tokio::test]
async fn an_application_on_the_other_method_gets_one_more_try_and_it_is_remembered() {
    let pair = pair(|options| options.auth.auth_method = AuthMethod::Post).await;
    pair.client.environment().await.unwrap();
    assert_eq!(pair.token_requests(), 2);
    pair.server.expire_tokens();
    pair.client.environment().await.unwrap();
    assert_eq!(pair.token_requests(), 3);
}

#[tokio::test]
async fn a_refused_token_is_renewed_once_and_the_call_repeated_once() {
    let pair = pair(|_| {}).await;
    pair.client.environment().await.unwrap();
    pair.server.expire_tokens();
    pair.client.environment().await.unwrap();
    assert_eq!(pair.token_requests(), 2);
    assert_eq!(pair.client.stats().retries_by_reason().get("token"), Some(&1));
    let always = Fault::on("GET", "/environments/{id}", FaultAction::ExpiredToken).times(0);
    pair.server.set_faults(vec![always]);
    let error = pair.client.environment().await.unwrap_err();
    assert_eq!(error.class(), ErrorClass::Auth);
    assert_eq!(pair.token_requests(), 3);
}

#[tokio::test]
async fn a_refused_right_renews_no_token_whatever_its_status() {
    let pair = pair(|_| {}).await;
    pair.client.environment().await.unwrap();
    let refused = FaultAction::Refuse {
        status: 401,
        code: "ACCESS_FAILED".to_owned(),
        detail: None,
        target: None,
        message: "The actor attempting to perform the request is not authorized.".to_owned(),
    };
    pair.server
        .set_faults(vec![Fault::on("GET", "/environments/{id}/groups", refused).times(0)]);
    let error = pair.client.groups().all().await.unwrap_err();
    assert_eq!(error.class(), ErrorClass::Forbidden);
    assert_eq!(pair.token_requests(), 1);
    assert!(error.to_string().contains("Identity Data Read Only"), "{error}");
}

#[tokio::test]
async fn a_token_endpoint_that_is_not_pingones_blames_no_credentials() {
    let pair = pair(|_| {}).await;
    for status in [200, 403, 404] {
        let html = FaultAction::Status {
            status,
            retry_after: None,
            body: FaultBody::Html,
        };
        pair.server
            .set_faults(vec![Fault::on("POST", "*/as/token", html).times(0)]);
        let text = pair.client.environment().await.unwrap_err().to_string();
        assert!(
            !text.contains("client-secret") && !text.contains("environment not found"),
            "{status}: {text}"
        );
    }
}

#[tokio::test]
async fn new_credentials_are_used_at_the_next_call_and_drop_the_old_token() {
    let pair = pair_with(
        |options| options.access.foreign_worker_role = vec!["Identity Data Read Only".to_owned()],
        |_| {},
    )
    .await;
    pair.client.environment().await.unwrap();
    let (id, secret) = (pair.server.client_id(), pair.server.client_secret());
    pair.credentials.send_replace(credentials(&id, "wrong"));
    assert!(pair.client.environment().await.is_err());
    pair.credentials.send_replace(credentials(&id, secret));
    pair.client.environment().await.unwrap();
    assert_eq!(pair.token_requests(), 3);
}

/// Time passes only when the new credentials are there: the slow answer comes after them.
#[tokio::test(start_paused = true)]
async fn a_call_that_waited_for_its_turn_goes_out_with_the_credentials_of_then() {
    let pair = pair_with(|_| {}, |config| config.max_in_flight = 1).await;
    pair.client.environment().await.unwrap();
    let slow = Fault::on("GET", "/environments/{id}", FaultAction::Slow(200)).times(1);
    pair.server.set_faults(vec![slow]);
    let replaced = async {
        while pair.server.requests().by_secret.get(&0) != Some(&2) {
            tokio::task::yield_now().await;
        }
        let secret = pair.server.replace_secret(true);
        pair.credentials
            .send_replace(credentials(&pair.server.client_id(), secret));
    };
    let (first, second, ()) = tokio::join!(pair.client.environment(), pair.client.environment(), replaced);
    assert!(first.is_ok() && second.is_ok());
    assert_eq!(pair.server.requests().by_secret, [(0, 2), (1, 1)].into());
}

#[tokio::test]
async fn an_environment_that_the_token_endpoint_does_not_know_is_named() {
    let pair = pair_with(|_| {}, |config| config.auth_environment_id = Uuid::new_v4()).await;
    let error = pair.client.environment().await.unwrap_err();
    assert_eq!(error.reason, Reason::EnvironmentMissing);
    assert!(error.to_string().contains("Check pingone-environment-id"), "{error}");
}

#[tokio::test]
async fn an_unknown_environment_is_told_from_a_missing_role() {
    for status in [400, 401, 403] {
        let other = Uuid::new_v4();
        let pair = pair_with(
            |options| options.access.unknown_environment_status = status,
            |config| {
                config.auth_environment_id = config.environment_id;
                config.environment_id = other;
            },
        )
        .await;
        assert_eq!(
            pair.client.environment().await.unwrap_err().reason,
            Reason::EnvironmentMissing,
            "{status}"
        );
        if status != 400 {
            let error = pair.client.populations().all().await.unwrap_err();
            assert_eq!(error.reason, Reason::EnvironmentMissing, "{status}");
        }
    }
    let pair = pair(|options| options.access.no_worker_role = true).await;
    for _ in 0..3 {
        let error = pair.client.groups().all().await.unwrap_err();
        assert_eq!(error.class(), ErrorClass::Forbidden);
    }
    // That the environment is there is not asked again for each refusal.
    assert_eq!(pair.server.requests().of("GET", "/environments/{id}"), 1);
}

#[tokio::test]
async fn nothing_is_gone_while_pingone_does_not_show_the_environment_either() {
    let nobody = Uuid::new_v4();
    let pair = pair(|_| {}).await;
    for _ in 0..3 {
        assert!(pair.client.user(nobody).await.unwrap_err().is_gone());
    }
    assert_eq!(pair.server.requests().of("GET", "/environments/{id}"), 1);
    for (path, status, class) in [
        ("*", 404, ErrorClass::Forbidden),
        ("/environments/{id}", 404, ErrorClass::Forbidden),
        ("/environments/{id}", 500, ErrorClass::Transient { retry_after: None }),
    ] {
        let pair = super::pair(|_| {}).await;
        let fault = Fault::on("GET", path, FaultAction::status(status)).times(0);
        pair.server.set_faults(vec![fault]);
        let error = pair.client.user(nobody).await.unwrap_err();
        assert_eq!((error.is_gone(), error.class()), (false, class), "{path} {status}");
    }
}

#[tokio::test]
async fn validation_reads_one_row_of_each() {
    let pair = pair(|_| {}).await;
    pair.client.validate().await.unwrap();
    let requests = pair.server.requests();
    assert_eq!(
        (requests.of("GET", "/environments/{id}/users"), requests.rows < 40),
        (1, true)
    );
}

#[tokio::test]
async fn a_private_key_signs_in_once_a_token_and_is_never_sent_in_another_way() {
    let pair = pair_with(|options| options.auth.auth_method = AuthMethod::PrivateKeyJwt, |_| {}).await;
    let (id, pem) = (pair.server.client_id(), pair.server.client_secret());
    let with = |pem: &str, kid: Option<String>| {
        let key = AssertionKey::parse(&pem.into(), kid).unwrap();
        Arc::new(Credentials::with_key(id.to_string(), key))
    };
    for kid in [None, Some(pair.server.key_id())] {
        pair.credentials.send_replace(with(&pem, kid));
        pair.client.environment().await.unwrap();
    }
    assert_eq!(pair.token_requests(), 2);
    // Another key, a `kid` of another key, and a secret where a key is wanted.
    let other = sandbox::pingone::private_key();
    for (credentials, remedy) in [
        (with(&other, None), "pingone-private-key-id names it"),
        (with(&pem, Some("key-9".into())), "token auth method"),
        (credentials(&id, "secret"), "pingone-client-secret and"),
    ] {
        let before = pair.token_requests();
        pair.credentials.send_replace(credentials);
        let error = pair.client.environment().await.unwrap_err();
        assert_eq!(error.class(), ErrorClass::Auth);
        let text = error.to_string();
        assert!(text.contains("401 invalid_client") && text.contains(remedy), "{text}");
        assert!(!text.contains("BEGIN"), "{text}");
        assert!(pair.token_requests() - before <= 2);
    }
    // Renewed like a secret.
    let next = pair.server.replace_secret(false);
    pair.credentials.send_replace(with(&next, Some(pair.server.key_id())));
    pair.client.environment().await.unwrap();
}

#[tokio::test]
async fn an_application_with_a_secret_refuses_a_key() {
    let pair = pair(|_| {}).await;
    let key = AssertionKey::parse(&sandbox::pingone::private_key().into(), None).unwrap();
    let credentials = Credentials::with_key(pair.server.client_id().to_string(), key);
    pair.credentials.send_replace(Arc::new(credentials));
    let text = pair.client.environment().await.unwrap_err().to_string();
    assert!(text.contains("have Private Key JWT as its token auth method"), "{text}");
    assert_eq!(pair.token_requests(), 1, "there is no other way to send a key");
}
