//! What C1 did not hear of: a task that is offered again after the process ended, and C1 itself out of reach.

use std::time::Duration;

use sandbox::c1::proto::baton::task::{self as kinds, TaskType};
use sandbox::c1::proto::connector as cv2;
use sandbox::c1::{Rpc, Step};
use serde_json::Value;
use uuid::Uuid;

use super::leadership::{FLAGS, LAST_SYNC, daemon_sees, given_back};
use super::rig::{CLIENT_ID, Daemon, World, soon};
use crate::service::script::{resource, sync};

fn start(world: &World) -> Daemon {
    start_with(world, &[])
}

fn start_with(world: &World, env: &[(&'static str, String)]) -> Daemon {
    let mut values = world.pingone_values().to_vec();
    values.push(("BATON_CLIENT_ID", CLIENT_ID.to_owned()));
    values.push(("BATON_CLIENT_SECRET", world.c1_secret.clone()));
    values.extend_from_slice(env);
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
async fn a_verdict_that_c1_did_not_take_is_counted_until_it_does() {
    let world = World::new().await;
    let (group, user) = stranger(&world);
    world.c1.plan(Rpc::FinishTask, vec![Step::Status(13); 200]);
    let daemon = start(&world);
    let id = world.c1.queue(grant(group, user));
    daemon.metric("baton_ping_one_unreported_verdicts 1").await;
    world.c1.clear_plan(Rpc::FinishTask);
    world.c1.offer_again(&id);
    daemon.metric("baton_ping_one_unreported_verdicts 0").await;
    assert!(world.c1.finishes(&id).pop().unwrap().status.is_none());
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

/// An Event with this reason, once there is one.
async fn event(world: &World, reason: &'static str) -> Value {
    let found = move |events: &[Value]| events.iter().find(|event| event["reason"] == reason).cloned();
    soon(world.kube.until(|data| found(&data.events).is_some())).await;
    found(&world.kube.data().events).unwrap()
}

/// The first record of the log that begins with these words and is as wanted, once there is one.
async fn logged(daemon: &Daemon, words: &str, is_it: impl Fn(&Value) -> bool) -> Value {
    let found = |log: &str| {
        let mut records = log.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        records.find(|record| record["msg"].as_str().unwrap_or_default().starts_with(words) && is_it(record))
    };
    let waiting = async {
        loop {
            if let Some(record) = found(&daemon.log()) {
                return record;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    soon(waiting).await
}

/// Why no connection comes about is said wherever an operator looks, in words.
#[tokio::test]
async fn why_c1_is_not_reached_is_told_in_readiness_in_an_event_and_in_the_log() {
    let world = World::new().await;
    // Bound, and not listening: nobody else gets the port, and whoever dials it is refused.
    let closed = tokio::net::TcpSocket::new_v4().unwrap();
    closed.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let address = format!("localhost:{}", closed.local_addr().unwrap().port());
    let daemon = start_with(&world, &[("BATON_C1_API_HOST", address.clone())]);
    let is_told = |text: &str| text.contains(&address) && text.contains("Connection refused");
    let has_no_dump = |text: &str| {
        !["Os {", "kind:", "ConnectionRefused", "Custom"]
            .iter()
            .any(|dump| text.contains(dump))
    };

    let body = daemon
        .until("/readyz", |status, body| {
            let body: Value = serde_json::from_str(body).unwrap_or_default();
            status == 503 && body["details"]["session"].as_str().is_some_and(is_told)
        })
        .await;
    assert!(has_no_dump(&body), "{body}");
    let told = event(&world, "C1Unreached").await;
    let note = told["note"].as_str().unwrap();
    assert!(is_told(note) && has_no_dump(note), "{note}");
    let failed = logged(&daemon, "hello failed", |_| true).await;
    let error = failed["error"].as_str().unwrap();
    assert!(is_told(error) && has_no_dump(error), "{failed}");
}

/// Whether the newest of the tasks that ended is this sync, and the last sync is called that.
fn ended_as(status: &str, id: &str, outcome: &str) -> bool {
    let status: Value = serde_json::from_str(status).unwrap_or_default();
    let newest = &status["recent_tasks"][0];
    newest["id"] == id && newest["outcome"] == outcome && status["syncs"]["last"]["outcome"] == outcome
}

/// A verdict that C1 does not take is called unreported wherever somebody looks, and counts only once C1 has it.
#[tokio::test]
async fn a_sync_that_c1_did_not_take_is_unreported_everywhere_and_counts_once_it_is_taken() {
    let world = World::new().await;
    world.c1.plan(Rpc::FinishTask, [Step::Status(13)]);
    let daemon = start(&world);
    let id = world.c1.queue(sync());
    daemon
        .until("/status.json", |_, body| ended_as(body, &id, "unreported"))
        .await;
    daemon
        .metric("baton_ping_one_tasks_finished_total{kind=\"sync_full\",outcome=\"unreported\"} 1")
        .await;
    daemon
        .metric("baton_ping_one_tasks_finished_total{kind=\"sync_full\",outcome=\"success\"} 0")
        .await;
    daemon.metric("baton_ping_one_unreported_verdicts 1").await;
    let told = event(&world, "TaskUnreported").await;
    assert!(told["note"].as_str().unwrap().contains(&id), "{told}");
    let is_of_task = |record: &Value| record["task_id"] == id;
    let refused = logged(&daemon, "C1 did not take the task's verdict", is_of_task).await;
    assert_eq!(
        (&refused["level"], &refused["verdict"]),
        (&"error".into(), &"success".into())
    );
    let ended = logged(&daemon, "task ended", is_of_task).await;
    assert_eq!(ended["outcome"], "unreported");
    // Nothing is held against a sync that C1 does not know of.
    daemon_sees(&world).await;
    assert_eq!(world.kube.data().annotation(LAST_SYNC), None);

    world.c1.offer_again(&id);
    daemon
        .until("/status.json", |_, body| ended_as(body, &id, "success"))
        .await;
    soon(world.kube.until(|data| data.annotation(LAST_SYNC).is_some())).await;
    daemon.metric("baton_ping_one_unreported_verdicts 0").await;
    assert_eq!(world.c1.uploads(&id).len(), 1, "it was not made again");
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
