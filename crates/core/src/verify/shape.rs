//! The shape of the cluster: state, slot maps, owners, open slots.

use super::{Check, Says, Tally, What, count};
use crate::findings::counted::{brief, is_migrating};
use crate::model::{NodeId, SlotSet};
use crate::observation::{OpenSlot, Picture, Said, Silence};

/// Says why nobody knows anything.
const NOBODY: &str = "no node showed its table";

/// Every node says `cluster_state:ok`.
pub(super) fn state(seen: &Picture<'_>) -> Check {
    let mut tally = Tally::default();
    for (id, member) in seen.members() {
        let name = seen.name(id);
        if member.proved.is_empty() {
            tally.unknown(&name, silence(seen, id).describe());
        }
        for sighting in member.proved.iter().map(|number| seen.sighting(*number)) {
            match &sighting.cluster_info {
                Said::This(info) => match info.get("cluster_state") {
                    Some("ok") => tally.good += 1,
                    Some(other) => tally.wrong(&name, format!("cluster_state:{other}")),
                    None => tally.unknown(&name, "CLUSTER INFO names no state"),
                },
                Said::Nothing(why) => tally.unknown(&name, why.describe()),
            }
        }
    }
    named_strangers(seen, &mut tally);
    let all = count(tally.all(), "node");
    let says = Says {
        passed: format!("cluster_state:ok on all of {all}"),
        failed: format!("{} of {all} do not say cluster_state:ok", tally.wrong.len()),
        unknown: nobody_or(&tally, format!("{} of {all} did not say", tally.unknown.len())),
    };
    tally.row(What::State, says)
}

/// Addresses that the user named, where nobody answers and of which no table tells.
fn named_strangers(seen: &Picture<'_>, tally: &mut Tally) {
    for named in &seen.observation().named {
        let Some(number) = seen.sighting_at(named) else { continue };
        let silence = seen.sighting(number).nodes.silence();
        if let Some(why) = silence.filter(|_| seen.believed_at(named).next().is_none()) {
            tally.unknown(&named.to_string(), why.describe());
        }
    }
}

/// All nodes give the same slots to the same owners.
pub(super) fn agreement(seen: &Picture<'_>) -> Check {
    let mut tally = Tally::default();
    let opinions = seen.opinions();
    tally.good = opinions.first().map_or(0, |opinion| opinion.by.len());
    let agreed = opinions.first().map(|opinion| &opinion.owners);
    for opinion in opinions.iter().skip(1) {
        let mut slots = SlotSet::new();
        for (id, owned) in &opinion.owners {
            let there = agreed.and_then(|owners| owners.get(id)).cloned().unwrap_or_default();
            slots = slots.union(&owned.difference(&there)).union(&there.difference(owned));
        }
        let lost = opinions[0].assigned.difference(&opinion.assigned);
        let slots = brief(&slots.union(&lost));
        for observer in &opinion.by {
            let who = seen.sighting(*observer).from.to_string();
            tally.wrong(&who, format!("gives slots {slots} to others than most nodes do"));
        }
    }
    silent_members(seen, &mut tally);
    let says = Says {
        passed: format!("one slot map on all of {}", count(tally.all(), "node")),
        failed: format!("{} different slot maps", opinions.len()),
        unknown: nobody_or(
            &tally,
            format!("{} showed no table", count(tally.unknown.len(), "node")),
        ),
    };
    tally.row(What::Agreement, says)
}

/// All 16384 slots have an owner, in every node's view.
pub(super) fn coverage(seen: &Picture<'_>) -> Check {
    let mut tally = Tally::default();
    let mut missing = SlotSet::new();
    for opinion in seen.opinions() {
        let lacks = opinion.assigned.complement();
        if lacks.is_empty() {
            tally.good += opinion.by.len();
            continue;
        }
        for observer in &opinion.by {
            let who = seen.sighting(*observer).from.to_string();
            tally.wrong(&who, format!("knows no owner of slots {}", brief(&lacks)));
        }
        missing = missing.union(&lacks);
    }
    let says = Says {
        passed: "all 16384 slots have an owner".to_owned(),
        failed: format!(
            "{} without an owner: {}",
            count(missing.len().into(), "slot"),
            brief(&missing)
        ),
        unknown: NOBODY.to_owned(),
    };
    tally.row(What::Coverage, says)
}

/// Every owner of slots, in anybody's view, answers clients.
pub(super) fn owners(seen: &Picture<'_>) -> Check {
    let mut owners: Vec<NodeId> =
        seen.opinions().iter().flat_map(|opinion| opinion.owners.keys().copied()).collect();
    owners.sort_unstable();
    owners.dedup();
    let mut tally = Tally::default();
    for id in owners {
        let name = seen.name(id);
        match seen.proved(id).map(|sighting| &sighting.nodes) {
            Some(Said::This(_)) => tally.good += 1,
            Some(Said::Nothing(why)) => tally.silent(&name, why),
            None if seen.endpoint(id).is_none() => tally.wrong(&name, "nobody knows its address"),
            None => tally.silent(&name, &silence(seen, id)),
        }
    }
    let (all, lost) = (count(tally.all(), "owner"), tally.wrong.len());
    let says = Says {
        passed: format!("{all} of slots, all of which answer"),
        failed: format!("{lost} of {all} of slots cannot be reached"),
        unknown: nobody_or(&tally, format!("{} of {all} let us not in", tally.unknown.len())),
    };
    tally.row(What::Owners, says)
}

/// No slot is being moved.
pub(super) fn open_slots(seen: &Picture<'_>) -> Check {
    let mut tally = Tally::default();
    let mut slots = SlotSet::new();
    for (id, _) in seen.members() {
        let Some(row) = seen.own_row(id) else { continue };
        let name = seen.name(id);
        let moving = seen.proved(id).is_some_and(is_migrating);
        for mark in &row.open {
            let slot = mark.slot();
            slots = slots.union(&SlotSet::one(slot));
            tally.wrong(
                &name,
                match mark {
                    OpenSlot::Migrating { to, .. } => {
                        format!("gives slot {slot} to {}", seen.name(*to))
                    }
                    OpenSlot::Importing { from, .. } => {
                        format!("takes slot {slot} from {}", seen.name(*from))
                    }
                },
            );
        }
        match (row.open.is_empty(), moving) {
            (true, true) => tally.unknown(&name, "an atomic slot migration is under way"),
            (true, false) => tally.good += 1,
            (false, _) => {}
        }
    }
    silent_members(seen, &mut tally);
    let open = count(slots.len().into(), "slot");
    let says = Says {
        passed: "no slot is being moved".to_owned(),
        failed: format!("{open} being moved: {}", brief(&slots)),
        unknown: nobody_or(&tally, format!("not known of {}", count(tally.unknown.len(), "node"))),
    };
    tally.row(What::OpenSlots, says)
}

/// Members whose own view is missing.
pub(super) fn silent_members(seen: &Picture<'_>, tally: &mut Tally) {
    for id in seen.silent_members() {
        tally.unknown(&seen.name(id), silence(seen, id).describe());
    }
}

/// Why a member tells nothing; not asked where no address of it was dialled.
pub(super) fn silence(seen: &Picture<'_>, id: NodeId) -> Silence {
    let said = seen.sighting_of(id).and_then(|sighting| {
        sighting
            .nodes
            .silence()
            .filter(|why| **why != Silence::NotAsked)
            .or(sighting.ping.silence())
    });
    said.cloned().unwrap_or(Silence::NotAsked)
}

fn nobody_or(tally: &Tally, otherwise: String) -> String {
    if tally.all() == 0 { NOBODY.to_owned() } else { otherwise }
}
