//! An observation, indexed for judging: who is a member, who says what about whom, who agrees.
//!
//! Everything here is derived from the [`Observation`] and nothing is decided. All iteration is in
//! an order that depends only on the facts, never on the order in which answers arrived.

use std::collections::{BTreeMap, BTreeSet};

use super::{BusIdentity, Fields, NodeRow, Observation, Said, Sighting, Silence, ViewRow};
use crate::model::{Endpoint, Flag, NodeId, Product, SlotSet, Version};

/// States of `slaveN` in `INFO` of a primary in which that replica is to get its data
/// (`genRedisInfoString`); the last one is Valkey's.
const IN_LINE: [&str; 3] = ["wait_bgsave", "send_bulk", "bg_transfer"];

/// What a node is.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Role {
    /// It may own slots.
    Primary,
    /// It copies a primary.
    Replica,
}

/// One node id, and all that is said of it.
#[derive(Debug, Default)]
pub struct Member {
    /// The sightings (numbers for [`Picture::sighting`]) that proved to be this id by
    /// `CLUSTER MYID` or their own row. More than one: the id lives twice, or one process was
    /// dialled by two addresses.
    pub proved: Vec<usize>,
    /// Sightings that did not tell their id, at an address that others record for this id.
    pub presumed: Vec<usize>,
    /// The row it shows about itself.
    pub own_row: Option<u32>,
    /// The distinct rows that others show about it, most observers first.
    pub rows: Vec<RowSeen>,
}

/// A row and who shows it.
#[derive(Debug)]
pub struct RowSeen {
    /// Number of the row.
    pub row: u32,
    /// The observers, numbers for [`Picture::sighting`], ascending.
    pub by: Vec<usize>,
}

/// Observers who give the same slots to the same ids.
#[derive(Debug)]
pub struct Opinion {
    /// The observers, ascending.
    pub by: Vec<usize>,
    /// Each owner with its slots, by id.
    pub owners: BTreeMap<NodeId, SlotSet>,
    /// All slots that have an owner in this opinion.
    pub assigned: SlotSet,
}

/// The index over an [`Observation`].
#[derive(Debug)]
pub struct Picture<'a> {
    seen: &'a Observation,
    sightings: Vec<&'a Sighting>,
    members: BTreeMap<NodeId, Member>,
    ids: Vec<NodeId>,
    places: Vec<Vec<(u32, u32)>>,
    opinions: Vec<Opinion>,
    at: BTreeMap<&'a Endpoint, usize>,
    believed: BTreeMap<Endpoint, BTreeSet<NodeId>>,
    bus: BTreeMap<&'a Endpoint, &'a Said<BusIdentity>>,
    on_the_bus: BTreeSet<NodeId>,
    names: BTreeMap<&'a str, &'a [String]>,
    replicas: BTreeMap<NodeId, Vec<NodeId>>,
}

/// Subjects with the first place of each, ascending. Most views show most subjects: then each is
/// put where it belongs, without sorting.
fn first_of_each(mut shown_at: Vec<(u32, u32)>, subjects: usize) -> Vec<(u32, u32)> {
    if subjects > 2 * shown_at.len() {
        shown_at.sort_unstable();
        shown_at.dedup_by_key(|(subject, _)| *subject);
        return shown_at;
    }
    let mut first = vec![u32::MAX; subjects];
    for (subject, place) in shown_at {
        if let Some(known) = first.get_mut(subject as usize) {
            *known = place.min(*known);
        }
    }
    (0..).zip(first).filter(|(_, place)| *place != u32::MAX).collect()
}

