//! What every shared log promises, whatever stands behind it.
//!
//! Each function takes what opens a log by its name: the same log for the same name, by a
//! handle of its own.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use downlink::journal::shared::{
    Entry, EntryId, LogError, LogResult, MAX_ENTRY, Offset, SharedLog,
};
use futures_util::StreamExt;
use futures_util::future::join_all;
use futures_util::stream::BoxStream;

/// For what a busy machine needs some time for, at most.
pub const PATIENCE: Duration = Duration::from_secs(60);

pub type Open<'a> = &'a (dyn Fn(&str) -> Arc<dyn SharedLog> + Sync);
pub type Tail = BoxStream<'static, LogResult<(Offset, Entry)>>;

pub fn entry(node: &str, number: u64, bytes: impl Into<Bytes>) -> Entry {
    let id = EntryId { node: node.into(), incarnation: 0xfeed, number };
    Entry { id, bytes: bytes.into() }
}

/// An entry whose bytes tell which it is.
pub fn told(node: &str, number: u64) -> Entry {
    entry(node, number, format!("{node} {number}"))
}

pub async fn next(tail: &mut Tail) -> LogResult<(Offset, Entry)> {
    let next = tokio::time::timeout(PATIENCE, tail.next());
    next.await.expect("a tail has an item within a minute").expect("a tail ends with an error")
}

pub async fn take(tail: &mut Tail, many: usize) -> Vec<(Offset, Entry)> {
    let mut taken = Vec::new();
    while taken.len() < many {
        taken.push(next(tail).await.unwrap());
    }
    assert!(taken.windows(2).all(|pair| pair[0].0 < pair[1].0), "out of order: {taken:?}");
    taken
}

async fn fill(log: &dyn SharedLog, many: u64) -> Vec<(Offset, Entry)> {
    for number in 1..=many {
        log.append(told("a", number)).await.unwrap();
    }
    take(&mut log.tail(Offset(0)), usize::try_from(many).unwrap()).await
}

pub async fn entries_come_in_the_order_of_their_appends(open: Open<'_>) {
    let (one, other) = (open("log"), open("log"));
    let mut early = other.tail(Offset(0));
    for number in 1..=20 {
        let (log, node) = if number % 2 == 0 { (&one, "a") } else { (&other, "b") };
        log.append(told(node, number)).await.unwrap();
    }
    let expected = (1..=20).map(|number| told(if number % 2 == 0 { "a" } else { "b" }, number));
    let expected = expected.collect::<Vec<_>>();
    let (early, late) = (take(&mut early, 20).await, take(&mut one.tail(Offset(0)), 20).await);
    assert_eq!(early, late);
    assert_eq!(late.into_iter().map(|(_, entry)| entry).collect::<Vec<_>>(), expected);
}

pub async fn appends_that_overlap_all_land(open: Open<'_>) {
    let log = open("log");
    for round in 0..10 {
        join_all((1..=8).map(|n| log.append(told("a", round * 8 + n)))).await;
    }
    let taken = take(&mut log.tail(Offset(0)), 80).await;
    let mut numbers = taken.iter().map(|(_, entry)| entry.id.number).collect::<Vec<_>>();
    numbers.sort_unstable();
    assert_eq!(numbers, (1..=80).collect::<Vec<_>>());
}

pub async fn a_repeat_changes_nothing(open: Open<'_>) {
    let log = open("log");
    log.append(told("a", 1)).await.unwrap();
    let head = log.head().await.unwrap();
    join_all((0..8).map(|_| log.append(entry("a", 1, "another")))).await;
    assert_eq!(log.head().await.unwrap(), head);
    // At the same time, none of which is known to have been first.
    join_all((0..8).map(|_| log.append(told("a", 2)))).await;
    log.append(told("a", 3)).await.unwrap();
    let taken = take(&mut log.tail(Offset(0)), 3).await;
    let taken = taken.into_iter().map(|(_, entry)| entry).collect::<Vec<_>>();
    assert_eq!(taken, [told("a", 1), told("a", 2), told("a", 3)]);
}

