//! Bearer tokens: who needs one, who gets by with which, that they are rotated,
//! and that none is shown.
//!
//! That a comparison takes the same time whatever is compared is not measured:
//! digests of one length are compared, all of them, by a crate that is made for
//! it, and nothing in the way there ends early (`http/access/tokens.rs`).

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use downlink::config::Config;
use downlink::http::access::cors::CorsOrigin;
use downlink::http::access::tokens::{TokenFiles, Tokens};

use crate::support::http::{Response, send};
use crate::support::logged::Logged;
use crate::support::messages::launch;
use crate::support::process::{downlink, run};
use crate::support::tls::{Authority, Files};
use crate::support::{Connection, Request, Service, eventually, kind, problem};

const INGEST: &str = "ingest-token-0123456789";
const READ: &str = "read-token-0123456789";

fn write(directory: &Path, name: &str, text: &str) -> std::path::PathBuf {
    let path = directory.join(name);
    std::fs::write(&path, text).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
    path
}

fn guarded(directory: &Path) -> impl FnOnce(&mut Config) {
    let ingest = write(directory, "ingest", &format!("# senders\nsensor-1 {INGEST}\n"));
    let read = write(directory, "read", &format!("{READ}\n"));
    move |config| {
        config.access.tokens = Tokens::open(Some(ingest), Some(read)).unwrap();
    }
}

fn bearing(request: Request, token: &str) -> Request {
    request.header("authorization", &format!("Bearer {token}"))
}

#[test]
fn each_side_asks_for_its_own_tokens() {
    let directory = tempfile::tempdir().unwrap();
    let service = Service::start_with(|config| {
        guarded(directory.path())(config);
        config.access.cors_origins = vec![CorsOrigin::parse("https://status.example").unwrap()];
    });
    let challenge = "Bearer realm=\"downlink\"";
    let ingest = |token: &str| bearing(Request::message(&launch("a")), token);
    let read = |token: &str| bearing(Request::get("/rockets"), token);
    let basic = Request::get("/rockets").header("authorization", "Basic eDp5");
    let doubled = bearing(read(READ), READ);
    for (request, status, of, error) in [
        (Request::message(&launch("a")), 401, "token-missing", None),
        (Request::get("/rockets"), 401, "token-missing", None),
        (Request::get("/rockets/a"), 401, "token-missing", None),
        (Request::new("HEAD", "/missions"), 401, "", None),
        (Request::get("/missions/A"), 401, "token-missing", None),
        (Request::get("/rockets/"), 401, "token-missing", None),
        (Request::get("/messages/../rockets"), 404, "not-found", None),
        (Request::get(&format!("/rockets?access_token={READ}")), 401, "token-missing", None),
        (basic, 401, "token-missing", None),
        (doubled, 401, "token-invalid", Some("invalid_token")),
        (ingest("nonsense"), 401, "token-invalid", Some("invalid_token")),
        (read(""), 401, "token-invalid", Some("invalid_token")),
        (read(&READ[1..]), 401, "token-invalid", Some("invalid_token")),
        (read(INGEST), 403, "token-of-the-other-side", Some("insufficient_scope")),
        (ingest(READ), 403, "token-of-the-other-side", Some("insufficient_scope")),
    ] {
        let answer = service.send(&request);
        assert_eq!(answer.status, status, "{request:?}: {}", answer.text());
        if !of.is_empty() {
            problem(&answer, status);
            assert_eq!(kind(&answer), format!("/problems/{of}"), "{request:?}");
        }
        if status == 404 {
            continue;
        }
        let error = error.map_or(String::new(), |error| format!(", error=\"{error}\""));
        let asked = format!("{challenge}{error}");
        assert_eq!(answer.header("www-authenticate"), Some(&*asked), "{request:?}");
    }
    assert_eq!(service.send(&ingest(INGEST)).outcome(), "applied");
    assert_eq!(service.send(&read(READ)).json()[0]["id"], "a");
    let lower = Request::get("/rockets").header("authorization", &format!("bearer  {READ}"));
    assert_eq!(service.send(&lower).status, 200);
    // What tells nothing of the fleet is open, whatever is sent along.
    for target in ["/", "/readyz"] {
        assert_eq!(service.get(target).status, 200);
        assert_eq!(service.send(&bearing(Request::get(target), "nonsense")).status, 200);
    }
    problem(&service.get("/nothing"), 404);
    problem(&service.send(&Request::new("PUT", "/rockets")), 405);
    // A page that may read gets to see that it needs a token, and may send it.
    let page = |request: Request| service.send(&request.header("origin", "https://status.example"));
    let answer = page(Request::get("/rockets"));
    assert_eq!(answer.status, 401);
    assert!(answer.header("access-control-allow-origin").is_some());
    assert_eq!(page(read(READ)).status, 200);
    let ask = Request::new("OPTIONS", "/rockets").header("access-control-request-method", "GET");
    assert_eq!(page(ask).status, 204);
}

