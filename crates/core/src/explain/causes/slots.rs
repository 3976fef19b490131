//! Slots without an owner, with two, or on their way; resharding.

use super::{big_key, claims, half_told, local_slots, open_marks, pods, unreached};
use crate::explain::cause::{Cause, Hit, Side};
use crate::explain::figures::slots;
use crate::explain::seen::{Seen, Source, Table};
use crate::explain::stated::dotted;
use crate::explain::table::Row;
use crate::explain::template::list;
use crate::model::SLOT_COUNT;

pub(super) static CAUSES: &[Cause] = &[
    Cause {
        code: "UNASSIGNED_SLOTS_SHARD_FORGOTTEN",
        title: "Slots belong to nobody: their owners are not in the cluster any more",
        side: Side::Cluster,
        when: unassigned,
        cause: "[[<<missing_count>> slots (<<missing>>) have no owner. ]]The remaining nodes agree \
            with each other: the slots are simply unassigned, not conflicting. Whoever owned them \
            (a primary and its replicas) was removed or forgotten, or lost its identity, so the \
            keys of that range are gone from the cluster unless a removed node, its volume or a \
            backup still has them. No node takes such slots by itself; they must be assigned \
            explicitly.",
        check: "CLUSTER INFO of every node: if others count 16384 assigned slots, only this \
             node's table is short, and nothing may be assigned. Otherwise CLUSTER \
             COUNTKEYSINSLOT for one of these slots on every node, also on removed ones; and is \
             there a volume or backup of the removed primary or its replica?",
        fix: &[
            "If the data matters: start the removed node (or restore it from backup with its old \
             nodes.conf) and CLUSTER MEET it: as the slots are unassigned, its claim is taken \
             again. (After a FORGET wait 60 seconds first.)",
            "Only when it is decided that the range starts empty: assign the missing slots to ONE \
             chosen primary with CLUSTER ADDSLOTS (ADDSLOTSRANGE since 7.0), then look with \
             redis-cli --cluster check.",
        ],
        never: &[
            "Do not run --cluster create over these nodes.",
            "Do not reset the healthy primaries, and do not go on restarting nodes: it changes \
             nothing.",
            "Do not assign the slots before you know that no copy is left: a node that returns \
             later has its keys deleted.",
        ],
        like: &["NODE_IDENTITY_LOST", "SHARD_DOWN"],
    },
    Cause {
        code: "SLOT_OPEN",
        title: "A reshard stopped half way: slots are open",
        side: Side::Cluster,
        when: open_slots,
        cause: "A move of slots was interrupted (timeout, a killed tool, a failed MIGRATE, a \
            failover), so a slot is still marked migrating at its source or importing at its \
            target[[: <<open>>]]. Keys of it may be on both sides; clients see ASK and TRYAGAIN, \
            and the tools refuse to go on.",
        check: "CLUSTER NODES on the source and on the target (the mark stands on the myself line \
            only), and CLUSTER COUNTKEYSINSLOT on both.",
        fix: &[
            "Make sure that no reshard is running any more. Find why the first move failed \
             (password, timeout, memory, big key, existing key) and mend that.",
            "Target has no key of the slot and the source still owns it: CLUSTER SETSLOT <slot> \
             STABLE on the target, then on the source.",
            "Keys on both: finish the move: MIGRATE the rest from source to target, then CLUSTER \
             SETSLOT <slot> NODE <target id> on the TARGET first, then the source, then the other \
             primaries.",
            "Look again with redis-cli --cluster check, then repeat the reshard.",
        ],
        never: &[
            "Do not use STABLE on a target that holds keys: they become unreachable and are \
             deleted later.",
            "Do not send SETSLOT NODE to the source first.",
            "Do not let --cluster fix decide while keys are on both sides: on newer servers it can \
             lose those of the loser.",
        ],
        like: &["MIGRATE_IOERR_AMBIGUOUS", "MIGRATE_BUSYKEY", "SLOT_OWNER_DISAGREEMENT"],
    },
    Cause {
        code: "MIGRATE_IOERR_AMBIGUOUS",
        title: "MIGRATE broke off (timeout or connection): a key may be on both nodes",
        side: Side::Cluster,
        when: big_key::timed_out,
        cause: "The source waited longer than MIGRATE's timeout for the target[[, or could not \
            connect to it: <<reasons>>]]. After a read timeout the key may exist on both; the \
            source's copy counts while the slot is migrating.",
        check: "MEMORY USAGE of the keys in that slot, and whether the source can reach the \
            target's client port.",
        fix: &[
            "Finish the slot that is open now (--cluster check names it; no reshard is taken while \
             there is one): MIGRATE its keys with a larger timeout, until the source has none, and \
             only then SETSLOT NODE, on the target first.",
            "Repeat the move with a larger timeout (redis-cli --cluster reshard ... \
             --cluster-timeout 60000) and a smaller --cluster-pipeline; with REPLACE only for keys \
             that nobody wrote on the target.",
            "Have the application split giant keys; raise cluster-node-timeout during the move.",
        ],
        never: &["Do not delete the source's copy by hand."],
        like: &["SLOT_OPEN", "MIGRATE_AUTH_OR_TLS_FAILED"],
    },
    Cause {
        code: "MIGRATE_BUSYKEY",
        title: "The key already exists on the target of the move",
        side: Side::Cluster,
        when: |seen| {
            let busy = ["busykey", "target key name already exists", "target key name is busy"];
            seen.says(91, &busy).map(|hit| imported(seen, hit))
        },
        cause: "An earlier, interrupted move (or a write through the wrong node) left a copy of \
            the key on the target. MIGRATE does not overwrite without REPLACE; other keys of the \
            same call did move.",
        check: "Compare both copies of the key (DUMP or the value) before one is chosen.",
        fix: &[
            "Keep a DUMP of both copies. If the source's copy is right (the usual case): \
             MIGRATE that key again with REPLACE; --cluster-replace of redis-cli does it for \
             all keys of the move at once.",
            "Then finish the slot, whose OTHER keys have to go as well: CLUSTER GETKEYSINSLOT on \
             the source and MIGRATE for what it names (a timeout of 60000, as the first one was \
             too short), until CLUSTER COUNTKEYSINSLOT says 0 there. Only then SETSLOT NODE, on \
             the target first, then on the source.",
        ],
        never: &[
            "Do not use REPLACE before the copies were compared.",
            "No SETSLOT NODE while the source still has keys of the slot: they are lost with it.",
        ],
        like: &["SLOT_OPEN"],
    },
    Cause {
        code: "MIGRATE_TARGET_REFUSED",
        title: "The target of the move refuses the keys",
        side: Side::Cluster,
        when: |seen| {
            let hit = seen.says(78, &["target instance replied with error", "calling migrate:"])?;
            Some(
                hit.fact_if("answer", seen.word_after("replied with error: "))
                    .less_if(8, seen.has(&["busykey", "noauth", "noperm"])),
            )
        },
        cause: "MIGRATE reached the target, and that answered with an error[[ (<<answer>>)]]: \
            CLUSTERDOWN means that the target itself does not hold the cluster for ok (it misses \
            slots or peers; a node that joined a moment ago), OOM that it is full, READONLY that \
            it is a replica, LOADING that it is loading. The slot stays open.",
        check: "CLUSTER INFO and INFO memory, replication on the TARGET.",
        fix: &[
            "Mend what the target complains of (let it see all nodes, give it memory, choose a \
             primary).",
            "Finish the open slot: MIGRATE the rest, until CLUSTER COUNTKEYSINSLOT says 0 on the \
             source, and only then SETSLOT NODE on target, source, others.",
        ],
        never: &["Do not start another reshard before this slot is closed."],
        like: &["SLOT_OPEN"],
    },
    Cause {
        code: "REDIS_CLI_MIGRATES_WRONG_KEYS",
        title: "redis-cli sends broken key names in a move, and the server refuses them",
        side: Side::Command,
        when: |seen| {
            let moves = ["--cluster rebalance", "--cluster reshard", "moving slot", "slots from"];
            let refused = seen.says(97, &["crossslot"]).filter(|_| seen.has(&moves));
            let refused =
                refused.filter(|_| seen.has(&["replied with error", "calling migrate", "[err]"]));
            let tool = seen.stated(&["redis-cli"]).map(dotted);
            refused.map(|hit| hit.fact_if("tool", tool))
        },
        cause: "The CROSSSLOT is not of an application: the tool itself got it while it moved a \
            slot. All keys of one slot are in one slot, so a name must have been changed on the \
            way: redis-cli of the 4.0 and 5.0 series[[ (here <<tool>>)]] cuts or garbles keys with \
            binary bytes in them (redis/redis#6135); 6.0 and later send them whole. The slot stays \
            open; no key is lost.",
        check: "redis-cli --version; and CLUSTER GETKEYSINSLOT of the open slot on its source: \
            names with unprintable bytes.",
        fix: &[
            "Take a redis-cli (or valkey-cli) of a current version, it works with old servers too.",
            "Look for the open slot with --cluster check and finish its move with that one, then \
             repeat the rebalance. (--cluster-pipeline 1 moves one key at a time and so gets past \
             the refusal of several; a key whose name is cut stays behind even so.)",
        ],
        never: &["Do not rename the application's keys for it, and do not use STABLE while the \
             target has keys of the slot."],
        like: &["SLOT_OPEN", "CROSSSLOT_NO_HASH_TAG"],
    },
    Cause {
        code: "REDIS_TRIB_GEM_TOO_NEW",
        title: "redis-trib with a newer redis gem sends a broken MIGRATE",
        side: Side::Command,
        when: |seen| {
            seen.says(90, &["syntax error, try client (list"])
                .or_else(|| seen.line_says(70, &["err syntax error", "migrate"]))
                .or_else(|| seen.line_says(72, &["[err] ask "]))
        },
        cause: "redis-trib.rb is written for the Ruby gem redis 3.x; with gem 4.x the MIGRATE \
            command of a reshard is malformed, and the server answers with a syntax error. The \
            slot stays open. The cluster itself is fine.",
        check: "gem list redis: 4.x or later.",
        fix: &[
            "Use redis-cli --cluster (5.0 and later) instead, or the gem redis 3.3.5; then close \
             the open slot (SETSLOT STABLE when the target has none of its keys).",
        ],
        never: &["Do not assign slots anew; nothing is lost."],
        like: &["SLOT_OPEN"],
    },
    Cause {
        code: "RESHARD_REFUSED_UNHEALTHY",
        title: "The tool refuses to reshard because the cluster is not in order",
        side: Side::Cluster,
        when: |seen| seen.says(56, &["please fix your cluster problems"]),
        cause: "reshard, rebalance and add-node check first and refuse when slots are open, \
            uncovered or disputed. The reason stands above that line in the output.",
        check: "The [ERR] and [WARNING] lines above it.",
        fix: &[
            "Solve what those lines say (an open slot, missing slots, disagreement), then repeat.",
        ],
        never: &["Do not answer it with --cluster fix before you know which of the three it is."],
        like: &["SLOT_OPEN", "UNASSIGNED_SLOTS_SHARD_FORGOTTEN", "SLOT_OWNER_DISAGREEMENT"],
    },
    Cause {
        code: "SLOT_OWNER_DISAGREEMENT",
        title: "The nodes do not agree who owns some slots",
        side: Side::Cluster,
        when: disagreement,
        cause: "Different nodes give the same slots to different owners[[: <<dispute>>]]. Slot \
            commands (ADDSLOTS, DELSLOTS, SETSLOT NODE) act on the one node that they are sent to; \
            a reshard that broke off, a partition or equal config epochs leave different tables. \
            Clients are sent to and fro (MOVED).",
        check: "CLUSTER NODES of every node, side by side; and CLUSTER COUNTKEYSINSLOT of a \
            disputed slot on each claimant: who has the keys?",
        fix: &[
            "Wait two node timeouts first: it settles by itself after a change.",
            "If it stays and only one claimant has keys of these slots: on the claimant that \
             HOLDS THE KEYS run CLUSTER BUMPEPOCH; its claim then wins everywhere. If both have \
             keys, copy both sides away first: the one that loses deletes its own.",
            "Open slots are finished first (SETSLOT NODE on the target).",
        ],
        never: &[
            "Do not BUMPEPOCH on the node without the keys: the other one deletes its copy.",
            "Do not run --cluster fix on a disagreement; it cannot mend views.",
        ],
        like: &["SLOT_OPEN", "CLUSTER_SPLIT_ISLANDS"],
    },
    Cause {
        code: "SLOT_CLAIMED_TWICE",
        title: "Two primaries claim the same slots",
        side: Side::Cluster,
        when: |seen| {
            let log = seen.line_says(84, &["slot", "has", "owners"]);
            log.or_else(|| claims::claimed_twice(seen))
        },
        cause: "Two living primaries hold the same slots for theirs[[: <<dispute>>]]. The one with \
            the higher config epoch wins when they hear of each other; the loser deletes its keys \
            of these slots.",
        check: "The myself lines of both nodes, and how many keys of a disputed slot each has.",
        fix: &[
            "Stop writes to these slots, copy the keys of both sides away.",
            "Then CLUSTER BUMPEPOCH on the node that shall keep them.",
        ],
        never: &["Do not MEET or restart them before the keys are copied."],
        like: &["SLOT_OWNER_DISAGREEMENT", "EPOCH_COLLISION"],
    },
    Cause {
        code: "EPOCH_COLLISION",
        title: "Two primaries have the same config epoch",
        side: Side::Cluster,
        when: |seen| seen.says(64, &["configepoch collision"]),
        cause: "Two primaries announced the same config epoch; the one with the smaller id takes a \
            new one by itself. It is normal while a cluster is made, and harmful only if both \
            claim the same slot.",
        check: "Does the line repeat for minutes, and do the two rows of CLUSTER NODES share a \
            slot?",
        fix: &[
            "Wait two node timeouts: the one with the smaller id takes a new epoch by itself.",
            "If it stays and they share no slot: CLUSTER BUMPEPOCH on either of them.",
            "If they share a slot: copy the keys of both sides away first, then CLUSTER BUMPEPOCH \
             on the one that holds the keys; the other one deletes its own.",
        ],
        never: &["Do not edit nodes.conf of a running node."],
        like: &["SLOT_CLAIMED_TWICE"],
    },
    Cause {
        code: "SLOT_BUSY_OR_LOCAL_COMMAND",
        title: "A slot command went to a node that sees the slot otherwise",
        side: Side::Command,
        when: |seen| {
            seen.says(
                80,
                &[
                    "is already busy",
                    "is already unassigned",
                    "i'm not the owner of hash slot",
                    "please use setslot only with masters",
                    "target node is not a master",
                    "can't assign hashslot",
                    "invalid or out of range slot",
                    "is not known or not a master",
                    "is not known or not a primary",
                ],
            )
            .map(|hit| local_slots::told(seen, hit))
        },
        cause: "ADDSLOTS, DELSLOTS and SETSLOT change the table of the one node that they are sent \
            to, and only if that table allows it. Here the slot is owned, free or moving otherwise \
            than the command supposes; often leftovers of an earlier create or reshard.",
        check: "CLUSTER NODES on that node: who owns the slot in its view?",
        fix: &[
            "Fresh nodes without data (DBSIZE 0 on each): stop them, move their nodes.conf \
             aside, start and create again.",
            "A cluster with data: find the true owner (who has the keys) and finish the move \
             there.",
        ],
        never: &[
            "Do not send DELSLOTS to all nodes to make room: it takes the slots of living data \
             away.",
        ],
        like: &["LEFTOVER_CLUSTER_STATE_ON_NODE", "SLOT_OPEN"],
    },
    Cause {
        code: "KEYS_IN_FOREIGN_SLOT",
        title: "A node started with keys of slots that its table gives to another node",
        side: Side::Cluster,
        when: |seen| {
            if let Some(hit) = holds_what_it_does_not_own(seen) {
                return Some(hit);
            }
            let hit = seen.says(70, &["i have keys for slot"])?;
            let count = seen.count(&["i have keys for slot"]);
            Some(
                hit.more_if(18, seen.has(&["setting it to importing state"]))
                    .less_if(30, seen.has(&["deleting keys in the slot"]))
                    .fact("count", count.to_string()),
            )
        },
        cause: "At its start the node loaded keys of slots that its nodes.conf gives to somebody \
            else[[ (<<count>> such lines)]], and marked these slots as importing \
            (verifyClusterConfigWithData). Usual ways there: the slots were moved or reassigned (a \
            failover, --cluster fix) while it was down and its data file is older; an RDB or AOF \
            of another node was copied in; nodes.conf and data do not belong together. Slots do \
            not move by themselves: somebody or a failover moved them. The keys are there, but \
            nobody reads them where they are.",
        check: "For some of these slots: CLUSTER COUNTKEYSINSLOT on this node and on the owner. \
            Keys here only: this is the last copy. Keys on both: which are newer?",
        fix: &[
            "Copy this node's RDB and AOF away before anything else.",
            "Where the owner has none of the keys: MIGRATE them from here to the owner (the slot \
             is importing here, so ask with ASKING), and close the mark with CLUSTER SETSLOT \
             <slot> STABLE when the count here is 0.",
            "Where both have keys, compare key by key; the owner's are normally the newer ones.",
            "Then find out what restarted the nodes, so that a restart does not meet an old data \
             file again.",
        ],
        never: &[
            "Do not start an 8.4 (Valkey 8.0) or later server on these files yet: it deletes \
             such keys at start.",
            "Do not run --cluster fix: it may take the slots for moves and drop one side.",
            "SETSLOT STABLE before the keys are moved hides them.",
        ],
        like: &["KEYS_DELETED_ON_START", "SLOT_OPEN"],
    },
    Cause {
        code: "KEYS_DELETED_ON_START",
        title: "The server deleted keys of slots that it does not own",
        side: Side::Cluster,
        when: |seen| {
            let by_tool = ["covering slot", "cluster-fix-with-unreachable-masters"];
            seen.says(90, &["deleting keys in the slot", "deleting keys in dirty slot"])
                .map(|hit| hit.less_if(16, seen.has(&by_tool)))
                .map(|hit| pods::lost_at_runtime(seen, hit))
        },
        cause: "The node holds keys of slots that its table gives to another node. Old versions \
            open such slots as importing; Valkey 8.0 and Redis 8.4 and later delete the keys at \
            start. It comes from slots that were reassigned while the node was down, a restored \
            file or an interrupted move.",
        check: "Who owns these slots now, and are the keys there too?",
        fix: &[
            "Copy its RDB/AOF away at once, before its next save, then stop it with SHUTDOWN \
             NOSAVE: an ordinary stop writes the smaller data set over the file.",
            "Make the ownership right first (or load the copy into a standalone server and copy \
             the keys to their owner).",
        ],
        never: &["Do not start a node with data just to see, after its slots were reassigned."],
        like: &["NODES_CONF_FOREIGN_AFTER_RESTORE", "SLOT_OPEN"],
    },
    Cause {
        code: "SLOT_IMBALANCE",
        title: "The slots or the keys are unevenly spread",
        side: Side::Cluster,
        when: |seen| {
            let told = seen.says(
                56,
                &[
                    "unbalanced",
                    "not balanced",
                    "imbalance",
                    "hot shard",
                    "hotspot",
                    "all keys go to one",
                ],
            );
            let told = told.filter(|_| !seen.has(&["unbalanced quotes"]));
            told.map(|hit| hit.less_if(10, seen.has(&["[err]"])))
        },
        cause: "Some primaries have more slots, keys or load than others: a skewed assignment, or \
            hash tags and big keys that put the load into few slots. Slots are balanced by number, \
            not by weight.",
        check: "Keys per node and slots per node (redis-cli --cluster info): uneven keys with even \
            slots point to hash tags or big keys.",
        fix: &[
            "redis-cli --cluster rebalance (with --cluster-simulate first); split hash tags and \
             big keys.",
        ],
        never: &["Do not rebalance a cluster with open or missing slots."],
        like: &["EMPTY_PRIMARY"],
    },
];

