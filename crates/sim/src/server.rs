//! One modelled server: what it holds, and the small rules about it.
//!
//! Named after the fields and functions of the servers (`cluster.c`, `cluster_legacy.c`), whose
//! rules are cited where they are applied. Slots are sets of ranges; ids and addresses are numbers.

use std::collections::BTreeMap;
use std::rc::Rc;

use slotwright_core::model::{Slot, SlotSet};
use slotwright_core::scenario::Server as Kind;

/// A node id; [`slotwright_core::model::NodeId::made_up`] makes the long one of it.
pub type Id = u32;
/// An address: one number for IP and ports.
pub type Addr = u32;
/// A key. Its slot is [`slot_of`].
pub type Key = u32;

/// Keys are spread so that neighbours are far apart.
pub fn slot_of(key: Key) -> Slot {
    let spread = key.wrapping_mul(0x9e37_79b9) >> 18;
    Slot::new(u16::try_from(spread).unwrap_or(0)).unwrap_or_else(|| Slot::of_key(b""))
}

/// A key of a slot; the same number gives the same key. There are 2^18 of each slot.
pub fn key_in(slot: Slot, number: u32) -> Key {
    // The inverse of the multiplier of `slot_of`, modulo 2^32.
    const BACK: u32 = 0x144c_bc89;
    ((u32::from(slot.get()) << 18) | (number & 0x3_ffff)).wrapping_mul(BACK)
}

/// An open end of a move.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Open {
    /// `[slot->-id]`.
    Migrating(Id),
    /// `[slot-<-id]`.
    Importing(Id),
}

/// A connection that a server dialled, to whoever ran at the address then.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Link {
    /// Tells it from every other.
    pub number: u64,
    /// The server at the other end.
    pub to: usize,
    /// Its process: a restart ends the connection.
    pub boot: u32,
    /// When it was made.
    pub born: u64,
}

/// A row of a server's table about somebody else.
#[derive(Clone, Debug)]
pub struct Peer {
    /// Whom it is about.
    pub id: Id,
    /// Where it is; `None` is `noaddr`.
    pub addr: Option<Addr>,
    /// Its primary, if it is held for a replica.
    pub primary: Option<Id>,
    /// Held for a replica: true also while its primary is not known.
    pub is_replica: bool,
    /// PFAIL.
    pub suspected: bool,
    /// FAIL, since when.
    pub failed_at: Option<u64>,
    /// In handshake until then.
    pub handshake: Option<u64>,
    /// The first word on the next link is MEET.
    pub meet: bool,
    /// What it owns in this table.
    pub slots: Rc<SlotSet>,
    /// Of these, what it no longer claims (`owner_not_claiming_slot`).
    pub unclaimed: SlotSet,
    /// Its config epoch as recorded here.
    pub epoch: u64,
    /// When the ping that waits for its pong was sent; 0 when none waits.
    pub ping_sent: u64,
    /// When the last pong came.
    pub pong_at: u64,
    /// When anything came.
    pub data_at: u64,
    /// Our connection to it.
    pub link: Option<Link>,
    /// When its own connection to us was last seen to stand, or it was met anew for want of one
    /// (Valkey 8.1 and later).
    pub heard_at: u64,
    /// Who said when that it fails.
    pub reports: Vec<(Id, u64)>,
    /// When it got our vote for one of its replicas.
    pub voted_at: u64,
    /// Its replication offset.
    pub offset: u64,
}

impl Peer {
    /// A row about a node of which nothing is known but where it is said to be.
    pub fn new(id: Id, addr: Option<Addr>, now: u64) -> Self {
        Self {
            id,
            addr,
            primary: None,
            is_replica: false,
            suspected: false,
            failed_at: None,
            handshake: None,
            meet: false,
            slots: Rc::default(),
            unclaimed: SlotSet::new(),
            epoch: 0,
            ping_sent: 0,
            pong_at: now,
            data_at: now,
            link: None,
            heard_at: now,
            reports: Vec::new(),
            voted_at: 0,
            offset: 0,
        }
    }

    /// A primary that owns slots may vote.
    pub fn votes(&self) -> bool {
        !self.is_replica && self.handshake.is_none() && !self.slots.is_empty()
    }
}

/// A replica's own election, or manual failover.
#[derive(Clone, Debug, Default)]
pub struct Election {
    /// When the votes are asked for.
    pub at: Option<u64>,
    /// They were.
    pub asked: bool,
    /// In which epoch.
    pub epoch: u64,
    /// Who voted.
    pub votes: Vec<Id>,
    /// Without the consent of the primary being down (`CLUSTER FAILOVER [FORCE]`).
    pub manual: bool,
}

/// What a process finds in its directory when it starts.
#[derive(Clone, Debug)]
pub struct Saved {
    /// `nodes.conf`; `None`: the file is gone.
    pub table: Option<Rc<Table>>,
}