#[test]
fn a_side_without_a_file_is_open() {
    let directory = tempfile::tempdir().unwrap();
    let file = write(directory.path(), "tokens", READ);
    let read_only = Service::start_with(|config| {
        config.access.tokens = Tokens::open(None, Some(file.clone())).unwrap();
    });
    assert_eq!(read_only.send(&Request::message(&launch("a"))).status, 200);
    assert_eq!(read_only.get("/rockets").status, 401);
    let ingest_only = Service::start_with(|config| {
        config.access.tokens = Tokens::open(Some(file), None).unwrap();
    });
    assert_eq!(ingest_only.send(&Request::message(&launch("a"))).status, 401);
    assert_eq!(ingest_only.get("/rockets").status, 200);
}

#[test]
fn what_decides_about_the_fleet_needs_a_token_of_its_own() {
    let directory = tempfile::tempdir().unwrap();
    let path = |name| Some(write(directory.path(), name, &format!("{name}-token-0123456789")));
    let start = |ingest: bool, admin: bool| {
        let (ingest, admin) = (path("ingest").filter(|_| ingest), path("admin").filter(|_| admin));
        let service = Service::start_with(|config| {
            config.access.tokens = Tokens::of(TokenFiles { ingest, read: None, admin }).unwrap();
        });
        let launch = bearing(Request::message(&launch("a")), INGEST);
        assert_eq!(service.send(&launch).status, 200);
        service
    };
    let (skip, delete) = (("POST", "/gaps/a/skip", 409), ("DELETE", "/rockets/a", 204));
    let service = start(true, true);
    for (method, target, done) in [skip, delete] {
        let bare = Request::new(method, target);
        let of = |answer: Response, status| {
            problem(&answer, status);
            kind(&answer)
        };
        assert_eq!(of(service.send(&bare), 401), "/problems/token-missing");
        let foreign = bearing(bare.clone(), INGEST);
        assert_eq!(of(service.send(&foreign), 403), "/problems/token-of-the-other-side");
        assert_eq!(service.send(&bearing(bare, "admin-token-0123456789")).status, done);
    }
    let launch = bearing(Request::message(&launch("a")), "admin-token-0123456789");
    assert_eq!(service.send(&launch).status, 403);
    // Who asks for any token does not want anybody to do it.
    let service = start(true, false);
    for (method, target, _) in [skip, delete] {
        for token in [INGEST, "admin-token-0123456789"] {
            let answer = service.send(&bearing(Request::new(method, target), token));
            let detail = problem(&answer, 403);
            assert!(detail.contains("--admin-token-file"), "{detail}");
            assert!(detail.contains("--admin-listen"), "{detail}");
            assert_eq!(kind(&answer), "/problems/no-admin-token");
        }
    }
    assert_eq!(service.get("/rockets/a").status, 200);
    for service in [start(false, true), start(false, false)] {
        let answer = service.send(&Request::new("DELETE", "/rockets/a"));
        assert!([401, 204].contains(&answer.status), "{}", answer.text());
        assert_eq!(answer.status == 401, service.get("/rockets/a").status == 200);
    }
}

