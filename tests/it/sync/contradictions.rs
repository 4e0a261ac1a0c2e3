//! Two answers of one sync that cannot both be true: the file has the truth, or the sync ends and says why.

use sandbox::pingone::{Directory, DirectoryBuilder, Fault, FaultAction, Holder, ScopeOf, Server, SourceType};
use serde_json::{Value, json};
use uuid::Uuid;

use super::complete::miscount;
use super::{always, failure, fault, gives_the_truth, refuse, serve};

const USERS: &str = "/environments/{id}/users";
const MEMBERSHIPS: &str = "/environments/{id}/users/{id}/memberOfGroups";
const MEMBERSHIP: &str = "/environments/{id}/users/{id}/memberOfGroups/{id}";
const READ_ONLY: &str = "Identity Data Read Only";

/// Four users of two populations; a group that holds a role.
fn staff() -> DirectoryBuilder {
    Directory::builder()
        .population("staff", json!({}))
        .population("guests", json!({}))
        .user("ada", "staff", json!({"title": "Clerk"}))
        .user("ben", "staff", json!({"title": "Clerk"}))
        .user("eve", "guests", json!({}))
        .user("zoe", "guests", json!({}))
        .group("team", json!({}))
        .member("team", "ada")
        .member("team", "ben")
        .assignment(Holder::Group("team".to_owned()), READ_ONLY, ScopeOf::Environment)
}

/// The plain list of users leaves out every so manieth user, so many times (0: always), and no count tells.
fn short_list(every: u32, times: u64) -> Vec<Fault> {
    vec![
        miscount("*/populations", "userCount", -9),
        always(USERS, FaultAction::AsIs).query("filter"),
        fault(USERS, 1, FaultAction::Hidden(every)).times(times),
    ]
}

fn plain_lists(server: &Server) -> u64 {
    let filtered: u64 = server.requests().by_filter.values().sum();
    server.requests().of("GET", USERS) - filtered
}

#[tokio::test(start_paused = true)]
async fn who_was_there_before_the_list_was_read_must_be_in_it() {
    let server = serve(&staff(), |_| {}).await;
    for every in [1, 3] {
        server.set_faults(short_list(every, 1));
        gives_the_truth(&server, |_| {}).await;
        server.set_faults(short_list(every, 0));
        let error = failure(&server, |_| {}).await;
        assert!(error.contains("users of the environment"), "{error}");
        assert!(error.contains("--accept-shrink"), "{error}");
    }
}

#[tokio::test(start_paused = true)]
async fn who_came_or_changed_while_the_list_was_read_may_be_late() {
    for key in ["createdAt", "updatedAt"] {
        let late = Directory::builder()
            .population("staff", json!({}))
            .user("new", "staff", json!({key: "2999-01-01T00:00:00.000Z"}))
            .user("ada", "staff", json!({}))
            .group("team", json!({}))
            .member("team", "new");
        let server = serve(&late, |_| {}).await;
        server.set_faults(short_list(9, 0));
        server.reset_requests();
        gives_the_truth(&server, |_| {}).await;
        assert_eq!(plain_lists(&server), 1, "{key}");
    }
}

/// The list of the group's members, and what it counts, leave a user out who holds a role through it.
#[tokio::test(start_paused = true)]
async fn who_holds_a_role_through_a_group_is_one_of_its_members() {
    let directory = staff()
        .group("inner", json!({}))
        .member("inner", "eve")
        .nested("inner", "team");
    for unmarked in [false, true] {
        let server = serve(&directory, |options| options.roles.inherited_unmarked = unmarked).await;
        gives_the_truth(&server, |_| {}).await;
        let left_out = || {
            vec![
                miscount("*/groups*", "directMemberCounts.users", -1),
                always(USERS, FaultAction::Hidden(9)).query("DIRECT"),
                always(MEMBERSHIPS, FaultAction::Hidden(1)),
            ]
        };
        server.set_faults(left_out());
        let error = failure(&server, |_| {}).await;
        assert!(error.contains("leaves him out"), "{error}");
        let mut faults = left_out();
        faults.push(refuse(MEMBERSHIP, None, 404, "NOT_FOUND", "NOT_FOUND"));
        server.set_faults(faults);
        let error = failure(&server, |_| {}).await;
        assert!(error.contains("and is no member of it"), "{error}");
    }
}

/// A list of one assignment over the environment; `links` are the row's.
fn one_assignment(server: &Server, id: Uuid, links: &Value) -> FaultAction {
    let environment = server.environment_id();
    let role = server.snapshot().assignments.iter().next().unwrap().role;
    let row = json!({"_links": links, "id": id, "role": {"id": role}, "environment": {"id": environment},
        "scope": {"id": environment, "type": "ENVIRONMENT"}, "readOnly": false});
    FaultAction::Body(json!({"_embedded": {"roleAssignments": [row]}, "size": 1}).to_string())
}

