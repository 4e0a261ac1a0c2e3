//! Several candidates, one Lease, and everything that can go wrong between them: frozen processes, requests and answers
//! that take long or get lost, failures, a Lease that is deleted, emptied or edited, restarts, monotonic clocks with different origins.
//! Whatever the schedule, at no moment may two processes begin work.

use std::time::Duration;

use proptest::prelude::*;

use super::Timing;
use super::candidate::{Action, Candidate, Claim, Failed, Moment, Observed, Record};

/// One step of the simulated world.
const TICK: Duration = Duration::from_millis(250);
const NODES: usize = 3;
/// Steps during which a Lease counts as the installation's first: a minute.
const INSTALLATION: usize = 240;

/// What happens in one step besides what the candidates do.
#[derive(Debug, Clone)]
enum Fault {
    /// Nothing.
    Calm,
    /// The process does not run for so many steps.
    Freeze(usize, u8),
    /// The process is killed; another starts in its place.
    Restart(usize),
    /// From now on its requests take so many steps to arrive, and their answers as many to come back.
    Slow(usize, u8, u8),
    /// Its next request arrives, the answer does not.
    LoseAnswer(usize),
    /// Its next request does not arrive.
    LoseRequest(usize),
    /// Nobody reaches the API server for so many steps.
    Outage(u8),
    /// Somebody deletes the Lease.
    Delete,
    /// Somebody makes it anew, without a holder.
    Make,
    /// Somebody empties it.
    Empty,
    /// Somebody edits a label.
    Label,
}

fn fault() -> impl Strategy<Value = Fault> {
    let node = 0..NODES;
    prop_oneof![
        20 => Just(Fault::Calm),
        4 => (node.clone(), any::<u8>()).prop_map(|(node, steps)| Fault::Freeze(node, steps)),
        1 => node.clone().prop_map(Fault::Restart),
        4 => (node.clone(), 0..60u8, 0..60u8).prop_map(|(node, there, back)| Fault::Slow(node, there, back)),
        4 => node.clone().prop_map(|node| Fault::Slow(node, 0, 0)),
        2 => node.clone().prop_map(Fault::LoseAnswer),
        2 => node.prop_map(Fault::LoseRequest),
        1 => (0..120u8).prop_map(Fault::Outage),
        1 => Just(Fault::Delete),
        1 => Just(Fault::Make),
        1 => Just(Fault::Empty),
        1 => Just(Fault::Label),
    ]
}

/// A request on its way.
#[derive(Debug, Clone)]
struct Flight {
    action: Action,
    started: Moment,
    /// The world's step at which the server handles it; `None` if it never does, or has.
    arrives: Option<usize>,
    /// Steps from there to the answer; `None` if it is lost.
    back: Option<usize>,
    answer: Option<(usize, Answer)>,
}

#[derive(Debug, Clone)]
enum Answer {
    Seen(Observed),
    Written(Record),
    Failed(Failed),
    LookFailed,
}

struct Node {
    candidate: Candidate,
    incarnation: u32,
    /// Its monotonic clock's reading at the world's beginning.
    origin: Duration,
    frozen_until: usize,
    there: usize,
    back: usize,
    lose_answer: bool,
    lose_request: bool,
    flight: Option<Flight>,
    /// Requests it gave up on may still arrive.
    lost: Vec<Flight>,
    /// What its guard holds.
    until: Option<Moment>,
    revoked: bool,
    /// Steps that its work takes to stop.
    stopping: Option<usize>,
}

struct World {
    step: usize,
    timing: Timing,
    lease: Option<Record>,
    uid: u32,
    version: u32,
    outage_until: usize,
    nodes: Vec<Node>,
    terms: usize,
}

impl Node {
    fn new(index: usize, incarnation: u32, timing: Timing) -> Self {
        Self {
            candidate: Candidate::new(format!("pod-{index}_{incarnation}"), timing),
            incarnation,
            origin: Duration::from_secs(600 * u64::try_from(index).unwrap()),
            frozen_until: 0,
            there: 0,
            back: 0,
            lose_answer: false,
            lose_request: false,
            flight: None,
            lost: Vec::new(),
            until: None,
            revoked: false,
            stopping: None,
        }
    }

    fn now(&self, step: usize) -> Moment {
        self.origin + TICK * u32::try_from(step).unwrap()
    }

    /// What the guard says; as the real one it stays at no.
    fn may_begin(&mut self, step: usize) -> bool {
        let now = self.now(step);
        let may = !self.revoked && self.until.is_some_and(|until| now < until);
        if self.until.is_some() && !may {
            self.revoked = true;
        }
        may
    }
}

impl World {
    fn new() -> Self {
        let second = Duration::from_secs(1);
        let timing = Timing::new(second * 15, second * 10, second * 2).unwrap();
        Self {
            step: 0,
            timing,
            lease: None,
            uid: 0,
            version: 0,
            outage_until: 0,
            nodes: (0..NODES).map(|index| Node::new(index, 0, timing)).collect(),
            terms: 0,
        }
    }

    fn version(&mut self) -> String {
        self.version += 1;
        self.version.to_string()
    }

