//! How single objects look: users, groups, populations, memberships, and reads by id. Shapes: pingone-api.md §6.2 (S),
//! §6.3 (S), §6.6 (S, links G), §6.7 (S), §7.

use super::answer::{Outcome, Refusal};
use super::call::Call;
use super::clock::stamp;
use super::filter;
use super::generate::{EPOCH_MS, id_text};
use super::lists::put_value;
use super::paging::Rows;
use super::route::{Part, Principal};
use super::world::{World, holds};
use serde_json::{Map, Value, json};
use uuid::Uuid;

impl World {
    /// `<base>/environments/<env>` and a tail.
    pub(crate) fn link(&self, tail: &str) -> Value {
        json!({"href": format!("{}/environments/{}{tail}", self.base, self.environment)})
    }

    /// Appends a user object (pingone-api.md §7).
    pub(crate) fn render_user(&self, number: u32, out: &mut Vec<u8>) {
        let users = &self.options.users;
        let plain = !users.forward_compatibility && !users.nulls;
        if plain && !self.users.stored.contains_key(&number) {
            self.people.render(number, out);
        } else {
            put_value(out, &self.user_value(number));
        }
    }

    /// A user object as a value, with links and what a test laid over it.
    pub(crate) fn user_value(&self, number: u32) -> Value {
        let id = self.user_id(number);
        let mut body = self.user_body(number);
        let population = self
            .user_population(number)
            .and_then(|at| self.populations.get(at as usize));
        let mut links = Map::new();
        links.insert("self".to_owned(), self.link(&format!("/users/{id}")));
        links.insert("environment".to_owned(), self.link(""));
        if let Some(population) = population {
            links.insert(
                "population".to_owned(),
                self.link(&format!("/populations/{}", population.id)),
            );
        }
        links.insert("password".to_owned(), self.link(&format!("/users/{id}/password")));
        links.insert(
            "linkedAccounts".to_owned(),
            self.link(&format!("/users/{id}/linkedAccounts")),
        );
        body.insert("_links".to_owned(), Value::Object(links));
        if self.options.users.nulls {
            for key in [
                "email",
                "externalId",
                "lastSignOn",
                "mobilePhone",
                "nickname",
                "title",
                "type",
                "locale",
                "photo",
            ] {
                body.entry(key).or_insert(Value::Null);
            }
        }
        if self.options.users.forward_compatibility {
            from_the_future(&mut body, number);
        }
        Value::Object(body)
    }

    /// `expand=population` (pingone-api.md §4.2: D exists, place G).
    pub(crate) fn user_with_population(&self, number: u32) -> Value {
        let mut user = self.user_value(number);
        if let (Value::Object(body), Some(population)) = (&mut user, self.user_population(number)) {
            body.insert(
                "_embedded".to_owned(),
                json!({"population": self.population_value(population)}),
            );
        }
        user
    }

    /// `GET …/users/{id}` (pingone-api.md §6.3; include D). Groups outside the reach are left out of the arrays (G).
    pub(crate) fn read_user(&self, call: &Call<'_>, id: Uuid) -> Outcome {
        let number = self.visible_user(call, id)?;
        if self.users.poisoned.contains(&number) {
            return Err(Refusal::unexpected());
        }
        let mut user = if call.includes("expand", "population") {
            self.user_with_population(number)
        } else {
            self.user_value(number)
        };
        let groups = |show: fn(&super::world::Group) -> Value| -> Value {
            self.groups_of(number)
                .into_iter()
                .filter(|group| self.group_visible(call, *group))
                .filter_map(|group| self.group(group))
                .map(show)
                .collect()
        };
        if let Value::Object(body) = &mut user {
            if call.includes("include", "memberOfGroupIDs") {
                body.insert("memberOfGroupIDs".to_owned(), groups(|group| json!(group.id)));
            }
            if call.includes("include", "memberOfGroupNames") {
                body.insert("memberOfGroupNames".to_owned(), groups(|group| json!(group.name)));
            }
        }
        Ok(Self::ok(&user))
    }

    /// Groups that a user belongs to in any way.
    pub(crate) fn groups_of(&self, user: u32) -> Vec<u32> {
        let numbered = (0_u32..).zip(&self.groups);
        numbered
            .filter(|(_, group)| !group.gone && holds(group.members(), user))
            .map(|(number, _)| number)
            .collect()
    }

    /// Whether the membership is what the API calls direct.
    pub(crate) fn is_direct(&self, group: u32, user: u32) -> bool {
        self.group(group)
            .is_some_and(|group| holds(group.direct_members(self.options.groups.external_members), user))
    }

