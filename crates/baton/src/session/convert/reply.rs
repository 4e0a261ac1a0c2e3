//! What `FinishTask` carries (c1-protocol.md §8, §9.1).

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use prost::Message;
use prost_types::Any;

use super::{action, to_timestamp};
use crate::proto::c1::connector::v2 as cv2;
use crate::proto::c1::connectorapi::baton::v1::baton_service_finish_task_request as finish;
use crate::proto::google::rpc;
use crate::task::{
    AccountCreated, AccountResult, Annotation, Detail, EncryptedSecret, EntitlementRef, Event, EventFeedInfo,
    EventKind, EventPage, EventType, RateLimit, Reply, ResourceRef, TaskError,
};
use crate::{model, wire};

/// Items that a request may hold (c1-protocol.md §5.2).
const MAX_ANNOTATIONS: usize = 16;
const ERROR_DOMAIN: &str = "github.com/conductorone/baton-sdk";

/// The message packed, under its full name in the package of the connector.
fn any(name: &str, message: &impl Message) -> Any {
    packed("c1.connector.v2.", name, message)
}

fn packed(package: &str, name: &str, message: &impl Message) -> Any {
    Any {
        type_url: format!("type.googleapis.com/{package}{name}"),
        value: message.encode_to_vec(),
    }
}

/// A finished task's success. The response's annotations are repeated beside it where c1-protocol.md §9.1 says so.
pub(in super::super) fn success(reply: Reply, now: Timestamp) -> finish::Success {
    let (annotations, response) = match reply {
        Reply::Synced(_) => (Vec::new(), None),
        Reply::Granted(granted) => {
            let annotations = annotations(granted.annotations, now);
            let offers = granted.resource.as_deref().and_then(resource);
            let grants = granted.grants.iter().filter_map(|one| grant(one, offers.as_ref()));
            let grants = grants.collect();
            let message = cv2::GrantManagerServiceGrantResponse {
                annotations: annotations.clone(),
                grants,
            };
            (annotations, Some(any("GrantManagerServiceGrantResponse", &message)))
        }
        Reply::Revoked(revoked) => {
            let annotations = annotations(revoked.annotations, now);
            let message = cv2::GrantManagerServiceRevokeResponse {
                annotations: annotations.clone(),
            };
            (annotations, Some(any("GrantManagerServiceRevokeResponse", &message)))
        }
        Reply::AccountCreated(created) => {
            let message = account(*created, now);
            (
                message.annotations.clone(),
                Some(any("CreateAccountResponse", &message)),
            )
        }
        Reply::ResourceCreated(created) => {
            let annotations = annotations(created.annotations, now);
            let created = resource(&created.resource);
            let message = cv2::CreateResourceResponse {
                created,
                annotations: annotations.clone(),
            };
            (annotations, Some(any("CreateResourceResponse", &message)))
        }
        Reply::ResourceDeleted(given) => {
            let annotations = annotations(given, now);
            let message = cv2::DeleteResourceResponse {
                annotations: annotations.clone(),
            };
            (annotations, Some(any("DeleteResourceResponse", &message)))
        }
        Reply::Rotated(rotated) => {
            let annotations = annotations(rotated.annotations, now);
            let message = cv2::RotateCredentialResponse {
                encrypted_data: rotated.secrets.into_iter().map(secret).collect(),
                resource_id: Some(resource_id(&rotated.resource)),
                annotations: annotations.clone(),
            };
            (annotations, Some(any("RotateCredentialResponse", &message)))
        }
        read => (Vec::new(), read_only(read)),
    };
    finish::Success { annotations, response }
}

/// Replies without annotations.
fn read_only(reply: Reply) -> Option<Any> {
    Some(match reply {
        Reply::ActionSchemas(schemas) => {
            let schemas = schemas.iter().map(action::schema).collect();
            any(
                "ListActionSchemasResponse",
                &cv2::ListActionSchemasResponse {
                    schemas,
                    annotations: Vec::new(),
                },
            )
        }
        Reply::ActionSchema(schema) => {
            let schema = Some(action::schema(&schema));
            any(
                "GetActionSchemaResponse",
                &cv2::GetActionSchemaResponse {
                    schema,
                    annotations: Vec::new(),
                },
            )
        }
        Reply::ActionInvoked(state) => any("InvokeActionResponse", &action::invoked(state)),
        Reply::ActionStatus(state) => any("GetActionStatusResponse", &action::state(state)),
        Reply::EventFeeds(feeds) => {
            let list = feeds.iter().map(feed).collect();
            any(
                "ListEventFeedsResponse",
                &cv2::ListEventFeedsResponse {
                    list,
                    annotations: Vec::new(),
                },
            )
        }
        Reply::Events(page) => any("ListEventsResponse", &events(page)),
        _ => return None,
    })
}

