//! `GET /metrics`: every figure is moved by what it counts, in both formats, and the
//! tools of those who scrape can read it. As many lines at many rockets as at few.

#![expect(clippy::float_cmp, reason = "what is compared are counts, which are exact")]

use std::io::Write;
use std::process::{Command, Stdio};

use serde_json::json;

use crate::support::faults::{Fault, Faults};
use crate::support::fleet::Last;
use crate::support::http::send;
use crate::support::journal::HeldJournal;
use crate::support::messages::{change_mission, explode, launch, message, slow_down, speed_up};
use crate::support::process::Process;
use crate::support::scrape::Scrape;
use crate::support::service::wide;
use crate::support::{Connection, Request, Service, eventually};
use downlink::config::Durability;
use downlink::fleet::limits::HistoryLimits;

const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// One rocket of each status, one that waits, and every kind of anomaly.
fn some_fleet(service: &Service) {
    service.post(&[launch("a"), speed_up("a", 2, 1), slow_down("a", 3, 2)]);
    // Waits twice, and goes on.
    service.post(&[speed_up("a", 5, 1), change_mission("a", 4, "ORION"), launch("a")]);
    service.post(&[launch("b"), explode("b", 2, "NO_FUEL"), speed_up("b", 3, 1)]);
    service.post(&[launch("c"), message("c", 2, "RocketLaunched", launch("c")["message"].clone())]);
    service.post(&[speed_up("c", 3, i64::MAX), speed_up("c", 4, i64::MAX)]);
    service.post(&[speed_up("d", 1, 1), speed_up("e", 2, 1), speed_up("e", 3, 1)]);
}

#[test]
fn messages_and_rockets() {
    let service = Service::start();
    some_fleet(&service);
    let scrape = Scrape::of(&service);
    let messages = |labels: &[&str]| scrape.get("downlink_messages_total", labels);
    let of = |outcome: &str| format!("outcome=\"{outcome}\"");
    assert_eq!(messages(&[&of("applied")]), 12.0);
    assert_eq!(messages(&[&of("buffered")]), 3.0);
    assert_eq!(messages(&[&of("duplicate")]), 1.0);
    for (kind, count) in [
        ("RocketLaunched", 5.0),
        ("RocketSpeedIncreased", 8.0),
        ("RocketSpeedDecreased", 1.0),
        ("RocketMissionChanged", 1.0),
        ("RocketExploded", 1.0),
    ] {
        assert_eq!(messages(&[&format!("type=\"{kind}\"")]), count, "{kind}");
    }
    for kind in ["before_launch", "launched_again", "after_explosion"] {
        let label = format!("kind=\"{kind}\"");
        assert_eq!(scrape.get("downlink_anomalies_total", &[&label]), 1.0, "{kind}");
    }
    let saturated = scrape.get("downlink_anomalies_total", &["kind=\"speed_saturated\""]);
    assert_eq!(saturated, 2.0);
    for (status, count) in [("launched", 2.0), ("exploded", 1.0), ("not_launched", 2.0)] {
        let label = format!("status=\"{status}\"");
        assert_eq!(scrape.get("downlink_rockets", &[&label]), count, "{status}");
    }
    assert_eq!(scrape.get("downlink_buffered_messages", &[]), 2.0);
    assert_eq!(scrape.get("downlink_waiting_rockets", &[]), 1.0);
    service.post(&[launch("e")]);
    let scrape = Scrape::of(&service);
    assert_eq!(scrape.get("downlink_buffered_messages", &[]), 0.0);
    assert_eq!(scrape.get("downlink_waiting_rockets", &[]), 0.0);
    assert_eq!(scrape.get("downlink_ready", &[]), 1.0);
    assert_eq!(scrape.get("downlink_accepts_messages", &[]), 1.0);
    assert_eq!(scrape.get("downlink_build_info", &["version=\"", "commit=\""]), 1.0);
    assert_eq!(scrape.get("downlink_log_lines_lost_total", &[]), 0.0);
}

