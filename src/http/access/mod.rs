//! Who may ask for what, as far as a request's head says: for which host it is,
//! from which page it comes, which token it has. One [`Gate`] for each set of
//! listeners, asked before anything else looks at a request. Does not own which
//! side a route is on (`routes`), nor how a refusal reads (`problem`).
//!
//! * [`authority`]: hosts and ports as requests name them.
//! * [`host`]: which hosts are served: what keeps DNS rebinding out.
//! * [`cross_origin`]: which requests come from other sites' pages.
//! * [`cors`]: which of those pages may read all the same.
//! * [`single`]: headers that a request may have once.
//! * [`tokens`]: bearer tokens; [`token_file`]: the files that they are in;
//!   [`remembered`]: the one that was good last on a connection.
//! * [`headers`]: what browsers are told of every answer.

pub mod authority;
pub mod cors;
pub mod cross_origin;
pub mod headers;
pub mod host;
pub mod remembered;
pub mod single;
pub mod token_file;
pub mod tokens;

use hyper::Request;
use tracing::warn;
use warp::http::header::{AUTHORIZATION, HOST, ORIGIN};
use warp::http::{HeaderMap, HeaderValue, Method};
use warp::reply::Response;

use self::cors::{Cors, CorsOrigin, Grant};
use self::cross_origin::{SEC_FETCH_SITE, Sender};
use self::host::{AllowedHost, Hosts};
use self::remembered::Remembered;
use self::single::Single;
use self::tokens::{Tokens, Verdict};
use super::listener::Listeners;
use super::problem::Problem;
use super::routes::{self, Scope, Side};

/// What was configured about access.
#[derive(Clone, Debug, Default)]
pub struct Access {
    /// Served besides the names of the machine itself.
    pub allowed_hosts: Vec<AllowedHost>,
    /// Whose pages may read.
    pub cors_origins: Vec<CorsOrigin>,
    /// Of senders, readers and operators.
    pub tokens: Tokens,
}

/// What decides about each request that comes in on one set of listeners.
#[derive(Debug)]
pub struct Gate {
    /// Who is beyond this machine can ask nothing, or shows a certificate.
    knows_all: bool,
    is_clear: bool,
    side: Side,
    hosts: Hosts,
    cors: Cors,
    tokens: Tokens,
}

/// What becomes of a request.
#[derive(Debug)]
pub enum Decision {
    /// The service answers it.
    Admitted,
    /// The service answers it, and the answer says whose pages may read it.
    AdmittedTo(Grant),
    /// This is the answer, whatever the body.
    Answered(Box<Response>),
}

impl Gate {
    /// For what comes in on `listeners`.
    #[must_use]
    pub fn new(access: &Access, listeners: &Listeners) -> Self {
        let is_local = listeners.are_local();
        Self {
            knows_all: listeners.know_all(),
            is_clear: !listeners.speak_tls(),
            side: Side::Only,
            hosts: Hosts::new(&access.allowed_hosts, is_local, &listeners.addresses()),
            cors: Cors::new(&access.cors_origins),
            tokens: access.tokens.clone(),
        }
    }

    /// The same, where there is this and another.
    #[must_use]
    pub fn on(self, side: Side) -> Self {
        Self { side, ..self }
    }

    /// Warns of what anybody who reaches the listeners may do, if that is not
    /// only this machine, of tokens that come to them in the clear, and of files
    /// with tokens that others can read.
    pub fn warn_of_what_is_open(&self) {
        self.tokens.warn_of_exposed_files();
        if self.is_clear && !self.knows_all && !self.tokens.are_none() {
            warn!(
                "listening beyond this machine, and tokens come in the clear: there is no \
                 --tls-cert"
            );
        }
        let open = match (self.tokens.guard(Scope::Ingest), self.tokens.guard(Scope::Read)) {
            (true, true) => return,
            (false, true) => "anybody may send messages: there is no --ingest-token-file",
            (true, false) => "anybody may read the fleet: there is no --read-token-file",
            (false, false) => {
                "anybody may send messages and read the fleet: there is neither \
                 --ingest-token-file nor --read-token-file"
            }
        };
        if !self.knows_all {
            warn!("listening beyond this machine, and {open}");
        }
    }

    /// An answer that was found before this was asked, for the page that wants to
    /// read it, if that may.
    #[must_use]
    pub fn mark<B>(&self, request: &Request<B>, answer: Response) -> Response {
        match self.grant(request.method(), request.headers().get(ORIGIN)) {
            None => answer,
            Some(grant) => grant.mark(answer),
        }
    }

    fn grant(&self, method: &Method, origin: Option<&HeaderValue>) -> Option<Grant> {
        let is_read = matches!(*method, Method::GET | Method::HEAD);
        is_read.then(|| self.cors.grant(origin)).flatten()
    }

    /// Decides by a request's head, and what the last one on its connection had.
    pub fn ask<B>(&self, request: &Request<B>, remembered: &mut Remembered) -> Decision {
        let head = Head::of(request.headers());
        let (method, uri) = (request.method(), request.uri());
        let grant = self.grant(method, head.origin);
        let refused = match self.hosts.named(request.version(), uri.authority(), &head.host) {
            Err(error) => Some(error.into()),
            Ok(host) if head.sender.is_foreign(method, head.origin, host) => {
                Some(Problem::cross_origin())
            }
            Ok(_) => {
                if let Some(answer) = self.cors.preflight(self.side, request) {
                    return Decision::Answered(Box::new(answer));
                }
                self.unauthorized((method, uri.path()), &head, remembered)
            }
        };
        match (refused, grant) {
            (None, None) => Decision::Admitted,
            (None, Some(grant)) => Decision::AdmittedTo(grant),
            (Some(problem), grant) => {
                let answer = problem.into_response();
                Decision::Answered(Box::new(match grant {
                    None => answer,
                    Some(grant) => grant.mark(answer),
                }))
            }
        }
    }

    /// What is wrong with the token of a request, if its route needs one.
    fn unauthorized(
        &self,
        (method, path): (&Method, &str),
        head: &Head<'_>,
        remembered: &mut Remembered,
    ) -> Option<Problem> {
        if self.tokens.are_none() {
            return None;
        }
        // What leads nowhere tells nothing of the fleet, and is 404 or 405.
        let scope = routes::scope(self.side, method, path)?;
        match self.tokens.judge_next(scope, &head.authorization, remembered) {
            Verdict::Granted => None,
            Verdict::Missing => Some(Problem::token_missing()),
            Verdict::Invalid => Some(Problem::token_invalid()),
            Verdict::OtherSide => Some(Problem::token_of_the_other_side(scope)),
            Verdict::Impossible => Some(Problem::no_admin_token()),
        }
    }
}

/// What decides, of a request's headers.
#[derive(Debug, Default)]
struct Head<'a> {
    host: Single<'a>,
    origin: Option<&'a HeaderValue>,
    authorization: Single<'a>,
    sender: Sender,
}

impl<'a> Head<'a> {
    /// One pass: less work than a look-up of each.
    fn of(headers: &'a HeaderMap) -> Self {
        let mut head = Self::default();
        for (name, value) in headers {
            if name == HOST {
                head.host.add(value);
            } else if name == ORIGIN {
                head.sender.tells_origin(head.origin.is_some());
                head.origin = Some(value);
            } else if name == AUTHORIZATION {
                head.authorization.add(value);
            } else if *name == SEC_FETCH_SITE {
                head.sender.tells_site(value);
            }
        }
        head
    }
}
