//! Gateways and credentials (access-model.md §3.3, §3.4): who signs on by itself, and with what kind of secret. No value of a
//! secret is known here.

use uuid::Uuid;

use super::{description, display_name};
use crate::model::{APPLICATION, GATEWAY, SECRET};
use baton::model::{
    AppTrait, CredentialKind, DISPLAY_NAME_MAX_BYTES, Profile, Resource, ResourceId, ResourceTrait, SecretTrait,
    Status, StatusKind, cut,
};
use pingone::types::{Application, Gateway, GatewayCredential, Key};

/// A gateway as a resource.
pub(crate) fn gateway(gateway: &Gateway, environment: Uuid) -> Resource {
    let id = gateway.id.to_string();
    let kind = gateway.gateway_type.as_deref();
    let mut profile = Profile::default();
    profile.text("id", Some(id.clone()));
    profile.text("name", gateway.name.clone());
    profile.text("description", gateway.description.clone());
    profile.text("type", kind);
    profile.flag("enabled", gateway.enabled);
    profile.text("environment_id", Some(environment.to_string()));
    let credentials = gateway.credentials.as_ref().map(Vec::len);
    profile.count(
        "credential_count",
        credentials.and_then(|count| u64::try_from(count).ok()),
    );
    let non_human = gateway.holds_roles().then(|| match kind {
        Some(kind) => format!("pingone.gateway.{}", kind.to_lowercase()),
        None => "pingone.gateway".to_owned(),
    });
    Resource {
        description: description(gateway.description.as_deref()),
        profile,
        status: Some(status(gateway.enabled)),
        ..Resource::new(
            ResourceId::new(GATEWAY, gateway.id),
            &display_name([gateway.name.as_deref(), Some(id.as_str())]),
            ResourceTrait::App(AppTrait {
                flags: if gateway.enabled == Some(false) {
                    vec!["APP_FLAG_INACTIVE"]
                } else {
                    Vec::new()
                },
                source_type: "other",
                raw_source_type: cut(&format!("GATEWAY/{}", kind.unwrap_or("-")), 256).into_owned(),
                non_human: non_human.map(|detail| cut(&detail, 1_024).into_owned()),
            }),
        )
    }
}

fn status(enabled: Option<bool>) -> Status {
    let (kind, details) = match enabled {
        Some(true) => (StatusKind::Enabled, "ENABLED"),
        Some(false) => (StatusKind::Disabled, "DISABLED"),
        None => (StatusKind::Unspecified, "UNKNOWN"),
    };
    Status {
        kind,
        details: details.to_owned(),
    }
}

/// The client secret of an application, where its row says that it has one. PingOne tells its age only beside its value.
pub(crate) fn client_secret(id: Uuid, application: &Application) -> Option<Resource> {
    let method = application.token_endpoint_auth_method.as_deref()?;
    if !method.starts_with("CLIENT_SECRET_") {
        return None;
    }
    let text = id.to_string();
    let owner = display_name([application.name.as_deref(), Some(text.as_str())]);
    let mut profile = Profile::default();
    profile.text("application_id", Some(text));
    profile.text("token_endpoint_auth_method", Some(method));
    let identity = Some(ResourceId::new(APPLICATION, id));
    let held = secret(
        identity,
        CredentialKind::StaticSecret,
        "pingone.client_secret".to_owned(),
    );
    Some(Resource {
        profile,
        ..named(
            format!("application-{id}-client-secret"),
            &format!("{owner} client secret"),
            held,
        )
    })
}

/// A credential of a gateway.
pub(crate) fn gateway_credential(gateway: &Gateway, credential: &GatewayCredential) -> Resource {
    let text = gateway.id.to_string();
    let owner = display_name([gateway.name.as_deref(), Some(text.as_str())]);
    let mut profile = Profile::default();
    profile.text("id", Some(credential.id.to_string()));
    profile.text("gateway_id", Some(text));
    profile.text("created_at", credential.created_at.map(|at| at.to_string()));
    profile.text("last_used_at", credential.last_used_at.map(|at| at.to_string()));
    let identity = Some(ResourceId::new(GATEWAY, gateway.id));
    let held = SecretTrait {
        last_used_at: credential.last_used_at,
        ..secret(
            identity,
            CredentialKind::StaticSecret,
            "pingone.gateway_credential".to_owned(),
        )
    };
    Resource {
        profile,
        created_at: credential.created_at,
        ..named(credential.id.to_string(), &format!("{owner} credential"), held)
    }
}

/// A key pair of the environment, which no identity holds.
pub(crate) fn key(key: &Key) -> Resource {
    let id = key.id.to_string();
    let mut profile = Profile::default();
    profile.text("id", Some(id.clone()));
    profile.text("name", key.name.clone());
    profile.text("usage_type", key.usage_type.clone());
    profile.text("status", key.status.clone());
    profile.text("algorithm", key.algorithm.clone());
    profile.count("key_length", key.key_length);
    profile.flag("is_default", key.default);
    profile.text("subject_dn", key.subject_dn.clone());
    profile.text("issuer_dn", key.issuer_dn.clone());
    profile.text("created_at", key.created_at.map(|at| at.to_string()));
    profile.text("starts_at", key.starts_at.map(|at| at.to_string()));
    profile.text("expires_at", key.expires_at.map(|at| at.to_string()));
    let usage: String = key
        .usage_type
        .as_deref()
        .unwrap_or("unknown")
        .chars()
        .map(|c| {
            if c.is_ascii_alphanumeric() {
                c.to_ascii_lowercase()
            } else {
                '_'
            }
        })
        .collect();
    let ended = matches!(key.status.as_deref(), Some("EXPIRED" | "REVOKED"));
    let held = SecretTrait {
        expires_at: key.expires_at,
        ..secret(
            None,
            CredentialKind::AsymmetricKey,
            cut(&format!("pingone.key.{usage}"), 1_024).into_owned(),
        )
    };
    Resource {
        profile,
        status: Some(Status {
            kind: if ended {
                StatusKind::Disabled
            } else {
                StatusKind::Enabled
            },
            details: key.status.clone().unwrap_or_else(|| "UNKNOWN".to_owned()),
        }),
        created_at: key.created_at,
        ..named(
            id.clone(),
            &display_name([key.name.as_deref(), Some(id.as_str())]),
            held,
        )
    }
}

