//! Writes against a made-up PingOne whose answers get lost, come from a proxy, say less than they should, or lie, and whose
//! reads lag. Whatever the schedule, nothing is told that is not so, and nothing is made twice.

use std::time::Duration;

use proptest::prelude::*;
use proptest::test_runner::{Config, TestCaseError, TestRunner};

use super::machine::{Event, Machine, Moment, Proof, Reaction, Reason, Refusal, Rules, Step};

const BUDGET: Duration = Duration::from_mins(1);
/// Longest time that a call or a read takes here.
const CALL: u64 = 30;

/// What becomes of one call.
#[derive(Debug, Clone, Copy)]
enum Fate {
    /// Shown as made; made or not.
    Shown(bool),
    /// Confirmed; made or not.
    Confirmed(bool),
    /// No answer, or not PingOne's; made or not, and what it asks us to wait.
    Unknown(bool, Option<u8>),
    /// Refused for a reason that has nothing to do with the state.
    Refused(Refusal),
}

/// What a second call of the same meaning does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// Nothing: the state is set already.
    State,
    /// It is refused.
    Unique,
    /// It makes a second one.
    Doubles,
}

#[derive(Debug, Clone)]
struct Plan {
    kind: Kind,
    /// Seconds from a change to the first read that shows it.
    lag: u64,
    /// For each call: what becomes of it, and how many seconds it takes.
    calls: Vec<(Fate, u64)>,
    /// For each read: whether it fails, and how many seconds it takes.
    reads: Vec<(bool, u64)>,
    /// The task is cancelled after so many seconds.
    cancelled: Option<u64>,
    absent: Reaction,
    taken: Reaction,
}

fn fate() -> impl Strategy<Value = Fate> {
    prop_oneof![
        4 => prop::bool::weighted(0.7).prop_map(Fate::Shown),
        3 => any::<bool>().prop_map(Fate::Confirmed),
        6 => (any::<bool>(), prop::option::of(0..20u8)).prop_map(|(made, asked)| Fate::Unknown(made, asked)),
        1 => Just(Fate::Refused(Refusal::Right)),
        1 => Just(Fate::Refused(Refusal::Conflict)),
        1 => Just(Fate::Refused(Refusal::Absent)),
        1 => Just(Fate::Refused(Refusal::Other)),
    ]
}

fn reaction() -> impl Strategy<Value = Reaction> {
    prop_oneof![
        Just(Reaction::Fail),
        Just(Reaction::Again),
        Just(Reaction::Verify),
        Just(Reaction::VerifyAgain)
    ]
}

fn plan() -> impl Strategy<Value = Plan> {
    let kind = prop_oneof![Just(Kind::State), Just(Kind::Unique), Just(Kind::Doubles)];
    let calls = prop::collection::vec((fate(), 0..CALL), 1..6);
    let reads = prop::collection::vec((prop::bool::weighted(0.1), 0..5u64), 1..12);
    let lag = prop_oneof![2 => Just(0u64), 2 => 0..4u64, 1 => 0..60u64];
    (
        kind,
        lag,
        calls,
        reads,
        prop::option::weighted(0.2, 0..90u64),
        reaction(),
        reaction(),
    )
        .prop_map(|(kind, lag, calls, reads, cancelled, absent, taken)| Plan {
            kind,
            lag,
            calls,
            reads,
            cancelled,
            absent,
            taken,
        })
}

struct World<'a> {
    plan: &'a Plan,
    now: Moment,
    /// When each change was made.
    made: Vec<Moment>,
    calls: usize,
    reads: usize,
    /// The last call in doubt, until a read did not show it.
    unread: bool,
    told_cancelled: bool,
}

