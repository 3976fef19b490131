//! Nodes whose own row holds an address of their own side, while their peers know another one.
//!
//! An old address after a restart looks alike: there one node is behind. Here every node that was
//! asked names itself by another network than its peers name it by.

use crate::explain::cause::{Cause, Hit, Side};
use crate::explain::figures::short;
use crate::explain::seen::{Seen, Source};
use crate::explain::table::Row;
use crate::explain::template::list;

pub(super) static CAUSES: &[Cause] = &[INNER];

const INNER: Cause = Cause {
    code: "OWN_ADDRESS_IS_INNER",
    title: "Nodes name themselves by an inner address, and their peers know them by another one",
    side: Side::Platform,
    when: inner,
    cause: "[[<<pairs>>. ]]The outer address is what the peers use[[ (and <<made>>)]]; the inner \
        one is what the node sees of itself on its own side of a container's network or of NAT. \
        CLUSTER SLOTS names the asked node by its own row[[ (here <<slots>>)]]: a client that \
        takes its map from that node dials the inner address for the slots of that very node, and \
        so WHICH part of the keys fails depends on the node that was asked. The other nodes' MOVED \
        names the outer address, therefore redis-cli -c, which goes by redirects alone, works all \
        the time. Ids, slots and links are in order.",
    check: "CLUSTER NODES on each node: the address of its own row (myself) beside that of the row \
        with the same id on another node; and CLUSTER SLOTS of it. Afterwards both name the outer \
        one.",
    fix: &[
        "On every node set cluster-announce-ip to the outer address that its peers know (4.0 and \
        later), or run it in the network of its host.",
    ],
    never: &[
        "Do not repair or create the cluster anew, and do not FORGET these rows: ids and slots are \
         right.",
        "Do not edit nodes.conf of a running node.",
        "Do not announce the container's own address: clients outside cannot reach it.",
    ],
    like: &["SELF_ADDRESS_STALE"],
};

/// A node, its own row and the place at which the others know it.
struct Pair<'a> {
    own: &'a Row,
    outer: String,
    port: u16,
    /// The line that shows the outer place.
    at: usize,
}

/// Words of a node that was started again: then an own address may be an old one.
const AGAIN: [&str; 9] = [
    "restart",
    "rescheduled",
    "recreated",
    "re-created",
    "made again",
    "new ip",
    "old ip",
    "rebooted",
    "came back",
];

/// What puts a network of its own between a node and the others.
const WALLS: [&str; 6] = ["docker", "container", " nat ", "podman", "kube", "bridge"];

fn network(ip: &str) -> Option<(&str, &str)> {
    let mut parts = ip.split('.');
    Some((parts.next()?, parts.next()?))
}

fn apart(one: &str, other: &str) -> bool {
    !one.is_empty() && !other.is_empty() && network(one) != network(other)
}

/// The nodes of which both rows were pasted; `None` when one of them agrees with its peers.
fn by_peers(seen: &Seen) -> Option<Vec<Pair<'_>>> {
    let mut pairs: Vec<Pair<'_>> = Vec::new();
    for own in seen.server_rows().filter(|row| row.is_myself()) {
        let of_peers = |row: &&Row| row.id == own.id && !row.is_myself();
        let Some(peer) = seen.server_rows().find(of_peers) else { continue };
        if !apart(&own.address.ip, &peer.address.ip) {
            return None;
        }
        if !pairs.iter().any(|pair| pair.own.id == own.id) {
            let (outer, port) = (peer.address.ip.clone(), peer.address.port);
            pairs.push(Pair { own, outer, port, at: peer.line });
        }
    }
    (!pairs.is_empty()).then_some(pairs)
}

/// The command that made the cluster.
fn create_line(seen: &Seen) -> Option<(usize, Vec<(String, u16)>)> {
    let at = seen.lines.iter().position(|line| {
        let tool = ["redis-trib", "redis-cli", "valkey-cli"];
        tool.iter().any(|tool| line.lower.contains(tool)) && line.lower.contains("create ")
    })?;
    let places: Vec<(String, u16)> =
        crate::explain::seen::addresses(&seen.lines.get(at)?.text).collect();
    (places.len() >= 3).then_some((at, places))
}

/// Of a single view: the create command names all peers as the table does, and one more place in
/// the stead of the own row.
fn by_create(seen: &Seen) -> Option<Vec<Pair<'_>>> {
    let table = seen.table().filter(|table| table.source == Source::Nodes)?;
    let own = table.myself()?;
    let (at, places) = create_line(seen)?;
    let given = |row: &Row| {
        places.iter().any(|(ip, port)| *ip == row.address.ip && *port == row.address.port)
    };
    let peers: Vec<&Row> = table.rows.iter().filter(|row| !row.is_myself()).collect();
    let left: Vec<&(String, u16)> = (places.iter())
        .filter(|(ip, port)| {
            !peers.iter().any(|row| row.address.ip == *ip && row.address.port == *port)
        })
        .collect();
    let [(outer, port)] = left[..] else { return None };
    let fits = peers.len() >= 2 && peers.iter().all(|row| given(row)) && !given(own);
    (fits && apart(&own.address.ip, outer))
        .then(|| vec![Pair { own, outer: outer.clone(), port: *port, at }])
}

