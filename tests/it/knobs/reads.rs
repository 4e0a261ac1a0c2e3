//! Reads: syncs of a small directory with every knob turned and every fault on every listing, and of one that is big enough to
//! be read in lanes.

use std::fmt::Write as _;
use std::path::Path;
use std::sync::Arc;

use baton_ping_one::sync::{SyncOptions, run};
use pingone::Client;
use sandbox::pingone::{ChangeKind, Changes, Fault, FaultAction, FaultBody, Lost, Options, Server, start};
use serde_json::json;
use tokio_util::sync::CancellationToken;

use super::oracle::{told, truth, wrong};
use super::small::small;
use super::table::{Row, TABLE};
use crate::stand_in::{UNLIMITED, client};

/// How a sync ended that must give the truth or nothing.
pub enum Ended {
    Equal,
    Failed(String),
    Wrong(String),
}

/// Syncs into a directory that holds an old file, and compares.
pub async fn judge(server: &Server, before: Option<&Changes>, change: impl FnOnce(&mut SyncOptions)) -> Ended {
    judge_with(client(server, UNLIMITED), server, before, change).await
}

/// The same with this client.
pub async fn judge_with(
    client: Client,
    server: &Server,
    before: Option<&Changes>,
    change: impl FnOnce(&mut SyncOptions),
) -> Ended {
    let environment = server.environment_id();
    let first = truth(&server.snapshot(), environment);
    if let Some(changes) = before {
        server.change(changes);
    }
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("sync.c1z");
    std::fs::write(&file, b"the old file").unwrap();
    let mut options = SyncOptions::full(dir.path().to_owned(), file.clone());
    options.concurrency = 8;
    change(&mut options);
    let outcome = run(client, options, Arc::default(), CancellationToken::new()).await;
    match outcome {
        Ok(_) => {
            let last = truth(&server.snapshot(), environment);
            wrong(&told(&file, dir.path()), &first, &last).map_or(Ended::Equal, Ended::Wrong)
        }
        Err(error) => untouched(&file, dir.path()).map_or_else(|| Ended::Failed(error.to_string()), Ended::Wrong),
    }
}

/// What a failed sync did to the old file or left behind.
fn untouched(file: &Path, dir: &Path) -> Option<String> {
    if std::fs::read(file).ok().as_deref() != Some(b"the old file") {
        return Some("it failed, and the old file is another".to_owned());
    }
    let left = std::fs::read_dir(dir).unwrap().count();
    (left != 1).then(|| format!("it failed and left {} files behind", left - 1))
}

/// A listing or an object that a sync reads: path, text of the query.
const READS: [(&str, Option<&str>); 11] = [
    ("/environments/{id}", None),
    ("/environments/{id}/capabilities", None),
    ("/environments/{id}/populations", None),
    ("/environments/{id}/groups", Some("limit")),
    ("/environments/{id}/groups", Some("memberOfGroups")),
    ("*/roles", None),
    ("/environments/{id}/users", Some("limit")),
    ("/environments/{id}/users", Some("DIRECT")),
    ("/environments/{id}/users", Some("memberOfGroups")),
    ("/environments/{id}/users/{id}/roleAssignments", None),
    ("/environments/{id}/groups/{id}/roleAssignments", None),
];

