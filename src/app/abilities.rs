//! What the worker application may write, worked out from its own roles: for the start (connector-model.md §8.2 point 5), a
//! dry run and `doctor`. Nothing is written.

use std::collections::BTreeMap;
use std::time::Duration;

use uuid::Uuid;

use pingone::types::{Role, RoleAssignment};
use pingone::{Budget, Client, Operation, PingOneError, Principal, WriteCall};

/// The role behind every write but those of roles (pingone-api.md §6.9).
pub(super) const WRITER: &str = "Identity Data Admin";
const LACKING: &str = "the worker application does not hold Identity Data Admin: PingOne will refuse changes of users, \
                       passwords and memberships";
/// For a read that nothing waits for.
const LOOK: Budget = Budget(Duration::from_secs(10));

/// An ability to write: what it is for, and the permissions behind it (pingone-api.md §2.4).
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Ability {
    pub(super) what: &'static str,
    /// None where no document names them.
    pub(super) permissions: &'static [&'static str],
}

pub(super) const ABILITIES: [Ability; 5] = [
    Ability {
        what: "create, update, disable and delete users",
        permissions: &["dir:create:user", "dir:update:user", "dir:delete:user"],
    },
    Ability {
        what: "set passwords",
        permissions: &["dir:set:userPassword"],
    },
    Ability {
        what: "add and remove members of groups",
        permissions: &["dir:create:groupMembership", "dir:delete:groupMembership"],
    },
    Ability {
        what: "assign and take away roles of users",
        permissions: &[
            "permissions:create:userRoleAssignments",
            "permissions:delete:userRoleAssignments",
        ],
    },
    Ability {
        what: "assign and take away roles of groups",
        permissions: &[
            "permissions:create:groupRoleAssignments",
            "permissions:delete:groupRoleAssignments",
        ],
    },
];

/// What is behind every other write.
const OTHER: Ability = Ability {
    what: "change the directory",
    permissions: &[],
};

impl Ability {
    /// The ability that a call needs.
    fn behind(call: &WriteCall) -> &'static Self {
        let [users, passwords, members, roles_of_users, roles_of_groups] = &ABILITIES;
        match call.operation {
            Operation::CreateUser | Operation::UpdateUser | Operation::DeleteUser | Operation::SetEnabled => users,
            Operation::SetPassword | Operation::ForcePasswordChange => passwords,
            Operation::AddMembership | Operation::RemoveMembership => members,
            Operation::AssignRole | Operation::UnassignRole => match call.path.first().map(String::as_str) {
                Some("users") => roles_of_users,
                Some("groups") => roles_of_groups,
                _ => &OTHER,
            },
            _ => &OTHER,
        }
    }
}

/// How sure an ability is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Verdict {
    No,
    /// A role of the customer's own may give it: what those allow is not told in a form to rely on.
    Perhaps,
    /// Within single populations.
    Within,
    Yes,
}

/// The worker application's own roles.
#[derive(Debug)]
pub(super) struct OwnRoles {
    pub(super) held: Vec<RoleAssignment>,
    pub(super) roles: BTreeMap<Uuid, Role>,
}

impl OwnRoles {
    /// Reads them; nothing where the application's id is none of PingOne's. Roles that cannot be listed are known from the
    /// documentation.
    pub(super) async fn read(client: &Client) -> Result<Option<Self>, PingOneError> {
        let Ok(application) = Uuid::try_parse(&client.client_id()) else {
            return Ok(None);
        };
        let held = client.role_assignments(Principal::Application(application)).await?;
        Ok(Some(Self {
            held,
            roles: roles(client).await,
        }))
    }

    /// The most that one of the roles gives.
    pub(super) fn verdict(&self, ability: &Ability) -> Verdict {
        let each = self
            .held
            .iter()
            .map(|one| match of_role(ability, self.roles.get(&one.role.id)) {
                Verdict::Yes if is_within(one) => Verdict::Within,
                verdict => verdict,
            });
        each.max().unwrap_or(Verdict::No)
    }
}

pub(super) fn is_within(assignment: &RoleAssignment) -> bool {
    assignment.scope.scope_type == "POPULATION"
}

fn of_role(ability: &Ability, role: Option<&Role>) -> Verdict {
    let Some(role) = role else { return Verdict::Perhaps };
    let ids = || {
        role.permissions
            .iter()
            .filter_map(|permission| permission.id.as_deref())
    };
    let named = !ability.permissions.is_empty();
    let all = named && ability.permissions.iter().all(|wanted| ids().any(|id| id == *wanted));
    if role.name.as_deref() == Some(WRITER) || all {
        Verdict::Yes
    } else if role.role_type.as_deref() == Some("CUSTOM") {
        Verdict::Perhaps
    } else {
        Verdict::No
    }
}

/// Roles by id; what cannot be listed is known from the documentation.
async fn roles(client: &Client) -> BTreeMap<Uuid, Role> {
    let mut roles: BTreeMap<Uuid, Role> = client
        .fallback_roles()
        .into_iter()
        .map(|role| (role.id, role))
        .collect();
    for (pages, kind) in [(client.builtin_roles(), "PLATFORM"), (client.custom_roles(), "CUSTOM")] {
        for mut role in pages.all().await.unwrap_or_default() {
            let known = roles.remove(&role.id);
            let kind = if known.is_some() { "PLATFORM" } else { kind };
            role.role_type.get_or_insert_with(|| kind.to_owned());
            if let Some(known) = known {
                role.complete(known);
            }
            roles.insert(role.id, role);
        }
    }
    roles
}

