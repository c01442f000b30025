//! What is no handshake, or no end of one, where TLS is spoken; and what is no
//! TLS after one.

use std::io::Write;
use std::net::{SocketAddr, TcpStream};

use super::victim::{MARGIN, back};
use crate::support::Request;
use crate::support::logged::Logged;
use crate::support::process::{downlink, memory_and_files};
use crate::support::tls::{Authority, Files, Trust};

/// Of each kind, all open at the same time.
const MANY: usize = 100;

/// The beginnings of conversations, none of which is one.
fn beginnings(hello: &[u8]) -> [(&'static str, Vec<u8>); 8] {
    let garbage: Vec<u8> =
        (0..=u8::MAX).cycle().map(|byte| byte.wrapping_mul(167)).take(20_000).collect();
    let record = |length: [u8; 2]| [&[0x16, 3, 1][..], &length].concat();
    [
        ("nothing", Vec::new()),
        ("garbage", [&[0xff][..], &garbage].concat()),
        ("plain HTTP", b"POST /messages HTTP/1.1\r\nhost: localhost\r\n\r\n".to_vec()),
        ("a record that is too long", [&record([0xff, 0xff])[..], &garbage].concat()),
        ("a record of garbage", [&record([0x40, 0])[..], &garbage].concat()),
        ("half a hello", hello[..hello.len() / 2].to_vec()),
        ("a hello, and no more", hello.to_vec()),
        ("a hello, and garbage", [hello, &garbage].concat()),
    ]
}

#[test]
fn garbage_where_tls_is_spoken_leaves_nothing_behind() {
    let authority = Authority::new("authority");
    let trust = Trust::in_authority(&authority);
    let files = Files::new(&authority.issue());
    let mut command = downlink();
    command.args(["--durability", "memory", "--listen", "127.0.0.1:0", "--idle-timeout", "2s"]);
    let service = Logged::start({
        command.args(files.flags());
        command
    });
    let address: SocketAddr = service.addresses()[0].parse().unwrap();
    let is_served = || trust.connect(address).request(&Request::get("/missions")).status == 200;
    assert!((0..20).all(|_| is_served()));
    let id = service.child.0.id();
    let (memory, open) = memory_and_files(id);
    let mut held = Vec::new();
    for (what, bytes) in beginnings(&trust.hello()) {
        for _ in 0..MANY {
            let mut stream = TcpStream::connect(address).unwrap();
            // It may be closed before all of it is written.
            let _ = stream.write_all(&bytes);
            held.push(stream);
        }
        assert!(is_served(), "beside {what}");
    }
    let mut encrypted = Vec::new();
    for _ in 0..MANY {
        let client = trust.connect(address);
        (&client.get_ref().sock).write_all(&[0x17, 3, 3, 0, 5, 1, 2, 3, 4, 5]).unwrap();
        encrypted.push(client);
    }
    assert!(is_served(), "beside what is no TLS any more");
    // Though none of them goes.
    let closed = back("open files", open, || memory_and_files(id).1);
    let freed = back("KiB", memory + MARGIN, || memory_and_files(id).0);
    println!("after {closed:?} {open} files again, after {freed:?} {memory} KiB or little more");
    assert!(is_served());
    drop((held, encrypted));
    service.stop();
}
