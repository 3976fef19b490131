//! Redirects in the words of servers and of libraries: which slot, and to whom.
//!
//! A server says `MOVED 866 10.0.0.7:6379`. Libraries make an error of their own of it, and most
//! leave the first word out of the text or put signs in between: `Moved: 866 10.0.0.7:6379`,
//! `MovedError: 866 …`, `Moved { hash_slot: 866, address: ("10.0.0.7", 6379) }`. All are read here,
//! and each line gets the server's own words, so that every matcher finds them.

use super::lines::Line;
use crate::model::Slot;

/// A redirect that somebody was given.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Redirect {
    /// The line in [`super::seen::Seen::lines`].
    pub line: usize,
    /// The slot.
    pub slot: u16,
    /// The host that is named.
    pub host: String,
    /// Its port.
    pub port: u16,
}

impl Redirect {
    /// `host:port`.
    pub fn place(&self) -> String {
        format!("{}:{}", self.host, self.port)
    }
}

/// Words that a library writes in front of the slot, in small letters, each with the server's word.
const MARKS: [(&str, &str); 4] = [
    ("moved", "moved"),
    ("ask", "ask"),
    // The kind is left out by some releases of redis-rs.
    ("signalled by the server", "moved"),
    ("redirected to slot", ""),
];

/// Characters between the word and the slot at most: `Moved { hash_slot: `.
const BETWEEN_MAX: usize = 24;

/// The server's words for a redirect in another rendering, to be matched beside the line's own.
pub(super) fn in_server_words(lower: &str) -> Option<String> {
    let (word, slot, host, port) = read(lower)?;
    let said = format!("{word} {slot} {host}:{port}");
    (!word.is_empty() && !lower.contains(&said)).then_some(said)
}

/// The redirects of all lines, in order.
pub(super) fn all(lines: &[Line]) -> Vec<Redirect> {
    let of = |(line, one): (usize, &Line)| {
        let (_, slot, host, port) = read(&one.lower)?;
        Some(Redirect { line, slot, host, port })
    };
    lines.iter().enumerate().filter_map(of).collect()
}

/// The first redirect of a line: the server's word, slot, host and port.
fn read(lower: &str) -> Option<(&'static str, u16, String, u16)> {
    MARKS.iter().find_map(|(mark, word)| {
        lower.match_indices(mark).take(4).find_map(|(at, _)| {
            let whole = !lower.get(..at)?.ends_with(|c: char| c.is_ascii_alphanumeric());
            let rest = lower.get(at + mark.len()..)?;
            let (slot, host, port) = target(rest).filter(|_| whole || mark.len() > 5)?;
            Some((*word, slot, host, port))
        })
    })
}

/// `: 866 10.0.0.7:6379`, `error: 866 …`, ` { hash_slot: 866, address: ("10.0.0.7", 6379) }`,
/// ` [866] located at 10.0.0.7:6379`.
fn target(rest: &str) -> Option<(u16, String, u16)> {
    let digit = rest.find(|c: char| c.is_ascii_digit()).filter(|at| *at <= BETWEEN_MAX)?;
    let before = rest.get(..digit)?;
    let odd = |c: char| !(c.is_ascii_lowercase() || " \t:=-_.,'\"([{<".contains(c));
    // A redirect stands in one piece: no further sentence, no number of seconds.
    if digit == 0 || before.contains(odd) || before.contains(". ") {
        return None;
    }
    let rest = rest.get(digit..)?;
    let end = rest.find(|c: char| !c.is_ascii_digit())?;
    let slot: u16 = rest.get(..end)?.parse().ok()?;
    let rest = rest.get(end..)?;
    let place = rest.trim_start_matches(|c: char| " ,:;'\"()[]=>".contains(c));
    let place = ["address", "located at", "to"].iter().fold(place, |place, word| {
        let rest = place.strip_prefix(word).unwrap_or(place);
        rest.trim_start_matches(|c: char| " :='\"([{".contains(c))
    });
    let apart = place.len() < rest.len();
    let (host, port) = host_and_port(place)?;
    (apart && Slot::new(slot).is_some()).then_some((slot, host, port))
}

/// `10.0.0.7:6379`, `10.0.0.7", 6379`, `node-1.example:6379`.
fn host_and_port(text: &str) -> Option<(String, u16)> {
    let part = |c: char| c.is_ascii_alphanumeric() || "-._".contains(c);
    let end = text.find(|c: char| !part(c))?;
    let (host, rest) = text.split_at_checked(end)?;
    let rest = rest.trim_start_matches(['"', '\'', ' ', ',', ':']);
    let end = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
    let port = rest.get(..end)?.parse().ok()?;
    let named = host.contains('.') || host.contains('-') || host == "localhost";
    (named || host.chars().any(|c| c.is_ascii_lowercase()))
        .then(|| (host.to_owned(), port))
        .filter(|(host, _)| !host.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn redirects_are_read_in_every_rendering() {
        for text in [
            "moved 866 10.0.0.7:6379",
            "an error was signalled by the server - moved: 866 10.0.0.7:6379",
            "an error was signalled by the server: 866 10.0.0.7:6379",
            "redis.exceptions.movederror: 866 10.0.0.7:6379",
            "redis(rediserror { kind: moved { hash_slot: 866, address: (\"10.0.0.7\", 6379) } })",
            "-> redirected to slot [866] located at 10.0.0.7:6379",
            "jedismoveddataexception: moved 866 10.0.0.7:6379",
            "sw::redis::movederror what(): moved 866 10.0.0.7:6379",
        ] {
            let (_, slot, host, port) = read(text).expect(text);
            assert_eq!((slot, host.as_str(), port), (866, "10.0.0.7", 6379), "{text}");
        }
        let named = read("moved 12 node-1.example:7000").expect("a name");
        assert_eq!((named.2.as_str(), named.3), ("node-1.example", 7000));
    }

    #[test]
    fn what_is_no_redirect_is_none() {
        for text in [
            "the pods moved 3 days ago to 10.0.0.7:6379",
            "moved 99999 10.0.0.7:6379",
            "task 12 failed",
            "unremoved 12 10.0.0.7:6379",
            "moved",
        ] {
            assert_eq!(read(text), None, "{text}");
        }
    }

    #[test]
    fn the_servers_words_are_added_once() {
        assert_eq!(in_server_words("moved 866 10.0.0.7:6379"), None);
        let said = in_server_words("movederror: 866 10.0.0.7:6379");
        assert_eq!(said.as_deref(), Some("moved 866 10.0.0.7:6379"));
    }
}
