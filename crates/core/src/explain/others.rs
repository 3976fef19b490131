//! What else it could be: only what the evidence leaves open, and what would change the deeds.
//!
//! Beside a cause that is shown, a symptom or a more general name of it is no alternative, nor is
//! what the same lines say a second time; what stays has a line of its own. Beside a likely one
//! stand the two that come next. What the paste refutes is named nowhere.

use super::cause::{Cause, Hit, Side};
use super::seen::Seen;
use super::template::{Facts, fill};
use super::{Alternative, Confidence, Explained, causes, observed, ruled_out};
use crate::diagnose::{Found, Severity};

/// Alternatives named beside a cause that is only possible.
const MOST: usize = 3;

/// Alternatives named beside a cause that is shown or likely.
const FEW: usize = 2;

/// How far below the first a fit may be.
const NEAR: u8 = 45;

/// From this score on a fit stands on its own.
const LIKELY: u8 = 65;

/// Lines of a paste that holds little more than one message.
const THIN: usize = 3;

/// What a fault looks like from further away. Beside a cause that is shown they are its effects.
const SYMPTOMS: &[&str] = &[
    "STATE_FAIL_UNKNOWN_REASON",
    "SHARD_DOWN",
    "QUORUM_LOST",
    "FAILOVER_NO_VOTES",
    "REPLICA_LINK_DOWN",
    "REPLICA_TOO_STALE",
    "PRIMARY_NOADDR_MASKED",
    "PEER_ADDRESS_STALE",
    "EMPTY_PRIMARY",
    "GHOST_NODE_ENTRIES",
    "CLUSTER_DOWN",
    "NODE_DOWN",
    "FULL_SYNC_LOOP",
    "TIMEOUT_FLAPPING",
    "REPLICA_DOWN",
    "NODE_HUNG",
];

/// Causes, each with those that are a part, an effect or a broader name of it.
const WITHIN: &[(&str, &[&str])] = &[
    ("ALL_ADDRESSES_STALE", &["PEER_ADDRESS_STALE", "SELF_ADDRESS_STALE"]),
    ("NODES_CONF_MANGLED_BY_TEXT_REPLACE", &["ILLEGAL_ADDRESS", "NODES_CONF_CORRUPT"]),
    ("NODE_IDENTITY_LOST", &["PRIMARY_NOADDR_MASKED", "SHARD_DOWN"]),
    ("UNASSIGNED_SLOTS_SHARD_FORGOTTEN", &["NODE_IDENTITY_LOST"]),
    ("NODE_IP_QUESTION_MARK_BUG", &["STALLED_AND_REPLACED", "SELF_ADDRESS_UNKNOWN"]),
    (
        "NO_QUORUM_EMPTY_MASTERS_DONT_VOTE",
        &["TOO_FEW_VOTERS", "QUORUM_LOST", "FAILOVER_NO_VOTES", "EMPTY_PRIMARY"],
    ),
    ("NO_QUORUM_EMPTY_MASTERS_DONT_VOTE", &["SINGLE_PRIMARY_OWNS_ALL", "SLOT_IMBALANCE"]),
    ("TOO_FEW_VOTERS", &["QUORUM_LOST", "FAILOVER_NO_VOTES", "TOO_FEW_NODES_FOR_CREATE"]),
    ("LEFTOVER_CLUSTER_STATE_ON_NODE", &["TOO_FEW_VOTERS", "QUORUM_LOST", "NODE_IDENTITY_LOST"]),
    ("CLI_WITHOUT_PASSWORD", &["AUTH_MISMATCH", "REPLICA_AUTH_FAILED"]),
    ("TLS_BUS_CERT_VERIFY_FAILED", &["TLS_CERT_INVALID", "TLS_BUS_MISMATCH"]),
    ("CLIENT_TOO_OLD_FOR_REDIS7_SLOTS", &["CLIENT_PARSES_NODES_WRONG"]),
    ("CROSSSLOT_NO_HASH_TAG", &["UNSUPPORTED_IN_CLUSTER"]),
    ("REPLICA_AUTH_FAILED", &["AUTH_MISMATCH"]),
    ("FORGOTTEN_NODE_REINTRODUCES_ITSELF", &["GHOST_NODE_ENTRIES"]),
    ("DUPLICATE_NODE_ID_LIVE", &["PEER_ADDRESS_STALE"]),
    ("ANNOUNCE_ADDRESS_WRONG", &["SINGLE_VIP_FRONT"]),
    ("QUORUM_LOST", &["REPLICA_LINK_DOWN", "SHARD_DOWN"]),
    ("CLIENT_MAP_OF_JOINING_NODE", &["EMPTY_PRIMARY", "ERROR_BESIDE_HEALTHY_SERVERS"]),
    ("CLIENT_MAP_OF_JOINING_NODE", &["CLIENT_STALE_TOPOLOGY"]),
    ("ANNOUNCED_NAME_UNRESOLVED", &["ANNOUNCED_IP_UNREACHABLE_FROM_CLIENT"]),
    ("ANNOUNCED_NAME_UNRESOLVED", &["K8S_DNS_NOT_READY_HIDDEN"]),
    ("SHARD_DOWN", &["CLUSTER_DOWN", "NODE_DOWN"]),
    ("SUSPECT_STAYS_SUSPECTED", &["GHOST_NODE_ENTRIES", "REPLICA_DOWN", "TOO_FEW_VOTERS"]),
    ("REPLICA_NIL_WHILE_SLOT_MOVES", &["CLIENT_MAP_DURING_MOVE", "NON_CLUSTER_CLIENT"]),
    ("SAVE_CHILD_KILLED", &["OOM_KILLED", "FULL_SYNC_LOOP", "REPLICA_LINK_DOWN"]),
    ("REPLICA_MIGRATED", &["REPLICATION_CHAIN_OR_CYCLE", "REPLICA_PILEUP", "REPLICAS_UNEVEN"]),
];

