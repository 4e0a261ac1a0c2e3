//! Runs one task through the engine that serves its kind, and decides what C1 may try again (c1-protocol.md §9.1).

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::{
    ActionCall, ActionCatalog, ActionRegistry, ActionSchema, ActionStatus, Code, EventFeed, Payload, Provisioner,
    Reply, SyncProgress, SyncRunner, Task, TaskError, TaskId, TaskKind, WriteContext, provision,
};

/// The one answer to tasks that write while provisioning is off (connector-model.md §1 point 8).
pub const PROVISIONING_DISABLED: &str =
    "provisioning is not enabled: start the connector with --provisioning (BATON_PROVISIONING=true)";

/// A backstop for everything but syncs; the engines' own budgets are shorter.
const SHORT_TASK_LIMIT: Duration = Duration::from_mins(10);

/// Runs tasks. The session's view of this module.
pub trait TaskRunner: Send + Sync {
    /// Runs one task to its end. `Hello` is the session's own and is refused here.
    fn run(&self, task: Task, token: CancellationToken) -> BoxFuture<'_, Result<Reply, TaskError>>;

    /// Waits until nothing detached runs any more.
    fn settled(&self) -> BoxFuture<'_, ()>;
}

/// Whether tasks may write.
#[derive(Clone)]
pub enum Writes {
    /// Through this.
    Enabled(Arc<dyn Provisioner>),
    /// They are refused with this text, code 9, before the payload is looked at.
    Refused(&'static str),
}

/// What the dispatcher runs tasks with.
#[derive(Clone)]
pub struct Parts {
    pub syncs: Arc<dyn SyncRunner>,
    pub writes: Writes,
    /// The actions' schemas.
    pub actions: Arc<dyn ActionCatalog>,
    /// The event feed, or [`super::NoEventFeed`].
    pub events: Arc<dyn EventFeed>,
}

/// Runs tasks through [`Parts`].
pub struct Dispatcher {
    parts: Parts,
    started: ActionRegistry,
    process: CancellationToken,
}

impl Dispatcher {
    /// A dispatcher whose detached actions end with `process`.
    pub fn new(parts: Parts, process: CancellationToken) -> Self {
        Self {
            parts,
            started: ActionRegistry::new(),
            process,
        }
    }

    async fn dispatch(&self, task: Task, token: CancellationToken) -> Result<Reply, TaskError> {
        let Task { id, kind } = task;
        if kind.writes() {
            return match &self.parts.writes {
                Writes::Enabled(provisioner) => self.write(provisioner, id, kind, token).await,
                Writes::Refused(text) => Err(TaskError::new(Code::FailedPrecondition, *text).non_retryable()),
            };
        }
        match kind {
            TaskKind::SyncFull(request) => {
                let run = self.parts.syncs.run(request?, token, SyncProgress::default());
                run.await.map(Reply::Synced)
            }
            TaskKind::ListActionSchemas { resource_type_id } => {
                Ok(Reply::ActionSchemas(self.schemas(resource_type_id.as_deref())))
            }
            TaskKind::GetActionSchema(name) => Ok(Reply::ActionSchema(self.global_schema(&name?)?.clone())),
            TaskKind::ActionStatus(id) => self.started.state(&id?).map(Reply::ActionStatus),
            TaskKind::ListEventFeeds => self.parts.events.feeds().await.map(Reply::EventFeeds),
            TaskKind::ListEvents(query) => self.parts.events.events(query?, token).await.map(Reply::Events),
            TaskKind::Ticket(_) => Err(TaskError::new(Code::Unimplemented, "ticket manager not implemented")),
            _ => Err(TaskError::new(Code::Unknown, "unsupported task type")),
        }
    }

