//! SIGKILL at many points of a first sync: the next one goes on where it was, asks hardly anything a second time, and writes
//! the file that an undisturbed one writes.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use sandbox::pingone::{ChangeKind, Changes, Options, Server, start};
use tokio::process::{Child, Command};
use tokio::time::Instant;

use crate::number;

/// Requests in flight.
const IN_FLIGHT: u64 = 8;
/// Users whose roles are written at a time, so that the last ones before a kill are not kept yet.
const TOGETHER: u64 = 4;
/// A user that changed just before the sync is asked for again, and so may be what somebody else's change touches.
const TOUCHED: u64 = 2;

async fn directory(users: u32) -> Server {
    let mut options = Options::default();
    options.directory.users = Some(users);
    options.directory.groups = Some(users / 20);
    let server = start(options).await.unwrap();
    server.change(&Changes::of(ChangeKind::UpdateUser, 1));
    server
}

fn program(server: &Server, dir: &Path, file: &str) -> Child {
    let log = std::fs::File::options()
        .create(true)
        .append(true)
        .open(dir.join("log"))
        .unwrap();
    Command::new(env!("CARGO_BIN_EXE_baton-ping-one"))
        .env_clear()
        .envs([
            ("BATON_PINGONE_CLIENT_ID", server.client_id().to_string()),
            ("BATON_PINGONE_CLIENT_SECRET", server.client_secret()),
            ("BATON_PINGONE_ENVIRONMENT_ID", server.environment_id().to_string()),
            ("BATON_PINGONE_BASE_URL", server.api_url()),
            ("BATON_PINGONE_AUTH_URL", server.auth_url()),
            ("BATON_PINGONE_RATE_LIMIT", "100000".to_owned()),
            ("BATON_PINGONE_MAX_IN_FLIGHT", IN_FLIGHT.to_string()),
            ("BATON_STATE_DIR", dir.join("state").display().to_string()),
            ("BATON_FILE", dir.join(file).display().to_string()),
            ("TMPDIR", dir.display().to_string()),
        ])
        .stdin(Stdio::null())
        .stdout(log.try_clone().unwrap())
        .stderr(log)
        .kill_on_drop(true)
        .spawn()
        .unwrap()
}

async fn to_the_end(server: &Server, dir: &Path, file: &str) {
    let status = program(server, dir, file).wait().await.unwrap();
    let log = || std::fs::read_to_string(dir.join("log")).unwrap_or_default();
    assert!(status.success(), "{}", log());
}

/// Reads of what principals hold that were answered: nearly everything that a sync asks.
fn observed(server: &Server) -> u64 {
    let counts = server.requests().counts;
    let roles = counts
        .iter()
        .filter(|count| count.status == 200 && count.path.ends_with("/roleAssignments"));
    roles.map(|count| count.count).sum()
}

fn same_rows(dir: &Path, one: &str, other: &str) {
    let ran = std::process::Command::new(env!("CARGO_BIN_EXE_baton-ping-one"))
        .env_clear()
        .env("TMPDIR", dir)
        .arg("diff")
        .args([dir.join(one), dir.join(other)])
        .output()
        .unwrap();
    assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stdout));
}

/// Kills a first sync at `points` points. Answers how much was observed before the kills, and asked again after them.
async fn killed(users: u32, points: u64) -> (u64, u64) {
    let (server, dir) = (directory(users).await, tempfile::tempdir().unwrap());
    let dir = dir.path();
    to_the_end(&server, dir, "plain.c1z").await;
    let least = observed(&server);
    let (mut before, mut again) = (0, 0);
    for point in 0..points {
        std::fs::remove_dir_all(dir.join("state")).ok();
        server.reset_requests();
        let at = least * (2 * point + 1) / (2 * points);
        let mut child = program(&server, dir, "killed.c1z");
        let patience = Instant::now() + Duration::from_mins(2);
        while observed(&server) < at && child.try_wait().unwrap().is_none() {
            assert!(Instant::now() < patience, "the sync stands still");
            tokio::time::sleep(Duration::from_micros(500)).await;
        }
        child.kill().await.unwrap();
        let first = observed(&server);
        if dir.join("killed.c1z").exists() {
            // It was done before the kill.
            std::fs::remove_file(dir.join("killed.c1z")).unwrap();
            continue;
        }
        to_the_end(&server, dir, "killed.c1z").await;
        let repeated = observed(&server).saturating_sub(least);
        same_rows(dir, "plain.c1z", "killed.c1z");
        std::fs::remove_file(dir.join("killed.c1z")).unwrap();
        println!("killed after {first} of {least}: {repeated} asked again");
        assert!(
            repeated <= IN_FLIGHT + TOGETHER + TOUCHED,
            "killed after {first} of {least}: {repeated} were asked for again"
        );
        (before, again) = (before + first, again + repeated);
    }
    println!("{points} kills: {before} observed, {again} asked again");
    (before, again)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_first_sync_that_is_killed_is_gone_on_with_by_the_next_process() {
    let (before, _) = killed(600, 5).await;
    assert!(before > 1_000, "{before}");
}

/// `make chaos MODE=resume USERS=… RUNS=…`
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "make chaos MODE=resume"]
async fn many_points() {
    let users = u32::try_from(number("CHAOS_USERS", 5_000)).unwrap();
    let (before, again) = killed(users, number("CHAOS_RUNS", 100)).await;
    assert!(
        again * 50 <= before,
        "{again} of {before} were asked for again: more than 2 %"
    );
}
