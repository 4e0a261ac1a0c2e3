//! Everything beside the directory: environments, organization, licence, capabilities, password policies, schema, identity
//! providers. Shapes: pingone-api.md §6.1 (S), §6.13 (D calls, some members G).

use super::answer::{Answer, Outcome, Refusal};
use super::call::Call;
use super::clock::stamp;
use super::filter::{self, Op};
use super::generate::EPOCH_MS;
use super::ids::Kind;
use super::rolebook::Right;
use super::route::Target;
use super::world::World;
use serde_json::{Value, json};
use uuid::Uuid;

const ENVIRONMENT_FILTERS: [(&str, &[Op]); 3] =
    [("name", &[Op::Sw]), ("id", &[Op::Eq]), ("organization.id", &[Op::Eq])];

impl World {
    fn environment_value(&self, id: Uuid) -> Value {
        let own = id == self.environment;
        let (base, organization, license) = (&self.base, self.organization, self.license);
        json!({
            "_links": {
                "self": {"href": format!("{base}/environments/{id}")},
                "organization": {"href": format!("{base}/organizations/{organization}")},
                "license": {"href": format!("{base}/organizations/{organization}/licenses/{license}")},
                "users": {"href": format!("{base}/environments/{id}/users")},
            },
            "id": id,
            "name": if own { "Workforce Production" } else { "Administrators" },
            "description": "Made-up environment",
            "organization": {"id": organization},
            "type": if own { "PRODUCTION" } else { "SANDBOX" },
            "region": "EU",
            "status": if own { self.options.access.environment_status.as_str() } else { "ACTIVE" },
            "license": {"id": license},
            "createdAt": stamp(EPOCH_MS),
            "updatedAt": stamp(EPOCH_MS + 86_400_000),
        })
    }

    /// `GET /environments/{env}` (pingone-api.md §6.1, S).
    pub(crate) fn environment_answer(&self, id: Uuid) -> Answer {
        Self::ok(&self.environment_value(id))
    }

    /// `GET /environments`: those the worker can see (pingone-api.md §6.1, S).
    pub(crate) fn environments(&self, call: &Call<'_>) -> Outcome {
        let worker = self.worker(call)?;
        let seen = [self.environment, self.other_environment]
            .into_iter()
            .filter(|id| self.reach(worker, Right::ReadEnvironment, *id, call.now).is_some());
        let mut values: Vec<Value> = seen.map(|id| self.environment_value(id)).collect();
        self.keep(call, &mut values, &ENVIRONMENT_FILTERS)?;
        self.list_values(call, "environments", &values)
    }

    /// Keeps what the call's filter matches.
    pub(crate) fn keep(
        &self,
        call: &Call<'_>,
        values: &mut Vec<Value>,
        supported: &[(&str, &[Op])],
    ) -> Result<(), Refusal> {
        let Some(text) = call.query.get("filter") else {
            return Ok(());
        };
        let parsed = filter::parse(text).map_err(|problem| self.filter_refusal(&problem))?;
        filter::check_listed(&parsed, supported, false).map_err(|problem| self.filter_refusal(&problem))?;
        values.retain(|value| filter::matches(&parsed, value, &|_, _| false));
        Ok(())
    }

    /// `GET …/capabilities` (pingone-api.md §6.1, S; `licenseQuantities` S, presence G).
    pub(crate) fn capabilities(&self) -> Answer {
        let mut body = json!({
            "_links": {"self": self.link("/capabilities")},
            "canAssignUsersRoles": true, "canAssignCustomRolesEverywhere": true,
        });
        if let (true, Value::Object(body)) = (self.options.limits.rates_in_capabilities, &mut body) {
            let told = self
                .told_rates
                .iter()
                .map(|(key, limit)| ((*key).to_owned(), json!({"limit": limit})));
            body.insert("licenseQuantities".to_owned(), Value::Object(told.collect()));
        }
        Self::ok(&body)
    }

    fn organization_value(&self) -> Value {
        let id = self.organization;
        json!({
            "_links": {"self": {"href": format!("{}/organizations/{id}", self.base)}},
            "id": id, "name": "example-corp", "description": "Example Corp",
            "createdAt": stamp(EPOCH_MS), "updatedAt": stamp(EPOCH_MS),
        })
    }

