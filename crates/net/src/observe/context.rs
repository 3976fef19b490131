//! What all conversations of one look share.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use slotwright_core::observation::RowTable;
use tokio::sync::Semaphore;
use tokio::time::Instant;

use super::tokens::Tokens;
use crate::census::Room;
use crate::connection::Patience;
use crate::memory::Memory;
use crate::target::{Limits, Login, Target};
use crate::tls::Tls;

/// Files and sockets that the rest of the process may need at the same time.
const SPARE_FILES: u64 = 64;

pub(super) struct Context {
    pub(super) tls: Option<Tls>,
    pub(super) login: Option<Login>,
    pub(super) census: bool,
    pub(super) census_room: Room,
    timeout: Duration,
    pub(super) until: Instant,
    pub(super) memory: Arc<Memory>,
    pub(super) sockets: Arc<Semaphore>,
    rows: Mutex<RowTable>,
    tokens: Mutex<Tokens>,
}

impl Context {
    pub(super) fn new(target: &Target, limits: &Limits, until: Instant) -> Self {
        let files = rustix::process::getrlimit(rustix::process::Resource::Nofile).current;
        let room = files.map_or(usize::MAX, |files| {
            usize::try_from(files.saturating_sub(SPARE_FILES)).unwrap_or(usize::MAX)
        });
        Self {
            tls: target.tls.clone(),
            login: target.login.clone(),
            census: target.census,
            census_room: Room::of(limits.census_occupied_max),
            timeout: target.timeout,
            until,
            memory: Memory::new(),
            sockets: Arc::new(Semaphore::new(limits.sockets_max.min(room).max(1))),
            rows: Mutex::default(),
            tokens: Mutex::default(),
        }
    }

    pub(super) fn patience(&self) -> Patience {
        Patience::of_look(self.timeout, self.until)
    }

    pub(super) fn rows(&self) -> MutexGuard<'_, RowTable> {
        self.rows.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn tokens(&self) -> MutexGuard<'_, Tokens> {
        self.tokens.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Milliseconds since 1970, on our clock.
pub(super) fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}
