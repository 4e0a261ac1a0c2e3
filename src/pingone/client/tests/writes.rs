use serde_json::{Map, Value};

use super::*;
use crate::error::ErrorClass;
use crate::pingone::types::User;
use crate::pingone::{NewPassword, NewUser, PingOneError, Principal};

fn attributes(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(map) => map,
        _ => Map::new(),
    }
}

async fn create(pair: &Pair, name: &str, password: Option<&str>) -> Result<User, PingOneError> {
    let body = json!({
        "username": name, "email": format!("{name}@example.com"), "population": {"id": pair.id("staff")},
        "name": {"given": "New", "family": "Person"}
    });
    let user = NewUser {
        attributes: attributes(body),
        password: password.map(|value| NewPassword {
            value: SecretString::from(value),
            force_change: true,
        }),
        lifecycle: None,
    };
    pair.client.create_user(&user).await
}

const PASSWORD: &str = "correct-Horse-7-battery";

#[tokio::test]
async fn a_user_is_created_plainly_or_with_a_password_and_duplicates_are_told() {
    let pair = pair(|_| {}).await;
    let plain = create(&pair, "plain", None).await.unwrap();
    assert_eq!(plain.population_id(), Some(pair.id("staff")));
    let state = pair.client.password_state(plain.id).await.unwrap();
    assert_eq!(state.status.as_deref(), Some("NO_PASSWORD"));
    let imported = create(&pair, "imported", Some(PASSWORD)).await.unwrap();
    let state = pair.client.password_state(imported.id).await.unwrap();
    assert_eq!(state.status.as_deref(), Some("MUST_CHANGE_PASSWORD"));
    let error = create(&pair, "PLAIN", None).await.unwrap_err();
    assert_eq!(
        (error.class(), error.target()),
        (ErrorClass::AlreadyExists, Some("username"))
    );
    assert!(!error.to_string().contains(PASSWORD));
}

#[tokio::test]
async fn a_users_attributes_and_states_are_changed() {
    let pair = pair(|_| {}).await;
    let (client, ada) = (&pair.client, pair.id("ada"));
    let changed = client
        .update_user(ada, &attributes(json!({"title": "Controller", "nickname": null})))
        .await
        .unwrap();
    assert_eq!((changed.title.as_deref(), changed.nickname), (Some("Controller"), None));
    assert_eq!(client.set_enabled(ada, false).await.unwrap(), Some(false));
    assert_eq!(client.enabled(ada).await.unwrap(), Some(false));
    assert_eq!(client.set_enabled(ada, true).await.unwrap(), Some(true));
    assert_eq!(client.set_mfa_enabled(ada, true).await.unwrap(), Some(true));
    assert_eq!(client.mfa_enabled(ada).await.unwrap(), Some(true));
    client.set_population(ada, pair.id("partners")).await.unwrap();
    assert_eq!(
        client.user(ada).await.unwrap().population_id(),
        Some(pair.id("partners"))
    );
    let until = jiff::Timestamp::now() + jiff::SignedDuration::from_hours(1);
    let locked = client.lock_user(ada, Some(until)).await.unwrap();
    assert_eq!(locked.account_status(), Some("LOCKED"));
    assert_eq!(client.unlock_user(ada).await.unwrap().account_status(), Some("OK"));
}

#[tokio::test]
async fn a_password_is_set_forced_to_change_and_recovered() {
    let pair = pair(|_| {}).await;
    let (client, ada) = (&pair.client, pair.id("ada"));
    let password = NewPassword {
        value: SecretString::from(PASSWORD),
        force_change: false,
    };
    let state = client.set_password(ada, &password).await.unwrap();
    assert_eq!(state.status.as_deref(), Some("OK"));
    client.force_password_change(ada).await.unwrap();
    let state = client.password_state(ada).await.unwrap();
    assert_eq!(state.status.as_deref(), Some("MUST_CHANGE_PASSWORD"));
    client.unlock_password(ada).await.unwrap();
    client.send_recovery_code(ada).await.unwrap();
    client.send_verification_code(ada).await.unwrap();
    assert_eq!(
        client.user(ada).await.unwrap().lifecycle_status(),
        Some("VERIFICATION_REQUIRED")
    );
}

