//! Owns the picture on the terminal: where what stands, and in which colour. Does
//! not own what is shown (`model`), or in which words (`text`).

use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::{Modifier, Style};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Block, Clear, Paragraph, Sparkline};
use time::OffsetDateTime;

use super::fleet_table;
use super::look::{Look, block, page_note};
use super::model::{Feed, FilterKind, Gap, Mode, Model, Page, RATES, Rocket};
use super::text::{ago, clock, count, fit, fit_end, plain, rate, width};

/// A rocket that has waited for so many seconds is marked, by colour and by sign.
const LONG_WAIT: i64 = 60;
/// Narrower, the two lists below the table stand one below the other.
const SIDE_BY_SIDE: u16 = 100;
const LISTED: u16 = 7;

const HELP: [&str; 12] = [
    "q, Ctrl-C     quit",
    "↑ ↓ k j       select a rocket",
    "PgUp PgDn     ten at a time",
    "g G Home End  the first, the last",
    "s S           sort by the next, the previous column",
    "r             the other way round",
    "/             filter by mission, or (Tab) by how an ID begins",
    "Esc           no filter",
    "? h           this help",
    "",
    "! waits for a message for a minute or more",
    "✗ exploded",
];

/// Draws all of it.
pub fn draw(frame: &mut Frame<'_>, model: &Model, look: Look, now: OffsetDateTime) {
    let area = frame.area();
    if area.width < 20 || area.height < 5 {
        frame.render_widget(Paragraph::new("too small"), area);
        return;
    }
    let is_wide = area.width >= SIDE_BY_SIDE;
    // The table keeps at least six lines; what is below it gives way first.
    let spare = area.height.saturating_sub(4 + 6 + 1);
    let lists = if is_wide { LISTED.min(spare) } else { (2 * LISTED - 4).min(spare) };
    let lists = if lists < 3 { 0 } else { lists };
    let rows = [
        Constraint::Length(4),
        Constraint::Min(3),
        Constraint::Length(lists),
        Constraint::Length(1),
    ];
    let [header, table, below, footer] = Layout::vertical(rows).areas(area);
    draw_header(frame, header, model, look, now);
    fleet_table::draw(frame, table, model, look, now);
    if lists > 0 {
        let halves = [Constraint::Ratio(1, 2); 2];
        let layout =
            if is_wide { Layout::horizontal(halves).spacing(2) } else { Layout::vertical(halves) };
        let [gaps, explosions] = layout.areas(below);
        draw_gaps(frame, gaps, &model.gaps, look, now);
        draw_explosions(frame, explosions, model, look);
    }
    draw_footer(frame, footer, model, look);
    if model.mode == Mode::Helping {
        draw_help(frame, area);
    }
}

fn draw_header(frame: &mut Frame<'_>, area: Rect, model: &Model, look: Look, now: OffsetDateTime) {
    let columns = usize::from(area.width);
    let (state, style, why) = match &model.feed {
        Feed::Connecting => ("… connecting".to_owned(), look.warning(), None),
        Feed::Live { build } => (format!("● live, downlink {}", plain(build)), look.good(), None),
        Feed::Absent => {
            let why = "this service has no GET /events, so there are no figures";
            ("○ no feed".to_owned(), look.warning(), Some(why.to_owned()))
        }
        Feed::Lost { why, again } => {
            let seconds = again.saturating_duration_since(std::time::Instant::now()).as_secs();
            let why = format!("{}; again in {seconds}s", plain(why));
            ("✗ no feed".to_owned(), look.bad(), Some(why))
        }
    };
    let clock = model.stats.as_ref().map_or_else(String::new, |it| format!("{}Z", clock(&it.time)));
    let url = fit(&model.url, columns / 2);
    let left = columns.saturating_sub(width(&url) + width(&clock) + 4);
    let first = Line::from(vec![
        Span::styled(url, Look::strong()),
        Span::raw("  "),
        Span::styled(fit(&state, left), style),
    ]);
    let mut lines = vec![first];
    lines.extend(why.map(|why| Line::styled(fit(&why, columns), style)));
    if let Some(stats) = &model.stats {
        let figures = &stats.messages_per_second;
        lines.push(figures_line(
            &[
                ("applied", format!("{}/s", rate(figures.applied)), Style::new()),
                ("buffered", format!("{}/s", rate(figures.buffered)), Style::new()),
                ("duplicate", format!("{}/s", rate(figures.duplicate)), Style::new()),
                ("readers", count(stats.subscribers), Style::new()),
            ],
            look,
        ));
        let since = stats.longest_wait_since.as_deref();
        let longest = since.map_or_else(String::new, |since| format!(" ({})", ago(since, now)));
        let waits = if stats.waiting_rockets == 0 {
            Style::new()
        } else if since.is_some_and(|since| is_long(since, now)) {
            look.bad()
        } else {
            look.warning()
        };
        let sign = if since.is_some_and(|since| is_long(since, now)) { "! " } else { "" };
        lines.push(figures_line(
            &[
                ("launched", count(stats.rockets.launched), Style::new()),
                ("exploded", count(stats.rockets.exploded), Style::new()),
                ("waiting", format!("{sign}{}{longest}", count(stats.waiting_rockets)), waits),
                ("buffered", count(stats.buffered_messages), Style::new()),
            ],
            look,
        ));
    }
    frame.render_widget(Paragraph::new(lines), area);
    let right = Paragraph::new(Line::from(clock).right_aligned());
    let width = u16::try_from(RATES).expect("it is far below").min(area.width / 3);
    let [_, corner] = Layout::horizontal([Constraint::Min(0), Constraint::Length(10)])
        .areas(Rect { height: 1, ..area });
    frame.render_widget(right, corner);
    // What is newest stands at the right.
    let shown = model.rates.iter().rev().take(width.into()).rev().copied();
    let shown: Vec<u64> = shown.collect();
    if shown.len() > 1 {
        let most = shown.iter().max().copied().unwrap_or(0).max(1);
        let line = Rect { y: area.y + 3, height: 1, ..area };
        let label = format!("applied/s, {} at most ", count(most));
        let [label_area, bars] = Layout::horizontal([
            Constraint::Length(u16::try_from(label.len()).unwrap_or(u16::MAX)),
            Constraint::Length(width),
        ])
        .areas(line);
        frame.render_widget(Paragraph::new(Span::styled(label, look.faint())), label_area);
        frame.render_widget(Sparkline::default().data(shown).max(most).style(look.good()), bars);
    }
}

