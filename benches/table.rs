//! `make bench`: one table from one run. Syncs of three directories against the stand-in in a process of its own, without
//! a limit and under one that is told and one that is not, each compared with its true state row for row; writes of three
//! files; translation. `SMALL=1` leaves the million out.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::indexing_slicing,
    clippy::too_many_lines
)]
#![allow(
    clippy::disallowed_methods,
    reason = "a program of its own: it reads its switches and spawns its children"
)]

use std::collections::HashSet;
use std::hash::{BuildHasher, BuildHasherDefault, DefaultHasher};
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Instant;

use baton::c1z::{
    EntitlementRow, GrantRow, Limits, Reader, ResourceRow, ResourceTypeRow, StorageEngine, SyncEnd, SyncStart,
    SyncType, Writer, WriterOptions,
};
use baton::model::EntitlementId;
use baton::wire::{self, GrantEncoder};
use baton_ping_one::app::report::process_usage;
use baton_ping_one::model::{GROUP, USER};
use baton_ping_one::sync::translate_page;
use serde_json::Value;

fn main() {
    let args: Vec<String> = std::env::args().collect();
    if let Some(at) = args.iter().position(|arg| arg == "--write") {
        let file = args.get(at + 3).map(Path::new);
        write_child(args[at + 1].parse().unwrap(), args[at + 2].parse().unwrap(), file);
        return;
    }
    let mut failed = false;
    println!(
        "{:<14} {:>8} {:>8} {:>8} {:>9} {:>9} {:>9} {:>7} {:>9} {:>9}  rows",
        "sync", "wall s", "x bound", "cpu s", "peak MB", "requests", "least", "x least", "refused", "file MB"
    );
    let mut scenarios = vec![Scenario::free("bench-2k"), Scenario::free("bench-50k")];
    if std::env::var_os("SMALL").is_none() {
        scenarios.push(Scenario::free("bench-1m"));
    }
    scenarios.extend(Scenario::LIMITED);
    for scenario in &scenarios {
        failed |= !sync_row(scenario);
    }
    println!(
        "\n{:<10} {:<7} {:>8} {:>8} {:>9} {:>9}",
        "grants", "engine", "wall s", "cpu s", "peak MB", "file MB"
    );
    for grants in ["10000", "100000", "1000000"] {
        for engine in StorageEngine::ALL {
            write_row(grants, engine);
        }
    }
    diff_rows();
    translate_row();
    assert!(!failed, "a file differs from the directory");
}

/// A directory and how fast it may be asked.
#[derive(Clone, Copy)]
struct Scenario {
    name: &'static str,
    /// Switches of the stand-in.
    sandbox: &'static [&'static str],
    /// `pingone-rate-limit`
    rate_limit: &'static str,
    /// Requests a second that are taken, if not all.
    rate: Option<f64>,
}

impl Scenario {
    const LIMITED: [Self; 2] = [
        Self {
            name: "told 100/s",
            sandbox: &[
                "--preset",
                "bench-2k",
                "--latency-ms",
                "50",
                "--rate-shared",
                "100",
                "--rates-in-capabilities",
            ],
            rate_limit: "0",
            rate: Some(100.0),
        },
        Self {
            name: "hidden 40/s",
            sandbox: &[
                "--preset",
                "bench-2k",
                "--users",
                "1000",
                "--latency-ms",
                "50",
                "--rate-shared",
                "40",
            ],
            rate_limit: "0",
            rate: Some(40.0),
        },
    ];

    fn free(preset: &'static str) -> Self {
        let sandbox: &'static [&'static str] = match preset {
            "bench-2k" => &["--preset", "bench-2k"],
            "bench-50k" => &["--preset", "bench-50k"],
            _ => &["--preset", "bench-1m"],
        };
        Self {
            name: preset,
            sandbox,
            rate_limit: "100000",
            rate: None,
        }
    }
}

/// The release binary beside this one.
fn program(name: &str) -> PathBuf {
    let own = std::env::current_exe().unwrap();
    own.parent().unwrap().parent().unwrap().join(name)
}

struct Sandbox {
    child: Child,
    line: Value,
}

