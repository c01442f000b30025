//! Messages as the challenge's launcher writes them, for everything here that
//! sends or reads some. Owns their JSON. Does not own which are sent when.
//!
//! Part of each program that needs it.

#![allow(dead_code, reason = "no program needs all of it")]

use std::fmt::Display;

/// What happened: the message's type and its body.
pub type Event<'a> = (&'a str, &'a str);

pub const LAUNCHED: Event<'static> =
    ("RocketLaunched", r#"{"type":"Atlas-H","launchSpeed":500,"mission":"APOLLO"}"#);
pub const FASTER: Event<'static> = ("RocketSpeedIncreased", r#"{"by":3000}"#);

const TIME: &str = "2025-04-02T09:21:50.458989221+02:00";

/// What goes before and after the number in a message.
pub struct Frame {
    pub before: String,
    pub after: String,
}

impl Frame {
    pub fn new(channel: impl Display, (kind, body): Event) -> Self {
        Self {
            before: format!(r#"{{"metadata":{{"channel":"{channel}","messageNumber":"#),
            after: format!(
                r#","messageType":"{kind}","messageTime":"{TIME}"}},"message":{body}}}"#
            ),
        }
    }

    /// The message of this number.
    pub fn message(&self, number: u64) -> String {
        format!("{}{number}{}", self.before, self.after)
    }
}

/// The channel of rocket `n` of a run.
pub fn channel(run: u32, n: u32) -> String {
    format!("{run:08x}-38fd-52e2-916f-0000{n:08x}")
}
