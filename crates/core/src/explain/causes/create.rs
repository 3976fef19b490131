//! Making a cluster and adding nodes: what the tools say when it does not work.

use super::joining::list_without_bus;
use super::{alone, empty_map, hanging_join, refused_members};
use crate::explain::cause::{Cause, Hit, Side};
use crate::explain::seen::{Seen, Source};
use crate::explain::table::Row;
use crate::model::SLOT_COUNT;

pub(super) static CAUSES: &[Cause] = &[
    Cause {
        code: "LEFTOVER_CLUSTER_STATE_ON_NODE",
        title: "The node still carries the state of an earlier attempt",
        side: Side::Command,
        when: |seen| {
            let refused = seen.says(
                88,
                &[
                    "is not empty. either the node already knows other nodes",
                    "node is not empty. either",
                ],
            );
            let Some(hit) = refused else { return super::old_table::remembered(seen) };
            let place = seen.word_after("[err] node ");
            let count = seen.number("cluster_known_nodes").filter(|known| *known > 1);
            let by_operator = seen.has(&["controller_redis", "redis-operator", "reconcil"]);
            let adds = refused_members::adds(seen);
            let by_operator = by_operator && !adds;
            let alone = seen.number("cluster_slots_pfail").is_some_and(|pfail| {
                pfail > 0 && seen.number("cluster_slots_assigned") == Some(pfail)
            });
            Some(
                hit.more_if(6, count.is_some())
                    .more_if(9, adds && alone)
                    .less_if(20, by_operator)
                    .quotes(seen.field_line("cluster_known_nodes"))
                    .quotes(seen.field_line("cluster_slots_assigned"))
                    .fact_if("node", place),
            )
            .map(|hit| hit.less_if(40, refused_members::living(seen).is_some()))
            .map(|hit| if adds && alone { hit.note(OUT_OF_THE_CLUSTER) } else { hit })
            .map(|hit| refused_members::came_with_old_files(seen, hit))
        },
        cause: "The node[[ <<node>>]] is not blank: it has cluster state from an earlier attempt \
            in its nodes.conf (or keys in database 0). [[Its CLUSTER INFO shows it: known nodes \
            <<known>>, slots assigned <<assigned>>; <<pfail>> slots are pfail, with <<received>> \
            messages received: the other remembered nodes never answer. ]]A blank node has \
            known_nodes 1 and 0 slots assigned.",
        check: "On the refused node: CLUSTER INFO (known_nodes, slots_assigned) and DBSIZE: state \
            only, or keys as well? Whose keys?",
        fix: &[
            "First see whether this is a cluster in use: CLUSTER NODES and DBSIZE on all of \
             the addresses. If they have slots and keys, do not create: that cluster is to be \
             repaired (its nodes MEET each other again at their present addresses).",
            "Only remains of an attempt, whose data nobody wants: make sure with INFO \
             keyspace, and copy RDB/AOF away if in doubt.",
            "Then blank this node: stop it, move its nodes.conf (and unwanted data files) aside, \
             start it; that resets both the remembered nodes and the slots.",
            "CLUSTER INFO must show known_nodes 1 and 0 slots; do the same on the other nodes of \
             the old attempt, then run create again.",
        ],
        never: &[
            "FLUSHALL alone does not help: the remembered nodes and slots stay.",
            "Do not create with the other nodes only, and do not run --cluster fix on the remains.",
            "Do not empty a node whose keys you have not looked at.",
        ],
        like: &["NODE_IDENTITY_LOST"],
    },
    Cause {
        code: "BUS_PORT_BLOCKED",
        title: "Nodes cannot reach each other's cluster bus port (client port + 10000)",
        side: Side::Network,
        when: hanging_join::blocked,
        cause: "[[<<join>> ]]The nodes talk to each other over the cluster bus, a second TCP port = \
            client port + 10000[[: here <<bus_ports>>]], and that is not reachable between them. \
            Firewalls \
            (ufw, firewalld, iptables, security groups, NetworkPolicy) and container port lists \
            often open only the client ports; nodes on one single host work because no firewall is \
            in between.",
        check: "From each host to each other one: nc -vz <host> <client port + 10000>[[ \
            (<<bus_ports>>)]]. Refused or \
            timed out proves it; connected everywhere means look at announced addresses and TLS.",
        fix: &[
            "Open TCP client port + 10000[[ (<<bus_ports>>)]] between ALL nodes, in both \
             directions, beside the client ports[[ (<<ports>>)]].",
            "Docker: publish the bus ports too, one to one, and announce addresses that all reach \
             (cluster-announce-ip, -port, -bus-port), or use host networking.",
            "The waiting create then finishes by itself. If it was broken off and the nodes \
             are new and empty (DBSIZE 0 on each), blank them (stop, move nodes.conf aside, \
             start) before the next attempt.",
        ],
        never: &[
            "Do not kill and repeat create without opening the ports: half-joined nodes then \
             refuse with 'not empty'.",
            "Do not run --cluster fix; no slot is wrong.",
        ],
        like: &["ANNOUNCE_ADDRESS_WRONG", "TLS_BUS_CERT_VERIFY_FAILED", "DUPLICATE_NODE_ID_LIVE"],
    },
    Cause {
        code: "CLI_WITHOUT_PASSWORD",
        title: "The tool was run without the password that the nodes require",
        side: Side::Command,
        when: |seen| {
            let tool = seen.has(&["[err]", "--cluster", "redis-cli", "redis-trib", ">>>"]);
            let hit = seen.line_says(90, &["noauth authentication required"])?;
            let by_client = seen.client().is_some() && !seen.has(&["[err] node"]);
            (tool && !by_client).then(|| {
                // A password was given, and another node took it.
                let given = seen.has(&[" -a ", "--pass "]);
                let agreed = seen.lines.iter().any(|line| line.text.trim() == "PONG");
                hit.fact_if("node", seen.word_after("[err] node "))
                    .less_if(30, given && agreed)
                    .less_if(16, given && seen.has(&["wrongpass", "auth failed"]))
                    .more_if(4, seen.has(&["[err] node"]))
            })
        },
        cause: "The node[[ <<node>>]] demands authentication (requirepass is set), and redis-cli \
            sent no password, so the very first command was refused. Nothing was changed yet.",
        check: "redis-cli -h <node> -a <password> PING on every node: PONG with the same password \
            everywhere.",
        fix: &[
            "Repeat the command with -a <password> (or --user and --pass; or REDISCLI_AUTH in the \
             environment). The tool uses the same password for all nodes, so it must be equal on \
             all.",
            "Set masterauth to the same password on all nodes, otherwise replicas cannot follow \
             their primaries.",
        ],
        never: &[
            "Do not turn requirepass off on a network that others reach.",
            "Do not look at ports; the connection works.",
        ],
        like: &["AUTH_MISMATCH", "REPLICA_AUTH_FAILED"],
    },
    Cause {
        code: "TOO_FEW_NODES_FOR_CREATE",
        title: "Too few nodes for the wanted number of replicas",
        side: Side::Command,
        when: |seen| {
            let refused = [
                "requires at least 3 master nodes",
                "invalid configuration for cluster creation",
                "at least 6 nodes are required",
            ];
            seen.says(92, &refused).or_else(|| too_few_named(seen))
        },
        cause: "A cluster needs at least three primaries. With r replicas for each, 3 × (r + 1) \
            nodes are needed: 6 for one replica, 9 for two.",
        check: "Count the addresses given; they must be divisible into (replicas + 1) with three \
            primaries.",
        fix: &["Give enough nodes, or leave out --cluster-replicas and add replicas later with \
             add-node --cluster-slave."],
        never: &[
            "Do not assign slots by hand to two primaries: with two, no failover has a majority.",
        ],
        like: &["TOO_FEW_VOTERS"],
    },
    Cause {
        code: "REDIS_TRIB_OUTDATED",
        title: "redis-trib.rb is not available any more, or its Ruby is incomplete",
        side: Side::Command,
        when: |seen| {
            seen.says(
                90,
                &[
                    "redis-trib.rb is not longer available",
                    "redis-trib.rb is no longer",
                    "cannot load such file -- redis",
                    "no such file to load -- redis",
                    "redis requires ruby version",
                    "unable to require openssl",
                ],
            )
        },
        cause: "redis-trib.rb was replaced by redis-cli --cluster in Redis 5.0; the script of \
            older versions needs Ruby and the gem redis (3.x), which are missing or do not fit \
            here. The servers are not concerned.",
        check: "redis-cli --version: 5.0 or later has --cluster.",
        fix: &["Use redis-cli --cluster in its place (check, reshard, add-node, create) with the \
             same arguments; a newer redis-cli works with older servers."],
        never: &["Do not change the servers for it."],
        like: &["REDIS_TRIB_GEM_TOO_NEW"],
    },
    Cause {
        code: "CLI_TOO_OLD_FOR_CLUSTER",
        title: "A command of the redis-cli program is not understood[[: <<place>>]]",
        side: Side::Command,
        when: |seen| {
            seen.says(
                88,
                &[
                    "unknown subcommand or wrong number of arguments for 'create'",
                    "unknown subcommand 'create'",
                    "unrecognized option or bad number of args for: '--cluster'",
                    "could not connect to redis at create",
                    "unknown command \"redis-cli\"",
                    "unknown command `redis-cli`",
                    "unknown command 'redis-cli'",
                    "unknown command \"valkey-cli\"",
                    "unknown command 'valkey-cli'",
                ],
            )
            .map(|hit| super::typed_inside::fitted(seen, hit))
        },
        cause: "'create' is a command of the redis-cli program (redis-cli --cluster create ..., \
            from 5.0), not of the server: typed at the prompt as CLUSTER CREATE (or the whole \
            redis-cli line typed at that prompt), or given to an older redis-cli, it is unknown.",
        check: "redis-cli --version, and whether the command was typed in the shell or at the \
            redis prompt.",
        fix: &[
            "Run it from the shell with redis-cli 5.0 or later: redis-cli --cluster followed by \
             create and the addresses.",
        ],
        never: &["Do not change the servers for it."],
        like: &["REDIS_TRIB_OUTDATED"],
    },
    Cause {
        code: "PORT_TOO_HIGH_FOR_BUS",
        title: "The port leaves no room for the bus port (port + 10000)",
        side: Side::Cluster,
        when: |seen| {
            seen.says(93, &["port number too high", "cluster communication port is 10,000"])
                .or_else(|| {
                    let high = seen.settings.iter().find(|s| {
                        s.name == "port" && s.value.parse::<u32>().is_ok_and(|p| p > 55_535)
                    })?;
                    Some(Hit::of(84).quote(high.line).fact("port", high.value.clone()))
                })
        },
        cause: "The bus port is the client port + 10000, and ports end at 65535. So in cluster \
            mode the client port[[ (here <<port>>)]] must not be above 55535.",
        check: "port in redis.conf: above 55535?",
        fix: &["Choose a client port of at most 55535, or set cluster-port (7.0 and later)."],
        never: &["Do not turn cluster mode off for it."],
        like: &["PORT_IN_USE"],
    },
    Cause {
        code: "PORT_IN_USE",
        title: "A port is already taken",
        side: Side::Platform,
        when: |seen| {
            seen.says(
                90,
                &[
                    "address already in use",
                    "port is already allocated",
                    "failed listening on port",
                    "could not create server tcp listening socket",
                ],
            )
            .map(|hit| {
                let other = ["cannot assign requested address", "bind: permission denied"];
                let ours = ["redis", "valkey", "listening socket", "listening on port", "cluster"];
                hit.less_if(50, seen.has(&other)).less_if(30, !seen.has(&ours))
            })
        },
        cause: "The server cannot listen: another process has the client port, or the bus port \
            (client port + 10000; two instances whose ports differ by 10000 collide). After a \
            crash it may be the old process.",
        check: "ss -ltnp for the port in the message and for that port ± 10000.",
        fix: &["Stop the other process or choose other ports; on host networking every pod needs \
             its own."],
        never: &["Do not start a second server on the same directory."],
        like: &["PORT_TOO_HIGH_FOR_BUS"],
    },
    Cause {
        code: "CANNOT_CONNECT_NODE",
        title: "The tool cannot connect to a node's client port",
        side: Side::Network,
        when: |seen| {
            let hit =
                seen.says(64, &["sorry, can't connect to node", "could not connect to redis at"])?;
            let node = seen
                .word_after("can't connect to node ")
                .or_else(|| seen.word_after("could not connect to redis at "));
            Some(not_started(seen, hit).fact_if("node", node))
        },
        cause: "The client port[[ of <<node>>]] cannot be reached from where the tool runs: the \
            process is down, it listens on another address (bind 127.0.0.1 is the default), \
            protected mode or a firewall is in between, or the address is an internal one (a \
            container's).",
        check: "From the same machine: nc -vz <host> <port>. Refused: nothing listens there; \
            timeout: a firewall or a wrong address.",
        fix: &[
            "Start the node; set bind to the right interfaces (with a password); open the port; or \
             run the tool where the address is reachable.",
        ],
        never: &["Do not open the server to everybody without a password."],
        like: &["BIND_LOOPBACK", "PROTECTED_MODE", "CLI_WITHOUT_TLS"],
    },
    Cause {
        code: "CLUSTER_NOT_CREATED",
        title: "The nodes run in cluster mode, but no cluster was made of them",
        side: Side::Command,
        when: |seen| {
            let zero = seen.field_is(78, "cluster_slots_assigned", &["0"]);
            let others =
                seen.server_rows().any(|row| !row.slots.is_empty()) || alone::others_have_one(seen);
            zero.filter(|_| !others)
                .filter(|_| {
                    seen.number("cluster_known_nodes").is_none_or(|k| k <= 1) || seen.says_fail()
                })
                .or_else(|| {
                    seen.says(
                        68,
                        &[
                            "cluster slots list is empty",
                            "0 of 16384 covered",
                            "cluster has no nodes",
                            "slots result count: 0",
                        ],
                    )
                })
                .or_else(|| each_alone(seen))
                .or_else(|| dropped_as_empty(seen))
                .or_else(|| empty_slots_reply(seen))
                .or_else(|| checked_without_slots(seen))
                .map(|hit| after_reset(seen, hit))
                .map(|hit| empty_map::settled(seen, hit))
        },
        cause: "No slot is assigned to any node that was asked[[ (slots assigned <<assigned>>, \
            known nodes <<known>>)]]: the servers were started with cluster-enabled yes, but the \
            step that joins them and hands out the 16384 slots was not done or did not finish. \
            Every key command then answers CLUSTERDOWN Hash slot not served. (The same picture: a \
            node that lost its nodes.conf, while the others have a cluster.)",
        check: "CLUSTER INFO on all nodes: 0 assigned everywhere means never created; 16384 on \
            others means that this one lost its identity.",
        fix: &[
            "If all nodes are new and empty: make the cluster with redis-cli's create over all \
             addresses.",
            "If the others have a cluster: find this node's old nodes.conf, or join it as a new \
             node.",
        ],
        never: &["Do not create over nodes that have data or belong to a cluster."],
        like: &["NODE_IDENTITY_LOST", "CLIENT_SEED_HAS_NO_SLOTS"],
    },
    Cause {
        code: "CLIENT_SEED_HAS_NO_SLOTS",
        title: "A start node of the client is outside the cluster and knows no slot",
        side: Side::Client,
        when: asked_outside,
        cause: "<<host>> answers CLUSTER SLOTS with nothing: it stands alone (it was taken out, or \
            reset, and its process still runs), while the table here has an owner for every \
            slot. A client that asks this node for its map gets an empty one; some (Jedis before \
            4.4) take it, have no node left and do not recover until they are started again. The \
            cluster itself is in order.",
        check: "CLUSTER NODES at <<host>> (itself alone) and at a member; the client's list of \
            start nodes.",
        fix: &[
            "Take <<host>> out of the start nodes of every client, and stop its process if it was \
             taken out for good.",
            "Restart the clients that fail; upgrade the client library to its newest release.",
        ],
        never: &[
            "Do not give it slots, and do not run fix or create: the cluster has an owner for \
             every slot.",
        ],
        like: &["NODE_IDENTITY_LOST", "CLIENT_STALE_TOPOLOGY"],
    },
    Cause {
        code: "CREATE_NEEDS_YES",
        title: "The create command waits for 'yes' that nobody types",
        side: Side::Command,
        when: |seen| {
            let asked = seen.says(50, &["type 'yes' to accept"])?;
            let went_on = seen.has(&[
                "nodes configuration updated",
                "waiting for the cluster to join",
                "to accept): yes",
                "is already busy",
            ]);
            let ended = seen.has(&["aborting", "*** aborting"]);
            (!went_on).then(|| {
                asked.more_if(20, ended || seen.has(&["docker", "kubectl", "job", "script"]))
            })
        },
        cause: "create asks for confirmation on standard input; in a script, a Job or docker exec \
            without a terminal nobody answers, so nothing was set.",
        check: "Is the question the last line of the output?",
        fix: &["Add --cluster-yes (or answer yes)."],
        never: &["Do not repeat it over nodes that were configured meanwhile."],
        like: &["BUS_PORT_BLOCKED"],
    },
    Cause {
        code: "SET_CONFIG_EPOCH_REFUSED",
        title: "The nodes already know each other, so create is refused half way",
        side: Side::Command,
        when: |seen| {
            seen.says(
                84,
                &[
                    "node config epoch is already non-zero",
                    "assign a config epoch only when the node does not know any other",
                ],
            )
        },
        cause: "The node took part in an earlier attempt: it already has a config epoch or knows \
            others.",
        check: "CLUSTER NODES and DBSIZE on that node.",
        fix: &[
            "If it has no wanted data: stop it, move its nodes.conf aside, start it, and create \
             again.",
        ],
        never: &["Do not blank nodes of a cluster that is in use."],
        like: &["LEFTOVER_CLUSTER_STATE_ON_NODE"],
    },
];

