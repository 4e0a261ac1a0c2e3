//! Provisioners that do one thing wrong each: the fuzz must catch every one.

use std::sync::Arc;

use baton::model::{EntitlementId, Grant, ResourceId};
use baton::task::{
    AccountCreated, ActionCall, ActionOutcome, Annotation, CreateAccountRequest, DeleteResourceRequest, GrantReply,
    GrantRequest, Provisioner, RevokeReply, RevokeRequest, RotateCredentialsRequest, Rotated, TaskError, WriteContext,
};
use baton_ping_one::model::{GROUP, ROLE, Slug, USER};
use futures_util::future::BoxFuture;
use pingone::types::RoleAssignment;
use pingone::write::{membership, passwords, roles};
use pingone::{Client, Principal};
use process::error::ErrorClass;
use uuid::Uuid;

/// What is done wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Plant {
    /// A write is sent again after a lost answer, without a read.
    RepeatsBlindly,
    /// A 404 of a delete is taken as revoked.
    TakesMissingAsRevoked,
    /// A refused add is taken as already there.
    TakesRefusalAsExists,
    /// A role over a population is granted over the environment.
    DropsScope,
    /// Every principal is taken for a user.
    MixesPrincipals,
    /// A new password goes to the log.
    LogsPassword,
}

pub struct Planted {
    pub plant: Plant,
    pub real: Arc<dyn Provisioner>,
    pub client: Client,
}

fn uuid(text: &str) -> Uuid {
    text.parse().unwrap()
}

/// The answer to a role's grant over the environment.
fn granted(request: &GrantRequest, user: Uuid, role: Uuid) -> GrantReply {
    assert_eq!(request.entitlement.slug, "assigned");
    GrantReply {
        resource: None,
        grants: vec![Grant {
            entitlement: EntitlementId {
                resource: ResourceId::new(ROLE, role),
                slug: Slug::Assigned.into(),
            },
            principal: ResourceId::new(USER, user),
            immutable: None,
            expandable: None,
            metadata: None,
        }],
        annotations: Vec::new(),
    }
}

impl Planted {
    async fn grant_wrongly(&self, mut request: GrantRequest, context: WriteContext) -> Result<GrantReply, TaskError> {
        let kind = request.entitlement.resource.resource_type.clone();
        match (self.plant, kind.as_str(), request.principal.resource_type.as_str()) {
            (Plant::RepeatsBlindly, "role", "user") if request.entitlement.slug == "assigned" => {
                let (user, role) = (uuid(&request.principal.id), uuid(&request.entitlement.resource.id));
                let environment = uuid(self.client.environment_id());
                let call = roles::assign(Principal::User(user), role, "environment", environment);
                let listed = self.client.role_assignments(Principal::User(user)).await;
                let holds = |listed: Vec<RoleAssignment>| {
                    listed
                        .iter()
                        .any(|item| item.role.id == role && item.scope.id == environment)
                };
                if listed.map_or(true, holds) {
                    return self.real.grant(request, context).await;
                }
                for _ in 0..3 {
                    match self.client.write(&call).await {
                        Err(error) if error.outcome_unknown() => {}
                        Err(_) => break,
                        Ok(_) => return Ok(granted(&request, user, role)),
                    }
                }
                self.real.grant(request, context).await
            }
            (Plant::TakesRefusalAsExists, "group", "user") => {
                let (user, group) = (uuid(&request.principal.id), uuid(&request.entitlement.resource.id));
                match self.client.write(&membership::add(user, group)).await {
                    Err(error) if matches!(error.class(), ErrorClass::AlreadyExists | ErrorClass::Rejected) => {
                        Ok(GrantReply {
                            resource: None,
                            grants: vec![Grant {
                                entitlement: EntitlementId::member(GROUP, group),
                                principal: ResourceId::new(USER, user),
                                immutable: None,
                                expandable: None,
                                metadata: None,
                            }],
                            annotations: vec![Annotation::GrantAlreadyExists],
                        })
                    }
                    _ => self.real.grant(request, context).await.map(|mut reply| {
                        reply.annotations.clear();
                        reply
                    }),
                }
            }
            (Plant::DropsScope, "role", _) => {
                let resource = request.entitlement.resource.clone();
                request.entitlement.id = format!("role:{}:assigned", resource.id);
                request.entitlement.slug = "assigned".into();
                self.real.grant(request, context).await
            }
            (Plant::MixesPrincipals, ..) => {
                request.principal.resource_type = "user".into();
                self.real.grant(request, context).await
            }
            _ => self.real.grant(request, context).await,
        }
    }
}

impl Provisioner for Planted {
    fn grant(&self, request: GrantRequest, context: WriteContext) -> BoxFuture<'_, Result<GrantReply, TaskError>> {
        Box::pin(self.grant_wrongly(request, context))
    }

    fn revoke(&self, request: RevokeRequest, context: WriteContext) -> BoxFuture<'_, Result<RevokeReply, TaskError>> {
        Box::pin(async move {
            let of_group = request.entitlement.resource.resource_type == "group";
            if self.plant == Plant::TakesMissingAsRevoked && of_group && request.principal.resource_type == "user" {
                let (user, group) = (uuid(&request.principal.id), uuid(&request.entitlement.resource.id));
                match self.client.write(&membership::remove(user, group)).await {
                    Err(error) if error.class() == ErrorClass::NotFound => {
                        return Ok(RevokeReply {
                            annotations: vec![Annotation::GrantAlreadyRevoked],
                        });
                    }
                    Ok(_) => return Ok(RevokeReply::default()),
                    Err(_) => {}
                }
            }
            self.real.revoke(request, context).await
        })
    }

    fn create_account(
        &self,
        request: CreateAccountRequest,
        context: WriteContext,
    ) -> BoxFuture<'_, Result<AccountCreated, TaskError>> {
        self.real.create_account(request, context)
    }

    fn delete_resource(
        &self,
        request: DeleteResourceRequest,
        context: WriteContext,
    ) -> BoxFuture<'_, Result<Vec<Annotation>, TaskError>> {
        self.real.delete_resource(request, context)
    }

    fn rotate_credentials(
        &self,
        request: RotateCredentialsRequest,
        context: WriteContext,
    ) -> BoxFuture<'_, Result<Rotated, TaskError>> {
        Box::pin(async move {
            if self.plant != Plant::LogsPassword {
                return self.real.rotate_credentials(request, context).await;
            }
            let password = format!("Plain-{}-text", Uuid::new_v4());
            let body = serde_json::json!({ "value": password, "forceChange": true }).to_string();
            let call = passwords::set(uuid(&request.resource.id), body.into(), false);
            if self.client.write(&call).await.is_ok() {
                tracing::info!(password, "a password was set");
            }
            Ok(Rotated {
                resource: request.resource,
                secrets: Vec::new(),
                annotations: Vec::new(),
            })
        })
    }

    fn run_action(&self, call: ActionCall, context: WriteContext) -> BoxFuture<'_, Result<ActionOutcome, TaskError>> {
        self.real.run_action(call, context)
    }
}
