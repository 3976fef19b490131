//! It ends, and how it says that it ended is true.

use slotwright_core::model::SlotSet;

use crate::server::{Node, slot_of};
use crate::world::World;

/// Why a cluster that was called healthy is not.
pub fn unhealthy(world: &World) -> Vec<String> {
    let mut wrong = Vec::new();
    let live: Vec<usize> = (0..world.nodes.len()).filter(|n| world.nodes[*n].up).collect();
    for n in &live {
        if !world.nodes[*n].ok {
            let state = &world.nodes[*n];
            let reached =
                state.peers.iter().filter(|p| p.votes() && !p.suspected && p.failed_at.is_none());
            wrong.push(format!(
                "stable: healthy, and node {n} says fail: {} slots, reaches {} of {}",
                state.assigned().len(),
                reached.count(),
                state.size()
            ));
        }
    }
    let mut all = SlotSet::new();
    for n in &live {
        let node = &world.nodes[*n];
        if node.primary.is_none() {
            if !all.intersection(&node.slots).is_empty() {
                wrong.push(format!("stable: healthy, and slots of node {n} have two owners"));
            }
            all = all.union(&node.slots);
            // A person must choose between two values: the owner has one of them.
            let at_owner = |key: u32| {
                let owns = |other: &&usize| {
                    let other = &world.nodes[**other];
                    other.primary.is_none() && other.slots.contains(slot_of(key))
                };
                live.iter().find(owns).is_some_and(|n| world.nodes[*n].keys.contains_key(&key))
            };
            let stray = node.keys.keys().filter(|key| !node.slots.contains(slot_of(**key)));
            let stray = stray.filter(|key| !at_owner(**key)).count();
            if stray > 0 {
                wrong.push(format!(
                    "stable: healthy, and {stray} keys of node {n} are out of reach"
                ));
            }
        }
    }
    if all != SlotSet::all() {
        wrong.push(format!("stable: healthy, and only {} slots are served", all.len()));
    }
    wrong
}

/// Why it cannot have been seen to be healthy at this very moment, disturbed as it may be.
pub fn claimed_too_early(world: &World) -> Option<String> {
    let living = world.nodes.iter().filter(|node| node.is_live() && node.primary.is_none());
    let served = living.fold(SlotSet::new(), |all, node| all.union(&node.slots));
    let unserved = served.complement().len();
    (unserved > 0)
        .then(|| format!("stable: called healthy, and {unserved} slots are served by nobody"))
}

/// Whether a living server still bans another one that lives, and will forget it again by itself.
/// No look shows a ban: a run that comes between two such moments and sends nothing cannot know.
pub fn forgets_again(world: &World) -> bool {
    let living = || world.nodes.iter().filter(|node| node.is_live());
    living().any(|one| living().any(|other| one.bans.iter().any(|(id, _)| *id == other.id)))
}

/// Whether every living server lists every other one, and none is about to forget another again:
/// else the servers go on changing their tables by themselves.
pub fn is_settled(world: &World) -> bool {
    let living = || world.nodes.iter().filter(|node| node.is_live());
    let knows = |one: &Node, other: &Node| {
        let banned = one.bans.iter().any(|(id, _)| *id == other.id);
        one.id == other.id || (one.peer(other.id).is_some() && !banned)
    };
    living().all(|one| living().all(|other| knows(one, other)))
}

/// Another start mended what was given up. Where that sent nothing, what a person was asked to do
/// passed by itself: the reason was true when it was given, unless it was that there is none.
pub fn gave_up(left: &[String], sent: usize, story: &[String]) -> Option<String> {
    let untold = |left: &String| left.starts_with("CLUSTER_DOWN") || left.starts_with("WAITED");
    if sent == 0 && !left.iter().any(untold) {
        return None;
    }
    let (left, story) = (left.join("; "), story.join("; "));
    Some(format!("stable: gave up what another start mends: {left}: {story}"))
}

/// What no server's table may be (SEMANTICS 21).
pub fn broken_tables(world: &World) -> Vec<String> {
    let mut wrong = Vec::new();
    for (n, node) in world.nodes.iter().enumerate() {
        let mut seen = SlotSet::clone(&node.slots);
        for peer in &node.peers {
            if !seen.intersection(&peer.slots).is_empty() {
                wrong.push(format!("stable: node {n} gives a slot to two"));
            }
            seen = seen.union(&peer.slots);
        }
        if node.primary.is_some() && !node.slots.is_empty() {
            wrong.push(format!("stable: node {n} is a replica with slots"));
        }
        if node.config_epoch > node.current_epoch {
            wrong.push(format!("stable: node {n} has a config epoch above the current one"));
        }
    }
    wrong
}
