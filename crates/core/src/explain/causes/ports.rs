//! Ports that the nodes announce, and that lead nowhere.

use crate::explain::cause::{Cause, Hit, Side};
use crate::explain::seen::{Seen, Setting};
use crate::explain::table::Row;
use crate::explain::template::list;

use super::network::port_map;

pub(super) static CAUSES: &[Cause] = &[
    Cause {
        code: "ANNOUNCED_CLIENT_PORT_WRONG",
        title: "The nodes announce a client port that is their bus port or 0",
        side: Side::Cluster,
        when: |seen| client_port_wrong(seen).or_else(|| announces_the_bus(seen)),
        cause: "The table gives <<places>>: the client port that is announced is the port of the \
            cluster bus, or 0. Clients dial what is announced, so they speak RESP (or TLS) to the \
            bus and time out, and replicas cannot reach their primary for replication, so no \
            failover succeeds either[[ (<<setting>>)]].",
        check: "CONFIG GET cluster-announce* and port tls-port on each node, beside the \
            ip:port@busport column of CLUSTER NODES.",
        fix: &[
            "Set cluster-announce-port (and cluster-announce-tls-port where TLS is spoken) to the \
             port that clients reach, cluster-announce-bus-port to the one that nodes reach; \
             CONFIG SET works without a restart. Where nothing translates ports, leave all three \
             unset.",
            "Check CLUSTER NODES of another node: the column changes with the next gossip. Then \
             write the values into the source of the settings.",
        ],
        never: &[
            "Do not reset nodes or run --cluster fix: slots and data are fine.",
            "Raising connectTimeout changes nothing.",
        ],
        like: &["TLS_PORT_CONFUSION", "ANNOUNCED_IP_UNREACHABLE_FROM_CLIENT"],
    },
    Cause {
        code: "BUS_PORT_MISMATCH",
        title: "Nodes announce or remember a bus port that nobody listens on",
        side: Side::Cluster,
        when: bus_port_mismatch,
        cause: "Most nodes use client port + 10000 for the bus; <<odd>> stand with another bus \
            port. Peers dial exactly what stands behind the @, so the bus link to these nodes \
            never comes about[[ (<<failing>> flagged failing)]] while their client ports answer.",
        check: "On the odd node: CONFIG GET cluster-port cluster-announce-bus-port, and ss -ltn \
            for the port it really listens on; nc -vz from a peer to both.",
        fix: &[
            "Make them agree: remove or correct cluster-announce-bus-port (or cluster-port) on the \
             odd node; then CLUSTER MEET <ip> <port> <bus port> from a healthy node, which updates \
             the address of the known id.",
            "Open that bus port between all nodes in both directions.",
        ],
        never: &[
            "Do not FORGET or reset the node: it keeps its id and slots.",
            "Testing the client port alone proves nothing about the bus.",
        ],
        like: &["BUS_PORT_BLOCKED"],
    },
    Cause {
        code: "PORT_REMAPPED",
        title: "The container's ports are published under other numbers, which nodes do not know",
        side: Side::Network,
        when: |seen| published_otherwise(seen).or_else(|| remapped(seen)),
        cause: "Ports are translated (<<maps>>), but a node announces the port it listens on \
            inside and the bus port that follows from it. So peers and clients dial <<inside>> on \
            the published address, which is another container or nobody: MEET never completes, or \
            clients are redirected to the wrong node.",
        check: "CLUSTER NODES on one node: the ip:port@busport it shows for itself must be what \
            the others can dial.",
        fix: &[
            "Give each node its own port inside as well and publish it one to one, client and bus \
             port (7001:7001 and 17001:17001), or use host networking.",
            "Or set on each node cluster-announce-ip, cluster-announce-port and \
             cluster-announce-bus-port to \
             the published ones, before it meets others.",
            "Or translate in the client: ioredis natMap, redis-py address_remap, Lettuce \
             MappingSocketAddressResolver, Jedis HostAndPortMapper, go-redis ClusterSlots or \
             Dialer.",
        ],
        never: &[
            "Do not create the cluster again and again: each attempt leaves state behind in \
             nodes.conf.",
            "Do not run --cluster fix and do not raise timeouts for it.",
        ],
        like: &["DOCKER_BUS_PORT_NOT_PUBLISHED", "ANNOUNCED_IP_UNREACHABLE_FROM_CLIENT"],
    },
];

