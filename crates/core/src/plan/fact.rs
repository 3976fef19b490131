//! What must hold of a node: before a step ([`super::Step::guard`]) and after it
//! ([`super::Step::expect`]). A fact is read on the wire each time it is judged, and never from
//! our own picture of what a step should have done.

use std::collections::BTreeSet;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::model::{Flag, NodeId, SlotSet};
use crate::observation::{LinkState, NodeRow, Observation, OpenSlot, Sighting, ViewRow};

use super::change::SlotState;

/// A statement about what one node says.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Fact {
    /// Who is asked; that it is this id is part of every fact.
    pub on: NodeId,
    /// What it must say.
    pub holds: Holds,
}

/// What a node must say.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case", tag = "kind")]
pub enum Holds {
    /// It answers, and is the node it should be.
    Answers,
    /// Its table has a row about that id, with or without an address.
    Knows {
        /// Whom.
        about: NodeId,
    },
    /// Its table has no row about that id.
    KnowsNot {
        /// Whom.
        about: NodeId,
    },
    /// Its row about that id has this IP and port, and its link stands. It may still hold it for
    /// failed: servers clear that of a slot owner after twice the node timeout only
    /// (`clearNodeFailureIfNeeded`).
    Reaches {
        /// Whom.
        about: NodeId,
        /// Numeric.
        ip: String,
        /// The client port.
        port: u16,
    },
    /// It does not reach that id: no row, no address, no link, or it holds it for failing, or for
    /// failed and waits for its pong.
    DoesNotReach {
        /// Whom.
        about: NodeId,
    },
    /// Its row about that id has this IP and port, whether it gets there or not. Who comes back
    /// elsewhere is placed elsewhere as soon as it speaks (`nodeUpdateAddressIfNeeded`).
    Places {
        /// Whom.
        about: NodeId,
        /// Numeric; empty without an address.
        ip: String,
        /// The client port.
        port: u16,
    },
    /// Its own address in its own table is this.
    Calls {
        /// Numeric.
        itself: String,
    },
    /// All these slots belong to that id in its table.
    Owns {
        /// The owner.
        owner: NodeId,
        /// The slots.
        slots: SlotSet,
    },
    /// None of these slots belongs to that id in its table.
    OwnsNot {
        /// The one who must not.
        owner: NodeId,
        /// The slots.
        slots: SlotSet,
    },
    /// Each of these slots belongs to one of these or to nobody in its table.
    OwnedOnlyBy {
        /// Whoever may.
        owners: BTreeSet<NodeId>,
        /// The slots.
        slots: SlotSet,
    },
    /// None of these slots belongs to anybody in its table.
    Unowned {
        /// The slots.
        slots: SlotSet,
    },
    /// All these slots are in this state of moving on it; `Stable` means that none is open.
    Open {
        /// The slots.
        slots: SlotSet,
        /// How.
        state: SlotState,
    },
    /// It holds at least one key in each of these slots.
    HoldsKeys {
        /// The slots.
        slots: SlotSet,
    },
    /// It holds no key in any of these slots.
    HoldsNoKeys {
        /// The slots.
        slots: SlotSet,
    },
    /// It is a primary.
    IsPrimary,
    /// It is a replica of that id.
    ReplicaOf {
        /// The primary.
        primary: NodeId,
    },
    /// Its replication stream comes from there, and flows.
    Follows {
        /// Numeric.
        ip: String,
        /// The client port.
        port: u16,
    },
    /// It owns no slot, as a primary, and has no key in any database.
    IsEmpty,
    /// Its data is not older than that: its replication offset is at least this.
    OffsetAtLeast {
        /// Bytes of the replication stream.
        offset: u64,
    },
    /// Its own config epoch is at least this.
    EpochAtLeast {
        /// The epoch.
        epoch: u64,
    },
    /// Its own config epoch is not greater than this.
    EpochAtMost {
        /// The epoch.
        epoch: u64,
    },
    /// It records at least this config epoch for that id. Who takes over a slot raises its epoch
    /// above all that it has heard of, no further (`clusterBumpConfigEpochWithoutConsensus`).
    Records {
        /// Whose epoch.
        about: NodeId,
        /// The epoch.
        epoch: u64,
    },
    /// It says `cluster_state:ok`.
    StateOk,
    /// It has a function library of that name.
    HasLibrary {
        /// The name.
        name: String,
    },
    /// It would log in to its primary with the password that it wants itself. Passwords are
    /// compared, never shown.
    LogsInAsItself,
    /// It wants a password, and has no ACL user of its own for its primary.
    WantsAPassword,
    /// A setting has this value.
    Setting {
        /// Its name.
        name: String,
        /// Its value.
        value: String,
    },
}

