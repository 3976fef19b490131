//! What is fuzzed: each parser of bytes that a peer or a person sends.

use slotwright_core::diagnose::diagnose;
use slotwright_core::explain::{Paste, explain};
use slotwright_core::observation::{Observation, RowTable};
use slotwright_core::wire::{
    bus, cluster_links, cluster_nodes, cluster_shards, cluster_slots, info, logs, nodes_conf, resp,
};

/// One parser with texts to begin from.
pub struct Target {
    /// Its name on the command line.
    pub name: &'static str,
    /// Real texts.
    pub seeds: &'static [&'static [u8]],
    /// Parses; must not panic.
    pub run: fn(&[u8]),
    /// Its part of the inputs. Judging a whole paste takes a hundred times as long as a line.
    pub weight: u64,
}

/// All of them.
pub static ALL: &[Target] = &[
    Target { name: "resp", seeds: RESP, run: read_resp, weight: 50 },
    Target { name: "cluster_nodes", seeds: NODES, run: read_nodes, weight: 50 },
    Target { name: "cluster_replies", seeds: RESP, run: read_replies, weight: 50 },
    Target { name: "info", seeds: INFO, run: read_info, weight: 50 },
    Target { name: "bus", seeds: BUS, run: read_bus, weight: 50 },
    Target { name: "nodes_conf", seeds: NODES, run: read_nodes_conf, weight: 50 },
    Target { name: "logs", seeds: LOGS, run: read_logs, weight: 50 },
    Target { name: "observation", seeds: FILES, run: read_file, weight: 10 },
    Target { name: "explain", seeds: PASTES, run: read_paste, weight: 1 },
];

const LOGS: &[&[u8]] = &[
    b"5127:M 24 Nov 10:14:22.031 * No cluster configuration found, I'm 10c436a30fbb2e2c\n",
    b"19:S 21 Jul 2021 12:15:41.617 # Address updated for node 0d9e3fdf, now ?:7200\n",
    b"redis-0 | 1:M 01 Jan 2026 00:00:00.000 # Cluster state changed: fail\n",
];

const FILES: &[&[u8]] = &[
    br#"{"format":1,"tool":"0.1.0","at_ms":1,"named":["10.0.0.1:6379"],"rows":[{"id":"07c37dfeb235213a872192d90877d0cd55635b91","address":{"ip":"10.0.0.1","port":6379,"bus_port":16379},"flags":"myself,master","epoch":1,"link":"connected","slots":"0-16383"}],"sightings":[{"from":"10.0.0.1:6379","ping":{"this":null},"nodes":{"this":{"rows":[{"row":0}]}},"info":{"this":{"role":"master"}}}],"bus":[{"address":"10.0.0.1:16379","said":{"nothing":"refused"}}]}"#,
    br#"{"format":1,"tool":"x","at_ms":0,"named":[],"rows":[],"sightings":[{"from":"[::1]:1","ping":{"nothing":{"denied":"NOPERM"}},"census":{"this":{"counted":"0-9","keys":[[1,2]]}}}]}"#,
];

const PASTES: &[&[u8]] = &[
    b"$ redis-cli cluster nodes\n07c37dfeb235213a872192d90877d0cd55635b91 10.0.0.1:6379@16379 \
      myself,master - 0 0 1 connected 0-5460\n",
    b"ClusterAllFailedError: Failed to refresh slots cache.\n  lastNodeError: Connection is closed.\n",
    b"[ERR] Not all 16384 slots are covered by nodes.\ncluster_state:fail\ncluster_slots_pfail:10923\n",
    b"redis-0   1/1   Running   0   5m   10.1.2.3   node-1   <none>   <none>\n",
    b"1:M 01 Jan 2026 00:00:00.000 # Cluster state changed: fail\n",
];

