//! Bad input, end to end: the real program against the stand-in for PingOne with one thing wrong, and damaged files.
//! Each case states exit code, message and remedy, and the remedy must stand in docs/runbook.md, too.

#![expect(clippy::unwrap_used, reason = "helpers of tests: a failure here is a failed test")]

use std::path::Path;
use std::process::{Output, Stdio};

use baton::c1z::Lock;
use sandbox::pingone::{AuthMethod, Directory, Fault, FaultAction, Holder, Options, ScopeOf, Server, start};
use serde_json::{Value, json};
use tokio::process::Command;

const PROGRAM: &str = env!("CARGO_BIN_EXE_baton-ping-one");
/// An environment or role that nobody has.
const NOWHERE: &str = "00000000-0000-4000-8000-00000000dead";

const TOKEN: &str = "Check pingone-client-id, pingone-client-secret and pingone-region; the worker application must be \
                     enabled and allow the client credentials grant.";
const ENVIRONMENT: &str =
    "Check pingone-environment-id and that the worker application has a role in that environment.";
const ROLE: &str = "Give the application Identity Data Read Only or Identity Data Admin for this environment; it must be of type Worker.";
const BODY: &str = "Nothing was synced; check that nothing between changes answers, then report the request id to Ping \
                    Identity.";
const NOT_JSON: &str = "This is not an answer of PingOne's: a proxy or maintenance stands between. Nothing was synced.";
const GATEWAY: &str = "This is not an answer of PingOne's: check pingone-base-url and pingone-region; otherwise the \
                       worker application lacks a role.";
const SPACE: &str = "Free some space or choose another place with";
const LIMITS: &str = "Check the disk, its quota and the limit on the size of files, or choose another place with";

/// What one run came to.
struct Run {
    code: i32,
    out: String,
    err: String,
    /// Names in the folder of the file afterwards.
    left: Vec<String>,
}

impl Run {
    fn of(output: &Output, dir: &Path) -> Self {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let names = std::fs::read_dir(dir).unwrap();
        Self {
            code: output.status.code().unwrap_or(-1),
            out: text(&output.stdout),
            err: text(&output.stderr),
            left: names
                .map(|entry| entry.unwrap().file_name().into_string().unwrap())
                .collect(),
        }
    }

    /// It failed, told why and what to do in one line, and left nothing behind.
    fn fails(&self, name: &str, message: &str, remedy: &str) {
        let Self { err, .. } = self;
        assert_eq!(self.code, 1, "{name}: {err}");
        let line = err.lines().last().unwrap_or_default();
        assert!(
            line.starts_with("baton-ping-one: ") && line.len() <= 1_100,
            "{name}: {err}"
        );
        assert!(line.contains(message), "{name}: \"{message}\" is not in: {line}");
        assert!(line.contains(remedy), "{name}: \"{remedy}\" is not in: {line}");
        in_runbook(name, remedy);
        assert_eq!(self.left, Vec::<String>::new(), "{name}");
        assert_eq!(self.out, "", "{name}");
    }

    /// It synced and said so.
    fn report(&self, name: &str) -> Value {
        assert_eq!(self.code, 0, "{name}: {}", self.err);
        assert_eq!(self.left, ["sync.c1z"], "{name}");
        serde_json::from_str(&self.out).unwrap()
    }
}

/// The runbook says it, however its lines are broken.
fn in_runbook(name: &str, sentence: &str) {
    let words = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
    let runbook = words(include_str!("../../docs/runbook.md"));
    assert!(
        runbook.contains(&words(sentence)),
        "{name}: docs/runbook.md does not say \"{sentence}\""
    );
}

/// The program with nothing of our own environment in its.
fn program(server: &Server, file: &Path) -> Command {
    let mut command = Command::new(PROGRAM);
    settings(&mut command, server, file);
    command
}

fn settings(command: &mut Command, server: &Server, file: &Path) {
    command
        .env_clear()
        .env("BATON_PINGONE_BASE_URL", server.api_url())
        .env("BATON_PINGONE_AUTH_URL", server.auth_url())
        .env("BATON_PINGONE_ENVIRONMENT_ID", server.environment_id().to_string())
        .env("BATON_PINGONE_CLIENT_ID", server.client_id().to_string())
        .env("BATON_PINGONE_CLIENT_SECRET", server.client_secret())
        .env("BATON_PINGONE_RATE_LIMIT", "100000")
        .env("BATON_OUTPUT", "json")
        .env("BATON_FILE", file)
        .stdin(Stdio::null())
        .kill_on_drop(true);
}

