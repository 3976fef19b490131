//! What `verify` sends beyond looking: canary keys, and questions for the names of keys.

use slotwright_core::model::Slot;

/// What every canary key begins with. No other key is ever written, read or removed by one.
pub const CANARY_PREFIX: &str = "slotwright:canary:";

/// A command that observing may not send.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Trial {
    /// `SET key value NX PX expiry_ms`: never over a key that is there.
    SetCanary {
        /// Begins with [`CANARY_PREFIX`].
        key: String,
        /// What is written.
        value: String,
        /// After how many milliseconds the server removes it by itself.
        expiry_ms: u64,
    },
    /// `GET` of a canary key.
    GetCanary(String),
    /// `DEL` of a canary key.
    DelCanary(String),
    /// `ASKING`, before a command that an `ASK` sent here.
    Asking,
    /// `CLUSTER GETKEYSINSLOT slot count`. It changes nothing; it stands here because names of keys
    /// are told only to somebody who agreed to more than looking.
    KeysInSlot(Slot, u32),
}

/// Whether a command line is one of those above: the list that tests hold against the wire.
pub fn is_allowed<W: AsRef<[u8]>>(words: &[W]) -> bool {
    let words: Vec<&[u8]> = words.iter().map(AsRef::as_ref).collect();
    let canary = |key: &[u8]| key.starts_with(CANARY_PREFIX.as_bytes());
    match words.as_slice() {
        [b"SET", key, _, b"NX", b"PX", _] | [b"GET" | b"DEL", key] => canary(key),
        [b"ASKING"] | [b"CLUSTER", b"GETKEYSINSLOT", _, _] => true,
        _ => false,
    }
}

impl Trial {
    /// The command as it goes over the wire, word by word.
    pub(crate) fn words(&self) -> Vec<Vec<u8>> {
        let (number, limit);
        let words: &[&str] = match self {
            Self::SetCanary { key, value, expiry_ms } => {
                number = expiry_ms.to_string();
                &["SET", key, value, "NX", "PX", &number]
            }
            Self::GetCanary(key) => &["GET", key],
            Self::DelCanary(key) => &["DEL", key],
            Self::Asking => &["ASKING"],
            Self::KeysInSlot(slot, count) => {
                (number, limit) = (slot.to_string(), count.to_string());
                &["CLUSTER", "GETKEYSINSLOT", &number, &limit]
            }
        };
        words.iter().map(|word| word.as_bytes().to_vec()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_canaries_are_touched() {
        let allowed = |line: &str| is_allowed(&line.split(' ').collect::<Vec<_>>());
        assert!(allowed("SET slotwright:canary:{1}:r v NX PX 60000"));
        assert!(allowed("DEL slotwright:canary:{1}:r") && allowed("ASKING"));
        for line in [
            "SET slotwright:canary:{1}:r v",
            "SET slotwright:canary:{1}:r v XX PX 60000",
            "SET key v NX PX 60000",
            "DEL key",
            "DEL slotwright:canary:{1}:r key",
            "GET key",
            "FLUSHALL",
            "CLUSTER SETSLOT 1 STABLE",
            "",
        ] {
            assert!(!allowed(line), "{line}");
        }
    }

    #[test]
    fn nothing_here_is_on_the_list_of_observing() {
        let key = || format!("{CANARY_PREFIX}{{1}}:r");
        let slot = Slot::new(7).expect("a slot");
        for change in [
            Trial::SetCanary { key: key(), value: "v".to_owned(), expiry_ms: 1 },
            Trial::GetCanary(key()),
            Trial::DelCanary(key()),
            Trial::Asking,
            Trial::KeysInSlot(slot, 10),
        ] {
            let words = change.words();
            assert!(is_allowed(&words) && !crate::command::is_allowed(&words), "{change:?}");
        }
    }
}
