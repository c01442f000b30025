//! A fleet that was exported and imported gives the same answers, whatever it holds
//! and whatever comes later. What is not a whole export is refused, and what is not
//! a whole import is not served.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::path::Path;
use std::process::Stdio;

use crate::support::messages::{
    change_mission, explode, launch, launch_as, message, slow_down, speed_up,
};
use crate::support::process::{Process, downlink, run, wait};
use crate::support::{Request, Service, eventually, wait_until_free};
use downlink::config::Durability;
use proptest::prelude::*;
use serde_json::{Value, json};

/// What a path of a database that is not whole ends with.
const PART: &str = "downlink.db.part";

fn start(directory: &Path, workers: usize) -> Service {
    Service::start_with(|config| {
        config.durability = Durability::Os;
        config.data_dir = directory.to_owned();
        config.workers = workers;
    })
}

/// Exit code, standard output, standard error.
fn tool(arguments: &[&str], directory: &Path) -> (Option<i32>, String, String) {
    let mut command = downlink();
    command.args(arguments).arg("--data-dir").arg(directory);
    run(command)
}

fn export(directory: &Path) -> String {
    wait_until_free(directory);
    export_beside(directory)
}

fn export_beside(directory: &Path) -> String {
    let (code, out, err) = tool(&["export"], directory);
    assert_eq!((code, err.as_str()), (Some(0), ""));
    out
}

fn import(lines: &str, directory: &Path) -> (Option<i32>, String, String) {
    let file = tempfile::NamedTempFile::new().unwrap();
    fs::write(file.path(), lines).unwrap();
    tool(&["import", file.path().to_str().unwrap()], directory)
}

const ROCKETS: [&str; 5] =
    ["0e9e9df5-38fd-52e2-916f-c858b9eb4ea5", "b \"\\ä\u{2028}", "c", "D", "/d%20"];

/// Any message of any of these rockets.
fn any_message() -> impl Strategy<Value = Value> {
    (0..ROCKETS.len(), 1..12_u64, 0..7_u8, 0..3_i64).prop_map(|(rocket, number, kind, detail)| {
        let rocket = ROCKETS[rocket];
        let text = ["ARTEMIS", "Ärtemis\u{7}\"\\", "x y"][usize::try_from(detail).unwrap()];
        match kind {
            0 | 1 => {
                let body = json!({"type": text, "launchSpeed": detail, "mission": text});
                message(rocket, number, "RocketLaunched", body)
            }
            2 => slow_down(rocket, number, i64::MAX - detail),
            3 => change_mission(rocket, number, text),
            4 => explode(rocket, number, text),
            _ => speed_up(rocket, number, detail),
        }
    })
}

/// Messages, and for some of them the skip of what the rocket waits for.
fn any_story() -> impl Strategy<Value = Vec<(Value, bool)>> {
    prop::collection::vec((any_message(), prop::bool::weighted(0.15)), 0..60)
}

fn id(rocket: &str) -> String {
    percent_encoding::utf8_percent_encode(rocket, percent_encoding::NON_ALPHANUMERIC).to_string()
}

/// What becomes of each.
fn tell(service: &Service, story: &[(Value, bool)]) -> Vec<String> {
    let mut answers = Vec::new();
    for (message, skips) in story {
        answers.push(service.post(std::slice::from_ref(message)));
        if *skips {
            let rocket = id(message["metadata"]["channel"].as_str().unwrap());
            let answer = service.send(&Request::new("POST", &format!("/gaps/{rocket}/skip")));
            answers.push(answer.text().clone());
        }
    }
    answers
}

/// All that readers get.
fn read(service: &Service, with_gaps: bool) -> Vec<String> {
    let mut targets: Vec<String> = ["/rockets", "/rockets?sort=speed", "/missions"]
        .map(str::to_owned)
        .into_iter()
        .chain(ROCKETS.map(|rocket| format!("/rockets/{}", id(rocket))))
        .collect();
    targets.extend(with_gaps.then(|| "/gaps".to_owned()));
    targets.iter().map(|target| without_conflicts(&service.get(target).text())).collect()
}

