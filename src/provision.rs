//! Grant, revoke, account creation and deletion, credential rotation, actions: idempotent, decided from live state.
//!
//! One file per kind of task. What they share is `context::TaskContext`: one task's client, deadline, cancellation, audit trail
//! and dry run. Invariants: a write is told as done only where PingOne's answer or a read shows it; a refusal names the real
//! reason; every change leaves one audit line; no secret is in any of them (connector-model.md §1, §7).

mod access;
mod account;
mod actions;
mod assignments;
mod audit;
mod context;
mod delete;
mod error;
mod grant;
mod group;
mod locks;
mod memory;
mod password;
mod plan;
mod population;
mod protect;
mod revoke;
mod rotate;
mod scope;
mod settings;
mod since;
mod spelling;
mod sure;
mod target;
mod write;

use std::sync::{Arc, Mutex};

use futures_util::future::BoxFuture;

pub use actions::{PingOneActions, action_schemas};
pub use audit::{AuditLog, AuditSink, Change, ChangeOutcome};
pub(crate) use error::read_error;
pub use plan::{DRY_RUN, Plan};
pub use settings::{Deprovision, ProvisionOptions};
pub(crate) use spelling::is_identity_provider;

use crate::sync::SeenScopes;
use baton::crypto::KeySource;
use baton::schedule::WriteLog;
use baton::task::{
    AccountCreated, ActionCall, ActionOutcome, Annotation, CreateAccountRequest, DeleteResourceRequest, GrantReply,
    GrantRequest, IssueCredentialRequest, Provisioner, RevokeReply, RevokeRequest, RotateCredentialsRequest, Rotated,
    TaskError, WriteContext,
};
use context::TaskContext;
use error::Failure;
use memory::Memory;
use pingone::{Client, PingOneError};
use process::runtime::leader_guard::LeaderGuard;
use protect::roles::Protected;

/// Changes PingOne for tasks of C1.
pub struct PingOneProvisioner {
    options: Arc<ProvisionOptions>,
    client: Client,
    audit: Arc<dyn AuditSink>,
    memory: Arc<Memory>,
    log: Option<WriteLog>,
    client_key: KeySource,
    guard: LeaderGuard,
    /// What the last dry run would have sent.
    plan: Mutex<Option<Plan>>,
}

impl std::fmt::Debug for PingOneProvisioner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PingOneProvisioner")
            .field("options", &self.options)
            .finish_non_exhaustive()
    }
}

impl PingOneProvisioner {
    /// A provisioner that shares `client`'s token and limits; audit lines go to the log.
    pub fn new(options: ProvisionOptions, client: Client) -> Self {
        Self {
            options: Arc::new(options),
            client,
            audit: Arc::new(AuditLog),
            memory: Arc::default(),
            log: None,
            client_key: KeySource::none(),
            guard: LeaderGuard::always(),
            plan: Mutex::default(),
        }
    }

    /// The same provisioner with the client secret's key, to open passwords that C1 chose (c1-protocol.md §10.5). Without
    /// one they are refused.
    #[must_use]
    pub fn with_client_key(mut self, key: KeySource) -> Self {
        self.client_key = key;
        self
    }

    /// The same provisioner with audit lines somewhere else.
    #[must_use]
    pub fn with_audit(mut self, audit: Arc<dyn AuditSink>) -> Self {
        self.audit = audit;
        self
    }

    /// The same provisioner, which asks `guard` immediately before each write.
    #[must_use]
    pub fn with_guard(mut self, guard: LeaderGuard) -> Self {
        self.guard = guard;
        self
    }

    /// The same provisioner, which tells snapshots of its tasks.
    #[must_use]
    pub fn with_log(mut self, log: WriteLog) -> Self {
        self.log = Some(log);
        self
    }

    /// The same provisioner, which knows what roles were held over in the last sync.
    #[must_use]
    pub fn with_scopes(self, scopes: SeenScopes) -> Self {
        self.memory.scopes.set(scopes).ok();
        self
    }

