//! What can be behind a paste: one file for each family of causes.
//!
//! Scores: 85 and more when the text itself names the cause or the figures prove it; 65 to 84 when
//! it is the usual reason; below when it is one reason among several. A text that is specific beats
//! one that is general.

mod adapters;
mod addresses;
mod addresses_only;
mod after_failover;
mod alone;
mod announced;
mod answerers;
mod application;
mod arguments;
mod at_the_start;
mod atomic;
mod aware;
mod bare;
mod bare_names;
mod big_key;
mod binding;
mod bracketed;
mod by_design;
mod by_turns;
mod came_back;
mod claims;
mod clients;
mod closed;
mod command_line;
mod create;
mod credentials;
mod cut_keys;
mod cut_together;
mod damaged;
mod decisive;
mod desync;
mod dialects;
mod dialled;
mod directives;
mod doubles;
mod electorate;
mod empty_map;
pub(super) mod endpoints;
mod failed_copy;
mod failover;
mod fitting;
mod flush;
mod followed;
mod follows;
mod formats;
mod frames;
mod full_then_cut;
mod glued;
mod half_told;
mod hanging_join;
mod healthy;
mod holes;
mod identity;
mod imports;
mod inner_rows;
mod joining;
mod joining_view;
mod kept_address;
mod keyspace_events;
mod killed_child;
mod kubernetes;
mod layout;
mod library;
mod literal;
mod loading_replica;
mod local_slots;
mod local_users;
mod lock_file;
mod locks;
mod looks;
mod lost_quorum;
mod map_asked;
mod members;
mod memory;
mod merged;
mod migrate_login;
mod min_replicas;
mod misuse;
mod moved_key;
mod names;
mod network;
mod newcomer;
mod no_address;
mod no_cluster_here;
mod no_directory;
mod noperm;
mod nowhere;
mod offered;
mod old_heir;
mod old_migrate;
mod old_table;
mod old_tool;
mod older_replica;
mod one_for_all;
mod one_proxy;
mod open_marks;
mod operations;
mod operators;
mod other_db;
mod outside;
mod overrun;
mod own_address;
mod own_bus_port;
mod own_refusal;
mod own_row;
mod particular;
mod passing;
mod plain_setting;
mod pods;
mod pool;
mod ports;
mod probes;
mod process;
mod products;
mod promotion;
mod readonly;
mod reborn;
mod redirected;
mod refused;
mod refused_members;
mod removed;
mod replaced;
mod replica_login;
mod replication;
mod returned;
mod rewriting;
mod rights;
mod scripts;
mod second_outage;
mod security;
mod sentinels;
mod server_age;
mod service;
mod sessions;
mod shard_ids;
pub(super) mod silence;
mod slots;
mod slow_command;
mod sources;
mod stale_age;
mod stale_map;
mod stalls;
mod startup;
pub(super) mod stopped;
mod suspect_stays;
mod taken;
mod tls_names;
mod told;
mod told_ports;
mod transport;
pub(in crate::explain) mod trust;
mod try_again;
mod two_connections;
mod typed_inside;
mod typed_marks;
mod uneven;
mod unfinished;
mod unreached;
mod unserved;
mod volumes;
mod won_later;
mod wrapped;

use super::cause::Cause;

pub(super) use announced::seed_ips;
pub(super) use empty_map::is_empty_reply;

/// Whether the paste shows that a controller emptied nodes.
pub(super) fn was_emptied(seen: &super::seen::Seen) -> bool {
    operators::flushed(seen).is_some()
}

/// Whether a redirect led past the one proxy that stands in front of the nodes.
pub(super) fn behind_one_proxy(seen: &super::seen::Seen) -> bool {
    one_proxy::in_front(seen).is_some()
}

