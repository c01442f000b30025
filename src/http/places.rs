//! Who is served when there are more connections than places: one client must
//! not hold all of them.
//!
//! Owns the places, who waits for one, and whose connection is closed for it.
//! Does not own connections and their tasks (`server`), nor what a client does.
//!
//! Newcomers wait when all places are taken. Once a second, those who wait get the
//! places of connections that are still: they could have moved since the last look,
//! and did not. Where we have to go on, with an answer or with a body that we do not
//! read for now, nobody is still. The origin that holds most comes first. If nobody
//! is still, an origin that holds more than it would leave to the newcomer gives up
//! its oldest. Where all come from one origin, as behind a proxy, nobody who moves
//! is disturbed.

use std::cmp::Reverse;
use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use tokio::task::{AbortHandle, Id};

use super::client::Client;
use super::origin::Origin;

/// How long a connection may be silent while others wait for its place.
pub const SILENCE: Duration = Duration::from_secs(1);

/// Most connections that wait for a place, beside those in the listener's
/// backlog. They must be accepted to be told apart.
const MAX_WAITING: usize = 256;

/// Connections that may wait where so many are served.
#[must_use]
pub fn waiting_beside(connections: usize) -> usize {
    (connections / 4).clamp(1, MAX_WAITING)
}

/// See the head of this file. `S` is what a newcomer is served on.
#[derive(Debug)]
pub struct Places<S> {
    most: usize,
    /// Most connections of one origin, those that wait among them.
    most_of_one: usize,
    held: HashMap<Id, Held>,
    /// How many each origin holds; nothing for who holds none.
    shares: HashMap<Origin, usize>,
    waiting: VecDeque<(S, Arc<Client>)>,
    /// Of the last that was taken; a place with a lower one is older.
    age: u64,
    /// Nobody waited at the last look, which may be long ago.
    just_short: bool,
}

#[derive(Debug)]
struct Held {
    client: Arc<Client>,
    task: AbortHandle,
    age: u64,
    /// The client's moves at the last look, if it was not for us to go on then.
    seen: Option<u32>,
}

/// What becomes of a newcomer.
#[derive(Debug)]
pub enum Newcomer<S> {
    /// There is a place for it.
    Served(S, Arc<Client>),
    /// It waits for one.
    Waits,
    /// Too many wait. This one, perhaps another, is turned away.
    TurnedAway(S),
    /// Its origin has as many as it may have.
    OneTooMany(S),
}

impl<S> Places<S> {
    /// So many places, all of them free.
    #[must_use]
    pub fn new(most: usize) -> Self {
        let (held, shares) = (HashMap::new(), HashMap::new());
        let (most_of_one, waiting) = (usize::MAX, VecDeque::new());
        Self { most, most_of_one, held, shares, waiting, age: 0, just_short: false }
    }

    /// So many connections of one origin, unless it is a proxy of others.
    #[must_use]
    pub fn with_most_of_one(self, most_of_one: usize) -> Self {
        Self { most_of_one, ..self }
    }

    /// Somebody has come.
    pub fn arrive(&mut self, stream: S, client: Arc<Client>) -> Newcomer<S> {
        if !client.is_proxy() && self.all_of(client.origin()) >= self.most_of_one {
            return Newcomer::OneTooMany(stream);
        }
        if self.held.len() < self.most && self.waiting.is_empty() {
            return Newcomer::Served(stream, client);
        }
        self.just_short |= self.waiting.is_empty();
        self.waiting.push_back((stream, client));
        if self.waiting.len() <= waiting_beside(self.most) {
            return Newcomer::Waits;
        }
        // The newest of the origin that holds and wants most.
        let mut wanted = HashMap::new();
        for (_, client) in &self.waiting {
            *wanted.entry(client.origin()).or_insert(self.share(client.origin())) += 1;
        }
        let wants = |at: &usize| wanted[&self.waiting[*at].1.origin()];
        let greediest = (0..self.waiting.len()).max_by_key(wants).expect("one was just added");
        let (stream, _) = self.waiting.remove(greediest).expect("it was just found there");
        Newcomer::TurnedAway(stream)
    }

    /// A newcomer is served by a task.
    pub fn take(&mut self, client: Arc<Client>, task: AbortHandle) {
        *self.shares.entry(client.origin()).or_default() += 1;
        self.age += 1;
        self.held.insert(task.id(), Held { client, task, age: self.age, seen: None });
    }

    /// A connection has ended.
    pub fn leave(&mut self, task: Id) {
        let Some(Held { client, .. }) = self.held.remove(&task) else { return };
        let share = self.shares.get_mut(&client.origin()).expect("its place was counted");
        *share -= 1;
        if *share == 0 {
            self.shares.remove(&client.origin());
        }
    }

