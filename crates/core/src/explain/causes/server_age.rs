//! The version of the servers, as INFO, a start or a sentence tells it: what they can do at all.

use crate::explain::seen::Seen;
use crate::explain::stated::{Version, whole};

/// Words of a line that speaks of a library or tool of that name.
const LIBRARIES: [&str; 8] =
    ["gem \"redis", "gem 'redis", "redis (", "redis==", "npm", "pip", "\"redis\":", "spring"];

/// The version of the servers, if the text tells it with its patch level.
pub(super) fn stated(seen: &Seen) -> Option<Version> {
    seen.release().or_else(|| in_prose(seen))
}

/// `redis 4.0.6`, `redis-server: v=4.0.6`.
fn in_prose(seen: &Seen) -> Option<Version> {
    let of_library = |lower: &str| LIBRARIES.iter().any(|word| lower.contains(word));
    seen.lines.iter().filter(|line| !of_library(&line.lower)).find_map(|line| {
        let words = line.lower.split(|c: char| c.is_whitespace() || ",;()".contains(c));
        let words: Vec<&str> = words.filter(|word| !word.is_empty()).collect();
        let behind = words.windows(2).find_map(|pair| match pair {
            ["redis" | "redis:" | "redis-server" | "redis_version", version] => whole(version),
            _ => None,
        });
        let glued = |word: &&str| {
            let marks = ["version=", "v=", "redis-"];
            marks.iter().find_map(|mark| whole(word.strip_prefix(mark)?))
        };
        behind.or_else(|| words.iter().find_map(glued))
    })
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
