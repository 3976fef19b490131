//! Lines of prose as sentences in a plain spelling, and the shapes that are looked for in them.

use crate::explain::lines::Line;
use crate::explain::table;
use crate::wire::logs;

/// Words of one meaning, in the plain spelling.
pub(super) type Words = &'static [&'static str];

/// The shape of a statement.
pub(super) enum Shape {
    /// One word of each group, in this order and not far from each other.
    InTurn(&'static [Words]),
    /// One word of each group, in any order.
    Together(&'static [Words]),
    /// The same in a few sentences more.
    Wide(&'static [Words]),
}

/// A sentence with the one behind it: people say the second half of a contrast in a second one.
pub(super) struct Window {
    /// The plain spelling, with a blank at both ends.
    text: String,
    /// Where the two sentences end.
    near: usize,
    /// Where the text of each line begins.
    marks: Vec<(usize, usize)>,
}

/// Sentences that are read.
const SENTENCES_MAX: usize = 200;

/// Sentences of a wide shape.
const WIDE: usize = 5;

/// Letters of one sentence.
const SENTENCE_MAX: usize = 700;

/// Letters between two groups of a shape in turn.
const GAP_MAX: usize = 130;

/// Places of one group that are tried.
const PLACES_MAX: usize = 8;

/// Letters around a statement in which the words count that make it another one.
const AROUND: usize = 24;

/// What denies the word behind it.
const DENIED: [&str; 6] =
    [" not ", " no ", " without ", " without any ", " not any ", " not really "];

/// What is written in several ways, and the one way in which it is looked for here. The order
/// counts: the longer first.
const SPELLINGS: &[(&str, &str)] = &[
    (" is not able to ", " cannot "),
    (" are not able to ", " cannot "),
    (" isn't able to ", " cannot "),
    (" aren't able to ", " cannot "),
    (" am not able to ", " cannot "),
    (" not able to ", " cannot "),
    (" was unable to ", " cannot "),
    (" is unable to ", " cannot "),
    (" am unable to ", " cannot "),
    (" unable to ", " cannot "),
    (" can not ", " cannot "),
    (" can't ", " cannot "),
    (" cant ", " cannot "),
    (" could not ", " cannot "),
    (" couldn't ", " cannot "),
    (" couldnt ", " cannot "),
    (" fails to ", " cannot "),
    (" failed to ", " cannot "),
    (" fail to ", " cannot "),
    (" failing to ", " cannot "),
    (" does not ", " not "),
    (" doesn't ", " not "),
    (" doesnt ", " not "),
    (" dosen't ", " not "),
    (" do not ", " not "),
    (" don't ", " not "),
    (" dont ", " not "),
    (" did not ", " not "),
    (" didn't ", " not "),
    (" didnt ", " not "),
    (" is not ", " not "),
    (" isn't ", " not "),
    (" isnt ", " not "),
    (" are not ", " not "),
    (" aren't ", " not "),
    (" was not ", " not "),
    (" wasn't ", " not "),
    (" were not ", " not "),
    (" weren't ", " not "),
    (" will not ", " not "),
    (" won't ", " not "),
    (" wont ", " not "),
    (" has not ", " not "),
    (" hasn't ", " not "),
    (" have not ", " not "),
    (" haven't ", " not "),
    (" would not ", " not "),
    (" wouldn't ", " not "),
    (" never ", " not "),
    (" no longer ", " not "),
    (" not seem to ", " not "),
    (" not appear to ", " not "),
    (" not being ", " not "),
    (" not get ", " not "),
    (" not been ", " not "),
    (" doing a ", " "),
    (" the ", " "),
    (" a ", " "),
    (" an ", " "),
    (" its ", " "),
    (" it's ", " "),
    (" my ", " "),
    (" our ", " "),
    (" this ", " "),
    (" that ", " "),
    (" is ", " "),
    (" are ", " "),
];

/// Lower letters, no quotes and brackets, one way of writing for each word.
pub(super) fn plain(text: &str) -> String {
    let mut words = String::with_capacity(text.len() + 2);
    words.push(' ');
    for word in text.split(|c: char| c.is_whitespace() || "\"`*(){}[],;!<>|“”".contains(c)) {
        let word = word.trim_matches(['\'', '.', '?']).trim_end_matches(':');
        if !word.is_empty() {
            words.push_str(&word.to_lowercase().replace('\u{2019}', "'"));
            words.push(' ');
        }
    }
    for (from, to) in SPELLINGS {
        if words.contains(from) {
            words = words.replace(from, to);
        }
    }
    words
}

/// Whether a line is somebody's own words, and no log, table, code, command or setting.
fn is_prose(line: &Line) -> bool {
    let text = line.text.trim();
    let code = ["();", "=>", " at org.", " at io.", " at java", "://localhost", "('", "(\""];
    let ends = ["{", "};", ");", "}", "({"];
    let tools = ["docker ", "kubectl ", "redis-cli ", "valkey-cli ", "./", "at ", "sudo ", "helm "];
    let is_code = code.iter().any(|mark| text.contains(mark))
        || ends.iter().any(|end| text.ends_with(end))
        || tools.iter().any(|tool| text.starts_with(tool));
    // `redis.exceptions.ConnectionError: ...`, `ioredis:cluster ...`, `[ioredis] ...`.
    let first = line.lower.split_whitespace().next().unwrap_or_default();
    let name = first.trim_end_matches(':');
    let spoken = first.starts_with('[')
        || name.contains(':')
        || (first.ends_with(':')
            && ["error", "exception", ".", "warn"].iter().any(|w| name.contains(w)));
    let words = text.split_whitespace().filter(|word| word.chars().any(char::is_alphabetic));
    let letters = text.chars().filter(|c| c.is_alphabetic() || *c == ' ').count();
    !is_code
        && !spoken
        && words.take(3).count() == 3
        && letters * 10 >= text.chars().count() * 7
        && logs::parse(&line.text).is_none()
        && table::node_line(&line.text, 0).is_none()
}

/// A sentence: its parts, each with the line that it stands in.
type Sentence = Vec<(usize, String)>;

/// The sentences of all lines, in their order.
fn sentences(lines: &[Line]) -> Vec<(usize, Sentence)> {
    let mut all: Vec<(usize, Sentence)> = Vec::new();
    let mut open: Sentence = Vec::new();
    let mut last: Option<(usize, usize)> = None;
    let end = |open: &mut Sentence, all: &mut Vec<(usize, Sentence)>, paste: usize| {
        if !open.is_empty() && all.len() < SENTENCES_MAX {
            all.push((paste, std::mem::take(open)));
        }
        open.clear();
    };
    for (at, line) in lines.iter().enumerate().filter(|(_, line)| is_prose(line)) {
        let text = line.text.trim();
        let item = text.starts_with(['-', '*', '#', '>', '$'])
            || text.split_once(['.', ')']).is_some_and(|(n, _)| n.parse::<u8>().is_ok());
        let near = last == Some((line.paste, line.number.saturating_sub(1)));
        let long = open.iter().map(|(_, part)| part.len()).sum::<usize>() > SENTENCE_MAX;
        if !near || item || long {
            let paste = last.map_or(line.paste, |(paste, _)| paste);
            end(&mut open, &mut all, paste);
        }
        let pieces: Vec<&str> = text.split_inclusive([' ', '\t']).collect();
        let mut part = String::new();
        for piece in pieces {
            part.push_str(piece);
            let word = piece.trim_end();
            let stops = word.ends_with(['?', '!'])
                || (word.ends_with('.') && !word.ends_with("..") && word.len() > 3);
            if stops {
                open.push((at, std::mem::take(&mut part)));
                end(&mut open, &mut all, line.paste);
            }
        }
        if !part.is_empty() {
            open.push((at, part));
        }
        last = Some((line.paste, line.number));
    }
    let paste = last.map_or(0, |(paste, _)| paste);
    end(&mut open, &mut all, paste);
    all
}

/// Each sentence with those behind it.
pub(super) fn windows(lines: &[Line]) -> Vec<Window> {
    let spelt = |(line, part): &(usize, String)| (*line, plain(part));
    let all: Vec<(usize, Sentence)> = sentences(lines)
        .into_iter()
        .map(|(paste, parts)| (paste, parts.iter().map(spelt).collect()))
        .collect();
    let window = |at: usize| {
        let mut window = Window { text: " ".to_owned(), near: 0, marks: Vec::new() };
        let paste = all.get(at).map(|(paste, _)| *paste);
        let behind = all.iter().skip(at).take(WIDE).take_while(|(of, _)| Some(*of) == paste);
        for (nth, (_, sentence)) in behind.enumerate() {
            for (line, part) in sentence {
                window.marks.push((window.text.len(), *line));
                window.text.push_str(part.trim_start());
            }
            if nth < 2 {
                window.near = window.text.len();
            }
        }
        window
    };
    (0..all.len()).map(window).collect()
}

impl Window {
    /// The lines that say it, if they do.
    pub fn says(&self, shape: &Shape, not: &[&str]) -> Option<Vec<usize>> {
        let (from, to) = match shape {
            Shape::InTurn(groups) => self.in_turn(groups)?,
            Shape::Together(groups) => self.together(groups, self.near)?,
            Shape::Wide(groups) => self.together(groups, self.text.len())?,
        };
        let begin = self.floor(from.saturating_sub(AROUND));
        let end = self.floor((to + AROUND).min(self.text.len()));
        let around = self.text.get(begin..end).unwrap_or_default();
        if not.iter().any(|word| around.contains(word)) {
            return None;
        }
        let line_of = |place: usize| {
            self.marks.iter().rev().find(|(at, _)| *at <= place).map(|(_, line)| *line)
        };
        let mut lines: Vec<usize> = [line_of(from), line_of(to)].into_iter().flatten().collect();
        lines.dedup();
        Some(lines)
    }

    /// The next place not behind this one at which a letter begins.
    fn floor(&self, place: usize) -> usize {
        (0..=place).rev().find(|at| self.text.is_char_boundary(*at)).unwrap_or(0)
    }

    /// Where the words of a group stand, from a place on.
    fn places(&self, words: Words, from: usize, end: usize) -> Vec<(usize, usize)> {
        let mut found: Vec<(usize, usize)> = Vec::new();
        for word in words {
            let rest = self.text.get(from..end).unwrap_or_default();
            let all = rest.match_indices(word).map(|(at, _)| from + at);
            let begins = all.filter(|at| {
                let head = self.text.get(..*at).unwrap_or_default();
                let inside = head.chars().next_back().is_some_and(char::is_alphanumeric);
                !inside && !DENIED.iter().any(|denied| head.ends_with(denied))
            });
            found.extend(begins.take(PLACES_MAX).map(|at| (at, at + word.len())));
        }
        found.sort_unstable();
        found.truncate(PLACES_MAX);
        found
    }

    fn together(&self, groups: &[Words], end: usize) -> Option<(usize, usize)> {
        let mut span: Option<(usize, usize)> = None;
        for words in groups {
            let (from, to) = *self.places(words, 0, end).first()?;
            span = Some(span.map_or((from, to), |(a, b)| (a.min(from), b.max(to))));
        }
        span
    }

    fn in_turn(&self, groups: &[Words]) -> Option<(usize, usize)> {
        let (first, rest) = groups.split_first()?;
        // The last place at which it can begin: what is quoted then is the statement itself.
        self.places(first, 0, self.near).into_iter().rev().find_map(|(from, to)| {
            let end = self.follow(rest, to)?;
            Some((from, end))
        })
    }

    /// Where the last of the groups ends that stand behind a place, one behind the other.
    fn follow(&self, groups: &[Words], from: usize) -> Option<usize> {
        let Some((first, rest)) = groups.split_first() else { return Some(from) };
        let near = self.places(first, from, self.near);
        let near = near.into_iter().filter(|(at, _)| at - from <= GAP_MAX);
        near.into_iter().find_map(|(_, to)| self.follow(rest, to))
    }
}
