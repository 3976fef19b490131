//! The twin of a real cluster: a [`World`] that stands as an [`Observation`] shows the cluster.
//!
//! Each node's own table, epochs, marks, links and keys are taken over as it showed them; of a node
//! that is silent, what most others say. Invariants: who is silent is silent in the twin, in the
//! way in which it is (its process does not run, is stopped, or only we cannot reach it); a slot
//! that holds keys at a node holds one there, the same as at the other nodes of its shard and
//! another than in other shards, unless both claim the slot; what cannot be taken over is in
//! [`Twin::left_out`].
//!
//! A silent primary is taken to have keys in its slots: what a step of ours would do to them is
//! what is to be found out. One that the user knows to be gone has none, and never returns.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use slotwright_core::model::{Endpoint, Flag, NodeId, Product, Slot, SlotSet, Version};
use slotwright_core::observation::{
    Census, Fields, LinkState, NodeRow, Observation, OpenSlot, Picture, Silence, ViewRow,
};
use slotwright_core::plan::{Change, Plan, Policy};
use slotwright_core::scenario::Server as Kind;

use crate::left_out;
use crate::names::Names;
use crate::server::{Addr, Id, Key, Link, Node, Open, Peer, Saved, key_in, slot_of};
use crate::world::{Standing, World};

/// What time it is when a twin begins: late enough for every age that matters.
const NOW_MS: u64 = 1_000_000_000;
/// Keys that all nodes of a twin have together, and not many more. A look counts them one by one.
const KEYS_MODELLED: usize = 3_000;
/// Of a silent primary without a replica that answers, every so many slots get a key.
const SILENT_STRIDE: u16 = 64;

/// How a member is silent.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Quiet {
    /// Its process does not run, or nobody knows where.
    Down,
    /// Something is there and says nothing.
    Stopped,
    /// Its bus answers, or its peers reach it: only we cannot.
    CutOff,
}

/// A cluster on paper that can be set up again and again.
#[derive(Clone, Debug)]
pub struct Twin {
    standing: Standing,
    cut_off: BTreeSet<usize>,
    /// Who never returns.
    gone: BTreeSet<usize>,
    /// Silent from the beginning.
    silent: BTreeSet<usize>,
    seeds: BTreeSet<Addr>,
    names: Names,
    who: Vec<String>,
    /// What is not as it is in the cluster, a sentence each. May hold a peer's words: never print
    /// it raw.
    pub left_out: BTreeSet<String>,
}

impl Twin {
    /// The twin of what was seen. The keys of slots that `plan` is about are all there.
    pub fn of(seen: &Observation, plan: &Plan, policy: &Policy) -> Self {
        let picture = Picture::new(seen);
        let mut draft = Draft::new(&picture, policy);
        draft.seat_the_speaking();
        draft.seat_the_silent();
        draft.fill(plan);
        draft.finish(seen)
    }

    /// The world, with all that happens in it decided by this seed.
    pub fn world(&self, seed: u64) -> World {
        let mut world = World::going_on(&self.standing, seed);
        world.client_cut.clone_from(&self.cut_off);
        world
    }

    /// How many nodes it has.
    pub const fn size(&self) -> usize {
        self.standing.nodes.len()
    }

    /// What is called what.
    pub const fn names(&self) -> &Names {
        &self.names
    }

    /// The addresses that a look begins with.
    pub const fn seeds(&self) -> &BTreeSet<Addr> {
        &self.seeds
    }

    /// A node in real words.
    pub fn who(&self, n: usize) -> &str {
        self.who.get(n).map_or("a node", String::as_str)
    }

    /// Those who answer and whose bus does.
    pub fn speaking(&self) -> Vec<usize> {
        (0..self.standing.nodes.len()).filter(|n| !self.silent.contains(n)).collect()
    }

    /// Ends the silence that was there from the beginning, but for those who are gone. Whether
    /// anybody returned.
    pub fn return_the_silent(&self, world: &mut World) -> bool {
        let back: Vec<usize> = self.silent.difference(&self.gone).copied().collect();
        for n in &back {
            world.client_cut.remove(n);
            world.freeze(*n, false);
            if !world.nodes[*n].up {
                let addr = world.nodes[*n].addr;
                let free = world.listener(addr).is_none();
                let addr = if free { addr } else { world.fresh_addr() };
                world.start(*n, addr);
            }
        }
        !back.is_empty()
    }
}

