//! What a server does with a packet (`clusterProcessPacket`).

use std::rc::Rc;

use slotwright_core::model::{NodeId, Slot, SlotSet};

use crate::cron::header;
use crate::server::{Cause, Election, Id, Key, Node, Open, Peer, slot_of};
use crate::world::{Delivery, Header, Lost, Packet, PacketKind, World};

impl World {
    pub(crate) fn receive(&mut self, delivery: Delivery) {
        let Delivery { from, to: n, link, packet, .. } = delivery;
        let head = packet.sender.clone();
        // The answer on a connection that we dialled is credited to whom we dialled, before the id
        // is looked at (`getNodeFromLinkAndMsg`).
        let dialled = self.nodes[n]
            .peers
            .iter()
            .position(|peer| peer.link.is_some_and(|own| own.number == link));
        let expected = dialled.map(|at| &self.nodes[n].peers[at]);
        let sender = match expected {
            Some(peer) if peer.handshake.is_none() => Some(peer.id),
            _ => self.nodes[n].peer(head.id).map(|peer| peer.id),
        };
        let known =
            sender.filter(|id| self.nodes[n].peer(*id).is_some_and(|p| p.handshake.is_none()));
        if let Some(id) = known {
            self.learn_epochs(n, id, &head);
        }
        match packet.kind {
            PacketKind::Ping | PacketKind::Meet => {
                self.answer(n, from, link, &packet, known.is_some());
            }
            PacketKind::Pong => {}
            PacketKind::Fail(about) => return self.take_fail(n, known, about),
            PacketKind::Update { id, epoch, slots } => {
                return self.take_update(n, known, id, epoch, &slots);
            }
            PacketKind::AskVotes { manual } => return self.vote(n, from, link, &head, manual),
            PacketKind::Vote => return self.take_vote(n, known, &head),
        }
        let is_pong = matches!(packet.kind, PacketKind::Pong);
        if let Some(at) = dialled.filter(|_| is_pong)
            && !self.take_answer(n, at, &head)
        {
            return;
        }
        let Some(id) = self.nodes[n].peer(head.id).filter(|p| p.handshake.is_none()).map(|p| p.id)
        else {
            return;
        };
        if !is_pong {
            self.correct_address(n, id, head.addr);
        }
        self.take_role(n, id, &head);
        self.take_claims(n, id, &head);
        self.take_gossip(n, id, &packet);
        self.take_bans(n, &packet);
    }

    fn learn_epochs(&mut self, n: usize, id: Id, head: &Header) {
        let now = self.now;
        let node = &mut self.nodes[n];
        if head.current > node.current_epoch {
            node.current_epoch = head.current;
        }
        // Valkey believes a primary only; Redis writes down what a replica says of its primary's
        // epoch as its own.
        let counts = !(node.is_valkey() && head.is_replica);
        if let Some(peer) = node.peer_mut(id) {
            if counts {
                peer.epoch = peer.epoch.max(head.epoch);
            }
            peer.offset = head.offset;
            peer.data_at = now;
        }
        let epoch = node.peer(id).map_or(0, |peer| peer.epoch);
        node.current_epoch = node.current_epoch.max(epoch);
    }

    /// The PONG to a PING or a MEET.
    fn answer(&mut self, n: usize, from: usize, link: u64, packet: &Packet, known: bool) {
        let packet_at = self.now;
        let is_meet = matches!(packet.kind, PacketKind::Meet);
        let own = self.nodes[n].addr;
        // Who is where its table says that somebody else is dials itself, and so learns its own
        // address as it would learn that of any sender (`nodeUpdateAddressIfNeeded`).
        let by_itself = packet.sender.id == self.nodes[n].id;
        if is_meet || by_itself || self.nodes[n].self_addr.is_none() {
            self.nodes[n].self_addr = Some(own);
        }
        let stranger =
            self.nodes[n].peer(packet.sender.id).is_none() && packet.sender.id != self.nodes[n].id;
        if is_meet && !known && stranger {
            let (id, until, now) = (self.random_id(), self.handshake_until(n), self.now);
            let node = &mut self.nodes[n];
            let pending = node
                .peers
                .iter()
                .any(|peer| peer.handshake.is_some() && peer.addr == Some(packet.sender.addr));
            if !pending {
                let mut peer = Peer::new(id, Some(packet.sender.addr), now);
                peer.handshake = Some(until);
                node.peers.push(peer);
            }
        }
        let pong = self.packet(n, PacketKind::Pong, Some(from));
        if let Some(peer) = self.nodes[n].peer_mut(packet.sender.id) {
            peer.heard_at = packet_at;
        }
        let boot = self.nodes[from].boot;
        self.send(n, from, boot, link, pong);
    }

