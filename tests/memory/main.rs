//! What the parts of the service take of the memory, counted by an allocator of
//! this binary's own, and of the thread that asks alone: the test's harness takes
//! memory beside it.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a test says what it measured")]

use std::sync::Arc;

use downlink::fleet::limits::{HistoryLimits, Limits, Quotas};
use downlink::fleet::roster::{Admission, Roster};
use downlink::telemetry::message::MAX_TEXT_BYTES;
use downlink::telemetry::reorder::Reorder;
use downlink::telemetry::{Channel, Event, Message, Report, Timestamp, channel};

const MESSAGES: u64 = 10_000;
const ROCKETS: u64 = 20_000;

/// What is made, and the bytes that it takes; fewer than none where it gives some back.
fn taking<T>(make: impl FnOnce() -> T) -> (T, i64) {
    let mut made = None;
    let taken = allocation_counter::measure(|| made = Some(make()));
    (made.expect("it was just made"), taken.bytes_current)
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
fn each(numbers: impl Iterator<Item = u64>, report: fn(u64) -> Report) -> i64 {
    let (reorder, taken) = taking(|| early(numbers, report));
    assert_eq!(reorder.buffered() as u64, MESSAGES);
    taken / MESSAGES.cast_signed()
}

fn early(numbers: impl Iterator<Item = u64>, report: fn(u64) -> Report) -> Reorder {
    let mut reorder = Reorder::new();
    for number in numbers {
        reorder.offer(report(number), drop);
    }
    reorder
}

/// With all the messages taken in.
fn roster(quotas: Arc<Quotas>, messages: impl Iterator<Item = Message>) -> Roster {
    let mut roster = Roster::new(quotas);
    for message in messages {
        match roster.admit(&message) {
            Admission::Accepted(ticket) => drop(roster.apply(ticket, message.report, &mut ())),
            other => panic!("{other:?}"),
        }
    }
    roster
}

fn quotas(history: HistoryLimits) -> Arc<Quotas> {
    let limits = Limits { buffered_per_rocket: 1, buffered: 1, rockets: usize::MAX, history };
    Arc::new(Quotas::new(limits))
}

/// Bytes of each of many launched rockets in a partition, and with the order of IDs.
fn each_rocket(history: HistoryLimits, messages: impl Fn(u64) -> Vec<Message>) -> (i64, i64) {
    let messages = (0..ROCKETS).flat_map(messages);
    let (mut roster, without) = taking(|| roster(quotas(history), messages));
    assert!(roster.wants_order_of_ids());
    let ((), more) = taking(|| while roster.order_ids() {});
    (without / ROCKETS.cast_signed(), (without + more) / ROCKETS.cast_signed())
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
fn each_past(changes: u64) -> (i64, i64) {
    let with_history = |per_rocket| {
        let changes = (2..changes + 2).flat_map(|number| (0..ROCKETS).map(move |n| (n, number)));
        let changes = changes.map(|(n, number)| {
            let time = Timestamp::from_unix(number.cast_signed(), 0).unwrap();
            let channel = usual_rocket(n).remove(0).channel;
            let event = Event::SpeedIncreased { by: 100 };
            Message { channel, report: Report { number, time, event } }
        });
        let messages = (0..ROCKETS).flat_map(usual_rocket).chain(changes);
        let ((quotas, _roster), taken) = taking(|| {
            let quotas = quotas(HistoryLimits { per_rocket, memory: 1 << 30 });
            (quotas.clone(), roster(quotas, messages))
        });
        let counted = quotas.history.bytes.taken() / usize::try_from(ROCKETS).unwrap();
        (counted.try_into().unwrap(), taken / ROCKETS.cast_signed())
    };
    let ((counted, with), (none, without)) = (with_history(64), with_history(0));
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
    let (mut reorder, most) = taking(|| early((2..=MESSAGES).chain([MESSAGES + 2]), report));
    // All but the last one go.
    let (_, freed) = taking(|| reorder.offer(report(1), drop));
    assert_eq!(reorder.buffered(), 1);
    let rest = most + freed;
    assert!(most > 500_000 && rest < 1_000, "{most} bytes, and {rest} for one of them");
    let (_, freed) = taking(|| reorder.offer(report(MESSAGES + 1), drop));
    assert_eq!((reorder.buffered(), rest + freed), (0, 0));

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