    /// `GET /organizations` (pingone-api.md §6.1, S).
    pub(crate) fn organizations(&self, call: &Call<'_>) -> Outcome {
        let mut values = vec![self.organization_value()];
        self.keep(call, &mut values, &[("name", &[Op::Sw])])?;
        self.list_values(call, "organizations", &values)
    }

    /// `GET /organizations/{org}` (pingone-api.md §6.1, S).
    pub(crate) fn organization_answer(&self, id: Uuid) -> Outcome {
        if id == self.organization {
            Ok(Self::ok(&self.organization_value()))
        } else {
            Err(Refusal::missing())
        }
    }

    fn license_value(&self) -> Value {
        json!({
            "id": self.license, "name": "Workforce", "package": "WORKFORCE360", "status": "ACTIVE",
            "organization": {"id": self.organization},
            "beginsAt": "2024-05-01T00:00:00.000Z", "expiresAt": "2027-05-01T00:00:00.000Z",
            "assignedEnvironmentsCount": 2,
            "users": {"max": 1_000_000, "allowRoleAssignment": true},
            "environments": {"max": 10, "regions": ["EU"]},
        })
    }

    /// `GET /organizations/{org}/licenses` (pingone-api.md §6.1, S).
    pub(crate) fn licenses(&self, call: &Call<'_>, organization: Uuid) -> Outcome {
        if organization != self.organization {
            return Err(Refusal::missing());
        }
        let mut values = vec![self.license_value()];
        self.keep(
            call,
            &mut values,
            &[("status", &[Op::Eq]), ("beginsAt", &[Op::Lt, Op::Gt, Op::Le, Op::Ge])],
        )?;
        self.list_values(call, "licenses", &values)
    }

    /// `GET /organizations/{org}/licenses/{id}` (pingone-api.md §6.1, S).
    pub(crate) fn license_answer(&self, organization: Uuid, id: Uuid) -> Outcome {
        let known = organization == self.organization && id == self.license;
        if known {
            Ok(Self::ok(&self.license_value()))
        } else {
            Err(Refusal::missing())
        }
    }

    /// Identifier of a password policy.
    pub(crate) fn policy_id(&self, number: u64) -> Uuid {
        self.ids.encode(Kind::PasswordPolicy, number)
    }

    /// The policy of a user: its population's, else the default (pingone-api.md §6.13).
    pub(crate) fn policy_of(&self, user: u32) -> Uuid {
        let population = self
            .user_population(user)
            .and_then(|at| self.populations.get(at as usize));
        let named = population.and_then(|population| population.over.get("passwordPolicy"));
        let named = named.and_then(|policy| policy.get("id")).and_then(Value::as_str);
        named
            .and_then(|id| Uuid::try_parse(id).ok())
            .unwrap_or_else(|| self.policy_id(0))
    }

    /// The password policies (pingone-api.md §6.13, D calls, members G): a standard one and a strict one.
    pub(crate) fn policies(&self) -> Vec<Value> {
        let sets = [
            "ABCDEFGHIJKLMNOPQRSTUVWXYZ",
            "abcdefghijklmnopqrstuvwxyz",
            "0123456789",
            "~!@#$%^&*()-_=+[]{}|;:,.<>/?",
        ];
        [("Standard", 8_u64, 1_u64), ("Passphrase", 20, 2)]
            .into_iter()
            .zip(0..)
            .map(|((name, min, each), number)| {
                let minimum: serde_json::Map<String, Value> =
                    sets.iter().map(|set| ((*set).to_owned(), json!(each))).collect();
                json!({
                    "_links": {"self": self.link(&format!("/passwordPolicies/{}", self.policy_id(number)))},
                    "id": self.policy_id(number), "environment": {"id": self.environment}, "name": name,
                    "default": number == 0, "length": {"min": min, "max": 255}, "minCharacters": minimum,
                    "minUniqueCharacters": 5, "maxRepeatedCharacters": 2, "excludesProfileData": true,
                    "excludesCommonlyUsed": true, "notSimilarToCurrent": true,
                    "history": {"count": 6, "retentionDays": 365},
                })
            })
            .collect()
    }

