//! Primaries whose only replica is down.

use crate::explain::cause::Hit;
use crate::explain::seen::Seen;
use crate::explain::table::Row;

/// What people do before a replica is down under its old address.
const MADE_ANEW: [&str; 7] = [
    "recreated",
    "re-created",
    "deleted the",
    "delete pod",
    "rescheduled",
    "replaced the",
    "new pod",
];

/// Says which shards have no copy left, and how a replica that was made anew comes back.
pub(super) fn left_alone(seen: &Seen, down: &[&Row], hit: Hit) -> Hit {
    let Some(table) = seen.table() else { return hit };
    let alone = |row: &&&Row| {
        let above = table.rows.iter().find(|other| Some(&other.id) == row.primary.as_ref())?;
        let lives = |other: &&Row| {
            other.primary.as_ref() == Some(&above.id) && other.is_replica() && !other.is_failing()
        };
        let bare = !above.is_failing() && !above.slots.is_empty();
        (bare && table.rows.iter().find(lives).is_none()).then_some(above)
    };
    let bare = down.iter().find_map(|row| Some((*row, alone(&row)?)));
    let Some((row, above)) = bare else { return hit };
    let told = seen.lines_with(&MADE_ANEW);
    // Who complains of a client has that for his question.
    hit.more_if(18, seen.client().is_none())
        .quote(above.line)
        .quotes(told.into_iter().take(1))
        .note(format!(
            "{} was the only replica of {}, so this shard has no copy now: no outage, but the next \
             loss of that primary would be one.",
            row.place(),
            above.place()
        ))
        .check(format!(
            "CLUSTER MYID and CLUSTER NODES on the process that was to be that replica, at its \
             present address (kubectl get pods -o wide): is its id {}, or a new one?",
            row.id
        ))
        .step(format!(
            "The same id: CLUSTER MEET <its present address> <port> from a member corrects the row. \
             A new id, without slots and keys (DBSIZE 0): CLUSTER MEET it, then on it CLUSTER \
             REPLICATE {}; when INFO replication there says up, CLUSTER FORGET {} on every other \
             node within 60 seconds.",
            above.id, row.id
        ))
}
