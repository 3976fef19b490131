//! Who a node is: `nodes.conf`, ids, and configuration files that do not load.

use super::{lock_file, shard_ids};
use crate::explain::cause::{Cause, Hit, Side};
use crate::explain::figures::{places, short, slots};
use crate::explain::seen::{Seen, Source, Table};
use crate::explain::table::Row;
use crate::explain::template::list;
use crate::model::{Flag, SLOT_COUNT};

/// Nobody said that the file is gone.
const ELSEWHERE: &str =
    "So the old nodes.conf, with the data beside it, very likely still exists somewhere else.";

pub(super) static CAUSES: &[Cause] = &[
    Cause {
        code: "NODE_IDENTITY_LOST",
        title: "A node did not find its nodes.conf and made up a new node id",
        side: Side::Cluster,
        when: |seen| {
            let replica = super::volumes::without_its_volume(seen);
            replica.or_else(|| {
                let hit = stranger_from_a_pod(seen)
                    .or_else(|| super::reborn::each_alone_with_its_keys(seen))
                    .or_else(|| identity_lost(seen))?;
                Some(hit.fact("elsewhere", ELSEWHERE))
            })
        },
        cause: "At its start the process found no nodes.conf where it looked, so it made up a new \
            node id[[ (<<new_id>>)]] and began as one that knows nobody. [[The old id stays in the \
            cluster as <<old_flags>> (<<old>>) and still owns its <<old_slots>> slots. ]]The file \
            is looked for as cluster-config-file inside dir; with the default dir './' that is the \
            directory from which the process was started, and in a container it must be on the \
            volume.[[ <<elsewhere>>]]",
        check: "Search the machine or the old volume for the old nodes.conf (its myself line has \
            the old id), and compare dir (CONFIG GET dir) and the working directory of the process \
            with where it was before.",
        fix: &[
            "Look at DBSIZE of the newly started process and copy its directory away. Then stop \
             it, so that nothing joins under the new id (with 0 keys by SHUTDOWN NOSAVE, so that \
             it writes no empty data set over an older file).",
            "Find the old nodes.conf and RDB/AOF and start the node from there: the original \
             working directory, or an absolute dir and cluster-config-file in redis.conf, on \
             persistent storage. It then loads its old id, slots and data, and peers take it back.",
            "If the file is really gone but a replica has the shard: copy this node's data \
             files away, promote that replica and let this node join as a new, empty replica.",
            "If another node already serves the old id's slots (a failover took place): let this \
             node join as a new, empty replica; then the old id, without slots, is forgotten on \
             all nodes.",
        ],
        never: &[
            "Do not CLUSTER FORGET the old id before its slots are recovered.",
            "Do not run --cluster fix: it gives the old id's slots to others, and the keys in the \
             old data directory are lost to the cluster.",
            "Do not MEET the re-identified node into the cluster while it still has data.",
        ],
        like: &["PRIMARY_NOADDR_MASKED", "K8S_EPHEMERAL_STORAGE"],
    },
    Cause {
        code: "REPLICA_OF_UNKNOWN_PRIMARY",
        title: "A replica lives whose primary the others do not know any more",
        side: Side::Cluster,
        when: |seen| headless(seen).or_else(|| named_by_the_tool(seen)),
        cause: "A replica[[ (<<replicas>>)]] names a primary[[ (<<primary>>)]] that is in no row of \
            the table: it was forgotten, came back with a new id, or never got known \
            here.[[ <<missing_count>> slots (<<missing>>) have no owner.]] The replica is alive \
            and has the keys of that shard, perhaps the last copy of them. An election is not \
            possible, because the voters do not know its primary.",
        check: "CLUSTER NODES of every node: does another one list that id? And on the replica \
            itself: DBSIZE, and which slots its own table gives to its primary.",
        fix: &[
            "Copy the replica's RDB/AOF away, and keep it running.",
            "If the process with that id still runs: wait until 60 seconds after the last FORGET, \
             then CLUSTER MEET it from a member at its present address. Its claim is taken again, \
             and no key is lost.",
            "If it is certainly off and kept from starting, and the replica's own table still \
             gives it the slots: CLUSTER FAILOVER TAKEOVER on that replica (no voter can grant \
             it). Then CLUSTER NODES of every node, and redis-cli --cluster check.",
        ],
        never: &[
            "Do not assign the missing slots to another node and do not run --cluster fix: the \
             keys are on this replica.",
            "Do not CLUSTER REPLICATE it to another primary and do not reset it: that drops its \
             copy.",
        ],
        like: &["FORGOT_SLOT_OWNER", "NODE_IDENTITY_LOST", "UNASSIGNED_SLOTS_SHARD_FORGOTTEN"],
    },
    Cause {
        code: "NODES_CONF_CORRUPT",
        title: "nodes.conf cannot be read, and the server refuses to start",
        side: Side::Cluster,
        when: |seen| {
            let told = seen.says(
                90,
                &["corrupted cluster config file", "unrecoverable error: corrupted cluster"],
            );
            let crashed = &["crashed by signal", "assertion failed", "bug report", "stack trace"];
            // What reads the file is what crashed: old versions did not check it.
            let at_start = &["clusterloadconfig", "cluster->myself != null"];
            let hit = told
                .or_else(|| seen.says_all(91, &[at_start, crashed]))
                .or_else(|| cut_short(seen))?;
            Some(torn(seen, hit.less_if(6, seen.has(&["shard-id", "shard id"]))))
        },
        cause: "The server stops at start because a line of nodes.conf is not what it expects: a \
            file cut short by a power loss or a full disk (versions before 7.2 write it in place), \
            an empty file, an edit by hand or by a script, fields of a newer or another server \
            after a downgrade, or shard-ids that do not fit together. The data files are not concerned.",
        check: "Read the file: does every row have its eight columns, exactly one 'myself', and the \
            line of vars at the end?",
        fix: &[
            "Copy nodes.conf aside. Repair the text: the myself row must keep id, role, epoch and \
             slots; broken rows of peers may be left out, they are learnt again by CLUSTER MEET. \
             The last line is 'vars currentEpoch N lastVoteEpoch M' with N not below any epoch in \
             the file.",
            "If the own row is lost, take it from CLUSTER NODES of a peer (same id, address, \
                slots).",
            "Start the node and compare CLUSTER NODES with its peers.",
            "After a downgrade: start it with the newer server, or remove the unknown fields behind \
             the address.",
        ],
        never: &[
            "Do not delete nodes.conf of a node that has data: it comes back as a stranger.",
            "Do not wipe the volume.",
        ],
        like: &["SHARD_ID_DIVERGED", "NODES_CONF_UNWRITABLE"],
    },
    Cause {
        code: "SHARD_ID_DIVERGED",
        title: "shard-ids of a primary and its replica do not agree",
        side: Side::Cluster,
        when: |seen| {
            let crash = seen.says_all(
                93,
                &[
                    &["shard-id", "shard id", "shard_id"],
                    &["corrupted cluster config", "unrecoverable error", "crash", "assert"],
                ],
            );
            let differs = seen.says(90, &["differs from existing primary shard id"]);
            let told = crash.or(differs).or_else(|| {
                seen.says_all(
                    72,
                    &[
                        &["cluster shards", "myshardid"],
                        &[
                            "duplicate",
                            "own shard",
                            "shard of its own",
                            "differs between",
                            "wrong",
                            "separate shard",
                            "empty",
                            "twice",
                        ],
                    ],
                )
            });
            shard_ids::rows_that_differ(seen, told)
        },
        cause: "Since 7.2 nodes.conf carries a shard-id per node, and a replica must have its \
            primary's. Here they differ: a temporary random id was saved before it was reconciled, \
            typically during an upgrade from before 7.2 or after a reset. The server then refuses \
            the file at the next start, or CLUSTER SHARDS lists a replica in a shard of its own. \
            Known bugs (redis #13468, #13428, #14495; valkey #573, #2174), mended in later versions.",
        check: "Compare shard-id= on the rows of a primary and of its replicas in nodes.conf (or \
            CLUSTER MYSHARDID on both).",
        fix: &[
            "Offline, on the node that does not start: copy nodes.conf, set the replica's shard-id \
             to that of its primary, start it.",
            "Upgrade to a version that reconciles them on load (Redis 8.0, Valkey 8.0.5, 8.1.4, \
                9.0).",
        ],
        never: &["Do not delete nodes.conf of a node with data, and do not reset it."],
        like: &["NODES_CONF_CORRUPT"],
    },
    Cause {
        code: "NODES_CONF_LOCKED",
        title: "The nodes.conf is in use by another process",
        side: Side::Platform,
        when: lock_file::held,
        cause: "Another process holds the lock of this cluster-config-file[[: <<reasons>>]].",
        check: "Which process holds it: fuser or lsof on the file; ps for a second server.",
        fix: &[
            "Stop the process that holds it, if it is the wrong one.",
            "Several instances on one machine: give each its own dir, or its own \
             cluster-config-file such as nodes-7001.conf.",
        ],
        never: &["Do not delete nodes.conf to get around the lock; the node would lose its id."],
        like: &["DUPLICATE_NODE_ID_LIVE"],
    },
    Cause {
        code: "NODES_CONF_UNWRITABLE",
        title: "nodes.conf cannot be written, so the server stops",
        side: Side::Platform,
        when: |seen| {
            seen.says(
                92,
                &[
                    "can't update cluster config file",
                    "could not open temp cluster config",
                    "failed after writing",
                    "cannot save cluster config",
                    "can't open/create cluster config",
                    "can't open nodes.conf",
                ],
            )
        },
        cause: "The server must save nodes.conf at every change of the topology and exits when it \
            cannot: the disk is full, read-only, or the directory does not belong to the user of \
            the process (since 7.2 it writes a second file and renames it, so it needs room and \
            the right to create files there).",
        check: "df and mount of dir; ls -l of the directory against the user of the process; SELinux \
            or AppArmor denials.",
        fix: &[
            "Free space (temp-*.rdb of processes that are gone, core files, logs) or mend \
             owner, mount or security label.",
            "Start the node again; it keeps its id.",
        ],
        never: &["Do not delete nodes.conf or the data files to make room."],
        like: &["DISK_ERROR_MISCONF"],
    },
    Cause {
        code: "NODES_CONF_FOREIGN_AFTER_RESTORE",
        title: "A node was started with a nodes.conf that is not its own",
        side: Side::Cluster,
        when: |seen| {
            let told = seen.says_all(
                68,
                &[&["backup", "restore", "snapshot", "copied", "rsync"], &["nodes.conf"]],
            )?;
            Some(told.and(seen, 8, &["assigned to another node", "fail", "different"]))
        },
        cause: "Data or a configuration file from another node or another time was put in place. \
            nodes.conf says who a node is and which slots it owns, so a restored file makes it \
            claim slots that others own now, or the data of other slots. On Valkey 8.0 and Redis \
            8.4 and later, keys of slots that the table gives to others are deleted at start.",
        check: "Compare the myself row of the restored nodes.conf (id, slots) with CLUSTER NODES of the \
            living nodes, before the node is started with data.",
        fix: &[
            "Keep a copy of the data files first.",
            "Restore into a set of fresh nodes: let them join and own the slots of the backup first, \
             then load each RDB on the node that owns its slots; or load it into a standalone \
             server and copy the keys.",
        ],
        never: &["Do not start a node with data whose nodes.conf gives its slots to others."],
        like: &["KEYS_DELETED_ON_START", "NODE_IDENTITY_LOST"],
    },
    Cause {
        code: "CLUSTER_DISABLED_ON_NODE",
        title: "This server does not run in cluster mode",
        side: Side::Cluster,
        when: |seen| {
            seen.says(
                90,
                &[
                    "cluster support disabled",
                    "is not configured as a cluster node",
                    "cluster mode is not enabled",
                ],
            )
            .map(|hit| answered_here(seen, hit))
            .or_else(|| {
                // Images that make a primary with replicas out of this, and no cluster.
                let single = &["redis_replication_mode", "valkey_replication_mode"];
                seen.says_all(80, &[single, &["slots cache", "cluster", "moved "]])
            })
            .or_else(|| seen.field_is(70, "redis_mode", &["standalone"]))
            .or_else(|| seen.field_is(70, "cluster_enabled", &["0"]))
        },
        cause: "The server that was asked runs with cluster-enabled no (the default): the \
            configuration file was not loaded, it is another instance on that port, or a managed \
            service with cluster mode disabled. A cluster client against a server without cluster \
            mode gets exactly this error. (redis-py reports any refused CLUSTER SLOTS this way, \
            also a missing permission; redis-cli says 'not configured as a cluster node' also for \
            a TLS port that it speaks to without TLS.)",
        check: "INFO server and INFO cluster at the very address: redis_mode and cluster_enabled; \
            and config_file, whether it is the file you think.",
        fix: &[
            "If it is meant to be a member: set cluster-enabled yes in the file that is really \
             loaded (config_file of INFO) and, after a save, restart it (it cannot be switched on \
             while it runs); a former member with its old nodes.conf. One that never was a member \
             has no slots then: the cluster is made of three or more of them, or, for development, \
             all 16384 slots are given to the one.",
            "If it is a single server or a managed service with cluster mode disabled: use the \
             plain client, not the cluster client.",
        ],
        never: &["Do not run --cluster create over servers that hold data."],
        like: &["ACL_DENIES_CLUSTER_COMMANDS", "CLI_WITHOUT_TLS"],
    },
    Cause {
        code: "UNKNOWN_DIRECTIVE",
        title: "The configuration has a directive that the server does not take[[: <<directive>>]]",
        side: Side::Cluster,
        when: |seen| {
            seen.says(
                88,
                &["bad directive or wrong number of arguments", "fatal config file error"],
            )
            .map(|hit| super::directives::refused(seen, hit))
        },
        cause: "The server reads redis.conf at start and stops at the first directive that it does \
            not know: a setting of a newer version, a removed one, or a wrong number of words.",
        check: "The line below the message names the directive; look it up for this version.",
        fix: &["Correct or remove that line, or run the version that knows it; start again."],
        never: &["Do not delete data files; only the configuration is at fault."],
        like: &["NODES_CONF_CORRUPT"],
    },
];