    /// False if it is there.
    fn make(&mut self) -> bool {
        if self.lease.is_some() {
            return false;
        }
        self.uid += 1;
        self.lease = Some(Record {
            uid: self.uid.to_string(),
            version: self.version(),
            holder: None,
            seconds: None,
            term: 0,
            was_held: false,
            is_new: self.step < INSTALLATION,
        });
        true
    }

    fn happen(&mut self, fault: &Fault) {
        let step = self.step;
        match *fault {
            Fault::Calm => {}
            Fault::Freeze(node, steps) => self.nodes[node].frozen_until = step + usize::from(steps),
            Fault::Restart(index) => {
                let old = &mut self.nodes[index];
                let lost: Vec<_> = old.lost.drain(..).chain(old.flight.take()).collect();
                let mut next = Node::new(index, old.incarnation + 1, self.timing);
                next.lost = lost;
                self.nodes[index] = next;
            }
            Fault::Slow(node, there, back) => {
                self.nodes[node].there = there.into();
                self.nodes[node].back = back.into();
            }
            Fault::LoseAnswer(node) => self.nodes[node].lose_answer = true,
            Fault::LoseRequest(node) => self.nodes[node].lose_request = true,
            Fault::Outage(steps) => self.outage_until = step + usize::from(steps),
            // What the first Lease's short wait assumes (docs/adr/0012).
            Fault::Delete if step < INSTALLATION => {}
            Fault::Delete => self.lease = None,
            Fault::Make => {
                self.make();
            }
            Fault::Empty => {
                let version = self.version();
                if let Some(lease) = &mut self.lease {
                    lease.holder = None;
                    lease.version = version;
                }
            }
            Fault::Label => {
                let version = self.version();
                if let Some(lease) = &mut self.lease {
                    lease.version = version;
                }
            }
        }
    }

    /// The API server.
    fn serve(&mut self, action: &Action) -> Answer {
        match action {
            Action::Look => Answer::Seen(self.lease.clone().map_or(Observed::Absent, Observed::Present)),
            Action::Create => {
                if !self.make() {
                    return Answer::Failed(Failed::Conflict);
                }
                Answer::Seen(self.lease.clone().map_or(Observed::Absent, Observed::Present))
            }
            Action::Update(seen, claim) => match &self.lease {
                None => Answer::Failed(Failed::Gone),
                Some(lease) if lease.uid != seen.uid || lease.version != seen.version => {
                    Answer::Failed(Failed::Conflict)
                }
                Some(lease) => {
                    let (uid, held) = (lease.uid.clone(), lease.was_held);
                    self.store(uid, claim, held)
                }
            },
            Action::Wait(_) | Action::StandDown(_) | Action::AwaitStop => unreachable!("not a request"),
        }
    }

    fn store(&mut self, uid: String, claim: &Claim, was_held: bool) -> Answer {
        let record = Record {
            uid,
            version: self.version(),
            holder: claim.holder.clone(),
            seconds: Some(claim.seconds),
            term: claim.term,
            was_held: was_held || claim.begins,
            is_new: false,
        };
        self.lease = Some(record.clone());
        Answer::Written(record)
    }

    /// Requests that arrive at this step, given up or not, frozen sender or not.
    fn arrivals(&mut self) {
        for index in 0..self.nodes.len() {
            let mut flights: Vec<Flight> = std::mem::take(&mut self.nodes[index].lost);
            let current = self.nodes[index].flight.take();
            let has_current = current.is_some();
            flights.extend(current);
            for flight in &mut flights {
                if flight.arrives.is_some_and(|at| at <= self.step) {
                    flight.arrives = None;
                    let answer = if self.step < self.outage_until {
                        match flight.action {
                            Action::Look => Answer::LookFailed,
                            _ => Answer::Failed(Failed::Unknown),
                        }
                    } else {
                        let action = flight.action.clone();
                        self.serve(&action)
                    };
                    flight.answer = flight.back.map(|back| (self.step + back, answer));
                }
            }
            if has_current {
                self.nodes[index].flight = flights.pop();
            }
            flights.retain(|flight| flight.arrives.is_some());
            self.nodes[index].lost = flights;
        }
    }

