//! The names of keys in a slot that two primaries hold.

use serde::{Deserialize, Serialize};

use crate::model::{NodeId, Slot};
use crate::observation::Said;

/// `CLUSTER GETKEYSINSLOT` of one slot at one node.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct SlotNames {
    /// The slot.
    pub slot: Slot,
    /// Who was asked.
    pub node: NodeId,
    /// The names, at most [`crate::limits::NAMED_KEYS_MAX`]; one that is no UTF-8 is
    /// escaped. Never print them raw.
    pub names: Said<Vec<String>>,
}
