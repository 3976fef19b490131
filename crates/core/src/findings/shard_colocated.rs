//! A primary and all its replicas run on one host, and there are others.

use std::collections::BTreeMap;

use crate::diagnose::{ByHand, Evidence, Finding, Risk, Sink, Subject};
use crate::model::NodeId;
use crate::observation::{NodeRow, Picture};
use crate::scenario::{Act, At, Scenario, Until};

finding! {
    /// ## What it means
    /// A primary and all its replicas have one IP: they run on one host. When that host dies, every
    /// copy of these slots is away at once, and nobody is left to take over.
    ///
    /// ## How it comes about
    /// Failovers and replica migration mix up what was placed well at first. Orchestrators keep
    /// nodes apart by label and know nothing of shards; `redis-cli --cluster create` spreads
    /// replicas over hosts only at that moment, and only by IP.
    ///
    /// ## What we look at
    /// The IP of each node in the tables of the others, replicas that are down included. Nodes that
    /// announce different hostnames behind one IP are not taken for neighbours. A cluster that
    /// lives on one host as a whole is a trial, and is not reported.
    ///
    /// ## The repair
    /// Put one replica of the shard under a primary on another host, and take one from there in
    /// exchange.
    ///
    /// ## Repair safety
    /// A replica that changes its primary copies the whole data set, and until it has, that shard
    /// has one copy less. One at a time, never all replicas of a shard together.
    ///
    /// ## By hand
    /// `CLUSTER REPLICATE <id of a primary on another host>` on the replica. Zones and racks are
    /// seen by nobody but you: two hosts may fail together too.
    pub struct ShardColocated { primary: NodeId, replicas: Vec<NodeId>, host: String }
    group: Replication, severity: Warning, after: [
        ClusterSplitIslands, AnnounceAddressWrong, LoopbackAddress, AllAddressesStale,
        PeerAddressStale, AddressReusedByForeignNode,
    ],
    obstacle: "which replica to copy anew, when, and which hosts fail together only a person knows",
    since: "0.1",
}

impl Finding for ShardColocated {
    fn detect(seen: &Picture<'_>, out: &mut Sink<Self>) {
        let mut hosts: BTreeMap<&str, usize> = BTreeMap::new();
        for (id, _) in seen.members() {
            let row = seen.usual_row(id).filter(|row| !row.address.ip.is_empty());
            if let Some(row) = row {
                *hosts.entry(&row.address.ip).or_default() += 1;
            }
        }
        if hosts.len() < 2 {
            return;
        }
        for primary in seen.voters() {
            let replicas = seen.replicas_of(primary);
            let Some(home) = seen.usual_row(primary) else { continue };
            let beside = |id: &NodeId| seen.usual_row(*id).is_some_and(|row| neighbours(home, row));
            if replicas.is_empty() || !replicas.iter().all(beside) {
                continue;
            }
            let host = home.address.ip.clone();
            let witnesses = seen.observers().filter(|observer| {
                let ip = |id: NodeId| Some(&seen.view_of(*observer, id)?.0.address.ip);
                // Of itself a node may not know where it is.
                let others = seen.id_of(*observer) != Some(primary);
                others
                    && ip(primary) == Some(&host)
                    && replicas.iter().any(|id| ip(*id) == Some(&host))
            });
            let evidence: Vec<Evidence> = witnesses
                .map(|observer| {
                    let text = format!("shows {} and its replicas at {host}", primary.short());
                    Evidence::hearsay(seen.sighting(observer), text)
                })
                .collect();
            let subject = Subject::node(primary).with_nodes(replicas.iter().copied());
            out.push(Self { primary, replicas, host }, subject, evidence);
        }
    }

    fn message(&self, seen: &Picture<'_>) -> String {
        let count = self.replicas.len();
        let replicas = if count == 1 { "replica".to_owned() } else { format!("{count} replicas") };
        format!(
            "a primary and its {replicas} run on one host, {}: {}",
            self.host,
            seen.name(self.primary)
        )
    }