/// The line at which a tool waits for a join that nothing after it shows as done.
pub(super) fn still_waits(seen: &Seen) -> Option<usize> {
    let at = seen.lines_with(&["waiting for the cluster to join"]).into_iter().last()?;
    let paste = seen.lines.get(at)?.paste;
    let after = seen.lines.iter().skip(at + 1).filter(|line| line.paste == paste);
    let goes_on = ["[ok]", "[err]", ">>> "];
    let done = after
        .take_while(|line| !line.text.starts_with("$ ") && !line.text.starts_with("# "))
        .any(|line| goes_on.iter().any(|word| line.lower.contains(word)));
    (!done).then_some(at)
}

/// What a firewall's list that was pasted too says of the bus ports.
pub(super) fn read_firewall(seen: &Seen, hit: Hit) -> Hit {
    match list_without_bus(seen) {
        Some((lines, note)) => hit.more_if(14, true).quotes(lines).note(note),
        None => hit,
    }
}

/// The owner-to-be of nodes that know each other while no slot is given out, after a RESET.
fn after_reset(seen: &Seen, hit: Hit) -> Hit {
    let reset = seen.has(&["cluster reset", "reset hard", "reset soft"]);
    let Some(table) = seen.table().filter(|table| reset && table.rows.len() > 1) else {
        return met_without_slots(seen, hit, reset);
    };
    let primaries: Vec<&Row> = table.rows.iter().filter(|row| row.is_primary()).collect();
    let [one] = &primaries[..] else { return hit.note(RESET_TAKES_SLOTS) };
    hit.more_if(6, true).quote(one.line).note(RESET_TAKES_SLOTS).step(format!(
        "The nodes know each other, so no create is needed (it would refuse them as not empty). \
         Read DBSIZE on each. If only {0} has keys, or none has, give the slots to {0}, the one \
         primary: CLUSTER ADDSLOTSRANGE 0 16383 there (before 7.0 redis-cli cluster addslots with \
         the numbers). Keys on another node: copy its RDB and AOF away first, for as a replica it \
         drops them. One primary cannot fail over by itself; three can.",
        one.place()
    ))
}

