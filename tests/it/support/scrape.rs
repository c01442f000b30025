//! What `GET /metrics` shows, taken apart.

use super::http::{Request, Response};
use super::service::Service;

/// One answer in the plain text format.
pub struct Scrape(String);

impl Scrape {
    #[track_caller]
    pub fn of(service: &Service) -> Self {
        Self::read(&service.send(&Request::get("/metrics")))
    }

    #[track_caller]
    pub fn read(response: &Response) -> Self {
        assert_eq!(response.status, 200, "{}", response.text());
        Self(response.text())
    }

    pub fn text(&self) -> &str {
        &self.0
    }

    /// The sum of the samples of this name that have all of these labels, written as
    /// in `outcome="applied"`; `None` if there is none.
    #[track_caller]
    pub fn find(&self, name: &str, labels: &[&str]) -> Option<f64> {
        let samples = self.0.lines().filter(|line| !line.starts_with('#'));
        let values = samples.filter_map(|line| {
            let (series, value) = line.rsplit_once(' ').unwrap();
            let (found, given) = series.split_once('{').unwrap_or((series, ""));
            let is_it = found == name && labels.iter().all(|label| given.contains(label));
            is_it.then(|| value.parse::<f64>().unwrap())
        });
        values.reduce(|sum, value| sum + value)
    }

    #[track_caller]
    pub fn get(&self, name: &str, labels: &[&str]) -> f64 {
        self.find(name, labels).unwrap_or_else(|| panic!("no {name} {labels:?} in {}", self.0))
    }

    /// The names of all families.
    pub fn families(&self) -> Vec<&str> {
        let types = self.0.lines().filter_map(|line| line.strip_prefix("# TYPE "));
        types.map(|line| line.split_once(' ').unwrap().0).collect()
    }
}
