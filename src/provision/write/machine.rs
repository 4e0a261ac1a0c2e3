//! One write as a machine: what happened goes in, what to do next comes out. Pure; times are durations since a fixed
//! moment.
//!
//! Invariants, proved by the simulation beside it: nothing is called done that was not made; nothing is called refused
//! that may have been made; nothing is sent again before a read that may be trusted did not show it.

use std::time::Duration;

/// Time since a fixed moment.
pub(super) type Moment = Duration;

/// Before what may only not be visible yet is read again (connector-model.md §7.1).
pub(crate) const SETTLE: Duration = Duration::from_secs(2);
/// After an answer of PingOne's that says it is done, reads that do not show it are believed only after this time. For as
/// long, a read that failed is made again.
const CONFIRMED_FRESH: Duration = Duration::from_secs(10);
/// Reads after the first one until what a refusal tells of is shown.
const LATE_READS: u32 = 4;

/// What a refusal of PingOne's leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reaction {
    /// It stands.
    Fail,
    /// It is sent once more, a little later.
    Again,
    /// A read tells whether it is so already.
    Verify,
    /// The same, and if it is not so, it is sent once more.
    VerifyAgain,
}

/// What a write needs besides its call.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Rules {
    /// Most times that it is sent.
    pub(crate) sends: u32,
    /// A change is visible to every read after this time.
    pub(crate) fresh: Duration,
    /// PingOne does not find what the call names.
    pub(crate) absent: Reaction,
    /// What PingOne shows as done is read back, too.
    pub(crate) read_back: bool,
    /// PingOne says that there is such a thing already, or that the request does not fit.
    pub(crate) taken: Reaction,
}

impl Rules {
    /// A state that is set: to set it again does no harm.
    pub(crate) const STATE: Self = Self {
        sends: 3,
        read_back: true,
        fresh: SETTLE,
        absent: Reaction::Fail,
        taken: Reaction::Fail,
    };
    /// Something that is deleted: not found may mean that it is gone.
    pub(crate) const DELETION: Self = Self {
        absent: Reaction::Verify,
        ..Self::STATE
    };
}

/// Why PingOne refused. It surely did nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refusal {
    /// What the call names is not there.
    Absent,
    /// Such a thing is there.
    Taken,
    /// Somebody else changed the object at the same time.
    Conflict,
    /// Our client lacks a right, which may only not have spread yet.
    Right,
    /// Anything else.
    Other,
}

/// What happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Event {
    /// PingOne's answer shows the change.
    Shown,
    /// PingOne confirmed it with nothing to show.
    Confirmed,
    /// The answer was lost, or is not PingOne's; what it asked us to wait.
    Unknown(Option<Duration>),
    /// PingOne refused.
    Refused(Refusal),
    /// A read shows the change, or that it is so already.
    Found,
    /// A read shows that something else stands in its place.
    Other,
    /// A read shows nothing of it.
    Missing,
    /// The read failed.
    Unreadable,
    /// No read can tell.
    Untellable,
    /// The wait is over.
    Waited,
    /// The task was cancelled while it waited.
    Cancelled,
}

/// How sure a change is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Proof {
    /// PingOne said so and showed it.
    Answer,
    /// The answer said nothing to be believed; a read shows the change.
    Read,
    /// It was so without us.
    Already,
}

/// Why there is no change to tell of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reason {
    /// PingOne refused and did nothing.
    Refused,
    /// PingOne refused, and what that means could not be read.
    Unread,
    /// It may have been made or not.
    Unknown,
}

/// What to do next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    /// Send the call.
    Send,
    /// Read whether the change is there.
    Verify,
    /// Wait. Then comes [`Event::Waited`], or [`Event::Cancelled`] once.
    Wait(Duration),
    /// It is so.
    Done(Proof),
    /// It is not known to be so.
    GiveUp(Reason),
}