    /// A group object (pingone-api.md §6.7, S; `totalMemberCounts` only with include, D).
    pub(crate) fn group_value(&self, number: u32, total: bool) -> Value {
        let Some(group) = self.group(number) else {
            return Value::Null;
        };
        let mut body = Map::new();
        let mut put = |key: &str, value: Value| body.insert(key.to_owned(), value);
        put(
            "_links",
            json!({"self": self.link(&format!("/groups/{}", group.id)), "environment": self.link("")}),
        );
        put("id", json!(group.id));
        put("environment", json!({"id": self.environment}));
        put("name", json!(group.name));
        match &group.source {
            Some((kind, source)) => {
                put("displayName", json!(format!("{}|{kind}|{source}", group.name)));
                put("sourceType", json!(kind));
                put("sourceId", json!(source));
            }
            None => {
                put("displayName", json!(group.name));
            }
        }
        if let Some(description) = &group.description {
            put("description", json!(description));
        }
        if let Some(population) = group.population.and_then(|at| self.populations.get(at as usize)) {
            put("population", json!({"id": population.id}));
        }
        if let Some(filter) = &group.user_filter {
            put("userFilter", json!(filter));
        }
        let counts = self.told_counts(number, group);
        if !self.options.groups.no_direct_counts {
            put(
                "directMemberCounts",
                json!({"users": counts.direct, "groups": counts.children}),
            );
        }
        if total {
            put("totalMemberCounts", json!({"users": counts.all}));
        }
        put("createdAt", json!(stamp(group.created_ms)));
        let updated_ms = group.updated_ms.unwrap_or(group.created_ms + 86_400_000);
        put("updatedAt", json!(stamp(updated_ms)));
        lay_over(&mut body, &group.over);
        Value::Object(body)
    }

    /// `GET …/groups/{id}` (pingone-api.md §6.7).
    pub(crate) fn read_group(&self, call: &Call<'_>, id: Uuid) -> Outcome {
        let number = self.visible_group(call, id)?;
        Ok(Self::ok(
            &self.group_value(number, call.includes("include", "totalMemberCounts")),
        ))
    }

    /// A population object (pingone-api.md §6.2, S).
    pub(crate) fn population_value(&self, number: u32) -> Value {
        let Some(population) = self.populations.get(number as usize) else {
            return Value::Null;
        };
        let mut body = Map::new();
        let mut put = |key: &str, value: Value| body.insert(key.to_owned(), value);
        put(
            "_links",
            json!({"self": self.link(&format!("/populations/{}", population.id))}),
        );
        put("id", json!(population.id));
        put("environment", json!({"id": self.environment}));
        put("name", json!(population.name));
        put("description", json!(format!("Population {number}")));
        put("userCount", json!(self.told_user_count(number, population)));
        if population.default {
            put("default", json!(true));
        }
        put("passwordPolicy", json!({"id": self.policy_id(0)}));
        put("createdAt", json!(stamp(EPOCH_MS)));
        put("updatedAt", json!(stamp(EPOCH_MS + i64::from(number) * 1000)));
        lay_over(&mut body, &population.over);
        if self.options.users.forward_compatibility {
            body.insert("theme".to_owned(), json!({"id": self.policy_id(7), "shade": null}));
        }
        Value::Object(body)
    }

    /// `GET …/populations/{id}` (pingone-api.md §6.2); 404 once it is deleted (§3.4, D/S).
    pub(crate) fn read_population(&self, call: &Call<'_>, id: Uuid) -> Outcome {
        let number = self
            .population_number(id)
            .filter(|number| call.reach.covers(Some(*number)));
        Ok(Self::ok(&self.population_value(number.ok_or_else(Refusal::missing)?)))
    }

    /// One row of memberOfGroups (pingone-api.md §6.6: shape S, `id` is the group's).
    pub(crate) fn membership_value(&self, holder: &str, group: u32, direct: bool, expand: bool) -> Value {
        let Some(found) = self.group(group) else {
            return Value::Null;
        };
        let mut row = json!({
            "_links": {
                "self": self.link(&format!("{holder}/memberOfGroups/{}", found.id)),
                "group": self.link(&format!("/groups/{}", found.id)),
            },
            "id": found.id, "environment": {"id": self.environment}, "name": found.name,
            "type": if direct { "DIRECT" } else { "INDIRECT" },
        });
        if let Value::Object(body) = &mut row {
            if let Some(population) = found.population.and_then(|at| self.populations.get(at as usize)) {
                body.insert("population".to_owned(), json!({"id": population.id}));
            }
            if expand {
                body.insert("_embedded".to_owned(), json!({"group": self.group_value(group, false)}));
            }
        }
        row
    }

