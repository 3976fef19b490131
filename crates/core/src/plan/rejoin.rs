//! A node that lost its id takes over what it was.
//!
//! Its `nodes.conf` is gone and its data is there: it came back under a new id, claims the slots
//! that it has keys of (`verifyClusterConfigWithData`), and the others wait for the old id, which
//! will never answer again. The newcomer gets a newer epoch than anybody has while it is alone, and
//! outbids the lost id when it is met; forgotten is that id only then. So the slots belong to
//! somebody all the time, and nobody who mends beside us gives them away. One that has met others
//! already cannot be given an epoch: only for it is FORGET sent while slots still hang on an id,
//! because their keys are proved to be at the newcomer.
//!
//! Where the lost id had replicas that are silent, the newcomer may be one of them instead, and the
//! old node only be down: then what that wrote last is at risk, and the user has a word. So it is
//! where a primary is silent that has no slots any more: the lost id may have been elected over it,
//! and when it comes back it follows the newcomer and drops what that has not.
//!
//! A replica of the lost id that answers is promoted instead, unless it copies the newcomer
//! already: then it has nothing of its own left, and the newcomer stands where its primary stood,
//! with all keys that the replica has. A replica cannot forget its primary: it follows the claim of
//! the newcomer, and what is left is a ghost.
//!
//! One whose old id owns no slot was a replica, or becomes one: [`newcomer`].

use std::collections::BTreeSet;

use super::live::Live;
use super::meet::who_would_lose;
use super::newcomer;
use super::{Change, Draft, Fact, Holds, Loss, Reason, Repair, Step, Why};
use crate::diagnose::Risk;
use crate::model::{Endpoint, Flag, NodeId, Slot, SlotSet};
use crate::observation::Role;

/// A lost id and the node that is its heir.
struct Heir {
    old: NodeId,
    new: NodeId,
    slots: SlotSet,
    /// Who is silent and may have newer data.
    elder: Option<Elder>,
    /// Whether a replica of the lost id copies it.
    copied: bool,
}

/// A silent member that may have what the heir has not.
enum Elder {
    /// A replica of the lost id, which the heir may have been.
    Replica(NodeId),
    /// A primary that has no slots any more: the lost id may have been elected over it.
    Deposed(NodeId),
}

pub(super) fn draft(draft: &mut Draft<'_>) {
    let mut found_any = false;
    for old in lost(draft) {
        match heir(draft, old).and_then(|heir| unrivalled(draft, heir)) {
            Ok(heir) => {
                found_any = true;
                inherit(draft, &heir);
            }
            Err(why) => draft.refuse_all(Repair::Rejoin, &why),
        }
    }
    found_any |= newcomer::draft(draft);
    if !found_any && !draft.is_refused(Repair::Rejoin) {
        let why = "no node that answers has the keys of an id that does not";
        draft.refuse_all(Repair::Rejoin, &Reason::NobodyHasItsKeys.says(why));
    }
}

/// Ids that own slots in the table of a live node and answer nowhere.
fn lost(draft: &Draft<'_>) -> Vec<NodeId> {
    let silent = |id: &NodeId| !draft.seen.is_alive(*id) && !draft.answers(*id);
    let members = draft.seen.members().map(|(id, _)| id).filter(silent);
    members.filter(|id| !slots_of(draft, *id).is_empty() && !is_replaced(draft, *id)).collect()
}

/// Whether a primary that another takes for the owner, too, has all slots of an id, with a newer
/// claim: who still gives them to the old id has not heard of it.
fn is_replaced(draft: &Draft<'_>, old: NodeId) -> bool {
    let slots = slots_of(draft, old);
    let rows = draft.live.iter().filter_map(|node| node.row(draft.seen, old));
    let epoch = rows.map(|row| row.epoch).max();
    let has_all = |claims: &SlotSet| slots.difference(claims).is_empty();
    let takes_over = |new: &&Live<'_>| has_all(&new.claims()) && Some(new.own.epoch) > epoch;
    let by_others = |new: &Live<'_>| {
        draft.live.iter().any(|node| {
            node.id != new.id && node.row(draft.seen, new.id).is_some_and(|row| has_all(&row.slots))
        })
    };
    draft.live.iter().filter(takes_over).any(by_others)
}

/// The slots of an id in any table.
pub(super) fn slots_of(draft: &Draft<'_>, id: NodeId) -> SlotSet {
    let rows = draft.live.iter().filter_map(|node| node.row(draft.seen, id));
    rows.fold(SlotSet::new(), |all, row| all.union(&row.slots))
}

