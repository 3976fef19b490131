//! What can be behind a paste: one file for each family of causes.
//!
//! Scores: 85 and more when the text itself names the cause or the figures prove it; 65 to 84 when
//! it is the usual reason; below when it is one reason among several. A text that is specific beats
//! one that is general.

mod addresses;
mod application;
mod clients;
mod create;
mod failover;
mod healthy;
mod identity;
mod kubernetes;
mod network;
mod ports;
mod process;
mod refused;
mod security;
mod slots;

use super::cause::Cause;

/// Every cause.
pub(super) fn all() -> impl Iterator<Item = &'static Cause> {
    [
        addresses::CAUSES,
        identity::CAUSES,
        create::CAUSES,
        slots::CAUSES,
        failover::CAUSES,
        network::CAUSES,
        ports::CAUSES,
        refused::CAUSES,
        security::CAUSES,
        application::CAUSES,
        kubernetes::CAUSES,
        process::CAUSES,
        clients::CAUSES,
        healthy::CAUSES,
    ]
    .into_iter()
    .flatten()
}
