//! A primary that restarted without its data, and whose replicas copied the emptiness.

use super::coverage::keys_of;
use crate::diagnose::{ByHand, Evidence, Finding, Risk, Sink, Subject};
use crate::model::NodeId;
use crate::observation::Picture;
use crate::scenario::{At, Scenario, Until};

finding! {
    /// ## What it means
    /// One shard holds no key at all while the others hold many, its primary started not long ago,
    /// and it keeps nothing on disk. It probably came back empty before anybody noticed that it
    /// was gone, and its replicas then copied the empty data set. Every node says `ok`.
    ///
    /// ## How it comes about
    /// No persistence (`save ""`, no AOF) or an ephemeral volume, and a container that restarts
    /// faster than the node timeout: same id, same address, no failover.
    ///
    /// ## What we look at
    /// Keys of the shards, the uptime of the primary, and its persistence settings. It is a
    /// suspicion: an application may really have no key in these slots.
    ///
    /// ## The repair
    /// If a replica still holds keys: promote it before it synchronises. Else only a backup has
    /// them.
    ///
    /// ## Repair safety
    /// Promoting a replica that holds the keys loses nothing but what was written since.
    ///
    /// ## By hand
    /// `DBSIZE` on all members of the shard at once. A replica with keys: `CLUSTER FAILOVER
    /// TAKEOVER` on it. For the future: persistence, or a start script that waits longer than the
    /// node timeout.
    pub struct EmptyPrimaryRestartWipedShard { primary: NodeId, uptime_s: u64, others: u64 }
    group: Replication, severity: Error, after: [
        NodeIdentityLost, ResetMistake, ClonedClusterHijack,
    ],
    obstacle: "the primary came back empty and its replicas copied that: no server of this cluster \
               has the keys any more, they come from a backup",
    since: "0.1",
}

/// Keys that the other shards hold on average before an empty one is odd.
const KEYS_EXPECTED: u64 = 200;
/// A start longer ago than this is no news.
const RECENT_S: u64 = 24 * 3600;

impl Finding for EmptyPrimaryRestartWipedShard {
    fn detect(seen: &Picture<'_>, out: &mut Sink<Self>) {
        let keys: Vec<(NodeId, u64)> =
            seen.voters().into_iter().filter_map(|id| Some((id, keys_of(seen, id)?))).collect();
        let total: u64 = keys.iter().map(|(_, keys)| keys).sum();
        let full = keys.iter().filter(|(_, keys)| *keys > 0).count() as u64;
        if full == 0 || total / full < KEYS_EXPECTED {
            return;
        }
        let youngest_elsewhere = |me: NodeId| {
            keys.iter()
                .filter(|(id, _)| *id != me)
                .filter_map(|(id, _)| seen.info_of(*id)?.number("uptime_in_seconds"))
                .min()
        };
        for (primary, _) in keys.iter().filter(|(_, keys)| *keys == 0) {
            let (Some(info), Some(config)) = (seen.info_of(*primary), seen.config_of(*primary))
            else {
                continue;
            };
            let (Some(uptime_s), Some(sighting)) =
                (info.number("uptime_in_seconds"), seen.proved(*primary))
            else {
                continue;
            };
            let volatile = config.is("save", "") && config.is("appendonly", "no");
            let younger = youngest_elsewhere(*primary).is_some_and(|other| uptime_s < other);
            if !volatile || !younger || uptime_s > RECENT_S {
                continue;
            }
            let others = total / full;
            let mut evidence = vec![Evidence::first_hand(
                sighting,
                format!("holds no key, started {uptime_s} s ago, keeps nothing on disk"),
            )];
            evidence.extend(keys.iter().filter(|(_, keys)| *keys > 0).filter_map(|(id, keys)| {
                Some(Evidence::first_hand(seen.proved(*id)?, format!("holds {keys} keys")))
            }));
            let subject = Subject::node(*primary)
                .with_nodes(seen.replicas_of(*primary))
                .with_slots(seen.slots_of(*primary));
            out.push(Self { primary: *primary, uptime_s, others }, subject, evidence)
                .doubt("an application may have no key in these slots");
        }
    }

    fn message(&self, seen: &Picture<'_>) -> String {
        format!(
            "a shard holds no key while the others hold about {}, and its primary started {} s ago \
             without a data file: {}",
            self.others,
            self.uptime_s,
            seen.name(self.primary)
        )
    }

    fn by_hand(&self, seen: &Picture<'_>) -> ByHand {
        let replicas = seen.replicas_of(self.primary);
        let way = ByHand::of(Risk::MayLoseData).command(seen.endpoint(self.primary), "DBSIZE");
        replicas
            .into_iter()
            .fold(way, |way, id| way.command(seen.endpoint(id), "DBSIZE"))
            .check("does a replica, a detached volume or a backup still hold the keys?")
            .then("a replica with keys: stop the empty primary at once, then promote that replica")
            .then("no copy left: restore the shard from a backup")
            .never("restart a primary without persistence in place, again")
    }

    fn scenario() -> Scenario {
        Scenario::of(3, 1)
            .keys(3_000)
            .wait(Until::Settled)
            .kill(0)
            .start(0, At::Same)
            .wait(Until::Field(3, "master_link_status", "up"))
            .wait(Until::Settled)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::observation::sketch::Sketch;

    fn with(uptime: &str, save: &str) -> Sketch {
        let mut sketch = Sketch::healthy(3, 1);
        for n in [1, 2] {
            sketch.info(n, "db0", "keys=1000,expires=0");
        }
        sketch.info(0, "uptime_in_seconds", uptime);
        sketch.config(0, "save", save).config(0, "appendonly", "no");
        sketch
    }

    #[test]
    fn a_young_empty_primary_without_disk_is_suspected() {
        let found = with("30", "").detect::<EmptyPrimaryRestartWipedShard>(&ENTRY);
        assert_eq!(found.len(), 1, "{found:#?}");
        assert!(matches!(found[0].certainty, crate::diagnose::Certainty::Suspected(_)));
    }

    #[test]
    fn one_that_persists_or_did_not_restart_is_not() {
        let none: Vec<crate::diagnose::Found> = Vec::new();
        assert_eq!(with("30", "3600 1").detect::<EmptyPrimaryRestartWipedShard>(&ENTRY), none);
        assert_eq!(with("86400", "").detect::<EmptyPrimaryRestartWipedShard>(&ENTRY), none);
    }
}
