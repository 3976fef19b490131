//! `--rehearse` of `plan` and `recover`: the plan in a model of the cluster, under faults, before
//! anything is sent. The model has no clock; how long it may take is decided here.

use std::time::{Duration, Instant};

use clap::Args;
use slotwright_core::diagnose::Report;
use slotwright_core::observation::Observation;
use slotwright_core::plan::{Plan, Policy};
use slotwright_sim::rehearse::{Rehearsal, Rehearsing, SCHEDULES};

use crate::render;

/// How long a rehearsal may take where the user does not say how many schedules are wanted: the
/// cluster is down meanwhile.
const BUDGET: Duration = Duration::from_secs(2);

/// Flags of a rehearsal.
#[derive(Args, Debug)]
pub struct RehearseArgs {
    /// Carry the plan out in a model of the cluster first, again and again under random faults,
    /// and show what came of it
    #[arg(long)]
    rehearse: bool,
    /// How many schedules are tried; without it as many as fit into two seconds, 300 at most
    #[arg(long, value_name = "N", requires = "rehearse",
        value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    rehearsals: Option<u32>,
}

impl RehearseArgs {
    /// Rehearses, if that is wanted.
    pub fn rehearse(
        &self,
        seen: &Observation,
        report: &Report,
        plan: &Plan,
        policy: &Policy,
    ) -> Option<Rehearsal> {
        if !self.rehearse || plan.steps.is_empty() {
            return None;
        }
        let _waiting = render::Waiting::begin("rehearsing the plan in a model of the cluster");
        let begun = Instant::now();
        let mut rehearsing = Rehearsing::new(seen, report, plan, policy);
        if rehearsing.obstacle().is_some() {
            return Some(rehearsing.finish());
        }
        loop {
            rehearsing.go_on();
            let enough = match self.rehearsals {
                Some(wanted) => rehearsing.schedules() >= wanted,
                None => rehearsing.schedules() >= SCHEDULES || begun.elapsed() >= BUDGET,
            };
            if enough {
                return Some(rehearsing.finish());
            }
        }
    }
}
