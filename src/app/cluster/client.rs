//! How a peer is asked for what it has stored. Owns the request, and what an answer
//! must have; does not own what is made of it (`fetch`).

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http_body_util::{BodyExt, Empty, Limited};
use hyper::body::{Body, Incoming};
use hyper::client::conn::http1;
use hyper::header::{AUTHORIZATION, HOST, HeaderValue, USER_AGENT};
use hyper::{Request, Response, StatusCode, Uri};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::terms::PeerToken;

const PATH: &str = "/cluster/checkpoint";

/// The longest wait for a connection.
const CONNECT: Duration = Duration::from_secs(5);

/// For the copy to be made, which is as long as it takes to write it, half as fast as
/// the disk can, and to read it once.
const MADE: Duration = Duration::from_secs(600);

/// Of nothing, in the middle.
const SILENCE: Duration = Duration::from_secs(30);

/// A complaint is read up to here.
const LONGEST_COMPLAINT: usize = 64 * 1024;

/// A peer's answer: a copy, as far as it says itself.
pub struct Answer {
    /// Bytes that are to come.
    pub length: u64,
    /// SHA-256 of them.
    pub digest: [u8; 32],
    body: Incoming,
}

impl Answer {
    /// The next bytes; `None` at the end.
    ///
    /// # Errors
    /// When it breaks off.
    pub async fn next(&mut self) -> Result<Option<Bytes>, String> {
        loop {
            let next = timeout(SILENCE, self.body.frame()).await;
            match next.map_err(|_| "nothing came for 30 seconds".to_owned())? {
                None if self.body.is_end_stream() => return Ok(None),
                None => return Err("it broke off".to_owned()),
                Some(Err(error)) => return Err(format!("it broke off: {error}")),
                Some(Ok(frame)) => {
                    if let Ok(bytes) = frame.into_data() {
                        return Ok(Some(bytes));
                    }
                }
            }
        }
    }
}

/// Asks the peer at `url`.
///
/// # Errors
/// Says why there is no copy.
pub async fn ask(url: &str, token: Option<&PeerToken>) -> Result<Answer, String> {
    let uri: Uri = url.parse().map_err(|_| format!("expected a URL, found {url:?}"))?;
    let authority = uri.authority().filter(|_| uri.scheme_str() == Some("http"));
    let Some(authority) = authority else {
        return Err(format!("only http:// is spoken to other nodes, and it says {url:?}"));
    };
    let host = authority.host().trim_matches(['[', ']']).to_owned();
    let connect = TcpStream::connect((host, authority.port_u16().unwrap_or(80)));
    let stream = timeout(CONNECT, connect).await.map_err(|_| "it cannot be reached".to_owned())?;
    let stream = stream.map_err(|error| format!("it cannot be reached: {error}"))?;
    let broken = |error: hyper::Error| format!("it does not answer: {error}");
    let (mut sender, connection) =
        http1::handshake::<_, Empty<Bytes>>(TokioIo::new(stream)).await.map_err(broken)?;
    // Whoever waits for the answer learns of what goes wrong.
    tokio::spawn(async move { drop(connection.await) });
    let mut request = Request::new(Empty::new());
    let target = format!("{}{PATH}", uri.path().trim_end_matches('/'));
    *request.uri_mut() = target.parse().map_err(|_| format!("no path: {target}"))?;
    let headers = request.headers_mut();
    let host = HeaderValue::from_str(authority.as_str());
    headers.insert(HOST, host.map_err(|_| format!("no host: {authority}"))?);
    let agent = concat!("downlink/", env!("CARGO_PKG_VERSION"));
    headers.insert(USER_AGENT, HeaderValue::from_static(agent));
    if let Some(token) = token {
        headers.insert(AUTHORIZATION, token.header());
    }
    let answer = timeout(MADE, sender.send_request(request)).await;
    let answer = answer.map_err(|_| "it does not answer".to_owned())?.map_err(broken)?;
    if answer.status() != StatusCode::OK {
        return Err(complaint(answer).await);
    }
    let text = |name| answer.headers().get(name).and_then(|value| value.to_str().ok());
    let length = text("content-length").and_then(|length| length.parse().ok());
    let digest = text("repr-digest").and_then(digest);
    let (Some(length), Some(digest)) = (length, digest) else {
        return Err("its answer has no length or no digest".to_owned());
    };
    Ok(Answer { length, digest, body: answer.into_body() })
}

/// What a problem document says.
async fn complaint(answer: Response<Incoming>) -> String {
    let status = answer.status();
    let body = Limited::new(answer.into_body(), LONGEST_COMPLAINT).collect();
    let body = timeout(SILENCE, body).await.ok().and_then(Result::ok);
    let body = body.map(http_body_util::Collected::to_bytes).unwrap_or_default();
    let problem: serde_json::Value = serde_json::from_slice(&body).unwrap_or_default();
    match problem["detail"].as_str() {
        Some(detail) => format!("it answers {}: {detail}", status.as_u16()),
        None => format!("it answers {}", status.as_u16()),
    }
}

/// The one that is known among those of a `Repr-Digest` (RFC 9530).
fn digest(header: &str) -> Option<[u8; 32]> {
    let of = |member: &str| {
        let value = member.trim().strip_prefix("sha-256=:")?.strip_suffix(':')?;
        STANDARD.decode(value).ok()?.try_into().ok()
    };
    header.split(',').find_map(of)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_digest_is_found_among_others() {
        let zeros = STANDARD.encode([0; 32]);
        assert_eq!(digest(&format!("sha-512=:AA==:, sha-256=:{zeros}:")), Some([0; 32]));
        for other in ["", "sha-256=AA", "sha-256=:AA==:", "sha-512=:AA==:"] {
            assert_eq!(digest(other), None, "{other}");
        }
    }
}
