//! What C1 did not hear of: a task that is offered again after the process ended, and C1 itself out of reach.

use sandbox::c1::proto::baton::task::{self as kinds, TaskType};
use sandbox::c1::proto::connector as cv2;
use sandbox::c1::{Rpc, Step};
use uuid::Uuid;

use super::leadership::{FLAGS, given_back};
use super::rig::{CLIENT_ID, Daemon, World, soon};
use crate::service::script::resource;

fn start(world: &World) -> Daemon {
    let mut values = world.pingone_values().to_vec();
    values.push(("BATON_CLIENT_ID", CLIENT_ID.to_owned()));
    values.push(("BATON_CLIENT_SECRET", world.c1_secret.clone()));
    let mut flags = vec!["--provisioning"];
    flags.extend(FLAGS);
    given_back(world);
    world.start(&flags, &values)
}

fn grant(group: Uuid, user: Uuid) -> TaskType {
    let group = group.to_string();
    TaskType::Grant(kinds::GrantTask {
        entitlement: Some(cv2::Entitlement {
            id: format!("group:{group}:member"),
            slug: "member".to_owned(),
            resource: Some(resource("group", &group)),
            ..Default::default()
        }),
        principal: Some(resource("user", &user.to_string())),
        ..Default::default()
    })
}

/// A user and a group that takes it and does not have it yet.
fn stranger(world: &World) -> (Uuid, Uuid) {
    let truth = world.pingone.directory();
    let state = world.pingone.snapshot();
    let fits = |group: &Uuid| {
        let body = &state.groups[group];
        let is_plain = ["userFilter", "sourceType", "population"]
            .iter()
            .all(|member| body.get(member).is_none());
        is_plain && truth.assignments(*group).is_empty() && !truth.members(*group).is_empty()
    };
    let group = truth.groups().into_iter().find(fits).unwrap();
    let members: Vec<Uuid> = truth.members(group).into_iter().map(|(user, _)| user).collect();
    let user = truth.users().into_iter().find(|user| !members.contains(user)).unwrap();
    (group, user)
}

/// C1 does not take the verdict of a write, and the process ends without a word. The next one finds what is so.
#[tokio::test]
async fn a_write_that_is_offered_again_after_a_restart_is_not_made_twice() {
    let world = World::new().await;
    let (group, user) = stranger(&world);
    let account = TaskType::CreateAccount(kinds::CreateAccountTask {
        account_info: Some(cv2::AccountInfo {
            login: "new.one".to_owned(),
            ..Default::default()
        }),
        resource_type_id: "user".to_owned(),
        ..Default::default()
    });
    world.c1.plan(Rpc::FinishTask, vec![Step::Status(13); 200]);
    let mut daemon = start(&world);
    let ids = [world.c1.queue(grant(group, user)), world.c1.queue(account)];
    for id in &ids {
        soon(world.c1.finished(id)).await.unwrap();
    }
    let after = world.pingone.snapshot();
    assert!(after.memberships[&(user, group)].direct && after.user_named("new.one").is_some());
    daemon.signal("-KILL");
    // One that still lives could report once more and be believed.
    assert!(!daemon.ended().await.success());

    world.c1.clear_plan(Rpc::FinishTask);
    let _daemon = start(&world);
    for id in &ids {
        let before = world.c1.finishes(id).len();
        world.c1.offer_again(id);
        soon(world.c1.wait_until(|c1| c1.finishes(id).len() > before)).await;
        let last = world.c1.finishes(id).pop().unwrap();
        assert!(last.status.is_none(), "{last:?}");
    }
    assert!(world.pingone.snapshot() == after, "something was done twice");
}

#[tokio::test]
async fn that_c1_is_not_reached_and_answers_again_are_events() {
    let world = World::new().await;
    let _daemon = start(&world);
    soon(world.c1.wait_for("GetTask", 1)).await;
    world.c1.set_down(true);
    let told = |reason: &'static str| {
        world
            .kube
            .until(move |data| data.events.iter().any(|event| event["reason"] == reason))
    };
    soon(told("C1Unreached")).await;
    let events = world.kube.data().events.clone();
    let note = events.iter().find(|event| event["reason"] == "C1Unreached").unwrap();
    assert_eq!(note["type"], "Warning", "{note}");
    assert!(events.iter().all(|event| event["reason"] != "C1Reached"));
    world.c1.set_down(false);
    soon(told("C1Reached")).await;
}

/// An entry that names no role would protect nothing.
#[tokio::test]
async fn a_protected_role_that_does_not_exist_ends_the_daemon_with_the_names_that_do() {
    let world = World::new().await;
    let mut values = world.pingone_values().to_vec();
    values.push(("BATON_CLIENT_ID", CLIENT_ID.to_owned()));
    values.push(("BATON_CLIENT_SECRET", world.c1_secret.clone()));
    let flags = ["--provisioning", "--protected-roles=Helpdesk Admin"];
    let mut daemon = world.start(&flags, &values);
    assert!(!daemon.ended().await.success());
    let log = daemon.log();
    assert!(
        log.contains("Helpdesk Admin") && log.contains("Help Desk Admin"),
        "{log}"
    );
    assert_eq!(world.c1.count("Hello"), 0);
}
