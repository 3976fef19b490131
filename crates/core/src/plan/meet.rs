//! Members learn where the others are.
//!
//! `CLUSTER MEET` towards the true address of an id that the receiver knows corrects that address
//! and changes nothing else: ids, epochs and slots stay (`clusterProcessPacket`, the answer to a
//! handshake with a known id). It also tells the met node its own address. So it comes before any
//! FORGET: a node that merely moved is not gone.

use std::collections::{BTreeMap, BTreeSet};

use super::fact::{is_linked, is_up};
use super::live::Live;
use super::{Change, Draft, Fact, Holds, Reason, Repair, Step, repairs_of};
use crate::diagnose::{Found, Risk};
use crate::limits::FULL_MESH_NODES_MAX;
use crate::model::{NodeId, SlotSet};
use crate::observation::{Census, NodeRow};

pub(super) fn draft(draft: &mut Draft<'_>) {
    let mut pairs = BTreeSet::new();
    for group in groups(draft) {
        pairs.extend(strangers(draft, &group));
    }
    if let Some(joints) = islands_that_fit(draft) {
        pairs.extend(joints);
    }
    pairs.extend(own_addresses(draft, &pairs));
    let mut left_to_rejoin = false;
    let heard_of = acquainted(draft);
    let mut withhold = |loser: NodeId, winner: NodeId| {
        let all = pairs.len();
        pairs.retain(|pair| !brings_together(&heard_of, *pair, loser, winner));
        pairs.len() < all
    };
    for (loser, winner) in who_would_lose(draft) {
        let withheld = withhold(loser, winner);
        // One that lost its id joins with a newer claim, or it is said there why not.
        let rejoins = draft.found(Repair::Rejoin).any(|found| found.subject.nodes.contains(&loser));
        left_to_rejoin |= rejoins;
        if withheld && !rejoins {
            let (loser, winner) = (draft.seen.name(loser), draft.seen.name(winner));
            let why = format!(
                "{loser} has keys of slots that others give to {winner} with a newer claim, and \
                 {winner} does not show to have them: met, it would delete them. Decide who shall \
                 have these slots"
            );
            draft.refuse_all(Repair::Meet, &Reason::MeetWouldDelete.says(why));
        }
    }
    for (loser, winner) in who_would_copy(draft) {
        if withhold(loser, winner) {
            let (loser, winner) = (draft.seen.name(loser), draft.seen.name(winner));
            let why = format!(
                "{loser} has keys of slots that are not its own, and {winner} has taken over all \
                 that are: met, it would copy {winner} and delete them. They go to the owners of \
                 their slots first"
            );
            draft.refuse_all(Repair::Meet, &Reason::MeetWouldDelete.says(why));
        }
    }
    leave_early_heirs(draft, &mut pairs);
    let mut pairs: Vec<(NodeId, NodeId)> = pairs.into_iter().collect();
    // Primaries first: a replica that finds a majority of them before its own primary does is
    // elected. Interleaved by the one who is met, so that no node gets all its handshakes at once.
    let follows = |id: NodeId| draft.live(id).is_some_and(|node| !node.is_primary());
    pairs.sort_by_key(|(from, to)| (follows(*from) || follows(*to), *to, *from));
    for (from, to) in pairs {
        push(draft, from, to);
    }
    if draft.steps.is_empty() && !draft.is_refused(Repair::Meet) && !left_to_rejoin {
        let found: Vec<_> = draft.found(Repair::Meet).collect();
        // What the user may give up, it is said there.
        let here = |found: &&Found| !repairs_of(&found.code).contains(&Repair::GiveUp);
        for found in found.into_iter().filter(here) {
            let why = nobody_to_meet(draft, found);
            draft.refuse(found, Reason::NobodyToMeet.says(why));
        }
    }
}