/// What is open about the calls sent so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Doubt {
    None,
    /// An answer was lost.
    Lost,
    /// PingOne confirmed it, and no read shows it yet.
    Confirmed,
    /// PingOne's answer showed it, and no read does yet.
    Shown,
}

/// One write on its way.
#[derive(Debug)]
pub(super) struct Machine {
    rules: Rules,
    deadline: Moment,
    sends: u32,
    /// When the last call in doubt was sent, or later.
    sent: Moment,
    doubt: Doubt,
    /// Reads since then.
    reads: u32,
    /// The refusal that a read is to explain.
    refusal: Option<Refusal>,
    /// Refusals that were answered with another call.
    retried: [bool; 4],
    asked_wait: Option<Duration>,
    /// After the wait comes a call, not a read.
    send_next: bool,
    /// The next read is the one before a call that a refusal may have hidden.
    look_first: bool,
    cancelled: bool,
}

impl Machine {
    /// A write that is sent next.
    pub(super) const fn new(rules: Rules, deadline: Moment) -> Self {
        Self {
            rules,
            deadline,
            sends: 1,
            sent: Duration::ZERO,
            doubt: Doubt::None,
            reads: 0,
            refusal: None,
            retried: [false; 4],
            asked_wait: None,
            send_next: false,
            look_first: false,
            cancelled: false,
        }
    }

    /// What to do after `event`, which ended at `now`.
    pub(super) fn next(&mut self, event: Event, now: Moment) -> Step {
        match event {
            Event::Shown if self.rules.read_back => self.in_doubt(Doubt::Shown, None, now),
            Event::Shown => Step::Done(Proof::Answer),
            Event::Confirmed => self.in_doubt(Doubt::Confirmed, None, now),
            Event::Unknown(asked) => self.in_doubt(Doubt::Lost, asked, now),
            Event::Refused(refusal) => self.refused(refusal, now),
            Event::Found => Step::Done(match self.doubt {
                Doubt::None => Proof::Already,
                Doubt::Shown | Doubt::Confirmed => Proof::Answer,
                Doubt::Lost => Proof::Read,
            }),
            Event::Other => Step::Done(Proof::Already),
            Event::Missing => self.missing(now),
            Event::Unreadable | Event::Untellable if self.doubt == Doubt::None => Step::GiveUp(Reason::Unread),
            Event::Untellable => Step::GiveUp(Reason::Unknown),
            Event::Unreadable => self.unreadable(now),
            Event::Waited if self.send_next => self.send(),
            Event::Waited => Step::Verify,
            Event::Cancelled => {
                self.cancelled = true;
                self.send_next = false;
                // Somebody must know: one more read decides.
                if self.doubt == Doubt::None {
                    Step::GiveUp(Reason::Refused)
                } else {
                    Step::Verify
                }
            }
        }
    }

    fn send(&mut self) -> Step {
        self.sends += 1;
        self.send_next = false;
        self.refusal = None;
        Step::Send
    }

    fn in_doubt(&mut self, doubt: Doubt, asked: Option<Duration>, now: Moment) -> Step {
        self.doubt = doubt;
        self.sent = now;
        self.reads = 0;
        self.asked_wait = asked;
        self.refusal = None;
        Step::Verify
    }

    fn reaction(&self, refusal: Refusal) -> Reaction {
        match refusal {
            Refusal::Absent => self.rules.absent,
            Refusal::Taken => self.rules.taken,
            Refusal::Conflict => Reaction::VerifyAgain,
            Refusal::Right => Reaction::Again,
            Refusal::Other => Reaction::Fail,
        }
    }

    fn refused(&mut self, refusal: Refusal, now: Moment) -> Step {
        let reads = matches!(self.reaction(refusal), Reaction::Verify | Reaction::VerifyAgain);
        if reads || self.doubt != Doubt::None {
            self.refusal = Some(refusal);
            self.reads = 0;
            return Step::Verify;
        }
        self.once_more(refusal, now)
    }