/// A member and where it sits in the world.
struct Seat {
    id: NodeId,
    addr: Addr,
    /// The number of the sighting in which it showed its table.
    observer: Option<usize>,
    quiet: Option<Quiet>,
}

struct Draft<'a> {
    seen: &'a Picture<'a>,
    /// Who never returns.
    gone: BTreeSet<NodeId>,
    names: Names,
    seats: Vec<Seat>,
    nodes: Vec<Node>,
    links: u64,
    timeout: u64,
    usual_kind: Kind,
    left_out: BTreeSet<String>,
}

impl<'a> Draft<'a> {
    fn new(seen: &'a Picture<'a>, policy: &'a Policy) -> Self {
        let mut left_out = left_out::of(seen);
        let alias = aliases(seen, &mut left_out);
        let mut kinds: Vec<Kind> =
            seen.observers().filter_map(|n| seen.version(seen.sighting(n))).map(nearest).collect();
        kinds.sort_unstable_by_key(|kind| *kind as u8);
        let is_gone =
            |id: &NodeId| policy.gone.iter().any(|head| id.to_string().starts_with(head.as_str()));
        Self {
            seen,
            gone: seen.members().map(|(id, _)| id).filter(is_gone).collect(),
            names: Names::new(&ids(seen), &endpoints(seen, &alias), &alias),
            seats: Vec::new(),
            nodes: Vec::new(),
            links: 0,
            timeout: seen.node_timeout_ms(),
            usual_kind: kinds.get(kinds.len() / 2).copied().unwrap_or(Kind::Redis82),
            left_out,
        }
    }

    fn seat_the_speaking(&mut self) {
        for observer in self.seen.observers() {
            let sighting = self.seen.sighting(observer);
            let id = self.seen.id_of(observer);
            let (Some(id), Some(addr)) = (id, self.names.addr(&sighting.from)) else { continue };
            let known = self.seats.iter().any(|seat| seat.id == id && seat.addr == addr);
            if !known {
                self.seats.push(Seat { id, addr, observer: Some(observer), quiet: None });
            }
        }
    }

    fn seat_the_silent(&mut self) {
        let silent: BTreeSet<NodeId> = self.seen.silent_members().into_iter().collect();
        for id in silent.into_iter().chain(self.known_by_the_bus_only()) {
            let bus = self.seen.bus_answers().into_iter().find(|(_, said)| said.id == id);
            let row = self.seen.usual_row(id);
            let at = match bus {
                Some((bus, said)) => Some(Endpoint::new(bus.host.clone(), said.port)),
                None => row.and_then(|row| row.address.client()),
            };
            let addr = at.as_ref().and_then(|at| self.names.addr(at));
            let taken = addr.is_some_and(|addr| self.seats.iter().any(|seat| seat.addr == addr));
            // The process that it was has another id now, and its data.
            let reborn = addr.is_some_and(|addr| self.is_reborn(addr)) || self.lives_on(id);
            if reborn && bus.is_none() {
                self.gone.insert(id);
            }
            let quiet = match (bus, &at) {
                _ if taken || addr.is_none() => Quiet::Down,
                (Some(_), _) => Quiet::CutOff,
                (None, Some(at)) => self.how_silent(id, at),
                (None, None) => Quiet::Down,
            };
            // Where nobody knows it, it is at an address that nobody has.
            let lost = self.names.last().1 + 1 + u32::try_from(self.seats.len()).unwrap_or(0);
            let addr = addr.filter(|_| !taken).unwrap_or(lost);
            self.left_out.insert(format!(
                "{} is silent: what it holds is taken from what others say",
                self.seen.name(id)
            ));
            self.seats.push(Seat { id, addr, observer: None, quiet: Some(quiet) });
        }
    }