fn unassigned(seen: &Seen) -> Option<Hit> {
    let uncovered = seen.lines_with(&[
        "not all 16384 slots are covered",
        "slots are not covered",
        "hash slot not served",
        "cluster slots have holes",
        "missing slot coverage",
        "is not covered by",
    ]);
    let counted =
        seen.number("cluster_slots_assigned").filter(|n| (1..u64::from(SLOT_COUNT)).contains(n));
    let by_table = seen.unowned().filter(|_| {
        let reply = |t: &Table| matches!(t.source, Source::Slots | Source::Shards);
        seen.table().is_some_and(|table| table.rows.len() > 2 || reply(table))
    });
    let dead = seen.owners().iter().any(|row| row.is_failing());
    let open = seen.has(&["importing state", "migrating state", "slots are open"]);
    let agree = seen.lines_with(&["all nodes agree about slots configuration"]);
    let removed =
        seen.has(&["forget", "removed", "deleted", "del-node", "destroyed", "terminated"]);
    let score = match (!uncovered.is_empty(), by_table.is_some() || counted.is_some()) {
        (true, true) => 84,
        (true, false) => 56,
        (false, true) => 62,
        (false, false) => return None,
    };
    // Told in words only, and nobody was removed: the tools leave dead owners out as well.
    let killed = ["killed", "kill ", "segfault", "crash", " fail", "stopped", "shut down", "died"];
    let perhaps_dead = score == 56 && !removed && agree.is_empty() && seen.has(&killed);
    Some(
        Hit::of(score)
            .less_if(22, perhaps_dead)
            .more_if(8, removed || !agree.is_empty())
            .less_if(20, open)
            .less_if(25, dead || unreached::node(seen).is_some())
            .quotes(uncovered)
            .quotes(agree)
            .quotes(by_table.iter().flat_map(|_| owners(seen)).take(3))
            .quotes(seen.field_line("cluster_slots_assigned").filter(|_| counted.is_some()))
            .fact_if(
                "missing_count",
                counted
                    .map(|n| (u64::from(SLOT_COUNT) - n).to_string())
                    .or_else(|| by_table.as_ref().map(|s| s.len().to_string())),
            )
            .fact_if("missing", by_table.as_ref().map(slots)),
    )
}

