//! The whole way: look, judge, plan, act, and again, until it is over.

use std::io;
use std::time::{Duration, Instant};

use slotwright_core::diagnose::{Report, diagnose};
use slotwright_core::drive::{Decision, End, Outcome, Rounds};
use slotwright_core::journal::Entry;
use slotwright_core::observation::Observation;
use slotwright_core::plan::{Plan, Planning, Policy};

use super::{ActToken, JournalFile, Stop, carry_out};
use crate::observe::{Trusted, observe_and_trust};
use crate::target::{Limits, Target};

/// Who is asked, and told, while a cluster is being recovered.
pub trait Attendant: Send {
    /// The next round. `None`: the user does not want it.
    fn agree(
        &mut self,
        seen: &Observation,
        report: &Report,
        planning: &Planning,
    ) -> Option<ActToken>;

    /// An entry of the journal is on disk.
    fn recorded(&mut self, plan: &Plan, entry: &Entry);

    /// Nothing is done, because the servers are at it.
    fn waits(&mut self, why: &str);
}

/// How a recovery ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Recovered {
    /// By itself: healthy, or stuck with reasons.
    Over(Outcome),
    /// The user did not agree to a round.
    Declined,
    /// The user stopped it.
    Stopped,
}

/// A recovery that is over.
#[derive(Clone, Debug)]
pub struct Recovery {
    /// How it ended.
    pub ended: Recovered,
    /// Rounds in which something was sent.
    pub rounds: u32,
    /// The last look.
    pub last: Observation,
    /// What was judged of it.
    pub report: Report,
}

/// Recovers a cluster. Looks with a census: where keys are decides where slots belong.
///
/// # Errors
/// When the journal cannot be written.
pub async fn recover(
    target: &Target,
    limits: &Limits,
    policy: &Policy,
    journal: &mut JournalFile,
    stop: &Stop,
    attendant: &mut dyn Attendant,
) -> io::Result<Recovery> {
    let mut target = target.clone();
    target.census = true;
    let begun = Instant::now();
    let now_ms = || u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX);
    let mut rounds = Rounds::new(policy.clone());
    loop {
        let (last, trusted) = observe_and_trust(&target, limits).await;
        // Who is forgotten between two rounds is in no table of the next look.
        let answers = last.sightings.iter().filter(|sighting| sighting.myid.get().is_some());
        target.known.extend(answers.map(|sighting| sighting.from.clone()));
        let report = diagnose(&last);
        let ended = match rounds.decide(now_ms(), &last, &report) {
            _ if stop.is_asked() => Some(Recovered::Stopped),
            Decision::Finished(outcome) => Some(Recovered::Over(outcome)),
            Decision::LookAgain { in_ms, why } => {
                attendant.waits(&why);
                tokio::time::sleep(Duration::from_millis(in_ms)).await;
                None
            }
            Decision::Act(planning) => match attendant.agree(&last, &report, &planning) {
                None => Some(Recovered::Declined),
                Some(token) => {
                    let within = (limits, &trusted);
                    let mut round = Round { target: &target, within, journal, stop, attendant };
                    let (sent, end) = round.act(planning.plan, &token).await?;
                    rounds.has_acted(now_ms(), sent, &end);
                    matches!(end, End::Interrupted { .. }).then_some(Recovered::Stopped)
                }
            },
        };
        if let Some(ended) = ended {
            return Ok(Recovery { ended, rounds: rounds.acted(), last, report });
        }
    }
}

/// One round of acting, with all that it needs.
struct Round<'a> {
    target: &'a Target,
    within: (&'a Limits, &'a Trusted),
    journal: &'a mut JournalFile,
    stop: &'a Stop,
    attendant: &'a mut dyn Attendant,
}

impl Round<'_> {
    /// Writes the plan down and carries it out: how many steps were begun, and how it ended.
    async fn act(&mut self, plan: Plan, token: &ActToken) -> io::Result<(usize, End)> {
        let entry = Entry::Planned { plan: Box::new(plan.clone()) };
        self.journal.append(&entry)?;
        self.attendant.recorded(&plan, &entry);
        let mut sent = 0;
        let mut tell = |plan: &Plan, entry: &Entry| {
            sent += usize::from(matches!(entry, Entry::StepBegun { .. }));
            self.attendant.recorded(plan, entry);
        };
        let Self { target, within, stop, .. } = self;
        let end = carry_out(target, *within, plan, token, self.journal, stop, &mut tell).await?;
        Ok((sent, end))
    }
}
