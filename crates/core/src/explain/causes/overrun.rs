//! A replica that was cut off for its output buffer: how much waited, what the limit is, and
//! whether a copy was under way at all.

use super::damaged::human;
use crate::explain::cause::Hit;
use crate::explain::seen::Seen;

/// A link that is older than this was no copy: the replica fell behind in the ordinary stream.
const STREAM_SECONDS: u64 = 600;

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

/// Adds what the line of the cut tells.
pub(super) fn figures(seen: &Seen, hit: Hit) -> Hit {
    let number = |line: &str, name: &str| -> Option<u64> {
        line.split_whitespace().find_map(|word| word.strip_prefix(name))?.parse().ok()
    };
    let cut = seen.lines.iter().find_map(|line| {
        line.lower.contains("overcoming of output buffer limits").then_some(())?;
        Some((number(&line.lower, "omem=")?, number(&line.lower, "age=")))
    });
    let Some((waiting, age)) = cut else { return hit };
    let limits = limits(seen).filter(|(hard, soft)| *hard > 0 || *soft > 0);
    let over = match limits {
        Some((hard, _)) if hard > 0 && waiting >= hard => {
            format!(", above the hard limit of {}", human(hard))
        }
        Some((_, soft)) if soft > 0 && waiting >= soft => {
            format!(", above the soft limit of {} for longer than its seconds", human(soft))
        }
        _ => String::new(),
    };
    let hit = hit.note(format!("{} waited for it (omem={waiting}){over}.", human(waiting)));
    let stream = age.filter(|age| *age >= STREAM_SECONDS);
    let hit = match stream {
        Some(age) => hit.note(format!(
            "It had been linked for {age} s, so no copy was under way when it was cut off: it fell \
             behind in the ordinary stream (a burst of writes or huge values, a replica that is \
             busy with slow reads or its disk, a network that is too slow)."
        )),
        None => hit,
    };
    let Some((hard, soft)) = limits.filter(|_| !over.is_empty()) else { return hit };
    let (hard, soft) = (hard.max(waiting).saturating_mul(2), soft.max(waiting).saturating_mul(2));
    hit.step(
        "The limit that stands there was reached, so look first why the replica takes its stream \
         so slowly: SLOWLOG and CPU on it, its disk, the network, and bursts of writes on the \
         primary. A limit that is only raised again and again fills the primary's memory.",
    )
    .step(format!(
        "Then, as far as the primary's memory allows: CONFIG SET client-output-buffer-limit \
         'replica {} {} 120' (above what stands there), and repl-backlog-size of the same order \
         (1 MB is the default), so that the replica goes on where it was instead of copying all.",
        mb(hard),
        mb(soft)
    ))
    .only_these_steps()
}

/// `2400mb`, rounded up to whole hundreds.
fn mb(bytes: u64) -> String {
    format!("{}mb", (bytes >> 20).div_ceil(100) * 100)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_as_they_are_written() {
        assert_eq!(bytes("1gb"), Some(1 << 30));
        assert_eq!(bytes("512MB"), Some(512 << 20));
        assert_eq!(bytes("slow"), None);
        assert_eq!(mb(2_491_545_776), "2400mb");
    }
}
