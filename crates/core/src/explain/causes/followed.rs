//! Several tables of one node in the order of time: a primary lost its last slot, and its replica
//! went with the slots.

use crate::explain::cause::{Cause, Hit, Side};
use crate::explain::figures::slots;
use crate::explain::seen::{Seen, Source, Table};
use crate::explain::table::Row;
use crate::explain::template::list;

pub(super) static CAUSES: &[Cause] = &[FOLLOWED];

const FOLLOWED: Cause = Cause {
    code: "REPLICA_FOLLOWED_THE_SLOTS",
    title: "A replica went to another primary together with the slots",
    side: Side::Cluster,
    when: followed,
    cause: "[[<<primary>> gave its last slots (<<slots>>) to <<heir>>, and in the same step \
        <<moved>> changed over to <<heir>>. ]]A replica whose primary loses its last slot to \
        another one follows the slots, and by version and setting the emptied primary does too: \
        it has nothing left to copy, so that is meant so.[[ <<back>>]]",
    check: "The fourth column of the replica's row in CLUSTER NODES, then and now; INFO replication \
        on both primaries: connected_slaves.",
    fix: &[
        "CLUSTER REPLICATE <id of the primary that lacks it> on the replica, while the primary that \
        it follows now keeps another one.",
    ],
    never: &[
        "Do not wait for it and do not restart the replica: nothing brings it back by itself.",
        "Do not repair or reset anything: every slot has an owner.",
    ],
    like: &[],
};

/// The tables of a node, the oldest first.
fn views<'a>(seen: &'a Seen, id: &str) -> Vec<&'a Table> {
    let all = seen.past.iter().chain(&seen.tables);
    let its = all.filter(|table| {
        table.source == Source::Nodes && table.myself().is_some_and(|me| me.id == id)
    });
    let mut found: Vec<&Table> = its.collect();
    let taken = |table: &Table| {
        let lines = table.rows.iter().filter_map(|row| seen.lines.get(row.line));
        let words = lines.flat_map(|line| line.text.split_whitespace());
        words.filter_map(|word| word.parse::<u64>().ok()).filter(|ms| *ms > 1_000_000_000).max()
    };
    if found.iter().all(|table| taken(table).is_some()) {
        found.sort_by_key(|table| taken(table));
    }
    found
}

fn row<'a>(table: &'a Table, id: &str) -> Option<&'a Row> {
    table.rows.iter().find(|row| row.id == id)
}

/// A replica, the primary that it left and the one that it went to, all as they were before.
struct Move<'a> {
    replica: &'a Row,
    primary: &'a Row,
    heir: &'a Row,
}

fn moves<'a>(before: &'a Table, after: &Table) -> Vec<Move<'a>> {
    let one = |replica: &'a Row| {
        let primary = row(before, replica.primary.as_deref()?)?;
        let now = row(after, &replica.id)?.primary.as_deref()?;
        let heir = row(before, now).filter(|heir| heir.id != primary.id && heir.is_primary())?;
        let emptied = row(after, &primary.id)?;
        let took = row(after, &heir.id)?.slots.intersection(&primary.slots);
        let fits = !primary.slots.is_empty() && emptied.slots.is_empty() && !emptied.is_failing();
        (fits && !took.is_empty()).then_some(Move { replica, primary, heir })
    };
    before.rows.iter().filter_map(one).collect()
}

fn followed(seen: &Seen) -> Option<Hit> {
    let ids = seen.past.iter().chain(&seen.tables).filter_map(Table::myself);
    ids.map(|me| views(seen, &me.id)).find_map(|views| {
        let (before, after) = views.windows(2).find_map(|pair| match pair {
            [before, after] => (!moves(before, after).is_empty()).then_some((*before, *after)),
            _ => None,
        })?;
        let last = *views.last()?;
        tell(&moves(before, after), after, last)
    })
}

fn tell(all: &[Move<'_>], after: &Table, last: &Table) -> Option<Hit> {
    let first = all.first()?;
    let its: Vec<&Move<'_>> = all.iter().filter(|one| one.primary.id == first.primary.id).collect();
    let now = row(last, &first.primary.id)?;
    let served = |id: &str| last.rows.iter().filter(|r| r.primary.as_deref() == Some(id)).count();
    let stays = |one: &&&Move<'_>| {
        row(last, &one.replica.id).is_some_and(|r| r.primary.as_deref() == Some(&one.heir.id))
    };
    let away = its.iter().filter(stays).count();
    let back = !now.slots.is_empty();
    if away == 0 || (back && served(&now.id) > 0) {
        return None;
    }
    let moved: Vec<String> = its.iter().map(|one| one.replica.place()).collect();
    let hit = Hit::of(if back { 93 } else { 80 })
        .quote(first.replica.line)
        .quotes(row(last, &first.replica.id).map(|row| row.line))
        .quotes(row(after, &first.primary.id).map(|row| row.line))
        .quote(now.line)
        .quotes(row(last, &first.heir.id).map(|row| row.line))
        .quote(first.primary.line)
        .fact("primary", now.place())
        .fact("heir", first.heir.place())
        .fact("slots", slots(&first.primary.slots))
        .fact("moved", list(&moved, 4));
    let left = served(&first.heir.id).saturating_sub(1);
    Some(steps(hit, first, now, back, left).only_these_steps())
}

fn steps(hit: Hit, first: &Move<'_>, now: &Row, back: bool, left: usize) -> Hit {
    let (primary, heir, replica) = (now.place(), first.heir.place(), first.replica.place());
    let plan = "Next time plan it: whoever empties a primary for a while sends its replicas back \
        with CLUSTER REPLICATE afterwards, or leaves it one slot until the end; where \
        cluster-allow-replica-migration exists (late 6.2, 7.0 and later), 'no' on all nodes keeps \
        replicas and emptied primaries where they are.";
    if !back {
        return hit
            .step(format!(
                "Nothing has to be done while {primary} stays empty. Once it has slots again: on \
                 {replica} CLUSTER REPLICATE {}.",
                now.id
            ))
            .step(plan);
    }
    hit.fact(
        "back",
        format!(
            "Then {} came back to {primary}, and {replica} did not: it follows slots only at the \
             moment at which its own primary loses the last of them, and automatic migration \
             serves primaries that count as having had replicas, which {primary} did no more. In \
             the newest table {primary} has no replica and {heir} has {}: if {primary} dies now, \
             its slots are down.",
            slots(&now.slots),
            left + 1
        ),
    )
    .step(format!(
        "On {replica}: CLUSTER REPLICATE {} ({primary}). {heir} keeps {left} of its own. It makes \
         one full copy of {primary}; wait for master_link_status:up.",
        now.id
    ))
    .step(plan)
}
