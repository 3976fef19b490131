//! The ways of lying, each as what becomes of the answers of an honest node.

use std::net::Ipv4Addr;
use std::sync::atomic::{AtomicUsize, Ordering};

use slotwright_core::model::NodeId;
use slotwright_core::wire::bus;

use super::past::Past;
use crate::client::Value;
use crate::place::{BUS_PORT, PORT};

/// An epoch that no cluster comes to.
const HUGE_EPOCH: u64 = 9_000_000_000;
/// A slot that is owned by the first node of three.
const SLOT_OF_FIRST: u16 = 7;
const SLOTS: u16 = 16_384;
/// Members that a table invents.
const INVENTED: usize = 3_000;

/// How a liar lies.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Strategy {
    /// It repeats what it said before anything was broken.
    Yesterday,
    /// All slots are its own, by a huge epoch.
    AllSlots,
    /// The first primary has failed, and it has taken over its slots: what a failover looks like.
    TookOver,
    /// It is the first primary.
    OtherId,
    /// All others have failed.
    AllFailed,
    /// It knows nobody else.
    Alone,
    /// The truth and `AllSlots` in turn.
    Alternates,
    /// All others moved to the address of the attacker.
    AllMoved,
    /// It lives at the address of the attacker, and sends everybody there.
    Redirects,
    /// It knows members that nobody else knows, all at the attacker's network.
    Invents,
    /// Nobody owns any slot.
    NoSlots,
    /// Slots of all others are on their way to it.
    OpenSlots,
    /// Each slot has keys with it, and it owns the first.
    KeysEverywhere,
    /// It has no key, no slot and no primary.
    Empty,
    /// Counts that no server has.
    HugeCounts,
    /// OK to everything.
    Ok,
    /// Errors that speak to a terminal.
    Escapes,
    /// It loads its data, for ever.
    Loads,
}

impl Strategy {
    /// All.
    pub const ALL: [Self; 18] = [
        Self::Yesterday,
        Self::AllSlots,
        Self::TookOver,
        Self::OtherId,
        Self::AllFailed,
        Self::Alone,
        Self::Alternates,
        Self::AllMoved,
        Self::Redirects,
        Self::Invents,
        Self::NoSlots,
        Self::OpenSlots,
        Self::KeysEverywhere,
        Self::Empty,
        Self::HugeCounts,
        Self::Ok,
        Self::Escapes,
        Self::Loads,
    ];
}

/// The liar and the attacker, who agree.
pub(super) struct Liars {
    past: Past,
    strategy: Strategy,
    attacker: Ipv4Addr,
    asked: AtomicUsize,
}

/// A row of `CLUSTER NODES`.
struct Row {
    words: Vec<String>,
}

impl Row {
    fn is_self(&self) -> bool {
        self.words[2].contains("myself")
    }

    fn own(&mut self, slots: &str) {
        self.words.truncate(8);
        if !slots.is_empty() {
            self.words.push(slots.to_owned());
        }
    }

    fn become_primary(&mut self, epoch: u64, slots: &str) {
        self.words[2] = "myself,master".to_owned();
        self.words[3] = "-".to_owned();
        self.words[6] = epoch.to_string();
        self.own(slots);
    }

    fn fail(&mut self) {
        self.words[2] = format!("{},fail", self.words[2]);
        self.words[7] = "disconnected".to_owned();
    }

    fn move_to(&mut self, ip: Ipv4Addr) {
        self.words[1] = format!("{ip}:{PORT}@{BUS_PORT}");
    }
}

impl Liars {
    pub(super) fn new(past: Past, strategy: Strategy, attacker: Ipv4Addr) -> Self {
        Self { past, strategy, attacker, asked: AtomicUsize::new(0) }
    }

    pub(super) fn ip(&self) -> Ipv4Addr {
        self.past.ip
    }