fn heir(draft: &Draft<'_>, old: NodeId) -> Result<Heir, Why> {
    let name = draft.seen.name(old);
    let slots = slots_of(draft, old);
    let replicas = draft.seen.replicas_of(old);
    let (live, silent): (Vec<NodeId>, Vec<NodeId>) =
        replicas.into_iter().partition(|id| draft.live(*id).is_some());
    let primaries = || draft.live.iter().filter(|node| node.is_primary());
    if let Some(unknown) = primaries().find(|node| {
        node.census().is_none_or(|census| !slots.difference(&census.counted).is_empty())
    }) {
        let why = format!("the keys could not be counted on {}", draft.seen.name(unknown.id));
        return Err(Reason::HeirNotCounted.says(why));
    }
    let away = draft.seen.members().map(|(id, _)| id);
    let mut runs = away.filter(|id| !draft.answers(*id) && draft.seen.is_alive(*id));
    if let Some(away) = runs.find(|id| draft.seen.role(*id) != Some(Role::Replica)) {
        return Err(Reason::SilentMayHaveKeys.says(format!(
            "{} runs and does not answer clients: it may have keys of the slots of {name}",
            draft.seen.name(away)
        )));
    }
    let holds = |node: &&Live<'_>| {
        node.census().is_some_and(|census| !census.occupied().intersection(&slots).is_empty())
    };
    let holders: Vec<&Live<'_>> = primaries().filter(holds).collect();
    let copies = |id: &&NodeId| match (draft.live(**id), holders.as_slice()) {
        (Some(replica), [one]) => is_copied(draft, one, replica),
        _ => false,
    };
    if let Some(replica) = live.iter().find(|id| !copies(id)) {
        return Err(Reason::ReplicaInstead.says(format!(
            "{name} has a replica that answers, {}: that is promoted instead",
            draft.seen.name(*replica)
        )));
    }
    let [one] = holders.as_slice() else {
        return Err(match holders.len() {
            0 => Reason::NobodyHasItsKeys.says(format!(
                "nobody who answers has a key of the slots of {name}: if its disk is gone, so are \
                 its keys, and --gone {} shows what it costs to give them up",
                old.short()
            )),
            _ => Reason::SeveralHaveItsKeys
                .says(format!("several nodes hold keys of the slots of {name}")),
        });
    };
    let stays_within = one.claims().difference(&slots).is_empty();
    if !stays_within {
        let why = format!("{} owns other slots already", draft.seen.name(one.id));
        return Err(Reason::HeirOwnsOthers.says(why));
    }
    let replica = silent.first().copied().map(Elder::Replica);
    let elder = replica.or_else(|| deposed(draft, old).map(Elder::Deposed));
    Ok(Heir { old, new: one.id, slots, elder, copied: !live.is_empty() })
}

/// A primary that does not answer and owns no slots, beside the lost one.
fn deposed(draft: &Draft<'_>, old: NodeId) -> Option<NodeId> {
    let away = draft.seen.members().map(|(id, _)| id);
    let mut away = away.filter(|id| *id != old && !draft.answers(*id) && !draft.is_given_up(*id));
    away.find(|id| {
        let row = draft.seen.usual_row(*id);
        row.is_some_and(|row| row.flags.has(Flag::Primary)) && slots_of(draft, *id).is_empty()
    })
}

/// Whether the claim of an heir becomes the newest: it can be given an epoch while it is alone.
fn outbids(draft: &Draft<'_>, heir: &Heir) -> bool {
    let Some(node) = draft.live(heir.new) else { return false };
    draft.seen.view(node.observer).count() == 1 && node.own.epoch.0 == 0
}

/// The heir, unless its claim loses to that of a primary which does not answer: one that hangs may
/// have owned the slots before the lost id did. When it wakes, it deletes its keys for the newer
/// claim of that id, and then has the heir follow its own, which is newer than the heir's.
fn unrivalled(draft: &Draft<'_>, heir: Heir) -> Result<Heir, Why> {
    if outbids(draft, &heir) {
        return Ok(heir);
    }
    let own = draft.live(heir.new).map(|node| node.own.epoch);
    let rival = draft.seen.members().map(|(id, _)| id).find(|id| {
        let silent = *id != heir.old && !draft.answers(*id) && !draft.is_given_up(*id);
        let row = draft.seen.usual_row(*id).filter(|_| silent);
        row.is_some_and(|row| row.flags.has(Flag::Primary) && Some(row.epoch) >= own)
    });
    match rival {
        None => Ok(heir),
        Some(rival) => Err(Reason::SilentTable.says(format!(
            "{} does not answer, and its claim is newer than that of {}, which has met others \
             and can be given no newer one: with an old table it would take the slots of {} back, \
             without their keys. Bring it back, or forget it",
            draft.seen.name(rival),
            draft.seen.name(heir.new),
            heir.old.short()
        ))),
    }
}

