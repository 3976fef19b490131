//! Nodes are declared failed and come back, again and again, although they never stopped.

use crate::diagnose::{ByHand, Evidence, Finding, Risk, Sink, Subject};
use crate::observation::{Fields, Picture, Sighting};
use crate::scenario::{Act, Scenario, Until};

/// Elections and fail messages that one node must have seen since its start. A settled failover
/// shows one election; a rolling restart of three shards shows three.
const ELECTIONS_MIN: u64 = 4;

/// The least rate, in elections a day. A cluster that fails over more often than its hosts are
/// restarted is not restarted: it flaps.
const ELECTIONS_PER_DAY_MIN: u64 = 4;

/// The node timeout above which a stall long enough to count as failed is an outage by itself, in
/// milliseconds; the servers' default.
const TIMEOUT_MAX_MS: u64 = 15_000;

finding! {
    /// ## What it means
    /// Failovers without crashes: a node that is merely slow for a moment is declared failed, a
    /// replica takes over, the node comes back. Clients see short bursts of `CLUSTERDOWN` and
    /// `MOVED`; writes that were not replicated yet are lost each time.
    ///
    /// ## How it comes about
    /// `cluster-node-timeout` is shorter than the stalls of the machine: fork and copy-on-write,
    /// huge pages, swap, CPU limits, long scripts or `KEYS`, an AOF fsync on a shared disk, a
    /// migration of the virtual machine. In the logs `Marking node ... as failing` and `Clear FAIL
    /// state` come in pairs; epochs climb every day.
    ///
    /// ## What we look at
    /// How many elections (`cluster_stats_messages_auth-req_received`) and fail messages a voter
    /// has seen since it started, against its uptime, while all nodes live now; with the node
    /// timeout and `latest_fork_usec`. The counters do not tell why, so it stays a suspicion.
    ///
    /// ## The repair
    /// Raise `cluster-node-timeout` on **all** nodes to more than the longest stall, then remove
    /// the stall. All nodes must have the same value.
    ///
    /// ## Repair safety
    /// It counts at once. A failover after a real crash then takes longer by as much.
    ///
    /// ## By hand
    /// `LATENCY LATEST`, `SLOWLOG GET`, `INFO persistence` and the throttling counters of the
    /// container tell what stalls.
    pub struct TimeoutFlapping { elections: u64, uptime_s: u64, timeout_ms: u64 }
    group: Bus, severity: Warning,
    after: [
        AllAddressesStale, MinorityPartition, BusOneWayPartition, BusPortBlocked, MtuBlackhole,
        DuplicateNodeIdLive, NodeHung, NodeDown, ShardDown, QuorumLost, NodeLoading,
        FailoverBlockedByEpoch, ReplicaTooStale, PrimaryNoaddrMasked, FailoverNoVotes,
    ],
    obstacle: "the counters do not tell what stalls: a greater node timeout hides it, and delays \
               every true failover",
    since: "0.1",
}

impl Finding for TimeoutFlapping {
    fn detect(seen: &Picture<'_>, out: &mut Sink<Self>) {
        let timeout_ms = seen.node_timeout_ms();
        if timeout_ms > TIMEOUT_MAX_MS || !seen.members().all(|(id, _)| seen.is_alive(id)) {
            return;
        }
        let counted: Vec<(&Sighting, u64, u64)> =
            seen.sightings().filter_map(|(_, sighting)| count(sighting)).collect();
        let Some((_, elections, uptime_s)) = counted.iter().max_by_key(|(_, n, _)| *n).copied()
        else {
            return;
        };
        let mut evidence: Vec<Evidence> = counted
            .iter()
            .take(5)
            .map(|(sighting, elections, uptime_s)| {
                let says = format!("saw {elections} elections in {uptime_s} s since it started");
                Evidence::first_hand(sighting, says)
            })
            .collect();
        evidence.extend(forks(seen, timeout_ms));
        let found = Self { elections, uptime_s, timeout_ms };
        out.push(found, Subject::cluster(), evidence)
            .doubt("failovers by hand and real restarts are counted too; compare the logs");
    }

    fn message(&self, _: &Picture<'_>) -> String {
        format!(
            "{} elections in {} s although all nodes live: nodes are declared failed for being slow \
             (cluster-node-timeout is {} ms)",
            self.elections, self.uptime_s, self.timeout_ms
        )
    }

    fn by_hand(&self, seen: &Picture<'_>) -> ByHand {
        let mut steps = ByHand::of(Risk::Reversible)
            .check("LATENCY LATEST, SLOWLOG GET 10 and the logs name the stall and its length");
        let wanted = (2 * self.timeout_ms).max(15_000);
        for (_, sighting) in seen.sightings().filter(|(_, s)| s.myid.get().is_some()) {
            let command = format!("CONFIG SET cluster-node-timeout {wanted}");
            steps = steps.command(Some(sighting.from.clone()), command);
        }
        steps
            .then("write the same value into every node's configuration")
            .then("remove the stall: huge pages, swap, CPU limits, long commands, slow disks")
            .never("different timeouts on different nodes")
    }

    fn scenario() -> Scenario {
        let mut scenario = Scenario::of(3, 1);
        for (slow, heir) in [(0, 3), (3, 0), (0, 3), (3, 0), (0, 3)] {
            scenario = scenario
                .act(Act::Freeze(slow))
                .wait(Until::Field(heir, "role", "master"))
                .act(Act::Thaw(slow))
                .wait(Until::Field(slow, "role", "slave"))
                .wait(Until::Settled);
        }
        scenario
    }
}

/// Elections and uptime, if they are enough to speak of.
fn count(sighting: &Sighting) -> Option<(&Sighting, u64, u64)> {
    let stats = sighting.cluster_info.get()?;
    let elections = stats.number("cluster_stats_messages_auth-req_received")?;
    let fails = stats.number("cluster_stats_messages_fail_received").unwrap_or(0)
        + stats.number("cluster_stats_messages_fail_sent").unwrap_or(0);
    let uptime_s = sighting.info.get()?.number("uptime_in_seconds")?;
    let often = elections >= ELECTIONS_MIN
        && fails >= ELECTIONS_MIN
        && elections * 86_400 >= ELECTIONS_PER_DAY_MIN * uptime_s;
    often.then_some((sighting, elections, uptime_s))
}

/// Forks that took a good part of the node timeout.
fn forks(seen: &Picture<'_>, timeout_ms: u64) -> Vec<Evidence> {
    let slow =
        |info: &Fields| info.number("latest_fork_usec").filter(|us| us / 1000 * 2 >= timeout_ms);
    seen.sightings()
        .filter_map(|(_, sighting)| {
            let us = slow(sighting.info.get()?)?;
            Some(Evidence::first_hand(sighting, format!("the latest fork took {} ms", us / 1000)))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnose::Certainty;
    use crate::observation::sketch::Sketch;

    fn elections(number: &str) -> Sketch {
        let mut sketch = Sketch::healthy(3, 1);
        for n in 0..3 {
            sketch.cluster_info(n, "cluster_stats_messages_auth-req_received", number);
            sketch.cluster_info(n, "cluster_stats_messages_fail_received", number);
        }
        sketch
    }

    #[test]
    fn many_elections_in_a_day() {
        let found = elections("9").detect::<TimeoutFlapping>(&ENTRY);
        assert_eq!(found.len(), 1, "{found:#?}");
        assert!(matches!(found[0].certainty, Certainty::Suspected(_)));
    }

    #[test]
    fn a_settled_failover_is_no_flapping() {
        assert_eq!(elections("1").detect::<TimeoutFlapping>(&ENTRY), []);
    }
}
