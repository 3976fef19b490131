//! Tests of the planner on its own: what it plans, and what it must not.

mod attach;
mod claims;
mod meets;
mod rejoin;
mod settings;

use super::*;
use crate::diagnose::diagnose;
use crate::model::{ConfigEpoch, Flag, Flags, Slot, SlotSet};
use crate::observation::sketch::Sketch;
use crate::observation::{Census, LinkState, OpenSlot, Said, Silence};

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
    sketch.silence(0, Silence::Refused, Some(Silence::Refused));
    sketch.rows_about(0, |row| row.link = LinkState::Disconnected);
    let planning = planned(&with_keys(&sketch, &owns, &[]));
    assert_eq!(planning.plan.steps, []);
    assert!(planning.waiting.iter().any(|why| why.contains("is down")), "{planning:#?}");
}

/// Node 2 is forgotten by all, and its client port does not answer.
fn forgotten_and_silent() -> (Sketch, Vec<SlotSet>) {
    let mut sketch = Sketch::healthy(3, 0);
    let owns = owned(&sketch);
    sketch.silence(2, Silence::TimedOut, None);
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
    // Node 0 has keys of nearly as many of them as could be; the end of the gap has none.
    let many: Vec<(usize, u16, u64)> = (10_001..16_000).map(|slot| (0, slot, 5)).collect();
    let planning = planned(&with_keys(&sketch, &full, &many));
    assert_eq!(planning.plan.risk(), Risk::MovesOwnership, "{planning:#?}");
    let added = planning.plan.steps.iter().find_map(|step| match &step.change {
        Change::AddSlots { slots, .. } => Some((step.on, slots.clone())),
        _ => None,
    });
    assert_eq!(added, Some((Sketch::id(0), SlotSet::range(10_001, 15_999))));
}

#[test]
fn a_remnant_in_a_gap_does_not_make_its_holder_the_owner() {
    let sketch = with_a_gap();
    let full = [SlotSet::range(0, 8_191), SlotSet::range(8_192, 10_000)];
    let planning = planned(&with_keys(&sketch, &full, &[(0, 12_000, 5)]));
    assert_eq!(planning.plan.risk(), Risk::MayLoseData, "{planning:#?}");
}

fn changes(planning: &Planning) -> Vec<(NodeId, &Change)> {
    planning.plan.steps.iter().map(|step| (step.on, &step.change)).collect()
}

fn whys(planning: &Planning) -> String {
    planning.refusals.iter().map(|refusal| refusal.why.as_str()).collect::<Vec<_>>().join("\n")
}

#[test]
fn what_no_part_mends_says_why() {
    for entry in crate::findings::ALL {
        let grave = entry.severity > Severity::Info;
        assert_eq!(
            entry.repair.is_empty() && grave,
            !entry.obstacle.is_empty() && grave,
            "{} is either mended, by `repair`, or says why not, by `obstacle`",
            entry.name
        );
    }
}

#[test]
fn an_owner_outbids_the_epoch_that_others_hold_for_its_own() {
    let mut sketch = Sketch::healthy(3, 1);
    let owns = owned(&sketch);
    sketch.rows_about(1, |row| row.epoch = ConfigEpoch(99));
    let planning = planned(&with_keys(&sketch, &owns, &[]));
    assert_eq!(changes(&planning), [(Sketch::id(1), &Change::BumpEpoch)]);
    let above = Fact::new(Sketch::id(1), Holds::EpochAtLeast { epoch: 100 });
    assert_eq!(planning.plan.steps[0].expect, [above]);
    // The table of one that is silent may give the answers at an address to another id.
    let mut silent = sketch.clone();
    silent.silence(4, Silence::Refused, Some(Silence::Refused));
    silent.flagged(4, Flag::Failed, LinkState::Disconnected);
    let planning = planned(&with_keys(&silent, &owns, &[]));
    assert_eq!(changes(&planning), [], "{planning:#?}");
    assert!(planning.refusals.iter().any(|one| one.why.contains("does not answer")));
    // Another claims a slot of it: whose keys would be deleted is not known.
    sketch.row(2, 2, |row| row.slots = row.slots.union(&SlotSet::range(6_000, 6_000)));
    let planning = planned(&with_keys(&sketch, &owns, &[]));
    let bumped = changes(&planning);
    let outbids = |step: &&Step| step.mends.starts_with("EPOCH_CONTAMINATED");
    assert!(planning.plan.steps.iter().find(outbids).is_none(), "{bumped:#?}");
}

#[test]
fn what_was_forgotten_on_purpose_is_not_met_again() {
    let mut sketch = Sketch::healthy(3, 1);
    let table = sketch.nodes[0].table.as_mut().expect("a table");
    table.retain(|row| row.id != Sketch::id(4));
    let planning = planned(&sketch.build());
    assert_eq!(changes(&planning), [], "{planning:#?}");
    assert!(whys(&planning).contains("for a person to say"), "{planning:#?}");
}

