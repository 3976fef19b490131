//! Carrying out a plan, as a state machine without IO.
//!
//! The shell does what [`Drive::next`] says, and reports what came of it. A drive can only look,
//! record, send a step whose guard holds at that moment, wait, and stop. It never repeats a step
//! and never chooses another: what it did not expect ends it, and the cluster is looked at anew.
//! An answer that did not come is an outcome of its own, and the only thing allowed after it is to
//! look.

mod rounds;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;

pub use rounds::{Decision, Outcome, Rounds};

use crate::journal::{Ended, Entry};
use crate::model::{NodeId, SlotSet};
use crate::observation::Observation;
use crate::plan::{Change, Differing, Fact, Plan, Step};

/// Until an expectation is read again, in milliseconds. A server answers in far less, and a
/// handshake takes about as long.
pub const LOOK_EVERY_MS: u64 = 50;

/// How old a guard may be when its step is sent, in milliseconds, since it was asked for. Between
/// the two are the answers and one line on disk; a guard that is older is read again, right before
/// the step, for others may mend meanwhile.
pub const GUARD_FRESH_MS: u64 = 50;

/// How old a guard that was read again may be, in milliseconds. Whoever takes longer for that was
/// stopped, or its machine slept.
pub const GUARD_HOLDS_MS: u64 = 1_000;

/// What the shell does next.
#[derive(Clone, PartialEq, Debug)]
pub enum Next {
    /// Ask these nodes for their id, table, state and `INFO`, and for the keys in these slots.
    Look {
        /// Whom.
        nodes: BTreeSet<NodeId>,
        /// Which slots are counted.
        slots: SlotSet,
        /// Whether settings and function libraries are needed as well.
        settings: bool,
    },
    /// Write this to the journal and make sure that it is on disk.
    Record(Entry),
    /// Send the change of this step of the plan.
    Send(usize),
    /// Do nothing for so many milliseconds.
    Pause(u64),
    /// It is over.
    Stop(End),
}

/// What came of it.
#[derive(Clone, PartialEq, Debug)]
pub enum Event {
    /// The look.
    Looked(Observation),
    /// The journal has it.
    Recorded,
    /// The step was sent.
    Sent(Reply),
    /// The pause is over.
    Paused,
}

/// What a server said to a change.
#[derive(Clone, PartialEq, Eq, Debug, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reply {
    /// It agreed. Whether it has done it is seen, not believed.
    Accepted,
    /// It refused, and how. Nothing was done.
    Refused(String),
    /// No reply came: it may have been done or not.
    Unknown(String),
    /// Keys were moved, all but these: the receiver has them with other values, and both stay.
    Differ {
        /// How many.
        count: u64,
        /// The names of the first of them.
        names: Vec<String>,
    },
}

/// Why a drive is over.
#[derive(Clone, PartialEq, Eq, Debug, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum End {
    /// Every step has been done, and seen.
    Done,
    /// Something is not as it was when the plan was made.
    Changed {
        /// The number of the step.
        step: usize,
        /// What does not hold.
        fact: String,
    },
    /// A node did not say what must be known before a step.
    Blind {
        /// The number of the step.
        step: usize,
        /// What could not be told.
        fact: String,
    },
    /// A server refused.
    Refused {
        /// The number of the step.
        step: usize,
        /// Its words.
        reply: String,
    },
    /// A step was sent, and what it should bring about did not come in time.
    NotSeen {
        /// The number of the step.
        step: usize,
        /// What did not come.
        fact: String,
    },
    /// Every step was sent, and some keys stay where they are: another node has them with other
    /// values.
    Differ {
        /// Which.
        keys: Vec<Differing>,
    },
    /// The user wanted it to stop.
    Interrupted {
        /// The number of the step that was not begun.
        step: usize,
    },
}

/// Where a drive is.
#[derive(Clone, PartialEq, Eq, Debug)]
enum Phase {
    /// Before the guard of a step is read.
    Guard,
    /// The look for it is under way.
    Guarding,
    /// The step is being recorded, to be sent then.
    Announcing,
    /// It is on record, and its guard is to be read again.
    Stale,
    /// The look for that is under way.
    Rereading,
    /// It was sent.
    Sending,
    /// What was said to it is being recorded; a refusal ends the drive.
    Replied(Option<End>),
    /// What the steps of this stage expect is waited for.
    Await,
    /// The look for it is under way.
    Awaiting,
    /// The end of a step is being recorded.
    Closing,
    /// Over.
    Over(End),
}

/// A plan on its way.
#[derive(Clone, Debug)]
pub struct Drive {
    plan: Plan,
    /// The step that is next.
    at: usize,
    phase: Phase,
    /// When the guard of the step at hand was asked for.
    guarded_ms: u64,
    /// Steps of this stage that were sent and whose expectation has not been seen, with the time
    /// until when it must have come.
    open: Vec<(usize, u64)>,
    /// Ends of steps that must be recorded before anything else.
    to_record: Vec<Entry>,
    /// Keys that stay where they are.
    differing: Vec<Differing>,
    interrupted: bool,
}

