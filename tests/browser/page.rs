//! The page as a test leads it: what it shows, keys and clicks, and what must hold of
//! every visit.

use std::future::Future;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use fantoccini::Locator;
use fantoccini::actions::{InputSource, KeyAction, KeyActions};
use serde_json::{Value, json};

use crate::driver::Browser;
use crate::support::PATIENCE;
use crate::support::http::{Request, send};

/// What a visit may leave in the console.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Allowed {
    Nothing,
    /// Chromium's own lines about answers that are errors and connections that fail.
    FailedRequests,
}

pub struct Page {
    pub browser: Browser,
    origin: String,
}

/// Runs a visit: the driver's client wants a runtime.
pub fn visit(test: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.unwrap().block_on(test);
}

/// Has each of these messages taken.
#[track_caller]
pub fn post(address: SocketAddr, messages: &[Value]) {
    let lines: String = messages.iter().map(|message| format!("{message}\n")).collect();
    let request = Request::post(lines).header("content-type", "application/x-ndjson");
    let answer = send(address, &request);
    assert_eq!(answer.json()["status"], "success", "{}", answer.text());
}

impl Page {
    pub async fn open(address: SocketAddr) -> Self {
        Self::open_at(&format!("http://{address}"), "/", &[]).await
    }

    pub async fn open_at(origin: &str, path: &str, switches: &[&str]) -> Self {
        let browser = Browser::start(switches).await;
        browser.client.goto(&format!("{origin}{path}")).await.unwrap();
        Self { browser, origin: origin.to_owned() }
    }

    pub async fn is_live(&self) {
        self.until("it is live", "document.documentElement.dataset.connection === 'live'").await;
    }

    /// The value of an expression.
    pub async fn eval(&self, expression: &str) -> Value {
        let script = format!("return ({expression});");
        let result = self.browser.client.execute(&script, Vec::new()).await;
        result.unwrap_or_else(|error| panic!("{expression}: {error}"))
    }

    /// What a script that awaits returns.
    pub async fn eval_async(&self, body: &str) -> Value {
        let script = format!(
            "const done = arguments[arguments.length - 1]; \
             (async () => {{ {body} }})().then(done, (error) => done({{ error: String(error) }}));"
        );
        let result = self.browser.client.execute_async(&script, Vec::new()).await;
        result.unwrap_or_else(|error| panic!("{body}: {error}"))
    }

    /// Waits until an expression holds.
    pub async fn until(&self, what: &str, expression: &str) {
        let start = Instant::now();
        let script = format!("return Boolean({expression});");
        loop {
            match self.browser.client.execute(&script, Vec::new()).await {
                Ok(Value::Bool(true)) => return,
                // A page that is just loading has not everything yet, which is an error.
                _ if start.elapsed() < PATIENCE => {}
                result => {
                    let body = self
                        .browser
                        .client
                        .execute("return document.body.innerText;", vec![])
                        .await;
                    let console = self.browser.log("browser");
                    panic!("never happened: {what} ({result:?})\n{body:?}\n{console:?}");
                }
            }
            tokio::time::sleep(Duration::from_millis(30)).await;
        }
    }

    /// Waits until the text of an element is this.
    pub async fn shows(&self, selector: &str, text: &str) {
        let (selector, text) = (json!(selector), json!(text));
        let what = format!("{selector} shows {text}");
        self.until(
            &what,
            &format!("document.querySelector({selector})?.textContent.trim() === {text}"),
        )
        .await;
    }

    /// Waits until the text of an element has this.
    pub async fn says(&self, selector: &str, text: &str) {
        let (selector, text) = (json!(selector), json!(text));
        let what = format!("{selector} says {text}");
        self.until(
            &what,
            &format!("document.querySelector({selector})?.textContent.includes({text})"),
        )
        .await;
    }

    /// Waits until the table has these rockets in this order, and no others.
    pub async fn lists(&self, ids: &[&str]) {
        let expected = json!(ids).to_string();
        let shown = "JSON.stringify([...document.querySelectorAll('#rows tr th a')].map((it) => it.textContent))";
        self.until(&format!("the table has {ids:?}"), &format!("{shown} === {}", json!(expected)))
            .await;
    }

    pub async fn click(&self, selector: &str) {
        let element = self.browser.client.find(Locator::Css(selector)).await;
        let element = element.unwrap_or_else(|error| panic!("{selector}: {error}"));
        element.click().await.unwrap_or_else(|error| panic!("{selector}: {error}"));
    }

    pub async fn choose(&self, selector: &str, value: &str) {
        let element = self.browser.client.find(Locator::Css(selector)).await.unwrap();
        element.select_by_value(value).await.unwrap();
    }

    pub async fn write(&self, selector: &str, text: &str) {
        let element = self.browser.client.find(Locator::Css(selector)).await.unwrap();
        element.clear().await.unwrap();
        element.send_keys(text).await.unwrap();
    }

    /// Presses keys where the focus is.
    pub async fn press(&self, keys: &str) {
        let actions =
            keys.chars().fold(KeyActions::new("keyboard".to_owned()), |actions, value| {
                actions.then(KeyAction::Down { value }).then(KeyAction::Up { value })
            });
        self.browser.client.perform_actions(actions).await.unwrap();
    }

    /// Looks at what must hold of every visit.
    pub fn finish(self, allowed: Allowed) {
        for entry in self.browser.log("browser") {
            let is_failed_request = entry["source"] == "network";
            let may_be = allowed == Allowed::FailedRequests && is_failed_request;
            assert!(may_be, "the console says: {entry}");
        }
        let mut requests = 0;
        for entry in self.browser.log("performance") {
            let message: Value = serde_json::from_str(entry["message"].as_str().unwrap()).unwrap();
            if message["message"]["method"] != "Network.requestWillBeSent" {
                continue;
            }
            let url = message["message"]["params"]["request"]["url"].as_str().unwrap();
            let is_ours = url.strip_prefix(&self.origin).is_some_and(|rest| rest.starts_with('/'));
            // What Chromium itself shows before and instead of a page.
            let is_own = ["data:", "about:", "chrome"].iter().any(|scheme| url.starts_with(scheme));
            assert!(is_ours || is_own, "a request leads to {url}");
            requests += usize::from(is_ours);
        }
        assert!(requests > 10, "only {requests} requests were seen");
    }
}
