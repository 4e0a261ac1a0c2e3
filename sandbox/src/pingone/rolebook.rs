//! The built-in roles (pingone-api.md §6.9) and what each lets a worker do (pingone-api.md §2.4).

use super::ids::{Ids, Kind};
use super::world::Role;
use serde_json::Map;
use uuid::Uuid;

/// What a call needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Right {
    ReadUsers,
    WriteUsers,
    ReadGroups,
    WriteGroups,
    ReadPopulations,
    WriteMfa,
    ReadUserAssignments,
    WriteUserAssignments,
    ReadGroupAssignments,
    WriteGroupAssignments,
    ReadApplicationAssignments,
    WriteApplicationAssignments,
    ReadRoles,
    ReadApplications,
    ReadEnvironment,
    ReadOrganization,
    ReadActivities,
    ReadDevices,
    ReadConfiguration,
    ReadGateways,
    ReadKeys,
    WriteApplications,
    ReadSecrets,
}

/// A set of rights.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Rights(u32);

impl Rights {
    pub(crate) const fn of(rights: &[Right]) -> Self {
        let mut bits = 0;
        let mut rest = rights;
        while let [first, tail @ ..] = rest {
            bits |= 1 << (*first as u8);
            rest = tail;
        }
        Self(bits)
    }

    pub(crate) fn has(self, right: Right) -> bool {
        self.0 & (1 << (right as u8)) != 0
    }

    pub(crate) fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

struct BuiltIn {
    id: Option<&'static str>,
    name: &'static str,
    description: &'static str,
    scopes: &'static [&'static str],
    /// Indexes into the table.
    assigns: &'static [usize],
    permissions: &'static [&'static str],
}

const ENV: &[&str] = &["ENVIRONMENT"];
const ENV_POP: &[&str] = &["ENVIRONMENT", "POPULATION"];
const ORG_ENV: &[&str] = &["ORGANIZATION", "ENVIRONMENT"];
const DIRECTORY: &[&str] = &[
    "dir:read:user",
    "dir:read:group",
    "dir:read:population",
    "permissions:read:userRoleAssignments",
    "permissions:read:roles",
];
const DIRECTORY_WRITE: &[&str] = &[
    "dir:read:user",
    "dir:read:group",
    "dir:read:population",
    "dir:create:groupMembership",
    "dir:delete:groupMembership",
    "dir:set:userPassword",
    "permissions:read:userRoleAssignments",
    "permissions:create:userRoleAssignments",
    "permissions:delete:userRoleAssignments",
    "permissions:read:groupRoleAssignments",
    "permissions:create:groupRoleAssignments",
    "permissions:delete:groupRoleAssignments",
    "permissions:read:roles",
];
const CONFIGURATION: &[&str] = &[
    "permissions:read:applicationRoleAssignments",
    "permissions:read:roles",
    "dir:read:group",
];

