//! Figures that the pastes show, whatever the cause.

use super::events;
use super::seen::{Seen, Source};
use super::table::Row;
use super::template::{Facts, list};
use super::versions;
use crate::model::{Flag, SlotSet};

/// Slots as ranges, a few of them.
pub(super) fn slots(set: &SlotSet) -> String {
    let ranges: Vec<String> = set.ranges().iter().map(ToString::to_string).collect();
    list(&ranges, 4)
}

/// Places of rows.
pub(super) fn places<'a>(rows: impl IntoIterator<Item = &'a Row>) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    for row in rows {
        let place = if row.address.ip.is_empty() { short(&row.id) } else { row.place() };
        if !found.contains(&place) {
            found.push(place);
        }
    }
    found
}

/// The beginning of an id.
pub(super) fn short(id: &str) -> String {
    id.chars().take(8).collect()
}

/// Facts that are fields of `CLUSTER INFO`, in its order.
pub(super) const FIELDS: [(&str, &str); 9] = [
    ("state", "cluster_state"),
    ("assigned", "cluster_slots_assigned"),
    ("slots_ok", "cluster_slots_ok"),
    ("pfail", "cluster_slots_pfail"),
    ("slots_fail", "cluster_slots_fail"),
    ("known", "cluster_known_nodes"),
    ("size", "cluster_size"),
    ("sent", "cluster_stats_messages_sent"),
    ("received", "cluster_stats_messages_received"),
];

/// Facts for every text.
pub(super) fn facts(seen: &Seen) -> Facts {
    let mut facts = Facts::new();
    for (fact, name) in FIELDS {
        if let Some(value) = seen.field(name) {
            facts.insert(fact, value.to_owned());
        }
    }
    if let Some((major, minor)) = seen.version() {
        facts.insert("version", format!("{major}.{minor}"));
    }
    if let Some(client) = seen.client() {
        facts.insert("client", client.to_owned());
    }
    let failing = seen.failing();
    if !failing.is_empty() {
        facts.insert("failing", list(&places(failing), 6));
    }
    if let Some(missing) = seen.unowned() {
        facts.insert("missing", slots(&missing));
        facts.insert("missing_count", missing.len().to_string());
    }
    if let Some(me) = seen.tables.iter().find_map(|table| table.myself()) {
        facts.insert("myself", me.place());
    }
    if seen.has(&JOINS) {
        facts.insert("join", JOIN.to_owned());
    }
    ports(seen, &mut facts);
    facts
}

/// The client ports of nodes and what follows for the bus.
fn ports(seen: &Seen, facts: &mut Facts) {
    let mut pairs: Vec<(u16, u16)> = Vec::new();
    for row in seen.rows().filter(|row| row.address.port != 0) {
        let usual = row.address.port.saturating_add(10_000);
        let bus = row.address.bus().map_or(usual, |bus| bus.port);
        if !pairs.contains(&(row.address.port, bus)) {
            pairs.push((row.address.port, bus));
        }
    }
    if pairs.is_empty() {
        let tool = seen.addresses.iter().filter(|((_, port), _)| *port > 1_000).take(12);
        pairs.extend(tool.filter_map(|((_, port), at)| client_and_bus(seen, *port, *at)));
        // What is 10000 above another one is the bus port of that one, as logs name it.
        let clients: Vec<u16> = pairs.iter().map(|(client, _)| *client).collect();
        pairs.retain(|(p, _)| p.checked_sub(10_000).is_none_or(|low| !clients.contains(&low)));
    }
    pairs.sort_unstable();
    pairs.dedup();
    if pairs.is_empty() {
        return;
    }
    let of = |pick: fn(&(u16, u16)) -> u16| -> Vec<String> {
        pairs.iter().map(|pair| pick(pair).to_string()).collect()
    };
    facts.insert("ports", list(&of(|pair| pair.0), 8));
    facts.insert("bus_ports", list(&of(|pair| pair.1), 8));
}

/// Lines of servers in which the port of a node is that of its bus.
const AT_BUS: [&str; 3] =
    ["connection with node", "connecting with node", "unable to connect to cluster node"];

/// The client port and the bus port that a port of a line stands for.
fn client_and_bus(seen: &Seen, port: u16, line: usize) -> Option<(u16, u16)> {
    let lower = seen.lines.get(line).map_or("", |line| line.lower.as_str());
    let low = port.checked_sub(10_000).filter(|low| *low > 1_000);
    if AT_BUS.iter().any(|mark| lower.contains(mark)) {
        return Some((low?, port));
    }
    Some((port, port.checked_add(10_000)?))
}

/// What a tool waits for where nodes are being joined.
const JOIN: &str = "The client ports are reachable, otherwise slots and epochs could not have been \
    set; but the join itself goes over the bus, so the MEET handshakes never finish, and the tool \
    waits for ever.";

/// Signs that nodes are being joined.
const JOINS: [&str; 6] = [
    "waiting for the cluster to join",
    "cluster meet",
    "--cluster create",
    "redis-trib",
    "add-node",
    "handshake",
];