#[test]
fn keys_that_differ_are_named_and_not_tried_again() {
    let (sketch, owns) = stray();
    let seen = with_keys(&sketch, &owns, &[(0, 16_000, 2), (0, 16_001, 1)]);
    let differing = Differing {
        holder: Sketch::id(0),
        owner: Sketch::id(2),
        slot: slot(16_000),
        count: 2,
        names: vec!["\"a\"".to_owned(), "\"b\"".to_owned()],
    };
    let policy = Policy { differing: vec![differing], ..Policy::default() };
    let planning = plan(&seen, &diagnose(&seen), &policy);
    let moved: Vec<Slot> = planning
        .plan
        .steps
        .iter()
        .filter_map(|step| match step.change {
            Change::MoveKeys { slot, .. } => Some(slot),
            _ => None,
        })
        .collect();
    assert_eq!(moved, [slot(16_001)], "the others go on");
    let seen = with_keys(&sketch, &owns, &[(0, 16_000, 2)]);
    let planning = plan(&seen, &diagnose(&seen), &policy);
    assert_eq!(changes(&planning), []);
    assert!(whys(&planning).contains("\"a\", \"b\""), "{planning:#?}");
    // A third key came: it may be one that can be moved.
    let seen = with_keys(&sketch, &owns, &[(0, 16_000, 3)]);
    assert_ne!(changes(&plan(&seen, &diagnose(&seen), &policy)), []);
}

#[test]
fn a_slot_is_taken_on_the_word_of_the_claimant_alone_if_the_user_gives_theirs() {
    let mut sketch = Sketch::healthy(3, 1);
    let mut owns = owned(&sketch);
    let claimed = SlotSet::range(0, 9);
    // A replica of the third primary says that it is a primary, with slots of the first.
    sketch.row(5, 5, |row| {
        row.flags = Flags::none().with(Flag::Myself).with(Flag::Primary);
        row.primary = None;
        row.slots = claimed.clone();
    });
    sketch.row(5, 0, |row| row.slots = row.slots.difference(&claimed));
    // It says that it has keys of two slots, of which the owner has keys of one.
    owns[0] = owns[0].difference(&claimed);
    let planning = planned(&with_keys(&sketch, &owns, &[(0, 3, 1), (5, 3, 1), (5, 4, 9)]));
    let taken =
        planning.plan.steps.iter().filter(|step| {
            step.on == Sketch::id(0) && matches!(step.change, Change::DelSlots { .. })
        });
    assert!(taken.into_iter().all(|step| step.risk == Risk::DropsCopy), "{planning:#?}");
    assert!(planning.plan.steps.is_empty() || planning.plan.risk() == Risk::DropsCopy);
}

#[test]
fn no_claim_becomes_the_newest_while_a_rival_has_keys_to_delete() {
    let mut sketch = Sketch::healthy(3, 0);
    let mut owns = owned(&sketch);
    // Nodes 0 and 1 claim the slots 0 to 9; nobody counted the keys of 5 to 9 on node 0, the claim
    // of which is the newer one.
    sketch.rows_about(0, |row| row.epoch = ConfigEpoch(9));
    sketch.row(0, 0, |row| row.epoch = ConfigEpoch(9));
    sketch.row(1, 1, |row| row.slots = row.slots.union(&SlotSet::range(0, 9)));
    sketch.row(1, 0, |row| row.slots = row.slots.difference(&SlotSet::range(0, 9)));
    owns[0] = owns[0].difference(&SlotSet::range(0, 4));
    owns[1] = owns[1].union(&SlotSet::range(0, 9));
    let mut seen = with_keys(&sketch, &owns, &[]);
    for sighting in seen.sightings.iter_mut().take(1) {
        let Said::This(census) = &mut sighting.census else { panic!("it was counted") };
        census.counted = census.counted.difference(&SlotSet::range(5, 9));
        census.keys.retain(|(slot, _)| !(5..=9).contains(slot));
    }
    let planning = planned(&seen);
    assert_eq!(changes(&planning), [], "{planning:#?}");
    assert!(whys(&planning).contains("would delete them"), "{planning:#?}");
}

#[test]
fn nobody_waits_for_nodes_that_hear_nobody_to_find_out_who_is_down() {
    let mut sketch = Sketch::healthy(3, 1);
    sketch.silence(0, Silence::Refused, Some(Silence::Refused));
    sketch.flagged(0, Flag::Suspected, LinkState::Disconnected);
    let owns = owned(&sketch);
    let about = "about to find out";
    let waits = |sketch: &Sketch| planned(&with_keys(sketch, &owns, &[])).waiting.join("; ");
    assert!(waits(&sketch).contains(about), "a majority hears each other: {}", waits(&sketch));
    for other in 1..6 {
        sketch.flagged(other, Flag::Suspected, LinkState::Disconnected);
    }
    assert!(!waits(&sketch).contains(about), "{}", waits(&sketch));
}