/// What the refused line is the beginning of, and which row the pasted file lacks.
fn torn(seen: &Seen, hit: Hit) -> Hit {
    const LAST: &str = "vars currentEpoch";
    let Some(line) = seen.word_after("corrupted cluster config file \"") else { return hit };
    let start = line.trim_end_matches(['"', '.']);
    let lower = start.to_lowercase();
    if lower.is_empty() || lower.len() >= LAST.len() || !LAST.to_lowercase().starts_with(&lower) {
        return hit;
    }
    let old = seen.version().filter(|version| *version < (7, 2));
    let old = old.map_or_else(String::new, |(major, minor)| {
        format!(", as {major}.{minor} may: before 7.2 it is written in place")
    });
    let hit = hit.note(format!(
        "The refused line '{start}' is the beginning of the last one ('{LAST} ...'): the file was \
         cut short while it was written{old}."
    ));
    let file = seen.tables.iter().find(|table| table.source != Source::Check);
    match file.filter(|table| table.myself().is_none()).and_then(|table| table.rows.last()) {
        Some(row) => hit.quote(row.line).note(
            "No row that was pasted of it says myself: that one is lost as well, and CLUSTER NODES \
             of a peer has it (id, address, epoch, slots).",
        ),
        None => hit,
    }
}

/// A row of a table, and behind it the first letters of the line of `vars`: the end is missing.
fn cut_short(seen: &Seen) -> Option<Hit> {
    const LAST: &str = "vars currentepoch ";
    let rows = seen.tables.iter().filter_map(|table| table.rows.last());
    let ends = rows.filter_map(|row| {
        let next = seen.lines.get(row.line + 1)?;
        let rest = next.lower.trim();
        let whole = rest.contains("lastvoteepoch");
        let begins = rest.starts_with('v') && (LAST.starts_with(rest) || rest.starts_with(LAST));
        (begins && !whole).then_some(row.line)
    });
    ends.map(|row| Hit::of(88).quote(row).quote(row + 1)).next()
}

