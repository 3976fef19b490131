//! Several replicas that their primary cut off in one moment: no single one of them is ill.

use crate::explain::clock;
use crate::explain::seen::Seen;
use crate::explain::template::list;

/// Cuts that are no further apart are one event, in milliseconds.
const TOGETHER_MS: u64 = 5_000;

/// Replicas that were cut off together.
pub(super) struct Together {
    /// Their hosts.
    hosts: Vec<String>,
    /// From the first to the last of them.
    ms: u64,
    /// The line of the last of them.
    pub line: usize,
}

/// Two or more replicas that were cut off for their output buffer at nearly the same time.
pub(super) fn found(seen: &Seen) -> Option<Together> {
    let mut first: Option<u64> = None;
    let mut together = Together { hosts: Vec::new(), ms: 0, line: 0 };
    for (at, line) in seen.lines.iter().enumerate() {
        let Some((host, ms)) = cut(&line.text) else { continue };
        let begin = *first.get_or_insert(ms);
        let gap = ms.checked_sub(begin).filter(|gap| *gap <= TOGETHER_MS);
        if let Some(gap) = gap.filter(|_| !together.hosts.contains(&host)) {
            together = Together { ms: gap, line: at, ..together };
            together.hosts.push(host);
        }
    }
    (together.hosts.len() >= 2).then_some(together)
}

/// What that shows.
pub(super) fn told(together: &Together) -> String {
    let apart = match together.ms {
        ms if ms < 1_000 => format!("{ms} ms"),
        ms => format!("{} s", ms.div_ceil(1_000)),
    };
    format!(
        "{} different replicas ({}) were cut off within {apart}, with the same amount waiting for \
         each: that is no replica that is slow by itself. What they have in common is the \
         primary: it was written to faster than its network takes it to all of them at once \
         (each replica is sent everything).",
        together.hosts.len(),
        list(&together.hosts, 4)
    )
}

/// What to look at then.
pub(super) const LOOKS: &str = "The limit that stands there was reached by all of them, so look at \
    the primary and not at the replicas: bursts of writes and huge values at that moment \
    (instantaneous_input_kbps, INFO commandstats, --bigkeys), and the throughput of its network, \
    which carries each write once per replica. For good: spread the load over more primaries, with \
    fewer replicas each. A limit that is only raised again and again fills the primary's memory.";

/// The host of the replica of a line that says so, and the milliseconds of the day.
fn cut(text: &str) -> Option<(String, u64)> {
    let replica = text.contains("overcoming of output buffer limits") && text.contains("flags=S");
    let place = text.split_whitespace().find_map(|word| word.strip_prefix("addr="))?;
    let (host, _) = place.rsplit_once(':')?;
    let (word, seconds) = clock::time(text)?;
    let (_, rest) = text.split_once(word)?;
    let digits: String = rest.strip_prefix(['.', ','])?.chars().take(3).collect();
    let ms = digits.parse::<u64>().ok()?;
    replica.then(|| (host.to_owned(), u64::from(seconds) * 1_000 + ms))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(time: &str, host: &str) -> String {
        format!(
            "1:M 26 Oct {time} # Client id=1 addr={host}:5 flags=S omem=9 scheduled to be closed \
             ASAP for overcoming of output buffer limits.\n"
        )
    }

    #[test]
    fn one_moment_and_two_replicas() {
        let text = line("02:18:27.717", "10.0.0.1") + &line("02:18:28.022", "10.0.0.2");
        let together = found(&Seen::of(&text)).expect("two");
        assert_eq!((together.hosts.len(), together.ms), (2, 305));
    }

    #[test]
    fn the_same_replica_or_another_hour_is_something_else() {
        let again = line("02:18:27.717", "10.0.0.1") + &line("02:18:28.022", "10.0.0.1");
        assert!(found(&Seen::of(&again)).is_none());
        let later = line("02:18:27.717", "10.0.0.1") + &line("05:18:28.022", "10.0.0.2");
        assert!(found(&Seen::of(&later)).is_none());
    }
}
