//! Tasks of C1 in our own types, and the dispatcher that runs them through traits. Nothing here knows protobuf, gRPC
//! or the target system: the session converts, the engines implement the traits. Invariant: with provisioning off no task that
//! writes gets as far as its payload (connector-model.md §1 point 8).

mod action;
mod dispatch;
mod error;
mod event;
mod id;
mod invoke;
mod kind;
mod observe;
mod provision;
mod rate_limit;
mod sync;

pub use action::{
    ActionCatalog, ActionField, ActionFieldKind, ActionSchema, ActionState, ActionStatus, ActionType, Constraint,
    ConstraintKind, JsonObject,
};
pub use dispatch::{Dispatcher, PROVISIONING_DISABLED, Parts, TaskRunner, Writes};
pub use error::{Code, Detail, TaskError};
pub use event::{Event, EventFeed, EventFeedInfo, EventKind, EventPage, EventQuery, EventType, NoEventFeed};
pub use id::TaskId;
pub use invoke::{ActionOutcome, ActionRegistry};
pub use kind::{Payload, Reply, Task, TaskKind};
pub use observe::{TaskEnd, TaskObserver, Verdict};
pub use provision::{
    AccountCreated, AccountInfo, AccountResult, ActionCall, Annotation, CreateAccountRequest, CreateResourceRequest,
    CredentialOptions, DeleteResourceRequest, Email, EncryptedSecret, EncryptionTarget, EntitlementRef, GrantReply,
    GrantRequest, IssueCredentialRequest, Password, PasswordRule, Provisioner, ResourceCreated, ResourceRef,
    RevokeReply, RevokeRequest, RotateCredentialsRequest, Rotated, WriteContext,
};
pub use rate_limit::RateLimit;
pub use sync::{Counts, SyncFacts, SyncProgress, SyncRequest, SyncRun, SyncRunner, SyncTarget, SyncedFile};
