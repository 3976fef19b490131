//! A cause: a row of data and a matcher over the gathered evidence.

use serde::{Deserialize, Serialize};

use super::seen::Seen;
use super::template::Facts;

/// Who has to change something.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Side {
    /// The cluster's nodes: their tables, slots, processes, settings.
    Cluster,
    /// What carries packets between nodes, or between clients and nodes.
    Network,
    /// Kubernetes, Docker, the machines.
    Platform,
    /// The client library and its settings. The cluster is not to be repaired.
    Client,
    /// The application's commands and keys. The cluster is not to be repaired.
    Application,
    /// How an administrator's command was called.
    Command,
    /// Nobody: nothing is wrong in what was pasted.
    Nobody,
}

/// One cause.
pub(super) struct Cause {
    /// The stable code.
    pub code: &'static str,
    /// One line.
    pub title: &'static str,
    /// Who has to change something.
    pub side: Side,
    /// Whether the evidence shows it, and how well.
    pub when: fn(&Seen) -> Option<Hit>,
    /// What happened, in plain words; a text for [`super::template`].
    pub cause: &'static str,
    /// The one check that settles whether it is this.
    pub check: &'static str,
    /// Safe steps, in order.
    pub fix: &'static [&'static str],
    /// What must not be done.
    pub never: &'static [&'static str],
    /// Codes of causes that look alike, named even when nothing in the paste points at them.
    pub like: &'static [&'static str],
}

/// How well the evidence shows a cause.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(super) struct Hit {
    /// 0 to 100. From 85: the paste shows it; from 65: likely; below: possible.
    pub score: u8,
    /// Lines to quote.
    pub quotes: Vec<usize>,
    /// Figures for the texts.
    pub facts: Facts,
    /// Further sentences with figures.
    pub notes: Vec<String>,
    /// Steps with figures, before those of the cause.
    pub steps: Vec<String>,
    /// The check of the one reason that the paste shows, in place of the cause's general one.
    pub check: Option<String>,
    /// Who has to change something here, where it is another one than with the cause at large.
    pub side: Option<Side>,
    /// Whether [`Self::steps`] are all that is to be done: the cause's own are for other reasons.
    pub whole: bool,
}

impl Hit {
    /// A hit without quotes yet.
    pub fn of(score: u8) -> Self {
        Self { score, ..Self::default() }
    }

    /// Adds a figure.
    pub fn fact(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.facts.insert(name, value.into());
        self
    }

    /// Adds a figure if there is one.
    pub fn fact_if(self, name: &'static str, value: Option<impl Into<String>>) -> Self {
        match value {
            Some(value) => self.fact(name, value),
            None => self,
        }
    }

    /// Adds a line to quote.
    pub fn quote(mut self, line: usize) -> Self {
        if !self.quotes.contains(&line) {
            self.quotes.push(line);
        }
        self
    }

    /// Adds lines to quote.
    pub fn quotes(self, lines: impl IntoIterator<Item = usize>) -> Self {
        lines.into_iter().fold(self, Self::quote)
    }

    /// Adds a sentence.
    pub fn note(mut self, sentence: impl Into<String>) -> Self {
        self.notes.push(sentence.into());
        self
    }

    /// Adds sentences that answer what was asked, and is surer for each.
    pub fn noted(self, sentences: Vec<(usize, String)>) -> Self {
        let said = |hit: Self, (line, sentence)| hit.more_if(16, true).quote(line).note(sentence);
        sentences.into_iter().fold(self, said)
    }

    /// Adds a step.
    pub fn step(mut self, step: impl Into<String>) -> Self {
        self.steps.push(step.into());
        self
    }

    /// Names the check of the one reason that the paste shows.
    pub fn check(mut self, check: impl Into<String>) -> Self {
        self.check = Some(check.into());
        self
    }

    /// Says that the steps given here are all: those of the cause are for other reasons.
    pub fn only_these_steps(mut self) -> Self {
        self.whole = true;
        self
    }

    /// Raises the score by `points` and quotes when a line has one of the phrases.
    pub fn and(mut self, seen: &Seen, points: u8, phrases: &[&str]) -> Self {
        let lines = seen.lines_with(phrases);
        if lines.is_empty() {
            return self;
        }
        self.score = self.score.saturating_add(points).min(99);
        self.quotes(lines.into_iter().take(1))
    }

    /// Lowers the score by `points` when the condition holds.
    pub fn less_if(mut self, points: u8, condition: bool) -> Self {
        if condition {
            self.score = self.score.saturating_sub(points);
        }
        self
    }

    /// Raises the score by `points` when the condition holds.
    pub fn more_if(mut self, points: u8, condition: bool) -> Self {
        if condition {
            self.score = self.score.saturating_add(points).min(99);
        }
        self
    }
}
