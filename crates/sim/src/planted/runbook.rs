//! What runbooks and other tools send of themselves, before or beside a plan.

use std::collections::BTreeSet;

use slotwright_core::model::{NodeId, SlotSet};
use slotwright_core::plan::{Change, Step};

use super::Bug;
use crate::world::World;

/// A command line, and which server gets it.
pub(crate) type Line = (usize, Vec<String>);

fn line(n: usize, text: &str) -> Line {
    (n, text.split(' ').map(str::to_owned).collect())
}

fn id(world: &World, n: usize) -> NodeId {
    NodeId::made_up(world.nodes[n].id)
}

fn reached(world: &World) -> Vec<usize> {
    (0..world.nodes.len()).filter(|n| world.is_reached(*n)).collect()
}

fn primaries(world: &World) -> Vec<usize> {
    let all = reached(world).into_iter();
    all.filter(|n| world.nodes[*n].primary.is_none() && !world.nodes[*n].slots.is_empty()).collect()
}

fn ranges(slots: &SlotSet) -> String {
    let pairs = slots.ranges().iter().map(|range| format!("{} {}", range.first, range.last));
    pairs.collect::<Vec<_>>().join(" ")
}

impl Bug {
    /// What it sends at the beginning of a run.
    pub(crate) fn sends_first(self, world: &World) -> Vec<Line> {
        match self {
            Self::FlushFirst => reached(world).into_iter().map(|n| line(n, "FLUSHALL")).collect(),
            Self::AlwaysBumps => {
                let first = primaries(world).into_iter().next();
                first.map(|n| line(n, "CLUSTER BUMPEPOCH")).into_iter().collect()
            }
            Self::FixUnreachable => fix_unreachable(world),
            Self::FixUncovered => fix_uncovered(world),
            Self::ForgetAndFix => forget_and_fix(world),
            Self::MeetAll => meet_all(world),
            Self::ResetReplica => {
                let all = orphans(world).into_iter();
                all.map(|n| line(n, "CLUSTER RESET HARD")).collect()
            }
            Self::ReplicateLast => replicate_last(world),
            Self::FlushStranger => flush_strangers(world),
            Self::SyncingIsACopy => wipe_primaries(world),
            _ => Vec::new(),
        }
    }

    /// What it sends as a part of a look.
    pub(crate) fn sends_while_looking(self, world: &World) -> Vec<Line> {
        if self == Self::LooksByMeeting { meet_all(world) } else { Vec::new() }
    }

    /// What it sends when a step was not answered.
    pub(crate) fn sends_on_silence(self, world: &World, step: &Step) -> Vec<Line> {
        let (Self::SilenceIsRefusal, Change::AddSlots { slots, .. }) = (self, &step.change) else {
            return Vec::new();
        };
        let mut others = primaries(world).into_iter().filter(|n| id(world, *n) != step.on);
        let other = others.next();
        let claim = |n| {
            let add = format!("CLUSTER ADDSLOTSRANGE {}", ranges(slots));
            [line(n, &add), line(n, "CLUSTER BUMPEPOCH")]
        };
        other.map(claim).into_iter().flatten().collect()
    }
}

fn take(n: usize, slots: &SlotSet) -> Vec<Line> {
    let add = format!("CLUSTER ADDSLOTSRANGE {}", ranges(slots));
    vec![line(n, &add), line(n, "CLUSTER BUMPEPOCH")]
}

fn fix_unreachable(world: &World) -> Vec<Line> {
    let Some(first) = primaries(world).into_iter().next() else { return Vec::new() };
    let is_down = |id: u32| {
        let up = reached(world);
        !up.into_iter().any(|n| world.nodes[n].id == id)
    };
    let rows = world.nodes[first].peers.iter().filter(|peer| is_down(peer.id));
    let lost = rows.fold(SlotSet::new(), |all, peer| all.union(&peer.slots));
    if lost.is_empty() {
        return Vec::new();
    }
    let delete = |n: usize| {
        let there = world.nodes[n].assigned().intersection(&lost);
        (!there.is_empty()).then(|| line(n, &format!("CLUSTER DELSLOTSRANGE {}", ranges(&there))))
    };
    let mut lines: Vec<Line> = reached(world).into_iter().filter_map(delete).collect();
    lines.extend(take(first, &lost));
    lines
}

fn fix_uncovered(world: &World) -> Vec<Line> {
    for n in primaries(world) {
        let free = world.nodes[n].assigned().complement();
        if !free.is_empty() {
            return take(n, &free);
        }
    }
    Vec::new()
}

fn forget_and_fix(world: &World) -> Vec<Line> {
    let up = reached(world);
    let Some(first) = primaries(world).into_iter().next() else { return Vec::new() };
    let down: Vec<usize> = (0..world.nodes.len()).filter(|n| !up.contains(n)).collect();
    let forget = |about: &usize| format!("CLUSTER FORGET {}", id(world, *about));
    let mut lines: Vec<Line> = Vec::new();
    for n in &up {
        lines.extend(down.iter().map(|about| line(*n, &forget(about))));
    }
    let ids: BTreeSet<u32> = down.iter().map(|n| world.nodes[*n].id).collect();
    let rows = world.nodes[first].peers.iter().filter(|peer| ids.contains(&peer.id));
    let lost = rows.fold(SlotSet::new(), |all, peer| all.union(&peer.slots));
    if !lost.is_empty() {
        lines.extend(take(first, &lost));
    }
    lines
}

fn meet_all(world: &World) -> Vec<Line> {
    let up = reached(world);
    let Some(first) = up.first().copied() else { return Vec::new() };
    let meet = |n: usize| {
        let ip = crate::view::ip(world.nodes[n].addr);
        line(first, &format!("CLUSTER MEET {ip} {} {}", crate::view::PORT, crate::view::BUS_PORT))
    };
    up.into_iter().skip(1).map(meet).collect()
}

/// Replicas that answer and whose primary does not.
fn orphans(world: &World) -> Vec<usize> {
    let up = reached(world);
    let alone = |n: &usize| {
        let primary = world.nodes[*n].primary;
        primary.is_some_and(|id| !up.iter().any(|other| world.nodes[*other].id == id))
    };
    up.iter().copied().filter(alone).collect()
}

fn replicate_last(world: &World) -> Vec<Line> {
    let Some(other) = primaries(world).into_iter().next() else { return Vec::new() };
    let follow = format!("CLUSTER REPLICATE {}", id(world, other));
    orphans(world).into_iter().map(|n| line(n, &follow)).collect()
}

fn flush_strangers(world: &World) -> Vec<Line> {
    let up = reached(world);
    let unknown = |n: &usize| {
        let own = world.nodes[*n].id;
        !up.iter().any(|other| world.nodes[*other].peer(own).is_some())
    };
    let strangers = up.iter().copied().filter(unknown);
    strangers.flat_map(|n| [line(n, "FLUSHALL"), line(n, "CLUSTER RESET HARD")]).collect()
}

fn wipe_primaries(world: &World) -> Vec<Line> {
    let up = reached(world);
    let lags =
        up.iter().filter(|n| world.nodes[**n].primary.is_some() && !world.nodes[**n].link_up);
    let primaries = lags.filter_map(|n| {
        let primary = world.nodes[*n].primary?;
        up.iter().copied().find(|other| world.nodes[*other].id == primary)
    });
    let primaries: BTreeSet<usize> = primaries.collect();
    primaries
        .into_iter()
        .flat_map(|n| [line(n, "FLUSHALL"), line(n, "CLUSTER RESET HARD")])
        .collect()
}
