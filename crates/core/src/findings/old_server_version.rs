//! Members run a release with a known fault of the cluster.

use std::collections::BTreeMap;

use crate::diagnose::{ByHand, Evidence, Finding, Risk, Severity, Sink, Subject};
use crate::model::{NodeId, Product, Version};
use crate::observation::Picture;
use crate::scenario::{Scenario, Server};

/// A fault that some releases have.
#[derive(Clone, Copy, Debug)]
struct Fault {
    product: Product,
    /// The first release that has it.
    from: (u16, u16, u16),
    /// The first release of that line without it.
    fixed: (u16, u16, u16),
    severity: Severity,
    what: &'static str,
}

/// Where a release has several faults, the gravest comes first.
const FAULTS: &[Fault] = &[
    Fault {
        product: Product::Redis,
        from: (7, 0, 0),
        fixed: (7, 0, 6),
        severity: Severity::Warning,
        what: "cluster bus buffers grow and the processor is busy moving them (memmove) as soon as \
               a peer reads slowly",
    },
    Fault {
        product: Product::Valkey,
        from: (8, 0, 0),
        fixed: (8, 0, 5),
        severity: Severity::Warning,
        what: "a node may refuse to start again (shard ids in nodes.conf), and busy pub/sub keeps \
               broken bus links from coming back (valkey issue 2817)",
    },
    Fault {
        product: Product::Valkey,
        from: (8, 1, 0),
        fixed: (8, 1, 5),
        severity: Severity::Warning,
        what: "busy pub/sub keeps broken bus links from coming back (valkey issue 2817)",
    },
    Fault {
        product: Product::Valkey,
        from: (9, 0, 0),
        fixed: (9, 0, 1),
        severity: Severity::Warning,
        what: "busy pub/sub keeps broken bus links from coming back (valkey issue 2817)",
    },
    Fault {
        product: Product::Redis,
        from: (0, 0, 0),
        fixed: (6, 0, 5),
        severity: Severity::Warning,
        what: "gossip shakes hands with whoever got a dead node's IP: two clusters can become one \
               (redis issue 6174)",
    },
    Fault {
        product: Product::Redis,
        from: (7, 2, 0),
        fixed: (7, 2, 5),
        severity: Severity::Info,
        what: "a cluster of one primary never marks its replica as failed (redis issue 12824), and \
               nodes before 7.0 drop its packets",
    },
];

finding! {
    /// ## What it means
    /// Members run a release whose cluster code has a fault that was mended in a later release of
    /// the same line. Nothing needs to be broken now.
    ///
    /// ## How it comes about
    /// An image tag was pinned to an early release of a line.
    ///
    /// ## What we look at
    /// `valkey_version` (else `redis_version`) in `INFO`, against a short list: Redis 7.0.0-7.0.5
    /// (bus buffers), Redis before 6.0.5 (handshakes with strangers), Redis 7.2.0-7.2.4, Valkey
    /// 8.0.0-8.0.4, 8.1.0-8.1.4 and 9.0.0 (links that do not come back under pub/sub). Only faults
    /// of the cluster are listed; this is no list of vulnerabilities.
    ///
    /// ## The repair
    /// Upgrade within the line: replicas first, then a failover in each shard, then the former
    /// primaries.
    ///
    /// ## Repair safety
    /// A patch release changes neither the format of the data nor of the bus. One node at a time,
    /// each back in sync before the next.
    ///
    /// ## By hand
    /// The release to go to is named for each node.
    pub struct OldServerVersion {
        version: Version, nodes: Vec<NodeId>, fixed: Version, what: &'static str,
    }
    group: Configuration, severity: Info, after: [],
    obstacle: "a newer version is a matter of installing and restarting, one node after the other",
    since: "0.1",
}

impl Finding for OldServerVersion {
    fn detect(seen: &Picture<'_>, out: &mut Sink<Self>) {
        let mut running: BTreeMap<Version, Vec<NodeId>> = BTreeMap::new();
        for (id, _) in seen.members() {
            if let Some(version) = seen.version_of(id) {
                running.entry(version).or_default().push(id);
            }
        }
        for (version, nodes) in running {
            let Some(fault) = fault_of(version) else { continue };
            let evidence: Vec<Evidence> = nodes
                .iter()
                .take(6)
                .filter_map(|id| {
                    Some(Evidence::first_hand(seen.proved(*id)?, format!("I am {version}")))
                })
                .collect();
            let fixed = Version { product: fault.product, release: fault.fixed };
            let subject = Subject::nodes(nodes.iter().copied());
            let finding = Self { version, nodes, fixed, what: fault.what };
            out.push(finding, subject, evidence).severity(fault.severity);
        }
    }

    fn message(&self, seen: &Picture<'_>) -> String {
        let place = match self.nodes.as_slice() {
            [one] => seen.name(*one),
            many => format!("{} nodes", many.len()),
        };
        format!(
            "{} has a known fault, mended in {}: {}; {place}",
            self.version, self.fixed, self.what
        )
    }

    fn by_hand(&self, seen: &Picture<'_>) -> ByHand {
        let mut hand = ByHand::of(Risk::MovesOwnership);
        for id in self.nodes.iter().take(6) {
            hand = hand.then(format!("upgrade {} to {} or later", seen.name(*id), self.fixed));
        }
        hand.check("replicas first, each back in sync (master_link_status:up) before the next node")
            .never("restart all nodes at once")
    }

    fn scenario() -> Scenario {
        const WHY: &str = "this release has none of the listed faults";
        Scenario::of(3, 0)
            .not_on(Server::Redis70, WHY)
            .not_on(Server::Redis82, WHY)
            .not_on(Server::Valkey91, WHY)
    }
}

fn fault_of(version: Version) -> Option<&'static Fault> {
    FAULTS.iter().find(|fault| {
        fault.product == version.product && (fault.from..fault.fixed).contains(&version.release)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::observation::sketch::Sketch;

    #[test]
    fn the_early_releases_of_7_0_are_told() {
        let mut sketch = Sketch::healthy(3, 0);
        sketch.info(1, "redis_version", "7.0.5");
        let found = sketch.detect::<OldServerVersion>(&ENTRY);
        assert_eq!(found.len(), 1, "{found:#?}");
        assert_eq!(found[0].subject, Subject::node(Sketch::id(1)));
        assert!(found[0].message.contains("memmove"), "{}", found[0].message);
    }

    #[test]
    fn the_releases_that_tests_run_on_have_no_listed_fault() {
        for version in [Version::redis(7, 0, 15), Version::redis(8, 2, 3), Version::valkey(9, 1, 2)]
        {
            assert!(fault_of(version).is_none(), "{version}");
        }
        // Valkey tells 7.2.4 as its redis_version; the true one counts.
        let mut sketch = Sketch::healthy(3, 0);
        sketch.info(0, "redis_version", "7.2.4").info(0, "valkey_version", "9.1.2");
        assert_eq!(sketch.detect::<OldServerVersion>(&ENTRY), []);
    }
}