    /// Attributes of the `User` schema (pingone-api.md §6.13; members G).
    pub(crate) fn attributes(&self) -> Vec<Value> {
        const CORE: [&str; 4] = ["username", "email", "enabled", "population"];
        const COMPLEX: [&str; 8] = [
            "name",
            "address",
            "photo",
            "population",
            "account",
            "lifecycle",
            "identityProvider",
            "lastSignOn",
        ];
        const STANDARD: [&str; 24] = [
            "accountId",
            "address",
            "externalId",
            "locale",
            "mobilePhone",
            "name",
            "nickname",
            "photo",
            "preferredLanguage",
            "primaryPhone",
            "timezone",
            "title",
            "type",
            "mfaEnabled",
            "emailVerified",
            "account",
            "lifecycle",
            "identityProvider",
            "lastSignOn",
            "verifyStatus",
            "createdAt",
            "updatedAt",
            "id",
            "memberOfGroupIDs",
        ];
        let kind = |name: &str| match name {
            "enabled" | "mfaEnabled" | "emailVerified" => "BOOLEAN",
            name if COMPLEX.contains(&name) => "COMPLEX",
            "preferences" | "badges" => "JSON",
            _ => "STRING",
        };
        let all = CORE.iter().map(|name| (*name, "CORE"));
        let all = all.chain(STANDARD.iter().map(|name| (*name, "STANDARD")));
        let all = all.chain(super::fields::CUSTOM_ATTRIBUTES.iter().map(|name| (*name, "CUSTOM")));
        all.zip(0..)
            .map(|((name, schema), number)| {
                json!({
                    "id": self.ids.encode(Kind::Attribute, number), "name": name, "type": kind(name), "schemaType": schema,
                    "enabled": true, "required": name == "username",
                    "unique": name == "username" || self.options.users.unique_attribute.iter().any(|unique| unique == name),
                    "multiValued": name == "badges",
                })
            })
            .collect()
    }

    /// Whether the schema has a custom attribute of that name.
    pub(crate) fn is_custom_attribute(name: &str) -> bool {
        let top = name.split('.').next().unwrap_or(name);
        super::fields::CUSTOM_ATTRIBUTES.contains(&top)
    }

    /// Identity providers (pingone-api.md §6.13, D).
    pub(crate) fn identity_providers(&self) -> Vec<Value> {
        [("Corporate SAML", "SAML"), ("Partner OIDC", "OPENID_CONNECT")]
            .into_iter()
            .zip(0..)
            .map(|((name, kind), number)| {
                let id = self.ids.encode(Kind::IdentityProvider, number);
                json!({
                    "_links": {"self": self.link(&format!("/identityProviders/{id}"))},
                    "id": id, "environment": {"id": self.environment}, "name": name, "type": kind, "enabled": true,
                })
            })
            .collect()
    }

    /// Password policies, schemas, identity providers (pingone-api.md §6.13).
    pub(crate) fn read_configuration(&self, call: &Call<'_>) -> Outcome {
        let schema = self.ids.encode(Kind::Schema, 0);
        let schemas = [
            json!({"id": schema, "environment": {"id": self.environment}, "name": "User", "description": "User schema"}),
        ];
        let one = |values: &[Value], id: Uuid| {
            let found = values.iter().find(|value| value.get("id") == Some(&json!(id)));
            found.map(Self::ok).ok_or_else(Refusal::missing)
        };
        match call.target {
            Target::PasswordPolicies => self.list_values(call, "passwordPolicies", &self.policies()),
            Target::PasswordPolicy(id) => one(&self.policies(), id),
            Target::Schemas => self.list_values(call, "schemas", &schemas),
            Target::Schema(id) => one(&schemas, id),
            Target::SchemaAttributes(id) if id == schema => self.list_values(call, "attributes", &self.attributes()),
            Target::IdentityProviders => self.list_values(call, "identityProviders", &self.identity_providers()),
            Target::IdentityProvider(id) => one(&self.identity_providers(), id),
            Target::Keys => self.list_keys(call),
            Target::Key(id) => self.read_key(id),
            _ => Err(Refusal::missing()),
        }
    }
}
