//! What a look at the modelled servers shows: the same [`Observation`] that a look at real ones
//! makes.

use std::collections::BTreeSet;

use slotwright_core::model::{
    ConfigEpoch, CurrentEpoch, Endpoint, Flag, Flags, NodeAddress, NodeId, ReplOffset, Slot,
    SlotSet,
};
use slotwright_core::observation::{
    BusIdentity, BusSighting, Census, Fields, LinkState, NodeRow, NodesView, Observation, OpenSlot,
    RowTable, Said, Sighting, Silence, SlotsNode, SlotsRange, ViewRow,
};
use slotwright_core::scenario::Server as Kind;

use crate::server::{Addr, Node, Open, Peer, slot_of};
use crate::world::World;

/// Every modelled server has this client port, and this bus port.
pub const PORT: u16 = 6379;
/// See [`PORT`].
pub const BUS_PORT: u16 = 16_379;
/// The world begins then, in milliseconds since 1970.
const EPOCH_MS: u64 = 1_700_000_000_000;

/// The IP of an address.
pub fn ip(addr: Addr) -> String {
    // A look makes hundreds of them: without `format!`.
    let mut text = String::with_capacity("10.0.255.255".len());
    text.push_str("10.0.");
    push_number(&mut text, addr / 256);
    text.push('.');
    push_number(&mut text, addr % 256);
    text
}

fn push_number(text: &mut String, number: u32) {
    if number >= 10 {
        push_number(text, number / 10);
    }
    text.extend(char::from_digit(number % 10, 10));
}

fn at(addr: Addr) -> Endpoint {
    Endpoint::new(ip(addr), PORT)
}

/// What is asked beside id, table, state and `INFO`.
#[derive(Clone, Copy, Debug, Default)]
pub struct Asked<'a> {
    /// The keys in these slots.
    pub count: Option<&'a SlotSet>,
    /// `CONFIG GET`.
    pub settings: bool,
    /// `CLUSTER SLOTS`.
    pub client: bool,
}

impl World {
    /// Whether commands of ours get to a server and answers back.
    pub fn is_reached(&self, n: usize) -> bool {
        self.nodes[n].is_live() && !self.client_cut.contains(&n)
    }

    /// A look at these addresses and at all that those who answer name. With a census of all
    /// slots.
    pub fn look(&self, seeds: &BTreeSet<Addr>) -> Observation {
        let mut all = seeds.clone();
        loop {
            let mut more = BTreeSet::new();
            for addr in &all {
                let Some(n) = self.listener(*addr).filter(|n| self.is_reached(*n)) else {
                    continue;
                };
                more.extend(self.nodes[n].peers.iter().filter_map(|peer| peer.addr));
            }
            if more.is_subset(&all) {
                break;
            }
            all.extend(more);
        }
        let everything = Asked { count: Some(&SlotSet::all()), settings: true, client: true };
        let mut seen = self.ask(&all, everything);
        seen.named = seeds.iter().map(|addr| at(*addr)).collect();
        for addr in &all {
            seen.bus.push(self.probe(*addr));
        }
        seen
    }

    /// A look at these addresses only.
    pub fn ask(&self, addrs: &BTreeSet<Addr>, asked: Asked<'_>) -> Observation {
        let mut seen = Observation::empty();
        seen.at_ms = EPOCH_MS + self.now;
        for addr in addrs {
            let sighting = self.sighting(*addr, &mut seen.rows, asked);
            seen.sightings.push(sighting);
        }
        seen.rows.seal();
        seen
    }

    fn silence(&self, addr: Addr) -> Silence {
        match self.listener(addr) {
            None => Silence::Refused,
            Some(_) => Silence::TimedOut,
        }
    }

    fn probe(&self, addr: Addr) -> BusSighting {
        let found = self.listener(addr).filter(|n| self.nodes[*n].is_live());
        let said = match found {
            None => Said::Nothing(self.silence(addr)),
            Some(n) => Said::This(identity(&self.nodes[n])),
        };
        BusSighting { address: Endpoint::new(ip(addr), BUS_PORT), said, over_tls: None }
    }

