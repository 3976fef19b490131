//! A cluster of stand-ins: as many nodes as wanted, with realistic tables, that answer after a
//! fixed delay, as a network would.
//!
//! They speak just as much as `redis-cli --cluster check` and `slotwright check` ask for. What they
//! say is one healthy cluster: half primaries, each with one replica.

use std::cell::RefCell;
use std::collections::HashMap;
use std::fmt::Write as _;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use anyhow::Context;
use slotwright_core::model::{
    ConfigEpoch, Endpoint, Flag, Flags, NodeAddress, NodeId, SLOT_COUNT, SlotSet,
};
use slotwright_core::observation::{LinkState, NodeRow, Observation, Said, Sighting};
use slotwright_core::wire::{cluster_nodes, info};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// The client port of every stand-in; its bus port is 10000 above.
const PORT: u16 = 7000;

/// The client address of a stand-in.
pub fn endpoint(number: usize) -> Endpoint {
    Endpoint::new(format!("127.77.{}.{}", number / 250, number % 250 + 1), PORT)
}

/// Serves until the process ends. Prints `ready` when all ports listen.
pub fn serve(nodes: usize, delay: Duration) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let local = tokio::task::LocalSet::new();
    local.block_on(&runtime, async move {
        let cluster = Rc::new(Cluster::healthy(nodes));
        for number in 0..nodes {
            let at = endpoint(number);
            let client = listen(&at.host, at.port).await?;
            let bus = listen(&at.host, at.port + 10_000).await?;
            let shared = Rc::clone(&cluster);
            let known = Rc::default();
            tokio::task::spawn_local(accept(client, move |stream| {
                answer_clients(stream, Rc::clone(&shared), Rc::clone(&known), number, delay)
            }));
            let shared = Rc::clone(&cluster);
            tokio::task::spawn_local(accept(bus, move |stream| {
                answer_bus(stream, Rc::clone(&shared), number, delay)
            }));
        }
        println!("ready");
        std::future::pending::<anyhow::Result<()>>().await
    })
}

/// What a look at such a cluster shows, without any network.
pub fn observation(nodes: usize) -> Observation {
    let cluster = Cluster::healthy(nodes);
    let mut seen = Observation::empty();
    for number in 0..nodes {
        let mut sighting = Sighting::new(endpoint(number));
        sighting.ping = Said::This(());
        sighting.myid = Said::This(cluster.rows[number].id);
        let table = cluster.table(number);
        sighting.nodes = Said::This(cluster_nodes::parse(table.as_bytes(), &mut seen.rows));
        sighting.cluster_info = Said::This(info::parse(cluster.cluster_info[number].as_bytes()));
        sighting.info = Said::This(info::parse(cluster.info[number].as_bytes()));
        sighting.config = Said::This(SETTINGS.into_iter().collect());
        seen.sightings.push(sighting);
    }
    seen
}

async fn listen(host: &str, port: u16) -> anyhow::Result<TcpListener> {
    let at: SocketAddr = format!("{host}:{port}").parse()?;
    TcpListener::bind(at).await.with_context(|| format!("listen on {at}"))
}

async fn accept<F, W>(listener: TcpListener, handle: F)
where
    F: Fn(TcpStream) -> W,
    W: Future<Output = std::io::Result<()>> + 'static,
{
    while let Ok((stream, _)) = listener.accept().await {
        let conversation = handle(stream);
        // A peer that goes away ends its conversation, nothing else.
        tokio::task::spawn_local(async move { drop(conversation.await) });
    }
}

/// Replies by request. The time that a stand-in takes to think is on our cores, where that of a
/// real node would not be, so it thinks once.
type Known = HashMap<Vec<u8>, Rc<[u8]>>;