/// The causes of each file; the order is that of equals.
static ALL: &[&[Cause]] = &[
    addresses::CAUSES,
    inner_rows::CAUSES,
    doubles::CAUSES,
    names::CAUSES,
    identity::CAUSES,
    create::CAUSES,
    old_tool::CAUSES,
    bracketed::CAUSES,
    decisive::CAUSES,
    slots::CAUSES,
    migrate_login::CAUSES,
    typed_marks::CAUSES,
    unfinished::CAUSES,
    members::CAUSES,
    alone::CAUSES,
    misuse::CAUSES,
    joining::CAUSES,
    passing::CAUSES,
    try_again::CAUSES,
    moved_key::CAUSES,
    cut_keys::CAUSES,
    loading_replica::CAUSES,
    failover::CAUSES,
    suspect_stays::CAUSES,
    min_replicas::CAUSES,
    replication::CAUSES,
    desync::CAUSES,
    came_back::CAUSES,
    returned::CAUSES,
    sentinels::CAUSES,
    by_design::CAUSES,
    won_later::CAUSES,
    announced::CAUSES,
    network::CAUSES,
    operations::CAUSES,
    atomic::CAUSES,
    imports::CAUSES,
    damaged::CAUSES,
    memory::CAUSES,
    ports::CAUSES,
    binding::CAUSES,
    refused::CAUSES,
    security::CAUSES,
    application::CAUSES,
    service::CAUSES,
    offered::CAUSES,
    dialects::CAUSES,
    kubernetes::CAUSES,
    pods::CAUSES,
    process::CAUSES,
    flush::CAUSES,
    rewriting::CAUSES,
    startup::CAUSES,
    taken::CAUSES,
    told::CAUSES,
    arguments::CAUSES,
    particular::CAUSES,
    kept_address::CAUSES,
    stale_map::CAUSES,
    aware::CAUSES,
    follows::CAUSES,
    locks::CAUSES,
    transport::CAUSES,
    clients::CAUSES,
    map_asked::CAUSES,
    joining_view::CAUSES,
    addresses_only::CAUSES,
    library::CAUSES,
    own_refusal::CAUSES,
    closed::CAUSES,
    uneven::CAUSES,
    followed::CAUSES,
    healthy::CAUSES,
];

/// Every cause.
pub(super) fn all() -> impl Iterator<Item = &'static Cause> {
    ALL.iter().copied().flatten()
}

