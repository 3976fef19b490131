//! Which live nodes hear each other on the bus, by the nodes' own tables.
//!
//! Only pairs count in which both nodes showed their own table and the address is not known to be
//! wrong: a dead, hung or loading node and a stale address have findings of their own. Our own bus
//! probe plays no part: it is made from where we are, not from node to node.

use std::collections::BTreeMap;

use super::islands::islands;
use super::whereabouts::{Place, is_out_of_reach, place};
use crate::model::{Flag, NodeId};
use crate::observation::{LinkState, NodeRow, Picture};

/// How one live node is heard by the other live nodes.
#[derive(Debug)]
pub(super) struct Ear {
    /// The node that is dialled.
    pub(super) id: NodeId,
    /// Observers (numbers of sightings) that hear it.
    pub(super) heard: Vec<usize>,
    /// Observers that do not, and whether their TCP connection stands or is under way.
    pub(super) unheard: Vec<(usize, LinkState)>,
}

/// What is cut.
#[derive(Debug)]
pub(super) enum Cut {
    /// No live node hears any other.
    AllApart,
    /// Groups that hear each other within, and not beyond; the largest first.
    Groups(Vec<Vec<NodeId>>),
    /// Nothing of these two; `Ear::unheard` tells who does not hear whom.
    Pairs,
}

/// The live nodes of the largest island with those who do and do not hear them; `None` when
/// everybody hears everybody.
pub(super) fn ears(seen: &Picture<'_>) -> Option<Vec<Ear>> {
    let mut ears = Vec::new();
    let mut any = false;
    for (id, member) in seen.members() {
        let shows = member.proved.iter().any(|n| seen.sighting(*n).nodes.get().is_some());
        if !shows || is_loading(seen, id) {
            continue;
        }
        let mut ear = Ear { id, heard: Vec::new(), unheard: Vec::new() };
        for record in &member.rows {
            let row = seen.row(record.row);
            if !is_out_of_reach(row) {
                ear.heard.extend(&record.by);
            } else if matches!(place(seen, row), Place::Right) {
                for observer in &record.by {
                    if is_recovering(seen, *observer, row) {
                        ear.heard.push(*observer);
                    } else {
                        ear.unheard.push((*observer, row.link));
                    }
                }
            }
        }
        any |= !ear.unheard.is_empty();
        ears.push(ear);
    }
    if !any {
        return None;
    }
    // Nodes of another cluster, or of none, hear nobody here, and that is no cut.
    let main = islands(seen).into_iter().next()?;
    ears.retain(|ear| main.ids.binary_search(&ear.id).is_ok());
    ears.iter().any(|ear| !ear.unheard.is_empty()).then_some(ears)
}

/// A slot owner keeps its `fail` for two node timeouts after it answered again
/// (`clearNodeFailureIfNeeded`): a fresh pong tells.
fn is_recovering(seen: &Picture<'_>, observer: usize, row: &NodeRow) -> bool {
    row.link == LinkState::Connected
        && row.flags.has(Flag::Failed)
        && !row.flags.has(Flag::Suspected)
        && seen
            .view_of(observer, row.id)
            .is_some_and(|(_, shown)| u64::from(shown.pong_age_ms) < seen.node_timeout_ms())
}

/// Valkey shows its table while it loads, and answers no bus meanwhile.
fn is_loading(seen: &Picture<'_>, id: NodeId) -> bool {
    seen.info_of(id).is_some_and(|info| info.is("loading", "1"))
}

/// What kind of cut it is.
pub(super) fn cut(seen: &Picture<'_>, ears: &[Ear]) -> Cut {
    let groups = groups(seen, ears);
    if groups.len() < 2 {
        Cut::Pairs
    } else if groups.iter().all(|group| group.len() == 1) {
        Cut::AllApart
    } else {
        Cut::Groups(groups)
    }
}

fn groups(seen: &Picture<'_>, ears: &[Ear]) -> Vec<Vec<NodeId>> {
    let place_of: BTreeMap<NodeId, usize> =
        ears.iter().enumerate().map(|(place, ear)| (ear.id, place)).collect();
    let observers: Vec<Option<usize>> = seen
        .sightings()
        .map(|(number, sighting)| {
            sighting.nodes.get()?;
            place_of.get(&seen.id_of(number)?).copied()
        })
        .collect();
    let mut group_of: Vec<usize> = (0..ears.len()).collect();
    for (place, ear) in ears.iter().enumerate() {
        for observer in &ear.heard {
            if let Some(Some(other)) = observers.get(*observer) {
                let (a, b) = (leader(&mut group_of, place), leader(&mut group_of, *other));
                group_of[a.max(b)] = a.min(b);
            }
        }
    }
    let mut groups: BTreeMap<usize, Vec<NodeId>> = BTreeMap::new();
    for (place, ear) in ears.iter().enumerate() {
        groups.entry(leader(&mut group_of, place)).or_default().push(ear.id);
    }
    let mut groups: Vec<Vec<NodeId>> = groups.into_values().collect();
    groups.sort_by_key(|group| (std::cmp::Reverse(group.len()), group[0]));
    groups
}

fn leader(group_of: &mut [usize], mut place: usize) -> usize {
    while group_of[place] != place {
        group_of[place] = group_of[group_of[place]];
        place = group_of[place];
    }
    place
}

/// Whether the TCP connections stand (or are under way) in most of the pairs that do not hear each
/// other: then packets vanish, rather than connections being refused.
pub(super) fn mostly_connected(ears: &[Ear]) -> bool {
    let (mut connected, mut all) = (0, 0);
    for (_, link) in ears.iter().flat_map(|ear| &ear.unheard) {
        all += 1;
        connected += usize::from(*link == LinkState::Connected);
    }
    2 * connected > all
}
