//! Where a node is, as somebody says it.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A host and a client port that can be dialled. The host is an IP or a name, as given.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Endpoint {
    /// IPv4, IPv6 without brackets, or a DNS name. Comes from a peer: never print it raw.
    pub host: String,
    /// The client port.
    pub port: u16,
}

impl Endpoint {
    /// The endpoint of this host and port.
    pub fn new(host: impl Into<String>, port: u16) -> Self {
        Self { host: host.into(), port }
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}

impl fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A text that is no `host:port`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("an address is written host:port")]
pub struct EndpointError;

impl FromStr for Endpoint {
    type Err = EndpointError;
    fn from_str(text: &str) -> Result<Self, EndpointError> {
        let (host, port) = text.rsplit_once(':').ok_or(EndpointError)?;
        let host = host.strip_prefix('[').and_then(|h| h.strip_suffix(']')).unwrap_or(host);
        Ok(Self { host: host.to_owned(), port: port.parse().map_err(|_| EndpointError)? })
    }
}

impl Serialize for Endpoint {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Endpoint {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<str>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(feature = "schema")]
impl schemars::JsonSchema for Endpoint {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Endpoint".into()
    }
    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({ "type": "string", "description": "host:port" })
    }
}

/// What a table says about where a node lives: the second column of `CLUSTER NODES`,
/// `ip:port@cport[,hostname[,aux=val]*]`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct NodeAddress {
    /// Empty when the node does not know its own IP or the entry is `noaddr`; otherwise whatever
    /// text the server keeps: normally an IP, but a name, `?` or a mangled IP are seen.
    pub ip: String,
    /// The client port; 0 when unknown.
    pub port: u16,
    /// The bus port; 0 when unknown, `None` when not printed (Redis 3).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bus_port: Option<u16>,
    /// The announced hostname, where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hostname: Option<String>,
}

impl NodeAddress {
    /// The client endpoint, if the entry has one that can be dialled.
    pub fn client(&self) -> Option<Endpoint> {
        (!self.ip.is_empty() && self.port != 0).then(|| Endpoint::new(self.ip.clone(), self.port))
    }

    /// The bus endpoint, if the entry has one that can be dialled. Where the table does not print
    /// the bus port, it is the client port + 10000 (`CLUSTER_PORT_INCR`).
    pub fn bus(&self) -> Option<Endpoint> {
        let port = match self.bus_port {
            Some(port) => port,
            None => self.port.checked_add(10_000)?,
        };
        (!self.ip.is_empty() && port != 0).then(|| Endpoint::new(self.ip.clone(), port))
    }
}

impl fmt::Display for NodeAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.ip, self.port)?;
        if let Some(port) = self.bus_port {
            write!(f, "@{port}")?;
        }
        if let Some(name) = &self.hostname {
            write!(f, ",{name}")?;
        }
        Ok(())
    }
}