/// A failed task.
pub(in super::super) fn failure(error: &TaskError, now: Timestamp) -> (rpc::Status, finish::Error) {
    let status = rpc::Status {
        code: error.code.number(),
        message: shown(&error.message),
        details: error.details.iter().map(|one| detail(one, now)).collect(),
    };
    let error = finish::Error {
        non_retryable: error.non_retryable,
        annotations: Vec::new(),
        response: None,
    };
    (status, error)
}

/// The details of a status that C1 answered. What cannot be read is left out.
pub(in super::super) fn passed(status: &[u8]) -> Vec<Detail> {
    let details = rpc::Status::decode(status)
        .map(|status| status.details)
        .unwrap_or_default();
    let passed = details
        .into_iter()
        .map(|Any { type_url, value }| Detail::Passed { type_url, value });
    passed.collect()
}

/// As people see it: one line, at most 1 KiB (connector-model.md §10).
fn shown(message: &str) -> String {
    const LONGEST_BYTES: usize = 1024;
    let mut text = message.replace(char::is_control, " ");
    text.truncate(text.floor_char_boundary(LONGEST_BYTES));
    text
}

fn detail(detail: &Detail, now: Timestamp) -> Any {
    match detail {
        Detail::GrantDeclined { reason } => {
            let info = rpc::ErrorInfo {
                reason: "grant_cancelled".to_owned(),
                domain: ERROR_DOMAIN.to_owned(),
                metadata: BTreeMap::from([("reason".to_owned(), reason.clone())]),
            };
            packed("google.rpc.", "ErrorInfo", &info)
        }
        Detail::RateLimited(limit) => rate_limit(limit, now),
        Detail::Passed { type_url, value } => Any {
            type_url: type_url.clone(),
            value: value.clone(),
        },
    }
}

fn rate_limit(limit: &RateLimit, now: Timestamp) -> Any {
    use cv2::rate_limit_description::Status;
    let reset_at = i64::try_from(limit.reset_after.as_secs())
        .ok()
        .and_then(|seconds| now.as_second().checked_add(seconds))
        .map(|seconds| prost_types::Timestamp { seconds, nanos: 0 });
    let message = cv2::RateLimitDescription {
        status: if limit.over { Status::Overlimit } else { Status::Ok }.into(),
        limit: limit.limit,
        remaining: limit.remaining,
        reset_at,
    };
    any("RateLimitDescription", &message)
}

fn annotations(given: Vec<Annotation>, now: Timestamp) -> Vec<Any> {
    let one = |annotation| match annotation {
        Annotation::GrantAlreadyExists => any("GrantAlreadyExists", &cv2::GrantAlreadyExists {}),
        Annotation::GrantAlreadyRevoked => any("GrantAlreadyRevoked", &cv2::GrantAlreadyRevoked {}),
        Annotation::ResourceDoesNotExist => any("ResourceDoesNotExist", &cv2::ResourceDoesNotExist {}),
        Annotation::GrantReplaced(replaced_grant_id) => any("GrantReplaced", &cv2::GrantReplaced { replaced_grant_id }),
        Annotation::RateLimit(limit) => rate_limit(&limit, now),
        Annotation::RateLimitWait(waited) => any(
            "RateLimitWaitReport",
            &cv2::RateLimitWaitReport {
                wait_ms: millis(waited),
            },
        ),
    };
    given.into_iter().take(MAX_ANNOTATIONS).map(one).collect()
}

fn millis(time: Duration) -> i64 {
    i64::try_from(time.as_millis()).unwrap_or(i64::MAX)
}

/// With the resource that offers the entitlement in full, where it is given.
fn grant(grant: &model::Grant, offers: Option<&cv2::Resource>) -> Option<cv2::Grant> {
    let mut message = cv2::Grant::decode(wire::grant(grant).data.as_slice()).ok()?;
    if let (Some(entitlement), Some(offers)) = (&mut message.entitlement, offers) {
        entitlement.resource = Some(offers.clone());
        entitlement.slug = grant.entitlement.slug.to_string();
    }
    Some(message)
}

fn resource(resource: &model::Resource) -> Option<cv2::Resource> {
    cv2::Resource::decode(wire::resource(resource).as_slice()).ok()
}

fn resource_id(resource: &ResourceRef) -> cv2::ResourceId {
    cv2::ResourceId {
        resource_type: resource.resource_type.clone(),
        resource: resource.id.clone(),
        baton_resource: false,
    }
}

