//! `--config FILE` has values for flags; variables count over it, and flags over
//! both. `downlink config` prints what counts and where it comes from, as such a
//! file. The service is what there is without a subcommand.

use std::fs;
use std::path::{Path, PathBuf};

use crate::support::Request;
use crate::support::http::send;
use crate::support::messages::launch;
use crate::support::process::{Process, downlink, run};

/// A file with this text; gone with the directory.
fn file(text: &str) -> (tempfile::TempDir, PathBuf) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("downlink.toml");
    fs::write(&path, text).unwrap();
    (directory, path)
}

/// What `downlink config` prints.
fn printed(path: &Path, variables: &[(&str, &str)], flags: &[&str]) -> String {
    let mut command = downlink();
    command.args(["config", "--config"]).arg(path).args(flags).envs(variables.iter().copied());
    let (code, out, err) = run(command);
    assert_eq!((code, err.as_str()), (Some(0), ""));
    out
}

/// The value of a key as it is printed, and where it comes from.
fn entry(printed: &str, key: &str) -> (String, String) {
    let start = format!("{key} = ");
    let line = printed.lines().find_map(|line| line.strip_prefix(&start));
    let (value, source) = line.expect(key).rsplit_once('#').unwrap();
    (value.trim().to_owned(), source.trim().to_owned())
}

#[test]
fn flags_count_over_variables_and_these_over_the_file() {
    let (_directory, path) = file(
        "listen = [\"127.0.0.1:0\"]\ndurability = 'memory'\n\n# Small.\nmax-body = 1000\n\
         max-rockets = 5\nmax-bulk-body = '9 KiB'\nunix-mode = 0o600\n",
    );
    let printed = printed(
        &path,
        &[("DOWNLINK_MAX_ROCKETS", "4"), ("DOWNLINK_MAX_BULK_BODY", "8KiB")],
        &["--max-bulk-body", "7KiB"],
    );
    let shown = path.display();
    for (key, value, source) in [
        ("listen", "[\"127.0.0.1:0\"]", format!("{shown}:1")),
        ("durability", "\"memory\"", format!("{shown}:2")),
        ("max-body", "1000", format!("{shown}:5")),
        ("max-rockets", "4", "environment variable DOWNLINK_MAX_ROCKETS".to_owned()),
        ("max-bulk-body", "\"7KiB\"", "flag".to_owned()),
        ("unix-mode", "\"0o600\"", format!("{shown}:8")),
        ("idle-timeout", "\"75s\"", "default".to_owned()),
    ] {
        assert_eq!(entry(&printed, key), (value.to_owned(), source), "{key}");
    }
    assert!(printed.contains("\n# gap-timeout is not set"), "{printed}");

    // And it is what the service does, with and without its name.
    for name in [&["serve"][..], &[]] {
        let mut command = downlink();
        command.args(name).env("DOWNLINK_CONFIG", &path).env("DOWNLINK_MAX_ROCKETS", "1");
        let process = Process::spawn(command);
        let post = |body: String| send(process.address, &Request::post(body)).status;
        assert_eq!(post(" ".repeat(1001)), 413);
        assert_eq!(post(launch("a").to_string()), 204);
        assert_eq!(post(launch("b").to_string()), 503);
        process.terminate();
        assert!(process.wait().0.success());
    }
}

#[test]
fn what_is_printed_is_a_file_that_says_the_same() {
    let odd = "data-dir = \"a\\\"b\\\\c\\u0001\"\nworkers = 3\n";
    for (text, flags) in [
        ("", &[][..]),
        (odd, &["--memory-limit=64MiB", "--threads=2", "--cors-origin=http://a,http://b:1"]),
        ("listen = [\":1\", 'unix:/x y']\nallowed-host = []\n", &["--gap-timeout", "5m"]),
    ] {
        let (_directory, path) = file(text);
        let first = printed(&path, &[], flags);
        let (_directory, again) = file(&first);
        let second = printed(&again, &[], &[]);
        let values = |text: &str| {
            let lines = text.lines().skip(2).map(|line| line.rsplit_once('#').unwrap().0.trim());
            lines.map(str::to_owned).collect::<Vec<_>>()
        };
        assert_eq!(values(&first), values(&second));
    }
    // Nothing that a flag has is left out.
    let (_directory, path) = file("");
    let mut help = downlink();
    help.args(["serve", "-h"]);
    let help = run(help).1;
    let names = help.lines().filter_map(|line| line.trim().strip_prefix("--"));
    let names: Vec<_> = names.map(|line| line.split_whitespace().next().unwrap()).collect();
    assert!(names.len() > 30, "{help}");
    let printed = printed(&path, &[], &[]);
    // A line of the text may begin with the name of another.
    let is_entry = |name: &&str| !["config", "help"].contains(name) && !name.ends_with([',', ']']);
    for name in names.into_iter().filter(is_entry) {
        let is_there = |start: String| printed.lines().any(|line| line.starts_with(&start));
        assert!(is_there(format!("{name} = ")) || is_there(format!("# {name} is not")), "{name}");
    }
}

