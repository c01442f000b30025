//! `GET /metrics`: the figures of the service, in OpenMetrics or in Prometheus' own
//! text format. Owns what HTTP's own figures are called and which format a scraper
//! gets; the only file of HTTP that names prometheus-client. Does not own the
//! fleet's figures (`fleet/metrics.rs`), nor where HTTP counts (`figures`).

use std::fmt;
use std::sync::{Arc, OnceLock};

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, prometheus_text, text};
use prometheus_client::registry::Registry;
use tokio::task::spawn_blocking;
use tokio::time::{Instant, timeout_at};
use warp::http::header::{ACCEPT, CONTENT_TYPE, VARY};
use warp::http::{HeaderMap, HeaderValue};
use warp::reply::Response;

use super::figures::{Answered, BOUNDS, Figures, PageCounts, ServerFigures};
use super::held::BytesHeld;
use super::media::{parts, weight};
use super::problem::Problem;
use super::process;
use super::respond::no_parameters;
use crate::fleet::feed::hub::Feed;
use crate::fleet::metrics::{
    FleetCollector, FleetMetrics, Scale, counter, counters, gauge, gauges, histograms,
};
use crate::fleet::outcome::QueryError;

/// The commit that this was built from, where whoever built it says so.
const COMMIT: Option<&str> = option_env!("DOWNLINK_COMMIT");

const OPEN_METRICS: HeaderValue =
    HeaderValue::from_static("application/openmetrics-text; version=1.0.0; charset=utf-8");
const PLAIN: HeaderValue = HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");

/// How a figure is read that others keep.
pub type Reader = fn() -> u64;

/// All figures, to be read when somebody asks.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    lost_log_lines: Arc<OnceLock<Reader>>,
}

impl Metrics {
    /// Those of this fleet and of these places.
    #[must_use]
    pub fn new(
        fleet: Arc<FleetMetrics>,
        feed: Feed,
        figures: Arc<Figures>,
        bodies_held: Arc<BytesHeld>,
        answers_held: Arc<BytesHeld>,
    ) -> Self {
        let lost_log_lines = Arc::<OnceLock<Reader>>::default();
        let mut registry = Registry::default();
        registry.register_collector(Box::new(FleetCollector(fleet)));
        registry.register_collector(Box::new(HttpCollector {
            feed,
            figures,
            bodies_held,
            answers_held,
            lost_log_lines: lost_log_lines.clone(),
        }));
        Self { registry, lost_log_lines }
    }

    /// Where the lines are counted that the log lost. Of several the first.
    pub fn follow_log(&self, lost_lines: Reader) {
        let _ = self.lost_log_lines.set(lost_lines);
    }

    fn encode(&self, format: Format) -> String {
        let mut encoded = String::new();
        let result = match format {
            Format::OpenMetrics => text::encode(&mut encoded, &self.registry),
            Format::Plain => prometheus_text::encode(&mut encoded, &self.registry),
        };
        result.expect("a text takes whatever is written to it");
        encoded
    }
}

