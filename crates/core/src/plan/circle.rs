//! Replicas that follow each other in a circle: the one that has all keys of the others becomes a
//! primary. Nobody votes on it, for nobody is down. Its slots are claimed in a later round, and the
//! others follow it of themselves, which empties them for what it has.

use super::live::Live;
use super::{Change, Draft, Fact, Failover, Holds, Loss, Reason, Repair, Step, Why, promote};
use crate::diagnose::Risk;
use crate::findings::replication_chain_or_cycle::{Row, rows};
use crate::model::{NodeId, SlotSet};

/// Whether there is any; then nothing else is promoted in this round.
pub(super) fn draft(draft: &mut Draft<'_>) -> bool {
    let found: Vec<_> = draft
        .found(Repair::Promote)
        .filter(|found| found.code == "REPLICATION_CHAIN_OR_CYCLE")
        .collect();
    if found.is_empty() {
        return false;
    }
    for row in rows(draft.seen) {
        let about = found
            .iter()
            .find(|found| row.members.iter().all(|member| found.subject.nodes.contains(member)));
        let Some(about) = about else { continue };
        if row.members.iter().any(|id| promote::is_elected(draft, *id)) {
            let why = "a member of the circle holds the one that it follows for failed, and the \
                       voters are there: it is about to be elected";
            draft.wait(Reason::ElectionDue.says(why));
            continue;
        }
        let step = if row.closed { open(draft, &row) } else { Err(passes(draft, &row)) };
        match step {
            Ok(step) => draft.steps.push(Step { mends: about.code.clone(), ..step }),
            Err(why) => draft.refuse(about, why),
        }
    }
    true
}

/// Servers leave a row by themselves; one that does not is not understood.
fn passes(draft: &Draft<'_>, row: &Row) -> Why {
    let names: Vec<String> = row.members.iter().map(|id| draft.seen.name(*id)).collect();
    Reason::DialsRightly.says(format!(
        "servers leave such a row by themselves within two node timeouts. By hand, on the first of \
         {}: CLUSTER REPLICATE of the last",
        names.join(", ")
    ))
}

fn open(draft: &mut Draft<'_>, row: &Row) -> Result<Step, Why> {
    let best = fullest(draft, row)?;
    let occupied = draft.live(best).and_then(Live::census).map(|census| census.occupied());
    let slots = occupied.unwrap_or_default();
    let next = |id: NodeId| {
        let at = row.members.iter().position(|member| *member == id)?;
        row.members.get((at + 1) % row.members.len()).copied()
    };
    let follows = |id: &NodeId| Some(Fact::new(*id, Holds::ReplicaOf { primary: next(*id)? }));
    let mut guard: Vec<Fact> = row.members.iter().filter_map(follows).collect();
    if !slots.is_empty() {
        guard.push(Fact::new(best, Holds::HoldsKeys { slots: slots.clone() }));
    }
    let name = draft.seen.name(best);
    // What nobody outside the circle owns it takes.
    let outside = draft.seen.members().map(|(id, _)| id).filter(|id| !row.members.contains(id));
    let foreign = outside.fold(SlotSet::new(), |all, id| all.union(&draft.seen.slots_of(id)));
    let strays = promote::deleted(draft, best, &SlotSet::all().difference(&foreign))?;
    let risk = if strays.is_empty() { Risk::DropsCopy } else { Risk::MayLoseData };
    if !strays.is_empty() {
        let why = format!("Valkey deletes them at the moment in which {name} becomes a primary");
        draft.loss.push(Loss { owner: Some(best), slots: strays, keys: None, why });
    }
    for other in row.members.iter().filter(|id| **id != best) {
        draft.loss.push(Loss {
            owner: Some(*other),
            slots: slots.clone(),
            keys: None,
            why: format!(
                "values that {} has otherwise than {name}: it is emptied when it follows",
                draft.seen.name(*other)
            ),
        });
    }
    Ok(Step {
        mends: String::new(),
        on: best,
        change: Change::Failover { how: Failover::Takeover },
        risk,
        why: "the members of the circle follow each other, and this one has the keys of all"
            .to_owned(),
        guard,
        expect: vec![Fact::new(best, Holds::IsPrimary)],
        within_ms: (2 * draft.seen.node_timeout_ms()).clamp(4_000, 60_000),
        stage: 0,
    })
}

