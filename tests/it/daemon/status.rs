//! The status: one document, the page that shows it, and the command that prints it.

use sandbox::c1::proto::baton::task::{self as kinds, TaskType};
use sandbox::pingone::{Fault, FaultAction};
use serde_json::Value;

use super::rig::{CLIENT_ID, World, soon};

/// docs/metrics.md lists each value that a series has now; numbers, builds and ids are none.
fn every_label_is_in_the_page(metrics: &str) {
    let page = include_str!("../../../docs/metrics.md");
    let free = [
        "version",
        "revision",
        "rustc",
        "le",
        "fingerprint",
        "environment",
        "region",
        "code",
    ];
    for line in metrics.lines().filter(|line| !line.starts_with('#')) {
        let labels = line
            .split_once('{')
            .and_then(|(_, rest)| rest.split_once('}'))
            .map_or("", |(labels, _)| labels);
        for label in labels.split("\",").filter(|label| !label.is_empty()) {
            let (name, value) = label.split_once("=\"").unwrap();
            let value = value.trim_end_matches('"');
            let listed = page.contains(&format!("`{value}`"));
            assert!(
                listed || free.contains(&name),
                "{line}: {value} is not in docs/metrics.md"
            );
        }
    }
    for series in [
        "baton_ping_one_sync_grants{resource_type=\"group\"}",
        "baton_ping_one_pingone_rate_limit{group=\"audit\"} 3",
    ] {
        assert!(metrics.contains(series), "{series} is not in {metrics}");
    }
}

/// What a series holds; nothing where there is none.
fn value(metrics: &str, series: &str) -> f64 {
    let found = metrics.lines().find_map(|line| line.strip_prefix(series));
    found.map_or(f64::NAN, |value| value.trim().parse().unwrap())
}

fn environment_and_age_of_credentials_are_told(world: &World, metrics: &str) {
    let environment = world.pingone.environment_id();
    let info = format!("baton_ping_one_environment_info{{environment=\"{environment}\",region=\"com\"}} 1\n");
    assert!(metrics.contains(&info), "{info} is not in {metrics}");
    for side in ["c1", "pingone"] {
        let since = format!("baton_ping_one_credentials_in_use_since_timestamp_seconds{{side=\"{side}\"}}");
        assert!(value(metrics, &since) > 1e9, "{metrics}");
    }
}

/// The subcommand's exit code, output and errors.
async fn ask(args: &[&str], port: &str) -> (i32, String, String) {
    let mut command = tokio::process::Command::new(env!("CARGO_BIN_EXE_baton-ping-one"));
    let ran = command
        .arg("status")
        .args(args)
        .env_clear()
        .env("BATON_HEALTH_CHECK_PORT", port)
        .output();
    let ran = soon(ran).await.unwrap();
    (
        ran.status.code().unwrap(),
        String::from_utf8(ran.stdout).unwrap(),
        String::from_utf8(ran.stderr).unwrap(),
    )
}

fn the_log_tells_the_start_and_the_sync(log: &str) {
    let record = |message: &str| {
        let mut lines = log.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        lines.find(|line| line["msg"] == message).unwrap_or_default()
    };
    let started = record("baton-ping-one started");
    for key in ["version", "revision", "region", "environment", "mode", "provisioning"] {
        assert!(!started[key].is_null(), "{key} is not in {started}");
    }
    assert!(record("sync completed")["resources"].as_u64().unwrap() > 0, "{log}");
}

