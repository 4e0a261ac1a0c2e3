//! Parts of a user with calls of their own: enabled, population, MFA, identity provider, lock, verification, password,
//! sessions, devices (pingone-api.md §6.5, §6.13; points 32 to 35, 61).

use super::answer::{Answer, Outcome, Refusal};
use super::call::Call;
use super::clock::{parse_stamp, stamp};
use super::fields::{object, sent_flag, sent_text, text_of};
use super::route::Part;
use super::world::{World, insert, remove};
use super::writes::JSON;
use http::Method;
use serde_json::{Map, Value, json};
use uuid::Uuid;

const LOCK: &str = "application/vnd.pingidentity.account.lock+json";
const UNLOCK: &str = "application/vnd.pingidentity.account.unlock+json";
const VERIFY: &str = "application/vnd.pingidentity.user.verify+json";
const SEND_VERIFICATION: &str = "application/vnd.pingidentity.user.sendverificationcode+json";
const PASSWORD_SET: &str = "application/vnd.pingidentity.password.set+json";
const PASSWORD_RESET: &str = "application/vnd.pingidentity.password.reset+json";
const PASSWORD_FORCE: &str = "application/vnd.pingidentity.password.forcechange";
const PASSWORD_UNLOCK: &str = "application/vnd.pingidentity.password.unlock+json";
const PASSWORD_SEND_CODE: &str = "application/vnd.pingidentity.password.sendrecoverycode+json";
const PASSWORD_RECOVER: &str = "application/vnd.pingidentity.password.recover+json";

impl World {
    /// `PUT …/enabled` and its siblings (pingone-api.md §6.5).
    pub(crate) fn put_part(&mut self, call: &Call<'_>, id: Uuid, part: Part) -> Outcome {
        let number = self.visible_user(call, id)?;
        if part == Part::Password {
            return self.put_password(call, number);
        }
        if call.media != JSON {
            return Err(Refusal::media_type());
        }
        let sent = object(call.body)?;
        match part {
            Part::Enabled => self.put_enabled(number, flag(&sent, "enabled")?),
            Part::MfaEnabled => self.put_member(number, "mfaEnabled", json!(flag(&sent, "mfaEnabled")?)),
            Part::Population => self.move_user(call, number, &sent)?,
            Part::IdentityProvider => {
                let id = sent_text(&sent, "id")?
                    .ok_or_else(|| Refusal::invalid("REQUIRED_VALUE", "id", "must not be empty"))?;
                let provider = self.provider(&json!(id))?;
                self.put_member(number, "identityProvider", provider);
            }
            _ => return Err(Refusal::method()),
        }
        self.touch(number);
        self.refilter(number);
        self.record_user(
            call,
            if part == Part::Population {
                "USER.MOVED"
            } else {
                "USER.UPDATED"
            },
            number,
        );
        Ok(Self::ok(&self.part_value(number, part)))
    }

    fn touch(&mut self, number: u32) {
        let now = json!(stamp(self.clock.unix_ms()));
        self.user_mut(number).body.insert("updatedAt".to_owned(), now);
    }

    fn put_member(&mut self, number: u32, key: &str, value: Value) {
        self.user_mut(number).body.insert(key.to_owned(), value);
    }

    /// Point 32: `enabled` and `account.canAuthenticate` go together.
    fn put_enabled(&mut self, number: u32, enabled: bool) {
        let ends = self.options.users.disable_ends_sessions;
        let user = self.user_mut(number);
        let was = user.body.get("enabled") == Some(&Value::Bool(true));
        user.just_enabled = enabled && !was;
        user.body.insert("enabled".to_owned(), json!(enabled));
        if ends && !enabled {
            user.sessions.clear();
        }
        set_authentication(&mut user.body);
    }