/// The figures of nodes that know each other while nobody owns a slot.
fn met_without_slots(seen: &Seen, hit: Hit, reset: bool) -> Hit {
    let known = seen.number("cluster_known_nodes").filter(|known| *known > 1);
    let Some(known) = known.filter(|_| seen.number("cluster_slots_assigned") == Some(0)) else {
        return hit;
    };
    let heard = seen.number("cluster_stats_messages_received").is_some_and(|n| n > 0);
    let bus = if heard { ", and bus messages arrive, so the bus is open" } else { "" };
    let hit = if reset { hit.note(RESET_TAKES_SLOTS) } else { hit };
    hit.note(format!(
        "The {known} nodes know each other{bus}; only the slots are missing, so create is not the \
         way (it refuses nodes that know each other)."
    ))
    .step(
        "DBSIZE on each node first. If one primary alone has the keys, give it the slots: \
         CLUSTER ADDSLOTSRANGE 0 16383 there (before 7.0 CLUSTER ADDSLOTS with the numbers); if \
         none has any, spread them over the primaries; if several have, each gets the slots its \
         keys are in (CLUSTER COUNTKEYSINSLOT). Keys on a node that shall be a replica: copy its \
         RDB and AOF away first, for it drops them.",
    )
}

/// What RESET does beside forgetting.
const RESET_TAKES_SLOTS: &str = "CLUSTER RESET makes a node forget the others AND give up its \
    slots; MEET brings the nodes together again, but nobody gives the slots out anew. That is why \
    0 are assigned while the nodes know each other.";