impl Fact {
    /// A fact.
    pub const fn new(on: NodeId, holds: Holds) -> Self {
        Self { on, holds }
    }

    /// The slots whose keys must be counted to judge it.
    pub fn counts(&self) -> Option<&SlotSet> {
        match &self.holds {
            Holds::HoldsKeys { slots } | Holds::HoldsNoKeys { slots } => Some(slots),
            _ => None,
        }
    }

    /// Whether settings and libraries must be asked for to judge it.
    pub const fn asks_settings(&self) -> bool {
        matches!(
            self.holds,
            Holds::Setting { .. }
                | Holds::LogsInAsItself
                | Holds::WantsAPassword
                | Holds::HasLibrary { .. }
        )
    }

    /// Whether it holds; `None` when the node did not say what is needed to tell.
    pub fn judge(&self, seen: &Observation) -> Option<bool> {
        let mut nodes = seen.sightings.iter().map(|sighting| Node { seen, sighting });
        let node = nodes.find(|node| node.id() == Some(self.on))?;
        node.judge(self.on, &self.holds)
    }
}

/// A node as it showed itself.
struct Node<'a> {
    seen: &'a Observation,
    sighting: &'a Sighting,
}

impl<'a> Node<'a> {
    /// Who it is: by `CLUSTER MYID`, else by the row it shows about itself.
    fn id(&self) -> Option<NodeId> {
        let own = || self.rows()?.find(|row| row.flags.has(Flag::Myself)).map(|row| row.id);
        self.sighting.myid.get().copied().or_else(own)
    }

    fn rows(&self) -> Option<impl Iterator<Item = &'a NodeRow> + use<'a>> {
        Some(self.shown()?.map(|(row, _)| row))
    }

