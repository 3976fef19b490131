//! Nodes that cannot be found: old, lost, mangled and doubled addresses.

use std::collections::BTreeSet;

use super::announced::redirected_to_nowhere;
use super::no_address;
use super::own_address;
use super::own_row;
use super::refused_members;
use super::silence;
use super::unserved;
use crate::explain::cause::{Cause, Hit, Side};
use crate::explain::figures::{places, short};
use crate::explain::seen::{Seen, Source, is_ipv4};
use crate::explain::table::Row;
use crate::explain::template::list;
use crate::model::{Flag, SLOT_COUNT};

pub(super) static CAUSES: &[Cause] = &[
    Cause {
        code: "ALL_ADDRESSES_STALE",
        title: "All nodes came back with new addresses, and their tables hold the old ones",
        side: Side::Cluster,
        when: |seen| refused_members::scattered(seen).map(|hit| own_row::told(seen, hit)),
        cause: "All (or nearly all) nodes were restarted and got new IPs, but nodes.conf still \
            lists the old ones, and that file is the only way in which nodes find each other. \
            [[The addresses dialled, <<stale>>, are in no list of current addresses: they are \
            stale. ]][[Current addresses are <<current>>. ]]So bus links are not established at \
            all[[ (<<sent>> messages sent, <<received>> received)]], and a node that hears from \
            nobody counts only its own slots as served[[: <<slots_ok>> of 16384 slots are ok, \
            <<pfail>> are pfail, hence cluster_state:<<state>>]]. Node ids, slots and data are \
            intact; only the addresses are wrong. It does not heal by itself, because no node \
            knows a right address of any other.",
        check: "Compare the ip of each node's row in CLUSTER NODES with the address that the node \
            with this id (CLUSTER MYID) has now: all differ, while the ids match.",
        fix: &[
            "Read CLUSTER MYID at each current address, so that you know which node is where.",
            "From ONE primary[[ (<<asked>>)]] send CLUSTER MEET <current ip> <port>[[ \
             (<<others>>)]] for each other node; for a known id this only corrects the address. \
             Gossip tells the rest.",
            "Wait two node timeouts, then read CLUSTER NODES and CLUSTER INFO on every node. If the \
             first node still shows its own old IP, MEET it once from another node.",
            "Alternatively, with the nodes stopped, put the new IPs into each nodes.conf (whole \
             addresses only) and start them.",
            "So that it does not come back: do not restart all pods at once (one at a time tells its \
             new address to the others), with cluster-announce-ip from the pod's IP at every start \
             (downward API). That mends the own row only; where all can go at once, let each start \
             put the peers' present addresses in too (resolve the pods' names and MEET them), or \
             announce an address per pod that stays (a Service each).",
        ],
        never: &[
            "Do not run --cluster create or --cluster fix: the slots are assigned, and fix gives \
             them to others, which loses the data.",
            "Do not reset the nodes, delete nodes.conf or the volumes: that throws the identity and \
             the data away.",
            "Do not wait for it to heal by itself; it cannot.",
        ],
        like: &["BUS_PORT_BLOCKED", "NODE_IDENTITY_LOST"],
    },
    Cause {
        code: "SELF_ADDRESS_STALE",
        title: "A node reports its own old IP",
        side: Side::Cluster,
        when: |seen| own_address::differs(seen).or_else(|| self_stale(seen)),
        cause: "A node[[ (<<node>>)]] was restarted with a new IP. The others have learnt the new \
            one[[ (<<real>>)]], but the node itself still shows the old one[[ (<<old>>)]] on its \
            myself line, because its own address is taken from nodes.conf and changes only by a \
            MEET that it receives or by cluster-announce-ip. The servers work, but clients that \
            take the map from this node are sent to an address that does not exist: errors come \
            and go with the seed that is asked.",
        check: "Compare the myself line of CLUSTER NODES on the node itself with the line of the \
            same id on another node.",
        fix: &[
            "On another node: CLUSTER MEET with the node's current address[[ (<<real>>)]]; or on the \
             node itself CONFIG SET cluster-announce-ip to its current IP.",
            "Set cluster-announce-ip from the pod's IP at every start, or let the entrypoint \
             rewrite the ip of the myself line of nodes.conf before the server starts.",
        ],
        never: &[
            "Do not write a fixed cluster-announce-ip into a file that is not rendered at each \
             start: at the next restart it is wrong again.",
            "Do not delete nodes.conf or reset the node.",
        ],
        like: &["PEER_ADDRESS_STALE"],
    },
    Cause {
        code: "PEER_ADDRESS_STALE",
        title: "Some nodes are recorded with an address they do not have any more",
        side: Side::Cluster,
        when: peer_stale,
        cause: "Some entries hold an old address[[ (<<stale>>)]]; the nodes themselves are alive at \
            another one[[ (current: <<current>>)]]. A node that moved is found again only when it \
            reaches at least one peer at a valid address; here that did not happen yet for all.",
        check: "CLUSTER MYID at the current address of the node: the id of the entry that is \
            flagged fail means that it lives and only the address is old.",
        fix: &[
            "Where peers still see the node at its new address: wait two node timeouts; such \
             entries heal by gossip.",
            "Else send CLUSTER MEET <current ip> <port> from a node whose table is wrong.",
            "A replica that still dials the old address although the table is right: CLUSTER \
             REPLICATE <same primary id> on it.",
            "Announce addresses that outlive a restart, or set cluster-announce-ip at each start.",
        ],
        never: &[
            "Do not FORGET an entry whose id is alive elsewhere.",
            "Do not run --cluster fix; no slot lacks an owner.",
        ],
        like: &["ALL_ADDRESSES_STALE", "SHARD_DOWN"],
    },
    Cause {
        code: "NODES_CONF_MANGLED_BY_TEXT_REPLACE",
        title: "An address in nodes.conf is no valid address: <<bad>>",
        side: Side::Cluster,
        when: mangled,
        cause: "<<bad>> is not a valid IPv4 address. No server writes such an address: it comes \
            from a script that replaces IPs in nodes.conf as plain text at start (sed with the old \
            IP as the pattern). [[<<prefix>>, the address of another node, is a prefix of the old \
            text, so replacing the one changed the inside of the other and left a trailing digit. \
            ]]Other nodes and clients cannot use this address[[; it is that of <<role>>]].",
        check: "Look at the start script: does it replace an IP without matching the whole word \
            (followed by ':')? And read the same row on the other nodes.",
        fix: &[
            "Stop this one pod (one at a time), correct the address on the broken row of nodes.conf \
             to the node's real IP, and start it; keep a copy of the file. If the node is up, a \
             CLUSTER MEET <real ip> <port> to it from a peer corrects its own address as well.",
            "Mend the script so that it matches whole addresses only (up to the ':' and from the \
             blank), or replaces only the ip on the line that has 'myself'; or set \
             cluster-announce-ip instead.",
        ],
        never: &[
            "Do not reset the node and do not wipe its volume: id, slots and data are right.",
            "Do not look for the fault in DNS.",
        ],
        like: &["NODES_CONF_CORRUPT"],
    },
    Cause {
        code: "NODE_IP_QUESTION_MARK_BUG",
        title: "Addresses became '?': a server bug after a long stall",
        side: Side::Cluster,
        when: question_mark,
        cause: "This node stalled (or was cut off) for so long that it was failed over[[: its \
            log is silent from <<silent_from>> to <<silent_to>>]]. When it woke up, it asked for \
            the peer's address of bus links that were already closed; getpeername() failed, \
            and Redis before 7.0 stored '?' as the peers' IP (redis #9351, mended by PR 10696 in \
            7.0). So the demoted node now replicates from '<<address>>' and can never connect \
            ('Invalid argument'). It is not DNS. It cannot resync until it learns a real address.",
        check: "CLUSTER NODES on this node shows '?' in place of IPs, while the other nodes show \
            real addresses; INFO says a Redis older than 7.0.",
        fix: &[
            "Give it real addresses again: from this node CLUSTER MEET <ip> <port> to its new \
             primary and the other peers, then CLUSTER REPLICATE <id of the primary>; or restart \
             the node (check nodes.conf for '?' first).",
            "Set cluster-announce-ip on all nodes: then the address comes from the message, not \
             from the socket.",
            "Upgrade to 7.0 or later.",
            "Find the cause of the stall around the last 'Cluster state changed: fail': a save with \
             slow fsync, fork, swap, a frozen virtual machine, a long command.",
        ],
        never: &[
            "Do not edit DNS or /etc/hosts.",
            "Do not run --cluster fix, and do not reset the node: only the address is wrong.",
        ],
        like: &["SELF_ADDRESS_UNKNOWN"],
    },
    Cause {
        code: "SELF_ADDRESS_UNKNOWN",
        title: "A node does not know its own IP, so clients get an empty host",
        side: Side::Cluster,
        when: |seen| {
            let own = seen.server_rows().find(|row| {
                row.is_myself() && row.address.ip.is_empty() && !row.flags.has(Flag::NoAddress)
            });
            let slots = seen.tables.iter().filter(|table| table.source == Source::Slots);
            let handed = slots
                .flat_map(|t| &t.rows)
                .find(|row| row.address.ip.is_empty() && row.address.port != 0);
            if let Some(row) = handed {
                return Some(super::nowhere::never_told(seen, Hit::of(82).quote(row.line)));
            }
            let empty = dialled_without_host(seen).or_else(|| super::nowhere::redirected(seen));
            if empty.is_some() {
                return empty;
            }
            match own {
                Some(row) => {
                    // Versions before 4.0 (no '@' in the row) say so of themselves until somebody
                    // meets them.
                    let lost = seen.failing().len();
                    let old = seen.lines.get(row.line).is_some_and(|l| !l.text.contains('@'));
                    // Whoever was never met knows no address either: that is no cause, it follows.
                    let alone = row.slots.is_empty()
                        && seen.tables.iter().any(|table| {
                            table.rows.len() == 1 && table.rows.iter().any(|r| r.id == row.id)
                        });
                    let hit = Hit::of(74).less_if(20, lost > 0).less_if(14, old && lost > 0);
                    let hit = hit.less_if(28, alone);
                    Some(hit.quote(row.line))
                }
                None => moved_to_nowhere(seen, |host, port| host.is_empty() && port != "0"),
            }
        },
        cause: "The node never received a MEET or a PING that told it its own IP, and no \
            cluster-announce-ip is set. Its own row and its MOVED replies carry an empty host \
            (':port'), which clients take for 'the host I asked' or for their own machine. Typical \
            for a cluster of one node, or a node that was freshly reset or sent all MEETs itself.",
        check: "CLUSTER SLOTS at this node: its entries have an empty host.",
        fix: &["CLUSTER MEET <its ip> <port> sent to it from another node, or CONFIG SET \
             cluster-announce-ip <its ip> on it (and in its configuration)."],
        never: &["Do not change clients to dial 127.0.0.1."],
        like: &["CLIENT_NULL_OR_UNKNOWN_ENDPOINT"],
    },
    Cause {
        code: "PRIMARY_NOADDR_MASKED",
        title: "A slot owner has no address (noaddr)",
        side: Side::Cluster,
        when: no_address::owner,
        cause: "The primary <<node>> (<<slots>> slots) has no address any more: what answers at \
            its old address has another node id (a sibling that swapped addresses, a node that \
            lost its nodes.conf, or a foreign server). Redis neither pings such an entry nor marks \
            it FAIL, so there is no failover, and cluster_state may even say ok while clients get \
            'MOVED <slot> :0'.",
        check: "Ask CLUSTER MYID at every live address: if one answers with this id, it only moved \
            (MEET it); if none does, the identity is lost, and the old nodes.conf decides.",
        fix: &[
            "If the id is alive somewhere: CLUSTER MEET <its address> <port> from a node that shows \
             noaddr.",
            "If it is not: find the old nodes.conf and data of this id (another directory, an old \
             volume) and start the node from there, before anything else.",
            "If a replica of it is alive with the data, and this id is certainly nowhere any more: \
             compare its keys and master_replid with what you expect, copy its RDB/AOF away, then \
             CLUSTER FAILOVER FORCE on it. FORCE needs the votes of most primaries with slots; \
             where most of them are lost like this one, CLUSTER FAILOVER TAKEOVER, shard by shard.",
        ],
        never: &[
            "Do not FORGET this id before its slots are recovered.",
            "Do not run --cluster fix: it gives the slots to other nodes without the keys.",
        ],
        like: &["NODE_IDENTITY_LOST", "ADDRESS_REUSED_BY_FOREIGN_NODE"],
    },
    Cause {
        code: "MOVED_TO_PORT_ZERO",
        title: "MOVED points to ':0': the owner of the slot has no address",
        side: Side::Cluster,
        when: |seen| {
            moved_to_nowhere(seen, |_, port| port == "0").or_else(|| dialled_port_zero(seen))
        },
        cause: "The node that was asked knows the id of the slot's owner but not its address \
            (noaddr), or only a port that does not exist for this kind of connection (TLS against \
            plain). So it redirects to ':0', which no client can dial.",
        check: "CLUSTER NODES at the node that sent the MOVED: 'noaddr' on the owner means a lost \
            address; a right ip with port 0 means a missing TLS port.",
        fix: &[
            "With noaddr: find where the owner's id lives (CLUSTER MYID) and CLUSTER MEET it \
                there.",
            "With port 0: set tls-cluster yes or cluster-announce-tls-port, or upgrade to 7.2.",
        ],
        never: &["Do not FORGET the owner and do not run --cluster fix."],
        like: &["PRIMARY_NOADDR_MASKED", "TLS_PORT_CONFUSION"],
    },
    Cause {
        code: "LOOPBACK_ADDRESS",
        title: "Nodes are known as 127.0.0.1, which means something else on every machine",
        side: Side::Network,
        when: |seen| super::redirected::to_itself(seen).or_else(|| loopback(seen)),
        cause: "Nodes know each other as 127.0.0.1, so they announce it[[ (<<places>>)]] to each \
            other and to clients. On another machine or in another container that is the client \
            itself: MOVED leads to 127.0.0.1 and the connection is refused. On one single host it \
            works.",
        check: "CLUSTER NODES on every node: whom does it call 127.0.0.1? And CLUSTER SLOTS: does \
            it hand out 127.0.0.1 to a client that runs elsewhere?",
        fix: &[
            "Set cluster-announce-ip on every node to an IP that peers and clients reach (or CLUSTER \
             MEET each node by its routable IP from another host).",
            "For a client you cannot wait for: an address map (ioredis natMap, redis-py \
             address_remap, Lettuce MappingSocketAddressResolver).",
        ],
        never: &["Do not run --cluster fix: slots and data are fine."],
        like: &["ANNOUNCED_IP_UNREACHABLE_FROM_CLIENT"],
    },
    Cause {
        code: "GHOST_NODE_ENTRIES",
        title: "Dead nodes without slots are still listed",
        side: Side::Cluster,
        when: ghosts,
        cause: "[[<<ghosts>>: ]]flagged fail, without slots, and nothing depends on them: nodes that \
            left without being forgotten on every node. All slots are served by others. They cost \
            reconnects and alarms, and clients may complain about them, but no key is affected.",
        check: "Is any process with one of these ids still meant to come back? CLUSTER MYID on the \
            spare machines tells.",
        fix: &[
            "When they are gone for good and own no slots: CLUSTER FORGET <id> on EVERY remaining \
             node within 60 seconds, then look again after 90 seconds.",
            "A node that is meant to return: start it again with its old nodes.conf.",
        ],
        never: &["Do not FORGET an id that owns slots or still runs."],
        like: &["FORGOTTEN_NODE_REINTRODUCES_ITSELF", "REPLICA_DOWN"],
    },
];

