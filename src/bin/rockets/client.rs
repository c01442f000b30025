//! Owns connections: the target, opening, reuse, time-outs, what an answer
//! means. Does not own what is sent again and when (`outbox`).

use std::fmt;
use std::path::Path;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper::client::conn::http1::{self, SendRequest};
use hyper::header::{
    ACCEPT, AUTHORIZATION, CONTENT_TYPE, HOST, HeaderMap, HeaderValue, USER_AGENT,
};
use hyper::{Method, Request, Response, Uri};
use hyper_util::rt::TokioIo;
use serde::Deserialize;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::failure::Failure;
use crate::tls::Trust;
use crate::token::Token;

/// Error replies are read up to here, for their text.
const LONGEST_ERROR: usize = 64 * 1024;
/// And quoted up to here.
const LONGEST_DETAIL: usize = 300;
/// What a service says of the lines of a request is read up to here.
const LONGEST_VERDICT: usize = 1 << 20;

/// Where requests go: an `http://` or `https://` URL in parts, and what they show there.
#[derive(Clone, Debug)]
pub struct Target {
    typed: String,
    host: String,
    port: u16,
    authority: HeaderValue,
    path: Uri,
    token: Option<Token>,
    is_https: bool,
    /// Whom an `https://` URL needs.
    trust: Option<Trust>,
}

impl Target {
    /// Parses `http://host[:port][/path]`, or the same with `https`.
    ///
    /// # Errors
    /// A line that says what is wrong with the URL.
    pub fn parse(typed: &str) -> Result<Self, String> {
        let hint = "expected an http:// URL such as http://localhost:8088/messages";
        let uri: Uri = typed.parse().map_err(|_| hint)?;
        let (Some(scheme @ ("http" | "https")), Some(authority)) =
            (uri.scheme_str(), uri.authority())
        else {
            return Err(hint.into());
        };
        let is_https = scheme == "https";
        if authority.as_str().contains('@') {
            return Err("a user name in the URL is not supported".into());
        }
        // A port that is no port number is not reported, only missing.
        let has_port = authority.as_str().len() > authority.host().len();
        if authority.host().is_empty() || (has_port && authority.port().is_none()) {
            return Err(hint.into());
        }
        let path = uri.path_and_query().map_or("/", |path| path.as_str());
        Ok(Self {
            typed: typed.to_owned(),
            // An IPv6 address is in brackets in a URL, but not for a resolver.
            host: authority.host().trim_matches(['[', ']']).to_owned(),
            port: authority.port_u16().unwrap_or(if is_https { 443 } else { 80 }),
            authority: HeaderValue::from_str(authority.as_str()).map_err(|_| hint)?,
            path: path.parse().map_err(|_| hint)?,
            token: None,
            is_https,
            trust: None,
        })
    }

    /// The same, where requests carry a token, or none.
    pub fn bearing(self, token: Option<Token>) -> Self {
        Self { token, ..self }
    }

    /// The same, trusting whom `file` names, which `https` needs and nothing else.
    ///
    /// # Errors
    /// A line that says what is wrong.
    pub fn trusting(self, file: Option<&Path>) -> Result<Self, String> {
        match (self.is_https, file) {
            (true, None) => Err("an https:// URL needs --ca-file, whom to trust".into()),
            (false, Some(_)) => Err("--ca-file is for https:// URLs".into()),
            (_, file) => Ok(Self { trust: file.map(Trust::of).transpose()?, ..self }),
        }
    }

    /// Another path of the same origin.
    pub fn sibling(&self, path: &'static str) -> Self {
        let scheme = if self.is_https { "https" } else { "http" };
        let authority = self.authority.to_str().expect("made from a text");
        Self {
            typed: format!("{scheme}://{authority}{path}"),
            path: Uri::from_static(path),
            ..self.clone()
        }
    }

    fn headers(&self) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(HOST, self.authority.clone());
        let agent = concat!("rockets/", env!("CARGO_PKG_VERSION"));
        headers.insert(USER_AGENT, HeaderValue::from_static(agent));
        headers.extend(self.token.iter().map(|token| (AUTHORIZATION, token.header())));
        headers
    }

    /// Tries every address the name resolves to, IPv4 and IPv6.
    async fn connect(&self) -> Result<SendRequest<Full<Bytes>>, Failure> {
        let stream =
            TcpStream::connect((self.host.as_str(), self.port)).await.map_err(Failure::Connect)?;
        stream.set_nodelay(true).map_err(Failure::Connect)?;
        match &self.trust {
            None => speak(stream).await,
            Some(trust) => {
                speak(trust.connect(&self.host, stream).await.map_err(Failure::Connect)?).await
            }
        }
    }
}

