//! Owns what all parts of the picture share: colours, and what stands over and in
//! place of rows. Does not own the parts (`view`, `fleet_table`).

use ratatui::style::{Color, Modifier, Style};
use ratatui::text::Span;
use ratatui::widgets::{Block, Borders};

use super::model::Page;
use super::text::plain;

/// Colours with a meaning, or none at all.
#[derive(Clone, Copy, Debug)]
pub struct Look {
    pub has_colour: bool,
}

impl Look {
    pub fn of(self, colour: Color) -> Style {
        if self.has_colour { Style::new().fg(colour) } else { Style::new() }
    }

    pub fn good(self) -> Style {
        self.of(Color::Green)
    }

    pub fn warning(self) -> Style {
        self.of(Color::Yellow)
    }

    pub fn bad(self) -> Style {
        self.of(Color::Red).add_modifier(Modifier::BOLD)
    }

    pub fn faint(self) -> Style {
        self.of(Color::DarkGray)
    }

    pub fn strong() -> Style {
        Style::new().add_modifier(Modifier::BOLD)
    }
}

/// What to say where there are no rows, or not those that were asked for.
pub fn page_note<T>(page: &Page<T>, none: &str) -> String {
    match (&page.trouble, page.is_there) {
        (Some(trouble), _) => plain(trouble),
        (None, true) => none.to_owned(),
        (None, false) => "…".to_owned(),
    }
}

/// A rule with a title over what it is about.
pub fn block(title: &str, look: Look) -> Block<'static> {
    let title = Span::styled(format!(" {title} "), Look::strong());
    Block::new().borders(Borders::TOP).border_style(look.faint()).title(title)
}
