//! The modelled world: servers, the wire between them, one clock, one seed.
//!
//! Invariants: everything that happens follows from the seed and from what the caller does; time
//! goes on in [`World::advance`] only; two packets from one server to another arrive in the order
//! in which they were sent, as over TCP.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use slotwright_core::model::{SLOT_COUNT, SlotSet};
use slotwright_core::scenario::Server as Kind;

use crate::server::{Addr, Cause, Id, Key, Node, Peer, Saved};

/// Between two ticks of a server (`clusterCron` runs ten times a second).
pub const TICK_MS: u64 = 100;
/// The longest way of a packet on a healthy network.
const DELAY_MS: u64 = 4;
/// Random ids of handshakes begin here, far above those of servers.
const HANDSHAKE_IDS: Id = 1_000_000;

/// What is sent on the bus.
#[derive(Clone, Debug)]
pub(crate) struct Packet {
    pub kind: PacketKind,
    pub sender: Header,
    pub gossip: Vec<Gossip>,
    /// Who was forgotten, and for how many milliseconds more (7.2 and later).
    pub bans: Vec<(Id, u64)>,
}

#[derive(Clone, Debug)]
pub(crate) enum PacketKind {
    Ping,
    Pong,
    Meet,
    Fail(Id),
    Update { id: Id, epoch: u64, slots: Rc<SlotSet> },
    AskVotes { manual: bool },
    Vote,
}

/// What every packet says of its sender.
#[derive(Clone, Debug)]
pub(crate) struct Header {
    pub id: Id,
    pub addr: Addr,
    pub is_replica: bool,
    pub primary: Option<Id>,
    /// A replica: its primary's.
    pub slots: Rc<SlotSet>,
    /// A replica: its primary's.
    pub epoch: u64,
    pub current: u64,
    pub offset: u64,
}

/// What a packet says of a third.
#[derive(Clone, Debug)]
pub(crate) struct Gossip {
    pub id: Id,
    pub addr: Addr,
    pub failing: bool,
    pub is_replica: bool,
    pub pong_at: u64,
}

/// A packet on its way.
#[derive(Clone, Debug)]
pub(crate) struct Delivery {
    pub from: usize,
    pub to: usize,
    pub to_boot: u32,
    /// The connection; the receiver knows it by its number when it dialled it.
    pub link: u64,
    pub packet: Packet,
}

#[derive(Clone, Debug)]
enum Happening {
    Tick(usize, u32),
    Deliver(Box<Delivery>),
}

/// What is to happen, by the millisecond: nothing is planned further ahead than a tick, so a ring
/// takes the place of a sorted queue. Within a millisecond, what was planned first comes first.
#[derive(Clone, Debug)]
struct Queue {
    ring: Vec<Vec<Happening>>,
}

/// Milliseconds that the ring holds: more than a tick, and than the longest way of a packet.
const RING: u64 = 128;
const _: () = assert!(RING > TICK_MS && RING > DELAY_MS);

impl Queue {
    fn new() -> Self {
        Self { ring: (0..RING).map(|_| Vec::new()).collect() }
    }

    fn at(&mut self, ms: u64) -> Option<&mut Vec<Happening>> {
        self.ring.get_mut(usize::try_from(ms % RING).ok()?)
    }

    fn push(&mut self, now: u64, at: u64, what: Happening) {
        assert!(at > now && at - now < RING, "{at} is no time within a tick of {now}");
        if let Some(due) = self.at(at) {
            due.push(what);
        }
    }
}

/// A copy of a key that a server has no more.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Deleted {
    /// When, in milliseconds.
    pub at: u64,
    /// At which server.
    pub node: usize,
    /// Which.
    pub key: Key,
    /// With which version of its value.
    pub version: u64,
    /// Why.
    pub cause: Cause,
    /// Whose claim or whose data it gave way to.
    pub by: Option<Id>,
}

/// A server's own slots went to somebody with a greater epoch.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Lost {
    /// When.
    pub at: u64,
    /// At which server.
    pub node: usize,
    /// Its own, or its primary's.
    pub slots: SlotSet,
    /// Who claimed them.
    pub to: Id,
    /// With which epoch.
    pub epoch: u64,
}

