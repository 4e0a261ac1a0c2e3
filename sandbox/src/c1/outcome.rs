//! What a task of each kind may end with (c1-protocol.md §8.1, §9.1).

use super::json;
use super::proto::baton::baton_service_finish_task_request::{FinalState, Success};
use super::proto::baton::task::TaskType;

/// Which annotations stand beside the response.
#[derive(Clone, Copy)]
enum Beside {
    /// None.
    None,
    /// Those of the response, once more.
    Response,
    /// The task's too, which the double does not look at.
    Task,
}

/// The response of a kind and what stands beside it; `None`: tasks of the kind are unsupported, so none succeeds.
fn wanted(kind: &TaskType) -> Option<(&'static str, Beside)> {
    Some(match kind {
        TaskType::Grant(_) => ("GrantManagerServiceGrantResponse", Beside::Response),
        TaskType::Revoke(_) => ("GrantManagerServiceRevokeResponse", Beside::Response),
        TaskType::CreateAccount(_) => ("CreateAccountResponse", Beside::Response),
        TaskType::CreateResource(_) => ("CreateResourceResponse", Beside::Response),
        TaskType::DeleteResource(_) => ("DeleteResourceResponse", Beside::Response),
        TaskType::RotateCredentials(_) => ("RotateCredentialResponse", Beside::Response),
        TaskType::CreateTicketTask(_) => ("TicketsServiceCreateTicketResponse", Beside::Task),
        TaskType::ListTicketSchemas(_) => ("TicketsServiceListTicketSchemasResponse", Beside::Response),
        TaskType::GetTicket(_) => ("TicketsServiceGetTicketResponse", Beside::Task),
        TaskType::BulkCreateTickets(_) => ("TicketsServiceBulkCreateTicketsResponse", Beside::None),
        TaskType::BulkGetTickets(_) => ("TicketsServiceBulkGetTicketsResponse", Beside::None),
        TaskType::ActionListSchemas(_) => ("ListActionSchemasResponse", Beside::None),
        TaskType::ActionGetSchema(_) => ("GetActionSchemaResponse", Beside::None),
        TaskType::ActionInvoke(_) => ("InvokeActionResponse", Beside::None),
        TaskType::ActionStatus(_) => ("GetActionStatusResponse", Beside::None),
        TaskType::ListEventFeeds(_) => ("ListEventFeedsResponse", Beside::None),
        TaskType::ListEvents(_) => ("ListEventsResponse", Beside::None),
        TaskType::None(_)
        | TaskType::Hello(_)
        | TaskType::SyncFull(_)
        | TaskType::IssueCredential(_)
        | TaskType::EventFeed(_)
        | TaskType::CreateSyncDiff(_)
        | TaskType::CompactSyncs(_) => return None,
    })
}

/// Holds an end against the kind of its task.
pub(super) fn check(kind: Option<&TaskType>, state: &FinalState) -> Result<(), String> {
    match state {
        FinalState::Success(success) => succeeded(kind, success),
        // Whether a credential was made is not known after a failure (access-model.md §4, §11 point 134).
        FinalState::Error(error) if matches!(kind, Some(TaskType::IssueCredential(_))) && !error.non_retryable => {
            Err("the issue of a credential failed and may be tried again".to_owned())
        }
        FinalState::Error(_) => Ok(()),
    }
}

fn succeeded(kind: Option<&TaskType>, success: &Success) -> Result<(), String> {
    if matches!(kind, Some(TaskType::SyncFull(_))) {
        if success.response.is_some() {
            return Err("a sync has no response".to_owned());
        }
        return no_annotations(success);
    }
    let (name, beside) = kind.and_then(wanted).ok_or("a task of an unsupported kind succeeded")?;
    let response = success
        .response
        .as_ref()
        .ok_or_else(|| format!("no response, wanted is {name}"))?;
    let type_url = format!("type.googleapis.com/c1.connector.v2.{name}");
    if response.type_url != type_url {
        return Err(format!("the response is {}, wanted is {type_url}", response.type_url));
    }
    match beside {
        Beside::None => no_annotations(success),
        Beside::Response if json::annotations(response)? != success.annotations => {
            Err("the annotations are not those of the response".to_owned())
        }
        Beside::Response | Beside::Task => Ok(()),
    }
}

fn no_annotations(success: &Success) -> Result<(), String> {
    if success.annotations.is_empty() {
        return Ok(());
    }
    Err("a success of this kind has no annotations".to_owned())
}
