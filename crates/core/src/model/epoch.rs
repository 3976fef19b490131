//! Numbers that servers count with. Each is a type of its own, so that none is taken for another.

use std::fmt;

use serde::{Deserialize, Serialize};

macro_rules! counted {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
        #[derive(Serialize, Deserialize)]
        #[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
        pub struct $name(pub u64);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    };
}

counted! {
    /// The version of a primary's claim to its slots. The greater one wins
    /// (`clusterUpdateSlotsConfigWith`). A replica shows its primary's.
    ConfigEpoch
}

counted! {
    /// The greatest epoch a node has ever seen: the clock of elections.
    CurrentEpoch
}

counted! {
    /// Bytes of the replication stream. Comparable only between nodes of one `master_replid`.
    ReplOffset
}
