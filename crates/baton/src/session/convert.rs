//! Protobuf ↔ the types of `task`. What a task holds is read here and judged later: a malformed payload becomes an
//! error inside the task, so that checks that come first still come first.

mod action;
mod json;
mod reply;
mod write;

pub use reply::event_json;
pub(super) use reply::{failure, passed, success};

use std::collections::HashSet;

use jiff::Timestamp;

use crate::proto::c1::connector::v2 as cv2;
use crate::proto::c1::connectorapi::baton::v1 as pb;
use crate::proto::c1::connectorapi::baton::v1::task::TaskType;
use crate::task::{
    ActionCall, Code, EventQuery, Payload, ResourceRef, SyncRequest, SyncTarget, Task, TaskError, TaskId, TaskKind,
};

/// Longest id, in bytes.
const MAX_ID_BYTES: usize = 1024;
const MAX_CURSOR_BYTES: usize = 4096;
const MAX_EVENTS: u32 = 1000;

/// Whether the answer to a poll holds no task: nothing, or the kind `none`.
pub(super) fn is_none(task: Option<&pb::Task>) -> bool {
    task.is_none_or(|task| matches!(task.task_type, Some(TaskType::None(_))))
}

/// Reads a task.
pub(super) fn task(task: pb::Task) -> Task {
    let kind = match task.task_type {
        Some(TaskType::Hello(_)) => TaskKind::Hello,
        Some(TaskType::SyncFull(sync)) => TaskKind::SyncFull(Ok(sync_request(sync))),
        Some(TaskType::Grant(grant)) => TaskKind::Grant(write::grant(grant)),
        Some(TaskType::Revoke(revoke)) => TaskKind::Revoke(write::revoke(revoke)),
        Some(TaskType::CreateAccount(create)) => TaskKind::CreateAccount(write::create_account(create).map(Box::new)),
        Some(TaskType::CreateResource(create)) => TaskKind::CreateResource(write::create_resource(create)),
        Some(TaskType::DeleteResource(delete)) => TaskKind::DeleteResource(write::delete_resource(delete)),
        Some(TaskType::RotateCredentials(rotate)) => TaskKind::RotateCredentials(write::rotate_credentials(rotate)),
        Some(TaskType::IssueCredential(issue)) => TaskKind::IssueCredential(write::issue_credential(issue)),
        Some(TaskType::ActionListSchemas(list)) => TaskKind::ListActionSchemas {
            resource_type_id: not_empty(list.resource_type_id),
        },
        Some(TaskType::ActionGetSchema(get)) => {
            TaskKind::GetActionSchema(not_empty(get.name).ok_or_else(|| malformed("action get schema")))
        }
        Some(TaskType::ActionInvoke(invoke)) => TaskKind::InvokeAction(action_call(invoke)),
        Some(TaskType::ActionStatus(status)) => {
            TaskKind::ActionStatus(not_empty(status.id).ok_or_else(|| malformed("action status")))
        }
        Some(TaskType::ListEventFeeds(_)) => TaskKind::ListEventFeeds,
        Some(TaskType::ListEvents(list)) => TaskKind::ListEvents(event_query(list)),
        Some(TaskType::CreateTicketTask(_)) => TaskKind::Ticket("create_ticket"),
        Some(TaskType::ListTicketSchemas(_)) => TaskKind::Ticket("list_ticket_schemas"),
        Some(TaskType::GetTicket(_)) => TaskKind::Ticket("get_ticket"),
        Some(TaskType::BulkCreateTickets(_)) => TaskKind::Ticket("bulk_create_tickets"),
        Some(TaskType::BulkGetTickets(_)) => TaskKind::Ticket("bulk_get_tickets"),
        Some(TaskType::EventFeed(_)) => TaskKind::Unsupported("event_feed"),
        Some(TaskType::CreateSyncDiff(_)) => TaskKind::Unsupported("create_sync_diff"),
        Some(TaskType::CompactSyncs(_)) => TaskKind::Unsupported("compact_syncs"),
        Some(TaskType::None(_)) | None => TaskKind::Unknown,
    };
    Task {
        id: TaskId::new(task.id),
        kind,
    }
}