const RESP: &[&[u8]] = &[
    b"+PONG\r\n",
    b"-MOVED 12182 10.0.0.3:6379\r\n",
    b"$-1\r\n*-1\r\n:42\r\n$3\r\nabc\r\n",
    b"*1\r\n*3\r\n:0\r\n:5460\r\n*4\r\n$8\r\n10.0.0.1\r\n:6379\r\n$40\r\n\
      07c37dfeb235213a872192d90877d0cd55635b91\r\n*2\r\n$8\r\nhostname\r\n$1\r\nx\r\n",
    b"*1\r\n*4\r\n$5\r\nslots\r\n*2\r\n:0\r\n:99\r\n$5\r\nnodes\r\n*1\r\n*4\r\n$2\r\nid\r\n$40\r\n\
      07c37dfeb235213a872192d90877d0cd55635b91\r\n$4\r\nport\r\n:6379\r\n",
    b"*1\r\n*4\r\n$9\r\ndirection\r\n$2\r\nto\r\n$4\r\nnode\r\n$40\r\n\
      07c37dfeb235213a872192d90877d0cd55635b91\r\n",
    b"%1\r\n+a\r\n#t\r\n,1.5\r\n(123\r\n_\r\n",
];

const NODES: &[&[u8]] = &[
    b"07c37dfeb235213a872192d90877d0cd55635b91 127.0.0.1:30004@31004,host slave \
      e7d1eecce10fd6bb5eb35b9f99a514335d9ba9ca 0 1426238317239 4 connected\n",
    b"e7d1eecce10fd6bb5eb35b9f99a514335d9ba9ca 127.0.0.1:30001@31001 myself,master - 0 0 1 \
      connected 0-5460 [5461->-07c37dfeb235213a872192d90877d0cd55635b91]\n",
    b"67ed2db8d677e59ec4a4cefb06858cf2a1a89fa1 :0@0,,tls-port=0,shard-id=69 master,fail,noaddr - \
      1426238316232 1426238316230 2 disconnected 5461 5463-10922\n",
    b"vars currentEpoch 6 lastVoteEpoch 0\n",
];

const INFO: &[&[u8]] = &[
    b"# Server\r\nredis_version:7.0.15\r\nredis_mode:cluster\r\n",
    b"cluster_state:ok\r\ncluster_slots_assigned:16384\r\n",
    b"db0:keys=5,expires=0,avg_ttl=0\r\nslave0:ip=10.0.0.1,port=6379,state=online\r\n",
];

/// Changes of a header, see [`read_bus`]: the type of a PONG, then some fields.
const BUS: &[&[u8]] = &[
    b"",
    b"\0\0\0\0\0\0\0\0\0\0\0\0\0\x01",
    b"\0\0\0\0\0\0\0\0\x1b\x58\0\0\0\x01\0\0\0\0\0\0\0\0\0\x09\0\0\0\0\0\0\0\x03",
];

/// Any bytes, and a whole header that differs from ours by them.
fn read_bus(bytes: &[u8]) {
    let _ = bus::decode_pong(bytes);
    let mut message = bus::encode_ping(slotwright_core::model::NodeId::made_up(1));
    message.iter_mut().zip(bytes).for_each(|(byte, change)| *byte ^= change);
    let _ = bus::decode_pong(&message);
}

fn read_resp(bytes: &[u8]) {
    let mut decoder = resp::Decoder::new();
    for part in bytes.chunks(7) {
        decoder.feed(part);
        while let Ok(Some(_)) = decoder.next_value() {}
    }
}

fn read_replies(bytes: &[u8]) {
    let mut decoder = resp::Decoder::new();
    decoder.feed(bytes);
    while let Ok(Some(value)) = decoder.next_value() {
        cluster_slots::parse(&value);
        cluster_shards::parse(&value);
        cluster_links::parse(&value);
    }
}

fn read_nodes(bytes: &[u8]) {
    cluster_nodes::parse(bytes, &mut RowTable::default());
}

fn read_info(bytes: &[u8]) {
    info::parse(bytes);
}

fn read_nodes_conf(bytes: &[u8]) {
    nodes_conf::parse(bytes, &mut RowTable::default());
}

fn read_logs(bytes: &[u8]) {
    for line in String::from_utf8_lossy(bytes).lines() {
        logs::parse(line);
    }
}

fn read_file(bytes: &[u8]) {
    if let Ok(seen) = serde_json::from_slice::<Observation>(bytes) {
        diagnose(&seen);
    }
}

fn read_paste(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes).into_owned();
    explain(&[Paste { name: "-".to_owned(), text }]);
}
