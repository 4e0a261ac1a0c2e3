//! The program as a person runs it, without C1: grant, revoke, accounts, passwords, actions, dry run, and what is
//! refused. Text and JSON are read as a person or a script would.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "test code"
)]

mod access;

use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::process::Output;

use sandbox::pingone::{ChangeKind, Changes, Directory, Fault, FaultAction, Holder, Options, ScopeOf, start};
use serde_json::{Value, json};
use tokio::io::AsyncReadExt as _;
use uuid::Uuid;

use crate::stand_in::Watched;

struct Shop {
    server: Watched,
    directory: Directory,
    dir: tempfile::TempDir,
}

/// What one run left behind.
struct Ran {
    code: i32,
    stdout: String,
    stderr: String,
}

impl Ran {
    fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|_| panic!("no JSON: {} {}", self.stdout, self.stderr))
    }
}

impl Shop {
    /// A small directory, and a file with a sync of it.
    async fn open() -> Self {
        let directory = Directory::builder()
            .population("staff", json!({"default": true}))
            .user("mara", "staff", json!({"passwordStatus": "OK", "devices": 1}))
            .user("noor", "staff", json!({}))
            .group("finance", json!({}))
            .group("robots", json!({"userFilter": "type eq \"robot\""}))
            .group("partners", json!({"sourceType": "LDAP_GATEWAY"}))
            .member("finance", "noor")
            .member("partners", "noor")
            .assignment(Holder::User("noor".to_owned()), "Help Desk Admin", ScopeOf::Environment)
            .build();
        let shop = Self::of(directory, Options::default()).await;
        let synced = shop.run(&[]).await;
        assert_eq!(synced.code, 0, "{}", synced.stderr);
        shop
    }

    /// A directory, and no file yet.
    async fn of(directory: Directory, options: Options) -> Self {
        let server = start(Options {
            custom: Some(directory.clone()),
            ..options
        })
        .await
        .unwrap();
        Self {
            server: server.into(),
            directory,
            dir: tempfile::tempdir().unwrap(),
        }
    }

    fn file(&self) -> PathBuf {
        self.dir.path().join("sync.c1z")
    }

    fn id(&self, label: &str) -> Uuid {
        self.directory.id(label).unwrap()
    }

    async fn run(&self, args: &[&str]) -> Ran {
        self.run_on(&self.file(), args).await
    }

    async fn run_on(&self, file: &std::path::Path, args: &[&str]) -> Ran {
        let Output { status, stdout, stderr } = self.command(file, args).output().await.unwrap();
        Ran {
            code: status.code().unwrap(),
            stdout: String::from_utf8(stdout).unwrap(),
            stderr: String::from_utf8(stderr).unwrap(),
        }
    }

    fn command(&self, file: &std::path::Path, args: &[&str]) -> tokio::process::Command {
        let mut command = tokio::process::Command::new(env!("CARGO_BIN_EXE_baton-ping-one"));
        command.env_clear().current_dir(self.dir.path()).args(args).envs([
            ("BATON_PINGONE_CLIENT_ID", self.server.client_id().to_string()),
            ("BATON_PINGONE_CLIENT_SECRET", self.server.client_secret()),
            ("BATON_PINGONE_ENVIRONMENT_ID", self.server.environment_id().to_string()),
            ("BATON_PINGONE_BASE_URL", self.server.api_url()),
            ("BATON_PINGONE_AUTH_URL", self.server.auth_url()),
            ("BATON_FILE", file.display().to_string()),
        ]);
        command
    }

    /// A run with `-o json` that goes well.
    async fn json(&self, args: &[&str]) -> Value {
        let ran = self.run(&[args, &["-o", "json"]].concat()).await;
        assert_eq!(ran.code, 0, "{args:?}: {} {}", ran.stdout, ran.stderr);
        ran.json()
    }

