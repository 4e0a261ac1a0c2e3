//! What describes this binary to C1 (connector-model.md §8): the documents of `config` and `capabilities`, and the
//! connector's metadata. Needs no credentials. The committed copies at the top of the repository are compared with
//! what is printed here.

pub mod describe;

use baton::wire::config::{self, ConfigField, ConfigHead, ConfigKind};
use baton::wire::json::JsonError;

use crate::config::fields::{FIELDS, Field, Kind};
use crate::model::ALL_TYPES;

/// The `config` document: `c1.config.v1.Configuration` in proto3 JSON.
pub fn config_document() -> String {
    let head = ConfigHead {
        display_name: "PingOne",
        help_url: "/docs/baton/ping-one",
        icon_url: "/static/app-icons/ping-one.svg",
        is_directory: true,
    };
    config::document(head, FIELDS.iter().filter(|field| field.export).map(config_field))
}

fn config_field(field: &Field) -> ConfigField {
    ConfigField {
        name: field.name,
        display_name: field.display_name,
        description: field.help,
        required: field.required,
        ops: field.ops,
        secret: field.secret,
        default: field.default,
        kind: match field.kind {
            Kind::Text | Kind::Duration => ConfigKind::Text(&[]),
            Kind::Choice(choices) => ConfigKind::Text(choices),
            // The port and the cache size stand without rules in the reference.
            Kind::Int(..) if matches!(field.name, "health-check-port" | "session-store-maximum-size") => {
                ConfigKind::Int(None)
            }
            Kind::Int(least, most) => ConfigKind::Int(Some((least, most))),
            Kind::Bool => ConfigKind::Bool,
            Kind::List => ConfigKind::List,
        },
    }
}

/// The `capabilities` document: `ConnectorCapabilities` wrapped with its type, two blanks of indent, no line end.
pub fn capabilities_document() -> Result<String, JsonError> {
    let document = baton::wire::describe::capabilities_json(&describe::capabilities(false, &ALL_TYPES))?;
    Ok(serde_json::to_string_pretty(&document).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;
    use baton::proto::c1::config::v1::Configuration;
    use prost::Message;
    use prost_reflect::{DescriptorPool, DynamicMessage};
    use serde_json::{Value, json};

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
        let pool = DescriptorPool::decode(baton::proto::FILE_DESCRIPTOR_SET).unwrap();
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