#[tokio::test(start_paused = true)]
async fn an_assignment_belongs_to_one_holder() {
    let directory = staff().assignment(Holder::User("ada".to_owned()), READ_ONLY, ScopeOf::Environment);
    let (server, of) = (serve(&directory, |_| {}).await, directory.clone().build());
    gives_the_truth(&server, |_| {}).await;
    let id = |label| of.id(label).unwrap();
    let assignments = server.snapshot().assignments;
    let own = assignments.iter().find(|item| item.holder == id("ada")).unwrap().id;
    let of_eve = format!("*/users/{}/roleAssignments", id("eve"));
    let foreign = fault(&of_eve, 1, one_assignment(&server, own, &Value::Null));
    server.set_faults(vec![foreign.clone()]);
    gives_the_truth(&server, |_| {}).await;
    server.set_faults(vec![foreign.times(0)]);
    let error = failure(&server, |_| {}).await;
    assert!(error.contains("belongs to one of them"), "{error}");

    let address = |kind: &str, id: Uuid| format!("https://api.pingone.com/v1/environments/{id}/{kind}/{id}");
    for (link, href) in [
        ("self", format!("{}/roleAssignments/{own}", address("users", id("ada")))),
        ("user", address("users", id("ada"))),
        ("application", address("applications", id("team"))),
    ] {
        let links = json!({link: {"href": href}});
        server.set_faults(vec![always(
            &of_eve,
            one_assignment(&server, Uuid::from_u128(5), &links),
        )]);
        let error = failure(&server, |_| {}).await;
        assert!(error.contains("of another holder"), "{link}: {error}");
    }
    // What does not name a holder is no reason to doubt.
    for links in [json!({"self": {"href": 5}, "user": null}), json!([])] {
        let of_ada = of_eve.replace(&id("eve").to_string(), &id("ada").to_string());
        server.set_faults(vec![always(&of_ada, one_assignment(&server, own, &links))]);
        gives_the_truth(&server, |_| {}).await;
    }
}

#[tokio::test(start_paused = true)]
async fn who_was_added_to_a_dynamic_group_is_in_its_plain_list() {
    let clerks = json!({"userFilter": "title eq \"Clerk\""});
    let directory = staff().group("clerks", clerks).member("clerks", "eve");
    let server = serve(&directory, |_| {}).await;
    gives_the_truth(&server, |_| {}).await;
    let id = directory.clone().build().id("clerks").unwrap();
    let plain = |times| {
        let hidden = fault(USERS, 1, FaultAction::Hidden(1)).times(times);
        server.set_faults(vec![
            always(USERS, FaultAction::AsIs).query("DIRECT"),
            hidden.query(&format!("memberOfGroups[id eq \"{id}\"")),
            miscount("/environments/{id}/groups/{id}", "totalMemberCounts.users", -9),
        ]);
    };
    plain(1);
    failure(&server, |_| {}).await;
    plain(0);
    let error = failure(&server, |_| {}).await;
    assert!(error.contains("leaves him out"), "{error}");
}

#[tokio::test(start_paused = true)]
async fn an_external_group_has_as_many_members_as_it_counts() {
    let mut directory = staff();
    let names = ["north", "south", "west"];
    for name in names {
        directory = directory.group(name, json!({"sourceType": "LDAP_GATEWAY"}));
        for user in ["ada", "ben"] {
            directory = directory.member(name, user);
        }
    }
    let server = serve(&directory, |options| {
        options.groups.external_members = SourceType::Direct;
    })
    .await;
    gives_the_truth(&server, |_| {}).await;
    let of = directory.clone().build();
    // The last one, since a few counts are looked at in any case.
    let last = names.iter().filter_map(|name| of.id(name)).max().unwrap();
    let of_last = format!("memberOfGroups[id eq \"{last}\"");
    let users = ["ada", "ben", "eve"].map(|name| json!({"id": of.id(name)}));
    let long = FaultAction::Body(json!({"_embedded": {"users": users}, "count": 3, "size": 3}).to_string());
    let short = FaultAction::Hidden(3);
    for (action, what) in [(short, "1 of the 2"), (long, "3 members of group")] {
        server.set_faults(vec![fault(USERS, 1, action.clone()).times(0).query(&of_last)]);
        let error = failure(&server, |options| options.concurrency = 1).await;
        assert!(error.contains(what), "{action:?}: {error}");
    }
}

/// pingone-api.md §6.6: a group that is bound to a population takes its users only.
#[tokio::test(start_paused = true)]
async fn a_group_of_a_population_has_no_members_of_another_one() {
    let directory = staff()
        .group("local", json!({"population": "staff"}))
        .member("local", "ada");
    let (server, of) = (serve(&directory, |_| {}).await, directory.clone().build());
    gives_the_truth(&server, |_| {}).await;
    let (local, eve) = (of.id("local").unwrap(), of.id("eve").unwrap());
    let list = json!({"_embedded": {"users": [{"id": eve}]}, "count": 1, "size": 1});
    let strangers =
        always(USERS, FaultAction::Body(list.to_string())).query(&format!("memberOfGroups[id eq \"{local}\""));
    server.set_faults(vec![strangers, always(MEMBERSHIPS, FaultAction::Hidden(1))]);
    let error = failure(&server, |_| {}).await;
    assert!(error.contains("and is none"), "{error}");
    // Who moved may still belong to it.
    let moved = staff()
        .group("local", json!({"population": "staff"}))
        .member("local", "eve");
    gives_the_truth(&serve(&moved, |_| {}).await, |_| {}).await;
}
