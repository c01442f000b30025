//! The command line: what is refused, with one line and exit code 2, and what
//! is answered without launching anything.

use super::stub::{Stub, rockets};

#[test]
fn bad_arguments_exit_2_with_one_clear_line() {
    let url = "http://127.0.0.1:9/messages";
    let cases: [(&[&str], &str); 23] = [
        (&["launch"], "<URL>"),
        (&["lunch"], "lunch"),
        (&["launch", "localhost:8088"], "http://"),
        (&["launch", "https://localhost:8088/messages"], "--ca-file"),
        (&["launch", "https://localhost:8088/messages", "--ca-file=gone.pem"], "gone.pem"),
        (&["launch", url, "--ca-file=gone.pem"], "https"),
        (&["launch", url, "--nope"], "--nope"),
        (&["launch", url, "--token-file=/missing"], "--token-file"),
        (&["launch", url, "--read-token-file=/dev/null"], "no token"),
        (&["launch", url, "--message-delay=fast"], "500ms"),
        (&["launch", url, "--message-delay=5"], "500ms"),
        (&["launch", url, "--concurrency-level=0"], "--concurrency-level"),
        (&["launch", url, "--concurrency-level=x"], "--concurrency-level"),
        (&["launch", url, "--max-messages=0"], "--max-messages"),
        (&["launch", url, "--max-messages=-1"], "--max-messages"),
        (&["launch", url, "--seed=abc"], "--seed"),
        (&["launch", url, "--rockets=0"], "--rockets"),
        (&["launch", url, "--duplicates=101%"], "5%"),
        (&["launch", url, "--shuffle=-1"], "--shuffle"),
        (&["launch", url, "--rate=0/s"], "5000/s"),
        (&["launch", url, "--rate=5", "--message-delay=1s"], "cannot be used with"),
        (&["launch", url, "--give-up-after=0s"], "--give-up-after"),
        (&["launch", url, "--log-level=loud"], "--log-level"),
    ];
    for (arguments, says) in cases {
        let run = rockets(arguments);
        assert_eq!(run.code, 2, "{arguments:?}: {}", run.err);
        assert_eq!(run.err.lines().count(), 1, "{arguments:?}: {}", run.err);
        assert!(run.err.contains(says), "{arguments:?}: {}", run.err);
        assert_eq!(run.out, "", "{arguments:?}");
    }
}

#[test]
fn help_and_the_version_come_on_standard_output() {
    for arguments in [["help"], ["--help"], ["-h"]] {
        let run = rockets(&arguments);
        assert_eq!(run.code, 0);
        assert!(run.out.contains("launch"), "{}", run.out);
    }
    for arguments in [["version"], ["--version"]] {
        let run = rockets(&arguments);
        assert_eq!(run.code, 0);
        assert_eq!(run.out.trim(), concat!("rockets ", env!("CARGO_PKG_VERSION")));
    }
    let help = rockets(&["launch", "--help"]).out;
    for default in ["[default: 3]", "[default: 100000]", "[default: 444]"] {
        assert!(help.contains(default), "{default} in {help}");
    }
    assert_eq!(rockets(&[]).code, 2);
}

#[test]
fn the_flags_of_the_challenge_are_accepted_in_both_spellings() {
    let stub = Stub::accepting();
    let arguments = "--message-delay=1ms --concurrency-level 1 --max-messages=5 --seed 7 \
                     --log-level=debug";
    let arguments: Vec<&str> = arguments.split_whitespace().collect();
    let run = stub.launch(&arguments);
    assert_eq!(run.code, 0, "{}", run.err);
    assert_eq!(stub.seen().len(), 5);
}

#[test]
fn localhost_is_found_at_whatever_address_answers() {
    let stub = Stub::accepting();
    let url = format!("http://localhost:{}/messages", stub.address.port());
    let run = rockets(&["launch", &url, "--max-messages=5"]);
    assert_eq!(run.code, 0, "{}", run.err);
    assert_eq!(stub.seen()[0].headers["host"], url[7..].trim_end_matches("/messages"));
}
