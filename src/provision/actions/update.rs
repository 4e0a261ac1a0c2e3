//! `update_user`, `update_profile`: only what differs is sent, and what PingOne made of it is compared with what was
//! asked, because PingOne ignores what it does not know (pingone-api.md §3.1).

use std::collections::BTreeMap;

use serde_json::{Value, json};
use uuid::Uuid;

use super::args::{object, shown, truth};
use super::live;
use super::profile::{Changes, Form, is_known, provider_id};
use super::schema::{ADDITIONAL, SUCCESS, UPDATED_FIELDS, UPDATED_USER, USER_ID, USER_PROFILE};
use crate::provision::account::keys;
use crate::provision::audit::ChangeOutcome;
use crate::provision::context::{AuditEntry, TaskContext};
use crate::provision::error::{Failure, invalid, unshown};
use crate::provision::population::{move_to, refuse_off, refuse_out_of_sight};
use crate::provision::spelling::{is_void, key_of, nearest};
use crate::provision::sure::catch_up;
use crate::provision::write::{Applied, Rules, SETTLE, Write, apply, apply_state};
use crate::sync::{UserRules, translate_user};
use baton::task::{ActionOutcome, Code, JsonObject, TaskError};
use pingone::types::User;
use pingone::write::users;
use pingone::{Client, SchemaAttribute};

/// Reads after PingOne's answer until one shows the change; reads lag.
const READ_BACKS: u32 = 6;

/// `update_user`: a profile as an object or as a text that holds one.
pub(super) async fn user(task: &TaskContext, id: Uuid, args: &JsonObject) -> Result<ActionOutcome, Failure> {
    let mut changes = Changes::default();
    let profile = spelled_profile(task, object(args, USER_PROFILE)?).await?;
    changes.read(&profile, Form::Whole)?;
    let updated = update(task, id, changes).await?;
    let fields = Value::from(updated.keys.join(","));
    Ok(updated.outcome(UPDATED_FIELDS, fields))
}

/// `update_profile`: an argument for each attribute.
pub(super) async fn profile(task: &TaskContext, id: Uuid, args: &JsonObject) -> Result<ActionOutcome, Failure> {
    let named = args.iter().filter(|(key, value)| {
        // An argument that was left out may arrive as null.
        !value.is_null() && key.as_str() != USER_ID && key.as_str() != ADDITIONAL
    });
    let named: JsonObject = named.map(|(key, value)| (key.clone(), value.clone())).collect();
    let mut changes = Changes::default();
    changes.read(&named, Form::Whole)?;
    match args.get(ADDITIONAL) {
        None | Some(Value::Null) => {}
        Some(Value::Object(further)) => changes.read(further, Form::Additional)?,
        Some(_) => return Err(invalid("additional_attributes must be a map").into()),
    }
    let updated = update(task, id, changes).await?;
    let resource = resource(&updated.user);
    Ok(updated.outcome(UPDATED_USER, resource))
}

/// A profile whose usual spellings are keys of ours. An attribute of the environment that is called so keeps its name, so
/// that a value never lands in another attribute.
async fn spelled_profile(task: &TaskContext, profile: JsonObject) -> Result<JsonObject, Failure> {
    let keys = keys();
    let usual = |name: &str| key_of(name, &keys).filter(|_| !is_known(name));
    if !profile.keys().any(|name| usual(name).is_some()) {
        return Ok(profile);
    }
    let attributes = task.read(task.client().user_attributes()).await?;
    let theirs = |name: &str| attributes.iter().any(|attribute| attribute.name == name);
    let mut named = JsonObject::new();
    for (name, value) in profile {
        let key = usual(&name)
            .filter(|_| !theirs(&name))
            .map_or_else(|| name.clone(), str::to_owned);
        if named.get(&key).is_some_and(|other| *other != value) {
            let message = format!(
                "{} names {key}, which is given with another value as well",
                shown(&name)
            );
            return Err(invalid(message).into());
        }
        named.insert(key, value);
    }
    Ok(named)
}

