//! Slots get the owner that has their keys.
//!
//! A node that holds keys of a slot, and owns it in its own table, deletes them when it hears of a
//! claim with a greater epoch (`clusterUpdateSlotsConfigWith`, dirty slots). So a rival first lets
//! go of a slot (`DELSLOTS` deletes no key), and only then the winner raises its epoch.

use std::collections::{BTreeMap, BTreeSet};

use super::fact::{is_up, some_slots};
use super::live::Live;
use super::segments::{self, Facts};
use super::{Change, Draft, Fact, Holds, Reason, Repair, SlotState, Step, Why, missed};
use crate::diagnose::{Found, Risk};
use crate::model::{Flag, NodeId, Product, SLOT_COUNT, Slot, SlotSet, Version};
use crate::observation::{BusIdentity, Census, OpenSlot};

/// What becomes of a stretch of slots.
enum Verdict {
    /// This node shall own it; these claim it as well and must let go first. `alone`: nobody but
    /// the node itself says so, and most others give it to one of these.
    To { winner: NodeId, rivals: Vec<NodeId>, alone: bool },
    /// Nobody claims it, and of those who answer this node has its keys.
    Found { holder: NodeId },
    /// Nobody has a key of it: it is spread over all.
    Empty,
    /// Its owner is not known to all, and why it is waited for.
    Unheard(Why),
    /// Nobody gets it, and why.
    Nobody(Why),
    /// It is none of our business: settled, or being moved.
    Fine,
}

/// The verdicts on all stretches, by who is concerned.
#[derive(Default)]
struct Verdicts {
    /// Nobody has a key of these.
    empty: SlotSet,
    /// Nobody claims these, and they have keys of them.
    found: BTreeMap<NodeId, SlotSet>,
    /// These shall own them.
    won: BTreeMap<NodeId, SlotSet>,
    /// The first must let go of them for the second.
    lost: BTreeMap<(NodeId, NodeId), SlotSet>,
    /// Of whose gain nobody else says that it is right.
    on_one_word: BTreeSet<NodeId>,
}

fn judge(draft: &mut Draft<'_>) -> Verdicts {
    let add = |all: &mut SlotSet, slots: &SlotSet| *all = all.union(slots);
    let stretches = segments::all(draft.seen, &draft.live);
    let mut all = Verdicts::default();
    for (facts, slots) in &stretches {
        if !is_found(draft, slots) {
            continue;
        }
        match verdict(draft, facts, slots) {
            Verdict::Fine => {}
            Verdict::Empty => add(&mut all.empty, slots),
            Verdict::Found { holder } => add(all.found.entry(holder).or_default(), slots),
            Verdict::Unheard(why) => draft.wait(why),
            Verdict::Nobody(why) => draft.refuse_all(Repair::Claim, &why),
            Verdict::To { winner, rivals, alone } => {
                all.on_one_word.extend(alone.then_some(winner));
                add(all.won.entry(winner).or_default(), slots);
                for rival in rivals {
                    add(all.lost.entry((rival, winner)).or_default(), slots);
                }
            }
        }
    }
    all
}

pub(super) fn draft(draft: &mut Draft<'_>) {
    let Verdicts { empty, found, mut won, lost, on_one_word } = judge(draft);
    let held = found.values().fold(SlotSet::new(), |all, slots| all.union(slots));
    let missed = missed::among(draft, &empty, &held);
    // What is sure comes first, in a round of its own.
    let sure = !won.is_empty() || missed.len() < empty.union(&held).len();
    let put_off = if sure { missed.clone() } else { SlotSet::new() };
    let empty = empty.difference(&put_off);
    for (holder, slots) in found {
        let slots = slots.difference(&put_off);
        if !slots.is_empty() {
            let all = won.entry(holder).or_default();
            *all = all.union(&slots);
        }
    }
    let share = Spread::of(draft).spread(&empty);
    if share.is_empty() && !empty.is_empty() {
        draft.refuse_all(Repair::Claim, &Reason::NoPrimaryToClaim.says("no primary answers"));
    }
    for (id, slots) in share {
        let all = won.entry(id).or_default();
        *all = all.union(&slots);
    }
    let barred: BTreeMap<NodeId, Why> = won
        .iter()
        .filter_map(|(winner, slots)| Some((*winner, would_delete(draft, *winner, slots, &lost)?)))
        .collect();
    for why in barred.values() {
        draft.refuse_all(Repair::Claim, why);
    }
    let winners: BTreeSet<NodeId> = won.keys().copied().collect();
    drop_idle_imports(draft, &winners);
    for ((rival, winner), slots) in lost {
        if !barred.contains_key(&winner) {
            let_go(draft, rival, winner, slots);
        }
    }
    for (winner, slots) in won {
        if !barred.contains_key(&winner) {
            take(draft, winner, &slots);
        }
    }
    for step in &mut draft.steps {
        ask_for_a_word(step, &on_one_word);
    }
    if !sure && !missed.is_empty() {
        missed::own_up(draft, &missed);
    }
}