fn current(seen: &Seen, hit: Hit) -> Hit {
    let ips: Vec<String> = seen.pod_ips.iter().cloned().collect();
    if ips.is_empty() {
        return hit;
    }
    // Whoever sends MEET does not send it to itself.
    let asked = seen.table().and_then(|table| table.myself()).map(|row| row.address.ip.clone());
    let asked = asked.filter(|ip| ips.contains(ip));
    let others: Vec<String> = ips.iter().filter(|ip| asked.as_ref() != Some(ip)).cloned().collect();
    let hit = hit.fact("current", list(&ips, 8)).fact("others", list(&others, 8));
    hit.fact_if("asked", asked)
}

/// The tool fails at addresses of its table that no pod has now.
fn dials_gone_pods(seen: &Seen) -> Option<Hit> {
    let refused = seen.lines.iter().enumerate().find_map(|(at, line)| {
        let rest = line.text.split_once("ould not connect to ")?.1.split_once(" at ")?.1;
        let (host, _) = rest.split_whitespace().next()?.split_once(':')?;
        (is_ipv4(host) && !seen.pod_ips.contains(host)).then(|| (at, host.to_owned()))
    });
    let (at, host) = refused.filter(|_| seen.pod_ips.len() >= 3)?;
    let hit = Hit::of(86).quote(at).quotes(seen.pods.iter().map(|pod| pod.line).take(2));
    Some(current(seen, hit.fact("stale", host)))
}

