//! The client's eye: what the libraries of applications do at bootstrap, replayed from here.
//!
//! The shell gathers facts ([`ClientEye`]): what each seed says to `CLUSTER SLOTS` within the time
//! that a client gives it, and what each announced node says to `CLUSTER INFO`. [`verdicts`] tells
//! from them, purely, what each library would raise. Truth tables: FAILURES 0.5 and 1.2, from the
//! sources of the libraries; ioredis is checked against the real one.

mod verdict;

use serde::{Deserialize, Serialize};

pub use verdict::{Client, Outcome, Verdict, verdicts};

use crate::model::Endpoint;
use crate::observation::{Fields, NameLookup, Said, Silence, SlotsRange};

/// How long ioredis gives one seed for TCP, TLS, AUTH and the reply to `CLUSTER SLOTS` together
/// (`slotsRefreshTimeout`). The smallest of all clients.
pub const SLOTS_REFRESH_TIMEOUT_MS: u32 = 1_000;

/// What a client at this place of the network meets.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ClientEye {
    /// The seeds, in the order in which the user named them.
    pub seeds: Vec<SeedTry>,
    /// Every node that a seed announced, by address.
    pub announced: Vec<AnnouncedTry>,
    /// The names among them.
    pub names: Vec<NameLookup>,
}

/// A seed, as a client meets it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct SeedTry {
    /// The seed.
    pub seed: Endpoint,
    /// `CLUSTER SLOTS` within [`SLOTS_REFRESH_TIMEOUT_MS`].
    pub slots: Said<Vec<SlotsRange>>,
    /// `CLUSTER NODES`: how many entries a client can dial.
    pub usable_nodes: Said<u32>,
    /// How long both took, from the first packet.
    pub took_ms: u32,
}

impl SeedTry {
    /// The first true error, if there is one: what a client often hides.
    pub fn first_error(&self) -> Option<&Silence> {
        self.slots.silence()
    }
}

/// A node that a seed announced.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct AnnouncedTry {
    /// The address a client dials.
    pub node: Endpoint,
    /// Whether it is announced as an owner of slots. Ready checks go to owners.
    pub is_owner: bool,
    /// `CLUSTER INFO`.
    pub cluster_info: Said<Fields>,
}
