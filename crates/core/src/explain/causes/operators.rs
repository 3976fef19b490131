//! What an operator's log and the nodes beside it show together: which node has the last copy, and
//! whether the operator emptied the others.

use crate::explain::cause::Hit;
use crate::explain::seen::Seen;
use crate::explain::table::Row;

/// Adds what the nodes of the paste show.
pub(super) fn beside_the_nodes(seen: &Seen, hit: Hit) -> Hit {
    last_copy(seen, emptied(seen, hit))
}

/// Whether a server counts FLUSHALL among its commands beside a controller that resets nodes.
pub(super) fn flushed(seen: &Seen) -> Option<usize> {
    let counted = seen.lines_with(&["cmdstat_flushall:calls=", "cmdstat_flushdb:calls="]);
    let refused = seen.has(&["reset can't be called with master nodes containing keys"]);
    counted.first().copied().filter(|_| refused)
}

fn emptied(seen: &Seen, hit: Hit) -> Hit {
    let Some(at) = flushed(seen) else { return hit };
    hit.more_if(6, true)
        .quote(at)
        .note(
            "The servers count the FLUSHALL: the reset was refused because there were keys, and \
             the controller emptied the nodes to get on. The keys are gone from memory; what is \
             left is in files.",
        )
        .step(
            "At once, before any save or AOF rewrite: scale the operator to 0; on every node \
             CONFIG SET auto-aof-rewrite-percentage 0 and CONFIG SET save \"\"; then copy \
             appendonlydir and the RDB of every leader and follower away (or snapshot the \
             volumes).",
        )
        .step(
            "In a copy of the AOF the writes from before the emptying are still there, when \
             no rewrite came after it: load that copy, without its last command, into a scratch \
             server, and look at the keys. Otherwise a snapshot of the volume or a backup.",
        )
        .step(
            "Upgrade the operator to a version that asks a person in place of this \
             (OT-CONTAINER-KIT/redis-operator#1505), and restart pods one by one: it took all at \
             once for a broken cluster.",
        )
}

/// A replica that follows an id which is dead, beside a primary with another id that has the slots.
fn last_copy(seen: &Seen, hit: Hit) -> Hit {
    let own = || seen.server_rows().filter(|row| row.is_myself());
    let follows_the_dead = |row: &&Row| {
        let dead = |id: &String| seen.rows().any(|p| p.id == *id && p.is_failing());
        row.is_replica() && row.primary.as_ref().is_some_and(dead)
    };
    let Some(copy) = own().find(follows_the_dead) else { return hit };
    let newer = own().find(|row| {
        row.is_primary() && !row.slots.is_empty() && Some(&row.id) != copy.primary.as_ref()
    });
    let Some(newer) = newer else { return hit };
    let (copy_at, newer_at) = (copy.place(), newer.place());
    hit.more_if(4, true)
        .quote(copy.line)
        .quote(newer.line)
        .note(format!(
            "{newer_at} has a new id and the slots: it was reset or born anew, and it is empty \
             unless its DBSIZE says otherwise. {copy_at} still follows the id of before, which is \
             dead; if it has keys, they are the last copy of this shard, and that is why it is \
             refused as 'not empty'."
        ))
        .step(format!(
            "With the operator paused, DBSIZE on {copy_at} and on {newer_at}. Keys on {copy_at} \
             only: SAVE there and copy its RDB and AOF away before anything else is done to it."
        ))
        .step(format!(
            "Give the keys back: stop {newer_at}, put the copied RDB into its directory \
             (appendonly no for this one start), start it and compare DBSIZE. Only then may \
             {copy_at} be blanked by a person and join as its replica."
        ))
        .only_these_steps()
}