    fn sighting(&self, addr: Addr, rows: &mut RowTable, asked: Asked<'_>) -> Sighting {
        let mut sighting = Sighting::new(at(addr));
        sighting.at_ms = EPOCH_MS + self.now;
        let Some(n) = self.listener(addr).filter(|n| self.is_reached(*n)) else {
            let silence = self.silence(addr);
            sighting.ping = Said::Nothing(silence.clone());
            sighting.myid = Said::Nothing(silence.clone());
            sighting.nodes = Said::Nothing(silence.clone());
            sighting.cluster_info = Said::Nothing(silence.clone());
            sighting.info = Said::Nothing(silence);
            return sighting;
        };
        let node = &self.nodes[n];
        sighting.ping = Said::This(());
        sighting.myid = Said::This(NodeId::made_up(node.id));
        sighting.whoami = Said::This("default".to_owned());
        sighting.clock_ms = Said::This(sighting.at_ms);
        sighting.nodes = Said::This(self.table_of(node, rows));
        sighting.cluster_info = Said::This(cluster_info(node));
        sighting.info = Said::This(self.info(node));
        if asked.settings {
            sighting.config = Said::This(config(node));
        }
        if asked.client {
            sighting.slots = Said::This(client_slots(node));
        }
        if let Some(counted) = asked.count {
            sighting.census = Said::This(census(node, counted));
        }
        sighting
    }

    fn table_of(&self, node: &Node, rows: &mut RowTable) -> NodesView {
        let newest = node.peers.iter().map(|peer| peer.pong_at).max().unwrap_or(0);
        let mut view = NodesView::default();
        view.rows.push(ViewRow { row: rows.add(own_row(node)), ping_waits_ms: 0, pong_age_ms: 0 });
        for peer in &node.peers {
            let waits = if peer.ping_sent == 0 { 0 } else { (self.now - peer.ping_sent).max(1) };
            view.rows.push(ViewRow {
                row: rows.add(row_of(node, peer)),
                ping_waits_ms: u32::try_from(waits).unwrap_or(u32::MAX),
                pong_age_ms: match peer.pong_at {
                    // As it is read off a table: there never was one.
                    0 => u32::MAX,
                    at => u32::try_from(newest - at).unwrap_or(u32::MAX),
                },
            });
        }
        view
    }

    fn info(&self, node: &Node) -> Fields {
        let version = match node.kind {
            Kind::Redis70 => "7.0.15",
            Kind::Redis82 => "8.2.3",
            Kind::Valkey91 => "7.2.4",
        };
        let up_s = (self.now - node.started_at.min(self.now)) / 1_000;
        let up_s = up_s.to_string();
        let run_id = format!("{:032x}{:08x}", node.id, node.boot);
        let replid = format!("{:040x}", node.primary.unwrap_or(node.id));
        let (offset, port) = (node.offset.to_string(), PORT.to_string());
        let db0 = format!("keys={},expires=0,avg_ttl=0", node.keys.len());
        let (host, down_s) = (node.master.map(ip).unwrap_or_default(), self.down_s(node));
        let slaves = self.linked_replicas(node).to_string();
        let is_replica = node.primary.is_some();
        let link = if node.link_up { "up" } else { "down" };
        // By name: what is sorted already is not sorted again.
        let all = [
            (true, "aof_enabled", "1"),
            (true, "aof_last_write_status", "ok"),
            (true, "cluster_enabled", "1"),
            (true, "connected_clients", "5"),
            (!is_replica, "connected_slaves", &slaves),
            (!node.keys.is_empty(), "db0", &db0),
            (true, "loading", "0"),
            (is_replica, "master_host", &host),
            (is_replica && !node.link_up, "master_link_down_since_seconds", &down_s),
            (is_replica, "master_link_status", link),
            (is_replica, "master_port", &port),
            (true, "master_repl_offset", &offset),
            (true, "master_replid", &replid),
            (is_replica, "master_sync_in_progress", "0"),
            (true, "maxclients", "10000"),
            (true, "maxmemory", "0"),
            (true, "rdb_last_bgsave_status", "ok"),
            (true, "redis_mode", "cluster"),
            (true, "redis_version", version),
            (true, "role", if is_replica { "slave" } else { "master" }),
            (true, "run_id", &run_id),
            (node.is_valkey(), "server_name", "valkey"),
            (is_replica, "slave_repl_offset", &offset),
            (true, "uptime_in_seconds", &up_s),
            (true, "used_memory", "1000000"),
            (node.is_valkey(), "valkey_version", "9.1.2"),
        ];
        let has = all.into_iter().filter(|(has, ..)| *has);
        has.map(|(_, name, value)| (name, value)).collect()
    }

