//! How many files the process may have open, and what that means for
//! connections. Does not own connections (`server`).

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tracing::{info, warn};

use super::places::waiting_beside;
use super::server::MAX_ADMIN_CONNECTIONS;

/// What is open besides connections: the journal's files, what is listened on,
/// the runtime's own, standard streams; some 20, and some to spare.
const OTHERS: usize = 32;

/// Raises the limit on open files to what so many connections need, as far as
/// the system allows, and says what was got. Returns how many connections can be
/// served within it, beside those on the operators' address.
#[must_use]
pub fn raise_for(connections: usize, has_admin: bool) -> usize {
    let others = OTHERS + if has_admin { beside(MAX_ADMIN_CONNECTIONS) } else { 0 };
    let needed = needed(connections, others);
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    // None means that there is no limit.
    let Some(before) = current else { return connections };
    let wanted = u64::try_from(needed).unwrap_or(u64::MAX);
    let raised = wanted.min(maximum.unwrap_or(u64::MAX)).max(before);
    let got = if raised > before
        && setrlimit(Resource::Nofile, Rlimit { current: Some(raised), maximum }).is_ok()
    {
        raised
    } else {
        before
    };
    let served = served(usize::try_from(got).unwrap_or(usize::MAX), connections, others);
    if served < connections {
        warn!(
            descriptors = got,
            needed,
            max_connections = connections,
            served,
            "the system allows too few open files for --max-connections; fewer are served at once"
        );
    } else {
        info!(descriptors = got, needed, max_connections = connections, "open files are enough");
    }
    served
}

/// What so many connections need, with those that wait.
fn beside(connections: usize) -> usize {
    connections.saturating_add(waiting_beside(connections))
}

fn needed(connections: usize, others: usize) -> usize {
    beside(connections).saturating_add(others)
}

/// The most connections, up to those that are wanted, that `got` files allow.
fn served(got: usize, wanted: usize, others: usize) -> usize {
    if needed(wanted, others) <= got {
        return wanted;
    }
    let room = got.saturating_sub(others);
    // A fifth of the room would be for those who wait, if that is less.
    room.saturating_sub(waiting_beside(room)).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_served_and_what_waits_fits_into_what_there_is() {
        for got in [60, 61, 100, 1024, 16_000, 1 << 20] {
            let served = served(got, 1 << 21, OTHERS);
            assert!(needed(served, OTHERS) <= got, "{served} of {got}");
            assert!(needed(served + served / 3 + 2, OTHERS) > got, "{served} of {got}");
        }
        assert_eq!(served(1 << 20, 16_384, OTHERS), 16_384);
        assert_eq!(served(10, 16_384, OTHERS), 1);
        assert_eq!(served(usize::MAX, usize::MAX, OTHERS), usize::MAX);
    }
}
