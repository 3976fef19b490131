//! The slots of nodes that will never come back go to those who are there.
//!
//! No look can show that a disk is gone: only the user knows ([`super::Policy::gone`]). The keys
//! are lost by the disaster, not by us, but the node may hold them after all, and it deletes them
//! when it returns and hears of the newer claim. So every step is [`Risk::MayLoseData`], and what
//! it may cost stands in the plan ([`super::Loss`]). Keys of these slots that are left with anybody
//! decide about their slot; only empty slots are spread.

use std::collections::{BTreeMap, BTreeSet};

use super::claim::Spread;
use super::{Change, Draft, Fact, Holds, Loss, Reason, Repair, SlotState, Step, Why, repairs_of};
use crate::diagnose::{Found, Risk};
use crate::model::{NodeId, Slot, SlotSet};

pub(super) fn draft(draft: &mut Draft<'_>) {
    if draft.policy.gone.is_empty() {
        return only_the_user_knows(draft);
    }
    let mut lost: BTreeMap<NodeId, SlotSet> = BTreeMap::new();
    for head in draft.policy.gone.clone() {
        match gone(draft, &head) {
            Ok((id, slots)) if slots.is_empty() => forget(draft, id),
            Ok((id, slots)) => {
                lost.insert(id, slots);
            }
            Err(why) => draft.refuse_all(Repair::GiveUp, &why),
        }
    }
    let all = lost.values().fold(SlotSet::new(), |all, slots| all.union(slots));
    if all.is_empty() {
        return;
    }
    if let Err(why) = nobody_else_has_them(draft, &lost, &all) {
        return draft.refuse_all(Repair::GiveUp, &why);
    }
    let (held, mut shares) = (kept_by(draft, &all), Spread::of(draft));
    let empty = held.values().fold(all.clone(), |left, slots| left.difference(slots));
    let mut share = shares.spread(&empty);
    for (id, slots) in held {
        let mine = share.entry(id).or_default();
        *mine = mine.union(&slots);
    }
    if share.is_empty() {
        let why = Reason::NoPrimaryToInherit.says("no primary answers");
        return draft.refuse_all(Repair::GiveUp, &why);
    }
    for (id, slots) in &lost {
        let loss = loss(draft, *id, slots);
        draft.loss.push(loss);
    }
    let gone: Vec<NodeId> = lost.into_keys().collect();
    for (to, slots) in share {
        take(draft, &gone, to, &slots);
    }
    // All claims, and then all are made the newest.
    draft.steps.sort_by_key(|step| step.stage);
}

/// Without a word from the user a node that is down is brought back. What another part of the
/// planner mends, it has said something about.
fn only_the_user_knows(draft: &mut Draft<'_>) {
    let found: Vec<&Found> = draft.found(Repair::GiveUp).collect();
    let promotes = |found: &&Found| repairs_of(&found.code).contains(&Repair::Promote);
    for found in found.into_iter().filter(|found| !promotes(found)) {
        let heads: Vec<String> = found.subject.nodes.iter().map(|id| id.short()).collect();
        let why = format!(
            "no command to another node brings it back: start it, its disk has its data. If that \
             is gone for good, --gone {} shows what it costs",
            heads.join(",")
        );
        draft.refuse(found, Reason::OnlyTheUserKnows.says(why));
    }
}

/// Nothing hangs on it any more.
fn forget(draft: &mut Draft<'_>, id: NodeId) {
    let about = |found: &&Found| found.subject.nodes.contains(&id);
    let found = draft.found(Repair::GiveUp).find(about).or(draft.found(Repair::GiveUp).next());
    if let Some(found) = found {
        super::forget::everywhere(draft, found, id);
    }
}

/// The member whose id begins so, and the slots that anybody gives it.
fn gone(draft: &Draft<'_>, head: &str) -> Result<(NodeId, SlotSet), Why> {
    let ids: BTreeSet<NodeId> = draft.seen.members().map(|(id, _)| id).collect();
    let fitting: Vec<NodeId> =
        ids.into_iter().filter(|id| id.to_string().starts_with(head)).collect();
    let [id] = fitting.as_slice() else {
        let why = format!("{} member ids begin with {head}: name one", fitting.len());
        return Err(Reason::HeadNotOne.says(why));
    };
    let name = draft.seen.name(*id);
    if draft.seen.is_alive(*id) || draft.answers(*id) {
        return Err(Reason::GoneAnswers.says(format!("{name} answers: it is not gone")));
    }
    let rows = draft.live.iter().filter_map(|node| node.row(draft.seen, *id));
    Ok((*id, rows.fold(SlotSet::new(), |all, row| all.union(&row.slots))))
}

