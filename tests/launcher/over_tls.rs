//! An `https://` URL: against the service, and against one that nobody vouches for.

use super::service::Service;
use super::stub::rockets;

/// A service with a certificate that vouches for itself.
struct Certified {
    service: Service,
    directory: tempfile::TempDir,
}

impl Certified {
    fn start() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        let path = |name| directory.path().join(name);
        std::fs::write(path("cert.pem"), made.cert.pem()).unwrap();
        std::fs::write(path("key.pem"), made.signing_key.serialize_pem()).unwrap();
        let service = Service::start_with(&[
            format!("--tls-cert={}", path("cert.pem").display()),
            format!("--tls-key={}", path("key.pem").display()),
        ]);
        Self { service, directory }
    }

    fn ca_file(&self) -> String {
        format!("--ca-file={}", self.directory.path().join("cert.pem").display())
    }
}

#[test]
fn a_run_over_tls_is_verified() {
    let certified = Certified::start();
    let url = format!("https://localhost:{}/messages", certified.service.port);
    let flags = ["--max-messages=2000", "--duplicates=5%", "--shuffle=50", "--verify"];
    let run = rockets(&[&["launch", &url, &certified.ca_file()], &flags[..]].concat());
    assert_eq!(run.code, 0, "{}{}", run.out, run.err);
    assert!(run.out.contains("passed: 20 rockets compared, 0 differences"), "{}", run.out);
}

#[test]
fn nobody_is_trusted_but_whom_the_file_names() {
    let (one, other) = (Certified::start(), Certified::start());
    let quick = ["--max-messages=1", "--give-up-after=3s"];
    for (host, ca_file, says) in [
        ("localhost", other.ca_file(), "invalid peer certificate"),
        ("127.0.0.1", one.ca_file(), "not valid for name"),
    ] {
        let url = format!("https://{host}:{}/messages", one.service.port);
        let run = rockets(&[&["launch", &url, &ca_file], &quick[..]].concat());
        assert_eq!(run.code, 1, "{host}: {}{}", run.out, run.err);
        assert!(run.out.contains("0 acknowledged") && run.out.contains(says), "{}", run.out);
    }
}
