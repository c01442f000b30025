//! Downlink receives telemetry from a fleet of rockets, puts each rocket's
//! messages in order, applies each once, and serves the fleet's state.
//!
//! # Layout
//!
//! Imports point one way: `bin -> app -> http -> fleet -> telemetry`, and
//! `app -> fleet -> journal -> telemetry`. The launcher (`src/bin/rockets`) is no
//! part of the library: it reaches the service only over HTTP.
//!
//! * [`config`]: what was typed, and what is valid.
//! * [`tool`]: the subcommands that are not the service.
//! * [`app`]: wires everything, starts it and stops it in order.
//! * [`http`]: the HTTP contract: routes, errors, the accept loop.
//! * [`fleet`]: ownership: partitions, their inboxes and workers, queries.
//! * [`journal`]: the seam to what makes accepted messages durable.
//! * [`telemetry`]: the domain: messages, their order, a rocket's state.
//! * [`logging`]: log lines, which never stall or end what works.
//! * [`top`]: `downlink top`, which reads a service over HTTP and names nothing of it.

pub mod app;
pub mod config;
pub mod fleet;
pub mod http;
pub mod journal;
pub mod logging;
pub mod telemetry;
pub mod tool;
pub mod top;
