//! What a node said while it was honest.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use slotwright_core::model::Slot;
use slotwright_core::wire::resp;

use crate::client::Value;
use crate::cluster::Cluster;
use crate::error::Result;

/// What slotwright asks, beside the counting of keys.
const QUESTIONS: [&str; 12] = [
    "PING",
    "CLUSTER MYID",
    "CLUSTER NODES",
    "CLUSTER INFO",
    "CLUSTER SLOTS",
    "CLUSTER SHARDS",
    "CLUSTER LINKS",
    "INFO",
    "ACL WHOAMI",
    "ACL LIST",
    "FUNCTION LIST",
    "CONFIG GET *",
];

/// The answers of an honest node, and where it was.
#[derive(Clone, Debug)]
pub struct Past {
    pub(super) ip: Ipv4Addr,
    pub(super) id: String,
    pub(super) answers: BTreeMap<&'static str, Value>,
    /// Keys by slot.
    pub(super) keys: BTreeMap<u16, i64>,
}

impl Past {
    /// Asks a node everything.
    ///
    /// # Errors
    /// When it does not answer.
    pub fn of(cluster: &mut Cluster, number: usize) -> Result<Self> {
        let mut answers = BTreeMap::new();
        for question in QUESTIONS {
            answers.insert(question, cluster.ask(number, question)?);
        }
        let mut keys = BTreeMap::new();
        for name in cluster.ask(number, "KEYS *")?.text().lines() {
            *keys.entry(Slot::of_key(name.as_bytes()).get()).or_default() += 1;
        }
        let ip = cluster.node(number)?.launch.ip;
        Ok(Self { ip, id: answers["CLUSTER MYID"].text(), answers, keys })
    }

    /// The table that it showed.
    pub(super) fn table(&self) -> Vec<String> {
        self.answers["CLUSTER NODES"].text().lines().map(str::to_owned).collect()
    }
}

impl Value {
    /// As a server sends it; texts as bulks.
    pub(super) fn as_value(&self) -> resp::Value<'_> {
        match self {
            Self::Text(text) if text == "PONG" || text == "OK" => {
                resp::Value::Status(text.as_bytes())
            }
            Self::Text(text) => resp::Value::Bulk(text.as_bytes()),
            Self::Error(text) => resp::Value::Error(text.as_bytes()),
            Self::Number(number) => resp::Value::Integer(*number),
            Self::Nil => resp::Value::Null,
            Self::List(values) => resp::Value::Array(values.iter().map(Self::as_value).collect()),
        }
    }
}
