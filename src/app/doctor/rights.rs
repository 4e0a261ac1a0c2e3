//! What the worker application may do: each read is tried, each ability to write is worked out from its own roles. Nothing is
//! written.

use std::collections::BTreeMap;

use uuid::Uuid;

use super::finding::Findings;
use crate::app::connect;
use crate::config::Config;
use pingone::types::{Role, RoleAssignment};
use pingone::{Client, ESSENTIAL_LISTS, Operation, Principal};

const READ: &str = "read";
const WRITE: &str = "write";
/// The role behind every write (pingone-api.md §6.9).
const WRITER: &str = "Identity Data Admin";
const GIVE_WRITER: &str = "Give the worker application Identity Data Admin for this environment.";

/// An ability to write: what it is for, and the permissions behind it (pingone-api.md §2.4).
struct Ability {
    what: &'static str,
    permissions: &'static [&'static str],
}

const ABILITIES: [Ability; 5] = [
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

/// How sure an ability is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Verdict {
    No,
    /// A role of the customer's own may give it: what those allow is not told in a form to rely on.
    Perhaps,
    /// Within single populations.
    Within,
    Yes,
}

/// Tries one row of each list that a sync reads, and the roles of one user and one group.
pub(super) async fn reads(config: &Config, client: &Client, found: &mut Findings) {
    let environment = client.environment_id();
    for list in ESSENTIAL_LISTS {
        match client.can_list(list).await {
            Ok(()) => found.ok(READ, format!("may {} {environment}", list.text())),
            Err(error) => found.fail(READ, error.to_string(), ""),
        }
    }
    for (list, holder) in [
        (Operation::ListUsers, Principal::User as fn(Uuid) -> Principal),
        (Operation::ListGroups, Principal::Group),
    ] {
        // What cannot be listed is told already; an empty list leaves nothing to try.
        let Ok(Some(id)) = client.first_of(list).await else {
            continue;
        };
        match client.role_assignments(holder(id)).await {
            Ok(_) if list == Operation::ListUsers => found.ok(READ, "may read the roles of users"),
            Ok(_) => found.ok(READ, "may read the roles of groups"),
            Err(error) if list == Operation::ListUsers => found.fail(READ, error.to_string(), ""),
            // Which roles give this is not documented (pingone-api.md §2.4).
            Err(error) => found.warn(READ, error.to_string(), "A sync of roles needs it."),
        }
    }
    for list in connect::optional_lists(&config.sync.access) {
        match client.can_list(list).await {
            Ok(()) => found.ok(READ, format!("may {} {environment}", list.text())),
            Err(error) => found.fail(READ, error.to_string(), ""),
        }
    }
}

/// What the worker application's own roles allow.
pub(super) async fn writes(config: &Config, client: &Client, found: &mut Findings) {
    let Ok(application) = Uuid::try_parse(&client.client_id()) else {
        return;
    };
    let held = match client.role_assignments(Principal::Application(application)).await {
        Ok(held) => held,
        Err(error) => {
            let text = format!("the worker application's own roles could not be read: {error}");
            return found.warn(WRITE, text, "What it may change is known when it is tried.");
        }
    };
    let roles = roles(client).await;
    tell_roles(&held, &roles, found);
    for ability in &ABILITIES {
        let verdict = verdict(ability, &held, &roles);
        tell(ability, verdict, config.provision.enabled, found);
    }
}

fn tell_roles(held: &[RoleAssignment], roles: &BTreeMap<Uuid, Role>, found: &mut Findings) {
    let name = |one: &RoleAssignment| roles.get(&one.role.id).and_then(|role| role.name.clone());
    let listed: Vec<String> = held
        .iter()
        .map(|one| {
            let role = name(one).unwrap_or_else(|| one.role.id.to_string());
            format!("{role} over {}", one.scope.scope_type.to_lowercase())
        })
        .collect();
    let listed = if listed.is_empty() {
        "no role".to_owned()
    } else {
        listed.join(", ")
    };
    found.ok(READ, format!("the worker application holds {listed}"));
    let directory = |one: &&RoleAssignment| name(one).is_some_and(|name| name.starts_with("Identity Data"));
    let mut scopes = held.iter().filter(directory).peekable();
    if scopes.peek().is_some() && scopes.all(is_within) {
        let text =
            "the worker application reads users of single populations only, and sees no others, without an error";
        let remedy = "Give it a role for the whole environment, or take the narrowed view on purpose.";
        found.warn(READ, text, remedy);
    }
}

fn is_within(assignment: &RoleAssignment) -> bool {
    assignment.scope.scope_type == "POPULATION"
}

/// The most that one of the roles gives.
fn verdict(ability: &Ability, held: &[RoleAssignment], roles: &BTreeMap<Uuid, Role>) -> Verdict {
    let of_role = |role: Option<&Role>| {
        let Some(role) = role else { return Verdict::Perhaps };
        let ids = || {
            role.permissions
                .iter()
                .filter_map(|permission| permission.id.as_deref())
        };
        let all = ability.permissions.iter().all(|wanted| ids().any(|id| id == *wanted));
        if role.name.as_deref() == Some(WRITER) || all {
            Verdict::Yes
        } else if role.role_type.as_deref() == Some("CUSTOM") {
            Verdict::Perhaps
        } else {
            Verdict::No
        }
    };
    let each = held.iter().map(|one| match of_role(roles.get(&one.role.id)) {
        Verdict::Yes if is_within(one) => Verdict::Within,
        verdict => verdict,
    });
    each.max().unwrap_or(Verdict::No)
}

fn tell(ability: &Ability, verdict: Verdict, provisioning: bool, found: &mut Findings) {
    let what = ability.what;
    match verdict {
        Verdict::Yes if what.contains("roles") => found.ok(
            WRITE,
            format!("may {what}, where it holds the role or one that may assign it"),
        ),
        Verdict::Yes => found.ok(WRITE, format!("may {what}")),
        Verdict::Within => found.ok(WRITE, format!("may {what} within single populations")),
        Verdict::Perhaps if provisioning => {
            let needed = ability.permissions.join(", ");
            found.warn(
                WRITE,
                format!("a custom role decides whether it may {what}"),
                &format!("Look that the role has {needed}."),
            );
        }
        Verdict::Perhaps => found.ok(WRITE, format!("a custom role decides whether it may {what}")),
        Verdict::No if provisioning => found.fail(
            WRITE,
            format!("provisioning is on, and it may not {what}: {WRITER} is missing"),
            GIVE_WRITER,
        ),
        Verdict::No => found.ok(WRITE, format!("may not {what}, and provisioning is off")),
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

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

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
            (passwords, vec![held(3, "ENVIRONMENT")], Verdict::Yes),
            (
                passwords,
                vec![held(4, "POPULATION"), held(2, "ENVIRONMENT")],
                Verdict::Within,
            ),
        ] {
            assert_eq!(
                verdict(ability, &roles_held, &roles),
                expected,
                "{} {roles_held:?}",
                ability.what
            );
        }
    }
}
