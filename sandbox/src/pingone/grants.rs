//! Writes on role assignments (pingone-api.md §6.10; points 49 to 52).

use super::activities::{CONSOLE, Event, NOBODY};
use super::answer::{Answer, Outcome, Refusal};
use super::call::Call;
use super::fields::{not_unique, object, sent_part};
use super::route::Principal;
use super::world::{Assignment, World};
use super::writes::JSON;
use serde_json::{Map, Value, json};
use std::time::Duration;
use uuid::Uuid;

/// Most groups with roles (pingone-api.md §5, D).
const MOST_ADMIN_GROUPS: usize = 500;

/// Most assignments over populations, and over applications, of one principal (access-model.md §5, D).
const MOST_NARROW: usize = 250;

impl World {
    /// `POST …/roleAssignments`.
    pub(crate) fn create_assignment(&mut self, call: &Call<'_>, principal: Principal, id: Uuid) -> Outcome {
        let holder = self.holder(call, principal, id)?;
        if call.media != JSON {
            return Err(Refusal::media_type());
        }
        let sent = object(call.body)?;
        let (role, kind, scope) = self.wanted(&sent)?;
        self.group_takes_roles(holder)?;
        let others = call.worker == CONSOLE || call.worker == NOBODY;
        if !others && !self.may_assign(self.worker(call)?, role, &kind, scope, call.now) {
            return Err(self.beyond_scope());
        }
        let equal =
            |item: &Assignment| item.role == role && item.scope == scope && item.scope_type.eq_ignore_ascii_case(&kind);
        let own = self.own_of(holder);
        if own.iter().any(equal) && !self.options.roles.duplicate_assignment_ok {
            return Err(not_unique("role"));
        }
        let alike = |item: &&Assignment| item.scope_type.eq_ignore_ascii_case(&kind);
        let narrow = kind == "POPULATION" || kind == "APPLICATION";
        if narrow && own.iter().filter(alike).count() >= MOST_NARROW {
            let text = "too many assignments of this scope";
            return Err(Refusal::invalid("CONSTRAINT_VIOLATION", "scope", text));
        }
        let mut item = Assignment::new(self.fresh_id(), role, &kind, scope);
        let seconds = self.options.roles.read_only_seconds;
        item.fresh_until = (seconds > 0).then(|| call.now + Duration::from_secs(seconds));
        item.visible_from = self.visible_from(call);
        if matches!(holder, Holder::Application(_)) {
            item.effective_from = Some(call.now + Duration::from_millis(self.options.access.rights_delay_ms));
        }
        let body = self.created_assignment(call, (principal, id), &item);
        self.change_own(holder, |own| own.push(item));
        self.record_assignment(call, "ROLE_ASSIGNMENT.CREATED", (principal, id), role);
        Ok(self.created(&body))
    }

    /// Point 50.
    fn beyond_scope(&self) -> Refusal {
        let text = "Must have role at the same or broader scope as the role being assigned";
        let status = self.options.roles.beyond_scope_status;
        let code = if status == 400 { "INVALID_DATA" } else { "ACCESS_FAILED" };
        let refusal = Refusal::new(
            status,
            code,
            "The request could not be completed. You do not have access to this resource.",
        );
        refusal.detail("INSUFFICIENT_PERMISSIONS", Some("role"), text)
    }

    /// Role and scope of a body: known, and fitting each other (point 49).
    fn wanted(&self, sent: &Map<String, Value>) -> Result<(Uuid, String, Uuid), Refusal> {
        let field = |object: &str, key: &str| {
            sent_part(sent, object, key)?.ok_or_else(|| Refusal::invalid("REQUIRED_VALUE", object, "must not be null"))
        };
        let role = Uuid::try_parse(field("role", "id")?).ok().and_then(|id| self.role(id));
        let role = role.ok_or_else(|| Refusal::invalid("INVALID_VALUE", "role", "role does not exist"))?;
        let kind = field("scope", "type")?.to_ascii_uppercase();
        let wrong = || Refusal::invalid("INVALID_VALUE", "scope", "the role cannot be assigned to this scope");
        let scope = Uuid::try_parse(field("scope", "id")?).map_err(|_| wrong())?;
        if !role.applicable_to.contains(&kind.as_str()) {
            return Err(wrong());
        }
        let known = match kind.as_str() {
            "ORGANIZATION" => scope == self.organization,
            "ENVIRONMENT" => scope == self.environment || scope == self.other_environment,
            "POPULATION" => self.population_number(scope).is_some(),
            "APPLICATION" => self.applications.iter().any(|found| found.id == scope),
            _ => false,
        };
        if known {
            Ok((role.id, kind, scope))
        } else {
            Err(wrong())
        }
    }

