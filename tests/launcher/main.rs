//! The `rockets` binary against a stub service: what it sends, how it insists,
//! what it finds when it verifies.

#![allow(clippy::unwrap_used, reason = "a test may end by a panic")]

mod arguments;
mod bulk;
mod insisting;
mod over_tls;
mod plotting;
mod replaying;
mod sending;
mod service;
mod several;
mod stub;
mod verifying;
