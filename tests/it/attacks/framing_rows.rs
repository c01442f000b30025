//! The table of `framing`: forms in which two readers may see the end of a
//! request elsewhere, and what each gets.

use super::raw::{body, chunk, head, post};

/// What becomes of the connection.
#[derive(Clone, Copy, Debug)]
pub enum After {
    /// The service closes it, and answers nothing that follows.
    Closed,
    /// It goes on in step: the next request is answered as such.
    Open,
    /// The request is not all there, and nothing happens until its client ends.
    Waits,
}

/// What becomes of the hidden request.
#[derive(Clone, Copy, Debug)]
pub enum Hidden {
    /// It is not applied.
    Lost,
    /// It is a request of its own, and applied: nobody can see it otherwise who
    /// keeps to the RFC.
    Own,
}

/// Makes the bytes of an attack from the IDs of the carrier and the hidden one.
type Bytes = Box<dyn Fn(&str, &str) -> Vec<u8>>;

pub struct Row {
    pub name: &'static str,
    pub bytes: Bytes,
    pub statuses: Vec<u16>,
    pub after: After,
    /// Whether the carrier is applied.
    pub applied: bool,
    pub hidden: Hidden,
}

fn row(name: &'static str, bytes: impl Fn(&str, &str) -> Vec<u8> + 'static) -> Row {
    let (bytes, statuses) = (Box::new(bytes), vec![400]);
    Row { name, bytes, statuses, after: After::Closed, applied: false, hidden: Hidden::Lost }
}

impl Row {
    fn status(self, statuses: &[u16]) -> Self {
        Self { statuses: statuses.to_vec(), ..self }
    }

    fn after(self, after: After) -> Self {
        Self { after, ..self }
    }

    /// The carrier counts.
    fn applied(self, after: After) -> Self {
        Self { statuses: vec![204], applied: true, after, ..self }
    }

    /// The carrier's status, and then the hidden one as a request of its own.
    fn then_own(self, status: u16) -> Self {
        let (statuses, hidden, after) = (vec![status, 204], Hidden::Own, After::Open);
        Self { statuses, applied: status == 204, hidden, after, ..self }
    }
}

/// All of them.
pub fn rows() -> Vec<Row> {
    [lengths(), codings(), names_and_lines(), chunks(), ends(), others()]
        .into_iter()
        .flatten()
        .collect()
}

const CHUNKED: &str = "transfer-encoding: chunked\r\n";

fn lengths() -> Vec<Row> {
    let mut rows = vec![
        row("two lengths, equal: one", |carrier, _| {
            let body = body(carrier);
            let length = format!("content-length: {}\r\n", body.len()).repeat(2);
            [head(&length), body].concat()
        })
        .applied(After::Open),
        row("a list of equal lengths", |carrier, hidden| {
            let length = body(carrier).len();
            let head = head(&format!("content-length: {length}, {length}\r\n"));
            [head, body(carrier), post(hidden)].concat()
        }),
        row("two lengths, the first 0", |_, hidden| {
            let inner = post(hidden);
            let head = head(&format!("content-length: 0\r\ncontent-length: {}\r\n", inner.len()));
            [head, inner].concat()
        }),
        row("two lengths, the last 0", |_, hidden| {
            let inner = post(hidden);
            let head = head(&format!("content-length: {}\r\ncontent-length: 0\r\n", inner.len()));
            [head, inner].concat()
        }),
        row("a length with zeros in front is one", |_, hidden| {
            [head("content-length: 0005\r\n"), b"hello".to_vec(), post(hidden)].concat()
        })
        .then_own(400),
        // Chunks count, and the connection ends (RFC 9112, 6.3).
        row("a length and chunks: the length would take in the hidden one", |carrier, hidden| {
            let inner = [chunk(&body(carrier)), b"0\r\n\r\n".to_vec()].concat();
            let length = inner.len() + post(hidden).len();
            let head = head(&format!("content-length: {length}\r\n{CHUNKED}"));
            [head, inner, post(hidden)].concat()
        })
        .applied(After::Closed),
        row("a length and chunks: the length leaves the hidden one over", |_, hidden| {
            let inner = chunk(&post(hidden));
            let size = inner.iter().position(|byte| *byte == b'\n').unwrap() + 1;
            let head = head(&format!("{CHUNKED}content-length: {size}\r\n"));
            [head, inner, b"0\r\n\r\n".to_vec()].concat()
        }),
        row("chunks of HTTP/1.0", |carrier, hidden| {
            let head = String::from_utf8(head(CHUNKED)).unwrap().replace("HTTP/1.1", "HTTP/1.0");
            let inner = [chunk(&body(carrier)), b"0\r\n\r\n".to_vec()].concat();
            [head.into_bytes(), inner, post(hidden)].concat()
        }),
        row("chunks of HTTP/1.0 that wants to stay", |carrier, hidden| {
            let head = head(&format!("connection: keep-alive\r\n{CHUNKED}"));
            let head = String::from_utf8(head).unwrap().replace("HTTP/1.1", "HTTP/1.0");
            let inner = [chunk(&body(carrier)), b"0\r\n\r\n".to_vec()].concat();
            [head.into_bytes(), inner, post(hidden)].concat()
        }),
        row("a length below nobody's limit", |_, hidden| {
            [head("content-length: 18446744073709551615\r\n"), post(hidden)].concat()
        })
        .status(&[431]),
    ];
    for (name, length) in [
        ("length +5", &b"+5"[..]),
        ("length -5", b"-5"),
        ("length 0x5", b"0x5"),
        ("no length", b""),
        ("length 5 5", b" 5 5"),
        ("length 5_0", b"5_0"),
        ("length 5.0", b"5.0"),
        ("length 5e0", b"5e0"),
        ("length in Arabic digits", "\u{665}".as_bytes()),
        ("length 5,", b"5,"),
        ("length in quotes", b"\"5\""),
        ("a length that overflows", b"18446744073709551616"),
        ("a length that overflows by far", b"99999999999999999999999999999999999"),
        ("a vertical tab before a length", b"\x0b5"),
    ] {
        rows.push(row(name, move |_, hidden| {
            let start = &b"POST /messages HTTP/1.1\r\nhost: localhost\r\ncontent-length: "[..];
            [start, length, b"\r\n\r\nhello", &post(hidden)].concat()
        }));
    }
    rows
}

