//! Keys lie in another database than 0.

use super::counted::databases;
use crate::diagnose::{ByHand, Evidence, Finding, Risk, Sink, Subject};
use crate::model::NodeId;
use crate::observation::Picture;
use crate::scenario::{Scenario, Server};

finding! {
    /// ## What it means
    /// Some nodes hold keys in databases other than 0. Valkey since 9.0 can do this in cluster mode
    /// (`cluster-databases`), nothing else can: tools and clients that only know database 0 do not
    /// see these keys, and a slot that is moved with such a tool looks empty while it is not.
    ///
    /// ## How it comes about
    /// The application uses `SELECT` on Valkey 9. Or data of a standalone server is being brought
    /// into a cluster: Redis and older Valkey then refuse to start (`You can't have keys in a DB
    /// different than DB 0 when in Cluster mode`).
    ///
    /// ## What we look at
    /// `dbN:keys=` with N above 0 in `INFO keyspace`.
    ///
    /// ## The repair
    /// None is needed as long as every tool that moves slots, copies or backs up data knows of it.
    /// `cluster-databases` must have the same value, large enough, on all nodes.
    ///
    /// ## Repair safety
    /// Before slots are moved: use the servers' own `CLUSTER MIGRATESLOTS`, which takes all
    /// databases along.
    ///
    /// ## By hand
    /// Look which databases are used, and compare `cluster-databases` on all nodes.
    pub struct KeysInDbNonzero { nodes: Vec<NodeId>, keys: u64 }
    group: Data, severity: Info, after: [],
    obstacle: "keys in other databases are no fault: whoever moves slots by hand must move them as \
               well",
    since: "0.1",
}

impl Finding for KeysInDbNonzero {
    fn detect(seen: &Picture<'_>, out: &mut Sink<Self>) {
        let (mut nodes, mut keys, mut evidence) = (Vec::new(), 0_u64, Vec::new());
        for (id, _) in seen.members() {
            let Some(sighting) = seen.proved(id) else { continue };
            let Some(info) = sighting.info.get() else { continue };
            let others: Vec<(u32, u64)> =
                databases(info).filter(|(number, keys)| *number > 0 && *keys > 0).collect();
            if others.is_empty() || !info.is("cluster_enabled", "1") {
                continue;
            }
            let list: Vec<String> =
                others.iter().map(|(number, keys)| format!("{keys} keys in db{number}")).collect();
            evidence.push(Evidence::first_hand(sighting, list.join(", ")));
            keys = others.iter().fold(keys, |sum, (_, more)| sum.saturating_add(*more));
            nodes.push(id);
        }
        if !nodes.is_empty() {
            let subject = Subject::nodes(nodes.iter().copied());
            out.push(Self { nodes, keys }, subject, evidence);
        }
    }

    fn message(&self, seen: &Picture<'_>) -> String {
        let place = match self.nodes.as_slice() {
            [one] => seen.name(*one),
            many => format!("{} nodes", many.len()),
        };
        format!("{} keys lie in databases other than 0, at {place}", self.keys)
    }

    fn by_hand(&self, seen: &Picture<'_>) -> ByHand {
        let at = self.nodes.first().and_then(|id| seen.endpoint(*id));
        ByHand::of(Risk::ReadOnly)
            .command(at.clone(), "INFO keyspace")
            .command(at, "CONFIG GET cluster-databases")
            .check("the same value on all nodes")
            .never("move slots with a tool that only counts and moves keys of database 0")
    }

    fn scenario() -> Scenario {
        // `key:0` lies in slot 2592, at node 0.
        Scenario::of(3, 0)
            .option("--cluster-databases 16")
            .keys(30)
            .send(0, "COPY key:0 key:0 DB 1")
            .not_on(Server::Redis70, "Redis Cluster has database 0 only")
            .not_on(Server::Redis82, "Redis Cluster has database 0 only")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::observation::sketch::Sketch;

    #[test]
    fn keys_in_database_one_are_told() {
        let mut sketch = Sketch::healthy(3, 0);
        sketch.info(1, "db0", "keys=5,expires=0,avg_ttl=0");
        sketch.info(1, "db1", "keys=2,expires=0,avg_ttl=0");
        let found = sketch.detect::<KeysInDbNonzero>(&ENTRY);
        assert_eq!(found.len(), 1, "{found:#?}");
        assert_eq!(found[0].subject, Subject::node(Sketch::id(1)));
    }

    #[test]
    fn database_zero_and_a_standalone_server_are_no_finding() {
        let mut sketch = Sketch::healthy(3, 0);
        sketch.info(1, "db0", "keys=5,expires=0,avg_ttl=0");
        sketch.info(2, "db3", "keys=5").info(2, "cluster_enabled", "0");
        assert_eq!(sketch.detect::<KeysInDbNonzero>(&ENTRY), []);
    }
}