    /// Those who run, as their bus shows, and are in no table that was shown.
    fn known_by_the_bus_only(&self) -> BTreeSet<NodeId> {
        let members: BTreeSet<NodeId> = self.seen.members().map(|(id, _)| id).collect();
        let answers = self.seen.bus_answers().into_iter().map(|(_, said)| said.id);
        answers.filter(|id| !members.contains(id)).collect()
    }

    /// Whether the node at an address is one that owns nothing: a member that is sought there in
    /// vain is what this process was before.
    fn is_reborn(&self, addr: Addr) -> bool {
        let seat = self.seats.iter().find(|seat| seat.addr == addr && seat.observer.is_some());
        let own = seat.and_then(|seat| self.seen.own_row(seat.id));
        own.is_some_and(|own| own.slots.is_empty() && own.flags.has(Flag::Primary))
    }

    /// Whether a node that nobody knows has keys of this member's slots, and no others.
    fn lives_on(&self, id: NodeId) -> bool {
        let slots = self.seen.usual_row(id).map(|row| row.slots.clone()).unwrap_or_default();
        let strangers = self.seats.iter().enumerate().filter(|(_, seat)| {
            seat.observer.is_some()
                && self.seen.member(seat.id).is_some_and(|member| member.rows.is_empty())
        });
        let mut held = strangers.filter_map(|(at, _)| self.occupied(at));
        held.any(|held| !held.is_empty() && held.difference(&slots).is_empty())
    }

    fn how_silent(&self, id: NodeId, at: &Endpoint) -> Quiet {
        let member = self.seen.member(id);
        let reached = member.is_some_and(|member| {
            member.rows.first().is_some_and(|seen| is_reached(self.seen.row(seen.row)))
        });
        let sighting = self.seen.sighting_at(at).map(|n| self.seen.sighting(n));
        match sighting.and_then(|sighting| sighting.ping.silence()) {
            _ if reached => Quiet::CutOff,
            Some(Silence::TimedOut | Silence::NoReply | Silence::Closed) => Quiet::Stopped,
            // It answers us, and shows no table.
            None if sighting.is_some_and(|one| one.ping.get().is_some()) => Quiet::CutOff,
            Some(silence) if silence.somebody_answered() => Quiet::CutOff,
            _ => Quiet::Down,
        }
    }

    fn fill(&mut self, plan: &Plan) {
        for at in 0..self.seats.len() {
            let node = match self.seats[at].observer {
                Some(observer) => self.speaking(at, observer),
                None => self.silent(at),
            };
            self.nodes.push(node);
        }
        self.connect();
        self.give_keys(plan);
        for at in 0..self.seats.len() {
            self.nodes[at].synced = self.copied_from(at);
            if self.seats[at].quiet == Some(Quiet::Down) {
                let table = Rc::new(self.nodes[at].table());
                self.nodes[at].saved = Saved { table: Some(table) };
            }
        }
    }

    /// A node that showed its table.
    fn speaking(&self, at: usize, observer: usize) -> Node {
        let (seat, sighting) = (&self.seats[at], self.seen.sighting(observer));
        let kind = self.seen.version(sighting).map_or(self.usual_kind, nearest);
        let config = sighting.config.get();
        let timeout = config.and_then(|config| config.number("cluster-node-timeout"));
        let mut node = self.fresh(seat, kind, timeout.unwrap_or(self.timeout));
        if let Some((own, _)) = self.seen.view_of(observer, seat.id) {
            node.self_addr = own_address(&self.names, own, sighting.from.port, seat.addr);
            self.take_own_row(&mut node, own);
        }
        let others = self.seen.view(observer).filter(|(row, _)| !row.flags.has(Flag::Myself));
        node.peers = others.filter_map(|(row, shown)| self.peer(row, shown, timeout)).collect();
        if let Some(info) = sighting.cluster_info.get() {
            node.ok = info.is("cluster_state", "ok");
            node.current_epoch = info.number("cluster_current_epoch").unwrap_or(0);
        }
        node.current_epoch = node.max_epoch();
        node.last_vote = node.current_epoch;
        if let Some(info) = sighting.info.get() {
            self.take_info(&mut node, info);
        }
        node
    }

