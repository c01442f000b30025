//! `--plot`: the picture of a run, whatever became of the run.

use std::time::Duration;

use super::stub::{Reply, Stub};

fn plotted(stub: &Stub, code: i32, arguments: &[&str]) -> String {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("plot.svg");
    // What stood there is gone afterwards, however long it was.
    std::fs::write(&path, "x".repeat(1 << 20)).unwrap();
    let plot = format!("--plot={}", path.display());
    let run = stub.launch(&[arguments, &[&plot]].concat());
    assert_eq!(run.code, code, "{}{}", run.out, run.err);
    let drawn = std::fs::read_to_string(path).unwrap();
    assert!(drawn.starts_with("<svg") && drawn.ends_with("</svg>\n"), "{drawn}");
    drawn
}

#[test]
fn a_run_is_drawn_with_its_latencies_and_failures() {
    let stub = Stub::answering(|n, _| match n {
        5 => Reply::Status(503, "{}"),
        _ => Reply::Hang(Duration::from_millis(3)),
    });
    let drawn = plotted(&stub, 0, &["--max-messages=300"]);
    assert!(drawn.contains("300 acknowledged in"), "{drawn}");
    assert!(drawn.contains("; 1 failed; latency from send"), "{drawn}");
    for class in ["line max", "line p999", "line p99", "line p50", "sent", "failed"] {
        let path = format!("<path class=\"{class}\" d=\"M");
        assert_eq!(drawn.matches(&path).count(), 2, "a line and its key: {class} in {drawn}");
    }
    for label in ["10 ms", "acknowledged/s", "p99.9", "0 s"] {
        assert!(drawn.contains(label), "{label} in {drawn}");
    }
}

#[test]
fn a_run_of_which_nothing_came_is_drawn_too() {
    let stub = Stub::answering(|_, _| Reply::Status(500, "{}"));
    let drawn = plotted(&stub, 1, &["--max-messages=5", "--give-up-after=300ms"]);
    assert!(drawn.contains("nothing was acknowledged"), "{drawn}");
}
