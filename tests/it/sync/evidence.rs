//! What one answer leaves out, another one tells of: the file has the truth, or the sync ends and says why.

use baton_ping_one::model::{GROUP, ROLE};
use baton_ping_one::sync::SyncOptions;
use sandbox::pingone::{Directory, DirectoryBuilder, Fault, FaultAction, FaultBody, Holder, Options, ScopeOf, Server};
use serde_json::json;

use super::{failure, fault, gives_the_truth, refuse};

const GROUPS: &str = "/environments/{id}/groups";
const USERS: &str = "/environments/{id}/users";
const READ_ONLY: &str = "Identity Data Read Only";

fn staff() -> DirectoryBuilder {
    Directory::builder()
        .population("staff", json!({}))
        .user("ada", "staff", json!({"title": "Engineer"}))
        .user("ben", "staff", json!({"title": "Clerk"}))
        .user("eve", "staff", json!({"title": "Clerk"}))
}

async fn serve(directory: DirectoryBuilder) -> Server {
    serve_with(directory, |_| {}).await
}

async fn serve_with(directory: DirectoryBuilder, change: impl FnOnce(&mut Options)) -> Server {
    super::serve(&directory, change).await
}

/// The first of so many rows is in no plain list of groups; what has a filter is answered as it is.
fn without_first(path: &str, of: u32) -> Vec<Fault> {
    vec![
        fault(path, 1, FaultAction::AsIs).times(0).query("filter"),
        fault(path, 1, FaultAction::Hidden(of)).times(0),
    ]
}

fn gone() -> FaultAction {
    FaultAction::status(404)
}

/// How a sync fails.
#[tokio::test(start_paused = true)]
async fn a_group_that_no_list_shows_ends_the_sync_wherever_something_names_it() {
    let groups = || {
        staff()
            .group("hidden", json!({}))
            .group("open", json!({}))
            .member("open", "ada")
    };
    // Some users are asked for their groups, others each time: all of them are in it.
    let mut crowd = groups();
    for name in ["ada", "ben", "eve"] {
        crowd = crowd.member("hidden", name);
    }
    for number in 0..220 {
        let name = format!("u{number}");
        crowd = crowd.user(&name, "staff", json!({})).member("hidden", &name);
    }
    for (how, directory) in [
        ("nested", groups().nested("hidden", "open")),
        (
            "a role is held through it",
            groups().member("hidden", "eve").assignment(
                Holder::Group("hidden".to_owned()),
                READ_ONLY,
                ScopeOf::Environment,
            ),
        ),
        ("its members say so", crowd),
    ] {
        let server = serve(directory).await;
        gives_the_truth(&server, |_| {}).await;
        server.set_faults(without_first(GROUPS, 2));
        let error = failure(&server, |_| {}).await;
        assert!(error.contains("does not show it"), "{how}: {error}");
    }
}

/// The list of groups was read before they were made: what is nested in others is found by that, with all that is in it.
#[tokio::test(start_paused = true)]
async fn groups_made_meanwhile_are_in_the_file_with_what_is_nested_in_them() {
    let directory = staff()
        .group("late", json!({}))
        .group("open", json!({}))
        .group("later", json!({}))
        .nested("late", "open")
        .nested("later", "late")
        .member("late", "ada")
        .member("later", "eve")
        .assignment(Holder::Group("later".to_owned()), READ_ONLY, ScopeOf::Environment);
    let server = serve(directory).await;
    server.set_faults(vec![fault(GROUPS, 1, FaultAction::Hidden(2))]);
    gives_the_truth(&server, |_| {}).await;
}

