//! Slots that are not served while every node says `ok`.

use super::coverage::{failed_by, is_majority};
use crate::diagnose::{ByHand, Evidence, Finding, Risk, Sink, Subject};
use crate::model::{NodeId, SlotSet};
use crate::observation::Picture;
use crate::scenario::{Scenario, Server, Until};

finding! {
    /// ## What it means
    /// Some slots are not served: their owner is down, or they have none. Because
    /// `cluster-require-full-coverage` is `no`, the nodes still say `cluster_state:ok`. Only some
    /// keys fail, and an alarm on the state stays silent.
    ///
    /// ## How it comes about
    /// The setting is a choice: keep the other shards working when one is lost. Then the loss of a
    /// shard must be watched by slots, not by the state.
    ///
    /// ## What we look at
    /// `cluster_state:ok` together with slots whose owner most nodes mark as FAIL, or with slots
    /// without an owner.
    ///
    /// ## The repair
    /// That of `SHARD_DOWN` or `SLOTS_UNASSIGNED`, whichever stands below.
    ///
    /// ## Repair safety
    /// That of the finding below: bringing the owner back loses nothing, promoting a replica loses
    /// what had not been replicated.
    ///
    /// ## By hand
    /// Bring the owner back, or promote its replica. Put the alarm on `cluster_slots_fail` and
    /// `cluster_slots_assigned`.
    pub struct FullCoverageMasked { slots: SlotSet, owners: Vec<NodeId> }
    group: Slots, severity: Critical, after: [
        NodeIdentityLost, PrimaryNoaddrMasked, ForgotSlotOwner, ResetMistake, NodeLoading, NodeHung,
        ReplicaTooStale, FailoverDisabled, FailoverBlockedByEpoch, ClusterSplitIslands,
        FailoverNoVotes, ReplicationChainOrCycle,
    ],
    settles: true,
    repair: [Promote, GiveUp], since: "0.1",
}

impl Finding for FullCoverageMasked {
    fn detect(seen: &Picture<'_>, out: &mut Sink<Self>) {
        let says_ok: Vec<_> = seen
            .sightings()
            .filter(|(_, sighting)| {
                let ok = sighting.cluster_info.get().is_some_and(|i| i.is("cluster_state", "ok"));
                let off = sighting
                    .config
                    .get()
                    .is_some_and(|config| config.is("cluster-require-full-coverage", "no"));
                ok && off
            })
            .collect();
        let Some(agreed) = seen.agreed().filter(|_| !says_ok.is_empty()) else { return };
        let mut evidence = Vec::new();
        let mut slots = agreed.assigned.complement();
        let mut owners = Vec::new();
        for owner in seen.voters() {
            let failed = failed_by(seen, owner);
            if is_majority(seen, owner, &failed) {
                slots = slots.union(&seen.slots_of(owner));
                owners.push(owner);
                evidence.extend(failed);
            }
        }
        if slots.is_empty() {
            return;
        }
        evidence.extend(says_ok.iter().map(|(_, sighting)| {
            let text = "says cluster_state:ok with cluster-require-full-coverage no";
            Evidence::first_hand(sighting, text)
        }));
        let subject = Subject::nodes(owners.iter().copied()).with_slots(slots.clone());
        out.push(Self { slots, owners }, subject, evidence);
    }

    fn message(&self, seen: &Picture<'_>) -> String {
        let owners: Vec<String> = self.owners.iter().map(|id| seen.name(*id)).collect();
        let whose = if owners.is_empty() {
            "they have no owner".to_owned()
        } else {
            format!("their owner is down: {}", owners.join(", "))
        };
        format!("{} slots are not served although the state says ok; {whose}", self.slots.len())
    }

    fn by_hand(&self, seen: &Picture<'_>) -> ByHand {
        let owners: Vec<String> = self.owners.iter().map(|id| seen.name(*id)).collect();
        let way = ByHand::of(Risk::MayLoseData);
        let way = if owners.is_empty() {
            way.then(
                "find who holds keys of these slots (slotwright check --census) and give them back",
            )
        } else {
            way.then(format!(
                "bring {} back on its own data, or promote its replica",
                owners.join(", ")
            ))
        };
        way.then(
            "alarm on cluster_slots_fail > 0 and cluster_slots_assigned < 16384, not on the state",
        )
        .never("CLUSTER FORGET the dead primary while its data may come back")
    }

    fn scenario() -> Scenario {
        Scenario::of(3, 0)
            .option("--cluster-require-full-coverage no")
            .kill(0)
            .wait(Until::Flag { on: 1, about: 0, flag: "fail" })
            .wait(Until::Flag { on: 2, about: 0, flag: "fail" })
            .wait(Until::State(1, "ok"))
            .beyond_repair(&Server::ALL, "no replica, and nobody said that its disk is gone")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Flag;
    use crate::observation::LinkState;
    use crate::observation::sketch::Sketch;

    fn one_shard_down(coverage: &str) -> Sketch {
        let mut sketch = Sketch::healthy(3, 0);
        sketch.flagged(0, Flag::Failed, LinkState::Disconnected);
        for n in 0..3 {
            sketch.config(n, "cluster-require-full-coverage", coverage);
        }
        sketch
    }

    #[test]
    fn a_failed_owner_behind_an_ok_is_found() {
        let found = one_shard_down("no").detect::<FullCoverageMasked>(&ENTRY);
        assert_eq!(found.len(), 1, "{found:#?}");
        assert!(found[0].message.contains("although the state says ok"));
    }

    #[test]
    fn with_full_coverage_nothing_is_masked() {
        assert_eq!(one_shard_down("yes").detect::<FullCoverageMasked>(&ENTRY), []);
    }
}
