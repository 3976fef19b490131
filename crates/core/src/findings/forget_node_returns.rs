//! A node was forgotten by some members and is still listed by others.

use super::forgotten;
use crate::diagnose::{ByHand, Evidence, Finding, Risk, Sink, Subject};
use crate::model::NodeId;
use crate::observation::Picture;
use crate::scenario::{Scenario, Server, Until};

finding! {
    /// ## What it means
    /// Some members list a node that others have forgotten. It owns no slots, so nothing fails
    /// now; but its removal is half done: when the ban of 60 s is over, those who list it may
    /// introduce it to the others again, and monitors, new nodes and some clients go on meeting
    /// it.
    ///
    /// ## How it comes about
    /// `CLUSTER FORGET` was sent to some members only (up to 7.0 it concerns one node), or not to
    /// all within 60 s; a member was down meanwhile and has the id in its `nodes.conf`; or the
    /// forgotten process still runs (Valkey since 8.1 joins again by itself after the ban).
    ///
    /// ## What we look at
    /// An id without slots that is in the tables of some members and, for more than a moment, not
    /// in the tables of others although they know each other. *Near it:* it owns slots
    /// (FORGOT_SLOT_OWNER); all members list it although it is gone (GHOST_NODE_ENTRIES); two live
    /// members do not know each other because of the network (MEMBERSHIP_ASYMMETRIC).
    ///
    /// ## The repair
    /// Stop the node for good first, then send FORGET to every member that lists it, all within a
    /// minute. If it should stay a member instead, MEET it once after the ban.
    ///
    /// ## Repair safety
    /// FORGET of an id without slots and without replicas loses nothing. A replica that holds the
    /// only good copy of its shard must not be forgotten: check the primary first.
    ///
    /// ## By hand
    /// The printed FORGET on each member, then look again after 90 s.
    pub struct ForgetNodeReturns { node: NodeId, listed_by: Vec<NodeId>, alive: bool }
    group: Operations, severity: Warning, after: [GhostNodeEntries, NodeIdentityLost],
    settles: true,
    obstacle: "somebody had it forgotten, and it runs or is still listed: whether it shall stay is for \
               a person to say. To keep it, let a member CLUSTER MEET it; to be rid of it, stop it \
               for good, then CLUSTER FORGET it at every member that lists it, within a minute",
    since: "0.1",
}

impl Finding for ForgetNodeReturns {
    fn detect(seen: &Picture<'_>, out: &mut Sink<Self>) {
        let live = forgotten::all(seen)
            .into_iter()
            .filter(|gone| !gone.listed_by.is_empty() || returns(seen, gone.id))
            .map(|gone| (gone.id, gone.by, gone.listed_by, true));
        let dead =
            forgotten::dead(seen).into_iter().map(|(id, by, listed)| (id, by, listed, false));
        for (id, by, listed_by, alive) in live.chain(dead) {
            let owns = seen.opinions().iter().any(|opinion| opinion.owners.contains_key(&id));
            if owns {
                continue;
            }
            let mut evidence: Vec<Evidence> = listed_by
                .iter()
                .take(4)
                .map(|n| Evidence::first_hand(seen.sighting(*n), format!("lists {}", id.short())))
                .collect();
            evidence.extend(by.iter().take(4).map(|n| {
                Evidence::first_hand(seen.sighting(*n), format!("does not list {}", id.short()))
            }));
            let listed_by = listed_by.iter().filter_map(|n| seen.id_of(*n)).collect();
            out.push(Self { node: id, listed_by, alive }, Subject::node(id), evidence);
        }
    }

    fn message(&self, seen: &Picture<'_>) -> String {
        let name = seen.name(self.node);
        match (self.listed_by.as_slice(), self.alive) {
            ([], _) => format!("a forgotten node still runs and will join again: {name}"),
            ([one], _) => {
                format!(
                    "a node that others have forgotten is still listed by {}: {name}",
                    seen.name(*one)
                )
            }
            (many, _) => {
                format!(
                    "a node that others have forgotten is still listed by {} members: {name}",
                    many.len()
                )
            }
        }
    }

    fn by_hand(&self, seen: &Picture<'_>) -> ByHand {
        let mut hand = ByHand::of(Risk::DropsCopy)
            .check("that it owns no slots and that no shard needs it as a copy");
        if self.alive {
            hand = hand.then(format!("stop the process of {} for good", seen.name(self.node)));
        }
        for id in self.listed_by.iter().take(12) {
            hand = hand.command(seen.endpoint(*id), format!("CLUSTER FORGET {}", self.node));
        }
        hand.check("90 s later: no member lists it")
            .never("FORGET one member per minute: the ban of the first is over before the last is told")
            .never("FORGET a node that owns slots")
    }

    fn scenario() -> Scenario {
        // Up to 7.0 the others still list it; on Valkey it runs and will meet them again.
        Scenario::of(3, 1)
            .send(0, "CLUSTER FORGET {id5}")
            .wait(Until::Knows { on: 0, about: 5, known: false })
            .not_on(
                Server::Redis82,
                "since 7.2 a FORGET reaches all members, and Redis does not let the node join again",
            )
    }
}

fn returns(seen: &Picture<'_>, id: NodeId) -> bool {
    seen.proved(id).is_some_and(|sighting| forgotten::returns_by_itself(seen, sighting))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::observation::Silence;
    use crate::observation::sketch::Sketch;

    fn forget(sketch: &mut Sketch, observer: usize, about: usize) {
        let id = Sketch::id(about);
        let table = sketch.nodes[observer].table.as_mut().expect("a table");
        table.retain(|row| row.id != id);
    }

    #[test]
    fn a_replica_that_one_member_forgot_is_found_dead_or_alive() {
        for alive in [true, false] {
            let mut sketch = Sketch::healthy(3, 1);
            forget(&mut sketch, 0, 4);
            if !alive {
                sketch.silence(4, Silence::Refused, Some(Silence::Refused));
            }
            let found = sketch.detect::<ForgetNodeReturns>(&ENTRY);
            assert_eq!(found.len(), 1, "{found:#?}");
            assert_eq!(found[0].subject, Subject::node(Sketch::id(4)));
        }
    }

    #[test]
    fn an_owner_of_slots_and_a_node_that_all_list_are_not_this() {
        let mut sketch = Sketch::healthy(3, 1);
        forget(&mut sketch, 0, 1);
        assert_eq!(sketch.detect::<ForgetNodeReturns>(&ENTRY), []);
        let mut sketch = Sketch::healthy(3, 1);
        sketch.silence(4, Silence::Refused, Some(Silence::Refused));
        assert_eq!(sketch.detect::<ForgetNodeReturns>(&ENTRY), []);
    }
}
