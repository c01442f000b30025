//! Flags that are given in the environment. Owns what is read there; does not
//! own what a value may be, nor which of several counts (`sources`).
//!
//! clap reads the environment too, but takes an empty variable for a value,
//! which is what a container's configuration makes of one that is not set, and
//! names the flag alone where a variable is wrong.

use std::env;
use std::ffi::OsString;

use clap::Arg;
use clap::error::ErrorKind;

/// The variable of a flag and its value. Blanks around that do not count, and
/// none is left means unset.
pub fn value_of(argument: &Arg) -> Option<(&str, OsString)> {
    let variable = argument.get_env()?.to_str()?;
    #[expect(clippy::disallowed_methods, reason = "this is the configuration's own file")]
    let value = env::var_os(variable).map(trimmed)?;
    (!value.is_empty()).then_some((variable, value))
}

fn trimmed(value: OsString) -> OsString {
    match value.to_str() {
        Some(text) => text.trim().into(),
        None => value,
    }
}

/// The same error, which says where the value comes from.
pub fn named(variable: &str, error: &clap::Error) -> clap::Error {
    let text = format!("environment variable {variable}: {}", reason(error));
    clap::Error::raw(ErrorKind::ValueValidation, text)
}

/// What an error says, to be put behind where it comes from.
pub fn reason(error: &clap::Error) -> String {
    let text = error.to_string();
    text.strip_prefix("error: ").unwrap_or(&text).to_owned()
}
