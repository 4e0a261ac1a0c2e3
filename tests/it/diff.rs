//! `diff` on files that the program wrote itself: both formats, each form of output, exit codes, and bounded memory.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test may end where it stands"
)]

use std::path::Path;

use sandbox::pingone::{Directory, Options, Server, start};
use serde_json::{Value, json};
use tokio::process::Command;

/// How a run of the program ended and what it said.
pub struct Ran {
    pub code: i32,
    pub out: String,
    pub err: String,
}

/// The program with these arguments; with a server, a sync of it.
pub async fn run(dir: &Path, args: &[&str], server: Option<&Server>) -> Ran {
    let mut command = Command::new(env!("CARGO_BIN_EXE_baton-ping-one"));
    command.args(args).env_clear().current_dir(dir);
    if let Some(server) = server {
        command.envs([
            ("BATON_PINGONE_CLIENT_ID", server.client_id().to_string()),
            ("BATON_PINGONE_CLIENT_SECRET", server.client_secret()),
            ("BATON_PINGONE_ENVIRONMENT_ID", server.environment_id().to_string()),
            ("BATON_PINGONE_BASE_URL", server.api_url()),
            ("BATON_PINGONE_AUTH_URL", server.auth_url()),
        ]);
    }
    let ran = command.output().await.unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    Ran {
        code: ran.status.code().unwrap(),
        out: text(&ran.stdout),
        err: text(&ran.stderr),
    }
}

async fn server(directory: Directory) -> Server {
    let options = Options {
        custom: Some(directory),
        ..Options::default()
    };
    start(options).await.unwrap()
}

/// Two directories: in the newer one noor left finance, ada came and joined it, and finance is described otherwise.
fn directories() -> [Directory; 2] {
    let base = || {
        Directory::builder()
            .population("staff", json!({"default": true}))
            .user("noor", "staff", json!({}))
    };
    let old = base()
        .group("finance", json!({"description": "money"}))
        .member("finance", "noor")
        .build();
    let new = base()
        .user("ada", "staff", json!({}))
        .group("finance", json!({"description": "money and more"}))
        .member("finance", "ada")
        .build();
    [old, new]
}

/// `old.c1z` in version 1, the same as `same.c1z` in version 3, and `new.c1z`.
async fn files(dir: &Path, [old, new]: [Directory; 2]) {
    let (old, new) = (server(old).await, server(new).await);
    for (server, file, engine) in [
        (&old, "old.c1z", "sqlite"),
        (&old, "same.c1z", "pebble"),
        (&new, "new.c1z", "pebble"),
    ] {
        let ran = run(dir, &["-f", file, "--storage-engine", engine], Some(server)).await;
        assert_eq!(ran.code, 0, "{}", ran.err);
    }
}

#[tokio::test]
async fn what_was_added_removed_and_changed_is_told_between_formats() {
    let dir = tempfile::tempdir().unwrap();
    let [old, new] = directories();
    let (left, came, finance) = (
        old.id("noor").unwrap(),
        new.id("ada").unwrap(),
        new.id("finance").unwrap(),
    );
    files(dir.path(), [old, new]).await;
    let same = run(dir.path(), &["diff", "old.c1z", "same.c1z"], None).await;
    assert_eq!(
        (same.code, same.out.as_str()),
        (0, "the files hold the same\n"),
        "{}",
        same.err
    );

    let ran = run(dir.path(), &["diff", "old.c1z", "new.c1z", "-o", "json"], None).await;
    assert_eq!(ran.code, 1, "{}", ran.err);
    let rows: Vec<Value> = serde_json::from_str(&ran.out).unwrap();
    let has = |how: &str, kind: &str, id: &str| {
        rows.iter()
            .any(|row| row["how"] == how && row["kind"] == kind && row["id"].as_str().unwrap().contains(id))
    };
    for (how, kind, id) in [
        ("added", "resource", came.to_string()),
        ("removed", "grant", format!("group:{finance}:member:user:{left}")),
        ("added", "grant", format!("group:{finance}:member:user:{came}")),
        ("changed", "resource", finance.to_string()),
    ] {
        assert!(has(how, kind, &id), "{how} {kind} {id} is not in {}", ran.out);
    }
    let group = rows
        .iter()
        .find(|row| row["how"] == "changed" && row["type"] == "group")
        .unwrap();
    assert!(
        group["fields"].as_array().unwrap().contains(&json!("description")),
        "{group}"
    );
}

#[tokio::test]
async fn counts_and_tables_tell_the_same_the_other_way_round() {
    let dir = tempfile::tempdir().unwrap();
    files(dir.path(), directories()).await;
    let back = run(
        dir.path(),
        &["diff", "new.c1z", "old.c1z", "--counts", "-o", "csv"],
        None,
    )
    .await;
    assert_eq!(back.code, 1);
    assert!(
        back.out.starts_with("kind,type,added,removed,changed\r\n"),
        "{}",
        back.out
    );
    assert!(back.out.contains("resource,user,0,1,0\r\n"), "{}", back.out);
    let table = run(dir.path(), &["diff", "old.c1z", "new.c1z"], None).await;
    assert!(
        table.out.starts_with("how") && table.out.contains("\n\nkind"),
        "{}",
        table.out
    );
}

