//! The shell towards servers: RESP over TCP and TLS, the bus probe, names, observing.
//!
//! Invariants: looking sends only the commands of [`command`], and what changes something is sent
//! only by [`act`], beside the proof that it was agreed to; every peer is hostile until it has
//! answered in time and within limits; nothing here judges what was seen.

pub mod act;
pub mod command;
pub mod rights;
pub mod target;
pub mod tls;

mod bus;
mod census;
mod client_eye;
mod connection;
mod memory;
mod names;
mod observe;
mod secret;

pub use act::ActToken;
pub use client_eye::client_eye;
pub use observe::{Trusted, block_on, observe, observe_and_trust};
pub use secret::Secret;
pub use target::{Limits, Login, Target};
pub use tls::{Tls, TlsError, TlsOptions};