/// A replica whose primary has no row in a table that shows that slots have no owner.
fn headless(seen: &Seen) -> Option<Hit> {
    let table = seen.table()?;
    let known = |id: &str| seen.rows().any(|row| row.id.starts_with(id) || id.starts_with(&row.id));
    let lost = |row: &&Row| row.primary.as_deref().is_some_and(|id| !known(id));
    let replicas: Vec<&Row> = table.rows.iter().filter(lost).collect();
    replicas.first()?;
    let said =
        seen.lines_with(&["claims to be slave of unknown node", "claims to be replica of unknown"]);
    let missing = seen.unowned();
    // A table cut short by who pasted it looks the same, so rows alone prove little.
    let score = match (!said.is_empty(), missing.is_some()) {
        (true, true) => 94,
        (true, false) => 78,
        (false, true) if table.rows.len() >= 4 => 60,
        _ => return None,
    };
    Some(
        Hit::of(score)
            .quotes(said)
            .quotes(replicas.iter().map(|row| row.line).take(2))
            .quotes(seen.lines_with(&["not all 16384 slots"]).into_iter().take(1))
            .fact("replicas", list(&places(replicas.iter().copied()), 3))
            .fact("primary", list(&lost_ids(&replicas), 3)),
    )
}

/// The tool says so and shows no row. It leaves out whom it cannot reach, so the primary may just
/// be down.
fn named_by_the_tool(seen: &Seen) -> Option<Hit> {
    let hit =
        seen.says(60, &["claims to be slave of unknown node", "claims to be replica of unknown"])?;
    let down = ["could not connect to", "can't connect to"];
    Some(hit.less_if(6, seen.has(&down)).note(
        "The tool lists only the nodes that it reached: a primary that is down, or that this machine \
         does not reach, is 'unknown' to it, and still stands in the other nodes' CLUSTER NODES \
         with its slots. Look there first: if it is listed, start it again (or let its replica \
         take over), and leave the replica as it is.",
    ))
}

