//! Hosts, origins, pages that may read all the same, and what browsers are told
//! of every answer.

use downlink::config::Config;
use downlink::http::access::cors::CorsOrigin;
use downlink::http::access::host::AllowedHost;

use crate::support::http::send;
use crate::support::logged::{Logged, over_socket};
use crate::support::messages::launch;
use crate::support::process::downlink;
use crate::support::{Request, Response, Service, kind, problem};

const FRIEND: &str = "https://status.example";

fn with_friends(config: &mut Config) {
    config.access.allowed_hosts = vec![AllowedHost::parse("Downlink.example").unwrap()];
    config.access.cors_origins = vec![CorsOrigin::parse(FRIEND).unwrap()];
}

/// The answer to exactly these bytes, and whether the connection can be used
/// again.
fn raw(service: &Service, bytes: &str) -> (Response, bool) {
    let mut connection = service.connect();
    connection.send(bytes.as_bytes());
    let answer = connection.receive();
    let ends = answer.header("connection") == Some("close");
    assert!(!ends || connection.is_closed());
    (answer, !ends)
}

#[test]
fn on_loopback_only_its_names_and_those_allowed_are_served() {
    let service = Service::start_with(with_friends);
    let port = service.address.port();
    let own = [&format!("localhost:{port}"), &format!("127.0.0.1:{port}")];
    let served = own.into_iter().map(String::as_str).chain([
        "localhost",
        "LOCALHOST.:1",
        "a.localhost",
        "127.9.9.9",
        "[::1]:80",
        "downlink.example",
        "DOWNLINK.example.:443",
    ]);
    for host in served {
        let answer = service.send(&Request::get("/rockets").header("host", host));
        assert_eq!(answer.status, 200, "{host}");
        let post = Request::message(&launch("a")).header("host", host);
        assert_eq!(service.send(&post).status, 200, "{host}");
    }
    for host in [
        "evil.example",
        "localhost.evil.example",
        "downlink.example.evil",
        "10.0.0.1",
        "[::2]",
        "127.0.0.1.nip.io",
        "0.0.0.0",
    ] {
        for request in [Request::get("/rockets"), Request::get("/nothing"), Request::get("/readyz")]
        {
            let answer = service.send(&request.header("host", host));
            assert!(problem(&answer, 421).contains(host), "{host}");
            assert_eq!(kind(&answer), "/problems/foreign-host");
            // It has no body, so nothing is left to be read.
            assert_eq!(answer.header("connection"), None);
        }
        let post = Request::message(&launch("b")).header("host", host);
        assert_eq!(service.send(&post).status, 421, "{host}");
    }
    assert_eq!(service.get("/rockets/b").status, 404);
}

