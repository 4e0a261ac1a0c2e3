//! Whether the worker application may assign a role over a scope, or take it away: PingOne wants the role itself, or one that
//! may assign it, over the same or a wider scope (pingone-api.md §6.9, §6.10).

use uuid::Uuid;

use super::{OwnRoles, Right, Verdict};
use pingone::types::{Role, RoleAssignment, Scope};
use pingone::{Client, Operation, Principal, WriteBody, WriteCall};

const NEEDED: &str = "the role itself, or one that may assign it, over the same or a wider scope";
/// Built-in roles, and those that each may assign besides itself; Environment Admin may assign all but the first.
const MAY_ASSIGN: [(&str, &[&str]); 4] = [
    (ORGANIZATION_ADMIN, &[ENVIRONMENT_ADMIN]),
    (super::WRITER, &["Identity Data Read Only", "Help Desk Admin"]),
    ("DaVinci Admin", &["DaVinci Admin Read Only"]),
    (
        "Advanced Identity Cloud Super Admin",
        &["Advanced Identity Cloud Tenant Admin"],
    ),
];
const ORGANIZATION_ADMIN: &str = "Organization Admin";
const ENVIRONMENT_ADMIN: &str = "Environment Admin";
const CUSTOM: &str = "CUSTOM";

/// A role over a scope.
#[derive(Debug)]
struct Assigned {
    role: Uuid,
    scope: Scope,
}

/// The right to assign the role of this call over its scope.
pub(super) async fn right(client: &Client, call: &WriteCall, own: Option<&OwnRoles>) -> Right {
    let verb = match call.operation {
        Operation::AssignRole => "assign",
        _ => "take away",
    };
    let right = |what, verdict| Right {
        what,
        verdict,
        remedy: format!("the worker application must hold {NEEDED}"),
        needed: NEEDED.to_owned(),
    };
    let (Some(wanted), Some(own)) = (Assigned::of(client, call).await, own) else {
        return right(format!("{verb} this role"), None);
    };
    let name = own.roles.get(&wanted.role).and_then(|role| role.name.clone());
    let what = format!(
        "{verb} {} over {} {}",
        name.unwrap_or_else(|| wanted.role.to_string()),
        wanted.scope.scope_type.to_lowercase(),
        wanted.scope.id
    );
    let here = wanted.is_here(client).await;
    let environment = Uuid::try_parse(client.environment_id()).unwrap_or_default();
    right(what, Some(wanted.verdict(own, environment, here)))
}

impl Assigned {
    /// What a call assigns or takes away; nothing where that is not known.
    async fn of(client: &Client, call: &WriteCall) -> Option<Self> {
        if let Some(body) = call.body.as_ref().and_then(WriteBody::value) {
            let text = |pointer: &str| body.pointer(pointer)?.as_str();
            return Some(Self {
                role: Uuid::try_parse(text("/role/id")?).ok()?,
                scope: Scope {
                    id: Uuid::try_parse(text("/scope/id")?).ok()?,
                    scope_type: text("/scope/type")?.to_owned(),
                },
            });
        }
        let [kind, holder, _, assignment] = call.path.as_slice() else {
            return None;
        };
        let holder = Uuid::try_parse(holder).ok()?;
        let principal = match kind.as_str() {
            "users" => Principal::User(holder),
            "groups" => Principal::Group(holder),
            "applications" => Principal::Application(holder),
            _ => return None,
        };
        let held = client.role_assignments(principal).await.ok()?;
        let found = held.into_iter().find(|one| one.id.to_string() == *assignment)?;
        Some(Self {
            role: found.role.id,
            scope: found.scope,
        })
    }

    fn is_over(&self, kind: &str) -> bool {
        self.scope.scope_type.eq_ignore_ascii_case(kind)
    }

    /// The scope is a part of the configured environment.
    async fn is_here(&self, client: &Client) -> bool {
        let id = self.scope.id;
        match self.scope.scope_type.to_uppercase().as_str() {
            "POPULATION" => client.population(id).await.is_ok(),
            "APPLICATION" => client.application(id).await.is_ok(),
            "GROUP" => client.group(id).await.is_ok(),
            _ => false,
        }
    }

    /// The most that one of the own roles gives. A part of an environment that is not `here` may be of any other.
    fn verdict(&self, own: &OwnRoles, environment: Uuid, here: bool) -> Verdict {
        let wanted = own.roles.get(&self.role);
        let each = own.held.iter().map(|held| {
            let by_role = self.by_role(wanted, held.role.id, own.roles.get(&held.role.id));
            by_role.min(self.by_scope(held, environment, here))
        });
        each.max().unwrap_or(Verdict::No)
    }

    /// Whether a holder of this role may assign the wanted one. What is not built in goes by lists of ids alone.
    fn by_role(&self, wanted: Option<&Role>, holder: Uuid, held: Option<&Role>) -> Verdict {
        let listed = wanted.is_some_and(|role| role.can_be_assigned_by.contains(&holder))
            || held.is_some_and(|role| role.can_assign.contains(&self.role));
        let is_custom = |role: &Role| role.role_type.as_deref() == Some(CUSTOM);
        match (wanted, held) {
            _ if listed => Verdict::Yes,
            (Some(wanted), _) if is_custom(wanted) => Verdict::No,
            (Some(_), _) if holder == self.role => Verdict::Yes,
            (Some(wanted), Some(held)) if !is_custom(held) => {
                if may_assign(held.name.as_deref(), wanted.name.as_deref()) {
                    Verdict::Yes
                } else {
                    Verdict::No
                }
            }
            _ => Verdict::Perhaps,
        }
    }

