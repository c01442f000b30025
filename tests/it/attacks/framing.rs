//! Where a request ends: every form in which two readers may see it elsewhere.
//!
//! Each row (`framing_rows`) has a carrier, which is the request that we see, and
//! a hidden request, which another reader might see: the launch of a rocket. What
//! counts is not the status but that the hidden one is not applied, unless the
//! row says that it is a request of its own to everybody who keeps to the RFC,
//! and why.

use super::framing_rows::{After, Hidden, Row, rows};
use super::raw::{self, Then};
use super::victim::Victim;

fn check(victim: &Victim, number: usize, row: &Row) {
    let (carrier, hidden) = (format!("carrier-{number}"), format!("hidden-{number}"));
    let bytes = (row.bytes)(&carrier, &hidden);
    let last = format!("last-{number}");
    let target = format!("/rockets/{last}");
    let then = if let After::Waits = row.after { Then::End } else { Then::Get(&target) };
    let exchange = raw::talk(victim.address(), &bytes, then);
    let name = row.name;
    let mut statuses = exchange.statuses.clone();
    let followed = exchange.shows(&last);
    if followed {
        assert_eq!(statuses.pop(), Some(404), "{name}");
    }
    assert_eq!(statuses, row.statuses, "{name}: {:?}", String::from_utf8_lossy(&exchange.bytes));
    assert_eq!(followed, matches!(row.after, After::Open), "{name}: what follows was answered");
    assert_eq!(victim.has(&carrier), row.applied, "{name}: the carrier");
    assert_eq!(victim.has(&hidden), matches!(row.hidden, Hidden::Own), "{name}: the hidden one");
    if let After::Closed = row.after {
        // By itself, and not because it was asked to.
        let (again, hidden) = (format!("again-{number}"), format!("hidden-again-{number}"));
        let exchange = raw::talk(victim.address(), &(row.bytes)(&again, &hidden), Then::Nothing);
        assert_eq!(exchange.statuses, row.statuses, "{name}: with nothing behind");
        assert!(!victim.has(&hidden), "{name}: the hidden one, with nothing behind");
    }
}

#[test]
fn what_hides_behind_the_end_of_a_request_is_not_applied() {
    let victim = Victim::start(&[]);
    let rows = rows();
    for (number, row) in rows.iter().enumerate() {
        check(&victim, number, row);
    }
    println!("{} forms", rows.len());
    victim.recovers_from("framing");
    assert_eq!(victim.logged("panicked"), 0);
}
