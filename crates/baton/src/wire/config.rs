//! The document of a connector's `config` command: `c1.config.v1.Configuration` (c1-protocol.md §12.4).

use serde_json::{Map, Value, json};

/// What a value looks like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ConfigKind {
    /// A text; one of these, where there are any.
    Text(&'static [&'static str]),
    /// A whole number, between these where they are told.
    Int(Option<(i64, i64)>),
    /// True or false.
    Bool,
    /// A list of texts.
    List,
}

/// One setting as C1's form shows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ConfigField {
    /// The name of the flag.
    pub name: &'static str,
    /// What it is called in the form; may be empty.
    pub display_name: &'static str,
    /// What it means.
    pub description: &'static str,
    /// Whether a value must be given.
    pub required: bool,
    /// Whether it is the operator's, not the administrator's.
    pub ops: bool,
    /// Whether the value is secret.
    pub secret: bool,
    /// The default; empty or `0` for none.
    pub default: &'static str,
    /// What a value looks like.
    pub kind: ConfigKind,
}

/// What the document says of the connector.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ConfigHead {
    /// The connector's display name.
    pub display_name: &'static str,
    /// Path of its documentation.
    pub help_url: &'static str,
    /// Path of its icon.
    pub icon_url: &'static str,
    /// Whether the source is one of people.
    pub is_directory: bool,
}

/// Proto3 JSON with two blanks of indent, no line end, and the three characters that HTML minds as escapes.
pub fn document(head: ConfigHead, fields: impl IntoIterator<Item = ConfigField>) -> String {
    let fields: Vec<Value> = fields.into_iter().map(field_json).collect();
    let mut document = Map::new();
    document.insert("fields".to_owned(), json!(fields));
    document.insert("displayName".to_owned(), json!(head.display_name));
    document.insert("helpUrl".to_owned(), json!(head.help_url));
    document.insert("iconUrl".to_owned(), json!(head.icon_url));
    if head.is_directory {
        document.insert("isDirectory".to_owned(), json!(true));
    }
    let text = serde_json::to_string_pretty(&document).unwrap_or_default();
    text.replace('<', "\\u003c")
        .replace('>', "\\u003e")
        .replace('&', "\\u0026")
}

fn field_json(field: ConfigField) -> Value {
    let mut object = Map::new();
    let mut set = |key: &str, value: Value| {
        object.insert(key.to_owned(), value);
    };
    set("name", json!(field.name));
    if !field.display_name.is_empty() {
        set("displayName", json!(field.display_name));
    }
    set("description", json!(field.description));
    for (key, yes) in [
        ("isRequired", field.required),
        ("isOps", field.ops),
        ("isSecret", field.secret),
    ] {
        if yes {
            set(key, json!(true));
        }
    }
    let (key, value) = kind_json(field);
    set(key, value);
    Value::Object(object)
}

fn kind_json(field: ConfigField) -> (&'static str, Value) {
    let mut kind = Map::new();
    let mut rules = Map::new();
    let key = match field.kind {
        ConfigKind::Text(choices) => {
            if !field.default.is_empty() {
                kind.insert("defaultValue".to_owned(), json!(field.default));
            }
            if !choices.is_empty() {
                rules.insert("in".to_owned(), json!(choices));
            }
            if field.required {
                rules.insert("isRequired".to_owned(), json!(true));
            }
            "stringField"
        }
        ConfigKind::Int(range) => {
            if field.default != "0" {
                kind.insert("defaultValue".to_owned(), json!(field.default));
            }
            if let Some((least, most)) = range {
                rules.insert("lte".to_owned(), json!(most.to_string()));
                rules.insert("gte".to_owned(), json!(least.to_string()));
            }
            "intField"
        }
        ConfigKind::Bool => "boolField",
        ConfigKind::List => "stringSliceField",
    };
    if !rules.is_empty() {
        kind.insert("rules".to_owned(), Value::Object(rules));
    }
    (key, Value::Object(kind))
}