#[test]
fn waits_and_what_is_given_up() {
    let service = Service::start();
    let get = |name: &str| Scrape::of(&service).get(name, &[]);
    assert_eq!(get("downlink_oldest_gap_seconds"), 0.0);
    service.post(&[speed_up("a", 4, 1), launch("b"), speed_up("b", 5, 1)]);
    let begun = std::time::Instant::now();
    let first = get("downlink_oldest_gap_seconds");
    eventually("the wait gets longer", || get("downlink_oldest_gap_seconds") > first + 0.05);
    // Only the longest counts: it is over, and the other one's is not as old.
    assert_eq!(service.send(&Request::new("POST", "/gaps/a/skip?awaited=1")).status, 200);
    let second = get("downlink_oldest_gap_seconds");
    assert!(second > 0.0 && second <= begun.elapsed().as_secs_f64() + 0.05, "{second}");
    service.post(&[speed_up("b", 2, 1), speed_up("b", 3, 1), speed_up("b", 4, 1)]);
    assert_eq!(get("downlink_oldest_gap_seconds"), 0.0);
    assert_eq!(get("downlink_messages_lost_total"), 3.0);
    assert_eq!(get("downlink_messages_late_total"), 0.0);
    service.post(&[launch("a"), speed_up("a", 3, 1), speed_up("a", 4, 1)]);
    assert_eq!(get("downlink_messages_late_total"), 2.0);
}

#[test]
fn pages_of_listings() {
    let service = Service::start();
    service.post(&[launch("a")]);
    let page = Request::get("/rockets?limit=1").header("cache-control", "max-age=60");
    for _ in 0..3 {
        assert_eq!(service.send(&page).status, 200);
    }
    let scrape = Scrape::of(&service);
    for (source, count) in [("asked", 1.0), ("joined", 0.0), ("kept", 2.0)] {
        let label = format!("source=\"{source}\"");
        assert_eq!(scrape.get("downlink_listing_pages_total", &[&label]), count, "{source}");
    }
}

#[test]
fn refusals_and_bounds() {
    let mut limits = wide();
    (limits.buffered_per_rocket, limits.buffered, limits.rockets) = (1, 2, 3);
    let service = Service::start_with(|config| config.limits = limits);
    let mut client = service.connect();
    let mut post = |message| client.request(&Request::message(&message)).status;
    for channel in ["a", "b"] {
        assert_eq!(post(speed_up(channel, 3, 1)), 200);
    }
    assert_eq!([post(speed_up("a", 4, 1)), post(speed_up("c", 2, 1))], [429, 429]);
    assert_eq!([post(launch("c")), post(launch("d"))], [200, 503]);
    assert_eq!(post(json!({})), 422);
    let lines = Request::post("{}\n[]\n").header("content-type", "application/x-ndjson");
    assert_eq!(service.send(&lines).status, 422);
    let scrape = Scrape::of(&service);
    for (reason, count) in [
        ("rocket_buffer_full", 1.0),
        ("fleet_buffer_full", 1.0),
        ("fleet_full", 1.0),
        ("invalid", 3.0),
        ("inbox_full", 0.0),
    ] {
        let label = format!("reason=\"{reason}\"");
        assert_eq!(scrape.get("downlink_messages_refused_total", &[&label]), count, "{reason}");
    }
    assert_eq!(scrape.get("downlink_buffered_messages_limit", &[]), 2.0);
    assert_eq!(scrape.get("downlink_rockets_limit", &[]), 3.0);
}

#[test]
fn the_recent_past() {
    let start = |per_rocket, memory| {
        Service::start_with(|config| {
            config.limits.history = HistoryLimits { per_rocket, memory };
        })
    };
    let service = start(2, 1 << 20);
    let scrape = Scrape::of(&service);
    assert_eq!(scrape.get("downlink_history_bytes", &[]), 0.0);
    assert_eq!(scrape.get("downlink_history_limit_bytes", &[]), f64::from(1 << 20));
    service.post(&[launch("a"), speed_up("a", 2, 1), speed_up("a", 3, 1), speed_up("a", 4, 1)]);
    let dropped = |scrape: &Scrape, reason: &str| {
        let label = format!("reason=\"{reason}\"");
        scrape.get("downlink_history_entries_dropped_total", &[&label])
    };
    let scrape = Scrape::of(&service);
    assert!((40.0..200.0).contains(&scrape.get("downlink_history_bytes", &[])));
    assert_eq!([dropped(&scrape, "per_rocket"), dropped(&scrape, "memory")], [2.0, 0.0]);
    let service = start(2, 1);
    service.post(&[launch("a"), speed_up("a", 2, 1)]);
    assert_eq!(dropped(&Scrape::of(&service), "memory"), 2.0);
}

