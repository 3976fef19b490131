//! Replicas that are not promoted, and what a failover costs.

use super::{lost_quorum, promotion, stale_age, unreached};
use crate::explain::cause::{Cause, Hit, Side};
use crate::explain::figures::{places, slots};
use crate::explain::seen::{Block, Seen, Table};
use crate::explain::table::Row;
use crate::explain::template::list;
use crate::model::{Flag, SLOT_COUNT};

pub(super) static CAUSES: &[Cause] = &[
    Cause {
        code: "NO_QUORUM_EMPTY_MASTERS_DONT_VOTE",
        title: "One primary owns all slots: without it nobody is left to vote",
        side: Side::Cluster,
        when: one_owner,
        cause: "<<owner>> owns all <<owned>> slots; the other primaries (<<empty>>) own none. Only \
            primaries with slots count for the majority and may vote, so the one owner is the \
            whole electorate: without it no election can succeed and its replica[[ \
            <<replica>>]] is never promoted by itself. [[<<down>>]][[<<up>>]]The replica still has \
            the data.",
        check: "On a survivor: cluster_size in CLUSTER INFO is 1, and in CLUSTER NODES the rows of \
            the other primaries end without slots.",
        fix: &[
            "Best: start the dead primary <<owner>> again with its files.",
            "If it cannot come back and is certainly off (and kept from starting): CLUSTER \
             FAILOVER TAKEOVER on its replica[[ <<replica>>]] (it needs no votes); compare its \
             replication offset and key count with its siblings' first.",
            "Then spread the slots over at least three primaries (reshard or rebalance), so that a \
             majority survives the loss of one.",
        ],
        never: &[
            "Do not give the slots to another primary (--cluster fix, DELSLOTS and ADDSLOTS): the \
             keys are on the replica and would be lost.",
            "Do not wait for an automatic failover.",
        ],
        like: &["QUORUM_LOST", "FAILOVER_NO_VOTES"],
    },
    Cause {
        code: "TOO_FEW_VOTERS",
        title: "With fewer than three primaries there is no majority after a loss",
        side: Side::Cluster,
        when: |seen| super::electorate::two_owners(seen).or_else(|| too_few(seen)),
        cause: "Only <<voters>> primaries own slots. A failover needs the votes of more than half \
            of them, the dead one included in the count: with two primaries both votes are needed, \
            so when one dies its replica can never be elected, and the survivor stops too, because \
            it is no majority. Primaries without slots have no vote.",
        check: "cluster_size in CLUSTER INFO: 2 or 1.",
        fix: &[
            "Now: start the dead primary again, with its own files. If it cannot come back and \
             is certainly off (and kept from starting): CLUSTER FAILOVER TAKEOVER on the \
             replica of it with the highest offset.",
            "Then add primaries, so that at least three own slots.",
        ],
        never: &[
            "Do not reassign the dead primary's slots to the survivor; its replica has the data.",
        ],
        like: &["QUORUM_LOST"],
    },
    Cause {
        code: "QUORUM_LOST",
        title: "The majority of primaries is unreachable",
        side: Side::Cluster,
        when: quorum_lost,
        cause: "<<down>> of <<voters>> primaries with slots are unreachable from here \
            (<<places>>). FAIL and failover need a majority of them, so nothing is promoted, and \
            this side reports cluster_state:fail.[[ <<either>>]]",
        check: "Are the processes alive, and does their own CLUSTER INFO say ok? Then it is a \
            partition; if they are down, it is a loss.",
        fix: &[
            "If their processes run after all (a partition): repair the network (bus ports too); \
             it heals by itself.",
            "Those that cannot come back: CLUSTER FAILOVER TAKEOVER on the best replica of \
             each, one at a time, after making sure that the old primary is really off and that \
             no supervisor starts it again.",
            "For good: place the primaries so that no machine, rack or site holds half of them or \
             more (three sites, since with two one of them always does); at best one shard's \
             primary and replica never together.",
        ],
        never: &[
            "Do not use TAKEOVER while the other side of a partition may be alive: both would \
             accept writes.",
            "Do not run --cluster fix: it hands the slots out without the keys.",
        ],
        like: &["MINORITY_PARTITION", "ALL_ADDRESSES_STALE", "BUS_PORT_BLOCKED"],
    },
    Cause {
        code: "MINORITY_PARTITION",
        title: "This node is in the smaller part of a split network",
        side: Side::Network,
        when: |seen| {
            let told = seen.says(84, &["part of a minority partition"]);
            told.or_else(|| replaced_behind_its_back(seen)).or_else(|| {
                // Who knows nobody is no part of a cluster.
                let apart = |b: &Block| {
                    b.fields.is("cluster_state", "fail") && !b.fields.is("cluster_known_nodes", "1")
                };
                let both = seen.blocks.iter().any(|b| b.fields.is("cluster_state", "ok"))
                    && seen.blocks.iter().any(apart);
                // Every slot is served on the other side, so that one has the majority.
                let served = seen.blocks.iter().any(|b| {
                    b.fields.is("cluster_state", "ok")
                        && b.fields.number("cluster_slots_ok") == Some(u64::from(SLOT_COUNT))
                });
                // Who misses less than half of the owners is no minority.
                let lost = seen.owners().iter().filter(|row| row.is_failing()).count();
                let few = lost > 0 && 2 * lost < seen.owners().len();
                let suspects = seen.number("cluster_slots_pfail").is_some_and(|n| n > 0);
                (both && !few && (suspects || !seen.failing().is_empty())).then(|| {
                    Hit::of(if served { 78 } else { 58 })
                        .quotes(seen.field_line("cluster_slots_pfail").filter(|_| suspects))
                        .quotes(seen.failing().iter().map(|r| r.line).take(2))
                })
            })
        },
        cause: "This node does not reach more than half of the primaries that own slots, so it \
            stops serving; the other part, if it has the majority, goes on and promotes \
            replicas.",
        check: "CLUSTER INFO on the other side: ok there means that only this part is cut off.",
        fix: &["Repair the network between the parts (client and bus ports). Nodes return by \
             themselves; primaries that were replaced come back as replicas and drop the writes \
             they alone took: copy their RDB/AOF away first if those matter."],
        never: &["Do not use FAILOVER TAKEOVER in the smaller part while the larger one lives."],
        like: &["BUS_PORT_BLOCKED", "QUORUM_LOST"],
    },
    Cause {
        code: "REPLICA_TOO_STALE",
        title: "The replica refuses to be promoted: too long without its primary",
        side: Side::Cluster,
        when: |seen| {
            let log = seen.says(
                92,
                &[
                    "disconnected from master for longer than allowed",
                    "disconnected from primary for longer than allowed",
                ],
            );
            log.map(|hit| stale_age::told(seen, hit))
                .or_else(|| {
                    let told = seen.has(&[
                        "not promoted",
                        "never promoted",
                        "will never be automatically",
                        "is not elected",
                        "can not failover",
                        "cannot failover",
                        "no failover",
                    ]);
                    let sync = seen.says(66, &["error condition on socket for sync"]);
                    let together = seen.has(&[
                        "at the same time",
                        "both",
                        "only the replica",
                        "restarted the slave",
                        "start the replica",
                        "only start",
                    ]);
                    let by_info = promotion::never_linked_by_info(seen);
                    by_info.or(sync.filter(|_| told || together)).or_else(|| never_linked(seen))
                })
                .or_else(|| super::old_heir::unfinished(seen))
                .map(|hit| {
                    if hit.facts.contains_key("age") {
                        hit
                    } else {
                        hit.fact("typical", stale_age::TYPICAL)
                    }
                })
        },
        cause: "A replica stands for election only if its link to the primary broke not longer ago \
            than node timeout × cluster-replica-validity-factor (plus the ping \
            period)[[: <<age>>]]. A replica \
            that was itself restarted while its primary was down has never had a link in this \
            life, so it counts as infinitely old and is never elected, however complete its data \
            are[[ (<<not_here>>)]].[[ <<typical>>]]",
        check: "On the replica: the log line 'Currently unable to failover: Disconnected from \
            master for longer than allowed', and master_link_down_since_seconds of INFO \
            replication (-1: never connected).",
        fix: &[
            "Best: start the old primary with its own files; the replica then resyncs.",
            "If it cannot come back and is certainly off: CLUSTER FAILOVER FORCE on the \
             replica with the highest offset, after looking at its key count (it skips this \
             check but needs a majority).",
            "For caches that may lose some writes: cluster-replica-validity-factor 0 on all nodes.",
        ],
        never: &[
            "Do not take TAKEOVER where FORCE is enough.",
            "Do not give the slots to other primaries: the replica has the data.",
        ],
        like: &["FAILOVER_NO_VOTES", "REPLICA_LINK_DOWN"],
    },
    Cause {
        code: "FAILOVER_BLOCKED_BY_EPOCH",
        title: "Voters hold a newer epoch for the dead primary's slots, so the vote is denied",
        side: Side::Cluster,
        when: |seen| {
            seen.line_says(95, &["failover auth denied", "slot", "epoch"])
                .or_else(|| seen.line_says(84, &["failover auth denied", "reqepoch"]))
        },
        cause: "The replica asks for votes with the config epoch that it knows of its primary, but \
            the voters remember a higher one for the same slots, so they refuse at every attempt. \
            The replica's view is old, or an entry was polluted by a node with higher epochs.",
        check: "The denial in the voters' logs names both epochs: slot epoch > reqEpoch.",
        fix: &[
            "Start the old primary if it can come back.",
            "Otherwise CLUSTER FAILOVER TAKEOVER on the replica with the highest offset, once \
             the primary is surely off and kept from starting.",
            "Valkey 7.2.10, 8.0.5, 8.1.2 and later correct the replica after the first denial: \
             upgrade.",
        ],
        never: &["Do not edit epochs while nodes run."],
        like: &["FAILOVER_NO_VOTES"],
    },
    Cause {
        code: "FAILOVER_NO_VOTES",
        title: "The election does not get a majority",
        side: Side::Cluster,
        when: |seen| {
            let hit = seen.says(
                76,
                &[
                    "majority still not reached",
                    "failover attempt expired",
                    "failover auth denied",
                    "waiting for votes",
                    "failover auth nack",
                    "cannot reach quorum",
                ],
            )?;
            Some(hit.less_if(20, seen.has(&["connecting to master ?:"])))
        },
        cause: "A replica asked for votes and did not get those of more than half of the primaries \
            with slots[[ (cluster_size <<size>>)]]. Reasons stand in the voters' logs: 'its master \
            is up' (the voters do not hold the primary for FAIL), 'already voted', 'can't vote \
            about this master before', 'I don't know its master'; no line at all means that the \
            request did not arrive or that too few voters live. Primaries without slots have no \
            vote.",
        check: "The line 'Failover auth denied' in the log of each voter and its reason; and how \
            many primaries with slots are alive.",
        fix: &[
            "Majority dead: start primaries again, or TAKEOVER on the replica with the highest \
             offset once it is certain that the primary is off and kept from starting.",
            "'its master is up': the voters still reach the primary, so nothing is lost: \
             repair the path between the primary, the replica and the voters (bus ports). \
             Promoting against a primary that lives drops its last writes.",
            "Otherwise wait for the next attempt (four node timeouts).",
        ],
        never: &["Do not reassign slots; the replica holds the data."],
        like: &["QUORUM_LOST", "REPLICA_TOO_STALE", "FAILOVER_BLOCKED_BY_EPOCH"],
    },
    Cause {
        code: "FAILOVER_DISABLED",
        title: "The replica is configured never to be promoted",
        side: Side::Cluster,
        when: |seen| {
            let flag = seen.flagged(Flag::NoFailover);
            if let Some(row) = flag.first() {
                return Some(Hit::of(72).more_if(14, !seen.failing().is_empty()).quote(row.line));
            }
            let set = ["cluster-replica-no-failover", "cluster-slave-no-failover"];
            let on = seen
                .settings
                .iter()
                .find(|s| set.contains(&s.name.as_str()) && s.value == "yes")?;
            Some(Hit::of(86).quote(on.line))
        },
        cause: "The replica has cluster-replica-no-failover yes (flag nofailover): it never starts \
            an election, whatever happens to its primary.",
        check: "CONFIG GET cluster-replica-no-failover on the replica.",
        fix: &["CONFIG SET cluster-replica-no-failover no on it, and in its file; or promote it \
             by hand with CLUSTER FAILOVER FORCE if the primary is certainly off."],
        never: &["Do not reassign the slots."],
        like: &["REPLICA_TOO_STALE"],
    },
    Cause {
        code: "SHARD_DOWN",
        title: "A primary is down and nothing replaced it",
        side: Side::Cluster,
        when: shard_down,
        cause: "[[<<places>> is flagged <<flag>> and still owns <<slots>>. ]][[<<unreached>>. ]]No \
            replica of it was promoted[[: \
            <<replicas>>]]. [[<<led>> ]]Once a majority holds it for failed, with \
            cluster-require-full-coverage yes (the default) the whole cluster answers CLUSTERDOWN \
            as long as one range is not served.",
        check: "Is the process of that primary up, and is its volume there? Has it a living \
            replica, and what does that replica's log say about failover?",
        fix: &[
            "Start the primary again with its own nodes.conf and data: nothing is lost.",
            "Otherwise, where a replica lives and the old primary is certainly off, promote the \
             one with the highest offset, after looking at its key count: CLUSTER FAILOVER \
             FORCE; TAKEOVER only when no majority lives.",
            "Only a backup left: restore a copy of it into a node with the old nodes.conf, \
             while nobody else owns its slots.",
        ],
        never: &[
            "Do not FORGET the dead primary and do not assign its slots elsewhere while its data \
             may come back.",
            "Do not run --cluster fix with unreachable masters.",
        ],
        like: &["REPLICA_TOO_STALE", "FAILOVER_NO_VOTES", "QUORUM_LOST"],
    },
    Cause {
        code: "MANUAL_FAILOVER_TIMED_OUT",
        title: "A manual failover timed out",
        side: Side::Cluster,
        when: |seen| {
            let timed_out = seen.says(88, &["manual failover timed out"]);
            let timed_out =
                timed_out.map(|hit| promotion::waits_for_zero(seen, how_far(seen, hit)));
            timed_out.or_else(|| {
                seen.says(
                    80,
                    &[
                        "you should send cluster failover to a replica",
                        "you should send cluster failover to a slave",
                        "master is down or failed, please use cluster failover force",
                    ],
                )
            })
        },
        cause: "CLUSTER FAILOVER is sent to the replica and needs a living primary that pauses \
            writes, a replica that catches up within 5 seconds, and the votes of a majority. 'OK' \
            means only that it was scheduled.",
        check: "The replica's lag (slave_repl_offset against master_repl_offset) and whether a \
            majority knows it as a replica of this primary.",
        fix: &[
            "Send it to the replica (not the primary); wait until its link is up and the lag \
             small; retry.",
            "If the primary is certainly off: CLUSTER FAILOVER FORCE.",
        ],
        never: &["Do not use TAKEOVER for a planned switch."],
        like: &["REPLICA_LINK_DOWN", "FAILOVER_NO_VOTES"],
    },
    Cause {
        code: "REPLICA_PILEUP",
        title: "Replicas are unevenly spread: a primary has none",
        side: Side::Cluster,
        when: |seen| super::newcomer::stays_alone(seen).or_else(|| pileup(seen)),
        cause: "<<bare>> has no replica while <<rich>> has <<many>>. Replicas migrate by \
            themselves (cluster-allow-replica-migration) to primaries that lost theirs, not to one \
            that never had any; REPLICATE or failovers mix them up. If the bare primary dies, its \
            slots are down.",
        check: "Count the replicas per primary by the fourth column of CLUSTER NODES.",
        fix: &["CLUSTER REPLICATE <id of the bare primary> on one of the surplus replicas, while \
             its present shard keeps another replica that is in sync; it costs one full sync."],
        never: &["Do not move all replicas of one shard at a time."],
        like: &["SHARD_COLOCATED"],
    },
    Cause {
        code: "EMPTY_PRIMARY_RESTART_WIPED_SHARD",
        title: "A primary restarted empty, and its replicas copied the emptiness",
        side: Side::Cluster,
        when: |seen| {
            // A replica that threw its keys away and read an empty file in their place.
            if let Some(hit) = seen.says_all(86, &[&["flushing old data"], &["keys loaded: 0"]]) {
                return Some(hit);
            }
            let unreadable = seen.has(&["failed trying to load the"]);
            if let Some(at) = receives_nothing(seen).filter(|_| !unreadable) {
                return seen.says(82, &["flushing old data"]).map(|hit| hit.quote(at));
            }
            let gone = seen.has(&[
                "data lost",
                "lost all",
                "keys gone",
                "dbsize 0",
                "data is gone",
                "lost data",
                "keys are gone",
                "came back empty",
            ]);
            let unsaved = seen.settings.iter().find(|s| {
                (s.name == "save" && s.value.is_empty())
                    || (s.name == "appendonly" && s.value == "no")
            });
            match (gone, unsaved) {
                (true, Some(setting)) => Some(Hit::of(76).quote(setting.line)),
                _ => seen.says_all(
                    66,
                    &[
                        &["flushing old data"],
                        &["data lost", "lost all", "keys gone", "keys are gone", "came back empty"],
                    ],
                ),
            }
        },
        cause: "The primary has no persistence (or lost its file) and was restarted in place \
            faster than the node timeout. No failover took place; it came back with the same id \
            and no keys, and its replicas made a full sync from it.",
        check: "uptime_in_seconds and rdb_last_load_keys_loaded on the primary; 'Full resync from \
            master' in the replicas' logs at that time.",
        fix: &[
            "A replica that has not synced yet holds the last copy: keep it from reaching the \
             primary at once, copy its RDB/AOF away, then, with the empty primary off, CLUSTER \
             FAILOVER TAKEOVER on it.",
            "Otherwise restore from a backup.",
            "Turn persistence on, or keep the process from restarting within the node timeout.",
        ],
        never: &["Do not restart a primary without persistence automatically."],
        like: &["K8S_EPHEMERAL_STORAGE"],
    },
    Cause {
        code: "LOST_WRITES_AFTER_FAILOVER",
        title: "Writes acknowledged before a failover are missing after it",
        side: Side::Cluster,
        when: |seen| {
            if let Some(hit) = ahead_of_its_heir(seen) {
                return Some(hit);
            }
            seen.says_all(
                58,
                &[
                    &["failover", "promoted", "+switch-master", "takes over", "took over"],
                    &[
                        "are missing",
                        "is missing",
                        "are gone",
                        "is gone",
                        "disappeared",
                        "data lost",
                        "lost data",
                        "lost keys",
                        "keys lost",
                        "lost write",
                        "missing write",
                        "data loss",
                        "writes lost",
                        "stale data",
                        "old value",
                    ],
                ],
            )
        },
        cause: "Replication is asynchronous: what the old primary had acknowledged but not yet \
            sent is dropped when the replica takes over, and also what it accepted in the minority \
            before it stopped (up to the node timeout).",
        check: "Compare the promoted replica's offset at the election with the old primary's \
            master_repl_offset in their logs.",
        fix: &[
            "Before the old primary rejoins, copy its RDB/AOF away: it holds the missing writes.",
            "For writes that must not be lost: WAIT, min-replicas-to-write, planned failovers.",
        ],
        never: &["Do not start the old primary before its files are copied, if the writes matter."],
        like: &["EMPTY_PRIMARY_RESTART_WIPED_SHARD"],
    },
    Cause {
        code: "REPLICA_DOWN",
        title: "A replica is down; all slots are served",
        side: Side::Cluster,
        when: |seen| {
            let down: Vec<&Row> =
                seen.failing().into_iter().filter(|row| row.is_replica()).collect();
            let fine = seen.failing().iter().all(|row| row.is_replica());
            (!down.is_empty() && fine).then(|| {
                let hit = Hit::of(50)
                    .quotes(down.iter().map(|r| r.line))
                    .fact("places", list(&places(down.iter().copied()), 4));
                super::bare::left_alone(seen, &down, hit)
            })
        },
        cause: "<<places>> is a replica and is flagged fail; no slot depends on it. Its shard has \
            one copy fewer.",
        check: "Is its process up, and at this address?",
        fix: &["Start it again with its own files; if it moved, CLUSTER MEET it at its current \
             address."],
        never: &["Do not repair slots; none is missing."],
        like: &["GHOST_NODE_ENTRIES", "PEER_ADDRESS_STALE"],
    },
];

