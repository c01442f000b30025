//! Downlink receives telemetry from a fleet of rockets, puts each rocket's
//! messages in order, applies each once, and serves the fleet's state.
//!
//! # Layout
//!
//! Imports point one way: `bin -> app -> http -> fleet -> telemetry`, and
//! `app -> fleet -> journal -> telemetry`. The launcher reaches the service
//! only over HTTP.
//!
//! * [`launcher`]: the load generator and checker behind the `rockets` binary.

#![forbid(unsafe_code)]

pub mod launcher;