    fn shown(&self) -> Option<impl Iterator<Item = (&'a NodeRow, &'a ViewRow)> + use<'a>> {
        let seen = self.seen;
        let view = self.sighting.nodes.get()?;
        Some(view.rows.iter().filter_map(move |shown| Some((seen.rows.get(shown.row)?, shown))))
    }

    /// Whether the last ping to an id was answered, whatever others had it hold of that id: it
    /// holds an owner of slots for failed for twice the node timeout after it came back.
    fn hears(&self, id: NodeId) -> Option<bool> {
        Some(self.shown()?.any(|(row, shown)| {
            let pong = shown.ping_waits_ms == 0 && shown.pong_age_ms != u32::MAX;
            row.id == id && is_linked(row) && !row.flags.has(Flag::Suspected) && pong
        }))
    }

    fn row(&self, id: NodeId) -> Option<Option<&'a NodeRow>> {
        Some(self.rows()?.find(|row| row.id == id && !row.flags.has(Flag::Handshake)))
    }

    fn judge(&self, me: NodeId, holds: &Holds) -> Option<bool> {
        Some(match holds {
            Holds::Answers => true,
            Holds::Knows { about } => self.row(*about)?.is_some(),
            Holds::KnowsNot { about } => self.row(*about)?.is_none(),
            Holds::Reaches { about, ip, port } => self.row(*about)?.is_some_and(|row| {
                is_linked(row) && row.address.ip == *ip && row.address.port == *port
            }),
            Holds::DoesNotReach { about } => {
                !self.row(*about)?.is_some_and(is_up) && !self.hears(*about)?
            }
            Holds::Places { about, ip, port } => self
                .row(*about)?
                .is_some_and(|row| row.address.ip == *ip && row.address.port == *port),
            Holds::Calls { itself } => self.row(me)?.is_some_and(|row| row.address.ip == *itself),
            Holds::Owns { owner, slots } => {
                let owned = self.row(*owner)?.map(|row| row.slots.clone()).unwrap_or_default();
                slots.difference(&owned).is_empty()
            }
            Holds::OwnsNot { owner, slots } => {
                let owned = self.row(*owner)?.map(|row| row.slots.clone()).unwrap_or_default();
                slots.intersection(&owned).is_empty()
            }
            Holds::OwnedOnlyBy { owners, slots } => {
                let mut others = self.rows()?.filter(|row| !owners.contains(&row.id));
                others.all(|row| row.slots.intersection(slots).is_empty())
            }
            Holds::Unowned { slots } => {
                self.rows()?.all(|row| row.slots.intersection(slots).is_empty())
            }
            Holds::Open { slots, state } => self.is_open(me, slots, *state)?,
            Holds::Records { about, epoch } => {
                self.row(*about)?.is_some_and(|row| row.epoch.0 >= *epoch)
            }
            // Of no slot nothing was counted, and nothing needs to be.
            Holds::HoldsKeys { slots } | Holds::HoldsNoKeys { slots } if slots.is_empty() => true,
            Holds::HoldsKeys { slots } => {
                let census = self.sighting.census.get()?;
                let none = slots.difference(&census.counted).is_empty();
                none.then(|| slots.difference(&census.occupied()).is_empty())?
            }
            Holds::HoldsNoKeys { slots } => {
                let census = self.sighting.census.get()?;
                let all = slots.difference(&census.counted).is_empty();
                all.then(|| census.occupied().intersection(slots).is_empty())?
            }
            other => self.judge_itself(me, other)?,
        })
    }

    /// What a node says of itself alone.
    fn judge_itself(&self, me: NodeId, holds: &Holds) -> Option<bool> {
        let info = || self.sighting.info.get();
        Some(match holds {
            Holds::IsPrimary => self.row(me)?.is_some_and(|row| row.flags.has(Flag::Primary)),
            Holds::ReplicaOf { primary } => {
                self.row(me)?.is_some_and(|row| row.primary == Some(*primary))
            }
            Holds::Follows { ip, port } => {
                let info = info()?;
                info.is("master_host", ip)
                    && info.number("master_port") == Some(u64::from(*port))
                    && info.is("master_link_status", "up")
            }
            Holds::IsEmpty => {
                let no_slots = self.row(me)?.is_some_and(|row| row.slots.is_empty());
                no_slots && !info()?.iter().any(|(name, _)| is_database(name))
            }
            Holds::OffsetAtLeast { offset } => {
                let info = info()?;
                let own = info.number("slave_repl_offset").or(info.number("master_repl_offset"));
                own? >= *offset
            }
            Holds::EpochAtLeast { epoch } => self.row(me)??.epoch.0 >= *epoch,
            Holds::EpochAtMost { epoch } => self.row(me)??.epoch.0 <= *epoch,
            Holds::StateOk => self.sighting.cluster_info.get()?.is("cluster_state", "ok"),
            Holds::Setting { name, value } => self.sighting.config.get()?.get(name)? == value,
            Holds::HasLibrary { name } => self.sighting.functions.get()?.contains(name),
            Holds::LogsInAsItself => {
                let config = self.sighting.config.get()?;
                let wanted = config.get("requirepass")?;
                !wanted.is_empty() && config.is("masterauth", wanted)
            }
            Holds::WantsAPassword => {
                let config = self.sighting.config.get()?;
                !config.get("requirepass")?.is_empty() && config.get("masteruser")?.is_empty()
            }
            _ => return None,
        })
    }

    fn is_open(&self, me: NodeId, slots: &SlotSet, state: SlotState) -> Option<bool> {
        let row = self.row(me)??;
        let open_here = |slot| row.open.iter().copied().find(|open| open.slot() == slot);
        Some(slots.iter().all(|slot| match (state, open_here(slot)) {
            (SlotState::Stable, open) => open.is_none(),
            (SlotState::Migrating(to), Some(OpenSlot::Migrating { to: there, .. })) => to == there,
            (SlotState::Importing(from), Some(OpenSlot::Importing { from: there, .. })) => {
                from == there
            }
            _ => false,
        }))
    }
}

/// `db0`, `db15` of `INFO`: a database with keys.
fn is_database(name: &str) -> bool {
    name.strip_prefix("db")
        .is_some_and(|rest| !rest.is_empty() && rest.bytes().all(|byte| byte.is_ascii_digit()))
}

