//! Lines of a server log (`serverLogRaw`), also with what container tools write in front.
//!
//! ```text
//! 19:M 21 Jul 2021 12:03:22.775 * Background saving started by pid 31417
//! redis-0 | 1:S 26 Jan 2024 09:12:44.180 # Cluster state changed: fail
//! pid=12 role=primary timestamp="..." level=notice message="..."
//! ```
//!
//! Invariant: a text that is no log line gives `None`, never a guess.

/// Bytes in which the beginning of a log line is looked for; prefixes of containers are shorter.
const PREFIX_BYTES_MAX: usize = 160;

/// One line of a server log.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct LogLine<'a> {
    /// The process id.
    pub pid: u32,
    /// `M` primary, `S` replica, `C` child that writes a file, `X` sentinel.
    pub role: char,
    /// Date and time as they are written, without a year before Redis 5.
    pub time: &'a str,
    /// `.` debug, `-` verbose, `*` notice, `#` warning.
    pub level: char,
    /// The message.
    pub text: &'a str,
}

/// Reads one line.
pub fn parse(line: &str) -> Option<LogLine<'_>> {
    classic(line).or_else(|| logfmt(line))
}

fn classic(line: &str) -> Option<LogLine<'_>> {
    let head = line.char_indices().take_while(|(at, _)| *at < PREFIX_BYTES_MAX);
    for (at, _) in head.filter(|(_, c)| *c == ':') {
        if let Some(found) = classic_at(line, at) {
            return Some(found);
        }
    }
    None
}

/// Reads a line whose first `pid:role` has its colon at byte `colon`.
fn classic_at(line: &str, colon: usize) -> Option<LogLine<'_>> {
    let before = line.get(..colon)?;
    let digits = before.len() - before.trim_end_matches(|c: char| c.is_ascii_digit()).len();
    let pid = before.get(colon - digits..)?.parse().ok()?;
    let mut rest = line.get(colon + 1..)?.chars();
    let role = rest.next().filter(|role| "MSCX".contains(*role))?;
    let rest = rest.as_str().strip_prefix(' ')?;
    let (at, level) = rest
        .char_indices()
        .take(48)
        .filter(|(_, c)| ".-*#".contains(*c))
        .find(|(at, _)| level_stands_alone(rest, *at))?;
    let time = rest.get(..at)?.trim();
    time.contains(':').then_some(())?;
    let text = rest.get(at + 1..)?.trim();
    Some(LogLine { pid, role, time, level, text })
}

/// The level is one character between blanks; a dot within a time is not.
fn level_stands_alone(rest: &str, at: usize) -> bool {
    let before = rest.get(..at).is_some_and(|head| head.ends_with(' '));
    let after = rest.get(at + 1..).is_some_and(|tail| tail.starts_with(' '));
    before && after
}

fn logfmt(line: &str) -> Option<LogLine<'_>> {
    let pid = value(line, "pid=")?.parse().ok()?;
    let role = match value(line, "role=")? {
        "primary" | "master" => 'M',
        "replica" | "slave" => 'S',
        "sentinel" => 'X',
        _ => 'C',
    };
    let level = match value(line, "level=")? {
        "debug" => '.',
        "info" | "verbose" => '-',
        "warning" => '#',
        _ => '*',
    };
    let text = value(line, "message=")?;
    Some(LogLine { pid, role, time: value(line, "timestamp=").unwrap_or(""), level, text })
}

fn value<'a>(line: &'a str, name: &str) -> Option<&'a str> {
    let rest = line.get(line.find(name)? + name.len()..)?;
    match rest.strip_prefix('"') {
        Some(quoted) => quoted.split('"').next(),
        None => rest.split(' ').next(),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_line_of_a_server_with_and_without_a_prefix() {
        let plain = "19:S 21 Jul 2021 12:15:47.397 # Unable to connect to MASTER: Invalid argument";
        let line = parse(plain).expect("a log line");
        assert_eq!((line.pid, line.role, line.level), (19, 'S', '#'));
        assert_eq!(line.text, "Unable to connect to MASTER: Invalid argument");
        let prefixed = format!("redis-0 | 2021-07-21T12:15:47Z {plain}");
        assert_eq!(parse(&prefixed).map(|line| line.text), Some(line.text));
    }

    #[test]
    fn the_key_value_format_of_valkey() {
        let line = parse("pid=7 role=replica timestamp=\"1 Jan\" level=warning message=\"no\"");
        assert_eq!(line.map(|line| (line.role, line.level, line.text)), Some(('S', '#', "no")));
    }

    #[test]
    fn what_is_no_log_line_is_none() {
        for text in ["cluster_state:ok", "M: 0123 10.0.0.1:6379", "12:M", "redis:M x - y"] {
            assert_eq!(parse(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in "\\PC{0,200}") {
            parse(&text);
        }
    }
}
