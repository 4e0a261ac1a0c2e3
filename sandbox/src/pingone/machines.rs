//! Gateways and keys (access-model.md §3.3, §3.4, §11 points 116 and 120 to 123).

use super::answer::{Outcome, Refusal};
use super::call::Call;
use super::clock::stamp;
use super::generate::EPOCH_MS;
use super::ids::Kind;
use super::world::{Assignment, World};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use uuid::Uuid;

/// Stands as shared secret in the rows of RADIUS gateways and nowhere else: whoever finds it has kept a secret (point 122).
pub const CANARY: &str = "canary-shared-secret-7f3a";

/// A gateway.
#[derive(Clone, Debug)]
pub(crate) struct Gateway {
    pub(crate) id: Uuid,
    pub(crate) name: String,
    pub(crate) kind: &'static str,
    pub(crate) enabled: bool,
    pub(crate) credentials: u64,
    pub(crate) assignments: Vec<Assignment>,
}

/// Types in the order in which gateways are made; the last one is nobody's yet.
const KINDS: [&str; 7] = [
    "PING_FEDERATE",
    "LDAP",
    "RADIUS",
    "AUTHORIZE",
    "API_GATEWAY_INTEGRATION",
    "PING_INTELLIGENCE",
    "TUNNEL",
];

impl World {
    pub(crate) fn generate_gateways(&mut self) {
        let named = |name: &str| self.role_named(name).map(|role| role.id);
        let (admin, directory) = (named("Environment Admin"), named("Identity Data Admin"));
        let gateways = (0..u64::from(self.spec.gateways)).map(|number| {
            let kind = *KINDS
                .get(usize::try_from(number).unwrap_or(0) % KINDS.len())
                .unwrap_or(&"LDAP");
            let held = match kind {
                "PING_FEDERATE" => vec![admin, directory],
                "AUTHORIZE" | "API_GATEWAY_INTEGRATION" => vec![directory],
                _ => Vec::new(),
            };
            let assignments = held.into_iter().flatten().zip(0..).map(|(role, at)| {
                let id = self.ids.encode(Kind::WorkerAssignment, 500_000 + number * 4 + at);
                Assignment {
                    read_only: at == 0 && kind == "PING_FEDERATE",
                    ..Assignment::new(id, role, "ENVIRONMENT", self.environment)
                }
            });
            Gateway {
                id: self.ids.encode(Kind::Gateway, number),
                name: format!("Gateway {number}"),
                kind,
                enabled: number % 5 != 4,
                credentials: number % 4,
                assignments: assignments.collect(),
            }
        });
        self.gateways = gateways.collect();
    }

    fn gateway_value(&self, number: usize, gateway: &Gateway) -> Value {
        let mut value = json!({
            "_links": {"self": self.link(&format!("/gateways/{}", gateway.id))},
            "id": gateway.id, "environment": {"id": self.environment}, "name": gateway.name, "type": gateway.kind,
            "description": "Made-up gateway", "enabled": gateway.enabled, "supportedVersions": [], "currentAlerts": [],
            "createdAt": stamp(EPOCH_MS), "updatedAt": stamp(EPOCH_MS),
        });
        let Value::Object(body) = &mut value else { return value };
        if gateway.kind == "RADIUS" {
            body.insert("defaultSharedSecret".to_owned(), json!(CANARY));
            let clients = json!([{"ip": "10.0.0.1", "sharedSecret": CANARY}]);
            body.insert("radiusClients".to_owned(), clients);
        }
        if !self.options.access_model.gateway_credentials_apart {
            body.insert("credentials".to_owned(), json!(self.credentials(number, gateway)));
        }
        value
    }

    /// When each was made and last used; never a token.
    fn credentials(&self, number: usize, gateway: &Gateway) -> Vec<Value> {
        let one = |at: u64| {
            let mut value = json!({
                "id": self.ids.encode(Kind::GatewayCredential, number as u64 * 8 + at),
                "createdAt": stamp(EPOCH_MS + i64::try_from(at).unwrap_or(0) * 1000),
            });
            if let (true, Value::Object(body)) = (at.is_multiple_of(2), &mut value) {
                body.insert("lastUsedAt".to_owned(), json!(stamp(EPOCH_MS + 86_400_000)));
            }
            value
        };
        (0..gateway.credentials).map(one).collect()
    }

    /// Ids of everything that the lists of credentials and of keys show.
    pub(crate) fn credential_ids(&self) -> BTreeSet<Uuid> {
        let numbered = self.gateways.iter().enumerate();
        let held = numbered.flat_map(|(number, gateway)| self.credentials(number, gateway));
        let id = |value: Value| Uuid::try_parse(value.get("id")?.as_str()?).ok();
        held.chain(self.keys()).filter_map(id).collect()
    }

    pub(crate) fn list_gateways(&self, call: &Call<'_>) -> Outcome {
        let numbered = self.gateways.iter().enumerate();
        let values: Vec<Value> = numbered
            .map(|(number, found)| self.gateway_value(number, found))
            .collect();
        self.list_values(call, "gateways", &values)
    }

    pub(crate) fn gateway_number(&self, id: Uuid) -> Result<usize, Refusal> {
        let found = self.gateways.iter().position(|gateway| gateway.id == id);
        found.ok_or_else(Refusal::missing)
    }

    pub(crate) fn read_gateway(&self, id: Uuid) -> Outcome {
        let number = self.gateway_number(id)?;
        let found = self.gateways.get(number).ok_or_else(Refusal::missing)?;
        Ok(Self::ok(&self.gateway_value(number, found)))
    }

    pub(crate) fn list_gateway_credentials(&self, call: &Call<'_>, id: Uuid) -> Outcome {
        let number = self.gateway_number(id)?;
        let found = self.gateways.get(number).ok_or_else(Refusal::missing)?;
        self.list_values(call, "credentials", &self.credentials(number, found))
    }

    /// Keys of every use and state, without their private parts (point 116).
    fn keys(&self) -> Vec<Value> {
        let uses = ["ENCRYPTION", "SIGNING", "SSL/TLS", "ISSUANCE", "OUTBOUND_MTLS"];
        let states = ["VALID", "EXPIRING", "EXPIRED", "NOT_YET_VALID", "REVOKED"];
        let all = uses.iter().cycle().zip(states.iter().cycle()).take(uses.len());
        all.zip(0..)
            .map(|((usage, status), number)| {
                let id = self.ids.encode(Kind::Key, number);
                let day = 86_400_000 * i64::try_from(number).unwrap_or(0);
                json!({
                    "_links": {"self": self.link(&format!("/keys/{id}"))},
                    "id": id, "environment": {"id": self.environment}, "name": format!("Key {number}"),
                    "usageType": usage, "status": status, "algorithm": "RSA", "keyLength": 2048,
                    "startsAt": stamp(EPOCH_MS), "expiresAt": stamp(EPOCH_MS + 365 * day), "createdAt": stamp(EPOCH_MS),
                    "default": number == 1, "subjectDN": "CN=made-up", "issuerDN": "CN=made-up",
                    "serialNumber": serde_json::Number::from_u128(340_282_366_920_938_463_463 + u128::from(number)),
                })
            })
            .collect()
    }

    pub(crate) fn list_keys(&self, call: &Call<'_>) -> Outcome {
        self.list_values(call, "keys", &self.keys())
    }

    pub(crate) fn read_key(&self, id: Uuid) -> Outcome {
        let wanted = json!(id);
        let found = self.keys().into_iter().find(|key| key.get("id") == Some(&wanted));
        found.map(|key| Self::ok(&key)).ok_or_else(Refusal::missing)
    }
}
