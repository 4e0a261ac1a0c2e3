//! The page is tested with a made-up PingOne: activities that become readable late, in any order.

use std::collections::{BTreeMap, HashMap};

use proptest::prelude::*;

use super::*;
use baton::task::{EventKind, ResourceRef};

const START: i64 = 1_772_442_845_123;

/// An activity: when it was recorded, when it can be read, whether it is an event.
#[derive(Debug, Clone, Copy)]
struct Made {
    recorded_ms: i64,
    readable_ms: i64,
    is_event: bool,
}

fn event(id: usize) -> Event {
    Event {
        id: id.to_string(),
        occurred_at: jiff::Timestamp::UNIX_EPOCH,
        kind: EventKind::ResourceChange {
            resource: ResourceRef::default(),
        },
    }
}

/// Reads one page of what can be read at `now_ms`; 100 activities are a request.
fn page(all: &[Made], cursor: &Cursor, size: usize, now_ms: i64) -> (Vec<Event>, Cursor, bool) {
    let mut window = Window::first(cursor, now_ms);
    loop {
        let in_window = |made: &Made| {
            made.readable_ms <= now_ms
                && made.recorded_ms >= cursor.floor().at_ms
                && window.until_ms().is_none_or(|until_ms| made.recorded_ms <= until_ms)
        };
        let mut gathered = Gathered::new(cursor, size);
        let mut count = 0u32;
        // Newest first, the order that a page must not rely on.
        for (id, made) in all.iter().enumerate().rev().filter(|(_, made)| in_window(made)) {
            count += 1;
            let position = Position::made(made.recorded_ms, &id.to_string());
            gathered.offer(position, || made.is_event.then(|| event(id)));
        }
        gathered.pages = count.div_ceil(100);
        if !window.is_too_much(gathered.pages) {
            return gathered.finish(&window, now_ms);
        }
        window = window.narrowed();
    }
}

/// Asks every `every_ms` until `end_ms`, each time until nothing is left; how often each event came.
fn follow(all: &[Made], mut cursor: Cursor, size: usize, every_ms: i64, end_ms: i64) -> HashMap<usize, u32> {
    let (mut times, mut now_ms) = (HashMap::new(), START);
    while now_ms <= end_ms {
        for round in 0.. {
            assert!(round < 5_000, "the feed does not get on: {cursor:?}");
            let (events, next, has_more) = page(all, &cursor, size, now_ms);
            assert!(events.len() <= size);
            let text = next.encode();
            assert!(text.len() <= 4096);
            cursor = Cursor::decode(&text).unwrap();
            for event in events {
                *times.entry(event.id.parse().unwrap()).or_insert(0) += 1;
            }
            if !has_more {
                break;
            }
        }
        now_ms += every_ms;
    }
    times
}

fn wanted(all: &[Made]) -> HashMap<usize, u32> {
    let events = all.iter().enumerate().filter(|(_, made)| made.is_event);
    events.map(|(id, _)| (id, 1)).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn each_event_comes_once_however_late_it_is_recorded(
        made in prop::collection::vec((0i64..900, 0i64..60, prop::bool::weighted(0.7)), 0..120),
        size in 1usize..40,
        every_s in 5i64..200,
    ) {
        let all: Vec<Made> = made
            .into_iter()
            .map(|(at_s, late_s, is_event)| Made {
                recorded_ms: START + at_s * 1_000,
                readable_ms: START + (at_s + late_s) * 1_000,
                is_event,
            })
            .collect();
        let times = follow(&all, Cursor::starting(START), size, every_s * 1_000, START + 1_200_000);
        prop_assert_eq!(times, wanted(&all));
    }
}

#[test]
fn a_backlog_of_two_weeks_comes_once_and_costs_little() {
    let day = 24 * 3_600_000;
    // A busy afternoon among quiet days.
    let all: Vec<Made> = (0..6_000i64)
        .map(|n| {
            let at = if n < 5_000 {
                5 * day + n * 700
            } else {
                (n - 5_000) * 1_200_000
            };
            let recorded_ms = START - 14 * day + at;
            Made {
                recorded_ms,
                readable_ms: recorded_ms,
                is_event: true,
            }
        })
        .filter(|made| made.recorded_ms < START)
        .collect();
    let mut cursor = Cursor::starting(START - 14 * day);
    let (mut times, mut rounds) = (BTreeMap::new(), 0);
    loop {
        let (events, next, has_more) = page(&all, &cursor, 1_000, START);
        rounds += 1;
        assert!(rounds < 200, "{rounds}");
        let ids: Vec<i64> = events
            .iter()
            .map(|event| all[event.id.parse::<usize>().unwrap()].recorded_ms)
            .collect();
        assert!(ids.is_sorted(), "in the order of the record");
        for event in events {
            *times.entry(event.id).or_insert(0) += 1;
        }
        cursor = next;
        if !has_more {
            break;
        }
    }
    assert_eq!(times.len(), all.len());
    assert!(times.values().all(|times| *times == 1));
}

#[test]
fn more_in_a_minute_than_a_cursor_can_name_is_not_repeated_and_does_not_stand_still() {
    let all: Vec<Made> = (0..1_500)
        .map(|n| Made {
            recorded_ms: START + n * 5,
            readable_ms: START + n * 5,
            is_event: true,
        })
        .collect();
    for size in [10, 1_000] {
        let times = follow(&all, Cursor::starting(START - 1), size, 30_000, START + 120_000);
        assert_eq!(times, wanted(&all), "{size}");
    }
}

#[test]
fn many_in_one_millisecond_are_divided() {
    let all: Vec<Made> = (0..50)
        .map(|_| Made {
            recorded_ms: START,
            readable_ms: START,
            is_event: true,
        })
        .collect();
    assert_eq!(
        follow(&all, Cursor::starting(START), 7, 30_000, START + 60_000),
        wanted(&all)
    );
}

#[test]
fn the_floor_follows_pingones_clock_by_a_minute_and_ours_by_ten() {
    let made = |recorded_ms| Made {
        recorded_ms,
        readable_ms: recorded_ms,
        is_event: true,
    };
    let start = Cursor::starting(START - 3_600_000);
    // Our clock is five minutes ahead of what is recorded.
    let (_, next, _) = page(&[made(START - 300_000)], &start, 10, START);
    assert_eq!(next.floor().at_ms, START - 300_000 - OVERLAP_MS);
    assert_eq!(next.seen().len(), 1);
    // Nothing is recorded for a long time.
    let (_, next, _) = page(&[made(START - 3_000_000)], &start, 10, START);
    assert_eq!(next.floor().at_ms, START - TRAIL_MS);
    assert!(next.seen().is_empty());
    // It never goes back.
    let ahead = Cursor::starting(START + 1_000);
    let (events, next, has_more) = page(&[made(START)], &ahead, 10, START);
    assert_eq!((events.len(), has_more, next.floor()), (0, false, ahead.floor()));
}
