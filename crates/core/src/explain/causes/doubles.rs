//! Ids and addresses that two have: cloned tables, reused addresses, clusters that were merged.

use std::collections::{BTreeMap, BTreeSet};

use super::{by_turns, looks, merged};
use crate::explain::cause::{Cause, Hit, Side};
use crate::explain::figures::{places, short, slots};
use crate::explain::seen::Seen;
use crate::explain::table::Row;
use crate::explain::template::list;

pub(super) static CAUSES: &[Cause] = &[
    Cause {
        code: "DUPLICATE_NODE_ID_LIVE",
        title: "Several nodes have the same node id",
        side: Side::Cluster,
        when: duplicate_id,
        cause: "[[The id <<id>> is shown by <<where>>. ]]Every node must have an id of its own; it \
            is made up once and kept in nodes.conf. Here one nodes.conf is used by several nodes: \
            a copied data directory, a cloned volume or image, one shared volume, or instances \
            that were started in the same directory with the same cluster-config-file. Nodes with \
            one id hold each other for the same node and can never join.",
        check: "CLUSTER MYID (and INFO run_id) on each node: equal ids with different run_ids.",
        fix: &[
            "Give each instance its own dir and its own cluster-config-file.",
            "New nodes without data: stop them, move the copied nodes.conf aside in all but one, \
             start them (each makes up its own id), and repeat the join.",
            "If both copies took writes: stop the wrong process first, and copy its keys away before \
             it may join again. Choose the survivor by data and offset.",
        ],
        never: &[
            "Do not leave both running; do not FORGET the id, it is the id of a living node.",
            "Do not copy nodes.conf with the data when you clone a node.",
        ],
        like: &["BUS_PORT_BLOCKED", "CLONED_CLUSTER_HIJACK"],
    },
    Cause {
        code: "CLONED_CLUSTER_HIJACK",
        title: "A restored copy of the cluster talks to the original",
        side: Side::Cluster,
        when: |seen| {
            let told = seen.says_all(
                62,
                &[
                    &["restore", "snapshot", "clone", "copied", "backup"],
                    &["address updated for node"],
                ],
            );
            told.or_else(|| seen.says_all(55, &[&["staging", "clone"], &["nodes.conf"]]))
        },
        cause: "The copy was started with the nodes.conf of the original. It holds the original's \
            ids and addresses; the bus trusts ids only, so the copies and the originals take each \
            other for the same nodes that moved.",
        check: "Compare the addresses in CLUSTER NODES on both sides: addresses of the other \
            environment prove it.",
        fix: &[
            "Cut the network between the two sets at once, or stop the copy.",
            "On the original, CLUSTER MEET each peer at its real address; check replicas for foreign \
             data.",
            "Restore copies with RDB/AOF only and without the old nodes.conf, in a network that \
             cannot reach the original.",
        ],
        never: &["Do not start a copy with the old nodes.conf where it can reach the original."],
        like: &["DUPLICATE_NODE_ID_LIVE"],
    },
    Cause {
        code: "ADDRESS_REUSED_BY_FOREIGN_NODE",
        title: "At the address of a peer somebody else answers",
        side: Side::Cluster,
        when: reused,
        cause: "A peer was dialled at its recorded address, and a node with another id answered. \
            The address was given to another node since (pods that swapped IPs, a node that came \
            back with a new id, or a server of another cluster).",
        check: "CLUSTER MYID at that address, compared with the id in the log line.",
        fix: &[
            "If the answering node belongs to this cluster: CLUSTER MEET the expected node at its \
             current address.",
            "If it belongs to another one: block the bus between the two, and give each cluster its \
             own password or CA.",
        ],
        never: &["Do not MEET addresses whose id you have not read: that merges clusters."],
        like: &["PRIMARY_NOADDR_MASKED", "NODE_IDENTITY_LOST"],
    },
    Cause {
        code: "CLUSTERS_MERGED",
        title: "Two clusters have become one",
        side: Side::Cluster,
        when: |seen| {
            let told = seen.says(
                70,
                &[
                    "clusters merged",
                    "merged into",
                    "have merged",
                    "joined another cluster",
                    "two clusters",
                    "nodes of another cluster",
                    "other cluster's nodes",
                ],
            );
            if let Some(hit) = merged::taken_over(seen) {
                return Some(hit);
            }
            let told = told.or_else(|| strangers(seen)).or_else(|| met_as_owners(seen));
            let told = told.or_else(|| merged::two_workloads(seen))?;
            Some(told.and(seen, 10, &["reconfiguring myself as a replica", "cluster meet"]))
        },
        cause: "Nodes of two clusters know each other: an address that had belonged to one was \
            given to a node of the other (recycled pod IP, old list of addresses, one label for \
            two deployments), and a MEET or, before 6.0.5, gossip joined them. For slots that both \
            own the higher config epoch wins; the losers become replicas and drop their data.",
        check: "CLUSTER NODES: ids or subnets of both deployments in one table.",
        fix: &[
            "Cut the networks of the two sets from each other at once (client and bus ports).",
            "Copy the RDB and AOF files of every node of the side that lost its slots aside, before \
             anything else is sent: a node that follows a stranger takes the stranger's data.",
            "Only then remove the foreign ids on every node of each side, and rebuild replicas.",
            "Upgrade from versions before 6.0.5; give each cluster its own password, CA and \
                labels.",
        ],
        never: &[
            "Do not run --cluster fix or rebalance on a merged cluster, and do not MEET by old lists.",
            "Do not reset nodes or move replicas before the files are copied aside.",
        ],
        like: &["ADDRESS_REUSED_BY_FOREIGN_NODE"],
    },
];

