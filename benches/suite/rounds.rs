//! Rounds, as rounds.csv keeps them, and what they come to: medians, and ratios
//! round by round. A machine that others share is faster in one round and slower
//! in the next, for all servers alike; so ratios are taken before medians.

use std::fmt;
use std::io::{Error, Result};

use super::client::Tally;

pub const HEADER: &str =
    "server,connections,round,requests,microseconds,per_second,p50_us,p99_us\n";

/// One server, measured once.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Round {
    pub server: String,
    pub connections: usize,
    pub number: u32,
    pub tally: Tally,
}

/// Numbers that are far from where a float is not exact.
fn float(number: u64) -> f64 {
    number as f64
}

impl Round {
    pub fn per_second(&self) -> u64 {
        self.tally.requests * 1_000_000 / self.tally.micros.max(1)
    }

    fn parse(line: &str) -> Option<Self> {
        let mut fields = line.split(',');
        let server = fields.next()?.to_owned();
        let mut number = || fields.next()?.parse::<u64>().ok();
        let connections = usize::try_from(number()?).ok()?;
        let round = u32::try_from(number()?).ok()?;
        let (requests, micros, _per_second) = (number()?, number()?, number()?);
        let tally = Tally { requests, micros, p50_us: number()?, p99_us: number()? };
        Some(Self { server, connections, number: round, tally })
    }
}

/// A line of rounds.csv.
impl fmt::Display for Round {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        let Self { server, connections, number, tally } = self;
        let Tally { requests, micros, p50_us, p99_us } = tally;
        let rate = self.per_second();
        write!(f, "{server},{connections},{number},{requests},{micros},{rate},{p50_us},{p99_us}")
    }
}

#[derive(Default)]
pub struct Rounds(Vec<Round>);

impl Rounds {
    pub fn parse(csv: &str) -> Result<Self> {
        let round = |line| {
            Round::parse(line).ok_or_else(|| Error::other(format!("{line:?} is not a round")))
        };
        csv.lines().skip(1).map(round).collect::<Result<_>>().map(Self)
    }

    pub fn add(&mut self, round: Round) {
        self.0.push(round);
    }

    /// Each once, as they came.
    pub fn servers(&self) -> Vec<&str> {
        each_once(self.0.iter().map(|round| round.server.as_str()))
    }

    /// Each once, as they came.
    pub fn connections(&self) -> Vec<usize> {
        each_once(self.0.iter().map(|round| round.connections))
    }

    fn of(&self, server: &str, connections: usize) -> impl Iterator<Item = &Round> {
        self.0
            .iter()
            .filter(move |round| round.server == server && round.connections == connections)
    }

    /// The median rate of a server.
    pub fn per_second(&self, server: &str, connections: usize) -> Option<f64> {
        median(self.of(server, connections).map(|round| float(round.per_second())).collect())
    }

    pub fn p50_us(&self, server: &str, connections: usize) -> Option<f64> {
        median(self.of(server, connections).map(|round| float(round.tally.p50_us)).collect())
    }

    pub fn p99_us(&self, server: &str, connections: usize) -> Option<f64> {
        median(self.of(server, connections).map(|round| float(round.tally.p99_us)).collect())
    }

    /// The rates of a server against those of another, round by round.
    pub fn ratios(&self, server: &str, other: &str, connections: usize) -> Vec<f64> {
        let ratio = |round: &Round| {
            let against = self.of(other, connections).find(|other| other.number == round.number)?;
            Some(float(round.per_second()) / float(against.per_second()))
        };
        self.of(server, connections).filter_map(ratio).collect()
    }

    /// The median of the ratios.
    pub fn ratio(&self, server: &str, other: &str, connections: usize) -> Option<f64> {
        median(self.ratios(server, other, connections))
    }
}

fn each_once<T: PartialEq>(values: impl Iterator<Item = T>) -> Vec<T> {
    let mut seen = Vec::new();
    for value in values {
        if !seen.contains(&value) {
            seen.push(value);
        }
    }
    seen
}

/// The median of some values, if there are any.
pub fn median(mut values: Vec<f64>) -> Option<f64> {
    values.sort_unstable_by(f64::total_cmp);
    let upper = *values.get(values.len() / 2)?;
    let lower = *values.get(values.len().checked_sub(1)? / 2)?;
    Some(f64::midpoint(lower, upper))
}

#[cfg(test)]
mod tests {
    use super::*;

    const CSV: &str = "server,connections,round,requests,microseconds,per_second,p50_us,p99_us
floor,64,1,100,1000000,100,10,20
memory,64,1,90,1000000,90,11,21
memory,64,2,40,1000000,40,12,22
floor,64,2,50,1000000,50,13,23
floor,64,3,400,2000000,200,14,24
memory,64,3,140,1000000,140,15,25
memory,3,1,30,1000000,30,1,2
";

    #[test]
    fn the_median_is_the_middle_or_between_the_two() {
        assert_eq!(median(vec![]), None);
        assert_eq!(median(vec![3.0]), Some(3.0));
        assert_eq!(median(vec![9.0, 1.0, 2.0]), Some(2.0));
        assert_eq!(median(vec![4.0, 1.0, 9.0, 2.0]), Some(3.0));
    }

    #[test]
    fn what_is_kept_is_read_back() {
        let rounds = Rounds::parse(CSV).unwrap();
        let again = rounds.0.iter().fold(String::new(), |csv, round| format!("{csv}{round}\n"));
        assert_eq!(format!("{HEADER}{again}"), CSV);
        assert_eq!(rounds.servers(), ["floor", "memory"]);
        assert_eq!(rounds.connections(), [64, 3]);
        assert!(Rounds::parse("header\nfloor,64,1\n").is_err());
    }

    #[test]
    fn ratios_are_taken_round_by_round_before_the_median() {
        let rounds = Rounds::parse(CSV).unwrap();
        assert_eq!(rounds.ratios("memory", "floor", 64), [0.9, 0.8, 0.7]);
        // The medians alone, 90 and 100, would say 0.9.
        assert_eq!(rounds.ratio("memory", "floor", 64), Some(0.8));
        assert_eq!(rounds.per_second("memory", 64), Some(90.0));
        assert_eq!(rounds.p50_us("floor", 64), Some(13.0));
        assert_eq!(rounds.p99_us("memory", 64), Some(22.0));
        assert_eq!(rounds.ratio("memory", "floor", 3), None);
    }
}