/// Says what is missing, where that can be known.
pub(super) async fn tell(client: &Client) {
    match OwnRoles::read(&client.with_budget(LOOK)).await {
        Ok(Some(own)) if own.verdict(&OTHER) == Verdict::No => tracing::warn!("provisioning is on, and {LACKING}"),
        Ok(_) => {}
        Err(error) => tracing::debug!(error = %error, "the application's own roles were not read"),
    }
}

/// The right that each call of a dry run needs, and whether the application has it; one line for each ability.
pub(super) async fn needed(client: &Client, calls: &[WriteCall]) -> Vec<Right> {
    let mut abilities: Vec<&Ability> = Vec::new();
    for ability in calls.iter().map(Ability::behind) {
        if !abilities.contains(&ability) {
            abilities.push(ability);
        }
    }
    if abilities.is_empty() {
        return Vec::new();
    }
    let own = OwnRoles::read(&client.with_budget(LOOK)).await;
    let verdict = |ability: &Ability| own.as_ref().ok()?.as_ref().map(|own| own.verdict(ability));
    let rights = abilities.into_iter().map(|ability| Right {
        ability,
        verdict: verdict(ability),
    });
    rights.collect()
}

/// A right that a call needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Right {
    ability: &'static Ability,
    /// `None` where the application's own roles could not be read.
    verdict: Option<Verdict>,
}

impl Right {
    /// One word for programs.
    pub(super) const fn state(self) -> &'static str {
        match self.verdict {
            Some(Verdict::Yes) => "held",
            Some(Verdict::Within) => "held_within_populations",
            Some(Verdict::Perhaps) | None => "unknown",
            Some(Verdict::No) => "missing",
        }
    }

    /// For people: what it is for, and what to do where it is not held.
    pub(super) fn text(self) -> String {
        let what = self.ability.what;
        let needed = match self.ability.permissions {
            [] => String::new(),
            permissions => format!(" ({})", permissions.join(", ")),
        };
        match self.verdict {
            Some(Verdict::Yes) => format!("to {what}: held"),
            Some(Verdict::Within) => format!("to {what}: held within single populations"),
            Some(Verdict::Perhaps) => format!("to {what}: a custom role decides{needed}"),
            None => format!("to {what}: not known, the application's own roles could not be read{needed}"),
            Some(Verdict::No) => format!("to {what}: missing; give the worker application {WRITER}{needed}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_ability_follows_from_roles_permissions_and_scopes() {
        let role = |id: u128, name: &str, kind: &str, permissions: &[&str]| {
            let permissions: Vec<_> = permissions.iter().map(|id| json!({"id": id})).collect();
            let value = json!({"id": Uuid::from_u128(id), "name": name, "type": kind, "permissions": permissions});
            let role: Role = serde_json::from_value(value).unwrap();
            (role.id, role)
        };
        let password = "dir:set:userPassword";
        let roles = BTreeMap::from([
            role(1, WRITER, "PLATFORM", &[]),
            role(2, "Identity Data Read Only", "PLATFORM", &["dir:read:user"]),
            role(3, "Our own", "CUSTOM", &[password]),
            role(4, "Help Desk", "PLATFORM", &[password]),
        ]);
        let held = |role: u128, scope: &str| -> RoleAssignment {
            let value = json!({"id": Uuid::nil(), "role": {"id": Uuid::from_u128(role)}, "scope": {"id": Uuid::nil(), "type": scope}});
            serde_json::from_value(value).unwrap()
        };
        let [users, passwords, ..] = &ABILITIES;
        for (ability, roles_held, expected) in [
            (users, vec![], Verdict::No),
            (users, vec![held(2, "ENVIRONMENT")], Verdict::No),
            (
                users,
                vec![held(2, "ENVIRONMENT"), held(1, "ENVIRONMENT")],
                Verdict::Yes,
            ),
            (users, vec![held(1, "POPULATION")], Verdict::Within),
            (users, vec![held(3, "ENVIRONMENT")], Verdict::Perhaps),
            (users, vec![held(9, "ENVIRONMENT")], Verdict::Perhaps),
            (&OTHER, vec![held(4, "ENVIRONMENT")], Verdict::No),
            (&OTHER, vec![held(3, "ENVIRONMENT")], Verdict::Perhaps),
            (&OTHER, vec![held(1, "ENVIRONMENT")], Verdict::Yes),
            (passwords, vec![held(3, "ENVIRONMENT")], Verdict::Yes),
            (
                passwords,
                vec![held(4, "POPULATION"), held(2, "ENVIRONMENT")],
                Verdict::Within,
            ),
        ] {
            let own = OwnRoles {
                held: roles_held,
                roles: roles.clone(),
            };
            assert_eq!(own.verdict(ability), expected, "{} {:?}", ability.what, own.held);
        }
    }
}