/// The ids that replicas name as their primaries, each once.
fn lost_ids(replicas: &[&Row]) -> Vec<String> {
    let mut ids: Vec<String> = replicas.iter().filter_map(|row| row.primary.clone()).collect();
    ids.dedup();
    ids
}

/// A failed owner of slots, and a node without slots that lives at the very same place: the same
/// server under a new id.
fn stranger_at_its_place(seen: &Seen) -> Option<Hit> {
    let rows = &seen.table()?.rows;
    let lost = rows.iter().filter(|row| row.is_failing() && !row.slots.is_empty());
    let (lost, new) = lost.filter(|row| row.address.port != 0).find_map(|lost| {
        let new = rows.iter().find(|row| {
            row.id != lost.id
                && row.place() == lost.place()
                && !row.is_failing()
                && row.slots.is_empty()
        })?;
        Some((lost, new))
    })?;
    let follows = |row: &&Row| row.primary.as_ref() == Some(&lost.id) && !row.is_failing();
    let copy = rows.iter().find(follows);
    let hit = Hit::of(86)
        .quote(lost.line)
        .quote(new.line)
        .fact("new_id", new.id.clone())
        .fact("old", lost.id.clone())
        .fact("old_flags", lost.flags.to_string())
        .fact("old_slots", format!("{} ({})", lost.slots.len(), slots(&lost.slots)));
    Some(match copy {
        Some(copy) => has_the_copy(hit, lost, new, copy),
        None => hit,
    })
}

