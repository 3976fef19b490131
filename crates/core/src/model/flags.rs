//! The flags column of `CLUSTER NODES`.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// One flag. The names of the wire (`master`, `slave`) are translated here and nowhere else.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[repr(u16)]
pub enum Flag {
    /// The row is about the node that answered.
    Myself = 1,
    /// A primary (`master` on the wire).
    Primary = 2,
    /// A replica (`slave` on the wire).
    Replica = 4,
    /// `fail?`: this node alone holds it for unreachable (PFAIL).
    Suspected = 8,
    /// `fail`: a majority agreed (FAIL).
    Failed = 16,
    /// MEET was sent or received, identity not proved yet.
    Handshake = 32,
    /// The address is not known any more.
    NoAddress = 64,
    /// `nofailover`: a replica that will not stand for election.
    NoFailover = 128,
    /// `noflags`: no role is known.
    NoFlags = 256,
}

const NAMES: [(Flag, &str); 9] = [
    (Flag::Myself, "myself"),
    (Flag::Primary, "master"),
    (Flag::Replica, "slave"),
    (Flag::Suspected, "fail?"),
    (Flag::Failed, "fail"),
    (Flag::Handshake, "handshake"),
    (Flag::NoAddress, "noaddr"),
    (Flag::NoFailover, "nofailover"),
    (Flag::NoFlags, "noflags"),
];

/// A set of [`Flag`]s.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Flags(u16);

impl Flags {
    /// No flag at all.
    pub const fn none() -> Self {
        Self(0)
    }

    /// This set with one more flag.
    #[must_use]
    pub const fn with(self, flag: Flag) -> Self {
        Self(self.0 | flag as u16)
    }

    /// This set without a flag.
    #[must_use]
    pub const fn without(self, flag: Flag) -> Self {
        Self(self.0 & !(flag as u16))
    }

    /// Whether the flag is set.
    pub const fn has(self, flag: Flag) -> bool {
        self.0 & flag as u16 != 0
    }

    /// Reads the column: names separated by commas. The second value lists names nobody knows.
    pub fn parse(column: &str) -> (Self, Vec<&str>) {
        let mut flags = Self::none();
        let mut unknown = Vec::new();
        for word in column.split(',').filter(|word| !word.is_empty()) {
            // Some tools print the terms of newer documentation.
            let word_on_the_wire = match word {
                "primary" => "master",
                "replica" => "slave",
                other => other,
            };
            match NAMES.iter().find(|(_, name)| *name == word_on_the_wire) {
                Some((flag, _)) => flags = flags.with(*flag),
                None => unknown.push(word),
            }
        }
        (flags, unknown)
    }
}

impl fmt::Display for Flags {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut first = true;
        for (_, name) in NAMES.iter().filter(|(flag, _)| self.has(*flag)) {
            if !first {
                f.write_str(",")?;
            }
            f.write_str(name)?;
            first = false;
        }
        if first { f.write_str("noflags") } else { Ok(()) }
    }
}

impl fmt::Debug for Flags {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for Flags {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Flags {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<str>::deserialize(deserializer)?;
        let (flags, unknown) = Self::parse(&text);
        match unknown.first() {
            None => Ok(flags),
            Some(word) => Err(serde::de::Error::custom(format!("no such flag: {word:?}"))),
        }
    }
}

#[cfg(feature = "schema")]
impl schemars::JsonSchema for Flags {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Flags".into()
    }
    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "type": "string",
            "description": "the flags column of CLUSTER NODES, separated by commas",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_column_survives_reading_and_printing() {
        let (flags, unknown) = Flags::parse("myself,slave,fail?,nofailover");
        assert!(unknown.is_empty());
        assert_eq!(flags.to_string(), "myself,slave,fail?,nofailover");
        assert!(!flags.has(Flag::Failed));
    }

    #[test]
    fn an_unknown_word_is_reported_and_loses_nothing_else() {
        let (flags, unknown) = Flags::parse("master,shiny");
        assert_eq!(unknown, ["shiny"]);
        assert!(flags.has(Flag::Primary));
    }
}
