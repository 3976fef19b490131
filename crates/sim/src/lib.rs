//! The modelled world: servers with their own views, gossip, elections, epochs, migration and
//! faults, all from one seed. The real diagnosis, planner and executor run inside it.
//!
//! A model is right where it does what servers do. What it leaves out is listed in
//! [`LEFT_OUT`]; that it agrees with real servers in what it has is tried by `cargo xtask leash`.

mod bus;
pub mod checkers;
mod commands;
mod cron;
pub mod fault;
pub mod leash;
mod left_out;
pub mod marks;
pub mod names;
mod open_marks;
mod planted;
pub mod prefixes;
pub mod regressions;
pub mod rehearse;
pub mod server;
pub mod tool;
pub mod trial;
pub mod twin;
mod view;
mod world;

pub use commands::{Answer, addr_of, id_of};
pub use view::{Asked, BUS_PORT, PORT, ip};
pub use world::{Deleted, Lost, Shape, TICK_MS, World};

/// What real servers do and the model does not, and why.
pub const LEFT_OUT: &[(&str, &str)] = &[
    ("hostnames, announced addresses, TLS, passwords", "no step of a plan depends on them here"),
    ("partial resynchronisation, backlogs, diskless sync", "a sync takes one tick"),
    ("replica migration between shards", "it does not touch slots or keys"),
    ("a server that Valkey dials seldom, once it failed", "it is dialled in the end"),
    ("atomic slot migration", "its jobs are the servers' own, and no plan starts one"),
    ("databases other than 0, expiry, values", "a key has a version"),
    ("the pause of writes of a manual failover", "nobody writes during one"),
];
