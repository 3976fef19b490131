//! Who is a member and who is not: nodes that know only themselves, and members that a tool wants
//! to add once more.

use crate::explain::cause::{Cause, Hit, Side};
use crate::explain::figures::short;
use crate::explain::seen::{Seen, Source, Table};
use crate::explain::table::Row;
use crate::model::SLOT_COUNT;

pub(super) static CAUSES: &[Cause] = &[
    Cause {
        code: "NODE_ALONE",
        title: "The node knows only itself",
        side: Side::Cluster,
        when: alone,
        cause: "[[<<told>> ]]A node whose cluster_known_nodes is 1 was never joined, was removed \
            or reset, or came back with a new id[[; it has <<assigned>> slots assigned]]. A client \
            that is sent to it gets CLUSTERDOWN or the slots of this node alone.",
        check: "Do the other nodes list an id at this address that is not this node's CLUSTER \
            MYID? Then its identity was lost; the same id: the MEET was answered on one side only; \
            no entry at all: it was never joined, or it was removed.",
        fix: &[
            "If it lost its identity: find its old nodes.conf and start it with that.",
            "If it is new and empty: join it (redis-cli --cluster add-node <its address> <a \
             member>, with --cluster-slave for a replica), or CLUSTER MEET it from a member; its \
             bus port must be reachable both ways.",
            "If it was removed on purpose: shut it down, and strike it off the clients' list.",
        ],
        never: &[
            "Do not MEET a node that still has data and an unknown history.",
            "Do not run --cluster fix, and do not create the cluster again over the other nodes.",
        ],
        like: &["NODE_IDENTITY_LOST", "CLUSTER_NOT_CREATED"],
    },
    Cause {
        code: "NODE_ALREADY_MEMBER",
        title: "The node that is to be added is a member already",
        side: Side::Command,
        when: already_member,
        cause: "[[<<node>> is a member of this cluster: <<shown>>. ]]add-node wants a blank node \
            and refuses one that is in already; 'not empty' means here that an earlier run did its \
            work. A job or an operator that starts the same step again (a hook that is not \
            switched off, a retry) fails so for ever, while nothing is wrong with the node. As an \
            added primary it still has no slots, so it may look unused.",
        check: "CLUSTER NODES of any member: is the refused address listed, with which role and \
            how many slots?",
        fix: &[
            "Stop the job that repeats the step (Bitnami's chart: cluster.update.addNodes=false, \
             and currentNumberOfNodes set to the number that there is now).",
            "See that each wanted node is listed, then give new primaries slots: redis-cli \
             --cluster rebalance <a member> --cluster-use-empty-masters; and primaries without a \
             replica one: CLUSTER REPLICATE <id> on an empty node.",
        ],
        never: &[
            "Do not blank or reset the refused node: it is a member and may hold keys by now.",
            "Do not create the cluster again.",
        ],
        like: &["LEFTOVER_CLUSTER_STATE_ON_NODE"],
    },
];

/// The host that was asked for what begins at a line: behind `-h`, or in a prompt above.
pub(super) fn asked(seen: &Seen, line: usize) -> Option<String> {
    let paste = seen.lines.get(line)?.paste;
    (line.saturating_sub(12)..=line).rev().find_map(|at| {
        let text = seen.lines.get(at).filter(|l| l.paste == paste)?.text.as_str();
        let mut words = text.split_whitespace();
        if let Some(host) = words.by_ref().find(|word| *word == "-h").and_then(|_| words.next()) {
            return Some(host.to_owned());
        }
        let (head, _) = text.split_once("> ")?;
        let (host, port) = head.trim().rsplit_once(':')?;
        (!host.contains(' ') && port.parse::<u16>().is_ok()).then(|| head.trim().to_owned())
    })
}

/// Whether some `CLUSTER INFO` of the text shows a whole cluster.
pub(super) fn others_have_one(seen: &Seen) -> bool {
    let all = SLOT_COUNT.to_string();
    seen.blocks.iter().any(|block| block.fields.is("cluster_slots_assigned", &all))
}