/// A service counts these from its own start on.
fn without_conflicts(text: &str) -> String {
    let mut parts = text.split("\"conflicts\":");
    let first = parts.next().unwrap_or_default().to_owned();
    let number = |part: &str| part.trim_start_matches(|it: char| it.is_ascii_digit()).to_owned();
    parts.fold(first, |text, part| text + "\"conflicts\":" + &number(part))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    /// Exported after a stop and while it is served, and by other numbers of workers.
    #[test]
    fn an_imported_fleet_gives_the_same_answers(
        before in any_story(),
        after in any_story(),
        workers in (1..4_usize, 1..4_usize),
    ) {
        let directory = tempfile::tempdir().unwrap();
        let [first, second, live] = ["first", "second", "live"].map(|it| directory.path().join(it));
        let service = start(&first, workers.0);
        tell(&service, &before);
        let answers = read(&service, true);
        let of_a_served_one = export_beside(&first);
        prop_assert_eq!(service.stop(), Ok(()));
        let lines = export(&first);
        for (directory, lines) in [(&second, &lines), (&live, &of_a_served_one)] {
            let (code, out, err) = import(lines, directory);
            prop_assert_eq!((code, err.as_str()), (Some(0), ""));
            let rockets = lines.lines().count() - 2;
            prop_assert!(out.starts_with(&format!("imported {rockets} rocket")), "{}", out);
        }
        prop_assert_eq!(&export(&second), &lines);
        // Since when they wait, only a checkpoint knows.
        let service = start(&live, workers.1);
        prop_assert_eq!(&read(&service, false)[..], &answers[..answers.len() - 1]);
        drop(service);
        let service = start(&second, workers.1);
        prop_assert_eq!(read(&service, true), answers);
        let original = start(&first, workers.1);
        prop_assert_eq!(tell(&service, &before), tell(&original, &before));
        prop_assert_eq!(tell(&service, &after), tell(&original, &after));
        prop_assert_eq!(read(&service, false), read(&original, false));
    }
}

/// A fleet with everything that a line can have, and its export.
fn exported(directory: &Path) -> Vec<String> {
    let service = start(directory, 2);
    service.post(&[
        launch("a"),
        explode("a", 2, "X"),
        launch_as("b", "T", 1, "M"),
        speed_up("b", 4, 1),
        change_mission("b", 7, "N"),
        speed_up("silent", 3, 1),
    ]);
    assert_eq!(service.send(&Request::new("POST", "/gaps/b/skip")).status, 200);
    assert_eq!(service.stop(), Ok(()));
    export(directory).lines().map(str::to_owned).collect()
}

#[test]
fn the_lines_are_those_of_the_format() {
    let directory = tempfile::tempdir().unwrap();
    let lines = exported(directory.path());
    let lines: Vec<Value> = lines.iter().map(|it| serde_json::from_str(it).unwrap()).collect();
    let release = env!("CARGO_PKG_VERSION");
    assert_eq!(lines[0], json!({"format": "downlink export", "version": 1, "release": release}));
    assert_eq!(lines[4], json!({"rockets": 3, "buffered_messages": 2}));
    let mut b = lines[2].clone();
    assert!(b["waiting_since"].take().is_string());
    assert!(b["history"].take().as_str().is_some_and(|text| !text.is_empty()));
    assert_eq!(
        b,
        json!({
            "id": "b",
            "last_message_number": 4,
            "last_update_time": "2022-02-01T00:00:04Z",
            "flight": {
                "launch_time": "2022-02-01T00:00:01Z",
                "speed": 2,
                "rocket_type": "T",
                "mission": "M",
                "explosion_reason": null,
            },
            "buffered": [{
                "number": 7,
                "time": "2022-02-01T00:00:07Z",
                "event": {"type": "RocketMissionChanged", "mission": "N"},
            }],
            "waiting_since": null,
            "quiet_since": null,
            "lost": {"count": 2, "ranges": [[2, 3]]},
            "history": null,
        })
    );
    assert_eq!(
        (&lines[1]["flight"]["explosion_reason"], &lines[3]["flight"]),
        (&"X".into(), &Value::Null)
    );
}

