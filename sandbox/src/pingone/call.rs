//! One authorized call and the dispatch to its handler: the endpoints of pingone-api.md §6.

use super::access::Reach;
use super::answer::{Answer, Outcome, Refusal};
use super::faults::FaultAction;
use super::paging::{Ask, Query};
use super::route::{Principal, Target};
use super::world::{Application, World};
use http::Method;
use tokio::time::Instant;
use uuid::Uuid;

/// A call that passed token, limits and rights.
pub(crate) struct Call<'a> {
    pub(crate) method: &'a Method,
    pub(crate) target: Target,
    pub(crate) environment: Uuid,
    /// Path below the base, like `/environments/…/users`
    pub(crate) path: &'a str,
    pub(crate) raw_query: &'a str,
    pub(crate) query: &'a Query<'a>,
    /// Media type without parameters, lower case
    pub(crate) media: &'a str,
    pub(crate) body: &'a [u8],
    /// Number of the worker
    pub(crate) worker: usize,
    pub(crate) reach: Reach,
    pub(crate) token: u64,
    pub(crate) now: Instant,
    pub(crate) fault: Option<&'a FaultAction>,
    pub(crate) correlation: Uuid,
}

impl Call<'_> {
    pub(crate) fn ask(&self) -> Ask<'_> {
        Ask {
            path: self.path,
            query: self.query,
            raw_query: self.raw_query,
            token: self.token,
            fault: self.fault,
            usual: None,
            search: None,
        }
    }

    /// The filter that is asked for, unless a fault has it ignored.
    pub(crate) fn filter(&self) -> Option<&str> {
        let ignored = matches!(self.fault, Some(FaultAction::FilterIgnored));
        self.query.get("filter").filter(|_| !ignored)
    }

    pub(crate) fn includes(&self, key: &str, value: &str) -> bool {
        self.query
            .get(key)
            .is_some_and(|list| list.split(',').any(|item| item == value))
    }
}

impl World {
    pub(crate) fn worker(&self, call: &Call<'_>) -> Result<&Application, Refusal> {
        self.applications.get(call.worker).ok_or_else(Refusal::token)
    }

    /// Answers a GET.
    pub(crate) fn read(&self, call: &Call<'_>) -> Outcome {
        if call.environment != self.environment && call.environment != Uuid::nil() {
            return self.read_other_environment(call);
        }
        match call.target {
            Target::Environments => self.environments(call),
            Target::Environment => Ok(self.environment_answer(self.environment)),
            Target::Capabilities => Ok(self.capabilities()),
            Target::Organizations => self.organizations(call),
            Target::Organization(id) => self.organization_answer(id),
            Target::Licenses(id) => self.licenses(call, id),
            Target::License(organization, id) => self.license_answer(organization, id),
            Target::Populations => self.list_populations(call),
            Target::Population(id) => self.read_population(call, id),
            Target::Users => self.list_users(call),
            Target::User(id) => self.read_user(call, id),
            Target::UserPart(id, part) => self.read_part(call, id, part),
            Target::Sessions(id) => self.list_sessions(call, id),
            Target::Session(id, session) => self.read_session(call, id, session),
            Target::Devices(id) => self.list_devices(call, id),
            Target::Device(id, device) => self.read_device(call, id, device),
            Target::LinkedAccounts(id) => self.list_linked_accounts(call, id),
            Target::Memberships(principal, id) => self.list_memberships(call, principal, id),
            Target::Membership(principal, id, group) => self.read_membership(call, principal, id, group),
            Target::Groups => self.list_groups(call),
            Target::Group(id) => self.read_group(call, id),
            Target::Assignments(principal, id) => self.list_assignments(call, principal, id),
            Target::Assignment(principal, id, assignment) => self.read_assignment(call, principal, id, assignment),
            Target::PlatformRoles => self.list_platform_roles(call),
            Target::PlatformRole(id) => self.read_role(id, false),
            Target::Roles => self.list_roles(call),
            Target::Role(id) => self.read_role(id, true),
            Target::Applications => self.list_applications(call),
            Target::Application(id) => self.read_application(call, id),
            Target::Gateways => self.list_gateways(call),
            Target::Gateway(id) => self.read_gateway(id),
            Target::GatewayCredentials(id) => self.list_gateway_credentials(call, id),
            Target::Activities => self.list_activities(call),
            Target::Activity(id) => self.read_activity(id),
            _ => self.read_configuration(call),
        }
    }

    /// The second environment has its own object and nobody in it (pingone-api.md §6.1; what is under it G).
    fn read_other_environment(&self, call: &Call<'_>) -> Outcome {
        match call.target {
            Target::Environment => Ok(self.environment_answer(self.other_environment)),
            Target::Capabilities => Ok(self.capabilities()),
            Target::Users => self.empty_list(call, "users"),
            Target::Groups => self.empty_list(call, "groups"),
            Target::Populations => self.empty_list(call, "populations"),
            Target::Roles => self.empty_list(call, "roles"),
            Target::Applications => self.list_applications(call),
            Target::Application(id) => self.read_application(call, id),
            Target::Assignments(Principal::Application, id) => self.list_assignments(call, Principal::Application, id),
            _ => Err(Refusal::missing()),
        }
    }

    /// Number of a user that the call may see; else 404 (pingone-api.md §3.4, D/S).
    pub(crate) fn visible_user(&self, call: &Call<'_>, id: Uuid) -> Result<u32, Refusal> {
        let found = self
            .user_number(id)
            .filter(|number| self.user_readable(*number, call.now) && call.reach.covers(self.user_population(*number)));
        found.ok_or_else(Refusal::missing)
    }

    /// Number of a group that the call may see; else 404 (pingone-api.md §3.4, D/S).
    pub(crate) fn visible_group(&self, call: &Call<'_>, id: Uuid) -> Result<u32, Refusal> {
        let found = self.group_number(id).filter(|number| self.group_visible(call, *number));
        found.ok_or_else(Refusal::missing)
    }

    pub(crate) fn group_visible(&self, call: &Call<'_>, number: u32) -> bool {
        self.group(number).is_some_and(|group| {
            let seen = self.options.access.scoped_worker_sees_all_groups || call.reach.covers(group.population);
            seen && group.readable(call.now)
        })
    }

    pub(crate) fn ok(body: &serde_json::Value) -> Answer {
        Answer::json(200, body)
    }
}
