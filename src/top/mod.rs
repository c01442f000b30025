//! `downlink top`: what a service does, on a terminal or as lines of JSON. A thin
//! reader over HTTP, which shares nothing with the service but the program's file.
//!
//! Owns the parts put together. Does not own what the service says of itself.
//!
//! * [`arguments`] - what may be typed
//! * `client`, `tls` - requests, and why they fail
//! * `asking` - those who ask: `feed` for the events, `poll` for the table and for
//!   who waits
//! * `model` - what is known, and what was asked
//! * `view`, `fleet_table`, `look`, `text` - the picture
//! * `keys`, `terminal` - what is pressed, and where
//! * `printed` - what goes to standard output for scripts

pub mod arguments;
mod asking;
mod client;
mod feed;
mod fleet_table;
mod keys;
mod look;
mod model;
mod poll;
mod printed;
mod terminal;
mod text;
mod tls;
mod view;

use std::ffi::OsString;
use std::io::{self, Write};
use std::process::ExitCode;
use std::time::Duration;

use ratatui::crossterm::event::Event;
use time::OffsetDateTime;
use tokio::signal::unix::{SignalKind, signal};
use tokio::time::{MissedTickBehavior, interval};

use arguments::Arguments;
use asking::Asking;
use client::Service;
use keys::Then;
use look::Look;
use model::Model;

/// How often it is painted at most.
const PAINT: Duration = Duration::from_millis(250);

/// Reads what stands behind `downlink`, of which `top` is the first, and runs.
#[must_use]
pub fn main(behind: impl IntoIterator<Item = OsString>) -> ExitCode {
    match Arguments::parse(behind) {
        Ok(arguments) => run(&arguments),
        Err(error) => {
            // Whoever closed it does not want to hear it.
            drop(error.print());
            ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(2))
        }
    }
}

/// Shows what a service does until somebody has seen enough, or prints it.
#[must_use]
pub fn run(arguments: &Arguments) -> ExitCode {
    let service = match arguments.service() {
        Ok(service) => service,
        Err(mistake) => return failed(&mistake, 2),
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let result = runtime.map(|runtime| {
        let result = runtime.block_on(async {
            if arguments.json || arguments.once {
                printed::print(arguments, service).await
            } else {
                show(arguments, service).await
            }
        });
        runtime.shutdown_background();
        result
    });
    match result.flatten() {
        Ok(()) => ExitCode::SUCCESS,
        // Who reads no further has seen enough.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        Err(error) => failed(&error.to_string(), 1),
    }
}

fn failed(why: &str, code: u8) -> ExitCode {
    drop(writeln!(io::stderr(), "downlink top: {why}"));
    ExitCode::from(code)
}

async fn show(arguments: &Arguments, service: Service) -> io::Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut hangup = signal(SignalKind::hangup())?;
    let look = Look { has_colour: !arguments.no_color };
    let mut model = Model::new(service.url.clone(), arguments.question());
    let mut asking = Asking::begin(&service, model.question.clone());
    let mut terminal = terminal::Taken::take()?;
    let mut events = terminal::events();
    let mut paint = interval(PAINT);
    paint.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        let mut is_pressed = false;
        tokio::select! {
            update = asking.next() => model.take(update),
            event = events.recv() => match event {
                None => return Ok(()),
                Some(event) => {
                    is_pressed = true;
                    if let Event::Key(key) = event && keys::press(&mut model, key) == Then::End {
                        return Ok(());
                    }
                    asking.ask(&model.question);
                }
            },
            _ = paint.tick() => is_pressed = true,
            _ = terminate.recv() => return Ok(()),
            _ = interrupt.recv() => return Ok(()),
            _ = hangup.recv() => return Ok(()),
        }
        if is_pressed {
            let now = OffsetDateTime::now_utc();
            terminal.0.draw(|frame| view::draw(frame, &model, look, now))?;
        }
    }
}