impl Sandbox {
    fn start(switches: &[&str]) -> Self {
        let mut child = Command::new(program("sandbox"))
            .arg("pingone")
            .args(switches)
            .stdout(Stdio::piped())
            .spawn()
            .expect("the sandbox is built (make release)");
        let mut line = String::new();
        BufReader::new(child.stdout.as_mut().unwrap())
            .read_line(&mut line)
            .unwrap();
        Self {
            child,
            line: serde_json::from_str(&line).unwrap(),
        }
    }

    fn text(&self, key: &str) -> &str {
        self.line[key].as_str().unwrap()
    }

    /// Lines of an admin path.
    fn lines(&self, path: &str, mut each: impl FnMut(&str)) {
        use std::io::Write;
        let address = self
            .text("api_url")
            .trim_start_matches("http://")
            .split('/')
            .next()
            .unwrap();
        let mut stream = std::net::TcpStream::connect(address).unwrap();
        write!(
            stream,
            "GET {path} HTTP/1.0\r\nHost: {address}\r\nConnection: close\r\n\r\n"
        )
        .unwrap();
        let mut lines = BufReader::with_capacity(1 << 20, stream);
        let mut line = String::new();
        while lines.read_line(&mut line).unwrap() > 0 {
            // Headers and chunk sizes are no objects.
            if line.starts_with('{') {
                each(line.trim_end());
            }
            line.clear();
        }
    }
}

impl Drop for Sandbox {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

fn sync_row(scenario: &Scenario) -> bool {
    let name = scenario.name;
    let sandbox = Sandbox::start(scenario.sandbox);
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("sync.c1z");
    let output = Command::new(program("baton-ping-one"))
        .args([
            "-o",
            "json",
            "--log-level",
            "warn",
            "--pingone-rate-limit",
            scenario.rate_limit,
            "--max-shrink-percent",
            "0",
        ])
        .arg("--file")
        .arg(&file)
        .env("BATON_PINGONE_BASE_URL", sandbox.text("api_url"))
        .env("BATON_PINGONE_AUTH_URL", sandbox.text("auth_url"))
        .env("BATON_PINGONE_ENVIRONMENT_ID", sandbox.text("environment_id"))
        .env("BATON_PINGONE_CLIENT_ID", sandbox.text("client_id"))
        .env("BATON_PINGONE_CLIENT_SECRET", sandbox.text("client_secret"))
        .stderr(Stdio::inherit())
        .output()
        .unwrap();
    if !output.status.success() {
        println!("{name:<14} the sync failed");
        return false;
    }
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    let mut calls = Calls::default();
    let (expected, found) = (expected_rows(&sandbox, &mut calls), file_rows(&file, dir.path()));
    let least = calls.least() + u64::from(scenario.rate_limit == "0");
    let requests: u64 = report["requests"]
        .as_object()
        .unwrap()
        .values()
        .filter_map(Value::as_u64)
        .sum::<u64>()
        + 1;
    let number = |key: &str| report[key].as_f64().unwrap();
    let ratio = |one: f64, other: u64| one / f64::from(u32::try_from(other.max(1)).unwrap());
    let bound = scenario.rate.map_or_else(
        || "-".to_owned(),
        |rate| format!("{:.3}", ratio(number("seconds") * rate, least)),
    );
    println!(
        "{name:<14} {:>8.2} {bound:>8} {:>8.2} {:>9.1} {requests:>9} {least:>9} {:>7.3} {:>9} {:>9.1}  {}",
        number("seconds"),
        number("cpu_seconds"),
        number("peak_memory_bytes") / 1e6,
        ratio(f64::from(u32::try_from(requests).unwrap()), least),
        report["refused"],
        number("file_size_bytes") / 1e6,
        if expected == found {
            "equal".to_owned()
        } else {
            format!("DIFFER: {expected:?} expected, {found:?} found")
        }
    );
    expected == found
}

/// A set of rows as its size and a sum of hashes, which does not depend on their order.
#[derive(Debug, Default, PartialEq, Eq)]
struct Rows {
    users: u64,
    grants: u64,
    sum: u64,
}

impl Rows {
    fn add(&mut self, row: &str) {
        let hasher = BuildHasherDefault::<DefaultHasher>::default();
        self.sum = self.sum.wrapping_add(hasher.hash_one(row));
    }

