//! Replication that does not run: replicas without a link, or without an end of their copy.

use super::overrun;
use crate::explain::cause::{Cause, Hit, Side};
use crate::explain::seen::Seen;

/// What a copy suffers from that arrives and is not read.
const UNREADABLE: &str = "The copy arrives here and cannot be loaded: the lines before it in the \
    replica's log say why. Several instances with the same dir overwrite each other's file \
    (each needs a dir of its own), the disk is full, the file may not be read, or the primary's \
    version is newer.";

/// What `:0` as an address means.
const NOWHERE: &str = "The address ':0' means that this node knows the id of its primary and no \
    address of it (noaddr in CLUSTER NODES): find where that id lives (CLUSTER MYID on the live \
    nodes) and CLUSTER MEET it there; if it lives nowhere, its old nodes.conf is what to look for.";

/// Why copies break off, where the paste does not say it.
const USUAL_BREAKS: &str = "Usual reasons: the primary closes the link because the replica's output \
    buffer exceeds client-output-buffer-limit replica; repl-timeout is shorter than the transfer; \
    the backlog is too small for a partial resync; the disk of the replica is full; or a probe \
    kills it while it loads.";

pub(super) static CAUSES: &[Cause] = &[
    Cause {
        code: "REPLICA_AUTH_FAILED",
        title: "The replica cannot log in to its primary[[: <<state>>]]",
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
                    "master aborted replication with an error: err operation not permitted",
                    "error reply to ping from master: '-noauth",
                    "error reply to ping from master: '-noperm",
                    "error reply to ping from primary: '-no",
                ],
            );
            log.map(|hit| super::replica_login::fitted(seen, hit)).or_else(|| {
                let required = seen.setting("requirepass").filter(|s| !s.value.is_empty())?;
                let missing =
                    seen.setting("masterauth").is_none() && seen.set_to("cluster-enabled", "yes");
                let down = seen.has(&["master_link_status:down", "connecting"]);
                let hit = Hit::of(if down { 72 } else { 40 }).quote(required.line);
                missing.then(|| hit.fact("state", "masterauth is missing"))
            })
        },
        cause: "The nodes require a password, and replicas log in to their primary with masterauth \
            (and masteruser).[[ <<how>>]] The cluster looks ok, because the bus needs no password, \
            but nothing is replicated: after the next failure the shard is lost or old.",
        check: "INFO replication on the replica: master_link_status:down, and in its log NOAUTH or \
            WRONGPASS.",
        fix: &[
            "CONFIG SET masterauth <password> (and masteruser, if an ACL user is used) on ALL \
             nodes, also primaries, since roles change; write it to the files.",
            "With ACLs the user needs +psync +replconf +ping.",
        ],
        never: &["Do not remove requirepass to make it work."],
        like: &["REPLICA_LINK_DOWN"],
    },
    Cause {
        code: "RDB_VERSION_INCOMPATIBLE",
        title: "The replica is older than its primary and cannot read its data format",
        side: Side::Cluster,
        when: super::older_replica::unreadable,
        cause: "The data file has RDB version[[ <<rdb>>]], which this server does not know: it was \
            written by a newer (or another) server. Either a replica is older than its primary, so \
            its full sync fails for ever, or a server was downgraded onto a newer file. Redis 7.4 \
            and later cannot be read by Valkey; 8.x not by 7.x.",
        check: "redis_version (and valkey_version) of INFO on both ends.",
        fix: &[
            "Upgrade this server to at least the version of its primary; in a rolling upgrade \
             replicas go first, then a failover, then the old primary.",
            "After a downgrade: start the newer version again on these files, or copy the keys.",
        ],
        never: &[
            "Do not restart or remove the primary while this is its only replica.",
            "No CLUSTER FAILOVER with FORCE or TAKEOVER on this replica: it has not the data.",
            "Do not delete the data file to make it start.",
        ],
        like: &["MIXED_VERSIONS"],
    },
    Cause {
        code: "FULL_SYNC_LOOP",
        title: "A replica is cut off, or begins its full copy again and again[[: <<why>>]]",
        side: Side::Cluster,
        when: |seen| {
            let named =
                super::frames::no_room(seen).or_else(|| super::failed_copy::by_the_primary(seen));
            if named.is_some() {
                return named;
            }
            let strong = seen.says(
                86,
                &[
                    "overcoming of output buffer limits",
                    "last replica dropped, killing fork child",
                    "timeout receiving bulk data from master",
                    "disconnecting timedout replica",
                    "disconnecting timedout slave",
                    "i/o error trying to sync with master",
                ],
            );
            // What broke off was a move of slots, no copy for a replica.
            let strong = strong.filter(|_| super::atomic::dropped_for_its_buffer(seen).is_none());
            let strong = strong.map(|hit| too_big_a_piece(seen, hit));
            let strong = strong.map(|hit| overrun::figures(seen, hit));
            let strong = strong.map(|hit| super::fitting::full_sync(seen, hit));
            let unreadable = [
                "failed trying to load the master synchronization db",
                "failed trying to load the primary synchronization db",
            ];
            let strong = strong.or_else(|| {
                let hit = seen.says(78, &unreadable)?.note(UNREADABLE);
                Some(super::failed_copy::unreadable(seen, hit))
            });
            let hit = strong.or_else(|| {
                let loops = seen.count(&[
                    "full resync from master",
                    "full resync requested",
                    "full sync from master",
                ]);
                (loops >= 3)
                    .then(|| Hit::of(70).quotes(seen.lines_with(&["full resync", "full sync"])))
                    .or_else(|| resumes_and_breaks(seen))
                    .or_else(|| copied_and_begins_anew(seen))
                    .or_else(|| syncs_for_hours(seen))
                    .or_else(|| {
                        let hit = seen.says(66, &["for lack of backlog"])?;
                        Some(super::fitting::full_sync(seen, hit))
                    })
            });
            hit.map(|hit| {
                let told = !hit.notes.is_empty();
                hit.fact_if("usual", (!told).then_some(USUAL_BREAKS))
            })
        },
        cause: "A replica does not keep up with what its primary sends it, or does not finish its \
            copy, so the link is lost and it begins anew.[[ <<usual>>]]",
        check: "The primary's log at the moment the link breaks: 'overcoming of output buffer \
            limits', a failed fork, or nothing (then the replica or the network broke it).",
        fix: &[
            "Let the line before the break decide. 'overcoming of output buffer limits': raise \
             client-output-buffer-limit replica (for example 1gb 512mb 120 in the file; CONFIG SET \
             in bytes: servers before 2019 leave the unit away there); 'Timeout' or \
             'timedout': repl-timeout above the time of one copy; 'lack of backlog': \
             repl-backlog-size; on all nodes, as far as their memory allows. A save that fails or \
             a child that is killed: none of these, but room (memory, disk) at the primary.",
            "Make sure of disk and memory on the replica, and let only one replica sync at a time.",
        ],
        never: &["Do not restart the primary to help; it may hold the only good copy."],
        like: &["K8S_LIVENESS_KILLS_LOADING", "FORK_FAILED"],
    },
    Cause {
        code: "FULL_SYNC_EXPECTED",
        title: "A full copy in place of a partial one, which was to be expected, and it succeeded",
        side: Side::Nobody,
        when: |seen| {
            let differs = seen
                .says(72, &["partial resynchronization not accepted: replication id mismatch"])?;
            let done = seen.says(0, &["synchronization with replica", "finished with success"])?;
            let well = seen.has(&[" succeeded", "finished with success"]);
            let again = seen.count(&["asks for synchronization", "asks for sync"]) > 2;
            (well && !again).then(|| differs.quotes(done.quotes))
        },
        cause: "A replica that names another replication id than its primary has cannot go on \
            where it was and gets a full copy. That is so for a former primary that was restarted \
            (its own history ended with a new id, and what it wrote last may not be in its heir), \
            for a replica that was started without a save of its replication id, and after two \
            failovers in a row. Here the copy ended with success: nothing is broken and nothing is \
            to be repaired.",
        check: "INFO replication on the replica: master_link_status:up.",
        fix: &[
            "Nothing has to be done. To spare the copy at planned restarts: CLUSTER FAILOVER on \
             its replica first, wait until the old primary follows, then restart that one (a clean \
             SHUTDOWN saves the id and offset in the RDB), with a repl-backlog-size above what is \
             written meanwhile.",
        ],
        never: &["Do not raise buffers or reset nodes for one full copy that succeeded."],
        like: &["FULL_SYNC_LOOP"],
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
                        "can only replicate a master, not a replica",
                        "i can only replicate a master",
                    ],
                )
            })
            .or_else(|| chain(seen))
        },
        cause: "A replica must follow a primary; here it follows a node that is itself a replica \
            (or an unknown id)[[: <<chain>>]]. That comes from a failover or a move of slots of \
            which one side did not hear, from swapped addresses, or from REPLICATE with the id of \
            a replica.",
        check: "The fourth column of CLUSTER NODES: does the id there belong to a master?",
        fix: &[
            "Wait two node timeouts. If it stays, look at the keys first (DBSIZE on both): \
             CLUSTER REPLICATE <id of the real primary> on the replica drops its own copy, so \
             only when that primary has the shard's keys.",
            "If the address that the replica dials is not its primary's any more (pods that \
             swapped addresses; a replica that dials itself): CLUSTER MEET the primary at its \
             present address, from this replica.",
            "If nobody in the shard is a primary and none of it lives elsewhere: CLUSTER \
             FAILOVER TAKEOVER on the member with the highest offset and the most keys, then \
             REPLICATE the others to it.",
        ],
        never: &["Do not reset members before you know which of them has the data."],
        like: &["REPLICA_LINK_DOWN"],
    },
    Cause {
        code: "REPLICA_MIGRATED",
        title: "A replica moved to another primary by itself",
        side: Side::Cluster,
        when: |seen| {
            // Where primaries fall and return by turns, that is what made them bare.
            seen.says(80, &["migrating to orphaned master", "migrating to orphaned primary"])
                .map(|hit| hit.less_if(18, seen.flips() >= 2))
                .or_else(|| super::layout::lost(seen))
        },
        cause: "A primary that once had replicas had none that lived, so a replica of a shard with \
            more than cluster-migration-barrier of them (1 by default) left its own primary and \
            follows the bare one. That is meant so; but during a rolling restart, when replicas \
            are missing for moments only, it moves replicas about, leaves shards with too few, and \
            takes away the one that an operator wanted to promote. Nothing is lost: it makes a \
            full sync from its new primary.",
        check: "CLUSTER NODES: count the replicas of each primary by the fourth column; and CONFIG \
            GET cluster-migration-barrier and cluster-allow-replica-migration.",
        fix: &[
            "To have the old layout: CLUSTER REPLICATE <id of its old primary> on it, once the \
             bare primary has a replica of its own in sync again.",
            "Where an operator or a fixed layout decides who follows whom: \
             cluster-allow-replica-migration no on all nodes (6.2 and later; a high \
             cluster-migration-barrier before); it also keeps an emptied primary from becoming a \
             replica.",
            "In rolling restarts wait until each replica is in sync before the next node.",
        ],
        never: &["Do not move the only replica of a shard away."],
        like: &["REPLICA_PILEUP", "REPLICA_LINK_DOWN"],
    },
    Cause {
        code: "UNBLOCKED_BY_FAILOVER",
        title: "A blocking command was ended because its node is no primary any more",
        side: Side::Client,
        when: |seen| seen.says(90, &["unblocked force unblock", "-unblocked "]),
        cause: "BLPOP, BRPOP, XREADGROUP BLOCK and the like wait on the primary of their key. When \
            that node became a replica (a failover, by hand or automatic) or the slot moved, the \
            server ended the wait with UNBLOCKED. The cluster did what it should; nothing was \
            taken from the list or stream.",
        check: "The log of that node, or CLUSTER NODES: was there a failover or a reshard at this \
            moment? If it happens often, the failovers are what to look into.",
        fix: &[
            "Have the application repeat the command on UNBLOCKED, through a cluster client that \
             asks for the map again.",
            "Bound the waits (a timeout of some seconds in place of 0), so that none outlives a \
             failover unnoticed.",
        ],
        never: &["Do not repair the cluster for it."],
        like: &["STALLED_AND_REPLACED", "CLIENT_STALE_TOPOLOGY"],
    },
    Cause {
        code: "REPLICA_LINK_DOWN",
        title: "A replica is not connected to its primary",
        side: Side::Cluster,
        when: |seen| {
            let info = seen.field_is(64, "master_link_status", &["down"]);
            let nowhere = seen.says(74, &["connecting to master :0", "connecting to primary :0"]);
            let nowhere = nowhere.map(|hit| hit.note(NOWHERE));
            nowhere
                .or(info)
                .map(|hit| dials_outside_the_table(seen, hit))
                .or_else(|| seen.line_says(62, &["slave", "state=wait_bgsave"]))
                .or_else(|| seen.line_says(62, &["slave", "state=send_bulk"]))
                .or_else(|| seen.says(60, &["masterdown link with master is down"]))
                .or_else(|| {
                    let hit = seen.says(
                        52,
                        &[
                            "error condition on socket for sync",
                            "master timeout: no data nor ping",
                            "primary timeout: no data nor ping",
                            "timeout connecting to the master",
                            "timeout connecting to the primary",
                            "connection with master lost",
                            "master_link_status:down",
                        ],
                    )?;
                    Some(told_gone(seen, hit))
                })
        },
        cause: "The replication link[[ to <<master>>]] is down. It uses the CLIENT port of the \
            primary (not the bus), its password (masterauth) and, with tls-replication, TLS. Until \
            it is up the replica's data grow old, and with replica-serve-stale-data no it answers \
            MASTERDOWN.",
        check: "The replica's log line after 'Connecting to MASTER': refused (process down, or \
            another port), timed out (an address that nobody has any more, a firewall), NOAUTH \
            (masterauth), LOADING (wait), RDB version (older replica).",
        fix: &[
            "Remove the reason that the log names: address, port, password, TLS or version.",
            "If the address dialled is old: CLUSTER MEET the primary at its present address, \
             from this replica. The replica then dials the new one.",
        ],
        never: &["Do not promote this replica before comparing its offset with its siblings'."],
        like: &["REPLICA_AUTH_FAILED", "PEER_ADDRESS_STALE", "FULL_SYNC_LOOP"],
    },
];

