//! `check --as-client`: meets a cluster as a client library does at bootstrap.
//!
//! All seeds are tried at once; a library tries them one after the other, which changes when an
//! error comes and not which. Judged in [`slotwright_core::client_eye`].

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use slotwright_core::client_eye::{AnnouncedTry, ClientEye, SLOTS_REFRESH_TIMEOUT_MS, SeedTry};
use slotwright_core::limits::INFO_BYTES_MAX;
use slotwright_core::model::{Endpoint, Flag};
use slotwright_core::observation::{Fields, NameLookup, Observation, RowTable, Said, Silence};
use slotwright_core::wire::resp::Value;
use slotwright_core::wire::{cluster_nodes, cluster_slots, info};
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::command::Command;
use crate::connection::{Connection, Patience, dial};
use crate::memory::Memory;
use crate::names;
use crate::observe::WITHHELD;
use crate::target::{Login, Target};
use crate::tls::Tls;

/// Announced nodes that are dialled; a client takes one of them.
const ANNOUNCED_MAX: usize = 200;

/// Tries the seeds of a target as a client would, then the nodes that they announce. An announced
/// node gets the credentials only when `seen` shows that it took them before, or when the user
/// named it.
pub async fn client_eye(target: &Target, seen: &Observation) -> ClientEye {
    let begun = Instant::now();
    let patient = begun + target.timeout.max(Duration::from_millis(1));
    let hurried = patient.min(begun + Duration::from_millis(u64::from(SLOTS_REFRESH_TIMEOUT_MS)));
    let eye = Arc::new(Eye {
        tls: target.tls.clone(),
        login: target.login.clone(),
        memory: Memory::new(),
    });
    let mut names = look_up(target.seeds.iter().map(|seed| seed.host.clone()), patient).await;
    let seeds = try_seeds(&eye, &target.seeds, &names, hurried).await;
    let owners = announced(&seeds);
    let hosts = owners.keys().map(|node| node.host.clone());
    let new = hosts.filter(|host| !names.contains_key(host)).collect::<BTreeSet<_>>();
    names.extend(look_up(new.into_iter(), patient).await);
    let mut tasks = JoinSet::new();
    for (node, is_owner) in owners {
        let address = address(&names, &node);
        let trusted = is_trusted(target, seen, &node, &address);
        let eye = Arc::clone(&eye);
        let until = Instant::now() + target.timeout;
        tasks.spawn(async move {
            let cluster_info = eye.cluster_info(&node, address, trusted, until).await;
            AnnouncedTry { node, is_owner, cluster_info }
        });
    }
    let mut announced = tasks.join_all().await;
    announced.sort_by(|a, b| a.node.cmp(&b.node));
    let told = |found: Result<Vec<IpAddr>, Silence>| {
        Said::from(found.map(|all| all.iter().map(IpAddr::to_string).collect()))
    };
    let names =
        names.into_iter().map(|(name, found)| NameLookup { name, said: told(found) }).collect();
    ClientEye { seeds, announced, names }
}

type Names = BTreeMap<String, Result<Vec<IpAddr>, Silence>>;

struct Eye {
    tls: Option<Tls>,
    login: Option<Login>,
    memory: Arc<Memory>,
}

async fn look_up(hosts: impl Iterator<Item = String>, until: Instant) -> Names {
    let mut tasks = JoinSet::new();
    for host in hosts.filter(|host| names::literal(host).is_none()).collect::<BTreeSet<_>>() {
        tasks.spawn(async move {
            let found = names::look_up(&host, until).await;
            (host, found)
        });
    }
    tasks.join_all().await.into_iter().collect()
}

/// The address that a client dials: the first that the resolver names.
fn address(names: &Names, endpoint: &Endpoint) -> Result<SocketAddr, Silence> {
    let ip = match (names::literal(&endpoint.host), names.get(&endpoint.host)) {
        (Some(ip), _) => ip,
        (None, Some(Ok(found))) => *found.first().ok_or(Silence::NameNotFound)?,
        (None, Some(Err(silence))) => return Err(silence.clone()),
        (None, None) => return Err(Silence::NameNotFound),
    };
    Ok(SocketAddr::new(ip, endpoint.port))
}

/// Each announced endpoint that can be dialled, and whether it owns slots.
fn announced(seeds: &[SeedTry]) -> BTreeMap<Endpoint, bool> {
    let mut nodes = BTreeMap::new();
    let ranges = seeds.iter().filter_map(|seed| seed.slots.get()).flatten();
    for range in ranges {
        for (number, node) in range.nodes.iter().enumerate() {
            let Some(host) = node.endpoint.as_ref().filter(|host| !host.is_empty()) else {
                continue;
            };
            let known = nodes.len();
            let endpoint = Endpoint::new(host.clone(), node.port);
            if known < ANNOUNCED_MAX || nodes.contains_key(&endpoint) {
                *nodes.entry(endpoint).or_insert(false) |= number == 0;
            }
        }
    }
    nodes
}

fn is_trusted(
    target: &Target,
    seen: &Observation,
    node: &Endpoint,
    address: &Result<SocketAddr, Silence>,
) -> bool {
    let by_ip = address.as_ref().ok().map(|at| Endpoint::new(at.ip().to_string(), at.port()));
    let same = |other: &Endpoint| other == node || Some(other) == by_ip.as_ref();
    let took_credentials = seen
        .sightings
        .iter()
        .any(|sighting| same(&sighting.from) && sighting.nodes.get().is_some());
    target.tls.as_ref().is_some_and(Tls::proves_identity)
        || took_credentials
        || target.seeds.iter().chain(&target.trusted).any(same)
}