/// The rows that have the other slots: what is missing is read from them.
fn owners(seen: &Seen) -> Vec<usize> {
    let few = |rows: &Vec<&Row>| rows.len() <= 3;
    let rows = Some(seen.owners()).filter(few).unwrap_or_default();
    rows.iter().map(|row| row.line).collect()
}

/// The same in an import from a server outside of the cluster: no slot is being moved.
fn imported(seen: &Seen, hit: Hit) -> Hit {
    let imports = seen.lines_with(&[">>> importing data", "--cluster import", "*** importing"]);
    let Some(at) = imports.first() else { return hit };
    hit.quote(*at)
        .note(
            "Here it is an import of a server outside (--cluster import): no slot moves and none \
             is open. The key is in the cluster already: from an earlier run of the import (with \
             --cluster-copy the source keeps its own), or written by the application since.",
        )
        .step(
            "Decide which copy is right, key by key or for all (compare the value or DUMP of \
             both). The source's: run the import again with --cluster-replace, which overwrites \
             the cluster's copy of EVERY key of the source, also where the application has written \
             since (add --cluster-copy so that the source keeps its own). The \
             cluster's: leave that key out, by moving it away at the source or taking it from a \
             copy of the source.",
        )
        .step("Keys that were imported before the error are where they belong.")
        .only_these_steps()
}

