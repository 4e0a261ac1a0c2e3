//! Audit activities (pingone-api.md §6.11, point 59): events of every write, read back by a bounded filter.

use super::answer::{Outcome, Refusal};
use super::call::Call;
use super::clock::{parse_stamp, stamp};
use super::fields::{object, sent_text, wrong_type};
use super::filter::{self, Filter, Literal, Op, Problem};
use super::generate::{threshold, within};
use super::ids::{Kind, draw};
use super::paging::{Ask, Search};
use super::world::World;
use super::writes::JSON;
use serde_json::{Value, json};
use uuid::Uuid;

/// Events in the order in which they happened, each with the time of its record and the time of its arrival.
#[derive(Clone, Debug, Default)]
pub(crate) struct Log {
    events: Vec<Entry>,
    /// Numbers handed out, those of lost events included.
    made: u64,
}

#[derive(Clone, Debug)]
struct Entry {
    recorded_ms: i64,
    arrived_ms: i64,
    value: Value,
}

/// In place of a worker's number: the administration console, whose changes have events.
pub(crate) const CONSOLE: usize = usize::MAX;
/// In place of a worker's number: somebody whose changes have none.
pub(crate) const NOBODY: usize = usize::MAX - 1;

/// What an event is about.
pub(crate) struct Event<'a> {
    pub(crate) action: &'a str,
    pub(crate) resource: Value,
    pub(crate) description: String,
}

impl World {
    /// Records an event with the call's worker as actor (pingone-api.md §6.11: members D, nesting G).
    pub(crate) fn record(&mut self, call: &Call<'_>, event: &Event<'_>) {
        let client = match self.applications.get(call.worker) {
            Some(worker) => json!({"id": worker.id, "name": worker.name, "type": "CLIENT",
                "environment": {"id": worker.environment}}),
            None if call.worker == CONSOLE => json!({"id": "adminui", "name": "Console", "type": "CLIENT"}),
            None => return,
        };
        let now = self.clock.unix_ms();
        let id = self.ids.encode(Kind::Activity, self.activities.made);
        let value = json!({
            "_links": {"self": self.link(&format!("/activities/{id}"))},
            "id": id, "recordedAt": stamp(now), "createdAt": stamp(now - 2),
            "correlationId": call.correlation, "internalCorrelation": {},
            "actors": {"client": client},
            "action": {"type": event.action, "description": event.action.replace('.', " ").to_lowercase()},
            "resources": [event.resource],
            "result": {"status": "SUCCESS", "description": event.description},
            "tags": ["adminIdentityEvent"],
        });
        self.keep_event(now, value);
    }

    /// An event (pingone-api.md §6.11: members D, nesting G) of somebody else's doing: a sign-on, an administrator's
    /// change. `members` replace those of a user's successful one; it arrives now and was recorded `age` ago.
    pub(crate) fn record_foreign(&mut self, members: &Value, age: std::time::Duration) -> Uuid {
        let now = self.clock.unix_ms();
        let recorded_ms = now - i64::try_from(age.as_millis()).unwrap_or(0);
        let id = self.ids.encode(Kind::Activity, self.activities.made);
        let mut value = json!({
            "_links": {"self": self.link(&format!("/activities/{id}"))},
            "id": id, "recordedAt": stamp(recorded_ms), "createdAt": stamp(recorded_ms - 2),
            "correlationId": id, "internalCorrelation": {},
            "actors": {"client": {"id": "adminui", "name": "Console", "type": "CLIENT"}},
            "result": {"status": "SUCCESS", "description": "done"},
            "tags": ["adminIdentityEvent"],
        });
        if let (Value::Object(value), Value::Object(members)) = (&mut value, members) {
            value.extend(members.clone());
        }
        self.keep_event(recorded_ms, value);
        id
    }

