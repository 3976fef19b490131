//! The process, its memory, its disk; versions.

use super::{slow_command, stalls};
use crate::explain::cause::{Cause, Hit, Side};
use crate::explain::seen::{Seen, Source, Table};

pub(super) static CAUSES: &[Cause] = &[
    Cause {
        code: "NODE_LOADING",
        title: "The node is loading its data set",
        side: Side::Cluster,
        when: |seen| {
            seen.says(
                76,
                &[
                    "loading redis is loading",
                    "loading valkey is loading",
                    "is loading the dataset in memory",
                    "busyloadingerror",
                ],
            )
            .map(|h| h.less_if(14, seen.has(&["liveness probe failed"])))
            .or_else(|| seen.field_is(70, "loading", &["1"]))
        },
        cause: "The process is up and reads its RDB or AOF into memory (or a replica the copy of \
            its primary); until then it answers LOADING, and a loading primary is flagged fail? by \
            its peers although the connection stands. It ends by itself.",
        check: "INFO persistence: loading_eta_seconds and loading_loaded_perc grow.",
        fix: &["Wait for loading_eta_seconds; let probes tolerate LOADING; give clients several \
             start nodes and retries."],
        never: &[
            "Do not kill or restart it: it begins anew.",
            "Do not delete the data files to start faster.",
        ],
        like: &["K8S_LIVENESS_KILLS_LOADING"],
    },
    Cause {
        code: "DISK_ERROR_MISCONF",
        title: "The server cannot save to disk, so it refuses writes",
        side: Side::Platform,
        when: |seen| {
            seen.says(
                90,
                &[
                    "misconf",
                    "errors writing to the aof file",
                    "write error saving db on disk",
                    "no space left on device",
                    "failed opening the rdb file",
                    "failed opening the temp rdb",
                ],
            )
            .map(|h| {
                h.less_if(6, seen.has(&["nodes.conf", "cluster config file"]))
                    .less_if(30, seen.has(&["can't save in background"]))
            })
            .map(|hit| super::rewriting::saved(seen, super::fitting::append_only(seen, hit)))
            .map(|hit| super::rewriting::no_failover(seen, hit))
        },
        cause: "The last save or AOF write failed[[<<unsaid>>]], and the server protects the data \
            by refusing writes (after a failed save stop-writes-on-bgsave-error does so). PING may \
            fail too, so probes can kill the process.",
        check: "INFO persistence (rdb_last_bgsave_status, aof_last_write_status), df and ls -ld \
            of dir, and the log line of the \
            save.",
        fix: &["Free space or mend the rights and dir (CONFIG GET dir), then BGSAVE; writes are \
             accepted again after the \
            first good save."],
        never: &[
            "Do not only switch stop-writes-on-bgsave-error off: then nothing is saved and \
             nobody sees it.",
            "Do not delete the data files.",
        ],
        like: &["FORK_FAILED", "NODES_CONF_UNWRITABLE"],
    },
    Cause {
        code: "FORK_FAILED",
        title: "The fork for saving failed: memory overcommit",
        side: Side::Platform,
        when: |seen| {
            seen.says(92, &["can't save in background: fork", "fork: cannot allocate memory"])
                .map(|hit| super::rewriting::fork_refused(seen, hit))
                .or_else(|| seen.says(34, &["overcommit_memory is set to 0"]))
        },
        cause: "BGSAVE, AOF rewrite and full syncs fork the process; with vm.overcommit_memory 0 \
            the kernel refuses when the \
            copy might not fit. Saving and new replicas then fail. (As a mere warning at start \
            it is no fault yet.)",
        check: "sysctl vm.overcommit_memory, free memory against used_memory, and \
            rdb_last_bgsave_status.",
        fix: &["'Cannot allocate memory': sysctl vm.overcommit_memory=1 on the host (and in its \
             configuration), leave memory for copy on write; disable transparent huge pages. \
             'Resource temporarily unavailable': raise the limit of processes (ulimit -u, \
             TasksMax, the container's pids limit)."],
        never: &[
            "Do not restart the primary before a save or a replica has its data.",
            "Do not only switch stop-writes-on-bgsave-error off: then nothing is saved and nobody \
             sees it.",
        ],
        like: &["DISK_ERROR_MISCONF", "OOM_KILLED"],
    },
    Cause {
        code: "AOF_OR_RDB_CORRUPT",
        title: "A data file does not load[[ <<root>>]]",
        side: Side::Cluster,
        when: |seen| {
            seen.says(
                92,
                &[
                    "bad file format reading the append only file",
                    "short read or oom loading db",
                    "wrong signature trying to load",
                    "unexpected end of file reading the append only",
                    "aof manifest",
                    "internal error in rdb reading",
                    "crc error",
                    "rdb checksum",
                ],
            )
            .map(|h| {
                h.less_if(
                    30,
                    !seen.has(&[
                        "bad file format",
                        "short read",
                        "wrong signature",
                        "unexpected end",
                        "doesn't exist",
                        "internal error",
                        "crc error",
                        "checksum",
                    ]),
                )
            })
            .map(|hit| super::full_then_cut::rooted(seen, hit))
        },
        cause: "[[<<chain>> ]]The RDB or AOF is damaged or cut short (power loss, full disk, interrupted copy, \
            missing manifest), and the \
            server stops rather than losing data silently. Whether that matters depends on the \
            replica: if one is alive \
            with the shard, this file is not needed.",
        check: "Has a replica of this shard the data (INFO keyspace there)?",
        fix: &[
            "Copy the whole directory aside first.",
            "A replica is alive and has the shard's keys: promote it (CLUSTER FAILOVER FORCE), \
             then let this node come back empty under it.",
            "No replica: redis-check-aof (--fix cuts off the damaged tail; of a copy), or the \
             last good RDB.",
        ],
        never: &[
            "Do not start it with appendonly no in place of the repair: it comes up with an old RDB, \
             or empty.",
            "Do not delete the files and start it as the primary: its replicas would copy the \
             emptiness.",
        ],
        like: &["RDB_VERSION_INCOMPATIBLE", "DISK_ERROR_MISCONF"],
    },
    Cause {
        code: "OOM_KILLED",
        title: "The process was killed for want of memory",
        side: Side::Platform,
        when: |seen| {
            seen.says(
                92,
                &[
                    "oomkilled",
                    "oom-kill",
                    "out of memory: kill",
                    "killed process",
                    "exit code: 137",
                    "exit code 137",
                ],
            )
            .map(|h| {
                let by_probe = seen.has(&["failed liveness probe", "liveness probe failed"]);
                h.less_if(22, !seen.has(&["oomkilled", "oom-kill", "out of memory"]))
                    .less_if(20, by_probe && !seen.has(&["oomkilled"]))
            })
        },
        cause: "The kernel or the container's limit killed the process (137). The limit must \
            hold maxmemory AND copy on write \
            during saves and full syncs, client and replica buffers and the cluster's link \
            buffers; with maxmemory 0 \
            nothing holds it back.",
        check: "Last State of the pod (OOMKilled) or dmesg; maxmemory against the limit; whether \
            a save or a sync was running.",
        fix: &["Raise the limit, or set maxmemory to about 60-70 % of it; not below what is in \
             use when the policy evicts, since that deletes keys. Let one replica sync at a \
             time."],
        never: &["Do not delete data to make it start."],
        like: &["K8S_LIVENESS_KILLS_LOADING"],
    },
    Cause {
        code: "MAXMEMORY_REACHED",
        title: "The node has reached maxmemory",
        side: Side::Cluster,
        when: |seen| {
            let hit = seen.says(90, &["oom command not allowed when used memory"])?;
            let (used, most) = (seen.number("used_memory"), seen.number("maxmemory"));
            let roomy = used.zip(most).filter(|(used, most)| *most > 0 && used / 4 < most / 5);
            Some(match roomy {
                Some((used, most)) => hit.quotes(seen.field_line("used_memory")).note(format!(
                    "The INFO that was pasted is of a node with room ({used} of {most} bytes), \
                     so it is not the one that refused: in a cluster every node has its own \
                     maxmemory, and the command went to the owner of its key's slot. Look at \
                     INFO memory on ALL primaries (redis-cli --cluster call <any node> INFO \
                     memory); the one that is full has big keys or too many of them (hash tags), \
                     or a lower maxmemory."
                )),
                None => hit,
            })
        },
        cause: "used_memory is at maxmemory and the policy does not evict (noeviction), so \
            writes are refused; reads go on. \
            Reshards into this node fail too and leave a slot open.",
        check: "INFO memory: used_memory, maxmemory, maxmemory_policy; is one shard fuller than \
            the others?",
        fix: &[
            "Raise maxmemory, remove keys by the application, or move slots to emptier shards; \
             choose an eviction policy only \
            for caches.",
        ],
        never: &["Do not switch eviction on for data that must not vanish."],
        like: &["SLOT_IMBALANCE"],
    },
    Cause {
        code: "KEYS_EVICTED",
        title: "Keys vanish because the server evicts them: memory is full and the policy allows \
        it",
        side: Side::Cluster,
        when: |seen| {
            let evicted = seen.number("evicted_keys").filter(|keys| *keys > 0)?;
            let policy = seen
                .field("maxmemory_policy")
                .map(str::to_owned)
                .or_else(|| seen.setting("maxmemory-policy").map(|s| s.value.clone()))?;
            // The fields themselves speak of eviction; a person who misses keys says so elsewhere.
            let said = |line: &str| line.contains("evict") && !line.contains("evicted_keys");
            let missed = seen.has(&["vanish", "disappear", "missing", "are gone", "lost"])
                || seen.lines.iter().any(|line| {
                    said(&line.lower)
                        && !line.lower.contains("eviction-")
                        && !line.lower.contains("lazyfree")
                });
            let evicts = !policy.contains("noeviction");
            (evicts && missed).then(|| {
                Hit::of(74)
                    .quotes(seen.field_line("evicted_keys"))
                    .quotes(seen.field_line("maxmemory_policy"))
                    .fact("evicted", evicted.to_string())
                    .fact("policy", policy)
            })
        },
        cause: "[[evicted_keys is <<evicted>> and the policy is <<policy>>. ]]At maxmemory the \
            server removes keys to make room, as it is told to. Replicas follow. Slots, \
            replication and failover have no part in it.",
        check: "evicted_keys on each primary, twice within a minute: does it grow while keys \
        vanish?",
        fix: &[
            "For data that must stay: raise maxmemory (with room for forks and buffers), or add \
             shards, then CONFIG SET maxmemory-policy noeviction on all nodes and in their files. \
             Writes are then refused when it is full, so watch used_memory.",
            "For a cache it is what it is for: give more memory if the hit rate matters.",
        ],
        never: &["Do not repair slots for it, and do not set noeviction while it is full: writes \
             stop at once."],
        like: &["MAXMEMORY_REACHED", "SLOT_IMBALANCE_OR_HOTSPOT"],
    },
    Cause {
        code: "MAXCLIENTS_EXHAUSTED",
        title: "The node has no room for more connections",
        side: Side::Cluster,
        when: |seen| {
            seen.says(
                90,
                &[
                    "max number of clients reached",
                    "max number of clients + cluster connections",
                    "too many open files",
                ],
            )
            .or_else(|| seen.says(34, &["requiring at least", "maxclients has been reduced"]))
        },
        cause: "maxclients or the limit of open files is reached; bus links of the other nodes \
            count too, so peers may be flagged \
            fail. Usually clients that do not give connections back, or a storm of reconnects.",
        check: "INFO clients (connected_clients, maxclients), rejected_connections, CLIENT LIST \
            by address and idle time, ulimit -n.",
        fix: &["Mend the leaking client, set timeout and tcp-keepalive, CLIENT KILL idle ones, \
             raise maxclients and ulimit -n \
            together."],
        never: &["Do not restart all nodes at once: the storm comes back."],
        like: &["CLIENT_POOL_EXHAUSTED"],
    },
    Cause {
        code: "BUSY_SCRIPT",
        title: "A script blocks the node",
        side: Side::Application,
        when: |seen| {
            seen.says(
                90,
                &[
                    "busy redis is busy running a script",
                    "busy valkey is busy",
                    "is busy running a script",
                    "unkillable",
                ],
            )
        },
        cause: "A Lua script or function runs for longer than busy-reply-threshold (5 s); the \
            node serves nothing else, and peers may \
            flag it fail.",
        check: "Which script: the application's EVAL at that time, SLOWLOG afterwards.",
        fix: &[
            "SCRIPT KILL (or FUNCTION KILL) if it has not written yet; otherwise wait until it \
             ends. Mend the script.",
        ],
        never: &["Do not kill the process: writes of the script may be half done."],
        like: &["NODE_HUNG"],
    },
    Cause {
        code: "STALLED_AND_REPLACED",
        title: "The node stood still for longer than the node timeout and was failed over",
        side: Side::Platform,
        when: |seen| {
            if let Some(hit) = forked_too_long(seen) {
                return Some(hit);
            }
            let demoted = seen.says_all(
                88,
                &[
                    &["its master is up", "its primary is up"],
                    &["reconfiguring myself as a replica"],
                ],
            )?;
            let restarted = seen.has(&["ready to accept connections", "server started"]);
            let saving = ["background saving started", "background append only file rewriting"];
            Some(
                demoted
                    .and(seen, 6, &["cluster state changed: fail"])
                    .and(seen, 4, &saving)
                    .less_if(30, restarted)
                    .less_if(30, seen.has(&[" ?:"])),
            )
            .map(|hit| super::second_outage::told(seen, hit))
        },
        cause: "The process never restarted, but it did not answer for longer than \
            cluster-node-timeout: the others marked it FAIL and elected its replica. When it woke \
            up it still thought itself the primary, saw no majority for a moment (state fail), \
            refused the vote of its own replica ('its master is up'), then learnt the newer epoch \
            and became a replica with a full sync. Such stalls are the fork of BGSAVE or AOF \
            rewrite on a big heap (huge pages, swap), a slow disk under fsync, an O(N) command, \
            CPU throttling or a frozen machine. Writes that it took in the last moments before the \
            stall and had not replicated are gone.",
        check: "INFO: latest_fork_usec, rdb_last_bgsave_time_sec, mem_fragmentation; LATENCY \
            DOCTOR and SLOWLOG GET; dmesg and the host's steal and swap figures at the time of the \
            gap in the log.",
        fix: &[
            "Take away the stall: transparent huge pages off, no swap, room for copy-on-write, \
             save points on replicas, a faster disk, no KEYS or big DEL, no CPU limit that \
             throttles.",
            "Set cluster-node-timeout above the longest stall that is left (15000 is the default), \
             and repl-backlog-size so large that a short break needs no full sync.",
            "If the old roles are wanted back: CLUSTER FAILOVER (without FORCE) on the old \
             primary, once its link is up and its offset equal.",
        ],
        never: &[
            "Do not repair slots: the failover did what it is for.",
            "No TAKEOVER to get the old primary back; it has the older data.",
        ],
        like: &["NODE_HUNG", "TIMEOUT_FLAPPING"],
    },
    Cause {
        code: "NODE_HUNG",
        title: "The node's event loop stalls (slow command, save, swap, CPU)",
        side: Side::Platform,
        when: |seen| {
            // "Changed" and "exchange" have a "hang" in them, and any server warns of huge pages.
            let stall = [
                "slowlog get",
                "keys *",
                "stalled",
                " hang",
                " hung",
                "freez",
                "frozen",
                "blocked for",
                "swapping",
                "to swap",
                "swap memory",
                "100% cpu",
                "100 % cpu",
                "no command is answered",
                "latency spikes",
            ];
            let missed = [
                "cluster state changed: fail",
                "fail?",
                "pfail",
                "master,fail",
                "timed out",
                "as failing",
            ];
            if let Some(hit) = slow_command::held_the_server(seen) {
                return Some(hit);
            }
            seen.says(70, &["asynchronous aof fsync is taking too long", "disk is busy?"])
                .map(|hit| stalls::slow_disk(seen, hit))
                .or_else(|| {
                    let swaps = seen.has(&["swapping", "to swap", "swap memory"]);
                    Some(seen.says_all(64, &[&stall, &missed])?.more_if(10, swaps))
                })
                .or_else(|| silent_on_a_link(seen))
                .or_else(|| stops_while_it_saves(seen))
                .or_else(|| is_swapped_out(seen))
        },
        cause: "The process lives but does not answer for seconds: an O(N) command on a big key, \
            fsync on a slow disk, fork of a big \
            heap with huge pages, swap, CPU throttling or a frozen virtual machine. Longer than \
            the node timeout, and its \
            peers mark it FAIL and promote a replica.",
        check: "LATENCY DOCTOR and SLOWLOG GET on the node, and the log's times around the stall.",
        fix: &["Remove the slow command, give it a faster disk (or appendfsync everysec with \
             no-appendfsync-on-rewrite), disable huge \
            pages and swap, give it CPU; then choose a node timeout above the longest normal \
            stall."],
        never: &["Do not start a second process on the same files."],
        like: &["TIMEOUT_FLAPPING"],
    },
    Cause {
        code: "TIMEOUT_FLAPPING",
        title: "Nodes flap between fail and ok: the node timeout is too small for the stalls",
        side: Side::Cluster,
        when: flapping,
        cause: "[['Cluster state changed' occurs <<changes>> times. ]][[cluster-node-timeout is \
            <<timeout>> ms. ]]Nodes are marked failing \
            and cleared again within moments: peers do not answer within cluster-node-timeout, \
            because of stalls (saves, \
            slow commands, CPU limits) or a shaky network, and each time elections and redirects \
            follow.",
        check: "Do the times of 'Marking node ... as failing' coincide with saves, slow commands \
            or CPU throttling on that node?",
        fix: &["Remove the stall (see the log at those times); set cluster-node-timeout to \
             5000-15000 ms on ALL nodes alike."],
        never: &["Do not repair slots: they come and go with the links."],
        like: &["NODE_HUNG", "ALL_ADDRESSES_STALE"],
    },
    Cause {
        code: "MIXED_VERSIONS",
        title: "The nodes run different versions",
        side: Side::Cluster,
        when: |seen| {
            let packet = seen.says(
                84,
                &["received invalid ping packet of length", "received unknown packet type"],
            );
            packet.or_else(|| old_bus(seen)).or_else(|| {
                let mut versions: Vec<&str> =
                    seen.blocks.iter().filter_map(|b| b.fields.get("redis_version")).collect();
                versions.sort_unstable();
                versions.dedup();
                (versions.len() > 1).then(|| {
                    Hit::of(58)
                        .quotes(seen.lines_with(&["redis_version:"]))
                        .fact("versions", versions.join(", "))
                })
            })
        },
        cause: "Nodes of different versions[[ (<<versions>>)]] are in one cluster, or are to be, \
            as in a rolling upgrade that is half done. Old nodes may drop the longer \
            bus packets of new ones, cannot read their \
            RDB format as replicas, and answer CLUSTER commands otherwise.",
        check: "redis_version (and valkey_version) of every node, with its role.",
        fix: &[
            "Finish the upgrade: replicas first, then a failover, then the old primaries; from \
             6.2 go over 7.0.",
        ],
        never: &["Do not leave a shard whose replica is older than its primary."],
        like: &["RDB_VERSION_INCOMPATIBLE"],
    },
    Cause {
        code: "SERVER_CRASHED",
        title: "The server crashed[[, inside the module <<module>>]]",
        side: Side::Cluster,
        when: |seen| {
            seen.says(
                86,
                &[
                    "redis bug report start",
                    "valkey bug report start",
                    "crashed by signal",
                    "assertion failed",
                    "segmentation fault",
                    "guru meditation",
                ],
            )
            .map(|hit| super::frames::crash(seen, hit))
        },
        cause: "The process ended with a crash report[[ (version <<version>>)]]. The first \
            frames of the stack and the version tell whether it is \
            a known bug.",
        check: "Search the issues of the project for the assertion or the top frame, with this \
            version.",
        fix: &[
            "Keep the report and the data files; fail over to a replica; upgrade to the newest \
             patch release of this version.",
        ],
        never: &["Do not delete its files."],
        like: &["OOM_KILLED"],
    },
    Cause {
        code: "BUS_BUFFER_GROWTH",
        title: "Bus links or output buffers eat the memory (pub/sub)",
        side: Side::Cluster,
        when: |seen| {
            const MUCH_BYTES: u64 = 256 << 20;
            if seen.number("mem_cluster_links").is_some_and(|bytes| bytes > MUCH_BYTES) {
                return Some(Hit::of(95).quotes(seen.field_line("mem_cluster_links")));
            }
            let limit = seen.number("total_cluster_links_buffer_limit_exceeded").filter(|n| *n > 0);
            limit
                .map(|_| {
                    Hit::of(72).quotes(seen.field_line("total_cluster_links_buffer_limit_exceeded"))
                })
                .or_else(|| {
                    seen.says(
                        70,
                        &[
                            "mem_cluster_links",
                            "send buffer memory limit",
                            "client-output-buffer-limit pubsub",
                        ],
                    )
                })
        },
        cause: "PUBLISH goes to every node; a slow peer or subscriber makes queues grow until \
            memory or the limit ends.",
        check: "CLUSTER LINKS (send-buffer-used), mem_cluster_links, CLIENT LIST (omem).",
        fix: &[
            "Set cluster-link-sendbuf-limit and client-output-buffer-limit pubsub; use sharded \
             pub/sub; mend the slow peer.",
        ],
        never: &["Do not restart all nodes at once."],
        like: &["BUS_ONE_WAY_PARTITION"],
    },
    Cause {
        code: "SELINUX_OR_PERMISSION",
        title: "The operating system denies access",
        side: Side::Platform,
        when: |seen| {
            let bound = seen.says(90, &["bind: permission denied", "{ name_bind }"]);
            if bound.is_some() {
                return bound;
            }
            seen.says(
                74,
                &[
                    "selinux",
                    "avc: denied",
                    "avc:  denied",
                    "apparmor",
                    "bind: permission denied",
                    "can't chdir to",
                ],
            )
            .or_else(|| {
                let what = [
                    "open",
                    "bind",
                    "chdir",
                    "log file",
                    "nodes.conf",
                    "aof",
                    "rdb",
                    "/data",
                    "dir",
                    "listening",
                    "socket",
                ];
                let denied = seen.says(62, &["permission denied"])?;
                let by_ssh =
                    seen.has(&["permission denied (publickey", "permission denied, please"]);
                (seen.lines.iter().any(|line| {
                    line.lower.contains("permission denied")
                        && what.iter().any(|word| line.lower.contains(word))
                }) && !by_ssh)
                    .then_some(denied)
            })
        },
        cause: "The process may not open the port, directory or file: ownership, a read-only \
            mount, or a policy (SELinux lets redis use \
            certain ports only; the bus port, client port + 10000, is not among them by default).",
        check: "ausearch -m avc (or dmesg), ls -lZ of dir, and the user of the process.",
        fix: &["Give the directory to the user of the process (fsGroup on Kubernetes); semanage \
             port -a -t redis_port_t for client and \
            bus port."],
        never: &["Do not switch SELinux off for the machine."],
        like: &["NODES_CONF_UNWRITABLE", "BUS_PORT_BLOCKED"],
    },
    Cause {
        code: "CLOCK_JUMP",
        title: "The clock jumped",
        side: Side::Platform,
        when: |seen| {
            seen.says(56, &["clock", "ntp", "chrony", "time jump"])
                .filter(|_| seen.has(&["step", "jump", "skew", "expired", "resume"]))
        },
        cause: "Ages of pings and expiries use the wall clock: a step makes nodes look dead and \
            keys expire at once.",
        check: "TIME on all nodes side by side, and the log of the time service.",
        fix: &["Slew rather than step the clocks; same time source everywhere."],
        never: &["Do not repair slots for it."],
        like: &["TIMEOUT_FLAPPING"],
    },
];