/// Whether the observer's own link to that node stands.
pub(super) fn is_linked(row: &NodeRow) -> bool {
    row.link == LinkState::Connected
        && !row.flags.has(Flag::NoAddress)
        && !row.flags.has(Flag::Handshake)
}

/// Whether nothing is wrong with that node in the eyes of the observer.
pub(super) fn is_up(row: &NodeRow) -> bool {
    is_linked(row) && !row.flags.has(Flag::Failed) && !row.flags.has(Flag::Suspected)
}

impl fmt::Display for Fact {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.on.short(), self.holds)
    }
}

impl fmt::Display for Holds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Answers => f.write_str("answers"),
            Self::Knows { about } => write!(f, "knows {}", about.short()),
            Self::KnowsNot { about } => write!(f, "does not know {}", about.short()),
            Self::Reaches { about, ip, port } => {
                write!(f, "reaches {} at {ip}:{port}", about.short())
            }
            Self::DoesNotReach { about } => write!(f, "does not reach {}", about.short()),
            Self::Places { about, ip, port } => {
                write!(f, "has {} at {ip}:{port}", about.short())
            }
            Self::Calls { itself } => write!(f, "calls itself {itself}"),
            Self::Owns { owner, slots } => {
                write!(f, "gives {} to {}", some_slots(slots), owner.short())
            }
            Self::OwnsNot { owner, slots } => {
                write!(f, "gives none of {} to {}", some_slots(slots), owner.short())
            }
            Self::OwnedOnlyBy { owners, slots } => {
                let names: Vec<String> = owners.iter().map(NodeId::short).collect();
                write!(f, "gives {} to nobody but {}", some_slots(slots), names.join(", "))
            }
            Self::Unowned { slots } => write!(f, "gives {} to nobody", some_slots(slots)),
            Self::Open { slots, state: SlotState::Stable } => {
                write!(f, "is moving none of {}", some_slots(slots))
            }
            Self::Open { slots, state } => {
                let (way, id) = match state {
                    SlotState::Importing(id) => ("importing", id),
                    SlotState::Migrating(id) | SlotState::Node(id) => ("migrating", id),
                    SlotState::Stable => return Ok(()),
                };
                write!(f, "is {way} {} ({})", some_slots(slots), id.short())
            }
            Self::HoldsKeys { slots } => write!(f, "holds keys of {}", some_slots(slots)),
            Self::HoldsNoKeys { slots } => write!(f, "holds no key of {}", some_slots(slots)),
            Self::IsPrimary => f.write_str("is a primary"),
            Self::ReplicaOf { primary } => write!(f, "is a replica of {}", primary.short()),
            Self::Follows { ip, port } => write!(f, "replicates from {ip}:{port}"),
            Self::IsEmpty => f.write_str("has neither slots nor keys"),
            Self::OffsetAtLeast { offset } => write!(f, "has a replication offset of {offset}"),
            Self::EpochAtLeast { epoch } => write!(f, "has a config epoch of at least {epoch}"),
            Self::EpochAtMost { epoch } => write!(f, "has no config epoch above {epoch}"),
            Self::Records { about, epoch } => {
                write!(f, "records {epoch} or more as the config epoch of {}", about.short())
            }
            Self::StateOk => f.write_str("says cluster_state:ok"),
            Self::HasLibrary { name } => write!(f, "has the function library {name}"),
            Self::LogsInAsItself => f.write_str("has the password that it wants as masterauth"),
            Self::WantsAPassword => f.write_str("wants a password, and has no masteruser"),
            Self::Setting { name, value } => write!(f, "has {name} {value}"),
        }
    }
}

