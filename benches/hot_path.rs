//! What one message costs on its way through the service, step by step: parse,
//! route, put in order and fold, and the roster's two steps around the journal.
//!
//! The groups with a number of buffered messages show how the cost of one
//! message depends on how many wait already: logarithmically. Those with a
//! number of rockets show what caches that are too small for the fleet cost.

mod message;

use std::hint::black_box;
use std::sync::Arc;

use criterion::measurement::WallTime;
use criterion::{
    BatchSize, BenchmarkGroup, BenchmarkId, Criterion, Throughput, criterion_group, criterion_main,
};
use downlink::fleet::limits::{HistoryLimits, Limits, Quotas};
use downlink::fleet::roster::{Admission, Roster};
use downlink::fleet::routing::Router;
use downlink::telemetry::reorder::Reorder;
use downlink::telemetry::rocket::{Rocket, Vocabulary};
use downlink::telemetry::{Channel, Event, Message, Report, Timestamp, wire};

use message::Frame;

const CHANNEL: &str = "0e9e9df5-38fd-52e2-916f-c858b9eb4ea5";

/// How many rockets there are, and how far apart those of successive messages
/// are: a prime, so that each has its turn.
const ROCKETS: [usize; 3] = [20, 1_000, 1_000_000];
const STRIDE: usize = 611_953;

/// How many messages wait already.
const BUFFERED: [u64; 3] = [10, 1_000, 10_000];

fn json(number: u64, kind: &str, body: &str) -> String {
    Frame::new(CHANNEL, (kind, body)).message(number)
}

