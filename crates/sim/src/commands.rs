//! `CLUSTER` and the few other commands that change a server, as servers answer them.

use slotwright_core::model::{NodeId, Slot, SlotSet};

use crate::server::{Addr, Cause, Election, Id, Key, Node, Open, Peer, slot_of};
use crate::world::{Deleted, PacketKind, World};

/// How long who was forgotten is banned (`CLUSTER_BLACKLIST_TTL`).
const BAN_MS: u64 = 60_000;

/// The answer: `Ok` with its lines, or the error as servers word it.
pub type Answer = Result<Vec<String>, String>;

fn ok() -> Answer {
    Ok(vec!["OK".to_owned()])
}

fn error<T>(text: &str) -> Result<T, String> {
    Err(format!("ERR {text}"))
}

/// The number within a long id.
pub fn id_of(id: NodeId) -> Id {
    let bytes = id.as_bytes();
    Id::from_be_bytes([bytes[16], bytes[17], bytes[18], bytes[19]])
}

/// The address behind the text of an IP (see [`crate::view::ip`]).
pub fn addr_of(ip: &str) -> Option<Addr> {
    let ip: std::net::Ipv4Addr = ip.parse().ok()?;
    let [ten, zero, high, low] = ip.octets();
    (ten == 10 && zero == 0).then(|| Addr::from(high) * 256 + Addr::from(low))
}

fn id_word(word: &str) -> Result<Id, String> {
    let unknown = || format!("ERR Unknown node {word}");
    NodeId::parse(word.as_bytes()).map(id_of).map_err(|_| unknown())
}

fn slot_word(word: &str) -> Result<Slot, String> {
    let wrong = || "ERR Invalid or out of range slot".to_owned();
    word.parse().ok().and_then(Slot::new).ok_or_else(wrong)
}

impl World {
    /// Sends a command to a server that runs and is not stopped.
    ///
    /// # Errors
    /// The server's own refusal.
    pub fn command(&mut self, n: usize, words: &[String]) -> Answer {
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        self.commanded += u64::from(!matches!(words.as_slice(), ["CLUSTER", "GETKEYSINSLOT", ..]));
        match words.as_slice() {
            ["CLUSTER", "MEET", ip, ..] => self.meet(n, ip),
            ["CLUSTER", "FORGET", id] => self.forget(n, id_word(id)?),
            ["CLUSTER", verb @ ("ADDSLOTS" | "DELSLOTS"), slots @ ..] => {
                let slots = slots.iter().map(|word| slot_word(word));
                self.add_or_del(n, verb, &slots.collect::<Result<_, _>>()?)
            }
            ["CLUSTER", verb @ ("ADDSLOTSRANGE" | "DELSLOTSRANGE"), ends @ ..] => {
                let mut slots = SlotSet::new();
                for pair in ends.chunks(2) {
                    let [first, last] = pair else { return error("wrong number of arguments") };
                    slots.insert(slot_word(first)?.get(), slot_word(last)?.get());
                }
                self.add_or_del(n, verb.trim_end_matches("RANGE"), &slots)
            }
            ["CLUSTER", "BUMPEPOCH"] => {
                let bumped = self.nodes[n].bump();
                let word = if bumped { "BUMPED" } else { "STILL" };
                if bumped && self.nodes[n].is_valkey() {
                    self.broadcast(n, &PacketKind::Pong);
                }
                Ok(vec![format!("{word} {}", self.nodes[n].config_epoch)])
            }
            ["CLUSTER", "SET-CONFIG-EPOCH", epoch] => self.set_epoch(n, epoch),
            ["CLUSTER", "SETSLOT", slot, rest @ ..] => self.set_slot(n, slot_word(slot)?, rest),
            ["CLUSTER", "REPLICATE", id] => self.replicate_command(n, id_word(id)?),
            ["CLUSTER", "FAILOVER", how @ ..] => self.failover(n, how.first().copied()),
            ["CLUSTER", "RESET", ..] => self.reset(n),
            ["CLUSTER", "GETKEYSINSLOT", slot, count] => {
                let slot = slot_word(slot)?;
                let count = count.parse().unwrap_or(0);
                Ok(self.keys_in(n, slot).take(count).map(|key| key.to_string()).collect())
            }
            ["MIGRATE", ip, _, "", "0", _, rest @ ..] => self.migrate(n, ip, rest),
            ["CONFIG", "SET", ..] => ok(),
            ["FLUSHALL"] => {
                for key in self.nodes[n].keys.keys().copied().collect::<Vec<_>>() {
                    self.delete(n, key, Cause::Command, None);
                }
                ok()
            }
            _ => error("unknown command"),
        }
    }

