//! Outcomes of revoking a role (connector-model.md §7.2, §5.3).

use std::time::Duration;

use baton::task::Code;
use baton_ping_one::provision::ChangeOutcome::Confirmed;
use sandbox::pingone::{Directory, Fault, FaultAction, Holder, Lost, Options, ScopeOf};
use serde_json::json;
use uuid::Uuid;

use super::rig::{HELP_DESK, READ_ONLY, Rig, Setup, refuse, refused, resource, role_entitlement, was_revoked};

const LIST: &str = "*/roleAssignments";
const ONE: &str = "*/roleAssignments/*";

#[tokio::test(start_paused = true)]
async fn a_revoke_lists_and_deletes() {
    let rig = Rig::new().await;
    assert!(!was_revoked(&rig.unassign(READ_ONLY, "bob").await.unwrap()));
    assert_eq!(rig.held("bob", READ_ONLY, rig.server.environment_id()), 0);
    // Since nothing in the list says what is inherited, the lists of the user's groups do.
    let expected = [
        "DELETE /users/_/roleAssignments/_ 204 x1",
        "GET /groups/_/roleAssignments 200 x1",
        "GET /users/_/memberOfGroups 200 x1",
        "GET /users/_/roleAssignments 200 x2",
    ];
    assert_eq!(rig.calls(), expected);
}

#[tokio::test(start_paused = true)]
async fn every_assignment_of_the_same_meaning_goes_and_no_other() {
    let directory = Directory::builder()
        .population("staff", json!({}))
        .population("guests", json!({}))
        .user("ann", "staff", json!({}))
        .group("team", json!({}))
        .assignment(Holder::User("ann".into()), READ_ONLY, ScopeOf::Environment)
        .assignment(Holder::User("ann".into()), READ_ONLY, ScopeOf::Environment)
        .assignment(
            Holder::User("ann".into()),
            READ_ONLY,
            ScopeOf::Population("staff".into()),
        )
        .assignment(
            Holder::User("ann".into()),
            READ_ONLY,
            ScopeOf::Population("guests".into()),
        )
        .assignment(Holder::User("ann".into()), HELP_DESK, ScopeOf::Environment)
        .assignment(
            Holder::Group("team".into()),
            READ_ONLY,
            ScopeOf::Population("staff".into()),
        )
        .build();
    let rig = Rig::with(Setup {
        sandbox: Options {
            custom: Some(directory),
            ..Options::default()
        },
        ..Setup::default()
    })
    .await;
    rig.unassign(READ_ONLY, "ann").await.unwrap();
    let (environment, staff) = (rig.server.environment_id(), rig.id("staff"));
    assert_eq!(rig.held("ann", READ_ONLY, environment), 0);
    assert_eq!(
        (
            rig.held("ann", READ_ONLY, staff),
            rig.held("ann", HELP_DESK, environment)
        ),
        (1, 1)
    );
    let on_staff = role_entitlement(rig.role(READ_ONLY), &format!("assigned-population-{staff}"));
    rig.revoke(on_staff.clone(), resource("group", rig.id("team")))
        .await
        .unwrap();
    assert_eq!(
        (rig.held("team", READ_ONLY, staff), rig.held("ann", READ_ONLY, staff)),
        (0, 1)
    );
    rig.revoke(on_staff, resource("user", rig.id("ann"))).await.unwrap();
    assert_eq!(
        (
            rig.held("ann", READ_ONLY, staff),
            rig.held("ann", READ_ONLY, rig.id("guests"))
        ),
        (0, 1)
    );
}