/// Rows whose client port cannot be one: the bus port, or 0 where no TLS port stands beside it.
fn client_port_wrong(seen: &Seen) -> Option<Hit> {
    let is_wrong = |row: &&Row| {
        let line = seen.lines.get(row.line).map_or("", |line| line.lower.as_str());
        let other_port = line.contains("tls-port=") && !line.contains("tls-port=0");
        let nowhere = row.address.ip.is_empty() || row.address.ip == "?";
        let port = row.address.port;
        !nowhere && ((port == 0 && !other_port) || row.address.bus_port == Some(port))
    };
    let wrong: Vec<&Row> = seen.server_rows().filter(is_wrong).collect();
    let first = wrong.first()?;
    let setting =
        seen.setting("cluster-announce-tls-port").or(seen.setting("cluster-announce-port"));
    let place = |row: &&Row| {
        let bus = row.address.bus_port.map_or_else(String::new, |port| format!("@{port}"));
        format!("{}{bus}", row.place())
    };
    let places: Vec<String> = wrong.iter().map(place).collect();
    let mut hit = Hit::of(90);
    if wrong.iter().any(|row| row.address.bus_port == Some(0)) {
        hit = hit.note(
            "A row of ip:0@0 was seen on 7.2 after a pod came back on another IP \
             (redis/redis#12605): the node was learnt without its ports. CLUSTER MEET <ip> <port> \
             of that node from a healthy one gives them back; upgrade to the newest 7.2 or \
             later.",
        );
    }
    Some(
        hit.quote(first.line)
            .quotes(setting.map(|setting| setting.line))
            .fact("places", list(&places, 3))
            .fact_if("setting", setting.map(|s| format!("{} {}", s.name, s.value))),
    )
}

/// Most rows have the usual bus port, and a few another.
fn bus_port_mismatch(seen: &Seen) -> Option<Hit> {
    let (mut odd, mut usual): (Vec<&Row>, usize) = (Vec::new(), 0);
    for row in seen.server_rows() {
        let (Some(bus), port) = (row.address.bus_port, row.address.port) else { continue };
        if port == 0 || bus == port {
            continue;
        }
        if Some(bus) == port.checked_add(10_000) {
            usual += 1;
        } else {
            odd.push(row);
        }
    }
    let failing = odd.iter().filter(|row| row.is_failing() || row.linked == Some(false)).count();
    (!odd.is_empty() && usual > 0 && odd.len() <= usual && failing > 0).then(|| {
        let places: Vec<String> = odd
            .iter()
            .map(|row| format!("{}@{}", row.place(), row.address.bus_port.unwrap_or(0)))
            .collect();
        Hit::of(82)
            .quotes(odd.iter().map(|row| row.line).take(3))
            .fact("odd", list(&places, 3))
            .fact("failing", failing.to_string())
    })
}

/// A published port that leads to a port inside at which no server of the text listens.
fn published_to_nobody(seen: &Seen) -> Option<Hit> {
    let listens: Vec<u16> = seen
        .settings
        .iter()
        .filter(|s| s.name == "port")
        .filter_map(|s| s.value.split_whitespace().next()?.parse().ok())
        .filter(|port| *port != 0)
        .collect();
    let heard = |port: u16| {
        listens.contains(&port)
            || listens.iter().any(|client| client.checked_add(10_000) == Some(port))
    };
    let (at, outside, inside) = seen.lines.iter().enumerate().find_map(|(at, line)| {
        let maps = line.text.split_whitespace().filter(|word| word.contains(':'));
        let (outside, inside) = maps
            .filter_map(port_map)
            .find(|(outside, inside)| heard(*outside) && !heard(*inside))?;
        Some((at, outside, inside))
    })?;
    // In the options of a client 'port' is what it dials.
    let of_client = |line: usize| seen.lines.get(line).is_some_and(|l| l.text.contains("port:"));
    let server = seen.settings.iter().find(|s| s.name == "port" && !of_client(s.line))?;
    seen.has(&["docker", "ports:", "compose", "podman", "services:"]).then(|| {
        Hit::of(88)
            .quote(at)
            .quote(server.line)
            .fact("maps", format!("{outside}:{inside}"))
            .fact("inside", inside.to_string())
            .note(format!(
                "Inside the container nobody listens on {inside}: the server's own port is \
                 {outside}, so the map must be {outside}:{outside}, and the bus port's likewise."
            ))
    })
}