    /// Keeps an event that happens now: once, twice or not at all, and readable now or later.
    fn keep_event(&mut self, recorded_ms: i64, value: Value) {
        let audit = &self.options.audit;
        let number = self.activities.made;
        self.activities.made += 1;
        let drawn = |stream| draw(self.spec.seed, stream, number);
        if within(drawn(0xa1), threshold(audit.activity_gaps)) {
            return;
        }
        let later = |stream| i64::try_from(drawn(stream) % (audit.activity_jitter_ms + 1)).unwrap_or(0);
        let now = self.clock.unix_ms();
        let entry = Entry {
            recorded_ms,
            arrived_ms: now + later(0xa2),
            value,
        };
        let again = within(drawn(0xa3), threshold(audit.activity_duplicates)).then(|| Entry {
            arrived_ms: now + later(0xa4),
            ..entry.clone()
        });
        self.activities.events.push(entry);
        self.activities.events.extend(again);
    }

    /// Every event, whether it has arrived or not.
    pub(crate) fn events(&self) -> Vec<Value> {
        self.activities.events.iter().map(|entry| entry.value.clone()).collect()
    }

    /// An event about a user (pingone-api.md §6.11, D).
    pub(crate) fn record_user(&mut self, call: &Call<'_>, action: &str, user: u32) {
        let body = self.user_body(user);
        let id = self.user_id(user);
        let population = self
            .user_population(user)
            .and_then(|at| self.populations.get(at as usize))
            .map(|found| found.id);
        let name = body.get("username").cloned().unwrap_or(Value::Null);
        let resource = json!({"type": "USER", "id": id, "name": name, "environment": {"id": self.environment},
            "population": {"id": population}, "href": self.link(&format!("/users/{id}")).get("href")});
        self.record(
            call,
            &Event {
                action,
                resource,
                description: format!("{action} {id}"),
            },
        );
    }

    /// `GET …/activities` (pingone-api.md §6.11, D): `recordedAt` must be bounded, one further clause at most.
    pub(crate) fn list_activities(&self, call: &Call<'_>) -> Outcome {
        let Some(text) = call.query.get("filter") else {
            return Err(Refusal::parameter("filter"));
        };
        self.activities_matching(call, text, None)
    }

    /// The same with filter, limit and offset in the body of a POST (pingone-api.md §6.11, D).
    pub(crate) fn search_activities(&self, call: &Call<'_>) -> Outcome {
        if call.media != JSON {
            return Err(Refusal::media_type());
        }
        let sent = object(call.body)?;
        let filter = sent_text(&sent, "filter")?.ok_or_else(|| Refusal::parameter("filter"))?;
        let limit = match sent.get("limit") {
            None | Some(Value::Null) => None,
            Some(Value::Number(limit)) => Some(limit.to_string()),
            Some(_) => return Err(wrong_type("limit")),
        };
        let search = Search {
            filter,
            limit,
            offset: sent_text(&sent, "offset")?,
        };
        self.activities_matching(call, filter, Some(search))
    }

    /// The events that fit and can be read now, in pages of 100 unless asked otherwise (pingone-api.md §6.11, D).
    fn activities_matching(&self, call: &Call<'_>, text: &str, search: Option<Search<'_>>) -> Outcome {
        let parsed = filter::parse(text).map_err(|problem| self.filter_refusal(&problem))?;
        check(&parsed).map_err(|problem| self.filter_refusal(&problem))?;
        let fitting = self.readable_events().filter(|entry| fits(&parsed, &entry.value));
        let mut entries: Vec<&Entry> = fitting.collect();
        entries.sort_by_key(|entry| entry.arrived_ms);
        let mut values: Vec<Value> = entries.into_iter().map(|entry| entry.value.clone()).collect();
        if self.options.audit.newest_activity_first {
            values.reverse();
        }
        let ask = Ask {
            usual: Some(USUAL_PAGE),
            search,
            ..call.ask()
        };
        self.list_asked(call, &ask, "activities", &values)
    }