async fn answer_clients(
    mut stream: TcpStream,
    cluster: Rc<Cluster>,
    known: Rc<RefCell<Known>>,
    number: usize,
    delay: Duration,
) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    let mut unread = Vec::with_capacity(4096);
    loop {
        if stream.read_buf(&mut unread).await? == 0 {
            return Ok(());
        }
        let learnt = known.borrow().get(&unread).cloned();
        let reply = match learnt {
            Some(reply) => {
                unread.clear();
                reply
            }
            None => {
                let (reply, used) = cluster.replies(number, &unread);
                let asked: Vec<u8> = unread.drain(..used).collect();
                known.borrow_mut().insert(asked, Rc::clone(&reply));
                reply
            }
        };
        tokio::time::sleep(delay).await;
        stream.write_all(&reply).await?;
    }
}

async fn answer_bus(
    mut stream: TcpStream,
    cluster: Rc<Cluster>,
    number: usize,
    delay: Duration,
) -> std::io::Result<()> {
    let mut ping = vec![0; 2256];
    stream.read_exact(&mut ping).await?;
    tokio::time::sleep(delay).await;
    stream.write_all(&cluster.pongs[number]).await?;
    // The prober closes; a node that closed first would look as if it refused.
    stream.read_u8().await.map(drop)
}

/// The words of one request at the head of the bytes, and its length.
fn request(bytes: &[u8]) -> Option<(Vec<String>, usize)> {
    let mut at = 0;
    let line = |at: &mut usize| {
        let rest = bytes.get(*at..)?;
        let end = rest.windows(2).position(|pair| pair == b"\r\n")?;
        *at += end + 2;
        std::str::from_utf8(&rest[..end]).ok().map(str::to_owned)
    };
    let count: usize = line(&mut at)?.strip_prefix('*')?.parse().ok()?;
    let mut words = Vec::new();
    for _ in 0..count {
        let length: usize = line(&mut at)?.strip_prefix('$')?.parse().ok()?;
        let word = bytes.get(at..at + length)?;
        bytes.get(at + length..at + length + 2)?;
        words.push(String::from_utf8_lossy(word).to_lowercase());
        at += length + 2;
    }
    Some((words, at))
}

/// What the stand-ins say, rendered once.
struct Cluster {
    rows: Vec<NodeRow>,
    lines: Vec<String>,
    own_lines: Vec<String>,
    slots: Vec<u8>,
    shards: Vec<u8>,
    links: Vec<u8>,
    settings: Vec<u8>,
    info: Vec<String>,
    cluster_info: Vec<String>,
    pongs: Vec<Vec<u8>>,
}

impl Cluster {
    fn healthy(nodes: usize) -> Self {
        let primaries = nodes.div_ceil(2);
        let rows: Vec<NodeRow> = (0..nodes).map(|number| row(number, primaries)).collect();
        let line = |row: &NodeRow| cluster_nodes::render(row, 0, 1_700_000_000_000) + "\n";
        let own =
            |row: &NodeRow| line(&NodeRow { flags: row.flags.with(Flag::Myself), ..row.clone() });
        let each = 0..nodes;
        Self {
            info: each.clone().map(|number| info_of(&rows, number)).collect(),
            cluster_info: each.clone().map(|number| cluster_info_of(&rows, number)).collect(),
            pongs: each.map(|number| pong_of(&rows, number)).collect(),
            lines: rows.iter().map(line).collect(),
            own_lines: rows.iter().map(own).collect(),
            slots: slots_reply(&rows),
            shards: shards_reply(&rows),
            links: links_reply(&rows),
            settings: settings_reply(),
            rows,
        }
    }

    /// The replies to all whole requests, and the bytes of these requests.
    fn replies(&self, number: usize, requests: &[u8]) -> (Rc<[u8]>, usize) {
        let (mut out, mut used) = (Vec::new(), 0);
        while let Some((words, length)) = request(&requests[used..]) {
            self.reply(number, &words, &mut out);
            used += length;
        }
        (out.into(), used)
    }