/// Few slots by their numbers, many by their count.
pub(super) fn some_slots(slots: &SlotSet) -> String {
    match slots.ranges().len() {
        0..=6 => format!("slots {slots}"),
        _ => format!("{} slots ({}...)", slots.len(), slots.ranges()[0].first),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Slot;
    use crate::observation::sketch::Sketch;
    use crate::observation::{Census, Said};

    fn judge(sketch: &Sketch, on: usize, holds: Holds) -> Option<bool> {
        Fact::new(Sketch::id(on), holds).judge(&sketch.build())
    }

    #[test]
    fn a_table_is_read_on_the_node_that_is_asked() {
        let mut sketch = Sketch::healthy(3, 0);
        let about = Sketch::id(1);
        let reaches = || Holds::Reaches { about, ip: "10.0.0.2".to_owned(), port: 6379 };
        assert_eq!(judge(&sketch, 0, reaches()), Some(true));
        sketch.row(0, 1, |row| row.flags = row.flags.with(Flag::Failed));
        assert_eq!(judge(&sketch, 0, reaches()), Some(true), "the link stands");
        assert_eq!(judge(&sketch, 0, Holds::DoesNotReach { about }), Some(false), "it answered");
        sketch.quiet_for(1, 20_000);
        assert_eq!(judge(&sketch, 0, Holds::DoesNotReach { about }), Some(true), "a ping waits");
        assert_eq!(judge(&sketch, 2, Holds::DoesNotReach { about }), Some(false));
        sketch.row(0, 1, |row| row.link = LinkState::Disconnected);
        assert_eq!(judge(&sketch, 0, reaches()), Some(false));
    }

    #[test]
    fn who_comes_back_is_placed_elsewhere() {
        let mut sketch = Sketch::healthy(3, 0);
        let about = Sketch::id(1);
        let places = || Holds::Places { about, ip: "10.0.0.2".to_owned(), port: 6379 };
        assert_eq!(judge(&sketch, 0, places()), Some(true));
        sketch.row(0, 1, |row| row.address.ip = "10.0.0.9".to_owned());
        assert_eq!(judge(&sketch, 0, places()), Some(false));
    }

    #[test]
    fn an_epoch_is_what_the_node_has_heard() {
        let mut sketch = Sketch::healthy(3, 0);
        let about = Sketch::id(1);
        let epoch = 1_000;
        assert_eq!(judge(&sketch, 1, Holds::EpochAtMost { epoch }), Some(true));
        sketch.row(1, 1, |row| row.epoch = crate::model::ConfigEpoch(epoch + 1));
        assert_eq!(judge(&sketch, 1, Holds::EpochAtMost { epoch }), Some(false));
        assert_eq!(judge(&sketch, 0, Holds::Records { about, epoch }), Some(false));
        sketch.row(0, 1, |row| row.epoch = crate::model::ConfigEpoch(epoch));
        assert_eq!(judge(&sketch, 0, Holds::Records { about, epoch }), Some(true));
    }

    #[test]
    fn silence_is_no_answer() {
        let mut sketch = Sketch::healthy(3, 0);
        sketch.silence(0, crate::observation::Silence::Refused, None);
        assert_eq!(judge(&sketch, 0, Holds::IsPrimary), None);
        let slots = SlotSet::range(1, 1);
        assert_eq!(judge(&sketch, 1, Holds::HoldsNoKeys { slots }), None, "nothing was counted");
        let slots = SlotSet::new();
        assert_eq!(judge(&sketch, 1, Holds::HoldsKeys { slots }), Some(true), "of no slot");
    }

    #[test]
    fn keys_are_judged_by_what_was_counted() {
        let mut sketch = Sketch::healthy(1, 0);
        sketch.nodes[0].sighting.census =
            Said::This(Census { counted: SlotSet::range(5, 6), keys: vec![(5, 1)] });
        let slots = |first, last| SlotSet::range(first, last);
        let holds = |slots| judge(&sketch, 0, Holds::HoldsKeys { slots });
        assert_eq!(holds(slots(5, 5)), Some(true));
        assert_eq!(holds(slots(5, 6)), Some(false));
        assert_eq!(holds(slots(5, 7)), None);
        let none = |slots| judge(&sketch, 0, Holds::HoldsNoKeys { slots });
        assert_eq!(none(slots(6, 6)), Some(true));
        assert_eq!(none(slots(5, 6)), Some(false));
    }

    #[test]
    fn an_open_slot_is_open_in_its_own_direction() {
        let mut sketch = Sketch::healthy(2, 0);
        let (slot, to) = (Slot::new(5).expect("a slot"), Sketch::id(1));
        sketch.row(0, 0, |row| row.open.push(OpenSlot::Migrating { slot, to }));
        let open = |state| {
            let slots = SlotSet::one(slot);
            judge(&sketch, 0, Holds::Open { slots, state })
        };
        assert_eq!(open(SlotState::Migrating(to)), Some(true));
        assert_eq!(open(SlotState::Importing(to)), Some(false));
        assert_eq!(open(SlotState::Stable), Some(false));
    }
}
