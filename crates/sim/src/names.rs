//! The names of a real cluster and those of its twin, one to one.
//!
//! The model knows nodes and addresses by small numbers; a real plan names 160-bit ids and
//! `host:port`. Invariant: both numberings keep the order of what they stand for, so that whatever
//! the planner decides by order (the lowest id, the first address) it decides the same way in both
//! worlds.

use std::collections::{BTreeMap, BTreeSet};

use slotwright_core::model::{Endpoint, NodeId};
use slotwright_core::plan::{Change, Fact, Holds, Plan, SlotState, Step};

use crate::server::{Addr, Id};
use crate::view::{BUS_PORT, PORT, ip};

/// Real to modelled, and back.
#[derive(Clone, Debug, Default)]
pub struct Names {
    ids: BTreeMap<NodeId, Id>,
    addrs: BTreeMap<Endpoint, Addr>,
    /// Modelled words to real ones, for stories.
    back: BTreeMap<String, String>,
    places: BTreeMap<String, Endpoint>,
}

impl Names {
    /// Names these ids and addresses. `alias`: addresses of which the first leads to the process
    /// that the second is the address of.
    pub fn new(
        ids: &BTreeSet<NodeId>,
        endpoints: &BTreeSet<Endpoint>,
        alias: &BTreeMap<Endpoint, Endpoint>,
    ) -> Self {
        let mut names = Self::default();
        let mut numbers: Vec<(NodeId, Id)> =
            (1..).take(ids.len()).map(|id| (NodeId::made_up(id), id)).collect();
        numbers.sort_unstable();
        for (real, (made_up, id)) in ids.iter().zip(numbers) {
            names.ids.insert(*real, id);
            names.back.insert(made_up.to_string(), real.to_string());
            names.back.insert(made_up.short(), real.short());
        }
        let own: Vec<&Endpoint> = endpoints.iter().filter(|at| !alias.contains_key(at)).collect();
        let mut places: Vec<(String, Addr)> =
            (1..).take(own.len()).map(|addr| (ip(addr), addr)).collect();
        places.sort_unstable();
        for (real, (host, addr)) in own.into_iter().zip(places) {
            names.addrs.insert(real.clone(), addr);
            names.places.insert(host, real.clone());
        }
        for (from, to) in alias {
            if let Some(addr) = names.addrs.get(to).copied() {
                names.addrs.insert(from.clone(), addr);
            }
        }
        names
    }

    /// The number of an id.
    pub fn id(&self, real: NodeId) -> Option<Id> {
        self.ids.get(&real).copied()
    }

    /// The number of an address.
    pub fn addr(&self, real: &Endpoint) -> Option<Addr> {
        self.addrs.get(real).copied()
    }

    /// The greatest numbers that are taken: of ids, of addresses.
    pub fn last(&self) -> (Id, Addr) {
        let id = self.ids.values().max().copied().unwrap_or(0);
        (id, self.addrs.values().max().copied().unwrap_or(0))
    }

    fn node(&self, real: NodeId) -> Option<NodeId> {
        self.id(real).map(NodeId::made_up)
    }

    fn place(&self, real: &Endpoint) -> Option<Endpoint> {
        self.addr(real).map(|addr| Endpoint::new(ip(addr), PORT))
    }

    fn host(&self, host: &str, port: u16) -> Option<String> {
        self.addr(&Endpoint::new(host, port)).map(ip)
    }

    /// A real plan in the words of the model. `None`: it names what the observation does not.
    pub fn plan(&self, plan: &Plan) -> Option<Plan> {
        let nodes = plan.nodes.iter().map(|(id, at)| Some((self.node(*id)?, self.place(at)?)));
        let steps = plan.steps.iter().map(|step| self.step(plan, step));
        Some(Plan {
            nodes: nodes.collect::<Option<_>>()?,
            steps: steps.collect::<Option<_>>()?,
            loss: Vec::new(),
            ..plan.clone()
        })
    }

    fn step(&self, plan: &Plan, step: &Step) -> Option<Step> {
        let facts = |facts: &[Fact]| -> Option<Vec<Fact>> {
            facts.iter().map(|fact| self.fact(plan, fact)).collect()
        };
        Some(Step {
            on: self.node(step.on)?,
            change: self.change(&step.change)?,
            guard: facts(&step.guard)?,
            expect: facts(&step.expect)?,
            ..step.clone()
        })
    }

