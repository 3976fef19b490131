//! Nothing is wrong, or too little is said.

use crate::explain::cause::{Cause, Hit, Side};
use crate::explain::infos;
use crate::explain::seen::{Seen, Source};
use crate::explain::table::Row;
use crate::model::{Flag, SLOT_COUNT};
use crate::wire::logs;

pub(super) static CAUSES: &[Cause] = &[
    Cause {
        code: "HEALTHY",
        title: "Nothing is wrong with the cluster in what was pasted",
        side: Side::Nobody,
        when: |seen| {
            healthy(seen).filter(|_| complaint(seen).is_none()).map(|hit| epochs(seen, hit))
        },
        cause: "[[CLUSTER INFO says <<state>>; <<slots_ok>> of 16384 slots are ok. \
            ]][[<<table>>. ]][[<<checked>>. ]][[INFO of <<infos>> shows \
            no failed save, no broken replication link, and memory that is not full. ]]If \
            something does not work, its cause is not in this text: look at the client (its whole \
            error, its start nodes, the addresses it dials, \
            its password and TLS), or at other nodes' views.",
        check: "slotwright check HOST:PORT --as-client from the application's machine; and CLUSTER \
            NODES of every node, not of one.",
        fix: &[
            "Nothing to repair here. Collect the client's whole error message and CLUSTER SLOTS as \
                seen from the client.",
        ],
        never: &["Do not run --cluster fix or reset anything on a healthy cluster."],
        like: &["ANNOUNCED_IP_UNREACHABLE_FROM_CLIENT"],
    },
    Cause {
        code: "ERROR_BESIDE_HEALTHY_SERVERS",
        title: "An error is quoted, and what the pasted servers say of themselves is in order",
        side: Side::Client,
        when: |seen| {
            let at = complaint(seen)?;
            let hit = healthy(seen)?;
            Some(Hit { quotes: Vec::new(), ..hit.clone() }.quote(at).quotes(hit.quotes))
        },
        cause: "[[CLUSTER INFO says <<state>>; <<slots_ok>> of 16384 slots are ok. ]][[<<table>>. \
            ]][[<<checked>>. ]]So the quoted error does not come from the state of the slots as \
            this node sees it: it arises between the client and the nodes (addresses, TLS, \
            password, an old map), in the command that was sent, or on a node whose view was \
            not pasted.",
        check: "From the client's own machine: redis-cli -c -h <start node> with the client's user, \
            password and TLS, the command that failed; then CLUSTER NODES and CLUSTER INFO of \
            EVERY node. It fails there too: that node or address; it works: the client's settings \
            or its map.",
        fix: &[
            "It works with redis-cli -c and not in the client: the client's start nodes, TLS, \
             credentials for all nodes, and version; a new client object reads the map anew.",
            "It fails at one address only: that address is not reachable from the client (announce \
             another, open it), or that node has another view (bring its CLUSTER NODES).",
        ],
        never: &[
            "Do not run --cluster fix or reset anything: no server says that slots are wrong.",
        ],
        like: &["ANNOUNCED_IP_UNREACHABLE_FROM_CLIENT", "CLIENT_STALE_TOPOLOGY", "AUTH_MISMATCH"],
    },
    Cause {
        code: "HANDSHAKE_NEVER_COMPLETES",
        title: "A node stays in handshake",
        side: Side::Network,
        when: |seen| {
            let rows = seen.flagged(Flag::Handshake);
            let first = rows.first()?;
            Some(
                Hit::of(72).quote(first.line).fact("place", first.place()).fact(
                    "bus",
                    first
                        .address
                        .bus()
                        .map_or_else(|| "(client port + 10000)".to_owned(), |b| b.to_string()),
                ),
            )
        },
        cause: "[[<<place>> was met, but never proved its identity: the handshake entry comes \
            and goes. ]]A handshake needs the bus in both directions: \
            [[bus port <<bus>> of ]]the other node must be reachable from here, and this node's \
            bus from there, because the other side dials back. Without that it is given up after \
            cluster-node-timeout.",
        check: "nc -vz in both directions on the bus ports (client port + 10000).",
        fix: &[
            "Open the bus ports both ways; announce addresses that the other side reaches; same \
                tls-cluster on both; then MEET once more.",
        ],
        never: &["Do not repeat MEET in a loop."],
        like: &["BUS_PORT_BLOCKED", "TLS_BUS_MISMATCH", "BUS_PORT_WRONG"],
    },
    Cause {
        code: "STATE_FAIL_UNKNOWN_REASON",
        title: "The cluster is down, and the paste does not say why",
        side: Side::Cluster,
        when: |seen| {
            let fail = seen.says_fail()
                || seen.has(&["cluster state changed: fail", "clusterdown", WHILE_DOWN]);
            fail.then(|| {
                Hit::of(36).quotes(seen.lines_with(&[
                    "cluster_state:fail",
                    "cluster state changed: fail",
                    "clusterdown",
                    WHILE_DOWN,
                ]))
            })
        },
        cause: "cluster_state is fail: either some slots have no owner that is up, or this node cannot reach more than half of the primaries. [[Here <<assigned>> slots are \
            assigned, <<slots_ok>> ok, <<pfail>> pfail, <<slots_fail>> fail. ]]slots_assigned \
            below 16384 means unassigned slots; slots_fail means a dead primary \
            without a promoted replica; only pfail means that THIS node reaches nobody: addresses or bus ports.",
        check: "CLUSTER NODES of every node: which rows are fail, fail? or noaddr, and are their \
            addresses those that the nodes have now?",
        fix: &[
            "Bring that table; then act on its row: start dead nodes with their own files, correct \
                addresses with CLUSTER MEET, open bus ports.",
        ],
        never: &["Do not run --cluster fix, reset or create before the reason is known."],
        like: &["ALL_ADDRESSES_STALE", "BUS_PORT_BLOCKED", "SHARD_DOWN"],
    },
];

