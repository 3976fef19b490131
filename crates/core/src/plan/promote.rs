//! Replicas become primaries, where the servers cannot elect one.
//!
//! FORCE asks the voters and needs their majority; TAKEOVER asks nobody, so it is for a lost
//! majority, or for voters that refuse for good. Either drops the old primary's copy with what it
//! had not replicated: it comes back as a replica and is emptied. So it never happens over a
//! primary that anybody can reach, to no more replicas than a majority needs, only to the one that
//! has the newest data, and only with the user's word ([`Risk::DropsCopy`]).

use std::collections::BTreeSet;

use super::live::Live;
use super::{Change, Draft, Fact, Failover, Holds, Loss, Reason, Repair, Step, Why, circle};
use crate::diagnose::Risk;
use crate::model::{Flag, NodeId, Product, SlotSet};
use crate::observation::{Census, NodeRow};

pub(super) fn draft(draft: &mut Draft<'_>) {
    if circle::draft(draft) {
        return;
    }
    let voters: BTreeSet<NodeId> = draft.seen.voters().into_iter().collect();
    let away = |id: &NodeId| !draft.seen.is_alive(*id) && !is_replaced(draft, *id);
    let dead: Vec<NodeId> = voters.iter().copied().filter(away).collect();
    let quorum = voters.len() / 2 + 1;
    let majority = voters.len() - dead.len() >= quorum;
    wait_for_the_returned(draft, &voters);
    if majority && !elections_fail(draft) {
        if !dead.is_empty() {
            let why = "the voters are there, and a replica is about to be elected";
            draft.wait(Reason::ElectionDue.says(why));
        }
        return refuse_where_nobody_stands(draft, &dead);
    }
    // Once enough are replaced, the voters elect the others themselves: an election that is about
    // to be won is not raced.
    let needed = if majority { dead.len() } else { quorum - (voters.len() - dead.len()) };
    let mut replaced = 0;
    for primary in dead {
        if replaced == needed {
            break;
        }
        match replace(draft, primary, majority, u32::try_from(replaced).unwrap_or(u32::MAX)) {
            Ok(()) => replaced += 1,
            Err(why) => draft.refuse_all(Repair::Promote, &why),
        }
    }
    if draft.steps.is_empty() && !draft.is_refused(Repair::Promote) {
        let why = "every owner of slots answers: there is nothing to promote";
        draft.refuse_all(Repair::Promote, &Reason::NothingToPromote.says(why));
    }
}

/// Whether somebody has taken the slots of a dead owner already, and not all have heard of it: a
/// run before this one may have been killed right behind its takeover.
fn is_replaced(draft: &Draft<'_>, dead: NodeId) -> bool {
    let slots = draft.seen.slots_of(dead);
    let epoch = draft.seen.usual_row(dead).map(|row| row.epoch);
    draft.live.iter().filter(|node| node.is_primary()).any(|node| {
        let newer = epoch.is_some_and(|epoch| node.own.epoch > epoch);
        newer && !slots.is_empty() && slots.difference(&node.claims()).is_empty()
    })
}

/// An owner of slots that answers again stays failed for twice the node timeout, so that a replica
/// has its chance (`clearNodeFailureIfNeeded`).
fn wait_for_the_returned(draft: &mut Draft<'_>, voters: &BTreeSet<NodeId>) {
    let failed = |id: &&NodeId| {
        let rows = draft.live.iter().filter_map(|node| node.row(draft.seen, **id));
        draft.live(**id).is_some() && rows.filter(|row| row.flags.has(Flag::Failed)).count() > 0
    };
    if let Some(id) = voters.iter().find(failed) {
        let seconds = (2 * draft.seen.node_timeout_ms()).div_ceil(1_000);
        let name = draft.seen.name(*id);
        draft.wait(Reason::ReturnedHeldForFailed.says(format!(
            "{name} answers again; the others hold it for failed for up to {seconds} s more"
        )));
    }
}