/// Causes that nodes which hold no state could have. Who knows peers, and all slots, has its own.
const WITHOUT_STATE: &[&str] = &[
    "NODE_IDENTITY_LOST",
    "K8S_EPHEMERAL_STORAGE",
    "CLUSTER_NOT_CREATED",
    "SLOTS_NEVER_ASSIGNED",
    "UNASSIGNED_SLOTS_SHARD_FORGOTTEN",
];

/// Causes of a cluster that does not serve.
const NOT_SERVING: &[&str] = &[
    "SHARD_DOWN",
    "QUORUM_LOST",
    "FAILOVER_NO_VOTES",
    "UNASSIGNED_SLOTS_SHARD_FORGOTTEN",
    "SLOTS_NEVER_ASSIGNED",
    "CLUSTER_NOT_CREATED",
    "BUS_PORT_BLOCKED",
    "ALL_ADDRESSES_STALE",
    "MINORITY_PARTITION",
    "NODE_IDENTITY_LOST",
    "K8S_EPHEMERAL_STORAGE",
];

/// Words of Kubernetes and of what runs containers.
const CONTAINERS: &[&str] = &[
    "pod",
    "kube",
    "statefulset",
    "helm",
    "k8s",
    "namespace",
    "operator",
    "container",
    "docker",
    ".svc",
    "volume",
    "deployment",
];

/// Whether the paste speaks against a cause.
fn is_refuted(code: &str, seen: &Seen) -> bool {
    let one_view =
        seen.blocks.iter().filter(|b| b.lines.contains_key("cluster_state")).count() == 1;
    let all = seen.number("cluster_slots_assigned") == Some(u64::from(crate::model::SLOT_COUNT));
    let knows = seen.number("cluster_known_nodes").is_some_and(|known| known > 1);
    let kept = one_view && all && knows && !seen.has(&["no cluster configuration found"]);
    let on_bus = seen.has(&["error accepting cluster node connection"]);
    kept && WITHOUT_STATE.contains(&code)
        || seen.serves_all() && NOT_SERVING.contains(&code)
        || on_bus && code == "BUS_PORT_BLOCKED"
        || code == "MINORITY_PARTITION" && super::causes::stopped::somebody(seen)
        || code.starts_with("K8S_") && !seen.has(CONTAINERS)
        || ruled_out::rules_out(code, seen)
}

