//! What several findings ask of slots and their owners: who misses an owner, who says the cluster
//! is down. No detection lives here.

use crate::diagnose::Evidence;
use crate::model::{Flag, NodeId};
use crate::observation::Picture;

/// The observers that hold a node for FAIL, as evidence.
pub(super) fn failed_by(seen: &Picture<'_>, id: NodeId) -> Vec<Evidence> {
    flagged_by(seen, id, &[Flag::Failed], "fail")
}

/// The observers that hold a node for FAIL or PFAIL, as evidence.
pub(super) fn missed_by(seen: &Picture<'_>, id: NodeId) -> Vec<Evidence> {
    flagged_by(seen, id, &[Flag::Failed, Flag::Suspected], "fail or fail?")
}

fn flagged_by(seen: &Picture<'_>, id: NodeId, flags: &[Flag], what: &str) -> Vec<Evidence> {
    let Some(member) = seen.member(id) else { return Vec::new() };
    member
        .rows
        .iter()
        .filter(|row| flags.iter().any(|flag| seen.row(row.row).flags.has(*flag)))
        .flat_map(|row| &row.by)
        .map(|observer| {
            let text = format!("flags {} as {what}", seen.name(id));
            Evidence::hearsay(seen.sighting(*observer), text)
        })
        .collect()
}

/// Whether more than half of the other observers are in this list.
pub(super) fn is_majority(seen: &Picture<'_>, id: NodeId, evidence: &[Evidence]) -> bool {
    let others = seen.observers().filter(|observer| seen.id_of(*observer) != Some(id)).count();
    evidence.len() * 2 > others && !evidence.is_empty()
}

/// The observers that say `cluster_state:fail`, as evidence.
pub(super) fn down_by(seen: &Picture<'_>) -> Vec<Evidence> {
    seen.sightings()
        .filter(|(_, sighting)| {
            sighting.cluster_info.get().is_some_and(|info| info.is("cluster_state", "fail"))
        })
        .map(|(_, sighting)| Evidence::first_hand(sighting, "says cluster_state:fail"))
        .collect()
}

/// The live replica of a primary that has most of its data: the greatest offset.
pub(super) fn best_replica(seen: &Picture<'_>, primary: NodeId) -> Option<NodeId> {
    seen.replicas_of(primary)
        .into_iter()
        .filter(|id| seen.proved(*id).is_some())
        .max_by_key(|id| seen.info_of(*id).and_then(|info| info.number("slave_repl_offset")))
}

/// All keys of a node, over its databases (`INFO keyspace`).
pub(super) fn keys_of(seen: &Picture<'_>, id: NodeId) -> Option<u64> {
    let info = seen.info_of(id)?;
    let in_database = |value: &str| {
        value.split(',').find_map(|part| part.strip_prefix("keys=")?.parse::<u64>().ok())
    };
    let is_database = |name: &str| name[2..].bytes().all(|byte| byte.is_ascii_digit());
    Some(
        info.starting_with("db")
            .filter(|(name, _)| is_database(name))
            .filter_map(|(_, value)| in_database(value))
            .sum(),
    )
}