/// A living replica of the dead id has the shard's keys; the newcomer at its place has none.
fn has_the_copy(hit: Hit, lost: &Row, new: &Row, copy: &Row) -> Hit {
    let here = if copy.is_myself() { ", the node that was asked" } else { "" };
    let loop_back = copy.address.ip.starts_with("127.");
    let own = if loop_back {
        " It calls itself 127.0.0.1, which no peer can dial: set cluster-announce-ip to its real \
         address, or voters and clients do not find it."
    } else {
        ""
    };
    hit.quote(copy.line).note(format!(
        "Two rows stand at {}: the dead owner, and the newcomer without slots that got its address. \
         The keys are not lost: its replica {} (id {}{here}) is alive and has them.{own}",
        lost.place(),
        copy.place(),
        short(&copy.id)
    ))
    .step(format!(
        "If the old primary has no volume to come back with: the log of the replica {} tells why it \
         was not elected; promote it with CLUSTER FAILOVER FORCE there (it needs the votes of a \
         majority). Only then CLUSTER FORGET {} on every node, and make the newcomer its replica \
         (CLUSTER REPLICATE {} on {}, with 0 keys there).",
        copy.place(),
        lost.id,
        copy.id,
        new.place()
    ))
}

/// In Kubernetes a pod comes back at another address: an owner of slots is dead without a replica,
/// and an empty primary with the config epoch 0 has joined.
fn stranger_from_a_pod(seen: &Seen) -> Option<Hit> {
    let pods = ["kubectl", "statefulset", "\"namespace\"", ".svc", "pod", "operator", "helm"];
    let rows = &seen.table().filter(|_| seen.has(&pods))?.rows;
    let dead: Vec<&Row> =
        rows.iter().filter(|row| row.is_failing() && !row.slots.is_empty()).collect();
    let [lost] = dead[..] else { return None };
    let heir = rows.iter().any(|row| row.primary.as_ref() == Some(&lost.id) && !row.is_failing());
    let new = rows.iter().find(|row| {
        row.is_primary()
            && !row.is_failing()
            && row.slots.is_empty()
            && row.epoch == Some(0)
            && row.linked != Some(false)
    })?;
    (!heir).then(|| {
        Hit::of(82)
            .quote(lost.line)
            .quote(new.line)
            .fact("new_id", new.id.clone())
            .fact("old", lost.id.clone())
            .fact("old_flags", lost.flags.to_string())
            .fact("old_slots", format!("{} ({})", lost.slots.len(), slots(&lost.slots)))
            .note(format!(
                "{} is an empty primary that was never given a slot (config epoch 0), while {} is \
                 dead, owns slots and has no replica in the table: the pod most likely came back \
                 at another address, without its nodes.conf, as a stranger. Its volume (or that of \
                 its follower) may hold the only copy of these keys.",
                new.place(),
                lost.place()
            ))
    })
}

