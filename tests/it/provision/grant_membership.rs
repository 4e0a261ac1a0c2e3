//! Outcomes of granting a membership (connector-model.md §7.1).

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use baton::task::{Annotation, Code, Detail};
use baton_ping_one::provision::ChangeOutcome::{Confirmed, Done, Unknown};
use pingone::WriteBody;
use pingone::write::users;
use process::runtime::leader_guard::LeaderGuard;
use sandbox::pingone::{Fault, FaultAction, Lost};
use serde_json::json;

use super::rig::{HELP_DESK, Rig, Setup, existed, member_of, refuse, refused, resource, was_revoked};

const ADD: &str = "*/memberOfGroups";

#[tokio::test(start_paused = true)]
async fn a_grant_is_one_write_between_two_reads_of_the_membership() {
    let rig = Rig::new().await;
    let reply = rig.join("team", "ann").await.unwrap();
    assert!(rig.is_direct("team", "ann"));
    assert_eq!(
        rig.calls(),
        [
            "GET  200 x1",
            "GET /groups/_ 200 x1",
            "GET /users/_/memberOfGroups/_ 200 x1",
            "GET /users/_/memberOfGroups/_ 404 x1",
            "POST /users/_/memberOfGroups 201 x1"
        ]
    );
    assert!(!existed(&reply));
    let grant = &reply.grants[0];
    assert_eq!(
        grant.entitlement.to_string(),
        format!("group:{}:member", rig.id("team"))
    );
    assert_eq!(grant.principal.id, rig.id("ann").to_string());
    assert!(grant.immutable.is_none() && grant.expandable.is_none() && grant.metadata.is_none());
    let change = &rig.changes()[0];
    assert_eq!((change.operation, change.outcome), ("add_membership", Done));
    assert_eq!(change.task_id.as_str(), "2abcDEFghiJKLmnoPQRstuVWXyz");
    assert!(change.object.contains(&rig.id("ann").to_string()) && change.object.contains(&rig.id("team").to_string()));
    assert!(change.request_id.is_some());
    assert_eq!(
        (change.before.as_str(), change.after.as_str()),
        ("no member", "direct member")
    );
}

#[tokio::test(start_paused = true)]
async fn an_answer_without_a_body_is_as_good() {
    let rig = Rig::bent(|options| options.groups.add_status = 204).await;
    rig.join("team", "ann").await.unwrap();
    assert!(rig.is_direct("team", "ann"));
}

