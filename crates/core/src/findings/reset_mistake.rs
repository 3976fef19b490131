//! A member was reset (or its slots were dropped) and no longer claims what the others map to it.

use super::counted::brief;
use super::whereabouts::meet;
use crate::diagnose::{ByHand, Evidence, Finding, Risk, Sink, Subject};
use crate::model::{NodeId, SlotSet};
use crate::observation::{Picture, Role, Sighting};
use crate::scenario::{Scenario, Until};

finding! {
    /// ## What it means
    /// A node still has the id that the others know, but it no longer claims the slots that they
    /// map to it (or, if it was a replica, it no longer follows anybody). The others go on saying
    /// `cluster_state:ok` and send clients to it; it answers `CLUSTERDOWN Hash slot not served`.
    ///
    /// ## How it comes about
    /// `CLUSTER RESET SOFT` on a member: it forgets all nodes and slots and keeps its id. A
    /// primary with keys refuses this, an empty or emptied one does not; **a replica is emptied at
    /// once.** `CLUSTER FLUSHSLOTS` or `DELSLOTS` on the owner leave the same picture. The others
    /// do not take slots away from a node that stops claiming them
    /// (`clusterUpdateSlotsConfigWith`).
    ///
    /// ## What we look at
    /// A live node whose own row claims nothing and whose table gives those slots to nobody,
    /// against the slots that the others map to the same id. *Near it:* a reset with HARD changes
    /// the id (NODE_IDENTITY_LOST, PRIMARY_NOADDR_MASKED); the node knows another owner
    /// (SLOT_OWNER_DISAGREEMENT).
    ///
    /// ## The repair
    /// Give the node its slots back with `ADDSLOTSRANGE` and MEET it from a member if it knows
    /// nobody. Its config epoch is kept by a soft reset, so its claim counts again at once. A
    /// replica is made a replica again with `CLUSTER REPLICATE`; its data comes from the primary.
    ///
    /// ## Repair safety
    /// The slots are mapped to this node already and nobody else claims them, so no key can be
    /// deleted by it. Check first that no replica of it was promoted meanwhile.
    ///
    /// ## By hand
    /// The printed commands, on the node itself first.
    pub struct ResetMistake {
        node: NodeId, slots: SlotSet, knows_nobody: bool, was_replica_of: Option<NodeId>,
    }
    group: Operations, severity: Critical, after: [],
    repair: [Meet, Claim], since: "0.1",
}

impl Finding for ResetMistake {
    fn detect(seen: &Picture<'_>, out: &mut Sink<Self>) {
        for (id, member) in seen.members() {
            let Some(mine) = seen.own_row(id) else { continue };
            let Some(observer) =
                member.proved.iter().copied().find(|n| seen.sighting(*n).nodes.get().is_some())
            else {
                continue;
            };
            if seen.role(id) != Some(Role::Primary) || !mine.slots.is_empty() {
                continue;
            }
            let sighting = seen.sighting(observer);
            let knows_nobody = seen.view(observer).count() == 1;
            let slots = seen.slots_of(id);
            let was_replica_of = seen.usual_row(id).and_then(|row| row.primary);
            let dropped = !slots.is_empty() && has_no_owner_with(seen, observer, &slots);
            let left = knows_nobody && was_replica_of.is_some();
            if !dropped && !left {
                continue;
            }
            let evidence = evidence(seen, id, sighting, &slots, knows_nobody);
            let subject = Subject::node(id).with_slots(slots.clone());
            out.push(Self { node: id, slots, knows_nobody, was_replica_of }, subject, evidence);
        }
    }

    fn message(&self, seen: &Picture<'_>) -> String {
        let name = seen.name(self.node);
        if self.slots.is_empty() {
            return format!("a replica was reset: it follows nobody and knows nobody, {name}");
        }
        let nobody = if self.knows_nobody { " and knows nobody" } else { "" };
        format!(
            "the owner of slots {} was reset: it no longer claims them{nobody}, {name}",
            brief(&self.slots)
        )
    }

