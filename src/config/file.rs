//! Values from a file. Owns how the file is written and what is taken for a
//! value in it; does not own what a value may be, which is the flag's, nor which
//! of several counts (`sources`).
//!
//! The file is TOML, all of it at the top level: a key is a flag's name without
//! the dashes in front, as `max-body`, and nothing else. `max_body` would be a
//! second name for the same thing, so it is refused like any key that is not
//! known, with the name that is meant. A value is a text or a number, written as
//! after the flag; flags that can be given several times take an array of them.

use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use clap::error::ErrorKind;
use clap::{Arg, ArgAction, Args, Command};
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::telemetry::shown::Quoted;

/// Far more than all flags take, each once.
const LARGEST_FILE: u64 = 1 << 20;

/// How much alike a key and a name must be for the one to be meant by the other.
const ALIKE: f64 = 0.8;

/// The flag that names the file: a file does not name another.
pub const FLAG: &str = "config";

/// As clap reads it.
#[derive(Args, Debug)]
pub struct FileArguments {
    /// File with values for the flags, in TOML: their names without the dashes in
    /// front are the keys. Flags count over variables, and these over the file
    ///
    /// [default: none]
    #[arg(long, env = "DOWNLINK_CONFIG", value_name = "FILE")]
    pub config: Option<PathBuf>,
}

/// One key of a file.
#[derive(Debug, PartialEq, Eq)]
pub struct Entry {
    /// The flag's name, without the dashes in front.
    pub name: String,
    /// Where the key stands, from 1.
    pub line: usize,
    /// What it stands for on a command line.
    pub flags: Vec<OsString>,
}

/// Reads a file of values for the flags of `known`.
///
/// # Errors
/// When it cannot be read, is no TOML, or has a key that no flag is called.
pub fn read(path: &Path, known: &Command) -> Result<Vec<Entry>, clap::Error> {
    let text = text_of(path).map_err(|error| {
        let text = format!("--{FLAG} {}: {error}", path.display());
        clap::Error::raw(ErrorKind::Io, text)
    })?;
    entries(&text, known).map_err(|(line, problem)| at(path, line, &problem))
}

/// An error that says where in the file it is.
#[must_use]
pub fn at(path: &Path, line: usize, problem: &str) -> clap::Error {
    let text = format!("{}:{line}: {problem}", path.display());
    clap::Error::raw(ErrorKind::ValueValidation, text)
}

fn text_of(path: &Path) -> io::Result<String> {
    let mut bytes = Vec::new();
    File::open(path)?.take(LARGEST_FILE + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > LARGEST_FILE {
        return Err(io::Error::other(format!("it is larger than {LARGEST_FILE} bytes")));
    }
    String::from_utf8(bytes).map_err(|_| io::Error::other("it is not UTF-8"))
}

/// All entries of a file's text, in their order.
///
/// # Errors
/// With the line that is wrong, and why.
pub fn entries(text: &str, known: &Command) -> Result<Vec<Entry>, (usize, String)> {
    let line_of = |at: usize| 1 + text[..at.min(text.len())].matches('\n').count();
    let table = DeTable::parse(text).map_err(|error| {
        let line = error.span().map_or(1, |span| line_of(span.start));
        let lines: Vec<_> = error.message().lines().map(str::trim).collect();
        (line, lines.join(", "))
    })?;
    let mut pairs: Vec<_> = table.get_ref().iter().collect();
    pairs.sort_by_key(|(key, _)| key.span().start);
    pairs
        .into_iter()
        .map(|(key, value)| {
            let line = line_of(key.span().start);
            let name: &str = key.get_ref();
            let mut arguments = flags(known);
            let argument = arguments.find(|argument| argument.get_long() == Some(name));
            let argument = argument.ok_or_else(|| (line, unknown(name, known)))?;
            let flags = in_flags(argument, name, value).map_err(|problem| (line, problem))?;
            Ok(Entry { name: name.to_owned(), line, flags })
        })
        .collect()
}

/// What a file may have values for.
pub fn flags(known: &Command) -> impl Iterator<Item = &Arg> {
    known.get_arguments().filter(|argument| {
        let takes = matches!(argument.get_action(), ArgAction::Set | ArgAction::Append);
        let is_switch = matches!(argument.get_action(), ArgAction::SetTrue);
        (takes || is_switch) && argument.get_long().is_some_and(|name| name != FLAG)
    })
}

fn unknown(name: &str, known: &Command) -> String {
    let meant = name.trim_start_matches('-').replace('_', "-").to_lowercase();
    let names = flags(known).filter_map(Arg::get_long);
    let nearest = names
        .map(|name| (strsim::jaro_winkler(&meant, name), name))
        .filter(|(alike, _)| *alike >= ALIKE)
        .max_by(|a, b| a.0.total_cmp(&b.0));
    let name = Quoted(name);
    match nearest {
        Some((_, nearest)) => format!("unknown key {name}; did you mean {nearest:?}?"),
        None => {
            format!("unknown key {name}; keys are the names of flags without dashes in front")
        }
    }
}

/// A value as one would type it.
fn in_flags(
    argument: &Arg,
    name: &str,
    value: &Spanned<DeValue<'_>>,
) -> Result<Vec<OsString>, String> {
    let value = value.get_ref();
    if matches!(argument.get_action(), ArgAction::SetTrue) {
        return match value {
            DeValue::Boolean(true) => Ok(vec![format!("--{name}").into()]),
            DeValue::Boolean(false) => Ok(Vec::new()),
            other => Err(format!("{name}: expected true or false, found {}", shown(other))),
        };
    }
    let flag = |value: &DeValue<'_>| match value {
        DeValue::String(text) => Ok(format!("--{name}={text}").into()),
        DeValue::Integer(number) => {
            // Which base a number is in may matter to a flag: modes are octal.
            let base = match number.radix() {
                2 => "0b",
                8 => "0o",
                16 => "0x",
                _ => "",
            };
            Ok(format!("--{name}={base}{}", number.as_str().replace('_', "")).into())
        }
        DeValue::Boolean(value) => Ok(format!("--{name}={value}").into()),
        other => Err(format!("{name}: expected a text or a whole number, found {}", shown(other))),
    };
    match value {
        DeValue::Array(values) if matches!(argument.get_action(), ArgAction::Append) => {
            values.iter().map(|value| flag(value.get_ref())).collect()
        }
        one => Ok(vec![flag(one)?]),
    }
}

