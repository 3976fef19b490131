//! `CLUSTER NODES`, `nodes.conf` and the listing of `--cluster check` as people paste them: with
//! ids cut short, lines indented, quoted or preceded by a pod's name.
//!
//! Deliberately more forgiving than [`crate::wire::cluster_nodes`], which reads replies of servers.

use crate::model::{Flag, Flags, NodeAddress, SlotSet};
use crate::wire::cluster_nodes;

/// One row, from whichever of the formats.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct Row {
    /// Number of the line in [`super::seen::Seen::lines`].
    pub line: usize,
    /// The node's id, perhaps cut short.
    pub id: String,
    /// Where it lives.
    pub address: NodeAddress,
    /// Its flags.
    pub flags: Flags,
    /// The id of its primary.
    pub primary: Option<String>,
    /// The time of an unanswered ping.
    pub ping: u64,
    /// Its config epoch; `None` where the format does not tell.
    pub epoch: Option<u64>,
    /// Whether the bus link is up; `None` where the format does not tell.
    pub linked: Option<bool>,
    /// Its slots.
    pub slots: SlotSet,
    /// Open slots, as written.
    pub open: Vec<String>,
}

impl Row {
    /// Whether the row is about the node that answered.
    pub fn is_myself(&self) -> bool {
        self.flags.has(Flag::Myself)
    }

    /// A primary.
    pub fn is_primary(&self) -> bool {
        self.flags.has(Flag::Primary)
    }

    /// A replica.
    pub fn is_replica(&self) -> bool {
        self.flags.has(Flag::Replica)
    }

    /// Flagged `fail` or `fail?`.
    pub fn is_failing(&self) -> bool {
        self.flags.has(Flag::Failed) || self.flags.has(Flag::Suspected)
    }

    /// `ip:port`, or what is known of it.
    pub fn place(&self) -> String {
        if self.address.ip.is_empty() && self.address.port == 0 {
            return self.id.chars().take(8).collect();
        }
        format!("{}:{}", self.address.ip, self.address.port)
    }
}

/// Reads a line of `CLUSTER NODES` or `nodes.conf`, wherever in the line it begins.
pub(super) fn node_line(text: &str, line: usize) -> Option<Row> {
    let text = text.trim().trim_matches(|c| c == '"' || c == '\'');
    let words: Vec<&str> = text.split_whitespace().take(2_100).collect();
    let flags_at = words.iter().take(6).position(|word| is_flags(word)).filter(|at| *at >= 1)?;
    if flags_at == 1 {
        return typed_line(&words, line);
    }
    let id = words.get(flags_at - 2)?.trim_start_matches(['"', '\'']);
    let place = words.get(flags_at - 1)?;
    let link_at = words.iter().position(|word| *word == "connected" || *word == "disconnected");
    let number = |at: usize| words.get(flags_at + at).and_then(|word| word.parse().ok());
    // Who retells a table gives the nodes names of their own; the rest of the row is then whole.
    let named = flags_at == 2 && link_at == Some(flags_at + 5) && number(4).is_some();
    let is_id = |word: &str| looks_like_id(word) || (named && looks_like_name(word));
    if !is_id(id) || !place.contains(':') || (link_at.is_none() && flags_at > 2) {
        return None;
    }
    let mut row = Row {
        line,
        id: id.to_owned(),
        address: cluster_nodes::address(place),
        flags: Flags::parse(words.get(flags_at)?).0,
        primary: words.get(flags_at + 1).filter(|id| is_id(id)).map(|&id| id.to_owned()),
        ping: number(2).unwrap_or(0),
        epoch: number(4),
        linked: link_at.and_then(|at| words.get(at)).map(|word| *word == "connected"),
        slots: SlotSet::new(),
        open: Vec::new(),
    };
    for word in words.get(link_at? + 1..)? {
        let word = word.trim_matches(|c: char| c == '"' || c == ',');
        if word.starts_with('[') && (word.contains("->-") || word.contains("-<-")) {
            row.open.push(word.to_owned());
        } else {
            add_range(&mut row.slots, word);
        }
    }
    Some(row)
}

