//! What describes this binary to C1 (connector-model.md §8): the documents of `config` and `capabilities`, and the
//! connector's metadata. Needs no credentials. The committed copies at the top of the repository are compared with
//! what is printed here.

use serde_json::{Map, Value, json};

use crate::config::fields::{FIELDS, Field, Kind};
use crate::model::ResourceType;
use crate::wire::describe;
use crate::wire::json::JsonError;

/// The `config` document: `c1.config.v1.Configuration` in proto3 JSON, two blanks of indent, no line end, and the
/// three characters that HTML minds as escapes.
pub fn config_document() -> String {
    let fields: Vec<Value> = FIELDS.iter().filter(|field| field.export).map(field_json).collect();
    let document = json!({
        "fields": fields,
        "displayName": "PingOne",
        "helpUrl": "/docs/baton/ping-one",
        "iconUrl": "/static/app-icons/ping-one.svg",
        "isDirectory": true
    });
    let text = serde_json::to_string_pretty(&document).unwrap_or_default();
    text.replace('<', "\\u003c")
        .replace('>', "\\u003e")
        .replace('&', "\\u0026")
}

fn field_json(field: &Field) -> Value {
    let mut object = Map::new();
    let mut set = |key: &str, value: Value| {
        object.insert(key.to_owned(), value);
    };
    set("name", json!(field.name));
    if !field.display_name.is_empty() {
        set("displayName", json!(field.display_name));
    }
    set("description", json!(field.help));
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

fn kind_json(field: &Field) -> (&'static str, Value) {
    let mut kind = Map::new();
    let mut rules = Map::new();
    let key = match field.kind {
        Kind::Text | Kind::Choice(_) | Kind::Duration => {
            if !field.default.is_empty() {
                kind.insert("defaultValue".to_owned(), json!(field.default));
            }
            if let Kind::Choice(choices) = field.kind {
                rules.insert("in".to_owned(), json!(choices));
            }
            if field.required {
                rules.insert("isRequired".to_owned(), json!(true));
            }
            "stringField"
        }
        Kind::Int(least, most) => {
            if field.default != "0" {
                kind.insert("defaultValue".to_owned(), json!(field.default));
            }
            // The port and the cache size stand without rules in the reference.
            if !matches!(field.name, "health-check-port" | "session-store-maximum-size") {
                rules.insert("lte".to_owned(), json!(most.to_string()));
                rules.insert("gte".to_owned(), json!(least.to_string()));
            }
            "intField"
        }
        Kind::Bool => "boolField",
        Kind::List => "stringSliceField",
    };
    if !rules.is_empty() {
        kind.insert("rules".to_owned(), Value::Object(rules));
    }
    (key, Value::Object(kind))
}

/// The `capabilities` document: `ConnectorCapabilities` wrapped with its type, two blanks of indent, no line end.
pub fn capabilities_document() -> Result<String, JsonError> {
    let document = describe::capabilities_json(&ResourceType::ALL)?;
    Ok(serde_json::to_string_pretty(&document).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proto::c1::config::v1::Configuration;
    use prost::Message;
    use prost_reflect::{DescriptorPool, DynamicMessage};

    /// The committed files are what the binary prints (connector-model.md §8.4, §8.5). Set `BATON_WRITE_MANIFESTS` to
    /// write them anew.
    #[test]
    fn the_committed_documents_are_what_is_printed() {
        let pairs = [
            ("config_schema.json", config_document()),
            ("baton_capabilities.json", capabilities_document().unwrap()),
        ];
        for (file, document) in pairs {
            let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(file);
            #[expect(clippy::disallowed_methods, reason = "a test's own switch")]
            if std::env::var_os("BATON_WRITE_MANIFESTS").is_some() {
                std::fs::write(&path, &document).unwrap();
            }
            assert_eq!(std::fs::read_to_string(&path).unwrap(), document, "{file}");
        }
    }

    #[test]
    fn the_config_document_is_a_configuration_and_loses_nothing_on_the_way() {
        let pool = DescriptorPool::decode(crate::proto::FILE_DESCRIPTOR_SET).unwrap();
        let descriptor = pool.get_message_by_name("c1.config.v1.Configuration").unwrap();
        let document = config_document();
        let mut parser = serde_json::Deserializer::from_str(&document);
        let message = DynamicMessage::deserialize(descriptor, &mut parser).unwrap();
        let again = serde_json::to_string_pretty(&message).unwrap();
        let again = again
            .replace('<', "\\u003c")
            .replace('>', "\\u003e")
            .replace('&', "\\u0026");
        assert_eq!(again, document);
        let typed = Configuration::decode(message.encode_to_vec().as_slice()).unwrap();
        assert!(typed.is_directory && typed.fields[0].name == "log-level");
    }

    #[test]
    fn the_example_fields_look_as_the_contract_shows_them() {
        let document: Value = serde_json::from_str(&config_document()).unwrap();
        let find = |name: &str| {
            let fields = document["fields"].as_array().unwrap();
            let mut found = fields.iter().find(|field| field["name"] == name).unwrap().clone();
            found.as_object_mut().unwrap().remove("description");
            found
        };
        assert_eq!(
            find("log-level"),
            json!({"name": "log-level", "isOps": true, "stringField": {"defaultValue": "info"}})
        );
        assert_eq!(
            find("health-check-port"),
            json!({"name": "health-check-port", "isOps": true, "intField": {"defaultValue": "8081"}})
        );
        assert_eq!(
            find("http-timeout-seconds"),
            json!({"name": "http-timeout-seconds", "isOps": true,
                "intField": {"defaultValue": "300", "rules": {"lte": "1800", "gte": "1"}}})
        );
        assert_eq!(
            find("pingone-client-secret"),
            json!({"name": "pingone-client-secret", "displayName": "PingOne Client Secret", "isRequired": true,
                "isSecret": true, "stringField": {"rules": {"isRequired": true}}})
        );
        assert_eq!(
            find("pingone-region"),
            json!({"name": "pingone-region", "displayName": "PingOne Region",
                "stringField": {"defaultValue": "com", "rules": {"in": ["com", "ca", "eu", "com.au", "sg", "asia"]}}})
        );
        assert_eq!(
            find("protected-roles"),
            json!({"name": "protected-roles", "displayName": "Protected roles", "stringSliceField": {}})
        );
    }
}
