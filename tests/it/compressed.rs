//! Bodies that come compressed, and answers that go so.

use std::io::{Read, Write};

use crate::support::messages::{launch, speed_up};
use crate::support::{PATIENCE, Request, Response, Service, kind, problem};
use flate2::Compression;
use flate2::read::MultiGzDecoder;
use flate2::write::{DeflateEncoder, GzEncoder, ZlibEncoder};
use serde_json::{Value, json};

fn gzip(bytes: impl AsRef<[u8]>) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(bytes.as_ref()).unwrap();
    encoder.finish().unwrap()
}

fn zlib(bytes: impl AsRef<[u8]>) -> Vec<u8> {
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(bytes.as_ref()).unwrap();
    encoder.finish().unwrap()
}

fn raw_deflate(bytes: impl AsRef<[u8]>) -> Vec<u8> {
    let mut encoder = DeflateEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(bytes.as_ref()).unwrap();
    encoder.finish().unwrap()
}

fn zstd(bytes: impl AsRef<[u8]>) -> Vec<u8> {
    zstd::encode_all(bytes.as_ref(), 3).unwrap()
}

fn gunzip(bytes: &[u8]) -> String {
    let mut text = String::new();
    MultiGzDecoder::new(bytes).read_to_string(&mut text).unwrap();
    text
}

fn encoded(coding: &str, body: impl AsRef<[u8]>) -> Request {
    Request::post(body).header("Content-Encoding", coding)
}

fn encoded_lines(coding: &str, body: impl AsRef<[u8]>) -> Request {
    encoded(coding, body).header("Content-Type", "application/x-ndjson")
}

#[test]
fn one_message_may_come_compressed() {
    let service = Service::start();
    let body = |name: &str| launch(name).to_string();
    let parts = body("parts");
    let (front, back) = parts.split_at(50);
    for (name, coding, bytes) in [
        ("gzip", "gzip", gzip(body("gzip"))),
        ("upper", "GZIP", gzip(body("upper"))),
        ("x-gzip", "x-gzip", gzip(body("x-gzip"))),
        ("zstd", "zstd", zstd(body("zstd"))),
        ("zlib", "deflate", zlib(body("zlib"))),
        ("raw", "deflate", raw_deflate(body("raw"))),
        ("none", "identity", body("none").into_bytes()),
        ("two", "gzip, zstd", zstd(gzip(body("two")))),
        ("three", "zstd , identity,gzip, gzip", gzip(gzip(zstd(body("three"))))),
        // As `cat a.gz b.gz` makes.
        ("parts", "gzip", [gzip(front), gzip(back)].concat()),
    ] {
        for size in [None, Some(1), Some(10)] {
            let mut request = encoded(coding, &bytes);
            if let Some(size) = size {
                request = request.chunked(size);
            }
            let answer = service.send(&request);
            assert_eq!(answer.status, 204, "{name}: {}", answer.text());
        }
        assert_eq!(service.get(&format!("/rockets/{name}")).status, 200, "{name}");
    }
    let two = Request::post(zstd(gzip(body("headers"))))
        .header("content-encoding", "gzip")
        .header("content-encoding", "zstd");
    assert_eq!(service.send(&two).status, 204);
}

#[test]
fn many_messages_may_come_compressed() {
    let sent: Vec<_> = (2..=3000).map(|n| speed_up("a", n, 1).to_string()).collect();
    let lines = format!("{}\n{}", launch("a"), sent.join("\n"));
    let array = format!("[{},{}]", launch("a"), sent.join(","));
    for (coding, encode) in [
        ("gzip", gzip as fn(Vec<u8>) -> Vec<u8>),
        ("zstd", zstd),
        ("deflate", zlib),
        ("deflate", raw_deflate),
    ] {
        for size in [1_000_000, 100] {
            let service = Service::start_with(|config| config.http.request_timeout = PATIENCE);
            let request = encoded_lines(coding, encode(lines.clone().into())).chunked(size);
            let answer = service.send(&request);
            assert_eq!(answer.status, 200, "{coding}: {}", answer.text());
            assert_eq!(answer.json()["applied"], 3000, "{coding}");
            let request = encoded(coding, encode(array.clone().into()))
                .header("Content-Type", "application/json")
                .chunked(size);
            assert_eq!(service.send(&request).json()["duplicate"], 3000, "{coding}");
        }
    }
}

