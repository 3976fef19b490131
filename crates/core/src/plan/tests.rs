//! Tests of the planner on its own: what it plans, and what it must not.

use super::*;
use crate::diagnose::diagnose;
use crate::model::{Slot, SlotSet};
use crate::observation::sketch::Sketch;
use crate::observation::{Census, LinkState, OpenSlot, Said};

/// The observation, in which each primary holds a key in each slot that `owns` gives it, and
/// whatever else `more` says.
fn with_keys(sketch: &Sketch, owns: &[SlotSet], more: &[(usize, u16, u64)]) -> Observation {
    let mut seen = sketch.build();
    for (number, sighting) in seen.sightings.iter_mut().enumerate() {
        let own = owns.get(number).cloned().unwrap_or_default();
        let mut keys: Vec<(u16, u64)> = own.iter().map(|slot| (slot.get(), 1)).collect();
        let mine = more.iter().filter(|(node, ..)| *node == number);
        keys.extend(mine.map(|(_, slot, count)| (*slot, *count)));
        keys.sort_unstable();
        sighting.census = Said::This(Census { counted: SlotSet::all(), keys });
    }
    seen
}

fn owned(sketch: &Sketch) -> Vec<SlotSet> {
    let seen = sketch.build();
    let picture = Picture::new(&seen);
    (0..seen.sightings.len()).map(|n| picture.slots_of(Sketch::id(n))).collect()
}

fn planned(seen: &Observation) -> Planning {
    plan(seen, &diagnose(seen), &Policy::default())
}

fn slot(number: u16) -> Slot {
    Slot::new(number).expect("a slot")
}

/// Node 0 has a key of slot 16000, which node 2 owns.
fn stray() -> (Sketch, Vec<SlotSet>) {
    let sketch = Sketch::healthy(3, 0);
    let owns = owned(&sketch);
    (sketch, owns)
}

#[test]
fn a_healthy_cluster_needs_nothing() {
    let (sketch, owns) = stray();
    let planning = planned(&with_keys(&sketch, &owns, &[]));
    assert_eq!(planning.plan.steps, []);
    assert_eq!(planning.refusals, []);
    assert_eq!(planning.plan.risk(), Risk::ReadOnly);
}

#[test]
fn stray_keys_go_to_the_owner_and_the_owner_is_guarded() {
    let (sketch, owns) = stray();
    let planning = planned(&with_keys(&sketch, &owns, &[(0, 16_000, 5)]));
    let moves: Vec<&Step> = planning
        .plan
        .steps
        .iter()
        .filter(|step| matches!(step.change, Change::MoveKeys { .. }))
        .collect();
    let [step] = moves.as_slice() else { panic!("{planning:#?}") };
    assert_eq!(step.on, Sketch::id(0));
    let owns = Holds::Owns { owner: Sketch::id(2), slots: SlotSet::one(slot(16_000)) };
    assert!(step.guard.contains(&Fact::new(Sketch::id(2), owns)), "{step:#?}");
}

#[test]
fn keys_are_not_moved_while_a_primary_refuses_them() {
    let (mut sketch, owns) = stray();
    sketch.cluster_info(2, "cluster_state", "fail");
    let planning = planned(&with_keys(&sketch, &owns, &[(0, 16_000, 5)]));
    assert_eq!(planning.plan.steps, []);
    let told = planning.waiting.iter().chain(planning.refusals.iter().map(|refusal| &refusal.why));
    let told: Vec<&String> = told.collect();
    assert!(told.iter().any(|why| why.contains("cluster_state:ok")), "{planning:#?}");
}