/// What people say of an address that nobody has any more.
const GONE: [&str; 12] = [
    "unexisting",
    "non-existing",
    "nonexistent",
    "non existent",
    "does not exist",
    "doesn't exist",
    "don't have that ip",
    "do not have that ip",
    "has that ip any more",
    "no pod has",
    "nobody has",
    "old ip",
];

/// A replica dials an address that, as somebody tells, no node has now.
fn told_gone(seen: &Seen, hit: Hit) -> Hit {
    let dialled = seen.lines_with(&["connecting to master ", "connecting to primary "]);
    let dialled = dialled.last().and_then(|at| {
        let text = seen.lines.get(*at)?.text.as_str();
        Some((*at, super::announced::ipv4s(text).next()?.to_owned()))
    });
    let told = seen.lines_with(&GONE).first().copied();
    let (Some((at, ip)), Some(told)) = (dialled, told) else { return hit };
    hit.more_if(20, true)
        .quote(at)
        .quote(told)
        .note(format!(
            "{ip} is what this replica remembers of its primary, and by what is told no node is \
             there any more: the primary came back at another address (a pod that was made anew), \
             and this node has not heard of it, while the others have."
        ))
        .check(format!(
            "CLUSTER NODES on this replica, beside the present addresses (kubectl get pods -o \
             wide): the row of its primary still has {ip}; CLUSTER MYID at the primary's present \
             address gives the id of that very row."
        ))
        .step(
            "On this replica: CLUSTER MEET <present address of the primary> <port>. The id is the \
             same, so its row gets the new address and the replica dials it; if nothing changes, \
             MEET the replica from the primary. So that it does not come again, give each node \
             its present address at every start (cluster-announce-ip from the pod's IP).",
        )
}

