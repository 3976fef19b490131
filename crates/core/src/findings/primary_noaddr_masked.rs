//! A slot owner has no address any more, and the cluster still says that all is well.

use super::counted::brief;
use crate::diagnose::{ByHand, Evidence, Finding, Risk, Sink, Subject};
use crate::model::{Flag, NodeId, SlotSet};
use crate::observation::Picture;
use crate::scenario::{At, Scenario, Server, Until};

finding! {
    /// ## What it means
    /// A primary that owns slots is listed as `:0@0 master,noaddr`. Nobody can reach it and nobody
    /// tries: its slots are not served. Yet `cluster_state` is `ok`, no slot counts as failed, and
    /// no replica takes over.
    ///
    /// ## How it comes about
    /// Somebody with another id answered at its address: a recycled pod IP, a node that lost its
    /// identity, a reset. A peer that gets such an answer blanks the address. A node without
    /// address is never pinged again, so it never becomes `fail?`, so it never becomes `fail`, so
    /// there is no election and no change of state (Redis, and Valkey up to 8.0; Valkey 8.1 and
    /// later mark it `fail`). Nothing is logged below debug level.
    ///
    /// Clients see `MOVED 12182 :0`, `getaddrinfo ENOTFOUND`, or StackExchange's `does not
    /// identify a node that can be connected to`, for this shard only.
    ///
    /// ## What we look at
    /// Rows with slots and `noaddr` but without `fail`, for an id that no process holds. If a
    /// process with that id is alive elsewhere it is `ADDRESS_PERMUTED_NOADDR`.
    ///
    /// ## The repair
    /// If the process can be brought back with its `nodes.conf`: start it, and MEET its address
    /// from any member. Else let its best replica take over with `CLUSTER FAILOVER FORCE`; a plain
    /// `CLUSTER FAILOVER` is refused because there is no link to the primary. Then forget the dead
    /// id. Where there is neither, its keys are lost: `recover --gone ID` gives its slots to the
    /// others, and to the empty node that came in its place.
    ///
    /// ## Repair safety
    /// Starting and MEET lose nothing. Before a replica takes over, make sure that it did not copy
    /// the data of whoever sits on the old address now: it dials an address and checks no
    /// identity.
    ///
    /// ## By hand
    /// The commands are printed. `TAKEOVER` only when no majority can vote. Never believe
    /// `cluster_state:ok` by itself: alarm on `noaddr` beside slots.
    pub struct PrimaryNoaddrMasked { id: NodeId, slots: SlotSet }
    group: Addressing, severity: Critical,
    after: [
        AllAddressesStale, NodeIdentityLost, AddressReusedByForeignNode, ClonedClusterHijack,
        DuplicateNodeIdLive, ClusterSplitIslands,
    ],
    repair: [Meet, GiveUp], since: "0.1",
}

impl Finding for PrimaryNoaddrMasked {
    fn detect(seen: &Picture<'_>, out: &mut Sink<Self>) {
        for (id, member) in seen.members() {
            if seen.is_alive(id) {
                continue;
            }
            let mut slots = SlotSet::new();
            let mut evidence = Vec::new();
            for record in &member.rows {
                let row = seen.row(record.row);
                let masked = row.flags.has(Flag::NoAddress) && !row.flags.has(Flag::Failed);
                if !masked || row.slots.is_empty() {
                    continue;
                }
                slots = slots.union(&row.slots);
                evidence.extend(record.by.iter().map(|n| {
                    let sighting = seen.sighting(*n);
                    let state = sighting.cluster_info.get().and_then(|i| i.get("cluster_state"));
                    let says = format!(
                        "{} is {} and owns {}; cluster_state:{}",
                        id.short(),
                        row.flags,
                        row.slots,
                        state.unwrap_or("unknown")
                    );
                    Evidence::hearsay(sighting, says)
                }));
            }
            if !slots.is_empty() {
                let subject = Subject::node(id).with_slots(slots.clone());
                out.push(Self { id, slots }, subject, evidence);
            }
        }
    }

    fn message(&self, _: &Picture<'_>) -> String {
        format!(
            "the owner of slots {} has no address any more: nobody serves them and nobody takes \
             over, while the state says ok: {}",
            brief(&self.slots),
            self.id.short()
        )
    }

    fn by_hand(&self, seen: &Picture<'_>) -> ByHand {
        let steps = ByHand::of(Risk::Reversible).then(format!(
            "if the process of {} can be started with its own nodes.conf, start it, MEET its address \
             from any member, and stop here",
            self.id
        ));
        let heirs = seen.replicas_of(self.id);
        let Some(heir) = heirs.iter().copied().find(|id| seen.proved(*id).is_some()) else {
            return steps
                .then(
                    "no live replica was found: restore the node from a backup of its directory; \
                     its keys are nowhere else",
                )
                .never("redis-cli --cluster fix: it gives the slots to empty nodes");
        };
        let mut steps = steps
            .check(format!(
                "{} did not copy a foreign data set: its keys (INFO keyspace, a few GETs) are ours",
                seen.name(heir)
            ))
            .command(seen.endpoint(heir), "CLUSTER FAILOVER FORCE")
            .check("it is a primary and owns the slots; then, within 60 seconds:");
        steps.risk = Risk::DropsCopy;
        for observer in seen.observers() {
            let at = seen.sighting(observer).from.clone();
            steps = steps.command(Some(at), format!("CLUSTER FORGET {}", self.id));
        }
        steps.never("CLUSTER FORGET of the id while it owns the slots")
    }

    fn scenario() -> Scenario {
        Scenario::of(3, 0)
            .keys(1_000)
            .kill(2)
            .stranger(At::Of(2))
            .wait(Until::Flag { on: 0, about: 2, flag: "noaddr" })
            .wait(Until::Flag { on: 1, about: 2, flag: "noaddr" })
            .kill(3)
            .beyond_repair(&Server::ALL, "the primary does not run any more")
            .not_on(Server::Valkey91, "marks an owner without address as failed since 8.1")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::NodeAddress;
    use crate::observation::sketch::Sketch;
    use crate::observation::{LinkState, Silence};

    fn blanked(replicas: usize, failed: bool) -> Sketch {
        let mut sketch = Sketch::healthy(3, replicas);
        sketch.silence(2, Silence::Refused, Some(Silence::Refused));
        sketch.rows_about(2, |row| {
            row.address = NodeAddress { bus_port: Some(0), ..NodeAddress::default() };
            row.flags = row.flags.with(Flag::NoAddress);
            if failed {
                row.flags = row.flags.with(Flag::Failed);
            }
            row.link = LinkState::Disconnected;
        });
        sketch
    }

    #[test]
    fn an_owner_without_address_is_found_behind_an_ok() {
        let found = blanked(0, false).detect::<PrimaryNoaddrMasked>(&ENTRY);
        assert_eq!(found.len(), 1, "{found:#?}");
        assert_eq!(found[0].evidence.len(), 2);
        assert!(!found[0].subject.slots.is_empty());
    }

    #[test]
    fn a_live_replica_is_told_to_take_over_by_force() {
        let found = blanked(1, false).detect::<PrimaryNoaddrMasked>(&ENTRY);
        let text = format!("{:?}", found[0].by_hand.steps);
        assert!(text.contains("FORCE") && text.contains("10.0.0.6:6379"), "{text}");
    }

    #[test]
    fn once_it_is_failed_nothing_is_masked() {
        assert_eq!(blanked(0, true).detect::<PrimaryNoaddrMasked>(&ENTRY), []);
    }
}
