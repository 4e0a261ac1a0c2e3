//! Groups are created, changed and deleted (access-model.md §7.1, points 129 and 130): once, and only what gives nothing to
//! anybody is deleted.

use baton::task::{ActionStatus, Code, TaskError};
use baton_ping_one::provision::ProvisionOptions;
use pingone::Client;
use sandbox::pingone::{Directory, Fault, FaultAction, FaultBody, Holder, Lost, ScopeOf};
use serde_json::{Value, json};
use uuid::Uuid;

use super::rig::{Rig, directory};
use crate::stand_in::{UNLIMITED, client};

const GROUPS: &str = "/environments/{id}/groups";
const ONE: &str = "/environments/{id}/groups/{id}";

struct Groups {
    rig: Rig,
    directory: Directory,
    client: Client,
}

impl Groups {
    async fn new() -> Self {
        Self::with(ProvisionOptions::default()).await
    }

    async fn with(options: ProvisionOptions) -> Self {
        let directory = directory()
            .group(
                "empty",
                json!({"description": "Nobody", "externalId": "40", "customData": {"owner": "cfo"}}),
            )
            .group("filtered", json!({"userFilter": "title eq \"Controller\""}))
            .group(
                "nobody-fits",
                json!({"userFilter": "title eq \"Astronaut\"", "population": "staff"}),
            )
            .group("outside", json!({"sourceType": "GATEWAY"}))
            .group("admins", json!({}))
            .group("parent", json!({}))
            .group("child", json!({}))
            .nested("child", "parent")
            .assignment(Holder::Group("admins".into()), "Help Desk Admin", ScopeOf::Environment)
            .build();
        let custom = directory.clone();
        let rig = Rig::with(|sandbox| sandbox.custom = Some(custom), options).await;
        let client = client(&rig.server, UNLIMITED);
        Self { rig, directory, client }
    }

    fn id(&self, label: &str) -> Uuid {
        self.directory.id(label).unwrap()
    }

    /// The response of an action that succeeds.
    async fn done(&self, name: &str, args: Value) -> Value {
        let mut state = self.rig.call(name, Some("group"), args).await.unwrap();
        if state.status == ActionStatus::Running {
            state = self.rig.settled(&state).await;
        }
        assert_eq!(state.status, ActionStatus::Complete, "{state:?}");
        Value::Object(state.response)
    }

    async fn refused(&self, name: &str, args: Value) -> TaskError {
        match self.rig.call(name, Some("group"), args).await {
            Err(error) => error,
            Ok(state) => {
                let state = self.rig.settled(&state).await;
                assert_eq!(state.status, ActionStatus::Failed, "{state:?}");
                TaskError::new(Code::Unknown, state.response["error"].as_str().unwrap())
            }
        }
    }

    async fn named(&self, name: &str) -> Vec<Uuid> {
        let all = self.client.groups().all().await.unwrap();
        let named = all.into_iter().filter(|group| group.name.as_deref() == Some(name));
        named.map(|group| group.id).collect()
    }