/// How many slots each live primary has, with those that this plan gives it.
pub(super) struct Spread(BTreeMap<NodeId, u32>);

impl Spread {
    pub(super) fn of(draft: &Draft<'_>) -> Self {
        let primaries = draft.live.iter().filter(|node| node.is_primary());
        Self(primaries.map(|node| (node.id, u32::from(node.own.slots.len()))).collect())
    }

    /// Gives slots that are empty to all of them, in stretches, so that they have as nearly as many
    /// as can be. Empty when there is no primary.
    pub(super) fn spread(&mut self, slots: &SlotSet) -> BTreeMap<NodeId, SlotSet> {
        let mut wanted: BTreeMap<NodeId, u16> = BTreeMap::new();
        for _ in 0..slots.len() {
            let Some((id, count)) = self.0.iter_mut().min_by_key(|(id, count)| (**count, **id))
            else {
                return BTreeMap::new();
            };
            *count += 1;
            *wanted.entry(*id).or_default() += 1;
        }
        let mut slots = slots.iter();
        let share = wanted.into_iter().map(|(id, count)| {
            let mine = slots.by_ref().take(usize::from(count)).collect();
            (id, mine)
        });
        share.collect()
    }
}

/// Whether something was found of these slots: what may still pass by itself is left alone.
fn is_found(draft: &Draft<'_>, slots: &SlotSet) -> bool {
    draft.found(Repair::Claim).any(|found| {
        let about = &found.subject.slots;
        about.is_empty() || !about.intersection(slots).is_empty()
    })
}

fn verdict(draft: &Draft<'_>, facts: &Facts, slots: &SlotSet) -> Verdict {
    if facts.is_settled() || facts.open {
        return Verdict::Fine;
    }
    let claims = |bus: &&BusIdentity| !bus.slots.intersection(slots).is_empty();
    if let Some(away) = known_by_its_bus_only(draft).find(claims) {
        return Verdict::Nobody(Reason::OwnerOnBusOnly.says(format!(
            "{} runs, claims {} on its bus, and does not answer clients: given to another node, \
             its keys would be deleted",
            away.id.short(),
            some_slots(slots)
        )));
    }
    match facts.claimants.as_slice() {
        [] => unclaimed(draft, facts, slots),
        [one] => claimed_by_one(draft, slots, *one),
        _ => disputed(draft, facts, slots),
    }
}

/// One who answers claims it, and not every table gives it to that one.
fn claimed_by_one(draft: &Draft<'_>, slots: &SlotSet, one: NodeId) -> Verdict {
    if let Some(other) = who_knows_it_not(draft, one) {
        return Verdict::Unheard(Reason::OwnerNotKnown.says(format!(
            "{} owns slots, and it and {} do not know each other: until they have met, its claim \
             is not heard there",
            draft.seen.name(one),
            draft.seen.name(other)
        )));
    }
    match newer_and_silent(draft, slots, one) {
        None => Verdict::To { winner: one, rivals: Vec::new(), alone: false },
        Some(away) => Verdict::Nobody(Reason::OwnerSilent.says(format!(
            "{} belong to {}, which does not answer, and whose claim is newer than that of {}: \
             bring it back, it has what was written since. If it is gone for good, forget it",
            some_slots(slots),
            draft.seen.name(away),
            draft.seen.name(one)
        ))),
    }
}

