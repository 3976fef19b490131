//! `CLUSTER NODES`: one line for each node that the answering node knows
//! (`clusterGenNodeDescription`).
//!
//! ```text
//! <id> <ip:port@cport[,hostname[,aux=value]*]> <flags> <primary|-> <ping> <pong> <epoch> <link>
//!     <slot>...
//! ```
//!
//! Invariant: time is linear in the input, and a row that was seen before is neither read nor
//! stored again.

use super::{decimal, lines};
use crate::limits::{ODDITIES_MAX, QUOTE_BYTES_MAX, ROWS_MAX};
use crate::model::{ConfigEpoch, Flags, NodeAddress, NodeId, Slot, SlotSet};
use crate::observation::{LinkState, NodeRow, NodesView, OpenSlot, RowTable, ViewRow};

/// Reads a reply. Rows go into `table`; lines that cannot be read become oddities of the view.
pub fn parse(text: &[u8], table: &mut RowTable) -> NodesView {
    let mut times: Vec<(u32, u64, u64)> = Vec::with_capacity(text.len() / 128 + 1);
    let mut oddities = Oddities::default();
    let mut key = Vec::with_capacity(256);
    for line in lines(text) {
        if line.is_empty() {
            continue;
        }
        match read_line(line, &mut key, table) {
            Ok((row, ping, pong, unread)) => {
                times.push((row, ping, pong));
                if !unread.is_empty() {
                    oddities.push(format!("{} in: {}", unread, quote(line)));
                }
            }
            Err(why) => oddities.push(format!("{why}: {}", quote(line))),
        }
    }
    view(&times, oddities.finish())
}

/// Columns 5 and 6 change each second; the rest is the key of the row.
fn read_line(
    line: &[u8],
    key: &mut Vec<u8>,
    table: &mut RowTable,
) -> Result<(u32, u64, u64, String), &'static str> {
    let mut blanks = memchr::memchr_iter(b' ', line);
    let before_ping = blanks.nth(3).ok_or("too few columns")?;
    let before_pong = blanks.next().ok_or("too few columns")?;
    let after_pong = blanks.next().ok_or("too few columns")?;
    let ping = decimal(&line[before_ping + 1..before_pong]).ok_or("no time of a ping")?;
    let pong = decimal(&line[before_pong + 1..after_pong]).ok_or("no time of a pong")?;
    key.clear();
    key.extend_from_slice(&line[..before_ping]);
    key.extend_from_slice(&line[after_pong..]);
    if table.as_slice().len() >= ROWS_MAX {
        return Err("more distinct rows than we keep");
    }
    let (mut why, mut unread) = ("", String::new());
    let row = table.intern(key, || match read_row(key) {
        Ok((row, rest)) => {
            unread = rest;
            Some(row)
        }
        Err(reason) => {
            why = reason;
            None
        }
    });
    row.map(|row| (row, ping, pong, unread)).ok_or(why)
}

/// Reads a line without its two times. The second value says what in it was not understood.
fn read_row(key: &[u8]) -> Result<(NodeRow, String), &'static str> {
    let text = String::from_utf8_lossy(key);
    let mut columns = text.split(' ');
    let mut next = || columns.next().ok_or("too few columns");
    let id = NodeId::parse(next()?.as_bytes()).map_err(|_| "no node id")?;
    let address = address(next()?);
    let (flags, unknown) = Flags::parse(next()?);
    let mut unread: Vec<String> =
        unknown.iter().map(|word| format!("unknown flag {word:?}")).collect();
    let primary = match next()? {
        "-" => None,
        text => Some(NodeId::parse(text.as_bytes()).map_err(|_| "no id of a primary")?),
    };
    let epoch = ConfigEpoch(next()?.parse().map_err(|_| "no config epoch")?);
    let link = match next()? {
        "connected" => LinkState::Connected,
        "disconnected" => LinkState::Disconnected,
        _ => return Err("no link state"),
    };
    let (mut slots, mut open) = (SlotSet::new(), Vec::new());
    for word in columns.filter(|word| !word.is_empty()) {
        if !slot_word(word, &mut slots, &mut open) {
            unread.push(format!("no slot: {word:?}"));
        }
    }
    unread.truncate(3);
    Ok((NodeRow { id, address, flags, primary, epoch, link, slots, open }, unread.join(", ")))
}

