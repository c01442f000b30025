//! `docs/grafana.json` and `docs/alerts.yml`: they name figures that there are, and
//! Prometheus' own tools can read them and see each rule fire.

use std::collections::BTreeSet;
use std::io::ErrorKind;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use downlink::app::cluster::Cluster;
use downlink::config::{Config, Durability};
use downlink::fleet::cluster::peers::Policy;
use downlink::journal::sqlite::SqliteJournal;
use serde_json::Value;

use crate::support::Service;
use crate::support::messages::launch;
use crate::support::scrape::Scrape;
use crate::support::shared_log::MemoryLog;

const DASHBOARD: &str = include_str!("../../docs/grafana.json");
const ALERTS: &str = include_str!("../../docs/alerts.yml");

fn docs() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("docs")
}

/// Where it is not installed this says so.
#[track_caller]
fn promtool(directory: &Path, arguments: &[&str]) {
    let output = Command::new("promtool").current_dir(directory).args(arguments).output();
    let output = match output {
        Err(error) if error.kind() == ErrorKind::NotFound => {
            println!("skipped: there is no promtool (Debian: apt install prometheus)");
            return;
        }
        output => output.unwrap(),
    };
    let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    assert!(output.status.success(), "{said}");
}

/// All figures of a service that has each kind of them.
fn figures() -> BTreeSet<String> {
    let directory = tempfile::tempdir().unwrap();
    let change = |config: &mut Config| {
        config.durability = Durability::Fsync;
        config.data_dir = directory.path().to_owned();
    };
    let source = Box::new(SqliteJournal::fsync(directory.path(), Duration::ZERO));
    let policy = Policy { copies: 1, log_limit: 1 << 30, stride: 16 };
    let log = MemoryLog::new().handle(0).0;
    let (advertise, token) = (None, None);
    let cluster = Cluster { log, node: "a".into(), local_reads: false, policy, advertise, token };
    let service = Service::member(change, source, cluster);
    service.wait_until_ready();
    service.post(&[launch("a")]);
    let scrape = Scrape::of(&service);
    let samples = scrape.text().lines().filter(|line| !line.starts_with('#'));
    samples.map(|line| line.split(['{', ' ']).next().unwrap().to_owned()).collect()
}

/// What of a text is the name of a figure of ours.
fn named(text: &str) -> BTreeSet<String> {
    let words = text.split(|char: char| !(char.is_ascii_alphanumeric() || char == '_'));
    let is_ours = |word: &&str| {
        let rest = word.strip_prefix("downlink_").or_else(|| word.strip_prefix("process_"));
        rest.is_some_and(|rest| !rest.is_empty())
    };
    words.filter(is_ours).map(str::to_owned).collect()
}

fn dashboard() -> Value {
    serde_json::from_str(DASHBOARD).unwrap()
}

fn expressions(dashboard: &Value) -> Vec<String> {
    let panels = dashboard["panels"].as_array().unwrap();
    let targets = panels.iter().filter_map(|panel| panel["targets"].as_array()).flatten();
    targets.map(|target| target["expr"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn they_name_figures_that_there_are() {
    let there_are = figures();
    for (what, text) in [
        ("grafana.json", expressions(&dashboard()).join(" ")),
        ("alerts.yml", {
            // Words of the text are no figures.
            let lines =
                ALERTS.lines().filter(|line| !line.trim_start().starts_with("description:"));
            lines.collect::<Vec<_>>().join("\n")
        }),
    ] {
        let named = named(&text);
        assert!(named.len() > 10, "{what}: {named:?}");
        let unknown: Vec<_> = named.difference(&there_are).collect();
        assert!(unknown.is_empty(), "{what}: {unknown:?}");
    }
}

#[test]
fn every_figure_is_on_the_dashboard() {
    let shown = named(&expressions(&dashboard()).join(" "));
    // What says the same as another, or only what does not change.
    let elsewhere =
        ["process_start_time_seconds", "process_threads", "process_virtual_memory_bytes"];
    let missing: Vec<_> = figures()
        .into_iter()
        .filter(|name| {
            let family =
                ["_bucket", "_sum", "_count"].iter().find_map(|end| name.strip_suffix(end));
            let is_shown = |family: &str| shown.iter().any(|shown| shown.starts_with(family));
            !(is_shown(family.unwrap_or(name)) || elsewhere.contains(&&**name))
        })
        .collect();
    assert!(missing.is_empty(), "{missing:?}");
}

/// As far as Grafana's schema asks for it: what is missing there is not shown.
#[test]
fn the_dashboard_is_one() {
    let dashboard = dashboard();
    assert!(dashboard["schemaVersion"].as_u64().unwrap() >= 36);
    assert_eq!((&dashboard["title"], &dashboard["uid"]), (&"Downlink".into(), &"downlink".into()));
    let variables = dashboard["templating"]["list"].as_array().unwrap();
    let names: Vec<_> = variables.iter().map(|it| it["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["datasource", "instance"]);
    let (mut ids, mut taken) = (BTreeSet::new(), BTreeSet::new());
    for panel in dashboard["panels"].as_array().unwrap() {
        assert!(ids.insert(panel["id"].as_u64().unwrap()), "{panel}");
        let place = |name: &str| panel["gridPos"][name].as_u64().unwrap();
        let (x, y, w, h) = (place("x"), place("y"), place("w"), place("h"));
        assert!(w > 0 && h > 0 && x + w <= 24, "{panel}");
        for column in x..x + w {
            for line in y..y + h {
                assert!(taken.insert((column, line)), "two at one place: {panel}");
            }
        }
        let kind = panel["type"].as_str().unwrap();
        assert!(["row", "stat", "timeseries"].contains(&kind), "{panel}");
        assert!(panel["title"].is_string());
        if kind != "row" {
            assert_eq!(panel["datasource"]["uid"], "${datasource}", "{panel}");
            assert!(panel["fieldConfig"]["defaults"]["unit"].is_string(), "{panel}");
            let targets = panel["targets"].as_array().unwrap();
            let references: BTreeSet<_> =
                targets.iter().map(|target| target["refId"].as_str().unwrap()).collect();
            assert!(!targets.is_empty() && references.len() == targets.len(), "{panel}");
        }
    }
}

#[test]
fn prometheus_reads_the_rules_and_sees_each_of_them_fire() {
    promtool(&docs(), &["check", "rules", "alerts.yml"]);
    promtool(&docs(), &["test", "rules", "alerts.test.yml"]);
    // Each has a case in which it fires.
    let cases = std::fs::read_to_string(docs().join("alerts.test.yml")).unwrap();
    for alert in ALERTS.lines().filter_map(|line| line.trim().strip_prefix("- alert: ")) {
        assert!(cases.contains(&format!("{{alertname=\"{alert}\"}}")), "{alert}");
        assert!(cases.contains(&format!("alertname: {alert}}}")), "{alert}");
    }
}

#[test]
fn prometheus_reads_what_the_dashboard_asks() {
    let directory = tempfile::tempdir().unwrap();
    let rules = expressions(&dashboard()).into_iter().enumerate().map(|(at, expression)| {
        let asked = expression.replace("$__rate_interval", "5m").replace("$instance", ".*");
        serde_json::json!({"record": format!("panel:{at}"), "expr": asked})
    });
    let rules: Vec<_> = rules.collect();
    // JSON is YAML.
    let groups = serde_json::json!({"groups": [{"name": "dashboard", "rules": rules}]});
    std::fs::write(directory.path().join("rules.yml"), groups.to_string()).unwrap();
    promtool(directory.path(), &["check", "rules", "rules.yml"]);
}
