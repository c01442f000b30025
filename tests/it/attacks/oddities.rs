//! What nobody has listed: absurd expectations, doubled headers, cursors that
//! were tampered with.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::raw::{self, Then, body, head, post};
use super::victim::Victim;

#[test]
fn headers_that_are_doubled_or_absurd_are_taken_or_refused_and_keep_step() {
    let victim = Victim::start(&[]);
    let deep = format!("content-encoding: {}\r\n", "gzip,".repeat(10_000));
    for (number, (headers, status)) in [
        ("expect: 200-ok\r\n", 204),
        ("expect: 100-continue, 100-continue\r\n", 204),
        ("expect: x\r\nexpect: 100-continue\r\n", 100),
        ("content-type: text/plain\r\ncontent-type: application/x-ndjson\r\n", 204),
        ("content-type: application/x-ndjson\r\ncontent-type: text/plain\r\n", 200),
        ("content-type: \r\n", 204),
        ("content-type: application/json;charset=\"utf-8\r\n", 415),
        ("content-type: multipart/form-data; boundary=x\r\n", 204),
        ("content-encoding: identity\r\ncontent-encoding: gzip\r\n", 400),
        ("content-encoding: gzip\r\ncontent-encoding: zstd\r\n", 400),
        ("content-encoding: br\r\n", 415),
        (&deep, 415),
        ("accept: */*;q=0\r\naccept: */*\r\n", 200),
        ("connection: content-length, transfer-encoding, host\r\n", 204),
        ("connection: \r\n", 204),
        ("te: trailers, chunked\r\ntrailer: content-length\r\n", 204),
        ("range: bytes=0-,0-,0-\r\nif-range: x\r\nif-match: x\r\n", 204),
        ("x-http-method-override: DELETE\r\nx-original-url: /rockets\r\n", 204),
        ("cookie: a\r\ncookie: b\r\nauthorization: Basic x\r\n", 204),
    ]
    .into_iter()
    .enumerate()
    {
        let id = format!("odd-{number}");
        let body = body(&id);
        let head = head(&format!("{headers}content-length: {}\r\n", body.len()));
        let exchange = victim.talk(&[head, body].concat(), "/rockets/last-one");
        assert_eq!(exchange.statuses[0], status, "{headers}");
        assert!(exchange.shows("last-one"), "{headers}: out of step");
        assert_eq!(victim.has(&id), status < 300, "{headers}");
    }
    // What is announced is absurd: nothing is made room for, nothing awaited.
    for length in ["9223372036854775807", "18446744073709551613", "1000000000000"] {
        for headers in ["", "expect: 100-continue\r\n", "content-type: application/x-ndjson\r\n"] {
            let bytes = [head(&format!("{headers}content-length: {length}\r\n")), post("inner")];
            let exchange = raw::talk(victim.address(), &bytes.concat(), Then::Nothing);
            assert_eq!(exchange.statuses, [413], "{headers}{length}");
        }
    }
    assert!(!victim.has("inner"));
    victim.recovers_from("odd headers");
    assert_eq!(victim.logged("panicked"), 0);
}

#[test]
fn cursors_that_were_tampered_with_are_refused_or_mark_some_place() {
    let victim = Victim::start(&[]);
    let deep = "[".repeat(30_000);
    let long = "x".repeat(30_000);
    let cursor = |sort: &str, key: &str, id: &str| {
        format!("{{\"sort\":\"{sort}\",\"descending\":false,\"key\":{key},\"id\":\"{id}\"}}")
    };
    for (sort, text, status) in [
        ("speed", cursor("speed", "{\"Number\":-9223372036854775808}", "a"), 200),
        ("speed", cursor("speed", "{\"Number\":9223372036854775807}", "a"), 200),
        ("speed", cursor("speed", "{\"Number\":9223372036854775808}", "a"), 400),
        ("speed", cursor("speed", "{\"Number\":1e300}", "a"), 400),
        ("speed", cursor("speed", "{\"Text\":\"a\"}", "a"), 400),
        ("speed", cursor("speed", "\"Nothing\"", "a"), 400),
        ("speed", cursor("mission", "{\"Number\":1}", "a"), 400),
        ("launch_time", cursor("launch_time", "{\"Time\":[9223372036854775807,0]}", "a"), 400),
        ("launch_time", cursor("launch_time", "{\"Time\":[-9223372036854775808,0]}", "a"), 400),
        ("launch_time", cursor("launch_time", "{\"Time\":[0,4294967295]}", "a"), 400),
        ("launch_time", cursor("launch_time", "{\"Time\":[0,0]}", "a"), 200),
        ("mission", cursor("mission", &format!("{{\"Text\":\"{long}\"}}"), "a"), 200),
        ("mission", cursor("mission", "{\"Text\":\"a\"}", &long), 400),
        ("mission", cursor("mission", "{\"Text\":\"a\"}", "\\u0000"), 400),
        ("mission", cursor("mission", "{\"Text\":\"\\ud800\"}", "a"), 400),
        ("speed", deep.clone(), 400),
        ("speed", format!("{{\"sort\":{deep}"), 400),
        ("speed", "null".to_owned(), 400),
        ("speed", String::new(), 400),
    ] {
        let encoded = URL_SAFE_NO_PAD.encode(&text);
        let target = format!("/rockets?limit=1&sort={sort}&cursor={encoded}");
        let shown = &text[..text.len().min(120)];
        assert_eq!(victim.talk(b"", &target).statuses, [status], "{shown}");
    }
    victim.recovers_from("cursors");
    assert_eq!(victim.logged("panicked"), 0);
}
