//! Replication that does not run, and replicas that are not promoted.

use crate::explain::cause::{Cause, Hit, Side};
use crate::explain::figures::{places, slots};
use crate::explain::seen::{Block, Seen};
use crate::explain::table::Row;
use crate::explain::template::list;
use crate::model::{Flag, SLOT_COUNT};

pub(super) static CAUSES: &[Cause] = &[
    Cause {
        code: "NO_QUORUM_EMPTY_MASTERS_DONT_VOTE",
        title: "One primary owned all slots; when it died nobody was left to vote",
        side: Side::Cluster,
        when: one_owner,
        cause: "<<owner>> owns all <<owned>> slots; the other primaries (<<empty>>) own none. Only \
            primaries with slots count for the majority and may vote, so the one owner is the \
            whole \
            electorate: once it is dead no election can succeed and its replica[[ <<replica>>]] is \
            never promoted by itself. The cluster stays down, and waiting does not help. The \
            replica still has the data.",
        check: "CLUSTER NODES on a survivor: cluster_size of CLUSTER INFO is 1, and the rows of \
            the \
            other primaries end without slots.",
        fix: &[
            "Best: start the dead primary <<owner>> again with its files.",
            "If it cannot come back and is certainly off (and kept from starting): CLUSTER \
             FAILOVER TAKEOVER on its replica[[ <<replica>>]] (it needs no votes); compare its \
             replication offset and key count with its siblings' first.",
            "Then spread the slots over at least three primaries (reshard or rebalance), so that a \
             majority survives the loss of one.",
        ],
        never: &[
            "Do not give the slots to another primary (--cluster fix, DELSLOTS and ADDSLOTS): \
             the keys \
             are on the replica and would be lost.",
            "Do not wait for an automatic failover.",
        ],
        like: &["QUORUM_LOST", "FAILOVER_NO_VOTES"],
    },
    Cause {
        code: "TOO_FEW_VOTERS",
        title: "With fewer than three primaries there is no majority after a loss",
        side: Side::Cluster,
        when: too_few,
        cause: "Only <<voters>> primaries own slots. A failover needs the votes of more than \
            half of \
            them, the dead one included in the count: with two primaries both votes are needed, so \
            when one dies its replica can never be elected, and the survivor stops too, because it \
            is no majority.",
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
            (<<places>>). \
            FAIL and failover need a majority of them, so nothing is promoted, and this side \
            reports \
            cluster_state:fail. That is either a real loss of those nodes or a partition in which \
            this \
            side is the smaller part.",
        check: "Are the processes alive, and does their own CLUSTER INFO say ok? Then it is a \
            partition; if they are down, it is a loss.",
        fix: &[
            "Partition: repair the network (bus ports too); it heals by itself.",
            "Loss: start the dead primaries with their own files first.",
            "Those that cannot come back: CLUSTER FAILOVER TAKEOVER on the best replica of \
             each, one at a time, after making sure that the old primary is really off and that \
             no supervisor starts it again.",
        ],
        never: &[
            "Do not use TAKEOVER while the other side of a partition may be alive: both would \
             accept \
             writes.",
            "Do not run --cluster fix: it hands the slots out without the keys.",
        ],
        like: &["MINORITY_PARTITION", "ALL_ADDRESSES_STALE", "BUS_PORT_BLOCKED"],
    },
    Cause {
        code: "MINORITY_PARTITION",
        title: "This node is in the smaller part of a split network",
        side: Side::Network,
        when: |seen| {
            seen.says(84, &["part of a minority partition"]).or_else(|| {
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
                (both && !seen.failing().is_empty()).then(|| {
                    Hit::of(if served { 78 } else { 58 })
                        .quotes(seen.failing().iter().map(|r| r.line).take(2))
                })
            })
        },
        cause: "This node does not reach more than half of the primaries that own slots, so it \
            stops \
            serving; the other part, if it has the majority, goes on and promotes replicas.",
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
            log.or_else(|| {
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
                sync.filter(|_| told || together)
            })
        },
        cause: "A replica stands for election only if its link to the primary broke not longer ago \
            than node timeout × cluster-replica-validity-factor (plus the ping period). A replica \
            that was itself restarted while its primary was down has never had a link in this \
            life, \
            so it counts as infinitely old and is never elected, however complete its data are. \
            Typical when primary and replica were down together and only the replica came back.",
        check: "On the replica: the log line 'Currently unable to failover: Disconnected from \
            master \
            for longer than allowed', and master_link_down_since_seconds of INFO replication (-1: \
            never connected).",
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
            with slots[[ (cluster_size <<size>>)]]. Reasons stand in the voters' logs: 'its \
            master is up' \
            (the voters do not hold the primary for FAIL), 'already voted', 'can't vote about this \
            master before', 'I don't know its master'; no line at all means that the request did \
            not \
            arrive or that too few voters live. Primaries without slots have no vote.",
        check: "The line 'Failover auth denied' in the log of each voter and its reason; and how \
            many \
            primaries with slots are alive.",
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
        cause: "The replica has cluster-replica-no-failover yes (flag nofailover): it never \
            starts an \
            election, whatever happens to its primary.",
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
        cause: "[[<<places>> is flagged fail and still owns <<slots>>. ]]No replica of it was \
            promoted[[: \
            <<replicas>>]]. With cluster-require-full-coverage yes (the default) the whole cluster \
            answers CLUSTERDOWN as long as one range is not served.",
        check: "Is the process of that primary up, and is its volume there? Has it a living \
            replica, \
            and what does that replica's log say about failover?",
        fix: &[
            "Start the primary again with its own nodes.conf and data: nothing is lost.",
            "Otherwise, with the old primary certainly off, promote the living replica with \
             the highest offset, after looking at its key count: CLUSTER FAILOVER FORCE; \
             TAKEOVER only when no majority lives.",
            "Only a backup left: restore a copy of it into a node with the old nodes.conf, \
             while nobody else owns its slots.",
        ],
        never: &[
            "Do not FORGET the dead primary and do not assign its slots elsewhere while its data \
             may \
             come back.",
            "Do not run --cluster fix with unreachable masters.",
        ],
        like: &["REPLICA_TOO_STALE", "FAILOVER_NO_VOTES", "QUORUM_LOST"],
    },
    Cause {
        code: "REPLICA_AUTH_FAILED",
        title: "The replica cannot log in to its primary: masterauth is missing or wrong",
        side: Side::Cluster,
        when: |seen| {
            let log = seen.says(
                94,
                &[
                    "master aborted replication with an error: noauth",
                    "primary aborted replication with an error: noauth",
                    "does not understand replconf listening-port: -noauth",
                    "master aborted replication with an error: wrongpass",
                    "unable to auth to master",
                    "unable to auth to primary",
                    "master aborted replication with an error: noperm",
                ],
            );
            log.or_else(|| {
                let required = seen.setting("requirepass").filter(|s| !s.value.is_empty())?;
                let missing =
                    seen.setting("masterauth").is_none() && seen.set_to("cluster-enabled", "yes");
                let down = seen.has(&["master_link_status:down", "connecting"]);
                missing.then(|| Hit::of(if down { 72 } else { 40 }).quote(required.line))
            })
        },
        cause: "The nodes require a password, and replicas log in to their primary with masterauth \
            (and masteruser), which is missing or differs here. The cluster looks ok, because the \
            bus \
            needs no password, but nothing is replicated: after the next failure the shard is \
            lost or \
            old.",
        check: "INFO replication on the replica: master_link_status:down, and in its log NOAUTH or \
            WRONGPASS.",
        fix: &[
            "CONFIG SET masterauth <password> (and masteruser, if an ACL user is used) on ALL \
             nodes, \
             also primaries, since roles change; write it to the files.",
            "With ACLs the user needs +psync +replconf +ping.",
        ],
        never: &["Do not remove requirepass to make it work."],
        like: &["REPLICA_LINK_DOWN"],
    },
    Cause {
        code: "RDB_VERSION_INCOMPATIBLE",
        title: "The replica is older than its primary and cannot read its data format",
        side: Side::Cluster,
        when: |seen| {
            let hit = seen.says(94, &["can't handle rdb format version"])?;
            Some(hit.fact_if("rdb", seen.word_after("can't handle rdb format version ")))
        },
        cause: "The data file has RDB version[[ <<rdb>>]], which this server does not know: it was \
            written by a newer (or another) server. Either a replica is older than its primary, so \
            its full sync fails for ever, or a server was downgraded onto a newer file. Redis 7.4 \
            and \
            later cannot be read by Valkey; 8.x not by 7.x.",
        check: "redis_version (and valkey_version) of INFO on both ends.",
        fix: &[
            "Upgrade this server to at least the version of its primary; in a rolling upgrade \
             replicas \
             go first, then a failover, then the old primary.",
            "After a downgrade: start the newer version again on these files, or copy the keys.",
        ],
        never: &[
            "Do not restart or remove the primary while this is its only replica.",
            "Do not delete the data file to make it start.",
        ],
        like: &["MIXED_VERSIONS"],
    },
    Cause {
        code: "FULL_SYNC_LOOP",
        title: "The full synchronisation never finishes",
        side: Side::Cluster,
        when: |seen| {
            let strong = seen.says(
                86,
                &[
                    "overcoming of output buffer limits",
                    "timeout receiving bulk data from master",
                    "i/o error trying to sync with master",
                ],
            );
            strong.or_else(|| {
                let loops = seen.count(&[
                    "full resync from master",
                    "full resync requested",
                    "full sync from master",
                ]);
                (loops >= 3)
                    .then(|| Hit::of(70).quotes(seen.lines_with(&["full resync", "full sync"])))
            })
        },
        cause: "A replica starts a full copy again and again. [[Lines: <<lines>>. ]]Usual \
            reasons: the \
            primary closes the link because the replica's output buffer exceeds \
            client-output-buffer-limit replica; repl-timeout is shorter than the transfer; \
            the backlog is too small for a partial resync; the disk of the replica is full; or a \
            probe kills it while it loads.",
        check: "The primary's log at the moment the link breaks: 'overcoming of output buffer \
            limits', \
            a failed fork, or nothing (then the replica or the network broke it).",
        fix: &[
            "Raise client-output-buffer-limit replica (for example 1gb 512mb 120), \
             repl-timeout and repl-backlog-size on all nodes, as far as their memory allows.",
            "Make sure of disk and memory on the replica, and let only one replica sync at a time.",
        ],
        never: &["Do not restart the primary to help; it may hold the only good copy."],
        like: &["K8S_LIVENESS_KILLS_LOADING", "FORK_FAILED"],
    },
    Cause {
        code: "REPLICATION_CHAIN_OR_CYCLE",
        title: "A replica follows another replica",
        side: Side::Cluster,
        when: |seen| {
            let log = seen.says(
                86,
                &[
                    "nomasterlink",
                    "i'm a sub-replica",
                    "can't sync while not connected with my master",
                ],
            );
            log.or_else(|| {
                seen.says(
                    74,
                    &[
                        "claims to be slave of unknown node",
                        "can only replicate a master, not a replica",
                        "i can only replicate a master",
                    ],
                )
            })
            .or_else(|| chain(seen))
        },
        cause: "A replica must follow a primary; here it follows a node that is itself a replica \
            (or \
            an unknown id)[[: <<chain>>]]. That comes from a failover or a move of slots of which \
            one \
            side did not hear, from swapped addresses, or from REPLICATE with the id of a replica.",
        check: "The fourth column of CLUSTER NODES: does the id there belong to a master?",
        fix: &[
            "Wait two node timeouts. If it stays, look at the keys first (DBSIZE on both): \
             CLUSTER REPLICATE <id of the real primary> on the replica drops its own copy, so \
             only when that primary has the shard's keys.",
            "If the address that the replica dials is not its primary's any more (pods that swapped \
             addresses; a replica that dials itself): CLUSTER MEET the primary at its present \
             address, from this replica.",
            "If nobody in the shard is a primary and none of it lives elsewhere: CLUSTER \
             FAILOVER TAKEOVER on the member with the highest offset and the most keys, then \
             REPLICATE the others to it.",
        ],
        never: &["Do not reset members before you know which of them has the data."],
        like: &["REPLICA_LINK_DOWN"],
    },
    Cause {
        code: "REPLICA_LINK_DOWN",
        title: "A replica is not connected to its primary",
        side: Side::Cluster,
        when: |seen| {
            let info = seen.field_is(64, "master_link_status", &["down"]);
            info.or_else(|| seen.says(60, &["masterdown link with master is down"])).or_else(|| {
                let hit = seen.says(
                    52,
                    &[
                        "error condition on socket for sync",
                        "master timeout: no data nor ping",
                        "connection with master lost",
                        "master_link_status:down",
                    ],
                )?;
                Some(hit)
            })
        },
        cause: "The replication link[[ to <<master>>]] is down. It uses the CLIENT port of the \
            primary (not \
            the bus), its password (masterauth) and, with tls-replication, TLS. Until it is up the \
            replica's data grow old, and with replica-serve-stale-data no it answers MASTERDOWN.",
        check: "The replica's log line after 'Connecting to MASTER': refused (address or port), \
            NOAUTH \
            (masterauth), LOADING (wait), RDB version (older replica).",
        fix: &[
            "Remove the reason that the log names: address, port, password, TLS or version.",
            "If the address dialled is old: CLUSTER MEET the primary at its present address, \
             from this replica. The replica then dials the new one.",
        ],
        never: &["Do not promote this replica before comparing its offset with its siblings'."],
        like: &["REPLICA_AUTH_FAILED", "PEER_ADDRESS_STALE", "FULL_SYNC_LOOP"],
    },
    Cause {
        code: "MANUAL_FAILOVER_TIMED_OUT",
        title: "A manual failover timed out",
        side: Side::Cluster,
        when: |seen| {
            seen.says(88, &["manual failover timed out"]).or_else(|| {
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
            writes, \
            a replica that catches up within 5 seconds, and the votes of a majority. 'OK' means \
            only \
            that it was scheduled.",
        check: "The replica's lag (slave_repl_offset against master_repl_offset) and whether a \
            majority \
            knows it as a replica of this primary.",
        fix: &[
            "Send it to the replica (not the primary); wait until its link is up and the lag \
             small; retry.",
            "If the primary is certainly off: CLUSTER FAILOVER FORCE.",
        ],
        never: &["Do not use TAKEOVER for a planned switch."],
        like: &["REPLICA_LINK_DOWN", "FAILOVER_NO_VOTES"],
    },
    Cause {
        code: "WRITES_REFUSED_MIN_REPLICAS",
        title: "Writes are refused because too few replicas are in sync",
        side: Side::Cluster,
        when: |seen| {
            seen.says(
                90,
                &[
                    "noreplicas not enough good",
                    "not enough good replicas to write",
                    "not enough good slaves",
                ],
            )
        },
        cause: "min-replicas-to-write asks for more connected replicas than this primary has \
            now, so it \
            refuses writes by design.",
        check: "INFO replication on the primary: connected_slaves and min_slaves_good_slaves.",
        fix: &[
            "Bring the replicas back; or lower min-replicas-to-write, knowing what it protects.",
        ],
        never: &["Do not force a failover for it."],
        like: &["REPLICA_LINK_DOWN"],
    },
    Cause {
        code: "REPLICA_PILEUP",
        title: "Replicas are unevenly spread: a primary has none",
        side: Side::Cluster,
        when: pileup,
        cause: "<<bare>> has no replica while <<rich>> has <<many>>. Replicas migrate by \
            themselves \
            (cluster-allow-replica-migration) to primaries that lost theirs, and REPLICATE or \
            failovers \
            mix them up. If the bare primary dies, its slots are down.",
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
            if let Some(at) = receives_nothing(seen) {
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
            faster \
            than the node timeout. No failover took place; it came back with the same id and no \
            keys, \
            and its replicas made a full sync from it.",
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
            seen.says_all(
                58,
                &[
                    &["failover", "promoted"],
                    &[
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
            sent is \
            dropped when the replica takes over, and also what it accepted in the minority before \
            it \
            stopped (up to the node timeout).",
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
                Hit::of(50)
                    .quotes(down.iter().map(|r| r.line))
                    .fact("places", list(&places(down), 4))
            })
        },
        cause: "<<places>> is a replica and is flagged fail; no slot depends on it. Its shard \
            has one \
            copy fewer.",
        check: "Is its process up, and at this address?",
        fix: &["Start it again with its own files; if it moved, CLUSTER MEET it at its current \
             address."],
        never: &["Do not repair slots; none is missing."],
        like: &["GHOST_NODE_ENTRIES", "PEER_ADDRESS_STALE"],
    },
];

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
        Hit::of(if down { 95 } else { 55 })
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
    let trouble = seen.says_fail()
        || !seen.failing().is_empty()
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
        Hit::of(68)
            .quotes(down.iter().map(|row| row.line).take(3))
            .fact("down", down.len().to_string())
            .fact("voters", owners.len().to_string())
            .fact("places", list(&places(down), 6))
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
            format!("it has {}", list(&places(replicas), 3))
        };
        return Some(
            Hit::of(70)
                .quotes(down.iter().map(|row| row.line))
                .fact("places", list(&places(down.iter().copied()), 3))
                .fact("slots", format!("{} slots ({})", first.slots.len(), slots(&first.slots)))
                .fact("replicas", said),
        );
    }
    let failed = seen.number("cluster_slots_fail").filter(|slots| *slots > 0);
    let counted = failed.map(|_| Hit::of(60).quotes(seen.field_line("cluster_slots_fail")));
    counted
        .or_else(|| seen.says(50, &["hash slot is not served by any available node"]))
        .or_else(|| seen.says(40, &["clusterdown the cluster is down"]))
}

fn chain(seen: &Seen) -> Option<Hit> {
    let table = seen.table()?;
    let link = table.rows.iter().find_map(|row| {
        let above = row.primary.as_ref()?;
        let other = table.rows.iter().find(|other| other.id == *above && other.is_replica())?;
        Some((row, other))
    });
    let (row, other) = link?;
    Some(
        Hit::of(80).quote(row.line).quote(other.line).fact(
            "chain",
            format!("{} follows {}, which is a replica", row.place(), other.place()),
        ),
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
            .fact("rich", rich.place())
            .fact("many", of(rich).to_string())
            .fact("bare", list(&places(bare), 3))
    })
}