#[test]
fn who_is_heard_long_after_its_last_pong_is_not_about_to_be_found_dead() {
    let mut sketch = Sketch::healthy(3, 0);
    sketch.silence(0, Silence::Refused, Some(Silence::Refused));
    sketch.rows_about(0, |row| row.link = LinkState::Disconnected);
    let waits = |sketch: &Sketch| planned(&sketch.build()).waiting.join("; ");
    assert!(waits(&sketch).contains("about to find out"), "{}", waits(&sketch));
    sketch.quiet_for(0, 3_600_000);
    assert!(waits(&sketch).contains("it runs elsewhere"), "{}", waits(&sketch));
}

/// Three primaries with a replica each; the first two primaries died.
fn two_of_three_dead() -> Sketch {
    let mut sketch = Sketch::healthy(3, 1);
    for dead in [0, 1] {
        sketch.silence(dead, Silence::Refused, Some(Silence::Refused));
        sketch.flagged(dead, Flag::Suspected, LinkState::Disconnected);
        sketch.info(dead + 3, "master_link_status", "down");
        sketch.info(dead + 3, "slave_repl_offset", "7");
    }
    sketch
}

#[test]
fn no_more_take_over_than_a_majority_needs() {
    let mut sketch = two_of_three_dead();
    let owns = owned(&sketch);
    let planning = planned(&with_keys(&sketch, &owns, &[]));
    let takeovers = changes(&planning);
    let takeover = Change::Failover { how: Failover::Takeover };
    assert_eq!(takeovers, [(Sketch::id(3), &takeover)], "the other one is elected then");
    // It has taken over, and nobody has heard of it yet.
    sketch.row(3, 3, |row| {
        row.flags = Flags::none().with(Flag::Myself).with(Flag::Primary);
        row.primary = None;
        row.slots = owns[0].clone();
        row.epoch = ConfigEpoch(9);
    });
    sketch.row(3, 0, |row| row.slots = SlotSet::new());
    let planning = planned(&with_keys(&sketch, &owns, &[]));
    let raced = changes(&planning).iter().any(|(_, change)| **change == takeover);
    assert!(!raced, "the second one is about to be elected: {planning:#?}");
}

#[test]
fn a_replica_that_deletes_when_it_is_promoted_is_counted_first() {
    let mut sketch = two_of_three_dead();
    for replica in [3, 4] {
        sketch.info(replica, "valkey_version", "9.1.2");
    }
    let owns = owned(&sketch);
    let mut seen = with_keys(&sketch, &owns, &[]);
    assert_eq!(changes(&planned(&seen)).len(), 1);
    for sighting in &mut seen.sightings {
        if let Said::This(census) = &mut sighting.census {
            census.counted = census.counted.difference(&SlotSet::range(0, 0));
        }
    }
    let planning = planned(&seen);
    assert_eq!(changes(&planning), []);
    assert!(whys(&planning).contains("could not be counted"), "{planning:#?}");
}

#[test]
fn an_owner_that_dropped_slots_is_preferred_to_a_stray_key_and_so_is_a_neighbour() {
    let slot = slot(100);
    let mut sketch = Sketch::healthy(3, 0);
    let owns = owned(&sketch);
    sketch.row(0, 0, |row| row.slots = row.slots.difference(&SlotSet::one(slot)));
    sketch.cluster_info(0, "cluster_state", "fail");
    let winner = |sketch: &Sketch| {
        let planning = planned(&with_keys(sketch, &owns, &[(2, 100, 1)]));
        let mut steps = planning.plan.steps.into_iter();
        steps.find(|step| matches!(step.change, Change::AddSlots { .. })).map(|step| step.on)
    };
    assert_eq!(winner(&sketch), Some(Sketch::id(0)), "all others give it to node 0");
    for observer in 1..3 {
        sketch.row(observer, 0, |row| row.slots = row.slots.difference(&SlotSet::one(slot)));
    }
    assert_eq!(winner(&sketch), Some(Sketch::id(0)), "it lies in the range of node 0");
}

