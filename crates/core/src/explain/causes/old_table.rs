//! An instance that was just started and knows slots and nodes all the same: it read an old table.

use crate::explain::cause::{Hit, Side};
use crate::explain::figures::{short, slots};
use crate::explain::seen::{Seen, Source};
use crate::explain::table::Row;

/// `CLUSTER SLOTS` of an instance that was started above it names a node without an address: that
/// is no way to write the instance's own, but another node, remembered from an earlier life.
pub(super) fn remembered(seen: &Seen) -> Option<Hit> {
    let (nowhere, own) =
        seen.tables.iter().filter(|table| table.source == Source::Slots).find_map(|table| {
            let lost = |row: &&Row| row.address.ip.is_empty() && row.address.port == 0;
            let nowhere = table.rows.iter().find(lost)?;
            let own =
                table.rows.iter().find(|row| row.id != nowhere.id && row.address.port != 0)?;
            Some((nowhere, own))
        })?;
    let (started, line) = seen.lines.iter().enumerate().take(nowhere.line).find(|(_, line)| {
        let starts =
            ["redis-server ", "valkey-server "].iter().any(|name| line.lower.contains(name));
        starts && !line.lower.contains("--version")
    })?;
    let own_place = ["--dir ", "--cluster-config-file ", ".conf"];
    let shared = !own_place.iter().any(|option| line.lower.contains(option));
    let hit = Hit { side: Some(Side::Cluster), ..Hit::of(if shared { 90 } else { 76 }) };
    let hit = hit
        .quote(started)
        .quote(nowhere.line)
        .quote(own.line)
        .fact("node", own.place())
        .note(format!(
            "A blank instance knows nobody and has no slot. This one names an owner of {} with an \
             empty host and port 0, under the id {}, which is not its own ({} is): that is a \
             remembered node without address (noaddr). And it answers for {} itself, which nobody \
             gave it.",
            slots(&nowhere.slots),
            short(&nowhere.id),
            short(&own.id),
            slots(&own.slots)
        ));
    let hit = if shared {
        hit.note(
            "It was started without a dir and without a cluster-config-file, so both are those of \
             the directory in which the command was given: a nodes.conf of an earlier instance lay \
             there and was read.",
        )
    } else {
        hit
    };
    Some(
        hit.check(
            "CONFIG GET dir and cluster-config-file, then ls -l on that file: it is older than this \
             start, and holds both ids. DBSIZE: are there keys of the earlier instance as well?",
        )
        .step(
            "Is that earlier cluster wanted? Then this is one of its nodes: start the others at \
             their own files, and use another directory for the new instance.",
        )
        .step(
            "If it is not: stop this instance, move the nodes.conf (and a dump.rdb or appendonly \
             files beside it) aside, and keep them until nobody misses them.",
        )
        .step(
            "Start each instance in a directory of its own, by absolute paths: --dir \
             /<data>/<port> --cluster-config-file nodes-<port>.conf. CLUSTER INFO must then say \
             cluster_known_nodes:1 and cluster_slots_assigned:0.",
        )
        .only_these_steps(),
    )
}
