//! A run that is killed at every record of its journal, and started again with nothing but the
//! target.
//!
//! Twice at each record: right before it is written, after all that led to it (a command that went
//! out and whose reply is not down), and right after. A record that is torn at some byte is, to the
//! next run, one that was never written; that it is read so is tried at every byte
//! ([`crash_safe::read_every_prefix`]).

use crate::checkers::crash_safe::{self, Tears};
use crate::tool::{Kill, Mishaps};
use crate::trial::{Script, run};

/// What was tried, and what came of it.
#[derive(Clone, Debug, Default)]
pub struct Sum {
    /// Journals, one of each schedule.
    pub journals: u64,
    /// Runs that were killed, and followed by others until one ended.
    pub kills: u64,
    /// Of these, the schedules that ended healthy.
    pub healthy: u64,
    /// What was read.
    pub tears: Tears,
    /// What must not be, with the script in which it is.
    pub bad: Vec<(Script, String)>,
}

impl Sum {
    /// Adds another.
    pub fn add(&mut self, other: Self) {
        self.journals += other.journals;
        self.kills += other.kills;
        self.healthy += other.healthy;
        self.tears.boundaries += other.tears.boundaries;
        self.tears.torn += other.tears.torn;
        self.bad.extend(other.bad);
    }
}

/// The schedule of a seed, without other kills and with one tool.
pub fn script(seed: u64) -> Script {
    let script = Script::of(seed);
    let mishaps = Mishaps { killed: 0, ..script.mishaps };
    Script { mishaps, tools: 1, ..script }
}

/// Kills the first run of a seed at every record.
pub fn try_all(seed: u64) -> Sum {
    let script = script(seed);
    let whole = run(&script, None);
    let mut sum = Sum { journals: 1, ..Sum::default() };
    match crash_safe::read_every_prefix(&whole.journal) {
        Ok(tears) => sum.tears = tears,
        Err(why) => sum.bad.push((script.clone(), why)),
    }
    let records = 1..whole.journal.len();
    for kill in records.flat_map(|record| [true, false].map(|before| Kill { record, before })) {
        let killed = Script { kill: Some(kill), ..script.clone() };
        let trial = run(&killed, None);
        sum.kills += 1;
        sum.healthy += u64::from(trial.healthy);
        if let Some(violation) = trial.violations.into_iter().next() {
            sum.bad.push((killed, violation));
        }
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn killed_at_every_record_the_next_run_ends_as_it_must() {
        let mut sum = Sum::default();
        for seed in 1..=12 {
            sum.add(try_all(seed));
        }
        let bad: Vec<&String> = sum.bad.iter().map(|(_, what)| what).collect();
        assert!(bad.is_empty(), "{:?} {bad:?}", sum.bad.first());
        assert!(sum.kills > 100 && sum.tears.torn > 10_000, "hardly anything was tried: {sum:?}");
    }
}
