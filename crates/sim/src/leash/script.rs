//! A script from a seed: a cluster, and what is done to it.
//!
//! Each next move is chosen by what the model shows after those before it, so that owners are named
//! and there are keys to move; but what is refused is tried as well.

use std::sync::OnceLock;

use slotwright_core::model::{SLOT_COUNT, Slot};
use slotwright_core::scenario::{Act, At, ConfEdit, Reply, Scenario, Server};

use super::stage::Stage;
use crate::server::{Key, slot_of};

/// `cluster-node-timeout` of a script's cluster: longer than the two seconds after its start in
/// which a primary does not count the others, and so takes its own suspicion for a majority's.
pub const NODE_TIMEOUT_MS: u32 = 2_500;
/// Keys of a cluster.
const KEYS: u32 = 40;
/// Some part of an even share.
const SLOTS_MAX: u16 = 400;

/// A cluster and what is done to it. Nodes are numbered as in scenarios.
#[derive(Clone, PartialEq, Debug)]
pub struct Script {
    /// What it was made from.
    pub seed: u64,
    /// The server.
    pub server: Server,
    /// Primaries.
    pub primaries: usize,
    /// Replicas of each.
    pub replicas_each: usize,
    /// Keys in all.
    pub keys: u32,
    /// What is done; both sides are compared after each.
    pub moves: Vec<Move>,
}

/// Acts that follow each other at once; then there is rest.
#[derive(Clone, PartialEq, Debug)]
pub struct Move {
    /// In words.
    pub what: String,
    /// The acts.
    pub acts: Vec<Act>,
}

impl Script {
    /// What this seed means on this server.
    pub fn of(seed: u64, server: Server) -> Self {
        let mut rng = fastrand::Rng::with_seed(seed ^ 0x1ea5_4e1d_5107_11ed);
        let (primaries, replicas_each) = [(3, 0), (3, 1), (3, 1), (4, 1)][rng.usize(0..4)];
        let moves = Vec::new();
        let script = Self { seed, server, primaries, replicas_each, keys: KEYS, moves };
        let stage = Stage::new(&script);
        let count = rng.usize(1..=4);
        let total = primaries * (1 + replicas_each);
        let mut chooser = Chooser {
            stage,
            rng,
            primaries,
            up: vec![true; total],
            frozen: None,
            has_chance: false,
            swapped: false,
            new_key: KEYS,
            script,
        };
        while chooser.script.moves.len() < count {
            chooser.choose();
        }
        chooser.script
    }
}

impl Script {
    /// The script of a finding's scenario: each wait of it ends a move.
    ///
    /// # Errors
    /// What of it the model does not have.
    pub fn of_scenario(code: &str, scenario: &Scenario, server: Server) -> Result<Self, String> {
        let lacks = [
            (!scenario.options.is_empty(), "settings"),
            (!scenario.clocks.is_empty(), "clocks"),
            (scenario.small_disk.is_some(), "disks"),
            (scenario.primaries == 0, "clusters without nodes"),
        ];
        if let Some((_, what)) = lacks.iter().find(|(lacks, _)| *lacks) {
            return Err(format!("the model has no {what}"));
        }
        let mut script = Self {
            seed: 0,
            server,
            primaries: scenario.primaries,
            replicas_each: scenario.replicas_each,
            keys: KEYS,
            moves: Vec::new(),
        };
        let mut stage = Stage::new(&script);
        let mut acts = Vec::new();
        for act in &scenario.acts {
            match act {
                Act::Wait(..) => script.end_move(code, &mut acts, &mut stage),
                Act::SendAll(line, _) => {
                    for node in stage.live() {
                        let act = send(node, line.clone());
                        stage.act(&act)?;
                        acts.push(act);
                    }
                }
                act => {
                    let act = with_our_timeout(act);
                    stage.act(&act)?;
                    acts.push(act);
                }
            }
        }
        script.end_move(code, &mut acts, &mut stage);
        Ok(script)
    }

    fn end_move(&mut self, code: &str, acts: &mut Vec<Act>, stage: &mut Stage) {
        if !acts.is_empty() {
            // What does not come to rest is found by who compares.
            let _rested = stage.rest();
            let what = format!("{code}, part {}", self.moves.len());
            self.moves.push(Move { what, acts: std::mem::take(acts) });
        }
    }
}

/// A stranger gets the node timeout of the others.
fn with_our_timeout(act: &Act) -> Act {
    let mut act = act.clone();
    if let Act::Stranger { options, .. } = &mut act {
        let is_number = |word: &String| word.chars().all(|letter| letter.is_ascii_digit());
        for word in options.iter_mut().filter(|word| is_number(word)) {
            *word = NODE_TIMEOUT_MS.to_string();
        }
    }
    act
}

