//! Applications: the list, their access conditions, replacing one, and their secrets, each read of which is counted
//! (access-model.md §1, §11 points 101 to 115).

use super::answer::{Answer, Outcome, Refusal};
use super::call::Call;
use super::clock::{parse_stamp, stamp};
use super::fields::{object, sent_text};
use super::generate::EPOCH_MS;
use super::ids::draw;
use super::objects::lay_over;
use super::options::AuthMethod;
use super::paging::{Page, Rows};
use super::route::Principal;
use super::world::{Application, World};
use super::writes::JSON;
use http::Method;
use serde_json::{Map, Value, json};
use std::time::Duration;
use uuid::Uuid;

/// What a filter of users by several groups comes to (point 111).
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Intersections {
    /// The users who are in all of them
    Answer,
    /// 400 `INVALID_FILTER`
    Refuse,
    /// 500
    Fail,
}

/// Shortest and longest life of a previous secret (access-model.md §4).
const PREVIOUS_LIVES: std::ops::RangeInclusive<i64> = 60_000..=720 * 3_600_000;

impl World {
    /// An application object (pingone-api.md §6.8, access-model.md §1.1, S).
    pub(crate) fn application_value(&self, application: &Application) -> Value {
        let method = match application.method {
            AuthMethod::Basic => "CLIENT_SECRET_BASIC",
            AuthMethod::Post => "CLIENT_SECRET_POST",
            AuthMethod::PrivateKeyJwt => "PRIVATE_KEY_JWT",
        };
        let own = format!(
            "{}/environments/{}/applications/{}",
            self.base, application.environment, application.id
        );
        let mut links = json!({"self": {"href": own}});
        let tails: &[&str] = if application.roles {
            &["grants", "attributes", "secret", "roleAssignments"]
        } else {
            &["attributes"]
        };
        for tail in tails {
            if let Value::Object(links) = &mut links {
                links.insert((*tail).to_owned(), json!({"href": format!("{own}/{tail}")}));
            }
        }
        let mut body = Map::new();
        for (key, value) in [
            ("_links", links),
            ("environment", json!({"id": application.environment})),
            ("id", json!(application.id)),
            ("name", json!(application.name)),
            ("description", json!("Made-up application")),
            ("enabled", json!(application.enabled)),
            ("type", json!(application.kind)),
            ("protocol", json!(application.protocol)),
            ("hiddenFromAppPortal", json!(false)),
            ("tags", json!([])),
            ("createdAt", json!(stamp(EPOCH_MS))),
            ("updatedAt", json!(stamp(EPOCH_MS))),
        ] {
            body.insert(key.to_owned(), value);
        }
        if application.protocol == "OPENID_CONNECT" {
            body.insert("grantTypes".to_owned(), json!(["CLIENT_CREDENTIALS"]));
            body.insert("tokenEndpointAuthMethod".to_owned(), json!(method));
        }
        if application.kind == "WORKER" {
            let administrators = json!({"role": {"type": "ADMIN_USERS_ONLY"}});
            body.insert("accessControl".to_owned(), administrators);
        }
        lay_over(&mut body, &application.over);
        Value::Object(body)
    }

    /// `GET …/applications`: everything on one page with `size` and no `count`, or pages by a knob (point 101).
    pub(crate) fn list_applications(&self, call: &Call<'_>) -> Outcome {
        if !self.users.poisoned.is_empty() && self.options.access_model.poisoned_applications {
            return Err(Refusal::unexpected());
        }
        let numbers: Vec<u32> = (0..)
            .zip(&self.applications)
            .filter(|(_, found)| found.environment == call.environment && found.listed)
            .map(|(number, _)| number)
            .collect();
        let row = |out: &mut Vec<u8>, number: u32| {
            let found = self.applications.get(number as usize);
            let value = found.map_or(Value::Null, |found| self.application_value(found));
            super::lists::put_value(out, &value);
        };
        let page = if self.options.access_model.application_pages {
            self.page(&call.ask(), &Rows::Owned(numbers), self.options.paging.max_page)?
        } else {
            Page {
                count: None,
                ..self.whole_page(call, numbers)?
            }
        };
        Ok(self.write_page(call, "applications", &page, 1200, row))
    }

    /// `GET …/applications/{id}` (pingone-api.md §6.8, S).
    pub(crate) fn read_application(&self, call: &Call<'_>, id: Uuid) -> Outcome {
        let number = self.application_number(call.environment, id)?;
        let found = self.applications.get(number).ok_or_else(Refusal::missing)?;
        Ok(Self::ok(&self.application_value(found)))
    }

    pub(crate) fn application_number(&self, environment: Uuid, id: Uuid) -> Result<usize, Refusal> {
        let found = self
            .applications
            .iter()
            .position(|found| found.id == id && found.environment == environment);
        found.ok_or_else(Refusal::missing)
    }

