use futures_util::StreamExt;
use futures_util::stream::{self, FuturesUnordered};

use super::*;

mod shared;

fn far() -> Instant {
    Instant::now() + Duration::from_mins(15)
}

#[tokio::test(start_paused = true)]
async fn reads_of_different_groups_share_one_total() {
    let stats = Arc::<Stats>::default();
    let limiter = Limiter::new(100, 64, Arc::clone(&stats));
    let begun = Instant::now();
    for n in 0..400 {
        let group = if n % 2 == 0 {
            RateGroup::DirectoryReads
        } else {
            RateGroup::RoleAssignments
        };
        drop(limiter.enter(group, far()).await);
    }
    let seconds = begun.elapsed().as_secs_f64();
    assert!((3.9..=4.2).contains(&seconds), "{seconds}");
    assert!(stats.waited() > Duration::from_secs(3) && stats.waited() <= begun.elapsed());
}

#[tokio::test(start_paused = true)]
async fn writes_do_not_stand_behind_reads_and_come_off_their_total() {
    let stats = Arc::<Stats>::default();
    let limiter = Limiter::new(10, 64, Arc::clone(&stats));
    let reads: FuturesUnordered<_> = (0..20)
        .map(|_| limiter.enter(RateGroup::DirectoryReads, far()))
        .collect();
    let begun = Instant::now();
    let writes = async {
        for _ in 0..10 {
            drop(limiter.enter(RateGroup::DirectoryWrites, far()).await);
        }
        begun.elapsed()
    };
    let (written, ()) = futures_util::join!(writes, reads.for_each(|_| std::future::ready(())));
    assert!(written <= Duration::from_secs(1), "{written:?}");
    let seconds = begun.elapsed().as_secs_f64();
    assert!((2.7..=3.3).contains(&seconds), "30 requests at 10 a second: {seconds}");
}

