//! Owns the terminal: taking it over and giving it back, whatever happens, and the
//! keys that are pressed. Does not own what is drawn (`view`) or what keys mean
//! (`keys`).

use std::io::{self, IsTerminal};
use std::thread;

use ratatui::DefaultTerminal;
use ratatui::crossterm::event::{self, Event};
use ratatui::crossterm::terminal;
use tokio::sync::mpsc::{self, Receiver};

/// Keys that may wait. More are pressed by nobody, and the reader waits then.
const KEYS: usize = 64;

/// A terminal that is ours until this is dropped.
pub struct Taken(pub DefaultTerminal);

impl Taken {
    /// Takes it over. A panic gives it back before it is told.
    ///
    /// # Errors
    /// When there is none, or it cannot be taken over.
    pub fn take() -> io::Result<Self> {
        if !io::stdout().is_terminal() {
            return Err(io::Error::other(
                "standard output is not a terminal; see --once and --json",
            ));
        }
        ratatui::try_init().map(Self)
    }
}

impl Drop for Taken {
    fn drop(&mut self) {
        // One that is gone needs nothing back.
        drop(ratatui::try_restore());
    }
}

/// What happens on the terminal, until there is none any more.
pub fn events() -> Receiver<Event> {
    let (sender, events) = mpsc::channel(KEYS);
    // Ends with the process, as it waits for a key.
    thread::spawn(move || {
        while let Ok(event) = event::read() {
            if sender.blocking_send(event).is_err() {
                return;
            }
        }
    });
    events
}

/// Columns and rows, if there is a terminal.
pub fn size() -> Option<(u16, u16)> {
    if !io::stdout().is_terminal() {
        return None;
    }
    terminal::size().ok().filter(|&(columns, rows)| columns > 0 && rows > 0)
}
