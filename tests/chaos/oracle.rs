//! What must hold of a run, as rules over a record of it. Knows neither the program nor the stand-ins.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::facts::{Fact, wrong};

/// What a task wants to be so.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Goal {
    /// The uploaded file tells the truth.
    File,
    /// The fact holds.
    Holds(Fact),
    /// It does not.
    Lacks(Fact),
    /// There is a user of this name.
    Named(String),
}

/// A task that C1 handed out.
#[derive(Debug, Clone)]
pub struct Task {
    pub id: String,
    pub goal: Goal,
    pub queued: Duration,
    /// The action of the event that one write of it leaves, and a text of what it is about.
    pub write: Option<(&'static str, String)>,
}

/// A `FinishTask` that C1 received.
#[derive(Debug, Clone)]
pub struct Finish {
    pub task: String,
    pub at: Duration,
    /// 0: done.
    pub code: i32,
    pub message: String,
    /// How often the program had been started.
    pub life: usize,
}

/// A complete upload.
#[derive(Debug, Clone)]
pub struct Upload {
    pub task: String,
    pub at: Duration,
    /// What the file says, or why it cannot be read.
    pub facts: Result<BTreeSet<Fact>, String>,
}

/// How a life of the program ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum End {
    /// By SIGKILL.
    Killed,
    /// By SIGTERM, with this code, after so long.
    Stopped(Option<i32>, Duration),
    /// By itself.
    Died(Option<i32>),
}

/// PingOne at a time.
#[derive(Debug, Clone, Default)]
pub struct State {
    pub at: Duration,
    pub facts: BTreeSet<Fact>,
    pub names: BTreeSet<String>,
}

/// What is known of a run.
#[derive(Debug, Clone, Default)]
pub struct Record {
    pub tasks: Vec<Task>,
    pub finishes: Vec<Finish>,
    pub uploads: Vec<Upload>,
    /// Each state from its time on, the oldest first; the last is the end.
    pub history: Vec<State>,
    /// How much later than it came about a state may have been seen, and how far behind reads were.
    pub lag: Duration,
    /// Changes that our worker made, as PingOne noted them: the action, and what it is about.
    pub writes: Vec<(String, String)>,
    /// Tasks that C1 has not got a `FinishTask` of.
    pub unfinished: Vec<String>,
    /// Rules of the protocol that were broken.
    pub violations: Vec<String>,
    pub ends: Vec<End>,
    /// How long a life may take to end.
    pub grace: Duration,
    /// The task of the sync at the end, when nothing disturbs any more.
    pub last: String,
    /// Files that are still in the temporary directory.
    pub left: Vec<String>,
    pub log: String,
    /// What must be in no log.
    pub secrets: Vec<String>,
}

/// Codes that say that nothing was done.
const REFUSED: [i32; 3] = [3, 7, 9];

/// The rules that are broken.
pub fn judge(record: &Record) -> Vec<String> {
    let rules: [fn(&Record) -> Vec<String>; 11] = [
        no_task_is_lost,
        the_protocol_is_kept,
        one_life_says_one_thing,
        a_success_has_its_effect,
        a_refusal_has_none,
        nothing_is_written_twice,
        nothing_else_is_written,
        no_file_is_wrong,
        the_last_file_is_the_truth,
        every_life_ends_well,
        nothing_is_left_or_told,
    ];
    rules.iter().flat_map(|rule| rule(record)).collect()
}

fn no_task_is_lost(record: &Record) -> Vec<String> {
    let mut lost: Vec<String> = record
        .unfinished
        .iter()
        .map(|task| format!("lost: C1 waits for task {task}"))
        .collect();
    let told: BTreeSet<&str> = record.finishes.iter().map(|finish| finish.task.as_str()).collect();
    let silent = record.tasks.iter().filter(|task| !told.contains(task.id.as_str()));
    lost.extend(silent.map(|task| format!("lost: nothing was said of task {}", task.id)));
    lost
}