    fn down_s(&self, node: &Node) -> String {
        match node.synced {
            Some(_) => (self.now.saturating_sub(node.link_down_at) / 1_000).to_string(),
            None => "-1".to_owned(),
        }
    }

    fn linked_replicas(&self, node: &Node) -> usize {
        let own = self
            .nodes
            .iter()
            .filter(|other| other.is_live() && other.primary == Some(node.id) && other.link_up);
        own.count()
    }
}

fn identity(node: &Node) -> BusIdentity {
    let head = crate::cron::header(node);
    BusIdentity {
        id: NodeId::made_up(node.id),
        flags: own_flags(node),
        primary: node.primary.map(NodeId::made_up),
        config_epoch: ConfigEpoch(head.epoch),
        current_epoch: CurrentEpoch(head.current),
        offset: ReplOffset(node.offset),
        slots: SlotSet::clone(&head.slots),
        ip: String::new(),
        port: PORT,
        bus_port: BUS_PORT,
        state_ok: node.ok,
    }
}

fn own_flags(node: &Node) -> Flags {
    let role = if node.primary.is_some() { Flag::Replica } else { Flag::Primary };
    Flags::none().with(Flag::Myself).with(role)
}

fn address(addr: Option<Addr>) -> NodeAddress {
    match addr {
        Some(addr) => {
            NodeAddress { ip: ip(addr), port: PORT, bus_port: Some(BUS_PORT), hostname: None }
        }
        None => NodeAddress { ip: String::new(), port: 0, bus_port: Some(0), hostname: None },
    }
}

pub(crate) fn own_row(node: &Node) -> NodeRow {
    let mut place = address(node.self_addr);
    (place.port, place.bus_port) = (PORT, Some(BUS_PORT));
    let open = node.open.iter().filter_map(|(slot, open)| {
        let slot = Slot::new(*slot)?;
        Some(match open {
            Open::Migrating(to) => OpenSlot::Migrating { slot, to: NodeId::made_up(*to) },
            Open::Importing(from) => OpenSlot::Importing { slot, from: NodeId::made_up(*from) },
        })
    });
    let epoch = node.primary.map_or(node.config_epoch, |primary| node.epoch_of(primary));
    NodeRow {
        id: NodeId::made_up(node.id),
        address: place,
        flags: own_flags(node),
        primary: node.primary.map(NodeId::made_up),
        epoch: ConfigEpoch(epoch),
        link: LinkState::Connected,
        slots: SlotSet::clone(&node.slots),
        open: open.collect(),
    }
}