/// How far a manual failover got before its time was over.
fn how_far(seen: &Seen, hit: Hit) -> Hit {
    let hit = hit
        .note("The old primary goes on as it was: a manual failover that fails changes nothing.");
    let caught_up = seen.lines_with(&["replication stream processed"]);
    if caught_up.is_empty() {
        return hit;
    }
    let voters = match seen.owners().len() {
        0 => String::new(),
        count => format!(" ({count} in the table)"),
    };
    let begun = seen.has(&["starting a failover election", "failover auth request"]);
    let rest = if begun {
        "it asked for votes, and they did not come in time"
    } else {
        "it put the election off again and again and never began it (so did early versions of 3.0: \
         use a released one)"
    };
    hit.quotes(caught_up).note(format!(
        "The replica had caught up with everything, so its lag is not the reason: {rest}. It needs \
         a majority of the primaries that own slots{voters}, each reachable on its bus port."
    ))
}

/// A replica that was started in this log, dials its primary, and never got a link to it: it counts
/// as infinitely old.
fn never_linked(seen: &Seen) -> Option<Hit> {
    let began = ["ready to accept connections", "server started", "server initialized"];
    let failed = ["error condition on socket for sync", "unable to connect to master"];
    let linked = ["replica sync: ", "slave sync: ", "partial resync", "can't save in background"];
    let start = seen.lines_with(&began).first().copied()?;
    let after = |at: &&usize| **at > start;
    let tries = seen.lines_with(&failed);
    let first = tries.iter().find(after)?;
    let twice = seen.count(&failed) >= 2;
    (twice && !seen.has(&linked) && !seen.has(&["kubectl", "noauth", "sentinel"]))
        .then(|| Hit::of(58).quote(start).quote(*first))
}

