//! A limit that nothing tells and that rate groups share, as one licence's number may be: whole lines of requests
//! against a server that counts them all together.

use std::cell::RefCell;

use futures_util::{FutureExt as _, stream};

use super::*;

/// A token bucket for all requests, of whatever group.
struct Server {
    limit: f64,
    most: f64,
    tokens: f64,
    last: Instant,
    taken: u32,
    refused: u32,
}

impl Server {
    /// Holds `burst` seconds of its limit.
    fn new(limit: f64, burst: f64) -> RefCell<Self> {
        let most = (limit * burst).max(1.0);
        RefCell::new(Self {
            limit,
            most,
            tokens: most,
            last: Instant::now(),
            taken: 0,
            refused: 0,
        })
    }

    fn take(&mut self) -> bool {
        let now = Instant::now();
        let earned = (now - self.last).as_secs_f64() * self.limit;
        self.tokens = (self.tokens + earned).min(self.most);
        self.last = now;
        if self.tokens < 1.0 {
            self.refused += 1;
            return false;
        }
        self.tokens -= 1.0;
        self.taken += 1;
        true
    }
}

/// One request until it is taken, as a call does it.
async fn request(limiter: &Arc<Limiter>, server: &RefCell<Server>, group: RateGroup) {
    loop {
        let Ok(place) = limiter.enter(group, far()).await else {
            panic!("a quarter of an hour was not enough");
        };
        let sent = Instant::now();
        tokio::time::sleep(Duration::from_millis(5)).await;
        let taken = server.borrow_mut().take();
        tokio::time::sleep(Duration::from_millis(45)).await;
        drop(place);
        if taken {
            limiter.finished(group, sent);
            return;
        }
        limiter.refused(group, sent, Some(Duration::from_secs(1)));
    }
}

/// `count` requests of a group, so many at a time, each followed by this much work of our own.
async fn work(
    limiter: &Arc<Limiter>,
    server: &RefCell<Server>,
    group: RateGroup,
    (count, at_a_time, pause): (u32, usize, Duration),
) {
    stream::iter(0..count)
        .map(|_| async move {
            request(limiter, server, group).await;
            tokio::time::sleep(pause).await;
        })
        .buffer_unordered(at_a_time)
        .for_each(|()| std::future::ready(()))
        .await;
}

/// How long it took over requests ÷ limit, and the share of refused requests.
fn outcome(took: Duration, server: &RefCell<Server>) -> (f64, f64) {
    let server = server.borrow();
    let (taken, refused) = (f64::from(server.taken), f64::from(server.refused));
    (
        took.as_secs_f64() / (taken / server.limit) - 1.0,
        refused / (taken + refused),
    )
}

const SCAN: RateGroup = RateGroup::RoleAssignments;
const DIRECTORY: RateGroup = RateGroup::DirectoryReads;

#[tokio::test(start_paused = true)]
async fn one_limit_of_two_groups_is_learned_as_one_whatever_each_of_them_has_to_do() {
    for limit in [40.0, 60.0] {
        for burst in [1.0, 0.2, 0.1] {
            for (name, directory) in [
                ("a page after the other", (60, 1, Duration::from_millis(300))),
                ("a trickle", (300, 4, Duration::from_millis(300))),
                ("as much as it gets", (350, 64, Duration::ZERO)),
            ] {
                let limiter = Limiter::new(0, 64, Arc::default());
                let server = Server::new(limit, burst);
                let begun = Instant::now();
                futures_util::join!(
                    work(&limiter, &server, SCAN, (2_000, 64, Duration::ZERO)),
                    work(&limiter, &server, DIRECTORY, directory),
                );
                let (over, refused) = outcome(begun.elapsed(), &server);
                assert!(
                    over <= 0.25 && refused <= 0.02,
                    "{limit}, burst {burst}, {name}: {over:.3} over, {refused:.3} refused"
                );
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_limit_of_one_group_does_not_hold_up_the_other() {
    for burst in [1.0, 0.2, 0.1] {
        for (scan, directory) in [(10.0, 80.0), (10.0, 40.0)] {
            let limiter = Limiter::new(0, 64, Arc::default());
            let (scans, pages) = (Server::new(scan, burst), Server::new(directory, burst));
            let begun = Instant::now();
            let took = |()| begun.elapsed();
            let (scanned, listed) = futures_util::join!(
                work(&limiter, &scans, SCAN, (600, 64, Duration::ZERO)).map(took),
                work(&limiter, &pages, DIRECTORY, (2_000, 64, Duration::ZERO)).map(took),
            );
            let ((scan_over, _), (over, refused)) = (outcome(scanned, &scans), outcome(listed, &pages));
            let text =
                format!("{scan} and {directory}, burst {burst}: {scan_over:.3}, {over:.3} over, {refused:.3} refused");
            assert!(scan_over <= 0.35 && over <= 0.25 && refused <= 0.02, "{text}");
        }
    }
}
