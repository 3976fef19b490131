//! Which slots are worth counting without being asked to: open, unassigned or disputed.

use std::collections::{BTreeSet, HashMap};

use slotwright_core::model::{NodeId, SLOT_COUNT, Slot, SlotSet};
use slotwright_core::observation::{NodesView, RowTable};

/// An owner for each slot, as one or more views give them.
type Owners = Vec<Option<NodeId>>;

/// The slots that are being moved in any view, without an owner in any view, or with different
/// owners in two views.
pub(super) fn slots<'a>(table: &RowTable, views: impl Iterator<Item = &'a NodesView>) -> SlotSet {
    let (claims, mut doubtful) = claims(table);
    let mut opinions: BTreeSet<Vec<u32>> = BTreeSet::new();
    for view in views {
        let mut claimed = Vec::new();
        for shown in &view.rows {
            let row = usize::try_from(shown.row).unwrap_or(usize::MAX);
            if let Some(open) = doubtful.open.get(row) {
                doubtful.set.extend(open);
            }
            claimed.extend(claims.get(row).copied().flatten());
        }
        claimed.sort_unstable();
        opinions.insert(claimed);
    }
    if let ([opinion], true) = (&*opinions.iter().collect::<Vec<_>>(), doubtful.set.is_empty()) {
        // All agree and nothing moves, as in most clusters: what is left is what nobody owns.
        let owned =
            doubtful.claims_of(opinion).flat_map(|(_, slots)| slots.ranges().iter().copied());
        return owned.collect::<SlotSet>().complement();
    }
    let mut first: Option<Owners> = None;
    for opinion in &opinions {
        let owners = doubtful.owners_in(opinion);
        let reference = first.get_or_insert_with(|| owners.clone());
        for (slot, (here, there)) in (0..SLOT_COUNT).zip(owners.iter().zip(reference.iter())) {
            if here.is_none() || here != there {
                doubtful.set.extend(Slot::new(slot));
            }
        }
    }
    doubtful.set.into_iter().collect()
}

struct Doubtful<'a> {
    /// For each row of the table its open slots.
    open: Vec<Vec<Slot>>,
    /// Each distinct claim: an id and its slots.
    distinct: Vec<(NodeId, &'a SlotSet)>,
    set: BTreeSet<Slot>,
}

/// For each row of the table the number of its claim, if it makes one. Rows that differ in other
/// columns make the same claim.
fn claims(table: &RowTable) -> (Vec<Option<u32>>, Doubtful<'_>) {
    let mut numbers: HashMap<(NodeId, &SlotSet), u32> = HashMap::new();
    let mut doubtful = Doubtful { open: Vec::new(), distinct: Vec::new(), set: BTreeSet::new() };
    let mut claims = Vec::with_capacity(table.as_slice().len());
    for row in table.as_slice() {
        doubtful.open.push(row.open.iter().map(|open| open.slot()).collect());
        claims.push((!row.slots.is_empty()).then(|| {
            *numbers.entry((row.id, &row.slots)).or_insert_with(|| {
                doubtful.distinct.push((row.id, &row.slots));
                u32::try_from(doubtful.distinct.len() - 1).unwrap_or(u32::MAX)
            })
        }));
    }
    (claims, doubtful)
}

impl Doubtful<'_> {
    fn claims_of(&self, opinion: &[u32]) -> impl Iterator<Item = &(NodeId, &SlotSet)> {
        opinion.iter().filter_map(|n| self.distinct.get(usize::try_from(*n).ok()?))
    }

    fn owners_in(&self, opinion: &[u32]) -> Owners {
        let mut owners = vec![None; usize::from(SLOT_COUNT)];
        for (id, slots) in self.claims_of(opinion) {
            for slot in slots.iter() {
                if let Some(owner) = owners.get_mut(usize::from(slot.get())) {
                    *owner = Some(*id);
                }
            }
        }
        owners
    }
}

#[cfg(test)]
mod tests {
    use slotwright_core::wire::cluster_nodes;

    use super::*;

    fn doubtful(views: &[&[(u32, &str)]]) -> String {
        let mut table = RowTable::default();
        let views: Vec<NodesView> = views
            .iter()
            .map(|rows| {
                let lines: Vec<String> = rows
                    .iter()
                    .map(|(id, slots)| {
                        let id = NodeId::made_up(*id);
                        format!("{id} 10.0.0.1:6379@16379 master - 0 1 1 connected {slots}")
                    })
                    .collect();
                cluster_nodes::parse(lines.join("\n").as_bytes(), &mut table)
            })
            .collect();
        slots(&table, views.iter()).to_string()
    }

    #[test]
    fn a_healthy_cluster_has_nothing_to_count() {
        let view: &[(u32, &str)] = &[(1, "0-8191"), (2, "8192-16383")];
        assert_eq!(doubtful(&[view, view]), "");
        assert_eq!(doubtful(&[]), "");
    }

    #[test]
    fn open_unassigned_and_disputed_slots_are_counted() {
        let open = format!("8192-16383 [16000->-{}]", NodeId::made_up(1));
        assert_eq!(doubtful(&[&[(1, "0-8191"), (2, &open)]]), "16000");
        assert_eq!(doubtful(&[&[(1, "0-8191"), (2, "8193-16383")]]), "8192");
        let disputed: [&[(u32, &str)]; 2] =
            [&[(1, "0-8191"), (2, "8192-16383")], &[(1, "0-8192"), (2, "8193-16383")]];
        assert_eq!(doubtful(&disputed), "8192");
    }
}