/// `REDIS_NODES` of an image that is to create the cluster, with fewer than three names.
fn too_few_named(seen: &Seen) -> Option<Hit> {
    let creates = seen.says(80, &["redis_cluster_creator", "valkey_cluster_creator"])?;
    let names = seen.lines.iter().enumerate().find_map(|(at, line)| {
        let mark = ["redis_nodes", "valkey_nodes"].iter().find(|m| line.lower.contains(**m))?;
        let rest = line.text.get(line.lower.find(mark)? + mark.len()..)?;
        let names = rest.trim_matches([':', '=', ' ', '"', '\'', ',']).split([' ', ',']);
        Some((at, names.filter(|name| !name.is_empty()).count()))
    });
    let (at, count) = names.filter(|(_, count)| (1..3).contains(count))?;
    Some(creates.quote(at).note(format!(
        "REDIS_NODES names {count} node{}, so the image's create step is refused, no slot is \
         handed out, and clients find no owner for any key (CLUSTER INFO: slots_assigned 0). List \
         at least three services (six with REDIS_CLUSTER_REPLICAS=1), each with its own volume; \
         for a test on one node: CLUSTER ADDSLOTSRANGE 0 16383 on that empty node.",
        if count == 1 { "" } else { "s" }
    )))
}

/// A node that once was a member, was taken out, and is to come in again.
const OUT_OF_THE_CLUSTER: &str = "It still has the table of the time when it was a \
    member, in which no peer answers it: it was scaled in (its slots were moved away, the \
    others forgot it) and kept its volume. With DBSIZE 0 nothing is lost when it is blanked: \
    CLUSTER RESET on this node alone (a primary with keys refuses it), then add-node again. \
    With keys, find out first why they were not moved: they are then perhaps the only copy.";