    /// Looks up what the settings name in PingOne. `Some`: they name what is not there, and what there is.
    pub async fn check_settings(&self, client: &Client) -> Result<Option<String>, PingOneError> {
        let list = &self.options.protected_roles;
        if !list.is_empty() {
            match Protected::read(client, list).await? {
                Ok(known) => *self.memory.protected.lock().await = Some(known),
                Err(unknown) => return Ok(Some(unknown.to_string())),
            }
        }
        scope::foreign_entry(client, &self.options.writable_scopes).await
    }

    /// What the last task would have sent, where `dry_run` is on and it came to its end. Taken once.
    pub fn take_plan(&self) -> Option<Plan> {
        self.plan.lock().ok()?.take()
    }

    fn begin(&self, context: WriteContext) -> TaskContext {
        TaskContext::new(
            Arc::clone(&self.options),
            (&self.client, &self.guard),
            Arc::clone(&self.audit),
            Arc::clone(&self.memory),
            context,
            self.log.as_ref().map(WriteLog::begin),
        )
    }

    /// The task's outcome. A dry run that came to its end keeps its plan for whoever asked, and is refused with it.
    fn end<T>(&self, task: TaskContext, outcome: Result<T, Failure>) -> Result<T, TaskError> {
        task.ended();
        let reply = outcome.map_err(Failure::into_task)?;
        let Some(plan) = task.into_plan() else {
            return Ok(reply);
        };
        let refusal = plan.refusal();
        if let Ok(mut kept) = self.plan.lock() {
            *kept = Some(plan);
        }
        Err(refusal)
    }
}

impl Provisioner for PingOneProvisioner {
    fn grant(&self, request: GrantRequest, context: WriteContext) -> BoxFuture<'_, Result<GrantReply, TaskError>> {
        Box::pin(async move {
            let task = self.begin(context);
            let outcome = grant::grant(&task, &request).await.map_err(Failure::of_grant);
            self.end(task, outcome)
        })
    }

    fn revoke(&self, request: RevokeRequest, context: WriteContext) -> BoxFuture<'_, Result<RevokeReply, TaskError>> {
        Box::pin(async move {
            let task = self.begin(context);
            let outcome = revoke::revoke(&task, &request).await;
            self.end(task, outcome)
        })
    }

    fn create_account(
        &self,
        request: CreateAccountRequest,
        context: WriteContext,
    ) -> BoxFuture<'_, Result<AccountCreated, TaskError>> {
        Box::pin(async move {
            let task = self.begin(context);
            let outcome = account::create(&task, &request, self.client_key.key().as_ref()).await;
            self.end(task, outcome)
        })
    }

    fn delete_resource(
        &self,
        request: DeleteResourceRequest,
        context: WriteContext,
    ) -> BoxFuture<'_, Result<Vec<Annotation>, TaskError>> {
        Box::pin(async move {
            let task = self.begin(context);
            let outcome = delete::delete(&task, &request).await;
            self.end(task, outcome)
        })
    }

    fn rotate_credentials(
        &self,
        request: RotateCredentialsRequest,
        context: WriteContext,
    ) -> BoxFuture<'_, Result<Rotated, TaskError>> {
        Box::pin(async move {
            let task = self.begin(context);
            let outcome = rotate::rotate(&task, &request, self.client_key.key().as_ref()).await;
            self.end(task, outcome)
        })
    }

    fn refuse_issue(&self, request: &IssueCredentialRequest) -> TaskError {
        access::refuse_issue(request)
    }

    fn run_action(&self, call: ActionCall, context: WriteContext) -> BoxFuture<'_, Result<ActionOutcome, TaskError>> {
        Box::pin(async move {
            let task = self.begin(context);
            let outcome = match actions::run(&task, &call).await {
                // PingOne's no is the action's failure, and no refusal of the call (c1-protocol.md §9.6).
                Err(failure @ (Failure::PingOne(_) | Failure::Unknown { .. })) if !task.is_dry_run() => {
                    Ok(actions::failed_by(failure))
                }
                outcome => outcome,
            };
            self.end(task, outcome)
        })
    }
}
