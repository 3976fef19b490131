//! Clusters on paper, as the text of `CLUSTER NODES`, `CLUSTER INFO` and `INFO`; and the program.

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use slotwright_core::model::Endpoint;
use slotwright_core::observation::{Observation, RowTable, Said, Sighting, Silence};
use slotwright_core::wire::{cluster_nodes, info};

/// When every node was last heard of.
const PONG_MS: u64 = 1_790_000_000_000;

/// A row of `CLUSTER NODES`, without `myself`.
#[derive(Clone)]
pub struct Row {
    pub host: String,
    pub name: String,
    pub flags: String,
    pub primary: String,
    pub epoch: usize,
    pub link: &'static str,
    pub slots: String,
}

/// A node: where it is dialled, what it shows of each, and what it says of itself.
#[derive(Clone)]
pub struct Node {
    pub host: String,
    pub rows: Vec<Row>,
    pub state: &'static str,
    pub info: String,
    pub silence: Option<Silence>,
}

/// A cluster whose nodes can be spoiled one by one.
#[derive(Clone)]
pub struct World {
    pub nodes: Vec<Node>,
    pub notes: Vec<String>,
}

pub fn id(number: usize) -> String {
    format!("{:08x}{:032x}", 0xa1b2_c300_usize + number, number)
}

fn host(number: usize) -> String {
    format!("10.0.{}.{}", number / 250, number % 250 + 1)
}

impl World {
    /// Every node sees every node; the primaries come first and share the slots evenly.
    pub fn healthy(primaries: usize, replicas_each: usize) -> Self {
        let count = primaries * (1 + replicas_each);
        let each = 16_384 / primaries;
        let rows: Vec<Row> = (0..count)
            .map(|node| {
                let shard = node % primaries;
                let last = if shard + 1 == primaries { 16_383 } else { (shard + 1) * each - 1 };
                let leads = node < primaries;
                Row {
                    host: host(node),
                    name: format!("redis-{node}"),
                    flags: if leads { "master" } else { "slave" }.to_owned(),
                    primary: if leads { "-".to_owned() } else { id(shard) },
                    epoch: shard + 1,
                    link: "connected",
                    slots: if leads { format!("{}-{last}", shard * each) } else { String::new() },
                }
            })
            .collect();
        let nodes = (0..count)
            .map(|node| {
                let shard = node % primaries;
                let replication = if node < primaries {
                    format!("role:master\r\nconnected_slaves:{replicas_each}\r\n")
                } else {
                    format!(
                        "role:slave\r\nmaster_host:{}\r\nmaster_port:6379\r\n\
                         master_link_status:up\r\nmaster_last_io_seconds_ago:1\r\n",
                        host(shard)
                    )
                };
                Node {
                    host: host(node),
                    rows: rows.clone(),
                    state: "ok",
                    info: format!("redis_version:8.2.3\r\nloading:0\r\n{replication}"),
                    silence: None,
                }
            })
            .collect();
        Self { nodes, notes: Vec::new() }
    }

    /// Changes what everybody shows of one node.
    pub fn about(mut self, about: usize, change: impl Fn(&mut Row)) -> Self {
        self.nodes.iter_mut().for_each(|node| change(&mut node.rows[about]));
        self
    }

    /// Changes one node.
    pub fn node(mut self, node: usize, change: impl Fn(&mut Node)) -> Self {
        change(&mut self.nodes[node]);
        self
    }

    /// A slot that its owner gives away and nobody takes.
    pub fn open_slot() -> Self {
        Self::healthy(3, 1).node(0, |node| {
            node.rows[0].slots.push_str(&format!(" [7->-{}]", id(1)));
        })
    }

    /// The hosts of all nodes changed, and every table shows the old ones.
    pub fn stale_addresses() -> Self {
        let mut world = Self::healthy(3, 1);
        for (at, node) in world.nodes.iter_mut().enumerate() {
            node.host = format!("10.1.0.{}", at + 1);
            node.state = "fail";
            for (about, row) in node.rows.iter_mut().enumerate().filter(|(about, _)| *about != at) {
                row.link = "disconnected";
                row.flags.push_str(if about < 3 { ",fail?" } else { ",fail" });
            }
        }
        world
    }

