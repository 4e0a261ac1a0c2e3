//! Resources and their traits (connector-model.md §3).

use std::borrow::Cow;

use jiff::Timestamp;

use super::{Profile, ResourceType};

/// Longest display name in bytes (c1z.md §10.1 V13).
pub const DISPLAY_NAME_MAX_BYTES: usize = 1024;
/// Longest description in bytes (c1z.md §10.1 V13).
pub const DESCRIPTION_MAX_BYTES: usize = 2048;

/// A resource's id: its type and the target system's id.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ResourceId {
    pub resource_type: ResourceType,
    /// The target system's id.
    pub id: String,
}

impl ResourceId {
    /// An id from its parts.
    #[expect(
        clippy::needless_pass_by_value,
        reason = "ids are small and copied; a reference at every call would only be noise"
    )]
    pub fn new(resource_type: ResourceType, id: impl ToString) -> Self {
        Self {
            resource_type,
            id: id.to_string(),
        }
    }
}

/// A resource as a sync emits it. The trait's copies of profile, status and creation time are filled in by `wire`
/// from these fields, so the two cannot differ (connector-model.md §3.1).
#[derive(Debug, Clone, PartialEq)]
pub struct Resource {
    pub id: ResourceId,
    /// What it is part of, where that is in the same file.
    pub parent: Option<ResourceId>,
    /// Never empty, at most [`DISPLAY_NAME_MAX_BYTES`].
    pub display_name: String,
    /// Empty when there is none; at most [`DESCRIPTION_MAX_BYTES`].
    pub description: String,
    pub profile: Profile,
    /// The status, users only.
    pub status: Option<Status>,
    /// When the target system created it.
    pub created_at: Option<Timestamp>,
    /// What the type's trait adds.
    pub resource_trait: ResourceTrait,
    /// Set where nobody may change membership through us: becomes `EntitlementImmutable` on the resource.
    pub immutable: Option<&'static str>,
}

impl Resource {
    /// A resource of which no more is known than its name.
    pub fn new(id: ResourceId, display_name: &str, resource_trait: ResourceTrait) -> Self {
        Self {
            id,
            parent: None,
            display_name: display_name.to_owned(),
            description: String::new(),
            profile: Profile::default(),
            status: None,
            created_at: None,
            resource_trait,
            immutable: None,
        }
    }
}

/// A user's status (connector-model.md §3.2).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Status {
    /// Enabled, disabled or not known.
    pub kind: StatusKind,
    /// The detail text.
    pub details: String,
}

/// The state of a status.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StatusKind {
    /// The target system does not say.
    Unspecified,
    /// `enabled` is true.
    Enabled,
    /// `enabled` is false.
    Disabled,
}

/// What a resource's trait says beyond the resource itself.
#[derive(Debug, Clone, PartialEq)]
pub enum ResourceTrait {
    /// `UserTrait`
    User(Box<UserTrait>),
    /// `GroupTrait`
    Group(GroupTrait),
    /// `RoleTrait`
    Role(RoleTrait),
    /// `AppTrait`
    App(AppTrait),
    /// `SecretTrait`
    Secret(SecretTrait),
    /// `ScopeBindingTrait`
    Binding(BindingTrait),
    /// The type has none.
    None,
}

/// `ScopeBindingTrait`: a role over a scope. Both must be in the same file, with these ids byte for byte.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BindingTrait {
    pub role: ResourceId,
    pub scope: ResourceId,
}

/// `UserTrait` without the copies.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct UserTrait {
    /// The primary address, if it is one bare RFC 5322 address.
    pub email: Option<String>,
    /// The username.
    pub login: Option<String>,
    /// Other names the user signs on with, no duplicates.
    pub login_aliases: Vec<String>,
    /// The parts of the name, if any is set.
    pub structured_name: Option<StructuredName>,
    /// Employee ids, de-duplicated.
    pub employee_ids: Vec<String>,
    /// Human or service account.
    pub account_type: AccountType,
    /// Last sign-on.
    pub last_login: Option<Timestamp>,
    /// Set only when the target system says it.
    pub mfa_enabled: Option<bool>,
    /// True when an external identity provider is set; otherwise unset, never false.
    pub sso_enabled: Option<bool>,
}

/// The parts of a person's name.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct StructuredName {
    /// `name.given`
    pub given: Option<String>,
    /// `name.middle`
    pub middle: Option<String>,
    /// `name.family`
    pub family: Option<String>,
    /// `name.honorificPrefix`
    pub prefix: Option<String>,
    /// `name.honorificSuffix`
    pub suffix: Option<String>,
}

/// `UserTrait.AccountType`
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum AccountType {
    /// A person.
    #[default]
    Human,
    /// A service account.
    Service,
}

/// `GroupTrait` without the copies.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct GroupTrait {
    /// `native`, `dynamic` or `directory_synced`.
    pub source_type: &'static str,
    /// `STATIC`, `DYNAMIC`, `EXTERNAL` and, for the last, `:` with the source's type.
    pub raw_source_type: String,
}

/// `RoleTrait` without the copies; scopes are entitlements, not conditions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct RoleTrait;

/// `AppTrait` without the copies.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct AppTrait {
    /// Flag names such as `APP_FLAG_OIDC`.
    pub flags: Vec<&'static str>,
    /// What kind of application it is, in a word of the connector's.
    pub source_type: &'static str,
    /// The same in the target system's words.
    pub raw_source_type: String,
    /// Set where it signs on by itself with a credential that the organization holds: becomes `NonHumanIdentityTrait`
    /// with this detail.
    pub non_human: Option<String>,
}

/// `SecretTrait` without the copies: what is known of a credential beside its value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SecretTrait {
    /// Who signs on with it.
    pub identity: Option<ResourceId>,
    /// Until when it is valid.
    pub expires_at: Option<Timestamp>,
    /// When it was used last.
    pub last_used_at: Option<Timestamp>,
    /// See [`CredentialKind`].
    pub kind: CredentialKind,
    /// What it is, in the form `<platform>.<object>`.
    pub detail: String,
}

/// `SecretTrait.CredentialType`
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CredentialKind {
    /// A text that both sides know.
    StaticSecret,
    /// A key pair.
    AsymmetricKey,
}

/// Cuts a text at a character boundary so that it is at most `max_bytes` long.
pub fn cut(text: &str, max_bytes: usize) -> Cow<'_, str> {
    match text.get(..text.floor_char_boundary(max_bytes)) {
        Some(head) if text.len() > max_bytes => Cow::Owned(head.to_owned()),
        _ => Cow::Borrowed(text),
    }
}

#[cfg(test)]
mod tests {
    use super::cut;

    #[test]
    fn cuts_at_a_character_boundary() {
        assert_eq!(cut("abc", 3), "abc");
        assert_eq!(cut("abcd", 3), "abc");
        assert_eq!(cut("aé", 2), "a");
        assert_eq!(cut("", 0), "");
    }
}