    fn reply(&self, number: usize, words: &[String], out: &mut Vec<u8>) {
        let word = |at: usize| words.get(at).map_or("", String::as_str);
        match (word(0), word(1)) {
            ("ping", _) => out.extend_from_slice(b"+PONG\r\n"),
            ("cluster", "myid") => bulk(out, &self.rows[number].id.to_string()),
            ("cluster", "nodes") => {
                bulk(out, &self.table(number));
            }
            ("cluster", "info") => bulk(out, &self.cluster_info[number]),
            ("cluster", "slots") => out.extend_from_slice(&self.slots),
            ("cluster", "shards") => out.extend_from_slice(&self.shards),
            ("cluster", "links") => out.extend_from_slice(&self.links),
            ("info", _) => bulk(out, &self.info[number]),
            ("config", "get") => out.extend_from_slice(&self.settings),
            ("acl", "whoami") => bulk(out, "default"),
            ("acl", "list") => {
                out.extend_from_slice(b"*1\r\n$26\r\nuser default on ~* &* +@all\r\n")
            }
            ("function", "list") => out.extend_from_slice(b"*0\r\n"),
            ("dbsize", _) => out.extend_from_slice(b":1000\r\n"),
            ("time", _) => {
                let now = std::time::SystemTime::now()
                    .duration_since(std::time::UNIX_EPOCH)
                    .unwrap_or_default();
                let (seconds, micros) =
                    (now.as_secs().to_string(), now.subsec_micros().to_string());
                out.extend_from_slice(b"*2\r\n");
                bulk(out, &seconds);
                bulk(out, &micros);
            }
            _ => out.extend_from_slice(b"-ERR unknown command\r\n"),
        }
    }

    /// `CLUSTER NODES` of a stand-in.
    fn table(&self, number: usize) -> String {
        let mut table = self.lines[..number].concat();
        table.push_str(&self.own_lines[number]);
        table.push_str(&self.lines[number + 1..].concat());
        table
    }
}

fn cluster_info_of(rows: &[NodeRow], number: usize) -> String {
    let voters = rows.iter().filter(|row| !row.slots.is_empty()).count();
    format!(
        "cluster_state:ok\r\ncluster_slots_assigned:16384\r\ncluster_slots_ok:16384\r\n\
         cluster_slots_pfail:0\r\ncluster_slots_fail:0\r\ncluster_known_nodes:{}\r\n\
         cluster_size:{voters}\r\ncluster_current_epoch:{voters}\r\ncluster_my_epoch:{}\r\n\
         cluster_stats_messages_sent:1000\r\ncluster_stats_messages_received:1000\r\n\
         total_cluster_links_buffer_limit_exceeded:0\r\n",
        rows.len(),
        rows[number].epoch
    )
}

/// About as long as a real one: 5 KiB.
fn info_of(rows: &[NodeRow], number: usize) -> String {
    let row = &rows[number];
    let mut text = format!(
        "# Server\r\nredis_version:7.0.15\r\nredis_mode:cluster\r\nrun_id:{:040x}\r\n\
         tcp_port:{PORT}\r\nuptime_in_seconds:86400\r\nconfig_file:/etc/redis.conf\r\n\
         # Clients\r\nconnected_clients:10\r\nmaxclients:10000\r\nblocked_clients:0\r\n\
         # Memory\r\nused_memory:1000000\r\nmaxmemory:0\r\nmaxmemory_policy:noeviction\r\n\
         mem_cluster_links:100000\r\n# Persistence\r\nloading:0\r\nasync_loading:0\r\n\
         rdb_last_bgsave_status:ok\r\naof_enabled:0\r\naof_last_write_status:ok\r\n\
         # Replication\r\n",
        number + 1
    );
    match row.primary.and_then(|id| rows.iter().find(|primary| primary.id == id)) {
        Some(primary) => {
            let _ = write!(
                text,
                "role:slave\r\nmaster_host:{}\r\nmaster_port:{PORT}\r\n\
                 master_link_status:up\r\nmaster_last_io_seconds_ago:1\r\n\
                 master_sync_in_progress:0\r\nslave_repl_offset:1000\r\n",
                primary.address.ip
            );
        }
        None => text.push_str("role:master\r\nconnected_slaves:1\r\n"),
    }
    let _ = write!(text, "master_replid:{:040x}\r\nmaster_repl_offset:1000\r\n", row.epoch.0);
    text.push_str("# Cluster\r\ncluster_enabled:1\r\n# Keyspace\r\ndb0:keys=1000,expires=0\r\n");
    text.push_str("# Stats\r\n");
    for filler in 0..110 {
        let _ = write!(text, "some_statistic_number_{filler}:{}\r\n", filler * 1_234_567);
    }
    text
}