/// Whether a replica copies a newcomer that nobody knows and that knows nobody, from where its
/// primary stood, and has no key that the newcomer lacks.
fn is_copied(draft: &Draft<'_>, new: &Live<'_>, replica: &Live<'_>) -> bool {
    let Some(info) = replica.sighting.info.get() else { return false };
    let port = info.number("master_port").and_then(|port| u16::try_from(port).ok());
    let whole = info.is("master_link_status", "up") && !info.is("master_sync_in_progress", "1");
    let there = info.get("master_host").zip(port).is_some_and(|(host, port)| {
        draft.seen.sighting_at(&Endpoint::new(host, port)) == Some(new.observer)
    });
    let stranger = draft.seen.view(new.observer).count() == 1
        && draft
            .live
            .iter()
            .all(|node| node.id == new.id || node.row(draft.seen, new.id).is_none());
    let Some((all, some)) = new.census().zip(replica.census()) else { return false };
    let lacks = |(slot, keys): &(u16, u64)| {
        let here = Slot::new(*slot).and_then(|slot| all.keys_in(slot));
        here.is_none_or(|here| here < *keys)
    };
    let fresh = new.own.epoch.0 == 0;
    whole && there && stranger && fresh && !some.keys.iter().any(lacks)
}

/// What is at risk, told where something is.
fn own_up(draft: &mut Draft<'_>, heir: &Heir) -> Risk {
    let (old, new) = (heir.old.short(), heir.new.short());
    let why = match heir.elder {
        None => return Risk::MovesOwnership,
        Some(Elder::Replica(replica)) => format!(
            "what {old} wrote and its replica {} had not copied, if {new} is that replica under a \
             new id and the other one is only down: then start that instead",
            replica.short()
        ),
        Some(Elder::Deposed(deposed)) => format!(
            "what {} wrote last, if these slots were its own until {old} was elected over it: back \
             later, it follows {new} and drops what that has not. Start it first, or say that it \
             is gone for good: --gone {}",
            draft.seen.name(deposed),
            deposed.short()
        ),
    };
    draft.loss.push(Loss { owner: Some(heir.old), slots: heir.slots.clone(), keys: None, why });
    Risk::DropsCopy
}

fn inherit(draft: &mut Draft<'_>, heir: &Heir) {
    let Some(node) = draft.live(heir.new) else { return };
    let knows_old = node.row(draft.seen, heir.old).is_some();
    let ranges = node.takes_ranges(draft.seen);
    let occupied = node.census().map(|census| census.occupied()).unwrap_or_default();
    let held = occupied.intersection(&heir.slots);
    let rest = heir.slots.difference(&node.claims());
    let survivors: Vec<NodeId> =
        draft.live.iter().filter(|n| n.id != heir.new).map(|n| n.id).collect();
    let newest = newest_epoch(draft) + 1;
    let outbids = outbids(draft, heir);
    let risk = own_up(draft, heir);
    let proof = Fact::new(heir.new, Holds::HoldsKeys { slots: held });
    if !outbids {
        let everybody: Vec<NodeId> =
            survivors.iter().copied().chain(knows_old.then_some(heir.new)).collect();
        forget(draft, heir, &everybody, risk, &proof, 0);
    }
    if !rest.is_empty() {
        let owns = Holds::Owns { owner: heir.new, slots: rest.clone() };
        let guard = vec![
            Fact::new(heir.new, Holds::IsPrimary),
            Fact::new(heir.new, Holds::Unowned { slots: rest.clone() }),
        ];
        let why = "it takes the slots of its old id that had no key, too".to_owned();
        let change = Change::AddSlots { slots: rest, ranges };
        let expect = vec![Fact::new(heir.new, owns)];
        push(draft, heir.new, change, risk, why, guard, expect, 1);
    }
    if outbids {
        let change = Change::SetConfigEpoch { epoch: newest };
        let expect = vec![Fact::new(heir.new, Holds::EpochAtLeast { epoch: newest })];
        let why = "its claim must be the newest when it meets the others".to_owned();
        let guard = vec![Fact::new(heir.new, Holds::Answers), proof.clone()];
        push(draft, heir.new, change, risk, why, guard, expect, 2);
    }
    join(draft, heir, &survivors, risk, outbids);
    if outbids && !heir.copied {
        forget(draft, heir, &survivors, risk, &proof, 4);
    }
}

