//! Joins that cannot end as they were begun, or that need not be repaired at all: a member met
//! once more, loopback in the list of addresses, a cluster of one node, a firewall's list.

use crate::explain::cause::{Cause, Hit, Side};
use crate::explain::figures::short;
use crate::explain::seen::{Seen, is_ipv4};
use crate::model::{Flag, SLOT_COUNT};

pub(super) static CAUSES: &[Cause] = &[
    Cause {
        code: "MEMBER_MET_AGAIN",
        title: "The entry in handshake is a member that was met once more",
        side: Side::Command,
        when: met_again,
        cause: "<<entry>> CLUSTER MEET of a node that is in the table already makes a second entry \
            with an invented id; when the node answers with its real id, the entry is dropped, at \
            the latest after a node timeout. Slots, roles and data are not concerned, but while \
            such an entry is there the tools say that the nodes do not agree, and a job that \
            sends MEET again and again never lets it end.",
        check: "CLUSTER NODES on that node two node timeouts after the last MEET: the entry in \
            handshake is gone.",
        fix: &[
            "Stop what repeats the MEET (a script, an operator, a start hook), and wait two node \
             timeouts.",
            "Then run the tool's check again, and only then rebalance or reshard.",
            "If the entry comes back without a MEET, another node spreads it: look at CLUSTER \
             NODES of every node.",
        ],
        never: &[
            "Do not FORGET the real entry of that node, and do not reset the node.",
            "Do not run --cluster fix: no slot is wrong.",
        ],
        like: &["HANDSHAKE_NEVER_COMPLETES", "ADDRESS_REUSED_BY_FOREIGN_NODE"],
    },
    Cause {
        code: "JOINED_BY_LOOPBACK",
        title: "127.0.0.1 stands in the list of addresses, beside nodes of other hosts",
        side: Side::Command,
        when: loopback_in_list,
        cause: "The command names <<local>> beside <<others>>. The tool sends the other nodes a \
            CLUSTER MEET with that very text, and on their hosts 127.0.0.1 is they themselves: \
            each meets itself, nobody finds the first node, and the tool waits for ever. The \
            slots that it gave out stand in each node's own table only.",
        check: "CLUSTER NODES on each node: it lists itself only (or itself as 127.0.0.1).",
        fix: &[
            "Stop the command and use the real IP of that host in place of 127.0.0.1, in create \
             and in add-node for BOTH addresses.",
            "Nodes without any key (DBSIZE 0 on each): blank those that the attempt has touched \
             (stop, move nodes.conf aside, start), then run it again with real addresses.",
            "Nodes with keys: no new attempt; CLUSTER MEET <real ip> <port> of each node from one \
             of them joins them with the slots that they have.",
        ],
        never: &[
            "Do not repeat the command with 127.0.0.1; the nodes then refuse as 'not empty'.",
            "Do not run --cluster fix.",
        ],
        like: &["BUS_PORT_BLOCKED", "LOOPBACK_ADDRESS"],
    },
    Cause {
        code: "SINGLE_NODE_NEVER_MET",
        title: "A cluster of one node stays down until the node has met somebody, itself too",
        side: Side::Command,
        when: single_node,
        cause: "The node knows only itself and owns all 16384 slots, so nothing is missing; still \
            it says cluster_state:fail. Older servers work out the state anew only when a message \
            comes in on the bus or a node is added, and a node that never met anyone gets none \
            (redis/redis#12203; later releases do it by themselves).",
        check: "CLUSTER INFO: assigned 16384, ok 16384, known nodes 1, and yet fail; CLUSTER NODES \
            shows one line with all slots.",
        fix: &[
            "Let it meet itself: CLUSTER MEET <its own ip> <port>, sent to that node; within a \
             second CLUSTER INFO says ok. The IP must be the one that clients reach, since the \
             node then announces it.",
            "Or take a newer release.",
        ],
        never: &[
            "Do not run create or fix, and do not give the slots out again: they are all there.",
        ],
        like: &["NODE_ALONE", "SELF_ADDRESS_UNKNOWN"],
    },
];

fn met_again(seen: &Seen) -> Option<Hit> {
    let (new, old) = seen.server_rows().find_map(|new| {
        let known = new.flags.has(Flag::Handshake) && new.address.port != 0;
        // Rows of two tables are of two moments.
        let table =
            seen.tables.iter().find(|table| table.rows.iter().any(|r| r.line == new.line))?;
        let old = table.rows.iter().find(|old| {
            old.place() == new.place()
                && old.address.bus_port == new.address.bus_port
                && old.id != new.id
                && !old.is_failing()
                && !old.flags.has(Flag::Handshake)
                && old.linked == Some(true)
        });
        old.filter(|_| known).map(|old| (new, old))
    })?;
    let met = seen.lines_with(&["cluster meet"]);
    Some(Hit::of(84).more_if(6, !met.is_empty()).quote(new.line).quote(old.line).fact(
        "entry",
        format!(
            "{} has two rows: {} is a member with a living link, and {} in handshake is the same \
             node once more.",
            new.place(),
            short(&old.id),
            short(&new.id)
        ),
    ))
}

