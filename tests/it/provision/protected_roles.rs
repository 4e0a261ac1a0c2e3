//! Roles that `protected-roles` names are looked up again: names move, and roles are made, while the process runs.

use std::time::Duration;

use baton::task::Code;
use sandbox::pingone::{Fault, FaultAction};
use serde_json::{Value, json};

use super::rig::{HELP_DESK, READ_ONLY, Rig, refused};

/// From here on every list of roles is this one.
async fn list(rig: &Rig, change: impl Fn(&mut Vec<Value>)) {
    rig.server.set_faults(Vec::new());
    let listed = rig.client.builtin_roles().all().await.unwrap();
    let mut roles: Vec<Value> = listed
        .iter()
        .map(|role| json!({"id": role.id, "name": role.name}))
        .collect();
    change(&mut roles);
    let list = json!({"_embedded": {"roles": roles}, "_links": {}}).to_string();
    rig.server
        .set_faults(vec![Fault::on("GET", "*/roles", FaultAction::Body(list)).times(0)]);
    rig.server.reset_requests();
}

/// How often the roles were listed since.
fn lookups(rig: &Rig) -> u64 {
    rig.server.requests().of("GET", "/roles")
}

fn rename(roles: &mut [Value], from: &str, to: &str) {
    let role = roles.iter_mut().find(|role| role["name"] == from).unwrap();
    role["name"] = to.into();
}

async fn minutes(minutes: u64) {
    tokio::time::sleep(Duration::from_mins(minutes)).await;
}

#[tokio::test(start_paused = true)]
async fn names_of_roles_are_believed_for_ten_minutes_and_then_read_again() {
    let rig = Rig::set(|options| options.protected_roles = vec![HELP_DESK.to_owned()]).await;
    list(&rig, |_| {}).await;
    assert_eq!(rig.provisioner.check_settings(&rig.client).await.unwrap(), None);
    assert_eq!(lookups(&rig), 1, "the list is resolved at the start");
    // The protected name goes to another role.
    list(&rig, |roles| {
        rename(roles, HELP_DESK, "Former Help Desk");
        rename(roles, READ_ONLY, HELP_DESK);
    })
    .await;
    minutes(9).await;
    rig.assign(READ_ONLY, "ann").await.unwrap();
    refused(
        rig.assign(HELP_DESK, "ann").await,
        Code::FailedPrecondition,
        &["protected"],
    );
    assert_eq!(lookups(&rig), 0, "one list serves every task of ten minutes");
    minutes(2).await;
    refused(
        rig.assign(READ_ONLY, "eve").await,
        Code::FailedPrecondition,
        &["protected"],
    );
    rig.assign(HELP_DESK, "eve").await.unwrap();
    assert_eq!(lookups(&rig), 1);
}

#[tokio::test(start_paused = true)]
async fn a_role_that_was_made_since_is_looked_up_at_once() {
    let rig = Rig::set(|options| options.protected_roles = vec![HELP_DESK.to_owned()]).await;
    list(&rig, |roles| roles.retain(|role| role["name"] != READ_ONLY)).await;
    assert_eq!(rig.provisioner.check_settings(&rig.client).await.unwrap(), None);
    // Not yet listed, and the list is fresh: nobody can tell, so nothing is written.
    let unknown = rig.assign(READ_ONLY, "ann").await;
    refused(unknown, Code::FailedPrecondition, &["does not show this role"]);
    assert_eq!((lookups(&rig), rig.writes()), (1, 0));
    // It is listed now, under the protected name.
    list(&rig, |roles| rename(roles, READ_ONLY, HELP_DESK)).await;
    minutes(1).await;
    refused(
        rig.assign(READ_ONLY, "ann").await,
        Code::FailedPrecondition,
        &["protected"],
    );
    assert_eq!((lookups(&rig), rig.writes()), (1, 0));
    // Known now: the next task believes it.
    refused(
        rig.assign(READ_ONLY, "eve").await,
        Code::FailedPrecondition,
        &["protected"],
    );
    assert_eq!(lookups(&rig), 1);
}