/// Servers and the wire between them.
#[derive(Clone, Debug)]
pub struct World {
    /// Milliseconds since it began.
    pub now: u64,
    /// All servers, those that do not run included.
    pub nodes: Vec<Node>,
    /// What was deleted.
    pub deleted: Vec<Deleted>,
    /// Which slots were lost.
    pub lost: Vec<Lost>,
    /// Which slots a server gave to itself: because it started with keys of them, or because it was
    /// importing them and their source no longer claimed them.
    pub took: Vec<(u64, Id, SlotSet)>,
    /// Who became a replica of whom, and when.
    pub followed: Vec<(u64, usize, Id)>,
    /// Commands that were carried out or refused, questions left out.
    pub commanded: u64,
    /// Pairs between whom nothing passes, in that direction, on the bus.
    pub cut: BTreeSet<(usize, usize)>,
    /// Servers whose client port nobody reaches.
    pub client_cut: BTreeSet<usize>,
    pub(crate) rng: fastrand::Rng,
    queue: Queue,
    held: BTreeMap<usize, Vec<Delivery>>,
    /// What a cut keeps back: the kernel sends it again when the way is open.
    kept_back: Vec<Delivery>,
    /// When the last packet arrives, by sender and receiver.
    arrivals: Vec<Vec<u64>>,
    /// The shards of ids that nobody has any more: the tables of others still show them.
    gone_shards: BTreeMap<Id, Id>,
    /// Room for the choice of whom a packet tells of.
    pub(crate) fit: Vec<usize>,
    links: u64,
    ids: Id,
    addrs: Addr,
}

/// A healthy cluster to begin with.
#[derive(Clone, Copy, PartialEq, Eq, Debug, serde::Serialize, serde::Deserialize)]
pub struct Shape {
    /// Primaries.
    pub primaries: usize,
    /// Replicas of each.
    pub replicas_each: usize,
    /// Which servers.
    pub kind: Kind,
    /// Keys in all.
    pub keys: u32,
    /// `cluster-node-timeout`.
    pub timeout_ms: u64,
}

/// Servers as they stand, to begin with.
#[derive(Clone, Debug)]
pub(crate) struct Standing {
    /// What time it is.
    pub now: u64,
    /// The servers.
    pub nodes: Vec<Node>,
    /// The greatest id, address and number of a connection that are taken.
    pub last: (Id, Addr, u64),
}

impl World {
    /// A world that goes on from there.
    pub(crate) fn going_on(standing: &Standing, seed: u64) -> Self {
        let (id, addrs, links) = standing.last;
        let mut world = Self {
            now: standing.now,
            nodes: standing.nodes.clone(),
            links,
            ids: id.max(HANDSHAKE_IDS),
            addrs,
            ..Self::empty(seed)
        };
        for n in 0..world.nodes.len() {
            let at = world.now + world.rng.u64(1..=TICK_MS);
            world.push(at, Happening::Tick(n, world.nodes[n].boot));
        }
        world
    }

    fn empty(seed: u64) -> Self {
        Self {
            now: 1_000_000,
            nodes: Vec::new(),
            deleted: Vec::new(),
            lost: Vec::new(),
            took: Vec::new(),
            followed: Vec::new(),
            commanded: 0,
            cut: BTreeSet::new(),
            client_cut: BTreeSet::new(),
            rng: fastrand::Rng::with_seed(seed),
            queue: Queue::new(),
            held: BTreeMap::new(),
            kept_back: Vec::new(),
            arrivals: Vec::new(),
            gone_shards: BTreeMap::new(),
            fit: Vec::new(),
            links: 0,
            ids: HANDSHAKE_IDS,
            addrs: 0,
        }
    }

    /// A healthy cluster that has stood for a while.
    pub fn healthy(shape: Shape, seed: u64) -> Self {
        let total = shape.primaries * (1 + shape.replicas_each);
        let mut world = Self::empty(seed);
        for n in 0..total {
            world.addrs += 1;
            let id = Id::try_from(n + 1).unwrap_or(Id::MAX);
            let mut node = Node::new(shape.kind, id, world.addrs, shape.timeout_ms);
            node.started_at = 0;
            node.judged_since = Some(0);
            node.current_epoch = shape.primaries as u64;
            world.nodes.push(node);
        }
        world.share_out(shape);
        world.acquaint();
        for key in 0..shape.keys {
            let slot = crate::server::slot_of(key);
            for node in &mut world.nodes {
                let owner = node.primary.unwrap_or(node.id);
                if node.owner(slot) == Some(owner) {
                    node.keys.insert(key, 1);
                }
            }
        }
        for n in 0..total {
            let at = world.now + world.rng.u64(1..=TICK_MS);
            world.push(at, Happening::Tick(n, 1));
        }
        world.advance(3_000);
        world
    }

