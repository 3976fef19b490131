//! A live replica that may not take over, because it was without its primary for too long.

use super::coverage::missed_by;
use crate::diagnose::{ByHand, Evidence, Finding, Risk, Sink, Subject};
use crate::model::NodeId;
use crate::observation::Picture;
use crate::scenario::{Scenario, Until};

finding! {
    /// ## What it means
    /// A primary has failed, its replica lives, and the replica refuses to stand for election: its
    /// link to the primary had been down for too long. It logs `Currently unable to failover:
    /// Disconnected from master for longer than allowed`. The shard stays down.
    ///
    /// ## How it comes about
    /// The link was broken before the primary died; or the whole shard restarted and only the
    /// replica came back. A replica that has never been connected since its start counts as too
    /// old for ever, even with a complete data set.
    ///
    /// ## What we look at
    /// The failed primary, `master_link_down_since_seconds` of its replica (-1: never connected
    /// since the start), and `cluster-replica-validity-factor` times the node timeout.
    ///
    /// ## The repair
    /// Bring the primary back. If its data cannot come back, force the failover to the replica with
    /// the greatest offset.
    ///
    /// ## Repair safety
    /// `CLUSTER FAILOVER FORCE` passes over the age check and loses what was written after the link
    /// broke. It needs a majority, as it should; `TAKEOVER` does not and is not needed here.
    ///
    /// ## By hand
    /// Start the primary on its own data. Otherwise compare `slave_repl_offset` of all its replicas
    /// and send `CLUSTER FAILOVER FORCE` to the best.
    pub struct ReplicaTooStale { replica: NodeId, primary: NodeId, down_for_s: i64 }
    group: Replication, severity: Critical, after: [
        QuorumLost, AllAddressesStale, MinorityPartition, FailoverDisabled, BusPortBlocked,
        NodeLoading, NodeHung, DuplicateNodeIdLive, ClonedClusterHijack, RdbVersionIncompatible,
        ReplicaAuthFailed, ClusterSplitIslands, PrimaryNoaddrMasked, NodeIdentityLost,
        ReplicationChainOrCycle,
    ],
    settles: true, repair: [Promote], since: "0.1",
}

impl Finding for ReplicaTooStale {
    fn detect(seen: &Picture<'_>, out: &mut Sink<Self>) {
        for primary in seen.voters() {
            if seen.is_alive(primary) {
                continue;
            }
            let missed = missed_by(seen, primary);
            if missed.is_empty() {
                continue;
            }
            for replica in seen.replicas_of(primary) {
                let (Some(info), Some(config)) = (seen.info_of(replica), seen.config_of(replica))
                else {
                    continue;
                };
                let factor = config.number("cluster-replica-validity-factor").unwrap_or(10);
                let ping_s = config.number("repl-ping-replica-period").unwrap_or(10);
                let allowed_s = ping_s + seen.node_timeout_ms() * (factor + 1) / 1000;
                let down_for_s = info.signed("master_link_down_since_seconds").unwrap_or(0);
                let never = down_for_s < 0;
                let too_long = u64::try_from(down_for_s).is_ok_and(|s| s > allowed_s);
                let down = info.is("master_link_status", "down");
                if factor == 0 || !down || !(never || too_long) {
                    continue;
                }
                let Some(sighting) = seen.proved(replica) else { continue };
                let text = if never {
                    "was never connected to its primary since it started".to_owned()
                } else {
                    format!("link down for {down_for_s} s, {allowed_s} s are allowed")
                };
                let mut evidence = missed.clone();
                evidence.push(Evidence::first_hand(sighting, text));
                let subject = Subject::nodes([replica, primary]).with_slots(seen.slots_of(primary));
                out.push(Self { replica, primary, down_for_s }, subject, evidence);
            }
        }
    }

    fn message(&self, seen: &Picture<'_>) -> String {
        let why = if self.down_for_s < 0 {
            "it was never connected since it started".to_owned()
        } else {
            format!("its link was down for {} s", self.down_for_s)
        };
        format!(
            "the replica of a dead primary may not be elected, because {why}: {} for {}",
            seen.name(self.replica),
            seen.name(self.primary)
        )
    }

    fn by_hand(&self, seen: &Picture<'_>) -> ByHand {
        let replica = seen.endpoint(self.replica);
        ByHand::of(Risk::MayLoseData)
            .then(format!(
                "bring {} back on its own data: nothing is lost",
                seen.name(self.primary)
            ))
            .check("it cannot come back and is off for certain; only then go on")
            .command(replica.clone(), "INFO replication")
            .check("slave_repl_offset is the greatest among its replicas, and its keys are there")
            .command(replica, "CLUSTER FAILOVER FORCE")
            .check("it shows as master with the slots")
            .never("CLUSTER FAILOVER TAKEOVER: FORCE is enough, and it asks the majority")
            .never("CLUSTER RESET on the replica: it may hold the last copy")
    }

    fn scenario() -> Scenario {
        Scenario::of(3, 1)
            .option("--appendonly yes")
            .kill(0)
            .kill(3)
            .start(3, crate::scenario::At::Same)
            .wait(Until::Flag { on: 1, about: 0, flag: "fail" })
            .wait(Until::Flag { on: 3, about: 0, flag: "fail" })
            .wait(Until::NoFlag { on: 1, about: 3, flag: "fail" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Flag;
    use crate::observation::sketch::Sketch;
    use crate::observation::{LinkState, Silence};

    fn dead_primary(since: &str, factor: &str) -> Sketch {
        let mut sketch = Sketch::healthy(3, 1);
        sketch.silence(0, Silence::Refused, Some(Silence::Refused));
        sketch.flagged(0, Flag::Failed, LinkState::Disconnected);
        sketch.info(3, "master_link_status", "down");
        sketch.info(3, "master_link_down_since_seconds", since);
        sketch.config(3, "cluster-replica-validity-factor", factor);
        sketch
    }

    #[test]
    fn never_connected_or_too_long_is_found() {
        for since in ["-1", "100000"] {
            let found = dead_primary(since, "10").detect::<ReplicaTooStale>(&ENTRY);
            assert_eq!(found.len(), 1, "{since}: {found:#?}");
        }
    }

    #[test]
    fn a_short_break_or_no_limit_is_not() {
        assert_eq!(dead_primary("5", "10").detect::<ReplicaTooStale>(&ENTRY), []);
        assert_eq!(dead_primary("-1", "0").detect::<ReplicaTooStale>(&ENTRY), []);
    }
}
