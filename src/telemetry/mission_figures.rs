//! What is known of the rockets of each mission: how many have exploded, the sum of
//! their speeds, and the lowest and the highest of them.
//!
//! Count and sum are exact at every moment. The two extremes are bounds that no
//! speed is beyond, and exact as long as a rocket is known to hold each: the number
//! of those known to is kept. When the last of them moves inward nobody knows who
//! is next, and nothing is done about it until somebody asks: then a walk over the
//! rockets ([`Repair`]) finds out. So a message costs a few comparisons, and an
//! order of all speeds, which would cost a tree, is not kept.
//!
//! Does not own which missions there are (`missions`), nor the walk.

use ahash::AHashMap;

/// Figures that stand together, so that they grow without being moved.
const CHUNK: usize = 1024;

/// The lowest and the highest of some speeds, or what they are not beyond.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Extremes {
    lowest: i64,
    highest: i64,
    /// Rockets known to have the lowest speed: not more than do. If 0, it is not
    /// known whether any does.
    at_lowest: u32,
    at_highest: u32,
}

impl Extremes {
    const NONE: Self = Self { lowest: i64::MAX, highest: i64::MIN, at_lowest: 0, at_highest: 0 };

    fn of(speed: i64) -> Self {
        Self { lowest: speed, highest: speed, at_lowest: 1, at_highest: 1 }
    }

    fn are_exact(&self) -> bool {
        self.at_lowest > 0 && self.at_highest > 0
    }

    fn arrive(&mut self, speed: i64) {
        if speed <= self.lowest {
            self.at_lowest = if speed < self.lowest { 1 } else { self.at_lowest.saturating_add(1) };
            self.lowest = speed;
        }
        if speed >= self.highest {
            self.at_highest =
                if speed > self.highest { 1 } else { self.at_highest.saturating_add(1) };
            self.highest = speed;
        }
    }

    fn leave(&mut self, speed: i64) {
        if speed == self.lowest {
            self.at_lowest = self.at_lowest.saturating_sub(1);
        }
        if speed == self.highest {
            self.at_highest = self.at_highest.saturating_sub(1);
        }
    }

    /// As [`Extremes::arrive`], of a rocket that may have been counted already: so
    /// of those at an extreme no more than one is.
    fn see(&mut self, speed: i64) {
        self.arrive(speed);
        self.at_lowest = self.at_lowest.min(1);
        self.at_highest = self.at_highest.min(1);
    }
}

/// Of one mission's rockets.
#[derive(Clone, Copy, Debug)]
struct Figures {
    extremes: Extremes,
    exploded: u32,
    /// Since which walk the extremes are not exact; 0 if they are.
    stale: u32,
    sum: i128,
}

const NO_FIGURES: Figures = Figures { extremes: Extremes::NONE, exploded: 0, stale: 0, sum: 0 };

/// The rockets of a mission, summed up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Summary {
    /// How many have exploded.
    pub exploded: u32,
    /// The sum of all speeds.
    pub sum: i128,
    /// The lowest speed.
    pub lowest: i64,
    /// The highest speed.
    pub highest: i64,
}

/// The figures of all missions, by the place of their texts.
#[derive(Debug)]
pub(super) struct AllFigures {
    chunks: Vec<Vec<Figures>>,
    /// How many missions have extremes that are not exact.
    stale: usize,
    /// The number of the last walk; the first is 2.
    walk: u32,
    /// What it has seen of the missions that were stale when it began.
    seen: Option<AHashMap<usize, Extremes>>,
}

impl Default for AllFigures {
    fn default() -> Self {
        Self { chunks: Vec::new(), stale: 0, walk: 1, seen: None }
    }
}

/// A walk over all rockets that finds out what the extremes are.
#[derive(Debug, PartialEq, Eq)]
pub struct Repair(u32);

impl AllFigures {
    fn get(&self, at: usize) -> &Figures {
        &self.chunks[at / CHUNK][at % CHUNK]
    }

    fn get_mut(&mut self, at: usize) -> &mut Figures {
        &mut self.chunks[at / CHUNK][at % CHUNK]
    }

    /// A rocket joins the mission at `at`, which has so many with it.
    pub fn join(&mut self, at: usize, rockets: u32, speed: i64, exploded: bool) {
        while self.chunks.len() <= at / CHUNK {
            self.chunks.push(vec![NO_FIGURES; CHUNK]);
        }
        let figures = self.get_mut(at);
        figures.exploded += u32::from(exploded);
        figures.sum += i128::from(speed);
        self.change(at, rockets, None, Some(speed));
    }

