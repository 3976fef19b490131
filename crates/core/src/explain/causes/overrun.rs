//! A replica that was cut off for its output buffer: how much waited, what the limit is, and
//! whether a copy was under way at all.

use super::cut_together;
use super::damaged::human;
use crate::explain::cause::Hit;
use crate::explain::seen::Seen;

/// A link that is older than this was no copy: the replica fell behind in the ordinary stream.
const STREAM_SECONDS: u64 = 600;

/// The default of the hard limit, in bytes.
const HARD: u64 = 256 << 20;

/// What servers before 5.0, and their logs, call a replica.
const OLD_WORDS: [&str; 3] = ["connection with slave", "by slave ", "asks for synchronization"];

/// What the class of replicas is called in the limit: `slave` before 5.0.
fn class(seen: &Seen) -> &'static str {
    let old = seen.version().is_some_and(|(major, _)| major < 5);
    let worded = seen.has(&OLD_WORDS) && !seen.has(&["connection with replica", "replica "]);
    if old || worded { "slave" } else { "replica" }
}

/// The limits for replicas, in bytes: hard and soft.
fn limits(seen: &Seen) -> Option<(u64, u64)> {
    let mut settings = seen.settings.iter().filter(|s| s.name == "client-output-buffer-limit");
    settings.find_map(|setting| {
        let words: Vec<&str> = setting.value.split_whitespace().collect();
        let at = words.iter().position(|word| ["replica", "slave"].contains(word))?;
        Some((bytes(words.get(at + 1)?)?, bytes(words.get(at + 2)?)?))
    })
}

/// `1gb`, `512mb`, `268435456`.
fn bytes(word: &str) -> Option<u64> {
    let word = word.to_lowercase();
    let digits = word.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let unit = match word.get(digits.len()..)? {
        "" | "b" => 1,
        "k" | "kb" => 1 << 10,
        "m" | "mb" => 1 << 20,
        "g" | "gb" => 1 << 30,
        _ => return None,
    };
    digits.parse::<u64>().ok()?.checked_mul(unit)
}

/// A line that says that a replica was cut off.
struct Cut {
    /// Bytes that waited for it.
    waiting: u64,
    /// Seconds for which it had been linked.
    age: Option<u64>,
}

/// All of them, in order.
fn cuts(seen: &Seen) -> Vec<Cut> {
    let number = |line: &str, name: &str| -> Option<u64> {
        line.split_whitespace().find_map(|word| word.strip_prefix(name))?.parse().ok()
    };
    let cut = |lower: &str| {
        lower.contains("overcoming of output buffer limits").then_some(())?;
        Some(Cut { waiting: number(lower, "omem=")?, age: number(lower, "age=") })
    };
    seen.lines.iter().filter_map(|line| cut(&line.lower)).collect()
}

/// Adds what the lines of the cuts tell.
pub(super) fn figures(seen: &Seen, hit: Hit) -> Hit {
    let cuts = cuts(seen);
    let Some(first) = cuts.first() else { return hit };
    let waiting = cuts.iter().map(|cut| cut.waiting).max().unwrap_or(first.waiting);
    let limits = limits(seen).filter(|(hard, soft)| *hard > 0 || *soft > 0);
    let over = match limits {
        Some((hard, _)) if hard > 0 && waiting >= hard => {
            format!(", above the hard limit of {}", human(hard))
        }
        Some((_, soft)) if soft > 0 && waiting >= soft => {
            format!(", above the soft limit of {} for longer than its seconds", human(soft))
        }
        None if (HARD..HARD + HARD / 8).contains(&waiting) => {
            format!(", just above {HARD}, the hard limit for replicas unless another one is set")
        }
        _ => String::new(),
    };
    let hit = hit.note(format!("{} waited for it (omem={waiting}){over}.", human(waiting)));
    let hit = match cuts.len() {
        0 | 1 => hit,
        many => hit.note(format!(
            "The primary closed {many} such links itself (flags=S is the link of a replica)."
        )),
    };
    let of_age =
        |wanted: fn(u64) -> bool| cuts.iter().filter_map(|cut| cut.age).find(|age| wanted(*age));
    let stream = of_age(|age| age >= STREAM_SECONDS);
    let copy = of_age(|age| age < STREAM_SECONDS);
    let together = cut_together::found(seen);
    let hit = match &together {
        Some(together) => hit.quote(together.line).note(cut_together::told(together)),
        None => hit,
    };
    let hit = if together.is_some() && copy.is_none() { hit } else { when_cut(hit, stream, copy) };
    let hit = lacks_backlog(seen, hit);
    let told = limits.is_some() || stream.is_some() || copy.is_some();
    if over.is_empty() || !told {
        return hit;
    }
    let (hard, soft) = limits.unwrap_or((HARD, HARD / 4));
    let looks = if together.is_some() { cut_together::LOOKS } else { LOOKS };
    cured(seen, hit, (hard.max(waiting), soft.max(waiting)), copy.is_some(), looks)
}