/// `launched 12   exploded 3`
fn figures_line(figures: &[(&str, String, Style)], look: Look) -> Line<'static> {
    let mut spans = Vec::new();
    for (name, value, style) in figures {
        spans.push(Span::styled(format!("{name} "), look.faint()));
        spans.push(Span::styled(value.clone(), style.add_modifier(Modifier::BOLD)));
        spans.push(Span::raw("   "));
    }
    Line::from(spans)
}

fn draw_gaps(frame: &mut Frame<'_>, area: Rect, gaps: &Page<Gap>, look: Look, now: OffsetDateTime) {
    let title = format!("waiting {}", count(gaps.total));
    let columns = usize::from(area.width).saturating_sub(2);
    let rows = gaps.rows.iter().map(|gap| {
        let sign = if is_long(&gap.waiting_since, now) { "!" } else { " " };
        let what = if gap.launch_missing {
            "the launch".to_owned()
        } else {
            format!("#{}", gap.awaited_message_number)
        };
        let rest = format!(
            " waits {} for {what}, {} held",
            ago(&gap.waiting_since, now),
            count(gap.buffered_messages)
        );
        let id = fit(&gap.id, columns.saturating_sub(width(&rest) + 2));
        let style = if sign == "!" { look.bad() } else { look.warning() };
        Line::from(vec![Span::styled(format!("{sign} {id}"), style), Span::raw(rest)])
    });
    draw_list(frame, area, &title, rows.collect(), page_note(gaps, "nobody waits"), look);
}

fn draw_explosions(frame: &mut Frame<'_>, area: Rect, model: &Model, look: Look) {
    let columns = usize::from(area.width).saturating_sub(2);
    let row = |rocket: &Rocket| {
        let at = rocket.last_update_time.as_deref().map_or("", clock);
        let reason = rocket.explosion_reason.as_deref().unwrap_or("");
        let mission = rocket.mission.as_deref().unwrap_or("");
        // The reason says more.
        let id = fit(&rocket.id, (columns / 4).max(9));
        let rest = format!("{at} {reason}, {mission}");
        let rest = fit(&rest, columns.saturating_sub(width(&id) + 3));
        Line::from(vec![Span::styled(format!("✗ {id} "), look.bad()), Span::raw(rest)])
    };
    let rows = model.explosions.iter().map(row).collect();
    let none = "none is known".to_owned();
    draw_list(frame, area, "last explosions", rows, none, look);
}

fn draw_list(
    frame: &mut Frame<'_>,
    area: Rect,
    title: &str,
    rows: Vec<Line<'_>>,
    none: String,
    look: Look,
) {
    let block = block(title, look);
    let rows = if rows.is_empty() { vec![Line::styled(none, look.faint())] } else { rows };
    frame.render_widget(Paragraph::new(rows).block(block), area);
}

