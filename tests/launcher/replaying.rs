//! `rockets replay`: a file's lines go out as they stand there, and what is wrong
//! with a file is told.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use flate2::Compression;
use flate2::write::GzEncoder;
use tempfile::TempDir;

use super::service::Service;
use super::stub::{Reply, Run, Stub, rockets};

fn file(directory: &TempDir, name: &str, bytes: impl AsRef<[u8]>) -> PathBuf {
    let path = directory.path().join(name);
    fs::write(&path, bytes).unwrap();
    path
}

fn line(rocket: usize, number: usize) -> String {
    let kind = if number == 1 { "RocketLaunched" } else { "RocketSpeedIncreased" };
    let said = if number == 1 {
        r#"{"type":"Falcon-9","launchSpeed":500,"mission":"ARTEMIS"}"#
    } else {
        r#"{"by":10}"#
    };
    format!(
        r#"{{"metadata":{{"channel":"r-{rocket}","messageNumber":{number},"messageType":"{kind}","messageTime":"2022-02-02T19:39:05.86337+01:00"}},"message":{said}}}"#
    )
}

fn gzipped(text: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(text).unwrap();
    encoder.finish().unwrap()
}

fn replay(stub: &Stub, path: &Path, arguments: &[&str]) -> Run {
    rockets(&[&["replay", path.to_str().unwrap(), &stub.url()], arguments].concat())
}

fn bodies(stub: &Stub) -> Vec<String> {
    stub.seen().into_iter().map(|seen| seen.body).collect()
}

#[test]
fn lines_go_out_byte_by_byte_in_the_order_of_the_file() {
    let directory = TempDir::new().unwrap();
    // Blanks, escapes, an order of keys, carriage returns: all is the sender's.
    let lines = [
        r#"  {"message": {"x":1e3},	"metadata":{"channel":"\u0041 b"} }  "#,
        "{\"metadata\":{\"channel\":\"\"}}\r",
        r#"{"metadata":{"other":[{}],"channel":"ü\ud83d\ude80"},"metadata2":null}"#,
    ];
    let text = format!("\u{feff}{}\n\n   \n{}\n{}", lines[0], lines[1], lines[2]);
    let plain = file(&directory, "plain.gz", &text);
    let packed = file(&directory, "packed", gzipped(text.as_bytes()));
    let (front, back) = text.as_bytes().split_at(30);
    let twice = file(&directory, "twice", [gzipped(front), gzipped(back)].concat());
    for path in [plain, packed, twice] {
        let stub = Stub::accepting();
        let run = replay(&stub, &path, &["--concurrency-level=1"]);
        assert_eq!(run.code, 0, "{}{}", run.out, run.err);
        assert_eq!(bodies(&stub), lines);
        assert_eq!(stub.seen()[0].headers["content-type"], "application/json");
        assert!(run.out.contains("3 acknowledged of 3, of "), "{}", run.out);
    }
}

#[test]
fn an_empty_file_is_replayed_at_once() {
    let directory = TempDir::new().unwrap();
    for text in ["", "\n", "\r\n \n"] {
        let stub = Stub::accepting();
        let run = replay(&stub, &file(&directory, "empty", text), &["--json"]);
        assert_eq!(run.code, 0, "{}", run.err);
        assert_eq!(run.json()["messages"], 0);
        assert!(stub.seen().is_empty());
    }
}

