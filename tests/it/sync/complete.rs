//! Answers that look like PingOne's and are not the whole truth: rows equal the true state, or the sync fails and the old
//! file stands.

use std::collections::BTreeSet;
use std::path::Path;

use baton::c1z::{Limits, Reader};
use sandbox::pingone::{Directory, Fault, FaultAction, FaultBody, Options, start};
use serde_json::json;

use super::{always, fault, rows, sync};
use crate::knobs::oracle::{Fact, told};

/// What a case must come to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verdict {
    /// The file holds the true state.
    True,
    /// The file holds the true grants; resources show a count as PingOne gave it.
    Grants,
    /// The sync fails.
    Fails,
    /// One of the two.
    Either,
}
use Verdict::{Either, Fails, Grants, True};

/// Lists of users, members of groups among them.
const USERS: &str = "/environments/{id}/users";

fn members(action: FaultAction) -> Fault {
    always(USERS, action).query("memberOfGroups")
}

pub(super) fn miscount(path: &str, key: &str, by: i64) -> Fault {
    let key = key.to_owned();
    always(path, FaultAction::Miscount { key, by })
}

fn refused_direct() -> FaultAction {
    FaultAction::Refuse {
        status: 400,
        code: "INVALID_REQUEST".to_owned(),
        detail: Some("INVALID_FILTER".to_owned()),
        target: None,
        message: "no".to_owned(),
    }
}