#[tokio::test]
async fn members_are_added_and_removed() {
    let pair = pair(|_| {}).await;
    let (client, cleo, outer) = (&pair.client, pair.id("cleo"), pair.id("outer"));
    client.add_member(cleo, outer).await.unwrap();
    assert!(!client.membership(cleo, outer).await.unwrap().is_indirect());
    client.remove_member(cleo, outer).await.unwrap();
    assert_eq!(
        client.membership(cleo, outer).await.unwrap_err().class(),
        ErrorClass::NotFound
    );
    assert_eq!(
        client.remove_member(cleo, outer).await.unwrap_err().class(),
        ErrorClass::NotFound
    );
}

#[tokio::test]
async fn roles_are_assigned_and_removed() {
    let pair = pair(|_| {}).await;
    let (client, environment) = (&pair.client, pair.server.environment_id());
    let roles = client.builtin_roles().all().await.unwrap();
    let role = roles
        .iter()
        .find(|role| role.name.as_deref() == Some("Identity Data Read Only"))
        .unwrap()
        .id;
    for principal in [Principal::User(pair.id("ada")), Principal::Group(pair.id("outer"))] {
        let made = client
            .create_role_assignment(principal, role, "environment", environment)
            .await
            .unwrap();
        assert_eq!((made.role.id, made.scope.id), (role, environment));
        assert_eq!(client.role_assignment(principal, made.id).await.unwrap().id, made.id);
        let listed = client.role_assignments(principal).await.unwrap();
        assert!(listed.iter().any(|found| found.id == made.id));
        client.delete_role_assignment(principal, made.id).await.unwrap();
        let again = client.delete_role_assignment(principal, made.id).await.unwrap_err();
        assert_eq!(again.class(), ErrorClass::NotFound);
    }
}

#[tokio::test]
async fn sessions_devices_and_the_user_itself_are_removed() {
    let pair = pair(|_| {}).await;
    let (client, ada) = (&pair.client, pair.id("ada"));
    for session in client.sessions(ada).await.unwrap() {
        client.delete_session(ada, &session.id.unwrap()).await.unwrap();
    }
    for device in client.devices(ada).await.unwrap() {
        client.delete_device(ada, &device.id.unwrap()).await.unwrap();
    }
    assert_eq!(
        client.sessions(ada).await.unwrap().len() + client.devices(ada).await.unwrap().len(),
        0
    );
    client.delete_user(ada).await.unwrap();
    assert_eq!(client.delete_user(ada).await.unwrap_err().class(), ErrorClass::NotFound);
    assert_eq!(client.user(ada).await.unwrap_err().class(), ErrorClass::NotFound);
}

#[tokio::test]
async fn a_service_that_is_off_is_told_from_a_missing_role() {
    let pair = pair(|options| options.access.mfa_off = true).await;
    let error = pair.client.devices(pair.id("ada")).await.unwrap_err();
    assert!(error.is_service_off(), "{error:?}");
    assert!(error.to_string().contains("The MFA service is not enabled"), "{error}");
}

#[tokio::test]
async fn writes_show_up_in_the_audit_with_our_transaction() {
    let pair = pair(|_| {}).await;
    let client = pair.client.with_transaction("sync 42");
    client.set_enabled(pair.id("ada"), false).await.unwrap();
    let filter = "recordedAt gt \"2020-01-01T00:00:00Z\"";
    let activities = client.activities(filter, 100).all().await.unwrap();
    let ours = activities
        .iter()
        .find(|activity| activity.action_type.as_deref() == Some("USER.UPDATED"))
        .unwrap();
    let actor = ours.client.as_ref().and_then(|client| client.id.clone());
    assert_eq!(actor, Some(pair.server.client_id().to_string()));
}