const BUILT_IN: [BuiltIn; 12] = [
    BuiltIn {
        id: Some("1813bc13-8d13-4e88-a825-d40bfe82777b"),
        name: "Organization Admin",
        description: "Manages the organization",
        scopes: &["ORGANIZATION"],
        assigns: &[0, 1],
        permissions: &["orgmgt:read:organization"],
    },
    BuiltIn {
        id: Some("29ddce68-cd7f-4b2a-b6fc-f7a19553b496"),
        name: "Environment Admin",
        description: "Manages environments",
        scopes: ORG_ENV,
        assigns: &[1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11],
        permissions: CONFIGURATION,
    },
    BuiltIn {
        id: Some("0bd9c966-7664-4ac1-b059-0ff9293908e2"),
        name: "Identity Data Admin",
        description: "Manages identities",
        scopes: ENV_POP,
        assigns: &[2, 3, 8],
        permissions: DIRECTORY_WRITE,
    },
    BuiltIn {
        id: Some("ce00e15f-f845-4df1-abf3-fdc4ff4e176c"),
        name: "Identity Data Read Only",
        description: "Reads identities",
        scopes: ENV_POP,
        assigns: &[],
        permissions: DIRECTORY,
    },
    BuiltIn {
        id: Some("b5057d0d-7281-47f6-9398-8a7e4cb71397"),
        name: "Client Application Developer",
        description: "Manages applications",
        scopes: ENV,
        assigns: &[],
        permissions: &["permissions:read:applicationRoleAssignments", "dir:read:group"],
    },
    BuiltIn {
        id: None,
        name: "Application Owner",
        description: "Owns single applications",
        scopes: &["ENVIRONMENT", "APPLICATION"],
        assigns: &[],
        permissions: &[],
    },
    BuiltIn {
        id: Some("7aba580c-5ec7-4b26-987d-85f462767455"),
        name: "Configuration Read Only",
        description: "Reads the configuration",
        scopes: ORG_ENV,
        assigns: &[],
        permissions: CONFIGURATION,
    },
    BuiltIn {
        id: Some("6f770b08-793f-4393-b2aa-b1d1587a0324"),
        name: "Custom Roles Admin",
        description: "Manages custom roles",
        scopes: ENV,
        assigns: &[],
        permissions: &["permissions:read:roles"],
    },
    BuiltIn {
        id: None,
        name: "Help Desk Admin",
        description: "Helps users with sign-on",
        scopes: ENV_POP,
        assigns: &[],
        permissions: &["dir:read:user", "dir:reset:userPassword"],
    },
    BuiltIn {
        id: None,
        name: "DaVinci Admin",
        description: "Manages flows",
        scopes: ORG_ENV,
        assigns: &[9, 10],
        permissions: &[],
    },
    BuiltIn {
        id: None,
        name: "DaVinci Admin Read Only",
        description: "Reads flows",
        scopes: ORG_ENV,
        assigns: &[],
        permissions: &[],
    },
    BuiltIn {
        id: None,
        name: "PingFederate Administrator",
        description: "Signs on to PingFederate",
        scopes: ENV,
        assigns: &[],
        permissions: &[],
    },
];

/// Number of built-in roles.
pub(crate) const BUILT_IN_COUNT: usize = BUILT_IN.len();

fn built_in_id(number: usize, ids: &Ids) -> Uuid {
    let fixed = BUILT_IN
        .get(number)
        .and_then(|role| role.id)
        .and_then(|id| Uuid::try_parse(id).ok());
    fixed.unwrap_or_else(|| ids.encode(Kind::Role, number as u64))
}

/// The built-in roles of pingone-api.md §6.9 (names, ids and scopes S).
pub(crate) fn built_in(ids: &Ids) -> Vec<Role> {
    BUILT_IN
        .iter()
        .enumerate()
        .map(|(number, role)| Role {
            id: built_in_id(number, ids),
            name: role.name.to_owned(),
            description: role.description.to_owned(),
            custom: false,
            applicable_to: role.scopes.to_vec(),
            permissions: role.permissions.to_vec(),
            can_assign: role.assigns.iter().map(|other| built_in_id(*other, ids)).collect(),
            can_be_assigned_by: BUILT_IN
                .iter()
                .enumerate()
                .filter(|(_, other)| other.assigns.contains(&number))
                .map(|(other, _)| built_in_id(other, ids))
                .collect(),
            over: Map::new(),
        })
        .collect()
}

/// A made-up custom role (pingone-api.md §6.9, shape S).
pub(crate) fn custom(number: usize, id: Uuid, ids: &Ids) -> Role {
    const NAMES: [&str; 4] = ["Contractor Desk", "Access Reviewer", "Branch Manager", "Device Keeper"];
    let name = NAMES.get(number % NAMES.len()).copied().unwrap_or("Custom");
    Role {
        id,
        name: if number < NAMES.len() {
            name.to_owned()
        } else {
            format!("{name} {number}")
        },
        description: format!("Custom role {number}"),
        custom: true,
        applicable_to: ENV_POP.to_vec(),
        permissions: vec!["dir:read:user", "permissions:read:userRoleAssignments"],
        can_assign: Vec::new(),
        can_be_assigned_by: vec![built_in_id(1, ids), built_in_id(2, ids)],
        over: Map::new(),
    }
}