    fn grant(&mut self, entitlement: &str, kind: &str, principal: &str) {
        self.grants += 1;
        self.add(&format!("{entitlement} {kind} {principal}"));
    }
}

/// What the least calls of a sync follow from (pingone-api.md §8, L), counted from the rows of the true state.
#[derive(Default)]
struct Calls {
    users: u64,
    populations: HashSet<String>,
    groups: u64,
    of_groups: u64,
    scopes: HashSet<String>,
}

impl Calls {
    fn least(&self) -> u64 {
        let foreign = self.scopes.difference(&self.populations).count();
        let lists = pages(self.users, 200).max(1)
            + pages(length(self.populations.len()), 100).max(1)
            + pages(self.groups, 200).max(1)
            + 2;
        2 + lists + self.of_groups + self.users + length(foreign)
    }

    /// Its lists of members and of nested groups, and a static one's role assignments.
    fn group(&mut self, row: &Value) {
        let count = |key: &str| length(row[key].as_array().map_or(0, Vec::len));
        let by_source = row["dynamic"] == true || row["external"] == true;
        self.groups += 1;
        self.of_groups += pages(count("children"), 200);
        if row["external"] != true {
            self.of_groups += pages(count("direct"), 200);
        }
        self.of_groups += if by_source {
            pages(all_members(row), 200).max(1)
        } else {
            1
        };
    }
}

fn length(count: usize) -> u64 {
    u64::try_from(count).unwrap()
}

fn pages(rows: u64, size: u64) -> u64 {
    rows.div_ceil(size)
}

fn all_members(row: &Value) -> u64 {
    let lists = ["direct", "computed", "nested"]
        .iter()
        .filter_map(|key| row[key].as_array());
    length(lists.flatten().filter_map(Value::as_str).collect::<HashSet<_>>().len())
}

fn expected_rows(sandbox: &Sandbox, calls: &mut Calls) -> Rows {
    let mut rows = Rows::default();
    let environment = sandbox.text("environment_id").to_owned();
    let mut assignments = HashSet::new();
    sandbox.lines("/sandbox/state?full=true", |line| {
        let value: Value = serde_json::from_str(line).unwrap();
        let text = |key: &str| value[key].as_str().unwrap_or_default().to_owned();
        let list = |key: &str| value[key].as_array().cloned().unwrap_or_default();
        match text("kind").as_str() {
            "population" => {
                calls.populations.insert(text("id"));
            }
            "user" => {
                rows.users += 1;
                calls.users += 1;
                rows.add(&format!("user {}", text("id")));
                rows.grant(
                    &format!("population:{}:member", text("population")),
                    "user",
                    &text("id"),
                );
            }
            "group" => {
                calls.group(&value);
                let entitlement = format!("group:{}:member", text("id"));
                let direct: Vec<Value> = list("direct");
                let nested: HashSet<String> = list("nested")
                    .iter()
                    .map(|id| id.as_str().unwrap().to_owned())
                    .collect();
                let mut seen: HashSet<&str> = direct.iter().map(|id| id.as_str().unwrap()).collect();
                let computed = list("computed");
                for id in &computed {
                    let id = id.as_str().unwrap();
                    // Who also comes through a nested group is told by that edge.
                    if !nested.contains(id) {
                        seen.insert(id);
                    }
                }
                for id in seen {
                    rows.grant(&entitlement, "user", id);
                }
                for id in list("children") {
                    rows.grant(&entitlement, "group", id.as_str().unwrap());
                }
            }
            "assignment" if text("holder_type") != "application" => {
                let scope = if text("scope") == environment {
                    "assigned".to_owned()
                } else {
                    if text("scope_type") != "ORGANIZATION" {
                        calls.scopes.insert(text("scope"));
                    }
                    format!("assigned-{}-{}", text("scope_type").to_lowercase(), text("scope"))
                };
                assignments.insert((
                    format!("role:{}:{scope}", text("role")),
                    text("holder_type"),
                    text("holder"),
                ));
            }
            _ => {}
        }
    });
    for (entitlement, kind, holder) in assignments {
        rows.grant(&entitlement, &kind, &holder);
    }
    rows
}

fn file_rows(file: &Path, dir: &Path) -> Rows {
    let mut rows = Rows::default();
    let reader = Reader::open(file, dir, Limits::default()).unwrap();
    reader
        .resources(|resource| {
            if resource.resource_type == "user" {
                rows.users += 1;
                rows.add(&format!("user {}", resource.id));
            }
            Ok(())
        })
        .unwrap();
    reader
        .grants(|grant| {
            let expanded = grant.immutable == "expanded" && !grant.sources.contains(&grant.entitlement_id);
            if !expanded {
                rows.grant(&grant.entitlement_id, &grant.principal_type, &grant.principal_id);
            }
            Ok(())
        })
        .unwrap();
    rows
}

fn write_row(grants: &str, engine: StorageEngine) {
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["--write", grants, engine.as_str()])
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    print!("{}", String::from_utf8_lossy(&output.stdout));
}

