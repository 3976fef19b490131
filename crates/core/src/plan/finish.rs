//! Moves of slots are brought to their end, or taken back.
//!
//! The order is what keeps every key: all keys leave the giver, then the receiver becomes the
//! owner, then the giver hears of it. `redis-cli --cluster fix` makes the receiver the owner first
//! where it has more keys, and the giver deletes what it still holds.

use std::collections::BTreeMap;

use super::live::Live;
use super::segments;
use super::{Change, Draft, Fact, Holds, Reason, Repair, SlotState, Step, Why, claim, gather};
use crate::diagnose::{Found, Risk};
use crate::model::{NodeId, Slot, SlotSet};
use crate::observation::OpenSlot;

/// What becomes of an open slot.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum Way {
    /// The move goes on to its end. The marks that are missing are set first.
    Onward { from: NodeId, to: NodeId },
    /// Neither end has a key of it: the marks of both go, and nobody's ownership changes. A member
    /// that does not answer may have a third mark, and keys behind it.
    TakeBack { from: NodeId, to: NodeId },
    /// The mark on this node goes; there is nothing to be moved.
    Close { on: NodeId },
    /// The importing node has keys of a slot that this node owns.
    Return { from: NodeId, to: NodeId },
    /// Both ends name the other: the node with the keys becomes the owner.
    Own { on: NodeId },
    /// It stays as it is, and why.
    Leave(Why),
}

pub(super) fn draft(draft: &mut Draft<'_>) {
    let claims = segments::all(draft.seen, &draft.live);
    let mut ways: BTreeMap<Way, SlotSet> = BTreeMap::new();
    for (slot, marks) in marks(draft) {
        let facts = claims.iter().find(|(_, slots)| slots.contains(slot)).map(|(facts, _)| facts);
        let claimants = facts.map(|facts| facts.claimants.as_slice()).unwrap_or_default();
        let named = facts.map(segments::Facts::named).unwrap_or_default();
        let way = match claim::silent_owner(draft, &named, &SlotSet::one(slot)) {
            Some(owner) => Way::Leave(Reason::MoveOwnerSilent.says(format!(
                "slot {slot} belongs to {owner}, which does not answer: what it has of it is not \
                 known"
            ))),
            None => way(draft, slot, &marks, claimants),
        };
        let slots = ways.entry(way).or_default();
        slots.insert(slot.get(), slot.get());
    }
    for (way, slots) in ways {
        let slots = match way {
            Way::Onward { from, .. } | Way::Return { from, .. } => {
                slots.difference(&draft.known_to_differ(Repair::Finish, from, &slots))
            }
            _ => slots,
        };
        if slots.is_empty() {
            continue;
        }
        match way {
            Way::Onward { from, to } if lags(draft, from, to) => {
                let (giver, receiver) = (draft.seen.name(from), draft.seen.name(to));
                draft.wait(Reason::EpochNotHeard.says(format!(
                    "{receiver} has not heard of the config epoch of {giver} yet: the slot that it \
                     takes over now would be taken from it again"
                )));
            }
            Way::Onward { from, to } => onward(draft, from, to, &slots),
            Way::TakeBack { from, to } => take_back(draft, from, to, slots),
            Way::Close { on } => close(draft, on, slots),
            Way::Return { from, to } => {
                // That the keys are out of reach is the graver name of such a mark.
                let astray = |found: &Found| {
                    let subject = &found.subject;
                    subject.nodes.contains(&from) && !subject.slots.intersection(&slots).is_empty()
                };
                let graver = draft.found(Repair::Gather).any(astray);
                let repair = if graver { Repair::Gather } else { Repair::Finish };
                gather::bring(draft, repair, from, to, &slots);
            }
            Way::Own { on } => own(draft, on, slots),
            Way::Leave(why) => draft.refuse_all(Repair::Finish, &why),
        }
    }
    if draft.steps.is_empty() && !draft.is_refused(Repair::Finish) && draft.waiting.is_empty() {
        let why =
            "no primary that answers has a mark: a replica's own mark goes with the next sync";
        draft.refuse_all(Repair::Finish, &Reason::NoMark.says(why));
    }
}