/// One place before and after a restart: first a member with an id, then a node with another id
/// that lists only itself.
pub(super) fn reborn_in_place(seen: &Seen) -> Option<Hit> {
    let told = ["restart", "before", "after ", "start", "recreat", "redeploy", "reboot"];
    let tables: Vec<&Table> = seen.tables.iter().filter(|t| t.source == Source::Nodes).collect();
    // The order of the pastes is that of their names, and not always that of time.
    let in_turn = tables.windows(2).flat_map(|pair| match pair {
        [first, then] => vec![(*first, *then), (*then, *first)],
        _ => Vec::new(),
    });
    let pair = in_turn.into_iter().find_map(|(first, then)| {
        let (old, new) = (first.myself()?, then.myself()?);
        let alone = first.rows.len() > 1 && then.rows.len() == 1;
        // Without an address it is the same place only if nobody was asked elsewhere.
        let unknown = new.address.ip.is_empty() && !asked_in_two_pods(seen, old.line, new.line);
        let same =
            old.address.port == new.address.port && (unknown || new.address.ip == old.address.ip);
        // A cluster that is whole waits for nobody.
        let waits = !new.slots.is_empty()
            || first.rows.iter().any(|row| row.is_failing() || row.linked == Some(false))
            || first.assigned().len() < SLOT_COUNT
            || seen.has(&told);
        let stranger = first.rows.iter().all(|row| row.id != new.id);
        (alone && same && stranger && waits).then_some((old, new))
    });
    let here = |(old, new): &(&Row, &Row)| {
        seen.has(&told) || (new.address.ip.is_empty() && old.slots.len() > new.slots.len())
    };
    let (old, new) = pair.filter(here)?;
    Some(
        Hit::of(90)
            .quote(old.line)
            .quote(new.line)
            .fact("old", old.id.clone())
            .fact("old_flags", "the node that nobody answers for")
            .fact("old_slots", format!("{} ({})", old.slots.len(), slots(&old.slots)))
            .fact("new_id", new.id.clone())
            .note(format!(
                "The node at {} was {} before and is {} now, and it lists only itself: its \
                 nodes.conf was not there when it started (no volume, another directory, or a \
                 start script that removes it). The other nodes then wait for the old id. What it \
                 claims now{} it took because it found keys of these slots or was given them; that \
                 is no claim against the others.",
                old.place(),
                short(&old.id),
                short(&new.id),
                if new.slots.is_empty() { " (nothing)" } else { "" }
            )),
    )
}