/// One sync with one thing wrong.
async fn run(world: impl FnOnce(&mut Options), faults: Vec<Fault>, args: &[(&str, &str)]) -> Run {
    let mut options = Options::default();
    world(&mut options);
    let (server, dir) = (start(options).await.unwrap(), tempfile::tempdir().unwrap());
    server.set_faults(faults);
    let mut command = program(&server, &dir.path().join("sync.c1z"));
    command.envs(args.iter().copied());
    let run = Run::of(&command.output().await.unwrap(), dir.path());
    let secret = server.client_secret();
    assert!(!run.err.contains(&secret) && !run.out.contains(&secret));
    run
}

fn on(path: &str, nth: u64, times: u64, action: FaultAction) -> Vec<Fault> {
    vec![Fault::on("GET", path, action).nth(nth).times(times)]
}

fn as_is(_: &mut Options) {}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn credentials_and_environments() {
    let wrong = run(as_is, vec![], &[("BATON_PINGONE_CLIENT_SECRET", "not-the-secret")]).await;
    wrong.fails(
        "wrong secret",
        "the token was refused (401 invalid_client, request ",
        TOKEN,
    );
    assert!(!wrong.err.contains("not-the-secret"), "{}", wrong.err);

    // The one that PingOne asks for is tried, too; no setting is needed.
    let post = run(|options| options.auth.auth_method = AuthMethod::Post, vec![], &[]).await;
    assert!(post.report("wrong auth method")["resources"]["user"].as_u64().unwrap() > 0);
    in_runbook(
        "wrong auth method",
        "Both ways of sending the secret are tried when PingOne speaks of the method.",
    );
    run(|options| options.auth.client_disabled = true, vec![], &[])
        .await
        .fails("disabled application", "the token was refused (", TOKEN);

    // Another region knows neither the environment nor its applications.
    run(as_is, vec![], &[("BATON_PINGONE_ENVIRONMENT_ID", NOWHERE)])
        .await
        .fails(
            "wrong region",
            "get a token for the worker application: environment not found",
            ENVIRONMENT,
        );

    let server = start(Options::default()).await.unwrap();
    let home = server.environment_id().to_string();
    drop(server);
    run(
        as_is,
        vec![],
        &[
            ("BATON_PINGONE_ENVIRONMENT_ID", NOWHERE),
            ("BATON_PINGONE_AUTH_ENVIRONMENT_ID", &home),
        ],
    )
    .await
    .fails(
        "unknown environment",
        &format!("read environment {NOWHERE}: environment not found"),
        ENVIRONMENT,
    );

    run(
        |options| options.access.environment_status = "DELETE_PENDING".to_owned(),
        vec![],
        &[],
    )
    .await
    .fails(
        "environment being deleted",
        "is being deleted (status DELETE_PENDING): nothing was synced",
        "Check pingone-environment-id",
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn roles() {
    run(|options| options.access.no_worker_role = true, vec![], &[])
        .await
        .fails("no role", "(403 ACCESS_FAILED, request ", ROLE);

    run(as_is, on("*/users", 1, 0, FaultAction::Gateway), &[]).await.fails(
        "the gateway's 403",
        "list the users of environment",
        GATEWAY,
    );

    let (server, dir) = (start(Options::default()).await.unwrap(), tempfile::tempdir().unwrap());
    let file = dir.path().join("sync.c1z");
    let whole = Run::of(&program(&server, &file).output().await.unwrap(), dir.path()).report("whole role");
    let before = std::fs::read(&file).unwrap();
    server.revoke_worker_roles();
    server.grant_worker_role("Identity Data Admin@POPULATION:1").unwrap();
    let run = Run::of(&program(&server, &file).output().await.unwrap(), dir.path());
    let message = format!(
        ", the last good one {}: more than 50 % fewer.",
        whole["resources"]["user"]
    );
    assert_eq!(run.code, 1, "{}", run.err);
    assert!(
        run.err.contains("the sync found ") && run.err.contains(&message),
        "{}",
        run.err
    );
    let remedy = "if the new size is right, accept it once with --accept-shrink";
    assert!(run.err.contains(remedy), "{}", run.err);
    in_runbook(
        "population-scoped role",
        "check its roles. If the new size is right, accept it once with `--accept-shrink`.",
    );
    assert_eq!(std::fs::read(&file).unwrap(), before, "the last good file stands");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[expect(clippy::too_many_lines, reason = "a table of cases")]
async fn pages_and_bodies() {
    let expired = run(as_is, on("*/users", 2, 1, FaultAction::CursorExpired), &[]).await;
    let undisturbed = run(as_is, vec![], &[]).await.report("nothing wrong");
    let report = expired.report("expired cursor");
    assert_eq!(report["resources"], undisturbed["resources"]);
    assert_eq!(report["grants"], undisturbed["grants"]);
    assert_eq!(report["warnings"]["listing_restarted"], 1, "{report}");
    in_runbook(
        "expired cursor",
        "`listing_restarted`: PingOne rejected a cursor and the listing was read again from its start.",
    );

    let cases: [(&str, Vec<Fault>, &str, &str); 7] = [
        (
            "endless page",
            on("*/groups", 1, 0, FaultAction::EndlessPage),
            "list the groups of environment",
            "Nothing was synced; report this page to Ping Identity with the request id.",
        ),
        (
            "HTML body",
            on("*/populations", 1, 0, FaultAction::Html),
            "bytes that is not JSON, 4 times in a row",
            NOT_JSON,
        ),
        (
            "truncated body",
            on("*/users", 1, 0, FaultAction::Truncated(60)),
            "list the users of environment",
            NOT_JSON,
        ),
        (
            "a maintenance notice as JSON",
            on(
                "*/users",
                1,
                1,
                FaultAction::Body(r#"{"message":"Back at noon"}"#.to_owned()),
            ),
            "page 1: the body is no page: it has neither _links nor _embedded",
            BODY,
        ),
        (
            "a body without the list",
            on(
                "*/groups",
                1,
                1,
                FaultAction::Body(r#"{"_embedded":{"groups":{}}}"#.to_owned()),
            ),
            "list the groups of environment",
            BODY,
        ),
        (
            "number where an id belongs",
            on(
                "*/populations",
                1,
                1,
                FaultAction::Body(r#"{"_embedded":{"populations":[{"id":7}]}}"#.to_owned()),
            ),
            "list the populations of environment",
            BODY,
        ),
        (
            "no JSON at all where one object is asked",
            vec![Fault::on("GET", "/environments/{id}", FaultAction::Body("hello".to_owned())).times(0)],
            "read environment",
            NOT_JSON,
        ),
    ];
    for (name, faults, message, remedy) in cases {
        run(as_is, faults, &[]).await.fails(name, message, remedy);
    }
    let rejected = Fault::on("GET", "*/users", FaultAction::CursorExpired)
        .query("cursor")
        .times(0);
    run(|options| options.paging.max_page_users = 20, vec![rejected], &[])
        .await
        .fails(
            "cursor that expires again",
            "its cursor was rejected again after 3 fresh starts",
            "The cursor dies before the listing ends: raise pingone-rate-limit, or read less at a time with \
             population-filter.",
        );
}

/// A small directory where nearly everything is odd.
fn odd() -> Directory {
    Directory::builder()
        .population("Staff", json!({}))
        .user(
            "numbers",
            "Staff",
            json!({"title": 7, "email": 8, "mfaEnabled": "maybe", "createdAt": "soon"}),
        )
        .user(
            "bare",
            "Staff",
            json!({"name": null, "email": null, "lastSignOn": null}),
        )
        .user(
            "new",
            "Staff",
            json!({"lifecycle": {"status": "SUSPENDED_BY_MOON"}, "account": {"status": "PAUSED"}}),
        )
        .group("one", json!({"name": "Same name"}))
        .group("two", json!({"name": "Same name"}))
        .group("ring a", json!({}))
        .group("ring b", json!({}))
        .nested("ring a", "ring b")
        .nested("ring b", "ring a")
        .member("one", "bare")
        .member("two", "new")
        .member("ring a", "numbers")
        .assignment(Holder::User("new".to_owned()), NOWHERE, ScopeOf::Environment)
        .build()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[expect(clippy::too_many_lines, reason = "a table of cases")]
async fn a_directory_that_is_odd_is_synced_and_what_is_odd_is_told() {
    let directory = odd();
    let id = |label: &str| directory.id(label).unwrap().to_string();
    let options = Options {
        custom: Some(directory.clone()),
        ..Options::default()
    };
    let (server, dir) = (start(options).await.unwrap(), tempfile::tempdir().unwrap());
    let file = dir.path().join("sync.c1z");
    let run = Run::of(&program(&server, &file).output().await.unwrap(), dir.path());
    let report = run.report("odd directory");
    assert_eq!(report["resources"]["user"], 3, "{report}");
    assert_eq!(report["resources"]["group"], 4, "{report}");

    assert!(
        run.err.contains("members of an unexpected type were read leniently"),
        "{}",
        run.err
    );
    in_runbook(
        "number where a string belongs",
        "members of an unexpected type were read leniently",
    );
    assert_eq!(report["warnings"]["role_not_listed"], 1, "{report}");
    in_runbook("role id unknown", "`role_not_listed`");

    let resources = inspect(&file, "resources").await;
    let grants = inspect(&file, "grants").await;
    let of = |label: &str| {
        let id = id(label);
        let found = resources.iter().find(|row| row["id"] == *id.as_str());
        found.unwrap_or_else(|| panic!("{label} is missing")).clone()
    };
    let (new, numbers) = (of("new")["profile"].clone(), of("numbers")["profile"].clone());
    assert_eq!(
        (&new["lifecycle_status"], &new["account_status"]),
        (&json!("SUSPENDED_BY_MOON"), &json!("PAUSED"))
    );
    in_runbook(
        "unknown status",
        "A status that this version does not know is carried as it is.",
    );
    assert_eq!((&numbers["title"], &numbers["email"]), (&json!("7"), &json!("8")));
    assert!(
        numbers["mfa_enabled"].is_null() && numbers["created_at"].is_null(),
        "{numbers}"
    );
    // Without a name the user name stands for it; what is not known stays out.
    assert_eq!(of("bare")["display_name"], "bare");
    assert_eq!(
        (&of("one")["display_name"], &of("two")["display_name"]),
        (&json!("Same name"), &json!("Same name"))
    );
    let granted = |group: &str, kind: &str, principal: &str| {
        let entitlement = format!("group:{}:member", id(group));
        let principal = id(principal);
        grants.iter().any(|row| {
            row["entitlement"] == *entitlement.as_str()
                && row["principal_type"] == kind
                && row["principal"] == *principal.as_str()
        })
    };
    assert!(granted("one", "user", "bare") && !granted("one", "user", "new"));
    assert!(granted("two", "user", "new") && !granted("two", "user", "bare"));
    // C1 passes nobody on inside a ring (c1z.md §11.3), so PingOne's own answer is what each group shows, and expansion ends.
    assert!(granted("ring a", "user", "numbers") && granted("ring b", "user", "numbers"));
    assert!(run.err.contains("groups are nested in rings"), "{}", run.err);
    in_runbook("group ring", "groups are nested in rings");
    assert!(granted("ring a", "group", "ring b") && granted("ring b", "group", "ring a"));
    assert!(
        grants
            .iter()
            .any(|row| row["entitlement"].as_str().unwrap().contains(NOWHERE))
    );
}

/// Rows of a view.
async fn inspect(file: &Path, view: &str) -> Vec<Value> {
    let mut command = Command::new(PROGRAM);
    command
        .env_clear()
        .arg("inspect")
        .arg(view)
        .arg("-f")
        .arg(file)
        .args(["-o", "json"]);
    let output = command.output().await.unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).unwrap();
    serde_json::from_str(&text).unwrap()
}

/// Runs the program through a shell that first does `before`.
async fn in_shell(server: &Server, file: &Path, temp: &Path, before: &str) -> Output {
    let mut command = Command::new("/bin/sh");
    settings(&mut command, server, file);
    command
        .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
        .env("BATON_C1Z_TEMP_DIR", temp)
        .arg("-c")
        .arg(format!("{before} exec \"$0\""))
        .arg(PROGRAM);
    command.output().await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_place_for_the_file() {
    let server = start(Options::default()).await.unwrap();
    let (dir, temp) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let file = dir.path().join("sync.c1z");

    // A process that may not write more than so many blocks stands for the full disk.
    for (engine, blocks, message, remedy) in [
        ("sqlite", 64, "the growing file could not be written", LIMITS),
        ("pebble", 2, "could not write ", SPACE),
    ] {
        let limit = format!("export BATON_STORAGE_ENGINE={engine}; trap '' XFSZ; ulimit -f {blocks};");
        let output = in_shell(&server, &file, temp.path(), &limit).await;
        Run::of(&output, dir.path()).fails("disk full while writing", message, remedy);
        assert_eq!(std::fs::read_dir(temp.path()).unwrap().count(), 0);
    }

    for engine in ["sqlite", "pebble"] {
        let limit = format!("export BATON_STORAGE_ENGINE={engine} BATON_OUTPUT=json; ulimit -n 64;");
        let output = in_shell(&server, &file, temp.path(), &limit).await;
        // Connections take most of the 64, so it depends on them whether some are left for the file.
        let run = Run::of(&output, dir.path());
        if run.code == 0 {
            assert_eq!(run.report("few open files")["storage_engine"], *engine);
            std::fs::remove_file(&file).unwrap();
        } else {
            run.fails(
                "few open files",
                "too many files and connections are open",
                "Run it again with a higher limit",
            );
        }
        assert_eq!(std::fs::read_dir(temp.path()).unwrap().count(), 0);
    }

    let locked = dir.path().join("locked");
    std::fs::create_dir(&locked).unwrap();
    std::fs::set_permissions(&locked, std::os::unix::fs::PermissionsExt::from_mode(0o555)).unwrap();
    // Root may write anywhere unless it gives that up.
    let as_nobody = r#"[ "$(id -u)" != 0 ] || exec setpriv --bounding-set=-all --inh-caps=-all "$0";"#;
    let output = in_shell(&server, &locked.join("sync.c1z"), temp.path(), as_nobody).await;
    Run::of(&output, &locked).fails(
        "unwritable directory",
        "permission denied",
        "Choose another place with --file and --c1z-temp-dir",
    );
    std::fs::remove_dir(&locked).unwrap();

    let lock = Lock::take(&file).unwrap();
    let output = program(&server, &file).output().await.unwrap();
    drop(lock);
    Run::of(&output, dir.path()).fails(
        "file in use",
        "is in use by another process",
        "wait for it to end or choose another --file",
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_folder_for_growing_files_that_cannot_be_used_ends_the_start() {
    let dir = tempfile::tempdir().unwrap();
    let (missing, plain) = (dir.path().join("missing"), dir.path().join("plain"));
    std::fs::write(&plain, "").unwrap();
    for folder in [&missing, &plain] {
        let run = run(as_is, vec![], &[("BATON_C1Z_TEMP_DIR", folder.to_str().unwrap())]).await;
        assert_eq!((run.code, run.out.as_str(), run.left.len()), (64, "", 0), "{}", run.err);
        let remedy = "Set --c1z-temp-dir (BATON_C1Z_TEMP_DIR) to a directory that exists and may be written";
        assert!(
            run.err.contains(folder.to_str().unwrap()) && run.err.contains(remedy),
            "{}",
            run.err
        );
        in_runbook("c1z-temp-dir", remedy);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_setting_without_effect_is_told() {
    let run = run(as_is, vec![], &[("BATON_KEEP_PREVIOUS_SYNC_C1Z", "true")]).await;
    run.report("keep-previous-sync-c1z");
    assert!(run.err.contains("keep-previous-sync-c1z has no effect"), "{}", run.err);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn files_that_are_none() {
    let server = start(Options::default()).await.unwrap();
    let dir = tempfile::tempdir().unwrap();
    let good = dir.path().join("sync.c1z");
    assert!(program(&server, &good).output().await.unwrap().status.success());
    let good = std::fs::read(&good).unwrap();
    // A frame of its own: one segment with an 8-byte size of 1 TB.
    let huge = [
        b"C1ZF\0".as_slice(),
        &[0x28, 0xb5, 0x2f, 0xfd, 0xe0],
        &(1_u64 << 40).to_le_bytes(),
        &[0; 64],
    ]
    .concat();
    let cases = [
        (
            "truncated",
            good.get(..good.len() / 2).unwrap().to_vec(),
            "is damaged: ",
            "Sync again to make a new one",
        ),
        (
            "wrong magic",
            [b"PK\x03\x04".as_slice(), good.get(4..).unwrap()].concat(),
            "is not a .c1z file: it begins with neither C1ZF nor C1Z3",
            "Choose a file that a sync has written",
        ),
        (
            "claims 1 TB",
            huge,
            "unpacks to 1099511627776 bytes or more, above the limit of ",
            "raise BATON_DECODER_MAX_DECODED_SIZE_MB if you trust it",
        ),
    ];
    for (name, bytes, message, remedy) in cases {
        let file = dir.path().join("bad.c1z");
        std::fs::write(&file, bytes).unwrap();
        let temp = tempfile::tempdir().unwrap();
        let mut command = Command::new(PROGRAM);
        command.env_clear().env("BATON_C1Z_TEMP_DIR", temp.path());
        command.arg("inspect").arg("-f").arg(&file);
        let output = command.output().await.unwrap();
        Run::of(&output, temp.path()).fails(name, message, remedy);
    }
}