fn alone(seen: &Seen) -> Option<Hit> {
    if let Some(hit) = by_info(seen) {
        return Some(hit);
    }
    let tables: Vec<&Table> = seen.tables.iter().filter(|t| t.source == Source::Nodes).collect();
    let single = |table: &&&Table| table.rows.len() == 1 && table.rows.iter().all(Row::is_myself);
    let own = tables.iter().find(single)?.rows.first()?;
    let listed = tables.iter().find_map(|table| {
        let me = table.myself().filter(|_| table.rows.len() > 1)?;
        table.rows.iter().find(|row| row.id == own.id && me.id != own.id).map(|row| (me, row))
    });
    if let Some((me, row)) = listed {
        return Some(Hit::of(80).quote(own.line).quote(row.line).fact("told", format!(
            "{place} lists {} and {0} lists nobody but itself: the handshake was finished on one \
             side only (a timeout of the bus in between), or {0} was reset softly and the others \
             were not told to forget it. Nothing is lost: CLUSTER MEET once more, from either \
             side, with the bus port open both ways.",
            row.place(),
            place = me.place(),
        )));
    }
    if let Some(hit) = beside_a_cluster(seen, own) {
        return Some(hit);
    }
    let adds =
        ["addnodes", "add-node", "currentnumberofnodes", "scale up", "scaling up", "new node"];
    let waits = seen.lines_with(&adds);
    let bare = own.slots.is_empty() && own.epoch.is_none_or(|epoch| epoch == 0);
    (bare && !waits.is_empty() && tables.len() == 1).then(|| {
        Hit::of(80).quote(own.line).quotes(waits.into_iter().take(1)).fact(
            "told",
            "The node that was asked is blank (it lists itself only, without slots): it was \
             started and never added. The members are not concerned; what was to add it (the \
             chart's update job, an operator) did not run, failed, or waits: a hook that runs \
             after the upgrade does not start while helm --wait still waits for pods that are not \
             ready.",
        )
    })
}

/// The node lists only itself, and the paste shows a cluster with slots that does not list it.
fn beside_a_cluster(seen: &Seen, own: &Row) -> Option<Hit> {
    let whole = seen.tables.iter().find(|table| {
        let owners = table.rows.iter().filter(|row| !row.slots.is_empty()).count();
        owners >= 2 && table.rows.iter().all(|row| row.id != own.id)
    })?;
    let owner = whole.rows.iter().find(|row| !row.slots.is_empty())?;
    let lost = seen.set_to("persistence", "false")
        || seen.has(&["persistence: false", "emptydir", "no pvc", "without pvc", "nopersistence"])
        || seen.lines.windows(2).any(|lines| match lines {
            [name, value] => {
                name.lower.contains("persistence:") && value.lower.trim() == "enabled: false"
            }
            _ => false,
        });
    let why = if lost {
        " Its storage does not outlive the pod (persistence off), so it came back without nodes.conf \
         and data, under a new id."
    } else {
        ""
    };
    own.slots.is_empty().then(|| {
        Hit::of(82).quote(own.line).quote(owner.line).fact(
            "told",
            format!(
                "The node with the id {} lists only itself and has no slots, and the cluster beside \
                 it does not list that id: it is a stranger there.{why} Its old entry, if one is \
                 left, is another id at its old address. The shard that misses a replica gets one \
                 when this node is joined: CLUSTER MEET from a member, then on it CLUSTER \
                 REPLICATE <id of the primary without a replica>, and FORGET of the old id on \
                 every node.",
                short(&own.id)
            ),
        )
    })
}

