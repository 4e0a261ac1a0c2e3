//! What is not written and why: access to applications follows from conditions (access-model.md §1.8), and PingOne's client
//! secrets cannot be issued or rotated the way C1 asks for (§4).

use baton::task::{Code, EntitlementRef, IssueCredentialRequest, ResourceRef, TaskError};

use super::error::Failure;

/// PingOne keeps one secret and one previous, tells the new one only once, and can take neither back by itself.
const NO_SECRETS: &str = "baton-ping-one does not issue or rotate client secrets: PingOne keeps one secret and one \
     previous, and the new one exists only in one answer. Rotate it in PingOne.";
/// Longest part of a condition's words in a message, in bytes.
const WORDS_MAX_BYTES: usize = 512;

/// Why access to an application is not granted and not revoked. Nothing is asked of PingOne: the words come from what a sync
/// said of the entitlement and C1 hands back.
pub(super) fn follows_from_condition(entitlement: &EntitlementRef) -> Failure {
    let resource = &entitlement.resource;
    let app = match resource.display_name.as_str() {
        "" => resource.id.as_str(),
        name => name,
    };
    let words = baton::model::cut(&entitlement.description, WORDS_MAX_BYTES);
    let member = |rest: &str| {
        let which = ["any", "all"].into_iter().find(|which| rest.starts_with(which))?;
        Some((which, rest.split_once(": ")?.1.to_owned()))
    };
    let groups = ["Member of ", "Administrator and member of "]
        .into_iter()
        .find_map(|begin| member(words.strip_prefix(begin)?));
    let text = if let Some((which, groups)) = groups {
        format!(
            "access to \"{app}\" follows from membership in {which} of: {groups}. Grant or revoke the membership instead."
        )
    } else if words.starts_with("Every user") {
        format!("\"{app}\" is open to every user of the environment. Limit it to a group in PingOne first.")
    } else if words.starts_with("Holders of an administrator role") {
        format!("\"{app}\" is open to holders of an administrator role. Grant or revoke the role instead.")
    } else {
        format!(
            "access to \"{app}\" follows from its condition in PingOne. Grant or revoke membership in a group that the \
             condition names instead."
        )
    };
    Failure::Declined(Box::new(TaskError::new(Code::FailedPrecondition, text).non_retryable()))
}

/// Why a gateway keeps its role.
pub(super) fn gateways_role(gateway: &ResourceRef) -> Failure {
    let name = match gateway.display_name.as_str() {
        "" => gateway.id.as_str(),
        name => name,
    };
    let name = baton::model::cut(name, WORDS_MAX_BYTES);
    Failure::precondition(format!(
        "the role belongs to gateway \"{name}\". Change it in PingOne under Gateways."
    ))
}

/// Why no secret is issued. It is never tried again: an issue that failed may have happened.
pub(super) fn refuse_issue(request: &IssueCredentialRequest) -> TaskError {
    tracing::debug!(resource_type = %request.identity.resource_type, "a credential was to be issued");
    TaskError::new(Code::Unimplemented, NO_SECRETS).non_retryable()
}

/// Why a machine's secret is not rotated.
pub(super) fn refuse_rotation() -> Failure {
    Failure::refused(Code::InvalidArgument, NO_SECRETS)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(description: &str, display_name: &str) -> TaskError {
        let entitlement = EntitlementRef {
            binding: None,
            description: description.to_owned(),
            resource: ResourceRef {
                resource_type: "application".to_owned(),
                id: "a7c0".to_owned(),
                display_name: display_name.to_owned(),
                ..ResourceRef::default()
            },
            ..EntitlementRef::default()
        };
        follows_from_condition(&entitlement).into_task()
    }

    #[test]
    fn a_refusal_says_what_to_do_instead() {
        for (description, expected) in [
            (
                "Member of any of: A, B",
                "access to \"Expenses\" follows from membership in any of: A, B. Grant or revoke the membership instead.",
            ),
            (
                "Member of all of these together: A: x, B",
                "membership in all of: A: x, B. Grant",
            ),
            (
                "Administrator and member of all of: A",
                "membership in all of: A. Grant",
            ),
            (
                "Every user of the environment; not limited by group",
                "\"Expenses\" is open to every user of the environment. Limit it to a group in PingOne first.",
            ),
            (
                "Holders of an administrator role; not limited by group",
                "\"Expenses\" is open to holders of an administrator role. Grant or revoke the role instead.",
            ),
            ("Member of ", "follows from its condition in PingOne"),
            ("", "follows from its condition in PingOne"),
        ] {
            let error = refusal(description, "Expenses");
            assert!(error.message.contains(expected), "{error}");
            assert!(error.non_retryable && error.code == Code::FailedPrecondition);
        }
        assert!(refusal("", "").message.contains("access to \"a7c0\""));
        assert!(refusal(&"é".repeat(2_000), "x").message.len() <= 1024);
        assert!(
            refusal(&format!("Member of any of: {}", "é".repeat(2_000)), "x")
                .message
                .len()
                <= 1024
        );
    }
}
