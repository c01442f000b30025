//! Owns what is known of the fleet and what was asked to see of it. Does not own how
//! it is got (`feed`, `poll`) or shown (`view`).

use std::collections::VecDeque;
use std::time::Instant;

use serde::{Deserialize, Serialize};

/// Explosions that are kept.
const EXPLOSIONS: usize = 50;
/// Seconds of which the rate is kept.
pub const RATES: usize = 60;

/// A rocket, as the service lists it.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[expect(clippy::struct_field_names, reason = "they are the service's")]
pub struct Rocket {
    pub id: String,
    #[serde(default)]
    pub mission: Option<String>,
    #[serde(default)]
    pub rocket_type: Option<String>,
    #[serde(default)]
    pub status: Option<String>,
    #[serde(default)]
    pub explosion_reason: Option<String>,
    #[serde(default)]
    pub speed: i64,
    #[serde(default)]
    pub last_message_number: u64,
    #[serde(default)]
    pub buffered_messages: u64,
    #[serde(default)]
    pub lost_messages: u64,
    #[serde(default)]
    pub conflicts: u64,
    #[serde(default)]
    pub last_update_time: Option<String>,
}

/// A rocket that waits for a message.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
pub struct Gap {
    pub id: String,
    pub awaited_message_number: u64,
    pub highest_message_number: u64,
    pub buffered_messages: u64,
    pub waiting_since: String,
    pub launch_missing: bool,
}

/// What the service says of itself once a second.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(default)]
pub struct Stats {
    pub time: String,
    pub messages_per_second: Rates,
    pub rockets: Counts,
    pub waiting_rockets: u64,
    pub longest_wait_since: Option<String>,
    pub buffered_messages: u64,
    pub subscribers: u64,
    pub version: u64,
}

#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(default)]
pub struct Rates {
    pub applied: f64,
    pub buffered: f64,
    pub duplicate: f64,
}

#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(default)]
pub struct Counts {
    pub launched: u64,
    pub exploded: u64,
}

/// A listing, and how many there are in all.
#[derive(Clone, Debug, Default)]
pub struct Page<T> {
    pub rows: Vec<T>,
    pub total: u64,
    /// Why it is not there, or not as it was asked for.
    pub trouble: Option<String>,
    /// Whether an answer came at all.
    pub is_there: bool,
}

/// How things stand with the feed.
#[derive(Clone, Debug)]
pub enum Feed {
    Connecting,
    Live {
        build: String,
    },
    /// The service has none.
    Absent,
    Lost {
        why: String,
        again: Instant,
    },
}

/// What has been learned.
#[derive(Debug)]
pub enum Update {
    Feed(Feed),
    Stats(Box<Stats>),
    Explosion(Box<Rocket>),
    /// The last explosions, latest first.
    Explosions(Vec<Rocket>),
    /// What was asked for, so that a late answer to an earlier question is known.
    Rockets(Question, Result<(Vec<Rocket>, u64), String>),
    Gaps(Result<(Vec<Gap>, u64), String>),
}

/// By what the table is sorted, as the service calls it.
pub const SORTS: [&str; 9] = [
    "launch_time",
    "id",
    "mission",
    "rocket_type",
    "status",
    "speed",
    "last_message_number",
    "buffered_messages",
    "last_update_time",
];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FilterKind {
    Mission,
    IdPrefix,
}

/// Rows of the table that can be scrolled to, unless others are asked for.
pub const ROWS: u16 = 100;

/// What the table shows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Question {
    /// Into [`SORTS`].
    pub sort: usize,
    pub descending: bool,
    /// The condition that keys change.
    pub filter: Option<(FilterKind, String)>,
    /// Others, as the service names them.
    pub conditions: Vec<(&'static str, String)>,
    pub limit: u16,
}

impl Default for Question {
    fn default() -> Self {
        Self { sort: 0, descending: false, filter: None, conditions: Vec::new(), limit: ROWS }
    }
}

impl FilterKind {
    /// As the service calls it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Mission => "mission",
            Self::IdPrefix => "id_prefix",
        }
    }
}

impl Question {
    pub fn sorted_by(&self) -> &'static str {
        SORTS[self.sort]
    }

    /// Whether every rocket is asked for.
    pub fn is_of_all(&self) -> bool {
        self.filter.is_none() && self.conditions.is_empty()
    }

    /// Has every rocket be asked for.
    pub fn ask_for_all(&mut self) {
        self.filter = None;
        self.conditions.clear();
    }

    /// Where the service has it.
    pub fn target(&self) -> String {
        let order = if self.descending { "desc" } else { "asc" };
        let mut target =
            format!("/rockets?sort={}&order={order}&limit={}", self.sorted_by(), self.limit);
        let filter = self.filter.iter().map(|(kind, text)| (kind.name(), text));
        let others = self.conditions.iter().map(|(name, text)| (*name, text));
        for (name, text) in filter.chain(others) {
            let text: String = form_urlencoded::byte_serialize(text.as_bytes()).collect();
            target.extend(["&", name, "=", &text]);
        }
        target
    }
}