impl<'a> Picture<'a> {
    /// Builds the index. Time and memory are linear in the rows of all views.
    pub fn new(seen: &'a Observation) -> Self {
        let mut sightings: Vec<&Sighting> = seen.sightings.iter().collect();
        sightings.sort_by(|a, b| a.from.cmp(&b.from));
        let rows = seen.rows.as_slice();

        let mut ids: Vec<NodeId> = rows.iter().map(|row| row.id).collect();
        ids.extend(sightings.iter().filter_map(|sighting| sighting.myid.get().copied()));
        ids.sort_unstable();
        ids.dedup();
        let number_of = |id: &NodeId| ids.binary_search(id).ok();
        let subject: Vec<u32> = rows
            .iter()
            .map(|row| number_of(&row.id).and_then(|n| u32::try_from(n).ok()).unwrap_or(u32::MAX))
            .collect();

        let mut seen_by: Vec<Vec<usize>> = vec![Vec::new(); rows.len()];
        let mut places = Vec::with_capacity(sightings.len());
        for (observer, sighting) in sightings.iter().enumerate() {
            let mut shown_at = Vec::new();
            if let Some(view) = sighting.nodes.get() {
                shown_at.reserve(view.rows.len());
                for (place, shown) in view.rows.iter().enumerate() {
                    let Some(number) = usize::try_from(shown.row).ok().filter(|n| *n < rows.len())
                    else {
                        continue;
                    };
                    seen_by[number].push(observer);
                    shown_at.push((subject[number], u32::try_from(place).unwrap_or(u32::MAX)));
                }
            }
            places.push(first_of_each(shown_at, ids.len()));
        }

        let mut picture = Self {
            seen,
            at: sightings.iter().enumerate().map(|(n, sighting)| (&sighting.from, n)).collect(),
            sightings,
            members: BTreeMap::new(),
            ids,
            places,
            opinions: Vec::new(),
            believed: BTreeMap::new(),
            bus: seen.bus.iter().map(|probe| (&probe.address, &probe.said)).collect(),
            on_the_bus: seen.bus.iter().filter_map(|probe| Some(probe.said.get()?.id)).collect(),
            names: seen
                .names
                .iter()
                .filter_map(|found| Some((found.name.as_str(), found.said.get()?.as_slice())))
                .collect(),
            replicas: BTreeMap::new(),
        };
        picture.gather_members(rows, seen_by);
        picture.gather_replicas();
        picture.gather_opinions(rows);
        picture
    }

    fn gather_members(&mut self, rows: &'a [NodeRow], seen_by: Vec<Vec<usize>>) {
        for (number, by) in seen_by.into_iter().enumerate() {
            let (row, number) = (&rows[number], u32::try_from(number).unwrap_or(u32::MAX));
            if by.is_empty() || row.flags.has(Flag::Handshake) {
                continue;
            }
            if let Some(endpoint) = row.address.client() {
                self.believed.entry(endpoint).or_default().insert(row.id);
            }
            let member = self.members.entry(row.id).or_default();
            if row.flags.has(Flag::Myself) {
                member.proved.extend(&by);
                member.own_row.get_or_insert(number);
            } else {
                member.rows.push(RowSeen { row: number, by });
            }
        }
        for (number, sighting) in self.sightings.iter().enumerate() {
            if let Some(id) = sighting.myid.get() {
                self.members.entry(*id).or_default().proved.push(number);
            }
        }
        let proved: BTreeSet<usize> =
            self.members.values().flat_map(|member| member.proved.iter().copied()).collect();
        for member in self.members.values_mut() {
            member.proved.sort_unstable();
            member.proved.dedup();
            member.rows.sort_by(|a, b| {
                b.by.len().cmp(&a.by.len()).then(rows[a.row as usize].cmp(&rows[b.row as usize]))
            });
        }
        for (endpoint, ids) in &self.believed {
            let Some(number) = self.at.get(endpoint).filter(|n| !proved.contains(n)) else {
                continue;
            };
            for id in ids {
                if let Some(member) = self.members.get_mut(id) {
                    member.presumed.push(*number);
                }
            }
        }
    }

    fn gather_replicas(&mut self) {
        let mut replicas: BTreeMap<NodeId, Vec<NodeId>> = BTreeMap::new();
        for id in self.members.keys() {
            if let (Some(Role::Replica), Some(primary)) = (self.role(*id), self.primary_of(*id)) {
                replicas.entry(primary).or_default().push(*id);
            }
        }
        self.replicas = replicas;
    }