/// Two nodes that own slots of their own were introduced to each other, and one became a replica.
fn met_as_owners(seen: &Seen) -> Option<Hit> {
    let own: BTreeSet<&str> = seen
        .server_rows()
        .filter(|row| row.is_myself() && !row.slots.is_empty())
        .map(|row| row.id.as_str())
        .collect();
    let became = &["reconfiguring myself as a replica"][..];
    seen.says_all(78, &[&["cluster meet"], became]).filter(|_| own.len() >= 2)
}

/// Several primaries without slots that all live in other networks than those with slots.
fn strangers(seen: &Seen) -> Option<Hit> {
    let network = |row: &Row| row.address.ip.rsplit_once('.').map(|(net, _)| net.to_owned());
    let table = seen.table()?;
    let primaries = table.rows.iter().filter(|row| row.is_primary());
    let (owners, empty): (Vec<&Row>, Vec<&Row>) = primaries.partition(|row| !row.slots.is_empty());
    let home: Vec<String> = owners.iter().filter_map(|row| network(row)).collect();
    let away = |row: &&Row| network(row).is_some_and(|net| !home.contains(&net));
    let apart = empty.len() >= 2 && owners.len() >= 2 && empty.iter().all(away);
    // New machines of an extension may live in a new network: what is there must have been a
    // cluster, so somebody follows a primary or has an epoch of its own.
    let lived = empty.iter().filter(|row| row.epoch.is_some_and(|epoch| epoch > 0)).count();
    (apart && lived >= 2).then(|| {
        Hit::of(64)
            .quotes(empty.iter().map(|row| row.line).take(3))
            .quotes(owners.first().map(|row| row.line))
            .note(format!(
                "{} are primaries without slots in other networks than the owners of slots.",
                list(&places(empty), 4)
            ))
    })
}

fn duplicate_id(seen: &Seen) -> Option<Hit> {
    for table in &seen.tables {
        let mut at: BTreeMap<&str, Vec<&Row>> = BTreeMap::new();
        for row in table.rows.iter().filter(|row| row.id.len() >= 8) {
            let rows = at.entry(&row.id).or_default();
            if rows.iter().all(|other| other.place() != row.place()) {
                rows.push(row);
            }
        }
        if let Some((id, rows)) = at.iter().find(|(_, rows)| rows.len() > 1) {
            return Some(
                Hit::of(95)
                    .quotes(rows.iter().map(|row| row.line).take(3))
                    .fact("id", short(id))
                    .fact("where", list(&places(rows.iter().copied()), 8)),
            );
        }
    }
    let asked = || asked_for_its_id(seen).or_else(|| by_turns::asked_again(seen));
    own_rows_with_one_id(seen).or_else(asked).or_else(|| by_turns::in_the_log(seen))
}