/// `Requested offset for second ID was A, but I can reply up to B`: the old primary had more than
/// its heir at the moment of the election.
fn ahead_of_its_heir(seen: &Seen) -> Option<Hit> {
    seen.lines.iter().enumerate().find_map(|(at, line)| {
        let (_, rest) = line.lower.split_once("requested offset for second id was ")?;
        let (asked, rest) = rest.split_once(", but i can reply up to ")?;
        let heir = rest.split_whitespace().next()?.trim_end_matches('.');
        let (asked, heir): (u64, u64) = (asked.parse().ok()?, heir.parse().ok()?);
        (asked > heir).then(|| {
            Hit::of(84).quote(at).note(format!(
                "The old primary is {} bytes of replication ahead of the promoted one: those \
                 writes are in its own files only, and its full sync now drops them.",
                asked - heir
            ))
        })
    })
}

/// A full copy of so few bytes that there is no key in it.
fn receives_nothing(seen: &Seen) -> Option<usize> {
    const EMPTY_RDB_BYTES: u64 = 200;
    seen.lines.iter().position(|line| {
        let bytes =
            line.lower.split_once("receiving ").and_then(|(_, rest)| rest.split_once(" bytes"));
        bytes.and_then(|(count, _)| count.parse::<u64>().ok()).is_some_and(|n| n < EMPTY_RDB_BYTES)
    })
}