    fn share_out(&mut self, shape: Shape) {
        let count = usize::from(SLOT_COUNT);
        for n in 0..self.nodes.len() {
            let shard =
                if n < shape.primaries { n } else { (n - shape.primaries) % shape.primaries };
            let node = &mut self.nodes[n];
            node.shard = Id::try_from(shard + 1).ok();
            if n < shape.primaries {
                let end =
                    |n: usize| u16::try_from(n * count / shape.primaries).unwrap_or(SLOT_COUNT);
                node.slots = Rc::new(SlotSet::range(end(n), end(n + 1) - 1));
                node.config_epoch = n as u64 + 1;
            } else {
                node.primary = Id::try_from(shard + 1).ok();
            }
        }
    }

    /// Everybody gets a row about everybody.
    fn acquaint(&mut self) {
        let all: Vec<Peer> = self
            .nodes
            .iter()
            .map(|node| {
                let mut peer = Peer::new(node.id, Some(node.addr), self.now);
                peer.primary = node.primary;
                peer.is_replica = node.primary.is_some();
                peer.slots = Rc::clone(&node.slots);
                peer.epoch = node.config_epoch;
                peer
            })
            .collect();
        for node in &mut self.nodes {
            node.peers = all.iter().filter(|peer| peer.id != node.id).cloned().collect();
        }
    }

    fn push(&mut self, at: u64, what: Happening) {
        self.queue.push(self.now, at, what);
    }

    /// Lets time go on.
    pub fn advance(&mut self, ms: u64) {
        let until = self.now + ms;
        while self.now < until {
            self.now += 1;
            let now = self.now;
            let Some(due) = self.queue.at(now).filter(|due| !due.is_empty()) else { continue };
            let mut due = std::mem::take(due);
            for what in due.drain(..) {
                match what {
                    Happening::Tick(n, boot) => self.tick(n, boot),
                    Happening::Deliver(delivery) => self.deliver(*delivery),
                }
            }
            // Its room is used again; nothing was planned for this very millisecond.
            if let Some(place) = self.queue.at(now) {
                *place = due;
            }
        }
    }

    fn tick(&mut self, n: usize, boot: u32) {
        let node = &self.nodes[n];
        if !node.up || node.boot != boot {
            return;
        }
        if !node.frozen {
            self.cron(n);
        }
        let at = self.now + TICK_MS;
        self.push(at, Happening::Tick(n, boot));
    }

    fn deliver(&mut self, delivery: Delivery) {
        let to = &self.nodes[delivery.to];
        if !to.up || to.boot != delivery.to_boot {
            return;
        }
        if to.frozen {
            // The kernel keeps it.
            self.held.entry(delivery.to).or_default().push(delivery);
            return;
        }
        if self.cut.contains(&(delivery.from, delivery.to)) {
            self.keep_back(delivery);
        } else {
            self.receive(delivery);
        }
    }

    /// The last packet of a connection over which nothing passes.
    fn keep_back(&mut self, delivery: Delivery) {
        self.kept_back.retain(|old| (old.from, old.link) != (delivery.from, delivery.link));
        self.kept_back.push(delivery);
    }

    /// Opens the ways between pairs, in that direction, to whom `opens` says so. What was kept back
    /// comes through where its connection still stands.
    pub(crate) fn mend(&mut self, opens: impl Fn(&(usize, usize)) -> bool) {
        self.cut.retain(|pair| !opens(pair));
        let stands = |delivery: &Delivery| {
            let dialled_by = |n: usize| {
                let own = self.nodes[n].peers.iter().filter_map(|peer| peer.link);
                own.map(|link| link.number).any(|number| number == delivery.link)
            };
            dialled_by(delivery.from) || dialled_by(delivery.to)
        };
        let kept_back = std::mem::take(&mut self.kept_back);
        let (open, shut): (Vec<Delivery>, Vec<Delivery>) =
            kept_back.into_iter().partition(|one| !self.cut.contains(&(one.from, one.to)));
        self.kept_back = shut;
        for delivery in open.into_iter().filter(stands).collect::<Vec<_>>() {
            self.push(self.now + 1, Happening::Deliver(Box::new(delivery)));
        }
    }

