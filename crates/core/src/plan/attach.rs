//! Empty primaries become replicas of primaries that have none; replicas that dial the address
//! where their primary was are told to follow it anew.

use std::collections::BTreeMap;

use super::fact::is_linked;
use super::{Change, Draft, Fact, Holds, Repair, Step};
use crate::diagnose::Risk;
use crate::model::{NodeId, Product};

pub(super) fn draft(draft: &mut Draft<'_>) {
    attach_the_idle(draft);
    follow_anew(draft);
    if !draft.steps.is_empty() {
        return;
    }
    for found in draft.found(Repair::Attach).collect::<Vec<_>>() {
        draft.refuse(
            found,
            if found.code == "REPLICA_LINK_DOWN" {
                "it dials its primary where that is. Does a TCP connection come about from the \
                 replica's host to the primary's client port? An open bus says nothing of it"
            } else {
                "every primary with slots has a replica, or no node is free to become one: give \
                 the empty node slots, or add a node"
            },
        );
    }
}

/// Redis corrects where a replica replicates from only on a ping of its primary, not when gossip
/// tells the address (`clusterProcessGossipSection`); `REPLICATE` of the same primary does it
/// (Valkey does both by itself, and takes this command for done).
fn follow_anew(draft: &mut Draft<'_>) {
    let mut steps = Vec::new();
    for replica in draft.live.iter().filter(|node| !node.is_primary()) {
        let Some(primary) = replica.own.primary.and_then(|id| draft.live(id)) else { continue };
        let Some(info) = replica.sighting.info.get() else { continue };
        let elsewhere = !info.is("master_host", &primary.ip)
            || info.number("master_port") != Some(u64::from(primary.port));
        let knows_better = replica.row(draft.seen, primary.id).is_some_and(|row| {
            is_linked(row) && row.address.ip == primary.ip && row.address.port == primary.port
        });
        let is_redis = draft
            .seen
            .version(replica.sighting)
            .is_some_and(|version| version.product == Product::Redis);
        let down = info.is("master_link_status", "down");
        if !(down && elsewhere && knows_better && is_redis && primary.is_primary()) {
            continue;
        }
        // What the replica has is dropped for what its primary has: that must be no less.
        let Some(census) = replica.census() else { continue };
        let kept = census.occupied().intersection(&primary.own.slots);
        let follows = Holds::Follows { ip: primary.ip.clone(), port: primary.port };
        steps.push(Step {
            mends: draft.code(Repair::Attach, replica.id),
            on: replica.id,
            change: Change::Replicate { primary: primary.id },
            risk: Risk::Reversible,
            why: format!(
                "it dials {}:{}, and its primary is at {}:{}",
                info.get("master_host").unwrap_or_default(),
                info.get("master_port").unwrap_or_default(),
                primary.ip,
                primary.port
            ),
            guard: vec![
                Fact::new(replica.id, Holds::ReplicaOf { primary: primary.id }),
                Fact::new(primary.id, Holds::IsPrimary),
                Fact::new(primary.id, Holds::HoldsKeys { slots: kept }),
            ],
            expect: vec![Fact::new(replica.id, follows)],
            within_ms: draft.seen.node_timeout_ms().clamp(5_000, 20_000),
            stage: 0,
        });
    }
    draft.steps.extend(steps);
}

fn attach_the_idle(draft: &mut Draft<'_>) {
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
}
