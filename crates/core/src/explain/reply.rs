//! `CLUSTER SLOTS` and `CLUSTER SHARDS` as people paste them: what redis-cli prints for RESP2 and
//! RESP3, its `--json` and raw forms, and what client libraries print.
//!
//! All of these show the same values in the same order and differ in the marks around them, so the
//! marks are dropped and the order of the values alone is read. Indentation may be lost.

use super::causes::is_empty_reply;
use super::lines::Line;
use super::seen::{Source, Table};
use super::table::{Row, add_range, looks_like_id};
use crate::model::{Flag, Flags, SLOT_COUNT, SlotSet};
use crate::wire::cluster_nodes;

/// Values kept of one line. A reply printed as JSON is one line.
const ATOMS_MAX: usize = 4_000;

/// One value of a reply.
#[derive(Clone, PartialEq, Debug)]
enum Atom {
    Number(u64),
    Text(String),
    Nil,
    /// Here stands something that no reply has.
    Break,
}

/// The tables of all replies in the pastes, and what could not be read of them.
pub(super) fn tables(lines: &[Line]) -> (Vec<Table>, Vec<String>) {
    let mut all: Vec<(usize, Atom)> = Vec::new();
    let mut paste = None;
    for (at, line) in lines.iter().enumerate() {
        if paste.replace(line.paste).is_some_and(|before| before != line.paste) {
            all.push((at, Atom::Break));
        }
        all.extend(atoms(&line.text).into_iter().map(|atom| (at, atom)));
    }
    let (mut tables, mut notes) = (Vec::new(), Vec::new());
    slots(&all, &mut tables, &mut notes);
    shards(&all, &mut tables);
    let asked = |name: &str| lines.iter().any(|line| line.lower.trim_end().ends_with(name));
    for (name, source) in [("cluster slots", Source::Slots), ("cluster shards", Source::Shards)] {
        let silent = !tables.iter().any(|table: &Table| table.source == source);
        let nothing = lines.windows(2).any(|pair| match pair {
            [ask, answer] => ask.lower.trim_end().ends_with(name) && is_empty_reply(&answer.lower),
            _ => false,
        });
        if asked(name) && silent && !nothing {
            notes.push(format!("{}: no reply to it could be read.", name.to_uppercase()));
        }
    }
    let cut = lines.iter().any(|line| matches!(line.text.trim(), "..." | "…" | "(...)" | "[...]"));
    if cut && !tables.is_empty() {
        notes.push(
            "CLUSTER SLOTS or SHARDS: the paste leaves lines out ('...'), so slots that it does \
             not show are not taken for missing."
                .to_owned(),
        );
        tables.clear();
    }
    (tables, notes)
}

/// The values of a line without the marks around them.
fn atoms(text: &str) -> Vec<Atom> {
    let (mut found, mut bare_words) = (Vec::new(), 0);
    let mut rest = text.trim();
    if matches!(rest, "(" | ")") {
        return found;
    }
    while found.len() < ATOMS_MAX {
        rest = rest.trim_start_matches(|c: char| c.is_whitespace() || ",[]{}".contains(c));
        if rest.is_empty() {
            break;
        }
        let skipped = ["(integer)", "(empty array)", "(empty list or set)", "(empty hash)", "=>"];
        if let Some(after) = skipped.iter().find_map(|mark| rest.strip_prefix(mark)) {
            rest = after;
        } else if let Some(after) = rest.strip_prefix("(nil)") {
            found.push(Atom::Nil);
            rest = after;
        } else if let Some(quote @ ('"' | '\'')) = rest.chars().next() {
            let inner = rest.get(1..).unwrap_or("");
            let (value, after) = inner.split_once(quote).unwrap_or((inner, ""));
            found.push(Atom::Text(value.to_owned()));
            rest = after.trim_start().strip_prefix(':').unwrap_or(after);
        } else {
            let end = rest.find(|c: char| !is_plain(c)).unwrap_or(rest.len());
            let (word, after) = rest.split_at(end);
            rest = match bare(word, after) {
                Bare::Mark(after) => after,
                // A reply has one word without quotes in a line; a sentence has more.
                Bare::Value(Atom::Text(_)) if bare_words > 0 => return vec![Atom::Break],
                Bare::Value(atom) => {
                    bare_words += usize::from(matches!(atom, Atom::Text(_)));
                    found.push(atom);
                    after
                }
                Bare::Foreign => return vec![Atom::Break],
            };
        }
    }
    found
}

