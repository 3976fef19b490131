//! Interfaces and families of addresses: what a node's connections come from, and who cuts what.

use crate::explain::cause::{Cause, Hit, Side};
use crate::explain::seen::{Seen, Source, addresses};

pub(super) static CAUSES: &[Cause] = &[
    Cause {
        code: "BIND_LOOPBACK_FIRST",
        title: "bind names 127.0.0.1 first, so the node's own connections start there",
        side: Side::Cluster,
        when: |seen| loopback_first(seen).or_else(|| listens_on_both(seen)),
        cause: "[[bind is '<<bind>>'. ]]Before 7.0 a node opens its outgoing connections (bus \
            links, replication, MIGRATE) from the FIRST address of bind. With 127.0.0.1 in front \
            the system refuses to reach another machine from there ('Invalid argument', 'creating \
            socket'), and not one packet leaves: MEET answers OK, the handshake ends after a \
            while without a trace, and create waits for ever. Incoming connections work all the \
            time, so redis-cli from elsewhere and open ports prove nothing.",
        check: "CONFIG GET bind on each node, and redis_version: does the list begin with \
            127.0.0.1 or ::1, on a version before 7.0?",
        fix: &[
            "Put the address that the other nodes reach first on every node: bind <own ip> \
             127.0.0.1; restart one node after the other, with its files.",
            "Or go to 7.0 or later, where bind-source-addr alone decides this.",
            "Where more than one node owns slots by itself (known nodes 1, slots assigned), look \
             at DBSIZE on each first: once they have met, of two claims for a slot the one with \
             the lower epoch is dropped with its keys. Bring all but one in empty, with what they \
             hold copied away.",
            "Then repeat CLUSTER MEET (or let the waiting create finish).",
        ],
        never: &[
            "Do not bind to all interfaces without a password.",
            "Do not reset the nodes: only the source address is wrong.",
        ],
        like: &["BIND_LOOPBACK", "BUS_PORT_BLOCKED", "SELF_ADDRESS_UNKNOWN"],
    },
    Cause {
        code: "CLIENT_CUTS_IPV6_ADDRESS",
        title: "The client or tool takes IPv6 addresses of the map apart at the wrong colon",
        side: Side::Client,
        when: cut_address,
        cause: "The nodes are known by IPv6 addresses, which CLUSTER NODES and MOVED write without \
            brackets (address:port, with colons in the address). This client takes what stands \
            before the first colon for the host[[ (it dials '<<host>>')]], or the port for a part \
            of the address, and finds no host or no port. The cluster is healthy: redis-cli -c \
            follows the same map.",
        check: "The host and port in the error beside an address in CLUSTER NODES: is it the first \
            group of one, or one with its port inside and port 0?",
        fix: &[
            "Upgrade the client or tool to a release that splits at the LAST colon (and at '@').",
            "Until then give clients names or IPv4: cluster-announce-hostname with \
             cluster-preferred-endpoint-type hostname (7.0 and later), or an address map in the \
             client.",
        ],
        never: &["Do not change DNS for it, and do not repair the cluster."],
        like: &["CLIENT_PARSES_NODES_WRONG", "DUAL_STACK_MISMATCH"],
    },
];

fn loopback_first(seen: &Seen) -> Option<Hit> {
    let local = |word: &str| word.starts_with("127.") || word == "::1" || word == "localhost";
    let first = |value: &str| value.split_whitespace().next().is_some_and(local);
    let bind = seen.settings.iter().find(|s| {
        s.name == "bind" && first(&s.value) && s.value.split_whitespace().any(|word| !local(word))
    });
    let socket = ["creating socket: invalid argument", "invalid argument"];
    let unborn = ["unable to connect to cluster node", "unable to connect to master"];
    let refused = seen.lines.iter().position(|line| {
        let has = |words: &[&str]| words.iter().any(|word| line.lower.contains(word));
        has(&socket) && has(&unborn)
    });
    // Addresses that are no addresses give the same error.
    let refused = refused.filter(|_| !seen.has(&["?:", "master :0", "primary :0"]));
    let stuck = ["handshake", "waiting for the cluster to join", "fail?", "cluster meet"];
    let new = seen.version().is_some_and(|version| version >= (7, 0));
    let hit = match (bind, refused) {
        (Some(bind), Some(at)) => Hit::of(95).quote(bind.line).quote(at),
        (Some(bind), None) if seen.has(&stuck) => listening(seen, Hit::of(86).quote(bind.line)),
        (None, Some(at)) => Hit::of(76).quote(at),
        _ => return None,
    };
    Some(hit.less_if(40, new).fact_if("bind", bind.map(|bind| bind.value.clone())))
}

