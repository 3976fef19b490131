//! The shell towards servers: RESP over TCP and TLS, the bus probe, names, observing.
//!
//! Invariants: only the commands of [`command`] are ever sent to look, and only those of [`act`] to
//! change something, with a token; every peer is hostile until it has
//! answered in time and within limits; nothing here judges what was seen.

pub mod act;
pub mod command;
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

pub use client_eye::client_eye;
pub use observe::{block_on, observe};
pub use secret::Secret;
pub use target::{Limits, Login, Target};
pub use tls::{Tls, TlsError, TlsOptions};
