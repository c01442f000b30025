//! What a soak measures each second, and its CSV. Does not own what is made of
//! it (`verdict`, `chart`).

use std::fmt::Write as _;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use super::site::Site;

const EACH: Duration = Duration::from_secs(1);

#[derive(Clone, Debug, Default)]
pub struct Sample {
    pub seconds: f64,
    pub life: u32,
    pub resident: u64,
    pub descriptors: usize,
    /// Single posts, and their p99.
    pub posts: usize,
    pub p99_ms: f64,
    pub disk: u64,
}

#[derive(Default)]
pub struct Samples(pub Vec<Sample>);

impl Samples {
    /// Takes one each second until it is over.
    pub fn take(&mut self, site: &Site, begun: Instant) {
        let mut due = Instant::now() + EACH;
        while !site.is_over() {
            std::thread::sleep(due.saturating_duration_since(Instant::now()).min(EACH / 10));
            if Instant::now() < due {
                continue;
            }
            due += EACH;
            let latencies =
                std::mem::take(&mut *site.latencies.lock().expect("nobody panics with it"));
            let (Ok(resident), Ok(descriptors)) = (site.resident(), site.descriptors()) else {
                continue;
            };
            self.0.push(Sample {
                seconds: begun.elapsed().as_secs_f64(),
                life: site.life.load(Ordering::Relaxed),
                resident,
                descriptors,
                posts: latencies.len(),
                p99_ms: p99(latencies),
                disk: site.disk(),
            });
        }
    }

    pub fn of_the_last_life(&self) -> Vec<Sample> {
        let last = self.0.last().map(|sample| sample.life);
        self.0.iter().filter(|sample| Some(sample.life) == last).cloned().collect()
    }

    pub fn csv(&self) -> String {
        let mut csv =
            "seconds,life,resident_bytes,descriptors,posts,p99_ms,disk_bytes\n".to_owned();
        for Sample { seconds, life, resident, descriptors, posts, p99_ms, disk } in &self.0 {
            let _ = writeln!(
                csv,
                "{seconds:.1},{life},{resident},{descriptors},{posts},{p99_ms:.3},{disk}"
            );
        }
        csv
    }
}

fn p99(mut times: Vec<Duration>) -> f64 {
    times.sort_unstable();
    let at = times.len() * 99 / 100;
    times.get(at).map_or(0.0, Duration::as_secs_f64) * 1e3
}
