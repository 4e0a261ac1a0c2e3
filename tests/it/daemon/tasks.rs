//! Tasks of C1 on the real engine: every field of a sync task shows in the uploaded file, and the event feed answers.

use std::collections::BTreeMap;

use baton::c1z::{Limits, Reader};
use sandbox::c1::proto::baton::baton_service_finish_task_request::FinalState;
use sandbox::c1::proto::baton::task::{self as kinds, TaskType};
use sandbox::c1::proto::connector as cv2;
use serde_json::json;

use super::rig::{CLIENT_ID, World, soon};

pub fn values(world: &World) -> Vec<(&'static str, String)> {
    let mut values = world.pingone_values().to_vec();
    values.push(("BATON_CLIENT_ID", CLIENT_ID.to_owned()));
    values.push(("BATON_CLIENT_SECRET", world.c1_secret.clone()));
    values
}

fn target(kind: &str, id: &str) -> cv2::Resource {
    cv2::Resource {
        id: Some(cv2::ResourceId {
            resource_type: kind.to_owned(),
            resource: id.to_owned(),
            ..Default::default()
        }),
        ..Default::default()
    }
}

/// What a file holds: type of the sync, and how many of each.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Held {
    pub sync_type: String,
    pub resources: BTreeMap<String, usize>,
    pub entitlements: usize,
    pub grants: usize,
    /// Grants that expansion made.
    pub expanded: bool,
}

/// The task is finished with success, and its file is opened.
pub async fn uploaded(world: &World, task: kinds::SyncFullTask) -> Held {
    let id = world.c1.queue(TaskType::SyncFull(task));
    let finish = soon(world.c1.finished(&id)).await.unwrap();
    assert!(finish.status.is_none(), "{finish:?}");
    let uploads = world.c1.uploads(&id);
    assert_eq!(uploads.len(), 1);
    let reader = Reader::open(uploads[0].file.as_ref().unwrap(), world.dir.path(), Limits::default()).unwrap();
    let mut held = Held {
        sync_type: reader.run().sync_type.clone(),
        ..Held::default()
    };
    assert!(!reader.run().ended_at.is_empty());
    reader
        .resources(|resource| {
            *held.resources.entry(resource.resource_type).or_default() += 1;
            Ok(())
        })
        .unwrap();
    reader
        .entitlements(|_| {
            held.entitlements += 1;
            Ok(())
        })
        .unwrap();
    reader
        .grants(|grant| {
            held.grants += 1;
            held.expanded |= grant.immutable == "expanded";
            Ok(())
        })
        .unwrap();
    held
}

#[tokio::test]
async fn s20_every_field_of_a_sync_task_shows_in_the_uploaded_file() {
    let world = World::new().await;
    let daemon = world.start(&[], &values(&world));
    let task = kinds::SyncFullTask::default;
    let truth = world.pingone.directory();
    let full = uploaded(&world, task()).await;
    assert_eq!(full.sync_type, "full");
    assert_eq!(full.resources["user"], truth.users().len());
    assert_eq!(full.resources["group"], truth.groups().len());
    assert!(full.expanded && full.entitlements > 0);

    let plain = uploaded(
        &world,
        kinds::SyncFullTask {
            skip_expand_grants: true,
            ..task()
        },
    )
    .await;
    assert_eq!((plain.sync_type.as_str(), &plain.resources), ("full", &full.resources));
    assert!(!plain.expanded && plain.grants > 0 && plain.grants < full.grants);

    let only = kinds::SyncFullTask {
        skip_entitlements_and_grants: true,
        ..task()
    };
    let only = uploaded(&world, only).await;
    assert_eq!(
        (only.sync_type.as_str(), &only.resources),
        ("resources_only", &full.resources)
    );
    assert_eq!((only.entitlements, only.grants), (0, 0));

    let no_grants = uploaded(
        &world,
        kinds::SyncFullTask {
            skip_grants: true,
            ..task()
        },
    )
    .await;
    assert_eq!((no_grants.entitlements, no_grants.grants), (full.entitlements, 0));

    let groups = kinds::SyncFullTask {
        sync_resource_type_ids: vec!["group".to_owned()],
        ..task()
    };
    let groups = uploaded(&world, groups).await;
    assert_eq!(groups.resources.keys().collect::<Vec<_>>(), ["group"]);
    assert_eq!(groups.resources["group"], truth.groups().len());

    let user = truth.users()[0].to_string();
    let targeted = kinds::SyncFullTask {
        targeted_sync_resources: vec![target("user", &user), target("user", &user), target("group", "no-such")],
        storage_engine: "pebble".to_owned(),
        ..task()
    };
    let targeted = uploaded(&world, targeted).await;
    assert_eq!(targeted.sync_type, "partial");
    assert_eq!(targeted.resources, BTreeMap::from([("user".to_owned(), 1)]));
    assert!(!targeted.expanded);

    let (status, log) = daemon.stop().await;
    assert!(status.success(), "{log}");
    assert!(world.c1.violations().is_empty(), "{:?}", world.c1.violations());
}

