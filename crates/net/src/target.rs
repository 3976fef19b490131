//! What to look at, with which credentials, for how long.

use std::collections::BTreeSet;
use std::time::Duration;

use slotwright_core::limits;
use slotwright_core::model::Endpoint;

use crate::secret::Secret;
use crate::tls::Tls;

/// A user and a password.
#[derive(Clone)]
pub struct Login {
    /// The ACL user; `None` for the default user.
    pub user: Option<String>,
    /// The password.
    pub password: Secret<String>,
}

/// A cluster to look at. Built by the command line; has no `Debug` because it holds a secret.
#[derive(Clone)]
pub struct Target {
    /// The addresses that the user named. Credentials are sent to them.
    pub seeds: Vec<Endpoint>,
    /// More addresses that credentials may be sent to, if they turn up.
    pub trusted: Vec<Endpoint>,
    /// Addresses at which nodes answered in an earlier look of the same run. They are dialled even
    /// if no table lists them any more, and are trusted no more than any other that turns up.
    pub known: BTreeSet<Endpoint>,
    /// TLS towards the client ports, if it is to be spoken.
    pub tls: Option<Tls>,
    /// The credentials, if there are any.
    pub login: Option<Login>,
    /// How long the whole look may take, and so the longest that any node is waited for.
    pub timeout: Duration,
    /// Whether the keys of all slots are counted on every node. Without it only slots that are
    /// open, unassigned or disputed are counted.
    pub census: bool,
}

impl Target {
    /// A target without TLS and credentials, and with a deadline of five seconds.
    pub fn new(seeds: Vec<Endpoint>) -> Self {
        Self {
            seeds,
            trusted: Vec::new(),
            known: BTreeSet::new(),
            tls: None,
            login: None,
            timeout: Duration::from_secs(5),
            census: false,
        }
    }
}

/// How much one look may use. The defaults are for any machine; tests make them smaller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Addresses dialled.
    pub nodes_max: usize,
    /// Sockets open at once.
    pub sockets_max: usize,
    /// Questions of an automatic census: slots times nodes.
    pub census_questions_max: usize,
    /// Occupied slots kept of all nodes together.
    pub census_occupied_max: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            nodes_max: limits::NODES_MAX,
            // A client and a bus connection for each of 2000 nodes. `observe` takes fewer when the
            // process may not open so many.
            sockets_max: 4_096,
            // About a second of one core of the servers, spread over all of them.
            census_questions_max: 2_000_000,
            census_occupied_max: limits::CENSUS_OCCUPIED_MAX,
        }
    }
}