fn reference(resource: ResourceRef) -> cv2::Resource {
    cv2::Resource {
        id: Some(resource_id(&resource)),
        display_name: resource.display_name,
        ..cv2::Resource::default()
    }
}

#[expect(deprecated, reason = "older readers look at the single key id")]
fn secret(secret: EncryptedSecret) -> cv2::EncryptedData {
    cv2::EncryptedData {
        provider: secret.provider,
        key_id: secret.key_id,
        name: secret.name,
        description: secret.description,
        schema: secret.schema,
        encrypted_bytes: secret.bytes,
        key_ids: secret.key_ids,
    }
}

fn account(created: AccountCreated, now: Timestamp) -> cv2::CreateAccountResponse {
    use cv2::create_account_response as response;
    let optional = |account: Option<model::Resource>| account.as_ref().and_then(resource);
    let result = match created.result {
        AccountResult::Success {
            resource: account,
            invitation_expires_at,
        } => response::Result::Success(response::SuccessResult {
            resource: resource(&account),
            is_create_account_result: true,
            invitation_expires_at: invitation_expires_at.map(to_timestamp),
        }),
        AccountResult::ActionRequired { resource, message } => {
            response::Result::ActionRequired(response::ActionRequiredResult {
                resource: optional(resource),
                message,
                is_create_account_result: true,
            })
        }
        AccountResult::AlreadyExists { resource } => response::Result::AlreadyExists(response::AlreadyExistsResult {
            resource: optional(resource),
            is_create_account_result: true,
        }),
        AccountResult::InProgress { resource } => response::Result::InProgress(response::InProgressResult {
            resource: optional(resource),
            is_create_account_result: true,
        }),
    };
    cv2::CreateAccountResponse {
        result: Some(result),
        encrypted_data: created.secrets.into_iter().map(secret).collect(),
        annotations: annotations(created.annotations, now),
    }
}

fn feed(feed: &EventFeedInfo) -> cv2::EventFeedMetadata {
    let number = |kind: &EventType| {
        i32::from(match kind {
            EventType::Usage => cv2::EventType::Usage,
            EventType::ResourceChange => cv2::EventType::ResourceChange,
            EventType::CreateGrant => cv2::EventType::CreateGrant,
            EventType::CreateRevoke => cv2::EventType::CreateRevoke,
        })
    };
    cv2::EventFeedMetadata {
        id: feed.id.to_owned(),
        supported_event_types: feed.event_types.iter().map(number).collect(),
    }
}

fn events(page: EventPage) -> cv2::ListEventsResponse {
    cv2::ListEventsResponse {
        events: page.events.into_iter().map(event).collect(),
        cursor: page.cursor,
        has_more: page.has_more,
        annotations: Vec::new(),
    }
}

/// The event as proto3 JSON.
pub fn event_json(event: Event) -> Result<serde_json::Value, wire::json::JsonError> {
    wire::json::bytes("c1.connector.v2.Event", &self::event(event).encode_to_vec())
}

fn event(one: Event) -> cv2::Event {
    use cv2::event::Event as Kind;
    let kind = match one.kind {
        EventKind::Usage { target, actor } => Kind::UsageEvent(cv2::UsageEvent {
            target_resource: Some(reference(target)),
            actor_resource: Some(reference(actor)),
        }),
        EventKind::ResourceChange { resource } => {
            let parent = resource
                .parent
                .clone()
                .map(|(resource_type, resource)| cv2::ResourceId {
                    resource_type,
                    resource,
                    baton_resource: false,
                });
            Kind::ResourceChangeEvent(cv2::ResourceChangeEvent {
                resource_id: Some(resource_id(&resource)),
                parent_resource_id: parent,
            })
        }
        EventKind::CreateGrant { entitlement, principal } => Kind::CreateGrantEvent(cv2::CreateGrantEvent {
            entitlement: Some(entitlement_reference(entitlement)),
            principal: Some(reference(principal)),
            annotations: Vec::new(),
        }),
        EventKind::CreateRevoke { entitlement, principal } => Kind::CreateRevokeEvent(cv2::CreateRevokeEvent {
            entitlement: Some(entitlement_reference(entitlement)),
            principal: Some(reference(principal)),
            annotations: Vec::new(),
        }),
    };
    cv2::Event {
        id: one.id,
        occurred_at: Some(to_timestamp(one.occurred_at)),
        annotations: Vec::new(),
        event: Some(kind),
    }
}

fn entitlement_reference(entitlement: EntitlementRef) -> cv2::Entitlement {
    cv2::Entitlement {
        id: entitlement.id,
        slug: entitlement.slug,
        resource: Some(reference(entitlement.resource)),
        ..cv2::Entitlement::default()
    }
}
