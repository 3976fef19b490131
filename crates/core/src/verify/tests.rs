//! Each check: the smallest view that passes, the nearest that fails, and what makes it unknown.

use super::*;
use crate::model::{Flag, NodeId, Slot, SlotSet};
use crate::observation::sketch::Sketch;
use crate::observation::{Census, LinkState, OpenSlot, Said};

/// A healthy cluster in which each primary holds `keys` keys in each of its slots.
fn full(primaries: usize, replicas: usize, keys: u64) -> Sketch {
    let mut sketch = Sketch::healthy(primaries, replicas);
    for node in 0..sketch.nodes.len() {
        let shard = if node < primaries { node } else { (node - primaries) % primaries };
        let slots = slots_of(&sketch, shard);
        let held: Vec<(u16, u64)> = slots.iter().map(|slot| (slot.get(), keys)).collect();
        holds(&mut sketch, node, held);
        sketch.info(node, "master_replid", &format!("{shard:040x}"));
    }
    sketch
}

fn slots_of(sketch: &Sketch, node: usize) -> SlotSet {
    let table = sketch.nodes[node].table.as_ref().expect("a table");
    table.iter().find(|row| row.id == Sketch::id(node)).expect("its row").slots.clone()
}

fn holds(sketch: &mut Sketch, node: usize, keys: Vec<(u16, u64)>) {
    sketch.nodes[node].sighting.census = Said::This(Census { counted: SlotSet::all(), keys });
}

fn add(sketch: &mut Sketch, node: usize, slot: u16, number: u64) {
    let Said::This(census) = &mut sketch.nodes[node].sighting.census else { panic!("counted") };
    census.keys.push((slot, number));
    census.keys.sort_unstable();
}

fn verified(sketch: &Sketch, before: Option<&Sketch>, canaries: Option<&[Canary]>) -> Verification {
    let (after, before) = (sketch.build(), before.map(Sketch::build));
    verify(&Gathered { before: before.as_ref(), after: &after, canaries, names: &[] })
}

#[track_caller]
fn failed(sketch: &Sketch, what: What) -> Check {
    let check = verified(sketch, None, None).check(what).expect("asked for").clone();
    assert!(matches!(check.outcome, Outcome::Failed(_)), "{check:?}");
    check
}

#[track_caller]
fn unknown(sketch: &Sketch, what: What) -> Check {
    let check = verified(sketch, None, None).check(what).expect("asked for").clone();
    assert!(matches!(check.outcome, Outcome::Unknown(_)), "{check:?}");
    check
}

#[test]
fn a_healthy_cluster_passes_everything_that_was_asked() {
    for (primaries, replicas) in [(1, 0), (3, 0), (3, 1), (6, 2)] {
        let sketch = full(primaries, replicas, 2);
        let plain = verified(&sketch, None, None);
        assert!(!plain.has_failed() && plain.is_complete(), "{plain:#?}");
        assert_eq!(plain.checks.len(), 9, "nobody asked for canaries or a comparison");
        assert!(plain.check(What::Canary).is_none() && plain.check(What::KeysKept).is_none());
        let keys: u64 = plain.distribution.iter().map(|share| share.keys).sum();
        assert_eq!((keys, plain.distribution.len()), (32_768, primaries));
        let compared = verified(&sketch, Some(&sketch), Some(&good_canaries(&sketch)));
        assert!(!compared.has_failed() && compared.is_complete(), "{compared:#?}");
        assert_eq!(compared.checks.len(), 11);
    }
}

#[test]
fn nobody_there_makes_everything_unknown() {
    let mut sketch = full(3, 0, 1);
    for node in 0..3 {
        sketch.silence(node, Silence::Refused, None);
    }
    let nothing = verified(&sketch, Some(&sketch), Some(&[]));
    for check in &nothing.checks {
        assert!(matches!(check.outcome, Outcome::Unknown(_)), "{check:?}");
    }
}

#[test]
fn one_node_that_says_fail_fails_the_state() {
    let mut sketch = full(3, 1, 1);
    sketch.cluster_info(4, "cluster_state", "fail");
    assert_eq!(failed(&sketch, What::State).details.len(), 1);
    let mut silent = full(3, 1, 1);
    silent.nodes[4].sighting.cluster_info = Said::Nothing(Silence::NoReply);
    unknown(&silent, What::State);
}

#[test]
fn one_other_opinion_fails_the_agreement() {
    let mut sketch = full(3, 0, 1);
    sketch.row(2, 0, |row| row.slots = SlotSet::range(0, 5_000));
    let check = failed(&sketch, What::Agreement);
    assert!(check.details[0].contains("5001-"), "{check:?}");
    failed(&sketch, What::Coverage);
}

