//! What breaks a modelled cluster. Every fault is a value with all that it needs, so that a script
//! of faults can be run again, and shortened.

use slotwright_core::model::{Slot, SlotSet};

use crate::server::{Key, Open, key_in, slot_of};
use crate::world::World;

/// One fault. Numbers of nodes are those of [`World::nodes`].
#[derive(Clone, Copy, PartialEq, Eq, Debug, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fault {
    /// The process ends, and is started again: elsewhere, or where it was.
    Restart {
        /// Who.
        node: usize,
        /// On an address that nobody had.
        fresh: bool,
    },
    /// All processes end, and are started again elsewhere.
    RestartAll,
    /// Two processes end, and each is started at the other's address.
    Swap {
        /// One.
        one: usize,
        /// The other.
        other: usize,
    },
    /// `nodes.conf` is lost; the data is not.
    LoseTable {
        /// Whose.
        node: usize,
    },
    /// A member is forgotten by one.
    Forget {
        /// By whom.
        on: usize,
        /// Who.
        about: usize,
    },
    /// Slots are dropped from the table of one, or of all.
    DelSlots {
        /// By whom; `None`: all.
        on: Option<usize>,
        /// The first.
        first: u16,
        /// The last.
        last: u16,
    },
    /// A slot with keys is being moved, and the mover is gone.
    HalfMove {
        /// A key of it.
        key: Key,
        /// To whom.
        to: usize,
        /// Whether some of its keys have gone.
        moved: bool,
    },
    /// A leftover mark.
    Mark {
        /// At whom.
        on: usize,
        /// A key of the slot.
        key: Key,
        /// From whom.
        from: usize,
    },
    /// A copy of a key lies where its slot does not belong.
    Stray {
        /// At whom.
        on: usize,
        /// The key. New: nobody else has it.
        key: Key,
    },
    /// A client writes a key at its owner.
    Write {
        /// The key.
        key: Key,
    },
    /// An older copy of a key lies where its slot does not belong.
    Remnant {
        /// At whom.
        on: usize,
        /// The key.
        key: Key,
    },
    /// `CLUSTER BUMPEPOCH`.
    Bump {
        /// At whom.
        on: usize,
    },
    /// The process ends.
    Kill {
        /// Who.
        node: usize,
    },
    /// The process is stopped where it is.
    Freeze {
        /// Who.
        node: usize,
    },
    /// Nothing passes from one to the other on the bus.
    Cut {
        /// From whom.
        from: usize,
        /// To whom.
        to: usize,
        /// The other way neither.
        both: bool,
    },
    /// Nobody gets to the client port.
    CutClient {
        /// Of whom.
        node: usize,
    },
}

/// Keys of a world are the first numbers.
const KEYS_MAX: Key = 100;

/// Kinds of faults, some counted twice: [`Fault::of_kind`] knows them by number.
pub const KINDS: u32 = 17;

impl Fault {
    /// One of them.
    pub fn random(rng: &mut fastrand::Rng, nodes: usize, keys: u32) -> Self {
        Self::of_kind(rng, nodes, keys, |rng| rng.u32(0..KINDS))
    }

    /// One of the kinds that `choose` chooses from.
    pub fn of_kind(
        rng: &mut fastrand::Rng,
        nodes: usize,
        keys: u32,
        choose: impl Fn(&mut fastrand::Rng) -> u32,
    ) -> Self {
        let node = rng.usize(0..nodes);
        let other = (node + rng.usize(1..nodes)) % nodes;
        let key = rng.u32(0..keys);
        match choose(rng) {
            0 | 1 => Self::Restart { node, fresh: true },
            2 => Self::Restart { node, fresh: false },
            3 => Self::RestartAll,
            4 => Self::Swap { one: node, other },
            5 => Self::LoseTable { node },
            6 => Self::Forget { on: node, about: other },
            7 | 8 => {
                let first = rng.u16(0..16_000);
                let last = first + rng.u16(0..384);
                Self::DelSlots { on: rng.bool().then_some(node), first, last }
            }
            9 => Self::HalfMove { key, to: node, moved: rng.bool() },
            10 => Self::Mark { on: node, key, from: other },
            11 => Self::Stray { on: node, key: keys + rng.u32(0..1_000) },
            12 => Self::Bump { on: node },
            13 => Self::Kill { node },
            14 => Self::Freeze { node },
            15 => Self::Cut { from: node, to: other, both: rng.bool() },
            _ => Self::CutClient { node },
        }
    }

