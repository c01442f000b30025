//! Owns what goes to standard output for scripts: one picture as plain text, and
//! lines of JSON. Does not own the picture (`view`).

use std::io::{self, Write};
use std::time::Duration;

use ratatui::Terminal;
use ratatui::backend::TestBackend;
use serde::Serialize;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use tokio::time::{Instant, MissedTickBehavior, interval, timeout_at};

use super::arguments::Arguments;
use super::asking::Asking;
use super::client::Service;
use super::look::Look;
use super::model::{Feed, Gap, Model, Rocket, Stats};
use super::text::lines;
use super::{terminal, view};

/// The longest wait for all that one picture shows: figures come once a second, and
/// a service that is asked for much has some time.
const PATIENCE: Duration = Duration::from_secs(5);
/// Where there is no terminal, which says how large it is.
const SIZE: (u16, u16) = (120, 50);

/// Prints what is known, once or again and again.
///
/// # Errors
/// When it cannot be written, and for one picture when nothing could be read.
pub async fn print(arguments: &Arguments, service: Service) -> io::Result<()> {
    let mut model = Model::new(service.url.clone(), arguments.question());
    let mut asking = Asking::begin(&service, model.question.clone());
    if arguments.once {
        let deadline = Instant::now() + PATIENCE;
        while !is_whole(&model)
            && let Ok(update) = timeout_at(deadline, asking.next()).await
        {
            model.take(update);
        }
        let printed = if arguments.json { json(&model) } else { picture(&model) };
        printed?;
        return match &model.rockets.trouble {
            Some(trouble) => Err(io::Error::other(trouble.clone())),
            None if !model.rockets.is_there => Err(io::Error::other("no answer in time")),
            None => Ok(()),
        };
    }
    let mut tick = interval(Duration::from_secs(1));
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    // The first is at once, when nothing is known.
    tick.tick().await;
    loop {
        tokio::select! {
            update = asking.next() => model.take(update),
            _ = tick.tick() => json(&model)?,
        }
    }
}

/// Whether all that is shown has come, or will not.
fn is_whole(model: &Model) -> bool {
    let has_figures = match model.feed {
        Feed::Connecting => false,
        Feed::Live { .. } => model.stats.is_some(),
        Feed::Absent | Feed::Lost { .. } => true,
    };
    let has = |is_there: bool, trouble: &Option<String>| is_there || trouble.is_some();
    has_figures
        && has(model.rockets.is_there, &model.rockets.trouble)
        && has(model.gaps.is_there, &model.gaps.trouble)
}

fn picture(model: &Model) -> io::Result<()> {
    let (columns, rows) = terminal::size().unwrap_or(SIZE);
    let mut screen = Terminal::new(TestBackend::new(columns, rows)).map_err(io::Error::other)?;
    let now = OffsetDateTime::now_utc();
    let look = Look { has_colour: false };
    screen.draw(|frame| view::draw(frame, model, look, now)).map_err(io::Error::other)?;
    let lines = lines(screen.backend().buffer());
    let mut out = io::stdout().lock();
    // The last line says what keys do.
    for line in &lines[..lines.len().saturating_sub(1)] {
        writeln!(out, "{line}")?;
    }
    out.flush()
}

/// What is known at a moment.
#[derive(Serialize)]
struct Known<'a> {
    time: String,
    url: &'a str,
    /// `connecting`, `live`, `absent` or `lost`.
    feed: &'static str,
    /// Why something is not there.
    trouble: Vec<String>,
    stats: Option<&'a Stats>,
    rockets_total: u64,
    rockets: &'a [Rocket],
    gaps_total: u64,
    gaps: &'a [Gap],
    /// The latest first.
    explosions: Vec<&'a Rocket>,
}

fn json(model: &Model) -> io::Result<()> {
    let (feed, lost) = match &model.feed {
        Feed::Connecting => ("connecting", None),
        Feed::Live { .. } => ("live", None),
        Feed::Absent => ("absent", None),
        Feed::Lost { why, .. } => ("lost", Some(format!("/events: {why}"))),
    };
    let of = |path: &str, trouble: &Option<String>| {
        trouble.as_ref().map(|trouble| format!("{path}: {trouble}"))
    };
    let rockets = of("/rockets", &model.rockets.trouble);
    let gaps = of("/gaps", &model.gaps.trouble);
    let known = Known {
        time: OffsetDateTime::now_utc().format(&Rfc3339).map_err(io::Error::other)?,
        url: &model.url,
        feed,
        trouble: [lost, rockets, gaps].into_iter().flatten().collect(),
        stats: model.stats.as_ref(),
        rockets_total: model.rockets.total,
        rockets: &model.rockets.rows,
        gaps_total: model.gaps.total,
        gaps: &model.gaps.rows,
        explosions: model.explosions.iter().collect(),
    };
    let mut out = io::stdout().lock();
    serde_json::to_writer(&mut out, &known)?;
    writeln!(out)?;
    out.flush()
}