fn draw_footer(frame: &mut Frame<'_>, area: Rect, model: &Model, look: Look) {
    let line = match &model.mode {
        Mode::Typing { kind, text } => {
            let (name, other) = match kind {
                FilterKind::Mission => ("mission", "the beginning of an ID"),
                FilterKind::IdPrefix => ("ID begins with", "a mission"),
            };
            // What is typed last stays in sight.
            let room = usize::from(area.width).saturating_sub(width(name) + 3);
            Line::from(vec![
                Span::styled(format!("{name}: "), Look::strong()),
                Span::raw(fit_end(text, room)),
                Span::styled("▏", Look::strong()),
                Span::styled(format!("  Enter, Esc; Tab: {other}"), look.faint()),
            ])
        }
        _ => Line::styled("q quit  ↑↓ select  s sort  r reverse  / filter  ? help", look.faint()),
    };
    frame.render_widget(Paragraph::new(line), area);
}

fn draw_help(frame: &mut Frame<'_>, area: Rect) {
    let width = u16::try_from(HELP.iter().map(|line| width(line)).max().unwrap_or(0) + 4);
    let width = width.unwrap_or(u16::MAX).min(area.width);
    let height = u16::try_from(HELP.len() + 2).unwrap_or(u16::MAX).min(area.height);
    let at = Rect {
        x: area.x + (area.width - width) / 2,
        y: area.y + (area.height - height) / 2,
        width,
        height,
    };
    frame.render_widget(Clear, at);
    let lines: Vec<_> = HELP.iter().map(|line| Line::raw(format!(" {line}"))).collect();
    frame.render_widget(Paragraph::new(lines).block(Block::bordered().title(" keys ")), at);
}

