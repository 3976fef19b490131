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

#[test]
fn primaries_meet_each_other_before_any_replica() {
    let mut sketch = Sketch::healthy(3, 1);
    for observer in 0..6 {
        for about in (0..6).filter(|about| *about != observer) {
            sketch.row(observer, about, |row| {
                row.address.ip = "10.9.9.9".to_owned();
                row.link = LinkState::Disconnected;
            });
        }
    }
    let owns = owned(&sketch);
    let planning = planned(&with_keys(&sketch, &owns, &[]));
    let is_met = |step: &&Step| matches!(step.change, Change::Meet { .. });
    let primary = |id: NodeId| (0..3).any(|n| Sketch::id(n) == id);
    let met: Vec<&Step> = planning.plan.steps.iter().filter(is_met).collect();
    let firsts = met.iter().take_while(|step| primary(step.on)).count();
    assert!(met.len() > 6 && firsts >= 6, "{planning:#?}");
}
