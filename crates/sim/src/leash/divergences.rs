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
pub const DIVERGENCES: &[Divergence] = &[Divergence {
    id: "credited-to-whom-was-dialled",
    servers: &Server::ALL,
    covers: |one| one.after.contains("change places") && one.at.ends_with(" epochs"),
    why: "the epoch of whoever answers first at an address is credited to whom was dialled there; \
          who dials in the tenth of a second between the two starts is chance",
}];

/// The entry that explains a difference.
pub fn explains(server: Server, difference: &Difference) -> Option<&'static Divergence> {
    let known = |one: &&Divergence| one.servers.contains(&server) && (one.covers)(difference);
    DIVERGENCES.iter().find(known)
}
