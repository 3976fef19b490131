//! A primary that owns no slot.

use super::coverage::keys_of;
use crate::diagnose::{ByHand, Evidence, Finding, Risk, Severity, Sink, Subject};
use crate::model::NodeId;
use crate::observation::{Picture, Role};
use crate::scenario::{Act, At, Scenario, Until};

finding! {
    /// ## What it means
    /// A primary is a member but owns no slot. It serves nothing, it does not vote, and its
    /// replicas protect nothing. If it holds keys, nobody can reach them.
    ///
    /// ## How it comes about
    /// A node was added and nothing was resharded to it; its last slot was moved away; or it
    /// returned after its slots had gone to others.
    ///
    /// ## What we look at
    /// Nodes that say they are primaries, and whether any node gives them a slot; their keys.
    ///
    /// ## The repair
    /// Without keys: make it a replica, or reshard slots to it. With keys: find out whose they are
    /// first.
    ///
    /// ## Repair safety
    /// Making a node a replica empties it, which is why keys come first.
    ///
    /// ## By hand
    /// `CLUSTER REPLICATE <id of a primary>` on it, or a reshard towards it.
    pub struct EmptyPrimary { id: NodeId, keys: u64 }
    group: Slots, severity: Warning, after: [
        NodeIdentityLost, ResetMistake, OrphanDataNode, ForgetNodeReturns, ForgotSlotOwner,
        SlotsUnassigned, ClusterSplitIslands, AllAddressesStale, ForgottenNodeZombie, TooFewVoters,
        ClusterDisabledOnNode, LeftoverState, SourceAddressMismatch, MembershipAsymmetric,
        HandshakeNeverCompletes, AddressReusedByForeignNode, LoopbackAddress, BusPortWrong,
        PrimaryNoaddrMasked, BusPortBlocked, SinglePrimaryOwnsAll, ShardIdDiverged,
    ],
    settles: true, repair: [Attach], since: "0.1",
}

impl Finding for EmptyPrimary {
    fn detect(seen: &Picture<'_>, out: &mut Sink<Self>) {
        for (id, member) in seen.members() {
            let Some(sighting) = seen.proved(id) else { continue };
            let is_member = !member.rows.is_empty();
            let owns = seen.opinions().iter().any(|opinion| opinion.owners.contains_key(&id));
            if seen.role(id) != Some(Role::Primary) || owns || !is_member {
                continue;
            }
            let keys = keys_of(seen, id).unwrap_or(0);
            let text = format!("is a primary without slots, with {keys} keys");
            let evidence = [Evidence::first_hand(sighting, text)];
            let severity = if keys > 0 { Severity::Error } else { Severity::Warning };
            out.push(Self { id, keys }, Subject::node(id), evidence).severity(severity);
        }
    }

    fn message(&self, seen: &Picture<'_>) -> String {
        let keys = match self.keys {
            0 => String::new(),
            keys => format!(" and holds {keys} keys that nobody can reach"),
        };
        format!("a primary owns no slot{keys}: {}", seen.name(self.id))
    }

    fn by_hand(&self, seen: &Picture<'_>) -> ByHand {
        let at = seen.endpoint(self.id);
        if self.keys > 0 {
            return ByHand::of(Risk::ReadOnly)
                .command(at.clone(), "INFO keyspace")
                .command(at, "INFO persistence")
                .then(
                    "copy its dump and find out whose keys they are: compare with the owners of \
                     their slots (slotwright check --census), bring over what is missing there",
                )
                .never(
                    "CLUSTER REPLICATE on it before its keys are known elsewhere: it empties it",
                );
        }
        let primary = seen.voters().into_iter().min_by_key(|id| seen.replicas_of(*id).len());
        let steps = ByHand::of(Risk::Reversible).then("either reshard slots to it");
        let Some(primary) = primary else { return steps };
        steps
            .then("or make it a replica of the primary with the fewest:")
            .command(at.clone(), "DBSIZE")
            .check("0: what it holds is dropped by the next step")
            .command(at, format!("CLUSTER REPLICATE {primary}"))
    }

    fn scenario() -> Scenario {
        Scenario::of(3, 0)
            .act(Act::Stranger {
                at: At::Fresh,
                options: vec!["--cluster-enabled".to_owned(), "yes".to_owned()],
                server: None,
            })
            .send(0, "CLUSTER MEET {ip3} {port3} {cport3}")
            .wait(Until::Knows { on: 1, about: 3, known: true })
            .wait(Until::Knows { on: 3, about: 2, known: true })
            .wait(Until::State(3, "ok"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Flag, SlotSet};
    use crate::observation::sketch::Sketch;

    fn with_empty() -> Sketch {
        let mut sketch = Sketch::healthy(3, 1);
        for observer in 0..6 {
            sketch.row(observer, 5, |row| {
                row.flags = row.flags.without(Flag::Replica).with(Flag::Primary);
                row.primary = None;
                row.slots = SlotSet::new();
            });
        }
        sketch.info(5, "role", "master");
        sketch
    }

    #[test]
    fn a_primary_without_slots_is_found_and_keys_make_it_worse() {
        let found = with_empty().detect::<EmptyPrimary>(&ENTRY);
        assert_eq!((found.len(), found[0].severity), (1, Severity::Warning));
        let mut sketch = with_empty();
        sketch.info(5, "db0", "keys=12,expires=0,avg_ttl=0");
        let found = sketch.detect::<EmptyPrimary>(&ENTRY);
        assert_eq!(found[0].severity, Severity::Error);
        assert!(found[0].message.contains("12 keys"));
    }

    #[test]
    fn primaries_with_slots_are_not() {
        assert_eq!(Sketch::healthy(3, 1).detect::<EmptyPrimary>(&ENTRY), []);
    }
}