    /// A run with `-o json` that fails with this code.
    async fn failure(&self, args: &[&str], code: &str) -> String {
        let ran = self.run(&[args, &["-o", "json"]].concat()).await;
        let document = ran.json();
        assert_eq!(ran.code, 1, "{args:?}: {document}");
        assert_eq!(
            (&document["result"], &document["code"]),
            (&json!("failed"), &json!(code)),
            "{document}"
        );
        let message = document["message"].as_str().unwrap().to_owned();
        assert!(
            ran.stderr.contains(&format!("baton-ping-one: {message}")),
            "{}",
            ran.stderr
        );
        message
    }

    fn is_member(&self, group: &str, user: &str) -> bool {
        let key = (self.id(user), self.id(group));
        self.server.snapshot().memberships.contains_key(&key)
    }

    fn password_of(&self, user: Uuid) -> Option<String> {
        self.server.snapshot().users[&user].password.clone()
    }
}

fn entitlement(group: Uuid) -> String {
    format!("group:{group}:member")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_grant_is_given_shown_and_taken_back() {
    let shop = Shop::open().await;
    let (mara, finance) = (shop.id("mara").to_string(), entitlement(shop.id("finance")));
    let args = [
        "--grant-entitlement",
        &finance,
        "--grant-principal",
        &mara,
        "--grant-principal-type",
        "user",
    ];
    let grant = format!("{finance}:user:{mara}");
    let ran = shop.run(&args).await;
    assert_eq!((ran.code, ran.stdout), (0, format!("Granted\n  grant  {grant}\n")));
    assert!(shop.is_member("finance", "mara"));
    assert!(
        ran.stderr.contains("add_membership") && ran.stderr.contains("audit"),
        "{}",
        ran.stderr
    );
    let again = shop.json(&args).await;
    assert_eq!(
        (&again["result"], &again["grants"]),
        (&json!("already_granted"), &json!([grant]))
    );
    // The grant is known to the file only after the next sync.
    let message = shop.failure(&["--revoke-grant", &grant], "NOT_FOUND").await;
    assert!(message.contains("sync first"), "{message}");
    assert_eq!(shop.run(&[]).await.code, 0);
    let shown = shop.run(&["inspect", "grants"]).await;
    assert!(shown.stdout.contains(&mara), "{}", shown.stdout);
    let ran = shop.run(&["--revoke-grant", &grant]).await;
    assert_eq!((ran.code, ran.stdout.as_str()), (0, "Revoked the grant\n"));
    assert!(!shop.is_member("finance", "mara"));
    assert_eq!(
        shop.json(&["--revoke-grant", &grant]).await["result"],
        "already_revoked"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_role_is_granted_and_revoked() {
    let shop = Shop::open().await;
    let roles = shop.server.directory().roles();
    let role = roles
        .iter()
        .find(|(_, name, _)| name == "Identity Data Read Only")
        .unwrap()
        .0;
    let (mara, entitlement) = (shop.id("mara"), format!("role:{role}:assigned"));
    let args = [
        "--grant-entitlement",
        &entitlement,
        "--grant-principal",
        &mara.to_string(),
    ];
    assert_eq!(shop.json(&args).await["result"], "granted");
    let environment = shop.server.environment_id();
    assert!(shop.server.snapshot().has_role(mara, role, environment));
    assert_eq!(shop.run(&[]).await.code, 0);
    let grant = format!("{entitlement}:user:{mara}");
    assert_eq!(shop.json(&["--revoke-grant", &grant]).await["result"], "revoked");
    assert!(!shop.server.snapshot().has_role(mara, role, environment));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_not_in_the_file_or_not_ours_to_change_is_refused_without_a_write() {
    let shop = Shop::open().await;
    let mara = shop.id("mara").to_string();
    let nobody = "7c2e1d94-55a0-4a34-9a1b-c0ffee001001";
    let before = shop.server.snapshot();
    let grant = |group: Uuid, principal: &str, kind: &str| {
        [
            "--grant-entitlement".to_owned(),
            entitlement(group),
            "--grant-principal".to_owned(),
            principal.to_owned(),
            "--grant-principal-type".to_owned(),
            kind.to_owned(),
        ]
    };
    let finance = shop.id("finance");
    for (args, code, part) in [
        (grant(finance, nobody, "user"), "NOT_FOUND", "is not in"),
        (grant(finance, &mara, "group"), "NOT_FOUND", "is not in"),
        (grant(Uuid::nil(), &mara, "user"), "NOT_FOUND", "is not in"),
        (
            grant(finance, &shop.id("robots").to_string(), "group"),
            "INVALID_ARGUMENT",
            "only users",
        ),
        (
            grant(shop.id("partners"), &mara, "user"),
            "FAILED_PRECONDITION",
            "source",
        ),
    ] {
        let args: Vec<&str> = args.iter().map(String::as_str).collect();
        let message = shop.failure(&args, code).await;
        assert!(message.contains(part), "{message}");
    }
    let external = format!("{}:user:{}", entitlement(shop.id("partners")), shop.id("noor"));
    shop.failure(&["--revoke-grant", &external], "FAILED_PRECONDITION")
        .await;
    for id in [nobody, "' OR 1=1 --", "", &"x".repeat(100_000)] {
        if !id.is_empty() {
            shop.failure(&["--revoke-grant", id], "NOT_FOUND").await;
        }
    }
    assert_eq!(shop.server.snapshot(), before);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_file_a_grant_says_what_is_missing() {
    let shop = Shop::open().await;
    let missing = shop.dir.path().join("none.c1z");
    let mara = shop.id("mara").to_string();
    let finance = entitlement(shop.id("finance"));
    let args = ["--grant-entitlement", &finance, "--grant-principal", &mara];
    let ran = shop.run_on(&missing, &args).await;
    assert_eq!((ran.code, ran.stdout.as_str()), (1, ""));
    assert!(ran.stderr.contains("none.c1z"), "{}", ran.stderr);
    std::fs::write(&missing, b"not a c1z").unwrap();
    assert_eq!(shop.run_on(&missing, &args).await.code, 1);
    assert_eq!(shop.server.requests().writes(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_account_is_created_its_password_rotated_and_the_account_deleted() {
    let shop = Shop::open().await;
    let profile = json!({"username": "ada.okafor", "given_name": "Ada", "family_name": "Okafor"}).to_string();
    let args = [
        "--create-account-login",
        "ada.okafor",
        "--create-account-email",
        "ada@example.com",
    ];
    let file = shop.dir.path().join("first");
    let flag = format!("--password-file={}", file.display());
    let created = shop
        .run(&[&args[..], &["--create-account-profile", &profile, &flag, "-o", "json"]].concat())
        .await;
    assert_eq!(created.code, 0, "{} {}", created.stdout, created.stderr);
    let document = created.json();
    assert_eq!(
        (&document["result"], &document["password_state"]),
        (&json!("created"), &json!("written"))
    );
    assert_eq!(document["account"]["display_name"], "Ada Okafor");
    let id: Uuid = document["account"]["id"].as_str().unwrap().parse().unwrap();
    let first = std::fs::read_to_string(&file).unwrap();
    assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(
        (Some(first.trim_end().to_owned()), first.len()),
        (shop.password_of(id), 21)
    );
    assert!(!format!("{}{}", created.stdout, created.stderr).contains(first.trim_end()));

    let again = shop
        .json(&[&args[..], &["--create-account-profile", &profile]].concat())
        .await;
    assert_eq!(
        (&again["result"], &again["account"]["id"]),
        (&json!("already_exists"), &json!(id.to_string()))
    );
    assert_eq!(again.get("password_state"), None);

    let rotate = [
        "--rotate-credentials",
        &id.to_string(),
        "--rotate-credentials-type",
        "user",
    ];
    // The old password is not given up for one that nobody would have.
    let refused = shop.run(&rotate).await;
    assert_eq!((refused.code, refused.stdout.as_str()), (64, ""));
    assert!(refused.stderr.contains("--password-file"), "{}", refused.stderr);
    assert_eq!(shop.password_of(id).unwrap(), first.trim_end());
    let second = shop.dir.path().join("second");
    let flag = format!("--password-file={}", second.display());
    let rotated = shop.run(&[&rotate[..], &[flag.as_str()]].concat()).await;
    assert_eq!(rotated.code, 0, "{}", rotated.stderr);
    let second = shop.password_of(id).unwrap();
    assert_ne!(second, first.trim_end());
    assert!(!format!("{}{}", rotated.stdout, rotated.stderr).contains(&second));

    let delete = ["--delete-resource", &id.to_string(), "--delete-resource-type", "user"];
    assert_eq!(shop.json(&delete).await["result"], "deleted");
    assert!(!shop.server.snapshot().users.contains_key(&id));
    assert_eq!(shop.json(&delete).await["result"], "already_deleted");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_password_is_never_shown_where_stdout_is_no_terminal() {
    let shop = Shop::open().await;
    let before = shop.server.snapshot();
    let ran = shop
        .run(&["--create-account-login", "ada.okafor", "--show-password"])
        .await;
    assert_eq!((ran.code, ran.stdout.as_str()), (64, ""));
    assert!(ran.stderr.contains("--password-file"), "{}", ran.stderr);
    assert!(ran.stderr.contains("stdout is not a terminal"), "{}", ran.stderr);
    assert_eq!(shop.server.snapshot(), before);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_password_file_that_is_there_is_left_alone() {
    let shop = Shop::open().await;
    let file = shop.dir.path().join("kept");
    std::fs::write(&file, "mine").unwrap();
    let flag = format!("--password-file={}", file.display());
    let ran = shop.run(&["--create-account-login", "ada.okafor", &flag]).await;
    assert_eq!(ran.code, 64, "{}", ran.stderr);
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "mine");
    assert_eq!(shop.server.requests().writes(), 0);
    // One that was made for a password that never came goes again.
    let file = shop.dir.path().join("new");
    let flag = format!("--password-file={}", file.display());
    shop.failure(&["--create-account-login", &"x".repeat(300), &flag], "INVALID_ARGUMENT")
        .await;
    assert!(!file.exists());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn actions_are_listed_and_run() {
    let shop = Shop::open().await;
    let listed = shop.run(&["--list-action-schemas"]).await;
    assert_eq!(listed.code, 0, "{}", listed.stderr);
    assert_eq!(listed.stdout.lines().count(), 16, "{}", listed.stdout);
    assert!(
        listed.stdout.contains("set_population  user   user_id* population_id*"),
        "{}",
        listed.stdout
    );
    let scoped = shop
        .json(&["--list-action-schemas", "--list-action-schemas-resource-type", "user"])
        .await;
    assert_eq!(scoped["schemas"].as_array().unwrap().len(), 8);
    let id = shop.id("mara").to_string();
    let args = json!({ "user_id": id }).to_string();
    let disable = ["--invoke-action", "disable_user", "--invoke-action-args", &args];
    let ran = shop.run(&disable).await;
    assert_eq!((ran.code, ran.stdout), (0, format!("Account {id} has been disabled\n")));
    let again = shop.json(&disable).await;
    assert_eq!(
        again["response"],
        json!({"success": true, "message": format!("Account {id} was already disabled")})
    );
    let reset = [
        "--invoke-action",
        "reset_mfa",
        "--invoke-action-resource-type",
        "user",
        "--invoke-action-args",
        &args,
    ];
    assert_eq!(shop.json(&reset).await["response"]["devices_deleted"], 1);
    shop.failure(
        &["--invoke-action", "reset_mfa", "--invoke-action-args", &args],
        "NOT_FOUND",
    )
    .await;
    let message = shop
        .failure(&["--invoke-action", "enable_user"], "INVALID_ARGUMENT")
        .await;
    assert!(message.contains("user_id"), "{message}");
    let message = shop.failure(&["--invoke-action", "disable_usr"], "NOT_FOUND").await;
    let said = "action disable_usr not found; --list-action-schemas lists them";
    assert!(message.contains(said), "{message}");
}

/// An action that outlasts the second that C1's call waits is waited for.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_slow_action_is_waited_for() {
    use sandbox::pingone::{Fault, FaultAction};
    let shop = Shop::open().await;
    let args = json!({"user_id": shop.id("mara").to_string()}).to_string();
    let slow = Fault::on("PUT", "/environments/{id}/users/{id}/enabled", FaultAction::Slow(2_500));
    shop.server.set_faults(vec![slow]);
    let answer = shop
        .json(&["--invoke-action", "disable_user", "--invoke-action-args", &args])
        .await;
    assert_eq!(answer["result"], "complete");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dry_run_prints_the_calls_and_makes_none() {
    let shop = Shop::open().await;
    let before = shop.server.snapshot();
    let (mara, noor, finance) = (shop.id("mara"), shop.id("noor"), shop.id("finance"));
    let entitlement = entitlement(finance);
    let held = format!("{entitlement}:user:{noor}");
    let user = mara.to_string();
    let args = json!({ "user_id": user }).to_string();
    let pw = format!("--password-file={}", shop.dir.path().join("pw").display());
    let asked: [(&[&str], String); 6] = [
        (
            &["--grant-entitlement", &entitlement, "--grant-principal", &user],
            format!("POST /users/{mara}/memberOfGroups"),
        ),
        (
            &["--revoke-grant", &held],
            format!("DELETE /users/{noor}/memberOfGroups/{finance}"),
        ),
        (&["--create-account-login", "ada.okafor", &pw], "POST /users".to_owned()),
        (
            &["--rotate-credentials", &user, "--rotate-credentials-type", "user", &pw],
            format!("PUT /users/{mara}/password"),
        ),
        (
            &["--delete-resource", &user, "--delete-resource-type", "user"],
            format!("DELETE /users/{mara}"),
        ),
        (
            &["--invoke-action", "disable_user", "--invoke-action-args", &args],
            format!("PUT /users/{mara}/enabled"),
        ),
    ];
    for (args, call) in asked {
        let text = shop.run(&[args, &["--dry-run"]].concat()).await;
        assert_eq!(text.code, 0, "{args:?}: {}", text.stderr);
        assert!(
            text.stdout.starts_with("Dry run: nothing was written"),
            "{}",
            text.stdout
        );
        assert!(text.stdout.contains(&format!("  {call}")), "{call}: {}", text.stdout);
        let document = shop.json(&[args, &["--dry-run"]].concat()).await;
        assert_eq!(document["result"], "planned");
        assert!(document["calls"][0].as_str().unwrap().starts_with(&call), "{document}");
    }
    let unknown = json!({"user_id": "7c2e1d94-55a0-4a34-9a1b-c0ffee001001"}).to_string();
    shop.failure(
        &[
            "--invoke-action",
            "disable_user",
            "--invoke-action-args",
            &unknown,
            "--dry-run",
        ],
        "NOT_FOUND",
    )
    .await;
    assert_eq!(shop.server.snapshot(), before);
    assert_eq!(shop.server.requests().writes(), 0);
    assert!(!shop.dir.path().join("pw").exists());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dry_run_says_what_it_checked_and_which_right_each_call_needs() {
    let shop = Shop::open().await;
    let (mara, entitlement) = (shop.id("mara").to_string(), entitlement(shop.id("finance")));
    let args = [
        "--grant-entitlement",
        &entitlement,
        "--grant-principal",
        &mara,
        "--dry-run",
    ];
    let text = shop.run(&args).await;
    let checked = "  checked  read_environment, read_group, read_membership, read_user\n  right    to add and remove members of groups: held\n";
    assert!(text.code == 0 && text.stdout.ends_with(checked), "{}", text.stdout);
    shop.server.revoke_worker_roles();
    for role in ["Identity Data Read Only", "Environment Admin"] {
        shop.server.grant_worker_role(role).unwrap();
    }
    let text = shop.run(&args).await;
    let expected = "  right    to add and remove members of groups: missing; give the worker application Identity Data Admin \
                    (dir:create:groupMembership, dir:delete:groupMembership)\n";
    assert!(
        text.code == 0 && text.stdout.contains(expected),
        "{} {}",
        text.stdout,
        text.stderr
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dry_run_of_a_role_says_whether_pingone_lets_us_assign_it() {
    let shop = Shop::open().await;
    let roles = shop.server.directory().roles();
    let id_of = |wanted: &str| roles.iter().find(|(_, name, _)| name == wanted).unwrap().0;
    let (mara, noor, environment) = (
        shop.id("mara").to_string(),
        shop.id("noor"),
        shop.server.environment_id(),
    );
    let (config, desk) = (id_of("Configuration Read Only"), id_of("Help Desk Admin"));
    let grant = |role: Uuid| format!("role:{role}:assigned");
    let held = format!("role:{desk}:assigned:user:{noor}");
    shop.server.revoke_worker_roles();
    // The second one may read what the application holds, and assigns nothing.
    for role in ["Identity Data Admin", "Client Application Developer"] {
        shop.server.grant_worker_role(role).unwrap();
    }
    let entitlement = grant(config);
    let args = [
        "--dry-run",
        "--grant-entitlement",
        &entitlement,
        "--grant-principal",
        &mara,
    ];
    let ran = shop.run(&args).await;
    let missing = format!(
        "  right    to assign Configuration Read Only over environment {environment}: missing; the worker application must \
         hold the role itself, or one that may assign it, over the same or a wider scope\n"
    );
    let permitted = "  right    to assign and take away roles of users: held\n";
    assert!(
        ran.code == 0 && ran.stdout.contains(&missing) && ran.stdout.contains(permitted),
        "{} {}",
        ran.stdout,
        ran.stderr
    );
    let ran = shop.run(&["--dry-run", "--revoke-grant", &held]).await;
    let expected = format!("  right    to take away Help Desk Admin over environment {environment}: held\n");
    assert!(
        ran.code == 0 && ran.stdout.contains(&expected),
        "{} {}",
        ran.stdout,
        ran.stderr
    );
    shop.server.grant_worker_role("Configuration Read Only").unwrap();
    let document = shop.json(&args).await;
    let states: Vec<_> = document["rights"]
        .as_array()
        .unwrap()
        .iter()
        .map(|right| &right["state"])
        .collect();
    assert_eq!(states, ["held", "held"], "{document}");
    assert_eq!(shop.server.requests().writes(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn settings_that_cannot_be_worked_with_end_with_64_before_anything_is_asked() {
    let shop = Shop::open().await;
    shop.server.reset_requests();
    for (args, part) in [
        (
            vec!["--create-account-profile", "{"],
            "--create-account-profile must be a JSON object",
        ),
        (
            vec!["--create-account-profile", "[1]"],
            "--create-account-profile must be a JSON object",
        ),
        (
            vec!["--invoke-action", "x", "--invoke-action-args", "x"],
            "--invoke-action-args must be a JSON object",
        ),
        (vec!["--delete-resource", "x"], "--delete-resource-type"),
        (vec!["--rotate-credentials", "x"], "--rotate-credentials-type"),
        (vec!["--grant-entitlement", "x"], "grant-principal"),
        (vec!["--revoke-grant", "x", "--delete-resource", "y"], "revoke-grant"),
    ] {
        let ran = shop.run(&args).await;
        assert_eq!((ran.code, ran.stdout.as_str()), (64, ""), "{args:?}");
        assert!(ran.stderr.contains(part), "{args:?}: {}", ran.stderr);
    }
    assert_eq!(shop.server.requests().total, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bad_accounts_and_resources_are_refused() {
    let shop = Shop::open().await;
    let before = shop.server.snapshot();
    let long = "x".repeat(300);
    let wrong = json!({"create_disabled": {"a": 1}}).to_string();
    let unknown = json!({"additional_attributes": {"departement": "x"}}).to_string();
    let nowhere = json!({"population": "nowhere"}).to_string();
    let nowhere_file = format!("--password-file={}", shop.dir.path().join("never").display());
    let finance = shop.id("finance").to_string();
    for (args, code) in [
        (vec!["--create-account-login", &long], "INVALID_ARGUMENT"),
        (
            vec!["--create-account-login", "a", "--create-account-profile", &wrong],
            "INVALID_ARGUMENT",
        ),
        (
            vec!["--create-account-login", "a", "--create-account-profile", &unknown],
            "INVALID_ARGUMENT",
        ),
        (
            vec!["--create-account-login", "a", "--create-account-profile", &nowhere],
            "INVALID_ARGUMENT",
        ),
        (
            vec!["--delete-resource", &finance, "--delete-resource-type", "group"],
            "INVALID_ARGUMENT",
        ),
        (
            vec!["--delete-resource", "mara", "--delete-resource-type", "user"],
            "INVALID_ARGUMENT",
        ),
        (
            vec![
                "--rotate-credentials",
                "mara",
                "--rotate-credentials-type",
                "user",
                &nowhere_file,
            ],
            "INVALID_ARGUMENT",
        ),
    ] {
        shop.failure(&args, code).await;
    }
    let mara = shop.id("mara").to_string();
    let protected = [
        "--delete-resource",
        &mara,
        "--delete-resource-type",
        "user",
        "--protected-users",
        &mara,
    ];
    shop.failure(&protected, "FAILED_PRECONDITION").await;
    assert_eq!(shop.server.snapshot(), before);
}

fn updated(user: Uuid) -> Value {
    json!({"action": {"type": "USER.UPDATED"}, "resources": [{"type": "USER", "id": user}]})
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_event_feed_is_printed_to_its_end() {
    let shop = Shop::open().await;
    let mara = shop.id("mara");
    let mut added = Vec::new();
    // More than a page, and two that are older than a day.
    for age_s in (0..250_u64).map(|at| 3_000 - at).chain([90_000, 90_001]) {
        let id = shop
            .server
            .add_activity(&updated(mara), std::time::Duration::from_secs(age_s));
        added.push(id.to_string());
    }
    let events = |ran: &Ran| -> Vec<Value> {
        assert_eq!(ran.code, 0, "{}", ran.stderr);
        let lines = ran.stdout.lines();
        lines.map(|line| serde_json::from_str(line).unwrap()).collect()
    };
    let is_ours = |event: &&Value| event["resourceChangeEvent"]["resourceId"]["resource"] == mara.to_string();
    let found = events(&shop.run(&["--event-feed"]).await);
    let ids: Vec<_> = found
        .iter()
        .filter(is_ours)
        .map(|event| event["id"].as_str().unwrap())
        .collect();
    assert_eq!(ids.len(), 250);
    for (id, added) in ids.iter().zip(&added) {
        assert!(id.contains(added.as_str()), "{id} is not of {added}");
    }
    assert_eq!(
        found
            .iter()
            .find(is_ours)
            .map(|event| &event["resourceChangeEvent"]["resourceId"]["resourceType"]),
        Some(&json!("user"))
    );
    let two_days_ago = (jiff::Timestamp::now() - jiff::SignedDuration::from_hours(48)).to_string();
    let all = events(
        &shop
            .run(&["--event-feed=true", "--event-feed-start-at", &two_days_ago])
            .await,
    );
    assert_eq!(all.iter().filter(is_ours).count(), 252);
    for (args, code) in [
        (["--event-feed", "--event-feed-id=other"], 1),
        (["--event-feed", "--event-feed-cursor=other"], 1),
        (["--event-feed", "--event-feed-start-at=yesterday"], 64),
    ] {
        let ran = shop.run(&args).await;
        assert_eq!((ran.code, ran.stdout.as_str()), (code, ""), "{args:?}: {}", ran.stderr);
        assert!(ran.stderr.contains("feed"), "{}", ran.stderr);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_killed_run_left_beside_the_file_is_removed_by_the_next_sync() {
    let shop = Shop::open().await;
    let left = shop.dir.path().join(".sync.c1z.Ab12Cd.tmp");
    let of_another = shop.dir.path().join(".other.c1z.Ab12Cd.tmp");
    for path in [&left, &of_another] {
        std::fs::write(path, "half a file").unwrap();
    }
    let ran = shop.run(&[]).await;
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert!(!left.exists() && of_another.exists());
}

/// What the file before has of memberships is what the next sync is held against.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sync_that_lost_memberships_of_the_file_before_is_refused_until_that_is_accepted() {
    let mut directory = Directory::builder()
        .population("staff", json!({"default": true}))
        .group("finance", json!({}));
    for name in ["mara", "noor", "ola", "pia"] {
        directory = directory.user(name, "staff", json!({})).member("finance", name);
    }
    let shop = Shop::of(directory.build(), Options::default()).await;
    assert_eq!(shop.run(&[]).await.code, 0);
    shop.server.change(&Changes::of(ChangeKind::RemoveMember, 3));
    let before = std::fs::read(shop.file()).unwrap();
    let ran = shop.run(&[]).await;
    let said = "the sync found 1 memberships of groups, the last good one 4";
    assert!(ran.code == 1 && ran.stderr.contains(said), "{}", ran.stderr);
    assert!(std::fs::read(shop.file()).unwrap() == before, "the file was replaced");
    let ran = shop.run(&["--accept-shrink"]).await;
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert!(std::fs::read(shop.file()).unwrap() != before, "it was not published");
}

/// The account is there, and nobody has its password: a person must do the rest.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_account_whose_password_nobody_has_ends_with_exit_code_2() {
    let shop = Shop::open().await;
    let ran = shop.run(&["--create-account-login", "ada.okafor", "-o", "json"]).await;
    let document = ran.json();
    assert_eq!((ran.code, &document["result"]), (2, &json!("created")), "{document}");
    assert_eq!(document["password_state"], "dropped");
}

/// An entry that names no role would protect nothing.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_protected_role_that_does_not_exist_ends_the_start_with_the_names_that_do() {
    let shop = Shop::open().await;
    let before = shop.server.snapshot();
    let mara = shop.id("mara").to_string();
    let delete = ["--delete-resource", &mara, "--delete-resource-type", "user"];
    let ran = shop
        .run(&[&delete[..], &["--protected-roles", "Helpdesk Admin"]].concat())
        .await;
    assert_eq!((ran.code, ran.stdout.as_str()), (64, ""), "{}", ran.stderr);
    assert!(
        ran.stderr.contains("\"Helpdesk Admin\"") && ran.stderr.contains("Help Desk Admin"),
        "{}",
        ran.stderr
    );
    assert_eq!(shop.server.snapshot(), before);
    let documented = shop
        .json(&[&delete[..], &["--protected-roles", "Identity Data Read-Only Admin"]].concat())
        .await;
    assert_eq!(documented["result"], "deleted");
}

/// Whoever stops a run twice does not wait for its answer: what was sent is told, and no empty file is left.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_signal_in_the_middle_of_a_write_leaves_its_line() {
    let shop = Shop::open().await;
    let put = "/environments/{id}/users/{id}/password";
    shop.server
        .set_faults(vec![Fault::on("PUT", put, FaultAction::Hang).times(0)]);
    let mara = shop.id("mara").to_string();
    let file = shop.dir.path().join("pw");
    let flag = format!("--password-file={}", file.display());
    let mut running = shop
        .command(
            &shop.file(),
            &["--rotate-credentials", &mara, "--rotate-credentials-type=user", &flag],
        )
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let pid = running.id().unwrap().to_string();
    while shop.server.requests().of("PUT", put) == 0 {
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    assert!(file.exists());
    for _ in 0..2 {
        let kill = tokio::process::Command::new("kill").args(["-TERM", &pid]).status();
        assert!(kill.await.unwrap().success());
        tokio::time::sleep(std::time::Duration::from_millis(300)).await;
    }
    let mut stderr = String::new();
    let ended = running.wait().await.unwrap();
    running
        .stderr
        .take()
        .unwrap()
        .read_to_string(&mut stderr)
        .await
        .unwrap();
    assert_eq!(ended.code(), Some(1), "{stderr}");
    assert!(
        stderr.contains("set_password") && stderr.contains("unknown"),
        "{stderr}"
    );
    assert!(stderr.contains("ended by a second signal"), "{stderr}");
    assert!(!file.exists());
}