    /// A PONG on a connection that we dialled. False when nothing of it may be taken in.
    fn take_answer(&mut self, n: usize, at: usize, head: &Header) -> bool {
        let now = self.now;
        let node = &mut self.nodes[n];
        let own = node.id;
        let (shaking, addr) = (node.peers[at].handshake.is_some(), node.peers[at].addr);
        if shaking {
            if head.id == own || node.peer(head.id).is_some() {
                // Known already: its address is corrected, and the handshake is over.
                node.peers.remove(at);
                if let Some(addr) = addr.filter(|_| head.id != own) {
                    self.correct_address(n, head.id, addr);
                }
                return false;
            }
            let peer = &mut node.peers[at];
            peer.id = head.id;
            peer.handshake = None;
            peer.meet = false;
            peer.is_replica = head.is_replica;
            peer.primary = head.primary;
            node.dirty = true;
        } else if node.peers[at].id != head.id {
            let peer = &mut node.peers[at];
            peer.addr = None;
            peer.link = None;
            peer.ping_sent = 0;
            if node.is_valkey() {
                node.peers[at].failed_at.get_or_insert(now);
                let id = node.peers[at].id;
                self.broadcast(n, &PacketKind::Fail(id));
            }
            return false;
        }
        let window = 2 * self.nodes[n].timeout;
        let peer = &mut self.nodes[n].peers[at];
        peer.pong_at = now;
        peer.data_at = now;
        peer.ping_sent = 0;
        peer.suspected = false;
        peer.meet = false;
        // `clearNodeFailureIfNeeded`.
        let light = peer.is_replica || peer.slots.is_empty();
        if peer.failed_at.is_some_and(|since| light || now - since > window) {
            peer.failed_at = None;
        }
        true
    }

    /// `nodeUpdateAddressIfNeeded`.
    fn correct_address(&mut self, n: usize, id: Id, addr: crate::server::Addr) {
        let node = &mut self.nodes[n];
        let mine = node.primary == Some(id);
        let Some(peer) = node.peer_mut(id) else { return };
        if peer.addr == Some(addr) {
            return;
        }
        peer.addr = Some(addr);
        peer.link = None;
        peer.ping_sent = 0;
        if mine {
            node.point_at_primary();
        }
        node.dirty = true;
    }

    fn take_role(&mut self, n: usize, id: Id, head: &Header) {
        let node = &mut self.nodes[n];
        let old = node.kind == slotwright_core::scenario::Server::Redis70;
        let (own, knows) =
            (node.id, head.primary.filter(|p| *p == node.id || node.peer(*p).is_some()));
        let Some(peer) = node.peer_mut(id) else { return };
        if !head.is_replica {
            peer.is_replica = false;
            peer.primary = None;
            return;
        }
        let was_primary = !peer.is_replica;
        peer.is_replica = true;
        // A primary that is not known here is not written down.
        if knows.is_some() {
            peer.primary = knows;
        }
        let slots = SlotSet::clone(&peer.slots);
        if was_primary && !slots.is_empty() {
            let heir = knows.filter(|heir| !old && *heir != own);
            node.assign(&slots, heir);
        }
    }