/// Whether everybody who could have their keys was asked, or is gone as well.
fn nobody_else_has_them(
    draft: &Draft<'_>,
    lost: &BTreeMap<NodeId, SlotSet>,
    all: &SlotSet,
) -> Result<(), Why> {
    for id in lost.keys() {
        for replica in draft.seen.replicas_of(*id) {
            let name = draft.seen.name(replica);
            if draft.live(replica).is_some() {
                let why = format!("{name}, a replica of it, answers: it has the keys");
                return Err(Reason::GoneHasReplica.says(why));
            }
            if !draft.is_given_up(replica) {
                return Err(Reason::GoneReplicaSilent.says(format!(
                    "{name}, a replica of it, does not answer and may have the keys: bring it \
                     back, or say that it is gone as well"
                )));
            }
        }
    }
    let counted = |node: &&super::live::Live<'_>| {
        node.census().is_some_and(|census| all.difference(&census.counted).is_empty())
    };
    match draft.live.iter().find(|node| !counted(node)) {
        Some(node) => Err(Reason::GoneNotCounted.says(format!(
            "the keys of its slots could not be counted on {}",
            draft.seen.name(node.id)
        ))),
        None => Ok(()),
    }
}

/// Keys of these slots that are left somewhere: at whom most of each slot are.
fn kept_by(draft: &Draft<'_>, all: &SlotSet) -> BTreeMap<NodeId, SlotSet> {
    let mut best: BTreeMap<Slot, (u64, NodeId)> = BTreeMap::new();
    for node in draft.live.iter().filter(|node| node.is_primary()) {
        let counts = node.census().map(|census| census.keys.as_slice()).unwrap_or_default();
        for (slot, keys) in counts {
            let Some(slot) = Slot::new(*slot).filter(|slot| all.contains(*slot)) else { continue };
            let held = best.entry(slot).or_insert((0, node.id));
            *held = (*held).max((*keys, node.id));
        }
    }
    let mut held: BTreeMap<NodeId, SlotSet> = BTreeMap::new();
    for (slot, (_, id)) in best {
        held.entry(id).or_default().insert(slot.get(), slot.get());
    }
    held
}

/// What giving up a node may cost.
fn loss(draft: &Draft<'_>, id: NodeId, slots: &SlotSet) -> Loss {
    let (mut keys, mut known) = (0, 0);
    for node in draft.live.iter().filter(|node| node.is_primary() && !node.own.slots.is_empty()) {
        let counts = node.census().map(|census| census.keys.as_slice()).unwrap_or_default();
        let own = |slot: u16| Slot::new(slot).is_some_and(|slot| node.own.slots.contains(slot));
        keys += counts.iter().filter(|(slot, _)| own(*slot)).map(|(_, keys)| keys).sum::<u64>();
        known += u64::from(node.own.slots.len());
    }
    let by_density = keys.saturating_mul(u64::from(slots.len())).checked_div(known);
    let left: u16 = kept_by(draft, slots).values().map(SlotSet::len).sum();
    let rest = match left {
        0 => "nobody who answers has a key of them".to_owned(),
        left => format!("keys of {left} of them are left with others, and stay"),
    };
    Loss {
        owner: Some(id),
        slots: slots.clone(),
        keys: by_density,
        why: format!(
            "{} is gone for good; {rest}. The number of keys is guessed from those of the others",
            draft.seen.name(id)
        ),
    }
}