    fn by_hand(&self, seen: &Picture<'_>) -> ByHand {
        let steps = ByHand::of(Risk::DropsCopy).check(format!(
            "{} is one host: no address translation stands before several",
            self.host
        ));
        let elsewhere =
            |id: &NodeId| seen.usual_row(*id).is_some_and(|row| row.address.ip != self.host);
        let partner = seen.voters().into_iter().filter(elsewhere).find_map(|id| {
            let replica = seen.replicas_of(id).into_iter().find(elsewhere)?;
            Some((id, replica))
        });
        let Some(((other, theirs), ours)) = partner.zip(self.replicas.first().copied()) else {
            return steps
                .then("start another node on another host, and make it a replica of this primary:")
                .then(format!("CLUSTER REPLICATE {} on that node", self.primary));
        };
        steps
            .then("or start another replica of this primary elsewhere, which drops no copy; else:")
            .command(seen.endpoint(theirs), format!("CLUSTER REPLICATE {}", self.primary))
            .check("master_link_status:up there; only then")
            .command(seen.endpoint(ours), format!("CLUSTER REPLICATE {other}"))
            .check("master_link_status:up there too")
            .never("both at once: two shards are without a second copy until the copies are made")
    }

    fn scenario() -> Scenario {
        let words = "--port 6380 --cluster-port 16380 --cluster-announce-ip {ip0}";
        let words = words.split_whitespace().map(str::to_owned).collect();
        let moved = "{id3} {ip0}:6380@16380".to_owned();
        Scenario::of(3, 1)
            .kill(3)
            .act(Act::Start(3, At::Of(0), words))
            .act(Act::Wait(Until::Answers(1, "CLUSTER NODES".to_owned(), moved.clone()), 10_000))
            .act(Act::Wait(Until::Answers(0, "CLUSTER NODES".to_owned(), moved), 10_000))
            .wait(Until::NoFlag { on: 1, about: 3, flag: "fail" })
            .wait(Until::Settled)
    }
}

/// Whether two nodes are on one host, by all that the tables say of it.
fn neighbours(a: &NodeRow, b: &NodeRow) -> bool {
    let one_host = a.address.ip == b.address.ip && !a.address.ip.is_empty();
    let two_names =
        matches!((&a.address.hostname, &b.address.hostname), (Some(a), Some(b)) if a != b);
    one_host && !two_names
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::observation::sketch::Sketch;

    /// Node by node the last number of its IP.
    fn on(hosts: &[u8]) -> Sketch {
        let mut sketch = Sketch::healthy(3, 1);
        for (about, host) in hosts.iter().enumerate() {
            for observer in 0..6 {
                sketch.row(observer, about, |row| row.address.ip = format!("10.0.0.{host}"));
            }
        }
        sketch
    }

    #[test]
    fn a_shard_on_one_host_is_found() {
        let found = on(&[1, 2, 3, 1, 3, 2]).detect::<ShardColocated>(&ENTRY);
        assert_eq!(found.len(), 1, "{found:#?}");
        assert!(found[0].message.contains("its replica run on one host, 10.0.0.1"));
        assert!(found[0].evidence.len() > 2);
    }

    #[test]
    fn shards_over_hosts_or_all_on_one_are_not() {
        assert_eq!(on(&[1, 2, 3, 2, 3, 1]).detect::<ShardColocated>(&ENTRY), []);
        assert_eq!(on(&[1, 1, 1, 1, 1, 1]).detect::<ShardColocated>(&ENTRY), [], "a trial");
        assert_eq!(Sketch::healthy(3, 0).detect::<ShardColocated>(&ENTRY), []);
    }

    #[test]
    fn two_names_behind_one_address_are_two_hosts() {
        let mut sketch = on(&[1, 2, 3, 1, 3, 2]);
        for (about, name) in [(0, "a"), (3, "b")] {
            for observer in 0..6 {
                sketch.row(observer, about, |row| row.address.hostname = Some(name.to_owned()));
            }
        }
        assert_eq!(sketch.detect::<ShardColocated>(&ENTRY), []);
    }
}
