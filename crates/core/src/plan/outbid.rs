//! An owner whose epoch others hold for greater than it is raises it above that: until then no
//! replica of it can be elected, and its next claim is refused.
//!
//! It is done only where every node gives the slots to the very node that raises its epoch: then
//! nobody has a key to delete when it hears of the newer claim. Nor is it done while a member is
//! silent: one that comes back with an old table credits the answer at an address to the id that it
//! seeks there (`getNodeFromLinkAndMsg`), epoch and all, and then defends that id's old claims.

use super::fact::some_slots;
use super::segments;
use super::{Change, Draft, Fact, Holds, Reason, Repair, Step, Why};
use crate::diagnose::{Found, Risk};
use crate::model::NodeId;

pub(super) fn draft(draft: &mut Draft<'_>) {
    let found: Vec<&Found> = draft.found(Repair::Outbid).collect();
    for found in found {
        for id in found.subject.nodes.clone() {
            match why_not(draft, id) {
                Some(why) => draft.refuse(found, why),
                None => outbid(draft, found, id),
            }
        }
    }
}

fn why_not(draft: &Draft<'_>, id: NodeId) -> Option<Why> {
    let name = draft.seen.name(id);
    let Some(node) = draft.live(id).filter(|node| node.is_primary()) else {
        return Some(Reason::OwnerDisputed.says(format!("{name} is no primary that answers")));
    };
    if let Some((silent, _)) = draft.seen.members().find(|(id, _)| !draft.answers(*id)) {
        return Some(Reason::SilentTable.says(format!(
            "{} does not answer: what its table makes of a newer epoch is not known. Bring it back, \
             or forget it",
            draft.seen.name(silent)
        )));
    }
    let claims = node.claims();
    let all = segments::all(draft.seen, &draft.live);
    // Whose they were may run on in nobody's table, with a claim to slots of this one's, too.
    if let Some((_, slots)) = all.iter().find(|(facts, _)| facts.named().is_empty()) {
        return Some(Reason::OwnerDisputed.says(format!(
            "{} have no owner: who had them may be back, and would lose to a newer epoch what both \
             claim. They come first",
            some_slots(slots)
        )));
    }
    let disputed = all.into_iter().find(|(facts, slots)| {
        !slots.intersection(&claims).is_empty() && (!facts.is_settled() || facts.open)
    });
    disputed.map(|(_, slots)| {
        Reason::OwnerDisputed.says(format!(
            "not all nodes give {} to {name} alone: who owns them comes first",
            some_slots(&slots)
        ))
    })
}

fn outbid(draft: &mut Draft<'_>, found: &Found, id: NodeId) {
    let Some(slots) = draft.live(id).map(super::live::Live::claims) else { return };
    let rows = draft.live.iter().filter_map(|node| node.row(draft.seen, id));
    let recorded = rows.map(|row| row.epoch.0).max().unwrap_or(0);
    let guard = if slots.is_empty() {
        vec![Fact::new(id, Holds::IsPrimary)]
    } else {
        let owns = Holds::Owns { owner: id, slots };
        draft.live.iter().map(|node| Fact::new(node.id, owns.clone())).collect()
    };
    draft.steps.push(Step {
        mends: found.code.clone(),
        on: id,
        change: Change::BumpEpoch,
        risk: Risk::Reversible,
        why: format!("others record the epoch {recorded} for it: its own must be greater"),
        guard,
        expect: vec![Fact::new(id, Holds::EpochAtLeast { epoch: recorded + 1 })],
        within_ms: draft.seen.node_timeout_ms().clamp(2_000, 20_000),
        stage: 0,
    });
}
