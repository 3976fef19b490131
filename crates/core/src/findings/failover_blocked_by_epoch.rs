//! A replica that loses every election, because the voters hold a newer epoch for its primary.

use super::coverage::missed_by;
use crate::diagnose::{ByHand, Evidence, Finding, Risk, Sink, Subject};
use crate::model::{ConfigEpoch, NodeId};
use crate::observation::Picture;
use crate::scenario::{Act, At, ConfEdit, Scenario, Server, Until};

finding! {
    /// ## What it means
    /// A primary is dead, its replica asks for votes, and the voters refuse for ever: `Failover
    /// auth denied to <id>: slot <n> epoch (99) > reqEpoch (3)`. They have recorded a greater
    /// config epoch for the dead primary than its replica knows.
    ///
    /// ## How it comes about
    /// The primary raised its epoch and died before the replica heard of it; or a stranger at its
    /// old address leaked its own epoch into the voters' tables; or the replica was restored with
    /// an old `nodes.conf`.
    ///
    /// ## What we look at
    /// The config epoch of the dead primary in the voters' tables and in its replica's.
    ///
    /// ## The repair
    /// Bring the primary back, if its data can come back. Else `CLUSTER FAILOVER TAKEOVER` on the
    /// best replica: `FORCE` needs the same votes. Valkey since 8.1.2, 8.0.5 and 7.2.10 heals
    /// itself with the next election.
    ///
    /// ## Repair safety
    /// `TAKEOVER` asks nobody, so the primary must be dead for certain. It loses what had not been
    /// replicated.
    ///
    /// ## By hand
    /// Compare offsets of the replicas, prove that the primary is dead, then `CLUSTER FAILOVER
    /// TAKEOVER` on the best.
    pub struct FailoverBlockedByEpoch {
        replica: NodeId, primary: NodeId, known: ConfigEpoch, recorded: ConfigEpoch,
    }
    group: Replication, severity: Critical, after: [
        QuorumLost, AllAddressesStale, MinorityPartition, ReplicaTooStale, FailoverDisabled,
    ],
    settles: true, repair: [Promote], since: "0.1",
}

impl Finding for FailoverBlockedByEpoch {
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
                let Some(sighting) = seen.proved(replica) else { continue };
                let Some(me) = seen.sighting_at(&sighting.from) else { continue };
                let Some((row, _)) = seen.view_of(me, primary) else { continue };
                let known = row.epoch;
                let mut evidence = Vec::new();
                let mut recorded = known;
                for voter in seen.voters().into_iter().filter(|id| *id != primary) {
                    let Some(sighting) = seen.proved(voter) else { continue };
                    let Some(observer) = seen.sighting_at(&sighting.from) else { continue };
                    let Some((row, _)) = seen.view_of(observer, primary) else { continue };
                    if row.epoch > known {
                        recorded = recorded.max(row.epoch);
                        let text = format!("records epoch {} for the dead primary", row.epoch);
                        evidence.push(Evidence::first_hand(sighting, text));
                    }
                }
                if evidence.len() * 2 < seen.voters().len() {
                    continue;
                }
                let text = format!("knows only epoch {known} of its primary");
                evidence.push(Evidence::first_hand(sighting, text));
                evidence.extend(missed.clone());
                let subject = Subject::nodes([replica, primary]).with_slots(seen.slots_of(primary));
                out.push(Self { replica, primary, known, recorded }, subject, evidence);
            }
        }
    }

    fn message(&self, seen: &Picture<'_>) -> String {
        format!(
            "the replica of a dead primary is refused by the voters: they record epoch {}, it \
             knows {}: {} for {}",
            self.recorded,
            self.known,
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
            .check("it cannot come back, and is dead for certain: host off or volume detached")
            .command(replica.clone(), "INFO replication")
            .check("slave_repl_offset is the greatest among its replicas")
            .command(replica, "CLUSTER FAILOVER TAKEOVER")
            .check("all nodes show it as master with the slots")
            .never(format!(
                "TAKEOVER while {} may still run: fence it first (host off, volume detached), or two \
                 owners take writes and those of one are lost",
                seen.name(self.primary)
            ))
            .never("TAKEOVER on a replica with a smaller offset than another one has")
            .never("CLUSTER FAILOVER FORCE again and again: it needs the votes that are refused")
    }

    fn scenario() -> Scenario {
        let record = |on| Act::Conf(on, ConfEdit::Epoch { of: 0, epoch: 99 });
        Scenario::of(3, 1)
            .act(Act::Kill(1))
            .act(Act::Kill(2))
            .act(record(1))
            .act(record(2))
            .act(Act::Start(1, At::Same, Vec::new()))
            .act(Act::Start(2, At::Same, Vec::new()))
            .wait(Until::Settled)
            .kill(0)
            .wait(Until::Flag { on: 1, about: 0, flag: "fail" })
            .wait(Until::Flag { on: 3, about: 0, flag: "fail" })
            .not_on(
                Server::Valkey91,
                "a voter that refuses sends an update, and the next election wins",
            )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Flag;
    use crate::observation::sketch::Sketch;
    use crate::observation::{LinkState, Silence};

    fn dead_primary(recorded: u64) -> Sketch {
        let mut sketch = Sketch::healthy(3, 1);
        sketch.silence(0, Silence::Refused, Some(Silence::Refused));
        sketch.flagged(0, Flag::Failed, LinkState::Disconnected);
        for voter in [1, 2] {
            sketch.row(voter, 0, |row| row.epoch = ConfigEpoch(recorded));
        }
        sketch
    }

    #[test]
    fn a_newer_epoch_at_the_voters_is_found() {
        let found = dead_primary(99).detect::<FailoverBlockedByEpoch>(&ENTRY);
        assert_eq!(found.len(), 1, "{found:#?}");
        assert!(found[0].message.contains("they record epoch 99, it knows 1"));
    }

    #[test]
    fn the_same_epoch_is_not() {
        assert_eq!(dead_primary(1).detect::<FailoverBlockedByEpoch>(&ENTRY), []);
    }
}