/// A word without quotes.
enum Bare<'a> {
    /// The number of an element; the text goes on behind it.
    Mark(&'a str),
    Value(Atom),
    Foreign,
}

fn bare<'a>(word: &str, after: &'a str) -> Bare<'a> {
    let digits = !word.is_empty() && word.chars().all(|c| c.is_ascii_digit());
    let marked = after.strip_prefix([')', '#', '~']).or_else(|| after.strip_prefix("] =>"));
    if digits && let Some(after) = marked {
        return Bare::Mark(after);
    }
    let number = word.parse().ok().filter(|_| digits);
    match (number, word) {
        (Some(number), _) => Bare::Value(Atom::Number(number)),
        (None, "null" | "None" | "nil") => Bare::Value(Atom::Nil),
        (None, "") => Bare::Foreign,
        (None, "Array") => Bare::Mark(after.trim_start().trim_start_matches('(')),
        (None, word) => Bare::Value(Atom::Text(word.to_owned())),
    }
}

fn is_plain(c: char) -> bool {
    c.is_ascii_alphanumeric() || ".:-_?".contains(c)
}

fn number(all: &[(usize, Atom)], at: usize) -> Option<u64> {
    match all.get(at)? {
        (_, Atom::Number(number)) => Some(*number),
        _ => None,
    }
}

fn text(all: &[(usize, Atom)], at: usize) -> Option<&str> {
    match all.get(at)? {
        (_, Atom::Text(text)) => Some(text),
        (_, Atom::Nil) => Some(""),
        _ => None,
    }
}

/// A host; a null is one that the server does not tell (`cluster-preferred-endpoint-type`).
fn host(all: &[(usize, Atom)], at: usize) -> Option<&str> {
    if matches!(all.get(at), Some((_, Atom::Nil))) { Some("?") } else { text(all, at) }
}

/// First slot, last slot, then host, port and id of each node.
fn slots(all: &[(usize, Atom)], tables: &mut Vec<Table>, notes: &mut Vec<String>) {
    let (mut table, mut taken): (Vec<Row>, _) = (Vec::new(), SlotSet::new());
    let mut at = 0;
    while at < all.len() {
        let (nodes, next) = range(all, at);
        if let (Some(first), Some(low), Some(high)) =
            (nodes.first(), number(all, at), number(all, at + 1))
        {
            // The same slot again is another node's reply.
            let mut own = SlotSet::new();
            add_range(&mut own, &format!("{low}-{high}"));
            if !taken.intersection(&own).is_empty() {
                taken = SlotSet::new();
                tables.push(Table { source: Source::Slots, rows: std::mem::take(&mut table) });
            }
            taken = taken.union(&own);
            let primary = first.id.clone();
            for (place, mut row) in nodes.into_iter().enumerate() {
                let is_primary = place == 0;
                row.flags = flags(is_primary);
                row.primary = (!is_primary).then(|| primary.clone());
                merge(&mut table, row, if is_primary { Some(&own) } else { None });
            }
        }
        let torn = matches!(all.get(next), Some((_, Atom::Break)) | None);
        if torn && !table.is_empty() {
            taken = SlotSet::new();
            tables.push(Table { source: Source::Slots, rows: std::mem::take(&mut table) });
        }
        at = next;
    }
    let unnamed = tables.iter().flat_map(|table| &table.rows).filter(|row| row.id.contains(':'));
    if unnamed.count() > 0 {
        notes.push("CLUSTER SLOTS: nodes without an id (servers before 4.0).".to_owned());
    }
}

