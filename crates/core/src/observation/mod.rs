//! What was seen, who said it, when, and who said nothing.
//!
//! An [`Observation`] is a value and a file: `check -o json` writes it, `check --from` reads it.
//! Invariants: no default value stands for "unknown" (that is a [`Silence`]); each node's own view
//! is kept; secrets never enter (the shell replaces them before an observation is built).
//!
//! Deliberately absent: any judgement. What follows from these facts is told in
//! [`crate::diagnose`].

mod fields;
mod picture;
mod rows;
mod said;
#[cfg(test)]
pub(crate) mod sketch;

use serde::{Deserialize, Serialize};

pub use fields::Fields;
pub use picture::{Member, Opinion, Picture, Role};
pub use rows::{LinkState, NodeRow, NodesView, OpenSlot, RowTable, ViewRow};
pub use said::{Said, Silence};

use crate::model::{ConfigEpoch, CurrentEpoch, Endpoint, Flags, NodeId, ReplOffset, SlotSet};

/// The number of the file format. Raised when a field changes its meaning; added fields do not
/// raise it.
pub const FORMAT: u32 = 1;

/// Everything that was seen of one cluster in one look.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Observation {
    /// [`FORMAT`] of the writer.
    pub format: u32,
    /// The version of slotwright that looked.
    pub tool: String,
    /// When the look began: milliseconds since 1970, on our clock.
    pub at_ms: u64,
    /// The addresses that the user named.
    pub named: Vec<Endpoint>,
    /// Every distinct row of every `CLUSTER NODES`, stored once.
    pub rows: RowTable,
    /// One entry for each client address that was dialled.
    pub sightings: Vec<Sighting>,
    /// One entry for each bus address that was probed.
    #[serde(default)]
    pub bus: Vec<BusSighting>,
    /// One entry for each name that was looked up.
    #[serde(default)]
    pub names: Vec<NameLookup>,
    /// Facts that were left out on purpose, and why: sampling, limits.
    #[serde(default)]
    pub notes: Vec<String>,
}

impl Observation {
    /// An observation with nothing in it yet.
    pub fn empty() -> Self {
        Self {
            format: FORMAT,
            tool: env!("CARGO_PKG_VERSION").to_owned(),
            at_ms: 0,
            named: Vec::new(),
            rows: RowTable::default(),
            sightings: Vec::new(),
            bus: Vec::new(),
            names: Vec::new(),
            notes: Vec::new(),
        }
    }
}

/// What one client address said. A question that was not put is [`Silence::NotAsked`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Sighting {
    /// The address that was dialled.
    pub from: Endpoint,
    /// When it was dialled: milliseconds since 1970, on our clock.
    #[serde(default)]
    pub at_ms: u64,
    /// How long the whole conversation took.
    #[serde(default)]
    pub took_ms: u32,
    /// `PING`: the first true error of the client port, if any. `Said::This` after `+PONG`.
    #[serde(default)]
    pub ping: Said<()>,
    /// `CLUSTER MYID`.
    #[serde(default)]
    pub myid: Said<NodeId>,
    /// `CLUSTER NODES`.
    #[serde(default)]
    pub nodes: Said<NodesView>,
    /// `CLUSTER INFO`.
    #[serde(default)]
    pub cluster_info: Said<Fields>,
    /// `CLUSTER SLOTS`.
    #[serde(default)]
    pub slots: Said<Vec<SlotsRange>>,
    /// `CLUSTER SHARDS` (since Redis 7.0).
    #[serde(default)]
    pub shards: Said<Vec<Shard>>,
    /// `CLUSTER LINKS` (since Redis 7.0).
    #[serde(default)]
    pub links: Said<Vec<Link>>,
    /// `INFO`.
    #[serde(default)]
    pub info: Said<Fields>,
    /// `CONFIG GET` of the settings that matter. A secret is replaced by `""` when unset and by
    /// `secret-N` otherwise; equal numbers mean equal secrets, within one observation.
    #[serde(default)]
    pub config: Said<Fields>,
    /// `ACL WHOAMI`.
    #[serde(default)]
    pub whoami: Said<String>,
    /// `ACL LIST`: user name to `rules-N`; equal numbers mean equal rules, within one observation.
    #[serde(default)]
    pub acl: Said<Fields>,
    /// `FUNCTION LIST`: library names, sorted.
    #[serde(default)]
    pub functions: Said<Vec<String>>,
    /// `TIME`: the node's own clock, milliseconds since 1970.
    #[serde(default)]
    pub clock_ms: Said<u64>,
    /// Keys per slot, slots without keys left out: `CLUSTER COUNTKEYSINSLOT` of the slots in
    /// `counted`.
    #[serde(default)]
    pub census: Said<Census>,
    /// `CLUSTER GETSLOTMIGRATIONS` (Valkey 9.0) or `CLUSTER MIGRATION STATUS ALL` (Redis 8.4).
    #[serde(default)]
    pub migrations: Said<Vec<Fields>>,
    /// The certificate that the client port showed, when TLS was spoken.
    #[serde(default)]
    pub certificate: Said<Certificate>,
}

