//! A member that lives, by its bus, and whose client port lets nobody in from here.

use super::client_port::{peers_on, place};
use crate::diagnose::{ByHand, Evidence, Finding, Risk, Severity, Sink, Subject};
use crate::model::{Endpoint, NodeId};
use crate::observation::{Picture, Sighting, Silence};
use crate::scenario::Scenario;

finding! {
    /// ## What it means
    /// The bus of a member answers with its id, the other nodes hold it for well, and `CLUSTER
    /// INFO` says ok everywhere; yet at its client port nothing comes about from here, or nothing
    /// is answered. The cluster does not fail over for that: it sees no fault. Clients that need
    /// one of its slots run into `ECONNREFUSED` or their timeouts, those of all other slots do not.
    ///
    /// ## How it comes about
    /// A firewall, a security group or a NetworkPolicy that names the client port of some nodes
    /// only; a port mapping or a proxy (a sidecar, a load balancer) before that port which lost its
    /// way to the server; `bind` that leaves out the address which is announced, while the bus
    /// listens on it; `CLIENT PAUSE ... ALL`, by hand or by a tool that was killed.
    ///
    /// ## What we look at
    /// A connection to the client port where the others have the node, the identity that its bus
    /// tells there, and what the other nodes hold it for. A node whose bus is silent as well is
    /// `NODE_HUNG` or down. Clients may run where the port is open: look from there.
    ///
    /// ## The repair
    /// Open the client port. A pause ends by itself.
    ///
    /// ## Repair safety
    /// Nothing in the servers is changed. A failover is no remedy: the node that is demoted lives
    /// and is well, and what closed its port may close the next.
    ///
    /// ## By hand
    /// `nc -vz HOST PORT` from here and from the host of the server itself.
    pub struct ClientPortBlocked { at: Endpoint, id: NodeId, why: Silence }
    group: Clients, severity: Error, after: [
        NodeLoading, BusyScript, DuplicateNodeIdLive, ClonedClusterHijack,
        AddressReusedByForeignNode, ClusterSplitIslands, MinorityPartition, ShardDown,
        MtuBlackhole,
    ],
    settles: true,
    obstacle: "no command gets through to it: what stands before its client port must be opened, or \
               a pause must end",
    since: "0.1",
}

impl Finding for ClientPortBlocked {
    fn detect(seen: &Picture<'_>, out: &mut Sink<Self>) {
        for (id, member) in seen.members() {
            let tried: Vec<&Sighting> =
                member.presumed.iter().map(|number| seen.sighting(*number)).collect();
            let why: Option<Vec<&Silence>> = tried.iter().map(|one| shut(one)).collect();
            let Some(why) = why.and_then(|all| all.first().copied().cloned()) else { continue };
            let Some(at) = tried.first().map(|one| one.from.clone()) else { continue };
            let verdict = peers_on(seen, id);
            let missed =
                verdict.failed + verdict.suspected > 0 || 2 * verdict.unlinked > verdict.observers;
            // The bus must be the one at the very address: one elsewhere tells of a move.
            if !member.proved.is_empty() || missed || !bus_proves(seen, id, &at) {
                continue;
            }
            let mut evidence = vec![
                Evidence::ours(format!("{at}: {}", why.describe())),
                Evidence::ours(format!("the bus at {} answers as {}", at.host, id.short())),
            ];
            evidence.extend(verdict.evidence);
            let subject = Subject::node(id).with_address(Some(at.clone()));
            let serves = !seen.slots_of(id).is_empty();
            let severity = if serves { Severity::Error } else { Severity::Warning };
            out.push(Self { at, id, why }, subject, evidence).severity(severity);
        }
    }

    fn message(&self, seen: &Picture<'_>) -> String {
        let slots = seen.slots_of(self.id);
        let loss = match slots.len() {
            0 => String::new(),
            1 => ": its slot cannot be reached from here".to_owned(),
            slots => format!(": its {slots} slots cannot be reached from here"),
        };
        let place = place(&self.at, Some(self.id));
        if self.why == Silence::NoReply {
            return format!("{place} lives, and its client port answers nothing{loss}");
        }
        let why = self.why.describe();
        format!("{place} lives, and its client port does not let us in ({why}){loss}")
    }

