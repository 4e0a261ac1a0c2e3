//! The pure part: what to do next, from what was seen and the local monotonic time. It must not read a clock nor compare
//! anybody's wall-clock times.

use std::fmt;
use std::time::Duration;

use super::{LONGEST, Timing};

/// Monotonic time of this process, counted from any fixed moment.
pub type Moment = Duration;

/// What a leader of an installation before this one needs, on top of the retry period, to notice that its Lease is gone.
const NOTICES: Duration = Duration::from_secs(1);

/// Seconds that a released record carries as its duration; together with no holder it marks a release, which a record
/// that was emptied by hand does not have.
pub(crate) const RELEASED: i32 = 1;

/// A Lease as read, without its wall-clock times.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// Which object it is; one that was made again under the same name has another.
    pub uid: String,
    /// `resourceVersion`: changes with each write.
    pub version: String,
    /// Who holds it; `None` for empty.
    pub holder: Option<String>,
    /// `leaseDurationSeconds` as written.
    pub seconds: Option<i32>,
    /// `leaseTransitions`: the term.
    pub term: i32,
    /// It has an `acquireTime`: somebody held it once.
    pub was_held: bool,
    /// It was made with the installation, by one of us, and nobody has held it since.
    pub is_new: bool,
}

/// What a look at the Lease found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Observed {
    /// It is not there.
    Absent,
    /// It is there.
    Present(Record),
}

/// What to write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claim {
    /// Holder; `None` gives the Lease back.
    pub holder: Option<String>,
    /// `leaseDurationSeconds`.
    pub seconds: i32,
    /// `leaseTransitions`.
    pub term: i32,
    /// A new term begins: `acquireTime` is set as well as `renewTime`.
    pub begins: bool,
}

/// Why a leader stands down.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Doubt {
    /// No renewal succeeded within the renew deadline, or the process slept.
    Expired,
    /// The record names somebody else, or another term.
    Taken,
    /// The Lease is gone.
    Deleted,
}

impl Doubt {
    /// A bounded label.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Expired => "expired",
            Self::Taken => "taken",
            Self::Deleted => "deleted",
        }
    }
}

impl fmt::Display for Doubt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Expired => "the lease was not renewed in time",
            Self::Taken => "the Lease names another holder or term",
            Self::Deleted => "the Lease was deleted",
        })
    }
}

/// The next step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Read the Lease.
    Look,
    /// Make it without a holder; it is not there.
    Create,
    /// Write over this record, if it is still the same.
    Update(Record, Claim),
    /// Nothing before this moment.
    Wait(Moment),
    /// Stop leading now; then report [`Candidate::stopped`] when the work has stopped.
    StandDown(Doubt),
    /// The work of the last term has not stopped yet: nothing to do until it has.
    AwaitStop,
}

