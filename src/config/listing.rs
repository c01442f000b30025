//! What `downlink config` prints: all that is valid, as a file for `--config`, with
//! where each value comes from. Owns the form; does not own the values.

use std::ffi::OsStr;
use std::fmt::Write;

use clap::{Arg, ArgAction, ArgMatches, Command};

use super::cluster::ClusterConfig;
use super::file::flags;
use super::sources::{Source, Sources};
use super::{Config, HttpConfig};

/// Where the comments begin, if the values leave room.
const COLUMN: usize = 44;

/// What `config` is, which came of `matches`.
pub fn of(command: &Command, config: &Config, matches: &ArgMatches, sources: &Sources) -> String {
    let mut text =
        String::from("# What downlink would run with, and where each value comes from.\n");
    if let Some(file) = &config.file {
        let source = sources.get(super::file::FLAG).cloned().unwrap_or_default();
        let _ = writeln!(text, "# The file is {}, by {source}.", file.display());
    }
    for argument in flags(command) {
        let name = argument.get_long().expect("flags have names");
        let entry = match value(argument, matches).or_else(|| derived(name, config)) {
            Some(value) => format!("{name} = {value}"),
            None => format!("# {name} is not set"),
        };
        let _ = writeln!(text, "{entry:<COLUMN$} # {}", origin(name, sources));
    }
    text
}

/// What is said of where a value comes from.
fn origin(name: &str, sources: &Sources) -> String {
    let of_memory = ["max-buffered", "max-rockets", "max-body-bytes-held", "max-answer-bytes-held"];
    match sources.get(name) {
        Some(source) => source.to_string(),
        None if of_memory.contains(&name) && sources.contains_key("memory-limit") => {
            "default, from memory-limit".to_owned()
        }
        None => Source::Default.to_string(),
    }
}

/// A value as it was given or is by default; none if it is neither.
fn value(argument: &Arg, matches: &ArgMatches) -> Option<String> {
    let id = argument.get_id().as_str();
    if matches!(argument.get_action(), ArgAction::SetTrue) {
        return Some(matches.get_flag(id).to_string());
    }
    let mut values = matches.get_raw(id)?.map(written);
    if matches!(argument.get_action(), ArgAction::Append) {
        return Some(format!("[{}]", values.collect::<Vec<_>>().join(", ")));
    }
    values.next()
}

/// What stands for values that nobody gave, and that have no default of their own.
fn derived(name: &str, config: &Config) -> Option<String> {
    let Config { workers, threads, limits, http, .. } = config;
    let HttpConfig { max_body_bytes_held, max_answer_bytes_held, .. } = http;
    if config.cluster.is_some()
        && let Some(value) = ClusterConfig::by_default(name)
    {
        return Some(value);
    }
    let value = match name {
        "workers" => workers,
        "threads" => threads,
        "max-buffered" => &limits.buffered,
        "max-rockets" => &limits.rockets,
        "max-body-bytes-held" => max_body_bytes_held,
        "max-answer-bytes-held" => max_answer_bytes_held,
        _ => return None,
    };
    Some(value.to_string())
}

/// As TOML has it. What is not UTF-8 cannot be written there, and is shown as far
/// as it can be.
fn written(value: &OsStr) -> String {
    let value = value.to_string_lossy();
    if value.parse::<u64>().is_ok_and(|number| number.to_string() == value) {
        return value.into_owned();
    }
    let mut text = String::from('"');
    for char in value.chars() {
        match char {
            '"' | '\\' => text.extend(['\\', char]),
            char if char.is_control() => {
                let _ = write!(text, "\\u{:04X}", u32::from(char));
            }
            char => text.push(char),
        }
    }
    text.push('"');
    text
}
