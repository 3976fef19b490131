//! A chain of causes: the volume ran full, the file was cut in the middle of a write, and at the
//! next start it does not load.

use crate::explain::cause::Hit;
use crate::explain::clock;
use crate::explain::seen::Seen;

/// What a write gets when there is no room.
const NO_ROOM: [&str; 4] =
    ["no space left on device", "disk quota exceeded", "enospc", "no space on device"];

/// Puts the full volume in front, where the paste shows it before the refusal.
pub(super) fn rooted(seen: &Seen, hit: Hit) -> Hit {
    let Some(&refused) = hit.quotes.first() else { return hit };
    let paste = |at: usize| seen.lines.get(at).map(|line| line.paste);
    let earlier = |at: usize| clock::between(seen, at, refused).is_some();
    let before = |at: &usize| paste(*at) != paste(refused) || *at < refused || earlier(*at);
    let lines = || 0..seen.lines.len();
    let holds = |at: &usize, words: &[&str]| {
        seen.lines.get(*at).is_some_and(|line| words.iter().any(|word| line.lower.contains(word)))
    };
    let room = lines().find(|at| before(at) && holds(at, &NO_ROOM));
    let full = lines().find(|at| full_volume(seen, *at).is_some());
    let Some(root) = room.or(full) else { return hit };
    let short = lines().find(|at| before(at) && holds(at, &["short write while writing"]));
    let mount = full.and_then(|at| full_volume(seen, at));
    let hit = hit.quotes([root]).quotes(short).quotes(full);
    let volume =
        mount.map_or_else(|| "its volume".to_owned(), |mount| format!("the volume {mount}"));
    let word = NO_ROOM.iter().find(|word| room.is_some_and(|at| holds(&at, &[word])));
    let said = word.map_or_else(String::new, |word| format!(" ('{word}')"));
    let now = if full.is_some() { ", and it is full now (100%)" } else { "" };
    let written = short.and_then(|at| bytes(&seen.lines.get(at)?.lower)).map_or_else(
        || "its file was cut in the middle of a write".to_owned(),
        |(done, whole)| {
            format!("{done} of {whole} bytes were written, so its file ends in the middle")
        },
    );
    let loops = seen.pods.iter().find(|pod| pod.status == "CrashLoopBackOff");
    let again = loops.map_or_else(
        || "each further start meets the same".to_owned(),
        |pod| format!("the {} restarts of {} meet the same", pod.restarts, pod.name),
    );
    let chain = format!(
        "One thing led to the next here. First {volume} ran full{said}{now}; then \
         {written}; at the next start that end cannot be read, the server refuses to load, and \
         {again}. The full volume is the cause, the damaged file and the restarts come of it."
    );
    stepped(seen, hit.quotes(loops.map(|pod| pod.line)), refused, &volume)
        .fact("chain", chain)
        .fact("root", "after its volume ran full, and it was cut in the middle of a write")
        .more_if(4, true)
}

/// In their order: without room the copy and the repair fail as the write did.
fn stepped(seen: &Seen, hit: Hit, refused: usize, volume: &str) -> Hit {
    let file = seen.lines.get(refused).and_then(|line| {
        let (_, rest) = line.text.split_once("append only file ")?;
        let name = rest.split([':', ' ']).next()?;
        name.contains('.').then(|| name.to_owned())
    });
    let rdb = file.is_none() && !seen.has(&["aof", "append only", "append-only"]);
    let mend = match file {
        _ if rdb => {
            "An RDB that was cut has no end to be mended: take the last whole one (a backup, \
             or a replica's)."
                .to_owned()
        }
        Some(name) if name.contains(".incr.") || name.contains(".base.") => {
            let base = name.split(".aof").next().unwrap_or("appendonly");
            format!(
                "With the server stopped (a helper pod or shell on the same volume): redis-check-aof \
                 without an option says where {name} breaks off, and with --fix on \
                 {base}.aof.manifest cuts the file there. What stands behind that place is lost."
            )
        }
        name => format!(
            "With the server stopped: redis-check-aof without an option says where {} breaks off, \
             and with --fix cuts it there. What stands behind that place is lost.",
            name.unwrap_or_else(|| "the file".to_owned())
        ),
    };
    hit.step(format!(
        "Make room first: enlarge {volume} (its claim or disk), or move away what is not the \
         server's own. Without room the copy and the repair fail as the write did, and the next \
         write is cut again."
    ))
    .step("Copy the whole data directory (appendonlydir and nodes.conf too) to another volume.")
    .step(mend)
    .step(
        "Start it, and look at DBSIZE. Only if a replica has this shard's data (its INFO keyspace) \
         is there another way: promote that one, and let this node copy from it.",
    )
    .step(
        "So that it does not come back: an alert on the volume's filling, a volume of at least \
         twice maxmemory (a rewrite has the old and the new file side by side), maxmemory set.",
    )
    .check(format!(
        "df -h on {volume}, and the log of the run BEFORE the first refusal ('No space left', 'Short \
         write')."
    ))
    .only_these_steps()
}

/// A row of `df` at 100%: where it is mounted.
fn full_volume(seen: &Seen, at: usize) -> Option<String> {
    let line = seen.lines.get(at)?;
    let words: Vec<&str> = line.text.split_whitespace().collect();
    let used = words.iter().position(|word| *word == "100%")?;
    let mount = words.get(used + 1).filter(|word| word.starts_with('/'))?;
    (used >= 3).then(|| (*mount).to_owned())
}

/// `(nwritten=2048, expected=71344)`
fn bytes(lower: &str) -> Option<(u64, u64)> {
    let number = |name: &str| -> Option<u64> {
        let (_, rest) = lower.split_once(name)?;
        rest.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
    };
    Some((number("nwritten=")?, number("expected=")?))
}
