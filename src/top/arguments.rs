//! Owns what may be typed behind `downlink top`. Does not own what it does.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::builder::{FalseyValueParser, PossibleValuesParser};
use clap::{Args, Parser};
use hyper::header::HeaderValue;

use super::client::Service;
use super::model::{FilterKind, Question, ROWS, SORTS};
use super::tls::Trust;

/// What a service does, on a terminal.
#[derive(Debug, Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of its own")]
pub struct Arguments {
    /// Where the service is
    #[arg(default_value = "http://localhost:8088", value_name = "URL")]
    url: String,

    /// Print one picture, as plain text, and end
    #[arg(long)]
    pub once: bool,

    /// Print what is known as a JSON object, once a second, or with --once one of it
    #[arg(long)]
    pub json: bool,

    /// What the table is sorted by
    #[arg(long, value_name = "FIELD", default_value = SORTS[0], value_parser = PossibleValuesParser::new(SORTS))]
    sort: String,

    /// The other way round
    #[arg(long)]
    reverse: bool,

    /// Only rockets on this mission
    #[arg(long, value_name = "MISSION")]
    mission: Option<String>,

    /// Only rockets whose ID begins with this
    #[arg(long, value_name = "TEXT")]
    id_prefix: Option<String>,

    /// Only rockets of this type
    #[arg(long = "type", value_name = "TYPE")]
    rocket_type: Option<String>,

    /// Only rockets with this status
    #[arg(long, value_name = "STATUS", ignore_case = true, value_parser = PossibleValuesParser::new(["Launched", "Exploded"]))]
    status: Option<String>,

    /// Only rockets that wait for a message, or with =false only those that do not
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    waiting: Option<bool>,

    /// Rockets in the table, from 1 to 1000
    #[arg(long, value_name = "N", default_value_t = ROWS, value_parser = clap::value_parser!(u16).range(1..=1000))]
    limit: u16,

    /// File with the token that is shown to the service, behind a name or not; of
    /// several lines the first counts
    #[arg(long, env = "DOWNLINK_TOKEN_FILE", value_name = "FILE")]
    token_file: Option<PathBuf>,

    /// Whom to trust at an https:// URL: certificates of authorities, or the service's
    /// own, in PEM
    #[arg(long, env = "DOWNLINK_CA_FILE", value_name = "FILE")]
    ca_file: Option<PathBuf>,

    /// No colours
    #[arg(long, env = "NO_COLOR", value_parser = FalseyValueParser::new())]
    pub no_color: bool,
}

/// The same as a command line of its own.
#[derive(Debug, Parser)]
#[command(
    name = "downlink top",
    bin_name = "downlink top",
    version,
    about = "What a service does, on a terminal"
)]
struct CommandLine {
    #[command(flatten)]
    arguments: Arguments,
}

impl Arguments {
    /// Reads them behind `downlink`, of which `top` is the first.
    ///
    /// # Errors
    /// When something is wrong, or help was asked for.
    pub fn parse(behind: impl IntoIterator<Item = OsString>) -> clap::error::Result<Self> {
        CommandLine::try_parse_from(behind).map(|line| line.arguments)
    }

    /// Whom to ask.
    ///
    /// # Errors
    /// A line that says what is wrong.
    pub(super) fn service(&self) -> Result<Service, String> {
        let token = self.token_file.as_deref().map(|file| {
            let wrong = |why: &str| format!("--token-file {}: {why}", file.display());
            let text = std::fs::read_to_string(file).map_err(|error| wrong(&error.to_string()))?;
            token(&text).map_err(wrong)
        });
        let trust = self.ca_file.as_deref().map(Trust::of);
        Service::parse(&self.url, token.transpose()?, trust.transpose()?)
    }

    /// What is asked to begin with.
    pub(super) fn question(&self) -> Question {
        let mission = self.mission.clone().map(|text| (FilterKind::Mission, text));
        let prefix = self.id_prefix.clone().map(|text| (FilterKind::IdPrefix, text));
        // Keys change one of them.
        let (filter, other) = if mission.is_some() { (mission, prefix) } else { (prefix, None) };
        let others = [
            other.map(|(kind, text)| (kind.name(), text)),
            self.rocket_type.clone().map(|text| ("rocket_type", text)),
            self.status.clone().map(|text| ("status", text)),
            self.waiting.map(|waits| ("waiting", waits.to_string())),
        ];
        let sort = SORTS.iter().position(|sort| *sort == self.sort);
        Question {
            sort: sort.expect("it is one of them"),
            descending: self.reverse,
            filter,
            conditions: others.into_iter().flatten().collect(),
            limit: self.limit,
        }
    }
}

/// The first token of a file of tokens, as a header, which no log shows.
fn token(text: &str) -> Result<HeaderValue, &'static str> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut lines = text.lines().map(str::trim);
    let line = lines.find(|line| !line.is_empty() && !line.starts_with('#'));
    let words: Vec<_> = line.ok_or("the file holds no token")?.split_whitespace().collect();
    let ([token] | [_, token]) = words[..] else {
        return Err("expected a token, or a name, a blank and a token");
    };
    let mut value = HeaderValue::from_str(&format!("Bearer {token}"))
        .map_err(|_| "the token cannot be sent in a header")?;
    value.set_sensitive(true);
    Ok(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(line: &str) -> clap::error::Result<Arguments> {
        Arguments::parse(line.split(' ').map(OsString::from))
    }

    #[test]
    fn what_is_typed_is_what_is_asked() {
        let arguments = parsed("top http://h:1/p --sort=speed --reverse --mission=A").unwrap();
        let question = arguments.question();
        assert_eq!((question.sorted_by(), question.descending), ("speed", true));
        assert_eq!(question.filter, Some((FilterKind::Mission, "A".to_owned())));
        assert_eq!(arguments.service().ok().unwrap().url, "http://h:1/p");
        let target = |line: &str| parsed(line).unwrap().question().target();
        let all = "/rockets?sort=launch_time&order=asc";
        assert_eq!(target("top"), format!("{all}&limit=100"));
        let line = "top --type=A&B --status=exploded --waiting --limit 7 --id-prefix=b --mission=a";
        let conditions = "mission=a&id_prefix=b&rocket_type=A%26B&status=exploded&waiting=true";
        assert_eq!(target(line), format!("{all}&limit=7&{conditions}"));
        assert_eq!(target("top --waiting=false u"), format!("{all}&limit=100&waiting=false"));
        for bad in [
            "top a b",
            "top --sort=height",
            "top --nope",
            "top --status=lost",
            "top --waiting=2",
            "top --limit=0",
            "top --limit=1001",
        ] {
            assert!(parsed(bad).is_err(), "{bad}");
        }
        for bad in
            ["top localhost", "top --token-file=/missing", "top https://h --ca-file=/dev/null"]
        {
            assert!(parsed(bad).unwrap().service().is_err(), "{bad}");
        }
    }

    #[test]
    fn the_first_token_is_taken_and_never_told() {
        for text in ["secret", "\u{feff}# all\r\n\r\nname\tsecret \r\nother"] {
            assert_eq!(token(text).unwrap(), "Bearer secret");
        }
        for bad in ["", "# none", "secret a b", "se\u{1}cret"] {
            assert!(!token(bad).unwrap_err().contains("secret"), "{bad}");
        }
    }
}
