//! The binary's arguments, its environment, and how it ends when they are bad.

use std::net::TcpListener;

use crate::support::http::send;
use crate::support::logged::Logged;
use crate::support::messages::{launch, speed_up};
use crate::support::process::{Process, downlink, run};
use crate::support::{Connection, Request, eventually};
use serde_json::json;

/// Every flag with its variable and the default that `--help` must show.
const FLAGS: [(&str, &str, &str); 58] = [
    ("--config", "DOWNLINK_CONFIG", "none"),
    ("--listen", "DOWNLINK_LISTEN", "127.0.0.1:8088"),
    ("--admin-listen", "DOWNLINK_ADMIN_LISTEN", "none"),
    ("--unix-mode", "DOWNLINK_UNIX_MODE", "660"),
    ("--allowed-host", "DOWNLINK_ALLOWED_HOST", "none"),
    ("--cors-origin", "DOWNLINK_CORS_ORIGIN", "none"),
    ("--ingest-token-file", "DOWNLINK_INGEST_TOKEN_FILE", "none"),
    ("--read-token-file", "DOWNLINK_READ_TOKEN_FILE", "none"),
    ("--admin-token-file", "DOWNLINK_ADMIN_TOKEN_FILE", "none"),
    ("--tls-cert", "DOWNLINK_TLS_CERT", "none, plain HTTP"),
    ("--tls-key", "DOWNLINK_TLS_KEY", "none"),
    ("--tls-client-ca", "DOWNLINK_TLS_CLIENT_CA", "clients need no certificate"),
    ("--workers", "DOWNLINK_WORKERS", "number of cores"),
    ("--threads", "DOWNLINK_THREADS", "number of cores, less one"),
    ("--data-dir", "DOWNLINK_DATA_DIR", "./data"),
    ("--durability", "DOWNLINK_DURABILITY", "fsync"),
    ("--commit-delay", "DOWNLINK_COMMIT_DELAY", "500us"),
    ("--inbox-capacity", "DOWNLINK_INBOX_CAPACITY", "65536"),
    ("--memory-limit", "DOWNLINK_MEMORY_LIMIT", "none"),
    ("--max-buffered-per-rocket", "DOWNLINK_MAX_BUFFERED_PER_ROCKET", "10000"),
    ("--max-buffered", "DOWNLINK_MAX_BUFFERED", "10000000"),
    ("--max-rockets", "DOWNLINK_MAX_ROCKETS", "10000000"),
    ("--cluster", "DOWNLINK_CLUSTER", "none: a service alone"),
    ("--node", "DOWNLINK_NODE", "none"),
    ("--reads", "DOWNLINK_READS", "linearizable"),
    ("--copies", "DOWNLINK_COPIES", "2"),
    ("--log-limit", "DOWNLINK_LOG_LIMIT", "1GiB"),
    ("--cluster-ca", "DOWNLINK_CLUSTER_CA", "none, no TLS"),
    ("--cluster-cert", "DOWNLINK_CLUSTER_CERT", "none"),
    ("--cluster-key", "DOWNLINK_CLUSTER_KEY", "none"),
    ("--cluster-user", "DOWNLINK_CLUSTER_USER", "none"),
    ("--cluster-password-file", "DOWNLINK_CLUSTER_PASSWORD_FILE", "none"),
    ("--advertise", "DOWNLINK_ADVERTISE", "none"),
    ("--cluster-token-file", "DOWNLINK_CLUSTER_TOKEN_FILE", "none"),
    ("--gap-timeout", "DOWNLINK_GAP_TIMEOUT", "none"),
    ("--forget-exploded-after", "DOWNLINK_FORGET_EXPLODED_AFTER", "none"),
    ("--forgotten", "DOWNLINK_FORGOTTEN", "archive"),
    ("--history-per-rocket", "DOWNLINK_HISTORY_PER_ROCKET", "64"),
    ("--history-memory", "DOWNLINK_HISTORY_MEMORY", "64MiB"),
    ("--max-connections", "DOWNLINK_MAX_CONNECTIONS", "16384"),
    ("--max-connections-per-client", "DOWNLINK_MAX_CONNECTIONS_PER_CLIENT", "none"),
    ("--max-rate-per-client", "DOWNLINK_MAX_RATE_PER_CLIENT", "none"),
    ("--trusted-proxy", "DOWNLINK_TRUSTED_PROXY", "none"),
    ("--max-body", "DOWNLINK_MAX_BODY", "64KiB"),
    ("--max-bulk-body", "DOWNLINK_MAX_BULK_BODY", "16MiB"),
    ("--min-body-rate", "DOWNLINK_MIN_BODY_RATE", "1KiB"),
    ("--max-body-bytes-held", "DOWNLINK_MAX_BODY_BYTES_HELD", "256MiB"),
    ("--max-answer-bytes-held", "DOWNLINK_MAX_ANSWER_BYTES_HELD", "256MiB"),
    ("--checkpoint-messages", "DOWNLINK_CHECKPOINT_MESSAGES", "1000000"),
    ("--checkpoint-interval", "DOWNLINK_CHECKPOINT_INTERVAL", "60s"),
    ("--request-timeout", "DOWNLINK_REQUEST_TIMEOUT", "5s"),
    ("--idle-timeout", "DOWNLINK_IDLE_TIMEOUT", "75s"),
    ("--max-subscribers", "DOWNLINK_MAX_SUBSCRIBERS", "1000"),
    ("--events-max-rate", "DOWNLINK_EVENTS_MAX_RATE", "1000"),
    ("--drain-delay", "DOWNLINK_DRAIN_DELAY", "0s"),
    ("--shutdown-timeout", "DOWNLINK_SHUTDOWN_TIMEOUT", "10s"),
    ("--log-format", "DOWNLINK_LOG_FORMAT", "text"),
    ("--log", "DOWNLINK_LOG", "info"),
];

