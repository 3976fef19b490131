//! An owner of slots whose address is lost: nobody can be sent to it, and the state stays ok.

use super::holes::UNCOVERED;
use crate::explain::cause::Hit;
use crate::explain::figures::{places, short, slots};
use crate::explain::seen::{Seen, Table};
use crate::explain::table::Row;
use crate::explain::template::list;
use crate::model::{Flag, SLOT_COUNT, SlotSet};

/// A primary without address that owns slots, or that replicas follow.
pub(super) fn owner(seen: &Seen) -> Option<Hit> {
    let lost = seen.lost_owners();
    let Some(first) = lost.first() else { return followed_only(seen) };
    let missing = lost.iter().fold(SlotSet::new(), |all, row| all.union(&row.slots));
    let hit = Hit::of(76)
        .quote(first.line)
        .fact("node", short(&first.id))
        .fact("slots", first.slots.len().to_string());
    let hit = state_is_no_proof(seen, missed_by_a_client(seen, &missing, hit));
    Some(with_the_replica(seen, first, lost.len(), hit))
}

/// Replicas follow a primary that has no address; its slots are not in the table.
fn followed_only(seen: &Seen) -> Option<Hit> {
    let lost = |row: &&Row| row.flags.has(Flag::NoAddress) && row.is_primary();
    let followed = |row: &&Row| seen.server_rows().any(|one| one.primary.as_ref() == Some(&row.id));
    let row = seen.server_rows().filter(lost).find(followed)?;
    let hit = Hit::of(76).quote(row.line).fact("node", short(&row.id));
    Some(hit.fact("slots", row.slots.len().to_string()))
}

/// A client that misses slots misses these.
fn missed_by_a_client(seen: &Seen, missing: &SlotSet, hit: Hit) -> Hit {
    let Some(at) = seen.lines_with(UNCOVERED).first().copied() else { return hit };
    let hit = hit.quote(at).more_if(10, true);
    let left = SLOT_COUNT.saturating_sub(missing.len()).to_string();
    let text = seen.lines.get(at).map(|line| line.lower.as_str()).unwrap_or_default();
    let mut numbers = text.split(|c: char| !c.is_ascii_digit());
    if !numbers.any(|number| number == left) {
        return hit.note(format!(
            "The client misses the slots {} for this reason: it leaves a node without address out \
             of its map. Its release is not the cause.",
            slots(missing)
        ));
    }
    hit.more_if(6, true).note(format!(
        "The client counts right: it leaves a node without address out of its map, and 16384 less \
         the {} slots {} are the {left} of its message. Its release is not the cause; one that \
         does not check the coverage meets the same hole at the first key of these slots.",
        missing.len(),
        slots(missing),
    ))
}

/// What `CLUSTER INFO` says of it.
fn state_is_no_proof(seen: &Seen, hit: Hit) -> Hit {
    let all = seen.number("cluster_slots_ok").is_some_and(|slots| slots == 16_384);
    if !all || !seen.says_ok() {
        return hit;
    }
    hit.quotes(seen.field_line("cluster_slots_ok")).note(
        "cluster_state:ok and cluster_slots_ok:16384 beside it prove nothing: a node without \
         address is not counted as failed, and for the same reason its replica stands for no \
         election.",
    )
}

/// What is to be done when the table shows a replica of it that is linked.
fn with_the_replica(seen: &Seen, lost: &Row, others: usize, hit: Hit) -> Hit {
    let of_it = |table: &&Table| table.rows.iter().any(|row| row.line == lost.line);
    let Some(table) = seen.tables.iter().find(of_it) else { return hit };
    let well = |row: &&Row| {
        let linked = row.is_myself() || row.linked == Some(true) && !row.is_failing();
        linked && !row.flags.has(Flag::NoAddress)
    };
    let mine = |row: &&Row| row.primary.as_deref() == Some(lost.id.as_str());
    let replicas: Vec<&Row> = table.rows.iter().filter(mine).filter(well).collect();
    let Some(replica) = replicas.first().filter(|_| others == 1) else { return hit };
    let owners = table.rows.iter().filter(|row| row.is_primary() && !row.slots.is_empty());
    let voters = owners.clone().filter(well).count();
    let majority = voters > owners.count() / 2;
    let asked = table.myself().map_or_else(|| "a member".to_owned(), Row::place);
    let names = list(&places(replicas.iter().copied()), 3);
    let hit = hit.note(format!(
        "Clients have nowhere to go for {}. {names} follows it, is linked, and should have its \
         keys.",
        slots(&lost.slots)
    ));
    let votes = if majority {
        format!("FORCE needs the votes of most owners of slots: {voters} of them are linked here.")
    } else {
        "FORCE needs the votes of most owners of slots, and the table does not show so many \
         linked."
            .to_owned()
    };
    returning(hit, &short(&lost.id), &asked)
        .step(format!(
            "If that id is certainly nowhere any more: see that {0} has the keys (DBSIZE, INFO \
             replication), copy its RDB/AOF away, and send CLUSTER FAILOVER FORCE to {0}; it takes \
             over {1}. {votes}",
            replica.place(),
            slots(&lost.slots)
        ))
        .step(
            "Only when these slots are served again: CLUSTER FORGET of the old id on every node, \
             and look why the node came back as another one (its nodes.conf was not kept, or its \
             address was given to another node).",
        )
        .only_these_steps()
}

/// The ways in which the lost node itself comes back.
fn returning(hit: Hit, id: &str, asked: &str) -> Hit {
    hit.step(format!(
        "Ask CLUSTER MYID of every process that could be it (the old address first). Where one \
         answers {id}...: CLUSTER MEET <its present address> <port>, sent to {asked}; its slots \
         and keys are back at once, and nothing else is to be done."
    ))
    .step(format!(
        "None does: look for the nodes.conf that has {id}... as myself (another directory, an old \
         volume), and start a node from that directory with its data."
    ))
}