#[test]
fn what_waits_for_a_worker() {
    let service = Service::wired(HeldJournal::new(), Last::Unread, |config| {
        (config.workers, config.inbox_capacity) = (1, 2);
    });
    let mut clients: Vec<_> = ["a", "b", "c"]
        .map(|channel| {
            let mut client = service.connect();
            client.send(&Request::message(&launch(channel)).to_bytes());
            client
        })
        .into();
    eventually("two wait and one is refused", || {
        let scrape = Scrape::of(&service);
        let refused = ["reason=\"inbox_full\""];
        scrape.get("downlink_inbox_messages", &["partition=\"0\""]) == 2.0
            && scrape.get("downlink_messages_refused_total", &refused) == 1.0
            && scrape.get("downlink_inbox_capacity_messages", &[]) == 2.0
    });
    clients.clear();
}

#[test]
fn requests_and_connections() {
    let service = Service::start();
    let before = Scrape::of(&service);
    service.post(&[launch("a")]);
    service.get("/rockets/a");
    service.get("/rockets/nobody");
    service.get("/nothing/here");
    service.send(&Request::new("BREW", "/rockets"));
    service.send(&Request::get("/rockets").header("host", "elsewhere.example"));
    let scrape = Scrape::of(&service);
    let requests = |labels: &[&str]| {
        let name = "downlink_http_request_duration_seconds_count";
        let before = before.find(name, labels).unwrap_or_default();
        scrape.get(name, labels) - before
    };
    let posted = ["route=\"/messages\"", "method=\"POST\"", "status=\"200\""];
    assert_eq!(requests(&posted), 1.0);
    let of_rocket = "route=\"/rockets/{id}\"";
    assert_eq!(requests(&[of_rocket, "status=\"200\""]), 1.0);
    assert_eq!(requests(&[of_rocket, "status=\"404\""]), 1.0);
    assert_eq!(requests(&["route=\"none\"", "method=\"GET\"", "status=\"404\""]), 1.0);
    assert_eq!(requests(&["route=\"none\"", "method=\"other\"", "status=\"405\""]), 1.0);
    assert_eq!(requests(&["route=\"none\"", "status=\"421\""]), 1.0);
    let sum = scrape.get("downlink_http_request_duration_seconds_sum", &posted);
    assert!(sum > 0.0, "{sum}");
    let all =
        scrape.get("downlink_http_request_duration_seconds_bucket", &[posted[0], "le=\"+Inf\""]);
    assert_eq!(all, 1.0);

    let main = ["side=\"main\""];
    let accepted = |scrape: &Scrape| scrape.get("downlink_http_connections_accepted_total", &main);
    assert!(accepted(&scrape) >= accepted(&before) + 6.0);
    let _kept = service.connect().request(&Request::get("/livez"));
    let mut held: Vec<_> = (0..3).map(|_| service.connect()).collect();
    for connection in &mut held {
        assert_eq!(connection.request(&Request::get("/livez")).status, 200);
    }
    assert!(Scrape::of(&service).get("downlink_http_connections", &main) >= 4.0);
    drop(held);
    eventually("they are gone", || {
        Scrape::of(&service).get("downlink_http_connections", &main) == 1.0
    });
    let mut half = service.connect();
    let body = "x".repeat(1000);
    half.send(
        format!("POST /messages HTTP/1.1\r\nhost: localhost\r\ncontent-length: 2000\r\n\r\n{body}")
            .as_bytes(),
    );
    eventually("half a body is held", || {
        Scrape::of(&service).get("downlink_http_held_bytes", &["what=\"request\""]) >= 1000.0
    });
}

#[test]
fn connections_of_one_client_that_are_turned_away() {
    let one = std::num::NonZeroUsize::new(1);
    let service = Service::start_with(|config| config.http.of_one_client.connections = one);
    let mut kept = None;
    // Its place is free once the one before it is gone.
    eventually("one is served", || {
        let mut connection = service.connect();
        let answer = connection.try_request(&Request::get("/livez"));
        kept = answer.is_ok_and(|answer| answer.status == 200).then_some(connection);
        kept.is_some()
    });
    let mut kept = kept.unwrap();
    let answer = kept.request(&Request::get("/metrics"));
    let refused = |answer| {
        let labels = ["side=\"main\"", "reason=\"of_one_client\""];
        Scrape::read(&answer).get("downlink_http_connections_refused_total", &labels)
    };
    let before = refused(answer);
    let _ = service.connect().try_request(&Request::get("/livez"));
    eventually("it is counted", || refused(kept.request(&Request::get("/metrics"))) > before);
}

