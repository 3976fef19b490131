//! What a person should do, as values that the renderer can print and a test can check.

use serde::{Deserialize, Serialize};

use crate::model::Endpoint;

/// What a step can cost at the worst.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Risk {
    /// Reads only, or changes nothing in the servers' data and tables.
    ReadOnly,
    /// Adds something that can be taken back (MEET, STABLE on an empty slot).
    Reversible,
    /// Moves ownership with every copy intact.
    MovesOwnership,
    /// Drops a copy or an identity; the last good copy must be proved elsewhere first.
    DropsCopy,
    /// May lose acknowledged data.
    MayLoseData,
}

/// One step.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Step {
    /// Send this command to this node.
    Command {
        /// Where.
        on: Endpoint,
        /// The words of the command, not yet quoted.
        argv: Vec<String>,
    },
    /// Do this outside the servers.
    Do(String),
    /// Make sure of this before the next step.
    Check(String),
}

/// The way out, step by step, and what must not be done.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ByHand {
    /// The greatest risk among the steps.
    pub risk: Risk,
    /// In this order.
    pub steps: Vec<Step>,
    /// What operators and tools do here, and what makes it worse.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub never: Vec<String>,
}

impl ByHand {
    /// No step yet.
    pub const fn of(risk: Risk) -> Self {
        Self { risk, steps: Vec::new(), never: Vec::new() }
    }

    /// Then send the words of `command` (split at blanks) to `on`. A node without an address
    /// gets the step as text.
    #[must_use]
    pub fn command(self, on: Option<Endpoint>, command: impl AsRef<str>) -> Self {
        let argv: Vec<String> = command.as_ref().split_whitespace().map(str::to_owned).collect();
        match on {
            Some(on) => self.step(Step::Command { on, argv }),
            None => self.step(Step::Do(format!("on the node itself: {}", argv.join(" ")))),
        }
    }

    /// Then do this.
    #[must_use]
    pub fn then(self, what: impl Into<String>) -> Self {
        self.step(Step::Do(what.into()))
    }

    /// Then make sure of this.
    #[must_use]
    pub fn check(self, what: impl Into<String>) -> Self {
        self.step(Step::Check(what.into()))
    }

    /// And never do this.
    #[must_use]
    pub fn never(mut self, what: impl Into<String>) -> Self {
        self.never.push(what.into());
        self
    }

    fn step(mut self, step: Step) -> Self {
        self.steps.push(step);
        self
    }
}