#[test]
fn what_is_no_whole_export_is_refused_with_the_line() {
    let directory = tempfile::tempdir().unwrap();
    let whole = exported(&directory.path().join("data"));
    let changed = |line: usize, from: &str, to: &str| {
        let mut lines = whole.clone();
        let after = lines[line].replace(from, to);
        assert_ne!(lines[line], after, "{from} is there");
        lines[line] = after;
        lines.join("\n")
    };
    let without = |line: usize| {
        let mut lines = whole.clone();
        lines.remove(line);
        lines.join("\n")
    };
    let text = whole.join("\n");
    let too_long = format!("\"id\":\"{}\"", "x".repeat(129));
    for (text, line, problem) in [
        (String::new(), 1, "found nothing"),
        ("{}".to_owned(), 1, "expected the header"),
        (changed(0, "downlink export", "x"), 1, "found \"x\""),
        (changed(0, "\"version\":1", "\"version\":2"), 1, "only version 1 is known"),
        (without(0), 1, "expected the header"),
        (without(4), 5, "it is cut off"),
        (without(2), 4, "expected 3 rockets and 2 messages that wait, found 2 and 1"),
        (text[..text.len() - 30].to_owned(), 5, "EOF"),
        (text[..text.len() / 2].to_owned(), 3, "EOF"),
        (format!("{text}\n{}", whole[1]), 6, "nothing after the counts"),
        (changed(4, "\"rockets\":3", "\"rockets\":4"), 5, "expected 4 rockets"),
        (changed(2, "\"id\":\"b\"", "\"id\":\"a\""), 3, "\"a\" stands there twice"),
        (changed(2, "\"id\":\"b\"", &too_long), 3, "id: expected a text of 1 to 128 bytes"),
        (changed(2, "\"speed\":2", "\"sped\":2"), 3, "unknown field `sped`"),
        (changed(2, "\"mission\":\"M\"", "\"mission\":\"\""), 3, "flight.mission: expected a text"),
        (changed(2, "\"speed\":2,", ""), 3, "missing field `speed`"),
        (changed(2, ",\"explosion_reason\":null", ""), 3, "missing field `explosion_reason`"),
        (changed(2, "\"number\":7", "\"number\":0"), 3, "buffered.number: expected an integer"),
        (changed(2, "\"number\":7", "\"number\":5"), 3, "none before it is missing"),
        (changed(2, "[[2,3]]", "[[2,4]]"), 3, "lost: the numbers make no sense"),
        (changed(2, "[[2,3]]", "[[5,6]]"), 3, "a message is lost, and none after it"),
        (changed(3, "\"by\":1", "\"by\":-1"), 4, "buffered.event.by: expected an integer from 0"),
        (changed(3, "T00:00:03Z", " 00:00:03Z"), 4, "buffered.time: expected an RFC 3339 time"),
    ] {
        let to = directory.path().join("new");
        let (code, out, err) = import(&text, &to);
        assert_eq!((code, out.as_str()), (Some(1), ""), "{problem}: {err}");
        assert!(err.contains(&format!(":{line}: ")) && err.contains(problem), "{problem}: {err}");
        assert_eq!(err.lines().count(), 1, "{err}");
        // Nothing is left of it but the lock.
        let left = fs::read_dir(&to).map_or(0, |names| {
            names.filter(|name| name.as_ref().unwrap().file_name() != "lock").count()
        });
        assert_eq!(left, 0, "{problem}");
    }
    let to = directory.path().join("new");
    assert_eq!(import(&text, &to).0, Some(0), "what was refused leaves it free");
    let (code, _, err) = import(&text, &to);
    assert!(code == Some(1) && err.contains("is not empty: downlink.db is there"), "{err}");
}

