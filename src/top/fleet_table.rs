//! Owns the table of rockets: which columns there is room for, and what stands in
//! them. Does not own what is around it (`view`).

use ratatui::Frame;
use ratatui::layout::{Constraint, Rect};
use ratatui::style::{Modifier, Style};
use ratatui::text::Line;
use ratatui::widgets::{Paragraph, Row, Table, TableState};
use time::OffsetDateTime;

use super::look::{Look, block, page_note};
use super::model::{Model, Rocket};
use super::text::{ago, count, fit, grouped};

/// A column: its heading, by what it sorts, how wide it is, whether it holds numbers,
/// and from which width of the terminal on it is there.
struct Column {
    name: &'static str,
    sort: &'static str,
    width: u16,
    is_number: bool,
    from: u16,
    cell: fn(&Rocket, OffsetDateTime) -> String,
}

const COLUMNS: [Column; 9] = [
    Column {
        name: "rocket",
        sort: "id",
        width: 13,
        is_number: false,
        from: 0,
        cell: |it, _| it.id.clone(),
    },
    Column {
        name: "mission",
        sort: "mission",
        width: 12,
        is_number: false,
        from: 50,
        cell: |it, _| text(it.mission.as_deref()),
    },
    Column {
        name: "type",
        sort: "rocket_type",
        width: 12,
        is_number: false,
        from: 110,
        cell: |it, _| text(it.rocket_type.as_deref()),
    },
    Column {
        name: "status",
        sort: "status",
        width: 10,
        is_number: false,
        from: 0,
        cell: |it, _| status(it),
    },
    Column {
        name: "speed",
        sort: "speed",
        width: 9,
        is_number: true,
        from: 40,
        cell: |it, _| grouped(it.speed),
    },
    Column {
        name: "number",
        sort: "last_message_number",
        width: 8,
        is_number: true,
        from: 60,
        cell: |it, _| count(it.last_message_number),
    },
    Column {
        name: "held",
        sort: "buffered_messages",
        width: 6,
        is_number: true,
        from: 70,
        cell: |it, _| count(it.buffered_messages),
    },
    Column {
        name: "lost",
        sort: "",
        width: 6,
        is_number: true,
        from: 120,
        cell: |it, _| count(it.lost_messages),
    },
    Column {
        name: "last heard",
        sort: "last_update_time",
        width: 10,
        is_number: true,
        from: 80,
        cell: |it, now| ago(it.last_update_time.as_deref().unwrap_or(""), now),
    },
];

fn text(text: Option<&str>) -> String {
    text.unwrap_or("").to_owned()
}

fn status(rocket: &Rocket) -> String {
    match rocket.status.as_deref() {
        Some("Exploded") => "✗ exploded".to_owned(),
        Some("Launched") => "  launched".to_owned(),
        other => text(other),
    }
}

/// Draws the table and, over it, what it shows.
pub fn draw(frame: &mut Frame<'_>, area: Rect, model: &Model, look: Look, now: OffsetDateTime) {
    let block = block(&title(model), look);
    let inner = block.inner(area);
    frame.render_widget(block, area);
    let page = &model.rockets;
    if page.rows.is_empty() {
        let none = if model.question.is_of_all() {
            "no rocket has been launched"
        } else {
            "no rocket is like that"
        };
        let note = page_note(page, none);
        frame.render_widget(Paragraph::new(Line::styled(note, look.faint())), inner);
        return;
    }
    let mut inner = inner;
    if page.trouble.is_some() {
        let line = Line::styled(format!("✗ {}", page_note(page, "")), look.bad());
        frame.render_widget(Paragraph::new(line), Rect { height: 1, ..inner });
        inner = Rect { y: inner.y + 1, height: inner.height.saturating_sub(1), ..inner };
    }
    let columns: Vec<_> = COLUMNS.iter().filter(|it| area.width >= it.from).collect();
    let widths = widths(&columns, area.width);
    let head = columns.iter().zip(&widths).map(|(column, width)| {
        let arrow = match (column.sort == model.question.sorted_by(), model.question.descending) {
            (false, _) => "",
            (true, false) => "↑",
            (true, true) => "↓",
        };
        line(column, &format!("{}{arrow}", column.name), *width).style(look.faint())
    });
    let rows = page.rows.iter().map(|rocket| {
        let cells = columns.iter().zip(&widths);
        let cells = cells.map(|(column, width)| line(column, &(column.cell)(rocket, now), *width));
        Row::new(cells).style(style(rocket, look))
    });
    let constraints = widths.iter().map(|width| Constraint::Length(*width));
    let table = Table::new(rows, constraints)
        .header(Row::new(head))
        .row_highlight_style(Style::new().add_modifier(Modifier::REVERSED));
    let mut state = TableState::default().with_selected(model.selected);
    frame.render_stateful_widget(table, inner, &mut state);
}

fn line(column: &Column, text: &str, width: u16) -> Line<'static> {
    let line = Line::raw(fit(text, width.into()));
    if column.is_number { line.right_aligned() } else { line }
}

fn style(rocket: &Rocket, look: Look) -> Style {
    if rocket.status.as_deref() == Some("Exploded") {
        look.faint()
    } else if rocket.buffered_messages > 0 {
        look.warning()
    } else {
        Style::new()
    }
}

/// What is left over goes to IDs first, up to a UUID's length, and then to missions.
fn widths(columns: &[&Column], area: u16) -> Vec<u16> {
    let gaps = u16::try_from(columns.len()).expect("there are few").saturating_sub(1);
    let taken: u16 = columns.iter().map(|it| it.width).sum::<u16>() + gaps;
    let mut left = area.saturating_sub(taken);
    let mut widths: Vec<u16> = columns.iter().map(|it| it.width).collect();
    for (column, width) in columns.iter().zip(&mut widths) {
        let most = match column.sort {
            "id" => 36,
            "mission" | "rocket_type" => 24,
            _ => continue,
        };
        let more = left.min(most - *width);
        *width += more;
        left -= more;
    }
    widths
}

/// `fleet 100 of 1,000,000 by speed ↓, mission ARTEMIS`
fn title(model: &Model) -> String {
    let page = &model.rockets;
    let shown = if (page.rows.len() as u64) < page.total {
        format!("{} of {}", page.rows.len(), count(page.total))
    } else {
        count(page.total)
    };
    let arrow = if model.question.descending { "↓" } else { "↑" };
    let question = &model.question;
    let filter = question.filter.iter().map(|(kind, text)| (kind.name(), text));
    let others = question.conditions.iter().map(|(name, text)| (*name, text));
    let conditions = filter.chain(others).map(|(name, text)| match (name, text.as_str()) {
        ("mission", text) => format!(", mission {}", fit(text, 24)),
        ("id_prefix", text) => format!(", ID {}…", fit(text, 24)),
        ("rocket_type", text) => format!(", type {}", fit(text, 24)),
        ("waiting", "true") => ", waiting".to_owned(),
        ("waiting", _) => ", not waiting".to_owned(),
        (_, text) => format!(", {}", fit(&text.to_lowercase(), 24)),
    });
    let conditions: String = conditions.collect();
    format!("fleet {shown} by {} {arrow}{conditions}", question.sorted_by())
}