const READ_DIRECTORY: Rights = Rights::of(&[
    Right::ReadUsers,
    Right::ReadGroups,
    Right::ReadPopulations,
    Right::ReadUserAssignments,
    Right::ReadGroupAssignments,
    Right::ReadRoles,
    Right::ReadActivities,
    Right::ReadEnvironment,
    Right::ReadConfiguration,
]);
const WRITE_DIRECTORY: Rights = Rights::of(&[
    Right::WriteUsers,
    Right::WriteGroups,
    Right::WriteMfa,
    Right::WriteUserAssignments,
    Right::WriteGroupAssignments,
    Right::ReadDevices,
]);
const READ_CONFIGURATION: Rights = Rights::of(&[
    Right::ReadEnvironment,
    Right::ReadPopulations,
    Right::ReadGroups,
    Right::ReadApplications,
    Right::ReadApplicationAssignments,
    Right::ReadRoles,
    Right::ReadActivities,
    Right::ReadConfiguration,
    Right::ReadGateways,
    Right::ReadKeys,
    Right::ReadSecrets,
]);

/// Rights of a role (pingone-api.md §2.4). The names are the API's; a custom role has what its permissions say.
pub(crate) fn rights(role: &Role) -> Rights {
    match role.name.as_str() {
        "Organization Admin" => Rights::of(&[Right::ReadOrganization, Right::ReadEnvironment, Right::ReadRoles]),
        "Environment Admin" => READ_CONFIGURATION.and(Rights::of(&[
            Right::WriteMfa,
            Right::WriteApplicationAssignments,
            Right::WriteApplications,
            Right::ReadOrganization,
        ])),
        "Identity Data Admin" => READ_DIRECTORY.and(WRITE_DIRECTORY),
        "Identity Data Read Only" => READ_DIRECTORY,
        "Client Application Developer" => Rights::of(&[
            Right::ReadGroups,
            Right::ReadApplications,
            Right::ReadApplicationAssignments,
            Right::WriteApplicationAssignments,
            Right::WriteApplications,
            Right::ReadKeys,
            Right::ReadSecrets,
            Right::ReadEnvironment,
        ]),
        "Configuration Read Only" => READ_CONFIGURATION,
        "Custom Roles Admin" => Rights::of(&[Right::ReadRoles]),
        "Help Desk Admin" => Rights::of(&[Right::ReadUsers, Right::ReadPopulations]),
        _ => role.permissions.iter().fold(Rights::default(), |rights, permission| {
            rights.and(of_permission(permission))
        }),
    }
}

fn of_permission(permission: &str) -> Rights {
    match permission {
        "dir:read:user" => Rights::of(&[Right::ReadUsers]),
        "dir:read:group" => Rights::of(&[Right::ReadGroups]),
        "dir:read:population" => Rights::of(&[Right::ReadPopulations]),
        "dir:create:groupMembership" | "dir:delete:groupMembership" => Rights::of(&[Right::WriteGroups]),
        "permissions:read:userRoleAssignments" => Rights::of(&[Right::ReadUserAssignments]),
        "permissions:create:userRoleAssignments" | "permissions:delete:userRoleAssignments" => {
            Rights::of(&[Right::WriteUserAssignments])
        }
        "permissions:read:groupRoleAssignments" => Rights::of(&[Right::ReadGroupAssignments]),
        "permissions:create:groupRoleAssignments" | "permissions:delete:groupRoleAssignments" => {
            Rights::of(&[Right::WriteGroupAssignments])
        }
        "permissions:read:applicationRoleAssignments" => Rights::of(&[Right::ReadApplicationAssignments]),
        "applications:read:application" => Rights::of(&[Right::ReadApplications]),
        "permissions:read:roles" => Rights::of(&[Right::ReadRoles]),
        _ => Rights::default(),
    }
}
