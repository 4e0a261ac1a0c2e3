//! Answers with 2xx that are not PingOne's, for every call that writes: none of them is taken for a change.

use std::collections::BTreeSet;

use bytes::Bytes;
use sandbox::pingone::{Fault, FaultAction};

use super::*;
use crate::write::{devices, groups, membership, passwords, roles, users};
use crate::{Operation, Principal, WriteBody, WriteCall};

fn every_write(pair: &Pair) -> Vec<WriteCall> {
    let (user, group) = (pair.id("ada"), pair.id("inner"));
    let environment = pair.client.environment_id();
    let new = json!({"username": "new", "population": {"id": pair.id("staff")}});
    let password = Bytes::from_static(br#"{"value":"x","forceChange":false}"#);
    let holder = Principal::User(user);
    let calls = vec![
        membership::add(user, group),
        membership::remove(user, group),
        roles::assign(holder, group, "ENVIRONMENT", pair.server.environment_id()),
        roles::unassign(holder, group),
        groups::create(environment, "new", &json!({"name": "new"})),
        groups::replace(group, "new", &json!({"name": "new"})),
        groups::delete(group),
        users::create(environment, "new", WriteBody::json(&new)),
        users::update(user, &json!({"title": "Boss"})),
        users::delete(user),
        users::set_enabled(user, false),
        users::set_population(user, pair.id("partners")),
        users::set_mfa(user, true),
        users::set_identity_provider(user, "somewhere"),
        users::lock(user),
        users::unlock(user),
        users::send_verification(user),
        passwords::set(user, password, false),
        passwords::force_change(user),
        passwords::send_recovery(user),
        devices::end_session(user, "session"),
        devices::delete_device(user, "device"),
    ];
    let covered: BTreeSet<Operation> = calls.iter().map(|call| call.operation).collect();
    let all: BTreeSet<Operation> = Operation::ALL.iter().copied().filter(|one| one.is_write()).collect();
    assert_eq!(covered, all, "an operation has no case");
    calls
}

fn answer(status: u16, content_type: &str, body: &str) -> FaultAction {
    FaultAction::Answer {
        status,
        content_type: content_type.into(),
        body: body.into(),
    }
}

#[tokio::test]
async fn a_2xx_that_is_not_pingones_leaves_every_write_open() {
    let pair = pair(|_| {}).await;
    let before = pair.server.snapshot();
    let other = Uuid::from_u128(1).to_string();
    let another = json!({"id": other, "user": {"id": other}, "username": "other", "status": "OK", "enabled": true,
        "mfaEnabled": false, "role": {"id": other}, "scope": {"id": other}, "account": {"status": "SHUT"},
        "lifecycle": {"status": "ACCOUNT_OK"}});
    let foreign = [
        answer(200, "text/html", "<html>Please sign in</html>"),
        answer(200, "application/json", r#"{"message":"ok","status":"OK"}"#),
        answer(200, "application/hal+json", &another.to_string()),
        answer(200, "application/json", ""),
        answer(202, "application/json", "{}"),
        answer(203, "text/plain", "done"),
    ];
    for call in every_write(&pair) {
        for action in &foreign {
            pair.server.reset_requests();
            pair.server
                .set_faults(vec![Fault::on(call.method.as_str(), "/environments/*", action.clone())]);
            let error = pair.client.write(&call).await.unwrap_err();
            let case = format!("{:?} {action:?}: {error}", call.operation);
            assert!(error.outcome_unknown() && error.request_id.is_some(), "{case}");
            assert!(
                error.to_string().contains("read back before anything is repeated"),
                "{case}"
            );
            assert_eq!(pair.server.requests().writes(), 1, "{case}");
        }
        // No content is an answer of PingOne's that shows nothing.
        pair.server.set_faults(vec![Fault::on(
            call.method.as_str(),
            "/environments/*",
            answer(204, "", ""),
        )]);
        assert!(
            !pair.client.write(&call).await.unwrap().is_shown(),
            "{:?}",
            call.operation
        );
    }
    assert_eq!(pair.server.snapshot(), before);
}

#[tokio::test]
async fn what_pingone_answers_shows_what_was_asked_for() {
    let pair = pair(|_| {}).await;
    let (user, group) = (pair.id("ada"), pair.id("inner"));
    let new = json!({"username": "New", "population": {"id": pair.id("staff")}});
    for call in [
        users::create(pair.client.environment_id(), "new", WriteBody::json(&new)),
        membership::add(user, group),
        users::update(user, &json!({"title": "Boss"})),
        users::set_mfa(user, true),
        users::set_population(user, pair.id("partners")),
        users::send_verification(user),
        users::lock(user),
        users::unlock(user),
        users::set_enabled(user, false),
    ] {
        assert!(
            pair.client.write(&call).await.unwrap().is_shown(),
            "{:?}",
            call.operation
        );
    }
    assert!(!pair.client.write(&users::delete(user)).await.unwrap().is_shown());
}
