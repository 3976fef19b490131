//! Carries out a plan: does what the drive says, and reports what came of it.

use std::collections::BTreeSet;
use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use slotwright_core::drive::{Drive, End, Event, Next};
use slotwright_core::journal::Entry;
use slotwright_core::model::{Endpoint, NodeId};
use slotwright_core::plan::Plan;
use tokio::sync::Notify;

use super::send::send;
use super::{ActToken, JournalFile};
use crate::observe::{Trusted, peek};
use crate::target::{Limits, Target};

/// Lets somebody else stop a run at the end of the step that is under way.
#[derive(Clone, Debug, Default)]
pub struct Stop(Arc<(AtomicBool, Notify)>);

impl Stop {
    /// Asks for it.
    pub fn ask(&self) {
        self.0.0.store(true, Ordering::Relaxed);
        self.0.1.notify_waiters();
    }

    /// Whether it was asked for.
    pub fn is_asked(&self) -> bool {
        self.0.0.load(Ordering::Relaxed)
    }

    /// Returns when it was asked for.
    pub async fn asked(&self) {
        let mut notified = pin!(self.0.1.notified());
        // Before looking, so that a word in between is not missed.
        notified.as_mut().enable();
        if !self.is_asked() {
            notified.await;
        }
    }
}

/// Carries out a plan. `tell` hears each entry when it is on disk. Credentials go to `trusted`
/// addresses only: that a node answers as a member is no proof that it may see them.
///
/// # Errors
/// When the journal cannot be written; nothing is sent after that.
pub async fn carry_out(
    target: &Target,
    (limits, trusted): (&Limits, &Trusted),
    plan: Plan,
    token: &ActToken,
    journal: &mut JournalFile,
    stop: &Stop,
    tell: &mut (dyn FnMut(&Plan, &Entry) + Send),
) -> io::Result<End> {
    let begun = Instant::now();
    let mut drive = Drive::new(plan);
    let mut event = None;
    loop {
        if stop.is_asked() {
            drive.interrupt();
        }
        let now_ms = u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX);
        event = Some(match drive.next(now_ms, event.take()) {
            Next::Look { nodes, slots, settings } => {
                let dialled = addresses(drive.plan(), &nodes);
                Event::Looked(peek(target, (limits, trusted), &dialled, &slots, settings).await)
            }
            Next::Record(entry) => {
                journal.append(&entry)?;
                tell(drive.plan(), &entry);
                Event::Recorded
            }
            Next::Send(number) => {
                let reply = send(target, trusted, (drive.plan(), number), token).await;
                Event::Sent(reply)
            }
            Next::Pause(ms) => {
                tokio::time::sleep(Duration::from_millis(ms)).await;
                Event::Paused
            }
            Next::Stop(end) => {
                let entry = Entry::RoundEnded { end: end.clone() };
                journal.append(&entry)?;
                tell(drive.plan(), &entry);
                return Ok(end);
            }
        });
    }
}

fn addresses(plan: &Plan, nodes: &BTreeSet<NodeId>) -> Vec<Endpoint> {
    nodes.iter().filter_map(|id| plan.nodes.get(id).cloned()).collect()
}
