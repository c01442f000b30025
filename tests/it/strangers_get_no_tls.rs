//! Who is refused with TLS, on both sides; and those who begin a handshake and do
//! not end it.

use std::io::Write;
use std::net::TcpStream;
use std::time::{Duration, Instant};

use time::OffsetDateTime;

use crate::support::logged::Logged;
use crate::support::process::downlink;
use crate::support::tls::{Authority, Files, Pair, TlsConnection, Trust};
use crate::support::{Connection, Request, Service, eventually};

fn ready(trust: &Trust, service: &Service) -> std::io::Result<u16> {
    let mut client: TlsConnection = trust.try_connect(service.address)?;
    Ok(client.try_request(&Request::get("/missions"))?.status)
}

#[test]
fn clients_refuse_what_they_cannot_trust_and_the_service_goes_on() {
    let authority = Authority::new("authority");
    let now = OffsetDateTime::now_utc();
    let day = time::Duration::DAY;
    let bad: [(&str, Pair, &str); 4] = [
        ("expired", authority.issue_for("localhost", |it| it.not_after = now - day), "expired"),
        (
            "early",
            authority.issue_for("localhost", |it| it.not_before = now + day),
            "not valid yet",
        ),
        ("other host", authority.issue_for("elsewhere.example", |_| {}), "not valid for name"),
        ("other authority", Authority::new("other").issue(), "UnknownIssuer"),
    ];
    let good = authority.issue();
    let trust = Trust::in_authority(&authority);
    for (what, pair, error) in bad {
        let files = Files::new(&pair);
        let service = Service::over_tls(files.names(), |_| {});
        let refused = ready(&trust, &service).unwrap_err().to_string();
        assert!(refused.contains(error), "{what}: {refused}");
    }
    let service = Service::over_tls(Files::new(&good).names(), |_| {});
    eventually("one that is trusted is used", || ready(&trust, &service).unwrap() == 200);
}

#[test]
fn only_clients_with_the_right_certificate_are_served() {
    let authority = Authority::new("authority");
    let clients = Authority::new("clients");
    let files = Files::new(&authority.issue());
    let service = Service::over_tls(files.for_clients_of(&clients), |_| {});
    let mine = clients.issue_for("rocket", |_| {});
    let trust = Trust::showing(&authority, &mine);
    eventually("its own client is served", || ready(&trust, &service).unwrap() == 200);

    let expired = clients
        .issue_for("rocket", |it| it.not_after = OffsetDateTime::now_utc() - time::Duration::DAY);
    let strangers = [
        ("none", Trust::in_authority(&authority), "CertificateRequired"),
        ("of others", Trust::showing(&authority, &authority.issue()), "UnknownCA"),
        ("expired", Trust::showing(&authority, &expired), "CertificateExpired"),
    ];
    for (what, trust, alert) in strangers {
        // Told by an alert, which no reset may overtake: a client of version 1.3
        // sends its request before it knows.
        for _ in 0..10 {
            let refused = ready(&trust, &service).unwrap_err().to_string();
            assert!(refused.contains(alert), "{what}: {refused}");
        }
    }
    assert_eq!(ready(&trust, &service).unwrap(), 200);
}

#[test]
fn who_speaks_another_protocol_is_told_so_by_an_alert() {
    let authority = Authority::new("authority");
    let service = Service::over_tls(Files::new(&authority.issue()).names(), |_| {});
    for version in rustls::ALL_VERSIONS {
        let trust = Trust::with(&authority, None, &[version]);
        eventually("the service is ready", || {
            ready(&trust.speaking("http/1.1"), &service).unwrap() == 200
        });
        let refused = ready(&trust.speaking("h2"), &service).unwrap_err().to_string();
        assert!(refused.contains("NoApplicationProtocol"), "{version:?}: {refused}");
    }
}