fn one_owner(seen: &Seen) -> Option<Hit> {
    let table = seen.tables.iter().find(|table| {
        table.rows.iter().any(|row| row.is_primary() && row.slots.len() == SLOT_COUNT)
    })?;
    let owner = table.rows.iter().find(|row| row.slots.len() == SLOT_COUNT)?;
    let empty: Vec<&Row> =
        table.rows.iter().filter(|row| row.is_primary() && row.slots.is_empty()).collect();
    let replica = table.rows.iter().find(|row| row.primary.as_ref() == Some(&owner.id));
    let down = seen.has(&["clusterdown", "killed", "cluster_state:fail"]) || owner.is_failing();
    (!empty.is_empty()).then(|| {
        let told = if down {
            "The cluster stays down until that primary is back or its replica was promoted by \
             hand; waiting does not help. "
        } else {
            "Nothing pasted says that it is down: as long as it lives, all slots are served, and \
             only the spreading of slots is due. "
        };
        let hit = Hit::of(if down { 95 } else { 55 });
        let spread = "Spread the slots over at least three primaries (reshard or rebalance), so \
            that a majority survives the loss of one.";
        let hit = if down { hit } else { hit.step(spread).only_these_steps() };
        hit.fact(if down { "down" } else { "up" }, told)
            .quote(owner.line)
            .quotes(empty.iter().map(|row| row.line).take(2))
            .quotes(seen.lines_with(&["clusterdown", "was killed"]).into_iter().take(2))
            .fact("owner", owner.place())
            .fact("owned", owner.slots.len().to_string())
            .fact("empty", list(&places(empty), 6))
            .fact_if("replica", replica.map(Row::place))
    })
}