    /// What is said to a command.
    pub(super) fn answer(&self, words: &[String], is_attacker: bool) -> Value {
        let line = words.join(" ").to_uppercase();
        let text = |text: String| Value::Text(text);
        match self.strategy {
            Strategy::Ok => return text("OK".to_owned()),
            Strategy::Escapes => {
                let words = "ERR \u{1b}]0;owned\u{7}\u{1b}[2J\u{9b}31m \u{202e}MOVED 7 x";
                return Value::Error(words.to_owned());
            }
            Strategy::Loads if line != "CLUSTER MYID" => {
                return Value::Error("LOADING Redis is loading the dataset in memory".to_owned());
            }
            _ => {}
        }
        if let Some(slot) = line.strip_prefix("CLUSTER COUNTKEYSINSLOT ") {
            return Value::Number(self.keys_in(slot.parse().unwrap_or(0)));
        }
        match line.as_str() {
            "CLUSTER MYID" => text(self.id(is_attacker)),
            "CLUSTER NODES" => text(self.table(is_attacker)),
            "CLUSTER INFO" => text(self.cluster_info()),
            "INFO" => text(self.info()),
            "TIME" => Value::List(vec![text(now_s()), text("0".to_owned())]),
            _ if line.starts_with("CONFIG GET") => self.past.answers["CONFIG GET *"].clone(),
            _ if line.starts_with("AUTH") => text("OK".to_owned()),
            _ => match self.past.answers.get(line.as_str()) {
                Some(answer) => answer.clone(),
                None if self.strategy == Strategy::Redirects => {
                    Value::Error(format!("MOVED {SLOT_OF_FIRST} {}:{PORT}", self.attacker))
                }
                // To everything that changes something: it agrees, and does nothing.
                None => text("OK".to_owned()),
            },
        }
    }

    fn keys_in(&self, slot: u16) -> i64 {
        match self.strategy {
            Strategy::KeysEverywhere => 1_000_000,
            Strategy::Empty => 0,
            Strategy::HugeCounts => i64::MAX - i64::from(slot),
            _ => self.past.keys.get(&slot).copied().unwrap_or(0),
        }
    }

    fn rows(&self) -> Vec<Row> {
        let words = |line: String| line.split(' ').map(str::to_owned).collect();
        self.past.table().into_iter().map(|line| Row { words: words(line) }).collect()
    }

    /// The row of the node that owns the first slots.
    fn first(&self) -> Option<Row> {
        self.rows().into_iter().find(|row| row.words.get(8).is_some_and(|s| s.starts_with("0-")))
    }

    fn first_slots(&self) -> String {
        self.first().map(|row| row.words[8].clone()).unwrap_or_default()
    }

    fn id(&self, is_attacker: bool) -> String {
        let other = is_attacker || self.strategy == Strategy::OtherId;
        let first = self.first().filter(|_| other);
        first.map_or_else(|| self.past.id.clone(), |row| row.words[0].clone())
    }

    fn lies_now(&self) -> bool {
        self.strategy != Strategy::Alternates || self.asked.fetch_add(1, Ordering::Relaxed) % 2 == 1
    }

    fn table(&self, is_attacker: bool) -> String {
        let mut rows = self.rows();
        if self.lies_now() {
            self.lie(&mut rows);
        }
        let id = self.id(is_attacker);
        if self.strategy == Strategy::OtherId || is_attacker {
            for row in &mut rows {
                let flags = row.words[2].replace("myself,", "");
                let here = if is_attacker { self.attacker } else { self.ip() };
                let is_self = row.words[0] == id;
                row.words[2] = if is_self { format!("myself,{flags}") } else { flags };
                if is_self {
                    row.move_to(here);
                }
            }
        }
        let lines: Vec<String> = rows.iter().map(|row| row.words.join(" ")).collect();
        lines.join("\n") + "\n"
    }

    fn lie(&self, rows: &mut Vec<Row>) {
        let first_slots = self.first_slots();
        match self.strategy {
            Strategy::AllSlots | Strategy::Alternates => rows.iter_mut().for_each(|row| {
                if row.is_self() {
                    row.become_primary(HUGE_EPOCH, "0-16383");
                } else {
                    row.own("");
                }
            }),
            Strategy::TookOver => rows.iter_mut().for_each(|row| {
                if row.is_self() {
                    row.become_primary(HUGE_EPOCH, &first_slots);
                } else if row.words.get(8) == Some(&first_slots) {
                    row.own("");
                    row.fail();
                }
            }),
            Strategy::AllFailed => rows.iter_mut().filter(|row| !row.is_self()).for_each(Row::fail),
            Strategy::Alone => rows.retain(Row::is_self),
            Strategy::AllMoved => {
                let others = rows.iter_mut().filter(|row| !row.is_self());
                others.for_each(|row| row.move_to(self.attacker));
            }
            Strategy::Redirects => {
                let own = rows.iter_mut().filter(|row| row.is_self());
                own.for_each(|row| row.move_to(self.attacker));
            }
            Strategy::Invents => rows.extend((0..INVENTED).map(|number| self.invented(number))),
            Strategy::NoSlots => rows.iter_mut().for_each(|row| row.own("")),
            Strategy::OpenSlots => open_slots(rows),
            Strategy::KeysEverywhere => rows.iter_mut().for_each(|row| {
                if row.is_self() {
                    row.become_primary(HUGE_EPOCH, &first_slots);
                }
            }),
            Strategy::Empty => {
                rows.iter_mut().filter(|r| r.is_self()).for_each(|row| row.become_primary(0, ""));
            }
            Strategy::HugeCounts => rows.iter_mut().for_each(|row| {
                row.words[6] = u64::MAX.to_string();
            }),
            Strategy::Yesterday
            | Strategy::OtherId
            | Strategy::Ok
            | Strategy::Escapes
            | Strategy::Loads => {}
        }
    }

