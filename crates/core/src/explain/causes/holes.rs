//! A client misses slots that the servers serve: the hole is in its own map.

use crate::explain::cause::{Hit, Side};
use crate::explain::seen::Seen;

/// What clients say when their map lacks slots.
pub(super) const UNCOVERED: &[&str] = &[
    "not all slots covered",
    "all slots are not covered",
    "not all slots are covered",
    "no node found for slot",
    "no node to serve slot",
    "not covered by the cluster",
    "unassigned slot in the cluster map",
    "slot has no redis node",
    "property 'master' of undefined",
    "reading 'master'",
];

/// The client misses a slot, and the servers serve all: the hole is in the client's own map.
pub(super) fn hole_of_the_client(seen: &Seen, mut hit: Hit) -> Hit {
    hit.side = Some(Side::Client);
    let slot = seen.word_after("slot \"").filter(|word| word.parse::<u16>().is_ok());
    let which = slot.map_or_else(|| "the slot".to_owned(), |slot| format!("slot {slot}"));
    hit.more_if(10, true)
        .quotes(seen.field_line("cluster_slots_ok"))
        .note(format!(
            "CLUSTER INFO beside it says state ok and all 16384 slots ok, so {which} has a living \
             owner, and the hole is in the map that this client keeps: it read it while slots \
             moved or a node changed, and does not read it again, because it does not send the \
             command whose MOVED would tell it (redis-py before mid-2025, redis/redis-py#3620). \
             Other clients work at the same time."
        ))
        .step(
            "Make the client read the map anew: a new client object or a restart; in redis-py \
             catch SlotNotCoveredError, call initialize() (nodes_manager.initialize()) and repeat \
             the command.",
        )
        .step(
            "For good: a current release of the library (redis-py reads the map anew at this error \
             since the middle of 2025), and a repetition of the command in the application while \
             shards are added or removed.",
        )
        .step("No slot and no node is to be repaired.")
        .only_these_steps()
}
