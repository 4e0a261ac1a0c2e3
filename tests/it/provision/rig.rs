//! A provisioner over a small directory whose objects have labels.

use std::sync::{Arc, Mutex};

use baton::task::{
    Annotation, EntitlementRef, GrantReply, GrantRequest, Provisioner as _, ResourceRef, RevokeReply, RevokeRequest,
    TaskError, TaskId, WriteContext,
};
use baton_ping_one::provision::{AuditSink, Change, ChangeOutcome, PingOneProvisioner, ProvisionOptions};
use pingone::Client;
use process::runtime::leader_guard::LeaderGuard;
use sandbox::pingone::{Directory, DirectoryBuilder, Holder, Options, ScopeOf, start};
use serde_json::json;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::stand_in::Watched;
pub use crate::stand_in::{client, refuse, refused};

pub const READ_ONLY: &str = "Identity Data Read Only";
pub const HELP_DESK: &str = "Help Desk Admin";

#[derive(Debug, Default)]
pub struct Audited(Mutex<Vec<Change>>);

impl AuditSink for Audited {
    fn record(&self, change: &Change) {
        self.0.lock().unwrap().push(change.clone());
    }
}

/// How a rig differs from the usual.
#[derive(Default)]
pub struct Setup {
    pub sandbox: Options,
    pub options: ProvisionOptions,
    pub rate_limit: Option<u32>,
    pub guard: Option<LeaderGuard>,
}

pub struct Rig {
    pub server: Watched,
    pub client: Client,
    pub provisioner: PingOneProvisioner,
    pub token: CancellationToken,
    directory: Directory,
    audited: Arc<Audited>,
}

/// Two populations; groups of each kind; roles held directly, through a group, and read only.
pub fn directory() -> Directory {
    builder().build()
}

/// The same, to be added to.
pub fn builder() -> DirectoryBuilder {
    Directory::builder()
        .population("staff", json!({}))
        .population("guests", json!({}))
        .user("ann", "staff", json!({}))
        .user("bob", "staff", json!({}))
        .user("gus", "guests", json!({}))
        .user("ivy", "staff", json!({}))
        .user("dora", "staff", json!({"title": "Boss"}))
        .user("eve", "staff", json!({}))
        .user("ada", "staff", json!({}))
        .user("rita", "staff", json!({}))
        .group("team", json!({}))
        .group("top", json!({}))
        .group("low", json!({}))
        .group("filtered", json!({"userFilter": "title eq \"Boss\""}))
        .group("outside", json!({"sourceType": "GATEWAY"}))
        .group("staff-only", json!({"population": "staff"}))
        .group("admins", json!({}))
        .group("near-admins", json!({}))
        .member("team", "bob")
        .member("low", "ivy")
        .member("outside", "eve")
        .member("admins", "ada")
        .nested("low", "top")
        .nested("near-admins", "admins")
        .assignment(Holder::Group("admins".into()), HELP_DESK, ScopeOf::Environment)
        .assignment(Holder::User("bob".into()), READ_ONLY, ScopeOf::Environment)
        .read_only_assignment(Holder::User("rita".into()), READ_ONLY, ScopeOf::Environment)
}

impl Rig {
    pub async fn new() -> Self {
        Self::with(Setup::default()).await
    }

    /// With knobs of the stand-in.
    pub async fn bent(change: impl FnOnce(&mut Options)) -> Self {
        let mut setup = Setup::default();
        change(&mut setup.sandbox);
        Self::with(setup).await
    }

    /// With settings of the provisioner.
    pub async fn set(change: impl FnOnce(&mut ProvisionOptions)) -> Self {
        let mut setup = Setup::default();
        change(&mut setup.options);
        Self::with(setup).await
    }

    pub async fn with(mut setup: Setup) -> Self {
        let directory = setup.sandbox.custom.get_or_insert_with(directory).clone();
        let server = start(setup.sandbox).await.unwrap();
        let client = client(&server, setup.rate_limit.unwrap_or(100_000));
        // The token is there, so that tests count only what they ask for.
        client.prove().await.unwrap();
        server.reset_requests();
        let audited = Arc::new(Audited::default());
        let provisioner = PingOneProvisioner::new(setup.options, client.clone())
            .with_audit(Arc::clone(&audited) as Arc<dyn AuditSink>)
            .with_guard(setup.guard.unwrap_or(LeaderGuard::always()));
        Self {
            server: server.into(),
            client,
            provisioner,
            token: CancellationToken::new(),
            directory,
            audited,
        }
    }

    pub fn id(&self, label: &str) -> Uuid {
        self.directory.id(label).unwrap_or_else(|| panic!("no {label}"))
    }