/// Whether the second is a part, an effect or a broader name of the first.
fn is_within(first: &Explained, code: &str) -> bool {
    let shown = first.confidence == Confidence::Shown;
    code == "STATE_FAIL_UNKNOWN_REASON"
        || (shown && SYMPTOMS.contains(&code))
        // Who dials a port that nobody is meant to listen on meets no firewall.
        || (shown && first.code == "BUS_PORT_WRONG" && code == "BUS_PORT_BLOCKED")
        || (code == "HEALTHY" && first.confidence != Confidence::Possible)
        || (code == "HEALTHY" && ruled_out::is_a_fault_of_servers(first))
        || WITHIN.iter().any(|(whole, parts)| *whole == first.code && parts.contains(&code))
}

/// The next best fits, what the diagnosis of the tables adds, then what looks like the first one.
pub(super) fn alternatives(
    hits: &[(&Cause, Hit)],
    common: &Facts,
    answer: Option<&Explained>,
    roots: &[Found],
    seen: &Seen,
) -> Vec<Alternative> {
    let Some(answer) = answer else { return Vec::new() };
    let shown = answer.confidence == Confidence::Shown;
    let first = hits.first().map(|(_, hit)| hit);
    let best = first.map_or(0, |hit| hit.score);
    // The same lines read twice are one finding.
    let own_line = |hit: &Hit| {
        first.is_none_or(|first| hit.quotes.iter().any(|line| !first.quotes.contains(line)))
    };
    let near = hits.iter().skip(1).filter(|(_, hit)| best - hit.score <= NEAR);
    let near = near.filter(|(_, hit)| !shown || (hit.score >= LIKELY && own_line(hit)));
    let near = near.map(|(cause, hit)| Alternative {
        check: fill(hit.check.as_deref().unwrap_or(cause.check), &hit.facts),
        ..alternative(cause, &hit.facts)
    });
    // Beside an answer that nothing is wrong, only what is surely wrong now is worth a line.
    let least = if answer.side == Side::Nobody { Severity::Critical } else { Severity::Error };
    let diagnosed = roots.iter().filter(|root| root.severity >= least).take(FEW);
    let diagnosed = diagnosed.map(|root| observed::alternative(root, seen));
    let like = hits.first().map_or(&[][..], |(cause, _)| cause.like);
    let like = like.iter().filter_map(|code| causes::all().find(|cause| cause.code == *code));
    // A server's own message proves itself; what a client says of a server may be otherwise.
    let told = matches!(answer.side, Side::Client | Side::Network) && seen.lines.len() <= THIN;
    let like = like.filter(|_| !shown || told);
    let like = like.map(|cause| alternative(cause, common));
    let most = if answer.confidence == Confidence::Possible { MOST } else { FEW };
    let mut found: Vec<Alternative> = Vec::new();
    let open = |code: &str| !is_refuted(code, seen) && !is_within(answer, code);
    let near = near.filter(|other| open(&other.code)).take(FEW);
    for other in near.chain(diagnosed).chain(like) {
        let new = other.code != answer.code && !found.iter().any(|one| one.code == other.code);
        if new && open(&other.code) && found.len() < most {
            found.push(other);
        }
    }
    found
}

fn alternative(cause: &Cause, facts: &Facts) -> Alternative {
    Alternative {
        code: cause.code.to_owned(),
        title: fill(cause.title, facts),
        check: fill(cause.check, facts),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_codes_of_the_tables_are_codes() {
        let known = |code: &str| {
            causes::all().any(|cause| cause.code == code)
                || crate::findings::ALL.iter().any(|entry| entry.code() == code)
        };
        let parts = WITHIN.iter().flat_map(|(whole, parts)| std::iter::once(whole).chain(*parts));
        let all = parts.chain(SYMPTOMS).chain(WITHOUT_STATE).chain(NOT_SERVING);
        let unknown: Vec<&&str> = all.filter(|code| !known(code)).collect();
        assert!(unknown.is_empty(), "{unknown:?}");
    }
}
