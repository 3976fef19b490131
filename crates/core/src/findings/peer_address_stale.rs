//! Some nodes seek a live node at an address where it no longer is.

use std::collections::BTreeSet;

use super::whereabouts::{Place, is_at, meet, place};
use crate::diagnose::{ByHand, Evidence, Finding, Risk, Sink, Subject};
use crate::model::{Endpoint, NodeId};
use crate::observation::{LinkState, NodeRow, Picture};
use crate::scenario::{Act, At, ConfEdit, Scenario, Until};

finding! {
    /// ## What it means
    /// A node lives and answers, but some of the others still dial an address where it was before.
    /// They flag it `fail?`; if enough of them are primaries, they declare it failed.
    ///
    /// ## How it comes about
    /// A node restarted with a new IP. The others learn it when the node pings them (it needs a
    /// true address of theirs), or by gossip, but only about a node that they already flag. Where
    /// both ways are shut, for instance because the moved node's own table is old too, the entry
    /// stays. `Address updated for node` in a log is the moment at which it heals.
    ///
    /// ## What we look at
    /// For each node that answered: the address that others record for its id, against the address
    /// where it really answered, where the observer has no working link. When no recorded address
    /// is true at all it is `ALL_ADDRESSES_STALE`.
    ///
    /// ## The repair
    /// Wait for two node timeouts; it mostly heals by itself. Else send `CLUSTER MEET` with the
    /// true address to each node that has the old one. A replica that still dials the old address
    /// of its primary although its table is right is pointed anew, on Redis, with `CLUSTER
    /// REPLICATE` of the same primary.
    ///
    /// ## Repair safety
    /// A MEET of a known id only corrects the address.
    ///
    /// ## By hand
    /// The commands are printed. Never forget the entry: its id is alive elsewhere.
    pub struct PeerAddressStale { id: NodeId, old: Endpoint, by: Vec<NodeId> }
    group: Addressing, severity: Error,
    after: [
        AllAddressesStale, DuplicateNodeIdLive, ClonedClusterHijack, AnnounceAddressWrong,
        SourceAddressMismatch, LoopbackAddress, HostnameAsAnnounceIp, IllegalAddress,
        DualStackMismatch,
    ],
    settles: true, repair: [Meet], since: "0.1",
}

impl Finding for PeerAddressStale {
    fn detect(seen: &Picture<'_>, out: &mut Sink<Self>) {
        for (id, member) in seen.members().filter(|(_, member)| !member.proved.is_empty()) {
            let mut by = BTreeSet::new();
            let mut evidence = Vec::new();
            let mut recorded = None;
            for record in &member.rows {
                let row = seen.row(record.row);
                let (Place::Wrong, Some(old)) = (place(seen, row), row.address.client()) else {
                    continue;
                };
                for observer in &record.by {
                    if reaches_back(seen, id, *observer) {
                        continue;
                    }
                    by.extend(seen.id_of(*observer));
                    evidence.push(Evidence::first_hand(
                        seen.sighting(*observer),
                        format!("seeks {} at {old} ({}, no answer)", id.short(), row.flags),
                    ));
                }
                recorded.get_or_insert(old);
            }
            let (Some(old), false) = (recorded, by.is_empty()) else { continue };
            if let Some(sighting) = seen.proved(id) {
                evidence.push(Evidence::first_hand(sighting, format!("is {}", id.short())));
            }
            let subject = Subject::nodes(by.iter().copied().chain([id]));
            out.push(Self { id, old, by: by.into_iter().collect() }, subject, evidence);
        }
    }

    fn message(&self, seen: &Picture<'_>) -> String {
        format!(
            "{} of the other nodes still seek {} at {}, where it no longer is",
            self.by.len(),
            seen.name(self.id),
            self.old
        )
    }

    fn by_hand(&self, seen: &Picture<'_>) -> ByHand {
        let wait_s = (2 * seen.node_timeout_ms()).div_ceil(1000);
        let mut steps = ByHand::of(Risk::Reversible)
            .check(format!("it is still so after {wait_s} s (two node timeouts)"));
        for observer in &self.by {
            steps = steps.command(seen.endpoint(*observer), meet(seen, self.id));
        }
        steps
            .check("CLUSTER NODES shows the new address, connected")
            .never("CLUSTER FORGET of the entry: its id is alive at another address")
    }

    fn scenario() -> Scenario {
        Scenario::of(3, 0)
            .node_timeout_ms(60_000)
            .stop(2)
            .act(Act::Conf(2, ConfEdit::Replace("{ip0}:".to_owned(), "127.0.255.9:".to_owned())))
            .start(2, At::Fresh)
            .wait(Until::State(2, "ok"))
            .wait(Until::Answers(1, "CLUSTER NODES".to_owned(), "{ip2}:".to_owned()))
    }
}

/// Whether the node itself has a working link to the observer: then the observer has heard it
/// after it moved, and took this address from the connection.
fn reaches_back(seen: &Picture<'_>, id: NodeId, observer: usize) -> bool {
    let Some(other) = seen.id_of(observer) else { return false };
    let works = |row: &NodeRow| {
        row.link == LinkState::Connected
            && !super::whereabouts::is_out_of_reach(row)
            && is_at(seen, other, &row.address)
    };
    seen.member(id).is_some_and(|member| {
        member.proved.iter().any(|n| seen.view_of(*n, other).is_some_and(|(row, _)| works(row)))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Flag;
    use crate::observation::sketch::Sketch;

    fn moved() -> Sketch {
        let mut sketch = Sketch::healthy(3, 0);
        sketch.moves(2, "10.0.9.3");
        // Node 1 has learnt it; node 0 and the moved one miss each other.
        sketch.row(1, 2, |row| row.address.ip = "10.0.9.3".to_owned());
        for (a, b) in [(0, 2), (2, 0)] {
            sketch.row(a, b, |row| {
                row.flags = row.flags.with(Flag::Suspected);
                row.link = LinkState::Disconnected;
            });
        }
        sketch
    }

    #[test]
    fn one_observer_seeks_the_old_address() {
        let found = moved().detect::<PeerAddressStale>(&ENTRY);
        assert_eq!(found.len(), 1, "{found:#?}");
        assert_eq!(found[0].subject, Subject::nodes([Sketch::id(0), Sketch::id(2)]));
        let steps = format!("{:?}", found[0].by_hand.steps);
        assert!(steps.contains("10.0.9.3"), "{steps}");
    }

    #[test]
    fn a_right_address_without_a_link_is_no_stale_address() {
        let mut sketch = Sketch::healthy(3, 0);
        sketch.flagged(2, Flag::Failed, LinkState::Disconnected);
        assert_eq!(sketch.detect::<PeerAddressStale>(&ENTRY), []);
    }
}