    /// The keys of a slot at a server.
    pub fn keys_in(&self, n: usize, slot: Slot) -> impl Iterator<Item = Key> + '_ {
        self.nodes[n].keys.keys().copied().filter(move |key| slot_of(*key) == slot)
    }

    fn meet(&mut self, n: usize, ip: &str) -> Answer {
        let Some(addr) = addr_of(ip) else {
            return error(&format!("Invalid node address specified: {ip}"));
        };
        let (id, until, now) = (self.random_id(), self.handshake_until(n), self.now);
        let node = &mut self.nodes[n];
        let shakes = |peer: &Peer| peer.handshake.is_some() && peer.addr == Some(addr);
        if !node.peers.iter().any(shakes) {
            let mut peer = Peer::new(id, Some(addr), now);
            peer.handshake = Some(until);
            peer.meet = true;
            node.peers.push(peer);
        }
        ok()
    }

    fn forget(&mut self, n: usize, id: Id) -> Answer {
        let node = &self.nodes[n];
        if id == node.id {
            return error("I tried hard but I can't forget myself...");
        }
        if node.primary == Some(id) {
            return error("Can't forget my master!");
        }
        if node.peer(id).is_none() {
            let banned = node.bans.iter().any(|(other, _)| *other == id);
            return if node.spreads_bans() && banned {
                ok()
            } else {
                error(&format!("Unknown node {}", NodeId::made_up(id)))
            };
        }
        let until = self.now + BAN_MS;
        self.ban(n, id, until);
        ok()
    }

    fn add_or_del(&mut self, n: usize, verb: &str, slots: &SlotSet) -> Answer {
        let node = &mut self.nodes[n];
        let assigned = node.assigned();
        if verb == "ADDSLOTS" {
            if let Some(busy) = slots.intersection(&assigned).first() {
                return error(&format!("Slot {busy} is already busy"));
            }
            let id = node.id;
            node.assign(slots, Some(id));
            for slot in slots.iter() {
                node.open.remove(&slot.get());
            }
        } else {
            if let Some(free) = slots.difference(&assigned).first() {
                return error(&format!("Slot {free} is already unassigned"));
            }
            node.assign(slots, None);
        }
        self.judge_state(n);
        ok()
    }

    fn set_epoch(&mut self, n: usize, epoch: &str) -> Answer {
        let node = &mut self.nodes[n];
        if !node.peers.is_empty() {
            return error(
                "The user can assign a config epoch only when the node does not know any other node.",
            );
        }
        if node.config_epoch != 0 {
            return error("Node config epoch is already non-zero");
        }
        let Ok(epoch) = epoch.parse() else { return error("Invalid config epoch specified") };
        node.config_epoch = epoch;
        node.current_epoch = node.current_epoch.max(epoch);
        ok()
    }

    fn set_slot(&mut self, n: usize, slot: Slot, rest: &[&str]) -> Answer {
        if self.nodes[n].is_valkey() && self.has_silent_replica(n) {
            return Err("NOREPLICAS Not enough good replicas to write.".to_owned());
        }
        let answer = self.set_slot_here(n, slot, rest);
        if answer.is_ok() && self.nodes[n].is_valkey() {
            self.copy_marks(n);
        }
        answer
    }

    /// Valkey 8 and later: replicas carry out `SETSLOT` as well, so that marks outlive a failover.
    fn copy_marks(&mut self, n: usize) {
        let (id, open) = (self.nodes[n].id, self.nodes[n].open.clone());
        for replica in &mut self.nodes {
            if replica.is_live() && replica.primary == Some(id) && replica.link_up {
                replica.open.clone_from(&open);
            }
        }
    }

    /// Whether a replica is held for connected and acknowledges nothing.
    fn has_silent_replica(&self, n: usize) -> bool {
        let id = self.nodes[n].id;
        let is_silent = |node: &Node| node.up && node.frozen && node.link_up;
        self.nodes.iter().any(|node| node.primary == Some(id) && is_silent(node))
    }

    fn set_slot_here(&mut self, n: usize, slot: Slot, rest: &[&str]) -> Answer {
        if self.nodes[n].primary.is_some() {
            return error("Please use SETSLOT only with masters.");
        }
        match rest {
            ["STABLE"] => {
                self.nodes[n].open.remove(&slot.get());
                ok()
            }
            [way @ ("MIGRATING" | "IMPORTING"), id] => self.open_slot(n, slot, way, id_word(id)?),
            ["NODE", id] => self.give_slot(n, slot, id_word(id)?),
            _ => error("Invalid CLUSTER SETSLOT action or number of arguments."),
        }
    }

    fn open_slot(&mut self, n: usize, slot: Slot, way: &str, id: Id) -> Answer {
        let node = &mut self.nodes[n];
        let mine = node.slots.contains(slot);
        if way == "MIGRATING" && !mine {
            return error(&format!("I'm not the owner of hash slot {slot}"));
        }
        if way == "IMPORTING" && mine {
            return error(&format!("I'm already the owner of hash slot {slot}"));
        }
        if node.peer(id).is_none() && id != node.id {
            return error(&format!("I don't know about node {}", NodeId::made_up(id)));
        }
        if node.peer(id).is_some_and(|peer| peer.is_replica) {
            return error("Target node is not a master");
        }
        let open = if way == "MIGRATING" { Open::Migrating(id) } else { Open::Importing(id) };
        node.open.insert(slot.get(), open);
        ok()
    }

    fn give_slot(&mut self, n: usize, slot: Slot, id: Id) -> Answer {
        let one = SlotSet::one(slot);
        let has_keys = self.keys_in(n, slot).next().is_some();
        let node = &mut self.nodes[n];
        let own = node.id;
        if id != own && node.peer(id).is_none() {
            return error(&format!("Unknown node {}", NodeId::made_up(id)));
        }
        if node.peer(id).is_some_and(|peer| peer.is_replica) {
            return error("Target node is not a master");
        }
        let mine = node.slots.contains(slot);
        if mine && id != own && has_keys {
            return error(&format!(
                "Can't assign hashslot {slot} to a different node while I still hold keys for \
                 this hash slot."
            ));
        }
        if matches!(node.open.get(&slot.get()), Some(Open::Migrating(_))) && !has_keys {
            node.open.remove(&slot.get());
        }
        let was_importing = matches!(node.open.get(&slot.get()), Some(Open::Importing(_)));
        node.assign(&one, Some(id));
        if id == own && was_importing {
            node.bump();
            node.open.remove(&slot.get());
            self.broadcast(n, &PacketKind::Pong);
        } else if mine && id != own && self.nodes[n].slots.is_empty() {
            // The last slot is given away: the node follows (7.0 and later).
            self.become_replica(n, id);
        }
        self.judge_state(n);
        ok()
    }

    fn replicate_command(&mut self, n: usize, id: Id) -> Answer {
        let node = &self.nodes[n];
        if id == node.id {
            return error("Can't replicate myself");
        }
        let Some(peer) = node.peer(id) else {
            return error(&format!("Unknown node {}", NodeId::made_up(id)));
        };
        if peer.is_replica {
            return error("I can only replicate a master, not a replica.");
        }
        if node.primary.is_none() && !(node.slots.is_empty() && node.keys.is_empty()) {
            return error("To set a master the node must be empty and without assigned slots.");
        }
        if node.primary == Some(id) {
            // Redis runs it again, which points the replication at the present address.
            if !node.is_valkey() {
                self.nodes[n].point_at_primary();
            }
            return ok();
        }
        self.become_replica(n, id);
        self.nodes[n].shard = self.shard_of(id);
        ok()
    }

    fn failover(&mut self, n: usize, how: Option<&str>) -> Answer {
        let node = &self.nodes[n];
        let Some(primary) = node.primary else {
            return error("You should send CLUSTER FAILOVER to a replica");
        };
        let Some(row) = node.peer(primary) else {
            return error("I'm a replica but my master is unknown to me");
        };
        let down = row.failed_at.is_some() || row.link.is_none() || !node.link_up;
        match how {
            None if down => error("Master is down or failed, please use CLUSTER FAILOVER FORCE"),
            None | Some("FORCE") => {
                self.nodes[n].election = Election { manual: true, ..Election::default() };
                ok()
            }
            Some("TAKEOVER") => {
                self.take_over(n, None);
                ok()
            }
            Some(_) => error("syntax error"),
        }
    }

    fn reset(&mut self, n: usize) -> Answer {
        if self.nodes[n].primary.is_none() && !self.nodes[n].keys.is_empty() {
            return error("CLUSTER RESET can't be called with master nodes containing keys");
        }
        // Its append-only file keeps them.
        let flushed = self.nodes[n].keys.clone();
        for key in flushed.keys() {
            self.delete(n, *key, Cause::Command, None);
        }
        let node = &mut self.nodes[n];
        node.undead.extend(flushed);
        node.primary = None;
        node.shard = None;
        node.slots = std::rc::Rc::default();
        node.open.clear();
        node.peers.clear();
        if node.spreads_bans() {
            node.bans.clear();
        }
        self.judge_state(n);
        ok()
    }

    /// Why a server does not carry `MIGRATE` out for a slot (`getNodeByQuery`).
    fn not_here(&self, n: usize, slot: Slot) -> Option<&'static str> {
        let node = &self.nodes[n];
        if node.owner(slot).is_none() || !node.ok {
            return Some("CLUSTERDOWN The cluster is down");
        }
        let open = node.open.contains_key(&slot.get());
        (!open && !node.slots.contains(slot)).then_some("MOVED")
    }

    /// `MIGRATE`: all keys that can go, or the first error of the target.
    fn migrate(&mut self, n: usize, ip: &str, rest: &[&str]) -> Answer {
        let replace = rest.contains(&"REPLACE");
        let keys = rest.iter().skip_while(|word| **word != "KEYS").skip(1);
        let keys: Vec<Key> = keys.filter_map(|key| key.parse().ok()).collect();
        if let Some(error) = keys.first().and_then(|key| self.not_here(n, slot_of(*key))) {
            return Err(error.to_owned());
        }
        let to = addr_of(ip).and_then(|addr| self.listener(addr));
        let Some(to) = to.filter(|to| self.nodes[*to].is_live() && *to != n) else {
            return Err("IOERR error or timeout connecting to the client".to_owned());
        };
        let mut refused = None;
        let mut found = false;
        for key in keys {
            let Some(version) = self.nodes[n].keys.get(&key).copied() else { continue };
            found = true;
            let target = &mut self.nodes[to];
            let slot = slot_of(key);
            // RESTORE-ASKING is judged as any write (`getNodeByQuery`).
            if !target.ok {
                refused.get_or_insert("CLUSTERDOWN The cluster is down");
                continue;
            }
            let takes = target.primary.is_none()
                && (target.slots.contains(slot)
                    || matches!(target.open.get(&slot.get()), Some(Open::Importing(_))));
            if !takes {
                refused.get_or_insert("MOVED");
                continue;
            }
            if target.keys.contains_key(&key) && !replace {
                refused.get_or_insert("BUSYKEY Target key name already exists.");
                continue;
            }
            let (now, old, receiver) = (self.now, target.keys.insert(key, version), target.id);
            target.data_version += 1;
            target.offset += 1;
            if let Some(version) = old.filter(|old| *old != version) {
                let (cause, by) = (Cause::Replaced, Some(self.nodes[n].id));
                self.deleted.push(Deleted { at: now, node: to, key, version, cause, by });
            }
            self.delete(n, key, Cause::Moved, Some(receiver));
        }
        match refused {
            Some(text) => Err(format!("ERR Target instance replied with error: {text}")),
            None if !found => Ok(vec!["NOKEY".to_owned()]),
            None => ok(),
        }
    }
}