    /// Point 34: moving drops the memberships of the old population's groups.
    fn move_user(&mut self, call: &Call<'_>, number: u32, sent: &Map<String, Value>) -> Result<(), Refusal> {
        let id = sent_text(sent, "id")?.and_then(|id| Uuid::try_parse(id).ok());
        let target = id.and_then(|id| self.population_number(id));
        let target = target.ok_or_else(|| Refusal::invalid("INVALID_VALUE", "id", "population does not exist"))?;
        if !call.reach.covers(Some(target)) {
            return Err(self.denied());
        }
        let old = self.user_population(number);
        let id = self.populations.get(target as usize).map(|found| found.id);
        let user = self.user_mut(number);
        user.population = Some(target);
        user.body.insert("population".to_owned(), json!({"id": id}));
        for (at, population) in (0..).zip(&mut self.populations) {
            if at == target {
                insert(&mut population.users, number)
            } else {
                remove(&mut population.users, number)
            };
        }
        if old != Some(target) {
            for at in self.groups_of(number) {
                let Some(group) = self.groups.get_mut(at as usize) else {
                    continue;
                };
                if group.population.is_some() && group.population == old && remove(&mut group.direct, number) {
                    self.settle(at);
                }
            }
        }
        Ok(())
    }

    /// `POST …/users/{id}`: what happens says the media type (point 33).
    pub(crate) fn command_user(&mut self, call: &Call<'_>, id: Uuid) -> Outcome {
        let number = self.visible_user(call, id)?;
        let action = match call.media {
            LOCK => {
                self.lock_allowed(number)?;
                self.lock(call, number)?;
                "USER.LOCKED"
            }
            UNLOCK => {
                self.lock_allowed(number)?;
                let user = self.user_mut(number);
                user.body.insert("account".to_owned(), json!({"status": "OK"}));
                set_authentication(&mut user.body);
                "USER.UNLOCKED"
            }
            VERIFY | SEND_VERIFICATION => {
                let status = if call.media == VERIFY {
                    "ACCOUNT_OK"
                } else {
                    "VERIFICATION_REQUIRED"
                };
                self.put_member(number, "lifecycle", json!({"status": status}));
                "USER.UPDATED"
            }
            _ => return Err(Refusal::media_type()),
        };
        self.touch(number);
        self.record_user(call, action, number);
        Ok(Self::ok(&self.user_value(number)))
    }

    /// 415 right after enabling, once, or for a disabled user (pingone-api.md §6.5, S).
    fn lock_allowed(&mut self, number: u32) -> Result<(), Refusal> {
        let users = self.options.users.clone();
        let user = self.user_mut(number);
        let disabled = user.body.get("enabled") == Some(&Value::Bool(false));
        let fresh = std::mem::take(&mut user.just_enabled);
        if (users.lock_415_after_enabling && fresh) || (users.lock_415_when_disabled && disabled) {
            return Err(Refusal::media_type());
        }
        Ok(())
    }

    fn lock(&mut self, call: &Call<'_>, number: u32) -> Result<(), Refusal> {
        let sent = if call.body.is_empty() {
            Map::new()
        } else {
            object(call.body)?
        };
        let until = match sent.get("unlockAt") {
            None | Some(Value::Null) => None,
            Some(Value::String(text)) => Some(
                parse_stamp(text)
                    .ok_or_else(|| Refusal::invalid("INVALID_VALUE", "unlockAt", "is not a valid time"))?,
            ),
            Some(_) => return Err(Refusal::invalid("INVALID_VALUE", "unlockAt", "is not a valid time")),
        };
        if until.is_none() && self.options.users.open_lock_ignored {
            return Ok(());
        }
        let now = self.clock.unix_ms();
        let mut account = json!({"status": "LOCKED", "lockedAt": stamp(now)});
        if let (Some(until), Value::Object(account)) = (until, &mut account) {
            account.insert("unlockAt".to_owned(), json!(stamp(until)));
            account.insert("secondsUntilUnlock".to_owned(), json!((until - now).max(0) / 1000));
        }
        let user = self.user_mut(number);
        user.body.insert("account".to_owned(), account);
        set_authentication(&mut user.body);
        Ok(())
    }

