//! A role over a scope: the role, the scope and the principal's list are read first, because PingOne may answer a
//! duplicate with an error or with a second assignment of the same meaning (pingone-api.md §6.10, G).

use uuid::Uuid;

use crate::model::{EntitlementId, Expandable, Grant, GrantMetadata, ResourceId, ResourceType};
use crate::pingone::types::{Role, RoleAssignment};
use crate::pingone::write::roles;
use crate::pingone::{PingOneError, Principal, WriteCall};
use crate::provision::error::{Failure, found, task_error_with};
use crate::provision::group::{Kind, is_refusal, read_group};
use crate::provision::held::{Held, held};
use crate::provision::protect;
use crate::provision::scope::Wanted;
use crate::provision::settle::{Landed, settle};
use crate::provision::target::uuid;
use crate::provision::work::{SETTLE, Told, Work};
use crate::task::{Annotation, Code, GrantReply, ResourceRef};

/// Reads of a list until it shows an assignment that we made a moment ago.
const MOST_LOOKS: u32 = 3;

/// What a grant's metadata needs beside the assignment.
struct Named {
    wanted: Wanted,
    role: Option<Role>,
    scope: String,
    principal: Principal,
}

impl Named {
    fn role_name(&self) -> String {
        let name = self.role.as_ref().and_then(|role| role.name.clone());
        name.unwrap_or_else(|| self.wanted.role.to_string())
    }
}

pub(super) async fn grant(
    work: &Work,
    role: Uuid,
    scope: Option<(String, Uuid)>,
    principal: &ResourceRef,
) -> Result<GrantReply, Failure> {
    let principal = match principal.resource_type.as_str() {
        "user" => Principal::User(uuid("the user's id", &principal.id)?),
        "group" => Principal::Group(uuid("the group's id", &principal.id)?),
        _ => return Err(Failure::invalid("only users and groups can be granted roles")),
    };
    protect::refuse_holder(work, principal)?;
    let _turn = work.turn(principal.id()).await?;
    let named = check(work, role, scope, principal).await?;
    let before = look_first(work, &named).await?;
    if let Some(own) = before.own.first() {
        return Ok(reply(work, &named, Some(own), true));
    }
    let call = roles::assign(principal, role, &named.wanted.kind, named.wanted.id);
    let refused = match assign(work, &call, &named, &before).await {
        Ok(assignment) => {
            if let Some(assignment) = &assignment {
                work.facts().remember(principal, &named.wanted, assignment.id);
            }
            return Ok(reply(work, &named, assignment.as_ref(), false));
        }
        Err(failure) => failure,
    };
    explained(work, &named, refused).await
}

/// What the principal holds before the write. A principal that PingOne does not find may only not have spread yet, and an
/// assignment that we made a moment ago may not be listed yet: each is waited for.
async fn look_first(work: &Work, named: &Named) -> Result<Held, Failure> {
    let (principal, wanted) = (named.principal, &named.wanted);
    let mut now = match held(work, principal, wanted).await {
        Err(failure) if failure.is_not_found() && work.wait(SETTLE).await? => held(work, principal, wanted).await?,
        outcome => outcome?,
    };
    if now.own.is_empty() && !work.facts().remembered(principal, wanted).is_empty() {
        for _ in 0..MOST_LOOKS {
            if !now.own.is_empty() || !work.wait(SETTLE).await? {
                break;
            }
            now = held(work, principal, wanted).await?;
        }
    }
    Ok(now)
}

/// Every check before the first write.
async fn check(work: &Work, role: Uuid, scope: Option<(String, Uuid)>, principal: Principal) -> Result<Named, Failure> {
    let wanted = Wanted::new(role, scope, work.environment_id()?);
    let read = match work.read(work.client().role(role)).await {
        Ok(read) => Some(read),
        // A client that may not read roles still knows the built-in ones (pingone-api.md §6.9).
        Err(failure) if failure.pingone().is_some_and(PingOneError::is_right_missing) => work
            .client()
            .fallback_roles()
            .into_iter()
            .find(|known| known.id == role),
        Err(failure) => return Err(failure),
    };
    let name = read.as_ref().and_then(|role| role.name.as_deref());
    protect::refuse_role(work, role, name).await?;
    if let Some(read) = &read {
        wanted.refuse_unfit(read)?;
    }
    let scope = wanted.name(work).await?;
    if let Principal::Group(group) = principal {
        let group = read_group(work, group).await?;
        if group.kind != Kind::Static {
            return Err(Failure::precondition(format!(
                "assign role {role} to group {}: PingOne assigns roles to static groups only. Give \"{}\" no filter \
                 and no source, or choose another group.",
                group.id, group.name
            )));
        }
    }
    Ok(Named {
        wanted,
        role: read,
        scope,
        principal,
    })
}

