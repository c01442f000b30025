//! A link that can be cut: what stands between a node and a member, or another node, and
//! passes everything on until it is told otherwise. Threads of its own, so that whatever
//! waits in a test holds nothing up.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::Ordering;
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

use super::contract::PATIENCE;
use super::nodes::Place;

/// How often somebody who cannot write looks whether he still should.
const LOOK: Duration = Duration::from_millis(100);

/// What becomes of what is sent over a link. To ask is the way of who connected, to
/// answer the other one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// It is passed on.
    Clear,
    /// Connections are reset, those that there are and those to come.
    Reset,
    /// The same, as soon as so many more bytes were asked.
    ResetAfter(usize),
    /// Connections are taken, and nothing comes through; it comes later.
    Silent,
    /// Questions come through, and no answers; those come later.
    NoAnswers,
    /// Answers come through, and no questions; those come later.
    NoQuestions,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Direction {
    Ask,
    Answer,
}

/// See the module.
pub struct Link {
    port: u16,
    shared: Arc<Shared>,
}

struct Shared {
    leads_to: Place,
    state: Mutex<State>,
    changed: Condvar,
}

struct State {
    way: Way,
    is_gone: bool,
    /// How often connections were reset.
    resets: usize,
    open: Vec<TcpStream>,
}

impl Link {
    /// To whatever is at a port of this machine.
    pub fn to(leads_to: Place) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let (way, open) = (Way::Clear, Vec::new());
        let state = Mutex::new(State { way, is_gone: false, resets: 0, open });
        let shared = Arc::new(Shared { leads_to, state, changed: Condvar::new() });
        let of_listener = shared.clone();
        std::thread::spawn(move || {
            for near in listener.incoming().map_while(Result::ok) {
                if of_listener.state.lock().unwrap().is_gone {
                    break;
                }
                of_listener.connect(near);
            }
        });
        Self { port, shared }
    }

    pub fn endpoint(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    pub fn set(&self, way: Way) {
        let mut state = self.shared.state.lock().unwrap();
        state.way = way;
        if way == Way::Reset {
            state.reset();
        }
        self.shared.changed.notify_all();
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        let mut state = self.shared.state.lock().unwrap();
        state.is_gone = true;
        state.reset();
        self.shared.changed.notify_all();
        drop(state);
        // So that the listener notices.
        let _ = TcpStream::connect(("127.0.0.1", self.port));
    }
}

impl State {
    /// The threads that have them close them, and with this the other side hears of it
    /// as of a machine that knows nothing of the connection.
    fn reset(&mut self) {
        self.resets += 1;
        for stream in self.open.drain(..) {
            let _ = socket2::SockRef::from(&stream).set_linger(Some(Duration::ZERO));
            let _ = stream.shutdown(Shutdown::Read);
        }
    }
}

impl Shared {
    fn connect(self: &Arc<Self>, near: TcpStream) {
        let port = self.leads_to.load(Ordering::Relaxed);
        let far = TcpStream::connect(("127.0.0.1", port));
        let mut state = self.state.lock().unwrap();
        let Some(far) = far.ok().filter(|_| state.way != Way::Reset) else {
            let _ = socket2::SockRef::from(&near).set_linger(Some(Duration::ZERO));
            return;
        };
        for stream in [&near, &far] {
            stream.set_nodelay(true).unwrap();
            stream.set_write_timeout(Some(LOOK)).unwrap();
        }
        // Of those that ended meanwhile nobody is left but these.
        state.open.retain(|stream| stream.peer_addr().is_ok());
        state.open.extend([near.try_clone().unwrap(), far.try_clone().unwrap()]);
        let resets = state.resets;
        drop(state);
        let ends = [near.try_clone().unwrap(), far.try_clone().unwrap()];
        let [from_near, to_far] = ends;
        for (from, to, direction) in
            [(from_near, to_far, Direction::Ask), (far, near, Direction::Answer)]
        {
            let shared = self.clone();
            std::thread::spawn(move || shared.pass_on(from, to, direction, resets));
        }
    }

    fn pass_on(&self, mut from: TcpStream, mut to: TcpStream, direction: Direction, resets: usize) {
        let mut piece = vec![0; 64 * 1024];
        loop {
            let read = from.read(&mut piece);
            let length = *read.as_ref().unwrap_or(&0);
            let Some(length) = self.passes(direction, length, resets) else { return };
            if read.is_err() {
                let _ = to.shutdown(Shutdown::Both);
                return;
            }
            if length == 0 {
                let _ = to.shutdown(Shutdown::Write);
                return;
            }
            if !self.write(&mut to, &piece[..length], resets) {
                let _ = from.shutdown(Shutdown::Both);
                return;
            }
        }
    }

    /// Waits until something may pass, and returns how much of it does; none if the
    /// connection is reset.
    fn passes(&self, direction: Direction, length: usize, resets: usize) -> Option<usize> {
        let mut state = self.state.lock().unwrap();
        loop {
            if state.resets != resets {
                return None;
            }
            match (state.way, direction) {
                (Way::Silent, _)
                | (Way::NoAnswers, Direction::Answer)
                | (Way::NoQuestions, Direction::Ask) => {
                    state = self.changed.wait(state).unwrap();
                }
                (Way::ResetAfter(most), Direction::Ask) if length >= most => {
                    state.way = Way::Reset;
                    state.reset();
                    self.changed.notify_all();
                    return None;
                }
                (Way::ResetAfter(most), Direction::Ask) => {
                    state.way = Way::ResetAfter(most - length);
                    return Some(length);
                }
                _ => return Some(length),
            }
        }
    }

    /// Whether all of it could be written.
    fn write(&self, to: &mut TcpStream, mut piece: &[u8], resets: usize) -> bool {
        while !piece.is_empty() {
            match to.write(piece) {
                Ok(0) => return false,
                Ok(written) => piece = &piece[written..],
                Err(error) => {
                    let again = [ErrorKind::WouldBlock, ErrorKind::TimedOut];
                    let is_reset = self.state.lock().unwrap().resets != resets;
                    if is_reset || !again.contains(&error.kind()) {
                        return false;
                    }
                }
            }
        }
        true
    }
}

/// The links of a node to all members.
pub struct Links(Vec<Link>);

impl Links {
    pub fn to(places: Vec<Place>) -> Self {
        Self(places.into_iter().map(Link::to).collect())
    }

    pub fn each(&self) -> &[Link] {
        &self.0
    }

    pub fn set(&self, way: Way) {
        self.0.iter().for_each(|link| link.set(way));
    }

    /// Waits until one of them that was to be reset after some bytes is.
    pub fn are_cut(&self) {
        let begun = Instant::now();
        let is_cut = |link: &Link| link.shared.state.lock().unwrap().way == Way::Reset;
        while !self.0.iter().any(is_cut) {
            assert!(begun.elapsed() < PATIENCE, "no link is cut");
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    /// Where a node that has these finds its log.
    pub fn url(&self, name: &str) -> String {
        let endpoints: Vec<_> = self.0.iter().map(Link::endpoint).collect();
        format!("etcd://{}/{name}", endpoints.join(","))
    }
}
