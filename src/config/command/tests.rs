use std::io;
use std::path::Path;

use super::*;
use crate::config::{LeaderElection, OneShot, StorageEngine};
use pingone::Region;
use secrecy::ExposeSecret;

mod scopes;

/// Flags, environment, and a part of the message.
type Case<'a> = (&'a [&'a str], &'a [(&'a str, &'a str)], &'a str);

const ENVIRONMENT: &str = "5f0c6a52-6a1e-4f0b-9a43-2f9a1c0d7e11";

fn env(pairs: &[(&str, &str)]) -> Environment {
    pairs
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect()
}

fn full(pairs: &[(&str, &str)]) -> Environment {
    let mut all = env(&[
        ("BATON_PINGONE_CLIENT_ID", "id"),
        ("BATON_PINGONE_CLIENT_SECRET", "marker-secret"),
        ("BATON_PINGONE_ENVIRONMENT_ID", ENVIRONMENT),
    ]);
    all.extend(env(pairs));
    all
}

fn load_with(args: &[&str], env: &Environment, files: &[(&str, &str)]) -> Result<Invocation, ConfigError> {
    let args = ["baton-ping-one"].iter().chain(args).map(OsString::from);
    let read = |path: &Path| {
        let found = files.iter().find(|(name, _)| Path::new(name) == path);
        found
            .map(|(_, text)| (*text).to_owned())
            .ok_or_else(|| io::ErrorKind::NotFound.into())
    };
    Invocation::load(args, env, &read)
}

fn load(args: &[&str], env: &Environment) -> Result<Invocation, ConfigError> {
    load_with(args, env, &[])
}

fn problem(result: Result<Invocation, ConfigError>) -> String {
    result.unwrap_err().to_string()
}

#[test]
fn the_command_line_is_sound() {
    command_line().debug_assert();
}

#[test]
fn a_flag_outranks_the_environment_and_the_environment_the_file() {
    let file = [(
        "c.yaml",
        "pingone-region: ca\nfile: from-file.c1z\nprotected-roles: [a, b]\npingone-rate-limit: 7\n",
    )];
    let env = full(&[("BATON_CONFIG_PATH", "c.yaml"), ("BATON_PINGONE_REGION", "eu")]);
    let config = load_with(&["--pingone-region", "sg"], &env, &file).unwrap().config;
    assert_eq!(config.pingone.region, Region::Sg);
    let config = load_with(&[], &env, &file).unwrap().config;
    assert_eq!(
        (config.pingone.region.tld(), config.file.to_str()),
        ("eu", Some("from-file.c1z"))
    );
    assert_eq!(config.provision.protected_roles, ["a", "b"]);
    assert_eq!(config.pingone.rate_limit, 7);
    assert_eq!(load(&[], &full(&[])).unwrap().config.pingone.region, Region::Com);
}

const BAD_VALUES: [Case; 23] = [
    (
        &["--pingone-base-url", "ftp://x"],
        &[],
        "--pingone-base-url (BATON_PINGONE_BASE_URL, configuration key pingone-base-url): must be a URL such as",
    ),
    (
        &[],
        &[("BATON_PINGONE_AUTH_URL", "http://auth.example.com")],
        "pingone-auth-url): must use https; plain http is accepted for loopback addresses only (value from the environment)",
    ),
    (&["--file", ""], &[], "must name a file"),
    (&["-f", " "], &[], "must name a file"),
    (
        &["--pingone-region", "mars"],
        &[],
        "--pingone-region (BATON_PINGONE_REGION, configuration key pingone-region): must be one of com",
    ),
    (&["--pingone-environment-id", "x"], &[], "must be a UUID"),
    (
        &["--task-concurrency", "0"],
        &[],
        "must be a whole number from 1 to 100",
    ),
    (
        &["--pingone-max-in-flight", "300"],
        &[],
        "from 1 to 256 (value from the command line)",
    ),
    (
        &[],
        &[("BATON_PROVISIONING", "yes")],
        "must be true or false (value from the environment)",
    ),
    (&["--sync-interval", "5 minutes"], &[], "must be a time such as"),
    (
        &["--sync-interval", "18446744073709551615s"],
        &[],
        "must be at most 8784h",
    ),
    (&["--sync-resource-types", "user,robot"], &[], "robot is not"),
    (
        &["--sync-resource-types", "user,application"],
        &[],
        "names application, which only sync-applications switches on",
    ),
    (
        &["--sync-resource-types", "user,role_assignment"],
        &[],
        "names role_assignment, which only role-model=scope-binding switches on",
    ),
    (&["--sync-secrets"], &[], "needs sync-applications or sync-gateways"),
    (&["--health-check-bind-address", "here"], &[], "must be an IP address"),
    (&["--role-model", "scope_binding"], &[], "must be one of entitlements"),
    (
        &["--otel-collector-endpoint", "http://x:4317"],
        &[],
        "must be a host and a port",
    ),
    (&["--otel-collector-endpoint", "x"], &[], "must be a host and a port"),
    (
        &["--otel-collector-endpoint=x:1", "--otel-collector-endpoint-tls-cert=%"],
        &[],
        "must be PEM in base64url",
    ),
    (&["--sync-applications", "worker"], &[], "must be one of none"),
    (&["--protected-users", "root"], &[], "must be ids of users (UUIDs)"),
    (&["--user-agent-suffix", "a\nb"], &[], "visible characters"),
];

#[test]
fn a_bad_value_names_flag_environment_and_key_but_never_a_secret() {
    for (args, extra, expected) in BAD_VALUES {
        let text = problem(load(args, &full(extra)));
        assert!(text.contains(expected), "{text}");
        assert!(!text.contains("marker-secret"));
    }
}

#[test]
fn what_is_missing_is_named() {
    let text = problem(load(&[], &env(&[])));
    assert!(text.starts_with("3 settings are missing"), "{text}");
    for (flag, variable) in [
        ("pingone-client-id", "BATON_PINGONE_CLIENT_ID"),
        ("pingone-client-secret", "BATON_PINGONE_CLIENT_SECRET"),
        ("pingone-environment-id", "BATON_PINGONE_ENVIRONMENT_ID"),
    ] {
        let line = format!("\n  --{flag} ({variable}, configuration key {flag}) is required");
        assert!(text.contains(&line), "{text}");
    }
    // What another setting needs beside it stands in the same list.
    let text = problem(load(&["--client-id", "a", "--grant-principal", "p"], &env(&[])));
    assert!(text.starts_with("5 settings are missing"), "{text}");
    for part in [
        "\n  --pingone-environment-id (BATON_PINGONE_ENVIRONMENT_ID, ",
        "\n  --client-id also needs --client-secret (BATON_CLIENT_SECRET, configuration key client-secret): ",
        "\n  --grant-principal also needs --grant-entitlement (BATON_GRANT_ENTITLEMENT, ",
    ] {
        assert!(text.contains(part), "{text}");
    }
}

#[test]
fn features_that_are_not_built_end_the_start() {
    let cases: [(&[&str], &str); 3] = [
        (&["--ticketing"], "--ticketing is not supported by baton-ping-one"),
        (&["--diff-syncs"], "--diff-syncs is not supported by baton-ping-one"),
        (
            &["--external-resource-c1z", "x"],
            "--external-resource-c1z is not supported by baton-ping-one",
        ),
    ];
    for (args, expected) in cases {
        assert_eq!(problem(load(args, &full(&[]))), expected);
    }
    assert!(load(&["--ticketing=false", "--sync-applications", "none"], &full(&[])).is_ok());
}

/// What C1's form offers, from the same table as `config_schema.json`.
#[test]
fn whatever_is_offered_starts() {
    for field in FIELDS.iter().filter(|field| field.export) {
        assert!(!field.unsupported, "{}", field.name);
        let values: &[&str] = match field.kind {
            Kind::Choice(values) => values,
            Kind::Bool => &["true", "false"],
            Kind::Text | Kind::Int(..) | Kind::List | Kind::Duration => &[],
        };
        for value in values {
            let flag = format!("--{}={value}", field.name);
            let mut args = vec![flag.as_str()];
            // Of whom credentials are shown, another setting says.
            args.extend((field.name == "sync-secrets").then_some("--sync-gateways"));
            assert!(load(&args, &full(&[])).is_ok(), "{flag}");
        }
    }
}

#[test]
fn the_file_must_hold_known_keys_only() {
    let cases = [
        (
            "pingone-regoin: eu",
            ": line 1: unknown key pingone-regoin (did you mean pingone-region?)",
        ),
        ("- a", "must be a map"),
        ("a: [", "not valid YAML"),
        ("file: {a: 1}", "must be a text"),
    ];
    for (text, expected) in cases {
        let found = problem(load_with(
            &[],
            &full(&[("BATON_CONFIG_PATH", "c.yaml")]),
            &[("c.yaml", text)],
        ));
        assert!(found.contains(expected), "{found}");
    }
    assert!(problem(load(&[], &full(&[("BATON_CONFIG_PATH", "c.yaml")]))).contains("cannot be read"));
    assert!(problem(load(&[], &full(&[("BATON_CONFIG_PATH", "c.json")]))).contains(".yaml or .yml"));
}

#[test]
fn secrets_come_from_files_too_without_the_line_end() {
    let mut env = full(&[("BATON_PINGONE_CLIENT_SECRET_FILE", "s")]);
    env.remove("BATON_PINGONE_CLIENT_SECRET");
    let config = load_with(&[], &env, &[("s", "from-file\n")]).unwrap().config;
    assert_eq!(config.pingone.client_secret.unwrap().expose_secret(), "from-file");
    assert!(problem(load_with(&[], &env, &[("s", "\n")])).contains("not empty"));
    assert!(problem(load(&[], &env)).contains("can be read"));
}

#[test]
fn a_private_key_takes_the_secrets_place() {
    let pem = sandbox::pingone::private_key();
    let mut env = full(&[("BATON_PINGONE_PRIVATE_KEY_FILE", "k")]);
    let both = problem(load_with(&[], &env, &[("k", &pem)]));
    assert!(
        both.contains("exclude each other") && both.contains("--pingone-private-key-file"),
        "{both}"
    );
    env.remove("BATON_PINGONE_CLIENT_SECRET");
    let config = load_with(&["--pingone-private-key-id", "k1"], &env, &[("k", &pem)]);
    let pingone = config.unwrap().config.pingone;
    assert_eq!(pingone.private_key.unwrap().expose_secret(), pem.trim_end());
    assert_eq!(pingone.private_key_id.as_deref(), Some("k1"));
    let wrong = problem(load_with(&[], &env, &[("k", "marker-secret")]));
    assert!(
        wrong.contains("not a private key in PEM form") && !wrong.contains("marker-secret"),
        "{wrong}"
    );
}

#[test]
fn booleans_may_stand_alone() {
    for args in [
        &["--provisioning"][..],
        &["--provisioning=true"],
        &["-p"],
        &["--provisioning=1"],
    ] {
        assert!(load(args, &full(&[])).unwrap().config.provision.enabled, "{args:?}");
    }
    assert!(
        !load(&["--provisioning=false"], &full(&[("BATON_PROVISIONING", "true")]))
            .unwrap()
            .config
            .provision
            .enabled
    );
}

#[test]
fn a_typo_is_answered_with_a_suggestion_and_code_64() {
    let error = load(&["--pingone-regoin", "eu"], &full(&[])).unwrap_err();
    assert_eq!(error.exit_code(), 64);
    assert!(error.to_string().contains("--pingone-region"), "{error}");
    for args in [["--help"], ["--version"]] {
        assert_eq!(load(&args, &env(&[])).unwrap_err().exit_code(), 0);
    }
}

#[test]
fn settings_that_belong_together_or_exclude_each_other() {
    let cases: [(&[&str], &str); 5] = [
        (
            &["--client-id", "a"],
            "--client-id also needs --client-secret (BATON_CLIENT_SECRET, configuration key client-secret): C1",
        ),
        (
            &["--grant-entitlement", "e"],
            "--grant-entitlement also needs --grant-principal",
        ),
        (&["--revoke-grant", "g", "--delete-resource", "r"], "exclude each other"),
        (
            &["--rotate-credentials-type", "user", "--delete-resource-type", "user"],
            "exclude each other",
        ),
        (&["--skip-grants"], "skip-grants can only be set within a targeted sync"),
    ];
    for (args, expected) in cases {
        let text = problem(load(args, &full(&[])));
        assert!(text.contains(expected), "{text}");
    }
}

#[test]
fn the_first_one_shot_that_is_set_wins() {
    let shot = |args: &[&str]| load(args, &full(&[])).unwrap().config.one_shot;
    assert_eq!(shot(&[]), OneShot::Sync);
    assert_eq!(shot(&["--create-account-email", "m@example.com"]), OneShot::Sync);
    assert!(matches!(
        shot(&["--create-account-login", "m", "--invoke-action", "x"]),
        OneShot::CreateAccount { .. }
    ));
    assert!(matches!(
        shot(&["--list-action-schemas", "--delete-resource", "x"]),
        OneShot::ListActions(None)
    ));
    assert!(matches!(shot(&["--event-feed=true"]), OneShot::EventFeed { .. }));
}

#[test]
fn the_event_feed_begins_where_it_is_told() {
    let shot = |args: &[&str]| load(&[&["--event-feed"], args].concat(), &full(&[]));
    let expected = OneShot::EventFeed {
        feed: Some("f".to_owned()),
        cursor: Some("c".to_owned()),
        start_at: Some("2026-01-31T12:00:00Z".parse().unwrap()),
    };
    let all = [
        "--event-feed-id=f",
        "--event-feed-cursor=c",
        "--event-feed-start-at=2026-01-31T13:00:00+01:00",
    ];
    assert_eq!(shot(&all).unwrap().config.one_shot, expected);
    for wrong in ["yesterday", "2026-02-03", "1769860800"] {
        let text = problem(shot(&["--event-feed-start-at", wrong]));
        assert!(text.contains("RFC 3339") && !text.contains(wrong), "{text}");
    }
}

#[test]
fn targets_are_baton_ids() {
    let config = load(&["--sync-resources", r"bid:r:group/a\/b,bid:r:user/u"], &full(&[]))
        .unwrap()
        .config;
    let expected = [
        ("group".to_owned(), "a/b".to_owned()),
        ("user".to_owned(), "u".to_owned()),
    ];
    assert_eq!(config.sync.resources, expected);
    for bid in ["group/a", "bid:r:group", "bid:e:group/a:member", "bid:r:a/b/c"] {
        assert!(load(&["--sync-resources", bid], &full(&[])).is_err(), "{bid}");
    }
}

#[test]
fn the_storage_engine_may_be_empty() {
    for (value, expected) in [
        ("", StorageEngine::Unset),
        ("sqlite", StorageEngine::Sqlite),
        ("pebble", StorageEngine::Pebble),
    ] {
        let config = load(&["--storage-engine", value], &full(&[])).unwrap().config;
        assert_eq!(config.sync.storage_engine, expected);
    }
}

#[test]
fn subcommands_need_no_credentials() {
    let none = env(&[]);
    assert_eq!(load(&["config"], &none).unwrap().command, Command::Config);
    assert_eq!(load(&["capabilities"], &none).unwrap().command, Command::Capabilities);
    let inspect = Inspect {
        file: PathBuf::from("x.c1z"),
        view: InspectView::Grants,
        names: false,
        format: Output::Csv,
    };
    for args in [
        ["inspect", "-f", "x.c1z", "grants", "-o", "csv"],
        ["inspect", "grants", "-o", "csv", "--file", "x.c1z"],
    ] {
        assert_eq!(
            load(&args, &none).unwrap().command,
            Command::Inspect(inspect.clone()),
            "{args:?}"
        );
    }
}

#[test]
fn every_spelling_of_the_default_of_an_unsupported_switch_is_accepted() {
    for text in ["0", "f", "F", "FALSE", "false", "False"] {
        assert!(load(&[&format!("--ticketing={text}")], &full(&[])).is_ok(), "{text}");
        assert!(load(&[], &full(&[("BATON_DIFF_SYNCS", text)])).is_ok(), "{text}");
    }
    for text in ["1", "t", "True"] {
        let problem = problem(load(&[], &full(&[("BATON_DIFF_SYNCS", text)])));
        assert_eq!(problem, "--diff-syncs is not supported by baton-ping-one", "{text}");
    }
    assert!(problem(load(&["--ticketing=perhaps"], &full(&[]))).contains("must be true or false"));
}

#[test]
fn a_switch_that_is_off_excludes_nothing_however_it_is_spelled() {
    for off in ["--event-feed=0", "--event-feed=False", "--event-feed=f"] {
        assert!(load(&[off, "--revoke-grant", "g"], &full(&[])).is_ok(), "{off}");
    }
    assert!(problem(load(&["--event-feed=1", "--revoke-grant", "g"], &full(&[]))).contains("exclude each other"));
}

#[test]
fn a_daemon_never_leaves_grants_out() {
    let expected = "skip-grants can only be set within a targeted sync";
    let target = ["--skip-grants", "--sync-resources", "bid:r:user/u"];
    assert!(load(&target, &full(&[])).is_ok());
    let daemons: [&[&str]; 3] = [
        &["--client-id", "a@b/c", "--client-secret", "s"],
        &["--sync-interval", "1h"],
        &["--credentials-secret", "s"],
    ];
    for daemon in daemons {
        let args: Vec<&str> = target.iter().chain(daemon).copied().collect();
        assert_eq!(problem(load(&args, &full(&[]))), expected, "{daemon:?}");
    }
}

#[test]
fn a_source_that_can_change_may_hold_the_other_half_of_a_pair() {
    for source in ["--credentials-secret", "--credentials-dir"] {
        let config = load(&[source, "x", "--client-id", "a@b/c"], &env(&[])).unwrap().config;
        assert_eq!(config.fixed_c1.client_id.as_deref(), Some("a@b/c"));
        assert!(config.fixed_c1.client_secret.is_none() && config.c1.is_none());
    }
    assert!(problem(load(&["--client-id", "a@b/c"], &full(&[]))).contains("--client-secret"));
}

#[test]
fn the_lease_is_renewed_before_it_ends_and_tried_again_before_that() {
    let kubernetes = load(&[], &full(&[])).unwrap().config.kubernetes;
    assert_eq!(kubernetes.leader_election, LeaderElection::Auto);
    assert_eq!(kubernetes.lease_name, "baton-ping-one-leader");
    let seconds = [
        kubernetes.lease_duration,
        kubernetes.renew_deadline,
        kubernetes.retry_period,
    ]
    .map(|t| t.as_secs());
    assert_eq!(seconds, [15, 10, 2]);
    let cases: [(&[&str], &str); 6] = [
        (&["--leader-election-lease-duration", "1500ms"], "whole seconds"),
        (&["--leader-election-lease-duration", "2h"], "whole seconds"),
        (
            &["--leader-election-renew-deadline", "15s"],
            "less than leader-election-lease-duration",
        ),
        (
            &["--leader-election-retry-period", "10s"],
            "less than half of leader-election-renew-deadline",
        ),
        (&["--leader-election-retry-period", "0"], "longer than nothing"),
        (&["--leader-election-lease-name", "Not A Name"], "lower-case"),
    ];
    for (args, expected) in cases {
        let text = problem(load(args, &full(&[])));
        assert!(text.contains(expected), "{args:?}: {text}");
    }
}

#[test]
fn an_object_of_the_cluster_has_a_name_that_the_cluster_takes() {
    for name in ["a", "baton-ping-one-secrets", "a.b-c.1"] {
        let config = load(&["--credentials-secret", name], &full(&[])).unwrap().config;
        assert_eq!(config.kubernetes.secret.as_deref(), Some(name));
    }
    for name in ["-a", "a-", "A", "a_b", "a..b", "a/b", &"a".repeat(254)] {
        let env = full(&[("BATON_CREDENTIALS_SECRET", name)]);
        assert!(problem(load(&[], &env)).contains("lower-case"), "{name}");
    }
}

#[test]
fn no_secret_appears_in_what_is_printed_of_the_settings() {
    let args = ["--client-id", "a@b/c", "--client-secret", "c1-marker-secret"];
    let printed = format!("{:?}", load(&args, &full(&[])).unwrap());
    assert!(!printed.contains("marker-secret"), "{printed}");
}

#[test]
fn a_text_in_the_file_stays_as_it_is_written() {
    // All of these are numbers to YAML, and each would come back spelled another way.
    for text in [
        "0123",
        "007",
        "1e5",
        "0x10",
        "1.50",
        "12345678901234567890123",
        "+5",
        "1_000",
        "yes",
        "~x",
    ] {
        let file = format!("file: {text}\nprotected-roles: [{text}]\n");
        let env = full(&[("BATON_CONFIG_PATH", "c.yaml")]);
        let config = load_with(&[], &env, &[("c.yaml", &file)]).unwrap().config;
        assert_eq!(config.file.to_str(), Some(text));
        assert_eq!(config.provision.protected_roles, [text]);
    }
}
