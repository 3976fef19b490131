//! An atomic slot migration is under way.

use std::collections::BTreeMap;

use super::counted::brief;
use super::jobs::{self, Job};
use crate::diagnose::{ByHand, Evidence, Finding, Risk, Sink, Subject};
use crate::model::{NodeId, SlotSet};
use crate::observation::Picture;
use crate::scenario::{Scenario, Server, Until};

finding! {
    /// ## What it means
    /// The servers are moving slots between two primaries by themselves. Nothing is wrong; key
    /// counts of these slots say little until it is done, and other changes of slots have to wait.
    ///
    /// ## How it comes about
    /// `CLUSTER MIGRATESLOTS` (Valkey since 9.0) or `CLUSTER MIGRATION IMPORT` (Redis since 8.4),
    /// sent by an operator or a tool that reshards.
    ///
    /// ## What we look at
    /// `CLUSTER GETSLOTMIGRATIONS` and `CLUSTER MIGRATION STATUS ALL`: a job whose state is not a
    /// last one, and that was heard of within a minute. *Near it:* a job that does not get on
    /// (ASM_STUCK_OR_FAILED); slots that are moved by hand (SLOT_OPEN).
    ///
    /// ## The repair
    /// None is needed.
    ///
    /// ## Repair safety
    /// A job that is cancelled is rolled back; keys stay where they were.
    ///
    /// ## By hand
    /// Ask again until the state is `success` (Valkey) or `completed` (Redis).
    pub struct MigrationRunning {
        slots: SlotSet, source: Option<NodeId>, target: Option<NodeId>, state: String,
    }
    group: Operations, severity: Info, after: [AsmStuckOrFailed],
    obstacle: "a migration is under way and ends by itself: it is left alone",
    since: "0.1",
}

impl Finding for MigrationRunning {
    fn detect(seen: &Picture<'_>, out: &mut Sink<Self>) {
        let mut running: BTreeMap<String, Vec<Job<'_>>> = BTreeMap::new();
        for job in jobs::all(seen) {
            let lively = job.quiet_for_s().is_none_or(|quiet| quiet <= super::jobs::QUIET_S);
            if job.is_under_way() && lively {
                running.entry(job.name.to_owned()).or_default().push(job);
            }
        }
        for ends in running.values() {
            let Some(job) = ends.first() else { continue };
            let evidence: Vec<Evidence> = ends
                .iter()
                .map(|end| {
                    let says = format!("migration of slots {} is {}", brief(&end.slots), end.state);
                    Evidence::first_hand(end.sighting, says)
                })
                .collect();
            let subject = Subject::nodes(job.source.into_iter().chain(job.target))
                .with_slots(job.slots.clone());
            let finding = Self {
                slots: job.slots.clone(),
                source: job.source,
                target: job.target,
                state: job.state.to_owned(),
            };
            out.push(finding, subject, evidence);
        }
    }

    fn message(&self, seen: &Picture<'_>) -> String {
        let name = |id: Option<NodeId>| id.map_or_else(|| "?".to_owned(), |id| seen.name(id));
        format!(
            "the servers are moving slots {} ({}) from {} to {}",
            brief(&self.slots),
            self.state,
            name(self.source),
            name(self.target)
        )
    }

    fn by_hand(&self, seen: &Picture<'_>) -> ByHand {
        ByHand::of(Risk::ReadOnly)
            .command(
                self.source.and_then(|id| seen.endpoint(id)),
                jobs::question(seen, self.source),
            )
            .never("SETSLOT on these slots while the job runs")
    }

    fn scenario() -> Scenario {
        Scenario::of(3, 0)
            .keys(300)
            .send(0, "DEBUG SLOTMIGRATION PREVENT-PAUSE 1")
            .send(0, "CLUSTER MIGRATESLOTS SLOTSRANGE 0 5 NODE {id2}")
            .wait(Until::Answers(
                0,
                "CLUSTER GETSLOTMIGRATIONS".to_owned(),
                "waiting-to-pause".to_owned(),
            ))
            .not_on(Server::Redis70, jobs::NO_SUCH_THING)
            .not_on(Server::Redis82, jobs::NO_SUCH_THING)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnose::Severity;
    use crate::observation::sketch::Sketch;

    #[test]
    fn a_job_under_way_is_told_once_for_both_ends() {
        let mut sketch = Sketch::healthy(3, 0);
        jobs::tests::job(&mut sketch, 0, "streaming", 1);
        jobs::tests::job(&mut sketch, 2, "receiving-snapshot", 1);
        let found = sketch.detect::<MigrationRunning>(&ENTRY);
        assert_eq!(found.len(), 1, "{found:#?}");
        assert_eq!(found[0].severity, Severity::Info);
        assert_eq!(found[0].evidence.len(), 2);
    }

    #[test]
    fn a_job_that_is_done_or_quiet_is_not_running() {
        let mut sketch = Sketch::healthy(3, 0);
        jobs::tests::job(&mut sketch, 0, "success", 1);
        assert_eq!(sketch.detect::<MigrationRunning>(&ENTRY), []);
        jobs::tests::job(&mut sketch, 0, "streaming", 600);
        assert_eq!(sketch.detect::<MigrationRunning>(&ENTRY), []);
    }
}
