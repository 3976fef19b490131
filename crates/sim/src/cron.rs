//! What a server does by itself ten times a second (`clusterCron`): links, pings, failure
//! detection, elections, replication, the state of the cluster.

use std::rc::Rc;

use slotwright_core::model::SlotSet;

use crate::server::{Cause, Election, Id, Key, Link, Node, Peer};
use crate::world::{Gossip, Header, Packet, PacketKind, World};

/// A primary in `fail` does not judge the state in its first two seconds
/// (`CLUSTER_WRITABLE_DELAY`).
const WRITABLE_DELAY_MS: u64 = 2_000;
/// Others that a packet tells of, beside those that fail.
const GOSSIP: usize = 3;
/// The shortest life of a handshake.
const HANDSHAKE_MS: u64 = 1_000;

impl World {
    pub(crate) fn cron(&mut self, n: usize) {
        self.nodes[n].ticks += 1;
        // In most ticks nothing is due with anybody: one look at the table tells.
        let due = self.is_anything_due(n);
        // Before anybody is dialled: whom it dials now has had no time to dial back.
        self.meet_the_deaf(n);
        if due {
            self.drop_old_handshakes(n);
            self.keep_links(n);
        }
        self.ping_somebody(n);
        if due {
            self.send_pings(n);
            self.suspect(n);
        }
        self.replicate(n);
        self.stand_for_election(n);
        self.judge_state(n);
    }

    /// Whether a handshake, a connection, a ping or an answer is due, or a ban over.
    fn is_anything_due(&self, n: usize) -> bool {
        let (now, node) = (self.now, &self.nodes[n]);
        let half = node.timeout / 2;
        let due = |peer: &Peer| {
            let Some(link) = peer.link else { return true };
            let other = &self.nodes[link.to];
            let since = if peer.ping_sent == 0 { peer.pong_at } else { peer.ping_sent };
            peer.handshake.is_some() || !other.up || other.boot != link.boot || now - since > half
        };
        !node.bans.is_empty() || node.peers.iter().any(due)
    }

    fn drop_old_handshakes(&mut self, n: usize) {
        let now = self.now;
        let node = &mut self.nodes[n];
        node.peers.retain(|peer| peer.handshake.is_none_or(|until| now < until));
        node.bans.retain(|(_, until)| now < *until);
    }

    /// Until when a handshake that begins now may last.
    pub(crate) fn handshake_until(&self, n: usize) -> u64 {
        self.now + self.nodes[n].timeout.max(HANDSHAKE_MS)
    }

    /// Dials those to whom no connection stands.
    fn keep_links(&mut self, n: usize) {
        for at in 0..self.nodes[n].peers.len() {
            let peer = &self.nodes[n].peers[at];
            let timeout = self.nodes[n].timeout;
            if let Some(link) = peer.link {
                let other = &self.nodes[link.to];
                let ended = !other.up || other.boot != link.boot;
                let waits = peer.ping_sent != 0
                    && self.now - link.born > timeout
                    && self.now - peer.ping_sent > timeout / 2
                    && self.now - peer.data_at > timeout / 2;
                if !ended && !waits {
                    continue;
                }
                self.nodes[n].peers[at].link = None;
            }
            let Some(addr) = self.nodes[n].peers[at].addr else { continue };
            let Some(to) = self.listener(addr).filter(|to| !self.cut.contains(&(n, *to))) else {
                // A ping that nobody gets: the wait for its answer begins (`clusterCron`).
                let now = self.now;
                let peer = &mut self.nodes[n].peers[at];
                if peer.ping_sent == 0 {
                    peer.ping_sent = now;
                }
                continue;
            };
            let link =
                Link { number: self.next_link(), to, boot: self.nodes[to].boot, born: self.now };
            let peer = &mut self.nodes[n].peers[at];
            peer.link = Some(link);
            let (meet, old_ping) = (peer.meet, peer.ping_sent);
            self.ping(n, at, if meet { PacketKind::Meet } else { PacketKind::Ping });
            let peer = &mut self.nodes[n].peers[at];
            if old_ping != 0 {
                peer.ping_sent = old_ping;
            }
            if !self.nodes[n].is_valkey() {
                self.nodes[n].peers[at].meet = false;
            }
        }
    }

