//! An answer, or the reason that there is none.

use serde::{Deserialize, Serialize};

/// What somebody said to one question.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Said<T> {
    /// The answer.
    This(T),
    /// No answer, and why.
    Nothing(Silence),
}

/// Why nothing was said. Texts are a peer's words: never print them raw.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Silence {
    /// The connection was refused: nothing listens, or a firewall rejects.
    Refused,
    /// The connection did not come about in time: host down, or a firewall drops.
    TimedOut,
    /// Connected, but the answer did not come in time: loading, hung, an endless or slow peer.
    NoReply,
    /// The network has no way there.
    NoRoute,
    /// The name does not resolve.
    NameNotFound,
    /// The peer closed the connection instead of answering.
    Closed,
    /// NOAUTH or WRONGPASS, or we withheld the credentials; the text says which.
    AuthFailed(String),
    /// NOPERM, or DENIED by protected mode.
    Denied(String),
    /// LOADING.
    Loading(String),
    /// Any other error reply.
    Error(String),
    /// The peer does not speak the protocol, or broke one of our limits.
    Garbage(String),
    /// The TLS handshake failed.
    Tls(String),
    /// The question was not put.
    NotAsked,
}

impl Silence {
    /// What an error reply means (without the leading `-`).
    pub fn from_error(text: &str) -> Self {
        let text = text.trim_end().to_owned();
        match text.split(' ').next().unwrap_or_default() {
            "NOAUTH" | "WRONGPASS" => Self::AuthFailed(text),
            "NOPERM" | "DENIED" => Self::Denied(text),
            "LOADING" => Self::Loading(text),
            _ => Self::Error(text),
        }
    }

    /// Whether the peer's host let us talk to a process at all: a RESP error counts, a refused
    /// connection does not.
    pub const fn somebody_answered(&self) -> bool {
        matches!(
            self,
            Self::AuthFailed(_)
                | Self::Denied(_)
                | Self::Loading(_)
                | Self::Error(_)
                | Self::Garbage(_)
        )
    }

    /// One line that tells it to a person.
    pub fn describe(&self) -> String {
        match self {
            Self::Refused => "connection refused".to_owned(),
            Self::TimedOut => "no connection within the deadline".to_owned(),
            Self::NoReply => "connected, but no answer within the deadline".to_owned(),
            Self::NoRoute => "no route to that address".to_owned(),
            Self::NameNotFound => "the name does not resolve".to_owned(),
            Self::Closed => "the peer closed the connection".to_owned(),
            Self::AuthFailed(text)
            | Self::Denied(text)
            | Self::Loading(text)
            | Self::Error(text) => text.clone(),
            Self::Garbage(text) => format!("not the Redis protocol: {text}"),
            Self::Tls(text) => format!("TLS: {text}"),
            Self::NotAsked => "not asked".to_owned(),
        }
    }
}

impl<T> Default for Said<T> {
    fn default() -> Self {
        Self::Nothing(Silence::NotAsked)
    }
}

impl<T> Said<T> {
    /// The answer, if there is one.
    pub const fn get(&self) -> Option<&T> {
        match self {
            Self::This(value) => Some(value),
            Self::Nothing(_) => None,
        }
    }

    /// Why there is no answer, if there is none.
    pub const fn silence(&self) -> Option<&Silence> {
        match self {
            Self::This(_) => None,
            Self::Nothing(silence) => Some(silence),
        }
    }

    /// The same silence, or another value.
    pub fn map<U>(self, change: impl FnOnce(T) -> U) -> Said<U> {
        match self {
            Self::This(value) => Said::This(change(value)),
            Self::Nothing(silence) => Said::Nothing(silence),
        }
    }
}

impl<T> From<Result<T, Silence>> for Said<T> {
    fn from(result: Result<T, Silence>) -> Self {
        match result {
            Ok(value) => Self::This(value),
            Err(silence) => Self::Nothing(silence),
        }
    }
}
