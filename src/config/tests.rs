//! The defaults, what follows from what, and what is refused.

use super::*;

fn parse(arguments: &[&str]) -> Result<Config, clap::Error> {
    Config::parse(std::iter::once(&"downlink").chain(arguments))
}

#[test]
fn the_defaults_are_those_of_the_contract() {
    let config = parse(&[]).unwrap();
    assert_eq!(config.listen, [address("127.0.0.1:8088").unwrap()]);
    let cores = std::thread::available_parallelism().unwrap().get();
    assert_eq!(config.workers, cores);
    assert_eq!(config.threads, cores.max(2) - 1);
    assert_eq!(config.data_dir, PathBuf::from("./data"));
    assert_eq!(config.durability, Durability::Fsync);
    assert_eq!(config.commit_delay, Duration::from_micros(500));
    assert_eq!(config.limits.buffered_per_rocket, 10_000);
    assert_eq!((config.limits.buffered, config.limits.rockets), (10_000_000, 10_000_000));
    assert_eq!(config.http.max_body, 64 * 1024);
    assert_eq!(config.shutdown_timeout, Duration::from_secs(10));
}

#[test]
fn a_memory_limit_stands_for_what_is_not_given() {
    let limited = |more: &[&str]| {
        let line = [&["--memory-limit", "64MiB"], more].concat();
        let Config { limits, http, .. } = parse(&line).unwrap();
        (limits.rockets, limits.buffered, http.max_body_bytes_held, http.max_answer_bytes_held)
    };
    let held = 2 << 20;
    assert_eq!(limited(&[]), (10_034, 13_530, held, held));
    let given = ["--max-rockets=1", "--max-body-bytes-held=7MiB", "--max-answer-bytes-held=2"];
    assert_eq!(limited(&given), (1, 13_530, 7 << 20, 2));
}

#[test]
fn bad_values_are_refused_by_name() {
    for (arguments, name) in [
        (["--listen", "nowhere"], "--listen"),
        (["--workers", "0"], "--workers"),
        (["--workers", "many"], "--workers"),
        (["--threads", "0"], "--threads"),
        (["--durability", "eternal"], "--durability"),
        (["--max-body", "0"], "--max-body"),
        (["--max-buffered-per-rocket", "0"], "--max-buffered-per-rocket"),
        (["--max-buffered-per-rocket", "50001"], "1 to 50000"),
        (["--memory-limit", "63MiB"], "64MiB"),
        (["--log-format", "xml"], "--log-format"),
        (["--log", "a=b=c"], "--log"),
        (["--log", "verbose"], "--log"),
        (["--workers", "99999999"], "--workers"),
        (["--warp-speed", "9"], "--warp-speed"),
    ] {
        let error = parse(&arguments).unwrap_err();
        assert!(error.to_string().contains(name), "{error}");
        assert_eq!(error.exit_code(), 2);
    }
}