/// The member that has in each slot no fewer keys than any other; of several the one that others
/// take for the owner of slots, then the one with the newest data.
fn fullest(draft: &Draft<'_>, row: &Row) -> Result<NodeId, Why> {
    let mut live = Vec::new();
    for id in &row.members {
        let name = draft.seen.name(*id);
        let node = draft.live(*id).ok_or_else(|| {
            Reason::ReplicaSilent.says(format!(
                "the member {name} of the circle does not answer and may have newer data: end its \
                 process, start it again, and keep its dump"
            ))
        })?;
        let census = node.census().ok_or_else(|| {
            Reason::NoWholeCopy.says(format!("the keys of {name} could not be counted"))
        })?;
        live.push((node, census));
    }
    let has_all = |(node, census): &&(&Live<'_>, &crate::observation::Census)| {
        live.iter().filter(|(other, _)| other.id != node.id).all(|(_, other)| {
            other.keys.iter().all(|(slot, count)| {
                let slot = crate::model::Slot::new(*slot);
                slot.and_then(|slot| census.keys_in(slot)).is_some_and(|here| here >= *count)
            })
        })
    };
    let offset = |node: &Live<'_>| node.sighting.info.get()?.number("slave_repl_offset");
    let best = live
        .iter()
        .filter(has_all)
        .max_by_key(|(node, _)| (!draft.seen.slots_of(node.id).is_empty(), offset(node), node.id));
    best.map(|(node, _)| node.id).ok_or_else(|| {
        Reason::NoWholeCopy.says(
            "no member of the circle has all keys that the others have: copy their dumps, and \
             choose by hand",
        )
    })
}

#[cfg(test)]
mod tests {
    use crate::diagnose::{Risk, diagnose};
    use crate::model::{Flag, SlotSet};
    use crate::observation::sketch::Sketch;
    use crate::observation::{Census, LinkState, Said, Silence};
    use crate::plan::{Change, Failover, Planning, Policy, plan};

    /// The first primary and its replica follow each other; so many keys of slot 7 each.
    fn circle(keys: [u64; 2]) -> Sketch {
        let mut sketch = Sketch::healthy(3, 1);
        for observer in 0..6 {
            sketch.row(observer, 0, |row| {
                row.flags = row.flags.without(Flag::Primary).with(Flag::Replica);
                row.primary = Some(Sketch::id(3));
                row.slots = SlotSet::new();
            });
        }
        for (node, keys) in [(0, keys[0]), (3, keys[1])] {
            let keys = if keys > 0 { vec![(7, keys)] } else { Vec::new() };
            let census = Census { counted: SlotSet::all(), keys };
            sketch.nodes[node].sighting.census = Said::This(census);
        }
        sketch
    }

    fn planned(sketch: &Sketch) -> Planning {
        let seen = sketch.build();
        plan(&seen, &diagnose(&seen), &Policy::default())
    }

    #[test]
    fn the_fullest_member_takes_over() {
        for (keys, best) in [([2, 1], 0), ([1, 2], 3)] {
            let planning = planned(&circle(keys));
            let [step] = planning.plan.steps.as_slice() else { panic!("{planning:#?}") };
            assert_eq!(step.on, Sketch::id(best));
            assert_eq!(step.change, Change::Failover { how: Failover::Takeover });
        }
    }

    #[test]
    fn a_member_that_can_be_elected_is_left_to_the_voters() {
        for (voters_gone, waits) in [(&[][..], true), (&[1, 2], false)] {
            let mut sketch = circle([2, 1]);
            sketch.row(3, 0, |row| {
                row.flags = row.flags.without(Flag::Replica).with(Flag::Primary).with(Flag::Failed);
                row.slots = SlotSet::range(0, 5_460);
            });
            for gone in voters_gone {
                sketch.silence(*gone, Silence::Refused, Some(Silence::Refused));
                sketch.flagged(*gone, Flag::Failed, LinkState::Disconnected);
            }
            let planning = planned(&sketch);
            assert_eq!(planning.plan.steps.is_empty(), waits, "{planning:#?}");
            assert_eq!(planning.waiting.is_empty(), !waits, "{planning:#?}");
        }
    }

    #[test]
    fn what_valkey_deletes_in_the_takeover_may_be_lost() {
        for (version, risk) in [("9.1.2", Risk::MayLoseData), ("8.1.0", Risk::DropsCopy)] {
            let mut sketch = circle([2, 1]);
            let census = Census { counted: SlotSet::all(), keys: vec![(7, 2), (16_000, 1)] };
            sketch.nodes[0].sighting.census = Said::This(census);
            sketch.info(0, "valkey_version", version);
            let planning = planned(&sketch);
            let [step] = planning.plan.steps.as_slice() else { panic!("{planning:#?}") };
            assert_eq!(step.risk, risk, "a key of slot 16000 lies in a slot of the third primary");
        }
    }

    #[test]
    fn a_silent_or_uncounted_member_is_no_member_to_outdo() {
        let mut silent = circle([2, 1]);
        silent.silence(0, Silence::NoReply, None);
        let mut uncounted = circle([2, 1]);
        uncounted.nodes[0].sighting.census = Said::Nothing(Silence::NotAsked);
        for sketch in [silent, uncounted] {
            let planning = planned(&sketch);
            let takes_over = |change: &Change| matches!(change, Change::Failover { .. });
            let steps = &planning.plan.steps;
            assert!(!steps.iter().any(|step| takes_over(&step.change)), "{planning:#?}");
        }
    }
}
