//! Programs of others read the service's description of itself, and ask for all that
//! it describes: well, badly, and in sequences. Runs where `DOWNLINK_API_FUZZ` says how
//! many examples of each operation, by `just api-fuzz`, which installs the programs.

use std::path::Path;
use std::process::Command;

use crate::support::{Request, Service};

#[test]
fn nothing_is_answered_that_is_not_described() {
    let Ok(examples) = std::env::var("DOWNLINK_API_FUZZ") else { return };
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let tools = root.join("target/api-fuzz/bin");
    let directory = tempfile::tempdir().unwrap();
    let service = Service::start();
    let document = directory.path().join("openapi.json");
    std::fs::write(&document, service.send(&Request::get("/openapi.json")).body).unwrap();
    let run = |command: &mut Command| assert!(command.status().unwrap().success(), "{command:?}");
    run(Command::new(tools.join("openapi-spec-validator")).arg(&document));
    let address = format!("http://{}", service.address);
    let configured = root.join("tests/api-fuzz");
    run(Command::new(tools.join("schemathesis"))
        .current_dir(directory.path())
        .env("PYTHONPATH", &configured)
        .arg("--config-file")
        .arg(configured.join("schemathesis.toml"))
        .arg("run")
        .arg(&document)
        .args(["--url", &address, "--checks", "all", "--no-color"])
        .args(["--seed", "1", "--max-examples", &examples])
        // A stream, which has no end.
        .args(["--exclude-path", "/events"]));
}