/// A MEET that was answered OK, and a table with nobody but the node itself.
pub(super) fn met_and_alone(seen: &Seen) -> Option<Hit> {
    let at = seen.lines.windows(2).position(|pair| match pair {
        [ask, answer] => ask.lower.contains("cluster meet ") && answer.text.trim() == "OK",
        _ => false,
    })?;
    let table = seen.tables.iter().find(|table| table.rows.first().is_some_and(|r| r.line > at))?;
    let [own] = table.rows.as_slice() else { return None };
    own.is_myself().then(|| {
        Hit::of(68).quote(at).quote(own.line).note(
            "MEET answers OK at once and tries in the background; a handshake that is not answered \
             within the node timeout is dropped without a line in the log.",
        )
    })
}

/// CLUSTER SLOTS or SHARDS with an empty answer.
fn empty_slots_reply(seen: &Seen) -> Option<Hit> {
    if seen.table().is_some_and(|table| table.assigned().len() == SLOT_COUNT) {
        return None;
    }
    let at = empty_map::asked(seen)?;
    Some(Hit::of(76).quote(at).quote(at + 1))
}

/// A node is asked for slots that answers with none, beside a table in which all have an owner.
fn asked_outside(seen: &Seen) -> Option<Hit> {
    let table = seen.table().filter(|table| table.assigned().len() == SLOT_COUNT)?;
    let at = empty_map::asked(seen)?;
    let line = seen.lines.get(at)?;
    let (_, host) = line.lower.split_once("-h ")?;
    let host: String = host.trim_start().chars().take_while(|c| !c.is_whitespace()).collect();
    let owns = table.rows.iter().any(|row| row.address.ip == host && !row.slots.is_empty());
    (!owns && !host.is_empty())
        .then(|| Hit::of(86).quote(at).quote(at + 1).fact("host", host.clone()))
}