/// A silent owner in somebody's table that has taken slots over from the one who claims them.
fn newer_and_silent(draft: &Draft<'_>, slots: &SlotSet, one: NodeId) -> Option<NodeId> {
    let own = draft.live(one)?.own.epoch;
    let mut rows = draft.live.iter().flat_map(|node| draft.seen.view(node.observer));
    let newer = rows.find(|(row, _)| {
        let owns = !row.slots.intersection(slots).is_empty();
        owns && row.epoch > own && draft.live(row.id).is_none()
    });
    newer.map(|(row, _)| row.id)
}

/// A member that does not list an owner, or is not listed by it: however new its claim is, it is
/// not heard or not believed there.
fn who_knows_it_not(draft: &Draft<'_>, owner: NodeId) -> Option<NodeId> {
    let others = || draft.live.iter().filter(|node| node.id != owner);
    let not_listed = others().find(|node| node.row(draft.seen, owner).is_none());
    // One that the owner does not list hears nothing from it, either.
    let listed = |id: NodeId| draft.live(owner).is_none_or(|own| own.row(draft.seen, id).is_some());
    not_listed.or_else(|| others().find(|node| !listed(node.id))).map(|node| node.id)
}

/// Nobody who answers claims it.
fn unclaimed(draft: &Draft<'_>, facts: &Facts, slots: &SlotSet) -> Verdict {
    let named = facts.named();
    if let Some(away) = named.iter().find(|id| draft.live(**id).is_none()) {
        return Verdict::Nobody(Reason::OwnerSilent.says(format!(
            "{} belong to {}, which does not answer: bring it back, its disk has the keys. Given \
             to another node, they would be deleted when it returns",
            some_slots(slots),
            draft.seen.name(*away)
        )));
    }
    if let Some(id) = facts.uncounted.first() {
        return Verdict::Nobody(Reason::FreeNotCounted.says(format!(
            "the keys of {} could not be counted on {}",
            some_slots(slots),
            draft.seen.name(*id)
        )));
    }
    // Who is away may have more of its keys, and newer ones, than anybody who answers.
    if let Some(away) = who_may_hold_more(draft).first() {
        return Verdict::Nobody(Reason::SilentMayHaveKeys.says(format!(
            "{} may have keys on {}, which does not answer",
            some_slots(slots),
            draft.seen.name(*away)
        )));
    }
    if let Some(away) = draft.seen.named_and_unknown() {
        return Verdict::Nobody(Reason::NamedMayHaveKeys.says(format!(
            "{} may have keys at {away}, which was named, does not answer, and is in no table: \
             bring it back, or leave it out if nobody is there",
            some_slots(slots)
        )));
    }
    // To whom the others give it is more than a stray key elsewhere.
    let named_holders: Vec<NodeId> =
        facts.holders.iter().filter(|id| named.contains(id)).copied().collect();
    let among = if named_holders.is_empty() { &facts.holders } else { &named_holders };
    if let Some(holder) = fullest(draft, among, slots) {
        return Verdict::Found { holder };
    }
    if let Some(copy) = facts.copies.first() {
        return Verdict::Nobody(Reason::KeysOnReplicaOnly.says(format!(
            "keys of {} are on the replica {} only",
            some_slots(slots),
            draft.seen.name(*copy)
        )));
    }
    let former = named.into_iter().find(|id| draft.live(*id).is_some_and(|n| n.is_primary()));
    former.map_or(Verdict::Empty, |winner| Verdict::To { winner, rivals: Vec::new(), alone: false })
}

