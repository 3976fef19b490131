//! A node has as many clients as it may have, and refuses all others.

use super::client_port::{Door, doors, place};
use crate::diagnose::{ByHand, Evidence, Finding, Risk, Severity, Sink};
use crate::model::{Endpoint, NodeId};
use crate::observation::{Picture, Silence};
use crate::scenario::{Act, Scenario};

finding! {
    /// ## What it means
    /// The node holds `maxclients` connections and answers every further one with `ERR max number
    /// of clients reached`. It serves those that it has; new clients, probes and replicas that
    /// must connect again are refused. Bus links count as connections too, two for each other
    /// member.
    ///
    /// ## How it comes about
    /// A client that opens connections and does not close them; thousands of clients that connect
    /// again at once after an outage; a `maxclients` that the server lowered by itself at start
    /// because the limit of open files is low (`You requested maxclients of 10000 requiring at
    /// least 10032 max file descriptors`). When open files run out before that, bus links cannot
    /// be accepted either (`accept: Too many open files`), and the node is held for failed.
    ///
    /// ## What we look at
    /// The reply to our own connection, or `connected_clients` and `cluster_connections` against
    /// `maxclients` where we got in; above 90 % is a warning.
    ///
    /// ## The repair
    /// Find out whose connections they are (`CLIENT LIST`, by address and idle time), end those
    /// that are idle, mend the client; raise `maxclients` and the limit of open files if the
    /// number is truly needed.
    ///
    /// ## Repair safety
    /// Ending idle client connections loses nothing: clients connect again. Do not end connections
    /// of type `replica` or `master`.
    ///
    /// ## By hand
    /// From a connection that is already open, or from the node's own host once a place is free:
    /// the printed commands. Never restart the node for it: the same clients come back at once.
    pub struct MaxclientsExhausted { at: Endpoint, id: Option<NodeId>, count: Option<(u64, u64)> }
    group: Process, severity: Error, after: [],
    obstacle: "it takes no new connection, ours neither: who holds the places is found and mended at \
               the clients",
    since: "0.1",
}

impl Finding for MaxclientsExhausted {
    fn detect(seen: &Picture<'_>, out: &mut Sink<Self>) {
        for door in doors(seen) {
            let at = door.sighting.from.clone();
            if let Some(text) = refusal(&door) {
                let finding = Self { at, id: door.id(), count: None };
                out.push(finding, door.subject(), [Evidence::first_hand(door.sighting, text)]);
            } else if let Some((used, most)) = nearly_full(&door) {
                let says = format!("{used} of {most} connections");
                let finding = Self { at, id: door.id(), count: Some((used, most)) };
                out.push(finding, door.subject(), [Evidence::first_hand(door.sighting, says)])
                    .severity(Severity::Warning);
            }
        }
    }

    fn message(&self, _: &Picture<'_>) -> String {
        let place = place(&self.at, self.id);
        match self.count {
            None => format!("{place} has no place for another client (max number of clients)"),
            Some((used, most)) => {
                format!("{place} soon has no place for another client: {used} of {most} are taken")
            }
        }
    }

    fn by_hand(&self, _: &Picture<'_>) -> ByHand {
        let at = || Some(self.at.clone());
        ByHand::of(Risk::Reversible)
            .then("if nobody gets in: stop one of the clients for a moment, a place becomes free")
            .command(at(), "CLIENT LIST TYPE normal")
            .check("which address has how many, and how long are they idle?")
            .command(at(), "CONFIG GET maxclients")
            .then("mend the client; meanwhile CONFIG SET maxclients to more, if open files allow")
            .then("CLIENT KILL ID for connections that are idle and forgotten")
            .never("restart the node: the same clients come back at once, all together")
            .never("CLIENT KILL of type replica or master: it cuts replication")
    }

    fn scenario() -> Scenario {
        Scenario::of(3, 0).act(Act::Occupy(2, 60)).send(2, "CONFIG SET maxclients 40")
    }
}

/// The refusal of a connection for want of a place.
fn refusal<'a>(door: &Door<'a>) -> Option<&'a str> {
    match door.sighting.ping.silence()? {
        Silence::Error(text) if text.contains("max number of clients") => Some(text),
        _ => None,
    }
}

/// Connections and their limit, where more than 90 % are taken.
fn nearly_full(door: &Door<'_>) -> Option<(u64, u64)> {
    let info = door.sighting.info.get()?;
    let most = info.number("maxclients").filter(|most| *most > 0)?;
    let bus = info.number("cluster_connections").unwrap_or(0);
    let used = info.number("connected_clients")?.saturating_add(bus);
    (used.saturating_mul(10) > most.saturating_mul(9)).then_some((used, most))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::observation::sketch::Sketch;

    #[test]
    fn a_refused_connection_is_an_error() {
        let mut sketch = Sketch::healthy(3, 0);
        let text = "ERR max number of clients + cluster connections reached".to_owned();
        sketch.silence(2, Silence::Error(text), None);
        let found = sketch.detect::<MaxclientsExhausted>(&ENTRY);
        assert_eq!(found.iter().map(|f| f.severity).collect::<Vec<_>>(), [Severity::Error]);
        assert!(found[0].subject.nodes.contains(&Sketch::id(2)));
        assert!(found[0].by_hand.never.iter().any(|line| line.contains("restart")));
    }

    #[test]
    fn above_nine_tenths_is_a_warning_and_below_is_nothing() {
        let mut sketch = Sketch::healthy(3, 0);
        sketch.info(0, "connected_clients", "9000").info(0, "cluster_connections", "4");
        let found = sketch.detect::<MaxclientsExhausted>(&ENTRY);
        assert_eq!(found.iter().map(|f| f.severity).collect::<Vec<_>>(), [Severity::Warning]);
        sketch.info(0, "connected_clients", "8000");
        assert_eq!(sketch.detect::<MaxclientsExhausted>(&ENTRY), []);
    }
}
