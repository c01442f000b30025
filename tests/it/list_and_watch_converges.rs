//! Who lists and watches, as API.md has it, ends with the fleet that `GET /rockets`
//! shows, whatever is cut off in between.

use std::collections::BTreeMap;
use std::net::{Shutdown, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use proptest::prelude::*;
use serde_json::Value;

use crate::support::events::Subscriber;
use crate::support::http::send;
use crate::support::messages::{change_mission, explode, launch, speed_up};
use crate::support::{Connection, Request, Service, eventually};

type Table = BTreeMap<String, Value>;

/// A client that does what API.md says.
struct Watcher {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

struct Shared {
    address: std::net::SocketAddr,
    filter: &'static str,
    table: Mutex<Table>,
    /// The connection of now, to cut it.
    connection: Mutex<Option<TcpStream>>,
    /// Whether it reads on from the last event, and does not begin anew.
    reads_on: AtomicBool,
    ended: AtomicBool,
}

impl Watcher {
    fn start(service: &Service, filter: &'static str) -> Self {
        let shared = Arc::new(Shared {
            address: service.address,
            filter,
            table: Mutex::default(),
            connection: Mutex::default(),
            reads_on: AtomicBool::new(true),
            ended: AtomicBool::new(false),
        });
        let of_thread = shared.clone();
        Self { shared, thread: Some(std::thread::spawn(move || of_thread.watch())) }
    }

    fn cut(&self, reads_on: bool) {
        self.shared.reads_on.store(reads_on, Ordering::SeqCst);
        if let Some(connection) = &*self.shared.connection.lock().unwrap() {
            let _ = connection.shutdown(Shutdown::Both);
        }
    }

    fn has(&self, expected: &Table) -> bool {
        *self.shared.table.lock().unwrap() == *expected
    }
}

impl Drop for Watcher {
    fn drop(&mut self) {
        self.shared.ended.store(true, Ordering::SeqCst);
        self.cut(false);
        let ended = self.thread.take().unwrap().join();
        assert!(ended.is_ok() || std::thread::panicking());
    }
}

impl Shared {
    fn watch(&self) {
        let mut last: Option<String> = None;
        while !self.ended.load(Ordering::SeqCst) {
            let mut request = Request::get(&format!("/events?{}", self.filter));
            let from = last.take().filter(|_| self.reads_on.load(Ordering::SeqCst));
            if let Some(id) = &from {
                request = request.header("last-event-id", id);
            }
            let connection = Connection::open(self.address);
            *self.connection.lock().unwrap() = Some(connection.get_ref().try_clone().unwrap());
            if self.ended.load(Ordering::SeqCst) {
                return;
            }
            let Some(mut subscriber) = Subscriber::try_with(connection, &request) else { continue };
            while let Some(event) = subscriber.next_of_all() {
                match &*event.name {
                    "hello" if from.is_none() => self.list(),
                    "reset" => self.list(),
                    "rocket" | "explosion" => self.put(event.data),
                    "forgotten" => {
                        self.table.lock().unwrap().remove(event.data["id"].as_str().unwrap());
                    }
                    _ => {}
                }
            }
            last = subscriber.last_id;
        }
    }

    fn list(&self) {
        // A listing takes one ID.
        let filter = if self.filter.contains('&') { "" } else { self.filter };
        let target = format!("/rockets?{filter}");
        let rockets = send(self.address, &Request::get(&target)).json();
        // What is not there any more has to go.
        self.table.lock().unwrap().clear();
        rockets.as_array().unwrap().iter().for_each(|rocket| self.put(rocket.clone()));
    }

    fn put(&self, mut rocket: Value) {
        let version = |rocket: &Value| {
            let of = |name: &str| rocket[name].as_u64().unwrap();
            of("last_message_number") + of("buffered_messages")
        };
        if let Some(told) = rocket.as_object_mut().unwrap().remove("version") {
            assert_eq!(told, version(&rocket), "{rocket}");
        }
        let mut table = self.table.lock().unwrap();
        let id = rocket["id"].as_str().unwrap().to_owned();
        if table.get(&id).is_some_and(|older| version(older) > version(&rocket)) {
            return;
        }
        let matches = match self.filter.split_once('=') {
            Some(("mission", mission)) => rocket["mission"] == mission,
            Some(("status", status)) => rocket["status"] == status,
            Some(("id_prefix", prefix)) => id.starts_with(prefix),
            Some(("waiting", waiting)) => (rocket["buffered_messages"] != 0) == (waiting == "true"),
            Some(("id", _)) => self.filter.split('&').any(|part| part[3..] == id),
            _ => true,
        };
        if matches {
            table.insert(id, rocket);
        } else {
            table.remove(&id);
        }
    }
}

const FILTERS: [&str; 7] = [
    "",
    "mission=ARTEMIS",
    "status=Launched",
    "id=a&id=c",
    "id_prefix=b",
    "waiting=true",
    "waiting=false",
];

#[derive(Clone, Debug)]
enum Step {
    /// Of which rocket, the how many-th next number, what.
    Post(usize, u64, u8),
    Skip(usize),
    /// What comes of it then begins anew.
    Forget(usize),
    /// Whose connection, and whether it reads on.
    Cut(usize, bool),
    /// Everybody has what there is.
    Converge,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        12 => (0..4usize, 0..3u64, 0..5u8).prop_map(|(rocket, ahead, what)| Step::Post(rocket, ahead, what)),
        1 => (0..4usize).prop_map(Step::Skip),
        2 => (0..4usize).prop_map(Step::Forget),
        3 => (0..FILTERS.len(), any::<bool>()).prop_map(|(who, reads_on)| Step::Cut(who, reads_on)),
        1 => Just(Step::Converge),
    ]
}

fn expected(service: &Service, filter: &str) -> Table {
    // The listing takes one ID.
    let rockets =
        service.read(&format!("/rockets?{}", if filter.contains('&') { "" } else { filter }));
    let rockets = rockets.as_array().unwrap().iter();
    let rockets = rockets.map(|rocket| (rocket["id"].as_str().unwrap().to_owned(), rocket.clone()));
    let named = |id: &str| !filter.contains('&') || filter.split('&').any(|part| part[3..] == *id);
    rockets.filter(|(id, _)| named(id)).collect()
}

fn converge(service: &Service, watchers: &[Watcher]) {
    for (watcher, filter) in watchers.iter().zip(FILTERS) {
        let expected = expected(service, filter);
        eventually("who listed and watched has what there is", || watcher.has(&expected));
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, ..ProptestConfig::default() })]

    #[test]
    fn after_any_cuts(steps in prop::collection::vec(step(), 1..60)) {
        let service = Service::start();
        let watchers = FILTERS.map(|filter| Watcher::start(&service, filter));
        let mut next = [1u64; 4];
        for step in steps {
            match step {
                Step::Post(rocket, ahead, what) => {
                    let (id, number) = (["a", "b", "c", "d"][rocket], next[rocket] + ahead);
                    next[rocket] += u64::from(ahead == 0);
                    service.post(&[match what {
                        _ if number == 1 => launch(id),
                        0 => explode(id, number, "X"),
                        1 => change_mission(id, number, "APOLLO"),
                        2 => change_mission(id, number, "ARTEMIS"),
                        _ => speed_up(id, number, 1),
                    }]);
                }
                Step::Skip(rocket) => {
                    let target = format!("/gaps/{}/skip", ["a", "b", "c", "d"][rocket]);
                    service.send(&Request::new("POST", &target));
                }
                Step::Forget(rocket) => {
                    next[rocket] = 1;
                    let target = format!("/rockets/{}", ["a", "b", "c", "d"][rocket]);
                    service.send(&Request::new("DELETE", &target));
                }
                Step::Cut(who, reads_on) => watchers[who].cut(reads_on),
                Step::Converge => converge(&service, &watchers),
            }
        }
        converge(&service, &watchers);
    }
}
