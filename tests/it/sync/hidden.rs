//! What no list shows and something else tells of, and pages that bring nothing: the file has the truth, or the sync ends and says
//! why.

use sandbox::pingone::{Directory, DirectoryBuilder, Fault, FaultAction, Holder, ScopeOf, Server};
use serde_json::json;
use uuid::Uuid;

use super::{always, failure, fault, gives_the_truth, serve};

const GROUPS: &str = "/environments/{id}/groups";
const POPULATIONS: &str = "/environments/{id}/populations";
const USERS: &str = "/environments/{id}/users";
const READ_ONLY: &str = "Identity Data Read Only";

/// Three populations with two users each; the users of the first one come last.
fn staff() -> DirectoryBuilder {
    let mut directory = Directory::builder();
    for name in ["staff", "guests", "partners"] {
        directory = directory.population(name, json!({}));
    }
    for name in ["guests", "partners", "staff"] {
        for number in 0..2 {
            directory = directory.user(&format!("{name}-{number}"), name, json!({}));
        }
    }
    directory
}

/// The first list of populations says that each has so many users that lanes are worth their requests.
fn crowded() -> Fault {
    let key = "userCount".to_owned();
    fault(POPULATIONS, 1, FaultAction::Miscount { key, by: 30_000 })
}

/// As above, and no list shows the first population.
fn crowded_without_first() -> Vec<Fault> {
    let of = staff().build();
    let row = |name| json!({"id": of.id(name).unwrap(), "name": name, "userCount": 30_000});
    let rows = [row("guests"), row("partners")];
    let list = json!({"_links": {}, "_embedded": {"populations": rows}, "count": 2, "size": 2});
    vec![
        fault(POPULATIONS, 1, FaultAction::Body(list.to_string())),
        always(POPULATIONS, FaultAction::Hidden(3)),
    ]
}

/// How many lists were read of one population each.
fn lanes(server: &Server) -> u64 {
    let by_filter = server.requests().by_filter;
    by_filter.get("population.id").copied().unwrap_or_default()
}

#[tokio::test(start_paused = true)]
async fn lanes_cost_one_request_more_than_their_lists() {
    let server = serve(&staff(), |_| {}).await;
    server.set_faults(vec![crowded()]);
    gives_the_truth(&server, |_| {}).await;
    assert_eq!((lanes(&server), server.requests().of("GET", USERS)), (3, 4));
}

/// Lanes ask for users by population; the count of the whole list tells of those in a population that is hidden.
#[tokio::test(start_paused = true)]
async fn in_lanes_users_of_a_population_that_no_list_shows_are_missed() {
    let server = serve(&staff(), |_| {}).await;
    let hidden = staff().build().id("staff").unwrap().to_string();
    server.set_faults(crowded_without_first());
    let error = failure(&server, |_| {}).await;
    assert!(error.contains("does not show it") && error.contains(&hidden), "{error}");
    assert_eq!(lanes(&server), 2);
}

#[tokio::test(start_paused = true)]
async fn where_the_whole_list_does_not_count_there_are_no_lanes() {
    let server = serve(&staff(), |options| options.paging.no_count = true).await;
    server.set_faults(crowded_without_first());
    let error = failure(&server, |_| {}).await;
    assert!(error.contains("does not show it"), "{error}");
    assert_eq!(lanes(&server), 0);
}

/// Where a cursor died, populations are listed one by one as well.
#[tokio::test(start_paused = true)]
async fn after_a_cursor_died_a_hidden_population_is_missed_too() {
    let server = serve(&staff(), |options| options.paging.max_page_users = 2).await;
    server.set_faults(vec![
        always(POPULATIONS, FaultAction::Hidden(3)),
        always(USERS, FaultAction::AsIs).query("filter"),
        always(USERS, FaultAction::CursorExpired).query("cursor"),
    ]);
    failure(&server, |_| {}).await;
    assert_eq!(lanes(&server), 2);
}