/// The name of a key on real servers: its tag puts it into the slot that it has in the model.
pub fn key_name(key: Key) -> String {
    static TAGS: OnceLock<Vec<u32>> = OnceLock::new();
    let tags = TAGS.get_or_init(|| {
        let mut tags = vec![None; usize::from(SLOT_COUNT)];
        let mut missing = tags.len();
        for tag in 0_u32.. {
            let slot = usize::from(Slot::of_key(tag.to_string().as_bytes()).get());
            if tags[slot].is_none() {
                tags[slot] = Some(tag);
                missing -= 1;
                if missing == 0 {
                    break;
                }
            }
        }
        tags.into_iter().flatten().collect()
    });
    format!("{{{}}}{key}", tags[usize::from(slot_of(key).get())])
}

struct Chooser {
    stage: Stage,
    rng: fastrand::Rng,
    primaries: usize,
    up: Vec<bool>,
    frozen: Option<usize>,
    /// An id, or an epoch of zero, that chance has decided on is there: no second one.
    has_chance: bool,
    swapped: bool,
    new_key: Key,
    script: Script,
}

fn send(node: usize, line: String) -> Act {
    Act::Send(node, line, Reply::Any)
}

fn start(node: usize, at: At) -> Act {
    Act::Start(node, at, Vec::new())
}

impl Chooser {
    /// Chooses a move, and plays it. A move that is not possible now is none.
    fn choose(&mut self) {
        let number = self.rng.usize(0..26);
        let Some((what, acts)) = self.a_move(number) else { return };
        if acts.is_empty() {
            return;
        }
        for act in &acts {
            // An act that the model does not have is found by who compares.
            let _played = self.stage.act(act);
        }
        // As is what does not come to rest.
        let _rested = self.stage.rest();
        self.script.moves.push(Move { what, acts });
    }

    fn live(&self) -> Vec<usize> {
        (0..self.up.len()).filter(|n| self.up[*n] && self.frozen != Some(*n)).collect()
    }

    fn one_of(&mut self, nodes: &[usize]) -> Option<usize> {
        (!nodes.is_empty()).then(|| nodes[self.rng.usize(0..nodes.len())])
    }

    fn someone(&mut self) -> Option<usize> {
        let live = self.live();
        self.one_of(&live)
    }

    /// Two that run.
    fn two(&mut self) -> Option<(usize, usize)> {
        let one = self.someone()?;
        let others: Vec<usize> = self.live().into_iter().filter(|n| *n != one).collect();
        Some((one, self.one_of(&others)?))
    }

    /// Primaries at first, mostly, that run.
    fn two_primaries(&mut self) -> Option<(usize, usize)> {
        let live: Vec<usize> = self.live().into_iter().filter(|n| *n < self.primaries).collect();
        let one = self.one_of(&live)?;
        let others: Vec<usize> = live.into_iter().filter(|n| *n != one).collect();
        Some((one, self.one_of(&others)?))
    }

    fn a_move(&mut self, number: usize) -> Option<(String, Vec<Act>)> {
        match number {
            0..=7 => self.of_processes(number),
            8..=13 => self.of_tables(number),
            14..=19 => self.of_slots(number),
            _ => self.of_roles(number),
        }
    }

    fn of_processes(&mut self, number: usize) -> Option<(String, Vec<Act>)> {
        let node = self.someone()?;
        let again = |at: At| vec![Act::Kill(node), start(node, at)];
        Some(match number {
            0 => (format!("{node} restarts"), again(At::Same)),
            1 => (format!("{node} restarts elsewhere"), again(At::Fresh)),
            2 => {
                let at = if self.rng.bool() { At::Same } else { At::Fresh };
                let live = self.live();
                let ends = live.iter().map(|n| Act::Kill(*n));
                let acts = ends.chain(live.iter().map(|n| start(*n, at))).collect();
                (format!("all restart, {at:?}"), acts)
            }
            3 if !self.swapped => {
                let (one, other) = self.two()?;
                // Valkey holds who was not found for failing at once; whether it is corrected or
                // its replica elected first is chance.
                let elects = |n: usize| self.script.replicas_each > 0 && !self.stage.is_replica(n);
                if self.script.server == Server::Valkey91 && (elects(one) || elects(other)) {
                    return None;
                }
                self.swapped = true;
                let acts = vec![
                    Act::Kill(one),
                    Act::Kill(other),
                    start(one, At::Of(other)),
                    start(other, At::Of(one)),
                ];
                (format!("{one} and {other} change places"), acts)
            }
            4 if !self.has_chance => {
                self.has_chance = true;
                let at = if self.rng.bool() { At::Same } else { At::Fresh };
                let acts =
                    vec![Act::Kill(node), Act::Conf(node, ConfEdit::Delete), start(node, at)];
                (format!("{node} loses its table and starts, {at:?}"), acts)
            }
            5 if self.up.iter().all(|up| *up) && self.frozen.is_none() => {
                self.up[node] = false;
                (format!("{node} dies"), vec![Act::Kill(node)])
            }
            6 => {
                let dead = self.up.iter().position(|up| !up)?;
                self.up[dead] = true;
                let at = if self.rng.bool() { At::Same } else { At::Fresh };
                (format!("{dead} starts again, {at:?}"), vec![start(dead, at)])
            }
            7 => match self.frozen.take() {
                Some(node) => (format!("{node} goes on"), vec![Act::Thaw(node)]),
                None if self.up.iter().all(|up| *up) => {
                    self.frozen = Some(node);
                    (format!("{node} stands still"), vec![Act::Freeze(node)])
                }
                None => return None,
            },
            _ => return None,
        })
    }