#[test]
fn a_host_that_is_unclear_is_refused() {
    let service = Service::start_with(with_friends);
    let body = "content-length: 3\r\n\r\nabc";
    for (head, status, kind_of) in [
        ("GET /rockets HTTP/1.1\r\n\r\n", 400, "bad-host"),
        ("GET /rockets HTTP/1.1\r\nhost: localhost\r\nhost: localhost\r\n\r\n", 400, "bad-host"),
        ("GET /rockets HTTP/1.1\r\nhost: localhost\r\nHOST: evil.example\r\n\r\n", 400, "bad-host"),
        ("GET /rockets HTTP/1.1\r\nhost:\r\n\r\n", 400, "bad-host"),
        ("GET /rockets HTTP/1.1\r\nhost: a b\r\n\r\n", 400, "bad-host"),
        ("GET /rockets HTTP/1.1\r\nhost: localhost, localhost\r\n\r\n", 400, "bad-host"),
        ("GET /rockets HTTP/1.1\r\nhost: localhost:x\r\n\r\n", 400, "bad-host"),
        ("GET /rockets HTTP/1.1\r\nhost: user@localhost\r\n\r\n", 400, "bad-host"),
        ("GET /rockets HTTP/1.1\r\nhost: http://localhost\r\n\r\n", 400, "bad-host"),
        ("GET /rockets HTTP/1.1\r\nhost: \u{e9}\r\n\r\n", 400, "bad-host"),
        ("GET /rockets HTTP/1.1\r\nhost: [::1\r\n\r\n", 400, "bad-host"),
        // The older version has no such header, and may have it all the same.
        ("GET /rockets HTTP/1.0\r\n\r\n", 200, ""),
        ("GET /rockets HTTP/1.0\r\nhost: evil.example\r\n\r\n", 421, "foreign-host"),
        ("GET /rockets HTTP/1.0\r\nhost: a\r\nhost: a\r\n\r\n", 400, "bad-host"),
        // The target's host counts, but there must be a header.
        ("GET http://localhost/rockets HTTP/1.1\r\nhost: evil.example\r\n\r\n", 200, ""),
        (
            "GET http://evil.example/rockets HTTP/1.1\r\nhost: localhost\r\n\r\n",
            421,
            "foreign-host",
        ),
        ("GET http://localhost/rockets HTTP/1.1\r\n\r\n", 400, "bad-host"),
        ("GET http://localhost/rockets HTTP/1.1\r\nhost: a b\r\n\r\n", 400, "bad-host"),
        ("GET http://u@localhost/rockets HTTP/1.1\r\nhost: localhost\r\n\r\n", 400, "bad-host"),
        ("CONNECT localhost:80 HTTP/1.1\r\nhost: localhost\r\n\r\n", 400, "bad-target"),
        ("OPTIONS * HTTP/1.1\r\nhost: localhost\r\n\r\n", 404, "not-found"),
    ] {
        let (answer, _) = raw(&service, head);
        assert_eq!(answer.status, status, "{head}: {}", answer.text());
        if status != 200 {
            assert_eq!(kind(&answer), format!("/problems/{kind_of}"), "{head}");
        }
    }
    // A small body is read and thrown away, a large one ends the connection.
    let (answer, goes_on) = raw(&service, &format!("POST /messages HTTP/1.1\r\n{body}"));
    assert_eq!((answer.status, goes_on), (400, true));
    let large = "content-length: 2000000\r\n\r\n";
    let (answer, goes_on) = raw(&service, &format!("POST /messages HTTP/1.1\r\n{large}"));
    assert_eq!((answer.status, goes_on), (400, false));
}

/// What Go's `CrossOriginProtection` does, and a table of it.
#[test]
fn other_sites_pages_change_nothing() {
    let service = Service::start();
    let port = service.address.port();
    let (own, other) =
        (format!("http://localhost:{port}"), format!("http://localhost:{}", port ^ 1));
    let host = format!("localhost:{port}");
    let cases: [(&[(&str, &str)], u16); 17] = [
        (&[], 200),
        (&[("sec-fetch-site", "same-origin")], 200),
        (&[("sec-fetch-site", "none")], 200),
        (&[("sec-fetch-site", "cross-site")], 403),
        (&[("sec-fetch-site", "same-site")], 403),
        (&[("sec-fetch-site", "SAME-ORIGIN")], 403),
        (&[("sec-fetch-site", "anything")], 403),
        (&[("sec-fetch-site", "same-origin"), ("sec-fetch-site", "cross-site")], 403),
        (&[("sec-fetch-site", "cross-site"), ("sec-fetch-site", "none")], 403),
        (&[("sec-fetch-site", "cross-site"), ("origin", &own)], 403),
        // The newer header counts.
        (&[("sec-fetch-site", "same-origin"), ("origin", "http://evil.example")], 200),
        (&[("sec-fetch-site", ""), ("origin", "http://evil.example")], 403),
        (&[("origin", &own)], 200),
        (&[("origin", &other)], 403),
        (&[("origin", "null")], 403),
        (&[("origin", "http://evil.example")], 403),
        (&[("origin", &own), ("origin", &own)], 403),
    ];
    for (headers, status) in cases {
        let with = |request: Request| {
            headers.iter().fold(request, |request, (name, value)| request.header(name, value))
        };
        let post = with(Request::message(&launch("a")).header("host", &host));
        let answer = service.send(&post.header("content-type", "text/plain"));
        assert_eq!(answer.status, status, "{headers:?}: {}", answer.text());
        if status == 403 {
            problem(&answer, 403);
            assert_eq!(kind(&answer), "/problems/cross-origin");
        }
        // Whatever a route would say, and reads are no business of this.
        let unsafe_read = with(Request::new("DELETE", "/rockets").header("host", &host));
        assert_eq!(service.send(&unsafe_read).status == 403, status == 403, "{headers:?}");
        for method in ["GET", "HEAD"] {
            let read = with(Request::new(method, "/rockets").header("host", &host));
            assert_eq!(service.send(&read).status, 200, "{headers:?}");
        }
    }
}