    pub fn role(&self, name: &str) -> Uuid {
        let roles = self.server.directory().roles();
        roles.iter().find(|(_, known, _)| known == name).unwrap().0
    }

    pub fn context(&self) -> WriteContext {
        WriteContext {
            task_id: TaskId::new("2abcDEFghiJKLmnoPQRstuVWXyz"),
            token: self.token.clone(),
        }
    }

    pub async fn grant(&self, entitlement: EntitlementRef, principal: ResourceRef) -> Result<GrantReply, TaskError> {
        let request = GrantRequest { entitlement, principal };
        self.provisioner.grant(request, self.context()).await
    }

    pub async fn revoke(&self, entitlement: EntitlementRef, principal: ResourceRef) -> Result<RevokeReply, TaskError> {
        let request = RevokeRequest {
            grant_id: "not known".into(),
            entitlement,
            principal,
            metadata: None,
        };
        self.provisioner.revoke(request, self.context()).await
    }

    pub async fn join(&self, group: &str, user: &str) -> Result<GrantReply, TaskError> {
        self.grant(member_of(self.id(group)), resource("user", self.id(user)))
            .await
    }

    pub async fn leave(&self, group: &str, user: &str) -> Result<RevokeReply, TaskError> {
        self.revoke(member_of(self.id(group)), resource("user", self.id(user)))
            .await
    }

    /// Over the environment.
    pub async fn assign(&self, role: &str, user: &str) -> Result<GrantReply, TaskError> {
        let entitlement = role_entitlement(self.role(role), "assigned");
        self.grant(entitlement, resource("user", self.id(user))).await
    }

    /// Over the environment.
    pub async fn unassign(&self, role: &str, user: &str) -> Result<RevokeReply, TaskError> {
        let entitlement = role_entitlement(self.role(role), "assigned");
        self.revoke(entitlement, resource("user", self.id(user))).await
    }

    pub fn is_direct(&self, group: &str, user: &str) -> bool {
        let members = self.server.directory().members(self.id(group));
        members.iter().any(|(id, how)| *id == self.id(user) && how.direct)
    }

    /// Own assignments of a role over a scope.
    pub fn held(&self, holder: &str, role: &str, scope: Uuid) -> usize {
        let role = self.role(role);
        let own = self.server.directory().assignments(self.id(holder));
        own.iter()
            .filter(|item| item.role == role && item.scope == scope)
            .count()
    }

    /// What was asked, each kind of call with its count, reads first.
    pub fn calls(&self) -> Vec<String> {
        let requests = self.server.requests();
        let mut calls: Vec<_> = requests
            .counts
            .iter()
            .map(|count| {
                let path = count.path.replace("/environments/{id}", "").replace("{id}", "_");
                format!("{} {} {} x{}", count.method, path, count.status, count.count)
            })
            .collect();
        calls.sort();
        calls
    }

    pub fn writes(&self) -> u64 {
        self.server.requests().writes()
    }

    /// Audit lines of what changed or may have changed.
    pub fn changes(&self) -> Vec<Change> {
        let mut lines = self.lines();
        lines.retain(|line| line.outcome != ChangeOutcome::Refused);
        lines
    }

    /// Every audit line.
    pub fn lines(&self) -> Vec<Change> {
        self.audited.0.lock().unwrap().clone()
    }

    pub fn outcomes(&self) -> Vec<(&'static str, ChangeOutcome)> {
        self.changes()
            .iter()
            .map(|change| (change.operation, change.outcome))
            .collect()
    }
}

#[expect(clippy::needless_pass_by_value, reason = "ids are small and copied")]
pub fn resource(resource_type: &str, id: impl ToString) -> ResourceRef {
    ResourceRef {
        resource_type: resource_type.into(),
        id: id.to_string(),
        ..ResourceRef::default()
    }
}

pub fn entitlement(resource_type: &str, id: impl ToString, slug: &str) -> EntitlementRef {
    let resource = resource(resource_type, id);
    EntitlementRef {
        binding: None,
        id: format!("{resource_type}:{}:{slug}", resource.id),
        description: String::new(),
        slug: slug.into(),
        resource,
    }
}

pub fn member_of(group: Uuid) -> EntitlementRef {
    entitlement("group", group, "member")
}

pub fn role_entitlement(role: Uuid, slug: &str) -> EntitlementRef {
    entitlement("role", role, slug)
}

pub fn existed(reply: &GrantReply) -> bool {
    reply.annotations.contains(&Annotation::GrantAlreadyExists)
}

pub fn was_revoked(reply: &RevokeReply) -> bool {
    reply.annotations.contains(&Annotation::GrantAlreadyRevoked)
}