/// A peer that is flagged fail while the link to it stands: its machine accepts connections and
/// its process does not answer. Only when the text says that it does not answer clients either.
fn silent_on_a_link(seen: &Seen) -> Option<Hit> {
    let failing = seen.failing();
    let row = failing.iter().find(|row| row.linked == Some(true) && !row.slots.is_empty())?;
    let stuck = seen.lines_with(&[
        " hangs",
        "(hangs",
        "no answer",
        "does not answer",
        "not responding",
        " d  ",
        " ds ",
        " dl ",
        "uninterruptible",
    ]);
    (!stuck.is_empty()).then(|| {
        Hit::of(76).quote(row.line).quotes(stuck.into_iter().take(2)).note(format!(
            "{} is flagged fail although the link to it is connected: the machine takes \
             connections and the process behind it does not answer.",
            row.place()
        ))
    })
}

/// Less of the process is in memory than its data needs, and the cluster misses it by turns.
fn is_swapped_out(seen: &Seen) -> Option<Hit> {
    let ratio: f64 = seen.field("mem_fragmentation_ratio")?.trim().parse().ok()?;
    let missed = seen.says(72, &["state changed: fail", "as failing", "fail?", "timed out"])?;
    (ratio > 0.0 && ratio < 0.8).then(|| {
        missed.quotes(seen.field_line("mem_fragmentation_ratio")).note(format!(
            "mem_fragmentation_ratio is {ratio}: a part of the data set is in swap, and each \
             access to it waits for the disk. Give the machine memory or the node fewer keys \
             (maxmemory, a reshard), then switch swap off for it."
        ))
    })
}

