//! Addresses that some can reach and others cannot: announcing, Docker, NAT, binding.

use super::announced::is_inner;
use super::{binding, own_bus_port};
use crate::explain::cause::{Cause, Hit, Side};
use crate::explain::seen::{Seen, Source, is_ipv4};
use crate::explain::table::Row;

pub(super) static CAUSES: &[Cause] = &[
    Cause {
        code: "DOCKER_BUS_PORT_NOT_PUBLISHED",
        title: "The container publishes the client port but not the bus port",
        side: Side::Network,
        when: |seen| {
            let maps = seen
                .lines
                .iter()
                .enumerate()
                .filter(|(_, l)| port_map(&l.text).is_some())
                .map(|(at, _)| at)
                .collect::<Vec<_>>();
            let bus =
                seen.lines.iter().filter_map(|l| port_map(&l.text)).any(|(host, _)| host > 15_000);
            let compose =
                seen.has(&["image:", "docker run", "docker ps", "ports:", "docker-compose"]);
            let trouble = seen.has(&["waiting for the cluster to join", "handshake", "fail?"]);
            let cluster = trouble || seen.has(&["cluster-enabled", "redis_cluster", "--cluster"]);
            (compose && cluster && !bus && !maps.is_empty())
                .then(|| Hit::of(if trouble { 84 } else { 60 }).quotes(maps.into_iter().take(3)))
        },
        cause: "The port list publishes only client ports[[ (<<ports>>)]]. The nodes also talk \
            over the bus port, client port + 10000, and to the outside a container is known by its \
            bridge address unless it is told otherwise. Across hosts (or when the published \
            address is announced) the bus is closed.",
        check: "docker ps: is client port + 10000 published, with the same number outside and \
            inside?",
        fix: &["Publish both, one to one (7000:7000 and 17000:17000 for each node), and set \
             cluster-announce-ip to the \
             host's address; or use host networking."],
        never: &["Do not map to other port numbers without announcing them."],
        like: &["BUS_PORT_BLOCKED", "ANNOUNCED_IP_UNREACHABLE_FROM_CLIENT"],
    },
    Cause {
        code: "BUS_PORT_WRONG",
        title: "MEET used a wrong bus port",
        side: Side::Command,
        when: |seen| {
            seen.setting("cluster-port")
                .filter(|s| s.value != "0")
                .and_then(|s| {
                    seen.has(&["cluster meet", "handshake", "waiting for the cluster"])
                        .then(|| Hit::of(80).quote(s.line))
                })
                .or_else(|| met_by_bus_port(seen))
                .map(|hit| own_bus_port::dials_the_usual_port(seen, hit))
        },
        cause: "CLUSTER MEET takes the CLIENT port, and adds 10000 for the bus, unless a bus port \
            is given as a third argument. With cluster-port set to something else, or the bus port \
            given as the client port, the handshake goes nowhere although MEET answers OK.",
        check: "CONFIG GET cluster-port on the target, against client port + 10000.",
        fix: &[
            "CLUSTER MEET <ip> <client port> <bus port> with the real bus port, from one node to \
             each other one.",
            "Or leave cluster-port out, so that the bus is at client port + 10000 again; either \
             way the same on all nodes, and that port open both ways.",
        ],
        never: &["Do not repeat MEET in a loop; each leaves a handshake entry."],
        like: &["BUS_PORT_BLOCKED"],
    },
    Cause {
        code: "CLIENT_ON_BUS_PORT",
        title: "A client (or a scanner) talks to the cluster bus port",
        side: Side::Client,
        when: |seen| seen.says(78, &["bad message length or signature received"]),
        cause: "The bus port got bytes that are no bus packets: a client, a probe or a load \
            balancer that was given port + 10000, a port map that leads the client port to the bus \
            port, or a peer that speaks TLS while this one does not.",
        check: "The address in the log line: a client (then it has the wrong port) or a peer (then \
            tls-cluster differs)?",
        fix: &[
            "Point clients and probes to the client port; for a peer, set tls-cluster equally on \
             all nodes.",
        ],
        never: &["Do not open the bus port to clients."],
        like: &["TLS_BUS_MISMATCH"],
    },
    Cause {
        code: "PROTECTED_MODE",
        title: "Protected mode refuses connections from other machines",
        side: Side::Cluster,
        when: |seen| {
            seen.says(
                94,
                &[
                    "running in protected mode",
                    "denied redis is running",
                    "denied valkey is running",
                ],
            )
        },
        cause: "The server has no password (before 7.0: and no explicit bind either), so protected \
            mode allows connections from loopback only: clients, replicas and redis-cli from \
            elsewhere, another container too, get DENIED. The server itself gave that answer, so \
            network, port and names are in order. The bus is not concerned.",
        check: "redis-cli on the machine itself works, from another machine it says DENIED.",
        fix: &[
            "Set masterauth on ALL nodes first, then requirepass (or ACL users) on all of them (in \
             the other order replicas cannot log in), in their start command or configuration too; \
             then give clients and redis-cli (-a <password>, also with --cluster) that password.",
        ],
        never: &["Do not simply switch protected mode off on a network that others reach."],
        like: &["BIND_LOOPBACK"],
    },
    Cause {
        code: "BIND_LOOPBACK",
        title: "The server listens on 127.0.0.1 only",
        side: Side::Cluster,
        when: |seen| {
            let on_loopback = seen.lines.iter().position(|line| {
                line.lower.contains("listen") && line.lower.contains(" 127.0.0.1:")
            });
            let refused = seen.has(&["connection refused", "could not connect"]);
            if let Some(at) = on_loopback.filter(|_| refused) {
                return Some(Hit::of(86).quote(at));
            }
            if let Some(hit) = binding::answers_inside_only(seen) {
                return Some(hit);
            }
            let bind = seen.settings.iter().find(|s| {
                s.name == "bind"
                    && s.value.starts_with("127.0.0.1")
                    && !s.value.contains("0.0.0.0")
                    && s.value
                        .split_whitespace()
                        .all(|w| w.starts_with("127.") || w.contains("::1"))
            })?;
            let far = seen
                .addresses
                .keys()
                .any(|(h, _)| !h.starts_with("127.") && h != "localhost" && h != "0.0.0.0");
            Some(Hit::of(if far { 86 } else { 56 }).quote(bind.line))
        },
        cause: "bind 127.0.0.1 makes the client port AND the bus port listen on loopback only, so \
            no other machine or container reaches this node, and with bind the outgoing bus \
            connections may come from 127.0.0.1 too.",
        check: "ss -ltnp: is the port bound to 127.0.0.1 only?",
        fix: &[
            "bind to the node's own IP (put it first; 127.0.0.1 may follow), with a password, on \
             every node; restart one after the other.",
        ],
        never: &["Do not bind to all interfaces without a password."],
        like: &["PROTECTED_MODE", "BUS_PORT_BLOCKED"],
    },
    Cause {
        code: "SOURCE_ADDRESS_MISMATCH",
        title: "Nodes appear to come from another address than the one they listen on",
        side: Side::Network,
        when: |seen| {
            seen.says(
                62,
                &[
                    "bind-source-addr",
                    "multiple interfaces",
                    "two network interfaces",
                    "multi-homed",
                    "127.0.0.6",
                    "wrong interface",
                ],
            )
            .or_else(|| came_through_a_bridge(seen))
        },
        cause: "A node learns a peer's address from the source of its connection. With several \
            interfaces, a bridge, NAT or a mesh proxy that source is not where the peer listens, \
            so the recorded address is wrong.",
        check: "CLUSTER NODES on the receiver: is the peer's ip an address that it listens on?",
        fix: &["Set cluster-announce-ip on every node (or bind-source-addr), then CLUSTER MEET \
             again; exclude the redis and bus ports from a mesh's interception."],
        never: &["Do not reset the nodes."],
        like: &["K8S_SIDECAR_MESH", "LOOPBACK_ADDRESS"],
    },
    Cause {
        code: "BUS_ONE_WAY_PARTITION",
        title: "The path between two nodes works in one direction only",
        side: Side::Network,
        when: |seen| {
            seen.says(60, &["one way", "one direction", "asymmetric", "only one node sees"])
                .or_else(|| well_but_flagged(seen))
                .or_else(|| one_accuser(seen))
                .or_else(|| seen.says(64, &["exceeding send buffer memory limit"]))
        },
        cause: "One node holds a peer for unreachable while all others, and the peer itself, see \
            no fault: packets pass in one direction only (a firewall or policy on one side), or \
            only small ones pass (each bus packet is larger than 2200 bytes).",
        check: "nc to the bus port (client port + 10000) in BOTH directions between the two; \
            CLUSTER LINKS on both (7.0 and later); and ping -M do -s 1472 from host to host.",
        fix: &[
            "Open the bus port in both directions; set cluster-link-sendbuf-limit so that queues \
             do not grow.",
        ],
        never: &["Do not remove the accused node."],
        like: &["BUS_PORT_BLOCKED", "MTU_BLACKHOLE"],
    },
    Cause {
        code: "MTU_BLACKHOLE",
        title: "Connections open, but large packets are lost (MTU)",
        side: Side::Network,
        when: |seen| {
            seen.says(
                66,
                &[
                    "mtu=",
                    "mtu ",
                    " mtu",
                    "message too long",
                    "fragmentation needed",
                    "vxlan",
                    "jumbo frame",
                ],
            )
        },
        cause: "Every bus packet is larger than 2 KB. Where the path's MTU is smaller than what \
            the interfaces believe (overlay networks, VPN), small exchanges like PING work and bus \
            links and full syncs stall.",
        check: "ping -M do -s 1472 between the hosts, and tracepath.",
        fix: &["Lower the MTU of the overlay, or clamp the MSS."],
        never: &["Do not reset nodes for it."],
        like: &["BUS_PORT_BLOCKED"],
    },
    Cause {
        code: "MANAGED_SERVICE_CLUSTER_MODE",
        title: "A managed service is used in the wrong mode (cluster client, endpoint or TLS)",
        side: Side::Client,
        when: |seen| {
            if let Some(hit) = super::endpoints::wrong_mode(seen) {
                return Some(hit.fact("modes", MODES));
            }
            if let Some(hit) = super::endpoints::hidden_shards(seen) {
                return Some(hit);
            }
            // The name of a service says where, and not yet what.
            let hit = seen.says(
                50,
                &[
                    "cache.amazonaws.com",
                    "redis.cache.windows.net",
                    "elasticache",
                    "memorydb",
                    "memorystore",
                    "azure cache",
                    "redis memory store",
                    "google memory store",
                ],
            )?;
            if !seen.has(&SYMPTOMS) {
                return None;
            }
            let without_cluster = ["unknown command `cluster`", "unknown command 'cluster'"];
            let hit = hit.fact("modes", MODES).and(seen, 30, &without_cluster);
            let azure = hit.quotes.iter().any(|at| {
                seen.lines.get(*at).is_some_and(|line| {
                    line.lower.contains("azure") || line.lower.contains("windows.net")
                })
            });
            // Clustered caches there have their nodes at ports of these ranges.
            let ranges = ["moved ", ":1500", ":1300"];
            let hit = if azure { hit.note(AZURE).and(seen, 26, &ranges) } else { hit };
            let hit = hit.more_if(10, seen.has(&["clusterallfailed", "timeout"]));
            let hit = hit.more_if(6, seen.has(&["lastnodeerror"]));
            Some(hit.more_if(
                12,
                seen.has(&[
                    "connection is closed",
                    "cluster support disabled",
                    "closed unexpectedly",
                    "econnreset",
                    "altname",
                ]),
            ))
        },
        cause: "[[<<modes>> ]]The cluster is healthy.",
        check: "Is cluster mode enabled, is encryption in transit on, and is the client inside the \
            VPC and its security group?",
        fix: &[
            "Use the configuration endpoint and TLS (ioredis: redisOptions.tls = {} and dnsLookup: \
             (address, callback) => callback(null, address)).",
            "With cluster mode disabled use the plain client and the primary endpoint.",
        ],
        never: &["Do not switch the verification of certificates off."],
        like: &["ANNOUNCED_IP_UNREACHABLE_FROM_CLIENT"],
    },
    Cause {
        code: "DUAL_STACK_MISMATCH",
        title: "IPv4 and IPv6 are mixed",
        side: Side::Network,
        when: |seen| {
            let dialled = seen.says(
                70,
                &["econnrefused ::1", "dial tcp [::1]", "connecting to ::1", "/[0:0:0:0:0:0:0:1]"],
            );
            dialled.or_else(|| two_families(seen)).or_else(|| {
                let told = seen.says(58, &["ipv6", "::1:6379", "dual-stack", "dual stack"])?;
                let failed = [
                    "refused",
                    "unreachable",
                    "cannot assign requested address",
                    "handshake",
                    "disconnected",
                    "waiting for the cluster",
                ];
                seen.has(&failed).then_some(told)
            })
        },
        cause: "The name resolves to an IPv6 address first (localhost becomes ::1 in newer \
            runtimes), or nodes announce one family and clients or peers use the other, where \
            nothing listens.",
        check: "Which family does the client dial, and which does the server listen on (ss -ltn)?",
        fix: &["Use one family everywhere: 127.0.0.1 in place of localhost, the client's option \
             family: 4, and bind for both if both are meant."],
        never: &["Do not change the cluster's tables for it."],
        like: &["CLIENT_SEEDS_UNREACHABLE"],
    },
];