/// Values that each flag refuses.
const BAD: [(&str, &[&str]); 49] = [
    ("--config", &["", "missing", "/"]),
    ("--listen", &["", "8088", "localhost", "127.0.0.1", "127.0.0.1:65536", "http://host:80"]),
    ("--admin-listen", &["", "8089", "localhost", "127.0.0.1:0,", "unix:"]),
    ("--unix-mode", &["", "8", "1000", "rw-rw----"]),
    ("--allowed-host", &["", "a:80", "http://a", "*", "*.example.com", "a b"]),
    ("--cors-origin", &["", "*", "null", "example.com", "http://a/b", "ftp://a"]),
    ("--ingest-token-file", &["", "missing", "/"]),
    ("--read-token-file", &["", "missing", "/dev/null"]),
    ("--admin-token-file", &["", "missing", "/dev/null"]),
    ("--workers", &["", "0", "-1", "1.5", "many"]),
    ("--threads", &["", "0", "-1", "1.5", "many"]),
    ("--durability", &["", "eternal", "memroy"]),
    ("--commit-delay", &["", "5", "-1us", "25h", "soon"]),
    ("--inbox-capacity", &["", "0", "-5", "1k"]),
    ("--memory-limit", &["", "0", "63MiB", "67108863", "x"]),
    ("--max-buffered-per-rocket", &["", "0", "-1", "x", "50001", "18446744073709551615"]),
    ("--max-buffered", &["", "0", "x"]),
    ("--max-rockets", &["", "0", "x"]),
    ("--max-connections", &["", "0", "x"]),
    ("--max-connections-per-client", &["", "0", "x"]),
    ("--max-rate-per-client", &["", "0", "1000001", "1/s"]),
    ("--trusted-proxy", &["", "10.0.0.0/33", "example.org", "10.0.0.0/8,", "::ffff:10.0.0.0/104"]),
    ("--max-body", &["", "0", "-1", "64XB", "big", "99999999999999GiB"]),
    ("--max-bulk-body", &["", "0", "16 XB", "-1"]),
    ("--min-body-rate", &["", "0", "-1", "2TiB"]),
    ("--max-body-bytes-held", &["", "0", "x", "2TiB"]),
    ("--max-answer-bytes-held", &["", "0", "x", "2TiB"]),
    ("--checkpoint-messages", &["", "0", "-1"]),
    ("--checkpoint-interval", &["", "0s", "never"]),
    ("--request-timeout", &["", "0s", "5", "-5s", "25h", "99999999m"]),
    ("--idle-timeout", &["", "0ms", "soon"]),
    ("--max-subscribers", &["", "0", "-1", "100001"]),
    ("--events-max-rate", &["", "0", "1/s", "1000001"]),
    ("--drain-delay", &["", "5", "-1s", "25h", "soon"]),
    // The last of each is fine, but for there being no cluster.
    ("--cluster", &["", "a:2379", "http://a", "etcd://a:0", "etcd://a,", "etcd://u@a", "etcd://a"]),
    ("--node", &["", "a/b", "a b", "é", "a"]),
    ("--reads", &["", "fresh", "local"]),
    ("--copies", &["", "0", "-1", "65", "2"]),
    ("--log-limit", &["", "0", "1XB", "2TiB", "1GiB"]),
    ("--advertise", &["", "a", "https://a", "http://", "http://a:0", "http://u@a", "http://a"]),
    ("--gap-timeout", &["", "0s", "never"]),
    ("--forget-exploded-after", &["", "0s", "never", "3651days"]),
    // There is no directory for it: this runs with `--durability memory`.
    ("--forgotten", &["", "burn", "archive"]),
    ("--history-per-rocket", &["", "-1", "1001", "x"]),
    ("--history-memory", &["", "0", "x", "2TiB"]),
    ("--shutdown-timeout", &["", "0s", "10"]),
    ("--log-format", &["", "xml"]),
    ("--log", &["", "a=b=c", "warning", "verbose", "downlink", "info,loud"]),
    ("--warp-speed", &["9"]),
];