/// A check of the tool in which no node has a slot.
fn checked_without_slots(seen: &Seen) -> Option<Hit> {
    let table = seen.table().filter(|table| table.source == Source::Check)?;
    let told = seen.has(&["not all 16384 slots are covered"]);
    let none = table.rows.iter().all(|row| row.slots.is_empty() && row.is_primary());
    (none && told).then(|| Hit::of(72).quotes(table.rows.iter().map(|row| row.line).take(3)))
}

/// A NetworkPolicy or port list that names client ports and no bus port, while peers are lost.
pub(super) fn policy_without_bus(seen: &Seen) -> Option<Hit> {
    // `kubectl describe networkpolicy` lists `To Port: 6379/TCP`.
    let listed = |lower: &str| {
        let rest = lower.trim().strip_prefix("to port:")?;
        rest.trim().split('/').next()?.parse::<u16>().ok()
    };
    let described: Vec<(usize, u16)> = seen
        .lines
        .iter()
        .enumerate()
        .filter_map(|(at, line)| Some((at, listed(&line.lower)?)))
        .collect();
    if !described.is_empty() && described.iter().all(|(_, port)| *port < 15_000) {
        let lost = !seen.failing().is_empty() || seen.says_fail();
        return lost.then(|| Hit::of(86).quotes(described.iter().map(|(at, _)| *at).take(2)));
    }
    let policy = seen.says(86, &["kind: networkpolicy"])?;
    let port = |line: &str| {
        let (name, value) = line.trim().trim_start_matches("- ").split_once(':')?;
        (name == "port").then(|| value.trim().parse::<u16>().ok())?
    };
    let ports: Vec<(usize, u16)> = seen
        .lines
        .iter()
        .enumerate()
        .filter_map(|(at, line)| Some((at, port(&line.lower)?)))
        .collect();
    let bus = ports.iter().any(|(_, port)| *port > 15_000);
    let lost = !seen.failing().is_empty() || seen.says_fail();
    (lost && !ports.is_empty() && !bus)
        .then(|| policy.quotes(ports.iter().map(|(at, _)| *at).take(2)))
}

