//! The lines that prove an answer: what its matcher found, and a line for each figure that its
//! sentences name.
//!
//! A piece of proof is what a reader takes in at once: a row of a listing with its slots, the
//! reply of `ROLE`, the fields of one `CLUSTER INFO`. Lines that only repeat are left out.
//!
//! Invariant: every piece is text of the paste, in its order; at most [`PIECES_MAX`] of them.

use std::collections::BTreeSet;

use super::cause::Hit;
use super::figures::FIELDS;
use super::seen::{Seen, Source, reply_value};
use super::template::Facts;
use super::{Paste, Quote};
use crate::wire::logs;

/// Characters quoted of one piece.
const QUOTE_CHARS: usize = 320;

/// Pieces for one answer.
const PIECES_MAX: usize = 6;

/// Of these, what the matcher found.
const FOUND_MAX: usize = 5;

/// Figures of a story that are looked for.
const FIGURES_MAX: usize = 40;

/// Fields of one block in one piece.
const FIELDS_MAX: usize = 6;

/// The proof of a story. `texts` are those of the cause before they were filled.
pub(super) fn quotes(
    hit: &Hit,
    texts: &[&str],
    story: &str,
    seen: &Seen,
    pastes: &[Paste],
) -> Vec<Quote> {
    let mut pieces: Vec<Vec<usize>> = Vec::new();
    for at in &hit.quotes {
        if pieces.len() < FOUND_MAX {
            add(&mut pieces, *at, seen);
        }
    }
    for at in named_fields(texts, story, &hit.facts, seen) {
        add(&mut pieces, at, seen);
    }
    pieces.truncate(PIECES_MAX);
    let mut open = figures(story);
    // A bus port follows from the client port that was pasted.
    if texts.iter().any(|text| text.contains("<<bus_ports>>")) {
        let ports = hit.facts.get("ports").map_or("", String::as_str);
        open.extend(ports.split([' ', ',']).filter(|p| p.len() >= 4).map(str::to_owned));
    }
    name_the_rest(&mut pieces, open, seen);
    for piece in &mut pieces {
        piece.sort_unstable();
    }
    let told = pieces.into_iter().filter_map(|lines| quote(&lines, seen, pastes));
    let mut found: Vec<Quote> = Vec::new();
    for one in told {
        let again = found.iter().any(|other| alike(&other.text, &one.text, story));
        if !again {
            found.push(one);
        }
    }
    found
}

/// Adds the piece of a line, or the line to the piece of its block.
fn add(pieces: &mut Vec<Vec<usize>>, at: usize, seen: &Seen) {
    if pieces.iter().any(|piece| piece.contains(&at)) {
        return;
    }
    let block = seen.blocks.iter().find(|block| block.lines.values().any(|line| *line == at));
    let of_block =
        |line: &usize| block.is_some_and(|block| block.lines.values().any(|other| other == line));
    match pieces.iter_mut().find(|piece| piece.iter().all(of_block)) {
        Some(piece) if piece.len() < FIELDS_MAX => piece.push(at),
        Some(_) => {}
        None => pieces.push(whole(at, seen)),
    }
}

/// The lines that say together what one line of a listing or of a reply begins.
fn whole(at: usize, seen: &Seen) -> Vec<usize> {
    let listing = seen.tables.iter().filter(|table| table.source == Source::Check);
    if listing.flat_map(|table| &table.rows).any(|row| row.line == at) {
        let details = (at + 1..at + 4).take_while(|line| {
            seen.lines.get(*line).is_some_and(|line| {
                let text = line.lower.trim_start();
                ["slots:", "replicates ", "additional"].iter().any(|head| text.starts_with(head))
            })
        });
        return std::iter::once(at).chain(details).collect();
    }
    let role = |line: usize| {
        let word = seen.lines.get(line).map(|line| reply_value(&line.text));
        word.is_some_and(|word| matches!(word.as_str(), "slave" | "replica"))
    };
    let replies = seen.roles.iter().any(|one| one.line == at);
    match at.checked_sub(1) {
        Some(head) if replies && role(head) => (head..head + 5).collect(),
        _ => vec![at],
    }
}

/// The lines of the figures of `CLUSTER INFO` that a story names.
fn named_fields(texts: &[&str], story: &str, facts: &Facts, seen: &Seen) -> Vec<usize> {
    let said = |fact: &str| {
        let named = texts.iter().any(|text| text.contains(&format!("<<{fact}>>")));
        named && facts.get(fact).is_some_and(|value| has_word(story, value))
    };
    let named = FIELDS.iter().filter(|(fact, _)| said(fact));
    named.filter_map(|(_, field)| seen.field_line(field)).collect()
}

