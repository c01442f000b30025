//! The HTTP contract over the fleet. Sees neither workers nor the journal.
//!
//! * [`routes`]: which path leads where, 404 and 405 included.
//! * [`server`]: the accept loop: limits, timeouts, the ordered stop.
//! * [`body`]: reads a request's body within bounds of size and time.
//! * [`messages`]: `POST /messages`; [`bulk`] for many at a time.
//! * [`rockets`]: `GET /rockets` and `GET /rockets/{id}`.
//! * [`missions`]: `GET /missions` and `GET /missions/{mission}`.
//! * [`listing`]: query parameters, pages and streams, shared by the two above.
//! * [`etag`]: entity tags, and the 304 that they allow.
//! * [`cursor`]: the opaque position at which the next page starts.
//! * [`problem`]: errors, and the one table from errors to status codes.

pub mod body;
pub mod bulk;
pub mod cursor;
pub mod etag;
pub mod head;
pub mod listing;
pub mod messages;
pub mod missions;
pub mod problem;
pub mod rockets;
pub mod routes;
pub mod server;
