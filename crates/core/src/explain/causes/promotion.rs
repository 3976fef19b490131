//! Why a replica is not promoted: facts beside the log that tell the reasons apart.

use crate::explain::cause::Hit;
use crate::explain::seen::Seen;
use crate::explain::table::Row;

/// A manual failover waits for the offset at which the paused primary stands. Before
/// redis/redis#8651 an offset of 0 was taken for one that had not come yet.
pub(super) fn waits_for_zero(seen: &Seen, hit: Hit) -> Hit {
    let zero = seen.blocks.iter().find_map(|block| {
        let primary = block.fields.is("role", "master");
        let at = block.lines.get("master_repl_offset").copied();
        at.filter(|_| primary && block.fields.is("master_repl_offset", "0"))
    });
    let said = [
        "sending 0 bytes of backlog starting from offset 1.",
        "master manual failover: 0",
        "primary manual failover: 0",
    ];
    let said = seen.lines_with(&said).first().copied();
    if zero.or(said).is_none() {
        return hit;
    }
    let again = seen.count(&["manual failover requested by", "failover user request accepted"]);
    let repeats = again >= 3;
    let told = seen.lines_with(&["master manual failover: 0", "primary manual failover: 0"]);
    let hit = hit.more_if(6, true).quotes(zero).quotes(said).quotes(told.first().copied());
    let hit = hit.note(ZERO).check(
        "INFO replication on the primary: master_repl_offset. 0: it is this; a growing figure: the \
         lag of the replica or the votes.",
    )
    .only_these_steps();
    let hit = if repeats {
        hit.step(
            "Stop what repeats the request by itself: each one that times out pauses the primary's \
             clients for seconds.",
        )
    } else {
        hit
    };
    hit.step(
        "Write something to this primary (any key of one of its slots), see that \
         master_repl_offset is above 0 there and slave_repl_offset follows, then CLUSTER FAILOVER \
         on the replica once more.",
    )
    .step("Upgrade to 6.2.2 or later, where 0 counts as an offset.")
}

const ZERO: &str = "The primary's replication offset is 0: it was just started and nothing was \
    written since. The replica waits for the offset of the paused primary, and servers before \
    6.2.2 take an offset of 0 for one that did not arrive, so the failover cannot begin and times \
    out, however often it is asked for (redis/redis#8651). Lag, votes and the network have no part \
    in it.";

/// A replica whose own INFO says that it never had a link since its start, under a primary that the
/// table calls dead, while the majority of the voters lives.
pub(super) fn never_linked_by_info(seen: &Seen) -> Option<Hit> {
    let block = seen.blocks.iter().find(|block| {
        block.fields.is("master_link_down_since_seconds", "-1")
            && !block.fields.is("master_link_status", "up")
    })?;
    let at = block.lines.get("master_link_down_since_seconds").copied()?;
    let owners = seen.owners();
    let (down, up): (Vec<&Row>, Vec<&Row>) =
        owners.iter().copied().partition(|row| row.is_failing());
    let dead = down.first()?;
    let heir =
        seen.rows().find(|row| row.primary.as_ref() == Some(&dead.id) && !row.is_failing())?;
    let hit = Hit::of(84).quote(at).quote(dead.line).quote(heir.line).note(format!(
        "{} is up and follows the dead {}; master_link_down_since_seconds is -1, that is it never \
         had a link since it was started, so its age counts as endless. {} of {} owners of slots \
         are up, so there is a majority that could vote.",
        heir.place(),
        dead.place(),
        up.len(),
        owners.len()
    ));
    let empty = block.fields.is("slave_repl_offset", "0");
    let hit = if empty {
        hit.note(
            "Its offset is 0, which after a start says nothing about its keys: look at DBSIZE. \
             With no keys a promotion would make the shard empty.",
        )
    } else {
        hit
    };
    (2 * up.len() > owners.len()).then_some(hit)
}

/// Beside a tool that refuses because of uncovered slots.
pub(super) const NEVER_MOVES: &str = "Slots are not given to other shards by themselves, and \
    add-node, reshard and rebalance refuse while a range is not served: they cannot take keys from \
    a dead node. The owner comes back first; a former primary of it that is down too follows \
    later.";