    /// Whether what is held is over the same or a wider scope.
    fn by_scope(&self, held: &RoleAssignment, environment: Uuid, here: bool) -> Verdict {
        let held = &held.scope;
        let is = |kind: &str| held.scope_type.eq_ignore_ascii_case(kind);
        if is("ORGANIZATION") || held.id == self.scope.id && self.is_over(&held.scope_type) {
            return Verdict::Yes;
        }
        let is_part = !self.is_over("ORGANIZATION") && !self.is_over("ENVIRONMENT");
        match (is("ENVIRONMENT") && is_part, here, held.id == environment) {
            (true, true, true) => Verdict::Yes,
            (true, false, _) => Verdict::Perhaps,
            _ => Verdict::No,
        }
    }
}

fn may_assign(holder: Option<&str>, role: Option<&str>) -> bool {
    let (Some(holder), Some(role)) = (holder, role) else {
        return false;
    };
    let listed = |(name, roles): &(&str, &[&str])| *name == holder && roles.contains(&role);
    holder == ENVIRONMENT_ADMIN && role != ORGANIZATION_ADMIN || MAY_ASSIGN.iter().any(listed)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const HERE: u128 = 100;
    const ELSEWHERE: u128 = 101;
    const POPULATION: u128 = 200;

    fn scope(kind: &str, id: u128) -> Scope {
        Scope {
            id: Uuid::from_u128(id),
            scope_type: kind.to_owned(),
        }
    }

    #[test]
    #[expect(clippy::too_many_lines, reason = "a table")]
    fn a_role_is_assigned_by_itself_or_one_that_may_over_the_same_or_a_wider_scope() {
        let role = |id: u128, name: &str, kind: &str, by: &[u128]| {
            let role = Role {
                id: Uuid::from_u128(id),
                name: Some(name.to_owned()),
                role_type: Some(kind.to_owned()),
                can_be_assigned_by: by.iter().map(|id| Uuid::from_u128(*id)).collect(),
                ..Role::default()
            };
            (role.id, role)
        };
        let roles = std::collections::BTreeMap::from([
            role(1, ORGANIZATION_ADMIN, "PLATFORM", &[]),
            role(2, ENVIRONMENT_ADMIN, "PLATFORM", &[]),
            role(3, super::super::WRITER, "PLATFORM", &[]),
            role(4, "Help Desk Admin", "PLATFORM", &[]),
            role(5, "Application Owner", "PLATFORM", &[]),
            role(6, "Contractor Desk", CUSTOM, &[3]),
        ]);
        for (wanted, over, held, held_over, here, expected) in [
            (5, ("ENVIRONMENT", HERE), 3, ("ENVIRONMENT", HERE), false, Verdict::No),
            (5, ("ENVIRONMENT", HERE), 5, ("environment", HERE), false, Verdict::Yes),
            (5, ("ENVIRONMENT", HERE), 2, ("ENVIRONMENT", HERE), false, Verdict::Yes),
            (
                5,
                ("ENVIRONMENT", HERE),
                2,
                ("ENVIRONMENT", ELSEWHERE),
                false,
                Verdict::No,
            ),
            (5, ("ENVIRONMENT", HERE), 2, ("ORGANIZATION", 7), false, Verdict::Yes),
            (1, ("ORGANIZATION", 7), 2, ("ORGANIZATION", 7), false, Verdict::No),
            (2, ("ORGANIZATION", 7), 2, ("ENVIRONMENT", HERE), false, Verdict::No),
            (2, ("ORGANIZATION", 7), 1, ("ORGANIZATION", 7), false, Verdict::Yes),
            (
                4,
                ("POPULATION", POPULATION),
                3,
                ("POPULATION", POPULATION),
                true,
                Verdict::Yes,
            ),
            (4, ("POPULATION", POPULATION), 3, ("POPULATION", 201), true, Verdict::No),
            (
                4,
                ("POPULATION", POPULATION),
                3,
                ("ENVIRONMENT", HERE),
                true,
                Verdict::Yes,
            ),
            (
                4,
                ("POPULATION", POPULATION),
                3,
                ("ENVIRONMENT", HERE),
                false,
                Verdict::Perhaps,
            ),
            (
                4,
                ("POPULATION", POPULATION),
                3,
                ("ENVIRONMENT", ELSEWHERE),
                true,
                Verdict::No,
            ),
            (6, ("ENVIRONMENT", HERE), 3, ("ENVIRONMENT", HERE), false, Verdict::Yes),
            (6, ("ENVIRONMENT", HERE), 1, ("ORGANIZATION", 7), false, Verdict::No),
            (
                9,
                ("ENVIRONMENT", HERE),
                2,
                ("ENVIRONMENT", HERE),
                false,
                Verdict::Perhaps,
            ),
            (
                4,
                ("ENVIRONMENT", HERE),
                6,
                ("ENVIRONMENT", HERE),
                false,
                Verdict::Perhaps,
            ),
        ] {
            let value = json!({
                "id": Uuid::nil(),
                "role": {"id": Uuid::from_u128(held)},
                "scope": {"id": Uuid::from_u128(held_over.1), "type": held_over.0},
            });
            let own = OwnRoles {
                held: vec![serde_json::from_value(value).unwrap()],
                roles: roles.clone(),
            };
            let wanted = Assigned {
                role: Uuid::from_u128(wanted),
                scope: scope(over.0, over.1),
            };
            let verdict = wanted.verdict(&own, Uuid::from_u128(HERE), here);
            assert_eq!(verdict, expected, "{wanted:?} by {:?}", own.held);
        }
    }
}
