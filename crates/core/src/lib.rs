//! The judgement of slotwright.
//!
//! The folders read as the sentence of the tool: bytes become facts ([`wire`]), facts become an
//! [`observation`], an observation is judged ([`diagnose`], [`findings`]) and evidence that a
//! person pasted is explained ([`explain`]). Whether a cluster works again is proved ([`verify`]).
//! What can be broken on purpose, to see a finding fire on a real server, is a [`scenario`].
//!
//! Invariant: this crate has no clock, no socket, no file, no randomness and no async. The list of
//! dependencies in its `Cargo.toml` is the proof, and `cargo xtask tidy` checks it.

#[macro_use]
mod macros;

pub mod client_eye;
pub mod diagnose;
pub mod drive;
pub mod explain;
pub mod findings;
pub mod journal;
pub mod limits;
pub mod model;
pub mod observation;
pub mod plan;
pub mod scenario;
pub mod verify;
pub mod wire;
