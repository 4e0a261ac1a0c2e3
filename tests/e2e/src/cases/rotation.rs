//! Credentials are replaced while the daemon runs.

use std::time::Duration;

use anyhow::ensure;
use serde_json::{Value, json};

use super::{Outcome, SYNC, begun, clean, finished, grant, slow};
use crate::daemon::Daemon;
use crate::wait;
use crate::world::World;

/// A change that is watched.
const WATCH: Duration = Duration::from_secs(2);
/// A change that comes through a mounted volume.
const MOUNT: Duration = Duration::from_secs(90);
/// Nobody waits longer for anything here.
const PATIENCE: Duration = Duration::from_mins(5);

const PINGONE: &str = "BATON_PINGONE_CLIENT_SECRET";
const C1: &str = "BATON_CLIENT_SECRET";

/// One pod, so that each rotation is one Event on it.
fn single() -> Value {
    json!({"replicaCount": 1})
}

/// Changes a value and waits until the daemon says that it is in use.
async fn rotate(daemon: &Daemon<'_>, key: &str, text: &str) -> anyhow::Result<Duration> {
    let before = daemon.events("CredentialsReloaded").await?.len();
    daemon.set(key, text).await?;
    daemon.wait_event("CredentialsReloaded", before, PATIENCE).await
}

/// PingOne's by API watch.
pub async fn pingone_by_watch(world: &World) -> anyhow::Result<Outcome> {
    by(world, "rotate-watch", &single(), PINGONE, WATCH).await
}

/// PingOne's by mounted volume.
pub async fn pingone_by_mount(world: &World) -> anyhow::Result<Outcome> {
    let values = json!({"replicaCount": 1, "credentials": {"source": "mount"}});
    by(world, "rotate-mount", &values, PINGONE, MOUNT).await
}

/// C1's.
pub async fn c1(world: &World) -> anyhow::Result<Outcome> {
    by(world, "rotate-c1", &single(), C1, WATCH).await
}

async fn by(world: &World, case: &str, values: &Value, key: &str, limit: Duration) -> anyhow::Result<Outcome> {
    let daemon = Daemon::install(world, case, values).await?;
    daemon.sync(SYNC).await?;
    let secret = match key {
        PINGONE => world.sandboxes.rotate_pingone(world).await?,
        _ => world.sandboxes.rotate_c1(world).await?,
    };
    let took = rotate(&daemon, key, &secret).await?;
    world.time(&format!("Secret to new credentials ({case})"), took, limit)?;
    // The old secret is still good: whoever used it would not be refused, only counted.
    world.sandboxes.forget(world).await?;
    daemon.sync(SYNC).await?;
    ensure!(
        old_tokens(world).await? == 0,
        "requests with the old token after the swap"
    );
    world.sandboxes.retire(world).await?;
    daemon.sync(SYNC).await?;
    ensure!(
        refused(world).await? == 0,
        "requests were refused after the old secret ended"
    );
    ensure!(
        daemon.metric(&["credentials_reloads_total", "accepted"]).await? >= 1.0,
        "the metric does not count the reload"
    );
    clean(world, &daemon, 0).await?;
    Ok(Outcome::Passed)
}

/// Requests that PingOne received with a token of an older secret.
async fn old_tokens(world: &World) -> anyhow::Result<u64> {
    world.sandboxes.with_old_token(world).await
}

/// Requests that PingOne answered 401.
async fn refused(world: &World) -> anyhow::Result<u64> {
    let counts = world.sandboxes.counts(world).await?;
    Ok(counts
        .iter()
        .filter(|count| count["status"] == 401)
        .filter_map(|count| count["count"].as_u64())
        .sum())
}

