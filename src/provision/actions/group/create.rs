//! `create`: a group is made once. Who finds its name taken after a lost answer adopts the group only where it was made after
//! the call began and is what was asked for.

use serde_json::{Value, json};
use uuid::Uuid;

use super::super::args::resource;
use super::super::schema::groups::NAME;
use super::super::schema::{POPULATION, POPULATION_ID};
use super::{body, complete, description, differing, explained, is_text, name, shown};
use crate::provision::audit::ChangeOutcome;
use crate::provision::context::{AuditEntry, TaskContext};
use crate::provision::error::{Failure, invalid, unshown};
use crate::provision::population::refuse_missing;
use crate::provision::since::{Made, Since};
use crate::provision::write::{Applied, Look, Reaction, Rules, SETTLE, Write, apply_with};
use baton::task::{ActionOutcome, Code, JsonObject};
use pingone::types::{Group, GroupSource};
use pingone::write::groups;
use pingone::{Client, PingOneError};

/// Reads until a group that PingOne says it made must be shown.
const READS: u32 = 6;

/// What is asked for.
#[derive(Clone, Copy)]
struct Wanted<'a> {
    name: &'a str,
    description: Option<&'a str>,
    population: Option<Uuid>,
    /// Before the call.
    since: Since,
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
        self.since.judge(group.created_at) == Made::Since && is_text(group.description.as_deref(), self.description)
    }

    /// What the group has otherwise than it was asked for.
    fn differences(&self, group: &Group) -> Vec<&'static str> {
        let differs = [
            (!is_text(group.name.as_deref(), Some(self.name)), "name"),
            (!is_text(group.description.as_deref(), self.description), "description"),
            (group.population_id() != self.population, "population"),
            (matches!(group.source(), GroupSource::Filter(_)), "user filter"),
        ];
        differs
            .into_iter()
            .filter_map(|(differs, what)| differs.then_some(what))
            .collect()
    }

    /// It is certainly none of ours.
    fn is_other(&self, group: &Group) -> bool {
        self.since.judge(group.created_at) == Made::Before || !is_text(group.description.as_deref(), self.description)
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
        since: Since::now(task),
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
            let said: Group = written.json(&call)?;
            let Some(group) = shown_by_a_read(task, said.id).await else {
                let object = format!("group {}", said.id);
                task.audit(
                    &call,
                    entry(&object),
                    ChangeOutcome::Unknown,
                    written.request_id.clone(),
                );
                return Err(unshown(&call, Some(&written)));
            };
            (group, ChangeOutcome::Done, written.request_id)
        }
        Ok(Applied::Seen(group)) => (group, ChangeOutcome::Confirmed, None),
        // Something between may have sent our call twice, and told us of the second time.
        Ok(Applied::Already(group)) if wanted.is_ours(&group) => (group, ChangeOutcome::Confirmed, None),
        Ok(Applied::Already(group)) => return Err(exists(&group, wanted.name)),
        Err(failure) => return Err(explained(failure, wanted.name)),
    };
    task.audit(&call, entry(&format!("group {}", group.id)), outcome, request_id);
    let message = format!("Group {} has been created as {}", shown(wanted.name), group.id);
    let differences = wanted.differences(&group);
    if differences.is_empty() {
        return Ok(complete(message, group.id, wanted.name));
    }
    let message = format!("{message}, but PingOne made its {} otherwise", differences.join(", "));
    let name = group.name.as_deref().unwrap_or(wanted.name);
    Ok(differing(message, group.id, name))
}

/// The group that PingOne's answer named; reads may lag.
async fn shown_by_a_read(task: &TaskContext, id: Uuid) -> Option<Group> {
    for _ in 0..READS {
        if let Ok(group) = task.deciding().group(id).await {
            return Some(group);
        }
        if !task.sleep(SETTLE).await {
            break;
        }
    }
    None
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