pub(super) fn all_stale(seen: &Seen) -> Option<Hit> {
    if let Some(hit) = dials_gone_pods(seen) {
        return Some(hit);
    }
    let roles = seen.stale_roles();
    let rows = seen.stale_rows();
    let gone = roles.iter().map(|role| &role.host).chain(rows.iter().map(|row| &row.address.ip));
    if gone.collect::<BTreeSet<_>>().len() >= 2
        && 2 * (roles.len() + rows.len()) > seen.rows().count()
    {
        let mut hosts: Vec<String> = roles.iter().map(|role| role.host.clone()).collect();
        hosts.extend(rows.iter().map(|row| row.address.ip.clone()));
        hosts.dedup();
        let lines = roles.iter().map(|role| role.line).chain(rows.iter().map(|row| row.line));
        let hit = Hit::of(93)
            .quotes(seen.field_line("cluster_stats_messages_received"))
            .quotes(lines.take(4))
            .fact("stale", list(&hosts, 6));
        return Some(current(seen, hit));
    }
    if let Some(hit) = all_peers_lost(seen) {
        return Some(hit);
    }
    let silent = seen.number("cluster_stats_messages_received") == Some(0)
        && seen.number("cluster_slots_pfail").is_some_and(|pfail| pfail > 0)
        && seen.number("cluster_known_nodes").is_some_and(|known| known > 2);
    let deaf = silent.then(|| Hit::of(68).quotes(seen.field_line("cluster_slots_pfail")));
    deaf.or_else(|| own_row::mended(seen)).or_else(|| ok_for_moments(seen)).or_else(|| {
        seen.says_all(
            60,
            &[
                &[
                    "pod",
                    "statefulset",
                    "docker",
                    "container",
                    "helm",
                    "swarm",
                    "service update",
                    "oom killed",
                    "rescheduled",
                ],
                &[
                    "different ip",
                    "ips have changed",
                    "changed ip",
                    "new ips",
                    "ip has changed",
                    "ip addresses change",
                    "other ip addresses",
                    "old ip",
                    "ip changed",
                    "new ip",
                    "ip address changed",
                    "ips changed",
                    "stale ip",
                ],
            ],
        )
        .map(|hit| hit.more_if(12, seen.says_fail() || seen.has(&["can't find each other"])))
    })
}