#[test]
fn a_primary_that_dropped_slots_with_keys_takes_them_back() {
    let mut sketch = Sketch::healthy(3, 0);
    let owns = owned(&sketch);
    let lost: SlotSet = (100..200).map(slot).collect();
    sketch.row(0, 0, |row| row.slots = row.slots.difference(&lost));
    let planning = planned(&with_keys(&sketch, &owns, &[]));
    let changes: Vec<&Change> = planning.plan.steps.iter().map(|step| &step.change).collect();
    assert!(
        changes.iter().any(|change| matches!(change,
            Change::AddSlots { slots, .. } | Change::SetSlots { slots, .. } if *slots == lost)),
        "{planning:#?}"
    );
    assert!(planning.plan.steps.iter().all(|step| step.on == Sketch::id(0)), "{planning:#?}");
}

#[test]
fn a_mark_on_a_replica_is_left_to_its_primary() {
    let mut sketch = Sketch::healthy(3, 1);
    let owns = owned(&sketch);
    let open = OpenSlot::Importing { slot: slot(16_000), from: Sketch::id(2) };
    sketch.row(1, 1, |row| row.open.push(open));
    sketch.row(4, 4, |row| row.open.push(open));
    let planning = planned(&with_keys(&sketch, &owns, &[]));
    let on: Vec<NodeId> = planning.plan.steps.iter().map(|step| step.on).collect();
    assert_eq!(on, [Sketch::id(1)], "{planning:#?}");
}

#[test]
fn an_owner_that_answers_again_is_waited_for() {
    let mut sketch = Sketch::healthy(3, 1);
    let owns = owned(&sketch);
    sketch.flagged(0, Flag::Failed, LinkState::Connected);
    for node in 0..6 {
        sketch.cluster_info(node, "cluster_state", "fail");
    }
    let planning = planned(&with_keys(&sketch, &owns, &[]));
    assert_eq!(planning.plan.steps, [], "{planning:#?}");
    assert!(
        planning.waiting.iter().any(|why| why.contains("answers again")),
        "{planning:#?} of {:#?}",
        diagnose(&sketch.build()).roots.iter().map(|root| &root.found.code).collect::<Vec<_>>()
    );
}

#[test]
fn nothing_is_taken_from_a_cluster_that_does_not_know_us() {
    let mut sketch = Sketch::healthy(3, 0);
    let owns = owned(&sketch);
    let foreign = NodeId::made_up(77);
    sketch.stranger(foreign, Endpoint::new("10.0.9.9", 6379), SlotSet::all());
    let planning = planned(&with_keys(&sketch, &owns, &[(3, 5, 1_000)]));
    assert_eq!(planning.plan.steps, [], "{planning:#?}");
    assert!(
        planning.refusals.iter().any(|refusal| refusal.why.contains("clusters")),
        "{planning:#?}"
    );
}

#[test]
fn a_primary_that_died_a_moment_ago_is_left_to_its_voters() {
    let mut sketch = Sketch::healthy(3, 1);
    let owns = owned(&sketch);
    sketch.silence(
        0,
        crate::observation::Silence::Refused,
        Some(crate::observation::Silence::Refused),
    );
    sketch.rows_about(0, |row| row.link = LinkState::Disconnected);
    let planning = planned(&with_keys(&sketch, &owns, &[]));
    assert_eq!(planning.plan.steps, []);
    assert!(planning.waiting.iter().any(|why| why.contains("is down")), "{planning:#?}");
}

/// Node 2 is forgotten by all, and its client port does not answer.
fn forgotten_and_silent() -> (Sketch, Vec<SlotSet>) {
    let mut sketch = Sketch::healthy(3, 0);
    let owns = owned(&sketch);
    sketch.silence(2, crate::observation::Silence::TimedOut, None);
    for node in 0..2 {
        let table = sketch.nodes[node].table.as_mut().expect("a table");
        table.retain(|row| row.id != Sketch::id(2));
        sketch.cluster_info(node, "cluster_state", "fail");
    }
    (sketch, owns)
}

#[test]
fn slots_of_one_whose_bus_claims_them_are_given_to_nobody() {
    let (sketch, owns) = forgotten_and_silent();
    let planning = planned(&with_keys(&sketch, &owns, &[]));
    assert_eq!(planning.plan.steps, [], "{planning:#?}");
    let mut whys = planning.refusals.iter().map(|refusal| &refusal.why);
    assert!(whys.any(|why| why.contains("on its bus")), "{planning:#?}");
}