#[tokio::test(start_paused = true)]
async fn already_a_member_is_success_after_a_read() {
    let rig = Rig::new().await;
    let before = rig.server.snapshot();
    assert!(existed(&rig.join("team", "bob").await.unwrap()));
    assert_eq!(rig.server.snapshot(), before);
    assert!(rig.calls().contains(&"GET /users/_/memberOfGroups/_ 200 x2".to_owned()));
    assert!(rig.changes().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_member_by_two_reads_is_not_written_though_pingone_would_take_it() {
    let rig = Rig::bent(|options| options.groups.duplicate_member_ok = true).await;
    assert!(existed(&rig.join("team", "bob").await.unwrap()));
    assert!(rig.is_direct("team", "bob"));
    assert_eq!((rig.writes(), rig.lines().len()), (0, 0));
    assert!(was_revoked(&rig.leave("team", "ann").await.unwrap()));
    assert_eq!((rig.writes(), rig.lines().len()), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn a_refusal_is_never_taken_for_already_there_without_a_read() {
    for (status, code, detail, expected) in [
        (400, "INVALID_DATA", Some("UNIQUENESS_VIOLATION"), Code::AlreadyExists),
        (409, "INVALID_DATA", Some("UNIQUENESS_VIOLATION"), Code::AlreadyExists),
        (400, "INVALID_DATA", Some("INVALID_VALUE"), Code::InvalidArgument),
    ] {
        let rig = Rig::new().await;
        rig.server
            .set_faults(vec![refuse("POST", ADD, status, code, detail, "no").times(0)]);
        refused(rig.join("team", "ann").await, expected, &["no"]);
        assert!(!rig.is_direct("team", "ann"));
    }
}

#[tokio::test(start_paused = true)]
async fn only_users_are_granted_membership() {
    let rig = Rig::new().await;
    for kind in ["group", "role", "population", ""] {
        let outcome = rig
            .grant(member_of(rig.id("team")), resource(kind, rig.id("low")))
            .await;
        refused(
            outcome,
            Code::InvalidArgument,
            &["only users can be granted group membership"],
        );
    }
    assert!(rig.calls().is_empty());
}

#[tokio::test(start_paused = true)]
async fn an_external_group_is_refused() {
    let rig = Rig::new().await;
    let outcome = rig.join("outside", "ann").await;
    refused(
        outcome,
        Code::FailedPrecondition,
        &["\"outside\" is managed by its source; change the membership there."],
    );
    assert_eq!(rig.writes(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_population_is_refused_before_any_call() {
    let rig = Rig::new().await;
    let entitlement = super::rig::entitlement("population", rig.id("staff"), "member");
    let outcome = rig.grant(entitlement, resource("user", rig.id("gus"))).await;
    refused(outcome, Code::FailedPrecondition, &["population"]);
    assert!(rig.calls().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_dynamic_group_is_tried_and_its_refusal_named() {
    let rig = Rig::new().await;
    rig.join("filtered", "ann").await.unwrap();
    assert!(rig.is_direct("filtered", "ann"));
    let rig = Rig::bent(|options| options.groups.refuse_dynamic_add = true).await;
    let text = "\"filtered\" fills itself from a filter; change the user's attributes or the filter in PingOne.";
    for user in ["ann", "dora"] {
        refused(rig.join("filtered", user).await, Code::FailedPrecondition, &[text]);
    }
}

#[tokio::test(start_paused = true)]
async fn a_user_of_another_population_is_refused_with_the_population_needed() {
    let rig = Rig::new().await;
    rig.join("staff-only", "ann").await.unwrap();
    let text = "\"staff-only\" only accepts users of population \"staff\".";
    refused(rig.join("staff-only", "gus").await, Code::FailedPrecondition, &[text]);
    assert!(!rig.is_direct("staff-only", "gus"));
}

#[tokio::test(start_paused = true)]
async fn an_indirect_member_becomes_a_direct_one() {
    let rig = Rig::new().await;
    assert!(!existed(&rig.join("top", "ivy").await.unwrap()));
    assert!(rig.is_direct("top", "ivy"));
}

#[tokio::test(start_paused = true)]
async fn a_group_that_carries_a_protected_role_is_refused() {
    for protected in [
        HELP_DESK.to_owned(),
        "help desk admin".to_owned(),
        Rig::new().await.role(HELP_DESK).to_string(),
    ] {
        let rig = Rig::set(|options| options.protected_roles = vec![protected]).await;
        // Directly, and through the group that it is nested in.
        for group in ["admins", "near-admins"] {
            refused(rig.join(group, "ann").await, Code::FailedPrecondition, &["protected"]);
        }
        rig.join("team", "ann").await.unwrap();
        assert_eq!(rig.writes(), 1);
    }
}

#[tokio::test(start_paused = true)]
async fn an_unknown_user_is_asked_for_again_once_and_then_not_found() {
    let rig = Rig::new().await;
    let nobody = uuid::Uuid::from_u128(7);
    let outcome = rig.grant(member_of(rig.id("team")), resource("user", nobody)).await;
    refused(outcome, Code::NotFound, &[&nobody.to_string()]);
    assert_eq!(
        rig.calls(),
        [
            "GET  200 x1",
            "GET /groups/_ 200 x1",
            "GET /users/_/memberOfGroups/_ 404 x1",
            "POST /users/_/memberOfGroups 404 x2"
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn an_unknown_group_is_not_found() {
    let rig = Rig::new().await;
    let outcome = rig
        .grant(member_of(uuid::Uuid::from_u128(7)), resource("user", rig.id("ann")))
        .await;
    refused(outcome, Code::NotFound, &["read group"]);
    assert_eq!(rig.writes(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_user_who_was_just_created_is_waited_for() {
    let rig = Rig::bent(|options| options.timing.create_delay_ms = 1_500).await;
    let body = json!({"username": "new", "email": "new@example.com", "population": {"id": rig.id("staff")}});
    let call = users::create(rig.client.environment_id(), "new", WriteBody::json(&body));
    let made: serde_json::Value = rig.client.write(&call).await.unwrap().json(&call).unwrap();
    let user = made["id"].as_str().unwrap();
    rig.grant(member_of(rig.id("team")), resource("user", user))
        .await
        .unwrap();
    let members = rig.server.directory().members(rig.id("team"));
    assert!(members.iter().any(|(id, _)| id.to_string() == user));
}

#[tokio::test(start_paused = true)]
async fn a_right_that_has_not_spread_is_tried_once_more() {
    let denied = || {
        refuse(
            "POST",
            ADD,
            403,
            "ACCESS_FAILED",
            Some("INSUFFICIENT_PERMISSIONS"),
            "not authorized",
        )
    };
    let rig = Rig::new().await;
    rig.server.set_faults(vec![denied()]);
    rig.join("team", "ann").await.unwrap();
    assert!(rig.is_direct("team", "ann"));
    let rig = Rig::new().await;
    rig.server.set_faults(vec![denied().times(0)]);
    refused(
        rig.join("team", "ann").await,
        Code::PermissionDenied,
        &["Identity Data Admin"],
    );
    assert_eq!(rig.writes(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_client_that_may_only_read_is_refused() {
    let rig = Rig::bent(|options| options.access.worker_role = vec!["Identity Data Read Only".into()]).await;
    refused(
        rig.join("team", "ann").await,
        Code::PermissionDenied,
        &["Identity Data Admin"],
    );
    assert!(!rig.is_direct("team", "ann") && rig.changes().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_lost_answer_is_decided_by_a_read_and_not_by_a_second_write() {
    for lost in [
        Lost::Reset,
        Lost::Hang,
        Lost::Status(500),
        Lost::Status(502),
        Lost::Status(503),
        Lost::Status(504),
        Lost::Status(408),
    ] {
        let rig = Rig::new().await;
        rig.server
            .set_faults(vec![Fault::on("POST", ADD, FaultAction::AnswerLost(lost))]);
        rig.join("team", "ann")
            .await
            .unwrap_or_else(|error| panic!("{lost:?}: {error}"));
        assert!(rig.is_direct("team", "ann"));
        assert_eq!(
            (rig.writes(), rig.outcomes()),
            (1, vec![("add_membership", Confirmed)]),
            "{lost:?}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_broken_answer_is_a_lost_one() {
    for action in [FaultAction::ResetMidBody(50), FaultAction::ResetMidBody(0)] {
        let rig = Rig::new().await;
        rig.server.set_faults(vec![Fault::on("POST", ADD, action)]);
        rig.join("team", "ann").await.unwrap();
        assert_eq!(rig.writes(), 1);
    }
}

#[tokio::test(start_paused = true)]
async fn a_write_that_a_read_shows_did_not_happen_is_repeated() {
    for action in [FaultAction::Reset, FaultAction::status(500), FaultAction::status(503)] {
        let rig = Rig::new().await;
        rig.server.set_faults(vec![Fault::on("POST", ADD, action)]);
        rig.join("team", "ann").await.unwrap();
        assert!(rig.is_direct("team", "ann"));
        let outcomes = vec![("add_membership", Unknown), ("add_membership", Done)];
        assert_eq!((rig.writes(), rig.outcomes()), (2, outcomes));
    }
}

#[tokio::test(start_paused = true)]
async fn what_no_read_can_tell_is_an_error_and_not_written_again() {
    let rig = Rig::new().await;
    rig.server.set_faults(vec![
        Fault::on("POST", ADD, FaultAction::AnswerLost(Lost::Reset)),
        Fault::on("GET", "*/memberOfGroups/*", FaultAction::status(500))
            .nth(2)
            .times(0),
    ]);
    refused(rig.join("team", "ann").await, Code::Unavailable, &[]);
    assert_eq!((rig.writes(), rig.outcomes()), (1, vec![("add_membership", Unknown)]));
}

#[tokio::test(start_paused = true)]
async fn a_write_that_never_succeeds_ends() {
    let rig = Rig::new().await;
    rig.server
        .set_faults(vec![Fault::on("POST", ADD, FaultAction::status(503)).times(0)]);
    refused(rig.join("team", "ann").await, Code::Unavailable, &[]);
    assert_eq!(rig.writes(), 3);
    assert!(!rig.is_direct("team", "ann"));
}

#[tokio::test(start_paused = true)]
async fn a_refusal_for_the_rate_is_waited_for_inside_the_budget() {
    let rig = Rig::new().await;
    rig.server
        .set_faults(vec![Fault::on("POST", ADD, FaultAction::too_many(Some(20))).times(2)]);
    let begun = tokio::time::Instant::now();
    let reply = rig.join("team", "ann").await.unwrap();
    assert!((Duration::from_secs(40)..Duration::from_secs(42)).contains(&begun.elapsed()));
    let slept = reply.annotations.iter().find_map(|annotation| match annotation {
        Annotation::RateLimitWait(time) => Some(*time),
        _ => None,
    });
    assert!(slept.unwrap() >= Duration::from_secs(40));
}

#[tokio::test(start_paused = true)]
async fn a_wait_longer_than_the_budget_fails_at_once_with_the_time_to_come_back() {
    let rig = Rig::new().await;
    rig.server
        .set_faults(vec![Fault::on("POST", ADD, FaultAction::too_many(Some(300))).times(0)]);
    let begun = tokio::time::Instant::now();
    let error = rig.join("team", "ann").await.unwrap_err();
    assert!(begun.elapsed() < Duration::from_secs(1));
    assert_eq!(error.code, Code::Unavailable);
    let Some(Detail::RateLimited(limit)) = error.details.first() else {
        panic!("no rate limit in {error:?}");
    };
    assert!(limit.over && limit.remaining == 0 && limit.reset_after >= Duration::from_mins(5));
    assert_eq!(rig.writes(), 1);
}

#[tokio::test(start_paused = true)]
async fn cancelling_keeps_a_write_from_starting_and_never_ends_one() {
    let rig = Rig::new().await;
    rig.token.cancel();
    refused(rig.join("team", "ann").await, Code::Cancelled, &[]);
    assert!(rig.calls().is_empty());
    let rig = Rig::new().await;
    rig.server
        .set_faults(vec![Fault::on("POST", ADD, FaultAction::Slow(5_000))]);
    let cancel = async {
        tokio::time::sleep(Duration::from_secs(2)).await;
        rig.token.cancel();
    };
    let (outcome, ()) = tokio::join!(rig.join("team", "ann"), cancel);
    outcome.unwrap();
    assert!(rig.is_direct("team", "ann"));
}

#[tokio::test(start_paused = true)]
async fn nothing_is_written_or_repeated_once_the_guard_says_no() {
    let rig = Rig::with(Setup {
        guard: Some(LeaderGuard::new(|| false)),
        ..Setup::default()
    })
    .await;
    refused(rig.join("team", "ann").await, Code::Cancelled, &["does not lead"]);
    assert_eq!(rig.writes(), 0);
    let asked = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&asked);
    let rig = Rig::with(Setup {
        guard: Some(LeaderGuard::new(move || count.fetch_add(1, Ordering::SeqCst) == 0)),
        ..Setup::default()
    })
    .await;
    rig.server
        .set_faults(vec![Fault::on("POST", ADD, FaultAction::too_many(Some(1)))]);
    refused(rig.join("team", "ann").await, Code::Cancelled, &[]);
    assert_eq!((rig.writes(), asked.load(Ordering::SeqCst) > 1), (1, true));
}

#[tokio::test(start_paused = true)]
async fn a_dry_run_reads_and_checks_but_writes_nothing() {
    let rig = Rig::set(|options| options.dry_run = true).await;
    let before = rig.server.snapshot();
    let outcome = rig.join("team", "ann").await;
    refused(
        outcome,
        Code::FailedPrecondition,
        &[
            "--dry-run (BATON_DRY_RUN)",
            "POST /users/",
            "nothing was written",
            "; checked: read_user, read_group, read_membership",
        ],
    );
    let plan = rig.provisioner.take_plan().unwrap();
    let expected = format!(
        "POST /users/{}/memberOfGroups application/json {{\"id\":\"{}\"}}",
        rig.id("ann"),
        rig.id("team")
    );
    assert_eq!(plan.lines(), [expected]);
    // Checks still refuse by themselves, and what is there already needs no call.
    refused(
        rig.join("outside", "ann").await,
        Code::FailedPrecondition,
        &["managed by its source"],
    );
    assert!(rig.provisioner.take_plan().is_none());
    refused(
        rig.join("team", "bob").await,
        Code::FailedPrecondition,
        &["it would send: nothing"],
    );
    assert!(rig.provisioner.take_plan().unwrap().calls().is_empty());
    assert_eq!(
        (rig.writes(), rig.server.snapshot() == before, rig.changes().len()),
        (0, true, 0)
    );
}

#[tokio::test(start_paused = true)]
async fn two_equal_grants_at_a_time_leave_one_membership() {
    let rig = Rig::new().await;
    let (one, two) = tokio::join!(rig.join("team", "ann"), rig.join("team", "ann"));
    assert_eq!(
        [existed(&one.unwrap()), existed(&two.unwrap())]
            .iter()
            .filter(|found| **found)
            .count(),
        1
    );
}

#[tokio::test]
async fn a_task_that_is_dropped_in_the_middle_of_its_write_leaves_an_audit_line() {
    let rig = Rig::new().await;
    rig.server
        .set_faults(vec![Fault::on("POST", ADD, FaultAction::AnswerLost(Lost::Hang))]);
    let written = async {
        while !rig.is_direct("team", "ann") {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::select! {
        reply = rig.join("team", "ann") => panic!("{reply:?}"),
        () = written => {}
    }
    assert_eq!(rig.outcomes(), [("add_membership", Unknown)]);
    // What ended by itself, well or not, leaves nothing more.
    rig.server
        .set_faults(vec![refuse("POST", ADD, 403, "ACCESS_FAILED", None, "no").times(0)]);
    rig.join("team", "eve").await.unwrap_err();
    rig.server.set_faults(Vec::new());
    rig.join("team", "gus").await.unwrap();
    assert_eq!(rig.outcomes()[1..], [("add_membership", Done)]);
}

#[tokio::test(start_paused = true)]
async fn a_protected_user_is_not_written_at_all() {
    let directory = super::rig::directory();
    let bob = directory.id("bob").unwrap().to_string();
    let rig = Rig::set(|options| options.protected_users = vec![bob]).await;
    let named = ["protected-users"];
    refused(rig.join("top", "bob").await, Code::FailedPrecondition, &named);
    refused(rig.leave("team", "bob").await, Code::FailedPrecondition, &named);
    refused(rig.assign(HELP_DESK, "bob").await, Code::FailedPrecondition, &named);
    refused(
        rig.unassign(super::rig::READ_ONLY, "bob").await,
        Code::FailedPrecondition,
        &named,
    );
    assert_eq!(rig.writes(), 0);
    rig.join("top", "ann").await.unwrap();
}

/// What cannot be looked up is not waved through.
#[tokio::test(start_paused = true)]
async fn a_group_whose_roles_or_parents_are_not_shown_is_refused_while_roles_are_protected() {
    let missing = |path: &str| refuse("GET", path, 404, "NOT_FOUND", None, "not found").times(0);
    for path in ["*/groups/*/roleAssignments", "*/groups/*/memberOfGroups"] {
        let rig = Rig::set(|options| options.protected_roles = vec![HELP_DESK.to_owned()]).await;
        rig.server.set_faults(vec![missing(path)]);
        for outcome in [
            rig.join("near-admins", "ann").await.map(drop),
            rig.leave("team", "bob").await.map(drop),
        ] {
            refused(
                outcome,
                Code::FailedPrecondition,
                &["so it cannot be told whether it carries a protected role"],
            );
        }
        assert_eq!(rig.writes(), 0);
    }
    // A role that no list shows may be the one that is protected.
    let rig = Rig::set(|options| options.protected_roles = vec!["Identity Data Admin".to_owned()]).await;
    let listed = rig.client.builtin_roles().all().await.unwrap();
    let kept: Vec<_> = listed
        .iter()
        .filter(|role| role.name.as_deref() != Some(HELP_DESK))
        .map(|role| json!({"id": role.id, "name": role.name}))
        .collect();
    let list = json!({"_embedded": {"roles": kept}, "_links": {}}).to_string();
    rig.server
        .set_faults(vec![Fault::on("GET", "*/roles", FaultAction::Body(list)).times(0)]);
    refused(
        rig.join("admins", "ann").await,
        Code::FailedPrecondition,
        &["PingOne does not show this role"],
    );
    assert_eq!(rig.writes(), 0);
}

#[tokio::test(start_paused = true)]
async fn an_entry_of_protected_roles_that_names_nothing_refuses_and_tells_the_names() {
    let rig = Rig::set(|options| options.protected_roles = vec!["Helpdesk".to_owned()]).await;
    let unknown = rig.provisioner.check_settings(&rig.client).await.unwrap().unwrap();
    assert!(
        unknown.contains("\"Helpdesk\"") && unknown.contains("Help Desk Admin"),
        "{unknown}"
    );
    refused(
        rig.join("admins", "ann").await,
        Code::FailedPrecondition,
        &["names no role of this environment"],
    );
    assert_eq!(rig.writes(), 0);
}

/// What this connector declines by its own rules is told as declined; what PingOne refuses is not (c1-protocol.md §8.5).
#[tokio::test(start_paused = true)]
async fn a_grant_that_our_own_rules_refuse_is_declined() {
    let declined = |error: &baton::task::TaskError| {
        error
            .details
            .iter()
            .any(|detail| matches!(detail, Detail::GrantDeclined { .. }))
    };
    let rig = Rig::set(|options| options.protected_roles = vec![HELP_DESK.to_owned()]).await;
    for group in ["outside", "admins"] {
        let error = rig.join(group, "ann").await.unwrap_err();
        assert!(declined(&error) && error.code == Code::FailedPrecondition, "{error:?}");
    }
    assert!(!declined(&rig.leave("admins", "ada").await.unwrap_err()));
    let rig = Rig::bent(|options| options.groups.refuse_dynamic_add = true).await;
    assert!(!declined(&rig.join("filtered", "ann").await.unwrap_err()));
}

#[tokio::test(start_paused = true)]
async fn every_call_that_was_sent_has_its_line_also_when_it_was_refused() {
    let rig = Rig::new().await;
    rig.server.set_faults(vec![
        refuse("POST", ADD, 400, "INVALID_DATA", Some("INVALID_VALUE"), "no").times(0),
    ]);
    rig.join("team", "ann").await.unwrap_err();
    let lines = rig.lines();
    assert_eq!((lines.len() as u64, rig.writes()), (1, 1));
    assert_eq!(lines[0].outcome, baton_ping_one::provision::ChangeOutcome::Refused);
    assert_eq!(
        (lines[0].before.as_str(), lines[0].after.as_str()),
        ("no member", "no member")
    );
    assert!(lines[0].request_id.is_some());
}
