//! Members have forgotten a live node that owns slots, and its slots have no owner with them.

use super::counted::brief;
use super::forgotten::{self, Forgotten};
use super::whereabouts::meet;
use crate::diagnose::{ByHand, Evidence, Finding, Risk, Sink, Subject};
use crate::model::{NodeId, SlotSet};
use crate::observation::Picture;
use crate::scenario::{Scenario, Until};

finding! {
    /// ## What it means
    /// A node that lives and owns slots was removed from the tables of other members with `CLUSTER
    /// FORGET`. With them its slots have no owner: they say `cluster_state:fail`, answer
    /// `CLUSTERDOWN Hash slot not served`, and clients that learn the map there find a hole. The
    /// forgotten node was not told. It lists everybody, says `ok` and **goes on taking writes** of
    /// clients that still have the old map.
    ///
    /// ## How it comes about
    /// `CLUSTER FORGET` was sent with the wrong id, or before the slots of the node were moved
    /// away (scale-down scripts, "replace the bad node" runbooks). Up to 7.0 the command concerns
    /// the node it is sent to; since 7.2 it spreads to every member within a second.
    ///
    /// ## What we look at
    /// The table of the forgotten node, which lists members that do not list it, although they
    /// know others who do or nobody does; its own slots; and that these slots have no owner with
    /// them. Or both lack each other, and members that both list have them both. *Near it:* the
    /// node itself was reset and knows nobody (RESET_MISTAKE); its slots were
    /// given to others meanwhile (FORGOTTEN_NODE_ZOMBIE); nobody owns the slots any more
    /// (SLOTS_UNASSIGNED).
    ///
    /// ## The repair
    /// Let the node join again; with its first packets the unassigned slots are its own. Up to
    /// Redis 7.0 a MEET works at once. Since 7.2 the members keep deleting it while the ban lasts:
    /// wait until 60 s (Valkey: `cluster-blacklist-ttl`) after the *last* FORGET, then MEET once.
    /// Valkey since 8.1 comes back by itself after the ban.
    ///
    /// ## Repair safety
    /// A MEET of a node that owns these slots with the greatest epoch loses nothing. Writes that
    /// it took meanwhile are kept, as nobody else owned the slots.
    ///
    /// ## By hand
    /// The printed MEET, once, at one member, after the ban where there is one.
    pub struct ForgotSlotOwner { owner: NodeId, slots: SlotSet, by: Vec<NodeId>, wait: bool }
    group: Operations, severity: Critical, after: [],
    settles: true, repair: [Meet, Claim], since: "0.1",
}

impl Finding for ForgotSlotOwner {
    fn detect(seen: &Picture<'_>, out: &mut Sink<Self>) {
        for gone in forgotten::all_or_mutual(seen) {
            let Some(slots) = seen.own_row(gone.id).map(|row| &row.slots) else { continue };
            let mut lacking = [gone.by.as_slice(), &gone.mutual].concat();
            lacking.sort_unstable();
            let by = ownerless_with(seen, slots, &lacking);
            if slots.is_empty() || by.is_empty() {
                continue;
            }
            let wait = by.iter().any(|n| forgotten::spreads(seen, seen.sighting(*n)));
            let ids: Vec<NodeId> = by.iter().filter_map(|n| seen.id_of(*n)).collect();
            let subject =
                Subject::node(gone.id).with_nodes(ids.iter().copied()).with_slots(slots.clone());
            let evidence = evidence(seen, &gone, slots, &by);
            out.push(
                Self { owner: gone.id, slots: slots.clone(), by: ids, wait },
                subject,
                evidence,
            );
        }
    }

    fn message(&self, seen: &Picture<'_>) -> String {
        let who = match self.by.as_slice() {
            [one] => seen.name(*one),
            many => format!("{} members", many.len()),
        };
        format!(
            "slots {} have no owner with {who}: their live owner was forgotten there, {}",
            brief(&self.slots),
            seen.name(self.owner)
        )
    }

    fn by_hand(&self, seen: &Picture<'_>) -> ByHand {
        let at = self.by.first().and_then(|id| seen.endpoint(*id));
        let hand = ByHand::of(Risk::Reversible)
            .command(seen.endpoint(self.owner), "CLUSTER INFO")
            .check("it still says cluster_slots_assigned:16384 and holds its keys");
        let hand = if self.wait {
            hand.then(
                "wait until 60 s (Valkey: cluster-blacklist-ttl) after the last FORGET: before that \
                 the members delete it again. Keep clients off it until then",
            )
        } else {
            hand
        };
        hand.command(at.clone(), meet(seen, self.owner))
            .command(at, "CLUSTER INFO")
            .check("cluster_state:ok and cluster_slots_assigned:16384 on every member")
            .never(
                "give its slots to others with ADDSLOTS meanwhile: both sides would own them, and \
                    one side's keys are deleted when they meet",
            )
            .never("send FORGET again: it renews the ban")
            .never("CLUSTER RESET on the forgotten node: it holds the only copy of its keys")
    }

