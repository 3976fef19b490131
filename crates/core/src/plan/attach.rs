//! Empty primaries become replicas of primaries that have none.

use std::collections::BTreeMap;

use super::{Change, Draft, Fact, Holds, Repair, Step};
use crate::diagnose::Risk;
use crate::model::NodeId;

pub(super) fn draft(draft: &mut Draft<'_>) {
    let mut copies: BTreeMap<NodeId, usize> = draft
        .live
        .iter()
        .filter(|node| !node.claims().is_empty())
        .map(|node| (node.id, draft.seen.replicas_of(node.id).len()))
        .collect();
    let idle: Vec<NodeId> = draft
        .live
        .iter()
        .filter(|n| n.is_primary() && n.own.slots.is_empty() && n.has_keys() == Some(false))
        .filter(|node| draft.seen.replicas_of(node.id).is_empty())
        .map(|node| node.id)
        .collect();
    for id in idle {
        let acquainted = |a: NodeId, b: NodeId| {
            draft.live(a).is_some_and(|node| node.row(draft.seen, b).is_some())
        };
        let mut bare = copies.iter().filter(|(_, count)| **count == 0).map(|(id, _)| *id);
        let least = bare.find(|primary| acquainted(id, *primary) && acquainted(*primary, id));
        let Some(primary) = least else { continue };
        copies.entry(primary).and_modify(|count| *count += 1);
        let mends = draft.code(Repair::Attach, id);
        let within_ms = draft.seen.node_timeout_ms().clamp(2_000, 20_000);
        draft.steps.push(Step {
            mends,
            on: id,
            change: Change::Replicate { primary },
            risk: Risk::Reversible,
            why: format!("it is empty, and {} has no replica", draft.seen.name(primary)),
            guard: vec![
                Fact::new(id, Holds::IsEmpty),
                Fact::new(id, Holds::Knows { about: primary }),
            ],
            expect: vec![Fact::new(id, Holds::ReplicaOf { primary })],
            within_ms,
            stage: 0,
        });
    }
    if draft.steps.is_empty() {
        draft.refuse_all(
            Repair::Attach,
            "every primary with slots has a replica, or no node is free to become one: give the \
             empty node slots, or add a node",
        );
    }
}
