//! The missions with what is known of their rockets: one partition's part, and the
//! merge of the parts. Does not own how that is kept (`telemetry/mission_figures`).

use std::cmp::Reverse;
use std::collections::hash_map::Entry;
use std::sync::Arc;

use ahash::AHashMap;

use super::slices::Slices;
use crate::telemetry::caseless;

/// What is known of some rockets; at least one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Figures {
    /// How many rockets, exploded ones among them.
    pub rockets: u64,
    /// How many have exploded.
    pub exploded: u64,
    /// The sum of their speeds.
    pub sum: i128,
    /// The lowest of them.
    pub lowest: i64,
    /// The highest of them.
    pub highest: i64,
}

/// One partition's rockets on one mission, in one spelling.
#[derive(Debug)]
pub struct MissionRow {
    /// As these rockets spell it.
    pub mission: Arc<str>,
    /// What is known of them.
    pub figures: Figures,
}

/// The largest missions, and the rest as one.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct MissionTable {
    /// Largest first, and of equally large ones by name. Spellings that match are
    /// one, under the name that sorts first.
    pub missions: Vec<(Arc<str>, Figures)>,
    /// How many further missions there are, and what is known of all their rockets
    /// together; `None` if there are none.
    pub rest: Option<(usize, Figures)>,
}

impl Figures {
    fn add(&mut self, other: &Self) {
        self.rockets += other.rockets;
        self.exploded += other.exploded;
        self.sum += other.sum;
        self.lowest = self.lowest.min(other.lowest);
        self.highest = self.highest.max(other.highest);
    }

    /// The mean of the speeds, as close as a double comes.
    #[must_use]
    pub fn mean(&self) -> f64 {
        self.sum as f64 / self.rockets as f64
    }
}

impl MissionTable {
    /// Merges the parts of all partitions; all but the `limit` largest become one.
    /// Not for a thread that serves: a fleet may have as many missions as rockets.
    #[must_use]
    pub fn merge(parts: Vec<Slices<MissionRow>>, limit: usize) -> Self {
        let mut merged: AHashMap<String, (Arc<str>, Figures)> = AHashMap::new();
        let slices = parts.into_iter().flat_map(Slices::take);
        for MissionRow { mission, figures } in slices.flatten() {
            match merged.entry(caseless::key(&mission)) {
                Entry::Vacant(vacant) => drop(vacant.insert((mission, figures))),
                Entry::Occupied(mut occupied) => {
                    let (name, sum) = occupied.get_mut();
                    sum.add(&figures);
                    if mission < *name {
                        *name = mission;
                    }
                }
            }
        }
        let mut missions: Vec<_> = merged.into_values().collect();
        missions.sort_unstable_by(|(a, of_a), (b, of_b)| {
            (Reverse(of_a.rockets), a).cmp(&(Reverse(of_b.rockets), b))
        });
        let others = missions.split_off(limit.min(missions.len()));
        let sum = others.iter().map(|(_, figures)| *figures).reduce(|mut sum, figures| {
            sum.add(&figures);
            sum
        });
        Self { missions, rest: sum.map(|sum| (others.len(), sum)) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(mission: &str, rockets: u64, speed: i64) -> MissionRow {
        let sum = i128::from(speed) * i128::from(rockets);
        let figures = Figures { rockets, exploded: 1, sum, lowest: speed, highest: speed };
        MissionRow { mission: mission.into(), figures }
    }

    fn part(rows: Vec<MissionRow>) -> Slices<MissionRow> {
        let mut slices = Slices::default();
        for row in rows {
            slices.push(row);
        }
        slices
    }

    #[test]
    fn spellings_are_one_and_what_is_small_is_the_rest() {
        let parts = || {
            vec![
                part(vec![row("b", 2, 10), row("Apollo", 1, i64::MAX), row("c", 1, 7)]),
                part(vec![row("APOLLO", 1, i64::MAX), row("d", 2, -3)]),
            ]
        };
        let shown = |limit| {
            let MissionTable { missions, rest } = MissionTable::merge(parts(), limit);
            let names: Vec<_> = missions.iter().map(|(name, _)| name.to_string()).collect();
            (names.join(" "), missions, rest)
        };
        let (names, missions, rest) = shown(4);
        assert_eq!((&*names, rest), ("APOLLO b d c", None));
        let most = i128::from(i64::MAX);
        let apollo =
            Figures { rockets: 2, exploded: 2, sum: 2 * most, lowest: i64::MAX, highest: i64::MAX };
        assert_eq!(missions[0].1, apollo);
        assert!((apollo.mean() - i64::MAX as f64).abs() < 1.0);
        let (names, _, rest) = shown(2);
        let others = Figures { rockets: 3, exploded: 2, sum: 1, lowest: -3, highest: 7 };
        assert_eq!((&*names, rest), ("APOLLO b", Some((2, others))));
        assert_eq!(shown(0).2.map(|(missions, sum)| (missions, sum.rockets)), Some((4, 7)));
        assert_eq!(MissionTable::merge(vec![part(vec![])], 0), MissionTable::default());
    }
}