#[test]
fn a_hole_fails_the_coverage() {
    let mut sketch = full(3, 0, 1);
    for by in 0..3 {
        sketch.row(by, 1, |row| {
            row.slots = row.slots.difference(&SlotSet::range(6_000, 6_009));
        });
    }
    let check = failed(&sketch, What::Coverage);
    assert_eq!(check.outcome.says(), "10 slots without an owner: 6000-6009");
    let agreement = verified(&sketch, None, None);
    let agreement = agreement.check(What::Agreement).expect("always").outcome.clone();
    assert!(matches!(agreement, Outcome::Passed(_)), "they agree on the hole");
}

#[test]
fn an_owner_that_refuses_fails_and_one_that_does_not_let_us_in_is_unknown() {
    let mut down = full(3, 0, 1);
    down.silence(1, Silence::Refused, None);
    failed(&down, What::Owners);
    unknown(&down, What::KeysHeldOnce);
    unknown(&down, What::KeysAtHome);
    let mut locked = full(3, 0, 1);
    locked.silence(1, Silence::AuthFailed("NOAUTH".to_owned()), None);
    unknown(&locked, What::Owners);
    let mut nowhere = full(3, 0, 1);
    nowhere.silence(1, Silence::Refused, None);
    nowhere.flagged(1, Flag::NoAddress, LinkState::Disconnected);
    nowhere.rows_about(1, |row| row.address.ip.clear());
    failed(&nowhere, What::Owners);
}

#[test]
fn an_open_slot_fails_and_its_keys_are_neither_misplaced_nor_held_twice() {
    let mut sketch = full(3, 0, 1);
    let slot = Slot::new(7).expect("a slot");
    sketch.row(0, 0, |row| row.open = vec![OpenSlot::Migrating { slot, to: Sketch::id(1) }]);
    sketch.row(1, 1, |row| row.open = vec![OpenSlot::Importing { slot, from: Sketch::id(0) }]);
    add(&mut sketch, 1, 7, 3);
    assert_eq!(failed(&sketch, What::OpenSlots).details.len(), 2);
    let all = verified(&sketch, None, None);
    for what in [What::KeysAtHome, What::KeysHeldOnce] {
        let outcome = &all.check(what).expect("always").outcome;
        assert!(matches!(outcome, Outcome::Passed(_)), "{outcome:?}");
    }
}

#[test]
fn replicas_must_be_linked_of_the_same_history_and_near() {
    let spoiled = |name: &str, value: &str| {
        let mut sketch = full(3, 1, 1);
        sketch.info(3, name, value);
        sketch
    };
    failed(&spoiled("master_link_status", "down"), What::Replicas);
    failed(&spoiled("master_replid", "ffff"), What::Replicas);
    let mut far = full(3, 1, 1);
    far.info(0, "master_repl_offset", "3000000");
    failed(&far, What::Replicas);
    far.info(0, "repl_backlog_size", "4000000");
    let check = verified(&far, None, None);
    let says = check.check(What::Replicas).expect("always").outcome.says();
    assert_eq!(says, "3 replicas linked to the primary, at most 2999000 bytes behind");
    let mut gone = full(3, 1, 1);
    gone.silence(3, Silence::Refused, None);
    failed(&gone, What::Replicas);
    let mut alone = full(3, 1, 1);
    alone.silence(0, Silence::NoReply, None);
    unknown(&alone, What::Replicas);
}

#[test]
fn keys_in_a_foreign_slot_are_named_also_on_a_replica() {
    for holder in [0, 3] {
        let mut sketch = full(3, 1, 1);
        add(&mut sketch, holder, 16_000, 5);
        let all = verified(&sketch, None, None);
        let misplaced =
            Misplaced { node: Sketch::id(holder), slots: SlotSet::range(16_000, 16_000), keys: 5 };
        assert_eq!(all.misplaced, [misplaced]);
        failed(&sketch, What::KeysAtHome);
    }
}

fn told(slot: u16, node: usize, names: &[&str]) -> SlotNames {
    SlotNames {
        slot: Slot::new(slot).expect("a slot"),
        node: Sketch::id(node),
        names: Said::This(names.iter().map(|name| (*name).to_owned()).collect()),
    }
}

