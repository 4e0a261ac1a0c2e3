//! `inspect check` on files that were damaged after the program wrote them: each damage is refused with a reason of its own.

#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    clippy::indexing_slicing,
    reason = "a test may end where it stands"
)]

use rusqlite::Connection;
use sandbox::pingone::{Directory, Options, start};
use serde_json::{Value, json};

use crate::diff::{Ran, run};

/// First bytes of a file of version 1.
const MAGIC: &[u8] = b"C1ZF\0";

/// Two people in one group, with their ids, as `v1.c1z` and as `v3.c1z`.
struct Files {
    dir: tempfile::TempDir,
    noor: String,
    finance: String,
}

impl Files {
    async fn new() -> Self {
        let directory = Directory::builder()
            .population("staff", json!({"default": true}))
            .user("noor", "staff", json!({}))
            .user("ada", "staff", json!({}))
            .group("finance", json!({}))
            .member("finance", "noor")
            .member("finance", "ada")
            .build();
        let [noor, finance] = ["noor", "finance"].map(|name| directory.id(name).unwrap().to_string());
        let options = Options {
            custom: Some(directory),
            ..Options::default()
        };
        let (server, dir) = (start(options).await.unwrap(), tempfile::tempdir().unwrap());
        for (file, engine) in [("v1.c1z", "sqlite"), ("v3.c1z", "pebble")] {
            let ran = run(dir.path(), &["-f", file, "--storage-engine", engine], Some(&server)).await;
            assert_eq!(ran.code, 0, "{}", ran.err);
        }
        Self { dir, noor, finance }
    }

    /// What the check says of a file with these bytes.
    async fn check(&self, bytes: &[u8], format: &str) -> Ran {
        std::fs::write(self.dir.path().join("other.c1z"), bytes).unwrap();
        run(
            self.dir.path(),
            &["inspect", "check", "-f", "other.c1z", "-o", format],
            None,
        )
        .await
    }

    fn bytes(&self, file: &str) -> Vec<u8> {
        std::fs::read(self.dir.path().join(file)).unwrap()
    }

    /// The file of version 1 after these statements on its database; each has to hit a row.
    fn changed(&self, statements: &[String]) -> Vec<u8> {
        let path = self.dir.path().join("db");
        std::fs::write(&path, zstd::decode_all(&self.bytes("v1.c1z")[MAGIC.len()..]).unwrap()).unwrap();
        let db = Connection::open(&path).unwrap();
        for statement in statements {
            assert_ne!(db.execute(statement, []).unwrap(), 0, "{statement}");
        }
        db.close().unwrap();
        [
            MAGIC,
            &zstd::encode_all(std::fs::File::open(&path).unwrap(), 1).unwrap(),
        ]
        .concat()
    }
}

#[tokio::test]
async fn each_row_that_names_what_is_missing_and_each_wrong_count_is_named() {
    let files = Files::new().await;
    let (noor, finance) = (&files.noor, &files.finance);
    let member = format!("group:{finance}:member");
    let grant = format!("{member}:user:{noor}");
    let sound = files.check(&files.changed(&[]), "json").await;
    assert_eq!((sound.code, sound.out.trim()), (0, "[]"), "{}", sound.err);
    let gone = |table: &str, id: &str| format!("DELETE FROM v1_{table} WHERE external_id = '{id}'");
    let mut passed = Vec::new();
    for (damage, kind, id, names) in [
        (
            gone("entitlements", &member),
            "grant",
            grant.clone(),
            format!("entitlement {member}"),
        ),
        (
            gone("resources", &format!("user:{noor}")),
            "grant",
            grant.clone(),
            format!("user {noor}"),
        ),
        (
            gone("resources", &format!("group:{finance}")),
            "entitlement",
            member.clone(),
            format!("group {finance}"),
        ),
        (
            gone("resource_types", "group"),
            "resource",
            finance.clone(),
            "resource type group".to_owned(),
        ),
        (
            "UPDATE v1_sync_runs SET stats = json_set(stats, '$.grants_by_resource_type.group', 7)".to_owned(),
            "count",
            "grants group".to_owned(),
            "7 where the file has 2".to_owned(),
        ),
        (
            // A row of another sync is none of this one's.
            format!("UPDATE v1_grants SET sync_id = 'another' WHERE external_id = '{grant}'"),
            "count",
            "grants group".to_owned(),
            "2 where the file has 1".to_owned(),
        ),
    ] {
        let ran = files.check(&files.changed(std::slice::from_ref(&damage)), "json").await;
        let rows: Vec<Value> = serde_json::from_str(&ran.out).unwrap();
        let wanted = json!({"kind": kind, "id": id, "names_what_is_missing": names});
        if (ran.code, ran.err.as_str()) != (1, "") || !rows.contains(&wanted) {
            passed.push(format!("{damage}: {wanted} is not in {}{}", ran.out, ran.err));
        }
    }
    assert!(passed.is_empty(), "{}", passed.join("\n"));
}

