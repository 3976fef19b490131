//! What was typed at servers, and what each of them answered: prompts of redis-cli and calls of it
//! from a shell.

use crate::explain::seen::Seen;

/// Lines of one answer that are read.
const ANSWER_MAX: usize = 60;

/// One command with its answer.
pub(super) struct Turn<'a> {
    /// Where it was typed.
    pub line: usize,
    /// The server: `host:port`.
    pub place: String,
    /// The words of the command, as typed.
    pub words: Vec<&'a str>,
    /// The user that the call logs in as.
    pub user: Option<&'a str>,
    /// The lines of the answer, with their numbers.
    pub answer: Vec<(usize, &'a str)>,
}

impl Turn<'_> {
    /// Whether the command begins with these words, which are in small letters.
    pub fn is(&self, words: &[&str]) -> bool {
        let mut typed = self.words.iter().map(|word| word.to_lowercase());
        words.iter().all(|word| typed.next().as_deref() == Some(word))
    }

    /// The first line of the answer.
    pub fn first(&self) -> Option<(usize, &str)> {
        self.answer.first().copied()
    }

    /// Whether a line of the answer holds this, in small letters.
    pub fn says(&self, text: &str) -> bool {
        self.answer.iter().any(|(_, line)| line.to_lowercase().contains(text))
    }
}

/// The command of a line: the place, the user, the words.
fn typed(text: &str) -> Option<(String, Option<&str>, Vec<&str>)> {
    if let Some((place, rest)) = text.split_once("> ") {
        let place = place.trim();
        let (host, port) = place.rsplit_once(':')?;
        let plain = !host.is_empty() && !place.contains(' ') && port.parse::<u16>().is_ok();
        return plain.then(|| (place.to_owned(), None, rest.split_whitespace().collect()));
    }
    let mut words = text.split_whitespace().skip_while(|word| {
        let name = word.rsplit('/').next().unwrap_or_default();
        !matches!(name, "redis-cli" | "valkey-cli" | "keydb-cli")
    });
    words.next()?;
    let (mut host, mut port, mut user, mut command) = ("127.0.0.1", "6379", None, Vec::new());
    while let Some(word) = words.next() {
        match word {
            "-h" if command.is_empty() => host = words.next()?,
            "-p" if command.is_empty() => port = words.next()?,
            "--user" if command.is_empty() => user = words.next(),
            "-a" | "--pass" | "-u" | "-n" | "--cacert" | "--cert" | "--key"
                if command.is_empty() =>
            {
                words.next();
            }
            "--cluster" => return None,
            option if option.starts_with('-') && command.is_empty() => {}
            other => command.push(other.trim_matches(['"', '\''])),
        }
    }
    (!command.is_empty()).then(|| (format!("{host}:{port}"), user, command))
}

/// All of them, in their order.
pub(super) fn turns(seen: &Seen) -> Vec<Turn<'_>> {
    let mut found: Vec<Turn<'_>> = Vec::new();
    let mut open = false;
    for (at, line) in seen.lines.iter().enumerate() {
        let text = line.text.trim();
        if let Some((place, user, words)) = typed(text) {
            found.push(Turn { line: at, place, words, user, answer: Vec::new() });
            open = true;
        } else if text.is_empty() || text.starts_with("# ") || text.starts_with("$ ") {
            open = false;
        } else if let Some(turn) = found.last_mut().filter(|_| open) {
            let same = seen.lines.get(turn.line).is_some_and(|asked| asked.paste == line.paste);
            if same && turn.answer.len() < ANSWER_MAX {
                turn.answer.push((at, text));
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prompts_and_calls_are_read_alike() {
        let text = "10.0.0.1:7000> GET a\n(nil)\n\n$ redis-cli -h 10.0.0.2 -p 7001 --user app \
            --pass x ACL WHOAMI\n\"app\"\n# a remark\nno answer\n\
            $ redis-cli -p 7000 --cluster check\n";
        let seen = Seen::of(text);
        let read = turns(&seen);
        let told: Vec<(&str, usize, usize)> = (read.iter())
            .map(|turn| (turn.place.as_str(), turn.words.len(), turn.answer.len()))
            .collect();
        assert_eq!(told, [("10.0.0.1:7000", 2, 1), ("10.0.0.2:7001", 2, 1)]);
        assert_eq!(read.get(1).and_then(|turn| turn.user), Some("app"));
        assert!(read.first().is_some_and(|turn| turn.is(&["get"]) && turn.says("nil")));
    }
}
