//! How the help of a flag ends: with its variable and its default, always in this
//! order. clap has the variable first, and knows nothing of defaults that depend on
//! something else: those stand at the end of the flag's text. Does not own what
//! the text says.

use std::fmt::Write;

use clap::builder::StyledStr;
use clap::{Arg, Command};

/// What begins a default that stands in a text.
const DEFAULT: &str = "[default: ";

/// The same command, of which the help, and that of its subcommands, is in order.
pub fn in_order(command: Command) -> Command {
    command.mut_args(ended).mut_subcommands(in_order)
}

fn ended(argument: Arg) -> Arg {
    let Some(help) = argument.get_help().map(StyledStr::to_string) else { return argument };
    let long = argument.get_long_help().map_or_else(|| help.clone(), StyledStr::to_string);
    let (text, told) = split(&long);
    let default = told.map(str::to_owned).or_else(|| given(&argument));
    let mut end = Vec::new();
    if let Some(variable) = argument.get_env() {
        end.push(format!("[env: {}]", variable.to_string_lossy()));
    }
    if let Some(default) = default {
        end.push(format!("{DEFAULT}{default}]"));
    }
    if end.is_empty() {
        return argument;
    }
    let short = format!("{} {}", split(&help).0, end.join(" "));
    let long = format!("{text}\n\n{}", end.join("\n"));
    argument.hide_env(true).hide_default_value(true).help(short).long_help(long)
}

/// A text, and the default that stands at its end.
fn split(text: &str) -> (&str, Option<&str>) {
    let parts = text.strip_suffix(']').and_then(|text| text.rsplit_once(DEFAULT));
    parts.map_or((text, None), |(text, default)| (text.trim_end(), Some(default)))
}

/// The default that clap knows.
fn given(argument: &Arg) -> Option<String> {
    let mut text = String::new();
    for (index, value) in argument.get_default_values().iter().enumerate() {
        let separator = if index == 0 { "" } else { "," };
        let _ = write!(text, "{separator}{}", value.to_string_lossy());
    }
    (!text.is_empty() && argument.get_action().takes_values()).then_some(text)
}