/// A node loses the cluster right after it began to save.
fn stops_while_it_saves(seen: &Seen) -> Option<Hit> {
    const NEAR: usize = 4;
    let after = |begins: &[&str], ends: &[&str]| {
        let holds = |at: usize, words: &[&str]| {
            seen.lines.get(at).is_some_and(|line| words.iter().any(|w| line.lower.contains(w)))
        };
        (0..seen.lines.len()).filter(|at| holds(*at, begins)).find_map(|at| {
            (at + 1..=at + NEAR).find(|next| holds(*next, ends)).map(|next| (at, next))
        })
    };
    let saves = ["background saving started", "append only file rewriting started"];
    let (from, to) = after(&saves, &["state changed: fail", "as failing (quorum"])?;
    let huge = seen.has(&["transparent huge pages"]);
    let hit = Hit::of(66).more_if(12, huge).quote(from).quote(to);
    Some(if huge {
        hit.note(
            "The save falls together with the break, and transparent huge pages are on: each \
             write then copies 2 MB in place of 4 KB while the child saves. echo never > \
             /sys/kernel/mm/transparent_hugepage/enabled, and restart the servers one by one.",
        )
    } else {
        hit
    })
}

/// A fork that took longer than the node timeout (or seconds, when that is not told), and the node
/// was demoted.
fn forked_too_long(seen: &Seen) -> Option<Hit> {
    const SECONDS_US: u64 = 2_000_000;
    let fork_us = seen.number("latest_fork_usec")?;
    let timeout = seen.setting("cluster-node-timeout").and_then(|s| s.value.parse::<u64>().ok());
    let longest_us = timeout.map_or(SECONDS_US, |ms| ms.saturating_mul(1_000));
    let demoted = seen.says(
        88,
        &["reconfiguring myself as a replica", "failover election won", "as failing (quorum"],
    )?;
    (fork_us > longest_us).then(|| {
        demoted
            .quotes(seen.field_line("latest_fork_usec"))
            .note(format!("The last fork alone took {} ms (latest_fork_usec).", fork_us / 1_000))
    })
}

