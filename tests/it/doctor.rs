//! `doctor` between the stand-ins, healthy and with one thing broken at a time: each fault is named by the check it belongs
//! to, and by no secret.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a test may end where it stands"
)]

mod stubs;

use std::collections::BTreeMap;
use std::io::Read as _;
use std::path::Path;

use baton_ping_one::config::fields::{FIELDS, Field, Kind};
use sandbox::pingone::{Fault, FaultAction, Options};
use serde_json::Value;
use tokio::process::Command;

use crate::daemon::rig::{CLIENT_ID, World, soon};
use crate::port;

const MARKER: &str = "marker-of-a-secret";
const PERSON: &str = "ada.okafor@example.com";

type Variables = BTreeMap<&'static str, String>;

struct Ran {
    code: i32,
    text: String,
}

/// A world in which nothing is wrong, and the variables of a daemon in it.
async fn healthy() -> (World, Variables) {
    let world = World::new().await;
    let mut set: Variables = world.pingone_values().into_iter().collect();
    let path = |name: &str| world.path(name).display().to_string();
    set.extend([
        ("TMPDIR", path("tmp")),
        ("SSL_CERT_FILE", path("ca.pem")),
        (
            "BATON_C1_API_HOST",
            format!("localhost:{}", world.c1.address().unwrap().port()),
        ),
        ("BATON_CLIENT_ID", CLIENT_ID.to_owned()),
        ("BATON_CLIENT_SECRET", world.c1_secret.clone()),
        ("BATON_PINGONE_BASE_URL", world.pingone.api_url()),
        ("BATON_PINGONE_AUTH_URL", world.pingone.auth_url()),
        ("BATON_HEALTH_CHECK_PORT", port::free().to_string()),
        ("BATON_PINGONE_REGION", "eu".to_owned()),
        ("BATON_USER_FILTER", format!("email eq \"{PERSON}\" or enabled eq true")),
    ]);
    (world, set)
}

async fn doctor(dir: &Path, set: &Variables, args: &[&str]) -> Ran {
    let mut command = Command::new(env!("CARGO_BIN_EXE_baton-ping-one"));
    command.arg("doctor").args(args).env_clear().envs(set).current_dir(dir);
    let ran = soon(command.output()).await.unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let shown = text(&ran.stdout) + &text(&ran.stderr);
    assert!(!shown.contains(MARKER) && !shown.contains(PERSON), "{shown}");
    for secret in ["BATON_CLIENT_SECRET", "BATON_PINGONE_CLIENT_SECRET"] {
        let is_shown = set.get(secret).is_some_and(|secret| shown.contains(secret));
        assert!(!is_shown, "{secret} is in {shown}");
    }
    Ran {
        code: ran.status.code().unwrap(),
        text: shown,
    }
}

/// It says this of that check, and its exit code is that of the worst.
fn says(name: &str, ran: &Ran, level: &str, check: &str, part: &str) {
    let begin = format!("{level:<4}  {check:<11} ");
    let found = ran
        .text
        .lines()
        .any(|line| line.starts_with(&begin) && line.contains(part));
    assert!(found, "{name}: no {level} of {check} with {part:?} in\n{}", ran.text);
    let code = if ran.text.contains("\nfail  ") || ran.text.starts_with("fail") {
        1
    } else {
        2
    };
    assert_eq!(ran.code, code, "{name}: {}", ran.text);
}

