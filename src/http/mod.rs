//! The HTTP contract over the fleet. Sees neither workers nor the journal.
//!
//! * [`routes`]: the one table of which path leads where.
//! * [`dispatch`]: from a request to its handler, or to 404 and 405.
//! * [`context`]: what handlers hold; [`respond`]: how they answer.
//! * [`places`]: who is served when connections run short; [`descriptors`]: open files.
//! * [`access`]: which requests are admitted, by their hosts, origins and tokens.
//! * [`server`]: the accept loop: limits, time-outs, the ordered stop.
//! * [`socket`]: a connection's socket: reads, writes and the close; [`client`]: its client.
//! * [`deadline`]: waiting for deadlines, with one timer for each connection, its [`alarm`].
//! * [`tls`]: certificates, and the handshake between a socket and what is served on it;
//!   [`transport`]: what HTTP is spoken over then.
//! * [`origin`]: where a client comes from; [`forwarded`]: the same by a proxy's word.
//! * [`fairness`]: what one client may take; [`rate`]: how much it may send.
//! * [`requests`]: a line of the log for each request, for those who ask for it.
//! * [`unread`]: answers to requests whose body was not read; [`unsent`]: what answers hold.
//! * [`post_headers`]: what the headers of a `POST /messages` say.
//! * [`media`]: lists in headers, with parameters and weights.
//! * [`framing`]: requests whose end others might see elsewhere.
//! * [`body`]: reads a request's body within bounds of size and time.
//! * [`codings`], [`decoder`], [`encoding`]: bodies that come compressed;
//!   [`compression`]: answers that go so; [`elsewhere`]: on which threads.
//! * [`pace`]: how fast a body must come; [`held`]: what unfinished bodies hold;
//!   [`turns`]: turns that are dealt out by address.
//! * [`messages`]: `POST /messages`; [`bulk`] for many at a time, in a [`bulk_turn`].
//! * [`peek`], [`elements`]: whether a body is an array of them, and what is in it.
//! * [`rockets`]: `GET /rockets` and `GET /rockets/{id}`; [`history`]: what became of one.
//! * [`missions`]: `GET /missions` and `GET /missions/{mission}`; [`mission_figures`]: with
//!   `detail`.
//! * [`gaps`]: `GET /gaps`, and `POST /gaps/{id}/skip`.
//! * [`reading`]: which file is being read at the start.
//! * [`events`]: `GET /events`; [`event_id`]: how far a subscriber has read.
//! * [`checkpoint`]: `GET /cluster/checkpoint`.
//! * [`readiness`]: `GET /readyz` and `GET /livez`.
//! * [`metrics`]: `GET /metrics`; [`figures`]: what is counted for it; [`process`]: what
//!   the system says of this process.
//! * [`index`]: `GET /`; [`ui`]: the page there for browsers, and its files.
//! * [`openapi`]: `GET /openapi.json`; [`docs`]: the same as a page.
//! * [`listener`]: addresses and sockets, and the connections that come in there;
//!   [`inherited`]: sockets that a service manager has bound.
//! * [`listing`]: query parameters and streams, shared by rockets and missions.
//! * [`page`]: one page of a listing; [`making`], [`joint`]: made for all who ask at the same time;
//!   [`kept`]: kept for who takes it a little old; [`renewal`]: made anew for them.
//! * [`etag`]: entity tags, and the 304 that they allow.
//! * [`cursor`]: the opaque position at which the next page starts.
//! * [`connections`]: the live connections, and which of them a stop cuts.
//! * [`problem`]: errors, and the one table from errors to status codes.

pub mod access;
pub mod alarm;
pub mod body;
pub mod bulk;
pub mod bulk_turn;
pub mod checkpoint;
pub mod client;
pub mod codings;
pub mod compression;
pub mod connections;
pub mod context;
pub mod cursor;
pub mod deadline;
pub mod decoder;
pub mod descriptors;
pub mod dispatch;
pub mod docs;
pub mod elements;
pub mod elsewhere;
pub mod encoding;
pub mod etag;
pub mod event_id;
pub mod events;
pub mod fairness;
pub mod figures;
pub mod forwarded;
pub mod framing;
pub mod gaps;
pub mod held;
pub mod history;
pub mod index;
pub mod inherited;
pub mod joint;
pub mod kept;
pub mod listener;
pub mod listing;
pub mod making;
pub mod media;
pub mod messages;
pub mod metrics;
pub mod mission_figures;
pub mod missions;
pub mod openapi;
pub mod origin;
pub mod pace;
pub mod page;
pub mod peek;
pub mod pieces;
pub mod places;
pub mod post_headers;
pub mod problem;
pub mod process;
pub mod rate;
pub mod readiness;
pub mod reading;
pub mod renewal;
pub mod requests;
pub mod respond;
pub mod rockets;
pub mod routes;
pub mod server;
pub mod socket;
pub mod stream;
pub mod tls;
pub mod transport;
pub mod turns;
pub mod ui;
pub mod unread;
pub mod unsent;