    /// A rocket leaves the mission, which has so many without it.
    pub fn leave(&mut self, at: usize, rockets: u32, speed: i64, exploded: bool) {
        let figures = self.get_mut(at);
        figures.exploded -= u32::from(exploded);
        figures.sum -= i128::from(speed);
        if rockets == 0 {
            if self.get(at).stale > 0 {
                self.stale -= 1;
            }
            *self.get_mut(at) = NO_FIGURES;
            if let Some(seen) = &mut self.seen {
                seen.remove(&at);
            }
            return;
        }
        self.change(at, rockets, Some(speed), None);
    }

    /// One of the mission's rockets, of which there are so many, changed its speed.
    pub fn change_speed(&mut self, at: usize, rockets: u32, from: i64, to: i64) {
        self.get_mut(at).sum += i128::from(to) - i128::from(from);
        self.change(at, rockets, Some(from), Some(to));
    }

    /// One of the mission's rockets exploded.
    pub fn explode(&mut self, at: usize) {
        self.get_mut(at).exploded += 1;
    }

    fn change(&mut self, at: usize, rockets: u32, from: Option<i64>, to: Option<i64>) {
        let walk = self.walk;
        let figures = self.get_mut(at);
        let stale_before = figures.stale;
        let extremes = &mut figures.extremes;
        match to {
            Some(to) if rockets == 1 => *extremes = Extremes::of(to),
            to => {
                if let Some(from) = from {
                    extremes.leave(from);
                }
                if let Some(to) = to {
                    extremes.arrive(to);
                }
            }
        }
        let exact = extremes.are_exact();
        if exact != (figures.stale == 0) {
            figures.stale = if exact { 0 } else { walk };
            self.stale = if exact { self.stale - 1 } else { self.stale + 1 };
        }
        if self.seen.is_some() {
            self.follow(at, stale_before, from, to);
        }
    }

    /// While a walk is under way it must not miss what has changed behind it.
    fn follow(&mut self, at: usize, stale_before: u32, from: Option<i64>, to: Option<i64>) {
        let is_sought = |stale: u32| stale > 0 && stale != self.walk;
        let is_sought_now = is_sought(self.get(at).stale);
        let was_sought = is_sought(stale_before);
        let Some(seen) = &mut self.seen else { return };
        if is_sought_now {
            let extremes = seen.entry(at).or_insert(Extremes::NONE);
            if let Some(from) = from {
                extremes.leave(from);
            }
            if let Some(to) = to {
                extremes.see(to);
            }
        } else if was_sought {
            // It is exact; should it not stay so, the walk has missed some.
            seen.remove(&at);
        }
    }

    /// Begins a walk over all rockets; `None` if all is exact. One that was begun
    /// before and has not ended finds out nothing any more.
    pub fn begin_repair(&mut self) -> Option<Repair> {
        self.seen = None;
        if self.stale == 0 {
            return None;
        }
        self.walk = self.walk.wrapping_add(1).max(2);
        self.seen = Some(AHashMap::new());
        Some(Repair(self.walk))
    }

    /// The walk comes by a rocket.
    pub fn see(&mut self, at: usize, speed: i64) {
        let Figures { stale, .. } = *self.get(at);
        // Of one that became stale since it began, it may have missed some.
        if stale > 0
            && stale != self.walk
            && let Some(seen) = &mut self.seen
        {
            seen.entry(at).or_insert(Extremes::NONE).see(speed);
        }
    }

    /// What is known of a mission; of a walk that came by all rockets what it found.
    pub fn summary(&mut self, at: usize, repair: Option<&Repair>) -> Summary {
        if repair.is_some_and(|repair| repair.0 == self.walk)
            && let Some(found) = self.seen.as_mut().and_then(|seen| seen.remove(&at))
        {
            let walk = self.walk;
            let figures = self.get_mut(at);
            figures.extremes = found;
            if found.are_exact() && figures.stale > 0 {
                figures.stale = 0;
                self.stale -= 1;
            } else if !found.are_exact() && figures.stale == 0 {
                figures.stale = walk;
                self.stale += 1;
            }
        }
        let &Figures { exploded, sum, extremes: Extremes { lowest, highest, .. }, .. } =
            self.get(at);
        Summary { exploded, sum, lowest, highest }
    }

    /// Ends a walk.
    pub fn end_repair(&mut self, repair: &Repair) {
        if repair.0 == self.walk {
            self.seen = None;
        }
    }
}
