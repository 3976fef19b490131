//! Times that stand in lines: how far two of them are apart.

use super::seen::Seen;

/// The default of cluster-node-timeout, in milliseconds.
pub(super) const NODE_TIMEOUT_MS: u32 = 15_000;

/// The first time in a line (`17:19:27.406`, `2026-01-05T17:19:27Z`): as it is written, to the
/// second, and in seconds of the day.
pub(super) fn time(text: &str) -> Option<(&str, u32)> {
    text.split_whitespace().find_map(|word| {
        let word = word.rsplit_once('T').map_or(word, |(_, time)| time);
        let word = word.split(['.', ',', 'Z', '+']).next()?;
        let mut parts = word.split(':').map(str::parse::<u32>);
        let (hours, minutes) = (parts.next()?.ok()?, parts.next()?.ok()?);
        let seconds = parts.next()?.ok()?;
        let whole = parts.next().is_none() && hours < 24 && minutes < 60 && seconds < 61;
        whole.then_some((word, hours * 3_600 + minutes * 60 + seconds))
    })
}

/// The seconds of the day of the first time in a line.
pub(super) fn seconds(text: &str) -> Option<u32> {
    time(text).map(|(_, seconds)| seconds)
}

/// How many seconds lie between two lines; `None` when one has no time or the second is earlier.
pub(super) fn between(seen: &Seen, from: usize, to: usize) -> Option<u32> {
    let at = |line: usize| seconds(&seen.lines.get(line)?.text);
    at(to)?.checked_sub(at(from)?)
}

/// The node timeout that the settings name, in milliseconds.
pub(super) fn node_timeout(seen: &Seen) -> Option<u32> {
    let value = seen.setting("cluster-node-timeout")?.value.split_whitespace().next()?;
    value.trim_end_matches(['.', ',', ';']).parse::<u32>().ok().filter(|ms| *ms >= 100)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_within_a_line() {
        assert_eq!(seconds("1:S 10 Mar 2023 10:31:02.511 # lost"), Some(37_862));
        assert_eq!(seconds("redis-0 | 2026-01-05T00:01:01.5Z x"), Some(61));
        assert_eq!(seconds("192.168.0.1:6379 26:01:01 a:b:c"), None);
    }
}
