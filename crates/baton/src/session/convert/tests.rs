use prost::Message as _;

use super::*;
use crate::proto::c1::connectorapi::baton::v1::task as kinds;
use crate::task::{Annotation, Detail, GrantReply, RateLimit, Reply};

fn read(kind: TaskType) -> TaskKind {
    let message = pb::Task {
        id: "i".to_owned(),
        task_type: Some(kind),
        ..pb::Task::default()
    };
    task(message).kind
}

#[expect(clippy::unnecessary_wraps, reason = "the form of the field")]
fn id(kind: &str, id: &str) -> Option<cv2::ResourceId> {
    Some(cv2::ResourceId {
        resource_type: kind.to_owned(),
        resource: id.to_owned(),
        baton_resource: false,
    })
}

#[expect(clippy::unnecessary_wraps, reason = "the form of the field")]
fn resource(kind: &str, name: &str) -> Option<cv2::Resource> {
    Some(cv2::Resource {
        id: id(kind, name),
        ..cv2::Resource::default()
    })
}

#[test]
fn an_unknown_kind_and_no_kind_are_unknown() {
    let mut bytes = pb::Task::default().encode_to_vec();
    // Field 124, an empty message: a kind of the future.
    bytes.extend([0xe2, 0x07, 0x00]);
    let message = pb::Task::decode(bytes.as_slice()).unwrap();
    assert!(matches!(task(message).kind, TaskKind::Unknown));
    assert!(is_none(None));
    assert!(!is_none(Some(&pb::Task::default())));
}

#[test]
fn a_sync_task_carries_every_field() {
    let target = |name: &str| resource("user", name).unwrap();
    let TaskKind::SyncFull(Ok(request)) = read(TaskType::SyncFull(kinds::SyncFullTask {
        annotations: Vec::new(),
        skip_expand_grants: true,
        skip_entitlements_and_grants: true,
        targeted_sync_resources: vec![target("a"), target("b"), target("a")],
        sync_resource_type_ids: vec!["user".to_owned()],
        skip_grants: true,
        storage_engine: "pebble".to_owned(),
    })) else {
        panic!()
    };
    assert_eq!(request.targets.len(), 2, "duplicates collapse");
    assert!(request.skip_expand_grants && request.skip_entitlements_and_grants && request.skip_grants);
    assert_eq!(request.storage_engine, Some(crate::c1z::StorageEngine::Pebble));
    assert!(!request.is_plain());
    let TaskKind::SyncFull(Ok(plain)) = read(TaskType::SyncFull(kinds::SyncFullTask::default())) else {
        panic!()
    };
    assert!(plain.is_plain());
    for special in [
        kinds::SyncFullTask {
            annotations: vec![prost_types::Any::default()],
            ..Default::default()
        },
        kinds::SyncFullTask {
            storage_engine: "duckdb".to_owned(),
            ..Default::default()
        },
    ] {
        assert!(matches!(read(TaskType::SyncFull(special)), TaskKind::SyncFull(Ok(request)) if !request.is_plain()));
    }
}

#[test]
#[expect(clippy::too_many_lines, reason = "a table")]
fn malformed_payloads_carry_their_error_with_them() {
    let unknown = Code::Unknown;
    let cases: Vec<(TaskType, Code)> = vec![
        (TaskType::Grant(kinds::GrantTask::default()), unknown),
        (TaskType::Revoke(kinds::RevokeTask::default()), unknown),
        (TaskType::CreateAccount(kinds::CreateAccountTask::default()), unknown),
        (TaskType::CreateResource(kinds::CreateResourceTask::default()), unknown),
        (TaskType::DeleteResource(kinds::DeleteResourceTask::default()), unknown),
        (
            TaskType::DeleteResource(kinds::DeleteResourceTask {
                resource_id: id("user", ""),
                ..Default::default()
            }),
            unknown,
        ),
        (
            TaskType::RotateCredentials(kinds::RotateCredentialsTask::default()),
            unknown,
        ),
        (
            TaskType::IssueCredential(kinds::IssueCredentialTask::default()),
            unknown,
        ),
        (
            TaskType::ActionGetSchema(kinds::ActionGetSchemaTask::default()),
            unknown,
        ),
        (TaskType::ActionInvoke(kinds::ActionInvokeTask::default()), unknown),
        (TaskType::ActionStatus(kinds::ActionStatusTask::default()), unknown),
        (
            TaskType::ListEvents(kinds::ListEventsTask {
                page_size: 1001,
                ..Default::default()
            }),
            Code::InvalidArgument,
        ),
        (
            TaskType::ListEvents(kinds::ListEventsTask {
                cursor: "c".repeat(4097),
                ..Default::default()
            }),
            Code::InvalidArgument,
        ),
        (
            TaskType::Grant(kinds::GrantTask {
                entitlement: Some(cv2::Entitlement {
                    resource: resource("group", "g"),
                    ..Default::default()
                }),
                principal: resource("user", &"x".repeat(1025)),
                ..Default::default()
            }),
            Code::InvalidArgument,
        ),
        (
            TaskType::Grant(kinds::GrantTask {
                entitlement: Some(cv2::Entitlement {
                    resource: resource("group", "g"),
                    ..Default::default()
                }),
                principal: resource("user", "u"),
                ..Default::default()
            }),
            Code::InvalidArgument,
        ),
        (
            TaskType::Revoke(kinds::RevokeTask {
                grant: Some(cv2::Grant {
                    entitlement: Some(cv2::Entitlement {
                        resource: resource("group", "g"),
                        id: "group:g:member".to_owned(),
                        ..Default::default()
                    }),
                    principal: resource("user", "u"),
                    ..Default::default()
                }),
                ..Default::default()
            }),
            Code::InvalidArgument,
        ),
        (
            TaskType::RotateCredentials(kinds::RotateCredentialsTask {
                resource_id: id("user", "u"),
                credential_options: Some(cv2::CredentialOptions::default()),
                ..Default::default()
            }),
            Code::InvalidArgument,
        ),
    ];
    for (kind, code) in cases {
        let name = format!("{kind:?}");
        let error = match read(kind) {
            TaskKind::Grant(payload) => payload.err(),
            TaskKind::Revoke(payload) => payload.err(),
            TaskKind::CreateAccount(payload) => payload.err(),
            TaskKind::CreateResource(payload) => payload.err(),
            TaskKind::DeleteResource(payload) => payload.err(),
            TaskKind::RotateCredentials(payload) => payload.err(),
            TaskKind::IssueCredential(payload) => payload.err(),
            TaskKind::GetActionSchema(payload) | TaskKind::ActionStatus(payload) => payload.err(),
            TaskKind::InvokeAction(payload) => payload.err(),
            TaskKind::ListEvents(payload) => payload.err(),
            _ => None,
        };
        assert_eq!(error.map(|error| error.code), Some(code), "{name}");
    }
}

