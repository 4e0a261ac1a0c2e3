use super::*;

const RETRY: Duration = Duration::from_secs(2);

fn at(seconds: u64) -> Moment {
    Duration::from_secs(seconds)
}

fn timing() -> Timing {
    Timing::new(at(15), at(10), RETRY).unwrap()
}

fn record(holder: Option<&str>, version: &str, term: i32) -> Record {
    Record {
        uid: "u".into(),
        version: version.into(),
        holder: holder.map(str::to_owned),
        seconds: Some(15),
        term,
        was_held: holder.is_some(),
        is_new: false,
    }
}

fn fresh() -> Candidate {
    Candidate::new("me".into(), timing())
}

/// A candidate whose claim with term 4 was written from second 100 to 101.
fn leader() -> Candidate {
    let mut candidate = fresh();
    candidate.looked(Observed::Present(record(None, "1", 0)), at(100));
    assert!(candidate.wrote(record(Some("me"), "2", 4), at(100), at(101)));
    candidate
}

fn claims(action: &Action) -> Option<i32> {
    match action {
        Action::Update(_, claim) if claim.begins => Some(claim.term),
        _ => None,
    }
}

#[test]
fn the_first_step_is_to_look() {
    assert_eq!(fresh().decide(at(7)), Action::Look);
}

#[test]
fn a_lease_without_a_holder_may_have_been_made_under_a_leader_and_is_waited_for() {
    let mut candidate = fresh();
    let unheld = Record {
        seconds: None,
        ..record(None, "1", 0)
    };
    candidate.looked(Observed::Present(unheld), at(3));
    assert_eq!(claims(&candidate.decide(at(17))), None);
    assert_eq!(claims(&candidate.decide(at(18))), Some(1));
}

#[test]
fn a_held_lease_is_taken_when_it_stayed_the_same_for_its_whole_duration_and_not_before() {
    let mut candidate = fresh();
    let held = Observed::Present(record(Some("other"), "5", 7));
    candidate.looked(held.clone(), at(100));
    assert_eq!(candidate.decide(at(100)), Action::Wait(at(102)));
    assert_eq!(candidate.decide(at(102)), Action::Look);
    candidate.looked(held, at(114));
    assert_eq!(candidate.decide(at(114)), Action::Wait(at(115)));
    assert_eq!(claims(&candidate.decide(at(115))), Some(8));
}

#[test]
fn a_renewal_by_the_holder_starts_the_time_anew() {
    let mut candidate = fresh();
    candidate.looked(Observed::Present(record(Some("other"), "5", 7)), at(100));
    candidate.looked(Observed::Present(record(Some("other"), "6", 7)), at(114));
    assert_eq!(claims(&candidate.decide(at(128))), None);
    assert_eq!(claims(&candidate.decide(at(129))), Some(8));
}

#[test]
fn a_longer_duration_in_the_record_is_honoured_and_a_senseless_one_is_bounded() {
    for (seconds, wait) in [
        (Some(40), 40),
        (Some(3), 15),
        (None, 15),
        (Some(-9), 15),
        (Some(i32::MAX), 3600),
    ] {
        let mut candidate = fresh();
        let held = Record {
            seconds,
            ..record(Some("other"), "5", 7)
        };
        candidate.looked(Observed::Present(held), at(100));
        assert_eq!(claims(&candidate.decide(at(100 + wait - 1))), None, "{seconds:?}");
        assert_eq!(claims(&candidate.decide(at(100 + wait))), Some(8), "{seconds:?}");
    }
}

#[test]
fn a_released_lease_is_taken_at_once_and_an_emptied_one_is_not() {
    let released = Record {
        seconds: Some(RELEASED),
        was_held: true,
        ..record(None, "6", 7)
    };
    let emptied = Record {
        was_held: true,
        ..record(None, "6", 7)
    };
    let wiped = Record {
        seconds: None,
        ..record(None, "6", 0)
    };
    let made_again = Record {
        uid: "v".into(),
        ..wiped.clone()
    };
    for (next, wait) in [(released, 0), (emptied, 15), (wiped, 15), (made_again, 15)] {
        let mut candidate = fresh();
        candidate.looked(Observed::Present(record(Some("other"), "5", 7)), at(90));
        candidate.looked(Observed::Present(next.clone()), at(100));
        if wait > 0 {
            assert_eq!(claims(&candidate.decide(at(100 + wait - 1))), None, "{next:?}");
        }
        assert!(claims(&candidate.decide(at(100 + wait))).is_some(), "{next:?}");
    }
}

#[test]
fn a_lease_that_is_gone_is_made_at_once_and_taken_only_after_its_holder_must_know() {
    let mut candidate = fresh();
    candidate.looked(Observed::Present(record(Some("other"), "5", 7)), at(90));
    candidate.looked(Observed::Absent, at(92));
    assert_eq!(candidate.decide(at(92)), Action::Create);
    let made = Record {
        uid: "v".into(),
        seconds: None,
        ..record(None, "6", 0)
    };
    // Even where it looks like the first one: this process saw a holder.
    for is_new in [false, true] {
        let mut candidate = candidate.clone();
        candidate.looked(Observed::Present(Record { is_new, ..made.clone() }), at(93));
        assert_eq!(claims(&candidate.decide(at(107))), None, "{is_new}");
        assert_eq!(claims(&candidate.decide(at(108))), Some(1), "{is_new}");
    }
}