    fn gather_opinions(&mut self, rows: &'a [NodeRow]) {
        let (claims, claim_of) = number_claims(rows);
        let mut groups: BTreeMap<Vec<u32>, Vec<usize>> = BTreeMap::new();
        for (observer, sighting) in self.sightings.iter().enumerate() {
            let Some(view) = sighting.nodes.get() else { continue };
            let mut shown: Vec<u32> = view
                .rows
                .iter()
                .filter_map(|shown| *claim_of.get(usize::try_from(shown.row).ok()?)?)
                .collect();
            shown.sort_unstable();
            groups.entry(shown).or_default().push(observer);
        }
        let mut opinions: Vec<Opinion> = Vec::with_capacity(groups.len());
        for (shown, by) in groups {
            let owners: BTreeMap<NodeId, SlotSet> = shown
                .into_iter()
                .map(|number| claims[number as usize])
                .map(|(id, slots)| (id, slots.clone()))
                .collect();
            let assigned =
                owners.values().flat_map(|slots| slots.ranges().iter().copied()).collect();
            opinions.push(Opinion { by, owners, assigned });
        }
        opinions.sort_by(|a, b| {
            let key = |o: &Opinion| (o.by.len(), o.assigned.len());
            key(b).cmp(&key(a)).then_with(|| a.by.cmp(&b.by))
        });
        self.opinions = opinions;
    }