/// Who says that a slot is on its way, and where to or from.
#[derive(Default)]
struct Marks {
    migrating: Vec<(NodeId, NodeId)>,
    importing: Vec<(NodeId, NodeId)>,
}

fn marks(draft: &Draft<'_>) -> BTreeMap<Slot, Marks> {
    let mut marks: BTreeMap<Slot, Marks> = BTreeMap::new();
    // A replica repeats the marks of its primary (Valkey, since 8.0), and takes no SETSLOT.
    for node in draft.live.iter().filter(|node| node.is_primary()) {
        for open in &node.own.open {
            let here = marks.entry(open.slot()).or_default();
            match *open {
                OpenSlot::Migrating { to, .. } => here.migrating.push((node.id, to)),
                OpenSlot::Importing { from, .. } => here.importing.push((node.id, from)),
            }
        }
    }
    marks
}

fn way(draft: &Draft<'_>, slot: Slot, marks: &Marks, claimants: &[NodeId]) -> Way {
    let keys = |id: NodeId| draft.live(id).and_then(|node| node.census()?.keys_in(slot));
    let primary = |id: NodeId| draft.live(id).is_some_and(Live::is_primary);
    // Who does not own a slot gives nothing of it away.
    if let Some((idle, _)) = marks.migrating.iter().find(|(from, _)| !claimants.contains(from)) {
        return Way::Close { on: *idle };
    }
    match (marks.migrating.as_slice(), marks.importing.as_slice()) {
        (_, [(to, _)]) if claimants.contains(to) => Way::Close { on: *to },
        ([(from, to)], [(there, whence)]) if to == there && from == whence => {
            if keys(*from) == Some(0) && keys(*to) == Some(0) {
                Way::TakeBack { from: *from, to: *to }
            } else {
                Way::Onward { from: *from, to: *to }
            }
        }
        ([(from, to)], []) => {
            let to = receiver(draft, *to);
            match keys(to) {
                Some(0) => Way::Close { on: *from },
                Some(_) if primary(to) => Way::Onward { from: *from, to },
                _ => Way::Leave(Reason::ArrivedNotSeen.says(format!(
                    "slot {slot} is on its way to {}, and whether keys of it are there could not \
                     be seen",
                    draft.seen.name(to)
                ))),
            }
        }
        ([], [(to, from)]) => match (keys(*to), claimants) {
            (Some(0), [_]) => Way::Close { on: *to },
            // The owner gives nothing away: keys that are elsewhere go back to it. It may also be
            // another run that is bringing them at this moment, with such a mark.
            (Some(_), [owner]) => Way::Return { from: *to, to: *owner },
            (Some(here), []) => match keys(*from) {
                Some(there) if there > here && primary(*from) => Way::Own { on: *from },
                Some(_) => Way::Own { on: *to },
                None => Way::Leave(Reason::GiverNotCounted.says(format!(
                    "the keys of slot {slot} could not be counted on {}",
                    draft.seen.name(*from)
                ))),
            },
            _ => Way::Leave(Reason::ImportDisputed.says(format!(
                "slot {slot} is being imported by {}, and several nodes claim it",
                draft.seen.name(*to)
            ))),
        },
        (migrating, importing) => {
            let idle = importing.iter().find(|(to, _)| keys(*to) == Some(0));
            match (idle, migrating, importing, claimants) {
                (Some((idle, _)), ..) => Way::Close { on: *idle },
                // One that gives a slot away takes no key of it (`getNodeByQuery`: ASK).
                (None, [(owner, _), ..], [_, ..], [one]) if owner == one => {
                    Way::Close { on: *owner }
                }
                (None, [], [(holder, _), ..], [owner]) => Way::Return { from: *holder, to: *owner },
                _ => Way::Leave(
                    Reason::MovedAmongMany
                        .says(format!("slot {slot} is being moved between more than two nodes")),
                ),
            }
        }
    }
}