    /// Valkey meets those anew who do not dial it: they have forgotten it
    /// (`clusterNodeCronHandleReconnect`, 8.1 and later).
    fn meet_the_deaf(&mut self, n: usize) {
        if !self.nodes[n].is_valkey() {
            return;
        }
        let patience = self.nodes[n].timeout.max(HANDSHAKE_MS);
        for at in 0..self.nodes[n].peers.len() {
            let peer = &self.nodes[n].peers[at];
            let Some(link) = peer.link.filter(|_| peer.handshake.is_none()) else { continue };
            let dials = |row: &Peer| row.link.is_some_and(|own| own.to == n);
            if self.nodes[link.to].peers.iter().any(dials) {
                self.nodes[n].peers[at].heard_at = self.now;
            } else if self.now - peer.heard_at > patience {
                self.nodes[n].peers[at].heard_at = self.now;
                self.ping(n, at, PacketKind::Meet);
            }
        }
    }

    fn ping(&mut self, n: usize, at: usize, kind: PacketKind) {
        let now = self.now;
        let peer = &mut self.nodes[n].peers[at];
        peer.ping_sent = now;
        let Some(link) = peer.link else { return };
        let packet = self.packet(n, kind, Some(link.to));
        self.send(n, link.to, link.boot, link.number, packet);
    }

    fn ping_somebody(&mut self, n: usize) {
        let node = &self.nodes[n];
        if node.ticks.is_multiple_of(10) && !node.peers.is_empty() {
            // The oldest pong of five.
            let peers = node.peers.len();
            let picked: [usize; 5] = std::array::from_fn(|_| self.rng.usize(0..peers));
            let peers = &self.nodes[n].peers;
            let free = |at: &usize| {
                let peer = &peers[*at];
                peer.link.is_some() && peer.ping_sent == 0 && peer.handshake.is_none()
            };
            let oldest = picked.into_iter().filter(free).min_by_key(|at| peers[*at].pong_at);
            if let Some(at) = oldest {
                self.ping(n, at, PacketKind::Ping);
            }
        }
    }

    fn send_pings(&mut self, n: usize) {
        let (now, half) = (self.now, self.nodes[n].timeout / 2);
        for at in 0..self.nodes[n].peers.len() {
            let peer = &self.nodes[n].peers[at];
            let due = peer.link.is_some() && peer.ping_sent == 0 && now - peer.pong_at > half;
            if due {
                self.ping(n, at, PacketKind::Ping);
            }
        }
    }

    fn suspect(&mut self, n: usize) {
        let now = self.now;
        for at in 0..self.nodes[n].peers.len() {
            let timeout = self.nodes[n].timeout;
            let peer = &mut self.nodes[n].peers[at];
            let skip = peer.handshake.is_some() || peer.addr.is_none() || peer.ping_sent == 0;
            if skip || now - peer.ping_sent <= timeout || now - peer.data_at <= timeout {
                continue;
            }
            if !peer.suspected && peer.failed_at.is_none() {
                peer.suspected = true;
            }
            let id = peer.id;
            self.mark_failing(n, id);
        }
    }

    /// `markNodeAsFailingIfNeeded`.
    pub(crate) fn mark_failing(&mut self, n: usize, id: Id) {
        let now = self.now;
        let node = &mut self.nodes[n];
        if !node.peer(id).is_some_and(|peer| peer.suspected && peer.failed_at.is_none()) {
            return;
        }
        let window = node.timeout * 2;
        let voters: Vec<Id> = node.peers.iter().filter(|p| p.votes()).map(|p| p.id).collect();
        let (quorum, own) = (node.quorum(), usize::from(node.votes()));
        let Some(peer) = node.peer_mut(id) else { return };
        peer.reports.retain(|(_, at)| now - at <= window);
        let reports = peer.reports.iter().filter(|(from, _)| voters.contains(from)).count();
        if reports + own < quorum {
            return;
        }
        peer.suspected = false;
        peer.failed_at = Some(now);
        self.broadcast(n, &PacketKind::Fail(id));
    }

