//! A process that came back under a new id, where the lost one owns no slot: it was a replica, or
//! its slots have an owner again. It copies the primary of its shard from now on.
//!
//! An empty one meets that primary and is told to replicate. One with data claims the slots of its
//! keys, with the epoch of a beginner: met, it hears of the primary's newer claim, loses all of its
//! slots to that and follows it by itself (`clusterUpdateSlotsConfigWith`), which drops what it
//! has. That is a copy of what the primary has, or had, so the user has a word. Keys of slots that
//! are not the primary's would be dropped as well: then it is left alone.
//!
//! Where the user gives up a lost id that owns slots, an empty newcomer joins before these are
//! spread, and gets its share.

use super::live::Live;
use super::rejoin::{push, slots_of};
use super::{Change, Draft, Fact, Holds, Loss, Reason, Repair, Why};
use crate::diagnose::Risk;
use crate::findings::counted::brief;
use crate::model::{NodeId, SlotSet};

/// Plans for all of them; whether there is any.
pub(super) fn draft(draft: &mut Draft<'_>) -> bool {
    let mut found_any = false;
    for (old, new) in empty(draft) {
        found_any |= welcome(draft, old, new);
    }
    for (old, new) in with_data(draft) {
        match copy_of_the_primary(draft, old, new) {
            Ok(copy) => {
                found_any = true;
                hand_back(draft, &copy);
            }
            Err(why) => draft.refuse_all(Repair::Rejoin, &why),
        }
    }
    found_any
}

/// Nodes that came back empty under a new id, each with the lost one, where that owns no slot or is
/// given up.
fn empty(draft: &Draft<'_>) -> Vec<(NodeId, NodeId)> {
    let mut all = Vec::new();
    for found in draft.found(Repair::Rejoin) {
        let nodes = &found.subject.nodes;
        let is_blank = |id: &&NodeId| draft.blank.iter().any(|node| node.id == **id);
        let Some(new) = nodes.iter().find(is_blank) else { continue };
        let owns_nothing = |old: NodeId| slots_of(draft, old).is_empty();
        let old =
            nodes.iter().find(|id| *id != new && (owns_nothing(**id) || draft.is_given_up(**id)));
        all.extend(old.map(|old| (*old, *new)));
    }
    all
}

/// A primary meets the empty newcomer, which copies it from then on; or gets slots, where those of
/// the lost one are given up, as the emptiest of all.
fn welcome(draft: &mut Draft<'_>, old: NodeId, new: NodeId) -> bool {
    let serves = |node: &&Live<'_>| node.is_primary() && !node.claims().is_empty();
    let recorded = draft.seen.primary_of(old);
    let its_own = draft.live.iter().filter(serves).find(|node| Some(node.id) == recorded);
    let copies = |id: NodeId| {
        let alive = |copy: &NodeId| draft.seen.is_alive(*copy);
        draft.seen.replicas_of(id).into_iter().filter(alive).count()
    };
    let fewest = || draft.live.iter().filter(serves).min_by_key(|node| (copies(node.id), node.id));
    let primary = its_own.or_else(fewest).map(|node| node.id);
    let newcomer = draft.blank.iter().find(|node| node.id == new);
    let (Some(primary), Some(node)) = (primary, newcomer) else { return false };
    let (ip, port, bus_port) = (node.ip.clone(), node.port, node.bus_port);
    let guard = || vec![Fact::new(primary, Holds::IsPrimary), Fact::new(new, Holds::IsEmpty)];
    let knows = |on: NodeId, about: NodeId| Fact::new(on, Holds::Knows { about });
    // Until gossip has told all of it, it looks like one that they forgot.
    let by_all = || draft.live.iter().map(|node| knows(node.id, new));
    let reaches = Fact::new(primary, Holds::Reaches { about: new, ip: ip.clone(), port });
    let mut met = vec![reaches, knows(new, primary)];
    let mut copied = vec![Fact::new(new, Holds::ReplicaOf { primary })];
    let copies_it = slots_of(draft, old).is_empty();
    if copies_it { &mut copied } else { &mut met }.extend(by_all());
    let why = format!("{} came back empty under a new id: it is nobody's", old.short());
    let change = Change::Meet { ip, port, bus_port };
    push(draft, primary, change, Risk::Reversible, why, guard(), met, 0);
    if copies_it {
        let name = draft.seen.name(primary);
        let why = format!("{name} has one replica less without {}", old.short());
        let change = Change::Replicate { primary };
        push(draft, new, change, Risk::Reversible, why, guard(), copied, 1);
    }
    true
}