/// A table in which every peer is flagged and has no link.
pub(super) fn all_peers_lost(seen: &Seen) -> Option<Hit> {
    let table = seen.table().filter(|table| table.source != Source::Check)?;
    let peers: Vec<&Row> = table.rows.iter().filter(|row| !row.is_myself()).collect();
    // A link that is just being opened counts as connected, which it never becomes.
    let pods = seen.has(&[".svc", "kubectl", "statefulset"]);
    let lost = |row: &&Row| row.is_failing() && (pods || row.linked == Some(false));
    if peers.len() < 2 || !peers.iter().all(lost) {
        return None;
    }
    let answers = peers.iter().any(|row| seen.answered(&row.address.ip));
    let in_kubernetes = pods || seen.has(&["pod", "helm", "docker", "restart"]);
    Some(
        Hit::of(62)
            .more_if(14, in_kubernetes)
            .more_if(6, seen.number("cluster_stats_messages_received") == Some(0))
            .less_if(30, answers)
            .quotes(peers.iter().map(|row| row.line).take(3)),
    )
    .map(|hit| {
        let all = list(&places(peers.iter().copied()), 6);
        if seen.pod_ips.is_empty() {
            return hit.note(format!(
                "From this node every peer is unreachable: {all}. The text does not show which \
                 addresses they have now: compare with kubectl get pods -o wide (or docker \
                 inspect, ip addr). Others: it is this. The same: the processes are down or the \
                 bus is closed."
            ));
        }
        hit.fact("stale", all)
    })
}