/// The nodes of the range that begins here, none if none does; and where to go on.
fn range(all: &[(usize, Atom)], at: usize) -> (Vec<Row>, usize) {
    let bounds = number(all, at).zip(number(all, at + 1));
    if !bounds.is_some_and(|(low, high)| low <= high && high < u64::from(SLOT_COUNT)) {
        return (Vec::new(), at + 1);
    }
    let (mut nodes, mut next) = (Vec::new(), at + 2);
    loop {
        let (Some(host), Some(port)) = (host(all, next), number(all, next + 1)) else {
            // Metadata: a name and its value for each.
            let pair = text(all, next).is_some() && text(all, next + 1).is_some();
            if !pair || nodes.is_empty() {
                break;
            }
            next += 1;
            continue;
        };
        // Two numbers and a text behind them: this was metadata, and another range begins.
        let bounds = number(all, next + 2).is_some() && number(all, next + 3).is_none();
        if bounds && !nodes.is_empty() {
            next += 1;
            break;
        }
        if !is_host(host) || port > u64::from(u16::MAX) {
            break;
        }
        let id = text(all, next + 2).filter(|id| looks_like_id(id) && !id.contains('.'));
        let line = all.get(next).map_or(0, |(line, _)| *line);
        nodes.push(row(line, id.unwrap_or(""), host, port));
        next += if id.is_some() { 3 } else { 2 };
    }
    let next = if nodes.is_empty() { at + 1 } else { next };
    (nodes, next)
}

fn is_host(host: &str) -> bool {
    let plain = host.chars().all(|c| c.is_ascii_alphanumeric() || ".:-_".contains(c));
    host.is_empty() || host == "?" || (plain && (host.contains(['.', ':']) || host.len() < 64))
}

fn row(line: usize, id: &str, host: &str, port: u64) -> Row {
    let place = format!("{host}:{port}");
    Row {
        line,
        id: if id.is_empty() { place.clone() } else { id.to_owned() },
        address: cluster_nodes::address(&place),
        flags: Flags::none(),
        primary: None,
        ping: 0,
        epoch: None,
        linked: None,
        slots: SlotSet::new(),
        open: Vec::new(),
    }
}

fn flags(is_primary: bool) -> Flags {
    Flags::none().with(if is_primary { Flag::Primary } else { Flag::Replica })
}

fn merge(table: &mut Vec<Row>, row: Row, slots: Option<&SlotSet>) {
    let at = table.iter().position(|known| known.id == row.id).unwrap_or_else(|| {
        table.push(row);
        table.len() - 1
    });
    if let (Some(known), Some(slots)) = (table.get_mut(at), slots) {
        known.slots = known.slots.union(slots);
    }
}

/// `slots` with pairs of numbers, `nodes` with names and values of each node, `id` first.
fn shards(all: &[(usize, Atom)], tables: &mut Vec<Table>) {
    let mut table: Vec<Row> = Vec::new();
    let mut at = 0;
    while at < all.len() {
        if text(all, at) != Some("slots") {
            let torn = matches!(all.get(at), Some((_, Atom::Break)));
            if torn && !table.is_empty() {
                tables.push(Table { source: Source::Shards, rows: std::mem::take(&mut table) });
            }
            at += 1;
            continue;
        }
        let mut own = SlotSet::new();
        at += 1;
        while let (Some(low), Some(high)) = (number(all, at), number(all, at + 1)) {
            add_range(&mut own, &format!("{low}-{high}"));
            at += 2;
        }
        if text(all, at) != Some("nodes") {
            continue;
        }
        let (nodes, next) = shard_nodes(all, at + 1);
        let again = nodes.iter().any(|node| table.iter().any(|row| row.id == node.id));
        if again {
            tables.push(Table { source: Source::Shards, rows: std::mem::take(&mut table) });
        }
        table.extend(with_owner(nodes, &own));
        at = next;
    }
    if !table.is_empty() {
        tables.push(Table { source: Source::Shards, rows: table });
    }
}

