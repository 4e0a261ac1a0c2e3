//! The faults that chance draws.

use crate::dice::Dice;
use sandbox::pingone::{Fault, FaultAction, FaultBody, Lost};

/// What happens to writes.
fn of_writes(dice: &mut Dice) -> FaultAction {
    match dice.below(12) {
        0 => FaultAction::AnswerLost(Lost::Reset),
        1 => FaultAction::AnswerLost(Lost::Hang),
        2 => FaultAction::AnswerLost(Lost::Status(*dice.pick(&[500, 502, 503, 504, 408]))),
        3 => FaultAction::Reset,
        4 => FaultAction::status(*dice.pick(&[500, 502, 503, 504, 408])),
        5 => FaultAction::too_many(Some(1)),
        6 => FaultAction::ResetMidBody(u8::try_from(dice.below(100)).unwrap()),
        7 => FaultAction::ExpiredToken,
        8 => FaultAction::Body(String::new()),
        9 => FaultAction::Slow(700),
        10 => FaultAction::Status {
            status: *dice.pick(&[502, 503]),
            retry_after: None,
            body: FaultBody::Html,
        },
        _ => FaultAction::Refuse {
            status: 403,
            code: "ACCESS_FAILED".into(),
            detail: Some("INSUFFICIENT_PERMISSIONS".into()),
            target: None,
            message: "The actor attempting to perform the request is not authorized".into(),
        },
    }
}

/// What happens to reads. Never a plausible lie: a body that says something else, or a 404 for what is there.
fn of_reads(dice: &mut Dice) -> FaultAction {
    match dice.below(6) {
        0 => FaultAction::status(*dice.pick(&[500, 502, 503, 504])),
        1 => FaultAction::Reset,
        2 => FaultAction::too_many(Some(1)),
        3 => FaultAction::ResetMidBody(50),
        4 => FaultAction::ExpiredToken,
        _ => FaultAction::Truncated(50),
    }
}

/// None, one or two faults for one operation.
pub fn draw(dice: &mut Dice) -> Vec<Fault> {
    let mut faults = Vec::new();
    if dice.one_in(2) {
        return faults;
    }
    for _ in 0..=dice.below(2) {
        let times = *dice.pick(&[1, 1, 1, 2, 3, 0]);
        let fault = if dice.one_in(4) {
            Fault::on("GET", "*", of_reads(dice)).nth(1 + dice.below(3) as u64)
        } else {
            Fault::on(
                ["POST", "DELETE", "PUT"][dice.below(3)],
                "/environments/*",
                of_writes(dice),
            )
        };
        faults.push(fault.times(times));
    }
    // A DELETE that PingOne loses sight of for a moment.
    if dice.one_in(10) {
        let action = FaultAction::Refuse {
            status: 404,
            code: "NOT_FOUND".into(),
            detail: None,
            target: None,
            message: "The requested resource could not be found".into(),
        };
        faults.push(Fault::on("DELETE", "*/memberOfGroups/*", action));
    }
    faults
}
