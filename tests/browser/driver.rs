//! Headless Chromium and its driver, both of this test alone. Does not own the page
//! (`page`).

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};

use fantoccini::wd::Capabilities;
use fantoccini::{Client, ClientBuilder};
use hyper_util::client::legacy::connect::HttpConnector;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::http::{Connection, Request};

/// No sandbox, since tests may run as root; and nothing that looks for hosts which
/// are not there.
const SWITCHES: [&str; 9] = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
];

pub struct Browser {
    driver: Child,
    address: SocketAddr,
    session: String,
    pub client: Client,
    profile: TempDir,
}

/// The driver, and the port that it says it has; none if it ends without one.
fn start_driver() -> Option<(Child, u16)> {
    let mut driver = Command::new("chromedriver")
        .args(["--port=0", "--log-level=SEVERE"])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("chromedriver is installed");
    let mut lines = BufReader::new(driver.stdout.take().unwrap()).lines();
    let port = lines.find_map(|line| {
        line.ok()?.split_once("successfully on port ")?.1.trim_end_matches('.').parse().ok()
    });
    let Some(port) = port else {
        driver.wait().unwrap();
        return None;
    };
    std::thread::spawn(move || lines.for_each(drop));
    Some((driver, port))
}

impl Browser {
    /// With more switches, if any.
    pub async fn start(switches: &[&str]) -> Self {
        // It ends if somebody else takes the port that it chose.
        let (driver, port) =
            (0..10).find_map(|_| start_driver()).expect("the driver says its port");
        let profile = tempfile::tempdir().unwrap();
        let mut arguments: Vec<String> =
            SWITCHES.iter().chain(switches).map(ToString::to_string).collect();
        arguments.push(format!("--user-data-dir={}", profile.path().display()));
        arguments.push("--window-size=1440,1000".to_owned());
        let capabilities = json!({
            "browserName": "chrome",
            "goog:loggingPrefs": {"browser": "ALL", "performance": "ALL"},
            "goog:chromeOptions": {"args": arguments},
        });
        let capabilities: Capabilities = serde_json::from_value(capabilities).unwrap();
        let client = ClientBuilder::new(HttpConnector::new())
            .capabilities(capabilities)
            .connect(&format!("http://127.0.0.1:{port}"))
            .await
            .expect("Chromium starts");
        let session = client.session_id().await.unwrap().unwrap();
        Self { driver, address: SocketAddr::from(([127, 0, 0, 1], port)), session, client, profile }
    }

    /// A command that is Chromium's own.
    pub fn command(&self, path: &str, body: &Value) -> Value {
        let body = body.to_string();
        let head = format!(
            "POST /session/{}/{path} HTTP/1.1\r\nhost: localhost\r\n\
             content-type: application/json\r\ncontent-length: {}\r\n\r\n",
            self.session,
            body.len()
        );
        let mut connection = Connection::open(self.address);
        connection.send(format!("{head}{body}").as_bytes());
        let answer = connection.receive();
        assert_eq!(answer.status, 200, "{path}: {}", answer.text());
        answer.json()["value"].clone()
    }

    /// What has been logged since it was asked for the last time.
    pub fn log(&self, kind: &str) -> Vec<Value> {
        let entries = self.command("se/log", &json!({"type": kind}));
        entries.as_array().unwrap().clone()
    }

    pub fn devtools(&self, method: &str, parameters: Value) {
        self.command("goog/cdp/execute", &json!({"cmd": method, "params": parameters}));
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // Chromium ends with its driver's session, and must be gone before its
        // directory is.
        let target = format!("/session/{}", self.session);
        let end = Request::new("DELETE", &target);
        if let Ok(stream) = std::net::TcpStream::connect(self.address) {
            // It answers as drivers do, and not as the service describes itself.
            let mut connection = Connection::new(stream);
            let told = connection.try_send(&end.to_bytes());
            let _ = told.and_then(|()| connection.receive_head());
        }
        let _ = self.driver.kill();
        let _ = self.driver.wait();
    }
}
