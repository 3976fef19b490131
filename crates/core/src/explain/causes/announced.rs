//! Addresses that nodes announce and clients cannot reach: Docker, NAT, other networks, tunnels.

use super::dialled;
use crate::explain::cause::{Cause, Hit, Side};
use crate::explain::figures::slots;
use crate::explain::lines::Line;
use crate::explain::seen::{Seen, Setting, Source, is_ipv4};
use crate::explain::table::Row;
use crate::explain::template::list;
use crate::model::{Flag, SLOT_COUNT};

pub(super) static CAUSES: &[Cause] = &[
    Cause {
        code: "ANNOUNCED_IP_UNREACHABLE_FROM_CLIENT",
        title: "The nodes announce addresses that the client cannot reach",
        side: Side::Network,
        when: |seen| {
            let hit = announced(seen).or_else(|| sent_inside(seen));
            let hit = stronger(stronger(hit, named_inside(seen)), dialled::inside(seen));
            let hit = stronger(hit, super::outside::behind_nat(seen));
            let hit = stronger(hit, super::redirected::to_the_inside(seen));
            // What no node has now is announced by none.
            hit.map(|hit| hit.less_if(24, dialled::gone(seen).is_some()))
                .map(|hit| super::at_the_start::announces_nothing(seen, hit))
        },
        cause: "[[The cluster itself is fine (state <<state>>, <<slots_ok>> slots ok). ]]The \
            client reaches its start node[[ (<<seed>>)]], asks for the map, and from then on dials \
            the addresses that the nodes ANNOUNCE[[: <<announced>>]]. Those are internal ones (a \
            Docker network, pod IPs, a private network behind NAT) and not the published address \
            that the client can reach, so it fails after the first step.",
        check: "From the client's machine: redis-cli -h <start node> cluster slots, then nc -vz to \
            an address in that reply[[ (<<announced>>)]].",
        fix: &[
            "On every node set cluster-announce-ip[[ <<seed_ip>>]] (the address that clients \
             reach), with cluster-announce-port and cluster-announce-bus-port, and publish both \
             ports one to one.",
            "Or translate in the client: ioredis natMap, redis-py address_remap, Lettuce \
             MappingSocketAddressResolver, Jedis HostAndPortMapper, go-redis Dialer.",
            "Or run the client inside the same network.",
        ],
        never: &[
            "Do not run --cluster fix and do not recreate the cluster: it is healthy.",
            "Raising timeouts alone changes nothing.",
        ],
        like: &["CLIENT_STALE_TOPOLOGY"],
    },
    Cause {
        code: "ANNOUNCE_ADDRESS_WRONG",
        title: "cluster-announce-* names an address at which the node is not reachable",
        side: Side::Cluster,
        when: |seen| {
            let shared = shared_place(seen).or_else(|| shared_setting(seen));
            let shared = shared.or_else(|| super::one_for_all::announced(seen));
            let shared = shared.or_else(|| super::literal::own_address(seen));
            if let Some(hit) = shared.or_else(|| calls_itself_otherwise(seen)) {
                return Some(hit);
            }
            let set = seen.setting("cluster-announce-ip")?;
            let bad = seen.has(&[
                "fail?",
                "waiting for the cluster to join",
                "cluster_state:fail",
                "disconnected",
            ]);
            if let Some((ip, port)) = ip_and_port(&set.value) {
                return Some(with_a_port(seen, set, ip, port));
            }
            let begins = ["127.", "0.0.0.0", "localhost"];
            let loopback = begins.iter().any(|begin| set.value.starts_with(begin));
            let hit = Hit::of(40).quote(set.line).fact("value", set.value.clone());
            let contained = loopback && seen.has(&["docker", "compose", "image:"]);
            let hit = hit.more_if(26, bad).more_if(20, contained);
            Some(if contained { hit.note(LOOPBACK_INSIDE) } else { hit })
        },
        cause: "[[<<same>> ]][[<<itself>> ]][[cluster-announce-ip is <<value>>. ]]What a node \
            announces is what peers and clients dial, on the announced port and bus port. If this \
            address does not lead to this very node (an old pod IP, a load balancer, the host \
            without published bus port, 127.0.0.1), the bus links fail. Note that the bus port \
            announced by default is the real one, not announce-port + 10000.",
        check: "From another node: nc -vz [[<<value>> ]]on the announced client port and bus port; \
            and CLUSTER MYID there must be this node's id.",
        fix: &[
            "Set cluster-announce-ip, -port and -bus-port to what peers AND clients reach (CONFIG \
             SET works at once), and render it at every start.",
            "Publish the bus port one to one.",
        ],
        never: &["Do not announce one shared virtual IP for several nodes."],
        like: &["BUS_PORT_BLOCKED", "ALL_ADDRESSES_STALE"],
    },
];

