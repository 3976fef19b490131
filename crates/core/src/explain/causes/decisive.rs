//! Causes of which the decisive words or figures stand in the paste, beside a louder symptom.

use crate::explain::cause::{Cause, Hit, Side};
use crate::explain::figures::{short, slots};
use crate::explain::seen::{Seen, Source, Table};
use crate::explain::table::Row;
use crate::model::SLOT_COUNT;

pub(super) static CAUSES: &[Cause] = &[
    Cause {
        code: "TABLE_ROWS_DAMAGED",
        title: "Rows of the pasted table are damaged: nothing can be concluded from it",
        side: Side::Nobody,
        when: damaged,
        cause: "[[<<damaged>> of the rows that look like CLUSTER NODES are not whole: \
            <<what>>. ]]Letters are missing, in the text or in the reply itself; a primary id that \
            is cut matches no node, so roles and owners read from it would be wrong.",
        check: "The same reply once more, raw and from another node (redis-cli --no-raw is not \
            needed; redirect it to a file): whole there = the text was damaged on its way; damaged \
            in every reply of one node = that server, compare its nodes.conf with another's.",
        fix: &[
            "Bring the whole reply of two nodes as a file, and judge by that.",
            "If one server really answers so: copy its nodes.conf away, look at its version and its \
             machine's memory, and start it on its own unchanged files.",
        ],
        never: &["Do not REPLICATE, FORGET or set slots by a table whose ids are cut."],
        like: &["NODES_CONF_MANGLED_BY_TEXT_REPLACE"],
    },
    Cause {
        code: "SLOT_RANGE_NOT_EXPANDED",
        title: "{0..5460} is for the shell to expand, and redis-cli's prompt does not",
        side: Side::Command,
        when: |seen| {
            let braces = |lower: &str| {
                lower.contains("slots {") && lower.contains("..") && lower.contains('}')
            };
            let at = seen.lines.iter().position(|line| braces(&line.lower))?;
            let refused = seen.lines_with(&["invalid or out of range slot"]);
            (!refused.is_empty()).then(|| Hit::of(96).quote(at).quotes(refused))
        },
        cause: "A range in braces, {a..b}, is expanded by bash before the program is started. \
            Inside the prompt of redis-cli (or in sh, or quoted) nobody expands it: the server \
            gets the very text and says that this is no slot. Nothing was changed.",
        check: "echo {0..3} in the same place: '0 1 2 3' means that it expands there.",
        fix: &[
            "From bash, not from the prompt: redis-cli -h <host> -p <port> cluster addslots \
             {0..5460}.",
            "Or with 7.0 and later, anywhere: CLUSTER ADDSLOTSRANGE 0 5460. Each slot is given to \
             one node only.",
            "For a new cluster of empty nodes redis-cli's own create does all of it.",
        ],
        never: &["Do not reset or clear the node for it: the command was only mistyped."],
        like: &["SLOT_BUSY_OR_LOCAL_COMMAND"],
    },
    Cause {
        code: "FAILOVER_OF_SLOTLESS_PRIMARY",
        title: "The failover is of a primary without slots: no replica of it is ever elected",
        side: Side::Command,
        when: slotless,
        cause: "[[<<replica>> follows <<primary>>, and that owns no slot. ]]A replica stands for \
            election only when its primary serves slots (clusterHandleReplicaFailover), so CLUSTER \
            FAILOVER and FORCE are accepted and run into their timeout of 5 seconds, by design. \
            Nothing has changed: the primary is what it was.",
        check: "CLUSTER NODES: the row of the replica's primary has no slots at its end.",
        fix: &[
            "If it shall serve: move slots to that primary first (reshard); then the failover works.",
            "If only the roles matter, none is needed: let the replica CLUSTER REPLICATE a primary \
             with slots. TAKEOVER works without votes, and harms nobody where the primary has \
             neither slots nor keys.",
        ],
        never: &["Do not raise timeouts for it: there is no election to wait for."],
        like: &["MANUAL_FAILOVER_TIMED_OUT", "EMPTY_PRIMARY"],
    },
    Cause {
        code: "NODE_NEVER_JOINED",
        title: "One node knows only itself, and the cluster works without it: it never joined",
        side: Side::Cluster,
        when: never_joined,
        cause: "[[<<alone>> lists only itself and owns nothing, while the cluster of <<members>> \
            nodes gives all 16384 slots to owners that are up. ]]It is not part of that cluster: \
            its MEET was never sent, or did not get through; the cluster lacks nothing but this \
            node.",
        check: "CLUSTER NODES on a member: the lone node's id is in no row; DBSIZE on the lone \
            node: 0.",
        fix: &[
            "From a member: CLUSTER MEET <ip of the lone node> <port>; wait until every member \
             lists it.",
            "Then on it: CLUSTER REPLICATE <id of a primary>[[; <<bare>>]]. redis-cli --cluster \
             add-node with --cluster-slave does both.",
            "If it does not stay: the bus port (client port + 10000) between the two, both ways.",
        ],
        never: &["Do not reset the members or make the cluster anew: it is whole."],
        like: &["NODE_IDENTITY_LOST", "BUS_PORT_BLOCKED"],
    },
    Cause {
        code: "BLOCKED_BY_A_LONG_COMMAND",
        title: "A command blocked a server for longer than the node timeout, and it was failed over",
        side: Side::Application,
        when: blocked,
        cause: "[[<<command>> took <<seconds>> s, and cluster-node-timeout is <<timeout>> ms. ]]A \
            server does one thing at a time: while such a command runs it answers no ping, so its \
            peers rightly hold it for failed and its replica is promoted. What the command had not \
            reached the replica with is undone by that (deleted keys are back).",
        check: "SLOWLOG GET on the node, and its log: the gap in it is as long as the command.",
        fix: &[
            "Use what does its work in the background or in parts: UNLINK for DEL, SCAN for KEYS, \
             the ASYNC form of commands that empty a database; split scripts and ranges.",
            "Look at the keys of the promoted node, and repeat there what was undone.",
        ],
        never: &[
            "Do not only raise cluster-node-timeout: real failures are then found later, too.",
        ],
        like: &["TIMEOUT_FLAPPING"],
    },
    Cause {
        code: "REPL_BACKLOG_TOO_SMALL",
        title: "The replication backlog is too small: every broken link costs a full sync",
        side: Side::Cluster,
        when: |seen| {
            let hit = seen.says(91, &["for lack of backlog"])?;
            let hit = hit.less_if(30, seen.has(&["output buffer", "output-buffer"]));
            let size = seen.number("repl_backlog_size").map(|bytes| bytes.to_string());
            let size = size.or_else(|| Some(seen.setting("repl-backlog-size")?.value.clone()));
            Some(hit.fact_if("size", size))
        },
        cause: "[[The backlog holds <<size>> bytes. ]]The replica asks to go on from an offset that \
            the primary no longer keeps: more was written while the link was down than the backlog \
            holds, so the whole data set is sent again; and if that takes longer than the link \
            lives, again and again.",
        check: "Bytes written in a second (master_repl_offset twice) times the longest pause to be \
            bridged, against repl_backlog_size.",
        fix: &[
            "CONFIG SET repl-backlog-size to what a minute or more writes (256mb is a usual \
             beginning), on all nodes, and keep it in the configuration file.",
            "Find out what breaks the link: client-output-buffer-limit for replicas, repl-timeout, \
             the network. Raise the first two if the log names them.",
        ],
        never: &["Do not reset or empty the replica: it only needs to get through a sync once."],
        like: &["FULL_SYNC_LOOP"],
    },
    Cause {
        code: "ADD_NODE_ABORTED",
        title: "The tool gave up in the middle: the node was met, and nothing else was done",
        side: Side::Command,
        when: aborted,
        cause: "While the tool waited for the cluster to join, a node answered it with an error \
            ([[<<error>>]]), and the tool ended there. CLUSTER MEET was sent; what comes after it \
            (REPLICATE, slots) was not. [[<<joined>> is a member since, as a primary without \
            slots. ]]The bus is not at fault.",
        check: "CLUSTER NODES on an old member: the new node is listed and connected.",
        fix: &[
            "Wait until no node is loading (INFO persistence: loading:0), then finish by hand: on \
             the new node CLUSTER REPLICATE <id of its primary>, or reshard slots to it.",
        ],
        never: &["Do not run add-node again: the node is a member already, and is refused."],
        like: &["BUS_PORT_BLOCKED", "EMPTY_PRIMARY"],
    },
    Cause {
        code: "REST_OF_A_RESHARD_ON_DEAD_NODE",
        title: "A few slots are left with a dead node whose shard was promoted already",
        side: Side::Cluster,
        when: rest_of_a_reshard,
        cause: "[[<<dead>> is down and still owns <<rest>>. ]][[<<heir>>, with a greater config \
            epoch and <<owned>>, has taken over what it had before. ]]The slots that are left were \
            on their way to the dead node (a reshard) when it died: its replica was promoted \
            before it had heard of them, so nobody claims them now. Their keys are on the dead \
            node's disk, and, as far as they were replicated, on the promoted node.",
        check: "CLUSTER COUNTKEYSINSLOT of these slots on the promoted node, and on the dead node's \
            copy of the data.",
        fix: &[
            "Start the dead node again on its own files, if that can be: it comes back with these \
             slots and their keys.",
            "If it is gone for good: slotwright recover, told so with --gone <id>, gives the slots \
             to the node that has their keys, and says what is lost. By hand that is the promoted \
             node.",
        ],
        never: &[
            "Do not FORGET the dead node first: its slots would belong to nobody.",
            "Do not create the cluster anew, and do not clear slots on all nodes.",
        ],
        like: &["SHARD_DOWN", "SLOT_OPEN"],
    },
];

