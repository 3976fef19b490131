//! Alternatives that lines of the paste answer already: naming them sends the reader back to what
//! was looked at.

use std::collections::{BTreeMap, BTreeSet};

use super::seen::{Seen, Source, Table};

/// Whether the paste itself answers the check of this alternative, and with no.
pub(super) fn rules_out(code: &str, seen: &Seen) -> bool {
    match code {
        "SHARD_COLOCATED" => shards_stand_apart(seen),
        "REPLICA_LINK_DOWN" => all_are_linked(seen),
        "SCALED_DOWN_WITH_SLOTS" | "K8S_SCALE_DOWN_WITH_SLOTS" => every_node_has_a_pod(seen),
        "CLIENT_SEEDS_UNREACHABLE" => the_seed_answered(seen),
        _ => code.starts_with("ACL_") && is_before_acl(seen),
    }
}

fn served(seen: &Seen) -> Option<&Table> {
    seen.table().filter(|table| matches!(table.source, Source::Nodes | Source::File))
}

/// As many pods as rows are listed, so nobody was taken away.
fn every_node_has_a_pod(seen: &Seen) -> bool {
    let rows = served(seen).map_or(usize::MAX, |table| table.rows.len());
    !seen.some_pods && rows >= 3 && seen.pod_ips.len() >= rows
}

/// Several servers at each address, so addresses are machines; and no replica at that of its
/// primary.
fn shards_stand_apart(seen: &Seen) -> bool {
    let Some(table) = served(seen).filter(|_| seen.pods.is_empty()) else { return false };
    let mut ports: BTreeMap<&str, BTreeSet<u16>> = BTreeMap::new();
    for row in &table.rows {
        ports.entry(&row.address.ip).or_default().insert(row.address.port);
    }
    let machines = ports.len() >= 2 && ports.values().all(|of| of.len() >= 2);
    let together = table.rows.iter().any(|row| {
        let primary = table.rows.iter().find(|other| row.primary.as_deref() == Some(&other.id));
        primary.is_some_and(|primary| primary.address.ip == row.address.ip && primary.is_primary())
    });
    machines && !together
}

/// Words of a replication link, whatever they say of it.
const LINKS: [&str; 8] = [
    "master_link_status",
    "master_link_down",
    "masterdown",
    "connecting to master",
    "connecting to primary",
    "master <-> replica",
    "connection with master",
    "error condition on socket for sync",
];

/// Every row is connected and none is flagged, and nothing speaks of a link of replication.
fn all_are_linked(seen: &Seen) -> bool {
    let rows: Vec<_> = seen.server_rows().collect();
    let well = |row: &&&super::table::Row| row.linked == Some(true) && !row.is_failing();
    served(seen).is_some()
        && rows.iter().filter(|row| row.linked.is_some()).count() > 0
        && rows.iter().filter(|row| row.linked.is_some()).all(|row| well(&row))
        && !seen.has(&LINKS)
}

/// The place that the client was given stands before a prompt that answers. In a container the
/// loopback is another one.
fn the_seed_answered(seen: &Seen) -> bool {
    let walled = seen.has(&["docker", "container", "kube", "pod"]);
    let prompts = seen.lines.iter().filter_map(|line| {
        let (place, asked) = line.text.split_once("> ")?;
        let (host, port) = place.trim().rsplit_once(':')?;
        let typed = !asked.trim().is_empty() && !host.contains(' ');
        port.parse::<u16>().ok().filter(|_| typed)?;
        Some(place.trim().to_owned())
    });
    let answered = seen.field("redis_version").is_some() || seen.field("cluster_state").is_some();
    let mut open = prompts.filter(|place| !walled || !place.starts_with("127."));
    answered
        && open.any(|place| {
            let given = |text: &str| text.contains(&place) && !text.contains("> ");
            seen.lines.iter().any(|line| given(&line.text))
        })
}

/// Users and their rights came with 6.0; `redis-trib.rb` is of the time before.
fn is_before_acl(seen: &Seen) -> bool {
    let told = seen.has(&["noperm", "acl "]);
    let old_tool = seen.has(&["redis-trib"]) && seen.version().is_none();
    !told && (old_tool || seen.version().is_some_and(|version| version < (6, 0)))
}

/// Whether an answer that names a fault of the servers stands on lines of theirs: then that all is
/// well is no alternative to it.
pub(super) fn is_a_fault_of_servers(answer: &super::Explained) -> bool {
    let servers = matches!(answer.side, super::Side::Cluster | super::Side::Platform);
    servers && !answer.quotes.is_empty()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(text: &str) -> Seen {
        Seen::of(text)
    }

    const SPREAD: &str = "\
        aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa1 10.0.0.1:7000@17000 myself,master - 0 0 1 \
        connected 0-8191\n\
        aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa2 10.0.0.2:7000@17000 master - 0 1 2 connected \
        8192-16383\n\
        aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa3 10.0.0.2:7001@17001 slave \
        aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa1 0 1 1 connected\n\
        aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa4 10.0.0.1:7001@17001 slave \
        aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa2 0 1 2 connected\n";

    #[test]
    fn machines_with_several_servers_show_who_stands_together() {
        assert!(rules_out("SHARD_COLOCATED", &seen(SPREAD)));
        let together = SPREAD.replace("10.0.0.2:7001", "10.0.0.1:7002");
        assert!(!rules_out("SHARD_COLOCATED", &seen(&together)));
        let one_each = SPREAD.replace("10.0.0.2:7001", "10.0.0.3:7001");
        assert!(!rules_out("SHARD_COLOCATED", &seen(&one_each)), "addresses of pods tell nothing");
    }

    #[test]
    fn a_link_that_is_told_of_stays_open() {
        assert!(rules_out("REPLICA_LINK_DOWN", &seen(SPREAD)));
        let told = format!("{SPREAD}master_link_status:down\n");
        assert!(!rules_out("REPLICA_LINK_DOWN", &seen(&told)));
        let cut = SPREAD.replace("0 1 2 connected\n", "0 1 2 disconnected\n");
        assert!(!rules_out("REPLICA_LINK_DOWN", &seen(&cut)));
    }

    #[test]
    fn who_answered_at_the_given_place_was_reached() {
        let asked = "127.0.0.1:6379> INFO server\nredis_version:5.0.3\n";
        let given = format!("{asked}new RedisCluster(NULL, ['127.0.0.1:6379'])\n");
        assert!(rules_out("CLIENT_SEEDS_UNREACHABLE", &seen(&given)));
        assert!(!rules_out("CLIENT_SEEDS_UNREACHABLE", &seen(asked)), "the client dials elsewhere");
        let walled = format!("{given}docker run my-app\n");
        assert!(!rules_out("CLIENT_SEEDS_UNREACHABLE", &seen(&walled)), "another loopback");
    }

    #[test]
    fn rights_of_users_are_of_later_servers() {
        assert!(rules_out("ACL_DIVERGED", &seen("./redis-trib.rb create --replicas 1")));
        assert!(rules_out("ACL_DIVERGED", &seen("redis_version:5.0.14")));
        assert!(!rules_out("ACL_DIVERGED", &seen("redis_version:7.0.1")));
        assert!(!rules_out("ACL_DIVERGED", &seen("redis_version:5.0.14\nNOPERM no permission")));
    }
}