#[test]
fn a_move_of_nothing_is_taken_back_at_the_giver_first() {
    let mut sketch = Sketch::healthy(3, 0);
    let mut owns = owned(&sketch);
    owns[0] = owns[0].difference(&SlotSet::one(slot(7)));
    let (giver, receiver) = (Sketch::id(0), Sketch::id(1));
    sketch.row(0, 0, |row| row.open.push(OpenSlot::Migrating { slot: slot(7), to: receiver }));
    sketch.row(1, 1, |row| row.open.push(OpenSlot::Importing { slot: slot(7), from: giver }));
    let planning = planned(&with_keys(&sketch, &owns, &[]));
    let stable = Change::SetSlots { slots: SlotSet::one(slot(7)), to: SlotState::Stable };
    assert_eq!(changes(&planning), [(giver, &stable), (receiver, &stable)], "{planning:#?}");
    let empty = Holds::HoldsNoKeys { slots: SlotSet::one(slot(7)) };
    for step in &planning.plan.steps {
        assert_eq!(step.guard, [Fact::new(receiver, empty.clone())], "clients write there");
    }
}

#[test]
fn who_does_not_own_a_slot_gives_nothing_of_it_away() {
    let mut sketch = Sketch::healthy(3, 0);
    let (giver, receiver, third) = (Sketch::id(0), Sketch::id(1), Sketch::id(2));
    sketch.row(0, 0, |row| row.open.push(OpenSlot::Migrating { slot: slot(7), to: third }));
    sketch.row(1, 1, |row| row.open.push(OpenSlot::Importing { slot: slot(7), from: giver }));
    sketch.row(2, 2, |row| row.open.push(OpenSlot::Migrating { slot: slot(7), to: receiver }));
    let mut held = owned(&sketch);
    held[1] = held[1].union(&SlotSet::one(slot(7)));
    let planning = planned(&with_keys(&sketch, &held, &[]));
    let stable = Change::SetSlots { slots: SlotSet::one(slot(7)), to: SlotState::Stable };
    assert_eq!(changes(&planning), [(third, &stable)], "{planning:#?}");
}

#[test]
fn a_mark_that_only_a_replica_has_moves_nothing() {
    let mut sketch = Sketch::healthy(3, 1);
    let (owner, holder) = (Sketch::id(0), Sketch::id(1));
    sketch.row(4, 4, |row| row.open.push(OpenSlot::Importing { slot: slot(7), from: owner }));
    let mut held = owned(&sketch);
    held[1] = held[1].union(&SlotSet::one(slot(7)));
    let planning = planned(&with_keys(&sketch, &held, &[]));
    let moves = |step: &&Step| matches!(step.change, Change::MoveKeys { to, .. } if to == owner);
    let step = planning.plan.steps.iter().find(moves);
    assert_eq!(step.map(|step| step.on), Some(holder), "{planning:#?}");
}

#[test]
fn a_receiver_that_lags_behind_its_givers_epoch_is_waited_for() {
    let mut sketch = Sketch::healthy(3, 0);
    let owns = owned(&sketch);
    let (giver, receiver) = (Sketch::id(0), Sketch::id(1));
    sketch.row(0, 0, |row| {
        row.open.push(OpenSlot::Migrating { slot: slot(7), to: receiver });
        row.epoch = ConfigEpoch(9);
    });
    sketch.row(1, 1, |row| row.open.push(OpenSlot::Importing { slot: slot(7), from: giver }));
    let lags = planned(&with_keys(&sketch, &owns, &[]));
    assert_eq!(lags.plan.steps, [], "{lags:#?}");
    assert!(lags.waiting.iter().any(|why| why.contains("has not heard")), "{lags:#?}");
    sketch.row(1, 0, |row| row.epoch = ConfigEpoch(9));
    let planning = planned(&with_keys(&sketch, &owns, &[]));
    let knows = Fact::new(receiver, Holds::Records { about: giver, epoch: 9 });
    let handover = planning.plan.steps.iter().find(|step| step.on == receiver);
    assert!(handover.is_some_and(|step| step.guard.contains(&knows)), "{planning:#?}");
}

#[test]
fn an_old_table_takes_nothing_back_from_a_newer_owner_that_is_silent() {
    // Node 3 was elected in place of node 0, and is dead; node 0 is back with its old table.
    let mut sketch = Sketch::healthy(3, 1);
    let owns = owned(&sketch);
    sketch.silence(3, Silence::Refused, Some(Silence::Refused));
    sketch.flagged(3, Flag::Failed, LinkState::Disconnected);
    for observer in [1, 2, 4, 5] {
        sketch.row(observer, 0, |row| row.slots = SlotSet::new());
        sketch.row(observer, 3, |row| {
            row.flags = Flags::none().with(Flag::Primary).with(Flag::Failed);
            row.primary = None;
            row.slots = owns[0].clone();
            row.epoch = ConfigEpoch(9);
        });
    }
    let planning = planned(&with_keys(&sketch, &owns, &[]));
    let bumps = changes(&planning).iter().any(|(_, change)| **change == Change::BumpEpoch);
    assert!(!bumps, "{planning:#?}");
    assert!(whys(&planning).contains("whose claim is newer"), "{planning:#?}");
}
