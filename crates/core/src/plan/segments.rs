//! The slots cut into stretches about which everybody says the same: who claims them, to whom each
//! table gives them, who holds keys of them.

use std::collections::{BTreeMap, BTreeSet};

use super::live::Live;
use crate::model::{NodeId, SLOT_COUNT, Slot, SlotSet};
use crate::observation::Picture;

/// What is said of a stretch of slots.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug, Default)]
pub(super) struct Facts {
    /// Live primaries whose own row has it, by id.
    pub(super) claimants: Vec<NodeId>,
    /// For each live node the owner in its table.
    pub(super) owners: Vec<(NodeId, Option<NodeId>)>,
    /// Live primaries that hold keys of it.
    pub(super) holders: Vec<NodeId>,
    /// Live replicas that hold keys of it.
    pub(super) copies: Vec<NodeId>,
    /// Live nodes whose keys in it were not counted.
    pub(super) uncounted: Vec<NodeId>,
    /// Whether any primary is moving it: a mark that only a replica still has, after its primary's
    /// own went, moves nothing.
    pub(super) open: bool,
}

impl Facts {
    /// Whether all agree: one claimant, and every table gives it to that one.
    pub(super) fn is_settled(&self) -> bool {
        matches!(self.claimants.as_slice(), [one]
            if self.owners.iter().all(|(_, owner)| *owner == Some(*one)))
    }

    /// The owners that tables name and that do not claim it.
    pub(super) fn named(&self) -> BTreeSet<NodeId> {
        self.owners.iter().filter_map(|(_, owner)| *owner).collect()
    }
}

/// Every distinct state of affairs with the slots that are in it.
pub(super) fn all(seen: &Picture<'_>, live: &[Live<'_>]) -> BTreeMap<Facts, SlotSet> {
    let views: Vec<View<'_>> = live.iter().map(|node| View::of(seen, node)).collect();
    let mut edges: BTreeSet<u16> = BTreeSet::from([0]);
    for view in &views {
        let sets = view.owners.values().copied().chain([&view.occupied, &view.counted, &view.open]);
        for range in sets.flat_map(SlotSet::ranges) {
            edges.insert(range.first);
            if range.last + 1 < SLOT_COUNT {
                edges.insert(range.last + 1);
            }
        }
    }
    let mut stretches: BTreeMap<Facts, SlotSet> = BTreeMap::new();
    let ends = edges.iter().skip(1).copied().chain([SLOT_COUNT]);
    for (first, end) in edges.iter().copied().zip(ends) {
        let Some(slot) = Slot::new(first) else { continue };
        stretches.entry(facts(&views, slot)).or_default().insert(first, end - 1);
    }
    stretches
}

/// What one node contributes.
struct View<'a> {
    node: &'a Live<'a>,
    owners: BTreeMap<NodeId, &'a SlotSet>,
    occupied: SlotSet,
    counted: SlotSet,
    open: SlotSet,
}

impl<'a> View<'a> {
    fn of(seen: &Picture<'a>, node: &'a Live<'a>) -> Self {
        let rows = seen.view(node.observer).map(|(row, _)| row);
        let census = node.census();
        Self {
            node,
            owners: rows.filter(|r| !r.slots.is_empty()).map(|r| (r.id, &r.slots)).collect(),
            occupied: census.map(|census| census.occupied()).unwrap_or_default(),
            counted: census.map(|census| census.counted.clone()).unwrap_or_default(),
            open: node.own.open.iter().map(|open| open.slot()).collect(),
        }
    }
}

fn facts(views: &[View<'_>], slot: Slot) -> Facts {
    let mut facts = Facts::default();
    for view in views {
        let id = view.node.id;
        let owner = view.owners.iter().find(|(_, slots)| slots.contains(slot)).map(|(id, _)| *id);
        facts.owners.push((id, owner));
        let primary = view.node.is_primary();
        if primary && owner == Some(id) {
            facts.claimants.push(id);
        }
        if !view.counted.contains(slot) {
            facts.uncounted.push(id);
        } else if view.occupied.contains(slot) {
            if primary { facts.holders.push(id) } else { facts.copies.push(id) }
        }
        facts.open |= primary && view.open.contains(slot);
    }
    facts
}
