//! A full copy that fails for a reason of its own: then buffers and time-outs have no part in it.

use crate::explain::cause::Hit;
use crate::explain::seen::Seen;

/// Lines of links that were cut for a buffer, a time-out or a short backlog.
const OF_THE_LINK: [&str; 8] = [
    "overcoming of output buffer limits",
    "output buffer limits",
    "timeout receiving bulk data",
    "disconnecting timedout",
    "for lack of backlog",
    "client-output-buffer-limit",
    "repl-timeout",
    "omem=",
];

/// What the primary says when its own save for the copy did not work.
const SAVE_FAILED: [&str; 4] = [
    "sync failed. bgsave child returned an error",
    "sync failed. can't open",
    "bgsave for replication failed",
    "bgsave failed, replication can't continue",
];

/// The primary's save for the copy failed, and no line speaks of the link.
pub(super) fn by_the_primary(seen: &Seen) -> Option<Hit> {
    if seen.has(&OF_THE_LINK) {
        return None;
    }
    let hit = seen.says(82, &SAVE_FAILED)?;
    Some(
        hit.check(
            "The primary's log right before that line: 'No space left on device', 'Write error', \
             'Can't save in background: fork' or 'terminated by signal'; df -h and free -m there.",
        )
        .step(
            "At the PRIMARY, by the line before it. Disk: room for one more dump (or another dir). \
             Memory (fork refused, child killed): used_memory at 60 to 70 % of the machine by \
             moving slots to other shards, vm.overcommit_memory=1. Buffers and time-outs of the \
             replica's link have no part in it.",
        )
        .step(
            "Then BGSAVE on the primary: rdb_last_bgsave_status:ok, and the copy for the replica \
             succeeds as well. Let one replica copy at a time.",
        )
        .only_these_steps(),
    )
}

/// The copy came, and the replica cannot load it: the steps are the replica's.
pub(super) fn unreadable(seen: &Seen, hit: Hit) -> Hit {
    if seen.has(&OF_THE_LINK) {
        return hit;
    }
    hit.check(
        "The replica's log right before that line, CONFIG GET dir and dbfilename of every instance \
         on that machine, df -h there, and redis_version on both ends.",
    )
    .step(
        "On the REPLICA: a dir of its own for each instance (or another dbfilename), room on its \
         disk for the whole dump, rights on that directory; its version not older than its \
         primary's. The next attempt comes by itself.",
    )
    .only_these_steps()
}
