//! A join that hangs: whether the paste shows a closed bus port, or says that it is open.

use std::collections::BTreeSet;

use super::create;
use super::joining::list_without_bus;
use crate::explain::cause::Hit;
use crate::explain::lines::Line;
use crate::explain::seen::Seen;
use crate::explain::works::has;

/// The most that a hang alone is worth: nobody saw a packet that was stopped.
const UNSEEN: u8 = 84;

/// How a port that is closed, or filtered, answers.
const CLOSED: [&str; 8] = [
    "refused",
    "timed out",
    "timeout",
    "no route",
    "filtered",
    "closed",
    "unreachable",
    "not reachable",
];

/// How people say that a port answers.
const OPEN: [&str; 6] = ["works", "succeeded", "connected to", "is open", " open", "reachable"];

/// Ways to try a port.
const TRIED: [&str; 6] = ["telnet", "nc ", "ncat", "nmap", "curl", "port"];

/// What turns a sentence of success round.
const NOT: [&str; 4] = ["not ", "n't ", "fail", "cannot"];

/// How people say that nothing filters.
const UNFILTERED: [&str; 10] = [
    "no firewall",
    "without firewall",
    "without a firewall",
    "firewall is off",
    "firewall off",
    "firewall is disabled",
    "firewall disabled",
    "firewalld is not running",
    "firewalls are off",
    "status: inactive",
];

/// Words of what may filter.
const FILTERS: [&str; 7] =
    ["ufw", "firewall", "iptables", "security group", "networkpolicy", "16379", "bus port"];

/// Nodes do not come together, or the bus port is seen to be closed.
pub(super) fn blocked(seen: &Seen) -> Option<Hit> {
    let wait = seen.says(72, &["waiting for the cluster to join"]);
    let joined = create::still_waits(seen).is_none()
        && seen.has(&["all 16384 slots covered", "all nodes agree about slots configuration"]);
    if let Some(hit) = wait.filter(|_| !joined) {
        return Some(weigh(seen, waits(seen, &hit)));
    }
    let only_client =
        create::policy_without_bus(seen).or_else(|| create::client_port_answers(seen));
    let closed = only_client
        .or_else(|| seen.line_says(84, &["1637", "refused"]))
        .or_else(|| seen.line_says(84, &["1637", "timed out"]))
        .or_else(|| seen.line_says(80, &["1700", "refused"]));
    closed
        .or_else(|| {
            let not_open =
                ["blocked", "closed", "not reachable", "unreachable", "filtered", "firewall"];
            let rules = ["security group", "networkpolicy"];
            seen.says(70, &["bus port", "cluster bus"])
                .filter(|_| seen.has(&not_open) || seen.has(&rules))
        })
        .or_else(|| {
            let met = seen.says_all(66, &[&["cluster meet"], &["handshake"]]);
            met.or_else(|| create::met_and_alone(seen)).map(|hit| weigh(seen, hit))
        })
}

/// The tool waits.
fn waits(seen: &Seen, hit: &Hit) -> Hit {
    let hosts: BTreeSet<&str> = seen.rows().map(|r| r.address.ip.as_str()).collect();
    let tls = seen.has(&["ssl routines", "certificate verify", "tls_process"]);
    let filter = seen.lines.iter().position(|line| {
        has(&line.lower, &FILTERS) && !has(&line.lower, &UNFILTERED) && !is_open(seen, line)
    });
    create::read_firewall(seen, Hit::of(hit.score))
        .quotes(seen.lines_with(&["nodes configuration updated"]))
        .quotes(hit.quotes.iter().copied())
        .more_if(8, hosts.len() > 1)
        .more_if(4, seen.has(&["...................."]))
        .less_if(24, tls)
        .more_if(4, filter.is_some())
        .quotes(filter)
}

/// What the paste says of the bus port itself: only a packet that was seen to be stopped, or a rule
/// that stops it, shows that it is closed.
fn weigh(seen: &Seen, mut hit: Hit) -> Hit {
    let stops = |line: &Line| names_bus(seen, line) && has(&line.lower, &CLOSED);
    let stopped = seen.lines.iter().position(stops).filter(|_| !seen.has(&UNFILTERED));
    if list_without_bus(seen).is_none() && stopped.is_none() {
        hit.score = hit.score.min(UNSEEN);
    }
    let hit = hit.quotes(stopped);
    let Some(line) = seen.lines.iter().find(|line| is_open(seen, line)) else {
        return hit.less_if(16, seen.has(&UNFILTERED));
    };
    hit.less_if(30, true)
        .note(format!(
            "But the paste itself speaks against a closed port ('{}'): what answers from there is \
             not closed, at least in that direction.",
            line.text.trim()
        ))
        .check(
            "While it waits, CLUSTER NODES on BOTH sides: which ip and which number behind the @ \
             stands in the handshake row, and does the node that is meant listen there? Rows \
             without '@' are those of a server before 4.0, which no newer one can join.",
        )
        .step(
            "Try the bus port in the other direction as well, from the member's host to the new \
             node and back: the handshake needs both.",
        )
        .step(
            "Compare on both sides: redis_version, bind (its first address is where links start \
             from, before 7.0), tls-cluster, cluster-announce-ip, -port and -bus-port, and the \
             bus port (cluster-port).",
        )
        .only_these_steps()
}

/// Whether somebody tells that a bus port answers.
fn is_open(seen: &Seen, line: &Line) -> bool {
    let lower = line.lower.as_str();
    let well = has(lower, &OPEN) && !has(lower, &NOT) && !has(lower, &CLOSED);
    well && has(lower, &TRIED) && names_bus(seen, line)
}

/// Whether a line names a port that is 10000 above a client port of the text.
fn names_bus(seen: &Seen, line: &Line) -> bool {
    let numbers = line.lower.split(|c: char| !c.is_ascii_digit());
    let mut ports = numbers.filter_map(|word| word.parse::<u16>().ok());
    let mut clients = seen.addresses.keys().map(|(_, port)| *port).collect::<BTreeSet<u16>>();
    clients.extend(seen.rows().map(|row| row.address.port));
    ports.any(|port| {
        let client = port.checked_sub(10_000);
        client.is_some_and(|client| client > 1_000 && clients.contains(&client))
    })
}
