//! Results for people: a line for a round, servers side by side, and figures
//! beside what was wanted of them. Does not own what figures there are.

use std::fmt::{self, Write as _};

use super::rounds::{Round, Rounds};

pub fn round(round: &Round) -> String {
    let Round { server, connections, number, tally } = round;
    format!(
        "{server:<12} {connections:>4} connections, round {number}: {:>7}/s  p50 {:>6} us  p99 {:>6} us",
        round.per_second(),
        tally.p50_us,
        tally.p99_us
    )
}

/// A value for people, of which there is none if nothing was measured.
fn whole(value: Option<f64>) -> String {
    value.map_or_else(|| "—".to_owned(), |value| format!("{:.0}", value.floor()))
}

/// Medians of each server, with the ratio of its rate to that of each.
pub fn side_by_side(rounds: &Rounds) -> String {
    let servers = rounds.servers();
    let mut table = format!(
        "| connections | server | per second | p50, us | p99, us | ratio to: {} |\n\
         |---|---|---|---|---|---|\n",
        servers.join(" ")
    );
    for connections in rounds.connections() {
        for server in &servers {
            let ratios: Vec<_> = servers
                .iter()
                .map(|other| match rounds.ratio(server, other, connections) {
                    Some(ratio) => format!("{ratio:.2}"),
                    None => "—".to_owned(),
                })
                .collect();
            let _ = writeln!(
                table,
                "| {connections} | {server} | {} | {} | {} | {} |",
                whole(rounds.per_second(server, connections)),
                whole(rounds.p50_us(server, connections)),
                whole(rounds.p99_us(server, connections)),
                ratios.join(" ")
            );
        }
    }
    table
}

/// What was wanted of a figure.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Wanted {
    AtLeast(f64),
    AtMost(f64),
    /// Nothing that can be checked.
    Note(&'static str),
}

impl Wanted {
    /// Whether a value is what was wanted, if that can be said.
    pub fn reached(self, value: f64) -> Option<bool> {
        match self {
            Self::AtLeast(bound) => Some(value >= bound),
            Self::AtMost(bound) => Some(value <= bound),
            Self::Note(_) => None,
        }
    }
}

impl fmt::Display for Wanted {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        match self {
            Self::AtLeast(bound) => write!(f, "at least {bound}"),
            Self::AtMost(bound) => write!(f, "at most {bound}"),
            Self::Note(note) => f.write_str(note),
        }
    }
}

/// Something measured, beside what was wanted.
#[derive(Clone, Debug)]
pub struct Figure {
    pub what: String,
    pub value: f64,
    /// Empty for a ratio.
    pub unit: &'static str,
    pub wanted: Wanted,
    /// What the figure was made from.
    pub raw: String,
}

/// Figures as tab-separated values.
pub fn tsv(figures: &[Figure]) -> String {
    let mut text = "what\tvalue\tunit\twanted\traw\n".to_owned();
    for Figure { what, value, unit, wanted, raw } in figures {
        // Cannot fail: a string takes all.
        let _ = writeln!(text, "{what}\t{value:.3}\t{unit}\t{wanted}\t{raw}");
    }
    text
}

/// Figures as a table, with whether they are what was wanted.
pub fn wanted(figures: &[Figure]) -> String {
    let mut table =
        "| what | wanted | measured | reached | from |\n|---|---|---|---|---|\n".to_owned();
    for Figure { what, value, unit, wanted, raw } in figures {
        let unit = if unit.is_empty() { String::new() } else { format!(" {unit}") };
        let reached = match wanted.reached(*value) {
            Some(true) => "yes",
            Some(false) => "**no**",
            None => "",
        };
        let bound = match wanted {
            Wanted::Note(_) => wanted.to_string(),
            _ => format!("{wanted}{unit}"),
        };
        let _ = writeln!(table, "| {what} | {bound} | {value:.2}{unit} | {reached} | {raw} |");
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn servers_stand_side_by_side_with_medians_and_ratios() {
        let rounds = Rounds::parse(
            "server,connections,round,requests,microseconds,per_second,p50_us,p99_us
floor,64,1,100,1000000,100,10,20
memory,64,1,90,1000000,90,11,21
floor,64,2,200,1000000,200,13,23
memory,64,2,165,1000000,165,12,22
floor,3,1,10,1000000,10,1,2
",
        )
        .unwrap();
        let expected = "\
| connections | server | per second | p50, us | p99, us | ratio to: floor memory |
|---|---|---|---|---|---|
| 64 | floor | 150 | 11 | 21 | 1.00 1.16 |
| 64 | memory | 127 | 11 | 21 | 0.86 1.00 |
| 3 | floor | 10 | 1 | 2 | 1.00 — |
| 3 | memory | — | — | — | — — |
";
        assert_eq!(side_by_side(&rounds), expected);
    }

    #[test]
    fn a_figure_says_whether_it_is_what_was_wanted() {
        let figure = |value, unit, wanted| Figure {
            what: "it".to_owned(),
            value,
            unit,
            wanted,
            raw: "9".to_owned(),
        };
        let figures = [
            figure(0.85, "", Wanted::AtLeast(0.85)),
            figure(0.8499, "", Wanted::AtLeast(0.85)),
            figure(5.0, "ms", Wanted::AtMost(5.0)),
            figure(5.01, "ms", Wanted::AtMost(5.0)),
            figure(1.0, "ms", Wanted::Note("a floor")),
        ];
        let expected = "\
| what | wanted | measured | reached | from |
|---|---|---|---|---|
| it | at least 0.85 | 0.85 | yes | 9 |
| it | at least 0.85 | 0.85 | **no** | 9 |
| it | at most 5 ms | 5.00 ms | yes | 9 |
| it | at most 5 ms | 5.01 ms | **no** | 9 |
| it | a floor | 1.00 ms |  | 9 |
";
        assert_eq!(wanted(&figures), expected);
        assert!(tsv(&figures[2..3]).ends_with("\nit\t5.000\tms\tat most 5\t9\n"));
    }
}