fn too_few(seen: &Seen) -> Option<Hit> {
    let size = seen.number("cluster_size").filter(|size| (1..3).contains(size));
    let owners = seen.owners();
    let by_table = (1..3).contains(&owners.len())
        && seen
            .table()
            .is_some_and(|table| table.rows.len() > 1 && table.assigned().len() == SLOT_COUNT);
    // A replica that is down takes no vote away.
    let trouble = seen.says_fail()
        || seen.failing().iter().any(|row| row.is_primary())
        || seen.has(&["clusterdown", "no failover", "not promoted"]);
    let voters =
        size.map(|size| size.to_string()).or_else(|| by_table.then(|| owners.len().to_string()))?;
    let whole = seen.number("cluster_slots_assigned") == Some(u64::from(SLOT_COUNT)) || by_table;
    (trouble && whole && !seen.has(&["is not empty. either"])).then(|| {
        Hit::of(if by_table { 76 } else { 66 })
            .quotes(seen.field_line("cluster_size"))
            .quotes(owners.iter().map(|row| row.line).take(2))
            .fact("voters", voters)
    })
}

fn quorum_lost(seen: &Seen) -> Option<Hit> {
    let owners = seen.owners();
    let down: Vec<&Row> = owners.iter().copied().filter(|row| row.is_failing()).collect();
    (owners.len() >= 3 && 2 * down.len() >= owners.len() && !down.is_empty()).then(|| {
        let hit = Hit::of(68)
            .quotes(down.iter().map(|row| row.line).take(3))
            .fact("down", down.len().to_string())
            .fact("voters", owners.len().to_string())
            .fact("places", list(&places(down.iter().copied()), 6));
        lost_quorum::fitted(seen, &owners, &down, hit)
    })
}

