//! The identity of a node: 160 bits, written as 40 lower-case hexadecimal digits.

use std::cmp::Ordering;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// The identity of a node. Never an address, an ordinal or a pod name.
///
/// Made once by the server (`createClusterNode`) and kept in `nodes.conf`.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct NodeId([u8; 20]);

/// A text that is no node id.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a node id has 40 hexadecimal digits")]
pub struct NodeIdError;

impl NodeId {
    /// The id of these 160 bits.
    pub const fn from_bytes(bytes: [u8; 20]) -> Self {
        Self(bytes)
    }

    /// The 160 bits.
    pub const fn as_bytes(&self) -> &[u8; 20] {
        &self.0
    }

    /// Reads exactly 40 hexadecimal digits.
    ///
    /// # Errors
    /// [`NodeIdError`] for any other text.
    pub fn parse(text: &[u8]) -> Result<Self, NodeIdError> {
        let digits: &[u8; 40] = text.try_into().map_err(|_| NodeIdError)?;
        let mut bytes = [0_u8; 20];
        for (byte, pair) in bytes.iter_mut().zip(digits.as_chunks::<2>().0) {
            *byte = hex(pair[0])? << 4 | hex(pair[1])?;
        }
        Ok(Self(bytes))
    }

    /// The first eight digits: what a table has room for. Unique among the nodes of a cluster in
    /// practice, but nothing may be decided by it.
    pub fn short(&self) -> String {
        self.to_string()[..8].to_owned()
    }

    /// A made-up id for tests and scenarios: the number, repeated.
    pub fn made_up(number: u32) -> Self {
        let mut bytes = [0_u8; 20];
        for chunk in bytes.as_chunks_mut::<4>().0 {
            *chunk = (number.wrapping_mul(0x9e37_79b9) ^ 0x5107_3a1b).to_be_bytes();
        }
        bytes[16..].copy_from_slice(&number.to_be_bytes());
        Self(bytes)
    }
}

/// The order of the digits. Ids are looked up more often than anything else, and two numbers are
/// compared faster than twenty bytes.
impl Ord for NodeId {
    fn cmp(&self, other: &Self) -> Ordering {
        let numbers = |id: &Self| {
            let (high, low) = id.0.split_first_chunk::<16>().map_or_else(
                || ([0; 16], [0; 4]),
                |(high, low)| (*high, low.first_chunk::<4>().copied().unwrap_or_default()),
            );
            (u128::from_be_bytes(high), u32::from_be_bytes(low))
        };
        numbers(self).cmp(&numbers(other))
    }
}

impl PartialOrd for NodeId {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

fn hex(digit: u8) -> Result<u8, NodeIdError> {
    match digit {
        b'0'..=b'9' => Ok(digit - b'0'),
        b'a'..=b'f' => Ok(digit - b'a' + 10),
        b'A'..=b'F' => Ok(digit - b'A' + 10),
        _ => Err(NodeIdError),
    }
}

impl fmt::Display for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const DIGITS: &[u8; 16] = b"0123456789abcdef";
        let mut text = [0_u8; 40];
        for (pair, byte) in text.as_chunks_mut::<2>().0.iter_mut().zip(self.0) {
            *pair = [DIGITS[usize::from(byte >> 4)], DIGITS[usize::from(byte & 15)]];
        }
        f.write_str(std::str::from_utf8(&text).unwrap_or_default())
    }
}

impl fmt::Debug for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for NodeId {
    type Err = NodeIdError;
    fn from_str(text: &str) -> Result<Self, NodeIdError> {
        Self::parse(text.as_bytes())
    }
}

impl Serialize for NodeId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for NodeId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<str>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(feature = "schema")]
impl schemars::JsonSchema for NodeId {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "NodeId".into()
    }
    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({ "type": "string", "pattern": "^[0-9a-f]{40}$" })
    }
}

/// The shard a node says that it belongs to (`CLUSTER MYSHARDID`, since Redis 7.2 / Valkey 7.2).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ShardId(pub NodeId);

impl fmt::Display for ShardId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_survives_text_and_back() {
        let text = "07c37dfeb235213a872192d90877d0cd55635b91";
        let id: NodeId = text.parse().expect("40 digits");
        assert_eq!(id.to_string(), text);
        assert_eq!(id.short(), "07c37dfe");
    }

    #[test]
    fn other_lengths_and_letters_are_refused() {
        assert_eq!("".parse::<NodeId>(), Err(NodeIdError));
        assert_eq!("0".repeat(41).parse::<NodeId>(), Err(NodeIdError));
        assert_eq!("g".repeat(40).parse::<NodeId>(), Err(NodeIdError));
    }
}