    fn by_hand(&self, seen: &Picture<'_>) -> ByHand {
        let at = || seen.endpoint(self.node);
        let member = seen
            .agreed()
            .and_then(|opinion| opinion.by.first())
            .and_then(|n| seen.id_of(*n))
            .and_then(|id| seen.endpoint(id));
        let mut hand = ByHand::of(Risk::Reversible).command(at(), "CLUSTER NODES");
        if !self.slots.is_empty() {
            let ranges: Vec<String> =
                self.slots.ranges().iter().map(|r| format!("{} {}", r.first, r.last)).collect();
            hand = hand
                .check("that no other node claims these slots")
                .command(at(), format!("CLUSTER ADDSLOTSRANGE {}", ranges.join(" ")));
        }
        if self.knows_nobody {
            hand = hand.command(member, meet(seen, self.node));
        }
        if let Some(primary) = self.was_replica_of.filter(|_| self.slots.is_empty()) {
            hand = hand
                .check("that it lists all members")
                .command(at(), format!("CLUSTER REPLICATE {primary}"));
        }
        hand.check("cluster_state:ok there and on all members")
            .never("CLUSTER RESET HARD to \"clean it up\": the others then map the slots to an id that \
                    nobody carries")
            .never("reset further nodes: a replica is emptied at once by it")
    }

    fn scenario() -> Scenario {
        Scenario::of(3, 0)
            .bare()
            .send(0, "CLUSTER RESET SOFT")
            .wait(Until::State(0, "fail"))
            .wait(Until::State(1, "ok"))
            .wait(Until::Field(0, "cluster_slots_assigned", "0"))
    }
}

fn has_no_owner_with(seen: &Picture<'_>, observer: usize, slots: &SlotSet) -> bool {
    seen.view(observer).all(|(row, _)| row.slots.intersection(slots).is_empty())
}

fn evidence(
    seen: &Picture<'_>,
    id: NodeId,
    sighting: &Sighting,
    slots: &SlotSet,
    knows_nobody: bool,
) -> Vec<Evidence> {
    let alone = if knows_nobody { " and know no other node" } else { "" };
    let mine = format!("I am a primary, claim no slot{alone}");
    let mut evidence = vec![Evidence::first_hand(sighting, mine)];
    let rows = seen.member(id).into_iter().flat_map(|member| &member.rows);
    for observer in rows.flat_map(|row| row.by.iter().copied()).take(4) {
        let what = if slots.is_empty() {
            "lists it as a replica".to_owned()
        } else {
            format!("maps slots {} to it", brief(slots))
        };
        evidence.push(Evidence::hearsay(seen.sighting(observer), what));
    }
    evidence
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnose::Step;
    use crate::observation::sketch::Sketch;

    #[test]
    fn an_owner_that_was_reset_is_found_with_its_slots() {
        let mut sketch = Sketch::healthy(3, 0);
        sketch.reset(0);
        let found = sketch.detect::<ResetMistake>(&ENTRY);
        assert_eq!(found.len(), 1, "{found:#?}");
        let argv: Vec<String> = found[0]
            .by_hand
            .steps
            .iter()
            .filter_map(|step| match step {
                Step::Command { argv, .. } => Some(argv.join(" ")),
                _ => None,
            })
            .collect();
        assert!(argv.contains(&"CLUSTER ADDSLOTSRANGE 0 5460".to_owned()), "{argv:?}");
        assert!(argv.contains(&"CLUSTER MEET 10.0.0.1 6379".to_owned()), "{argv:?}");
    }

    #[test]
    fn a_replica_that_was_reset_is_made_a_replica_again() {
        let mut sketch = Sketch::healthy(3, 1);
        sketch.reset(3);
        sketch.row(3, 3, |row| {
            row.primary = None;
            row.flags = crate::model::Flags::none()
                .with(crate::model::Flag::Primary)
                .with(crate::model::Flag::Myself);
        });
        let found = sketch.detect::<ResetMistake>(&ENTRY);
        assert_eq!(found.len(), 1, "{found:#?}");
        let wanted = format!("REPLICATE {}", Sketch::id(0));
        let argv = found[0].by_hand.steps.iter().any(
            |step| matches!(step, Step::Command { argv, .. } if argv.join(" ").ends_with(&wanted)),
        );
        assert!(argv, "{:?}", found[0].by_hand);
    }

    #[test]
    fn a_node_that_knows_another_owner_was_not_reset() {
        let mut sketch = Sketch::healthy(3, 0);
        sketch.row(0, 0, |row| row.slots = SlotSet::new());
        sketch.row(0, 1, |row| row.slots = SlotSet::range(0, 10_922));
        assert_eq!(sketch.detect::<ResetMistake>(&ENTRY), []);
        assert_eq!(Sketch::healthy(3, 1).detect::<ResetMistake>(&ENTRY), []);
    }
}