/// In the ordinary stream, in a copy, or both: by how long the links had stood, in seconds.
fn when_cut(hit: Hit, stream: Option<u64>, copy: Option<u64>) -> Hit {
    match (stream, copy) {
        (Some(long), Some(short)) => hit.note(format!(
            "First it was cut off after {long} s, out of the ordinary stream; then again {short} s \
             after it had asked for a copy: what is written while the copy is made and sent does \
             not fit either, so each copy ends in the next one and this does not stop by itself."
        )),
        (Some(age), None) => hit.note(format!(
            "It had been linked for {age} s, so no copy was under way when it was cut off: it fell \
             behind in the ordinary stream (a burst of writes or huge values, a replica that is \
             busy with slow reads or its disk, a network that is too slow)."
        )),
        _ => hit,
    }
}

/// Why a cut of seconds costs a full copy.
fn lacks_backlog(seen: &Seen, hit: Hit) -> Hit {
    let backlog = seen.setting("repl-backlog-size");
    let lacks = seen.lines_with(&["for lack of backlog"]);
    match backlog.filter(|_| !lacks.is_empty()) {
        Some(set) => hit.quote(set.line).quotes(lacks.into_iter().take(1)).note(format!(
            "repl-backlog-size is {}: when the replica is back, what it missed is overwritten \
             already ('lack of backlog'), so a cut of seconds costs a full copy, and the copies \
             add to the load that led to it.",
            set.value
        )),
        None => hit,
    }
}

/// Why one replica does not keep up.
const LOOKS: &str = "The limit that stands there was reached, so look why the replica takes its \
    stream so slowly: SLOWLOG and CPU on it, its disk, the network, and bursts of writes on the \
    primary. A limit that is only raised again and again fills the primary's memory.";

/// What to raise, and to what; in a loop that comes first.
fn cured(seen: &Seen, hit: Hit, (hard, soft): (u64, u64), loops: bool, looks: &str) -> Hit {
    let raises = format!(
        "As far as the primary's memory allows: CONFIG SET client-output-buffer-limit '{} {} \
         {} 120' ({} and {}, above what stands there; in bytes, because CONFIG SET of servers \
         before 2019 leaves the unit away and would take 600mb for 600 bytes; read it back with \
         CONFIG GET), and repl-backlog-size of the same order (1 MB is the default), so that the \
         replica goes on where it was instead of copying all.",
        class(seen),
        raised(hard) << 20,
        raised(soft) << 20,
        human(raised(hard) << 20),
        human(raised(soft) << 20),
    );
    // A loop has to be ended first; let one replica copy at a time.
    let hit = if loops {
        hit.step(format!("{raises} One replica at a time, best in a quiet hour.")).step(looks)
    } else {
        hit.step(looks).step(raises)
    };
    hit.check(format!(
        "omem in those lines against CONFIG GET client-output-buffer-limit (the class {}) on this \
         primary, and INFO memory there: is there room for a larger buffer for each replica?",
        class(seen)
    ))
    .only_these_steps()
}

/// Twice as much in megabytes, rounded up to whole hundreds.
fn raised(bytes: u64) -> u64 {
    (bytes.saturating_mul(2) >> 20).div_ceil(100) * 100
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_as_they_are_written() {
        assert_eq!(bytes("1gb"), Some(1 << 30));
        assert_eq!(bytes("512MB"), Some(512 << 20));
        assert_eq!(bytes("slow"), None);
        assert_eq!(raised(1_245_772_888), 2_400);
    }
}
