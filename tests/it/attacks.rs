//! What an attacker sends over raw sockets, against the real binary. After each
//! attack it answers, and its memory and open files are back where they were.
//!
//! Owns the attacks and what they must not leave behind. Does not own what a
//! single odd client gets to see (`connections`, `early_answers`, `slow_bodies`,
//! `silent_readers`, `few_places`).
//!
//! Everything names the host `localhost`, as a client on this machine does.

/// One valid request, cut off at every byte.
mod cuts;
/// Many clients at once, and one after the other.
mod floods;
/// Where a request ends, and what hides behind the end: one row for each form.
mod framing;
/// The rows of `framing`.
mod framing_rows;
/// What is no handshake where TLS is spoken, or has no end.
mod handshakes;
/// Requests as large as they may be, and larger.
mod heads;
/// What nobody has listed.
mod oddities;
/// Many requests at once, and one among them that is none.
mod pipelines;
/// Whole exchanges over a raw socket.
mod raw;
/// What is asked for, of whom, and in which protocol.
mod targets;
/// Clients that send a byte now and then.
mod trickle;
/// The service under attack, and what it holds.
mod victim;