pub async fn a_tail_goes_on_from_everywhere(open: Open<'_>) {
    let log = open("log");
    let all = fill(&*log, 12).await;
    for (index, (offset, _)) in all.iter().enumerate() {
        let rest = &all[index + 1..];
        assert_eq!(take(&mut log.tail(*offset), rest.len()).await, rest);
    }
    let mut end = log.tail(all[11].0);
    log.append(told("b", 1)).await.unwrap();
    assert_eq!(next(&mut end).await.unwrap().1, told("b", 1));
}

pub async fn what_is_trimmed_is_told(open: Open<'_>) {
    let log = open("log");
    let all = fill(&*log, 12).await;
    let mut running = log.tail(all[3].0);
    take(&mut running, 1).await;
    assert_eq!(log.trimmed().await.unwrap(), Offset(0));
    let up_to = all[7].0;
    log.trim(up_to).await.unwrap();
    log.trim(all[2].0).await.unwrap();
    assert_eq!(open("log").trimmed().await.unwrap(), up_to);
    for (offset, _) in &all[..7] {
        let end = next(&mut log.tail(*offset)).await;
        assert_eq!(end, Err(LogError::Trimmed { up_to }));
    }
    for (index, (offset, _)) in all.iter().enumerate().skip(7) {
        let rest = &all[index + 1..];
        assert_eq!(take(&mut log.tail(*offset), rest.len()).await, rest);
    }
    // Whoever is behind it hears that, or reads on without a gap.
    for (offset, entry) in &all[5..] {
        match next(&mut running).await {
            Ok(item) => assert_eq!(item, (*offset, entry.clone())),
            Err(error) => {
                assert_eq!(error, LogError::Trimmed { up_to });
                break;
            }
        }
    }
}

pub async fn a_log_that_is_trimmed_whole_goes_on(open: Open<'_>) {
    let log = open("log");
    let all = fill(&*log, 5).await;
    let last = all[4].0;
    let mut running = log.tail(last);
    log.trim(last).await.unwrap();
    assert_eq!(log.head().await.unwrap(), last);
    // With others at the same time.
    let trims = join_all((0..4).map(|_| log.trim(last))).await;
    assert!(trims.iter().all(Result::is_ok), "{trims:?}");
    let mut new = log.tail(last);
    log.append(told("a", 6)).await.unwrap();
    let (offset, entry) = next(&mut new).await.unwrap();
    assert_eq!(entry, told("a", 6));
    assert_eq!(next(&mut running).await.unwrap(), (offset, entry));
    assert_eq!(log.head().await.unwrap(), offset);
    let beyond = Offset(offset.0 + 1000);
    assert_eq!(log.trim(beyond).await, Err(LogError::Behind { head: offset }));
}

pub async fn the_head_is_at_least_what_was_appended(open: Open<'_>) {
    let (one, other) = (open("log"), open("log"));
    assert_eq!(one.head().await.unwrap(), Offset(0));
    let mut tail = one.tail(Offset(0));
    for number in 1..=30 {
        one.append(told("a", number)).await.unwrap();
        let head = other.head().await.unwrap();
        assert_eq!(next(&mut tail).await.unwrap().0, head);
    }
}

pub async fn what_nodes_say_is_read_by_all(open: Open<'_>) {
    let (one, other) = (open("log"), open("log"));
    assert_eq!(one.announced().await.unwrap(), []);
    one.announce("a", Bytes::from_static(b"1")).await.unwrap();
    one.announce("a", Bytes::from_static(b"2")).await.unwrap();
    other.announce("b", Bytes::from_static(b"3")).await.unwrap();
    let said =
        |name: &str, what: &'static str| (name.to_owned(), Bytes::from_static(what.as_bytes()));
    let mut all = other.announced().await.unwrap();
    all.sort();
    assert_eq!(all, [said("a", "2"), said("b", "3")]);
    one.withdraw("b").await.unwrap();
    one.withdraw("nobody").await.unwrap();
    assert_eq!(one.announced().await.unwrap(), [said("a", "2")]);
    assert_eq!(one.head().await.unwrap(), Offset(0), "that is no entry");
}

