//! Decides what a worker may do: its role assignments against the right a call needs, per request (pingone-api.md §2.4,
//! §9 points 7 to 11).

use super::answer::Refusal;
use super::options::{Hidden, Readers};
use super::rolebook::{self, Right};
use super::route::{Principal, Target};
use super::world::{Application, World, holds};
use http::Method;
use tokio::time::Instant;
use uuid::Uuid;

/// How far a right reaches inside the environment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Reach {
    /// The whole environment
    All,
    /// These populations (numbers, sorted)
    Populations(Vec<u32>),
}

impl Reach {
    /// No further than the first so many populations.
    pub(crate) fn narrowed(self, populations: u32) -> Self {
        match self {
            Reach::All => Reach::Populations((0..populations).collect()),
            Reach::Populations(list) => Reach::Populations(list.into_iter().filter(|at| *at < populations).collect()),
        }
    }

    pub(crate) fn covers(&self, population: Option<u32>) -> bool {
        match self {
            Reach::All => true,
            Reach::Populations(list) => population.is_some_and(|number| holds(list, number)),
        }
    }
}

impl World {
    /// The reach of a right for a worker in an environment; `None`: it does not have it.
    pub(crate) fn reach(&self, worker: &Application, right: Right, environment: Uuid, now: Instant) -> Option<Reach> {
        let mut populations = Vec::new();
        for assignment in &worker.assignments {
            let effective = assignment.effective_from.is_none_or(|from| from <= now);
            let has = self
                .role(assignment.role)
                .is_some_and(|role| self.role_gives(role, right));
            if !effective || !has {
                continue;
            }
            match assignment.scope_type.to_ascii_uppercase().as_str() {
                "ORGANIZATION" if assignment.scope == self.organization => return Some(Reach::All),
                "ENVIRONMENT" if assignment.scope == environment => return Some(Reach::All),
                "POPULATION" if environment == self.environment => {
                    populations.extend(self.population_by_id.get(&assignment.scope));
                }
                _ => {}
            }
        }
        populations.sort_unstable();
        (!populations.is_empty()).then_some(Reach::Populations(populations))
    }

    fn role_gives(&self, role: &super::world::Role, right: Right) -> bool {
        let access = &self.options.access;
        let directory_role = role.name.starts_with("Identity Data");
        match right {
            Right::ReadGroupAssignments if access.group_assignments_hidden && directory_role => false,
            Right::ReadOrganization if access.organization_hidden && role.name == "Environment Admin" => false,
            _ => rolebook::rights(role).has(right),
        }
    }

    /// Checks the call; the reach it has, or the refusal.
    pub(crate) fn allow(
        &self,
        worker: &Application,
        target: Target,
        method: &Method,
        environment: Option<Uuid>,
        now: Instant,
    ) -> Result<Reach, Refusal> {
        if let Some(environment) = environment {
            self.environment_known(environment, target)?;
        }
        self.service_enabled(target, method)?;
        let Some(right) = target.right(method) else {
            return self.allow_platform_roles(worker);
        };
        if target == Target::Environments {
            return Ok(Reach::All);
        }
        if target == Target::Capabilities && self.options.access.capabilities_hidden {
            return Err(self.denied());
        }
        let hidden = |what| self.options.access_model.hidden.contains(&what);
        let refused = match right {
            Right::ReadApplications | Right::ReadApplicationAssignments => hidden(Hidden::Applications),
            Right::ReadGateways => hidden(Hidden::Gateways),
            Right::ReadKeys => hidden(Hidden::Keys),
            _ => false,
        };
        let foreign = environment == Some(self.other_environment);
        if refused || (foreign && self.options.access_model.other_environment_hidden) {
            return Err(self.denied());
        }
        let environment = environment.unwrap_or(self.environment);
        self.reach(worker, right, environment, now).ok_or_else(|| self.denied())
    }