/// Primaries that own slots and hold keys of them, and that would delete these once they hear of a
/// newer claim which stands in the table of another (`clusterUpdateSlotsConfigWith`, dirty slots),
/// with the claimant; where that takes all of its slots and has keys of these too, it has taken
/// over, and what it has is what counts. Two that both claim a few slots may have different keys.
pub(super) fn who_would_lose(draft: &Draft<'_>) -> Vec<(NodeId, NodeId)> {
    let occupied = |node: &Live<'_>| node.census().map(Census::occupied).unwrap_or_default();
    let mut all = Vec::new();
    for node in &draft.live {
        let at_stake = occupied(node).intersection(&node.claims());
        if at_stake.is_empty() {
            continue;
        }
        let takes = newer_claims(draft, node).filter_map(|row| {
            let taken = row.slots.intersection(&at_stake);
            let winner = draft.live(row.id);
            let there = winner.map(&occupied).unwrap_or_default();
            let claimed = winner.map(Live::claims).unwrap_or_default().intersection(&taken);
            let took_over = node.claims().difference(&row.slots).is_empty();
            let loses = !taken.difference(&there).is_empty() || (!claimed.is_empty() && !took_over);
            loses.then_some(row.id)
        });
        let winners: BTreeSet<NodeId> = takes.collect();
        all.extend(winners.into_iter().map(|winner| (node.id, winner)));
    }
    all
}

/// What the tables of the others say of others with an epoch that beats that of a node.
fn newer_claims<'a>(draft: &'a Draft<'_>, node: &'a Live<'_>) -> impl Iterator<Item = &'a NodeRow> {
    let tables = draft.live.iter().filter(|other| other.id != node.id);
    let rows = tables.flat_map(|other| draft.seen.view(other.observer).map(|(row, _)| row));
    rows.filter(|row| row.id != node.id && row.epoch >= node.own.epoch)
}

/// Primaries with keys of slots that are not theirs, each with the one that has taken over all of
/// its own slots with a newer claim: who hears of that follows the claimant, and a replica drops
/// what its primary does not have (`clusterUpdateSlotsConfigWith`, then a full copy).
fn who_would_copy(draft: &Draft<'_>) -> Vec<(NodeId, NodeId)> {
    let mut all = Vec::new();
    for node in &draft.live {
        let claims = node.claims();
        if claims.is_empty() || strays(node).is_empty() {
            continue;
        }
        let takes_over =
            newer_claims(draft, node).filter(|row| claims.difference(&row.slots).is_empty());
        let winners: BTreeSet<NodeId> = takes_over.map(|row| row.id).collect();
        all.extend(winners.into_iter().map(|winner| (node.id, winner)));
    }
    all
}

/// Leaves out whom [`heirs_too_early`] names, and waits.
fn leave_early_heirs(draft: &mut Draft<'_>, pairs: &mut BTreeSet<(NodeId, NodeId)>) {
    let early = heirs_too_early(draft, pairs);
    if early.is_empty() {
        return;
    }
    pairs.retain(|(from, to)| !early.contains(from) && !early.contains(to));
    let names: Vec<String> = early.iter().map(|id| draft.seen.name(*id)).collect();
    draft.wait(Reason::ReturnedHeldForFailed.says(format!(
        "{} would be elected over a primary that lives and has keys that it lacks: not met before \
         all primaries hear that one",
        names.join(", ")
    )));
}

