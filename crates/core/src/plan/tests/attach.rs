//! Which primary a replica or an empty node goes to.

use super::*;

#[test]
fn an_empty_primary_goes_to_the_one_that_refuses_writes_without_a_replica() {
    let mut sketch = Sketch::healthy(4, 0);
    let empty = Sketch::id(0);
    let given = sketch.build();
    let given = Picture::new(&given).slots_of(empty);
    sketch.rows_about(0, |row| row.slots = SlotSet::new());
    sketch.row(0, 0, |row| row.slots = SlotSet::new());
    for observer in 0..4 {
        sketch.row(observer, 1, |row| row.slots = row.slots.union(&given));
    }
    sketch.config(2, "min-replicas-to-write", "1").info(2, "min_slaves_good_slaves", "0");
    let owns = owned(&sketch);
    let planning = planned(&with_keys(&sketch, &owns, &[]));
    let [step] = planning.plan.steps.as_slice() else { panic!("{planning:#?}") };
    assert_eq!((step.on, &step.change), (empty, &Change::Replicate { primary: Sketch::id(2) }));
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

/// Primary 0 has no replica, and primary 1 has both.
fn orphaned() -> Sketch {
    let mut sketch = Sketch::healthy(3, 1);
    for observer in 0..6 {
        sketch.row(observer, 3, |row| row.primary = Some(Sketch::id(1)));
    }
    sketch.info(3, "master_host", "10.0.0.2");
    sketch
}

#[test]
fn a_spare_replica_goes_to_a_primary_without_and_one_stays() {
    let planning = planned(&orphaned().build());
    let [step] = planning.plan.steps.as_slice() else { panic!("{planning:#?}") };
    assert_eq!(step.change, Change::Replicate { primary: Sketch::id(0) });
    let (keeper, primary) = if step.on == Sketch::id(3) { (4, 1) } else { (3, 1) };
    let stays = Holds::ReplicaOf { primary: Sketch::id(primary) };
    assert!(step.guard.contains(&Fact::new(Sketch::id(keeper), stays)), "{step:#?}");
    let in_sync = Holds::Follows { ip: "10.0.0.2".to_owned(), port: 6379 };
    assert!(step.guard.contains(&Fact::new(Sketch::id(keeper), in_sync)), "{step:#?}");
}

#[test]
fn a_replica_is_no_spare_while_the_other_one_is_not_in_sync_or_kept_back() {
    let mut sketch = orphaned();
    sketch.info(4, "master_link_status", "down");
    let planning = planned(&sketch.build());
    assert!(
        !changes(&planning).iter().any(|(on, _)| *on == Sketch::id(3)),
        "the only copy in sync went away: {planning:#?}"
    );
    let mut sketch = orphaned();
    sketch.row(4, 4, |row| row.flags = row.flags.with(Flag::NoFailover));
    let lends = |planning: &Planning| {
        let mut all = planning.plan.steps.iter();
        all.any(|step| matches!(step.change, Change::Replicate { .. }))
    };
    assert!(!lends(&planned(&sketch.build())));
}
