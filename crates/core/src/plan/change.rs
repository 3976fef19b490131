//! What a step sends. There is no other command that changes a cluster, and no FLUSHALL, no RESET
//! and no FORCE over keys among them.

use serde::{Deserialize, Serialize};

use super::fact::some_slots;
use crate::model::{Endpoint, NodeId, Slot, SlotSet};

/// A change of one node, as a value.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case", tag = "kind")]
pub enum Change {
    /// `CLUSTER MEET`. Of an id that is known already it corrects the address
    /// (`clusterProcessPacket`, the answer to a handshake with a known id).
    Meet {
        /// Numeric: the server refuses names (`inet_pton`).
        ip: String,
        /// The client port.
        port: u16,
        /// The bus port.
        bus_port: u16,
    },
    /// `CLUSTER FORGET`. Bans the id for a minute.
    Forget {
        /// Whom.
        id: NodeId,
    },
    /// `CLUSTER ADDSLOTS`, or `ADDSLOTSRANGE` since 7.0. The server refuses slots that have an
    /// owner in its table.
    AddSlots {
        /// Which.
        slots: SlotSet,
        /// Whether the server takes ranges.
        ranges: bool,
    },
    /// `CLUSTER DELSLOTS`, or `DELSLOTSRANGE` since 7.0. Local to the node's table; deletes no key.
    DelSlots {
        /// Which.
        slots: SlotSet,
        /// Whether the server takes ranges.
        ranges: bool,
    },
    /// `CLUSTER BUMPEPOCH`: the node's claims win over those of all epochs it has seen.
    BumpEpoch,
    /// `CLUSTER SET-CONFIG-EPOCH`, for a node that knows nobody and has no epoch yet.
    SetConfigEpoch {
        /// The epoch.
        epoch: u64,
    },
    /// `CLUSTER SETSLOT`, once for each slot.
    SetSlots {
        /// Which.
        slots: SlotSet,
        /// To what.
        to: SlotState,
    },
    /// Moves all keys of a slot: `CLUSTER GETKEYSINSLOT` and `MIGRATE` in turn, until none is
    /// left. A key that is there already is replaced only when both values are the same.
    MoveKeys {
        /// The slot.
        slot: Slot,
        /// Who gets them.
        to: NodeId,
        /// Where that is, as the giving node dials it.
        at: Endpoint,
    },
    /// `CLUSTER REPLICATE`.
    Replicate {
        /// Whom.
        primary: NodeId,
    },
    /// `CLUSTER FAILOVER`.
    Failover {
        /// With whose consent.
        how: Failover,
    },
    /// `FUNCTION LOAD` of a library as another node has it, without `REPLACE`: the server refuses a
    /// name that it has already. The source is read and passed on while acting, and kept nowhere.
    CopyLibrary {
        /// Its name.
        name: String,
        /// Who has it.
        from: NodeId,
        /// Where that is.
        at: Endpoint,
    },
    /// `CONFIG SET masterauth` to the password that the user logged in with. It is in no plan and
    /// no journal: who acts fills it in.
    LogInAsYou,
    /// `CONFIG SET`, of a setting that holds no secret.
    ConfigSet {
        /// Its name.
        name: String,
        /// Its value.
        value: String,
    },
}

/// What `CLUSTER SETSLOT` makes of a slot.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum SlotState {
    /// Neither migrating nor importing.
    Stable,
    /// On its way to that node.
    Migrating(NodeId),
    /// On its way from that node.
    Importing(NodeId),
    /// Owned by that node.
    Node(NodeId),
}

/// With whose consent a replica becomes primary.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Failover {
    /// The primary's: nothing is lost.
    Agreed,
    /// The voters', without the primary.
    Force,
    /// Nobody's.
    Takeover,
}

/// Slots on one command line. Servers take 16384, but a line should stay readable in their log.
const SLOTS_A_LINE: usize = 1_000;

impl Change {
    /// The command lines of this change, in order. Of [`Change::MoveKeys`] the question that each
    /// round begins with, of [`Change::CopyLibrary`] the one to the giver: keys and source are
    /// known on the wire only. Of [`Change::LogInAsYou`] a word in the place of the password.
    pub fn commands(&self) -> Vec<Vec<String>> {
        match self {
            Self::Meet { ip, port, bus_port } => {
                vec![words(&["CLUSTER", "MEET", ip, &port.to_string(), &bus_port.to_string()])]
            }
            Self::Forget { id } => vec![words(&["CLUSTER", "FORGET", &id.to_string()])],
            Self::AddSlots { slots, ranges } => slot_lines("ADDSLOTS", slots, *ranges),
            Self::DelSlots { slots, ranges } => slot_lines("DELSLOTS", slots, *ranges),
            Self::BumpEpoch => vec![words(&["CLUSTER", "BUMPEPOCH"])],
            Self::SetConfigEpoch { epoch } => {
                vec![words(&["CLUSTER", "SET-CONFIG-EPOCH", &epoch.to_string()])]
            }
            Self::SetSlots { slots, to } => slots.iter().map(|slot| setslot(slot, *to)).collect(),
            Self::MoveKeys { slot, .. } => {
                let (slot, batch) = (slot.to_string(), KEYS_A_ROUND.to_string());
                vec![words(&["CLUSTER", "GETKEYSINSLOT", &slot, &batch])]
            }
            Self::Replicate { primary } => {
                vec![words(&["CLUSTER", "REPLICATE", &primary.to_string()])]
            }
            Self::Failover { how } => vec![match how {
                Failover::Agreed => words(&["CLUSTER", "FAILOVER"]),
                Failover::Force => words(&["CLUSTER", "FAILOVER", "FORCE"]),
                Failover::Takeover => words(&["CLUSTER", "FAILOVER", "TAKEOVER"]),
            }],
            Self::CopyLibrary { name, .. } => {
                vec![words(&["FUNCTION", "LIST", "LIBRARYNAME", name, "WITHCODE"])]
            }
            Self::LogInAsYou => vec![words(&["CONFIG", "SET", "masterauth", YOUR_PASSWORD])],
            Self::ConfigSet { name, value } => vec![words(&["CONFIG", "SET", name, value])],
        }
    }

