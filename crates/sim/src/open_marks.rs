//! What Valkey does with the marks of open slots when somebody claims, or no longer claims, slots.
//!
//! Redis leaves all of them alone: what it imports nobody can take, and a mark that leads away
//! stays when the slot has gone.

use slotwright_core::model::{Slot, SlotSet};

use crate::server::{Id, Open};
use crate::world::World;

impl World {
    /// Whether two ids belong to one shard.
    pub(crate) fn are_one_shard(&self, one: Id, other: Id) -> bool {
        one == other || self.shard_of(one).is_some_and(|known| self.shard_of(other) == Some(known))
    }

    /// The marks of Valkey, after `sender` has claimed slots and `taken` of them are its now
    /// (`clusterUpdateSlotsConfigWith`). A replica has its primary's marks.
    pub(crate) fn adjust_marks(
        &mut self,
        n: usize,
        (sender, epoch): (Id, u64),
        claimed: &SlotSet,
        taken: &SlotSet,
    ) {
        if !self.nodes[n].is_valkey() {
            return;
        }
        let marks: Vec<(u16, Open)> =
            self.nodes[n].open.iter().map(|(slot, open)| (*slot, *open)).collect();
        for (number, open) in marks {
            let Some(slot) = Slot::new(number) else { continue };
            let (is_taken, is_claimed) = (taken.contains(slot), claimed.contains(slot));
            let own = self.nodes[n].id;
            let adjusted = match open {
                Open::Migrating(_) if is_taken => self.are_one_shard(sender, own).then_some(open),
                Open::Importing(from) if is_taken && from != sender => {
                    self.are_one_shard(sender, from).then_some(Open::Importing(sender))
                }
                Open::Migrating(to)
                    if !is_claimed && self.has_taken_over(n, (sender, epoch), to) =>
                {
                    Some(Open::Migrating(sender))
                }
                Open::Importing(from) if !is_claimed && from == sender => {
                    self.end_import(n, slot);
                    continue;
                }
                _ => continue,
            };
            let node = &mut self.nodes[n];
            match adjusted {
                Some(open) => node.open.insert(number, open),
                None => node.open.remove(&number),
            };
            node.dirty = true;
        }
    }

    /// Whether a sender took the place of the target of a move.
    fn has_taken_over(&self, n: usize, (sender, epoch): (Id, u64), target: Id) -> bool {
        let row = self.nodes[n].peer(target);
        let is_over = row.is_some_and(|row| row.is_replica || row.epoch < epoch);
        target != sender && is_over && self.are_one_shard(sender, target)
    }

    /// Who was given a slot by its source, and did not notice, takes it.
    fn end_import(&mut self, n: usize, slot: Slot) {
        let node = &mut self.nodes[n];
        if node.primary.is_some() {
            return;
        }
        node.open.remove(&slot.get());
        if !node.slots.contains(slot) {
            let id = node.id;
            node.assign(&SlotSet::one(slot), Some(id));
            node.bump();
            self.took.push((self.now, id, SlotSet::one(slot)));
        }
    }
}