/// How a write that did not succeed ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Failed {
    /// Refused because the record is another one by now.
    Conflict,
    /// Refused because the Lease is gone.
    Gone,
    /// Refused or lost; it may have been carried out.
    Unknown,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Seen {
    what: Observed,
    /// When it was first seen like this.
    since: Moment,
    /// It may be taken at once.
    free: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Duty {
    Standby,
    Leading {
        term: i32,
        /// Start of the last successful write.
        renewed: Moment,
        /// Not before this moment is the next try.
        next: Moment,
    },
    Stopping,
}

/// One process's view of an election.
#[derive(Debug, Clone)]
pub struct Candidate {
    me: String,
    timing: Timing,
    seen: Option<Seen>,
    /// What `seen` holds may be out of date in a way that a write would fail on.
    stale: bool,
    next_look: Moment,
    /// This process has seen somebody hold it.
    saw_holder: bool,
    duty: Duty,
}

impl Candidate {
    /// A process that has seen nothing yet. `me` must be unique for this process, restarts included.
    pub fn new(me: String, timing: Timing) -> Self {
        Self {
            me,
            timing,
            seen: None,
            stale: true,
            next_look: Moment::ZERO,
            saw_holder: false,
            duty: Duty::Standby,
        }
    }

    /// Until when work may begin; `None` unless leading.
    pub fn leads_until(&self) -> Option<Moment> {
        match self.duty {
            Duty::Leading { renewed, .. } => Some(renewed.saturating_add(self.timing.renew_deadline())),
            Duty::Standby | Duty::Stopping => None,
        }
    }

    /// The term that is being led.
    pub const fn term(&self) -> Option<i32> {
        match self.duty {
            Duty::Leading { term, .. } => Some(term),
            Duty::Standby | Duty::Stopping => None,
        }
    }

    /// Who held the Lease when it was last seen.
    pub fn holder(&self) -> Option<&str> {
        match &self.seen.as_ref()?.what {
            Observed::Absent => None,
            Observed::Present(record) => record.holder.as_deref(),
        }
    }

    /// The next step at `now`.
    pub fn decide(&self, now: Moment) -> Action {
        match &self.duty {
            Duty::Stopping => Action::AwaitStop,
            Duty::Standby => self.decide_standby(now),
            Duty::Leading { term, next, .. } => self.decide_leading(*term, *next, now),
        }
    }

    fn decide_leading(&self, term: i32, next: Moment, now: Moment) -> Action {
        let until = self.leads_until().unwrap_or_default();
        if now >= until {
            return Action::StandDown(Doubt::Expired);
        }
        let record = match self.seen.as_ref().map(|seen| &seen.what) {
            Some(Observed::Present(record)) => record,
            Some(Observed::Absent) | None => return Action::StandDown(Doubt::Deleted),
        };
        if record.holder.as_deref() != Some(self.me.as_str()) || record.term != term {
            return Action::StandDown(Doubt::Taken);
        }
        if now < next {
            return Action::Wait(next.min(until));
        }
        if self.stale {
            return Action::Look;
        }
        Action::Update(record.clone(), self.claim(term, false))
    }

    fn decide_standby(&self, now: Moment) -> Action {
        let Some(seen) = self.seen.as_ref() else {
            return if now < self.next_look {
                Action::Wait(self.next_look)
            } else {
                Action::Look
            };
        };
        let takeable = match &seen.what {
            // Made without a holder: whoever may hold the one that was there before is waited for from then on.
            Observed::Absent if !self.stale => return Action::Create,
            Observed::Absent => self.next_look,
            Observed::Present(record) => self.takeable(record, seen),
        };
        if let Observed::Present(record) = &seen.what
            && now >= takeable
            && !self.stale
        {
            let term = record.term.checked_add(1).unwrap_or(1);
            return Action::Update(record.clone(), self.claim(term, true));
        }
        if now >= self.next_look {
            return Action::Look;
        }
        Action::Wait(if self.stale {
            self.next_look
        } else {
            self.next_look.min(takeable)
        })
    }

    /// From when on the Lease may be taken if it stays as it is.
    fn takeable(&self, record: &Record, seen: &Seen) -> Moment {
        if seen.free || record.holder.as_deref() == Some(self.me.as_str()) {
            return seen.since;
        }
        let wait = if record.holder.is_none() && record.is_new && !self.saw_holder {
            self.timing.retry_period().saturating_add(NOTICES)
        } else {
            let theirs = record.seconds.and_then(|seconds| u64::try_from(seconds).ok());
            Duration::from_secs(theirs.unwrap_or(0))
                .min(LONGEST)
                .max(self.timing.duration())
        };
        seen.since.saturating_add(wait)
    }

    fn claim(&self, term: i32, begins: bool) -> Claim {
        Claim {
            holder: Some(self.me.clone()),
            seconds: i32::try_from(self.timing.duration().as_secs()).unwrap_or(i32::MAX),
            term,
            begins,
        }
    }

    /// A look succeeded; `now` is when its answer came.
    pub fn looked(&mut self, what: Observed, now: Moment) {
        self.next_look = now.saturating_add(self.timing.retry_period());
        self.stale = false;
        if self.seen.as_ref().is_some_and(|seen| seen.what == what) {
            return;
        }
        let free = is_released(&what);
        self.saw_holder |= matches!(&what, Observed::Present(record) if record.holder.is_some());
        // A Lease that vanished or was made again starts its time anew: its holder may have renewed just before.
        self.seen = Some(Seen { what, since: now, free });
    }

    /// A look failed.
    pub fn look_failed(&mut self, now: Moment) {
        self.stale = true;
        self.retry_later(now);
    }

    /// A write succeeded: `record` is what is stored now, `started` when the request began. True if a term began.
    pub fn wrote(&mut self, record: Record, started: Moment, now: Moment) -> bool {
        let term = record.term;
        self.seen = Some(Seen {
            what: Observed::Present(record),
            since: now,
            free: false,
        });
        self.stale = false;
        self.next_look = now.saturating_add(self.timing.retry_period());
        let began = matches!(self.duty, Duty::Standby);
        if !matches!(self.duty, Duty::Stopping) {
            let next = started.saturating_add(self.timing.retry_period());
            self.duty = Duty::Leading {
                term,
                renewed: started,
                next,
            };
        }
        began
    }

    /// A write failed.
    pub fn write_failed(&mut self, how: Failed, now: Moment) {
        self.stale = true;
        if how == Failed::Gone {
            // Seen as gone from now on, whatever was seen before.
            self.looked(Observed::Absent, now);
        } else if how == Failed::Conflict && matches!(self.duty, Duty::Leading { .. }) {
            // A label that was edited is no reason to wait: look at once.
            self.next_look = now;
            return;
        }
        self.retry_later(now);
    }

    fn retry_later(&mut self, now: Moment) {
        let later = now.saturating_add(self.timing.retry_period());
        self.next_look = later;
        if let Duty::Leading { next, .. } = &mut self.duty {
            *next = later;
        }
    }

    /// Carries out [`Action::StandDown`], or a doubt that the shell found itself. True if a term ended.
    pub fn stand_down(&mut self) -> bool {
        let led = matches!(self.duty, Duty::Leading { .. });
        if led {
            self.duty = Duty::Stopping;
        }
        led
    }

    /// The work of the last term has stopped: this process may stand again, for a new term.
    pub fn stopped(&mut self) {
        self.duty = Duty::Standby;
        self.stale = true;
        self.next_look = Moment::ZERO;
    }

    /// What to write to give the Lease back; `None` if it is not known to be ours. Only after the work has stopped.
    pub fn release(&self) -> Option<(Record, Claim)> {
        let Observed::Present(record) = &self.seen.as_ref()?.what else {
            return None;
        };
        if record.holder.as_deref() != Some(self.me.as_str()) {
            return None;
        }
        let claim = Claim {
            holder: None,
            seconds: RELEASED,
            term: record.term,
            begins: false,
        };
        Some((record.clone(), claim))
    }
}

/// Whether nobody can believe to hold it: its holder gave it back. A Lease without that mark may have been made or emptied
/// a moment ago, under a leader that does not know yet.
fn is_released(what: &Observed) -> bool {
    matches!(what, Observed::Present(record)
        if record.holder.is_none() && record.seconds == Some(RELEASED) && record.was_held)
}

#[cfg(test)]
mod tests;
