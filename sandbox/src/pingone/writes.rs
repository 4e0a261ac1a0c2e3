//! Dispatch of writes, and creating, changing and deleting users (pingone-api.md §6.4, §6.5; points 24 to 31, 36). A
//! refused write changes nothing.

use super::access::Reach;
use super::answer::{Answer, Outcome, Refusal};
use super::call::Call;
use super::clock::stamp;
use super::fields::{
    TEXTS, merge, not_unique, object, plausible_email, sent_flag, sent_object, sent_part, sent_text, text_of, writable,
};
use super::options::Treatment;
use super::route::{Part, Target};
use super::world::{Password, User, World, insert, remove};
use http::Method;
use serde_json::{Map, Value, json};
use std::time::Duration;
use uuid::Uuid;

pub(crate) const JSON: &str = "application/json";
const IMPORT: &str = "application/vnd.pingidentity.user.import+json";

/// Attributes that have a path of their own or are the service's.
const STATE: [&str; 7] = [
    "enabled",
    "mfaEnabled",
    "population",
    "account",
    "lifecycle",
    "identityProvider",
    "emailVerified",
];

impl World {
    /// Answers a call that is no GET.
    pub(crate) fn write(&mut self, call: &Call<'_>) -> Outcome {
        if call.environment != self.environment {
            return Err(self.denied());
        }
        match (call.method, call.target) {
            (&Method::POST, Target::Users) => self.create_user(call),
            (&Method::PATCH | &Method::PUT, Target::User(id)) => self.change_user(call, id),
            (&Method::DELETE, Target::User(id)) => self.delete_user(call, id),
            (&Method::POST, Target::User(id)) => self.command_user(call, id),
            (&Method::POST, Target::UserPart(id, Part::Password)) => self.command_password(call, id),
            (_, Target::UserPart(id, part)) => self.put_part(call, id, part),
            (_, Target::Session(id, session)) => self.delete_session(call, id, session),
            (_, Target::Device(id, device)) => self.delete_device(call, id, device),
            (&Method::POST, Target::Memberships(principal, id)) => self.add_membership(call, principal, id),
            (_, Target::Membership(principal, id, group)) => self.remove_membership(call, principal, id, group),
            (&Method::POST, Target::Groups) => self.create_group(call),
            (&Method::PUT, Target::Group(id)) => self.replace_group(call, id),
            (_, Target::Group(id)) => self.delete_group(call, id),
            (&Method::POST, Target::Populations) => self.create_population(call),
            (&Method::PUT, Target::Population(id)) => self.replace_population(call, id),
            (_, Target::Population(id)) => self.delete_population(call, id),
            (&Method::POST, Target::Assignments(principal, id)) => self.create_assignment(call, principal, id),
            (_, Target::Assignment(principal, id, assignment)) => {
                self.delete_assignment(call, principal, id, assignment)
            }
            (&Method::PUT, Target::Application(id)) => self.replace_application(call, id),
            (_, Target::Secret(id)) => self.secret_of(call, id),
            (_, Target::Activities) => self.search_activities(call),
            _ => Err(Refusal::method()),
        }
    }

    /// When an object created now can be seen (point 38).
    pub(crate) fn visible_from(&self, call: &Call<'_>) -> Option<tokio::time::Instant> {
        let delay = self.options.timing.create_delay_ms;
        (delay > 0).then(|| call.now + Duration::from_millis(delay))
    }

    /// Until when an object deleted now is still listed (point 38).
    pub(crate) fn listed_until(&self, call: &Call<'_>) -> Option<tokio::time::Instant> {
        let delay = self.options.timing.delete_delay_ms;
        (delay > 0).then(|| call.now + Duration::from_millis(delay))
    }

    /// 201 with the object and, if so set, its address (pingone-api.md §6.4: 201 S, `Location` G).
    pub(crate) fn created(&self, body: &Value) -> Answer {
        let href = body
            .get("_links")
            .and_then(|links| links.get("self"))
            .and_then(|link| link.get("href"));
        let location = href
            .and_then(Value::as_str)
            .filter(|_| self.options.users.location_header)
            .map(str::to_owned);
        Answer {
            location,
            ..Answer::json(201, body)
        }
    }

