//! Slots get their owner: what a rival does first, and whose claim stays as it is.

use super::*;

/// Nodes 0 and 1 claim slot 5 and have keys of it, node 0 more.
fn both_claim_with_keys() -> (Sketch, Vec<SlotSet>) {
    let mut sketch = Sketch::healthy(3, 0);
    let owns = owned(&sketch);
    let slot = SlotSet::one(slot(5));
    sketch.row(1, 1, |row| row.slots = row.slots.union(&slot));
    sketch.row(1, 0, |row| row.slots = row.slots.difference(&slot));
    (sketch, owns)
}

#[test]
fn one_that_lets_go_of_keys_imports_them_where_its_next_start_would_delete_them() {
    let (mut sketch, owns) = both_claim_with_keys();
    let slots = SlotSet::one(slot(5));
    let winner = Sketch::id(0);
    let of_rival = |sketch: &Sketch| -> Vec<Change> {
        let planning = planned(&with_keys(sketch, &owns, &[(0, 5, 8), (1, 5, 1)]));
        let all = planning.plan.steps.into_iter().filter(|step| step.on == Sketch::id(1));
        all.map(|step| step.change).collect()
    };
    let let_go = Change::DelSlots { slots: slots.clone(), ranges: true };
    let set = |to| Change::SetSlots { slots: slots.clone(), to };
    let hand_on = set(SlotState::Node(winner));
    assert_eq!(of_rival(&sketch), [let_go.clone(), hand_on.clone()], "Redis 7.0 imports by itself");
    sketch.info(1, "valkey_version", "9.1.2");
    assert_eq!(of_rival(&sketch), [let_go, hand_on, set(SlotState::Importing(winner))]);
}

#[test]
fn no_epoch_is_raised_while_slots_have_no_owner() {
    let mut sketch = Sketch::healthy(3, 1);
    let owns = owned(&sketch);
    sketch.rows_about(1, |row| row.epoch = ConfigEpoch(99));
    let raised = |sketch: &Sketch| {
        let planning = planned(&with_keys(sketch, &owns, &[]));
        changes(&planning).contains(&(Sketch::id(1), &Change::BumpEpoch))
    };
    assert!(raised(&sketch));
    sketch.rows_about(0, |row| row.slots = SlotSet::new());
    sketch.row(0, 0, |row| row.slots = SlotSet::new());
    assert!(!raised(&sketch), "who owned them may be back with a claim to more than that");
}

#[test]
fn slots_in_the_own_table_of_a_replica_are_given_to_a_primary() {
    let mut sketch = Sketch::healthy(3, 1);
    let free = SlotSet::range(0, 9);
    let mut owns = owned(&sketch);
    owns[0] = owns[0].difference(&free);
    sketch.rows_about(0, |row| row.slots = row.slots.difference(&free));
    sketch.row(0, 0, |row| row.slots = row.slots.difference(&free));
    sketch.row(4, 4, |row| row.slots = free.clone());
    let planning = planned(&with_keys(&sketch, &owns, &[]));
    let takes: Vec<&Step> = planning
        .plan
        .steps
        .iter()
        .filter(|step| matches!(step.change, Change::AddSlots { .. }))
        .collect();
    assert!(!takes.is_empty(), "{planning:#?}");
    for step in takes {
        let claims_not = |fact: &&Fact| matches!(&fact.holds, Holds::OwnsNot { .. });
        let asked: Vec<NodeId> = step.guard.iter().filter(claims_not).map(|fact| fact.on).collect();
        assert_eq!(asked.len(), 2, "the other primaries, and no replica: {asked:?}");
        // The replica hears of it by a newer claim only.
        assert!(changes(&planning).contains(&(step.on, &Change::BumpEpoch)), "{planning:#?}");
    }
}

#[test]
fn the_newest_claim_settles_by_itself_what_nobody_else_has_a_key_of() {
    let (mut sketch, mut owns) = both_claim_with_keys();
    owns[0] = owns[0].difference(&SlotSet::one(slot(5)));
    // Node 1 has the greater epoch, and the only key.
    let with_one = |sketch: &Sketch| planned(&with_keys(sketch, &owns, &[(1, 5, 1)]));
    let planning = with_one(&sketch);
    assert_eq!(changes(&planning), [], "{planning:#?}");
    assert!(planning.waiting.join("; ").contains("when they hear of it"), "{planning:#?}");
    // The other one has a key, too: it must let go before it hears of it.
    let planning = planned(&with_keys(&sketch, &owns, &[(0, 5, 1), (1, 5, 2)]));
    assert!(!changes(&planning).is_empty(), "{planning:#?}");
    // They are not linked.
    sketch.row(0, 1, |row| row.link = LinkState::Disconnected);
    assert!(!changes(&with_one(&sketch)).is_empty(), "{:#?}", with_one(&sketch));
}
