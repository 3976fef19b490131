//! A step carried out twice equals one carried out once, and what is so already is not sent.

use std::collections::BTreeMap;
use std::rc::Rc;

use slotwright_core::model::SlotSet;
use slotwright_core::observation::Observation;
use slotwright_core::plan::Step;

use crate::server::{Addr, Id, Key, Node, Open};
use crate::world::World;

/// What a server holds, without what passes by itself: links, pings, handshakes.
#[derive(Clone, PartialEq, Debug)]
pub struct Held {
    id: Id,
    primary: Option<Id>,
    slots: Rc<SlotSet>,
    open: BTreeMap<u16, Open>,
    epochs: (u64, u64),
    keys: BTreeMap<Key, u64>,
    peers: Vec<(Id, Option<Addr>, Rc<SlotSet>, u64)>,
}

impl Held {
    /// Of one server.
    fn by(node: &Node) -> Self {
        let known = node.peers.iter().filter(|peer| peer.handshake.is_none());
        Self {
            id: node.id,
            primary: node.primary,
            slots: Rc::clone(&node.slots),
            open: node.open.clone(),
            epochs: (node.config_epoch, node.current_epoch),
            keys: node.keys.clone(),
            peers: known.map(|p| (p.id, p.addr, Rc::clone(&p.slots), p.epoch)).collect(),
        }
    }

    /// Of all servers.
    pub fn by_all(world: &World) -> Vec<Self> {
        world.nodes.iter().map(Self::by).collect()
    }
}

/// Sends the command lines of a step once more, to a copy of the world in which it was just sent.
pub fn sent_twice(world: &World, n: usize, lines: &[Vec<String>]) -> Option<String> {
    let once = Held::by_all(world);
    let mut copy = world.clone();
    for line in lines {
        // What is done already may be refused.
        let _refused = copy.command(n, line);
    }
    let twice = Held::by_all(&copy);
    let at = once.iter().zip(&twice).position(|(once, twice)| once != twice)?;
    let line = lines.first().map(|line| line.join(" ")).unwrap_or_default();
    Some(format!("idempotent: twice is not once, {line} to node {n} changes node {at} again"))
}

/// A step that is sent although what it should bring about was seen right before.
pub fn needless(step: &Step, looked: Option<&Observation>) -> Option<String> {
    let seen = looked?;
    let so = !step.expect.is_empty() && step.expect.iter().all(|f| f.judge(seen) == Some(true));
    so.then(|| format!("idempotent: sent although it is so already: {}", step.change.line()))
}
