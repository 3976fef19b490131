//! Nodes that were started without their nodes.conf and with their data.

use crate::explain::cause::Hit;
use crate::explain::figures::slots;
use crate::explain::seen::{Seen, Source};
use crate::explain::table::Row;
use crate::explain::template::list;

/// More slots than single keys explain.
const FEW_SLOTS: u16 = 1_000;

/// Each node lists only itself, with the config epoch 0 that a newborn has, and owns a few odd
/// slots: nobody assigns such; a node takes unowned slots for which it finds keys at its start
/// (`verifyClusterConfigWithData`).
pub(super) fn each_alone_with_its_keys(seen: &Seen) -> Option<Hit> {
    let tables = seen.tables.iter().filter(|table| table.source == Source::Nodes);
    let single: Vec<&Row> = tables
        .filter(|table| table.rows.len() == 1)
        .flat_map(|table| &table.rows)
        .filter(|row| row.is_myself() && row.is_primary() && row.epoch == Some(0))
        .collect();
    let all_single = seen.tables.iter().all(|table| table.rows.len() == 1);
    let few = |row: &&&Row| !row.slots.is_empty() && row.slots.len() <= FEW_SLOTS;
    let with_keys: Vec<&Row> = single.iter().filter(few).copied().collect();
    let typed = seen.has(&["cluster addslots", "setslot"]);
    let odd =
        with_keys.iter().all(|row| 50 * row.slots.ranges().len() >= usize::from(row.slots.len()));
    if with_keys.is_empty() || !all_single || typed || !odd {
        return None;
    }
    let held: Vec<String> =
        with_keys.iter().map(|row| format!("{}: {}", row.place(), slots(&row.slots))).collect();
    let image = seen.has(&["grokzen/redis-cluster"]);
    let hit = Hit::of(if single.len() > 1 || image { 88 } else { 78 })
        .quotes(single.iter().map(|row| row.line).take(4))
        .note(format!(
            "Each node that was asked lists nobody but itself, with the config epoch 0 of a \
             newborn. The odd slots ({}) were assigned by nobody: a node that starts without \
             nodes.conf and with its data takes the free slots for which it finds keys. So the \
             data files outlived the restart and nodes.conf did not.",
            list(&held, 4)
        ));
    let hit = if image { hit.note(IMAGE) } else { hit };
    Some(
        hit.step(
            "Copy the data directory of every node away. Does an old nodes.conf still exist (the \
             former volume, container or directory)? Start the nodes with those, each with its \
             own.",
        )
        .step(
            "None left and the data matter: slotwright recover, with the addresses of all nodes, \
             makes the cluster again from where the keys are, and keeps every one (slotwright plan \
             shows it first).",
        )
        .step(
            "None left and it is a test or a cache: new empty containers (docker compose down, \
             then up, without the old data volume) make a whole cluster again.",
        )
        .step(
            "Keep nodes.conf beside the data, on the same volume, and let nothing remove it at \
             start.",
        )
        .only_these_steps(),
    )
}

const IMAGE: &str = "The entry point of grokzen/redis-cluster removes the nodes.conf of every \
    node at each start of the container and runs create again, which refuses nodes that have keys \
    ('is not empty'); so a stopped and started container is no cluster any more \
    (Grokzen/docker-redis-cluster#47, #89). The image is for tests and not meant to be restarted.";