/// A replica dials an address that no node of the pasted table has.
fn dials_outside_the_table(seen: &Seen, hit: Hit) -> Hit {
    let (Some(host), Some(table)) = (seen.field("master_host"), seen.table()) else { return hit };
    let known = table.rows.iter().any(|row| row.address.ip == host);
    let whole = table.rows.len() >= 4 && table.myself().is_some();
    let own = table.myself().filter(|row| row.is_replica());
    let primary = own.and_then(|own| {
        table.rows.iter().find(|row| Some(&row.id) == own.primary.as_ref() && !row.is_failing())
    });
    let (Some(own), Some(primary)) = (own.filter(|_| whole && !known), primary) else { return hit };
    let place = primary.place();
    hit.more_if(20, true)
        .quotes(seen.field_line("master_host"))
        .quote(own.line)
        .quote(primary.line)
        .note(format!(
            "It dials {host}, which is the address of no node in its own table: the table knows \
             its primary at {place}, and only the replication still goes to the old address (the \
             primary moved while this node was cut off or restarted). The cluster is well, but \
             this shard has one copy less than it looks."
        ))
        .step(format!(
            "On {}: CLUSTER REPLICATE {} (it follows that primary already by its table, so this \
             only makes it dial {place}); or restart this replica. Then master_link_status must \
             become up.",
            own.place(),
            primary.id
        ))
}