    /// Sends something over all own connections.
    pub(crate) fn broadcast(&mut self, n: usize, kind: &PacketKind) {
        for at in 0..self.nodes[n].peers.len() {
            let peer = &self.nodes[n].peers[at];
            if let (Some(link), None) = (peer.link, peer.handshake) {
                let packet = self.packet(n, kind.clone(), None);
                self.send(n, link.to, link.boot, link.number, packet);
            }
        }
    }

    /// A packet of this server. `to` is left out of what it tells of others.
    pub(crate) fn packet(&mut self, n: usize, kind: PacketKind, to: Option<usize>) -> Packet {
        let talks = matches!(kind, PacketKind::Ping | PacketKind::Pong | PacketKind::Meet);
        // A tick dials whom no connection stands to, and pings; of those a ping tells as well.
        let dials = !matches!(kind, PacketKind::Pong);
        let gossip = if talks { self.gossip(n, to, dials) } else { Vec::new() };
        let (now, node) = (self.now, &self.nodes[n]);
        let bans = if node.spreads_bans() && talks {
            node.bans.iter().map(|(id, until)| (*id, until.saturating_sub(now))).collect()
        } else {
            Vec::new()
        };
        Packet { kind, sender: header(node), gossip, bans }
    }

    /// Of several that failed Valkey dials one in a tick, and spares the others
    /// (`maxConnectionAttemptsPerCron`, valkey#2154): the one that is dialled.
    fn dialled(&mut self, n: usize) -> Option<Id> {
        let node = &self.nodes[n];
        let failed = |peer: &&Peer| peer.failed_at.is_some() && peer.link.is_none();
        let count = node.peers.iter().filter(failed).count();
        if !node.is_valkey() || count < 2 {
            return None;
        }
        let at = self.rng.usize(0..count);
        self.nodes[n].peers.iter().filter(failed).nth(at).map(|peer| peer.id)
    }

    fn gossip(&mut self, n: usize, to: Option<usize>, dials: bool) -> Vec<Gossip> {
        let to = to.map(|to| self.nodes[to].id);
        let known = |peer: &Peer| peer.handshake.is_none() && Some(peer.id) != to;
        let dials_one = if dials { self.dialled(n) } else { None };
        let tells = |peer: &Peer| {
            let is_spared = peer.failed_at.is_some() && dials_one.is_some_and(|id| id != peer.id);
            let dialled = dials && peer.addr.is_some() && !is_spared;
            let reached = peer.link.is_some() || dialled;
            known(peer) && !peer.suspected && (reached || !peer.slots.is_empty())
        };
        let mut fit = std::mem::take(&mut self.fit);
        fit.clear();
        let peers = &self.nodes[n].peers;
        let mut told = Vec::with_capacity(GOSSIP);
        let mut tell = |peer: &Peer| {
            told.extend(peer.addr.map(|addr| Gossip {
                id: peer.id,
                addr,
                failing: peer.suspected || peer.failed_at.is_some(),
                is_replica: peer.is_replica,
                pong_at: peer.pong_at,
            }));
        };
        // Whom it suspects it tells of, whether or not a connection stands; of all others some.
        for (at, peer) in peers.iter().enumerate() {
            if tells(peer) {
                fit.push(at);
            } else if peer.suspected && known(peer) {
                tell(peer);
            }
        }
        let begin = if fit.is_empty() { 0 } else { self.rng.usize(0..fit.len()) };
        // All but itself and the receiver, whether or not it knows the receiver (`freshnodes`).
        let fresh = peers.len().saturating_sub(1);
        for next in 0..fit.len().min(GOSSIP).min(fresh) {
            tell(&peers[fit[(begin + next) % fit.len()]]);
        }
        self.fit = fit;
        told
    }