/// Sentences with figures.
pub(super) fn shown(seen: &Seen) -> Vec<String> {
    let mut out = Vec::new();
    counters(seen, &mut out);
    if let Some(table) = seen.table() {
        let primaries = table.rows.iter().filter(|row| row.is_primary()).count();
        let replicas = table.rows.iter().filter(|row| row.is_replica()).count();
        let owned = table.assigned();
        // A later check that misses slots says more than an earlier listing.
        let earlier = table.source == Source::Check
            && seen.has(&["[err] not all 16384 slots"])
            && owned.complement().is_empty();
        let when = if earlier { "Before the check that misses slots, the" } else { "The" };
        if seen.is_plan(table) {
            out.push(format!(
                "The plan of --cluster create has {} and {}; it gives {} of 16384 slots to them. \
                 These rows were printed before the answer to its question: planned, not owned.",
                several(primaries, "primary", "primaries"),
                several(replicas, "replica", "replicas"),
                owned.len(),
            ));
            return rest(seen, out);
        }
        let known = seen.number("cluster_known_nodes").unwrap_or(0);
        let pasted = table.rows.len() as u64;
        // Who has the slots of rows that were not pasted is not known.
        let missing = match owned.complement() {
            _ if pasted < known => format!(" by these {pasted} of {known} nodes"),
            missing if missing.is_empty() => String::new(),
            _ if seen.is_cut(table) => {
                let rows = several(table.rows.len(), "row", "rows");
                format!(" in the {rows} pasted (there are more)")
            }
            _ if owned.is_empty() => String::new(),
            missing => format!(" (none: {})", slots(&missing)),
        };
        out.push(format!(
            "{when} table has {} and {}; {} of 16384 slots have an owner{missing}.",
            several(primaries, "primary", "primaries"),
            several(replicas, "replica", "replicas"),
            owned.len(),
        ));
        let empty: Vec<&Row> =
            table.rows.iter().filter(|row| row.is_primary() && row.slots.is_empty()).collect();
        if !empty.is_empty() && !owned.is_empty() {
            out.push(format!("Primaries without slots: {}.", list(&places(empty), 6)));
        }
    }
    rest(seen, out)
}

/// What flags, events and versions show.
fn rest(seen: &Seen, mut out: Vec<String>) -> Vec<String> {
    flags(seen, &mut out);
    let warnings = events::warnings(&seen.events);
    if !warnings.is_empty() {
        out.push(format!("Warnings of Kubernetes: {}.", list(&warnings, 6)));
    }
    let told = versions::servers(seen);
    if told.len() > 1 {
        let told: Vec<String> = told.into_iter().map(versions::Version::text).collect();
        out.push(format!("Different server versions are named: {}.", list(&told, 4)));
    } else if let Some((major, minor)) = seen.version() {
        out.push(format!("A server version is named: {major}.{minor}."));
    }
    out
}

/// A number with its noun.
fn several(count: usize, one: &str, more: &str) -> String {
    format!("{count} {}", if count == 1 { one } else { more })
}

fn counters(seen: &Seen, out: &mut Vec<String>) {
    let number = |name: &str| seen.number(name);
    if let (Some(state), Some(assigned)) =
        (seen.field("cluster_state"), number("cluster_slots_assigned"))
    {
        // A field that was not pasted is not zero.
        let told = |fields: &[(&str, &str)]| -> Vec<String> {
            let one = |(name, says): &(&str, &str)| Some(format!("{} {says}", number(name)?));
            fields.iter().filter_map(one).collect()
        };
        let slots = told(&[
            ("cluster_slots_ok", "ok"),
            ("cluster_slots_pfail", "pfail"),
            ("cluster_slots_fail", "fail"),
        ]);
        let nodes = told(&[
            ("cluster_known_nodes", "known nodes"),
            ("cluster_size", "of them primaries with slots"),
        ]);
        let assigned = format!("{assigned} of 16384 slots assigned");
        let slots = std::iter::once(assigned).chain(slots).collect::<Vec<_>>().join(", ");
        let all = std::iter::once(slots).chain((!nodes.is_empty()).then(|| nodes.join(", ")));
        out.push(format!("cluster_state:{state}: {}.", all.collect::<Vec<_>>().join("; ")));
    }
    if let (Some(0), Some(sent)) =
        (number("cluster_stats_messages_received"), number("cluster_stats_messages_sent"))
        && sent > 0
    {
        out.push(format!(
            "{sent} bus messages were sent and none was received: no link to any peer is \
             established (cluster_stats_messages_received:0)."
        ));
    }
    let stale = seen.stale_roles();
    if !stale.is_empty() {
        let hosts: Vec<String> = stale.iter().map(|role| role.host.clone()).collect();
        out.push(format!(
            "Replicas dial {}; no pod in the list has these addresses.",
            list(&hosts, 6)
        ));
    }
}

fn flags(seen: &Seen, out: &mut Vec<String>) {
    let kinds = [
        (Flag::Failed, "flagged fail (a majority agreed)"),
        (Flag::Suspected, "flagged fail? (only this node's own view)"),
        (Flag::NoAddress, "noaddr (the address was lost)"),
        (Flag::Handshake, "handshake (identity not proved yet)"),
    ];
    for (flag, text) in kinds {
        let rows = seen.flagged(flag);
        if !rows.is_empty() {
            out.push(format!("Nodes {text}: {}.", list(&places(rows), 6)));
        }
    }
    let open: Vec<String> = seen.rows().flat_map(|row| row.open.clone()).collect();
    if !open.is_empty() {
        out.push(format!("Open slots: {}.", list(&open, 4)));
    }
}

/// What to ask for when nothing fits.
pub(super) fn ask_for(seen: &Seen) -> Vec<String> {
    let mut out = Vec::new();
    if seen.tables.is_empty() {
        out.push("CLUSTER NODES of every node: who believes what about whom.".to_owned());
    }
    if seen.field("cluster_state").is_none() {
        out.push("CLUSTER INFO of every node.".to_owned());
    }
    if seen.log_lines == 0 {
        out.push("The last 100 lines of the log of the node that misbehaves.".to_owned());
    }
    out.push("The whole text of the client's error, with its cause or lastNodeError.".to_owned());
    out.push("Where the cluster can be reached: slotwright check HOST:PORT.".to_owned());
    out
}