pub(crate) fn row_of(node: &Node, peer: &Peer) -> NodeRow {
    let mut flags = Flags::none();
    if peer.handshake.is_some() {
        flags = flags.with(Flag::Handshake);
    } else {
        flags = flags.with(if peer.is_replica { Flag::Replica } else { Flag::Primary });
    }
    let marks = [
        (peer.suspected, Flag::Suspected),
        (peer.failed_at.is_some(), Flag::Failed),
        (peer.addr.is_none(), Flag::NoAddress),
    ];
    let flags = marks.iter().filter(|(on, _)| *on).fold(flags, |all, (_, flag)| all.with(*flag));
    let link = if peer.link.is_some() { LinkState::Connected } else { LinkState::Disconnected };
    let epoch = match peer.primary {
        Some(primary) if peer.is_replica => node.epoch_of(primary),
        _ => peer.epoch,
    };
    NodeRow {
        id: NodeId::made_up(peer.id),
        address: address(peer.addr),
        flags,
        primary: peer.primary.filter(|_| peer.is_replica).map(NodeId::made_up),
        epoch: ConfigEpoch(epoch),
        link,
        slots: SlotSet::clone(&peer.slots),
        open: Vec::new(),
    }
}

fn cluster_info(node: &Node) -> Fields {
    // No slot has two owners in one table.
    let failing = |pick: fn(&Peer) -> bool| -> u64 {
        node.peers.iter().filter(|peer| pick(peer)).map(|peer| u64::from(peer.slots.len())).sum()
    };
    let assigned = u64::from(node.slots.len()) + failing(|_| true);
    let failed = failing(|peer| peer.failed_at.is_some());
    let suspected = failing(|peer| peer.suspected);
    let known = node.peers.iter().filter(|peer| peer.handshake.is_none()).count() + 1;
    let epoch = node.primary.map_or(node.config_epoch, |primary| node.epoch_of(primary));
    let text = [
        node.current_epoch,
        known as u64,
        epoch,
        node.size() as u64,
        assigned,
        failed,
        assigned.saturating_sub(failed + suspected),
        suspected,
    ]
    .map(|number| number.to_string());
    let names = [
        "cluster_current_epoch",
        "cluster_known_nodes",
        "cluster_my_epoch",
        "cluster_size",
        "cluster_slots_assigned",
        "cluster_slots_fail",
        "cluster_slots_ok",
        "cluster_slots_pfail",
    ];
    let numbers = names.into_iter().zip(text.iter().map(String::as_str));
    let state = ("cluster_state", if node.ok { "ok" } else { "fail" });
    numbers.chain([state]).collect()
}

fn config(node: &Node) -> Fields {
    let timeout = node.timeout.to_string();
    let all = [
        ("appendonly", "yes"),
        ("cluster-announce-ip", ""),
        ("cluster-node-timeout", &timeout),
        ("cluster-preferred-endpoint-type", "ip"),
        ("cluster-replica-no-failover", "no"),
        ("cluster-replica-validity-factor", "10"),
        ("cluster-require-full-coverage", "yes"),
    ];
    all.into_iter().collect()
}

fn client_slots(node: &Node) -> Vec<SlotsRange> {
    let own = (!node.slots.is_empty()).then_some((node.id, node.self_addr, &node.slots));
    let others = node.peers.iter().filter(|peer| !peer.slots.is_empty());
    let all = own.into_iter().chain(others.map(|peer| (peer.id, peer.addr, &peer.slots)));
    all.map(|(id, addr, slots)| SlotsRange {
        slots: SlotSet::clone(slots),
        nodes: vec![SlotsNode {
            endpoint: Some(addr.map(ip).unwrap_or_default()),
            port: if addr.is_some() { PORT } else { 0 },
            id: Some(NodeId::made_up(id)),
            metadata: Fields::default(),
        }],
    })
    .collect()
}

fn census(node: &Node, counted: &SlotSet) -> Census {
    let slots = node.keys.keys().map(|key| slot_of(*key));
    let mut slots: Vec<Slot> = slots.filter(|slot| counted.contains(*slot)).collect();
    slots.sort_unstable();
    let counts = slots.chunk_by(|a, b| a == b).map(|same| (same[0].get(), same.len() as u64));
    let keys = counts.collect();
    Census { counted: counted.clone(), keys }
}
