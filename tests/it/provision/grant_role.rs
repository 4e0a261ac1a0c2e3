//! Outcomes of granting a role (connector-model.md §7.1, §5.3, §6.1).

use baton::model::{Grant, Value};
use baton::task::Code;
use baton_ping_one::provision::ChangeOutcome::Confirmed;
use sandbox::pingone::{Fault, FaultAction, Lost, Readers};
use serde_json::json;
use uuid::Uuid;

use super::rig::{HELP_DESK, READ_ONLY, Rig, existed, refuse, refused, resource, role_entitlement};

const ASSIGN: &str = "*/roleAssignments";

/// A text of the grant's metadata.
fn said<'a>(grant: &'a Grant, key: &str) -> &'a str {
    match grant.metadata.as_ref().and_then(|metadata| metadata.get(key)) {
        Some(Value::String(text)) => text,
        other => panic!("{key} is {other:?}"),
    }
}

fn read_only(grant: &Grant) -> bool {
    let flag = grant.metadata.as_ref().and_then(|metadata| metadata.get("read_only"));
    assert!(matches!(flag, Some(Value::Bool(_))));
    flag == Some(&Value::Bool(true))
}

#[tokio::test(start_paused = true)]
async fn a_role_over_the_environment_is_read_listed_and_written() {
    let rig = Rig::new().await;
    let reply = rig.assign(READ_ONLY, "ann").await.unwrap();
    let environment = rig.server.environment_id();
    assert_eq!(rig.held("ann", READ_ONLY, environment), 1);
    assert_eq!(
        rig.calls(),
        [
            "GET  200 x1",
            "GET /roles/_ 200 x1",
            "GET /users/_/roleAssignments 200 x2",
            "POST /users/_/roleAssignments 201 x1"
        ]
    );
    let grant = &reply.grants[0];
    let role = rig.role(READ_ONLY);
    assert_eq!(grant.entitlement.to_string(), format!("role:{role}:assigned"));
    let made = rig.server.directory().assignments(rig.id("ann")).remove(0);
    assert_eq!(said(grant, "assignment_id"), made.id.to_string());
    assert_eq!(said(grant, "scope_type"), "ENVIRONMENT");
    assert_eq!(said(grant, "scope_id"), environment.to_string());
    assert_eq!(said(grant, "scope_name"), "Workforce Production");
    assert!(grant.immutable.is_none() && grant.expandable.is_none() && !read_only(grant) && !existed(&reply));
    // The environment is known from now on.
    rig.server.reset_requests();
    rig.assign(READ_ONLY, "eve").await.unwrap();
    assert_eq!(rig.server.requests().total, 4);
}

#[tokio::test(start_paused = true)]
async fn a_role_over_a_population_and_over_the_organization() {
    let rig = Rig::bent(|options| options.access.worker_role.push("Environment Admin@ORGANIZATION".into())).await;
    let (staff, organization) = (rig.id("staff"), rig.server.organization_id());
    for (role, slug, scope, name) in [
        (READ_ONLY, format!("assigned-population-{staff}"), staff, "staff"),
        (
            "Configuration Read Only",
            format!("assigned-organization-{organization}"),
            organization,
            "example-corp",
        ),
    ] {
        let entitlement = role_entitlement(rig.role(role), &slug);
        let reply = rig
            .grant(entitlement.clone(), resource("user", rig.id("ann")))
            .await
            .unwrap();
        assert_eq!(rig.held("ann", role, scope), 1, "{slug}");
        assert_eq!(reply.grants[0].entitlement.to_string(), entitlement.id);
        assert_eq!(said(&reply.grants[0], "scope_name"), name);
        // Another scope of the same role is another grant.
        assert_eq!(rig.held("ann", role, rig.server.environment_id()), 0);
    }
}

