//! Users (connector-model.md §3.2).

use crate::model::USER;
use std::collections::BTreeMap;

use super::{display_name, json_value};
use baton::model::{
    AccountType, Profile, Resource, ResourceId, ResourceTrait, Status, StatusKind, StructuredName, UserTrait, Value,
};
use pingone::types::{Name, User};

/// Attribute names that hold employee ids unless others are configured; compared without case and underscores.
const EMPLOYEE_ID_ATTRIBUTES: [&str; 3] = ["employeenumber", "employeeid", "employeeidnumber"];

/// What the settings say about users.
#[derive(Debug, Clone, Default)]
pub(crate) struct UserRules {
    custom_attributes: Vec<String>,
    all_custom_attributes: bool,
    employee_id_attributes: Vec<String>,
    service_account_types: Vec<String>,
}

impl UserRules {
    pub(crate) fn new(custom: &[String], employee_ids: &[String], service_types: &[String]) -> Self {
        let employee_id_attributes = if employee_ids.is_empty() {
            EMPLOYEE_ID_ATTRIBUTES.iter().map(|name| (*name).to_owned()).collect()
        } else {
            employee_ids.iter().map(|name| fold(name)).collect()
        };
        Self {
            custom_attributes: custom.iter().filter(|name| *name != "*").cloned().collect(),
            all_custom_attributes: custom.iter().any(|name| name == "*"),
            employee_id_attributes,
            service_account_types: service_types.iter().map(|kind| kind.to_lowercase()).collect(),
        }
    }

    fn wants(&self, attribute: &str) -> bool {
        self.all_custom_attributes || self.custom_attributes.iter().any(|name| name == attribute)
    }
}

/// A name without case and underscores.
fn fold(name: &str) -> String {
    name.chars()
        .filter(|c| *c != '_')
        .flat_map(char::to_lowercase)
        .collect()
}

/// Whether `name` without case and underscores is `folded`.
fn is_folded(name: &str, folded: &str) -> bool {
    let letters = name.chars().filter(|c| *c != '_').flat_map(char::to_lowercase);
    letters.eq(folded.chars())
}

/// A user as a resource. `population_name` is the name of the user's population, where the list has it.
pub(crate) fn user(user: &User, population_name: Option<&str>, rules: &UserRules) -> Resource {
    let status = status(user);
    Resource {
        id: ResourceId::new(USER, user.id),
        parent: None,
        display_name: user_display_name(user),
        description: String::new(),
        profile: profile(user, population_name, rules),
        created_at: user.created_at,
        resource_trait: ResourceTrait::User(Box::new(user_trait(user, rules))),
        status: Some(status),
        immutable: None,
    }
}

fn user_display_name(user: &User) -> String {
    let name = user.name.as_ref();
    let joined = name.map(|name| {
        [name.given.as_deref(), name.family.as_deref()]
            .into_iter()
            .flatten()
            .collect::<Vec<_>>()
            .join(" ")
    });
    let id = user.id.to_string();
    display_name([
        name.and_then(|name| name.formatted.as_deref()),
        joined.as_deref(),
        user.nickname.as_deref(),
        user.username.as_deref(),
        user.email.as_deref(),
        Some(id.as_str()),
    ])
}

/// Only `enabled` decides between the two states; everything else is detail text (connector-model.md §3.2).
fn status(user: &User) -> Status {
    let locked = user.account_status().is_some_and(|status| status == "LOCKED");
    let (kind, details) = match user.enabled {
        None => (StatusKind::Unspecified, "UNKNOWN"),
        Some(false) if locked => (StatusKind::Disabled, "DISABLED, LOCKED"),
        Some(false) => (StatusKind::Disabled, "DISABLED"),
        Some(true) if locked => (StatusKind::Enabled, "LOCKED"),
        Some(true) => {
            let account = user.account_status().filter(|status| *status != "OK");
            let lifecycle = user.lifecycle_status().filter(|status| *status != "ACCOUNT_OK");
            (StatusKind::Enabled, account.or(lifecycle).unwrap_or("ACTIVE"))
        }
    };
    Status {
        kind,
        details: baton::model::cut(details, 1024).into_owned(),
    }
}

fn user_trait(user: &User, rules: &UserRules) -> UserTrait {
    let service = user
        .user_type
        .as_ref()
        .is_some_and(|kind| rules.service_account_types.contains(&kind.to_lowercase()));
    UserTrait {
        email: user.email.clone().filter(|email| is_bare_address(email)),
        login: user.username.clone(),
        login_aliases: login_aliases(user),
        structured_name: user.name.as_ref().and_then(structured_name),
        employee_ids: employee_ids(user, rules),
        account_type: if service {
            AccountType::Service
        } else {
            AccountType::Human
        },
        last_login: user.last_sign_on_at(),
        mfa_enabled: user.mfa_enabled,
        sso_enabled: user
            .identity_provider_type()
            .filter(|kind| *kind != "PING_ONE")
            .map(|_| true),
    }
}

fn login_aliases(user: &User) -> Vec<String> {
    let username = user.username.as_deref();
    let local = username
        .filter(|name| name.matches('@').count() == 1)
        .and_then(|name| name.split('@').next())
        .filter(|local| !local.is_empty());
    let email = user.email.as_deref().filter(|email| Some(*email) != username);
    let mut aliases: Vec<String> = Vec::new();
    for alias in [local, email].into_iter().flatten() {
        if !aliases.iter().any(|known| known == alias) {
            aliases.push(alias.to_owned());
        }
    }
    aliases
}