/// Words of a line that looks like a row of `CLUSTER NODES`, and what is wrong with it.
fn fault_of(line: &str) -> Option<String> {
    let words: Vec<&str> = line.split_whitespace().collect();
    let place = words.iter().take(4).position(|word| word.contains('@') && word.contains(':'))?;
    let id = words.get(place.checked_sub(1)?)?;
    let hex = |word: &str| word.chars().all(|c| c.is_ascii_hexdigit());
    let primary = words.get(place + 2)?;
    if !hex(id) || id.len() < 36 || words.len() < place + 7 {
        return None;
    }
    if id.len() != 40 {
        return Some(format!("the id {} has {} digits, not 40", short(id), id.len()));
    }
    if hex(primary) && (36..=44).contains(&primary.len()) && primary.len() != 40 {
        return Some(format!("the primary {} has {} digits", short(primary), primary.len()));
    }
    let link = words.get(place + 6)?;
    let cut = link.len() >= 5 && !["connected", "disconnected"].contains(link);
    let like = "connected".starts_with(link) || "disconnected".starts_with(link);
    (cut && like).then(|| format!("'{link}' lacks its end"))
}

fn damaged(seen: &Seen) -> Option<Hit> {
    let faults: Vec<(usize, String)> = seen
        .lines
        .iter()
        .enumerate()
        .filter_map(|(at, line)| Some((at, fault_of(&line.lower)?)))
        .collect();
    let what: Vec<String> = faults.iter().take(6).map(|(_, what)| what.clone()).collect();
    let quotes = faults.iter().map(|(at, _)| *at).take(3);
    let longer = what.iter().any(|what| what.starts_with("the id ") && what.contains(" 41 digits"));
    let shorter = what.iter().any(|what| what.contains(" 39 digits"));
    (faults.len() >= 2).then(|| {
        let hit = Hit::of(93);
        let hit = if longer && shorter { by_the_server(hit) } else { hit };
        hit.quotes(quotes).fact("damaged", faults.len().to_string()).fact("what", what.join(", "))
    })
}