/// Several who answer claim it.
fn disputed(draft: &Draft<'_>, facts: &Facts, slots: &SlotSet) -> Verdict {
    // A claim that was heard a moment ago is settled by the servers themselves: nobody lets go of
    // a slot that the other one is about to lose.
    let lasts = |found: &Found| {
        found.code == "SLOT_CLAIMED_TWICE" && !found.subject.slots.intersection(slots).is_empty()
    };
    if !draft.report.all().any(lasts) {
        return Verdict::Fine;
    }
    if let Some(newest) = newest_of_linked(draft, facts) {
        return Verdict::Unheard(Reason::ServersTakeItIn.says(format!(
            "the claim of {} to {} is the newest, and those who claim them as well have no key of \
             them: they give them up when they hear of it",
            draft.seen.name(newest),
            some_slots(slots)
        )));
    }
    if let Some(id) = facts.uncounted.iter().find(|id| facts.claimants.contains(id)) {
        return Verdict::Nobody(Reason::DisputedNotCounted.says(format!(
            "the keys of {} could not be counted on {}",
            some_slots(slots),
            draft.seen.name(*id)
        )));
    }
    let votes = |id: &NodeId| facts.owners.iter().filter(|(_, owner)| *owner == Some(*id)).count();
    let both = |id: &&NodeId| facts.holders.contains(id);
    let mut with_keys: Vec<NodeId> = facts.claimants.iter().filter(both).copied().collect();
    // How many keys it has is its own word: where another vouches for a rival that has keys too, it
    // does not outweigh that.
    if with_keys.iter().any(|id| votes(id) > 1) {
        with_keys.retain(|id| votes(id) > 1);
    }
    let epoch = |id: &NodeId| draft.live(*id).map(|node| node.own.epoch);
    let by_opinion = facts.claimants.iter().max_by_key(|id| (votes(id), epoch(id), **id)).copied();
    let Some(winner) = fullest(draft, &with_keys, slots).or(by_opinion) else {
        return Verdict::Fine;
    };
    let rivals: Vec<NodeId> = facts.claimants.iter().filter(|id| **id != winner).copied().collect();
    let majority = |id: &NodeId| votes(id) > facts.owners.len() / 2;
    let alone = votes(&winner) == 1 && rivals.iter().any(majority);
    Verdict::To { winner, rivals, alone }
}

/// The claimant whose epoch is greater than that of the others, where they are linked and have no
/// key of what is disputed: its next ping or pong settles it (`clusterUpdateSlotsConfigWith`), and
/// deletes nothing.
fn newest_of_linked(draft: &Draft<'_>, facts: &Facts) -> Option<NodeId> {
    let newest = facts.claimants.iter().max_by_key(|id| draft.live(**id).map(|n| n.own.epoch))?;
    let mine = draft.live(*newest)?;
    let reaches = |on: &Live<'_>, about| on.row(draft.seen, about).is_some_and(is_up);
    let gives_up = |id: &NodeId| {
        let Some(other) = draft.live(*id) else { return false };
        let has_none = !facts.holders.contains(id) && !facts.uncounted.contains(id);
        let hears = reaches(mine, *id) && reaches(other, *newest);
        has_none && hears && other.own.epoch < mine.own.epoch
    };
    facts.claimants.iter().filter(|id| *id != newest).all(gives_up).then_some(*newest)
}

/// Why a claim must not become the newest that anybody knows: another node claims some of the slots
/// as well, does not let go of them before, and has keys of them, which it would delete.
fn would_delete(
    draft: &Draft<'_>,
    winner: NodeId,
    won: &SlotSet,
    lost: &BTreeMap<(NodeId, NodeId), SlotSet>,
) -> Option<Why> {
    let all = draft.live(winner)?.own.slots.union(won);
    let at_risk = |node: &Live<'_>| {
        let let_go = lost.get(&(node.id, winner)).cloned().unwrap_or_default();
        let both = node.claims().intersection(&all).difference(&let_go);
        // What was not counted may be there.
        let keys = node.census().map_or_else(
            || both.clone(),
            |census| both.difference(&census.counted.difference(&census.occupied())),
        );
        (!keys.is_empty()).then_some(keys)
    };
    let others = draft.live.iter().filter(|node| node.id != winner);
    others.filter_map(|node| Some((node.id, at_risk(node)?))).next().map(|(other, keys)| {
        Reason::WouldDelete.says(format!(
            "{} claims {} as well and has keys of them, or may have: it would delete them when the \
             claim of {} becomes the newest",
            draft.seen.name(other),
            some_slots(&keys),
            draft.seen.name(winner)
        ))
    })
}

/// What rests on the word of the one that gains by it needs a word of the user, too: a member that
/// was forgotten looks like one that lies.
fn ask_for_a_word(step: &mut Step, on_one_word: &BTreeSet<NodeId>) {
    let gains = on_one_word.contains(&step.on)
        || step.guard.iter().any(|fact| on_one_word.contains(&fact.on));
    if gains && step.risk < Risk::DropsCopy {
        step.risk = Risk::DropsCopy;
        step.why.push_str("; only who gets them says so, and most others give them to another");
    }
}