fn take(draft: &mut Draft<'_>, gone: &[NodeId], to: NodeId, slots: &SlotSet) {
    let mends = gone.first().map(|id| draft.code(Repair::GiveUp, *id)).unwrap_or_default();
    let not_reached = gone.iter().flat_map(|about| {
        let not = |id: NodeId| Fact::new(id, Holds::DoesNotReach { about: *about });
        draft.live.iter().map(move |node| not(node.id))
    });
    let owns = Holds::Owns { owner: to, slots: slots.clone() };
    let claim = Step {
        mends: mends.clone(),
        on: to,
        change: Change::SetSlots { slots: slots.clone(), to: SlotState::Node(to) },
        risk: Risk::MayLoseData,
        why: "you said that their owner is gone for good".to_owned(),
        guard: not_reached.collect(),
        expect: vec![Fact::new(to, owns.clone())],
        within_ms: 5_000,
        stage: 0,
    };
    let tell = Step {
        mends,
        on: to,
        change: Change::BumpEpoch,
        risk: Risk::MayLoseData,
        why: format!("the claim of {} must be the newest that anybody knows", to.short()),
        guard: vec![Fact::new(to, owns.clone())],
        expect: draft.live.iter().map(|node| Fact::new(node.id, owns.clone())).collect(),
        within_ms: draft.seen.node_timeout_ms().clamp(2_000, 20_000),
        stage: 1,
    };
    draft.steps.extend([claim, tell]);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnose::diagnose;
    use crate::model::Flag;
    use crate::observation::sketch::Sketch;
    use crate::observation::{Census, LinkState, Picture, Said, Silence};
    use crate::plan::{Planning, Policy, plan};

    /// Three primaries, the first of which is dead; the others hold a key in each slot of theirs.
    fn dead(replicas: usize) -> Sketch {
        let mut sketch = Sketch::healthy(3, replicas);
        sketch.silence(0, Silence::Refused, Some(Silence::Refused));
        sketch.flagged(0, Flag::Failed, LinkState::Disconnected);
        sketch
    }

    fn planned(sketch: &Sketch, gone: &NodeId, stray: Option<u16>) -> Planning {
        let mut seen = sketch.build();
        let picture = Picture::new(&seen);
        let own: Vec<SlotSet> =
            (0..seen.sightings.len()).map(|n| picture.slots_of(Sketch::id(n))).collect();
        drop(picture);
        for (number, sighting) in seen.sightings.iter_mut().enumerate() {
            if sighting.nodes.get().is_none() {
                continue;
            }
            let mut keys: Vec<(u16, u64)> = own[number].iter().map(|s| (s.get(), 1)).collect();
            keys.extend(stray.filter(|_| number == 1).map(|slot| (slot, 5)));
            keys.sort_unstable();
            sighting.census = Said::This(Census { counted: SlotSet::all(), keys });
        }
        let report = diagnose(&seen);
        plan(&seen, &report, &Policy { gone: BTreeSet::from([gone.short()]), ..Policy::default() })
    }

    #[test]
    fn nothing_is_given_up_without_the_users_word() {
        let seen = dead(0).build();
        let planning = plan(&seen, &diagnose(&seen), &Policy::default());
        assert_eq!(planning.plan.steps, []);
        let why = &planning.refusals.first().expect("a refusal").why;
        assert!(why.contains("--gone"), "{why}");
    }

    #[test]
    fn slots_of_a_node_that_is_gone_are_spread_and_the_loss_is_said() {
        let plan = planned(&dead(0), &Sketch::id(0), None).plan;
        assert_eq!(plan.risk(), Risk::MayLoseData);
        let claims: Vec<&SlotSet> = plan
            .steps
            .iter()
            .filter_map(|step| match &step.change {
                Change::SetSlots { slots, to: SlotState::Node(to) } if *to == step.on => {
                    Some(slots)
                }
                _ => None,
            })
            .collect();
        assert_eq!(claims.len(), 2, "{plan:#?}");
        assert!(claims[0].len().abs_diff(claims[1].len()) <= 2);
        assert!(claims[0].intersection(claims[1]).is_empty());
        let [loss] = plan.loss.as_slice() else { panic!("{:#?}", plan.loss) };
        assert_eq!(claims[0].union(claims[1]), loss.slots);
        assert_eq!(loss.keys, Some(u64::from(loss.slots.len())), "one key in each slot");
        let of = |n: usize| plan.census.iter().find(|holding| holding.node == Sketch::id(n));
        let (gone, left) = (of(0).expect("the owner"), of(1));
        assert!(gone.counted.is_empty() && gone.keys.is_empty(), "it did not answer");
        assert_eq!(left, None, "who has no key of them is not named");
    }

    #[test]
    fn a_key_that_is_left_decides_about_its_slot() {
        let planning = planned(&dead(0), &Sketch::id(0), Some(7));
        let to = planning.plan.steps.iter().find_map(|step| match &step.change {
            Change::SetSlots { slots, .. } if slots.contains(Slot::new(7)?) => Some(step.on),
            _ => None,
        });
        assert_eq!(to, Some(Sketch::id(1)));
        let has = planning.plan.census.iter().find(|holding| holding.node == Sketch::id(1));
        assert_eq!(has.map(|holding| holding.keys.as_slice()), Some([(7, 5)].as_slice()));
    }

    #[test]
    fn who_answers_or_has_a_replica_or_is_unknown_is_not_given_up() {
        for (sketch, gone) in
            [(dead(0), Sketch::id(1)), (dead(1), Sketch::id(0)), (dead(0), NodeId::made_up(4_000))]
        {
            let planning = planned(&sketch, &gone, None);
            assert_eq!(planning.plan.steps, [], "{gone}");
        }
    }
}
