//! What stands between two nodes, and may break what goes through it.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

/// What becomes of the answers that a peer gives.
#[derive(Clone, Copy, Debug)]
pub enum Way {
    Clear,
    /// It breaks off after so many bytes.
    CutAfter(usize),
    /// The bit of a byte is another.
    Flipped(usize),
}

/// What stands between nodes: where a node is reached, before it is there.
pub struct Between {
    pub url: String,
    leads_to: Arc<Mutex<(Option<SocketAddr>, Way)>>,
    asked: Arc<AtomicUsize>,
}

impl Between {
    pub fn new() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let leads_to = Arc::new(Mutex::new((None, Way::Clear)));
        let asked = Arc::new(AtomicUsize::new(0));
        let (to, count) = (leads_to.clone(), asked.clone());
        std::thread::spawn(move || {
            for near in listener.incoming() {
                let (address, way) = *to.lock().unwrap();
                count.fetch_add(1, Ordering::Relaxed);
                if let Some(address) = address
                    && let Ok(far) = TcpStream::connect(address)
                {
                    std::thread::spawn(move || pass_on(near.unwrap(), far, way));
                }
            }
        });
        Self { url, leads_to, asked }
    }

    pub fn set(&self, way: Way) {
        self.leads_to.lock().unwrap().1 = way;
    }

    pub fn leads_to(&self, address: SocketAddr) {
        self.leads_to.lock().unwrap().0 = Some(address);
    }

    /// How often somebody came.
    pub fn asked(&self) -> usize {
        self.asked.load(Ordering::Relaxed)
    }
}

fn pass_on(mut near: TcpStream, mut far: TcpStream, way: Way) {
    let (mut from_near, mut to_far) = (near.try_clone().unwrap(), far.try_clone().unwrap());
    std::thread::spawn(move || {
        let _ = std::io::copy(&mut from_near, &mut to_far);
        let _ = to_far.shutdown(Shutdown::Both);
    });
    let (mut at, mut piece) = (0, [0; 4096]);
    while let Ok(length @ 1..) = far.read(&mut piece) {
        let mut length = length;
        match way {
            Way::Clear => {}
            Way::CutAfter(most) => length = length.min(most.saturating_sub(at)),
            Way::Flipped(byte) => {
                if let Some(byte) = byte.checked_sub(at).and_then(|at| piece[..length].get_mut(at))
                {
                    *byte ^= 1;
                }
            }
        }
        at += length;
        if length == 0 || near.write_all(&piece[..length]).is_err() {
            break;
        }
    }
    let _ = near.shutdown(Shutdown::Both);
    let _ = far.shutdown(Shutdown::Both);
}