fn open_slots(seen: &Seen) -> Option<Hit> {
    let lines = seen.lines_with(&[
        "slots in importing state",
        "slots in migrating state",
        "following slots are open",
        "tryagain multiple keys",
    ]);
    let rows: Vec<&Row> = seen.rows().filter(|row| !row.open.is_empty()).collect();
    let open: Vec<String> = rows.iter().flat_map(|row| row.open.clone()).collect();
    if lines.is_empty() && rows.is_empty() {
        return seen
            .says(60, &["importing", "migrating"])
            .filter(|_| seen.has(&["setslot", "reshard"]));
    }
    let hit = Hit::of(86)
        .quotes(lines)
        .quotes(rows.iter().map(|row| row.line).take(3))
        .fact_if("open", (!open.is_empty()).then(|| list(&open, 4)));
    Some(open_marks::notes(seen).into_iter().fold(hit, Hit::note))
}

fn disagreement(seen: &Seen) -> Option<Hit> {
    if let Some(hit) = half_told::refused_by_the_source(seen) {
        return Some(hit);
    }
    let told = seen.says(
        80,
        &["nodes don't agree about configuration", "could not agree on a valid slots cache"],
    );
    // Tables differ while a node is down; only what stays when it is back is a dispute.
    let down = unreached::node(seen).is_some() || unreached::is_listed_down(seen);
    let told = told.map(|hit| hit.less_if(24, down));
    let told = told.map(|hit| match views_differ(seen) {
        Some(seen_so) => {
            Hit { facts: seen_so.facts, notes: seen_so.notes, ..hit }.quotes(seen_so.quotes)
        }
        None => hit,
    });
    let hit = told.or_else(|| {
        seen.says(
            58,
            &[
                "too many cluster redirections",
                "ttl exhausted",
                "too many redirections",
                "no more cluster attempts left",
                "redirected too many times",
            ],
        )
        .filter(|_| !seen.has(&["clusterdown", "timeout", "moved 0 :0"]))
    });
    let hit = hit.or_else(|| promoted_for_itself(seen)).or_else(|| views_differ(seen));
    let hit = hit.or_else(|| claims::picked_rows_differ(seen))?;
    Some(hit.less_if(8, seen.has(&["importing state", "migrating state"])))
}