/// Replicas that are not to hear of the others yet. While other primaries do not hear the one that
/// it follows, or hold it for failed still, a replica that hears of them is elected over it
/// (`clusterHandleSlaveFailover`). That costs nothing but where the primary has keys that the
/// replica does not have: of slots that are not its own, or of its own where the replica copied
/// whoever answered at its primary's old address. It would follow the replica, and drop them.
fn heirs_too_early(draft: &Draft<'_>, pairs: &BTreeSet<(NodeId, NodeId)>) -> BTreeSet<NodeId> {
    let primary = |id: NodeId| draft.live(id).filter(|node| node.is_primary());
    let still_meet =
        pairs.iter().any(|(from, to)| primary(*from).is_some() && primary(*to).is_some());
    let unheard = |followed: NodeId| {
        let mut others = draft.live.iter().filter(|node| node.is_primary() && node.id != followed);
        others.any(|other| {
            let row = other.row(draft.seen, followed);
            row.is_some_and(|row| !is_up(row) && (still_meet || is_linked(row)))
        })
    };
    let met = pairs.iter().flat_map(|(from, to)| [*from, *to]).collect::<BTreeSet<NodeId>>();
    let early = met.into_iter().filter(|id| {
        let followed = draft.live(*id).filter(|node| !node.is_primary());
        let followed = followed.and_then(|node| primary(node.own.primary?));
        let copy = draft.live(*id).and_then(Live::census).map(Census::occupied);
        followed.is_some_and(|node| {
            let occupied = node.census().map(Census::occupied).unwrap_or_default();
            let lacks = copy.is_some_and(|copy| !occupied.difference(&copy).is_empty());
            (lacks || !strays(node).is_empty()) && unheard(node.id)
        })
    });
    early.collect()
}

/// Why no MEET would mend what was found.
fn nobody_to_meet(draft: &Draft<'_>, found: &Found) -> String {
    let mut nodes = found.subject.nodes.iter().filter_map(|id| draft.live(*id));
    match nodes.find(|node| node.announces_elsewhere()) {
        Some(node) => format!(
            "{} announces another address than the one where it lives, so a MEET would last until \
             its next ping: that setting comes first",
            draft.seen.name(node.id)
        ),
        None => "no two nodes that answer us lack each other's address: what is missing does not \
                 answer, or a port between them is closed"
            .to_owned(),
    }
}

/// Slots that are not a node's own and of which it has keys.
fn strays(node: &Live<'_>) -> SlotSet {
    node.census().map(|census| census.occupied().difference(&node.claims())).unwrap_or_default()
}

/// Nodes that hear of each other by gossip: each with the first of those that links lead to.
fn acquainted(draft: &Draft<'_>) -> BTreeMap<NodeId, NodeId> {
    united(draft, is_up)
}

/// Whether a MEET makes a node hear of another that it does not hear of by gossip now: it is of
/// either, or it joins the ones who hear of the first to those who hear of the second.
fn brings_together(
    heard_of: &BTreeMap<NodeId, NodeId>,
    (from, to): (NodeId, NodeId),
    loser: NodeId,
    winner: NodeId,
) -> bool {
    let at = |id: NodeId| heard_of.get(&id);
    let side = |id: NodeId| at(id) == at(loser) || at(id) == at(winner);
    let apart = at(loser) != at(winner);
    let joins = apart && at(from) != at(to) && (side(from) || side(to));
    joins || [from, to].iter().any(|id| *id == loser || *id == winner)
}

/// Nodes that belong together: one knows the other's id.
pub(super) fn groups(draft: &Draft<'_>) -> Vec<Vec<NodeId>> {
    let mut groups: BTreeMap<NodeId, Vec<NodeId>> = BTreeMap::new();
    for (id, group) in united(draft, |_| true) {
        groups.entry(group).or_default().push(id);
    }
    groups.into_values().collect()
}

/// The live nodes, each with the first of those that such rows lead to, from either end.
fn united(draft: &Draft<'_>, by: impl Fn(&NodeRow) -> bool) -> BTreeMap<NodeId, NodeId> {
    let mut group_of: BTreeMap<NodeId, NodeId> =
        draft.live.iter().map(|node| (node.id, node.id)).collect();
    for node in &draft.live {
        for (row, _) in draft.seen.view(node.observer).filter(|(row, _)| by(row)) {
            let (Some(a), Some(b)) = (group_of.get(&node.id), group_of.get(&row.id)) else {
                continue;
            };
            let (a, b) = (*a.min(b), *a.max(b));
            group_of.values_mut().filter(|group| **group == b).for_each(|group| *group = a);
        }
    }
    group_of
}

