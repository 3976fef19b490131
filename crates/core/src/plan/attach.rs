//! Empty primaries become replicas of primaries that have none; a primary with two replicas lends
//! one to a primary without; replicas that dial the address where their primary was are told to
//! follow it anew.

use std::collections::BTreeMap;

use super::fact::is_linked;
use super::{Change, Draft, Fact, Holds, Reason, Repair, Step};
use crate::diagnose::Risk;
use crate::model::{Flag, NodeId, Product};

pub(super) fn draft(draft: &mut Draft<'_>) {
    attach_the_idle(draft);
    lend_spares(draft);
    follow_anew(draft);
    if !draft.steps.is_empty() {
        return;
    }
    for found in draft.found(Repair::Attach).collect::<Vec<_>>() {
        let why = if found.code == "ORPHANED_PRIMARY" {
            Reason::NobodySpare.says(
                "no other primary has two replicas that are in sync with it and may take over: one \
                 must stay with it. Add a replica",
            )
        } else if found.code == "REPLICA_LINK_DOWN" {
            Reason::DialsRightly.says(
                "it dials its primary where that is. Does a TCP connection come about from the \
                 replica's host to the primary's client port? An open bus says nothing of it",
            )
        } else if found.code == "SHARD_ID_DIVERGED" {
            Reason::NobodyFree.says(
                "no primary wants a replica, and nothing else but becoming one changes a shard id: \
                 make the empty primary a replica of any, or restart the replica on a version that \
                 compares shard ids on load",
            )
        } else {
            Reason::NobodyFree.says(
                "every primary with slots has a replica, or no node is free to become one: give \
                 the empty node slots, or add a node",
            )
        };
        draft.refuse(found, why);
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

/// A replica goes from a primary that keeps another one in sync to a primary that has none, as the
/// servers do by themselves with `cluster-allow-replica-migration`. The copy that is dropped is a
/// second one, and the slots that had a single copy get their second.
fn lend_spares(draft: &mut Draft<'_>) {
    let orphans: Vec<NodeId> = draft
        .found(Repair::Attach)
        .filter(|found| found.code == "ORPHANED_PRIMARY")
        .flat_map(|found| found.subject.nodes.iter().copied())
        .filter(|id| {
            let owns = draft.live(*id).is_some_and(|node| !node.claims().is_empty());
            let replicas = draft.seen.replicas_of(*id);
            owns && !replicas.iter().any(|id| draft.seen.is_alive(*id))
        })
        .collect();
    let filled: Vec<NodeId> = draft.steps.iter().filter_map(replicated).collect();
    let mut lent: Vec<NodeId> = Vec::new();
    for orphan in orphans.into_iter().filter(|id| !filled.contains(id)) {
        let Some((donor, keeper, spare)) = spare(draft, orphan, &lent) else { continue };
        lent.push(spare);
        let Some(at) = draft.live(donor).map(|node| (node.ip.clone(), node.port)) else { continue };
        let (donor_name, name) = (draft.seen.name(donor), draft.seen.name(orphan));
        draft.steps.push(Step {
            mends: draft.code(Repair::Attach, orphan),
            on: spare,
            change: Change::Replicate { primary: orphan },
            risk: Risk::Reversible,
            why: format!("{name} has no replica, and {donor_name} keeps {}", keeper.short()),
            guard: vec![
                Fact::new(spare, Holds::ReplicaOf { primary: donor }),
                Fact::new(spare, Holds::Knows { about: orphan }),
                Fact::new(keeper, Holds::ReplicaOf { primary: donor }),
                Fact::new(keeper, Holds::Follows { ip: at.0, port: at.1 }),
                Fact::new(donor, Holds::IsPrimary),
                Fact::new(orphan, Holds::IsPrimary),
            ],
            expect: vec![Fact::new(spare, Holds::ReplicaOf { primary: orphan })],
            within_ms: draft.seen.node_timeout_ms().clamp(2_000, 20_000),
            stage: 0,
        });
    }
}

fn replicated(step: &Step) -> Option<NodeId> {
    match step.change {
        Change::Replicate { primary } => Some(primary),
        _ => None,
    }
}

/// A primary with two replicas in sync that are free to take over, the one that it keeps and the
/// one that it can do without.
fn spare(draft: &Draft<'_>, orphan: NodeId, lent: &[NodeId]) -> Option<(NodeId, NodeId, NodeId)> {
    let offset = |id: NodeId| {
        let info = draft.live(id).and_then(|node| node.sighting.info.get());
        info.and_then(|info| info.number("slave_repl_offset")).unwrap_or(0)
    };
    let donors = draft.live.iter().filter(|node| node.id != orphan && !node.claims().is_empty());
    donors
        .filter_map(|donor| {
            let mut good: Vec<NodeId> = draft
                .seen
                .replicas_of(donor.id)
                .into_iter()
                .filter(|id| !lent.contains(id) && is_in_sync(draft, *id, donor))
                .collect();
            good.sort_by_key(|id| (offset(*id), *id));
            let (spare, keepers) = good.split_first()?;
            let keeper = keepers.last()?;
            let knows = |a: NodeId, b: NodeId| {
                draft.live(a).is_some_and(|node| node.row(draft.seen, b).is_some())
            };
            let acquainted = knows(*spare, orphan) && knows(orphan, *spare);
            acquainted.then_some((good.len(), donor.id, *keeper, *spare))
        })
        .max_by_key(|(count, donor, ..)| (*count, std::cmp::Reverse(*donor)))
        .map(|(_, donor, keeper, spare)| (donor, keeper, spare))
}

/// Whether a replica has what its primary has, and would take over. One that is kept back on
/// purpose is neither lent nor counted on.
fn is_in_sync(draft: &Draft<'_>, replica: NodeId, primary: &super::live::Live<'_>) -> bool {
    let Some(node) = draft.live(replica) else { return false };
    let free = !node.own.flags.has(Flag::NoFailover);
    let linked = node.sighting.info.get().is_some_and(|info| {
        info.is("master_link_status", "up") && info.is("master_host", &primary.ip)
    });
    free && linked
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
        let bare = copies.iter().filter(|(_, count)| **count == 0).map(|(id, _)| *id);
        let known = bare.filter(|primary| acquainted(id, *primary) && acquainted(*primary, id));
        // Who refuses writes without a replica needs it most.
        let Some(primary) = known.min_by_key(|id| (!waits_for_replicas(draft, *id), *id)) else {
            continue;
        };
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

/// Whether a primary refuses writes because it has too few replicas (`min-replicas-to-write`).
fn waits_for_replicas(draft: &Draft<'_>, primary: NodeId) -> bool {
    let mut all = draft.report.all();
    all.any(|found| {
        found.code == "WRITES_REFUSED_MIN_REPLICAS" && found.subject.nodes.contains(&primary)
    })
}