#[test]
fn keys_on_two_primaries_are_found_by_counts_and_settled_by_names() {
    let mut sketch = full(3, 1, 1);
    add(&mut sketch, 0, 16_000, 2);
    let seen = sketch.build();
    let with = |names: &[SlotNames]| {
        let all = verify(&Gathered { before: None, after: &seen, canaries: None, names });
        (all.check(What::KeysHeldOnce).expect("always").clone(), all.held_twice)
    };
    let (check, held) = with(&[]);
    assert_eq!(check.outcome, Outcome::Failed("keys at two primaries in 1 slot: 16000".to_owned()));
    assert_eq!(held[0].holders.len(), 2);
    let (check, _) = with(&[told(16_000, 0, &["a", "b"]), told(16_000, 2, &["b"])]);
    let says = "1 key held by two primaries, in 1 slot: 16000";
    assert_eq!(check.outcome, Outcome::Failed(says.to_owned()));
    assert!(check.details.iter().any(|line| line == "1 key on both: b"), "{check:?}");
    let (check, _) = with(&[told(16_000, 0, &["a", "b"]), told(16_000, 2, &["c"])]);
    assert!(matches!(check.outcome, Outcome::Passed(_)), "{check:?}");
    let (check, _) = with(&[told(16_000, 0, &["a", "b"])]);
    assert!(matches!(check.outcome, Outcome::Failed(_)), "half an answer clears nobody");
}

#[test]
fn a_partial_census_is_no_answer() {
    let mut sketch = full(3, 0, 1);
    let Said::This(census) = &mut sketch.nodes[1].sighting.census else { panic!("counted") };
    census.counted = SlotSet::range(0, 16_000);
    for what in [What::KeysAtHome, What::KeysHeldOnce, What::Distribution] {
        unknown(&sketch, what);
    }
    let mut databases = full(3, 0, 1);
    databases.info(1, "db3", "keys=7,expires=0,avg_ttl=0");
    unknown(&databases, What::KeysAtHome);
}

#[test]
fn an_empty_owner_among_full_ones_fails_the_distribution() {
    let mut sketch = full(3, 0, 1);
    holds(&mut sketch, 1, Vec::new());
    failed(&sketch, What::Distribution);
    // All keys under one hash tag.
    let mut tagged = full(3, 0, 0);
    (0..3).for_each(|node| holds(&mut tagged, node, Vec::new()));
    holds(&mut tagged, 0, vec![(5, 1_000_000)]);
    let all = verified(&tagged, None, None);
    let outcome = &all.check(What::Distribution).expect("always").outcome;
    assert!(matches!(outcome, Outcome::Passed(_)), "{outcome:?}");
}

fn kept(before: &Sketch, after: &Sketch) -> Check {
    verified(after, Some(before), None).check(What::KeysKept).expect("asked for").clone()
}

#[test]
fn fewer_keys_than_before_are_a_loss_unless_they_were_to_expire() {
    let mut before = full(3, 0, 2);
    let mut after = full(3, 0, 2);
    add(&mut before, 0, 16_000, 2);
    assert!(matches!(kept(&before, &after).outcome, Outcome::Passed(_)), "the copy is no loss");
    holds(&mut after, 2, vec![(16_000, 2)]);
    let check = kept(&before, &after);
    assert!(matches!(check.outcome, Outcome::Failed(_)), "{check:?}");
    before.info(2, "db0", "keys=9000,expires=999999,avg_ttl=1");
    assert!(matches!(kept(&before, &after).outcome, Outcome::Unknown(_)));
    let mut more = full(3, 0, 2);
    add(&mut more, 1, 1, 1);
    assert!(matches!(kept(&full(3, 0, 2), &more).outcome, Outcome::Passed(_)));
}

#[test]
fn of_a_slot_on_the_move_each_end_has_its_part() {
    let mut before = full(3, 0, 2);
    let slot = Slot::new(5).expect("a slot");
    add(&mut before, 1, 5, 2);
    before.row(0, 0, |row| row.open.push(OpenSlot::Migrating { slot, to: Sketch::id(1) }));
    let mut after = full(3, 0, 2);
    let check = kept(&before, &after);
    assert!(matches!(check.outcome, Outcome::Unknown(_)), "2 of 4 may be lost: {check:?}");
    add(&mut after, 0, 5, 2);
    let outcome = kept(&before, &after).outcome;
    assert!(matches!(&outcome, Outcome::Passed(said) if said.starts_with("32770 keys before")));
}

#[test]
fn without_a_census_before_the_totals_are_compared() {
    let mut before = full(3, 0, 1);
    for node in 0..3 {
        before.nodes[node].sighting.census = Said::Nothing(Silence::NotAsked);
        before.info(node, "db0", "keys=6000,expires=0,avg_ttl=0");
    }
    let check = kept(&before, &full(3, 0, 1));
    assert_eq!(check.outcome, Outcome::Failed("18000 keys before, 16384 now".to_owned()));
    before.silence(0, Silence::Refused, None);
    assert!(matches!(kept(&before, &full(3, 0, 1)).outcome, Outcome::Unknown(_)));
}