/// Pairs of a group of which the first does not reach the second at its true address.
fn strangers(draft: &Draft<'_>, group: &[NodeId]) -> Vec<(NodeId, NodeId)> {
    let members: Vec<&Live<'_>> = group.iter().filter_map(|id| draft.live(*id)).collect();
    let pairs = members.iter().flat_map(|from| members.iter().map(move |to| (*from, *to)));
    let all: Vec<(NodeId, NodeId)> = pairs
        .filter(|(from, to)| from.id != to.id && lacks(draft, from, to))
        .map(|(from, to)| (from.id, to.id))
        .collect();
    if members.len() <= FULL_MESH_NODES_MAX {
        return all;
    }
    // In a large group all meet one, and gossip tells the rest: a full mesh of handshakes would
    // keep every bus busy at once. A primary, if it can be: it hears of the others before replicas.
    let hub = members.iter().min_by_key(|node| {
        let lacking = all.iter().filter(|(from, to)| *from == node.id || *to == node.id).count();
        (lacking, !node.is_primary(), node.id)
    });
    let hub = hub.map(|node| node.id);
    all.into_iter().filter(|(from, to)| Some(*from) == hub || Some(*to) == hub).collect()
}

/// Whether a node does not reach another and has no, or another, address for it.
fn lacks(draft: &Draft<'_>, from: &Live<'_>, to: &Live<'_>) -> bool {
    let Some(row) = from.row(draft.seen, to.id) else { return !is_readdressed(draft, to) };
    if is_up(row) || to.announces_elsewhere() {
        return false;
    }
    let right = row.address.ip == to.ip
        && row.address.port == to.port
        && row.address.bus_port.is_none_or(|port| port == to.bus_port);
    !right || (!is_linked(row) && row.address.ip.is_empty())
}

/// Whether a node announces an address where nobody finds it, and that is found and comes next: met
/// before, it would be sought there.
fn is_readdressed(draft: &Draft<'_>, node: &Live<'_>) -> bool {
    let about_it = |found: &Found| found.subject.nodes.contains(&node.id);
    node.announces_elsewhere() && draft.found(Repair::Readdress).any(about_it)
}

/// Nodes that call themselves by an address at which they do not live: one MEET to each tells it
/// (`clusterProcessPacket`, own address). A node that announces an address is left alone.
fn own_addresses(
    draft: &Draft<'_>,
    met: &BTreeSet<(NodeId, NodeId)>,
) -> BTreeSet<(NodeId, NodeId)> {
    let announces = |node: &Live<'_>| {
        let config = node.sighting.config.get();
        config.and_then(|config| config.get("cluster-announce-ip")).is_some_and(|ip| !ip.is_empty())
    };
    let wrong = draft.live.iter().filter(|node| node.own.address.ip != node.ip && !announces(node));
    let unmet = wrong.filter(|node| !met.iter().any(|(_, to)| *to == node.id));
    unmet
        .filter_map(|node| {
            let knows =
                |peer: &&Live<'_>| peer.id != node.id && peer.row(draft.seen, node.id).is_some();
            // From one whose bus reaches it: another's MEET may never arrive.
            let reaches = |peer: &&Live<'_>| peer.row(draft.seen, node.id).is_some_and(is_up);
            let mut peers = draft.live.iter().filter(knows);
            let from = peers.clone().find(reaches).or_else(|| peers.next())?;
            Some((from.id, node.id))
        })
        .collect()
}

