use crate::model::{GROUP, USER};
use zeroize::Zeroizing;

use super::*;
use crate::provision::action_schemas;
use baton::model::{EntitlementId, ResourceId, ResourceTrait, RoleTrait};
use baton::task::{ActionStatus, GrantReply, ResourceRef, RevokeReply};

fn grant_reply(annotations: Vec<Annotation>) -> Reply {
    Reply::Granted(GrantReply {
        resource: None,
        grants: vec![Grant {
            entitlement: EntitlementId::member(GROUP, "g"),
            principal: ResourceId::new(USER, "u"),
            immutable: None,
            expandable: None,
            metadata: None,
        }],
        annotations,
    })
}

fn created(result: AccountResult) -> Reply {
    Reply::AccountCreated(Box::new(AccountCreated {
        result,
        secrets: vec![EncryptedSecret::default()],
        annotations: Vec::new(),
    }))
}

fn resource() -> Resource {
    Resource {
        id: ResourceId::new(USER, "u"),
        parent: None,
        display_name: "Mara Lindqvist".to_owned(),
        description: String::new(),
        profile: baton::model::Profile::default(),
        status: None,
        created_at: None,
        resource_trait: ResourceTrait::Role(RoleTrait),
        immutable: None,
    }
}

fn json(answer: &Answer) -> Value {
    serde_json::from_str(&answer.json()).unwrap()
}

fn plain(reply: Reply) -> Answer {
    Answer::of("x", reply, |_| None)
}

#[test]
fn each_reply_has_one_word_for_programs_and_a_sentence_for_people() {
    let already = |annotation| vec![annotation];
    let revoked = |annotations| Reply::Revoked(RevokeReply { annotations });
    let account = |resource| AccountResult::AlreadyExists { resource };
    for (reply, result) in [
        (grant_reply(Vec::new()), "granted"),
        (grant_reply(already(Annotation::GrantAlreadyExists)), "already_granted"),
        (revoked(Vec::new()), "revoked"),
        (revoked(already(Annotation::GrantAlreadyRevoked)), "already_revoked"),
        (Reply::ResourceDeleted(Vec::new()), "deleted"),
        (
            Reply::ResourceDeleted(already(Annotation::ResourceDoesNotExist)),
            "already_deleted",
        ),
        (
            created(AccountResult::Success {
                resource: resource(),
                invitation_expires_at: None,
            }),
            "created",
        ),
        (created(account(Some(resource()))), "already_exists"),
        (created(account(None)), "already_exists"),
        (created(AccountResult::InProgress { resource: None }), "in_progress"),
        (
            created(AccountResult::ActionRequired {
                resource: Some(resource()),
                message: "verify".to_owned(),
            }),
            "action_required",
        ),
    ] {
        let answer = plain(reply);
        let ending = if result == "action_required" {
            Ending::NeedsYou
        } else {
            Ending::Done
        };
        assert_eq!((&json(&answer)["result"], answer.ending), (&json!(result), ending));
        assert!(answer.text().starts_with(&answer.message) && !answer.message.is_empty());
    }
}

#[test]
fn a_grant_is_named_by_its_id() {
    let answer = plain(grant_reply(Vec::new()));
    assert_eq!(*answer.text(), "Granted\n  grant  group:g:member:user:u\n");
    assert_eq!(json(&answer)["grants"], json!(["group:g:member:user:u"]));
}

#[test]
fn an_account_is_shown_with_its_id_and_name() {
    let answer = plain(created(AccountResult::Success {
        resource: resource(),
        invitation_expires_at: None,
    }));
    assert_eq!(
        *answer.text(),
        "Created the account\n  user  u\n  name  Mara Lindqvist\n"
    );
    let account = json!({"resource_type": "user", "id": "u", "display_name": "Mara Lindqvist"});
    assert_eq!(json(&answer)["account"], account);
}

#[test]
fn a_password_is_in_the_answer_only_where_it_was_asked_for() {
    let rotated = || {
        Reply::Rotated(Rotated {
            resource: ResourceRef {
                resource_type: "user".to_owned(),
                id: "u".to_owned(),
                ..ResourceRef::default()
            },
            secrets: vec![EncryptedSecret::default()],
            annotations: Vec::new(),
        })
    };
    let with = |delivered| Answer::of("rotate_credentials", rotated(), |_| Some(delivered));
    let shown = with(Delivered::Shown(Zeroizing::new("hunter2!".to_owned())));
    assert!(shown.text().contains("  password  hunter2!\n"));
    assert_eq!(
        (&json(&shown)["password"], &json(&shown)["password_state"]),
        (&json!("hunter2!"), &json!("shown"))
    );
    for (delivered, state, exit_code) in [
        (Delivered::Written("/run/pw".into()), "written", 0),
        (Delivered::Dropped, "dropped", 2),
        (Delivered::Lost("the disk is full".to_owned()), "lost", 2),
    ] {
        let answer = with(delivered);
        assert_eq!(
            (json(&answer)["password_state"].clone(), answer.ending.exit_code()),
            (json!(state), exit_code)
        );
        assert_eq!(json(&answer).get("password"), None);
        let says_it = answer
            .message
            .contains("nobody has its password: rotate it with --show-password");
        assert_eq!(says_it, state == "dropped", "{}", answer.message);
    }
}

#[test]
fn a_failure_carries_the_code_and_a_plan_the_calls() {
    let failed = Answer::failed("grant", &TaskError::new(Code::FailedPrecondition, "no"));
    assert_eq!(failed.ending.exit_code(), 1);
    let document = json!({"operation": "grant", "result": "failed", "message": "no", "code": "FAILED_PRECONDITION"});
    assert_eq!(json(&failed), document);
    let mut plan = Plan::default();
    plan.add(&pingone::WriteCall::new(
        Operation::SetEnabled,
        "x",
        http::Method::PUT,
        &["x"],
    ));
    let reads = BTreeMap::from([("token", 1), ("read_user", 2), ("list_parents", 1)]);
    let planned = Answer::planned("grant", &plan, &reads, &[]);
    assert_eq!(
        *planned.text(),
        "Dry run: nothing was written; 1 call would be made\n  PUT /x\n  checked  list_parents, read_user\n"
    );
    assert_eq!(json(&planned)["calls"], json!(["PUT /x"]));
    assert_eq!(json(&planned)["checked"], json!(["list_parents", "read_user"]));
    assert_eq!(
        *Answer::planned("grant", &Plan::default(), &BTreeMap::new(), &[]).text(),
        "Dry run: nothing would be written\n"
    );
}

#[test]
fn an_action_is_shown_with_its_results_and_the_list_with_its_arguments() {
    let response = json!({"success": true, "message": "2 devices", "devices_found": 2, "updated_fields": "title"});
    let answer = plain(Reply::ActionInvoked(ActionState {
        id: "id".to_owned(),
        name: "reset_mfa".to_owned(),
        status: ActionStatus::Complete,
        response: response.as_object().unwrap().clone(),
    }));
    assert_eq!(
        *answer.text(),
        "2 devices\n  devices_found  2\n  updated_fields  title\n"
    );
    assert_eq!(json(&answer)["response"], response);
    let answer = plain(Reply::ActionSchemas(action_schemas()));
    let text = answer.text().to_string();
    assert!(
        text.contains("set_population  user   user_id* population_id*"),
        "{text}"
    );
    assert!(text.contains("enable_user     -      user_id*"), "{text}");
    assert_eq!(json(&answer)["schemas"].as_array().unwrap().len(), 14);
}
