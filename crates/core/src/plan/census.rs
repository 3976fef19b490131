//! Who has what of the slots that a plan drops a copy of: taken before anything of
//! [`Risk::DropsCopy`] or above is sent, printed, and kept with the plan.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::live::Live;
use super::{Change, Draft, Holds, Step};
use crate::diagnose::Risk;
use crate::model::{NodeId, Slot, SlotSet};

/// What one node has of the slots that are at stake.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Holding {
    /// Who.
    pub node: NodeId,
    /// Whom it replicates from; `None` of a primary.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub primary: Option<NodeId>,
    /// Those of the slots whose keys were counted on it. Empty when it did not answer.
    pub counted: SlotSet,
    /// Slot and keys, ascending, without the zeros.
    pub keys: Vec<(u16, u64)>,
    /// Its place in the replication stream.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub offset: Option<u64>,
    /// Seconds since a replica last heard its primary.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub age_s: Option<u64>,
}

impl Holding {
    /// All its keys in these slots.
    pub fn total(&self) -> u64 {
        self.keys.iter().map(|(_, keys)| keys).sum()
    }
}

/// What every node has of the slots at stake, by id: of those that answer and have keys of them,
/// and of the owners and their replicas, whether they answer or not. Nothing when no step drops
/// a copy.
pub(super) fn take(draft: &Draft<'_>) -> Vec<Holding> {
    let slots = at_stake(&draft.steps);
    if slots.is_empty() {
        return Vec::new();
    }
    let owners = draft.seen.members().map(|(id, _)| id);
    let mut about: BTreeSet<NodeId> =
        owners.filter(|id| !draft.seen.slots_of(*id).intersection(&slots).is_empty()).collect();
    let replicas: Vec<NodeId> =
        about.iter().flat_map(|owner| draft.seen.replicas_of(*owner)).collect();
    about.extend(replicas);
    let holds = |node: &&Live<'_>| {
        let occupied = node.census().map(|census| census.occupied()).unwrap_or_default();
        !occupied.intersection(&slots).is_empty()
    };
    about.extend(draft.live.iter().filter(holds).map(|node| node.id));
    about.into_iter().map(|id| holding(draft, id, &slots)).collect()
}

/// The slots of the steps that drop a copy.
fn at_stake(steps: &[Step]) -> SlotSet {
    let grave = steps.iter().filter(|step| step.risk >= Risk::DropsCopy);
    grave.fold(SlotSet::new(), |all, step| {
        let changed = match &step.change {
            Change::AddSlots { slots, .. }
            | Change::DelSlots { slots, .. }
            | Change::SetSlots { slots, .. } => slots.clone(),
            _ => SlotSet::new(),
        };
        let owned = step.expect.iter().filter_map(|fact| match &fact.holds {
            Holds::Owns { slots, .. } => Some(slots),
            _ => None,
        });
        owned.fold(all.union(&changed), |all, slots| all.union(slots))
    })
}

fn holding(draft: &Draft<'_>, id: NodeId, slots: &SlotSet) -> Holding {
    let primary = draft.seen.primary_of(id).filter(|primary| *primary != id);
    let node = draft.live(id);
    let census = node.and_then(Live::census);
    let number = |name: &str| node.and_then(|node| node.sighting.info.get()?.number(name));
    let here = |slot: u16| Slot::new(slot).is_some_and(|slot| slots.contains(slot));
    Holding {
        node: id,
        primary,
        counted: census.map(|c| c.counted.intersection(slots)).unwrap_or_default(),
        keys: census
            .map(|c| c.keys.iter().copied().filter(|(slot, _)| here(*slot)).collect())
            .unwrap_or_default(),
        offset: number("slave_repl_offset").or_else(|| number("master_repl_offset")),
        age_s: number("master_link_down_since_seconds")
            .or_else(|| number("master_last_io_seconds_ago")),
    }
}
