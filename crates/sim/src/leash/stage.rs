//! Carries a script out in the model.

use std::collections::{BTreeMap, BTreeSet};

use slotwright_core::model::{NodeId, Slot};
use slotwright_core::observation::NodeRow;
use slotwright_core::scenario::{Act, At, ConfEdit, Server};

use super::picture::{Names, Picture, Shown, picture, reply_class};
use super::script::{NODE_TIMEOUT_MS, Script};
use crate::server::{Addr, Id, Key, Open, slot_of};
use crate::view::{BUS_PORT, PORT, ip, own_row, row_of};
use crate::world::{Shape, World};

/// After so long whatever follows from a move has happened: a suspicion, a vote, two spans of the
/// node timeout until a failure is forgotten.
pub const REST_MS: u64 = 13_000;
/// And for so long nothing more.
const STILL_MS: u64 = 3_000;
/// A command takes so long.
const COMMAND_MS: u64 = 2;
/// A server that is started says its first word so much later.
const START_MS: u64 = 100;

/// A script in the model, under way.
#[derive(Debug)]
pub struct Stage {
    world: World,
    /// The id that each node was built with.
    first: Vec<Id>,
    /// Nodes at the start.
    total: usize,
    /// The clients that have said ASKING.
    asking: BTreeSet<usize>,
}

impl Stage {
    /// The healthy cluster.
    pub fn new(script: &Script) -> Self {
        Self::by_chance(script, 0)
    }

    /// The healthy cluster, in which chance is another one: who ticks first, whose packet is the
    /// slower, whom a ping tells of.
    pub fn by_chance(script: &Script, chance: u64) -> Self {
        let shape = Shape {
            primaries: script.primaries,
            replicas_each: script.replicas_each,
            kind: script.server,
            keys: script.keys,
            timeout_ms: u64::from(NODE_TIMEOUT_MS),
        };
        let world = World::healthy(shape, script.seed ^ (chance << 40));
        let first: Vec<Id> = world.nodes.iter().map(|node| node.id).collect();
        Self { world, total: first.len(), first, asking: BTreeSet::new() }
    }

    /// Carries out one act. An answer comes of a command only, and as its class.
    ///
    /// # Errors
    /// Why the model has no such act.
    pub fn act(&mut self, act: &Act) -> Result<Option<String>, String> {
        match act {
            Act::Send(node, line, _) => self.send(*node, line).map(Some),
            Act::Kill(node) | Act::Stop(node) => {
                self.world.stop(*node);
                Ok(None)
            }
            Act::Freeze(node) => {
                self.world.freeze(*node, true);
                Ok(None)
            }
            Act::Thaw(node) => {
                self.world.freeze(*node, false);
                Ok(None)
            }
            Act::Conf(node, ConfEdit::Delete) => {
                self.world.lose_table(*node);
                Ok(None)
            }
            Act::Start(node, at, options) if options.is_empty() => {
                let addr = match at {
                    At::Same => self.world.nodes[*node].addr,
                    At::Fresh => self.world.fresh_addr(),
                    At::Of(other) => first_addr(*other),
                };
                self.world.start(*node, addr);
                self.asking.remove(node);
                self.world.advance(START_MS);
                Ok(None)
            }
            Act::Stranger { at, options, server: None } if is_plain(options) => {
                let addr = match at {
                    At::Of(other) => first_addr(*other),
                    At::Same | At::Fresh => self.world.fresh_addr(),
                };
                let number = self.world.join(addr, u64::from(NODE_TIMEOUT_MS));
                self.first.push(self.world.nodes[number].id);
                self.world.advance(START_MS);
                Ok(None)
            }
            other => Err(format!("the model has no {other:?}")),
        }
    }

    fn send(&mut self, node: usize, line: &str) -> Result<String, String> {
        let line = self.expand(line)?;
        let words: Vec<String> = line.split(' ').map(plain_word).collect();
        let bare: Vec<&str> = words.iter().map(String::as_str).collect();
        let asking = self.asking.remove(&node);
        let answer = match bare.as_slice() {
            ["ASKING"] => {
                self.asking.insert(node);
                Ok(vec!["OK".to_owned()])
            }
            ["SET", key, _] => self.set(node, key, asking),
            ["CLUSTER", "RESET", "HARD"] => return Err("the model has no RESET HARD".to_owned()),
            ["CLUSTER" | "MIGRATE", ..] => self.world.command(node, &words),
            _ => return Err(format!("the model has no `{line}`")),
        };
        if answer.as_ref().is_err_and(|error| error.starts_with("ERR unknown command")) {
            return Err(format!("the model has no `{line}`"));
        }
        self.world.advance(COMMAND_MS);
        Ok(reply_class(&answer.map_or_else(|error| error, |lines| lines.join(" "))))
    }

    /// `SET` of a client that follows no redirection (`getNodeByQuery`).
    fn set(&mut self, n: usize, key: &str, asking: bool) -> crate::commands::Answer {
        let key: Key = key.parse().map_err(|_| "ERR not a key of the leash".to_owned())?;
        let slot = slot_of(key);
        let node = &mut self.world.nodes[n];
        if node.owner(slot).is_none() || !node.ok {
            return Err("CLUSTERDOWN".to_owned());
        }
        let imports = matches!(node.open.get(&slot.get()), Some(Open::Importing(_)));
        if node.primary.is_some() || !(node.slots.contains(slot) || (imports && asking)) {
            return Err("MOVED".to_owned());
        }
        let leaves = matches!(node.open.get(&slot.get()), Some(Open::Migrating(_)));
        if leaves && !node.keys.contains_key(&key) {
            return Err("ASK".to_owned());
        }
        *node.keys.entry(key).or_insert(0) += 1;
        node.data_version += 1;
        node.offset += 1;
        Ok(vec!["OK".to_owned()])
    }

