//! An `https://` URL: against the service, and against one that nobody vouches for.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

use super::stub::rockets;

/// A service in memory with a certificate that vouches for itself.
struct Service {
    child: Child,
    port: String,
    directory: tempfile::TempDir,
}

impl Service {
    fn start() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        let path = |name| directory.path().join(name);
        std::fs::write(path("cert.pem"), made.cert.pem()).unwrap();
        std::fs::write(path("key.pem"), made.signing_key.serialize_pem()).unwrap();
        let mut child = Command::new(env!("CARGO_BIN_EXE_downlink"))
            .args(["--durability=memory", "--listen=127.0.0.1:0", "--log-format=json"])
            .arg(format!("--tls-cert={}", path("cert.pem").display()))
            .arg(format!("--tls-key={}", path("key.pem").display()))
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        // Read to its end, so that nothing waits to be read.
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines().map_while(Result::ok);
        let listening = lines.find(|line| line.contains("listening")).unwrap();
        let address = listening.split("127.0.0.1:").nth(1).unwrap();
        let port = address.split('"').next().unwrap().to_owned();
        lines.find(|line| line.contains("\"ready\"")).unwrap();
        std::thread::spawn(move || lines.for_each(drop));
        Self { child, port, directory }
    }

    fn ca_file(&self) -> String {
        format!("--ca-file={}", self.directory.path().join("cert.pem").display())
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn a_run_over_tls_is_verified() {
    let service = Service::start();
    let url = format!("https://localhost:{}/messages", service.port);
    let flags = ["--max-messages=2000", "--duplicates=5%", "--shuffle=50", "--verify"];
    let run = rockets(&[&["launch", &url, &service.ca_file()], &flags[..]].concat());
    assert_eq!(run.code, 0, "{}{}", run.out, run.err);
    assert!(run.out.contains("passed: 20 rockets compared, 0 differences"), "{}", run.out);
}

#[test]
fn nobody_is_trusted_but_whom_the_file_names() {
    let (one, other) = (Service::start(), Service::start());
    let quick = ["--max-messages=1", "--give-up-after=300ms"];
    for (host, ca_file, says) in [
        ("localhost", other.ca_file(), "invalid peer certificate"),
        ("127.0.0.1", one.ca_file(), "not valid for name"),
    ] {
        let url = format!("https://{host}:{}/messages", one.port);
        let run = rockets(&[&["launch", &url, &ca_file], &quick[..]].concat());
        assert_eq!(run.code, 1, "{host}: {}{}", run.out, run.err);
        assert!(run.out.contains("0 acknowledged") && run.out.contains(says), "{}", run.out);
    }
}