#[test]
fn a_bad_value_ends_the_program_with_one_line_and_exit_code_2() {
    // Taken, so that a program which binds first fails otherwise.
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let directory = tempfile::tempdir().unwrap();
    for (flag, values) in BAD {
        for value in values {
            let mut command = downlink();
            command.current_dir(directory.path());
            if flag != "--listen" {
                command.args(["--listen", &address]);
            }
            if flag != "--durability" {
                command.args(["--durability", "memory"]);
            }
            command.arg(format!("{flag}={value}"));
            let (code, out, err) = run(command);
            assert_eq!(code, Some(2), "{flag}={value}: {err}");
            assert_eq!(err.lines().count(), 1, "{flag}={value}: {err}");
            assert!(err.contains(flag), "{flag}={value}: {err}");
            assert_eq!(out, "");
        }
    }
    assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 0);
}

#[test]
fn a_bad_value_from_the_environment_is_refused_alike() {
    for (flag, variable, _) in FLAGS {
        let Some((_, values)) = BAD.iter().find(|(bad, _)| *bad == flag) else { continue };
        let mut command = downlink();
        command.env(variable, values[1]);
        let (code, _, err) = run(command);
        assert_eq!((code, err.lines().count()), (Some(2), 1), "{variable}: {err}");
        assert!(err.contains(flag), "{variable}: {err}");
        // What is wrong with a file does not depend on who names it.
        let is_file = flag.ends_with("-file") || flag == "--config";
        assert!(is_file || err.contains(&format!("environment variable {variable}")), "{err}");
    }
}