/// The two attacks that were possible once.
#[test]
fn a_page_that_a_developer_visits_neither_posts_nor_reads() {
    let service = Service::start();
    let post = Request::message(&launch("evil"))
        .header("host", "evil.example")
        .header("sec-fetch-site", "cross-site")
        .header("origin", "https://evil.example")
        .header("content-type", "text/plain");
    assert_eq!(service.send(&post).status, 421);
    // Its name leads here, so it is its own origin to the browser.
    let rebound = |request: Request| {
        let host = format!("evil.example:{}", service.address.port());
        service.send(&request.header("sec-fetch-site", "same-origin").header("host", &host)).status
    };
    assert_eq!(rebound(Request::get("/rockets")), 421);
    assert_eq!(rebound(Request::message(&launch("evil"))), 421);
    assert_eq!(service.read("/rockets"), serde_json::json!([]));
}

#[test]
fn beyond_loopback_hosts_are_asked_for_only_if_some_are_allowed() {
    let start = |arguments: &[&str]| {
        let mut command = downlink();
        command.args(["--durability", "memory", "--listen", "0.0.0.0:0"]).args(arguments);
        Logged::start(command)
    };
    let status = |service: &Logged, host: &str| {
        let address = service.addresses()[0].replace("0.0.0.0", "127.0.0.1");
        send(address.parse().unwrap(), &Request::get("/rockets").header("host", host)).status
    };
    let open = start(&[]);
    for (host, expected) in [("anything.example", 200), ("10.0.0.1:80", 200), ("a b", 400)] {
        assert_eq!(status(&open, host), expected, "{host}");
    }
    open.stop();
    let strict = start(&["--allowed-host", "downlink.example, other.example"]);
    for (host, expected) in [
        ("downlink.example", 200),
        ("other.example:80", 200),
        ("localhost", 200),
        ("10.0.0.1", 200),
        ("[2001:db8::1]:80", 200),
        ("anything.example", 421),
        ("a b", 400),
    ] {
        assert_eq!(status(&strict, host), expected, "{host}");
    }
    strict.stop();
}

#[test]
fn a_socket_is_local_too() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("s");
    let mut command = downlink();
    command.args(["--durability", "memory"]).arg(format!("--listen=unix:{}", path.display()));
    let service = Logged::start(command);
    let ask = |extra: &str| over_socket(&path, "GET", "/rockets", extra);
    assert!(ask("").starts_with("HTTP/1.1 200"));
    let mut stream = std::os::unix::net::UnixStream::connect(&path).unwrap();
    let request = b"GET /rockets HTTP/1.1\r\nhost: evil.example\r\nconnection: close\r\n\r\n";
    std::io::Write::write_all(&mut stream, request).unwrap();
    let answer = std::io::read_to_string(stream).unwrap();
    assert!(answer.starts_with("HTTP/1.1 421"), "{answer}");
    service.stop();
}

#[test]
fn pages_that_may_read_are_told_so_and_may_do_no_more() {
    let service = Service::start_with(with_friends);
    service.post(&[launch("a")]);
    let read = |method: &str, target: &str, origin: &str| {
        service.send(&Request::new(method, target).header("origin", origin))
    };
    for (method, target, status) in
        [("GET", "/rockets", 200), ("HEAD", "/missions", 200), ("GET", "/rockets/nope", 404)]
    {
        let answer = read(method, target, FRIEND);
        assert_eq!(answer.status, status);
        assert_eq!(answer.header("access-control-allow-origin"), Some(FRIEND));
        let exposed = answer.header("access-control-expose-headers").unwrap();
        for name in ["etag", "age", "link", "x-total-count"] {
            assert!(exposed.contains(name), "{exposed}");
        }
        assert_eq!(answer.header("cross-origin-resource-policy"), Some("cross-origin"));
        assert_eq!(answer.header("access-control-allow-credentials"), None);
        assert!(answer.header("vary").unwrap().ends_with("Origin"), "{:?}", answer.headers);
    }
    // Nobody else is, but caches are told that it depends.
    for origin in
        ["https://evil.example", "http://status.example", "https://status.example:8443", "null"]
    {
        let answer = read("GET", "/rockets", origin);
        assert_eq!(answer.header("access-control-allow-origin"), None, "{origin}");
        assert_eq!(answer.header("cross-origin-resource-policy"), Some("same-origin"));
        assert_eq!(answer.header("vary"), Some("Accept-Encoding, Origin"));
    }
    assert_eq!(service.get("/rockets/a").header("vary"), Some("Origin"));
    // 304, which caches keep the headers of.
    let etag = service.get("/rockets").header("etag").unwrap().to_owned();
    let again = Request::get("/rockets").header("if-none-match", &etag).header("origin", FRIEND);
    let answer = service.send(&again);
    assert_eq!(answer.status, 304);
    assert_eq!(answer.header("access-control-allow-origin"), Some(FRIEND));
    let post = Request::message(&launch("b")).header("origin", FRIEND);
    let answer = service.send(&post);
    assert_eq!((answer.status, kind(&answer).as_str()), (403, "/problems/cross-origin"));
    assert_eq!(answer.header("access-control-allow-origin"), None);
}

