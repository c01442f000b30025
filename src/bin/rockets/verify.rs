//! Owns what the fleet should look like: the fold of the generated messages,
//! and its comparison with the listing, rocket by rocket. Shares nothing with
//! the service. Does not own fetching the listing (`listing`).

use std::collections::HashMap;
use std::fmt;

use serde::Serialize;
use serde_json::Value;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use uuid::Uuid;

use crate::generator::{Event, Message};
use crate::message::Channels;

/// So many differences are kept to be printed; the rest is counted.
pub const DIFFERENCES_KEPT: usize = 20;

/// The fold of one rocket's messages.
#[derive(Clone, Debug)]
struct Expected {
    launched_at: i64,
    last_at: i64,
    speed: i64,
    number: u32,
    listed: bool,
    rocket_type: &'static str,
    mission: &'static str,
    reason: Option<&'static str>,
}

/// Folds messages in true order, and keeps one state a rocket.
#[derive(Clone, Debug, Default)]
pub struct Oracle {
    rockets: Vec<Expected>,
}

impl Oracle {
    /// Takes the next message in true order. The generator's rockets launch in
    /// the order of their index, and say nothing before.
    pub fn fold(&mut self, message: &Message) {
        if let Event::Launched { rocket_type, speed, mission } = message.event {
            assert_eq!(message.rocket as usize, self.rockets.len(), "rockets launch in order");
            self.rockets.push(Expected {
                launched_at: message.at,
                last_at: message.at,
                speed: speed.into(),
                number: message.number,
                listed: false,
                rocket_type,
                mission,
                reason: None,
            });
            return;
        }
        let rocket = &mut self.rockets[message.rocket as usize];
        match message.event {
            Event::Launched { .. } => unreachable!("returned above"),
            Event::SpeedIncreased { by } => rocket.speed += i64::from(by),
            Event::SpeedDecreased { by } => rocket.speed -= i64::from(by),
            Event::MissionChanged { mission } => rocket.mission = mission,
            Event::Exploded { reason } => rocket.reason = Some(reason),
        }
        rocket.number = message.number;
        rocket.last_at = message.at;
    }

    /// Starts a comparison. `started` is when the run began, in nanoseconds
    /// since 1970.
    pub fn into_comparison(self, channels: Channels, started: i64) -> Comparison {
        let index: HashMap<_, _, _> =
            (0..).zip(&self.rockets).map(|(rocket, _)| (channels.id(rocket), rocket)).collect();
        assert_eq!(index.len(), self.rockets.len(), "no two rockets share a channel");
        Comparison {
            expected: self.rockets,
            channels,
            index,
            started,
            previous: None,
            outcome: VerifyOutcome::default(),
        }
    }
}

/// What the comparison found.
#[derive(Debug, Default, Serialize)]
pub struct VerifyOutcome {
    pub passed: bool,
    /// Services that were compared.
    pub services: u64,
    /// Rockets that were sent.
    pub compared: u64,
    /// Listed rockets that this run did not send.
    pub others: u64,
    pub differences: u64,
    /// The first [`DIFFERENCES_KEPT`].
    pub first_differences: Vec<String>,
    /// Whether a rocket was listed as launched before the run began.
    pub held_before: bool,
    /// Why nothing was compared, if so.
    pub error: Option<String>,
}

impl VerifyOutcome {
    /// Of this and of another service, which is named with what differs there.
    pub fn and(mut self, name: &str, other: Self) -> Self {
        let is_first = self.services == 0;
        self.services += 1;
        self.passed = other.passed && (is_first || self.passed);
        self.compared = self.compared.max(other.compared);
        self.others = self.others.max(other.others);
        self.differences += other.differences;
        let room = DIFFERENCES_KEPT - self.first_differences.len();
        let named = other.first_differences.into_iter().map(|text| format!("{name}{text}"));
        self.first_differences.extend(named.take(room));
        self.held_before |= other.held_before;
        self.error = self.error.or(other.error);
        self
    }

    /// No comparison took place.
    pub fn failed(error: String) -> Self {
        Self { error: Some(error), ..Self::default() }
    }
}

/// Takes the listing rocket by rocket.
pub struct Comparison {
    expected: Vec<Expected>,
    channels: Channels,
    index: HashMap<Uuid, u32, ahash::RandomState>,
    started: i64,
    previous: Option<(i128, String)>,
    outcome: VerifyOutcome,
}