/// All figures, in the format that the client likes best.
///
/// # Errors
/// 400 for any parameter; 503 when the service is just stopping, or no thread was free
/// by the deadline.
pub async fn get(
    metrics: Arc<Metrics>,
    headers: HeaderMap,
    parameters: &str,
    deadline: Instant,
) -> Result<Response, Problem> {
    no_parameters(parameters)?;
    let format = Format::preferred(&headers);
    // Some of it is asked of the system.
    let encoding = spawn_blocking(move || metrics.encode(format));
    let encoded = timeout_at(deadline, encoding).await.map_err(|_| QueryError::NotMade)?;
    let encoded = encoded.map_err(|_| QueryError::Stopping)?;
    let mut response = Response::new(encoded.into());
    response.headers_mut().insert(CONTENT_TYPE, format.media_type());
    response.headers_mut().insert(VARY, HeaderValue::from_static("accept"));
    Ok(response)
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Format {
    OpenMetrics,
    Plain,
}

impl Format {
    /// OpenMetrics for those who name it and like nothing better. Whoever takes
    /// neither gets the plain format all the same.
    fn preferred(headers: &HeaderMap) -> Self {
        let (mut open, mut plain) = (0, 0);
        for value in headers.get_all(ACCEPT) {
            for range in parts(value.as_bytes(), b',') {
                let mut parts = parts(range, b';');
                let name = parts.next().expect("a list has a part").to_ascii_lowercase();
                let best = match &*name {
                    b"application/openmetrics-text" => &mut open,
                    b"text/plain" | b"text/*" | b"*/*" => &mut plain,
                    _ => continue,
                };
                *best = weight(parts).max(*best);
            }
        }
        if open > 0 && open >= plain { Self::OpenMetrics } else { Self::Plain }
    }

    fn media_type(self) -> HeaderValue {
        match self {
            Self::OpenMetrics => OPEN_METRICS,
            Self::Plain => PLAIN,
        }
    }
}

/// Writes what HTTP counts, and what is known of the process.
#[derive(Debug)]
struct HttpCollector {
    feed: Feed,
    figures: Arc<Figures>,
    bodies_held: Arc<BytesHeld>,
    answers_held: Arc<BytesHeld>,
    lost_log_lines: Arc<OnceLock<Reader>>,
}

impl HttpCollector {
    fn requests(&self, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let read: Vec<_> = self.figures.requests.read().collect();
        let sample = |it: &Answered| it.durations.clone();
        let samples: Vec<_> = read
            .iter()
            .map(|it| {
                let labels = [("route", it.route), ("method", it.method), ("status", &*it.status)];
                (labels, sample(it))
            })
            .collect();
        let help = "Time from a request's head to the head of its answer, by route";
        let scale = Scale { bounds: &BOUNDS, units: 1e9 };
        histograms(encoder, "downlink_http_request_duration_seconds", help, scale, &samples)
    }

    fn pages(&self, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let PageCounts { asked, joined, kept } = &self.figures.pages;
        let pages = [("asked", asked), ("joined", joined), ("kept", kept)];
        let pages = pages.map(|(source, count)| ([("source", source)], count.get()));
        let help = "Pages of listings, by whether the fleet was asked, was asked for another \
                    request, or was not";
        counters(encoder, "downlink_listing_pages", help, &pages)
    }

    fn connections(&self, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let sides = [("main", &self.figures.main), ("admin", &self.figures.admin)];
        let of = |read: fn(&ServerFigures) -> u64| {
            sides.map(|(side, figures)| ([("side", side)], read(figures)))
        };
        let open = of(|it| it.connections.open.get());
        let open = open.map(|(labels, count)| (labels, count as f64));
        let help = "Connections that are served now, by side";
        gauges(encoder, "downlink_http_connections", help, &open)?;
        let help = "Connections that came in, by side";
        let accepted = of(|it| it.connections.accepted.get());
        counters(encoder, "downlink_http_connections_accepted", help, &accepted)?;
        let refused = sides.into_iter().flat_map(|(side, figures)| {
            let counts = &figures.connections;
            let of = |reason, count| ([("side", side), ("reason", reason)], count);
            [of("no_place", counts.no_place.get()), of("of_one_client", counts.of_one_client.get())]
        });
        let help = "Connections that were turned away, by side and reason";
        let refused: Vec<_> = refused.collect();
        counters(encoder, "downlink_http_connections_refused", help, &refused)?;
        let held = [("request", &self.bodies_held), ("answer", &self.answers_held)];
        let held = held.map(|(what, held)| ([("what", what)], held.held() as f64));
        let help = "Bytes of requests that are not all there, and of answers that are not read yet";
        gauges(encoder, "downlink_http_held_bytes", help, &held)
    }
}

fn events(encoder: &mut DescriptorEncoder<'_>, feed: &Feed) -> fmt::Result {
    let help = "Subscribers of GET /events";
    gauge(encoder, "downlink_events_subscribers", help, feed.subscribers() as f64)?;
    let figures = feed.figures();
    let help = "Events about rockets that were sent, to each subscriber";
    counter(encoder, "downlink_events_sent", help, figures.sent.get() as f64)?;
    let resets = [
        ([("reason", "not_kept")], figures.reset_at_once.get()),
        ([("reason", "too_slow")], figures.reset_later.get()),
    ];
    let help = "Subscribers that were told to list again, by reason";
    counters(encoder, "downlink_events_reset", help, &resets)?;
    let help = "Requests to subscribe for which there was no place";
    counter(encoder, "downlink_events_refused", help, figures.refused.get() as f64)
}

/// What has a name that all scrapers know.
fn process(encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
    let Some(process) = process::read() else { return Ok(()) };
    let help = "Time of processors that the process has used";
    counter(encoder, "process_cpu_seconds", help, process.cpu_seconds)?;
    let help = "When the process started, in seconds since 1970";
    gauge(encoder, "process_start_time_seconds", help, process.start_time_seconds)?;
    let help = "Memory that the process has";
    gauge(encoder, "process_resident_memory_bytes", help, process.resident_bytes)?;
    let help = "Memory that the process may come to have";
    gauge(encoder, "process_virtual_memory_bytes", help, process.virtual_bytes)?;
    gauge(encoder, "process_threads", "Threads of the process", process.threads)?;
    gauge(encoder, "process_open_fds", "Files and sockets that are open", process.open_fds)?;
    let Some(max_fds) = process.max_fds else { return Ok(()) };
    let help = "Files and sockets that may be open";
    gauge(encoder, "process_max_fds", help, max_fds)
}

impl Collector for HttpCollector {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let encoder = &mut encoder;
        self.requests(encoder)?;
        self.pages(encoder)?;
        self.connections(encoder)?;
        events(encoder, &self.feed)?;
        let build =
            [("version", env!("CARGO_PKG_VERSION")), ("commit", COMMIT.unwrap_or("unknown"))];
        gauges(encoder, "downlink_build_info", "What this is; always 1", &[(build, 1.0)])?;
        if let Some(lost) = self.lost_log_lines.get() {
            let help = "Log lines that nobody could read: too many waited, or they failed";
            counter(encoder, "downlink_log_lines_lost", help, lost() as f64)?;
        }
        process(encoder)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn open_metrics_go_to_those_who_like_them_best() {
        let prometheus = "application/openmetrics-text;version=1.0.0;q=0.5,\
                          application/openmetrics-text;version=0.0.1;q=0.4,\
                          text/plain;version=0.0.4;q=0.3,*/*;q=0.2";
        for (accept, expected) in [
            (prometheus, Format::OpenMetrics),
            ("application/openmetrics-text", Format::OpenMetrics),
            ("Application/OpenMetrics-Text;q=0.4, text/plain", Format::Plain),
            ("application/openmetrics-text;q=0", Format::Plain),
            ("*/*", Format::Plain),
            ("application/json", Format::Plain),
        ] {
            let headers = [(ACCEPT, HeaderValue::from_static(accept))].into_iter().collect();
            assert_eq!(Format::preferred(&headers), expected, "{accept}");
        }
        assert_eq!(Format::preferred(&HeaderMap::new()), Format::Plain);
    }
}