impl World<'_> {
    fn call(&mut self) -> Event {
        let (fate, seconds) = self.plan.calls[self.calls % self.plan.calls.len()];
        self.calls += 1;
        let arrives = self.now;
        self.now += Duration::from_secs(seconds);
        let exists = !self.made.is_empty();
        let takes = |world: &mut Self| {
            if !exists || world.plan.kind == Kind::Doubles {
                world.made.push(arrives);
            }
        };
        match fate {
            Fate::Shown(true) if exists && self.plan.kind == Kind::Unique => Event::Refused(Refusal::Taken),
            Fate::Shown(made) => {
                if made {
                    takes(self);
                }
                self.unread = true;
                Event::Shown
            }
            Fate::Confirmed(made) => {
                if made {
                    takes(self);
                }
                self.unread = true;
                Event::Confirmed
            }
            Fate::Unknown(made, asked) => {
                if made {
                    takes(self);
                }
                self.unread = true;
                Event::Unknown(asked.map(|seconds| Duration::from_secs(seconds.into())))
            }
            Fate::Refused(refusal) => Event::Refused(refusal),
        }
    }

    fn read(&mut self) -> Event {
        let (fails, seconds) = self.plan.reads[self.reads % self.plan.reads.len()];
        self.reads += 1;
        let lag = Duration::from_secs(self.plan.lag);
        let shown = self.made.iter().any(|made| *made + lag <= self.now);
        self.now += Duration::from_secs(seconds);
        match (fails, shown) {
            (true, _) => Event::Unreadable,
            (false, true) => Event::Found,
            (false, false) => {
                self.unread = false;
                Event::Missing
            }
        }
    }

    fn wait(&mut self, time: Duration) -> Event {
        let cancelled = self.plan.cancelled.map(Duration::from_secs);
        if let Some(at) = cancelled.filter(|at| !self.told_cancelled && *at <= self.now + time) {
            self.now = self.now.max(at);
            self.told_cancelled = true;
            return Event::Cancelled;
        }
        self.now += time;
        Event::Waited
    }
}

/// Runs a write to its end and checks everything that must hold.
fn run(plan: &Plan, fresh: Duration) -> Result<(), String> {
    let rules = Rules {
        fresh,
        absent: plan.absent,
        taken: plan.taken,
        ..Rules::STATE
    };
    let mut machine = Machine::new(rules, BUDGET);
    let mut world = World {
        plan,
        now: Duration::ZERO,
        made: Vec::new(),
        calls: 0,
        reads: 0,
        unread: false,
        told_cancelled: false,
    };
    let mut event = world.call();
    for _ in 0..200 {
        match machine.next(event, world.now) {
            Step::Send => {
                if world.unread {
                    return Err("sent again without a read".into());
                }
                if world.told_cancelled {
                    return Err("sent after the task was cancelled".into());
                }
                if world.now >= BUDGET {
                    return Err("sent after the time was over".into());
                }
                event = world.call();
            }
            Step::Verify => event = world.read(),
            Step::Wait(time) => event = world.wait(time),
            Step::Done(proof) => {
                if world.made.is_empty() {
                    return Err(format!("{proof:?} of what was not made"));
                }
                if proof == Proof::Already && world.calls == 1 {
                    return Err("already, after one call that was made".into());
                }
                return within(&world);
            }
            Step::GiveUp(reason) => {
                if reason != Reason::Unknown && !world.made.is_empty() {
                    return Err(format!("{reason:?} of what was made"));
                }
                return within(&world);
            }
        }
    }
    Err("it does not end".into())
}

fn within(world: &World<'_>) -> Result<(), String> {
    if world.made.len() > 1 {
        return Err(format!("made {} times", world.made.len()));
    }
    if world.calls > 8 {
        return Err(format!("sent {} times", world.calls));
    }
    if world.now > BUDGET + Duration::from_secs(3 * CALL) {
        return Err(format!("took {:?}", world.now));
    }
    Ok(())
}

/// Each kind with the freshness that it needs: a second one of what doubles is made only if no read can be behind.
const fn fresh(kind: Kind) -> Duration {
    match kind {
        Kind::State | Kind::Unique => super::machine::SETTLE,
        Kind::Doubles => Duration::from_mins(1),
    }
}

fn explore(cases: u32, fresh: impl Fn(Kind) -> Duration) -> Result<(), String> {
    let mut runner = TestRunner::new(Config {
        cases,
        failure_persistence: None,
        ..Config::default()
    });
    runner
        .run(&plan(), |plan| {
            run(&plan, fresh(plan.kind)).map_err(|fault| TestCaseError::fail(format!("{fault}: {plan:?}")))
        })
        .map_err(|error| error.to_string())
}

#[test]
fn nothing_is_told_that_is_not_so_and_nothing_is_made_twice() {
    explore(20_000, fresh).unwrap();
}

#[test]
fn a_read_that_is_believed_too_early_is_caught() {
    let fault = explore(20_000, |_| super::machine::SETTLE).unwrap_err();
    assert!(fault.contains("made ") && fault.contains(" times"), "{fault}");
}