    fn environment_known(&self, environment: Uuid, target: Target) -> Result<(), Refusal> {
        if environment == self.environment || environment == self.other_environment {
            return Ok(());
        }
        // pingone-api.md §3.6 and point 11 (S): the environment itself answers 404, what is under it 400, 401 or 403.
        if target == Target::Environment {
            return Err(Refusal::missing());
        }
        let mut refusal = self.denied();
        refusal.status = self.options.access.unknown_environment_status;
        if refusal.status == 400 {
            refusal.code = "INVALID_REQUEST";
        }
        Err(refusal)
    }

    /// 403 "not licensed" where the service is off (pingone-api.md §3.4, S).
    fn service_enabled(&self, target: Target, method: &Method) -> Result<(), Refusal> {
        let off = match target {
            Target::Devices(_) | Target::Device(..) => self.options.access.mfa_off,
            Target::UserPart(_, super::route::Part::MfaEnabled) => {
                self.options.access.mfa_off && *method == Method::PUT
            }
            Target::Activities | Target::Activity(_) => self.options.access.audit_off,
            _ => false,
        };
        if off {
            let text = "The request could not be completed. The environment is not licensed to make this request.";
            return Err(Refusal::new(403, "ACCESS_FAILED", text));
        }
        Ok(())
    }

    /// Who may read `GET /roles` (pingone-api.md §2.4, contested).
    fn allow_platform_roles(&self, worker: &Application) -> Result<Reach, Refusal> {
        let named = |name: &str| {
            worker
                .assignments
                .iter()
                .any(|held| self.role(held.role).is_some_and(|role| role.name == name))
        };
        let allowed = match self.options.access.platform_role_readers {
            Readers::Any => !worker.assignments.is_empty(),
            Readers::OrganizationAdmin => named("Organization Admin"),
            Readers::Nobody => false,
        };
        if allowed { Ok(Reach::All) } else { Err(self.denied()) }
    }

    /// 401/403 `ACCESS_FAILED` (pingone-api.md §3.4, S).
    pub(crate) fn denied(&self) -> Refusal {
        let status = if self.options.access.denied_status == 401 {
            401
        } else {
            403
        };
        let text = "The request could not be completed. You do not have access to this resource.";
        let refusal = Refusal::new(status, "ACCESS_FAILED", text);
        if self.options.access.denied_without_detail {
            return refusal;
        }
        refusal.detail(
            "INSUFFICIENT_PERMISSIONS",
            None,
            "The actor attempting to perform the request is not authorized.",
        )
    }

    /// Whether the worker's assignments let it assign `role` over a scope (pingone-api.md §6.10, D/S).
    pub(crate) fn may_assign(
        &self,
        worker: &Application,
        role: Uuid,
        scope_type: &str,
        scope: Uuid,
        now: Instant,
    ) -> bool {
        let Some(wanted) = self.role(role) else { return false };
        worker.assignments.iter().any(|held| {
            let Some(role) = self.role(held.role) else { return false };
            let read_only = wanted.name.strip_suffix(" Read Only");
            let variant = read_only.is_some_and(|stem| role.name == format!("{stem} Admin") || role.name == stem);
            let assigns = if wanted.custom {
                wanted.can_be_assigned_by.contains(&held.role)
            } else {
                held.role == wanted.id || role.can_assign.contains(&wanted.id) || variant
            };
            assigns && held.effective_from.is_none_or(|from| from <= now) && self.broader(held, scope_type, scope)
        })
    }

    fn broader(&self, held: &super::world::Assignment, scope_type: &str, scope: Uuid) -> bool {
        let own = held.scope_type.to_ascii_uppercase();
        match own.as_str() {
            "ORGANIZATION" => true,
            "ENVIRONMENT" => match scope_type {
                "ENVIRONMENT" => held.scope == scope,
                "POPULATION" | "APPLICATION" => held.scope == self.environment,
                _ => false,
            },
            other => other == scope_type && held.scope == scope,
        }
    }
}

/// Which right the memberships of a principal need is in the route; this names it for messages.
pub(crate) fn plural(principal: Principal) -> &'static str {
    match principal {
        Principal::User => "users",
        Principal::Group => "groups",
        Principal::Application => "applications",
        Principal::Gateway => "gateways",
    }
}