    /// The groups of a principal with their kind, by number; and the path of the principal.
    fn memberships(
        &self,
        call: &Call<'_>,
        principal: Principal,
        id: Uuid,
    ) -> Result<(String, Vec<(u32, bool)>), Refusal> {
        let holder = format!("/{}/{id}", super::access::plural(principal));
        if principal == Principal::Group {
            let number = self.visible_group(call, id)?;
            let direct = self
                .group(number)
                .map(|group| group.parents.clone())
                .unwrap_or_default();
            let mut all = self.closure(number, |group| &group.parents);
            if !direct.contains(&number) {
                all.retain(|other| *other != number);
            }
            all.sort_unstable();
            return Ok((
                holder,
                all.into_iter().map(|other| (other, direct.contains(&other))).collect(),
            ));
        }
        let number = self.visible_user(call, id)?;
        let groups = self
            .groups_of(number)
            .into_iter()
            .filter(|group| self.group_visible(call, *group));
        Ok((
            holder,
            groups.map(|group| (group, self.is_direct(group, number))).collect(),
        ))
    }

    /// `GET …/memberOfGroups` of a user or a group (pingone-api.md §6.6, §6.7).
    pub(crate) fn list_memberships(&self, call: &Call<'_>, principal: Principal, id: Uuid) -> Outcome {
        let (holder, mut groups) = self.memberships(call, principal, id)?;
        if let Some(text) = call.filter() {
            let parsed = filter::parse(text).map_err(|problem| self.filter_refusal(&problem))?;
            groups.retain(|(group, direct)| {
                filter::matches(
                    &parsed,
                    &self.membership_value(&holder, *group, *direct, false),
                    &|_, _| false,
                )
            });
        }
        let rows = Rows::Owned(groups.iter().map(|(group, _)| *group).collect());
        let page = self.page(&call.ask(), &rows, self.options.paging.max_page)?;
        let expand = call.includes("expand", "group");
        Ok(self.write_page(call, "groupMemberships", &page, 700, |out, number| {
            let direct = groups.iter().any(|(group, direct)| *group == number && *direct);
            put_value(out, &self.membership_value(&holder, number, direct, expand));
        }))
    }

    /// `GET …/memberOfGroups/{gid}` → 200 or 404 (pingone-api.md §6.6, S).
    pub(crate) fn read_membership(&self, call: &Call<'_>, principal: Principal, id: Uuid, group: Uuid) -> Outcome {
        let wanted = self.group_number(group).ok_or_else(Refusal::missing)?;
        if principal == Principal::User {
            let user = self.visible_user(call, id)?;
            let member = self.group(wanted).is_some_and(|group| holds(group.members(), user));
            if !member || !self.group_visible(call, wanted) {
                return Err(Refusal::missing());
            }
            let direct = self.is_direct(wanted, user);
            let expand = call.includes("expand", "group");
            return Ok(Self::ok(&self.membership_value(
                &format!("/users/{id}"),
                wanted,
                direct,
                expand,
            )));
        }
        let (holder, groups) = self.memberships(call, principal, id)?;
        let found = groups
            .into_iter()
            .find(|(number, _)| *number == wanted)
            .ok_or_else(Refusal::missing)?;
        Ok(Self::ok(&self.membership_value(
            &holder,
            found.0,
            found.1,
            call.includes("expand", "group"),
        )))
    }

    /// `GET …/users/{id}/enabled` and its siblings (pingone-api.md §6.5: D, password S).
    pub(crate) fn read_part(&self, call: &Call<'_>, id: Uuid, part: Part) -> Outcome {
        let number = self.visible_user(call, id)?;
        Ok(Self::ok(&self.part_value(number, part)))
    }

    /// Body of a part of a user (pingone-api.md §6.5).
    pub(crate) fn part_value(&self, number: u32, part: Part) -> Value {
        let id = self.user_id(number);
        let body = self.user_body(number);
        let taken = |key: &str| body.get(key).cloned().unwrap_or(Value::Null);
        let (tail, value) = match part {
            Part::Enabled => ("enabled", json!({"enabled": taken("enabled")})),
            Part::MfaEnabled => ("mfaEnabled", json!({"mfaEnabled": taken("mfaEnabled")})),
            Part::VerifyStatus => ("verifyStatus", json!({"verifyStatus": taken("verifyStatus")})),
            Part::Population => ("population", taken("population")),
            Part::IdentityProvider => ("identityProvider", taken("identityProvider")),
            Part::Password => ("password", self.password_value(number)),
        };
        let mut value = if value.is_object() { value } else { json!({}) };
        if let Value::Object(body) = &mut value {
            let links =
                json!({"self": self.link(&format!("/users/{id}/{tail}")), "user": self.link(&format!("/users/{id}"))});
            body.insert("_links".to_owned(), links);
        }
        value
    }