#[test]
fn tokens_are_rotated_under_an_open_connection() {
    let directory = tempfile::tempdir().unwrap();
    let mut tokens = Tokens::default();
    let service = Service::start_with(|config| {
        guarded(directory.path())(config);
        tokens = config.access.tokens.clone();
    });
    let mut connection = service.connect();
    let mut status =
        |token: &str| connection.request(&bearing(Request::get("/rockets"), token)).status;
    assert_eq!(status(READ), 200);
    let next = "the-next-token-0123456789";
    write(directory.path(), "read", &format!("old {READ}\nnew {next}\n"));
    assert_eq!(status(next), 401);
    tokens.reload().unwrap();
    assert_eq!((status(READ), status(next)), (200, 200));
    // A bad file changes nothing.
    write(directory.path(), "read", &format!("{next} x y"));
    let error = tokens.reload().unwrap_err().to_string();
    assert!(error.contains("line 1") && !error.contains(next), "{error}");
    std::fs::remove_file(directory.path().join("ingest")).unwrap();
    tokens.reload().unwrap_err();
    assert_eq!((status(READ), status(next)), (200, 200));
    write(directory.path(), "ingest", INGEST);
    write(directory.path(), "read", next);
    tokens.reload().unwrap();
    assert_eq!((status(READ), status(next)), (401, 200));
}

#[test]
fn sighup_has_files_read_again_and_a_bad_one_keeps_what_there_is_loudly() {
    const RELOADED: &str = "SIGHUP: tokens reloaded";
    const NOT_RELOADED: &str = "SIGHUP: tokens not reloaded; the old stay";
    let directory = tempfile::tempdir().unwrap();
    let ingest = write(directory.path(), "ingest", INGEST);
    let read = write(directory.path(), "read", READ);
    let mut command = downlink();
    command.args(["--durability", "memory", "--listen", "127.0.0.1:0"]);
    command.arg("--ingest-token-file").arg(&ingest).arg("--read-token-file").arg(&read);
    let service = Logged::start(command);
    let mut old = Connection::open(service.addresses()[0].parse().unwrap());
    let mut statuses = |ingest: &str, read: &str| {
        let post = bearing(Request::message(&launch("a")), ingest);
        let get = bearing(Request::get("/rockets"), read);
        (old.request(&post).status, old.request(&get).status)
    };
    assert_eq!(statuses(INGEST, READ), (200, 200));
    let (next, secret) = ("the-next-token-0123456789", "secret token with much behind");
    // Of two files, one is bad, and then the other; or one is gone.
    for (count, (of_ingest, of_read, told)) in [
        (next, secret, "--read-token-file"),
        (secret, next, "--ingest-token-file"),
        ("", next, "--ingest-token-file"),
    ]
    .into_iter()
    .enumerate()
    {
        write(directory.path(), "ingest", of_ingest);
        write(directory.path(), "read", of_read);
        service.child.signal("HUP");
        eventually("it is told", || service.said(NOT_RELOADED).len() == count + 1);
        let error = service.said(NOT_RELOADED)[count]["error"].to_string();
        assert!(error.contains(told) && !error.contains("secret"), "{error}");
        assert_eq!(statuses(INGEST, READ), (200, 200), "{error}");
        assert_eq!(statuses(next, next), (401, 401), "{error}");
    }
    let is_loud = |line: &&serde_json::Value| line["level"] == "ERROR";
    assert_eq!(service.lines().iter().filter(is_loud).count(), 3);
    write(directory.path(), "ingest", &format!("old {INGEST}\nnew {next}\n"));
    write(directory.path(), "read", next);
    std::fs::set_permissions(&read, std::fs::Permissions::from_mode(0o644)).unwrap();
    service.child.signal("HUP");
    eventually("the tokens are reloaded", || service.said(RELOADED).len() == 1);
    assert_eq!(statuses(next, next), (200, 200));
    assert_eq!(statuses(INGEST, READ), (200, 401));
    // A file that was good at the start may have become too open.
    let exposed = service.said("others on this machine can read or write the tokens");
    let files: Vec<_> = exposed.iter().map(|fields| fields["file"].as_str().unwrap()).collect();
    assert_eq!(files, [read.to_str().unwrap()]);
    drop(old);
    service.stop();
}

