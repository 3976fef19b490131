//! One look at a cluster: every node at once, found transitively, each with its own view.
//!
//! Invariants: it never fails, holes are data; it is over at the deadline; an address costs only
//! itself; credentials go only where [`place`] allows.
//!
//! Addresses are dialled as they turn up. Three moments keep slow peers from holding up the rest:
//! buses that wait for their node's own view are probed, addresses that wait for a proof are
//! dialled without credentials, and doubtful slots are counted with the views there are.

mod context;
mod conversation;
mod doubtful;
mod look;
mod peek;
mod place;
mod questions;
mod tokens;

use std::collections::BTreeSet;

use slotwright_core::model::Endpoint;
use slotwright_core::observation::{Census, Observation, Said, Sighting, Silence};

pub(crate) use conversation::WITHHELD;
pub(crate) use peek::peek;

use crate::bus::Probe;
use crate::target::{Limits, Target};

/// What a task of a look reports.
enum Event {
    /// A node told its table: the numbers of its rows.
    Table { from: Endpoint, rows: Vec<u32> },
    /// A conversation is over.
    Sighting(Box<Sighting>),
    /// A bus was probed.
    Bus { address: Endpoint, probe: Probe },
    /// A name was looked up.
    Name { name: String, found: Result<Vec<std::net::IpAddr>, Silence> },
    /// Doubtful slots were counted.
    Census { from: Endpoint, said: Said<Census> },
}

/// Looks at a cluster. Never fails: what did not answer is a [`Silence`] in the observation. Runs
/// on the current tokio runtime, which needs time and IO enabled; see [`block_on`].
pub async fn observe(target: &Target, limits: &Limits) -> Observation {
    look::Look::new(target, limits).run().await.0
}

/// The same, with the addresses that credentials may be sent to.
pub async fn observe_and_trust(target: &Target, limits: &Limits) -> (Observation, Trusted) {
    look::Look::new(target, limits).run().await
}

/// The addresses that credentials may be sent to: those that the user named, and those that were
/// proved in a look. No part of an observation: a file proves nothing.
#[derive(Clone, Debug)]
pub struct Trusted {
    /// Certificates prove every peer.
    everybody: bool,
    at: BTreeSet<Endpoint>,
}

impl Trusted {
    /// Whether credentials may be sent there.
    pub fn allows(&self, at: &Endpoint) -> bool {
        self.everybody || self.at.contains(at)
    }
}

/// Files that a look at a large cluster wants to have open.
const FILES: u64 = 16 * 1024;

/// Threads that talk and read. A look of tens of nodes has as much to read as to wait for.
const WORKERS: usize = 2;

/// Runs a future on a runtime made for this, with two threads for what it spawns. Raises the soft
/// limit of open files as far as the hard one allows. Does not wait for a resolver that hangs.
///
/// # Errors
/// When the system gives us no event queue.
pub fn block_on<F: Future>(future: F) -> std::io::Result<F::Output> {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let files = getrlimit(Resource::Nofile);
    let wanted = files.maximum.map_or(FILES, |maximum| maximum.min(FILES));
    if files.current.is_some_and(|current| current < wanted) {
        // Without it the look is slower, not wrong.
        let _ = setrlimit(Resource::Nofile, Rlimit { current: Some(wanted), ..files });
    }
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(WORKERS)
        .enable_io()
        .enable_time()
        .max_blocking_threads(16)
        .build()?;
    let output = runtime.block_on(future);
    runtime.shutdown_background();
    Ok(output)
}
