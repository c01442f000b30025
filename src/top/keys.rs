//! Owns what each key does. Does not own where keys come from (`terminal`).

use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyEventKind, KeyModifiers};

use super::model::{FilterKind, Mode, Model, SORTS};

/// Longer than any ID and any mission.
const LONGEST_FILTER: usize = 256;
const PAGE: usize = 10;

/// Whether it goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Then {
    GoOn,
    End,
}

/// Does what a key means where things stand.
pub fn press(model: &mut Model, key: KeyEvent) -> Then {
    if key.kind == KeyEventKind::Release {
        return Then::GoOn;
    }
    if key.modifiers.contains(KeyModifiers::CONTROL) && key.code == KeyCode::Char('c') {
        return Then::End;
    }
    match std::mem::replace(&mut model.mode, Mode::Looking) {
        Mode::Helping => Then::GoOn,
        Mode::Typing { kind, text } => {
            typed(model, kind, text, key);
            Then::GoOn
        }
        Mode::Looking => looked(model, key.code),
    }
}

fn looked(model: &mut Model, code: KeyCode) -> Then {
    match code {
        KeyCode::Char('q') => return Then::End,
        KeyCode::Char('?' | 'h') => model.mode = Mode::Helping,
        KeyCode::Char('s') => {
            model.question.sort = (model.question.sort + 1) % SORTS.len();
            model.select(0);
        }
        KeyCode::Char('S') => {
            model.question.sort = (model.question.sort + SORTS.len() - 1) % SORTS.len();
            model.select(0);
        }
        KeyCode::Char('r') => {
            model.question.descending ^= true;
            model.select(0);
        }
        KeyCode::Char('/') => {
            let (kind, text) = match &model.question.filter {
                Some((kind, text)) => (*kind, text.clone()),
                None => (FilterKind::Mission, String::new()),
            };
            model.mode = Mode::Typing { kind, text };
        }
        KeyCode::Esc => model.question.ask_for_all(),
        KeyCode::Down | KeyCode::Char('j') => model.select(model.selected + 1),
        KeyCode::Up | KeyCode::Char('k') => model.select(model.selected.saturating_sub(1)),
        KeyCode::PageDown => model.select(model.selected + PAGE),
        KeyCode::PageUp => model.select(model.selected.saturating_sub(PAGE)),
        KeyCode::Home | KeyCode::Char('g') => model.select(0),
        KeyCode::End | KeyCode::Char('G') => model.select(usize::MAX),
        _ => {}
    }
    Then::GoOn
}

fn typed(model: &mut Model, mut kind: FilterKind, mut text: String, key: KeyEvent) {
    match key.code {
        KeyCode::Esc => return,
        KeyCode::Enter => {
            model.question.filter = (!text.is_empty()).then_some((kind, text));
            model.select(0);
            return;
        }
        KeyCode::Tab | KeyCode::BackTab => {
            kind = match kind {
                FilterKind::Mission => FilterKind::IdPrefix,
                FilterKind::IdPrefix => FilterKind::Mission,
            };
        }
        KeyCode::Char('u') if key.modifiers.contains(KeyModifiers::CONTROL) => text.clear(),
        KeyCode::Backspace => drop(text.pop()),
        KeyCode::Char(c) if text.len() + c.len_utf8() <= LONGEST_FILTER => text.push(c),
        _ => {}
    }
    model.mode = Mode::Typing { kind, text };
}

#[cfg(test)]
mod tests {
    use super::super::model::{Question, Rocket, Update};
    use super::*;

    fn model() -> Model {
        let question = Question::default();
        let mut model = Model::new("u".into(), question.clone());
        model.take(Update::Rockets(question, Ok((vec![Rocket::default(); 30], 30))));
        model
    }

    fn pressed(model: &mut Model, codes: &[KeyCode]) -> Then {
        let press = |code: &KeyCode| press(model, KeyEvent::new(*code, KeyModifiers::NONE));
        codes.iter().map(press).last().expect("at least one key")
    }

    #[test]
    fn rows_are_selected_and_sorted() {
        let mut model = model();
        pressed(&mut model, &[KeyCode::Up, KeyCode::Down, KeyCode::Down]);
        assert_eq!(model.selected, 2);
        pressed(&mut model, &[KeyCode::PageDown, KeyCode::End, KeyCode::Down]);
        assert_eq!(model.selected, 29);
        pressed(&mut model, &[KeyCode::Char('s'), KeyCode::Char('r')]);
        assert_eq!((model.question.sorted_by(), model.question.descending), ("id", true));
        assert_eq!(model.selected, 0);
        pressed(&mut model, &[KeyCode::Char('S'), KeyCode::Char('S')]);
        assert_eq!(model.question.sorted_by(), "last_update_time");
        assert_eq!(pressed(&mut model, &[KeyCode::Char('q')]), Then::End);
    }

    #[test]
    fn a_filter_is_typed_and_taken_back() {
        let mut model = model();
        pressed(&mut model, &[KeyCode::Char('/'), KeyCode::Char('q'), KeyCode::Char('x')]);
        pressed(&mut model, &[KeyCode::Backspace, KeyCode::Tab]);
        let text = "q".to_owned();
        assert_eq!(model.mode, Mode::Typing { kind: FilterKind::IdPrefix, text });
        assert_eq!(model.question.filter, None);
        pressed(&mut model, &[KeyCode::Enter]);
        assert_eq!(model.question.filter, Some((FilterKind::IdPrefix, "q".to_owned())));
        pressed(&mut model, &[KeyCode::Char('/'), KeyCode::Esc]);
        assert!(model.question.filter.is_some() && model.mode == Mode::Looking);
        model.question.conditions.push(("waiting", "true".to_owned()));
        pressed(&mut model, &[KeyCode::Esc]);
        assert!(model.question.is_of_all());
        pressed(&mut model, &[KeyCode::Char('?')]);
        assert_eq!(model.mode, Mode::Helping);
        assert_eq!(pressed(&mut model, &[KeyCode::Char('q')]), Then::GoOn);
        assert_eq!(model.mode, Mode::Looking);
        let interrupt = KeyEvent::new(KeyCode::Char('c'), KeyModifiers::CONTROL);
        assert_eq!(press(&mut model, interrupt), Then::End);
    }
}
