//! Two primaries hold keys of one slot.

use super::counted::{self, brief, keys_in};
use crate::diagnose::{ByHand, Evidence, Finding, Risk, Sink, Subject};
use crate::model::{NodeId, SlotSet};
use crate::observation::Picture;
use crate::scenario::Scenario;

finding! {
    /// ## What it means
    /// Two primaries hold keys of the same slots. Clients read and write those of the owner; the
    /// others are older or half-moved copies, or keys that exist nowhere else. They come back to
    /// life when the slots move there again or the other side fails over: deleted keys reappear and
    /// new values turn into old ones.
    ///
    /// ## How it comes about
    /// A MIGRATE timed out and left the key on both sides (`IOERR error or timeout`), it met
    /// `BUSYKEY`, it was run with COPY, two nodes owned the slot for a while, or a snapshot was
    /// restored beside the running cluster.
    ///
    /// ## What we look at
    /// The number of keys in each slot on each primary, against the slots that the primary itself
    /// claims, imports or migrates. Counts do not tell whether the *names* are the same: the
    /// printed steps do. *Near it:* only the wrong node holds keys (KEYS_IN_FOREIGN_SLOT).
    ///
    /// ## The repair
    /// Compare the copies key by key. Keys that only the wrong node has go to the owner. For keys
    /// that both have, the application must say which one is right; the rest is deleted at the
    /// node that does not own the slot (Valkey 9: `CLUSTER FLUSHSLOT`). `recover` does this as far
    /// as no choice is in it: it compares every such key, takes away the copies that are the same
    /// as the owner's, and names those that differ.
    ///
    /// ## Repair safety
    /// Nothing is lost while both copies stand. Deleting one is final, so a copy of the data files
    /// comes first.
    ///
    /// ## By hand
    /// List the keys of each slot on both sides and compare; the printed steps show one slot.
    pub struct KeyOnTwoPrimaries { holder: NodeId, owner: NodeId, slots: SlotSet, keys: u64 }
    group: Data, severity: Warning, after: [SlotOwnerDisagreement, SlotClaimedTwice, SlotOpen],
    repair: [Gather], since: "0.1",
}

impl Finding for KeyOnTwoPrimaries {
    fn detect(seen: &Picture<'_>, out: &mut Sink<Self>) {
        let counted = counted::primaries(seen);
        for holder in counted.iter().filter(|one| !one.foreign.is_empty()) {
            for owner in counted.iter().filter(|other| other.id != holder.id) {
                let mut slots = holder.foreign.intersection(&owner.census.occupied());
                if holder.id > owner.id {
                    // Foreign to both: the pair is told once.
                    slots = slots.difference(&owner.foreign);
                }
                if slots.is_empty() {
                    continue;
                }
                let keys = keys_in(holder.census, &slots);
                let theirs = keys_in(owner.census, &slots);
                out.push(
                    Self { holder: holder.id, owner: owner.id, slots: slots.clone(), keys },
                    Subject::nodes([holder.id, owner.id]).with_slots(slots.clone()),
                    [
                        Evidence::first_hand(
                            holder.sighting,
                            format!("{keys} keys in slots {}, not mine", brief(&slots)),
                        ),
                        Evidence::first_hand(
                            owner.sighting,
                            format!("{theirs} keys in slots {}", brief(&slots)),
                        ),
                    ],
                );
            }
        }
    }

    fn message(&self, seen: &Picture<'_>) -> String {
        format!(
            "keys of slots {} lie at two primaries: {} of them at {}, which does not own the slots, \
             beside those of {}",
            brief(&self.slots),
            self.keys,
            seen.name(self.holder),
            seen.name(self.owner)
        )
    }

    fn by_hand(&self, seen: &Picture<'_>) -> ByHand {
        let Some(slot) = self.slots.first() else { return ByHand::of(Risk::ReadOnly) };
        let (holder, owner) = (seen.endpoint(self.holder), seen.endpoint(self.owner));
        let address =
            owner.as_ref().map_or_else(String::new, |to| format!("{} {}", to.host, to.port));
        ByHand::of(Risk::MayLoseData)
            .command(holder.clone(), format!("CLUSTER GETKEYSINSLOT {slot} 1000"))
            .command(owner, format!("CLUSTER GETKEYSINSLOT {slot} 1000"))
            .check("which names are on both sides; for each of the slots the same steps apply")
            .command(holder.clone(), format!("CLUSTER SETSLOT {slot} IMPORTING {}", self.owner))
            .then(format!(
                "at the holder: MIGRATE {address} \"\" 0 5000 KEYS ... with the names that only it \
                 has; a name that the owner has meanwhile is refused with BUSYKEY and stays"
            ))
            .then(
                "for names on both sides: read the holder's copy with ASKING before GET (or DUMP), \
                 let the application's owner choose, then DEL the wrong copy (ASKING before DEL)",
            )
            .command(holder, format!("CLUSTER SETSLOT {slot} STABLE"))
            .never("MIGRATE with REPLACE before the copies were compared: it overwrites the live value")
            .never("restart the holder to get rid of the copies: some of them may be the only ones")
    }

    fn scenario() -> Scenario {
        // The same names as the keys that the lab wrote through the owners.
        Scenario::of(3, 0).keys(300).send(1, "DEBUG POPULATE 300 key").census()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::observation::sketch::Sketch;
    use crate::observation::{Census, Said};

    fn holds(sketch: &mut Sketch, node: usize, keys: &[(u16, u64)]) {
        let census = Census { counted: SlotSet::all(), keys: keys.to_vec() };
        sketch.nodes[node].sighting.census = Said::This(census);
    }

    #[test]
    fn keys_on_both_sides_make_one_finding_for_the_pair() {
        let mut sketch = Sketch::healthy(3, 0);
        holds(&mut sketch, 0, &[(16_000, 2), (16_001, 2)]);
        holds(&mut sketch, 2, &[(16_000, 1), (16_002, 1)]);
        let found = sketch.detect::<KeyOnTwoPrimaries>(&ENTRY);
        assert_eq!(found.len(), 1, "{found:#?}");
        assert_eq!(found[0].subject.slots.to_string(), "16000");
        assert_eq!(found[0].evidence.len(), 2);
    }

    #[test]
    fn keys_that_only_one_primary_holds_are_not_this() {
        let mut sketch = Sketch::healthy(3, 0);
        holds(&mut sketch, 0, &[(1, 2), (16_001, 2)]);
        holds(&mut sketch, 2, &[(16_000, 1)]);
        assert_eq!(sketch.detect::<KeyOnTwoPrimaries>(&ENTRY), []);
    }
}
