//! Built-in roles by their fixed ids (pingone-api.md §6.9), for clients that may not read the list of built-in roles.
//! A fallback for names and scope types only; what the API says wins.

use uuid::Uuid;

use super::types::Role;

const TABLE: [(&str, &str, &[&str]); 7] = [
    (
        "1813bc13-8d13-4e88-a825-d40bfe82777b",
        "Organization Admin",
        &["ORGANIZATION"],
    ),
    (
        "29ddce68-cd7f-4b2a-b6fc-f7a19553b496",
        "Environment Admin",
        &["ORGANIZATION", "ENVIRONMENT"],
    ),
    (
        "0bd9c966-7664-4ac1-b059-0ff9293908e2",
        "Identity Data Admin",
        &["ENVIRONMENT", "POPULATION"],
    ),
    (
        "ce00e15f-f845-4df1-abf3-fdc4ff4e176c",
        "Identity Data Read Only",
        &["ENVIRONMENT", "POPULATION"],
    ),
    (
        "b5057d0d-7281-47f6-9398-8a7e4cb71397",
        "Client Application Developer",
        &["ENVIRONMENT"],
    ),
    (
        "7aba580c-5ec7-4b26-987d-85f462767455",
        "Configuration Read Only",
        &["ORGANIZATION", "ENVIRONMENT"],
    ),
    (
        "6f770b08-793f-4393-b2aa-b1d1587a0324",
        "Custom Roles Admin",
        &["ENVIRONMENT"],
    ),
];

/// Names of built-in roles in Ping's documentation that differ from those of the API (pingone-api.md §6.9).
const DOCUMENTED: [(&str, &str); 4] = [
    ("Identity Data Read-Only Admin", "Identity Data Read Only"),
    ("Configuration Read-Only Admin", "Configuration Read Only"),
    ("Custom Role Admin", "Custom Roles Admin"),
    ("DaVinci Read-Only Admin", "DaVinci Admin Read Only"),
];

/// The API's name of a built-in role that is named as Ping's documentation does; any other name as it is.
pub fn api_name(name: &str) -> &str {
    let documented = DOCUMENTED
        .iter()
        .find(|(documented, _)| documented.eq_ignore_ascii_case(name));
    documented.map_or(name, |(_, api)| api)
}

/// The table as roles.
pub(crate) fn fallback() -> Vec<Role> {
    TABLE
        .iter()
        .filter_map(|(id, name, applicable_to)| {
            Some(Role {
                id: Uuid::try_parse(id).ok()?,
                name: Some((*name).to_owned()),
                role_type: Some("PLATFORM".to_owned()),
                applicable_to: applicable_to.iter().map(|kind| (*kind).to_owned()).collect(),
                ..Role::default()
            })
        })
        .collect()
}
