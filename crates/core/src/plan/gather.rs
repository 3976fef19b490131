//! Keys go to the owner of their slot.
//!
//! A server moves keys of a slot that it does not own only while it imports it (`getNodeByQuery`,
//! MIGRATE with an open slot), so the holder is made to import it from the owner, sends the keys
//! there, and closes the slot again. The owner never stops serving.

use std::collections::BTreeMap;

use super::finish::occupied;
use super::segments;
use super::{Change, Draft, Fact, Holds, Reason, Repair, SlotState, Step};
use crate::diagnose::Risk;
use crate::model::{Endpoint, NodeId, SlotSet};

pub(super) fn draft(draft: &mut Draft<'_>) {
    let mut strays: BTreeMap<(NodeId, NodeId), SlotSet> = BTreeMap::new();
    let mut moving = false;
    for (facts, slots) in segments::all(draft.seen, &draft.live) {
        moving |= facts.open && facts.holders.iter().any(|id| !facts.claimants.contains(id));
        let ([owner], true, false) = (&*facts.claimants, facts.is_settled(), facts.open) else {
            continue;
        };
        for holder in facts.holders.iter().filter(|holder| *holder != owner) {
            let all = strays.entry((*holder, *owner)).or_default();
            *all = all.union(&slots);
        }
    }
    let none = strays.is_empty();
    for ((holder, owner), slots) in strays {
        let slots = slots.difference(&draft.known_to_differ(Repair::Gather, holder, &slots));
        if !slots.is_empty() {
            bring(draft, Repair::Gather, holder, owner, &slots);
        }
    }
    if none {
        let why = if moving {
            "their slot is marked as being moved: that move is brought to its end first"
        } else {
            "the keys were not counted, or their slots have no owner that all nodes agree on"
        };
        draft.refuse_all(Repair::Gather, &Reason::NothingToGather.says(why));
    }
}

/// The steps that bring the keys of these slots from a node that does not own them to the owner.
pub(super) fn bring(
    draft: &mut Draft<'_>,
    repair: Repair,
    from: NodeId,
    to: NodeId,
    slots: &SlotSet,
) {
    let Some(target) = draft.live(to) else { return };
    let at = Endpoint::new(target.ip.clone(), target.port);
    let mends = draft.code(repair, from);
    let within_ms = draft.seen.node_timeout_ms().clamp(2_000, 20_000);
    let open = |state| Fact::new(from, Holds::Open { slots: slots.clone(), state });
    let owned = || Fact::new(to, Holds::Owns { owner: to, slots: slots.clone() });
    let importing = SlotState::Importing(to);
    let mut steps = vec![Step {
        mends: mends.clone(),
        on: from,
        change: Change::SetSlots { slots: slots.clone(), to: importing },
        risk: Risk::Reversible,
        why: format!(
            "it has keys of slots that {} owns; a server sends keys of an open slot only",
            to.short()
        ),
        guard: vec![owned(), Fact::new(from, Holds::OwnsNot { owner: from, slots: slots.clone() })],
        expect: vec![open(importing)],
        within_ms,
        stage: 0,
    }];
    for slot in occupied(draft, from, slots).iter() {
        let one = SlotSet::one(slot);
        steps.push(Step {
            mends: mends.clone(),
            on: from,
            change: Change::MoveKeys { slot, to, at: at.clone() },
            risk: Risk::MovesOwnership,
            why: format!("the keys of slot {slot} go to its owner"),
            guard: vec![
                Fact::new(from, Holds::Open { slots: one.clone(), state: importing }),
                Fact::new(to, Holds::Owns { owner: to, slots: one.clone() }),
            ],
            expect: vec![Fact::new(from, Holds::HoldsNoKeys { slots: one })],
            within_ms,
            stage: 1,
        });
    }
    steps.push(Step {
        mends,
        on: from,
        change: Change::SetSlots { slots: slots.clone(), to: SlotState::Stable },
        risk: Risk::Reversible,
        why: "the keys are where they belong: the slots are closed again".to_owned(),
        guard: vec![owned()],
        expect: vec![open(SlotState::Stable)],
        within_ms,
        stage: 2,
    });
    draft.steps.extend(steps);
}
