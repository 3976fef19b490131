//! A node that all members have forgotten goes on serving slots that have other owners now.

use super::counted::brief;
use super::forgotten;
use crate::diagnose::{ByHand, Evidence, Finding, Risk, Sink, Subject};
use crate::model::{NodeId, SlotSet};
use crate::observation::Picture;
use crate::scenario::{Scenario, Until};

finding! {
    /// ## What it means
    /// A node that no member lists any more says `cluster_state:ok`, lists all of them, and serves
    /// slots that the members have given to others. Clients with an old map, or with this node
    /// among their seeds, write to it: **the two sides drift apart** and every check of a single
    /// node says `ok`.
    ///
    /// ## How it comes about
    /// `CLUSTER FORGET` removes a node from the tables of the others; the node itself is not told
    /// (its pings are still answered, as a stranger's). If its process was left running and its
    /// slots were assigned again, both owners serve them. The claim with the smaller epoch never
    /// wins on the zombie, so this does not heal by itself.
    ///
    /// ## What we look at
    /// A live node with slots and `cluster_state:ok` whose table lists the members, while none of
    /// them lists it and all of its slots have other owners with them. *Near it:* the slots have
    /// no owner with the members (FORGOT_SLOT_OWNER: there the node must come back); both owners
    /// are members (SLOT_CLAIMED_TWICE); nobody knows anybody of the other side
    /// (CLUSTER_SPLIT_ISLANDS).
    ///
    /// ## The repair
    /// Fence it from clients, save what was written to it since the removal, then stop it for
    /// good.
    ///
    /// ## Repair safety
    /// What it took since the removal exists only there: copy its data before the process ends,
    /// and compare with the present owners. Valkey since 8.1 joins again by itself when the ban of
    /// 60 s is over; then one side's keys are deleted as foreign.
    ///
    /// ## By hand
    /// Fence, save, compare, stop: in this order.
    pub struct ForgottenNodeZombie { node: NodeId, slots: SlotSet, returns: bool }
    group: Operations, severity: Critical, after: [],
    repair: [Meet], since: "0.1",
}

impl Finding for ForgottenNodeZombie {
    fn detect(seen: &Picture<'_>, out: &mut Sink<Self>) {
        for gone in forgotten::all(seen).into_iter().filter(|gone| gone.listed_by.is_empty()) {
            let Some(slots) = seen.own_row(gone.id).map(|row| row.slots.clone()) else { continue };
            let says_ok =
                gone.sighting.cluster_info.get().is_some_and(|info| info.is("cluster_state", "ok"));
            let Some(members) =
                seen.opinions().iter().find(|o| gone.by.iter().any(|n| o.by.contains(n)))
            else {
                continue;
            };
            if slots.is_empty() || !says_ok || !slots.difference(&members.assigned).is_empty() {
                continue;
            }
            let owners: Vec<NodeId> = members
                .owners
                .iter()
                .filter(|(_, theirs)| !theirs.intersection(&slots).is_empty())
                .map(|(id, _)| *id)
                .collect();
            let mut evidence = vec![Evidence::first_hand(
                gone.sighting,
                format!("cluster_state:ok, and I own slots {}", brief(&slots)),
            )];
            evidence.extend(gone.by.iter().take(8).map(|n| {
                let says = "does not list it, and gives its slots to others";
                Evidence::first_hand(seen.sighting(*n), says)
            }));
            let returns = forgotten::returns_by_itself(seen, gone.sighting);
            let subject = Subject::node(gone.id).with_nodes(owners).with_slots(slots.clone());
            out.push(Self { node: gone.id, slots, returns }, subject, evidence);
        }
    }

    fn message(&self, seen: &Picture<'_>) -> String {
        format!(
            "a node that no member knows goes on serving slots {}, which have another owner: {}",
            brief(&self.slots),
            seen.name(self.node)
        )
    }

    fn by_hand(&self, seen: &Picture<'_>) -> ByHand {
        let at = seen.endpoint(self.node);
        let hand = ByHand::of(Risk::DropsCopy).then(
            "keep clients away from it: close its client port to them, take it out of seed lists \
             and services",
        );
        let hand = if self.returns {
            hand.then(
                "close its bus port as well, within 60 s of the FORGET: this version joins again by \
                 itself, and then one side's keys are deleted",
            )
        } else {
            hand
        };
        hand.command(at.clone(), "BGSAVE")
            .then("copy its dump.rdb (or its AOF folder) to a safe place")
            .check("which keys it holds that the present owners do not, and which are newer")
            .then(format!(
                "stop the process at {} and do not start it again with this nodes.conf",
                at.map_or_else(|| self.node.short(), |at| at.to_string())
            ))
            .never(
                "CLUSTER MEET it: its claims and those of the members collide, and the keys of \
                    the side with the smaller epoch are deleted",
            )
            .never("stop it before its data was copied")
    }

    fn scenario() -> Scenario {
        Scenario::of(3, 0)
            .keys(300)
            .send(0, "CLUSTER FORGET {id2}")
            .send(1, "CLUSTER FORGET {id2}")
            .wait(Until::Knows { on: 0, about: 2, known: false })
            .wait(Until::Knows { on: 1, about: 2, known: false })
            .send(0, "CLUSTER ADDSLOTSRANGE 10922 16383")
            .wait(Until::State(0, "ok"))
            .wait(Until::State(1, "ok"))
            .wait(Until::State(2, "ok"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::observation::sketch::Sketch;

    fn forgotten_by_all(new_owner: bool) -> Sketch {
        let mut sketch = Sketch::healthy(3, 0);
        for observer in [0, 1] {
            let table = sketch.nodes[observer].table.as_mut().expect("a table");
            table.retain(|row| row.id != Sketch::id(2));
            if new_owner {
                sketch.row(observer, 1, |row| row.slots = SlotSet::range(5_461, 16_383));
            }
        }
        sketch
    }

    #[test]
    fn a_forgotten_owner_whose_slots_were_given_away_is_a_zombie() {
        let found = forgotten_by_all(true).detect::<ForgottenNodeZombie>(&ENTRY);
        assert_eq!(found.len(), 1, "{found:#?}");
        assert!(found[0].subject.nodes.contains(&Sketch::id(1)), "the present owner");
        assert!(found[0].by_hand.never.iter().any(|line| line.contains("MEET")));
    }

    #[test]
    fn without_a_new_owner_or_without_serving_it_is_none() {
        assert_eq!(forgotten_by_all(false).detect::<ForgottenNodeZombie>(&ENTRY), []);
        let mut sketch = forgotten_by_all(true);
        sketch.cluster_info(2, "cluster_state", "fail");
        assert_eq!(sketch.detect::<ForgottenNodeZombie>(&ENTRY), []);
    }
}