impl Comparison {
    /// Compares the next element of the listing.
    pub fn take(&mut self, listed: &Value) {
        let Some(id) = listed.get("id").and_then(Value::as_str) else {
            self.differ(format_args!("an element without a text `id`: {listed}"));
            return;
        };
        let launched_at = instant(listed, "launch_time");
        if let Some(launched_at) = launched_at {
            let here = (launched_at, id.to_owned());
            if let Some(previous) = self.previous.take()
                && previous > here
            {
                let before = previous.1;
                self.differ(format_args!(
                    "{id} is listed after {before}, against the order by launch time, then ID"
                ));
            }
            self.previous = Some(here);
        }
        let Some(rocket) = self.find(id) else {
            self.outcome.others += 1;
            return;
        };
        if std::mem::replace(&mut self.expected[rocket as usize].listed, true) {
            self.differ(format_args!("{id} is listed twice"));
            return;
        }
        let expected = self.expected[rocket as usize].clone();
        self.compare(id, &expected, listed);
        if launched_at.is_some_and(|at| at < self.started.into()) {
            self.outcome.held_before = true;
        }
    }

    /// After the last element: what was not listed, and the verdict.
    pub fn finish(mut self) -> VerifyOutcome {
        self.outcome.compared = self.expected.len() as u64;
        for (rocket, expected) in (0..).zip(std::mem::take(&mut self.expected)) {
            if !expected.listed {
                self.differ(format_args!("{} is not listed", self.channels.id(rocket)));
            }
        }
        self.outcome.passed = self.outcome.differences == 0;
        self.outcome
    }

    fn compare(&mut self, id: &str, expected: &Expected, listed: &Value) {
        let times = [("launch_time", expected.launched_at), ("last_update_time", expected.last_at)];
        for (field, at) in times {
            if instant(listed, field) != Some(at.into()) {
                let found = shown(listed, field);
                self.differ(format_args!("{id} {field}: expected {}, found {found}", utc(at)));
            }
        }
        let exploded = expected.reason.is_some();
        let rest = [
            ("last_message_number", Value::from(expected.number)),
            ("speed", Value::from(expected.speed)),
            ("rocket_type", Value::from(expected.rocket_type)),
            ("mission", Value::from(expected.mission)),
            ("status", Value::from(if exploded { "Exploded" } else { "Launched" })),
            ("explosion_reason", Value::from(expected.reason)),
            ("buffered_messages", Value::from(0)),
        ];
        for (field, value) in rest {
            if listed.get(field) != Some(&value) {
                let found = shown(listed, field);
                self.differ(format_args!("{id} {field}: expected {value}, found {found}"));
            }
        }
    }

    fn find(&self, id: &str) -> Option<u32> {
        let parsed = Uuid::try_parse(id).ok()?;
        let rocket = *self.index.get(&parsed)?;
        // Only the very text that was sent is that rocket.
        (parsed.hyphenated().encode_lower(&mut Uuid::encode_buffer()) == id).then_some(rocket)
    }

    fn differ(&mut self, difference: fmt::Arguments<'_>) {
        self.outcome.differences += 1;
        if self.outcome.first_differences.len() < DIFFERENCES_KEPT {
            self.outcome.first_differences.push(difference.to_string());
        }
    }
}

/// Nanoseconds since 1970; none unless the field is an RFC 3339 time.
fn instant(listed: &Value, field: &str) -> Option<i128> {
    let text = listed.get(field)?.as_str()?;
    let time = OffsetDateTime::parse(text, &Rfc3339).ok()?;
    Some(time.unix_timestamp_nanos())
}

fn shown(listed: &Value, field: &str) -> String {
    listed.get(field).map_or_else(|| "nothing".to_owned(), Value::to_string)
}

fn utc(at: i64) -> String {
    OffsetDateTime::from_unix_timestamp_nanos(at.into())
        .expect("nanoseconds in an i64 reach from 1677 to 2262")
        .format(&Rfc3339)
        .expect("the year has four digits")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::generator::Fleet;

    #[test]
    fn only_the_very_text_that_was_sent_is_that_rocket() {
        let channels = Channels::new(444);
        let id = channels.id(0);
        let texts =
            [id.to_string(), id.to_string().to_uppercase(), id.simple().to_string(), String::new()];
        for (text, others) in texts.iter().zip([0, 1, 1, 1]) {
            let mut oracle = Oracle::default();
            oracle.fold(&Fleet::new(444, 1, 1).next(0).unwrap());
            let mut comparison = oracle.into_comparison(channels, 0);
            comparison.take(&serde_json::json!({ "id": text }));
            assert_eq!(comparison.finish().others, others, "{text}");
        }
    }
}