/// Who has what has arrived at the receiver of a move: where a failover has made that a replica,
/// the primary that it follows (Redis tells neither the giver nor the new primary of the move).
fn receiver(draft: &Draft<'_>, to: NodeId) -> NodeId {
    let follows =
        draft.live(to).filter(|node| !node.is_primary()).and_then(|node| node.own.primary);
    follows.filter(|id| draft.live(*id).is_some_and(Live::is_primary)).unwrap_or(to)
}

/// The slots of these that hold keys on a node.
pub(super) fn occupied(draft: &Draft<'_>, on: NodeId, slots: &SlotSet) -> SlotSet {
    let census = draft.live(on).and_then(|node| node.census());
    census.map(|census| census.occupied().intersection(slots)).unwrap_or_default()
}

/// Whether the receiver knows the giver and records an older epoch than it has.
fn lags(draft: &Draft<'_>, from: NodeId, to: NodeId) -> bool {
    let own = draft.live(from).map(|giver| giver.own.epoch);
    let told = draft.live(to).and_then(|receiver| receiver.row(draft.seen, from));
    own.zip(told).is_some_and(|(own, told)| told.epoch < own)
}

fn onward(draft: &mut Draft<'_>, from: NodeId, to: NodeId, slots: &SlotSet) {
    let Some(target) = draft.live(to) else { return };
    let at = crate::model::Endpoint::new(target.ip.clone(), target.port);
    let open = |on: NodeId, state: SlotState, slots: &SlotSet| {
        Fact::new(on, Holds::Open { slots: slots.clone(), state })
    };
    let owns = |on: NodeId, owner: NodeId, slots: &SlotSet| {
        Fact::new(on, Holds::Owns { owner, slots: slots.clone() })
    };
    // The receiver first: a giver that migrates to somebody who does not import sends clients away.
    for (on, state) in [(to, SlotState::Importing(from)), (from, SlotState::Migrating(to))] {
        let unmarked = without_mark(draft, on, state, slots);
        if !unmarked.is_empty() {
            let guard = vec![owns(from, from, &unmarked)];
            let expect = vec![open(on, state, &unmarked)];
            let change = Change::SetSlots { slots: unmarked, to: state };
            let why = "a move that only one end knows of can be neither ended nor taken back";
            step(draft, on, change, Risk::Reversible, why.to_owned(), guard, expect, 0);
        }
    }
    for slot in occupied(draft, from, slots).iter() {
        let one = SlotSet::one(slot);
        let guard = vec![
            owns(from, from, &one),
            open(from, SlotState::Migrating(to), &one),
            open(to, SlotState::Importing(from), &one),
        ];
        let expect = vec![Fact::new(from, Holds::HoldsNoKeys { slots: one })];
        let why = format!("the keys of slot {slot} that are still here go after the others");
        let change = Change::MoveKeys { slot, to, at: at.clone() };
        step(draft, from, change, Risk::MovesOwnership, why, guard, expect, 1);
    }
    let empty = Fact::new(from, Holds::HoldsNoKeys { slots: slots.clone() });
    // Two that forgot each other do not hear who has the newer claim.
    let acquainted =
        [(to, from), (from, to)].map(|(on, about)| Fact::new(on, Holds::Knows { about }));
    let mut guard = vec![empty, open(to, SlotState::Importing(from), slots)];
    guard.extend(acquainted.iter().cloned());
    // A receiver that holds its own epoch for the greatest does not raise it: the giver's next ping
    // would take the slot back, and the receiver delete its keys.
    if let Some(epoch) = draft.live(from).map(|giver| giver.own.epoch.0) {
        guard.push(Fact::new(from, Holds::EpochAtMost { epoch }));
        guard.push(Fact::new(to, Holds::Records { about: from, epoch }));
    }
    let change = Change::SetSlots { slots: slots.clone(), to: SlotState::Node(to) };
    let why = "no key is left at the other end: the receiver becomes the owner first".to_owned();
    let expect = vec![owns(to, to, slots)];
    step(draft, to, change.clone(), Risk::MovesOwnership, why, guard, expect, 2);
    let everybody: Vec<NodeId> = draft.live.iter().map(|node| node.id).collect();
    let expect = everybody.into_iter().map(|on| owns(on, to, slots)).collect();
    let mut guard = vec![owns(to, to, slots)];
    guard.extend(acquainted);
    let why = "the giver and everybody else hear of it".to_owned();
    step(draft, from, change, Risk::MovesOwnership, why, guard, expect, 3);
}