/// A newcomer with data, whose old id is recorded as the replica of a primary.
struct Copy {
    old: NodeId,
    new: NodeId,
    primary: NodeId,
    claims: SlotSet,
    keys: u64,
}

/// Nodes with data that know nobody and run under a new id, each with the lost one, which owns no
/// slot.
fn with_data(draft: &Draft<'_>) -> Vec<(NodeId, NodeId)> {
    let mut all = Vec::new();
    for found in draft.found(Repair::Rejoin) {
        let nodes = &found.subject.nodes;
        let Some(new) = nodes.iter().find(|id| draft.live(**id).is_some()) else { continue };
        let old = nodes.iter().find(|id| *id != new && !draft.answers(**id));
        let old = old.filter(|old| slots_of(draft, **old).is_empty());
        all.extend(old.map(|old| (*old, *new)));
    }
    all
}

/// Whether the newcomer has nothing but what a live primary, whose replica it was, has as well.
fn copy_of_the_primary(draft: &Draft<'_>, old: NodeId, new: NodeId) -> Result<Copy, Why> {
    let name = draft.seen.name(new);
    let not = |why: String| Err(Reason::NotJustACopy.says(why));
    let primary = draft.seen.primary_of(old).and_then(|id| draft.live(id));
    let (Some(node), Some(primary)) =
        (draft.live(new), primary.filter(|node| node.is_primary() && !node.claims().is_empty()))
    else {
        return not(format!(
            "{name} has keys, and no primary that answers is known to be the one that {} copied",
            old.short()
        ));
    };
    let is_alone = draft.seen.view(node.observer).count() == 1;
    let claims = node.claims();
    if !is_alone || claims.is_empty() || node.own.epoch >= primary.own.epoch {
        return not(format!(
            "{name} has keys, and would not lose its slots to {}: stop it, keep its data files \
             elsewhere, and start it empty",
            draft.seen.name(primary.id)
        ));
    }
    let (Some(here), Some(there)) = (node.census(), primary.census()) else {
        return not(format!("the keys of {name} and of its primary could not be counted"));
    };
    let occupied = here.occupied();
    let strange = claims.union(&occupied).difference(&primary.claims());
    let lacking = occupied.difference(&there.occupied());
    if !strange.is_empty() || !lacking.is_empty() {
        return not(format!(
            "{name} has keys of slots {} that {} does not have: what that is worth is for a person \
             to say",
            brief(&strange.union(&lacking)),
            draft.seen.name(primary.id)
        ));
    }
    let keys = here.keys.iter().map(|(_, count)| count).sum();
    Ok(Copy { old, new, primary: primary.id, claims, keys })
}

