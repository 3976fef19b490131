//! An atomic slot migration failed, or does not get on.

use super::counted::brief;
use super::jobs::{self, Job};
use crate::diagnose::{ByHand, Evidence, Finding, Risk, Sink, Subject};
use crate::model::{NodeId, Product, SlotSet};
use crate::observation::Picture;
use crate::scenario::{At, Scenario, Server, Until};

/// A failed job older than this many seconds is history: whoever started it has seen it.
const RECENT_S: u64 = 3_600;

finding! {
    /// ## What it means
    /// The servers were to move slots by themselves and the job failed, or nothing was heard of it
    /// for a minute. The slots stay with the source and are served; a failed job is rolled back.
    /// The rebalance that somebody waits for does not happen.
    ///
    /// ## How it comes about
    /// The link between the two broke or a failover happened at one end (`Connection lost`), slots
    /// were open from a move by hand, more is written than
    /// `slot-migration-max-failover-repl-bytes` (Valkey, default 0) or
    /// `cluster-slot-migration-handoff-max-lag-bytes` (Redis) lets pass, a fork was running, the
    /// replication user may not log in at the target, or the two disagree about the owner. Redis
    /// tries a failed import again for ever (`retries`).
    ///
    /// ## What we look at
    /// `CLUSTER GETSLOTMIGRATIONS` (Valkey since 9.0) and `CLUSTER MIGRATION STATUS ALL` (Redis
    /// since 8.4) at both ends: state `failed` within the last hour with no later job for the same
    /// slots, or a job under way that was not heard of for 60 s, or one with retries and a last
    /// error.
    ///
    /// ## The repair
    /// Read the reason at both ends, remove it, cancel what is left of the job and start it again.
    /// On Valkey cancel at the source; on Redis at the *destination* (at the source it only makes
    /// the destination try again).
    ///
    /// ## Repair safety
    /// Until the handover the source owns every key. If its log says `Write loss risk!` or `Write
    /// pause timeout during slot handoff`, compare the owners first: writes of the last moment may
    /// be gone.
    ///
    /// ## By hand
    /// The printed questions at both ends, then cancel and start again.
    pub struct AsmStuckOrFailed {
        slots: SlotSet, source: Option<NodeId>, target: Option<NodeId>,
        failed: bool, reason: String,
    }
    group: Operations, severity: Warning, after: [SlotOpen, ReplicaAuthFailed],
    obstacle: "a failed migration has left everything with its source, so that nothing is broken; \
               whether it is started again, and when, is for who started it. One that hangs is \
               ended by the printed CANCEL",
    since: "0.1",
}

impl Finding for AsmStuckOrFailed {
    fn detect(seen: &Picture<'_>, out: &mut Sink<Self>) {
        let all = jobs::all(seen);
        let mut told: Vec<&str> = Vec::new();
        for job in &all {
            let failed = has_failed(job) && !is_overtaken(job, &all);
            if !(failed || is_stuck(job)) || told.contains(&job.name) {
                continue;
            }
            told.push(job.name);
            let ends = all.iter().filter(|end| end.name == job.name);
            let evidence: Vec<Evidence> = ends
                .map(|end| {
                    let why = end.reason().map_or_else(String::new, |why| format!(": {why}"));
                    let says =
                        format!("migration of slots {} is {}{why}", brief(&end.slots), end.state);
                    Evidence::first_hand(end.sighting, says)
                })
                .collect();
            let subject = Subject::nodes(job.source.into_iter().chain(job.target))
                .with_slots(job.slots.clone());
            let finding = Self {
                slots: job.slots.clone(),
                source: job.source,
                target: job.target,
                failed,
                reason: job.reason().unwrap_or(job.state).to_owned(),
            };
            out.push(finding, subject, evidence);
        }
    }

