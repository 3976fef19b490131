//! Who no longer lists a node that still lists them: the picture that `CLUSTER FORGET` leaves.
//!
//! A node that was never told of another looks the same for a moment, so an observer counts only
//! where gossip would have told it long ago: it knows somebody who lists the node, or nobody at all
//! does although the node lists them all. Deliberately absent: observers who know nobody
//! ([`super::reset_mistake`]).

use crate::model::{Flag, NodeId, Product};
use crate::observation::{Picture, Sighting};

/// A live node and the observers who do not list it although it lists them.
pub(super) struct Forgotten<'a> {
    /// Which.
    pub id: NodeId,
    /// What it said.
    pub sighting: &'a Sighting,
    /// Those who do not list it, numbers for [`Picture::sighting`].
    pub by: Vec<usize>,
    /// Those who do.
    pub listed_by: Vec<usize>,
    /// Those who do not list it and whom it does not list either, although members that both list
    /// have them both: each forgot the other.
    pub mutual: Vec<usize>,
}

/// All live nodes that some observers have forgotten, by id.
pub(super) fn all<'a>(seen: &Picture<'a>) -> Vec<Forgotten<'a>> {
    let all = all_or_mutual(seen);
    all.into_iter().filter(|gone| !gone.by.is_empty()).collect()
}

/// Those too whom they forgot in return.
pub(super) fn all_or_mutual<'a>(seen: &Picture<'a>) -> Vec<Forgotten<'a>> {
    let observers: Vec<usize> =
        seen.observers().filter(|observer| seen.view(*observer).count() > 1).collect();
    seen.members().filter_map(|(id, _)| one(seen, id, &observers)).collect()
}

fn one<'a>(seen: &Picture<'a>, id: NodeId, observers: &[usize]) -> Option<Forgotten<'a>> {
    let member = seen.member(id)?;
    let me = member.proved.iter().copied().find(|n| seen.sighting(*n).nodes.get().is_some())?;
    let others = observers.iter().filter(|n| !member.proved.contains(*n)).count();
    let mut listed_by: Vec<usize> =
        member.rows.iter().flat_map(|row| row.by.iter().copied()).collect();
    listed_by.sort_unstable();
    if listed_by.len() >= others {
        return None;
    }
    let lister_ids: Vec<NodeId> = listed_by.iter().filter_map(|n| seen.id_of(*n)).collect();
    let told = |n: &usize| lister_ids.iter().any(|lister| seen.view_of(*n, *lister).is_some());
    let (known, unknown): (Vec<usize>, Vec<usize>) = observers
        .iter()
        .copied()
        .filter(|n| !member.proved.contains(n) && listed_by.binary_search(n).is_err())
        .partition(|n| is_known_to(seen, me, *n));
    let by: Vec<usize> = known.into_iter().filter(|n| listed_by.is_empty() || told(n)).collect();
    let mutual: Vec<usize> = unknown.into_iter().filter(told).collect();
    let any = !by.is_empty() || !mutual.is_empty();
    any.then(|| Forgotten { id, sighting: seen.sighting(me), by, listed_by, mutual })
}

/// Each id that did not answer, with the observers who no longer list it although they know
/// somebody who does, and those who do.
pub(super) fn dead(seen: &Picture<'_>) -> Vec<(NodeId, Vec<usize>, Vec<usize>)> {
    let observers: Vec<usize> =
        seen.observers().filter(|observer| seen.view(*observer).count() > 1).collect();
    let silent = seen.members().filter(|(id, _)| seen.proved(*id).is_none());
    silent
        .filter_map(|(id, member)| {
            let mut listed_by: Vec<usize> =
                member.rows.iter().flat_map(|row| row.by.iter().copied()).collect();
            listed_by.sort_unstable();
            if listed_by.len() >= observers.len() {
                return None;
            }
            let listers: Vec<NodeId> = listed_by.iter().filter_map(|n| seen.id_of(*n)).collect();
            let by: Vec<usize> = observers
                .iter()
                .copied()
                .filter(|n| listed_by.binary_search(n).is_err())
                .filter(|n| listers.iter().any(|lister| seen.view_of(*n, *lister).is_some()))
                .collect();
            (!by.is_empty()).then_some((id, by, listed_by))
        })
        .collect()
}

fn is_known_to(seen: &Picture<'_>, observer: usize, other: usize) -> bool {
    seen.id_of(other)
        .and_then(|id| seen.view_of(observer, id))
        .is_some_and(|(row, _)| !row.flags.has(Flag::Handshake) && !row.flags.has(Flag::Myself))
}

/// Whether a `CLUSTER FORGET` at this node is spread to all others (Redis and Valkey since 7.2,
/// `writePingExtensions`); true when the version is not known.
pub(super) fn spreads(seen: &Picture<'_>, sighting: &Sighting) -> bool {
    seen.version(sighting).is_none_or(|version| version.since((7, 2, 0), (7, 2, 0)))
}

/// Whether a forgotten node joins again by itself after the ban (Valkey since 8.1 meets every peer
/// that has no link to it).
pub(super) fn returns_by_itself(seen: &Picture<'_>, sighting: &Sighting) -> bool {
    seen.version(sighting)
        .is_some_and(|version| version.product == Product::Valkey && version.release >= (8, 1, 0))
}