/// A node calls the cluster ok; another one, linked with it, calls it a primary without slots and
/// gives the slots to a dead node.
fn promoted_for_itself(seen: &Seen) -> Option<Hit> {
    let ok = seen.blocks.iter().any(|block| block.fields.is("cluster_state", "ok"));
    if let Some(hit) = claims_what_others_give_to_the_dead(seen) {
        return Some(hit);
    }
    let table = seen.table().filter(|_| ok && seen.says_fail())?;
    let dead = table.rows.iter().find(|row| row.is_failing() && !row.slots.is_empty())?;
    let bare = |row: &&Row| {
        row.is_primary() && !row.is_failing() && row.linked == Some(true) && row.slots.is_empty()
    };
    let new = table.rows.iter().find(bare).filter(|row| !row.is_myself())?;
    Some(Hit::of(76).quote(new.line).quote(dead.line).fact(
        "dispute",
        format!(
            "{} may have taken the slots of {} by its own table, and the node that was asked \
             still gives them to the dead one; its link to the new one is up",
            new.place(),
            dead.place()
        ),
    ))
}

/// Tables of two nodes that give a slot to different owners.
fn views_differ(seen: &Seen) -> Option<Hit> {
    let views: Vec<&Table> =
        seen.tables.iter().filter(|t| t.source == Source::Nodes && t.rows.len() > 1).collect();
    for (at, one) in views.iter().take(8).enumerate() {
        // Two tables of one node are a before and an after.
        let others = views.iter().take(8).skip(at + 1).filter(|other| {
            let (a, b) = (one.myself(), other.myself());
            a.zip(b).is_some_and(|(a, b)| a.id != b.id)
        });
        for other in others {
            let held = |row: &&Row| !row.slots.is_empty() && row.is_primary();
            let mut rows: Vec<&Row> = one.rows.iter().filter(held).collect();
            let split = rows.len();
            rows.extend(other.rows.iter().filter(held));
            let (left, right) = rows.split_at(split);
            let pair = left.iter().take(64).find_map(|a| {
                // A failover between the two pastes explains what concerns a dead node.
                let differs = |b: &&&Row| {
                    let dead = a.is_failing() || b.is_failing();
                    !dead && b.id != a.id && !a.slots.intersection(&b.slots).is_empty()
                };
                right.iter().take(64).find(differs).map(|b| (*a, *b))
            });
            if let Some((a, b)) = pair {
                let both = slots(&a.slots.intersection(&b.slots));
                let says =
                    format!("one table gives {both} to {}, another to {}", a.place(), b.place());
                let hit = Hit::of(74).quote(a.line).quote(b.line).fact("dispute", says);
                if let Some((note, step)) = claims::conceded(seen, a, b) {
                    return Some(hit.note(note).step(step).only_these_steps());
                }
                return Some(claims::winner(a, b).into_iter().fold(hit, Hit::note));
            }
        }
    }
    None
}

