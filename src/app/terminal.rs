//! The progress line of a one-shot sync: one line that is rewritten on a terminal, plain log lines elsewhere.

use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use tokio_util::sync::CancellationToken;

use crate::sync::{Phase, Progress};
use pingone::Client;

/// How often a terminal's line is rewritten.
const REDRAW: Duration = Duration::from_millis(250);
/// How often a line is logged elsewhere.
const LOG: Duration = Duration::from_secs(10);

/// Shows the progress until `done` is cancelled; a terminal's line is wiped at the end.
pub(crate) async fn show(progress: Arc<Progress>, client: Client, terminal: bool, done: CancellationToken) {
    let begun = Instant::now();
    let mut phase = (progress.phase(), begun);
    let mut ticks = tokio::time::interval(if terminal { REDRAW } else { LOG });
    ticks.tick().await;
    while done.run_until_cancelled(ticks.tick()).await.is_some() {
        if progress.phase() != phase.0 {
            phase = (progress.phase(), Instant::now());
        }
        let line = line(&progress, &client, begun.elapsed(), phase.1.elapsed());
        if terminal {
            draw(&format!("\r\x1b[2K{line}"));
        } else {
            tracing::info!(phase = progress.phase().as_str(), progress = line, "sync is running");
        }
    }
    if terminal {
        draw("\r\x1b[2K");
    }
}

/// A broken terminal does not end a sync.
fn draw(text: &str) {
    let mut stderr = std::io::stderr().lock();
    stderr.write_all(text.as_bytes()).and_then(|()| stderr.flush()).ok();
}

fn line(progress: &Progress, client: &Client, elapsed: Duration, in_phase: Duration) -> String {
    let stats = client.stats();
    let requests = stats.requests();
    let users = progress.users.load(Ordering::Relaxed);
    let scanned = progress.principals_scanned.load(Ordering::Relaxed);
    let expected = progress.users_expected.load(Ordering::Relaxed);
    let scan = progress.scan_expected.load(Ordering::Relaxed);
    let groups = progress.groups.load(Ordering::Relaxed);
    let read = progress.groups_read.load(Ordering::Relaxed);
    let grants = progress.grants.load(Ordering::Relaxed);
    let rate = rate(requests, elapsed);
    let waited = stats.waited().as_secs_f64();
    let phase = progress.phase();
    let done = match phase {
        Phase::Users if scan > 0 => format!("{users} users, {scanned}/{scan} role reads"),
        Phase::Users if expected > 0 => format!("{users}/{expected} users, {scanned} role reads"),
        Phase::Plan | Phase::Users => format!("{users} users, {scanned} role reads"),
        Phase::Members => format!("{read}/{groups} groups, {grants} grants"),
        Phase::Applications | Phase::Roles | Phase::Seal => format!("{users} users, {groups} groups, {grants} grants"),
    };
    let left = match phase {
        Phase::Users if scan > 0 => remaining(scanned, scan, in_phase),
        Phase::Users if expected > 0 => remaining(users, expected, in_phase),
        Phase::Members if groups > 0 => remaining(read, groups, in_phase),
        _ => String::new(),
    };
    format!(
        "{:<8} {done}; {requests} requests, {rate}/s, waited {waited:.1} s{left}",
        phase.as_str()
    )
}

fn rate(requests: u64, elapsed: Duration) -> u64 {
    let millis = u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX).max(1);
    requests.saturating_mul(1_000) / millis
}

/// The time that is left in this phase at the pace so far, once there is a pace.
fn remaining(done: u64, all: u64, elapsed: Duration) -> String {
    if done == 0 || done >= all || elapsed < Duration::from_secs(3) {
        return String::new();
    }
    let seconds = elapsed.as_secs().saturating_mul(all - done) / done;
    format!("; about {seconds} s left in this phase")
}

#[cfg(test)]
mod tests {
    use pingone::{ClientConfig, Credentials, Region};
    use tokio::sync::watch;
    use uuid::Uuid;

    use super::*;

    fn client() -> Client {
        let environment = Uuid::from_u128(1);
        let config = ClientConfig {
            region: Region::Eu,
            api_url: None,
            auth_url: None,
            environment_id: environment,
            auth_environment_id: environment,
            rate_limit: 0,
            max_in_flight: 1,
            insecure: false,
            timeout: Duration::from_secs(1),
        };
        let credentials = Arc::new(Credentials::with_secret("id".to_owned(), "secret".into()));
        Client::new(&config, watch::channel(credentials).1, None).unwrap()
    }

    /// The list of users is quick and the scan of their roles is not: once it runs, it alone says what is left.
    #[test]
    fn the_estimate_follows_the_scan_of_roles_once_that_runs() {
        let (progress, client) = (Progress::default(), client());
        progress.enter(Phase::Users);
        let told = |users, scanned, expected| {
            progress.users.store(users, Ordering::Relaxed);
            progress.principals_scanned.store(scanned, Ordering::Relaxed);
            progress.scan_expected.store(expected, Ordering::Relaxed);
            line(&progress, &client, Duration::from_secs(90), Duration::from_mins(1))
        };
        progress.users_expected.store(1_000, Ordering::Relaxed);
        let listing = told(500, 20, 0);
        assert!(listing.contains(" 500/1000 users, 20 role reads;"), "{listing}");
        assert!(listing.ends_with("; about 60 s left in this phase"), "{listing}");
        let scanning = told(1_000, 255, 1_020);
        assert!(scanning.contains(" 1000 users, 255/1020 role reads;"), "{scanning}");
        assert!(scanning.ends_with("; about 180 s left in this phase"), "{scanning}");
        let done = told(1_000, 1_020, 1_020);
        assert!(!done.contains("left in this phase"), "{done}");
    }
}
