//! `rockets`: arguments in, exit code out. Everything else is
//! `downlink::launcher`.

use std::process::ExitCode;

use downlink::launcher::{self, Parsed};

fn main() -> ExitCode {
    let config = match launcher::parse_arguments(std::env::args_os()) {
        Parsed::Launch(config) => config,
        Parsed::Done => return ExitCode::SUCCESS,
        Parsed::Usage => return ExitCode::from(2),
    };
    tracing_subscriber::fmt().with_max_level(config.log_level).with_writer(std::io::stderr).init();
    match launcher::run(&config) {
        Ok(report) => report.print(),
        Err(error) => {
            eprintln!("rockets: {error}");
            ExitCode::FAILURE
        }
    }
}