fn pong_of(rows: &[NodeRow], number: usize) -> Vec<u8> {
    let row = &rows[number];
    let mut bytes = vec![0_u8; 2256];
    let mut put = |at: usize, part: &[u8]| bytes[at..at + part.len()].copy_from_slice(part);
    put(0, b"RCmb");
    put(4, &2256_u32.to_be_bytes());
    put(8, &1_u16.to_be_bytes());
    put(10, &PORT.to_be_bytes());
    put(12, &1_u16.to_be_bytes());
    put(16, &row.epoch.0.to_be_bytes());
    put(24, &row.epoch.0.to_be_bytes());
    put(40, row.id.to_string().as_bytes());
    let mut bitmap = [0_u8; 2048];
    for slot in row.slots.iter() {
        bitmap[usize::from(slot.get() / 8)] |= 1 << (slot.get() % 8);
    }
    put(80, &bitmap);
    if let Some(primary) = row.primary {
        put(2128, primary.to_string().as_bytes());
    }
    put(2248, &(PORT + 10_000).to_be_bytes());
    // CLUSTER_NODE_MASTER is 1, CLUSTER_NODE_SLAVE is 2.
    put(2250, &(if row.primary.is_some() { 2_u16 } else { 1 }).to_be_bytes());
    bytes
}

fn row(number: usize, primaries: usize) -> NodeRow {
    let at = endpoint(number);
    let shard = number % primaries;
    let bound = |part: usize| part * usize::from(SLOT_COUNT) / primaries;
    let slots = if number < primaries {
        let to_slot = |bound: usize| u16::try_from(bound).unwrap_or(SLOT_COUNT);
        SlotSet::range(to_slot(bound(number)), to_slot(bound(number + 1)) - 1)
    } else {
        SlotSet::new()
    };
    let made_up = |n: usize| NodeId::made_up(u32::try_from(n).unwrap_or(u32::MAX));
    let role = if number < primaries { Flag::Primary } else { Flag::Replica };
    NodeRow {
        id: made_up(number),
        address: NodeAddress {
            ip: at.host,
            port: at.port,
            bus_port: Some(at.port + 10_000),
            hostname: None,
        },
        flags: Flags::none().with(role),
        primary: (number >= primaries).then(|| made_up(shard)),
        epoch: ConfigEpoch(shard as u64 + 1),
        link: LinkState::Connected,
        slots,
        open: Vec::new(),
    }
}

fn bulk(out: &mut Vec<u8>, text: &str) {
    out.extend_from_slice(format!("${}\r\n", text.len()).as_bytes());
    out.extend_from_slice(text.as_bytes());
    out.extend_from_slice(b"\r\n");
}

fn integer(out: &mut Vec<u8>, number: u64) {
    out.extend_from_slice(format!(":{number}\r\n").as_bytes());
}

fn array(out: &mut Vec<u8>, length: usize) {
    out.extend_from_slice(format!("*{length}\r\n").as_bytes());
}

fn replica_of<'a>(rows: &'a [NodeRow], primary: &NodeRow) -> Option<&'a NodeRow> {
    rows.iter().find(|row| row.primary == Some(primary.id))
}

fn slots_reply(rows: &[NodeRow]) -> Vec<u8> {
    let owners: Vec<&NodeRow> = rows.iter().filter(|row| !row.slots.is_empty()).collect();
    let mut out = Vec::new();
    array(&mut out, owners.len());
    for owner in owners {
        let members: Vec<&NodeRow> =
            std::iter::once(owner).chain(replica_of(rows, owner)).collect();
        let range = owner.slots.ranges()[0];
        array(&mut out, 2 + members.len());
        integer(&mut out, u64::from(range.first));
        integer(&mut out, u64::from(range.last));
        for member in members {
            array(&mut out, 4);
            bulk(&mut out, &member.address.ip);
            integer(&mut out, u64::from(member.address.port));
            bulk(&mut out, &member.id.to_string());
            array(&mut out, 0);
        }
    }
    out
}

