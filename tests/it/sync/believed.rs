//! Answers that name themselves PingOne's and are another listing's, another filter's, or not all: the file has the truth, or
//! the sync ends and says why.

use baton_ping_one::sync::SyncOptions;
use sandbox::pingone::{Directory, DirectoryBuilder, FaultAction, Holder, Options, ScopeOf, Server};
use serde_json::json;
use uuid::Uuid;

use super::{always, failure, fault, gives_the_truth, refuse, rows, run_with};

const GROUPS: &str = "/environments/{id}/groups";
const USERS: &str = "/environments/{id}/users";
const READ_ONLY: &str = "Identity Data Read Only";

/// Three users, a group of each kind.
fn staff() -> DirectoryBuilder {
    Directory::builder()
        .population("staff", json!({}))
        .population("guests", json!({}))
        .user("ada", "staff", json!({"title": "Engineer"}))
        .user("ben", "staff", json!({"title": "Clerk"}))
        .user("eve", "guests", json!({"title": "Clerk"}))
        .group("team", json!({}))
        .member("team", "ada")
        .member("team", "ben")
        .group("empty", json!({}))
        .group("clerks", json!({"userFilter": "title eq \"Clerk\""}))
        .assignment(Holder::Group("team".to_owned()), READ_ONLY, ScopeOf::Environment)
}

async fn serve(change: impl FnOnce(&mut Options)) -> Server {
    super::serve(&staff(), change).await
}

#[tokio::test(start_paused = true)]
async fn a_list_of_members_is_held_against_its_own_count() {
    let server = serve(|options| options.groups.no_direct_counts = true).await;
    server.set_faults(vec![always(USERS, FaultAction::SkipRow).query("DIRECT")]);
    gives_the_truth(&server, |_| {}).await;
}

#[tokio::test(start_paused = true)]
async fn without_counts_a_filter_that_is_ignored_is_found_out() {
    let server = serve(|options| options.groups.no_direct_counts = true).await;
    server.set_faults(vec![always(USERS, FaultAction::FilterIgnored).query("DIRECT")]);
    let error = failure(&server, |_| {}).await;
    assert!(error.contains("ignore the filter"), "{error}");
    // No group is nested in itself.
    server.set_faults(vec![always(GROUPS, FaultAction::FilterIgnored).query("DIRECT")]);
    gives_the_truth(&server, |_| {}).await;
}

#[tokio::test(start_paused = true)]
async fn the_first_dynamic_group_too_has_as_many_members_as_it_counts() {
    let server = serve(|options| options.paging.no_count = true).await;
    server.set_faults(vec![
        always(USERS, FaultAction::AsIs).query("DIRECT"),
        always(USERS, FaultAction::SkipRow).query("memberOfGroups"),
    ]);
    let error = failure(&server, |_| {}).await;
    assert!(error.contains("1 of the 2 users"), "{error}");
}

#[tokio::test(start_paused = true)]
async fn users_of_another_population_than_was_asked_for_end_the_sync() {
    let server = serve(|_| {}).await;
    server.set_faults(vec![always(USERS, FaultAction::FilterIgnored).query("population.id")]);
    let error = failure(&server, |options| options.population_filter = vec!["guests".to_owned()]).await;
    assert!(error.contains("of another population"), "{error}");

    let dir = tempfile::tempdir().unwrap();
    let mut options = SyncOptions::full(dir.path().to_owned(), dir.path().join("a.c1z"));
    let guests = staff().build().id("guests").unwrap();
    options.targeted = true;
    options.targets = vec![baton::model::ResourceId::new(baton_ping_one::model::POPULATION, guests)];
    let error = run_with(&server, options).await.unwrap_err().to_string();
    assert!(error.contains("of another population"), "{error}");
}

#[tokio::test(start_paused = true)]
async fn what_users_hold_through_a_group_the_group_holds_too() {
    let server = serve(|_| {}).await;
    let roles = "/environments/{id}/groups/{id}/roleAssignments";
    server.set_faults(vec![fault(roles, 1, FaultAction::Hidden(1))]);
    gives_the_truth(&server, |_| {}).await;
    server.set_faults(vec![always(roles, FaultAction::Hidden(1))]);
    let error = failure(&server, |_| {}).await;
    assert!(error.contains("comes to users through group"), "{error}");
}

