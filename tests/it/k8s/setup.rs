use std::time::Duration;

use baton_ping_one::k8s::lease::Timing;
use baton_ping_one::k8s::setup::{Wanted, election};

use super::fake::Fake;
use super::{client, soon};

fn timing() -> Timing {
    let millis = Duration::from_millis;
    Timing::new(millis(2_000), millis(1_200), millis(200)).unwrap()
}

#[tokio::test]
async fn without_the_right_to_read_the_lease_an_election_that_was_not_asked_for_is_off() {
    let fake = Fake::start().await;
    fake.data().forbidden.insert("get leases");
    let client = client(&fake);
    assert!(!client.was_reached());
    let found = soon(election(Some(&client), Wanted::Auto, "leader", &timing())).await;
    assert!(found.unwrap().is_none());
    // A refusal is an answer.
    assert!(client.was_reached());
    let found = soon(election(Some(&client), Wanted::Yes, "leader", &timing())).await;
    assert!(found.unwrap().is_some());
    assert_eq!(fake.count("get "), 1);
}

#[tokio::test]
async fn with_the_right_it_is_on_and_a_server_that_hangs_is_waited_for() {
    let fake = Fake::start().await;
    fake.data().hangs = true;
    let client = client(&fake);
    let timing = timing();
    let asking = election(Some(&client), Wanted::Auto, "leader", &timing);
    let healing = async {
        fake.until(|data| !data.requests.is_empty()).await;
        assert!(!client.was_reached());
        fake.data().hangs = false;
    };
    let (found, ()) = soon(Box::pin(async { tokio::join!(asking, healing) })).await;
    assert!(found.unwrap().is_some());
}