/// Writes `count` grants of 100 groups' worth of users into a finished file, in a process of its own. `file` is kept.
fn write_child(count: u64, engine: StorageEngine, file: Option<&Path>) {
    let dir = tempfile::tempdir().unwrap();
    let begun = Instant::now();
    let mut writer = Writer::create(
        dir.path(),
        SyncStart::new(SyncType::Full, jiff::Timestamp::now()),
        WriterOptions {
            engine,
            ..WriterOptions::default()
        },
    )
    .unwrap();
    for kind in [GROUP, USER] {
        writer
            .put_resource_type(&ResourceTypeRow {
                id: kind.id(),
                data: &wire::resource_type(kind),
            })
            .unwrap();
    }
    let groups = count.div_ceil(1_000);
    let id =
        |kind: u128, n: u64| uuid::Uuid::from_u128((kind << 64) | u128::from(n.wrapping_mul(0x9E37_79B9_7F4A_7C15)));
    let group_ids: std::collections::BTreeSet<String> = (0..groups).map(|n| id(1, n).to_string()).collect();
    let user_ids: std::collections::BTreeSet<String> = (0..1_000).map(|n| id(2, n).to_string()).collect();
    for (kind, ids) in [("group", &group_ids), ("user", &user_ids)] {
        for id in ids {
            let row = ResourceRow {
                resource_type_id: kind,
                resource_id: id,
                parent: None,
                data: b"",
            };
            writer.put_resource(&row).unwrap();
        }
    }
    let mut left = count;
    for group in &group_ids {
        let entitlement = EntitlementId::member(GROUP, group);
        let text = entitlement.to_string();
        writer
            .put_entitlement(&EntitlementRow {
                resource_type_id: "group",
                resource_id: group,
                id: &text,
                data: b"",
            })
            .unwrap();
        let mut encoder = GrantEncoder::new(&entitlement, USER, None);
        for user in user_ids.iter().take(usize::try_from(left).unwrap_or(usize::MAX)) {
            let (grant, data) = encoder.encode(user);
            writer
                .put_grant(&GrantRow {
                    resource_type_id: "group",
                    resource_id: group,
                    entitlement_id: &text,
                    principal_type_id: "user",
                    principal_id: user,
                    id: grant,
                    expansion: None,
                    data,
                })
                .unwrap();
        }
        left = left.saturating_sub(1_000);
    }
    let end = SyncEnd {
        ended_at: jiff::Timestamp::now(),
        expanded: false,
        grants_dropped: 0,
    };
    let out = file.map_or_else(|| dir.path().join("out.c1z"), Path::to_owned);
    let report = writer.finish(end, &out).unwrap();
    let seconds = begun.elapsed().as_secs_f64();
    let mega = |bytes: u64| f64::from(u32::try_from(bytes / 1_000).unwrap_or(u32::MAX)) / 1e3;
    let (cpu_seconds, peak_bytes) = process_usage();
    println!(
        "{count:<10} {engine:<7} {seconds:>8.2} {cpu_seconds:>8.2} {:>9.1} {:>9.1}",
        mega(peak_bytes),
        mega(report.size_bytes)
    );
}