impl Drive {
    /// At the beginning of a plan.
    pub const fn new(plan: Plan) -> Self {
        Self {
            plan,
            at: 0,
            phase: Phase::Guard,
            guarded_ms: 0,
            open: Vec::new(),
            to_record: Vec::new(),
            differing: Vec::new(),
            interrupted: false,
        }
    }

    /// The plan.
    pub const fn plan(&self) -> &Plan {
        &self.plan
    }

    /// Stop at the end of the step that is under way.
    pub const fn interrupt(&mut self) {
        self.interrupted = true;
    }

    /// What to do now. `event` is what came of the last answer, `None` at the beginning. `now_ms`
    /// only ever grows; where it begins does not matter.
    pub fn next(&mut self, now_ms: u64, event: Option<Event>) -> Next {
        if let Some(event) = event {
            self.take(now_ms, event);
        }
        if let Some(entry) = self.to_record.pop() {
            return Next::Record(entry);
        }
        match self.phase.clone() {
            Phase::Over(end) => Next::Stop(end),
            Phase::Announcing => Next::Record(Entry::StepBegun { step: self.at }),
            Phase::Sending => Next::Send(self.at),
            Phase::Replied(_) | Phase::Closing => self.go_on(now_ms),
            Phase::Guard | Phase::Guarding => self.guard(now_ms),
            Phase::Stale | Phase::Rereading => self.reread(now_ms),
            Phase::Await => self.look_for_the_open(now_ms),
            Phase::Awaiting => Next::Pause(LOOK_EVERY_MS),
        }
    }

    /// Takes in what came of the last answer.
    fn take(&mut self, now_ms: u64, event: Event) {
        match (self.phase.clone(), event) {
            (Phase::Guarding, Event::Looked(seen)) => self.judge_guard(&seen),
            (Phase::Rereading, Event::Looked(seen)) => self.judge_again(now_ms, &seen),
            (Phase::Announcing, Event::Recorded) => self.announced(now_ms),
            (Phase::Sending, Event::Sent(reply)) => self.sent(now_ms, reply),
            (Phase::Awaiting, Event::Looked(seen)) => self.judge_open(now_ms, &seen),
            (Phase::Awaiting, Event::Paused) => self.phase = Phase::Await,
            // Records of ends; what was recorded is what `next` handed out.
            _ => {}
        }
    }

    fn step(&self) -> Option<&Step> {
        self.plan.steps.get(self.at)
    }

    fn guard(&mut self, now_ms: u64) -> Next {
        if self.interrupted {
            return self.stop(End::Interrupted { step: self.at });
        }
        let Some(step) = self.step() else { return self.stop(End::Done) };
        let next = look_for(step.guard.iter().chain(&step.expect));
        self.phase = Phase::Guarding;
        self.guarded_ms = now_ms;
        next
    }

    /// Asks those only of whom the guard tells: who must show the outcome may be slow.
    fn reread(&mut self, now_ms: u64) -> Next {
        let Some(step) = self.step() else { return self.stop(End::Done) };
        let next = look_for(step.guard.iter());
        self.phase = Phase::Rereading;
        self.guarded_ms = now_ms;
        next
    }

    fn judge_guard(&mut self, seen: &Observation) {
        let Some(step) = self.plan.steps.get(self.at) else { return };
        if step.expect.iter().all(|fact| fact.judge(seen) == Some(true)) {
            self.to_record.push(Entry::StepEnded { step: self.at, ended: Ended::AlreadySo });
            self.advance();
            return;
        }
        match self.guard_fails(step, seen) {
            Some(end) => self.over(end),
            None => self.phase = Phase::Announcing,
        }
    }

    /// Why the guard of the step at hand forbids it.
    fn guard_fails(&self, step: &Step, seen: &Observation) -> Option<End> {
        let number = self.at;
        step.guard.iter().find_map(|fact| match fact.judge(seen) {
            Some(true) => None,
            Some(false) => Some(End::Changed { step: number, fact: fact.to_string() }),
            None => Some(End::Blind { step: number, fact: fact.to_string() }),
        })
    }

    /// A step is on record, and is sent if its guard was read just now.
    fn announced(&mut self, now_ms: u64) {
        let fresh = now_ms.saturating_sub(self.guarded_ms) <= GUARD_FRESH_MS;
        self.phase = if fresh { Phase::Sending } else { Phase::Stale };
    }

    /// A step that is on record is sent if its guard still holds.
    fn judge_again(&mut self, now_ms: u64, seen: &Observation) {
        let Some(step) = self.plan.steps.get(self.at) else { return };
        let number = self.at;
        let nothing_sent = |why: &str| {
            let reply = Reply::Refused(format!("nothing was sent: {why}"));
            Entry::StepReplied { step: number, reply }
        };
        if step.expect.iter().all(|fact| fact.judge(seen) == Some(true)) {
            // Popped from the end.
            self.to_record.push(Entry::StepEnded { step: number, ended: Ended::AlreadySo });
            self.to_record.push(nothing_sent("it is so already"));
            self.advance();
            return;
        }
        let age_ms = now_ms.saturating_sub(self.guarded_ms);
        let stood_still = || {
            let fact = format!("this run stood still for {age_ms} ms before it could send");
            End::Changed { step: number, fact }
        };
        let late = (age_ms > GUARD_HOLDS_MS).then(stood_still);
        let Some(end) = late.or_else(|| self.guard_fails(step, seen)) else {
            self.phase = Phase::Sending;
            return;
        };
        let (End::Changed { fact, .. } | End::Blind { fact, .. }) = &end else { return };
        self.to_record.push(nothing_sent(fact));
        self.over(end);
    }