/// Transfer codings.
fn codings() -> Vec<Row> {
    let chunked_as = |name, lines: &'static [u8]| {
        row(name, move |carrier, hidden| {
            let start = &b"POST /messages HTTP/1.1\r\nhost: localhost\r\ntransfer-encoding: "[..];
            let inner = [chunk(&body(carrier)), b"0\r\n\r\n".to_vec()].concat();
            [start, lines, b"\r\n\r\n", &inner, &post(hidden)].concat()
        })
    };
    vec![
        chunked_as("Chunked", b"Chunked").then_own(204),
        chunked_as("chunked between blanks", b" \tchunked \t").then_own(204),
        chunked_as("gzip, chunked", b"gzip, chunked").status(&[501]),
        chunked_as("identity, chunked", b"identity, chunked").status(&[501]),
        chunked_as("x, chunked", b"x, chunked").status(&[501]),
        chunked_as("gzip on a line, chunked on another", b"gzip\r\ntransfer-encoding: chunked")
            .status(&[501]),
        chunked_as("chunked, chunked", b"chunked, chunked"),
        chunked_as("chunked on two lines", b"chunked\r\ntransfer-encoding: chunked"),
        chunked_as("an empty coding and chunked", b",chunked"),
        chunked_as("chunked and an empty coding", b"chunked,"),
        chunked_as("chunked on a line, gzip on another", b"chunked\r\ntransfer-encoding: gzip"),
        chunked_as("chunked, identity", b"chunked, identity"),
        chunked_as("xchunked", b"xchunked"),
        chunked_as("identity", b"identity"),
        chunked_as("gzip", b"gzip"),
        chunked_as("no coding", b""),
        chunked_as("chunked with a parameter", b"chunked;q=1"),
        chunked_as("chunked in quotes", b"\"chunked\""),
        chunked_as("a vertical tab and chunked", b"\x0bchunked"),
        chunked_as("chunked and a vertical tab", b"chunked\x0b"),
        chunked_as("chunked and NUL", b"chunked\0"),
        chunked_as("another blank and chunked", b"\xa0chunked"),
    ]
}