#[tokio::test(start_paused = true)]
async fn a_population_that_no_list_shows_and_a_user_without_one_end_the_sync() {
    let server = serve(staff().population("guests", json!({})).user("gus", "guests", json!({}))).await;
    server.set_faults(without_first("/environments/{id}/populations", 2));
    let error = failure(&server, |_| {}).await;
    assert!(
        error.contains("population") && error.contains("does not show it"),
        "{error}"
    );

    let server = serve(staff().user("zed", "staff", json!({"population": null}))).await;
    let error = failure(&server, |_| {}).await;
    assert!(
        error.contains("users of population") && error.contains("3 of 4"),
        "{error}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_404_about_what_is_still_shown_is_asked_again_and_then_ends_the_sync() {
    let directory = || {
        staff()
            .group("team", json!({}))
            .group("inner", json!({}))
            .member("team", "ada")
            .nested("inner", "team")
            .assignment(Holder::Group("team".to_owned()), READ_ONLY, ScopeOf::Environment)
            .assignment(Holder::User("ben".to_owned()), READ_ONLY, ScopeOf::Environment)
    };
    let of = directory().build();
    let (team, inner, ben) = (of.id("team").unwrap(), of.id("inner").unwrap(), of.id("ben").unwrap());
    let below = |kind: &str, id| format!("*/{kind}/{id}*");
    let cases = [
        fault("*/groups/*/roleAssignments", 1, gone()),
        fault("*/users/*/roleAssignments", 1, gone()),
        fault(USERS, 1, gone()).query("DIRECT"),
        fault(GROUPS, 1, gone()).query("DIRECT"),
        fault(&below("groups", team), 1, gone()),
        fault(&below("groups", inner), 1, gone()),
        fault(&below("users", ben), 1, gone()),
    ];
    let server = serve(directory()).await;
    for fault in cases {
        server.set_faults(vec![fault.clone()]);
        gives_the_truth(&server, |_| {}).await;
        server.set_faults(vec![fault.clone().times(0)]);
        let error = failure(&server, |_| {}).await;
        assert!(error.contains("is still listed"), "{fault:?}: {error}");
    }
}

#[tokio::test(start_paused = true)]
async fn rows_of_another_environment_end_the_sync() {
    let elsewhere = json!({"environment": {"id": "11111111-2222-4333-8444-555555555555"}});
    for directory in [
        staff().user("zed", "staff", elsewhere.clone()),
        staff().group("zed", elsewhere.clone()),
        staff().population("zed", elsewhere),
    ] {
        let server = serve(directory).await;
        let error = failure(&server, |_| {}).await;
        assert!(error.contains("is of another environment"), "{error}");
    }
}

/// Two dynamic groups that are nested in each other, two static ones, and one that is nested in one of each.
#[tokio::test(start_paused = true)]
async fn members_of_groups_in_a_ring_are_not_lost() {
    let directory = || {
        staff()
            .group("left", json!({"userFilter": "title eq \"Clerk\""}))
            .group("right", json!({"userFilter": "title eq \"Engineer\""}))
            .group("below", json!({}))
            .member("left", "ada")
            .member("below", "eve")
            .nested("left", "right")
            .nested("right", "left")
            .nested("below", "left")
            .group("one", json!({}))
            .group("two", json!({}))
            .member("one", "ada")
            .member("two", "ben")
            .nested("one", "two")
            .nested("two", "one")
            .nested("below", "one")
    };
    gives_the_truth(&serve(directory()).await, |_| {}).await;
    let refused = |options: &mut Options| options.filters.refuse_direct = true;
    gives_the_truth(&serve_with(directory(), refused).await, |_| {}).await;
}

#[tokio::test(start_paused = true)]
async fn access_through_groups_stays_without_groups_in_the_sync() {
    let directory = staff().group("team", json!({})).member("team", "ada").assignment(
        Holder::Group("team".to_owned()),
        READ_ONLY,
        ScopeOf::Environment,
    );
    for unmarked in [false, true] {
        let server = serve_with(directory.clone(), |options| options.roles.inherited_unmarked = unmarked).await;
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("a.c1z");
        let mut options = SyncOptions::full(dir.path().to_owned(), file.clone());
        options.resource_types.retain(|kind| *kind != GROUP);
        super::run_with(&server, options).await.unwrap();
        let told = crate::knobs::oracle::told(&file, dir.path());
        let ada = directory.clone().build().id("ada").unwrap().to_string();
        let holds = |fact: &&crate::knobs::oracle::Fact| matches!(fact, crate::knobs::oracle::Fact::Holds("user", id, ..) if *id == ada);
        assert_eq!(told.iter().filter(holds).count(), 1, "{unmarked}: {told:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn either_list_of_roles_may_be_refused() {
    let directory = staff()
        .role("Auditors", json!({}))
        .assignment(Holder::User("ada".to_owned()), READ_ONLY, ScopeOf::Environment)
        .assignment(Holder::User("ben".to_owned()), "Auditors", ScopeOf::Environment);
    let server = serve(directory).await;
    for path in ["/roles", "/environments/{id}/roles"] {
        let (code, detail) = ("ACCESS_FAILED", "INSUFFICIENT_PERMISSIONS");
        server.set_faults(vec![refuse(path, None, 403, code, detail).times(0)]);
        gives_the_truth(&server, |_| {}).await;
        // Where the sync wants no roles, nobody asks.
        gives_the_truth_without_roles(&server).await;
    }
}

async fn gives_the_truth_without_roles(server: &Server) {
    let before = server.requests().of("GET", "/v1/roles");
    let dir = tempfile::tempdir().unwrap();
    let mut options = SyncOptions::full(dir.path().to_owned(), dir.path().join("a.c1z"));
    options.resource_types.retain(|kind| *kind != ROLE);
    super::run_with(server, options).await.unwrap();
    assert_eq!(server.requests().of("GET", "/v1/roles"), before);
}

#[tokio::test(start_paused = true)]
async fn user_filter_is_blamed_only_where_it_was_sent() {
    let server = serve(staff()).await;
    let error = failure(&server, |options| {
        options.user_filter = Some("title gt \"A\"".to_owned());
    })
    .await;
    assert!(error.contains("Check user-filter."), "{error}");
    server.set_faults(vec![
        refuse(USERS, None, 400, "INVALID_REQUEST", "INVALID_FILTER").times(0),
    ]);
    let error = failure(&server, |_| {}).await;
    assert!(!error.contains("user-filter"), "{error}");
}

/// Nobody counts, and filters by type find nothing: what is nested and who is direct is asked one by one.
#[tokio::test(start_paused = true)]
async fn without_counts_a_filter_that_finds_nothing_is_not_believed() {
    let directory = staff()
        .group("inner", json!({}))
        .group("outer", json!({}))
        .group("clerks", json!({"userFilter": "title eq \"Clerk\""}))
        .member("inner", "ada")
        .member("outer", "ben")
        .member("clerks", "ada")
        .nested("inner", "outer");
    let server = serve_with(directory, |options| options.groups.no_direct_counts = true).await;
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("a.c1z");
    let options = || SyncOptions::full(dir.path().to_owned(), file.clone());
    super::run_with(&server, options()).await.unwrap();
    let truth = super::rows(&file, dir.path());
    let nothing = |path| {
        fault(path, 1, FaultAction::FilterMatchesNobody)
            .times(0)
            .query("type eq")
    };
    server.set_faults(vec![nothing(GROUPS), nothing(USERS)]);
    super::run_with(&server, options()).await.unwrap();
    assert_eq!(super::rows(&file, dir.path()), truth);
}

/// The names of built-in roles and of the organization.
#[tokio::test(start_paused = true)]
async fn what_a_sync_can_do_without_may_fail() {
    let directory = staff().assignment(Holder::User("ada".to_owned()), READ_ONLY, ScopeOf::Environment);
    let server = serve(directory).await;
    for path in ["/roles", "*/organizations/*"] {
        for action in [
            FaultAction::status(500),
            FaultAction::Hang,
            FaultAction::Html,
            FaultAction::foreign(502, FaultBody::Html),
        ] {
            server.set_faults(vec![fault(path, 1, action).times(0)]);
            gives_the_truth(&server, |_| {}).await;
        }
    }
    assert!(
        server.requests().of("GET", "/organizations/{id}") > 0,
        "it is asked for"
    );
}