#[tokio::test(start_paused = true)]
async fn an_empty_list_of_built_in_roles_or_of_populations_is_not_believed() {
    let server = serve(|_| {}).await;
    let dir = tempfile::tempdir().unwrap();
    let mut found = Vec::new();
    for faults in [
        vec![refuse("/roles", None, 403, "ACCESS_FAILED", "INSUFFICIENT_PERMISSIONS")],
        vec![always(
            "/roles",
            FaultAction::Body(r#"{"_embedded":{"roles":[]},"size":0}"#.to_owned()),
        )],
    ] {
        server.set_faults(faults);
        let file = dir.path().join("a.c1z");
        let options = SyncOptions::full(dir.path().to_owned(), file.clone());
        run_with(&server, options).await.unwrap();
        found.push(rows(&file, dir.path()));
    }
    assert_eq!(found[0], found[1]);

    let path = format!("/v1/environments/{}/populations", server.environment_id());
    let empty = format!(r#"{{"_embedded":{{}},"_links":{{"self":{{"href":"{path}"}}}}}}"#);
    server.set_faults(vec![always("/environments/{id}/populations", FaultAction::Body(empty))]);
    let error = failure(&server, |_| {}).await;
    assert!(error.contains("populations: 0 of 1"), "{error}");
}

#[tokio::test(start_paused = true)]
async fn each_member_who_is_not_there_must_have_left_the_list() {
    let server = serve(|options| options.groups.no_direct_counts = true).await;
    let empty = staff().build().id("empty").unwrap();
    let list = |numbers: &[u128]| {
        let users: Vec<_> = numbers
            .iter()
            .map(|number| json!({"id": Uuid::from_u128(*number)}))
            .collect();
        FaultAction::Body(json!({"_embedded": {"users": users}}).to_string())
    };
    let of_empty = format!("memberOfGroups[id eq \"{empty}\"");
    server.set_faults(vec![
        always(USERS, list(&[1, 2])).query(&format!("{of_empty} and type eq \"DIRECT\"")),
        always(USERS, list(&[1])).query(&of_empty),
    ]);
    let error = failure(&server, |_| {}).await;
    assert!(error.contains("is still listed"), "{error}");
}

/// The list of groups counts members and nested groups; the single read of a group says nothing of them.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_list_of_groups_counts_holds_where_the_group_itself_says_nothing() {
    let server = serve(|_| {}).await;
    let team = staff().build().id("team").unwrap();
    let silent = json!({"id": team, "name": "team", "totalMemberCounts": {"users": 2}}).to_string();
    for action in [FaultAction::FilterMatchesNobody, FaultAction::FilterIgnored] {
        server.set_faults(vec![
            always(USERS, action).query("DIRECT"),
            always(&format!("*/groups/{team}"), FaultAction::Body(silent.clone())),
        ]);
        gives_the_truth(&server, |_| {}).await;
    }
}

/// After the first list of populations the worker sees only one of them.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_populations_counted_at_first_holds_when_they_are_out_of_sight() {
    let server = serve(|_| {}).await;
    server.set_faults(vec![
        always(USERS, FaultAction::Narrowed(1)),
        fault("/environments/{id}/populations", 2, FaultAction::Narrowed(1)).times(0),
    ]);
    let error = failure(&server, |_| {}).await;
    assert!(error.contains("users of population"), "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_page_of_another_groups_members_is_not_believed() {
    let server = serve(|_| {}).await;
    let (team, other) = (staff().build().id("team").unwrap(), Uuid::from_u128(7));
    let own = format!("{}/environments/{}/users", server.api_url(), server.environment_id());
    let filter = format!("memberOfGroups%5Bid%20eq%20%22{other}%22%5D");
    let eve = staff().build().id("eve").unwrap();
    let page = json!({
        "_links": {"self": {"href": format!("{own}?filter={filter}")}},
        "_embedded": {"users": [{"id": eve, "environment": {"id": server.environment_id()}}]},
        "count": 1,
        "size": 1,
    });
    server.set_faults(vec![
        always(USERS, FaultAction::Body(page.to_string())).query(&team.to_string()),
    ]);
    let error = failure(&server, |_| {}).await;
    assert!(error.contains("another listing"), "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_no_filter_and_no_gateway_spoils_the_row() {
    let server = serve(|_| {}).await;
    let environment = json!({"id": server.environment_id()});
    let group = json!({"id": Uuid::from_u128(7), "name": "g", "environment": environment, "userFilter": {"scim": "x"},
        "directMemberCounts": {"users": 0, "groups": 0}});
    let groups = json!({"_links": {}, "_embedded": {"groups": [group]}, "count": 1, "size": 1});
    server.set_faults(vec![always(GROUPS, FaultAction::Body(groups.to_string()))]);
    let error = failure(&server, |_| {}).await;
    assert!(error.contains("no text"), "{error}");
    let role = server.directory().roles()[0].0;
    let held = json!({"id": Uuid::from_u128(8), "role": {"id": role}, "environment": environment, "gateway": {},
        "scope": {"type": "ENVIRONMENT", "id": server.environment_id()}});
    let held = json!({"_links": {}, "_embedded": {"roleAssignments": [held]}, "size": 1});
    server.set_faults(vec![always(
        "*/users/{id}/roleAssignments",
        FaultAction::Body(held.to_string()),
    )]);
    failure(&server, |_| {}).await;
}

/// A page of users, with links and rows as given.
fn users_page(server: &Server, links: &serde_json::Value, rows: &[serde_json::Value]) -> FaultAction {
    let environment = json!({"id": server.environment_id()});
    let row = |row: &serde_json::Value| {
        let mut row = row.clone();
        let members = row.as_object_mut().unwrap();
        members.insert("environment".to_owned(), environment.clone());
        row
    };
    let rows: Vec<_> = rows.iter().map(row).collect();
    FaultAction::Body(json!({"_links": links, "_embedded": {"users": rows}}).to_string())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_first_page_that_comes_after_another_is_not_believed() {
    let server = serve(|options| options.paging.no_count = true).await;
    let own = format!(
        "{}/environments/{}/users?limit=200",
        server.api_url(),
        server.environment_id()
    );
    let later = format!("{own}&cursor=abc");
    for links in [
        json!({"self": {"href": later}}),
        json!({"self": {"href": own}, "prev": {"href": own}}),
    ] {
        server.set_faults(vec![always(USERS, users_page(&server, &links, &[])).query("limit")]);
        let error = failure(&server, |_| {}).await;
        assert!(error.contains("comes after another"), "{error}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn users_of_whom_none_says_whether_he_is_enabled_are_not_believed() {
    let server = serve(|_| {}).await;
    let population = json!({"id": staff().build().id("staff").unwrap()});
    for enabled in [json!(null), json!(1), json!("no")] {
        let row =
            |n: u128| json!({"id": Uuid::from_u128(n), "username": "u", "population": population, "enabled": enabled});
        let rows: Vec<_> = (1..=5).map(row).collect();
        server.set_faults(vec![
            always(USERS, users_page(&server, &json!({}), &rows)).query("limit"),
        ]);
        let error = failure(&server, |_| {}).await;
        assert!(error.contains("whether he is enabled"), "{error}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_role_that_the_environment_has_is_in_its_list() {
    let directory = staff().role(
        "desk",
        json!({"name": "Contractor Desk", "applicableTo": ["ENVIRONMENT"]}),
    );
    let directory = directory.assignment(Holder::User("ada".to_owned()), "desk", ScopeOf::Environment);
    let server = serve(|options| options.custom = Some(directory.build())).await;
    let roles = "/environments/{id}/roles";
    let built_in = server.directory().roles()[0].0;
    let page =
        |rows: serde_json::Value| FaultAction::Body(json!({"_links": {}, "_embedded": {"roles": rows}}).to_string());
    let narrowed = page(json!([{"id": built_in, "type": "PLATFORM"}]));
    for (action, text) in [
        (narrowed, "the list does not show it"),
        (page(json!([])), "roles of the environment: 0 of 1"),
    ] {
        server.set_faults(vec![fault(roles, 1, action.clone())]);
        gives_the_truth(&server, |_| {}).await;
        server.set_faults(vec![always(roles, action)]);
        let error = failure(&server, |_| {}).await;
        assert!(error.contains(text), "{error}");
    }
}

/// PingOne's 404 about one membership, where the plain list still shows the member.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_member_whom_the_list_still_shows_is_not_left_out() {
    let server = serve(|options| {
        options.filters.refuse_direct = true;
        options.custom = Some(staff().member("clerks", "ada").build());
    })
    .await;
    let ben = staff().build().id("ben").unwrap();
    server.set_faults(vec![always(
        &format!("*/users/{ben}/memberOfGroups/*"),
        FaultAction::status(404),
    )]);
    let error = failure(&server, |_| {}).await;
    assert!(error.contains("does not find") || error.contains("still"), "{error}");
}