#[test]
fn the_launcher_shows_its_tokens() {
    let directory = tempfile::tempdir().unwrap();
    let service = Service::start_with(guarded(directory.path()));
    let url = format!("http://{}/messages", service.address);
    let launch = |seed: &str, flags: &[(&str, &str)]| {
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_rockets"));
        command.args(["launch", &url, "--max-messages=5", seed, "--verify", "--log-level=trace"]);
        for (flag, file) in flags {
            command.arg(flag).arg(directory.path().join(file));
        }
        let (code, out, err) = run(command);
        assert!(!format!("{out}{err}").contains("token-0123"), "{out}{err}");
        (code, format!("{out}{err}"))
    };
    let (code, said) = launch("--seed=1", &[("--token-file", "ingest")]);
    assert!(code == Some(1) && said.contains("403"), "{said}");
    let (code, said) =
        launch("--seed=2", &[("--token-file", "ingest"), ("--read-token-file", "read")]);
    assert!(code == Some(0) && said.contains("0 differences"), "{said}");
}

#[test]
fn a_bad_file_ends_the_program_before_it_binds_and_shows_no_token() {
    let directory = tempfile::tempdir().unwrap();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = format!("--listen={}", taken.local_addr().unwrap());
    for (text, told) in [
        ("", "no token"),
        ("#\n\n", "no token"),
        ("\n tooshort-secret \n", "line 2: a token has 16"),
        ("a-long-secret-token with much behind", "line 1: expected a token"),
        ("sensor:a-long-secret-token", "line 1: a token has letters"),
    ] {
        let file = write(directory.path(), "tokens", text);
        for flag in ["--ingest-token-file", "--read-token-file", "--admin-token-file"] {
            let mut command = downlink();
            command.args(["--durability", "memory", &taken, flag]).arg(&file);
            let (code, _, err) = run(command);
            assert_eq!((code, err.lines().count()), (Some(2), 1), "{err}");
            assert!(err.contains(flag) && err.contains(told), "{err}");
            assert!(err.contains(&*file.to_string_lossy()) && !err.contains("secret"), "{err}");
        }
    }
}

#[test]
fn tokens_that_come_over_the_network_in_the_clear_are_warned_about() {
    let directory = tempfile::tempdir().unwrap();
    let file = write(directory.path(), "tokens", INGEST);
    let authority = Authority::new("authority");
    let files = Files::new(&authority.issue());
    let tls = files.flags();
    let socket = format!("--listen=unix:{}", directory.path().join("socket").display());
    for (flags, is_warned) in [
        (vec!["--listen=0.0.0.0:0"], true),
        (vec!["--listen=0.0.0.0:0", &tls[0], &tls[1]], false),
        (vec!["--listen=127.0.0.1:0", &*socket], false),
    ] {
        for both in [false, true] {
            let mut command = downlink();
            command.args(["--durability", "memory", "--ingest-token-file"]).arg(&file);
            if both {
                command.arg("--read-token-file").arg(&file);
            }
            let lines = Logged::start({
                command.args(&flags);
                command
            });
            let said = format!("{:?}", lines.stop());
            assert_eq!(said.contains("tokens come in the clear"), is_warned, "{flags:?}: {said}");
        }
    }
}

#[test]
fn no_token_is_in_the_log_or_in_what_is_shown() {
    let directory = tempfile::tempdir().unwrap();
    let ingest = write(directory.path(), "ingest", &format!("sensor-1 {INGEST}"));
    let read = write(directory.path(), "read", READ);
    let mut command = downlink();
    command.args(["--durability", "memory", "--listen", "127.0.0.1:0", "--log", "trace"]);
    command.arg("--ingest-token-file").arg(&ingest).arg("--read-token-file").arg(&read);
    let service = Logged::start(command);
    let address = service.addresses()[0].parse().unwrap();
    assert_eq!(send(address, &bearing(Request::message(&launch("a")), INGEST)).status, 200);
    assert_eq!(send(address, &bearing(Request::get("/rockets"), READ)).status, 200);
    for request in [
        bearing(Request::get("/rockets"), INGEST),
        bearing(Request::get("/rockets?a=1"), "sent-by-mistake"),
        bearing(bearing(Request::post("x"), INGEST), READ),
    ] {
        let answer = send(address, &request);
        assert!(answer.status >= 400);
        assert!(!format!("{answer:?}{}", answer.text()).contains("token-0123"), "{answer:?}");
        assert!(!answer.text().contains("mistake"), "{answer:?}");
    }
    let log = format!("{:?}", service.stop());
    assert!(log.contains("DEBUG"), "the log holds all that there is: {log}");
    for secret in [INGEST, READ, "sent-by-mistake"] {
        assert!(!log.contains(secret), "{log}");
    }
    let file = ingest.to_string_lossy();
    let config = Config::parse(["downlink", "--ingest-token-file", &file]).unwrap();
    assert!(!format!("{config:?}").contains(INGEST), "{config:?}");
}

