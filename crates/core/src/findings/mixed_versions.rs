//! Members run different versions.

use std::collections::BTreeMap;

use crate::diagnose::{ByHand, Evidence, Finding, Risk, Severity, Sink, Subject};
use crate::model::{NodeId, Version};
use crate::observation::{Picture, Role};
use crate::scenario::{Act, At, Scenario, Server, Until};

finding! {
    /// ## What it means
    /// The members of one cluster run different versions. While an upgrade rolls this is normal;
    /// to stay in it is not: a replica that is older than its primary may refuse its data (`Can't
    /// handle RDB format version`), old nodes may drop packets of new ones, `CLUSTER SHARDS` has
    /// different shapes, functions and commands exist on some nodes only.
    ///
    /// ## How it comes about
    /// A rolling upgrade stopped half way, primaries were upgraded before their replicas, a
    /// failover moved the primary's role to an upgraded node, or one image is pinned to another
    /// tag.
    ///
    /// ## What we look at
    /// `valkey_version` (else `redis_version`: Valkey reports 7.2.4 there) in each member's
    /// `INFO`. A warning when a replica is older than its primary, when majors or products are
    /// mixed; to be known otherwise. *Near it:* a replica that cannot load at all
    /// (RDB_VERSION_INCOMPATIBLE).
    ///
    /// ## The repair
    /// Finish the upgrade: replicas first, then `CLUSTER FAILOVER` on an upgraded replica, then
    /// the former primary, one shard after the other.
    ///
    /// ## Repair safety
    /// Each restart of a replica costs nothing; wait for `master_link_status:up` before the next.
    /// Between Redis 7.4 or later and Valkey there is no replication in the direction of Valkey
    /// (RDB 12 is refused): such a change of product is a copy of keys, not an upgrade.
    ///
    /// ## By hand
    /// The versions are listed with the nodes; go on with those that are behind.
    pub struct MixedVersions { versions: BTreeMap<Version, Vec<NodeId>>, older: Vec<NodeId> }
    group: Operations, severity: Info, after: [RdbVersionIncompatible],
    obstacle: "another version is a matter of installing and restarting, one node after the other",
    since: "0.1",
}

impl Finding for MixedVersions {
    fn detect(seen: &Picture<'_>, out: &mut Sink<Self>) {
        let mut versions: BTreeMap<Version, Vec<NodeId>> = BTreeMap::new();
        for (id, member) in seen.members() {
            let belongs = !member.rows.is_empty();
            if let Some(version) = seen.version_of(id).filter(|_| belongs) {
                versions.entry(version).or_default().push(id);
            }
        }
        if versions.len() < 2 {
            return;
        }
        let older: Vec<NodeId> =
            versions.values().flatten().copied().filter(|id| is_behind(seen, *id)).collect();
        let mut kinds: Vec<_> = versions.keys().map(|v| (v.product, v.release.0)).collect();
        kinds.dedup();
        let evidence: Vec<Evidence> = versions
            .iter()
            .flat_map(|(version, ids)| ids.iter().take(4).map(move |id| (version, *id)))
            .filter_map(|(version, id)| {
                Some(Evidence::first_hand(seen.proved(id)?, format!("I am {version}")))
            })
            .collect();
        let few = versions.values().min_by_key(|ids| ids.len()).cloned().unwrap_or_default();
        let subject = Subject::nodes(few).with_nodes(older.iter().copied());
        let warn = !older.is_empty() || kinds.len() > 1;
        let pushed = out.push(Self { versions, older }, subject, evidence);
        if warn {
            pushed.severity(Severity::Warning);
        }
    }

    fn message(&self, seen: &Picture<'_>) -> String {
        let list: Vec<String> = self
            .versions
            .iter()
            .map(|(version, ids)| match ids.as_slice() {
                [one] => format!("{version} at {}", seen.name(*one)),
                many => format!("{version} at {} nodes", many.len()),
            })
            .collect();
        let behind = match self.older.as_slice() {
            [] => String::new(),
            [one] => format!("; a replica is older than its primary: {}", seen.name(*one)),
            many => format!("; {} replicas are older than their primaries", many.len()),
        };
        format!("the members run different versions: {}{behind}", list.join(", "))
    }

