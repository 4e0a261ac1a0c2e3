//! What the worker application may do: each read is tried, each ability to write is worked out from its own roles. Nothing is
//! written.

use uuid::Uuid;

use super::finding::Findings;
use crate::app::abilities::{ABILITIES, Ability, OwnRoles, ROLES_OF_APPLICATIONS, Verdict, is_within};
use crate::app::connect;
use crate::config::{Config, SyncApplications};
use pingone::types::RoleAssignment;
use pingone::{Client, ESSENTIAL_LISTS, Operation, Principal};

const READ: &str = "read";
const WRITE: &str = "write";

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
    let own = match OwnRoles::read(client).await {
        Ok(Some(own)) => own,
        Ok(None) => return,
        Err(error) => {
            let text = format!("the worker application's own roles could not be read: {error}");
            return found.warn(WRITE, text, "What it may change is known when it is tried.");
        }
    };
    tell_roles(&own, found);
    for ability in &ABILITIES {
        tell(ability, own.verdict(ability), config.provision.enabled, found);
    }
    if config.sync.access.applications != SyncApplications::None {
        let ability = &ROLES_OF_APPLICATIONS;
        tell(ability, own.verdict(ability), config.provision.enabled, found);
    }
}

fn tell_roles(own: &OwnRoles, found: &mut Findings) {
    let OwnRoles { held, roles } = own;
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
            let remedy = match ability.permissions {
                [] => format!("No permission is documented for it; {} has it.", ability.givers()),
                permissions => format!("Check that the role has {}.", permissions.join(", ")),
            };
            let text = format!("a custom role decides whether it may {what}");
            found.warn(WRITE, text, &remedy);
        }
        Verdict::Perhaps => found.ok(WRITE, format!("a custom role decides whether it may {what}")),
        Verdict::No if provisioning => {
            let roles = ability.givers();
            let text = format!("provisioning is on, and it may not {what}: {roles} is missing");
            let remedy = format!("Give the worker application {roles} for this environment.");
            // Most installations never take a role of an application away.
            if *ability == ROLES_OF_APPLICATIONS {
                found.warn(WRITE, text, &remedy);
            } else {
                found.fail(WRITE, text, &remedy);
            }
        }
        Verdict::No => found.ok(WRITE, format!("may not {what}, and provisioning is off")),
    }
}
