//! Reads: syncs of a small directory with every knob turned and every fault on every listing, and of one that is big enough to
//! be read in lanes.

use std::collections::BTreeSet;
use std::collections::btree_map::{BTreeMap, Entry};
use std::fmt::Write as _;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use baton_ping_one::model::{GATEWAY, SECRET};
use baton_ping_one::sync::{Applications, ObservationSettings, Reuse, SyncOptions, run};
use pingone::Client;
use sandbox::pingone::{ChangeKind, Changes, Fault, FaultAction, FaultBody, Lost, Options, Server, start};
use serde_json::json;
use tokio_util::sync::CancellationToken;

use super::answers::answers;
use super::oracle::{told, truth, wrong};
use super::small::small_with;
use super::table::{KNOWN, Row, SAMPLED, TABLE, VAIN};
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
    let (dir, kept) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let file = dir.path().join("sync.c1z");
    let mut options = SyncOptions::full(dir.path().to_owned(), file.clone());
    options.concurrency = 8;
    change(&mut options);
    let types = options.resource_types.clone();
    let truth = || truth(&server.snapshot(), environment, |kind| types.contains(&kind));
    let mut first = truth();
    if let Some(changes) = before {
        options.observations = Some(ObservationSettings {
            dir: kept.path().to_owned(),
            reuse: Reuse::All,
            max_age: Duration::from_hours(24),
            resume_max_age: Duration::from_hours(2),
        });
        // Where nothing was ever recorded nothing is believed.
        server.change(&Changes::of(ChangeKind::UpdateUser, 1));
        let earlier = run(
            client.clone(),
            options.clone(),
            Arc::default(),
            CancellationToken::new(),
        );
        earlier.await.unwrap();
        first = truth();
        server.change(changes);
    }
    std::fs::write(&file, b"the old file").unwrap();
    let outcome = run(client, options, Arc::default(), CancellationToken::new()).await;
    match outcome {
        Ok(_) => wrong(&told(&file, dir.path()), &first, &truth()).map_or(Ended::Equal, Ended::Wrong),
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

/// The rate that the licence decides.
const AUTOMATIC: u32 = 0;

/// The same with everything that a sync can read: the licence's limits, applications, gateways, credentials.
async fn judge_everything(server: &Server) -> Ended {
    judge_with(client(server, AUTOMATIC), server, None, everything).await
}

fn everything(options: &mut SyncOptions) {
    *options = options
        .clone()
        .with_applications(Applications::All)
        .with_type(GATEWAY, true)
        .with_type(SECRET, true);
}

/// A directory in which every one of [`READS`] is asked for.
fn whole() -> Options {
    small_with("--gateway-credentials-apart")
}

/// A listing or an object that a sync reads: path, text of the query.
const READS: [(&str, Option<&str>); 19] = [
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
    ("/organizations/{id}", None),
    ("/environments/{id}/applications", None),
    ("/environments/{id}/applications/{id}/roleAssignments", None),
    ("/environments/{id}/users", Some("and memberOfGroups")),
    ("/environments/{id}/gateways", None),
    ("/environments/{id}/gateways/{id}/roleAssignments", None),
    ("/environments/{id}/gateways/{id}/credentials", None),
    ("/environments/{id}/keys", None),
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
    used: BTreeSet<&'static str>,
    pub equal: usize,
    pub failed: usize,
}

impl Findings {
    pub fn note(&mut self, case: &str, ended: Ended) {
        match ended {
            Ended::Equal => self.equal += 1,
            Ended::Failed(_) => self.failed += 1,
            Ended::Wrong(what) => {
                println!("{case}: {what}");
                writeln!(self.wrong, "{case}: {what}").unwrap();
            }
        }
    }

    /// The same where cases are known that cannot be decided.
    fn note_unless_known(&mut self, case: &str, ended: Ended) {
        let known = KNOWN.iter().find(|(start, _)| case.starts_with(start));
        match (known, ended) {
            (Some((start, why)), Ended::Wrong(what)) => {
                println!("not decided ({why}): {case}: {what}");
                self.used.insert(start);
            }
            (_, ended) => self.note(case, ended),
        }
    }

    /// Notes whether a knob changes what is answered, as it must unless the table says why it cannot.
    pub fn turns(&mut self, knob: &str, turns: bool) {
        if !turns && VAIN.iter().all(|(vain, _)| *vain != knob) {
            self.note(knob, Ended::Wrong("it turns nothing".to_owned()));
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
    let server = start(whole()).await.unwrap();
    findings.note("no fault", judge_everything(&server).await);
    assert_eq!(findings.equal, 1, "without a fault the file is right");
    for (first, action) in actions().into_iter().enumerate() {
        for (second, (path, query)) in READS.into_iter().enumerate() {
            // Every action meets half of the reads, and every read half of the actions; what hides rows meets all.
            let hides = matches!(action, FaultAction::Narrowed(_) | FaultAction::Hidden(_));
            if (first + second) % 2 == 1 && !hides {
                continue;
            }
            // Once, later, or for good, in turn; what is asked for only once is hit then.
            let (nth, times) = [(1, 1), (2, 1), (1, 0)][usize::midpoint(first, second) % 3];
            let times = if passes(&action) { times.clamp(1, 4) * 2 } else { times };
            for nth in [nth, 1] {
                let mut fault = Fault::on("GET", path, action.clone()).nth(nth).times(times);
                fault.query = query.map(str::to_owned);
                server.set_faults(vec![fault]);
                let ended = judge_everything(&server).await;
                let is_hit = server.fault_hits() != [0];
                let case = format!("{action:?} on {path} {} from {nth} x{times}", query.unwrap_or_default());
                if is_hit {
                    findings.note_unless_known(&case, ended);
                    break;
                }
                if nth == 1 {
                    findings.note(&case, Ended::Wrong("nothing was hit".to_owned()));
                    break;
                }
            }
        }
    }
    assert!(findings.equal > 50, "{} equal", findings.equal);
    let unused = KNOWN.iter().filter(|(_, why)| *why != SAMPLED);
    let unused: Vec<_> = unused.filter(|(start, _)| !findings.used.contains(start)).collect();
    assert!(unused.is_empty(), "known and not so: {unused:?}");
    findings.judge();
}

/// Faults that come together in practice.
#[tokio::test(start_paused = true)]
async fn likely_pairs_of_faults_give_the_truth_or_no_file() {
    let mut findings = Findings::default();
    let server = start(whole()).await.unwrap();
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
        let planned = faults.len();
        server.set_faults(faults);
        findings.note(case, judge_everything(&server).await);
        let hits = server.fault_hits();
        assert!(
            hits.len() == planned && hits.iter().all(|hits| *hits > 0),
            "{case}: {hits:?}"
        );
    }
    findings.judge();
}

/// Somebody works in the directory while it is read.
#[tokio::test(start_paused = true)]
async fn changes_in_the_middle_of_a_sync_give_the_truth_or_no_file() {
    let mut findings = Findings::default();
    for (first, kind) in ChangeKind::ALL.into_iter().enumerate() {
        for (second, (path, query)) in READS.into_iter().enumerate() {
            for nth in [[1, 2, 4][(first + second) % 3], 1] {
                let server = start(whole()).await.unwrap();
                let mut fault = Fault::on("GET", path, FaultAction::Changes(Changes::of(kind, 3))).nth(nth);
                fault.query = query.map(str::to_owned);
                server.set_faults(vec![fault]);
                let ended = judge_everything(&server).await;
                if server.fault_hits() != [0] {
                    let case = format!("{kind:?} at {path} {} {nth}", query.unwrap_or_default());
                    findings.note(&case, ended);
                    break;
                }
                assert!(nth > 1, "{kind:?} at {path}: nothing was hit");
            }
        }
    }
    assert!(findings.equal > 50, "{} equal", findings.equal);
    findings.judge();
}

/// How a sync ends with these flags, and what was answered meanwhile. `behind`: after changes that an earlier sync does not
/// know.
async fn tried(flags: &str, behind: bool) -> (Ended, BTreeSet<String>) {
    let server = start(small_with(flags)).await.unwrap();
    server.record();
    let changes = behind.then(|| Changes {
        count: 20,
        ..Changes::default()
    });
    // A worker with other roles may not read applications.
    let rate = if flags.contains("capabilities") {
        AUTOMATIC
    } else {
        UNLIMITED
    };
    let ended = judge_with(client(&server, rate), &server, changes.as_ref(), |options| {
        // Side by side, what is asked depends on luck.
        options.concurrency = 1;
        if !flags.contains("--worker-role") {
            everything(options);
        }
    });
    let ended = ended.await;
    (ended, answers(&server))
}

#[tokio::test(start_paused = true)]
async fn every_knob_of_a_read_turns_something_and_gives_the_truth_or_no_file() {
    let mut findings = Findings::default();
    let mut plain: BTreeMap<(&str, bool), BTreeSet<String>> = BTreeMap::new();
    for row in TABLE {
        let behind = matches!(row, Row::Behind(_));
        if !behind && !matches!(row, Row::Read(_) | Row::ReadOrFail(_)) {
            continue;
        }
        let (ended, found) = tried(row.flags(), behind).await;
        let ended = match ended {
            Ended::Failed(error) if matches!(row, Row::Read(_)) => Ended::Wrong(format!("it failed: {error}")),
            ended => ended,
        };
        findings.note(row.flags(), ended);
        // Twice: what is another each time is no work of a knob.
        let without = match plain.entry((row.without(), behind)) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(new) => {
                let mut without = tried(row.without(), behind).await.1;
                without.extend(tried(row.without(), behind).await.1);
                new.insert(without)
            }
        };
        findings.turns(row.knob(), !found.is_subset(without));
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