    fn by_hand(&self, seen: &Picture<'_>) -> ByHand {
        let newest = self.versions.keys().max().map_or_else(String::new, ToString::to_string);
        let mut behind: Vec<NodeId> =
            self.versions.iter().rev().skip(1).flat_map(|(_, ids)| ids.iter().copied()).collect();
        behind.sort_by_key(|id| (seen.role(*id) != Some(Role::Replica), *id));
        let mut hand = ByHand::of(Risk::MovesOwnership);
        for id in behind.into_iter().take(6) {
            let step = match seen.role(id) {
                Some(Role::Replica) => format!("upgrade the replica {} to {newest}", seen.name(id)),
                _ => format!(
                    "upgrade the primary {} last in its shard: CLUSTER FAILOVER on an upgraded \
                     replica of it first, then upgrade it as a replica",
                    seen.name(id)
                ),
            };
            hand = hand.then(step);
        }
        hand.check("master_link_status:up on every replica before the next restart")
            .never(
                "upgrade a primary before its replicas: older replicas refuse its data and the \
                    shard is without a copy",
            )
            .never("turn back to an older version with the data files of a newer one")
    }

    fn scenario() -> Scenario {
        Scenario::of(3, 0)
            .act(Act::Stranger {
                at: At::Fresh,
                options: vec!["--cluster-enabled".to_owned(), "yes".to_owned()],
                server: Some(Server::Redis70),
            })
            .send(0, "CLUSTER MEET {ip3} {port3} {cport3}")
            .wait(Until::Knows { on: 3, about: 0, known: true })
            .wait(Until::Knows { on: 0, about: 3, known: true })
            .wait(Until::Knows { on: 1, about: 3, known: true })
            .wait(Until::Knows { on: 2, about: 3, known: true })
            .send(3, "CLUSTER SETSLOT 0 NODE {id3}")
            .send(3, "CLUSTER BUMPEPOCH")
            .send(0, "CLUSTER SETSLOT 0 NODE {id3}")
            .wait(Until::Field(0, "cluster_size", "4"))
            .wait(Until::Field(1, "cluster_size", "4"))
            .wait(Until::Field(2, "cluster_size", "4"))
            .wait(Until::Settled)
            .not_on(Server::Redis70, "the newcomer would run the same version")
    }
}

/// Whether a replica is older than its primary, of the same product.
fn is_behind(seen: &Picture<'_>, id: NodeId) -> bool {
    if seen.role(id) != Some(Role::Replica) {
        return false;
    }
    let primary = seen.primary_of(id).and_then(|primary| seen.version_of(primary));
    let (Some(mine), Some(its)) = (seen.version_of(id), primary) else { return false };
    // A patch release neither changes the format of the data nor of the bus.
    let line = |version: Version| (version.release.0, version.release.1);
    mine.product == its.product && line(mine) < line(its)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::observation::sketch::Sketch;

    #[test]
    fn a_replica_older_than_its_primary_is_a_warning() {
        let mut sketch = Sketch::healthy(3, 1);
        sketch.info(0, "redis_version", "7.4.1");
        let found = sketch.detect::<MixedVersions>(&ENTRY);
        assert_eq!(found.len(), 1, "{found:#?}");
        assert_eq!(found[0].severity, Severity::Warning);
        assert!(found[0].message.contains("older than its primary"), "{}", found[0].message);
    }

    #[test]
    fn an_upgrade_that_rolls_in_the_right_order_is_only_to_be_known() {
        let mut sketch = Sketch::healthy(3, 1);
        sketch.info(3, "redis_version", "7.2.6");
        let found = sketch.detect::<MixedVersions>(&ENTRY);
        assert_eq!(found.len(), 1, "{found:#?}");
        assert_eq!(found[0].severity, Severity::Info);
    }

    #[test]
    fn one_version_is_no_finding() {
        assert_eq!(Sketch::healthy(3, 1).detect::<MixedVersions>(&ENTRY), []);
    }
}