#[test]
fn why_a_handshake_failed_is_told() {
    let authority = Authority::new("authority");
    let clients = Authority::new("clients");
    let files = Files::new(&authority.issue());
    let client_ca = files.for_clients_of(&clients).client_ca.unwrap();
    let mut command = downlink();
    command.args(["--durability", "memory", "--listen=127.0.0.1:0"]).args(files.flags());
    command.arg("--tls-client-ca").arg(client_ca);
    let service = Logged::start(command);
    let address = service.addresses()[0].parse().unwrap();
    let told = || service.said("TLS handshakes failed");
    // Who leaves in the middle has not failed.
    drop(TcpStream::connect(address).unwrap());
    for (trust, reason) in [
        (Trust::in_authority(&authority), "peer sent no certificates"),
        (Trust::showing(&authority, &authority.issue()), "UnknownIssuer"),
        // The client's own reason.
        (Trust::in_authority(&clients), "UnknownCA"),
    ] {
        eventually(reason, || {
            let refused = trust
                .try_connect(address)
                .and_then(|mut it| it.try_request(&Request::get("/missions")));
            assert!(refused.is_err());
            told().last().is_some_and(|line| line["error"].to_string().contains(reason))
        });
    }
    let lines = service.stop();
    let told = lines.iter().filter(|it| it["fields"]["message"] == "TLS handshakes failed");
    assert!(told.clone().all(|it| it["level"] == "WARN" && it["fields"]["count"].is_u64()));
}

/// Connections whose handshake does not end: nothing sent, half of a hello, and a
/// hello that is answered and not gone on with.
fn half_way(service: &Service, trust: &Trust) -> Vec<Connection> {
    let hello = trust.hello();
    let cuts = [0, 1, 5, hello.len() / 2, hello.len()];
    let begin = |&cut: &usize| {
        let mut stream = TcpStream::connect(service.address).unwrap();
        stream.write_all(&hello[..cut]).unwrap();
        Connection::new(stream)
    };
    let mut clients: Vec<_> = cuts.iter().map(begin).collect();
    let last = clients.last_mut().unwrap();
    eventually("a hello is answered", || last.has_data());
    clients
}

/// Far less than what would end them otherwise.
const SOON: Duration = Duration::from_secs(20);

#[test]
fn half_a_handshake_ends_at_the_time_limit() {
    let authority = Authority::new("authority");
    let service = Service::over_tls(Files::new(&authority.issue()).names(), |config| {
        config.http.idle_timeout = Duration::from_millis(300);
    });
    for mut client in half_way(&service, &Trust::in_authority(&authority)) {
        client.read_until_closed();
    }
}

#[test]
fn half_a_handshake_holds_no_stop_up() {
    let authority = Authority::new("authority");
    let service = Service::over_tls(Files::new(&authority.issue()).names(), |config| {
        config.shutdown_timeout = Duration::from_secs(100);
        config.http.idle_timeout = Duration::from_secs(100);
    });
    let clients = half_way(&service, &Trust::in_authority(&authority));
    let start = Instant::now();
    assert_eq!(service.stop(), Ok(()));
    assert!(start.elapsed() < SOON, "{:?}", start.elapsed());
    for mut client in clients {
        client.read_until_closed();
    }
}

#[test]
fn half_a_handshake_gives_its_place_to_one_that_waits() {
    let authority = Authority::new("authority");
    let trust = Trust::in_authority(&authority);
    let service = Service::over_tls(Files::new(&authority.issue()).names(), |config| {
        config.http.max_connections = 2;
        config.http.idle_timeout = Duration::from_secs(100);
    });
    let _silent: Vec<_> = (0..2).map(|_| TcpStream::connect(service.address).unwrap()).collect();
    let start = Instant::now();
    ready(&trust, &service).unwrap();
    assert!(start.elapsed() < Duration::from_secs(9), "{:?}", start.elapsed());
}

#[test]
fn those_who_are_turned_away_get_nothing_in_plain_text() {
    let authority = Authority::new("authority");
    let service = Service::over_tls(Files::new(&authority.issue()).names(), |config| {
        config.http.max_connections = 1;
        config.http.idle_timeout = Duration::from_secs(100);
    });
    let mut crowd: Vec<_> =
        (0..10).map(|_| Connection::new(TcpStream::connect(service.address).unwrap())).collect();
    // One is served and one waits.
    eventually("most are turned away", || {
        crowd.iter().filter(|client| client.has_data()).count() >= 8
    });
    for client in &mut crowd {
        if client.has_data() {
            assert!(client.is_closed());
        }
    }
}