/// Asserts that a cause which words alone name reads well: these bring no figures, so its texts may
/// name them only in clauses that can go.
#[cfg(test)]
pub(super) fn reads_well_without_figures(code: &str) {
    let cause = all().find(|cause| cause.code == code).expect("a cause");
    for text in [cause.title, cause.cause, cause.check].iter().chain(cause.fix) {
        let mut rest = *text;
        while let Some((before, tail)) = rest.split_once("[[") {
            assert!(!before.contains("<<"), "{code}: {text}");
            rest = tail.split_once("]]").map_or("", |(_, after)| after);
        }
        assert!(!rest.contains("<<"), "{code}: {text}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Commands and deeds that lose data, identity or protection when they are done in the wrong
    /// situation, in small letters.
    const DANGEROUS: &[&str] = &[
        "flushall",
        "flushdb",
        "reset hard",
        "reset soft",
        "--cluster fix",
        "--cluster create",
        "addslots",
        "delslots",
        "setslot",
        "takeover",
        "failover force",
        "bumpepoch",
        " rm ",
        "delete",
        "remove the pvc",
        "wipe",
        "protected-mode no",
        "requirepass \"\"",
        "full-coverage no",
        "--cluster-replace",
        "replace",
        "nopass",
        "tls-cluster no",
        "debug ",
        "keys *",
        "kill -9",
        "check-aof --fix",
        "insecure",
    ];

    /// Steps that name one of them all the same, each with what makes it safe there. Part of the
    /// step's text must be the second word.
    const ALLOWED: &[(&str, &str, &str)] = &[
        ("NODES_CONF_MANGLED_BY_TEXT_REPLACE", "Mend the script", "it is about the script's text"),
        (
            "NODES_CONF_MANGLED_BY_TEXT_REPLACE",
            "Look at the start script",
            "it is about the script's text",
        ),
        (
            "PRIMARY_NOADDR_MASKED",
            "If a replica of it is alive",
            "needs the votes of the majority, and the data is compared first",
        ),
        (
            "REPLICA_OF_UNKNOWN_PRIMARY",
            "If it is certainly off",
            "nobody can vote, the primary is off, the replica has the keys",
        ),
        (
            "UNASSIGNED_SLOTS_SHARD_FORGOTTEN",
            "Only when it is decided",
            "last step, after the search for the keys",
        ),
        ("SLOT_OPEN", "Target has no key", "the count comes before it"),
        ("SLOT_OPEN", "Keys on both", "keys are moved first, the target is told first"),
        (
            "MIGRATE_IOERR_AMBIGUOUS",
            "Finish the slot that is open",
            "after the keys, the target first",
        ),
        (
            "MIGRATE_IOERR_AMBIGUOUS",
            "Repeat the move",
            "only for keys that nobody wrote on the target",
        ),
        ("MIGRATE_BUSYKEY", "If the source's copy is right", "both copies are compared first"),
        ("MIGRATE_BUSYKEY", "Then finish the slot", "after the keys, the target first"),
        ("MIGRATE_TARGET_REFUSED", "Finish the open slot", "after the keys, the target first"),
        (
            "REDIS_TRIB_GEM_TOO_NEW",
            "Use redis-cli --cluster",
            "STABLE only when the target has none of the keys",
        ),
        ("SLOT_OWNER_DISAGREEMENT", "If it stays", "on the claimant that holds the keys"),
        ("SLOT_OWNER_DISAGREEMENT", "Open slots are finished first", "the target first"),
        (
            "SLOT_CLAIMED_TWICE",
            "Then CLUSTER BUMPEPOCH",
            "after the keys were counted and brought together",
        ),
        ("EPOCH_COLLISION", "If it stays and they share no slot", "no slot changes hands"),
        ("EPOCH_COLLISION", "If they share a slot", "both sides are copied first"),
        ("KEYS_IN_FOREIGN_SLOT", "Where the owner has none", "STABLE when the count is 0"),
        (
            "NO_QUORUM_EMPTY_MASTERS_DONT_VOTE",
            "If it cannot come back",
            "the primary is off, offsets are compared",
        ),
        ("TOO_FEW_VOTERS", "Now: start the dead primary", "the primary is certainly down"),
        ("QUORUM_LOST", "Those that cannot come back", "the old primary is really off"),
        ("MINORITY_PARTITION", "Repair the network", "'replaced' is no command here"),
        ("REPLICA_TOO_STALE", "If it cannot come back", "needs a majority; the highest offset"),
        (
            "FAILOVER_BLOCKED_BY_EPOCH",
            "Otherwise CLUSTER FAILOVER TAKEOVER",
            "the primary is surely off",
        ),
        ("FAILOVER_NO_VOTES", "Majority dead", "it is certain that the primary is off"),
        ("FAILOVER_NO_VOTES", "'its master is up'", "FORCE needs the votes of the majority"),
        (
            "FAILOVER_DISABLED",
            "CONFIG SET cluster-replica-no-failover",
            "FORCE needs votes; the primary is dead",
        ),
        (
            "SHARD_DOWN",
            "Otherwise, where a replica lives and the old primary is certainly off",
            "FORCE needs votes; TAKEOVER with the primary certainly off",
        ),
        (
            "REPLICATION_CHAIN_OR_CYCLE",
            "If nobody in the shard",
            "there is no primary that could be overthrown",
        ),
        (
            "MANUAL_FAILOVER_TIMED_OUT",
            "If the primary is certainly off",
            "FORCE needs votes; the primary cannot be overthrown while it takes writes",
        ),
        (
            "FAILOVER_OF_SLOTLESS_PRIMARY",
            "If only the roles matter",
            "the primary has neither slots nor keys",
        ),
        (
            "SLOT_RANGE_NOT_EXPANDED",
            "From bash, not from the prompt",
            "the command that was meant, on the node that it was sent to",
        ),
        (
            "SLOT_RANGE_NOT_EXPANDED",
            "Or with 7.0 and later",
            "the command that was meant, on the node that it was sent to",
        ),
        (
            "SLOTS_NEVER_ASSIGNED",
            "If all nodes are empty and new",
            "nobody ever owned these slots, and DBSIZE is looked at first",
        ),
        ("SLOTS_NEVER_ASSIGNED", "If a node has keys", "it sends to the search for the owner"),
        ("OOM_KILLED", "Raise the limit", "it warns of what would delete keys"),
        (
            "EMPTY_PRIMARY_RESTART_WIPED_SHARD",
            "A replica that has not synced yet",
            "it is the last copy, and the primary is empty",
        ),
        (
            "CREATE_ON_SLOTS_OF_EARLIER_ATTEMPT",
            "If all are empty",
            "refused while the node has keys",
        ),
        (
            "K8S_NODE_LOST_POD_STUCK",
            "Make sure that the machine is off",
            "the machine object, not the data",
        ),
        (
            "K8S_PODS_ENDED",
            "Look which nodes these pods are",
            "the pod object only: its process has ended, and the claim stays",
        ),
        ("AOF_OR_RDB_CORRUPT", "A replica is alive", "FORCE needs votes; the replica has the data"),
        ("DOWN_DURING_FAILOVER", "Where the other shards", "an option with its price named"),
        ("CLIENT_REDIRECT_LOOP", "MOVED back and forth", "on the one with the keys"),
    ];

    #[test]
    fn no_step_of_any_cause_is_dangerous_without_a_reason() {
        let mut bad = Vec::new();
        for cause in all() {
            for step in cause.fix.iter().chain([&cause.check]) {
                let lower = step.to_lowercase();
                for word in DANGEROUS.iter().filter(|word| lower.contains(**word)) {
                    let allowed = ALLOWED
                        .iter()
                        .any(|(code, part, _)| *code == cause.code && step.contains(part));
                    if !allowed {
                        bad.push(format!("{} [{word}]: {step}", cause.code));
                    }
                }
            }
        }
        assert!(bad.is_empty(), "{}", bad.join("\n"));
        for (code, part, reason) in ALLOWED {
            let used = all().any(|cause| {
                cause.code == *code
                    && cause.fix.iter().chain([&cause.check]).any(|s| s.contains(part))
            });
            assert!(used && !reason.is_empty(), "{code}: no step says {part:?} any more");
        }
    }
}