fn the_protocol_is_kept(record: &Record) -> Vec<String> {
    record
        .violations
        .iter()
        .map(|rule| format!("protocol: {rule}"))
        .collect()
}

/// What a life has written and told it tells again, however often it is asked; what it did not do it may try anew.
fn one_life_says_one_thing(record: &Record) -> Vec<String> {
    let is_write = |id: &str| record.tasks.iter().any(|task| task.id == id && task.goal != Goal::File);
    let mut done: BTreeSet<(&str, usize)> = BTreeSet::new();
    let mut broken = Vec::new();
    for finish in record.finishes.iter().filter(|finish| is_write(&finish.task)) {
        if finish.code == 0 {
            done.insert((&finish.task, finish.life));
        } else if done.contains(&(finish.task.as_str(), finish.life)) {
            broken.push(format!(
                "two answers: task {} was done, then {} {}",
                finish.task, finish.code, finish.message
            ));
        }
    }
    broken
}

fn holds(goal: &Goal, state: &State) -> bool {
    match goal {
        Goal::File => true,
        Goal::Holds(fact) => state.facts.contains(fact),
        Goal::Lacks(fact) => !state.facts.contains(fact),
        Goal::Named(name) => state.names.contains(name),
    }
}

/// Nobody else touches what a task is about, so what it did is so at the end.
fn a_success_has_its_effect(record: &Record) -> Vec<String> {
    let done: BTreeSet<&str> = record
        .finishes
        .iter()
        .filter(|finish| finish.code == 0)
        .map(|finish| finish.task.as_str())
        .collect();
    let tasks = record.tasks.iter().filter(|task| done.contains(task.id.as_str()));
    let mut broken = Vec::new();
    for task in tasks {
        if record.history.last().is_some_and(|state| !holds(&task.goal, state)) {
            broken.push(format!(
                "no effect: task {} succeeded, and not so: {:?}",
                task.id, task.goal
            ));
        }
        let uploaded = record.uploads.iter().any(|upload| upload.task == task.id);
        if task.goal == Goal::File && !uploaded {
            broken.push(format!("no effect: sync {} succeeded without a file", task.id));
        }
    }
    broken
}

fn a_refusal_has_none(record: &Record) -> Vec<String> {
    let (Some(first), Some(last)) = (record.history.first(), record.history.last()) else {
        return Vec::new();
    };
    let mut broken = Vec::new();
    for task in record.tasks.iter().filter(|task| task.goal != Goal::File) {
        let said: Vec<&Finish> = record.finishes.iter().filter(|finish| finish.task == task.id).collect();
        let refused = !said.is_empty() && said.iter().all(|finish| REFUSED.contains(&finish.code));
        if refused && !holds(&task.goal, first) && holds(&task.goal, last) {
            let words: BTreeSet<&str> = said.iter().map(|finish| finish.message.as_str()).collect();
            broken.push(format!(
                "refused: task {} was ({words:?}), and it is so: {:?}",
                task.id, task.goal
            ));
        }
    }
    broken
}

/// How often each thing was written, and how often it may have been.
fn written(record: &Record) -> BTreeMap<(&str, &str), (usize, usize)> {
    let mut counts: BTreeMap<(&str, &str), (usize, usize)> = BTreeMap::new();
    for (action, about) in &record.writes {
        counts.entry((action, about)).or_default().0 += 1;
    }
    for (action, about) in record.tasks.iter().filter_map(|task| task.write.as_ref()) {
        let mut fits = counts
            .iter_mut()
            .filter(|((done, what), _)| done == action && what.contains(about.as_str()));
        if let Some((_, (_, may))) = fits.next() {
            *may += 1;
        }
    }
    counts
}

fn nothing_is_written_twice(record: &Record) -> Vec<String> {
    let twice = written(record)
        .into_iter()
        .filter(|(_, (did, may))| *may > 0 && did > may);
    twice
        .map(|((action, about), (did, _))| format!("twice: {action} {about} was done {did} times"))
        .collect()
}