/// What services have in common that can switch cluster mode on and off.
const MODES: &str = "Managed services have two modes. With cluster mode disabled a cluster client \
    gets 'cluster support disabled'; with cluster mode enabled the configuration endpoint \
    (clustercfg...) must be the start node. With encryption in transit a plain client sees only \
    closed connections, and TLS to the IPs of the map fails the check of names unless the client \
    keeps the host name.";

/// What goes wrong with a client: a name alone is no fault.
const SYMPTOMS: [&str; 15] = [
    "error",
    "exception",
    "fail",
    "timeout",
    "timed out",
    "refused",
    "closed",
    "reset",
    "moved ",
    "cannot",
    "can't",
    "could not",
    "unable",
    "unknown command",
    "disabled",
];

/// `Node A reported node B as not reachable`, and nobody but A says so.
fn one_accuser(seen: &Seen) -> Option<Hit> {
    let said = |lower: &str| {
        let (head, rest) = lower.split_once(" reported node ")?;
        let accused = rest.split_whitespace().next()?.to_owned();
        let accuser = head.rsplit_once("node ")?.1.split_whitespace().next()?.to_owned();
        rest.contains("as not reachable").then_some((accuser, accused))
    };
    let mut words = seen.lines.iter().enumerate().filter_map(|(at, l)| Some((at, said(&l.lower)?)));
    let (first, (accuser, accused)) = words.next()?;
    let again: Vec<(usize, (String, String))> = words.collect();
    let same = !again.is_empty() && again.iter().all(|(_, (who, _))| *who == accuser);
    (same && !seen.has(&["quorum reached"])).then(|| {
        Hit::of(66).quote(first).quotes(again.iter().map(|(at, _)| *at).take(2)).note(format!(
            "Only node {accuser} reports {accused}, again and again; no majority ever agrees. So the \
             path between these two is at fault, or the one that reports is too busy itself."
        ))
    })
}