    async fn write(
        &self,
        provisioner: &Arc<dyn Provisioner>,
        task_id: TaskId,
        kind: TaskKind,
        token: CancellationToken,
    ) -> Result<Reply, TaskError> {
        let context = WriteContext { task_id, token };
        match kind {
            TaskKind::Grant(request) => provisioner.grant(request?, context).await.map(Reply::Granted),
            TaskKind::Revoke(request) => provisioner.revoke(request?, context).await.map(Reply::Revoked),
            TaskKind::CreateAccount(request) => provisioner
                .create_account(*request?, context)
                .await
                .map(|created| Reply::AccountCreated(Box::new(created))),
            TaskKind::DeleteResource(request) => provisioner
                .delete_resource(request?, context)
                .await
                .map(Reply::ResourceDeleted),
            TaskKind::RotateCredentials(request) => provisioner
                .rotate_credentials(request?, context)
                .await
                .map(Reply::Rotated),
            TaskKind::InvokeAction(call) => self.invoke(provisioner, call, context.task_id).await,
            TaskKind::CreateResource(request) => {
                let resource_type = request?.resource.resource_type;
                let message = format!("resource type {resource_type} does not have resource Create() configured");
                Err(TaskError::new(Code::Unimplemented, message))
            }
            TaskKind::IssueCredential(request) => Err(provisioner.refuse_issue(&request?).non_retryable()),
            _ => Err(TaskError::new(Code::Unknown, "unsupported task type")),
        }
    }

    async fn invoke(
        &self,
        provisioner: &Arc<dyn Provisioner>,
        call: Payload<ActionCall>,
        task_id: TaskId,
    ) -> Result<Reply, TaskError> {
        let mut call = call?;
        let schema = match &call.resource_type_id {
            None => self.global_schema(&call.name)?,
            Some(resource_type) => self
                .parts
                .actions
                .schemas()
                .iter()
                .find(|schema| schema.name == call.name && schema.resource_type_id == Some(resource_type.as_str()))
                .ok_or_else(|| not_found(&call.name))?,
        };
        call.args = self.parts.actions.spelled(schema, call.args);
        check_arguments(schema, &call)?;
        let provisioner = Arc::clone(provisioner);
        let context = WriteContext {
            task_id,
            token: self.process.child_token(),
        };
        let name = call.name.clone();
        let work = async move { provisioner.run_action(call, context).await };
        let state = self.started.start(name, work).await?;
        if state.status == ActionStatus::Failed {
            let message = provision::error_text(&state.response).unwrap_or("action failed");
            return Err(TaskError::new(Code::Unknown, message));
        }
        Ok(Reply::ActionInvoked(state))
    }

    fn schemas(&self, resource_type_id: Option<&str>) -> Vec<ActionSchema> {
        let all = self.parts.actions.schemas().iter();
        all.filter(|schema| resource_type_id.is_none() || schema.resource_type_id == resource_type_id)
            .cloned()
            .collect()
    }

    fn global_schema(&self, name: &str) -> Result<&ActionSchema, TaskError> {
        let mut all = self.parts.actions.schemas().iter();
        all.find(|schema| schema.name == name && schema.resource_type_id.is_none())
            .ok_or_else(|| not_found(name))
    }
}

fn not_found(name: &str) -> TaskError {
    TaskError::new(Code::NotFound, format!("action {name} not found"))
}

fn check_arguments(schema: &ActionSchema, call: &ActionCall) -> Result<(), TaskError> {
    let missing = schema
        .arguments
        .iter()
        .find(|argument| argument.required && call.args.get(argument.name).is_none_or(serde_json::Value::is_null));
    if let Some(argument) = missing {
        let message = format!("argument {} of action {} is required", argument.name, schema.name);
        return Err(TaskError::new(Code::InvalidArgument, message));
    }
    if let Some(broken) = schema.constraints.iter().find(|rule| !rule.holds(&call.args)) {
        let message = format!(
            "arguments of action {} break {:?} of {:?}",
            schema.name, broken.kind, broken.fields
        );
        return Err(TaskError::new(Code::InvalidArgument, message));
    }
    Ok(())
}

impl TaskRunner for Dispatcher {
    fn run(&self, task: Task, token: CancellationToken) -> BoxFuture<'_, Result<Reply, TaskError>> {
        Box::pin(async move {
            let (is_sync, is_final) = (task.kind.is_sync(), task.kind.errors_are_final());
            let work = self.dispatch(task, token);
            let outcome = if is_sync {
                work.await
            } else {
                timeout(SHORT_TASK_LIMIT, work).await.unwrap_or_else(|_| {
                    let message = format!("the task took longer than {} s", SHORT_TASK_LIMIT.as_secs());
                    Err(TaskError::new(Code::DeadlineExceeded, message))
                })
            };
            // A cancelled task was not decided: C1 may offer it again.
            outcome.map_err(|error| match error.code {
                Code::Cancelled => error,
                _ if is_final => error.non_retryable(),
                _ => error,
            })
        })
    }

    fn settled(&self) -> BoxFuture<'_, ()> {
        Box::pin(self.started.settled())
    }
}
