//! Roles and role assignments, reading (pingone-api.md §6.9, §6.10: shapes S, inherited items S, their mark G).

use super::access::plural;
use super::answer::{Outcome, Refusal};
use super::call::Call;
use super::filter::{self, Filter, Literal, Op};
use super::objects::lay_over;
use super::route::Principal;
use super::world::{Assignment, Role, World, holds};
use serde_json::{Map, Value, json};
use uuid::Uuid;

impl World {
    /// A role object (pingone-api.md §6.9: built-in D/S, custom S).
    fn role_value(&self, role: &Role, in_environment: bool) -> Value {
        let mut body = Map::new();
        let mut put = |key: &str, value: Value| body.insert(key.to_owned(), value);
        let href = if in_environment {
            self.link(&format!("/roles/{}", role.id))
        } else {
            json!({"href": format!("{}/roles/{}", self.base, role.id)})
        };
        put("_links", json!({"self": href}));
        put("id", json!(role.id));
        if role.custom {
            put("environment", json!({"id": self.environment}));
        }
        if in_environment || !self.options.roles.no_role_type {
            put("type", json!(if role.custom { "CUSTOM" } else { "PLATFORM" }));
        }
        put("name", json!(role.name));
        put("description", json!(role.description));
        put("applicableTo", json!(role.applicable_to));
        let ids = |list: &[Uuid]| list.iter().map(|id| json!({"id": id})).collect::<Value>();
        if in_environment {
            put("canAssign", ids(&role.can_assign));
            put("canBeAssignedBy", ids(&role.can_be_assigned_by));
        }
        let bare = self.options.roles.no_permission_ids && !role.custom;
        let permissions = role.permissions.iter().map(|id| permission_value(id, bare));
        put("permissions", permissions.collect());
        lay_over(&mut body, &role.over);
        Value::Object(body)
    }

    /// `GET /roles`: built-in ones, unpaged, `limit` ignored (pingone-api.md §6.9, D/S).
    pub(crate) fn list_platform_roles(&self, call: &Call<'_>) -> Outcome {
        let values: Vec<Value> = self
            .roles
            .iter()
            .filter(|role| !role.custom)
            .map(|role| self.role_value(role, false))
            .collect();
        self.list_whole(call, "roles", &values)
    }

    /// `GET …/roles`, `type eq` (pingone-api.md §6.9, D/S).
    pub(crate) fn list_roles(&self, call: &Call<'_>) -> Outcome {
        let mut values: Vec<Value> = self.roles.iter().map(|role| self.role_value(role, true)).collect();
        if let Some(text) = call.filter() {
            let parsed = filter::parse(text).map_err(|problem| self.filter_refusal(&problem))?;
            filter::check_listed(&parsed, &[("type", &[Op::Eq])], false)
                .map_err(|problem| self.filter_refusal(&problem))?;
            if let Filter::Compare(_, _, Literal::Text(kind)) = &parsed
                && !["CUSTOM", "PLATFORM"].contains(&kind.as_str())
            {
                return Err(Refusal::parameter("filter"));
            }
            values.retain(|value| filter::matches(&parsed, value, &|_, _| false));
        }
        self.list_whole(call, "roles", &values)
    }

    /// A listing that the service never pages (pingone-api.md §6.9 D/S, page shape §4).
    fn list_whole(&self, call: &Call<'_>, name: &str, values: &[Value]) -> Outcome {
        let page = self.whole_page(call, (0..u32::try_from(values.len()).unwrap_or(0)).collect())?;
        Ok(self.write_page(call, name, &page, 1024, |out, number| {
            super::lists::put_value(out, values.get(number as usize).unwrap_or(&Value::Null));
        }))
    }

    /// `GET /roles/{id}` and `GET …/roles/{id}` (pingone-api.md §6.9, D/S).
    pub(crate) fn read_role(&self, id: Uuid, in_environment: bool) -> Outcome {
        let found = self.role(id).filter(|role| in_environment || !role.custom);
        found
            .map(|role| Self::ok(&self.role_value(role, in_environment)))
            .ok_or_else(Refusal::missing)
    }

    /// An assignment object (pingone-api.md §6.10, S): no name of the role, no name of the scope.
    fn assignment_value(
        &self,
        call: &Call<'_>,
        holder: (Principal, Uuid),
        item: &Assignment,
        group: Option<Uuid>,
        expand: bool,
    ) -> Value {
        let (kind, id) = (plural(holder.0), holder.1);
        let root = format!("{}/environments/{}", self.base, call.environment);
        let scope = if self.options.roles.lower_case_scopes {
            item.scope_type.to_lowercase()
        } else {
            item.scope_type.clone()
        };
        let fresh = item.fresh_until.is_some_and(|until| call.now < until);
        let mut value = json!({
            "_links": {
                "self": {"href": format!("{root}/{kind}/{id}/roleAssignments/{}", item.id)},
                kind.trim_end_matches('s'): {"href": format!("{root}/{kind}/{id}")},
                "environment": {"href": root},
            },
            "id": item.id, "environment": {"id": call.environment}, "role": {"id": item.role},
            "scope": {"id": item.scope, "type": scope}, "readOnly": item.read_only || fresh || group.is_some(),
        });
        if let Value::Object(body) = &mut value {
            if holder.0 == Principal::Gateway {
                body.insert("gateway".to_owned(), json!({"id": id}));
            }
            if let Some(group) = group.filter(|_| !self.options.roles.inherited_unmarked) {
                body.insert("group".to_owned(), json!({"id": group}));
            }
            if let (true, Some(role)) = (expand, self.role(item.role)) {
                body.insert("_embedded".to_owned(), json!({"role": self.role_value(role, true)}));
            }
        }
        value
    }

