//! How sure an answer may be, by what was pasted.
//!
//! Matchers score how well the evidence fits; a few causes fit the same evidence as another
//! reading does. Such a cause is called shown only when the paste has what rules the other reading
//! out; otherwise it is likely, and the other reading is named.

use super::cause::Hit;
use super::causes::silence;
use super::seen::{Seen, Source};

/// What a cause needs to be called shown.
struct Needs {
    /// The code of the cause.
    code: &'static str,
    /// Whether the paste has it.
    has: fn(&Seen, &Hit) -> bool,
    /// The other reading of the same evidence, as a sentence.
    otherwise: &'static str,
}

/// Words of a member that was taken out.
const TAKEN_OUT: &[&str] =
    &["forget", "forgot", "del-node", "removed", "deleted", "destroyed", "terminated", "reset"];

/// Signs that a move of slots was broken off, or cannot go on.
pub(super) const BROKEN_OFF: &[&str] = &[
    "error",
    "[err]",
    "timeout",
    "timed out",
    "killed",
    "abort",
    "interrupt",
    "fix",
    "ctrl",
    "^c",
    "ioerr",
    "stuck",
    "fail",
    "crash",
    "disconnected",
    "hours",
    "yesterday",
    "days",
];

/// Signs that nodes do not come together.
const NOT_JOINED: &[&str] = &[
    "waiting for the cluster to join",
    "state:fail",
    "state changed: fail",
    "fail?",
    "pfail",
    "handshake",
    "timed out",
    "timeout",
    "clusterdown",
    "cannot reach",
    "can't reach",
    "not join",
    "unreachable",
    "refused",
];

static NEEDS: &[Needs] = &[
    Needs {
        code: "UNASSIGNED_SLOTS_SHARD_FORGOTTEN",
        has: |seen, _| seen.has(TAKEN_OUT) && seen.unowned().is_some(),
        otherwise: "A listing of --cluster check leaves out nodes that it cannot reach, so a shard \
            that is only down looks the same: CLUSTER NODES on a node that answers tells. If a row \
            there (fail, noaddr) still has the slots, its node comes back first and nothing is \
            assigned.",
    },
    Needs {
        code: "ALL_ADDRESSES_STALE",
        has: |seen, hit| {
            let several = hit.facts.get("stale").is_some_and(|stale| stale.contains(" and "));
            let deaf = seen.number("cluster_stats_messages_received") == Some(0);
            hit.facts.contains_key("resolved")
                || !seen.pod_ips.is_empty() && (several || deaf && hit.facts.contains_key("stale"))
        },
        otherwise: "The paste does not show it of all nodes: processes that are down, or a closed \
            bus port, look the same from here.",
    },
    Needs {
        code: "LEFTOVER_CLUSTER_STATE_ON_NODE",
        has: |seen, hit| {
            let known = seen.number("cluster_known_nodes").is_some_and(|known| known > 1);
            let assigned = seen.number("cluster_slots_assigned").is_some_and(|slots| slots > 0);
            hit.whole || known || assigned || seen.server_rows().next().is_some()
        },
        otherwise: "The message alone does not tell which of the two it is: remembered nodes, or \
            keys in database 0. CLUSTER INFO and DBSIZE of that node do.",
    },
    Needs {
        code: "SLOT_OPEN",
        has: |seen, _| seen.has(BROKEN_OFF),
        otherwise: "A reshard that is still running shows the same marks: then it is to be left \
            alone until it is done.",
    },
    Needs {
        code: "SHARD_DOWN",
        has: |seen, _| seen.failing().iter().any(|row| row.is_primary()),
        // Its own text says what else it is when a tool cannot connect.
        otherwise: "",
    },
    Needs {
        code: "BUS_PORT_BLOCKED",
        has: |seen, _| seen.has(NOT_JOINED),
        otherwise: "The rules open the client port alone; no symptom was pasted with them, and \
            another rule may open the bus.",
    },
    Needs {
        code: "STALLED_AND_REPLACED",
        has: |seen, hit| {
            let silent = hit.quotes.iter().any(|at| silence::before(seen, *at).is_some());
            silent || seen.has(STOOD_STILL)
        },
        otherwise: "A node that was cut off from its peers for as long writes the same lines: the \
            log shows that it was replaced while it ran, not why it was not heard.",
    },
    Needs {
        code: "SELF_ADDRESS_STALE",
        has: |seen, hit| {
            let others = seen.rows().filter(|row| !row.is_myself());
            let met = others.filter(|row| seen.pod_ips.contains(&row.address.ip)).count();
            hit.facts.contains_key("real") || met > 0
        },
        otherwise: "Whether the others have learnt the new address, or hold old ones themselves \
            (as when all were restarted at once), their tables show.",
    },
    Needs {
        code: "EMPTY_PRIMARY_RESTART_WIPED_SHARD",
        has: |seen, _| seen.has(RESTARTED),
        otherwise: "An empty primary that was emptied by a command gives its replicas the same: \
            its own log (a start, or none) tells.",
    },
    Needs {
        code: "TOO_FEW_VOTERS",
        has: |seen, _| {
            let table = seen.tables.iter().any(|table| {
                table.source != Source::Check
                    && table.rows.iter().any(|row| row.is_failing() && row.is_primary())
            });
            table || seen.has(&["clusterdown", "cluster_state:fail", "not all 16384", "killed"])
        },
        otherwise: "Whether one of the two is really down, the paste does not show.",
    },
];

/// Signs that a process did not run for a while.
const STOOD_STILL: &[&str] = &[
    "latest_fork_usec",
    "asynchronous aof fsync is taking too long",
    "background saving started",
    "background append only file rewriting started",
    "slow",
    "sigstop",
    "stall",
    "froze",
    "frozen",
    "vm ",
    "steal",
    "swap",
    "suspend",
    "background saving terminated",
    "fork",
];

/// Signs of a start of the primary.
const RESTARTED: &[&str] = &[
    "restart",
    "uptime_in_seconds",
    "ready to accept",
    "server initialized",
    "oo00",
    "reboot",
    "save \"\"",
    "appendonly no",
    "connection lost",
    "connection with master lost",
    "connection with primary lost",
];

/// The sentence that takes a shown cause back to a likely one; `None` when it may stay shown.
pub(super) fn doubt(code: &str, hit: &Hit, seen: &Seen) -> Option<&'static str> {
    let needs = NEEDS.iter().find(|needs| needs.code == code)?;
    (!(needs.has)(seen, hit)).then_some(needs.otherwise)
}

#[cfg(test)]
mod tests {
    use crate::explain::causes;

    #[test]
    fn each_code_is_one_of_a_cause() {
        for needs in super::NEEDS {
            assert!(causes::all().any(|cause| cause.code == needs.code), "{}", needs.code);
        }
    }
}