/// A header in front of a good length.
fn names_and_lines() -> Vec<Row> {
    let with = |name, line: &'static [u8]| {
        row(name, move |carrier, hidden| {
            let start = &b"POST /messages HTTP/1.1\r\nhost: localhost\r\n"[..];
            let length = format!("content-length: {}\r\n\r\n", body(carrier).len());
            [start, line, length.as_bytes(), &body(carrier), &post(hidden)].concat()
        })
    };
    vec![
        with("a blank before the colon of a length", b"content-length : 5\r\n"),
        with("a blank before the colon of a coding", b"transfer-encoding : chunked\r\n"),
        with("a tab before the colon", b"transfer-encoding\t: chunked\r\n"),
        with("a coding on a folded line", b"transfer-encoding:\r\n chunked\r\n"),
        with("a folded line that is a coding", b"x: a\r\n transfer-encoding: chunked\r\n"),
        with("a folded line with a tab", b"x: a\r\n\tb\r\n"),
        with("a blank before a name", b" transfer-encoding: chunked\r\n"),
        with("a line without a colon", b"transfer-encoding chunked\r\n"),
        with("a line without a name", b": x\r\n"),
        with("a CR in a value", b"x: a\rtransfer-encoding: chunked\r\n"),
        with("a CR before CRLF", b"x: a\r\r\n"),
        with("NUL in a value", b"x: a\0b\r\n"),
        with("NUL in a name", b"x\0: ab\r\n"),
        with("another control character", b"x: \x01\r\n"),
        with("DEL", b"x: \x7f\r\n"),
        with("letters beyond ASCII in a name", b"x\xc3\xa4: 1\r\n"),
        with("bytes beyond ASCII in a value are text", b"x: \xc3\xa4\xff\r\n").then_own(204),
        with("a name that only looks like a length's", b"content_length: 5\r\n").then_own(204),
        // A line may end with LF alone (RFC 9112, 2.2): so this is a coding, and
        // the body no chunk.
        with("LF in a value, and a coding", b"x: y\ntransfer-encoding: chunked\r\n"),
        row("lines that end with LF", |carrier, hidden| {
            let text = String::from_utf8(post(carrier)).unwrap().replace("\r\n", "\n");
            [text.into_bytes(), post(hidden)].concat()
        })
        .then_own(204),
        row("a head that ends with LF LF", |_, hidden| {
            let head = &b"GET /readyz HTTP/1.1\r\nhost: localhost\r\nx: a\n\n"[..];
            [head, &post(hidden)].concat()
        })
        .then_own(200),
    ]
}

/// Chunks of `hello`, which is no message.
fn chunks() -> Vec<Row> {
    let with = |name, chunk: &'static [u8]| {
        row(name, move |_, hidden| {
            [&head(CHUNKED)[..], chunk, b"0\r\n\r\n", &post(hidden)].concat()
        })
    };
    let long = |name, start: &'static str, fill: &'static str, count: usize| {
        row(name, move |_, hidden| {
            let line = format!("{start}{}", fill.repeat(count));
            [&head(CHUNKED)[..], line.as_bytes(), b"\r\nhello\r\n0\r\n\r\n", &post(hidden)].concat()
        })
    };
    vec![
        with("a chunk that overflows", b"fffffffffffffffff\r\nhello\r\n"),
        with("a chunk that overflows to 5", b"10000000000000005\r\nhello\r\n"),
        with("chunk 0x5", b"0x5\r\nhello\r\n"),
        with("chunk +5", b"+5\r\nhello\r\n"),
        with("chunk -5", b"-5\r\nhello\r\n"),
        with("a blank before a size", b" 5\r\nhello\r\n"),
        with("chunk 5 5", b"5 5\r\nhello\r\n"),
        with("chunk 5_0", b"5_0\r\nhello\r\n"),
        with("no size", b"\r\nhello\r\n"),
        with("LF after the size", b"5\nhello\r\n"),
        with("CR after the size", b"5\rhello\r\n"),
        with("CR CR LF after the size", b"5\r\r\nhello\r\n"),
        with("NUL after the size", b"5\0\r\nhello\r\n"),
        with("nothing after the data", b"5\r\nhello5\r\nhello\r\n"),
        with("LF after the data", b"5\r\nhello\n"),
        with("more data than the size", b"5\r\nhelloo\r\n"),
        with("LF in an extension", b"5;a\nb\r\nhello\r\n"),
        with("CR in an extension", b"5;a\rb\r\nhello\r\n"),
        long("an extension without end", "5;", "a", 20_000),
        // The size is what it is, to everybody.
        with("an extension", b"5;a=\"b\"\r\nhello\r\n").then_own(400),
        with("a blank after the size", b"5 \r\nhello\r\n").then_own(400),
        row("zeros before the size", |_, hidden| {
            let chunk = format!("{}5\r\nhello\r\n0\r\n\r\n", "0".repeat(1000));
            [&head(CHUNKED)[..], chunk.as_bytes(), &post(hidden)].concat()
        })
        .then_own(400),
        // All that follows is in it.
        with("the largest chunk", b"ffffffffffffffff\r\nhello").after(After::Waits),
    ]
}

