//! `INFO` as it is pasted, of one node or of several, put to the diagnosis of running clusters.
//!
//! An `INFO` does not say who its node is or whom it knows, so each one becomes a node of its own
//! with a made-up id, and only what a node's own `INFO` proves is taken from the diagnosis.

use super::seen::{Block, Seen};
use crate::diagnose::{Found, Severity, diagnose};
use crate::model::Endpoint;
use crate::observation::{Observation, Said, Sighting};
use crate::wire::cluster_nodes;

/// Fields of which at least one is in every `INFO` that is worth reading.
const MARKS: [&str; 9] = [
    "redis_version",
    "valkey_version",
    "role",
    "used_memory",
    "connected_clients",
    "master_link_status",
    "rdb_last_bgsave_status",
    "uptime_in_seconds",
    "loading",
];

/// Findings that one node's `INFO` proves alone.
pub(super) const PROVED_ALONE: [&str; 6] = [
    "AOF_WRITE_ERROR",
    "DISK_ERROR_MISCONF",
    "MAXCLIENTS_EXHAUSTED",
    "MAXMEMORY_ABOVE_HOST",
    "MAXMEMORY_REACHED",
    "REPLICA_LINK_DOWN",
];

/// Nodes whose `INFO` is read; the diagnosis compares nodes with each other.
const NODES_MAX: usize = 100;

/// The blocks that are an `INFO`.
pub(super) fn blocks(seen: &Seen) -> impl Iterator<Item = &Block> {
    let is_info = |block: &&Block| MARKS.iter().any(|mark| block.lines.contains_key(*mark));
    seen.blocks.iter().filter(is_info).take(NODES_MAX)
}

/// What the diagnosis says to the pasted `INFO`s.
pub(super) fn findings(seen: &Seen) -> Vec<Found> {
    let mut observation = Observation::empty();
    for (at, block) in blocks(seen).enumerate() {
        let is_replica = block.fields.is("role", "slave") || block.fields.is("role", "replica");
        let port = block.fields.number("tcp_port").and_then(|port| port.try_into().ok());
        let from = Endpoint::new(format!("node-{}-of-the-paste", at + 1), port.unwrap_or(6379));
        let id = format!("{:040x}", at + 1);
        let role = if is_replica { "slave" } else { "master" };
        let row = format!("{id} {from}@0 myself,{role} - 0 0 0 connected\n");
        let view = cluster_nodes::parse(row.as_bytes(), &mut observation.rows);
        let mut sighting = Sighting::new(from);
        sighting.myid = id.parse().map_or_else(|_| Said::default(), Said::This);
        sighting.nodes = Said::This(view);
        sighting.info = Said::This(block.fields.clone());
        observation.sightings.push(sighting);
    }
    if observation.sightings.is_empty() {
        return Vec::new();
    }
    let report = diagnose(&observation);
    let proved = |found: &&Found| {
        found.severity >= Severity::Warning && PROVED_ALONE.contains(&found.code.as_str())
    };
    let many = observation.sightings.len() > 1;
    let named = |mut found: Found| {
        for (at, sighting) in observation.sightings.iter().enumerate() {
            let made_up = format!("{} (00000000)", sighting.from);
            let told =
                if many { format!("INFO number {} of the paste", at + 1) } else { THIS.to_owned() };
            found.message = found.message.replace(&made_up, &told);
        }
        found
    };
    report.all().filter(proved).cloned().map(named).collect()
}

/// What the only node is called, whose name the paste does not tell.
const THIS: &str = "the node of this INFO";

/// Why an `INFO` shows a fault, if one does. Counters of the past (rejected, evicted) are none.
pub(super) fn fault(seen: &Seen) -> Option<&'static str> {
    const FAULTS: [(&str, &str); 8] = [
        ("master_link_status", "down"),
        ("loading", "1"),
        ("rdb_last_bgsave_status", "err"),
        ("aof_last_write_status", "err"),
        ("aof_last_bgrewrite_status", "err"),
        ("cluster_enabled", "0"),
        ("redis_mode", "standalone"),
        ("cluster_state", "fail"),
    ];
    let shows =
        |(name, value): &&(&str, &str)| seen.blocks.iter().any(|b| b.fields.is(name, value));
    FAULTS.iter().find(shows).map(|(name, _)| *name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(text: &str) -> Seen {
        Seen::of(text)
    }

    const WELL: &str = "# Server\nredis_version:7.2.4\ntcp_port:7001\n# Memory\nused_memory:1000\n\
        maxmemory:4000\nmaxmemory_policy:noeviction\n# Persistence\nrdb_last_bgsave_status:ok\n\
        # Replication\nrole:master\nconnected_slaves:1\n";

    #[test]
    fn a_node_that_is_well_gives_nothing() {
        let seen = seen(WELL);
        assert_eq!((blocks(&seen).count(), fault(&seen)), (1, None));
        assert_eq!(findings(&seen), []);
    }

    #[test]
    fn the_one_of_two_nodes_that_is_full_is_named() {
        let full = WELL.replace("used_memory:1000", "used_memory:4001");
        let found = findings(&seen(&format!("{WELL}\n{full}")));
        let codes: Vec<&str> = found.iter().map(|found| found.code.as_str()).collect();
        assert_eq!(codes, ["MAXMEMORY_REACHED"]);
        assert!(found[0].message.contains("INFO number 2"), "{}", found[0].message);
    }

    #[test]
    fn what_follows_from_the_made_up_table_only_is_left_out() {
        let replica = WELL.replace("role:master", "role:slave\nmaster_link_status:down");
        let found = findings(&seen(&replica));
        let codes: Vec<&str> = found.iter().map(|found| found.code.as_str()).collect();
        assert_eq!(codes, ["REPLICA_LINK_DOWN"]);
    }
}