/// A row that somebody typed from a screen and left out the id and the numbers: `ip:port flags
/// connected slots`. Its place stands for its id.
fn typed_line(words: &[&str], line: usize) -> Option<Row> {
    let (place, flags, link) = (words.first()?, words.get(1)?, words.get(2)?);
    let address = cluster_nodes::address(place);
    let linked = match *link {
        "connected" => true,
        "disconnected" => false,
        _ => return None,
    };
    let whole = super::seen::is_ipv4(&address.ip) && address.port != 0;
    let mut row = Row {
        line,
        id: (*place).to_owned(),
        address,
        flags: Flags::parse(flags).0,
        primary: None,
        ping: 0,
        epoch: None,
        linked: Some(linked),
        slots: SlotSet::new(),
        open: Vec::new(),
    };
    for word in words.get(3..).unwrap_or(&[]) {
        add_range(&mut row.slots, word);
    }
    whole.then_some(row)
}

fn is_flags(word: &str) -> bool {
    let (flags, unknown) = Flags::parse(word);
    unknown.is_empty() && flags != Flags::none()
}

/// 40 hexadecimal digits, or what a person left of them.
pub(super) fn looks_like_id(word: &str) -> bool {
    let word = word.trim_end_matches(['.', '…', '*']);
    word.len() >= 5 && word.len() <= 40 && word.chars().all(|c| c.is_ascii_hexdigit())
}

/// `M1`, `node-a`, `<id-3>`: what a person writes in place of an id.
fn looks_like_name(word: &str) -> bool {
    let inner = word.trim_matches(['<', '>', '[', ']', '.']);
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_' || c == '.';
    inner.len() <= 40 && inner.chars().any(|c| c.is_ascii_alphabetic()) && inner.chars().all(plain)
}

/// Adds `5`, `5-9`, `[5-9]`; anything else is passed over.
pub(super) fn add_range(slots: &mut SlotSet, word: &str) -> bool {
    let word = word.trim_matches(|c| c == '[' || c == ']' || c == ',');
    let (first, last) = word.split_once('-').unwrap_or((word, word));
    match (first.parse(), last.parse()) {
        (Ok(first), Ok(last)) => slots.insert(first, last),
        _ => false,
    }
}

/// Reads `M: id ip:port` or `S: id ip:port` of `--cluster check`, `create` and `redis-trib`.
pub(super) fn check_line(text: &str, line: usize) -> Option<Row> {
    let text = text.trim_start_matches([' ', '>', '*', '[', 'O', 'K', ']']);
    let (role, rest) = match text.split_once(':')? {
        ("M", rest) => (Flag::Primary, rest),
        ("S", rest) => (Flag::Replica, rest),
        _ => return None,
    };
    let mut words = rest.split_whitespace();
    let (id, place) = (words.next()?, words.next()?);
    (looks_like_id(id) && place.contains(':')).then(|| Row {
        line,
        id: id.to_owned(),
        address: cluster_nodes::address(place),
        flags: Flags::none().with(role),
        primary: None,
        ping: 0,
        epoch: None,
        linked: None,
        slots: SlotSet::new(),
        open: Vec::new(),
    })
}

/// Adds to the last row what the indented lines below `M:` and `S:` say.
pub(super) fn check_detail(row: &mut Row, lower: &str) -> bool {
    let text = lower.trim();
    if let Some(rest) = text.strip_prefix("slots:") {
        let rest = rest.split('(').next().unwrap_or("");
        for word in rest.split([',', ' ']).filter(|word| !word.is_empty()) {
            add_range(&mut row.slots, word);
        }
        return true;
    }
    if let Some(id) = text.strip_prefix("replicates ") {
        row.primary = Some(id.trim().to_owned());
        return true;
    }
    text.ends_with("additional replica(s)")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_behind_a_number_and_with_a_short_id() {
        let text =
            "1) \"07c37df 10.0.0.1:6379@16379 master,fail? - 9 8 3 disconnected 0-5 [7->-ab]";
        let row = node_line(text, 0).expect("a row");
        assert_eq!((row.id.as_str(), row.place().as_str()), ("07c37df", "10.0.0.1:6379"));
        assert_eq!((row.epoch, row.linked, row.slots.len()), (Some(3), Some(false), 6));
        assert_eq!(row.open.len(), 1);
        assert!(row.is_failing() && row.is_primary());
    }

    #[test]
    fn prose_is_no_row() {
        assert_eq!(node_line("my node is a master and connected to it: fine", 0), None);
        assert_eq!(check_line("M: not an id", 0), None);
    }

    #[test]
    fn a_listing_of_check() {
        let mut row = check_line("M: ebc9a46a212d4c76bac0 127.0.0.1:30001", 0).expect("a row");
        assert!(check_detail(&mut row, "   slots:[0-100],[200-201] (103 slots) master"));
        assert_eq!(row.slots.len(), 103);
        assert!(!check_detail(&mut row, "[ok] all nodes agree"));
    }
}