    /// A third of the slots has no owner.
    pub fn unassigned() -> Self {
        let mut world = Self::healthy(3, 1).about(2, |row| row.slots.clear());
        world.nodes.iter_mut().for_each(|node| node.state = "fail");
        world
    }

    /// A primary is down, its replica too, and all the others know it.
    pub fn shard_down() -> Self {
        let mut world = Self::healthy(3, 1);
        for gone in [1, 4] {
            world = world
                .about(gone, |row| {
                    row.flags.push_str(",fail");
                    row.link = "disconnected";
                })
                .node(gone, |node| node.silence = Some(Silence::Refused));
        }
        world.nodes.iter_mut().for_each(|node| node.state = "fail");
        world
    }

    /// The last node says nothing but an error.
    pub fn one_silent(words: &str) -> Self {
        let mut world = Self::open_slot();
        let last = world.nodes.len() - 1;
        world.nodes[last].silence = Some(Silence::Error(format!("ERR {words}")));
        world.notes.push(format!("a note about {words}"));
        world
    }

    /// What would have been observed, with the nodes in this order.
    pub fn seen_in_order(&self, order: &[usize]) -> Observation {
        let mut seen = Observation::empty();
        seen.at_ms = PONG_MS + 1_000;
        seen.notes.clone_from(&self.notes);
        for at in order {
            let sighting = self.sighting(*at, &mut seen.rows);
            seen.sightings.push(sighting);
        }
        seen
    }

    pub fn seen(&self) -> Observation {
        self.seen_in_order(&(0..self.nodes.len()).collect::<Vec<_>>())
    }

    fn sighting(&self, at: usize, table: &mut RowTable) -> Sighting {
        let node = &self.nodes[at];
        let mut sighting = Sighting::new(Endpoint::new(node.host.clone(), 6379));
        sighting.at_ms = PONG_MS + 1_000;
        sighting.took_ms = 2 + u32::try_from(at).expect("few nodes") % 5;
        if let Some(why) = &node.silence {
            sighting.ping = Said::Nothing(why.clone());
            sighting.nodes = Said::Nothing(why.clone());
            return sighting;
        }
        let cluster_info = format!(
            "cluster_state:{}\r\ncluster_known_nodes:{}\r\ncluster_my_epoch:{}\r\n",
            node.state,
            node.rows.len(),
            node.rows[at].epoch
        );
        sighting.ping = Said::This(());
        sighting.nodes = Said::This(cluster_nodes::parse(self.table(at).as_bytes(), table));
        sighting.cluster_info = Said::This(info::parse(cluster_info.as_bytes()));
        sighting.info = Said::This(info::parse(node.info.as_bytes()));
        sighting
    }

    /// The reply to `CLUSTER NODES`.
    pub fn table(&self, at: usize) -> String {
        let line = |(about, row): (usize, &Row)| {
            let me = if about == at { "myself," } else { "" };
            format!(
                "{} {}:6379@16379,{} {me}{} {} 0 {PONG_MS} {} {} {}\n",
                id(about),
                row.host,
                row.name,
                row.flags,
                row.primary,
                row.epoch,
                row.link,
                row.slots
            )
        };
        self.nodes[at].rows.iter().enumerate().map(line).collect()
    }
}

/// The program, in an environment of its own.
pub fn program(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_slotwright"));
    command.args(args).env_clear().env("LC_ALL", "C.UTF-8").env("COLUMNS", "80");
    command.stdin(Stdio::null());
    command
}

pub fn slotwright(args: &[&str]) -> Output {
    program(args).output().expect("the program starts")
}

/// `check --from` on what was seen.
pub fn check(seen: &impl serde::Serialize, args: &[&str]) -> Output {
    let folder = tempfile::tempdir().expect("a folder");
    let file = written(folder.path(), "seen.json", seen);
    let mut all = vec!["check", "--from", file.to_str().expect("a name")];
    all.extend(args);
    slotwright(&all)
}

pub fn written(folder: &Path, name: &str, value: &impl serde::Serialize) -> PathBuf {
    let file = folder.join(name);
    std::fs::write(&file, serde_json::to_string(value).expect("a value")).expect("a file");
    file
}

/// Standard output.
pub fn out(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).expect("output is UTF-8")
}

/// Standard output, then standard error.
pub fn text(output: &Output) -> String {
    let both = [output.stdout.as_slice(), output.stderr.as_slice()].concat();
    String::from_utf8(both).expect("output is UTF-8")
}
