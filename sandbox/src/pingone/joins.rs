//! Writes on memberships, groups and populations (pingone-api.md §6.2, §6.6, §6.7; points 39 to 46).

use super::activities::Event;
use super::answer::{Answer, Outcome, Refusal};
use super::call::Call;
use super::fields::{not_unique, object, sent_object, sent_part, sent_text, wrong_type};
use super::filter;
use super::route::Principal;
use super::world::{Group, World, holds, insert, remove};
use super::writes::JSON;
use serde_json::{Map, Value, json};
use uuid::Uuid;

impl World {
    /// `POST …/memberOfGroups` of a user (point 42) or of a group (point 41).
    pub(crate) fn add_membership(&mut self, call: &Call<'_>, principal: Principal, id: Uuid) -> Outcome {
        if call.media != JSON {
            return Err(Refusal::media_type());
        }
        let sent = object(call.body)?;
        let wanted =
            sent_text(&sent, "id")?.ok_or_else(|| Refusal::invalid("REQUIRED_VALUE", "id", "must not be empty"))?;
        let holder = format!("/{}/{id}", super::access::plural(principal));
        let known = |world: &Self| {
            let group = Uuid::try_parse(wanted)
                .ok()
                .and_then(|wanted| world.group_number(wanted));
            group.filter(|group| world.group_visible(call, *group))
        };
        let missing = || Refusal::invalid("INVALID_VALUE", "id", "group does not exist");
        let group = if principal == Principal::User {
            let user = self.visible_user(call, id)?;
            let group = known(self).ok_or_else(missing)?;
            self.add_user(user, group)
                .map_err(|refusal| refusal.with_status(self.options.groups.refused_member_status))?;
            self.record_membership(call, "MEMBER_OF_GROUP.CREATED", &holder, group);
            group
        } else {
            let child = self.visible_group(call, id)?;
            let group = known(self).ok_or_else(missing)?;
            self.add_group(child, group)?;
            self.record_membership(call, "MEMBER_OF_GROUP.CREATED", &holder, group);
            group
        };
        if self.options.groups.add_status == 204 {
            return Ok(Answer::empty(204));
        }
        Ok(self.created(&self.membership_value(&holder, group, true, false)))
    }

    fn add_user(&mut self, user: u32, number: u32) -> Result<(), Refusal> {
        let population = self.user_population(user);
        let groups = self.options.groups.clone();
        let Some(group) = self.groups.get_mut(number as usize) else {
            return Err(Refusal::missing());
        };
        if group.source.is_some() {
            return Err(Refusal::invalid(
                "CONSTRAINT_VIOLATION",
                "id",
                "members of an external group come from its source",
            ));
        }
        if group.user_filter.is_some() && groups.refuse_dynamic_add {
            return Err(Refusal::invalid(
                "CONSTRAINT_VIOLATION",
                "id",
                "members of a dynamic group come from its filter",
            ));
        }
        if group.population.is_some() && group.population != population {
            return Err(Refusal::invalid(
                "INVALID_VALUE",
                "population",
                "the user is of another population",
            ));
        }
        if !insert(&mut group.direct, user) && !groups.duplicate_member_ok {
            return Err(not_unique("id"));
        }
        self.settle(number);
        Ok(())
    }

    fn add_group(&mut self, child: u32, parent: u32) -> Result<(), Refusal> {
        let (Some(inner), Some(outer)) = (self.group(child), self.group(parent)) else {
            return Err(Refusal::missing());
        };
        if inner.population.is_none() && outer.population.is_some() {
            let text = "an environment group cannot be nested into a population group";
            return Err(Refusal::invalid("CONSTRAINT_VIOLATION", "id", text));
        }
        if outer.children.contains(&child) {
            return Err(not_unique("id"));
        }
        let nested = self.closure(parent, |group| &group.children).len()
            + self.closure(child, |group| &group.children).len()
            - 1;
        if nested > self.options.groups.max_nested {
            return Err(Refusal::invalid("CONSTRAINT_VIOLATION", "id", "too many nested groups"));
        }
        self.nest(child, parent);
        self.settle(parent);
        Ok(())
    }