    /// The observation itself.
    pub const fn observation(&self) -> &'a Observation {
        self.seen
    }

    /// All sightings, by address.
    pub fn sightings(&self) -> impl Iterator<Item = (usize, &'a Sighting)> + '_ {
        self.sightings.iter().copied().enumerate()
    }

    /// The sighting of a number.
    ///
    /// # Panics
    /// When the number is none of [`Self::sightings`].
    pub fn sighting(&self, number: usize) -> &'a Sighting {
        self.sightings[number]
    }

    /// The sighting of a client address.
    pub fn sighting_at(&self, endpoint: &Endpoint) -> Option<usize> {
        self.at.get(endpoint).copied()
    }

    /// All node ids that anybody names (without handshakes), with what is said of them.
    pub fn members(&self) -> impl Iterator<Item = (NodeId, &Member)> {
        self.members.iter().map(|(id, member)| (*id, member))
    }

    /// What is said of an id.
    pub fn member(&self, id: NodeId) -> Option<&Member> {
        self.members.get(&id)
    }

    /// The row of a number.
    ///
    /// # Panics
    /// When the number is of another observation.
    pub fn row(&self, number: u32) -> &'a NodeRow {
        &self.seen.rows.as_slice()[number as usize]
    }

    /// The numbers of the sightings that showed a table, ascending.
    pub fn observers(&self) -> impl Iterator<Item = usize> + '_ {
        self.sightings().filter(|(_, sighting)| sighting.nodes.get().is_some()).map(|(n, _)| n)
    }

    /// What one observer shows about one id.
    pub fn view_of(&self, observer: usize, id: NodeId) -> Option<(&'a NodeRow, ViewRow)> {
        let subject = u32::try_from(self.ids.binary_search(&id).ok()?).ok()?;
        let index = self.places.get(observer)?;
        let at = index.partition_point(|(number, _)| *number < subject);
        let (_, place) = index.get(at).filter(|(number, _)| *number == subject)?;
        let shown = *self.sightings[observer].nodes.get()?.rows.get(*place as usize)?;
        Some((self.row(shown.row), shown))
    }

    /// All rows of one observer, in the order of its reply.
    pub fn view(&self, observer: usize) -> impl Iterator<Item = (&'a NodeRow, ViewRow)> + '_ {
        let view = self.sightings[observer].nodes.get();
        // A file may name rows that it does not have; they are left out here as in the index.
        view.into_iter()
            .flat_map(|view| view.rows.iter())
            .filter_map(|shown| Some((self.seen.rows.get(shown.row)?, *shown)))
    }

    /// Who the observer is: its proved id.
    pub fn id_of(&self, observer: usize) -> Option<NodeId> {
        let sighting = self.sightings[observer];
        sighting.myid.get().copied().or_else(|| {
            self.view(observer).find(|(row, _)| row.flags.has(Flag::Myself)).map(|(row, _)| row.id)
        })
    }

    /// The observers' opinions on who owns what, most observers first. Healthy: exactly one.
    pub fn opinions(&self) -> &[Opinion] {
        &self.opinions
    }

    /// The opinion that most observers share.
    pub fn agreed(&self) -> Option<&Opinion> {
        self.opinions.first()
    }

    /// The slots of an id in the opinion that most observers share.
    pub fn slots_of(&self, id: NodeId) -> SlotSet {
        self.agreed().and_then(|opinion| opinion.owners.get(&id)).cloned().unwrap_or_default()
    }

    /// The ids that own slots in the opinion that most observers share: those who vote.
    pub fn voters(&self) -> Vec<NodeId> {
        self.agreed().map(|opinion| opinion.owners.keys().copied().collect()).unwrap_or_default()
    }

    /// The row that most observers show about an id; its own if nobody else lists it.
    pub fn usual_row(&self, id: NodeId) -> Option<&'a NodeRow> {
        let member = self.members.get(&id)?;
        let number = member.rows.first().map(|seen| seen.row).or(member.own_row)?;
        Some(self.row(number))
    }

    /// The row an id shows about itself.
    pub fn own_row(&self, id: NodeId) -> Option<&'a NodeRow> {
        self.members.get(&id)?.own_row.map(|number| self.row(number))
    }

    /// The best sighting of an id: one that proved it, else one presumed by address.
    pub fn sighting_of(&self, id: NodeId) -> Option<&'a Sighting> {
        let member = self.members.get(&id)?;
        member.proved.first().or_else(|| member.presumed.first()).map(|n| self.sightings[*n])
    }

    /// The sighting in which an id proved to be itself: it is alive and answers clients.
    pub fn proved(&self, id: NodeId) -> Option<&'a Sighting> {
        self.members.get(&id)?.proved.first().map(|n| self.sightings[*n])
    }

    /// Where an id can be dialled: the address where it proved itself, else where most observers
    /// believe it is.
    pub fn endpoint(&self, id: NodeId) -> Option<Endpoint> {
        self.proved(id)
            .map(|sighting| sighting.from.clone())
            .or_else(|| self.usual_row(id).and_then(|row| row.address.client()))
    }

    /// The ids that anybody records for this client address.
    pub fn believed_at(&self, endpoint: &Endpoint) -> impl Iterator<Item = NodeId> + '_ {
        self.believed.get(endpoint).into_iter().flatten().copied()
    }

    /// What the bus port of an address said, if it was probed.
    pub fn bus_at(&self, address: &Endpoint) -> Option<&'a Said<BusIdentity>> {
        self.bus.get(address).copied()
    }

    /// The addresses that the resolver gave for a name; empty when it was not asked or said no.
    pub fn addresses_of(&self, name: &str) -> &'a [String] {
        self.names.get(name).copied().unwrap_or_default()
    }

    /// All bus probes that were answered, by address.
    pub fn bus_answers(&self) -> Vec<(&'a Endpoint, &'a BusIdentity)> {
        self.bus.iter().filter_map(|(address, said)| Some((*address, said.get()?))).collect()
    }

    /// An address that the user named, where nobody says who it is, and no table and no bus does.
    pub fn named_and_unknown(&self) -> Option<&'a Endpoint> {
        self.named_and(|_| true)
    }

    /// The same, where somebody may be who hangs: what was asked there did not come in time.
    pub fn named_and_hanging(&self) -> Option<&'a Endpoint> {
        self.named_and(|silence| matches!(silence, Silence::TimedOut | Silence::NoReply))
    }

    fn named_and(&self, how: impl Fn(&Silence) -> bool) -> Option<&'a Endpoint> {
        let told = |at: &Endpoint| {
            let rows = self.seen.rows.as_slice();
            rows.iter().any(|row| row.address.client().as_ref() == Some(at))
                || self.bus.iter().any(|(bus, said)| bus.host == at.host && said.get().is_some())
                || self.addresses_of(&at.host).len() > 1
        };
        let silent = |at: &Endpoint| {
            let nobody = self.sighting_at(at).filter(|n| self.id_of(*n).is_none());
            nobody.and_then(|n| self.sighting(n).nodes.silence()).is_some_and(&how)
        };
        self.seen.named.iter().find(|at| silent(at) && !told(at))
    }

    /// Whether an id is alive somewhere: it answered a client or a bus probe.
    pub fn is_alive(&self, id: NodeId) -> bool {
        self.proved(id).is_some() || self.on_the_bus.contains(&id)
    }

    /// Whether a member that nobody reaches at its recorded address is not even suspected, long
    /// after its last pong. What comes from it counts as a sign of life (`data_received` in
    /// `clusterCron`): it goes on dialling the others.
    pub fn is_heard_from_elsewhere(&self, id: NodeId) -> bool {
        if self.is_alive(id) {
            return false;
        }
        let long_ms = 4 * self.node_timeout_ms();
        let mut long = false;
        for record in self.member(id).into_iter().flat_map(|member| &member.rows) {
            let row = self.row(record.row);
            let down = row.flags.has(Flag::Failed) || row.flags.has(Flag::Suspected);
            if down || row.address.ip.is_empty() || row.flags.has(Flag::Handshake) {
                return false;
            }
            for (_, shown) in record.by.iter().filter_map(|by| self.view_of(*by, id)) {
                let never = shown.pong_age_ms == u32::MAX;
                if !never && u64::from(shown.pong_age_ms) <= long_ms {
                    return false;
                }
                long |= !never;
            }
        }
        long
    }

    /// What an id is: by its own words if it answered, else by what most observers say.
    pub fn role(&self, id: NodeId) -> Option<Role> {
        let row = self.own_row(id).or_else(|| self.usual_row(id))?;
        if row.flags.has(Flag::Primary) {
            Some(Role::Primary)
        } else if row.flags.has(Flag::Replica) {
            Some(Role::Replica)
        } else {
            None
        }
    }

    /// The primary of a replica: by its own words, else by what most observers say.
    pub fn primary_of(&self, id: NodeId) -> Option<NodeId> {
        self.own_row(id).or_else(|| self.usual_row(id))?.primary
    }

    /// The replicas of a primary: by their own words, else by what most observers say.
    pub fn replicas_of(&self, primary: NodeId) -> Vec<NodeId> {
        self.replicas.get(&primary).cloned().unwrap_or_default()
    }

    /// Whether a replica is being given the data of its primary: it says so itself, or its primary
    /// has it in line. A primary without a disk in between lets a replica wait for others that may
    /// come (`repl-diskless-sync-delay`, 5 s), and the replica has no word for that.
    pub fn is_being_copied(&self, replica: NodeId) -> bool {
        let Some(info) = self.info_of(replica).filter(|info| info.is("role", "slave")) else {
            return false;
        };
        if info.is("master_sync_in_progress", "1") {
            return true;
        }
        let source = self.primary_of(replica).and_then(|id| self.info_of(id));
        let Some(source) = source.filter(|_| info.is("master_link_status", "down")) else {
            return false;
        };
        let at = self.told_places(replica);
        let mut lines = (0..).map_while(|n| source.get(&format!("slave{n}")));
        let in_line = lines.any(|line| {
            let part = |name: &str| {
                line.split(',').find_map(|part| part.strip_prefix(name)?.strip_prefix('='))
            };
            let here = format!("{} {}", part("ip").unwrap_or(""), part("port").unwrap_or(""));
            at.contains(&here) && part("state").is_some_and(|state| IN_LINE.contains(&state))
        });
        in_line && !source.is("rdb_last_bgsave_status", "err")
    }

    /// Where an id is, as others see it: hosts and client ports.
    fn told_places(&self, id: NodeId) -> BTreeSet<String> {
        let dialled = self.proved(id).map(|sighting| &sighting.from);
        let dialled = dialled.map(|from| format!("{} {}", from.host, from.port));
        let rows = self.own_row(id).into_iter().chain(self.usual_row(id));
        let told = rows.map(|row| format!("{} {}", row.address.ip, row.address.port));
        dialled.into_iter().chain(told).collect()
    }

    /// `INFO` of an id, if it proved itself and answered.
    pub fn info_of(&self, id: NodeId) -> Option<&'a Fields> {
        self.proved(id)?.info.get()
    }

    /// `CONFIG GET` of an id, if it proved itself and may be asked.
    pub fn config_of(&self, id: NodeId) -> Option<&'a Fields> {
        self.proved(id)?.config.get()
    }

    /// The server and version behind a sighting.
    pub fn version(&self, sighting: &Sighting) -> Option<Version> {
        let info = sighting.info.get()?;
        info.get("valkey_version")
            .and_then(|text| Version::parse(Product::Valkey, text))
            .or_else(|| Version::parse(Product::Redis, info.get("redis_version")?))
    }

    /// The server and version of an id.
    pub fn version_of(&self, id: NodeId) -> Option<Version> {
        self.version(self.proved(id)?)
    }

    /// The greatest `cluster-node-timeout` anybody told, in milliseconds; the servers' default of
    /// 15000 if nobody did.
    pub fn node_timeout_ms(&self) -> u64 {
        self.sightings
            .iter()
            .filter_map(|sighting| sighting.config.get()?.number("cluster-node-timeout"))
            .max()
            .unwrap_or(15_000)
    }

    /// A node for a sentence: where it is, and the head of its id.
    pub fn name(&self, id: NodeId) -> String {
        match self.endpoint(id) {
            Some(endpoint) => format!("{endpoint} ({})", id.short()),
            None => format!("node {}", id.short()),
        }
    }

    /// The members that can be asked and did not show a table, by id: what is missing for a
    /// complete view.
    pub fn silent_members(&self) -> Vec<NodeId> {
        self.members
            .iter()
            .filter(|(_, member)| {
                !member.proved.iter().any(|n| self.sightings[*n].nodes.get().is_some())
            })
            .map(|(id, _)| *id)
            .collect()
    }
}

