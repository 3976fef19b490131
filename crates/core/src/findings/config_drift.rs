//! Nodes of one cluster run with different settings that must be the same.

use super::settings::{Split, by_setting_of, insiders, split};
use crate::diagnose::{ByHand, Finding, Risk, Sink, Subject};
use crate::observation::{Picture, Role};
use crate::scenario::Scenario;

finding! {
    /// ## What it means
    /// Nodes disagree in a setting that the cluster as a whole relies on. Nothing fails yet, but
    /// the nodes will not do the same thing in the same situation: with different
    /// `cluster-node-timeout` a fault is seen by some and not by others (flapping `fail?`); with
    /// different `cluster-require-full-coverage` one part of the nodes goes on where the other
    /// refuses; with different `maxmemory-policy` one shard evicts where the others refuse.
    ///
    /// ## How it comes about
    /// `CONFIG SET` on some nodes only; a new node from another template; a promoted replica with
    /// settings that were meant for replicas; an upgrade that changed a default on the nodes that
    /// were already upgraded.
    ///
    /// ## What we look at
    /// `CONFIG GET` of every node, and in it only what should be the same everywhere: timeouts,
    /// rules of failover and coverage, replication guards, eviction, `cluster-databases`.
    /// `maxmemory` is compared within a shard only: a replica with less than its primary cannot
    /// take its place. Settings that are fine when they differ (persistence, addresses, buffers)
    /// are left out, and so are those that have a finding of their own (passwords, TLS,
    /// endpoints).
    ///
    /// ## The repair
    /// Decide which value is meant, set it on the nodes that stand apart, and write it into the
    /// source of the settings (`CONFIG REWRITE`, config map, unit file). `recover` takes the value
    /// that more than half of the nodes have for the intended one, of settings that neither evict
    /// keys nor stop writes.
    ///
    /// ## Repair safety
    /// Setting these values changes behaviour, no data. Raise a node timeout first where a cluster
    /// flaps; lower it only when all is calm. `cluster-databases` needs a restart.
    ///
    /// ## By hand
    /// The printed `CONFIG SET` lines take the value that most nodes have for the intended one:
    /// check that first. Never `CONFIG REWRITE` before the running values are right.
    pub struct ConfigDrift { splits: Vec<Split> }
    group: Configuration, severity: Warning, after: [
        FailoverDisabled, ReplicaTooStale, FullCoverageMasked, WritesRefusedMinReplicas,
        NodeTimeoutTooSmall, TimeoutFlapping, BusBufferGrowth, MixedVersions,
        ClonedClusterHijack, ClusterSplitIslands, AddressReusedByForeignNode,
    ],
    repair: [Settle], since: "0.1",
}

/// What must be the same on all nodes, under the names of Redis 7.
const SAME_EVERYWHERE: &[&str] = &[
    "cluster-node-timeout",
    "cluster-require-full-coverage",
    "cluster-replica-validity-factor",
    "cluster-migration-barrier",
    "cluster-allow-replica-migration",
    "cluster-allow-reads-when-down",
    "cluster-allow-pubsubshard-when-down",
    "cluster-link-sendbuf-limit",
    "cluster-databases",
    "maxmemory-policy",
    "min-replicas-to-write",
    "min-replicas-max-lag",
];

/// What cannot be changed while a server runs.
const NEEDS_RESTART: &[&str] = &["cluster-databases"];

impl Finding for ConfigDrift {
    fn detect(seen: &Picture<'_>, out: &mut Sink<Self>) {
        let inside = insiders(seen);
        let mut splits: Vec<Split> = SAME_EVERYWHERE
            .iter()
            .filter_map(|setting| split(setting, &by_setting_of(seen, &inside, setting)))
            .collect();
        splits.extend(smaller_replicas(seen));
        if splits.is_empty() {
            return;
        }
        let evidence = splits.iter().flat_map(|split| split.evidence(seen)).collect::<Vec<_>>();
        let subject = Subject::nodes(splits.iter().flat_map(Split::nodes));
        out.push(Self { splits }, subject, evidence);
    }

