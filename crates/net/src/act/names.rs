//! The names of the keys that two primaries hold in one slot.

use std::collections::BTreeMap;
use std::sync::Arc;

use slotwright_core::limits::{NAMED_KEYS_MAX, NAMED_SLOTS_MAX};
use slotwright_core::model::{Endpoint, NodeId, Slot};
use slotwright_core::observation::{Observation, Picture, Said, Silence};
use slotwright_core::verify::{HeldTwice, SlotNames};
use slotwright_core::wire::resp::Value;
use tokio::task::JoinSet;

use super::ActToken;
use super::line::Exchange;
use super::trial::Trial;
use crate::observe::Trusted;
use crate::target::{Limits, Target};

/// Asks the holders of the first [`NAMED_SLOTS_MAX`] of these slots for the names of their keys,
/// all nodes at once. Changes nothing; the token is only borrowed.
pub async fn names_held_twice(
    target: &Target,
    limits: &Limits,
    (seen, trusted): (&Observation, &Trusted),
    held: &[HeldTwice],
    token: &ActToken,
) -> Vec<SlotNames> {
    let seen = Picture::new(seen);
    let mut of_node: BTreeMap<NodeId, Vec<Slot>> = BTreeMap::new();
    for one in held.iter().take(NAMED_SLOTS_MAX) {
        for holder in &one.holders {
            of_node.entry(holder.node).or_default().push(one.slot);
        }
    }
    let exchange = Arc::new(Exchange::new(target, limits, trusted));
    let mut tasks = JoinSet::new();
    for (node, slots) in of_node {
        let Some(at) = seen.proved(node).map(|sighting| sighting.from.clone()) else { continue };
        let (exchange, token) = (Arc::clone(&exchange), token.for_a_part());
        tasks.spawn(async move { ask(&exchange, node, &at, &slots, &token).await });
    }
    let mut names: Vec<SlotNames> = tasks.join_all().await.into_iter().flatten().collect();
    names.sort_by_key(|one| (one.slot, one.node));
    names
}

async fn ask(
    exchange: &Exchange,
    node: NodeId,
    at: &Endpoint,
    slots: &[Slot],
    token: &ActToken,
) -> Vec<SlotNames> {
    let until = exchange.deadline();
    let mut told = Vec::with_capacity(slots.len());
    match exchange.open(at, until).await {
        Ok(mut line) => {
            let questions: Vec<Trial> =
                slots.iter().map(|slot| Trial::KeysInSlot(*slot, NAMED_KEYS_MAX)).collect();
            let keep = |number: usize, answer: Result<Value<'_>, Silence>| {
                let names = Said::from(answer.and_then(|value| names(&value)));
                let slot = slots.get(number).copied();
                told.extend(slot.map(|slot| SlotNames { slot, node, names }));
            };
            exchange.send(&mut line, token, &questions, until, keep).await;
        }
        Err(why) => told.extend(slots.iter().map(|slot| SlotNames {
            slot: *slot,
            node,
            names: Said::Nothing(why.clone()),
        })),
    }
    told
}

fn names(reply: &Value<'_>) -> Result<Vec<String>, Silence> {
    let shapeless = || Silence::Garbage("names of keys of another shape".to_owned());
    let all = reply.array().ok_or_else(shapeless)?;
    let most = usize::try_from(NAMED_KEYS_MAX).unwrap_or(usize::MAX);
    Ok(all.iter().take(most).filter_map(Value::bytes).map(name).collect())
}

/// Different names stay different: bytes that are no UTF-8 become escapes.
fn name(bytes: &[u8]) -> String {
    match std::str::from_utf8(bytes) {
        Ok(text) => text.to_owned(),
        Err(_) => bytes.escape_ascii().to_string(),
    }
}