/// Behind a whole message in chunks.
fn ends() -> Vec<Row> {
    let with = |name, end: &'static [u8]| {
        row(name, move |carrier, hidden| {
            [&head(CHUNKED)[..], &chunk(&body(carrier)), end, &post(hidden)].concat()
        })
    };
    // What another reader sees as the body of a request to nowhere.
    let nested = |name, end: &'static [u8]| {
        row(name, move |carrier, hidden| {
            let length = post(hidden).len();
            let nowhere = format!(
                "POST /nowhere HTTP/1.1\r\nhost: localhost\r\ncontent-length: {length}\r\n\r\n"
            );
            let start = [&head(CHUNKED)[..], &chunk(&body(carrier)), end].concat();
            [start, nowhere.into_bytes(), post(hidden)].concat()
        })
    };
    let many = |name, count: usize| {
        row(name, move |carrier, hidden| {
            let end = format!("0\r\n{}\r\n", "x: y\r\n".repeat(count));
            [&head(CHUNKED)[..], &chunk(&body(carrier)), end.as_bytes(), &post(hidden)].concat()
        })
    };
    vec![
        with("the end", b"0\r\n\r\n").then_own(204),
        with("trailers: the last request", b"0\r\nx: y\r\n\r\n").applied(After::Closed),
        with("a length in trailers", b"0\r\ncontent-length: 5\r\n\r\n").applied(After::Closed),
        with("LF ends a trailer", b"0\r\nx: y\n\r\n").applied(After::Closed),
        with("LF ends the trailers", b"0\r\n\n").applied(After::Closed),
        nested("LF ends the trailers, in another's body", b"0\r\n\n").applied(After::Closed),
        nested("LF LF ends the trailers, in another's body", b"0\r\nx: y\n\n")
            .applied(After::Closed),
        many("100 trailers", 100).applied(After::Closed),
        many("101 trailers", 101),
        many("trailers without end", 5_000),
        with("LF after the last chunk", b"0\n\r\n"),
        with("CR after the last chunk", b"0\r\n\rX"),
        with("CR in a trailer", b"0\r\nx\ry\r\n\r\n"),
        with("a folded trailer", b"0\r\nx: y\r\n z\r\n\r\n"),
        with("a blank before the colon of a trailer", b"0\r\nx : y\r\n\r\n"),
        with("NUL in a trailer", b"0\r\nx: \0\r\n\r\n"),
        with("no end", b"0\r\n"),
    ]
}

/// Bodies where others expect none, and requests where others expect none.
fn others() -> Vec<Row> {
    let with_body = |name, start: &'static str| {
        row(name, move |_, hidden| {
            let inner = post(hidden);
            let length = format!("host: localhost\r\ncontent-length: {}\r\n\r\n", inner.len());
            [start.as_bytes(), length.as_bytes(), &inner].concat()
        })
    };
    vec![
        with_body("a body of GET", "GET /missions HTTP/1.1\r\n").status(&[200]).after(After::Open),
        with_body("a body of DELETE", "DELETE /rockets HTTP/1.1\r\n")
            .status(&[405])
            .after(After::Open),
        row("chunks of GET", |_, hidden| {
            let head = format!("GET /missions HTTP/1.1\r\nhost: localhost\r\n{CHUNKED}\r\n");
            [head.as_bytes(), &chunk(&post(hidden)), b"0\r\n\r\n"].concat()
        })
        .status(&[200])
        .after(After::Open),
        row("behind CONNECT", |_, hidden| {
            [&b"CONNECT localhost:80 HTTP/1.1\r\nhost: localhost\r\n\r\n"[..], &post(hidden)]
                .concat()
        }),
        row("behind CONNECT with a path", |_, hidden| {
            [&b"CONNECT /messages HTTP/1.1\r\nhost: localhost\r\n\r\n"[..], &post(hidden)].concat()
        }),
        row("behind HTTP/1.0", |carrier, hidden| {
            let text = String::from_utf8(post(carrier)).unwrap().replace("HTTP/1.1", "HTTP/1.0");
            [text.into_bytes(), post(hidden)].concat()
        })
        .applied(After::Closed),
        row("behind close, keep-alive", |carrier, hidden| {
            let length = body(carrier).len();
            let head =
                head(&format!("connection: close, keep-alive\r\ncontent-length: {length}\r\n"));
            [head, body(carrier), post(hidden)].concat()
        })
        .applied(After::Closed),
        row("where the client waits to be told to go on", |_, hidden| {
            let start = "POST /nowhere HTTP/1.1\r\nhost: localhost\r\nexpect: 100-continue\r\n";
            [format!("{start}content-length: 1000000\r\n\r\n").as_bytes(), &post(hidden)].concat()
        })
        .status(&[404]),
    ]
}