/// Whether something keeps the voters from electing a replica although they are there.
fn elections_fail(draft: &Draft<'_>) -> bool {
    let reasons = ["REPLICA_TOO_STALE", "FAILOVER_BLOCKED_BY_EPOCH", "FAILOVER_NO_VOTES"];
    draft.found(Repair::Promote).any(|found| reasons.contains(&found.code.as_str()))
}

/// Whether a replica stands for election, and a majority of the voters that it knows is there to
/// elect it: it holds its primary for failed (`clusterHandleSlaveFailover`).
pub(super) fn is_elected(draft: &Draft<'_>, replica: NodeId) -> bool {
    let Some(node) = draft.live(replica) else { return false };
    let rows = draft.seen.members().filter_map(|(id, _)| Some((id, node.row(draft.seen, id)?)));
    let voters: Vec<(NodeId, &NodeRow)> = rows.filter(|(_, row)| !row.slots.is_empty()).collect();
    let followed = |id: NodeId| Some(id) == node.own.primary;
    let stands = voters.iter().any(|(id, row)| followed(*id) && row.flags.has(Flag::Failed));
    let vote = voters.iter().filter(|(id, _)| !followed(*id) && draft.seen.is_alive(*id));
    stands && vote.count() > voters.len() / 2
}

/// An election needs somebody who stands for it.
fn refuse_where_nobody_stands(draft: &mut Draft<'_>, dead: &[NodeId]) {
    for primary in dead {
        let replicas = draft.seen.replicas_of(*primary);
        if !replicas.iter().any(|id| draft.live(*id).is_some()) {
            draft.waiting.clear();
            let name = draft.seen.name(*primary);
            let why = no_replica(&name, *primary);
            draft.refuse_all(Repair::Promote, &why);
        }
    }
}

fn no_replica(name: &str, primary: NodeId) -> Why {
    Reason::NoReplica.says(format!(
        "{name} has no replica that answers: bring it back, its disk has the keys. If that is gone \
         for good, --gone {} shows what it costs",
        primary.short()
    ))
}

/// What the voters do without us.
fn how(draft: &Draft<'_>, majority: bool) -> Failover {
    let refused_for_good =
        draft.found(Repair::Promote).any(|found| found.code == "FAILOVER_BLOCKED_BY_EPOCH");
    if majority && !refused_for_good { Failover::Force } else { Failover::Takeover }
}

fn replace(draft: &mut Draft<'_>, primary: NodeId, majority: bool, stage: u32) -> Result<(), Why> {
    let name = draft.seen.name(primary);
    let slots = draft.seen.slots_of(primary);
    let best = best_replica(draft, primary, &name)?;
    let strays = deleted(draft, best.id, &slots)?;
    let how = how(draft, majority);
    let mends = draft.code(Repair::Promote, primary);
    let about = "what it had not replicated is lost when it comes back";
    let why = match how {
        Failover::Force => {
            format!("{name} answers nobody, and this replica has its newest data; {about}")
        }
        _ => format!(
            "{name} answers nobody, the voters cannot elect, and this replica has its newest \
             data; {about}"
        ),
    };
    let mut guard = vec![
        Fact::new(best.id, Holds::ReplicaOf { primary }),
        Fact::new(best.id, Holds::OffsetAtLeast { offset: best.offset }),
    ];
    guard.extend(is_still_away(draft, primary));
    let owns = Holds::Owns { owner: best.id, slots: slots.clone() };
    let expect = vec![Fact::new(best.id, Holds::IsPrimary), Fact::new(best.id, owns)];
    let within_ms = (2 * draft.seen.node_timeout_ms()).clamp(4_000, 60_000);
    let down_s = draft
        .live(best.id)
        .and_then(|node| node.sighting.info.get()?.number("master_link_down_since_seconds"));
    draft.loss.push(Loss {
        owner: Some(primary),
        slots: slots.clone(),
        keys: None,
        why: format!(
            "what {name} wrote after byte {} of its replication stream, where {} stopped hearing \
             it{}",
            best.offset,
            best.id.short(),
            down_s.map_or_else(String::new, |seconds| format!(" {seconds} s ago"))
        ),
    });
    let risk = if strays.is_empty() { Risk::DropsCopy } else { Risk::MayLoseData };
    if !strays.is_empty() {
        draft.loss.push(Loss {
            owner: Some(best.id),
            slots: strays,
            keys: None,
            why: format!(
                "keys of slots that {name} did not own: Valkey deletes them at the moment in which \
                 {} becomes a primary. If {name} comes back, move them to their owner first",
                best.id.short()
            ),
        });
    }
    draft.steps.push(Step {
        mends,
        on: best.id,
        change: Change::Failover { how },
        risk,
        why,
        guard,
        expect,
        within_ms,
        stage,
    });
    Ok(())
}

