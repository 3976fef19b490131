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
    format!("10.0.{}.{}", addr / 256, addr % 256)
}

fn at(addr: Addr) -> Endpoint {
    Endpoint::new(ip(addr), PORT)
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
        let mut seen = self.ask(&all, Some(&SlotSet::all()), true);
        seen.named = seeds.iter().map(|addr| at(*addr)).collect();
        for addr in &all {
            seen.bus.push(self.probe(*addr));
        }
        seen
    }

    /// A look at these addresses only.
    pub fn ask(
        &self,
        addrs: &BTreeSet<Addr>,
        count: Option<&SlotSet>,
        client: bool,
    ) -> Observation {
        let mut seen = Observation::empty();
        seen.at_ms = EPOCH_MS + self.now;
        for addr in addrs {
            let sighting = self.sighting(*addr, &mut seen.rows, count, client);
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

    fn sighting(
        &self,
        addr: Addr,
        rows: &mut RowTable,
        count: Option<&SlotSet>,
        client: bool,
    ) -> Sighting {
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
        sighting.config = Said::This(config(node));
        if client {
            sighting.slots = Said::This(client_slots(node));
        }
        if let Some(counted) = count {
            sighting.census = Said::This(census(node, counted));
        }
        sighting
    }

    fn table_of(&self, node: &Node, rows: &mut RowTable) -> NodesView {
        let newest = node.peers.iter().map(|peer| peer.pong_at).max().unwrap_or(0);
        let mut view = NodesView::default();
        view.rows.push(ViewRow { row: rows.add(own_row(node)), ping_waits_ms: 0, pong_age_ms: 0 });
        for peer in &node.peers {
            let waits = if peer.ping_sent == 0 { 0 } else { self.now - peer.ping_sent };
            view.rows.push(ViewRow {
                row: rows.add(row_of(node, peer)),
                ping_waits_ms: u32::try_from(waits).unwrap_or(u32::MAX),
                pong_age_ms: u32::try_from(newest - peer.pong_at).unwrap_or(u32::MAX),
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
        let mut info: Fields = [
            ("redis_version", version),
            ("redis_mode", "cluster"),
            ("cluster_enabled", "1"),
            ("loading", "0"),
            ("rdb_last_bgsave_status", "ok"),
            ("aof_last_write_status", "ok"),
            ("aof_enabled", "1"),
            ("maxmemory", "0"),
            ("used_memory", "1000000"),
            ("connected_clients", "5"),
            ("maxclients", "10000"),
        ]
        .into_iter()
        .collect();
        if node.is_valkey() {
            info.set("server_name", "valkey");
            info.set("valkey_version", "9.1.2");
        }
        let up_s = (self.now - node.started_at.min(self.now)) / 1_000;
        info.set("uptime_in_seconds", &up_s.to_string());
        info.set("run_id", &format!("{:032x}{:08x}", node.id, node.boot));
        let shard = node.primary.unwrap_or(node.id);
        info.set("master_replid", &format!("{shard:040x}"));
        info.set("master_repl_offset", &node.offset.to_string());
        if !node.keys.is_empty() {
            info.set("db0", &format!("keys={},expires=0,avg_ttl=0", node.keys.len()));
        }
        match node.primary {
            Some(_) => {
                info.set("role", "slave");
                info.set("master_host", &node.master.map(ip).unwrap_or_default());
                info.set("master_port", &PORT.to_string());
                info.set("master_link_status", if node.link_up { "up" } else { "down" });
                info.set("slave_repl_offset", &node.offset.to_string());
                info.set("master_sync_in_progress", "0");
                if !node.link_up {
                    let down_s = match node.synced {
                        Some(_) => ((self.now - node.link_down_at) / 1_000).to_string(),
                        None => "-1".to_owned(),
                    };
                    info.set("master_link_down_since_seconds", &down_s);
                }
            }
            None => {
                let own = self.nodes.iter().filter(|other| {
                    other.is_live() && other.primary == Some(node.id) && other.link_up
                });
                info.set("role", "master");
                info.set("connected_slaves", &own.count().to_string());
            }
        }
        info
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
    let assigned = node.assigned().len();
    let failing = |pick: fn(&Peer) -> bool| -> u16 {
        node.peers.iter().filter(|peer| pick(peer)).map(|peer| peer.slots.len()).sum()
    };
    let failed = failing(|peer| peer.failed_at.is_some());
    let suspected = failing(|peer| peer.suspected);
    let known = node.peers.iter().filter(|peer| peer.handshake.is_none()).count() + 1;
    let epoch = node.primary.map_or(node.config_epoch, |primary| node.epoch_of(primary));
    let mut info = Fields::default();
    info.set("cluster_state", if node.ok { "ok" } else { "fail" });
    info.set("cluster_slots_assigned", &assigned.to_string());
    info.set("cluster_slots_ok", &(assigned - failed - suspected).to_string());
    info.set("cluster_slots_pfail", &suspected.to_string());
    info.set("cluster_slots_fail", &failed.to_string());
    info.set("cluster_known_nodes", &known.to_string());
    info.set("cluster_size", &node.size().to_string());
    info.set("cluster_current_epoch", &node.current_epoch.to_string());
    info.set("cluster_my_epoch", &epoch.to_string());
    info
}

fn config(node: &Node) -> Fields {
    let mut config: Fields = [
        ("cluster-require-full-coverage", "yes"),
        ("cluster-announce-ip", ""),
        ("cluster-replica-no-failover", "no"),
        ("cluster-replica-validity-factor", "10"),
        ("cluster-preferred-endpoint-type", "ip"),
        ("appendonly", "yes"),
    ]
    .into_iter()
    .collect();
    config.set("cluster-node-timeout", &node.timeout.to_string());
    config
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
    let mut keys = std::collections::BTreeMap::new();
    for slot in node.keys.keys().map(|key| slot_of(*key)).filter(|slot| counted.contains(*slot)) {
        *keys.entry(slot.get()).or_insert(0_u64) += 1;
    }
    Census { counted: counted.clone(), keys: keys.into_iter().collect() }
}