#[tokio::test(start_paused = true)]
async fn a_refusal_pauses_its_group_alone_and_all_who_wait_in_it() {
    let stats = Arc::<Stats>::default();
    let limiter = Limiter::new(100, 64, Arc::clone(&stats));
    let begun = Instant::now();
    let waiting: FuturesUnordered<_> = (0..50)
        .map(|_| limiter.enter(RateGroup::RoleAssignments, far()))
        .collect();
    let refuse = async {
        tokio::time::sleep(Duration::from_millis(55)).await;
        limiter.refused(RateGroup::RoleAssignments, Instant::now(), Some(Duration::from_secs(5)));
        drop(limiter.enter(RateGroup::DirectoryReads, far()).await);
        assert!(begun.elapsed() < Duration::from_secs(1));
    };
    let times = waiting.map(|_| begun.elapsed()).collect::<Vec<_>>();
    let (times, ()) = futures_util::join!(times, refuse);
    let during = times
        .iter()
        .filter(|time| (Duration::from_millis(56)..Duration::from_secs(5)).contains(*time))
        .count();
    assert_eq!(during, 0, "{times:?}");
    // 44 were left; after the pause they leave at the halved rate, none of them having lost his slot.
    assert!(
        times.iter().all(|time| *time < Duration::from_millis(6_200)),
        "{times:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_pause_that_outlasts_the_caller_fails_at_once_and_says_when_to_come_back() {
    let stats = Arc::<Stats>::default();
    let limiter = Limiter::new(100, 64, Arc::clone(&stats));
    limiter.refused(RateGroup::DirectoryReads, Instant::now(), Some(Duration::from_secs(30)));
    let begun = Instant::now();
    let deadline = begun + Duration::from_secs(5);
    let found = limiter.enter(RateGroup::DirectoryReads, deadline).await;
    assert_eq!(found.map(drop), Err(TooLong(Duration::from_secs(30))));
    assert_eq!(begun.elapsed(), Duration::ZERO);
    let long = begun + Duration::from_mins(1);
    assert!(limiter.enter(RateGroup::DirectoryReads, long).await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn a_line_that_is_too_long_ends_with_the_callers_time() {
    let stats = Arc::<Stats>::default();
    let limiter = Limiter::new(10, 64, Arc::clone(&stats));
    let deadline = Instant::now() + Duration::from_secs(1);
    let found: Vec<bool> = stream::iter(0..50)
        .map(|_| async { limiter.enter(RateGroup::DirectoryReads, deadline).await.is_ok() })
        .buffer_unordered(50)
        .collect()
        .await;
    let entered = found.iter().filter(|entered| **entered).count();
    assert!((9..=11).contains(&entered), "{entered}");
}

#[tokio::test(start_paused = true)]
async fn who_goes_away_leaves_the_line_to_the_next() {
    let stats = Arc::<Stats>::default();
    let limiter = Limiter::new(1, 64, Arc::clone(&stats));
    drop(limiter.enter(RateGroup::DirectoryReads, far()).await);
    let gone = tokio::time::timeout(
        Duration::from_millis(100),
        limiter.enter(RateGroup::DirectoryReads, far()),
    );
    assert!(gone.await.is_err());
    let begun = Instant::now();
    assert!(limiter.enter(RateGroup::DirectoryReads, far()).await.is_ok());
    assert!(begun.elapsed() <= Duration::from_millis(950), "{:?}", begun.elapsed());
}

#[tokio::test(start_paused = true)]
async fn who_is_not_polled_holds_up_nobody_but_itself() {
    let limiter = Limiter::new(10, 64, Arc::default());
    let group = RateGroup::DirectoryReads;
    while futures_util::poll!(std::pin::pin!(limiter.enter(group, far()))).is_ready() {}
    let mut idle: Vec<_> = (0..5).map(|_| Box::pin(limiter.enter(group, far()))).collect();
    for waiting in &mut idle {
        assert!(futures_util::poll!(waiting).is_pending());
    }
    let begun = Instant::now();
    assert!(limiter.enter(group, far()).await.is_ok());
    // Six turns at ten a second, one of them already begun.
    assert!(begun.elapsed() <= Duration::from_millis(1_100), "{:?}", begun.elapsed());
    for waiting in idle {
        assert!(waiting.await.is_ok());
    }
    assert!(begun.elapsed() <= Duration::from_millis(1_100), "{:?}", begun.elapsed());
}

#[tokio::test(start_paused = true)]
async fn places_are_shared_by_the_reads_and_kept_from_the_writes() {
    let limiter = Limiter::new(100_000, 4, Arc::default());
    let mut held = Vec::new();
    for _ in 0..4 {
        held.push(limiter.enter(RateGroup::DirectoryReads, far()).await);
    }
    let soon = Instant::now() + Duration::from_secs(1);
    assert!(limiter.enter(RateGroup::RoleAssignments, soon).await.is_err());
    assert!(limiter.enter(RateGroup::DirectoryWrites, soon).await.is_ok());
    assert!(limiter.enter(RateGroup::Token, soon).await.is_ok());
    let (found, ()) = futures_util::join!(limiter.enter(RateGroup::RoleAssignments, far()), async {
        held.pop();
    });
    assert!(found.is_ok());
}

#[tokio::test(start_paused = true)]
async fn a_lifted_ceiling_costs_no_wait() {
    let stats = Arc::<Stats>::default();
    let limiter = Limiter::new(100_000, 64, Arc::clone(&stats));
    let begun = Instant::now();
    for _ in 0..57_000 {
        let sent = Instant::now();
        drop(limiter.enter(RateGroup::RoleAssignments, far()).await);
        limiter.finished(RateGroup::RoleAssignments, sent);
    }
    assert_eq!((begun.elapsed(), stats.waited()), (Duration::ZERO, Duration::ZERO));
}

#[test]
fn the_licence_counts_only_by_the_share_of_one_address() {
    let limiter = Limiter::new(0, 64, Arc::default());
    assert!(limiter.is_automatic());
    assert!((limiter.rate(RateGroup::DirectoryReads) - 100.0).abs() < f64::EPSILON);
    let rates = |directory, configuration| LicenceRates {
        directory,
        configuration,
        audit: None,
    };
    limiter.licence_rates(&rates(None, Some(10.0)));
    assert!((limiter.rate(RateGroup::Configuration) - 3.5).abs() < 1e-9);
    assert!((limiter.rate(RateGroup::DirectoryReads) - 100.0).abs() < f64::EPSILON);
    limiter.licence_rates(&rates(Some(400.0), Some(10.0)));
    assert!((limiter.rate(RateGroup::Configuration) - 3.5).abs() < 1e-9);
    assert!((limiter.rate(RateGroup::RoleAssignments) - 140.0).abs() < 1e-9);
    assert!((limiter.rate(RateGroup::DirectoryReads) - 140.0).abs() < 1e-9);
    assert!((limiter.rate(RateGroup::Audit) - 3.0).abs() < f64::EPSILON);
}