    /// A replica asks the address that it knows of its primary; whoever answers there is followed.
    fn replicate(&mut self, n: usize) {
        if self.nodes[n].primary.is_none() {
            return;
        }
        // A replica without a master yet takes the one of its table (`clusterCron`).
        if self.nodes[n].master.is_none() {
            self.nodes[n].point_at_primary();
        }
        let addr = self.nodes[n].master;
        let found = addr
            .and_then(|addr| self.listener(addr))
            .filter(|to| *to != n && self.nodes[*to].is_live() && !self.cut.contains(&(n, *to)));
        let now = self.now;
        let Some(from) = found else {
            // A primary that stands still keeps its connections; only the data grow old.
            let stands_still = addr.and_then(|addr| self.listener(addr));
            if stands_still.is_some_and(|to| to != n && self.nodes[to].frozen) {
                return;
            }
            let node = &mut self.nodes[n];
            if node.link_up {
                node.link_up = false;
                node.link_down_at = now;
            }
            return;
        };
        let version = self.nodes[from].data_version;
        let offset = self.nodes[from].offset;
        let node = &mut self.nodes[n];
        node.link_up = true;
        node.link_down_at = now;
        node.offset = offset;
        if node.synced == Some((from, version)) {
            return;
        }
        // A full sync of Valkey brings the marks of open slots along.
        let is_new = node.synced.is_none_or(|(other, _)| other != from);
        node.synced = Some((from, version));
        if is_new && self.nodes[n].is_valkey() {
            self.nodes[n].open = self.nodes[from].open.clone();
        }
        let mut data = self.nodes[from].keys.clone();
        if is_new {
            self.nodes[n].undead.clear();
        } else {
            // What its primary deleted without a word, a replica has still.
            let own = &self.nodes[n].keys;
            let untold = self.nodes[from].undead.iter().filter(|(key, _)| own.contains_key(key));
            for (key, version) in untold {
                data.entry(*key).or_insert(*version);
            }
        }
        let older = |(key, own): (&Key, &u64)| data.get(key).is_none_or(|new| new < own);
        let own = self.nodes[n].keys.iter();
        let gone: Vec<Key> = own.filter(|held| older(*held)).map(|(key, _)| *key).collect();
        for key in gone {
            self.delete(n, key, Cause::FullSync, Some(self.nodes[from].id));
        }
        let node = &mut self.nodes[n];
        if node.keys != data {
            node.keys = data;
            node.data_version += 1;
        }
        node.offset = offset;
    }

    /// `clusterHandleSlaveFailover`.
    fn stand_for_election(&mut self, n: usize) {
        let now = self.now;
        let node = &self.nodes[n];
        let Some(primary) = node.primary else { return };
        let manual = node.election.manual;
        let due = node
            .peer(primary)
            .is_some_and(|row| (manual || row.failed_at.is_some()) && !row.slots.is_empty());
        if !due || !(manual || self.is_fresh(n)) {
            return;
        }
        let patience = (2 * node.timeout).max(2_000);
        let Some(at) = node.election.at else {
            let delay = if manual { 0 } else { self.election_delay(n) };
            self.nodes[n].election =
                Election { at: Some(now + delay), manual, ..Election::default() };
            return;
        };
        if now > at + 2 * patience || (manual && now > at + patience) {
            self.nodes[n].election = Election::default();
            return;
        }
        if now < at || now > at + patience {
            return;
        }
        if !self.nodes[n].election.asked {
            let node = &mut self.nodes[n];
            node.current_epoch += 1;
            node.election.asked = true;
            node.election.epoch = node.current_epoch;
            node.election.votes.clear();
            self.broadcast(n, &PacketKind::AskVotes { manual });
        }
        if self.nodes[n].election.votes.len() >= self.nodes[n].quorum() {
            let epoch = self.nodes[n].election.epoch;
            self.take_over(n, Some(epoch));
        }
    }