fn structured_name(name: &Name) -> Option<StructuredName> {
    let name = StructuredName {
        given: name.given.clone(),
        middle: name.middle.clone(),
        family: name.family.clone(),
        prefix: name.honorific_prefix.clone(),
        suffix: name.honorific_suffix.clone(),
    };
    (name != StructuredName::default()).then_some(name)
}

/// The values of the named attributes: PingOne's own in the order of [`User::texts`], then the customer's by name.
fn employee_ids(user: &User, rules: &UserRules) -> Vec<String> {
    let named = |name: &str| {
        rules
            .employee_id_attributes
            .iter()
            .any(|wanted| is_folded(name, wanted))
    };
    let mut ids: Vec<String> = Vec::new();
    for (_, text) in user.texts().filter(|(name, _)| named(name)) {
        push_id(&mut ids, text);
    }
    for (_, value) in user.custom.iter().filter(|(name, _)| named(name)) {
        push_ids(&mut ids, value);
    }
    ids
}

/// An attribute of several values gives an id for each; a composed one has none.
fn push_ids(ids: &mut Vec<String>, value: &serde_json::Value) {
    match value {
        serde_json::Value::String(text) => push_id(ids, text),
        serde_json::Value::Number(number) => push_id(ids, &number.to_string()),
        serde_json::Value::Array(values) => values.iter().for_each(|value| push_ids(ids, value)),
        _ => {}
    }
}

fn push_id(ids: &mut Vec<String>, id: &str) {
    if !id.trim().is_empty() && !ids.iter().any(|known| known == id) {
        ids.push(id.to_owned());
    }
}

fn profile(user: &User, population_name: Option<&str>, rules: &UserRules) -> Profile {
    let mut profile = Profile::default();
    let p = &mut profile;
    p.text("id", Some(user.id.to_string()));
    p.text("username", user.username.clone());
    p.text("email", user.email.clone());
    p.flag("email_verified", user.email_verified);
    p.text("external_id", user.external_id.clone());
    p.text("account_id", user.account_id.clone());
    p.text("type", user.user_type.clone());
    p.text("environment_id", user.environment_id());
    names_and_contact(user, p);
    p.text("locale", user.locale.clone());
    p.text("preferred_language", user.preferred_language.clone());
    p.text("timezone", user.timezone.clone());
    p.text("population_id", user.population_id().map(|id| id.to_string()));
    p.text("population_name", population_name);
    p.flag("enabled", user.enabled);
    p.text("account_status", user.account_status());
    p.flag(
        "account_can_authenticate",
        user.account.as_ref().and_then(|account| account.can_authenticate),
    );
    p.text("lifecycle_status", user.lifecycle_status());
    p.text("verify_status", user.verify_status.clone());
    p.flag("mfa_enabled", user.mfa_enabled);
    p.text(
        "identity_provider_id",
        user.identity_provider.as_ref().and_then(|provider| provider.id.clone()),
    );
    p.text("identity_provider_type", user.identity_provider_type());
    p.text("last_sign_on_at", user.last_sign_on_at().map(|at| at.to_string()));
    p.text("created_at", user.created_at.map(|at| at.to_string()));
    p.text("updated_at", user.updated_at.map(|at| at.to_string()));
    let custom: BTreeMap<_, _> = user
        .custom
        .iter()
        .filter(|(name, value)| rules.wants(name) && !value.is_null())
        .map(|(name, value)| (name.clone(), json_value(value)))
        .collect();
    if !custom.is_empty() {
        p.set("custom", Value::Object(custom));
    }
    profile
}

fn names_and_contact(user: &User, p: &mut Profile) {
    if let Some(name) = &user.name {
        p.text("given_name", name.given.clone());
        p.text("family_name", name.family.clone());
        p.text("middle_name", name.middle.clone());
        p.text("formatted_name", name.formatted.clone());
        p.text("honorific_prefix", name.honorific_prefix.clone());
        p.text("honorific_suffix", name.honorific_suffix.clone());
    }
    p.text("nickname", user.nickname.clone());
    p.text("title", user.title.clone());
    p.text("primary_phone", user.primary_phone.clone());
    p.text("mobile_phone", user.mobile_phone.clone());
    if let Some(address) = &user.address {
        p.text("street_address", address.street_address.clone());
        p.text("locality", address.locality.clone());
        p.text("region", address.region.clone());
        p.text("postal_code", address.postal_code.clone());
        p.text("country_code", address.country_code.clone());
    }
    p.text("photo_url", user.photo.as_ref().and_then(|photo| photo.href.clone()));
}

/// One bare RFC 5322 address within the limits that C1's side checks (connector-model.md §3.2): at most 254 bytes,
/// local part at most 64, domain at most 253, labels of 1 to 63 letters, digits and inner hyphens.
pub(crate) fn is_bare_address(text: &str) -> bool {
    let Some((local, domain)) = text.rsplit_once('@') else {
        return false;
    };
    if text.len() > 254 || local.is_empty() || local.len() > 64 || domain.len() > 253 {
        return false;
    }
    is_dot_atom(local) && domain.split('.').all(is_label)
}

/// The local part: atoms of RFC 5322 joined by single dots. Letters beyond ASCII are fine (RFC 6532).
fn is_dot_atom(local: &str) -> bool {
    local.split('.').all(|atom| {
        !atom.is_empty()
            && atom.chars().all(|c| {
                c.is_ascii_alphanumeric() || "!#$%&'*+-/=?^_`{|}~".contains(c) || (!c.is_ascii() && !c.is_control())
            })
    })
}

fn is_label(label: &str) -> bool {
    (1..=63).contains(&label.len())
        && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
        && !label.starts_with('-')
        && !label.ends_with('-')
}

#[cfg(test)]
mod tests;
