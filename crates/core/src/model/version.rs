//! Which server, in which version.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The two servers that speak the protocol.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum Product {
    /// Redis.
    Redis,
    /// Valkey. It reports `redis_version:7.2.4` for old clients; `valkey_version` is the true one.
    Valkey,
}

/// A product and its release.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Version {
    /// Redis or Valkey.
    pub product: Product,
    /// Major, minor, patch.
    pub release: (u16, u16, u16),
}

impl Version {
    /// Redis of that release.
    pub const fn redis(major: u16, minor: u16, patch: u16) -> Self {
        Self { product: Product::Redis, release: (major, minor, patch) }
    }

    /// Valkey of that release.
    pub const fn valkey(major: u16, minor: u16, patch: u16) -> Self {
        Self { product: Product::Valkey, release: (major, minor, patch) }
    }

    /// Reads `7.0.15`, also with a suffix such as `-rc1`; missing parts are 0.
    pub fn parse(product: Product, text: &str) -> Option<Self> {
        let mut parts = text.split('.').map(|part| {
            let digits: &str = &part[..part.bytes().take_while(u8::is_ascii_digit).count()];
            digits.parse::<u16>()
        });
        let major = parts.next()?.ok()?;
        let mut next = || parts.next().and_then(Result::ok).unwrap_or(0);
        Some(Self { product, release: (major, next(), next()) })
    }

    /// At least this release of Redis, or at least that release of Valkey.
    pub fn since(self, redis: (u16, u16, u16), valkey: (u16, u16, u16)) -> bool {
        match self.product {
            Product::Redis => self.release >= redis,
            Product::Valkey => self.release >= valkey,
        }
    }

    /// Whether a primary of this version deletes, when it starts, the keys of slots that belong to
    /// another and that it does not import (`verifyClusterConfigWithData`; older ones open an
    /// import).
    pub fn deletes_foreign_at_start(self) -> bool {
        self.since((8, 4, 0), (8, 0, 0))
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = match self.product {
            Product::Redis => "Redis",
            Product::Valkey => "Valkey",
        };
        let (major, minor, patch) = self.release;
        write!(f, "{name} {major}.{minor}.{patch}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_release_candidate_is_read_by_its_numbers() {
        let version = Version::parse(Product::Redis, "8.2.3-rc1").expect("a version");
        assert_eq!(version, Version::redis(8, 2, 3));
        assert!(version.since((7, 2, 0), (8, 0, 0)));
        assert_eq!(Version::parse(Product::Redis, "unstable"), None);
    }
}