    /// A member that is at the attacker's address, on a port of its own.
    fn invented(&self, number: usize) -> Row {
        let (id, ip) = (format!("{number:040x}"), self.attacker);
        // The first one is where the attacker listens.
        let port = usize::from(PORT) + number;
        let slot = 100 + number;
        let row = format!(
            "{id} {ip}:{port}@{} master - 0 0 {} connected {slot}",
            port + 10_000,
            HUGE_EPOCH + number as u64
        );
        Row { words: row.split(' ').map(str::to_owned).collect() }
    }

    fn cluster_info(&self) -> String {
        let text = self.past.answers["CLUSTER INFO"].text();
        let epoch = match self.strategy {
            Strategy::HugeCounts => u64::MAX,
            Strategy::AllSlots | Strategy::TookOver | Strategy::KeysEverywhere => HUGE_EPOCH,
            _ => return text,
        };
        let lie = |line: &str| match line.split_once(':') {
            Some((name @ ("cluster_current_epoch" | "cluster_my_epoch"), _)) => {
                format!("{name}:{epoch}")
            }
            _ => line.to_owned(),
        };
        text.lines().map(lie).collect::<Vec<_>>().join("\r\n")
    }

    fn info(&self) -> String {
        let text = self.past.answers["INFO"].text();
        let leads = matches!(
            self.strategy,
            Strategy::AllSlots
                | Strategy::TookOver
                | Strategy::KeysEverywhere
                | Strategy::Empty
                | Strategy::OpenSlots
                | Strategy::OtherId
        );
        if !leads {
            return text;
        }
        let keyspace = |line: &&str| self.strategy != Strategy::Empty || !line.starts_with("db0");
        let kept = text.lines().filter(keyspace).filter(|line| !line.starts_with("master_"));
        kept.collect::<Vec<_>>().join("\r\n").replace("role:slave", "role:master")
    }

    /// The answer to a PING on the bus; `None` to a member.
    pub(super) fn pong(&self, ping: &[u8], is_attacker: bool) -> Option<Vec<u8>> {
        let sender = String::from_utf8_lossy(ping.get(40..80)?).into_owned();
        if self.rows().iter().any(|row| row.words[0] == sender) {
            return None;
        }
        let id = NodeId::parse(self.id(is_attacker).as_bytes()).ok()?;
        let mut pong = bus::encode_ping(id);
        let mut put = |at: usize, bytes: &[u8]| {
            if let Some(room) = pong.get_mut(at..at + bytes.len()) {
                room.copy_from_slice(bytes);
            }
        };
        // `clusterMsg`: port, type, config epoch, slots, IP, bus port.
        put(10, &PORT.to_be_bytes());
        put(12, &1_u16.to_be_bytes());
        put(24, &HUGE_EPOCH.to_be_bytes());
        if matches!(self.strategy, Strategy::AllSlots | Strategy::Alternates) {
            put(80, &[0xff; SLOTS as usize / 8]);
        }
        put(2248, &BUS_PORT.to_be_bytes());
        Some(pong)
    }
}

fn open_slots(rows: &mut [Row]) {
    let mut marks = Vec::new();
    for row in rows.iter().filter(|row| row.words.len() > 8) {
        let first = row.words[8].split('-').next().and_then(|slot| slot.parse::<u16>().ok());
        let slots = first.into_iter().flat_map(|first| first..first + 50);
        marks.extend(slots.map(|slot| format!("[{slot}-<-{}]", row.words[0])));
    }
    for row in rows.iter_mut().filter(|row| row.is_self()) {
        row.become_primary(HUGE_EPOCH, "");
        row.words.append(&mut marks);
    }
}

fn now_s() -> String {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    since.map(|time| time.as_secs()).unwrap_or_default().to_string()
}
