//! What the settings of access switch on reaches a sync, a grant and the log (access-model.md §1 to §7).

use std::collections::BTreeMap;

use sandbox::pingone::{Directory, DirectoryBuilder, Options, Spec};
use serde_json::{Value, json};

use super::Shop;

/// Two populations and two users, and something of everything that holds access.
async fn estate() -> Shop {
    let spec = Spec {
        populations: 0,
        applications: 8,
        group_conditions: 4,
        workers: 3,
        gateways: 7,
        ..Spec::empty(1)
    };
    let directory: Directory = DirectoryBuilder::on(spec)
        .population("staff", json!({"default": true}))
        .population("guests", json!({}))
        .user("mara", "staff", json!({}))
        .group("finance", json!({}))
        .build();
    let mut options = Options::default();
    // Names of other environments can be read.
    let roles = &mut options.access.worker_role;
    roles.push("Environment Admin@ORGANIZATION".to_owned());
    Shop::of(directory, options).await
}

impl Shop {
    /// Rows of the file, as `inspect` prints them.
    async fn rows(&self, view: &str) -> Vec<Value> {
        let document = self.json(&["inspect", view]).await;
        document.as_array().unwrap().clone()
    }

    /// How many resources of each type the file has.
    async fn counts(&self) -> BTreeMap<String, usize> {
        let mut counts = BTreeMap::new();
        for row in self.rows("resources").await {
            *counts.entry(row["type"].as_str().unwrap().to_owned()).or_default() += 1;
        }
        counts
    }

    /// Why each entitlement whose id is as wanted cannot be changed; nothing where it can.
    async fn locks(&self, is_wanted: impl Fn(&str) -> bool) -> Vec<String> {
        let rows = self.rows("entitlements").await;
        let wanted = rows.iter().filter(|row| is_wanted(row["id"].as_str().unwrap()));
        wanted
            .map(|row| row["immutable"].as_str().unwrap().to_owned())
            .collect()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_setting_of_access_reaches_the_sync_and_the_grant() {
    let shop = estate().await;
    let listed = format!("environment:{}", shop.server.other_environment_id());
    let settings = [
        "--sync-applications",
        "all",
        "--sync-gateways",
        "--sync-secrets",
        "--population-provisioning",
        "--writable-role-scopes",
        &listed,
    ];
    let of_population = |id: &str| id.starts_with("population:");
    let end = format!(":assigned-environment-{}", shop.server.other_environment_id());
    let elsewhere = |id: &str| id.ends_with(&end);
    assert_eq!(shop.run(&[]).await.code, 0);
    let off = shop.counts().await;
    for kind in ["application", "gateway", "secret"] {
        assert!(!off.contains_key(kind), "{off:?}");
    }
    let locks = shop.locks(of_population).await;
    assert!(locks.len() == 2 && locks.iter().all(|why| !why.is_empty()), "{locks:?}");
    let ran = shop.run(&settings).await;
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    let on = shop.counts().await;
    assert_eq!(on["gateway"], 7, "{on:?}");
    // The made-up ones, and those that every environment has.
    assert!(on["application"] > 8 && on["secret"] > 0, "{on:?}");
    assert_eq!(shop.locks(of_population).await, ["", ""]);
    let locks = shop.locks(elsewhere).await;
    assert!(locks.len() > 1 && locks.iter().all(String::is_empty), "{locks:?}");

    let population = format!("population:{}:member", shop.id("guests"));
    let mara = shop.id("mara").to_string();
    let grant = ["--grant-entitlement", &population, "--grant-principal", &mara];
    shop.failure(&grant, "FAILED_PRECONDITION").await;
    assert_eq!(shop.json(&[&grant[..], &settings].concat()).await["result"], "granted");
    let moved = &shop.server.snapshot().users[&shop.id("mara")];
    assert_eq!(moved.population, Some(shop.id("guests")));

    let (role, _, _) = shop
        .server
        .directory()
        .roles()
        .into_iter()
        .find(|(_, name, _)| name == "Identity Data Read Only")
        .unwrap();
    let role = format!("role:{role}{end}");
    let grant = ["--grant-entitlement", &role, "--grant-principal", &mara];
    shop.failure(&grant, "FAILED_PRECONDITION").await;
    assert_eq!(shop.json(&[&grant[..], &settings].concat()).await["result"], "granted");
}

/// Only workers, where that is asked.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_workers_are_synced_where_that_is_set() {
    let shop = estate().await;
    let mut found = Vec::new();
    for which in ["workers", "all"] {
        assert_eq!(shop.run(&["--sync-applications", which]).await.code, 0);
        found.push(shop.counts().await["application"]);
    }
    assert!(found[0] >= 3 && found[0] < found[1], "{found:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_change_of_the_role_model_and_what_it_ignores_are_told() {
    let shop = estate().await;
    let state = format!("--state-dir={}", shop.dir.path().display());
    let (changed, ignored) = ("the role model changed", "role-population-entitlements has no effect");
    let bound = ["--role-model", "scope-binding"];
    let narrow = ["--role-population-entitlements", "assigned"];
    // In order: each run compares with the one before.
    for (args, tells) in [
        (vec![], [false, false]),
        (narrow.to_vec(), [false, false]),
        (bound.to_vec(), [true, false]),
        ([bound, narrow].concat(), [false, true]),
        (vec![], [true, false]),
    ] {
        let ran = shop.run(&[&args[..], &[state.as_str()]].concat()).await;
        assert_eq!(ran.code, 0, "{args:?}: {}", ran.stderr);
        let told = [changed, ignored].map(|text| ran.stderr.contains(text));
        assert_eq!(told, tells, "{args:?}: {}", ran.stderr);
    }
}