/// The link breaks right after each partial resynchronisation.
/// A full sync is in progress, and the link is down for longer than any copy should take.
fn syncs_for_hours(seen: &Seen) -> Option<Hit> {
    const LONG_S: u64 = 3_600;
    let syncs = seen.field_is(72, "master_sync_in_progress", &["1"])?;
    let down_s = seen.number("master_link_down_since_seconds").filter(|s| *s >= LONG_S)?;
    Some(syncs.quotes(seen.field_line("master_link_down_since_seconds")).note(format!(
        "The link is down since {down_s} s while a full copy is in progress: one copy does not \
         take that long, so it breaks off and begins anew (master_sync_left_bytes below 0 only \
         says that the size is not known beforehand)."
    )))
}

fn resumes_and_breaks(seen: &Seen) -> Option<Hit> {
    let resumed = ["accepted a partial resync", "successful partial resync"];
    let broken = ["caching the disconnected", "connection with master lost", "lost."];
    (seen.count(&resumed) >= 2 && seen.count(&broken) >= 2).then(|| {
        Hit::of(76)
            .quotes(seen.lines_with(&resumed).into_iter().take(2))
            .quotes(seen.lines_with(&broken).into_iter().take(2))
            .note(
                "Here no full copy is made: each partial resynchronisation is accepted and the \
                 link breaks right after it. So the backlog is fine, and the primary (look at its \
                 log) or the network closes the link: one command in the backlog larger than \
                 client-output-buffer-limit replica does so every time, before 7.0.8 even when \
                 the replica had read it (redis/redis#11667).",
            )
    })
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

/// A replica finished a copy, and its primary prepares the next one for it.
fn copied_and_begins_anew(seen: &Seen) -> Option<Hit> {
    let anew = ["state=wait_bgsave", "state=send_bulk", "starting bgsave for sync"];
    let hit = seen.says_all(84, &[&["sync: finished with success"], &anew])?;
    let backlog = seen.number("repl_backlog_size");
    let size = backlog.map_or(String::new(), |bytes| format!(" (here {bytes} bytes)"));
    Some(hit.quotes(seen.field_line("repl_backlog_size")).note(format!(
        "A copy was finished with success and the next one is already prepared: while the replica \
         freed its old data and loaded the copy, it read nothing from the link; what was written \
         meanwhile did not fit into the primary's buffer for it or the link timed out, so the link \
         is gone when it has loaded, the backlog{size} no longer reaches back to its offset, and \
         all begins anew. repl-backlog-size must hold the writes of one whole sync and load, \
         client-output-buffer-limit replica likewise, repl-timeout the time of the load; \
         replica-lazy-flush yes shortens it.",
    )))
}

/// `oll=1 omem=301989920` of a replica whose partial resync was taken: one write alone is bigger
/// than the buffer may be. Blocks of the shared replication buffer are counted whole.
fn too_big_a_piece(seen: &Seen, hit: Hit) -> Hit {
    let value = |line: &str, name: &str| -> Option<u64> {
        let rest = line.split_once(name)?.1;
        rest.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
    };
    let whole = seen.lines.iter().position(|line| {
        let dropped = line.lower.contains("overcoming of output buffer limits");
        let few = value(&line.lower, " oll=").is_some_and(|blocks| (1..=4).contains(&blocks));
        let big = value(&line.lower, " omem=").is_some_and(|bytes| bytes > 16 * 1024 * 1024);
        dropped && few && big
    });
    let resumed = ["partial resynchronization request from", "sending 0 bytes of backlog"];
    match whole.filter(|_| seen.has(&resumed)) {
        Some(at) => hit.more_if(6, true).quote(at).fact("why", HUGE).note(ONE_BIG_WRITE).step(
            "Now: CONFIG SET client-output-buffer-limit 'replica 1073741824 536870912 120' \
             (bytes) on the primary, with the hard limit well above omem of that line; the next \
             partial resync then stays.",
        ),
        None => hit,
    }
}

const HUGE: &str = "one huge write is more than the replica's buffer may hold";

const ONE_BIG_WRITE: &str = "Here the PARTIAL resync is accepted each time, and the replica is \
    dropped at once: omem is nearly all in one block (oll is 1 or a few), that is one single huge \
    write (a value of hundreds of megabytes) in the replication buffer. Servers from 7.0 up to \
    the fix (redis/redis#11666, in 7.0.10) count such a block whole, so the loop lasts until the \
    block leaves the backlog. No full sync, disk or network is at fault. Upgrade, and keep such \
    values out (find it with redis-cli --memkeys on a replica).";