/// Peers are lost on the bus and answer at their client port: the addresses are right.
pub(super) fn client_port_answers(seen: &Seen) -> Option<Hit> {
    let lost = seen.failing();
    let row =
        lost.iter().find(|row| row.linked == Some(false) && seen.answered(&row.address.ip))?;
    Some(
        Hit::of(78).quote(row.line).quotes(seen.lines_with(&["pong"]).into_iter().take(1)).note(
            format!("{} answers at its client port, so its address is right.", row.address.ip),
        ),
    )
}

/// ioredis closes its connection to a start node that the map does not name. Where the paste shows
/// the nodes of the map, the node is no empty one: it is known there by another address.
fn dropped_as_empty(seen: &Seen) -> Option<Hit> {
    let hit = seen.says(68, &["because the node does not hold any slot"])?;
    let mapped = [" as master", " as slave", "cluster slots result", "slots result count:"];
    let map = seen.tables.iter().any(|table| table.source == Source::Slots);
    Some(hit.less_if(34, map || seen.has(&mapped)))
}

/// Several nodes were asked, and each of them lists nobody but itself and owns no slot.
fn each_alone(seen: &Seen) -> Option<Hit> {
    let tables: Vec<_> = seen.tables.iter().filter(|table| table.source == Source::Nodes).collect();
    let blank = |row: &Row| row.is_myself() && row.slots.is_empty();
    let single = |rows: &[Row]| matches!(rows, [row] if blank(row));
    let mut ids: Vec<&str> =
        tables.iter().flat_map(|table| &table.rows).map(|row| row.id.as_str()).collect();
    ids.sort_unstable();
    ids.dedup();
    let lines = tables.iter().flat_map(|table| &table.rows).map(|row| row.line);
    (ids.len() >= 2 && tables.iter().all(|table| single(&table.rows))).then(|| {
        Hit::of(82).quotes(lines.take(3)).note(
            "Each of the nodes that were asked lists only itself, without slots and with the empty \
             address of one that was never met: they run side by side, all of them primaries, \
             and the step that makes a cluster of them (create, the chart's or operator's job) \
             did not run or broke off before its MEET. Its log says why: names that do not \
             resolve, a password, the bus port, a job that was never started.",
        )
    })
}