#[test]
fn who_names_open_metrics_gets_them_and_others_the_plain_format() {
    let service = Service::start();
    some_fleet(&service);
    let plain = service.get("/metrics");
    assert_eq!(plain.header("content-type"), Some("text/plain; version=0.0.4; charset=utf-8"));
    assert!(!plain.text().contains("# EOF"), "{}", plain.text());
    let open = Request::get("/metrics").header("accept", "application/openmetrics-text");
    let open = service.send(&open);
    assert_eq!(open.header("content-type"), Some(OPEN_METRICS));
    assert!(open.text().ends_with("# EOF\n"), "{}", open.text());
    assert!(open.text().contains("# TYPE downlink_messages counter\n"), "{}", open.text());
    assert_eq!(service.get("/metrics?name=x").status, 400);
}

#[test]
fn there_are_as_many_lines_at_many_rockets_as_at_few() {
    let service = Service::start();
    let lines = || Scrape::of(&service).text().lines().count();
    some_fleet(&service);
    service.post(&[launch("first")]);
    let _ = lines();
    let before = lines();
    for rocket in 0..300 {
        let channel = format!("rocket-{rocket}");
        let mission = format!("MISSION-{rocket}");
        service.post(&[launch(&channel), change_mission(&channel, 2, &mission)]);
    }
    assert_eq!(lines(), before);
}

#[test]
fn the_process() {
    // One of its own, for in this one other tests run.
    let service = Process::start(&[]);
    let scrape = || Scrape::read(&send(service.address, &Request::get("/metrics")));
    let before = scrape();
    let files = |scrape: &Scrape| scrape.get("process_open_fds", &[]);
    let held: Vec<_> = (0..50).map(|_| Connection::open(service.address)).collect();
    eventually("they are open", || files(&scrape()) >= files(&before) + 50.0);
    drop(held);
    let cpu = |scrape: &Scrape| scrape.get("process_cpu_seconds_total", &[]);
    eventually("time is used", || cpu(&scrape()) > cpu(&before));
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    let started = before.get("process_start_time_seconds", &[]);
    assert!((1.6e9..=now.as_secs_f64() + 2.0).contains(&started), "{started}");
    let resident = before.get("process_resident_memory_bytes", &[]);
    assert!((1e6..1e12).contains(&resident), "{resident}");
    assert!(before.get("process_virtual_memory_bytes", &[]) >= resident);
    assert!(before.get("process_threads", &[]) >= 2.0);
    assert!(before.get("process_max_fds", &[]) >= files(&before));
    service.terminate();
    assert!(service.wait().0.success());
}

#[test]
fn promtool_finds_nothing_to_complain_about() {
    let service = Service::start();
    some_fleet(&service);
    promtool(&["check", "metrics"], Scrape::of(&service).text());
}

/// Prometheus' own checks; where they are not installed this says so and checks
/// nothing.
fn promtool(arguments: &[&str], input: &str) {
    let promtool = Command::new("promtool")
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    let Ok(mut promtool) = promtool else {
        println!("skipped: there is no promtool (Debian: apt install prometheus)");
        return;
    };
    promtool.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    let output = promtool.wait_with_output().unwrap();
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8_lossy(&said);
    assert!(output.status.success(), "{said}");
    assert!(arguments != ["check", "metrics"] || said.trim().is_empty(), "{said}");
}

/// What a figure is for stands in docs/OPERATIONS.md, each by its name.
#[test]
fn every_figure_is_documented() {
    let service = Service::start();
    some_fleet(&service);
    assert_documented(&Scrape::of(&service));
}

#[track_caller]
fn assert_documented(scrape: &Scrape) {
    let documented = include_str!("../../docs/OPERATIONS.md");
    let missing: Vec<_> = scrape
        .families()
        .into_iter()
        .filter(|name| !documented.contains(&format!("`{name}")))
        .map(str::to_owned)
        .collect();
    assert!(missing.is_empty(), "{missing:?}");
}