#[test]
fn several_lines_go_in_a_request_and_those_refused_go_again() {
    let directory = TempDir::new().unwrap();
    let lines: Vec<_> = (1..=25).map(|number| line(0, number)).collect();
    let path = file(&directory, "some", lines.join("\n"));
    let stub = Stub::answering(|n, _| match n {
        0 => Reply::Status(
            200,
            r#"{"rejected":1,"errors":[{"line":2,"error":"later","retry":true}]}"#,
        ),
        _ => Reply::Status(200, r#"{"rejected":0,"errors":[]}"#),
    });
    let run = replay(&stub, &path, &["--bulk=10", "--concurrency-level=1", "--json"]);
    assert_eq!(run.code, 0, "{}", run.err);
    let sent: Vec<Vec<String>> =
        stub.seen().iter().map(|seen| seen.body.lines().map(str::to_owned).collect()).collect();
    assert_eq!(sent[..3].concat(), lines);
    assert_eq!(sent[3..], [vec![lines[1].clone()]]);
    assert_eq!(run.json()["retries"], 1);
    assert_eq!(run.json()["acknowledged"], 25);
}

#[test]
fn bad_lines_are_named_and_make_the_run_fail_unless_told_otherwise() {
    let directory = TempDir::new().unwrap();
    let long = format!(r#"{{"metadata":{{"channel":"{}"}}}}"#, "x".repeat(1 << 20));
    let bad = [
        ("{", "not JSON"),
        ("not", "not JSON"),
        ("[1]", "another kind"),
        (r#"[{"channel":"a"}]"#, "another kind"),
        (r#"{"metadata":{"channel":7}}"#, "metadata.channel"),
        (r#"{"metadata":{}}"#, "metadata.channel"),
        ("{}", "metadata.channel"),
        (r#"{"metadata":{"channel":"a"}}{}"#, "not JSON"),
        (&long, "1048576 bytes"),
    ];
    let good = line(0, 1) + "\n";
    let text: String = bad.iter().flat_map(|(bad, _)| [bad, "\n", &good]).collect();
    let path = file(&directory, "bad", text);
    let stub = Stub::accepting();
    let run = replay(&stub, &path, &[]);
    assert_eq!(run.code, 1);
    assert!(run.err.contains("9 lines are no messages"), "{}", run.err);
    for (place, (_, why)) in bad.iter().enumerate() {
        let named = run.out.lines().find(|it| it.contains(&format!("line {}:", 2 * place + 1)));
        assert!(named.is_some_and(|named| named.contains(why)), "{why} in {}", run.out);
    }
    assert_eq!(bodies(&stub), vec![line(0, 1); bad.len()]);

    let run = replay(&stub, &path, &["--bad-lines=skip", "--json"]);
    assert_eq!(run.code, 0, "{}", run.err);
    let report = run.json();
    assert_eq!(report["bad_lines"], 9);
    assert_eq!(report["messages"], 9);
    assert_eq!(report["read_to_the_end"], true);

    let stub = Stub::accepting();
    let run = replay(&stub, &path, &["--bad-lines=send", "--concurrency-level=1"]);
    assert_eq!(run.code, 0, "{}", run.err);
    // All but the one that is too long to be held.
    assert_eq!(stub.seen().len(), 17);
    assert_eq!(bodies(&stub)[4], "[1]");
}

#[test]
fn what_a_service_never_takes_is_named_by_its_line() {
    let directory = TempDir::new().unwrap();
    let path = file(&directory, "some", format!("{}\n\n{}\n", line(0, 1), line(1, 1)));
    let stub = Stub::answering(|_, body| {
        if body.contains("r-1") { Reply::Status(422, "{}") } else { Reply::Accept }
    });
    let run = replay(&stub, &path, &["--json"]);
    assert_eq!(run.code, 1);
    assert_eq!(run.json()["first_not_acknowledged"][0], "line 3, sent 10 times");
}

#[test]
fn a_file_that_breaks_off_is_sent_up_to_there_and_told() {
    let directory = TempDir::new().unwrap();
    let text: String = (1..=5000).map(|number| line(0, number) + "\n").collect();
    let mut packed = gzipped(text.as_bytes());
    packed.truncate(packed.len() - 200);
    let cut = file(&directory, "cut.gz", &packed);
    let stub = Stub::answering(|_, _| Reply::Status(200, r#"{"rejected":0,"errors":[]}"#));
    let run = replay(&stub, &cut, &["--bulk=100", "--json"]);
    assert_eq!(run.code, 1);
    assert!(run.err.contains("cannot read") && run.err.contains("behind line"), "{}", run.err);
    let report = run.json();
    assert_eq!(report["outcome"], "broke_off");
    assert_eq!(report["read_to_the_end"], false);
    assert_eq!(report["not_acknowledged"], 0);
    let acknowledged = report["acknowledged"].as_u64().unwrap();
    assert!((1000..5000).contains(&acknowledged), "{acknowledged}");

    let half = packed.len() / 2;
    packed[half..half + 50].fill(0x55);
    let run = replay(&stub, &file(&directory, "damaged.gz", &packed), &["--bulk=100"]);
    assert_eq!(run.code, 1);
    assert!(run.err.contains("cannot read"), "{}", run.err);
}

#[test]
fn what_comes_through_a_pipe_goes_on_before_the_pipe_ends() {
    let stub = Stub::accepting();
    let mut child = Command::new(env!("CARGO_BIN_EXE_rockets"))
        .args(["replay", "-", &stub.url()])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut pipe = child.stdin.take().unwrap();
    for number in 1..=3 {
        pipe.write_all((line(0, number) + "\n").as_bytes()).unwrap();
        super::stub::wait_until(|| stub.seen().len() == number);
    }
    drop(pipe);
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success());
    assert!(String::from_utf8(output.stdout).unwrap().contains("3 acknowledged of 3, of -"));
}

#[test]
fn a_rate_is_kept_and_latency_counts_from_the_intended_send() {
    let directory = TempDir::new().unwrap();
    let text: String = (1..=40).map(|number| line(0, number) + "\n").collect();
    let path = file(&directory, "some", text);
    // One connection that takes 20 ms a message, and a message due each 5 ms.
    let slow = std::time::Duration::from_millis(20);
    let stub = Stub::answering(move |_, _| Reply::Hang(slow));
    let run = replay(&stub, &path, &["--rate=200/s", "--concurrency-level=1", "--json"]);
    assert_eq!(run.code, 0, "{}", run.err);
    let latency = &run.json()["latency"];
    assert_eq!(latency["from"], "intended send");
    assert!(latency["max_us"].as_u64().unwrap() > 400_000, "{latency}");
}

#[test]
fn files_that_cannot_be_opened_are_refused_at_once() {
    let directory = TempDir::new().unwrap();
    let good = file(&directory, "good", line(0, 1));
    let (good, gone) = (good.to_str().unwrap(), directory.path().join("no/plot.svg"));
    let plot = format!("--plot={}", gone.display());
    let cases: [(&[&str], &str); 6] = [
        (&["replay"], "<FILE>"),
        (&["replay", "/missing/file"], "No such file"),
        (&["replay", "/"], "found a directory"),
        (&["replay", good, "localhost"], "http://"),
        (&["replay", good, "--bad-lines=drop"], "--bad-lines"),
        (&["replay", good, &plot], "--plot"),
    ];
    for (arguments, says) in cases {
        let run = rockets(arguments);
        assert_eq!(run.code, 2, "{arguments:?}: {}", run.err);
        assert_eq!(run.err.lines().count(), 1, "{arguments:?}: {}", run.err);
        assert!(run.err.contains(says), "{arguments:?}: {}", run.err);
    }
}

#[test]
fn a_large_file_comes_whole_to_the_service_in_any_order_and_twice() {
    const ROCKETS: usize = 100;
    const NUMBERS: usize = 1000;
    let directory = TempDir::new().unwrap();
    // By rocket, so that one line in a thousand belongs to another rocket; and each
    // number behind the one that follows it.
    let numbers = (0..NUMBERS).map(|place| (place ^ 1) + 1);
    let lines = numbers.flat_map(|number| (0..ROCKETS).map(move |rocket| line(rocket, number)));
    let text = lines.fold(String::new(), |text, line| text + &line + "\n");
    let path = file(&directory, "large.gz", gzipped(text.as_bytes()));
    let service = Service::start();
    let url = format!("{}/messages", service.origin);
    for (retries, picture) in ["first.svg", "second.svg"].into_iter().enumerate() {
        let plot = format!("--plot={}", directory.path().join(picture).display());
        let arguments = ["replay", path.to_str().unwrap(), &url, "--bulk=500", "--json", &plot];
        let run = rockets(&arguments);
        assert_eq!(run.code, 0, "{retries}: {}{}", run.out, run.err);
        assert_eq!(run.json()["acknowledged"], 100_000);
        let drawn = fs::read_to_string(directory.path().join(picture)).unwrap();
        assert!(drawn.starts_with("<svg") && drawn.contains("100,000 acknowledged"), "{drawn}");
    }
    let listed = service.get("/rockets");
    let listed = listed.as_array().unwrap();
    assert_eq!(listed.len(), ROCKETS);
    for rocket in listed {
        assert_eq!(rocket["last_message_number"], NUMBERS, "{rocket}");
        assert_eq!(rocket["speed"], 500 + 10 * (NUMBERS - 1), "{rocket}");
        assert_eq!(rocket["buffered_messages"], 0, "{rocket}");
    }
}