    fn take_claims(&mut self, n: usize, id: Id, head: &Header) {
        if !head.is_replica {
            let row = self.nodes[n].peer(id);
            let same = row.is_some_and(|row| row.slots == head.slots && row.unclaimed.is_empty());
            if !same {
                self.update_slots(n, id, head.epoch, &head.slots);
            }
        }
        self.contradict(n, id, head);
        self.settle_collision(n, id, head);
    }

    /// Tells a sender whose claim is old who has the slots (`clusterSendUpdate`).
    fn contradict(&mut self, n: usize, id: Id, head: &Header) {
        let node = &self.nodes[n];
        // Valkey looks at the claims of primaries only.
        if node.is_valkey() && head.is_replica {
            return;
        }
        let Some(link) = node.peer(id).and_then(|peer| peer.link) else { return };
        let claimed_by = if head.is_replica { head.primary } else { Some(id) };
        let mine = (node.id, node.config_epoch, &node.slots);
        let others = node.peers.iter().map(|peer| (peer.id, peer.epoch, &peer.slots));
        let better = others.chain(std::iter::once(mine)).find(|(owner, epoch, slots)| {
            Some(*owner) != claimed_by
                && *epoch > head.epoch
                && !slots.is_empty()
                && !slots.intersection(&head.slots).is_empty()
        });
        let Some((owner, epoch, slots)) = better else { return };
        let unclaimed = node.peer(owner).map(|peer| peer.unclaimed.clone()).unwrap_or_default();
        let slots = if unclaimed.is_empty() {
            Rc::clone(slots)
        } else {
            Rc::new(slots.difference(&unclaimed))
        };
        let packet = self.packet(n, PacketKind::Update { id: owner, epoch, slots }, None);
        self.send(n, link.to, link.boot, link.number, packet);
    }

    /// `clusterHandleConfigEpochCollision`: the smaller id gives way.
    fn settle_collision(&mut self, n: usize, id: Id, head: &Header) {
        let node = &mut self.nodes[n];
        let both = !head.is_replica && node.primary.is_none();
        if !both || head.epoch != node.config_epoch {
            return;
        }
        let (mine, theirs) = (NodeId::made_up(node.id), NodeId::made_up(id));
        if mine.as_bytes() < theirs.as_bytes() {
            node.current_epoch += 1;
            node.config_epoch = node.current_epoch;
            node.dirty = true;
        }
    }

    /// `clusterUpdateSlotsConfigWith`.
    pub(crate) fn update_slots(&mut self, n: usize, sender: Id, epoch: u64, claimed: &SlotSet) {
        let node = &mut self.nodes[n];
        if sender == node.id {
            return;
        }
        // What Redis imports nobody can take.
        let importing: SlotSet = node
            .open
            .iter()
            .filter(|(_, open)| !node.is_valkey() && matches!(open, Open::Importing(_)))
            .filter_map(|(slot, _)| Slot::new(*slot))
            .collect();
        let wanted = claimed.difference(&importing);
        let mut taken = wanted.difference(&node.assigned());
        for peer in &node.peers {
            if peer.id == sender {
                continue;
            }
            let theirs = peer.slots.intersection(&wanted);
            if theirs.is_empty() {
                continue;
            }
            let free =
                if peer.epoch < epoch { theirs } else { theirs.intersection(&peer.unclaimed) };
            taken = taken.union(&free);
        }
        let mine = node.slots.intersection(&wanted);
        let lost = if node.config_epoch < epoch { mine } else { SlotSet::new() };
        taken = taken.union(&lost);
        let shard = node.primary.unwrap_or(node.id);
        let before = node.slots_of(shard);
        if !taken.is_empty() {
            node.assign(&taken, Some(sender));
        }
        if let Some(peer) = node.peer_mut(sender) {
            peer.unclaimed = peer.slots.difference(claimed);
        }
        self.adjust_marks(n, (sender, epoch), claimed, &taken);
        let after = self.nodes[n].slots_of(shard);
        let gone = before.difference(&after);
        if !gone.is_empty() {
            self.lost.push(Lost { at: self.now, node: n, slots: gone, to: sender, epoch });
        }
        // Valkey too follows into another shard, as long as replicas may migrate.
        if !before.is_empty() && after.is_empty() && shard != sender && !taken.is_empty() {
            self.become_replica(n, sender);
            return;
        }
        self.drop_dirty(n, &lost, sender);
    }

