//! Who said what, and what a finding is about.

use std::collections::BTreeSet;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::model::{Endpoint, NodeId, SlotSet};
use crate::observation::Sighting;

/// Who says so.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Witness {
    /// The client port of an address.
    Node(Endpoint),
    /// The bus port of an address.
    Bus(Endpoint),
    /// We ourselves: what happened when we dialled or resolved something.
    Us,
    /// What a person pasted: its name, or its number.
    Paste(String),
}

impl fmt::Display for Witness {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Node(address) => write!(f, "{address}"),
            Self::Bus(address) => write!(f, "bus {address}"),
            Self::Us => f.write_str("from here"),
            Self::Paste(name) => write!(f, "pasted {name}"),
        }
    }
}

/// One statement of one witness.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Evidence {
    /// Who.
    pub witness: Witness,
    /// When, in milliseconds since 1970 on our clock; 0 when not known.
    #[serde(default)]
    pub at_ms: u64,
    /// What, in one line. May hold a peer's words: never print it raw.
    pub says: String,
    /// True when the witness speaks of itself, or measured it itself: one such witness is enough.
    #[serde(default)]
    pub first_hand: bool,
}

impl Evidence {
    /// A node says something about another node or about the cluster.
    pub fn hearsay(sighting: &Sighting, says: impl Into<String>) -> Self {
        Self {
            witness: Witness::Node(sighting.from.clone()),
            at_ms: sighting.at_ms,
            says: says.into(),
            first_hand: false,
        }
    }

    /// A node says something about itself.
    pub fn first_hand(sighting: &Sighting, says: impl Into<String>) -> Self {
        Self { first_hand: true, ..Self::hearsay(sighting, says) }
    }

    /// We measured it: a connection attempt, a name look-up.
    pub fn ours(says: impl Into<String>) -> Self {
        Self { witness: Witness::Us, at_ms: 0, says: says.into(), first_hand: true }
    }

    /// The bus port of an address answered.
    pub fn bus(address: &Endpoint, says: impl Into<String>) -> Self {
        Self {
            witness: Witness::Bus(address.clone()),
            at_ms: 0,
            says: says.into(),
            first_hand: true,
        }
    }

    /// Whether one such witness is enough.
    pub const fn is_first_hand(&self) -> bool {
        self.first_hand
    }
}

/// How many different witnesses speak.
pub(super) fn witnesses(evidence: &[Evidence]) -> usize {
    evidence.iter().map(|piece| &piece.witness).collect::<BTreeSet<_>>().len()
}

/// What a finding is about. Decides which finding explains which.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Subject {
    /// True when it concerns all nodes and slots.
    #[serde(default)]
    pub whole_cluster: bool,
    /// The nodes concerned.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub nodes: BTreeSet<NodeId>,
    /// The addresses concerned.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub addresses: BTreeSet<Endpoint>,
    /// The slots concerned.
    #[serde(default, skip_serializing_if = "SlotSet::is_empty")]
    pub slots: SlotSet,
}

impl Subject {
    /// All nodes and slots.
    pub fn cluster() -> Self {
        Self { whole_cluster: true, ..Self::default() }
    }

    /// One node.
    pub fn node(id: NodeId) -> Self {
        Self::nodes([id])
    }

    /// Some nodes.
    pub fn nodes(ids: impl IntoIterator<Item = NodeId>) -> Self {
        Self { nodes: ids.into_iter().collect(), ..Self::default() }
    }

    /// One address, where no id is known.
    pub fn address(endpoint: Endpoint) -> Self {
        Self { addresses: [endpoint].into(), ..Self::default() }
    }

    /// And this address.
    #[must_use]
    pub fn with_address(mut self, endpoint: Option<Endpoint>) -> Self {
        self.addresses.extend(endpoint);
        self
    }

    /// And these nodes.
    #[must_use]
    pub fn with_nodes(mut self, ids: impl IntoIterator<Item = NodeId>) -> Self {
        self.nodes.extend(ids);
        self
    }

    /// And these slots.
    #[must_use]
    pub fn with_slots(mut self, slots: SlotSet) -> Self {
        self.slots = self.slots.union(&slots);
        self
    }

    /// Whether both concern something in common.
    pub fn touches(&self, other: &Self) -> bool {
        self.whole_cluster
            || other.whole_cluster
            || !self.nodes.is_disjoint(&other.nodes)
            || !self.addresses.is_disjoint(&other.addresses)
            || !self.slots.intersection(&other.slots).is_empty()
    }
}