    /// Point 52: only static groups hold roles, and only so many.
    fn group_takes_roles(&self, holder: Holder) -> Result<(), Refusal> {
        let Holder::Group(number) = holder else { return Ok(()) };
        let dynamic = self
            .group(number)
            .is_some_and(|group| group.user_filter.is_some() || group.source.is_some());
        if dynamic {
            return Err(Refusal::invalid(
                "CONSTRAINT_VIOLATION",
                "group",
                "roles go to static groups only",
            ));
        }
        if !self.admin_groups.contains(&number) && self.admin_groups.len() >= MOST_ADMIN_GROUPS {
            return Err(Refusal::invalid(
                "CONSTRAINT_VIOLATION",
                "group",
                "too many groups with roles",
            ));
        }
        Ok(())
    }

    fn holder(&self, call: &Call<'_>, principal: Principal, id: Uuid) -> Result<Holder, Refusal> {
        Ok(match principal {
            Principal::User => Holder::User(self.visible_user(call, id)?),
            Principal::Group => {
                self.needs_everything(call)?;
                Holder::Group(self.visible_group(call, id)?)
            }
            Principal::Application => Holder::Application(self.application_number(call.environment, id)?),
            Principal::Gateway => return Err(Refusal::method()),
        })
    }

    fn own_of(&self, holder: Holder) -> Vec<Assignment> {
        match holder {
            Holder::User(number) => self.own_assignments(number),
            Holder::Group(number) => self
                .group(number)
                .map(|group| group.assignments.clone())
                .unwrap_or_default(),
            Holder::Application(number) => self
                .applications
                .get(number)
                .map(|found| found.assignments.clone())
                .unwrap_or_default(),
        }
    }

    fn change_own(&mut self, holder: Holder, change: impl FnOnce(&mut Vec<Assignment>)) {
        self.version += 1;
        match holder {
            Holder::User(number) => {
                let own = self.own_assignments(number);
                change(self.user_assignments.entry(number).or_insert(own));
            }
            Holder::Group(number) => {
                let Some(group) = self.groups.get_mut(number as usize) else {
                    return;
                };
                change(&mut group.assignments);
                if group.assignments.is_empty() {
                    self.admin_groups.remove(&number);
                } else {
                    self.admin_groups.insert(number);
                }
            }
            Holder::Application(number) => {
                if let Some(found) = self.applications.get_mut(number) {
                    change(&mut found.assignments);
                }
            }
        }
    }

    /// `DELETE …/roleAssignments/{raId}` (point 51): 204, then 404; a read-only one 403.
    pub(crate) fn delete_assignment(
        &mut self,
        call: &Call<'_>,
        principal: Principal,
        id: Uuid,
        assignment: Uuid,
    ) -> Outcome {
        let holder = self.holder(call, principal, id)?;
        let locked = || {
            let text = format!("Role assignment {assignment} cannot be deleted as it is read only");
            Refusal::new(403, "ACCESS_FAILED", text)
        };
        if let Holder::User(number) = holder
            && self
                .inherited_assignments(number)
                .iter()
                .any(|(item, _)| item.id == assignment)
        {
            return Err(locked());
        }
        let own = self.own_of(holder);
        let found = own
            .iter()
            .find(|item| item.id == assignment)
            .ok_or_else(Refusal::missing)?;
        if found.read_only || found.fresh_until.is_some_and(|until| call.now < until) {
            return Err(locked());
        }
        let (role, scope_type, scope) = (found.role, found.scope_type.clone(), found.scope);
        if matches!(holder, Holder::Application(_))
            && !self.may_assign(self.worker(call)?, role, &scope_type, scope, call.now)
        {
            return Err(self.beyond_scope());
        }
        self.change_own(holder, |own| own.retain(|item| item.id != assignment));
        self.record_assignment(call, "ROLE_ASSIGNMENT.DELETED", (principal, id), role);
        Ok(Answer::empty(204))
    }

    /// Role events name the holder, and the role in the description only (pingone-api.md §6.11, S).
    fn record_assignment(&mut self, call: &Call<'_>, action: &str, holder: (Principal, Uuid), role: Uuid) {
        let kind = super::access::plural(holder.0).trim_end_matches('s').to_uppercase();
        let resource = json!({"type": kind, "id": holder.1, "environment": {"id": self.environment}});
        let name = self.role(role).map(|role| role.name.clone()).unwrap_or_default();
        self.record(
            call,
            &Event {
                action,
                resource,
                description: format!("{action} {name}"),
            },
        );
    }
}

/// Who holds assignments, by number.
#[derive(Clone, Copy, Debug)]
enum Holder {
    User(u32),
    Group(u32),
    Application(usize),
}