/// `nodes.conf`.
#[derive(Clone, Debug)]
pub struct Table {
    /// The row of its own.
    pub id: Id,
    /// Its own address as it is written down.
    pub self_addr: Option<Addr>,
    /// Its primary.
    pub primary: Option<Id>,
    /// Its slots.
    pub slots: Rc<SlotSet>,
    /// Its open slots.
    pub open: BTreeMap<u16, Open>,
    /// Its config epoch.
    pub config_epoch: u64,
    /// The greatest it has seen.
    pub current_epoch: u64,
    /// The last one it voted in.
    pub last_vote: u64,
    /// The others.
    pub peers: Vec<Peer>,
}

/// Why a server deleted a key.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Cause {
    /// It lost the slot to somebody with a greater epoch (`delKeysInSlot`).
    DirtySlot,
    /// It became a replica and took over its primary's data.
    FullSync,
    /// It started with keys of slots of others (`verifyClusterConfigWithData`, Valkey 8 and later).
    StartCheck,
    /// It was told to.
    Command,
    /// It gave it to another server (`MIGRATE`).
    Moved,
    /// Another server gave it another value (`MIGRATE REPLACE`).
    Replaced,
}

/// A modelled server. Whoever holds one may change anything: faults do.
#[derive(Clone, Debug)]
pub struct Node {
    /// Which server and version.
    pub kind: Kind,
    /// Its id.
    pub id: Id,
    /// Where its process listens, or would.
    pub addr: Addr,
    /// What it believes its own address to be.
    pub self_addr: Option<Addr>,
    /// The process runs.
    pub up: bool,
    /// It is stopped where it is (SIGSTOP).
    pub frozen: bool,
    /// How often it was started.
    pub boot: u32,
    /// The table, without itself.
    pub peers: Vec<Peer>,
    /// Its primary, if it is a replica.
    pub primary: Option<Id>,
    /// Its shard (`shard-id`), where it has one in common with others.
    pub shard: Option<Id>,
    /// The slots it owns in its own table.
    pub slots: Rc<SlotSet>,
    /// Open slots.
    pub open: BTreeMap<u16, Open>,
    /// Its own config epoch.
    pub config_epoch: u64,
    /// The greatest epoch it has seen.
    pub current_epoch: u64,
    /// The last epoch it voted in.
    pub last_vote: u64,
    /// `cluster_state:ok`.
    pub ok: bool,
    /// Since when it judges the state.
    pub judged_since: Option<u64>,
    /// When it was last in a minority.
    pub minority_at: u64,
    /// Who was forgotten, and until when.
    pub bans: Vec<(Id, u64)>,
    /// Its data: keys with the version of their value.
    pub keys: BTreeMap<Key, u64>,
    /// Keys that are gone from memory and not from its append-only file, nor from its replicas:
    /// they come back when it starts.
    pub undead: BTreeMap<Key, u64>,
    /// Raised with each change of its data: a replica copies when it differs.
    pub data_version: u64,
    /// A replica: whose data it has, and of which version.
    pub synced: Option<(usize, u64)>,
    /// A replica: where it dials its primary (`masterhost`), which need not be what its table says.
    pub master: Option<Addr>,
    /// A replica: its link to its primary stands.
    pub link_up: bool,
    /// A replica: since when its link does not stand.
    pub link_down_at: u64,
    /// Replication offset.
    pub offset: u64,
    /// Its election.
    pub election: Election,
    /// Its directory.
    pub saved: Saved,
    /// `cluster-node-timeout` in milliseconds.
    pub timeout: u64,
    /// When it started.
    pub started_at: u64,
    /// Ticks of its clock (`clusterCron`).
    pub ticks: u64,
    /// The table changed since it was saved.
    pub dirty: bool,
}

impl Node {
    /// A fresh server that knows nobody.
    pub fn new(kind: Kind, id: Id, addr: Addr, timeout: u64) -> Self {
        Self {
            kind,
            id,
            addr,
            self_addr: Some(addr),
            up: true,
            frozen: false,
            boot: 1,
            peers: Vec::new(),
            primary: None,
            shard: None,
            slots: Rc::default(),
            open: BTreeMap::new(),
            config_epoch: 0,
            current_epoch: 0,
            last_vote: 0,
            ok: true,
            judged_since: None,
            minority_at: 0,
            bans: Vec::new(),
            keys: BTreeMap::new(),
            undead: BTreeMap::new(),
            data_version: 1,
            synced: None,
            master: None,
            link_up: false,
            link_down_at: 0,
            offset: 1,
            election: Election::default(),
            saved: Saved { table: None },
            timeout,
            started_at: 0,
            ticks: 0,
            dirty: true,
        }
    }

    /// It runs and is not stopped.
    pub const fn is_live(&self) -> bool {
        self.up && !self.frozen
    }