    fn fresh(&self, seat: &Seat, kind: Kind, timeout: u64) -> Node {
        let id = self.names.id(seat.id).unwrap_or(Id::MAX);
        let mut node = Node::new(kind, id, seat.addr, timeout);
        node.judged_since = Some(0);
        node.dirty = false;
        node
    }

    fn take_own_row(&self, node: &mut Node, own: &NodeRow) {
        let is_replica = own.flags.has(Flag::Replica);
        node.primary = own.primary.filter(|_| is_replica).and_then(|id| self.names.id(id));
        node.shard = Some(node.primary.unwrap_or(node.id));
        if node.primary.is_none() {
            node.slots = Rc::new(own.slots.clone());
            node.config_epoch = own.epoch.0;
        }
        node.open = own.open.iter().filter_map(|open| self.open(*open)).collect();
    }

    fn open(&self, open: OpenSlot) -> Option<(u16, Open)> {
        let way = match open {
            OpenSlot::Migrating { to, .. } => Open::Migrating(self.names.id(to)?),
            OpenSlot::Importing { from, .. } => Open::Importing(self.names.id(from)?),
        };
        Some((open.slot().get(), way))
    }

    fn take_info(&self, node: &mut Node, info: &Fields) {
        let up_ms = info.number("uptime_in_seconds").unwrap_or(0) * 1_000;
        node.started_at = NOW_MS.saturating_sub(up_ms);
        node.judged_since = Some(node.started_at);
        let offset = info.number("slave_repl_offset").or(info.number("master_repl_offset"));
        node.offset = offset.unwrap_or(1);
        let port = info.number("master_port").and_then(|port| u16::try_from(port).ok());
        let host = info.get("master_host").map(|host| numeric(self.seen, host));
        node.master = host
            .zip(port)
            .filter(|_| node.primary.is_some())
            .and_then(|(host, port)| self.names.addr(&Endpoint::new(host?, port)));
        node.link_up = info.is("master_link_status", "up");
        let down_s = info.signed("master_link_down_since_seconds");
        node.link_down_at = NOW_MS.saturating_sub(down_s.unwrap_or(0).unsigned_abs() * 1_000);
        // -1: it never had the data of this primary. From whom it has them is known later.
        node.synced = (node.link_up || down_s.is_some_and(|down_s| down_s >= 0)).then_some((0, 0));
    }

    fn peer(&self, row: &NodeRow, shown: ViewRow, timeout: Option<u64>) -> Option<Peer> {
        let timeout = timeout.unwrap_or(self.timeout);
        let addr = row.address.client().filter(|_| !row.flags.has(Flag::NoAddress));
        let addr = addr.and_then(|at| self.names.addr(&at));
        let mut peer = Peer::new(self.names.id(row.id)?, addr, NOW_MS);
        let failed = row.flags.has(Flag::Failed);
        peer.is_replica = row.flags.has(Flag::Replica);
        peer.primary = row.primary.and_then(|id| self.names.id(id));
        peer.suspected = row.flags.has(Flag::Suspected);
        // A mark of this age is taken back as soon as the node is reached.
        peer.failed_at = failed.then_some(NOW_MS - 3 * timeout);
        if row.flags.has(Flag::Handshake) {
            peer.handshake = Some(NOW_MS + timeout / 2);
            peer.meet = true;
        }
        peer.slots = Rc::new(row.slots.clone());
        peer.epoch = row.epoch.0;
        peer.pong_at = NOW_MS.saturating_sub(shown.pong_age_ms.into());
        peer.data_at = peer.pong_at;
        let waits = match u64::from(shown.ping_waits_ms) {
            // A mark without a ping that waits: the ping was sent anew, and the mark is kept.
            0 if peer.suspected => timeout + 1,
            waits => waits,
        };
        if waits > 0 {
            peer.ping_sent = NOW_MS.saturating_sub(waits);
            peer.data_at = peer.data_at.min(peer.ping_sent);
        }
        // Who is at the other end is known when all have their seats.
        let linked = row.link == LinkState::Connected && addr.is_some();
        peer.link = linked.then_some(Link { number: 0, to: 0, boot: 1, born: NOW_MS });
        Some(peer)
    }