/// Whoever knows the lost id forgets it. After the newcomer was met, only who gives it the slots.
fn forget(draft: &mut Draft<'_>, heir: &Heir, by: &[NodeId], risk: Risk, proof: &Fact, stage: u32) {
    for id in by.iter().copied() {
        if draft.live(id).and_then(|node| node.row(draft.seen, heir.old)).is_none() {
            continue;
        }
        let why = format!(
            "{} answers nowhere, and {} has the keys of its slots",
            heir.old.short(),
            heir.new.short()
        );
        let change = Change::Forget { id: heir.old };
        let expect = vec![Fact::new(id, Holds::KnowsNot { about: heir.old })];
        let mut guard = vec![Fact::new(id, Holds::DoesNotReach { about: heir.old }), proof.clone()];
        if stage > 0 {
            let owns = Holds::Owns { owner: heir.new, slots: heir.slots.clone() };
            guard.push(Fact::new(id, owns));
        }
        push(draft, id, change, risk, why, guard, expect, stage);
    }
}

/// Everybody meets the newcomer, whose claim is the newest: with that it has the slots. But for
/// those who would hear through it of a newer claim to slots of theirs, and delete their keys:
/// another one under a new id joins when it has taken over itself, or not at all.
fn join(draft: &mut Draft<'_>, heir: &Heir, survivors: &[NodeId], risk: Risk, outbids: bool) {
    let Some(node) = draft.live(heir.new) else { return };
    let (ip, port, bus_port) = (node.ip.clone(), node.port, node.bus_port);
    let rest = heir.slots.complement();
    let at_stake: BTreeSet<NodeId> =
        who_would_lose(draft).into_iter().map(|(loser, _)| loser).collect();
    for id in survivors.iter().copied().filter(|id| !at_stake.contains(id)) {
        let knows = draft.live(id).and_then(|node| node.row(draft.seen, heir.new)).is_some();
        if knows {
            continue;
        }
        let change = Change::Meet { ip: ip.clone(), port, bus_port };
        let reaches = Holds::Reaches { about: heir.new, ip: ip.clone(), port };
        let owns = Holds::Owns { owner: heir.new, slots: heir.slots.clone() };
        let expect = vec![Fact::new(id, reaches), Fact::new(id, owns)];
        let gone = if outbids {
            Holds::DoesNotReach { about: heir.old }
        } else {
            Holds::KnowsNot { about: heir.old }
        };
        let owners = [heir.old, heir.new].into();
        let guard = vec![
            Fact::new(id, gone),
            // Of two claims the newer deletes the keys of the other.
            Fact::new(id, Holds::OwnedOnlyBy { owners, slots: heir.slots.clone() }),
            Fact::new(heir.new, Holds::Owns { owner: heir.new, slots: heir.slots.clone() }),
            // Started again, it has claimed every slot that it has a stray key of.
            Fact::new(heir.new, Holds::OwnsNot { owner: heir.new, slots: rest.clone() }),
        ];
        let why = "the newcomer joins, with its slots".to_owned();
        push(draft, id, change, risk, why, guard, expect, 3);
    }
}

/// The greatest epoch that anybody shows.
fn newest_epoch(draft: &Draft<'_>) -> u64 {
    let rows = draft.live.iter().flat_map(|node| draft.seen.view(node.observer));
    let epochs = rows.map(|(row, _)| row.epoch.0);
    let current = draft
        .live
        .iter()
        .filter_map(|node| node.sighting.cluster_info.get()?.number("cluster_current_epoch"));
    epochs.chain(current).max().unwrap_or(0)
}

