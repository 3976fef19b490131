//! Plans that are wrong: the right commands at the wrong node, in the wrong order, too few of them.

use std::collections::BTreeMap;

use slotwright_core::diagnose::Risk;
use slotwright_core::model::{Endpoint, Flag, NodeId};
use slotwright_core::observation::{NodeRow, Observation, Picture};
use slotwright_core::plan::{
    Change, FORMAT, Fact, Failover, Holds, Plan, Planning, SlotState, Step, stamp,
};

use super::Bug;

pub(super) fn spoil(bug: Bug, mut plan: Plan, seen: &Observation) -> Plan {
    let ids: Vec<NodeId> = plan.nodes.keys().copied().collect();
    if bug == Bug::OtherCluster {
        shift_addresses(&mut plan);
    }
    let nodes = plan.nodes.clone();
    let steps = &mut plan.steps;
    match bug {
        Bug::NoGuards | Bug::StaleLook | Bug::MixedCensus | Bug::EmptyCensus | Bug::OneView => {
            steps.iter_mut().for_each(|step| step.guard.clear());
        }
        Bug::NoExpectations | Bug::OtherCluster | Bug::RefusalIsFine => loosen(steps),
        Bug::Backwards => {
            steps.reverse();
            loosen(steps);
        }
        Bug::ForgetOnOne => {
            let seed = seen.sightings.iter().find_map(|sighting| sighting.myid.get().copied());
            steps.retain(|step| !is_forget(step) || Some(step.on) == seed);
        }
        Bug::ForgetFirst => {
            steps.sort_by_key(|step| !is_forget(step));
            loosen(steps);
        }
        Bug::SourceFirst => {
            steps.sort_by_key(|step| !gives_away(step));
            loosen(steps);
        }
        Bug::NoKeysMoved => leave_out(steps, |s| matches!(s.change, Change::MoveKeys { .. })),
        Bug::NoMarks => leave_out(steps, is_mark),
        Bug::SkipTarget => leave_out(steps, takes),
        Bug::EqualIsNewer => leave_out(steps, |s| matches!(s.change, Change::BumpEpoch)),
        Bug::HalfOfIt => steps.truncate(steps.len().div_ceil(2)),
        Bug::BumpByAll => tell_all(steps, &ids, &Change::BumpEpoch),
        Bug::TakeoverByAll => {
            tell_all(steps, &ids, &Change::Failover { how: Failover::Takeover });
        }
        Bug::TakeoverLive => {
            let replica = replica_of_the_living(seen, &ids);
            tell_all(steps, &replica, &Change::Failover { how: Failover::Takeover });
        }
        Bug::MeetsOld => mistake(bug, steps, &ids, seen),
        Bug::WrongOwner | Bug::WrongPrimary => {
            mistake(bug, steps, &ids, seen);
            loosen(steps);
        }
        Bug::DelSlotsWrong => delete_at_owners(steps, &ids),
        Bug::StableBoth => make_stable(steps),
        Bug::MoveBackwards => move_back(steps, &nodes),
        _ => {}
    }
    plan
}

/// The right command, with another node in it.
fn mistake(bug: Bug, steps: &mut [Step], ids: &[NodeId], seen: &Observation) {
    let old = seen.rows.as_slice().first().map(|row| row.address.ip.clone());
    for step in steps {
        let on = step.on;
        let other = |not: NodeId| ids.iter().copied().find(|id| *id != on && *id != not);
        match (bug, &mut step.change) {
            (Bug::WrongOwner, Change::AddSlots { .. }) => {
                step.on = other(on).unwrap_or(on);
            }
            (Bug::WrongPrimary, Change::Replicate { primary }) => {
                *primary = other(*primary).unwrap_or(*primary);
            }
            (Bug::MeetsOld, Change::Meet { ip, .. }) => {
                if let Some(old) = &old {
                    ip.clone_from(old);
                }
            }
            _ => {}
        }
    }
}

/// Each id is dialled where the next one is.
fn shift_addresses(plan: &mut Plan) {
    let mut places: Vec<Endpoint> = plan.nodes.values().cloned().collect();
    if !places.is_empty() {
        places.rotate_left(1);
    }
    for (at, place) in plan.nodes.values_mut().zip(places) {
        *at = place;
    }
}

/// The slots that are at stake are dropped everywhere else first.
fn delete_at_owners(steps: &mut Vec<Step>, ids: &[NodeId]) {
    let at_stake = steps.iter().find_map(|step| match &step.change {
        Change::AddSlots { slots, .. } | Change::SetSlots { slots, .. } => {
            Some((step.on, slots.clone()))
        }
        _ => None,
    });
    let Some((on, slots)) = at_stake else { return };
    let others: Vec<NodeId> = ids.iter().copied().filter(|id| *id != on).collect();
    tell_all(steps, &others, &Change::DelSlots { slots, ranges: true });
    loosen(steps);
}