/// Copying cuts text and adds none: the table of the server itself is damaged.
fn by_the_server(mut hit: Hit) -> Hit {
    hit.side = Some(Side::Cluster);
    hit.note(
        "Some ids are longer than 40 digits and others shorter. A terminal or an editor cuts text \
         and adds none, so this is the table that the server itself holds (its memory, or a \
         nodes.conf that was damaged or edited by a script before it was loaded).",
    )
    .step(
        "Do not restart that server yet: it would write and read such rows again, or refuse its \
         nodes.conf. Save CLUSTER NODES of EVERY node and the nodes.conf files first; a node whose \
         rows are whole is the reference.",
    )
    .step(
        "Look for what edits the file (start scripts with sed, agents), and at the machine's \
         memory. Then, one node at a time: stop it, correct the ids in its nodes.conf by the \
         reference (own row with myself, its id, slots and the line of vars), start it, compare. \
         Upgrade to the last patch of the version.",
    )
    .only_these_steps()
}

fn slotless(seen: &Seen) -> Option<Hit> {
    let asked = seen.lines_with(&["manual failover timed out", "failover user request accepted"]);
    let table = seen.tables.iter().find(|table| table.source == Source::Nodes)?;
    let replica = table.myself().filter(|row| row.is_replica())?;
    let primary = table.rows.iter().find(|row| Some(&row.id) == replica.primary.as_ref())?;
    let applies = !asked.is_empty() && primary.slots.is_empty() && primary.is_primary();
    applies.then(|| {
        Hit::of(95)
            .quote(primary.line)
            .quotes(asked)
            .fact("replica", replica.place())
            .fact("primary", primary.place())
    })
}

/// The table of a cluster in which nothing is missing.
fn whole(table: &Table) -> bool {
    let up = |row: &Row| !row.is_failing() && row.linked != Some(false);
    table.rows.len() >= 3 && table.assigned().len() == SLOT_COUNT && table.rows.iter().all(up)
}