    pub(crate) fn become_replica(&mut self, n: usize, primary: Id) {
        let now = self.now;
        self.followed.push((now, n, primary));
        // It takes on the shard of whom it follows.
        let shard = self.shard_of(primary);
        let node = &mut self.nodes[n];
        node.shard = shard.or(node.shard);
        node.primary = Some(primary);
        node.slots = Rc::default();
        node.open.clear();
        node.synced = None;
        node.master = None;
        node.point_at_primary();
        node.link_up = false;
        node.link_down_at = now;
        node.election = Election::default();
        node.dirty = true;
    }

    /// Deletes the keys of slots that were lost (`delKeysInSlot`).
    fn drop_dirty(&mut self, n: usize, lost: &SlotSet, winner: Id) {
        if lost.is_empty() || self.nodes[n].primary.is_some() {
            return;
        }
        let keys: Vec<Key> = self.nodes[n].keys.keys().copied().collect();
        for key in keys.into_iter().filter(|key| lost.contains(slot_of(*key))) {
            self.delete(n, key, Cause::DirtySlot, Some(winner));
        }
    }

    fn take_gossip(&mut self, n: usize, sender: Id, packet: &Packet) {
        let now = self.now;
        for told in &packet.gossip {
            if told.id == self.nodes[n].id {
                continue;
            }
            let node = &mut self.nodes[n];
            let banned = node.bans.iter().any(|(id, _)| *id == told.id);
            let reporter = node.peer(sender).is_some_and(Peer::votes);
            let Some(peer) = node.peer_mut(told.id) else {
                if !banned {
                    let mut peer = Peer::new(told.id, Some(told.addr), now);
                    peer.is_replica = told.is_replica;
                    node.peers.push(peer);
                    node.dirty = true;
                }
                continue;
            };
            if peer.handshake.is_some() {
                continue;
            }
            if told.failing && reporter {
                peer.reports.retain(|(from, _)| *from != sender);
                peer.reports.push((sender, now));
            } else if !told.failing {
                peer.reports.retain(|(from, _)| *from != sender);
            }
            let bad = peer.suspected || peer.failed_at.is_some();
            if !bad && peer.ping_sent == 0 && peer.reports.is_empty() && !told.failing {
                peer.pong_at = peer.pong_at.max(told.pong_at.min(now));
            }
            if bad && !told.failing && peer.addr != Some(told.addr) {
                peer.addr = Some(told.addr);
                peer.link = None;
                // Redis leaves the replication where it was.
                if node.is_valkey() {
                    node.point_at_primary();
                }
            }
            if told.failing {
                self.mark_failing(n, told.id);
            }
        }
    }

    /// The forgotten-node extension (7.2 and later).
    fn take_bans(&mut self, n: usize, packet: &Packet) {
        let now = self.now;
        if !self.nodes[n].spreads_bans() {
            return;
        }
        for (id, ttl) in &packet.bans {
            let node = &self.nodes[n];
            let known = node.peer(*id).is_some();
            if !known || node.primary == Some(*id) || *ttl == 0 {
                continue;
            }
            self.ban(n, *id, now + ttl);
        }
    }

    /// Removes a row and bans the id (`clusterDelNode`, `clusterBlacklistAddNode`).
    pub(crate) fn ban(&mut self, n: usize, id: Id, until: u64) {
        let node = &mut self.nodes[n];
        if !node.bans.iter().any(|(banned, _)| *banned == id) {
            node.bans.push((id, until));
        }
        node.peers.retain(|peer| peer.id != id);
        for peer in &mut node.peers {
            peer.reports.retain(|(from, _)| *from != id);
            if peer.primary == Some(id) {
                peer.primary = None;
            }
        }
        node.open.retain(|_, open| {
            let (Open::Migrating(other) | Open::Importing(other)) = open;
            *other != id
        });
        node.dirty = true;
    }