#[tokio::test]
async fn a_healthy_setup_is_all_ok_in_each_form_and_in_the_bundle() {
    let (world, set) = healthy().await;
    let ran = doctor(world.dir.path(), &set, &["--bundle", "help.tar.gz"]).await;
    assert_eq!(ran.code, 0, "{}", ran.text);
    for check in [
        "settings",
        "disk",
        "kubernetes",
        "credentials",
        "baseline",
        "tcp",
        "tls",
        "clock",
        "token",
        "environment",
        "region",
        "read",
        "write",
        "rate",
        "activities",
        "c1",
        "daemon",
    ] {
        assert!(
            ran.text.contains(&format!("ok    {check:<11} ")),
            "{check} is not in\n{}",
            ran.text
        );
    }
    let json = doctor(world.dir.path(), &set, &["-o", "json"]).await;
    let document: Value = serde_json::from_str(&json.text).unwrap();
    assert_eq!((json.code, &document["result"]), (0, &Value::from("ok")));
    assert!(document["checks"].as_array().unwrap().len() > 20);

    let file = world.path("help.tar.gz");
    assert_eq!(
        std::os::unix::fs::PermissionsExt::mode(&std::fs::metadata(&file).unwrap().permissions()) & 0o777,
        0o600
    );
    let names = looked_through(&world, &file);
    assert_eq!(names[1], "baton-ping-one/report.txt", "{names:?}");
    let again = doctor(world.dir.path(), &set, &["--bundle", "help.tar.gz"]).await;
    assert!(
        again.code == 1 && again.text.contains("names a new file"),
        "{}",
        again.text
    );
}

/// The parts of a bundle; none of them holds a secret or names a person.
fn looked_through(world: &World, file: &Path) -> Vec<String> {
    let mut archive = tar::Archive::new(flate2::read::GzDecoder::new(std::fs::File::open(file).unwrap()));
    let mut names = Vec::new();
    for entry in archive.entries().unwrap() {
        let mut entry = entry.unwrap();
        names.push(entry.path().unwrap().display().to_string());
        let mut text = String::new();
        entry.read_to_string(&mut text).unwrap();
        for hidden in [PERSON, &world.c1_secret, &world.pingone.client_secret()] {
            assert!(!text.contains(hidden), "{text}");
        }
    }
    names
}

/// In each setting that takes a text, where PingOne is reached and where nothing is.
#[tokio::test]
async fn a_person_in_a_setting_is_in_no_line_and_in_no_bundle() {
    let (world, mut set) = healthy().await;
    set.remove("BATON_USER_FILTER");
    let takes_text = |field: &&Field| matches!(field.kind, Kind::Text | Kind::List) && !field.unsupported;
    // C1's client id only looks like somebody's address.
    let texts: Vec<&Field> = FIELDS
        .iter()
        .filter(takes_text)
        .filter(|field| field.name != "client-id")
        .collect();
    assert!(texts.len() > 40, "{}", texts.len());
    let ways = ["pingone-", "client-", "credentials-", "otel-", "health-"];
    let is_on_the_way = |field: &&&Field| ways.iter().any(|way| field.name.starts_with(way));
    let filter = format!("filter:email eq \"{PERSON}\"");
    for (name, value, reached) in [
        ("everything", PERSON, false),
        ("what is sent", PERSON, true),
        ("a filter", &filter, true),
    ] {
        let planted = texts.iter().filter(|field| !reached || !is_on_the_way(field));
        let mut args: Vec<String> = planted.map(|field| format!("--{}={value}", field.name)).collect();
        let bundle = format!("{name}.tar.gz");
        args.extend(["--role-assignment-scan=candidates", "--bundle", &bundle].map(str::to_owned));
        let args: Vec<&str> = args.iter().map(String::as_str).collect();
        let ran = doctor(world.dir.path(), &set, &args).await;
        says(name, &ran, "ok", "settings", "grant-principal = (not shown)");
        assert_eq!(ran.text.contains("ok    token"), reached, "{name}: {}", ran.text);
        looked_through(&world, &world.path(&bundle));
    }
}