#[tokio::test]
async fn what_belongs_to_another_view_and_who_is_not_there_are_refused() {
    let files = Files::new().await;
    let noor = files.noor.as_str();
    let ask = async |args: &[&str]| run(files.dir.path(), &[&["inspect", "-f", "v3.c1z"], args].concat(), None).await;
    for (args, said) in [
        (
            ["grants", "--principal", noor].as_slice(),
            "`inspect grants` takes no --principal: it is for `inspect access`",
        ),
        (
            &["stats", "finance"],
            "`inspect stats` takes no text: it is for `inspect search`",
        ),
        (
            &["access", "--principal", noor, "--entitlement", "x"],
            "takes no --entitlement: it is for `inspect holders`",
        ),
        (
            &["resources", "--names"],
            "takes no --names: it is for `inspect grants`",
        ),
    ] {
        let ran = ask(args).await;
        assert_eq!((ran.code, ran.out.as_str()), (64, ""), "{args:?}: {}", ran.err);
        assert!(ran.err.contains(said), "{}", ran.err);
    }
    for (args, what) in [
        (["access", "--principal", "nobody"], "principal nobody"),
        (
            ["access", "--principal", &format!("group:{noor}")],
            &format!("principal group:{noor}"),
        ),
        (["holders", "--entitlement", "nothing"], "entitlement nothing"),
    ] {
        for format in ["table", "json"] {
            let ran = ask(&[&args[..], &["-o", format]].concat()).await;
            assert_eq!((ran.code, ran.out.as_str()), (1, ""), "{args:?}: {}", ran.err);
            let said = format!("there is no {what} in v3.c1z; `inspect search` finds ids");
            assert!(ran.err.contains(&said), "{}", ran.err);
        }
    }
    // Somebody who is there and has nothing.
    let none = ask(&["access", "--principal", &files.finance, "-o", "json"]).await;
    assert_eq!((none.code, none.out.trim()), (0, "[]"), "{}", none.err);
    for command in ["status", "doctor"] {
        let ran = run(files.dir.path(), &[command, "-o", "csv"], None).await;
        assert_eq!((ran.code, ran.out.as_str()), (64, ""), "{command}: {}", ran.err);
        assert!(
            ran.err.contains(&format!("must be table or json for {command}")),
            "{}",
            ran.err
        );
    }
}

#[tokio::test]
async fn faults_of_the_configuration_end_the_start_with_64_and_name_the_setting() {
    let dir = tempfile::tempdir().unwrap();
    let server = start(Options::default()).await.unwrap();
    for (args, said) in [
        (
            ["--pingone-base-url=ftp://x"].as_slice(),
            "--pingone-base-url (BATON_PINGONE_BASE_URL",
        ),
        (
            &["--file="],
            "--file (BATON_FILE, configuration key file): must name a file",
        ),
        (
            &["--client-id=a", "--client-secret=x"],
            "BATON_CLIENT_ID is malformed: must be <name>@<host>",
        ),
        (
            &["--client-id=fox@acme.example/use", "--client-secret=x"],
            "BATON_CLIENT_SECRET is malformed: not a client secret of C1",
        ),
    ] {
        let ran = run(dir.path(), args, Some(&server)).await;
        assert_eq!((ran.code, ran.out.as_str()), (64, ""), "{args:?}: {}", ran.err);
        assert!(ran.err.contains(said), "{}", ran.err);
    }
    let nobody = run(dir.path(), &["status", "--health-check-port", "1"], None).await;
    assert_eq!(nobody.code, 14);
    assert!(
        nobody.err.contains("Start it, or name its address and port"),
        "{}",
        nobody.err
    );
}

#[tokio::test]
async fn a_file_that_does_not_read_to_its_end_is_refused_with_the_reason() {
    let files = Files::new().await;
    let said = files.check(&files.bytes("v3.c1z"), "table").await;
    let sound = "every row names only what is in the file";
    assert_eq!((said.code, said.out.trim()), (0, sound), "{}", said.err);
    let mut cases = vec![
        (
            files.changed(&["UPDATE v1_resources SET data = x'ff'".to_owned()]),
            "a row of v1_resources does not decode",
        ),
        (
            files.changed(&["UPDATE v1_sync_runs SET ended_at = NULL".to_owned()]),
            "it holds no finished sync",
        ),
    ];
    for (file, cut, flipped) in [
        ("v1.c1z", "it ends too early", "does not decode"),
        ("v3.c1z", "damaged", "damaged"),
    ] {
        let bytes = files.bytes(file);
        let half = bytes.len() / 2;
        let mut other = bytes.clone();
        other[0] = b'X';
        cases.push((other, "it begins with neither C1ZF nor C1Z3"));
        cases.push((bytes[..half].to_vec(), cut));
        let mut other = bytes;
        other[half] ^= 0x10;
        cases.push((other, flipped));
    }
    let mut passed = Vec::new();
    for (number, (bytes, reason)) in cases.into_iter().enumerate() {
        let ran = files.check(&bytes, "json").await;
        if ran.code != 1 || !ran.err.contains(reason) {
            passed.push(format!("{number}: {} and not \"{reason}\", but {}", ran.code, ran.err));
        }
    }
    assert!(passed.is_empty(), "{}", passed.join("\n"));
}