    fn by_hand(&self, _: &Picture<'_>) -> ByHand {
        let Endpoint { host, port } = &self.at;
        let steps = ByHand::of(Risk::ReadOnly).check(format!(
            "nc -vz {host} {port} from here, from the host of a client, and from its own host: who \
             gets in?"
        ));
        let steps = if self.why == Silence::NoReply {
            steps
                .then(
                    "is there a proxy or a sidecar before the port? It takes the connection, and \
                     does not bring it to the server",
                )
                .then("CLIENT PAUSE holds back all commands until its time is over: who sent one?")
        } else {
            steps
                .then(
                    "open the client port (firewall, security group, NetworkPolicy, port mapping, \
                     load balancer) for those who must get in",
                )
                .then("shut on its own host, too: does bind name the address that it announces?")
        };
        steps.check("PING is answered there").never(
            "promote a replica for it: the cluster is well, and the next port may be shut, too",
        )
    }

    fn scenario() -> Scenario {
        Scenario::of(3, 1)
            .send(5, "CLIENT PAUSE 600000 ALL")
            .beyond_repair(&crate::scenario::Server::ALL, "the pause lasts")
    }
}

/// Why nobody gets in where a node is presumed, if the way is shut.
fn shut(sighting: &Sighting) -> Option<&Silence> {
    let why = sighting.ping.silence()?;
    let shut =
        matches!(why, Silence::Refused | Silence::TimedOut | Silence::NoRoute | Silence::NoReply);
    shut.then_some(why)
}

/// Whether the bus that the others record for a node answers with its id, at that host.
fn bus_proves(seen: &Picture<'_>, id: NodeId, at: &Endpoint) -> bool {
    let bus = seen.usual_row(id).and_then(|row| row.address.bus());
    let said = bus.filter(|bus| bus.host == at.host).and_then(|bus| seen.bus_at(&bus));
    said.and_then(|said| said.get()).is_some_and(|pong| pong.id == id)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Flag;
    use crate::observation::LinkState;
    use crate::observation::sketch::Sketch;

    #[test]
    fn a_shut_port_before_a_bus_that_answers_is_found() {
        for (node, why, severity) in [
            (1, Silence::Refused, Severity::Error),
            (1, Silence::TimedOut, Severity::Error),
            (4, Silence::NoReply, Severity::Warning),
        ] {
            let mut sketch = Sketch::healthy(3, 1);
            sketch.silence(node, why, None);
            let found = sketch.detect::<ClientPortBlocked>(&ENTRY);
            let [found] = found.as_slice() else { panic!("{found:#?}") };
            assert_eq!(found.severity, severity);
            assert_eq!(found.message.contains("slots cannot be reached"), node == 1);
        }
    }

    #[test]
    fn a_bus_that_is_silent_too_and_peers_that_object_are_other_findings() {
        let mut sketch = Sketch::healthy(3, 1);
        sketch.silence(1, Silence::Refused, Some(Silence::Refused));
        assert_eq!(sketch.detect::<ClientPortBlocked>(&ENTRY), []);
        let mut sketch = Sketch::healthy(3, 1);
        sketch.silence(1, Silence::NoReply, None).flagged(1, Flag::Failed, LinkState::Connected);
        assert_eq!(sketch.detect::<ClientPortBlocked>(&ENTRY), []);
    }

    #[test]
    fn one_witness_that_hears_nobody_refutes_nothing_and_an_error_reply_is_an_open_door() {
        // One that hears nobody says nothing about this one.
        let mut sketch = Sketch::healthy(3, 1);
        sketch.silence(1, Silence::Refused, None);
        sketch.row(5, 1, |row| row.link = LinkState::Disconnected);
        assert_eq!(sketch.detect::<ClientPortBlocked>(&ENTRY).len(), 1);
        let mut sketch = Sketch::healthy(3, 1);
        sketch.silence(1, Silence::Error("LOADING".to_owned()), None);
        assert_eq!(sketch.detect::<ClientPortBlocked>(&ENTRY), []);
    }
}