/// Nobody reaches it, and nobody has heard of it at another place since.
fn is_still_away(draft: &Draft<'_>, primary: NodeId) -> Vec<Fact> {
    let alive = || draft.live.iter();
    let silent = alive().map(|node| Fact::new(node.id, Holds::DoesNotReach { about: primary }));
    let placed = alive().filter_map(|node| {
        let NodeRow { address, .. } = node.row(draft.seen, primary)?;
        let (ip, port) = (address.ip.clone(), address.port);
        Some(Fact::new(node.id, Holds::Places { about: primary, ip, port }))
    });
    silent.chain(placed).collect()
}

/// The slots whose keys a replica deletes when it is promoted, but for those that will be its own:
/// Valkey 9 keeps no key of a slot that it does not own (`verifyClusterConfigWithData`).
///
/// # Errors
/// When its keys were not counted: what it would delete is not known.
pub(super) fn deleted(draft: &Draft<'_>, id: NodeId, own: &SlotSet) -> Result<SlotSet, Why> {
    let Some(node) = draft.live(id) else { return Ok(SlotSet::new()) };
    let deletes = draft
        .seen
        .version(node.sighting)
        .is_none_or(|version| version.product == Product::Valkey && version.release >= (9, 0, 0));
    if !deletes {
        return Ok(SlotSet::new());
    }
    let whole = |census: &&Census| census.counted == SlotSet::all();
    let census = node.census().filter(whole).ok_or_else(|| {
        Reason::PromotedNotCounted.says(format!(
            "the keys could not be counted on {}: Valkey deletes what its primary does not own at \
             the moment in which a replica becomes a primary",
            draft.seen.name(id)
        ))
    })?;
    Ok(census.occupied().difference(own))
}

/// The replica whose data is newest.
struct Best {
    id: NodeId,
    offset: u64,
}

fn best_replica(draft: &Draft<'_>, primary: NodeId, name: &str) -> Result<Best, Why> {
    let replicas = draft.seen.replicas_of(primary);
    let live: Vec<&Live<'_>> = replicas.iter().filter_map(|id| draft.live(*id)).collect();
    if live.is_empty() {
        return Err(no_replica(name, primary));
    }
    if let Some(silent) = replicas.iter().find(|id| draft.live(**id).is_none()) {
        let newest = draft.seen.name(*silent);
        return Err(Reason::ReplicaSilent.says(format!(
            "the replica {newest} of {name} does not answer and may have newer data: bring it \
             back, or forget it"
        )));
    }
    let ready = live.iter().filter(|node| is_whole(node));
    let best = ready.max_by_key(|node| (offset(node), node.id));
    let best = best.ok_or_else(|| {
        Reason::NoWholeCopy.says(format!(
            "no replica of {name} has a whole copy of its data: promoted, it would be empty"
        ))
    })?;
    Ok(Best { id: best.id, offset: offset(best) })
}

fn offset(node: &Live<'_>) -> u64 {
    let info = node.sighting.info.get();
    info.and_then(|info| info.number("slave_repl_offset")).unwrap_or(0)
}

/// Whether a replica has all that its primary had once: it is not in the middle of a sync, and
/// it has data. A replica that never synced is empty.
fn is_whole(node: &Live<'_>) -> bool {
    let Some(info) = node.sighting.info.get() else { return false };
    let syncing = info.is("master_sync_in_progress", "1") || info.is("loading", "1");
    let served = info.number("slave_repl_offset").is_some_and(|offset| offset > 0);
    !syncing && (node.has_keys() == Some(true) || (served && node.has_keys().is_some()))
}
