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
pub const DIVERGENCES: &[Divergence] = &[
    Divergence {
        id: "credited-to-whom-was-dialled",
        servers: &Server::ALL,
        covers: |one| one.after.contains("change places") && one.at.ends_with(" epochs"),
        why: "the epoch of whoever answers first at an address is credited to whom was dialled \
              there; who dials in the tenth of a second between the two starts is chance",
    },
    Divergence {
        id: "three-places-permuted",
        servers: &Server::ALL,
        covers: |one| {
            let about_places = one.at.contains(" row ") || one.at.ends_with(" epochs");
            one.after.starts_with("ADDRESS_PERMUTED_NOADDR,") && about_places
        },
        why: "who dials a third at a wrong address before that one has spoken itself holds it for \
              noaddr; with three starts one after another that is chance",
    },
    Divergence {
        id: "two-newcomers",
        servers: &Server::ALL,
        covers: |one| {
            let codes = ["CLUSTER_SPLIT_ISLANDS,", "LEFTOVER_STATE,"];
            let newcomers = codes.iter().any(|code| one.after.starts_with(code));
            newcomers && one.at.ends_with(" epochs")
        },
        why: "two newcomers with an epoch of zero: the smaller of two random ids gives way",
    },
    Divergence {
        id: "forgotten-while-it-runs",
        servers: &[Server::Valkey91],
        covers: |one| {
            let codes = ["FORGET_NODE_RETURNS,", "FORGOT_SLOT_OWNER,", "FORGOTTEN_NODE_ZOMBIE,"];
            codes.iter().any(|code| one.after.starts_with(code))
        },
        why: "whom Valkey forgets while it runs meets the others anew, is told of as forgotten, \
              and meets them again until the ban is over: there is no rest to compare",
    },
    Divergence {
        id: "heard-of-and-not-saved",
        servers: &Server::ALL,
        covers: |one| {
            let unheard = one
                .model
                .as_deref()
                .is_some_and(|row| row.is_empty() || row.starts_with("replica of nobody, failed"));
            one.after.starts_with("all restart") && one.real.is_none() && unheard
        },
        why: "whom a server knows by gossip alone it writes down only with its next change \
              (`clusterProcessGossipSection` saves nothing): started again before that, it has \
              forgotten a dead one",
    },
];

/// The entry that explains a difference.
pub fn explains(server: Server, difference: &Difference) -> Option<&'static Divergence> {
    let known = |one: &&Divergence| one.servers.contains(&server) && (one.covers)(difference);
    DIVERGENCES.iter().find(known)
}