    /// Who is served next, if there is a place: of those who wait, the first of
    /// the origin that holds least.
    pub fn next_served(&mut self) -> Option<(S, Arc<Client>)> {
        if self.held.len() >= self.most {
            return None;
        }
        let share = |at: &usize| self.share(self.waiting[*at].1.origin());
        let next = (0..self.waiting.len()).min_by_key(share)?;
        self.waiting.remove(next)
    }

    /// Whether anybody waits for a place.
    #[must_use]
    pub fn is_short(&self) -> bool {
        !self.waiting.is_empty()
    }

    /// Looks for what moved since the last look, and ends connections for those
    /// who wait, and one that is still if not even those who wait can be accepted,
    /// for want of what connections are made of. Returns how many.
    pub fn share_out(&mut self, cannot_accept: bool) -> usize {
        // One look for both: at a second one nobody would have moved yet.
        let mut candidates = self.look();
        let mut ended = 0;
        if cannot_accept {
            let still =
                candidates.values_mut().filter(|of| of.last().is_some_and(|it| it.is_still));
            let found = still.max_by_key(|of| of.len()).and_then(Vec::pop);
            ended += usize::from(found.inspect(|it| it.task.abort()).is_some());
        }
        if std::mem::take(&mut self.just_short) {
            // What moves shows at the next look.
            return ended;
        }
        let mut shares = self.shares.clone();
        for (_, newcomer) in &self.waiting {
            let newcomer = newcomer.origin();
            let Some(candidate) = to_end(newcomer, &shares, &mut candidates) else { continue };
            candidate.task.abort();
            *shares.entry(candidate.origin).or_default() -= 1;
            *shares.entry(newcomer).or_default() += 1;
            ended += 1;
        }
        ended
    }

    /// Whose place may be taken, by their origins: last the one to begin with,
    /// which is the oldest of those that did not move since the last look.
    fn look(&mut self) -> HashMap<Origin, Vec<Candidate>> {
        let mut found: HashMap<_, Vec<_>> = HashMap::new();
        for Held { client, task, age, seen } in self.held.values_mut() {
            let origin = client.origin();
            // Who waits for us cannot move.
            let moves = (!client.waits_for_us()).then(|| client.moves());
            let is_still = moves.is_some() && *seen == moves;
            *seen = moves;
            let candidate = Candidate { is_still, age: *age, origin, task: task.clone() };
            found.entry(origin).or_default().push(candidate);
        }
        for candidates in found.values_mut() {
            candidates.sort_unstable_by_key(|it| (it.is_still, Reverse(it.age)));
        }
        found
    }

    /// The connections of an origin, with and without a place.
    fn all_of(&self, origin: Origin) -> usize {
        let waiting = self.waiting.iter().filter(|(_, client)| client.origin() == origin);
        self.share(origin) + waiting.count()
    }

    fn share(&self, origin: Origin) -> usize {
        self.shares.get(&origin).copied().unwrap_or_default()
    }
}

/// A connection that may have to end.
#[derive(Debug)]
struct Candidate {
    is_still: bool,
    age: u64,
    origin: Origin,
    task: AbortHandle,
}

