//! Locks that want an acknowledgement of replicas.

use crate::explain::cause::{Cause, Side};

pub(super) static CAUSES: &[Cause] = &[Cause {
    code: "LOCK_NOT_SYNCED_TO_REPLICAS",
    title: "A lock was taken, and the replicas did not acknowledge it in time",
    side: Side::Client,
    when: |seen| {
        seen.says(
            86,
            &[
                "none of slaves were synced",
                "none of slaves synced",
                "slaves were synced",
                "slaves weren't synced",
                "check lock synced",
            ],
        )
    },
    cause: "Redisson sends WAIT behind the lock's script and gives the lock up when fewer replicas \
        acknowledge than it knows. The write itself was done by the primary. It happens when a \
        replica is down, in a full sync or behind, when the client still counts replicas that are \
        gone or were promoted, or where a service answers WAIT with 0.",
    check: "INFO replication on the primary that owns the lock's key: connected_slaves, and state \
        and lag of each; then WAIT 1 1000 after a write there: how many?",
    fix: &[
        "Replicas that are down or behind: mend their link first (master_link_status on them).",
        "Replicas are well: a newer Redisson (it counted replicas wrongly after failovers in several \
         releases), and scanInterval so that its map is the present one.",
        "Where acknowledgement is not needed or not to be had: Config.setCheckLockSyncedSlaves(false); \
         the price is that a failover right after may lose the lock.",
    ],
    never: &["Do not repair slots for it, and do not delete the lock's keys while owners run."],
    like: &["REPLICA_LINK_DOWN", "CLIENT_STALE_TOPOLOGY"],
}];