/// Ports that the nodes announce are numbers inside a container, and on the host they are others.
fn published_otherwise(seen: &Seen) -> Option<Hit> {
    let mut maps: Vec<(usize, u16, u16)> = Vec::new();
    for (at, line) in seen.lines.iter().enumerate() {
        // An address of a table or a log is no map; docker ps has arrows, compose quotes.
        let words = line.text.split_whitespace().filter(|word| word.contains("->"));
        maps.extend(words.filter_map(port_map).map(|(outside, inside)| (at, outside, inside)));
        let item = line.text.trim().strip_prefix("- ").and_then(port_map);
        maps.extend(item.map(|(outside, inside)| (at, outside, inside)));
    }
    let open = |port: u16| maps.iter().any(|(_, outside, _)| *outside == port);
    // Where several containers have one number inside, it does not tell which is meant.
    let host = |port: u16| {
        let mut to = maps.iter().filter(|(_, _, inside)| *inside == port);
        let (at, outside, _) = to.next().filter(|_| !open(port))?;
        to.next().is_none().then_some((*at, *outside))
    };
    let mut moved: Vec<(usize, u16, usize, u16)> = Vec::new();
    for row in seen.server_rows() {
        let known = moved.iter().any(|(_, port, ..)| *port == row.address.port);
        if let Some((at, outside)) = host(row.address.port).filter(|_| !known) {
            moved.push((row.line, row.address.port, at, outside));
        }
    }
    let (row, inside, at, _) = *moved.first()?;
    let near = |ip: &str| ip.starts_with("127.") || ip == "localhost";
    let here = seen.server_rows().all(|row| near(&row.address.ip));
    let fails = ["refused", "timeout", "timed out", "unreachable", "moved "];
    let dials = |line: &crate::explain::lines::Line| {
        fails.iter().any(|word| line.lower.contains(word))
            && moved.iter().any(|(_, port, ..)| line.text.contains(&format!(":{port}")))
    };
    let dialled = seen.lines.iter().position(dials);
    let list_of =
        |numbers: Vec<u16>| list(&numbers.iter().map(u16::to_string).collect::<Vec<_>>(), 6);
    let (told, real): (Vec<u16>, Vec<u16>) = moved.iter().map(|m| (m.1, m.3)).unzip();
    let maps: Vec<String> = moved.iter().map(|m| format!("{}->{}", m.3, m.1)).collect();
    Some(
        Hit::of(if here { 88 } else { 62 })
            .more_if(6, dialled.is_some())
            .quotes(dialled)
            .quote(row)
            .quote(at)
            .fact("maps", list(&maps, 6))
            .fact("inside", inside.to_string())
            .note(format!(
                "The table announces {}, which are numbers inside the container; on the host these \
                 are {}. The start node answers at its published port, and the map it hands out \
                 leads to ports that are closed on the host. The cluster itself is not at fault.",
                list_of(told),
                list_of(real)
            )),
    )
}

/// A published port that differs from the one inside, and no announced port.
fn remapped(seen: &Seen) -> Option<Hit> {
    if let Some(hit) = published_to_nobody(seen) {
        return Some(hit);
    }
    let docker = seen.has(&["docker", "ports:", "compose", "podman"]);
    let cluster = seen.has(&[
        "cluster-enabled",
        "--cluster",
        "redis-trib",
        "cluster meet",
        "redis_cluster",
        "waiting for the cluster to join",
    ]);
    let announced = seen.has(&["announce-port", "announce_port", "announce-bus-port"]);
    if !docker || !cluster || announced {
        return None;
    }
    let mut maps: Vec<(usize, u16, u16)> = Vec::new();
    for (at, line) in seen.lines.iter().enumerate() {
        let words = line.text.split_whitespace().filter(|word| word.contains(':'));
        let found = words.filter_map(port_map).filter(|(outside, inside)| outside != inside);
        maps.extend(found.map(|(outside, inside)| (at, outside, inside)));
    }
    let first = maps.first()?;
    let texts: Vec<String> =
        maps.iter().map(|(_, outside, inside)| format!("{outside}:{inside}")).collect();
    Some(
        Hit::of(80)
            .more_if(8, seen.has(&["waiting for the cluster to join", "moved "]))
            .quotes(maps.iter().map(|(at, _, _)| *at).take(3))
            .fact("maps", list(&texts, 4))
            .fact("inside", first.2.to_string()),
    )
}

/// A client port that is announced as 0, or that is the bus port of the server.
fn announces_the_bus(seen: &Seen) -> Option<Hit> {
    let names = ["cluster-announce-port", "cluster-announce-tls-port"];
    let announced = |setting: &&Setting| names.contains(&setting.name.as_str());
    let port = |setting: &Setting| setting.value.parse::<u16>().ok();
    let real = |wanted: u16| {
        let serves = |s: &Setting| matches!(s.name.as_str(), "port" | "tls-port");
        wanted == 6379 || seen.settings.iter().any(|s| serves(s) && port(s) == Some(wanted))
    };
    let set = seen.settings.iter().filter(announced).find(|setting| {
        port(setting).and_then(|port| port.checked_sub(10_000)).is_some_and(real)
    })?;
    let host = seen.setting("cluster-announce-ip").map_or("?", |ip| ip.value.as_str());
    let places = format!("{host}:{}", set.value);
    let wanted = port(set).map_or(0, |port| port - 10_000);
    Some(Hit::of(90).quote(set.line).fact("places", places).note(format!(
        "{} is {}: that is the bus port of {wanted}, not a port for clients. Clients are sent to it \
         and get nothing, and replicas copy from it in vain, so no failover succeeds either. \
         Announce the client port in {} ({wanted}) and the bus port in cluster-announce-bus-port, \
         on all nodes, by CONFIG SET and in the files.",
        set.name,
        set.value,
        set.name
    )))
}
