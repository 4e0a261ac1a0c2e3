//! What only one of PingOne's counts, or one more read, tells: a count of a list, a list that lacks once, a filter refused for one
//! kind, a cursor that dies, strangers by the hundred, a population that was made meanwhile.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use baton_ping_one::sync::{Progress, SyncOptions, run};
use sandbox::pingone::{ChangeKind, Changes, Directory, FaultAction, Options, start};
use serde_json::json;
use tokio_util::sync::CancellationToken;
use tracing::instrument::WithSubscriber as _;

use super::complete::miscount;
use super::{always, fault, refuse, rows, run_with, sync};
use crate::captured::Captured;
use crate::knobs::oracle::{Fact, told, truth};
use crate::knobs::reads::{Ended, judge};
use crate::knobs::small::small;
use crate::stand_in::{UNLIMITED, client};

const USERS: &str = "/environments/{id}/users";

/// Where a filter leaves users out, only the list's own count says how many there are.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_filtered_list_is_held_against_its_own_count() {
    let (server, dir) = (start(Options::default()).await.unwrap(), tempfile::tempdir().unwrap());
    let mut options = SyncOptions::full(dir.path().to_owned(), dir.path().join("a.c1z"));
    options.user_filter = Some("enabled eq true".to_owned());
    server.set_faults(vec![always(USERS, FaultAction::SkipRow).query("enabled eq true")]);
    let error = run_with(&server, options).await.unwrap_err().to_string();
    assert!(error.contains("users"), "{error}");
}

/// A list that lacks one row once is read again, and the file has the truth.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_list_lacks_once_is_in_the_file() {
    for (path, query) in [
        (USERS, None),
        ("/environments/{id}/groups", None),
        ("*/populations", None),
        (USERS, Some("DIRECT")),
    ] {
        let server = start(small()).await.unwrap();
        let lacks = fault(path, 1, FaultAction::SkipRow);
        server.set_faults(vec![match query {
            Some(query) => lacks.query(query),
            None => lacks,
        }]);
        let ended = judge(&server, None, |_| {}).await;
        assert!(matches!(ended, Ended::Equal), "{path} {query:?}");
    }
}

/// A count that stays wrong is told with its group and both numbers.
#[tokio::test(flavor = "current_thread")]
async fn a_count_that_differs_is_told_with_its_group_and_both_numbers() {
    let directory = Directory::builder()
        .population("staff", json!({}))
        .user("ada", "staff", json!({}))
        .user("ben", "staff", json!({}))
        .group("g", json!({}))
        .member("g", "ada")
        .member("g", "ben")
        .build();
    let options = Options {
        custom: Some(directory.clone()),
        ..Options::default()
    };
    let (server, dir) = (start(options).await.unwrap(), tempfile::tempdir().unwrap());
    // In the list and in the group's own answer.
    server.set_faults(vec![miscount("*/groups*", "directMemberCounts.users", -1)]);
    let captured = Captured::default();
    let dispatch = captured.dispatch(tracing::Level::INFO);
    let guard = tracing::dispatcher::set_default(&dispatch);
    let report = sync(&server, dir.path(), 1)
        .with_subscriber(dispatch.clone())
        .await
        .unwrap();
    drop(guard);
    assert_eq!(report.warnings.get("counts_differ"), Some(&1));
    let log = captured.text();
    let group = directory.id("g").unwrap().to_string();
    let line = log
        .lines()
        .find(|line| line.contains("its plain list decides"))
        .unwrap();
    for part in [group.as_str(), "found=2", "told=1"] {
        assert!(line.contains(part), "{part}: {line}");
    }
}

/// Nested groups by type are refused: members by type are asked for all the same.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_type_refused_for_groups_is_still_used_for_users() {
    let (server, dir) = (start(Options::default()).await.unwrap(), tempfile::tempdir().unwrap());
    let refused = |path| refuse(path, Some("DIRECT"), 400, "INVALID_REQUEST", "INVALID_FILTER");
    let groups = || refused("/environments/{id}/groups");
    let one_by_one = "/environments/{id}/users/{id}/memberOfGroups/{id}";
    server.set_faults(vec![groups()]);
    sync(&server, dir.path(), 8).await.unwrap();
    assert_eq!(server.requests().of("GET", one_by_one), 0);
    server.set_faults(vec![groups(), refused(USERS)]);
    sync(&server, dir.path(), 8).await.unwrap();
    assert!(server.requests().of("GET", one_by_one) > 0, "the counter counts");
}