/// Parts of a cluster that have lost all memory of each other, when their slots fit together:
/// one node of each meets one of the first. Two parts that both claim a slot are two clusters.
fn islands_that_fit(draft: &mut Draft<'_>) -> Option<Vec<(NodeId, NodeId)>> {
    let split = |code: &str| {
        matches!(code, "CLUSTER_SPLIT_ISLANDS" | "FORGOTTEN_NODE_ZOMBIE" | "FORGOT_SLOT_OWNER")
    };
    let found: Vec<_> = draft.found(Repair::Meet).filter(|found| split(&found.code)).collect();
    let mut groups = groups(draft);
    // A node without slots is no part of a cluster that was split: it may be anybody's.
    let owns = |id: &NodeId| draft.live(*id).is_some_and(|node| !node.claims().is_empty());
    groups.retain(|group| group.iter().any(owns));
    if found.is_empty() || groups.len() < 2 {
        for found in found.into_iter().filter(|found| found.code == "CLUSTER_SPLIT_ISLANDS") {
            let why = "one side owns no slot: it may be somebody else's. If it belongs here, let \
                       one of its nodes CLUSTER MEET one of the others";
            draft.refuse(found, Reason::SideWithoutSlots.says(why));
        }
        return None;
    }
    let mut all = SlotSet::new();
    for group in &groups {
        let claims = group.iter().filter_map(|id| draft.live(*id)).map(Live::claims);
        let slots = claims.fold(SlotSet::new(), |slots, claim| slots.union(&claim));
        if !all.intersection(&slots).is_empty() {
            for found in found {
                let why = "both sides claim the same slots: joined, the one with the lower epoch \
                           would delete its keys. Decide which side is the cluster, and move the \
                           other's keys";
                draft.refuse(found, Reason::SidesOverlap.says(why));
            }
            return None;
        }
        all = all.union(&slots);
    }
    let hub = *groups.first()?.first()?;
    let others = groups.iter().skip(1).flatten();
    Some(others.flat_map(|id| [(hub, *id), (*id, hub)]).collect())
}

fn push(draft: &mut Draft<'_>, from: NodeId, to: NodeId) {
    let (Some(giver), Some(target)) = (draft.live(from), draft.live(to)) else { return };
    let (known, there) = (giver.row(draft.seen, to), format!("{}:{}", target.ip, target.port));
    let why = match known {
        Some(row) if is_up(row) => format!("{} calls itself by another address", to.short()),
        Some(row) if row.address.ip.is_empty() => {
            format!("it has no address for {}, which is at {there}", to.short())
        }
        Some(row) => format!(
            "it looks for {} at {}:{}, and that is at {there}",
            to.short(),
            row.address.ip,
            row.address.port
        ),
        None => format!("it does not know {}, which is at {there}", to.short()),
    };
    let reaches = Holds::Reaches { about: to, ip: target.ip.clone(), port: target.port };
    let mut expect = vec![Fact::new(from, reaches)];
    if target.own.address.ip != target.ip {
        expect.push(Fact::new(to, Holds::Calls { itself: target.ip.clone() }));
    }
    let mut guard = vec![Fact::new(from, Holds::Answers), Fact::new(to, Holds::Answers)];
    guard.extend(unclaimed(draft, giver, target));
    guard.extend(unclaimed(draft, target, giver));
    let change =
        Change::Meet { ip: target.ip.clone(), port: target.port, bus_port: target.bus_port };
    let step = Step {
        mends: draft.code(Repair::Meet, to),
        on: from,
        change,
        risk: Risk::Reversible,
        why,
        guard,
        expect,
        // A handshake lives for one node timeout (`clusterCron`).
        within_ms: draft.seen.node_timeout_ms().clamp(1_000, 20_000) + 1_000,
        stage: 0,
    };
    draft.steps.push(step);
}

/// What a node must still not have heard when another, whose claims it does not know yet, meets it:
/// that somebody else has claimed the same slots meanwhile. The newer claim of the two deletes the
/// keys of the other (`clusterUpdateSlotsConfigWith`). Claims that are known already were weighed.
fn unclaimed(draft: &Draft<'_>, on: &Live<'_>, about: &Live<'_>) -> Option<Fact> {
    let known = on.row(draft.seen, about.id).map(|row| row.slots.clone()).unwrap_or_default();
    let mut slots = about.claims().difference(&known);
    if let Some(census) = about.census() {
        slots = slots.intersection(&census.occupied());
    }
    if slots.is_empty() {
        return None;
    }
    let rows = draft.seen.view(on.observer).map(|(row, _)| row);
    let owners = rows.filter(|row| !row.slots.intersection(&slots).is_empty()).map(|row| row.id);
    let owners = owners.chain([about.id]).collect();
    Some(Fact::new(on.id, Holds::OwnedOnlyBy { owners, slots }))
}
