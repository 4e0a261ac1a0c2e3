//! Point 60: the flags that shape a generated directory, and the rates that are shared.

use super::*;

fn shaped(change: impl FnOnce(&mut Shape)) -> Options {
    let mut options = Options::default();
    change(&mut options.directory);
    options
}

async fn sizes(change: impl FnOnce(&mut Shape)) -> Sizes {
    start(shaped(change)).await.unwrap().directory().sizes()
}

#[tokio::test(start_paused = true)]
async fn a_seed_gives_other_people() {
    let one = start(shaped(|shape| shape.seed = 1)).await.unwrap();
    let again = start(shaped(|shape| shape.seed = 1)).await.unwrap();
    let two = start(shaped(|shape| shape.seed = 2)).await.unwrap();
    assert_eq!(one.directory().users(), again.directory().users());
    assert_ne!(one.directory().users(), two.directory().users());
}

#[tokio::test(start_paused = true)]
async fn shares_and_averages_are_kept() {
    let few = sizes(|shape| shape.memberships_per_user = Some(2.0)).await;
    let many = sizes(|shape| shape.memberships_per_user = Some(8.0)).await;
    assert!(many.memberships > 3 * few.memberships, "{few:?} {many:?}");
    let none = sizes(|shape| shape.filtered_groups = Some(0.0)).await;
    let some = sizes(|shape| shape.filtered_groups = Some(0.25)).await;
    assert_eq!((none.dynamic_groups, some.dynamic_groups), (0, 10));
    let nested = sizes(|shape| shape.nested_groups = Some(0.1)).await;
    assert_eq!(nested.nestings, 8);
    let rings = sizes(|shape| {
        shape.nested_groups = Some(0.0);
        shape.rings = Some(2);
    })
    .await;
    assert_eq!(rings.nestings, 6);
    let by_hand = sizes(|shape| shape.dynamic_share = Some(0.0)).await;
    let computed = sizes(|shape| shape.dynamic_share = Some(0.9)).await;
    assert!(by_hand.direct_memberships > computed.direct_memberships);
}

#[tokio::test(start_paused = true)]
async fn incomplete_users_lack_names() {
    let nameless = async |share| {
        let bench = Bench::with(shaped(|shape| shape.incomplete_users = Some(share))).await;
        let (rows, _) = bench.chain("/users", "users").await;
        rows.iter().filter(|row| row.get("name").is_none()).count()
    };
    assert_eq!(nameless(0.0).await, 0);
    assert!(nameless(1.0).await > 60);
}

#[tokio::test(start_paused = true)]
async fn one_bucket_may_be_shared_and_hold_more_than_a_second() {
    let bench = Bench::new(small().build(), |options| {
        options.limits.rate_shared = Some(2.0);
        options.limits.rate_burst = 2.0;
    })
    .await;
    let mut taken = 0;
    for tail in [
        "/users",
        "/groups",
        "/populations",
        "/capabilities",
        "/users",
        "/groups",
    ] {
        taken += u32::from(bench.get(tail).await.0 == 200);
    }
    assert!((4..6).contains(&taken), "{taken}");
}

#[tokio::test(start_paused = true)]
async fn the_share_of_one_address_is_a_knob() {
    let limit = async |share| {
        let bench = Bench::new(small().build(), |options| {
            options.limits.rate_each = Some(10.0);
            options.limits.ip_share = share;
            options.limits.rates_in_capabilities = true;
        })
        .await;
        bench.get("/capabilities").await.1["licenseQuantities"]["rlgDirAccessRps"]["limit"].clone()
    };
    assert_eq!((limit(0.5).await, limit(1.0).await), (20.into(), 10.into()));
}