/// Of these nodes the one that has the most keys in these slots.
fn fullest(draft: &Draft<'_>, among: &[NodeId], slots: &SlotSet) -> Option<NodeId> {
    let keys = |id: &NodeId| -> u64 {
        let census = draft.live(*id).and_then(|node| node.census());
        let counts = census.map(|census| census.keys.as_slice()).unwrap_or_default();
        let here = counts
            .iter()
            .filter(|(slot, _)| Slot::new(*slot).is_some_and(|slot| slots.contains(slot)));
        here.map(|(_, keys)| *keys).sum()
    };
    among.iter().max_by_key(|id| (keys(id), borders(draft, **id, slots), **id)).copied()
}

/// At how many ends of a hole a node owns the next slot: of two that hold as many keys of it, the
/// one in whose range it lies.
fn borders(draft: &Draft<'_>, id: NodeId, slots: &SlotSet) -> usize {
    let free = |slot: u16| {
        let slot = Slot::new(slot);
        slot.is_some_and(|slot| !draft.live.iter().any(|node| node.own.slots.contains(slot)))
    };
    let owns = |slot: u16| {
        let slot = Slot::new(slot);
        slot.zip(draft.live(id)).is_some_and(|(slot, node)| node.own.slots.contains(slot))
    };
    let at = |end: Option<u16>| usize::from(end.is_some_and(owns));
    let ends = slots.ranges().iter().map(|range| {
        let before = (0..range.first).rev().find(|slot| !free(*slot));
        let after = (range.last + 1..SLOT_COUNT).find(|slot| !free(*slot));
        at(before) + at(after)
    });
    ends.sum()
}

/// Members that somebody names and that did not answer: what they hold is not known.
fn who_may_hold_more(draft: &Draft<'_>) -> Vec<NodeId> {
    let members = draft.seen.members().filter(|(id, _)| !draft.answers(*id));
    let could = members.filter(|(id, _)| {
        draft.seen.usual_row(*id).is_some_and(|row| !row.flags.has(Flag::Replica))
    });
    let on_the_bus = known_by_its_bus_only(draft).map(|bus| bus.id);
    could.map(|(id, _)| id).chain(on_the_bus).collect()
}

/// The name of an owner of these slots, by a table or by its own bus, that does not answer.
pub(super) fn silent_owner(
    draft: &Draft<'_>,
    named: &BTreeSet<NodeId>,
    slots: &SlotSet,
) -> Option<String> {
    let away = named.iter().find(|id| draft.live(**id).is_none());
    let claims = |bus: &&BusIdentity| !bus.slots.intersection(slots).is_empty();
    let on_the_bus = || known_by_its_bus_only(draft).find(claims).map(|bus| bus.id.short());
    away.map(|id| draft.seen.name(*id)).or_else(on_the_bus)
}

/// Primaries that run, as their bus shows, and that no client gets to: who they are and what they
/// claim is known, even where every table has forgotten them.
fn known_by_its_bus_only<'a>(draft: &Draft<'a>) -> impl Iterator<Item = &'a BusIdentity> {
    let answers = draft.seen.bus_answers().into_iter().map(|(_, bus)| bus);
    let live: BTreeSet<NodeId> =
        draft.live.iter().chain(&draft.blank).map(|node| node.id).collect();
    answers.filter(move |bus| !live.contains(&bus.id) && !bus.flags.has(Flag::Replica))
}

/// Valkey takes a slot that it imports for its own when the giver makes a new claim without it
/// (`clusterUpdateSlotsConfigWith`): marks of an import from somebody who does not own the slot are
/// closed before that node's epoch is raised.
fn drop_idle_imports(draft: &mut Draft<'_>, winners: &BTreeSet<NodeId>) {
    let idle = |node: &Live<'_>| -> SlotSet {
        let open = node.own.open.iter().filter_map(|open| match open {
            OpenSlot::Importing { slot, from } if winners.contains(from) => Some((*slot, *from)),
            _ => None,
        });
        let owned = |(slot, from): &(Slot, NodeId)| {
            draft.live(*from).is_none_or(|giver| giver.own.slots.contains(*slot))
        };
        open.filter(|mark| !owned(mark)).map(|(slot, _)| slot).collect()
    };
    let is_valkey = |node: &&Live<'_>| {
        let version = draft.seen.version(node.sighting);
        version.is_none_or(|version| version.product == Product::Valkey)
    };
    let marks: Vec<(NodeId, SlotSet)> = draft
        .live
        .iter()
        .filter(is_valkey)
        .map(|node| (node.id, idle(node)))
        .filter(|(_, slots)| !slots.is_empty())
        .collect();
    for (on, slots) in marks {
        let expect = Holds::Open { slots: slots.clone(), state: SlotState::Stable };
        draft.steps.push(Step {
            mends: draft.code(Repair::Claim, on),
            on,
            change: Change::SetSlots { slots, to: SlotState::Stable },
            risk: Risk::Reversible,
            why: "it would take for its own what it imports from one whose claim is raised"
                .to_owned(),
            guard: vec![Fact::new(on, Holds::Answers)],
            expect: vec![Fact::new(on, expect)],
            within_ms: 2_000,
            stage: 0,
        });
    }
}