/// Nodes that came up with their tables, held the cluster for ok, and then reached nobody: each
/// process says ok and fail once, and nobody was marked as failing before.
fn ok_for_moments(seen: &Seen) -> Option<Hit> {
    let came_up = seen.has(&["node configuration loaded", "ready to accept connections"]);
    let agreed = seen.has(&["quorum reached", "clear fail state", "fail message received"]);
    let (ok, fail) =
        (seen.says(0, &["state changed: ok"])?, seen.says(0, &["state changed: fail"])?);
    let contained = seen.has(&["kubectl", "docker", "statefulset", "compose", "helm", " | "]);
    (came_up && !agreed && contained && seen.flips() < 2).then(|| {
        Hit::of(66).quotes(ok.quotes.into_iter().take(2)).quotes(fail.quotes.into_iter().take(2))
    })
}

fn self_stale(seen: &Seen) -> Option<Hit> {
    for own in seen.server_rows().filter(|row| row.is_myself()) {
        let other = seen.server_rows().find(|row| {
            row.id == own.id
                && !row.is_myself()
                && !row.address.ip.is_empty()
                && row.address.ip != own.address.ip
        });
        if let Some(other) = other.filter(|_| !own.address.ip.is_empty()) {
            return Some(
                Hit::of(90)
                    .quote(own.line)
                    .quote(other.line)
                    .fact("node", short(&own.id))
                    .fact("old", own.place())
                    .fact("real", other.place()),
            );
        }
    }
    let stale = seen.stale_rows();
    let [only] = stale.as_slice() else { return None };
    only.is_myself().then(|| {
        current(
            seen,
            Hit::of(86).quote(only.line).fact("old", only.place()).fact("node", short(&only.id)),
        )
    })
}

/// Containers were stopped and started, and a node dials an address at which nobody answers.
fn dials_after_restart(seen: &Seen) -> Option<Hit> {
    let again =
        ["compose start", "compose up", "docker restart", "docker start", "compose restart"];
    let dials =
        ["error condition on socket for sync", "failed: connection refused", "no route to host"];
    let hit = seen.says_all(66, &[&again, &dials])?;
    seen.has(&["connecting to master", "connecting to primary", "connection with node"])
        .then_some(hit)
}

fn peer_stale(seen: &Seen) -> Option<Hit> {
    let stale = seen.stale_rows();
    let few = 2 * stale.len() <= seen.rows().count();
    if let Some(role) = seen.stale_roles().first().filter(|_| few) {
        let hit = Hit::of(80).quote(role.line).fact("stale", role.host.clone());
        return Some(current(seen, hit).note(format!(
            "A replica dials its primary at {}, which is no address of any node that runs now.",
            role.host
        )));
    }
    if !stale.is_empty() && few {
        let hit = Hit::of(78)
            .quotes(stale.iter().map(|row| row.line).take(3))
            .fact("stale", list(&places(stale.iter().copied()), 6));
        let hit = nobody_left(seen, &stale, hit);
        return Some(current(seen, unserved::of_the_old(seen, &stale, hit)));
    }
    if let Some(hit) = own_address_moved(seen).or_else(|| dials_after_restart(seen)) {
        return Some(hit);
    }
    seen.says(48, &["address updated for node"]).map(|hit| hit.less_if(10, seen.has(&["now ?:"])))
}