/// What became of an update.
struct Updated {
    /// Keys that changed.
    keys: Vec<String>,
    /// The user afterwards.
    user: User,
    /// What stopped it half-way.
    failure: Option<String>,
}

impl Updated {
    fn outcome(self, name: &str, value: Value) -> ActionOutcome {
        let success = self.failure.is_none();
        let response = [(SUCCESS.to_owned(), success.into()), (name.to_owned(), value)]
            .into_iter()
            .collect();
        match self.failure {
            None => ActionOutcome::Complete(response),
            Some(message) => ActionOutcome::Failed { message, response },
        }
    }
}

async fn update(task: &TaskContext, id: Uuid, mut changes: Changes) -> Result<Updated, Failure> {
    if changes.is_empty() {
        return Err(invalid("no attribute is named").into());
    }
    let mut before = live(task, id).await?;
    check_custom(task, &mut changes).await?;
    let steps = steps(task, &before, &changes).await?;
    let wanted = changes;
    let is_so = |user: &User| wanted.differing(user).keys().is_empty() && steps.iter().all(|step| step.is_so(user));
    if is_so(&before) {
        // One read alone may be behind.
        catch_up(task).await?;
        before = live(task, id).await?;
    }
    let changes = wanted.differing(&before);
    let mut updated = Updated {
        keys: Vec::new(),
        user: before.clone(),
        failure: None,
    };
    if let Some(body) = changes.body(&before) {
        patch(task, &before, &changes, &body, &mut updated).await?;
    }
    let patched = !updated.keys.is_empty();
    for step in steps.iter().filter(|step| !step.is_so(&before)) {
        match step.run(task, &before).await {
            Ok(()) => updated.keys.push(step.key().to_owned()),
            Err(failure) if updated.keys.is_empty() => return Err(failure),
            Err(failure) => {
                let message = failure.into_task().message;
                let done = updated.keys.join(",");
                let text = format!("account {id}: {done} changed, {} not: {message}", step.key());
                updated.failure.get_or_insert(text);
                break;
            }
        }
    }
    let left_out = wanted.keys().len() + steps.len() > updated.keys.len();
    if updated.failure.is_none() && !updated.keys.is_empty() && left_out && !task.is_dry_run() {
        // What shows the patch is not behind.
        let now = if patched {
            Ok(updated.user.clone())
        } else {
            task.deciding().user(id).await
        };
        updated.failure = match now {
            Ok(now) => not_any_more(&before, &now, &wanted, &steps, &updated.keys),
            Err(error) => {
                let done = updated.keys.join(",");
                Some(format!(
                    "account {id}: {done} changed, and whether the rest is still so could not be read: {error}"
                ))
            }
        };
    }
    Ok(updated)
}

/// What was not sent because the first read showed it so must be so after the writes as well: that read may have come from
/// a node that was behind.
fn not_any_more(before: &User, now: &User, wanted: &Changes, steps: &[Step], sent: &[String]) -> Option<String> {
    let unsent = |key: &str| !sent.iter().any(|sent| sent == key);
    let unmet = wanted
        .unmet(before, now)
        .into_iter()
        .filter(|key| unsent(key))
        .map(shown);
    let steps = steps.iter().filter(|step| !step.is_so(now) && unsent(step.key()));
    let names: Vec<String> = unmet.chain(steps.map(|step| step.key().to_owned())).collect();
    (!names.is_empty()).then(|| {
        format!(
            "account {}: {} was so when it was first read and is not any more. Try again",
            before.id,
            names.join(", ")
        )
    })
}

/// The user, where all that was asked for is so; `None` where nothing of it is. Somebody else's value is neither ours nor to
/// be overwritten.
fn verified(changes: &Changes, before: &User, now: User) -> Result<Option<User>, Failure> {
    if changes.unmet(before, &now).is_empty() {
        return Ok(Some(now));
    }
    if changes.otherwise(before, &now).is_empty() {
        return Ok(None);
    }
    let message = "the user has another value than was asked for";
    Err(Failure::refused(Code::Unavailable, message))
}

