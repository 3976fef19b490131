//! Carries out scenarios and judges the judgement.
//!
//! A scenario passes when its code is the top root cause, and no root cause above Info stands
//! beside it but those that the scenario names itself. Two looks in a row must agree, so that a
//! judgement that is right by chance does not pass.

use std::collections::VecDeque;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use slotwright_core::diagnose::{Found, Report, Risk, Severity};
use slotwright_core::findings;
use slotwright_core::scenario::{Scenario, Server};

use crate::cluster::Cluster;
use crate::error::{Error, Result};
use crate::kept::Kept;
use crate::look::Onlooker;
use crate::outcome::{Outcome, Timings, Verdict};
use crate::recover::{Must, heal};
use crate::servers::Binary;

/// The pause between two looks: what settles by itself should have time to.
pub(crate) const BETWEEN_LOOKS: Duration = Duration::from_millis(400);

/// Keys of a cluster that is to be recovered.
const KEYS_AT_STAKE: usize = 300;

/// A finding's scenario on one server.
#[derive(Clone, Debug)]
pub struct Trial {
    /// The code of the finding.
    pub code: String,
    /// Its scenario.
    pub scenario: Scenario,
    /// The server.
    pub server: Server,
}

/// What is done with a cluster once it is broken and judged.
#[derive(Clone, Copy, Debug, Default)]
pub struct Then {
    /// It is recovered.
    pub recover: bool,
    /// It stands afterwards.
    pub keep: bool,
}

/// The scenarios of these findings (of all if none is named) on these servers.
///
/// # Errors
/// When there is no finding of that code.
pub fn trials(codes: &[String], servers: &[Server]) -> Result<Vec<Trial>> {
    for code in codes {
        if !findings::ALL.iter().any(|entry| entry.code() == *code) {
            return Err(Error::Scenario(format!("there is no finding {code}")));
        }
    }
    let chosen = findings::ALL
        .iter()
        .map(|entry| (entry.code(), entry.scenario))
        .filter(|(code, _)| codes.is_empty() || codes.contains(code));
    Ok(chosen
        .flat_map(|(code, scenario)| {
            servers.iter().map(move |server| Trial {
                code: code.clone(),
                scenario: scenario(),
                server: *server,
            })
        })
        .collect())
}

/// Carries out scenarios, `jobs` at a time, and tells each outcome as it comes. They are returned
/// in the order of the trials.
pub fn run_all(
    trials: &[Trial],
    binaries: &[Binary],
    jobs: usize,
    then: Then,
    tell: &(dyn Fn(&Outcome) + Sync),
) -> Vec<Outcome> {
    let queue: Mutex<VecDeque<(usize, &Trial)>> = Mutex::new(trials.iter().enumerate().collect());
    let done = Mutex::new(Vec::new());
    let next = || queue.lock().unwrap_or_else(std::sync::PoisonError::into_inner).pop_front();
    std::thread::scope(|scope| {
        for _ in 0..jobs.max(1) {
            scope.spawn(|| {
                while let Some((number, trial)) = next() {
                    let (outcome, _) = run(trial, binaries, then);
                    tell(&outcome);
                    done.lock()
                        .unwrap_or_else(std::sync::PoisonError::into_inner)
                        .push((number, outcome));
                }
            });
        }
    });
    let mut done = done.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
    done.sort_by_key(|(number, _)| *number);
    done.into_iter().map(|(_, outcome)| outcome).collect()
}

/// Carries out one scenario, on a thread of its own: it may have to enter a namespace for good.
pub fn run(trial: &Trial, binaries: &[Binary], then: Then) -> (Outcome, Option<Kept>) {
    std::thread::scope(|scope| {
        let thread = scope.spawn(|| Stage::new(trial, binaries).run(then));
        thread.join().unwrap_or_else(|_| {
            let mut stage = Stage::new(trial, binaries);
            stage.outcome.verdict = Verdict::Broken("the lab panicked; this is a bug".to_owned());
            (stage.outcome, None)
        })
    })
}

/// One scenario on its way.
struct Stage<'a> {
    trial: &'a Trial,
    binaries: &'a [Binary],
    outcome: Outcome,
}

impl<'a> Stage<'a> {
    fn new(trial: &'a Trial, binaries: &'a [Binary]) -> Self {
        let version = binaries.iter().find(|binary| binary.server == trial.server);
        let outcome = Outcome {
            code: trial.code.clone(),
            server: trial.server,
            version: version.map(|binary| binary.version.clone()).unwrap_or_default(),
            verdict: Verdict::Broken(String::new()),
            roots: Vec::new(),
            timings: Timings::default(),
            healing: None,
        };
        Self { trial, binaries, outcome }
    }

