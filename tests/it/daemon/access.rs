//! C1's selection of types, and what a sync of bindings leaves for a grant, through the daemon (access-model.md §6, §11 points
//! 133 and 136).

use baton_ping_one::model::{ALL_TYPES, binding_id};
use sandbox::c1::proto::baton::baton_service_finish_task_request::FinalState;
use sandbox::c1::proto::baton::task::{self as kinds, TaskType};
use sandbox::c1::proto::connector as cv2;
use sandbox::pingone::Options;

use super::rig::{World, soon};
use super::tasks::{uploaded, values};
use crate::service::script::resource;

/// Applications, some of which hold roles over themselves and over another environment, where our client may assign some.
async fn world() -> World {
    let mut options = Options::default();
    options.directory.users = Some(20);
    options.directory.applications = Some(8);
    options.directory.workers = Some(6);
    let roles = &mut options.access.worker_role;
    roles.push("Environment Admin@ORGANIZATION".to_owned());
    World::with(options).await
}

fn selected(ids: &[&str]) -> kinds::SyncFullTask {
    kinds::SyncFullTask {
        sync_resource_type_ids: ids.iter().map(|id| (*id).to_owned()).collect(),
        ..kinds::SyncFullTask::default()
    }
}

#[tokio::test]
async fn roles_are_bound_to_scopes_once_c1_selects_every_type() {
    let world = world().await;
    let flags = ["--role-model", "scope-binding", "--sync-applications", "all"];
    let daemon = world.start(&flags, &values(&world));
    let fallback = "role-model=scope-binding needs these resource types";
    let half = uploaded(&world, selected(&["user", "group", "role"])).await;
    assert!(!half.resources.contains_key("role_assignment"), "{:?}", half.resources);
    assert!(half.resources["role"] > 0 && half.grants > 0);
    let log = daemon.log();
    assert_eq!(log.matches(fallback).count(), 1, "{log}");
    assert!(log.contains("role_assignment"), "{log}");

    let all: Vec<&str> = ALL_TYPES.iter().map(|kind| kind.id()).collect();
    for task in [selected(&all), selected(&[])] {
        let whole = uploaded(&world, task).await;
        assert!(whole.resources["role_assignment"] > 0, "{:?}", whole.resources);
        assert!(whole.resources["application"] > 8, "{:?}", whole.resources);
        for off in ["gateway", "secret"] {
            assert!(!whole.resources.contains_key(off), "{:?}", whole.resources);
        }
    }
    let (status, log) = daemon.stop().await;
    assert!(status.success(), "{log}");
    assert_eq!(log.matches(fallback).count(), 1, "{log}");
    assert!(world.c1.violations().is_empty(), "{:?}", world.c1.violations());
}

#[tokio::test]
async fn a_selected_type_that_no_setting_switches_on_is_left_out_and_told() {
    let world = world().await;
    let daemon = world.start(&[], &values(&world));
    let held = uploaded(&world, selected(&["user", "application"])).await;
    assert_eq!(held.resources.keys().collect::<Vec<_>>(), ["user"]);
    let (status, log) = daemon.stop().await;
    assert!(status.success(), "{log}");
    assert!(log.contains("C1 asks for types that no setting switches on"), "{log}");
}

/// Service mode may strip the trait: which type a scope has is then known from the sync before.
#[tokio::test]
async fn a_grant_without_a_trait_finds_its_scope_in_the_last_sync() {
    let world = world().await;
    let flags = [
        "--provisioning",
        "--role-model",
        "scope-binding",
        "--sync-applications",
        "workers",
        "--writable-role-scopes",
        "environment:*",
    ];
    let daemon = world.start(&flags, &values(&world));
    let truth = world.pingone.directory();
    let (role, user) = (role(&world, "Environment Admin"), truth.users()[0]);
    let other = world.pingone.other_environment_id();
    assert!(!world.pingone.snapshot().has_role(user, role, other));
    let grant = || {
        let id = binding_id(role, other);
        TaskType::Grant(kinds::GrantTask {
            entitlement: Some(cv2::Entitlement {
                id: format!("role_assignment:{id}:assigned"),
                slug: "assigned".to_owned(),
                resource: Some(resource("role_assignment", &id)),
                ..Default::default()
            }),
            principal: Some(resource("user", &user.to_string())),
            ..Default::default()
        })
    };
    let id = world.c1.queue(grant());
    let finish = soon(world.c1.finished(&id)).await.unwrap();
    let status = finish.status.unwrap();
    assert!(
        status.code == 3 && status.message.contains("the request names no scope"),
        "{status:?}"
    );
    uploaded(&world, selected(&[])).await;
    let id = world.c1.queue(grant());
    let finish = soon(world.c1.finished(&id)).await.unwrap();
    assert!(matches!(finish.final_state, Some(FinalState::Success(_))), "{finish:?}");
    assert!(world.pingone.snapshot().has_role(user, role, other));
    let (status, log) = daemon.stop().await;
    assert!(status.success(), "{log}");
    assert!(world.c1.violations().is_empty(), "{:?}", world.c1.violations());
}

fn role(world: &World, name: &str) -> uuid::Uuid {
    let roles = world.pingone.directory().roles();
    roles.iter().find(|(_, known, _)| known == name).unwrap().0
}
