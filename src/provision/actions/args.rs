//! Arguments of an action, read strictly: nothing unknown, nothing of a wrong type, never silently a default
//! (connector-model.md §7.7). Error texts name the argument, never its value.

use serde_json::{Map, Value};
use uuid::Uuid;

use crate::provision::error::invalid;
use crate::provision::spelling::spelled;
use baton::task::{ActionSchema, JsonObject, TaskError};

/// Most bytes that the arguments of one action may hold; a user's attributes are far below it.
const ARGUMENTS_MAX_BYTES: usize = 256 * 1024;
/// Longest name of an unknown argument that an error repeats, in characters.
const NAME_MAX: usize = 64;

/// A name that came from outside, short enough for an error text.
pub(super) fn shown(name: &str) -> String {
    let mut short: String = name.chars().filter(|c| !c.is_control()).take(NAME_MAX).collect();
    if short.len() < name.len() {
        short.push('…');
    }
    short
}

/// The arguments under the names that the schema has for them; usual spellings are understood. Unknown ones without a
/// value are left out. Refuses unknown ones with a value, and more of them than an action can have use for.
pub(super) fn read(schema: &ActionSchema, args: &JsonObject) -> Result<JsonObject, TaskError> {
    if size(args) > ARGUMENTS_MAX_BYTES {
        return Err(invalid(format!(
            "the arguments of action {} are larger than {} KiB",
            schema.name,
            ARGUMENTS_MAX_BYTES / 1024
        )));
    }
    let known: Vec<&str> = schema.arguments.iter().map(|argument| argument.name).collect();
    spelled(args, &known, |name, nearest| {
        format!(
            "action {} has no argument {name}; the nearest is {nearest}. It takes {}",
            schema.name,
            known.join(", ")
        )
    })
}

/// Bytes of keys and texts, without writing them out.
fn size(args: &JsonObject) -> usize {
    fn of(value: &Value) -> usize {
        match value {
            Value::String(text) => text.len(),
            Value::Array(values) => values.iter().map(of).sum::<usize>() + values.len(),
            Value::Object(members) => size(members),
            _ => 8,
        }
    }
    args.iter().map(|(key, value)| key.len() + of(value)).sum()
}

/// A resource of this type: an object with its type and id under the names that C1 uses, or a bare id.
pub(super) fn resource(args: &JsonObject, name: &str, resource_type: &str) -> Result<Uuid, TaskError> {
    let value = args.get(name).unwrap_or(&Value::Null);
    let id = match value {
        Value::Null => return Err(invalid(format!("{name} is required"))),
        Value::String(id) => id.as_str(),
        Value::Object(object) => {
            let kind = member(
                object,
                ["resource_type_id", "resource_type", "resourceTypeId", "resourceType"],
            );
            if kind.is_some_and(|kind| kind != resource_type) {
                return Err(invalid(format!("{name} must be of the resource type {resource_type}")));
            }
            member(object, ["resource_id", "resource", "resourceId", "id"]).unwrap_or_default()
        }
        _ => return Err(invalid(format!("{name} must be a resource id or a text"))),
    };
    Uuid::try_parse(id.trim()).map_err(|_| {
        invalid(format!(
            "{name} must be the PingOne id of a {resource_type}, a UUID such as 7c2e1d94-55a0-4a34-9a1b-c0ffee001001"
        ))
    })
}

fn member<'a>(object: &'a Map<String, Value>, names: [&str; 4]) -> Option<&'a str> {
    names
        .iter()
        .find_map(|name| object.get(*name))
        .and_then(Value::as_str)
        .filter(|text| !text.is_empty())
}

/// A truth value, or its text form; `default` where it is absent.
pub(super) fn flag(args: &JsonObject, name: &str, default: bool) -> Result<bool, TaskError> {
    match args.get(name) {
        None | Some(Value::Null) => Ok(default),
        Some(value) => truth(value).ok_or_else(|| invalid(format!("{name} must be true or false"))),
    }
}

/// `true`, `false` and their texts.
pub(crate) fn truth(value: &Value) -> Option<bool> {
    match value {
        Value::Bool(value) => Some(*value),
        Value::String(text) => match text.trim().to_ascii_lowercase().as_str() {
            "true" => Some(true),
            "false" => Some(false),
            _ => None,
        },
        _ => None,
    }
}

/// A text; `None` where it is absent.
pub(super) fn text<'a>(args: &'a JsonObject, name: &str) -> Result<Option<&'a str>, TaskError> {
    match args.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(_) => Err(invalid(format!("{name} must be a text"))),
    }
}