/// Every flag that takes a number, with what it takes none for, its least, its
/// most, and the end of all numbers.
const EXTREMES: [(&str, [&str; 4]); 28] = [
    ("--workers", ["0", "1", "1024", "18446744073709551615"]),
    ("--threads", ["0", "1", "1024", "18446744073709551615"]),
    ("--inbox-capacity", ["0", "1", "16777216", "18446744073709551615"]),
    ("--memory-limit", ["0", "64MiB", "9223372036854775807", "18446744073709551615"]),
    ("--max-buffered-per-rocket", ["0", "1", "50000", "18446744073709551615"]),
    ("--max-buffered", ["0", "1", "1000000000000", "18446744073709551615"]),
    ("--max-rockets", ["0", "1", "4000000000", "18446744073709551615"]),
    ("--max-connections", ["0", "1", "1048576", "18446744073709551615"]),
    ("--max-connections-per-client", ["0", "1", "1048576", "18446744073709551615"]),
    ("--max-rate-per-client", ["0", "1", "1000000", "18446744073709551615"]),
    ("--max-subscribers", ["0", "1", "100000", "18446744073709551615"]),
    ("--events-max-rate", ["0", "1", "1000000", "18446744073709551615"]),
    ("--checkpoint-messages", ["0", "1", "1000000000000", "18446744073709551615"]),
    ("--max-body", ["0", "1", "1GiB", "18446744073709551615"]),
    ("--max-bulk-body", ["0", "1", "1TiB", "18446744073709551615"]),
    ("--min-body-rate", ["0", "1", "1TiB", "18446744073709551615"]),
    ("--max-body-bytes-held", ["0", "1", "1TiB", "18446744073709551615"]),
    ("--max-answer-bytes-held", ["0", "1", "1TiB", "18446744073709551615"]),
    ("--commit-delay", ["-1s", "0", "1day", "18446744073709551615s 1000ms"]),
    ("--checkpoint-interval", ["0s", "1ms", "1day", "18446744073709551615s 1000ms"]),
    ("--request-timeout", ["0s", "1ms", "1day", "18446744073709551615s 1000ms"]),
    ("--idle-timeout", ["0s", "1ms", "1day", "18446744073709551615s 1000ms"]),
    ("--shutdown-timeout", ["0s", "1ms", "1day", "18446744073709551615s 1000ms"]),
    ("--forget-exploded-after", ["0s", "1ms", "3650days", "18446744073709551615s 1000ms"]),
    ("--gap-timeout", ["0s", "1ms", "1day", "18446744073709551615s 1000ms"]),
    ("--history-per-rocket", ["-1", "0", "1000", "18446744073709551615"]),
    ("--history-memory", ["0", "1", "1TiB", "18446744073709551615"]),
    ("--unix-mode", ["", "0", "777", "18446744073709551615"]),
];

#[test]
fn every_number_works_at_its_least_and_its_most_and_is_refused_beyond() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = format!("--listen={}", taken.local_addr().unwrap());
    for (flag, [none, least, most, beyond]) in EXTREMES {
        for value in [none, beyond] {
            let mut command = downlink();
            command.args(["--durability", "memory", &taken]).arg(format!("{flag}={value}"));
            let (code, _, err) = run(command);
            assert_eq!((code, err.lines().count()), (Some(2), 1), "{flag}={value}: {err}");
        }
        for value in [least, most] {
            // Both what waits for commits and what waits for nothing.
            let directory = tempfile::tempdir().unwrap();
            let mut command = downlink();
            command.args(["--listen", "127.0.0.1:0"]).arg(format!("{flag}={value}"));
            command.arg("--data-dir").arg(directory.path());
            let process = Process::spawn(command);
            // What comes of it depends on the flag; there is an answer.
            let message = Request::message(&launch("a"));
            let mut answer = None;
            eventually("a message is answered", || {
                let stream = std::net::TcpStream::connect(process.address);
                let stream = stream.map(Connection::new);
                answer = stream.and_then(|mut it| it.try_request(&message)).ok();
                answer.is_some()
            });
            let status = answer.unwrap().status;
            assert!([200, 408, 413, 429, 503].contains(&status), "{flag}={value}: {status}");
            process.terminate();
            let (status, log) = process.wait();
            // A millisecond may be too short for a stop, which is said then.
            let in_time = status.code() == Some(0) || flag == "--shutdown-timeout";
            assert!(in_time && !log.contains("panic"), "{flag}={value}: {status} {log}");
        }
    }
}

/// Every flag of a cluster that takes a number, likewise.
const EXTREMES_OF_A_CLUSTER: [(&str, [&str; 4]); 2] = [
    ("--copies", ["0", "1", "64", "18446744073709551615"]),
    ("--log-limit", ["0", "1", "1TiB", "18446744073709551615"]),
];

#[test]
fn every_number_of_a_cluster_is_taken_at_its_least_and_its_most_and_is_refused_beyond() {
    for (flag, values) in EXTREMES_OF_A_CLUSTER {
        for (index, value) in values.into_iter().enumerate() {
            let mut command = downlink();
            command.args(["--cluster", "etcd://127.0.0.1:1", "--durability", "memory"]);
            command.args(["--node", "a"]).arg(format!("{flag}={value}"));
            let (code, _, err) = run(command);
            assert_eq!((code, err.lines().count()), (Some(2), 1), "{flag}={value}: {err}");
            // Values that are taken leave what is wrong with the rest.
            assert_eq!(err.contains(flag), [0, 3].contains(&index), "{flag}={value}: {err}");
        }
    }
}

