//! The single piece of work that a run without C1 does (c1-protocol.md §12.3).

use jiff::Timestamp;

use super::error::ConfigError;
use super::values::Values;

/// A single piece of work without C1, in the order in which the first that is set wins (c1-protocol.md §12.3).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OneShot {
    /// Grant an entitlement.
    Grant {
        /// Entitlement id.
        entitlement: String,
        /// Principal id.
        principal: String,
        /// Principal's type.
        principal_type: String,
    },
    /// Revoke a grant by id.
    Revoke(String),
    /// Print audit events.
    EventFeed {
        /// The feed's id; nothing is the only one there is.
        feed: Option<String>,
        /// Where to continue; wins over `start_at`.
        cursor: Option<String>,
        /// Where to begin; nothing is a day ago.
        start_at: Option<Timestamp>,
    },
    CreateAccount {
        login: Option<String>,
        /// E-mail.
        email: Option<String>,
        /// Profile, a JSON object.
        profile: Option<String>,
        /// Its resource type; nothing is the only one there is.
        resource_type: Option<String>,
    },
    /// Run an action.
    InvokeAction {
        name: String,
        /// Its arguments, a JSON object.
        args: String,
        resource_type: Option<String>,
    },
    /// Print the actions.
    ListActions(Option<String>),
    /// Delete a resource.
    Delete { id: String, resource_type: String },
    /// Rotate credentials.
    Rotate {
        /// The resource's id.
        id: String,
        resource_type: String,
    },
    /// Sync to the file.
    Sync,
}

impl OneShot {
    /// The first that is set, in the contract's order.
    pub(super) fn choose(values: &Values) -> Result<Self, ConfigError> {
        let text = |name: &str| values.text(name).to_owned();
        Ok(if values.is_set("grant-entitlement") {
            Self::Grant {
                entitlement: text("grant-entitlement"),
                principal: text("grant-principal"),
                principal_type: values
                    .optional("grant-principal-type")
                    .unwrap_or_else(|| "user".to_owned()),
            }
        } else if values.is_set("revoke-grant") {
            Self::Revoke(text("revoke-grant"))
        } else if values.flag("event-feed")? {
            Self::EventFeed {
                feed: values.optional("event-feed-id"),
                cursor: values.optional("event-feed-cursor"),
                start_at: time(values, "event-feed-start-at")?,
            }
        } else if values.is_set("create-account-profile") || values.is_set("create-account-login") {
            Self::CreateAccount {
                login: values.optional("create-account-login"),
                email: values.optional("create-account-email"),
                profile: values.optional("create-account-profile"),
                resource_type: values.optional("create-account-resource-type"),
            }
        } else if values.is_set("invoke-action") {
            Self::InvokeAction {
                name: text("invoke-action"),
                args: text("invoke-action-args"),
                resource_type: values.optional("invoke-action-resource-type"),
            }
        } else if values.flag("list-action-schemas")? {
            Self::ListActions(values.optional("list-action-schemas-resource-type"))
        } else if values.is_set("delete-resource") {
            Self::Delete {
                id: text("delete-resource"),
                resource_type: text("delete-resource-type"),
            }
        } else if values.is_set("rotate-credentials") {
            Self::Rotate {
                id: text("rotate-credentials"),
                resource_type: text("rotate-credentials-type"),
            }
        } else {
            Self::Sync
        })
    }
}

fn time(values: &Values, name: &str) -> Result<Option<Timestamp>, ConfigError> {
    let parsed = values.optional(name).map(|text| text.parse()).transpose();
    parsed.map_err(|_| values.invalid(name, "must be a time as RFC 3339 has it, such as 2026-01-31T12:00:00Z"))
}
