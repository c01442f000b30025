//! Where values come from, and which one counts: a flag over a variable, a
//! variable over the file, and that over the default. Owns the order; does not own
//! the environment (`environment`) and the file (`file`).
//!
//! Variables and keys are made flags of and put before what was typed, so that
//! whatever is wrong with a value is found by the flag, once. Each is tried alone
//! first, for the error to say where the value stands.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fmt;
use std::path::PathBuf;

use clap::parser::ValueSource;
use clap::{ArgMatches, Command};

use super::environment;
use super::file::{self, Entry};

/// Where a value comes from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Source {
    /// Nobody gave one.
    #[default]
    Default,
    /// A key in this line of this file.
    File(PathBuf, usize),
    /// The environment variable of this name.
    Variable(String),
    /// The command line.
    Flag,
}

impl fmt::Display for Source {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => to.write_str("default"),
            Self::File(path, line) => write!(to, "{}:{line}", path.display()),
            Self::Variable(name) => write!(to, "environment variable {name}"),
            Self::Flag => to.write_str("flag"),
        }
    }
}

/// By the names of flags, of those that were given.
pub type Sources = BTreeMap<String, Source>;

/// Reads a command line of `command`, and from the environment and a file what is
/// not on it. What the file may have is what `known` has.
///
/// # Errors
/// As clap has them, and when the file cannot be used.
pub fn read(
    command: &Command,
    known: &Command,
    line: &[OsString],
) -> Result<(ArgMatches, Sources), clap::Error> {
    let plain = command.clone().mut_args(|argument| argument.env(None::<&'static str>));
    let typed = plain.clone().try_get_matches_from(line).map_err(|error| {
        // Help shows the variables, which come after it is asked for.
        let shown = || command.clone().try_get_matches_from(line).err();
        if error.use_stderr() { error } else { shown().unwrap_or(error) }
    })?;
    let one = plain.clone().mut_args(|argument| argument.required(false));
    let alone = |flags: &[OsString]| {
        let line = [OsString::from("downlink")].into_iter().chain(flags.iter().cloned());
        one.clone().try_get_matches_from(line)
    };
    let mut sources = Sources::new();
    let mut variables = Vec::new();
    let mut file = None;
    for argument in command.get_arguments() {
        let Some(long) = argument.get_long() else { continue };
        let id = argument.get_id().as_str();
        let path = |matches: &ArgMatches| {
            if long == file::FLAG { matches.get_one::<PathBuf>(id).cloned() } else { None }
        };
        if typed.value_source(id) == Some(ValueSource::CommandLine) {
            file = file.or(path(&typed));
            sources.insert(long.to_owned(), Source::Flag);
        } else if let Some((variable, value)) = environment::value_of(argument) {
            let mut flag = OsString::from(format!("--{long}="));
            flag.push(value);
            let matches = alone(std::slice::from_ref(&flag))
                .map_err(|error| environment::named(variable, &error))?;
            file = file.or(path(&matches));
            sources.insert(long.to_owned(), Source::Variable(variable.to_owned()));
            variables.push(flag);
        }
    }
    let (program, arguments) = line.split_at(line.len().min(1));
    let mut all = program.to_vec();
    if let Some(path) = file {
        for Entry { name, line, flags } in file::read(&path, known)? {
            let mut arguments = command.get_arguments();
            let has = arguments.any(|argument| argument.get_long() == Some(&name));
            if !has || flags.is_empty() || sources.contains_key(&name) {
                continue;
            }
            alone(&flags).map_err(|error| file::at(&path, line, &environment::reason(&error)))?;
            sources.insert(name, Source::File(path.clone(), line));
            all.extend(flags);
        }
    }
    all.extend(variables);
    all.extend_from_slice(arguments);
    Ok((plain.try_get_matches_from(all)?, sources))
}
