//! What is fuzzed: each parser of bytes that a peer or a person sends.

use slotwright_core::observation::RowTable;
use slotwright_core::wire::{
    bus, cluster_links, cluster_nodes, cluster_shards, cluster_slots, info, resp,
};

/// One parser with texts to begin from.
pub struct Target {
    /// Its name on the command line.
    pub name: &'static str,
    /// Real texts.
    pub seeds: &'static [&'static [u8]],
    /// Parses; must not panic.
    pub run: fn(&[u8]),
}

/// All of them.
pub static ALL: &[Target] = &[
    Target { name: "resp", seeds: RESP, run: read_resp },
    Target { name: "cluster_nodes", seeds: NODES, run: read_nodes },
    Target { name: "cluster_replies", seeds: RESP, run: read_replies },
    Target { name: "info", seeds: INFO, run: read_info },
    Target { name: "bus", seeds: BUS, run: read_bus },
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
