//! `GET /` for browsers, and the files of the page. What the page does is looked at
//! by `tests/browser`.

use std::io::Read;

use flate2::read::GzDecoder;

use crate::support::http::send;
use crate::support::logged::Logged;
use crate::support::process::downlink;
use crate::support::{Request, Response, Service, problem};

const BROWSER: &str = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8";

const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; \
                      connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; \
                      require-trusted-types-for 'script'; trusted-types 'none'";

fn as_browser(target: &str) -> Request {
    Request::get(target).header("accept", BROWSER)
}

/// Its own files, as the page names them.
fn files(page: &Response) -> Vec<String> {
    let text = page.text();
    let names = text.split('"').filter(|part| part.starts_with("ui/"));
    names.map(|name| format!("/{name}")).collect()
}

#[test]
fn browsers_get_the_page_and_everybody_else_the_list() {
    let service = Service::start();
    let page = service.send(&as_browser("/"));
    assert_eq!(page.status, 200);
    assert_eq!(page.header("content-type"), Some("text/html; charset=utf-8"));
    assert!(page.text().contains("<title>Downlink</title>"));
    for request in [Request::get("/"), Request::get("/").header("accept", "*/*")] {
        let list = service.send(&request);
        assert_eq!(list.json()["service"], "downlink");
        assert_eq!(list.header("vary"), Some("Accept"));
    }
    assert_eq!(page.header("vary"), Some("Accept, Accept-Encoding"));
    assert!(problem(&service.send(&as_browser("/?x=1")), 400).starts_with('x'));
}

#[test]
fn the_page_and_each_of_its_files_say_what_they_are_and_what_they_may_load() {
    let service = Service::start();
    let page = service.send(&as_browser("/"));
    let files = files(&page);
    assert!(files.len() > 10, "{files:?}");
    for target in files.iter().map(String::as_str).chain(["/"]) {
        let answer = service.send(&as_browser(target));
        assert_eq!(answer.status, 200, "{target}");
        let kind = match target.rsplit('.').next().unwrap() {
            "js" => "text/javascript; charset=utf-8",
            "css" => "text/css; charset=utf-8",
            "svg" => "image/svg+xml",
            _ => "text/html; charset=utf-8",
        };
        assert_eq!(answer.header("content-type"), Some(kind), "{target}");
        assert_eq!(answer.header("content-security-policy"), Some(POLICY), "{target}");
        assert_eq!(answer.header("x-content-type-options"), Some("nosniff"), "{target}");
        assert_eq!(answer.header("cache-control"), Some("no-cache"), "{target}");
        let tag = answer.header("etag").unwrap();
        assert!(tag.starts_with('"'), "{target} has the weak tag {tag}");
        // As it is there, nothing is sent again.
        let again = service.send(&as_browser(target).header("if-none-match", tag));
        assert_eq!((again.status, again.header("etag")), (304, Some(tag)), "{target}");
        assert_eq!(again.header("content-security-policy"), Some(POLICY), "{target}");
        // Compressed it is the same text, under another tag.
        for (coding, decode) in [("gzip", gunzip as fn(&[u8]) -> Vec<u8>), ("zstd", unzstd)] {
            let packed = service.send(&as_browser(target).header("accept-encoding", coding));
            assert_eq!(packed.header("content-encoding"), Some(coding), "{target}");
            assert_eq!(decode(&packed.body), answer.body, "{target}");
            assert!(packed.body.len() < answer.body.len(), "{target}");
            assert_ne!(packed.header("etag"), Some(tag), "{target}");
        }
        let head = service.send(&Request::new("HEAD", target).header("accept", BROWSER));
        assert_eq!((head.status, head.header("etag"), head.body.len()), (200, Some(tag), 0));
    }
}

fn gunzip(bytes: &[u8]) -> Vec<u8> {
    let mut text = Vec::new();
    GzDecoder::new(bytes).read_to_end(&mut text).unwrap();
    text
}

fn unzstd(bytes: &[u8]) -> Vec<u8> {
    zstd::stream::decode_all(bytes).unwrap()
}

#[test]
fn what_is_no_file_of_it_is_not_found() {
    let service = Service::start();
    for target in ["/ui/index.html", "/ui/..", "/ui/%2e%2e%2fui.rs", "/ui/main.js%00", "/ui/%FF"] {
        problem(&service.send(&as_browser(target)), 404);
    }
    problem(&service.send(&as_browser("/ui")), 404);
    problem(&service.send(&as_browser("/ui/main.js?v=1")), 400);
}

/// The page tells nothing of the fleet, and operators have none.
#[test]
fn it_needs_no_token_and_is_not_on_the_operators_address() {
    let files = tempfile::tempdir().unwrap();
    let tokens = files.path().join("read");
    std::fs::write(&tokens, "read-token-0123456789").unwrap();
    let mut command = downlink();
    command.args(["--durability=memory", "--listen=127.0.0.1:0", "--admin-listen=127.0.0.1:0"]);
    command.arg(format!("--read-token-file={}", tokens.display()));
    let service = Logged::start(command);
    let main = service.addresses()[0].parse().unwrap();
    let admin = service.said("listening for operators");
    let admin = admin[0]["address"].as_str().unwrap().parse().unwrap();
    assert_eq!(send(main, &as_browser("/")).status, 200);
    assert_eq!(send(main, &as_browser("/ui/main.js")).status, 200);
    problem(&send(main, &Request::get("/rockets")), 401);
    assert_eq!(send(admin, &as_browser("/")).json()["service"], "downlink");
    problem(&send(admin, &as_browser("/ui/main.js")), 404);
    service.stop();
}