/// Faults that leave the directory as it is. A 404 in PingOne's own form is none: it means that the object is gone.
#[expect(clippy::too_many_lines, reason = "a table of cases")]
pub fn actions() -> Vec<FaultAction> {
    let miscount = |key: &str, by| FaultAction::Miscount {
        key: key.to_owned(),
        by,
    };
    let refuse = |status, code: &str, detail: Option<&str>| FaultAction::Refuse {
        status,
        code: code.to_owned(),
        detail: detail.map(str::to_owned),
        target: None,
        message: "no".to_owned(),
    };
    vec![
        FaultAction::foreign(200, FaultBody::Html),
        FaultAction::foreign(200, FaultBody::GatewayOk),
        FaultAction::foreign(200, FaultBody::Empty),
        FaultAction::Answer {
            status: 200,
            content_type: "application/hal+json".to_owned(),
            body: r#"{"_embedded":{"items":[]},"count":0}"#.to_owned(),
        },
        FaultAction::foreign(202, FaultBody::Empty),
        FaultAction::foreign(204, FaultBody::Empty),
        FaultAction::foreign(403, FaultBody::Html),
        FaultAction::foreign(404, FaultBody::Html),
        FaultAction::foreign(502, FaultBody::Html),
        FaultAction::status(500),
        FaultAction::too_many(Some(1)),
        refuse(401, "ACCESS_FAILED", None),
        refuse(403, "ACCESS_FAILED", Some("INSUFFICIENT_PERMISSIONS")),
        refuse(400, "INVALID_REQUEST", Some("INVALID_FILTER")),
        FaultAction::Truncated(60),
        FaultAction::Html,
        FaultAction::ResetMidBody(60),
        FaultAction::Reset,
        FaultAction::Slow(40_000),
        FaultAction::Trickle(10),
        FaultAction::Hang,
        FaultAction::ExpiredToken,
        FaultAction::Gateway,
        FaultAction::ContentType("text/html".to_owned()),
        FaultAction::Body("{}".to_owned()),
        FaultAction::Body("[]".to_owned()),
        FaultAction::Body(r#"{"_links":{},"count":0,"size":0}"#.to_owned()),
        FaultAction::CursorExpired,
        FaultAction::EndlessPage,
        FaultAction::DuplicateRow,
        FaultAction::EmptyPage,
        FaultAction::ShortPage(3),
        FaultAction::AnswerLost(Lost::Reset),
        FaultAction::AsIs,
        FaultAction::Bare,
        FaultAction::NullList,
        FaultAction::OtherObject,
        FaultAction::OtherEnvironment,
        FaultAction::Stale(30_000),
        miscount("count", -3),
        miscount("count", 3),
        miscount("userCount", -3),
        miscount("userCount", 3),
        miscount("directMemberCounts.users", -3),
        miscount("directMemberCounts.users", 3),
        miscount("directMemberCounts.groups", -1),
        miscount("directMemberCounts.groups", 1),
        FaultAction::SkipRow,
        FaultAction::RepeatPage,
        FaultAction::FilterMatchesNobody,
        FaultAction::FilterIgnored,
        FaultAction::Narrowed(1),
        FaultAction::Hidden(3),
    ]
}

/// Whether a read is repeated for as long as this lasts, which makes a lasting one dear.
fn passes(action: &FaultAction) -> bool {
    match action {
        FaultAction::Status { status, .. } => *status == 429 || *status >= 500,
        FaultAction::Slow(_)
        | FaultAction::Hang
        | FaultAction::Reset
        | FaultAction::ResetMidBody(_)
        | FaultAction::AnswerLost(_) => true,
        _ => false,
    }
}

/// Collects what went wrong, by case, and how the others ended.
#[derive(Default)]
pub struct Findings {
    wrong: String,
    pub equal: usize,
    pub failed: usize,
}

impl Findings {
    pub fn note(&mut self, case: &str, ended: Ended) {
        match ended {
            Ended::Equal => self.equal += 1,
            Ended::Failed(_) => self.failed += 1,
            Ended::Wrong(what) => {
                let known = super::table::known(case);
                println!(
                    "{}{case}: {what}",
                    known.map(|why| format!("not decided ({why}): ")).unwrap_or_default()
                );
                if known.is_none() {
                    writeln!(self.wrong, "{case}: {what}").unwrap();
                }
            }
        }
    }

    /// Fails with every case that went wrong.
    #[track_caller]
    pub fn judge(self) {
        println!("{} equal, {} failed without a trace", self.equal, self.failed);
        assert!(self.wrong.is_empty(), "\n{}", self.wrong);
    }
}

/// Time stands still: pauses and deadlines cost nothing.
#[tokio::test(start_paused = true)]
async fn a_fault_on_any_read_gives_the_truth_or_no_file() {
    let mut findings = Findings::default();
    let server = start(small()).await.unwrap();
    findings.note("no fault", judge(&server, None, |_| {}).await);
    assert_eq!(findings.equal, 1, "without a fault the file is right");
    for (first, action) in actions().into_iter().enumerate() {
        for (second, (path, query)) in READS.into_iter().enumerate() {
            // Every action meets half of the reads, and every read half of the actions.
            if (first + second) % 2 == 1 {
                continue;
            }
            // Once, later, or for good, in turn.
            let (nth, times) = [(1, 1), (2, 1), (1, 0)][usize::midpoint(first, second) % 3];
            let times = if passes(&action) { times.clamp(1, 4) * 2 } else { times };
            let mut fault = Fault::on("GET", path, action.clone()).nth(nth).times(times);
            fault.query = query.map(str::to_owned);
            server.set_faults(vec![fault]);
            let case = format!("{action:?} on {path} {} from {nth} x{times}", query.unwrap_or_default());
            findings.note(&case, judge(&server, None, |_| {}).await);
        }
    }
    assert!(findings.equal > 50, "{} equal", findings.equal);
    findings.judge();
}

/// Faults that come together in practice.
#[tokio::test(start_paused = true)]
async fn likely_pairs_of_faults_give_the_truth_or_no_file() {
    let mut findings = Findings::default();
    let server = start(small()).await.unwrap();
    let users = "/environments/{id}/users";
    let pairs = [
        // A gateway in trouble answers everything for a while.
        (
            "502 and maintenance",
            vec![
                Fault::on("GET", "*", FaultAction::foreign(502, FaultBody::Html))
                    .nth(20)
                    .times(5),
                Fault::on("GET", "*", FaultAction::foreign(200, FaultBody::Html))
                    .nth(25)
                    .times(2),
            ],
        ),
        (
            "expired cursor and a page again",
            vec![
                Fault::on("GET", users, FaultAction::CursorExpired)
                    .query("cursor")
                    .nth(2),
                Fault::on("GET", users, FaultAction::RepeatPage).query("cursor").nth(5),
            ],
        ),
        (
            "no typed filter and a count that lags",
            vec![
                Fault::on("GET", users, FaultAction::FilterMatchesNobody)
                    .query("DIRECT")
                    .times(0),
                Fault::on(
                    "GET",
                    "*/groups",
                    FaultAction::Miscount {
                        key: "directMemberCounts.users".to_owned(),
                        by: -1,
                    },
                )
                .times(0),
            ],
        ),
        (
            "token and cursor gone together",
            vec![
                Fault::on("GET", users, FaultAction::ExpiredToken).nth(2),
                Fault::on("GET", users, FaultAction::CursorExpired).nth(3),
            ],
        ),
    ];
    for (case, faults) in pairs {
        server.set_faults(faults);
        findings.note(case, judge(&server, None, |_| {}).await);
    }
    findings.judge();
}

/// Somebody works in the directory while it is read.
#[tokio::test(start_paused = true)]
async fn changes_in_the_middle_of_a_sync_give_the_truth_or_no_file() {
    let mut findings = Findings::default();
    for (first, kind) in ChangeKind::ALL.into_iter().enumerate() {
        for (second, (path, query)) in READS.into_iter().enumerate() {
            let nth = [1, 2, 4][(first + second) % 3];
            let server = start(small()).await.unwrap();
            let mut fault = Fault::on("GET", path, FaultAction::Changes(Changes::of(kind, 3))).nth(nth);
            fault.query = query.map(str::to_owned);
            server.set_faults(vec![fault]);
            let case = format!("{kind:?} at {path} {} {nth}", query.unwrap_or_default());
            findings.note(&case, judge(&server, None, |_| {}).await);
        }
    }
    assert!(findings.equal > 50, "{} equal", findings.equal);
    findings.judge();
}

#[tokio::test(start_paused = true)]
async fn every_knob_of_a_read_gives_the_truth_or_no_file() {
    let mut findings = Findings::default();
    for (knob, row) in TABLE {
        let (Row::Read(set) | Row::ReadOrFail(set) | Row::Behind(set)) = row else {
            continue;
        };
        let mut options = small();
        set(&mut options);
        let server = start(options).await.unwrap();
        let changes = matches!(row, Row::Behind(_)).then(|| Changes {
            count: 20,
            ..Changes::default()
        });
        let ended = judge(&server, changes.as_ref(), |_| {}).await;
        let ended = match ended {
            Ended::Failed(error) if matches!(row, Row::Read(_)) => Ended::Wrong(format!("it failed: {error}")),
            ended => ended,
        };
        findings.note(knob, ended);
    }
    findings.judge();
}

/// Populations are read side by side from 20,000 users on, where a list for each is less than a hundredth of the requests. The
/// first list of populations says that there are so many.
#[tokio::test(start_paused = true)]
async fn in_lanes_too_the_file_has_the_truth_or_is_not_there() {
    let mut findings = Findings::default();
    let lanes = |named: bool| {
        let mut options = Options::default();
        options.directory.users = Some(120);
        // Groups and roles name populations, so that one which is hidden is missed before any user is read.
        options.directory.groups = Some(if named { 8 } else { 0 });
        options.directory.users_with_roles = Some(if named { 0.1 } else { 0.0 });
        options.directory.populations = Some(6);
        options.directory.memberships_per_user = Some(0.5);
        options.paging.max_page_users = 5;
        options
    };
    let (users, populations) = ("/environments/{id}/users", "/environments/{id}/populations");
    let page = |nth, action| Fault::on("GET", users, action).query("cursor").nth(nth);
    let list = |action| Fault::on("GET", users, action).query("population.id").nth(3);
    let changes = |kind, count| page(8, FaultAction::Changes(Changes::of(kind, count)));
    let hidden = Fault::on("GET", populations, FaultAction::Hidden(6)).times(0);
    for (case, hides, fault) in [
        ("no fault", 0, page(8, FaultAction::AsIs)),
        ("users who move", 0, changes(ChangeKind::MoveUser, 20)),
        ("users who come", 0, changes(ChangeKind::CreateUser, 20)),
        ("users who go", 0, changes(ChangeKind::DeleteUser, 5)),
        (
            "a population made meanwhile",
            0,
            changes(ChangeKind::CreatePopulation, 1),
        ),
        ("a repeated page", 0, page(8, FaultAction::RepeatPage)),
        ("a skipped row", 0, page(8, FaultAction::SkipRow)),
        ("an expired cursor", 0, page(8, FaultAction::CursorExpired)),
        (
            "cursors that all expire",
            0,
            page(1, FaultAction::CursorExpired).times(0),
        ),
        ("a narrowed list of a population", 0, list(FaultAction::Narrowed(1))),
        ("a list that lacks some", 0, list(FaultAction::Hidden(3))),
        ("a filter that is ignored", 0, list(FaultAction::FilterIgnored)),
        ("a population that no list shows", 1, hidden),
    ] {
        let server = start(lanes(hides == 0)).await.unwrap();
        let told = server.directory().populations().into_iter().skip(hides);
        let rows: Vec<_> = told
            .map(|(id, _)| json!({"id": id, "name": "p", "userCount": 30_000}))
            .collect();
        let list = json!({"_links": {}, "_embedded": {"populations": rows}});
        let crowded = Fault::on("GET", populations, FaultAction::Body(list.to_string()));
        server.set_faults(vec![crowded, fault]);
        let ended = judge(&server, None, |_| {}).await;
        let equal = matches!(ended, Ended::Equal);
        assert!(equal || case != "no fault", "without a fault the file is right");
        findings.note(&format!("lanes: {case}"), ended);
        let lists = server.requests().by_filter.get("population.id").copied();
        let most = u64::try_from(rows.len()).unwrap();
        assert!(lists >= Some(most), "{case}: {lists:?} lists of a population");
    }
    findings.judge();
}