/// The epoch column of a replica differs between two tables that agree about every owner.
fn epochs(seen: &Seen, hit: Hit) -> Hit {
    let nodes: Vec<_> = seen.tables.iter().filter(|t| t.source == Source::Nodes).collect();
    let rows = || nodes.iter().flat_map(|table| &table.rows);
    let same = |a: &Row| rows().filter(|b| b.id == a.id).all(|b| b.epoch == a.epoch);
    let owners_agree = rows().filter(|row| row.is_primary()).all(same);
    let differs = rows().find(|row| row.is_replica() && !same(row));
    match differs.filter(|_| owners_agree && nodes.len() >= 2) {
        Some(row) => hit.more_if(30, true).quote(row.line).note(format!(
            "The tables agree about every primary, its slots and its config epoch. Only the epoch \
             in the row of the replica {} differs, and that says nothing: a replica has none that \
             counts. Its own table still prints the one from before the failover, the others print \
             that of its primary (since 6.2 all do). What decides about slots is the epoch of the \
             primaries.",
            row.place()
        )),
        None => hit,
    }
}

/// What a script is answered in place of CLUSTERDOWN.
const WHILE_DOWN: &str = "command while the cluster is down";

/// Words of an error that somebody met.
const COMPLAINTS: [&str; 19] = [
    "i/o timeout",
    "timeoutexception",
    "timeouterror",
    "error",
    "exception",
    "refused",
    "timed out",
    "time out",
    "etimedout",
    "failed",
    "cannot ",
    "can't ",
    "could not ",
    "unable to",
    "unreachable",
    "not reachable",
    "doesn't work",
    "does not work",
    "crossslot",
];

/// Whether a text in small letters speaks of an error.
pub(super) fn complains(lower: &str) -> bool {
    COMPLAINTS.iter().any(|word| lower.contains(word))
}

/// The first line in which somebody quotes an error: no figure of a reply, no setting, no notice of
/// a server.
fn complaint(seen: &Seen) -> Option<usize> {
    let figure = |at: usize| seen.blocks.iter().any(|block| block.lines.values().any(|l| *l == at));
    let set = |at: usize| seen.settings.iter().any(|setting| setting.line == at);
    seen.lines.iter().enumerate().position(|(at, line)| {
        let server = logs::parse(&line.text).is_some();
        complains(&line.lower) && !server && !figure(at) && !set(at)
    })
}

fn healthy(seen: &Seen) -> Option<Hit> {
    let whole_info =
        seen.says_ok() && seen.number("cluster_slots_ok") == Some(u64::from(SLOT_COUNT));
    let table = seen.table().filter(|table| table.rows.len() >= 3);
    let whole_table = table.is_some_and(|table| {
        table.assigned().len() == SLOT_COUNT
            && table.source != Source::Check
            && table.rows.iter().all(|row| {
                !row.is_failing()
                    && row.open.is_empty()
                    && row.linked != Some(false)
                    && !row.flags.has(Flag::NoAddress)
                    && !row.flags.has(Flag::Handshake)
            })
    });
    let checked = seen.has(&["[ok] all 16384 slots covered"]) && !seen.has(&["[err]", "[warning]"]);
    let infos = infos::blocks(seen).count();
    let fault = infos::fault(seen).is_some()
        || seen.says_fail()
        || !seen.failing().is_empty()
        || seen.server_rows().any(|row| row.address.ip == "0.0.0.0")
        // A view of one or two nodes without a slot is of no cluster that is well.
        || seen.tables.iter().any(|table| table.rows.len() < 3 && table.assigned().is_empty())
        || (table.is_some() && !whole_table && !checked);
    if fault || !(whole_info || whole_table || checked || infos > 0) {
        return None;
    }
    let text = table.map(|t| match t.source {
        Source::Slots => format!(
            "CLUSTER SLOTS has {} nodes and every slot has an owner; whether they are up it does \
             not tell",
            t.rows.len()
        ),
        Source::Shards => format!(
            "CLUSTER SHARDS has {} nodes, none failed, and every slot has an owner",
            t.rows.len()
        ),
        _ => {
            format!(
                "the table has {} nodes, all linked, none flagged failing; every slot has an \
                 owner and none is open",
                t.rows.len()
            )
        }
    });
    Some(
        Hit::of(44)
            .quotes(seen.field_line("cluster_state"))
            .quotes(table.and_then(|table| table.rows.first()).map(|row| row.line))
            .quotes(seen.lines_with(&["[ok] all 16384 slots covered"]).into_iter().take(1))
            .quotes(infos::blocks(seen).filter_map(|b| b.lines.values().min().copied()).take(1))
            .less_if(10, !(whole_info || whole_table || checked))
            .fact_if("table", text.filter(|_| whole_table))
            .noted(super::memory::harmless(seen))
            .fact_if("checked", checked.then_some("--cluster check finds all slots covered"))
            .fact_if(
                "infos",
                (infos > 0).then(|| {
                    if infos == 1 { "one node".to_owned() } else { format!("{infos} nodes") }
                }),
            ),
    )
}