/// What a loopback address means in a container.
const LOOPBACK_INSIDE: &str = "Within a container 127.0.0.1 (localhost) is that container itself: \
    each peer that dials it reaches itself, so the nodes never meet and a create waits for ever, \
    although the published ports make it look right from the host. Announce an address that BOTH \
    the other containers and the clients reach (the host's own IP, with client and bus port \
    published under the announced numbers), or use network_mode host.";

/// Several living nodes announce one and the same place: one address and port for all of them.
fn shared_place(seen: &Seen) -> Option<Hit> {
    let rows = &seen.table().filter(|table| table.source == Source::Nodes)?.rows;
    let named = |row: &&Row| {
        row.address.port != 0 && is_ipv4(&row.address.ip) && !row.flags.has(Flag::NoAddress)
    };
    let named: Vec<&Row> = rows.iter().filter(named).collect();
    // One that lives where another one died stands at an address that was used again: that is no
    // matter of what is announced.
    let at_one_place = |row: &&&Row| {
        let here = || named.iter().filter(|other| other.place() == row.place());
        here().count() > 2 || here().filter(|other| !other.is_failing()).count() > 1
    };
    let first = named.iter().find(at_one_place)?;
    let shared: Vec<&Row> =
        named.iter().copied().filter(|row| row.place() == first.place()).collect();
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

/// Several nodes are told to announce one and the same address, and none of them a port of its own.
fn shared_setting(seen: &Seen) -> Option<Hit> {
    let first = seen.setting("cluster-announce-ip").filter(|s| is_ipv4(&s.value))?;
    let equal: Vec<&Setting> = seen
        .settings
        .iter()
        .filter(|s| s.name == "cluster-announce-ip" && s.value == first.value)
        .collect();
    let own_port = seen.setting("cluster-announce-port").is_some()
        || seen.settings.iter().filter(|s| s.name == "port").count() >= equal.len();
    (equal.len() >= 2 && !own_port).then(|| {
        Hit::of(84).quotes(equal.iter().map(|s| s.line).take(3)).fact("value", &*first.value).fact(
            "same",
            format!(
                "{} nodes are told to announce {} and no port of their own, so each of them calls \
                 itself {}:6379 with bus port 16379: to the others they are one and the same \
                 place. Each needs its own published pair: cluster-announce-port and \
                 cluster-announce-bus-port (Bitnami: REDIS_CLUSTER_ANNOUNCE_PORT and \
                 REDIS_CLUSTER_ANNOUNCE_BUS_PORT), both published under the very number.",
                equal.len(),
                first.value,
                first.value
            ),
        )
    })
}

/// An IP and a port in one value.
fn ip_and_port(value: &str) -> Option<(&str, u16)> {
    let (ip, port) = value.rsplit_once(':')?;
    Some((ip, port.parse().ok()?)).filter(|_| is_ipv4(ip))
}

/// A port stands in the place of the address alone.
fn with_a_port(seen: &Seen, set: &Setting, ip: &str, port: u16) -> Hit {
    let row = seen.rows().find(|row| row.address.ip == set.value);
    let shown = row.map_or_else(String::new, |row| {
        format!(" CLUSTER NODES shows it: {}:{}.", row.address.ip, row.address.port)
    });
    Hit::of(94)
        .quote(set.line)
        .quotes(row.map(|row| row.line))
        .fact("value", set.value.clone())
        .note(format!(
            "cluster-announce-ip takes an IP only; here a port hangs on it, so peers are told to \
             dial an address that is none, and no handshake ends.{shown}"
        ))
        .step(format!(
            "On this node CONFIG SET cluster-announce-ip {ip}, and the same in its file; if another \
             port is to be announced than the server's own, cluster-announce-port {port} (and \
             cluster-announce-bus-port). See to it on every node, each with its own IP; then \
             the waiting join ends, or CLUSTER MEET each node once more."
        ))
}

/// What an address is that means every interface.
const ALL_ZEROS: &str = "The nodes announce 0.0.0.0. That is fit for listening on all interfaces \
    (bind) and is no address to be dialled: whoever dials it reaches its own machine, so peers on \
    other hosts and clients get 'connection refused' while all looks well on the one host. Some \
    images take a variable (IP, ANNOUNCE_IP) for the address to announce: it must be the host's \
    own address, as clients reach it.";

/// The node that was asked at one address calls itself by another, which an interface of the
/// machine has beside it, or which the text calls a virtual one.
fn calls_itself_otherwise(seen: &Seen) -> Option<Hit> {
    let nowhere = seen.server_rows().find(|row| row.address.ip == "0.0.0.0");
    if let Some(row) = nowhere {
        return Some(Hit::of(88).quote(row.line).fact("itself", ALL_ZEROS));
    }
    let (own, host) = seen.server_rows().filter(|row| row.is_myself()).find_map(|row| {
        let host = super::alone::asked(seen, row.line)?;
        let host = host.split(':').next()?.to_owned();
        let real = is_ipv4(&host) && !host.starts_with("127.");
        let other = is_ipv4(&row.address.ip) && !row.address.ip.starts_with("127.");
        (real && other && row.address.ip != host).then_some((row, host))
    })?;
    let ip = own.address.ip.as_str();
    let on_loopback = seen.lines.iter().position(|line| {
        line.text.contains(ip) && line.lower.contains("inet") && line.lower.contains(" lo")
    });
    let virtual_ip = [" vip", "virtual ip", "load balancer", "keepalived", "(vip"];
    let told = on_loopback.is_some() || seen.has(&virtual_ip);
    told.then(|| {
        Hit::of(90).quote(own.line).quotes(on_loopback).fact(
            "itself",
            format!(
                "The node that answers at {host} calls itself {ip}, which is not its own address \
                 but a shared (virtual) one that this machine carries too: without \
                 cluster-announce-ip a node takes the address of the connection by which it was \
                 met, or by which a peer dialled it, for its own. Clients are then sent to {ip}, \
                 where the balancer or nobody answers. CONFIG SET cluster-announce-ip {host} on \
                 this node (and in its file), the same on every other node that carries {ip}; \
                 CLUSTER MEET {host} from a peer corrects it until then."
            ),
        )
    })
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
const CONFIGURED: [&str; 10] = [
    "rootnodes",
    "new rediscluster",
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
pub(super) const UNREACHABLE: [&str; 31] = [
    "error 51 connecting",
    "error 60 connecting",
    "error 65 connecting",
    "[errno 60]",
    "[errno 110]",
    "[errno 113]",
    "failed to connect to any host resolved",
    "connect timed out",
    "enetunreach",
    "error 113 connecting",
    "error 101 connecting",
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

/// Quoted addresses in lines that speak of a host, addresses behind `host:`, and those of a list
/// below `nodes:`.
fn hosts_in_config(seen: &Seen) -> Vec<String> {
    let lines = seen.lines.iter().filter(|line| line.lower.contains("host"));
    let quoted = lines.flat_map(|line| line.text.split(['\'', '"'])).filter(|word| is_ipv4(word));
    let named = seen.lines.iter().filter_map(|line| {
        let text = line.lower.trim_start().trim_start_matches(['-', ' ', '{', '"', '\'']);
        let rest = text.strip_prefix("host").or_else(|| text.strip_prefix("ip"))?;
        let sign = rest.trim_start_matches(['"', '\'', ' ']);
        let value = sign.strip_prefix("=>").or_else(|| sign.strip_prefix([':', '=']))?;
        let value = value.trim_start().split([' ', ',', '}']).next()?;
        is_ipv4(value).then_some(value)
    });
    quoted.chain(named).map(str::to_owned).chain(listed(seen)).collect()
}

/// The addresses of a YAML list below `nodes:` or `addresses:`.
fn listed(seen: &Seen) -> Vec<String> {
    let heads = ["nodes:", "addresses:", "nodeaddresses:", "seeds:", "endpoints:"];
    let (mut inside, mut found) = (false, Vec::new());
    for line in &seen.lines {
        let text = line.lower.trim();
        let item = text.strip_prefix("- ").map(|item| item.trim_matches(['"', '\'']));
        let place = item.map(|item| item.split_once("://").map_or(item, |(_, place)| place));
        let host = place.and_then(|place| place.rsplit_once(':'));
        match host.filter(|(host, port)| is_ipv4(host) && port.parse::<u16>().is_ok()) {
            Some((host, _)) if inside => found.push(host.to_owned()),
            _ => inside = heads.contains(&text),
        }
    }
    found
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
        "outside of kubernetes",
        "outside kubernetes",
        "outside the k8s",
        "outside k8s",
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

/// `Only 10923 slots are available`: those that are missing are those of the node that the client
/// cannot reach.
fn uncounted(seen: &Seen, row: &Row, hit: Hit) -> Hit {
    let missing = row.slots.len();
    let line = seen.lines.iter().position(|line| {
        let mut numbers = line.lower.split(|c: char| !c.is_ascii_digit());
        let rest = SLOT_COUNT.checked_sub(missing).map(|count| count.to_string());
        line.lower.contains("slots") && numbers.any(|word| Some(word) == rest.as_deref())
    });
    let Some(line) = line.filter(|_| missing > 0) else { return hit };
    hit.quote(line).note(format!(
        "The {missing} slots that the client misses are exactly those of this node ({}): they have \
         an owner, whom it cannot reach.",
        slots(&row.slots)
    ))
}

/// Some nodes are known by public addresses and one by an inner one: the node that was asked names
/// itself by its interface, the others were met from outside. Or a client that reached nodes at
/// public addresses fails at an inner one.
pub(super) fn one_inner_among_public(seen: &Seen) -> Option<Hit> {
    seen.client()?;
    let named = |row: &&Row| is_ipv4(&row.address.ip) && !row.address.ip.starts_with("127.");
    let rows: Vec<&Row> = seen.server_rows().filter(named).collect();
    let (inner, public): (Vec<&Row>, Vec<&Row>) =
        rows.iter().partition(|row| is_inner(&row.address.ip));
    let healthy = !rows.iter().any(|row| row.is_failing());
    if let Some(first) = inner.first().filter(|_| public.len() > inner.len() && healthy) {
        let hit = Hit::of(88).quote(first.line).quotes(public.first().map(|row| row.line));
        let hit = hit.fact("announced", first.place());
        let apart = public.iter().map(|row| row.address.ip.clone()).collect::<Vec<_>>();
        let hit = hit.note(format!(
            "Only {} stands there by an inner address, the other nodes by {}: it is the node that \
             was asked, and a node names itself by its own interface until somebody tells it \
             another address. Ask each of the others: its own (myself) row very likely shows its \
             inner address as well.",
            first.place(),
            list(&dedup(&apart), 3)
        ));
        return Some(uncounted(seen, first, hit));
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
const TUNNELS: [&str; 6] =
    ["port-forward", "ssh forward", "forwarded port", "ssh -l", "ssh -n -l", "tunnel"];

/// A client that has its map fails at an address of the map.
const MAPPED: [&str; 2] = ["no more cluster attempts left", "clustermaxattempts"];

/// A client fails behind a tunnel to one node, and does not say at which address.
fn through_a_tunnel(seen: &Seen) -> Option<Hit> {
    let fails = [
        "cluster isn't ready",
        "failed to refresh slots",
        "error",
        "exception",
        "could not connect",
    ];
    let library = seen.client().is_some() && seen.has(&fails);
    seen.says(74, &MAPPED).or_else(|| seen.says(74, &TUNNELS).filter(|_| library))
}

/// Addresses at which a client of the text begins.
pub(crate) fn seed_ips(seen: &Seen) -> Vec<String> {
    let configured = |line: usize| {
        // `localhost:6379>` is the prompt of redis-cli and no setting of a client, and what is
        // dialled without a route is not where it was told to begin.
        let text = seen.lines.get(line).map(|l| l.lower.replace("localhost:", ""));
        let text = text.map(|text| text.replace("route to host:", ""));
        let again = ["cannot reconnect", "connectionwatchdog"];
        text.is_some_and(|text| {
            CONFIGURED.iter().any(|m| text.contains(m)) && !again.iter().any(|m| text.contains(m))
        })
    };
    let named = seen.addresses.iter().filter(|(_, line)| configured(**line));
    let named = named.map(|(address, _)| address.0.clone());
    hosts_in_config(seen).into_iter().chain(named).chain(hosts_in_urls(seen)).collect()
}

/// Addresses in URLs that stand in quotes, as programs and settings have them.
fn hosts_in_urls(seen: &Seen) -> Vec<String> {
    let schemes = ["redis://", "rediss://", "valkey://", "redis-cluster://"];
    let host = |word: &str| {
        let rest = schemes.iter().find_map(|scheme| word.strip_prefix(scheme))?;
        let place = rest.split(['/', '?', ',']).next()?;
        let place = place.rsplit_once('@').map_or(place, |(_, place)| place);
        let host = place.split(':').next()?;
        (is_ipv4(host) || host == "localhost").then(|| host.to_owned())
    };
    seen.lines.iter().flat_map(|line| line.text.split(['\'', '"'])).filter_map(host).collect()
}

/// The inner addresses of the servers' tables, each once, with their lines.
fn told_inner(seen: &Seen) -> (Vec<String>, Vec<usize>) {
    let mut told: Vec<String> = Vec::new();
    let mut lines = Vec::new();
    for row in seen.server_rows() {
        if is_inner(&row.address.ip) && !told.contains(&row.address.ip) {
            told.push(row.address.ip.clone());
            lines.push(row.line);
        }
    }
    (told, lines)
}

fn announced(seen: &Seen) -> Option<Hit> {
    if let Some(hit) = sent_elsewhere(seen).or_else(|| one_inner_among_public(seen)) {
        return Some(hit);
    }
    let seed_ips = seed_ips(seen);
    let (told, lines) = told_inner(seen);
    let other =
        !told.is_empty() && !seed_ips.is_empty() && seed_ips.iter().all(|ip| !told.contains(ip));
    let errors = seen.lines_with(&UNREACHABLE);
    if let Some(hit) = checked_elsewhere(seen) {
        return Some(hit);
    }
    let other = other || from_the_host(seen, &told);
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
                .fact_if("seed", (!seed_ips.is_empty()).then(|| list(&dedup(&seed_ips), 3)))
                .fact_if("seed_ip", only(&seed_ips)),
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
    let named = failed_at(seen, &errors, &seed_ips);
    let from_here = from_this_machine(seen, &named);
    let named = if named.is_empty() { told.clone() } else { named };
    let seeds: Vec<String> =
        dedup(&seed_ips).into_iter().filter(|ip| !named.contains(ip)).collect();
    (!errors.is_empty()
        && !seen.says_fail()
        && (seen.client().is_some()
            || seen.has(&INNER_NETWORK)
            || from_outside
            || from_here
            || !moved.is_empty()))
    .then(|| {
        Hit::of(52)
            .more_if(14, seen.has(&INNER_NETWORK))
            .more_if(20, dialled_what_was_told || from_outside || from_here)
            .more_if(16, forwarded || seen.has(&MAPPED))
            .more_if(6, seen.says_ok())
            .more_if(18, seen.has(&["ttl exhausted", "vpce-"]) && !named.is_empty())
            .less_if(12, seen.has(&["docker stop", "compose stop", "yaml stop", "kill -9"]))
            .quotes(errors)
            .quotes(moved.into_iter().take(1))
            .fact_if("announced", (!named.is_empty()).then(|| list(&named, 4)))
            .fact_if("seed", (!seeds.is_empty()).then(|| list(&seeds, 3)))
            .fact_if("seed_ip", only(&seeds))
    })
}

/// The hit with the higher score.
fn stronger(one: Option<Hit>, other: Option<Hit>) -> Option<Hit> {
    match (one, other) {
        (Some(one), Some(other)) => Some(if other.score > one.score { other } else { one }),
        (one, other) => one.or(other),
    }
}

/// A client that gave up names an address of a container network, and none of its start nodes is in
/// that network.
fn named_inside(seen: &Seen) -> Option<Hit> {
    seen.client()?;
    seen.says(0, &MAPPED).or_else(|| seen.says(0, &["couldn't map cluster", "ttl exhausted"]))?;
    let bridge = |ip: &str| {
        let second = ip.split('.').nth(1).and_then(|n| n.parse::<u8>().ok());
        ip.starts_with("172.") && second.is_some_and(|n| (16..32).contains(&n))
    };
    let seeds = dedup(&seed_ips(seen));
    let quoted: Vec<String> =
        seen.lines.iter().flat_map(|line| ipv4s(&line.text)).map(str::to_owned).collect();
    let outside = seeds.iter().chain(&quoted).any(|ip| !bridge(ip) && !ip.starts_with("127."));
    let (at, ip) = seen.lines.iter().enumerate().find_map(|(at, line)| {
        let ip = ipv4s(&line.text).find(|ip| bridge(ip) && !seeds.iter().any(|s| s == ip))?;
        Some((at, ip.to_owned()))
    })?;
    (outside && seen.server_rows().next().is_none())
        .then(|| Hit::of(80).quote(at).fact("announced", ip))
}

/// A client that comes from outside is sent to an inner address by MOVED.
fn sent_inside(seen: &Seen) -> Option<Hit> {
    let outside = seen.client().is_some() && is_outside(seen) && !seen.has(&UNREACHABLE);
    let moved = seen.lines_with(&["moved "]);
    let inner = moved.into_iter().find(|at| outside && names_inner(seen, *at))?;
    let text = seen.lines.get(inner).map_or("", |line| line.text.as_str());
    let ips: Vec<String> = ipv4s(text).filter(|ip| is_inner(ip)).map(str::to_owned).collect();
    Some(Hit::of(76).quote(inner).fact("announced", list(&dedup(&ips), 3)))
}

/// The address, if it is one only, and one that others can be told.
pub(super) fn only(ips: &[String]) -> Option<String> {
    let [one] = &dedup(ips)[..] else { return None };
    let told = is_ipv4(one) && !one.starts_with("127.") && !one.starts_with("0.");
    told.then(|| one.clone())
}

/// The inner addresses at which a client of the text fails.
fn failed_at(seen: &Seen, errors: &[usize], seeds: &[String]) -> Vec<String> {
    let lines = errors.iter().filter_map(|at| seen.lines.get(*at));
    let ips = lines.flat_map(|line| ipv4s(&line.text));
    // A Docker network may have any numbers; whoever began at this machine was sent there.
    let here = |ip: &String| ip.starts_with("127.") || ip == "localhost";
    let sent = !seeds.is_empty() && seeds.iter().all(here);
    let ips = ips.filter(|ip| (sent || is_inner(ip)) && !ip.starts_with("127."));
    let ips: Vec<String> = ips.map(str::to_owned).filter(|ip| !seeds.contains(ip)).collect();
    dedup(&ips)
}

/// A client that begins at `localhost` while the nodes call themselves by addresses of a container
/// network.
fn from_the_host(seen: &Seen, told: &[String]) -> bool {
    let local = [
        "'localhost'",
        "\"localhost\"",
        "host: localhost",
        "'127.0.0.1'",
        "nodes=localhost:",
        "nodes=127.0.0.1:",
        "nodes: 127.0.0.1:",
        "nodes: localhost:",
    ];
    let bridge = |ip: &String| {
        let second = ip.split('.').nth(1).and_then(|n| n.parse::<u8>().ok());
        ip.starts_with("172.") && second.is_some_and(|n| (16..32).contains(&n))
    };
    seen.client().is_some() && seen.has(&local) && !told.is_empty() && told.iter().all(bridge)
}

/// A client that begins at this machine is not ready, and the tool's check of the same cluster
/// finds it whole, with nodes that call themselves by other addresses.
fn checked_elsewhere(seen: &Seen) -> Option<Hit> {
    seen.client()?;
    let fails = ["error:", "cluster isn't ready", "failed to refresh slots", "exception"];
    let whole = seen.has(&["[ok] all 16384 slots covered"]) && !seen.has(&["[err]"]);
    let shown = seen.lines_with(&fails);
    let told: Vec<(usize, String)> = seen
        .lines
        .iter()
        .enumerate()
        .filter(|(_, line)| line.lower.contains(" keys | ") && line.lower.contains(" slots | "))
        .filter_map(|(at, line)| Some((at, ipv4s(&line.text).next()?.to_owned())))
        .collect();
    let ips: Vec<String> = dedup(&told.iter().map(|(_, ip)| ip.clone()).collect::<Vec<_>>());
    let local = |ip: &str| ip.starts_with("127.") || ip == "localhost";
    let seeds = dedup(&seed_ips(seen));
    let apart = !ips.is_empty() && !ips.iter().any(|ip| local(ip));
    let here = !seeds.is_empty() && seeds.iter().all(|ip| local(ip));
    (whole && apart && here && !shown.is_empty()).then(|| {
        Hit::of(82)
            .quotes(shown.into_iter().take(2))
            .quotes(told.first().map(|(at, _)| *at))
            .fact("announced", list(&ips, 4))
            .fact("seed", list(&seeds, 3))
            .fact("state", "ok")
            .fact("slots_ok", "all 16384")
    })
}

/// A client whose start nodes are on this machine fails at an address of another network.
fn from_this_machine(seen: &Seen, named: &[String]) -> bool {
    let configured = |l: &&Line| CONFIGURED.iter().any(|mark| l.lower.contains(mark));
    let here = |l: &Line| l.lower.contains("127.0.0.1:") || l.lower.contains("localhost:");
    !named.is_empty() && seen.lines.iter().filter(configured).any(here)
}

pub(super) fn dedup(words: &[String]) -> Vec<String> {
    let mut out = words.to_vec();
    out.sort();
    out.dedup();
    out
}