#[test]
fn slots_are_given_to_nobody_while_a_named_address_is_silent() {
    let (mut sketch, owns) = forgotten_and_silent();
    sketch.bus.pop();
    let mut seen = with_keys(&sketch, &owns, &[]);
    assert_ne!(planned(&seen).plan.steps, [], "nothing tells of it");
    seen.named = (0..3).map(Sketch::at).collect();
    let planning = planned(&seen);
    assert_eq!(planning.plan.steps, [], "{planning:#?}");
    let mut whys = planning.refusals.iter().map(|refusal| &refusal.why);
    assert!(whys.any(|why| why.contains("leave it out")), "{planning:#?}");
}

#[test]
fn a_replica_that_dials_where_its_primary_was_follows_it_anew() {
    let mut sketch = Sketch::healthy(3, 1);
    let owns = owned(&sketch);
    sketch.info(3, "master_link_status", "down").info(3, "master_host", "10.0.0.99");
    let planning = planned(&with_keys(&sketch, &owns, &[]));
    let [step] = planning.plan.steps.as_slice() else { panic!("{planning:#?}") };
    assert_eq!(step.change, Change::Replicate { primary: Sketch::id(0) });
    assert_eq!(step.on, Sketch::id(3));
    // It dials the right place: the port between them is closed, and no command opens it.
    sketch.info(3, "master_host", "10.0.0.1");
    let planning = planned(&with_keys(&sketch, &owns, &[]));
    assert_eq!(planning.plan.steps, []);
    assert!(planning.refusals.iter().any(|r| r.why.contains("client port")), "{planning:#?}");
}

/// Two primaries, and 6,383 slots that nobody owns.
fn with_a_gap() -> Sketch {
    let mut sketch = Sketch::healthy(2, 0);
    for node in 0..2 {
        sketch.row(node, 1, |row| row.slots = SlotSet::range(8_192, 10_000));
        sketch.cluster_info(node, "cluster_state", "fail");
        sketch.cluster_info(node, "cluster_slots_assigned", "10001");
    }
    sketch
}

#[test]
fn slots_whose_keys_are_missed_need_the_users_word() {
    let sketch = with_a_gap();
    let full = [SlotSet::range(0, 8_191), SlotSet::range(8_192, 10_000)];
    let planning = planned(&with_keys(&sketch, &full, &[]));
    assert_eq!(planning.plan.risk(), Risk::MayLoseData, "{planning:#?}");
    let [loss] = planning.plan.loss.as_slice() else { panic!("{planning:#?}") };
    assert_eq!((loss.owner, loss.keys), (None, Some(6_383)));
    assert_eq!(loss.slots, SlotSet::range(10_001, 16_383));
}

#[test]
fn slots_that_chance_may_leave_empty_are_spread() {
    let sketch = with_a_gap();
    let few = [SlotSet::range(7, 9), SlotSet::range(9_000, 9_000)];
    let planning = planned(&with_keys(&sketch, &few, &[]));
    assert_eq!(planning.plan.risk(), Risk::MovesOwnership, "{planning:#?}");
    assert_eq!(planning.plan.loss, []);
}

#[test]
fn what_is_sure_comes_before_what_is_missed() {
    let sketch = with_a_gap();
    let full = [SlotSet::range(0, 8_191), SlotSet::range(8_192, 10_000)];
    // Node 0 has keys of one of them.
    let planning = planned(&with_keys(&sketch, &full, &[(0, 12_000, 5)]));
    assert_eq!(planning.plan.risk(), Risk::MovesOwnership, "{planning:#?}");
    let added = planning.plan.steps.iter().find_map(|step| match &step.change {
        Change::AddSlots { slots, .. } => Some((step.on, slots.clone())),
        _ => None,
    });
    assert_eq!(added, Some((Sketch::id(0), SlotSet::one(slot(12_000)))));
}
