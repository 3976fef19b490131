//! Which nodes know each other: the groups that tables connect, however many clusters were looked
//! at. One cluster is one island; a second one is a stranger, a lost identity or a split.

use crate::model::NodeId;
use crate::observation::Picture;

/// Ids connected by tables: somebody of the group lists each.
#[derive(Debug)]
pub(super) struct Island {
    /// All ids, ascending.
    pub(super) ids: Vec<NodeId>,
    /// Those that showed their own table, ascending.
    pub(super) live: Vec<NodeId>,
}

/// The islands that have a live node, the one with most live nodes first.
///
/// Linear in the rows of all tables, but for the inverse Ackermann function.
pub(super) fn islands(seen: &Picture<'_>) -> Vec<Island> {
    let ids: Vec<NodeId> = seen.members().map(|(id, _)| id).collect();
    let mut parents: Vec<usize> = (0..ids.len()).collect();
    let place_of: Vec<Option<usize>> = seen
        .sightings()
        .map(|(number, sighting)| {
            sighting.nodes.get()?;
            ids.binary_search(&seen.id_of(number)?).ok()
        })
        .collect();
    for (place, (_, member)) in seen.members().enumerate() {
        for observer in member.rows.iter().flat_map(|record| &record.by) {
            if let Some(Some(other)) = place_of.get(*observer) {
                join(&mut parents, place, *other);
            }
        }
    }
    let mut by_root: Vec<Vec<usize>> = vec![Vec::new(); ids.len()];
    for place in 0..ids.len() {
        by_root[root(&mut parents, place)].push(place);
    }
    let mut shows = vec![false; ids.len()];
    for place in place_of.into_iter().flatten() {
        shows[place] = true;
    }
    let mut islands: Vec<Island> = by_root
        .into_iter()
        .map(|places| Island {
            live: places.iter().filter(|place| shows[**place]).map(|place| ids[*place]).collect(),
            ids: places.into_iter().map(|place| ids[place]).collect(),
        })
        .filter(|island| !island.live.is_empty())
        .collect();
    islands.sort_by_key(|island| {
        (std::cmp::Reverse((island.live.len(), island.ids.len())), island.ids[0])
    });
    islands
}

fn join(parents: &mut [usize], a: usize, b: usize) {
    let (a, b) = (root(parents, a), root(parents, b));
    parents[a.max(b)] = a.min(b);
}

fn root(parents: &mut [usize], mut place: usize) -> usize {
    while parents[place] != place {
        parents[place] = parents[parents[place]];
        place = parents[place];
    }
    place
}

/// The members of an island of whom no process was found, ascending.
pub(super) fn missing(seen: &Picture<'_>, island: &Island) -> Vec<NodeId> {
    island.ids.iter().copied().filter(|id| !seen.is_alive(*id)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Endpoint, SlotSet};
    use crate::observation::sketch::Sketch;

    #[test]
    fn a_stranger_is_an_island_of_its_own() {
        let mut sketch = Sketch::healthy(3, 1);
        let id = NodeId::made_up(99);
        sketch.stranger(id, Endpoint::new("10.0.7.7", 6379), SlotSet::new());
        let seen = sketch.build();
        let islands = islands(&Picture::new(&seen));
        assert_eq!(islands.len(), 2);
        assert_eq!(islands[0].live.len(), 6);
        assert_eq!(islands[1].ids, [id]);
    }
}