/// Whether two lines are the answers of commands that were run in two different pods.
fn asked_in_two_pods(seen: &Seen, first: usize, then: usize) -> bool {
    let pod = |at: usize| {
        let before = seen.lines.get(..at).unwrap_or_default();
        let asked = before.iter().rev().take(16).find(|line| line.lower.contains("exec "))?;
        let (_, rest) = asked.lower.split_once("exec ")?;
        let name =
            rest.split_whitespace().find(|word| word.contains('-') && !word.starts_with('-'));
        name.map(str::to_owned)
    };
    matches!((pod(first), pod(then)), (Some(a), Some(b)) if a != b)
}

/// A volume is gone, and a replica's old entry is left in the table.
fn volume_lost(seen: &Seen) -> Option<Hit> {
    let volume = ["the pv ", "pv and pvc", "pvc was", "volume was", "new pv", "without pvc"];
    let deed = ["deleted", "is gone", "recreated", "new pv", "was lost", "removed"];
    let hit = seen.says_all(74, &[&volume, &deed])?;
    let row = seen.server_rows().find(|row| row.is_failing() && row.slots.is_empty())?;
    let primary = seen
        .server_rows()
        .find(|other| row.primary.as_ref() == Some(&other.id) && !other.is_failing());
    let follows = primary.map_or_else(
        || "the primary of its shard".to_owned(),
        |primary| format!("{} (CLUSTER REPLICATE {})", primary.place(), primary.id),
    );
    Some(hit.quote(row.line).note(format!(
        "The entry of {} ({}, no slots) is the old identity, which was on the volume that is gone: \
         nobody comes back under it. The pod on the new volume is a blank node with another id and \
         no member yet. No slot is concerned: add it as a new replica of {follows}, and CLUSTER \
         FORGET the old id on every node within a minute.",
        row.place(),
        short(&row.id)
    )))
}

/// A container was removed and made again, and a row without address is left of it.
fn made_anew(seen: &Seen) -> Option<Hit> {
    let made =
        seen.says(72, &["docker rm", "recreating ", "rm -f", "compose down", "pod recreated"])?;
    let lost = |row: &&Row| row.flags.has(Flag::NoAddress) && row.is_failing();
    let row = seen.server_rows().find(lost)?;
    Some(
        made.quote(row.line)
            .fact("old", row.id.clone())
            .fact("old_flags", row.flags.to_string())
            .fact(
                "old_slots",
                if row.slots.is_empty() { "0".to_owned() } else { slots(&row.slots) },
            ),
    )
}