/// An object, or a text that holds one.
pub(super) fn object(args: &JsonObject, name: &str) -> Result<JsonObject, TaskError> {
    match args.get(name) {
        None | Some(Value::Null) => Err(invalid(format!("{name} is required"))),
        Some(Value::Object(object)) => Ok(object.clone()),
        Some(Value::String(text)) => match serde_json::from_str(text) {
            Ok(Value::Object(object)) => Ok(object),
            _ => Err(invalid(format!("{name} must hold a JSON object"))),
        },
        Some(_) => Err(invalid(format!(
            "{name} must be a JSON object or a text that holds one"
        ))),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use baton::task::Code;

    use super::*;
    use crate::provision::actions::schema::action_schemas;

    const ID: &str = "7c2e1d94-55a0-4a34-9a1b-c0ffee001001";

    #[expect(clippy::needless_pass_by_value, reason = "a literal at every call")]
    fn args(value: Value) -> JsonObject {
        value.as_object().unwrap().clone()
    }

    #[test]
    fn a_user_is_named_by_text_or_by_resource_id() {
        for value in [
            json!(ID),
            json!(ID.to_uppercase()),
            json!({"resource_type_id": "user", "resource_id": ID}),
            json!({"resource_type": "user", "resource": ID}),
            json!({"resourceTypeId": "user", "resourceId": ID}),
            json!({"resource_id": ID}),
        ] {
            let found = resource(&args(json!({ "user_id": value })), "user_id", "user").unwrap();
            assert_eq!(found.to_string(), ID, "{value}");
        }
    }

    #[test]
    fn what_is_no_user_is_refused_without_repeating_it() {
        for value in [
            json!(null),
            json!(7),
            json!(true),
            json!([ID]),
            json!(""),
            json!("secret-looking-value"),
            json!({"resource_type_id": "group", "resource_id": ID}),
            json!({"resource_type_id": "user"}),
            json!({"resource_type_id": "user", "resource_id": "secret-looking-value"}),
            json!("x".repeat(1_000_000)),
        ] {
            let error = resource(&args(json!({ "user_id": value })), "user_id", "user").unwrap_err();
            assert_eq!(error.code, Code::InvalidArgument);
            assert!(
                error.message.len() < 200 && !error.message.contains("secret-looking"),
                "{error}"
            );
        }
    }

    #[test]
    fn unknown_and_oversized_arguments_are_refused() {
        let schemas = action_schemas();
        let lock = schemas.iter().find(|schema| schema.name == "lock_user").unwrap();
        assert!(read(lock, &args(json!({"user_id": ID, "until": ""}))).is_ok());
        for user in ["userId", "user", "account_id", "id", "User-ID"] {
            assert_eq!(
                read(lock, &args(json!({ user: ID }))).unwrap(),
                args(json!({"user_id": ID})),
                "{user}"
            );
        }
        let unknown = read(lock, &args(json!({"user_id": ID, "until": "tomorrow"}))).unwrap_err();
        assert_eq!(unknown.code, Code::InvalidArgument);
        assert_eq!(
            unknown.message,
            "action lock_user has no argument \"until\"; the nearest is user_id. It takes user_id"
        );
        let long = read(lock, &args(json!({"x".repeat(1_000_000): 1}))).unwrap_err();
        assert!(long.message.len() < 200, "{}", long.message.len());
        let update = schemas.iter().find(|schema| schema.name == "update_user").unwrap();
        let large = args(json!({"user_id": ID, "user_profile": "x".repeat(1_000_000)}));
        assert_eq!(read(update, &large).unwrap_err().code, Code::InvalidArgument);
        let nested = args(json!({"user_id": ID, "user_profile": {"a": {"b": ["x".repeat(1_000_000)]}}}));
        assert_eq!(read(update, &nested).unwrap_err().code, Code::InvalidArgument);
    }

    #[test]
    fn flags_and_objects_come_as_themselves_or_as_text() {
        for (value, flag_value) in [(json!(false), false), (json!("True"), true), (json!(null), true)] {
            assert_eq!(flag(&args(json!({ "f": value })), "f", true).unwrap(), flag_value);
        }
        assert!(flag(&args(json!({"f": "yes"})), "f", true).is_err());
        assert!(flag(&args(json!({"f": 1})), "f", true).is_err());
        for value in [json!({"a": 1}), json!("{\"a\":1}")] {
            assert_eq!(object(&args(json!({ "o": value })), "o").unwrap()["a"], 1);
        }
        for value in [json!(null), json!("[1]"), json!("{"), json!(7)] {
            assert_eq!(
                object(&args(json!({ "o": value })), "o").unwrap_err().code,
                Code::InvalidArgument
            );
        }
    }
}