/// The tool is refused on its own machine, where another server is seen to run: nobody started the
/// one that it wants.
fn not_started(seen: &Seen, hit: Hit) -> Hit {
    let Some(refused) = seen.lines.iter().position(|line| {
        let own = ["at 127.0.0.1:", "at localhost:"].iter().any(|at| line.lower.contains(at));
        own && line.lower.contains("connection refused")
    }) else {
        return hit;
    };
    let port = |text: &str| {
        let (_, rest) =
            text.rsplit_once("127.0.0.1:").or_else(|| text.rsplit_once("localhost:"))?;
        let digits: String = rest.chars().take_while(char::is_ascii_digit).collect();
        (!digits.is_empty()).then_some(digits)
    };
    let Some(wanted) = seen.lines.get(refused).and_then(|line| port(&line.lower)) else {
        return hit;
    };
    // A process in a list, or an answer: a server of another port.
    let mut runs = seen.lines.iter().enumerate().filter(|(_, line)| {
        let process = ["redis-server ", "valkey-server "].iter().any(|p| line.lower.contains(p));
        process && line.lower.contains(':') && line.lower.contains("[cluster]")
    });
    let Some((process, _)) = runs.find(|(_, line)| !line.lower.contains(&format!(":{wanted}")))
    else {
        return hit;
    };
    let hit = Hit { side: Some(Side::Command), ..hit };
    hit.more_if(22, true).quote(process).note(format!(
        "'Connection refused' on the machine itself means that nothing listens on {wanted}; the \
         server that is seen to run has another port. No firewall, bind or protected mode is in \
         between."
    ))
    .step(format!(
        "Start a server for each address that create is given, {wanted} and so on: each with its \
         own port, dir and cluster-config-file, and cluster-enabled yes; redis-cli -p {wanted} \
         ping answers PONG."
    ))
    .step("Then the same create again: nothing was changed by the one that was refused.")
    .only_these_steps()
}
