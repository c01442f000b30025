//! What was measured, and on what: environment.txt beside the results.

use std::fs::read_to_string;
use std::io::{Error, Result};
use std::process::{Command, Stdio};
use std::thread::available_parallelism;

use time::OffsetDateTime;
use time::macros::format_description;

pub fn date() -> Result<String> {
    let date = format_description!("[year]-[month]-[day]");
    OffsetDateTime::now_utc().format(date).map_err(Error::other)
}

pub fn describe() -> Result<String> {
    let time = format_description!("[year]-[month]-[day]T[hour]:[minute]:[second]Z");
    let time = OffsetDateTime::now_utc().format(time).map_err(Error::other)?;
    let system = first_line("uname", &["-srm"]);
    let cores = available_parallelism()?;
    let processor = field("/proc/cpuinfo", "model name");
    let memory = field("/proc/meminfo", "MemTotal");
    let load = read_to_string("/proc/loadavg").unwrap_or_default();
    let load = load.split(' ').take(3).collect::<Vec<_>>().join(" ");
    let compiler = first_line("rustc", &["--version"]);
    let source = first_line("git", &["describe", "--always", "--dirty"]);
    Ok(format!(
        "date: {time}\nsystem: {system}, {cores} cores\nprocessor: {processor}\nmemory: {memory}\n\
         load average at the start: {load}\ncompiler: {compiler}\nsource: {source}\n"
    ))
}

/// The first line that a command prints, or "unknown".
fn first_line(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).stderr(Stdio::null()).output();
    let output = output.map(|output| output.stdout).unwrap_or_default();
    match String::from_utf8_lossy(&output).lines().next() {
        Some(line) => line.to_owned(),
        None => "unknown".to_owned(),
    }
}

/// The first `name: value` of a file, or "unknown".
fn field(path: &str, name: &str) -> String {
    let text = read_to_string(path).unwrap_or_default();
    let value = text.lines().find_map(|line| {
        let (key, value) = line.split_once(':')?;
        (key.trim() == name).then(|| value.trim().to_owned())
    });
    value.unwrap_or_else(|| "unknown".to_owned())
}