#[test]
fn a_preflight_is_answered_for_reads_of_pages_that_may() {
    let service = Service::start_with(with_friends);
    let ask = |target: &str, origin: &str, method: &str| {
        let request = Request::new("OPTIONS", target).header("origin", origin);
        service.send(&request.header("access-control-request-method", method))
    };
    for (target, method) in [("/rockets", "GET"), ("/rockets/a", "GET"), ("/missions", "DELETE")] {
        let answer = ask(target, FRIEND, method);
        assert_eq!((answer.status, answer.body.len()), (204, 0), "{target}");
        assert_eq!(answer.header("access-control-allow-origin"), Some(FRIEND));
        // Whatever it asked for: the browser refuses what is not among them.
        assert_eq!(answer.header("access-control-allow-methods"), Some("GET, HEAD"));
        let allowed = answer.header("access-control-allow-headers").unwrap();
        for name in ["authorization", "if-none-match", "cache-control"] {
            assert!(allowed.contains(name), "{allowed}");
        }
        assert!(answer.header("vary").unwrap().starts_with("Origin"));
        assert_is_protected(&answer);
    }
    for (target, origin, status) in [
        ("/rockets", "https://evil.example", 405),
        ("/messages", FRIEND, 405),
        ("/nothing", FRIEND, 404),
    ] {
        let answer = ask(target, origin, "GET");
        problem(&answer, status);
        assert_eq!(answer.header("access-control-allow-origin"), None, "{target} {origin}");
    }
    let plain = Request::new("OPTIONS", "/rockets").header("origin", FRIEND);
    problem(&service.send(&plain), 405);
    // Where no page may read, nothing of it is there.
    let closed = Service::start();
    let ask = Request::new("OPTIONS", "/rockets").header("origin", FRIEND);
    problem(&closed.send(&ask.header("access-control-request-method", "GET")), 405);
    assert_eq!(closed.get("/rockets/").header("vary"), Some("Accept-Encoding"));
}

#[track_caller]
fn assert_is_protected(answer: &Response) {
    for (name, value) in [
        ("x-content-type-options", "nosniff"),
        ("referrer-policy", "no-referrer"),
        ("cross-origin-resource-policy", "same-origin"),
        ("content-security-policy", "default-src 'none'; frame-ancestors 'none'"),
    ] {
        let found = answer.header(name);
        let is_shared = name == "cross-origin-resource-policy" && found == Some("cross-origin");
        assert!(found == Some(value) || is_shared, "{name}: {:?}", answer.headers);
    }
}

#[test]
fn whatever_a_browser_may_show_says_how() {
    let service = Service::start();
    service.post(&[launch("a")]);
    for target in [
        "/",
        "/readyz",
        "/rockets",
        "/rockets/a",
        "/missions",
        "/missions/ARTEMIS",
        "/nothing",
        "/rockets?x=1",
    ] {
        for method in ["GET", "HEAD", "PUT"] {
            assert_is_protected(&service.send(&Request::new(method, target)));
        }
    }
    let etag = service.get("/rockets").header("etag").unwrap().to_owned();
    let unchanged = service.send(&Request::get("/rockets").header("if-none-match", &etag));
    assert_eq!(unchanged.status, 304);
    assert_is_protected(&unchanged);
    assert_is_protected(&service.send(&Request::post("no message")));
    assert_is_protected(&service.send(&Request::get("/").header("host", "evil.example")));
    assert_is_protected(&raw(&service, "CONNECT a:80 HTTP/1.1\r\nhost: a\r\n\r\n").0);
    // A sender pays for none of it.
    let accepted = service.send(&Request::message(&launch("b")));
    assert_eq!(accepted.header("x-content-type-options"), None);
}