    fn take_fail(&mut self, n: usize, known: Option<Id>, about: Id) {
        let now = self.now;
        if known.is_none() {
            return;
        }
        if let Some(peer) = self.nodes[n].peer_mut(about) {
            peer.suspected = false;
            peer.failed_at.get_or_insert(now);
        }
    }

    fn take_update(&mut self, n: usize, known: Option<Id>, id: Id, epoch: u64, slots: &SlotSet) {
        if known.is_none() || id == self.nodes[n].id {
            return;
        }
        let Some(peer) = self.nodes[n].peer_mut(id) else { return };
        if peer.epoch >= epoch {
            return;
        }
        peer.epoch = epoch;
        peer.is_replica = false;
        peer.primary = None;
        self.update_slots(n, id, epoch, slots);
    }

    /// `clusterSendFailoverAuthIfNeeded`.
    fn vote(&mut self, n: usize, from: usize, link: u64, head: &Header, manual: bool) {
        let now = self.now;
        let node = &self.nodes[n];
        let window = node.timeout * 2;
        let Some(row) = node.peer(head.id) else { return };
        let Some(primary) = row.primary else { return };
        // In a manual failover the primary itself votes as well.
        let itself = primary == node.id;
        let (is_down, voted_at) = match node.peer(primary) {
            Some(row) => (row.failed_at.is_some(), row.voted_at),
            None if itself => (false, 0),
            None => return,
        };
        let refuses = !node.votes()
            || head.current < node.current_epoch
            || node.last_vote >= head.current
            || !row.is_replica
            || (!is_down && !manual)
            || (voted_at != 0 && now - voted_at < window);
        if refuses {
            return;
        }
        if denies(node, head) {
            return;
        }
        let node = &mut self.nodes[n];
        node.last_vote = head.current;
        node.current_epoch = node.current_epoch.max(head.current);
        if let Some(peer) = node.peer_mut(primary) {
            peer.voted_at = now;
        }
        let packet = self.packet(n, PacketKind::Vote, None);
        let boot = self.nodes[from].boot;
        self.send(n, from, boot, link, packet);
    }

    fn take_vote(&mut self, n: usize, known: Option<Id>, head: &Header) {
        let Some(id) = known else { return };
        let node = &mut self.nodes[n];
        let votes = node.peer(id).is_some_and(Peer::votes);
        if votes && node.election.asked && head.current >= node.election.epoch {
            node.election.votes.retain(|voter| *voter != id);
            node.election.votes.push(id);
        }
    }
}

/// Whether somebody has slots of a candidate's primary with a greater epoch, in a voter's table.
fn denies(voter: &Node, head: &Header) -> bool {
    let newer = |slots: &SlotSet, epoch: u64| {
        epoch > head.epoch && !slots.intersection(&head.slots).is_empty()
    };
    newer(&voter.slots, voter.config_epoch)
        || voter.peers.iter().any(|peer| newer(&peer.slots, peer.epoch))
}

impl World {
    /// Whether a majority lives that knows a replica, hears it, and would not deny it its vote.
    pub(crate) fn can_be_elected(&self, n: usize) -> bool {
        let (node, head) = (&self.nodes[n], header(&self.nodes[n]));
        let votes = |other: &usize| {
            let voter = &self.nodes[*other];
            let cut = self.cut.contains(&(n, *other)) || self.cut.contains(&(*other, n));
            let knows = voter.peer(node.id).is_some_and(|row| row.is_replica)
                && node.peer(voter.id).is_some_and(Peer::votes);
            voter.is_live() && voter.votes() && !cut && knows && !denies(voter, &head)
        };
        (0..self.nodes.len()).filter(votes).count() >= node.quorum()
    }
}
