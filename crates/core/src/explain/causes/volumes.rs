//! A volume that was removed or made anew: its node came back as a stranger.

use crate::explain::cause::Hit;
use crate::explain::seen::{Seen, Source};
use crate::explain::table::Row;
use crate::model::SLOT_COUNT;

const VOLUME: [&str; 3] = ["pvc", "volume", "persistentvolumeclaim"];

const DEED: [&str; 9] = [
    "removed",
    "deleted",
    "delete pvc",
    "recreated",
    "re-created",
    "was lost",
    "wiped",
    "new pvc",
    "new volume",
];

const NOT: [&str; 7] = [
    "not removed",
    "not deleted",
    "not been deleted",
    "n't remove",
    "n't delete",
    "never removed",
    "never deleted",
];

/// A line in which somebody says that a volume went away.
fn told(seen: &Seen) -> Option<usize> {
    seen.lines.iter().position(|line| {
        let lower = line.lower.as_str();
        let any = |words: &[&str]| words.iter().any(|word| lower.contains(word));
        any(&VOLUME) && any(&DEED) && !any(&NOT)
    })
}

/// The volume of a node went away.
pub(super) fn without_its_volume(seen: &Seen) -> Option<Hit> {
    replica_without_its_volume(seen).or_else(|| owner_without_its_volume(seen))
}

/// The volume of an owner of slots went away, and nobody has taken its slots.
fn owner_without_its_volume(seen: &Seen) -> Option<Hit> {
    let told = told(seen)?;
    let table = seen.table().filter(|table| table.source == Source::Nodes)?;
    let mut down = table.rows.iter().filter(|row| row.is_failing() && !row.slots.is_empty());
    let owner = down.next()?;
    let replica = table
        .rows
        .iter()
        .find(|row| row.primary.as_deref() == Some(owner.id.as_str()) && !row.is_failing());
    let left = match replica {
        Some(row) => format!("Its replica {} has the keys.", row.place()),
        None => "No living replica of it is in the table, so the old volume (kubectl get pv: \
            Released, with reclaim policy Retain) or a backup is the only copy."
            .to_owned(),
    };
    down.next().is_none().then(|| {
        Hit::of(82)
            .quote(owner.line)
            .quote(told)
            .fact("old", owner.id.clone())
            .fact("old_flags", owner.flags.to_string())
            .fact("old_slots", owner.slots.len().to_string())
            .note(format!(
                "It is told that a volume went away. If it was that of {}, nodes.conf and its copy of \
                 the keys went with it. {left}",
                owner.place()
            ))
    })
}

/// The volume of a replica went away; all slots are served, and its old row stays as failed.
fn replica_without_its_volume(seen: &Seen) -> Option<Hit> {
    let told = told(seen)?;
    let table = seen.table().filter(|table| table.source == Source::Nodes)?;
    let failed: Vec<&Row> = table.rows.iter().filter(|row| row.is_failing()).collect();
    let [ghost] = failed.as_slice() else { return None };
    let served = table.assigned().len() == SLOT_COUNT;
    if !served || !ghost.slots.is_empty() || !ghost.is_replica() {
        return None;
    }
    let primary = table.rows.iter().find(|row| ghost.primary.as_deref() == Some(row.id.as_str()));
    let pod = seen.pods.iter().find(|pod| {
        pod.ip.as_deref().is_some_and(|ip| table.rows.iter().all(|row| row.address.ip != ip))
    });
    let new = pod.map_or_else(
        || "the new process".to_owned(),
        |pod| format!("{} ({})", pod.name, pod.ip.as_deref().unwrap_or("?")),
    );
    let place = pod.and_then(|pod| pod.ip.clone()).unwrap_or_else(|| "<its address>".to_owned());
    let left = match primary {
        Some(primary) => {
            let others = table.rows.iter().filter(|row| {
                row.primary.as_deref() == Some(primary.id.as_str()) && !row.is_failing()
            });
            let bare = others.count() == 0;
            let bare = if bare { ", which has no replica until then" } else { "" };
            format!("Its primary was {}{bare}.", primary.place())
        }
        None => String::new(),
    };
    let id = primary.map_or("<primary id>", |row| row.id.as_str());
    Some(
        Hit::of(88)
            .quote(ghost.line)
            .quote(told)
            .quotes(pod.map(|pod| pod.line))
            .note(format!(
                "With the volume its nodes.conf went: {new} is a new node with an id of its own, and \
                 knows nobody. The row {} ({}) is the old one, a ghost: no process has this id any \
                 more. {left} All 16384 slots are served by living primaries, so no key is lost.",
                ghost.id,
                ghost.place()
            ))
            .check(format!(
                "On {new}: CLUSTER MYID is not {}, CLUSTER INFO has cluster_known_nodes:1, DBSIZE 0. \
                 If the id IS the old one, only the address is old: then CLUSTER MEET it, and \
                 forget nothing.",
                ghost.id
            ))
            .step(format!(
                "If that is so (new id, no keys): CLUSTER MEET {place} 6379 (its port) from a \
                 member, wait until it is listed, then on it CLUSTER REPLICATE {id}; or redis-cli \
                 --cluster add-node with --cluster-slave --cluster-master-id {id}."
            ))
            .step(format!(
                "Then CLUSTER FORGET {} on EVERY remaining node within 60 seconds.",
                ghost.id
            ))
            .step("Keep the volume claims (nodes.conf on the volume), so that a pod keeps its id.")
            .only_these_steps(),
    )
}