    fn of_tables(&mut self, number: usize) -> Option<(String, Vec<Act>)> {
        let (one, other) = self.two()?;
        let meet = |on: usize, to: usize| {
            send(on, format!("CLUSTER MEET {{ip{to}}} {{port{to}}} {{cport{to}}}"))
        };
        let everyone = self.live().into_iter().filter(|n| *n != other);
        Some(match number {
            // Whom Valkey forgets while it runs comes back, is forgotten, comes back: no rest.
            8 | 9 if self.script.server == Server::Valkey91 => {
                let dead = self.up.iter().position(|up| !up)?;
                let acts = self.live().into_iter();
                let acts = acts.map(|n| send(n, format!("CLUSTER FORGET {{id{dead}}}")));
                (format!("all forget {dead}"), acts.collect())
            }
            8 => {
                let act = send(one, format!("CLUSTER FORGET {{id{other}}}"));
                (format!("{one} forgets {other}"), vec![act])
            }
            9 => {
                let acts = everyone.map(|n| send(n, format!("CLUSTER FORGET {{id{other}}}")));
                (format!("all forget {other}"), acts.collect())
            }
            10 => (format!("{one} meets {other}"), vec![meet(one, other)]),
            11 => (format!("all meet {other}"), everyone.map(|n| meet(n, other)).collect()),
            12 => {
                (format!("{one} raises its epoch"), vec![send(one, "CLUSTER BUMPEPOCH".to_owned())])
            }
            _ => {
                let epoch = self.rng.u32(1..20);
                let act = send(one, format!("CLUSTER SET-CONFIG-EPOCH {epoch}"));
                (format!("{one} is to have the epoch {epoch}"), vec![act])
            }
        })
    }

    /// Slots, and who owns them.
    fn owned(&mut self) -> (u16, u16, Option<usize>) {
        let first = self.rng.u16(0..SLOT_COUNT - SLOTS_MAX);
        let last = first + self.rng.u16(0..SLOTS_MAX);
        (first, last, Slot::new(first).and_then(|slot| self.stage.owner_of(slot)))
    }

    fn of_slots(&mut self, number: usize) -> Option<(String, Vec<Act>)> {
        let node = self.someone()?;
        let (first, last, owner) = self.owned();
        let drop = |n: usize| send(n, format!("CLUSTER DELSLOTSRANGE {first} {last}"));
        let take = |n: usize| send(n, format!("CLUSTER ADDSLOTSRANGE {first} {last}"));
        // The owner first: what it claims in between would come back.
        let mut all = self.live();
        all.sort_by_key(|n| owner != Some(*n));
        Some(match number {
            14 => (format!("{node} drops {first}-{last} of {owner:?}"), vec![drop(node)]),
            15 => {
                let mut acts: Vec<Act> = all.into_iter().map(drop).collect();
                let mut what = format!("all drop {first}-{last} of {owner:?}");
                if self.rng.bool() {
                    acts.push(take(node));
                    what = format!("{what}, {node} takes them");
                }
                (what, acts)
            }
            16 => (format!("{node} takes {first}-{last} of {owner:?}"), vec![take(node)]),
            17 => self.a_mark(node)?,
            _ => self.a_slot_moves(number == 19)?,
        })
    }