/// Old kept, one Event, the metric counts, and syncs go on.
pub async fn bad_values(world: &World) -> anyhow::Result<Outcome> {
    let daemon = Daemon::install(world, "rotate-bad", &single()).await?;
    daemon.sync(SYNC).await?;
    let cases = [
        ("malformed", "BATON_PINGONE_ENVIRONMENT_ID", "not-an-id"),
        ("empty", PINGONE, ""),
        ("refused", PINGONE, "wrong-but-well-formed"),
        (
            "another tenant's",
            "BATON_PINGONE_ENVIRONMENT_ID",
            "00000000-0000-4000-8000-000000000000",
        ),
        ("malformed", C1, "not-a-token"),
        ("another tenant's", "BATON_CLIENT_ID", "other@other.example/baton"),
    ];
    for (what, key, text) in cases {
        let events = daemon.events("CredentialsRejected").await?.len();
        let counted = daemon.metric(&["credentials_reloads_total", "refused"]).await?;
        daemon.set(key, text).await?;
        daemon.wait_event("CredentialsRejected", events, PATIENCE).await?;
        wait::until("the metric to count the rejection", PATIENCE, || async {
            Ok(wait::when(
                daemon.metric(&["credentials_reloads_total", "refused"]).await? > counted,
            ))
        })
        .await?;
        let notes = daemon.events("CredentialsRejected").await?;
        let shown = notes
            .iter()
            .any(|event| !text.is_empty() && event.note.as_deref().is_some_and(|note| note.contains(text)));
        ensure!(!shown, "an Event shows the {what} value");
        daemon.sync(SYNC).await?;
        let restored = daemon.metric(&["credentials_reloads_total", "restored"]).await?;
        daemon.store(&world.sandboxes.credentials()).await?;
        wait::until("the old value to end the problem", PATIENCE, || async {
            Ok(wait::when(
                daemon.metric(&["credentials_reloads_total", "restored"]).await? > restored,
            ))
        })
        .await?;
    }
    ensure!(
        !daemon.events("CredentialsRestored").await?.is_empty(),
        "no Event tells that the old value is back"
    );
    // A newline at the end is cut off.
    let secret = world.sandboxes.rotate_pingone(world).await?;
    rotate(&daemon, PINGONE, &format!("{secret}\n")).await?;
    clean(world, &daemon, 0).await?;
    Ok(Outcome::Passed)
}

/// The old ones stay in use while there is no Secret.
pub async fn deleted_and_made_again(world: &World) -> anyhow::Result<Outcome> {
    let daemon = Daemon::install(world, "rotate-deleted", &single()).await?;
    daemon.sync(SYNC).await?;
    let events = daemon.events("CredentialsRejected").await?.len();
    daemon.delete_secret().await?;
    daemon.wait_event("CredentialsRejected", events, PATIENCE).await?;
    daemon.sync(SYNC).await?;
    world.sandboxes.rotate_pingone(world).await?;
    let values = world.sandboxes.credentials();
    let before = daemon.events("CredentialsReloaded").await?.len();
    daemon.store(&values).await?;
    daemon.wait_event("CredentialsReloaded", before, PATIENCE).await?;
    world.sandboxes.retire(world).await?;
    daemon.sync(SYNC).await?;
    clean(world, &daemon, 0).await?;
    Ok(Outcome::Passed)
}

/// The running sync takes the new token at its next request; the old secret dies after the swap.
pub async fn during_a_sync(world: &World) -> anyhow::Result<Outcome> {
    let daemon = Daemon::install(world, "rotate-sync", &single()).await?;
    daemon.sync(SYNC).await?;
    let uploads = world.sandboxes.uploads(world).await?;
    world.sandboxes.forget(world).await?;
    slow(world, 8_000).await?;
    let task = world.sandboxes.task(world, &json!({"syncFull": {}})).await?;
    begun(world, "GET", "/populations").await?;
    let secret = world.sandboxes.rotate_pingone(world).await?;
    rotate(&daemon, PINGONE, &secret).await?;
    // A request counts when it arrives, so those in flight are in this number already.
    let before = old_tokens(world).await?;
    world.sandboxes.retire(world).await?;
    daemon.wait_upload(uploads, SYNC).await?;
    finished(world, &task, SYNC).await?;
    let after = old_tokens(world).await?;
    ensure!(before > 0, "the sync had no request before the swap");
    ensure!(
        after == before,
        "{} requests with the old token after the swap",
        after - before
    );
    ensure!(
        refused(world).await? == 0,
        "requests were refused after the old secret ended"
    );
    clean(world, &daemon, 0).await?;
    Ok(Outcome::Passed)
}

/// The running grant ends well, once.
pub async fn during_a_grant(world: &World) -> anyhow::Result<Outcome> {
    let daemon = Daemon::install(world, "rotate-grant", &single()).await?;
    daemon.sync(SYNC).await?;
    slow(world, 8_000).await?;
    let (grant, _, _) = grant(world).await?;
    let task = world.sandboxes.task(world, &grant).await?;
    wait::until("the grant to be taken", SYNC, || async {
        Ok(wait::when(
            daemon.metric(&["baton_ping_one_tasks_in_flight"]).await? >= 1.0,
        ))
    })
    .await?;
    let secret = world.sandboxes.rotate_pingone(world).await?;
    rotate(&daemon, PINGONE, &secret).await?;
    finished(world, &task, SYNC).await?;
    clean(world, &daemon, 0).await?;
    Ok(Outcome::Passed)
}