/// A node that is flagged fail over a link that stands, and that answers clients.
fn well_but_flagged(seen: &Seen) -> Option<Hit> {
    let failing = seen.failing();
    let row =
        failing.iter().find(|row| row.linked == Some(true) && seen.answered(&row.address.ip))?;
    Some(Hit::of(76).quote(row.line).quotes(seen.lines_with(&["pong"]).into_iter().take(1)).note(
        format!(
            "{} answers clients, its link is called connected, and it is flagged fail all the \
                same.",
            row.place()
        ),
    ))
}

/// A table with addresses of both families, while those of the other family are lost.
fn two_families(seen: &Seen) -> Option<Hit> {
    let table = seen.table().filter(|table| table.source == Source::Nodes)?;
    let six = |row: &&Row| row.address.ip.contains(':');
    let four = |row: &&Row| is_ipv4(&row.address.ip);
    let new = table.rows.iter().find(six)?;
    let old = table.rows.iter().find(four)?;
    let mine_is_six = six(&table.myself()?);
    let lost = |row: &&Row| row.is_failing() || row.linked == Some(false);
    let cut = table.rows.iter().filter(lost).any(|row| six(&row) != mine_is_six);
    cut.then(|| Hit::of(82).quote(new.line).quote(old.line))
}

/// A peer is known by the address of a bridge's gateway: what a packet from another host looks like
/// inside a container.
fn came_through_a_bridge(seen: &Seen) -> Option<Hit> {
    let contained = seen.has(&["docker", "compose", "podman", "bridge"]);
    let gateway = |row: &&Row| {
        let parts: Vec<&str> = row.address.ip.split('.').collect();
        matches!(parts.as_slice(), ["172", _, _, "1"]) && is_inner(&row.address.ip)
    };
    let row = seen.server_rows().find(gateway).filter(|_| contained);
    let Some(row) = row else { return replicates_through_a_bridge(seen).filter(|_| contained) };
    Some(Hit::of(80).quote(row.line).note(format!(
        "{} is the gateway of a container bridge: a node on another host, or behind a published \
         port, is seen from there.",
        row.address.ip
    )))
}

