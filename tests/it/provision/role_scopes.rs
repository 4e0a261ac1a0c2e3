//! Roles over scopes elsewhere (access-model.md §5).

use baton::task::Code;
use baton_ping_one::model::WritableScopes;
use sandbox::pingone::{Fault, FaultAction, Options};
use serde_json::json;
use uuid::Uuid;

use super::rig::{READ_ONLY, Rig, Setup, existed, refused, resource, role_entitlement, was_revoked};

const ADMIN: &str = "Environment Admin";

/// With entries of the setting, and a worker that may assign roles everywhere.
async fn rig(entries: &[(&str, Option<Uuid>)], change: impl FnOnce(&mut Options)) -> Rig {
    let mut setup = Setup::default();
    let worker = &mut setup.sandbox.access.worker_role;
    worker.extend([
        "Environment Admin@ORGANIZATION".to_owned(),
        "Organization Admin@ORGANIZATION".to_owned(),
    ]);
    let entries = entries.iter().map(|(kind, id)| ((*kind).to_owned(), *id));
    setup.options.writable_scopes = WritableScopes::new(entries);
    change(&mut setup.sandbox);
    Rig::with(setup).await
}

async fn other() -> Uuid {
    Rig::new().await.server.other_environment_id()
}

#[tokio::test(start_paused = true)]
async fn a_listed_scope_is_granted_by_its_name_and_taken_back() {
    let other = other().await;
    for entry in [("environment", Some(other)), ("environment", None)] {
        let rig = rig(&[entry], |_| {}).await;
        let over = role_entitlement(rig.role(ADMIN), &format!("assigned-environment-{other}"));
        let ann = resource("user", rig.id("ann"));
        let reply = rig.grant(over.clone(), ann.clone()).await.unwrap();
        assert_eq!(rig.held("ann", ADMIN, other), 1);
        assert_eq!(reply.grants[0].entitlement.to_string(), over.id);
        let metadata = format!("{:?}", reply.grants[0].metadata);
        assert!(
            !metadata.contains(&format!("scope_name\": String(\"{other}")),
            "{metadata}"
        );
        assert!(existed(&rig.grant(over.clone(), ann.clone()).await.unwrap()));
        assert!(!was_revoked(&rig.revoke(over.clone(), ann.clone()).await.unwrap()));
        assert_eq!(rig.held("ann", ADMIN, other), 0);
        assert!(was_revoked(&rig.revoke(over, ann).await.unwrap()));
        assert_eq!(rig.writes(), 2);
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_not_listed_is_refused_by_its_name() {
    let entries = [("application", None), ("environment", Some(Uuid::from_u128(7)))];
    let rig = rig(&entries, |_| {}).await;
    let other = rig.server.other_environment_id();
    let name = rig.client.environment_by_id(other).await.unwrap().name.unwrap();
    let over = role_entitlement(rig.role(ADMIN), &format!("assigned-environment-{other}"));
    let text = format!(
        "this connector does not change roles on environment {name}. Add environment:{other} to writable-role-scopes to \
         allow it."
    );
    let ann = resource("user", rig.id("ann"));
    refused(rig.grant(over.clone(), ann).await, Code::FailedPrecondition, &[&text]);
    // Nothing in the list opens another organization, and no entry is offered for what the list does not take.
    for kind in ["organization", "galaxy"] {
        let over = role_entitlement(rig.role("Organization Admin"), &format!("assigned-{kind}-{other}"));
        let error = rig.grant(over, resource("user", rig.id("ann"))).await.unwrap_err();
        assert!(!error.message.contains("writable-role-scopes"), "{error}");
    }
    assert_eq!(rig.writes(), 0);
}

/// Its name costs a read, which only a list of scopes is worth.
#[tokio::test(start_paused = true)]
async fn without_an_entry_a_refusal_says_the_id_and_asks_nothing_more() {
    let mut asked = Vec::new();
    for entries in [vec![], vec![("application", None)]] {
        let rig = rig(&entries, |_| {}).await;
        let other = rig.server.other_environment_id();
        let over = role_entitlement(rig.role(ADMIN), &format!("assigned-environment-{other}"));
        let ann = resource("user", rig.id("ann"));
        let error = rig.grant(over, ann).await.unwrap_err();
        let by_id = error.message.contains(&format!("on environment {other}."));
        assert_eq!(by_id, entries.is_empty(), "{error}");
        asked.push(rig.server.requests().total);
    }
    assert_eq!(asked[0] + 1, asked[1]);
}

#[tokio::test(start_paused = true)]
async fn a_role_that_cannot_have_the_scope_is_told_so_before_the_list_is() {
    let rig = rig(&[], |_| {}).await;
    let other = rig.server.other_environment_id();
    let over = role_entitlement(rig.role(READ_ONLY), &format!("assigned-application-{other}"));
    let ann = resource("user", rig.id("ann"));
    let error = rig.grant(over, ann).await.unwrap_err();
    assert_eq!(error.code, Code::InvalidArgument);
    assert!(!error.message.contains("writable-role-scopes"), "{error}");
}

#[tokio::test(start_paused = true)]
async fn a_protected_role_stays_so_over_a_listed_scope() {
    let other = other().await;
    let mut setup = Setup::default();
    setup.options.writable_scopes = WritableScopes::new([("environment".to_owned(), Some(other))]);
    setup.options.protected_roles = vec![ADMIN.to_owned()];
    let rig = Rig::with(setup).await;
    let over = role_entitlement(rig.role(ADMIN), &format!("assigned-environment-{other}"));
    let ann = resource("user", rig.id("ann"));
    refused(
        rig.grant(over.clone(), ann.clone()).await,
        Code::FailedPrecondition,
        &["protected"],
    );
    refused(
        rig.revoke(over.clone(), ann).await,
        Code::FailedPrecondition,
        &["protected"],
    );
    let own = resource("application", rig.server.client_id());
    refused(
        rig.revoke(over, own).await,
        Code::FailedPrecondition,
        &["would lock itself out"],
    );
    assert_eq!(rig.writes(), 0);
}

/// Its id stands in for a name that is not ours to read.
#[tokio::test(start_paused = true)]
async fn a_scope_whose_name_cannot_be_read_goes_by_its_id() {
    let other = other().await;
    let rig = rig(&[("environment", None)], |options| {
        options.access_model.other_environment_hidden = true;
    })
    .await;
    let over = role_entitlement(rig.role(ADMIN), &format!("assigned-environment-{other}"));
    let reply = rig.grant(over, resource("user", rig.id("ann"))).await.unwrap();
    let metadata = format!("{:?}", reply.grants[0].metadata);
    assert!(
        metadata.contains(&format!("\"scope_name\": String(\"{other}\")")),
        "{metadata}"
    );
    assert_eq!(rig.held("ann", ADMIN, other), 1);
}

#[tokio::test(start_paused = true)]
async fn an_entry_of_another_organization_ends_the_start() {
    let ours = Rig::new().await.server.organization_id();
    for (entries, taken) in [
        (vec![("organization", Some(Uuid::from_u128(7)))], false),
        (vec![("organization", Some(ours)), ("application", None)], true),
        (vec![("environment", Some(Uuid::from_u128(7)))], true),
    ] {
        let rig = rig(&entries, |_| {}).await;
        let told = rig.provisioner.check_settings(&rig.client).await.unwrap();
        assert_eq!(told.is_none(), taken, "{entries:?}");
        if let Some(text) = told {
            assert!(
                text.contains("names organization:") && text.contains("Take the entry out"),
                "{text}"
            );
        }
    }
    let other = other().await;
    let rig = rig(&[("environment", Some(other))], |_| {}).await;
    assert_eq!(rig.provisioner.check_settings(&rig.client).await.unwrap(), None);
    let body = json!({"id": other, "name": "Elsewhere", "type": "SANDBOX", "region": "EU",
        "organization": {"id": Uuid::from_u128(7)}});
    rig.server.set_faults(vec![
        Fault::on(
            "GET",
            &format!("*/environments/{other}"),
            FaultAction::Body(body.to_string()),
        )
        .times(0),
    ]);
    let told = rig.provisioner.check_settings(&rig.client).await.unwrap().unwrap();
    assert!(told.contains(&format!("names environment:{other}")), "{told}");
    // Without an entry nothing is asked.
    let rig = Rig::new().await;
    assert_eq!(rig.provisioner.check_settings(&rig.client).await.unwrap(), None);
    assert!(rig.calls().is_empty());
}

#[tokio::test(start_paused = true)]
async fn the_most_that_pingone_takes_is_named() {
    let rig = rig(&[], |_| {}).await;
    let (staff, role) = (rig.id("staff"), rig.role(READ_ONLY));
    let many: Vec<_> = (0..250u128)
        .map(|n| {
            json!({"id": Uuid::from_u128(n + 1), "role": {"id": Uuid::from_u128(9)},
                "scope": {"id": Uuid::from_u128(n + 1), "type": "POPULATION"}})
        })
        .collect();
    let list = json!({"_embedded": {"roleAssignments": many}, "size": 250});
    let full = super::rig::refuse(
        "POST",
        "*/roleAssignments",
        400,
        "INVALID_DATA",
        Some("CONSTRAINT_VIOLATION"),
        "no",
    );
    rig.server.set_faults(vec![
        Fault::on("GET", "*/users/*/roleAssignments", FaultAction::Body(list.to_string())).times(0),
        full.times(0),
    ]);
    let over = role_entitlement(role, &format!("assigned-population-{staff}"));
    let outcome = rig.grant(over, resource("user", rig.id("ann"))).await;
    refused(
        outcome,
        Code::FailedPrecondition,
        &["at most 250 assignments over populations"],
    );
}