/// The distinct claims (an id and its slots, sorted), and for each row the number of its claim;
/// `None` for a row without slots. Comparing numbers is what keeps a thousand views cheap.
fn number_claims(rows: &[NodeRow]) -> (Vec<(NodeId, &SlotSet)>, Vec<Option<u32>>) {
    let claim = |row: &NodeRow| (!row.slots.is_empty()).then_some(row.id);
    let mut claims: Vec<(NodeId, &SlotSet)> =
        rows.iter().filter_map(|row| Some((claim(row)?, &row.slots))).collect();
    claims.sort_unstable();
    claims.dedup();
    let number = |row: &NodeRow| {
        let at = claims.binary_search(&(claim(row)?, &row.slots)).ok()?;
        u32::try_from(at).ok()
    };
    let numbers = rows.iter().map(number).collect();
    (claims, numbers)
}

#[cfg(test)]
mod tests {
    use super::first_of_each;

    #[test]
    fn few_and_many_subjects_give_the_same_index() {
        let shown = vec![(4, 0), (1, 1), (4, 2), (0, 3)];
        let expected = [(0, 3), (1, 1), (4, 0)];
        assert_eq!(first_of_each(shown.clone(), 5), expected);
        assert_eq!(first_of_each(shown, 5_000), expected);
        assert_eq!(first_of_each(Vec::new(), 0), []);
    }
}