#[test]
fn an_unknown_coding_is_415_and_told_which_are_known() {
    let service = Service::start();
    let body = launch("a").to_string();
    for coding in ["br", "compress", "gzip, br", "gzip;q=1", "aws-chunked", "gzip,gzip,gzip,gzip"] {
        for request in [encoded(coding, &body), encoded_lines(coding, &body)] {
            let answer = service.send(&request);
            problem(&answer, 415);
            assert_eq!(answer.header("accept-encoding"), Some("gzip, zstd, deflate"), "{coding}");
        }
    }
    problem(&service.get("/rockets/a"), 404);
}

#[test]
fn what_does_not_decode_is_400() {
    let service = Service::start();
    let body = launch("a").to_string();
    let cut = |bytes: Vec<u8>| bytes[..bytes.len() - 5].to_vec();
    let mut spoilt = gzip(&body);
    let at = spoilt.len() - 6;
    spoilt[at] ^= 1;
    for (coding, bytes) in [
        ("gzip", body.clone().into_bytes()),
        ("zstd", body.clone().into_bytes()),
        ("deflate", body.clone().into_bytes()),
        ("gzip", Vec::new()),
        ("gzip", cut(gzip(&body))),
        ("zstd", cut(zstd(&body))),
        ("deflate", cut(zlib(&body))),
        ("gzip", spoilt),
        ("gzip", [gzip(&body), b"junk".to_vec()].concat()),
    ] {
        let answer = service.send(&encoded(coding, &bytes));
        let detail = problem(&answer, 400);
        assert!(detail.contains(coding), "{coding}: {detail}");
        assert_eq!(kind(&answer), "/problems/damaged-body");
    }
    problem(&service.get("/rockets/a"), 404);
    // Of many messages those before the damage stay.
    let lines = format!("{}\n{}\n", launch("b"), launch("c"));
    problem(&service.send(&encoded_lines("gzip", cut(gzip(&lines)))), 400);
}

/// That nothing is decoded beyond them is seen where that is done.
#[test]
fn limits_count_what_is_in_it() {
    let service = Service::start_with(|config| {
        config.http.max_body = 4096;
        config.http.max_bulk_body = 1 << 20;
        config.http.request_timeout = PATIENCE;
    });
    let padded = |length: usize| {
        let body = launch("a").to_string();
        format!("{body}{}", " ".repeat(length - body.len()))
    };
    for encode in [gzip as fn(String) -> Vec<u8>, zstd, zlib] {
        let coding = match encode(String::new())[0] {
            0x1f => "gzip",
            0x28 => "zstd",
            _ => "deflate",
        };
        assert_eq!(service.send(&encoded(coding, encode(padded(4096)))).status, 204);
        let detail = problem(&service.send(&encoded(coding, encode(padded(4097)))), 413);
        assert!(detail.contains("4096"), "{detail}");
        problem(&service.send(&encoded_lines(coding, encode(" ".repeat((1 << 20) + 1)))), 413);
    }
    // 16 MiB of nothing, in some 16 kB and 2 kB; a bomb within a bomb.
    let nothing = vec![0_u8; 16 << 20];
    let (gzipped, zstded) = (gzip(&nothing), zstd(&nothing));
    for request in [encoded as fn(&str, Vec<u8>) -> Request, encoded_lines] {
        problem(&service.send(&request("gzip", gzipped.clone())), 413);
        problem(&service.send(&request("zstd", zstded.clone())), 413);
        problem(&service.send(&request("zstd, gzip", gzip(&zstded))), 413);
    }
    // A bomb that never yields anything is no way to send without end.
    let empty: Vec<u8> = gzip("").repeat(2000);
    problem(&service.send(&encoded("gzip", empty)), 400);
}

fn listing(service: &Service, target: &str, accept: &str) -> Response {
    service.send(&Request::get(target).header("Accept-Encoding", accept))
}

fn fleet() -> Service {
    let service = Service::start();
    let lines: Vec<_> = (0..3000).map(|n| launch(&format!("{n:04}")).to_string()).collect();
    let sent = Request::post(lines.join("\n")).header("Content-Type", "application/x-ndjson");
    assert_eq!(service.send(&sent).json()["applied"], 3000);
    service
}