/// Whether somebody should look.
fn is_long(since: &str, now: OffsetDateTime) -> bool {
    let format = &time::format_description::well_known::Rfc3339;
    OffsetDateTime::parse(since, format)
        .is_ok_and(|since| (now - since).whole_seconds() >= LONG_WAIT)
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use ratatui::Terminal;
    use ratatui::backend::TestBackend;
    use ratatui::style::Color;
    use time::macros::datetime;

    use super::super::model::{Counts, Question, Rates, Stats, Update};
    use super::super::text::lines;
    use super::*;

    const NOW: OffsetDateTime = datetime!(2026-11-28 20:41:07 UTC);

    fn rocket(id: &str, speed: i64) -> Rocket {
        Rocket {
            id: id.to_owned(),
            mission: Some("ARTEMIS".to_owned()),
            rocket_type: Some("Falcon-9".to_owned()),
            status: Some("Launched".to_owned()),
            speed,
            last_message_number: 7,
            last_update_time: Some("2026-11-28T20:40:00Z".to_owned()),
            ..Rocket::default()
        }
    }

    fn model() -> Model {
        let question = Question { sort: 5, descending: true, ..Question::default() };
        let mut model = Model::new("http://localhost:8088".into(), question.clone());
        model.take(Update::Feed(Feed::Live { build: "0.1.0".into() }));
        for applied in [1000.0, 2000.0, 12_345.0] {
            model.take(Update::Stats(Box::new(Stats {
                time: "2026-11-28T20:41:06.5Z".into(),
                messages_per_second: Rates { applied, buffered: 3.25, duplicate: 0.0 },
                rockets: Counts { launched: 1_000_000, exploded: 300 },
                waiting_rockets: 2,
                longest_wait_since: Some("2026-11-28T20:37:55Z".into()),
                buffered_messages: 14,
                subscribers: 2,
                version: 9,
            })));
        }
        let lost = Rocket {
            status: Some("Exploded".into()),
            explosion_reason: Some("FROZEN_O_RINGS".into()),
            ..rocket("193270a9-c9cf-404a-8f83-838e71d9ae67", 12_500)
        };
        let evil = "\u{1b}[31m<\u{202e}lanigiro";
        let rows = vec![lost.clone(), rocket("Voyager 1", -250), rocket(evil, 0)];
        model.take(Update::Rockets(question, Ok((rows, 1_000_300))));
        let gap = Gap {
            id: "Voyager 1".into(),
            awaited_message_number: 8,
            highest_message_number: 11,
            buffered_messages: 3,
            waiting_since: "2026-11-28T20:37:55Z".into(),
            launch_missing: false,
        };
        model.take(Update::Gaps(Ok((vec![gap], 2))));
        model.take(Update::Explosion(Box::new(lost)));
        model
    }

    fn drawn(
        model: &Model,
        columns: u16,
        rows: u16,
        has_colour: bool,
    ) -> (Vec<String>, Terminal<TestBackend>) {
        let mut screen = Terminal::new(TestBackend::new(columns, rows)).unwrap();
        screen.draw(|frame| draw(frame, model, Look { has_colour }, NOW)).unwrap();
        (lines(screen.backend().buffer()), screen)
    }

    fn text(model: &Model, columns: u16, rows: u16) -> String {
        drawn(model, columns, rows, true).0.join("\n")
    }

    #[test]
    fn everything_stands_on_a_usual_terminal() {
        let text = text(&model(), 120, 30);
        for part in [
            "http://localhost:8088  ● live, downlink 0.1.0",
            "20:41:06Z",
            "applied 12,345/s   buffered 3.2/s   duplicate 0/s   readers 2",
            "launched 1,000,000   exploded 300   waiting ! 2 (3m 12s)   buffered 14",
            "fleet 3 of 1,000,300 by speed ↓",
            "speed↓",
            "193270a9-c9cf-404a-8f83-838e71d9ae67 ARTEMIS",
            "✗ exploded    12,500        7      0      0      1m 7s",
            "-250",
            "waiting 2",
            "! Voyager 1 waits 3m 12s for #8, 3 held",
            "last explosions",
            "20:40:00 FROZEN_O_RINGS, ARTEMIS",
            "q quit",
        ] {
            assert!(text.contains(part), "{part} in\n{text}");
        }
        assert!(text.contains("\\u{1b}[31m<\\u{202e}lanigiro"), "{text}");
    }

    #[test]
    fn a_narrow_terminal_has_what_matters_and_nothing_is_drawn_outside() {
        for (columns, rows) in [(60, 24), (60, 12), (20, 5), (19, 4), (1, 1), (300, 100), (101, 15)]
        {
            let mut model = model();
            let shown = text(&model, columns, rows);
            if columns >= 60 {
                assert!(shown.contains("✗ exploded") && shown.contains("speed↓"), "{shown}");
            }
            for mode in
                [Mode::Helping, Mode::Typing { kind: FilterKind::Mission, text: "é\u{1b}".into() }]
            {
                model.mode = mode;
                drawn(&model, columns, rows, true);
            }
        }
        let narrow = text(&model(), 60, 24);
        assert!(narrow.contains("19327") && narrow.contains("! Voyager 1 waits"), "{narrow}");
    }

    #[test]
    fn nothing_has_a_colour_where_none_is_wanted() {
        for has_colour in [true, false] {
            let (_, screen) = drawn(&model(), 100, 30, has_colour);
            let cells = &screen.backend().buffer().content;
            let is_coloured = cells.iter().any(|it| it.fg != Color::Reset || it.bg != Color::Reset);
            assert_eq!(is_coloured, has_colour);
        }
    }

    #[test]
    fn trouble_is_told_where_it_is() {
        let mut model = model();
        let again = Instant::now() + Duration::from_secs(9);
        model.take(Update::Feed(Feed::Lost { why: "the journal\nis read".into(), again }));
        model.take(Update::Rockets(model.question.clone(), Err("starting (503)".into())));
        let shown = text(&model, 100, 30);
        assert!(shown.contains("✗ no feed\nthe journal\\u{a}is read; again in 8s"), "{shown}");
        assert!(shown.contains("✗ starting (503)") && shown.contains("Voyager 1"), "{shown}");
        assert!(!shown.contains("applied 12"), "{shown}");

        let question = Question::default();
        let mut model = Model::new("http://h".into(), question.clone());
        assert!(text(&model, 80, 24).contains("… connecting"));
        model.take(Update::Feed(Feed::Absent));
        model.take(Update::Rockets(question.clone(), Err("no \u{9b}31m".into())));
        let shown = text(&model, 80, 24);
        assert!(
            shown.contains("○ no feed\nthis service has no GET /events")
                && shown.contains("no \\u{9b}31m"),
            "{shown}"
        );
        model.take(Update::Rockets(question, Ok((Vec::new(), 0))));
        model.take(Update::Gaps(Ok((Vec::new(), 0))));
        let shown = text(&model, 80, 24);
        assert!(shown.contains("no rocket has been launched"), "{shown}");
        assert!(shown.contains("nobody waits") && shown.contains("none is known"), "{shown}");
    }

    #[test]
    fn help_and_what_is_typed_are_shown() {
        let mut model = model();
        model.mode = Mode::Helping;
        assert!(text(&model, 80, 24).contains("sort by the next"));
        model.mode = Mode::Typing { kind: FilterKind::IdPrefix, text: "ab".into() };
        let shown = text(&model, 80, 24);
        assert!(shown.ends_with("ID begins with: ab▏  Enter, Esc; Tab: a mission"), "{shown}");
        model.mode = Mode::Looking;
        model.question.filter = Some((FilterKind::IdPrefix, "ab".into()));
        assert!(text(&model, 80, 24).contains("by speed ↓, ID ab…"));
        let conditions = [("rocket_type", "T"), ("status", "Exploded"), ("waiting", "true")];
        model.question.conditions = conditions.map(|(name, text)| (name, text.to_owned())).to_vec();
        assert!(text(&model, 80, 24).contains("ID ab…, type T, exploded, waiting"));
    }
}
