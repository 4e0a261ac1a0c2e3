//! Marks in every secret, password, e-mail address and phone number, searched for wherever they do not belong: the log
//! at debug, metrics and status, the command line and the environment of the process, and files.

use std::time::Duration;

use crate::run::Run;
use crate::schedule::Op;
use crate::small::small;
use crate::world::World;
use sandbox::pingone::{Fault, FaultAction};

/// Texts that are a person's, from the directory as PingOne has it.
fn personal(run: &Run) -> Vec<String> {
    let snapshot = run.world.pingone.snapshot();
    let mut found = Vec::new();
    for user in snapshot.users.values() {
        for path in ["/email", "/primaryPhone", "/mobilePhone"] {
            let text = user.body.pointer(path).and_then(serde_json::Value::as_str);
            found.extend(text.filter(|text| text.len() > 5).map(str::to_owned));
        }
    }
    found
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_secret_and_nothing_of_a_person_is_where_it_does_not_belong() {
    let world = World::new(small(), 3_600, false).await;
    let mut run = Run::new(world, Duration::ZERO);
    run.start();
    // Errors that would like to quote what they got.
    run.world.pingone.set_faults(vec![
        Fault::on("GET", "*/users", FaultAction::Truncated(80)),
        Fault::on(
            "GET",
            "*/populations",
            FaultAction::ContentType("text/plain".to_owned()),
        ),
        Fault::on("POST", "*/users", FaultAction::ResetMidBody(90).after_effect()),
    ]);
    for op in [Op::Sync, Op::Create, Op::Grant, Op::Disable] {
        run.queue(op);
    }
    run.all_finished().await;
    let people = personal(&run);
    assert!(people.len() > 20, "{people:?}");
    let (pid, port) = (run.world.pid().unwrap(), run.world.port());
    let mut places = vec![("the log", run.world.log())];
    for path in ["cmdline", "environ"] {
        let bytes = std::fs::read(format!("/proc/{pid}/{path}")).unwrap();
        places.push((path, String::from_utf8_lossy(&bytes).into_owned()));
    }
    for path in ["/metrics", "/"] {
        let answer = reqwest::get(format!("http://127.0.0.1:{port}{path}")).await.unwrap();
        places.push((path, answer.text().await.unwrap()));
    }
    let limits = std::fs::read_to_string(format!("/proc/{pid}/limits")).unwrap();
    let core = limits
        .lines()
        .find(|line| line.starts_with("Max core file size"))
        .unwrap();
    assert_eq!(core.split_whitespace().nth(4), Some("0"), "{core}");
    let secrets = run.world.secrets.clone();
    for upload in run.world.c1.log().iter().filter_map(|entry| match &entry.received {
        sandbox::c1::Received::Upload(upload) => upload.file.clone(),
        _ => None,
    }) {
        let view = std::process::Command::new(env!("CARGO_BIN_EXE_baton-ping-one"))
            .args(["inspect", "-o", "json", "-f"])
            .arg(&upload)
            .arg("resources")
            .output()
            .unwrap();
        let text = String::from_utf8_lossy(&view.stdout).into_owned();
        for secret in &secrets {
            assert!(!text.contains(secret.as_str()), "a secret is in the file");
        }
    }
    for (place, text) in &places {
        assert!(text.len() > 20, "{place} is empty");
        for secret in &secrets {
            assert!(!text.contains(secret.as_str()), "a secret is in {place}");
        }
        for mark in &people {
            assert!(!text.contains(mark.as_str()), "{mark} is in {place}");
        }
    }
    // The search finds what is there.
    assert!(
        places
            .iter()
            .any(|(_, text)| text.contains(&run.world.pingone.environment_id().to_string()))
    );
    let report = run.finish().await;
    assert!(report.broken.is_empty(), "{:?}", report.broken);
}