fn shard_down(seen: &Seen) -> Option<Hit> {
    let owners = seen.owners();
    let down: Vec<&Row> = owners.iter().copied().filter(|row| row.is_failing()).collect();
    if let Some(first) = down.first().filter(|_| 2 * down.len() < owners.len().max(3)) {
        let replicas: Vec<&Row> =
            seen.rows().filter(|row| row.primary.as_ref() == Some(&first.id)).collect();
        let said = if replicas.is_empty() {
            "the table shows none".to_owned()
        } else {
            let down: Vec<&Row> = replicas.iter().copied().filter(|row| row.is_failing()).collect();
            let too = match down.len() {
                0 => String::new(),
                n if n == replicas.len() => {
                    ", flagged fail as well, so nobody of this shard lives to be promoted: one of \
                     them has to come back with its own files"
                        .to_owned()
                }
                _ => format!(", of which {} is flagged fail as well", list(&places(down), 3)),
            };
            format!("it has {}{too}", list(&places(replicas.iter().copied()), 3))
        };
        let refused = seen.lines_with(&["not all 16384 slots are covered"]);
        let note = promotion::NEVER_MOVES;
        let hit = Hit::of(70).more_if(10, replicas.is_empty() && !refused.is_empty());
        let hit = if refused.is_empty() { hit } else { hit.note(note) };
        let led = unreached::led_to(seen, first);
        let hit = hit.more_if(10, led.is_some()).quotes(led.as_ref().map(|(line, _)| *line));
        return Some(
            hit.fact_if("led", led.map(|(_, says)| says))
                .more_if(16, unreached::node(seen).is_some())
                .quotes(down.iter().map(|row| row.line))
                .fact("places", list(&places(down.iter().copied()), 3))
                .fact("flag", if first.flags.has(Flag::Failed) { "fail" } else { "fail?" })
                .fact("slots", format!("{} slots ({})", first.slots.len(), slots(&first.slots)))
                .fact("replicas", said),
        );
    }
    if let Some(hit) = unreached::shard(seen) {
        return Some(hit);
    }
    let failed = seen.number("cluster_slots_fail").filter(|slots| *slots > 0);
    let counted = failed.map(|_| Hit::of(60).quotes(seen.field_line("cluster_slots_fail")));
    counted
        .or_else(|| seen.says(50, &["hash slot is not served by any available node"]))
        .or_else(|| seen.says(40, &["clusterdown the cluster is down"]))
        .map(|hit| left_out_by_the_tool(seen, hit))
}

