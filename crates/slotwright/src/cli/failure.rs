//! Why a command did not do its work, and with which exit code it ends.

/// The kinds of failure at the edge. A message never repeats its source.
#[derive(Debug)]
pub enum Failure {
    /// The person asked for something that there is not; the hint says what to do.
    User {
        /// What is wrong.
        message: String,
        /// What to do.
        hint: Option<String>,
    },
    /// The machine, a file or the network did not do its part.
    Environment(String),
}

impl Failure {
    /// A mistake in what was asked.
    pub fn user(message: impl Into<String>) -> Self {
        Self::User { message: message.into(), hint: None }
    }

    /// The same with what to do about it.
    pub fn with_hint(message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self::User { message: message.into(), hint: Some(hint.into()) }
    }

    /// The exit code: 2 for usage, 1 for the rest.
    pub const fn exit_code(&self) -> u8 {
        match self {
            Self::User { .. } => 2,
            Self::Environment(_) => 1,
        }
    }
}

impl From<std::io::Error> for Failure {
    fn from(error: std::io::Error) -> Self {
        Self::Environment(error.to_string())
    }
}

impl From<slotwright_lab::Error> for Failure {
    fn from(error: slotwright_lab::Error) -> Self {
        Self::Environment(error.chain())
    }
}