#[tokio::test]
async fn what_settings_name_in_pingone_is_looked_for() {
    let (world, set) = healthy().await;
    let nobody = "00000000-0000-4000-8000-00000000dead";
    for (on, args, [level, part]) in [
        (
            false,
            vec!["--population-filter=nothing"],
            ["fail", "population-filter names \"nothing\""],
        ),
        (
            false,
            vec![
                "--role-assignment-scan=candidates",
                "--role-assignment-candidates=nothing",
            ],
            ["fail", "role-assignment-candidates names \"(not shown)\""],
        ),
        (
            false,
            vec!["--user-filter=family eq"],
            ["fail", "PingOne refuses user-filter ("],
        ),
        (
            false,
            vec![
                "--role-assignment-scan=candidates",
                "--role-assignment-candidates=filter:family eq",
            ],
            ["fail", "PingOne refuses role-assignment-candidates"],
        ),
        (true, vec!["--protected-roles=Nobody"], ["fail", "protected-roles"]),
        (false, vec!["--protected-roles=Nobody"], ["warn", "protected-roles"]),
        (
            true,
            vec!["--default-population-id", nobody],
            ["fail", "default-population-id names no population"],
        ),
        (
            true,
            vec!["--writable-role-scopes=organization:00000000-0000-4000-8000-00000000dead"],
            ["fail", "writable-role-scopes names organization:"],
        ),
        (false, vec!["--log-level=loud"], ["warn", "so info is in force"]),
        (false, vec!["--log-format=xml"], ["warn", "so json is in force"]),
    ] {
        let mut set = set.clone();
        set.insert("BATON_PROVISIONING", on.to_string());
        let ran = doctor(world.dir.path(), &set, &args).await;
        says(part, &ran, level, "settings", part);
    }
}

#[tokio::test]
async fn what_is_wrong_with_the_settings_is_named_all_at_once() {
    let (world, mut set) = healthy().await;
    std::fs::write(world.path("conf.yaml"), "pingone-regoin: eu\n").unwrap();
    set.remove("BATON_PINGONE_CLIENT_ID");
    set.remove("BATON_PINGONE_CLIENT_SECRET");
    set.extend([
        ("BATON_CONFIG_PATH", world.path("conf.yaml").display().to_string()),
        ("BATON_PINGONE_RATE_LIMIT", MARKER.to_owned()),
        ("BATON_PINGONE_REGOIN", "eu".to_owned()),
        ("BATON_INSECURE", "true".to_owned()),
        ("SSL_CERT_DIR", world.path("nowhere").display().to_string()),
    ]);
    let ran = doctor(world.dir.path(), &set, &[]).await;
    for (level, part) in [
        ("fail", "unknown key pingone-regoin (did you mean pingone-region?)"),
        (
            "fail",
            "--pingone-rate-limit (BATON_PINGONE_RATE_LIMIT, configuration key pingone-rate-limit): must be a whole number",
        ),
        (
            "fail",
            "--pingone-client-id (BATON_PINGONE_CLIENT_ID, configuration key pingone-client-id) is required",
        ),
        ("fail", "--pingone-client-secret (BATON_PINGONE_CLIENT_SECRET"),
        (
            "fail",
            "PingOne worker application. Set the flag, the variable or the key.",
        ),
        ("fail", "SSL_CERT_DIR names"),
        (
            "warn",
            "BATON_PINGONE_REGOIN (did you mean pingone-region?) is no setting",
        ),
        ("warn", "insecure is on"),
        ("ok", "user-filter = (not shown) (environment)"),
        ("ok", "client-secret = **** (environment)"),
    ] {
        says(part, &ran, level, "settings", part);
    }
    says("no secret", &ran, "ok", "tcp", "PingOne's API 127.0.0.1");
    let missing = "PINGONE_CLIENT_ID is missing. Add it to the Secret, the directory or the settings.";
    says("missing", &ran, "fail", "credentials", missing);
}

/// The way to the hosts needs no credentials.
#[tokio::test]
async fn without_a_secret_the_hosts_are_still_tried() {
    let (world, mut set) = healthy().await;
    set.remove("BATON_PINGONE_CLIENT_SECRET");
    let ran = doctor(world.dir.path(), &set, &[]).await;
    for check in ["tcp", "clock"] {
        says(check, &ran, "ok", check, "127.0.0.1");
    }
    says("another host", &ran, "fail", "credentials", "is missing");
    set.insert("BATON_PINGONE_BASE_URL", "ftp://localhost".to_owned());
    let ran = doctor(world.dir.path(), &set, &[]).await;
    says("no such way", &ran, "fail", "settings", "--pingone-base-url");
}