    fn change(&self, change: &Change) -> Option<Change> {
        Some(match change {
            Change::Meet { ip, port, .. } => {
                Change::Meet { ip: self.host(ip, *port)?, port: PORT, bus_port: BUS_PORT }
            }
            Change::Forget { id } => Change::Forget { id: self.node(*id)? },
            Change::SetSlots { slots, to } => {
                Change::SetSlots { slots: slots.clone(), to: self.state(*to)? }
            }
            Change::MoveKeys { slot, to, at } => {
                Change::MoveKeys { slot: *slot, to: self.node(*to)?, at: self.place(at)? }
            }
            Change::Replicate { primary } => Change::Replicate { primary: self.node(*primary)? },
            Change::AddSlots { .. }
            | Change::DelSlots { .. }
            | Change::BumpEpoch
            | Change::SetConfigEpoch { .. }
            | Change::Failover { .. }
            | Change::ConfigSet { .. } => change.clone(),
            // The model has neither libraries nor passwords.
            Change::CopyLibrary { .. } | Change::LogInAsYou => return None,
        })
    }

    fn state(&self, state: SlotState) -> Option<SlotState> {
        Some(match state {
            SlotState::Stable => SlotState::Stable,
            SlotState::Migrating(id) => SlotState::Migrating(self.node(id)?),
            SlotState::Importing(id) => SlotState::Importing(self.node(id)?),
            SlotState::Node(id) => SlotState::Node(self.node(id)?),
        })
    }

    fn fact(&self, plan: &Plan, fact: &Fact) -> Option<Fact> {
        let holds = match &fact.holds {
            Holds::Knows { about } => Holds::Knows { about: self.node(*about)? },
            Holds::KnowsNot { about } => Holds::KnowsNot { about: self.node(*about)? },
            Holds::Reaches { about, ip, port } => {
                Holds::Reaches { about: self.node(*about)?, ip: self.host(ip, *port)?, port: PORT }
            }
            Holds::DoesNotReach { about } => Holds::DoesNotReach { about: self.node(*about)? },
            Holds::Places { about, ip, .. } if ip.is_empty() => {
                Holds::Places { about: self.node(*about)?, ip: String::new(), port: 0 }
            }
            Holds::Places { about, ip, port } => {
                Holds::Places { about: self.node(*about)?, ip: self.host(ip, *port)?, port: PORT }
            }
            Holds::Calls { itself } => {
                // Its port is not said: a node calls itself by the one that it is dialled at.
                let port = plan.nodes.get(&fact.on).map_or(PORT, |at| at.port);
                Holds::Calls { itself: self.host(itself, port)? }
            }
            Holds::Owns { owner, slots } => {
                Holds::Owns { owner: self.node(*owner)?, slots: slots.clone() }
            }
            Holds::OwnsNot { owner, slots } => {
                Holds::OwnsNot { owner: self.node(*owner)?, slots: slots.clone() }
            }
            Holds::OwnedOnlyBy { owners, slots } => Holds::OwnedOnlyBy {
                owners: owners.iter().map(|id| self.node(*id)).collect::<Option<_>>()?,
                slots: slots.clone(),
            },
            Holds::Records { about, epoch } => {
                Holds::Records { about: self.node(*about)?, epoch: *epoch }
            }
            Holds::Open { slots, state } => {
                Holds::Open { slots: slots.clone(), state: self.state(*state)? }
            }
            Holds::ReplicaOf { primary } => Holds::ReplicaOf { primary: self.node(*primary)? },
            Holds::Follows { ip, port } => Holds::Follows { ip: self.host(ip, *port)?, port: PORT },
            same @ (Holds::Answers
            | Holds::Unowned { .. }
            | Holds::HoldsKeys { .. }
            | Holds::HoldsNoKeys { .. }
            | Holds::IsPrimary
            | Holds::IsEmpty
            | Holds::OffsetAtLeast { .. }
            | Holds::EpochAtLeast { .. }
            | Holds::EpochAtMost { .. }
            | Holds::StateOk
            | Holds::Setting { .. }) => same.clone(),
            Holds::HasLibrary { .. } | Holds::LogsInAsItself | Holds::WantsAPassword => {
                return None;
            }
        };
        Some(Fact { on: self.node(fact.on)?, holds })
    }

