//! What the paste states of its programs: their versions, and options that are set already.
//!
//! Advice must not contradict the paste: no option is recommended that stands there, no bound of
//! versions is named beside a version that does not fit it.

use super::seen::Seen;

/// A version: major, minor, patch.
pub(super) type Version = (u32, u32, u32);

impl Seen {
    /// The version that stands right behind one of the names, which are in small letters:
    /// `redis-cli 5.0.9`, `lettuce-core-6.1.5.jar`, `"ioredis": "^5.3.1"`, `redis==4.5.1`.
    pub fn stated(&self, names: &[&str]) -> Option<Version> {
        self.lines.iter().find_map(|line| {
            names.iter().find_map(|name| {
                line.lower
                    .match_indices(name)
                    .take(4)
                    .find_map(|(at, _)| version(line.lower.get(at + name.len()..)?))
            })
        })
    }
}

/// `1.2.3` as people write it.
pub(super) fn dotted(version: Version) -> String {
    format!("{}.{}.{}", version.0, version.1, version.2)
}

fn version(rest: &str) -> Option<Version> {
    let rest = rest.trim_start_matches(|c: char| " \t:=-@^~\"'/(v".contains(c));
    let mut parts = rest.split(|c: char| !c.is_ascii_digit());
    let first = rest.find(|c: char| !c.is_ascii_digit())?;
    if !rest.get(first..)?.starts_with('.') {
        return None;
    }
    let (major, minor) = (parts.next()?.parse().ok()?, parts.next()?.parse().ok()?);
    Some((major, minor, parts.next().and_then(|patch| patch.parse().ok()).unwrap_or(0)))
}

/// A version of three parts.
pub(super) fn whole(word: &str) -> Option<Version> {
    let word = word.trim_start_matches(['v', '=', ':']).trim_end_matches(['.', ':']);
    let end = word.find(|c: char| !(c.is_ascii_digit() || c == '.')).unwrap_or(word.len());
    let mut parts = word.get(..end)?.trim_end_matches('.').split('.').map(str::parse);
    let version = (parts.next()?.ok()?, parts.next()?.ok()?, parts.next()?.ok()?);
    parts.next().is_none().then_some(version)
}

/// Options as they stand in code or configuration, in small letters, and how steps name them.
const OPTIONS: [(&[&str], &str); 9] = [
    (&["enableperiodicrefresh("], "enablePeriodicRefresh"),
    (&["cluster.refresh.adaptive=true", "adaptive: true"], "refresh.adaptive=true"),
    (&["dynamic_startup_nodes=false"], "dynamic_startup_nodes=False"),
    (&["slotsrefreshinterval:"], "slotsRefreshInterval"),
    (&["natmap:"], "natMap"),
    (&["dnslookup:"], "dnsLookup"),
    (&["scaninterval:", "setscaninterval("], "scanInterval"),
    (&["publishnotreadyaddresses: true"], "publishNotReadyAddresses"),
    (&["slotsrefreshtimeout:"], "slotsRefreshTimeout"),
];

/// Says in front of a step that what it names stands in the paste already.
pub(super) fn marked(step: String, seen: &Seen) -> String {
    let set = OPTIONS.iter().find(|(words, name)| step.contains(name) && seen.has(words));
    match set {
        Some((_, name)) => format!(
            "({name} is set in what was pasted: see that this client object is made with it, and go \
             on to the next step if so.) {step}"
        ),
        None => step,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read_behind_names() {
        assert_eq!(version(" 5.0.9"), Some((5, 0, 9)));
        assert_eq!(version("-6.1.5.release, redis 6.2.6"), Some((6, 1, 5)));
        assert_eq!(version("\": \"^5.3\""), Some((5, 3, 0)));
        assert_eq!(version(" -h 10.0.0.1"), None);
        assert_eq!(version(" 6379"), None);
    }
}