/// Speaks HTTP over what is connected.
async fn speak(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
) -> Result<SendRequest<Full<Bytes>>, Failure> {
    let (sender, connection) =
        http1::handshake(TokioIo::new(stream)).await.map_err(Failure::closed)?;
    tokio::spawn(async move {
        // Whoever waits for an answer learns of the failure too.
        if let Err(error) = connection.await {
            tracing::debug!(%error, "connection ended");
        }
    });
    Ok(sender)
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.typed)
    }
}

/// What a request carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// One message.
    Message,
    /// Any number of messages, one a line.
    Lines,
}

/// The lines that were not accepted, of a request that was.
#[derive(Debug, Default, Deserialize)]
pub struct Rejected {
    #[serde(rename = "rejected")]
    count: u64,
    /// The first ones of them, in order.
    errors: Vec<RejectedLine>,
}

#[derive(Debug, Deserialize)]
struct RejectedLine {
    line: u64,
    error: String,
    #[serde(default)]
    retry: bool,
}

impl Rejected {
    /// Why a line, counted from 1, was not accepted, if it was not.
    pub fn failure(&self, line: u64) -> Option<Failure> {
        if self.count == 0 {
            return None;
        }
        if let Ok(at) = self.errors.binary_search_by_key(&line, |error| error.line) {
            let RejectedLine { error, retry, .. } = &self.errors[at];
            return Some(Failure::LineRejected { detail: error.clone(), retry: *retry });
        }
        // Behind the last one that is named, any line may be one of the rest.
        let named = self.errors.len() as u64;
        let last = self.errors.last().map_or(0, |error| error.line);
        (named < self.count && line > last).then_some(Failure::Unsaid)
    }
}

/// One keep-alive connection, opened when first needed and again after a
/// failure.
pub struct Client {
    target: Target,
    headers: HeaderMap,
    time_out: Duration,
    form: Form,
    live: Option<SendRequest<Full<Bytes>>>,
}

impl Client {
    pub fn new(target: Target, time_out: Duration, form: Form) -> Self {
        let mut headers = target.headers();
        // No `Accept`: the challenge's launcher sends none either.
        let media = match form {
            Form::Message => "application/json",
            Form::Lines => "application/x-ndjson",
        };
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(media));
        Self { target, headers, time_out, form, live: None }
    }

    /// Posts one body. `Ok` means the server answered 2xx; of several lines some
    /// may be rejected all the same.
    ///
    /// # Errors
    /// Anything else, connecting included.
    pub async fn post(&mut self, body: Bytes) -> Result<Rejected, Failure> {
        // A connection is put back only after a complete exchange, so one that
        // timed out is dropped here.
        let live = self.live.take();
        let (live, result) = timeout(self.time_out, self.exchange(live, body))
            .await
            .unwrap_or((None, Err(Failure::TimedOut(self.time_out))));
        self.live = live;
        result
    }

    async fn exchange(
        &self,
        live: Option<SendRequest<Full<Bytes>>>,
        body: Bytes,
    ) -> (Option<SendRequest<Full<Bytes>>>, Result<Rejected, Failure>) {
        let mut kept = None;
        if let Some(mut sender) = live
            && sender.ready().await.is_ok()
        {
            kept = Some(sender);
        }
        let reused = kept.is_some();
        let mut sender = match kept {
            Some(sender) => sender,
            None => match self.target.connect().await {
                Ok(sender) => sender,
                Err(failure) => return (None, Err(failure)),
            },
        };
        let mut request = Request::new(Full::new(body));
        *request.method_mut() = Method::POST;
        *request.uri_mut() = self.target.path.clone();
        *request.headers_mut() = self.headers.clone();
        let Ok(response) = sender.send_request(request).await else {
            return (None, Err(Failure::Closed { reused }));
        };
        if response.status().is_success() && self.form == Form::Lines {
            let body = Limited::new(response.into_body(), LONGEST_VERDICT).collect().await;
            let said = body.ok().and_then(|body| serde_json::from_slice(&body.to_bytes()).ok());
            (Some(sender), said.ok_or(Failure::Unsaid))
        } else if response.status().is_success() {
            let mut body = response.into_body();
            while let Some(frame) = body.frame().await {
                if frame.is_err() {
                    // The status line came through: acknowledged all the same.
                    return (None, Ok(Rejected::default()));
                }
            }
            (Some(sender), Ok(Rejected::default()))
        } else {
            let failure = refusal(response).await;
            (Some(sender), Err(failure))
        }
    }
}