/// The run above would pass if the machine never did anything but give up.
#[test]
#[expect(clippy::too_many_lines, reason = "a table")]
fn each_course_leads_where_it_should() {
    let at = |now: u64| Duration::from_secs(now);
    let rules = Rules {
        taken: Reaction::Verify,
        absent: Reaction::Again,
        ..Rules::STATE
    };
    let courses: [(&[(Event, u64)], Step); 19] = [
        (&[(Event::Shown, 1)], Step::Verify),
        (&[(Event::Shown, 1), (Event::Found, 1)], Step::Done(Proof::Answer)),
        (
            &[
                (Event::Shown, 1),
                (Event::Missing, 1),
                (Event::Waited, 11),
                (Event::Missing, 11),
            ],
            Step::GiveUp(Reason::Unknown),
        ),
        (&[(Event::Confirmed, 1)], Step::Verify),
        (&[(Event::Confirmed, 1), (Event::Found, 1)], Step::Done(Proof::Answer)),
        (&[(Event::Unknown(None), 1), (Event::Found, 1)], Step::Done(Proof::Read)),
        (&[(Event::Unknown(None), 1), (Event::Missing, 1)], Step::Wait(at(2))),
        (
            &[
                (Event::Unknown(None), 1),
                (Event::Missing, 1),
                (Event::Waited, 3),
                (Event::Missing, 3),
            ],
            Step::Send,
        ),
        (
            &[
                (Event::Unknown(Some(at(7))), 1),
                (Event::Missing, 1),
                (Event::Waited, 3),
                (Event::Missing, 3),
            ],
            Step::Wait(at(5)),
        ),
        (&[(Event::Unknown(None), 1), (Event::Unreadable, 1)], Step::Wait(at(2))),
        (&[(Event::Confirmed, 1), (Event::Unreadable, 10)], Step::Wait(at(1))),
        (
            &[(Event::Shown, 1), (Event::Unreadable, 11)],
            Step::GiveUp(Reason::Unknown),
        ),
        // What failed is no read that does not show it.
        (
            &[
                (Event::Unknown(None), 1),
                (Event::Missing, 1),
                (Event::Waited, 3),
                (Event::Unreadable, 3),
                (Event::Waited, 5),
                (Event::Unreadable, 5),
            ],
            Step::Wait(at(2)),
        ),
        (
            &[(Event::Confirmed, 1), (Event::Untellable, 1)],
            Step::GiveUp(Reason::Unknown),
        ),
        (
            &[(Event::Refused(Refusal::Taken), 1), (Event::Unreadable, 1)],
            Step::GiveUp(Reason::Unread),
        ),
        (
            &[(Event::Refused(Refusal::Taken), 1), (Event::Found, 1)],
            Step::Done(Proof::Already),
        ),
        (
            &[(Event::Refused(Refusal::Taken), 1), (Event::Missing, 1)],
            Step::GiveUp(Reason::Refused),
        ),
        (&[(Event::Refused(Refusal::Absent), 1), (Event::Waited, 3)], Step::Send),
        (&[(Event::Refused(Refusal::Other), 1)], Step::GiveUp(Reason::Refused)),
    ];
    for (events, wanted) in courses {
        let mut machine = Machine::new(rules, BUDGET);
        let steps: Vec<Step> = events
            .iter()
            .map(|(event, now)| machine.next(*event, at(*now)))
            .collect();
        assert_eq!(steps.last(), Some(&wanted), "{events:?}: {steps:?}");
    }
}

/// A refusal may hide that a second one would be made.
#[test]
fn what_doubles_is_looked_for_before_it_is_sent_again_after_a_refusal() {
    let rules = Rules {
        fresh: fresh(Kind::Doubles),
        absent: Reaction::Again,
        ..Rules::STATE
    };
    for refusal in [Refusal::Right, Refusal::Absent] {
        for (read, wanted) in [
            (Event::Found, Step::Done(Proof::Already)),
            (Event::Missing, Step::Send),
            (Event::Unreadable, Step::GiveUp(Reason::Unread)),
        ] {
            let mut machine = Machine::new(rules, BUDGET);
            let at = Duration::from_secs;
            assert_eq!(machine.next(Event::Refused(refusal), at(1)), Step::Wait(at(2)));
            assert_eq!(machine.next(Event::Waited, at(3)), Step::Verify);
            assert_eq!(machine.next(read, at(3)), wanted);
        }
    }
}