    fn message(&self, seen: &Picture<'_>) -> String {
        let name = |id: Option<NodeId>| id.map_or_else(|| "?".to_owned(), |id| seen.name(id));
        let what = if self.failed { "failed" } else { "does not get on" };
        format!(
            "the migration of slots {} {what} ({}), from {} to {}",
            brief(&self.slots),
            self.reason,
            name(self.source),
            name(self.target)
        )
    }

    fn by_hand(&self, seen: &Picture<'_>) -> ByHand {
        let at = |id: Option<NodeId>| id.and_then(|id| seen.endpoint(id));
        let redis = self
            .target
            .and_then(|id| seen.version_of(id))
            .is_some_and(|version| version.product == Product::Redis);
        let hand = ByHand::of(Risk::Reversible)
            .command(at(self.source), jobs::question(seen, self.source))
            .command(at(self.target), jobs::question(seen, self.target))
            .check("the reason at both ends, and remove it");
        let hand = match (redis, self.failed) {
            (true, _) => hand.command(at(self.target), "CLUSTER MIGRATION CANCEL ALL"),
            (false, false) => hand.command(at(self.source), "CLUSTER CANCELSLOTMIGRATIONS"),
            (false, true) => hand,
        };
        let ranges: Vec<String> =
            self.slots.ranges().iter().map(|r| format!("{} {}", r.first, r.last)).collect();
        let target = self.target.map_or_else(|| "<target id>".to_owned(), |id| id.to_string());
        let hand = if redis {
            let again = format!("CLUSTER MIGRATION IMPORT {}", ranges.join(" "));
            hand.command(at(self.target), again)
        } else {
            let again =
                format!("CLUSTER MIGRATESLOTS SLOTSRANGE {} NODE {target}", ranges.join(" "));
            hand.command(at(self.source), again)
        };
        hand.never("SETSLOT on these slots while a job runs")
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
            .kill(2)
            .wait(Until::Answers(0, "CLUSTER GETSLOTMIGRATIONS".to_owned(), "failed".to_owned()))
            .start(2, At::Same)
            .wait(Until::Settled)
            .not_on(Server::Redis70, jobs::NO_SUCH_THING)
            .not_on(Server::Redis82, jobs::NO_SUCH_THING)
    }
}

fn has_failed(job: &Job<'_>) -> bool {
    job.state == "failed" && job.quiet_for_s().is_none_or(|ago| ago <= RECENT_S)
}

fn is_stuck(job: &Job<'_>) -> bool {
    let retries = job.fields.number("retries").is_some_and(|retries| retries > 2);
    job.is_under_way()
        && (job.quiet_for_s().is_some_and(|quiet| quiet > jobs::QUIET_S)
            || (retries && job.reason().is_some()))
}

/// Whether a later job for some of the same slots ended well or is under way.
fn is_overtaken(job: &Job<'_>, all: &[Job<'_>]) -> bool {
    all.iter().any(|other| {
        other.name != job.name
            && other.created_s() >= job.created_s()
            && other.state != "failed"
            && !other.slots.intersection(&job.slots).is_empty()
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::observation::sketch::Sketch;

    #[test]
    fn a_job_that_failed_and_one_that_is_quiet_are_found() {
        for (state, quiet_for_s) in [("failed", 30), ("waiting-to-pause", 120)] {
            let mut sketch = Sketch::healthy(3, 0);
            jobs::tests::job(&mut sketch, 0, state, quiet_for_s);
            let found = sketch.detect::<AsmStuckOrFailed>(&ENTRY);
            assert_eq!(found.len(), 1, "{found:#?}");
            assert!(found[0].message.contains("Connection lost"), "{}", found[0].message);
        }
    }

    #[test]
    fn old_failures_and_jobs_that_get_on_are_not() {
        for (state, quiet_for_s) in [("failed", 7_200), ("streaming", 2), ("success", 5)] {
            let mut sketch = Sketch::healthy(3, 0);
            jobs::tests::job(&mut sketch, 0, state, quiet_for_s);
            assert_eq!(sketch.detect::<AsmStuckOrFailed>(&ENTRY), []);
        }
    }
}
