//! The way from a client to a node: the ports that are let through, and how TLS begins.

use crate::explain::cause::{Cause, Hit, Side};
use crate::explain::lines::Line;
use crate::explain::seen::{Seen, addresses};
use crate::explain::template::list;

pub(super) static CAUSES: &[Cause] = &[
    Cause {
        code: "CLIENT_STARTTLS",
        title: "The client begins without TLS and asks to upgrade (StartTLS), which servers do not know",
        side: Side::Client,
        when: start_tls,
        cause: "With StartTLS a client opens a plain connection and asks the other end to change to \
            TLS. Redis and Valkey servers, and the managed services, have no such command: a TLS \
            port expects the TLS handshake from the first byte on, so nothing comes back, or the \
            connection is closed, and the client reports only that no start node gave a map \
            (redis/lettuce#1227). The cluster is not at fault.",
        check: "redis-cli --tls -h <start node> -p <port> ping from the client's machine answers PONG \
            (or NOAUTH): then TLS, address and firewall are right, and it is the StartTLS option.",
        fix: &[
            "Take StartTLS out and leave TLS on: Lettuce RedisURI withStartTls(false) withSsl(true); \
             Spring LettuceClientConfiguration.builder().useSsl() without startTls(), or \
             spring.data.redis.ssl.enabled=true alone.",
            "If the names in the certificate do not fit then, mend the names (announced host names, \
             the service's own endpoint) or check the CA only (Lettuce SslVerifyMode.CA).",
        ],
        never: &["Do not switch encryption off for it, and do not only raise timeouts."],
        like: &["PLAIN_AGAINST_TLS", "TLS_NAME_MISMATCH", "CLIENT_SEEDS_UNREACHABLE"],
    },
    Cause {
        code: "CLIENT_PORT_NOT_LET_THROUGH",
        title: "The node is dialled at a port that the stated firewall rules do not let through",
        side: Side::Network,
        when: port_not_let_through,
        cause: "The client dials <<dialled>>, and the rules in the text let <<allowed>> through: that \
            port is not among them. Clients do not make ports up: it comes from the cluster's own \
            list of nodes (CLUSTER SLOTS, CLUSTER NODES, MOVED), which may change when nodes are \
            added, scaled or replaced. The start node answers, so the client begins and then fails.",
        check: "From the client's machine: redis-cli -c -h <start node> cluster slots names the port; \
            nc -vz <address> <that port> is refused or times out, while a port of the rules answers.",
        fix: &[
            "Let the ports that the list names through, from the clients to the nodes (security group, \
             network policy, firewall, both directions where rules have no state).",
            "If a managed service hands out ports outside of those it documents: that is for its \
             support, with the list of nodes; until then allow what the list names.",
        ],
        never: &["Do not repair the cluster for it, and do not only raise timeouts."],
        like: &["ANNOUNCED_IP_UNREACHABLE_FROM_CLIENT", "MANAGED_SERVICE_CLUSTER_MODE"],
    },
];

/// StartTLS as it is switched on.
const START_TLS: [&str; 8] = [
    ".starttls()",
    "setstarttls(true)",
    "withstarttls(true)",
    "start-tls: true",
    "starttls: true",
    "starttls=true",
    "start-tls=true",
    "starttls = true",
];

fn start_tls(seen: &Seen) -> Option<Hit> {
    let hit = seen.says(90, &START_TLS)?;
    let fails = seen.lines_with(&[
        "unable to connect",
        "cannot retrieve",
        "timed out",
        "timeout",
        "handshake",
        "connection closed",
        "connection reset",
        "closed prematurely",
    ]);
    let first = *fails.first()?;
    Some(hit.quote(first))
}

/// Words of a line that says which ports are open.
const LETS_THROUGH: [&str; 16] = [
    "nsg",
    "allows",
    "allowed",
    "allow ",
    "whitelist",
    "security group",
    "opened",
    "are open",
    "is open",
    "firewall",
    "permitted",
    "ingress",
    "inbound",
    "outbound",
    "egress",
    "networkpolicy",
];

/// Words that turn such a line around.
const REFUSES: [&str; 8] =
    ["deny", "denied", "block", "drop", "reject", "closed", "not allowed", "not open"];

/// The ports and ranges that a line names: `6380`, `13000-13999`, `15000 - 15999`.
fn ports(line: &Line) -> Vec<(u16, u16)> {
    let text = line.lower.replace(" - ", "-").replace(" to ", "-");
    let words = text.split(|c: char| !(c.is_ascii_digit() || c == '-' || c == '.' || c == ':'));
    let word = |word: &str| {
        let word = word.trim_matches(['-', '.', ':']);
        if word.contains(['.', ':']) {
            return None;
        }
        let (from, to) = word.split_once('-').unwrap_or((word, word));
        let range = (from.parse::<u16>().ok()?, to.parse::<u16>().ok()?);
        (range.0 >= 1_000 && range.1 >= range.0).then_some(range)
    };
    words.filter_map(word).collect()
}

/// Whether a line is about a connection that was not made.
fn failed(line: &Line) -> bool {
    super::clients::FAILED_TO_REACH.iter().any(|word| line.lower.contains(word))
        || line.lower.contains("unabletoconnect")
}

fn port_not_let_through(seen: &Seen) -> Option<Hit> {
    let mut allowed: Vec<(u16, u16)> = Vec::new();
    let mut told = None;
    for (at, line) in seen.lines.iter().enumerate() {
        let opens = LETS_THROUGH.iter().any(|word| line.lower.contains(word));
        let shuts = REFUSES.iter().any(|word| line.lower.contains(word)) || failed(line);
        let found = ports(line);
        if opens && !shuts && !found.is_empty() {
            told.get_or_insert(at);
            allowed.extend(found);
        }
    }
    // A year or a number of seconds is no rule: one of the ports must be that of some node.
    let known = |port: u16| [6379, 6380, 6378, 10_000].contains(&port) || named(seen, port);
    if !allowed.iter().any(|(from, to)| known(*from) || from < to) {
        return None;
    }
    let through = |port: u16| allowed.iter().any(|(from, to)| (*from..=*to).contains(&port));
    // The bus has its own rows.
    let bus = |port: u16| port.checked_sub(10_000).is_some_and(through);
    let (at, place) =
        seen.lines.iter().enumerate().filter(|(_, line)| failed(line)).find_map(|(at, line)| {
            // A tool writes a colon behind the port as well.
            let text = line.text.replace(": ", " ");
            let mut places = addresses(&text);
            let (host, port) = places.find(|(_, port)| !through(*port) && !bus(*port))?;
            Some((at, format!("{host}:{port}")))
        })?;
    let range = |(from, to): &(u16, u16)| {
        if from == to { from.to_string() } else { format!("{from}-{to}") }
    };
    let ranges: Vec<String> = allowed.iter().map(range).collect();
    Some(
        Hit::of(91).quote(at).quotes(told).fact("dialled", place).fact("allowed", list(&ranges, 6)),
    )
}

/// Whether an address with this port stands in the text.
fn named(seen: &Seen, port: u16) -> bool {
    seen.addresses.keys().any(|(_, other)| *other == port)
}