async fn try_seeds(
    eye: &Arc<Eye>,
    seeds: &[Endpoint],
    names: &Names,
    until: Instant,
) -> Vec<SeedTry> {
    let mut tasks = JoinSet::new();
    for (number, seed) in seeds.iter().cloned().enumerate() {
        let (eye, address) = (Arc::clone(eye), address(names, &seed));
        tasks.spawn(async move { (number, eye.try_seed(seed, address, until).await) });
    }
    let mut tried = tasks.join_all().await;
    tried.sort_by_key(|(number, _)| *number);
    tried.into_iter().map(|(_, seed)| seed).collect()
}

impl Eye {
    async fn try_seed(
        &self,
        seed: Endpoint,
        address: Result<SocketAddr, Silence>,
        until: Instant,
    ) -> SeedTry {
        let begun = Instant::now();
        let questions = [Command::ClusterSlots, Command::ClusterNodes];
        let mut slots = Said::Nothing(Silence::NotAsked);
        let mut nodes = Said::Nothing(Silence::NotAsked);
        self.ask(&seed, address, true, &questions, until, |number, answer| {
            if number == 0 {
                slots = read(answer, cluster_slots::parse);
            } else {
                nodes = read(answer, usable_nodes);
            }
        })
        .await;
        SeedTry {
            slots,
            usable_nodes: nodes,
            took_ms: u32::try_from(begun.elapsed().as_millis()).unwrap_or(u32::MAX),
            seed,
        }
    }

    async fn cluster_info(
        &self,
        node: &Endpoint,
        address: Result<SocketAddr, Silence>,
        trusted: bool,
        until: Instant,
    ) -> Said<Fields> {
        let withheld = self.login.is_some() && !trusted;
        let mut said = Said::Nothing(Silence::NotAsked);
        let questions = [Command::ClusterInfo];
        self.ask(node, address, trusted, &questions, until, |_, answer| {
            said = match answer {
                Err(Silence::AuthFailed(_)) if withheld => {
                    Said::Nothing(Silence::AuthFailed(WITHHELD.to_owned()))
                }
                other => read(other, |value| {
                    let text = value.bytes()?;
                    (text.len() <= INFO_BYTES_MAX).then(|| info::parse(text))
                }),
            };
        })
        .await;
        said
    }

    /// Hands over one answer for each question. What is wrong with the login is the answer to all:
    /// a client stops there.
    async fn ask(
        &self,
        endpoint: &Endpoint,
        address: Result<SocketAddr, Silence>,
        trusted: bool,
        questions: &[Command],
        until: Instant,
        mut keep: impl FnMut(usize, Result<Value<'_>, Silence>) + Send,
    ) {
        let patience = Patience::until(until);
        let dialled = match address {
            Ok(address) => dial(address, &endpoint.host, self.tls.as_ref(), &patience).await.wire,
            Err(silence) => Err(silence),
        };
        let wrong = match dialled {
            Ok(wire) => {
                let mut connection = Connection::over(wire, &self.memory, patience);
                let login = self.login.as_ref().filter(|_| trusted);
                connection.ask(login, questions, &mut keep).await
            }
            Err(silence) => Some(silence),
        };
        if let Some(wrong) = wrong {
            (0..questions.len()).for_each(|number| keep(number, Err(wrong.clone())));
        }
    }
}

fn read<T>(
    answer: Result<Value<'_>, Silence>,
    parse: impl FnOnce(&Value<'_>) -> Option<T>,
) -> Said<T> {
    let shapeless = || Silence::Garbage("an answer of another shape than the question has".into());
    Said::from(answer.and_then(|value| parse(&value).ok_or_else(shapeless)))
}

/// Entries that Lettuce keeps: with an address and not `noaddr`.
fn usable_nodes(reply: &Value<'_>) -> Option<u32> {
    let mut rows = RowTable::default();
    cluster_nodes::parse(reply.bytes()?, &mut rows);
    let usable = rows
        .as_slice()
        .iter()
        .filter(|row| row.address.client().is_some() && !row.flags.has(Flag::NoAddress));
    u32::try_from(usable.count()).ok()
}

#[cfg(test)]
mod tests {
    use slotwright_core::model::SlotSet;
    use slotwright_core::observation::{SlotsNode, SlotsRange};

    use super::*;

    #[test]
    fn empty_and_null_endpoints_are_not_dialled() {
        let node = |endpoint: Option<&str>| SlotsNode {
            endpoint: endpoint.map(str::to_owned),
            port: 1,
            id: None,
            metadata: Fields::default(),
        };
        let range = SlotsRange {
            slots: SlotSet::all(),
            nodes: vec![node(Some("10.0.0.1")), node(None), node(Some("")), node(Some("b"))],
        };
        let seed = SeedTry {
            seed: Endpoint::new("a", 1),
            slots: Said::This(vec![range]),
            usable_nodes: Said::This(1),
            took_ms: 0,
        };
        let nodes: Vec<(Endpoint, bool)> = announced(&[seed]).into_iter().collect();
        let expected = [(Endpoint::new("10.0.0.1", 1), true), (Endpoint::new("b", 1), false)];
        assert_eq!(nodes, expected);
    }
}