#[test]
fn long_listings_are_compressed_for_those_who_ask() {
    let service = fleet();
    for target in ["/rockets", "/rockets?sort=id", "/missions/ARTEMIS", "/rockets?limit=1000"] {
        let plain = service.get(target);
        assert_eq!(plain.header("content-encoding"), None);
        assert_eq!(plain.header("vary"), Some("Accept-Encoding"), "{target}");
        let gzipped = listing(&service, target, "gzip");
        assert_eq!(gzipped.header("content-encoding"), Some("gzip"), "{target}");
        assert_eq!(gunzip(&gzipped.body), plain.text(), "{target}");
        assert!(gzipped.body.len() * 5 < plain.body.len(), "{target}: {}", gzipped.body.len());
        let zstded = listing(&service, target, "zstd");
        assert_eq!(zstded.header("content-encoding"), Some("zstd"), "{target}");
        assert_eq!(zstd::decode_all(&*zstded.body).unwrap(), plain.body, "{target}");
        assert!(zstded.body.len() * 5 < plain.body.len(), "{target}: {}", zstded.body.len());
        for answer in [gzipped, zstded] {
            assert_eq!(answer.header("content-length"), None);
            for same in ["vary", "etag", "x-total-count", "link", "content-type"] {
                assert_eq!(answer.header(same), plain.header(same), "{target}");
            }
        }
        let head = Request::new("HEAD", target).header("accept-encoding", "gzip");
        assert_eq!(service.send(&head).header("content-encoding"), Some("gzip"));
    }
    // What is short stays as it is.
    let short = listing(&service, "/rockets?limit=2", "gzip");
    assert_eq!(short.header("content-encoding"), None);
    assert_eq!(short.json().as_array().map(Vec::len), Some(2));
}

#[test]
fn weights_decide_between_codings() {
    let service = fleet();
    for (accept, coding) in [
        ("gzip, deflate, br, zstd", Some("zstd")),
        ("gzip;q=1.0, zstd;q=0.5", Some("gzip")),
        ("zstd;q=0, gzip", Some("gzip")),
        ("x-gzip", Some("gzip")),
        ("GZip", Some("gzip")),
        ("*", Some("gzip")),
        ("gzip;q=0, *", None),
        ("*;q=0", None),
        ("br, deflate", None),
        ("gzip;q=0.000", None),
        ("identity, gzip;q=0.5", None),
        ("identity;q=0.5, gzip;q=0.8", Some("gzip")),
        ("identity;q=0, zstd;q=0.001", Some("zstd")),
        ("", None),
    ] {
        let answer = listing(&service, "/rockets", accept);
        assert_eq!(answer.header("content-encoding"), coding, "{accept}");
    }
}

#[test]
fn a_tag_stands_for_the_state_in_whatever_coding() {
    let service = fleet();
    let gzipped = listing(&service, "/rockets", "gzip");
    let tag = gzipped.header("etag").unwrap();
    assert!(tag.starts_with("W/"), "{tag}: one that is not weak would differ by coding");
    for accept in ["gzip", "zstd", "identity"] {
        let request = Request::get("/rockets").header("if-none-match", tag);
        let answer = service.send(&request.header("accept-encoding", accept));
        assert_eq!(answer.status, 304);
        assert_eq!(answer.header("etag"), Some(tag));
        // As the 200 would have had it, for caches.
        assert_eq!(answer.header("vary"), Some("Accept-Encoding"));
        assert_eq!(answer.header("content-encoding"), None);
    }
}

/// What a reader was sent so far can be decoded before the end is there.
#[test]
fn a_compressed_listing_is_streamed() {
    let service = fleet();
    let mut client = service.connect();
    let request = Request::get("/rockets").header("accept-encoding", "gzip");
    client.send(&request.to_bytes());
    let head = client.receive_head().unwrap();
    assert_eq!(head.header("transfer-encoding"), Some("chunked"));
    let body = client.receive_body(&head).unwrap();
    let whole: Value = serde_json::from_str(&gunzip(&body)).unwrap();
    assert_eq!(whole.as_array().map(Vec::len), Some(3000));
    assert_eq!(whole[0]["status"], json!("Launched"));
}