fn good_canaries(sketch: &Sketch) -> Vec<Canary> {
    let seen = sketch.build();
    let nodes = u32::try_from(sketch.nodes.len()).expect("few");
    plan_canaries(&Picture::new(&seen), "run-1")
        .into_iter()
        .map(|Planned { key, slot, owner, at }| Canary {
            key,
            slot,
            owner,
            at,
            written: Said::This(true),
            read_from: nodes,
            not_read_from: 0,
            failed_reads: Vec::new(),
            removed: Said::This(true),
        })
        .collect()
}

#[test]
fn a_canary_lies_in_each_range_of_each_owner() {
    let mut sketch = full(3, 1, 1);
    let torn = SlotSet::parse("0-9,11,13,15,17,19,21,23,25,27").expect("slots");
    for by in 0..6 {
        sketch.row(by, 0, |row| row.slots = torn.clone());
    }
    let seen = sketch.build();
    let planned = plan_canaries(&Picture::new(&seen), "run-1");
    assert_eq!(planned.len(), crate::limits::CANARIES_PER_PRIMARY_MAX + 2);
    for one in &planned {
        assert_eq!(Slot::of_key(one.key.as_bytes()), one.slot);
        assert!(one.key.starts_with("slotwright:canary:{") && one.key.ends_with(":run-1"));
        let shard = (0..3).find(|n| Sketch::id(*n) == one.owner).expect("a primary");
        assert!(slots_of(&sketch, shard).contains(one.slot));
        assert_eq!(one.at, Sketch::at(shard));
    }
    assert_eq!(planned, plan_canaries(&Picture::new(&seen), "run-1"), "nothing is random");
}

#[test]
fn what_goes_wrong_with_a_canary_is_told() {
    let sketch = full(3, 0, 1);
    let good = good_canaries(&sketch);
    let outcome = |change: fn(&mut Canary)| {
        let mut canaries = good.clone();
        change(&mut canaries[1]);
        let all = verified(&sketch, None, Some(&canaries));
        all.check(What::Canary).expect("asked for").outcome.clone()
    };
    assert!(matches!(outcome(|_| {}), Outcome::Passed(_)));
    let refused = || Said::Nothing(Silence::Error("MISCONF".to_owned()));
    let denied = || Said::Nothing(Silence::Denied("NOPERM".to_owned()));
    let fails: [fn(&mut Canary); 4] = [
        |one| one.written = Said::Nothing(Silence::Error("CLUSTERDOWN".to_owned())),
        |one| one.removed = Said::This(false),
        |one| one.removed = Said::Nothing(Silence::NoReply),
        |one| {
            let said = Said::This(None);
            one.failed_reads.push(FailedRead { from: one.at.clone(), via: Vec::new(), said });
        },
    ];
    for change in fails {
        assert!(matches!(outcome(change), Outcome::Failed(_)));
    }
    assert!(matches!(outcome(|one| one.written = Said::This(false)), Outcome::Unknown(_)));
    let mut canaries = good.clone();
    canaries[0].written = denied();
    canaries[0].removed = Said::default();
    let all = verified(&sketch, None, Some(&canaries));
    assert!(!all.has_failed() && !all.is_complete(), "we are not let write: nothing is known");
    canaries[1].removed = refused();
    assert!(verified(&sketch, None, Some(&canaries)).has_failed());
    let all = verified(&sketch, None, Some(&good[..2]));
    assert!(!all.is_complete(), "an owner without a canary");
}

#[test]
fn the_order_of_answers_changes_nothing() {
    let mut sketch = full(3, 1, 1);
    add(&mut sketch, 0, 16_000, 2);
    sketch.cluster_info(4, "cluster_state", "fail");
    let first = verified(&sketch, None, None);
    let mut turned = sketch.build();
    turned.sightings.reverse();
    let again = verify(&Gathered { before: None, after: &turned, canaries: None, names: &[] });
    assert_eq!(first, again);
    let text = serde_json::to_string(&first).expect("a value");
    assert_eq!(serde_json::from_str::<Verification>(&text).expect("read again"), first);
}

#[test]
fn details_are_bounded() {
    let mut sketch = full(3, 0, 1);
    let slots = (0..5_000).step_by(2).filter_map(Slot::new);
    let open: Vec<OpenSlot> =
        slots.map(|slot| OpenSlot::Migrating { slot, to: NodeId::made_up(1) }).collect();
    sketch.row(0, 0, |row| row.open = open);
    let check = failed(&sketch, What::OpenSlots);
    assert_eq!(check.details.len(), DETAILS_MAX + 1);
    assert_eq!(check.details.last().map(String::as_str), Some("and 2450 more"));
}
