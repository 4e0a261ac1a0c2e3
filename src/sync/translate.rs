//! PingOne's objects to the model (connector-model.md §3–5): pure functions, one file per resource type. No reads,
//! no counters, nothing dropped without a word to the caller.

mod application;
mod group;
mod machine;
mod population;
mod role;
mod scope;
mod user;

pub(crate) use application::{Around, Translated};
pub(crate) use group::{GroupKind, GroupPlan, group};
pub(crate) use machine::{client_secret, gateway, gateway_credential, key};
pub(crate) use population::{Membership, population, population_entitlement};
pub(crate) use role::{placeholder_role, role};
pub(crate) use scope::{Pair, environment, organization, other_scope, placeholder};
pub(crate) use user::{UserRules, is_bare_address, user};

use baton::model::{DESCRIPTION_MAX_BYTES, DISPLAY_NAME_MAX_BYTES, Value, cut};

/// The first text that is not blank, cut to the longest display name.
fn display_name<'a>(candidates: impl IntoIterator<Item = Option<&'a str>>) -> String {
    let text = candidates
        .into_iter()
        .flatten()
        .map(str::trim)
        .find(|text| !text.is_empty())
        .unwrap_or_default();
    cut(text, DISPLAY_NAME_MAX_BYTES).into_owned()
}

/// Parses a page of users, translates and encodes each, and answers how many there were and the bytes of their rows:
/// what a sync does with a page, without reading and writing. For benchmarks.
pub fn translate_page(body: &[u8]) -> Result<(usize, usize), serde_json::Error> {
    let rules = UserRules::new(&[], &[], &[]);
    let (mut users, mut bytes) = (0, 0);
    pingone::each_item(body, "users", |pingone| {
        users += 1;
        bytes += baton::wire::resource(&user(&pingone, None, &rules)).len();
    })?;
    Ok((users, bytes))
}

/// Whether a user's address made it into its trait.
pub(crate) fn has_email(resource: &baton::model::Resource) -> bool {
    matches!(&resource.resource_trait, baton::model::ResourceTrait::User(user) if user.email.is_some())
}

fn description(text: Option<&str>) -> String {
    cut(text.unwrap_or_default(), DESCRIPTION_MAX_BYTES).into_owned()
}

/// Customer data as it is: texts stay texts, JSON keeps its structure (connector-model.md §3.2).
fn json_value(value: &serde_json::Value) -> Value {
    match value {
        serde_json::Value::Null => Value::Null,
        serde_json::Value::Bool(value) => Value::Bool(*value),
        serde_json::Value::Number(value) => Value::Number(value.as_f64().unwrap_or_default()),
        serde_json::Value::String(value) => Value::String(value.clone()),
        serde_json::Value::Array(values) => Value::List(values.iter().map(json_value).collect()),
        serde_json::Value::Object(object) => Value::Object(
            object
                .iter()
                .map(|(key, value)| (key.clone(), json_value(value)))
                .collect(),
        ),
    }
}