fn let_go(draft: &mut Draft<'_>, rival: NodeId, winner: NodeId, slots: SlotSet) {
    let Some(node) = draft.live(rival) else { return };
    let ranges = node.takes_ranges(draft.seen);
    let step = Step {
        mends: draft.code(Repair::Claim, rival),
        on: rival,
        change: Change::DelSlots { slots: slots.clone(), ranges },
        risk: Risk::MovesOwnership,
        why: format!(
            "{} has the keys of {}; {} lets go of them first, so that it deletes \
             nothing when it hears of the other's claim",
            winner.short(),
            some_slots(&slots),
            rival.short()
        ),
        guard: vec![
            Fact::new(rival, Holds::Owns { owner: rival, slots: slots.clone() }),
            Fact::new(winner, Holds::Owns { owner: winner, slots: slots.clone() }),
        ],
        expect: vec![Fact::new(rival, Holds::OwnsNot { owner: rival, slots: slots.clone() })],
        within_ms: 2_000,
        stage: 0,
    };
    draft.steps.push(step);
    hand_on(draft, rival, winner, &slots);
}

/// One that has let go of slots and has keys of them gives them to the winner in its own table,
/// too: started again before it has heard of that claim, it would take for its own what belongs to
/// nobody (`verifyClusterConfigWithData`), and then delete the keys. Where a server deletes at its
/// start what belongs to another, too, the slots are marked as imported until the keys are where
/// they belong: those it leaves alone.
fn hand_on(draft: &mut Draft<'_>, rival: NodeId, winner: NodeId, slots: &SlotSet) {
    let Some(node) = draft.live(rival).filter(|node| node.row(draft.seen, winner).is_some()) else {
        return;
    };
    let version = draft.seen.version(node.sighting);
    let occupied = node.census().map_or_else(|| slots.clone(), Census::occupied);
    let slots = slots.intersection(&occupied);
    if slots.is_empty() {
        return;
    }
    let owns = |id: NodeId| Fact::new(id, Holds::Owns { owner: winner, slots: slots.clone() });
    let mends = draft.code(Repair::Claim, rival);
    let set = |to, risk, why, guard, expect| Step {
        mends: mends.clone(),
        on: rival,
        change: Change::SetSlots { slots: slots.clone(), to },
        risk,
        why,
        guard,
        expect: vec![expect],
        within_ms: 2_000,
        stage: 0,
    };
    let free = Fact::new(rival, Holds::Unowned { slots: slots.clone() });
    let claims = format!("started again, it would claim {}, whose keys it has", some_slots(&slots));
    let to = SlotState::Node(winner);
    let mut steps =
        vec![set(to, Risk::MovesOwnership, claims, vec![free, owns(winner)], owns(rival))];
    if version.is_none_or(Version::deletes_foreign_at_start) {
        let why = format!(
            "started again, it would delete its keys of {}, which are not its own any more, if \
             they were not being imported",
            some_slots(&slots)
        );
        let to = SlotState::Importing(winner);
        let open = Fact::new(rival, Holds::Open { slots: slots.clone(), state: to });
        steps.push(set(to, Risk::Reversible, why, vec![owns(rival)], open));
    }
    draft.steps.extend(steps);
}

