//! A replica that cannot read what its newer primary sends.

use crate::diagnose::{ByHand, Evidence, Finding, Risk, Sink, Subject};
use crate::model::{NodeId, Product, Version};
use crate::observation::Picture;
use crate::scenario::{Act, At, Scenario, Server, Until};

finding! {
    /// ## What it means
    /// A replica is older than its primary, and the snapshot that the primary sends has a format
    /// that it does not know: `Can't handle RDB format version 12`, `Failed trying to load the
    /// MASTER synchronization DB from disk`. It tries again for ever, and has no copy.
    ///
    /// ## How it comes about
    /// The primary was upgraded first, or a failover during a rolling upgrade went to the newer
    /// node. Redis since 7.4 cannot feed Valkey at all.
    ///
    /// ## What we look at
    /// The versions of replica and primary, and a replication link that does not stand.
    ///
    /// ## The repair
    /// Upgrade the replica. The order of an upgrade is: replicas first, then a failover to one of
    /// them, then the old primary.
    ///
    /// ## Repair safety
    /// Nothing is lost while the primary lives. It must not be restarted before the replica has a
    /// copy.
    ///
    /// ## By hand
    /// Install the primary's version on the replica's host and restart the replica.
    pub struct RdbVersionIncompatible {
        replica: NodeId, primary: NodeId, older: Version, newer: Version,
    }
    group: Replication, severity: Error, after: [AddressReusedByForeignNode],
    settles: true,
    obstacle: "the replica's version cannot read what its primary writes: another version must be \
               installed",
    since: "0.1",
}

/// The number of the RDB format that a version writes (`RDB_VERSION` in `rdb.h`).
const fn rdb_format(version: Version) -> u8 {
    match (version.product, version.release) {
        (Product::Redis, (0..=6, _, _)) => 9,
        (Product::Redis, (7, 0..=1, _)) => 10,
        (Product::Redis, (7, 2..=3, _)) | (Product::Valkey, _) => 11,
        (Product::Redis, _) => 12,
    }
}

impl Finding for RdbVersionIncompatible {
    fn detect(seen: &Picture<'_>, out: &mut Sink<Self>) {
        for (replica, _) in seen.members() {
            let Some(primary) = seen.primary_of(replica) else { continue };
            let Some(info) = seen.info_of(replica) else { continue };
            let (Some(older), Some(newer)) = (seen.version_of(replica), seen.version_of(primary))
            else {
                continue;
            };
            let down = info.is("role", "slave") && info.is("master_link_status", "down");
            if !down || rdb_format(newer) <= rdb_format(older) {
                continue;
            }
            let evidence = [
                seen.proved(replica).map(|sighting| {
                    let text = format!("is {older}, without a link to its primary");
                    Evidence::first_hand(sighting, text)
                }),
                seen.proved(primary).map(|sighting| {
                    let text = format!("is {newer}, and writes RDB format {}", rdb_format(newer));
                    Evidence::first_hand(sighting, text)
                }),
            ];
            let subject = Subject::nodes([replica, primary]);
            let found = Self { replica, primary, older, newer };
            out.push(found, subject, evidence.into_iter().flatten());
        }
    }

    fn message(&self, seen: &Picture<'_>) -> String {
        format!(
            "a replica with {} cannot read what its primary with {} sends: {} of {}",
            self.older,
            self.newer,
            seen.name(self.replica),
            seen.name(self.primary)
        )
    }

    fn by_hand(&self, seen: &Picture<'_>) -> ByHand {
        let way = ByHand::of(Risk::ReadOnly);
        let way = if self.older.product == self.newer.product {
            way.then(format!(
                "install {} for {} and restart it",
                self.newer,
                seen.name(self.replica)
            ))
        } else {
            way.then(format!(
                "there is no replication from {} to {}: give the primary a replica of its own \
                 version, and move data between the products by keys",
                self.newer, self.older
            ))
        };
        way.check("master_link_status:up at the replica")
            .never("restart or stop the primary before: it holds the only copy of its keys")
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
            .wait(Until::Knows { on: 1, about: 3, known: true })
            .send(3, "CLUSTER REPLICATE {id0}")
            .wait(Until::Logged(3, "Can't handle RDB format version"))
            .not_on(Server::Redis70, "no older server can be installed to be its replica")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::observation::sketch::Sketch;

    fn with(primary: &str, link: &str) -> Sketch {
        let mut sketch = Sketch::healthy(3, 1);
        sketch.info(0, "redis_version", primary).info(3, "master_link_status", link);
        sketch
    }

    #[test]
    fn a_newer_primary_without_link_is_found() {
        let found = with("8.2.3", "down").detect::<RdbVersionIncompatible>(&ENTRY);
        assert_eq!(found.len(), 1, "{found:#?}");
    }

    #[test]
    fn a_link_that_stands_or_a_patch_release_is_not() {
        assert_eq!(with("8.2.3", "up").detect::<RdbVersionIncompatible>(&ENTRY), []);
        assert_eq!(with("7.0.16", "down").detect::<RdbVersionIncompatible>(&ENTRY), []);
    }
}