    /// Redis, whichever version the profile has.
    pub const fn is_valkey(&self) -> bool {
        matches!(self.kind, Kind::Valkey91)
    }

    /// Redis 7.2 and later, and Valkey: forgotten nodes are told to others.
    pub const fn spreads_bans(&self) -> bool {
        !matches!(self.kind, Kind::Redis70)
    }

    /// The row about somebody else.
    pub fn peer(&self, id: Id) -> Option<&Peer> {
        self.peers.iter().find(|peer| peer.id == id)
    }

    /// See [`Self::peer`].
    pub fn peer_mut(&mut self, id: Id) -> Option<&mut Peer> {
        self.peers.iter_mut().find(|peer| peer.id == id)
    }

    /// The owner of a slot in its table.
    pub fn owner(&self, slot: Slot) -> Option<Id> {
        if self.slots.contains(slot) {
            return Some(self.id);
        }
        self.peers.iter().find(|peer| peer.slots.contains(slot)).map(|peer| peer.id)
    }

    /// The config epoch that it records for an id.
    pub fn epoch_of(&self, id: Id) -> u64 {
        if id == self.id { self.config_epoch } else { self.peer(id).map_or(0, |peer| peer.epoch) }
    }

    /// Takes slots from everybody and gives them to one, or to nobody.
    pub fn assign(&mut self, slots: &SlotSet, to: Option<Id>) {
        if to != Some(self.id) && !self.slots.intersection(slots).is_empty() {
            self.slots = Rc::new(self.slots.difference(slots));
        }
        for peer in &mut self.peers {
            if Some(peer.id) != to && !peer.slots.intersection(slots).is_empty() {
                peer.slots = Rc::new(peer.slots.difference(slots));
            }
            if !peer.unclaimed.is_empty() {
                peer.unclaimed = peer.unclaimed.difference(slots);
            }
        }
        match to {
            Some(id) if id == self.id => self.slots = Rc::new(self.slots.union(slots)),
            Some(id) => {
                if let Some(peer) = self.peer_mut(id) {
                    peer.slots = Rc::new(peer.slots.union(slots));
                }
            }
            None => {}
        }
        self.dirty = true;
    }

    /// The slots that have an owner.
    pub fn assigned(&self) -> SlotSet {
        self.peers
            .iter()
            .filter(|peer| !peer.slots.is_empty())
            .fold(SlotSet::clone(&self.slots), |all, peer| all.union(&peer.slots))
    }

    /// What a node owns in its table.
    pub fn slots_of(&self, id: Id) -> Rc<SlotSet> {
        if id == self.id {
            return Rc::clone(&self.slots);
        }
        self.peer(id).map_or_else(Rc::default, |peer| Rc::clone(&peer.slots))
    }

    /// Voting primaries that it knows, itself included.
    pub fn size(&self) -> usize {
        let own = usize::from(self.primary.is_none() && !self.slots.is_empty());
        own + self.peers.iter().filter(|peer| peer.votes()).count()
    }

    /// More than half of the voters.
    pub fn quorum(&self) -> usize {
        self.size() / 2 + 1
    }

    /// Whether it votes.
    pub fn votes(&self) -> bool {
        self.primary.is_none() && !self.slots.is_empty()
    }

    /// The greatest config epoch in its table.
    pub fn max_epoch(&self) -> u64 {
        let others = self.peers.iter().map(|peer| peer.epoch).max().unwrap_or(0);
        others.max(self.config_epoch).max(self.current_epoch)
    }

    /// `clusterBumpConfigEpochWithoutConsensus`. True when it has a new one.
    pub fn bump(&mut self) -> bool {
        let max = self.max_epoch();
        if self.config_epoch != 0 && self.config_epoch >= max {
            return false;
        }
        self.current_epoch = max + 1;
        self.config_epoch = self.current_epoch;
        self.dirty = true;
        true
    }

    /// Whether it has keys of this slot.
    pub fn has_keys_in(&self, slots: &SlotSet) -> bool {
        self.keys.keys().any(|key| slots.contains(slot_of(*key)))
    }

    /// A replica dials its primary where its table says that it is (`replicationSetMaster`).
    pub fn point_at_primary(&mut self) {
        let addr = self.primary.and_then(|id| self.peer(id)?.addr);
        if addr.is_some() && self.master != addr {
            self.master = addr;
            self.link_up = false;
        }
    }

    /// Its table as it is written to disk.
    pub fn table(&self) -> Table {
        Table {
            id: self.id,
            self_addr: self.self_addr,
            primary: self.primary,
            slots: Rc::clone(&self.slots),
            open: self.open.clone(),
            config_epoch: self.config_epoch,
            current_epoch: self.current_epoch,
            last_vote: self.last_vote,
            peers: self.peers.iter().filter(|peer| peer.handshake.is_none()).cloned().collect(),
        }
    }
}
