//! Membership of populations (access-model.md §7): a grant is a move, and nobody is in none.

use baton::task::{
    Annotation, Code, GrantReply, GrantRequest, Provisioner as _, RevokeReply, TaskError, TaskId, WriteContext,
};
use baton_ping_one::provision::ChangeOutcome::{Confirmed, Done};
use baton_ping_one::provision::{PingOneProvisioner, ProvisionOptions};
use sandbox::pingone::{Directory, Fault, FaultAction, FaultBody, Lost};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::rig::{Rig, Setup, entitlement, existed, refuse, refused, resource, was_revoked};

const MOVE: &str = "*/population";

/// Which of two populations call themselves the default.
fn directory(staff: bool, guests: bool) -> Directory {
    Directory::builder()
        .population("staff", json!({ "default": staff }))
        .population("guests", json!({ "default": guests }))
        .population("third", json!({}))
        .user("ann", "staff", json!({}))
        .user("gus", "guests", json!({}))
        .group("staff-only", json!({"population": "staff"}))
        .group("team", json!({}))
        .member("staff-only", "ann")
        .member("team", "ann")
        .build()
}

async fn rig_with(change: impl FnOnce(&mut ProvisionOptions)) -> Rig {
    let mut setup = Setup::default();
    setup.sandbox.custom = Some(directory(true, false));
    setup.options.population_provisioning = true;
    change(&mut setup.options);
    Rig::with(setup).await
}

async fn rig() -> Rig {
    rig_with(|_| {}).await
}

async fn put(rig: &Rig, population: &str, user: &str) -> Result<GrantReply, TaskError> {
    let population = entitlement("population", rig.id(population), "member");
    rig.grant(population, resource("user", rig.id(user))).await
}

async fn take(rig: &Rig, population: &str, user: &str) -> Result<RevokeReply, TaskError> {
    let population = entitlement("population", rig.id(population), "member");
    rig.revoke(population, resource("user", rig.id(user))).await
}

async fn stands(rig: &Rig, user: &str) -> Uuid {
    let found = rig.client.user(rig.id(user)).await.unwrap();
    found.population_id().unwrap()
}

fn replaced(reply: &GrantReply) -> Option<&str> {
    reply.annotations.iter().find_map(|annotation| match annotation {
        Annotation::GrantReplaced(id) => Some(id.as_str()),
        _ => None,
    })
}

#[tokio::test(start_paused = true)]
async fn a_grant_moves_the_user_and_names_what_it_replaced() {
    let rig = rig().await;
    let reply = put(&rig, "guests", "ann").await.unwrap();
    assert_eq!(rig.calls(), ["GET /users/_ 200 x2", "PUT /users/_/population 200 x1"]);
    let (staff, guests, ann) = (rig.id("staff"), rig.id("guests"), rig.id("ann"));
    let former = format!("population:{staff}:member:user:{ann}");
    assert_eq!(replaced(&reply), Some(former.as_str()));
    assert_eq!(reply.grants.len(), 1);
    assert_eq!(
        reply.grants[0].entitlement.to_string(),
        format!("population:{guests}:member")
    );
    assert!(reply.grants[0].immutable.is_none() && !existed(&reply));
    assert_eq!(stands(&rig, "ann").await, guests);
    // What the former population's group gave is lost, and the entitlement says so; the rest stays.
    assert!(!rig.is_direct("staff-only", "ann") && rig.is_direct("team", "ann"));
    let again = put(&rig, "guests", "ann").await.unwrap();
    assert!(existed(&again) && replaced(&again).is_none());
    assert_eq!((rig.writes(), rig.outcomes()), (1, vec![("set_population", Done)]));
}

#[tokio::test(start_paused = true)]
async fn it_is_off_unless_asked_for() {
    let rig = Rig::new().await;
    let text = "membership of a population is not provisioned";
    refused(put(&rig, "guests", "ann").await, Code::FailedPrecondition, &[text]);
    refused(take(&rig, "staff", "ann").await, Code::FailedPrecondition, &[text]);
    assert!(rig.calls().is_empty());
}