#[expect(clippy::too_many_lines, reason = "a table of cases")]
fn cases() -> Vec<(&'static str, Vec<Fault>, Verdict)> {
    let notice = || FaultAction::Body(r#"{"message":"Back at noon"}"#.to_owned());
    let everywhere = [
        "/environments/{id}/users",
        "/environments/{id}/groups",
        "/environments/{id}/populations",
    ];
    let mut cases = Vec::new();
    for path in everywhere.into_iter().chain(["*/roleAssignments"]) {
        for action in [
            FaultAction::Bare,
            FaultAction::foreign(200, FaultBody::GatewayOk),
            FaultAction::OtherObject,
            FaultAction::OtherEnvironment,
            FaultAction::NullList,
            notice(),
        ] {
            cases.push(("a foreign body once", vec![fault(path, 2, action.clone())], Either));
            if path == USERS {
                cases.push(("a foreign body always", vec![always(path, action)], Either));
            }
        }
        for action in [FaultAction::SkipRow, FaultAction::RepeatPage, FaultAction::DuplicateRow] {
            cases.push(("rows that lack", vec![fault(path, 1, action.clone())], Either));
            cases.push(("rows that lack later", vec![fault(path, 2, action)], Either));
        }
    }
    cases.extend([
        (
            "a page of users as HTML once",
            vec![fault(USERS, 2, FaultAction::Html)],
            True,
        ),
        (
            "members as HTML for ever",
            vec![members(FaultAction::foreign(200, FaultBody::Html))],
            Fails,
        ),
        ("a notice for the first users", vec![fault(USERS, 1, notice())], Fails),
        (
            "a type that matches nobody",
            vec![members(FaultAction::FilterMatchesNobody).query("DIRECT")],
            True,
        ),
        (
            "members that nobody matches",
            vec![members(FaultAction::FilterMatchesNobody)],
            Fails,
        ),
        (
            "a filter that is ignored",
            vec![members(FaultAction::FilterIgnored)],
            Either,
        ),
        (
            "a type that is ignored",
            vec![members(FaultAction::FilterIgnored).query("DIRECT")],
            Either,
        ),
        (
            "a type refused for groups only",
            vec![always("/environments/{id}/groups", refused_direct()).query("DIRECT")],
            True,
        ),
        (
            "populations that count too many",
            vec![miscount("*/populations", "userCount", 3)],
            Fails,
        ),
        (
            "populations that count too few",
            vec![miscount("*/populations", "userCount", -3)],
            Grants,
        ),
        ("a list that counts too many", vec![miscount(USERS, "count", 3)], Either),
        ("a list that counts too few", vec![miscount(USERS, "count", -3)], True),
        (
            "groups that count too many",
            vec![miscount("/environments/{id}/groups", "directMemberCounts.users", 2)],
            Grants,
        ),
        (
            "groups that count too few",
            vec![miscount("/environments/{id}/groups", "directMemberCounts.users", -1)],
            Grants,
        ),
        (
            "nesting that counts too many",
            vec![miscount("/environments/{id}/groups", "directMemberCounts.groups", 1)],
            Either,
        ),
        ("a dead cursor", vec![fault(USERS, 3, FaultAction::CursorExpired)], True),
        (
            "built-in roles refused",
            vec![always("/roles", FaultAction::status(403))],
            Either,
        ),
    ]);
    cases
}

/// Who holds what, in order.
fn grants(file: &Path, dir: &Path) -> Vec<(String, String, String)> {
    let reader = Reader::open(file, dir, Limits::default()).unwrap();
    let mut grants = Vec::new();
    reader
        .grants(|grant| {
            grants.push((grant.entitlement_id, grant.principal_type, grant.principal_id));
            Ok(())
        })
        .unwrap();
    grants.sort_unstable();
    grants
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rows_are_the_true_state_or_the_old_file_stands() {
    let mut options = Options::default();
    options.paging.max_page_users = 40;
    let (server, dir) = (start(options).await.unwrap(), tempfile::tempdir().unwrap());
    sync(&server, dir.path(), 8).await.unwrap();
    let file = dir.path().join("8.c1z");
    let of = |file: &Path| {
        let mut rows = rows(file, dir.path());
        rows.sort_unstable();
        rows
    };
    let (all, true_grants) = (of(&file), grants(&file, dir.path()));
    let mut wrong = Vec::new();
    for (name, faults, verdict) in cases() {
        server.set_faults(faults.clone());
        let before = std::fs::read(&file).unwrap();
        let outcome = sync(&server, dir.path(), 8).await;
        let is_right = match &outcome {
            Ok(_) if verdict == Grants => grants(&file, dir.path()) == true_grants,
            Ok(_) => verdict != Fails && of(&file) == all,
            Err(_) => !matches!(verdict, True | Grants) && std::fs::read(&file).unwrap() == before,
        };
        if !is_right {
            let outcome = outcome.map(drop).map_err(|error| error.to_string());
            wrong.push(format!("{name}: {faults:?} {outcome:?}"));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// Whoever is seen as a member and in no list is asked for; of two observations the last one counts.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_fell_between_two_lists_is_in_the_file() {
    let directory = Directory::builder()
        .population("staff", json!({}))
        .user("ada", "staff", json!({"createdAt": "2999-01-01T00:00:00.000Z"}))
        .user("ben", "staff", json!({}))
        .group("g", json!({}))
        .member("g", "ada")
        .build();
    let options = Options {
        custom: Some(directory.clone()),
        ..Options::default()
    };
    let (server, dir) = (start(options).await.unwrap(), tempfile::tempdir().unwrap());
    let (ada, ben) = (directory.id("ada").unwrap(), directory.id("ben").unwrap());
    let page = |users: &str, next: &str| {
        let path = format!("/v1/environments/{}/users", server.environment_id());
        FaultAction::Body(format!(
            r#"{{"_links":{{"self":{{"href":"{path}"}}{next}}},"_embedded":{{"users":[{users}]}}}}"#
        ))
    };
    let population = directory.id("staff").unwrap();
    let user = |id, enabled: bool| {
        format!(r#"{{"id":"{id}","username":"u","enabled":{enabled},"population":{{"id":"{population}"}}}}"#)
    };
    let next = r#","next":{"href":"?limit=100"}"#;
    server.set_faults(vec![
        miscount("*/populations", "userCount", -2),
        fault(USERS, 1, page(&user(ben, true), next)),
        fault(USERS, 1, page(&user(ben, false), "")).query("limit=100"),
    ]);
    let report = sync(&server, dir.path(), 1).await.unwrap();
    assert_eq!(report.counts.users, 2);
    let found = rows(&dir.path().join("1.c1z"), dir.path());
    let named: BTreeSet<_> = [ada, ben]
        .into_iter()
        .filter(|id| found.iter().any(|row| row.contains(&id.to_string())))
        .collect();
    assert_eq!(named.len(), 2);
    let told = told(&dir.path().join("1.c1z"), dir.path());
    assert!(
        told.contains(&Fact::Disabled(ben.to_string())),
        "of two rows the last one stays: {told:?}"
    );
    assert!(!told.contains(&Fact::Enabled(ben.to_string())), "{told:?}");
}