/// The primary meets it: with that it follows the primary.
fn hand_back(draft: &mut Draft<'_>, copy: &Copy) {
    let (Some(node), Some(primary)) = (draft.live(copy.new), draft.live(copy.primary)) else {
        return;
    };
    let (ip, port, bus_port) = (node.ip.clone(), node.port, node.bus_port);
    let rest = primary.claims().complement();
    let epoch = node.own.epoch.0;
    let guard = vec![
        Fact::new(copy.primary, Holds::IsPrimary),
        Fact::new(copy.primary, Holds::Owns { owner: copy.primary, slots: copy.claims.clone() }),
        Fact::new(copy.primary, Holds::EpochAtLeast { epoch: epoch + 1 }),
        Fact::new(copy.new, Holds::EpochAtMost { epoch }),
        // Started again, it has claimed every slot that it has a stray key of.
        Fact::new(copy.new, Holds::OwnsNot { owner: copy.new, slots: rest }),
    ];
    let expect = vec![
        Fact::new(copy.primary, Holds::Reaches { about: copy.new, ip: ip.clone(), port }),
        Fact::new(copy.new, Holds::ReplicaOf { primary: copy.primary }),
    ];
    let name = draft.seen.name(copy.primary);
    let why = format!("{} was its replica: met, the newcomer follows it", copy.old.short());
    draft.loss.push(Loss {
        owner: Some(copy.new),
        slots: copy.claims.clone(),
        keys: Some(copy.keys),
        why: format!(
            "a copy of what {name} has or had: if keys were deleted there by mistake, this copy may \
             be the last that has them"
        ),
    });
    let change = Change::Meet { ip, port, bus_port };
    push(draft, copy.primary, change, Risk::DropsCopy, why, guard, expect, 0);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnose::diagnose;
    use crate::model::{Flag, Slot};
    use crate::observation::sketch::Sketch;
    use crate::observation::{Census, LinkState, Observation, Said, Silence};
    use crate::plan::{Policy, plan};

    /// The replica of the first of three primaries is back under a new id; it claims the slots of
    /// its keys, and its primary has keys of slots 7 and 8.
    fn replica_lost_its_table(keys: &[(u16, u64)]) -> Observation {
        let new = NodeId::made_up(77);
        let mut sketch = Sketch::healthy(3, 1);
        sketch.silence(3, Silence::Refused, Some(Silence::Refused));
        sketch.flagged(3, Flag::NoAddress, LinkState::Disconnected);
        sketch.rows_about(3, |row| row.address.ip = String::new());
        let claims = keys.iter().filter_map(|(slot, _)| Slot::new(*slot)).collect();
        sketch.stranger(new, Sketch::at(3), claims);
        let mut seen = sketch.build();
        for sighting in &mut seen.sightings {
            let held = match sighting.myid.get() {
                Some(id) if *id == new => keys.to_vec(),
                Some(id) if *id == Sketch::id(0) => vec![(7, 2), (8, 2)],
                Some(_) => Vec::new(),
                None => continue,
            };
            sighting.census = Said::This(Census { counted: SlotSet::all(), keys: held });
        }
        seen
    }

    #[test]
    fn an_empty_replica_under_a_new_id_copies_the_primary_of_the_lost_one() {
        let seen = replica_lost_its_table(&[]);
        let planning = plan(&seen, &diagnose(&seen), &Policy::default());
        let changes: Vec<(NodeId, &Change)> =
            planning.plan.steps.iter().map(|step| (step.on, &step.change)).collect();
        let [(met_by, Change::Meet { .. }), (new, Change::Replicate { primary })] = &*changes
        else {
            panic!("{planning:#?}")
        };
        assert_eq!((*met_by, *primary), (Sketch::id(0), Sketch::id(0)));
        assert_eq!(*new, NodeId::made_up(77));
        assert!(planning.plan.nodes.contains_key(new), "{planning:#?}");
    }

    #[test]
    fn one_of_a_primary_that_is_given_up_joins_before_its_slots_are_spread() {
        let mut sketch = Sketch::healthy(3, 0);
        sketch.silence(2, Silence::Refused, Some(Silence::Refused));
        sketch.flagged(2, Flag::NoAddress, LinkState::Disconnected);
        sketch.rows_about(2, |row| row.address.ip = String::new());
        sketch.stranger(NodeId::made_up(77), Sketch::at(2), SlotSet::new());
        let mut seen = sketch.build();
        for sighting in &mut seen.sightings {
            sighting.census = Said::This(Census { counted: SlotSet::all(), keys: Vec::new() });
        }
        let planning = plan(&seen, &diagnose(&seen), &Policy::default());
        assert_eq!(planning.plan.steps, [], "only the user knows that its disk is gone");
        let gone = [Sketch::id(2).short()].into();
        let policy = Policy { gone, ..Policy::default() };
        let planning = plan(&seen, &diagnose(&seen), &policy);
        let changes: Vec<&Change> = planning.plan.steps.iter().map(|step| &step.change).collect();
        assert!(matches!(&*changes, [Change::Meet { .. }]), "{planning:#?}");
    }

    #[test]
    fn one_with_a_copy_of_what_its_primary_has_follows_that_on_the_users_word() {
        let seen = replica_lost_its_table(&[(7, 2)]);
        let planning = plan(&seen, &diagnose(&seen), &Policy::default());
        let [step] = &*planning.plan.steps else { panic!("{planning:#?}") };
        assert!(matches!(step.change, Change::Meet { .. }), "{step:#?}");
        assert_eq!((step.on, step.risk), (Sketch::id(0), Risk::DropsCopy));
        let [loss] = &*planning.plan.loss else { panic!("{planning:#?}") };
        assert_eq!((loss.owner, loss.keys), (Some(NodeId::made_up(77)), Some(2)));
    }

    #[test]
    fn keys_that_the_primary_lacks_or_of_another_shard_are_not_dropped() {
        for strange in [9, 16_000] {
            let seen = replica_lost_its_table(&[(7, 2), (strange, 1)]);
            let planning = plan(&seen, &diagnose(&seen), &Policy::default());
            assert_eq!(planning.plan.steps, [], "{strange}");
        }
    }

    #[test]
    fn one_that_the_others_list_under_its_present_id_is_not_nobodys() {
        let mut sketch = Sketch::healthy(3, 0);
        sketch.reset(2);
        let mut seen = sketch.build();
        for sighting in &mut seen.sightings {
            sighting.census = Said::This(Census { counted: SlotSet::all(), keys: Vec::new() });
        }
        let planning = plan(&seen, &diagnose(&seen), &Policy::default());
        assert!(!planning.plan.steps.is_empty(), "it is met and mended: {planning:#?}");
    }
}