fn make_stable(steps: &mut Vec<Step>) {
    leave_out(steps, |step| matches!(step.change, Change::MoveKeys { .. }));
    for step in steps {
        if let Change::SetSlots { slots, to } = &mut step.change {
            *to = SlotState::Stable;
            let holds = Holds::Open { slots: slots.clone(), state: SlotState::Stable };
            step.expect = vec![Fact::new(step.on, holds)];
        }
    }
}

fn move_back(steps: &mut [Step], nodes: &BTreeMap<NodeId, Endpoint>) {
    loosen(steps);
    for step in steps {
        let on = step.on;
        if let Change::MoveKeys { to, at, .. } = &mut step.change
            && let Some(own) = nodes.get(&on)
        {
            step.on = *to;
            *to = on;
            *at = own.clone();
        }
    }
}

/// Each node is told something, before anything else.
fn tell_all(steps: &mut Vec<Step>, ids: &[NodeId], change: &Change) {
    let Some(template) = steps.first().cloned() else { return };
    let more = ids.iter().map(|id| told(&template, *id, change));
    steps.splice(0..0, more.collect::<Vec<_>>());
}

/// It never holds before, so that the step is sent, and is not waited for.
fn told(template: &Step, on: NodeId, change: &Change) -> Step {
    Step {
        on,
        change: change.clone(),
        risk: Risk::Reversible,
        guard: Vec::new(),
        expect: vec![Fact::new(on, Holds::EpochAtLeast { epoch: u64::MAX })],
        within_ms: 0,
        ..template.clone()
    }
}

/// A replica whose primary answers.
fn replica_of_the_living(seen: &Observation, ids: &[NodeId]) -> Vec<NodeId> {
    let picture = Picture::new(seen);
    let follows = |id: &&NodeId| {
        let primary = picture.own_row(**id).and_then(|row| row.primary);
        primary.is_some_and(|primary| picture.proved(primary).is_some())
    };
    ids.iter().find(follows).copied().into_iter().collect()
}

/// Every replica of a failing primary takes over, now.
pub(super) fn takeover_now(seen: &Observation) -> Option<Box<Planning>> {
    let picture = Picture::new(seen);
    let stands = |row: &&NodeRow| {
        row.flags.has(Flag::Myself) && row.primary.is_some_and(|id| picture.proved(id).is_none())
    };
    let rows = seen.rows.as_slice();
    let nodes: BTreeMap<NodeId, Endpoint> = rows
        .iter()
        .filter(stands)
        .filter_map(|row| Some((row.id, picture.proved(row.id)?.from.clone())))
        .collect();
    let steps = nodes.keys().map(|on| Step {
        mends: "SHARD_DOWN".to_owned(),
        on: *on,
        change: Change::Failover { how: Failover::Takeover },
        risk: Risk::Reversible,
        why: "the primary does not answer".to_owned(),
        guard: Vec::new(),
        expect: vec![Fact::new(*on, Holds::IsPrimary)],
        within_ms: 5_000,
        stage: 0,
    });
    let steps: Vec<Step> = steps.collect();
    let tool = env!("CARGO_PKG_VERSION").to_owned();
    (!steps.is_empty()).then(|| {
        Box::new(Planning {
            plan: Plan {
                format: FORMAT,
                tool,
                parent: stamp(seen),
                nodes,
                steps,
                loss: Vec::new(),
                census: Vec::new(),
            },
            refusals: Vec::new(),
            waiting: Vec::new(),
            later: Vec::new(),
        })
    })
}

fn leave_out(steps: &mut Vec<Step>, what: fn(&Step) -> bool) {
    steps.retain(|step| !what(step));
    loosen(steps);
}

fn is_mark(step: &Step) -> bool {
    let Change::SetSlots { to, .. } = step.change else { return false };
    matches!(to, SlotState::Importing(_) | SlotState::Migrating(_))
}

fn gives_away(step: &Step) -> bool {
    matches!(step.change, Change::SetSlots { to: SlotState::Node(to), .. } if to != step.on)
}

/// A node is told that slots are its own.
fn takes(step: &Step) -> bool {
    matches!(step.change, Change::SetSlots { to: SlotState::Node(to), .. } if to == step.on)
}

fn is_forget(step: &Step) -> bool {
    matches!(step.change, Change::Forget { .. })
}

/// Without guards, and in one stage: the drive sends what it is given.
fn loosen(steps: &mut [Step]) {
    for step in steps {
        step.guard.clear();
        step.stage = 0;
    }
}
