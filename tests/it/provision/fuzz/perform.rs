//! Operations, carried out through the trait alone.

use baton::task::{
    AccountInfo, AccountResult, Annotation, Code, CreateAccountRequest, CredentialOptions, DeleteResourceRequest,
    EncryptionTarget, EntitlementRef, GrantReply, GrantRequest, Password, Provisioner, ResourceRef, RevokeRequest,
    RotateCredentialsRequest, TaskError, TaskId, WriteContext,
};
use std::sync::atomic::{AtomicU64, Ordering};

use serde_json::json;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::super::rig::resource;

/// Recipient of generated passwords (c1-protocol.md §10.3).
const RECIPIENT: &str = "age1cy0su9fwf3gf9mw868g5yut09p6nytfmmnktexz2ya5uqg9vl9sss4euqm";

/// Tasks so far: C1 gives each an id of its own.
static TASKS: AtomicU64 = AtomicU64::new(0);

/// One operation.
#[derive(Debug, Clone)]
pub enum Op {
    Grant(EntitlementRef, ResourceRef),
    Revoke(EntitlementRef, ResourceRef),
    Create(String, Uuid),
    Delete(Uuid),
    Rotate(Uuid),
}

/// What came of it.
#[derive(Debug)]
pub enum Got {
    Done { already: bool },
    Failed(TaskError),
}

impl From<Result<bool, TaskError>> for Got {
    fn from(outcome: Result<bool, TaskError>) -> Self {
        match outcome {
            Ok(already) => Self::Done { already },
            Err(error) => Self::Failed(error),
        }
    }
}

/// Does it; answers what came of it and everything that was said.
pub async fn perform(provisioner: &dyn Provisioner, op: &Op) -> (Got, String) {
    let context = WriteContext {
        task_id: TaskId::new(format!("task-{}", TASKS.fetch_add(1, Ordering::Relaxed))),
        token: CancellationToken::new(),
    };
    match op.clone() {
        Op::Grant(entitlement, principal) => {
            let request = GrantRequest { entitlement, principal };
            let reply = provisioner.grant(request.clone(), context).await;
            let told = format!("{reply:?}");
            (reply.and_then(|reply| answers(&request, &reply)).into(), told)
        }
        Op::Revoke(entitlement, principal) => {
            let request = RevokeRequest {
                grant_id: String::new(),
                entitlement,
                principal,
                metadata: None,
            };
            let reply = provisioner.revoke(request, context).await;
            let told = format!("{reply:?}");
            let already = reply.map(|reply| reply.annotations.contains(&Annotation::GrantAlreadyRevoked));
            (already.into(), told)
        }
        Op::Create(name, population) => {
            let reply = provisioner.create_account(account(name, population), context).await;
            let told = format!("{reply:?}");
            let already = reply.map(|made| matches!(made.result, AccountResult::AlreadyExists { .. }));
            (already.into(), told)
        }
        Op::Delete(user) => {
            let resource = resource("user", user);
            let reply = provisioner
                .delete_resource(DeleteResourceRequest { resource }, context)
                .await;
            let told = format!("{reply:?}");
            (reply.map(|_| false).into(), told)
        }
        Op::Rotate(user) => {
            let request = RotateCredentialsRequest {
                resource: resource("user", user),
                credentials: Some(random()),
                encryption: recipients(),
            };
            let reply = provisioner.rotate_credentials(request, context).await;
            let told = format!("{reply:?}");
            (reply.map(|_| false).into(), told)
        }
    }
}

/// Whether the answer is about what was asked, and says that it was so already.
fn answers(request: &GrantRequest, reply: &GrantReply) -> Result<bool, TaskError> {
    let asked = (
        request.entitlement.id.clone(),
        request.principal.resource_type.as_str(),
        request.principal.id.clone(),
    );
    let said = reply.grants.first().map(|grant| {
        let principal = &grant.principal;
        (
            grant.entitlement.to_string(),
            principal.resource_type.id(),
            principal.id.clone(),
        )
    });
    if said.as_ref() != Some(&asked) {
        let text = format!("{asked:?} was answered with {said:?}");
        return Err(TaskError::new(Code::Unknown, text));
    }
    Ok(reply.annotations.contains(&Annotation::GrantAlreadyExists))
}

fn account(name: String, population: Uuid) -> CreateAccountRequest {
    let profile = json!({"username": name, "email": "new@example.com", "population": population.to_string()});
    CreateAccountRequest {
        account: AccountInfo {
            login: name,
            profile: profile.as_object().unwrap().clone().into_iter().collect(),
            ..AccountInfo::default()
        },
        credentials: Some(random()),
        encryption: recipients(),
        resource_type_id: "user".into(),
    }
}

fn random() -> CredentialOptions {
    CredentialOptions {
        password: Password::Random {
            length: 20,
            rules: Vec::new(),
        },
        force_change_at_next_login: false,
    }
}

fn recipients() -> Vec<EncryptionTarget> {
    vec![EncryptionTarget {
        age_recipient: Some(RECIPIENT.into()),
        ..EncryptionTarget::default()
    }]
}