/// Told in words only: somebody's nodes died, and a tool calls their slots uncovered.
fn left_out_by_the_tool(seen: &Seen, hit: Hit) -> Hit {
    let killed = ["killed", "kill ", "segfault", "crash", " fail", "stopped", "shut down", "died"];
    let uncovered = seen.lines_with(&["not all 16384 slots are covered"]);
    let removed = ["forget", "del-node", "removed", "deleted", "destroyed", "terminated"];
    if uncovered.is_empty() || !seen.has(&killed) || seen.has(&removed) {
        return hit;
    }
    let more = hit.score.max(58);
    Hit { score: more, ..hit }
        .quotes(uncovered)
        .quotes(seen.lines_with(&killed).into_iter().take(2))
        .note(
            "The tools leave out nodes that are flagged fail, and call their slots uncovered; that \
             does not mean that nobody owns them. Once the primary of a range and then the replica \
             that took over are both dead, nobody is left who could serve it, and no other primary \
             takes it, since the keys are on the disks of these two only.",
        )
        .check(
            "CLUSTER NODES on a node that lives: the rows of both nodes of that range are flagged \
             fail, and one of them has the slots at its end.",
        )
        .step(
            "Start one of the two again with its own nodes.conf and data, the one that was primary \
             last before the other; the state turns ok by itself when it is back.",
        )
}