#[test]
fn a_file_that_was_opened_to_others_is_warned_about_when_it_is_read_again() {
    let directory = tempfile::tempdir().unwrap();
    let file = write(directory.path(), "tokens", INGEST);
    let mut command = downlink();
    command.args(["--durability", "memory", "--listen=127.0.0.1:0", "--ingest-token-file"]);
    command.arg(&file);
    let service = Logged::start(command);
    let warned = || service.said("others on this machine can read or write the tokens").len();
    assert_eq!(warned(), 0);
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o604)).unwrap();
    service.child.signal("HUP");
    eventually("it is read again", || service.said("SIGHUP: tokens reloaded").len() == 1);
    assert_eq!(warned(), 1);
    service.stop();
}

#[test]
fn what_is_open_is_warned_about() {
    let directory = tempfile::tempdir().unwrap();
    let ingest = write(directory.path(), "ingest", INGEST);
    let read = write(directory.path(), "read", READ);
    let flags = |with_ingest: bool, with_read: bool| {
        let flag = |flag: &str, file: &Path| vec![format!("{flag}={}", file.display())];
        let mut flags = Vec::new();
        flags.extend(with_ingest.then(|| flag("--ingest-token-file", &ingest)));
        flags.extend(with_read.then(|| flag("--read-token-file", &read)));
        flags.concat()
    };
    let warnings = |address: &str, flags: &[String]| {
        let mut command = downlink();
        command.args(["--durability", "memory", "--listen", address]).args(flags);
        let lines = Logged::start(command).stop();
        let warnings = lines.into_iter().filter(|line| line["level"] == "WARN");
        warnings
            .map(|line| line["fields"]["message"].as_str().unwrap().to_owned())
            .collect::<Vec<_>>()
    };
    for (address, flags, told) in [
        ("127.0.0.1:0,[::1]:0", flags(false, false), &[][..]),
        (":0", flags(true, true), &[]),
        (":0", flags(false, false), &["--ingest-token-file", "--read-token-file"]),
        (":0", flags(true, false), &["--read-token-file"]),
        ("127.0.0.1:0,0.0.0.0:0", flags(false, true), &["--ingest-token-file"]),
    ] {
        let mut warnings = warnings(address, &flags);
        let all = warnings.len();
        warnings.retain(|warning| !warning.contains("tokens come in the clear"));
        let is_clear = !address.ends_with("[::1]:0") && !flags.is_empty();
        assert_eq!(all - warnings.len(), usize::from(is_clear), "{address} {flags:?}");
        assert_eq!(warnings.len(), usize::from(!told.is_empty()), "{address} {warnings:?}");
        let named = ["--ingest-token-file", "--read-token-file"];
        let named: Vec<_> =
            named.into_iter().filter(|name| warnings.concat().contains(name)).collect();
        assert_eq!(named, told, "{address} {flags:?}");
    }
    for (mode, count) in [(0o600, 0), (0o640, 0), (0o644, 1), (0o602, 1)] {
        std::fs::set_permissions(&read, std::fs::Permissions::from_mode(mode)).unwrap();
        let warnings = warnings("127.0.0.1:0", &flags(true, true));
        assert_eq!(warnings.len(), count, "{mode:o} {warnings:?}");
        assert_eq!(warnings.concat().contains("others on this machine"), count == 1);
    }
}