/// Several questions for `CLUSTER MYID`, put in different words, with one and the same answer.
fn asked_for_its_id(seen: &Seen) -> Option<Hit> {
    let mut asked: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    for (at, pair) in seen.lines.windows(2).enumerate() {
        let [ask, answer] = pair else { continue };
        let id = answer.text.trim().trim_matches('"');
        let whole = id.len() == 40 && id.chars().all(|c| c.is_ascii_hexdigit());
        if ask.lower.contains("myid") && !ask.lower.contains("shard") && whole {
            asked.entry(id).or_default().push(at);
        }
    }
    let other = |a: &usize, b: &usize| {
        let text = |at: &usize| seen.lines.get(*at).map(|line| line.lower.as_str());
        text(a) != text(b)
    };
    let (id, at) = asked
        .iter()
        .find(|(_, at)| at.first().is_some_and(|first| at.iter().any(|b| other(first, b))))?;
    Some(Hit::of(90).quotes(at.iter().flat_map(|at| [*at, at + 1]).take(4)).fact("id", short(id)))
}

/// Two `myself` lines of one id at two addresses of different machines.
fn own_rows_with_one_id(seen: &Seen) -> Option<Hit> {
    if looks::is_one_that_moved(seen) {
        return None;
    }
    let own: Vec<&Row> =
        seen.server_rows().filter(|row| row.is_myself() && row.id.len() >= 8).collect();
    for (at, row) in own.iter().enumerate() {
        let twin = own.iter().skip(at + 1).find(|other| {
            other.id == row.id && other.place() != row.place() && !row.address.ip.is_empty()
        });
        if let Some(twin) = twin {
            let ids: BTreeSet<&str> = own.iter().map(|row| row.id.as_str()).collect();
            let doubled = ids.len() < own.len();
            return doubled.then(|| {
                Hit::of(80)
                    .quote(row.line)
                    .quote(twin.line)
                    .fact("id", short(&row.id))
                    .fact("where", format!("{} and {}", row.place(), twin.place()))
            });
        }
    }
    None
}

/// `PONG contains mismatching sender ID. About node <id>`, with what the tables say of that id.
fn reused(seen: &Seen) -> Option<Hit> {
    let hit = seen.says(88, &["mismatching sender id"])?;
    let about = seen.lines.iter().find_map(|line| {
        let (_, rest) = line.lower.split_once("mismatching sender id")?;
        let (_, rest) = rest.split_once("about node ")?;
        Some(rest.split_whitespace().next()?.to_owned())
    });
    let Some(about) = about else { return Some(hit) };
    let dialled = seen.lines.iter().find_map(|line| {
        let (_, rest) = line.lower.split_once(&format!("node {about} at "))?;
        Some(rest.split_whitespace().next()?.trim_end_matches(',').to_owned())
    });
    let at = dialled.map_or(String::new(), |place| format!(" at {place}"));
    let row = seen.server_rows().find(|row| row.id == about);
    let owns = row
        .filter(|row| !row.slots.is_empty())
        .map_or(String::new(), |row| format!(", the owner of {},", slots(&row.slots)));
    Some(hit.quotes(row.map(|row| row.line)).note(format!(
        "The log expected node {}{owns}{at} and another node answered there. The dialler then \
         takes the address away from that id (noaddr), dials it no more, and does not learn the \
         new one by gossip: MOVED leads to nowhere and no replica is elected, because nobody holds \
         it for failed. Find where that id lives now (CLUSTER MYID at each node) and, on each node \
         that shows it noaddr, CLUSTER MEET <its present ip> <port>.",
        short(&about)
    )))
}