fn flapping(seen: &Seen) -> Option<Hit> {
    let changes = seen.count(&["cluster state changed:"]);
    let heard = seen.count(&["fail message received from"]);
    let cleared = seen.count(&["clear fail state"]);
    let marks = seen.count(&["as failing (quorum reached)"])
        + cleared
        + if cleared > 0 { heard } else { 0 };
    let timeout = seen.setting("cluster-node-timeout");
    let small = timeout.filter(|s| s.value.parse::<u64>().is_ok_and(|ms| ms < 3_000));
    if (changes < 4 || seen.flips() < 2) && marks < 4 {
        let Some(small) = small else {
            // One fall and one return are a weak sign of it.
            let lines = seen.lines_with(&["clear fail state", "as failing (quorum reached)"]);
            return (cleared > 0 && marks >= 2).then(|| Hit::of(48).quotes(lines));
        };
        return seen
            .has(&["fail", "failover"])
            .then(|| Hit::of(60).quote(small.line).fact("timeout", small.value.clone()));
    }
    let hit = Hit::of(66)
        .more_if(12, small.is_some())
        .quotes(seen.lines_with(&[
            "cluster state changed:",
            "as failing (quorum reached)",
            "clear fail state",
        ]))
        .fact_if("changes", (changes > 1).then(|| changes.to_string()))
        .fact_if("timeout", timeout.map(|s| s.value.clone()));
    Some(hit)
}