    /// The events that have arrived and are within the days that events are kept (pingone-api.md §6.11, D).
    fn readable_events(&self) -> impl Iterator<Item = &Entry> {
        let now = self.clock.unix_ms();
        let delay = i64::try_from(self.options.audit.activity_delay_ms).unwrap_or(0);
        let oldest = now - i64::from(self.options.audit.activity_days) * 86_400_000;
        let events = self.activities.events.iter();
        events.filter(move |entry| entry.recorded_ms >= oldest && entry.arrived_ms <= now - delay)
    }

    /// `GET …/activities/{id}` (pingone-api.md §6.11: the `self` link of an event, D).
    pub(crate) fn read_activity(&self, id: Uuid) -> Outcome {
        let wanted = json!(id);
        let found = self
            .readable_events()
            .find(|entry| entry.value.get("id") == Some(&wanted));
        found.map(|entry| Self::ok(&entry.value)).ok_or_else(Refusal::missing)
    }
}

/// Rows of a page that is asked for without a limit (pingone-api.md §6.11, D).
const USUAL_PAGE: usize = 100;

const TIMES: [&str; 3] = ["recordedAt", "recordedat", "createdAt"];
const CLAUSES: [&str; 7] = [
    "action.type",
    "actors.user.id",
    "actors.client.id",
    "resources.id",
    "resources.type",
    "resources.population.id",
    "correlationid",
];

fn check(filter: &Filter) -> Result<(), Problem> {
    let mut others = 0;
    filter::each_compare(filter, &mut |path, op, literal| {
        if TIMES.contains(&path) {
            let stamp = matches!(literal, Literal::Text(text) if parse_stamp(text).is_some());
            let ranged = matches!(op, Op::Gt | Op::Ge | Op::Lt | Op::Le);
            return if stamp && ranged {
                Ok(())
            } else {
                Err(Problem::Unsupported(path.to_owned()))
            };
        }
        others += 1;
        let in_list = op == Op::In && path == "action.type";
        if CLAUSES.contains(&path) && (op == Op::Eq || in_list) {
            Ok(())
        } else {
            Err(Problem::Unsupported(path.to_owned()))
        }
    })?;
    if filter::has_member(filter) || !bounded(filter) || others > 1 {
        return Err(Problem::Unsupported(
            "recordedAt must be bounded, with one more clause at most".to_owned(),
        ));
    }
    Ok(())
}

/// Whether a bound on the time holds for every event that fits: one that stands alone or under `and`, not beside an `or`.
fn bounded(filter: &Filter) -> bool {
    match filter {
        Filter::And(left, right) => bounded(left) || bounded(right),
        Filter::Compare(path, ..) => TIMES.contains(&path.as_str()),
        Filter::Or(..) | Filter::Member(..) => false,
    }
}

fn fits(filter: &Filter, event: &Value) -> bool {
    match filter {
        Filter::And(left, right) => fits(left, event) && fits(right, event),
        Filter::Or(left, right) => fits(left, event) || fits(right, event),
        Filter::Member(..) => false,
        Filter::Compare(path, op, Literal::Text(text)) if TIMES.contains(&path.as_str()) => {
            let key = if path == "createdAt" { "createdAt" } else { "recordedAt" };
            let at = event.get(key).and_then(Value::as_str).and_then(parse_stamp);
            let (Some(at), Some(bound)) = (at, parse_stamp(text)) else {
                return false;
            };
            match op {
                Op::Gt => at > bound,
                Op::Ge => at >= bound,
                Op::Lt => at < bound,
                _ => at <= bound,
            }
        }
        Filter::Compare(path, op, literal) if path.starts_with("resources.") => {
            let inner = Filter::Compare(path.trim_start_matches("resources.").to_owned(), *op, literal.clone());
            let resources = event.get("resources").and_then(Value::as_array);
            resources.is_some_and(|list| list.iter().any(|item| filter::matches(&inner, item, &|_, _| false)))
        }
        Filter::Compare(path, op, literal) if path == "correlationid" => {
            let inner = Filter::Compare("correlationId".to_owned(), *op, literal.clone());
            filter::matches(&inner, event, &|_, _| false)
        }
        Filter::Compare(..) => filter::matches(filter, event, &|_, _| false),
    }
}
