//! How much of unfinished answers may be held at once, over all connections.
//!
//! A thousand peers that each send without end must not cost a thousand times the limit of one
//! reply. So a connection holds a little for free, somewhat more when it is its turn, and much
//! only when there is room left. A peer that keeps its turn without using it loses it as soon as
//! somebody else waits.

use std::sync::Arc;
use std::time::Duration;

use slotwright_core::observation::Silence;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;

/// Free for everybody: the answers of a small cluster fit. 1000 peers hold 16 MiB by this.
const FREE_BYTES: usize = 16 * 1024;
/// With a turn: `CLUSTER NODES` of 1500 nodes fits.
const TURN_BYTES: usize = 256 * 1024;
/// Turns at once: with [`TURN_BYTES`] 16 MiB. A thousand nodes that are 50 ms away and take four
/// round trips for their table are heard in four seconds.
const TURNS: usize = 64;
/// For all answers that are larger still, together: the table of 1000 nodes, with every second slot
/// at another node, is a third of a megabyte.
const LARGE_BYTES: usize = 12 * 1024 * 1024;
const UNIT_BYTES: usize = 1024;
/// How long a turn is kept while others wait and nothing arrives: some round trips.
const TURN_IDLE: Duration = Duration::from_millis(500);
/// How long a turn is kept at most while others wait: a peer may trickle.
const TURN_KEPT: Duration = Duration::from_secs(2);

/// The memory that all connections of one look share.
pub(crate) struct Memory {
    turns: Arc<Semaphore>,
    large: Arc<Semaphore>,
}

impl Memory {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self {
            turns: Arc::new(Semaphore::new(TURNS)),
            large: Arc::new(Semaphore::new(LARGE_BYTES / UNIT_BYTES)),
        })
    }
}

/// What one connection holds of it.
pub(crate) struct Share {
    memory: Arc<Memory>,
    turn: Option<(OwnedSemaphorePermit, Instant)>,
    large: Option<OwnedSemaphorePermit>,
}

impl Share {
    pub(crate) fn of(memory: &Arc<Memory>) -> Self {
        Self { memory: Arc::clone(memory), turn: None, large: None }
    }

    /// Returns when so many bytes may be held.
    ///
    /// # Errors
    /// The silence of a peer whose answer is too large for the memory that is left.
    pub(crate) async fn fit(&mut self, bytes: usize) -> Result<(), Silence> {
        if bytes <= FREE_BYTES {
            self.turn = None;
            self.large = None;
            return Ok(());
        }
        if self.turn.is_none() {
            let turns = Arc::clone(&self.memory.turns);
            let turn = turns.acquire_owned().await.map_err(|_| Silence::NoReply)?;
            self.turn = Some((turn, Instant::now()));
        }
        if bytes <= TURN_BYTES {
            self.large = None;
            return Ok(());
        }
        self.grow(bytes.div_ceil(UNIT_BYTES))
    }

    fn grow(&mut self, units: usize) -> Result<(), Silence> {
        let held = self.large.as_ref().map_or(0, OwnedSemaphorePermit::num_permits);
        let missing = u32::try_from(units.saturating_sub(held)).unwrap_or(u32::MAX);
        let too_large = || {
            Silence::Garbage("the answer is too large for the memory that is left for it".into())
        };
        let more = Arc::clone(&self.memory.large)
            .try_acquire_many_owned(missing)
            .map_err(|_| too_large())?;
        match &mut self.large {
            Some(held) => held.merge(more),
            none => *none = Some(more),
        }
        Ok(())
    }

    /// Returns when a turn that others wait for was kept too long, or nothing arrived for too long
    /// since this was called; never otherwise.
    pub(crate) async fn turn_is_over(&self) {
        let Some((_, since)) = &self.turn else { return std::future::pending().await };
        let mut until = (*since + TURN_KEPT).min(Instant::now() + TURN_IDLE);
        loop {
            tokio::time::sleep_until(until).await;
            if self.memory.turns.available_permits() == 0 {
                return;
            }
            until = Instant::now() + TURN_IDLE;
        }
    }
}