    /// Another call after a refusal that may pass, once for each kind.
    fn once_more(&mut self, refusal: Refusal, now: Moment) -> Step {
        let may = matches!(self.reaction(refusal), Reaction::Again | Reaction::VerifyAgain);
        let kind = match refusal {
            Refusal::Absent => 0,
            Refusal::Taken => 1,
            Refusal::Conflict => 2,
            Refusal::Right | Refusal::Other => 3,
        };
        let first = self
            .retried
            .get_mut(kind)
            .is_some_and(|tried| !std::mem::replace(tried, true));
        if may && first && !self.cancelled && now + SETTLE < self.deadline {
            // A second call that would make a second one is never sent without a look.
            self.look_first = self.rules.fresh > SETTLE;
            self.send_next = !self.look_first;
            self.refusal = Some(refusal);
            return Step::Wait(SETTLE);
        }
        Step::GiveUp(self.refused_or_unknown())
    }

    const fn refused_or_unknown(&self) -> Reason {
        match self.doubt {
            Doubt::None => Reason::Refused,
            Doubt::Lost | Doubt::Confirmed | Doubt::Shown => Reason::Unknown,
        }
    }

    fn missing(&mut self, now: Moment) -> Step {
        self.reads += 1;
        if std::mem::take(&mut self.look_first) {
            return if self.cancelled || now >= self.deadline {
                Step::GiveUp(self.refused_or_unknown())
            } else {
                self.send()
            };
        }
        match self.refusal {
            // Taken, and nobody is shown who has it; or gone, and it is shown still. It may be our own doing.
            Some(Refusal::Taken | Refusal::Absent) if self.doubt != Doubt::None && self.reads <= LATE_READS => {
                Step::Wait(SETTLE)
            }
            Some(refusal) => self.once_more(refusal, now),
            None => self.not_shown(now),
        }
    }

    /// One read that fails says nothing of the change, so it is made again. What it does not show is not counted.
    fn unreadable(&self, now: Moment) -> Step {
        let window = if now < self.deadline {
            self.rules.fresh.max(CONFIRMED_FRESH)
        } else {
            CONFIRMED_FRESH
        };
        let left = window.saturating_sub(now.saturating_sub(self.sent));
        if self.cancelled || left.is_zero() {
            return Step::GiveUp(Reason::Unknown);
        }
        Step::Wait(SETTLE.min(left))
    }

    /// A read after a call in doubt does not show the change.
    fn not_shown(&mut self, now: Moment) -> Step {
        let fresh = match self.doubt {
            Doubt::Confirmed | Doubt::Shown => self.rules.fresh.max(CONFIRMED_FRESH),
            Doubt::Lost | Doubt::None => self.rules.fresh,
        };
        let since = now.saturating_sub(self.sent);
        if since < fresh || self.reads < 2 {
            let pause = self
                .pause()
                .min(fresh.saturating_sub(since))
                .max(Duration::from_millis(100));
            // The second read is made whatever happens: reads lag behind writes.
            let may_wait = self.reads < 2 || !self.cancelled && now + pause < self.deadline;
            return if may_wait {
                Step::Wait(pause)
            } else {
                Step::GiveUp(Reason::Unknown)
            };
        }
        let asked = self.asked_wait.unwrap_or_default().saturating_sub(since);
        // What PingOne confirmed is sent once more at most, and what it showed never.
        let most = match self.doubt {
            Doubt::Shown => 0,
            Doubt::Confirmed => self.rules.sends.min(2),
            Doubt::Lost | Doubt::None => self.rules.sends,
        };
        if self.sends >= most || self.cancelled || now + asked >= self.deadline {
            return Step::GiveUp(Reason::Unknown);
        }
        if asked.is_zero() {
            return self.send();
        }
        self.send_next = true;
        Step::Wait(asked)
    }

    /// Two seconds at first, longer later.
    fn pause(&self) -> Duration {
        SETTLE.saturating_mul(1 << (self.reads / 4).min(2))
    }
}
