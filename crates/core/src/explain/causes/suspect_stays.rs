//! One shard, and a dead replica of it that stays `fail?`: nobody else can confirm that it failed.

use crate::explain::cause::{Cause, Hit, Side};
use crate::explain::seen::{Seen, Source, Table};
use crate::explain::table::Row;
use crate::explain::template::list;
use crate::model::Flag;

pub(super) static CAUSES: &[Cause] = &[Cause {
    code: "SUSPECT_STAYS_SUSPECTED",
    title: "A dead replica of the only shard stays fail? and never becomes fail[[: <<who>>]]",
    side: Side::Cluster,
    when: suspected,
    cause: "A node becomes FAIL when a majority of the primaries with slots report it, and the \
        primary counts these reports when it hears gossip from ANOTHER primary. With one shard \
        there is none, so the second opinion never comes: the dead replica stays PFAIL (fail?) at \
        its primary as long as it is away.[[ <<how>>]] CLUSTER SLOTS leaves out nodes in FAIL \
        only, so clients that read from replicas still get it and run into its silence; with \
        several shards it goes out of that list within a minute. No primary is down, every slot \
        is served and no vote is needed. A known fault (redis/redis#12824), mended in Redis 7.2.5 \
        and later and in Valkey 8.0 and later.",
    check: "CLUSTER NODES at the primary: fail? (not fail) with an old pong for this id, one row \
        with slots; CLUSTER SLOTS: does its address still stand there?",
    fix: &[
        "If it is to come back: start it again with its own files; the mark and the errors go by \
         themselves.",
        "If it is gone for good: CLUSTER FORGET <its id> on every node that is left (primary and \
         replicas) within 60 seconds, for the others tell it again; it owns no slot, so nothing \
         else changes.",
        "Upgrade, so that it becomes FAIL by itself. Until then let clients take another replica \
         or the primary when a read from one fails (a short connect timeout).",
    ],
    never: &[
        "No CLUSTER FAILOVER of any kind: the primary lives and serves.",
        "Do not shorten cluster-node-timeout for it: that brings fail? sooner, and FAIL never.",
        "Do not run --cluster fix: no slot is wrong.",
    ],
    like: &["REPLICA_DOWN"],
}];

/// Silence that no node timeout explains, in milliseconds.
const LONG_MS: u64 = 120_000;

/// The one primary with slots that answered, and the replicas that it suspects.
fn suspects(table: &Table) -> Option<(&Row, Vec<&Row>)> {
    let owns = |row: &&Row| row.is_primary() && !row.slots.is_empty();
    let mut owners = table.rows.iter().filter(owns);
    let owner = owners.next().filter(|row| !row.is_failing())?;
    let alone = owners.next().is_none() && owner.is_myself();
    let failing: Vec<&Row> = table.rows.iter().filter(|row| row.is_failing()).collect();
    let only = failing.iter().all(|row| row.is_replica() && row.flags.has(Flag::Suspected));
    (alone && only && !failing.is_empty()).then_some((owner, failing))
}

/// The times of a row in milliseconds: ping sent, pong received.
fn pong(seen: &Seen, row: &Row) -> Option<u64> {
    let line = seen.lines.get(row.line)?;
    let times = line.text.split_whitespace().filter_map(|word| word.parse::<u64>().ok());
    times.filter(|ms| *ms > 1_000_000_000_000).min()
}

fn suspected(seen: &Seen) -> Option<Hit> {
    let table = seen.tables.iter().rev().find(|table| table.source == Source::Nodes)?;
    let (owner, failing) = suspects(table)?;
    if seen.says_fail() {
        return None;
    }
    let now = table.rows.iter().filter_map(|row| pong(seen, row)).max();
    let silence = failing.iter().filter_map(|row| now?.checked_sub(pong(seen, row)?)).max();
    let long = silence.filter(|ms| *ms >= LONG_MS);
    let listed: Vec<&Row> = seen
        .tables
        .iter()
        .filter(|table| table.source == Source::Slots)
        .flat_map(|table| &table.rows)
        .filter(|row| failing.iter().any(|dead| dead.address == row.address || dead.id == row.id))
        .collect();
    let places: Vec<String> = failing.iter().map(|row| row.place()).collect();
    let ids: Vec<String> = failing.iter().map(|row| row.id.clone()).collect();
    let time = long.map_or_else(String::new, |ms| format!(" for {}", lasting(ms)));
    let there = if listed.is_empty() {
        String::new()
    } else {
        format!(" CLUSTER SLOTS still has {}.", list(&places, 3))
    };
    let how = format!(
        "Here {} is the only row with slots, and {} has been silent{time}.{there}",
        owner.place(),
        list(&places, 3)
    );
    let hit = Hit::of(70)
        .more_if(14, long.is_some())
        .more_if(8, !listed.is_empty())
        .quotes(failing.iter().map(|row| row.line).take(2))
        .quote(owner.line)
        .quotes(listed.iter().map(|row| row.line).take(1))
        .fact("who", list(&places, 3))
        .fact("how", how);
    Some(
        hit.step(format!(
            "If {} is to come back: start it again with its own files; the mark and the errors go \
             by themselves.",
            list(&places, 3)
        ))
        .step(format!(
            "If it is gone for good: CLUSTER FORGET {} on every node that is left ({}), all within \
             60 seconds, or one tells it to the others again. It owns no slot, so nothing else \
             changes.",
            list(&ids, 3),
            left(table)
        ))
        .step(
            "Upgrade (Redis 7.2.5 or later, Valkey 8.0 or later), so that it becomes FAIL by \
             itself; until then a short connect timeout in clients that read from replicas.",
        )
        .only_these_steps(),
    )
}

/// The nodes that are up.
fn left(table: &Table) -> String {
    let up = table.rows.iter().filter(|row| !row.is_failing());
    list(&up.map(Row::place).collect::<Vec<_>>(), 6)
}

/// `4 h`, `12 min`.
fn lasting(ms: u64) -> String {
    let minutes = ms / 60_000;
    if minutes >= 120 { format!("{} h", minutes / 60) } else { format!("{minutes} min") }
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_cause_reads_well_without_figures() {
        crate::explain::causes::reads_well_without_figures("SUSPECT_STAYS_SUSPECTED");
    }
}