    /// Puts ids and addresses into a template, as the lab does it.
    fn expand(&self, template: &str) -> Result<String, String> {
        let mut text = String::new();
        let mut rest = template;
        while let Some((before, after)) = rest.split_once('{') {
            text.push_str(before);
            let found = after.split_once('}').and_then(|(name, tail)| {
                let digits = name.find(|letter: char| letter.is_ascii_digit())?;
                let (what, number) = name.split_at(digits);
                Some((self.value_of(what, number.parse().ok()?)?, tail))
            });
            match found {
                Some((value, tail)) => {
                    text.push_str(&value);
                    rest = tail;
                }
                None => {
                    text.push('{');
                    rest = after;
                }
            }
        }
        text.push_str(rest);
        Ok(text)
    }

    fn value_of(&self, what: &str, number: usize) -> Option<String> {
        let node = self.world.nodes.get(number)?;
        Some(match what {
            "id" => NodeId::made_up(node.id).to_string(),
            "was" => NodeId::made_up(self.first[number]).to_string(),
            "ip" => ip(node.addr),
            "port" => PORT.to_string(),
            "cport" => BUS_PORT.to_string(),
            _ => return None,
        })
    }

    /// Lets time go on until nothing more follows.
    ///
    /// # Errors
    /// What changes still.
    pub fn rest(&mut self) -> Result<(), String> {
        self.world.advance(REST_MS - STILL_MS);
        let before = self.picture();
        self.world.advance(STILL_MS);
        let changed = super::differences("", &before, &self.picture());
        let told = changed.iter().map(|one| format!("{}: {:?}, {:?}", one.at, one.model, one.real));
        if changed.is_empty() { Ok(()) } else { Err(told.collect::<Vec<_>>().join("; ")) }
    }

    /// What the servers show.
    pub fn picture(&self) -> Picture {
        let live = self.world.nodes.iter().enumerate().filter(|(_, node)| node.is_live());
        let shown: Vec<Shown> = live
            .map(|(number, node)| {
                let own: Vec<NodeRow> = vec![own_row(node)];
                Shown {
                    node: number,
                    rows: own
                        .into_iter()
                        .chain(node.peers.iter().map(|p| row_of(node, p)))
                        .collect(),
                    is_ok: node.ok,
                    link_up: node.primary.and(node.master).map(|_| node.link_up),
                    keys: node.keys.keys().copied().collect(),
                }
            })
            .collect();
        picture(&shown, &self.names())
    }

    fn names(&self) -> Names {
        let mut names = Names::default();
        for (number, node) in self.world.nodes.iter().enumerate() {
            names.ids.insert(NodeId::made_up(node.id), format!("{number}'"));
            names.ids.insert(NodeId::made_up(self.first[number]), number.to_string());
        }
        let total = self.total;
        for number in 0..total {
            names.places.insert(ip(first_addr(number)), format!("a{number}"));
        }
        for fresh in 0..total * 8 {
            names.places.insert(ip(first_addr(total + fresh)), format!("f{fresh}"));
        }
        names
    }

    /// The owner of a slot in its own table, if one claims it.
    pub(super) fn owner_of(&self, slot: Slot) -> Option<usize> {
        self.world.nodes.iter().position(|node| node.is_live() && node.slots.contains(slot))
    }

    /// The nodes that run and are not stopped.
    pub(super) fn live(&self) -> Vec<usize> {
        (0..self.world.nodes.len()).filter(|n| self.world.nodes[*n].is_live()).collect()
    }

    /// Whether a node says that the cluster is ok.
    pub(super) fn is_ok(&self, node: usize) -> bool {
        self.world.nodes[node].ok
    }

    /// Whether a node holds itself for a replica.
    pub(super) fn is_replica(&self, node: usize) -> bool {
        self.world.nodes[node].primary.is_some()
    }

    /// The keys that a node has, by slot.
    pub(super) fn keys_of(&self, node: usize) -> BTreeMap<u16, Vec<Key>> {
        let mut keys: BTreeMap<u16, Vec<Key>> = BTreeMap::new();
        for key in self.world.nodes[node].keys.keys() {
            keys.entry(slot_of(*key).get()).or_default().push(*key);
        }
        keys
    }

    /// The server that is modelled.
    pub fn server(&self) -> Server {
        self.world.nodes[0].kind
    }
}

/// A server in cluster mode, with the node timeout of the others and no other setting.
fn is_plain(options: &[String]) -> bool {
    let known = ["--cluster-enabled", "yes", "--cluster-node-timeout"];
    let is_known = |word: &String| {
        known.contains(&word.as_str()) || word.chars().all(|letter| letter.is_ascii_digit())
    };
    options.iter().any(|word| word == "--cluster-enabled") && options.iter().all(is_known)
}

/// The address with which a node begins.
fn first_addr(node: usize) -> Addr {
    Addr::try_from(node + 1).unwrap_or(Addr::MAX)
}

/// The model calls a key by its number.
fn plain_word(word: &str) -> String {
    match word.split_once('}') {
        Some((_, number)) => number.to_owned(),
        None if word == "\"\"" => String::new(),
        None => word.to_owned(),
    }
}