    /// `PUT …/password` (pingone-api.md §6.5, D): set by an administrator, or reset.
    fn put_password(&mut self, call: &Call<'_>, number: u32) -> Outcome {
        let (key, status) = match call.media {
            PASSWORD_SET => ("value", "OK"),
            PASSWORD_RESET => ("newPassword", "MUST_CHANGE_PASSWORD"),
            _ => return Err(Refusal::media_type()),
        };
        let sent = object(call.body)?;
        self.password_is_ours(number)?;
        let value = sent_text(&sent, key)?.filter(|value| !value.is_empty());
        let value = value.ok_or_else(|| Refusal::invalid("REQUIRED_VALUE", key, "must not be empty"))?;
        let bypass = sent_flag(&sent, "bypassPolicy")?.unwrap_or(false);
        let force = sent_flag(&sent, "forceChange")?.unwrap_or(false);
        if call.media == PASSWORD_SET && !bypass {
            let old = self.user(number).password.value;
            self.check_password(
                self.policy_of(number),
                value,
                old.as_deref(),
                &self.user_body(number),
                key,
            )?;
        }
        let status = if force { "MUST_CHANGE_PASSWORD" } else { status };
        self.store_password(number, status, Some(value));
        self.record_user(
            call,
            if call.media == PASSWORD_SET {
                "PASSWORD.SET"
            } else {
                "PASSWORD.RESET"
            },
            number,
        );
        Ok(Self::ok(&self.part_value(number, Part::Password)))
    }

    fn store_password(&mut self, number: u32, status: &'static str, value: Option<&str>) {
        let now = self.clock.unix_ms();
        let user = self.user_mut(number);
        user.password.status = status;
        if let Some(value) = value {
            user.password.value = Some(value.to_owned());
            user.password.changed_ms = Some(now);
        }
    }

    /// Users of another identity provider have no password here (pingone-api.md §6.5, D).
    fn password_is_ours(&self, number: u32) -> Result<(), Refusal> {
        let body = self.user_body(number);
        let kind = body
            .get("identityProvider")
            .and_then(|provider| provider.get("type"))
            .and_then(Value::as_str);
        if kind.is_some_and(|kind| kind != "PING_ONE") {
            return Err(Refusal::failed(
                "CONSTRAINT_VIOLATION",
                "The user's identity provider is authoritative.",
            ));
        }
        Ok(())
    }

    /// `POST …/password` (pingone-api.md §6.5, D).
    pub(crate) fn command_password(&mut self, call: &Call<'_>, id: Uuid) -> Outcome {
        let number = self.visible_user(call, id)?;
        self.password_is_ours(number)?;
        let status = self.user(number).password.status;
        let (next, action) = match call.media {
            PASSWORD_FORCE => ("MUST_CHANGE_PASSWORD", "PASSWORD.FORCE_CHANGE"),
            PASSWORD_UNLOCK if status == "PASSWORD_LOCKED_OUT" => ("OK", "PASSWORD.UNLOCKED"),
            PASSWORD_UNLOCK => (status, "PASSWORD.UNLOCKED"),
            PASSWORD_SEND_CODE => {
                let disabled = self.user_body(number).get("enabled") == Some(&Value::Bool(false));
                if disabled || status == "PASSWORD_LOCKED_OUT" {
                    return Err(Refusal::failed("ACCOUNT_NOT_USABLE", "The account cannot be used."));
                }
                (status, "PASSWORD.RECOVERY")
            }
            PASSWORD_RECOVER => {
                // No code is ever given out, so none can be right.
                return Err(Refusal::invalid("INVALID_VALUE", "recoveryCode", "is not valid"));
            }
            _ => return Err(Refusal::media_type()),
        };
        if status == "NO_PASSWORD" {
            return Err(Refusal::failed("NO_PASSWORD", "The user has no password."));
        }
        self.store_password(number, next, None);
        self.record_user(call, action, number);
        Ok(Self::ok(&self.part_value(number, Part::Password)))
    }

    /// The policy of a population.
    pub(crate) fn policy_of_population(&self, population: u32) -> Uuid {
        let found = self.populations.get(population as usize);
        let named = found
            .and_then(|found| found.over.get("passwordPolicy"))
            .and_then(|policy| policy.get("id"));
        let named = named.and_then(Value::as_str).and_then(|id| Uuid::try_parse(id).ok());
        named.unwrap_or_else(|| self.policy_id(0))
    }

