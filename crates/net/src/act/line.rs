//! Connections over which something may be changed: to whom, with credentials or without.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use slotwright_core::model::Endpoint;
use slotwright_core::observation::Silence;
use slotwright_core::wire::resp::Value;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, timeout_at};

use super::ActToken;
use super::trial::Trial;
use crate::connection::{Connection, Patience, dial};
use crate::memory::Memory;
use crate::names;
use crate::observe::{Trusted, WITHHELD};
use crate::target::{Limits, Target};

/// What the connections of one run share.
pub(super) struct Exchange {
    target: Target,
    trusted: Trusted,
    memory: Arc<Memory>,
    sockets: Arc<Semaphore>,
}

/// An open connection.
pub(super) struct Line {
    connection: Connection,
    /// The login is to be sent with the first question.
    log_in: bool,
    withheld: bool,
    _socket: OwnedSemaphorePermit,
}

impl Exchange {
    pub(super) fn new(target: &Target, limits: &Limits, trusted: &Trusted) -> Self {
        Self {
            target: target.clone(),
            trusted: trusted.clone(),
            memory: Memory::new(),
            sockets: Arc::new(Semaphore::new(limits.sockets_max.max(1))),
        }
    }

    /// When a step that begins now must be over.
    pub(super) fn deadline(&self) -> Instant {
        Instant::now() + self.target.timeout
    }

    /// Connects. Whoever is not trusted gets no credentials.
    pub(super) async fn open(&self, at: &Endpoint, until: Instant) -> Result<Line, Silence> {
        let sockets = Arc::clone(&self.sockets).acquire_owned();
        let Ok(Ok(socket)) = timeout_at(until, sockets).await else {
            return Err(Silence::NotAsked);
        };
        let ip = match names::literal(&at.host) {
            Some(ip) => ip,
            None => first(&names::look_up(&at.host, until).await?)?,
        };
        let by_ip = Endpoint::new(ip.to_string(), at.port);
        let trusted = self.trusted.allows(at) || self.trusted.allows(&by_ip);
        let patience = Patience::until(until);
        let address = SocketAddr::new(ip, at.port);
        let wire = dial(address, &at.host, self.target.tls.as_ref(), &patience).await.wire?;
        let has_login = self.target.login.is_some();
        Ok(Line {
            connection: Connection::over(wire, &self.memory, patience),
            log_in: has_login && trusted,
            withheld: has_login && !trusted,
            _socket: socket,
        })
    }

    /// Sends changes at once; hands over one answer for each. What is wrong with the login is the
    /// answer to all that the server refuses for it.
    pub(super) async fn send(
        &self,
        line: &mut Line,
        token: &ActToken,
        changes: &[Trial],
        until: Instant,
        mut answer: impl FnMut(usize, Result<Value<'_>, Silence>) + Send,
    ) {
        let log_in = std::mem::take(&mut line.log_in);
        let login = self.target.login.as_ref().filter(|_| log_in);
        let withheld = line.withheld;
        line.connection.wait_until(until);
        let tell = |number: usize, said: Result<Value<'_>, Silence>| {
            answer(
                number,
                match said {
                    Err(Silence::AuthFailed(_)) if withheld => {
                        Err(Silence::AuthFailed(WITHHELD.to_owned()))
                    }
                    said => said,
                },
            );
        };
        let lines: Vec<_> = changes.iter().map(Trial::words).collect();
        line.connection.change(login, &lines, token, tell).await;
    }
}

fn first(found: &[IpAddr]) -> Result<IpAddr, Silence> {
    found.first().copied().ok_or(Silence::NameNotFound)
}

/// Connections that are kept from one round of questions to the next.
pub(super) type Lines = BTreeMap<Endpoint, Line>;
