//! Real servers on this machine, broken on purpose.
//!
//! A [`slotwright_core::scenario::Scenario`] is data; here it is carried out: [`servers`] gets the
//! programs, [`cluster`] builds a healthy cluster in a [`place`] of its own, [`acts`] break it and
//! [`conditions`] wait for what must hold in between. [`watchdog`] cleans up, whatever happens to
//! us.
//!
//! Invariant: nothing outlives the run, except a cluster that is kept on request ([`kept`]); and
//! only processes that the lab started are ever ended.

mod acts;
mod background;
mod certificates;
pub mod client;
mod clock;
pub mod cluster;
mod conditions;
pub mod disasters;
mod error;
pub mod healthy;
pub mod kept;
mod layout;
pub mod leash;
pub mod liar;
mod look;
pub mod outcome;
mod place;
mod process;
pub mod recover;
pub mod run;
pub mod servers;
pub mod watchdog;

pub use error::{Error, Result};
