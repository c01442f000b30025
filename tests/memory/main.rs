//! What the parts of the service take of the memory, counted by an allocator of
//! this binary's own. One test, since all threads share the count.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a test says what it measured")]

use downlink::telemetry::message::MAX_TEXT_BYTES;
use downlink::telemetry::reorder::Reorder;
use downlink::telemetry::{Event, Report, Timestamp};
use peak_alloc::PeakAlloc;

#[global_allocator]
static ALLOCATOR: PeakAlloc = PeakAlloc;

const MESSAGES: u64 = 10_000;

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
    assert!(rising <= 110 && falling <= 110 && largest <= 620);
}