/// Opens a connection of its own for one `GET`, and waits up to `time_out` for
/// the answer to begin.
///
/// # Errors
/// Anything but an answer of 2xx.
pub async fn get(target: &Target, time_out: Duration) -> Result<Incoming, Failure> {
    let exchange = async {
        let mut sender = target.connect().await?;
        let mut request = Request::new(Full::new(Bytes::new()));
        *request.uri_mut() = target.path.clone();
        *request.headers_mut() = target.headers();
        let json = HeaderValue::from_static("application/json");
        request.headers_mut().insert(ACCEPT, json);
        let response = sender.send_request(request).await.map_err(Failure::closed)?;
        if response.status().is_success() {
            Ok(response.into_body())
        } else {
            Err(refusal(response).await)
        }
    };
    timeout(time_out, exchange).await.unwrap_or(Err(Failure::TimedOut(time_out)))
}

async fn refusal(response: Response<Incoming>) -> Failure {
    let status = response.status();
    let body = Limited::new(response.into_body(), LONGEST_ERROR).collect().await;
    // The status counts; of a body that cannot be read there is nothing to say.
    let detail = body.map(|body| detail(&body.to_bytes())).unwrap_or_default();
    Failure::Answered { status, detail }
}

/// What a problem document says, or else the start of whatever was sent.
fn detail(body: &[u8]) -> String {
    let text = serde_json::from_slice::<serde_json::Value>(body)
        .ok()
        .and_then(|problem| {
            ["detail", "error", "title"]
                .iter()
                .find_map(|key| problem.get(key)?.as_str().map(str::to_owned))
        })
        .unwrap_or_else(|| String::from_utf8_lossy(body).into_owned());
    let words: Vec<&str> = text.split_whitespace().collect();
    words.join(" ").chars().take(LONGEST_DETAIL).collect()
}

#[cfg(test)]
mod tests {
    use hyper::StatusCode;

    use super::*;

    #[test]
    fn urls() {
        let target = Target::parse("http://localhost:8088/messages?x=1").unwrap();
        assert_eq!((target.host.as_str(), target.port), ("localhost", 8088));
        assert_eq!(target.path, "/messages?x=1");
        assert_eq!(target.authority, "localhost:8088");
        let rockets = target.sibling("/rockets");
        assert_eq!(rockets.to_string(), "http://localhost:8088/rockets");
        let target = Target::parse("http://[::1]:80").unwrap();
        assert_eq!((target.host.as_str(), target.port), ("::1", 80));
        assert_eq!(target.path, "/");
        assert_eq!(Target::parse("http://example.com/").unwrap().port, 80);
        let target = Target::parse("https://localhost/messages").unwrap();
        assert_eq!(target.port, 443);
        assert_eq!(target.sibling("/rockets").to_string(), "https://localhost/rockets");
        assert!(target.trusting(None).unwrap_err().contains("--ca-file"));
        for typed in [
            "",
            "localhost",
            "localhost:8088/messages",
            "/messages",
            "ftp://localhost/",
            "http://",
            "http://:80/",
            "http://localhost:99999/",
            "http://localhost:/",
            "http://user@localhost/",
        ] {
            assert!(Target::parse(typed).is_err(), "{typed}");
        }
    }

    #[test]
    fn a_problem_is_quoted_by_its_detail() {
        let cases: [(&[u8], &str); 5] = [
            (br#"{"title":"t","detail":"inbox full"}"#, "inbox full"),
            (br#"{"error":"bad number"}"#, "bad number"),
            (b"plain\n text", "plain text"),
            (b"[1]", "[1]"),
            (b"", ""),
        ];
        for (body, text) in cases {
            assert_eq!(detail(body), text);
        }
    }

    #[test]
    fn a_refusal_because_of_load_is_not_permanent() {
        let permanent = |status: u16| {
            let status = StatusCode::from_u16(status).unwrap();
            let detail = String::new();
            Failure::Answered { status, detail }.is_permanent()
        };
        for status in [301, 400, 401, 404, 405, 413, 415, 422] {
            assert!(permanent(status), "{status}");
        }
        for status in [408, 425, 429, 500, 502, 503, 504] {
            assert!(!permanent(status), "{status}");
        }
        assert!(!Failure::TimedOut(Duration::ZERO).is_permanent());
    }
}
