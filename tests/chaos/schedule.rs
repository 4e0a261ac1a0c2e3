//! What a seed makes of a run: the stand-ins' habits, the tasks, and what goes wrong when.

use std::time::Duration;

use sandbox::c1::{Rpc, Step, TokenStep};
use sandbox::pingone::{ChangeKind, Changes, Fault, FaultAction, FaultBody, Lost, Options};

use crate::dice::Dice;
use crate::small::small;

/// Users that changes by others are about; tasks are about later ones.
pub const OTHERS: u32 = 13;
/// How long things go wrong.
const STORM: usize = 5_000;

/// What a task is to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Op {
    Sync,
    Grant,
    Revoke,
    Assign,
    Unassign,
    Create,
    Delete,
    Disable,
}

impl Op {
    pub const ALL: [Self; 8] = [
        Self::Sync,
        Self::Grant,
        Self::Revoke,
        Self::Assign,
        Self::Unassign,
        Self::Create,
        Self::Delete,
        Self::Disable,
    ];
}

/// What goes wrong.
#[derive(Debug, Clone)]
pub enum Event {
    Queue(Op),
    /// Faults of PingOne, in place of those before.
    PingOne(Vec<Fault>),
    /// The next calls of C1.
    C1(Rpc, Vec<Step>),
    C1Tokens(Vec<TokenStep>),
    /// C1 is away for so long.
    C1Away(Duration),
    /// Every connection to C1 breaks.
    C1Cut,
    /// What is sent to C1 arrives at so many bytes a second; `None` ends that.
    C1Link(Option<u32>),
    /// C1 has lost the `FinishTask` of some task and offers it again.
    OfferAgain(usize),
    /// No token is good any more.
    PingOneTokens,
    C1TokensEnd,
    /// Others change the directory.
    Change(Changes),
    /// PingOne's secret is replaced; the old one is good for a while, or ends at once.
    RotatePingOne(bool),
    RotateC1,
    /// SIGTERM, and another start.
    Stop,
    /// SIGKILL, and another start.
    Kill,
}

/// A run.
pub struct Schedule {
    pub pingone: Options,
    pub batched: bool,
    pub token_lifetime: i64,
    /// In the order of their times.
    pub events: Vec<(Duration, Event)>,
}

fn ms(dice: &mut Dice, most: usize) -> u64 {
    u64::try_from(dice.below(most)).unwrap()
}

/// What happens to a write: never a plausible lie, such as a 201 or a 429 for what is otherwise.
fn of_writes(dice: &mut Dice) -> FaultAction {
    let unanswered = match dice.below(10) {
        0 => return FaultAction::Reset,
        1 => return FaultAction::too_many(Some(1)),
        2 => return FaultAction::Slow(ms(dice, 1_500)),
        3 => return FaultAction::AnswerLost(*dice.pick(&[Lost::Reset, Lost::Status(502), Lost::Status(504)])),
        4 => FaultAction::status(*dice.pick(&[500, 502, 503, 504, 408])),
        5 => FaultAction::Truncated(50),
        6 => FaultAction::ResetMidBody(50),
        7 => FaultAction::Html,
        8 => FaultAction::Body("{\"status\":\"ok\"}".to_owned()),
        _ => FaultAction::Status {
            status: *dice.pick(&[200, 202, 502]),
            retry_after: None,
            body: *dice.pick(&[FaultBody::Html, FaultBody::Empty, FaultBody::GatewayOk]),
        },
    };
    if dice.one_in(2) {
        unanswered.before_effect()
    } else {
        unanswered.after_effect()
    }
}

fn of_reads(dice: &mut Dice) -> FaultAction {
    match dice.below(12) {
        0 | 1 => FaultAction::status(*dice.pick(&[500, 502, 503, 504])),
        2 => FaultAction::Reset,
        3 => FaultAction::too_many(Some(1)),
        4 => FaultAction::ResetMidBody(50),
        5 => FaultAction::ExpiredToken,
        6 => FaultAction::Truncated(50),
        7 => FaultAction::Html,
        8 => FaultAction::CursorExpired,
        9 => FaultAction::Trickle(5),
        10 => FaultAction::Bare,
        _ => FaultAction::Slow(ms(dice, 1_500)),
    }
}

fn pingone_faults(dice: &mut Dice) -> Vec<Fault> {
    if dice.one_in(5) {
        // A storm: everything is refused for a while.
        let action = if dice.one_in(2) {
            FaultAction::too_many(Some(1))
        } else {
            FaultAction::status(503)
        };
        return vec![Fault::on("", "*", action).times(5 + ms(dice, 20))];
    }
    (0..=dice.below(3))
        .map(|_| {
            let fault = if dice.one_in(3) {
                let method = *dice.pick(&["POST", "DELETE", "PUT", "PATCH"]);
                Fault::on(method, "/environments/*", of_writes(dice))
            } else {
                Fault::on("GET", "*", of_reads(dice)).nth(1 + ms(dice, 30))
            };
            fault.times(1 + ms(dice, 2))
        })
        .collect()
}