    /// State of a password (pingone-api.md §6.5: members D, links S).
    fn password_value(&self, number: u32) -> Value {
        let user = self.user(number);
        let mut value = json!({
            "environment": {"id": self.environment}, "user": {"id": user.id},
            "passwordPolicy": {"id": self.policy_of(number)}, "status": user.password.status,
        });
        if let (Value::Object(body), Some(changed)) = (&mut value, user.password.changed_ms) {
            body.insert("lastChangedAt".to_owned(), json!(stamp(changed)));
        }
        value
    }

    /// `GET …/sessions` of a user, at most 10 (pingone-api.md §6.5, D; members G).
    pub(crate) fn list_sessions(&self, call: &Call<'_>, id: Uuid) -> Outcome {
        let user = self.user(self.visible_user(call, id)?);
        let rows: Vec<Value> = user
            .sessions
            .iter()
            .take(10)
            .map(|session| self.session_value(id, *session))
            .collect();
        self.list_values(call, "sessions", &rows)
    }

    /// `GET …/sessions/{sid}` (pingone-api.md §6.5, D).
    pub(crate) fn read_session(&self, call: &Call<'_>, id: Uuid, session: Uuid) -> Outcome {
        let user = self.user(self.visible_user(call, id)?);
        let found = user
            .sessions
            .contains(&session)
            .then(|| self.session_value(id, session));
        found.map(|value| Self::ok(&value)).ok_or_else(Refusal::missing)
    }

    /// A session object (pingone-api.md §6.5: the call D, the members G).
    fn session_value(&self, user: Uuid, session: Uuid) -> Value {
        json!({
            "_links": {"self": self.link(&format!("/users/{user}/sessions/{session}"))},
            "id": session, "environment": {"id": self.environment}, "user": {"id": user},
            "createdAt": stamp(EPOCH_MS), "activeAt": stamp(EPOCH_MS + 60_000), "expiresAt": stamp(EPOCH_MS + 3_600_000),
        })
    }

    /// `GET …/devices` of a user (pingone-api.md §6.13, D).
    pub(crate) fn list_devices(&self, call: &Call<'_>, id: Uuid) -> Outcome {
        let user = self.user(self.visible_user(call, id)?);
        let rows: Vec<Value> = user
            .devices
            .iter()
            .map(|device| self.device_value(id, *device))
            .collect();
        self.list_values(call, "devices", &rows)
    }

    /// `GET …/devices/{did}` (pingone-api.md §6.5, D).
    pub(crate) fn read_device(&self, call: &Call<'_>, id: Uuid, device: Uuid) -> Outcome {
        let user = self.user(self.visible_user(call, id)?);
        let found = user.devices.contains(&device).then(|| self.device_value(id, device));
        found.map(|value| Self::ok(&value)).ok_or_else(Refusal::missing)
    }

    /// A device object (pingone-api.md §6.13: `id`, `type`, `status` D, the rest G).
    fn device_value(&self, user: Uuid, device: Uuid) -> Value {
        let active = id_text(device).first().is_some_and(u8::is_ascii_digit);
        json!({
            "_links": {"self": self.link(&format!("/users/{user}/devices/{device}"))},
            "id": device, "environment": {"id": self.environment}, "user": {"id": user}, "type": "TOTP",
            "status": if active { "ACTIVE" } else { "ACTIVATION_REQUIRED" },
        })
    }

    /// `GET …/linkedAccounts` (pingone-api.md §6.5, S): nobody has any.
    pub(crate) fn list_linked_accounts(&self, call: &Call<'_>, id: Uuid) -> Outcome {
        self.visible_user(call, id)?;
        self.empty_list(call, "linkedAccounts")
    }
}

/// Lays members over an object; null takes one away.
pub(crate) fn lay_over(body: &mut Map<String, Value>, over: &Map<String, Value>) {
    for (key, value) in over {
        if value.is_null() {
            body.remove(key);
        } else {
            body.insert(key.clone(), value.clone());
        }
    }
}

/// Point 37: enum values that nobody knows yet (pingone-api.md §3.2 forward compatibility, D).
fn from_the_future(body: &mut Map<String, Value>, number: u32) {
    match number % 4 {
        0 => body.insert(
            "lifecycle".to_owned(),
            json!({"status": "AWAITING_APPROVAL", "since": 7}),
        ),
        1 => body.insert("identityProvider".to_owned(), json!({"type": "PIGEON_POST"})),
        2 => body.insert(
            "account".to_owned(),
            json!({"canAuthenticate": true, "status": "HIBERNATING"}),
        ),
        _ => body.insert("verifyStatus".to_owned(), json!("UNDER_WATER")),
    };
}
