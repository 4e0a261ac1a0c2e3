//! `create`: a group is made once. Who finds its name taken after a lost answer adopts the group only where it was made after
//! the call began and is what was asked for.

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use uuid::Uuid;

use super::super::args::resource;
use super::super::schema::groups::NAME;
use super::super::schema::{POPULATION, POPULATION_ID};
use super::{body, complete, description, explained, is_text, name, shown};
use crate::provision::audit::ChangeOutcome;
use crate::provision::context::{AuditEntry, TaskContext};
use crate::provision::error::{Failure, invalid, unshown};
use crate::provision::population::refuse_missing;
use crate::provision::write::{Applied, Look, Reaction, Rules, SETTLE, Write, apply_with};
use baton::task::{ActionOutcome, Code, JsonObject};
use pingone::types::Group;
use pingone::write::groups;
use pingone::{Client, PingOneError};

/// Reads until a group that PingOne says it made must be shown.
const READS: u32 = 6;

/// How far PingOne's clock may be behind ours.
const CLOCKS_APART: SignedDuration = SignedDuration::from_mins(5);

/// What is asked for.
#[derive(Clone, Copy)]
struct Wanted<'a> {
    name: &'a str,
    description: Option<&'a str>,
    population: Option<Uuid>,
    /// Before the call.
    begun: Timestamp,
}

impl Wanted<'_> {
    fn body(&self) -> Value {
        let description = self.description.filter(|text| !text.is_empty());
        body(
            [
                Some(("name", json!(self.name))),
                description.map(|text| ("description", json!(text))),
                self.population.map(|id| ("population", json!({ "id": id }))),
            ]
            .into_iter()
            .flatten(),
        )
    }

    /// It stands where ours would.
    fn is_there(&self, group: &Group) -> bool {
        is_text(group.name.as_deref(), Some(self.name)) && group.population_id() == self.population
    }

    fn is_ours(&self, group: &Group) -> bool {
        group.created_at.is_some_and(|at| at >= self.begun) && is_text(group.description.as_deref(), self.description)
    }

    /// It is certainly none of ours: older than the call, whatever the clocks say, or described otherwise.
    fn is_other(&self, group: &Group) -> bool {
        let is_older = |at: Timestamp| at.duration_until(self.begun) > CLOCKS_APART;
        group.created_at.is_some_and(is_older) || !is_text(group.description.as_deref(), self.description)
    }
}

pub(super) async fn create(task: &TaskContext, args: &JsonObject) -> Result<ActionOutcome, Failure> {
    let population = match args.get(POPULATION_ID) {
        None | Some(Value::Null) => None,
        Some(_) => Some(resource(args, POPULATION_ID, POPULATION)?),
    };
    let wanted = Wanted {
        name: name(args)?.ok_or_else(|| invalid(format!("{NAME} is required")))?,
        description: description(args)?,
        population,
        begun: now_in_milliseconds(),
    };
    // Two tasks of one name would each find it free.
    let _lock = task.lock(format!("group named {}", wanted.name.to_lowercase())).await?;
    if let Some(id) = population {
        refuse_missing(task, id).await?;
    }
    if let Some(taken) = task.read(named(task.client().clone(), wanted)).await? {
        return Err(exists(&taken, wanted.name));
    }
    submit(task, wanted).await
}

/// As PingOne writes times.
fn now_in_milliseconds() -> Timestamp {
    let now = Timestamp::now();
    Timestamp::from_millisecond(now.as_millisecond()).unwrap_or(now)
}

/// The group of this name at the same place.
async fn named(client: Client, wanted: Wanted<'_>) -> Result<Option<Group>, PingOneError> {
    let all = client.groups_named(wanted.name).all().await?;
    Ok(all.into_iter().find(|group| wanted.is_there(group)))
}

async fn submit(task: &TaskContext, wanted: Wanted<'_>) -> Result<ActionOutcome, Failure> {
    let call = groups::create(task.client().environment_id(), wanted.name, &wanted.body());
    // Names are not unique for certain, so a second call could make a second group. An answer that shows the group is
    // confirmed by its id below: times of two clocks would not do.
    let rules = Rules {
        sends: 1,
        read_back: false,
        taken: Reaction::Verify,
        ..Rules::STATE
    };
    let write = Write::new(&call, entry("a new group"), rules)
        .accepting(|call, written| written.json::<Group>(call).is_ok())
        .audited_by_caller();
    let applied = apply_with(task, write, |client, _| async move {
        Ok(match named(client, wanted).await? {
            Some(group) if wanted.is_ours(&group) => Look::Found(group),
            Some(group) if wanted.is_other(&group) => Look::Other(group),
            _ => Look::Missing,
        })
    });
    let (group, outcome, request_id) = match Box::pin(applied).await {
        Ok(Applied::Planned) => {
            return Ok(complete(
                "a group would be created".to_owned(),
                Uuid::nil(),
                wanted.name,
            ));
        }
        Ok(Applied::Answered(written)) => {
            let group: Group = written.json(&call)?;
            if !is_shown(task, group.id).await {
                let object = format!("group {}", group.id);
                task.audit(
                    &call,
                    entry(&object),
                    ChangeOutcome::Unknown,
                    written.request_id.clone(),
                );
                return Err(unshown(&call, Some(&written)));
            }
            (group, ChangeOutcome::Done, written.request_id)
        }
        Ok(Applied::Seen(group)) => (group, ChangeOutcome::Confirmed, None),
        Ok(Applied::Already(group)) => return Err(exists(&group, wanted.name)),
        Err(failure) => return Err(explained(failure, wanted.name)),
    };
    task.audit(&call, entry(&format!("group {}", group.id)), outcome, request_id);
    Ok(complete(
        format!("Group {} has been created as {}", shown(wanted.name), group.id),
        group.id,
        wanted.name,
    ))
}

/// A read shows the group that PingOne's answer named; reads may lag.
async fn is_shown(task: &TaskContext, id: Uuid) -> bool {
    for _ in 0..READS {
        if task.deciding().group(id).await.is_ok() {
            return true;
        }
        if !task.sleep(SETTLE).await {
            break;
        }
    }
    false
}

const fn entry(object: &str) -> AuditEntry<'_> {
    AuditEntry {
        object,
        before: "absent",
        after: "created",
    }
}

fn exists(group: &Group, name: &str) -> Failure {
    let at = group
        .created_at
        .map(|at| format!(", created at {at}"))
        .unwrap_or_default();
    Failure::refused(
        Code::AlreadyExists,
        format!("there is a group {} already: {}{at}", shown(name), group.id),
    )
}