/// Compares two files of a million grants, of which one lacks a group.
fn diff_rows() {
    let dir = tempfile::tempdir().unwrap();
    let write = |count: &str, engine: StorageEngine| {
        let file = dir.path().join(format!("{count}-{}", engine.as_str()));
        let output = Command::new(std::env::current_exe().unwrap())
            .args(["--write", count, engine.as_str()])
            .arg(&file)
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        file
    };
    println!("\n{:<18} {:>8} {:>9}", "diff, 1 M grants", "wall s", "peak MB");
    for engine in StorageEngine::ALL {
        let (old, new) = (write("1000000", engine), write("999000", StorageEngine::Pebble));
        let begun = Instant::now();
        let mut child = Command::new(program("baton-ping-one"))
            .arg("diff")
            .args([&old, &new])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let (mut lines, status) = (0, format!("/proc/{}/status", child.id()));
        let mut peak = 0;
        for line in BufReader::new(child.stdout.take().unwrap()).lines() {
            line.unwrap();
            lines += 1;
            // The row of the process that is read last has its greatest size so far.
            if lines % 256 == 1 {
                peak = peak_kilobytes(&status).unwrap_or(peak);
            }
        }
        let ended = child.wait().unwrap();
        assert_eq!(ended.code(), Some(1), "they differ");
        assert!(lines > 1_000, "{lines}");
        let seconds = begun.elapsed().as_secs_f64();
        let pair = format!("{} and pebble", engine.as_str());
        println!("{pair:<18} {seconds:>8.2} {:>9.1}", f64::from(peak) / 1e3);
        assert!(seconds < 10.0 && peak < 256_000, "the limit is 10 s and 256 MB");
    }
}

fn peak_kilobytes(status: &str) -> Option<u32> {
    let text = std::fs::read_to_string(status).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.trim().strip_suffix("kB")?.trim().parse().ok()
}

fn translate_row() {
    let user = r#"{"_links":{"self":{"href":"https://api.pingone.com/v1/environments/5f0c6a52-6a1e-4f0b-9a43-2f9a1c0d7e11/users/7c2e1d94-55a0-4a34-9a1b-c0ffee001001"},"environment":{"href":"https://api.pingone.com/v1/environments/5f0c6a52-6a1e-4f0b-9a43-2f9a1c0d7e11"},"population":{"href":"https://api.pingone.com/v1/environments/5f0c6a52-6a1e-4f0b-9a43-2f9a1c0d7e11/populations/b1c9f6de-0f3a-4a5d-8c11-5d6a2a9be402"}},"id":"7c2e1d94-55a0-4a34-9a1b-c0ffee001001","environment":{"id":"5f0c6a52-6a1e-4f0b-9a43-2f9a1c0d7e11"},"account":{"canAuthenticate":true,"status":"OK"},"accountId":"ACC-77","address":{"streetAddress":"1 Quay","locality":"Malmo","region":"Skane","postalCode":"21120","countryCode":"SE"},"createdAt":"2025-08-18T19:33:26.304Z","email":"mara.lindqvist@example.com","emailVerified":true,"enabled":true,"externalId":"E-100482","identityProvider":{"type":"PING_ONE"},"lastSignOn":{"at":"2026-02-27T06:58:01.002Z"},"lifecycle":{"status":"ACCOUNT_OK"},"locale":"sv-SE","mfaEnabled":true,"mobilePhone":"+46.700000000","name":{"formatted":"Mara Lindqvist","given":"Mara","family":"Lindqvist"},"nickname":"Mara","population":{"id":"b1c9f6de-0f3a-4a5d-8c11-5d6a2a9be402"},"preferredLanguage":"sv","primaryPhone":"+46.400000000","timezone":"Europe/Stockholm","title":"Controller","type":"Employee","updatedAt":"2026-02-27T06:58:01.500Z","username":"mara.lindqvist","verifyStatus":"NOT_INITIATED","employeeNumber":"100482"}"#;
    let body = format!(r#"{{"_embedded":{{"users":[{}]}}}}"#, vec![user; 200].join(","));
    let begun = Instant::now();
    let (mut users, mut rounds) = (0, 0);
    while begun.elapsed().as_secs_f64() < 1.0 {
        users += translate_page(body.as_bytes()).unwrap().0;
        rounds += 1;
    }
    let seconds = begun.elapsed().as_secs_f64();
    let rate = f64::from(u32::try_from(users).unwrap()) / seconds;
    let megabytes = f64::from(u32::try_from(body.len() / 1_000).unwrap() * rounds) / 1e3 / seconds;
    println!("\ntranslate  {rate:>8.0} users/s on one core, {megabytes:.0} MB/s of JSON");
}