/// The attributes of the user object, all in one call.
async fn patch(
    task: &TaskContext,
    before: &User,
    changes: &Changes,
    body: &Value,
    updated: &mut Updated,
) -> Result<(), Failure> {
    let id = before.id;
    let keys = changes.keys();
    let call = users::update(id, body);
    let object = format!("user {id}");
    // Names only: values of a person's profile are in no log.
    let entry = AuditEntry {
        object: &object,
        before: "other values",
        after: &keys.join(","),
    };
    // PingOne leaves out what it does not know, so what is read back depends on its answer.
    let rules = Rules {
        read_back: false,
        ..Rules::STATE
    };
    let write = Write::new(&call, entry, rules)
        .accepting(|call, written| written.json::<User>(call).is_ok())
        .audited_by_caller();
    let end = apply(task, write, |client| async move {
        verified(changes, before, client.user(id).await?)
    });
    let (after, outcome, request_id) = match end.await? {
        Applied::Planned => (None, None, None),
        Applied::Answered(written) => {
            let said = written.json(&call)?;
            let Some(user) = read_back(task, before, changes, &said).await else {
                task.audit(&call, entry, ChangeOutcome::Unknown, written.request_id.clone());
                return Err(unshown(&call, Some(&written)));
            };
            (Some(user), Some(ChangeOutcome::Done), written.request_id)
        }
        Applied::Seen(user) => (Some(user), Some(ChangeOutcome::Confirmed), None),
        Applied::Already(user) => (Some(user), None, None),
    };
    let ignored = after.as_ref().map(|after| changes.unmet(before, after));
    let ignored = ignored.unwrap_or_default();
    let effective: Vec<&str> = keys.iter().filter(|key| !ignored.contains(key)).copied().collect();
    if let Some(outcome) = outcome {
        let after = if effective.is_empty() {
            "nothing"
        } else {
            &effective.join(",")
        };
        task.audit(&call, AuditEntry { after, ..entry }, outcome, request_id);
    }
    updated.keys.extend(effective.iter().map(|key| (*key).to_owned()));
    if !ignored.is_empty() {
        let names: Vec<String> = ignored.iter().map(|key| shown(key)).collect();
        updated.failure = Some(format!(
            "account {id}: PingOne took the update and did not change {} as it was asked for",
            names.join(", ")
        ));
    }
    if let Some(after) = after {
        updated.user = after;
    }
    Ok(())
}

/// The user as a read shows it after PingOne's answer; `None` where it lacks what the answer shows.
async fn read_back(task: &TaskContext, before: &User, changes: &Changes, said: &User) -> Option<User> {
    let left_out = changes.unmet(before, said);
    for look in 0..READ_BACKS {
        if look > 0 {
            tokio::time::sleep(SETTLE).await;
        }
        if let Ok(now) = task.deciding().user(before.id).await
            && changes.unmet(before, &now).iter().all(|key| left_out.contains(key))
        {
            return Some(now);
        }
    }
    None
}

/// A change with a call of its own.
enum Step {
    Population(Uuid),
    Mfa(bool),
    IdentityProvider(String),
}

