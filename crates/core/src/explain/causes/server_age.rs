//! The version of the servers, as INFO, a start or a sentence tells it: what they can do at all.

use crate::explain::seen::Seen;
use crate::explain::stated::Version;

/// What names the server's version, in small letters; a library's name is longer.
const NAMES: [&str; 8] = [
    "redis_version",
    "redis server v",
    "redis version",
    "redis-server",
    "redis",
    "redis:",
    "redis/redis-server",
    "redis_server",
];

/// Words of a line that speaks of a library or tool of that name.
const LIBRARIES: [&str; 8] =
    ["gem \"redis", "gem 'redis", "redis (", "redis==", "npm", "pip", "\"redis\":", "spring"];

/// The version of the servers, if the text tells it with its patch level.
pub(super) fn stated(seen: &Seen) -> Option<Version> {
    let of_library = |lower: &str| LIBRARIES.iter().any(|word| lower.contains(word));
    seen.lines.iter().filter(|line| !of_library(&line.lower)).find_map(|line| {
        let words = line.lower.split(|c: char| c.is_whitespace() || ",;()".contains(c));
        let words: Vec<&str> = words.filter(|word| !word.is_empty()).collect();
        NAMES
            .iter()
            .find_map(|name| {
                let parts = name.split(' ').count();
                words.windows(parts + 1).find_map(|window| {
                    let (head, last) = window.split_at_checked(parts)?;
                    let named = head.iter().copied().eq(name.split(' '));
                    named.then(|| whole(last.first()?)).flatten()
                })
            })
            .or_else(|| words.iter().find_map(|word| glued(word)))
    })
}

/// `redis_version:4.0.6`, `redis:4.0.6`, `v=4.0.6`.
fn glued(word: &str) -> Option<Version> {
    let marks = ["redis_version:", "version=", "v=", "redis:", "redis-"];
    marks.iter().find_map(|mark| whole(word.strip_prefix(mark)?))
}

/// A version of three parts.
fn whole(word: &str) -> Option<Version> {
    let word = word.trim_start_matches(['v', '=', ':']).trim_end_matches(['.', ':']);
    let end = word.find(|c: char| !(c.is_ascii_digit() || c == '.')).unwrap_or(word.len());
    let mut parts = word.get(..end)?.split('.').map(str::parse);
    let version = (parts.next()?.ok()?, parts.next()?.ok()?, parts.next()?.ok()?);
    parts.next().is_none().then_some(version)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> Option<Version> {
        stated(&Seen::of(text))
    }

    #[test]
    fn versions_of_servers_and_not_of_libraries() {
        assert_eq!(of("redis 4.0.6, redis gem 3.3.3"), Some((4, 0, 6)));
        assert_eq!(of("redis_version:4.0.1\n"), Some((4, 0, 1)));
        assert_eq!(of("Redis server v=3.2.12 sha=00000000:0"), Some((3, 2, 12)));
        assert_eq!(of("image: redis:5.0.14-alpine"), Some((5, 0, 14)));
        assert_eq!(of("redis (4.0.1) in Gemfile.lock"), None);
        assert_eq!(of("redis==4.5.1"), None);
    }
}