#[expect(clippy::too_many_arguments, reason = "the fields of a step, in their order")]
pub(super) fn push(
    draft: &mut Draft<'_>,
    on: NodeId,
    change: Change,
    risk: Risk,
    why: String,
    guard: Vec<Fact>,
    expect: Vec<Fact>,
    stage: u32,
) {
    let mends = draft.code(Repair::Rejoin, on);
    let within_ms = draft.seen.node_timeout_ms().clamp(2_000, 20_000) + 1_000;
    draft.steps.push(Step { mends, on, change, risk, why, guard, expect, within_ms, stage });
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use crate::diagnose::diagnose;
    use crate::model::{Endpoint, Flag, NodeId, SlotSet};
    use crate::observation::sketch::Sketch;
    use crate::observation::{Census, LinkState, Observation, Said, Silence};
    use crate::plan::{Change, Policy, Step, plan};

    /// The first primary of three, with a replica each, is back under a new id. It has so many
    /// keys of slot 7; its replica, which follows to that address, has the other number.
    fn lost_its_table(keys: [u64; 2], link: &str) -> Observation {
        let new = NodeId::made_up(77);
        let mut sketch = Sketch::healthy(3, 1);
        sketch.silence(0, Silence::Refused, Some(Silence::Refused));
        sketch.flagged(0, Flag::NoAddress, LinkState::Disconnected);
        sketch.rows_about(0, |row| row.address.ip = String::new());
        let at = Sketch::at(0);
        sketch.info(3, "master_host", &at.host);
        sketch.info(3, "master_port", &at.port.to_string());
        sketch.info(3, "master_link_status", link);
        sketch.stranger(new, at, SlotSet::range(7, 7));
        let mut seen = sketch.build();
        for sighting in &mut seen.sightings {
            let held = match sighting.myid.get() {
                Some(id) if *id == new => vec![(7, keys[0])],
                Some(id) if *id == Sketch::id(3) => vec![(7, keys[1])],
                Some(_) => Vec::new(),
                None => continue,
            };
            sighting.census = Said::This(Census { counted: SlotSet::all(), keys: held });
        }
        seen
    }

    fn sends(seen: &Observation) -> Vec<String> {
        let planning = plan(seen, &diagnose(seen), &Policy::default());
        let steps = planning.plan.steps.iter().map(|step| match &step.change {
            Change::AddSlots { .. } => "adds".to_owned(),
            Change::SetConfigEpoch { .. } => "epoch".to_owned(),
            Change::Meet { .. } => "meets".to_owned(),
            other => format!("{other:?}"),
        });
        steps.collect()
    }

    #[test]
    fn a_newcomer_that_the_replica_copies_takes_its_place_and_nobody_forgets_first() {
        let sent = sends(&lost_its_table([2, 2], "up"));
        assert_eq!(sent, ["adds", "epoch", "meets", "meets", "meets", "meets", "meets"]);
    }

    #[test]
    fn another_that_lost_its_id_and_would_delete_its_keys_is_not_brought_in_with_it() {
        let (first, second) = (NodeId::made_up(77), NodeId::made_up(78));
        let mut sketch = Sketch::healthy(5, 0);
        for node in [0, 1] {
            sketch.silence(node, Silence::Refused, Some(Silence::Refused));
            sketch.flagged(node, Flag::Failed, LinkState::Disconnected);
        }
        // A slot that nobody owned when it started: it owns more than its old id did.
        let free = SlotSet::range(6_001, 6_001);
        sketch.rows_about(1, |row| row.slots = row.slots.difference(&free));
        sketch.stranger(first, Endpoint::new("127.0.9.1", 6379), SlotSet::range(7, 7));
        sketch.stranger(second, Endpoint::new("127.0.9.2", 6379), SlotSet::range(6_000, 6_001));
        let mut seen = sketch.build();
        for sighting in &mut seen.sightings {
            let held = match sighting.myid.get() {
                Some(id) if *id == first => vec![(7, 1)],
                Some(id) if *id == second => vec![(6_000, 1), (6_001, 1)],
                Some(_) => Vec::new(),
                None => continue,
            };
            sighting.census = Said::This(Census { counted: SlotSet::all(), keys: held });
        }
        let planning = plan(&seen, &diagnose(&seen), &Policy::default());
        let meets = |step: &&Step| matches!(step.change, Change::Meet { .. });
        let by: BTreeSet<NodeId> = planning.plan.steps.iter().filter(meets).map(|s| s.on).collect();
        assert_eq!(by, BTreeSet::from([2, 3, 4].map(Sketch::id)), "{planning:#?}");
    }

    #[test]
    fn a_replica_with_more_keys_or_without_a_link_has_a_copy_of_its_own() {
        for (keys, link) in [([1, 2], "up"), ([2, 2], "down")] {
            let sent = sends(&lost_its_table(keys, link));
            assert_eq!(sent, [] as [&str; 0], "{keys:?} {link}");
        }
    }
}