    /// The same, at this node and, where it is about a slot or a key, in one of these slots.
    pub fn aimed(self, at: usize, slots: &SlotSet) -> Self {
        let one = slots.ranges().first().map(|range| range.first);
        // A key that is there, or one that nobody has.
        let of_slot = |key: Key| {
            let there = (0..KEYS_MAX).find(|key| slots.contains(slot_of(*key)));
            there.or_else(|| one.and_then(Slot::new).map(|slot| key_in(slot, 0))).unwrap_or(key)
        };
        match self {
            Self::Restart { fresh, .. } => Self::Restart { node: at, fresh },
            Self::LoseTable { .. } => Self::LoseTable { node: at },
            Self::Swap { other, .. } if other != at => Self::Swap { one: at, other },
            Self::Forget { about, .. } if about != at => Self::Forget { on: at, about },
            Self::DelSlots { on, first, last } => {
                let (first, last) = one.map_or((first, last), |slot| (slot, slot));
                Self::DelSlots { on: on.map(|_| at), first, last }
            }
            Self::HalfMove { key, to, moved } => Self::HalfMove { key: of_slot(key), to, moved },
            Self::Mark { key, from, .. } if from != at => {
                Self::Mark { on: at, key: of_slot(key), from }
            }
            Self::Stray { key, .. } => Self::Stray { on: at, key: of_slot(key) },
            Self::Remnant { key, .. } => Self::Remnant { on: at, key: of_slot(key) },
            Self::Bump { .. } => Self::Bump { on: at },
            Self::Kill { .. } => Self::Kill { node: at },
            Self::Freeze { .. } => Self::Freeze { node: at },
            Self::Cut { to, both, .. } if to != at => Self::Cut { from: at, to, both },
            Self::CutClient { .. } => Self::CutClient { node: at },
            other => other,
        }
    }

    /// Breaks it. What cannot be broken any more is left alone.
    pub fn apply(self, world: &mut World) {
        match self {
            Self::Restart { node, fresh } => {
                world.stop(node);
                let old = world.nodes[node].addr;
                let addr = if fresh { world.fresh_addr() } else { old };
                world.start(node, addr);
            }
            Self::RestartAll => {
                let all = 0..world.nodes.len();
                all.clone().for_each(|node| world.stop(node));
                for node in all {
                    let addr = world.fresh_addr();
                    world.start(node, addr);
                }
            }
            Self::Swap { one, other } => {
                world.stop(one);
                world.stop(other);
                let (a, b) = (world.nodes[one].addr, world.nodes[other].addr);
                world.start(one, b);
                world.start(other, a);
            }
            Self::LoseTable { node } => {
                world.stop(node);
                world.lose_table(node);
                let addr = world.nodes[node].addr;
                world.start(node, addr);
            }
            Self::Forget { on, about } => {
                let id = slotwright_core::model::NodeId::made_up(world.nodes[about].id);
                tell(world, on, &format!("CLUSTER FORGET {id}"));
            }
            Self::DelSlots { on: Some(on), first, last } => {
                drop_slots(world, on, first, last);
            }
            Self::DelSlots { on: None, first, last } => {
                (0..world.nodes.len()).for_each(|on| drop_slots(world, on, first, last));
            }
            Self::Bump { on } => tell(world, on, "CLUSTER BUMPEPOCH"),
            Self::Kill { node } => world.stop(node),
            Self::Freeze { node } => world.freeze(node, true),
            Self::Cut { from, to, both } => {
                world.cut.insert((from, to));
                if both {
                    world.cut.insert((to, from));
                }
            }
            Self::CutClient { node } => {
                world.client_cut.insert(node);
            }
            other => other.spoil_data(world),
        }
    }

