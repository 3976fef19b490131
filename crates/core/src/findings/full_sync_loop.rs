//! A replica that copies the whole data set again and again, and never gets to the end.

use crate::diagnose::{ByHand, Evidence, Finding, Risk, Sink, Subject};
use crate::model::NodeId;
use crate::observation::Picture;
use crate::scenario::{Act, Reply, Scenario, Until};

/// Full copies beyond one for each replica, from which on it is a loop: a replica that starts, a
/// failover and a network that broke for a while each cost one.
const LOOP_COPIES: u64 = 3;

/// Slower than one copy in so many seconds of the primary's life, the count may be of old times.
const SECONDS_PER_COPY: u64 = 600;

finding! {
    /// ## What it means
    /// The primary sends its whole data set, the replica does not get to the end of it, and both
    /// begin anew. The shard has no second copy meanwhile, and the primary pays for each attempt
    /// with a fork, memory and network.
    ///
    /// ## How it comes about
    /// The primary closes the link because what is written during the copy exceeds
    /// `client-output-buffer-limit replica`; the transfer takes longer than `repl-timeout`; the
    /// replica's disk is full; or a probe kills the replica while it loads.
    ///
    /// ## What we look at
    /// The full copies of the primary (`sync_full`) against its age and its replicas, while the
    /// link of a replica is down.
    ///
    /// ## The repair
    /// Remove the reason that the two logs name. The next copy then ends by itself.
    ///
    /// ## Repair safety
    /// Raising the limits costs memory on the primary. Restarting the primary helps nothing and may
    /// lose the only copy.
    ///
    /// ## By hand
    /// The primary's log at the moment the link breaks (`overcoming of output buffer limits`, or
    /// nothing), and the replica's (`No space left on device`, `Timeout receiving bulk data`).
    pub struct FullSyncLoop { replica: NodeId, primary: NodeId, copies: u64, age_s: u64 }
    group: Replication, severity: Error, after: [
        ReplicaAuthFailed, RdbVersionIncompatible, MtuBlackhole, NodeDown, NodeHung, NodeLoading,
        ShardDown, QuorumLost, DiskErrorMisconf, AofWriteError, MaxmemoryReached,
    ],
    settles: true,
    obstacle: "a limit, a disk or a probe ends each copy before it is whole: how much memory or \
               time to give it is for a person to choose",
    since: "0.1",
}

impl Finding for FullSyncLoop {
    fn detect(seen: &Picture<'_>, out: &mut Sink<Self>) {
        for (replica, _) in seen.members() {
            let Some(primary) = seen.primary_of(replica) else { continue };
            let down = seen.info_of(replica).is_some_and(|i| i.is("master_link_status", "down"));
            let (Some(lower), Some(upper)) = (seen.proved(replica), seen.proved(primary)) else {
                continue;
            };
            let Some(info) = upper.info.get().filter(|_| down) else { continue };
            let (Some(copies), Some(age_s)) =
                (info.number("sync_full"), info.number("uptime_in_seconds"))
            else {
                continue;
            };
            let replicas = u64::try_from(seen.replicas_of(primary).len()).unwrap_or(u64::MAX);
            let often = copies.saturating_mul(SECONDS_PER_COPY) >= age_s;
            if copies < replicas.saturating_add(LOOP_COPIES) || !often {
                continue;
            }
            let evidence = [
                Evidence::first_hand(upper, format!("sync_full:{copies} in {age_s} s")),
                Evidence::first_hand(lower, "master_link_status:down"),
            ];
            out.push(
                Self { replica, primary, copies, age_s },
                Subject::nodes([replica, primary]),
                evidence,
            );
        }
    }

    fn message(&self, seen: &Picture<'_>) -> String {
        format!(
            "a replica copies the whole data set again and again: {} copies in {} s, {} from {}",
            self.copies,
            self.age_s,
            seen.name(self.replica),
            seen.name(self.primary)
        )
    }

    fn by_hand(&self, seen: &Picture<'_>) -> ByHand {
        let primary = seen.endpoint(self.primary);
        ByHand::of(Risk::ReadOnly)
            .command(primary.clone(), "INFO clients")
            .command(primary, "CONFIG GET client-output-buffer-limit")
            .then(
                "read both logs at the moment the link breaks: 'overcoming of output buffer limits' \
                 at the primary, 'No space left on device' or 'Timeout receiving bulk data' at the \
                 replica",
            )
            .then(
                "raise client-output-buffer-limit replica, repl-timeout and repl-backlog-size on all \
                 nodes as far as their memory allows; or free the replica's disk; or let the probe \
                 tolerate loading",
            )
            .check("master_link_status:up at the replica, and sync_full of the primary stays")
            .never("restart or stop the primary: it may hold the only whole copy")
            .never("fail over to this replica: its copy is not whole")
    }

    fn scenario() -> Scenario {
        let write = format!("SET bar {}", "x".repeat(50_000));
        Scenario::of(3, 1)
            .keys(300)
            .send(0, "CONFIG SET client-output-buffer-limit \"replica 1mb 1mb 0\"")
            .send(0, "CONFIG SET rdb-key-save-delay 20000")
            // Redis 8 can keep what is written meanwhile at the replica; then no limit is met.
            .act(Act::Send(3, "CONFIG SET repl-rdb-channel no".to_owned(), Reply::Any))
            .act(Act::Repeat(0, write, 5))
            .send(0, "DEBUG CHANGE-REPL-ID")
            .send(0, "CLIENT KILL TYPE replica")
            .wait(Until::Field(3, "master_link_status", "down"))
            .within_ms(30_000)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::observation::sketch::Sketch;

    fn copies(count: &str, age_s: &str, link: &str) -> Sketch {
        let mut sketch = Sketch::healthy(3, 1);
        sketch.info(0, "sync_full", count);
        sketch.info(0, "uptime_in_seconds", age_s);
        sketch.info(3, "master_link_status", link);
        sketch
    }

    #[test]
    fn copies_without_end_are_found() {
        let found = copies("4", "60", "down").detect::<FullSyncLoop>(&ENTRY);
        assert_eq!(found.len(), 1, "{found:#?}");
        assert!(found[0].message.contains("4 copies in 60 s"), "{}", found[0].message);
    }

    #[test]
    fn a_few_a_lot_of_old_times_or_a_link_that_is_up_are_not() {
        for (count, age_s, link) in
            [("3", "60", "down"), ("9", "10000000", "down"), ("9", "60", "up")]
        {
            assert_eq!(copies(count, age_s, link).detect::<FullSyncLoop>(&ENTRY), [], "{count}");
        }
    }
}