/// Adds lines for the figures that no piece has yet.
fn name_the_rest(pieces: &mut Vec<Vec<usize>>, mut open: Vec<String>, seen: &Seen) {
    let text_of = |at: usize| seen.lines.get(at).map_or("", |line| line.text.as_str());
    for at in pieces.iter().flatten() {
        open.retain(|figure| !has_word(text_of(*at), figure));
    }
    // Of lines that name as much, the row of a table tells more about it.
    let rows: BTreeSet<usize> = seen.rows().map(|row| row.line).collect();
    while pieces.len() < PIECES_MAX && !open.is_empty() {
        let covers = |at: usize| open.iter().filter(|figure| has_word(text_of(at), figure)).count();
        let counted =
            (0..seen.lines.len()).map(|at| (covers(at), rows.contains(&at), std::cmp::Reverse(at)));
        let Some((1.., _, std::cmp::Reverse(best))) = counted.max() else { return };
        let before = pieces.len();
        add(pieces, best, seen);
        let new = pieces.get(before).cloned().unwrap_or_else(|| vec![best]);
        for at in new {
            open.retain(|figure| !has_word(text_of(at), figure));
        }
        open.retain(|figure| !has_word(text_of(best), figure));
    }
}

/// The words of a story that stand in a paste as they are: addresses, ids, ranges, names of keys.
fn figures(story: &str) -> Vec<String> {
    let split = |c: char| c.is_whitespace() || ",;()'\"<>".contains(c);
    let mut found: BTreeSet<&str> = BTreeSet::new();
    let words = story.split(split).map(|word| word.trim_end_matches(['.', ':', '?', '!']));
    let telling = |word: &&str| {
        let digits = word.chars().filter(char::is_ascii_digit).count();
        let ip = super::seen::is_ipv4(word.rsplit_once(':').map_or(*word, |(host, _)| host));
        let id = word.len() >= 8 && digits >= 2 && word.chars().all(|c| c.is_ascii_hexdigit());
        let range = word.split_once('-').is_some_and(|(from, to)| {
            let number = |text: &str| text.len() < 6 && text.parse::<u16>().is_ok();
            number(from) && number(to)
        });
        let key = word.split(':').filter(|part| !part.is_empty()).count() >= 2
            && word.chars().any(|c| c.is_ascii_alphabetic())
            && !word.contains("//");
        word.len() >= 4 && (ip || id || range || key)
    };
    words
        .filter(telling)
        .filter(|word| found.insert(word))
        .map(str::to_owned)
        .take(FIGURES_MAX)
        .collect()
}

/// Whether a text has a word, and not as a part of a longer one. An id may be cut short.
pub(super) fn has_word(text: &str, word: &str) -> bool {
    let id = word.len() >= 8 && word.chars().all(|c| c.is_ascii_hexdigit());
    text.match_indices(word).any(|(at, _)| {
        let ends = |c: Option<char>| c.is_none_or(|c| !c.is_ascii_alphanumeric());
        let before = text.get(..at).and_then(|head| head.chars().next_back());
        let after = text.get(at + word.len()..).and_then(|tail| tail.chars().next());
        ends(before) && (id || ends(after))
    })
}

/// Whether the second text says nothing that the first does not: the same words, or the same line
/// of a log with other numbers, none of which the story names.
fn alike(first: &str, second: &str, story: &str) -> bool {
    if first == second {
        return true;
    }
    if logs::parse(first).is_none() || logs::parse(second).is_none() {
        return false;
    }
    let shape = |text: &str| -> Vec<String> {
        let digit = |word: &str| word.contains(|c: char| c.is_ascii_digit());
        text.split_whitespace()
            .map(|word| if digit(word) { "0".to_owned() } else { word.to_owned() })
            .collect()
    };
    let new = figures(story).iter().any(|word| has_word(second, word) && !has_word(first, word));
    shape(first) == shape(second) && !new
}

/// One piece: lines that belong together, as one text at the place of the first.
fn quote(lines: &[usize], seen: &Seen, pastes: &[Paste]) -> Option<Quote> {
    let first = seen.lines.get(*lines.first()?)?;
    let texts = lines.iter().filter_map(|at| seen.lines.get(*at)).map(|line| line.text.trim());
    let text: String = texts.collect::<Vec<&str>>().join("  ").chars().take(QUOTE_CHARS).collect();
    Some(Quote { paste: pastes.get(first.paste)?.name.clone(), line: first.number, text })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_figures_of_a_story_are_its_places_ids_ranges_and_keys() {
        let story =
            "10.0.0.1:6379 (09a9f68857c7) owns 0-5460; mail:wait is at 10.0.0.2. See #9351.";
        let want = ["10.0.0.1:6379", "09a9f68857c7", "0-5460", "mail:wait", "10.0.0.2"];
        assert_eq!(figures(story), want);
    }

    #[test]
    fn a_word_is_no_part_of_a_longer_one() {
        assert!(has_word("at 10.0.0.1:6379@16379", "10.0.0.1"));
        assert!(!has_word("at 10.0.0.184:6379", "10.0.0.18"));
        assert!(has_word("id 09a9f68857c78709", "09a9f688"));
    }

    #[test]
    fn lines_of_a_log_that_repeat_are_one() {
        let line = |at: &str, port: &str| format!("1:M 01 Jan 2024 10:00:0{at}.000 * now :{port}");
        assert!(alike(&line("1", "7000"), &line("2", "7100"), ""));
        assert!(!alike(&line("1", "10.0.0.1:7000"), &line("2", "10.0.0.1:7100"), "10.0.0.1:7100"));
    }
}
