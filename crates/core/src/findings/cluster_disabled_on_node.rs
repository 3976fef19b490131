//! A server without cluster mode answers where a member should.

use super::client_port::{Door, doors, peers_on, place};
use crate::diagnose::{ByHand, Evidence, Finding, Risk, Sink};
use crate::model::{Endpoint, NodeId};
use crate::observation::{Picture, Said, Silence};
use crate::scenario::{Act, At, Scenario, Until};

finding! {
    /// ## What it means
    /// At the address of a member, or at a seed, a server answers that runs without cluster mode.
    /// It has no bus, so the members hold the node for failed. It accepts keys of any slot and any
    /// database, which no member will ever find. Clients say `ERR This instance has cluster
    /// support disabled`, redis-py says `Cluster mode is not enabled on this node`.
    ///
    /// ## How it comes about
    /// The configuration file or config map was not mounted and the image's own default was used;
    /// the wrong port or the wrong instance was named; a restart with another command line.
    ///
    /// ## What we look at
    /// `cluster_enabled:0` in `INFO`, or the refusal of `CLUSTER INFO`, and whether other nodes
    /// record a member at that address.
    ///
    /// ## The repair
    /// Stop it and start it with `cluster-enabled yes` on its own directory, where its old
    /// `nodes.conf` lies: it rejoins as the member it was.
    ///
    /// ## Repair safety
    /// Look first what it took in meanwhile (`INFO keyspace`). Keys in databases other than 0 keep
    /// a server from starting in cluster mode with that file (`You can't have keys in a DB
    /// different than DB 0 when in Cluster mode`), and keys of other nodes' slots are not
    /// reachable afterwards: copy them out before the restart.
    ///
    /// ## By hand
    /// `INFO keyspace`, mend the configuration, restart. Never delete its `nodes.conf`, and never
    /// let it copy the data of a member with `REPLICAOF`.
    pub struct ClusterDisabledOnNode { at: Endpoint, id: Option<NodeId>, keys: bool }
    group: Configuration, severity: Error, after: [AddressReusedByForeignNode],
    obstacle: "cluster-enabled is read at the start only: the process must be started again with it",
    since: "0.1",
}

impl Finding for ClusterDisabledOnNode {
    fn detect(seen: &Picture<'_>, out: &mut Sink<Self>) {
        for door in doors(seen) {
            let Some(says) = disabled(&door) else { continue };
            if door.ids.is_empty() && !door.is_named(seen) {
                continue;
            }
            let mut evidence = vec![Evidence::first_hand(door.sighting, says)];
            evidence.extend(door.id().into_iter().flat_map(|id| peers_on(seen, id).evidence));
            let info = door.sighting.info.get();
            let keys = info.is_some_and(|info| info.starting_with("db").any(is_keyspace));
            let at = door.sighting.from.clone();
            out.push(Self { at, id: door.id(), keys }, door.subject(), evidence);
        }
    }

    fn message(&self, _: &Picture<'_>) -> String {
        let keys = if self.keys { ", and holds keys" } else { "" };
        match self.id {
            Some(_) => format!(
                "{} runs without cluster mode where others record a member{keys}",
                place(&self.at, self.id)
            ),
            None => format!("{} runs without cluster mode{keys}", self.at),
        }
    }

    fn by_hand(&self, _: &Picture<'_>) -> ByHand {
        let steps = ByHand::of(Risk::Reversible)
            .command(Some(self.at.clone()), "CONFIG GET dir")
            .command(Some(self.at.clone()), "INFO keyspace")
            .check("is this the process that you meant, and is nodes.conf in its directory?");
        let steps = if self.keys {
            steps.then(
                "copy what it holds (redis-cli --rdb FILE): keys of other nodes' slots and of \
                 databases other than 0 are not reachable after the restart",
            )
        } else {
            steps
        };
        steps
            .then("start it again on that directory with cluster-enabled yes")
            .check("the others show it connected and without fail")
            .never("delete its nodes.conf: it would come back as a stranger")
            .never("REPLICAOF a member: it drops what it holds")
    }

    fn scenario() -> Scenario {
        let words = ["--cluster-enabled", "no"].map(str::to_owned).to_vec();
        Scenario::of(3, 1).kill(5).act(Act::Start(5, At::Same, words)).wait(Until::Flag {
            on: 0,
            about: 5,
            flag: "fail",
        })
    }
}

/// What the address says about its cluster mode, if it is off.
fn disabled(door: &Door<'_>) -> Option<String> {
    if door.sighting.info.get().is_some_and(|info| info.is("cluster_enabled", "0")) {
        return Some("cluster_enabled:0".to_owned());
    }
    match &door.sighting.cluster_info {
        Said::Nothing(Silence::Error(text)) if text.contains("cluster support disabled") => {
            Some("ERR This instance has cluster support disabled".to_owned())
        }
        _ => None,
    }
}

fn is_keyspace((name, value): (&str, &str)) -> bool {
    name.len() > 2
        && name.bytes().skip(2).all(|digit| digit.is_ascii_digit())
        && value.starts_with("keys=")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::observation::sketch::Sketch;

    #[test]
    fn a_standalone_server_at_the_address_of_a_member_is_found() {
        let mut sketch = Sketch::healthy(3, 1);
        let text = "ERR This instance has cluster support disabled".to_owned();
        sketch.silence(5, Silence::Error(text), Some(Silence::Refused));
        sketch.nodes[5].sighting.ping = Said::This(());
        sketch.info(5, "cluster_enabled", "0").info(5, "db3", "keys=7,expires=0,avg_ttl=0");
        let found = sketch.detect::<ClusterDisabledOnNode>(&ENTRY);
        assert_eq!(found.len(), 1, "{found:#?}");
        assert!(found[0].message.ends_with("and holds keys"), "{}", found[0].message);
        assert!(found[0].subject.nodes.contains(&Sketch::id(5)));
        assert!(found[0].by_hand.never.iter().any(|line| line.contains("nodes.conf")));
    }

    #[test]
    fn members_in_cluster_mode_are_no_finding() {
        assert_eq!(Sketch::healthy(3, 1).detect::<ClusterDisabledOnNode>(&ENTRY), []);
    }
}
