//! Answers that are not what was asked for: stripped, emptied, miscounted, of another object or environment
//! (pingone-api.md §9, point 55). Each starts from the true answer.

use super::answer::Answer;
use super::faults::{Due, FaultAction};
use super::http::Shared;
use super::ids::Kind;
use super::route::{Route, Target};
use super::world::World;
use serde_json::{Map, Value, json};
use std::sync::atomic::Ordering;

impl Shared {
    /// Bends a true answer as a fault says.
    pub(crate) fn bend(&self, answer: Answer, route: &Route, due: Option<&Due>) -> Answer {
        match due.map(|due| &due.action) {
            Some(FaultAction::Bare) => edited(answer, |body| {
                body.remove("_links");
                body.remove("_embedded");
            }),
            Some(FaultAction::NullList) => edited(answer, |body| {
                let embedded = body.get_mut("_embedded").and_then(Value::as_object_mut);
                for list in embedded.into_iter().flat_map(Map::values_mut) {
                    *list = Value::Null;
                }
            }),
            Some(FaultAction::Miscount { key, by }) => edited(answer, |body| {
                for (name, value) in body {
                    miscount(value, "", name, key, *by);
                }
            }),
            Some(FaultAction::OtherEnvironment) => self.of_other_environment(answer),
            Some(FaultAction::OtherObject) => self.other_object(&answer, route),
            _ => answer,
        }
    }

    fn of_other_environment(&self, answer: Answer) -> Answer {
        let world = self.read_world();
        let text = String::from_utf8_lossy(&answer.body);
        let body = text.replace(&world.environment.to_string(), &world.other_environment.to_string());
        Answer {
            body: body.into(),
            ..answer
        }
    }

    fn other_object(&self, answer: &Answer, route: &Route) -> Answer {
        let world = self.read_world();
        let Ok(Value::Object(mut body)) = serde_json::from_slice(&answer.body) else {
            return world.environment_answer(world.environment);
        };
        let Some(id) = body.get("id").and_then(Value::as_str).map(str::to_owned) else {
            return world.environment_answer(world.environment);
        };
        let other = world.another(route.target, &id).unwrap_or_else(|| {
            let fresh = self
                .ids
                .encode(Kind::Error, self.serial.fetch_add(1, Ordering::Relaxed));
            body.insert("id".to_owned(), json!(fresh));
            Value::Object(body)
        });
        Answer::json(answer.status, &other)
    }
}

impl World {
    /// A user or a group that is not the one with this id.
    fn another(&self, target: Target, id: &str) -> Option<Value> {
        match target {
            Target::Users | Target::User(_) => self
                .living()
                .find(|number| self.user_id(*number).to_string() != id)
                .map(|number| self.user_value(number)),
            Target::Groups | Target::Group(_) => (0..)
                .zip(&self.groups)
                .find(|(_, group)| !group.gone && group.id.to_string() != id)
                .map(|(number, _)| self.group_value(number, false)),
            _ => None,
        }
    }
}

fn edited(answer: Answer, change: impl FnOnce(&mut Map<String, Value>)) -> Answer {
    let Ok(Value::Object(mut body)) = serde_json::from_slice(&answer.body) else {
        return answer;
    };
    change(&mut body);
    Answer {
        body: Value::Object(body).to_string().into(),
        ..answer
    }
}

/// Adds to the number `name` of `parent`, if `key` names it, and to those inside.
fn miscount(value: &mut Value, parent: &str, name: &str, key: &str, by: i64) {
    let named = match key.split_once('.') {
        Some((outer, inner)) => outer == parent && inner == name,
        None => key == name,
    };
    match value {
        Value::Number(number) if named => {
            let count = number.as_i64().unwrap_or(0).saturating_add(by).max(0);
            *value = json!(count);
        }
        Value::Object(members) => {
            for (inner, value) in members {
                miscount(value, name, inner, key, by);
            }
        }
        Value::Array(items) => {
            for item in items {
                miscount(item, parent, name, key, by);
            }
        }
        _ => {}
    }
}