/// The list of sockets shows that the bus is listened for at an address of the network: it is the
/// way out that is wrong, and not the way in.
fn listening(seen: &Seen, hit: Hit) -> Hit {
    let ports: Vec<u16> = seen.addresses.keys().map(|(_, port)| *port).collect();
    let bus = |port: &u16| port.checked_sub(10_000).is_some_and(|low| ports.contains(&low));
    let found = seen.lines.iter().enumerate().find_map(|(at, line)| {
        let heard = line.lower.contains("listen") && line.lower.contains("tcp");
        let outer = |ip: &str| !ip.starts_with("127.") && ip != "0.0.0.0" && ip != "localhost";
        let place = addresses(&line.text).find(|(ip, port)| outer(ip) && bus(port));
        place.filter(|_| heard).map(|place| (at, place))
    });
    match found {
        Some((at, (ip, port))) => hit.more_if(6, true).quote(at).note(format!(
            "The bus is listened for at {ip}:{port}, so who tries that port from outside gets an \
             answer, and that proves nothing of the other direction: the links that this node \
             opens start at 127.0.0.1. No firewall is needed to explain it."
        )),
        None => hit,
    }
}

/// The node calls itself 127.0.0.1 and listens there and at an address of the network; it was told
/// to meet another machine, and nobody appears.
fn listens_on_both(seen: &Seen) -> Option<Hit> {
    let table = seen.tables.iter().find(|table| table.source == Source::Nodes)?;
    let [me] = table.rows.as_slice() else { return None };
    let local = me.is_myself() && me.address.ip.starts_with("127.");
    let listens = |local: bool| {
        seen.lines.iter().enumerate().find_map(|(at, line)| {
            let heard = line.lower.contains("listen") && line.lower.contains("tcp");
            let mut places = addresses(&line.text).filter(|(_, port)| *port == me.address.port);
            let (ip, _) =
                places.find(|(ip, _)| ip.starts_with("127.") == local && ip != "0.0.0.0")?;
            heard.then_some((at, ip))
        })
    };
    let ((inner, _), (outer, ip)) = (listens(true)?, listens(false)?);
    let meet = *seen.lines_with(&["cluster meet "]).first()?;
    let new = seen.version().is_some_and(|version| version >= (7, 0));
    (local && !new).then(|| {
        Hit::of(80).quote(meet).quote(me.line).quote(inner).quote(outer).note(format!(
            "The server listens at {ip} and at 127.0.0.1, knows only itself, as {}, and has neither \
             sent nor heard anything, although MEET was answered OK (that only means that the \
             attempt begins). So bind names both, and with 127.0.0.1 first its links start at the \
             loopback. If bind has {ip} first, it is the bus port: {} (client port + 10000) has to \
             be open between the machines in both directions.",
            me.place(),
            u32::from(me.address.port) + 10_000
        ))
    })
}

/// The tool is refused at an address of the network, and the same port answers without one: the
/// server runs, and does not listen there.
pub(super) fn answers_inside_only(seen: &Seen) -> Option<Hit> {
    let (at, host, port) = seen.lines.iter().enumerate().find_map(|(at, line)| {
        let (_, rest) = line.text.split_once("ould not connect to Redis at ")?;
        line.lower.contains("refused").then_some(())?;
        let place = rest.split_whitespace().next()?.trim_end_matches(':');
        let (host, port) = place.rsplit_once(':')?;
        (!host.starts_with("127.") && host != "localhost").then_some((at, host, port))
    })?;
    let (asked, _) = seen.lines.windows(2).enumerate().find_map(|(at, pair)| match pair {
        [ask, answer] => {
            let here = ask.lower.contains(&format!("-p {port} ping"))
                && (!ask.lower.contains(" -h ") || ask.lower.contains(" -h 127."));
            (here && answer.text.trim().ends_with("PONG")).then_some((at, ()))
        }
        _ => None,
    })?;
    Some(Hit::of(76).quote(at).quote(asked).quote(asked + 1).note(format!(
        "{host}:{port} refuses, and port {port} answers PONG on the machine (or in the container) \
         itself: the process runs and does not listen at {host}. Either bind names 127.0.0.1 only \
         (CONFIG GET bind), or {host} is another machine's or container's address (ip addr, docker \
         inspect). Nothing was changed by the attempt."
    )))
}

fn cut_address(seen: &Seen) -> Option<Hit> {
    if let Some(hit) = super::formats::ipv6_split(seen) {
        return Some(hit);
    }
    let row = seen.rows().find(|row| row.address.ip.contains(':'));
    let unknown = seen.says(
        86,
        &["getaddrinfo", "name or service not known", "nodename nor servname", "no such host"],
    );
    if let (Some(row), Some(hit)) = (row, unknown) {
        let group = row.address.ip.split(':').next().unwrap_or_default();
        return Some(hit.quote(row.line).fact("host", group));
    }
    let dialled = seen.word_after("could not connect to redis at ")?;
    let (host, rest) = dialled.trim_end_matches(':').split_once(':')?;
    let hex = |word: &str| word.len() <= 4 && word.chars().all(|c| c.is_ascii_hexdigit());
    // What stands in the place of a port is none.
    let no_port = rest.parse::<u16>().map_or(true, |port| port < 1_000);
    let group = !host.is_empty() && hex(host) && hex(rest) && no_port;
    let hit = group.then(|| seen.says(82, &["could not connect to redis at "]))??;
    Some(hit.fact("host", host))
}
