//! A role over a scope: the role, the scope and the principal's list are read first, because PingOne may answer a
//! duplicate with an error or with a second assignment of the same meaning (pingone-api.md §6.10, G).

use std::sync::atomic::{AtomicUsize, Ordering};

use crate::model::{Assignment, GROUP, USER};
use uuid::Uuid;

use crate::provision::assignments::{Assignments, assignments_of, settled_assignments};
use crate::provision::context::{AuditEntry, TaskContext};
use crate::provision::error::{Failure, found, task_error_with};
use crate::provision::group::{Kind, is_refusal, read_group};
use crate::provision::memory::LAG;
use crate::provision::protect;
use crate::provision::scope::{Over, Wanted};
use crate::provision::sure::sure;
use crate::provision::target::uuid;
use crate::provision::write::{Applied, Reaction, Rules, SETTLE, Write, apply};
use crate::sync::{Pair, RoleInfo, Scope};
use baton::model::{EntitlementId, Expandable, Grant, Resource, ResourceId};
use baton::task::{Annotation, Code, GrantReply, ResourceRef};
use pingone::id::RoleId;
use pingone::types::{Role, RoleAssignment};
use pingone::write::roles;
use pingone::{PingOneError, Principal, WriteCall};

/// What a grant's metadata needs beside the assignment.
struct Named {
    wanted: Wanted,
    role: Option<Role>,
    scope: String,
    principal: Principal,
    /// The request names a binding, and is answered with one.
    bound: bool,
}

impl Named {
    fn role_name(&self) -> String {
        let name = self.role.as_ref().and_then(|role| role.name.clone());
        name.unwrap_or_else(|| self.wanted.role.to_string())
    }
}

pub(super) async fn grant(
    task: &TaskContext,
    role: Uuid,
    over: &Over,
    principal: &ResourceRef,
) -> Result<GrantReply, Failure> {
    let principal = match principal.resource_type.as_str() {
        "user" => Principal::User(uuid("the user's id", &principal.id)?),
        "group" => Principal::Group(uuid("the group's id", &principal.id)?),
        _ => return Err(Failure::invalid("only users and groups can be granted roles")),
    };
    protect::refuse_holder(task, principal)?;
    let _lock = task.lock(principal.id()).await?;
    let named = check(task, role, over, principal).await?;
    let is_so = |before: &Assignments| !before.own.is_empty();
    let before = sure(task, || look_first(task, &named), is_so).await?;
    if let Some(own) = before.own.first() {
        return Ok(reply(task, &named, Some(own), true));
    }
    let call = roles::assign(principal, role, &named.wanted.kind, named.wanted.id);
    let refused = match assign(task, &call, &named, &before).await {
        Ok(assignment) => return Ok(reply(task, &named, assignment.as_ref(), false)),
        Err(failure) => failure,
    };
    explained(task, &named, refused).await
}

/// What the principal holds before the write. A principal that PingOne does not find may only not have spread yet.
async fn look_first(task: &TaskContext, named: &Named) -> Result<Assignments, Failure> {
    let (principal, wanted) = (named.principal, &named.wanted);
    match settled_assignments(task, principal, wanted).await {
        Err(failure) if failure.is_not_found() && task.wait(SETTLE).await? => {
            settled_assignments(task, principal, wanted).await
        }
        outcome => outcome,
    }
}

/// Every check before the first write.
async fn check(task: &TaskContext, role: Uuid, over: &Over, principal: Principal) -> Result<Named, Failure> {
    let read = match task.read(task.client().role(role)).await {
        Ok(read) => Some(read),
        // A client that may not read roles still knows the built-in ones (pingone-api.md §6.9).
        Err(failure) if failure.pingone().is_some_and(PingOneError::is_right_missing) => task
            .client()
            .fallback_roles()
            .into_iter()
            .find(|known| known.id == role),
        Err(failure) => return Err(failure),
    };
    protect::refuse_role(task, role).await?;
    let wanted = Wanted::over(task, role, over).await?;
    if let Some(read) = &read {
        wanted.refuse_unfit(read)?;
    }
    let scope = wanted.name(task).await?;
    if let Principal::Group(group) = principal {
        let group = read_group(task, group).await?;
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
        bound: over.is_bound(),
    })
}