    fn run(mut self, then: Then) -> (Outcome, Option<Kept>) {
        let Trial { scenario, server, code } = self.trial;
        if let Some((_, why)) = scenario.not_on.iter().find(|(not_on, _)| not_on == server) {
            self.outcome.verdict = Verdict::NotApplicable((*why).to_owned());
            return (self.outcome, None);
        }
        let began = Instant::now();
        let mut scenario = scenario.clone();
        if then.recover && !scenario.bare {
            // Keys that a recovery might lose.
            scenario.keys = scenario.keys.max(KEYS_AT_STAKE);
        }
        let built = Cluster::build(&scenario, *server, self.binaries);
        self.outcome.timings.build_ms = millis(began);
        let kept = built.and_then(|mut cluster| {
            self.verdict_on(&mut cluster, then.recover);
            then.keep.then(|| cluster.keep(code)).transpose()
        });
        match kept {
            Ok(kept) => (self.outcome, kept),
            Err(error) => {
                self.outcome.verdict = Verdict::Broken(error.chain());
                (self.outcome, None)
            }
        }
    }

    fn verdict_on(&mut self, cluster: &mut Cluster, recover: bool) {
        let broken = self.break_it(cluster);
        self.outcome.verdict = match broken.and_then(|()| self.judge(cluster, recover)) {
            Ok(verdict) => verdict,
            Err(error) => Verdict::Broken(error.chain()),
        };
    }

    fn break_it(&mut self, cluster: &mut Cluster) -> Result<()> {
        let began = Instant::now();
        let done = self.trial.scenario.acts.iter().try_for_each(|act| {
            cluster
                .act(act)
                .map_err(|error| Error::Act { act: format!("{act:?}"), why: error.chain() })
        });
        self.outcome.timings.break_ms = millis(began);
        done
    }

    fn judge(&mut self, cluster: &mut Cluster, recover: bool) -> Result<Verdict> {
        let Scenario { look, also, within_ms, .. } = &self.trial.scenario;
        let mut onlooker = Onlooker::new(cluster, look)?;
        let began = Instant::now();
        let mut right = 0;
        loop {
            let report = onlooker.look()?;
            let fault = fault_of(&report, &self.trial.code, also);
            self.outcome.roots = grave(&report).cloned().collect();
            self.outcome.timings.find_ms = millis(began);
            match fault {
                None if right == 1 => {
                    if recover {
                        let Trial { code, server, scenario } = &self.trial;
                        let must = Must::of(code, scenario, *server);
                        let healing =
                            heal(cluster, onlooker.target(), (Some(code), must), Risk::DropsCopy);
                        self.outcome.healing = Some(healing);
                    }
                    return Ok(Verdict::Passed);
                }
                None => right += 1,
                Some(fault) if began.elapsed() > Duration::from_millis(u64::from(*within_ms)) => {
                    return Ok(Verdict::Missed(fault));
                }
                Some(_) => right = 0,
            }
            std::thread::sleep(BETWEEN_LOOKS);
        }
    }
}

/// The root causes above Info.
pub(crate) fn grave(report: &Report) -> impl Iterator<Item = &Found> {
    report.roots.iter().map(|root| &root.found).filter(|found| found.severity > Severity::Info)
}

/// In what a report differs from what the scenario should give; `None` when in nothing.
///
/// A scenario of a finding that is only good to know has that as its top root cause, and nothing
/// above Info.
fn fault_of(report: &Report, code: &str, also: &[&str]) -> Option<String> {
    let Some(top) = report.roots.first() else { return Some("nothing was found".to_owned()) };
    let is_info = |found: &Found| found.severity == Severity::Info;
    let found = report.roots.iter().any(|root| root.found.code == code && is_info(&root.found));
    if top.found.code != code && !(found && is_info(&top.found)) {
        return Some(format!("{} came first; {}", top.found.code, whereabouts(report, code)));
    }
    let other = grave(report).find(|f| f.code != code && !also.contains(&f.code.as_str()));
    other.map(|found| format!("{} stood beside it", found.code))
}

/// Where the code is that should be on top.
fn whereabouts(report: &Report, code: &str) -> String {
    if report.roots.iter().any(|root| root.found.code == code) {
        return format!("{code} is a lower root cause");
    }
    let folded =
        report.roots.iter().find(|root| root.consequences.iter().any(|found| found.code == code));
    match folded {
        Some(root) => format!("{code} is folded beneath {}", root.found.code),
        None => format!("{code} was not found"),
    }
}

fn millis(since: Instant) -> u64 {
    u64::try_from(since.elapsed().as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_finding_has_a_trial_on_every_server() {
        let all = trials(&[], &Server::ALL).expect("trials");
        assert_eq!(all.len(), findings::ALL.len() * 3);
        assert!(trials(&["NO_SUCH_CODE".to_owned()], &Server::ALL).is_err());
    }

    #[test]
    fn nothing_found_is_a_fault() {
        let nothing = Report { at_ms: 0, roots: Vec::new(), known: 3, answered: 3 };
        assert!(fault_of(&nothing, "A", &[]).is_some());
    }
}