    /// `POST …/users` (pingone-api.md §6.4).
    fn create_user(&mut self, call: &Call<'_>) -> Outcome {
        let import = call.media == IMPORT;
        if !import && call.media != JSON {
            return Err(Refusal::media_type());
        }
        let sent = object(call.body)?;
        let mut body = Map::new();
        merge(&mut body, &sent)?;
        self.check_texts(&body, None)?;
        if self.options.users.email_required && !body.contains_key("email") {
            return Err(Refusal::invalid("REQUIRED_VALUE", "email", "must not be empty"));
        }
        let population = self.population_of(call, &sent, import)?;
        let password = self.new_password(&sent, import, population, &body)?;
        self.fill_new_user(&mut body, &sent, import)?;
        self.licence_has_room()?;
        let number = self.users.next;
        self.users.next += 1;
        let id = self.fresh_id();
        let now = stamp(self.clock.unix_ms());
        for (key, value) in [
            ("id", json!(id)),
            ("environment", json!({"id": self.environment})),
            (
                "population",
                json!({"id": self.populations.get(population as usize).map(|found| found.id)}),
            ),
            ("createdAt", json!(now)),
            ("updatedAt", json!(now)),
        ] {
            body.insert(key.to_owned(), value);
        }
        let name = text_of(&body, "username").unwrap_or("").to_lowercase();
        let visible_from = self.visible_from(call);
        let user = User {
            id,
            population: Some(population),
            body,
            visible_from,
            password,
            ..User::blank()
        };
        self.users.by_username.insert(name, number);
        self.users.by_id.insert(id, number);
        self.users.stored.insert(number, Box::new(user));
        if let Some(found) = self.populations.get_mut(population as usize) {
            insert(&mut found.users, number);
        }
        self.version += 1;
        self.refilter(number);
        self.record_user(call, "USER.CREATED", number);
        Ok(self.created(&self.user_value(number)))
    }

    /// The population of a new user: named, or the default (point 24).
    fn population_of(&self, call: &Call<'_>, sent: &Map<String, Value>, import: bool) -> Result<u32, Refusal> {
        let number = match sent_part(sent, "population", "id")? {
            None if import || self.options.users.population_required => None,
            None => (0..)
                .zip(&self.populations)
                .find(|(_, found)| found.default && !found.gone)
                .map(|(number, _)| number),
            Some(id) => {
                let id = Uuid::try_parse(id).ok();
                let known = id.and_then(|id| self.population_number(id));
                let mut refusal = Refusal::invalid("INVALID_VALUE", "population.id", "population does not exist");
                refusal.status = self.options.users.unknown_population_status;
                if refusal.status == 404 {
                    refusal = Refusal::missing();
                }
                Some(known.ok_or(refusal)?)
            }
        };
        let number = number.ok_or_else(|| Refusal::invalid("REQUIRED_VALUE", "population", "must not be null"))?;
        if call.reach.covers(Some(number)) {
            Ok(number)
        } else {
            Err(self.denied())
        }
    }

    /// Number of a population that exists.
    pub(crate) fn population_number(&self, id: Uuid) -> Option<u32> {
        let number = *self.population_by_id.get(&id)?;
        self.populations
            .get(number as usize)
            .filter(|found| !found.gone)
            .map(|_| number)
    }

    /// Point 28: a password comes with the import type; policy as pingone-api.md §6.13.
    fn new_password(
        &self,
        sent: &Map<String, Value>,
        import: bool,
        population: u32,
        body: &Map<String, Value>,
    ) -> Result<Password, Refusal> {
        let none = User::blank().password;
        if !import && sent.contains_key("password") {
            return match self.options.users.json_password {
                Treatment::Ignore => Ok(none),
                Treatment::Refuse => Err(Refusal::invalid("INVALID_VALUE", "password", "is not allowed here")),
            };
        }
        let Some(password) = sent_object(sent, "password")? else {
            return Ok(none);
        };
        if password.get("external").is_some() {
            return Ok(Password {
                status: "EXTERNAL",
                ..none
            });
        }
        let of_password = |mut refusal: Refusal| {
            refusal.move_target("password");
            refusal
        };
        let value = sent_text(password, "value").map_err(of_password)?;
        let value = value.ok_or_else(|| Refusal::invalid("REQUIRED_VALUE", "password.value", "must not be empty"))?;
        self.check_password(
            self.policy_of_population(population),
            value,
            None,
            body,
            "password.value",
        )?;
        let force = sent_flag(password, "forceChange")
            .map_err(of_password)?
            .unwrap_or(false);
        let status = if force { "MUST_CHANGE_PASSWORD" } else { "OK" };
        Ok(Password {
            status,
            changed_ms: Some(self.clock.unix_ms()),
            value: Some(value.to_owned()),
        })
    }