    /// `DELETE …/memberOfGroups/{gid}` (points 43, 44).
    pub(crate) fn remove_membership(
        &mut self,
        call: &Call<'_>,
        principal: Principal,
        id: Uuid,
        group: Uuid,
    ) -> Outcome {
        let holder = format!("/{}/{id}", super::access::plural(principal));
        if principal == Principal::Group {
            let child = self.visible_group(call, id)?;
            let parent = self.visible_group(call, group)?;
            let unlinked = self
                .groups
                .get_mut(child as usize)
                .is_some_and(|group| remove(&mut group.parents, parent));
            if !unlinked {
                return Err(Refusal::missing());
            }
            if let Some(outer) = self.groups.get_mut(parent as usize) {
                remove(&mut outer.children, child);
            }
            self.settle(parent);
            self.record_membership(call, "MEMBER_OF_GROUP.DELETED", &holder, parent);
            return Ok(Answer::empty(204));
        }
        let user = self.visible_user(call, id)?;
        let number = self.visible_group(call, group)?;
        let from_source = self.options.groups.external_remove;
        let status = self.options.groups.remove_indirect_status;
        let Some(found) = self.groups.get_mut(number as usize) else {
            return Err(Refusal::missing());
        };
        if !holds(found.members(), user) {
            return Err(Refusal::missing());
        }
        let external = found.source.is_some() && from_source && remove(&mut found.auto, user);
        if !external && !remove(&mut found.direct, user) {
            let text = "the membership is not a direct one";
            return Err(if status == 404 {
                Refusal::missing()
            } else {
                Refusal::invalid("CONSTRAINT_VIOLATION", "id", text)
            });
        }
        self.settle(number);
        self.record_membership(call, "MEMBER_OF_GROUP.DELETED", &holder, number);
        Ok(Answer::empty(204))
    }

    /// Membership events carry the user in the href only (pingone-api.md §6.11, S).
    fn record_membership(&mut self, call: &Call<'_>, action: &str, holder: &str, group: u32) {
        let Some(found) = self.group(group) else { return };
        let href = self.link(&format!("{holder}/memberOfGroups/{}", found.id));
        let resource = json!({"type": "MEMBER_OF_GROUP", "id": found.id, "name": found.name,
            "environment": {"id": self.environment}, "href": href.get("href")});
        self.record(
            call,
            &Event {
                action,
                resource,
                description: format!("{action} {}", found.id),
            },
        );
    }

    /// `POST …/groups` (pingone-api.md §6.7, S; points 39, 46).
    pub(crate) fn create_group(&mut self, call: &Call<'_>) -> Outcome {
        if call.media != JSON {
            return Err(Refusal::media_type());
        }
        let sent = object(call.body)?;
        let population =
            match sent_part(&sent, "population", "id")? {
                None => None,
                Some(id) => {
                    let id = Uuid::try_parse(id).ok();
                    let number = id.and_then(|id| self.population_number(id));
                    Some(number.ok_or_else(|| {
                        Refusal::invalid("INVALID_VALUE", "population.id", "population does not exist")
                    })?)
                }
            };
        if !call.reach.covers(population) {
            return Err(self.denied());
        }
        let mut group = Group {
            population,
            created_ms: self.clock.unix_ms(),
            ..Group::default()
        };
        self.fill_group_from(&mut group, &sent, None)?;
        group.id = self.fresh_id();
        group.visible_from = self.visible_from(call);
        let number = u32::try_from(self.groups.len()).unwrap_or(u32::MAX);
        self.group_by_id.insert(group.id, number);
        self.groups.push(group);
        self.refill(number);
        self.record_group(call, "GROUP.CREATED", number);
        Ok(self.created(&self.group_value(number, false)))
    }

    /// `PUT …/groups/{id}`: replaces (pingone-api.md §6.7, S).
    pub(crate) fn replace_group(&mut self, call: &Call<'_>, id: Uuid) -> Outcome {
        let number = self.visible_group(call, id)?;
        if call.media != JSON {
            return Err(Refusal::media_type());
        }
        let sent = object(call.body)?;
        let Some(mut group) = self.group(number).cloned() else {
            return Err(Refusal::missing());
        };
        if group.source.is_some() {
            return Err(Refusal::invalid(
                "CONSTRAINT_VIOLATION",
                "sourceType",
                "an external group cannot be changed",
            ));
        }
        self.fill_group_from(&mut group, &sent, Some(number))?;
        group.updated_ms = Some(self.clock.unix_ms());
        if let Some(slot) = self.groups.get_mut(number as usize) {
            *slot = group;
        }
        self.refill(number);
        self.record_group(call, "GROUP.UPDATED", number);
        Ok(Self::ok(&self.group_value(number, false)))
    }