#[test]
fn commits_and_checkpoints() {
    let directory = tempfile::tempdir().unwrap();
    let service = Service::start_with(|config| {
        config.durability = Durability::Fsync;
        config.data_dir = directory.path().to_owned();
        config.checkpoints.records = 1;
    });
    let before = Scrape::of(&service);
    assert_eq!(before.get("downlink_commit_failures_total", &[]), 0.0);
    assert_eq!(before.get("downlink_checkpoint_unstored_seconds", &[]), 0.0);
    let commits = |scrape: &Scrape| scrape.get("downlink_commit_duration_seconds_count", &[]);
    service.post(&[launch("a"), speed_up("a", 2, 1)]);
    let scrape = Scrape::of(&service);
    assert!(commits(&scrape) >= commits(&before) + 2.0, "{}", scrape.text());
    assert!(scrape.get("downlink_commit_duration_seconds_sum", &[]) > 0.0);
    assert_eq!(scrape.get("downlink_commit_messages_sum", &[]), 2.0);
    assert!(scrape.get("downlink_journal_size_bytes", &[]) >= 4096.0);
    assert!(scrape.get("downlink_journal_wal_size_bytes", &[]) >= 4096.0);
    let made = |scrape: &Scrape| scrape.get("downlink_checkpoint_duration_seconds_count", &[]);
    eventually("all is stored", || {
        let scrape = Scrape::of(&service);
        made(&scrape) > made(&before)
            && scrape.get("downlink_checkpoint_unstored_seconds", &[]) == 0.0
    });
    let age = |scrape: &Scrape| scrape.get("downlink_checkpoint_age_seconds", &[]);
    let first = age(&Scrape::of(&service));
    eventually("time goes by", || age(&Scrape::of(&service)) > first);
    assert_eq!(Scrape::of(&service).get("downlink_checkpoint_failures_total", &[]), 0.0);
    assert_documented(&Scrape::of(&service));
    promtool(&["check", "metrics"], Scrape::of(&service).text());
}

#[test]
fn commits_and_checkpoints_that_fail() {
    let directory = tempfile::tempdir().unwrap();
    let faults = Faults::default();
    let start = || Service::opened(|_| {}, faults.journal(directory.path()));
    let service = start();
    service.wait_until_ready();
    service.post(&[launch("a")]);
    faults.set(Fault::NoRoom);
    let refused = service.send(&Request::message(&speed_up("a", 2, 1)));
    assert_eq!(refused.status, 503, "{}", refused.text());
    let scrape = Scrape::of(&service);
    assert!(scrape.get("downlink_commit_failures_total", &[]) >= 1.0);
    assert_eq!(scrape.get("downlink_messages_refused_total", &["reason=\"paused\""]), 1.0);
    // Senders may hear of it first.
    eventually("it is told", || {
        let scrape = Scrape::of(&service);
        let told = ["downlink_ready", "downlink_accepts_messages"];
        told.iter().all(|name| scrape.get(name, &[]) == 0.0)
    });
    service.stop().unwrap();
    // It had no checkpoint at its end, so that one is made at once.
    let service = start();
    eventually("a checkpoint fails", || {
        let failures = Scrape::of(&service).find("downlink_checkpoint_failures_total", &[]);
        failures.is_some_and(|failures| failures >= 1.0)
    });
    let unstored = || Scrape::of(&service).get("downlink_checkpoint_unstored_seconds", &[]);
    assert!(unstored() > 0.0);
    faults.set(Fault::None);
    eventually("it is made", || unstored() == 0.0);
}

#[test]
fn messages_that_are_not_answered_in_time_or_not_kept() {
    let directory = tempfile::tempdir().unwrap();
    let faults = Faults::default();
    let short = |config: &mut downlink::config::Config| {
        config.http.request_timeout = std::time::Duration::from_millis(200);
    };
    let service = Service::opened(short, faults.journal(directory.path()));
    service.wait_until_ready();
    let refused = |reason: &str| {
        let label = format!("reason=\"{reason}\"");
        Scrape::of(&service).get("downlink_messages_refused_total", &[&label])
    };
    faults.set(Fault::Stalled);
    assert_eq!(service.send(&Request::message(&launch("a"))).status, 503);
    assert_eq!((refused("timed_out"), refused("not_kept")), (1.0, 0.0));
    faults.set(Fault::Fails);
    // Those that travel behind the one that fails, and those that come later.
    eventually("one is not kept", || {
        assert_eq!(service.send(&Request::message(&launch("b"))).status, 503);
        refused("not_kept") + refused("unavailable") >= 2.0
    });
    assert!(refused("unavailable") >= 1.0);
    service.stop_after_failure();
}

#[test]
fn connections_for_which_there_is_no_place() {
    let service = Service::start_with(|config| config.http.max_connections = 1);
    let mut kept = service.connect();
    // It is being worked on, so that nobody gets its place.
    kept.send(b"POST /messages HTTP/1.1\r\nhost: localhost\r\ncontent-length: 9\r\n\r\n{");
    let _waiting: Vec<_> = (0..5).map(|_| service.connect()).collect();
    drop(kept);
    eventually("some were turned away", || {
        let answer = service.connect().try_request(&Request::get("/metrics"));
        let Some(answer) = answer.ok().filter(|answer| answer.status == 200) else { return false };
        let labels = ["side=\"main\"", "reason=\"no_place\""];
        Scrape::read(&answer).get("downlink_http_connections_refused_total", &labels) >= 1.0
    });
}