/// Every peer of the only view is old or flagged: nobody is left to hear the new addresses from, so
/// the node has to be told them.
fn nobody_left(seen: &Seen, stale: &[&Row], hit: Hit) -> Hit {
    let mut ids: Vec<&str> = seen.server_rows().filter(|r| r.is_myself()).map(|r| &*r.id).collect();
    ids.dedup();
    let peers = || seen.server_rows().filter(|row| !row.is_myself());
    let lost = |row: &Row| row.is_failing() || stale.iter().any(|old| old.id == row.id);
    let me = seen.server_rows().find(|row| row.is_myself());
    let Some(me) = me.filter(|_| ids.len() == 1 && peers().count() >= 2 && peers().all(lost))
    else {
        return hit;
    };
    let listed = |ip: &str| seen.server_rows().any(|row| row.address.ip == ip);
    let pods = seen.pods.iter().filter_map(|pod| Some((&pod.name, pod.ip.as_deref()?)));
    let new = pods.filter(|(_, ip)| !listed(ip)).map(|(name, ip)| format!("{ip} ({name})"));
    let new: Vec<String> = new.collect();
    let ids: Vec<String> = stale.iter().map(|row| short(&row.id)).collect();
    let from = if new.is_empty() { String::new() } else { format!(": {}", list(&new, 8)) };
    hit.note(format!(
        "Every peer that {} knows stands at an old address or is flagged, so gossip cannot heal it: \
         there is nobody to hear from, and no majority either. The ids and slots of its table are \
         whole; only the addresses are old.",
        me.place()
    ))
    .step(format!(
        "On {}: CLUSTER MEET <ip> {} to the present address of each peer{from}. Ask CLUSTER MYID \
         there first: it is a node of this table ({}, or a replica of one), which MEET takes to \
         its new address with its id and slots; one with another id that knows no cluster is blank \
         and is left out.",
        me.place(),
        me.address.port,
        list(&ids, 4)
    ))
}

/// A replica is refused at an address beside that of its own interface, in a container or on a
/// machine that was restarted.
fn own_address_moved(seen: &Seen) -> Option<Hit> {
    let dialled = seen.roles.iter().find(|role| is_ipv4(&role.host))?;
    let network = |ip: &str| ip.rsplit_once('.').map(|(net, _)| net.to_owned());
    let (at, own) = seen.lines.iter().enumerate().find_map(|(at, line)| {
        let rest = line.lower.split_once("inet addr:").or(line.lower.split_once("inet "))?.1;
        let ip = rest.trim().split([' ', '/']).next()?;
        (is_ipv4(ip) && !ip.starts_with("127.")).then(|| (at, ip.to_owned()))
    })?;
    let beside = own != dialled.host && network(&own) == network(&dialled.host);
    let told = seen.has(&["restart", "container", "docker", "reboot"]) || in_a_container(seen);
    let fails = seen.has(&["error condition on socket for sync", "no route to host", "timed out"]);
    (beside && told && fails).then(|| {
        Hit::of(82).quote(dialled.line).quote(at).fact("stale", dialled.host.clone()).note(format!(
            "The interface has {own} now, and {} is dialled: the container or machine got another \
             address when it was started again, and the nodes.conf of all nodes in it still has \
             the old one. CLUSTER MEET {own} <port> for each node, sent from one of them, corrects \
             it; a fixed address or cluster-announce-ip keeps it so.",
            dialled.host
        ))
    })
}

/// A prompt with the name that a container has by default: `root@0cd0e6c5d29f:/#`.
fn in_a_container(seen: &Seen) -> bool {
    seen.lines.iter().any(|line| {
        let host = line.lower.split_once("root@").map(|(_, rest)| rest);
        let host = host.and_then(|rest| rest.split([':', ' ']).next()).unwrap_or_default();
        host.len() == 12 && host.chars().all(|c| c.is_ascii_hexdigit())
    })
}

fn is_mangled(ip: &str) -> bool {
    is_ipv4(ip) && ip.split('.').any(|part| part.parse::<u32>().is_ok_and(|n| n > 255))
}

