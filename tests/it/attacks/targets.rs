//! What is asked for, of whom, and in which protocol: targets in every form, and
//! clients that speak something else.

use super::raw::{self, Then, get, post};
use super::victim::Victim;

#[test]
fn targets_in_every_form_are_answered_or_refused() {
    let victim = Victim::start(&[]);
    // What is refused by hyper, or has no path, ends the connection.
    let refused: &[u16] = &[400];
    for (target, statuses) in [
        ("/missions", &[200, 404][..]),
        ("http://localhost/missions", &[200, 404]),
        ("http://localhost", &[200, 404]),
        ("/missions#fragment", &[200, 404]),
        ("*", &[404, 404]),
        ("localhost", refused),
        ("localhost:80", refused),
        ("mailto:a", refused),
        ("", refused),
        ("\\missions", refused),
        ("/miss ions", refused),
        (" /missions", refused),
        ("/miss\tions", refused),
        ("/miss\u{0}ions", refused),
        ("/miss\u{1}ions", refused),
        ("/miss\u{7f}ions", refused),
        ("/rockets/%00", &[404, 404]),
        // A slash in too many bytes, halves of characters, and no hexadecimal.
        ("/rockets/%c0%af", &[404, 404]),
        ("/rockets/%ed%a0%80", &[404, 404]),
        ("/rockets/%f5%80%80%80", &[404, 404]),
        ("/rockets/%", &[404, 404]),
        ("/rockets/%4", &[404, 404]),
        ("/rockets/%zz", &[404, 404]),
        ("/rockets/../messages", &[404, 404]),
        ("/rockets/%2e%2e%2fmessages", &[404, 404]),
        ("//evil.example/missions", &[404, 404]),
    ] {
        let exchange = victim.talk(&get(target), "/rockets/unknown");
        assert_eq!(exchange.statuses, statuses, "{target:?}");
    }
    let bytes = b"GET /missions/\xff\xfe HTTP/1.1\r\nhost: localhost\r\n\r\n";
    assert_eq!(victim.talk(bytes, "/readyz").statuses, [400]);
    victim.recovers_from("targets");
    assert_eq!(victim.logged("panicked"), 0);
}

#[test]
fn other_protocols_are_turned_away() {
    let victim = Victim::start(&[]);
    let hidden = post("hidden");
    let hello = [&b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"[..], &[7; 512]].concat();
    for (name, bytes, statuses) in [
        ("TLS", &hello[..], &[400][..]),
        // hyper knows it, and has no answer that its client would understand.
        ("HTTP/2", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0", &[]),
        ("HTTP/2 without its preface", b"GET / HTTP/2.0\r\n\r\n", &[400]),
        ("HTTP/0.9", b"GET /rockets\r\n\r\n", &[400]),
        ("HTTP/1.2", b"GET /rockets HTTP/1.2\r\nhost: localhost\r\n\r\n", &[400]),
        ("HTTP/1.10", b"GET /rockets HTTP/1.10\r\nhost: localhost\r\n\r\n", &[400]),
        ("http/1.1", b"GET /rockets http/1.1\r\nhost: localhost\r\n\r\n", &[400]),
        ("SSH", b"SSH-2.0-OpenSSH_9.9\r\n", &[400]),
        ("SMTP", b"EHLO localhost\r\n", &[400]),
        ("RTSP", b"OPTIONS * RTSP/1.0\r\n\r\n", &[400]),
        ("PROXY", b"PROXY TCP4 127.0.0.1 127.0.0.1 1 2\r\n", &[400]),
        ("PROXY, in binary", b"\r\n\r\n\0\r\nQUIT\n", &[400]),
        ("Redis", b"*1\r\n$4\r\nPING\r\n", &[400]),
        ("blanks", b" GET / HTTP/1.1\r\n\r\n", &[400]),
        ("NUL", b"\0\0\0\0", &[400]),
        ("CR", b"\rGET / HTTP/1.1\r\n\r\n", &[400]),
    ] {
        let bytes = [bytes, &hidden[..]].concat();
        let exchange = raw::talk(victim.address(), &bytes, Then::Nothing);
        assert_eq!(exchange.statuses, statuses, "{name}");
        assert!(!victim.has("hidden"), "{name}");
    }
    // An upgrade is not taken, and the connection goes on as it was.
    for upgrade in ["h2c", "websocket", "TLS/1.0"] {
        let headers = format!("connection: upgrade\r\nupgrade: {upgrade}\r\n");
        let head = format!("GET /missions HTTP/1.1\r\nhost: localhost\r\n{headers}\r\n");
        assert_eq!(victim.talk(head.as_bytes(), "/readyz").statuses, [200, 200], "{upgrade}");
    }
    victim.recovers_from("protocols");
}