/// Whose connection is ended for a newcomer.
fn to_end(
    newcomer: Origin,
    shares: &HashMap<Origin, usize>,
    candidates: &mut HashMap<Origin, Vec<Candidate>>,
) -> Option<Candidate> {
    let share = |origin: &Origin| shares.get(origin).copied().unwrap_or_default();
    let still = candidates.iter().filter(|(origin, of)| {
        share(origin) >= share(&newcomer) && of.last().is_some_and(|it| it.is_still)
    });
    let still = still.max_by_key(|(origin, _)| share(origin)).map(|(origin, _)| *origin);
    let greedy = || {
        let largest = candidates.keys().copied().max_by_key(share)?;
        // Else the newcomer would be the one to give it up next.
        (share(&largest) > share(&newcomer) + 1).then_some(largest)
    };
    let origin = still.or_else(greedy)?;
    candidates.get_mut(&origin)?.pop()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client(address: u8) -> Arc<Client> {
        Client::new(Origin::of(Some([10, 0, 0, address].into())))
    }

    /// Places taken by connections of these origins, whose tasks never end by
    /// themselves.
    fn taken(most: usize, origins: &[u8]) -> (Places<()>, Vec<(Arc<Client>, AbortHandle)>) {
        let mut places = Places::new(most);
        let mut held = Vec::new();
        for address in origins {
            let Newcomer::Served((), client) = places.arrive((), client(*address)) else {
                panic!("there is a place");
            };
            let task = tokio::spawn(std::future::pending::<()>()).abort_handle();
            places.take(client.clone(), task.clone());
            held.push((client, task));
        }
        (places, held)
    }

    fn move_all(held: &[(Arc<Client>, AbortHandle)]) {
        for (client, _) in held {
            client.moved();
        }
    }

    /// Which of them have ended, after the others have moved.
    async fn ended(places: &mut Places<()>, held: &[(Arc<Client>, AbortHandle)]) -> Vec<usize> {
        places.share_out(false);
        tokio::task::yield_now().await;
        let is_ended = |at: &usize| held[*at].1.is_finished();
        (0..held.len()).filter(is_ended).collect()
    }

    #[tokio::test]
    async fn who_does_not_move_makes_place_first_and_the_largest_share_before_others() {
        let (mut places, held) = taken(4, &[1, 2, 2, 2]);
        assert!(matches!(places.arrive((), client(3)), Newcomer::Waits));
        assert_eq!(ended(&mut places, &held[..0]).await.len(), 0);
        // All but the first of the larger share are still.
        held[1].0.moved();
        assert_eq!(ended(&mut places, &held).await, [2]);
        places.leave(held[2].1.id());
        assert!(places.next_served().is_some_and(|((), next)| next.origin() == client(3).origin()));
        assert!(!places.is_short());
    }

    #[tokio::test]
    async fn who_waits_for_us_is_not_still() {
        let (mut places, held) = taken(2, &[1, 1]);
        for (client, _) in &held {
            client.begin();
        }
        assert!(matches!(places.arrive((), client(1)), Newcomer::Waits));
        for _ in 0..3 {
            assert_eq!(ended(&mut places, &held).await.len(), 0);
            assert_eq!(places.share_out(true), 0);
        }
        // One is told that it may move, and is given the time to.
        held[1].0.begin_wait();
        assert_eq!(ended(&mut places, &held).await.len(), 0);
        assert_eq!(ended(&mut places, &held).await, [1]);
    }

    #[tokio::test]
    async fn want_of_files_ends_one_that_is_still_and_nobody_who_moves() {
        let (mut places, held) = taken(4, &[1, 1, 1]);
        assert_eq!(places.share_out(true), 0);
        // The first is the oldest.
        held[0].0.moved();
        assert_eq!(places.share_out(true), 1);
        tokio::task::yield_now().await;
        let ended: Vec<_> = held.iter().map(|(_, task)| task.is_finished()).collect();
        assert_eq!(ended, [false, true, false]);
    }

    #[tokio::test]
    async fn a_larger_share_gives_way_though_it_moves_and_an_equal_one_does_not() {
        let (mut places, held) = taken(3, &[1, 1, 2]);
        assert!(matches!(places.arrive((), client(2)), Newcomer::Waits));
        for _ in 0..3 {
            move_all(&held);
            assert_eq!(ended(&mut places, &held).await.len(), 0);
        }
        let _ = places.waiting.pop_front();
        assert!(matches!(places.arrive((), client(3)), Newcomer::Waits));
        assert_eq!(ended(&mut places, &held).await.len(), 0);
        move_all(&held);
        assert_eq!(ended(&mut places, &held).await, [0]);
    }

    #[tokio::test]
    async fn one_origin_has_no_more_than_it_may_and_a_proxy_may_have_all() {
        let mut places = Places::new(4).with_most_of_one(2);
        for _ in 0..2 {
            let Newcomer::Served((), client) = places.arrive((), client(1)) else { panic!() };
            places.take(client, tokio::spawn(std::future::pending::<()>()).abort_handle());
        }
        assert!(matches!(places.arrive((), client(1)), Newcomer::OneTooMany(())));
        for _ in 0..2 {
            let proxy = Client::limited(client(9).origin(), true, None);
            let Newcomer::Served((), proxy) = places.arrive((), proxy) else { panic!() };
            places.take(proxy, tokio::spawn(std::future::pending::<()>()).abort_handle());
        }
        // All are taken. Who waits counts as well.
        assert!(matches!(places.arrive((), client(1)), Newcomer::OneTooMany(())));
        assert!(matches!(places.arrive((), client(2)), Newcomer::Waits));
        places.most_of_one = 1;
        assert!(matches!(places.arrive((), client(2)), Newcomer::OneTooMany(())));
        // One that has ended makes room for the next of its origin.
        let ended = places.held.iter().find(|(_, held)| held.client.origin() == client(1).origin());
        let ended = *ended.unwrap().0;
        places.leave(ended);
        assert_eq!(places.all_of(client(1).origin()), 1);
    }

    #[tokio::test]
    async fn a_crowd_of_one_origin_is_turned_away_before_anybody_else_is() {
        let (mut places, _held) = taken(4, &[1, 1, 1, 1]);
        assert!(matches!(places.arrive((), client(1)), Newcomer::Waits));
        for _ in 0..3 {
            assert!(matches!(places.arrive((), client(1)), Newcomer::TurnedAway(())));
        }
        assert!(matches!(places.arrive((), client(2)), Newcomer::TurnedAway(())));
        let origins: Vec<_> = places.waiting.iter().map(|((), client)| client.origin()).collect();
        assert_eq!(origins, [client(2).origin()]);
    }
}