    /// One process's shell, as `Election` does it.
    fn run(&mut self, index: usize) {
        let step = self.step;
        let request = self.timing.request();
        let node = &mut self.nodes[index];
        if step < node.frozen_until {
            return;
        }
        let now = node.now(step);
        if let Some(flight) = node.flight.take() {
            let deadline = flight.started + request;
            match &flight.answer {
                Some((at, answer)) if *at <= step => Self::answered(node, answer, flight.started, now, &mut self.terms),
                _ if now >= deadline => {
                    match flight.action {
                        Action::Look => node.candidate.look_failed(now),
                        _ => node.candidate.write_failed(Failed::Unknown, now),
                    }
                    node.lost.push(flight);
                }
                _ => {
                    node.flight = Some(flight);
                    // A leader's deadline holds for the call as well.
                    if node.candidate.leads_until().is_none_or(|until| now < until) {
                        return;
                    }
                    let flight = node.flight.take().unwrap();
                    node.candidate.write_failed(Failed::Unknown, now);
                    node.lost.push(flight);
                }
            }
        }
        if node.revoked && node.candidate.term().is_some() {
            node.candidate.stand_down();
        }
        match node.candidate.decide(now) {
            Action::StandDown(_) => {
                node.revoked = true;
                node.candidate.stand_down();
            }
            Action::AwaitStop => {
                let left = node.stopping.get_or_insert(3);
                *left -= 1;
                if *left == 0 {
                    node.stopping = None;
                    node.until = None;
                    node.revoked = false;
                    node.candidate.stopped();
                }
            }
            Action::Wait(_) => {}
            action => {
                let lost_request = std::mem::take(&mut node.lose_request);
                let lost_answer = std::mem::take(&mut node.lose_answer);
                node.flight = Some(Flight {
                    action,
                    started: now,
                    arrives: (!lost_request).then_some(step + node.there),
                    back: (!lost_answer).then_some(node.back),
                    answer: None,
                });
            }
        }
    }

    fn answered(node: &mut Node, answer: &Answer, started: Moment, now: Moment, terms: &mut usize) {
        match answer {
            Answer::Seen(seen) => node.candidate.looked(seen.clone(), now),
            Answer::LookFailed => node.candidate.look_failed(now),
            Answer::Failed(how) => node.candidate.write_failed(*how, now),
            Answer::Written(record) => {
                let began = node.candidate.wrote(record.clone(), started, now);
                let until = node.candidate.leads_until();
                if began {
                    *terms += 1;
                    node.revoked = false;
                    node.until = until;
                } else if node.revoked || node.until.is_some_and(|old| now >= old) {
                    node.revoked = true;
                } else {
                    node.until = until;
                }
            }
        }
    }

    fn advance(&mut self, fault: &Fault) {
        self.happen(fault);
        self.arrivals();
        for index in 0..self.nodes.len() {
            self.run(index);
        }
        self.arrivals();
        self.step += 1;
    }

    /// Who would be allowed to begin work now. A frozen process begins nothing.
    fn beginners(&mut self) -> Vec<usize> {
        let step = self.step;
        let nodes = self.nodes.iter_mut().enumerate();
        nodes
            .filter(|(_, node)| step >= node.frozen_until)
            .filter_map(|(index, node)| node.may_begin(step).then_some(index))
            .collect()
    }
}

fn never_two(faults: &[Fault]) -> Result<(), TestCaseError> {
    let mut world = World::new();
    for fault in faults {
        world.advance(fault);
        let beginners = world.beginners();
        prop_assert!(beginners.len() <= 1, "step {}: {beginners:?}", world.step);
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn never_two_processes_begin_work(faults in prop::collection::vec(fault(), 400..1_400)) {
        never_two(&faults)?;
    }

    #[test]
    fn calm_after_any_storm_brings_a_leader_back(faults in prop::collection::vec(fault(), 0..400)) {
        let mut world = World::new();
        for fault in &faults {
            world.advance(fault);
        }
        for node in 0..NODES {
            world.happen(&Fault::Slow(node, 0, 0));
            world.happen(&Fault::Freeze(node, 0));
        }
        world.outage_until = 0;
        // Requests that are still out, a lease that has to run out, and a stop in between.
        for _ in 0..400 {
            world.advance(&Fault::Calm);
        }
        prop_assert_eq!(world.beginners().len(), 1);
    }
}

#[test]
fn the_first_leader_of_an_installation_begins_within_five_seconds() {
    let mut world = World::new();
    let mut steps = 0;
    while world.beginners().is_empty() {
        world.advance(&Fault::Calm);
        steps += 1;
    }
    assert!(TICK * steps < Duration::from_secs(5), "{steps} steps");
}

#[test]
fn a_killed_leader_is_followed_within_duration_and_retry_period() {
    let mut world = World::new();
    for _ in 0..100 {
        world.advance(&Fault::Calm);
    }
    let leader = world.beginners()[0];
    world.advance(&Fault::Freeze(leader, 255));
    let mut steps = 0;
    while world.beginners().is_empty() {
        world.advance(&Fault::Calm);
        steps += 1;
    }
    let limit = world.timing.duration() + world.timing.retry_period() + Duration::from_secs(2);
    assert!(TICK * steps <= limit, "{steps} steps");
    assert_eq!(world.terms, 2);
}

#[test]
fn a_frozen_leader_that_wakes_after_its_lease_begins_nothing() {
    let mut world = World::new();
    for _ in 0..100 {
        world.advance(&Fault::Calm);
    }
    let leader = world.beginners()[0];
    world.advance(&Fault::Freeze(leader, 80));
    for _ in 0..200 {
        world.advance(&Fault::Calm);
        assert!(!world.beginners().contains(&leader) || world.step > 180);
        assert!(world.beginners().len() <= 1);
    }
}

#[test]
fn without_faults_one_leader_keeps_its_first_term() {
    let mut world = World::new();
    for _ in 0..4_000 {
        world.advance(&Fault::Calm);
    }
    assert_eq!((world.terms, world.beginners().len()), (1, 1));
}
