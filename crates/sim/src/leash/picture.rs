//! What servers show, as a value that is the same for two clusters that are in the same state.
//!
//! Deliberately absent: times, ports, numbers of epochs, and whether the connection to somebody
//! stands: a dead node's is dialled again and again.

use std::collections::{BTreeMap, BTreeSet};

use slotwright_core::model::{Flag, NodeId};
use slotwright_core::observation::{NodeRow, OpenSlot};

use crate::server::Key;

/// What is shown, by where it is shown: `2 row 0` is what node 2 says of node 0.
pub type Picture = BTreeMap<String, String>;

/// What one server shows that runs.
#[derive(Clone, Debug)]
pub struct Shown {
    /// Its number.
    pub node: usize,
    /// `CLUSTER NODES`.
    pub rows: Vec<NodeRow>,
    /// `cluster_state:ok`.
    pub is_ok: bool,
    /// A replica: whether its link to its primary stands.
    pub link_up: Option<bool>,
    /// Its keys.
    pub keys: BTreeSet<Key>,
}

/// How ids and addresses are called.
#[derive(Clone, Default, Debug)]
pub struct Names {
    /// The number of the node; with a stroke when it is not the id that it was built with.
    pub ids: BTreeMap<NodeId, String>,
    /// By IP: `a2` is the first address of node 2, `f0` the first address that nobody had.
    pub places: BTreeMap<String, String>,
}

impl Names {
    fn id(&self, id: NodeId) -> String {
        self.ids.get(&id).cloned().unwrap_or_else(|| "somebody".to_owned())
    }

    fn place(&self, ip: &str) -> String {
        if ip.is_empty() {
            return "nowhere".to_owned();
        }
        self.places.get(ip).cloned().unwrap_or_else(|| ip.to_owned())
    }
}

/// The picture that servers give.
pub fn picture(shown: &[Shown], names: &Names) -> Picture {
    let mut picture = Picture::new();
    for one in shown {
        let mut put = |what: &str, value: String| {
            picture.insert(format!("{} {what}", one.node), value);
        };
        put("state", if one.is_ok { "ok" } else { "fail" }.to_owned());
        put("keys", list(one.keys.iter().map(Key::to_string)));
        put("epochs", epochs(&one.rows, names));
        if let Some(up) = one.link_up {
            put("replication", if up { "up" } else { "down" }.to_owned());
        }
        for row in &one.rows {
            if row.flags.has(Flag::Myself) {
                put("itself", role_of(row, names));
                put("slots", row.slots.to_string());
                put("open", list(row.open.iter().map(|open| open_text(*open, names))));
                put("place", names.place(&row.address.ip));
            } else if row.flags.has(Flag::Handshake) {
                put(&format!("handshake {}", names.place(&row.address.ip)), "yes".to_owned());
            } else {
                let about = names.id(row.id);
                put(&format!("row {about}"), row_text(row, names));
                put(&format!("slots {about}"), row.slots.to_string());
            }
        }
    }
    picture
}

fn list(items: impl Iterator<Item = String>) -> String {
    items.collect::<Vec<_>>().join(" ")
}

fn role_of(row: &NodeRow, names: &Names) -> String {
    match (row.flags.has(Flag::Replica), row.primary) {
        (false, _) => "primary".to_owned(),
        (true, Some(primary)) => format!("replica of {}", names.id(primary)),
        (true, None) => "replica of nobody".to_owned(),
    }
}

fn row_text(row: &NodeRow, names: &Names) -> String {
    let marks = [
        (Flag::Suspected, ", suspected"),
        (Flag::Failed, ", failed"),
        (Flag::NoAddress, ", noaddr"),
    ];
    let mut text = role_of(row, names);
    for (flag, word) in marks {
        if row.flags.has(flag) {
            text.push_str(word);
        }
    }
    if !row.flags.has(Flag::NoAddress) {
        text.push_str(&format!(", at {}", names.place(&row.address.ip)));
    }
    text
}

fn open_text(open: OpenSlot, names: &Names) -> String {
    match open {
        OpenSlot::Migrating { slot, to } => format!("{slot}->{}", names.id(to)),
        OpenSlot::Importing { slot, from } => format!("{slot}<-{}", names.id(from)),
    }
}

/// The primaries in the order of their config epochs: `1 = 4 < 0 < 2`.
fn epochs(rows: &[NodeRow], names: &Names) -> String {
    let primaries =
        rows.iter().filter(|row| row.flags.has(Flag::Primary) && !row.flags.has(Flag::Handshake));
    let mut order: Vec<(u64, String)> =
        primaries.map(|row| (row.epoch.0, names.id(row.id))).collect();
    order.sort();
    let mut text = String::new();
    for (at, (epoch, name)) in order.iter().enumerate() {
        if at > 0 {
            text.push_str(if order[at - 1].0 == *epoch { " = " } else { " < " });
        }
        text.push_str(name);
    }
    text
}

/// Where two pictures differ.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Difference {
    /// Where: `2 row 0`, or `reply 2`.
    pub at: String,
    /// After what, in the words of the script.
    pub after: String,
    /// What the model shows; `None`: there is no such thing.
    pub model: Option<String>,
    /// What the servers show.
    pub real: Option<String>,
}

/// All differences between two pictures.
pub fn differences(after: &str, model: &Picture, real: &Picture) -> Vec<Difference> {
    let all: BTreeSet<&String> = model.keys().chain(real.keys()).collect();
    let one = |at: &String| Difference {
        at: at.clone(),
        after: after.to_owned(),
        model: model.get(at).cloned(),
        real: real.get(at).cloned(),
    };
    all.into_iter().map(one).filter(|one| one.model != one.real).collect()
}

/// What kind of answer it is: the first word of an error that has one of its own, or else its first
/// words, up to the first that names something.
pub fn reply_class(text: &str) -> String {
    let is_code = |word: &&str| word.chars().all(|letter| letter.is_ascii_uppercase());
    if let Some(code) = text.split(' ').next().filter(is_code).filter(|code| *code != "ERR") {
        return code.to_owned();
    }
    let names = |word: &&str| word.chars().any(|letter| letter.is_ascii_digit());
    let words = text.split_whitespace().take_while(|word| !names(word)).take(6);
    let class = list(words.map(str::to_owned));
    if class.is_empty() && !text.is_empty() { "a value".to_owned() } else { class }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_the_same_whatever_they_name() {
        assert_eq!(reply_class("ERR Slot 5 is already busy"), "ERR Slot");
        assert_eq!(reply_class("BUMPED 7"), "BUMPED");
        assert_eq!(reply_class("OK"), "OK");
        assert_eq!(reply_class("17"), "a value");
    }

    #[test]
    fn what_one_side_lacks_is_a_difference() {
        let model = Picture::from([("0 state".to_owned(), "ok".to_owned())]);
        let found = differences("", &model, &Picture::new());
        assert_eq!(found.len(), 1);
        assert_eq!((found[0].model.as_deref(), found[0].real.as_deref()), (Some("ok"), None));
        assert_eq!(differences("", &model, &model), []);
    }
}