/// Gives the slots of a shard to its primary: of several, to one that is up.
fn with_owner(mut nodes: Vec<Row>, slots: &SlotSet) -> Vec<Row> {
    let up = nodes.iter().position(|node| node.is_primary() && !node.is_failing());
    let owner = up.or_else(|| nodes.iter().position(Row::is_primary));
    let id = owner.and_then(|at| nodes.get(at)).map(|node| node.id.clone());
    for (at, node) in nodes.iter_mut().enumerate() {
        if Some(at) == owner {
            node.slots = slots.clone();
        } else if node.is_replica() {
            node.primary.clone_from(&id);
        }
    }
    nodes
}

/// The nodes whose names and values stand from here on; those whose role is missing are left out.
fn shard_nodes(all: &[(usize, Atom)], mut at: usize) -> (Vec<Row>, usize) {
    let mut nodes: Vec<Row> = Vec::new();
    while let Some(name) = text(all, at).filter(|name| *name != "slots") {
        let value = text(all, at + 1);
        match (name, value, nodes.last_mut()) {
            ("id", Some(id), _) => {
                let line = all.get(at + 1).map_or(0, |(line, _)| *line);
                let mut node = row(line, id, "", 0);
                node.address.ip = String::new();
                nodes.push(node);
            }
            ("ip", Some(ip), Some(node)) => ip.clone_into(&mut node.address.ip),
            ("port" | "tls-port", None, Some(node)) => {
                let port = number(all, at + 1).and_then(|port| port.try_into().ok());
                node.address.port = port.unwrap_or(node.address.port);
            }
            ("role", Some(role), Some(node)) => {
                node.flags = flags(matches!(role, "master" | "primary"));
            }
            ("health", Some("fail" | "failed"), Some(node)) => {
                node.flags = node.flags.with(Flag::Failed);
            }
            _ => {}
        }
        at += if value.is_some() || number(all, at + 1).is_some() { 2 } else { 1 };
    }
    nodes.retain(|node| node.is_primary() || node.is_replica());
    (nodes, at)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::explain::{Paste, lines};

    fn read(text: &str) -> (Vec<Table>, Vec<String>) {
        let pastes = [Paste { name: "a".to_owned(), text: text.to_owned() }];
        tables(&lines::clean(&pastes).0)
    }

    const A: &str = "09dbe9720cda62f7865eabc5fd8857c5d2678366";
    const B: &str = "821d8ca00d7ccf931ed3ffc7e3db0599d2271abf";

    fn two_ranges(table: &Table) {
        let rows: Vec<(String, u16, bool)> =
            table.rows.iter().map(|r| (r.place(), r.slots.len(), r.is_primary())).collect();
        let wanted =
            [("10.0.0.1:6379".to_owned(), 5_462, true), ("10.0.0.2:6380".to_owned(), 0, false)];
        assert_eq!(rows, wanted);
        assert_eq!(table.rows[1].primary.as_deref(), Some(A));
        assert_eq!(table.source, Source::Slots);
    }

    #[test]
    fn slots_as_redis_cli_prints_them() {
        let node = |number: u32, ip: &str, port: u32, id: &str| {
            format!(
                "   {number}) 1) \"{ip}\"\n      2) (integer) {port}\n      3) \"{id}\"\n      4) 1) \
                 \"hostname\"\n         2) \"n{number}.example\"\n"
            )
        };
        let mut text = "10.0.0.1:6379> cluster slots\n".to_owned();
        for (number, low, high) in [(1, 0, 5_460), (2, 7_000, 7_000)] {
            text.push_str(&format!("{number}) 1) (integer) {low}\n   2) (integer) {high}\n"));
            text.push_str(&node(3, "10.0.0.1", 6379, A));
            text.push_str(&node(4, "10.0.0.2", 6380, B));
        }
        let (tables, notes) = read(&text);
        assert_eq!((tables.len(), notes.len()), (1, 0), "{tables:#?}");
        two_ranges(&tables[0]);
        let flat: String = text.lines().map(|line| format!("{}\n", line.trim())).collect();
        two_ranges(&read(&flat).0[0]);
    }

    #[test]
    fn slots_as_json_as_raw_lines_and_as_php() {
        let json = format!(
            "[[0,5460,[\"10.0.0.1\",6379,\"{A}\",[]],[\"10.0.0.2\",6380,\"{B}\",[]]],[7000,7000,\
             [\"10.0.0.1\",6379,\"{A}\",[]],[\"10.0.0.2\",6380,\"{B}\",[]]]]"
        );
        two_ranges(&read(&json).0[0]);
        let ranges = ["0\n5460", "7000\n7000"];
        let raw = ranges.map(|r| format!("{r}\n10.0.0.1\n6379\n{A}\n\n10.0.0.2\n6380\n{B}\n\n"));
        two_ranges(&read(&raw.concat()).0[0]);
        let php = format!(
            "Array\n(\n [0] => Array\n (\n [0] => 0\n [1] => 5461\n [2] => Array\n (\n [0] => \
             10.0.0.1\n [1] => 6379\n [2] => {A}\n )\n )\n)\n"
        );
        assert_eq!(read(&php).0[0].rows[0].slots.len(), 5_462);
    }

    #[test]
    fn shards_of_resp2_resp3_and_json() {
        let resp3 = format!(
            "1) 1# \"slots\" => 1) (integer) 0\n      2) (integer) 5460\n   2# \"nodes\" => 1) 1# \
             \"id\" => \"{A}\"\n         2# \"port\" => (integer) 6379\n         3# \"ip\" => \
             \"10.0.0.1\"\n         4# \"endpoint\" => \"10.0.0.1\"\n         5# \"role\" => \
             \"master\"\n         6# \"replication-offset\" => (integer) 72\n         7# \"health\" \
             => \"fail\"\n"
        );
        let resp2 = resp3.replace('#', ")").replace(" => ", "\n");
        let json = format!(
            "[{{\"slots\":[0,5460],\"nodes\":[{{\"id\":\"{A}\",\"port\":6379,\"ip\":\"10.0.0.1\",\
             \"role\":\"master\",\"replication-offset\":72,\"health\":\"fail\"}}]}}]"
        );
        for text in [resp3, resp2, json] {
            let (tables, _) = read(&text);
            let row = &tables[0].rows[0];
            assert_eq!(
                (row.place(), row.slots.len()),
                ("10.0.0.1:6379".to_owned(), 5_461),
                "{text}"
            );
            assert!(row.is_failing() && row.is_primary(), "{text}");
        }
    }

    #[test]
    fn what_is_cut_off_or_no_reply_is_no_table() {
        let (tables, notes) = read(&format!(
            "> CLUSTER SLOTS\n1) 1) (integer) 0\n   2) (integer) 100\n   3) 1) \"10.0.0.1\"\n      2) \
             (integer) 6379\n      3) \"{A}\"\n..."
        ));
        assert_eq!((tables.len(), notes.len()), (0, 1), "{notes:?}");
        let (tables, notes) =
            read("> CLUSTER SLOTS\n(error) ERR This instance has cluster support");
        assert_eq!((tables.len(), notes.len()), (0, 1), "{notes:?}");
        for text in [
            "1) \"slave\"\n2) \"10.0.0.1\"\n3) (integer) 6379\n4) \"connected\"\n5) (integer) 12",
            "slots 0 5460 and 10923 16383 of host 6379 were moved",
            "redis-0   1/1   Running   0   4m   100.64.22.9   node",
        ] {
            assert_eq!(read(text).0, [], "{text}");
        }
    }
}