#[test]
fn every_kind_has_a_name_that_metrics_know() {
    for kind in [
        read(TaskType::Hello(kinds::HelloTask::default())),
        read(TaskType::GetTicket(kinds::GetTicketTask::default())),
        read(TaskType::EventFeed(kinds::EventFeedTask::default())),
        read(TaskType::CompactSyncs(kinds::CompactSyncs::default())),
        read(TaskType::ActionListSchemas(kinds::ActionListSchemasTask::default())),
        TaskKind::Unknown,
    ] {
        assert!(TaskKind::NAMES.contains(&kind.as_str()), "{}", kind.as_str());
    }
}

#[test]
fn annotations_stand_in_the_response_and_beside_it() {
    let reply = Reply::Granted(GrantReply {
        resource: None,
        grants: Vec::new(),
        annotations: vec![Annotation::GrantAlreadyExists],
    });
    let success = success(reply, Timestamp::UNIX_EPOCH);
    let response = success.response.unwrap();
    assert_eq!(
        response.type_url,
        "type.googleapis.com/c1.connector.v2.GrantManagerServiceGrantResponse"
    );
    let response = cv2::GrantManagerServiceGrantResponse::decode(response.value.as_slice()).unwrap();
    assert_eq!(response.annotations, success.annotations);
    assert_eq!(
        success.annotations[0].type_url,
        "type.googleapis.com/c1.connector.v2.GrantAlreadyExists"
    );
}

#[test]
fn what_joins_a_role_and_a_scope_is_read_from_the_grant() {
    let joined = cv2::ScopeBindingTrait {
        role_id: id("role", "r"),
        scope_resource_id: id("population", "p"),
    };
    let annotation = |value: Vec<u8>| prost_types::Any {
        type_url: "type.googleapis.com/c1.connector.v2.ScopeBindingTrait".to_owned(),
        value,
    };
    let task = |annotations: Vec<prost_types::Any>| {
        let entitlement = cv2::Entitlement {
            id: "role_assignment:x:assigned".to_owned(),
            resource: Some(cv2::Resource {
                id: id("role_assignment", "x"),
                annotations,
                ..cv2::Resource::default()
            }),
            ..cv2::Entitlement::default()
        };
        let task = kinds::GrantTask {
            entitlement: Some(entitlement),
            principal: resource("user", "u"),
            ..kinds::GrantTask::default()
        };
        match read(TaskType::Grant(task)) {
            TaskKind::Grant(request) => request.map(|request| request.entitlement.binding),
            other => panic!("{other:?}"),
        }
    };
    let found = task(vec![annotation(joined.encode_to_vec())]).unwrap().unwrap();
    assert_eq!(found.role, ("role".to_owned(), "r".to_owned()));
    assert_eq!(found.scope, ("population".to_owned(), "p".to_owned()));
    assert_eq!(task(Vec::new()).unwrap(), None);
    assert_eq!(
        task(vec![annotation(b"\xff".to_vec())]).unwrap_err().code,
        Code::InvalidArgument
    );
}