/// Assigns the role. A second call would make a second assignment, so nothing is sent again before lists are sure to show
/// the first one.
async fn assign(
    task: &TaskContext,
    call: &WriteCall,
    named: &Named,
    before: &Assignments,
) -> Result<Option<RoleAssignment>, Failure> {
    let (principal, wanted) = (named.principal, &named.wanted);
    let object = format!(
        "role {} over {} {} of {}",
        wanted.role,
        wanted.kind,
        wanted.id,
        principal.id()
    );
    let entry = AuditEntry {
        object: &object,
        before: if before.inherited.is_empty() {
            "not assigned"
        } else {
            "inherited only"
        },
        after: "assigned",
    };
    let rules = Rules {
        fresh: LAG,
        absent: Reaction::Again,
        ..Rules::STATE
    };
    let write = Write::new(call, entry, rules).accepting(|call, written| written.json::<RoleAssignment>(call).is_ok());
    if !task.is_dry_run() {
        task.memory().remember(principal, wanted, None);
    }
    let most = AtomicUsize::new(0);
    let seen = &most;
    let applied = apply(task, write, |client| async move {
        let list = client.role_assignments(principal).await.map_err(Failure::from)?;
        let new = Assignments::new_since(&list, wanted, before);
        seen.fetch_max(new.len(), Ordering::Relaxed);
        Ok(new.into_iter().next())
    })
    .await;
    if most.into_inner() > 1 {
        tracing::warn!(
            role = %wanted.role,
            scope = %wanted.id,
            principal = %principal.id(),
            "PingOne lists more than one new assignment of this role over this scope; a revoke removes all of them"
        );
    }
    match &applied {
        // It may be there.
        Err(Failure::Unknown { .. } | Failure::Cancelled) => {}
        _ => task.memory().forget(principal, wanted),
    }
    let assignment: Option<RoleAssignment> = match applied? {
        Applied::Planned => None,
        Applied::Answered(written) => Some(written.json(call)?),
        Applied::Seen(assignment) | Applied::Already(assignment) => Some(assignment),
    };
    if let Some(assignment) = &assignment {
        task.memory().remember(principal, wanted, Some(assignment.id));
    }
    Ok(assignment)
}

/// Whether the principal is there at all.
pub(in crate::provision) async fn is_there(task: &TaskContext, principal: Principal) -> Result<bool, Failure> {
    Ok(match principal {
        Principal::User(user) => found(task.read(task.client().user(user)).await)?.is_some(),
        Principal::Group(group) => found(task.read(task.client().group(group)).await)?.is_some(),
        Principal::Application(application) => {
            found(task.read(task.client().application(application)).await)?.is_some()
        }
        Principal::Gateway(gateway) => found(task.read(task.client().gateway(gateway)).await)?.is_some(),
    })
}

/// What PingOne's refusal means.
async fn explained(task: &TaskContext, named: &Named, refused: Failure) -> Result<GrantReply, Failure> {
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
    let held = assignments_of(task, named.principal, &named.wanted).await?;
    match (held.own.first(), held.inherited.first()) {
        (Some(own), _) => Ok(reply(task, named, Some(own), true)),
        (None, Some(_)) => {
            let remedy = "The user holds the role through a group, and PingOne takes no second assignment.";
            Err(task_error_with(error, Some(Code::FailedPrecondition), remedy).into())
        }
        (None, None) if held.is_full(&named.wanted) => {
            let remedy = "PingOne takes at most 250 assignments over populations, 250 over applications and 3,500 in all of \
                          one principal. Take some back, or grant the role over a wider scope or through a group.";
            Err(task_error_with(error, Some(Code::FailedPrecondition), remedy).into())
        }
        (None, None) => Err(refused),
    }
}

/// The grant as a sync emits it, except that it is never called read-only: the flag can be set for some seconds after
/// creation (connector-model.md §5.3).
fn reply(task: &TaskContext, named: &Named, assignment: Option<&RoleAssignment>, already: bool) -> GrantReply {
    let wanted = &named.wanted;
    let (resource_type, id) = match named.principal {
        Principal::Group(id) => (GROUP, id),
        Principal::User(id) | Principal::Application(id) | Principal::Gateway(id) => (USER, id),
    };
    let expandable = (resource_type == GROUP).then(|| Expandable {
        entitlement_ids: vec![EntitlementId::member(GROUP, id)],
        principal_types: &[USER],
    });
    let metadata = assignment.map(|assignment| {
        Assignment {
            assignment_id: assignment.id.to_string(),
            role_id: wanted.role.to_string(),
            scope_type: assignment.scope.scope_type.clone(),
            scope_id: wanted.id.to_string(),
            scope_name: named.scope.clone(),
            read_only: false,
        }
        .profile()
    });
    let mut annotations = task.annotations();
    if already {
        annotations.insert(0, Annotation::GrantAlreadyExists);
    }
    GrantReply {
        resource: named.bound.then(|| Box::new(binding(named, assignment))),
        grants: vec![Grant {
            entitlement: wanted.entitlement(named.bound),
            principal: ResourceId::new(resource_type, id),
            immutable: None,
            expandable,
            metadata,
        }],
        annotations,
    }
}

/// The binding as a sync emits it, so that C1 need not wait for one; how many hold it is not known here.
fn binding(named: &Named, assignment: Option<&RoleAssignment>) -> Resource {
    let wanted = &named.wanted;
    let role = RoleInfo {
        id: RoleId(wanted.role),
        name: named.role_name(),
        applicable_to: Vec::new(),
    };
    let verbatim = assignment.map_or_else(
        || wanted.kind.to_uppercase(),
        |assignment| assignment.scope.scope_type.clone(),
    );
    let pair = Pair {
        role: &role,
        scope: &Scope::new(&wanted.kind, wanted.id),
        verbatim: &verbatim,
        name: &named.scope,
    };
    pair.binding(None)
}