    /// A node that showed none: as most others see the cluster.
    fn silent(&mut self, at: usize) -> Node {
        let seat = &self.seats[at];
        let mut node = self.fresh(seat, self.usual_kind, self.timeout);
        node.up = seat.quiet != Some(Quiet::Down);
        node.frozen = seat.quiet == Some(Quiet::Stopped);
        let bus = self.seen.bus_answers().into_iter().find(|(_, said)| said.id == seat.id);
        if let Some(row) = self.seen.usual_row(seat.id) {
            self.take_own_row(&mut node, row);
        }
        if let Some((_, said)) = bus {
            node.ok = said.state_ok;
            node.offset = said.offset.0;
            node.current_epoch = said.current_epoch.0;
            if said.flags.has(Flag::Replica) {
                node.primary = node.primary.or(said.primary.and_then(|id| self.names.id(id)));
            } else if node.primary.is_none() {
                node.slots = Rc::new(said.slots.clone());
                node.config_epoch = said.config_epoch.0;
            }
        }
        let shown = ViewRow { row: 0, ping_waits_ms: 0, pong_age_ms: 0 };
        let others = self.seen.members().filter(|(id, _)| *id != seat.id);
        node.peers = others
            .filter_map(|(id, _)| self.seen.usual_row(id))
            .filter_map(|row| self.peer(row, shown, None))
            .map(|mut peer| {
                peer.slots = Rc::new(peer.slots.difference(&node.slots));
                peer
            })
            .collect();
        node.current_epoch = node.max_epoch();
        node.last_vote = node.current_epoch;
        node.link_down_at = NOW_MS;
        node.point_at_primary();
        node
    }

    /// Connections lead to whoever runs at the address.
    fn connect(&mut self) {
        let listeners: BTreeMap<Addr, usize> = (0..self.nodes.len())
            .filter(|n| self.nodes[*n].up)
            .map(|n| (self.nodes[n].addr, n))
            .collect();
        for (own, node) in self.nodes.iter_mut().enumerate() {
            for peer in &mut node.peers {
                let Some(link) = peer.link else { continue };
                let to = peer.addr.and_then(|addr| listeners.get(&addr)).filter(|to| **to != own);
                self.links += 1;
                peer.link = to.map(|to| Link { number: self.links, to: *to, ..link });
            }
        }
    }

    /// Whose data a replica has.
    fn copied_from(&self, at: usize) -> Option<(usize, u64)> {
        let node = &self.nodes[at];
        let from = self.nodes.iter().position(|other| Some(other.id) == node.primary)?;
        let has =
            node.synced.is_some() || (self.seats[at].quiet.is_some() && !node.keys.is_empty());
        // The same data are not copied again, and data of a link that is down are a version older.
        has.then_some((from, u64::from(node.link_up)))
    }

    /// One key of each slot that holds any. Of slots about which all agree only some, where there
    /// are very many: what happens to one of them happens to its neighbours.
    fn give_keys(&mut self, plan: &Plan) {
        let held: Vec<Option<SlotSet>> =
            (0..self.seats.len()).map(|at| self.occupied(at)).collect();
        let total: usize = held.iter().flatten().map(|slots| usize::from(slots.len())).sum();
        let twice = self.claimed_twice();
        let stride = u16::try_from(total / KEYS_MODELLED + 1).unwrap_or(u16::MAX);
        let plain = if stride > 1 { self.plain(plan, &held) } else { SlotSet::new() };
        if stride > 1 {
            self.left_out.insert(format!(
                "of slots about which all agree, one of {stride} has a key, for all of them"
            ));
        }
        for (at, slots) in held.iter().enumerate() {
            let kept = slots.iter().flat_map(SlotSet::iter);
            let kept = kept.filter(|slot| !plain.contains(*slot) || slot.get() % stride == 0);
            let shard = self.copied_shard(at);
            let key = |slot: Slot| {
                let same = twice.iter().find(|(_, b, both)| *b == shard && both.contains(slot));
                key_in(slot, same.map_or(shard, |(a, ..)| *a))
            };
            self.nodes[at].keys = kept.map(|slot| (key(slot), 1)).collect();
        }
        let copies: Vec<BTreeMap<Key, u64>> =
            (0..self.seats.len()).map(|at| self.guessed(at, &held)).collect();
        for (node, copy) in self.nodes.iter_mut().zip(copies) {
            node.keys.extend(copy);
        }
    }

