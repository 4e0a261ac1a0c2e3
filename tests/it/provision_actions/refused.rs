//! What no action does: unknown ones, bad arguments, protected and missing users, dry run.

use baton::task::{ActionSchema, Code};
use baton_ping_one::provision::{ProvisionOptions, action_schemas};
use serde_json::{Value, json};

use super::rig::Rig;

const NOBODY: &str = "7c2e1d94-55a0-4a34-9a1b-c0ffee001001";

/// Arguments beside the user that make an action do something to `mara`.
fn arguments(name: &str, rig: &Rig) -> Value {
    match name {
        "update_user" => json!({"user_profile": {"title": "Auditor"}}),
        "update_profile" => json!({"title": "Auditor"}),
        "set_population" => json!({"population_id": rig.id("guests").to_string()}),
        _ => json!({}),
    }
}

/// The user on whom an action has something to do.
fn subject(name: &str) -> &'static str {
    match name {
        "enable_user" => "off",
        "unlock_user" => "locked",
        _ => "mara",
    }
}

/// Those on groups have tests of their own.
fn on_users() -> impl Iterator<Item = ActionSchema> {
    action_schemas()
        .into_iter()
        .filter(|schema| schema.resource_type_id != Some("group"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn unknown_actions_and_scopes_are_not_found() {
    let rig = Rig::new().await;
    let id = rig.id("mara").to_string();
    for (name, resource_type) in [
        ("explode", None),
        ("lock_user", None),
        ("enable_user", Some("user")),
        ("lock_user", Some("group")),
        ("create", Some("user")),
    ] {
        let error = rig.call(name, resource_type, json!({"user_id": id})).await.unwrap_err();
        assert_eq!(
            (error.code, error.message),
            (Code::NotFound, format!("action {name} not found"))
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bad_arguments_of_every_action_are_code_3_and_write_nothing() {
    let rig = Rig::new().await;
    let before = rig.snapshot();
    for schema in on_users() {
        let valid = arguments(schema.name, &rig);
        let with = |user: Value, more: Value| {
            let mut args = valid.as_object().unwrap().clone();
            args.insert("user_id".to_owned(), user);
            args.extend(more.as_object().unwrap().clone());
            Value::Object(args)
        };
        let id = json!(rig.id("mara").to_string());
        for args in [
            valid.clone(),
            with(Value::Null, json!({})),
            with(json!(7), json!({})),
            with(json!("mara"), json!({})),
            with(json!("x".repeat(1_000_000)), json!({})),
            with(json!({"resource_type_id": "group", "resource_id": id}), json!({})),
            with(id.clone(), json!({"surprise": true})),
            with(id.clone(), json!({"surprise": "x".repeat(1_000_000)})),
        ] {
            let error = rig.call(schema.name, schema.resource_type_id, args).await.unwrap_err();
            assert_eq!(error.code, Code::InvalidArgument, "{}: {error}", schema.name);
            assert!(error.message.len() < 1_024, "{}", schema.name);
        }
    }
    let error = rig
        .invoke("reset_password", "mara", json!({"send_recovery": "perhaps"}))
        .await
        .unwrap_err();
    assert_eq!(error.code, Code::InvalidArgument);
    assert_eq!((rig.writes(), rig.snapshot()), (0, before));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_user_that_is_not_there_is_not_found_and_deleting_it_is_success() {
    let rig = Rig::new().await;
    for schema in on_users() {
        let mut args = arguments(schema.name, &rig);
        args["user_id"] = json!(NOBODY);
        let answer = rig.call(schema.name, schema.resource_type_id, args).await;
        if schema.name == "delete_user" {
            assert!(
                answer.unwrap().response["message"]
                    .as_str()
                    .unwrap()
                    .contains("already deleted")
            );
        } else {
            let error = answer.unwrap_err();
            // The action failed; the call of it was right (c1-protocol.md §9.6).
            assert_eq!(error.code, Code::Unknown, "{}: {error}", schema.name);
            assert!(error.message.contains(NOBODY), "{error}");
        }
    }
    // A read may lag behind the creation, so the deletion is sent.
    assert_eq!(rig.writes(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_protected_user_is_never_written() {
    let probe = Rig::new().await;
    let protected = ["mara", "off", "locked"].map(|label| probe.id(label).to_string().to_uppercase());
    let options = ProvisionOptions {
        protected_users: protected.to_vec(),
        ..ProvisionOptions::default()
    };
    let rig = Rig::with(|_| {}, options).await;
    let before = rig.snapshot();
    for schema in on_users() {
        let args = arguments(schema.name, &rig);
        let error = rig.invoke(schema.name, subject(schema.name), args).await.unwrap_err();
        assert_eq!(error.code, Code::FailedPrecondition, "{}", schema.name);
        assert!(error.message.contains("protected-users"), "{error}");
    }
    assert_eq!((rig.writes(), rig.snapshot()), (0, before));
}

/// Every read and check is done, nothing is written, and the refusal names the flag and the calls.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dry_run_names_the_calls_and_writes_nothing() {
    let options = ProvisionOptions {
        dry_run: true,
        ..ProvisionOptions::default()
    };
    let rig = Rig::with(|_| {}, options).await;
    let before = rig.snapshot();
    for schema in on_users() {
        let args = arguments(schema.name, &rig);
        let user = subject(schema.name);
        let error = rig.invoke(schema.name, user, args).await.unwrap_err();
        assert_eq!(error.code, Code::FailedPrecondition, "{}: {error}", schema.name);
        assert!(error.message.contains("--dry-run (BATON_DRY_RUN)"), "{error}");
        let path = format!("/users/{}", rig.id(user));
        assert!(error.message.contains(&path), "{}: {error}", schema.name);
    }
    let error = rig.invoke("disable_user", "off", json!({})).await.unwrap_err();
    assert!(error.message.contains("it would send: nothing"), "{error}");
    assert_eq!((rig.writes(), rig.snapshot(), rig.audited().len()), (0, before, 0));
}