/// `slave0:ip=172.18.0.1`: a replica that its primary knows by the gateway of a container bridge.
fn replicates_through_a_bridge(seen: &Seen) -> Option<Hit> {
    let at = seen.lines.iter().position(|line| {
        let ip = line.lower.trim().strip_prefix("slave").and_then(|rest| rest.split_once(":ip="));
        let ip = ip.and_then(|(_, rest)| rest.split(',').next()).unwrap_or_default();
        ip.starts_with("172.") && ip.ends_with(".1") && is_inner(ip)
    })?;
    Some(Hit::of(78).quote(at).note(
        "The primary knows its replica by the gateway of a container bridge, so nobody can dial it \
         there: set replica-announce-ip and replica-announce-port (cluster-announce-* in a \
         cluster) on the replica.",
    ))
}

/// What is particular about the shards of Azure.
const AZURE: &str = "On Azure the shards answer at the ports 13000-13999 (plain) and 15000-15999 \
    (TLS) of the same name, so MOVED to such a port is right: the client must be a cluster client, \
    follow it over TLS, and the firewall must let these ports through beside 6380.";

/// A MEET whose second argument is a bus port: 10000 above a usual client port.
fn met_by_bus_port(seen: &Seen) -> Option<Hit> {
    let at = seen.lines.iter().position(|line| {
        let words = line.lower.split_whitespace().map(|word| word.trim_matches(['"', '\'']));
        let port = words.skip_while(|word| *word != "meet").nth(2);
        port.and_then(|port| port.parse::<u16>().ok()).is_some_and(|port| {
            (16_379..16_400).contains(&port) || (17_000..17_100).contains(&port)
        })
    })?;
    Some(Hit::of(74).quote(at))
}

/// `7001:7000` or `0.0.0.0:7001->7000/tcp` of a port list: the port outside and the one inside.
pub(super) fn port_map(text: &str) -> Option<(u16, u16)> {
    let text = text.trim().trim_start_matches("- ").trim_matches(|c| c == '"' || c == '\'');
    let (outside, inside) = match text.split_once("->") {
        Some((left, right)) => (left.rsplit(':').next()?, right.split('/').next()?),
        None => text.rsplit_once(':')?,
    };
    let outside = outside.rsplit([':', ' ']).next()?.split('-').next()?;
    Some((outside.parse().ok()?, inside.split(['-', '/']).next()?.parse().ok()?))
        .filter(|(outside, inside): &(u16, u16)| *outside > 1_000 && *inside > 1_000)
}
