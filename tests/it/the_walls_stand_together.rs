//! TLS, tokens, hosts, origins, limits of a client and the operators' address at
//! the same time, as they are deployed: the real binary with all of their flags.

use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;

use crate::support::http::send;
use crate::support::logged::Logged;
use crate::support::messages::launch;
use crate::support::process::downlink;
use crate::support::tls::{Authority, Files, TlsConnection, Trust};
use crate::support::{Request, Response, kind, problem};

const INGEST: &str = "ingest-token-0123456789";
const READ: &str = "read-token-0123456789";
const NAME: &str = "downlink.example";
const PAGE: &str = "https://status.example";

/// Everything but where to listen, with `files` for its certificate and tokens.
fn walled(files: &Files) -> Command {
    files.write("ingest", INGEST);
    files.write("read", READ);
    let flag = |flag: &str, path: &Path| format!("--{flag}={}", path.display());
    let mut command = downlink();
    command.args(["--durability", "memory", "--allowed-host", NAME, "--cors-origin", PAGE]);
    command.args(["--max-rate-per-client=100000", "--trusted-proxy=192.0.2.1"]);
    command.args(files.flags()).args([
        flag("ingest-token-file", &files.path("ingest")),
        flag("read-token-file", &files.path("read")),
    ]);
    command
}

fn bearing(request: Request, token: &str) -> Request {
    request.header("authorization", &format!("Bearer {token}"))
}

#[track_caller]
fn assert_is_protected(answer: &Response) {
    for name in [
        "x-content-type-options",
        "referrer-policy",
        "cross-origin-resource-policy",
        "content-security-policy",
    ] {
        assert!(answer.header(name).is_some(), "{name}: {:?}", answer.headers);
    }
}

/// Where it says that it listens, as addresses and as URLs.
fn told(service: &Logged, what: &str) -> (SocketAddr, String) {
    let said = service.said(what);
    let field = |name: &str| said[0][name].as_str().unwrap().to_owned();
    (field("address").parse().unwrap(), field("url"))
}

#[test]
fn each_is_asked_over_tls_and_operators_for_no_token() {
    let authority = Authority::new("authority");
    let trust = Trust::in_authority(&authority);
    let files = Files::new(&authority.issue());
    let mut command = walled(&files);
    command.args(["--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0"]);
    let service = Logged::start(command);
    let (main, url) = told(&service, "listening");
    assert_eq!(url, format!("https://{main}"));
    let (admin, url) = told(&service, "listening for operators");
    assert_eq!(url, format!("https://{admin}"));
    let mut client: TlsConnection = trust.connect(main);
    let mut ask = |request: Request| client.request(&request);

    // With the port, without it, and with that of the scheme.
    let own = format!("{NAME}:{}", main.port());
    for (host, origin) in [
        (own.as_str(), format!("https://{own}")),
        (NAME, format!("https://{NAME}")),
        ("downlink.example:443", format!("https://{NAME}")),
        (NAME, "https://downlink.example:443".to_owned()),
    ] {
        let post = Request::message(&launch("a")).header("host", host).header("origin", &origin);
        assert_eq!(ask(bearing(post, INGEST)).status, 200, "{host} {origin}");
    }
    let elsewhere = bearing(Request::message(&launch("b")), INGEST).header("host", NAME);
    let answer = ask(elsewhere.header("origin", "https://downlink.example:444"));
    assert_eq!(kind(&answer), "/problems/cross-origin");

    // The host is asked for before the page, and both before the token.
    let foreign = Request::message(&launch("b")).header("host", "evil.example");
    let answer = ask(foreign.header("sec-fetch-site", "cross-site"));
    assert_eq!((answer.status, kind(&answer).as_str()), (421, "/problems/foreign-host"));
    let page = Request::message(&launch("b")).header("sec-fetch-site", "cross-site");
    assert_eq!(kind(&ask(page)), "/problems/cross-origin");
    let answer = ask(Request::message(&launch("b")));
    assert_eq!((answer.status, kind(&answer).as_str()), (401, "/problems/token-missing"));
    for method in ["GET", "HEAD"] {
        let answer = ask(Request::new(method, "/rockets").header("origin", PAGE));
        assert_eq!((answer.status, answer.body.is_empty()), (401, method == "HEAD"));
        assert!(answer.header("www-authenticate").is_some());
        assert_eq!(answer.header("access-control-allow-origin"), Some(PAGE));
        assert_is_protected(&answer);
    }
    // A preflight has no token, and any other question for options needs none.
    let preflight = Request::new("OPTIONS", "/rockets").header("origin", PAGE);
    let answer = ask(preflight.clone().header("access-control-request-method", "GET"));
    assert_eq!(answer.status, 204);
    assert_is_protected(&answer);
    problem(&ask(preflight), 405);
    assert_eq!(ask(bearing(Request::get("/rockets"), READ)).json()[0]["id"], "a");
    problem(&ask(bearing(Request::get("/rockets/b"), READ)), 404);
    problem(&ask(Request::get("/readyz")), 404);

    // Operators show no token, whatever stands in its place; hosts are asked for
    // there too.
    let mut operator = trust.connect(admin);
    for path in ["/readyz", "/livez", "/"] {
        assert_eq!(operator.request(&Request::get(path)).status, 200, "{path}");
        let answer = operator.request(&bearing(Request::get(path), "nonsense"));
        assert_eq!(answer.status, 200, "{path}");
        assert_eq!(
            operator.request(&Request::get(path).header("host", "evil.example")).status,
            421
        );
    }
    assert_eq!(operator.request(&bearing(Request::get("/rockets"), READ)).status, 404);
    // Nor is a page told that it may read there what is not there.
    let preflight = |path: &str| {
        let request = Request::new("OPTIONS", path).header("origin", PAGE);
        request.header("access-control-request-method", "GET")
    };
    assert_eq!(operator.request(&preflight("/rockets")).status, 404);
    assert_eq!(operator.request(&preflight("/readyz")).status, 204);
    assert_eq!(ask(preflight("/readyz")).status, 404);
    // Both speak TLS, and say so to who does not.
    for address in [main, admin] {
        let answer = send(address, &Request::get("/readyz"));
        assert_eq!(kind(&answer), "/problems/plain-http");
        assert_is_protected(&answer);
    }
    drop((client, operator));
    let warnings = warnings(&service.stop());
    assert!(warnings.is_empty(), "{warnings:?}");
}

fn warnings(lines: &[serde_json::Value]) -> Vec<String> {
    let is_warning = |line: &&serde_json::Value| line["level"] == "WARN";
    lines.iter().filter(is_warning).map(|line| line["fields"]["message"].to_string()).collect()
}

/// Of two addresses that anybody can reach.
#[test]
fn what_certificates_of_clients_close_is_not_said_to_be_open() {
    let authority = Authority::new("authority");
    let files = Files::new(&authority.issue());
    files.write("client-ca.pem", &authority.pem());
    let client_ca = format!("--tls-client-ca={}", files.path("client-ca.pem").display());
    for (asks, told) in [(false, 2), (true, 0)] {
        let mut command = downlink();
        command.args(["--durability", "memory", "--listen", ":0", "--admin-listen", ":0"]);
        command.args(files.flags()).args(asks.then_some(&client_ca));
        let warnings = warnings(&Logged::start(command).stop());
        assert_eq!(warnings.len(), told, "{warnings:?}");
    }
}