    /// `PUT …/applications/{id}` replaces: what is left out falls to its default (point 110).
    pub(crate) fn replace_application(&mut self, call: &Call<'_>, id: Uuid) -> Outcome {
        let number = self.application_number(call.environment, id)?;
        if call.media != JSON {
            return Err(Refusal::media_type());
        }
        let sent = object(call.body)?;
        let required = |key: &str| {
            sent_text(&sent, key)?.ok_or_else(|| Refusal::invalid("REQUIRED_VALUE", key, "must not be empty"))
        };
        let (name, kind, protocol) = (required("name")?.to_owned(), required("type")?, required("protocol")?);
        let Some(found) = self.applications.get_mut(number) else {
            return Err(Refusal::missing());
        };
        if kind != found.kind || protocol != found.protocol {
            return Err(Refusal::invalid("INVALID_VALUE", "type", "cannot be changed"));
        }
        found.name = name;
        found.enabled = sent.get("enabled") == Some(&Value::Bool(true));
        let keep = ["accessControl", "description", "hiddenFromAppPortal", "grantTypes"];
        found.over = sent
            .into_iter()
            .filter(|(key, _)| keep.contains(&key.as_str()))
            .collect();
        self.version += 1;
        self.read_application(call, id)
    }

    /// Whether an application's condition names the group (point 129).
    pub(crate) fn limits_an_application(&self, group: Uuid) -> bool {
        let wanted = json!({"id": group});
        self.applications.iter().any(|application| {
            let condition = application.over.get("accessControl");
            let groups = condition.and_then(|condition| condition.pointer("/group/groups"));
            groups
                .and_then(Value::as_array)
                .is_some_and(|groups| groups.contains(&wanted))
        })
    }

    /// Reads, replaces and ends secrets (points 114, 115). The sandbox counts the reads.
    pub(crate) fn secret_of(&mut self, call: &Call<'_>, id: Uuid) -> Outcome {
        let number = self.application_number(call.environment, id)?;
        let locked = |found: &Application| found.assignments.iter().any(|item| item.read_only);
        if number == call.worker || self.applications.get(number).is_none_or(locked) {
            return Err(self.denied());
        }
        let until = self.previous_until(call)?;
        let (seed, now) = (self.spec.seed, self.clock.unix_ms());
        let Some(found) = self.applications.get_mut(number) else {
            return Err(Refusal::missing());
        };
        match *call.method {
            Method::DELETE => {
                found.previous = None;
                return Ok(Answer::empty(204));
            }
            Method::POST => {
                found.replaced = found.replaced.wrapping_add(1);
                let fresh = format!("sbx~{:016x}_-", draw(seed, 0x5ef + number as u64, found.replaced));
                let old = std::mem::replace(&mut found.secret, fresh);
                let life = until.map(|until| Duration::from_millis(u64::try_from(until - now).unwrap_or(0)));
                found.previous = life.map(|life| (old, call.now + life));
                found.former.clear();
            }
            _ => {}
        }
        let mut body = json!({"environment": {"id": found.environment}, "secret": found.secret});
        if let (Some((secret, _)), Value::Object(body)) = (&found.previous, &mut body) {
            let previous = json!({"secret": secret, "expiresAt": until.map(stamp)});
            body.insert("previous".to_owned(), previous);
        }
        Ok(Self::ok(&body))
    }

    /// Until when the old secret stays, as a POST asks: a minute to 30 days (access-model.md §4).
    fn previous_until(&self, call: &Call<'_>) -> Result<Option<i64>, Refusal> {
        if *call.method != Method::POST || call.body.is_empty() {
            return Ok(None);
        }
        let sent = object(call.body)?;
        let Some(text) = sent.get("previous").and_then(|previous| previous.get("expiresAt")) else {
            return Ok(None);
        };
        let refused = || {
            Refusal::invalid(
                "INVALID_VALUE",
                "previous.expiresAt",
                "must be a minute to 30 days away",
            )
        };
        let until = text.as_str().and_then(parse_stamp).ok_or_else(refused)?;
        if PREVIOUS_LIVES.contains(&(until - self.clock.unix_ms())) {
            Ok(Some(until))
        } else {
            Err(refused())
        }
    }

    /// What the path of an application's roles says where it cannot hold any (point 118).
    pub(crate) fn holds_no_roles(&self, holder: Principal, id: Uuid) -> Option<Refusal> {
        let found = self.applications.iter().find(|found| found.id == id)?;
        if holder != Principal::Application || found.roles {
            return None;
        }
        match self.options.access_model.no_roles_status {
            200 => None,
            404 => Some(Refusal::missing()),
            _ => Some(self.denied()),
        }
    }
}
