//! Grant, revoke, account creation and deletion, credential rotation, actions: idempotent, decided from live state.
//!
//! One file per kind of task. What they share is `work::Work`: one task's client, deadline, cancellation, audit trail
//! and dry run. Invariants: a write whose answer was lost is never repeated before a read; a refusal names the real
//! reason; every change leaves one audit line; no secret is in any of them (connector-model.md §1, §7).

mod account;
mod actions;
mod audit;
pub mod crypto;
mod delete;
mod error;
mod grant;
mod group;
mod held;
mod password;
mod plan;
mod protect;
mod revoke;
mod rotate;
mod scope;
mod settings;
mod settle;
mod target;
mod turns;
mod work;

use std::sync::{Arc, Mutex};

use futures_util::future::BoxFuture;

pub use actions::action_schemas;
pub use audit::{AuditLog, AuditSink, Change, ChangeOutcome};
pub(crate) use error::read_error;
pub use plan::{DRY_RUN, Plan};
pub use settings::{Deprovision, ProvisionOptions};

use crate::pingone::Client;
use crate::runtime::permit::Permit;
use crate::task::{
    AccountCreated, ActionCall, ActionOutcome, Annotation, CreateAccountRequest, DeleteResourceRequest, GrantReply,
    GrantRequest, Provisioner, RevokeReply, RevokeRequest, RotateCredentialsRequest, Rotated, TaskError, WriteContext,
};
use crypto::KeySource;
use error::Failure;
use work::{Facts, Work};

/// Changes PingOne for tasks of C1.
pub struct PingOneProvisioner {
    options: Arc<ProvisionOptions>,
    client: Client,
    audit: Arc<dyn AuditSink>,
    facts: Arc<Facts>,
    client_key: KeySource,
    permit: Permit,
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
            facts: Arc::default(),
            client_key: KeySource::none(),
            permit: Permit::always(),
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

    /// The same provisioner, which asks `permit` immediately before each write.
    #[must_use]
    pub fn with_permit(mut self, permit: Permit) -> Self {
        self.permit = permit;
        self
    }

    /// What the last task would have sent, where `dry_run` is on and it came to its end. Taken once.
    pub fn take_plan(&self) -> Option<Plan> {
        self.plan.lock().ok()?.take()
    }

    fn begin(&self, context: WriteContext) -> Work {
        Work::new(
            Arc::clone(&self.options),
            (&self.client, &self.permit),
            Arc::clone(&self.audit),
            Arc::clone(&self.facts),
            context,
        )
    }

    /// The task's outcome. A dry run that came to its end keeps its plan for whoever asked, and is refused with it.
    fn end<T>(&self, work: Work, outcome: Result<T, Failure>) -> Result<T, TaskError> {
        work.ended();
        let reply = outcome.map_err(Failure::into_task)?;
        let Some(plan) = work.into_plan() else {
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
            let work = self.begin(context);
            let outcome = grant::grant(&work, &request).await;
            self.end(work, outcome)
        })
    }

    fn revoke(&self, request: RevokeRequest, context: WriteContext) -> BoxFuture<'_, Result<RevokeReply, TaskError>> {
        Box::pin(async move {
            let work = self.begin(context);
            let outcome = revoke::revoke(&work, &request).await;
            self.end(work, outcome)
        })
    }

    fn create_account(
        &self,
        request: CreateAccountRequest,
        context: WriteContext,
    ) -> BoxFuture<'_, Result<AccountCreated, TaskError>> {
        Box::pin(async move {
            let work = self.begin(context);
            let outcome = account::create(&work, &request, self.client_key.key().as_ref()).await;
            self.end(work, outcome)
        })
    }

    fn delete_resource(
        &self,
        request: DeleteResourceRequest,
        context: WriteContext,
    ) -> BoxFuture<'_, Result<Vec<Annotation>, TaskError>> {
        Box::pin(async move {
            let work = self.begin(context);
            let outcome = delete::delete(&work, &request).await;
            self.end(work, outcome)
        })
    }

    fn rotate_credentials(
        &self,
        request: RotateCredentialsRequest,
        context: WriteContext,
    ) -> BoxFuture<'_, Result<Rotated, TaskError>> {
        Box::pin(async move {
            let work = self.begin(context);
            let outcome = rotate::rotate(&work, &request, self.client_key.key().as_ref()).await;
            self.end(work, outcome)
        })
    }

    fn run_action(&self, call: ActionCall, context: WriteContext) -> BoxFuture<'_, Result<ActionOutcome, TaskError>> {
        Box::pin(async move {
            let work = self.begin(context);
            let outcome = match actions::run(&work, &call).await {
                // PingOne's no is the action's failure, and no refusal of the call (c1-protocol.md §9.6).
                Err(Failure::PingOne(error)) if !work.is_dry_run() => Ok(actions::failed_by(&error)),
                outcome => outcome,
            };
            self.end(work, outcome)
        })
    }
}
