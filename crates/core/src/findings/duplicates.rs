//! Ids that two processes hold at once.

use crate::model::NodeId;
use crate::observation::{Picture, Sighting};

/// One id with the sightings of its different processes.
pub(super) struct Twice<'a> {
    /// The id.
    pub(super) id: NodeId,
    /// One sighting for each process, by address.
    pub(super) processes: Vec<&'a Sighting>,
}

/// Every id that answered from at least two processes. A process that is reached by two addresses
/// tells the same `run_id` at both; one that does not tell its `run_id` is not counted.
pub(super) fn twice<'a>(seen: &Picture<'a>) -> Vec<Twice<'a>> {
    let mut found = Vec::new();
    for (id, member) in seen.members().filter(|(_, member)| member.proved.len() > 1) {
        let mut runs: Vec<(&str, &Sighting)> = member
            .proved
            .iter()
            .map(|number| seen.sighting(*number))
            .filter_map(|sighting| Some((sighting.info.get()?.get("run_id")?, sighting)))
            .collect();
        runs.sort_by_key(|(run, sighting)| (*run, &sighting.from));
        runs.dedup_by_key(|(run, _)| *run);
        if runs.len() > 1 {
            let mut processes: Vec<&Sighting> = runs.into_iter().map(|(_, one)| one).collect();
            processes.sort_by_key(|sighting| &sighting.from);
            found.push(Twice { id, processes });
        }
    }
    found
}

/// Whether so many ids live twice that the whole cluster was copied.
pub(super) fn is_a_copy(seen: &Picture<'_>, found: &[Twice<'_>]) -> bool {
    let alive = seen.members().filter(|(id, _)| seen.proved(*id).is_some()).count();
    found.len() >= 2 && 2 * found.len() > alive
}