fn secret(identity: Option<ResourceId>, kind: CredentialKind, detail: String) -> SecretTrait {
    SecretTrait {
        identity,
        expires_at: None,
        last_used_at: None,
        kind,
        detail,
    }
}

fn named(id: String, name: &str, held: SecretTrait) -> Resource {
    let name = cut(name, DISPLAY_NAME_MAX_BYTES);
    Resource::new(ResourceId::new(SECRET, id), &name, ResourceTrait::Secret(held))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value as Json, json};

    use super::*;

    const ID: Uuid = Uuid::from_u128(0xe4a1);

    fn of<T: serde::de::DeserializeOwned>(members: Json) -> T {
        let mut body = json!({"id": ID});
        let members: serde_json::Map<String, Json> = serde_json::from_value(members).unwrap();
        body.as_object_mut().unwrap().extend(members);
        serde_json::from_value(body).unwrap()
    }

    fn secret_of(resource: &Resource) -> &SecretTrait {
        match &resource.resource_trait {
            ResourceTrait::Secret(secret) => secret,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_gateway_that_may_hold_roles_is_a_machine_identity() {
        for (kind, detail) in [
            (json!("PING_FEDERATE"), Some("pingone.gateway.ping_federate")),
            (json!("TUNNEL"), Some("pingone.gateway.tunnel")),
            (json!(null), Some("pingone.gateway")),
            (json!("LDAP"), None),
            (json!("RADIUS"), None),
            (json!("PING_INTELLIGENCE"), None),
        ] {
            let row: Gateway = of(json!({"type": kind, "enabled": false}));
            let resource = gateway(&row, Uuid::nil());
            assert_eq!(resource.display_name, ID.to_string(), "the id stands in for a name");
            assert_eq!(
                resource.status.map(|status| status.details).as_deref(),
                Some("DISABLED")
            );
            let ResourceTrait::App(app) = resource.resource_trait else {
                panic!("a gateway is an application")
            };
            assert_eq!(app.non_human.as_deref(), detail, "{kind}");
            assert_eq!(app.flags, ["APP_FLAG_INACTIVE"]);
            let raw = format!("GATEWAY/{}", kind.as_str().unwrap_or("-"));
            assert_eq!((app.source_type, app.raw_source_type), ("other", raw));
        }
    }

    #[test]
    fn a_credential_says_whose_it_is_its_kind_and_its_times() {
        let row: Gateway = of(json!({"type": "AUTHORIZE", "name": "Gate"}));
        let credential: GatewayCredential =
            of(json!({"createdAt": "2025-01-02T03:04:05Z", "lastUsedAt": "2026-01-02T03:04:05Z"}));
        let resource = gateway_credential(&row, &credential);
        let held = secret_of(&resource);
        assert_eq!(held.identity, Some(ResourceId::new(GATEWAY, ID)));
        assert_eq!(
            (held.kind, held.detail.as_str()),
            (CredentialKind::StaticSecret, "pingone.gateway_credential")
        );
        assert_eq!(held.last_used_at, credential.last_used_at);
        assert_eq!((resource.created_at, held.expires_at), (credential.created_at, None));
        assert!(resource.created_at.is_some() && held.last_used_at.is_some());

        let key_row: Key =
            of(json!({"usageType": "SSL/TLS", "status": "REVOKED", "expiresAt": "2026-01-02T03:04:05Z"}));
        let resource = key(&key_row);
        let held = secret_of(&resource);
        assert_eq!(
            (held.identity.as_ref(), held.kind),
            (None, CredentialKind::AsymmetricKey)
        );
        assert_eq!(
            (held.detail.as_str(), held.expires_at),
            ("pingone.key.ssl_tls", key_row.expires_at)
        );
        assert!(held.expires_at.is_some());
        let status = resource.status.unwrap();
        assert_eq!(
            (status.kind, status.details.as_str()),
            (StatusKind::Disabled, "REVOKED")
        );
        let status = key(&of(json!({}))).status.unwrap();
        assert_eq!((status.kind, status.details.as_str()), (StatusKind::Enabled, "UNKNOWN"));
    }

    #[test]
    fn only_an_application_that_signs_on_with_a_secret_has_one() {
        for (method, has) in [
            (json!("CLIENT_SECRET_BASIC"), true),
            (json!("CLIENT_SECRET_JWT"), true),
            (json!("PRIVATE_KEY_JWT"), false),
            (json!("NONE"), false),
            (json!(null), false),
        ] {
            let row: Application = of(json!({"name": "Robot", "tokenEndpointAuthMethod": method}));
            let found = client_secret(ID, &row);
            assert_eq!(found.is_some(), has, "{method}");
            let Some(resource) = found else { continue };
            assert_eq!(resource.id.id, format!("application-{ID}-client-secret"));
            let held = secret_of(&resource);
            assert_eq!(held.identity, Some(ResourceId::new(APPLICATION, ID)));
            assert_eq!(
                (held.expires_at, held.last_used_at, resource.created_at),
                (None, None, None)
            );
        }
    }
}