    fn message(&self, seen: &Picture<'_>) -> String {
        let all: Vec<String> = self.splits.iter().map(|split| split.describe(seen)).collect();
        format!("settings differ between nodes: {}", all.join("; "))
    }

    fn by_hand(&self, seen: &Picture<'_>) -> ByHand {
        let start = ByHand::of(Risk::Reversible)
            .check("is the value that most nodes have the intended one? If not, turn it round");
        let steps = self.splits.iter().fold(start, |steps, split| {
            split.nodes().fold(steps, |steps, id| {
                if NEEDS_RESTART.contains(&split.setting.as_str()) {
                    return steps.then(format!(
                        "restart {} with {} {}; one node at a time, a replica first",
                        seen.name(id),
                        split.setting,
                        split.usual
                    ));
                }
                if !split.has_majority() {
                    return steps.then(format!(
                        "no value of {} is that of most nodes: decide which is meant, and set it \
                         at {} or at the others",
                        split.setting,
                        seen.name(id)
                    ));
                }
                let line = format!("CONFIG SET {} {}", split.setting, split.usual);
                steps.command(seen.endpoint(id), line)
            })
        });
        steps
            .then("write the value into the source of the settings, or a restart brings it back")
            .never("CONFIG REWRITE before the running values are right: it makes the drift last")
    }

    fn scenario() -> Scenario {
        Scenario::of(3, 0).send(2, "CONFIG SET cluster-node-timeout 5000")
    }
}

/// Replicas that may hold less than their primary, shard by shard.
fn smaller_replicas(seen: &Picture<'_>) -> Vec<Split> {
    let limit = |id| seen.config_of(id).and_then(|config| config.number("maxmemory"));
    let mut found = Vec::new();
    for (id, _) in seen.members() {
        if seen.role(id) != Some(Role::Replica) {
            continue;
        }
        let Some(primary) = seen.primary_of(id) else { continue };
        let (Some(mine), Some(its)) = (limit(id), limit(primary)) else { continue };
        if mine != 0 && (its == 0 || mine < its) {
            found.push(Split {
                setting: "maxmemory".to_owned(),
                usual: its.to_string(),
                apart: vec![(mine.to_string(), vec![id])],
                with_usual: 1,
            });
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnose::Step;
    use crate::observation::sketch::Sketch;

    fn commands(by_hand: &ByHand) -> Vec<String> {
        let lines = by_hand.steps.iter().filter_map(|step| match step {
            Step::Command { on, argv } => Some(format!("{on} {}", argv.join(" "))),
            _ => None,
        });
        lines.collect()
    }

    #[test]
    fn one_node_with_another_timeout_is_named_with_the_way_back() {
        let mut sketch = Sketch::healthy(3, 1);
        sketch.config(2, "cluster-node-timeout", "5000");
        let found = sketch.detect::<ConfigDrift>(&ENTRY);
        assert_eq!(found.len(), 1, "{found:#?}");
        assert_eq!(found[0].subject, Subject::node(Sketch::id(2)));
        assert_eq!(
            commands(&found[0].by_hand),
            ["10.0.0.3:6379 CONFIG SET cluster-node-timeout 15000"]
        );
    }

    #[test]
    fn a_replica_with_less_memory_is_drift_and_a_larger_one_is_not() {
        let mut sketch = Sketch::healthy(3, 1);
        sketch.config(0, "maxmemory", "2000").config(3, "maxmemory", "1000");
        assert_eq!(sketch.detect::<ConfigDrift>(&ENTRY).len(), 1);
        sketch.config(3, "maxmemory", "3000");
        assert_eq!(sketch.detect::<ConfigDrift>(&ENTRY), []);
    }

    #[test]
    fn what_may_differ_is_no_drift() {
        let mut sketch = Sketch::healthy(3, 1);
        sketch.config(2, "appendonly", "yes").config(2, "cluster-announce-ip", "10.0.0.3").config(
            2,
            "maxmemory",
            "77",
        );
        assert_eq!(sketch.detect::<ConfigDrift>(&ENTRY), []);
    }
}
