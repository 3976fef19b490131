//! `CLUSTER NODES` of many nodes, with each distinct row stored once.
//!
//! A thousand nodes show a thousand rows each, and nearly all of them say the same. A row without
//! the two columns that change each second is kept in the [`RowTable`]; a [`NodesView`] is a list
//! of numbers of rows with those two columns beside.

use std::collections::HashMap;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::model::{ConfigEpoch, Flags, NodeAddress, NodeId, Slot, SlotSet};

/// The link column of `CLUSTER NODES`: whether the observer's own connection to that bus stands.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum LinkState {
    /// The TCP connection stands. It does not follow that anybody answers.
    Connected,
    /// It does not.
    Disconnected,
}

/// A slot that is being moved; shown by its own node only.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum OpenSlot {
    /// `[slot->-id]`.
    Migrating {
        /// The slot.
        slot: Slot,
        /// Where it goes.
        to: NodeId,
    },
    /// `[slot-<-id]`.
    Importing {
        /// The slot.
        slot: Slot,
        /// Where it comes from.
        from: NodeId,
    },
}

impl OpenSlot {
    /// The slot.
    pub const fn slot(self) -> Slot {
        match self {
            Self::Migrating { slot, .. } | Self::Importing { slot, .. } => slot,
        }
    }
}

/// One row of a table, without the columns that change each second.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct NodeRow {
    /// Whom the row is about.
    pub id: NodeId,
    /// Where the observer believes it is.
    pub address: NodeAddress,
    /// What the observer holds it for.
    pub flags: Flags,
    /// Its primary, if the observer holds it for a replica.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub primary: Option<NodeId>,
    /// Its config epoch, as recorded by the observer.
    pub epoch: ConfigEpoch,
    /// The observer's own link to it.
    pub link: LinkState,
    /// The slots that the observer gives to it.
    #[serde(default, skip_serializing_if = "SlotSet::is_empty")]
    pub slots: SlotSet,
    /// Slots that are being moved; on the observer's own row only.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub open: Vec<OpenSlot>,
}

/// The distinct rows of an observation.
///
/// The index that finds a row again lives only while rows are added; it is no part of the value.
#[derive(Clone, Debug, Default)]
pub struct RowTable {
    rows: Vec<NodeRow>,
    index: HashMap<Box<[u8]>, u32>,
}

impl RowTable {
    /// The number of the row whose text (without the changing columns) is `key`; `read` makes the
    /// row when the text is new. `None` when `read` cannot.
    pub fn intern(&mut self, key: &[u8], read: impl FnOnce() -> Option<NodeRow>) -> Option<u32> {
        if let Some(number) = self.index.get(key) {
            return Some(*number);
        }
        let number = u32::try_from(self.rows.len()).ok()?;
        self.rows.push(read()?);
        self.index.insert(key.into(), number);
        Some(number)
    }

    /// The number of a row that was made by hand: tests and offline evidence.
    pub fn add(&mut self, row: NodeRow) -> u32 {
        if let Some(at) = self.rows.iter().position(|known| *known == row) {
            return u32::try_from(at).unwrap_or(u32::MAX);
        }
        self.rows.push(row);
        u32::try_from(self.rows.len() - 1).unwrap_or(u32::MAX)
    }

    /// The row of a number.
    pub fn get(&self, number: u32) -> Option<&NodeRow> {
        self.rows.get(usize::try_from(number).ok()?)
    }

    /// All distinct rows.
    pub fn as_slice(&self) -> &[NodeRow] {
        &self.rows
    }

    /// Gives back the memory of the index; rows that are added later are stored again.
    pub fn seal(&mut self) {
        self.index = HashMap::new();
    }
}

impl PartialEq for RowTable {
    fn eq(&self, other: &Self) -> bool {
        self.rows == other.rows
    }
}

impl Serialize for RowTable {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.rows.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for RowTable {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Self { rows: Vec::deserialize(deserializer)?, index: HashMap::new() })
    }
}

#[cfg(feature = "schema")]
impl schemars::JsonSchema for RowTable {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "RowTable".into()
    }
    fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
        Vec::<NodeRow>::json_schema(generator)
    }
}

/// One row as one observer shows it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ViewRow {
    /// The number of the row in the [`RowTable`].
    pub row: u32,
    /// How long the oldest unanswered ping has been waiting, measured against the newest pong of
    /// the same view, and at least 1; 0 when none waits.
    #[serde(default)]
    pub ping_waits_ms: u32,
    /// How much older the last pong is than the newest pong of the same view; `u32::MAX` when
    /// there never was one.
    #[serde(default)]
    pub pong_age_ms: u32,
}

/// `CLUSTER NODES` of one node.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct NodesView {
    /// Its rows, in the order of the reply.
    pub rows: Vec<ViewRow>,
    /// What could not be read, a line each: a fact about the node that said it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub oddities: Vec<String>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Flag;

    #[test]
    fn equal_rows_are_stored_once() {
        let row = NodeRow {
            id: NodeId::made_up(1),
            address: NodeAddress::default(),
            flags: Flags::none().with(Flag::Primary),
            primary: None,
            epoch: ConfigEpoch(1),
            link: LinkState::Connected,
            slots: SlotSet::all(),
            open: Vec::new(),
        };
        let mut table = RowTable::default();
        let first = table.intern(b"text", || Some(row.clone()));
        let again = table.intern(b"text", || None);
        assert_eq!(first, again);
        assert_eq!(table.as_slice().len(), 1);
    }
}