/// What is set, and the line that must be there.
type Case = (&'static str, &'static [(&'static str, &'static str)], [&'static str; 3]);

const CASES: [Case; 10] = [
    (
        "dead host",
        &[("BATON_PINGONE_BASE_URL", "http://127.0.0.1:1")],
        ["fail", "tcp", "Connection refused"],
    ),
    (
        "unknown host",
        &[("BATON_PINGONE_BASE_URL", "https://no-such-host.invalid")],
        ["fail", "dns", "no-such-host.invalid"],
    ),
    (
        "wrong secret",
        &[("BATON_PINGONE_CLIENT_SECRET", MARKER)],
        ["fail", "token", "Check pingone-client-id"],
    ),
    (
        "wrong environment",
        &[("BATON_PINGONE_ENVIRONMENT_ID", "00000000-0000-4000-8000-00000000dead")],
        ["fail", "token", "pingone"],
    ),
    (
        "wrong region",
        &[("BATON_PINGONE_REGION", "sg")],
        ["warn", "region", "pingone-region is sg"],
    ),
    (
        "no such directory",
        &[("BATON_C1Z_TEMP_DIR", "/nowhere/at/all")],
        ["fail", "disk", "/nowhere/at/all"],
    ),
    (
        "a state directory that is a file",
        &[("BATON_STATE_DIR", "/dev/null")],
        ["fail", "disk", "--state-dir"],
    ),
    (
        "plain http to another machine",
        &[("BATON_PINGONE_BASE_URL", "http://pingone.example")],
        [
            "fail",
            "settings",
            "--pingone-base-url (BATON_PINGONE_BASE_URL, configuration key pingone-base-url): must use https",
        ],
    ),
    (
        "C1's id malformed",
        &[("BATON_CLIENT_ID", "nobody")],
        [
            "fail",
            "credentials",
            "BATON_CLIENT_ID is malformed: must be <name>@<host>",
        ],
    ),
    (
        "dead proxy",
        &[
            ("HTTPS_PROXY", "http://127.0.0.1:1"),
            ("BATON_C1_API_HOST", "acme.conductor.one"),
        ],
        ["fail", "proxy", "127.0.0.1:1"],
    ),
];

#[tokio::test]
async fn each_fault_of_the_surroundings_is_named() {
    let (world, set) = healthy().await;
    for (name, changes, [level, check, part]) in CASES {
        let mut set = set.clone();
        set.extend(changes.iter().map(|(name, value)| (*name, (*value).to_owned())));
        let ran = doctor(world.dir.path(), &set, &[]).await;
        says(name, &ran, level, check, part);
    }
    // Another connector's secret is well-formed and refused.
    let mut set = set;
    let other = sandbox::c1::Identity::from_seed(CLIENT_ID, [9; 32]).unwrap();
    set.insert("BATON_CLIENT_SECRET", other.client_secret);
    let ran = doctor(world.dir.path(), &set, &[]).await;
    says("another's secret", &ran, "fail", "c1", "Make new credentials");
}

#[tokio::test]
async fn a_certificate_is_told_with_what_is_wrong_with_it_and_a_clock_with_its_distance() {
    let (world, set) = healthy().await;
    let trusted = stubs::tls(&["localhost"]).await;
    let foreign = stubs::tls(&["other.example"]).await;
    let pem = world.path("stubs.pem");
    std::fs::write(
        &pem,
        std::fs::read_to_string(world.path("ca.pem")).unwrap() + &foreign.pem,
    )
    .unwrap();
    let with = |url: String| {
        let mut set = set.clone();
        set.insert("SSL_CERT_FILE", pem.display().to_string());
        set.insert("BATON_PINGONE_BASE_URL", url);
        set
    };
    let ran = doctor(
        world.dir.path(),
        &with(format!("https://localhost:{}", trusted.port)),
        &[],
    )
    .await;
    says(
        "unknown authority",
        &ran,
        "fail",
        "tls",
        "of an authority that is not trusted",
    );
    let ran = doctor(
        world.dir.path(),
        &with(format!("https://localhost:{}", foreign.port)),
        &[],
    )
    .await;
    says("another's certificate", &ran, "fail", "tls", "of another host");
    let late = stubs::dated("Tue, 15 Nov 1994 08:12:31 GMT").await;
    let ran = doctor(world.dir.path(), &with(format!("http://127.0.0.1:{late}")), &[]).await;
    says("wrong clock", &ran, "fail", "clock", "ahead of 127.0.0.1");
    let silent = stubs::no_http().await;
    let ran = doctor(world.dir.path(), &with(format!("http://127.0.0.1:{silent}")), &[]).await;
    says("no HTTP", &ran, "fail", "http", "no answer in HTTP");
}

fn refuse(path: &str) -> Fault {
    let action = FaultAction::Refuse {
        status: 403,
        code: "ACCESS_FAILED".to_owned(),
        detail: Some("INSUFFICIENT_PERMISSIONS".to_owned()),
        target: None,
        message: "no".to_owned(),
    };
    Fault::on("GET", path, action).times(0)
}

/// Lists that only a setting asks for are tried where it is on.
#[tokio::test]
async fn what_is_synced_beyond_every_sync_is_tried() {
    let (world, set) = healthy().await;
    let lists = [
        ("applications", "or a custom role with applications:read:application"),
        ("gateways", "or set sync-gateways=false"),
        ("keys", "or set sync-secrets=false"),
    ];
    let refused = lists.map(|(list, _)| refuse(&format!("*/{list}")));
    world.pingone.set_faults(refused.to_vec());
    let ran = doctor(world.dir.path(), &set, &[]).await;
    assert_eq!(ran.code, 0, "{}", ran.text);
    let mut all = set;
    all.extend(
        [
            ("BATON_SYNC_APPLICATIONS", "all"),
            ("BATON_SYNC_GATEWAYS", "true"),
            ("BATON_SYNC_SECRETS", "true"),
        ]
        .map(|(name, value)| (name, value.to_owned())),
    );
    let ran = doctor(world.dir.path(), &all, &[]).await;
    for (list, part) in lists {
        says(list, &ran, "fail", "read", part);
    }
}

#[tokio::test]
async fn what_the_worker_application_lacks_is_named() {
    let (world, set) = healthy().await;
    let mut feeding = set.clone();
    feeding.insert("BATON_EVENT_FEED_ENABLED", "true".to_owned());
    for (name, path, [level, check, part]) in [
        (
            "groups",
            "/environments/{id}/groups",
            ["fail", "read", "Give the application Identity Data Read Only"],
        ),
        (
            "rates",
            "/environments/{id}/capabilities",
            ["warn", "rate", "could not be read"],
        ),
        (
            "activities",
            "/environments/{id}/activities",
            ["fail", "activities", "event-feed-enabled has nothing to tell"],
        ),
    ] {
        world.pingone.set_faults(vec![refuse(path)]);
        let ran = doctor(world.dir.path(), &feeding, &[]).await;
        says(name, &ran, level, check, part);
    }
    let mut options = Options::default();
    options.access.worker_role = ["Identity Data Read Only@POPULATION:0", "Environment Admin"]
        .map(str::to_owned)
        .to_vec();
    let narrow = sandbox::pingone::start(options).await.unwrap();
    let mut set = set;
    set.extend([
        ("BATON_PINGONE_BASE_URL", narrow.api_url()),
        ("BATON_PINGONE_AUTH_URL", narrow.auth_url()),
        ("BATON_PINGONE_CLIENT_ID", narrow.client_id().to_string()),
        ("BATON_PINGONE_CLIENT_SECRET", narrow.client_secret()),
        ("BATON_PINGONE_ENVIRONMENT_ID", narrow.environment_id().to_string()),
        ("BATON_PROVISIONING", "true".to_owned()),
        ("BATON_SYNC_APPLICATIONS", "workers".to_owned()),
    ]);
    let ran = doctor(world.dir.path(), &set, &[]).await;
    says("narrow role", &ran, "warn", "read", "users of single populations only");
    for (level, part) in [
        ("fail", "it may not create, change and delete groups"),
        ("fail", "it may not remove MFA devices of users"),
        ("fail", "it may not end sessions of users"),
        ("ok", "may switch MFA of users on and off"),
        ("ok", "may take away roles of applications, where it holds"),
    ] {
        says(part, &ran, level, "write", part);
    }
    says(
        "no right to write",
        &ran,
        "fail",
        "write",
        "Identity Data Admin is missing",
    );
}

/// The same in a cluster, where the credentials come from a Secret.
async fn in_a_cluster() -> (World, Variables) {
    let (world, mut set) = healthy().await;
    for name in [
        "BATON_CLIENT_ID",
        "BATON_CLIENT_SECRET",
        "BATON_PINGONE_CLIENT_ID",
        "BATON_PINGONE_CLIENT_SECRET",
        "BATON_PINGONE_ENVIRONMENT_ID",
    ] {
        set.remove(name);
    }
    set.extend([
        ("KUBECONFIG", world.path("kubeconfig").display().to_string()),
        ("BATON_CREDENTIALS_SECRET", "credentials".to_owned()),
        ("BATON_LEADER_ELECTION_LEASE_NAME", "leader".to_owned()),
        ("DEPLOYMENT_NAME", "baton-ping-one".to_owned()),
    ]);
    (world, set)
}

#[tokio::test]
async fn the_cluster_s_rights_the_secret_and_the_lease_are_looked_at() {
    let (world, set) = in_a_cluster().await;
    let none = doctor(world.dir.path(), &set, &[]).await;
    says(
        "no Secret",
        &none,
        "fail",
        "secret",
        "there is no Secret credentials in here",
    );
    says(
        "nothing to work with",
        &none,
        "fail",
        "credentials",
        "PingOne: BATON_PINGONE_CLIENT_ID is missing",
    );

    world.put_secret(&world.pingone.client_secret(), &world.c1_secret);
    let ran = doctor(world.dir.path(), &set, &[]).await;
    assert_eq!(ran.code, 0, "{}", ran.text);
    assert!(
        ran.text.contains("may do all that is needed in here (7 rights)"),
        "{}",
        ran.text
    );

    world.kube.data().forbidden.extend(["update leases", "create events"]);
    let lacking = doctor(world.dir.path(), &set, &[]).await;
    says(
        "rights",
        &lacking,
        "fail",
        "kubernetes",
        "may not do this in here: create events, update leases/leader",
    );
    world.kube.data().forbidden.clear();
}

#[tokio::test]
async fn what_lies_beside_the_credentials_is_named() {
    let (world, set) = in_a_cluster().await;
    let [id, secret, environment] = world.pingone_values();
    let (id, secret, environment) = (id.1, secret.1 + "\n", environment.1);
    world.kube.put_secret(&[
        ("BATON_PINGONE_CLIENT_ID", &id),
        ("BATON_PINGONE_CLIENT_SECRET", &secret),
        ("BATON_PINGONE_ENVIRONMENT_ID", &environment),
        ("BATON_PROVISIONING", "true"),
    ]);
    let ran = doctor(world.dir.path(), &set, &[]).await;
    says(
        "ignored key",
        &ran,
        "warn",
        "credentials",
        "the Secret also holds BATON_PROVISIONING, which is not read from there",
    );
    says(
        "line end",
        &ran,
        "warn",
        "credentials",
        "BATON_PINGONE_CLIENT_SECRET ends in a line end",
    );
}