    fn scenario() -> Scenario {
        Scenario::of(3, 0)
            .keys(300)
            .send(1, "CLUSTER FORGET {id0}")
            .wait(Until::State(1, "fail"))
            .wait(Until::Field(1, "cluster_slots_assigned", "10923"))
    }
}

/// Those of the observers with whom some of the slots have no owner.
fn ownerless_with(seen: &Picture<'_>, slots: &SlotSet, observers: &[usize]) -> Vec<usize> {
    let holes = |assigned: &SlotSet| !slots.difference(assigned).is_empty();
    let mut by: Vec<usize> = seen
        .opinions()
        .iter()
        .filter(|opinion| holes(&opinion.assigned))
        .flat_map(|opinion| opinion.by.iter().copied())
        .filter(|n| observers.binary_search(n).is_ok())
        .collect();
    by.sort_unstable();
    by
}

fn evidence(
    seen: &Picture<'_>,
    gone: &Forgotten<'_>,
    slots: &SlotSet,
    by: &[usize],
) -> Vec<Evidence> {
    let lists = if gone.by.is_empty() { "do not list" } else { "list" };
    let owner = format!("I own slots {} and {lists} the members that do not list me", brief(slots));
    let mut evidence = vec![Evidence::first_hand(gone.sighting, owner)];
    evidence.extend(by.iter().take(8).map(|n| {
        let says = format!("does not list {}, its slots have no owner", gone.id.short());
        Evidence::first_hand(seen.sighting(*n), says)
    }));
    evidence.extend(gone.listed_by.iter().take(2).map(|n| {
        let says = format!("lists {} as a member", gone.id.short());
        Evidence::hearsay(seen.sighting(*n), says)
    }));
    evidence
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnose::Step;
    use crate::observation::sketch::Sketch;

    fn forget(sketch: &mut Sketch, observer: usize, about: usize) {
        let id = Sketch::id(about);
        let table = sketch.nodes[observer].table.as_mut().expect("a table");
        table.retain(|row| row.id != id);
    }

    #[test]
    fn one_member_that_forgot_an_owner_is_enough() {
        let mut sketch = Sketch::healthy(3, 0);
        forget(&mut sketch, 1, 0);
        let found = sketch.detect::<ForgotSlotOwner>(&ENTRY);
        assert_eq!(found.len(), 1, "{found:#?}");
        assert_eq!(found[0].subject.slots, SlotSet::range(0, 5460));
        let meet = "CLUSTER MEET 10.0.0.1 6379";
        assert!(
            found[0].by_hand.steps.iter().any(|step| matches!(step, Step::Command { on, argv }
                if *on == Sketch::at(1) && argv.join(" ") == meet))
        );
    }

    #[test]
    fn since_7_2_the_ban_is_waited_for() {
        let waits = |sketch: &Sketch| {
            let found = sketch.detect::<ForgotSlotOwner>(&ENTRY);
            let steps = &found[0].by_hand.steps;
            steps.iter().any(|step| matches!(step, Step::Do(text) if text.contains("60 s")))
        };
        let mut sketch = Sketch::healthy(3, 0);
        forget(&mut sketch, 1, 0);
        assert!(!waits(&sketch));
        sketch.info(1, "redis_version", "7.2.4");
        assert!(waits(&sketch));
    }

    #[test]
    fn slots_with_another_owner_a_dead_owner_and_islands_are_not_this() {
        let mut sketch = Sketch::healthy(3, 0);
        forget(&mut sketch, 1, 0);
        forget(&mut sketch, 2, 0);
        for observer in [1, 2] {
            sketch.row(observer, 1, |row| row.slots = SlotSet::range(0, 10_922));
        }
        assert_eq!(sketch.detect::<ForgotSlotOwner>(&ENTRY), []);

        let mut sketch = Sketch::healthy(3, 0);
        forget(&mut sketch, 1, 0);
        sketch.silence(0, crate::observation::Silence::Refused, None);
        assert_eq!(sketch.detect::<ForgotSlotOwner>(&ENTRY), []);

        let mut sketch = Sketch::healthy(4, 0);
        for (observer, about) in [(0, 2), (0, 3), (1, 2), (1, 3), (2, 0), (2, 1), (3, 0), (3, 1)] {
            forget(&mut sketch, observer, about);
        }
        assert_eq!(sketch.detect::<ForgotSlotOwner>(&ENTRY), []);
    }

    #[test]
    fn two_that_forgot_each_other_are_found_where_others_have_both() {
        let mut sketch = Sketch::healthy(4, 0);
        forget(&mut sketch, 0, 1);
        forget(&mut sketch, 1, 0);
        let found = sketch.detect::<ForgotSlotOwner>(&ENTRY);
        let owners: Vec<_> = found.iter().map(|found| found.subject.slots.len()).collect();
        assert_eq!(owners, [4096, 4096], "{found:#?}");
    }
}
