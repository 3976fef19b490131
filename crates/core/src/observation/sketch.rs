//! Observations made by hand, for the tests of findings: start healthy, then spoil.

use std::collections::BTreeMap;

use super::{
    BusIdentity, BusSighting, Fields, LinkState, NodeRow, NodesView, Observation, Said, Sighting,
    Silence, SlotsNode, SlotsRange, ViewRow,
};
use crate::diagnose::{Finding, Found, Report};
use crate::model::{
    ConfigEpoch, CurrentEpoch, Endpoint, Flag, Flags, NodeAddress, NodeId, ReplOffset, SLOT_COUNT,
    SlotSet,
};

/// A cluster on paper. Node `n` has the id `NodeId::made_up(n)` and lives at `10.0.0.(n+1):6379`.
#[derive(Clone, Debug)]
pub struct Sketch {
    /// The nodes, primaries first.
    pub nodes: Vec<Drawn>,
    /// Answers of the bus; healthy at first, one for each node.
    pub bus: Vec<BusSighting>,
    quiet_ms: BTreeMap<NodeId, u32>,
}

/// One node on paper; every part may be spoiled directly.
#[derive(Clone, Debug)]
pub struct Drawn {
    /// What its client address says, without the table.
    pub sighting: Sighting,
    /// Its table. `None`: it shows none, and `sighting.nodes` tells why.
    pub table: Option<Vec<NodeRow>>,
}

impl Sketch {
    /// A healthy cluster: every node sees every node, slots are shared evenly, all links stand.
    pub fn healthy(primaries: usize, replicas_each: usize) -> Self {
        let total = primaries * (1 + replicas_each);
        let rows: Vec<NodeRow> = (0..total).map(|n| healthy_row(n, primaries)).collect();
        let nodes = (0..total)
            .map(|n| {
                let mut table = rows.clone();
                table[n].flags = table[n].flags.with(Flag::Myself);
                Drawn { sighting: healthy_sighting(n, primaries, total, &rows), table: Some(table) }
            })
            .collect();
        let bus = rows.iter().map(healthy_pong).collect();
        Self { nodes, bus, quiet_ms: BTreeMap::new() }
    }

    /// The id of a node.
    pub fn id(n: usize) -> NodeId {
        NodeId::made_up(u32::try_from(n).expect("few nodes"))
    }

    /// The address of a node.
    pub fn at(n: usize) -> Endpoint {
        Endpoint::new(format!("10.0.0.{}", n + 1), 6379)
    }

    /// Changes what one node shows about one node.
    pub fn row(
        &mut self,
        observer: usize,
        about: usize,
        change: impl FnOnce(&mut NodeRow),
    ) -> &mut Self {
        let id = Self::id(about);
        let table = self.nodes[observer].table.as_mut().expect("the observer shows a table");
        change(table.iter_mut().find(|row| row.id == id).expect("the row exists"));
        self
    }

    /// Changes what all nodes except itself show about one node.
    pub fn rows_about(&mut self, about: usize, change: impl Fn(&mut NodeRow)) -> &mut Self {
        for observer in (0..self.nodes.len()).filter(|n| *n != about) {
            let id = Self::id(about);
            if let Some(table) = self.nodes[observer].table.as_mut() {
                table.iter_mut().filter(|row| row.id == id).for_each(&change);
            }
        }
        self
    }

    /// Sets a field of `INFO` of a node.
    pub fn info(&mut self, n: usize, name: &str, value: &str) -> &mut Self {
        set(&mut self.nodes[n].sighting.info, name, value);
        self
    }

    /// Sets a field of `CLUSTER INFO` of a node.
    pub fn cluster_info(&mut self, n: usize, name: &str, value: &str) -> &mut Self {
        set(&mut self.nodes[n].sighting.cluster_info, name, value);
        self
    }

    /// Sets a setting of a node.
    pub fn config(&mut self, n: usize, name: &str, value: &str) -> &mut Self {
        set(&mut self.nodes[n].sighting.config, name, value);
        self
    }

    /// The node says nothing to any question; its bus neither, where `bus` is given.
    pub fn silence(&mut self, n: usize, client: Silence, bus: Option<Silence>) -> &mut Self {
        let from = Self::at(n);
        let mut sighting = Sighting::new(from.clone());
        sighting.ping = Said::Nothing(client.clone());
        sighting.nodes = Said::Nothing(client.clone());
        sighting.info = Said::Nothing(client.clone());
        sighting.cluster_info = Said::Nothing(client.clone());
        sighting.myid = Said::Nothing(client);
        self.nodes[n] = Drawn { sighting, table: None };
        if let Some(silence) = bus {
            let address = Endpoint::new(from.host, 16379);
            for probe in self.bus.iter_mut().filter(|probe| probe.address == address) {
                probe.said = Said::Nothing(silence.clone());
            }
        }
        self
    }