    /// Sends a packet over a connection.
    pub(crate) fn send(&mut self, from: usize, to: usize, to_boot: u32, link: u64, packet: Packet) {
        if self.cut.contains(&(from, to)) {
            return self.keep_back(Delivery { from, to, to_boot, link, packet });
        }
        let at = self.now + 1 + self.rng.u64(0..DELAY_MS);
        let total = self.nodes.len();
        if self.arrivals.len() < total {
            self.arrivals.resize_with(total, Vec::new);
            self.arrivals.iter_mut().for_each(|row| row.resize(total, 0));
        }
        let last = &mut self.arrivals[from][to];
        let at = at.max(*last);
        *last = at;
        let delivery = Delivery { from, to, to_boot, link, packet };
        self.push(at, Happening::Deliver(Box::new(delivery)));
    }

    /// Who listens at an address.
    pub fn listener(&self, addr: Addr) -> Option<usize> {
        self.nodes.iter().position(|node| node.up && node.addr == addr)
    }

    pub(crate) const fn next_link(&mut self) -> u64 {
        self.links += 1;
        self.links
    }

    pub(crate) const fn random_id(&mut self) -> Id {
        self.ids += 1;
        self.ids
    }

    /// An address that nobody had yet.
    pub const fn fresh_addr(&mut self) -> Addr {
        self.addrs += 1;
        self.addrs
    }

    /// A server deletes a key.
    pub(crate) fn delete(&mut self, n: usize, key: Key, cause: Cause, by: Option<Id>) {
        let node = &mut self.nodes[n];
        if let Some(version) = node.keys.remove(&key) {
            // Redis before 7.2 tells neither its replicas nor its file of keys of lost slots.
            if cause == Cause::DirtySlot && node.kind == Kind::Redis70 {
                node.undead.insert(key, version);
            }
            node.data_version += 1;
            node.offset += 1;
            self.deleted.push(Deleted { at: self.now, node: n, key, version, cause, by });
        }
    }

    /// Ends a process. Its table and its data are on its disk.
    pub fn stop(&mut self, n: usize) {
        let node = &mut self.nodes[n];
        if node.up {
            node.saved = Saved { table: Some(Rc::new(node.table())) };
            node.up = false;
            node.frozen = false;
            self.held.remove(&n);
        }
    }

    /// Starts a server that knows nobody, and returns its number.
    pub fn join(&mut self, addr: Addr, timeout_ms: u64) -> usize {
        let (id, n) = (self.random_id(), self.nodes.len());
        let kind = self.nodes.first().map_or(Kind::Redis82, |node| node.kind);
        let mut node = Node::new(kind, id, addr, timeout_ms);
        (node.ok, node.self_addr, node.started_at) = (false, None, self.now);
        self.nodes.push(node);
        self.push(self.now + 1, Happening::Tick(n, 1));
        n
    }

    /// Removes the table of a stopped server; its data stays.
    pub fn lose_table(&mut self, n: usize) {
        self.nodes[n].saved.table = None;
    }

