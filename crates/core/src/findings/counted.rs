//! Primaries whose keys were counted per slot, and short words for long lists of slots.
//!
//! Shared by the findings on keys in the wrong place. Deliberately absent: nodes that know nobody
//! (their keys are [`super::orphan_data_node`]) and nodes in the middle of an atomic slot
//! migration, where keys stand on both sides by design.

use crate::model::{NodeId, SlotSet};
use crate::observation::{Census, Fields, Picture, Role, Sighting};

/// A live primary with the keys it holds.
pub(super) struct Counted<'a> {
    /// Which.
    pub id: NodeId,
    /// What it said.
    pub sighting: &'a Sighting,
    /// Its keys.
    pub census: &'a Census,
    /// Slots with keys that it neither owns nor moves, by its own words.
    pub foreign: SlotSet,
}

/// All live primaries whose keys were counted, by id.
pub(super) fn primaries<'a>(seen: &Picture<'a>) -> Vec<Counted<'a>> {
    let alone = seen.members().count() < 2;
    seen.members()
        .filter(|(id, _)| seen.role(*id) == Some(Role::Primary))
        .filter_map(|(id, _)| {
            let (sighting, row) = (seen.proved(id)?, seen.own_row(id)?);
            let census = sighting.census.get()?;
            let knows_nobody = sighting.nodes.get()?.rows.len() < 2;
            if (knows_nobody && !alone) || is_migrating(sighting) {
                return None;
            }
            let moving: SlotSet = row.open.iter().map(|mark| mark.slot()).collect();
            let foreign = census.occupied().difference(&row.slots).difference(&moving);
            Some(Counted { id, sighting, census, foreign })
        })
        .collect()
}

/// Whether an atomic slot migration has not come to its end at this node.
pub(crate) fn is_migrating(sighting: &Sighting) -> bool {
    let jobs = sighting.migrations.get();
    jobs.into_iter().flatten().any(|job| job.get("state").is_some_and(is_under_way))
}

/// Whether the `state` of a migration job is none of the last ones (`success`, `failed`,
/// `cancelled` in Valkey; `completed`, `failed`, `canceled` in Redis).
pub(super) fn is_under_way(state: &str) -> bool {
    !matches!(state, "success" | "completed" | "failed" | "cancelled" | "canceled")
}

/// How many keys a census has in these slots.
pub(crate) fn keys_in(census: &Census, slots: &SlotSet) -> u64 {
    slots.iter().filter_map(|slot| census.keys_in(slot)).sum()
}

/// Slots for a sentence: the first few ranges, and how many slots there are.
pub(crate) fn brief(slots: &SlotSet) -> String {
    const SHOWN: usize = 4;
    if slots.ranges().len() <= SHOWN {
        return slots.to_string();
    }
    let first: Vec<String> = slots.ranges().iter().take(SHOWN).map(ToString::to_string).collect();
    format!("{},... ({} slots)", first.join(","), slots.len())
}

/// Each database with its keys, as `INFO keyspace` counts them: `db0:keys=5,expires=0,avg_ttl=0`.
pub(crate) fn databases(info: &Fields) -> impl Iterator<Item = (u32, u64)> {
    info.starting_with("db").filter_map(|(name, value)| {
        let number = name.strip_prefix("db")?.parse().ok()?;
        let keys = value.split(',').find_map(|part| part.strip_prefix("keys="))?;
        Some((number, keys.parse().ok()?))
    })
}

/// The keys of all databases.
pub(crate) fn all_keys(info: &Fields) -> u64 {
    databases(info).fold(0, |sum, (_, keys)| sum.saturating_add(keys))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_databases_are_counted() {
        let info: Fields = [("db0", "keys=5,expires=1"), ("db12", "keys=2"), ("dbx", "keys=9")]
            .into_iter()
            .collect();
        assert_eq!(databases(&info).collect::<Vec<_>>(), [(0, 5), (12, 2)]);
        assert_eq!(all_keys(&info), 7);
    }

    #[test]
    fn a_long_list_is_cut_and_a_short_one_is_not() {
        assert_eq!(brief(&SlotSet::range(3, 9)), "3-9");
        let scattered = SlotSet::parse("1,3,5,7,9-10").expect("slots");
        assert_eq!(brief(&scattered), "1,3,5,7,... (6 slots)");
    }

    #[test]
    fn last_states_of_both_products_are_known() {
        assert!(is_under_way("snapshotting"));
        for state in ["success", "failed", "cancelled", "completed", "canceled"] {
            assert!(!is_under_way(state), "{state}");
        }
    }
}
