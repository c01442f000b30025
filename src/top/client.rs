//! Owns the requests to the service and why they fail, in words for whoever looks
//! on. Does not own when it is asked, and what (`feed`, `poll`).

use std::fmt;
use std::io;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Collected, Empty, Limited};
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper::header::{
    ACCEPT, AUTHORIZATION, CACHE_CONTROL, HOST, HeaderValue, RETRY_AFTER, USER_AGENT,
};
use hyper::{Request, Response, StatusCode, Uri};
use hyper_util::rt::TokioIo;
use serde::de::DeserializeOwned;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::tls::Trust;

/// The longest wait for the head of an answer, and then for all of a listing.
const PATIENCE: Duration = Duration::from_secs(5);
/// Listings and complaints are read up to here.
const LONGEST_ANSWER: usize = 4 << 20;
const LONGEST_COMPLAINT: usize = 64 << 10;

/// Where a service is, and what it is shown.
#[derive(Clone)]
pub struct Service {
    /// As it was typed.
    pub url: String,
    host: String,
    port: u16,
    authority: HeaderValue,
    /// In front of every path, without a slash at its end.
    prefix: String,
    token: Option<HeaderValue>,
    trust: Option<Trust>,
}

/// Why there is no answer.
#[derive(Debug)]
pub enum Trouble {
    Connect(io::Error),
    TimedOut,
    Closed,
    /// The service said that it ends it, and why.
    Goodbye(String),
    /// What came is not what was asked for.
    Unreadable(String),
    Answered {
        status: StatusCode,
        detail: String,
        retry_after: Option<Duration>,
    },
}

impl Trouble {
    pub fn status(&self) -> Option<StatusCode> {
        match self {
            Self::Answered { status, .. } => Some(*status),
            _ => None,
        }
    }
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Connect(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
                f.write_str("nobody listens there (connection refused)")
            }
            Self::Connect(error) => write!(f, "cannot connect: {error}"),
            Self::TimedOut => write!(f, "no answer within {} seconds", PATIENCE.as_secs()),
            Self::Closed => f.write_str("the connection was closed"),
            Self::Goodbye(reason) => write!(f, "the service says goodbye: {reason}"),
            Self::Unreadable(what) => write!(f, "unexpected answer: {what}"),
            Self::Answered { status: StatusCode::UNAUTHORIZED, .. } => {
                f.write_str("a token is asked for (401); see --token-file")
            }
            Self::Answered { status, detail, .. } if detail.is_empty() => {
                write!(f, "answered {status}")
            }
            Self::Answered { status, detail, .. } => {
                write!(f, "{detail} ({})", status.as_u16())
            }
        }
    }
}

impl Service {
    /// Parses `http://host[:port][/prefix]`, or the same with `https`.
    ///
    /// # Errors
    /// A line that says what is expected.
    pub fn parse(
        typed: &str,
        token: Option<HeaderValue>,
        trust: Option<Trust>,
    ) -> Result<Self, String> {
        let hint = || format!("expected a URL such as http://localhost:8088, found {typed:?}");
        let uri: Uri = typed.parse().map_err(|_| hint())?;
        let (Some(scheme @ ("http" | "https")), Some(authority)) =
            (uri.scheme_str(), uri.authority())
        else {
            return Err(hint());
        };
        match (scheme, &trust) {
            ("https", None) => {
                return Err("an https:// URL needs --ca-file, whom to trust".to_owned());
            }
            ("http", Some(_)) => return Err("--ca-file is for https:// URLs".to_owned()),
            _ => {}
        }
        let has_port = authority.as_str().len() > authority.host().len();
        if authority.host().is_empty()
            || authority.as_str().contains('@')
            || (has_port && authority.port().is_none())
            || uri.query().is_some()
        {
            return Err(hint());
        }
        Ok(Self {
            url: typed.to_owned(),
            host: authority.host().trim_matches(['[', ']']).to_owned(),
            port: authority.port_u16().unwrap_or(if scheme == "https" { 443 } else { 80 }),
            authority: HeaderValue::from_str(authority.as_str()).map_err(|_| hint())?,
            prefix: uri.path().trim_end_matches('/').to_owned(),
            token,
            trust,
        })
    }