    fn spoil_data(self, world: &mut World) {
        match self {
            Self::Stray { on, key } => {
                let node = &mut world.nodes[on];
                let strange = node.primary.is_none() && !node.slots.contains(slot_of(key));
                if node.is_live() && strange {
                    node.keys.insert(key, 1);
                    node.data_version += 1;
                }
            }
            Self::Mark { on, key, from } => {
                let (slot, id) = (slot_of(key), world.nodes[from].id);
                let node = &mut world.nodes[on];
                let fit = node.primary.is_none() && !node.slots.contains(slot);
                if node.is_live() && fit && node.peer(id).is_some_and(|peer| !peer.is_replica) {
                    node.open.insert(slot.get(), Open::Importing(id));
                }
            }
            Self::Write { key } => write(world, key),
            Self::Remnant { on, key } => {
                let node = &mut world.nodes[on];
                let strange = node.primary.is_none() && !node.slots.contains(slot_of(key));
                if node.is_live() && strange && !node.keys.contains_key(&key) {
                    node.keys.insert(key, 1);
                    node.data_version += 1;
                }
            }
            Self::HalfMove { key, to, moved } => half_move(world, key, to, moved),
            _ => {}
        }
    }

    /// Whether nothing that others do ends it: somebody must.
    pub const fn is_lasting(self) -> bool {
        !matches!(
            self,
            Self::Kill { .. } | Self::Freeze { .. } | Self::Cut { .. } | Self::CutClient { .. }
        )
    }
}

fn tell(world: &mut World, on: usize, line: &str) {
    if world.nodes[on].is_live() {
        let words: Vec<String> = line.split(' ').map(str::to_owned).collect();
        // A fault may be refused: what it would have broken is not broken then.
        let _refused = world.command(on, &words);
    }
}

fn drop_slots(world: &mut World, on: usize, first: u16, last: u16) {
    if world.nodes[on].is_live() {
        let there = world.nodes[on].assigned().intersection(&SlotSet::range(first, last));
        let ranges = there.ranges().iter();
        let words: Vec<String> = ranges.map(|r| format!("{} {}", r.first, r.last)).collect();
        if !words.is_empty() {
            tell(world, on, &format!("CLUSTER DELSLOTSRANGE {}", words.join(" ")));
        }
    }
}

fn write(world: &mut World, key: Key) {
    let slot = slot_of(key);
    let takes = |node: &&mut crate::server::Node| {
        node.is_live() && node.ok && node.primary.is_none() && node.slots.contains(slot)
    };
    let Some(node) = world.nodes.iter_mut().find(takes) else { return };
    if let Some(version) = node.keys.get_mut(&key) {
        *version += 1;
        node.data_version += 1;
        node.offset += 1;
    }
}

fn half_move(world: &mut World, key: Key, to: usize, moved: bool) {
    let slot = slot_of(key);
    let owns = |node: &crate::server::Node| {
        node.is_live() && node.primary.is_none() && node.slots.contains(slot)
    };
    let Some(from) = world.nodes.iter().position(owns).filter(|from| *from != to) else { return };
    let (source, target) = (world.nodes[from].id, world.nodes[to].id);
    let fits = world.nodes[to].is_live()
        && world.nodes[to].primary.is_none()
        && world.nodes[to].peer(source).is_some_and(|peer| !peer.is_replica)
        && world.nodes[from].peer(target).is_some_and(|peer| !peer.is_replica);
    if !fits {
        return;
    }
    world.nodes[to].open.insert(slot.get(), Open::Importing(source));
    world.nodes[from].open.insert(slot.get(), Open::Migrating(target));
    if moved {
        let ip = crate::view::ip(world.nodes[to].addr);
        tell(world, from, &format!("MIGRATE {ip} 6379 {} 0 5000 KEYS {key}", ""));
    }
}