impl Sighting {
    /// A sighting in which nothing was asked yet.
    pub fn new(from: Endpoint) -> Self {
        Self {
            from,
            at_ms: 0,
            took_ms: 0,
            ping: Said::default(),
            myid: Said::default(),
            nodes: Said::default(),
            cluster_info: Said::default(),
            slots: Said::default(),
            shards: Said::default(),
            links: Said::default(),
            info: Said::default(),
            config: Said::default(),
            whoami: Said::default(),
            acl: Said::default(),
            functions: Said::default(),
            clock_ms: Said::default(),
            census: Said::default(),
            migrations: Said::default(),
            certificate: Said::default(),
        }
    }
}

/// One entry of `CLUSTER SLOTS`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct SlotsRange {
    /// The slots.
    pub slots: SlotSet,
    /// The owner first, then its replicas.
    pub nodes: Vec<SlotsNode>,
}

/// A node as a client is told of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct SlotsNode {
    /// `None` for NULL (unknown-endpoint), `""` when the node does not know its IP, `?` when a
    /// hostname is preferred and none is announced.
    pub endpoint: Option<String>,
    /// The port a client should dial; 0 when unknown.
    pub port: u16,
    /// The id (since Redis 4).
    pub id: Option<NodeId>,
    /// Metadata of 7.0 and later: `ip`, `hostname`.
    #[serde(default)]
    pub metadata: Fields,
}

/// One shard of `CLUSTER SHARDS`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Shard {
    /// The slots it serves.
    pub slots: SlotSet,
    /// Its members.
    pub nodes: Vec<ShardNode>,
}

/// A member of a shard, as `CLUSTER SHARDS` tells.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ShardNode {
    /// Its id.
    pub id: NodeId,
    /// `role`, `health`, `endpoint`, `ip`, `port`, `tls-port`, `hostname`, `replication-offset`.
    pub fields: Fields,
}

/// One bus connection, from `CLUSTER LINKS`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Link {
    /// True for a link that the answering node dialled (`to`), false for one it accepted (`from`).
    pub outgoing: bool,
    /// The other end.
    pub node: NodeId,
    /// When it was made: milliseconds since 1970, on the answering node's clock.
    pub create_time_ms: u64,
    /// Bytes waiting to be sent.
    pub send_buffer_used: u64,
    /// Bytes reserved for sending.
    pub send_buffer_allocated: u64,
}

/// How many keys a node holds in which slot.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Census {
    /// The slots that were counted. A slot outside was not looked at.
    pub counted: SlotSet,
    /// Slot and keys, ascending, without the zeros.
    pub keys: Vec<(u16, u64)>,
}

impl Census {
    /// The keys in this slot, if it was counted.
    pub fn keys_in(&self, slot: crate::model::Slot) -> Option<u64> {
        if !self.counted.contains(slot) {
            return None;
        }
        let at = self.keys.binary_search_by_key(&slot.get(), |(number, _)| *number);
        Some(at.map_or(0, |at| self.keys[at].1))
    }

    /// The slots that hold at least one key.
    pub fn occupied(&self) -> SlotSet {
        let mut occupied = SlotSet::new();
        for (slot, _) in &self.keys {
            // One that is no slot of any server is left out.
            occupied.insert(*slot, *slot);
        }
        occupied
    }
}

/// What the bus port of an address said to a PING of a stranger.
///
/// Tried on Redis 7.0.15, 8.2.3 and Valkey 9.1.2: the PONG comes without authentication and
/// changes no membership (`clusterProcessPacket`).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct BusSighting {
    /// The bus address that was dialled.
    pub address: Endpoint,
    /// The PONG, or why there is none.
    pub said: Said<BusIdentity>,
    /// Whether the answer came over TLS; `None` when nothing answered. TLS is tried only when the
    /// user asked for TLS, and first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub over_tls: Option<bool>,
}

/// The header of a PONG.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct BusIdentity {
    /// Who answers.
    pub id: NodeId,
    /// Its flags, as it sees itself.
    pub flags: Flags,
    /// Its primary, if it is a replica.
    pub primary: Option<NodeId>,
    /// Its own config epoch (a replica: its primary's).
    pub config_epoch: ConfigEpoch,
    /// The greatest epoch it has seen.
    pub current_epoch: CurrentEpoch,
    /// Its replication offset.
    pub offset: ReplOffset,
    /// The slots it claims (a replica: its primary's).
    pub slots: SlotSet,
    /// The IP it announces; empty when it leaves that to the receiver.
    pub ip: String,
    /// The client port it announces.
    pub port: u16,
    /// The bus port it announces.
    pub bus_port: u16,
    /// Whether it holds the cluster for `ok`.
    pub state_ok: bool,
}

/// What the resolver said to a name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct NameLookup {
    /// The name.
    pub name: String,
    /// Its addresses.
    pub said: Said<Vec<String>>,
}

/// What matters of a certificate.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Certificate {
    /// Its subject.
    pub subject: String,
    /// Who signed it.
    pub issuer: String,
    /// Names and IPs it is good for.
    pub names: Vec<String>,
    /// Valid from: seconds since 1970.
    pub not_before_s: i64,
    /// Valid until: seconds since 1970.
    pub not_after_s: i64,
    /// Whether it may be used as a server's and as a client's (the bus needs both).
    pub server_auth: bool,
    /// See `server_auth`.
    pub client_auth: bool,
}
