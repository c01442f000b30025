//! Files of `--config`. An input is the text of one.
//!
//! It is refused with a line that it has and a text of one line, which is short; or
//! each entry is of a flag that there is, and stands where its line says. What the
//! flags make of the values is a value or an error. And the same values written as a
//! file again are the same entries.

use std::ffi::OsString;
use std::fmt::Write as _;

use clap::{Command, CommandFactory};
use downlink::config::Arguments;
use downlink::config::file::{entries, flags};

use super::{Kind, Way, ensure};

pub const KIND: Kind = Kind {
    name: "config",
    about: "configuration files: read or refused, and the same when they are written again",
    words: &[
        "\n",
        " = ",
        "'",
        "\"",
        "\"\"\"",
        "[",
        "]",
        "{",
        "}",
        ",",
        "#",
        "\\u0000",
        "\\",
        "0o660",
        "0x",
        "1_0",
        "1.5",
        "1e400",
        "inf",
        "true",
        "false",
        "2022-02-02",
        "18446744073709551616",
        "1d",
        "1h 1s",
        "99999999999999999999y",
        "64KiB",
        "1 PiB",
        "unix:",
        "localhost:80",
        ":8088",
        "[::1]:1",
        "listen",
        "max-body",
        "max_body",
        "log",
        "debug,hyper=off",
        "allowed-host",
        "cors-origin",
        "https://a.example",
        "trusted-proxy",
        "10.0.0.0/8",
        "gap-timeout",
        "durability",
        "memory-limit",
        "unix-mode",
        "\u{feff}",
    ],
    most: 2 * 1024,
    make: || {
        let known = Arguments::command();
        Box::new(move |input: &[u8]| attempt(input, &known))
    },
};

/// Of a complaint beyond what was sent.
const LONGEST: usize = 300;

fn attempt(input: &[u8], known: &Command) -> Result<Way, String> {
    let Ok(text) = std::str::from_utf8(input) else { return Ok("no text".to_owned()) };
    let lines = 1 + text.matches('\n').count();
    let read = match entries(text, known) {
        Ok(read) => read,
        Err((line, problem)) => {
            ensure!((1..=lines).contains(&line), "line {line} of {lines}: {problem}");
            ensure!(!problem.contains('\n'), "{problem}");
            ensure!(problem.len() <= LONGEST + 6 * text.len(), "{} bytes", problem.len());
            let kind: String = problem.chars().take_while(char::is_ascii_alphabetic).collect();
            return Ok(format!("refused: {kind}"));
        }
    };
    let mut way = String::new();
    let mut again = String::new();
    for entry in &read {
        let name = &entry.name;
        let flag = flags(known).find(|flag| flag.get_long() == Some(name));
        ensure!(flag.is_some(), "there is no flag {name}");
        ensure!((1..=lines).contains(&entry.line), "line {} of {lines}", entry.line);
        let mut words = vec![OsString::from("downlink")];
        words.extend(entry.flags.iter().cloned());
        let parsed = known.clone().try_get_matches_from(words);
        let found = if parsed.is_ok() { "fine" } else { "bad" };
        let _ = write!(way, "{name}: {found} {}; ", entry.flags.len().min(3));
        if entry.flags.iter().any(|flag| flag.to_str().is_none_or(|flag| !flag.contains('='))) {
            continue;
        }
        let values = entry.flags.iter().map(|flag| {
            let (_, value) =
                flag.to_str().and_then(|flag| flag.split_once('=')).unwrap_or_default();
            toml_text(value)
        });
        let values: Vec<_> = values.collect();
        let _ = match &values[..] {
            [one] => writeln!(again, "{name} = {one}"),
            many => writeln!(again, "{name} = [{}]", many.join(", ")),
        };
    }
    let written = entries(&again, known).map_err(|(line, problem)| format!("{line}: {problem}"))?;
    for entry in &written {
        let before = read.iter().find(|before| before.name == entry.name);
        ensure!(before.is_some_and(|before| before.flags == entry.flags), "{entry:?}: {again}");
    }
    Ok(way)
}

/// A text as TOML has it.
fn toml_text(text: &str) -> String {
    let escaped = |char: char| match char {
        '"' | '\\' => format!("\\{char}"),
        char if char.is_control() => format!("\\u{:04X}", u32::from(char)),
        char => char.to_string(),
    };
    format!("\"{}\"", text.chars().map(escaped).collect::<String>())
}