/// Assigns the role; `None` where the answer does not say what it made.
async fn assign(
    work: &Work,
    call: &WriteCall,
    named: &Named,
    before: &Held,
) -> Result<Option<RoleAssignment>, Failure> {
    let object = format!(
        "role {} over {} {} of {}",
        named.wanted.role,
        named.wanted.kind,
        named.wanted.id,
        named.principal.id()
    );
    let told = Told {
        object: &object,
        before: "not assigned",
        after: "assigned",
    };
    let look = |client: crate::pingone::Client| async move {
        let list = client.role_assignments(named.principal).await.map_err(Failure::from)?;
        Ok(Held::new_since(&list, &named.wanted, before))
    };
    let landed = match settle(work, call, told, look).await {
        Err(failure) if failure.is_not_found() => {
            if !work.wait(SETTLE).await? || !is_there(work, named.principal).await? {
                return Err(failure);
            }
            settle(work, call, told, look).await?
        }
        outcome => outcome?,
    };
    match landed {
        Landed::Seen(assignment) => Ok(Some(assignment)),
        Landed::Done(written) if written.is_planned() => Ok(None),
        Landed::Done(written) => match written.json(call) {
            Ok(assignment) => Ok(Some(assignment)),
            // It took effect; only its id is missing, and that is a hint.
            Err(_) => Ok(look(work.deciding()).await.unwrap_or_default()),
        },
    }
}

/// Whether the principal is there at all.
pub(in crate::provision) async fn is_there(work: &Work, principal: Principal) -> Result<bool, Failure> {
    Ok(match principal {
        Principal::User(user) => found(work.read(work.client().user(user)).await)?.is_some(),
        Principal::Group(group) => found(work.read(work.client().group(group)).await)?.is_some(),
        Principal::Application(application) => {
            found(work.read(work.client().application(application)).await)?.is_some()
        }
    })
}

/// What PingOne's refusal means.
async fn explained(work: &Work, named: &Named, refused: Failure) -> Result<GrantReply, Failure> {
    let Some(error) = refused.pingone() else {
        return Err(refused);
    };
    if error.is_right_missing() {
        let remedy = format!(
            "The worker application must itself hold \"{}\", or a role allowed to assign it, at {}.",
            named.role_name(),
            named.scope
        );
        return Err(task_error_with(error, Some(Code::PermissionDenied), &remedy).into());
    }
    if !is_refusal(&refused) {
        return Err(refused);
    }
    let held = held(work, named.principal, &named.wanted).await?;
    match (held.own.first(), held.inherited.first()) {
        (Some(own), _) => Ok(reply(work, named, Some(own), true)),
        (None, Some(_)) => {
            let remedy = "The user holds the role through a group, and PingOne takes no second assignment.";
            Err(task_error_with(error, Some(Code::FailedPrecondition), remedy).into())
        }
        (None, None) => Err(refused),
    }
}

/// The grant as a sync emits it, except that it is never called read-only: the flag can be set for some seconds after
/// creation (connector-model.md §5.3).
fn reply(work: &Work, named: &Named, assignment: Option<&RoleAssignment>, already: bool) -> GrantReply {
    let wanted = &named.wanted;
    let (resource_type, id) = match named.principal {
        Principal::Group(id) => (ResourceType::Group, id),
        Principal::User(id) | Principal::Application(id) => (ResourceType::User, id),
    };
    let expandable = (resource_type == ResourceType::Group).then(|| Expandable {
        entitlement_ids: vec![EntitlementId::member(ResourceType::Group, id)],
    });
    let metadata = assignment.map(|assignment| GrantMetadata {
        assignment_id: assignment.id.to_string(),
        role_id: wanted.role.to_string(),
        scope_type: assignment.scope.scope_type.clone(),
        scope_id: wanted.id.to_string(),
        scope_name: named.scope.clone(),
        read_only: false,
    });
    let mut annotations = work.annotations();
    if already {
        annotations.insert(0, Annotation::GrantAlreadyExists);
    }
    GrantReply {
        grants: vec![Grant {
            entitlement: wanted.entitlement(),
            principal: ResourceId::new(resource_type, id),
            immutable: None,
            expandable,
            metadata,
        }],
        annotations,
    }
}
