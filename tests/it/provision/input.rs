//! What a task may name wrongly: refused by code before anything is asked of PingOne.

use baton::task::{Code, EntitlementRef};

use super::rig::{Rig, entitlement, refused, resource};

#[tokio::test(start_paused = true)]
async fn malformed_entitlements_are_refused_before_any_call() {
    let rig = Rig::new().await;
    let id = rig.id("team").to_string();
    let with = |change: &dyn Fn(&mut EntitlementRef)| {
        let mut one = entitlement("group", &id, "member");
        change(&mut one);
        one
    };
    let long = "x".repeat(1_000_000);
    let cases = [
        (with(&|one| one.id = "group:other:member".into()), Code::InvalidArgument),
        (with(&|one| one.slug = "assigned".into()), Code::InvalidArgument),
        (with(&|one| one.id = format!("group:{id}:owner")), Code::InvalidArgument),
        (entitlement("group", &id, "assigned"), Code::InvalidArgument),
        (entitlement("group", &id, &long), Code::InvalidArgument),
        (entitlement("group", "../users", "member"), Code::InvalidArgument),
        (entitlement("group", "", "member"), Code::InvalidArgument),
        (
            entitlement("group", id.replace('-', ""), "member"),
            Code::InvalidArgument,
        ),
        (entitlement("role", &id, "member"), Code::InvalidArgument),
        (entitlement("role", &id, "assigned-population-x"), Code::InvalidArgument),
        (
            entitlement("role", &id, &format!("assigned--{id}")),
            Code::InvalidArgument,
        ),
        (entitlement("user", &id, "member"), Code::Unimplemented),
        (entitlement("role_assignment", &id, "assigned"), Code::InvalidArgument),
        (entitlement("", &id, "member"), Code::Unimplemented),
        (entitlement(&long, &id, "member"), Code::Unimplemented),
        (EntitlementRef::default(), Code::Unimplemented),
    ];
    for (one, code) in cases {
        let user = resource("user", rig.id("ann"));
        refused(rig.grant(one.clone(), user.clone()).await, code, &[]);
        refused(rig.revoke(one, user).await, code, &[]);
    }
    assert!(rig.calls().is_empty());
}

#[tokio::test(start_paused = true)]
async fn malformed_principals_are_refused_before_any_call() {
    let rig = Rig::new().await;
    let long = "9".repeat(1_000_000);
    let role = rig.role(super::rig::READ_ONLY);
    for id in [
        "",
        "ann",
        "..",
        "7c2e1d94-55a0-4a34-9a1b-c0ffee00100g",
        &long,
        "{7c2e1d94-55a0-4a34-9a1b-c0ffee001001}",
    ] {
        for one in [
            entitlement("group", rig.id("team"), "member"),
            entitlement("role", role, "assigned"),
        ] {
            refused(
                rig.grant(one.clone(), resource("user", id)).await,
                Code::InvalidArgument,
                &["UUID"],
            );
            refused(
                rig.revoke(one, resource("user", id)).await,
                Code::InvalidArgument,
                &["UUID"],
            );
        }
    }
    assert!(rig.calls().is_empty());
}

#[tokio::test(start_paused = true)]
async fn an_entitlement_needs_only_its_id_or_its_slug() {
    let rig = Rig::new().await;
    for clear in [true, false] {
        let mut one = entitlement("group", rig.id("team"), "member");
        if clear {
            one.id.clear();
        } else {
            one.slug.clear();
        }
        let user = resource("user", rig.id("ann").to_string().to_uppercase());
        rig.grant(one.clone(), user.clone()).await.unwrap();
        assert!(rig.is_direct("team", "ann"));
        rig.revoke(one, user).await.unwrap();
        assert!(!rig.is_direct("team", "ann"));
    }
}