#[test]
fn what_is_wrong_with_a_file_is_told_with_its_line() {
    let long = format!("# {}\n", "x".repeat(1 << 20));
    for (text, line, problem) in [
        ("workers = 1\nmax_body = 1\n", ":2: ", "did you mean \"max-body\"?"),
        ("\nworkers = 0\n", ":2: ", "'--workers <N>': expected a whole number from 1 to 1024"),
        ("workers = 'many'\n", ":1: ", "--workers"),
        ("listen = ['127.0.0.1:0', '']\n", ":1: ", "--listen"),
        ("durability = 'eternal'\n", ":1: ", "--durability"),
        ("workers = 1\nworkers = 1\n", ":2: ", "duplicate key"),
        ("workers =\n", ":1: ", ""),
        ("config = 'x'\n", ":1: ", "unknown key \"config\""),
        (&long, ": ", "larger than 1048576 bytes"),
    ] {
        let (_directory, path) = file(text);
        for subcommand in [&[][..], &["check"], &["config"]] {
            let mut command = downlink();
            command.args(subcommand).arg("--config").arg(&path);
            let (code, out, err) = run(command);
            assert_eq!((code, out.as_str(), err.lines().count()), (Some(2), "", 1), "{err}");
            assert!(err.contains(&format!("{}{line}", path.display())), "{err}");
            assert!(err.contains(problem), "{err}");
        }
    }
}

#[test]
fn other_subcommands_find_the_data_directory_there_too() {
    let (directory, path) = file("workers = 1\n");
    let data = directory.path().join("data");
    fs::write(&path, format!("data-dir = '{}'\nworkers = 1\n", data.display())).unwrap();
    let run_with = |path: &Path| {
        let mut command = downlink();
        command.args(["export", "--config"]).arg(path);
        run(command)
    };
    let (code, _, err) = run_with(&path);
    assert!(code == Some(1) && err.contains(&format!("kept in {}", data.display())), "{err}");
    fs::write(&path, "data_dir = 'x'\n").unwrap();
    let (code, _, err) = run_with(&path);
    assert!(code == Some(2) && err.contains("did you mean \"data-dir\"?"), "{err}");
}

#[test]
fn the_help_teaches_the_subcommands() {
    let shown = |arguments: &[&str]| {
        let mut command = downlink();
        let (code, out, err) = run({
            command.args(arguments);
            command
        });
        assert_eq!((code, err.as_str()), (Some(0), ""), "{arguments:?}");
        out
    };
    let help = shown(&["--help"]);
    for subcommand in ["serve", "check", "config", "export", "import", "backup"] {
        assert!(help.contains(&format!("\n  {subcommand}")), "{subcommand}: {help}");
        let own = shown(&[subcommand, "--help"]);
        assert!(own.contains(&format!("Usage: downlink {subcommand}")), "{own}");
        assert_eq!(shown(&["help", subcommand]).lines().next(), own.lines().next());
    }
    // What is no subcommand of ours, and what belongs to none.
    for (arguments, problem) in [
        (&["launch"][..], "unrecognized subcommand 'launch'"),
        (&["--workers", "1", "check"], "the subcommand 'check' cannot be used with"),
        (&["export", "--workers", "1"], "unexpected argument '--workers'"),
        (&["import"], "<FILE>"),
        (&["backup"], "<DIR>"),
    ] {
        let mut command = downlink();
        command.args(arguments);
        let (code, _, err) = run(command);
        assert_eq!((code, err.lines().count()), (Some(2), 1), "{arguments:?}: {err}");
        assert!(err.contains(problem), "{arguments:?}: {err}");
    }
}
