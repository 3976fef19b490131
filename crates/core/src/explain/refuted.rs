//! What speaks against a cause: statements of success, and causes that leave no room for others.
//!
//! A name of a product says where something runs; what worked there says what is not at fault.

use super::cause::{Cause, Hit};
use super::seen::Seen;

/// One reason to believe less in some causes.
struct Against {
    /// Whether it holds, by what was found and by the text.
    when: fn(&[(&'static Cause, Hit)], &Seen) -> bool,
    /// The causes, each with by how much.
    over: &'static [(&'static str, u8)],
}

/// From this score on a cause is held for the likely one.
const LIKELY: u8 = 65;

fn likely(hits: &[(&'static Cause, Hit)], code: &str) -> bool {
    hits.iter().any(|(cause, hit)| cause.code == code && hit.score >= LIKELY)
}

/// Whether a cause was found that names this fact.
fn tells(hits: &[(&'static Cause, Hit)], code: &str, fact: &str) -> bool {
    hits.iter().any(|(cause, hit)| cause.code == code && hit.facts.contains_key(fact))
}

static AGAINST: &[Against] = &[
    Against {
        when: |_, seen| spoke_plainly(seen),
        over: &[("PLAIN_AGAINST_TLS", 50), ("CLI_WITHOUT_TLS", 40), ("TLS_PORT_CONFUSION", 30)],
    },
    Against {
        when: |hits, _| likely(hits, "SERVER_TAKEN_OVER"),
        over: &[
            ("REPLICA_LINK_DOWN", 40),
            ("REPLICA_AUTH_FAILED", 60),
            ("FULL_SYNC_LOOP", 50),
            ("RDB_VERSION_INCOMPATIBLE", 40),
            ("PEER_ADDRESS_STALE", 40),
            ("REPLICA_CANNOT_REACH_PRIMARY", 40),
        ],
    },
    // Who comes to judge certificates speaks TLS, and so does the other end.
    Against {
        when: |_, seen| super::causes::trust::both_speak_tls(seen),
        over: &[("PLAIN_AGAINST_TLS", 30), ("CLI_WITHOUT_TLS", 20), ("TLS_PORT_CONFUSION", 20)],
    },
    // A node that knows nobody and has no slot is down by that, whoever speaks TLS to it.
    Against {
        when: |_, seen| {
            seen.number("cluster_slots_assigned") == Some(0)
                && seen.number("cluster_known_nodes") == Some(1)
        },
        over: &[("PLAIN_AGAINST_TLS", 24), ("TLS_PORT_CONFUSION", 24), ("CLI_WITHOUT_TLS", 24)],
    },
    // A client tells its trouble, and the servers serve every slot.
    Against {
        when: |_, seen| seen.client().is_some() && seen.serves_all(),
        over: &[
            ("SHARD_DOWN", 40),
            ("QUORUM_LOST", 40),
            ("FAILOVER_NO_VOTES", 30),
            ("REPLICA_TOO_STALE", 30),
            ("UNASSIGNED_SLOTS_SHARD_FORGOTTEN", 30),
        ],
    },
    // There cluster-enabled is nothing that its users set.
    Against {
        when: |_, seen| super::causes::endpoints::is_proxied(seen),
        over: &[("CLUSTER_DISABLED_ON_NODE", 40)],
    },
    Against {
        when: |hits, _| likely(hits, "CLUSTER_CLIENT_MISUSED"),
        over: &[
            ("AUTH_MISMATCH", 30),
            ("NON_CLUSTER_CLIENT", 20),
            ("NOSCRIPT_ON_OTHER_NODE", 20),
            ("UNSUPPORTED_IN_CLUSTER", 40),
            ("CLIENT_REDIRECT_LOOP", 20),
        ],
    },
    // What was asked for is no amount that anybody has: memory was not short.
    Against {
        when: |hits, _| likely(hits, "MEMORY_DAMAGED"),
        over: &[("OOM_KILLED", 70), ("SERVER_CRASHED", 20), ("SAVE_CHILD_KILLED", 30)],
    },
    // Who dials there is the operator: no map of a server is in it.
    Against {
        when: |hits, _| likely(hits, "OPERATOR_DIALS_NO_POD"),
        over: &[("SELF_ADDRESS_UNKNOWN", 60), ("K8S_OPERATOR_FIGHT", 20)],
    },
    // The name was never looked up with success, so nobody was dialled.
    Against {
        when: |hits, _| likely(hits, "CLI_TAKES_BRACKETS_FOR_A_NAME"),
        over: &[
            ("CANNOT_CONNECT_NODE", 70),
            ("K8S_OPERATOR_FIGHT", 40),
            ("BIND_LOOPBACK", 40),
            ("PROTECTED_MODE", 40),
        ],
    },
    Against {
        when: |hits, _| likely(hits, "TRYAGAIN_WHILE_SLOT_MOVES"),
        over: &[("SLOT_OPEN", 20), ("MIGRATE_IOERR_AMBIGUOUS", 20)],
    },
    Against {
        when: |hits, _| likely(hits, "READS_SENT_TO_LOADING_REPLICA"),
        over: &[("REPLICA_READ_ANOMALY", 40), ("NODE_LOADING", 20)],
    },
    Against {
        when: |hits, _| likely(hits, "FULL_COPY_READ_AS_COMMANDS"),
        over: &[("REPLICATION_STREAM_REFUSED", 40), ("FULL_SYNC_LOOP", 30)],
    },
    // Redirects lead past the one proxy, whatever the nodes announce.
    Against {
        when: |_, seen| super::causes::behind_one_proxy(seen),
        over: &[("ANNOUNCED_IP_UNREACHABLE_FROM_CLIENT", 50), ("CLI_WITHOUT_TLS", 40)],
    },
    Against {
        when: |hits, _| likely(hits, "CLIENT_BUFFERS_FILL_MEMORY"),
        over: &[("KEYS_EVICTED", 20), ("MAXMEMORY_REACHED", 20)],
    },
    // An address of the own side is not an old one.
    Against {
        when: |hits, _| likely(hits, "OWN_ADDRESS_IS_INNER"),
        over: &[
            ("SELF_ADDRESS_STALE", 70),
            ("PEER_ADDRESS_STALE", 40),
            ("ANNOUNCED_IP_UNREACHABLE_FROM_CLIENT", 30),
        ],
    },
    // The lay-out is the fault, and the chain a part of it.
    Against {
        when: |hits, _| likely(hits, "REPLICA_MIGRATED"),
        over: &[
            ("REPLICATION_CHAIN_OR_CYCLE", 30),
            ("REPLICAS_UNEVEN", 40),
            ("REPLICA_PILEUP", 20),
        ],
    },
    Against {
        when: |hits, _| likely(hits, "REPLICA_FOLLOWED_THE_SLOTS"),
        over: &[("REPLICA_PILEUP", 30), ("REPLICAS_UNEVEN", 40), ("HEALTHY", 40)],
    },
    // Nobody forgot to switch on what is off by design.
    Against {
        when: |hits, _| likely(hits, "REPLICATION_TAKEN_FOR_CLUSTER"),
        over: &[
            ("CLUSTER_DISABLED_ON_NODE", 90),
            ("MANAGED_SERVICE_CLUSTER_MODE", 40),
            ("CLIENT_SENTINEL_OR_WRONG_MODE", 40),
        ],
    },
    // The client is a cluster client, and it is told why it shows MOVED.
    Against {
        when: |hits, _| {
            ["SCRIPT_ON_REPLICA_REDIRECTED", "TRANSACTION_ON_OLD_MAP"]
                .iter()
                .chain(&["COMMAND_KEY_NOT_FOUND_BY_CLIENT"])
                .any(|code| likely(hits, code))
        },
        over: &[
            ("NON_CLUSTER_CLIENT", 20),
            ("CLIENT_REDIRECT_LOOP", 20),
            ("CLUSTER_CLIENT_MISUSED", 12),
        ],
    },
    Against {
        when: |hits, _| likely(hits, "SERVICE_REFUSES_COMMAND"),
        over: &[("COMMAND_RENAMED_OR_DISABLED", 30), ("MANAGED_SERVICE_CLUSTER_MODE", 40)],
    },
    // Who refuses a connection is reached: no network is split there.
    Against {
        when: |hits, _| tells(hits, "QUORUM_LOST", "stopped"),
        over: &[("MINORITY_PARTITION", 60), ("BUS_PORT_BLOCKED", 30)],
    },
    // The copy that does not finish is the reason; that nobody was elected is what it led to.
    Against {
        when: |hits, _| tells(hits, "REPLICA_TOO_STALE", "copy"),
        over: &[("FULL_SYNC_LOOP", 10)],
    },
    // The nodes differ by their own lists: no option of a client mends that.
    Against {
        when: |hits, _| hits.iter().any(|(cause, hit)| cause.code == "ACL_DIVERGED" && hit.whole),
        over: &[("AUTH_MISMATCH", 16), ("CLI_WITHOUT_PASSWORD", 30)],
    },
    // What was typed shows how the redirects come about; nobody complains of them.
    Against {
        when: |hits, _| likely(hits, "REPLICA_NIL_WHILE_SLOT_MOVES"),
        over: &[("NON_CLUSTER_CLIENT", 50), ("SLOT_OPEN", 40), ("CLIENT_MAP_DURING_MOVE", 40)],
    },
    // The user's own setting makes the client a plain one, and MOVED came through to it.
    Against {
        when: |hits, _| tells(hits, "NON_CLUSTER_CLIENT", "setting"),
        over: &[
            ("MANAGED_SERVICE_CLUSTER_MODE", 50),
            ("CLUSTER_CLIENT_MISUSED", 30),
            ("ERROR_BESIDE_HEALTHY_SERVERS", 50),
            ("CLIENT_SEEDS_UNREACHABLE", 40),
        ],
    },
    // The server answered, and it has no cluster.
    Against {
        when: |hits, _| {
            hits.iter().any(|(cause, hit)| cause.code == "COMMAND_RENAMED_OR_DISABLED" && hit.whole)
        },
        over: &[
            ("CLIENT_SEEDS_UNREACHABLE", 60),
            ("ACL_DENIES_CLUSTER_COMMANDS", 60),
            ("MANAGED_SERVICE_CLUSTER_MODE", 40),
        ],
    },
    // The tool asked for a key that is none.
    Against {
        when: |hits, _| likely(hits, "BIGKEYS_CUTS_BINARY_KEYS"),
        over: &[
            ("NON_CLUSTER_CLIENT", 50),
            ("SCAN_OR_KEYS_ONE_NODE", 50),
            ("KEYS_IN_FOREIGN_SLOT", 50),
            ("ERROR_BESIDE_HEALTHY_SERVERS", 50),
        ],
    },
    // The server itself lives, and its copies break off because the child is killed.
    Against {
        when: |hits, _| likely(hits, "SAVE_CHILD_KILLED"),
        over: &[("FULL_SYNC_LOOP", 20), ("REPLICA_LINK_DOWN", 20)],
    },
    // The full volume is told as the root of it.
    Against {
        when: |hits, _| tells(hits, "AOF_OR_RDB_CORRUPT", "chain"),
        over: &[("DISK_ERROR_MISCONF", 60)],
    },
    // Who answers another client is reached, and an old tool knows no users.
    Against {
        when: |hits, _| likely(hits, "OLD_TOOL_WITHOUT_PASSWORD"),
        over: &[
            ("CANNOT_CONNECT_NODE", 70),
            ("ACL_DIVERGED", 60),
            ("AUTH_MISMATCH", 40),
            ("CLI_WITHOUT_PASSWORD", 40),
            ("PROTECTED_MODE", 40),
        ],
    },
    Against {
        when: |hits, _| likely(hits, "SLOT_MARKED_BY_HAND"),
        over: &[("SLOT_OPEN", 40), ("MIGRATE_IOERR_AMBIGUOUS", 60)],
    },
    // What is dialled, or where from, or what is spoken there is wrong: no closed port is met.
    Against {
        when: |hits, _| {
            ["MEET_WITHOUT_BUS_PORT", "BIND_LOOPBACK_FIRST"].iter().any(|code| likely(hits, code))
                || hits.iter().any(|(cause, hit)| cause.code == "MIXED_VERSIONS" && hit.whole)
        },
        over: &[
            ("BUS_PORT_BLOCKED", 40),
            ("HANDSHAKE_NEVER_COMPLETES", 40),
            ("ANNOUNCE_ADDRESS_WRONG", 20),
            ("NODE_ALONE", 40),
        ],
    },
    Against {
        when: |hits, _| likely(hits, "FAIL_AFTER_NODE_TIMEOUT"),
        over: &[("BUS_PORT_BLOCKED", 60), ("REPLICA_LINK_DOWN", 30), ("BUS_ONE_WAY_PARTITION", 30)],
    },
];

/// Lowers what the text refutes.
pub(super) fn apply(hits: &mut [(&'static Cause, Hit)], seen: &Seen) {
    for against in AGAINST.iter().filter(|against| (against.when)(hits, seen)).collect::<Vec<_>>() {
        for (cause, hit) in hits.iter_mut() {
            let less = against.over.iter().find(|(code, _)| *code == cause.code);
            hit.score = hit.score.saturating_sub(less.map_or(0, |(_, points)| *points));
        }
    }
}

/// What only TLS libraries say: then TLS has a part in it, whatever else worked.
const TLS_LINES: [&str; 4] =
    ["wrong version number", "ssl routines", "not an ssl/tls record", "first record does not"];

/// Whether somebody reached the place without TLS: a client that says so, or redis-cli without
/// `--tls` that came to its prompt or to an answer.
pub(super) fn spoke_plainly(seen: &Seen) -> bool {
    if seen.has(&TLS_LINES) || seen.has(&super::causes::endpoints::SPEAKS_TLS) {
        return false;
    }
    let by_cli = seen.lines.windows(2).any(|pair| match pair {
        [ask, answer] => {
            let asks = ["redis-cli ", "valkey-cli "].iter().any(|tool| ask.lower.contains(tool));
            let text = answer.text.trim();
            let prompt = text.split_once('>').is_some_and(|(head, rest)| {
                let port = head.rsplit_once(':').map(|(_, port)| port.parse::<u16>().is_ok());
                port == Some(true) && !rest.starts_with('>')
            });
            asks && (prompt || text.ends_with("PONG") || text.contains("NOAUTH"))
        }
        _ => false,
    });
    by_cli || seen.has(&["successfully connected to the redis", "without --tls works"])
}

/// Whether a login was taken: `AUTH ...` and `OK` below it.
pub(super) fn logged_in(seen: &Seen) -> bool {
    seen.lines.windows(2).any(|pair| match pair {
        [ask, answer] => {
            let asks = ask.lower.contains("> auth ") || ask.lower.trim().starts_with("auth ");
            asks && answer.text.trim() == "OK"
        }
        _ => false,
    })
}