    /// A node now lives at another host; the tables still say what they said, and its old address
    /// refuses.
    pub fn moves(&mut self, n: usize, host: &str) -> &mut Self {
        let old = Self::at(n);
        self.nodes[n].sighting.from = Endpoint::new(host, old.port);
        let mut dead = Sighting::new(old.clone());
        dead.ping = Said::Nothing(Silence::Refused);
        self.nodes.push(Drawn { sighting: dead, table: None });
        for probe in self.bus.iter_mut().filter(|probe| probe.address.host == old.host) {
            probe.address.host = host.to_owned();
        }
        self.bus.push(BusSighting {
            address: Endpoint::new(old.host, 16379),
            said: Said::Nothing(Silence::Refused),
            over_tls: None,
        });
        self
    }

    /// A node forgot all others and its slots: they still list it.
    pub fn reset(&mut self, n: usize) -> &mut Self {
        if let Some(table) = self.nodes[n].table.as_mut() {
            table.retain(|row| row.id == Self::id(n));
            table.iter_mut().for_each(|row| row.slots = SlotSet::new());
        }
        self
    }

    /// All others had their last pong of it so long ago.
    pub fn quiet_for(&mut self, about: usize, ms: u32) -> &mut Self {
        self.quiet_ms.insert(Self::id(about), ms);
        self
    }

    /// A node of no cluster: it has that id and shows only itself.
    pub fn stranger(&mut self, id: NodeId, at: Endpoint, slots: SlotSet) -> &mut Self {
        let mut sighting = Sighting::new(at.clone());
        sighting.ping = Said::This(());
        sighting.myid = Said::This(id);
        let row = NodeRow {
            id,
            address: NodeAddress {
                ip: String::new(),
                port: at.port,
                bus_port: Some(16379),
                hostname: None,
            },
            flags: Flags::none().with(Flag::Primary).with(Flag::Myself),
            primary: None,
            epoch: ConfigEpoch(0),
            link: LinkState::Connected,
            slots,
            open: Vec::new(),
        };
        set(&mut sighting.cluster_info, "cluster_known_nodes", "1");
        self.nodes.retain(|node| node.sighting.from != at);
        self.nodes.push(Drawn { sighting, table: Some(vec![row]) });
        self
    }

    /// All others flag a node: `Flag::Failed` with a broken link, for instance.
    pub fn flagged(&mut self, about: usize, flag: Flag, link: LinkState) -> &mut Self {
        self.rows_about(about, |row| {
            row.flags = row.flags.with(flag);
            row.link = link;
        })
    }

    /// The observation.
    pub fn build(&self) -> Observation {
        let mut seen = Observation::empty();
        seen.at_ms = 1_700_000_000_000;
        seen.bus = self.bus.clone();
        for node in &self.nodes {
            let mut sighting = node.sighting.clone();
            if let Some(table) = &node.table {
                let rows = table
                    .iter()
                    .map(|row| ViewRow {
                        row: seen.rows.add(row.clone()),
                        ping_waits_ms: self.quiet_ms.get(&row.id).copied().unwrap_or(0),
                        pong_age_ms: self.quiet_ms.get(&row.id).copied().unwrap_or(0),
                    })
                    .collect();
                sighting.nodes = Said::This(NodesView { rows, oddities: Vec::new() });
            }
            seen.sightings.push(sighting);
        }
        seen
    }

    /// What one finding detects here.
    pub fn detect<F: Finding>(&self, entry: &'static crate::diagnose::Entry) -> Vec<Found> {
        let seen = self.build();
        let mut found = Vec::new();
        crate::diagnose::run::<F>(&crate::observation::Picture::new(&seen), entry, &mut found);
        found
    }

    /// The whole report.
    pub fn report(&self) -> Report {
        crate::diagnose::diagnose(&self.build())
    }
}

fn set(fields: &mut Said<Fields>, name: &str, value: &str) {
    if let Said::This(fields) = fields {
        fields.set(name, value);
    } else {
        *fields = Said::This([(name, value)].into_iter().collect());
    }
}

fn healthy_row(n: usize, primaries: usize) -> NodeRow {
    let at = Sketch::at(n);
    let is_primary = n < primaries;
    let count = usize::from(SLOT_COUNT);
    let slots = if is_primary {
        let first = n * count / primaries;
        let last = (n + 1) * count / primaries - 1;
        SlotSet::range(u16::try_from(first).expect("a slot"), u16::try_from(last).expect("a slot"))
    } else {
        SlotSet::new()
    };
    let shard = if is_primary { n } else { (n - primaries) % primaries };
    NodeRow {
        id: Sketch::id(n),
        address: NodeAddress { ip: at.host, port: at.port, bus_port: Some(16379), hostname: None },
        flags: Flags::none().with(if is_primary { Flag::Primary } else { Flag::Replica }),
        primary: (!is_primary).then(|| Sketch::id(shard)),
        epoch: ConfigEpoch(shard as u64 + 1),
        link: LinkState::Connected,
        slots,
        open: Vec::new(),
    }
}

