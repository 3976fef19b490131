//! A primary that refuses writes because too few replicas are in sync.

use crate::diagnose::{ByHand, Evidence, Finding, Risk, Sink, Subject};
use crate::model::NodeId;
use crate::observation::Picture;
use crate::scenario::Scenario;

finding! {
    /// ## What it means
    /// A primary answers every write with `-NOREPLICAS Not enough good replicas to write.`,
    /// because fewer replicas are in sync than `min-replicas-to-write` asks for. Reads still work.
    ///
    /// ## How it comes about
    /// Replicas are down, lag behind `min-replicas-max-lag`, or were never there.
    ///
    /// ## What we look at
    /// `min-replicas-to-write` and `min_slaves_good_slaves` of each primary.
    ///
    /// ## The repair
    /// Bring the replicas back. Lowering the setting gives writes back at the price that it was
    /// set to avoid.
    ///
    /// ## Repair safety
    /// Bringing replicas back loses nothing. With the setting lowered, acknowledged writes may
    /// exist in one copy only.
    ///
    /// ## By hand
    /// `INFO replication` on the primary, mend its replicas; knowingly, `CONFIG SET
    /// min-replicas-to-write 0`.
    pub struct WritesRefusedMinReplicas { primary: NodeId, good: u64, wanted: u64 }
    group: Replication, severity: Critical, after: [
        NodeDown, NodeHung, NodeLoading, ReplicaLinkDown, ReplicaAuthFailed,
        RdbVersionIncompatible, OrphanedPrimary, AllAddressesStale, QuorumLost,
    ],
    settles: true,
    obstacle: "the setting does what it is for: it waits for replicas. Fewer copies instead are for a \
               person to choose",
    since: "0.1",
}

impl Finding for WritesRefusedMinReplicas {
    fn detect(seen: &Picture<'_>, out: &mut Sink<Self>) {
        for primary in seen.voters() {
            let (Some(info), Some(sighting)) = (seen.info_of(primary), seen.proved(primary)) else {
                continue;
            };
            let wanted = seen
                .config_of(primary)
                .and_then(|config| config.number("min-replicas-to-write"))
                .unwrap_or(0);
            let Some(good) = info.number("min_slaves_good_slaves") else { continue };
            if wanted == 0 || good >= wanted || !info.is("role", "master") {
                continue;
            }
            let text = format!("{good} good replicas, {wanted} are wanted for a write");
            let evidence = [Evidence::first_hand(sighting, text)];
            let subject = Subject::node(primary).with_nodes(seen.replicas_of(primary));
            out.push(Self { primary, good, wanted }, subject, evidence);
        }
    }

    fn message(&self, seen: &Picture<'_>) -> String {
        format!(
            "a primary refuses writes: {} of {} replicas in sync that min-replicas-to-write asks \
             for: {}",
            self.good,
            self.wanted,
            seen.name(self.primary)
        )
    }

    fn by_hand(&self, seen: &Picture<'_>) -> ByHand {
        let at = seen.endpoint(self.primary);
        ByHand::of(Risk::Reversible)
            .command(at.clone(), "INFO replication")
            .then("bring its replicas back into sync: that is what the setting waits for")
            .check("min_slaves_good_slaves is large enough again")
            .then(
                "only knowingly, if writes matter more than a second copy: CONFIG SET \
                 min-replicas-to-write with a smaller number on it",
            )
    }

    fn scenario() -> Scenario {
        Scenario::of(3, 0).bare().option("--min-replicas-to-write 1")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::observation::sketch::Sketch;

    fn with(good: &str) -> Sketch {
        let mut sketch = Sketch::healthy(3, 1);
        sketch.config(0, "min-replicas-to-write", "1").info(0, "min_slaves_good_slaves", good);
        sketch
    }

    #[test]
    fn too_few_good_replicas_are_found() {
        assert_eq!(with("0").detect::<WritesRefusedMinReplicas>(&ENTRY).len(), 1);
    }

    #[test]
    fn enough_are_not() {
        assert_eq!(with("1").detect::<WritesRefusedMinReplicas>(&ENTRY), []);
    }
}