pub async fn a_log_has_a_name_of_its_own(open: Open<'_>) {
    let (one, other) = (open("log"), open("other"));
    let names = join_all((0..4).map(|_| one.name())).await;
    assert!(names.iter().all(|name| name == &names[0]), "{names:?}");
    assert_eq!(open("log").name().await.unwrap(), names[0].clone().unwrap());
    assert_ne!(other.name().await.unwrap(), names[0].clone().unwrap());
}

pub async fn a_log_that_is_behind_is_told(open: Open<'_>) {
    let log = open("log");
    let head = fill(&*log, 3).await[2].0;
    let beyond = Offset(head.0 + 100);
    assert_eq!(next(&mut log.tail(beyond)).await, Err(LogError::Behind { head }));
    let empty = Err(LogError::Behind { head: Offset(0) });
    assert_eq!(next(&mut open("other").tail(head)).await, empty);
}

pub async fn its_size_grows(open: Open<'_>) {
    let log = open("log");
    let before = log.size().await.unwrap();
    for number in 1..=4 {
        log.append(entry("a", number, vec![7; MAX_ENTRY])).await.unwrap();
    }
    // It may take a moment to show.
    let grown = before + 4 * MAX_ENTRY as u64;
    eventually("it has grown", || async { log.size().await.unwrap() >= grown }).await;
    let large = log.append(entry("a", 5, vec![7; MAX_ENTRY + 1])).await;
    assert!(matches!(large, Err(LogError::Refused(_))), "{large:?}");
}

pub async fn a_reader_that_pauses_finds_all_of_it(open: Open<'_>) {
    let log = open("log");
    log.append(told("a", 1)).await.unwrap();
    let mut tail = log.tail(Offset(0));
    take(&mut tail, 1).await;
    for number in 2..=65 {
        let fill = u8::try_from(number).unwrap();
        log.append(entry("a", number, vec![fill; MAX_ENTRY])).await.unwrap();
    }
    let from = log.tail(Offset(0));
    for (skipped, mut tail) in [(0, tail), (1, from)] {
        take(&mut tail, skipped).await;
        for number in 2..=65 {
            let (_, entry) = next(&mut tail).await.unwrap();
            assert_eq!(entry.id.number, number);
            assert_eq!(entry.bytes.len(), MAX_ENTRY);
            assert!(entry.bytes.iter().all(|byte| u64::from(*byte) == number));
        }
    }
}

pub async fn many_read_the_same(open: Open<'_>) {
    let log = open("log");
    let mut tails = (0..30).map(|_| log.tail(Offset(0))).collect::<Vec<_>>();
    let all = fill(&*log, 50).await;
    for taken in join_all(tails.iter_mut().map(|tail| take(tail, 50))).await {
        assert_eq!(taken, all);
    }
}

pub async fn names_of_nodes_are_checked(open: Open<'_>) {
    let log = open("log");
    for node in ["", "a/b", "a b", "é"] {
        let appended = log.append(told(node, 1)).await;
        assert!(matches!(appended, Err(LogError::Refused(_))), "{node}: {appended:?}");
        let announced = log.announce(node, Bytes::new()).await;
        assert!(matches!(announced, Err(LogError::Refused(_))), "{node}: {announced:?}");
    }
}

/// Waits until it is so.
pub async fn eventually<F: Future<Output = bool>>(what: &str, mut is: impl FnMut() -> F) {
    let begun = Instant::now();
    while !is().await {
        assert!(begun.elapsed() < PATIENCE, "not within {PATIENCE:?}: {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