    /// What a new user has beside what was sent (pingone-api.md §6.4, D).
    fn fill_new_user(
        &self,
        body: &mut Map<String, Value>,
        sent: &Map<String, Value>,
        import: bool,
    ) -> Result<(), Refusal> {
        let verified = sent_flag(sent, "emailVerified")?.unwrap_or(false);
        if verified && !import {
            return Err(Refusal::invalid("INVALID_VALUE", "emailVerified", "may only be false"));
        }
        let status = if import {
            sent_part(sent, "lifecycle", "status")?
        } else {
            None
        };
        let status = status.unwrap_or("ACCOUNT_OK");
        if !["ACCOUNT_OK", "VERIFICATION_REQUIRED"].contains(&status) {
            return Err(Refusal::invalid(
                "INVALID_VALUE",
                "lifecycle.status",
                "is not a valid value",
            ));
        }
        let provider = match sent_part(sent, "identityProvider", "id")? {
            None => json!({"type": "PING_ONE"}),
            Some(id) => self.provider(&json!(id))?,
        };
        let mfa = sent_flag(sent, "mfaEnabled")?.unwrap_or(self.options.users.mfa_by_default);
        for (key, value) in [
            ("account", json!({"canAuthenticate": true, "status": "OK"})),
            ("emailVerified", json!(verified)),
            ("enabled", json!(true)),
            ("identityProvider", provider),
            ("lifecycle", json!({"status": status})),
            ("mfaEnabled", json!(mfa)),
            ("verifyStatus", json!("NOT_INITIATED")),
        ] {
            body.insert(key.to_owned(), value);
        }
        Ok(())
    }

    /// `{id, type}` of a known identity provider.
    pub(crate) fn provider(&self, id: &Value) -> Result<Value, Refusal> {
        let known = self.identity_providers();
        let found = known.iter().find(|provider| provider.get("id") == Some(id));
        let found = found.ok_or_else(|| Refusal::invalid("INVALID_VALUE", "identityProvider.id", "does not exist"))?;
        Ok(json!({"id": id, "type": found.get("type")}))
    }

    /// 403 `LICENSE_EXCEEDED` with `quotaLimit` (pingone-api.md §3.4, §6.4, S).
    fn licence_has_room(&self) -> Result<(), Refusal> {
        let most = self.options.users.licensed_users;
        if most == 0 || self.living_count() < most as usize {
            return Ok(());
        }
        let text = "The request could not be completed. The license limit was exceeded.";
        Err(Refusal::new(403, "ACCESS_FAILED", text)
            .detail("LICENSE_EXCEEDED", None, text)
            .inner(json!({"quotaLimit": most})))
    }