fn sync_request(sync: pb::task::SyncFullTask) -> SyncRequest {
    let mut seen = HashSet::new();
    let targets = sync.targeted_sync_resources.into_iter().map(sync_target);
    let targets = targets.filter(|target| seen.insert(target.clone())).collect();
    let storage_engine = sync.storage_engine.parse().ok();
    let unknown_engine = storage_engine.is_none() && !sync.storage_engine.is_empty();
    if unknown_engine {
        tracing::warn!("the task asks for a storage engine that does not exist; it is answered with the default");
    }
    SyncRequest {
        skip_expand_grants: sync.skip_expand_grants,
        skip_entitlements_and_grants: sync.skip_entitlements_and_grants,
        skip_grants: sync.skip_grants,
        targets,
        resource_type_ids: sync.sync_resource_type_ids,
        storage_engine,
        special: !sync.annotations.is_empty() || unknown_engine,
    }
}

fn sync_target(resource: cv2::Resource) -> SyncTarget {
    let id = resource.id.unwrap_or_default();
    SyncTarget {
        resource_type: id.resource_type,
        id: id.resource,
        parent: parent(resource.parent_resource_id),
    }
}

fn parent(id: Option<cv2::ResourceId>) -> Option<(String, String)> {
    id.filter(|id| !id.resource.is_empty())
        .map(|id| (id.resource_type, id.resource))
}

fn action_call(invoke: pb::task::ActionInvokeTask) -> Payload<ActionCall> {
    Ok(ActionCall {
        name: not_empty(invoke.name).ok_or_else(|| malformed("action invoke"))?,
        resource_type_id: not_empty(invoke.resource_type_id),
        args: json::object(invoke.args.unwrap_or_default()),
    })
}

fn event_query(list: pb::task::ListEventsTask) -> Payload<EventQuery> {
    if list.cursor.len() > MAX_CURSOR_BYTES {
        return Err(invalid(format!("cursor is longer than {MAX_CURSOR_BYTES} bytes")));
    }
    if list.event_feed_id.len() > MAX_ID_BYTES {
        return Err(invalid(format!("event_feed_id is longer than {MAX_ID_BYTES} bytes")));
    }
    if list.page_size > MAX_EVENTS {
        return Err(invalid(format!("page_size is more than {MAX_EVENTS}")));
    }
    let feed_id = not_empty(list.event_feed_id).unwrap_or_else(|| "baton_feed_event".to_owned());
    Ok(EventQuery {
        feed_id,
        cursor: not_empty(list.cursor),
        start_at: list.start_at.map(timestamp).transpose()?,
        page_size: list.page_size,
    })
}

fn not_empty(text: String) -> Option<String> {
    (!text.is_empty()).then_some(text)
}

/// A payload that lacks what its kind needs (c1-protocol.md §9.1).
fn malformed(task: &str) -> TaskError {
    TaskError::new(Code::Unknown, format!("malformed {task} task"))
}

/// A value outside the limits of the table.
fn invalid(message: impl Into<String>) -> TaskError {
    TaskError::new(Code::InvalidArgument, message)
}

fn timestamp(at: prost_types::Timestamp) -> Result<Timestamp, TaskError> {
    Timestamp::new(at.seconds, at.nanos).map_err(|_| invalid("a time is out of range"))
}

fn to_timestamp(at: Timestamp) -> prost_types::Timestamp {
    let nanos = at.subsec_nanosecond();
    let (seconds, nanos) = if nanos < 0 {
        (at.as_second().saturating_sub(1), nanos.saturating_add(1_000_000_000))
    } else {
        (at.as_second(), nanos)
    };
    prost_types::Timestamp { seconds, nanos }
}

/// Reads an id and checks its limits.
fn resource_id(what: &str, id: Option<cv2::ResourceId>) -> Result<(String, String), TaskError> {
    let id = id.ok_or_else(|| invalid(format!("{what} has no resource id")))?;
    bounded(&format!("{what}: resource_type"), &id.resource_type)?;
    bounded(&format!("{what}: resource"), &id.resource)?;
    Ok((id.resource_type, id.resource))
}

/// Checks the limits of an id.
fn bounded(what: &str, id: &str) -> Result<(), TaskError> {
    if id.is_empty() || id.len() > MAX_ID_BYTES {
        return Err(invalid(format!("{what} must have 1 to {MAX_ID_BYTES} bytes")));
    }
    Ok(())
}

fn resource_ref(what: &str, resource: cv2::Resource) -> Result<ResourceRef, TaskError> {
    let (resource_type, id) = resource_id(what, resource.id)?;
    Ok(ResourceRef {
        resource_type,
        id,
        parent: parent(resource.parent_resource_id),
        display_name: resource.display_name,
    })
}

#[cfg(test)]
mod tests;
