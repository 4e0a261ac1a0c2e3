//! Outcomes of revoking a membership (connector-model.md §7.2).

use baton::task::Code;
use baton_ping_one::provision::ChangeOutcome::{Confirmed, Done};
use sandbox::pingone::{Fault, FaultAction, FaultBody, Lost};

use super::rig::{HELP_DESK, Rig, member_of, refuse, refused, resource, was_revoked};

const REMOVE: &str = "*/memberOfGroups/*";

#[tokio::test(start_paused = true)]
async fn a_revoke_is_one_write_between_two_reads_of_the_membership() {
    let rig = Rig::new().await;
    assert!(!was_revoked(&rig.leave("team", "bob").await.unwrap()));
    assert!(!rig.is_direct("team", "bob"));
    assert_eq!(
        rig.calls(),
        [
            "DELETE /users/_/memberOfGroups/_ 204 x1",
            "GET  200 x1",
            "GET /groups/_ 200 x1",
            "GET /users/_/memberOfGroups/_ 200 x1",
            "GET /users/_/memberOfGroups/_ 404 x1"
        ]
    );
    assert_eq!(rig.outcomes(), [("remove_membership", Done)]);
}

#[tokio::test(start_paused = true)]
async fn an_absent_membership_is_already_revoked_after_a_read() {
    let rig = Rig::new().await;
    let before = rig.server.snapshot();
    assert!(was_revoked(&rig.leave("team", "ann").await.unwrap()));
    assert!(rig.calls().contains(&"GET /users/_/memberOfGroups/_ 404 x2".to_owned()));
    assert_eq!((rig.server.snapshot() == before, rig.changes().len()), (true, 0));
}

#[tokio::test(start_paused = true)]
async fn a_user_or_a_group_that_is_gone_is_already_revoked() {
    let rig = Rig::new().await;
    let nobody = uuid::Uuid::from_u128(7);
    let outcome = rig.revoke(member_of(rig.id("team")), resource("user", nobody)).await;
    assert!(was_revoked(&outcome.unwrap()));
    let outcome = rig.revoke(member_of(nobody), resource("user", rig.id("bob"))).await;
    assert!(was_revoked(&outcome.unwrap()));
}

#[tokio::test(start_paused = true)]
async fn a_404_is_not_taken_for_revoked_while_the_membership_is_there() {
    let gone = || refuse("DELETE", REMOVE, 404, "NOT_FOUND", None, "gone");
    let rig = Rig::new().await;
    rig.server.set_faults(vec![gone()]);
    assert!(!was_revoked(&rig.leave("team", "bob").await.unwrap()));
    assert!(!rig.is_direct("team", "bob"));
    let rig = Rig::new().await;
    rig.server.set_faults(vec![gone().times(0)]);
    refused(rig.leave("team", "bob").await, Code::NotFound, &["gone"]);
    assert!(rig.is_direct("team", "bob"));
}

