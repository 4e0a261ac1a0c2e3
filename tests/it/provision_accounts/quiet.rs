//! No password in the clear occurs in any log line at any level, in any error, in an answer, an audit line or a plan.

use std::fmt::Write as _;

use baton_ping_one::provision::ProvisionOptions;
use sandbox::pingone::{Fault, FaultAction, Lost};
use serde_json::json;
use tracing::instrument::WithSubscriber as _;

use crate::captured::Captured;

use super::rig::{PASSWORD, Rig, USERS, open, random, refuse, sealed, to_us};

const CHOSEN: &str = "Correct-Horse-7-battery";

/// Everything that passwords pass through, well and badly; what was said of it, and the passwords.
async fn everything() -> (String, Vec<String>) {
    let mut said = String::new();
    let mut passwords = vec![CHOSEN.to_owned()];
    let mut say = |what: &dyn std::fmt::Debug| writeln!(said, "{what:?}").unwrap();

    let rig = Rig::new().await;
    let id = rig.id("mara").to_string();
    for (name, disabled) in [("a", false), ("b", true)] {
        let profile = json!({"username": name, "create_disabled": disabled});
        let created = rig.create_with(profile, random(), to_us()).await.unwrap();
        passwords.push(open(&created.secrets[0]));
        say(&created.result);
    }
    let rotated = rig.rotate(&id, random(), to_us()).await.unwrap();
    passwords.push(open(&rotated.secrets[0]));
    say(&(rotated.resource, rotated.annotations));
    say(&rig.rotate(&id, sealed(CHOSEN), vec![]).await);
    // Refused as the current one.
    say(&rig.rotate(&id, sealed(CHOSEN), vec![]).await);
    // PingOne repeats what it refuses.
    let echo = format!("value '{CHOSEN}' is not allowed");
    for path in [USERS, PASSWORD] {
        let method = if path == USERS { "POST" } else { "PUT" };
        rig.fault(refuse(method, path, 400, "INVALID_DATA", Some("INVALID_VALUE"), &echo).times(0));
        say(&rig.create_with(json!({"username": "c"}), sealed(CHOSEN), vec![]).await);
        say(&rig.rotate(&id, sealed(CHOSEN), vec![]).await);
        let profile = json!({"username": format!("d{}", path.len()), "create_disabled": true});
        say(&rig.create_with(profile, sealed(CHOSEN), vec![]).await);
    }
    for action in [
        FaultAction::AnswerLost(Lost::Reset),
        FaultAction::AnswerLost(Lost::Status(503)),
        FaultAction::Html,
        FaultAction::Truncated(10),
    ] {
        rig.server.set_faults(vec![
            Fault::on("POST", USERS, action.clone()),
            Fault::on("PUT", PASSWORD, action.clone()),
        ]);
        let profile = json!({"username": format!("e{action:?}").chars().take(40).collect::<String>()});
        say(&rig.create_with(profile, sealed(CHOSEN), vec![]).await);
        say(&rig.rotate(&id, sealed(CHOSEN), vec![]).await);
    }
    say(&rig.audited());

    let dry = ProvisionOptions {
        dry_run: true,
        ..ProvisionOptions::default()
    };
    let rig = Rig::with(|_| {}, dry).await;
    for disabled in [false, true] {
        let profile = json!({"username": "n", "create_disabled": disabled});
        say(&rig.create_with(profile, sealed(CHOSEN), vec![]).await);
        say(&rig.provisioner.take_plan());
    }
    say(&rig.rotate(&id, sealed(CHOSEN), vec![]).await);
    say(&rig.provisioner);
    (said, passwords)
}

#[tokio::test(flavor = "current_thread")]
async fn no_password_is_said_anywhere() {
    let captured = Captured::default();
    let dispatch = captured.dispatch(tracing::Level::TRACE);
    let guard = tracing::dispatcher::set_default(&dispatch);
    let (said, passwords) = everything().with_subscriber(dispatch.clone()).await;
    drop(guard);
    let log = captured.text();
    // The capture works, and goes down to the lowest level.
    assert!(log.contains("TRACE"));
    assert!(passwords.len() >= 4 && passwords.iter().all(|password| password.len() >= 12));
    for password in &passwords {
        let as_json = serde_json::to_string(password).unwrap();
        let inner = as_json.trim_matches('"');
        for text in [password.as_str(), inner] {
            assert!(!said.contains(text), "said: {}", around(&said, text));
            assert!(!log.contains(text), "logged: {}", around(&log, text));
        }
    }
    assert!(said.contains("[redacted]"), "PingOne's echo was not seen at all");
}

fn around(text: &str, part: &str) -> String {
    text.lines()
        .find(|line| line.contains(part))
        .unwrap_or_default()
        .to_owned()
}
