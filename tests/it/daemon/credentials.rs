//! Credentials that come, change and go wrong while the program runs.

use sandbox::pingone::{Fault, FaultAction, FaultBody};

use super::rig::{World, soon};
use crate::service::script::sync;

const FLAGS: [&str; 3] = [
    "--credentials-secret=credentials",
    "--leader-election=false",
    "--log-level=debug",
];

fn reasons(world: &World) -> Vec<String> {
    let data = world.kube.data();
    let reason = |event: &serde_json::Value| event["reason"].as_str().unwrap().to_owned();
    data.events.iter().map(reason).collect()
}

/// A sync succeeds.
async fn syncs(world: &World) {
    let task = world.c1.queue(sync());
    let finish = soon(world.c1.finished(&task)).await.unwrap();
    assert!(finish.status.is_none(), "{finish:?}");
}

#[tokio::test]
async fn a_pod_without_its_secret_is_alive_and_waits_and_serves_when_it_comes() {
    let world = World::new().await;
    let daemon = world.start(&FLAGS, &[]);
    let body = daemon
        .until("/readyz", |status, body| {
            status == 503 && body.contains("BATON_PINGONE_")
        })
        .await;
    assert!(body.contains("missing"), "{body}");
    assert_eq!(daemon.get("/livez").await.unwrap().0, 200);
    assert_eq!(world.c1.log().len(), 0);
    // With an empty value it is still not ready, and says which.
    world.put_secret("", &world.c1_secret);
    daemon.until("/readyz", |_, body| body.contains("empty")).await;
    let secret = world.pingone.client_secret();
    let beside = [
        ("BATON_PINGONE_CLIENT_SECRET", secret.as_str()),
        ("BATON_PINGONE_REGION", "eu"),
    ];
    world.put_secret_with(&beside, &format!("{}\n", world.c1_secret));
    soon(world.c1.wait_for("Hello", 1)).await;
    daemon.ready().await;
    let (status, log) = daemon.stop().await;
    assert!(status.success(), "{log}");
    assert!(log.contains("line end was cut off"), "{log}");
    let ignored = "settings beside the credentials were ignored";
    assert!(log.contains(ignored) && log.contains("BATON_PINGONE_REGION"), "{log}");
    let named = log
        .lines()
        .find(|line| line.contains("the environment is known from the credentials"));
    let environment = world.pingone.environment_id().to_string();
    assert!(named.is_some_and(|line| line.contains(&environment)), "{log}");
    assert!(!log.contains(&world.c1_secret) && !log.contains(&world.pingone.client_secret()));
}

#[tokio::test]
async fn both_sides_rotate_without_a_restart_and_a_bad_value_keeps_the_old_one() {
    let world = World::new().await;
    world.put_secret(&world.pingone.client_secret(), &world.c1_secret);
    let daemon = world.start(&FLAGS, &[]);
    daemon.ready().await;
    // Refused: the old one stays, and that is told.
    world.put_secret("wrong~secret", &world.c1_secret);
    daemon
        .metric("baton_ping_one_credentials_reloads_total{outcome=\"refused\"} 1")
        .await;
    soon(
        world
            .kube
            .until(|data| data.events.iter().any(|event| event["reason"] == "CredentialsRejected")),
    )
    .await;
    syncs(&world).await;
    let problem = "baton_ping_one_credentials_problem{reason=\"refused\",side=\"pingone\"}";
    daemon.metric(&format!("{problem} 1")).await;
    // Back to what is in use.
    world.put_secret(&world.pingone.client_secret(), &world.c1_secret);
    daemon
        .metric("baton_ping_one_credentials_reloads_total{outcome=\"restored\"} 1")
        .await;
    daemon.metric(&format!("{problem} 0")).await;
    // PingOne's.
    let next = world.pingone.replace_secret(true);
    world.put_secret(&next, &world.c1_secret);
    daemon
        .metric("baton_ping_one_credentials_reloads_total{outcome=\"accepted\"} 1")
        .await;
    world.pingone.retire_secrets();
    syncs(&world).await;
    // C1's.
    let c1 = world.c1.replace_secret(true).unwrap();
    let tokens = world.c1.count("Token");
    world.put_secret(&next, &c1);
    // One proves it, one is the session's.
    soon(world.c1.wait_for("Token", tokens + 2)).await;
    world.c1.retire_secrets();
    syncs(&world).await;
    let hellos = world.c1.count("Hello");
    let (status, log) = daemon.stop().await;
    assert!(status.success(), "{log}");
    assert!(
        log.contains("credentials are valid again: the sources hold what is in use"),
        "{log}"
    );
    assert_eq!(hellos, 1, "no restart, no new session");
    assert!(world.c1.violations().is_empty(), "{:?}", world.c1.violations());
    let reasons = reasons(&world);
    for wanted in ["CredentialsReloaded", "CredentialsRestored", "SyncCompleted"] {
        assert!(reasons.iter().any(|reason| reason == wanted), "{wanted}: {reasons:?}");
    }
    for secret in [
        &next,
        &c1,
        &world.c1_secret,
        &world.pingone.client_secret(),
        &"wrong~secret".to_owned(),
    ] {
        assert!(!log.contains(secret.as_str()), "a secret is in the log");
    }
}

