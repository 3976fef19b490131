//! Members that are gone for good are forgotten, everywhere and within the minute that a ban
//! lasts (`clusterBlacklistAddNode`): a member that still lists them would gossip them back.

use super::{Change, Draft, Fact, Holds, Reason, Repair, Step, Why};
use crate::diagnose::{Found, Risk};
use crate::model::NodeId;

pub(super) fn draft(draft: &mut Draft<'_>) {
    let found: Vec<&Found> = draft.found(Repair::Forget).collect();
    for found in found {
        for ghost in found.subject.nodes.clone() {
            match why_not(draft, ghost) {
                None => everywhere(draft, found, ghost),
                Some(why) => draft.refuse(found, why),
            }
        }
    }
}

/// Why a member must not be forgotten.
fn why_not(draft: &Draft<'_>, ghost: NodeId) -> Option<Why> {
    let name = draft.seen.name(ghost);
    if draft.seen.is_alive(ghost) {
        return Some(Reason::GhostAnswers.says(format!(
            "{name} answers: it is no ghost. To be rid of it, stop it for good first, then recover \
             again; to keep it, let a member CLUSTER MEET it"
        )));
    }
    let primary = draft.seen.primary_of(ghost).filter(|id| *id != ghost);
    if let Some(primary) = primary.filter(|id| draft.live(*id).is_none()) {
        return Some(Reason::GhostHasOnlyCopy.says(format!(
            "{name} is a replica of {}, which does not answer either: it may have the only copy",
            draft.seen.name(primary)
        )));
    }
    let owns = |node: &super::live::Live<'_>| {
        node.row(draft.seen, ghost).is_some_and(|row| !row.slots.is_empty())
    };
    if let Some(witness) = draft.live.iter().find(|node| owns(node)) {
        return Some(Reason::GhostHasSlots.says(format!(
            "{} still gives slots to {name}: forgotten, they would have no owner",
            draft.seen.name(witness.id)
        )));
    }
    if let Some(away) = draft.seen.named_and_hanging() {
        return Some(Reason::GhostMayHang.says(format!(
            "it may be {name} that hangs at {away}, which was named and does not answer in time: \
             end what hangs there, or leave that address out if nobody is there"
        )));
    }
    let silent = draft.seen.silent_members().into_iter().find(|id| *id != ghost);
    silent.filter(|id| draft.seen.is_alive(*id)).map(|id| {
        Reason::GhostGossipedBack.says(format!(
            "{} cannot be told to forget it, and would gossip it back",
            draft.seen.name(id)
        ))
    })
}

pub(super) fn everywhere(draft: &mut Draft<'_>, found: &Found, ghost: NodeId) {
    let knows =
        |id: &NodeId| draft.live(*id).and_then(|node| node.row(draft.seen, ghost)).is_some();
    let all: Vec<NodeId> = draft.live.iter().map(|node| node.id).filter(knows).collect();
    for on in all {
        // A replica cannot forget its own primary (`clusterCommand`, FORGET).
        if draft.live(on).is_some_and(|node| node.own.primary == Some(ghost)) {
            let why = format!("{} is a replica of it", draft.seen.name(on));
            draft.refuse(found, Reason::GhostHasReplica.says(why));
            continue;
        }
        draft.steps.push(Step {
            mends: found.code.clone(),
            on,
            change: Change::Forget { id: ghost },
            risk: Risk::Reversible,
            why: "it owns nothing, and answers nowhere".to_owned(),
            guard: vec![Fact::new(on, Holds::DoesNotReach { about: ghost })],
            expect: vec![Fact::new(on, Holds::KnowsNot { about: ghost })],
            within_ms: 5_000,
            stage: 0,
        });
    }
}