    /// Asks on a connection of its own, and waits for the head of an answer of 2xx.
    ///
    /// # Errors
    /// Anything else.
    pub async fn ask(
        &self,
        target: &str,
        accept: &'static str,
    ) -> Result<Response<Incoming>, Trouble> {
        let exchange = async {
            let stream = TcpStream::connect((self.host.as_str(), self.port));
            let stream = stream.await.map_err(Trouble::Connect)?;
            match &self.trust {
                None => self.exchange(stream, target, accept).await,
                Some(trust) => {
                    let stream = trust.connect(&self.host, stream).await;
                    self.exchange(stream.map_err(Trouble::Connect)?, target, accept).await
                }
            }
        };
        timeout(PATIENCE, exchange).await.unwrap_or(Err(Trouble::TimedOut))
    }

    async fn exchange(
        &self,
        stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
        target: &str,
        accept: &'static str,
    ) -> Result<Response<Incoming>, Trouble> {
        let handshake = http1::handshake::<_, Empty<Bytes>>(TokioIo::new(stream));
        let (mut sender, connection) = handshake.await.map_err(|_| Trouble::Closed)?;
        // Whoever waits for the answer learns of what goes wrong.
        tokio::spawn(async move { drop(connection.await) });
        let mut request = Request::new(Empty::new());
        let path = format!("{}{target}", self.prefix);
        let path = path.parse().map_err(|_| Trouble::Unreadable(format!("no path: {path}")))?;
        *request.uri_mut() = path;
        let headers = request.headers_mut();
        headers.insert(HOST, self.authority.clone());
        let agent = concat!("downlink-top/", env!("CARGO_PKG_VERSION"));
        headers.insert(USER_AGENT, HeaderValue::from_static(agent));
        headers.insert(ACCEPT, HeaderValue::from_static(accept));
        // What another reader has just been given will do.
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("max-age=2"));
        headers.extend(self.token.iter().map(|token| (AUTHORIZATION, token.clone())));
        let response = sender.send_request(request).await.map_err(|_| Trouble::Closed)?;
        if response.status().is_success() { Ok(response) } else { Err(complaint(response).await) }
    }

    /// Reads a listing, and how many there are in all.
    ///
    /// # Errors
    /// When there is none, or it is not what was expected.
    pub async fn list<T: DeserializeOwned>(&self, target: &str) -> Result<(Vec<T>, u64), Trouble> {
        let response = self.ask(target, "application/json").await?;
        let total = response.headers().get("x-total-count");
        let total = total.and_then(|total| total.to_str().ok()?.parse().ok());
        let body = Limited::new(response.into_body(), LONGEST_ANSWER).collect();
        let body = timeout(PATIENCE, body).await.map_err(|_| Trouble::TimedOut)?;
        let body = body.map_err(|error| Trouble::Unreadable(error.to_string()))?.to_bytes();
        let list: Vec<T> = serde_json::from_slice(&body)
            .map_err(|error| Trouble::Unreadable(error.to_string()))?;
        let total = total.unwrap_or(list.len() as u64);
        Ok((list, total))
    }
}

/// What a problem document says, or nothing.
async fn complaint(response: Response<Incoming>) -> Trouble {
    let status = response.status();
    let seconds = response.headers().get(RETRY_AFTER);
    let seconds = seconds.and_then(|seconds| seconds.to_str().ok()?.parse().ok());
    let body = Limited::new(response.into_body(), LONGEST_COMPLAINT).collect().await;
    let body = body.map(Collected::to_bytes).unwrap_or_default();
    let problem: serde_json::Value = serde_json::from_slice(&body).unwrap_or_default();
    let text = |key: &str| problem[key].as_str().map(str::to_owned);
    let detail = text("detail").or_else(|| text("title")).unwrap_or_default();
    Trouble::Answered { status, detail, retry_after: seconds.map(Duration::from_secs) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls() {
        let parse = |typed: &str| Service::parse(typed, None, None);
        let service = parse("http://localhost:8088").ok().unwrap();
        assert_eq!((service.host.as_str(), service.port), ("localhost", 8088));
        assert_eq!(service.prefix, "");
        let service = parse("http://[::1]/fleet/").ok().unwrap();
        assert_eq!((service.host.as_str(), service.port), ("::1", 80));
        assert_eq!(service.prefix, "/fleet");
        for bad in ["", "localhost:8088", "ftp://a/", "http://u@a/", "http://a:x/", "http://a/?b"] {
            assert!(parse(bad).is_err_and(|error| error.contains("http://localhost")), "{bad}");
        }
        assert!(parse("https://a/").is_err_and(|error| error.contains("--ca-file")));
    }
}