fn healthy_sighting(n: usize, primaries: usize, total: usize, rows: &[NodeRow]) -> Sighting {
    let mut sighting = Sighting::new(Sketch::at(n));
    let (id, shard) = (Sketch::id(n), rows[n].epoch.0 - 1);
    let fields = |pairs: &[(&str, &str)]| -> Said<Fields> {
        Said::This(pairs.iter().map(|(name, value)| (*name, *value)).collect())
    };
    sighting.at_ms = 1_700_000_000_000;
    sighting.ping = Said::This(());
    sighting.myid = Said::This(id);
    sighting.whoami = Said::This("default".to_owned());
    sighting.clock_ms = Said::This(1_700_000_000_000);
    let (known, size) = (total.to_string(), primaries.to_string());
    let epoch = (shard + 1).to_string();
    sighting.cluster_info = fields(&[
        ("cluster_state", "ok"),
        ("cluster_slots_assigned", "16384"),
        ("cluster_slots_ok", "16384"),
        ("cluster_slots_pfail", "0"),
        ("cluster_slots_fail", "0"),
        ("cluster_known_nodes", &known),
        ("cluster_size", &size),
        ("cluster_current_epoch", &size),
        ("cluster_my_epoch", &epoch),
    ]);
    sighting.info = Said::This(healthy_info(n, primaries, total, rows));
    sighting.config = fields(&[
        ("cluster-node-timeout", "15000"),
        ("cluster-require-full-coverage", "yes"),
        ("cluster-announce-ip", ""),
        ("cluster-replica-no-failover", "no"),
        ("cluster-replica-validity-factor", "10"),
        ("cluster-preferred-endpoint-type", "ip"),
    ]);
    sighting.slots = Said::This(
        rows.iter()
            .filter(|row| !row.slots.is_empty())
            .map(|row| SlotsRange {
                slots: row.slots.clone(),
                nodes: vec![SlotsNode {
                    endpoint: Some(row.address.ip.clone()),
                    port: row.address.port,
                    id: Some(row.id),
                    metadata: Fields::default(),
                }],
            })
            .collect(),
    );
    sighting
}

fn healthy_info(n: usize, primaries: usize, total: usize, rows: &[NodeRow]) -> Fields {
    let run_id = format!("{:040x}", n + 1);
    let replid = format!("{:040x}", rows[n].epoch.0 + 76);
    let mut info: Fields = [
        ("redis_version", "7.0.15"),
        ("redis_mode", "cluster"),
        ("cluster_enabled", "1"),
        ("loading", "0"),
        ("rdb_last_bgsave_status", "ok"),
        ("aof_last_write_status", "ok"),
        ("uptime_in_seconds", "86400"),
        ("master_repl_offset", "1000"),
        ("maxmemory", "0"),
        ("used_memory", "1000000"),
        ("connected_clients", "5"),
        ("maxclients", "10000"),
    ]
    .into_iter()
    .collect();
    info.set("run_id", &run_id);
    info.set("master_replid", &replid);
    if let Some(primary) = rows[n].primary {
        let primary = rows.iter().find(|row| row.id == primary).expect("the primary is drawn");
        info.set("role", "slave");
        info.set("master_host", &primary.address.ip);
        info.set("master_port", &primary.address.port.to_string());
        info.set("master_link_status", "up");
        info.set("slave_repl_offset", "1000");
        info.set("master_sync_in_progress", "0");
    } else {
        info.set("role", "master");
        info.set("connected_slaves", &((total - primaries) / primaries).to_string());
    }
    info
}

fn healthy_pong(row: &NodeRow) -> BusSighting {
    BusSighting {
        address: Endpoint::new(row.address.ip.clone(), 16379),
        over_tls: Some(false),
        said: Said::This(BusIdentity {
            id: row.id,
            flags: row.flags.with(Flag::Myself),
            primary: row.primary,
            config_epoch: row.epoch,
            current_epoch: CurrentEpoch(row.epoch.0),
            offset: ReplOffset(1000),
            slots: row.slots.clone(),
            ip: String::new(),
            port: row.address.port,
            bus_port: 16379,
            state_ok: true,
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_healthy_sketch_has_one_opinion_and_no_finding() {
        for (primaries, replicas) in [(3, 0), (3, 1), (6, 1)] {
            let sketch = Sketch::healthy(primaries, replicas);
            let seen = sketch.build();
            let picture = crate::observation::Picture::new(&seen);
            assert_eq!(picture.opinions().len(), 1);
            assert_eq!(picture.voters().len(), primaries);
            assert_eq!(picture.silent_members(), []);
            let report = sketch.report();
            let codes: Vec<&str> = report.all().map(|found| found.code.as_str()).collect();
            assert!(codes.is_empty(), "a healthy cluster shows {codes:?}");
        }
    }
}