fn c1_steps(dice: &mut Dice) -> Event {
    let code = |dice: &mut Dice| *dice.pick(&[4, 8, 13, 14, 16]);
    let (rpc, step) = match dice.below(11) {
        0 => (Rpc::GetTask, Step::Status(code(dice))),
        1 => (Rpc::GetTask, Step::EffectThenStatus(14)),
        2 => (Rpc::FinishTask, Step::Status(code(dice))),
        3 => (Rpc::FinishTask, Step::EffectThenStatus(14)),
        4 => (Rpc::FinishTask, Step::Disconnect),
        5 => (Rpc::UploadAsset, Step::CutAfter(dice.below(2), code(dice))),
        6 => (Rpc::UploadAsset, Step::DisconnectAfter(dice.below(2))),
        7 => (Rpc::UploadAsset, Step::EffectThenStatus(14)),
        8 => (Rpc::Hello, Step::Status(14)),
        9 => (Rpc::Heartbeat, Step::Status(code(dice))),
        _ => {
            let step = match dice.below(3) {
                0 => TokenStep::Status(503),
                1 => TokenStep::Body("<html>".to_owned()),
                _ => TokenStep::Delay(Duration::from_millis(800)),
            };
            return Event::C1Tokens(vec![step; 1 + dice.below(2)]);
        }
    };
    Event::C1(rpc, vec![step; 1 + dice.below(2)])
}

fn change(dice: &mut Dice) -> Changes {
    let kinds = [
        ChangeKind::UpdateUser,
        ChangeKind::ToggleUser,
        ChangeKind::MoveUser,
        ChangeKind::AddMember,
        ChangeKind::RemoveMember,
        ChangeKind::AssignRole,
        ChangeKind::UnassignRole,
        ChangeKind::CreateUser,
        ChangeKind::CreateGroup,
    ];
    Changes {
        user: Some(u32::try_from(dice.below(usize::try_from(OTHERS).unwrap())).unwrap()),
        ..Changes::of(*dice.pick(&kinds), 1)
    }
}

fn event(dice: &mut Dice) -> Event {
    match dice.below(20) {
        0..=6 => Event::PingOne(pingone_faults(dice)),
        7..=9 => c1_steps(dice),
        10..=11 => Event::Change(change(dice)),
        12 => Event::C1Away(Duration::from_millis(200 + ms(dice, 1_200))),
        13 => Event::C1Cut,
        14 => Event::OfferAgain(dice.below(8)),
        15 => Event::PingOneTokens,
        16 => Event::C1TokensEnd,
        17 => Event::Stop,
        18 => Event::Kill,
        _ => match dice.below(3) {
            0 => Event::RotatePingOne(dice.one_in(2)),
            1 => Event::RotateC1,
            _ => Event::C1Link(Some(20_000)),
        },
    }
}

impl Schedule {
    pub fn of(seed: u64) -> Self {
        let mut dice = Dice::new(u32::try_from(seed).unwrap());
        let mut pingone = small();
        pingone.directory.seed = 1 + seed % 7;
        pingone.paging.uneven_pages = dice.one_in(3);
        pingone.paging.trailing_empty_page = dice.one_in(3);
        pingone.paging.cursor_seconds = u64::from(dice.one_in(4));
        pingone.auth.token_seconds = *dice.pick(&[3_600, 3_600, 3]);
        pingone.filters.refuse_direct = dice.one_in(5);
        pingone.groups.add_status = *dice.pick(&[201, 204]);
        pingone.groups.remove_indirect_status = *dice.pick(&[400, 404]);
        pingone.roles.lower_case_scopes = dice.one_in(3);
        if dice.one_in(4) {
            pingone.timing.read_lag_ms = 200 + ms(&mut dice, 1_500);
            pingone.timing.read_lag_share = 0.5;
        }
        let mut events = vec![(Duration::ZERO, Event::Queue(Op::Sync))];
        for op in Op::ALL {
            // A stale read may have it disabled again, which changes nothing and leaves an event.
            let lags = pingone.timing.read_lag_ms > 0 && op == Op::Disable;
            if op == Op::Sync || !lags && !dice.one_in(4) {
                events.push((Duration::from_millis(ms(&mut dice, STORM)), Event::Queue(op)));
            }
        }
        for _ in 0..4 + dice.below(10) {
            let at = Duration::from_millis(ms(&mut dice, STORM));
            events.push((at, event(&mut dice)));
        }
        events.sort_by_key(|(at, _)| *at);
        Self {
            pingone,
            batched: dice.one_in(3),
            token_lifetime: *dice.pick(&[3_600, 3_600, 15]),
            events,
        }
    }
}