/// A node answers MOVED for a slot, and counts keys of that slot.
fn holds_what_it_does_not_own(seen: &Seen) -> Option<Hit> {
    let moved = seen.lines.iter().enumerate().find_map(|(at, line)| {
        let slot = line.lower.split_once("(error) moved ")?.1.split_whitespace().next()?;
        let asked = seen.lines.get(at.checked_sub(1)?)?.text.split_once("> ")?.0.to_owned();
        Some((at, slot.to_owned(), asked))
    });
    let (at, slot, node) = moved?;
    let counted = seen.lines.windows(2).position(|pair| match pair {
        [ask, answer] => {
            let asks = ask.lower.contains(&format!("countkeysinslot {slot}"));
            let here = ask.text.starts_with(node.as_str());
            let count = answer.lower.trim().trim_start_matches("(integer) ").parse::<u64>();
            asks && here && count.is_ok_and(|count| count > 0)
        }
        _ => false,
    })?;
    Some(Hit::of(80).quote(at).quote(counted).quote(counted + 1).note(format!(
        "Here the server runs on: it answers MOVED for slot {slot} and still holds keys of it. A \
         move of that slot broke off (or its source was replaced in the middle), and these keys \
         stayed behind, where no client reaches them."
    )))
}

/// A node claims slots on its own `myself` line, and another table lists it as a linked primary
/// without slots while a dead node has those slots: it was promoted, and the others did not take
/// its claim.
fn claims_what_others_give_to_the_dead(seen: &Seen) -> Option<Hit> {
    let claims = seen.server_rows().filter(|row| row.is_myself() && !row.slots.is_empty());
    for claim in claims.take(8) {
        let others = seen.tables.iter().filter(|t| t.source == Source::Nodes);
        let found = others.take(8).find_map(|table| {
            let bare = table.rows.iter().find(|row| {
                let known = row.id == claim.id && row.is_primary() && row.slots.is_empty();
                known && !row.is_myself() && !row.is_failing() && row.linked == Some(true)
            })?;
            let dead = table
                .rows
                .iter()
                .find(|row| row.is_failing() && !row.slots.intersection(&claim.slots).is_empty())?;
            Some((bare, dead))
        });
        if let Some((bare, dead)) = found {
            let says = format!(
                "{} claims {} by its own table, another node (linked to it) lists it as a primary \
                 without slots and still gives them to the dead {}",
                bare.place(),
                slots(&claim.slots),
                dead.place()
            );
            let hit = Hit::of(86).quote(claim.line).quote(bare.line).quote(dead.line);
            return Some(hit.fact("dispute", says).note(PROMOTED_FOR_ITSELF));
        }
    }
    None
}

const PROMOTED_FOR_ITSELF: &str = "A replica was promoted after its primary died, and its claim \
    did not win at the others: its config epoch is not above the one they hold for the dead \
    primary (compare the epoch columns), or it took the role without an election. Keep the dead \
    primary off until all tables agree. If the keys of these slots are on the promoted node \
    (CLUSTER COUNTKEYSINSLOT), CLUSTER BUMPEPOCH on it makes its claim the newest everywhere; the \
    old primary then comes back as its replica.";