    /// Holds a password against a policy (pingone-api.md §6.13, point 61).
    pub(crate) fn check_password(
        &self,
        policy: Uuid,
        value: &str,
        current: Option<&str>,
        profile: &Map<String, Value>,
        target: &str,
    ) -> Result<(), Refusal> {
        let policies = self.policies();
        let Some(policy) = policies.iter().find(|found| found.get("id") == Some(&json!(policy))) else {
            return Ok(());
        };
        let refused = |text: &str| Err(Refusal::invalid("INVALID_VALUE", target, text));
        let number = |value: Option<&Value>| value.and_then(Value::as_u64).and_then(|n| usize::try_from(n).ok());
        let length = value.chars().count();
        let bounds = policy.get("length");
        let least = number(bounds.and_then(|bounds| bounds.get("min"))).unwrap_or(0);
        if length < least || length > number(bounds.and_then(|bounds| bounds.get("max"))).unwrap_or(usize::MAX) {
            return refused("length is outside the policy's bounds");
        }
        for (set, least) in policy
            .get("minCharacters")
            .and_then(Value::as_object)
            .into_iter()
            .flatten()
        {
            if value.chars().filter(|c| set.contains(*c)).count() < number(Some(least)).unwrap_or(0) {
                return refused("a kind of character is missing");
            }
        }
        let unique: std::collections::BTreeSet<char> = value.chars().collect();
        if unique.len() < number(policy.get("minUniqueCharacters")).unwrap_or(0) {
            return refused("too few different characters");
        }
        if longest_run(value) > number(policy.get("maxRepeatedCharacters")).unwrap_or(usize::MAX) {
            return refused("a character is repeated too often");
        }
        let folded = value.to_lowercase();
        let known = ["username", "email"]
            .iter()
            .filter_map(|key| text_of(profile, key))
            .map(str::to_lowercase);
        if known.into_iter().any(|part| part.len() > 2 && folded.contains(&part)) {
            return refused("contains profile data");
        }
        if ["password1!", "welcome1!", "qwertz123!"].contains(&folded.as_str()) || current == Some(value) {
            return refused("is commonly used or like the current one");
        }
        Ok(())
    }

    /// `DELETE …/sessions/{sid}` (pingone-api.md §6.5, D).
    pub(crate) fn delete_session(&mut self, call: &Call<'_>, id: Uuid, session: Uuid) -> Outcome {
        let number = self.visible_user(call, id)?;
        if !self.user(number).sessions.contains(&session) {
            return Err(Refusal::missing());
        }
        self.user_mut(number).sessions.retain(|known| *known != session);
        self.record_user(call, "SESSION.DELETED", number);
        Ok(Answer::empty(204))
    }

    /// `DELETE …/devices/{did}` (pingone-api.md §6.13, D).
    pub(crate) fn delete_device(&mut self, call: &Call<'_>, id: Uuid, device: Uuid) -> Outcome {
        let number = self.visible_user(call, id)?;
        if call.method != Method::DELETE || !self.user(number).devices.contains(&device) {
            return Err(Refusal::missing());
        }
        self.user_mut(number).devices.retain(|known| *known != device);
        self.record_user(call, "DEVICE.DELETED", number);
        Ok(Answer::empty(204))
    }
}

fn flag(sent: &Map<String, Value>, key: &str) -> Result<bool, Refusal> {
    sent_flag(sent, key)?.ok_or_else(|| Refusal::invalid("REQUIRED_VALUE", key, "must not be null"))
}

/// `account.canAuthenticate`: enabled and not locked (pingone-api.md §7, D).
fn set_authentication(body: &mut Map<String, Value>) {
    let enabled = body.get("enabled") == Some(&Value::Bool(true));
    let account = body.entry("account").or_insert_with(|| json!({"status": "OK"}));
    if let Value::Object(account) = account {
        let locked = account.get("status") == Some(&json!("LOCKED"));
        account.insert("canAuthenticate".to_owned(), json!(enabled && !locked));
    }
}

fn longest_run(text: &str) -> usize {
    let (mut longest, mut run, mut last) = (0, 0, None);
    for c in text.chars() {
        run = if last == Some(c) { run + 1 } else { 1 };
        last = Some(c);
        longest = longest.max(run);
    }
    longest
}
