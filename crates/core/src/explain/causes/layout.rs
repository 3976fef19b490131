//! A lay-out of replicas that maintenance changed: who has one too many, and who one too few.

use crate::explain::cause::Hit;
use crate::explain::figures::slots;
use crate::explain::seen::{Seen, Source, Table};
use crate::explain::table::Row;
use crate::explain::template::list;
use crate::model::SLOT_COUNT;

/// Words of nodes that were down for a while, or of a lay-out that was another one before.
const EVENTS: [&str; 18] = [
    "reboot",
    "restarted",
    "restart of",
    "rolling",
    "maintenance",
    "patched",
    "upgraded",
    "drained",
    "was down",
    "were down",
    "power",
    "outage",
    "one after the other",
    "lost this configuration",
    "lost its configuration",
    "lay-out",
    "layout",
    "used to have",
];

/// The longest chain of replicas that is followed to its primary.
const CHAIN_MAX: usize = 8;

/// The primary at the end of the chain that a replica follows.
fn end<'a>(table: &'a Table, replica: &'a Row) -> Option<&'a Row> {
    let mut row = replica;
    for _ in 0..CHAIN_MAX {
        let above = row.primary.as_deref()?;
        row = table.rows.iter().find(|other| other.id == above)?;
        if row.is_primary() {
            return Some(row);
        }
    }
    None
}

/// A replica and the one that it follows, which is a replica too.
fn chained<'a>(table: &'a Table, row: &Row) -> Option<&'a Row> {
    let above = row.primary.as_deref()?;
    table.rows.iter().find(|other| other.id == above && other.is_replica())
}

/// Whether the one that may go should: nobody follows it, it stands in a chain, and its machine
/// has nobody of the shard that it goes to.
fn rank(table: &Table, row: &Row, poor: &Row) -> (bool, bool, bool) {
    let followed = table.rows.iter().any(|other| other.primary.as_deref() == Some(&row.id));
    let there = |other: &&Row| {
        other.id == poor.id || end(table, other).is_some_and(|primary| primary.id == poor.id)
    };
    let beside = table.rows.iter().filter(there).any(|o| o.address.ip == row.address.ip);
    (!followed, chained(table, row).is_some(), !beside)
}

/// Every slot is served and every link up, and replicas are not where they would be evenly.
pub(super) fn lost(seen: &Seen) -> Option<Hit> {
    let table = seen.table().filter(|table| table.source == Source::Nodes)?;
    let well = table.rows.iter().all(|row| !row.is_failing() && row.linked != Some(false));
    let owners = seen.owners();
    if !well || table.assigned().len() != SLOT_COUNT || owners.len() < 2 {
        return None;
    }
    let of = |owner: &Row| -> Vec<&Row> {
        let its = |row: &&Row| {
            row.is_replica() && end(table, row).is_some_and(|primary| primary.id == owner.id)
        };
        table.rows.iter().filter(its).collect()
    };
    let rich = *owners.iter().max_by_key(|row| of(row).len())?;
    let poor = *owners.iter().min_by_key(|row| of(row).len())?;
    let (many, few) = (of(rich), of(poor));
    if many.len() < few.len() + 2 {
        return None;
    }
    let goes = many.iter().copied().max_by_key(|row| rank(table, row, poor))?;
    let event = seen.lines_with(&EVENTS).first().copied();
    let link = chained(table, goes);
    if event.is_none() && link.is_none() {
        return None;
    }
    let total: usize = owners.iter().map(|owner| of(owner).len()).sum();
    let wanted = total.is_multiple_of(owners.len()).then(|| total / owners.len());
    let counts: Vec<String> = (owners.iter())
        .map(|owner| format!("{} ({}) has {}", owner.place(), slots(&owner.slots), of(owner).len()))
        .collect();
    let hit = Hit::of(84)
        .quote(rich.line)
        .quote(goes.line)
        .quotes(link.map(|row| row.line))
        .quote(poor.line)
        .quotes(event)
        .quotes(few.iter().map(|row| row.line).take(1));
    Some(told(hit, &counts, wanted, goes, link, rich, poor).only_these_steps().step(first_step(
        goes,
        rich,
        poor,
        many.len() - 1,
    )).step(settings(wanted)).step(
        "In rolling maintenance go on to the next machine only when every replica of this one \
         is back and in sync (master_link_status:up).",
    ))
}

/// What the rows say, and what most often made it so.
fn told(
    hit: Hit,
    counts: &[String],
    wanted: Option<usize>,
    goes: &Row,
    link: Option<&Row>,
    rich: &Row,
    poor: &Row,
) -> Hit {
    let even = wanted
        .map_or_else(String::new, |count| format!("; shared out evenly each would have {count}"));
    let chains = if link.is_some() { ", with chains counted to their primary" } else { "" };
    let hit = hit.note(format!(
        "Here the replicas are{chains}: {}{even}. So {} has what {} lacks.",
        list(counts, 8),
        rich.place(),
        poor.place()
    ));
    let hit = match link {
        Some(link) => hit.note(format!(
            "{} still follows {}, which was a primary for a while and is a replica of {} again: it \
             hangs in a chain, and that shard is the wrong one for it.",
            goes.place(),
            link.place(),
            rich.place()
        )),
        None => hit,
    };
    hit.note(
        "Nobody need have run REPLICATE for it: while machines were down a primary was without \
         replicas for some seconds and took one of another shard; the roles came back afterwards, \
         the replica did not. No slot and no key is concerned.",
    )
}

fn first_step(goes: &Row, rich: &Row, poor: &Row, left: usize) -> String {
    format!(
        "On {}: CLUSTER REPLICATE {} ({}, which has too few), after INFO replication of {} shows \
         the {left} that stay with state=online. It makes one full copy from its new primary. To \
         give it to {} instead would leave {} as poor as it is.",
        goes.place(),
        poor.id,
        poor.place(),
        rich.place(),
        rich.place(),
        poor.place()
    )
}

fn settings(wanted: Option<usize>) -> String {
    let barrier = wanted.filter(|count| *count >= 2).map_or(2, |count| count);
    format!(
        "So that it stays: on ALL nodes cluster-migration-barrier {barrier} (a primary gives none \
         away unless {barrier} stay with it), or cluster-allow-replica-migration no (late 6.2 and \
         7.0 and later), by CONFIG SET and CONFIG REWRITE."
    )
}
