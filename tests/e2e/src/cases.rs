//! The cases, in the order in which they run.

mod asked;
mod bad_input;
mod disruption;
mod install;
mod leadership;
mod permissions;
mod platforms;
mod pressure;
mod rotation;

use std::time::Duration;

use anyhow::Context as _;
use futures_util::future::BoxFuture;
use serde_json::{Value, json};

use crate::daemon::Daemon;
use crate::wait;
use crate::world::World;

/// How a case ended without an error.
#[derive(Debug)]
pub enum Outcome {
    /// Everything was as it should be.
    Passed,
    /// It cannot be run here.
    Skipped(&'static str),
}

type Run = for<'a> fn(&'a World) -> BoxFuture<'a, anyhow::Result<Outcome>>;

/// One case.
pub struct Case {
    /// Name for `--only`.
    pub name: &'static str,
    /// What it shows.
    pub shows: &'static str,
    /// Runs it.
    pub run: Run,
}

macro_rules! cases {
    ($($name:literal, $shows:literal, $run:path;)*) => {
        /// All cases.
        pub const ALL: &[Case] = &[$(Case { name: $name, shows: $shows, run: |world| Box::pin($run(world)) }),*];
    };
}

cases! {
    "install-helm4", "install with a NetworkPolicy, Ready, first sync, Events, metrics, helm test, upgrade, rollback, uninstall", install::with_helm;
    "install-helm3", "the same with helm 3", install::with_helm3;
    "quickstart", "the quickstart's two files make a pod that syncs", install::quickstart;
    "waits-for-credentials", "a Secret that is missing or incomplete at the start is waited for", install::waits_for_credentials;
    "rbac-missing", "without permissions the log names verb and object, and the pod lives", install::without_rbac;
    "status-and-doctor", "both commands in the pods, where all is well and with a wrong secret and no permissions", asked::status_and_doctor;
    "bad-values", "values that are unknown, secret or contradict each other, a kind that the cluster lacks, no replicas", bad_input::values;
    "bad-start", "a pod that cannot start says why: a region that there is not, an image that is not there", bad_input::starts;
    "rotation-pingone-watch", "PingOne's secret by API watch", rotation::pingone_by_watch;
    "rotation-pingone-mount", "PingOne's secret by mounted volume", rotation::pingone_by_mount;
    "rotation-c1", "C1's secret", rotation::c1;
    "rotation-bad", "malformed, empty, refused and another tenant's values keep the old ones", rotation::bad_values;
    "rotation-deleted", "the Secret is deleted and made again", rotation::deleted_and_made_again;
    "rotation-mid-sync", "rotation during a sync: no request with the old token after the swap", rotation::during_a_sync;
    "rotation-mid-grant", "rotation during a grant", rotation::during_a_grant;
    "leader-killed", "the leader's pod is deleted with grace 0", leadership::killed;
    "leader-frozen", "the leader's process sleeps past its lease and wakes", leadership::frozen;
    "lease-deleted", "the Lease is deleted", leadership::lease_deleted;
    "one-to-two", "from one replica without a Lease to two with one, and back: never two sessions", leadership::one_to_two;
    "apiserver-stopped", "the API server is gone for a minute", leadership::api_server_stopped;
    "rolling-update-mid-grant", "a rolling update while a grant runs", disruption::update_mid_grant;
    "rolling-update-mid-sync", "a rolling update while a sync runs", disruption::update_mid_sync;
    "drain-mid-grant", "the node is drained while a grant runs; the second eviction is refused", disruption::drain_mid_grant;
    "drain-mid-sync", "the node is drained while a sync runs", disruption::drain_mid_sync;
    "foreign-user", "a user and groups that the cluster gives out", platforms::foreign_user;
    "ipv6", "pods and a Service with nothing but IPv6 addresses", platforms::ipv6;
    "ignored-keys", "settings in the watched Secret change nothing and are named in the log", platforms::ignored_keys;
    "two-releases", "a second release in the namespace, without C1; its end leaves the first alone", platforms::two_releases;
    "overlay", "the overlay of two replicas, built for another namespace", platforms::overlay;
    "paused-and-smaller", "paused, most users gone, resumed: the sync is refused until somebody accepts it", platforms::paused_and_smaller;
    "memory-50k", "the default memory limit holds for 50,000 users", pressure::fifty_thousand_users;
    "oom", "a pod that runs out of memory comes back clean", pressure::out_of_memory;
    "permissions", "every call that is made is allowed, everything else is not", permissions::both_ways;
}

/// Time for a sync of the small directory.
const SYNC: Duration = Duration::from_mins(1);

