//! Two processes run under the same node id.

use super::duplicates::{is_a_copy, twice};
use super::whereabouts::meet;
use crate::diagnose::{ByHand, Evidence, Finding, Risk, Sink, Subject};
use crate::model::{Endpoint, NodeId};
use crate::observation::Picture;
use crate::scenario::{Act, Scenario};

finding! {
    /// ## What it means
    /// Two processes hold the same id, and the other nodes take now the one, now the other for the
    /// member. Both accept writes for the same slots: two data sets grow apart while every node
    /// says `cluster_state:ok`.
    ///
    /// ## How it comes about
    /// One `nodes.conf` is used twice: a shared volume, a pod that was force-deleted but still
    /// runs on a node that is not ready, a cloned disk, an image with a `nodes.conf` baked in. The
    /// lock on the file does not protect: since 7.2 it is replaced by rename at each save, so the
    /// lock is on a file that is gone.
    ///
    /// In the logs of all others `Address updated for node` alternates between two addresses,
    /// about 20 times a second. Clients see `MOVED` in circles and `Too many Cluster
    /// redirections`.
    ///
    /// ## What we look at
    /// Two addresses that answer `CLUSTER MYID` alike and `INFO` with different `run_id`s. When
    /// most ids live twice it is `CLONED_CLUSTER_HIJACK`.
    ///
    /// ## The repair
    /// Stop the wrong process from outside (delete the pod, cordon the host, detach the volume).
    /// Choose the one that stays by role, replication offset and data, not by what the peers list
    /// now.
    ///
    /// ## Repair safety
    /// Writes that only the stopped one took are lost unless its keys are copied first. Its
    /// directory must not be started again under this id.
    ///
    /// ## By hand
    /// Compare both, save the loser's keys, stop it, then look again.
    pub struct DuplicateNodeIdLive { id: NodeId, at: Vec<Endpoint> }
    group: Addressing, severity: Critical, after: [ClonedClusterHijack],
    obstacle: "two processes answer to one id, so that a command by id goes to either: one of them \
               must be stopped, and which one has the newer data a person must make sure of",
    since: "0.1",
}

impl Finding for DuplicateNodeIdLive {
    fn detect(seen: &Picture<'_>, out: &mut Sink<Self>) {
        let found = twice(seen);
        if is_a_copy(seen, &found) {
            return;
        }
        for one in found {
            let evidence: Vec<Evidence> = one
                .processes
                .iter()
                .map(|sighting| {
                    let info = sighting.info.get();
                    let run = info.and_then(|info| info.get("run_id")).unwrap_or("?");
                    let says = format!("is {}, run_id {run}", one.id.short());
                    Evidence::first_hand(sighting, says)
                })
                .collect();
            let at: Vec<Endpoint> = one.processes.iter().map(|s| s.from.clone()).collect();
            let mut subject = Subject::node(one.id).with_slots(seen.slots_of(one.id));
            subject.addresses.extend(at.iter().cloned());
            out.push(Self { id: one.id, at }, subject, evidence);
        }
    }

    fn message(&self, _: &Picture<'_>) -> String {
        let at: Vec<String> = self.at.iter().map(ToString::to_string).collect();
        format!("{} processes run under one id, at {}: {}", at.len(), at.join(" and "), self.id)
    }

    fn by_hand(&self, seen: &Picture<'_>) -> ByHand {
        let mut steps = ByHand::of(Risk::DropsCopy);
        for at in &self.at {
            steps = steps
                .command(Some(at.clone()), "INFO replication")
                .command(Some(at.clone()), "INFO keyspace");
        }
        steps = steps
            .check("which of them has the greater master_repl_offset and the newer keys: that one stays")
            .then("keep a copy of the other's data (redis-cli --rdb FILE) if it took writes")
            .then("stop the other from outside: delete its pod, cordon its host, detach its volume")
            .check("only one address still answers CLUSTER MYID with the id; wait two node timeouts");
        let peer = seen.members().map(|(id, _)| id).find(|id| *id != self.id && seen.is_alive(*id));
        if let Some(peer) = peer {
            steps = steps.then(format!(
                "if the others still seek it at the wrong address: from {} send {}, with the address \
                 of the one that stays",
                seen.name(peer),
                meet(seen, self.id)
            ));
        }
        steps
            .never("leave both running until it settles: it never does, and both take writes")
            .never("CLUSTER FORGET of the id: it owns the slots of the one that stays")
    }

    fn scenario() -> Scenario {
        Scenario::of(3, 0).keys(300).act(Act::Twin(2))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::observation::Said;
    use crate::observation::sketch::Sketch;

    fn twin(run_id: &str) -> Sketch {
        let mut sketch = Sketch::healthy(3, 0);
        let mut copy = sketch.nodes[2].clone();
        copy.sighting.from = Endpoint::new("10.0.9.3", 6379);
        if let Said::This(info) = &mut copy.sighting.info {
            info.set("run_id", run_id);
        }
        sketch.nodes.push(copy);
        sketch
    }

    #[test]
    fn two_processes_with_one_id() {
        let found = twin("ffff").detect::<DuplicateNodeIdLive>(&ENTRY);
        assert_eq!(found.len(), 1, "{found:#?}");
        assert_eq!(found[0].evidence.len(), 2);
    }

    #[test]
    fn one_process_with_two_addresses_is_fine() {
        let run_id = format!("{:040x}", 3);
        assert_eq!(twin(&run_id).detect::<DuplicateNodeIdLive>(&ENTRY), []);
    }
}
