//! Each rule of the oracle, held against a record of a run in which exactly that went wrong.

use std::collections::BTreeSet;
use std::time::Duration;

use prost::Message as _;
use sandbox::c1::proto::baton::baton_service_finish_task_request::{FinalState, Success};
use sandbox::c1::proto::connector::{BatonActionStatus, InvokeActionResponse};

use crate::facts::Fact;
use crate::oracle::{End, Finish, Goal, Record, State, Task, Upload, judge};
use crate::run::{RUNNING, verdict};

fn at(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn user(name: &str) -> Fact {
    Fact::User(name.to_owned())
}

fn member() -> Fact {
    Fact::Member("ann".to_owned(), "team".to_owned())
}

fn facts(of: &[Fact]) -> BTreeSet<Fact> {
    of.iter().cloned().collect()
}

fn task(id: &str, goal: Goal, write: Option<(&'static str, &str)>) -> Task {
    Task {
        id: id.to_owned(),
        goal,
        queued: at(10),
        write: write.map(|(action, about)| (action, about.to_owned())),
    }
}

fn finish(task: &str, code: i32) -> Finish {
    Finish {
        task: task.to_owned(),
        at: at(20),
        code,
        message: String::new(),
        life: 1,
    }
}

fn upload(task: &str, of: &[Fact]) -> Upload {
    Upload {
        task: task.to_owned(),
        at: at(19),
        facts: Ok(facts(of)),
    }
}

/// Two syncs, a grant, an account that is made, and a deletion that is refused; killed once, and stopped at the end.
fn good() -> Record {
    let before = [user("ann"), user("bob")];
    let after = [user("ann"), user("bob"), user("new"), member()];
    let state = |seconds, of: &[Fact], names: &[&str]| State {
        at: at(seconds),
        facts: facts(of),
        names: names.iter().map(|name| (*name).to_owned()).collect(),
    };
    let mut last = task("last", Goal::File, None);
    last.queued = at(60);
    let mut end = upload("last", &after);
    end.at = at(65);
    Record {
        tasks: vec![
            task("sync", Goal::File, None),
            task("grant", Goal::Holds(member()), Some(("ADDED", "ann/team"))),
            task("create", Goal::Named("new".to_owned()), Some(("MADE", "new"))),
            task("delete", Goal::Lacks(user("bob")), Some(("DELETED", "bob"))),
            last,
        ],
        finishes: vec![
            finish("sync", 0),
            finish("grant", 0),
            finish("create", 0),
            finish("delete", 9),
            Finish {
                at: at(66),
                ..finish("last", 0)
            },
        ],
        uploads: vec![upload("sync", &before), end],
        history: vec![
            state(0, &before, &["ann", "bob"]),
            state(15, &after, &["ann", "bob", "new"]),
        ],
        lag: Duration::from_millis(100),
        writes: vec![
            ("ADDED".to_owned(), "users/ann/team".to_owned()),
            ("MADE".to_owned(), "new 7".to_owned()),
        ],
        ends: vec![End::Killed, End::Stopped(Some(0), at(1))],
        grace: at(20),
        last: "last".to_owned(),
        secrets: vec!["hush".to_owned()],
        log: "all is well".to_owned(),
        ..Record::default()
    }
}

/// The record with this fault in it breaks a rule of this name, and no other.
fn caught(rule: &str, plant: impl FnOnce(&mut Record)) {
    let mut record = good();
    plant(&mut record);
    let broken = judge(&record);
    assert!(!broken.is_empty(), "{rule}: nothing was found");
    assert!(broken.iter().all(|text| text.starts_with(rule)), "{rule}: {broken:#?}");
}

#[test]
fn a_good_run_breaks_no_rule() {
    assert_eq!(judge(&good()), [""; 0]);
}

#[test]
fn a_task_that_c1_still_waits_for_is_lost() {
    caught("lost", |record| record.unfinished.push("grant".to_owned()));
}

#[test]
fn a_task_that_nothing_was_said_of_is_lost() {
    caught("lost", |record| {
        record.finishes.retain(|finish| finish.task != "delete");
    });
}

#[test]
fn a_broken_rule_of_the_protocol_counts() {
    caught("protocol", |record| {
        record.violations.push("asked without a free slot".to_owned());
    });
}

#[test]
fn another_answer_in_the_same_life_is_caught() {
    caught("two answers", |record| record.finishes.push(finish("grant", 14)));
}

#[test]
fn another_answer_in_the_next_life_is_none() {
    let mut record = good();
    record.finishes.push(Finish {
        life: 2,
        ..finish("grant", 14)
    });
    assert_eq!(judge(&record), [""; 0]);
}

#[test]
fn a_success_without_its_effect_is_caught() {
    caught("no effect", |record| record.finishes[3].code = 0);
}

#[test]
fn a_grant_that_is_told_and_not_there_is_caught() {
    caught("no effect", |record| {
        record.history[1].facts.remove(&member());
        record.uploads[1].facts.as_mut().unwrap().remove(&member());
    });
}

#[test]
fn an_account_that_is_told_and_not_there_is_caught() {
    caught("no effect", |record| {
        record.history[1].names.remove("new");
    });
}

#[test]
fn a_sync_that_succeeds_without_a_file_is_caught() {
    caught("no effect", |record| {
        record.uploads.retain(|upload| upload.task != "sync");
    });
}

#[test]
fn a_refusal_after_the_effect_is_caught() {
    caught("refused", |record| record.finishes[1].code = 9);
}

#[test]
fn a_second_account_is_caught() {
    caught("twice", |record| {
        record.writes.push(("MADE".to_owned(), "new 7".to_owned()));
    });
}

#[test]
fn a_write_that_nobody_asked_for_is_caught() {
    caught("stray", |record| {
        record.writes.push(("DELETED".to_owned(), "users/ann".to_owned()));
    });
}

#[test]
fn a_file_that_lacks_somebody_is_caught() {
    caught("wrong file", |record| {
        record.uploads[0].facts.as_mut().unwrap().remove(&user("bob"));
    });
}

#[test]
fn a_file_with_somebody_made_up_is_caught() {
    caught("wrong file", |record| {
        record.uploads[0].facts.as_mut().unwrap().insert(user("nobody"));
    });
}

#[test]
fn a_file_that_is_older_than_its_task_is_caught() {
    // Before the sync was asked for, ann was a member.
    caught("wrong file", |record| {
        let mut old = record.history[0].clone();
        old.facts.insert(member());
        record.history[0].at = at(5);
        record.history.insert(0, old);
        record.history[2].at = at(50);
        record.uploads[0].facts.as_mut().unwrap().insert(member());
    });
}

#[test]
fn a_file_that_does_not_open_is_caught() {
    caught("wrong file", |record| {
        record.uploads[0].facts = Err("damaged".to_owned());
    });
}

#[test]
fn a_file_that_nobody_asked_for_is_caught() {
    caught("wrong file", |record| record.uploads.push(upload("grant-2", &[])));
}

#[test]
fn a_last_file_that_is_not_the_whole_truth_is_caught() {
    let mut record = good();
    record.uploads[1].facts.as_mut().unwrap().remove(&user("new"));
    assert!(judge(&record).iter().any(|text| text.starts_with("last")));
    caught("last", |record| record.last = "another".to_owned());
}

#[test]
fn a_life_that_ends_badly_is_caught() {
    for end in [
        End::Died(Some(0)),
        End::Stopped(Some(1), at(1)),
        End::Stopped(None, at(60)),
        End::Stopped(Some(0), at(21)),
    ] {
        caught("end", |record| record.ends.push(end));
    }
    caught("end", |record| record.log.push_str("thread panicked at"));
}

#[test]
fn what_is_left_behind_is_caught() {
    caught("left", |record| record.left.push("c1z-write-1".to_owned()));
}

#[test]
fn a_secret_in_the_log_is_caught() {
    caught("secret", |record| record.log.push_str(" hush "));
}

/// What may still come to nothing is no success.
#[test]
fn an_action_that_is_running_is_not_done() {
    let told = |status: BatonActionStatus| {
        let response = InvokeActionResponse {
            status: status.into(),
            ..InvokeActionResponse::default()
        };
        let success = Success {
            response: Some(prost_types::Any {
                type_url: "type.googleapis.com/c1.connector.v2.InvokeActionResponse".to_owned(),
                value: response.encode_to_vec(),
            }),
            ..Success::default()
        };
        verdict(&sandbox::c1::proto::baton::BatonServiceFinishTaskRequest {
            final_state: Some(FinalState::Success(success)),
            ..Default::default()
        })
        .0
    };
    assert_eq!(told(BatonActionStatus::Complete), 0);
    assert_eq!(told(BatonActionStatus::Failed), 2);
    assert_eq!(told(BatonActionStatus::Running), RUNNING);
    assert_eq!(told(BatonActionStatus::Pending), RUNNING);
}