#[test]
fn a_cluster_without_what_it_needs_is_refused_with_what_that_is() {
    let durable = ["--cluster", "etcd://127.0.0.1:1", "--node", "a"];
    let in_memory = [&durable[..], &["--durability", "memory"]].concat();
    let built = cfg!(feature = "etcd");
    let hint = "cargo build --release --features etcd";
    let cases = [
        (&in_memory[..], if built { "--durability memory" } else { hint }),
        (&durable[..2], if built { "--node is missing" } else { hint }),
        (&["--node", "a"], "--cluster is missing, which --node needs"),
        (&["--cluster-user", "a"], "--cluster is missing, which --cluster-user needs"),
    ];
    for (arguments, expected) in cases {
        let mut command = downlink();
        command.args(arguments);
        let (code, _, err) = run(command);
        assert_eq!((code, err.lines().count()), (Some(2), 1), "{arguments:?}: {err}");
        assert!(err.contains(expected), "{arguments:?}: {err}");
    }
}

#[test]
fn an_empty_variable_is_unset_and_blanks_and_case_make_no_difference() {
    let mut command = downlink();
    for (_, variable, _) in FLAGS {
        command.env(variable, if variable.ends_with("TIMEOUT") { " \n" } else { "" });
    }
    command
        .env("DOWNLINK_LOG", "")
        .env("DOWNLINK_LISTEN", "127.0.0.1:0\n")
        .env("DOWNLINK_DURABILITY", " Memory ")
        .env("DOWNLINK_MAX_BODY", "1KB\n")
        .env("DOWNLINK_LOG_FORMAT", "JSON")
        .env("DOWNLINK_SHUTDOWN_TIMEOUT", "9S");
    let process = Process::spawn(command);
    let post = |body: String| send(process.address, &Request::post(body)).status;
    assert_eq!(post(" ".repeat(1001)), 413);
    assert_eq!(post(launch("a").to_string()), 204);
    process.terminate();
    let (status, log) = process.wait();
    assert!(status.success() && log.contains("listening"), "{log}");
}

#[test]
fn what_is_no_flag_is_refused() {
    for arguments in
        [&["launch"][..], &["--listen"], &["-x"], &["--workers", "1", "--workers", "2"]]
    {
        let mut command = downlink();
        command.args(arguments);
        let (code, _, err) = run(command);
        assert_eq!((code, err.lines().count()), (Some(2), 1), "{arguments:?}: {err}");
    }
}

#[test]
fn a_port_in_use_ends_the_program_with_exit_code_1_and_its_name() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let mut command = downlink();
    command.args(["--durability", "memory", "--listen", &address]);
    let (code, _, err) = run(command);
    assert_eq!(code, Some(1), "{err}");
    let last = err.lines().last().unwrap_or_default();
    assert!(last.contains(&address) && last.contains("in use"), "{err}");
}

#[test]
fn help_shows_every_flag_with_its_variable_and_default() {
    let mut command = downlink();
    command.arg("--help");
    let (code, out, err) = run(command);
    assert_eq!((code, err.as_str()), (Some(0), ""));
    // The text of each flag runs from its name to the next one's.
    let entries: Vec<_> = out.split("\n      --").map(|entry| format!("--{entry}")).collect();
    for (flag, variable, default) in FLAGS {
        let entry = entries.iter().find(|entry| entry.split_whitespace().next() == Some(flag));
        let entry = entry.unwrap_or_else(|| panic!("{flag} is missing: {out}"));
        assert!(entry.contains(&format!("[env: {variable}]")), "{entry}");
        assert!(entry.contains("[default: ") && entry.contains(default), "{entry}");
    }
    assert!(out.contains("[env: DOWNLINK_LOG]"), "{out}");
    for path in [
        "/messages",
        "/rockets",
        "/missions",
        "/gaps",
        "/events",
        "/metrics",
        "/readyz",
        "/openapi.json",
        "/docs",
    ] {
        assert!(out.contains(path), "{out}");
    }
}

#[test]
fn the_version_is_the_packages() {
    let mut command = downlink();
    command.arg("--version");
    let expected = format!("downlink {}\n", env!("CARGO_PKG_VERSION"));
    assert_eq!(run(command), (Some(0), expected, String::new()));
}