fn shards_reply(rows: &[NodeRow]) -> Vec<u8> {
    let owners: Vec<&NodeRow> = rows.iter().filter(|row| !row.slots.is_empty()).collect();
    let mut out = Vec::new();
    array(&mut out, owners.len());
    for owner in owners {
        let members: Vec<&NodeRow> =
            std::iter::once(owner).chain(replica_of(rows, owner)).collect();
        let range = owner.slots.ranges()[0];
        array(&mut out, 4);
        bulk(&mut out, "slots");
        array(&mut out, 2);
        integer(&mut out, u64::from(range.first));
        integer(&mut out, u64::from(range.last));
        bulk(&mut out, "nodes");
        array(&mut out, members.len());
        for member in members {
            array(&mut out, 14);
            let role = if member.primary.is_some() { "replica" } else { "master" };
            let id = member.id.to_string();
            for (name, value) in [
                ("id", id.as_str()),
                ("ip", &member.address.ip),
                ("endpoint", &member.address.ip),
                ("role", role),
                ("health", "online"),
            ] {
                bulk(&mut out, name);
                bulk(&mut out, value);
            }
            bulk(&mut out, "port");
            integer(&mut out, u64::from(member.address.port));
            bulk(&mut out, "replication-offset");
            integer(&mut out, 1000);
        }
    }
    out
}

fn links_reply(rows: &[NodeRow]) -> Vec<u8> {
    let mut out = Vec::new();
    array(&mut out, rows.len() * 2);
    for row in rows {
        for direction in ["to", "from"] {
            array(&mut out, 12);
            bulk(&mut out, "direction");
            bulk(&mut out, direction);
            bulk(&mut out, "node");
            bulk(&mut out, &row.id.to_string());
            bulk(&mut out, "create-time");
            integer(&mut out, 1_700_000_000_000);
            bulk(&mut out, "events");
            bulk(&mut out, "r");
            bulk(&mut out, "send-buffer-allocated");
            integer(&mut out, 0);
            bulk(&mut out, "send-buffer-used");
            integer(&mut out, 0);
        }
    }
    out
}

/// The settings of every stand-in.
const SETTINGS: [(&str, &str); 13] = [
    ("cluster-node-timeout", "15000"),
    ("cluster-require-full-coverage", "yes"),
    ("cluster-announce-ip", ""),
    ("cluster-replica-validity-factor", "10"),
    ("cluster-replica-no-failover", "no"),
    ("cluster-allow-replica-migration", "yes"),
    ("cluster-preferred-endpoint-type", "ip"),
    ("maxmemory", "0"),
    ("maxmemory-policy", "noeviction"),
    ("appendonly", "no"),
    ("save", "3600 1 300 100 60 10000"),
    ("tcp-keepalive", "300"),
    ("tls-cluster", "no"),
];

fn settings_reply() -> Vec<u8> {
    let mut out = Vec::new();
    array(&mut out, SETTINGS.len() * 2);
    for (name, value) in SETTINGS {
        bulk(&mut out, name);
        bulk(&mut out, value);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pipeline_is_taken_apart() {
        let bytes = b"*1\r\n$4\r\nPING\r\n*2\r\n$7\r\nCLUSTER\r\n$5\r\nNODES\r\n*1\r\n$4";
        let (first, length) = request(bytes).expect("a whole request");
        assert_eq!(first, ["ping"]);
        let (second, rest) = request(&bytes[length..]).expect("another");
        assert_eq!(second, ["cluster", "nodes"]);
        assert_eq!(request(&bytes[length + rest..]), None);
    }

    #[test]
    fn all_slots_have_an_owner() {
        let cluster = Cluster::healthy(100);
        let count: u16 = cluster.rows.iter().map(|row| row.slots.len()).sum();
        assert_eq!(count, SLOT_COUNT);
    }
}
