//! One valid request, cut off at every byte, by a client that ends and by one
//! that vanishes: it is applied when it is whole, and not before.

use std::io::{Read, Write};
use std::net::Shutdown;

use super::raw::{body, chunk, connect, head, post};
use super::victim::Victim;

fn chunked(rocket: &str) -> Vec<u8> {
    let body = body(rocket);
    let (start, rest) = body.split_at(body.len() / 2);
    let head = head("transfer-encoding: chunked\r\n");
    [head, chunk(start), chunk(rest), b"0\r\n\r\n".to_vec()].concat()
}

fn lines(rocket: &str) -> Vec<u8> {
    let body = body(rocket);
    let headers = "content-type: application/x-ndjson\r\n";
    [head(&format!("{headers}content-length: {}\r\n", body.len())), body].concat()
}

#[test]
fn a_request_counts_when_it_is_whole_wherever_it_was_cut_before() {
    let victim = Victim::start(&[]);
    let mut cuts = 0;
    let before = victim.count();
    for (done, (form, request)) in
        [("l", post as fn(&str) -> _), ("c", chunked), ("n", lines)].into_iter().enumerate()
    {
        for vanishes in [false, true] {
            let whole = request(&format!("{form}-000-{vanishes}")).len();
            for length in 0..whole {
                let rocket = format!("{form}-{length:03}-{vanishes}");
                let bytes = request(&rocket);
                assert_eq!(bytes.len(), whole);
                let mut client = connect(victim.address()).unwrap();
                client.write_all(&bytes[..length]).unwrap();
                if !vanishes {
                    client.shutdown(Shutdown::Write).unwrap();
                    let mut answer = String::new();
                    let _ = client.read_to_string(&mut answer);
                    assert!(!answer.starts_with("HTTP/1.1 2"), "{rocket}: {answer}");
                }
                cuts += 1;
            }
        }
        let rocket = format!("{form}-whole");
        assert!([200, 204].contains(&victim.talk(&request(&rocket), "/readyz").statuses[0]));
        assert!(victim.has(&rocket));
        assert_eq!(victim.count(), before + done + 1, "{form}: none that was cut is applied");
    }
    println!("{cuts} cuts");
    victim.recovers_from("cuts");
}
