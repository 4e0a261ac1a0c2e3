//! Many tasks at a time: bounded in flight, inside the rate, nothing lost.

use futures_util::future::join_all;
use sandbox::pingone::{Directory, Options};
use serde_json::json;

use super::rig::{Rig, Setup, existed, member_of, resource};

const GRANTS: usize = 100;
/// Requests a second, for the client and for the stand-in alike.
const RATE: u32 = 20;

fn crowd() -> Directory {
    let mut directory = Directory::builder()
        .population("staff", json!({}))
        .group("team", json!({}));
    for n in 0..GRANTS {
        directory = directory.user(&format!("user-{n}"), "staff", json!({}));
    }
    directory.build()
}

#[tokio::test(start_paused = true)]
async fn a_hundred_queued_grants_stay_inside_the_write_bucket() {
    let mut sandbox = Options {
        custom: Some(crowd()),
        ..Options::default()
    };
    sandbox.limits.rate = vec![format!("dir-write={RATE}")];
    sandbox.limits.rate_burst = 0.25;
    sandbox.timing.latency_ms = 200;
    let rig = Rig::with(Setup {
        sandbox,
        rate_limit: Some(RATE),
        ..Setup::default()
    })
    .await;
    let begun = tokio::time::Instant::now();
    let grants = (0..GRANTS).map(|n| {
        let user = resource("user", rig.id(&format!("user-{n}")));
        rig.grant(member_of(rig.id("team")), user)
    });
    let replies = join_all(grants).await;
    assert!(replies.into_iter().all(|reply| !existed(&reply.unwrap())));
    assert_eq!(rig.server.directory().members(rig.id("team")).len(), GRANTS);
    let requests = rig.server.requests();
    assert_eq!(
        (requests.writes(), requests.refused),
        (100, 0),
        "one write each, none refused for its rate"
    );
    // Before a membership is called missing: one read of the environment in ten seconds.
    let probes = requests.of("GET", "/environments/{id}");
    assert!(probes <= 2, "{probes}");
    let total = requests.total - probes;
    assert_eq!(total, 400, "the group, the membership before and after");
    // What is in flight follows from rate and latency, whatever is queued.
    assert!(requests.most_in_flight <= 32, "{} in flight", requests.most_in_flight);
    let least = (u64::try_from(GRANTS).unwrap() - 5) / u64::from(RATE);
    assert!(begun.elapsed().as_secs() >= least, "{:?}", begun.elapsed());
    assert_eq!(rig.changes().len(), GRANTS);
}

#[tokio::test(start_paused = true)]
async fn a_burst_that_pingone_limits_still_ends_well() {
    let mut sandbox = Options {
        custom: Some(crowd()),
        ..Options::default()
    };
    sandbox.limits.rate = vec!["dir-write=10".into()];
    let rig = Rig::with(Setup {
        sandbox,
        rate_limit: Some(100),
        ..Setup::default()
    })
    .await;
    let grants = (0..GRANTS).map(|n| {
        let user = resource("user", rig.id(&format!("user-{n}")));
        rig.grant(member_of(rig.id("team")), user)
    });
    let replies = join_all(grants).await;
    assert!(replies.into_iter().all(|reply| !existed(&reply.unwrap())));
    let requests = rig.server.requests();
    assert!(requests.refused > 0);
    assert_eq!(requests.writes() - requests.refused, 100);
}