    /// Lengths, formats, uniqueness (points 25, 26; pingone-api.md §6.4).
    fn check_texts(&self, body: &Map<String, Value>, own: Option<u32>) -> Result<(), Refusal> {
        let username = text_of(body, "username").unwrap_or("");
        if username.is_empty() {
            return Err(Refusal::invalid("REQUIRED_VALUE", "username", "must not be empty"));
        }
        for (key, most) in TEXTS {
            let length = text_of(body, key).map_or(0, |text| text.chars().count());
            if length > most {
                return Err(
                    Refusal::invalid("SIZE_LIMIT_EXCEEDED", key, "is too long").inner(json!({"maximumValue": most}))
                );
            }
        }
        if text_of(body, "email").is_some_and(|email| !plausible_email(email)) {
            return Err(Refusal::invalid(
                "INVALID_VALUE",
                "email",
                "must be a valid e-mail address",
            ));
        }
        if text_of(body, "timezone").is_some_and(|zone| !zone.contains('/')) {
            return Err(Refusal::invalid(
                "INVALID_VALUE",
                "timezone",
                "must be a valid time zone",
            ));
        }
        let country = body
            .get("address")
            .and_then(|address| address.get("countryCode"))
            .and_then(Value::as_str);
        if country.is_some_and(|code| code.len() != 2 || !code.bytes().all(|byte| byte.is_ascii_uppercase())) {
            return Err(Refusal::invalid(
                "INVALID_VALUE",
                "address.countryCode",
                "must be two capital letters",
            ));
        }
        if let Some(other) = self.user_named(username).filter(|other| Some(*other) != own) {
            let refusal = not_unique("username");
            return Err(if self.options.users.existing_id {
                refusal.inner(json!({"existingId": self.user_id(other)}))
            } else {
                refusal
            });
        }
        self.check_unique(body, own)
    }

    fn check_unique(&self, body: &Map<String, Value>, own: Option<u32>) -> Result<(), Refusal> {
        for key in &self.options.users.unique_attribute {
            let Some(value) = text_of(body, key) else { continue };
            let taken = self.living().filter(|other| Some(*other) != own).any(|other| {
                text_of(&self.user_body(other), key).is_some_and(|text| text.to_lowercase() == value.to_lowercase())
            });
            if taken {
                return Err(not_unique(key));
            }
        }
        Ok(())
    }

    /// PUT and PATCH (pingone-api.md §6.5, §9 point 30, D).
    fn change_user(&mut self, call: &Call<'_>, id: Uuid) -> Outcome {
        let number = self.visible_user(call, id)?;
        if call.media != JSON {
            return Err(Refusal::media_type());
        }
        let sent = object(call.body)?;
        if self.options.users.state_in_patch == Treatment::Refuse
            && let Some(key) = STATE.iter().find(|key| sent.contains_key(**key))
        {
            return Err(Refusal::invalid("INVALID_VALUE", key, "cannot be changed here"));
        }
        let mut body = self.user_body(number);
        if call.method == Method::PUT {
            body.retain(|key, _| !writable(key));
        }
        merge(&mut body, &sent)?;
        self.check_texts(&body, Some(number))?;
        let before = text_of(&self.user_body(number), "username")
            .unwrap_or("")
            .to_lowercase();
        let after = text_of(&body, "username").unwrap_or("").to_lowercase();
        body.insert("updatedAt".to_owned(), json!(stamp(self.clock.unix_ms())));
        self.user_mut(number).body = body;
        self.users.by_username.remove(&before);
        self.users.by_username.insert(after, number);
        self.refilter(number);
        self.record_user(call, "USER.UPDATED", number);
        Ok(Self::ok(&self.user_value(number)))
    }

    /// 204, then 404; memberships and assignments go too (pingone-api.md §6.5 S, §9 point 36).
    fn delete_user(&mut self, call: &Call<'_>, id: Uuid) -> Outcome {
        let number = self.visible_user(call, id)?;
        self.record_user(call, "USER.DELETED", number);
        let until = self.listed_until(call);
        let name = text_of(&self.user_body(number), "username")
            .unwrap_or("")
            .to_lowercase();
        if until.is_some() {
            self.user_mut(number).listed_until = until;
        } else {
            self.users.stored.remove(&number);
            self.users.gone.insert(number);
        }
        self.users.by_username.remove(&name);
        self.user_assignments.insert(number, Vec::new());
        for population in &mut self.populations {
            remove(&mut population.users, number);
        }
        for at in self.groups_of(number) {
            if let Some(group) = self.groups.get_mut(at as usize) {
                remove(&mut group.direct, number);
                remove(&mut group.auto, number);
            }
            self.settle(at);
        }
        self.version += 1;
        Ok(Answer::empty(204))
    }

    /// Whether the call reaches the whole environment.
    pub(crate) fn needs_everything(&self, call: &Call<'_>) -> Result<(), Refusal> {
        if call.reach == Reach::All {
            Ok(())
        } else {
            Err(self.denied())
        }
    }
}