impl Step {
    const fn key(&self) -> &'static str {
        match self {
            Self::Population(_) => "population",
            Self::Mfa(_) => "mfa_enabled",
            Self::IdentityProvider(_) => "identity_provider_id",
        }
    }

    /// The user has it.
    fn is_so(&self, user: &User) -> bool {
        match self {
            Self::Population(target) => user.population_id() == Some(*target),
            Self::Mfa(wanted) => user.mfa_enabled == Some(*wanted),
            Self::IdentityProvider(provider) => provider_id(user) == Some(provider),
        }
    }

    async fn run(&self, task: &TaskContext, user: &User) -> Result<(), Failure> {
        let id = user.id;
        let object = format!("user {id}");
        match self {
            Self::Population(target) => {
                move_to(task, id, user.population_id(), *target).await?;
                tracing::info!(
                    user = %id,
                    "a user was moved to another population; what groups of the former one gave is lost"
                );
                Ok(())
            }
            Self::Mfa(wanted) => {
                let wanted = *wanted;
                let entry = AuditEntry {
                    object: &object,
                    before: word(user.mfa_enabled),
                    after: word(Some(wanted)),
                };
                let holds = |client: Client| async move { Ok(client.user(id).await?.mfa_enabled == Some(wanted)) };
                let call = users::set_mfa(id, wanted);
                apply_state(task, Write::new(&call, entry, Rules::STATE), holds)
                    .await
                    .map(drop)
            }
            Self::IdentityProvider(provider) => {
                let entry = AuditEntry {
                    object: &object,
                    before: user.identity_provider_type().unwrap_or("PING_ONE"),
                    after: &format!("identity provider {provider}"),
                };
                let holds = |client: Client| async move { Ok(provider_id(&client.user(id).await?) == Some(provider)) };
                let call = users::set_identity_provider(id, provider);
                apply_state(task, Write::new(&call, entry, Rules::STATE), holds)
                    .await
                    .map(drop)
            }
        }
    }
}

const fn word(mfa: Option<bool>) -> &'static str {
    match mfa {
        Some(true) => "MFA on",
        Some(false) => "MFA off",
        None => "MFA unknown",
    }
}

/// The changes with calls of their own, everything that they name looked up.
async fn steps(task: &TaskContext, user: &User, changes: &Changes) -> Result<Vec<Step>, Failure> {
    let mut steps = Vec::new();
    if let Some(wanted) = &changes.population {
        let target = population_named(task, wanted).await?;
        if user.population_id() != Some(target) {
            refuse_off(task)?;
            refuse_out_of_sight(task, target).await?;
        }
        steps.push(Step::Population(target));
    }
    steps.extend(changes.mfa_enabled.map(Step::Mfa));
    if let Some(wanted) = &changes.identity_provider {
        if provider_id(user) != Some(wanted) {
            let known = task.read(task.client().identity_providers()).await?;
            if !known.iter().any(|provider| provider.id == *wanted) {
                let message = "identity_provider_id names no identity provider of this environment";
                return Err(invalid(message).into());
            }
        }
        steps.push(Step::IdentityProvider(wanted.clone()));
    }
    Ok(steps)
}

/// A population by id or exact name.
async fn population_named(task: &TaskContext, wanted: &str) -> Result<Uuid, Failure> {
    let all = task.read(task.client().populations().all()).await?;
    let by_id = Uuid::try_parse(wanted).ok();
    let found: Vec<Uuid> = all
        .iter()
        .filter(|population| Some(population.id) == by_id || population.name.as_deref() == Some(wanted))
        .map(|population| population.id)
        .collect();
    match found.as_slice() {
        [one] => Ok(*one),
        [] => Err(invalid("population names no population of this environment").into()),
        _ => Err(invalid("population names several populations of this environment; give the id").into()),
    }
}

/// Holds attributes of the customer against the schema, and reads a text as what the schema wants.
async fn check_custom(task: &TaskContext, changes: &mut Changes) -> Result<(), Failure> {
    let custom = changes.custom();
    let custom = custom.map(|(name, value)| (name.to_owned(), value.clone())).collect();
    for (name, value) in check_additional(task, custom).await? {
        changes.set_custom(&name, value);
    }
    Ok(())
}