/// One message of each type as the challenge's launcher writes them, and one
/// as long as the contract admits.
fn messages() -> Vec<(&'static str, String)> {
    let long = "x".repeat(256);
    let long =
        format!(r#"{{"type":"{long}","launchSpeed":9223372036854775807,"mission":"{long}"}}"#);
    vec![
        ("launched", Frame::new(CHANNEL, message::LAUNCHED).message(1)),
        ("speed_increased", Frame::new(CHANNEL, message::FASTER).message(2)),
        ("speed_decreased", json(3, "RocketSpeedDecreased", r#"{"by":2500}"#)),
        ("mission_changed", json(4, "RocketMissionChanged", r#"{"newMission":"SHUTTLE_MIR"}"#)),
        ("exploded", json(5, "RocketExploded", r#"{"reason":"PRESSURE_VESSEL_FAILURE"}"#)),
        (
            "long",
            json(u64::MAX >> 1, "RocketLaunched", &long)
                .replace(CHANNEL, &"c".repeat(downlink::telemetry::channel::MAX_BYTES)),
        ),
    ]
}

fn parse(c: &mut Criterion) {
    let mut group = c.benchmark_group("parse");
    for (name, text) in messages() {
        group.throughput(Throughput::Bytes(text.len() as u64));
        group.bench_function(name, |b| {
            b.iter(|| wire::parse(black_box(text.as_bytes())).expect("the message is valid"));
        });
    }
    group.finish();
}

fn route(c: &mut Criterion) {
    let mut group = c.benchmark_group("route");
    let router = Router::new(8);
    for (name, text) in [("uuid", CHANNEL), ("text", "Voyager 1, high-gain antenna")] {
        let channel = Channel::parse(text).expect("the channel is valid");
        group.bench_function(name, |b| b.iter(|| router.route(black_box(&channel))));
    }
    group.finish();
}

fn report(number: u64) -> Report {
    let event = match number {
        1 => {
            Event::Launched { rocket_type: "Atlas-H".into(), speed: 500, mission: "APOLLO".into() }
        }
        _ if number.is_multiple_of(2) => Event::SpeedIncreased { by: 500 },
        _ => Event::SpeedDecreased { by: 500 },
    };
    Report { number, time: Timestamp::EPOCH, event }
}

/// A rocket on its own, as a partition keeps it.
#[derive(Default)]
struct Alone {
    reorder: Reorder,
    rocket: Rocket,
    vocabulary: Vocabulary,
}

impl Alone {
    fn take(&mut self, number: u64) {
        let Self { reorder, rocket, vocabulary } = self;
        reorder.offer(report(number), |report| {
            black_box(rocket.apply(report, vocabulary));
        });
    }
}

/// Sends messages so that `buffered` of them always wait. Each step takes one
/// in that is early, and one that is awaited and lets another one go.
struct Disorder {
    buffered: u64,
    next: u64,
}

impl Disorder {
    /// Fills the buffer: every even number up to where `buffered` wait.
    fn begin(buffered: u64, take: impl FnMut(u64)) -> Self {
        (1..=buffered).map(|n| 2 * n).for_each(take);
        Self { buffered, next: 1 }
    }

    fn step(&mut self, mut take: impl FnMut(u64)) {
        take(self.next + 2 * self.buffered + 1);
        take(self.next);
        self.next += 2;
    }
}

fn reorder(c: &mut Criterion) {
    let mut group = c.benchmark_group("reorder_and_apply");
    group.throughput(Throughput::Elements(2));
    let mut alone = Alone::default();
    let mut next = 1;
    group.bench_function("in_order", |b| {
        b.iter(|| {
            alone.take(next);
            alone.take(next + 1);
            next += 2;
        });
    });
    for buffered in BUFFERED {
        let mut alone = Alone::default();
        let mut disorder = Disorder::begin(buffered, |number| alone.take(number));
        group.bench_function(BenchmarkId::new("buffered", buffered), |b| {
            b.iter(|| disorder.step(|number| alone.take(number)));
        });
        assert_eq!(alone.reorder.buffered() as u64, buffered, "the buffer must keep its size");
    }
    group.finish();
}

fn roster() -> Roster {
    Roster::new(Arc::new(quotas(HistoryLimits::NONE)))
}

fn quotas(history: HistoryLimits) -> Quotas {
    let limits =
        Limits { buffered_per_rocket: 20_000, buffered: usize::MAX, rockets: usize::MAX, history };
    Quotas::new(limits)
}

/// Admits and applies one message, as a worker does with the in-memory journal.
fn admit_and_apply(roster: &mut Roster, channel: &Channel, number: u64) {
    take(roster, Message { channel: channel.clone(), report: report(number) });
}

fn take(roster: &mut Roster, message: Message) {
    match roster.admit(&message) {
        Admission::Accepted(ticket) => {
            black_box(roster.apply(ticket, message.report, &mut ()));
        }
        other => panic!("{message:?}: {other:?}"),
    }
}

fn channel(number: u64) -> Channel {
    Channel::from_uuid(uuid_like(number))
}

/// 16 bytes that differ for every number and are spread as a UUID's are.
fn uuid_like(number: u64) -> [u8; 16] {
    let high = number.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let low = high.rotate_left(29).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    (u128::from(high) << 64 | u128::from(low)).to_be_bytes()
}

/// The next message of each rocket, of small and large fleets that `made` begins.
fn in_order(group: &mut BenchmarkGroup<'_, WallTime>, made: impl Fn() -> Roster) {
    group.throughput(Throughput::Elements(1));
    for rockets in ROCKETS {
        let mut roster = made();
        for rocket in 0..rockets {
            admit_and_apply(&mut roster, &channel(rocket as u64), 1);
        }
        let (mut number, mut sent) = (2, 0);
        group.bench_function(BenchmarkId::new("in_order/rockets", rockets), |b| {
            b.iter(|| {
                // Made anew, as out of a message.
                let channel = channel((sent * STRIDE % rockets) as u64);
                admit_and_apply(&mut roster, &channel, number);
                sent += 1;
                if sent == rockets {
                    sent = 0;
                    number += 1;
                }
            });
        });
    }
}

fn roster_steps(c: &mut Criterion) {
    let mut group = c.benchmark_group("admit_and_apply");
    in_order(&mut group, roster);
    group.throughput(Throughput::Elements(2));
    for buffered in BUFFERED {
        let channel = channel(1);
        let mut roster = roster();
        let mut take = |number| admit_and_apply(&mut roster, &channel, number);
        let mut disorder = Disorder::begin(buffered, &mut take);
        group.bench_function(BenchmarkId::new("buffered", buffered), |b| {
            b.iter(|| disorder.step(&mut take));
        });
    }
    group.finish();
}

/// In order, as above, with a digest of what is folded, as on a node of a cluster.
fn digest(c: &mut Criterion) {
    let roster = || {
        let quotas = quotas(HistoryLimits::NONE);
        quotas.keep_digests();
        Roster::new(Arc::new(quotas))
    };
    let mut group = c.benchmark_group("with_digest");
    in_order(&mut group, roster);
    group.finish();
}

/// In order, as above, and what each message changed is kept.
fn history(c: &mut Criterion) {
    let history = HistoryLimits { per_rocket: 64, memory: 64 << 20 };
    let mut group = c.benchmark_group("with_history");
    in_order(&mut group, || Roster::new(Arc::new(quotas(history))));
    group.finish();
}

/// From bytes to a rocket's new state.
fn whole_message(c: &mut Criterion) {
    let mut group = c.benchmark_group("parse_route_admit_and_apply");
    group.throughput(Throughput::Elements(1));
    let router = Router::new(8);
    for rockets in ROCKETS {
        let mut roster = roster();
        for rocket in 0..rockets {
            admit_and_apply(&mut roster, &channel(rocket as u64), 1);
        }
        let mut sent = 0;
        let mut next = || {
            let channel = channel((sent * STRIDE % rockets) as u64).text().into_owned();
            let number = 2 + (sent / rockets) as u64;
            sent += 1;
            Frame::new(channel, message::FASTER).message(number)
        };
        let mut taken = |text: String| {
            let message = wire::parse(text.as_bytes()).expect("the message is valid");
            black_box(router.route(&message.channel));
            take(&mut roster, message);
            text
        };
        group.bench_function(BenchmarkId::new("in_order/rockets", rockets), |b| {
            b.iter_batched(&mut next, &mut taken, BatchSize::SmallInput);
        });
    }
    group.finish();
}

criterion_group!(benches, parse, route, reorder, roster_steps, digest, history, whole_message);
criterion_main!(benches);
