//! Known-bad behaviours, to try whether the checkers notice them.

use slotwright_core::drive::Reply;
use slotwright_core::model::NodeId;
use slotwright_core::observation::Observation;
use slotwright_core::plan::{Change, Fact, Failover, Holds, Plan, SlotState, Step};

use crate::world::World;

/// A way to behave badly.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Bug {
    /// FLUSHALL before anything else, as operators do before `--cluster create`.
    FlushFirst,
    /// No step is guarded.
    NoGuards,
    /// Nothing is waited for.
    NoExpectations,
    /// The steps in the contrary order.
    Backwards,
    /// A refusal counts as agreement.
    RefusalIsFine,
    /// No answer counts as a refusal.
    SilenceIsRefusal,
    /// FORGET goes to one node only.
    ForgetOnOne,
    /// FORGET comes before MEET.
    ForgetFirst,
    /// Slots go to another node than the one that has their keys.
    WrongOwner,
    /// The source is told of the new owner before its keys have gone.
    SourceFirst,
    /// The keys stay where they are.
    NoKeysMoved,
    /// Slots are taken as they are, without the marks of a move.
    NoMarks,
    /// Every replica takes over.
    TakeoverByAll,
    /// Every claim is raised above all others.
    BumpByAll,
    /// MEET goes to the address in the table, not to where the node is.
    MeetsOld,
    /// Steps are sent, and none of the last half.
    HalfOfIt,
    /// A replica is told to follow another primary.
    WrongPrimary,
    /// The epoch is never raised.
    NoBump,
}

impl Bug {
    /// All of them.
    pub const ALL: [Self; 18] = [
        Self::FlushFirst,
        Self::NoGuards,
        Self::NoExpectations,
        Self::Backwards,
        Self::RefusalIsFine,
        Self::SilenceIsRefusal,
        Self::ForgetOnOne,
        Self::ForgetFirst,
        Self::WrongOwner,
        Self::SourceFirst,
        Self::NoKeysMoved,
        Self::NoMarks,
        Self::TakeoverByAll,
        Self::BumpByAll,
        Self::MeetsOld,
        Self::HalfOfIt,
        Self::WrongPrimary,
        Self::NoBump,
    ];

    pub(crate) fn act_before(self, world: &mut World) {
        if self == Self::FlushFirst {
            let words = ["FLUSHALL".to_owned()];
            for n in (0..world.nodes.len()).filter(|n| world.is_reached(*n)).collect::<Vec<_>>() {
                // Never refused.
                let _done = world.command(n, &words);
            }
        }
    }

    pub(crate) fn spoil_reply(self, reply: Reply) -> Reply {
        match (self, reply) {
            (Self::RefusalIsFine, Reply::Refused(_)) => Reply::Accepted,
            (Self::SilenceIsRefusal, Reply::Unknown(why)) => Reply::Refused(why),
            (_, reply) => reply,
        }
    }

    pub(crate) fn spoil_plan(self, mut plan: Plan, seen: &Observation) -> Plan {
        let ids: Vec<NodeId> = plan.nodes.keys().copied().collect();
        let steps = &mut plan.steps;
        match self {
            Self::NoGuards => steps.iter_mut().for_each(|step| step.guard.clear()),
            Self::NoExpectations => steps.iter_mut().for_each(|step| step.expect.truncate(1)),
            Self::Backwards => {
                steps.reverse();
                loosen(steps);
            }
            Self::ForgetOnOne => {
                let mut first = true;
                steps.retain(|step| !is_forget(step) || std::mem::take(&mut first));
            }
            Self::ForgetFirst => {
                steps.sort_by_key(|step| !is_forget(step));
                loosen(steps);
            }
            Self::SourceFirst => {
                steps.sort_by_key(|step| !gives_away(step));
                loosen(steps);
            }
            Self::NoKeysMoved => {
                leave_out(steps, |step| matches!(step.change, Change::MoveKeys { .. }));
            }
            Self::NoMarks => leave_out(steps, is_mark),
            Self::NoBump => leave_out(steps, |step| matches!(step.change, Change::BumpEpoch)),
            Self::HalfOfIt => steps.truncate(steps.len().div_ceil(2)),
            Self::BumpByAll => tell_all(steps, &ids, &Change::BumpEpoch),
            Self::TakeoverByAll => {
                tell_all(steps, &ids, &Change::Failover { how: Failover::Takeover });
            }
            Self::WrongOwner | Self::WrongPrimary | Self::MeetsOld => {
                self.mistake(steps, &ids, seen);
                loosen(steps);
            }
            Self::FlushFirst | Self::RefusalIsFine | Self::SilenceIsRefusal => {}
        }
        plan
    }

    /// The right command, with another node in it.
    fn mistake(self, steps: &mut [Step], ids: &[NodeId], seen: &Observation) {
        let old = seen.rows.as_slice().first().map(|row| row.address.ip.clone());
        for step in steps {
            let on = step.on;
            let other = |not: NodeId| ids.iter().copied().find(|id| *id != on && *id != not);
            match (self, &mut step.change) {
                (Self::WrongOwner, Change::AddSlots { .. }) => {
                    step.on = other(on).unwrap_or(on);
                }
                (Self::WrongPrimary, Change::Replicate { primary }) => {
                    *primary = other(*primary).unwrap_or(*primary);
                }
                (Self::MeetsOld, Change::Meet { ip, .. }) => {
                    if let Some(old) = &old {
                        ip.clone_from(old);
                    }
                }
                _ => {}
            }
        }
    }
}

/// Each node is told something, before anything else.
fn tell_all(steps: &mut Vec<Step>, ids: &[NodeId], change: &Change) {
    let Some(template) = steps.first().cloned() else { return };
    let more = ids.iter().map(|id| Step {
        on: *id,
        change: change.clone(),
        guard: Vec::new(),
        // It never holds before, so that the step is sent, and is not waited for.
        expect: vec![Fact::new(*id, Holds::EpochAtLeast { epoch: u64::MAX })],
        within_ms: 0,
        ..template.clone()
    });
    steps.splice(0..0, more.collect::<Vec<_>>());
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
