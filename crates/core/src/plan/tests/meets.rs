//! Who meets whom, and in which order.

use super::*;

/// Node 2 is forgotten by the others, who are forgotten by it but for node 1.
fn forgotten_owner(primaries: usize) -> (Sketch, Vec<SlotSet>) {
    let mut sketch = Sketch::healthy(primaries, 0);
    let owns = owned(&sketch);
    for node in [0, 1] {
        let table = sketch.nodes[node].table.as_mut().expect("a table");
        table.retain(|row| row.id != Sketch::id(2));
        sketch.cluster_info(node, "cluster_state", "fail");
    }
    sketch.row(2, 1, |row| row.link = LinkState::Disconnected);
    let table = sketch.nodes[2].table.as_mut().expect("a table");
    table.retain(|row| row.id != Sketch::id(0));
    (sketch, owns)
}

fn meets(planning: &Planning) -> Vec<&Step> {
    let met = |step: &&Step| matches!(step.change, Change::Meet { .. });
    planning.plan.steps.iter().filter(met).collect()
}

#[test]
fn nobody_is_met_who_would_lead_a_loser_to_the_newer_claim() {
    let (sketch, owns) = forgotten_owner(3);
    assert_ne!(meets(&planned(&with_keys(&sketch, &owns, &[]))), [] as [&Step; 0]);
    // Node 0 has keys of a slot that node 2, of a newer epoch, claims without one.
    let (mut sketch, mut owns) = forgotten_owner(3);
    sketch.row(0, 0, |row| row.slots = row.slots.union(&SlotSet::one(slot(16_000))));
    owns[0] = owns[0].union(&SlotSet::one(slot(16_000)));
    owns[2] = owns[2].difference(&SlotSet::one(slot(16_000)));
    let planning = planned(&with_keys(&sketch, &owns, &[]));
    assert_eq!(meets(&planning), [] as [&Step; 0], "not from node 1 either: {planning:#?}");
}

#[test]
fn who_claims_the_same_meanwhile_stops_a_meet() {
    let (sketch, owns) = forgotten_owner(4);
    let planning = planned(&with_keys(&sketch, &owns, &[]));
    let met = meets(&planning);
    assert_ne!(met, [] as [&Step; 0], "{planning:#?}");
    for step in met {
        let owners = [Sketch::id(2)].into();
        let theirs = Holds::OwnedOnlyBy { owners, slots: owns[2].clone() };
        let guarded = |fact: &Fact| fact.holds == theirs && fact.on != Sketch::id(2);
        assert!(step.guard.iter().any(guarded), "{step:#?}");
    }
}

/// All addresses are wrong, and nobody hears anybody.
fn scattered() -> Sketch {
    let mut sketch = Sketch::healthy(3, 1);
    for observer in 0..6 {
        for about in (0..6).filter(|about| *about != observer) {
            sketch.row(observer, about, |row| {
                row.address.ip = "10.9.9.9".to_owned();
                row.link = LinkState::Disconnected;
            });
        }
    }
    sketch
}

/// What each primary owns, and its replica has a copy of.
fn copied(sketch: &Sketch) -> Vec<SlotSet> {
    [&owned(sketch)[..3]; 2].concat()
}

#[test]
fn primaries_meet_each_other_before_any_replica() {
    let sketch = scattered();
    let owns = copied(&sketch);
    let planning = planned(&with_keys(&sketch, &owns, &[]));
    let primary = |id: NodeId| (0..3).any(|n| Sketch::id(n) == id);
    let met = meets(&planning);
    let firsts = met.iter().take_while(|step| primary(step.on)).count();
    assert!(met.len() > 6 && firsts >= 6, "{planning:#?}");
}

#[test]
fn a_replica_of_one_with_strays_hears_of_nobody_before_its_primary_is_heard() {
    let (sketch, strays) = (scattered(), [(0, 16_000, 1)]);
    let owns = copied(&sketch);
    let replica = Sketch::id(3);
    let goes_to = |step: &&Step| {
        let ip = &sketch.nodes[3].sighting.from;
        matches!(&step.change, Change::Meet { ip: there, port, .. }
            if (there.as_str(), *port) == (ip.host.as_str(), ip.port))
    };
    let planning = planned(&with_keys(&sketch, &owns, &strays));
    let met = meets(&planning);
    assert!(!met.is_empty() && !met.iter().any(|step| step.on == replica), "{planning:#?}");
    assert_eq!(met.iter().filter(|step| goes_to(step)).count(), 0, "{planning:#?}");
    let planning = planned(&with_keys(&sketch, &owns, &[]));
    assert!(meets(&planning).iter().any(|step| step.on == replica), "nothing is at stake there");

    // All have met but that one; one still holds its primary for failed.
    let mut sketch = Sketch::healthy(3, 1);
    for other in (0..6).filter(|other| *other != 3) {
        for (observer, about) in [(3, other), (other, 3)] {
            sketch.row(observer, about, |row| {
                row.address.ip = "10.9.9.9".to_owned();
                row.link = LinkState::Disconnected;
            });
        }
    }
    sketch.row(1, 0, |row| row.flags = row.flags.with(Flag::Failed));
    let planning = planned(&with_keys(&sketch, &owns, &strays));
    assert_eq!((meets(&planning).len(), planning.waiting.is_empty()), (0, false), "{planning:#?}");
    sketch.row(1, 0, |row| row.flags = row.flags.without(Flag::Failed));
    let planning = planned(&with_keys(&sketch, &owns, &strays));
    assert!(meets(&planning).iter().any(|step| step.on == replica), "{planning:#?}");
}

#[test]
fn a_replica_that_copied_a_stranger_hears_of_nobody_before_its_primary_is_heard() {
    let sketch = scattered();
    let mut owns = copied(&sketch);
    let replica = Sketch::id(3);
    let is_told = |owns: &[SlotSet]| {
        let planning = planned(&with_keys(&sketch, owns, &[]));
        let met = meets(&planning);
        assert!(!met.is_empty(), "{planning:#?}");
        met.iter().any(|step| step.on == replica)
    };
    assert!(is_told(&owns), "its copy is whole");
    owns[3] = owns[1].clone();
    assert!(!is_told(&owns), "it has the keys of another primary");
}
