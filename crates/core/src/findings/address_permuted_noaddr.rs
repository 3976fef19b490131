//! A live node is listed without an address by some of the others.

use std::collections::BTreeSet;

use super::whereabouts::meet;
use crate::diagnose::{ByHand, Evidence, Finding, Risk, Severity, Sink, Subject};
use crate::model::{Flag, NodeId};
use crate::observation::Picture;
use crate::scenario::{At, Scenario, Server, Until};

finding! {
    /// ## What it means
    /// A node lives and answers, but other nodes list it as `:0@0 noaddr`. They neither dial nor
    /// ping it, their clients get `MOVED <slot> :0`, and the state stays `ok`: a node without
    /// address counts as reachable (Redis, and Valkey up to 8.0).
    ///
    /// ## How it comes about
    /// After a restart nodes got each other's old IPs. A peer that dials the recorded address and
    /// is answered by another id blanks the entry. Nodes without address are never dialled and
    /// never gossiped, so two nodes that swapped addresses can stay like this for ever on Redis
    /// 7.0 to 8.x; Valkey 8.1 and later mark the node `fail` and heal in about five seconds.
    ///
    /// Replicas that dial the recorded address reach a sibling and log `-NOMASTERLINK Can't SYNC
    /// while not connected with my master`.
    ///
    /// ## What we look at
    /// Rows with `noaddr` for an id that answered us somewhere. If no process holds the id it is
    /// `PRIMARY_NOADDR_MASKED`.
    ///
    /// ## The repair
    /// `CLUSTER MEET` of the true address, from one side of each pair. Then compare the epochs:
    /// the wrong node's epoch may have been credited to the entry
    /// (`EPOCH_CONTAMINATED_BY_FOREIGN_NODE`).
    ///
    /// ## Repair safety
    /// A MEET of a known id only corrects the address.
    ///
    /// ## By hand
    /// The commands are printed. Never forget the id without address: it may own slots.
    pub struct AddressPermutedNoaddr { pairs: Vec<(NodeId, NodeId)> }
    group: Addressing, severity: Error,
    after: [
        AllAddressesStale, DuplicateNodeIdLive, ClonedClusterHijack, AnnounceAddressWrong,
        SourceAddressMismatch, AddressReusedByForeignNode,
    ],
    settles: true, repair: [Meet], since: "0.1",
}

impl Finding for AddressPermutedNoaddr {
    fn detect(seen: &Picture<'_>, out: &mut Sink<Self>) {
        let mut pairs = Vec::new();
        let mut evidence = Vec::new();
        let mut owner = false;
        for (id, member) in seen.members() {
            let Some(sighting) = seen.proved(id) else { continue };
            for record in &member.rows {
                let row = seen.row(record.row);
                if !row.flags.has(Flag::NoAddress) {
                    continue;
                }
                owner |= !row.slots.is_empty();
                for observer in &record.by {
                    pairs.extend(seen.id_of(*observer).map(|other| (other, id)));
                    let says = format!("{} is {} without address", id.short(), row.flags);
                    evidence.push(Evidence::hearsay(seen.sighting(*observer), says));
                }
                evidence.push(Evidence::first_hand(sighting, format!("is {}", id.short())));
            }
        }
        if pairs.is_empty() {
            return;
        }
        let nodes: BTreeSet<NodeId> = pairs.iter().flat_map(|(a, b)| [*a, *b]).collect();
        let pushed = out.push(Self { pairs }, Subject::nodes(nodes), evidence);
        if !owner {
            pushed.severity(Severity::Warning);
        }
    }

    fn message(&self, seen: &Picture<'_>) -> String {
        let lost: BTreeSet<NodeId> = self.pairs.iter().map(|(_, lost)| *lost).collect();
        let names: Vec<String> = lost.iter().take(3).map(|id| seen.name(*id)).collect();
        let (who, them) = match lost.len() {
            1 => ("1 node lives and answers".to_owned(), "it"),
            many => (format!("{many} nodes live and answer"), "them"),
        };
        format!(
            "{who}, but others list {them} without an address (noaddr) and never look for {them}: {}",
            names.join(", ")
        )
    }

    fn by_hand(&self, seen: &Picture<'_>) -> ByHand {
        let mut steps = ByHand::of(Risk::Reversible);
        let mut done: BTreeSet<(NodeId, NodeId)> = BTreeSet::new();
        for (observer, lost) in &self.pairs {
            // One MEET heals both directions of a pair.
            if done.insert((*observer.min(lost), *observer.max(lost))) {
                steps = steps.command(seen.endpoint(*observer), meet(seen, *lost));
            }
        }
        steps
            .check("no node is listed with noaddr any more")
            .check("each node's cluster_my_epoch is the epoch that the others list for it")
            .never("CLUSTER FORGET of the node without address: it lives and may own slots")
    }

    fn scenario() -> Scenario {
        Scenario::of(3, 0)
            .stop(0)
            .stop(1)
            .stop(2)
            .start(0, At::Of(1))
            .start(1, At::Of(2))
            .start(2, At::Of(0))
            .wait(Until::State(0, "ok"))
            .wait(Until::State(1, "ok"))
            .wait(Until::State(2, "ok"))
            .wait(Until::Answers(1, "CLUSTER NODES".to_owned(), "noaddr".to_owned()))
            .also("EPOCH_CONTAMINATED_BY_FOREIGN_NODE")
            .not_on(Server::Valkey91, "marks the node as failed and heals by itself since 8.1")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::NodeAddress;
    use crate::observation::sketch::Sketch;
    use crate::observation::{LinkState, Silence};

    fn blank(sketch: &mut Sketch, observer: usize, about: usize) {
        sketch.row(observer, about, |row| {
            row.address = NodeAddress { bus_port: Some(0), ..NodeAddress::default() };
            row.flags = row.flags.with(Flag::NoAddress);
            row.link = LinkState::Disconnected;
        });
    }

    #[test]
    fn two_nodes_that_lost_each_other_need_one_meet() {
        let mut sketch = Sketch::healthy(3, 0);
        blank(&mut sketch, 0, 1);
        blank(&mut sketch, 1, 0);
        let found = sketch.detect::<AddressPermutedNoaddr>(&ENTRY);
        assert_eq!(found.len(), 1, "{found:#?}");
        let meets = format!("{:?}", found[0].by_hand.steps).matches("MEET").count();
        assert_eq!(meets, 1);
    }

    #[test]
    fn an_id_that_nobody_holds_is_another_finding() {
        let mut sketch = Sketch::healthy(3, 0);
        blank(&mut sketch, 0, 1);
        sketch.silence(1, Silence::Refused, Some(Silence::Refused));
        assert_eq!(sketch.detect::<AddressPermutedNoaddr>(&ENTRY), []);
    }
}
