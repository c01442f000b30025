//! Many requests at once, and one among them that is none: all before it are
//! answered, and nothing behind it is applied.

use super::raw::{self, Then, head, post};
use super::victim::Victim;

const REQUESTS: usize = 1000;

#[test]
fn what_stands_before_a_bad_request_is_answered_and_nothing_behind_it_applied() {
    let victim = Victim::start(&[]);
    let chunked = head("transfer-encoding: chunked\r\n");
    for (name, bad) in [
        ("line", b"POST /messages\r\nhost: localhost\r\n\r\n".to_vec()),
        ("lengths", head("content-length: 5\r\ncontent-length: 6\r\n")),
        ("fold", head("x: a\r\n b\r\n")),
        ("chunk", [&chunked[..], b"5\nhello\r\n0\r\n\r\n"].concat()),
        ("coding", head("transfer-encoding: gzip, chunked\r\n")),
        ("headers", head(&"x: y\r\n".repeat(101))),
        ("path", b"GET localhost HTTP/1.1\r\nhost: localhost\r\n\r\n".to_vec()),
    ] {
        let at = REQUESTS / 2;
        let before = victim.count();
        let mut bytes = Vec::new();
        for n in 0..REQUESTS {
            bytes.extend(if n == at { bad.clone() } else { post(&format!("{name}-{n:04}")) });
        }
        let exchange = raw::talk(victim.address(), &bytes, Then::Nothing);
        assert_eq!(exchange.statuses.len(), at + 1, "{name}");
        assert!(exchange.statuses[..at].iter().all(|status| *status == 204), "{name}");
        assert!([400, 431, 501].contains(&exchange.statuses[at]), "{name}");
        assert_eq!(victim.count(), before + at, "{name}: how many are applied");
        assert!(victim.has(&format!("{name}-{:04}", at - 1)), "{name}");
        assert!(!victim.has(&format!("{name}-{:04}", at + 1)), "{name}");
    }
    victim.recovers_from("pipelines");
}