/// Reads `5`, `5-9`, `[5->-id]` or `[5-<-id]`.
fn slot_word(word: &str, slots: &mut SlotSet, open: &mut Vec<OpenSlot>) -> bool {
    if let Some(mark) = word.strip_prefix('[').and_then(|w| w.strip_suffix(']')) {
        let Some(mark) = open_slot(mark) else { return false };
        open.push(mark);
        return true;
    }
    let (first, last) = word.split_once('-').unwrap_or((word, word));
    match (first.parse(), last.parse()) {
        (Ok(first), Ok(last)) => slots.insert(first, last),
        _ => false,
    }
}

fn open_slot(mark: &str) -> Option<OpenSlot> {
    let (number, rest) = mark.split_once('-')?;
    let slot = Slot::new(number.parse().ok()?)?;
    let id = |text: &str| NodeId::parse(text.as_bytes()).ok();
    if let Some(to) = rest.strip_prefix(">-") {
        return Some(OpenSlot::Migrating { slot, to: id(to)? });
    }
    Some(OpenSlot::Importing { slot, from: id(rest.strip_prefix("<-")?)? })
}

/// Reads `ip:port@cport[,hostname[,aux=value]*]`, also without the bus port (Redis 3).
pub fn address(column: &str) -> NodeAddress {
    let mut parts = column.split(',');
    let place = parts.next().unwrap_or_default();
    let hostname = parts.next().filter(|name| !name.is_empty() && !name.contains('='));
    let (client, bus) = match place.split_once('@') {
        Some((client, bus)) => (client, bus.parse().ok()),
        None => (place, None),
    };
    let (ip, port) = client.rsplit_once(':').unwrap_or((client, "0"));
    let ip = ip.strip_prefix('[').and_then(|ip| ip.strip_suffix(']')).unwrap_or(ip);
    NodeAddress {
        ip: ip.to_owned(),
        port: port.parse().unwrap_or(0),
        bus_port: bus,
        hostname: hostname.map(str::to_owned),
    }
}

/// Times become ages against the newest pong, so that they fit in half the room.
fn view(times: &[(u32, u64, u64)], oddities: Vec<String>) -> NodesView {
    let newest = times.iter().map(|(_, _, pong)| *pong).max().unwrap_or(0);
    let back = |then: u64| u32::try_from(newest.saturating_sub(then)).unwrap_or(u32::MAX);
    let rows = times
        .iter()
        .map(|(row, ping, pong)| ViewRow {
            row: *row,
            ping_waits_ms: if *ping == 0 { 0 } else { back(*ping).max(1) },
            pong_age_ms: if *pong == 0 { u32::MAX } else { back(*pong) },
        })
        .collect();
    NodesView { rows, oddities }
}

/// The head of a peer's text, for an oddity. Escaping is the renderer's duty.
fn quote(bytes: &[u8]) -> String {
    let head = &bytes[..bytes.len().min(QUOTE_BYTES_MAX)];
    String::from_utf8_lossy(head).into_owned()
}

/// Oddities up to the limit, and how many more there were.
#[derive(Default)]
struct Oddities {
    kept: Vec<String>,
    more: usize,
}

impl Oddities {
    fn push(&mut self, oddity: String) {
        if self.kept.len() < ODDITIES_MAX {
            self.kept.push(oddity);
        } else {
            self.more += 1;
        }
    }

    fn finish(mut self) -> Vec<String> {
        if self.more > 0 {
            self.kept.push(format!("and {} more lines that cannot be read", self.more));
        }
        self.kept
    }
}