    /// Starts a stopped process at an address.
    pub fn start(&mut self, n: usize, addr: Addr) {
        let now = self.now;
        let fresh = self.random_id();
        let node = &mut self.nodes[n];
        if node.up {
            return;
        }
        let timeout = node.timeout;
        let (mut keys, offset, boot) = (std::mem::take(&mut node.keys), node.offset, node.boot + 1);
        for (key, version) in std::mem::take(&mut node.undead) {
            keys.entry(key).or_insert(version);
        }
        let mut started = Node::new(node.kind, fresh, addr, timeout);
        started.self_addr = None;
        if let Some(table) = node.saved.table.clone() {
            started.id = table.id;
            started.shard = node.shard;
            started.self_addr = table.self_addr;
            started.primary = table.primary;
            started.slots = Rc::clone(&table.slots);
            started.open = table.open.clone();
            started.config_epoch = table.config_epoch;
            started.current_epoch = table.current_epoch;
            started.last_vote = table.last_vote;
            started.peers = table.peers.iter().map(|peer| reloaded(peer, now)).collect();
            started.current_epoch = started.max_epoch();
        } else if let Some(shard) = node.shard {
            self.gone_shards.insert(node.id, shard);
        }
        started.keys = keys;
        started.offset = offset;
        started.boot = boot;
        started.started_at = now;
        started.ok = false;
        *node = started;
        self.check_data(n);
        self.push(now + 1, Happening::Tick(n, boot));
    }

    /// What a primary does with the keys that it finds (`verifyClusterConfigWithData`).
    pub(crate) fn check_data(&mut self, n: usize) {
        let node = &mut self.nodes[n];
        if node.primary.is_some() {
            return;
        }
        let slots: SlotSet = node.keys.keys().map(|key| crate::server::slot_of(*key)).collect();
        let unowned = slots.difference(&node.assigned());
        if !unowned.is_empty() {
            let id = node.id;
            node.assign(&unowned, Some(id));
            self.took.push((self.now, id, unowned));
        }
        let node = &mut self.nodes[n];
        let foreign = slots.difference(&node.slots);
        for slot in foreign.iter() {
            let node = &mut self.nodes[n];
            if node.open.contains_key(&slot.get()) {
                continue;
            }
            if !node.is_valkey() {
                if let Some(owner) = node.owner(slot) {
                    node.open.insert(slot.get(), crate::server::Open::Importing(owner));
                }
                continue;
            }
            let keys: Vec<Key> = node.keys.keys().copied().collect();
            for key in keys.into_iter().filter(|key| crate::server::slot_of(*key) == slot) {
                let owner = self.nodes[n].owner(slot);
                self.delete(n, key, Cause::StartCheck, owner);
            }
        }
    }

    /// The shard of an id, as the tables show it.
    pub(crate) fn shard_of(&self, id: Id) -> Option<Id> {
        let node = self.nodes.iter().find(|node| node.id == id);
        node.map_or_else(|| self.gone_shards.get(&id).copied(), |node| node.shard)
    }

    /// Stops a process where it is, or lets it go on.
    pub fn freeze(&mut self, n: usize, frozen: bool) {
        if !self.nodes[n].up {
            return;
        }
        self.nodes[n].frozen = frozen;
        if !frozen {
            for delivery in self.held.remove(&n).unwrap_or_default() {
                let at = self.now + 1;
                self.push(at, Happening::Deliver(Box::new(delivery)));
            }
        }
    }

    /// All keys, without those that only replicas have left because their primary deleted them when
    /// it started: with the next sync they go.
    pub fn kept_keys(&self) -> BTreeMap<Key, u64> {
        let mut all = self.all_keys();
        let deleted = |key: &Key| {
            self.deleted.iter().any(|one| one.key == *key && one.cause == Cause::StartCheck)
        };
        let on_a_primary = |key: &Key| {
            self.nodes.iter().any(|node| node.primary.is_none() && node.keys.contains_key(key))
        };
        all.retain(|key, _| on_a_primary(key) || !deleted(key));
        all
    }

    /// All keys that any server has, those included that do not run: their disks have them.
    pub fn all_keys(&self) -> BTreeMap<Key, u64> {
        let mut all = BTreeMap::new();
        for node in &self.nodes {
            for (key, version) in &node.keys {
                let known: &mut u64 = all.entry(*key).or_default();
                *known = (*known).max(*version);
            }
        }
        all
    }
}

/// A row as it is read again from `nodes.conf`.
fn reloaded(peer: &Peer, now: u64) -> Peer {
    let mut row = Peer::new(peer.id, peer.addr, now);
    row.primary = peer.primary;
    row.is_replica = peer.is_replica;
    row.slots = Rc::clone(&peer.slots);
    row.epoch = peer.epoch;
    row.suspected = peer.suspected;
    row.failed_at = peer.failed_at.map(|_| now);
    row.pong_at = 0;
    row
}