    /// The assignments of a principal that are listed now: item and the group it is inherited through.
    fn listed_assignments(
        &self,
        call: &Call<'_>,
        holder: Principal,
        id: Uuid,
    ) -> Result<Vec<(Assignment, Option<Uuid>)>, Refusal> {
        let mut found: Vec<(Assignment, Option<Uuid>)> = match holder {
            Principal::User => {
                let number = self.visible_user(call, id)?;
                let mut own: Vec<_> = self
                    .own_assignments(number)
                    .into_iter()
                    .map(|item| (item, None))
                    .collect();
                own.extend(self.inherited_assignments(number));
                own
            }
            Principal::Group => {
                let number = self.visible_group(call, id)?;
                let items = self
                    .group(number)
                    .map(|group| group.assignments.clone())
                    .unwrap_or_default();
                items.into_iter().map(|item| (item, None)).collect()
            }
            Principal::Application => {
                let number = self.application_number(call.environment, id)?;
                let items = self
                    .applications
                    .get(number)
                    .map(|found| found.assignments.clone())
                    .unwrap_or_default();
                items.into_iter().map(|item| (item, None)).collect()
            }
            Principal::Gateway => {
                let number = self.gateway_number(id)?;
                let items = self.gateways.get(number).map(|found| found.assignments.clone());
                items.unwrap_or_default().into_iter().map(|item| (item, None)).collect()
            }
        };
        found.retain(|(item, _)| item.visible_from.is_none_or(|from| from <= call.now));
        Ok(found)
    }

    /// What a user holds through its groups.
    pub(crate) fn inherited_assignments(&self, user: u32) -> Vec<(Assignment, Option<Uuid>)> {
        if self.options.roles.no_inherited {
            return Vec::new();
        }
        let groups = self.admin_groups.iter().filter_map(|group| self.group(*group));
        let through = groups.filter(|group| !group.gone && holds(group.members(), user));
        through
            .flat_map(|group| group.assignments.iter().map(|item| (item.clone(), Some(group.id))))
            .map(|(mut item, group)| {
                if self.options.roles.inherited_own_ids {
                    item.id = own_id(item.id, user);
                }
                (item, group)
            })
            .collect()
    }

    /// `GET …/roleAssignments` (pingone-api.md §6.10, S; nobody's: 200 with an empty list, G).
    pub(crate) fn list_assignments(&self, call: &Call<'_>, holder: Principal, id: Uuid) -> Outcome {
        if let Some(refusal) = self.holds_no_roles(holder, id) {
            return Err(refusal);
        }
        let items = self.listed_assignments(call, holder, id)?;
        let expand = call.includes("expand", "role");
        let values: Vec<Value> = items
            .iter()
            .map(|(item, group)| self.assignment_value(call, (holder, id), item, *group, expand))
            .collect();
        self.list_values(call, "roleAssignments", &values)
    }

    /// `GET …/roleAssignments/{raId}` (pingone-api.md §6.10, S/D).
    pub(crate) fn read_assignment(&self, call: &Call<'_>, holder: Principal, id: Uuid, assignment: Uuid) -> Outcome {
        let items = self.listed_assignments(call, holder, id)?;
        let found = items
            .iter()
            .find(|(item, _)| item.id == assignment)
            .ok_or_else(Refusal::missing)?;
        Ok(Self::ok(&self.assignment_value(
            call,
            (holder, id),
            &found.0,
            found.1,
            call.includes("expand", "role"),
        )))
    }

    /// The body of a 201 (pingone-api.md §6.10, S).
    pub(crate) fn created_assignment(&self, call: &Call<'_>, holder: (Principal, Uuid), item: &Assignment) -> Value {
        self.assignment_value(call, holder, item, None, false)
    }
}

/// What an inherited assignment is called in the list of this user.
fn own_id(assignment: Uuid, user: u32) -> Uuid {
    Uuid::from_u128(assignment.as_u128() ^ u128::from(user) << 4 ^ 0xa)
}

/// A permission with its id, or with classifier and description only (pingone-api.md §6.9, S).
fn permission_value(id: &str, bare: bool) -> Value {
    let mut parts = id.split(':').skip(1);
    let (action, object) = (parts.next().unwrap_or(""), parts.next().unwrap_or(""));
    let mut value = json!({"classifier": object, "description": format!("Can {action} {object}")});
    if let (false, Value::Object(body)) = (bare, &mut value) {
        body.insert("id".to_owned(), json!(id));
    }
    value
}