/// A grant of a group that has neither filter nor population to a user, as C1 hands it out, with the ids of user and group.
async fn grant(world: &World) -> anyhow::Result<(Value, String, String)> {
    let sandboxes = &world.sandboxes;
    let text = |row: &Value| row["id"].as_str().map(str::to_owned).context("an id");
    let plain = |row: &Value| {
        row["kind"] == "group" && row["dynamic"] == false && row["external"] != true && row["population"].is_null()
    };
    let group = sandboxes.row(world, plain).await?;
    let is_member = |id: &Value| {
        let lists = ["direct", "computed", "nested"];
        lists
            .iter()
            .any(|list| group[list].as_array().is_some_and(|all| all.contains(id)))
    };
    let user = text(
        &sandboxes
            .row(world, |row| row["kind"] == "user" && !is_member(&row["id"]))
            .await?,
    )?;
    let group = text(&group)?;
    let resource = |kind: &str, id: &str| json!({"id": {"resourceType": kind, "resource": id}});
    let entitlement =
        json!({"id": format!("group:{group}:member"), "slug": "member", "resource": resource("group", &group)});
    let task = json!({"grant": {"entitlement": entitlement, "principal": resource("user", &user)}});
    Ok((task, user, group))
}

/// Waits for the report of a task; fails if there is more than one, or one that is not a success.
async fn finished(world: &World, task: &str, limit: Duration) -> anyhow::Result<()> {
    match reported(world, task, limit).await? {
        Ending::Success => Ok(()),
        Ending::HandedBack => anyhow::bail!("task {task} was handed back"),
    }
}

/// How a task ended by its report.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ending {
    /// It was done.
    Success,
    /// It was cancelled, and C1 may hand it out again.
    HandedBack,
}

/// Waits for the report of a task; fails if there is none, more than one, or one of an error.
async fn reported(world: &World, task: &str, limit: Duration) -> anyhow::Result<Ending> {
    let reports = async || {
        let seen = world.sandboxes.seen(world).await?;
        let of_task = seen
            .into_iter()
            .filter(|seen| seen.method == "FinishTask" && seen.request["taskId"] == task);
        anyhow::Ok(of_task.collect::<Vec<_>>())
    };
    let (_, ()) = wait::until(&format!("task {task} to be reported"), limit, || async {
        Ok(wait::when(!reports().await?.is_empty()))
    })
    .await?;
    let reports = reports().await?;
    anyhow::ensure!(reports.len() == 1, "the task was reported {} times", reports.len());
    ending(reports.first().map(|seen| &seen.request).context("a report")?)
}

/// What a `FinishTask` says.
fn ending(report: &Value) -> anyhow::Result<Ending> {
    if report.get("success").is_some() {
        return Ok(Ending::Success);
    }
    // 1 is CANCELLED; with `nonRetryable` C1 would not hand the task out again.
    let retryable = report["error"].is_object() && report["error"]["nonRetryable"] != true;
    anyhow::ensure!(retryable && report["status"]["code"] == 1, "the task failed: {report}");
    Ok(Ending::HandedBack)
}

/// Waits until PingOne counts a request of this method whose path has this end.
async fn begun(world: &World, method: &str, end: &str) -> anyhow::Result<()> {
    let (_, ()) = wait::until(&format!("{method} …{end} at PingOne"), SYNC, || async {
        let counts = world.sandboxes.counts(world).await?;
        let hit =
            |count: &Value| count["method"] == method && count["path"].as_str().is_some_and(|path| path.ends_with(end));
        Ok(wait::when(counts.iter().any(hit)))
    })
    .await?;
    Ok(())
}

/// Makes each page of the user list, and each membership change, take so long.
async fn slow(world: &World, milliseconds: u64) -> anyhow::Result<()> {
    let fault = |method: &str, path: &str| json!({"method": method, "path": path, "times": 0, "action": {"slow": milliseconds}});
    let faults = json!([fault("GET", "*/users"), fault("POST", "*/memberOfGroups")]);
    world.sandboxes.faults(world, &faults).await
}

/// Fails if C1 saw a broken rule or a restart was counted.
async fn clean(world: &World, daemon: &Daemon<'_>, restarts: i32) -> anyhow::Result<()> {
    let violations = world.sandboxes.violations(world).await?;
    anyhow::ensure!(violations.is_empty(), "C1 saw broken rules: {violations:?}");
    let counted = daemon.restarts().await?;
    anyhow::ensure!(counted == restarts, "{counted} restarts, expected {restarts}");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cancelled_task_is_handed_back_and_a_failed_one_is_not() -> anyhow::Result<()> {
        assert_eq!(ending(&json!({"taskId": "a", "success": {}}))?, Ending::Success);
        let cancelled = json!({"taskId": "a", "status": {"code": 1, "message": "ended"}, "error": {}});
        assert_eq!(ending(&cancelled)?, Ending::HandedBack);
        for failed in [
            json!({"taskId": "a", "status": {"code": 1}, "error": {"nonRetryable": true}}),
            json!({"taskId": "a", "status": {"code": 2}, "error": {}}),
            json!({"taskId": "a", "status": {"code": 1}}),
            json!({"taskId": "a"}),
        ] {
            assert!(ending(&failed).is_err(), "{failed}");
        }
        Ok(())
    }
}