/// What the keys do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Mode {
    Looking,
    Typing { kind: FilterKind, text: String },
    Helping,
}

pub struct Model {
    pub url: String,
    pub feed: Feed,
    pub stats: Option<Stats>,
    /// Applied messages a second, the latest last.
    pub rates: VecDeque<u64>,
    pub rockets: Page<Rocket>,
    pub gaps: Page<Gap>,
    /// The latest first.
    pub explosions: VecDeque<Rocket>,
    pub question: Question,
    pub selected: usize,
    pub mode: Mode,
}

impl Model {
    pub fn new(url: String, question: Question) -> Self {
        Self {
            url,
            feed: Feed::Connecting,
            stats: None,
            rates: VecDeque::new(),
            rockets: Page::default(),
            gaps: Page::default(),
            explosions: VecDeque::new(),
            question,
            selected: 0,
            mode: Mode::Looking,
        }
    }

    pub fn take(&mut self, update: Update) {
        match update {
            Update::Feed(feed) => {
                if !matches!(feed, Feed::Live { .. }) {
                    // They were of a moment that is over.
                    self.stats = None;
                    self.rates.clear();
                }
                self.feed = feed;
            }
            Update::Stats(stats) => {
                #[expect(
                    clippy::cast_possible_truncation,
                    clippy::cast_sign_loss,
                    reason = "a rate that no u64 holds is cut to one that it does"
                )]
                self.rates.push_back(stats.messages_per_second.applied.round() as u64);
                if self.rates.len() > RATES {
                    self.rates.pop_front();
                }
                self.stats = Some(*stats);
            }
            Update::Explosion(rocket) => {
                self.explosions.retain(|known| known.id != rocket.id);
                self.explosions.push_front(*rocket);
                self.explosions.truncate(EXPLOSIONS);
            }
            Update::Explosions(mut rockets) => {
                rockets.truncate(EXPLOSIONS);
                self.explosions = rockets.into();
            }
            Update::Rockets(question, answer) => {
                if question == self.question {
                    self.rockets.take(answer);
                    self.select(self.selected);
                }
            }
            Update::Gaps(answer) => self.gaps.take(answer),
        }
    }

    /// Selects a row that is there.
    pub fn select(&mut self, row: usize) {
        self.selected = row.min(self.rockets.rows.len().saturating_sub(1));
    }
}

impl<T> Page<T> {
    /// Rows stay when there is trouble, which is told beside them.
    fn take(&mut self, answer: Result<(Vec<T>, u64), String>) {
        match answer {
            Ok((rows, total)) => {
                *self = Self { rows, total, trouble: None, is_there: true };
            }
            Err(trouble) => self.trouble = Some(trouble),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_question_is_asked_as_the_service_takes_it() {
        let mut question = Question { limit: 5, ..Question::default() };
        assert_eq!(question.target(), "/rockets?sort=launch_time&order=asc&limit=5");
        question.filter = Some((FilterKind::Mission, "A&B ü".to_owned()));
        question.descending = true;
        question.conditions = vec![("status", "Exploded".into()), ("waiting", "true".into())];
        let target = question.target();
        let expected = "&order=desc&limit=5&mission=A%26B+%C3%BC&status=Exploded&waiting=true";
        assert!(target.ends_with(expected), "{target}");
        question.ask_for_all();
        assert!(question.is_of_all() && question.target().ends_with("&limit=5"));
    }

    #[test]
    fn late_answers_to_earlier_questions_are_dropped_and_trouble_keeps_rows() {
        let question = Question::default();
        let mut model = Model::new("u".into(), question.clone());
        let rows = vec![Rocket::default(); 3];
        model.take(Update::Rockets(question.clone(), Ok((rows, 9))));
        model.select(7);
        assert_eq!((model.selected, model.rockets.total), (2, 9));
        let other = Question { sort: 1, ..question.clone() };
        model.take(Update::Rockets(other, Ok((Vec::new(), 0))));
        model.take(Update::Rockets(question.clone(), Err("no".into())));
        assert_eq!(model.rockets.rows.len(), 3);
        assert_eq!(model.rockets.trouble.as_deref(), Some("no"));
        model.take(Update::Rockets(question, Ok((Vec::new(), 0))));
        assert_eq!((model.selected, model.rockets.trouble), (0, None));
    }

    #[test]
    fn what_is_kept_has_an_end_and_figures_of_a_lost_feed_go() {
        let question = Question::default();
        let mut model = Model::new("u".into(), question);
        for n in 0..200 {
            let rocket = Rocket { id: format!("{}", n % 150), ..Rocket::default() };
            model.take(Update::Explosion(Box::new(rocket)));
            model.take(Update::Stats(Box::default()));
        }
        assert_eq!((model.explosions.len(), model.rates.len()), (EXPLOSIONS, RATES));
        assert_eq!(model.explosions[0].id, "49");
        model.take(Update::Feed(Feed::Absent));
        assert!(model.stats.is_none() && model.rates.is_empty());
    }
}