    /// The shard whose keys a node has: of a replica that copies somebody else than its primary,
    /// his. Replication follows an address.
    fn copied_shard(&self, at: usize) -> Id {
        let node = &self.nodes[at];
        let source = self.nodes.iter().find(|other| {
            let there = node.link_up && node.master == Some(other.addr);
            there && node.primary.is_some() && other.id != node.id
        });
        source.unwrap_or(node).shard.unwrap_or(0)
    }

    /// Slots that two primaries claim: the lower shard, the higher one, which. One was the other's
    /// replica once, so their keys are taken for the same.
    fn claimed_twice(&mut self) -> Vec<(Id, Id, SlotSet)> {
        let mut twice = Vec::new();
        let claims = |node: &Node| node.shard.filter(|_| !node.slots.is_empty());
        for one in &self.nodes {
            for other in &self.nodes {
                let (Some(a), Some(b)) = (claims(one), claims(other)) else { continue };
                let both = one.slots.intersection(&other.slots);
                if a < b && !both.is_empty() {
                    twice.push((a, b, both));
                }
            }
        }
        twice.sort_by_key(|(a, b, _)| (*a, *b));
        if !twice.is_empty() {
            let what = "keys of slots that two primaries claim: taken for the same keys";
            self.left_out.insert(what.to_owned());
        }
        twice
    }

    /// The slots that hold keys on a node; `None` when nobody counted.
    fn occupied(&self, at: usize) -> Option<SlotSet> {
        let sighting = self.seen.sighting(self.seats[at].observer?);
        sighting.census.get().map(Census::occupied)
    }

    /// The keys of a node whose keys were not counted: as at another of its shard, else, of a
    /// replica, what others have of its primary's slots, else some in its slots.
    fn guessed(&self, at: usize, held: &[Option<SlotSet>]) -> BTreeMap<Key, u64> {
        let (node, id) = (&self.nodes[at], self.seats[at].id);
        if held[at].is_some() || self.gone.contains(&id) {
            return BTreeMap::new();
        }
        let mut shard = (0..self.nodes.len()).filter(|other| {
            *other != at && held[*other].is_some() && self.nodes[*other].shard == node.shard
        });
        if let Some(other) = shard.next() {
            return self.nodes[other].keys.clone();
        }
        // A replica: those of its primary, whoever has them now.
        let owner = self.nodes.iter().find(|other| Some(other.id) == node.primary);
        let slots = &owner.unwrap_or(node).slots;
        let all = self.nodes.iter().flat_map(|node| &node.keys);
        let known = all.filter(|(key, _)| node.primary.is_some() && slots.contains(slot_of(**key)));
        let known: BTreeMap<Key, u64> = known.map(|(key, version)| (*key, *version)).collect();
        if !known.is_empty() {
            return known;
        }
        let own = slots.iter().enumerate();
        let some = own.filter(|(n, _)| n % usize::from(SILENT_STRIDE) == 0);
        some.map(|(_, slot)| (key_in(slot, node.shard.unwrap_or(0)), 1)).collect()
    }

    /// Slots that everybody gives to one owner, that are not on the move, whose keys only its shard
    /// has, and that the plan is not about.
    fn plain(&self, plan: &Plan, held: &[Option<SlotSet>]) -> SlotSet {
        let mut plain = SlotSet::new();
        let Some((first, others)) = self.seen.opinions().split_first() else { return plain };
        for (owner, slots) in &first.owners {
            let mut agreed = slots.clone();
            for other in others {
                let theirs = other.owners.get(owner).cloned().unwrap_or_default();
                agreed = agreed.intersection(&theirs);
            }
            let shard = self.names.id(*owner);
            for (at, node) in self.nodes.iter().enumerate().filter(|(_, n)| n.shard != shard) {
                agreed = agreed.difference(held[at].as_ref().unwrap_or(&SlotSet::new()));
                let open = node.open.keys().filter_map(|n| Slot::new(*n));
                agreed = agreed.difference(&open.collect());
            }
            plain = plain.union(&agreed);
        }
        let open = self.nodes.iter().flat_map(|node| node.open.keys());
        let open: SlotSet = open.filter_map(|n| Slot::new(*n)).collect();
        plain.difference(&open).difference(&slots_of(plan))
    }