#[test]
fn flags_take_effect() {
    let process =
        Process::start(&["--max-body", "1000", "--max-buffered-per-rocket=1", "--workers=1"]);
    let post = |body: String| send(process.address, &Request::post(body)).status;
    assert_eq!(post(" ".repeat(1001)), 413);
    assert_eq!(post(speed_up("a", 2, 1).to_string()), 204);
    assert_eq!(post(speed_up("a", 3, 1).to_string()), 429);
    process.terminate();
    let (status, log) = process.wait();
    assert!(status.success(), "{log}");
    // At the default level, nothing is logged for each message.
    assert!(!log.contains("/messages") && log.lines().count() < 10, "{log}");
}

#[test]
fn the_environment_takes_effect_and_flags_win_over_it() {
    let mut command = downlink();
    command
        .env("DOWNLINK_LISTEN", "127.0.0.1:0")
        .env("DOWNLINK_DURABILITY", "memory")
        .env("DOWNLINK_MAX_BODY", "1000")
        .env("DOWNLINK_MAX_ROCKETS", "5")
        .env("DOWNLINK_LOG", "debug")
        .args(["--max-rockets", "1"]);
    let process = Process::spawn(command);
    let post = |body: String| send(process.address, &Request::post(body)).status;
    assert_eq!(post(" ".repeat(1001)), 413);
    assert_eq!(post(launch("a").to_string()), 204);
    assert_eq!(post(launch("b").to_string()), 503);
    process.terminate();
    assert!(process.wait().0.success());
}

#[test]
fn nothing_is_written_to_disk_in_memory() {
    let directory = tempfile::tempdir().unwrap();
    let mut command = downlink();
    command.current_dir(directory.path());
    command.args(["--listen", "127.0.0.1:0", "--durability", "memory"]);
    let process = Process::spawn(command);
    let message = Request::message(&launch("a"));
    assert_eq!(send(process.address, &message).json()["outcome"], json!("applied"));
    process.terminate();
    assert!(process.wait().0.success());
    assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 0);
}

#[test]
fn log_lines_are_text_unless_json_is_asked_for() {
    // Every line of the log is one object.
    let process = Process::start(&[]);
    process.terminate();
    let (_, log) = process.wait();
    for line in log.lines() {
        let entry: serde_json::Value = serde_json::from_str(line).unwrap();
        assert!(entry["level"].is_string() && entry["timestamp"].is_string(), "{line}");
    }
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut command = downlink();
    command.args(["--durability", "memory", "--listen", &taken.local_addr().unwrap().to_string()]);
    let (_, _, err) = run(command);
    assert!(!err.contains('{') && !err.contains('\u{1b}'), "{err}");
}

#[test]
fn the_last_line_of_a_failed_start_is_json_if_asked_for() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let mut command = downlink();
    command.args(["--durability", "memory", "--log-format", "json", "--listen", &address]);
    let (code, _, err) = run(command);
    assert_eq!(code, Some(1));
    let line: serde_json::Value = serde_json::from_str(err.lines().last().unwrap()).unwrap();
    assert_eq!((&line["level"], &line["target"]), (&json!("ERROR"), &json!("downlink")));
    // As every other line has one.
    assert!(line["timestamp"].as_str().is_some_and(|time| time.ends_with('Z')), "{line}");
    assert!(line["fields"]["message"].as_str().unwrap().contains(&address), "{line}");
}

#[test]
fn durations_in_the_log_are_numbers_with_their_unit_in_the_name() {
    let directory = tempfile::tempdir().unwrap();
    let mut command = downlink();
    command.args(["--listen", "127.0.0.1:0", "--log", "debug", "--data-dir"]).arg(directory.path());
    let service = Logged::start(command);
    let address = service.addresses()[0].parse().unwrap();
    let message = Request::message(&launch("a"));
    assert_eq!(send(address, &message).json()["outcome"], json!("applied"));
    let lines = service.stop();
    for (message, names) in [
        ("the journal is read", &["took_ms", "rockets_took_ms"][..]),
        ("the checkpoint is complete", &["took_ms"]),
    ] {
        let line = lines.iter().find(|line| line["fields"]["message"] == message).expect(message);
        for name in names {
            assert!(line["fields"][name].is_f64(), "{line}");
        }
    }
}