fn nothing_else_is_written(record: &Record) -> Vec<String> {
    let stray = written(record).into_iter().filter(|(_, (_, may))| *may == 0);
    stray
        .map(|((action, about), _)| format!("stray: nobody asked for {action} {about}"))
        .collect()
}

/// The states that a read between two times may have seen.
fn within(record: &Record, from: Duration, to: Duration) -> Vec<&State> {
    let from = from.saturating_sub(record.lag);
    let to = to.saturating_add(record.lag);
    let first = record
        .history
        .partition_point(|state| state.at <= from)
        .saturating_sub(1);
    let last = record.history.partition_point(|state| state.at <= to);
    record.history.iter().take(last).skip(first).collect()
}

/// What is wrong with what a file says of states that came one after the other.
fn fault(told: &BTreeSet<Fact>, states: &[&State]) -> Option<String> {
    let (first, rest) = states.split_first()?;
    let (mut always, mut ever) = (first.facts.clone(), first.facts.clone());
    for state in rest {
        always.retain(|fact| state.facts.contains(fact));
        ever.extend(state.facts.iter().cloned());
    }
    wrong(told, &always, &ever)
}

/// From when on the data of an upload may be: an equal sync that ran already may have answered.
fn begun(record: &Record, task: &Task) -> Duration {
    let of_syncs = record.tasks.iter().filter(|other| other.goal == Goal::File);
    let running = of_syncs.filter(|other| {
        let mut ends = record.finishes.iter().filter(|finish| finish.task == other.id);
        other.queued <= task.queued && !ends.any(|finish| finish.at < task.queued)
    });
    running.map(|other| other.queued).min().unwrap_or(task.queued)
}

fn no_file_is_wrong(record: &Record) -> Vec<String> {
    let mut broken = Vec::new();
    for upload in &record.uploads {
        let Some(task) = record.tasks.iter().find(|task| task.id == upload.task) else {
            broken.push(format!("wrong file: no task {} wants one", upload.task));
            continue;
        };
        let states = within(record, begun(record, task), upload.at);
        match &upload.facts {
            Err(error) => broken.push(format!("wrong file: that of {} does not open: {error}", task.id)),
            Ok(told) => {
                let fault = fault(told, &states);
                broken.extend(fault.map(|fault| format!("wrong file: that of {}: {fault}", task.id)));
            }
        }
    }
    broken
}

fn the_last_file_is_the_truth(record: &Record) -> Vec<String> {
    let upload = record.uploads.iter().rfind(|upload| upload.task == record.last);
    let Some(last) = record.history.last() else {
        return Vec::new();
    };
    match upload.map(|upload| &upload.facts) {
        None => vec!["last: the sync at the end gave no file".to_owned()],
        Some(Err(error)) => vec![format!("last: the file does not open: {error}")],
        Some(Ok(told)) => fault(told, &[last])
            .map(|fault| format!("last: {fault}"))
            .into_iter()
            .collect(),
    }
}

fn every_life_ends_well(record: &Record) -> Vec<String> {
    let mut broken = Vec::new();
    for end in &record.ends {
        match end {
            End::Killed => {}
            End::Stopped(Some(0), took) if *took <= record.grace => {}
            End::Stopped(code, took) => {
                broken.push(format!(
                    "end: after SIGTERM it took {} s, code {code:?}",
                    took.as_secs()
                ));
            }
            End::Died(code) => broken.push(format!("end: it ended by itself with code {code:?}")),
        }
    }
    if record.log.contains("panicked") {
        broken.push("end: a panic is in the log".to_owned());
    }
    broken
}

fn nothing_is_left_or_told(record: &Record) -> Vec<String> {
    let mut broken: Vec<String> = record.left.iter().map(|name| format!("left: {name}")).collect();
    let told = record
        .secrets
        .iter()
        .filter(|secret| record.log.contains(secret.as_str()));
    broken.extend(told.map(|_| "secret: one is in the log".to_owned()));
    broken
}
