//! In what the model is known to differ from the servers, and why it may.

use slotwright_core::scenario::Server;

use super::picture::Difference;

/// A difference that is known.
#[derive(Clone, Copy)]
pub struct Divergence {
    /// Its name.
    pub id: &'static str,
    /// On which servers.
    pub servers: &'static [Server],
    /// Whether a difference is one of it.
    pub covers: fn(&Difference) -> bool,
    /// Why the model may differ there.
    pub why: &'static str,
}

/// All of them.
pub const DIVERGENCES: &[Divergence] = &[];

/// The entry that explains a difference.
pub fn explains(server: Server, difference: &Difference) -> Option<&'static Divergence> {
    let known = |one: &&Divergence| one.servers.contains(&server) && (one.covers)(difference);
    DIVERGENCES.iter().find(known)
}