    fn fill_group_from(&self, group: &mut Group, sent: &Map<String, Value>, own: Option<u32>) -> Result<(), Refusal> {
        let name = sent_text(sent, "name")?.filter(|name| !name.is_empty());
        name.ok_or_else(|| Refusal::invalid("REQUIRED_VALUE", "name", "must not be empty"))?
            .clone_into(&mut group.name);
        let clash = |other: &Group| {
            let near = group.population.is_none() || other.population.is_none() || other.population == group.population;
            !other.gone && near && other.name.to_lowercase() == group.name.to_lowercase()
        };
        if (0..)
            .zip(&self.groups)
            .any(|(number, other)| Some(number) != own && clash(other))
        {
            return Err(not_unique("name"));
        }
        let description = sent_text(sent, "description")?.map(str::to_owned);
        if description
            .as_ref()
            .is_some_and(|text| text.contains(['`', '\\', '$', '+', '<', '=', '>', '^', '|', '~']))
        {
            return Err(Refusal::invalid(
                "INVALID_VALUE",
                "description",
                "contains characters that are not allowed",
            ));
        }
        group.description = description;
        group.user_filter = sent_text(sent, "userFilter")?.map(str::to_owned);
        if group.user_filter.is_some() && !group.assignments.is_empty() {
            return Err(Refusal::invalid(
                "CONSTRAINT_VIOLATION",
                "userFilter",
                "a group with roles must be static",
            ));
        }
        group.parsed = match &group.user_filter {
            None => None,
            Some(text) => {
                let refused = |_| Refusal::invalid("INVALID_VALUE", "userFilter", "is not a valid filter");
                Some(filter::parse(text).map_err(refused)?)
            }
        };
        sent_text(sent, "externalId")?;
        sent_text(sent, "displayName")?;
        sent_object(sent, "customData")?;
        group.over.clear();
        for key in ["externalId", "customData", "displayName"] {
            if let Some(value) = sent.get(key) {
                group.over.insert(key.to_owned(), value.clone());
            }
        }
        Ok(())
    }

    /// Computes the members of a group by its filter.
    fn refill(&mut self, number: u32) {
        let parsed = self.group(number).and_then(|group| group.parsed.clone());
        let external = self.group(number).is_some_and(|group| group.source.is_some());
        let auto: Vec<u32> = match &parsed {
            None => Vec::new(),
            Some(parsed) => self
                .living()
                .filter(|user| self.filter_fits(parsed, *user, &self.user_body(*user).into()))
                .collect(),
        };
        if let Some(group) = self.groups.get_mut(number as usize).filter(|_| !external) {
            group.auto = auto;
        }
        self.settle(number);
    }

    /// `DELETE …/groups/{id}` (pingone-api.md §6.7, S).
    pub(crate) fn delete_group(&mut self, call: &Call<'_>, id: Uuid) -> Outcome {
        let number = self.visible_group(call, id)?;
        if self.options.access_model.keep_named_groups && self.limits_an_application(id) {
            let text = "an application is limited to the group";
            return Err(Refusal::invalid("CONSTRAINT_VIOLATION", "id", text));
        }
        self.record_group(call, "GROUP.DELETED", number);
        let until = self.listed_until(call);
        let Some(group) = self.groups.get_mut(number as usize) else {
            return Err(Refusal::missing());
        };
        group.gone = true;
        group.listed_until = until;
        group.assignments.clear();
        let (parents, children) = (std::mem::take(&mut group.parents), std::mem::take(&mut group.children));
        (group.direct, group.auto, group.all) = (Vec::new(), Vec::new(), None);
        for child in children {
            if let Some(child) = self.groups.get_mut(child as usize) {
                remove(&mut child.parents, number);
            }
        }
        for parent in parents {
            if let Some(parent) = self.groups.get_mut(parent as usize) {
                remove(&mut parent.children, number);
            }
            self.settle(parent);
        }
        self.admin_groups.remove(&number);
        self.version += 1;
        Ok(Answer::empty(204))
    }

