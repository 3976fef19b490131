//! Addresses that some can reach and others cannot: announcing, Docker, NAT, binding.

use crate::explain::cause::{Cause, Hit, Side};
use crate::explain::seen::{Seen, Source, is_ipv4};
use crate::explain::table::Row;
use crate::explain::template::list;
use crate::model::Flag;

pub(super) static CAUSES: &[Cause] = &[
    Cause {
        code: "ANNOUNCED_IP_UNREACHABLE_FROM_CLIENT",
        title: "The nodes announce addresses that the client cannot reach",
        side: Side::Network,
        when: announced,
        cause: "[[The cluster itself is fine (state <<state>>, <<slots_ok>> slots ok). ]]The \
            client reaches its \
            start node[[ (<<seed>>)]], asks for the map, and from then on dials the addresses \
            that the nodes \
            ANNOUNCE[[: <<announced>>]]. Those are internal ones (a Docker network, pod IPs, a \
            private \
            network behind NAT) and not the published address that the client can reach, so it \
            fails after the first step.",
        check: "From the client's machine: redis-cli -h <start node> cluster slots, then nc -vz \
            to an address \
            in that reply[[ (<<announced>>)]].",
        fix: &[
            "On every node set cluster-announce-ip[[ <<seed_ip>>]] (the address that clients \
             reach), with \
             cluster-announce-port and cluster-announce-bus-port, and publish both ports one to \
             one.",
            "Or translate in the client: ioredis natMap, redis-py address_remap, Lettuce \
             MappingSocketAddressResolver, Jedis HostAndPortMapper, go-redis Dialer.",
            "Or run the client inside the same network.",
        ],
        never: &[
            "Do not run --cluster fix and do not recreate the cluster: it is healthy.",
            "Raising timeouts alone changes nothing.",
        ],
        like: &["CLIENT_STALE_TOPOLOGY", "BUS_PORT_BLOCKED"],
    },
    Cause {
        code: "ANNOUNCE_ADDRESS_WRONG",
        title: "cluster-announce-* names an address at which the node is not reachable",
        side: Side::Cluster,
        when: |seen| {
            if let Some(hit) = shared_place(seen) {
                return Some(hit);
            }
            let set = seen.setting("cluster-announce-ip")?;
            let bad = seen.has(&[
                "fail?",
                "waiting for the cluster to join",
                "cluster_state:fail",
                "disconnected",
            ]);
            let loopback = set.value.starts_with("127.") || set.value.starts_with("0.0.0.0");
            let hit = Hit::of(40).quote(set.line).fact("value", set.value.clone());
            Some(
                hit.more_if(26, bad)
                    .more_if(18, loopback && seen.has(&["docker", "compose", "image:"])),
            )
        },
        cause: "[[<<same>> ]][[cluster-announce-ip is <<value>>. ]]What a node announces \
            is what peers and clients dial, on \
            the announced \
            port and bus port. If this address does not lead to this very node (an old pod IP, a \
            load \
            balancer, the host without published bus port, 127.0.0.1), the bus links fail. Note \
            that the bus \
            port announced by default is the real one, not announce-port + 10000.",
        check: "From another node: nc -vz [[<<value>> ]]on the announced client port and bus port; \
            and CLUSTER MYID \
            there must be this node's id.",
        fix: &[
            "Set cluster-announce-ip, -port and -bus-port to what peers AND clients reach \
             (CONFIG SET works at \
             once), and render it at every start.",
            "Publish the bus port one to one.",
        ],
        never: &["Do not announce one shared virtual IP for several nodes."],
        like: &["BUS_PORT_BLOCKED", "ALL_ADDRESSES_STALE"],
    },
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
            over the bus port, \
            client port + 10000, and to the outside a container is known by its bridge address \
            unless it is \
            told otherwise. Across hosts (or when the published address is announced) the bus is \
            closed.",
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
        },
        cause: "CLUSTER MEET takes the CLIENT port, and adds 10000 for the bus, unless a bus \
            port is given as a \
            third argument. With cluster-port set to something else, or the bus port given as the \
            client port, \
            the handshake goes nowhere although MEET answers OK.",
        check: "CONFIG GET cluster-port on the target, against client port + 10000.",
        fix: &["CLUSTER MEET <ip> <client port> <bus port> with the real bus port."],
        never: &["Do not repeat MEET in a loop; each leaves a handshake entry."],
        like: &["BUS_PORT_BLOCKED"],
    },
    Cause {
        code: "CLIENT_ON_BUS_PORT",
        title: "A client (or a scanner) talks to the cluster bus port",
        side: Side::Client,
        when: |seen| seen.says(78, &["bad message length or signature received"]),
        cause: "The bus port got bytes that are no bus packets: a client, a probe or a load \
            balancer that was \
            given port + 10000, a port map that leads the client port to the bus port, or a peer \
            that speaks \
            TLS while this one does not.",
        check: "The address in the log line: a client (then it has the wrong port) or a peer \
            (then tls-cluster \
            differs)?",
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
        cause: "The server has no password and no explicit bind, so protected mode allows \
            connections from \
            loopback only: clients, replicas and redis-cli from elsewhere get DENIED. The bus is \
            not \
            concerned, so the nodes may even show ok.",
        check: "redis-cli on the machine itself works, from another machine it says DENIED.",
        fix: &[
            "Set masterauth on all nodes first, then requirepass (or ACL users) on all of them, \
             and bind to the \
             interfaces needed: in the other order replicas cannot log in.",
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
        cause: "bind 127.0.0.1 makes the client port AND the bus port listen on loopback only, \
            so no other \
            machine or container reaches this node, and with bind the outgoing bus connections \
            may come from \
            127.0.0.1 too.",
        check: "ss -ltnp: is the port bound to 127.0.0.1 only?",
        fix: &[
            "bind to the node's own IP (put it first; 127.0.0.1 may follow), with a password, on \
             every node; \
            restart one after the other.",
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
            interfaces, a \
            bridge, NAT or a mesh proxy that source is not where the peer listens, so the \
            recorded address is \
            wrong.",
        check: "CLUSTER NODES on the receiver: is the peer's ip an address that it listens on?",
        fix: &["Set cluster-announce-ip on every node (or bind-source-addr), then CLUSTER MEET \
             again; exclude the \
            redis and bus ports from a mesh's interception."],
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
            no fault: \
            packets pass in one direction only (a firewall or policy on one side), or only small \
            ones pass (each bus packet is larger than 2200 bytes).",
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
            the interfaces \
            believe (overlay networks, VPN), small exchanges like PING work and bus links and \
            full syncs stall.",
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
            let hit = seen.says(
                58,
                &[
                    "cache.amazonaws.com",
                    "redis.cache.windows.net",
                    "elasticache",
                    "memorydb",
                    "memorystore",
                    "azure cache",
                ],
            )?;
            let without_cluster = ["unknown command `cluster`", "unknown command 'cluster'"];
            let hit = hit.and(seen, 20, &without_cluster);
            let azure = hit.quotes.iter().any(|at| {
                seen.lines.get(*at).is_some_and(|line| {
                    line.lower.contains("azure") || line.lower.contains("windows.net")
                })
            });
            let hit = if azure { hit.note(AZURE).and(seen, 16, &["moved "]) } else { hit };
            Some(hit.more_if(
                14,
                seen.has(&[
                    "connection is closed",
                    "clusterallfailed",
                    "cluster support disabled",
                    "closed unexpectedly",
                    "econnreset",
                    "timeout",
                    "altname",
                ]),
            ))
        },
        cause: "Managed services have two modes. With cluster mode disabled a cluster client \
            gets 'cluster support \
            disabled'; with cluster mode enabled the configuration endpoint (clustercfg...) must \
            be the start \
            node. With encryption in transit a plain client sees only closed connections, and TLS \
            to the IPs \
            of the map fails the check of names unless the client keeps the host name. The \
            cluster is \
            healthy.",
        check: "Is cluster mode enabled, is encryption in transit on, and is the client inside \
            the VPC and its \
            security group?",
        fix: &[
            "Use the configuration endpoint and TLS (ioredis: redisOptions.tls = {} and \
             dnsLookup: (address, \
             callback) => callback(null, address)).",
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
            runtimes), or nodes \
            announce one family and clients or peers use the other, where nothing listens.",
        check: "Which family does the client dial, and which does the server listen on (ss -ltn)?",
        fix: &["Use one family everywhere: 127.0.0.1 in place of localhost, the client's option \
             family: 4, and bind \
            for both if both are meant."],
        never: &["Do not change the cluster's tables for it."],
        like: &["CLIENT_SEEDS_UNREACHABLE"],
    },
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
            "{} answers clients, its link is called connected, and it is flagged fail all the same.",
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

/// Several living nodes announce one and the same place: one address and port for all of them.
fn shared_place(seen: &Seen) -> Option<Hit> {
    let rows = &seen.table().filter(|table| table.source == Source::Nodes)?.rows;
    let named = |row: &&Row| {
        row.address.port != 0 && is_ipv4(&row.address.ip) && !row.flags.has(Flag::NoAddress)
    };
    let named: Vec<&Row> = rows.iter().filter(named).collect();
    // A node under a new id beside its old one is no matter of what is announced.
    let reborn = named.len() >= 2
        && named.iter().any(|row| row.is_failing())
        && named.iter().any(|row| !row.is_failing() && row.slots.is_empty());
    let same = |row: &Row| named.iter().filter(|other| other.place() == row.place()).count();
    let shared: Vec<&Row> = named.iter().copied().filter(|row| same(row) > 1).collect();
    let first = shared.first().filter(|_| shared.len() > 2 || !reborn)?;
    let loopback = first.address.ip.starts_with("127.");
    if loopback && named.iter().any(|row| !row.address.ip.starts_with("127.")) {
        return None;
    }
    let setting = seen.setting("cluster-announce-ip");
    Some(
        Hit::of(if shared.len() > 2 { 91 } else { 72 })
            .quotes(shared.iter().map(|row| row.line).take(3))
            .quotes(setting.map(|setting| setting.line))
            .fact_if("value", setting.map(|setting| setting.value.clone()))
            .fact(
                "same",
                format!(
                    "{} nodes carry the same address and port, {}: whoever dials it reaches one \
                     of them at most, and the bus takes the answer for that of a stranger.",
                    shared.len(),
                    first.place()
                ),
            ),
    )
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

pub(super) fn is_inner(ip: &str) -> bool {
    let second: u16 = ip.split('.').nth(1).and_then(|n| n.parse().ok()).unwrap_or(0);
    ip.starts_with("10.")
        || ip.starts_with("192.168.")
        || ip.starts_with("127.")
        || (ip.starts_with("172.") && (16..32).contains(&second))
        || (ip.starts_with("100.") && (64..128).contains(&second))
}

/// Where a client names its first nodes.
const CONFIGURED: [&str; 8] = [
    "host:",
    "new redis.cluster",
    "startup_nodes",
    "addrs:",
    "redisuri",
    "nodes:",
    "seed",
    "rediscluster(",
];

/// What a client says of an address that it cannot reach.
pub(super) const UNREACHABLE: [&str; 27] = [
    "[errno 60]",
    "[errno 110]",
    "[errno 113]",
    "failed to connect to any host resolved",
    "connect timed out",
    "enetunreach",
    "error 113 connecting",
    "error 110 connecting",
    "error 10060 connecting",
    "unabletoconnect on ",
    "error 10061 connecting to 172.",
    "etimedout",
    "connect econnrefused 172.",
    "connect econnrefused 10.",
    "ehostunreach",
    "i/o timeout",
    "unable to connect to [",
    "failed to connect to 172.",
    "unable to connect to 172.",
    "connecttimeout",
    "connection timed out",
    "no route to host",
    "unable to connect to 10.",
    "failed connecting to",
    "is not reachable at this point",
    "timed out attempting to find data in the correct node",
    "timeout connecting to server",
];

/// Signs of a network that only its own hosts can reach.
const INNER_NETWORK: [&str; 11] = [
    "docker",
    "172.17.",
    "172.18.",
    "172.19.",
    "172.20.",
    "bridge",
    " nat ",
    "natted",
    "natmap",
    "port-forward",
    "localhost",
];

/// Quoted addresses in lines that speak of a host.
fn hosts_in_config(seen: &Seen) -> Vec<String> {
    let lines = seen.lines.iter().filter(|line| line.lower.contains("host"));
    lines
        .flat_map(|line| line.text.split(['\'', '"']))
        .filter(|word| is_ipv4(word))
        .map(str::to_owned)
        .collect()
}

/// Whether a line names an address that only the cluster's own network can reach.
fn names_inner(seen: &Seen, line: usize) -> bool {
    let text = seen.lines.get(line).map_or("", |line| line.text.as_str());
    ipv4s(text).any(|ip| is_inner(ip) && !ip.starts_with("127."))
}

/// Whether the text shows that the client comes in from another network: by a public address, a
/// balancer, a published port.
fn is_outside(seen: &Seen) -> bool {
    let said = [
        "load balancer",
        "loadbalancer",
        "nodeport",
        "external ip",
        "public ip",
        "host.docker.internal",
        "localhost:",
        "from my laptop",
        "outside the cluster",
        "outside of the cluster",
    ];
    let local = |ip: &str| is_inner(ip) || ip.starts_with("0.") || ip.starts_with("255.");
    seen.has(&said) || seen.lines.iter().any(|line| ipv4s(&line.text).any(|ip| !local(ip)))
}

/// The IPv4 addresses of a line.
pub(super) fn ipv4s(text: &str) -> impl Iterator<Item = &str> {
    let words = text.split(|c: char| !(c.is_ascii_digit() || c == '.'));
    words
        .map(|word| word.trim_matches('.'))
        .filter(|word| is_ipv4(word) && word.split('.').all(|part| part.parse::<u8>().is_ok()))
}

/// redis-cli followed a redirect, and the address it was sent to did not answer: the line of the
/// failure and the host.
pub(super) fn redirected_to_nowhere(seen: &Seen) -> Option<(usize, String)> {
    let told: Vec<&str> = seen
        .lines
        .iter()
        .filter(|line| line.lower.contains("redirected to slot"))
        .filter_map(|line| line.text.split_once("located at ").map(|(_, place)| place.trim()))
        .collect();
    seen.lines.iter().enumerate().find_map(|(at, line)| {
        let (_, rest) = line.text.split_once("ould not connect to ")?;
        let place = rest.split(" at ").nth(1)?.split_whitespace().next()?.trim_end_matches(':');
        let host = place.rsplit_once(':').map_or(place, |(host, _)| host);
        told.contains(&place).then(|| (at, host.to_owned()))
    })
}

/// Where a redirect led to nowhere: into another network than that of the node that was asked, or
/// into the same one; then the node there may just be down.
fn sent_elsewhere(seen: &Seen) -> Option<Hit> {
    let (at, host) = redirected_to_nowhere(seen).filter(|(_, h)| !h.starts_with("127."))?;
    let network = |ip: &str| ip.splitn(3, '.').take(2).map(str::to_owned).collect::<Vec<_>>();
    let near = |ip: &str| ip != host && network(ip) == network(&host);
    let same = seen.addresses.keys().any(|(ip, _)| near(ip))
        || seen.lines.iter().any(|line| line.text.contains(" -h ") && ipv4s(&line.text).any(near));
    Some(Hit::of(if same { 54 } else { 86 }).quote(at).fact("announced", host))
}

/// Some nodes are known by public addresses and one by an inner one: the node that was asked names
/// itself by its interface, the others were met from outside. Or a client that reached nodes at
/// public addresses fails at an inner one.
fn one_inner_among_public(seen: &Seen) -> Option<Hit> {
    seen.client()?;
    let named = |row: &&Row| is_ipv4(&row.address.ip) && !row.address.ip.starts_with("127.");
    let rows: Vec<&Row> = seen.server_rows().filter(named).collect();
    let (inner, public): (Vec<&Row>, Vec<&Row>) =
        rows.iter().partition(|row| is_inner(&row.address.ip));
    let healthy = !rows.iter().any(|row| row.is_failing());
    if let Some(first) = inner.first().filter(|_| public.len() > inner.len() && healthy) {
        let hit = Hit::of(88).quote(first.line).quotes(public.first().map(|row| row.line));
        return Some(hit.fact("announced", first.place()));
    }
    let reached = seen.lines.iter().any(|line| {
        let well = ["added for slot", "connections initialized for", "connected to"];
        well.iter().any(|word| line.lower.contains(word))
            && ipv4s(&line.text).any(|ip| !is_inner(ip))
    });
    let failed =
        ["can't connect to master: redis", "can't add master: redis", "can't add slave: redis"];
    let at = seen.lines_with(&failed).into_iter().find(|at| names_inner(seen, *at))?;
    Some(Hit::of(if reached { 88 } else { 60 }).quote(at))
}

/// Ways to one node of a network that is closed otherwise.
const TUNNELS: [&str; 4] = ["port-forward", "ssh -l", "ssh -n -l", "tunnel"];

/// A client that has its map fails at an address of the map.
const MAPPED: [&str; 2] = ["no more cluster attempts left", "clustermaxattempts"];

/// A client fails behind a tunnel to one node, and does not say at which address.
fn through_a_tunnel(seen: &Seen) -> Option<Hit> {
    let fails = ["cluster isn't ready", "failed to refresh slots", "error", "exception"];
    let library = seen.client().is_some() && seen.has(&fails);
    seen.says(74, &MAPPED).or_else(|| seen.says(74, &TUNNELS).filter(|_| library))
}

/// Addresses at which a client of the text begins.
fn seed_ips(seen: &Seen) -> Vec<String> {
    let configured = |line: usize| {
        seen.lines.get(line).is_some_and(|l| CONFIGURED.iter().any(|m| l.lower.contains(m)))
    };
    let named = seen.addresses.iter().filter(|(_, line)| configured(**line));
    hosts_in_config(seen).into_iter().chain(named.map(|(a, _)| a.0.clone())).collect()
}

fn announced(seen: &Seen) -> Option<Hit> {
    if let Some(hit) = sent_elsewhere(seen).or_else(|| one_inner_among_public(seen)) {
        return Some(hit);
    }
    let seed_ips = seed_ips(seen);
    let mut told: Vec<String> = Vec::new();
    let mut lines = Vec::new();
    for row in seen.server_rows() {
        if is_inner(&row.address.ip) && !told.contains(&row.address.ip) {
            told.push(row.address.ip.clone());
            lines.push(row.line);
        }
    }
    let other =
        !told.is_empty() && !seed_ips.is_empty() && seed_ips.iter().all(|ip| !told.contains(ip));
    let errors = seen.lines_with(&UNREACHABLE);
    if other {
        return Some(
            Hit::of(84)
                .more_if(8, seen.says_ok())
                .less_if(30, seen.says_fail())
                .quotes(lines.into_iter().take(2))
                .quotes(
                    seen.lines_with(&seed_ips.iter().map(String::as_str).collect::<Vec<_>>())
                        .into_iter()
                        .take(1),
                )
                .quotes(errors.into_iter().take(1))
                .fact("announced", list(&told, 4))
                .fact("seed", list(&dedup(&seed_ips), 3))
                .fact_if("seed_ip", seed_ips.first().cloned()),
        );
    }
    let told_line = |line: &usize| {
        let text = seen.lines.get(*line).map_or("", |line| line.lower.as_str());
        told.iter().any(|ip| text.contains(ip.as_str()))
    };
    let dialled_what_was_told = errors.iter().any(told_line);
    // Some libraries print the address on the line below the error.
    let names = |line: &usize| names_inner(seen, *line) || names_inner(seen, *line + 1);
    let from_outside = errors.iter().any(names) && is_outside(seen);
    let forwarded = seen.has(&TUNNELS);
    if forwarded && errors.is_empty() {
        return through_a_tunnel(seen);
    }
    let moved = seen.lines_with(&["moved "]);
    (!errors.is_empty()
        && !seen.says_fail()
        && (seen.client().is_some()
            || seen.has(&INNER_NETWORK)
            || from_outside
            || !moved.is_empty()))
    .then(|| {
        Hit::of(52)
            .more_if(14, seen.has(&INNER_NETWORK))
            .more_if(20, dialled_what_was_told || from_outside)
            .more_if(16, forwarded || seen.has(&MAPPED))
            .more_if(6, seen.says_ok())
            .less_if(12, seen.has(&["docker stop", "compose stop", "yaml stop", "kill -9"]))
            .quotes(errors)
            .quotes(moved.into_iter().take(1))
            .fact_if("announced", (!told.is_empty()).then(|| list(&told, 4)))
    })
}

fn dedup(words: &[String]) -> Vec<String> {
    let mut out = words.to_vec();
    out.sort();
    out.dedup();
    out
}