/// A page that stands in for another one, where nothing counts the list: read again, then an error.
#[tokio::test(start_paused = true)]
async fn a_page_that_brings_nothing_new_is_no_end_of_a_list() {
    let roles = [READ_ONLY, "Identity Data Admin", "Environment Admin"];
    let mut directory = staff().group("crew", json!({}));
    for name in ["guests-0", "guests-1", "partners-0"] {
        directory = directory.member("crew", name);
    }
    for name in ["alpha", "beta"] {
        directory = directory.group(name, json!({}));
    }
    for role in roles {
        directory = directory.assignment(Holder::User("staff-0".to_owned()), role, ScopeOf::Environment);
    }
    let server = serve(&directory, |options| {
        options.paging.no_count = true;
        options.groups.no_direct_counts = true;
        (options.paging.max_page, options.paging.max_page_users) = (2, 2);
    })
    .await;
    gives_the_truth(&server, |_| {}).await;
    let lists = [GROUPS, POPULATIONS, "/environments/{id}/users/{id}/roleAssignments"];
    let members = fault(USERS, 1, FaultAction::RepeatPage).query("\"DIRECT\"]&cursor");
    let lists = lists.map(|path| fault(path, 1, FaultAction::RepeatPage).query("cursor"));
    for once in lists.into_iter().chain([members]) {
        server.set_faults(vec![once.clone()]);
        gives_the_truth(&server, |_| {}).await;
        server.set_faults(vec![once.clone().times(0)]);
        let error = failure(&server, |_| {}).await;
        assert!(error.contains("brings nothing but"), "{once:?}: {error}");
    }
}

/// Something names a population that the list leaves out: always, or only at first, as where it is made meanwhile.
#[tokio::test(start_paused = true)]
async fn a_population_that_only_something_else_names_is_in_the_file_or_ends_the_sync() {
    let base = || Directory::builder().population("quiet", json!({}));
    let more = |directory: DirectoryBuilder| {
        directory
            .population("staff", json!({}))
            .user("ada", "staff", json!({}))
            .group("open", json!({}))
    };
    let role = |holder: &str| {
        let scope = ScopeOf::Population("quiet".to_owned());
        more(base()).assignment(Holder::User(holder.to_owned()), READ_ONLY, scope)
    };
    let late = more(base().user("zed", "quiet", json!({"createdAt": "2999-01-01T00:00:00.000Z"})))
        .member("open", "zed")
        .assignment(Holder::User("zed".to_owned()), READ_ONLY, ScopeOf::Environment);
    for (how, directory) in [
        ("a group", more(base()).group("bound", json!({"population": "quiet"}))),
        ("a role", role("ada")),
        ("a late user", late),
    ] {
        let hidden = directory.clone().build().id("quiet").unwrap().to_string();
        let server = serve(&directory, |_| {}).await;
        gives_the_truth(&server, |_| {}).await;
        let faults = |times| {
            let mut faults = vec![fault(POPULATIONS, 1, FaultAction::Hidden(2)).times(times)];
            if how == "a late user" {
                // He is in no plain list.
                faults.push(always(USERS, FaultAction::AsIs).query("filter"));
                faults.push(always(USERS, FaultAction::Hidden(2)));
            }
            faults
        };
        server.set_faults(faults(1));
        gives_the_truth(&server, |_| {}).await;
        server.set_faults(faults(0));
        let error = failure(&server, |_| {}).await;
        assert!(
            error.contains("does not show it") && error.contains(&hidden),
            "{how}: {error}"
        );
    }
}

/// What is named and not there, or hidden from our client, is none of ours.
#[tokio::test(start_paused = true)]
async fn a_population_that_is_not_found_is_no_part_of_the_environment() {
    let elsewhere = Uuid::from_u128(77);
    let scope = ScopeOf::Other("POPULATION".to_owned(), elsewhere);
    let directory = staff().assignment(Holder::User("staff-0".to_owned()), READ_ONLY, scope);
    let server = serve(&directory, |_| {}).await;
    gives_the_truth(&server, |_| {}).await;
    assert_eq!(server.requests().of("GET", "/environments/{id}/populations/{id}"), 1);
}

