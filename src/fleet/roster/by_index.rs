//! Listings that take no walk over the rockets, and what walks ask of the order of IDs.
//! Does not own the orders (`listed`).

use super::Roster;
use super::listed::Held;
use super::slot::Slot;
use super::sorted::{Place, SortedSlots};
use super::tracked::launch_key;
use crate::fleet::query::{Part, Position, Selection, SortKey};
use crate::telemetry::Channel;

/// Rockets put in the order of IDs before messages get their turn again: some 0.1
/// ms of work in a large fleet.
const SLICE: Slot = 64;

/// Slots from a place on, in either direction; from one end if there is no place.
fn from(
    order: &SortedSlots,
    descending: bool,
    place: Option<Place>,
) -> Box<dyn Iterator<Item = Slot> + '_> {
    if descending {
        Box::new(order.before(place.unwrap_or_else(|| order.end())))
    } else {
        Box::new(order.after(place.unwrap_or(Place::START)))
    }
}

impl Roster {
    /// Whether the order of IDs must be made, for somebody asks for it now and nobody
    /// did before: by [`Roster::order_ids`].
    pub fn wants_order_of_ids(&mut self) -> bool {
        let is_first = self.listed.ids_hold == Held::Nothing;
        if is_first {
            self.listed.ids_hold = Held::Below(0);
        }
        is_first
    }

    /// Puts the next rockets in the order of IDs. Whether there are more.
    pub fn order_ids(&mut self) -> bool {
        let Held::Below(begin) = self.listed.ids_hold else { return false };
        let end = self.slots().min(begin.saturating_add(SLICE));
        let launched = |&slot: &Slot| self.rockets.get(slot).rocket.flight.is_some();
        for slot in (begin..end).filter(launched) {
            self.listed.insert_id(&self.rockets, slot);
        }
        let more = end < self.slots();
        self.listed.ids_hold = if more { Held::Below(end) } else { Held::All };
        more
    }

    /// A page that takes no walk over the rockets: of the one with some ID; in launch
    /// order, unfiltered; or in the order of IDs, from one to another. In O(limit):
    /// whoever asks for all of a large fleet at once keeps messages waiting. `None` if
    /// there is no order of IDs yet.
    ///
    /// `selection` must be [indexed](Selection::is_indexed).
    #[must_use]
    pub fn by_index(&self, selection: &Selection) -> Option<Part> {
        if let Some(id) = &selection.filter.id {
            return Some(self.by_id(id, selection));
        }
        if !selection.is_in_order_of_ids() {
            return Some(self.by_launch(selection));
        }
        (self.listed.ids_hold == Held::All).then(|| self.by_order_of_ids(selection))
    }

    fn by_id(&self, id: &Channel, selection: &Selection) -> Part {
        let found = self.find(id).and_then(|slot| self.view_if(slot, &selection.filter));
        let total = usize::from(found.is_some());
        let rockets = found.into_iter().filter(|rocket| selection.begins_before(rocket)).collect();
        Part { rockets, total, more: false }
    }

    fn by_launch(&self, selection: &Selection) -> Part {
        let order = &self.listed.launches;
        let descending = selection.sort.descending;
        let place = selection.after.as_ref().map(|Position { key, id }| {
            let SortKey::Time(time) = key else {
                unreachable!("a position in launch order is a time: cursors are checked")
            };
            let last = (*time, id);
            order.place(|slot| {
                let key = launch_key(&self.rockets, slot);
                key < last || !descending && key == last
            })
        });
        let part = self.page(from(order, descending, place), selection);
        Part { total: self.launched(), ..part }
    }

    fn by_order_of_ids(&self, selection: &Selection) -> Part {
        let order = &self.listed.ids;
        let descending = selection.sort.descending;
        let prefix = selection.filter.id_prefix.as_ref();
        let after = selection.after.as_ref().map(|after| &after.id);
        let place = order.place(|slot| {
            let id = &self.rockets.get(slot).channel;
            if descending {
                after.is_none_or(|after| id < after)
                    && prefix.is_none_or(|prefix| id < prefix || id.begins_with(prefix))
            } else {
                after.is_some_and(|after| id <= after) || prefix.is_some_and(|prefix| id < prefix)
            }
        });
        let within = |&slot: &Slot| selection.filter.admits_id(&self.rockets.get(slot).channel);
        let slots = from(order, descending, Some(place)).take_while(within);
        let part = self.page(slots, selection);
        let total = prefix.map_or(self.launched(), |prefix| self.count_with(prefix));
        Part { total, ..part }
    }

    /// The first of these slots, as many as the page has.
    fn page(&self, mut slots: impl Iterator<Item = Slot>, selection: &Selection) -> Part {
        let limit = selection.limit.unwrap_or(usize::MAX);
        let view = |slot| self.view(slot).expect("only launched rockets are in these orders");
        let rockets = slots.by_ref().take(limit).map(view).collect();
        Part { rockets, total: 0, more: slots.next().is_some() }
    }

    /// Launched rockets whose ID begins with `prefix`, as the order of IDs has them.
    fn count_with(&self, prefix: &Channel) -> usize {
        let ids = &self.listed.ids;
        let id = |slot| &self.rockets.get(slot).channel;
        let begin = ids.place(|slot| id(slot) < prefix);
        let end = ids.place(|slot| id(slot) < prefix || id(slot).begins_with(prefix));
        ids.rank(end) - ids.rank(begin)
    }

    /// Whether it is less work to go through the launched rockets whose ID begins with
    /// `prefix`, all over the memory, than through all slots in turn.
    #[must_use]
    pub fn are_few_with(&self, prefix: &Channel) -> bool {
        self.listed.ids_hold == Held::All && self.count_with(prefix) <= self.slots() as usize / 8
    }

    /// The first slots of launched rockets whose ID begins with `prefix` and comes
    /// behind `after`; at most `limit`. There must be an order of IDs.
    #[must_use]
    pub fn some_with(&self, prefix: &Channel, after: Option<&Channel>, limit: usize) -> Vec<Slot> {
        let ids = &self.listed.ids;
        let id = |slot| &self.rockets.get(slot).channel;
        let is_before = |slot| id(slot) < prefix || after.is_some_and(|after| id(slot) <= after);
        let slots = ids.after(ids.place(is_before));
        slots.take_while(|&slot| id(slot).begins_with(prefix)).take(limit).collect()
    }

    /// The channel of the rocket at `slot`.
    #[must_use]
    pub fn channel(&self, slot: Slot) -> &Channel {
        &self.rockets.get(slot).channel
    }
}