#[tokio::test(start_paused = true)]
async fn only_users_are_moved_and_protected_ones_are_not() {
    let rig = rig_with(|options| options.protected_users.push(Uuid::from_u128(7).to_string())).await;
    let guests = || entitlement("population", rig.id("guests"), "member");
    for kind in ["group", "application", ""] {
        let outcome = rig.grant(guests(), resource(kind, rig.id("ann"))).await;
        refused(outcome, Code::InvalidArgument, &["only users"]);
    }
    let protected = resource("user", Uuid::from_u128(7));
    refused(
        rig.grant(guests(), protected.clone()).await,
        Code::FailedPrecondition,
        &["protected-users"],
    );
    refused(
        rig.revoke(guests(), protected).await,
        Code::FailedPrecondition,
        &["protected-users"],
    );
    assert!(rig.calls().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_user_stays_where_the_filter_sees_him() {
    let guests = rig().await.id("guests").to_string();
    for (filter, taken) in [
        (guests.to_uppercase(), true),
        ("guests".to_owned(), true),
        ("staff".to_owned(), false),
    ] {
        let rig = rig_with(|options| options.population_filter = vec![filter]).await;
        let outcome = put(&rig, "guests", "ann").await;
        if taken {
            outcome.unwrap();
        } else {
            let text = "population \"guests\" is outside population-filter: the user would vanish from C1.";
            refused(outcome, Code::FailedPrecondition, &[text]);
            assert_eq!(rig.writes(), 0);
        }
    }
    // The default is not a way out of sight either.
    let rig = rig_with(|options| options.population_filter = vec!["guests".to_owned()]).await;
    refused(
        take(&rig, "guests", "gus").await,
        Code::FailedPrecondition,
        &["population \"staff\" is outside"],
    );
    assert_eq!(rig.writes(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_revocation_ends_in_the_default_population() {
    let rig = rig().await;
    assert!(
        was_revoked(&take(&rig, "third", "gus").await.unwrap()),
        "he is not in it"
    );
    assert!(!was_revoked(&take(&rig, "guests", "gus").await.unwrap()));
    assert_eq!(stands(&rig, "gus").await, rig.id("staff"));
    // C1's own grant of the default finds it done.
    assert!(existed(&put(&rig, "staff", "gus").await.unwrap()));
    assert_eq!(rig.writes(), 1);
    let text = "a user is always in one population: grant another population instead.";
    refused(take(&rig, "staff", "gus").await, Code::FailedPrecondition, &[text]);
    let nobody = entitlement("population", rig.id("staff"), "member");
    let gone = rig.revoke(nobody, resource("user", Uuid::from_u128(7))).await.unwrap();
    assert!(was_revoked(&gone));
    assert_eq!(rig.writes(), 1);
}

/// Point 127: without exactly one default there is nowhere to go.
#[tokio::test(start_paused = true)]
async fn without_one_default_nothing_is_taken_back() {
    for both in [true, false] {
        let mut setup = Setup::default();
        setup.sandbox.custom = Some(directory(both, both));
        setup.options.population_provisioning = true;
        let rig = Rig::with(setup).await;
        for (population, user) in [("guests", "gus"), ("staff", "ann")] {
            let outcome = take(&rig, population, user).await;
            refused(outcome, Code::FailedPrecondition, &["always in one population"]);
        }
        assert_eq!(rig.writes(), 0, "both: {both}");
    }
}

/// Point 128.
#[tokio::test(start_paused = true)]
async fn a_lost_or_foreign_answer_is_decided_by_a_read() {
    for action in [
        FaultAction::AnswerLost(Lost::Reset),
        FaultAction::AnswerLost(Lost::Hang),
        FaultAction::AnswerLost(Lost::Status(502)),
        FaultAction::foreign(200, FaultBody::Html).after_effect(),
        FaultAction::foreign(200, FaultBody::GatewayOk).after_effect(),
    ] {
        let rig = rig().await;
        rig.server.set_faults(vec![Fault::on("PUT", MOVE, action.clone())]);
        let reply = put(&rig, "guests", "ann").await.unwrap();
        assert!(replaced(&reply).is_some(), "{action:?}");
        assert_eq!(
            (rig.writes(), rig.outcomes()),
            (1, vec![("set_population", Confirmed)]),
            "{action:?}"
        );
        assert_eq!(stands(&rig, "ann").await, rig.id("guests"));
    }
    // Answered and not done is no success.
    let rig = rig().await;
    let page = FaultAction::foreign(200, FaultBody::Html).before_effect();
    rig.server.set_faults(vec![Fault::on("PUT", MOVE, page).times(0)]);
    refused(put(&rig, "guests", "ann").await, Code::Unavailable, &["is not known"]);
    assert_eq!(stands(&rig, "ann").await, rig.id("staff"));
}

#[tokio::test(start_paused = true)]
async fn a_refusal_names_its_reason() {
    let rig = rig().await;
    let nowhere = entitlement("population", Uuid::from_u128(7), "member");
    let outcome = rig.grant(nowhere, resource("user", rig.id("ann"))).await;
    refused(outcome, Code::NotFound, &["there is no population"]);
    let outcome = rig
        .grant(
            entitlement("population", rig.id("guests"), "member"),
            resource("user", Uuid::from_u128(7)),
        )
        .await;
    refused(outcome, Code::NotFound, &["read user"]);
    let denied = refuse(
        "PUT",
        MOVE,
        403,
        "ACCESS_FAILED",
        Some("INSUFFICIENT_PERMISSIONS"),
        "no",
    );
    rig.server.set_faults(vec![denied.times(0)]);
    let text = "The worker application needs Identity Data Admin over both populations.";
    refused(put(&rig, "guests", "ann").await, Code::PermissionDenied, &[text]);
    assert_eq!(stands(&rig, "ann").await, rig.id("staff"));
}

#[tokio::test(start_paused = true)]
async fn a_dry_run_moves_nobody() {
    let rig = rig_with(|options| options.dry_run = true).await;
    refused(
        put(&rig, "guests", "ann").await,
        Code::FailedPrecondition,
        &["--dry-run"],
    );
    let plan = rig.provisioner.take_plan().unwrap();
    assert!(plan.lines()[0].starts_with("PUT /users/") && plan.lines()[0].contains("/population"));
    assert_eq!(rig.writes(), 0);
}

/// Two tasks of ours wait for one another: each replaces what the one before it left.
#[tokio::test(start_paused = true)]
async fn two_tasks_move_one_user_one_after_the_other() {
    let rig = rig().await;
    let (one, two) = tokio::join!(put(&rig, "guests", "ann"), put(&rig, "third", "ann"));
    let (one, two) = (one.unwrap(), two.unwrap());
    let former = |name: &str| format!("population:{}:member:user:{}", rig.id(name), rig.id("ann"));
    let expected = if stands(&rig, "ann").await == rig.id("third") {
        [former("staff"), former("guests")]
    } else {
        [former("third"), former("staff")]
    };
    assert_eq!([replaced(&one).unwrap(), replaced(&two).unwrap()], expected);
    assert_eq!(rig.writes(), 2);
}

/// Another process knows nothing of our locks.
#[tokio::test(start_paused = true)]
async fn two_writers_move_one_user_and_neither_moves_him_back() {
    let rig = rig().await;
    let options = ProvisionOptions {
        population_provisioning: true,
        ..ProvisionOptions::default()
    };
    let other = PingOneProvisioner::new(options, rig.client.clone());
    let request = GrantRequest {
        entitlement: entitlement("population", rig.id("third"), "member"),
        principal: resource("user", rig.id("ann")),
    };
    let context = WriteContext {
        task_id: TaskId::new("2abcDEFghiJKLmnoPQRstuVWXyy"),
        token: CancellationToken::new(),
    };
    let (one, two) = tokio::join!(put(&rig, "guests", "ann"), other.grant(request, context));
    let stands = stands(&rig, "ann").await;
    assert_eq!(rig.writes(), 2, "each wrote once");
    let last = if stands == rig.id("guests") { &one } else { &two };
    assert!(last.is_ok(), "{last:?}");
    for outcome in [&one, &two] {
        if let Err(error) = outcome {
            assert!(
                error.message.contains("somebody else has moved the user to population"),
                "{error}"
            );
        }
    }
}

/// Our answer is lost, and by the time of the read the user is somewhere else: he stays there.
#[tokio::test(start_paused = true)]
async fn who_was_moved_on_meanwhile_stays_there() {
    for lost in [true, false] {
        let rig = rig().await;
        let mut moved = rig.server.directory().user(rig.id("ann")).unwrap();
        moved["population"] = json!({"id": rig.id("third")});
        let moved: Value = moved;
        let mut faults = vec![
            Fault::on("GET", "*/users/*", FaultAction::Body(moved.to_string()))
                .nth(2)
                .times(0),
        ];
        if lost {
            faults.push(Fault::on("PUT", MOVE, FaultAction::AnswerLost(Lost::Reset)));
        }
        rig.server.set_faults(faults);
        let outcome = put(&rig, "guests", "ann").await;
        let text = format!("somebody else has moved the user to population {}", rig.id("third"));
        refused(outcome, Code::Unavailable, &[&text, "it stays there"]);
        assert_eq!(rig.writes(), 1, "lost: {lost}");
    }
}

/// A node that is behind shows once where the user is not; a page without a population shows nothing at all.
#[tokio::test(start_paused = true)]
async fn where_a_user_stands_is_not_taken_from_one_read_or_from_none() {
    let user = "/environments/{id}/users/{id}";
    let body = |rig: &Rig, population: &str| {
        FaultAction::Body(json!({"id": rig.id("ann"), "population": {"id": rig.id(population)}}).to_string())
    };
    let rig = rig().await;
    // She was moved to staff a moment ago.
    rig.server.set_faults(vec![Fault::on("GET", user, body(&rig, "third"))]);
    let took = take(&rig, "staff", "ann").await;
    refused(took, Code::FailedPrecondition, &["grant another population instead"]);
    rig.server
        .set_faults(vec![Fault::on("GET", user, body(&rig, "guests"))]);
    let reply = put(&rig, "guests", "ann").await.unwrap();
    assert!(!existed(&reply));
    assert_eq!(stands(&rig, "ann").await, rig.id("guests"));
    let nowhere = json!({"id": rig.id("ann")}).to_string();
    rig.server
        .set_faults(vec![Fault::on("GET", user, FaultAction::Body(nowhere)).times(0)]);
    assert!(take(&rig, "guests", "ann").await.is_err());
    assert!(put(&rig, "guests", "ann").await.is_err());
    assert_eq!(rig.writes(), 1);
}