    /// A mark, or an owner, by hand.
    fn a_mark(&mut self, node: usize) -> Option<(String, Vec<Act>)> {
        let (one, other) = if self.rng.bool() { self.two()? } else { self.two_primaries()? };
        let key = self.rng.u32(0..KEYS);
        let slot = slot_of(key);
        let owner = self.stage.owner_of(slot);
        let on = if self.rng.bool() { owner.unwrap_or(one) } else { node };
        let how = match self.rng.u32(0..4) {
            0 => "STABLE".to_owned(),
            1 => format!("MIGRATING {{id{other}}}"),
            2 => format!("IMPORTING {{id{}}}", owner.unwrap_or(other)),
            _ => format!("NODE {{id{other}}}"),
        };
        let act = send(on, format!("CLUSTER SETSLOT {slot} {how}"));
        Some((format!("slot {slot} of {owner:?} at {on}: {how}"), vec![act]))
    }

    /// A slot with keys goes to another: to the end, or half way.
    fn a_slot_moves(&mut self, whole: bool) -> Option<(String, Vec<Act>)> {
        let (source, _) = self.two_primaries()?;
        // Where the keys cannot go, they are deleted as soon as the new owner is heard of; whether
        // that is before the next command is chance.
        if whole && !self.stage.is_ok(source) {
            return None;
        }
        let owned = self.stage.keys_of(source);
        let mine: Vec<(u16, Vec<Key>)> = owned
            .into_iter()
            .filter(|(slot, _)| {
                Slot::new(*slot).and_then(|slot| self.stage.owner_of(slot)) == Some(source)
            })
            .collect();
        let (slot, keys) = mine.get(self.rng.usize(0..mine.len().max(1)))?.clone();
        let targets: Vec<usize> =
            self.live().into_iter().filter(|n| *n != source && *n < self.primaries).collect();
        let to = self.one_of(&targets)?;
        let set = |on: usize, how: String| send(on, format!("CLUSTER SETSLOT {slot} {how}"));
        let names: Vec<String> = keys.into_iter().map(key_name).collect();
        let migrate =
            format!("MIGRATE {{ip{to}}} {{port{to}}} \"\" 0 5000 KEYS {}", names.join(" "));
        let mut acts = vec![
            set(to, format!("IMPORTING {{id{source}}}")),
            set(source, format!("MIGRATING {{id{to}}}")),
        ];
        if whole || self.rng.bool() {
            acts.push(send(source, migrate));
        }
        if whole {
            acts.extend([to, source].map(|on| set(on, format!("NODE {{id{to}}}"))));
        } else if self.rng.u8(0..3) == 0 {
            acts.remove(self.rng.usize(0..2));
        }
        let how = if whole { "" } else { " half way" };
        Some((format!("slot {slot} goes{how} from {source} to {to}"), acts))
    }

    fn of_roles(&mut self, number: usize) -> Option<(String, Vec<Act>)> {
        let (one, other) = self.two()?;
        let is_replica = |n: &usize| *n >= self.primaries;
        let replicas: Vec<usize> = self.live().into_iter().filter(is_replica).collect();
        let often_a_replica =
            if self.rng.u8(0..4) == 0 { Some(one) } else { self.one_of(&replicas) };
        Some(match number {
            20 => {
                let node = often_a_replica?;
                let act = send(node, format!("CLUSTER REPLICATE {{id{other}}}"));
                (format!("{node} is to follow {other}"), vec![act])
            }
            21..=23 => {
                let node = often_a_replica?;
                let how = ["", " FORCE", " TAKEOVER"][number - 21];
                (
                    format!("{node} takes over{how}"),
                    vec![send(node, format!("CLUSTER FAILOVER{how}"))],
                )
            }
            24 if !self.has_chance => {
                let node = often_a_replica?;
                self.has_chance = true;
                (format!("{node} is reset"), vec![send(node, "CLUSTER RESET SOFT".to_owned())])
            }
            25 => self.a_stray(one, other),
            _ => return None,
        })
    }

    /// A key that nobody else has lies where its slot does not belong.
    fn a_stray(&mut self, on: usize, from: usize) -> (String, Vec<Act>) {
        let key = self.new_key;
        self.new_key += 1;
        let slot = slot_of(key);
        let acts = vec![
            send(on, format!("CLUSTER SETSLOT {slot} IMPORTING {{id{from}}}")),
            send(on, "ASKING".to_owned()),
            send(on, format!("SET {} x", key_name(key))),
            send(on, format!("CLUSTER SETSLOT {slot} STABLE")),
        ];
        (format!("a key of slot {slot} lies at {on}"), acts)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_has_the_same_slot_on_both_sides() {
        for key in 0..500 {
            assert_eq!(Slot::of_key(key_name(key).as_bytes()), slot_of(key));
        }
    }

    #[test]
    fn a_seed_means_the_same_each_time() {
        for seed in 0..5 {
            let script = Script::of(seed, Server::Redis82);
            assert!(!script.moves.is_empty());
            assert_eq!(script, Script::of(seed, Server::Redis82));
        }
    }
}
