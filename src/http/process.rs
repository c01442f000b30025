//! What the system says of this process, for the figures that every scraper knows by
//! name. Owns where that is read; does not own how it is shown (`metrics`). Reads
//! files that are no files, which takes no disk, and yet some time with many
//! descriptors: not for a thread that serves.

use std::fs;

/// As it is now.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Process {
    /// Of all threads, in the system and out of it.
    pub cpu_seconds: f64,
    /// Memory that it has, in bytes.
    pub resident_bytes: f64,
    /// Memory that it may come to have, in bytes.
    pub virtual_bytes: f64,
    /// Its threads.
    pub threads: f64,
    /// When it started, in seconds of Unix time.
    pub start_time_seconds: f64,
    /// Its descriptors.
    pub open_fds: f64,
    /// Descriptors that it may have; none where there is no limit.
    pub max_fds: Option<f64>,
}

/// What there is to know; `None` on systems that do not tell.
#[must_use]
pub fn read() -> Option<Process> {
    let stat = fs::read_to_string("/proc/self/stat").ok()?;
    let boot = fs::read_to_string("/proc/stat").ok()?;
    // The one that reads it is among them.
    let open_fds = fs::read_dir("/proc/self/fd").ok()?.count().saturating_sub(1);
    let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile).current;
    let process = parse(&stat, &boot)?;
    let max_fds = limit.map(|limit| limit as f64);
    Some(Process { open_fds: open_fds as f64, max_fds, ..process })
}

/// As proc(5) has it.
fn parse(stat: &str, boot: &str) -> Option<Process> {
    let ticks = rustix::param::clock_ticks_per_second() as f64;
    // The name of the process may have blanks and brackets of its own.
    let (_, fields) = stat.rsplit_once(") ")?;
    let fields: Vec<_> = fields.split_ascii_whitespace().collect();
    // The first one here is the third.
    let field = |number: usize| fields.get(number - 3)?.parse::<f64>().ok();
    let booted = boot.lines().find_map(|line| line.strip_prefix("btime "));
    Some(Process {
        cpu_seconds: (field(14)? + field(15)?) / ticks,
        threads: field(20)?,
        start_time_seconds: booted?.trim().parse::<f64>().ok()? + field(22)? / ticks,
        virtual_bytes: field(23)?,
        resident_bytes: field(24)? * rustix::param::page_size() as f64,
        ..Process::default()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_with_a_strange_name_is_read() {
        let stat = "7 (a) b (c) S 1 7 7 0 -1 4194560 5 0 0 0 150 50 0 0 20 0 4 0 2000 8192 3 4 5";
        let process = parse(stat, "cpu 1 2\nbtime 1700000000\n").unwrap();
        let ticks = rustix::param::clock_ticks_per_second() as f64;
        let expected = Process {
            cpu_seconds: 200.0 / ticks,
            resident_bytes: 3.0 * rustix::param::page_size() as f64,
            virtual_bytes: 8192.0,
            threads: 4.0,
            start_time_seconds: 1_700_000_000.0 + 2000.0 / ticks,
            ..Process::default()
        };
        assert_eq!(process, expected);
        assert_eq!(parse("7 (a) S 1", "btime 1"), None);
        assert_eq!(parse(stat, ""), None);
    }
}
