//! Whether a cluster works, proved check by check: what stands at the end of every repair.
//!
//! A [`Verification`] is a value made from what was seen, without any clock or socket. Invariants:
//! each check is passed, failed or unknown by what was *seen*; a node that says nothing makes a
//! check unknown, never passed; a check that nobody asked for is not in the list.
//!
//! Deliberately absent: why something is wrong and what to do about it. That is
//! [`crate::diagnose`].

mod canary;
mod keys;
mod names;
mod replicas;
mod shape;
#[cfg(test)]
mod tests;

use serde::{Deserialize, Serialize};

pub use canary::{Canary, FailedRead, Planned, plan_canaries};
pub use keys::{Held, HeldTwice, Misplaced, Share};
pub use names::SlotNames;

use crate::limits::DETAILS_MAX;
use crate::observation::{Observation, Picture, Silence};

/// Everything that a verification is made from.
#[derive(Clone, Copy, Debug)]
pub struct Gathered<'a> {
    /// How it was before something was done, if that is to be compared.
    pub before: Option<&'a Observation>,
    /// How it is now, with a census of all slots.
    pub after: &'a Observation,
    /// What became of the canary keys; `None` when none was wanted.
    pub canaries: Option<&'a [Canary]>,
    /// Names of the keys in slots that two primaries hold, as far as they were asked for.
    pub names: &'a [SlotNames],
}

/// The result.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Verification {
    /// The checks that were asked for, always in the same order.
    pub checks: Vec<Check>,
    /// The keys of each owner of slots, by id.
    pub distribution: Vec<Share>,
    /// Nodes with keys in slots that they do not own.
    pub misplaced: Vec<Misplaced>,
    /// Slots in which two or more primaries hold keys.
    pub held_twice: Vec<HeldTwice>,
    /// The canary keys, if any were wanted.
    #[serde(default)]
    pub canaries: Vec<Canary>,
}

/// One row of a verification.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Check {
    /// What is checked.
    pub what: What,
    /// With which outcome, in one sentence. May hold a peer's words: never print it raw.
    pub outcome: Outcome,
    /// The parts of it that went wrong or are not known, a line each, at most [`DETAILS_MAX`].
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub details: Vec<String>,
}

/// What is checked.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum What {
    /// Every node says `cluster_state:ok`.
    State,
    /// All nodes give the same slots to the same owners.
    Agreement,
    /// All 16384 slots have an owner.
    Coverage,
    /// Every owner of slots answers clients.
    Owners,
    /// No slot is being moved.
    OpenSlots,
    /// Every replica copies its primary and is not far behind.
    Replicas,
    /// A key can be written, read from everywhere and removed through every primary.
    Canary,
    /// No owner of slots is empty where the others are full.
    Distribution,
    /// No node holds keys of slots that it does not own.
    KeysAtHome,
    /// No key is held by two primaries.
    KeysHeldOnce,
    /// No keys are missing that were there before.
    KeysKept,
}

impl What {
    /// A few words for a table.
    pub const fn title(self) -> &'static str {
        match self {
            Self::State => "state",
            Self::Agreement => "agreement",
            Self::Coverage => "coverage",
            Self::Owners => "owners",
            Self::OpenSlots => "open slots",
            Self::Replicas => "replicas",
            Self::Canary => "canary",
            Self::Distribution => "distribution",
            Self::KeysAtHome => "keys at home",
            Self::KeysHeldOnce => "held once",
            Self::KeysKept => "keys kept",
        }
    }
}

/// How a check came out.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// As it should be: what was seen.
    Passed(String),
    /// Not as it should be: what is wrong.
    Failed(String),
    /// It cannot be told: what is missing.
    Unknown(String),
}

impl Outcome {
    /// The sentence.
    pub fn says(&self) -> &str {
        match self {
            Self::Passed(says) | Self::Failed(says) | Self::Unknown(says) => says,
        }
    }
}

impl Verification {
    /// The check of this kind, if it was asked for.
    pub fn check(&self, what: What) -> Option<&Check> {
        self.checks.iter().find(|check| check.what == what)
    }

    /// Whether any check failed.
    pub fn has_failed(&self) -> bool {
        self.checks.iter().any(|check| matches!(check.outcome, Outcome::Failed(_)))
    }

    /// Whether the outcome of every check is known.
    pub fn is_complete(&self) -> bool {
        !self.checks.iter().any(|check| matches!(check.outcome, Outcome::Unknown(_)))
    }
}

/// Makes a verification of what was gathered.
pub fn verify(gathered: &Gathered<'_>) -> Verification {
    let seen = &Picture::new(gathered.after);
    let (at_home, misplaced) = keys::at_home(seen);
    let (held_once, held_twice) = keys::held_once(seen, gathered.names);
    let (spread, distribution) = keys::distribution(seen);
    let mut checks = vec![
        shape::state(seen),
        shape::agreement(seen),
        shape::coverage(seen),
        shape::owners(seen),
        shape::open_slots(seen),
        replicas::replicas(seen),
    ];
    checks.extend(gathered.canaries.map(|canaries| canary::check(seen, canaries)));
    checks.extend([spread, at_home, held_once]);
    checks.extend(gathered.before.map(|before| keys::kept(&Picture::new(before), seen)));
    let canaries = gathered.canaries.unwrap_or_default().to_vec();
    Verification { checks, distribution, misplaced, held_twice, canaries }
}

/// The parts of a check, while it is being made.
#[derive(Default)]
struct Tally {
    good: usize,
    wrong: Vec<String>,
    unknown: Vec<String>,
}

impl Tally {
    fn all(&self) -> usize {
        self.good + self.wrong.len() + self.unknown.len()
    }

    fn wrong(&mut self, who: &str, why: impl std::fmt::Display) {
        self.wrong.push(format!("{who}: {why}"));
    }

    fn unknown(&mut self, who: &str, why: impl std::fmt::Display) {
        self.unknown.push(format!("{who}: {why}"));
    }

    /// A silence: unknown where we were not let in or did not ask, wrong otherwise.
    fn silent(&mut self, who: &str, why: &Silence) {
        if is_our_lack(why) {
            self.unknown(who, why.describe());
        } else {
            self.wrong(who, why.describe());
        }
    }

    /// The row: failed when anything is wrong, else unknown when anything is, else passed.
    fn row(self, what: What, says: Says) -> Check {
        let outcome = if !self.wrong.is_empty() {
            Outcome::Failed(says.failed)
        } else if !self.unknown.is_empty() || self.good == 0 {
            Outcome::Unknown(says.unknown)
        } else {
            Outcome::Passed(says.passed)
        };
        let mut details = self.wrong;
        details.extend(self.unknown);
        Check { what, outcome, details: bounded(details) }
    }
}

/// The sentence of a row for each of its outcomes.
struct Says {
    passed: String,
    failed: String,
    unknown: String,
}

fn bounded(mut details: Vec<String>) -> Vec<String> {
    let all = details.len();
    if all > DETAILS_MAX {
        details.truncate(DETAILS_MAX);
        details.push(format!("and {} more", all - DETAILS_MAX));
    }
    details
}

/// Whether a silence tells of us and not of the node: a client with other rights may be served.
const fn is_our_lack(why: &Silence) -> bool {
    matches!(why, Silence::NotAsked | Silence::AuthFailed(_) | Silence::Denied(_))
}

/// A number of things: `1 node`, `2 nodes`.
fn count(number: usize, thing: &str) -> String {
    format!("{number} {thing}{}", if number == 1 { "" } else { "s" })
}