#[tokio::test]
async fn what_cannot_be_compared_is_no_difference() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("x.c1z"), "nothing").unwrap();
    let ran = run(dir.path(), &["diff", "x.c1z", "gone.c1z"], None).await;
    assert_eq!((ran.code, ran.out.as_str()), (2, ""));
    assert!(ran.err.starts_with("baton-ping-one: "), "{}", ran.err);
    let gone = run(dir.path(), &["diff", "gone.c1z", "x.c1z"], None).await;
    let told =
        "baton-ping-one: could not read gone.c1z: no such file or directory. Check the path and who may read it\n";
    assert_eq!((gone.code, gone.err.as_str()), (2, told));
}

#[tokio::test]
async fn a_file_answers_questions_with_names() {
    let dir = tempfile::tempdir().unwrap();
    let [_, new] = directories();
    let (came, finance) = (new.id("ada").unwrap(), new.id("finance").unwrap());
    let server = server(new).await;
    let synced = run(dir.path(), &["-f", "new.c1z"], Some(&server)).await;
    assert_eq!(synced.code, 0, "{}", synced.err);
    let ask = async |args: &[&str]| -> Vec<Value> {
        let ran = run(
            dir.path(),
            &[&["inspect", "-f", "new.c1z", "-o", "json"], args].concat(),
            None,
        )
        .await;
        assert_eq!(ran.code, 0, "{args:?}: {}", ran.err);
        serde_json::from_str(&ran.out).unwrap()
    };
    let member = format!("group:{finance}:member");
    let access = ask(&["access", "--principal", &format!("user:{came}")]).await;
    let is_it = |row: &Value| row["entitlement"] == member.as_str() && row["entitlement_name"] != Value::Null;
    assert!(access.iter().any(is_it), "{access:?}");
    let holders = ask(&["holders", "--entitlement", &member]).await;
    assert_eq!((holders.len(), &holders[0]["principal"]), (1, &json!(came.to_string())));
    assert!(
        holders[0]["principal_name"].as_str().unwrap().contains("ada"),
        "{holders:?}"
    );
    let found = ask(&["search", "FINANCE"]).await;
    assert!(found.iter().any(|row| row["id"] == finance.to_string()), "{found:?}");
    let named = ask(&["grants", "--names"]).await;
    for name in ["principal_name", "entitlement_name"] {
        assert!(named.iter().all(|row| row[name].is_string()), "{name}: {named:?}");
    }
    assert_eq!(ask(&["check"]).await, Vec::<Value>::new());
    let nobody = run(dir.path(), &["inspect", "access"], None).await;
    assert_eq!(nobody.code, 64);
    assert!(nobody.err.contains("--principal"), "{}", nobody.err);
}

#[tokio::test]
async fn help_is_short_or_long_and_each_command_shows_its_own_options() {
    let dir = tempfile::tempdir().unwrap();
    let help = async |args: &[&str]| run(dir.path(), args, None).await.out;
    let (short, long) = (help(&["-h"]).await, help(&["--help"]).await);
    assert!(
        short.lines().count() < 70 && !short.contains("--leader-election-retry-period"),
        "{short}"
    );
    for part in [
        "\nPingOne:\n",
        "One piece of work",
        "--grant-entitlement",
        "--leader-election-retry-period",
        "--sync-applications",
    ] {
        assert!(long.contains(part), "{part} is not in {long}");
    }
    let heads: Vec<&str> = long
        .lines()
        .filter(|line| line.ends_with(':') && !line.starts_with(' '))
        .collect();
    assert!(
        heads.contains(&"PingOne:") && heads.last() == Some(&"Logs, health and output:"),
        "{heads:?}"
    );
    let before = |part: &str| long.find(part).unwrap();
    assert!(before("\nPingOne:\n") < before("\nC1 and the cluster:\n"), "{long}");
    let inspect = help(&["inspect", "--help"]).await;
    assert!(
        inspect.contains("--principal")
            && inspect.contains("The .c1z file to read")
            && !inspect.contains("replaces it"),
        "{inspect}"
    );
    for (command, placeholders) in [
        ("inspect", "[VIEW] [TEXT]"),
        ("completion", "<SHELL>"),
        ("health-check", "<SECONDS>"),
    ] {
        let text = help(&[command, "--help"]).await;
        assert!(text.contains(placeholders), "{text}");
    }
    assert!(!inspect.contains("--pingone-region"), "{inspect}");
    assert!(!help(&["completion", "--help"]).await.contains("--file"));
    assert!(help(&["doctor", "--help"]).await.contains("--pingone-region"));
    let before = run(dir.path(), &["-f", "gone.c1z", "inspect", "grants"], None).await;
    assert!(before.code == 1 && before.err.contains("gone.c1z"), "{}", before.err);
}