#[test]
fn the_first_lease_of_an_installation_is_taken_as_soon_as_a_leader_before_it_would_know() {
    let new = Record {
        seconds: None,
        is_new: true,
        ..record(None, "1", 0)
    };
    let mut candidate = fresh();
    candidate.looked(Observed::Present(new.clone()), at(100));
    assert_eq!(claims(&candidate.decide(at(102))), None);
    assert_eq!(claims(&candidate.decide(at(103))), Some(1));
    // Taken by somebody meanwhile.
    candidate.looked(
        Observed::Present(Record {
            is_new: true,
            ..record(Some("other"), "2", 1)
        }),
        at(102),
    );
    assert_eq!(claims(&candidate.decide(at(116))), None);
    assert_eq!(claims(&candidate.decide(at(117))), Some(2));
}

#[test]
fn a_leader_renews_each_period_and_not_past_its_deadline() {
    let mut candidate = leader();
    assert_eq!(candidate.decide(at(101)), Action::Wait(at(102)));
    assert!(matches!(
        candidate.decide(at(102)),
        Action::Update(
            _,
            Claim {
                begins: false,
                term: 4,
                ..
            }
        )
    ));
    // From the start of the write, not from its answer.
    assert_eq!(candidate.leads_until(), Some(at(110)));
    assert_eq!(candidate.decide(at(110)), Action::StandDown(Doubt::Expired));
    assert!(!candidate.wrote(record(Some("me"), "3", 4), at(109), at(110)));
    assert_eq!(candidate.leads_until(), Some(at(119)));
}

#[test]
fn a_claim_whose_answer_came_too_late_is_no_leadership() {
    let mut candidate = fresh();
    candidate.looked(Observed::Present(record(None, "1", 0)), at(100));
    candidate.wrote(record(Some("me"), "2", 1), at(100), at(111));
    assert_eq!(candidate.decide(at(111)), Action::StandDown(Doubt::Expired));
}

#[test]
fn an_unknown_answer_to_a_renewal_is_cleared_up_by_a_look() {
    let mut candidate = leader();
    candidate.write_failed(Failed::Unknown, at(103));
    assert_eq!(candidate.decide(at(103)), Action::Wait(at(105)));
    assert_eq!(candidate.decide(at(105)), Action::Look);
    candidate.looked(Observed::Present(record(Some("me"), "3", 4)), at(105));
    assert!(matches!(candidate.decide(at(105)), Action::Update(seen, _) if seen.version == "3"));
}

#[test]
fn an_edited_label_is_no_doubt_and_another_holder_is() {
    let mut candidate = leader();
    candidate.write_failed(Failed::Conflict, at(102));
    assert_eq!(candidate.decide(at(102)), Action::Look);
    candidate.looked(Observed::Present(record(Some("me"), "9", 4)), at(102));
    assert!(matches!(candidate.decide(at(102)), Action::Update(..)));
    for taken in [
        record(Some("other"), "10", 5),
        record(Some("me"), "10", 5),
        record(None, "10", 4),
    ] {
        let mut candidate = candidate.clone();
        candidate.looked(Observed::Present(taken), at(103));
        assert_eq!(candidate.decide(at(103)), Action::StandDown(Doubt::Taken));
    }
}

#[test]
fn a_deleted_lease_ends_the_term_and_a_new_one_waits_for_the_whole_duration() {
    let mut candidate = leader();
    candidate.write_failed(Failed::Gone, at(102));
    assert_eq!(candidate.decide(at(102)), Action::StandDown(Doubt::Deleted));
    assert!(candidate.stand_down());
    assert_eq!(candidate.decide(at(103)), Action::AwaitStop);
    candidate.stopped();
    assert_eq!(candidate.decide(at(103)), Action::Look);
    candidate.looked(Observed::Absent, at(103));
    assert_eq!(claims(&candidate.decide(at(116))), None);
}

#[test]
fn after_a_doubt_the_process_leads_again_only_in_a_new_term_and_after_its_work_has_stopped() {
    let mut candidate = leader();
    candidate.stand_down();
    // A renewal of the old term that succeeded late does not bring it back.
    assert!(!candidate.wrote(record(Some("me"), "3", 4), at(109), at(111)));
    assert_eq!(candidate.leads_until(), None);
    assert_eq!(candidate.decide(at(111)), Action::AwaitStop);
    candidate.stopped();
    candidate.looked(Observed::Present(record(Some("me"), "3", 4)), at(112));
    assert_eq!(claims(&candidate.decide(at(112))), Some(5));
}

#[test]
fn only_an_own_lease_is_released_and_the_record_says_so() {
    let (seen, claim) = leader().release().unwrap();
    assert_eq!(
        (seen.version.as_str(), claim.holder, claim.seconds),
        ("2", None, RELEASED)
    );
    let mut other = fresh();
    assert!(other.release().is_none());
    other.looked(Observed::Present(record(Some("other"), "5", 7)), at(1));
    assert!(other.release().is_none());
}

#[test]
fn failures_are_tried_again_after_the_retry_period() {
    let mut candidate = fresh();
    candidate.look_failed(at(100));
    assert_eq!(candidate.decide(at(100)), Action::Wait(at(102)));
    candidate.looked(Observed::Present(record(Some("me"), "1", 0)), at(102));
    assert_eq!(claims(&candidate.decide(at(102))), Some(1));
    candidate.write_failed(Failed::Unknown, at(103));
    assert_eq!(candidate.decide(at(103)), Action::Wait(at(105)));
    assert_eq!(candidate.decide(at(105)), Action::Look);
}

#[test]
fn terms_do_not_overflow() {
    let mut candidate = fresh();
    candidate.looked(Observed::Present(record(Some("other"), "5", i32::MAX)), at(0));
    assert_eq!(claims(&candidate.decide(at(15))), Some(1));
}
