//! Flags that are given in the environment. Owns where a value comes from; does
//! not own what a value may be.
//!
//! clap reads the environment too, but takes an empty variable for a value,
//! which is what a container's configuration makes of one that is not set, and
//! names the flag alone where a variable is wrong.

use std::env;
use std::ffi::{OsStr, OsString};

use clap::error::ErrorKind;
use clap::parser::ValueSource;
use clap::{ArgMatches, Command};

/// Reads a command line, and from the environment what is not on it. Blanks
/// around a variable's value do not count, and none is left means unset.
pub fn read(command: &Command, line: &[OsString]) -> Result<ArgMatches, clap::Error> {
    let plain = command.clone().mut_args(|argument| argument.env(None::<&'static str>));
    let typed = plain.clone().try_get_matches_from(line).map_err(|error| {
        // Help shows the variables, which come after it is asked for.
        let shown = || command.clone().try_get_matches_from(line).err();
        if error.use_stderr() { error } else { shown().unwrap_or(error) }
    })?;
    let (program, arguments) = line.split_at(line.len().min(1));
    let mut all = program.to_vec();
    for argument in command.get_arguments() {
        let (Some(variable), Some(long)) = (argument.get_env(), argument.get_long()) else {
            continue;
        };
        #[expect(clippy::disallowed_methods, reason = "this is the configuration's own file")]
        let Some(value) = env::var_os(variable).map(trimmed) else { continue };
        if value.is_empty()
            || typed.value_source(argument.get_id().as_str()) == Some(ValueSource::CommandLine)
        {
            continue;
        }
        let mut flag = OsString::from(format!("--{long}="));
        flag.push(value);
        let alone = [OsString::from("downlink"), flag.clone()];
        plain.clone().try_get_matches_from(alone).map_err(|error| named(variable, &error))?;
        all.push(flag);
    }
    all.extend_from_slice(arguments);
    plain.try_get_matches_from(all)
}

fn trimmed(value: OsString) -> OsString {
    match value.to_str() {
        Some(text) => text.trim().into(),
        None => value,
    }
}

/// The same error, which says where the value comes from.
fn named(variable: &OsStr, error: &clap::Error) -> clap::Error {
    let text = error.to_string();
    let text = text.strip_prefix("error: ").unwrap_or(&text);
    let text = format!("environment variable {}: {text}", variable.display());
    clap::Error::raw(ErrorKind::ValueValidation, text)
}
