//! The only place that changes a cluster.
//!
//! Invariants: nothing is sent without an [`ActToken`]; only command lines of [`MAY_CHANGE`] are
//! ever sent; every send is in the journal, and on disk, before it happens; what was sent is seen,
//! never believed.

pub mod canary;
mod carry_out;
mod journal;
mod line;
mod names;
mod recover;
mod send;
mod trial;

pub use carry_out::{Stop, carry_out};
pub use journal::JournalFile;
pub use names::names_held_twice;
pub use recover::{Attendant, Recovered, Recovery, recover};
pub use trial::CANARY_PREFIX;

/// The user's word that this cluster may be changed. Whatever changes something takes it.
#[derive(Debug)]
pub struct ActToken(());

impl ActToken {
    /// The user has read what will be done, and agreed. To be called once for each command that
    /// changes something, after the question was answered.
    pub const fn agreed() -> Self {
        Self(())
    }

    /// For one of the tasks that carry out together what was agreed to.
    const fn for_a_part(&self) -> Self {
        Self(())
    }
}

/// First words of all that a plan may send to change something. No FLUSHALL, no RESET, no SHUTDOWN,
/// no deletion is among them.
pub(crate) const MAY_CHANGE: &[&[&str]] = &[
    &["CLUSTER", "MEET"],
    &["CLUSTER", "FORGET"],
    &["CLUSTER", "ADDSLOTS"],
    &["CLUSTER", "ADDSLOTSRANGE"],
    &["CLUSTER", "DELSLOTS"],
    &["CLUSTER", "DELSLOTSRANGE"],
    &["CLUSTER", "BUMPEPOCH"],
    &["CLUSTER", "SET-CONFIG-EPOCH"],
    &["CLUSTER", "SETSLOT"],
    &["CLUSTER", "GETKEYSINSLOT"],
    &["CLUSTER", "REPLICATE"],
    &["CLUSTER", "FAILOVER"],
    &["CONFIG", "SET"],
    &["FUNCTION", "LOAD"],
    &["ASKING"],
    &["DUMP"],
    &["MIGRATE"],
];

/// Whether a command line may be sent to change something: the list that tests hold against the
/// wire. Beside [`MAY_CHANGE`] only what touches nothing but canary keys.
pub fn may_change<W: AsRef<[u8]>>(words: &[W]) -> bool {
    trial::is_allowed(words)
        || MAY_CHANGE.iter().any(|allowed| {
            allowed.len() <= words.len()
                && allowed.iter().zip(words).all(|(known, word)| known.as_bytes() == word.as_ref())
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_destroys_may_not_be_sent() {
        for line in [
            "FLUSHALL",
            "FLUSHDB",
            "CLUSTER RESET HARD",
            "CLUSTER FLUSHSLOTS",
            "DEL a",
            "SHUTDOWN",
            "DEBUG RELOAD",
            "CLUSTER",
            "CONFIG RESETSTAT",
            "UNLINK a",
            "FUNCTION FLUSH",
            "FUNCTION DELETE lib",
            "FUNCTION RESTORE x FLUSH",
            "",
        ] {
            assert!(!may_change(&line.split(' ').collect::<Vec<_>>()), "{line}");
        }
        assert!(may_change(&["CLUSTER", "MEET", "10.0.0.1", "1", "2"]));
    }
}
