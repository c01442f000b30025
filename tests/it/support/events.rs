//! A reader of `GET /events`, in either form.

use serde_json::Value;

use super::Service;
use super::http::{Connection, Request, Response};

/// One event.
#[derive(Clone, Debug, PartialEq)]
pub struct Event {
    pub name: String,
    pub id: Option<String>,
    pub data: Value,
}

/// Who reads events one by one.
pub struct Subscriber {
    pub connection: Connection,
    pub head: Response,
    lines: bool,
    /// What came and was not read yet.
    text: String,
    /// The last one that came.
    pub last_id: Option<String>,
}

impl Subscriber {
    /// Server-sent events from `target`; must be answered with 200, and has
    /// not read `hello` yet.
    #[track_caller]
    pub fn open(service: &Service, target: &str) -> Self {
        Self::with(service.connect(), &Request::get(target))
    }

    #[track_caller]
    pub fn with(connection: Connection, request: &Request) -> Self {
        Self::try_with(connection, request).expect("an answer")
    }

    /// As [`Subscriber::with`], but the connection may be cut.
    #[track_caller]
    pub fn try_with(mut connection: Connection, request: &Request) -> Option<Self> {
        connection.try_send(&request.to_bytes()).ok()?;
        let head = connection.receive_head().ok()?;
        assert_eq!(head.status, 200, "{head:?}");
        let lines = head.header("content-type") == Some("application/x-ndjson");
        Some(Self { connection, head, lines, text: String::new(), last_id: None })
    }

    /// The next event but `stats`; none after the end.
    pub fn next(&mut self) -> Option<Event> {
        loop {
            let event = self.next_of_all()?;
            if event.name != "stats" {
                return Some(event);
            }
        }
    }

    /// The next event.
    pub fn next_of_all(&mut self) -> Option<Event> {
        let end = if self.lines { "\n" } else { "\n\n" };
        loop {
            if let Some((event, rest)) = self.text.split_once(end) {
                let event = if self.lines { line(event) } else { block(event) };
                self.text = rest.to_owned();
                self.last_id = event.id.clone().or_else(|| self.last_id.take());
                return Some(event);
            }
            let chunk = self.connection.receive_chunk().ok().flatten()?;
            self.text.push_str(std::str::from_utf8(&chunk).unwrap());
        }
    }

    /// The next event, which must be of this name; its data.
    #[track_caller]
    pub fn expect(&mut self, name: &str) -> Value {
        let event = self.next().expect("the stream goes on");
        assert_eq!(event.name, name, "{event:?}");
        event.data
    }

    /// Events until one of which this holds, which is the last one.
    #[track_caller]
    pub fn until(&mut self, holds: impl Fn(&Event) -> bool) -> Vec<Event> {
        let mut events = Vec::new();
        loop {
            events.push(self.next().unwrap_or_else(|| panic!("it ended after {events:?}")));
            if holds(events.last().unwrap()) {
                return events;
            }
        }
    }
}

/// Of `{"event":…,"id":…,"data":…}`.
fn line(text: &str) -> Event {
    let value: Value = serde_json::from_str(text).unwrap();
    let id = value.get("id").map(|id| id.as_str().unwrap().to_owned());
    Event { name: value["event"].as_str().unwrap().to_owned(), id, data: value["data"].clone() }
}

/// Of lines that each have a field.
fn block(text: &str) -> Event {
    let mut event = Event { name: String::new(), id: None, data: Value::Null };
    for line in text.lines() {
        match line.split_once(": ").unwrap() {
            ("event", name) => event.name = name.to_owned(),
            ("id", id) => event.id = Some(id.to_owned()),
            ("data", data) => event.data = serde_json::from_str(data).unwrap(),
            ("retry", time) => assert!((1000..3000).contains(&time.parse().unwrap()), "{time}"),
            other => panic!("{other:?}"),
        }
    }
    event
}