#[tokio::test(start_paused = true)]
async fn a_role_to_a_group_is_expandable_and_only_to_a_static_one() {
    let rig = Rig::new().await;
    let give = |group: &str| {
        rig.grant(
            role_entitlement(rig.role(READ_ONLY), "assigned"),
            resource("group", rig.id(group)),
        )
    };
    let reply = give("team").await.unwrap();
    assert_eq!(rig.held("team", READ_ONLY, rig.server.environment_id()), 1);
    let expandable = reply.grants[0].expandable.as_ref().unwrap();
    assert_eq!(
        expandable.entitlement_ids[0].to_string(),
        format!("group:{}:member", rig.id("team"))
    );
    rig.server.reset_requests();
    for group in ["filtered", "outside"] {
        refused(give(group).await, Code::FailedPrecondition, &["static groups only"]);
    }
    assert_eq!(rig.writes(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_role_that_is_there_already_is_success() {
    for duplicates in [false, true] {
        let rig = Rig::bent(|options| options.roles.duplicate_assignment_ok = duplicates).await;
        let reply = rig.assign(READ_ONLY, "bob").await.unwrap();
        assert!(existed(&reply));
        assert_eq!(
            (rig.writes(), rig.held("bob", READ_ONLY, rig.server.environment_id())),
            (0, 1)
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_role_that_another_made_meanwhile_is_found_by_a_read() {
    let rig = Rig::new().await;
    let empty = FaultAction::Body(r#"{"_embedded":{"roleAssignments":[]},"size":0}"#.into());
    rig.server.set_faults(vec![Fault::on("GET", ASSIGN, empty)]);
    assert!(existed(&rig.assign(READ_ONLY, "bob").await.unwrap()));
    assert_eq!(rig.held("bob", READ_ONLY, rig.server.environment_id()), 1);
}

#[tokio::test(start_paused = true)]
async fn what_is_only_inherited_is_not_already_there() {
    for unmarked in [false, true] {
        let rig = Rig::bent(|options| options.roles.inherited_unmarked = unmarked).await;
        let reply = rig.assign(HELP_DESK, "ada").await.unwrap();
        assert!(!existed(&reply));
        assert_eq!(
            rig.held("ada", HELP_DESK, rig.server.environment_id()),
            1,
            "unmarked: {unmarked}"
        );
        assert!(existed(&rig.assign(HELP_DESK, "ada").await.unwrap()));
    }
}

#[tokio::test(start_paused = true)]
async fn only_users_and_groups_are_granted_roles() {
    let rig = Rig::new().await;
    for kind in ["application", "population", "role", ""] {
        let outcome = rig
            .grant(
                role_entitlement(rig.role(READ_ONLY), "assigned"),
                resource(kind, rig.id("ann")),
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
async fn a_protected_role_is_refused() {
    let id = Rig::new().await.role(READ_ONLY).to_string();
    for protected in [id, "identity data read only".to_owned()] {
        let rig = Rig::set(|options| options.protected_roles = vec![protected]).await;
        refused(
            rig.assign(READ_ONLY, "ann").await,
            Code::FailedPrecondition,
            &["protected"],
        );
        rig.assign(HELP_DESK, "ann").await.unwrap();
        assert_eq!(rig.writes(), 1);
    }
}

#[tokio::test(start_paused = true)]
async fn a_role_that_does_not_apply_to_the_scope_is_refused_before_any_write() {
    let rig = Rig::new().await;
    let slug = format!("assigned-population-{}", rig.id("staff"));
    let entitlement = role_entitlement(rig.role("Client Application Developer"), &slug);
    let outcome = rig.grant(entitlement, resource("user", rig.id("ann"))).await;
    refused(
        outcome,
        Code::InvalidArgument,
        &["cannot be assigned to a scope of type \"population\""],
    );
    assert_eq!(rig.writes(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_scope_that_is_not_ours_is_refused() {
    let rig = Rig::new().await;
    let other = rig.server.other_environment_id();
    let cases = [
        ("Environment Admin", format!("assigned-environment-{other}")),
        ("Environment Admin", format!("assigned-organization-{other}")),
        (READ_ONLY, format!("assigned-population-{other}")),
        ("Application Owner", format!("assigned-application-{other}")),
    ];
    for (role, slug) in cases {
        let outcome = rig
            .grant(role_entitlement(rig.role(role), &slug), resource("user", rig.id("ann")))
            .await;
        refused(
            outcome,
            Code::FailedPrecondition,
            &["this connector does not change roles on"],
        );
    }
    assert_eq!(rig.writes(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_role_that_our_client_may_not_assign_names_the_remedy() {
    for status in [403, 400] {
        let rig = Rig::bent(|options| {
            options.access.worker_role = vec!["Identity Data Admin".into()];
            options.roles.beyond_scope_status = status;
        })
        .await;
        let text = "The worker application must itself hold \"Client Application Developer\", or a role allowed to \
                    assign it, at Workforce Production.";
        refused(
            rig.assign("Client Application Developer", "ann").await,
            Code::PermissionDenied,
            &[text],
        );
        assert_eq!(rig.writes(), 2, "tried once more after a wait");
    }
}

#[tokio::test(start_paused = true)]
async fn a_role_of_ours_that_has_not_spread_yet_is_waited_for() {
    let rig = Rig::bent(|options| {
        options.access.worker_role = vec!["Identity Data Admin".into()];
        options.access.rights_delay_ms = 1_500;
    })
    .await;
    rig.server.grant_worker_role("Environment Admin").unwrap();
    rig.assign("Client Application Developer", "ann").await.unwrap();
    assert_eq!(rig.writes(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_client_that_may_not_read_built_in_roles_still_grants_them() {
    let rig = Rig::bent(|options| options.access.platform_role_readers = Readers::Nobody).await;
    rig.assign(READ_ONLY, "ann").await.unwrap();
    assert_eq!(rig.held("ann", READ_ONLY, rig.server.environment_id()), 1);
}

#[tokio::test(start_paused = true)]
async fn an_unknown_role_or_principal_is_not_found() {
    let rig = Rig::new().await;
    let nobody = Uuid::from_u128(7);
    let outcome = rig
        .grant(role_entitlement(nobody, "assigned"), resource("user", rig.id("ann")))
        .await;
    refused(outcome, Code::NotFound, &["read role"]);
    for kind in ["user", "group"] {
        let outcome = rig
            .grant(
                role_entitlement(rig.role(READ_ONLY), "assigned"),
                resource(kind, nobody),
            )
            .await;
        refused(outcome, Code::NotFound, &[&nobody.to_string()]);
    }
    assert_eq!(rig.writes(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_lost_answer_leaves_one_assignment() {
    for duplicates in [false, true] {
        for lost in [Lost::Reset, Lost::Hang, Lost::Status(502), Lost::Status(504)] {
            let rig = Rig::bent(|options| options.roles.duplicate_assignment_ok = duplicates).await;
            rig.server
                .set_faults(vec![Fault::on("POST", ASSIGN, FaultAction::AnswerLost(lost))]);
            let reply = rig.assign(READ_ONLY, "ann").await.unwrap();
            let made = rig.server.directory().assignments(rig.id("ann"));
            assert_eq!((made.len(), rig.writes()), (1, 1), "{lost:?}");
            assert_eq!(said(&reply.grants[0], "assignment_id"), made[0].id.to_string());
            assert_eq!(rig.outcomes(), [("assign_role", Confirmed)]);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn an_assignment_that_lists_late_is_not_made_twice() {
    let rig = Rig::bent(|options| {
        options.roles.duplicate_assignment_ok = true;
        options.timing.create_delay_ms = 1_500;
    })
    .await;
    rig.server
        .set_faults(vec![Fault::on("POST", ASSIGN, FaultAction::AnswerLost(Lost::Reset))]);
    rig.assign(READ_ONLY, "ann").await.unwrap();
    assert_eq!(rig.held("ann", READ_ONLY, rig.server.environment_id()), 1);
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_does_not_say_what_it_made_is_read_back() {
    for body in ["", "{}", "<html>"] {
        let rig = Rig::new().await;
        rig.server
            .set_faults(vec![Fault::on("POST", ASSIGN, FaultAction::Body(body.into()))]);
        let reply = rig.assign(READ_ONLY, "ann").await.unwrap();
        let made = rig.server.directory().assignments(rig.id("ann"));
        assert_eq!((made.len(), rig.writes()), (1, 1));
        assert_eq!(said(&reply.grants[0], "assignment_id"), made[0].id.to_string());
    }
}

#[tokio::test(start_paused = true)]
async fn a_fresh_assignment_is_never_called_read_only() {
    let rig = Rig::bent(|options| options.roles.read_only_seconds = 10).await;
    let reply = rig.assign(READ_ONLY, "ann").await.unwrap();
    assert!(reply.grants[0].immutable.is_none() && !read_only(&reply.grants[0]));
}

#[tokio::test(start_paused = true)]
async fn a_failed_list_is_no_empty_list() {
    let rig = Rig::new().await;
    rig.server
        .set_faults(vec![refuse("GET", ASSIGN, 403, "ACCESS_FAILED", None, "no").times(0)]);
    refused(rig.assign(READ_ONLY, "ann").await, Code::PermissionDenied, &[]);
    assert_eq!(rig.writes(), 0);
}

#[tokio::test(start_paused = true)]
async fn two_equal_grants_at_a_time_leave_one_assignment() {
    let rig = Rig::bent(|options| options.roles.duplicate_assignment_ok = true).await;
    let (one, two) = tokio::join!(rig.assign(READ_ONLY, "ann"), rig.assign(READ_ONLY, "ann"));
    one.unwrap();
    two.unwrap();
    assert_eq!(rig.held("ann", READ_ONLY, rig.server.environment_id()), 1);
}

#[tokio::test(start_paused = true)]
async fn a_dry_run_shows_the_assignment() {
    let rig = Rig::set(|options| options.dry_run = true).await;
    refused(
        rig.assign(READ_ONLY, "ann").await,
        Code::FailedPrecondition,
        &["--dry-run"],
    );
    let plan = rig.provisioner.take_plan().unwrap();
    assert!(plan.lines()[0].starts_with("POST /users/") && plan.lines()[0].contains("\"type\":\"ENVIRONMENT\""));
    assert_eq!(rig.writes(), 0);
}

/// An answer was lost and lists lag: within the minute nothing is sent again, not by another task either.
#[tokio::test(start_paused = true)]
async fn an_assignment_in_doubt_is_not_sent_again_before_lists_are_fresh() {
    let rig = Rig::bent(|options| {
        options.roles.duplicate_assignment_ok = true;
        options.timing.create_delay_ms = 58_000;
    })
    .await;
    rig.server
        .set_faults(vec![Fault::on("POST", ASSIGN, FaultAction::AnswerLost(Lost::Reset))]);
    let first = rig.assign(READ_ONLY, "ann").await;
    let second = rig.assign(READ_ONLY, "ann").await;
    assert_eq!(
        rig.held("ann", READ_ONLY, rig.server.environment_id()),
        1,
        "{first:?} {second:?}"
    );
    assert_eq!(rig.writes(), 1);
    // And nobody is told that there is nothing to revoke.
    assert!(!super::rig::was_revoked(&rig.unassign(READ_ONLY, "ann").await.unwrap()));
    tokio::time::sleep(std::time::Duration::from_secs(70)).await;
    assert_eq!(rig.held("ann", READ_ONLY, rig.server.environment_id()), 0);
}

#[tokio::test(start_paused = true)]
async fn an_assignment_that_was_never_made_is_unknown_and_then_made_once() {
    let rig = Rig::bent(|options| options.roles.duplicate_assignment_ok = true).await;
    rig.server
        .set_faults(vec![Fault::on("POST", ASSIGN, FaultAction::Reset)]);
    refused(rig.assign(READ_ONLY, "ann").await, Code::Unavailable, &["is not known"]);
    assert_eq!(rig.writes(), 1);
    rig.assign(READ_ONLY, "ann").await.unwrap();
    assert_eq!(rig.held("ann", READ_ONLY, rig.server.environment_id()), 1);
}

/// A list that is behind shows once what was taken back: the role would be missing.
#[tokio::test(start_paused = true)]
async fn what_one_list_shows_as_granted_is_not_believed() {
    let rig = Rig::new().await;
    let held = json!({"_links": {}, "size": 1, "_embedded": {"roleAssignments": [{
        "id": rig.id("bob"), "role": {"id": rig.role(READ_ONLY)},
        "scope": {"id": rig.server.environment_id(), "type": "ENVIRONMENT"},
    }]}});
    let lists = "/environments/{id}/users/{id}/roleAssignments";
    rig.server
        .set_faults(vec![Fault::on("GET", lists, FaultAction::Body(held.to_string()))]);
    let reply = rig.assign(READ_ONLY, "ann").await.unwrap();
    assert!(!existed(&reply));
    assert_eq!(rig.held("ann", READ_ONLY, rig.server.environment_id()), 1);
}
