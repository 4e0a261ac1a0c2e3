//! What the worker application may write, worked out from its own roles: for the start (connector-model.md §8.2 point 5), a
//! dry run and `doctor`. Nothing is written.

mod assigning;

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

/// An ability to write: what it is for, and what gives it (pingone-api.md §2.4, access-model.md §9).
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Ability {
    pub(super) what: &'static str,
    /// None where no document names them: the roles alone tell then.
    pub(super) permissions: &'static [&'static str],
    /// Built-in roles that give it.
    pub(super) roles: &'static [&'static str],
}

impl Ability {
    const fn new(what: &'static str, permissions: &'static [&'static str]) -> Self {
        let roles = &[WRITER];
        Self {
            what,
            permissions,
            roles,
        }
    }

    const fn by(self, roles: &'static [&'static str]) -> Self {
        Self { roles, ..self }
    }

    /// The roles that give it, for texts.
    pub(super) fn givers(&self) -> String {
        self.roles.join(" or ")
    }
}

const USERS: Ability = Ability::new(
    "create, update, disable and delete users",
    &["dir:create:user", "dir:update:user", "dir:delete:user"],
);
const PASSWORDS: Ability = Ability::new("set passwords", &["dir:set:userPassword"]);
const MEMBERS: Ability = Ability::new(
    "add and remove members of groups",
    &["dir:create:groupMembership", "dir:delete:groupMembership"],
);
const ROLES_OF_USERS: Ability = Ability::new(
    "assign and take away roles of users",
    &[
        "permissions:create:userRoleAssignments",
        "permissions:delete:userRoleAssignments",
    ],
);
const ROLES_OF_GROUPS: Ability = Ability::new(
    "assign and take away roles of groups",
    &[
        "permissions:create:groupRoleAssignments",
        "permissions:delete:groupRoleAssignments",
    ],
);
const GROUPS: Ability = Ability::new("create, change and delete groups", &[]);
const MFA: Ability = Ability::new("switch MFA of users on and off", &[]).by(&[WRITER, "Environment Admin"]);
const DEVICES: Ability = Ability::new("remove MFA devices of users", &[]);
const SESSIONS: Ability = Ability::new("end sessions of users", &[]);
/// Only where applications are synced.
pub(super) const ROLES_OF_APPLICATIONS: Ability = Ability::new(
    "take away roles of applications",
    &["permissions:update:applicationRoleAssignments"],
)
.by(&["Environment Admin", "Client Application Developer"]);
/// What is behind every other write.
const OTHER: Ability = Ability::new("change the directory", &[]);

/// Those of every installation.
pub(super) const ABILITIES: [Ability; 9] = [
    USERS,
    PASSWORDS,
    MEMBERS,
    ROLES_OF_USERS,
    ROLES_OF_GROUPS,
    GROUPS,
    MFA,
    DEVICES,
    SESSIONS,
];

impl Ability {
    /// The ability that a call needs.
    fn behind(call: &WriteCall) -> &'static Self {
        match call.operation {
            Operation::CreateUser | Operation::UpdateUser | Operation::DeleteUser | Operation::SetEnabled => &USERS,
            Operation::SetPassword | Operation::ForcePasswordChange => &PASSWORDS,
            Operation::AddMembership | Operation::RemoveMembership => &MEMBERS,
            Operation::CreateGroup | Operation::UpdateGroup | Operation::DeleteGroup => &GROUPS,
            Operation::SetMfa => &MFA,
            Operation::DeleteDevice => &DEVICES,
            Operation::EndSession => &SESSIONS,
            Operation::AssignRole | Operation::UnassignRole => match call.path.first().map(String::as_str) {
                Some("users") => &ROLES_OF_USERS,
                Some("groups") => &ROLES_OF_GROUPS,
                Some("applications") => &ROLES_OF_APPLICATIONS,
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
    let gives = |name: &str| ability.roles.contains(&name);
    if role.name.as_deref().is_some_and(gives) || all {
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

/// The rights that the calls of a dry run need, and whether the application has them; each once.
pub(super) async fn needed(client: &Client, calls: &[WriteCall]) -> Vec<Right> {
    let client = client.with_budget(LOOK);
    let own = match calls {
        [] => None,
        _ => OwnRoles::read(&client).await.ok().flatten(),
    };
    let mut rights: Vec<Right> = Vec::new();
    for call in calls {
        let ability = Ability::behind(call);
        let verdict = own.as_ref().map(|own| own.verdict(ability));
        let mut of_call = vec![Right::to(ability, verdict)];
        if matches!(call.operation, Operation::AssignRole | Operation::UnassignRole) {
            of_call.push(assigning::right(&client, call, own.as_ref()).await);
        }
        for right in of_call {
            if !rights.contains(&right) {
                rights.push(right);
            }
        }
    }
    rights
}

/// A right that a call needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Right {
    /// What it is for.
    what: String,
    /// `None` where that cannot be known.
    verdict: Option<Verdict>,
    /// What to do where it is missing.
    remedy: String,
    /// What to look for where that is not certain.
    needed: String,
}

impl Right {
    fn to(ability: &Ability, verdict: Option<Verdict>) -> Self {
        let givers = ability.givers();
        let (remedy, needed) = match ability.permissions {
            [] => (givers.clone(), givers),
            permissions => {
                let needed = permissions.join(", ");
                (format!("{givers} ({needed})"), needed)
            }
        };
        Self {
            what: ability.what.to_owned(),
            verdict,
            remedy: format!("give the worker application {remedy}"),
            needed,
        }
    }

    /// One word for programs.
    pub(super) const fn state(&self) -> &'static str {
        match self.verdict {
            Some(Verdict::Yes) => "held",
            Some(Verdict::Within) => "held_within_populations",
            Some(Verdict::Perhaps) | None => "unknown",
            Some(Verdict::No) => "missing",
        }
    }

    /// For people: what it is for, and what to do where it is not held.
    pub(super) fn text(&self) -> String {
        let (what, needed) = (&self.what, &self.needed);
        match self.verdict {
            Some(Verdict::Yes) => format!("to {what}: held"),
            Some(Verdict::Within) => format!("to {what}: held within single populations"),
            Some(Verdict::Perhaps) => format!("to {what}: not certain, look for {needed}"),
            None => format!("to {what}: not known, PingOne did not tell; look for {needed}"),
            Some(Verdict::No) => format!("to {what}: missing; {}", self.remedy),
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
            role(5, "Environment Admin", "PLATFORM", &[]),
        ]);
        let held = |role: u128, scope: &str| -> RoleAssignment {
            let value = json!({"id": Uuid::nil(), "role": {"id": Uuid::from_u128(role)}, "scope": {"id": Uuid::nil(), "type": scope}});
            serde_json::from_value(value).unwrap()
        };
        let (users, passwords) = (&USERS, &PASSWORDS);
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
            (&GROUPS, vec![held(1, "ENVIRONMENT")], Verdict::Yes),
            (&GROUPS, vec![held(5, "ENVIRONMENT")], Verdict::No),
            (&MFA, vec![held(5, "ENVIRONMENT")], Verdict::Yes),
            (&ROLES_OF_APPLICATIONS, vec![held(1, "ENVIRONMENT")], Verdict::No),
            (&ROLES_OF_APPLICATIONS, vec![held(5, "ENVIRONMENT")], Verdict::Yes),
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