/// No owner of slots lives, and at least as many primaries without slots do.
fn reborn_fleet(seen: &Seen) -> Option<Hit> {
    let rows = &seen.table()?.rows;
    let owners: Vec<&Row> = rows.iter().filter(|row| !row.slots.is_empty()).collect();
    let alive = |row: &&Row| row.is_primary() && !row.is_failing() && row.slots.is_empty();
    let new: Vec<&Row> = rows.iter().filter(alive).collect();
    let gone = owners.len() >= 2 && owners.iter().all(|row| row.is_failing());
    (gone && new.len() >= owners.len()).then(|| {
        Hit::of(82)
            .quotes(owners.iter().map(|row| row.line).take(3))
            .quotes(new.iter().map(|row| row.line).take(3))
            .note(format!(
                "No owner of slots lives ({}), and {} primaries without slots do ({}): the nodes \
                 came back without their nodes.conf, as without a persistent volume, and are \
                 strangers with new ids to the cluster.",
                list(&places(owners.iter().copied()), 4),
                new.len(),
                list(&places(new.iter().copied()), 4)
            ))
    })
}

fn identity_lost(seen: &Seen) -> Option<Hit> {
    let fresh = seen.says(80, &["no cluster configuration found, i'm"]);
    let claimed = seen.says(80, &["taking responsibility for it"]);
    let old = seen.server_rows().find(|row| {
        (row.flags.has(Flag::NoAddress) || row.flags.has(Flag::Failed)) && !row.slots.is_empty()
    });
    let mut hit = match (fresh, claimed) {
        (Some(hit), _) | (None, Some(hit)) => hit,
        (None, None) => {
            // One node knows nobody, and a table of another one has owners of slots.
            let blank = seen.blocks.iter().find(|block| {
                block.fields.is("cluster_known_nodes", "1")
                    && block.fields.is("cluster_slots_assigned", "0")
            });
            let replaced = seen.failing().into_iter().find(|row| row.slots.is_empty());
            let old = old.or(replaced);
            if let Some(blank) = blank.filter(|_| old.is_some()) {
                let line = blank.lines.get("cluster_known_nodes").copied();
                let place = old.map(|row| row.place()).unwrap_or_default();
                return Some(Hit::of(80).quotes(line).quotes(old.map(|row| row.line)).note(
                    format!(
                        "A node that knows nobody stands beside a cluster that misses {place}."
                    ),
                ));
            }
            if let Some(hit) = reborn_in_place(seen) {
                return Some(hit);
            }
            if let Some(hit) = stranger_at_its_place(seen).or_else(|| reborn_fleet(seen)) {
                return Some(hit);
            }
            if let Some(hit) = made_anew(seen).or_else(|| volume_lost(seen)) {
                return Some(hit);
            }
            let told = seen.says_all(
                62,
                &[
                    &[
                        "new node id",
                        "new id",
                        "different node id",
                        "node id changed",
                        "new nodeid",
                    ],
                    &["restart", "nodes.conf", "start", "recreat"],
                ],
            );
            return told.map(|hit| hit.quotes(old.map(|row| row.line)));
        }
    };
    if let Some(id) = seen.word_after("no cluster configuration found, i'm ") {
        hit = hit.fact("new_id", id);
    }
    let in_creation =
        seen.has(&["waiting for the cluster to join", "performing hash slots allocation"]);
    if let Some(row) = old {
        hit = hit
            .quote(row.line)
            .fact("old", row.id.clone())
            .fact("old_flags", row.flags.to_string())
            .fact("old_slots", format!("{} ({})", row.slots.len(), slots(&row.slots)))
            .more_if(15, true);
    }
    let others = seen.failing();
    if old.is_none() && !others.is_empty() {
        hit = hit.note(format!("Flagged by the others: {}.", list(&places(others), 4)));
    }
    Some(hit.less_if(50, in_creation && old.is_none()))
}

/// The refusal of a server on this machine: it was reached, so nothing lies between.
fn answered_here(seen: &Seen, hit: Hit) -> Hit {
    let text = |at: &usize| seen.lines.get(*at).map_or("", |line| line.lower.as_str());
    let here = hit
        .quotes
        .iter()
        .find_map(|at| ["127.0.0.1", "localhost"].into_iter().find(|host| text(at).contains(host)));
    match here {
        Some(host) => hit.note(format!(
            "The connection itself works: the server at {host} answered, and this is its answer."
        )),
        None => hit,
    }
}