/// The cursor of the whole list always dies: each population is listed by itself.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn where_a_cursor_dies_populations_are_listed_one_by_one() {
    let mut options = Options::default();
    options.paging.max_page_users = 40;
    let (server, dir) = (start(options).await.unwrap(), tempfile::tempdir().unwrap());
    let file = dir.path().join("8.c1z");
    let sorted = || {
        let mut rows = rows(&file, dir.path());
        rows.sort_unstable();
        rows
    };
    sync(&server, dir.path(), 8).await.unwrap();
    let all = sorted();
    // The first one due wins: what has a filter is answered as it is.
    server.set_faults(vec![
        always(USERS, FaultAction::AsIs).query("filter"),
        always(USERS, FaultAction::CursorExpired).query("cursor"),
    ]);
    let report = sync(&server, dir.path(), 8).await.unwrap();
    assert_eq!(report.warnings.get("listing_restarted"), Some(&1));
    assert_eq!(sorted(), all);
}

/// More strangers than can have come meanwhile: nobody is asked one by one.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_members_that_no_list_shows_end_the_sync_without_a_read_for_each() {
    let mut directory = Directory::builder()
        .population("staff", json!({}))
        .group("g", json!({}));
    for number in 0..260 {
        let name = format!("u{number}");
        directory = directory.user(&name, "staff", json!({})).member("g", &name);
    }
    let options = Options {
        custom: Some(directory.build()),
        ..Options::default()
    };
    let (server, dir) = (start(options).await.unwrap(), tempfile::tempdir().unwrap());
    server.set_faults(vec![
        always(USERS, FaultAction::AsIs).query("filter"),
        always(USERS, FaultAction::Hidden(2)),
        miscount("*/populations", "userCount", -130),
    ]);
    let error = sync(&server, dir.path(), 1).await.unwrap_err().to_string();
    assert!(
        error.contains("130 members of groups are not in the list of users"),
        "{error}"
    );
    assert_eq!(server.requests().of("GET", "/environments/{id}/users/{id}"), 0);
}

/// A population that is made while the users are read, and somebody who is moved into it.
#[tokio::test(start_paused = true)]
async fn a_population_made_meanwhile_is_in_the_file_with_its_users() {
    let (server, dir) = (start(small()).await.unwrap(), tempfile::tempdir().unwrap());
    let next = u32::try_from(server.snapshot().populations.len()).unwrap();
    let moved = Changes {
        user: Some(25),
        population: Some(next),
        ..Changes::of(ChangeKind::MoveUser, 1)
    };
    server.set_faults(vec![
        fault(
            USERS,
            1,
            FaultAction::Changes(Changes::of(ChangeKind::CreatePopulation, 1)),
        ),
        fault(USERS, 2, FaultAction::Changes(moved)),
    ]);
    sync(&server, dir.path(), 1).await.unwrap();
    let of = |mut facts: BTreeSet<Fact>| -> BTreeSet<Fact> {
        facts.retain(|fact| matches!(fact, Fact::Population(_) | Fact::Lives(..)));
        facts
    };
    let now = of(truth(&server.snapshot(), server.environment_id(), |_| false));
    assert_eq!(of(told(&dir.path().join("1.c1z"), dir.path())), now);
    assert_eq!(server.snapshot().populations.len(), next as usize + 1);
}

/// What brings no row of its own, such as the groups nested in a group, is progress for whoever watches a sync.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_answer_is_progress() {
    let (server, dir) = (start(small()).await.unwrap(), tempfile::tempdir().unwrap());
    let (client, progress) = (client(&server, UNLIMITED), Arc::<Progress>::default());
    let options = SyncOptions::full(dir.path().to_owned(), dir.path().join("a.c1z"));
    let before = progress.steps();
    let token = CancellationToken::new();
    run(client.clone(), options, Arc::clone(&progress), token)
        .await
        .unwrap();
    let asked = client.stats().by_operation_and_class();
    let good = asked
        .iter()
        .filter(|((operation, class), _)| *operation != "token" && *class == "2xx");
    let answers = progress.answers.load(Ordering::Relaxed);
    assert_eq!(answers, good.map(|(_, count)| count).sum::<u64>(), "{asked:?}");
    assert!(progress.steps() > before + answers, "rows count besides");
}