#[test]
fn an_import_that_is_killed_is_not_served_and_can_be_made_again() {
    let directory = tempfile::tempdir().unwrap();
    let lines = exported(&directory.path().join("data"));
    let to = directory.path().join("new");
    // Some before anything, some after commits: a commit takes 4,096 rockets.
    for rockets in [0, 1, 5000] {
        let mut command = downlink();
        command.args(["import", "-", "--data-dir"]).arg(&to);
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut stdin = child.stdin.take().unwrap();
        let line = |n: u64| lines[1].replace("\"id\":\"a\"", &format!("\"id\":\"{n}\""));
        let text: String = (0..rockets).map(|n| format!("{}\n", line(n))).collect();
        stdin.write_all(format!("{}\n{text}", lines[0]).as_bytes()).unwrap();
        eventually("it has begun", || to.join(PART).exists());
        child.kill().unwrap();
        wait(&mut child);
        wait_until_free(&to);
        assert!(to.join(PART).exists() && !to.join("downlink.db").exists());
        for subcommand in [&["--listen", "127.0.0.1:0"][..], &["check"], &["export"]] {
            let (code, _, err) = tool(subcommand, &to);
            assert_eq!(code, Some(1), "{subcommand:?}: {err}");
            assert!(err.contains(PART) && err.contains("cut off"), "{err}");
        }
    }
    assert_eq!(import(&lines.join("\n"), &to).0, Some(0));
    assert_eq!(export(&to), lines.join("\n") + "\n");
    assert!(!to.join(PART).exists());
}

#[test]
fn a_reader_that_is_gone_ends_it_without_a_word() {
    let directory = tempfile::tempdir().unwrap();
    let lines = exported(&directory.path().join("data"));
    let (head, end) = (&lines[0], "{\"rockets\":20000,\"buffered_messages\":0}");
    let line = |n: u64| lines[1].replace("\"id\":\"a\"", &format!("\"id\":\"{n}\""));
    let rockets: String = (0..20_000).map(|n| format!("{}\n", line(n))).collect();
    let large = directory.path().join("large");
    assert_eq!(import(&format!("{head}\n{rockets}{end}\n"), &large).0, Some(0));
    let mut command = downlink();
    command.args(["export", "--data-dir"]).arg(&large);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut out = BufReader::new(child.stdout.take().unwrap());
    let mut line = String::new();
    out.read_line(&mut line).unwrap();
    assert_eq!(&line, &format!("{head}\n"));
    drop(out);
    assert_eq!(wait(&mut child).code(), Some(1));
    let mut err = String::new();
    child.stderr.take().unwrap().read_to_string(&mut err).unwrap();
    assert_eq!(err, "");
}

#[test]
fn an_export_makes_a_new_file_and_changes_nothing_else() {
    let directory = tempfile::tempdir().unwrap();
    let data = directory.path().join("data");
    let mut command = downlink();
    command.args(["--listen", "127.0.0.1:0", "--data-dir"]).arg(&data);
    let service = Process::spawn(command);
    crate::support::http::send(service.address, &Request::message(&launch("a")));
    service.signal("KILL");
    service.wait();
    wait_until_free(&data);
    let before = contents(&data);
    assert!(before.iter().any(|(name, bytes)| name == "downlink.db-wal" && !bytes.is_empty()));
    let file = directory.path().join("fleet.ndjson");
    let arguments = ["export", "--output", file.to_str().unwrap()];
    let done = tool(&arguments, &data);
    assert_eq!(done, (Some(0), String::new(), String::new()));
    let (code, _, err) = tool(&arguments, &data);
    assert!(code == Some(1) && err.contains("File exists"), "{err}");
    assert_eq!(tool(&["export"], &data).1, fs::read_to_string(&file).unwrap());
    assert_eq!(contents(&data), before);
    let missing = directory.path().join("missing");
    let (code, _, err) = tool(&["export"], &missing);
    assert!(code == Some(1) && err.contains("no fleet is kept in"), "{err}");
    assert!(!missing.exists());
}

/// All files in a directory, by name.
fn contents(directory: &Path) -> Vec<(String, Vec<u8>)> {
    let mut files: Vec<_> = fs::read_dir(directory)
        .unwrap()
        .map(|entry| {
            let entry = entry.unwrap();
            (entry.file_name().into_string().unwrap(), fs::read(entry.path()).unwrap())
        })
        .collect();
    files.sort();
    files
}
