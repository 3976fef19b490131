//! Settings compared between nodes: who has which value, and who stands apart.
//!
//! Shared by the findings about configuration and security. Invariant: a node that did not show the
//! setting takes no part; nothing is assumed for it.

use std::collections::BTreeMap;

use crate::diagnose::Evidence;
use crate::model::NodeId;
use crate::observation::Picture;

/// How many nodes are named in one sentence.
const NAMED_MAX: usize = 3;

/// A setting that is not the same everywhere.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Split {
    /// The name of the setting.
    pub setting: String,
    /// The value that most nodes have.
    pub usual: String,
    /// The other values, and who has them.
    pub apart: Vec<(String, Vec<NodeId>)>,
    /// How many nodes have the usual value.
    pub with_usual: usize,
}

/// The values of something that each node has once, by value.
pub(super) type Values<'a> = BTreeMap<&'a str, Vec<NodeId>>;

/// The nodes of the cluster that most observers see: a node outside has settings of its own.
pub(super) fn insiders(seen: &Picture<'_>) -> Vec<NodeId> {
    let mut counts = vec![false; seen.sightings().count()];
    for observer in seen.agreed().into_iter().flat_map(|opinion| &opinion.by) {
        counts[*observer] = true;
    }
    let is_inside = |observers: &[usize]| observers.iter().any(|observer| counts[*observer]);
    seen.members()
        .filter(|(_, member)| {
            is_inside(&member.proved) || member.rows.iter().any(|shown| is_inside(&shown.by))
        })
        .map(|(id, _)| id)
        .collect()
}

/// The nodes of the cluster that proved themselves, by the value of a setting.
pub(super) fn by_setting<'a>(seen: &'a Picture<'_>, setting: &str) -> Values<'a> {
    by_setting_of(seen, &insiders(seen), setting)
}

/// The same of these nodes, for whoever compares several settings.
pub(super) fn by_setting_of<'a>(
    seen: &'a Picture<'_>,
    ids: &[NodeId],
    setting: &str,
) -> Values<'a> {
    let mut values = Values::new();
    for id in ids.iter().copied() {
        if let Some(value) = seen.config_of(id).and_then(|config| config.get(setting)) {
            values.entry(value).or_default().push(id);
        }
    }
    values
}

/// The split between values, if there is one. With equal numbers the smaller value counts as usual.
pub(super) fn split(setting: &str, values: &Values<'_>) -> Option<Split> {
    let most = values.values().map(Vec::len).max()?;
    let (usual, _) = values.iter().find(|(_, ids)| ids.len() == most)?;
    let apart: Vec<(String, Vec<NodeId>)> = values
        .iter()
        .filter(|(value, _)| *value != usual)
        .map(|(value, ids)| ((*value).to_owned(), ids.clone()))
        .collect();
    (!apart.is_empty()).then(|| Split {
        setting: setting.to_owned(),
        usual: (*usual).to_owned(),
        apart,
        with_usual: most,
    })
}

impl Split {
    /// Whether more than half of those who show it have the usual value.
    pub(super) fn has_majority(&self) -> bool {
        self.with_usual > self.nodes().count()
    }

    /// The nodes that stand apart.
    pub(super) fn nodes(&self) -> impl Iterator<Item = NodeId> + '_ {
        self.apart.iter().flat_map(|(_, ids)| ids.iter().copied())
    }

    /// What each node says that stands apart.
    pub(super) fn evidence(&self, seen: &Picture<'_>) -> Vec<Evidence> {
        let says = |value: &str| format!("{} {}", self.setting, shown(value));
        self.apart
            .iter()
            .flat_map(|(value, ids)| ids.iter().map(move |id| (value, id)))
            .filter_map(|(value, id)| Some(Evidence::first_hand(seen.proved(*id)?, says(value))))
            .collect()
    }

    /// For a sentence: the setting, who has which value.
    pub(super) fn describe(&self, seen: &Picture<'_>) -> String {
        let apart: Vec<String> = self
            .apart
            .iter()
            .map(|(value, ids)| format!("{} on {}", shown(value), names(seen, ids)))
            .collect();
        format!(
            "{} is {} on {} nodes, {}",
            self.setting,
            shown(&self.usual),
            self.with_usual,
            apart.join(", ")
        )
    }
}

/// Some nodes for a sentence.
pub(super) fn names(seen: &Picture<'_>, ids: &[NodeId]) -> String {
    let named: Vec<String> = ids.iter().take(NAMED_MAX).map(|id| seen.name(*id)).collect();
    let more = ids.len().saturating_sub(named.len());
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    format!("{}{more}", named.join(", "))
}

/// A value for a sentence; never a secret, those are numbers already.
pub(super) fn shown(value: &str) -> String {
    if value.is_empty() { "empty".to_owned() } else { super::client_port::quote(value) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::observation::sketch::Sketch;

    #[test]
    fn the_few_stand_apart_from_the_many() {
        let mut sketch = Sketch::healthy(3, 0);
        sketch.config(1, "cluster-node-timeout", "5000");
        let seen = sketch.build();
        let picture = Picture::new(&seen);
        let values = by_setting(&picture, "cluster-node-timeout");
        let split = split("cluster-node-timeout", &values).expect("they differ");
        assert_eq!(split.usual, "15000");
        assert_eq!(split.nodes().collect::<Vec<_>>(), [Sketch::id(1)]);
        assert!(split.describe(&picture).contains("is 15000 on 2 nodes, 5000 on 10.0.0.2:6379"));
    }

    #[test]
    fn a_node_outside_the_cluster_takes_no_part() {
        let mut sketch = Sketch::healthy(4, 0);
        let spare = Sketch::id(3);
        for (n, node) in sketch.nodes.iter_mut().enumerate() {
            let table = node.table.as_mut().expect("drawn");
            table.retain(|row| (row.id == spare) == (n == 3));
        }
        sketch.config(3, "cluster-node-timeout", "5000");
        let seen = sketch.build();
        let picture = Picture::new(&seen);
        assert_eq!(insiders(&picture).len(), 3);
        let values = by_setting(&picture, "cluster-node-timeout");
        assert_eq!(split("cluster-node-timeout", &values), None);
    }

    #[test]
    fn equal_values_and_silence_make_no_split() {
        let seen = Sketch::healthy(3, 0).build();
        let picture = Picture::new(&seen);
        let values = by_setting(&picture, "cluster-node-timeout");
        assert_eq!(split("cluster-node-timeout", &values), None);
        assert_eq!(split("x", &by_setting(&picture, "x")), None);
    }
}