/// `CLUSTER INFO` of a node that knows nobody.
fn by_info(seen: &Seen) -> Option<Hit> {
    let line = seen.field_is(66, "cluster_known_nodes", &["1"])?;
    let at = line.quotes.first().copied().unwrap_or_default();
    let zero = seen.number("cluster_slots_assigned") == Some(0);
    // A cluster of one node that owns all slots is meant to be alone.
    let part = seen.number("cluster_slots_assigned").filter(|n| (1..SLOT_COUNT.into()).contains(n));
    let alone = asked(seen, at);
    let other = seen.blocks.iter().find(|block| {
        block.fields.is("cluster_slots_assigned", &SLOT_COUNT.to_string())
            && block.fields.number("cluster_known_nodes").is_some_and(|known| known > 1)
    });
    if let Some(other) = other {
        let there = other.lines.get("cluster_known_nodes").copied().unwrap_or_default();
        let by = asked(seen, there).map_or_else(String::new, |host| format!(" ({host})"));
        let state = other.fields.get("cluster_state").unwrap_or("?").to_owned();
        // A dead entry in the others' table makes a lost identity likelier than a removal.
        let score = if seen.failing().is_empty() { 86 } else { 74 };
        return Some(Hit::of(score).quote(at).quote(there).fact(
            "told",
            format!(
                "{} knows nobody and has no slots, while another node{by} has all 16384 (state \
             {state}): the cluster lives, and only this node is no member of it any more. Who asks \
             it is told CLUSTERDOWN, whatever the cluster does.",
                alone.unwrap_or_else(|| "One node".to_owned()),
            ),
        ));
    }
    let silent = seen.number("cluster_stats_messages_received") == Some(0);
    let hit = line.more_if(6, zero).less_if(30, seen.says_ok());
    Some(match part.filter(|_| silent) {
        Some(part) => half_created(hit, part),
        None => hit,
    })
}

/// The slots were handed out, and then the nodes never met.
fn half_created(hit: Hit, part: u64) -> Hit {
    hit.more_if(10, true)
        .fact(
            "told",
            format!(
                "It has {part} slots of its own and a config epoch, and neither sent nor received \
                 a bus message: that is how create leaves a node when the slots were handed out \
                 and the step after it, the MEET over the bus (client port + 10000), did not \
                 succeed. The other nodes then hold the rest in the same way; the slots that this \
                 one misses are not lost, so do not assign them here."
            ),
        )
        .check(
            "CLUSTER INFO of each of the other nodes: known nodes 1 and another range of slots is \
             the rest of the same create. A cluster of several nodes there: this one was left out \
             or came back with a new id.",
        )
        .step(
            "Open the bus port of every node (client port + 10000) to all the others; in \
             containers it must be let through and announced as well.",
        )
        .step(
            "CLUSTER MEET <address> <port> of each of the others from this node, once CLUSTER \
             INFO and DBSIZE of each were looked at: of two claims for a slot the one with the \
             lower epoch is dropped with its keys. Nodes without slots are to be replicas: CLUSTER \
             REPLICATE <id of a primary>.",
        )
        .step("CLUSTER INFO then shows all known nodes and 16384 assigned slots on every node.")
        .only_these_steps()
}

/// A tool refuses to add a node that the text shows as a member.
fn already_member(seen: &Seen) -> Option<Hit> {
    let refused = ["is not empty. either the node already knows other nodes"];
    let at = *seen.lines_with(&refused).first()?;
    let place = seen.word_after("[err] node ")?;
    let adds = seen.has(&["add-node", "adding node", "new node added", "addnodes"]);
    let creates = seen.has(&["--cluster create", "\"create\"", "performing hash slots allocation"]);
    if !adds || creates {
        return None;
    }
    let row = seen.rows().find(|row| row.place() == place).map(|row| row.line);
    let told = |lower: &str| {
        let deeds = ["as replica of ", "cluster meet to node ", "new node added correctly"];
        lower.contains(&place.to_lowercase()) && deeds.iter().any(|deed| lower.contains(deed))
    };
    let earlier = seen.lines.iter().position(|line| told(&line.lower));
    let (line, shown) = match (row, earlier) {
        (Some(line), _) => (line, "the table lists it"),
        (None, Some(line)) => (line, "an earlier step of the same tool joined it or used it"),
        (None, None) => return None,
    };
    Some(Hit::of(95).quote(at).quote(line).fact("node", place).fact("shown", shown))
}