    fn finish(mut self, seen: &Observation) -> Twin {
        let pick = |quiet: fn(Option<Quiet>) -> bool| -> BTreeSet<usize> {
            (0..self.seats.len()).filter(|at| quiet(self.seats[*at].quiet)).collect()
        };
        let gone = |at: &usize| self.gone.contains(&self.seats[*at].id);
        let last_addr = self.nodes.iter().map(|node| node.addr).max().unwrap_or(0);
        let last = (self.names.last().0, last_addr.max(self.names.last().1), self.links);
        let all = seen.sightings.iter().map(|sighting| &sighting.from).chain(&seen.named);
        let mut twin = Twin {
            cut_off: pick(|quiet| quiet == Some(Quiet::CutOff)),
            silent: pick(|quiet| quiet.is_some()),
            gone: (0..self.seats.len()).filter(gone).collect(),
            seeds: seen.named.iter().filter_map(|at| self.names.addr(at)).collect(),
            who: self.seats.iter().map(|seat| self.seen.name(seat.id)).collect(),
            standing: Standing { now: NOW_MS, nodes: std::mem::take(&mut self.nodes), last },
            names: self.names,
            left_out: self.left_out,
        };
        let found = twin.world(0).look(&twin.seeds).sightings.len();
        if twin.seeds.is_empty() || found < seen.sightings.len() {
            // What led to the others is not in the tables: a hint of the bus, or of Kubernetes.
            twin.seeds = all.filter_map(|at| twin.names.addr(at)).collect();
        }
        twin
    }
}

/// The modelled server that behaves like this one.
pub(crate) fn nearest(version: Version) -> Kind {
    match (version.product, version.release) {
        (Product::Redis, release) if release < (7, 2, 0) => Kind::Redis70,
        // Valkey 7.2 is Redis 7.2 under its new name.
        (Product::Redis, _) | (Product::Valkey, (7, ..)) => Kind::Redis82,
        (Product::Valkey, _) => Kind::Valkey91,
    }
}

/// All ids that anybody names.
fn ids(seen: &Picture<'_>) -> BTreeSet<NodeId> {
    let rows = seen.observation().rows.as_slice();
    let open = rows.iter().flat_map(|row| &row.open).map(|open| match open {
        OpenSlot::Migrating { to, .. } => *to,
        OpenSlot::Importing { from, .. } => *from,
    });
    let named = rows.iter().flat_map(|row| [Some(row.id), row.primary]).flatten();
    let said = seen.sightings().filter_map(|(_, sighting)| sighting.myid.get().copied());
    let bus = seen.bus_answers();
    let bus = bus.iter().flat_map(|(_, said)| [Some(said.id), said.primary]).flatten();
    named.chain(open).chain(said).chain(bus).collect()
}

/// All client addresses that anybody names.
fn endpoints(seen: &Picture<'_>, alias: &BTreeMap<Endpoint, Endpoint>) -> BTreeSet<Endpoint> {
    let all = seen.observation();
    let rows = all.rows.as_slice().iter().filter_map(|row| row.address.client());
    let dialled = all.sightings.iter().map(|sighting| sighting.from.clone());
    let bus = seen.bus_answers();
    let bus = bus.iter().map(|(at, said)| Endpoint::new(at.host.clone(), said.port));
    let masters = all.sightings.iter().filter_map(|sighting| {
        let info = sighting.info.get()?;
        let port = u16::try_from(info.number("master_port")?).ok()?;
        Some(Endpoint::new(numeric(seen, info.get("master_host")?)?, port))
    });
    let named = all.named.iter().cloned();
    let aliases = alias.iter().flat_map(|(from, to)| [from.clone(), to.clone()]);
    rows.chain(dialled).chain(bus).chain(masters).chain(named).chain(aliases).collect()
}