fn inner(seen: &Seen) -> Option<Hit> {
    let pairs = match by_peers(seen) {
        Some(pairs) => pairs,
        None if seen.server_rows().filter(|row| row.is_myself()).count() == 1 => by_create(seen)?,
        None => return None,
    };
    // One inner address among public ones has its own answer.
    if super::announced::one_inner_among_public(seen).is_some() {
        return None;
    }
    let made = create_line(seen).filter(|(_, places)| {
        pairs.iter().any(|pair| places.contains(&(pair.outer.clone(), pair.port)))
    });
    let walled = pairs.len() >= 2 || seen.has(&WALLS);
    if made.is_none() && (!walled || seen.has(&AGAIN) || !seen.pod_ips.is_empty()) {
        return None;
    }
    let said: Vec<String> = (pairs.iter())
        .map(|pair| {
            format!(
                "{} is {} in its own row and {}:{} for the others",
                short(&pair.own.id),
                pair.own.place(),
                pair.outer,
                pair.port
            )
        })
        .collect();
    let told = seen.tables.iter().filter(|table| table.source == Source::Slots).find_map(|table| {
        table.rows.iter().find(|row| pairs.iter().any(|p| p.own.address.ip == row.address.ip))
    });
    let sure = made.is_some() || (pairs.len() >= 2 && seen.has(&WALLS));
    let rows = |pair: &Pair<'_>| [pair.own.line, pair.at];
    let hit = Hit::of(if sure { 93 } else { 78 })
        .quotes(pairs.iter().take(1).flat_map(rows))
        .quotes(told.map(|row| row.line))
        .quotes(pairs.iter().skip(1).take(1).map(|pair| pair.own.line))
        .quotes(made.as_ref().map(|(at, _)| *at))
        .quotes(pairs.iter().skip(1).take(1).map(|pair| pair.at))
        .fact("pairs", list(&said, 4))
        .fact_if("made", made.map(|_| "the create command"))
        .fact_if("slots", told.map(Row::place));
    Some(steps(seen, hit, &pairs).only_these_steps())
}

fn steps(seen: &Seen, hit: Hit, pairs: &[Pair<'_>]) -> Hit {
    let each: Vec<String> =
        (pairs.iter()).map(|pair| format!("{} on {}", pair.outer, short(&pair.own.id))).collect();
    let each = list(&each, 4);
    if is_before_4(seen, pairs) {
        return hit
            .note(
                "cluster-announce-ip came with 4.0, and the rows here (no '@' and bus port) are \
                 those of an older server.",
            )
            .step(format!(
                "One node after the other, replicas first: run it in the network of its host \
                 (docker run --net=host, with its volume) and bind it to the outer address \
                 ({each}; the others likewise)."
            ))
            .step(
                "Where its own row still holds the inner address then, send CLUSTER MEET <outer \
                 address> <port> from another node ONCE, now that it listens there itself: a MEET \
                 makes a node take the address at which it was reached. Behind the container's \
                 network the same MEET would bring the inner one again.",
            )
            .step(
                "Or upgrade to 4.0 or later and set cluster-announce-ip to the outer address on \
                 each node.",
            );
    }
    let ports = pairs.iter().any(|pair| pair.own.address.port != pair.port);
    let ports =
        if ports { "; here the ports differ too: cluster-announce-port as well" } else { "" };
    hit.step(format!(
        "On every node set cluster-announce-ip to its OWN outer address, the one that its peers \
         know ({each}; the others likewise), with cluster-announce-port and \
         cluster-announce-bus-port where ports are mapped{ports}: CONFIG SET, and the same in the \
         configuration that it starts with. The host's address is fixed here, so a fixed value is \
         right."
    ))
    .step(
        "Or run the containers in the network of their hosts (--net=host), bound to that address.",
    )
    .step("Then let the clients read the map anew (a new client object, or a restart).")
}

/// Rows of servers before 4.0 have no bus port behind the address.
fn is_before_4(seen: &Seen, pairs: &[Pair<'_>]) -> bool {
    let bus =
        |pair: &Pair<'_>| seen.lines.get(pair.own.line).is_some_and(|line| line.text.contains('@'));
    seen.version().map_or_else(|| !pairs.iter().any(bus), |version| version < (4, 0))
}