#[tokio::test(start_paused = true)]
async fn a_membership_through_a_nested_group_is_refused_with_the_group() {
    let text = "The user belongs to \"top\" through \"low\"; revoke that membership instead.";
    for status in [400, 404] {
        for (refuse_type, refuse_nested) in [(false, false), (true, false), (true, true)] {
            let rig = Rig::bent(|options| {
                options.groups.remove_indirect_status = status;
                options.filters.refuse_direct = refuse_type;
                options.filters.refuse_nested_filter = refuse_nested;
            })
            .await;
            refused(
                rig.leave("top", "ivy").await,
                Code::FailedPrecondition,
                &[text, "inherited from group \"low\""],
            );
            assert!(rig.is_direct("low", "ivy"));
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_membership_through_the_filter_is_refused() {
    let rig = Rig::new().await;
    let texts = [
        "computed by the group's filter",
        "\"filtered\" fills itself from a filter; change the user's",
    ];
    refused(rig.leave("filtered", "dora").await, Code::FailedPrecondition, &texts);
}

#[tokio::test(start_paused = true)]
async fn a_direct_membership_goes_and_one_that_stays_besides_is_said() {
    let rig = Rig::new().await;
    rig.join("filtered", "dora").await.unwrap();
    rig.join("top", "ivy").await.unwrap();
    for (group, user, text) in [
        ("filtered", "dora", "computed by the group's filter"),
        ("top", "ivy", "inherited from group \"low\""),
    ] {
        let stays = "the direct membership was removed, but the user still belongs to the group";
        refused(rig.leave(group, user).await, Code::FailedPrecondition, &[stays, text]);
        assert!(!rig.is_direct(group, user));
    }
    rig.join("filtered", "ann").await.unwrap();
    assert!(!was_revoked(&rig.leave("filtered", "ann").await.unwrap()));
}

#[tokio::test(start_paused = true)]
async fn an_external_group_is_refused_for_its_members_only() {
    let rig = Rig::new().await;
    let text = "\"outside\" is managed by its source; change the membership there.";
    refused(rig.leave("outside", "eve").await, Code::FailedPrecondition, &[text]);
    assert!(was_revoked(&rig.leave("outside", "ann").await.unwrap()));
    assert_eq!(rig.writes(), 0);
}

#[tokio::test(start_paused = true)]
async fn only_users_have_memberships_revoked() {
    let rig = Rig::new().await;
    let outcome = rig
        .revoke(member_of(rig.id("top")), resource("group", rig.id("low")))
        .await;
    refused(
        outcome,
        Code::InvalidArgument,
        &["only users can be granted group membership"],
    );
    assert!(rig.calls().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_group_that_carries_a_protected_role_keeps_its_members() {
    let rig = Rig::set(|options| options.protected_roles = vec![HELP_DESK.into()]).await;
    refused(
        rig.leave("admins", "ada").await,
        Code::FailedPrecondition,
        &["protected"],
    );
    assert!(rig.is_direct("admins", "ada"));
}

#[tokio::test(start_paused = true)]
async fn a_lost_answer_is_decided_by_a_read() {
    for lost in [Lost::Reset, Lost::Hang, Lost::Status(502), Lost::Status(504)] {
        let rig = Rig::new().await;
        rig.server
            .set_faults(vec![Fault::on("DELETE", REMOVE, FaultAction::AnswerLost(lost))]);
        assert!(!was_revoked(&rig.leave("team", "bob").await.unwrap()));
        assert_eq!(
            (rig.writes(), rig.outcomes()),
            (1, vec![("remove_membership", Confirmed)]),
            "{lost:?}"
        );
    }
    let rig = Rig::new().await;
    rig.server
        .set_faults(vec![Fault::on("DELETE", REMOVE, FaultAction::status(500))]);
    rig.leave("team", "bob").await.unwrap();
    assert!(!rig.is_direct("team", "bob"));
    assert_eq!(rig.writes(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_failed_read_is_never_a_revoked_grant() {
    let rig = Rig::new().await;
    rig.server.set_faults(vec![
        refuse("DELETE", REMOVE, 404, "NOT_FOUND", None, "gone").times(0),
        Fault::on("GET", REMOVE, FaultAction::status(500)).times(0),
    ]);
    refused(rig.leave("team", "bob").await, Code::Unavailable, &[]);
    let rig = Rig::new().await;
    rig.server.set_faults(vec![
        refuse("GET", "*/groups/*", 403, "ACCESS_FAILED", None, "no").times(0),
    ]);
    refused(rig.leave("team", "bob").await, Code::PermissionDenied, &[]);
    assert!(rig.is_direct("team", "bob"));
    // A 404 in somebody else's words says nothing of the membership.
    let rig = Rig::new().await;
    let page = FaultAction::Status {
        status: 404,
        retry_after: None,
        body: FaultBody::Html,
    };
    let of = |method| Fault::on(method, REMOVE, page.clone()).times(0);
    rig.server.set_faults(vec![of("GET"), of("DELETE")]);
    refused(
        rig.leave("team", "bob").await,
        Code::Internal,
        &["not an answer of PingOne's"],
    );
    assert!(rig.is_direct("team", "bob"));
}