    /// A line of the model's in real words: ids, addresses, ports.
    pub fn told(&self, line: &str) -> String {
        let mut out = String::with_capacity(line.len());
        let mut rest = line;
        while !rest.is_empty() {
            let is_word = |c: char| c.is_ascii_alphanumeric() || c == '.';
            let end = rest.find(|c| !is_word(c)).unwrap_or(rest.len());
            let (word, tail) = rest.split_at(end);
            let bare = word.trim_end_matches('.');
            let mut after = tail;
            if let Some(real) = self.places.get(bare) {
                out.push_str(&self.place_in(real, &mut after));
            } else {
                out.push_str(self.back.get(bare).map_or(bare, String::as_str));
            }
            out.push_str(&word[bare.len()..]);
            let step = after.find(is_word).unwrap_or(after.len());
            out.push_str(&after[..step]);
            rest = &after[step..];
        }
        out
    }

    /// A real address in the place of a modelled one, with the ports that stand behind it.
    fn place_in(&self, real: &Endpoint, after: &mut &str) -> String {
        let bus = real.port.checked_add(BUS_PORT - PORT).unwrap_or(real.port);
        for (ports, told) in [
            (format!(" {PORT} {BUS_PORT}"), format!("{} {} {bus}", real.host, real.port)),
            (format!(" {PORT}"), format!("{} {}", real.host, real.port)),
            (format!(":{PORT}"), real.to_string()),
        ] {
            if let Some(tail) = after.strip_prefix(&ports) {
                *after = tail;
                return told;
            }
        }
        real.host.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names() -> Names {
        let ids = ["aa", "bb", "cc"].map(|two| two.repeat(20).parse().expect("an id"));
        let at = |port| Endpoint::new("127.0.0.1", port);
        let alias = BTreeMap::from([(Endpoint::new("redis-0", 7_000), at(7_000))]);
        let all = [at(7_000), at(7_001), at(7_010), Endpoint::new("redis-0", 7_000)];
        Names::new(&ids.into(), &all.into(), &alias)
    }

    #[test]
    fn the_order_of_ids_and_addresses_is_kept() {
        let ids: BTreeSet<NodeId> = (500..540).map(NodeId::made_up).collect();
        let all: BTreeSet<Endpoint> =
            (0..300).map(|n| Endpoint::new(format!("192.168.{}.{}", n % 7, n), 7_000)).collect();
        let names = Names::new(&ids, &all, &BTreeMap::new());
        let mapped: Vec<NodeId> = ids.iter().filter_map(|id| names.node(*id)).collect();
        assert!(mapped.len() == 40 && mapped.is_sorted());
        let mapped: Vec<Endpoint> = all.iter().filter_map(|at| names.place(at)).collect();
        assert!(mapped.len() == 300 && mapped.is_sorted());
    }

    #[test]
    fn one_host_with_several_ports_is_several_addresses_and_a_name_is_none_of_its_own() {
        let names = names();
        let addr = |host: &str, port| names.addr(&Endpoint::new(host, port)).expect("it is named");
        assert_ne!(addr("127.0.0.1", 7_000), addr("127.0.0.1", 7_001));
        assert_eq!(addr("127.0.0.1", 7_000), addr("redis-0", 7_000));
        assert_eq!(names.addr(&Endpoint::new("127.0.0.1", 1)), None);
    }

    #[test]
    fn a_story_is_told_in_real_words() {
        let names = names();
        let (id, addr) = (names.ids[&"bb".repeat(20).parse().expect("an id")], 2);
        let (id, ip) = (NodeId::made_up(id), ip(addr));
        let line =
            format!("{}: CLUSTER MEET {ip} 6379 16379 at {ip}:6379, {id}, {ip}.", id.short());
        let bb = "bb".repeat(20);
        assert_eq!(
            names.told(&line),
            format!(
                "bbbbbbbb: CLUSTER MEET 127.0.0.1 7001 17001 at 127.0.0.1:7001, {bb}, 127.0.0.1."
            )
        );
    }
}