    fn delete(&self, label: &str) -> Value {
        json!({"group_id": {"resource_type_id": "group", "resource_id": self.id(label)}, "confirm_name": label})
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_group_is_created_and_shown_by_a_read() {
    let groups = Groups::new().await;
    let staff = groups.id("staff");
    let args = json!({"name": "Auditors (EU)", "description": "Who may look", "population_id": staff});
    let response = groups.done("create", args).await;
    let requests = groups.rig.server.requests();
    let made = groups.named("Auditors (EU)").await;
    assert_eq!(made.len(), 1);
    let group = groups.client.group(made[0]).await.unwrap();
    assert_eq!(group.description.as_deref(), Some("Who may look"));
    assert_eq!(group.population_id(), Some(staff));
    assert_eq!(
        response["resource"],
        json!({"resourceId": {"resourceTypeId": "group", "resourceId": made[0]}, "displayName": "Auditors (EU)"})
    );
    assert!(response["message"].as_str().unwrap().contains(&made[0].to_string()));
    assert_eq!(
        requests.of("GET", GROUPS) + requests.of("GET", ONE),
        2,
        "the name, and the proof"
    );
    assert_eq!(requests.writes(), 1);
    assert_eq!(groups.rig.audited()[0][0], "create_group");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_taken_name_is_told_with_the_id() {
    let groups = Groups::new().await;
    let error = groups.refused("create", json!({"name": "empty"})).await;
    assert_eq!(error.code, Code::AlreadyExists);
    assert!(error.message.contains(&groups.id("empty").to_string()), "{error}");
    assert_eq!(groups.rig.writes(), 0);
    // The same letters in another case, and a group of the environment beside one of a population, are PingOne's to refuse.
    for args in [
        json!({"name": "EMPTY"}),
        json!({"name": "empty", "population_id": groups.id("staff")}),
    ] {
        let error = groups.refused("create", args).await;
        assert!(error.message.contains("has the name"), "{error}");
    }
    let rename = json!({"group_id": groups.id("parent"), "name": "empty"});
    let error = groups.refused("modify_group", rename).await;
    assert!(error.message.contains("has the name"), "{error}");
    assert_eq!(groups.named("empty").await.len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_pingone_would_not_take_is_refused_before_any_call() {
    let groups = Groups::new().await;
    let id = groups.id("empty");
    for (name, args) in [
        ("create", json!({})),
        ("create", json!({"name": " "})),
        ("create", json!({"name": "x".repeat(256)})),
        ("create", json!({"name": "a\nb"})),
        ("create", json!({"name": 7})),
        ("create", json!({"name": "x", "description": "a < b"})),
        ("create", json!({"name": "x", "population_id": "staff"})),
        ("create", json!({"name": "x", "user_members": ["y"]})),
        ("modify_group", json!({"group_id": id})),
        ("modify_group", json!({"group_id": id, "name": ""})),
        ("modify_group", json!({"group_id": id, "description": "`"})),
        (
            "modify_group",
            json!({"group_id": {"resource_type_id": "user", "resource_id": id}, "name": "x"}),
        ),
        ("delete_group", json!({"group_id": id})),
        ("delete_group", json!({"confirm_name": "empty"})),
    ] {
        let error = groups.refused(name, args.clone()).await;
        assert_eq!(error.code, Code::InvalidArgument, "{name} {args}: {error}");
        assert!(error.message.len() < 1_024);
    }
    assert_eq!(groups.rig.server.requests().total, 0);
    let nowhere = json!({"name": "x", "population_id": Uuid::from_u128(7)});
    assert_eq!(groups.refused("create", nowhere).await.code, Code::NotFound);
    assert_eq!(groups.rig.writes(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lost_or_foreign_answer_makes_no_second_group() {
    for action in [
        FaultAction::AnswerLost(Lost::Reset),
        FaultAction::AnswerLost(Lost::Status(502)),
        FaultAction::foreign(200, FaultBody::Html).after_effect(),
        FaultAction::foreign(201, FaultBody::GatewayOk).after_effect(),
    ] {
        let groups = Groups::new().await;
        groups.rig.fault(Fault::on("POST", GROUPS, action.clone()).times(0));
        let response = groups.done("create", json!({"name": "Auditors"})).await;
        let made = groups.named("Auditors").await;
        assert_eq!((made.len(), groups.rig.writes()), (1, 1), "{action:?}");
        assert_eq!(response["resource"]["resourceId"]["resourceId"], json!(made[0]));
        assert_eq!(groups.rig.audited()[0][4], "confirmed_by_read");
    }
    // What was never made is no success, and is not sent again on a guess.
    for action in [
        FaultAction::Reset,
        FaultAction::foreign(200, FaultBody::Html).before_effect(),
    ] {
        let groups = Groups::new().await;
        groups.rig.fault(Fault::on("POST", GROUPS, action.clone()));
        let error = groups.refused("create", json!({"name": "Auditors"})).await;
        assert!(error.message.contains("is not known"), "{error}");
        assert_eq!(
            (groups.named("Auditors").await.len(), groups.rig.writes()),
            (0, 1),
            "{action:?}"
        );
        groups.done("create", json!({"name": "Auditors"})).await;
        assert_eq!(groups.named("Auditors").await.len(), 1);
    }
}

/// PingOne's own form proves nothing where no read shows the group.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_about_a_group_that_is_not_there_is_no_success() {
    let groups = Groups::new().await;
    let body = json!({"id": Uuid::from_u128(7), "name": "Auditors"});
    let action = FaultAction::Body(body.to_string()).before_effect();
    groups.rig.fault(Fault::on("POST", GROUPS, action));
    let error = groups.refused("create", json!({"name": "Auditors"})).await;
    assert!(error.message.contains("is not known"), "{error}");
    assert_eq!((groups.named("Auditors").await.len(), groups.rig.writes()), (0, 1));
    assert_eq!(groups.rig.audited()[0][4], "unknown");
}

/// PingOne may make a group otherwise than it was asked for; it is there all the same.
#[tokio::test(start_paused = true)]
async fn a_group_that_was_made_otherwise_says_so() {
    let id = Uuid::from_u128(7);
    for (over, part) in [
        (json!({"population": {"id": Uuid::from_u128(8)}}), "population"),
        (json!({"description": "other"}), "description"),
        (json!({"userFilter": "title eq \"Boss\""}), "user filter"),
        (json!({"name": "Auditors 2"}), "name"),
    ] {
        let groups = Groups::new().await;
        let said = json!({"id": id, "name": "Auditors", "description": "Who may look"});
        let mut made = said.clone();
        made.as_object_mut().unwrap().extend(over.as_object().unwrap().clone());
        let shown = FaultAction::Answer {
            status: 200,
            content_type: "application/hal+json".to_owned(),
            body: made.to_string(),
        };
        groups.rig.server.set_faults(vec![
            Fault::on("POST", GROUPS, FaultAction::Body(said.to_string()).before_effect()),
            Fault::on("GET", ONE, shown).times(0),
        ]);
        let args = json!({"name": "Auditors", "description": "Who may look"});
        let error = groups.refused("create", args).await;
        let text = format!("has been created as {id}, but PingOne made its {part} otherwise");
        assert!(error.message.contains(&text), "{error}");
    }
}

/// PingOne replaces a group whole, and may drop what it was sent.
#[tokio::test(start_paused = true)]
async fn a_change_that_lost_something_says_so() {
    let groups = Groups::new().await;
    let id = groups.id("empty");
    let after = json!({"id": id, "name": "Money", "description": "Nobody", "externalId": "40"});
    let action = FaultAction::Body(after.to_string());
    groups.rig.fault(Fault::on("GET", ONE, action).nth(2).times(0));
    let error = groups
        .refused("modify_group", json!({"group_id": id, "name": "Money"}))
        .await;
    assert!(error.message.contains("did not keep its customData"), "{error}");
}

/// After a lost answer there is a group of that name which is older than the call: it is told and not adopted.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn somebody_elses_group_is_not_adopted() {
    let groups = Groups::new().await;
    let other = Uuid::from_u128(7);
    let list = json!({"_embedded": {"groups": [
        {"id": other, "name": "Auditors", "createdAt": "2024-06-01T09:00:00.000Z"}
    ]}, "size": 1});
    groups.rig.server.set_faults(vec![
        Fault::on("POST", GROUPS, FaultAction::Reset),
        Fault::on("GET", GROUPS, FaultAction::Body(list.to_string()))
            .nth(2)
            .times(0),
    ]);
    let error = groups.refused("create", json!({"name": "Auditors"})).await;
    assert!(
        error.message.contains(&other.to_string()) && error.message.contains("2024-06-01"),
        "{error}"
    );
    assert_eq!(groups.rig.writes(), 1);
}

/// Made a little before the call by PingOne's clock, or nobody knows when: it may be ours, so nothing is claimed.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_group_that_may_be_ours_is_neither_adopted_nor_told_as_somebody_elses() {
    let a_minute_ago = jiff::Timestamp::now() - jiff::SignedDuration::from_mins(1);
    for created in [json!(a_minute_ago.to_string()), Value::Null] {
        let groups = Groups::new().await;
        let list = json!({"_embedded": {"groups": [
            {"id": Uuid::from_u128(7), "name": "Auditors", "createdAt": created}
        ]}, "size": 1});
        groups.rig.server.set_faults(vec![
            Fault::on("POST", GROUPS, FaultAction::AnswerLost(Lost::Reset)),
            Fault::on("GET", GROUPS, FaultAction::Body(list.to_string()))
                .nth(2)
                .times(0),
        ]);
        let error = groups.refused("create", json!({"name": "Auditors"})).await;
        assert!(error.message.contains("is not known"), "{created}: {error}");
        assert_eq!(groups.rig.audited()[0][4], "unknown", "{created}");
    }
}

/// Made after the call began, and described otherwise than asked.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_younger_group_with_another_description_is_not_adopted() {
    for (description, is_ours) in [("Who may look", true), ("Somebody else's", false)] {
        let groups = Groups::new().await;
        let young = Uuid::from_u128(7);
        let list = json!({"_embedded": {"groups": [
            {"id": young, "name": "Auditors", "description": description, "createdAt": "2199-06-01T09:00:00.000Z"}
        ]}, "size": 1});
        groups.rig.server.set_faults(vec![
            Fault::on("POST", GROUPS, FaultAction::Reset),
            Fault::on("GET", GROUPS, FaultAction::Body(list.to_string()))
                .nth(2)
                .times(0),
        ]);
        let args = json!({"name": "Auditors", "description": "Who may look"});
        if is_ours {
            let response = groups.done("create", args).await;
            assert_eq!(response["resource"]["resourceId"]["resourceId"], json!(young));
        } else {
            let error = groups.refused("create", args).await;
            assert!(error.message.contains(&young.to_string()), "{error}");
        }
        assert_eq!(groups.rig.writes(), 1);
    }
}

/// Lists and counts may lag: what any of them knows of keeps the group.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_group_that_only_a_count_knows_members_of_is_not_deleted() {
    for (key, text) in [
        ("directMemberCounts.users", "has 1 members"),
        ("totalMemberCounts.users", "has 1 members"),
        ("directMemberCounts.groups", "contains 1 groups"),
    ] {
        let groups = Groups::new().await;
        let action = FaultAction::Miscount {
            key: key.to_owned(),
            by: 1,
        };
        groups.rig.fault(Fault::on("GET", ONE, action).times(0));
        let error = groups.refused("delete_group", groups.delete("empty")).await;
        assert!(
            error.code == Code::FailedPrecondition && error.message.contains(text),
            "{key}: {error}"
        );
        assert_eq!(groups.rig.writes(), 0, "{key}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_change_carries_everything_else_over() {
    let groups = Groups::new().await;
    for (label, args, description) in [
        ("empty", json!({"name": "Money"}), Some("Nobody")),
        ("nobody-fits", json!({"name": "Space", "description": "Up"}), Some("Up")),
    ] {
        let id = groups.id(label);
        let before = groups.client.whole_group(id).await.unwrap();
        groups.rig.server.reset_requests();
        let mut args = args;
        args["group_id"] = json!(id);
        let response = groups.done("modify_group", args.clone()).await;
        let after = groups.client.whole_group(id).await.unwrap();
        let name = args["name"].as_str().unwrap();
        assert_eq!(
            after.replaced(name, description),
            before.replaced(name, description),
            "{label}"
        );
        assert_eq!(
            (after.text("name"), after.text("description")),
            (Some(name), description)
        );
        assert_eq!(response["resource"]["displayName"], name);
        assert_eq!(groups.rig.writes(), 1);
        // Once more there is nothing to do.
        let again = groups.done("modify_group", args).await;
        assert!(again["message"].as_str().unwrap().contains("so already"));
        assert_eq!(groups.rig.writes(), 1);
    }
    let clear = json!({"group_id": groups.id("empty"), "description": ""});
    groups.done("modify_group", clear).await;
    assert_eq!(groups.client.group(groups.id("empty")).await.unwrap().description, None);
    let outside = json!({"group_id": groups.id("outside"), "name": "x"});
    let error = groups.refused("modify_group", outside).await;
    assert!(
        error.code == Code::FailedPrecondition && error.message.contains("managed by its source"),
        "{error}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_change_whose_answer_is_lost_is_decided_by_a_read() {
    for action in [
        FaultAction::AnswerLost(Lost::Reset),
        FaultAction::foreign(200, FaultBody::Html).after_effect(),
    ] {
        let groups = Groups::new().await;
        groups.rig.fault(Fault::on("PUT", ONE, action));
        groups
            .done("modify_group", json!({"group_id": groups.id("empty"), "name": "Money"}))
            .await;
        assert_eq!(
            (groups.rig.writes(), groups.rig.audited()[0][4].as_str()),
            (1, "confirmed_by_read")
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_a_group_that_gives_nothing_is_deleted() {
    let options = ProvisionOptions {
        applications: true,
        ..ProvisionOptions::default()
    };
    let groups = Groups::with(options).await;
    for (label, text) in [
        ("admins", "holds roles"),
        ("staff-only", "has 1 members"),
        ("filtered", "has 1 members"),
        ("parent", "contains 1 groups"),
        ("outside", "managed by its source"),
    ] {
        let error = groups.refused("delete_group", groups.delete(label)).await;
        assert_eq!(error.code, Code::FailedPrecondition, "{label}: {error}");
        assert!(error.message.contains(text), "{label}: {error}");
    }
    let mut other = groups.delete("empty");
    other["confirm_name"] = json!("Empty");
    let error = groups.refused("delete_group", other).await;
    assert!(
        error.message.contains("confirm_name is not the group's name"),
        "{error}"
    );
    let list = json!({"_embedded": {"applications": [{"id": Uuid::from_u128(7), "name": "Expenses", "accessControl":
        {"group": {"type": "ANY_GROUP", "groups": [{"id": groups.id("empty")}]}}}]}, "size": 1});
    groups
        .rig
        .fault(Fault::on("GET", "*/applications", FaultAction::Body(list.to_string())));
    let error = groups.refused("delete_group", groups.delete("empty")).await;
    assert!(
        error
            .message
            .contains("limits application \"Expenses\". Remove that first."),
        "{error}"
    );
    // A list that leaves out the application that we sign in as is not whole.
    let empty = r#"{"_embedded": {"applications": []}, "size": 0}"#;
    groups
        .rig
        .fault(Fault::on("GET", "*/applications", FaultAction::Body(empty.to_owned())));
    let error = groups.refused("delete_group", groups.delete("empty")).await;
    assert!(error.message.contains("so it is not complete"), "{error}");
    // A list that cannot be read is not an empty one.
    for path in ["*/groups/*/roleAssignments", "*/users", "*/applications"] {
        groups
            .rig
            .fault(Fault::on("GET", path, FaultAction::status(403)).times(0));
        groups.refused("delete_group", groups.delete("empty")).await;
    }
    assert_eq!(groups.rig.writes(), 0);
    groups.rig.server.set_faults(Vec::new());
    let response = groups.done("delete_group", groups.delete("empty")).await;
    assert!(!response["message"].as_str().unwrap().contains("not checked"));
    assert!(groups.named("empty").await.is_empty());
    let response = groups.done("delete_group", groups.delete("empty")).await;
    assert!(response["message"].as_str().unwrap().contains("already deleted"));
    assert_eq!(groups.rig.writes(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_deletion_says_what_it_did_not_check_and_is_decided_by_a_read() {
    for action in [
        FaultAction::AnswerLost(Lost::Reset),
        FaultAction::foreign(200, FaultBody::Html).after_effect(),
    ] {
        let groups = Groups::new().await;
        groups.rig.fault(Fault::on("DELETE", ONE, action));
        let response = groups.done("delete_group", groups.delete("empty")).await;
        assert!(response["message"].as_str().unwrap().contains("was not checked"));
        assert!(groups.named("empty").await.is_empty());
        assert_eq!(groups.rig.writes(), 1);
    }
    let groups = Groups::new().await;
    let page = FaultAction::foreign(200, FaultBody::Html).before_effect();
    groups.rig.fault(Fault::on("DELETE", ONE, page).times(0));
    groups.refused("delete_group", groups.delete("empty")).await;
    assert_eq!(groups.named("empty").await.len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dry_run_changes_no_group() {
    let options = ProvisionOptions {
        dry_run: true,
        ..ProvisionOptions::default()
    };
    let groups = Groups::with(options).await;
    for (name, args, call) in [
        ("create", json!({"name": "Auditors"}), "POST /groups"),
        (
            "modify_group",
            json!({"group_id": groups.id("empty"), "name": "Money"}),
            "PUT /groups/",
        ),
        ("delete_group", groups.delete("empty"), "DELETE /groups/"),
    ] {
        let error = groups.refused(name, args).await;
        assert!(
            error.message.contains("--dry-run") && error.message.contains(call),
            "{error}"
        );
    }
    assert_eq!(groups.rig.writes(), 0);
}
