//! Certificates at a start and at SIGHUP: what is wrong with a file is told, and
//! changes nothing while the service runs.

use std::net::SocketAddr;
use std::process::Command;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use time::OffsetDateTime;

use crate::support::logged::Logged;
use crate::support::messages::{launch, speed_up};
use crate::support::process::{downlink, run};
use crate::support::tls::{Authority, Files, Trust, open_to_all, shown};
use crate::support::{Request, eventually};

fn in_memory(flags: impl IntoIterator<Item = String>) -> Command {
    let mut command = downlink();
    command.args(["--durability", "memory", "--listen=127.0.0.1:0"]).args(flags);
    command
}

/// Ends those who go on until they are told, even if the test fails.
struct AtTheEnd<'a>(&'a AtomicBool);

impl Drop for AtTheEnd<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

fn address(service: &Logged) -> SocketAddr {
    service.addresses()[0].parse().unwrap()
}

/// Flags with their files, and what is told of them.
type Case = (&'static [(&'static str, &'static str)], [&'static str; 2]);

const RELOADED: &str = "SIGHUP: certificates reloaded";
const NOT_RELOADED: &str = "SIGHUP: certificates not reloaded; the old stay";

#[test]
fn under_load_old_connections_live_on_and_new_ones_see_the_new_certificate() {
    let authority = Authority::new("authority");
    let trust = Trust::in_authority(&authority);
    let first = authority.issue();
    let files = Files::new(&first);
    let service = Logged::start(in_memory(files.flags()));
    let address = address(&service);
    let mut old = trust.connect(address);
    assert_eq!(shown(&old), first.der());
    assert_eq!(old.request(&Request::message(&launch("old"))).outcome(), "applied");

    let done = AtomicBool::new(false);
    let sent = AtomicU64::new(0);
    std::thread::scope(|scope| {
        // One that keeps its connection, one that opens a new one each time.
        for keeps in [true, false] {
            let (trust, done, sent) = (trust.clone(), &done, &sent);
            scope.spawn(move || {
                let channel = format!("keeps {keeps}");
                let mut client = trust.connect(address);
                assert_eq!(client.request(&Request::message(&launch(&channel))).status, 200);
                let mut number = 1;
                while !done.load(Ordering::Relaxed) {
                    number += 1;
                    if !keeps {
                        client = trust.connect(address);
                    }
                    let message = Request::message(&speed_up(&channel, number, 1));
                    assert_eq!(client.request(&message).outcome(), "applied");
                    sent.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        let _end = AtTheEnd(&done);
        for count in 1..=5 {
            let pair = authority.issue();
            files.put(&pair);
            service.child.signal("HUP");
            eventually("certificates are reloaded", || service.said(RELOADED).len() == count);
            assert_eq!(shown(&trust.connect(address)), pair.der());
            assert_eq!(old.request(&Request::get("/rockets/old")).status, 200);
            let so_far = sent.load(Ordering::Relaxed);
            eventually("the load goes on", || sent.load(Ordering::Relaxed) > so_far + 10);
        }
    });
    assert_eq!(shown(&old), first.der());
    // The end of its validity is told each time.
    let told = service.said("certificates were read again");
    assert!(told.len() == 5 && told[0]["until"].as_str().unwrap().ends_with('Z'), "{told:?}");
    drop(old);
    service.stop();
}

#[test]
fn a_bad_file_keeps_what_there_is_and_is_told_loudly() {
    let authority = Authority::new("authority");
    let trust = Trust::in_authority(&authority);
    let first = authority.issue();
    let files = Files::new(&first);
    let service = Logged::start(in_memory(files.flags()));
    let other = authority.issue();
    let bad: [(&str, &str, &str); 5] = [
        (&first.cert, &other.key, "--tls-key"),
        (&other.cert, "", "--tls-key"),
        ("", &other.key, "--tls-cert"),
        ("-----BEGIN CERTIFICATE-----\nAAAA\n", &other.key, "--tls-cert"),
        (&other.key, &other.key, "--tls-cert"),
    ];
    for (count, (cert, key, flag)) in bad.into_iter().enumerate() {
        files.write("cert.pem", cert);
        files.write("key.pem", key);
        service.child.signal("HUP");
        eventually("it is told", || service.said(NOT_RELOADED).len() == count + 1);
        let error = service.said(NOT_RELOADED)[count]["error"].to_string();
        assert!(error.contains(flag) && error.contains(".pem"), "{error}");
        let mut client = trust.connect(address(&service));
        assert_eq!(shown(&client), first.der());
        assert_eq!(client.request(&Request::get("/readyz")).status, 200);
    }
    assert_eq!(service.said(RELOADED).len(), 0);
    let is_loud = |line: &&serde_json::Value| line["level"] == "ERROR";
    assert_eq!(service.lines().iter().filter(is_loud).count(), bad.len());
    files.put(&other);
    service.child.signal("HUP");
    eventually("a good one is taken", || service.said(RELOADED).len() == 1);
    assert_eq!(shown(&trust.connect(address(&service))), other.der());
    service.stop();
}

#[test]
fn who_vouches_for_clients_is_read_again_and_no_old_session_goes_on() {
    let authority = Authority::new("authority");
    let (before, after) = (Authority::new("before"), Authority::new("after"));
    let files = Files::new(&authority.issue());
    files.write("ca.pem", &before.pem());
    let client_ca = format!("--tls-client-ca={}", files.path("ca.pem").display());
    let service = Logged::start(in_memory(files.flags().into_iter().chain([client_ca])));
    let is_served = |trust: &Trust| {
        let client = trust.try_connect(address(&service));
        client.and_then(|mut it| it.try_request(&Request::get("/readyz"))).is_ok()
    };
    // Each keeps its sessions.
    let old = Trust::showing(&authority, &before.issue());
    let new = Trust::showing(&authority, &after.issue());
    assert!(is_served(&old) && is_served(&old) && !is_served(&new));
    files.write("ca.pem", &after.pem());
    service.child.signal("HUP");
    eventually("certificates are reloaded", || service.said(RELOADED).len() == 1);
    assert!(!is_served(&old) && is_served(&new));
    service.stop();
}

#[test]
fn what_is_wrong_with_files_ends_the_program_with_one_line_and_exit_code_2() {
    let authority = Authority::new("authority");
    let pair = authority.issue();
    let files = Files::new(&pair);
    files.write("other-key.pem", &authority.issue().key);
    files.write("empty.pem", "");
    files.write("large.pem", &"x".repeat(2 << 20));
    let locked = pair.key.replace("BEGIN PRIVATE KEY", "BEGIN ENCRYPTED PRIVATE KEY");
    files.write("locked.pem", &locked.replace("END PRIVATE KEY", "END ENCRYPTED PRIVATE KEY"));
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let listen = format!("--listen={}", taken.local_addr().unwrap());
    let half = pair.cert.replace("-----END CERTIFICATE-----", "");
    files.write("half.pem", &half);
    let cases: [Case; 15] = [
        (&[("cert", "half.pem"), ("key", "key.pem")], ["-----END CERTIFICATE-----", "see --help"]),
        (&[("cert", "cert.pem")], ["--tls-key", "--tls-cert"]),
        (&[("key", "key.pem")], ["--tls-cert", "--tls-key"]),
        (&[("client-ca", "cert.pem")], ["--tls-cert", "--tls-client-ca"]),
        (&[("cert", "gone.pem"), ("key", "key.pem")], ["--tls-cert", "gone.pem: cannot read"]),
        (&[("cert", "cert.pem"), ("key", "gone.pem")], ["--tls-key", "gone.pem: cannot read"]),
        (&[("cert", "."), ("key", "key.pem")], ["--tls-cert", "directory"]),
        (&[("cert", "empty.pem"), ("key", "key.pem")], ["--tls-cert", "no certificate"]),
        (&[("cert", "key.pem"), ("key", "key.pem")], ["--tls-cert", "a private key and no"]),
        (&[("cert", "large.pem"), ("key", "key.pem")], ["--tls-cert", "1 MiB"]),
        (&[("cert", "cert.pem"), ("key", "empty.pem")], ["--tls-key", "no private key"]),
        (&[("cert", "cert.pem"), ("key", "cert.pem")], ["--tls-key", "a certificate and no"]),
        (&[("cert", "cert.pem"), ("key", "locked.pem")], ["--tls-key", "encrypted"]),
        (&[("cert", "cert.pem"), ("key", "other-key.pem")], ["--tls-key", "does not belong"]),
        (
            &[("cert", "cert.pem"), ("key", "key.pem"), ("client-ca", "empty.pem")],
            ["--tls-client-ca", "no certificate"],
        ),
    ];
    for (flags, told) in cases {
        let mut command = downlink();
        command.args(["--durability", "memory", &listen]);
        for (flag, file) in flags {
            command.arg(format!("--tls-{flag}={}", files.path(file).display()));
        }
        let (code, out, err) = run(command);
        assert_eq!((code, err.lines().count(), &*out), (Some(2), 1, ""), "{flags:?}: {err}");
        assert!(told.iter().all(|text| err.contains(text)), "{flags:?}: {err}");
    }
    let mut command = downlink();
    command.env("DOWNLINK_TLS_CERT", files.path("cert.pem"));
    let (code, _, err) = run(command);
    assert_eq!((code, err.lines().count()), (Some(2), 1), "{err}");
}

#[test]
fn a_mark_of_byte_order_does_no_harm() {
    let authority = Authority::new("authority");
    let pair = authority.issue();
    let files = Files::new(&pair);
    files.write("cert.pem", &format!("\u{feff}{}", pair.cert));
    files.write("key.pem", &format!("\u{feff}{}", pair.key));
    let service = Logged::start(in_memory(files.flags()));
    assert_eq!(shown(&Trust::in_authority(&authority).connect(address(&service))), pair.der());
    service.stop();
}

#[test]
fn where_no_address_speaks_tls_that_is_warned_about() {
    let files = Files::new(&Authority::new("authority").issue());
    let said = |listen: &str| {
        let mut command = downlink();
        command.args(["--durability", "memory", "--listen", listen]).args(files.flags());
        let lines = Logged::start(command).stop();
        let tls = lines.iter().find(|line| line["fields"]["message"] == "ready").unwrap();
        (format!("{lines:?}").contains("no address speaks TLS"), tls["fields"]["tls"] == true)
    };
    let socket = format!("unix:{}", files.path("socket").display());
    assert_eq!(said(&socket), (true, false));
    assert_eq!(said(&format!("{socket},127.0.0.1:0")), (false, true));
}

#[test]
fn a_certificate_that_ends_soon_and_a_key_that_all_may_read_are_warned_about() {
    let authority = Authority::new("authority");
    let now = OffsetDateTime::now_utc();
    let day = time::Duration::DAY;
    for (ends, warning) in [
        (now - day, Some("the certificate has expired: clients will refuse it")),
        (now + 5 * day, Some("the certificate expires soon")),
        (now + 60 * day, None),
    ] {
        let pair = authority.issue_for("localhost", |params| params.not_after = ends);
        let files = Files::new(&pair);
        if warning.is_some() {
            open_to_all(&files.path("key.pem"));
        }
        let service = Logged::start(in_memory(files.flags()));
        let until = ends.date().to_string();
        let told = service.said("TLS")[0]["until"].as_str().unwrap().to_owned();
        assert!(told.starts_with(&until), "{told}");
        let lines = service.stop();
        let warnings: Vec<_> = lines.iter().filter(|line| line["level"] == "WARN").collect();
        assert_eq!(warnings.len(), 2 * usize::from(warning.is_some()), "{warnings:?}");
        if let Some(warning) = warning {
            let said = format!("{warnings:?}");
            assert!(said.contains("may read the private key") && said.contains(warning), "{said}");
        }
    }
}
