//! What can go wrong in the lab: the machine, the servers, or the scenario itself.

use std::io;

/// An error of the lab.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The machine did not do what we asked.
    #[error("{doing}")]
    Io {
        /// What was being done.
        doing: String,
        /// What the machine said.
        source: io::Error,
    },
    /// Something is missing on this machine; `hint` says how to get it.
    #[error("{what}. {hint}")]
    Missing {
        /// What is missing or of the wrong version.
        what: String,
        /// What to do.
        hint: String,
    },
    /// A helper program failed.
    #[error("`{command}` failed: {said}")]
    Helper {
        /// Its command line.
        command: String,
        /// The end of what it said.
        said: String,
    },
    /// A server answered something else than the scenario wants.
    #[error("node {node}: `{command}` was answered with {said}")]
    Answer {
        /// The node.
        node: usize,
        /// The command.
        command: String,
        /// Its answer.
        said: String,
    },
    /// A condition did not come true in time.
    #[error("waited {waited_ms} ms in vain for {condition}; last seen: {seen}")]
    NotYet {
        /// The condition.
        condition: String,
        /// How long it was waited for.
        waited_ms: u64,
        /// What was seen instead.
        seen: String,
    },
    /// An act of a scenario failed.
    #[error("{act}: {why}")]
    Act {
        /// The act.
        act: String,
        /// What went wrong.
        why: String,
    },
    /// The scenario asks for what cannot be: a bug in its data.
    #[error("the scenario cannot be carried out: {0}")]
    Scenario(String),
}

/// What the lab returns.
pub type Result<T> = std::result::Result<T, Error>;

/// Adds to an I/O error what was being done.
pub(crate) trait Doing<T> {
    /// Names what was being done when it failed.
    fn doing(self, doing: impl FnOnce() -> String) -> Result<T>;
}

impl<T> Doing<T> for io::Result<T> {
    fn doing(self, doing: impl FnOnce() -> String) -> Result<T> {
        self.map_err(|source| Error::Io { doing: doing(), source })
    }
}

impl Error {
    /// The message with its causes, on one line.
    pub fn chain(&self) -> String {
        let mut text = self.to_string();
        let mut next = std::error::Error::source(self);
        while let Some(cause) = next {
            text.push_str(": ");
            text.push_str(&cause.to_string());
            next = cause.source();
        }
        text
    }
}
