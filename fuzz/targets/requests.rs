//! Requests, byte for byte, to the whole service in this process, over a Unix
//! socket. An input is what a client sends before it sends no more.
//!
//! No request whatever may panic. It is answered or the connection is closed,
//! soon; an answer is HTTP, and never "Internal Server Error".

use std::time::Duration;

use downlink::app;
use downlink::http::listener::{Address, Listeners};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::runtime::Runtime;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::fleet::{config, runtime};
use super::{Kind, Target, Way, ensure};

pub const KIND: Kind = Kind {
    name: "requests",
    about: "bytes of HTTP to the whole service: an answer or a close, and no panic",
    words: &[
        "\r\n",
        "\n",
        "\r",
        "\r\n\r\n",
        " ",
        ": ",
        "\t",
        "\0",
        "GET",
        "POST",
        "HEAD",
        "PUT",
        "OPTIONS",
        "CONNECT",
        "TRACE",
        "PRI * HTTP/2.0",
        "HTTP/1.1",
        "HTTP/1.0",
        "HTTP/0.9",
        "HTTP/2",
        "*",
        "/",
        "//",
        "/messages",
        "/messages/",
        "/rockets",
        "/rockets/",
        "/missions",
        "/missions/",
        "/readyz",
        "x:80",
        "localhost",
        "mailto:a",
        "http://a/rockets",
        "http://",
        "?limit=1",
        "?",
        "#",
        "%2F",
        "%",
        "..",
        "Host: x",
        "Host:",
        "Content-Length: ",
        "Content-Length: 0",
        "Content-Length: 18446744073709551616",
        "Transfer-Encoding: chunked",
        "Transfer-Encoding: gzip, chunked",
        "Transfer-Encoding : chunked",
        "Connection: close",
        "Connection: upgrade",
        "Upgrade: websocket",
        "Expect: 100-continue",
        "Expect: x",
        "Accept: */*",
        "Accept: application/json;q=0",
        "Accept-Encoding: zstd;q=0.5, *;q=0",
        "Content-Type: application/x-ndjson",
        "Content-Type: application/json",
        "Content-Type: text/plain; charset=\"utf-8\"",
        "Content-Encoding: gzip",
        "Content-Encoding: zstd, gzip",
        "If-None-Match: *",
        "If-None-Match: W/\"x\", \"",
        "Origin: null",
        "Sec-Fetch-Site: cross-site",
        "Authorization: Bearer x",
        "Forwarded: for=\"[::1]:80\"",
        "X-Forwarded-For: 1.2.3.4, ::1",
        "0\r\n\r\n",
        "ffffffffffffffff\r\n",
        "5;x=y\r\n",
        "{}",
        "[]",
        "[{}]",
        "{\"metadata\":{}}",
    ],
    most: 16 * 1024,
    make: || Box::new(Requests::start()),
};

/// Longer than anything here may take.
const SOON: Duration = Duration::from_secs(20);

struct Requests {
    runtime: Runtime,
    directory: TempDir,
    service: JoinHandle<Result<(), String>>,
}

impl Requests {
    fn start() -> Self {
        let runtime = runtime(KIND.name);
        let directory = tempfile::tempdir().unwrap();
        let address = Address::Unix(directory.path().join("socket"));
        let config = config(&[
            "--max-rockets",
            "1000",
            "--max-buffered",
            "1000",
            "--max-bulk-body",
            "64KiB",
        ]);
        let listeners = runtime.block_on(Listeners::bind(&[address], 0o600)).unwrap();
        let service = runtime.spawn(async move {
            let ended = app::run(config, listeners, std::future::pending::<()>()).await;
            ended.map_err(|error| error.to_string())
        });
        let requests = Self { runtime, directory, service };
        while !requests
            .send(b"GET /readyz HTTP/1.1\r\nhost: localhost\r\n\r\n")
            .unwrap()
            .starts_with(b"HTTP/1.1 200")
        {}
        requests
    }

    /// All that is answered.
    fn send(&self, request: &[u8]) -> Result<Vec<u8>, String> {
        let path = self.directory.path().join("socket");
        let exchange = async {
            let mut stream = UnixStream::connect(path).await.unwrap();
            // The service may have answered and closed by then.
            let _ = stream.write_all(request).await;
            let _ = stream.shutdown().await;
            let mut answer = Vec::new();
            let _ = stream.read_to_end(&mut answer).await;
            answer
        };
        let answer = self.runtime.block_on(async { timeout(SOON, exchange).await });
        answer.map_err(|_| format!("no answer and no close within {SOON:?}"))
    }
}

impl Target for Requests {
    fn attempt(&mut self, input: &[u8]) -> Result<Way, String> {
        let answer = self.send(input)?;
        ensure!(!self.service.is_finished(), "the service ended");
        if answer.is_empty() {
            return Ok("closed".to_owned());
        }
        let text = String::from_utf8_lossy(&answer);
        let status =
            text.strip_prefix("HTTP/1.").and_then(|rest| rest.get(2..5)?.parse::<u16>().ok());
        let Some(status) = status else {
            return Err(format!("an answer that is not HTTP: {text:?}"));
        };
        // Of all in a row. What is quoted in a body has no line of its own.
        ensure!(!text.contains("\r\n\r\nHTTP/1.1 500 ") && status != 500, "{text}");
        ensure!((100..600).contains(&status), "{text}");
        let mut detail = text.split("\"detail\":").nth(1).unwrap_or_default().split('"');
        let letters: String =
            status.to_string().bytes().map(|digit| char::from(digit + 49)).collect();
        Ok(format!("{letters} {}", detail.nth(1).unwrap_or_default()))
    }
}