#[tokio::test(start_paused = true)]
async fn an_absent_assignment_is_already_revoked() {
    let rig = Rig::new().await;
    assert!(was_revoked(&rig.unassign(READ_ONLY, "ann").await.unwrap()));
    let on_staff = role_entitlement(rig.role(READ_ONLY), &format!("assigned-population-{}", rig.id("staff")));
    assert!(was_revoked(
        &rig.revoke(on_staff, resource("user", rig.id("bob"))).await.unwrap()
    ));
    assert_eq!(rig.writes(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_principal_that_is_gone_is_already_revoked_after_a_read() {
    let rig = Rig::new().await;
    let nobody = Uuid::from_u128(7);
    for kind in ["user", "group"] {
        let outcome = rig
            .revoke(
                role_entitlement(rig.role(READ_ONLY), "assigned"),
                resource(kind, nobody),
            )
            .await;
        assert!(was_revoked(&outcome.unwrap()));
    }
    let calls = rig.calls();
    assert!(calls.contains(&"GET /users/_ 404 x2".to_owned()) && calls.contains(&"GET /groups/_ 404 x2".to_owned()));
    // A list that is not found while the user is there is no empty list.
    rig.server
        .set_faults(vec![refuse("GET", LIST, 404, "NOT_FOUND", None, "gone").times(0)]);
    refused(rig.unassign(READ_ONLY, "bob").await, Code::NotFound, &["gone"]);
}

#[tokio::test(start_paused = true)]
async fn what_is_only_inherited_is_refused_with_the_group() {
    for unmarked in [false, true] {
        let rig = Rig::bent(|options| options.roles.inherited_unmarked = unmarked).await;
        let text =
            "The user holds \"Help Desk Admin\" through group \"admins\"; remove the user from that group instead.";
        let texts = [text, "inherited from group \"admins\""];
        refused(rig.unassign(HELP_DESK, "ada").await, Code::FailedPrecondition, &texts);
        assert_eq!(
            (rig.writes(), rig.held("admins", HELP_DESK, rig.server.environment_id())),
            (0, 1)
        );
    }
}

#[tokio::test(start_paused = true)]
async fn ones_own_goes_and_what_is_inherited_stays() {
    for unmarked in [false, true] {
        let rig = Rig::bent(|options| options.roles.inherited_unmarked = unmarked).await;
        rig.assign(HELP_DESK, "ada").await.unwrap();
        assert!(!was_revoked(&rig.unassign(HELP_DESK, "ada").await.unwrap()));
        let environment = rig.server.environment_id();
        assert_eq!(
            (
                rig.held("ada", HELP_DESK, environment),
                rig.held("admins", HELP_DESK, environment)
            ),
            (0, 1)
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_read_only_assignment_is_read_again_for_30_seconds_and_refused() {
    let rig = Rig::new().await;
    let begun = tokio::time::Instant::now();
    refused(
        rig.unassign(READ_ONLY, "rita").await,
        Code::FailedPrecondition,
        &["read only"],
    );
    assert!((Duration::from_secs(25)..Duration::from_secs(33)).contains(&begun.elapsed()));
    assert_eq!(
        (rig.writes(), rig.held("rita", READ_ONLY, rig.server.environment_id())),
        (0, 1)
    );
}

#[tokio::test(start_paused = true)]
async fn a_read_only_flag_that_passes_is_waited_for() {
    let rig = Rig::bent(|options| options.roles.read_only_seconds = 10).await;
    rig.assign(READ_ONLY, "ann").await.unwrap();
    assert!(!was_revoked(&rig.unassign(READ_ONLY, "ann").await.unwrap()));
    assert_eq!(rig.held("ann", READ_ONLY, rig.server.environment_id()), 0);
    // Where only the refusal tells.
    let rig = Rig::new().await;
    let text = "Role assignment 1 cannot be deleted as it is read only";
    rig.server
        .set_faults(vec![refuse("DELETE", ONE, 403, "ACCESS_FAILED", None, text).times(3)]);
    rig.unassign(READ_ONLY, "bob").await.unwrap();
    assert_eq!(
        (rig.writes(), rig.held("bob", READ_ONLY, rig.server.environment_id())),
        (4, 0)
    );
}

#[tokio::test(start_paused = true)]
async fn a_404_is_not_taken_for_revoked_while_the_assignment_is_listed() {
    let gone = || refuse("DELETE", ONE, 404, "NOT_FOUND", None, "gone");
    let rig = Rig::new().await;
    rig.server.set_faults(vec![gone()]);
    assert!(!was_revoked(&rig.unassign(READ_ONLY, "bob").await.unwrap()));
    assert_eq!(rig.held("bob", READ_ONLY, rig.server.environment_id()), 0);
    let rig = Rig::new().await;
    rig.server.set_faults(vec![gone().times(0)]);
    let texts = ["does not find it to delete"];
    refused(rig.unassign(READ_ONLY, "bob").await, Code::FailedPrecondition, &texts);
    assert_eq!(rig.held("bob", READ_ONLY, rig.server.environment_id()), 1);
}

#[tokio::test(start_paused = true)]
async fn our_own_client_keeps_its_roles() {
    let rig = Rig::new().await;
    let own = rig.server.client_id();
    for kind in ["application", "user"] {
        let entitlement = role_entitlement(rig.role("Identity Data Admin"), "assigned");
        let outcome = rig
            .revoke(entitlement, resource(kind, own.to_string().to_uppercase()))
            .await;
        refused(outcome, Code::FailedPrecondition, &["own worker application"]);
    }
    assert!(rig.calls().is_empty());
}

#[tokio::test(start_paused = true)]
async fn only_users_and_groups_have_roles_revoked() {
    let rig = Rig::new().await;
    for kind in ["population", "role"] {
        let outcome = rig
            .revoke(
                role_entitlement(rig.role(READ_ONLY), "assigned"),
                resource(kind, rig.id("bob")),
            )
            .await;
        refused(
            outcome,
            Code::InvalidArgument,
            &["only users and groups can be granted roles"],
        );
    }
    assert!(rig.calls().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_protected_role_stays() {
    let id = Rig::new().await.role(READ_ONLY).to_string();
    for protected in [id, READ_ONLY.to_owned()] {
        let rig = Rig::set(|options| options.protected_roles = vec![protected]).await;
        refused(
            rig.unassign(READ_ONLY, "bob").await,
            Code::FailedPrecondition,
            &["protected"],
        );
        assert_eq!(
            (rig.writes(), rig.held("bob", READ_ONLY, rig.server.environment_id())),
            (0, 1)
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_scope_that_is_not_ours_stays() {
    let rig = Rig::new().await;
    let other = rig.server.other_environment_id();
    let entitlement = role_entitlement(rig.role("Environment Admin"), &format!("assigned-environment-{other}"));
    assert!(was_revoked(
        &rig.revoke(entitlement.clone(), resource("user", rig.id("bob")))
            .await
            .unwrap()
    ));
    let body = json!({"_embedded": {"roleAssignments": [{"id": other, "role": {"id": rig.role("Environment Admin")},
        "scope": {"id": other, "type": "ENVIRONMENT"}}]}});
    rig.server.set_faults(vec![
        Fault::on("GET", "*/users/*/roleAssignments", FaultAction::Body(body.to_string())).times(0),
    ]);
    let outcome = rig.revoke(entitlement, resource("user", rig.id("bob"))).await;
    refused(
        outcome,
        Code::FailedPrecondition,
        &["this connector does not change roles on"],
    );
    assert_eq!(rig.writes(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_lost_answer_is_decided_by_a_read() {
    for lost in [Lost::Reset, Lost::Hang, Lost::Status(502)] {
        let rig = Rig::new().await;
        rig.server
            .set_faults(vec![Fault::on("DELETE", ONE, FaultAction::AnswerLost(lost))]);
        assert!(!was_revoked(&rig.unassign(READ_ONLY, "bob").await.unwrap()));
        assert_eq!(
            (rig.writes(), rig.outcomes()),
            (1, vec![("unassign_role", Confirmed)]),
            "{lost:?}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_role_just_granted_goes_though_no_list_shows_it_yet() {
    let rig = Rig::bent(|options| options.timing.create_delay_ms = 20_000).await;
    rig.assign(READ_ONLY, "ann").await.unwrap();
    assert!(!was_revoked(&rig.unassign(READ_ONLY, "ann").await.unwrap()));
    tokio::time::sleep(Duration::from_secs(30)).await;
    assert_eq!(rig.held("ann", READ_ONLY, rig.server.environment_id()), 0);
    assert!(was_revoked(&rig.unassign(READ_ONLY, "ann").await.unwrap()));
}

#[tokio::test(start_paused = true)]
async fn a_right_that_is_missing_names_the_remedy() {
    let rig = Rig::new().await;
    let denied = refuse(
        "DELETE",
        ONE,
        403,
        "ACCESS_FAILED",
        Some("INSUFFICIENT_PERMISSIONS"),
        "not authorized",
    );
    rig.server.set_faults(vec![denied.times(0)]);
    refused(
        rig.unassign(READ_ONLY, "bob").await,
        Code::PermissionDenied,
        &["The worker application must itself hold"],
    );
    assert_eq!(rig.held("bob", READ_ONLY, rig.server.environment_id()), 1);
}

/// A list that is behind shows once that nothing is held: the role would stay.
#[tokio::test(start_paused = true)]
async fn what_one_list_shows_as_revoked_is_not_believed() {
    let rig = Rig::new().await;
    let nothing = json!({"_links": {}, "_embedded": {"roleAssignments": []}, "size": 0}).to_string();
    rig.server
        .set_faults(vec![Fault::on("GET", "*/roleAssignments", FaultAction::Body(nothing))]);
    let reply = rig.unassign(READ_ONLY, "bob").await.unwrap();
    assert!(!was_revoked(&reply));
    assert_eq!(rig.held("bob", READ_ONLY, rig.server.environment_id()), 0);
}