/// PingOne's token endpoint is down: that says nothing of the new secret.
#[tokio::test]
async fn a_secret_that_cannot_be_tried_is_not_called_rejected_and_is_taken_when_it_can() {
    let world = World::new().await;
    world.put_secret(&world.pingone.client_secret(), &world.c1_secret);
    let daemon = world.start(&FLAGS, &[]);
    daemon.ready().await;
    world.pingone.set_faults(vec![Fault {
        method: None,
        path: "*/as/token".to_owned(),
        query: None,
        nth: 1,
        times: 0,
        action: FaultAction::Status {
            status: 503,
            retry_after: None,
            body: FaultBody::default(),
        },
    }]);
    let next = world.pingone.replace_secret(true);
    world.put_secret(&next, &world.c1_secret);
    let (reloads, problem) = (
        "baton_ping_one_credentials_reloads_total{outcome=",
        "baton_ping_one_credentials_problem{reason=\"unproved\",side=\"pingone\"}",
    );
    daemon.metric(&format!("{reloads}\"unproved\"}} 1")).await;
    daemon.metric(&format!("{problem} 1")).await;
    let told = |reason: &'static str| {
        let is_it = move |event: &serde_json::Value| event["reason"] == reason;
        world.kube.until(move |data| data.events.iter().any(is_it))
    };
    soon(told("CredentialsUnproved")).await;
    // What was in use still works: its token is good.
    syncs(&world).await;
    world.pingone.set_faults(Vec::new());
    daemon.metric(&format!("{reloads}\"accepted\"}} 1")).await;
    daemon.metric(&format!("{problem} 0")).await;
    daemon.metric(&format!("{reloads}\"refused\"}} 0")).await;
    soon(told("CredentialsReloaded")).await;
    let (status, log) = daemon.stop().await;
    assert!(status.success(), "{log}");
    let line = "new credentials are not proved yet; the old ones stay in use";
    assert_eq!(log.matches(line).count(), 1, "{log}");
    assert!(!log.contains("new credentials were rejected"), "{log}");
    assert!(!reasons(&world).iter().any(|reason| reason == "CredentialsRejected"));
}

#[tokio::test]
async fn a_private_key_rotates_like_a_secret() {
    let mut options = sandbox::pingone::Options::default();
    options.auth.auth_method = sandbox::pingone::AuthMethod::PrivateKeyJwt;
    let world = World::with(options).await;
    let put = |pem: &str, kid: &str, more: &[(&str, &str)]| {
        let key = [
            ("BATON_PINGONE_PRIVATE_KEY", pem),
            ("BATON_PINGONE_PRIVATE_KEY_ID", kid),
        ];
        world.put_secret_with(&[&key, more].concat(), &world.c1_secret);
    };
    let (first, kid) = (world.pingone.client_secret(), world.pingone.key_id());
    put(&first, &kid, &[]);
    let daemon = world.start(&FLAGS, &[]);
    daemon.ready().await;
    // A key that PingOne does not know, then no key at all, then a secret beside it: each leaves the old one in use.
    let unknown = sandbox::pingone::private_key();
    put(&unknown, "key-1", &[]);
    let refused = "baton_ping_one_credentials_reloads_total{outcome=\"refused\"}";
    daemon.metric(&format!("{refused} 1")).await;
    put("hush", &kid, &[]);
    daemon.metric(&format!("{refused} 2")).await;
    put(&first, &kid, &[("BATON_PINGONE_CLIENT_SECRET", "hush")]);
    daemon.metric(&format!("{refused} 3")).await;
    let next = world.pingone.replace_secret(true);
    put(&next, &world.pingone.key_id(), &[]);
    daemon
        .metric("baton_ping_one_credentials_reloads_total{outcome=\"accepted\"} 1")
        .await;
    world.pingone.retire_secrets();
    syncs(&world).await;
    let (status, log) = daemon.stop().await;
    assert!(status.success(), "{log}");
    for wanted in [
        "pingone-private-key and pingone-region",
        "BATON_PINGONE_PRIVATE_KEY is malformed: not a private key in PEM form",
        "BATON_PINGONE_CLIENT_SECRET is there as well",
    ] {
        assert!(log.contains(wanted), "{wanted}: {log}");
    }
    assert!(!log.contains("line end was cut off"), "{log}");
    let lines = [&first, &next, &unknown]
        .into_iter()
        .filter_map(|pem| pem.lines().nth(3));
    for secret in lines.chain(["hush", "BEGIN PRIVATE KEY"]) {
        assert!(!log.contains(secret), "a key is in the log");
    }
}