    /// How long it waits until it asks for votes: those whose data is newer go first.
    fn election_delay(&mut self, n: usize) -> u64 {
        let (timeout, rank) = (self.nodes[n].timeout, self.rank(n));
        // Valkey 9 scales it with the node timeout.
        let unit = if self.nodes[n].is_valkey() { (timeout / 30).clamp(1, 500) } else { 500 };
        unit + self.rng.u64(0..unit) + 2 * unit * rank
    }

    /// Its data is not too old to be elected (`cluster-replica-validity-factor` 10).
    pub(crate) fn is_fresh(&self, n: usize) -> bool {
        let node = &self.nodes[n];
        let age = self.now.saturating_sub(node.link_down_at).saturating_sub(node.timeout);
        node.synced.is_some() && age <= 10_000 + node.timeout * 10
    }

    fn rank(&self, n: usize) -> u64 {
        let node = &self.nodes[n];
        let better = node.peers.iter().filter(|peer| {
            peer.is_replica && peer.primary == node.primary && peer.offset > node.offset
        });
        better.count() as u64
    }

    /// The replica becomes primary and takes the slots (`clusterFailoverReplaceYourMaster`).
    pub(crate) fn take_over(&mut self, n: usize, epoch: Option<u64>) {
        let node = &mut self.nodes[n];
        let Some(old) = node.primary.take() else { return };
        node.link_up = false;
        node.master = None;
        node.synced = None;
        node.election = Election::default();
        match epoch {
            Some(epoch) => node.config_epoch = epoch,
            None => {
                node.config_epoch = 0;
                node.bump();
            }
        }
        let slots = node.peer(old).map(|row| SlotSet::clone(&row.slots)).unwrap_or_default();
        let id = node.id;
        node.assign(&slots, Some(id));
        // Valkey 9 looks at its keys as at a start.
        if self.nodes[n].is_valkey() {
            self.check_data(n);
        }
        self.broadcast(n, &PacketKind::Pong);
        self.judge_state(n);
    }

    /// `clusterUpdateState`.
    pub(crate) fn judge_state(&mut self, n: usize) {
        let now = self.now;
        let node = &mut self.nodes[n];
        let since = *node.judged_since.get_or_insert(now);
        let is_primary = node.primary.is_none();
        if is_primary && !node.ok && now - since < WRITABLE_DELAY_MS {
            return;
        }
        // No slot has two owners in one table.
        let mut assigned = usize::from(node.slots.len());
        let mut size = usize::from(node.votes());
        let (mut reached, mut failed) = (size, false);
        for peer in node.peers.iter().filter(|peer| !peer.slots.is_empty()) {
            assigned += usize::from(peer.slots.len());
            failed |= peer.failed_at.is_some();
            let votes = peer.votes();
            size += usize::from(votes);
            reached += usize::from(votes && !peer.suspected && peer.failed_at.is_none());
        }
        let whole = assigned == usize::from(slotwright_core::model::SLOT_COUNT) && !failed;
        let minority = reached < size / 2 + 1;
        if minority {
            node.minority_at = now;
        }
        let ok = whole && !minority;
        if ok && !node.ok && is_primary {
            let delay = node.timeout.clamp(500, 5_000);
            if now.saturating_sub(node.minority_at) < delay {
                return;
            }
        }
        node.ok = ok;
    }
}

pub(crate) fn header(node: &Node) -> Header {
    let primary = node.primary.and_then(|id| node.peer(id));
    Header {
        id: node.id,
        addr: node.addr,
        is_replica: node.primary.is_some(),
        primary: node.primary,
        slots: primary.map_or_else(|| Rc::clone(&node.slots), |row| Rc::clone(&row.slots)),
        epoch: primary.map_or(node.config_epoch, |row| row.epoch),
        current: node.current_epoch,
        offset: node.offset,
    }
}