fn mangled(seen: &Seen) -> Option<Hit> {
    let row = seen.server_rows().find(|row| is_mangled(&row.address.ip));
    let Some(row) = row else {
        let ((host, _), line) = seen.addresses.iter().find(|((host, _), _)| is_mangled(host))?;
        return Some(Hit::of(85).quote(*line).fact("bad", host.clone()));
    };
    let bad = &row.address.ip;
    let prefix = seen.server_rows().find(|other| {
        other.address.ip != *bad
            && bad.starts_with(other.address.ip.as_str())
            && !other.address.ip.is_empty()
    });
    Some(
        Hit::of(96)
            .quote(row.line)
            .quotes(prefix.map(|row| row.line))
            .fact("bad", bad.clone())
            .fact_if("prefix", prefix.map(|row| row.address.ip.clone()))
            .fact(
                "role",
                format!(
                    "{}{}",
                    if row.is_myself() { "this node itself, a " } else { "a " },
                    if row.is_replica() { "replica" } else { "primary" }
                ),
            ),
    )
}

fn question_mark(seen: &Seen) -> Option<Hit> {
    let log = seen.says(96, &["connecting to master ?:", "now ?:", "connecting to primary ?:"]);
    let hit = match log {
        Some(hit) => hit,
        None => Hit::of(80).quote(seen.server_rows().find(|row| row.address.ip == "?")?.line),
    };
    // In the order of what happened: silence, the end of it, the demotion, the lost address.
    let first = |words: &[&str]| seen.lines_with(words).into_iter().take(1);
    let failed = seen.lines_with(&["cluster state changed: fail"]).first().copied();
    let silence = failed.and_then(|at| silence::before(seen, at));
    let told = Hit { quotes: Vec::new(), ..hit.clone() }
        .quotes(silence.as_ref().map(|one| one.before))
        .quotes(failed)
        .quotes(first(&["reconfiguring myself as a replica"]))
        .quotes(first(&["now ?:"]))
        .quotes(first(&["unable to connect to master: invalid argument"]));
    let hit = told
        .quotes(hit.quotes)
        .fact_if("silent_from", silence.as_ref().map(|one| one.from.clone()))
        .fact_if("silent_to", silence.as_ref().map(|one| one.to.clone()));
    let address = seen.word_after("connecting to master ").unwrap_or_else(|| "?".to_owned());
    Some(hit.fact("address", address))
}

/// `MOVED <slot> <host>:<port>` whose target fits.
fn moved_to_nowhere(seen: &Seen, fits: fn(&str, &str) -> bool) -> Option<Hit> {
    let at = seen.lines.iter().position(|line| {
        let Some((_, rest)) = line.text.split_once("MOVED ") else { return false };
        let mut words = rest.split([' ', '"', '\'', ',', ')']);
        let slot = words.next().is_some_and(|word| word.parse::<u16>().is_ok());
        let target = words.next().and_then(|word| word.rsplit_once(':'));
        slot && target.is_some_and(|(host, port)| port.parse::<u16>().is_ok() && fits(host, port))
    })?;
    Some(Hit::of(84).quote(at))
}

/// A client dials a port without a host: it was given an empty one.
fn dialled_without_host(seen: &Seen) -> Option<Hit> {
    let at = seen.lines.iter().position(|line| {
        ["dial tcp :", "econnrefused :", "connecting to :"].iter().any(|mark| {
            let rest = line.lower.split_once(mark).map(|(_, rest)| rest);
            rest.is_some_and(|rest| {
                let port = rest.split(|c: char| !c.is_ascii_digit()).next().unwrap_or_default();
                port.parse::<u16>().is_ok_and(|port| port != 0)
            })
        })
    })?;
    Some(Hit::of(86).quote(at).note(
        "The client dials ':port' without a host: the map it was given has an entry with an empty \
         address, which go-redis and others take for their own machine. A node answers so while it \
         does not know its own IP (freshly started or reset, not yet met). If the cluster is well \
         by now (CLUSTER SLOTS of every node shows an address everywhere), only clients that read \
         the map at that moment still have it: restart them, or upgrade to a release that puts the \
         address of the node that was asked in place of an empty one.",
    ))
}

/// A client dials port 0, or shows a map with an entry of an empty host and port 0.
fn dialled_port_zero(seen: &Seen) -> Option<Hit> {
    let shown = seen.says(84, &["['', 0,", "[\"\", 0,", ":0. connection refused"])?;
    let client = seen.client().is_some() || seen.has(&["cluster slots"]);
    client.then(|| {
        shown.note(
            "Here the map itself shows it: CLUSTER SLOTS names an owner with an empty host and \
             port 0, which is a node of the table whose address is not known (noaddr). The \
             libraries dial that entry. Often the table is an old nodes.conf that lay in the \
             directory in which the server was started: CLUSTER NODES at that server shows whose \
             id it is. Without any wanted data, start the server in a directory of its own, so \
             that it begins with an empty table.",
        )
    })
}