    fn sent(&mut self, now_ms: u64, reply: Reply) {
        let Some(step) = self.plan.steps.get(self.at) else { return };
        let until = now_ms.saturating_add(step.within_ms);
        let step = self.at;
        self.to_record.push(Entry::StepReplied { step, reply: reply.clone() });
        self.phase = match reply {
            Reply::Refused(reply) => Phase::Replied(Some(End::Refused { step, reply })),
            // What it should bring about cannot come: the other steps go on without it.
            Reply::Differ { count, names } => {
                self.differs(step, count, names);
                Phase::Replied(None)
            }
            Reply::Accepted | Reply::Unknown(_) => {
                self.open.push((step, until));
                Phase::Replied(None)
            }
        };
    }

    fn differs(&mut self, step: usize, count: u64, names: Vec<String>) {
        let Some(Step { on: holder, change, .. }) = self.plan.steps.get(step) else { return };
        if let Change::MoveKeys { slot, to: owner, .. } = change {
            let (holder, owner, slot) = (*holder, *owner, *slot);
            self.differing.push(Differing { holder, owner, slot, count, names });
        }
    }

    /// After a record: on to the next step of the stage, or to what the stage expects.
    fn go_on(&mut self, now_ms: u64) -> Next {
        match self.phase.clone() {
            Phase::Replied(Some(end)) => self.stop(end),
            Phase::Replied(None) => {
                self.advance();
                self.next(now_ms, None)
            }
            _ => {
                self.phase = if self.open.is_empty() { Phase::Guard } else { Phase::Await };
                self.next(now_ms, None)
            }
        }
    }

    /// The step at hand is behind us: the next one of its stage, or the end of the stage.
    fn advance(&mut self) {
        let stage = self.step().map(|step| step.stage);
        self.at += 1;
        let same_stage = self.step().map(|step| step.stage) == stage && !self.interrupted;
        self.phase = if same_stage || self.open.is_empty() { Phase::Guard } else { Phase::Await };
    }

    fn look_for_the_open(&mut self, _now_ms: u64) -> Next {
        let steps = self.open.iter().filter_map(|(number, _)| self.plan.steps.get(*number));
        let next = look_for(steps.flat_map(|step| &step.expect));
        self.phase = Phase::Awaiting;
        next
    }

    fn judge_open(&mut self, now_ms: u64, seen: &Observation) {
        let plan = &self.plan;
        let missing = |number: usize| {
            let expect = plan.steps.get(number).map(|step| step.expect.as_slice());
            let facts = expect.unwrap_or_default().iter();
            facts.clone().find(|fact| fact.judge(seen) != Some(true)).map(Fact::to_string)
        };
        let mut late = None;
        let mut still_open = Vec::new();
        for (number, until) in &self.open {
            match missing(*number) {
                None => self.to_record.push(Entry::StepEnded { step: *number, ended: Ended::Seen }),
                Some(fact) if now_ms >= *until => {
                    late.get_or_insert(End::NotSeen { step: *number, fact });
                }
                Some(_) => still_open.push((*number, *until)),
            }
        }
        // Popped from the end: in the order of the steps.
        self.to_record.reverse();
        self.open = still_open;
        if let Some(end) = late {
            if let End::NotSeen { step, fact } = &end {
                let ended = Ended::NotSeen(fact.clone());
                self.to_record.insert(0, Entry::StepEnded { step: *step, ended });
            }
            self.over(end);
        } else if self.open.is_empty() {
            self.phase = Phase::Closing;
        }
    }

    fn over(&mut self, end: End) {
        self.phase = Phase::Over(self.with_what_differs(end));
    }

    fn stop(&mut self, end: End) -> Next {
        let end = self.with_what_differs(end);
        self.phase = Phase::Over(end.clone());
        Next::Stop(end)
    }

    /// That keys differ says more than that the plan is done, and is why a later guard does not
    /// hold: a slot whose keys stay is not handed over.
    fn with_what_differs(&self, end: End) -> End {
        let keys = self.differing.clone();
        match end {
            End::Done | End::Changed { .. } if !keys.is_empty() => End::Differ { keys },
            end => end,
        }
    }
}

fn look_for<'a>(facts: impl Iterator<Item = &'a Fact>) -> Next {
    let mut nodes = BTreeSet::new();
    let mut slots = SlotSet::new();
    let mut settings = false;
    for fact in facts {
        nodes.insert(fact.on);
        if let Some(counted) = fact.counts() {
            slots = slots.union(counted);
        }
        settings |= fact.asks_settings();
    }
    Next::Look { nodes, slots, settings }
}