fn shown(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "a text",
        DeValue::Integer(_) => "a whole number",
        DeValue::Float(_) => "a number with a fraction",
        DeValue::Boolean(_) => "true or false",
        DeValue::Datetime(_) => "a date",
        DeValue::Array(_) => "an array",
        DeValue::Table(_) => "a table",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn command() -> Command {
        let flag = |name: &'static str| Arg::new(name).long(name);
        Command::new("x").args([
            flag("workers"),
            flag("max-body"),
            flag("config"),
            flag("listen").action(ArgAction::Append),
            flag("loud").action(ArgAction::SetTrue),
        ])
    }

    /// The line of each key, and its flags.
    type Read = Vec<(usize, Vec<String>)>;

    fn read(text: &str) -> Result<Read, (usize, String)> {
        let shown = |flags: Vec<OsString>| {
            flags.into_iter().map(|flag| flag.into_string().unwrap()).collect()
        };
        let entries = entries(text, &command())?;
        Ok(entries.into_iter().map(|it| (it.line, shown(it.flags))).collect())
    }

    #[test]
    fn values_are_written_as_toml_has_them() {
        let text = "# one\nmax-body = '1 KiB' # two\nlisten = [\n  \"a:1\", \"b:2\"]\nloud = true\n\
                    workers = 1_0\n";
        let flags = |flags: &[&str]| flags.iter().map(|&flag| flag.to_owned()).collect::<Vec<_>>();
        let expected = vec![
            (2, flags(&["--max-body=1 KiB"])),
            (3, flags(&["--listen=a:1", "--listen=b:2"])),
            (5, flags(&["--loud"])),
            (6, flags(&["--workers=10"])),
        ];
        assert_eq!(read(text), Ok(expected));
        assert_eq!(read("workers = 0o660"), Ok(vec![(1, flags(&["--workers=0o660"]))]));
        assert_eq!(read("loud = false\nlisten = []\n"), Ok(vec![(1, vec![]), (2, vec![])]));
        assert_eq!(read("\u{feff}"), Ok(vec![]));
    }

    #[test]
    fn what_is_wrong_is_told_with_its_line() {
        for (text, line, problem) in [
            ("\nmax_body = 1", 2, "unknown key \"max_body\"; did you mean \"max-body\"?"),
            ("workres = 1", 1, "unknown key \"workres\"; did you mean \"workers\"?"),
            ("--workers = 1", 1, "did you mean \"workers\"?"),
            ("[server]\nworkers = 1", 1, "unknown key \"server\"; keys are"),
            ("config = 'x'", 1, "unknown key \"config\""),
            ("workers = 1\nworkers = 2", 2, "duplicate key"),
            ("workers = 1\nworkers", 2, ""),
            ("workers = 1.5", 1, "workers: expected a text or a whole number, found a number with"),
            ("workers = [1]", 1, "found an array"),
            ("listen = [[1]]", 1, "found an array"),
            ("[workers]", 1, "found a table"),
            ("loud = 1", 1, "loud: expected true or false, found a whole number"),
        ] {
            let (found, said) = read(text).unwrap_err();
            assert!(found == line && said.contains(problem), "{text}: {found}: {said}");
            assert!(!said.contains('\n'), "{said}");
        }
    }
}
