//! The nouns of a Redis or Valkey Cluster as types: who a node is, what a slot is, where it lives.

mod address;
mod epoch;
mod flags;
mod node_id;
mod slots;
mod version;

pub use address::{Endpoint, NodeAddress};
pub use epoch::{ConfigEpoch, CurrentEpoch, ReplOffset};
pub use flags::{Flag, Flags};
pub use node_id::{NodeId, NodeIdError, ShardId};
pub use slots::{SLOT_COUNT, Slot, SlotRange, SlotSet};
pub use version::{Product, Version};
