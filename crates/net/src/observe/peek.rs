//! A brief look at a few nodes that are known by now: what the facts of a plan are about.

use std::net::SocketAddr;
use std::sync::Arc;

use slotwright_core::model::{Endpoint, SlotSet};
use slotwright_core::observation::{Observation, Sighting, Silence};
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::Trusted;
use super::context::{Context, now_ms};
use super::conversation::brief;
use crate::names;
use crate::target::{Limits, Target};

/// Asks these nodes, all at once, for their id, table, state and `INFO`, for the keys of these
/// slots, and for settings if they are wanted. Never fails. Who needed no credentials to say that
/// it is a node of the plan gets none here either, unless its address is trusted.
pub(crate) async fn peek(
    target: &Target,
    (limits, trusted): (&Limits, &Trusted),
    nodes: &[Endpoint],
    slots: &SlotSet,
    settings: bool,
) -> Observation {
    let context = Arc::new(Context::new(target, limits, Instant::now() + target.timeout));
    let mut seen = Observation::empty();
    seen.at_ms = now_ms();
    seen.named = nodes.to_vec();
    let mut tasks: JoinSet<Sighting> = JoinSet::new();
    for from in nodes {
        let (context, from, slots) = (Arc::clone(&context), from.clone(), slots.clone());
        let login = trusted.allows(&from);
        tasks.spawn(async move {
            let address = resolve(&from, context.until).await;
            brief(&context, from, address, login, (&slots, settings)).await
        });
    }
    while let Some(done) = tasks.join_next().await {
        seen.sightings.extend(done.ok());
    }
    seen.sightings.sort_by(|a, b| a.from.cmp(&b.from));
    std::mem::swap(&mut seen.rows, &mut *context.rows());
    seen
}

async fn resolve(from: &Endpoint, until: Instant) -> Result<SocketAddr, Silence> {
    let ip = match names::literal(&from.host) {
        Some(ip) => ip,
        None => *names::look_up(&from.host, until).await?.first().ok_or(Silence::NameNotFound)?,
    };
    Ok(SocketAddr::new(ip, from.port))
}