/// The winner takes what it does not have yet, and makes its claim the newest where there is
/// another.
fn take(draft: &mut Draft<'_>, winner: NodeId, slots: &SlotSet) {
    let Some(node) = draft.live(winner) else { return };
    let ranges = node.takes_ranges(draft.seen);
    let in_its_table = |owned: &SlotSet| slots.intersection(owned);
    let rows: Vec<_> = draft.seen.view(node.observer).map(|(row, _)| row).collect();
    let owned = rows.iter().fold(SlotSet::new(), |all, row| all.union(&row.slots));
    let by_others = in_its_table(&owned).difference(&node.own.slots);
    let by_nobody = slots.difference(&owned);
    let mends = draft.code(Repair::Claim, winner);
    // A replica that has slots in its own table claims nothing towards others, and hears of a newer
    // claim like everybody else.
    let primaries = draft.live.iter().filter(|node| node.is_primary());
    let others: Vec<NodeId> = primaries.map(|node| node.id).filter(|id| *id != winner).collect();
    let unclaimed = |slots: &SlotSet| -> Vec<Fact> {
        let claim =
            |id: &NodeId| Fact::new(*id, Holds::OwnsNot { owner: *id, slots: slots.clone() });
        others.iter().map(claim).collect()
    };
    // A replica takes ADDSLOTS, too, and is a replica with slots then.
    let is_primary = Fact::new(winner, Holds::IsPrimary);
    let mut steps = Vec::new();
    if !by_nobody.is_empty() {
        let mut guard = unclaimed(&by_nobody);
        guard.push(is_primary.clone());
        guard.push(Fact::new(winner, Holds::Unowned { slots: by_nobody.clone() }));
        let change = Change::AddSlots { slots: by_nobody.clone(), ranges };
        steps.push((change, by_nobody, guard));
    }
    if !by_others.is_empty() {
        let to = SlotState::Node(winner);
        let change = Change::SetSlots { slots: by_others.clone(), to };
        let mut guard = unclaimed(&by_others);
        guard.push(is_primary);
        steps.push((change, by_others, guard));
    }
    let within_ms = draft.seen.node_timeout_ms().clamp(2_000, 20_000);
    let why = why(draft, winner, slots);
    let all: BTreeSet<NodeId> = draft.live.iter().map(|node| node.id).collect();
    let owns = Holds::Owns { owner: winner, slots: slots.clone() };
    let by_all: Vec<Fact> = all.into_iter().map(|id| Fact::new(id, owns.clone())).collect();
    // Slots that nobody gives to anybody are believed to be the first claimant's, however old its
    // epoch is. To raise it would outbid others in slots that this is not about.
    let first_claim = !steps.is_empty() && is_given_to_nobody(draft, slots);
    for (change, slots, guard) in steps {
        let own = vec![Fact::new(winner, Holds::Owns { owner: winner, slots })];
        let (expect, within_ms) =
            if first_claim { (by_all.clone(), within_ms) } else { (own, 2_000) };
        draft.steps.push(Step {
            mends: mends.clone(),
            on: winner,
            change,
            risk: Risk::MovesOwnership,
            why: why.clone(),
            guard,
            expect,
            within_ms,
            stage: 1,
        });
    }
    if !first_claim {
        draft.steps.push(outbid(mends, winner, owns, by_all, within_ms));
    }
}

/// The claim of a winner becomes the newest that anybody knows.
fn outbid(mends: String, winner: NodeId, owns: Holds, by_all: Vec<Fact>, within_ms: u64) -> Step {
    Step {
        mends,
        on: winner,
        change: Change::BumpEpoch,
        risk: Risk::MovesOwnership,
        why: format!("the claim of {} must be the newest that anybody knows", winner.short()),
        guard: vec![Fact::new(winner, owns)],
        expect: by_all,
        within_ms,
        stage: 2,
    }
}

/// Whether no table of those who answer gives any of these slots to anybody.
fn is_given_to_nobody(draft: &Draft<'_>, slots: &SlotSet) -> bool {
    let mut rows = draft.live.iter().flat_map(|node| draft.seen.view(node.observer));
    rows.all(|(row, _)| row.slots.intersection(slots).is_empty())
}

fn why(draft: &Draft<'_>, winner: NodeId, slots: &SlotSet) -> String {
    let census = draft.live(winner).and_then(|node| node.census());
    let occupied = census.map(|census| census.occupied().intersection(slots)).unwrap_or_default();
    match occupied.len() {
        0 => format!("{} have no key anywhere and no owner", some_slots(slots)),
        count => format!("{} has keys of {count} of {}", winner.short(), some_slots(slots)),
    }
}
