//! Commands, rounds and time have an end, whatever the servers do.

use slotwright_core::limits::PLAN_STEPS_MAX;

/// Rounds of one run: those that the drive allows, and one that finds out that it was the last.
const ROUNDS_MAX: u32 = 51;
/// Command lines of one run in these small clusters. A slot may need one each (`SETSLOT`), on each
/// of ten nodes, a few times.
const COMMANDS_MAX: usize = 40_000;

/// What one run of the tool spent.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Spent {
    /// Rounds in which something was sent.
    pub rounds: u32,
    /// Command lines.
    pub commands: usize,
    /// Steps of the longest plan.
    pub steps: usize,
    /// It came to an end before our patience did.
    pub ended: bool,
}

/// What is too much.
pub fn check(spent: Spent) -> Option<String> {
    if !spent.ended {
        return Some(format!("bounded: it never ends, {} rounds so far", spent.rounds));
    }
    if spent.rounds > ROUNDS_MAX {
        return Some(format!("bounded: {} rounds", spent.rounds));
    }
    if spent.commands > COMMANDS_MAX {
        return Some(format!("bounded: {} commands", spent.commands));
    }
    (spent.steps > PLAN_STEPS_MAX).then(|| format!("bounded: {} steps", spent.steps))
}
