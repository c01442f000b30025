//! What the parts of the service take of the memory, counted by an allocator of
//! this binary's own. One test, since all threads share the count.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a test says what it measured")]

use std::sync::Arc;

use downlink::fleet::limits::{HistoryLimits, Limits, Quotas};
use downlink::fleet::roster::{Admission, Roster};
use downlink::telemetry::message::MAX_TEXT_BYTES;
use downlink::telemetry::reorder::Reorder;
use downlink::telemetry::{Channel, Event, Message, Report, Timestamp, channel};
use peak_alloc::PeakAlloc;

#[global_allocator]
static ALLOCATOR: PeakAlloc = PeakAlloc;

const MESSAGES: u64 = 10_000;
const ROCKETS: u64 = 20_000;

fn taken(before: usize) -> usize {
    ALLOCATOR.current_usage().saturating_sub(before)
}

fn report(number: u64) -> Report {
    Report { number, time: Timestamp::EPOCH, event: Event::SpeedIncreased { by: 1 } }
}

/// As large as the contract allows.
fn largest(number: u64) -> Report {
    let text = || "x".repeat(MAX_TEXT_BYTES).into();
    let event = Event::Launched { rocket_type: text(), speed: 1, mission: text() };
    Report { event, ..report(number) }
}

/// Bytes of each of many early messages, which come in this order.
fn each(numbers: impl Iterator<Item = u64>, report: fn(u64) -> Report) -> u64 {
    let before = ALLOCATOR.current_usage();
    let mut reorder = Reorder::new();
    for number in numbers {
        reorder.offer(report(number), drop);
    }
    assert_eq!(reorder.buffered() as u64, MESSAGES);
    taken(before) as u64 / MESSAGES
}

/// Bytes of each of many launched rockets in a partition, and with the order of IDs.
fn each_rocket(history: HistoryLimits, messages: impl Fn(u64) -> Vec<Message>) -> (u64, u64) {
    let limits = Limits { buffered_per_rocket: 1, buffered: 1, rockets: usize::MAX, history };
    let before = ALLOCATOR.current_usage();
    let mut roster = Roster::new(Arc::new(Quotas::new(limits)));
    for message in (0..ROCKETS).flat_map(messages) {
        match roster.admit(&message) {
            Admission::Accepted(ticket) => drop(roster.apply(ticket, message.report, &mut ())),
            other => panic!("{other:?}"),
        }
    }
    let without = taken(before) as u64 / ROCKETS;
    assert!(roster.wants_order_of_ids());
    while roster.order_ids() {}
    (without, taken(before) as u64 / ROCKETS)
}

fn usual_rocket(n: u64) -> Vec<Message> {
    let mut id = [0; 16];
    // Spread as random ones are, so that they come in no order.
    id[..8].copy_from_slice(&n.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_be_bytes());
    let texts = ["Falcon-9", "ARTEMIS"].map(Into::into);
    let [rocket_type, mission] = texts;
    let event = Event::Launched { rocket_type, speed: 1, mission };
    vec![Message { channel: Channel::from_uuid(id), report: Report { event, ..report(1) } }]
}

/// Bytes of the recent past of each of many rockets with so many speed changes, a
/// second apart: as they are counted, and as they are.
fn each_past(changes: u64) -> (u64, u64) {
    let roster = |per_rocket| {
        let limits = Limits {
            buffered_per_rocket: 1,
            buffered: 1,
            rockets: usize::MAX,
            history: HistoryLimits { per_rocket, memory: 1 << 30 },
        };
        let before = ALLOCATOR.current_usage();
        let quotas = Arc::new(Quotas::new(limits));
        let mut roster = Roster::new(quotas.clone());
        let changes = (2..changes + 2).flat_map(|number| (0..ROCKETS).map(move |n| (n, number)));
        let changes = changes.map(|(n, number)| {
            let time = Timestamp::from_unix(i64::try_from(number).unwrap(), 0).unwrap();
            let channel = usual_rocket(n).remove(0).channel;
            let event = Event::SpeedIncreased { by: 100 };
            Message { channel, report: Report { number, time, event } }
        });
        for message in (0..ROCKETS).flat_map(usual_rocket).chain(changes) {
            match roster.admit(&message) {
                Admission::Accepted(ticket) => drop(roster.apply(ticket, message.report, &mut ())),
                other => panic!("{other:?}"),
            }
        }
        (quotas.history.bytes.taken() as u64 / ROCKETS, taken(before) as u64 / ROCKETS)
    };
    let ((counted, with), (none, without)) = (roster(64), roster(0));
    assert_eq!(none, 0);
    (counted, with - without)
}

/// With an ID and texts of its own, as long as the contract allows.
fn largest_rocket(n: u64) -> Vec<Message> {
    let text = |length: usize| format!("{n:0length$}");
    let own = || text(MAX_TEXT_BYTES).into();
    let channel = || Channel::parse(&text(channel::MAX_BYTES)).expect("digits");
    let launched = Event::Launched { rocket_type: own(), speed: 1, mission: own() };
    [(1, launched), (2, Event::Exploded { reason: own() })]
        .map(|(number, event)| Message {
            channel: channel(),
            report: Report { event, ..report(number) },
        })
        .into()
}

#[test]
fn a_rocket_takes_the_memory_of_what_waits_now() {
    let before = ALLOCATOR.current_usage();
    let mut reorder = Reorder::new();
    for number in (2..=MESSAGES).chain([MESSAGES + 2]) {
        reorder.offer(report(number), drop);
    }
    let most = taken(before);
    // All but the last one go.
    reorder.offer(report(1), drop);
    assert_eq!(reorder.buffered(), 1);
    let rest = taken(before);
    assert!(most > 500_000 && rest < 1_000, "{most} bytes, and {rest} for one of them");
    reorder.offer(report(MESSAGES + 1), drop);
    assert_eq!((reorder.buffered(), taken(before)), (0, 0));

    // The figures from which the bounds follow.
    let rising = each(2..MESSAGES + 2, report);
    let falling = each((2..MESSAGES + 2).rev(), report);
    let largest = each(2..MESSAGES + 2, largest);
    println!("{rising} bytes each, rising; {falling}, falling; {largest} at most");
    let (usual, with_ids) = each_rocket(HistoryLimits::NONE, usual_rocket);
    // A launch that nothing has followed is in what is known of the rocket.
    let kept = HistoryLimits { per_rocket: 64, memory: 1 << 30 };
    assert!(each_rocket(kept, usual_rocket).0 <= usual + 1);
    let (largest_rocket, largest_with_ids) = each_rocket(HistoryLimits::NONE, largest_rocket);
    println!(
        "{usual} bytes a rocket, {with_ids} in the order of IDs too; {largest_rocket} at most"
    );
    assert!(with_ids - usual <= 7 && largest_with_ids - largest_rocket <= 7);
    assert!(usual <= 140 && largest_rocket <= 1400);
    let (counted, is) = each_past(63);
    println!("{counted} bytes counted of a past of 64 messages, and {is} taken");
    // What allocators add is counted, and is not seen here.
    assert!(is <= counted + 4 && counted <= is + 60 && counted <= 64 * 8 + 50);
    assert!(rising <= 100 && falling <= 100 && largest <= 620);
}