#[test]
fn a_grant_on_a_binding_is_answered_with_the_whole_binding() {
    use crate::model::sample::{GROUP, USER};
    use crate::model::{BindingTrait, EntitlementId, Grant, Resource, ResourceId, ResourceTrait};
    let offers = Resource {
        parent: Some(ResourceId::new(GROUP, "p")),
        ..Resource::new(
            ResourceId::new(GROUP, "r-p"),
            "r on p",
            ResourceTrait::Binding(BindingTrait {
                role: ResourceId::new(GROUP, "r"),
                scope: ResourceId::new(GROUP, "p"),
            }),
        )
    };
    let reply = Reply::Granted(GrantReply {
        grants: vec![Grant::new(
            EntitlementId::member(GROUP, "r-p"),
            ResourceId::new(USER, "u"),
        )],
        resource: Some(Box::new(offers)),
        annotations: Vec::new(),
    });
    let response = success(reply, Timestamp::UNIX_EPOCH).response.unwrap();
    let response = cv2::GrantManagerServiceGrantResponse::decode(response.value.as_slice()).unwrap();
    let offered = response.grants[0].entitlement.clone().unwrap();
    assert_eq!(
        (offered.id.as_str(), offered.slug.as_str()),
        ("group:r-p:member", "member")
    );
    let offered = offered.resource.unwrap();
    assert_eq!(offered.parent_resource_id, id("group", "p"));
    assert!(offered.annotations[0].type_url.ends_with("ScopeBindingTrait"));
}

#[test]
fn a_move_names_the_grant_that_it_replaced() {
    let former = "population:a:member:user:b";
    let reply = Reply::ResourceDeleted(vec![Annotation::GrantReplaced(former.to_owned())]);
    let annotation = success(reply, Timestamp::UNIX_EPOCH).annotations.remove(0);
    assert_eq!(annotation.type_url, "type.googleapis.com/c1.connector.v2.GrantReplaced");
    let message = cv2::GrantReplaced::decode(annotation.value.as_slice()).unwrap();
    assert_eq!(message.replaced_grant_id, former);
}

#[test]
fn annotations_are_at_most_sixteen() {
    let reply = Reply::ResourceDeleted(vec![Annotation::GrantAlreadyRevoked; 20]);
    assert_eq!(success(reply, Timestamp::UNIX_EPOCH).annotations.len(), 16);
}

#[test]
fn a_declined_grant_carries_the_error_info_of_the_sdk() {
    let (status, error) = failure(&TaskError::declined("not now"), Timestamp::UNIX_EPOCH);
    assert_eq!(
        (status.code, status.message.as_str(), error.non_retryable),
        (9, "not now", false)
    );
    let info = crate::proto::google::rpc::ErrorInfo::decode(status.details[0].value.as_slice()).unwrap();
    assert_eq!(status.details[0].type_url, "type.googleapis.com/google.rpc.ErrorInfo");
    assert_eq!(
        (info.reason.as_str(), info.metadata["reason"].as_str()),
        ("grant_cancelled", "not now")
    );
}

/// c1-protocol.md §8.3: the details of C1's answer go back as they came.
#[test]
fn the_details_of_an_answer_are_passed_on() {
    let (told, _) = failure(&TaskError::declined("not now"), Timestamp::UNIX_EPOCH);
    let error = TaskError::new(Code::FailedPrecondition, "the upload failed");
    let error = passed(&told.encode_to_vec()).into_iter().fold(error, TaskError::with);
    let (status, _) = failure(&error, Timestamp::UNIX_EPOCH);
    assert!(!status.details.is_empty());
    assert_eq!(status.details, told.details);
    assert!(passed(b"").is_empty() && passed(b"\xff\xff").is_empty());
}

#[test]
fn a_rate_limit_says_when_it_ends() {
    let limit = RateLimit {
        limit: 1,
        remaining: 0,
        reset_after: std::time::Duration::from_mins(1),
        over: true,
    };
    let error = TaskError::new(Code::Unavailable, "x").with(Detail::RateLimited(limit));
    let (status, _) = failure(&error, Timestamp::from_second(1000).unwrap());
    let description = cv2::RateLimitDescription::decode(status.details[0].value.as_slice()).unwrap();
    assert_eq!((description.status, description.reset_at.unwrap().seconds), (2, 1060));
}

#[test]
fn times_before_1970_keep_their_fraction_positive() {
    let at = Timestamp::new(-5, -250_000_000).unwrap();
    let proto = to_timestamp(at);
    assert_eq!((proto.seconds, proto.nanos), (-6, 750_000_000));
    assert_eq!(timestamp(proto).unwrap(), at);
}

#[test]
fn a_failure_is_shown_in_one_line_of_bounded_length() {
    let text = |message: &str| {
        let error = TaskError::new(Code::NotFound, message);
        super::failure(&error, Timestamp::UNIX_EPOCH).0.message
    };
    assert_eq!(text("user 1 is gone"), "user 1 is gone");
    assert_eq!(text("two\nlines"), "two lines");
    assert_eq!(text(&"é".repeat(2000)).len(), 1024);
}
