//! What the worker application lacks for provisioning (connector-model.md §8.2 point 5): a warning and never a failure.

use std::time::Duration;

use uuid::Uuid;

use pingone::types::{Role, RoleAssignment};
use pingone::{Budget, Client, Principal};

/// The role behind every write but those of roles (pingone-api.md §6.9).
const WRITER: &str = "Identity Data Admin";
const LACKING: &str = "the worker application does not hold Identity Data Admin: PingOne will refuse changes of users, \
                       passwords and memberships";
/// For a read that nothing waits for.
const LOOK: Budget = Budget(Duration::from_secs(10));

/// Says what is missing, where that can be known.
pub(super) async fn tell(client: &Client) {
    if let Some(lacking) = lacking(client).await {
        tracing::warn!("provisioning is on, and {lacking}");
    }
}

/// What the application's own roles do not allow, where they may be read and that is certain.
pub(super) async fn lacking(client: &Client) -> Option<&'static str> {
    let application = Uuid::try_parse(&client.client_id()).ok()?;
    let held = client
        .with_budget(LOOK)
        .role_assignments(Principal::Application(application))
        .await;
    match held {
        Ok(held) => lacks_writes(&held, &client.fallback_roles()).then_some(LACKING),
        Err(error) => {
            tracing::debug!(error = %error, "the application's own roles were not read");
            None
        }
    }
}

/// Whether no role can allow writes. What a role that is not built in allows is not known here.
fn lacks_writes(held: &[RoleAssignment], built_in: &[Role]) -> bool {
    let named = |id: Uuid| built_in.iter().find(|role| role.id == id);
    let may = |id: Uuid| named(id).is_none_or(|role| role.name.as_deref() == Some(WRITER));
    !held.iter().any(|assignment| may(assignment.role.id))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn only_a_role_that_may_write_or_is_not_known_keeps_the_warning_away() {
        let (read_only, admin) = (Uuid::from_u128(1), Uuid::from_u128(3));
        let built_in = [(read_only, "Identity Data Read Only"), (admin, WRITER)].map(|(id, name)| Role {
            id,
            name: Some(name.to_owned()),
            ..Role::default()
        });
        for (roles, lacking) in [
            (vec![], true),
            (vec![read_only], true),
            (vec![read_only, admin], false),
            (vec![Uuid::from_u128(2)], false),
        ] {
            let held = roles.iter().map(|role| {
                let assignment = json!({
                    "id": Uuid::from_u128(9), "role": {"id": role}, "scope": {"id": Uuid::nil(), "type": "ENVIRONMENT"}
                });
                serde_json::from_value(assignment).unwrap()
            });
            assert_eq!(lacks_writes(&held.collect::<Vec<_>>(), &built_in), lacking, "{roles:?}");
        }
    }
}
