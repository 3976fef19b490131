//! A MIGRATE that ran into its timeout: of which slot, and which key is too big for it.

use crate::explain::cause::Hit;
use crate::explain::seen::{Seen, reply_value};

/// A key whose size was asked for, and is large.
struct BigKey {
    /// The line of the answer.
    line: usize,
    /// Its name.
    name: String,
    /// `1269380 elements`.
    size: String,
}

/// The move of one slot.
struct Move {
    /// The slot.
    slot: String,
    /// Who gives it.
    from: String,
    /// Who gets it.
    to: String,
}

/// Why it may be, where the paste does not tell.
const REASONS: &str =
    "a big key, a busy target, a target that listens with TLS or on another address";

/// The source gave up on its target.
pub(super) fn timed_out(seen: &Seen) -> Option<Hit> {
    let hit = seen.says(
        88,
        &[
            "ioerr error or timeout",
            "error or timeout reading to target",
            "error or timeout writing to target",
            "error or timeout connecting to the client",
            "timeout reading from target",
        ],
    )?;
    // Who was never reached was no slow reader.
    if seen.has(&["timeout connecting to the client"]) {
        return Some(hit.fact("reasons", REASONS));
    }
    let moved = moved(seen);
    let hit = left_open(seen, hit, moved.as_ref());
    Some(match (big_key(seen), moved) {
        (Some(key), Some(moved)) => one_key(hit, &key, &moved),
        (Some(key), None) => hit.quote(key.line).note(told(&key)),
        (None, _) => hit.fact("reasons", REASONS),
    })
}

/// What follows when the tool's check shows the slot half way.
fn left_open(seen: &Seen, hit: Hit, moved: Option<&Move>) -> Hit {
    let Some(moved) = moved else { return hit };
    let lines = seen.lines.iter().enumerate();
    let marks: Vec<usize> = lines
        .filter(|(_, line)| {
            line.lower.contains(" has slots in ") && has_number(&line.lower, &moved.slot)
        })
        .map(|(at, _)| at)
        .collect();
    if marks.is_empty() {
        return hit;
    }
    let covered = seen.lines_with(&["[ok] all 16384 slots covered"]);
    let also = if covered.is_empty() { "" } else { ", and all slots are covered" };
    hit.quotes(marks).quotes(covered.into_iter().take(1)).note(format!(
        "Slot {} was left half way: {} is marked migrating and still owns it, {} is marked \
         importing{also}. Nothing is lost; but the tool refuses another reshard as long as a slot \
         is open, so this one is finished first.",
        moved.slot, moved.from, moved.to
    ))
}

/// The reason is one key.
fn one_key(hit: Hit, key: &BigKey, moved: &Move) -> Hit {
    let Move { slot, from, to } = moved;
    let place = to.replace(':', " ");
    hit.quote(key.line)
        .note(told(key))
        .check(format!(
            "CLUSTER COUNTKEYSINSLOT {slot} on {from} and on {to}, and EXISTS {} on both (on {to} \
             after ASKING).",
            key.name
        ))
        .step(format!(
            "For the time of the move raise cluster-node-timeout on ALL nodes above what the key \
             takes (CONFIG SET cluster-node-timeout 60000, back afterwards), at an hour when \
             {from} and {to} may stand still for it."
        ))
        .step(format!(
            "On {from}: MIGRATE {place} {} 0 60000. If it says BUSYKEY, the attempt that broke off \
             had brought it over already: compare both copies, then the same with REPLACE at the \
             end (the source's copy counts while nobody wrote to the other).",
            key.name
        ))
        .step(format!(
            "The other keys of slot {slot} likewise (CLUSTER GETKEYSINSLOT {slot} 100), until \
             CLUSTER COUNTKEYSINSLOT {slot} says 0 on {from}; only then CLUSTER SETSLOT {slot} \
             NODE <id of {to}>, on {to} first, then on {from}. (fix of redis-trib with --timeout \
             60000 does these two steps: one node migrating, one importing.)"
        ))
        .step(
            "Then go on with the reshard, with a larger timeout from the start (--cluster-timeout \
             60000; redis-trib: --timeout 60000). For good the application splits the key into \
             smaller ones.",
        )
        .only_these_steps()
}

fn told(key: &BigKey) -> String {
    format!(
        "Here it is one big key: {} has {}. MIGRATE sends a key in one piece, and source and \
         target answer nobody else meanwhile; that took longer than the timeout of the move.",
        key.name, key.size
    )
}

/// The slot that was on its way: from the tool's own line.
fn moved(seen: &Seen) -> Option<Move> {
    let mut found = None;
    for line in &seen.lines {
        let Some(from) = line.lower.find("moving slot ") else { continue };
        let rest = line.text.get(from + "moving slot ".len()..).unwrap_or_default();
        let words: Vec<&str> = rest.split_whitespace().take(5).collect();
        if let [slot, "from", from, "to", to, ..] = words.as_slice() {
            let place = |word: &str| word.trim_end_matches([':', '.']).to_owned();
            found = Some(Move { slot: place(slot), from: place(from), to: place(to) });
        }
    }
    found.filter(|moved| moved.slot.parse::<u16>().is_ok())
}

/// The largest key whose size was asked for at a prompt.
fn big_key(seen: &Seen) -> Option<BigKey> {
    let pairs = seen.lines.windows(2).enumerate();
    let mut sized = pairs.filter_map(|(at, pair)| {
        let [ask, answer] = pair else { return None };
        let (name, unit, least) = asked(&ask.text)?;
        let size: u64 = reply_value(&answer.text).parse().ok()?;
        (size >= least).then(|| BigKey { line: at + 1, name, size: format!("{size} {unit}") })
    });
    sized.next_back()
}

/// The key of a question for its size, the unit of the answer, and what is large.
fn asked(text: &str) -> Option<(String, &'static str, u64)> {
    const COUNTS: [&str; 5] = ["zcard", "hlen", "llen", "scard", "xlen"];
    const BYTES: u64 = 10_000_000;
    let words: Vec<&str> = text.split_whitespace().collect();
    words
        .windows(3)
        .find_map(|three| match three {
            [first, second, key] if is(first, "memory") && is(second, "usage") => {
                Some(((*key).to_owned(), "bytes", BYTES))
            }
            _ => None,
        })
        .or_else(|| {
            words.windows(2).find_map(|two| match two {
                [command, key] if COUNTS.iter().any(|count| is(command, count)) => {
                    Some(((*key).to_owned(), "elements", 100_000))
                }
                [command, key] if is(command, "strlen") => {
                    Some(((*key).to_owned(), "bytes", BYTES))
                }
                _ => None,
            })
        })
}

fn is(word: &str, name: &str) -> bool {
    word.eq_ignore_ascii_case(name)
}

/// Whether a number stands in a line on its own.
fn has_number(text: &str, number: &str) -> bool {
    text.split(|c: char| !c.is_ascii_digit()).any(|part| part == number)
}
