//! A replica that is configured never to take over.

use super::coverage::missed_by;
use crate::diagnose::{ByHand, Evidence, Finding, Risk, Severity, Sink, Subject};
use crate::model::{Flag, NodeId};
use crate::observation::Picture;
use crate::scenario::{Scenario, Until};

finding! {
    /// ## What it means
    /// A replica carries the flag `nofailover`: when its primary dies, it stays a replica, and
    /// nothing is logged. If it is the only replica of its shard, the shard has no failover.
    ///
    /// ## How it comes about
    /// `cluster-replica-no-failover yes` (`cluster-slave-no-failover` in old files): meant for a
    /// copy in a distant site, or left over from maintenance.
    ///
    /// ## What we look at
    /// The flag in `CLUSTER NODES`, the setting, and whether its primary is missed.
    ///
    /// ## The repair
    /// Allow it: `CONFIG SET cluster-replica-no-failover no`. A manual failover works either way.
    ///
    /// ## Repair safety
    /// With its primary dead, the replica stands for election at once and takes over with what it
    /// has, as any replica would.
    ///
    /// ## By hand
    /// `CONFIG SET cluster-replica-no-failover no` on the replica, then `CONFIG REWRITE`.
    pub struct FailoverDisabled { replica: NodeId, primary: Option<NodeId>, dead: bool }
    group: Replication, severity: Warning, after: [
        QuorumLost, AllAddressesStale, MinorityPartition,
    ],
    repair: [Settle], since: "0.1",
}

impl Finding for FailoverDisabled {
    fn detect(seen: &Picture<'_>, out: &mut Sink<Self>) {
        for (replica, _) in seen.members() {
            let disabled = [seen.own_row(replica), seen.usual_row(replica)]
                .into_iter()
                .flatten()
                .any(|row| row.flags.has(Flag::NoFailover) && row.flags.has(Flag::Replica));
            let Some(sighting) = seen.proved(replica).filter(|_| disabled) else { continue };
            let primary = seen.primary_of(replica);
            let missed = primary.map(|id| missed_by(seen, id)).unwrap_or_default();
            let dead = !missed.is_empty() && primary.is_some_and(|id| !seen.is_alive(id));
            // One of several replicas may be kept back on purpose.
            let alone = primary.is_some_and(|id| seen.replicas_of(id).len() == 1);
            let mut evidence = vec![Evidence::first_hand(sighting, "carries the flag nofailover")];
            if dead {
                evidence.extend(missed);
            }
            let severity = match (dead, alone) {
                (true, _) => Severity::Critical,
                (false, true) => Severity::Warning,
                (false, false) => Severity::Info,
            };
            let slots = primary.map(|id| seen.slots_of(id)).unwrap_or_default();
            let subject = Subject::node(replica).with_nodes(primary).with_slots(slots);
            out.push(Self { replica, primary, dead }, subject, evidence).severity(severity);
        }
    }

    fn message(&self, seen: &Picture<'_>) -> String {
        let replica = seen.name(self.replica);
        match self.primary.filter(|_| self.dead) {
            Some(primary) => format!(
                "the replica of a dead primary is configured not to take over: {replica} for {}",
                seen.name(primary)
            ),
            None => format!("a replica is configured never to take over: {replica}"),
        }
    }

    fn by_hand(&self, seen: &Picture<'_>) -> ByHand {
        let at = seen.endpoint(self.replica);
        let way = ByHand::of(if self.dead { Risk::MayLoseData } else { Risk::Reversible });
        let way = if self.dead {
            way.check("the primary cannot come back with its data: bringing it back loses nothing")
        } else {
            way.check("nobody wants it so: a copy in a distant site may be kept back on purpose")
        };
        way.command(at.clone(), "CONFIG SET cluster-replica-no-failover no")
            .command(at, "CONFIG REWRITE")
            .check("the flag nofailover is gone from CLUSTER NODES")
    }

    fn scenario() -> Scenario {
        Scenario::of(3, 1)
            .option_of(3, "--cluster-replica-no-failover yes")
            .kill(0)
            .wait(Until::Flag { on: 1, about: 0, flag: "fail" })
            .wait(Until::Flag { on: 3, about: 0, flag: "fail" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::observation::sketch::Sketch;

    #[test]
    fn the_flag_is_found() {
        let mut sketch = Sketch::healthy(3, 1);
        sketch.row(3, 3, |row| row.flags = row.flags.with(Flag::NoFailover));
        let found = sketch.detect::<FailoverDisabled>(&ENTRY);
        assert_eq!((found.len(), found[0].severity), (1, Severity::Warning));
    }

    #[test]
    fn ordinary_replicas_are_not() {
        assert_eq!(Sketch::healthy(3, 1).detect::<FailoverDisabled>(&ENTRY), []);
    }
}
