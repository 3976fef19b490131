//! The nodes that answered: who each is, where its peers can find it, what it shows.

use std::net::IpAddr;

use super::{Reason, Why};
use crate::model::{Endpoint, Flag, NodeId, SlotSet, Version};
use crate::observation::{Census, NodeRow, Picture, Sighting};

/// A node that proved its id and showed its table.
#[derive(Clone, Debug)]
pub(super) struct Live<'a> {
    pub(super) id: NodeId,
    /// Where we dial it.
    pub(super) dial: Endpoint,
    /// Where its peers can dial it: numeric, as `CLUSTER MEET` wants it.
    pub(super) ip: String,
    /// The client port that it announces.
    pub(super) port: u16,
    /// Its bus port.
    pub(super) bus_port: u16,
    /// Its number in the picture.
    pub(super) observer: usize,
    /// Its row about itself.
    pub(super) own: &'a NodeRow,
    pub(super) sighting: &'a Sighting,
}

impl<'a> Live<'a> {
    pub(super) fn is_primary(&self) -> bool {
        self.own.flags.has(Flag::Primary)
    }

    /// Whether its settings make it announce another IP than the one where it lives: the next ping
    /// brings that back, whoever is told otherwise.
    pub(super) fn announces_elsewhere(&self) -> bool {
        let announced = self.sighting.config.get().and_then(|c| c.get("cluster-announce-ip"));
        announced.is_some_and(|ip| !ip.is_empty() && *ip != self.ip)
    }

    /// The slots that hold keys here; `None` when they were not counted.
    pub(super) fn census(&self) -> Option<&'a Census> {
        self.sighting.census.get()
    }

    /// Whether it takes `ADDSLOTSRANGE` and `DELSLOTSRANGE`.
    pub(super) fn takes_ranges(&self, seen: &Picture<'_>) -> bool {
        seen.version(self.sighting).is_none_or(|version: Version| version.release >= (7, 0, 0))
    }

    /// Whether it has a key in any database.
    pub(super) fn has_keys(&self) -> Option<bool> {
        if let Some(census) = self.census() {
            return Some(!census.keys.is_empty());
        }
        let info = self.sighting.info.get()?;
        Some(info.iter().any(|(name, value)| name.starts_with("db") && value.contains("keys=")))
    }

    /// Whether it is nobody's yet: a primary without slots and keys that knows no other node and
    /// that none of these others knows.
    pub(super) fn is_blank(&self, seen: &Picture<'a>, others: &[Self]) -> bool {
        let is_known = |other: &Self| other.id != self.id && other.row(seen, self.id).is_some();
        if others.iter().any(is_known) {
            return false;
        }
        let knows_nobody = seen.view(self.observer).all(|(row, _)| row.id == self.id);
        let is_bare = self.own.slots.is_empty() && self.own.open.is_empty();
        knows_nobody && is_bare && self.is_primary() && self.has_keys() == Some(false)
    }

    /// The slots it claims, as a primary.
    pub(super) fn claims(&self) -> SlotSet {
        if self.is_primary() { self.own.slots.clone() } else { SlotSet::new() }
    }

    /// Its row about a node, if it has one.
    pub(super) fn row(&self, seen: &Picture<'a>, id: NodeId) -> Option<&'a NodeRow> {
        seen.view_of(self.observer, id).map(|(row, _)| row)
    }
}

/// All of them, by id.
///
/// # Errors
/// When an id answers from two processes: every command by id would go to either.
pub(super) fn all<'a>(seen: &Picture<'a>) -> Result<Vec<Live<'a>>, Why> {
    let mut live: Vec<Live<'a>> = Vec::new();
    for (observer, sighting) in seen.sightings() {
        let (Some(id), Some(_)) = (seen.id_of(observer), sighting.nodes.get()) else {
            continue;
        };
        let Some((own, _)) = seen.view_of(observer, id) else { continue };
        let Some(ip) = numeric(seen, sighting) else { continue };
        let port = if own.address.port == 0 { sighting.from.port } else { own.address.port };
        let bus_port = own.address.bus_port.filter(|port| *port != 0);
        let Some(bus_port) = bus_port.or_else(|| port.checked_add(10_000)) else { continue };
        let node =
            Live { id, dial: sighting.from.clone(), ip, port, bus_port, observer, own, sighting };
        match live.iter().position(|known| known.id == id) {
            None => live.push(node),
            Some(at) if is_one_process(live[at].sighting, sighting) => {}
            Some(_) => {
                let why = format!("node id {} answers from two processes", id.short());
                return Err(Reason::TwoProcesses.says(why));
            }
        }
    }
    live.sort_by_key(|node| node.id);
    Ok(live)
}

/// Whether two addresses lead to one process: its `run_id` is made at each start.
fn is_one_process(a: &Sighting, b: &Sighting) -> bool {
    let run_id = |sighting: &Sighting| {
        sighting.info.get().and_then(|info| info.get("run_id").map(str::to_owned))
    };
    run_id(a).is_some() && run_id(a) == run_id(b)
}

/// The IP of a node as its peers dial it: the one we dialled, or what the name we dialled
/// resolves to, when that is one.
fn numeric(seen: &Picture<'_>, sighting: &Sighting) -> Option<String> {
    let host = &sighting.from.host;
    if host.parse::<IpAddr>().is_ok() {
        return Some(host.clone());
    }
    match seen.addresses_of(host) {
        [one] => Some(one.clone()),
        _ => None,
    }
}