fn pileup(seen: &Seen) -> Option<Hit> {
    let table = seen.table()?;
    let of = |row: &Row| table.rows.iter().filter(|r| r.primary.as_ref() == Some(&row.id)).count();
    let owners = seen.owners();
    let bare: Vec<&Row> = owners.iter().copied().filter(|row| of(row) == 0).collect();
    let rich = owners.iter().max_by_key(|row| of(row)).filter(|row| of(row) >= 2)?;
    (!bare.is_empty()).then(|| {
        Hit::of(54)
            .quotes(bare.iter().map(|row| row.line).take(2))
            .quote(rich.line)
            .fact("rich", rich.place())
            .fact("many", of(rich).to_string())
            .fact("bare", list(&places(bare), 3))
    })
}

/// Two views: one node reaches none of the other owners, and another one has given that node up
/// and lists somebody else for its slots. The first is cut off, and does not know that it was
/// replaced.
fn replaced_behind_its_back(seen: &Seen) -> Option<Hit> {
    let views: Vec<(&Table, &Row)> =
        seen.tables.iter().filter_map(|table| Some((table, table.myself()?))).collect();
    let owners = |table: &Table| -> Vec<Row> {
        let owns = |row: &&Row| row.is_primary() && !row.slots.is_empty();
        table.rows.iter().filter(owns).cloned().collect()
    };
    views.iter().find_map(|(mine, me)| {
        let known = owners(mine);
        let lost = known.iter().filter(|row| row.is_failing()).count();
        if me.slots.is_empty() || 2 * lost <= known.len() {
            return None;
        }
        views.iter().find_map(|(theirs, they)| {
            let there = theirs.rows.iter().find(|row| row.id == me.id)?;
            let heir = owners(theirs)
                .into_iter()
                .find(|row| row.id != me.id && !row.slots.intersection(&me.slots).is_empty())?;
            let apart = they.id != me.id && there.is_failing();
            apart.then(|| {
                Hit::of(92).quote(me.line).quote(there.line).quote(heir.line).note(format!(
                    "{} sees the owners of most slots as failing, while {} sees {} as failing and \
                     has {} as the owner of its slots (config epoch {} against {}): the larger \
                     part went on without it. Its CLUSTER SLOTS is out of date, and a client that \
                     asks it first is sent to a node that refuses; give clients the other nodes \
                     as start nodes until the network is mended. Its old claim must not be \
                     raised again.",
                    me.place(),
                    they.place(),
                    me.place(),
                    heir.place(),
                    heir.epoch.unwrap_or(0),
                    me.epoch.unwrap_or(0)
                ))
            })
        })
    })
}
