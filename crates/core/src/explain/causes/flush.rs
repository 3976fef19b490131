//! A replica that empties its old data set in the foreground, before it loads a new copy.

use crate::explain::cause::{Cause, Hit, Side};
use crate::explain::clock;
use crate::explain::lines::Line;
use crate::explain::seen::Seen;

pub(super) static CAUSES: &[Cause] = &[Cause {
    code: "REPLICA_FLUSH_BLOCKS",
    title: "A replica empties its old data in the foreground and answers nobody meanwhile",
    side: Side::Cluster,
    when: frees_its_old_data,
    cause: "After a full copy has arrived, and before it is loaded, the replica frees its whole old \
        data set ('Flushing old data')[[, here for <<gap>> (from <<from>> to <<to>>)]]. With \
        replica-lazy-flush no this is done in the foreground: a big data set takes longer than the \
        node timeout, the process is busy and not dead, answers no ping, and its peers mark it as \
        failed until it is done. The network is not at fault. Nothing is lost: the primary has \
        the data.",
    check: "CONFIG GET replica-lazy-flush on the replica, and in its log the time from 'Flushing \
        old data' to the line after it.",
    fix: &[
        "On every node, and in redis.conf: CONFIG SET replica-lazy-flush yes (the old data is then \
         freed in the background).",
        "Make full copies rare: a larger repl-backlog-size, and a client-output-buffer-limit for \
         replicas that lasts for one copy; look in the primary's log for what broke the link \
         before this copy.",
        "Let a flush that is under way come to its end. A node timeout above the time of loading \
         keeps the peers calm meanwhile.",
    ],
    never: &[
        "Do not restart the replica in the middle: it begins with a full copy again.",
        "Do not FORGET or recreate it: it comes back by itself.",
    ],
    like: &["FULL_SYNC_LOOP", "NODE_HUNG"],
}];

/// Shorter than this it disturbs nobody, in seconds.
const NOTICED_SECONDS: u32 = 5;

/// So many lines further what follows a flush is looked for.
const NEAR: usize = 6;

fn frees_its_old_data(seen: &Seen) -> Option<Hit> {
    let missed =
        ["as failing", "fail message received", "master,fail", "slave,fail", "flagged fail"];
    let flushes = |at: &usize| {
        seen.lines.get(*at).is_some_and(|line| line.lower.contains("flushing old data"))
    };
    // Lines of other nodes may stand between the two.
    let loads = |line: &Line| {
        ["loading db in memory", "loading rdb"].iter().any(|word| line.lower.contains(word))
    };
    let gap = |at: usize| {
        let after = seen.lines.iter().enumerate().skip(at + 1).take(NEAR);
        let next = after.filter(|(_, line)| loads(line)).map(|(next, _)| next).next()?;
        clock::between(seen, at, next).map(|gap| (gap, at, next))
    };
    let longest = (0..seen.lines.len()).filter(flushes).filter_map(gap).max();
    let timeout = clock::node_timeout(seen).unwrap_or(clock::NODE_TIMEOUT_MS).div_ceil(1_000);
    let told = |hit: Hit, (gap, at, next): (u32, usize, usize)| {
        let written = |line: usize| {
            let (text, _) = clock::time(&seen.lines.get(line)?.text)?;
            Some(text.to_owned())
        };
        let long = if gap < 120 { format!("{gap} s") } else { format!("{} min", gap / 60) };
        let lazy = seen.setting("replica-lazy-flush").map(|set| set.line);
        hit.quotes([at, next])
            .quotes(lazy)
            .fact("gap", long)
            .fact_if("from", written(at))
            .fact_if("to", written(next))
    };
    let hit = seen.says_all(78, &[&["flushing old data"], &missed]);
    // What is empty is freed at once: then the copy that came is the matter.
    let hit = hit.map(|hit| hit.less_if(30, seen.has(&["keys loaded: 0"])));
    match longest.filter(|(gap, ..)| *gap >= NOTICED_SECONDS) {
        Some(long) => {
            let base = hit.unwrap_or_else(|| Hit::of(66));
            Some(told(base.more_if(16, long.0 >= timeout), long))
        }
        None => hit.or_else(|| breaks_off(seen)),
    }
}

/// The log ends with the flush, and the cluster loses the replica right after it.
fn breaks_off(seen: &Seen) -> Option<Hit> {
    let holds = |at: usize, words: &[&str]| {
        seen.lines.get(at).is_some_and(|line| words.iter().any(|word| line.lower.contains(word)))
    };
    (0..seen.lines.len()).filter(|at| holds(*at, &["sync: flushing old data"])).find_map(|at| {
        let ends = ["as failing", "state changed: fail"];
        let next = (at + 1..=at + NEAR).find(|next| holds(*next, &ends))?;
        Some(Hit::of(74).quote(at).quote(next))
    })
}
