//! Replicas that stand unevenly in a healthy cluster: replica migration, and how to even it out.

use crate::explain::cause::{Cause, Hit, Side};
use crate::explain::seen::{Seen, Source};
use crate::explain::table::Row;
use crate::explain::template::list;
use crate::model::SLOT_COUNT;

pub(super) static CAUSES: &[Cause] = &[REBALANCE, UNEVEN];

const REBALANCE: Cause = Cause {
    code: "REBALANCE_SKIPS_EMPTY",
    title: "rebalance leaves primaries without slots out, so it finds nothing to do",
    side: Side::Command,
    when: skipped,
    cause: "redis-cli --cluster rebalance counts only primaries that own slots, unless \
        --cluster-use-empty-masters is given; those are even within the threshold (2 %), so it \
        ends without a move.[[ <<empty>> has none, gets none, and has no vote either.]] Slots are \
        counted, not keys or load.",
    check: "redis-cli --cluster info <any node>: which primary has 0 slots?",
    fix: &[
        "redis-cli --cluster rebalance <any node> --cluster-use-empty-masters \
         --cluster-simulate first, then without --cluster-simulate (at a quiet hour: keys move one \
         batch after the other).",
        "To let one primary have more or less: --cluster-weight <id>=<weight>; a threshold below \
         2 %: --cluster-threshold 1.",
    ],
    never: &["Do not assign slots by hand (ADDSLOTS, SETSLOT NODE): the keys would stay behind."],
    like: &["EMPTY_PRIMARY", "SLOT_IMBALANCE"],
};

/// `*** No rebalancing needed! All nodes are within the 2.00% threshold.`
fn skipped(seen: &Seen) -> Option<Hit> {
    let at = *seen.lines_with(&["no rebalancing needed"]).first()?;
    if seen.has(&["use-empty-masters"]) {
        return None;
    }
    // `10.0.0.4:6379 (3a3b3c3d...) -> 0 keys | 0 slots | 1 slaves.`
    let listed = seen.lines.iter().enumerate().find_map(|(at, line)| {
        let place = line.text.split_once(" (")?.0.split_whitespace().last()?;
        line.lower.contains("| 0 slots |").then(|| (at, place.to_owned()))
    });
    let bare = |row: &&Row| row.is_primary() && row.slots.is_empty() && !row.is_failing();
    let empty = listed.or_else(|| seen.rows().find(bare).map(|row| (row.line, row.place())));
    let hit = Hit::of(if empty.is_some() { 92 } else { 66 }).quote(at);
    Some(match empty {
        Some((line, place)) => hit.quote(line).fact("empty", place),
        None => hit,
    })
}

const UNEVEN: Cause = Cause {
    code: "REPLICAS_UNEVEN",
    title: "Nothing is broken: replicas stand unevenly, as replica migration leaves them",
    side: Side::Nobody,
    when: uneven,
    cause: "Every slot has a living owner and every primary a replica[[; <<counts>>]]. When a \
        primary is left without a living replica, a replica of the primary that has most of them \
        leaves its own and follows the bare one, as long as cluster-migration-barrier replicas (1 \
        by default) stay behind. After nodes were killed, failed over and started again the \
        numbers differ for that reason, and nobody moves them back: that is meant so \
        (cluster-allow-replica-migration, 6.2 and later, switches it off). Replicas that were \
        added or lost by hand look the same.",
    check: "The logs of the replicas for 'Migrating to orphaned master'; CONFIG GET \
        cluster-migration-barrier.",
    fix: &[
        "Nothing has to be done. To even it out: on a surplus replica CLUSTER REPLICATE <id of the \
         primary with fewest>[[ (a replica of <<most>>, to <<least>>)]]; it copies its new \
         primary's data, and the old one keeps its others.",
        "Not wanted in future: a higher cluster-migration-barrier (2 = a primary gives none away \
         unless two stay), or cluster-allow-replica-migration no.",
    ],
    never: &["Do not fail over, reset or create anything for it: no slot and no key is concerned."],
    like: &["REPLICA_MIGRATED", "SHARD_COLOCATED"],
};

/// Words of somebody who wonders about it.
const ASKED: [&str; 14] = [
    "3 slaves",
    "3 replicas",
    "three slaves",
    "three replicas",
    "2 slaves",
    "2 replicas",
    "two slaves",
    "two replicas",
    "one slave",
    "one replica",
    "uneven",
    "more replicas",
    "moved to another master",
    "replica migration",
];

fn uneven(seen: &Seen) -> Option<Hit> {
    let table = seen.table().filter(|table| table.source == Source::Nodes)?;
    let well = table.rows.iter().all(|row| {
        !row.is_failing()
            && row.open.is_empty()
            && row.linked != Some(false)
            && row.address.port != 0
    });
    let owners: Vec<&Row> =
        table.rows.iter().filter(|row| row.is_primary() && !row.slots.is_empty()).collect();
    let count = |owner: &Row| {
        table.rows.iter().filter(|row| row.primary.as_deref() == Some(owner.id.as_str())).count()
    };
    let most = owners.iter().max_by_key(|row| count(row))?;
    let least = owners.iter().min_by_key(|row| count(row))?;
    let (many, few) = (count(most), count(least));
    let whole = table.assigned().len() == SLOT_COUNT && well && !seen.says_fail();
    if !whole || few == 0 || many < few + 2 {
        return None;
    }
    let counts: Vec<String> =
        owners.iter().map(|row| format!("{} has {}", row.place(), count(row))).collect();
    let asked = seen.lines_with(&ASKED);
    Some(
        Hit::of(if asked.is_empty() { 50 } else { 80 })
            .quotes(asked.into_iter().take(1))
            .quote(most.line)
            .quotes(
                table
                    .rows
                    .iter()
                    .filter(|row| row.primary.as_deref() == Some(most.id.as_str()))
                    .map(|row| row.line)
                    .take(3),
            )
            .fact("counts", list(&counts, 8))
            .fact("most", most.place())
            .fact("least", least.place()),
    )
}
