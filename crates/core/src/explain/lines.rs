//! Pasted text to clean lines: without colours, fences, quoting and what container tools write in
//! front.
//!
//! Invariant: the number of lines that are kept, and their length, have a bound; what is dropped
//! is said.

use std::collections::HashMap;

use super::{Paste, redirects};

/// Lines kept of all pastes together. Matching costs a few hundred looks at each.
const LINES_MAX: usize = 20_000;

/// Lines of one paste that are kept whatever they say.
const HEAD_LINES: usize = 2_000;

/// Of lines that differ in numbers and ids only, so many are kept behind the head.
const ALIKE_MAX: u32 = 8;

/// Bytes kept of one line. A long one is `CLUSTER NODES` of a scattered node.
const LINE_BYTES: usize = 8 * 1024;

/// One cleaned line.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Line {
    /// Number of the paste.
    pub paste: usize,
    /// Number of the line in the paste, from 1.
    pub number: usize,
    /// The text as it is quoted: no control characters, no colours.
    pub text: String,
    /// The same in small letters, for matching; a redirect in a library's rendering is followed by
    /// the server's own words.
    pub lower: String,
}

/// Cleans all pastes. The second value says what was left out.
pub(super) fn clean(pastes: &[Paste]) -> (Vec<Line>, Vec<String>) {
    let (mut lines, mut left_out) = (Vec::new(), Vec::new());
    for (paste, one) in pastes.iter().enumerate() {
        if is_binary(&one.text) {
            left_out.push(format!("{}: this is no text, so it was not read.", one.name));
            continue;
        }
        let dropped = clean_one(paste, &one.text, &mut lines);
        if dropped > 0 {
            left_out.push(format!(
                "{}: {dropped} lines were passed over because enough lines like them were read.",
                one.name
            ));
        }
    }
    (lines, left_out)
}

/// Characters of a paste that are looked at to tell whether it is text.
const SAMPLE_CHARS: usize = 4_096;

/// Whether one character in twenty is none that a text has: a dump, an archive, a picture.
fn is_binary(text: &str) -> bool {
    let odd = |c: &char| *c == '\u{fffd}' || (c.is_control() && !"\n\r\t\u{1b}\u{8}".contains(*c));
    let sampled = text.chars().take(SAMPLE_CHARS).count();
    text.chars().take(SAMPLE_CHARS).filter(odd).count() * 20 > sampled
}

fn clean_one(paste: usize, text: &str, lines: &mut Vec<Line>) -> usize {
    let mut alike: HashMap<u64, u32> = HashMap::new();
    let mut dropped = 0;
    let numbered = text.split('\n').enumerate();
    let parts = numbered.flat_map(|(at, line)| parts(line).into_iter().map(move |p| (at, p)));
    for (at, raw) in parts {
        let cut = cut(&raw, LINE_BYTES);
        let shape = alike.entry(shape(cut)).or_insert(0);
        *shape += 1;
        if lines.len() >= LINES_MAX || (at >= HEAD_LINES && *shape > ALIKE_MAX) {
            dropped += 1;
            continue;
        }
        let inner = unwrap_json(cut);
        let text = printable(inner.as_deref().unwrap_or(cut));
        let text = unquote(&text);
        if !text.trim().is_empty() {
            let number = at + 1;
            let mut lower = text.to_lowercase();
            if let Some(said) = redirects::in_server_words(&lower) {
                lower.push(' ');
                lower.push_str(&said);
            }
            lines.push(Line { paste, number, text: text.to_owned(), lower });
        }
    }
    dropped
}

/// The message of a line that a container runtime or a log collector wrapped in JSON. Logs of
/// programs that write JSON themselves stay as they are: what they are about stands beside it.
fn unwrap_json(line: &str) -> Option<String> {
    let line = line.trim();
    if !line.starts_with('{') || !line.ends_with('}') {
        return None;
    }
    let object: serde_json::Map<String, serde_json::Value> = serde_json::from_str(line).ok()?;
    let own = ["error", "logger", "caller", "stacktrace", "err", "level"];
    let text = ["log", "message", "msg"].iter().find_map(|key| object.get(*key)?.as_str())?;
    (!own.iter().any(|key| object.contains_key(*key))).then(|| text.trim_end().to_owned())
}

/// The lines that one line holds: a reply in one string, or the output of a command that an
/// operator wrote into its own log.
fn parts(line: &str) -> Vec<String> {
    let mut parts: Vec<String> = unescape(line).map(str::to_owned).collect();
    parts.extend(outputs(line));
    parts
}

/// Fields of a log in JSON in which programs keep what a command of theirs printed.
const OUTPUTS: [&str; 6] = ["Output", "output", "stdout", "stderr", "Stdout", "Stderr"];

/// The lines of a command's output in a line of JSON.
fn outputs(line: &str) -> Vec<String> {
    let line = line.trim();
    let named = |name: &&str| line.contains(&format!("\"{name}\""));
    let Some(from) = line.find('{').filter(|_| line.ends_with('}') && line.len() < OBJECT_BYTES)
    else {
        return Vec::new();
    };
    if !OUTPUTS.iter().any(named) {
        return Vec::new();
    }
    let text = line.get(from..).unwrap_or_default();
    let object: serde_json::Map<String, serde_json::Value> =
        serde_json::from_str(text).unwrap_or_default();
    let texts = OUTPUTS.iter().filter_map(|name| object.get(*name)?.as_str());
    texts
        .filter(|text| text.contains('\n'))
        .flat_map(|text| text.lines().map(str::to_owned))
        .collect()
}