fn loopback(seen: &Seen) -> Option<Hit> {
    let log = seen.says(80, &["ip address for this node updated to 127."]).or_else(|| {
        // They had another address before, or there would be nothing to update.
        let mut rows = seen.server_rows().peekable();
        let local = rows.peek().is_some() && rows.all(|row| row.address.ip.starts_with("127."));
        let hit = seen.line_says(94, &["address updated for node", "now 127."]);
        hit.map(|hit| hit.less_if(30, local))
    });
    let far = seen
        .addresses
        .keys()
        .any(|(host, _)| !host.starts_with("127.") && host != "localhost" && host != "0.0.0.0");
    let elsewhere = seen.lines.iter().any(|line| {
        let mut words = line.text.split(|c: char| !(c.is_ascii_digit() || c == '.'));
        words.any(|word| is_ipv4(word) && !word.starts_with("127.") && word != "0.0.0.0")
    });
    let remote = far
        || elsewhere
        || seen.has(&[
            "docker",
            "container",
            "kubectl",
            "remote",
            "another machine",
            "other host",
            "from my laptop",
        ]);
    let rows: Vec<&Row> =
        seen.server_rows().filter(|row| row.address.ip.starts_with("127.")).collect();
    let refused = [
        "refused",
        "error 111 connecting",
        "failed to connect",
        "unable to connect",
        "is not reachable at this point",
    ];
    let at = seen.lines.iter().position(|line| {
        line.lower.contains("127.0.0.1:") && refused.iter().any(|word| line.lower.contains(word))
    });
    let moved = at
        .map(|at| Hit::of(62).quote(at))
        .or_else(|| seen.says(58, &["connect econnrefused 127.0.0.1", "dial tcp 127.0.0.1"]));
    let sent = redirected_to_nowhere(seen).filter(|(_, host)| host.starts_with("127."));
    if let Some(hit) = log.or_else(|| sent.map(|(at, _)| Hit::of(84).quote(at))) {
        return Some(hit);
    }
    if rows.is_empty() {
        if let Some(hit) = made_on_loopback(seen) {
            return Some(hit);
        }
        let target = seen.line_says(62, &["moved ", " 127.0.0.1:"]);
        return target
            .filter(|_| remote)
            .or(moved.filter(|_| seen.has(&["cluster", "hashslot"]) && remote));
    }
    (remote && rows.iter().any(|row| !row.is_failing())).then(|| {
        Hit::of(60)
            .more_if(16, moved.is_some())
            .quotes(rows.iter().map(|row| row.line).take(2))
            .fact("places", list(&places(rows.iter().copied()), 3))
    })
}

/// The tool made the cluster of 127.0.0.1 addresses, and a client begins at another host.
fn made_on_loopback(seen: &Seen) -> Option<Hit> {
    seen.client()?;
    let lines = seen.lines.iter().enumerate();
    let made: Vec<usize> = lines
        .filter(|(_, line)| line.text.trim().parse::<std::net::SocketAddr>().is_ok())
        .filter(|(_, line)| line.text.trim().starts_with("127."))
        .map(|(at, _)| at)
        .collect();
    let listed = seen.has(&["performing hash slots allocation", ">>> creating cluster"]);
    let dials = seen.lines.iter().position(|line| {
        let configured = line.lower.contains("host") || line.lower.contains("nodes");
        let words = line.text.split(|c: char| !(c.is_ascii_digit() || c == '.'));
        configured && words.into_iter().any(|word| is_ipv4(word) && !word.starts_with("127."))
    });
    let at = dials.filter(|_| listed && made.len() >= 2)?;
    let places: Vec<String> =
        made.iter().filter_map(|at| Some(seen.lines.get(*at)?.text.trim().to_owned())).collect();
    Some(
        Hit::of(84)
            .quotes(made.into_iter().take(2))
            .quote(at)
            .fact("places", list(&places, 3))
            .note(
                "The create script of the sources (utils/create-cluster) is for trials on one \
                 machine: it joins everything by 127.0.0.1, and without a password protected \
                 mode refuses clients from elsewhere as well.",
            ),
    )
}

fn ghosts(seen: &Seen) -> Option<Hit> {
    let table = seen.table()?;
    let dead: Vec<&Row> = table
        .rows
        .iter()
        .filter(|row| row.is_failing() && row.slots.is_empty() && !row.is_myself())
        .collect();
    let rest_is_well = table.rows.iter().all(|row| !row.is_failing() || row.slots.is_empty());
    let covered = table.assigned().len() == SLOT_COUNT;
    let living = table.rows.iter().any(|row| !row.is_failing() && !row.is_myself());
    (!dead.is_empty() && rest_is_well && covered && living).then(|| {
        Hit::of(60)
            .quotes(dead.iter().map(|row| row.line).take(3))
            .fact("ghosts", list(&places(dead.iter().copied()), 6))
    })
}