#[tokio::test]
async fn a_mounted_directory_is_followed_too() {
    let world = World::new().await;
    let mount = world.path("mount");
    let write = |generation: &str, secret: &str| {
        let folder = mount.join(generation);
        std::fs::create_dir_all(&folder).unwrap();
        let mut values = world.pingone_values().to_vec();
        values[1].1 = secret.to_owned();
        values.push(("BATON_CLIENT_ID", super::rig::CLIENT_ID.to_owned()));
        values.push(("BATON_CLIENT_SECRET", world.c1_secret.clone()));
        for (name, value) in values {
            std::fs::write(folder.join(name), value).unwrap();
            std::os::unix::fs::symlink(format!("..data/{name}"), mount.join(name)).ok();
        }
        std::os::unix::fs::symlink(generation, mount.join("..next")).unwrap();
        std::fs::rename(mount.join("..next"), mount.join("..data")).unwrap();
    };
    write("..1", &world.pingone.client_secret());
    let directory = format!("--credentials-dir={}", mount.display());
    let daemon = world.start(&[&directory, "--leader-election=false"], &[]);
    daemon.ready().await;
    write("..2", &world.pingone.replace_secret(true));
    daemon
        .metric("baton_ping_one_credentials_reloads_total{outcome=\"accepted\"} 1")
        .await;
    world.pingone.retire_secrets();
    let task = world.c1.queue(sync());
    assert!(soon(world.c1.finished(&task)).await.unwrap().status.is_none());
}

#[tokio::test]
async fn settings_that_never_change_and_are_refused_end_the_process() {
    let world = World::new().await;
    let mut env = world.pingone_values().to_vec();
    env[1].1 = "wrong~secret".to_owned();
    env.push(("BATON_CLIENT_ID", super::rig::CLIENT_ID.to_owned()));
    env.push(("BATON_CLIENT_SECRET", world.c1_secret.clone()));
    let mut daemon = world.start(&[], &env);
    assert_eq!(daemon.ended().await.code(), Some(1));
    let log = daemon.log();
    assert!(
        log.contains("Check pingone-client-id, pingone-client-secret and pingone-region"),
        "{log}"
    );
    assert!(!log.contains("wrong~secret"));
}

/// What can be known to be wrong without the network ends the start, with the setting's name.
#[tokio::test]
async fn malformed_settings_of_c1_end_the_start() {
    let world = World::new().await;
    let good = || {
        let mut env = world.pingone_values().to_vec();
        env.push(("BATON_CLIENT_ID", super::rig::CLIENT_ID.to_owned()));
        env.push(("BATON_CLIENT_SECRET", world.c1_secret.clone()));
        env
    };
    let cases = [
        ("BATON_CLIENT_SECRET", "marker", "BATON_CLIENT_SECRET is malformed"),
        ("BATON_CLIENT_ID", "marker", "BATON_CLIENT_ID is malformed"),
        ("BATON_C1_API_HOST", "https://marker/x", "invalid BATON_C1_API_HOST"),
    ];
    for (name, value, expected) in cases {
        let mut env = good();
        env.push((name, value.to_owned()));
        let mut daemon = world.start(&[], &env);
        assert_ne!(daemon.ended().await.code(), Some(0), "{name}");
        let log = daemon.log();
        assert!(log.contains(expected) && !log.contains("marker"), "{log}");
    }
    assert_eq!(world.c1.count("Token"), 0);
}
