//! A live node is sought at a bus port that is not its own.

use std::collections::BTreeMap;

use super::whereabouts::{is_out_of_reach, meet};
use crate::diagnose::{ByHand, Evidence, Finding, Risk, Sink, Subject};
use crate::model::{Flag, NodeId};
use crate::observation::{LinkState, NodeRow, Picture};
use crate::scenario::{Act, At, Scenario, Server, Until};

finding! {
    /// ## What it means
    /// A table holds the right IP and client port of a live node with another bus port than the
    /// node itself names. The connection fails, or reaches something else.
    ///
    /// ## How it comes about
    /// `CLUSTER MEET` without the third argument assumes the client port + 10000, which is wrong
    /// where `cluster-port` is set (7.0 and later); or the third argument was wrong. Older tools
    /// never pass it. MEET answers OK all the same; the entry stays in `handshake` and vanishes
    /// after one node timeout. Several nodes on one host may also collide: the bus port of one is
    /// the client port of another.
    ///
    /// ## What we look at
    /// Rows, those in `handshake` included, whose client address is that of a node that answered
    /// us, against the bus port in its own row.
    ///
    /// ## The repair
    /// `CLUSTER MEET` with the bus port as the third argument.
    ///
    /// ## Repair safety
    /// A failed MEET leaves nothing behind.
    ///
    /// ## By hand
    /// The command is printed. `CONFIG GET cluster-port` at the node tells its bus port; 0 means
    /// the client port + 10000.
    pub struct BusPortWrong { id: NodeId, tried: u16, own: u16, by: Vec<usize> }
    group: Bus, severity: Warning,
    after: [AllAddressesStale, AnnounceAddressWrong, IllegalAddress],
    settles: true, repair: [Meet], since: "0.1",
}

impl Finding for BusPortWrong {
    fn detect(seen: &Picture<'_>, out: &mut Sink<Self>) {
        let rows = seen.observation().rows.as_slice();
        let mut wrong: BTreeMap<u32, (NodeId, u16, u16)> = BTreeMap::new();
        for (number, row) in (0_u32..).zip(rows) {
            if let Some(found) = compare(seen, row) {
                wrong.insert(number, found);
            }
        }
        if wrong.is_empty() {
            return;
        }
        let mut by: BTreeMap<(NodeId, u16, u16), Vec<usize>> = BTreeMap::new();
        for observer in seen.observers() {
            let view = seen.sighting(observer).nodes.get();
            for shown in view.iter().flat_map(|view| &view.rows) {
                if let Some(found) = wrong.get(&shown.row) {
                    by.entry(*found).or_default().push(observer);
                }
            }
        }
        for ((id, tried, own), by) in by {
            let mut evidence: Vec<Evidence> = by
                .iter()
                .map(|observer| {
                    let says = format!("seeks {} at the bus port {tried}", id.short());
                    Evidence::first_hand(seen.sighting(*observer), says)
                })
                .collect();
            evidence.extend(
                seen.proved(id).map(|s| Evidence::first_hand(s, format!("my bus port is {own}"))),
            );
            let at = seen.endpoint(id);
            let subject = Subject::node(id).with_address(at);
            out.push(Self { id, tried, own, by }, subject, evidence);
        }
    }

    fn message(&self, seen: &Picture<'_>) -> String {
        format!(
            "{} is sought at the bus port {}, but its bus port is {}",
            seen.name(self.id),
            self.tried,
            self.own
        )
    }

    fn by_hand(&self, seen: &Picture<'_>) -> ByHand {
        let mut steps = ByHand::of(Risk::Reversible)
            .then("stop whatever repeats the MEET with the wrong port (an operator, a job)")
            .check(format!("{} is meant to be a member of this cluster", seen.name(self.id)));
        for observer in self.by.iter().take(1) {
            let at = seen.sighting(*observer).from.clone();
            let mut command = meet(seen, self.id);
            if command.split_whitespace().count() == 4 {
                command = format!("{command} {}", self.own);
            }
            steps = steps.command(Some(at), command);
        }
        steps.check("CLUSTER NODES shows it connected, and not in handshake")
    }

    fn scenario() -> Scenario {
        Scenario::of(3, 0)
            .stranger(At::Fresh)
            .act(Act::Repeat(0, "CLUSTER MEET {ip3} {port3} 9".to_owned(), 300))
            .wait(Until::Answers(0, "CLUSTER NODES".to_owned(), "@9".to_owned()))
            .beyond_repair(&Server::ALL, "a stranger's handshake, which ends by itself")
    }
}

/// The live node at the client address of a row, the bus port of the row, and the node's own.
fn compare(seen: &Picture<'_>, row: &NodeRow) -> Option<(NodeId, u16, u16)> {
    let tried = row.address.bus_port.filter(|port| *port != 0)?;
    if row.flags.has(Flag::Myself) || (row.link == LinkState::Connected && !suspicious(row)) {
        return None;
    }
    let id = seen.id_of(seen.sighting_at(&row.address.client()?)?)?;
    if id != row.id && !row.flags.has(Flag::Handshake) {
        return None;
    }
    let own = seen.own_row(id)?.address.bus_port.filter(|port| *port != 0)?;
    (own != tried).then_some((id, tried, own))
}

fn suspicious(row: &NodeRow) -> bool {
    row.flags.has(Flag::Handshake) || is_out_of_reach(row)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::observation::sketch::Sketch;

    #[test]
    fn a_handshake_with_the_wrong_bus_port() {
        let mut sketch = Sketch::healthy(3, 0);
        let mut row = sketch.nodes[0].table.as_ref().expect("drawn")[2].clone();
        row.id = NodeId::made_up(77);
        row.flags = crate::model::Flags::none().with(Flag::Handshake);
        row.link = LinkState::Disconnected;
        row.address.bus_port = Some(9);
        sketch.nodes[0].table.as_mut().expect("drawn").push(row);
        let found = sketch.detect::<BusPortWrong>(&ENTRY);
        assert_eq!(found.len(), 1, "{found:#?}");
        let steps = format!("{:?}", found[0].by_hand.steps);
        assert!(steps.contains(r#""10.0.0.3", "6379", "16379""#), "{steps}");
    }

    #[test]
    fn a_mapped_port_that_works_is_fine() {
        let mut sketch = Sketch::healthy(3, 0);
        sketch.rows_about(2, |row| row.address.bus_port = Some(9));
        assert_eq!(sketch.detect::<BusPortWrong>(&ENTRY), []);
    }
}