/// One table has no bus ports in its rows (a server before 4.0), another one has: their buses do
/// not understand each other.
fn old_bus(seen: &Seen) -> Option<Hit> {
    let tables = || seen.tables.iter().filter(|table| table.source == Source::Nodes);
    let with_bus = |table: &&Table| {
        table
            .rows
            .iter()
            .any(|row| seen.lines.get(row.line).is_some_and(|line| line.text.contains('@')))
    };
    let (old, new) = (tables().find(|table| !with_bus(table))?, tables().find(with_bus)?);
    let apart = !old.rows.iter().any(|row| new.rows.iter().any(|other| other.id == row.id));
    let joins = seen.has(&["waiting for the cluster to join", "cluster meet", "add-node"]);
    (apart && joins).then(|| {
        Hit::of(88)
            .quote(old.rows.first().map_or(0, |row| row.line))
            .quote(new.rows.first().map_or(0, |row| row.line))
            .note(
                "The rows of one table have no bus port ('@16379'): that server is older than 4.0. \
                 The bus of 3.x and that of 4.0 and later do not understand each other, so the \
                 MEET is never answered ('[OK]' of add-node says only that it was sent; create \
                 waits for ever); ports and firewalls have no part in it, and no rolling upgrade \
                 leads from 3.x to 4.0 or later. The new node stays alone, and the running cluster \
                 is not touched by it: a second MEET, a reset or an open port changes nothing.",
            )
            .step(
                "Give the new node the version that the cluster runs, and repeat the join with \
                 that one.",
            )
            .step(
                "To get to a newer version: build a new cluster beside the old one and move the \
                 data (RDB files, or redis-cli --cluster import); or, with a pause, stop ALL \
                 nodes, copy their files, and start all of them with the new version on their own \
                 nodes.conf and data.",
            )
            .check(
                "redis_version in INFO server of every node; rows without '@' in CLUSTER NODES are \
                 those of a server before 4.0.",
            )
            .only_these_steps()
    })
}