#[tokio::test]
async fn s21_skip_full_sync_uploads_an_empty_finished_full_sync() {
    let world = World::new().await;
    let daemon = world.start(&["--skip-full-sync"], &values(&world));
    let empty = Held {
        sync_type: "full".to_owned(),
        ..Held::default()
    };
    // Whatever the task asks for.
    for task in [
        kinds::SyncFullTask::default(),
        kinds::SyncFullTask {
            skip_entitlements_and_grants: true,
            ..kinds::SyncFullTask::default()
        },
    ] {
        assert_eq!(uploaded(&world, task).await, empty);
    }
    assert!(daemon.stop().await.0.success());
}

/// The message of a successful task.
pub async fn answer<M: prost::Message + Default>(world: &World, task: TaskType) -> M {
    let id = world.c1.queue(task);
    let finish = soon(world.c1.finished(&id)).await.unwrap();
    let Some(FinalState::Success(success)) = finish.final_state else {
        panic!("{finish:?}")
    };
    M::decode(success.response.unwrap().value.as_slice()).unwrap()
}

#[tokio::test]
async fn the_event_feed_is_announced_and_goes_on_where_it_stood() {
    let world = World::new().await;
    let user = world.pingone.directory().users()[0].to_string();
    let changed = json!({"action": {"type": "USER.UPDATED"}, "resources": [{"type": "USER", "id": user}]});
    world.pingone.add_activity(&changed, std::time::Duration::from_secs(30));
    let daemon = world.start(&["--event-feed-enabled"], &values(&world));
    let feeds: cv2::ListEventFeedsResponse =
        answer(&world, TaskType::ListEventFeeds(kinds::ListEventFeedsTask::default())).await;
    assert_eq!(feeds.list.len(), 1);
    assert_eq!(feeds.list[0].id, "pingone_audit");
    assert_eq!(feeds.list[0].supported_event_types, [1, 4, 5, 6]);
    let list = |cursor: &str| {
        TaskType::ListEvents(kinds::ListEventsTask {
            event_feed_id: "pingone_audit".to_owned(),
            cursor: cursor.to_owned(),
            ..Default::default()
        })
    };
    let first: cv2::ListEventsResponse = answer(&world, list("")).await;
    assert_eq!((first.events.len(), first.has_more), (1, false));
    let Some(cv2::event::Event::ResourceChangeEvent(change)) = &first.events[0].event else {
        panic!("{first:?}")
    };
    assert_eq!(change.resource_id.as_ref().unwrap().resource, user);
    let signed_on = json!({"action": {"type": "USER.ACCESS_ALLOWED"}, "resources": [{"type": "USER", "id": user}]});
    world
        .pingone
        .add_activity(&signed_on, std::time::Duration::from_secs(1));
    let second: cv2::ListEventsResponse = answer(&world, list(&first.cursor)).await;
    assert_eq!(second.events.len(), 1);
    assert!(matches!(second.events[0].event, Some(cv2::event::Event::UsageEvent(_))));
    let (status, log) = daemon.stop().await;
    assert!(status.success(), "{log}");
    assert!(world.c1.violations().is_empty(), "{:?}", world.c1.violations());
}
