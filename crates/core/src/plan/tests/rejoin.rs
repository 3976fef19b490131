//! A node that lost its id, and who must not be in its way.

use super::*;

/// The id of node 4 is lost: a new one runs at its address with its keys, and claims their slots.
fn reborn() -> (Sketch, Vec<SlotSet>) {
    let mut sketch = Sketch::healthy(5, 0);
    let owns = owned(&sketch);
    sketch.silence(4, Silence::Refused, Some(Silence::Refused));
    sketch.flagged(4, Flag::Failed, LinkState::Disconnected);
    sketch.stranger(newcomer(), Sketch::at(4), owns[4].clone());
    (sketch, owns)
}

fn newcomer() -> NodeId {
    NodeId::made_up(99)
}

/// Node 3 hangs, and the others hold it for failed.
fn hangs(sketch: &mut Sketch) {
    sketch.silence(3, Silence::TimedOut, Some(Silence::TimedOut));
    sketch.flagged(3, Flag::Failed, LinkState::Disconnected);
}

/// The newcomer had an epoch when it was alone: it can be given no other.
fn has_an_epoch(sketch: &mut Sketch) {
    let table = sketch.nodes[4].table.as_mut().expect("a table");
    table.iter_mut().for_each(|row| row.epoch = ConfigEpoch(1));
}

#[test]
fn who_lost_its_id_outbids_it_while_it_is_alone_whoever_hangs() {
    let (mut sketch, owns) = reborn();
    hangs(&mut sketch);
    let planning = planned(&with_keys(&sketch, &owns, &[]));
    let epoch = |(on, change): &(NodeId, &Change)| {
        *on == newcomer() && matches!(change, Change::SetConfigEpoch { .. })
    };
    assert!(changes(&planning).iter().any(epoch), "{planning:#?}");
}

#[test]
fn who_cannot_outbid_takes_nothing_that_one_which_hangs_would_take_back() {
    let (mut sketch, owns) = reborn();
    has_an_epoch(&mut sketch);
    let planning = planned(&with_keys(&sketch, &owns, &[]));
    let old = Change::Forget { id: Sketch::id(4) };
    let makes_way = |(_, change): &(NodeId, &Change)| **change == old;
    assert!(changes(&planning).iter().any(makes_way), "nobody hangs: {planning:#?}");

    hangs(&mut sketch);
    let planning = planned(&with_keys(&sketch, &owns, &[]));
    assert!(!changes(&planning).iter().any(makes_way), "{planning:#?}");
    assert!(whys(&planning).contains("with an old table it would take"), "{planning:#?}");
}

#[test]
fn who_may_have_been_the_owner_before_the_lost_id_is_a_risk_of_the_users() {
    let (mut sketch, owns) = reborn();
    let planning = planned(&with_keys(&sketch, &owns, &[]));
    assert_eq!((planning.plan.risk(), planning.plan.loss.len()), (Risk::MovesOwnership, 0));

    // Node 3 hangs, and has no slots any more.
    hangs(&mut sketch);
    sketch.rows_about(3, |row| row.slots = SlotSet::new());
    sketch.row(0, 0, |row| row.slots = row.slots.union(&owns[3]));
    sketch.rows_about(0, |row| row.slots = row.slots.union(&owns[3]));
    let mut moved = owns.clone();
    moved[0] = moved[0].union(&owns[3]);
    moved[3] = SlotSet::new();
    let seen = with_keys(&sketch, &moved, &[]);
    let planning = planned(&seen);
    assert_eq!(planning.plan.risk(), Risk::DropsCopy, "{planning:#?}");
    let [loss] = planning.plan.loss.as_slice() else { panic!("{planning:#?}") };
    assert!(loss.why.contains(&Sketch::id(3).short().to_string()), "{}", loss.why);

    let gone = [Sketch::id(3).to_string()].into();
    let planning = plan(&seen, &diagnose(&seen), &Policy { gone, ..Policy::default() });
    assert_eq!((planning.plan.risk(), planning.plan.loss.len()), (Risk::MovesOwnership, 0));
}