/// Bytes of a line of JSON that is read as such.
const OBJECT_BYTES: usize = 64 * 1024;

/// A reply that a client printed as one string has its line ends as `\n`.
fn unescape(line: &str) -> impl Iterator<Item = &str> {
    let whole = !line.contains("\\n")
        || !["connected", "_slots_", "slots:["].iter().any(|mark| line.contains(mark));
    // What a program put in front of the text in quotes is a line of its own.
    let (head, rest) = match line.split_once("\\n").and_then(|(first, _)| first.rfind('"')) {
        Some(at) if !whole && at > 0 => line.split_at(at + 1),
        _ => ("", line),
    };
    let parts = if whole { None } else { Some(rest.split("\\n")) };
    let head = (!head.is_empty()).then_some(head);
    head.into_iter().chain(parts.into_iter().flatten()).chain(whole.then_some(line))
}

/// The first `most` bytes, at a boundary of characters.
fn cut(text: &str, most: usize) -> &str {
    let mut end = text.len().min(most);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.get(..end).unwrap_or("")
}

/// Equal for lines that differ in digits and hexadecimal ids only.
fn shape(line: &str) -> u64 {
    let mut hash: u64 = 0xcbf2_9ce4_8422_2325;
    for byte in line.bytes() {
        let byte = if byte.is_ascii_hexdigit() { b'0' } else { byte };
        hash = (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    }
    hash
}

/// Drops escape sequences and everything that is invisible or turns the direction of writing.
fn printable(line: &str) -> String {
    let mut out = String::with_capacity(line.len());
    let mut chars = line.chars();
    while let Some(c) = chars.next() {
        if c == '\u{1b}' {
            skip_escape(&mut chars);
        } else if c == '\t' {
            out.push(' ');
        } else if !c.is_control() && !is_format(c) {
            out.push(if c == '\u{a0}' { ' ' } else { c });
        }
    }
    out
}

fn skip_escape(chars: &mut std::str::Chars<'_>) {
    if chars.clone().next() == Some('[') {
        chars.next();
        for c in chars.by_ref() {
            if c.is_ascii_alphabetic() {
                break;
            }
        }
    }
}

/// Characters of no width, and those that turn the direction of writing.
fn is_format(c: char) -> bool {
    matches!(
        c,
        '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2069}'
            | '\u{feff}'
    )
}

/// Drops the fences of Markdown and the marks of quoted mail.
fn unquote(line: &str) -> &str {
    let line = line.trim_end();
    if line.trim_start().starts_with("```") || line.trim_start().starts_with("~~~") {
        return "";
    }
    match line.strip_prefix("> ") {
        Some(rest) if !rest.starts_with('>') => rest,
        _ => line,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_text_is_said_and_not_read() {
        let paste = |text: &str| [Paste { name: "a".to_owned(), text: text.to_owned() }];
        let (lines, left_out) =
            clean(&paste(&"ELF\0\u{1}permission denied\u{fffd}\u{2}".repeat(40)));
        assert!(lines.is_empty());
        assert_eq!(left_out, ["a: this is no text, so it was not read."]);
        let (lines, left_out) =
            clean(&paste("\u{1b}[31m1:M log\u{1b}[0m\r\n\tübrig \u{fffd} und mehr"));
        assert_eq!((lines.len(), left_out.len()), (2, 0));
    }

    fn cleaned(text: &str) -> Vec<String> {
        let (lines, _) = clean(&[Paste { name: "a".to_owned(), text: text.to_owned() }]);
        lines.into_iter().map(|line| line.text).collect()
    }

    #[test]
    fn colours_fences_and_windows_line_ends_go() {
        let text = "```\r\n\u{1b}[31mcluster_state:fail\u{1b}[0m\r\n```\r\n> quoted";
        assert_eq!(cleaned(text), ["cluster_state:fail", "quoted"]);
    }

    #[test]
    fn what_a_log_collector_wrapped_is_unwrapped() {
        let text = "{\"log\":\"1:M 1 Jan * Ready\\n\",\"stream\":\"stdout\"}\n\
            {\"level\":\"error\",\"msg\":\"own log\",\"error\":\"x\"}\n{\"log\":";
        let own = "{\"level\":\"error\",\"msg\":\"own log\",\"error\":\"x\"}";
        assert_eq!(cleaned(text), ["1:M 1 Jan * Ready", own, "{\"log\":"]);
    }

    #[test]
    fn a_reply_in_one_string_is_split() {
        let text = "\"a 10.0.0.1:1@2 master - 0 0 1 connected\\nb 10.0.0.2:1@2 slave\"";
        assert_eq!(cleaned(text).len(), 2);
    }

    #[test]
    fn a_long_log_is_thinned_and_that_is_said() {
        let text = "1:M 1 Jan 2024 00:00:00.000 * ping 17\n".repeat(9_000);
        let (lines, left_out) = clean(&[Paste { name: "log".to_owned(), text }]);
        assert_eq!(lines.len(), HEAD_LINES);
        assert_eq!(left_out.len(), 1);
    }
}