/// The addresses in the words of a command.
fn named(text: &str) -> Vec<&str> {
    let place = |word: &&str| {
        let host = word.rsplit_once(':').filter(|(_, port)| port.parse::<u16>().is_ok());
        host.is_some_and(|(host, _)| is_ipv4(host) || host == "localhost")
    };
    text.split_whitespace().filter(place).collect()
}

fn loopback_in_list(seen: &Seen) -> Option<Hit> {
    let local = |word: &str| word.starts_with("127.") || word.starts_with("localhost:");
    let (at, places) = seen.lines.iter().enumerate().find_map(|(at, line)| {
        let tool = line.lower.contains("redis-trib") || line.lower.contains("--cluster");
        let joins = line.lower.contains("create") || line.lower.contains("add-node");
        let places = named(&line.text);
        let mixed = places.iter().any(|p| local(p)) && !places.iter().all(|p| local(p));
        (tool && joins && mixed).then_some((at, places))
    })?;
    let wait = super::create::still_waits(seen)?;
    let pick = |wanted: bool| -> Vec<String> {
        places.iter().filter(|p| local(p) == wanted).map(|p| (*p).to_owned()).collect()
    };
    Some(
        Hit::of(93)
            .quote(at)
            .quote(wait)
            .fact("local", pick(true).join(" and "))
            .fact("others", pick(false).join(", ")),
    )
}

fn single_node(seen: &Seen) -> Option<Hit> {
    let all = SLOT_COUNT.to_string();
    let block = seen.blocks.iter().find(|block| {
        let is = |name: &str, value: &str| block.fields.is(name, value);
        is("cluster_known_nodes", "1")
            && is("cluster_slots_assigned", &all)
            && is("cluster_slots_ok", &all)
            && is("cluster_state", "fail")
    })?;
    let names = ["cluster_state", "cluster_slots_ok", "cluster_known_nodes"];
    Some(Hit::of(93).quotes(names.iter().filter_map(|name| block.lines.get(*name).copied())))
}

/// The ports that a firewall's list opens, with their first lines: `6380:6387/tcp ALLOW`,
/// `--dport 7000:7005 -j ACCEPT`, `port: 6379`.
fn opened(seen: &Seen) -> Vec<(usize, u16, u16)> {
    let mut out = Vec::new();
    for (at, line) in seen.lines.iter().enumerate() {
        if !["allow", "accept", "ingress"].iter().any(|word| line.lower.contains(word)) {
            continue;
        }
        let words = line.lower.split([' ', '\t', ',']);
        for word in words.filter(|word| !word.contains('.')) {
            let word = word.split('/').next().unwrap_or_default();
            let (from, to) = word.split_once([':', '-']).unwrap_or((word, word));
            if let (Ok(from), Ok(to)) = (from.parse::<u16>(), to.parse::<u16>()) {
                out.push((at, from, to));
            }
        }
    }
    out
}

/// What a firewall's list of the text says of the bus port of nodes whose client port it opens.
pub(super) fn list_without_bus(seen: &Seen) -> Option<(Vec<usize>, String)> {
    let opened = opened(seen);
    let covers = |port: u16| opened.iter().find(|(_, from, to)| (*from..=*to).contains(&port));
    let ports = seen.addresses.keys().map(|(_, port)| *port);
    let (port, at) = ports
        .filter(|port| *port >= 1024 && covers(port.saturating_add(10_000)).is_none())
        .find_map(|port| covers(port).map(|(at, _, _)| (port, *at)))?;
    let others = opened.iter().find(|(_, from, _)| *from > 10_000);
    let instead = others.map_or_else(String::new, |(_, from, to)| {
        let range = if from == to { from.to_string() } else { format!("{from} to {to}") };
        format!(" ({range} is open, which is no bus port of these nodes)")
    });
    let bus = port.saturating_add(10_000);
    let lines = std::iter::once(at).chain(others.map(|(at, _, _)| *at)).collect();
    Some((
        lines,
        format!(
            "The list of the firewall opens {port}, and nothing in it opens {bus} = {port} + \
             10000{instead}. The bus is TCP on that very number, and it is needed in both \
             directions between all hosts."
        ),
    ))
}