    /// The change as one line for a person.
    pub fn line(&self) -> String {
        match self {
            Self::SetSlots { slots, to } if slots.len() > 1 => {
                let one = slots.first().map(|slot| setslot(slot, *to)).unwrap_or_default();
                let state = one.get(3..).unwrap_or_default().join(" ");
                format!("CLUSTER SETSLOT {state} for {}", some_slots(slots))
            }
            Self::AddSlots { slots, .. } | Self::DelSlots { slots, .. }
                if self.commands().len() > 1 =>
            {
                let verb = self.commands()[0][1].clone();
                format!("CLUSTER {verb} for {}", some_slots(slots))
            }
            Self::MoveKeys { slot, at, .. } => {
                format!("MIGRATE {} {} every key of slot {slot}", at.host, at.port)
            }
            Self::CopyLibrary { name, at, .. } => {
                format!("FUNCTION LOAD the library {name} as {at} has it")
            }
            other => other.commands().first().map(|line| line.join(" ")).unwrap_or_default(),
        }
    }
}

/// What stands where a password goes.
const YOUR_PASSWORD: &str = "(the password that you gave)";

/// Keys asked for and moved at a time. The sender and the receiver stand still meanwhile.
pub const KEYS_A_ROUND: usize = 100;

fn words(all: &[&str]) -> Vec<String> {
    all.iter().map(|word| (*word).to_owned()).collect()
}

fn setslot(slot: Slot, to: SlotState) -> Vec<String> {
    let slot = slot.to_string();
    let (state, id) = match to {
        SlotState::Stable => return words(&["CLUSTER", "SETSLOT", &slot, "STABLE"]),
        SlotState::Migrating(id) => ("MIGRATING", id),
        SlotState::Importing(id) => ("IMPORTING", id),
        SlotState::Node(id) => ("NODE", id),
    };
    words(&["CLUSTER", "SETSLOT", &slot, state, &id.to_string()])
}

fn slot_lines(verb: &str, slots: &SlotSet, ranges: bool) -> Vec<Vec<String>> {
    let (verb, numbers): (String, Vec<String>) = if ranges {
        let pairs = slots.ranges().iter();
        let numbers = pairs.flat_map(|r| [r.first.to_string(), r.last.to_string()]).collect();
        (format!("{verb}RANGE"), numbers)
    } else {
        (verb.to_owned(), slots.iter().map(|slot| slot.to_string()).collect())
    };
    numbers
        .chunks(SLOTS_A_LINE)
        .map(|part| {
            let mut line = words(&["CLUSTER", &verb]);
            line.extend_from_slice(part);
            line
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(change: &Change) -> Vec<String> {
        change.commands().iter().map(|line| line.join(" ")).collect()
    }

    #[test]
    fn slots_go_as_ranges_where_the_server_takes_them() {
        let slots = SlotSet::range(3, 5);
        let add = Change::AddSlots { slots: slots.clone(), ranges: true };
        assert_eq!(lines(&add), ["CLUSTER ADDSLOTSRANGE 3 5"]);
        let add = Change::DelSlots { slots, ranges: false };
        assert_eq!(lines(&add), ["CLUSTER DELSLOTS 3 4 5"]);
    }

    #[test]
    fn a_long_line_is_split_and_told_short() {
        let slots: SlotSet = (0..4_000).step_by(2).filter_map(Slot::new).collect();
        let add = Change::AddSlots { slots, ranges: true };
        let lines = add.commands();
        assert_eq!(lines.len(), 4);
        assert!(lines.iter().all(|line| line.len() % 2 == 0), "a pair was torn");
        assert_eq!(add.line(), "CLUSTER ADDSLOTSRANGE for 2000 slots (0...)");
    }

    #[test]
    fn each_slot_has_a_line_of_its_own() {
        let id = NodeId::made_up(1);
        let set = Change::SetSlots { slots: SlotSet::range(7, 8), to: SlotState::Node(id) };
        let expected = [7, 8].map(|slot| format!("CLUSTER SETSLOT {slot} NODE {id}"));
        assert_eq!(lines(&set), expected);
        assert_eq!(set.line(), format!("CLUSTER SETSLOT NODE {id} for slots 7-8"));
    }

    #[test]
    fn a_password_is_a_word_for_it() {
        let told = serde_json::to_string(&Change::LogInAsYou).expect("a change is data");
        assert_eq!(told, r#"{"kind":"log_in_as_you"}"#);
        assert_eq!(Change::LogInAsYou.line(), "CONFIG SET masterauth (the password that you gave)");
    }

    #[test]
    fn nothing_that_deletes_keys_can_be_written() {
        let id = NodeId::made_up(1);
        let all = [
            Change::Meet { ip: "10.0.0.1".to_owned(), port: 1, bus_port: 2 },
            Change::Forget { id },
            Change::BumpEpoch,
            Change::Replicate { primary: id },
            Change::Failover { how: Failover::Takeover },
        ];
        for line in all.iter().flat_map(lines) {
            for word in ["FLUSH", "RESET", "DEL ", "UNLINK"] {
                assert!(!line.contains(word), "{line}");
            }
        }
    }
}
