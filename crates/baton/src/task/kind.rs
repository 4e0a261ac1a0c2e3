//! A task, its kinds and what answers it.

use super::{
    AccountCreated, ActionCall, ActionSchema, ActionState, Annotation, CreateAccountRequest, CreateResourceRequest,
    DeleteResourceRequest, EventFeedInfo, EventPage, EventQuery, GrantReply, GrantRequest, IssueCredentialRequest,
    ResourceCreated, RevokeReply, RevokeRequest, RotateCredentialsRequest, Rotated, SyncRequest, SyncedFile, TaskError,
    TaskId,
};

/// A payload that was read, or why it is malformed. The dispatcher looks at it only after the checks that come first.
pub type Payload<T> = Result<T, TaskError>;

/// A task as C1 handed it out.
#[derive(Debug, Clone)]
pub struct Task {
    pub id: TaskId,
    /// What is to be done.
    pub kind: TaskKind,
}

/// What is to be done (c1-protocol.md §9.1).
#[derive(Debug, Clone)]
pub enum TaskKind {
    /// Say Hello with the task's id.
    Hello,
    /// Sync and upload.
    SyncFull(Payload<SyncRequest>),
    /// Give a principal an entitlement.
    Grant(Payload<GrantRequest>),
    /// Take a grant back.
    Revoke(Payload<RevokeRequest>),
    /// Create a user.
    CreateAccount(Payload<Box<CreateAccountRequest>>),
    /// Create a resource that is no account.
    CreateResource(Payload<CreateResourceRequest>),
    /// Delete a resource, accounts included.
    DeleteResource(Payload<DeleteResourceRequest>),
    /// Give a user a new password.
    RotateCredentials(Payload<RotateCredentialsRequest>),
    /// Issue a credential of its own.
    IssueCredential(Payload<IssueCredentialRequest>),
    /// List the actions' schemas, of one resource type or all.
    ListActionSchemas {
        /// The resource type's id, if asked for one.
        resource_type_id: Option<String>,
    },
    /// One global action's schema.
    GetActionSchema(Payload<String>),
    /// Start an action.
    InvokeAction(Payload<ActionCall>),
    /// How a started action stands.
    ActionStatus(Payload<String>),
    ListEventFeeds,
    /// Read events.
    ListEvents(Payload<EventQuery>),
    /// One of the ticket kinds; the name is the log's.
    Ticket(&'static str),
    /// A kind that no service-mode connector serves: legacy event feed, sync diff, compaction.
    Unsupported(&'static str),
    /// A kind that we do not know, or none at all.
    Unknown,
}

/// Names of the kinds, as in logs and metrics (c1-protocol.md §13).
const NAMES: [&str; 24] = [
    "hello",
    "sync_full",
    "grant",
    "revoke",
    "create_account",
    "create_resource",
    "delete_resource",
    "rotate_credential",
    "issue_credential",
    "list_action_schemas",
    "get_action_schema",
    "invoke_action",
    "action_status",
    "list_event_feeds",
    "list_events",
    "create_ticket",
    "list_ticket_schemas",
    "get_ticket",
    "bulk_create_tickets",
    "bulk_get_tickets",
    "event_feed",
    "create_sync_diff",
    "compact_syncs",
    "unknown",
];

impl TaskKind {
    /// Every name that [`Self::as_str`] can return.
    pub const NAMES: [&'static str; 24] = NAMES;

    /// The name in logs and metrics.
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Hello => "hello",
            Self::SyncFull(_) => "sync_full",
            Self::Grant(_) => "grant",
            Self::Revoke(_) => "revoke",
            Self::CreateAccount(_) => "create_account",
            Self::CreateResource(_) => "create_resource",
            Self::DeleteResource(_) => "delete_resource",
            Self::RotateCredentials(_) => "rotate_credential",
            Self::IssueCredential(_) => "issue_credential",
            Self::ListActionSchemas { .. } => "list_action_schemas",
            Self::GetActionSchema(_) => "get_action_schema",
            Self::InvokeAction(_) => "invoke_action",
            Self::ActionStatus(_) => "action_status",
            Self::ListEventFeeds => "list_event_feeds",
            Self::ListEvents(_) => "list_events",
            Self::Ticket(name) | Self::Unsupported(name) => name,
            Self::Unknown => "unknown",
        }
    }

    /// Whether it runs long and is ended at shutdown instead of awaited.
    pub const fn is_sync(&self) -> bool {
        matches!(self, Self::SyncFull(_))
    }

    /// Whether it writes to the target system, so that it needs provisioning (c1-protocol.md §9.1,
    /// connector-model.md §1 point 8).
    pub const fn writes(&self) -> bool {
        matches!(
            self,
            Self::Grant(_)
                | Self::Revoke(_)
                | Self::CreateAccount(_)
                | Self::CreateResource(_)
                | Self::DeleteResource(_)
                | Self::RotateCredentials(_)
                | Self::IssueCredential(_)
                | Self::InvokeAction(_)
        )
    }

    /// Whether every error of this kind is final for C1 (the column NR of c1-protocol.md §9.1).
    pub const fn errors_are_final(&self) -> bool {
        self.writes() && !matches!(self, Self::InvokeAction(_))
    }
}

/// What a finished task tells C1.
#[derive(Debug)]
pub enum Reply {
    /// A sync's file, to be uploaded; the success itself has no response.
    Synced(SyncedFile),
    /// A grant is there.
    Granted(GrantReply),
    /// A grant is gone.
    Revoked(RevokeReply),
    /// An account was created, or not yet, or was there.
    AccountCreated(Box<AccountCreated>),
    /// A resource was created.
    ResourceCreated(ResourceCreated),
    /// A resource is gone.
    ResourceDeleted(Vec<Annotation>),
    /// A credential was replaced.
    Rotated(Rotated),
    ActionSchemas(Vec<ActionSchema>),
    /// One action's schema.
    ActionSchema(ActionSchema),
    /// A started action.
    ActionInvoked(ActionState),
    /// How an action stands.
    ActionStatus(ActionState),
    EventFeeds(Vec<EventFeedInfo>),
    /// A page of events.
    Events(EventPage),
}