#[tokio::test]
async fn the_status_tells_of_work_and_credentials_and_names_nobody() {
    let world = World::new().await;
    let mut values = world.pingone_values().to_vec();
    values.push(("BATON_CLIENT_ID", CLIENT_ID.to_owned()));
    values.push(("BATON_CLIENT_SECRET", world.c1_secret.clone()));
    let daemon = world.start(&[], &values);
    daemon.ready().await;
    let task = world.c1.queue(TaskType::SyncFull(kinds::SyncFullTask::default()));
    assert!(soon(world.c1.finished(&task)).await.unwrap().status.is_none());
    let body = daemon
        .until("/status.json", |_, body| {
            body.contains("\"kind\":\"sync_full\",\"outcome\":\"success\"")
        })
        .await;
    let status: Value = serde_json::from_str(&body).unwrap();
    assert_eq!(status["ready"], true);
    assert_eq!(status["session"], "connected to C1");
    assert_eq!(status["environment"]["id"], world.pingone.environment_id().to_string());
    assert_eq!(status["syncs"]["last"]["outcome"], "success");
    assert!(status["syncs"]["last"]["resources"].as_u64().unwrap() > 0);
    assert_eq!(status["recent_tasks"][0]["id"], task.as_str());
    assert_eq!(status["rates"][0]["group"], "directory_reads");
    assert_eq!(status["credentials"]["c1"]["fingerprint"].as_str().unwrap().len(), 8);

    let (code, page) = daemon.get("/").await.unwrap();
    assert!(
        code == 200 && page.contains("<h1>baton-ping-one is ready</h1>") && page.contains(task.as_str()),
        "{page}"
    );
    let metrics = daemon.get("/metrics").await.unwrap().1;
    every_label_is_in_the_page(&metrics);
    environment_and_age_of_credentials_are_told(&world, &metrics);
    let truth = world.pingone.directory();
    for shown in [&body, &page, &metrics] {
        assert!(!shown.contains('@') && !shown.contains(&world.c1_secret), "{shown}");
        for user in truth.users().into_iter().take(50) {
            let user = truth.user(user).unwrap();
            let name = user["username"].as_str().unwrap();
            assert!(!shown.contains(name), "{name} is in {shown}");
        }
    }

    let port = daemon.port().to_string();
    let (code, text, _) = ask(&[], &port).await;
    assert!(
        code == 0 && text.contains("session                      connected to C1\n"),
        "{text}"
    );
    let (_, json, _) = ask(&["-o", "json"], &port).await;
    assert_eq!(
        serde_json::from_str::<Value>(&json).unwrap()["version"],
        status["version"]
    );
    let (status, log) = daemon.stop().await;
    assert!(status.success(), "{log}");
    the_log_tells_the_start_and_the_sync(&log);
    let (code, _, error) = ask(&[], &port).await;
    assert!(code == 14 && error.contains("no daemon answers"), "{code} {error}");
}

#[tokio::test]
async fn what_a_sync_found_odd_and_how_long_the_rate_held_it_back_are_counted() {
    let mut options = sandbox::pingone::Options::default();
    options.directory.users = Some(40);
    let world = World::with(options).await;
    let mut values = world.pingone_values().to_vec();
    values.push(("BATON_CLIENT_ID", CLIENT_ID.to_owned()));
    values.push(("BATON_CLIENT_SECRET", world.c1_secret.clone()));
    // Each user's roles are asked for at once: far more than may begin at once.
    values.push(("BATON_PINGONE_RATE_LIMIT", "40".to_owned()));
    let daemon = world.start(&[], &values);
    daemon.ready().await;
    let warnings = "baton_ping_one_sync_warnings_total{kind=\"counts_differ\"}";
    daemon.metric(&format!("{warnings} 0")).await;
    world.pingone.set_faults(vec![Fault {
        method: Some("GET".to_owned()),
        path: "*/groups*".to_owned(),
        query: None,
        nth: 1,
        times: 0,
        action: FaultAction::Miscount {
            key: "directMemberCounts.users".to_owned(),
            by: -1,
        },
    }]);
    let task = world.c1.queue(TaskType::SyncFull(kinds::SyncFullTask::default()));
    assert!(soon(world.c1.finished(&task)).await.unwrap().status.is_none());
    let waited = "baton_ping_one_pingone_rate_wait_seconds{group=\"role_assignments\"}";
    let moved = |body: &str| value(body, warnings) > 0.0 && value(body, waited) > 0.0;
    daemon.until("/metrics", |_, body| moved(body)).await;
}