/// Whether an inherited assignment has the id of the group's is not documented (pingone-api.md §11, question 5).
#[tokio::test(start_paused = true)]
async fn what_a_user_inherits_may_have_an_id_of_its_own() {
    let directory = staff().group("crew", json!({})).member("crew", "guests-0").assignment(
        Holder::Group("crew".to_owned()),
        READ_ONLY,
        ScopeOf::Environment,
    );
    let mut requests = Vec::new();
    for own in [false, true] {
        let server = serve(&directory, |options| options.roles.inherited_own_ids = own).await;
        gives_the_truth(&server, |_| {}).await;
        requests.push(server.requests().total);
        // Another role than the group holds is still one that its list leaves out.
        server.set_faults(vec![always(
            "/environments/{id}/groups/{id}/roleAssignments",
            FaultAction::Hidden(1),
        )]);
        let error = failure(&server, |_| {}).await;
        assert!(error.contains("comes to users through group"), "{error}");
    }
    assert_eq!(requests[0], requests[1]);
}

/// A worker application that is scoped to populations sees as many members of a group as are direct, and they are others.
#[tokio::test(start_paused = true)]
async fn nobody_is_taken_for_a_direct_member_because_a_list_is_as_long_as_their_count() {
    let directory = Directory::builder()
        .population("out of sight", json!({}))
        .population("staff", json!({}))
        .user("ann", "out of sight", json!({}))
        .user("bob", "out of sight", json!({}))
        .user("cid", "staff", json!({"title": "Clerk"}))
        .user("dan", "staff", json!({"title": "Clerk"}));
    let nested = directory
        .clone()
        .group("crew", json!({}))
        .group("inner", json!({}))
        .member("inner", "cid")
        .member("inner", "dan")
        .nested("inner", "crew");
    // Of one group it is asked how many belong to it in all: of the one with the smaller id.
    let filter = json!({"userFilter": "title eq \"Clerk\""});
    let dynamic = directory.group("crew", filter.clone()).group("clerks", filter);
    for (refused, directory) in [(false, &nested), (true, &nested), (false, &dynamic), (true, &dynamic)] {
        let directory = directory.clone().member("crew", "ann").member("crew", "bob");
        let server = serve(&directory, |options| {
            options.access.worker_role = vec!["Identity Data Admin@POPULATION:1".to_owned()];
            options.access.scoped_worker_sees_all_groups = true;
            options.filters.refuse_direct = refused;
        })
        .await;
        let error = failure(&server, |options| options.concurrency = 1).await;
        assert!(
            error.contains("direct members of group") && error.contains("0 of 2"),
            "{error}"
        );
    }
}

/// A worker application that is scoped to populations does not see every member that a group counts.
#[tokio::test(start_paused = true)]
async fn fewer_members_than_a_group_counts_are_accepted_where_the_message_says_so() {
    let directory = staff()
        .group("crew", json!({}))
        .group("inner", json!({}))
        .group("clerks", json!({"userFilter": "title eq \"Clerk\""}))
        .user("ann", "guests", json!({"title": "Clerk"}))
        .user("bob", "guests", json!({"title": "Clerk"}))
        .member("crew", "guests-0")
        .member("inner", "partners-0")
        .nested("inner", "crew");
    let server = serve(&directory, |_| {}).await;
    for (key, path, what) in [
        ("directMemberCounts.users", "*/groups*", "direct members of group"),
        ("directMemberCounts.groups", "*/groups*", "groups nested in group"),
        ("totalMemberCounts.users", "*/groups/*", "comes from its filter"),
    ] {
        let key = key.to_owned();
        server.set_faults(vec![always(path, FaultAction::Miscount { key, by: 1 })]);
        let error = failure(&server, |_| {}).await;
        assert!(error.contains(what) && error.contains("--accept-shrink"), "{error}");
        gives_the_truth(&server, |options| options.shrink.accept = true).await;
    }
    // What the rows need to hold together nobody can do without.
    server.set_faults(vec![always(
        POPULATIONS,
        FaultAction::Miscount {
            key: "count".to_owned(),
            by: 1,
        },
    )]);
    let error = failure(&server, |options| options.shrink.accept = true).await;
    assert!(
        error.contains("populations: 3 of 4") && !error.contains("--accept-shrink"),
        "{error}"
    );
}