fn never_joined(seen: &Seen) -> Option<Hit> {
    let nodes = || seen.tables.iter().filter(|table| table.source == Source::Nodes);
    let cluster = nodes().find(|table| whole(table))?;
    let lone = nodes().find_map(|table| match table.rows.as_slice() {
        [row] if row.is_myself() && row.slots.is_empty() => Some(row),
        _ => None,
    })?;
    let listed = |id: &str| cluster.rows.iter().any(|row| row.id == id);
    let restarted =
        seen.has(&["restart", "recreat", "redeploy", "reboot", "no cluster configuration"]);
    let same_place = cluster.rows.iter().any(|row| {
        !lone.address.ip.is_empty()
            && row.address.ip == lone.address.ip
            && row.address.port == lone.address.port
    });
    // Two kinds of bus never meet: that is another cause.
    let other_bus = cluster
        .rows
        .iter()
        .any(|row| row.address.bus_port.is_some() != lone.address.bus_port.is_some());
    if listed(&lone.id) || restarted || same_place || other_bus {
        return None;
    }
    let outside = |ip: &&String| !cluster.rows.iter().any(|row| row.address.ip == **ip);
    let ip = seen.pod_ips.iter().find(outside).cloned();
    let bare: Vec<String> = cluster
        .rows
        .iter()
        .filter(|row| row.is_primary() && !row.slots.is_empty())
        .filter(|row| !cluster.rows.iter().any(|other| other.primary.as_ref() == Some(&row.id)))
        .map(|row| format!("{} ({}) has no replica", row.id, row.place()))
        .collect();
    let alone = ip.unwrap_or_else(|| lone.place());
    let hit = Hit::of(92).quote(lone.line).fact("alone", format!("{alone} ({})", short(&lone.id)));
    let hit = hit
        .fact("members", cluster.rows.len().to_string())
        .less_if(12, seen.has(&["waiting for the cluster to join"]));
    Some(hit.fact_if("bare", (!bare.is_empty()).then(|| bare.join(", "))))
}

/// A command at a prompt whose answer came after longer than the node timeout: `(104.32s)`.
fn blocked(seen: &Seen) -> Option<Hit> {
    let failed = ["as failing (quorum reached)", "failover auth granted", "fail state for node"];
    let over = seen.lines_with(&failed);
    let timeout = seen.setting("cluster-node-timeout")?.value.parse::<u64>().ok()?;
    let took = |lower: &str| -> Option<f64> {
        lower.trim().strip_prefix('(')?.strip_suffix("s)")?.parse().ok()
    };
    let (at, seconds) = seen.lines.iter().enumerate().find_map(|(at, line)| {
        let seconds = took(&line.lower)?;
        (seconds * 1000.0 > timeout as f64).then_some((at, seconds))
    })?;
    let before = seen.lines.get(..at)?.iter().rev().take(40);
    let command = before.clone().find_map(|line| line.text.split_once("> "))?.1.trim();
    (!over.is_empty() && !command.is_empty()).then(|| {
        Hit::of(94)
            .quote(at)
            .quotes(over)
            .fact("command", command.chars().take(40).collect::<String>())
            .fact("seconds", format!("{seconds}"))
            .fact("timeout", timeout.to_string())
    })
}

fn aborted(seen: &Seen) -> Option<Hit> {
    let waits = *seen.lines_with(&["waiting for the cluster to join"]).first()?;
    let error = seen.lines.iter().skip(waits).take(3).position(|line| {
        line.lower.contains("loading redis is loading") || line.lower.contains("loading valkey is")
    })?;
    let joined = seen.table().and_then(|table| {
        let new = |row: &&Row| row.is_primary() && row.slots.is_empty() && row.linked == Some(true);
        table.rows.iter().find(new)
    });
    let hit = Hit::of(94).quote(waits).quote(waits + error).fact("error", "LOADING");
    Some(hit.fact_if("joined", joined.map(Row::place)))
}

fn rest_of_a_reshard(seen: &Seen) -> Option<Hit> {
    let table = seen.tables.iter().find(|table| table.source == Source::Nodes)?;
    let dead = table.rows.iter().find(|row| {
        row.is_primary() && row.is_failing() && !row.slots.is_empty() && row.slots.len() < 1_024
    })?;
    let followed = table.rows.iter().any(|row| row.primary.as_ref() == Some(&dead.id));
    let greatest = |row: &&Row| {
        !row.is_failing() && row.is_primary() && row.epoch > dead.epoch && row.slots.len() > 1_024
    };
    let heir = table.rows.iter().filter(greatest).max_by_key(|row| row.epoch)?;
    // Its own replica list is empty: it was a replica itself a moment ago.
    let new = !table.rows.iter().any(|row| row.primary.as_ref() == Some(&heir.id));
    (!followed && new).then(|| {
        Hit::of(90)
            .quote(dead.line)
            .quote(heir.line)
            .fact("dead", format!("{} ({})", dead.place(), short(&dead.id)))
            .fact("rest", format!("{} slots ({})", dead.slots.len(), slots(&dead.slots)))
            .fact("heir", heir.place())
            .fact("owned", slots(&heir.slots))
    })
}