/// Writes a row as the servers do, with the two times given. The inverse of [`parse`].
pub fn render(row: &NodeRow, ping_ms: u64, pong_ms: u64) -> String {
    use std::fmt::Write as _;
    let primary = row.primary.map_or_else(|| "-".to_owned(), |id| id.to_string());
    let link = match row.link {
        LinkState::Connected => "connected",
        LinkState::Disconnected => "disconnected",
    };
    let mut line = format!(
        "{} {} {} {primary} {ping_ms} {pong_ms} {} {link}",
        row.id, row.address, row.flags, row.epoch
    );
    for range in row.slots.ranges() {
        let _ = write!(line, " {range}");
    }
    for mark in &row.open {
        let _ = match mark {
            OpenSlot::Migrating { slot, to } => write!(line, " [{slot}->-{to}]"),
            OpenSlot::Importing { slot, from } => write!(line, " [{slot}-<-{from}]"),
        };
    }
    line
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::model::Flag;

    const REPLY: &str = "\
07c37dfeb235213a872192d90877d0cd55635b91 127.0.0.1:30004@31004,hostname4 slave \
e7d1eecce10fd6bb5eb35b9f99a514335d9ba9ca 0 1426238317239 4 connected
e7d1eecce10fd6bb5eb35b9f99a514335d9ba9ca 127.0.0.1:30001@31001 myself,master - 0 0 1 connected \
0-5460 [5461->-07c37dfeb235213a872192d90877d0cd55635b91]
67ed2db8d677e59ec4a4cefb06858cf2a1a89fa1 :0@0 master,fail,noaddr - 1426238316232 1426238316230 2 \
disconnected 5461 5463-10922
";

    #[test]
    fn a_reply_of_the_manual_is_read() {
        let mut table = RowTable::default();
        let view = parse(REPLY.as_bytes(), &mut table);
        assert_eq!(view.oddities, Vec::<String>::new());
        let rows: Vec<&NodeRow> = view.rows.iter().filter_map(|v| table.get(v.row)).collect();
        assert_eq!(rows[0].address.hostname.as_deref(), Some("hostname4"));
        assert_eq!(rows[0].address.bus_port, Some(31004));
        assert_eq!(rows[1].open.len(), 1);
        assert!(rows[2].flags.has(Flag::NoAddress) && rows[2].address.client().is_none());
        assert_eq!(rows[2].slots.to_string(), "5461,5463-10922");
        assert_eq!(view.rows[2].ping_waits_ms, 1007);
        assert_eq!(view.rows[1].pong_age_ms, u32::MAX);
    }

    #[test]
    fn the_same_row_of_two_observers_is_stored_once() {
        let mut table = RowTable::default();
        parse(REPLY.as_bytes(), &mut table);
        let later = REPLY.replace("1426238317239", "1426238999999");
        parse(later.as_bytes(), &mut table);
        assert_eq!(table.as_slice().len(), 3);
    }

    #[test]
    fn a_bad_line_costs_only_itself() {
        let mut table = RowTable::default();
        let text = format!("nonsense\n{REPLY}\u{1b}[31m 1 2 3 4 5 6 7 8\n");
        let view = parse(text.as_bytes(), &mut table);
        assert_eq!(view.rows.len(), 3);
        assert_eq!(view.oddities.len(), 2);
    }

    #[test]
    fn ipv6_and_redis_3_are_read() {
        assert_eq!(address("2001:db8::1:6379@16379").ip, "2001:db8::1");
        assert_eq!(address("127.0.0.1:7001").bus().map(|e| e.port), Some(17001));
        assert_eq!(address(":6379@16379,,tls-port=0,shard-id=69").hostname, None);
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
            parse(&bytes, &mut RowTable::default());
        }

        #[test]
        fn what_is_rendered_is_read_back(
            id in 0_u32..50, port in 1_u16..60000, first in 0_u16..8000, len in 0_u16..8000,
            epoch in 0_u64..1000, broken in any::<bool>(),
        ) {
            let row = NodeRow {
                id: NodeId::made_up(id),
                address: NodeAddress {
                    ip: "10.1.2.3".into(), port, bus_port: Some(port), hostname: None,
                },
                flags: Flags::none().with(Flag::Primary),
                primary: None,
                epoch: ConfigEpoch(epoch),
                link: if broken { LinkState::Disconnected } else { LinkState::Connected },
                slots: SlotSet::range(first, first + len),
                open: vec![OpenSlot::Importing {
                    slot: Slot::new(first).expect("a slot"), from: NodeId::made_up(99),
                }],
            };
            let mut table = RowTable::default();
            let view = parse(render(&row, 0, 7).as_bytes(), &mut table);
            prop_assert_eq!(table.get(view.rows[0].row), Some(&row));
        }
    }
}