/// The IP of a host, where it is one or its name leads to exactly one.
fn numeric(seen: &Picture<'_>, host: &str) -> Option<String> {
    if host.parse::<std::net::IpAddr>().is_ok() {
        return Some(host.to_owned());
    }
    match seen.addresses_of(host) {
        [one] => Some(one.clone()),
        _ => None,
    }
}

/// A row of which nothing is wrong.
fn is_reached(row: &NodeRow) -> bool {
    let bad = [Flag::Failed, Flag::Suspected, Flag::Handshake, Flag::NoAddress, Flag::Myself];
    row.link == LinkState::Connected && !bad.iter().any(|flag| row.flags.has(*flag))
}

/// Addresses that lead to a process that has another one: the name that we dial, what we reach
/// through a tunnel.
fn aliases(seen: &Picture<'_>, left_out: &mut BTreeSet<String>) -> BTreeMap<Endpoint, Endpoint> {
    let mut alias = BTreeMap::new();
    let mut own: BTreeMap<(NodeId, Option<String>), Endpoint> = BTreeMap::new();
    let answers = |at: &Endpoint| {
        seen.sighting_at(at).is_some_and(|n| seen.sighting(n).nodes.get().is_some())
    };
    for observer in seen.observers() {
        let sighting = seen.sighting(observer);
        let Some(id) = seen.id_of(observer) else { continue };
        let run_id = sighting.info.get().and_then(|info| info.get("run_id"));
        let first = own.entry((id, run_id.map(str::to_owned))).or_insert(sighting.from.clone());
        if *first != sighting.from {
            alias.insert(sighting.from.clone(), first.clone());
        }
        let port = seen.view_of(observer, id).map_or(0, |(row, _)| row.address.port);
        let ip = numeric(seen, &sighting.from.host);
        for at in [sighting.from.port, port].into_iter().filter(|port| *port != 0) {
            let Some(at) = ip.clone().map(|ip| Endpoint::new(ip, at)) else { continue };
            if at != *first && !answers(&at) {
                alias.insert(at, first.clone());
            }
        }
    }
    for ((id, _), first) in &own {
        let rows = seen.member(*id).into_iter().flat_map(|member| &member.rows);
        for row in rows.map(|shown| seen.row(shown.row)).filter(|row| is_reached(row)) {
            let Some(at) = row.address.client() else { continue };
            if at != *first && !answers(&at) && !alias.contains_key(&at) {
                left_out.insert(format!(
                    "{} is reached by its peers at {at}, and not by us: taken for one address",
                    seen.name(*id)
                ));
                alias.insert(at, first.clone());
            }
        }
    }
    // One that stands for another stands for the one at the end.
    let ends: Vec<(Endpoint, Endpoint)> = alias
        .iter()
        .filter_map(|(from, to)| Some((from.clone(), alias.get(to)?.clone())))
        .collect();
    alias.extend(ends);
    alias.retain(|from, to| from != to);
    alias
}

/// The address that a node believes to be its own.
fn own_address(names: &Names, own: &NodeRow, dialled: u16, real: Addr) -> Option<Addr> {
    if own.address.ip.is_empty() {
        return None;
    }
    let port = if own.address.port == 0 { dialled } else { own.address.port };
    Some(names.addr(&Endpoint::new(own.address.ip.clone(), port)).unwrap_or(real))
}

/// The slots that a plan is about.
fn slots_of(plan: &Plan) -> SlotSet {
    let mut all = SlotSet::new();
    for step in &plan.steps {
        for slots in step.guard.iter().chain(&step.expect).filter_map(|fact| fact.counts()) {
            all = all.union(slots);
        }
        match &step.change {
            Change::AddSlots { slots, .. }
            | Change::DelSlots { slots, .. }
            | Change::SetSlots { slots, .. } => all = all.union(slots),
            Change::MoveKeys { slot, .. } => all = all.union(&SlotSet::one(*slot)),
            _ => {}
        }
    }
    all
}

#[cfg(test)]
pub(crate) mod tests;