/// The slots of these that a node does not have in this state.
fn without_mark(draft: &Draft<'_>, on: NodeId, state: SlotState, slots: &SlotSet) -> SlotSet {
    let marks = draft.live(on).map(|node| node.own.open.as_slice()).unwrap_or_default();
    let is_so = |open: &&OpenSlot| match **open {
        OpenSlot::Migrating { to, .. } => state == SlotState::Migrating(to),
        OpenSlot::Importing { from, .. } => state == SlotState::Importing(from),
    };
    slots.difference(&marks.iter().filter(is_so).map(|open| open.slot()).collect())
}

fn close(draft: &mut Draft<'_>, on: NodeId, slots: SlotSet) {
    let why = "nothing has been moved, or the move is over: only the mark is left";
    unmark(draft, on, slots, why, vec![Fact::new(on, Holds::Answers)], 0);
}

/// The giver first: while it has its mark, new keys of the slot go to the receiver.
fn take_back(draft: &mut Draft<'_>, from: NodeId, to: NodeId, slots: SlotSet) {
    let empty = Fact::new(to, Holds::HoldsNoKeys { slots: slots.clone() });
    let why = "no key of it is at either end: it stays whose it is";
    unmark(draft, from, slots.clone(), why, vec![empty.clone()], 0);
    unmark(draft, to, slots, why, vec![empty], 1);
}

fn unmark(
    draft: &mut Draft<'_>,
    on: NodeId,
    slots: SlotSet,
    why: &str,
    guard: Vec<Fact>,
    stage: u32,
) {
    let expect =
        vec![Fact::new(on, Holds::Open { slots: slots.clone(), state: SlotState::Stable })];
    let change = Change::SetSlots { slots, to: SlotState::Stable };
    step(draft, on, change, Risk::Reversible, why.to_owned(), guard, expect, stage);
}

fn own(draft: &mut Draft<'_>, on: NodeId, slots: SlotSet) {
    let everybody: Vec<NodeId> = draft.live.iter().map(|node| node.id).collect();
    let free = |id: &NodeId| Fact::new(*id, Holds::OwnsNot { owner: *id, slots: slots.clone() });
    let guard = everybody.iter().map(free).collect();
    let owns = Holds::Owns { owner: on, slots: slots.clone() };
    let change = Change::SetSlots { slots, to: SlotState::Node(on) };
    let why = "each end gives the slot to the other; its keys are here".to_owned();
    step(draft, on, change, Risk::MovesOwnership, why, guard, vec![Fact::new(on, owns.clone())], 0);
    let expect = everybody.into_iter().map(|id| Fact::new(id, owns.clone())).collect();
    let why = "the claim must be the newest that anybody knows".to_owned();
    let guard = vec![Fact::new(on, owns.clone())];
    step(draft, on, Change::BumpEpoch, Risk::MovesOwnership, why, guard, expect, 1);
}

#[expect(clippy::too_many_arguments, reason = "the fields of a step, in their order")]
fn step(
    draft: &mut Draft<'_>,
    on: NodeId,
    change: Change,
    risk: Risk,
    why: String,
    guard: Vec<Fact>,
    expect: Vec<Fact>,
    stage: u32,
) {
    let mends = draft.code(Repair::Finish, on);
    let within_ms = draft.seen.node_timeout_ms().clamp(2_000, 20_000);
    draft.steps.push(Step { mends, on, change, risk, why, guard, expect, within_ms, stage });
}