    fn record_group(&mut self, call: &Call<'_>, action: &str, number: u32) {
        let Some(group) = self.group(number) else { return };
        let resource =
            json!({"type": "GROUP", "id": group.id, "name": group.name, "environment": {"id": self.environment}});
        self.record(
            call,
            &Event {
                action,
                resource,
                description: format!("{action} {}", group.id),
            },
        );
    }

    /// `POST …/populations` (pingone-api.md §6.2: name unique, D).
    pub(crate) fn create_population(&mut self, call: &Call<'_>) -> Outcome {
        let (name, over) = self.population_from(call, None)?;
        let id = self.fresh_id();
        let number = self.add_population(id, name, false, over);
        self.record_population(call, "POPULATION.CREATED", number);
        Ok(self.created(&self.population_value(number)))
    }

    /// `PUT …/populations/{id}` (pingone-api.md §6.2, S).
    pub(crate) fn replace_population(&mut self, call: &Call<'_>, id: Uuid) -> Outcome {
        let number = self.population_number(id).ok_or_else(Refusal::missing)?;
        let (name, over) = self.population_from(call, Some(number))?;
        if let Some(population) = self.populations.get_mut(number as usize) {
            (population.name, population.over) = (name, over);
        }
        self.record_population(call, "POPULATION.UPDATED", number);
        Ok(Self::ok(&self.population_value(number)))
    }

    fn population_from(&self, call: &Call<'_>, own: Option<u32>) -> Result<(String, Map<String, Value>), Refusal> {
        self.needs_everything(call)?;
        if call.media != JSON {
            return Err(Refusal::media_type());
        }
        let sent = object(call.body)?;
        let name = sent_text(&sent, "name")?.filter(|name| !name.is_empty());
        let name = name
            .ok_or_else(|| Refusal::invalid("REQUIRED_VALUE", "name", "must not be empty"))?
            .to_owned();
        let taken = (0..)
            .zip(&self.populations)
            .any(|(number, other)| Some(number) != own && !other.gone && other.name == name);
        if taken {
            return Err(not_unique("name"));
        }
        sent_text(&sent, "description")?;
        sent_text(&sent, "preferredLanguage")?;
        sent_part(&sent, "passwordPolicy", "id")?;
        let others = sent.get("alternativeIdentifiers").filter(|others| !others.is_null());
        if others.is_some_and(|others| !others.as_array().is_some_and(|list| list.iter().all(Value::is_string))) {
            return Err(wrong_type("alternativeIdentifiers"));
        }
        let keep = [
            "description",
            "passwordPolicy",
            "preferredLanguage",
            "alternativeIdentifiers",
        ];
        let over = sent
            .into_iter()
            .filter(|(key, _)| keep.contains(&key.as_str()))
            .collect();
        Ok((name, over))
    }

    fn record_population(&mut self, call: &Call<'_>, action: &str, number: u32) {
        let Some(population) = self.populations.get(number as usize) else {
            return;
        };
        let resource = json!({"type": "POPULATION", "id": population.id, "name": population.name,
            "environment": {"id": self.environment}});
        let description = format!("{action} {}", population.id);
        self.record(
            call,
            &Event {
                action,
                resource,
                description,
            },
        );
    }

    /// `DELETE …/populations/{id}`: not the last one, not one with users (pingone-api.md §6.2, S). Needs
    /// rights over the environment or over this population (§2.4, D scoping).
    pub(crate) fn delete_population(&mut self, call: &Call<'_>, id: Uuid) -> Outcome {
        let number = self.population_number(id).ok_or_else(Refusal::missing)?;
        if !call.reach.covers(Some(number)) {
            return Err(self.denied());
        }
        let left = self.populations.iter().filter(|population| !population.gone).count();
        let Some(population) = self.populations.get_mut(number as usize) else {
            return Err(Refusal::missing());
        };
        if left == 1 || !population.users.is_empty() {
            return Err(Refusal::invalid(
                "CONSTRAINT_VIOLATION",
                "id",
                "the population has users or is the last one",
            ));
        }
        population.gone = true;
        self.version += 1;
        self.record_population(call, "POPULATION.DELETED", number);
        Ok(Answer::empty(204))
    }
}