/// Attributes that have no field of their own, as the schema wants them. One that it does not know is refused, because
/// PingOne would ignore it.
pub(crate) async fn check_additional(task: &TaskContext, sent: JsonObject) -> Result<JsonObject, Failure> {
    if sent.is_empty() {
        return Ok(sent);
    }
    let attributes = task.read(task.client().user_attributes()).await?;
    let mut sent = sent;
    // An unknown name without a value says nothing.
    sent.retain(|name, value| !is_void(value) || attributes.iter().any(|attribute| attribute.name == *name));
    let known: BTreeMap<&str, &SchemaAttribute> = attributes
        .iter()
        .filter(|attribute| attribute.enabled != Some(false))
        .map(|attribute| (attribute.name.as_str(), attribute))
        .collect();
    let checked: Result<JsonObject, TaskError> = sent
        .into_iter()
        .map(|(name, value)| {
            let value = typed(&known, &name, &value)?;
            Ok((name, value))
        })
        .collect();
    Ok(checked?)
}

fn typed(known: &BTreeMap<&str, &SchemaAttribute>, name: &str, value: &Value) -> Result<Value, TaskError> {
    let Some(attribute) = known.get(name) else {
        let nearest = nearest(name, known.keys().copied().chain(keys())).unwrap_or_default();
        return Err(invalid(format!(
            "{} is neither a key of the account fields nor an attribute of this environment's schema (names are case \
             sensitive); the nearest is {nearest}",
            shown(name)
        )));
    };
    let wrong = |what: &str| invalid(format!("{} must be {what}", shown(name)));
    if value.is_null() {
        return Ok(Value::Null);
    }
    let kind = attribute.attribute_type.as_deref().unwrap_or_default();
    if attribute.multi_valued == Some(true) {
        return match value {
            Value::Array(_) => Ok(value.clone()),
            Value::String(text) => match serde_json::from_str(text) {
                Ok(list @ Value::Array(_)) => Ok(list),
                _ => Ok(json!([text])),
            },
            _ => Err(wrong("a list")),
        };
    }
    match (kind, value) {
        ("BOOLEAN", value) => truth(value).map(Value::Bool).ok_or_else(|| wrong("true or false")),
        ("STRING", Value::String(_)) => Ok(value.clone()),
        ("STRING", _) => Err(wrong("a text")),
        ("JSON" | "COMPLEX", Value::String(text)) => serde_json::from_str(text).map_err(|_| wrong("JSON")),
        _ => Ok(value.clone()),
    }
}

/// Proto3 JSON of `c1.config.v1.Resource`.
fn resource(user: &User) -> Value {
    let resource = translate_user(user, None, &UserRules::new(&[], &[], &[]));
    json!({
        "resourceId": {"resourceTypeId": resource.id.resource_type.id(), "resourceId": resource.id.id},
        "displayName": resource.display_name,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn attribute(kind: &str, multi_valued: bool) -> SchemaAttribute {
        SchemaAttribute {
            name: "a".to_owned(),
            attribute_type: Some(kind.to_owned()),
            enabled: Some(true),
            multi_valued: Some(multi_valued),
        }
    }

    #[test]
    fn a_value_is_read_as_what_the_schema_wants() {
        for (kind, list, value, wanted) in [
            ("STRING", false, json!("x"), Some(json!("x"))),
            ("STRING", false, json!(7), None),
            ("STRING", false, Value::Null, Some(Value::Null)),
            ("BOOLEAN", false, json!("true"), Some(json!(true))),
            ("BOOLEAN", false, json!("x"), None),
            ("JSON", false, json!("{\"a\":1}"), Some(json!({"a": 1}))),
            ("JSON", false, json!("{"), None),
            ("JSON", false, json!({"a": 1}), Some(json!({"a": 1}))),
            ("STRING", true, json!("x"), Some(json!(["x"]))),
            ("STRING", true, json!("[\"x\",\"y\"]"), Some(json!(["x", "y"]))),
            ("STRING", true, json!({}), None),
            ("SOMETHING_NEW", false, json!(7), Some(json!(7))),
        ] {
            let attribute = attribute(kind, list);
            let known = [("a", &attribute)].into_iter().collect();
            assert_eq!(typed(&known, "a", &value).ok(), wanted, "{kind} {value}");
            let error = typed(&known, "A", &value).unwrap_err();
            assert_eq!(error.code, baton::task::Code::InvalidArgument);
        }
    }
}
